"""VarianceRounds of the random-column fit: abilities and loadings, then the abilities' variance and the dispersion."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import logit

from halfseen._typing import FloatArray
from halfseen.data.storable import storable
from halfseen.methods.response.curvature import ScoreSums, hessian, score_sums
from halfseen.methods.response.leaveout import deviances, dispersion, left_out, left_out_chances, with_slopes
from halfseen.methods.response.likelihood import MarginalLikelihood, Point
from halfseen.methods.response.nodes import Loadings, choose_nodes
from halfseen.methods.response.table import SeenAnswers
from halfseen.solvers import GradientNorm, LimitedMemory, Run, SweepResult, loop

MAX_ROUNDS = 12
# A round that moves the logarithms of the variance and of the dispersion by less changes no interval visibly.
ROUND_TOL = 0.01
# The abilities' variance stays above this: tables of pure noise would shrink it to nothing.
LEAST_VARIANCE = 1e-4
START = Loadings(0.0, 1.5, 0.0, 0.3)
# Of more columns than this, the rounds begin with a part of them: n + 4 numbers are near their end before all columns
# are looked at once. A part has an eighth of the columns, or this many.
MANY_COLUMNS, PART, PART_TOL, LEAST_SLOPE = 4096, 8, 300.0, 0.05


@dataclass(frozen=True)
class State:
    """What the rounds move, and what they found on the way."""

    at: Point
    prior_variance: float
    dispersion: float
    problem: MarginalLikelihood | None = None
    hessian: FloatArray | None = None


@dataclass(frozen=True)
class RandomFit:
    """A converged fit.

    Attributes
    ----------
    at : Point
    problem : MarginalLikelihood
        With the weights, nodes and variance of the last round.
    hessian : ndarray (n + k, n + k)
    chances : ndarray (n_entries,)
        Left-out chance of success of every seen cell.
    dispersion : float
    run : Run
    slopes : tuple of two ndarray (n_entries,), or None
        Of columns with slopes of their own: these, and derivatives of the chances by the ability, both left out.
    """

    at: Point
    problem: MarginalLikelihood
    hessian: FloatArray
    chances: FloatArray
    dispersion: float
    run: Run
    slopes: tuple[FloatArray, FloatArray] | None = None

    def score_sums(self) -> tuple[ScoreSums, ScoreSums]:
        """Over unseen cells, and over all."""
        return score_sums(self.problem, self.at)

    @property
    def deviance(self) -> FloatArray:
        """Left-out deviance of every seen cell."""
        return deviances(self.problem.table.shares, self.chances)


@storable
@dataclass(frozen=True)
class KindChoice:
    """Left-out deviance per answer of the two kinds of columns, and the kind kept.

    Attributes
    ----------
    chosen : {"rasch", "2pl"}
        "2pl" where its deviance is lower by more than a standard error of the difference.
    deviance : dict
        Mean left-out deviance of both.
    gain, gain_se : float
        By how much that of 2pl is lower, and the standard error (paired, clustered by column).
    """

    chosen: str
    deviance: dict[str, float]
    gain: float
    gain_se: float


def start_of(table: SeenAnswers, is_sloped: bool) -> Point:
    """Abilities from the shares of right answers, shrunk towards the middle."""
    n = table.shape[0]
    right, asked = np.bincount(table.rows, table.successes, n), np.bincount(table.rows, table.weights, n)
    middle = float(table.successes.sum() / table.weights.sum())
    middle = float(np.clip(middle, 0.01, 0.99))
    level = logit((right + 4.0 * middle) / (asked + 4.0))
    return Point(level - level.mean(), replace(START, mean=float(logit(middle)) * 1.3), is_sloped)


class VarianceRounds:
    """One round as a sweep: L-BFGS at fixed nodes, then the abilities' variance and the dispersion in closed form."""

    def __init__(
        self, table: SeenAnswers, is_sloped: bool, has_dispersion: bool, tol: float, max_iter: int, watch: Any = None
    ) -> None:
        self.table, self.is_sloped, self.has_dispersion = table, is_sloped, has_dispersion
        self.tol, self.max_iter = tol, max_iter
        self.watchers = () if watch is None else (watch,)
        self.inner: Run | None = None
        self._hessian: FloatArray | None = None

    def __call__(self, state: State) -> SweepResult:
        table = self.table.scaled(1.0 / state.dispersion)
        nodes = choose_nodes(table, state.at.x, state.at.loadings, self.is_sloped)
        problem = MarginalLikelihood(table, nodes, self.is_sloped, state.prior_variance)
        H = hessian(problem, state.at) if state.hessian is None else state.hessian
        precondition = inverse_of(H)
        solver = LimitedMemory(problem, memory=30, precondition=lambda theta: precondition, refresh=10**9)
        scale = float(np.sqrt(table.weights.sum()))
        self.inner = loop(
            solver, state.at.theta, [GradientNorm(self.tol * scale)], max_iter=self.max_iter, watchers=self.watchers
        )
        at = Point.of(self.inner.params, self.is_sloped)
        H = hessian(problem, at)
        v = np.diag(covariance_of(H))[: len(at.x)]
        variance = max(float(np.mean(at.x**2 + v)), LEAST_VARIANCE)
        phi = state.dispersion
        if self.has_dispersion:
            phi = dispersion(table.shares, left_out_chances(problem, at), self.table.weights, len(at.theta))
        moved = max(abs(np.log(variance / state.prior_variance)), abs(np.log(phi / state.dispersion)))
        return SweepResult(State(at, variance, phi, problem, H), self.inner.value, moved, self.inner.work)


def inverse_of(H: FloatArray) -> Any:
    """Solves with a Hessian, made positive definite where it is not."""
    values, vectors = np.linalg.eigh(H)
    values = np.maximum(np.abs(values), 1e-6 * np.abs(values).max())
    factor = cho_factor((vectors * values) @ vectors.T)
    return lambda v: cho_solve(factor, v)


def covariance_of(H: FloatArray) -> FloatArray:
    """Inverse of the Hessian; directions without curvature keep the little they have."""
    values, vectors = np.linalg.eigh(H)
    values = np.maximum(values, 1e-8 * values.max())
    return np.asarray((vectors / values) @ vectors.T)


def fit_random(
    table: SeenAnswers, is_sloped: bool, has_dispersion: bool, tol: float, max_iter: int = 200, watch: Any = None
) -> RandomFit:
    """Abilities, loadings, their prior's variance and the dispersion.

    Notes
    -----
    Some 10 gradients per round and one Hessian; two to six rounds. Of very many columns a part comes first, and all of
    them take some 5 gradients and one or two Hessians.
    """
    start = State(start_of(table, is_sloped), 1.0, 1.0)
    many = max(MANY_COLUMNS, table.shape[1] // PART)
    if table.shape[1] >= 2 * many:
        start = begun_on_part(table, many, start, (is_sloped, has_dispersion, tol, max_iter, watch))
    rounds = VarianceRounds(table, is_sloped, has_dispersion, tol, max_iter, watch)
    # the "gradient norm" is the relative change of the variance and of the dispersion
    outer = loop(rounds, start, [GradientNorm(ROUND_TOL)], max_iter=MAX_ROUNDS)
    state, inner = outer.params, rounds.inner
    assert inner is not None
    assert state.problem is not None
    assert state.hessian is not None
    chances, *slopes = left_out(
        state.problem, state.at, with_slopes if is_sloped else lambda posterior: (posterior.mean,)
    )
    chances = np.clip(chances, 1e-9, 1.0 - 1e-9)
    return RandomFit(
        state.at, state.problem, state.hessian, chances, state.dispersion, inner.record(), tuple(slopes) or None
    )


def begun_on_part(table: SeenAnswers, many: int, start: State, settings: tuple[Any, ...]) -> State:
    """Where rounds on a part of the columns end, with the Hessian scaled up to all."""
    chosen = np.random.default_rng(0).choice(table.shape[1], many, replace=False)
    part = table.columns(np.sort(chosen))
    is_sloped, has_dispersion, tol, max_iter, watch = settings
    # a part is a standard error of its own away from all: its last digits would be thrown away
    rounds = VarianceRounds(part, is_sloped, has_dispersion, PART_TOL * tol, max_iter, watch)
    state: State = loop(rounds, start, [GradientNorm(ROUND_TOL)], max_iter=MAX_ROUNDS).params
    assert state.problem is not None
    assert state.hessian is not None
    prior = np.diag(state.problem.prior_precision())
    H: FloatArray | None = prior + (state.hessian - prior) * (table.shape[1] / many)
    at = state.at
    # the gradient is 0 at equal slopes by symmetry: all columns would stay where a part saw no difference
    if is_sloped and abs(at.loadings.slope) < LEAST_SLOPE:
        at, H = replace(at, loadings=replace(at.loadings, slope=START.slope)), None
    return replace(state, at=at, problem=None, hessian=H)


def choose_kind(fits: dict[str, RandomFit], n_cols: int) -> KindChoice:
    """2pl where it predicts left-out answers better by more than a standard error, else rasch."""
    rasch, sloped = fits["rasch"], fits["2pl"]
    cols = rasch.problem.table.cols
    difference = rasch.deviance - sloped.deviance
    gain = float(difference.mean())
    by_column = np.bincount(cols, difference - gain, n_cols)
    se = float(np.sqrt(np.sum(by_column**2))) / len(difference)
    means = {name: float(fit.deviance.mean()) for name, fit in fits.items()}
    return KindChoice("2pl" if gain > se else "rasch", means, gain, se)
