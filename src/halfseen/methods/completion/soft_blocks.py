"""Soft-impute over the blocks of a prepared table: out of core, on threads, on Dask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from halfseen import kernels
from halfseen._typing import FloatArray, as_generator
from halfseen.data import Compressed, PreparedTable, storable
from halfseen.data.prepared import HashedFold, StoredBlock
from halfseen.engines.placement import BlockPlacement, place
from halfseen.linalg import sign_rule
from halfseen.linalg.align import balancing_turn
from halfseen.methods.completion.nuclear import GROWTH, NO_BIAS, OVERSAMPLING, PathPoint
from halfseen.methods.completion.path_judge import PathJudge
from halfseen.parameters import BadArgument
from halfseen.solvers.alternating import Penalty
from halfseen.solvers.block_ridge import BlockPoint, BlockRidge, RidgeVisit, RowsInBlocks
from halfseen.solvers.loop import SweepResult, loop

Array = NDArray[Any]

FINAL_SHARE_OF_TOL = 0.1
# Readings in which a block of directions comes to the leading ones of the residual.
READINGS = 3


@dataclass(frozen=True)
class ResidualVisit:
    r"""What the residual ``G`` of a block does to directions, and how its rows' factors ``A`` lie to that.

    Sums for the tree: :math:`G^\top G V`, :math:`G^\top A`, :math:`A^\top A`, :math:`A^\top G V`.
    """

    visit: RidgeVisit
    V: Array

    def __call__(self, block: StoredBlock, C: Array, start: Any) -> list[Any]:
        from scipy.sparse import csr_array

        view = block.rows
        X, _ = self.visit.rows(view, C)
        gap = residual(self.visit, view, X, C).astype(float)
        gap = gap if view.weights is None else gap * view.weights
        G = csr_array((gap, view.indices, view.indptr), shape=(view.n_major, view.n_minor))
        A, image = np.ascontiguousarray(X[:, :-1], dtype=float), G @ self.V
        # no product of BLAS: its bits depend on the number of its threads
        return [G.T @ image, G.T @ A, np.einsum("ik,il->kl", A, A), np.einsum("ik,iq->kq", A, image)]


def residual(visit: RidgeVisit, view: Compressed, X: Array, C: Array) -> Array:
    """Values less what the model says, entry by entry."""
    factors = np.ascontiguousarray(X[:, :-1]), np.ascontiguousarray(C[:, :-1])
    offsets = {"row_offset": X[:, -1] + X.dtype.type(visit.mean), "col_offset": C[:, -1].copy()}
    return view.values - kernels.at(view, *factors, **offsets)


@dataclass(frozen=True)
class GrowthVisit:
    """Equations of the factors by which singular values grow without a penalty; `unshrunk` says what is solved.

    The rows' factors times ``turn`` and ``cols`` are the singular vectors.
    """

    visit: RidgeVisit
    turn: Array
    cols: Array

    def __call__(self, block: StoredBlock, C: Array, start: Any) -> list[Any]:
        view = block.rows
        X, _ = self.visit.rows(view, C)
        without = X.copy()
        without[:, :-1] = 0.0
        target = residual(self.visit, view, without, C).astype(float)
        i, j = view.expand(), view.indices
        k = C.shape[1] - 1
        A = np.einsum("ik,kl->il", X[:, :-1].astype(float), self.turn)
        left, right = np.zeros((k, k)), np.zeros(k)
        at_once = max(1, (1 << 20) // max(k, 1))
        for begin in range(0, len(target), at_once):
            part = slice(begin, begin + at_once)
            features = A[i[part]] * self.cols[j[part]]
            weighted = features if view.weights is None else features * view.weights[part, None]
            left += np.einsum("ek,el->kl", features, weighted)
            right += np.einsum("ek,e->k", weighted, target[part])
        return [left, right]


@dataclass(frozen=True)
class HeldOutVisit:
    """Weighted squares of held-out entries, without and with growth, and their weights; rows follow from the others."""

    visit: RidgeVisit
    train: HashedFold
    test: HashedFold
    growth: FloatArray

    def __call__(self, block: StoredBlock, C: Array, start: Any) -> list[Any]:
        seen, hidden = (fold.of(block.rows, block.first_row) for fold in (self.train, self.test))
        X, _ = self.visit.rows(seen, C)
        grown = X.copy()
        grown[:, :-1] *= self.growth.astype(X.dtype)
        weights = np.ones(len(hidden.values)) if hidden.weights is None else hidden.weights.astype(float)
        squares = [np.square(residual(self.visit, hidden, each, C).astype(float)) for each in (X, grown)]
        return [float(np.sum(weights * squares[0])), float(np.sum(weights * squares[1])), float(weights.sum())]


class Directions(NamedTuple):
    """Directions of the next reading; leading ones and their singular values."""

    V: Array
    s: Array
    leading: Array


@dataclass(frozen=True)
class BlockNuclear:
    """As `NuclearProblem`, of which only the columns are held; rows follow from them and the penalty.

    Attributes
    ----------
    placement : BlockPlacement
    mean : float
    bias_penalty : float or None
    largest_rank : int
    tol : float
    max_iter : int
    """

    placement: BlockPlacement
    mean: float
    bias_penalty: float | None
    largest_rank: int
    tol: float
    max_iter: int

    def visit(self, penalty: float, rank: int) -> RidgeVisit:
        """What a block does at this penalty."""
        bias = NO_BIAS if self.bias_penalty is None else float(self.bias_penalty)
        return RidgeVisit(np.append(np.full(rank, penalty), bias), 0.0, self.mean)

    def sweep(self, penalty: float, rank: int) -> BlockRidge:
        """The sweep that lowers the objective at a rank."""
        visit = self.visit(penalty, rank)
        return BlockRidge(self.placement, visit, Penalty(visit.ridge, np.ones(self.placement.table.shape[1])))

    def start(self) -> BlockPoint:
        """The model of rank 0."""
        table = self.placement.table
        return self._at(np.zeros((table.shape[1], 1), table.dtype), 1.0)

    def _at(self, C: Array, penalty: float) -> BlockPoint:
        packed, gradient, _ = self.placement.round(self.visit(penalty, C.shape[1] - 1), C)
        return BlockPoint(C, packed, gradient)

    def spectral_norm(self, params: BlockPoint, rng: np.random.Generator) -> float:
        """Largest singular value of the residual beside biases: from this penalty on the rank is 0."""
        s, _ = self._leading(params.C, 1.0, rng)
        return float(s[0]) if len(s) else 0.0

    def _leading(self, C: Array, penalty: float, rng: np.random.Generator) -> tuple[Array, Array]:
        """Leading singular values of the residual outside the factors' spaces, and its right singular vectors."""
        shape, own = self.placement.table.shape, np.linalg.qr(C[:, :-1].astype(float))[0]
        V = rng.standard_normal((shape[1], min(GROWTH + OVERSAMPLING, *shape)))
        visit = self.visit(penalty, C.shape[1] - 1)

        def sweep(at: Directions) -> SweepResult:
            whole, to_rows, gram, inner = self.placement.round(ResidualVisit(visit, at.V), C)
            image = whole - to_rows @ _solved(gram, inner)
            squares, axes = np.linalg.eigh(at.V.T @ image)
            falling = np.sqrt(np.maximum(squares[::-1], 0.0))
            new = Directions(np.linalg.qr(_without(image, own))[0], falling, at.V @ axes[:, ::-1])
            return SweepResult(new, float(np.sum(falling)), work=2.0)

        V = np.linalg.qr(_without(V, own))[0]
        at = loop(sweep, Directions(V, np.zeros(0), V), max_iter=READINGS).params
        return at.s, at.leading

    def grown(self, params: BlockPoint, penalty: float, rng: np.random.Generator) -> BlockPoint:
        """Add the directions in which the objective falls, as `NuclearProblem.grown` does."""
        C = params.C
        room = min(GROWTH, self.largest_rank - (C.shape[1] - 1))
        if room > 0:
            s, V = self._leading(C, penalty, rng)
            new = s[:room] > penalty
            added = (V[:, :room][:, new] * np.sqrt(s[:room][new] - penalty)).astype(C.dtype)
            C = np.column_stack([C[:, :-1], added, C[:, -1:]])
        return self._at(np.ascontiguousarray(C), penalty)

    def thresholded(self, params: BlockPoint, penalty: float) -> BlockPoint:
        """One exact step of soft-impute within the columns' space; rows follow from the new columns."""
        C = params.C
        if C.shape[1] == 1:
            return params
        V = np.linalg.qr(C[:, :-1].astype(float))[0]
        whole, _, gram, inner = self.placement.round(ResidualVisit(self.visit(penalty, C.shape[1] - 1), V), C)
        S = C[:, :-1].T.astype(float) @ V
        cross = inner.T @ S
        squares, axes = np.linalg.eigh(V.T @ whole + cross + cross.T + S.T @ gram @ S)
        s = np.sqrt(np.maximum(squares[::-1], 0.0))
        kept = s > penalty
        B = (V @ axes[:, ::-1])[:, kept] * np.sqrt(s[kept] - penalty)
        return BlockPoint(np.column_stack([B, C[:, -1]]).astype(C.dtype), params.packed[:, :0], params.gradient[:, :0])

    def growth(self, point: PathPoint, turn: Array | None = None, cols: Array | None = None) -> FloatArray:
        """As `unshrunk`; a point of the path is balanced as it is."""
        C = point.params.C
        k = C.shape[1] - 1
        if not k:
            return np.ones(0)
        frame = (np.eye(k), C[:, :-1].astype(float)) if turn is None or cols is None else (turn, cols)
        left, right = self.placement.round(GrowthVisit(self.visit(point.penalty, k), *frame), C)
        return np.maximum(np.linalg.lstsq(left, right, rcond=None)[0], 0.0)


def _without(V: Array, basis: Array) -> Array:
    return V - basis @ (basis.T @ V)


def _solved(gram: Array, right: Array) -> Array:
    """With the matrix's pseudo-inverse: factors may have died."""
    return np.linalg.lstsq(gram, right, rcond=1e-12)[0] if len(gram) else right


@dataclass(frozen=True)
class BlockMeasure:
    """Losses of points on the entries held out by a hash."""

    problem: BlockNuclear
    whole: BlockPlacement
    train: PreparedTable
    test: PreparedTable

    def __call__(self, point: PathPoint, wants_plain: bool, wants_debiased: bool) -> tuple[float, float]:
        C = point.params.C
        growth = self.problem.growth(point) if wants_debiased else np.ones(C.shape[1] - 1)
        visit = HeldOutVisit(self.problem.visit(point.penalty, C.shape[1] - 1), self.train.fold, self.test.fold, growth)  # type: ignore[arg-type]
        plain, debiased, weights = self.whole.round(visit, C)
        total = max(weights, 1e-300)
        return plain / total if wants_plain else np.nan, debiased / total if wants_debiased else np.nan


@storable
@dataclass(frozen=True)
class TurnedRidge:
    """Rows of a visit, their factors turned, their biases as they are or 0."""

    visit: RidgeVisit
    turn: FloatArray
    has_bias: bool

    def rows(self, view: Compressed, C: Array) -> tuple[Array, float]:
        """As of the visit."""
        X, value = self.visit.rows(view, C)
        out = np.empty((len(X), self.turn.shape[1] + 1), X.dtype)
        # by einsum: the bits of a product of BLAS depend on the number of its rows
        out[:, :-1] = np.einsum("ik,kl->il", X[:, :-1], self.turn)
        out[:, -1] = X[:, -1] if self.has_bias else 0.0
        out[view.counts == 0] = 0.0
        return out, value


def fit_blocks(model: Any, table: PreparedTable, settings: SimpleNamespace, start: Any) -> Any:
    """The path of `SoftImpute` over blocks; sets the learned attributes.

    Raises
    ------
    BadArgument
        For what needs the table in memory.
    """
    _refuse(settings, start)
    model._begin_blocks(table, settings.clip)
    if settings.bias_penalty is None:
        model.mean_ = 0.0
    rng, rank = as_generator(settings.random_state), min(int(settings.rank), *table.shape)
    model.rank_search_ = model.path_ = None

    def problem(part: PreparedTable) -> BlockNuclear:
        places = place(part, settings.engine)
        return BlockNuclear(places, model.mean_, settings.bias_penalty, rank, settings.tol, settings.max_iter)

    if settings.penalty != "auto":
        whole = problem(table)
        run = model._given_penalty(whole, rng, ([], []), None)
        point, is_debiased = run.params, settings.debias is True
    else:
        train, test = table.split(settings.held_out, int(rng.integers(2**31)))
        # all entries are read once a penalty and do not stay beside those of the fit
        all_of_it = place(PreparedTable(table.folder, memory=1), settings.engine)
        judged = problem(train)
        judge = PathJudge(BlockMeasure(judged, all_of_it, train, test), settings.debias)
        run = model._judged_path(judged, judge, settings, rng, ([], []))
        whole = replace(problem(table), tol=FINAL_SHARE_OF_TOL * settings.tol)
        point, is_debiased = model._refitted(whole, judge, table.n_entries / train.n_entries, rng)
        model.path_ = judge.path()
    model.__dict__.update(_learned(model, whole, point, is_debiased))
    model.run_, model.n_iter_ = run.record(), run.n_iter
    return model


def _refuse(settings: SimpleNamespace, start: Any) -> None:
    way_out = "fit table.load() if it fits into memory"
    if isinstance(settings.rank, str):
        raise BadArgument("rank", settings.rank, "a whole number for a prepared table", way_out)
    if settings.solver == "low_rank":
        raise BadArgument("solver", "low_rank", "'auto' or 'ridge' for a prepared table", way_out)
    if start is not None:
        raise BadArgument("start", type(start).__name__, "None for a prepared table", way_out)


def _learned(model: Any, problem: BlockNuclear, point: PathPoint, is_debiased: bool) -> dict[str, Any]:
    """Balanced factors of the columns; the rows' are turned where they are asked for."""
    C, table = point.params.C, problem.placement.table
    k = C.shape[1] - 1
    growth, turn, values, cols = np.ones(k), np.zeros((0, 0)), np.zeros(0), C[:, :-1]
    visit = problem.visit(point.penalty, k)
    if k:
        _, _, gram, _ = problem.placement.round(ResidualVisit(visit, np.zeros((len(C), 1))), C)
        turn, values = balancing_turn(gram, C[:, :-1])
        turned = C[:, :-1].astype(float) @ np.linalg.inv(turn).T
        signs = sign_rule(turned)
        turn, cols = turn * signs, turned * signs
        growth = problem.growth(point, turn, cols) if is_debiased else growth
    has_bias = problem.bias_penalty is not None
    rows_visit = TurnedRidge(visit, (turn * growth).astype(C.dtype), has_bias)
    factors, bias = (RowsInBlocks.of(table, rows_visit, C, part) for part in ("factors", "bias"))
    return {
        "penalty_": point.penalty,
        "rank_": k,
        "singular_values_": values * growth,
        "growth_": growth,
        "row_factors_": factors,
        "row_bias_": bias,
        "stored_rows_": factors,
        "col_factors_": np.ascontiguousarray(cols, dtype=C.dtype),
        "col_bias_": C[:, -1].copy() if has_bias else np.zeros(len(C), C.dtype),
    }
