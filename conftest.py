"""Doctests of modules that train networks are left out where torch is not installed."""

from __future__ import annotations

from importlib.util import find_spec

TRAINED = [
    "src/halfseen/nets/*",
    "src/halfseen/methods/autoencoder/*",
    "src/halfseen/methods/inductive/towers*",
]
collect_ignore_glob = [] if find_spec("torch") else TRAINED
