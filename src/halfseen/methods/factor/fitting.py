"""From observed entries to factors: the three stages, and the choice of the penalty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.engines import EntryPasses
from halfseen.linalg import balance
from halfseen.losses import Loss, has_columns, is_estimated
from halfseen.methods.factor.factors import FactorPoint
from halfseen.methods.factor.firth import FirthSweep
from halfseen.methods.factor.identification import to_gauge
from halfseen.methods.factor.priors import intercept_spread, narrowest
from halfseen.methods.factor.problem import FactorPenalty, FactorProblem, degrees_of_freedom
from halfseen.methods.factor.refine import FEW_STEPS, INNER_STEPS, one_step
from halfseen.methods.factor.settings import GRADIENT_SOLVERS, most_sweeps
from halfseen.methods.factor.shapes import ShapeSweep
from halfseen.methods.factor.start import LinearStart, linear_start, null_intercept, shortened, spectral_start
from halfseen.solvers import (
    AcceleratedGradient,
    AlternatingNewton,
    GradientDescent,
    GradientNorm,
    NewtonCG,
    Run,
    Stop,
    Sweep,
    SweepResult,
    largest_curvature,
    loop,
)
from halfseen.solvers.watch import FitWatch

Array = NDArray[Any]

# Cells up to which "auto" evaluates the double SVD: five evaluations of the inverse link take a few seconds there.
MAX_CELLS = 2e7
# Largest empirical-Bayes ridge (times the dispersion): beyond it the factors vanish and their prior with them.
RIDGE_CAP = 6.0
# A row whose factors alone move the linear predictor of a logit or log link this far is on its way to infinity.
SEPARATION_BOUND = 30.0
# Factors shorter than this share of the refined start's are no start for another fit.
VANISHED = 0.1
# Sweeps of a fit that is only compared with others: a good one is done by then, a diverging one stays bad.
ROUGH_SWEEPS = 30


class Separation:
    """Stops a descent whose rows or columns run away: the likelihood then has no maximum to go to."""

    def __init__(self, problem: FactorProblem) -> None:
        self.problem = problem

    def __call__(self, iteration: int, result: SweepResult) -> str | None:
        at = self.problem.unpack(result.params)
        rows, cols = np.linalg.norm(at.rows, axis=1), np.linalg.norm(at.cols, axis=1)
        reach = max(
            rows.max(initial=0.0) * np.sqrt(np.mean(cols**2)), cols.max(initial=0.0) * np.sqrt(np.mean(rows**2))
        )
        return "separated" if reach > SEPARATION_BOUND else None


class Settled:
    """Stops a descent when a question about its point has been answered."""

    def __init__(self, problem: FactorProblem, sweep: Sweep, ask: Callable[[FactorPoint, Loss], bool]) -> None:
        self.problem, self.sweep, self.ask = problem, sweep, ask

    def __call__(self, iteration: int, result: SweepResult) -> str | None:
        answered = self.ask(self.problem.unpack(result.params), loss_of(self.sweep, self.problem))
        return "held_out" if answered else None


def loss_of(sweep: Sweep, problem: FactorProblem) -> Loss:
    """The loss with what a sweep has learned of it."""
    return sweep.loss if isinstance(sweep, ShapeSweep) else problem.passes.loss


@dataclass(frozen=True)
class FitPlan:
    """One way to fit: which penalty, with or without bias correction."""

    penalty: FactorPenalty
    has_firth: bool = False


@dataclass(frozen=True)
class StagedFit:
    """What the three stages leave: factors as the solver has them (no gauge), and the last stage's run.

    ``loss`` has the parameters per column that belong to ``final``.
    """

    spectral: FactorPoint
    one_step: FactorPoint
    final: FactorPoint
    run: Run
    plan: FitPlan
    loss: Loss


@dataclass
class Stages:
    """The three stages on one set of entries, each computed once.

    Parameters
    ----------
    passes : EntryPasses
    rank : int
    settings : SimpleNamespace
    rng : numpy.random.Generator
    like : Stages, optional
        Of all entries, where ``passes`` are over most of them: its spectral starts are taken over, and only refined.
    """

    passes: EntryPasses
    rank: int
    settings: SimpleNamespace
    rng: np.random.Generator
    like: Stages | None = None
    starts: list[FactorPoint] = field(init=False)
    linear: LinearStart = field(init=False)
    spectral: FactorPoint = field(init=False)
    refined: FactorPoint = field(init=False)
    dispersion: float = field(init=False)

    def __post_init__(self) -> None:
        loss = self.passes.loss
        if self.like is None:
            self.linear = linear_start(self.passes, self.rank, self.settings, self.rng)
            self.starts = self._starts()
        else:
            # intercepts, which are judged by themselves, know the entries of these passes alone
            own = replace(self.like.linear.factors, intercept=null_intercept(self.passes))
            self.linear, self.starts = replace(self.like.linear, factors=own), self.like.starts
        self.dispersion = self.linear.dispersion
        ridge = self.settings.one_step_penalty
        if ridge is None:
            ridge = 0.5 * self.empirical_ridge()
            ridge = ridge if loss.has_dispersion else float(np.clip(ridge, 0.5, 1.0))
        small = FactorPenalty(ridge=ridge, centre=self.centre())
        best = np.inf
        steps = INNER_STEPS if self.settings.solver in GRADIENT_SOLVERS else FEW_STEPS
        for start in self.starts:
            refined = one_step(self.passes, start, small, self.settings.trim, steps)
            value = self.passes.value(refined.rows, refined.cols, col_offset=refined.intercept)
            if value < best or not np.isfinite(best):
                self.spectral, self.refined, best = start, refined, value
        if loss.has_dispersion:
            self.dispersion = self._refined_dispersion(FactorProblem(self.passes, self.rank, small), best)

    def _refined_dispersion(self, problem: FactorProblem, value: float) -> float:
        """Residual variance after the one-step, its effective degrees of freedom taken off."""
        spent = degrees_of_freedom(problem, self.refined)
        dispersion = 2.0 * value / max(self.passes.observed.n_entries - spent, 1.0)
        # data that fit exactly would give a prior of no width
        return max(dispersion, 1e-6 * self.linear.dispersion, float(np.finfo(self.passes.dtype).tiny))

    def _starts(self) -> list[FactorPoint]:
        settings, (n, p) = self.settings, self.passes.shape
        starts = [] if settings.start == "spectral" else [self.linear.factors]
        is_known = self.passes.offset is None and not has_columns(self.passes.loss)
        is_affordable = n * p <= MAX_CELLS and is_known
        if self.rank and (settings.start == "spectral" or (settings.start == "auto" and is_affordable)):
            starts.insert(0, spectral_start(self.passes, self.rank, settings, self.rng))
        # beside the other start a useless one does no harm
        return starts if len(starts) > 1 or settings.start == "spectral" else [shortened(self.passes, starts[0])]

    def centre(self) -> float:
        """Mean intercept of the model without factors."""
        return float(np.mean(self.linear.factors.intercept))

    def empirical_ridge(self) -> float:
        r"""Empirical-Bayes ridge :math:`\phi\,\mathrm{mean}_k\sqrt{np}/\sigma_k` of the linearised start, capped.

        With :math:`x_{ik}, y_{jk} \sim N(0, \tau_k^2)` the factor part has singular values
        :math:`\sigma_k \approx \sqrt{np}\,\tau_k^2`, so the prior precision :math:`1/\tau_k^2` is
        :math:`\sqrt{np}/\sigma_k`.
        """
        if not self.rank:
            return 0.0
        n, p = self.passes.shape
        scale = self.dispersion
        ridge = float(np.mean(np.sqrt(n * p) / np.maximum(self.linear.singular_values, 1e-300)))
        return scale * (min(ridge, RIDGE_CAP) if not self.passes.loss.has_dispersion else ridge)

    def map_penalty(self) -> FactorPenalty:
        """Empirical-Bayes prior: one ridge for both factors, a normal prior for the intercepts."""
        spread = max(self.intercept_spread(), narrowest(self.passes.loss.has_dispersion, self.dispersion))
        return FactorPenalty(self.empirical_ridge(), self.dispersion / spread, self.centre())

    def intercept_spread(self) -> float:
        """Variance of the true intercepts about their mean."""
        zeta, passes = self.linear.factors.intercept, self.passes
        counts = np.asarray(passes.observed.by_rows.minor_sums(), dtype=float)
        information = passes.information(1, zeta[:, None], np.ones((passes.shape[0], 1)))[:, 0, 0]
        return intercept_spread(zeta, counts, information, self.null_dispersion())

    def null_dispersion(self) -> float:
        """Residual variance beside intercepts alone; 1 for families without a dispersion."""
        if not self.passes.loss.has_dispersion:
            return 1.0
        (n, p), zeta = self.passes.shape, self.linear.factors.intercept
        value = self.passes.value(np.zeros((n, 0)), np.zeros((p, 0)), col_offset=zeta)
        return 2.0 * value / max(self.passes.observed.n_entries - p, 1)

    def learned(self, theta: Array) -> dict[str, Any]:
        """The attributes a model would have at these parameters, for callbacks that score during the fit."""
        at = to_gauge(FactorProblem(self.passes, self.rank, FactorPenalty()).unpack(theta), self.settings.rho)
        return {"intercept_": at.intercept, "row_factors_": at.rows, "col_factors_": at.cols}

    def descend(
        self,
        plan: FitPlan,
        start: StagedFit | None = None,
        watch: FitWatch | None = None,
        slack: float = 1.0,
        is_settled: Callable[[FactorPoint, Loss], bool] | None = None,
    ) -> StagedFit:
        """The last stage, from the refined start or from where another fit ended (but not from a saddle point).

        ``slack`` multiplies the tolerance: fits that are only compared need fewer digits. ``is_settled``, asked after
        every sweep, ends such a fit for the reason "held_out".
        """
        passes = self.passes if start is None or start.loss is self.passes.loss else self.passes.with_loss(start.loss)
        problem = FactorProblem(passes, self.rank, self._with_orthogonality(plan.penalty))
        theta = problem.pack(self.refined if start is None or self._has_vanished(start.final) else start.final)
        sweep = self._sweep(problem, theta, plan)
        stops: list[Stop] = [GradientNorm(slack * self.settings.tol * self._gradient_unit())]
        if not (plan.penalty.ridge or self.passes.loss.has_dispersion):
            stops.append(Separation(problem))
        if is_settled is not None:
            stops.append(Settled(problem, sweep, is_settled))
        watchers = [] if watch is None else [watch]
        stops += [watch.stop for watch in watchers]
        sweeps = most_sweeps(self.settings)
        sweeps = sweeps if slack == 1.0 else min(sweeps, ROUGH_SWEEPS)
        run = loop(sweep, theta, stops, max_iter=sweeps, watchers=watchers)
        loss = loss_of(sweep, problem)
        return StagedFit(self.spectral, self.refined, problem.unpack(run.params), run, plan, loss)

    def _has_vanished(self, point: FactorPoint) -> bool:
        """Whether a penalty has taken the factors away: no step leads back from a saddle point."""
        return bool(np.linalg.norm(point.rows) <= VANISHED * np.linalg.norm(self.refined.rows))

    def _sweep(self, problem: FactorProblem, theta: Array, plan: FitPlan) -> Sweep:
        settings = self.settings
        if is_estimated(problem.passes.loss):
            return ShapeSweep(problem.passes, self.rank, problem.penalty, plan.has_firth)
        if plan.has_firth:
            return FirthSweep(problem.passes, self.rank, problem.penalty)
        if settings.solver == "newton-cg":
            return NewtonCG(problem, unit=self.dispersion)
        if settings.solver == "alternating":
            return AlternatingNewton(problem)
        accelerated, given = settings.solver == "nesterov", settings.step
        # 2 / L is the limit of stability; 1.6 / L was the fastest constant step measured, 1 / L with momentum
        step = (1.0 if accelerated else 1.6) / largest_curvature(problem, theta) if given == "auto" else float(given)
        if accelerated:
            return AcceleratedGradient(problem, step)
        return GradientDescent(problem, step, is_guarded=given == "auto")

    def _with_orthogonality(self, penalty: FactorPenalty) -> FactorPenalty:
        if not (self.settings.c_orth and self.rank):
            return penalty
        top = float(balance(self.refined.rows, self.refined.cols)[2][0])
        return replace(penalty, orthogonality=self.settings.c_orth * top / self.passes.shape[0])

    def _gradient_unit(self) -> float:
        return self.dispersion**0.75 if self.passes.loss.has_dispersion else 1.0
