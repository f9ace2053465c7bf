"""What every network shares: torch when it is there, devices, seeds, training under the one loop, weights as arrays."""

from __future__ import annotations

from halfseen.nets.extra import find_device, load_torch, seed_of, threads_of
from halfseen.nets.sparse import Columns, at_entries, columns_of, times
from halfseen.nets.training import AdamWSteps, QuasiNewton, Several, as_arrays, as_weights, average, snapshot

__all__ = [
    "AdamWSteps",
    "Columns",
    "QuasiNewton",
    "Several",
    "as_arrays",
    "as_weights",
    "at_entries",
    "average",
    "columns_of",
    "find_device",
    "load_torch",
    "seed_of",
    "snapshot",
    "threads_of",
    "times",
]
