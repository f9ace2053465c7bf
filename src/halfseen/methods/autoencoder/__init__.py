"""Sparse and heterogeneous autoencoders; they need the extra ``torch``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halfseen.methods.autoencoder.model import HeterogeneousAutoencoder, SparseAutoencoder

__all__ = ["HeterogeneousAutoencoder", "SparseAutoencoder"]


if not TYPE_CHECKING:

    def __getattr__(name):
        from halfseen.submodules import submodule

        return submodule(__name__, name)
