"""Folds of a table, their models fitted on an engine, and what scikit-learn's searches need to work on entries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeVar

import numpy as np
from sklearn.base import clone

from halfseen._typing import RandomState, as_generator
from halfseen.base import CompletionEstimator
from halfseen.data import Observed
from halfseen.engines import Serial, current_engine, engine
from halfseen.losses import get_loss
from halfseen.select.held_out import held_out_deviance, new_row_deviance

Result = TypeVar("Result")
Report = Callable[[int, int], None]
_REPORT: ContextVar[Report | None] = ContextVar("halfseen_progress", default=None)


def for_whole_table(model: Any, observed: Observed) -> Any:
    """The model with what its family takes from the values of the whole table (classes), so that no part has less.

    Examples
    --------
    >>> import halfseen as hs
    >>> R = hs.Observed.from_dense([[1.0, 3.0], [2.0, 5.0]])
    >>> for_whole_table(hs.GeneralizedFactorModel(1, "ordinal"), R).family.levels
    4
    """
    family = getattr(model, "family", None)
    if not isinstance(family, str) or family != "ordinal":
        return model
    loss: Any = get_loss(family)
    return clone(model).set_params(family=loss.for_table(observed))


@contextmanager
def progress(report: Report) -> Iterator[None]:
    """Be told of the folds of all searches inside a ``with`` block.

    Parameters
    ----------
    report : callable
        ``report(done, folds)`` is called after every fold.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> table = np.add.outer(np.arange(6.0), np.arange(5.0))
    >>> with hs.select.progress(lambda done, folds: print(done, "of", folds)):
    ...     _ = hs.select.cross_validate(hs.BiasModel(tol=1e-3), table, folds=2, random_state=0)
    1 of 2
    2 of 2
    """
    token = _REPORT.set(report)
    try:
        yield
    finally:
        _REPORT.reset(token)


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


def over_folds(work: Callable[[Fold], Result], folds: Iterable[Fold], n_folds: int) -> list[Result]:
    """Results of all folds, in their order, one fold per worker of the surrounding engine.

    Inside a worker everything is serial: folds are the larger pieces, and a pool must not wait for itself. A single
    fold leaves the engine to its fits.
    """
    results, chosen, report = [], current_engine(), _REPORT.get()
    is_spread = chosen.workers > 1 and n_folds > 1
    alone = chosen if is_spread else Serial()

    def inside(fold: Fold) -> Result:
        with engine("serial"):
            return work(fold)

    for done, result in enumerate(alone.map(inside if is_spread else work, folds), 1):
        results.append(result)
        if report is not None:
            report(done, n_folds)
    return results
