"""What is descended on: a complete table, a linear operator, or the entries that were seen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.data import Observed
from halfseen.data.storable import storable
from halfseen.engines import Engine, EntryPasses
from halfseen.linalg import truncated_svd
from halfseen.losses import Loss, is_quadratic
from halfseen.solvers import DenseObjective, EntryObjective, FactorObjective, ImplicitObjective

# Means of rows and columns are shrunk as by this many entries of zero: the values that serve ratings best.
ROW_ENTRIES, COL_ENTRIES = 5.0, 2.0
# Share of the squares that means must explain before "auto" takes them out. Means of a centred low-rank table
# explain next to nothing, and taking them out would add one or two components to those that have to be learned.
WORTH = 0.1


@storable
@dataclass(frozen=True)
class Centre:
    """What was taken out of a table: the mean, and what rows and columns differ from it."""

    mean: float
    # an array; of a prepared table RowsInBlocks, which behaves as one
    rows: Any
    cols: FloatArray

    def at(self, rows: Any, cols: Any) -> FloatArray:
        """The part of entries ``(rows, cols)`` (arrays that broadcast)."""
        return self.rows[rows] + self.cols[cols] + self.cols.dtype.type(self.mean)

    @property
    def is_zero(self) -> bool:
        return self.mean == 0 and not self.rows.any() and not self.cols.any()


def centre_of(observed: Observed, kind: str, loss: Loss) -> Centre:
    """Mean, and shrunk means of columns and rows, of the values (of other losses: links of means)."""
    (n, p), dtype = observed.shape, observed.dtype
    rows: FloatArray = np.zeros(n)
    cols: FloatArray = np.zeros(p)
    if kind == "none":
        return Centre(0.0, rows.astype(dtype), cols.astype(dtype))
    weights = np.ones(observed.n_entries) if observed.weights is None else observed.weights.astype(float)
    values = observed.values.astype(float)
    mean = float(np.average(values, weights=weights))
    left = values - mean
    if kind in ("columns", "both"):
        cols = _shrunk_means(observed.cols, left, weights, p, COL_ENTRIES)
        left = left - cols[observed.cols]
    if kind == "both":
        rows = _shrunk_means(observed.rows, left, weights, n, ROW_ENTRIES)
    if not is_quadratic(loss):
        base = float(loss.link(np.array([mean]))[0])
        return Centre(base, rows.astype(dtype), (loss.link(mean + cols) - base).astype(dtype))
    return Centre(mean, rows.astype(dtype), cols.astype(dtype))


def _shrunk_means(codes: Any, left: FloatArray, weights: FloatArray, size: int, extra: float) -> FloatArray:
    total = np.bincount(codes, weights * left, minlength=size)
    return total / (np.bincount(codes, weights, minlength=size) + extra)


@dataclass(frozen=True)
class DescentTable:
    """A table as descent sees it: its ``matrix`` where it is complete, else the entries ``observed``."""

    shape: tuple[int, int]
    dtype: np.dtype
    loss: Loss
    matrix: Any  # array or operator, centred; None where entries are missing
    observed: Observed | None
    centre: Centre
    engine: str | Engine | None = None
    _svd: list[Any] = field(default_factory=list, repr=False)

    @property
    def is_dense(self) -> bool:
        return isinstance(self.matrix, np.ndarray)

    @property
    def is_operator(self) -> bool:
        return self.matrix is not None and not self.is_dense

    def objective(self) -> FactorObjective:
        """How far factors are from the table."""
        if self.is_dense:
            return DenseObjective(self.matrix)
        if self.is_operator:
            return ImplicitObjective(self.matrix)
        return EntryObjective(self.passes())

    def passes(self) -> EntryPasses:
        """Passes over the entries, what was taken out being the fixed part of the predictor."""
        assert self.observed is not None
        return EntryPasses(self.observed, self.loss, self.engine, self.offset(self.observed))

    def offset(self, observed: Observed) -> FloatArray | None:
        if self.centre.is_zero:
            return None
        return self.centre.at(observed.rows, observed.cols)

    def only(self, observed: Observed) -> DescentTable:
        """The same with these entries."""
        return replace(self, matrix=None, observed=observed, _svd=[])

    def top(self, objective: FactorObjective, rng: np.random.Generator) -> float:
        """The largest singular value: of the table, or of minus the gradient at zero where entries are missing."""
        if self._svd:
            return float(self._svd[0][1][0])
        matrix = objective.at_zero() if isinstance(objective, EntryObjective) else self.matrix
        return float(truncated_svd(matrix, 1, rng)[1][0])

    def svd(self, why: str) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The whole decomposition U, s, V of a complete table, computed once."""
        if not self.is_dense:
            what = "a linear operator" if self.is_operator else "a table with missing entries"
            raise ValueError(f"{why} needs all singular values of the table, which {what} does not have at hand; {WAY}")
        if not self._svd:
            U, s, Vt = np.linalg.svd(self.matrix, full_matrices=False)
            self._svd.append((U, s, Vt.T))
        return self._svd[0]


WAY = "use stop='held_out' (entries), stop='discrepancy' (complete tables and operators), or a number of iterations"


def make_table(observed: Observed, loss: Loss, kind: str, engine: Any, rng: np.random.Generator) -> DescentTable:
    """A complete, unweighted table with the squared loss is descended on as a matrix, any other by its entries."""
    n, p = observed.shape
    is_complete = observed.n_entries == n * p and observed.weights is None
    if kind == "auto":
        kind = _worth_of_mean(observed) if is_complete and is_quadratic(loss) else _worth(observed, loss, rng)
    centre = centre_of(observed, kind, loss)
    if not is_complete or not is_quadratic(loss):
        return DescentTable((n, p), observed.dtype, loss, None, observed, centre, engine)
    matrix = observed.values.reshape(n, p)
    if not centre.is_zero:
        matrix = matrix - centre.at(np.arange(n)[:, None], np.arange(p))
    return DescentTable((n, p), observed.dtype, loss, matrix, observed, centre, engine)


def _worth_of_mean(observed: Observed) -> str:
    """Whether the grand mean is a tenth of the squares: a level, which descent would learn as a component."""
    values = observed.values.astype(float)
    scale = max(float(np.abs(values).max()), np.finfo(float).tiny)
    weights = np.ones(len(values)) if observed.weights is None else observed.weights.astype(float)
    mean, square = (float(np.average(part, weights=weights)) for part in (values / scale, np.square(values / scale)))
    return "mean" if mean**2 >= WORTH * square and mean else "none"


def _worth(observed: Observed, loss: Loss, rng: np.random.Generator) -> str:
    """What means to take out: those that explain enough of entries they were not computed from."""
    is_plain = is_quadratic(loss)
    wanted = "both" if is_plain else "columns"
    # what a level adds must not decide about means of rows and columns
    base = _worth_of_mean(observed) if is_plain else "none"
    try:
        train, test = observed.split(WORTH, rng, keep_covered=True)
    except ValueError:
        return base
    known, nothing = (loss.mean(centre_of(train, kind, loss).at(test.rows, test.cols)) for kind in (wanted, base))
    left, all_of_it = (float(np.sum(np.square(test.values - part, dtype=float))) for part in (known, nothing))
    return wanted if left <= (1.0 - WORTH) * all_of_it else base
