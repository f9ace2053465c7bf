"""The fit for abilities of several dimensions: scoring steps on nodes renewed at each, then guarded L-BFGS rounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray, as_generator
from halfseen.methods.response.rows_answers import NOT_SEEN, ROWS_AT_ONCE, AnswerTable, formulas_of
from halfseen.methods.response.rows_covariance import Covariance, positive_inverse
from halfseen.methods.response.rows_items import ItemLayout
from halfseen.methods.response.rows_kinds import START_SLOPE
from halfseen.methods.response.rows_map import IndexMap
from halfseen.methods.response.rows_optimise import dense_factored
from halfseen.methods.response.rows_options import RowsOptions, index_map
from halfseen.methods.response.rows_own import OwnNodesLikelihood, points_for
from halfseen.methods.response.rows_population import Grid, Population
from halfseen.methods.response.rows_prior import FIRST_VARIANCE, ItemPrior, guessing_prior
from halfseen.methods.response.rows_result import RowsFit, chosen_prior
from halfseen.solvers import LimitedMemory, Run, SweepResult, largest, loop

SCORING_STEPS, LONGEST_SCORING = 12, 0.5
STEPS_A_ROUND, TRUST, MOST_ROUNDS = 4, 0.3, 12
FIRST_MODE_STEPS = 8
# Nodes of a row by the dimension; an own value that lies further above a fresh one exploits the nodes.
SIZES = {2: 64, 3: 128}
MOST_SIZE, EXPLOITED = 1024, 5.0
# A round that gains less ends the fit.
LEAST_GAIN = 0.05
LEAST_UNIQUE = 0.05


def pairwise_loadings(table: AnswerTable, dimensions: int) -> FloatArray:
    """Loadings (p, D) from the eigenvectors of the correlations of pairs of items, answered both."""
    p = table.n_items
    sums = np.zeros((4, p, p))
    for start in range(0, table.n_rows, ROWS_AT_ONCE):
        stop = min(start + ROWS_AT_ONCE, table.n_rows)
        answers = table.dense(start, stop)
        seen = (answers != NOT_SEEN).astype(float)
        y = np.where(seen > 0, answers, 0).astype(float)
        f = np.ones(len(y)) if table.frequency is None else table.frequency[start:stop]
        for place, (left, right) in enumerate(((seen, seen), (y, seen), (y, y), (y**2, seen))):
            sums[place] += (left * f[:, None]).T @ right
    n, a, ab, aa = sums
    n = np.maximum(n, 1.0)
    variance = np.maximum(aa / n - (a / n) ** 2, 1e-6)
    R = (ab / n - (a / n) * (a.T / n)) / np.sqrt(variance * variance.T)
    np.fill_diagonal(R, 1.0)
    values, vectors = np.linalg.eigh(0.5 * (R + R.T))
    return vectors[:, -dimensions:][:, ::-1] * np.sqrt(np.maximum(values[-dimensions:][::-1] - 0.5, 0.1))


def start_slopes(loadings: FloatArray) -> tuple[FloatArray, IntArray]:
    """Slopes, lower triangular on D well-spread items, and these items (by pivoted QR)."""
    from scipy.linalg import qr

    unique = np.maximum(1.0 - np.sum(loadings**2, axis=1, keepdims=True), LEAST_UNIQUE * 6)
    slopes = 1.7 * START_SLOPE * loadings / np.sqrt(unique)
    _, _, order = qr(slopes.T, pivoting=True)
    pivots = np.asarray(order[: slopes.shape[1]])
    Q, _ = np.linalg.qr(slopes[pivots].T)
    turned = slopes @ Q
    sign = np.sign(np.diag(turned[pivots]))
    return turned * np.where(sign == 0, 1.0, sign), pivots


def several_index(layout: ItemLayout, pivots: IntArray, extra: IndexMap) -> IndexMap:
    """The map in which the pivots' slopes are lower triangular: no rotation leaves the likelihood as it is."""
    held = [int(layout.slopes[j, d]) for k, j in enumerate(pivots) for d in range(k + 1, layout.dimensions)]
    free, fixed = extra.free.copy(), extra.fixed.copy()
    free[held], fixed[held] = -1, 0.0
    kept = np.unique(free[free >= 0])
    place = np.full(int(kept.max(initial=-1)) + 1, -1)
    place[kept] = np.arange(len(kept))
    return IndexMap(np.where(free >= 0, place[np.maximum(free, 0)], -1), fixed)


class ScoringStep:
    """One scoring step with the cross-product information, nodes renewed first."""

    def __init__(self, problem: OwnNodesLikelihood) -> None:
        self.problem = problem

    def __call__(self, free: FloatArray) -> SweepResult:
        self.problem = self.problem.renewed(free)
        value, gradient = self.problem.value_and_gradient(free)
        step = -dense_factored(steadied(self.problem, free))(gradient)
        step *= min(1.0, LONGEST_SCORING / max(largest(step), 1e-12))
        return SweepResult(free + step, value, largest(gradient), work=2.0)


def steadied(problem: OwnNodesLikelihood, free: FloatArray) -> FloatArray:
    """The cross-product information; with few rows, its diagonal raised by half."""
    B = problem.cross_product(free)
    if problem.table.n_people < 4 * problem.index.n_free:
        B[np.diag_indices(len(B))] *= 1.5
    return B


class GuardedRound:
    """A few L-BFGS steps at fixed nodes, judged at fresh ones."""

    def __init__(self, problem: OwnNodesLikelihood, rng: np.random.Generator) -> None:
        self.problem, self.rng, self.trust = problem, rng, TRUST
        self.best: tuple[float, FloatArray] | None = None
        self._quiet = 0

    def __call__(self, free: FloatArray) -> SweepResult:
        p = self.problem = self.problem.renewed(free)
        if self.best is None:
            self.best = (self._fresh(free), free)
        inverse = dense_factored(steadied(p, free))
        solver = LimitedMemory(
            p, STEPS_A_ROUND, lambda theta: inverse, refresh=10**9, longest=self.trust, is_scaled=False
        )
        run = loop(solver, free, max_iter=STEPS_A_ROUND)
        fresh = self._fresh(run.params)
        gain = self.best[0] - fresh
        if gain > 0:
            self.best = (fresh, run.params)
        if fresh - run.value > EXPLOITED:
            self.trust *= 0.5
            size = min(2 * p.points.size, MOST_SIZE)
            self.problem = replace(p, points=points_for(len(p.points.t), size, int(self.rng.integers(2**31))))
        self._quiet = self._quiet + 1 if gain < LEAST_GAIN else 0
        reason = "change" if self._quiet >= 2 else None
        return SweepResult(self.best[1], self.best[0], run.gradient_norm, run.work + 2.0, reason)

    def _fresh(self, free: FloatArray) -> float:
        D, S = len(self.problem.points.t), self.problem.points.size
        points = points_for(D, 2 * S, int(self.rng.integers(2**31)))
        return self.problem.renewed(free, points=points).value(free)


def climb_several(
    problem: OwnNodesLikelihood, free: FloatArray, random_state: Any, options: RowsOptions
) -> tuple[OwnNodesLikelihood, Run]:
    """Scoring, then guarded rounds until two on end gain less than .05."""
    rng = as_generator(random_state)
    scoring = ScoringStep(problem.renewed(free, FIRST_MODE_STEPS))
    first = loop(scoring, free, max_iter=SCORING_STEPS)
    rounds = GuardedRound(scoring.problem, rng)
    run = loop(rounds, first.params, max_iter=min(MOST_ROUNDS, options.max_iter), watchers=options.watchers)
    return rounds.problem, replace(run, work=run.work + first.work)


def weak_prior(layout: ItemLayout) -> ItemPrior:
    """Slopes N(0, 1) and other numbers N(0, 2.25): for columns of few answers."""
    precision = np.full(layout.n_params, 1.0 / FIRST_VARIANCE)
    precision[layout.slopes.ravel()] = 1.0
    return ItemPrior(np.zeros(layout.n_params), precision)


def several_problem(fit: RowsFit, table: AnswerTable, size: int | None = None) -> OwnNodesLikelihood:
    """The likelihood of some answers at nodes around their rows' modes."""
    D = fit.layout.dimensions
    points = points_for(D, size or 2 * SIZES.get(D, 128), 1)
    n = table.n_rows
    start = OwnNodesLikelihood(
        table, fit.layout, fit.index, fit.prior, points, np.zeros((n, D)), np.broadcast_to(np.eye(D), (n, D, D))
    )
    return start.renewed(fit.free, FIRST_MODE_STEPS)


def fit_several(table: AnswerTable, kinds: list[str], dimensions: int, options: RowsOptions) -> RowsFit:
    """:func:`fit_rows` for abilities of several dimensions, :math:`N(0, I)`, unrotated.

    Raises
    ------
    ValueError
        For 3pl and gpcm items, and for fewer items than two per dimension.
    """
    own_kinds = [kinds[j] for j in table.columns]
    formulas = formulas_of(own_kinds, table.classes)
    bad = next((j for j, f in enumerate(formulas) if f not in ("2pl", "grm")), None)
    if bad is not None:
        raise ValueError(
            f"column {int(table.columns[bad])} is a {formulas[bad]} item; with dimensions={dimensions} use 2pl or grm."
        )
    if table.n_items < 2 * dimensions + 1:
        raise ValueError(f"{table.n_items} items cannot tell {dimensions} dimensions apart; needed: at least 2 each.")
    layout = ItemLayout(formulas, table.classes, dimensions)
    slopes, pivots = start_slopes(pairwise_loadings(table, dimensions))
    population = Population()
    index = several_index(layout, pivots, index_map(layout, table, own_kinds, population, options))
    shares = [(c + 0.5) / (c + 0.5).sum() for c in table.class_counts]
    start = np.concatenate([layout.start(shares, 0.0), np.zeros(population.n_params)])
    start[layout.slopes] = slopes
    prior_kind = "weak" if chosen_prior(table, options.item_prior) == "empirical" else "none"
    prior = weak_prior(layout) if prior_kind == "weak" else guessing_prior(layout, layout.n_params)
    n, D = table.n_rows, dimensions
    rng = as_generator(options.random_state)
    points = points_for(D, options.nodes or SIZES.get(D, 128), int(rng.integers(2**31)))
    problem = OwnNodesLikelihood(
        table, layout, index, prior, points, np.zeros((n, D)), np.broadcast_to(np.eye(D), (n, D, D)), options.engine,
    )  # fmt: skip
    problem, run = climb_several(problem, index.pick(start), rng, options)
    free = upright(layout, index, run.params)
    size = min(4 * problem.points.size, 2 * MOST_SIZE)
    last = problem.renewed(free, FIRST_MODE_STEPS, points_for(D, size, int(rng.integers(2**31))))
    full = index.full(free)
    value = -last.value(free) - prior.value(full[: layout.n_params])
    warnings = () if run.converged else (f"the likelihood still rose after {run.n_iter} rounds ({run.reason}).",)
    return RowsFit(
        layout, tuple(own_kinds), table.columns, dict(table.flags or {}), table.categories, full, index, free,
        Covariance("cross", positive_inverse(last.cross_product(free))), population, np.zeros(0), Grid(-6.0, 6.0, 48),
        prior, prior_kind, value, table.n_people, table.n_answers, float("nan"), run.record(), table.shape,
        table.notes, warnings,
    )  # fmt: skip


def upright(layout: ItemLayout, index: IndexMap, free: FloatArray) -> FloatArray:
    """Each dimension pointing where its slopes sum to more than 0."""
    full = index.full(free)
    for d in range(layout.dimensions):
        at = layout.slopes[:, d]
        is_held = (index.free[at] < 0) & (index.fixed[at] != 0)
        if full[at].sum() < 0 and not is_held.any():
            full[at] *= -1.0
    return index.pick(full)
