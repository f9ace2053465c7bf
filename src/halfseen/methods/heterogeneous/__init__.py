"""Shared and unique factors of many sources, linear and by autoencoders."""

from __future__ import annotations

from halfseen.methods.heterogeneous.autoencoder import HeterogeneousAutoencoder, SparseAutoencoder
from halfseen.methods.heterogeneous.autoencoder_options import AutoencoderOptions
from halfseen.methods.heterogeneous.model import HeterogeneousFactorization
from halfseen.methods.heterogeneous.options import HeterogeneousOptions

__all__ = [
    "AutoencoderOptions",
    "HeterogeneousAutoencoder",
    "HeterogeneousFactorization",
    "HeterogeneousOptions",
    "SparseAutoencoder",
]
