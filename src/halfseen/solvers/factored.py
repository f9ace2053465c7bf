"""Gradient descent on two factors of one matrix, for every way in which the matrix can be given."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.engines import EntryPasses
from halfseen.linalg.pairs import pair_products
from halfseen.solvers.loop import SweepResult
from halfseen.solvers.problem import largest

# Columns of a linear operator that are formed at a time where its Frobenius norm is wanted.
COLUMNS_AT_ONCE = 64


class Factors(NamedTuple):
    """The two factors; their product is :math:`F G^\\top`."""

    left: FloatArray
    right: FloatArray


class FactorGradient(NamedTuple):
    """Objective and its gradients in the two factors."""

    value: float
    left: FloatArray
    right: FloatArray


class FactorObjective(Protocol):
    """How far a product of factors is from a matrix, and what is left of the matrix."""

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def dtype(self) -> np.dtype: ...

    def __call__(self, factors: Factors, /) -> FactorGradient: ...

    def rest(self, factors: Factors, V: FloatArray, /) -> FloatArray:
        """:math:`(X - F G^\\top) V`."""
        ...

    def rest_transposed(self, factors: Factors, U: FloatArray, /) -> FloatArray:
        """:math:`(X - F G^\\top)^\\top U`."""
        ...


class DenseObjective:
    r""":math:`\frac12\|F G^\top - X\|_F^2` for a matrix in memory.

    Notes
    -----
    O(m n k) time for value and gradients; one further matrix of the size of X is held.
    """

    def __init__(self, X: FloatArray) -> None:
        self.X, self._residual = X, np.empty_like(X)

    @property
    def shape(self) -> tuple[int, int]:
        return self.X.shape

    @property
    def dtype(self) -> np.dtype:
        return self.X.dtype

    def __call__(self, factors: Factors) -> FactorGradient:
        F, G = factors
        residual = np.matmul(F, G.T, out=self._residual)
        residual -= self.X
        # row by row in the dtype of the data, rows in float64
        value = 0.5 * float(np.sum(np.einsum("ij,ij->i", residual, residual), dtype=float))
        return FactorGradient(value, residual @ G, residual.T @ F)

    def rest(self, factors: Factors, V: FloatArray) -> FloatArray:
        return self.X @ V - factors.left @ (factors.right.T @ V)

    def rest_transposed(self, factors: Factors, U: FloatArray) -> FloatArray:
        return self.X.T @ U - factors.right @ (factors.left.T @ U)

    def sampled_residuals(self, factors: Factors, places: IntArray) -> FloatArray:
        """Entries of :math:`F G^\\top - X` at these places of the flattened matrix."""
        i, j = np.divmod(places, self.X.shape[1])
        return pair_products(*factors, i, j) - self.X[i, j]


class ImplicitObjective:
    r""":math:`\frac12\|F G^\top - X\|_F^2` for a matrix that is known by its products alone (Gram form).

    .. math:: \nabla_F = F(G^\top G) - X G,\qquad \nabla_G = G(F^\top F) - X^\top F

    Parameters
    ----------
    X : LinearOperator, sparse array or anything with ``shape``, ``dtype``, ``@`` and ``.T``
        What a sparse array does not store is zero here, not missing.
    squared_norm : float, optional
        :math:`\|X\|_F^2`; computed column by column when not given.

    Notes
    -----
    Two products with X and O((m + n) k^2) time. The value is a difference of large numbers: relative to
    :math:`\|X\|_F^2` it is exact to about 1e-15 in float64.
    """

    def __init__(self, X: Any, squared_norm: float | None = None) -> None:
        self.X, self.turned = X, X.T
        self.squared_norm = squared_frobenius(X) if squared_norm is None else squared_norm

    @property
    def shape(self) -> tuple[int, int]:
        return (int(self.X.shape[0]), int(self.X.shape[1]))

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32 if self.X.dtype == np.float32 else np.float64)

    def __call__(self, factors: Factors) -> FactorGradient:
        F, G = factors
        left, right, XG, XF = F.T @ F, G.T @ G, self._product(self.X, G), self._product(self.turned, F)
        fit = float(np.sum(np.einsum("ij,ij->i", F, XG), dtype=float))
        own = float(np.sum(left.astype(float) * right))
        value = max(0.5 * (self.squared_norm - 2.0 * fit + own), 0.0)
        return FactorGradient(value, F @ right - XG, G @ left - XF)

    def _product(self, matrix: Any, block: FloatArray) -> FloatArray:
        return np.asarray(matrix @ block, dtype=self.dtype)

    def rest(self, factors: Factors, V: FloatArray) -> FloatArray:
        return self._product(self.X, V) - factors.left @ (factors.right.T @ V)

    def rest_transposed(self, factors: Factors, U: FloatArray) -> FloatArray:
        return self._product(self.turned, U) - factors.right @ (factors.left.T @ U)


def squared_frobenius(X: Any) -> float:
    """Squared Frobenius norm of anything that has products, a few columns at a time."""
    if hasattr(X, "data") and hasattr(X, "tocsr"):
        return float(np.sum(np.square(X.tocsr().data, dtype=float)))
    total = 0.0
    for begin in range(0, X.shape[1], COLUMNS_AT_ONCE):
        unit = np.zeros((X.shape[1], min(COLUMNS_AT_ONCE, X.shape[1] - begin)), dtype=X.dtype)
        unit[begin + np.arange(unit.shape[1]), np.arange(unit.shape[1])] = 1.0
        total += float(np.sum(np.square(np.asarray(X @ unit), dtype=float)))
    return total


class EntryObjective:
    r"""The loss of the observed entries, over the share :math:`\pi` of cells that they are.

    .. math:: \frac1\pi\sum_{ij\ \mathrm{seen}} w_{ij}\,\ell(x_{ij}, \langle f_i, g_j\rangle + o_{ij})

    For the squared loss and cells seen at random its expectation is the objective of the whole matrix.

    Parameters
    ----------
    passes : EntryPasses
        With the loss, and with offsets where there are some.
    """

    def __init__(self, passes: EntryPasses) -> None:
        self.passes, observed = passes, passes.observed
        seen = observed.n_entries if observed.weights is None else float(np.sum(observed.weights, dtype=float))
        self.scale = observed.shape[0] * observed.shape[1] / seen

    @property
    def shape(self) -> tuple[int, int]:
        return self.passes.shape

    @property
    def dtype(self) -> np.dtype:
        return self.passes.dtype

    def __call__(self, factors: Factors) -> FactorGradient:
        result = self.passes.loss_and_gradient(*factors, want="AB")
        scale = self.dtype.type(self.scale)
        assert result.A is not None
        assert result.B is not None
        return FactorGradient(self.scale * result.value, scale * result.A, scale * result.B)

    def slopes(self, factors: Factors | None = None) -> FloatArray:
        """Minus the derivative of each entry's loss, over the share seen: what is left of :math:`X`, entry by entry."""
        observed = self.passes.observed
        if factors is None:
            m = np.zeros(observed.n_entries, self.dtype) if self.passes.offset is None else self.passes.offset
        else:
            m = self.passes.at(*factors)
        slope = self.passes.loss.gradient(observed.values, m)
        if observed.weights is not None:
            slope = slope * observed.weights
        return self.dtype.type(-self.scale) * slope

    def rest(self, factors: Factors, V: FloatArray) -> FloatArray:
        return self.passes.to_rows(self.slopes(factors), V)

    def rest_transposed(self, factors: Factors, U: FloatArray) -> FloatArray:
        return self.passes.to_cols(self.slopes(factors), U)

    def at_zero(self) -> Any:
        """Minus the gradient at factors of zero, as a sparse array; its largest singular value sets the step."""
        from scipy import sparse

        view = self.passes.observed.by_rows
        return sparse.csr_array((self.slopes(), view.indices, view.indptr), shape=self.shape)


class FactorDescent:
    r"""One step of gradient descent on both factors at once.

    .. math:: F \leftarrow F - \eta\nabla_F,\qquad G \leftarrow G - \eta\nabla_G

    Parameters
    ----------
    objective : FactorObjective
    step : float
        Learning rate :math:`\eta`.
    is_guarded : bool
        Halve the step for good whenever the value would rise; False is the paper's algorithm.
    is_symmetric : bool
        Of a symmetric matrix, from equal factors: keep them equal. In exact arithmetic they stay so; rounding would
        grow in the directions of negative eigenvalues.

    Notes
    -----
    One evaluation of the objective per sweep. Source: Jiang, Chen and Ding (2022), (GD-M).

    Examples
    --------
    >>> from halfseen.solvers import loop
    >>> X = np.outer([1.0, 2.0, 2.0], [2.0, 1.0])
    >>> start = small_start((3, 2), 2, 1e-3, 6.7, np.random.default_rng(0))
    >>> run = loop(FactorDescent(DenseObjective(X), step=0.5 / 6.7), start, max_iter=100)
    >>> bool(np.allclose(run.params.left @ run.params.right.T, X))
    True
    """

    def __init__(
        self, objective: FactorObjective, step: float, is_guarded: bool = False, is_symmetric: bool = False
    ) -> None:
        self.objective, self.step, self.is_guarded, self.is_symmetric = objective, step, is_guarded, is_symmetric
        self._last: tuple[Factors, FactorGradient] | None = None

    def at(self, factors: Factors) -> FactorGradient:
        """Value and gradients; those of the last point are remembered."""
        if self._last is None or self._last[0] is not factors:
            self._last = (factors, self.objective(factors))
        return self._last[1]

    def __call__(self, factors: Factors) -> SweepResult:
        known = self._last is not None and self._last[0] is factors
        here = self.at(factors)
        step = factors.left.dtype.type(self.step)
        left = factors.left - step * here.left
        new = Factors(left, left if self.is_symmetric else factors.right - step * here.right)
        there = self.at(new)
        work = 1.0 if known else 2.0
        if self.is_guarded and not there.value <= here.value + 1e-9 * abs(here.value):
            self.step *= 0.5
            self._last = (factors, here)
            return SweepResult(factors, here.value, max(largest(here.left), largest(here.right)), work)
        return SweepResult(new, there.value, max(largest(there.left), largest(there.right)), work)


def small_start(
    shape: tuple[int, int], rank: int, rho: float, top: float, rng: np.random.Generator, dtype: Any = np.float64
) -> Factors:
    r"""The paper's random start, :math:`F_0, G_0 = \frac{\rho}{3\sqrt{m + n + k}}\,N(0, \sigma_1)`.

    Parameters
    ----------
    shape : (int, int)
    rank : int
        Columns k of the factors.
    rho : float
    top : float
        Largest singular value :math:`\sigma_1`, the variance of the normal entries.
    rng : numpy.random.Generator

    Notes
    -----
    Source: Jiang, Chen and Ding (2022), section 4.1.
    """
    scale = rho / (3.0 * np.sqrt(sum(shape) + rank)) * np.sqrt(top)
    left = scale * rng.standard_normal((shape[0], rank))
    return Factors(left.astype(dtype), (scale * rng.standard_normal((shape[1], rank))).astype(dtype))


def product_svd(factors: Factors) -> tuple[FloatArray, FloatArray, FloatArray]:
    r"""Singular value decomposition of :math:`F G^\top`, without forming it.

    Returns
    -------
    U : ndarray (m, q)
    s : ndarray (q,)
    V : ndarray (n, q)
        ``q`` is the least of m, n and k.

    Notes
    -----
    O((m + n) k^2).
    """
    Qf, Rf = np.linalg.qr(factors.left)
    Qg, Rg = np.linalg.qr(factors.right)
    U, s, Vt = np.linalg.svd(Rf @ Rg.T, full_matrices=False)
    return Qf @ U, s, Qg @ Vt.T
