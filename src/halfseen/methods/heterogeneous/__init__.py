"""What several tables share and what is each one's own."""

from __future__ import annotations

from halfseen.methods.heterogeneous.model import HeterogeneousFactorization

__all__ = ["HeterogeneousFactorization"]
