"""What every network shares: torch when it is there, devices, seeds, training under the one loop, weights as arrays."""

from __future__ import annotations

from halfseen.nets.extra import find_device, load_torch, seed_of, threads_of

__all__ = ["find_device", "load_torch", "seed_of", "threads_of"]
