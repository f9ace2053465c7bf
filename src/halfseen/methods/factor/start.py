"""Spectral starts: double SVD with link inversion, and its linearised form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.data import Observed
from halfseen.engines import EntryPasses
from halfseen.linalg import balance, optimal_shrinkage, soft_threshold, trim_rows, truncated_svd
from halfseen.losses import Loss, at_columns, has_columns
from halfseen.losses.derived import information
from halfseen.methods.factor.factors import FactorPoint
from halfseen.parameters import BadArgument
from halfseen.solvers import GradientNorm, SweepResult, loop

Array = NDArray[Any]

# The link is inverted on blocks of at most this many cells at a time.
CELLS_PER_BLOCK = 2**20
# Entries standardised at once.
ENTRIES_PER_PIECE = 2**18
# Of singular values that are shrunk by far more than this.
SVD_TOL = 1e-5
# Damped Newton steps for a column's intercept; convex in one unknown.
NULL_STEPS = 30
# A start that fits worse than no factors: longest row over the root mean square, and lengths that are tried.
LONGEST = 2.0
SHORTER = (1.0, 0.7, 0.5, 0.35, 0.2)


def column_means(observed: Observed, is_alone: bool = False, strength: float = 1.0) -> Array:
    """Weighted column means of the observed values, drawn to the overall mean by ``strength`` pseudo-entries.

    Columns of different families have no overall mean: ``is_alone`` leaves them alone, at 0 where they are empty.
    """
    view = observed.by_rows
    weighted = view.values if view.weights is None else view.weights * view.values
    total, mass = view.minor_sums(weighted), view.minor_sums(view.weights)
    if is_alone:
        return np.asarray(total / np.maximum(mass, 1e-300))
    overall = float(total.sum()) / max(float(mass.sum()), 1e-300)
    return (total + strength * overall) / (mass + strength)


def null_intercept(passes: EntryPasses) -> Array:
    """Intercepts of the model without factors: the link of the slightly shrunk column means.

    With offsets, the minimiser of each column's loss, drawn to the overall intercept by one pseudo-entry.
    """
    observed, loss, p = passes.observed, passes.loss, passes.shape[1]
    by_column = hasattr(loss, "members")
    if passes.offset is None:
        return np.asarray(at_columns(loss, np.arange(p)).link(column_means(observed, by_column)), dtype=float)
    centre = _overall_intercept(passes)
    here = at_columns(loss, observed.cols)
    strength = np.array([float(np.mean(information(here, centre + np.asarray(passes.offset, dtype=float))))])
    coefficients, _ = passes.newton(
        1,
        np.zeros((p, 1)),
        np.ones((passes.shape[0], 1)),
        minor_offset=np.full(passes.shape[0], centre),
        ridge=strength,
        steps=NULL_STEPS,
    )
    return np.asarray(coefficients[:, 0], dtype=float) + centre


def _overall_intercept(passes: EntryPasses) -> float:
    """The one intercept that all entries would share, by Newton steps from the mean response."""
    observed = passes.observed
    loss = at_columns(passes.loss, observed.cols)
    values, offset = np.asarray(observed.values, dtype=float), np.asarray(passes.offset, dtype=float)
    weights = np.ones_like(values) if observed.weights is None else np.asarray(observed.weights, dtype=float)

    def sweep(centre: float) -> SweepResult:
        m = centre + offset
        slope = float(np.sum(weights * loss.gradient(values, m)))
        step = slope / max(float(np.sum(weights * loss.curvature(values, m))), 1e-300)
        # a step of at most 2 keeps the log link from overshooting
        new = centre - float(np.clip(step, -2.0, 2.0))
        return SweepResult(new, float(np.sum(weights * loss.value(values, new + offset))), abs(new - centre))

    begin = 0.0
    if not has_columns(loss):
        begin = float(loss.link(np.array(np.average(values, weights=weights))))
        begin -= float(np.average(offset, weights=weights))
    return float(loop(sweep, begin, [GradientNorm(1e-10)], max_iter=200).params)


def sparse_entries(observed: Observed, data: Array) -> Any:
    """One number per entry, zero elsewhere: a sparse array (n, p)."""
    from scipy.sparse import csr_array

    view = observed.by_rows
    # row starts as narrow as the indices: SciPy would widen the indices otherwise
    starts = view.indptr.astype(np.int32) if observed.n_entries < 2**31 else view.indptr
    return csr_array((data, view.indices, starts), shape=observed.shape)


def relative_rates(observed: Observed) -> tuple[Array, Array]:
    """Share of seen cells of every row and column over the overall share, at least a quarter.

    The floor keeps rows with hardly an entry from being blown up when they are scaled back.
    """
    n, p = observed.shape
    rows = observed.by_rows.counts * (n / observed.n_entries)
    cols = observed.by_rows.minor_sums() * (p / observed.n_entries)
    return np.maximum(rows, 0.25), np.maximum(cols, 0.25)


def spectral_start(passes: EntryPasses, rank: int, settings: SimpleNamespace, rng: np.random.Generator) -> FactorPoint:
    r"""Soft-thresholded SVD of the zero-filled centred responses, clipped, link-inverted, and a second SVD.

    .. math:: \hat R = \bar r 1 + \pi^{-1} U (\Sigma - \lambda)_+ V^\top,\quad
              \check M = \psi^{-1}(\mathrm{clip}\,\hat R),\quad
              \zeta = \check M^\top 1 / n,\quad \check M - 1\zeta^\top \approx X Y^\top,

    with :math:`\lambda = C\,\mathrm{rms}\,\sqrt\pi(\sqrt n + \sqrt p)`.

    Notes
    -----
    The table :math:`\check M` is evaluated in row blocks and never stored; five evaluations of all n p cells.
    Source: Huang and Gu, Algorithm 3. The print does not centre; the column means are taken out first here
    (``is_centred=False`` restores the print), because the threshold otherwise shrinks the mean component.
    """
    observed, loss, (n, p) = passes.observed, passes.loss, passes.shape
    if passes.offset is not None or has_columns(loss):
        what = (
            "offsets" if passes.offset is not None else f"columns with parameters of their own (family={loss.name!r})"
        )
        raise BadArgument("start", "spectral", f"'auto' or 'linear', for the spectral start knows no {what}")
    share = observed.n_entries / (n * p)
    centre = column_means(observed) if settings.is_centred else np.zeros(p)
    Z = sparse_entries(observed, np.asarray(observed.values, dtype=float) - centre[observed.cols])
    U, s, Vt = truncated_svd(Z, max(settings.n_triplets, rank + 1), rng, SVD_TOL)
    rms = float(np.sqrt(np.mean(np.square(Z.data)))) if observed.n_entries else 0.0
    threshold = settings.c_lambda * rms * np.sqrt(share) * (np.sqrt(n) + np.sqrt(p))
    s = soft_threshold(s, threshold, keep=min(max(rank, 1), len(s))) / share
    table = _InvertedTable(U * s, Vt, centre, loss)
    return _second_svd(table, rank, rng)


@dataclass(frozen=True)
class _InvertedTable:
    """``link(U V' + centre)`` as a table that is evaluated block by block."""

    U: Array
    Vt: Array
    centre: Array
    loss: Loss

    def products(self, right: Array) -> tuple[Array, Array]:
        """``table @ right`` and the column means, in one evaluation of the table."""
        n, p = len(self.U), self.Vt.shape[1]
        out, total, height = np.empty((n, right.shape[1])), np.zeros(p), max(1, CELLS_PER_BLOCK // max(p, 1))
        for begin in range(0, n, height):
            block = self.loss.link(self.U[begin : begin + height] @ self.Vt + self.centre)
            out[begin : begin + height] = block @ right
            total += block.sum(axis=0)
        return out, total / n

    def transposed_products(self, left: Array) -> Array:
        """``table.T @ left``."""
        n, p = len(self.U), self.Vt.shape[1]
        out, height = np.zeros((p, left.shape[1])), max(1, CELLS_PER_BLOCK // max(p, 1))
        for begin in range(0, n, height):
            block = self.loss.link(self.U[begin : begin + height] @ self.Vt + self.centre)
            out += block.T @ left[begin : begin + height]
        return out


def _second_svd(table: _InvertedTable, rank: int, rng: np.random.Generator) -> FactorPoint:
    """Rank-r SVD of the column-centred table: randomised range finder warmed by the first SVD's right vectors.

    Two subspace iterations; the spectrum falls fast beyond the first SVD's vectors (Halko, Martinsson and
    Tropp, 2011, algorithm 4.4).
    """
    p = table.Vt.shape[1]
    width = min(max(rank + 8, table.Vt.shape[0] + 4), p, len(table.U))
    sketch = rng.standard_normal((p, width))
    warm = min(table.Vt.shape[0], width)
    sketch[:, :warm] = table.Vt[:warm].T
    image, mean = table.products(sketch)
    Q = np.linalg.qr(image - mean @ sketch)[0]
    W = np.linalg.qr(table.transposed_products(Q) - np.outer(mean, Q.sum(axis=0)))[0]
    image, mean = table.products(W)
    Q = np.linalg.qr(image - mean @ W)[0]
    small = table.transposed_products(Q) - np.outer(mean, Q.sum(axis=0))
    V, s, Ut = np.linalg.svd(small, full_matrices=False)
    root = np.sqrt(s[:rank])
    return FactorPoint(mean, (Q @ Ut.T[:, :rank]) * root, V[:, :rank] * root)


@dataclass(frozen=True)
class LinearStart:
    """The linearised start with what it learned on the way.

    Attributes
    ----------
    factors : FactorPoint
    singular_values : ndarray (r,)
        Shrunk singular values of the factor part, on the scale of the linear predictor.
    dispersion : float
        Residual variance of the standardised responses (1 for families without a dispersion).
    """

    factors: FactorPoint
    singular_values: Array
    dispersion: float


def linear_start(passes: EntryPasses, rank: int, settings: SimpleNamespace, rng: np.random.Generator) -> LinearStart:
    r"""Expand the mean around the intercepts, standardise, take one SVD with optimal shrinkage.

    .. math:: \zeta_j = \psi^{-1}(\bar r_j),\quad w_j = \psi'(\zeta_j),\quad
              Z_{ij} = \frac{R_{ij} - \psi(\zeta_j)}{\pi\sqrt{w_j\,a_i b_j}},\quad
              X Y^\top = \mathrm{diag}(a)^{-1/2}\,\mathrm{shrink}(Z)_r\,\mathrm{diag}(b\,w)^{-1/2},

    where :math:`a_i, b_j` are the rows' and columns' shares of seen cells over the overall share
    :math:`\pi`. They make the noise of Z white, with standard deviation :math:`\sqrt{\phi/\pi}`, also when
    some rows and columns are seen far more often than others.

    Notes
    -----
    No clipping is needed; as good as the double SVD or better when the signal is weak. Cost: one sparse SVD.
    """
    observed, loss, (n, p) = passes.observed, passes.loss, passes.shape
    share = observed.n_entries / (n * p)
    zeta = null_intercept(passes)
    rows, cols = relative_rates(observed)
    data, w_sums, squares = _standardised(passes, zeta, rows, cols)
    # offsets make w_ij vary inside a column; its mean then stands for it
    root = np.sqrt(np.maximum(w_sums / np.maximum(observed.by_rows.minor_sums(), 1), 1e-8))
    second = squares / max(observed.n_entries, 1)
    Z = sparse_entries(observed, data)
    U, s, Vt = truncated_svd(Z, max(rank, 1), rng, SVD_TOL)
    U, s, Vt = U[:, :rank], s[:rank] / share, Vt[:rank]
    dispersion = 1.0
    if loss.has_dispersion:
        raw = optimal_shrinkage(s, n, p, np.sqrt(second / share))
        dispersion = max(second - float(np.sum(raw**2)) / (n * p), 0.05 * second)
    noise = np.sqrt(dispersion / share)
    # components below the edge keep a tenth of the edge: zero could never grow
    edge = noise * (np.sqrt(n) + np.sqrt(p))
    shrunk = np.maximum(optimal_shrinkage(s, n, p, noise), 0.1 * edge)
    _, _, values = balance(U * shrunk, Vt.T / root[:, None])
    X, Y, _ = balance(U * shrunk / np.sqrt(rows)[:, None], Vt.T / (root * np.sqrt(cols))[:, None])
    return LinearStart(FactorPoint(zeta, X, Y), values, dispersion)


def shortened(passes: EntryPasses, start: FactorPoint) -> FactorPoint:
    """A start as it is, or trimmed and scaled down where it fits worse than the intercepts alone.

    Under a log link a few large counts may lengthen a row so far that Newton steps from there take for ever.
    """
    if passes.loss.has_dispersion or not start.rank:
        return start
    null = passes.value(start.rows[:, :0], start.cols[:, :0], col_offset=start.intercept)
    if passes.value(start.rows, start.cols, col_offset=start.intercept) <= null:
        return start
    X, Y = trim_rows(start.rows, LONGEST), trim_rows(start.cols, LONGEST)
    scaled = (replace(start, rows=c * X, cols=c * Y) for c in SHORTER)
    fits = (point for point in scaled if passes.value(point.rows, point.cols, col_offset=point.intercept) <= null)
    return next(fits, replace(start, rows=SHORTER[-1] * X, cols=SHORTER[-1] * Y))


def _standardised(passes: EntryPasses, zeta: Array, rows: Array, cols: Array) -> tuple[Array, Array, float]:
    """``(R - psi(m)) / sqrt(w a_i b_j)`` of every entry, column sums of ``w``, sum of squares before the rates.

    In pieces and in the data's own precision: the start then needs one more number per entry, not a dozen.
    """
    observed, loss, p = passes.observed, passes.loss, passes.shape[1]
    data, w_sums, squares = np.empty(observed.n_entries, passes.dtype), np.zeros(p), 0.0
    indptr, all_cols = observed.by_rows.indptr, observed.by_rows.indices
    for begin in range(0, observed.n_entries, ENTRIES_PER_PIECE):
        part = slice(begin, min(begin + ENTRIES_PER_PIECE, observed.n_entries))
        j = all_cols[part]
        i = np.searchsorted(indptr, np.arange(part.start, part.stop), side="right") - 1
        m = zeta[j] if passes.offset is None else zeta[j] + passes.offset[part]
        here = at_columns(loss, j)
        w = np.maximum(np.asarray(information(here, m), dtype=float), 1e-8)
        # minus the score; of a canonical family the residual
        z = -here.gradient(observed.values[part], m) / np.sqrt(w)
        squares += float(np.sum(z * z))
        w_sums += np.bincount(j, weights=w, minlength=p)
        data[part] = z / np.sqrt(rows[i] * cols[j])
    return data, w_sums, squares
