"""Sparse and heterogeneous autoencoders; they need the extra ``torch``."""

from __future__ import annotations

from halfseen.methods.autoencoder.model import HeterogeneousAutoencoder, SparseAutoencoder
from halfseen.methods.autoencoder.options import AutoencoderOptions

__all__ = ["AutoencoderOptions", "HeterogeneousAutoencoder", "SparseAutoencoder"]
