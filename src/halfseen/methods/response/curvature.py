r"""Second derivatives of the marginal likelihood, and how scores follow the parameters: Louis' identity on nodes.

.. math:: H = \sum_j \mathrm{E}_j\Bigl[\sum_i n_{ij} w_{ij}\, \dot m_{ij} \dot m_{ij}^\top - e_{ij}\, \ddot m_{ij}\Bigr]
              - \mathrm{Cov}_j\Bigl(\sum_i e_{ij} \dot m_{ij}\Bigr) + \text{prior}

with :math:`e = k - n\,\sigma(m)`, :math:`w = \sigma'(m)` and means and covariances over a column's posterior.
"""

from __future__ import annotations

import numpy as np

from halfseen._typing import FloatArray
from halfseen.methods.response.likelihood import MarginalLikelihood, Point, Posterior
from halfseen.methods.response.seen_cells import ScoreSums, add_score_sums, score_covariance
from halfseen.methods.response.table import NUMBERS_AT_ONCE, ColumnBlock


def parts_of(posterior: Posterior, size: int) -> list[Posterior]:
    """The same columns in smaller blocks, of about ``NUMBERS_AT_ONCE`` numbers when a column has size x G of them."""
    b, G = posterior.chance.shape
    size_of_part = max(1, NUMBERS_AT_ONCE // (size * G))
    parts, first = [], posterior.block.cols.start
    for begun in range(0, b, size_of_part):
        cut = slice(begun, min(b, begun + size_of_part))
        block = ColumnBlock(
            slice(first + begun, first + cut.stop), posterior.block.successes[cut], posterior.block.weights[cut]
        )
        at_nodes = posterior.u, posterior.z, posterior.y, posterior.mean
        u, z, y, mean = (part if posterior.is_shared else part[cut] for part in at_nodes)
        parts.append(
            Posterior(block, posterior.log_likelihood[cut], posterior.chance[cut], u, z, y, mean, posterior.is_shared)
        )
    return parts


def hessian(problem: MarginalLikelihood, at: Point) -> FloatArray:
    """Hessian (n + k, n + k) of minus the log posterior.

    Notes
    -----
    O((s + k)^2 p G) in matrix products for s answers per column on shared nodes, O((n + k)^2 p G) on own ones; memory
    some blocks of so many numbers per column.
    """
    size = len(at.theta)
    H = np.diag(problem.prior_precision())
    for whole in problem.posteriors(at):
        if whole.is_shared:
            H -= score_covariance(at, whole)
            _add_complete(H, at, whole)
            continue
        for posterior in parts_of(whole, size):
            S = complete_scores(at, posterior)
            S_mean = np.matmul(S, posterior.chance[:, :, None])[:, :, 0]
            flat = _flat(S, np.sqrt(posterior.chance))
            H += S_mean.T @ S_mean - flat @ flat.T
            _add_complete(H, at, posterior)
    return 0.5 * (H + H.T)


def score_sums(problem: MarginalLikelihood, at: Point) -> tuple[ScoreSums, ScoreSums]:
    """Score sums over the unseen cells, and over all cells; costs as :func:`hessian`."""
    n, size = len(at.x), len(at.theta)
    unseen, every = ScoreSums.zeros(n, size), ScoreSums.zeros(n, size)
    for whole in problem.posteriors(at):
        if whole.is_shared:
            add_score_sums(unseen, every, at, whole)
            continue
        for posterior in parts_of(whole, size):
            S = complete_scores(at, posterior)
            root, P = np.sqrt(posterior.chance), posterior.expected(posterior.mean)
            scores = _flat(S, root), np.matmul(S, posterior.chance[:, :, None])[:, :, 0]
            _add(unseen, at, posterior, 1.0 - posterior.block.is_seen, (P, root, scores))
            _add(every, at, posterior, np.ones_like(P), (P, root, scores))
    # of a row that answered all nothing is unseen, whatever rounding has left of it
    is_whole = np.bincount(problem.table.rows, minlength=n) == problem.table.shape[1]
    for part in (unseen.expected, unseen.slopes, unseen.column_covariance, unseen.noise, unseen.column_covariance.T):
        part[is_whole] = 0.0
    return unseen, every


def complete_scores(at: Point, posterior: Posterior) -> FloatArray:
    """Gradients (b, size, G) of a column's complete log-likelihood by ``theta``."""
    n, block = len(at.x), posterior.block
    S = np.empty((len(block.weights), len(at.theta), posterior.chance.shape[1]))
    e = S[:, :n]
    np.multiply(block.weights[:, :, None], -posterior.mean, out=e)
    e += block.successes[:, :, None]
    S[:, n] = e.sum(axis=1)
    S[:, n + 1] = S[:, n] * posterior.u[..., 0]
    if at.is_sloped:
        moved = np.matmul(at.x, e)
        S[:, n + 2], S[:, n + 3] = moved * posterior.u[..., 0], moved * posterior.u[..., 1]
        e *= posterior.y[:, None, :]
    return S


def _flat(cells: FloatArray, factor: FloatArray) -> FloatArray:
    """(b, m, G) times (b, G), as (m, b G)."""
    out = np.empty((cells.shape[1], cells.shape[0], cells.shape[2]))
    np.multiply(np.moveaxis(cells, 1, 0), factor, out=out)
    return out.reshape(len(out), -1)


def _over_columns(posterior: Posterior, cells: FloatArray) -> FloatArray:
    """Cells (b, n) times posterior chances: summed over columns (1, n, G) where these share nodes, else (b, n, G)."""
    if posterior.is_shared:
        return np.asarray((cells.T @ posterior.chance)[None])
    return cells[:, :, None] * posterior.chance[:, None, :]


def _along(at: Point, posterior: Posterior) -> list[tuple[FloatArray, int]]:
    """Derivatives of m by the loadings: functions (1 or b, 1, G) of the node, times x to the power 0 or 1."""
    u1, u2 = posterior.u[..., 0][:, None, :], posterior.u[..., 1][:, None, :]
    return [(np.ones_like(u1), 0), (u1, 0), (u1, 1), (u2, 1)][: len(at.theta) - len(at.x)]


def _add(
    sums: ScoreSums, at: Point, posterior: Posterior, counted: FloatArray,
    known: tuple[FloatArray, FloatArray, tuple[FloatArray, FloatArray]],
) -> None:  # fmt: skip
    """Another block of columns, of which the cells in ``counted`` (b, n) count."""
    P, root, (S, S_mean) = known
    n = len(at.x)
    UW, w = _over_columns(posterior, counted), posterior.mean * (1.0 - posterior.mean)
    sums.expected[:] += np.sum(UW * posterior.mean, axis=(0, 2))
    felt = UW * w
    sums.noise[:] += felt.sum(axis=(0, 2))
    cells = counted[:, :, None] * posterior.mean
    flat, mean = _flat(cells, root), counted * P
    sums.column_covariance[:] += flat @ flat.T - mean.T @ mean
    sums.slopes[:] += flat @ S.T - mean.T @ S_mean
    sums.slopes[np.arange(n), np.arange(n)] += np.sum(felt * posterior.y[:, None, :], axis=(0, 2))
    for k, (f, power) in enumerate(_along(at, posterior)):
        sums.slopes[:, n + k] += np.sum(felt * f, axis=(0, 2)) * at.x**power


def _add_complete(H: FloatArray, at: Point, posterior: Posterior) -> None:
    """Add the posterior means of the complete information and of the bend of the bilinear predictor."""
    n, x, y = len(at.x), at.x, posterior.y[:, None, :]
    NW = _over_columns(posterior, posterior.block.weights)
    e = _over_columns(posterior, posterior.block.successes) - NW * posterior.mean
    info = NW * (posterior.mean * (1.0 - posterior.mean))
    H[np.arange(n), np.arange(n)] += np.sum(info * y**2, axis=(0, 2))
    along = _along(at, posterior)
    for k, (f, power) in enumerate(along):
        cross = np.sum(info * (y * f), axis=(0, 2)) * x**power
        if power:
            cross = cross - np.sum(e * f, axis=(0, 2))
        H[:n, n + k] += cross
        H[n + k, :n] += cross
        for l, (h, other) in enumerate(along[: k + 1]):  # noqa: E741
            both = float(np.sum(info * (f * h), axis=(0, 2)) @ x ** (power + other))
            H[n + k, n + l] += both
            if k != l:
                H[n + l, n + k] += both
