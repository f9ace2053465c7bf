"""What papers compare one-sided completion with: factors of the rows by gradient descent, nuclear norm on the pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray, RandomState, as_generator
from halfseen.data import as_observed
from halfseen.engines import Engine, EntryPasses
from halfseen.losses import get_loss
from halfseen.parameters import Number, Whole
from halfseen.solvers import Adam, RelativeChange, SweepResult, loop


@dataclass(frozen=True)
class SecondMoment:
    """A low-rank second moment ``factor @ factor.T``.

    Attributes
    ----------
    factor : ndarray (d, r)
    reason : str
        Why the iteration ended.
    n_iter : int
    """

    factor: FloatArray
    reason: str
    n_iter: int

    def table(self) -> FloatArray:
        """All d x d moments."""
        return self.factor @ self.factor.T


class _Entries:
    """Mean squared error of :math:`UV^\\top` at the entries, parameters U and V in one vector."""

    def __init__(self, passes: EntryPasses, rank: int) -> None:
        self.passes, self.rank = passes, rank
        self.count = max(passes.observed.n_entries, 1)

    def parts(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """U and V."""
        n, d = self.passes.shape
        return theta[: n * self.rank].reshape(n, self.rank), theta[n * self.rank :].reshape(d, self.rank)

    def value(self, theta: FloatArray) -> float:
        return 2.0 * self.passes.value(*self.parts(theta)) / self.count

    def value_and_gradient(self, theta: FloatArray) -> tuple[float, FloatArray]:
        result = self.passes.loss_and_gradient(*self.parts(theta), want="AB")
        assert result.A is not None
        assert result.B is not None
        gradient = np.concatenate([result.A.ravel(), result.B.ravel()])
        return 2.0 * result.value / self.count, gradient * (2.0 / self.count)


def alternating_gradient(
    R: Any,
    rank: int,
    step: float = 0.1,
    max_iter: int = 200,
    start_scale: float | None = None,
    random_state: RandomState = None,
    engine: str | Engine | None = None,
) -> SecondMoment:
    r"""Fit :math:`UV^\top` to the seen cells by Adam and take its second moment, :math:`V(U^\top U/n)V^\top`.

    Parameters
    ----------
    R : Observed and the like (n, d)
    rank : int
    step, max_iter : float, int
        Of Adam, on both factors at once.
    start_scale : float, optional
        Standard deviation of the start; by default the factors' own at the size of the values.
    random_state : int, Generator or None
    engine : str, Engine or None

    Returns
    -------
    SecondMoment

    Notes
    -----
    O(entries * rank) per iteration; (n + d) rank numbers three times over. The comparison "alternating GD" of
    "One-Sided Matrix Completion from Ultra-Sparse Samples".

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> table = rng.normal(size=(60, 1)) @ rng.normal(size=(1, 8))
    >>> moment = alternating_gradient(table, 1, max_iter=300, random_state=0)
    >>> bool(np.linalg.norm(moment.table() - table.T @ table / 60) < 0.05 * np.linalg.norm(table.T @ table / 60))
    True
    """
    Whole(1).check("rank", rank)
    Whole(1).check("max_iter", max_iter)
    observed, rng = as_observed(R).astype(np.float64), as_generator(random_state)
    n, d = observed.shape
    problem = _Entries(EntryPasses(observed, get_loss("gaussian"), engine), rank)
    size = float(np.sqrt(np.mean(np.square(observed.values))))
    scale = np.sqrt(size / np.sqrt(rank)) if start_scale is None else float(start_scale)
    run = loop(Adam(problem, step), scale * rng.standard_normal((n + d) * rank), max_iter=max_iter)
    U, V = problem.parts(run.params)
    values, vectors = np.linalg.eigh(U.T @ U / n)
    return SecondMoment(V @ (vectors * np.sqrt(np.maximum(values, 0.0))), run.reason, run.n_iter)


class _ShrinkPairs:
    """Fill unseen pairs with the estimate, shrink the eigenvalues: one step of soft-impute on a symmetric matrix."""

    def __init__(
        self, seen: Any, places: tuple[IntArray, IntArray], penalty: float, largest_rank: int, start: Any
    ) -> None:
        self.seen, self.places, self.penalty, self.largest_rank, self.start = seen, places, penalty, largest_rank, start

    def __call__(self, params: FloatArray) -> SweepResult:
        from scipy import sparse
        from scipy.sparse.linalg import LinearOperator, eigsh

        d = len(params)
        i, j = self.places
        rest = self.seen - np.einsum("ek,ek->e", params[i], params[j])
        upper = sparse.csr_array((rest, (i, j)), shape=(d, d))
        both = upper + sparse.triu(upper, k=1).T

        def product(v: FloatArray) -> FloatArray:
            return both @ v + params @ (params.T @ v)

        k = min(self.largest_rank, d)
        if k >= d - 1:
            values, vectors = np.linalg.eigh(product(np.eye(d)))
        else:
            operator = LinearOperator((d, d), matvec=product, matmat=product, dtype=float)
            values, vectors = eigsh(operator, k=k, which="LA", v0=self.start, tol=1e-6)
        kept = np.maximum(values - self.penalty, 0.0)
        new = vectors[:, kept > 0] * np.sqrt(kept[kept > 0])
        twice = np.where(i == j, 1.0, 2.0)
        left = self.seen - np.einsum("ek,ek->e", new[i], new[j])
        return SweepResult(new, 0.5 * float(np.sum(twice * left**2)) + self.penalty * float(kept.sum()))


def nuclear_norm_pairs(
    pairs: tuple[IntArray, IntArray],
    values: FloatArray,
    n_cols: int,
    penalty: float,
    largest_rank: int = 40,
    max_iter: int = 300,
    tol: float = 1e-6,
) -> SecondMoment:
    r"""The second moment of least nuclear norm near the pairs seen.

    .. math:: \min_{T \succeq 0}\ \tfrac12\sum_{(i,j)\ \mathrm{seen}} (T_{ij} - \bar T_{ij})^2 + \lambda\|T\|_*

    Parameters
    ----------
    pairs : (i, j)
        Columns ``i <= j``.
    values : ndarray (n_pairs,)
        Their mean products.
    n_cols : int
    penalty : float
        :math:`\lambda`.
    largest_rank : int
        Largest rank on the way.
    max_iter, tol : int, float

    Returns
    -------
    SecondMoment

    Notes
    -----
    Soft-impute on the positive semidefinite matrices: O(pairs + d rank) per product of the Lanczos iteration. Source:
    Cao, Liang and Valiant (2023), who complete the pair averages by nuclear norm; Mazumder, Hastie and Tibshirani
    (2010), algorithm 1.

    Examples
    --------
    >>> T = np.outer([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    >>> i, j = np.array([0, 0, 0, 1, 1]), np.array([0, 1, 2, 1, 2])   # all but the last
    >>> nuclear_norm_pairs((i, j), T[i, j], 3, 1e-3).table().round(1).tolist()[2]
    [3.0, 6.0, 9.0]
    """
    Number(0).check("penalty", penalty)
    i, j = (np.asarray(part) for part in pairs)
    start = np.random.default_rng(0).standard_normal(n_cols)
    sweep = _ShrinkPairs(np.asarray(values, dtype=float), (i, j), float(penalty), largest_rank, start)
    run = loop(sweep, np.zeros((n_cols, 0)), [RelativeChange(tol, patience=2)], max_iter=max_iter)
    return SecondMoment(run.params, run.reason, run.n_iter)
