r"""Score tests of what a fitted model leaves out, without a refit and for any pattern of missing answers.

A test adds scores :math:`h` of further numbers, whose values are 0 in the model. With the complete-data scores
:math:`u` of the free numbers, and :math:`I` the observed information of all of them by Louis' identity,

.. math::

    X^2 = U^\top (I_{hh} - I_{hN} I_{NN}^{-1} I_{Nh})^{-1} U,\qquad U = \sum_i f_i \mathrm{E}_{q_i} h_i .

In the outer-product form :math:`I` is the sum of the outer products of the rows' scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import chdtrc, ndtr

from halfseen._typing import FloatArray, IntArray
from halfseen.engines.blas import on_one_blas_thread
from halfseen.inference.multiple import benjamini_hochberg
from halfseen.kernels import response_scores
from halfseen.methods.response.rows_answers import NOT_SEEN, AnswerTable
from halfseen.methods.response.rows_information import (
    NodeScores,
    node_scores,
    observed_information,
    rest_tables,
    slope_sums,
)
from halfseen.methods.response.rows_likelihood import RowsLikelihood, RowsPart
from halfseen.methods.response.rows_result import RowsFit

CACHED = 125_000
# Multiply-adds beyond which tests of pairs go by outer products: their size is right in large tables anyway.
MOST_WORK = 3e10
# A test says nothing when less than this share of its information is left once the model's numbers are estimated.
LEAST_REST = 1e-8


@dataclass(frozen=True)
class ScoreTests:
    """A list of tests.

    Attributes
    ----------
    statistic : ndarray (m,)
        Normal (one degree of freedom; the sign is that of the number left out) or chi-squared.
    degrees : int
    p_value, q_value : ndarray (m,)
        And the least false discovery rate at which each would be called (Benjamini and Hochberg).
    effect : ndarray (m, d)
        First step of the scoring towards the numbers left out: about what they would be estimated as.
    form : {"observed", "outer"}
    items : int ndarray (m, 1 or 2)
        Columns that are tested.
    """

    statistic: FloatArray
    degrees: int
    p_value: FloatArray
    q_value: FloatArray
    effect: FloatArray
    form: str
    items: IntArray


@dataclass
class Sums:
    """Sums over rows for A further numbers of each of m tests, and n numbers of the model."""

    U: FloatArray  # (m, A)
    hh: FloatArray  # (m, A, A)
    hn: FloatArray  # (m, A, n)
    outer: tuple[FloatArray, FloatArray] | None = None  # the last two in the outer-product form


@dataclass(frozen=True)
class Residuals:
    """Answers less their expectations at the nodes, of items whose classes count 0, 1, 2, ...

    Attributes
    ----------
    expected, variance : ndarray (p, G)
    joint : ndarray (n_params, G)
        Covariance of the answer with the item's own complete-data scores.
    """

    expected: FloatArray
    variance: FloatArray
    joint: FloatArray


def residuals(problem: RowsLikelihood, items: FloatArray) -> Residuals:
    """Moments of the answers given the ability."""
    layout = problem.layout
    log, derivatives = layout.derivatives(items, problem.grid.nodes)
    chance = np.exp(log)
    k = np.concatenate([np.arange(c) for c in layout.classes])[:, None]
    expected = np.add.reduceat(k * chance, layout.first_line, axis=0)
    gap = k - np.repeat(expected, layout.classes, axis=0)
    variance = np.add.reduceat(chance * gap**2, layout.first_line, axis=0)
    joint = np.empty((layout.n_params, problem.grid.size))
    for family in layout.families:
        weight = (chance * gap)[family.lines]
        joint[family.params] = np.einsum("jkg,jkqg->jqg", weight, derivatives[family.derivatives])
    return Residuals(expected, variance, joint)


class Rows:
    """A block of rows while their sums are taken: answers, posterior, and the model's scores at the nodes."""

    def __init__(self, problem: RowsLikelihood, part: RowsPart, full: FloatArray, rest: Any, known: Residuals) -> None:
        self.problem, self.part, self.known = problem, part, known
        answers = problem.table.dense(part.rows.start, part.rows.stop)
        self.seen = (answers != NOT_SEEN).astype(float)
        self.answers = np.where(answers != NOT_SEEN, answers, 0).astype(float)
        self._scores: NodeScores = node_scores(problem, rest, part.rows)
        _, self._population = problem.split(full)
        self.groups = None if problem.table.groups is None else problem.table.groups[part.rows]
        self._Z = None if problem.covariates is None else problem.covariates[part.rows]

    def residual(self, g: int) -> FloatArray:
        """Answers less their expectations (rows, p) at a node; 0 where not seen."""
        return self.answers - self.seen * self.known.expected[:, g]

    def model_scores(self, g: int) -> FloatArray:
        """Complete-data scores (rows, reduced + population) at a node."""
        p = self.problem
        out = np.empty((len(self.seen), self._scores.width + p.population.n_params))
        self._scores.at(slice(g, g + 1), out[None])
        x = p.grid.positions[g]
        here = np.broadcast_to([x, x * x], (len(out), 2))
        out[:, self._scores.width :] = p.population.row_scores(self._population, self.groups, self._Z, here)
        return out

    def row_scores(self, places: Any) -> FloatArray:
        """Scores (rows, n_full) of the marginal log-likelihood."""
        p, rows = self.problem, self.part.rows
        own = np.empty((rows.stop - rows.start, p.layout.n_params))
        response_scores(p.table.rows(rows.start, rows.stop), self.part.posterior, places, own)
        more = p.population.row_scores(self._population, self.groups, self._Z, self.part.moments)
        return np.hstack([own, more])


def blocks_of_rows(problem: RowsLikelihood, full: FloatArray, per_row: int) -> Any:
    """Blocks of rows with all that the tests' sums need, and where the derivatives are."""
    items, _ = problem.split(full)
    log, derivatives = problem.layout.derivatives(items, problem.grid.nodes)
    places = problem.layout.derivative_places(derivatives)
    rest, known = rest_tables(problem, items), residuals(problem, items)
    for part in problem.parts(full, log, per_row, CACHED):
        yield Rows(problem, part, full, rest, known), places


def widened(problem: RowsLikelihood, level: FloatArray, tilted: FloatArray) -> FloatArray:
    """From sums with the reduced scores, and the same times the ability, to all numbers (last axis)."""
    layout = problem.layout
    width = layout.n_params - layout.n_items
    slopes = layout.slopes[:, 0]
    out = np.empty((*level.shape[:-1], problem.n_full))
    out[..., np.setdiff1d(np.arange(problem.n_full), slopes)] = level
    out[..., slopes] = tilted[..., :width] @ slope_sums(problem)
    return out


def item_sums(
    problem: RowsLikelihood, full: FloatArray, weights: FloatArray, group_of: IntArray | None, form: str
) -> Sums:
    r"""Sums for the numbers whose scores are :math:`(y_{ij} - E_j(x))\, w_a(x)`, one set for every item.

    Parameters
    ----------
    weights : ndarray (A, G)
        :math:`w_a` at the nodes.
    group_of : int ndarray (A,) or None
        Group whose rows each of these numbers belongs to; None: all rows.
    """
    layout, A, p = problem.layout, len(weights), problem.layout.n_items
    n_reduced = problem.n_full - p
    items, _ = problem.split(full)
    known = residuals(problem, items)
    U, HH, EH = np.zeros((p, A)), np.zeros((p, A, A)), np.zeros((p, A, A))
    HS = np.zeros((A, p, problem.n_full))
    level, tilted = np.zeros((2, A, p, n_reduced))
    seen = np.zeros((A, p, problem.grid.size))
    for rows, places in blocks_of_rows(problem, full, 4 * n_reduced):
        f = rows.part.frequency
        masks = np.ones((A, len(f)))
        if group_of is not None:
            masks = (rows.groups[None, :] == group_of[:, None]).astype(float)
        mean = np.zeros((A, len(f), p))
        for g, x in enumerate(problem.grid.positions):
            q = rows.part.posterior[:, g]
            r = rows.residual(g)
            u = rows.model_scores(g) if form == "observed" else None
            for a in range(A):
                own = r * (q * masks[a] * weights[a, g])[:, None]
                mean[a] += own
                if u is None:
                    continue
                product = (own * f[:, None]).T @ u
                level[a] += product
                tilted[a] += x * product
                seen[a, :, g] += (f * q * masks[a]) @ rows.seen
                for b in range(A):
                    EH[:, a, b] += np.sum(own * r * (f * masks[b] * weights[b, g])[:, None], axis=0)
        S = rows.row_scores(places)
        for a in range(A):
            weighted = mean[a] * f[:, None]
            U[:, a] += weighted.sum(axis=0)
            HS[a] += weighted.T @ S
            for b in range(A):
                HH[:, a, b] += np.sum(weighted * mean[b], axis=0)
    if form == "outer":
        return Sums(U, HH, HS.transpose(1, 0, 2))
    hn = HS - widened(problem, level, tilted)
    for a in range(A):
        for j in range(p):
            own = slice(int(layout.first_param[j]), int(layout.first_param[j] + layout.sizes[j]))
            hn[a, j, own] += known.joint[own] @ (seen[a, j] * weights[a])
    complete = np.einsum("ajg,ag,bg,jg->jab", seen, weights, weights, known.variance)
    if group_of is not None:
        complete *= group_of[:, None] == group_of[None, :]
    return Sums(U, complete - EH + HH, hn.transpose(1, 0, 2), (HH, HS.transpose(1, 0, 2)))


def pair_sums(problem: RowsLikelihood, full: FloatArray, form: str) -> Sums:
    r"""Sums for the numbers whose scores are :math:`(y_j - E_j(x))(y_k - E_k(x))`, one for every pair ``j < k``."""
    p = problem.layout.n_items
    j, k = np.triu_indices(p, 1)
    m, n_reduced = len(j), problem.n_full - p
    items, _ = problem.split(full)
    known = residuals(problem, items)
    U, HH, EH, complete = np.zeros(m), np.zeros(m), np.zeros(m), np.zeros(m)
    HS = np.zeros((m, problem.n_full))
    level, tilted = np.zeros((2, m, n_reduced))
    starts = np.concatenate([[0], np.cumsum(np.arange(p - 1, 0, -1))])
    for rows, places in blocks_of_rows(problem, full, 2 * m):
        f = rows.part.frequency
        mean = np.zeros((len(f), m))
        for g, x in enumerate(problem.grid.positions):
            q = rows.part.posterior[:, g]
            r = rows.residual(g)
            u = rows.model_scores(g) if form == "observed" else None
            weighted = r * q[:, None]
            for a in range(p - 1):
                own = weighted[:, a : a + 1] * r[:, a + 1 :]
                mean[:, starts[a] : starts[a + 1]] += own
                if u is not None:
                    product = (own * f[:, None]).T @ u
                    level[starts[a] : starts[a + 1]] += product
                    tilted[starts[a] : starts[a + 1]] += x * product
            if u is not None:
                fq = (f * q)[:, None]
                EH += ((fq * r**2).T @ r**2)[j, k]
                both = ((fq * rows.seen).T @ rows.seen)[j, k]
                complete += both * known.variance[j, g] * known.variance[k, g]
        weighted = mean * f[:, None]
        U += weighted.sum(axis=0)
        HH += np.sum(weighted * mean, axis=0)
        HS += weighted.T @ rows.row_scores(places)
    if form == "outer":
        return Sums(U[:, None], HH[:, None, None], HS[:, None])
    hn = HS - widened(problem, level, tilted)
    outer = (HH[:, None, None], HS[:, None])
    return Sums(U[:, None], (complete - EH + HH)[:, None, None], hn[:, None], outer)


def assessed(problem: RowsLikelihood, fit: RowsFit, sums: Sums, form: str, items: IntArray) -> ScoreTests:
    """Statistics and p-values; a test whose observed information has no positive rest goes by outer products."""
    values, along, vectors, scale = _parts(_rest(problem, fit, sums.hh, sums.hn, form), sums)
    lost = values[:, 0] <= LEAST_REST
    if form == "observed" and lost.any() and sums.outer is not None:
        again = _parts(_rest(problem, fit, sums.outer[0], sums.outer[1], "outer"), sums)
        for mine, other in zip((values, along, vectors, scale), again, strict=True):
            mine[lost] = other[lost]
    is_known = values[:, 0] > LEAST_REST
    values = np.where(is_known[:, None], values, 1.0)
    A = values.shape[1]
    effect = np.einsum("mab,mb->ma", vectors, along / values) / scale
    chi = np.where(is_known, np.sum(along**2 / values, axis=1), 0.0)
    statistic = np.sign(sums.U[:, 0]) * np.sqrt(chi) if A == 1 else chi
    p = 2.0 * ndtr(-np.abs(statistic)) if A == 1 else chdtrc(A, chi)
    return ScoreTests(statistic, A, p, benjamini_hochberg(p), effect, form, items)


def _rest(problem: RowsLikelihood, fit: RowsFit, hh: FloatArray, hn: FloatArray, form: str) -> FloatArray:
    """Information (m, A, A) about the further numbers once the model's own numbers are estimated."""
    if form == "outer":
        inverse = np.linalg.pinv(problem.cross_product(fit.free), hermitian=True)
    elif fit.covariance.kind == "observed" and fit.covariance.matrix is not None:
        given = fit.covariance.given_means
        inverse = fit.covariance.matrix if given is None else given
    else:
        inverse = np.linalg.inv(observed_information(problem, fit.free))
    free = np.asarray((problem.index.matrix.T @ hn.reshape(-1, problem.n_full).T).T).reshape(*hn.shape[:2], -1)
    return hh - np.einsum("man,nk,mbk->mab", free, inverse, free, optimize=True)


def _parts(V: FloatArray, sums: Sums) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Eigenvalues and -vectors of a correlation-like matrix per test, and the score along them."""
    diagonal = np.einsum("maa->ma", sums.hh if sums.outer is None else sums.outer[0])
    scale = np.sqrt(np.maximum(diagonal, 1e-300))
    values, vectors = np.linalg.eigh(V / scale[:, :, None] / scale[:, None, :])
    return values, np.einsum("mab,ma->mb", vectors, sums.U / scale), vectors, scale


def chosen_form(fit: RowsFit, work: float, form: str) -> str:
    """Observed where there is an observed information and time for it."""
    if form not in ("auto", "observed", "outer"):
        raise ValueError(f"form={form!r} is not known; known: auto, observed, outer.")
    if form != "auto":
        return form
    return "observed" if fit.covariance.kind == "observed" and work <= MOST_WORK else "outer"


@on_one_blas_thread
def local_dependence(fit: RowsFit, table: AnswerTable, *, covariates: Any = None, form: str = "auto") -> ScoreTests:
    """Test of every pair of items for dependence beyond the ability.

    Examples
    --------
    >>> from halfseen.methods.response.rows_answers import answer_table
    >>> from halfseen.methods.response.rows_fit import fit_rows
    >>> rng = np.random.default_rng(0)
    >>> y = (rng.random((500, 5)) < 1 / (1 + np.exp(-rng.normal(size=(500, 1))))).astype(np.uint8)
    >>> y[:, 4] = y[:, 3]
    >>> tests = local_dependence(fit_rows(y, "1pl"), answer_table(y, ["1pl"] * 5))
    >>> tests.items[tests.p_value.argmin()].tolist()
    [3, 4]
    """
    problem = fit.problem(table, covariates)
    p = fit.layout.n_items
    chosen = chosen_form(fit, 0.5 * table.n_rows * fit.grid.size * float(p) ** 3, form)
    pairs = np.stack(np.triu_indices(p, 1), axis=1)
    return assessed(problem, fit, pair_sums(problem, fit.params, chosen), chosen, fit.columns[pairs])


@on_one_blas_thread
def item_shape(fit: RowsFit, table: AnswerTable, *, covariates: Any = None, form: str = "auto") -> ScoreTests:
    """Test of every item for a curve that bends otherwise: guessing, ceilings, wrong kind."""
    problem = fit.problem(table, covariates)
    weights = problem.grid.positions[None] ** 2 - 1.0
    chosen = chosen_form(fit, 3.0 * table.n_rows * fit.grid.size * float(fit.layout.n_items) ** 2, form)
    sums = item_sums(problem, fit.params, weights, None, chosen)
    return assessed(problem, fit, sums, chosen, fit.columns[:, None])


@on_one_blas_thread
def differential_items(fit: RowsFit, table: AnswerTable, *, covariates: Any = None, form: str = "auto") -> ScoreTests:
    """Test of every item for other parameters in other groups: two degrees of freedom per further group.

    The groups' abilities differ in the model (fit with ``row_groups``); all other items are the anchors.

    Raises
    ------
    ValueError
        For a fit without groups.
    """
    if table.groups is None or fit.population.n_groups < 2:
        raise ValueError("differential items need groups of rows; fit with row_groups= first.")
    problem = fit.problem(table, covariates)
    more = fit.population.n_groups - 1
    x = problem.grid.positions
    weights = np.tile(np.stack([np.ones_like(x), x]), (more, 1))
    group_of = 1 + np.repeat(np.arange(more), 2)
    chosen = chosen_form(fit, 3.0 * table.n_rows * fit.grid.size * float(fit.layout.n_items) ** 2, form)
    sums = item_sums(problem, fit.params, weights, group_of, chosen)
    return assessed(problem, fit, sums, chosen, fit.columns[:, None])
