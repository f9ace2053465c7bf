"""What several tables share and what is each one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halfseen.methods.heterogeneous.model import HeterogeneousFactorization

__all__ = ["HeterogeneousFactorization"]


if not TYPE_CHECKING:

    def __getattr__(name):
        from halfseen.submodules import submodule

        return submodule(__name__, name)
