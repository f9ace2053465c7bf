"""The factor model over the blocks of a prepared table: out of core, on threads, on Dask."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from halfseen import kernels
from halfseen.data import PreparedTable
from halfseen.data.prepared import StoredBlock
from halfseen.engines.placement import place
from halfseen.linalg import optimal_shrinkage, sign_rule
from halfseen.linalg.align import balancing_turn
from halfseen.linalg.packed import solve_packed
from halfseen.losses import Loss, get_loss
from halfseen.losses.derived import information
from halfseen.methods.factor.blocks import safe_inverse
from halfseen.methods.factor.checks import not_converged
from halfseen.methods.factor.factors import FactorPoint
from halfseen.methods.factor.identification import varimax
from halfseen.methods.factor.newrows import Placement
from halfseen.methods.factor.priors import intercept_spread, narrowest
from halfseen.methods.factor.problem import FactorPenalty
from halfseen.methods.factor.settings import most_sweeps
from halfseen.parameters import BadArgument
from halfseen.solvers import GradientNorm, Stop, SweepResult, loop
from halfseen.solvers.block_profile import BlockProfile, ColumnPenalty, ProfilePoint, ProfileVisit, TurnedRows
from halfseen.solvers.block_ridge import RowsInBlocks

Array = NDArray[Any]

# Families with compiled row problems and nothing to estimate beside the factors.
FAMILIES = ("gaussian", "bernoulli", "poisson")
# Directions that the first subspace has beside the rank, and readings that it takes: after eight the prior agrees with
# that of an exact decomposition to 1e-5.
OVERSAMPLING, READINGS = 8, 8
# As for a table in memory.
RIDGE_CAP = 6.0
# Share of the objective that a sweep must take off: below, in single precision, gradients are noise.
SMALLEST_FALL = {"float32": 1e-9, "float64": 1e-15}


def fit_blocks(model: Any, table: PreparedTable, settings: SimpleNamespace) -> Any:
    """Start, prior and descent of `GeneralizedFactorModel`, one reading of the blocks each round.

    Raises
    ------
    BadArgument
        For what needs the table in memory.
    """
    loss = _refuse(settings)
    _begin(model, table, loss)
    places = place(table, settings.engine)
    rank = min(int(settings.rank), *table.shape)
    columns = _columns(places, loss)
    rng = np.random.default_rng(settings.random_state)
    start = BlockStart.found(places, loss, columns, rank, rng)
    penalty = _penalty(places, loss, start, settings)
    sweep = _sweep(places, loss, penalty)
    unit = start.dispersion**0.75 if loss.has_dispersion else 1.0
    stops: list[Stop] = [GradientNorm(settings.tol * unit), NoFall(SMALLEST_FALL[table.dtype.name])]
    run = loop(sweep, sweep.start(start.C), stops, max_iter=most_sweeps(settings))
    _keep(model, sweep, penalty, run.params, settings)
    model.run_, model.n_iter_ = run.record(), max(run.n_iter, 1)
    if not run.converged:
        model._warn(not_converged(run), ConvergenceWarning)
    return model


class NoFall:
    """Stops when the value fell by less than a share of itself in each of the last sweeps."""

    def __init__(self, share: float, patience: int = 3) -> None:
        self.share, self.patience = share, patience
        self._last, self._n = np.inf, 0

    def __call__(self, iteration: int, result: SweepResult) -> str | None:
        self._n = self._n + 1 if self._last - result.value <= self.share * abs(result.value) else 0
        self._last = result.value
        return "precision" if self._n >= self.patience else None


def _refuse(settings: SimpleNamespace) -> Loss:
    way_out = "fit table.load() if it fits into memory"
    loss = None if isinstance(settings.family, list | dict) else get_loss(settings.family)
    if loss is None or loss.kernel not in FAMILIES:
        needed = "'gaussian', 'bernoulli', 'binomial(N)' or 'poisson' for a prepared table"
        raise BadArgument("family", settings.family, needed, way_out)
    wanted = {
        "rank": (not isinstance(settings.rank, str), "a whole number"),
        "penalty": (settings.penalty not in ("none", 0), "'auto', 'map' or a number above 0"),
        "bias": (settings.bias != "firth", "'auto' or 'none'"),
        "solver": (settings.solver == "newton-cg", "'newton-cg'"),
        "start": (settings.start != "spectral", "'auto' or 'linear'"),
        "c_orth": (settings.c_orth == 0, "0"),
    }
    for name, (is_fine, needed) in wanted.items():
        if not is_fine:
            raise BadArgument(name, getattr(settings, name), f"{needed} for a prepared table", way_out)
    return loss


def _begin(model: Any, table: PreparedTable, loss: Loss) -> None:
    """What is known of the model before anything is fitted."""
    model.loss_, model.has_trials_, model.has_offset_ = loss, False, False
    model._observe_blocks(table)
    model.linking_ = model.rank_search_ = model.penalty_choice_ = None


@dataclass(frozen=True)
class SumsVisit:
    """Numbers of entries, of weights and of weighted values in every column of a block; refuses values."""

    loss: Loss

    def __call__(self, block: StoredBlock, C: Array, start: Any) -> list[Any]:
        """Three columns of sums, shape (p, 3)."""
        view = block.rows
        bad = np.asarray(self.loss.invalid(view.values))
        if bad.any():
            at = int(bad.argmax())
            row = int(np.searchsorted(view.indptr, at, side="right")) - 1 + block.first_row
            raise ValueError(
                f"family={self.loss.name!r} needs {self.loss.support}; {int(bad.sum())} entries of block "
                f"{block.number} are outside, first that of row {row} and column {int(view.indices[at])} (positions): "
                f"{float(view.values[at]):g}. Choose another family, or change the values"
            )
        weighted = view.values if view.weights is None else view.weights * view.values
        sums = (view.minor_sums(), view.minor_sums(view.weights), view.minor_sums(weighted))
        return [np.stack([np.asarray(part, float) for part in sums], axis=1)]


@dataclass(frozen=True)
class ColumnFacts:
    """Numbers of entries and of weights by column, and the intercepts of the model without factors."""

    counts: Array
    weights: Array
    zeta: Array


def _columns(places: Any, loss: Loss) -> ColumnFacts:
    """As for a table in memory: means drawn to the overall one by one entry, through the link."""
    (sums,) = places.round(SumsVisit(loss), np.zeros((places.table.shape[1], 1)))
    counts, weights, total = sums.T
    overall = float(total.sum()) / max(float(weights.sum()), 1e-300)
    return ColumnFacts(counts, weights, np.asarray(loss.link((total + overall) / (weights + 1.0)), dtype=float))


@dataclass(frozen=True)
class SketchVisit:
    r"""What the standardised residuals ``Z`` of the intercepts do to a block of directions: :math:`Z^\top Z V`."""

    loss: Loss
    zeta: Array
    rates: Array
    per_row: float

    def __call__(self, block: StoredBlock, V: Array, start: Any) -> list[Any]:
        """Images (p, q), sum of squares before the rates, column sums of curvatures, weighted sum of squares."""
        from scipy.sparse import csr_array

        view, j = block.rows, block.rows.indices
        m = self.zeta[j]
        w = np.maximum(np.asarray(information(self.loss, m), dtype=float), 1e-8)
        z = -self.loss.gradient(view.values, m) / np.sqrt(w)
        # rows seen rarely are not blown up
        rates = np.maximum(view.counts / self.per_row, 0.25)
        data = z / np.sqrt(np.repeat(rates, view.counts) * self.rates[j])
        Z = csr_array((data, j, view.indptr), shape=(view.n_major, view.n_minor))
        squares = np.square(z, dtype=float)
        weighted = squares if view.weights is None else view.weights * squares
        w_sums = np.bincount(j, weights=w, minlength=view.n_minor)
        return [Z.T @ (Z @ V), float(np.sum(squares)), w_sums, float(np.sum(weighted))]


class SketchPoint(NamedTuple):
    """Directions of the next reading; leading directions, their squared singular values, and sums over the entries."""

    V: Array
    axes: Array
    squared: Array
    w_sums: Array
    weighted: float = 0.0


@dataclass(frozen=True)
class BlockStart:
    """The linearised start on the column side.

    Attributes
    ----------
    C : ndarray (p, rank + 1)
        Factors and intercepts.
    singular_values : ndarray (rank,)
    dispersion, null_dispersion : float
        Residual variance beside factors, and beside intercepts alone.
    columns : ColumnFacts
    """

    C: Array
    singular_values: Array
    dispersion: float
    null_dispersion: float
    columns: ColumnFacts

    @classmethod
    def found(cls, places: Any, loss: Loss, columns: ColumnFacts, rank: int, rng: np.random.Generator) -> BlockStart:
        """By subspace iteration; as `halfseen.methods.factor.start.linear_start` else."""
        (n, p), dtype, E = places.table.shape, places.table.dtype, places.table.n_entries
        rates = np.maximum(columns.counts * (p / E), 0.25)
        visit, share = SketchVisit(loss, columns.zeta, rates, E / n), E / (n * p)
        width = min(rank + OVERSAMPLING, p, n)
        V = np.linalg.qr(rng.standard_normal((p, width)))[0]

        def sweep(at: SketchPoint) -> SweepResult:
            image, squares, w_sums, weighted = places.round(visit, at.V)
            values, axes = np.linalg.eigh(at.V.T @ image)
            new = SketchPoint(
                np.linalg.qr(image)[0], at.V @ axes[:, ::-1], np.maximum(values[::-1], 0.0), w_sums, weighted
            )
            return SweepResult(new, squares)

        none = np.zeros(0)
        run = loop(sweep, SketchPoint(V, V, none, none), max_iter=READINGS if rank else 1)
        _, axes, squared, w_sums, weighted = run.params
        second = run.value / max(E, 1)
        null = weighted / max(E - p, 1) if loss.has_dispersion else 1.0
        if not rank:
            C = np.ascontiguousarray(columns.zeta[:, None], dtype=dtype)
            return cls(C, none, second if loss.has_dispersion else 1.0, null, columns)
        root = np.sqrt(np.maximum(w_sums / np.maximum(columns.counts, 1), 1e-8))
        s, Vr = np.sqrt(squared[:rank]) / share, axes[:, :rank]
        dispersion = 1.0
        if loss.has_dispersion:
            raw = optimal_shrinkage(s, n, p, float(np.sqrt(second / share)))
            dispersion = max(second - float(np.sum(raw**2)) / (n * p), 0.05 * second)
        noise = np.sqrt(dispersion / share)
        edge = noise * (np.sqrt(n) + np.sqrt(p))
        shrunk = np.maximum(optimal_shrinkage(s, n, p, noise), 0.1 * edge)
        # rows of length shrunk, columns of length one over the root of the curvature: balanced by their second moments
        T, values = balancing_turn(np.diag(shrunk**2), Vr / root[:, None])
        Y = (Vr / (root * np.sqrt(rates))[:, None]) @ np.linalg.inv(T).T
        C = np.concatenate([Y, columns.zeta[:, None]], axis=1)
        return cls(np.ascontiguousarray(C, dtype=dtype), values, float(dispersion), null, columns)


def _penalty(places: Any, loss: Loss, start: BlockStart, settings: SimpleNamespace) -> FactorPenalty:
    """Empirical-Bayes ridge and the prior of the intercepts, as for a table in memory; "auto" is "map" here."""
    n, p = places.table.shape
    zeta = start.columns.zeta
    sizes, centre, dispersion = start.singular_values, float(np.mean(zeta)), 1.0
    ridge = float(np.mean(np.sqrt(n * p) / np.maximum(sizes, 1e-300))) if len(sizes) else 0.0
    ridge = ridge if loss.has_dispersion else min(ridge, RIDGE_CAP)
    if loss.has_dispersion:
        dispersion = _refined_dispersion(places, loss, start, 0.5 * start.dispersion * ridge, centre)
    known = np.asarray(information(loss, zeta), dtype=float) * start.columns.weights
    spread = intercept_spread(zeta, start.columns.counts, known, start.null_dispersion)
    floor = narrowest(loss.has_dispersion, dispersion)
    ridge = dispersion * ridge if isinstance(settings.penalty, str) else float(settings.penalty)
    return FactorPenalty(ridge, dispersion / max(spread, floor), centre)


@dataclass(frozen=True)
class FreedomVisit:
    """Degrees of freedom that the rows of a block spend, and their squares at the columns."""

    visit: ProfileVisit

    def __call__(self, block: StoredBlock, C: Array, start: Any) -> list[Any]:
        X, value = self.visit.rows(block.rows, C)
        features, k = np.ascontiguousarray(C[:, :-1]), C.shape[1] - 1
        given: dict[str, Any] = {"family": self.visit.family, "trials": self.visit.trials}
        X = np.ascontiguousarray(X[:, :-1])
        blocks = kernels.information(block.rows, X, features, col_offset=C[:, -1].copy(), **given).astype(float)
        np.einsum("ikk->ik", blocks)[:] += self.visit.ridge
        spent = k - self.visit.ridge * np.einsum("ikk->i", safe_inverse(blocks))
        squares = value - 0.5 * self.visit.ridge * float(np.sum(np.square(X, dtype=float)))
        return [float(np.minimum(spent, block.rows.counts).sum()), squares]


def _refined_dispersion(places: Any, loss: Loss, start: BlockStart, ridge: float, centre: float) -> float:
    """Residual variance after one step of the columns, the degrees of freedom of a weakly penalised fit taken off."""
    k = start.C.shape[1]
    if k == 1:
        return start.null_dispersion
    sweep = _sweep(places, loss, FactorPenalty(ridge=ridge, centre=centre))
    at = sweep.start(start.C)
    C = np.ascontiguousarray(at.C - sweep.solved(at, at.gradient.astype(float)), dtype=at.C.dtype)
    spent, half = places.round(FreedomVisit(sweep.visit), C)
    weights = np.broadcast_to(sweep.penalty.weights(k), at.C.shape)
    own = [solve_packed(at.packed, weights, np.broadcast_to(np.eye(k)[i], at.C.shape))[:, i] for i in range(k)]
    spent += float(np.minimum(k - np.stack(own, axis=1) @ sweep.penalty.weights(k), start.columns.counts).sum())
    dispersion = 2.0 * half / max(places.table.n_entries - spent, 1.0)
    return max(dispersion, 1e-6 * start.dispersion, float(np.finfo(places.table.dtype).tiny))


def _sweep(places: Any, loss: Loss, penalty: FactorPenalty) -> BlockProfile:
    assert loss.kernel is not None
    visit = ProfileVisit(loss.kernel, float(loss.trials), penalty.ridge)
    return BlockProfile(places, visit, ColumnPenalty(penalty.ridge, penalty.intercept_ridge, penalty.centre))


def _keep(model: Any, sweep: BlockProfile, penalty: FactorPenalty, at: ProfilePoint, settings: SimpleNamespace) -> None:
    """Learned attributes in the gauge; rows stay where they are and are turned when they are asked for."""
    table, r = sweep.placement.table, at.C.shape[1] - 1
    n, dtype = table.shape[0], at.C.dtype
    zeta, Y = at.C[:, -1].astype(float), at.C[:, :-1].astype(float)
    mean = at.total / n
    T, _ = balancing_turn(at.gram - n * np.outer(mean, mean), Y, settings.rho) if r else (np.zeros((0, 0)), None)
    Y_turned = Y @ np.linalg.inv(T).T
    if settings.rotation == "varimax" and r > 1:
        turn = varimax(Y_turned)
        T, Y_turned = T @ turn, Y_turned @ turn
    signs = sign_rule(Y_turned)
    T, Y_turned = T * signs, Y_turned * signs
    turned = TurnedRows(sweep.visit, mean.astype(dtype), T.astype(dtype))
    rows = RowsInBlocks.of(table, turned, at.C)
    final = FactorPoint((zeta + Y @ mean).astype(dtype), rows, Y_turned.astype(dtype))
    model.stages_ = {"final": final}
    model.intercept_, model.row_factors_, model.col_factors_ = final.intercept, rows, final.cols
    model.stored_rows_, model._n_features_out, model.rank_ = rows, r, r
    model.penalty_, model.has_bias_correction_ = penalty, False
    own = zeta.astype(dtype), np.ascontiguousarray(at.C[:, :-1])
    model.placement_ = Placement(*own, turned.mean, turned.turn, penalty.ridge, False)
    model.dispersion_ = 1.0
    if model.loss_.has_dispersion:
        half = float(at.value) - sweep.penalty.value(at.C) - 0.5 * penalty.ridge * float(np.trace(at.gram))
        freedom = table.n_entries - table.shape[1] - (sum(table.shape) - r) * r + r
        model.dispersion_ = 2.0 * half / (freedom if freedom > 0 else table.n_entries)
