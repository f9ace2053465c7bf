"""Fit of a whole model on complete tables: limited-information statistics, item fit by summed scores, comparisons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from halfseen._typing import FloatArray
from halfseen.engines.blas import on_one_blas_thread
from halfseen.inference.multiple import benjamini_hochberg
from halfseen.methods.response.rows_answers import ROWS_AT_ONCE, AnswerTable
from halfseen.methods.response.rows_own import MOST_PRODUCT, points_for
from halfseen.methods.response.rows_result import RowsFit

RMSEA_LEVEL = 0.9
LEAST_EXPECTED = 1.0
# Nodes that all rows share, by the dimension: 31 or 15 an axis, beyond 3 dimensions Sobol points.
COMMON_NODES = {2: 31**2, 3: 15**3, 4: 4096}


@dataclass(frozen=True)
class LimitedFit:
    """Fit of the first- and second-order margins.

    Attributes
    ----------
    name : {"M2", "C2"}
        C2 where an item has more than 2 classes: all first-order margins, and means of products.
    statistic, p_value : float
    degrees : int
    rmsea, rmsea_low, rmsea_high : float
        Misfit per degree of freedom, with its 90 % interval.
    srmr : float
        Root mean squared difference of observed and expected correlations.
    """

    name: str
    statistic: float
    degrees: int
    p_value: float
    rmsea: float
    rmsea_low: float
    rmsea_high: float
    srmr: float


def complete_only(fit: RowsFit, table: AnswerTable, what: str) -> None:
    """Refuse tables with missing answers and populations of several groups."""
    if not table.is_complete:
        raise ValueError(
            f"{what} needs a complete table, and answers are missing here; the score tests (local dependence, item "
            "shape) take any pattern of missing answers."
        )
    if fit.population.n_groups > 1 or fit.population.n_covariates:
        raise ValueError(f"{what} is for one population without covariates.")


@on_one_blas_thread
def limited_fit(fit: RowsFit, table: AnswerTable) -> LimitedFit:
    r"""M2 (yes/no items) or C2 on a complete table, with RMSEA and SRMR.

    .. math::

        M_2 = n\, e^\top \big(\Xi^{-1} - \Xi^{-1}\Delta(\Delta^\top\Xi^{-1}\Delta)^{-1}\Delta^\top\Xi^{-1}\big) e

    for the residuals ``e`` of the margins, their covariance :math:`\Xi` and derivatives :math:`\Delta`.

    Raises
    ------
    ValueError
        With missing answers, several groups or covariates, or no degrees of freedom.

    Notes
    -----
    O(nodes (p^2/2)^2 p) time. Sources: Maydeu-Olivares and Joe (2006); Cai and Monroe (2014).
    """
    complete_only(fit, table, "M2")
    expected, covariance, derivative = model_margins(fit)
    degrees = len(expected) - fit.n_free
    if degrees < 1:
        raise ValueError(f"M2 has no degrees of freedom: {len(expected)} margins and {fit.n_free} free numbers.")
    observed, correlations = sample_margins(fit, table)
    e = observed - expected
    # C = Xi^-1 - ...; with Xi = L L', the projection off the columns of L^-1 Delta
    values, vectors = np.linalg.eigh(covariance)
    keep = values > 1e-12 * values[-1]
    whiten = (vectors[:, keep] / np.sqrt(values[keep])).T
    z, D = whiten @ e, whiten @ derivative
    z = z - D @ np.linalg.lstsq(D, z, rcond=None)[0]
    statistic = table.n_people * float(z @ z)
    low, high = noncentral_interval(statistic, degrees)
    scale = table.n_people * degrees
    gap = correlations - model_correlations(fit)
    return LimitedFit(
        "M2" if (fit.layout.classes == 2).all() else "C2", statistic, degrees, float(chdtrc(degrees, statistic)),
        float(np.sqrt(max(statistic - degrees, 0.0) / scale)), float(np.sqrt(low / scale)),
        float(np.sqrt(high / scale)), float(np.sqrt(np.mean(gap[np.triu_indices(len(gap), 1)] ** 2))),
    )  # fmt: skip


def noncentral_interval(statistic: float, degrees: int) -> tuple[float, float]:
    """Noncentralities whose upper and lower 5 % point the statistic is."""
    from scipy.special import chndtrinc

    out = []
    for share in (0.5 + 0.5 * RMSEA_LEVEL, 0.5 - 0.5 * RMSEA_LEVEL):
        inside = 1.0 - float(chdtrc(degrees, statistic)) > share
        out.append(float(chndtrinc(statistic, degrees, share)) if inside else 0.0)
    return out[0], out[1]


@dataclass(frozen=True)
class NodeMoments:
    """Chances and their derivatives at the population's nodes."""

    weights: FloatArray  # (G,)
    first: FloatArray  # (m, G): chance of each class but the lowest
    score_of: FloatArray  # (p, m): class numbers, so that score_of @ first is the expected answer
    second: FloatArray  # (p, G): expected square
    slopes: list[FloatArray]  # per item, (K - 1, q, G)
    tables: list[FloatArray]  # per item, (K, G): chances of all classes


def node_moments(fit: RowsFit) -> NodeMoments:
    """Of the reference population."""
    layout = fit.layout
    if layout.dimensions == 1:
        nodes, weights = fit.grid.nodes, np.exp(fit.population.log_weights(fit.population_params, fit.grid)[0])
    else:
        points = points_for(layout.dimensions, COMMON_NODES[min(layout.dimensions, MOST_PRODUCT + 1)], 1)
        nodes, weights = points.t.T, np.exp(points.shares)
    log, derivatives = layout.derivatives(fit.item_params, nodes)
    chance = np.exp(log)
    first, slopes = [], []
    score_of = np.zeros((layout.n_items, int((layout.classes - 1).sum())))
    second = np.zeros((layout.n_items, len(nodes)))
    tables = {}
    for family in layout.families:
        for place, j in enumerate(family.items):
            tables[int(j)] = chance[family.lines[place]][:, None] * derivatives[family.derivatives[place]]
    at = 0
    for j in range(layout.n_items):
        lines = slice(int(layout.first_line[j]) + 1, int(layout.first_line[j] + layout.classes[j]))
        k = np.arange(1, layout.classes[j])
        first.append(chance[lines])
        score_of[j, at : at + len(k)] = k
        second[j] = k**2 @ chance[lines]
        slopes.append(tables[j][1:])
        at += len(k)
    own = [chance[a : a + K] for a, K in zip(layout.first_line, layout.classes, strict=True)]
    return NodeMoments(weights / weights.sum(), np.concatenate(first), score_of, second, slopes, own)


def model_margins(fit: RowsFit) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Expected margins (s,), their covariance for one row (s, s), and derivatives (s, n_free)."""
    layout, known = fit.layout, node_moments(fit)
    p, (j, k) = layout.n_items, np.triu_indices(layout.n_items, 1)
    m, s = len(known.first), len(known.first) + len(j)
    item_of = np.repeat(np.arange(p), layout.classes - 1)
    mean, outer, derivative = np.zeros(s), np.zeros((s, s)), np.zeros((s, len(fit.params)))
    for g, w in enumerate(known.weights):
        chance = known.first[:, g]
        score = known.score_of @ chance
        variance = known.second[:, g] - score**2
        here = np.concatenate([chance, score[j] * score[k]])
        # y_j y_k = mu_j mu_k + mu_k e_j + mu_j e_k + e_j e_k, and e_j is a sum of the residuals of its classes
        B = np.zeros((s, m))
        B[:m] = np.eye(m)
        B[m:] = known.score_of[j] * score[k][:, None] + known.score_of[k] * score[j][:, None]
        noise = np.diag(chance) - np.outer(chance, chance) * (item_of[:, None] == item_of[None, :])
        outer += w * (B @ noise @ B.T + np.outer(here, here))
        outer[np.arange(m, s), np.arange(m, s)] += w * variance[j] * variance[k]
        mean += w * here
        first = np.zeros((m, len(fit.params)))
        at = 0
        for i, slope in enumerate(known.slopes):
            own = slice(int(layout.first_param[i]), int(layout.first_param[i] + layout.sizes[i]))
            first[at : at + len(slope), own] = slope[:, :, g]
            at += len(slope)
        derivative += w * (B @ first)
    return mean, outer - np.outer(mean, mean), np.asarray((fit.index.matrix.T @ derivative.T).T)


def model_correlations(fit: RowsFit) -> FloatArray:
    """Correlations (p, p) of the answers that the model expects."""
    known = node_moments(fit)
    score = known.score_of @ known.first
    mean = score @ known.weights
    out = (score * known.weights) @ score.T
    np.fill_diagonal(out, known.second @ known.weights)
    out -= np.outer(mean, mean)
    sd = np.sqrt(np.diag(out))
    return np.asarray(out / np.outer(sd, sd))


def sample_margins(fit: RowsFit, table: AnswerTable) -> tuple[FloatArray, FloatArray]:
    """Observed margins (s,), and correlations (p, p) of the answers."""
    p, (j, k) = table.n_items, np.triu_indices(table.n_items, 1)
    products, mean = np.zeros((p, p)), np.zeros(p)
    for start in range(0, table.n_rows, ROWS_AT_ONCE):
        stop = min(start + ROWS_AT_ONCE, table.n_rows)
        y = table.dense(start, stop).astype(float)
        f = np.ones(len(y)) if table.frequency is None else table.frequency[start:stop]
        products += (y * f[:, None]).T @ y
        mean += f @ y
    n = table.n_people
    products, mean = products / n, mean / n
    first = np.concatenate([c[1:] / n for c in table.class_counts])
    covariance = products - np.outer(mean, mean)
    sd = np.sqrt(np.diag(covariance))
    return np.concatenate([first, products[j, k]]), covariance / np.outer(sd, sd)


@dataclass(frozen=True)
class SummedScoreFit:
    """S-X2 of every item.

    Attributes
    ----------
    statistic, p_value, q_value : ndarray (p,)
    degrees : int ndarray (p,)
    """

    statistic: FloatArray
    degrees: FloatArray
    p_value: FloatArray
    q_value: FloatArray


def score_distribution(tables: list[FloatArray]) -> FloatArray:
    """Chance (scores, G) of each summed score of independent items with class chances (K, G); Lord and Wingersky."""
    out = np.ones((1, tables[0].shape[1]))
    for chance in tables:
        wider = np.zeros((len(out) + len(chance) - 1, out.shape[1]))
        for k, own in enumerate(chance):
            wider[k : k + len(out)] += own * out
        out = wider
    return out


def summed_score_fit(fit: RowsFit, table: AnswerTable) -> SummedScoreFit:
    """Item fit on a complete table: answers of rows with the same summed score, against their expectation.

    Neighbouring scores are joined until every expected count is at least 1. Degrees of freedom: free cells less the
    item's free numbers. Sources: Orlando and Thissen (2000); Kang and Chen (2008).

    Raises
    ------
    ValueError
        With missing answers, several groups or covariates.
    """
    complete_only(fit, table, "S-X2")
    layout, known = fit.layout, node_moments(fit)
    tables = known.tables
    total = score_distribution(tables) @ known.weights
    counts = observed_by_score(table, len(total))
    statistic, degrees = np.empty(layout.n_items), np.empty(layout.n_items)
    for j in range(layout.n_items):
        rest = score_distribution(tables[:j] + tables[j + 1 :])
        expected = np.zeros((len(total), layout.classes[j]))
        for k in range(layout.classes[j]):
            expected[k : k + len(rest), k] = (rest * tables[j][k]) @ known.weights
        people = counts[j].sum(axis=1)
        expected *= (people / np.maximum(total, 1e-300))[:, None]
        statistic[j], cells = joined_statistic(counts[j], expected)
        own = slice(int(layout.first_param[j]), int(layout.first_param[j] + layout.sizes[j]))
        degrees[j] = cells - int((fit.index.free[own] >= 0).sum())
    with np.errstate(invalid="ignore"):
        p = np.where(degrees > 0, chdtrc(np.maximum(degrees, 1), statistic), np.nan)
    return SummedScoreFit(statistic, degrees, p, benjamini_hochberg(p))


def observed_by_score(table: AnswerTable, n_scores: int) -> list[FloatArray]:
    """Per item, counts (scores, K) of the rows' answers by their summed score."""
    out: list[FloatArray] = [np.zeros((n_scores, int(c))) for c in table.classes]
    for start in range(0, table.n_rows, ROWS_AT_ONCE):
        stop = min(start + ROWS_AT_ONCE, table.n_rows)
        y = table.dense(start, stop).astype(np.int64)
        f = np.ones(len(y)) if table.frequency is None else table.frequency[start:stop]
        score = y.sum(axis=1)
        for j, own in enumerate(out):
            np.add.at(own, (score, y[:, j]), f)
    return out


def joined_statistic(counts: FloatArray, expected: FloatArray) -> tuple[float, int]:
    """Pearson's statistic over the scores that say something, small cells joined; and the free cells."""
    # at the lowest and the highest score an answer is certain; impossible cells do not count
    inner = slice(1, len(counts) - 1)
    groups: list[tuple[FloatArray, FloatArray]] = []
    held_o, held_e = np.zeros(counts.shape[1]), np.zeros(counts.shape[1])
    for o, e in zip(counts[inner], expected[inner], strict=True):
        held_o, held_e = held_o + o, held_e + e
        if held_e[held_e > 0].min(initial=np.inf) >= LEAST_EXPECTED and held_e.sum() > 0:
            groups.append((held_o, held_e))
            held_o, held_e = np.zeros_like(held_o), np.zeros_like(held_e)
    if groups and held_e.sum() > 0:
        groups[-1] = (groups[-1][0] + held_o, groups[-1][1] + held_e)
    statistic, cells = 0.0, 0
    for o, e in groups:
        own = e > 0
        statistic += float(np.sum((o[own] - e[own]) ** 2 / e[own]))
        cells += int(own.sum()) - 1
    return statistic, cells


@dataclass(frozen=True)
class NestedComparison:
    """Two nested models of the same answers.

    Attributes
    ----------
    statistic, p_value : float
        Twice the gain of log-likelihood.
    degrees : int
    aic, bic : (float, float)
        Of the smaller and the larger model.
    """

    statistic: float
    degrees: int
    p_value: float
    aic: tuple[float, float]
    bic: tuple[float, float]


def compare_fits(first: RowsFit, second: RowsFit) -> NestedComparison:
    """Likelihood-ratio test and information criteria of two fits to the same answers, the smaller nested in the other.

    Raises
    ------
    ValueError
        For fits to different answers, or with the same number of free numbers.
    """
    if first.n_answers != second.n_answers or first.n_people != second.n_people:
        raise ValueError("the two fits are to different answers; a likelihood ratio compares fits to the same ones.")
    small, large = sorted((first, second), key=lambda fit: fit.n_free)
    degrees = large.n_free - small.n_free
    if degrees == 0:
        raise ValueError(f"both fits have {small.n_free} free numbers: neither is nested in the other; see aic, bic.")
    statistic = 2.0 * (large.log_likelihood - small.log_likelihood)
    p = float(chdtrc(degrees, max(statistic, 0.0)))
    return NestedComparison(statistic, degrees, p, (small.aic, large.aic), (small.bic, large.bic))
