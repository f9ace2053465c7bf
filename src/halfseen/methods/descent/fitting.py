"""From a table and a rule to the iterate at which the rule stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.linalg import SteinEstimate, noise_edge, noise_level
from halfseen.linalg.growth import half_time, theorem_time, time_between
from halfseen.losses import is_quadratic
from halfseen.methods.descent.movers import Filtering, InBasis, Iterating, Mover, Setting
from halfseen.methods.descent.options import (
    BetweenModes,
    DiscrepancyStop,
    HeldOutStop,
    PlateauStop,
    Rule,
    Sure,
    TheoryWindow,
)
from halfseen.methods.descent.path import DescentPath, HeldOutCurve, Recorder, SingularIterate
from halfseen.methods.descent.table import DescentTable
from halfseen.solvers import Discrepancy, HeldOutComponents, HeldOutError, Plateau, Run, SpectralFilter, loop
from halfseen.solvers.loop import Stop, SweepResult
from halfseen.solvers.watch import FitWatch

# Stein's estimate is looked at until noise at its edge is fully grown; later it only rises.
PAST_EDGE = 1.5


@dataclass
class Descended:
    """What came of a descent."""

    reading: SingularIterate
    run: Run
    path: DescentPath
    setting: Setting
    noise: float | None = None
    curve: HeldOutCurve | None = None
    estimates: FloatArray | None = None


@dataclass
class StopPlan:
    """A time worked out beforehand, or stops to ask on the way."""

    time: int | None = None
    stops: list[Stop] = field(default_factory=list)
    noise: float | None = None
    estimates: FloatArray | None = None


class Descent:
    """One fit: a table, a rank, a start, a step, a rule.

    Parameters
    ----------
    table : DescentTable
    rank : int
    rule : Rule, int or None
        None goes on to ``max_iter``.
    settings : parameters of the estimator
        Step "auto" is :math:`1/(2\\sigma_1)`.
    rng : numpy.random.Generator
    """

    def __init__(
        self,
        table: DescentTable,
        rank: int,
        rule: Rule | int | None,
        settings: SimpleNamespace,
        rng: np.random.Generator,
    ) -> None:
        self.table, self.rank, self.rule, self.settings = table, rank, rule, settings
        self.rho = float(settings.start_scale)
        self.step = None if isinstance(settings.step, str) else float(settings.step)
        self.start_rng, self.rng = rng.spawn(2)
        self.start_seed = self.start_rng.bit_generator.state

    def run(self, watch: FitWatch | None = None) -> Descended:
        """Descend, and read the iterate at the end."""
        if isinstance(self.rule, HeldOutStop):
            return self._held_out(self.rule, watch)
        if self.settings.solver != "descent":
            self.table.svd(f"solver={self.settings.solver!r}")
        plan_svd = isinstance(self.rule, Sure | BetweenModes) or getattr(self.rule, "rank", None) is not None
        if plan_svd:
            self.table.svd(f"stop={type(self.rule).__name__}")
        return self._descend(self.table, self.rule, self.settings.solver, watch)

    def _held_out(self, rule: HeldOutStop, watch: FitWatch | None) -> Descended:
        """Find the time on part of the entries, then (if asked to) descend for that time on all of them."""
        observed = self.table.observed
        assert observed is not None
        train, test = observed.split(rule.held_out, self.rng, keep_covered=True)
        halfway = self._descend(self.table.only(train), rule, "descent", watch, self.table.only(test))
        if halfway.curve is None or not rule.is_refitted or halfway.run.reason == "callback":
            return halfway
        self.step = halfway.setting.step  # one time scale for both descents
        full = self._descend(self.table, max(halfway.curve.best_time, 1), self.settings.solver, None)
        full.curve = halfway.curve
        full.run = halfway.run
        return full

    def _setting(self, table: DescentTable) -> Setting:
        top = table.top(table.objective(), self.rng)
        guarded = self.settings.is_guarded
        if guarded is None:
            guarded = not is_quadratic(table.loss)
        step = 0.5 / max(top, 1e-300) if self.step is None else float(self.step)
        rank = min(self.rank, self.table.shape[0]) if self.settings.is_symmetric else self.rank
        return Setting(rank, self.rho, top, step, table.shape, self.settings.is_symmetric, guarded)

    def _mover(self, table: DescentTable, setting: Setting, solver: str) -> Mover:
        self.start_rng.bit_generator.state = self.start_seed  # the same start for both descents of a held-out fit
        if solver == "basis":
            return InBasis(table, setting, self.start_rng)
        if solver == "filter":
            return Filtering(table, setting)
        return Iterating(table.objective(), setting, self.start_rng)

    def _descend(
        self, table: DescentTable, rule: Any, solver: str, watch: FitWatch | None, test: DescentTable | None = None
    ) -> Descended:
        setting = self._setting(table)
        mover = self._mover(table, setting, solver)
        recorder = Recorder(mover.read, self.settings.keep, self.settings.record)
        reading = recorder.look(0, mover.start, mover.value(mover.start))
        if not setting.top > 0:  # a table of zeros: nothing grows
            run = loop(lambda params: SweepResult(params, 0.0, reason="exact"), mover.start, max_iter=1)
            return Descended(reading, run, recorder.path(), setting)
        plan = self._plan(table, setting, mover, rule, test)
        watchers: list[Any] = [recorder] + ([watch] if watch else [])
        stops = [*plan.stops, *([watch.stop] if watch else [])]
        until = min(plan.time, self.settings.max_iter) if plan.time is not None else self.settings.max_iter
        if plan.time is not None and plan.time <= self.settings.max_iter:
            stops.append(lambda iteration, result: "time" if iteration >= until else None)
        with np.errstate(over="ignore", invalid="ignore"):  # a step that is too long is a reason of the run
            run = loop(mover, mover.start, stops, max_iter=until, watchers=watchers)
        params, time, curve = run.params, run.n_iter, None
        if isinstance(rule, HeldOutStop):
            held = next(stop for stop in stops if isinstance(stop, HeldOutComponents))
            params = run.params if held.best_params is None else held.best_params
            curve = HeldOutCurve(np.array(held.scores), held.best_time, float(held.best_score))
            time = held.best_time
        reading = recorder.look(time, params, mover.value(params))
        return Descended(reading, run, recorder.path(), setting, plan.noise, curve, plan.estimates)

    def _plan(
        self, table: DescentTable, setting: Setting, mover: Mover, rule: Any, test: DescentTable | None
    ) -> StopPlan:
        if rule is None:
            return StopPlan()
        if isinstance(rule, int):
            return StopPlan(rule)
        if isinstance(rule, HeldOutStop):
            assert test is not None
            assert test.observed is not None
            score = HeldOutError(test.observed, test.loss, test.engine, test.offset(test.observed))
            step: Callable[[], float] = lambda: mover.step  # noqa: E731
            rest: Any = mover.rest(self.rng)
            limits = (rule.patience, self.settings.max_iter)
            return StopPlan(stops=[HeldOutComponents(score, rest, setting.start, step, *limits)])
        if isinstance(rule, PlateauStop):
            return StopPlan(stops=[Plateau(rule.tol, rule.window)])
        if isinstance(rule, DiscrepancyStop):
            estimate = mover.noise(self.rng)
            noise = rule.noise
            level = estimate if noise is None else (lambda params, value: float(noise))
            edge = lambda params, value: noise_edge(*setting.shape, level(params, value))  # noqa: E731
            latest = lambda size: rule.share * float(half_time(size, setting.start, mover.step))  # noqa: E731
            return StopPlan(stops=[Discrepancy(mover.rest(self.rng), edge, rule.factor, latest)], noise=noise)
        return timed(table, setting, rule, self.settings.max_iter)


def timed(table: DescentTable, setting: Setting, rule: Any, max_iter: int) -> StopPlan:
    """The rules that work the time out from the singular values."""
    if isinstance(rule, TheoryWindow):
        gap, size = rule.gap, rule.size
        if rule.rank is not None:
            gap, size = gap_at(table.svd("TheoryWindow")[1], rule.rank)
        assert gap is not None
        assert size is not None
        if rule.law == "theorem":
            return StopPlan(max(theorem_time(setting.rho, gap, size, setting.step), 1))
        return StopPlan(max(round(time_between(size, size * (1.0 - gap), setting.start, setting.step)), 1))
    s = table.svd(f"stop={type(rule).__name__}")[1].astype(float)
    if isinstance(rule, BetweenModes) and rule.rank is not None:
        gap, size = gap_at(s, rule.rank)
        return StopPlan(max(round(time_between(size, size * (1.0 - gap), setting.start, setting.step)), 1))
    noise = noise_level(s, *setting.shape) if rule.noise is None else float(rule.noise)
    edge = max(noise_edge(*setting.shape, noise), 10.0 * setting.start)
    if isinstance(rule, BetweenModes):
        return StopPlan(max(round(rule.share * float(half_time(edge, setting.start, setting.step))), 1), noise=noise)
    return least_estimate(s, setting, noise, edge, max_iter)


def least_estimate(s: FloatArray, setting: Setting, noise: float, edge: float, max_iter: int) -> StopPlan:
    """The time of the least Stein estimate along the filter."""
    horizon = min(max(int(PAST_EDGE * float(half_time(edge, setting.start, setting.step))), 2), max_iter)
    estimate = SteinEstimate(s, setting.shape, noise)
    columns = min(setting.rank, len(s))
    sweep = SpectralFilter(s[:columns], setting.step)
    estimates: list[float] = []
    size, slope = np.zeros(len(s)), np.zeros(len(s))

    def watch(iteration: int, result: SweepResult, seconds: float) -> None:
        size[:columns], slope[:columns] = result.params.size, result.params.size_slope
        estimates.append(estimate(size, slope))

    loop(sweep, sweep.start(setting.start), max_iter=horizon, watchers=[watch])
    return StopPlan(1 + int(np.argmin(estimates)), noise=noise, estimates=np.array(estimates))


def gap_at(s: FloatArray, rank: int) -> tuple[float, float]:
    """Relative gap behind the singular value number ``rank``, and that singular value."""
    if rank > len(s) or not s[rank - 1] > 0:
        raise ValueError(f"the table has {int(np.sum(s > 0))} components; rank={rank} is more than that")
    after = float(s[rank]) if rank < len(s) else 0.0
    gap = 1.0 - after / float(s[rank - 1])
    if not gap > 0:
        raise ValueError(f"singular values {rank} and {rank + 1} are equal: no best approximation of that rank exists")
    return min(gap, 1.0 - 1e-12), float(s[rank - 1])
