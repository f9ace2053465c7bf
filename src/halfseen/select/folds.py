"""Folds of a table, their models fitted on an engine, and what scikit-learn's searches need to work on entries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np

from halfseen._typing import RandomState, as_generator
from halfseen.base import CompletionEstimator
from halfseen.data import Observed
from halfseen.engines import Engine, Serial, engine, resolve
from halfseen.select.held_out import held_out_deviance, new_row_deviance

Result = TypeVar("Result")
Progress = Callable[[int, int], None]


class Fold(NamedTuple):
    """One division of a table.

    Attributes
    ----------
    train : Observed
    test : Observed
        Entries to be predicted.
    shown : Observed or None
        Of new rows, the entries by which they are placed; None where single entries are held out.
    """

    train: Observed
    test: Observed
    shown: Observed | None = None

    def loss(self, model: CompletionEstimator) -> float:
        """Mean held-out deviance of a model fitted to ``train``."""
        if self.shown is None:
            return held_out_deviance(model, self.test)
        return new_row_deviance(model, self.shown, self.test)


def make_folds(observed: Observed, n_folds: int, by: str, random_state: RandomState) -> Iterator[Fold]:
    """Folds on entries, or on rows that are placed by a random half of their entries."""
    rng = as_generator(random_state)
    for train, test in observed.folds(n_folds, rng, by):
        if by == "entries":
            yield Fold(train, test)
        else:
            shown, hidden = rows_of(test).split(0.5, rng)
            yield Fold(rows_of(train), hidden, shown)


def rows_of(part: Observed) -> Observed:
    """The rows that have entries, without the others."""
    return part.take_rows(np.flatnonzero(part.by_rows.counts))


def over_folds(
    work: Callable[[Fold], Result],
    folds: Iterable[Fold],
    n_folds: int,
    choice: str | Engine | None,
    progress: Progress | None,
) -> list[Result]:
    """Results of all folds, in their order, one fold per worker of the engine.

    Inside a worker everything is serial: folds are the larger pieces, and a pool must not wait for itself. A single
    fold leaves the engine to its fits.
    """
    found, chosen = [], resolve(choice)
    is_spread = chosen.workers > 1 and n_folds > 1
    alone = chosen if is_spread else Serial()

    def inside(fold: Fold) -> Result:
        with engine("serial"):
            return work(fold)

    for done, result in enumerate(alone.map(inside if is_spread else work, folds), 1):
        found.append(result)
        if progress is not None:
            progress(done, n_folds)
    return found
