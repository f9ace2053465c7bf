r"""One-class tables without features: exact alternating sweeps, and features turned so that one penalty suits all.

.. math:: \sum_\Omega w(m_{ij} - a_{ij})^2 + \beta\sum_{\Omega^c} m_{ij}^2
          + \lambda\sum_i (n_i + \beta p)\|x_i\|^2 + \lambda\sum_j (n_j + \beta n)\|y_j\|^2

The penalty of a row grows with what the row weighs in the loss: then one :math:`\lambda` suits tables of all sizes.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.data import Observed
from halfseen.engines import EntryPasses
from halfseen.losses import get_loss
from halfseen.methods.inductive.fitting import Certificate
from halfseen.methods.inductive.maps import FeatureMap
from halfseen.methods.inductive.standard import Units
from halfseen.solvers.loop import Run, SweepResult, loop
from halfseen.solvers.stops import RelativeChange

# Sweeps: lists change no more after eight to ten.
SWEEPS = 10
# Weight of the isotropic part of the matrix that features are whitened with: without it, directions that few rows have
# become as large as the others, and new rows are all noise.
ISOTROPIC = 0.1
# Wider features are scaled and not turned: the turn takes d^3 operations.
WIDEST = 2000


def row_weights(observed: Observed, beta: float) -> tuple[FloatArray, FloatArray]:
    r"""What rows and columns weigh in the loss, :math:`n_i + \beta p` and :math:`n_j + \beta n`."""
    n, p = observed.shape
    w = np.ones(observed.n_entries) if observed.weights is None else observed.weights.astype(float)
    rows, cols = (np.bincount(part, w, size) for part, size in ((observed.rows, n), (observed.cols, p)))
    return rows + beta * p, cols + beta * n


class GramSweeps:
    r"""Sweep: all rows, then all columns, each solved exactly.

    Row i solves :math:`(\sum_{j\in i}(w - \beta)y_jy_j' + \beta Y'Y + \lambda(n_i + \beta p)I)x = \sum w\,a\,y_j`.
    In the axes of the Gram matrix :math:`Y'Y` is diagonal, a ridge of the row: the fused row kernel does all.

    Parameters
    ----------
    observed : Observed
    rank : int
    beta, penalty : float
    engine : Engine or None

    Notes
    -----
    O(E k^2 + (n + p) k^3) per sweep; no array of rows x columns. Source: Hu, Koren and Volinsky (2008);
    the weights of the penalty from Rendle and others (2022), "Revisiting the performance of iALS".
    """

    def __init__(self, observed: Observed, rank: int, beta: float, penalty: float, engine: Any = None) -> None:
        self.beta, self.rank, self.shape = beta, rank, observed.shape
        self.scales = row_weights(observed, beta)
        self.penalty = penalty
        self.passes = EntryPasses(beside_all(observed, beta), get_loss("gaussian"), engine)
        w = 1.0 if observed.weights is None else observed.weights.astype(float)
        self.constant = 0.5 * float(np.sum(w * observed.values.astype(float) ** 2 * (1.0 - w / (w - beta))))

    def solve(self, axis: int, B: FloatArray) -> tuple[FloatArray, float]:
        """The best factors of the rows (``axis=0``) or columns, and the objective there without the other's penalty."""
        return rows_given(self.passes, axis, B, self.beta, self.penalty * self.scales[axis])

    def __call__(self, params: tuple[FloatArray, FloatArray]) -> SweepResult:
        X, _ = self.solve(0, params[1])
        Y, value = self.solve(1, X)
        own = 0.5 * self.penalty * float(np.sum(self.scales[0][:, None] * X.astype(float) ** 2))
        return SweepResult((X, Y), value + own + self.constant)


def beside_all(observed: Observed, beta: float) -> Observed:
    r"""What seen cells have beside the weight :math:`\beta` of all: the weight :math:`w - \beta`.

    :math:`w(m - a)^2 + \beta(\text{all} - m^2) = (w - \beta)(m - wa/(w - \beta))^2 + \beta\,\text{all} + const.`
    """
    w = np.ones(observed.n_entries) if observed.weights is None else observed.weights.astype(float)
    if not np.all(w > beta):
        raise ValueError(f"beta={beta:g} must be below the weight of every seen cell ({float(w.min()):g} the least)")
    values, weights = (part.astype(observed.dtype) for part in (w * observed.values / (w - beta), w - beta))
    return Observed.from_triplets(observed.rows, observed.cols, values, weights, observed.shape)


def rows_given(
    passes: EntryPasses, axis: int, B: FloatArray, beta: float, penalty: FloatArray
) -> tuple[FloatArray, float]:
    """Exact factors of the rows (``axis=0``) or columns, each with its own penalty, the other side held."""
    wide = np.asarray(B, dtype=float)
    spread, axes = np.linalg.eigh(beta * (wide.T @ wide))
    ridge = (penalty[:, None] + np.maximum(spread, 0.0)).astype(passes.dtype)
    turned_B = np.ascontiguousarray(wide @ axes, dtype=passes.dtype)
    X, value = passes.newton(axis, np.zeros_like(ridge), turned_B, ridge=ridge, method="cholesky")
    return np.asarray(X @ axes.T.astype(X.dtype)), value


def alternate(observed: Observed, rank: int, settings: SimpleNamespace, rng: np.random.Generator, watch: Any) -> Run:
    """Exact sweeps from small random columns."""
    sweep = GramSweeps(observed, rank, float(settings.beta), max(float(settings.penalty), 1e-12), settings.engine)
    size = 0.1 / np.sqrt(rank) if isinstance(settings.start_scale, str) else float(settings.start_scale)
    start = tuple((size * rng.standard_normal((length, rank))).astype(observed.dtype) for length in observed.shape)
    stops: list[Any] = [RelativeChange(settings.tol, 1), *([watch.stop] if watch else [])]
    return loop(sweep, start, stops, max_iter=min(settings.max_iter, SWEEPS), watchers=[watch] if watch else [])


def factors_learned(params: tuple[FloatArray, FloatArray], settings: SimpleNamespace) -> dict[str, Any]:
    """Attributes of a model of factors alone, as those of one-hot features."""
    X, Y = params
    parts: dict[str, Any] = {"offset_": 0.0, "gain_": 1.0, "_units": Units(), "placing_penalty_": 0.0}
    parts["penalty_"] = float(settings.penalty)
    for name, part in (("row", X), ("col", Y)):
        bias = np.zeros(part.shape[1], part.dtype)
        parts |= {f"{name}_weights_": part, f"{name}_intercept_": bias, f"{name}_factors_": part}
        parts |= {f"{name}_effects_": np.zeros(len(part), part.dtype)}
        parts[f"_{name}_units"] = np.concatenate([part, bias[None]])
    return parts


def certificate_of(run: Run) -> Certificate:
    """One start, and no claim that it is exact."""
    return Certificate(np.array([run.value]), 0, 0.0, False)


def fold_in(observed: Observed, Y: FloatArray, beta: float, penalty: float, engine: Any) -> FloatArray:
    """Factors (n_new, k) of new rows by what they have, the columns held."""
    passes = EntryPasses(beside_all(observed.astype(Y.dtype), beta), get_loss("gaussian"), engine)
    return rows_given(passes, 0, Y, beta, max(penalty, 1e-12) * row_weights(observed, beta)[0])[0]


def turned(features: Any, n: int, weights: FloatArray, total: float, has_intercept: bool) -> tuple[Any, FloatArray]:
    r"""Features (a constant added) turned so that one penalty on all weights is that of the table, and the turn.

    .. math:: \tilde X = X\Bigl(\frac{X'DX}{m} + .1\,\frac{\mathrm{tr}(X'DX / m)}{d} I\Bigr)^{-1/2}

    with D the weights of the rows in the loss: then :math:`\|W\|^2` is about
    :math:`\frac1m\sum_i(n_i + \beta p)\|x_i\|^2`, x the predictors. One-hot features (None) and very wide ones are
    scaled only; the turn then is a vector.
    """
    from scipy import sparse

    if features is None:
        spread = weights / total
        scale = 1.0 / np.sqrt(spread + ISOTROPIC * spread.mean())
        return sparse.csr_array(sparse.diags_array(scale)), scale
    squares = features.multiply(features) if hasattr(features, "multiply") else features**2
    size = float(np.sqrt(squares.sum() / n)) or 1.0
    constant = np.ones((n, int(has_intercept)))
    if features.shape[1] > WIDEST:
        squares = sparse.csr_array(squares)
        spread = np.append(squares.T @ weights / total, [weights.sum() / total] * has_intercept)
        scale = 1.0 / np.sqrt(spread + ISOTROPIC * spread.mean())
        wide = sparse.hstack([sparse.csr_array(features), sparse.csr_array(constant)])
        return sparse.csr_array(wide @ sparse.diags_array(scale)), scale
    X = np.asarray(features.toarray() if hasattr(features, "toarray") else features, dtype=float)
    wide = np.concatenate([X / size, constant], axis=1)
    matrix = (wide * weights[:, None]).T @ wide / total
    matrix[np.diag_indices(len(matrix))] += ISOTROPIC * np.trace(matrix) / len(matrix)
    values, vectors = np.linalg.eigh(matrix)
    turn = (vectors / np.sqrt(values)) @ vectors.T
    done = wide @ turn
    turn[: X.shape[1]] /= size
    return done, np.asarray(turn)


def turned_maps(
    observed: Observed, sides: list[Any], beta: float, has_intercept: bool
) -> tuple[list[FeatureMap], list[FloatArray]]:
    """Both sides' features as maps, turned, and the turns."""
    weights, total = row_weights(observed, beta), float(observed.n_entries)
    maps, turns = [], []
    for n, own, matrix in zip(observed.shape, weights, sides, strict=True):
        features, turn = turned(matrix, n, own, total, has_intercept)
        maps.append(FeatureMap(features, n, False, observed.dtype))
        turns.append(turn)
    return maps, turns
