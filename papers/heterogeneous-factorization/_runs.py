"""Runs of the solvers with errors noted on the way."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import halfseen as hs
from halfseen.engines import Serial
from halfseen.many import Parts, in_gauge
from halfseen.methods.heterogeneous.alternating import ExactBlocks
from halfseen.methods.heterogeneous.blocks import make_block
from halfseen.methods.heterogeneous.descent import DescentRounds
from halfseen.methods.heterogeneous.start import SecondTries, random_start, spectral_start
from halfseen.methods.heterogeneous.stepwise import stepwise_start
from halfseen.solvers.loop import loop

COLOURS = ("#2a6f97", "#d9822b", "#6c757d", "#a23b72", "#3c8d53", "#111111", "#b8a100", "#7b5ea7")


@contextmanager
def quiet() -> Iterator[None]:
    """Without warnings: what they say is what is measured."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def blocks_of(data: Any, loss: Any = None) -> tuple[Any, ...]:
    """The sources as blocks."""
    return tuple(make_block(table, loss or hs.losses.Gaussian()) for table in data.sources.values())


class Errors:
    """Watcher: subspace error, summed squared errors of both parts, and seconds, at chosen sweeps."""

    def __init__(self, data: Any, every: int = 1, target: float = 0.0, with_parts: bool = False) -> None:
        self.data, self.every, self.target, self.with_parts = data, every, target, with_parts
        self.rows: list[dict[str, float]] = []
        self.spent = 0.0

    def __call__(self, iteration: int, result: Any, seconds: float) -> None:
        if iteration % self.every and iteration != 1:
            return
        begun = time.process_time()
        parts: Parts = in_gauge(result.params.shared_basis, result.params.own)
        names = list(self.data.unique_basis)
        seen = _Parts(parts, dict(zip(names, parts.own, strict=True)))
        row = {"iteration": iteration, "subspace_error": self.data.subspace_error(seen)}
        if self.with_parts:
            row["shared_error"], row["unique_error"] = self.data.part_errors(seen)
        self.rows.append(row)
        self.spent += time.process_time() - begun

    def stop(self, iteration: int, result: Any) -> str | None:
        return "change" if self.rows and self.rows[-1]["subspace_error"] <= self.target else None


class _Parts:
    """Fitted parts in the form that a simulated data set judges."""

    def __init__(self, parts: Parts, own: dict[str, Any]) -> None:
        self.shared_basis_, self._own = parts.shared_basis, own
        self.unique_basis_ = {name: one.unique_basis for name, one in own.items()}

    def shared_part(self, name: str) -> np.ndarray:
        return self.shared_basis_ @ self._own[name].shared_loadings.T

    def unique_part(self, name: str) -> np.ndarray:
        return self._own[name].unique_basis @ self._own[name].unique_loadings.T


def watched(errors: Errors | None) -> dict[str, Any]:
    """What a loop is told: nothing when nobody looks at the errors."""
    return {} if errors is None else {"stops": [errors.stop], "watchers": [errors]}


def descend(data: Any, ranks: tuple[int, int], errors: Errors | None, rounds: int, seed: int, **how: Any) -> Any:
    """Algorithm 1 (``step``, ``beta``, ``scale`` of the start, ``loss``) for some rounds."""
    blocks = blocks_of(data, how.get("loss"))
    start = random_start(blocks, ranks[0], (ranks[1],) * len(blocks), how["scale"], np.random.default_rng(seed))
    sweep = DescentRounds(blocks, Serial(), how["step"], how.get("beta", 0.0))
    return loop(sweep, start, max_iter=rounds, **watched(errors))


def alternate(data: Any, ranks: tuple[int, int], errors: Errors | None, sweeps: int, seed: int, **how: Any) -> Any:
    """Exact sweeps from the spectral or stepwise ``start``; with ``tries`` sources that stay behind start afresh."""
    blocks, rng, tries = blocks_of(data), np.random.default_rng(seed), how.get("tries", 0)
    own = (ranks[1],) * len(blocks)
    if how.get("start") == "stepwise":
        start = stepwise_start(blocks, ranks[0], own, 0.0, Serial(), rng)
    else:
        start = spectral_start(blocks, ranks[0], own, Serial(), rng)
    sweep: Any = ExactBlocks(blocks, Serial())
    if tries:
        sweep = SecondTries(sweep, blocks, Serial(), tries, rng)
    return loop(sweep, start, max_iter=sweeps, **watched(errors))


def grouped(rows: list[dict[str, Any]], by: tuple[str, ...], value: str) -> list[dict[str, Any]]:
    """Mean, least and largest of a value in every group, in the order of their first row."""
    keys = list(dict.fromkeys(tuple(row[name] for name in by) for row in rows))
    table = []
    for key in keys:
        found = np.array([row[value] for row in rows if tuple(row[name] for name in by) == key], dtype=float)
        numbers = {"mean": f"{found.mean():.3g}", "least": f"{found.min():.3g}", "largest": f"{found.max():.3g}"}
        table.append({**dict(zip(by, key, strict=True)), **numbers, "runs": len(found)})
    return table
