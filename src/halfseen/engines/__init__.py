"""Where row blocks are computed: one after the other, or on threads."""

from __future__ import annotations

from halfseen.engines.blocks import PassResult
from halfseen.engines.local import Engine, Serial, Threads, current_engine, engine, resolve
from halfseen.engines.passes import EntryPasses

__all__ = ["Engine", "EntryPasses", "PassResult", "Serial", "Threads", "current_engine", "engine", "resolve"]
