"""The rank, chosen on held-out entries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import clone

from halfseen._typing import FloatArray, IntArray, RandomState, as_generator
from halfseen.data import as_observed
from halfseen.data.storable import storable
from halfseen.select.folds import Fold, for_whole_table, over_folds
from halfseen.select.held_out import as_frame, clustered_error, entry_deviances
from halfseen.select.rules import TIE, check_rule, fitted_from


@storable
@dataclass(frozen=True)
class RankChoice:
    """The outcome of :func:`choose_rank`.

    Attributes
    ----------
    rank : int
        The chosen one.
    ranks : tuple of int
        Those tried, in ascending order.
    losses : ndarray (n_ranks,)
        Mean held-out deviance over the splits (gaussian: mean squared error); smaller is better.
    standard_errors : ndarray (n_ranks,)
        Of the losses' differences to the best rank's, from the held-out entries of all splits, paired between ranks
        and clustered by row; nan where a loss is not finite.
    loss_errors : ndarray (n_ranks,)
        Of the losses themselves, in the same way.
    split_losses : ndarray (n_splits, n_ranks)
        The same splits for every rank.
    rule : str
    model : estimator
        A copy with the chosen rank, to be fitted to all entries: ``choice.model.fit(R)``.
    """

    rank: int
    ranks: tuple[int, ...]
    losses: FloatArray
    standard_errors: FloatArray
    split_losses: FloatArray
    rule: str
    model: Any = field(default=None, repr=False)
    loss_errors: FloatArray | None = None

    def to_frame(self, backend: str = "pyarrow") -> Any:
        """One line per rank: rank, loss, loss_error, standard_error (of the difference to the best), is_chosen."""
        columns = {
            "rank": np.array(self.ranks),
            "loss": self.losses,
            "loss_error": self.loss_errors,
            "standard_error": self.standard_errors,
            "is_chosen": np.array(self.ranks) == self.rank,
        }
        return as_frame(columns, backend)


def choose_rank(
    model: Any,
    R: Any,
    ranks: Iterable[int],
    held_out: float = 0.1,
    n_splits: int = 3,
    rule: str = "best",
    random_state: RandomState = None,
    is_warm: bool = True,
) -> RankChoice:
    """Choose a model's rank by its deviance on held-out entries.

    Parameters
    ----------
    model : estimator with a parameter ``rank``
        Is not changed; its callbacks watch every fit.
    R : Observed, NaN array, data frame or scipy.sparse
    ranks : iterable of int
        0 (intercepts or biases alone) where the model allows it.
    held_out : float
        Share of the entries held out in each split; the last entry of a row or column never is.
    n_splits : int
        Number of random splits; every rank sees the same ones.
    rule : {"best", "one_se"}
        The smallest loss, or the smallest rank whose loss exceeds it by at most one standard error. Losses within
        0.1 % of the smallest count as equal to it, and the smaller rank wins.
    random_state : int, Generator or None
        Draws the splits.
    is_warm : bool
        Begin each fit at the one of the rank before it on the same split, where the model's ``fit`` takes ``start=``.

    Returns
    -------
    RankChoice

    Raises
    ------
    ValueError
        For ranks that are not whole numbers or too large for the table, and for an unknown rule.
    TypeError
        For a model without a parameter ``rank``.

    Notes
    -----
    ``len(ranks) * n_splits`` fits, one split per worker of the surrounding ``with hs.engine(...)``; results have the
    same bits on any. ``with hs.select.progress(report)`` is told of every split.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> rng = np.random.default_rng(0)
    >>> table = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 40)) + 0.3 * rng.normal(size=(60, 40))
    >>> table[rng.random(table.shape) < 0.4] = np.nan
    >>> hs.select.choose_rank(hs.AlternatingLeastSquares(random_state=0), table, [0, 1, 2, 4], random_state=0).rank
    2
    """
    observed = as_observed(R)
    model = for_whole_table(model, observed)
    tried = _checked_ranks(model, ranks, observed.shape)
    check_rule(rule)
    if not isinstance(n_splits, Integral) or n_splits < 1:
        raise ValueError(f"n_splits must be an integer of at least 1; got {n_splits!r}")

    def judge(fold: Fold) -> tuple[list[FloatArray], IntArray]:
        deviances, before = [], None
        for rank in tried:
            candidate = clone(model).set_params(rank=rank)
            before = fitted_from(candidate, fold.train, before if is_warm else None)
            deviances.append(entry_deviances(before, fold.test))
        return deviances, fold.test.rows

    splits = (
        Fold(*observed.split(held_out, rng, keep_covered=True)) for rng in as_generator(random_state).spawn(n_splits)
    )
    judged = over_folds(judge, splits, int(n_splits))
    each, rows = [deviances for deviances, _ in judged], [places for _, places in judged]
    losses = np.array([[float(np.mean(deviances)) for deviances in split] for split in each])
    means = losses.mean(axis=0)
    best = int(np.argmin(means))
    errors = np.array([_error(each, rows, place, best) for place in range(len(tried))])
    own = np.array([_error(each, rows, place) for place in range(len(tried))])
    allowed = np.nan_to_num(errors) if rule == "one_se" else 0.0
    chosen = int(np.argmax(means <= means[best] + np.maximum(TIE * abs(means[best]), allowed)))
    last = clone(model).set_params(rank=tried[chosen])
    return RankChoice(tried[chosen], tried, means, errors, losses, rule, last, own)


def _error(each: list[list[FloatArray]], rows: list[IntArray], place: int, best: int | None = None) -> float:
    """Standard error of a rank's loss, or of its difference to the best one's."""
    with np.errstate(invalid="ignore"):  # infinite losses have no error
        numbers = [split[place] if best is None else split[place] - split[best] for split in each]
    return clustered_error(list(zip(numbers, rows, strict=True)))


def _checked_ranks(model: Any, ranks: Iterable[int], shape: tuple[int, int]) -> tuple[int, ...]:
    if "rank" not in model.get_params(deep=False):
        raise TypeError(f"{type(model).__name__} has no parameter 'rank' to choose; use halfseen.select.cross_validate")
    given = list(ranks) if isinstance(ranks, Iterable) else [ranks]
    if not given:
        raise ValueError("ranks is empty; give at least one rank to try, such as ranks=[1, 2, 4, 8]")
    for rank in given:
        if not isinstance(rank, Integral) or isinstance(rank, bool) or rank < 0:
            raise ValueError(f"ranks must be whole numbers of at least 0; got {rank!r}")
        if rank > min(shape):
            raise ValueError(
                f"rank {rank} is too large for a table of {shape[0]} rows and {shape[1]} columns; "
                f"try ranks up to {min(shape)}"
            )
    return tuple(sorted({int(rank) for rank in given}))
