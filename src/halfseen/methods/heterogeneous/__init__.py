"""Shared and unique factors of many sources."""

from __future__ import annotations

from halfseen.methods.heterogeneous.model import HeterogeneousFactorization
from halfseen.methods.heterogeneous.options import HeterogeneousOptions

__all__ = ["HeterogeneousFactorization", "HeterogeneousOptions"]
