"""Sparse and heterogeneous autoencoders; they need the extra ``torch``."""

from __future__ import annotations

from halfseen.methods.autoencoder.model import HeterogeneousAutoencoder, SparseAutoencoder

__all__ = ["HeterogeneousAutoencoder", "SparseAutoencoder"]
