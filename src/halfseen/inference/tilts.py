"""Scores under a stated tilt of the cells that were not seen (pattern mixture), as one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray, Labels
from halfseen.data import Observed
from halfseen.inference.intervals import normal_quantile
from halfseen.inference.kept import KeptEntries
from halfseen.inference.listing import Listing
from halfseen.inference.ranks import order_of
from halfseen.inference.realised import on_lattice
from halfseen.inference.table import NotStated, TableNames
from halfseen.parameters import BadArgument

DELTAS = (-1.0, -0.5, 0.0, 0.5, 1.0)
LARGEST_TILT = 10.0
CELLS_AT_ONCE = 1_000_000


def checked_tilts(deltas: Any) -> list[float]:
    """Tilts as numbers, or one clear error."""
    try:
        given = np.asarray(deltas, dtype=float).ravel()
    except (TypeError, ValueError):
        given = np.empty(0)
    if not len(given) or not np.isfinite(given).all() or np.abs(given).max() > LARGEST_TILT:
        raise BadArgument("deltas", deltas, f"one or more numbers from {-LARGEST_TILT:g} to {LARGEST_TILT:g}")
    return given.tolist()


def tilted_shares(model: Any, R: Any, deltas: Any, scores: Any, q: float) -> tuple[list[Any], IntArray, float]:
    r"""Scores of the table as it is under each tilt, for models of yes/no answers that predict any cell.

    .. math:: s_i(\delta) = s_i(0) + \frac1p\sum_{j\ hidden} \psi(m_{ij} + \delta u) - \psi(m_{ij})

    Parameters
    ----------
    model : fitted estimator
        With the table of its fit in ``_seen`` (`KeptEntries`), where that is not given as ``R``.
    R : table or None
    deltas : sequence of float
    scores : Intervals
        The realised scores without a tilt; their standard errors are kept.
    q : float
        Normal quantile of the level.

    Returns
    -------
    tables : list of (delta, estimate, se, low, high)
    hidden : int ndarray (n,)
    unit : float
        Standard deviation of a linear predictor within its column.

    Notes
    -----
    Two passes over all cells in blocks of rows.
    """
    tilts, seen = checked_tilts(deltas), _entries_of(model, R)
    (n, p), loss = seen.shape, model.loss_
    sums, squares = np.zeros(p), np.zeros(p)
    for rows in _row_blocks(n, p):
        linear = np.asarray(model._linear_block(rows, np.arange(p)), dtype=float)
        sums += linear.sum(axis=0)
        squares += np.square(linear).sum(axis=0)
    unit = float(np.sqrt(np.mean(np.maximum(squares / n - np.square(sums / n), 0.0)))) or 1.0
    hidden_sums = np.zeros((len(tilts) + 1, n))
    for rows in _row_blocks(n, p):
        linear = np.asarray(model._linear_block(rows, np.arange(p)), dtype=float)
        part = slice(seen.by_rows.indptr[rows[0]], seen.by_rows.indptr[rows[-1] + 1])
        is_hidden = np.ones(linear.shape, dtype=bool)
        is_hidden[seen.rows[part] - rows[0], seen.cols[part]] = False
        for place, delta in enumerate([0.0, *tilts]):
            hidden_sums[place, rows] = np.sum(loss.mean(linear + delta * unit), axis=1, where=is_hidden)
    known = np.bincount(seen.rows, np.asarray(seen.values, dtype=float), n)
    hidden, tables = p - np.asarray(seen.by_rows.counts), []
    for delta, moved in zip(tilts, hidden_sums[1:] - hidden_sums[0], strict=True):
        estimate, se = np.clip(scores.estimate + moved / p, known / p, (known + hidden) / p), scores.se
        normal = np.maximum(estimate - q * se, known / p), np.minimum(estimate + q * se, (known + hidden) / p)
        low, high = on_lattice(normal, (estimate, se), (known, hidden), p, q)
        tables.append((delta, estimate, se, low, high))
    return tables, hidden, unit


def _entries_of(model: Any, R: Any) -> Observed:
    """The table of the fit, as kept or as given again."""
    if R is not None:
        seen: Observed = model._observe(R, reset=False)
        if seen.shape[0] != model.observed_shape_[0]:
            raise ValueError(f"R has {seen.shape[0]} rows; needed: the {model.observed_shape_[0]} rows of the fit.")
        return seen
    kept = getattr(model, "_seen", KeptEntries()).table()
    if kept is None:
        raise NotStated("sensitivity() needs the answers, which this model does not hold; give them: R=, or fit again.")
    return kept


def _row_blocks(n: int, p: int) -> Iterator[IntArray]:
    size = max(1, CELLS_AT_ONCE // max(p, 1))
    return (np.arange(start, min(start + size, n)) for start in range(0, n, size))


def tilted_listing(
    names: Mapping[str, Labels],
    tables: Sequence[tuple[float, FloatArray, FloatArray, FloatArray, FloatArray]],
    hidden: IntArray,
    unit: float,
    level: float,
) -> Listing:
    """One line per row and tilt, from (tilt, estimate, se, low, high) of each tilt.

    Examples
    --------
    >>> one, two = np.array([0.5, 0.7]), np.array([0.1, 0.1])
    >>> listing = tilted_listing({"row": np.array(["a", "b"])}, [(0.0, one, two, one - two, one + two)],
    ...                          np.array([3, 0]), 1.2, 0.95)
    >>> listing["rank"].tolist(), listing["hidden"].tolist()
    ([2, 1], [3, 0])
    """
    n, k = len(hidden), len(tables)
    columns: dict[str, Any] = {name: np.tile(np.asarray(label), k) for name, label in names.items()}
    columns["delta"] = np.repeat([table[0] for table in tables], n)
    for place, name in enumerate(("score", "se", "low", "high"), start=1):
        columns[name] = np.concatenate([table[place] for table in tables])
    columns["rank"] = np.concatenate([order_of(table[1]) for table in tables])
    columns["hidden"] = np.tile(hidden, k)
    notes = (
        f"delta: hidden cells are taken to have linear predictors moved by delta times {unit:.4g}, a standard "
        "deviation of the predictor within a column; 0 is missing for no reason",
        "score: mean on the complete table, seen responses as they are; an order that changes with delta rests on what "
        "was not seen",
    )
    return Listing("sensitivity to missing cells", columns, level, notes)


class ShowsTilts:
    """What inferences of item responses share: their scores under a stated tilt of the cells not seen."""

    _model: Any
    names: TableNames
    level: float
    claim: str
    library: str
    scores: Callable[..., Any]

    @property
    def _has_tilts(self) -> bool:
        """Whether the answers are yes or no, one for each cell."""
        raise NotImplementedError

    def sensitivity(self, deltas: Any = DELTAS, *, R: Any = None) -> Listing:
        """Scores of yes/no answers if the cells not seen were better or worse than the model says (pattern mixture).

        Parameters
        ----------
        deltas : sequence of float
            Tilts in standard deviations of the linear predictor within a column; 0 is missing for no reason.
        R : table of the fit, optional
            Needed again for a model out of a file, and for large tables of bytes.

        Returns
        -------
        Listing
            Columns ``row, delta, score, se, low, high, rank, hidden``, one line per row and tilt.
        """
        if not self._has_tilts:
            raise NotStated("sensitivity() is for yes/no answers.")
        scores = self.scores("these")
        tables, hidden, unit = tilted_shares(self._model, R, deltas, scores, normal_quantile(self.level))
        listing = tilted_listing(self.names.column(0), tables, hidden, unit, self.level)
        return replace(listing, claim=self.claim, library=self.library)
