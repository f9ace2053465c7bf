"""Fitting X to weighted pairs: spectral or random start, L-BFGS or the paper's gradient descent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.engines import Engine
from halfseen.linalg import sign_rule
from halfseen.methods.moment.problem import PairProblem, PairTargets, RowNorms
from halfseen.methods.moment.targets import default_row_norm
from halfseen.solvers import GradientDescent, LimitedMemory, RelativeChange, Run, loop

# Directions that the start does not know begin this small against the first: from exact zero they could not grow.
SMALLEST_START = 1e-4


@dataclass(frozen=True)
class Fit:
    """A fitted X in its principal axes, largest first."""

    X: FloatArray
    psi: float
    run: Run

    @property
    def eigenvalues(self) -> FloatArray:
        """Of XX', (rank,)."""
        return np.sum(self.X**2, axis=0)


def fit_pairs(
    targets: PairTargets,
    rank: int,
    settings: Any,
    rng: np.random.Generator | None = None,
    engine: str | Engine | None = None,
    watch: Any = None,
    start: FloatArray | None = None,
) -> Fit:
    r"""Minimise the objective of `PairProblem` over X (d, rank).

    Parameters
    ----------
    targets : PairTargets
    rank : int
    settings : OneSidedCompletion, or its checked parameters
        ``solver="gd"`` is the paper's: the loss over the sum of all weights,
        :math:`\frac{1}{2m}\sum_{ij} w_{ij}(\cdot)^2`, constant steps (halved only where the loss would rise).
    rng : Generator
    engine : str, Engine or None
    watch : FitWatch or None
    start : ndarray (d, rank), optional
        Begin here.

    Returns
    -------
    Fit

    Notes
    -----
    One pass over the pairs per sweep. Source: "One-Sided Matrix Completion from Ultra-Sparse Samples", the loss and
    its gradient descent; L-BFGS from the spectral start is ours.
    """
    rng = np.random.default_rng() if rng is None else rng
    is_printed = settings.solver == "gd"
    targets = normalised(targets) if is_printed else with_thin_bounded(targets, rank)
    bound = default_row_norm(targets.diagonal) if settings.row_norm is None else float(settings.row_norm)
    # the paper's loss is over m / 2: its regulariser keeps its meaning beside one that is not
    unit = 1.0 if is_printed else 0.5 * total_weight(targets)
    norms = RowNorms(settings.incoherence * unit, bound, settings.penalty)
    problem = PairProblem(targets, rank, norms, engine)
    how = settings.start or ("random" if is_printed else "spectral")
    begin = start if start is not None else starting_point(targets, rank, how, rng)
    if not is_printed and targets.n_cols > 1:
        begin = np.where(partners(targets)[:, None] > 0, within(begin, targets.diagonal), 0.0)
    sweep = _sweep(problem, begin, settings, rng)
    stops: list[Any] = [RelativeChange(_tol(settings), patience=1 if is_printed else 3)]
    watchers = [] if watch is None else [watch]
    stops += [] if watch is None else [watch.stop]
    theta = np.ascontiguousarray(begin, dtype=float).ravel()
    run = loop(sweep, theta, stops, max_iter=sweeps(settings), watchers=watchers)
    X = problem.shaped(run.params)
    return Fit(principal(X), problem.psi(X), run.record())


def sweeps(settings: Any) -> int:
    """Largest number of sweeps."""
    return settings.max_iter or (20_000 if settings.solver == "gd" else 2_000)


def _tol(settings: Any) -> float:
    return settings.tol if settings.tol is not None else (1e-7 if settings.solver == "gd" else 1e-9)


def _sweep(problem: PairProblem, begin: FloatArray, settings: Any, rng: np.random.Generator) -> Any:
    if settings.solver == "gd":
        top = largest_eigenvalue(problem.targets, rng)
        # the loss over m has curvature 4 |T| / d^2 where all pairs weigh the same
        step = len(begin) ** 2 / (4.0 * max(top, 1e-300)) if settings.step is None else float(settings.step)
        return GradientDescent(problem, step)
    return LimitedMemory(problem, precondition=problem.preconditioner if settings.is_preconditioned else None)


def normalised(targets: PairTargets) -> PairTargets:
    r"""The same targets with weights over :math:`m/2`, m the sum of all :math:`w_{ij}`, both triangles."""
    weights = targets.table.weights
    assert weights is not None
    m = total_weight(targets)
    table = targets.table.with_values(targets.table.values, weights * (2.0 / m))
    return replace(targets, table=table, diagonal_weights=targets.diagonal_weights * (2.0 / m))


def partners(targets: PairTargets) -> IntArray:
    """Number of other columns that each column is paired with, (d,)."""
    by_rows = targets.table.by_rows
    return by_rows.counts + by_rows.minor_sums()


def with_thin_bounded(targets: PairTargets, rank: int) -> PairTargets:
    """The diagonal of columns with fewer partners than factors as a bound only.

    Their pairs leave directions of X open. The diagonal as a target would fill these with moments that nobody saw;
    without any, the directions that are not open could take any size.
    """
    thin = partners(targets) < min(rank, targets.n_cols - 1)
    return replace(targets, bounded=thin) if thin.any() else targets


def within(X: FloatArray, diagonal: FloatArray) -> FloatArray:
    """Rows of a start shortened to what the diagonal allows.

    One share for all pairs is far too small for those of popular columns: their filled eigenvectors are too long.
    """
    lengths = np.sqrt(np.sum(X**2, axis=1))
    most = np.sqrt(np.maximum(diagonal, 0.0))
    return X * np.divide(most, lengths, out=np.ones_like(lengths), where=lengths > most)[:, None]


def total_weight(targets: PairTargets) -> float:
    """The paper's m: all weights, both triangles and the diagonal (whose weights are halves of its q)."""
    weights = targets.table.weights
    return 2.0 * float(targets.diagonal_weights.sum() + (0.0 if weights is None else weights.sum()))


def starting_point(targets: PairTargets, rank: int, how: str, rng: np.random.Generator) -> FloatArray:
    """X to begin with: leading eigenvectors of the filled second moment, or entries from N(0, 1/d)."""
    d = targets.n_cols
    if how == "random":
        return rng.standard_normal((d, rank)) / np.sqrt(d)
    values, vectors = leading_eigenpairs(targets, rank, rng)
    floor = SMALLEST_START * max(float(values[0]), 0.0) if len(values) else 0.0
    return vectors * np.sqrt(np.maximum(values, floor or 1e-12))


def leading_eigenpairs(targets: PairTargets, rank: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    r"""Largest eigenvalues and their vectors of :math:`\bar T` with unseen pairs 0, the seen ones over their share.

    Dividing by the share makes the filled matrix unbiased off the diagonal; negative values are as the data have them.
    """
    from scipy import sparse
    from scipy.sparse.linalg import LinearOperator, eigsh

    d, by_rows = targets.n_cols, targets.table.by_rows
    upper = sparse.csr_array((by_rows.values, by_rows.indices, by_rows.indptr), shape=(d, d))
    share, lower = max(targets.share, 1e-300), upper.T

    def product(v: FloatArray) -> FloatArray:
        return (upper @ v + lower @ v) / share + (targets.diagonal * v.T).T

    if rank >= d - 1:
        values, vectors = np.linalg.eigh(product(np.eye(d)))
    else:
        begin = rng.standard_normal(d)
        if not np.any(product(begin)):
            return np.zeros(rank), np.eye(d, rank)
        operator = LinearOperator((d, d), matvec=product, matmat=product, dtype=float)
        values, vectors = eigsh(operator, k=rank, which="LA", v0=begin, tol=1e-6)
    order = np.argsort(-values)[:rank]
    return values[order], vectors[:, order]


def largest_eigenvalue(targets: PairTargets, rng: np.random.Generator) -> float:
    """Spectral norm of the filled second moment."""
    return float(leading_eigenpairs(targets, 1, rng)[0][0])


def principal(X: FloatArray) -> FloatArray:
    """X turned into its principal axes, largest first, the sum of each column at least 0; XX' stays."""
    U, s, _ = np.linalg.svd(X, full_matrices=False)
    axes = U * s
    return axes * sign_rule(axes)
