"""What several tables share and what is each one's own."""

from __future__ import annotations

from halfseen.methods.heterogeneous.model import HeterogeneousFactorization
from halfseen.methods.heterogeneous.options import HeterogeneousOptions

__all__ = ["HeterogeneousFactorization", "HeterogeneousOptions"]
