"""Completion from side features, linear and nonlinear, for rows and columns that were never seen."""

from __future__ import annotations

from halfseen.methods.inductive.clustering import SimilarityClustering
from halfseen.methods.inductive.model import InductiveCompletion

__all__ = ["InductiveCompletion", "SimilarityClustering"]
