"""Checks of one-sided completion at the edge, and its warnings."""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from halfseen._typing import IntArray
from halfseen.data import Observed, storable
from halfseen.inference.extremes import FEWEST, SHARE, top_share
from halfseen.methods.moment.diagnostics import OFTEN_SEEN, is_thin, often_seen_text, thin_text
from halfseen.parameters import BadArgument

DEFAULT_RANK = 10
# Share of the values' squares in their common level from which it is said: ratings of 1 to 5 have .92, and completing
# them by second moments is an ordinary use.
LEVEL = 0.98


@storable
@dataclass(frozen=True)
class SeenRows:
    """The rows a model was fitted to; never saved, pickled or copied with it."""

    observed: InitVar[Observed | None] = None

    def __post_init__(self, observed: Observed | None) -> None:
        object.__setattr__(self, "_rows", observed)

    def rows(self) -> Observed | None:
        """The rows, or None in a model that came out of a file."""
        return self.__dict__["_rows"]

    def __reduce__(self) -> tuple[Any, ...]:
        return SeenRows, ()


def observe_rows(model: Any, R: Any, reset: bool) -> Observed:
    """A table of rows at the edge: entries without weights."""
    observed = model._observe(R, reset=reset)
    if observed.weights is not None:
        raise ValueError(
            "R has weights, and a pair of entries has no weight of its own; leave them out, or drop the entries that "
            "should not count"
        )
    return observed


def usable_rank(rank: Any, n_cols: int) -> int:
    """The rank to fit: as given, cut to the columns; None: 10, or a quarter of the columns where that is less.

    More than a quarter would explain noise where columns are few.
    """
    if rank is None:
        return max(1, min(DEFAULT_RANK, n_cols // 4))
    if rank == "auto":
        raise BadArgument(
            "rank", rank, "a number here",
            "rank='auto' looks at held-out rows: it needs fit(R) or fit_moments(moments, held_out=...), and is refused "
            "for private models.",
        )  # fmt: skip
    return min(int(rank), max(n_cols, 1))


def check_privacy(model: Any) -> None:
    """No seed that would let anyone take the noise away again, and no look at raw rows."""
    if model.privacy is None:
        return
    if isinstance(model.random_state, Integral | np.random.RandomState):
        raise BadArgument(
            "random_state", model.random_state, "None under privacy",
            "Who knows a seed can subtract the noise (a numpy Generator is taken for simulations; it is not stored).",
        )  # fmt: skip
    if model.rank == "auto":
        raise BadArgument(
            "rank", model.rank, "a number under privacy", "'auto' looks at raw rows; choose the rank beforehand."
        )


def check_private_call(model: Any, name: str, why: str) -> None:
    """Refuse what would touch raw rows of a private model."""
    if model.privacy is not None:
        raise ValueError(f"{name} is refused under privacy: {why}")


def is_table(rows: Any) -> bool:
    """Whether an argument is a table of rows rather than labels of rows."""
    if isinstance(rows, Observed) or hasattr(rows, "tocoo") or hasattr(rows, "columns"):
        return True
    return np.ndim(rows) == 2


def pair_positions(model: Any, pairs: Any) -> tuple[IntArray, IntArray]:
    """Positions of pairs of columns given by label."""
    try:
        first, second = pairs
    except (TypeError, ValueError):
        raise ValueError("pairs must be two sequences of columns, (columns, columns), elementwise") from None
    i, j = model._positions(first, "column"), model._positions(second, "column")
    if len(i) != len(j) and 1 not in (len(i), len(j)):
        raise ValueError(f"pairs are elementwise, but {len(i)} and {len(j)} columns were given")
    i, j = np.broadcast_arrays(i, j)
    return i, j


def check_varied(observed: Observed) -> None:
    """Refuse a table of one constant value: its pairs say which cells were seen, and nothing else."""
    values = observed.values
    if len(values) > 1 and values.min() == values.max() != 0:
        raise ValueError(
            f"all {len(values)} entries are {values[0]:g}: the table says only which cells there are. For positives "
            "alone use a one-class model, hs.InductiveCompletion(family='one_class') or hs.comparisons.Popularity."
        )


def tell_heavy_tails(model: Any, observed: Observed) -> None:
    """Say where few entries carry the sums of squares: second moments have no use for errors with heavy tails."""
    if observed.n_entries < FEWEST:
        return
    values, cols, p = observed.values.astype(float), observed.cols, observed.shape[1]
    squares = np.bincount(cols, np.square(values), minlength=p) / np.maximum(np.bincount(cols, minlength=p), 1)
    # columns may differ in their noise: each is looked at in its own unit
    share, top = top_share(values / np.sqrt(np.maximum(squares, np.finfo(float).tiny))[cols])
    if share > SHARE:
        model._warn(
            f"{share:.0%} of the columns' sums of squares lie in {len(top)} of {observed.n_entries} entries: values "
            "have heavy tails, and second moments are those of a few. Check the largest, cut them off at a limit, or "
            "take logarithms where they are amounts."
        )


def tell_level(model: Any, observed: Observed) -> None:
    """Say where the values' common level is most of their squares: it then takes the first component."""
    values = observed.values.astype(float)
    share = float(np.square(values.mean()) / max(float(np.mean(np.square(values))), np.finfo(float).tiny))
    if observed.n_entries >= FEWEST and share > LEVEL:
        model._warn(
            f"{share:.1%} of the values' squares are their common level ({values.mean():.4g}), and second moments are "
            "taken of values as they are: subtract the means of the columns first, unless the level is what is sought."
        )


def warn_about(model: Any) -> None:
    """One warning where the fit did not end well, or another method would have done better."""
    run, pairs = model.run_, model.diagnostics_
    if run.reason in ("max_iter", "not_finite"):
        model._warn(
            f"OneSidedCompletion ended after {run.n_iter} sweeps with reason '{run.reason}'; raise max_iter or tol, or "
            "lower the rank",
            ConvergenceWarning,
        )
    if pairs is not None and (text := pairs.islands_text(model.col_labels_)):
        model._warn(text)
    if pairs is not None and is_thin(pairs, model.rank_):
        model._warn(thin_text(pairs, model.rank_))
    if pairs is not None and model.rank_ < pairs.n_cols and pairs.entries_per_row > OFTEN_SEEN * model.rank_:
        model._warn(often_seen_text(pairs.entries_per_row, model.rank_))
    if pairs is not None and pairs.is_biased_by_activity:
        model._warn(
            f"{pairs.activity_text()}: rows with many entries count more in every pair. Fit rows of few and of many "
            "entries apart and compare the two, or give every row the same number of entries."
        )
