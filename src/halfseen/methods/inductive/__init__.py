"""Completion from side features, linear and nonlinear, for rows and columns that were never seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halfseen.methods.inductive.clustering import SimilarityClustering
from halfseen.methods.inductive.model import InductiveCompletion

__all__ = ["InductiveCompletion", "SimilarityClustering"]


if not TYPE_CHECKING:

    def __getattr__(name):
        from halfseen.submodules import submodule

        return submodule(__name__, name)
