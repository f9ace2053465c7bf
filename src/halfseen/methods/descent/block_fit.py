"""`OverparametrizedFactorization` of a prepared table."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from halfseen.data import PreparedTable
from halfseen.engines.placement import place
from halfseen.linalg.growth import threshold_at
from halfseen.losses import get_loss
from halfseen.methods.descent.movers import Setting
from halfseen.methods.descent.on_blocks import (
    BlockFactors,
    TurnedFiles,
    held_out_stop,
    remove,
    started,
    taken_out,
    turned,
)
from halfseen.methods.descent.options import HeldOutStop
from halfseen.methods.descent.path import DescentPath, HeldOutCurve
from halfseen.methods.descent.placement import LEAST_PENALTY
from halfseen.methods.descent.table import Centre
from halfseen.parameters import BadArgument
from halfseen.solvers.block_ridge import RowsInBlocks
from halfseen.solvers.loop import Run, SweepResult, loop

WAY_OUT = "fit table.load() if it fits into memory"


class PathWatch:
    """Watcher: singular values and training errors at growing times."""

    def __init__(self, start: BlockFactors, growth: float) -> None:
        self.growth, self.next, self.times = growth, 1, [0]
        self.values, self.errors = [turned(start)[2]], [float(np.sqrt(2.0 * max(float(start.value), 0.0)))]

    def __call__(self, iteration: int, result: SweepResult, seconds: float) -> None:
        if iteration < self.next or not np.isfinite(result.value):
            return
        self.times.append(iteration)
        self.values.append(turned(result.params)[2])
        self.errors.append(float(np.sqrt(2.0 * max(result.value, 0.0))))
        self.next = iteration + max(1, int(self.growth * iteration))

    def path(self) -> DescentPath:
        return DescentPath(np.array(self.times), np.array(self.values), np.array(self.errors), ())


def fit_blocks(model: Any, table: PreparedTable, settings: SimpleNamespace, rule: Any, rng: np.random.Generator) -> Any:
    """Descend on the entries of a prepared table; sets the learned attributes.

    Raises
    ------
    BadArgument
        For what needs the table in memory.
    """
    _refuse(settings, rule)
    model._observe_blocks(table)
    model.loss_, model.linking_, model.sure_ = get_loss("gaussian"), None, None
    model.rank_ = min(50, *table.shape) if not isinstance(settings.rank, int | np.integer) else int(settings.rank)
    # entries are told apart inside the visits, so that their rows are those of whole blocks
    whole = place(PreparedTable(table.folder, table.memory), settings.engine)
    given: dict[str, Any] = {"seed": int(rng.integers(2**31)), "table": table}
    given["out"] = taken_out(whole, settings.centre, rng, table.fold)
    curve, first = None, None
    until: int = settings.max_iter if isinstance(rule, str) else rule if isinstance(rule, int) else 0
    if isinstance(rule, HeldOutStop):
        train, test = table.split(rule.held_out, int(rng.integers(2**31)))
        descent, start, top = started(model, whole, settings, (train.fold, test.fold), {**given, "name": "part"})
        setting = Setting(model.rank_, settings.start_scale, top, descent.at.step, table.shape)
        stop = held_out_stop(descent, rule, setting, settings.max_iter, rng)
        first = loop(descent, start, [stop], max_iter=settings.max_iter)
        curve = HeldOutCurve(np.array(stop.scores), stop.best_time, float(stop.best_score))
        given["step"] = descent.at.step
        until = max(stop.best_time, 1)
        remove(descent.at.files)
    descent, start, top = started(model, whole, settings, (table.fold, None), {**given, "name": "all"})
    watch = PathWatch(start, settings.record)
    run = loop(descent, start, max_iter=until, watchers=[watch])
    descent.at.files.keep(run.n_iter)
    model.held_out_ = curve
    _keep(model, table, run, (descent, watch.path(), top))
    told = first if first is not None else run
    model.run_, model.n_iter_ = told.record(), told.n_iter
    if told.reason == "not_finite" or (told.reason == "max_iter" and isinstance(rule, HeldOutStop)):
        advice = "give a smaller step" if told.reason == "not_finite" else "raise max_iter, or choose another stop"
        text = (
            f"OverparametrizedFactorization ended after {told.n_iter} iterations with reason '{told.reason}'; {advice}"
        )
        model._warn(text, ConvergenceWarning)
    return model


def _refuse(settings: SimpleNamespace, rule: Any) -> None:
    """What the fit in memory does and this one does not."""
    wanted = {
        "family": (settings.family == "gaussian", "'gaussian'"),
        "solver": (settings.solver == "descent", "'descent'"),
        "is_symmetric": (not settings.is_symmetric, "False"),
        "is_guarded": (not settings.is_guarded, "None or False"),
        "stop": (isinstance(rule, HeldOutStop | int) or rule == "none", "'auto', 'held_out', 'none' or a number"),
    }
    for name, (is_fine, needed) in wanted.items():
        if not is_fine:
            raise BadArgument(name, getattr(settings, name), f"{needed} for a prepared table", WAY_OUT)
    if isinstance(rule, HeldOutStop) and not rule.is_refitted:
        raise BadArgument("stop", rule, "a HeldOutStop with is_refitted=True for a prepared table", WAY_OUT)


def _keep(model: Any, table: PreparedTable, run: Run, made: tuple[Any, DescentPath, float]) -> None:
    (descent, path, top), point = made, run.params
    turn, cols, values = turned(point)
    dtype, out = table.dtype, descent.at.out
    right = np.ascontiguousarray(cols, dtype=dtype)
    visit = TurnedFiles(descent.at.files, int(point.time), turn.astype(dtype), out, np.array(table.facts.bounds))
    C = np.column_stack([right, out.cols])
    left, bias = (RowsInBlocks.of(table, visit, C, part) for part in ("factors", "bias"))
    model.left_, model.right_, model.singular_values_ = left, right, values.astype(dtype)
    model.stored_rows_ = left
    model.path_, model.noise_, model.stop_time_ = path, None, run.n_iter
    model.step_, model.top_ = descent.at.step, top
    start = Setting(model.rank_, model.start_scale, top, descent.at.step, table.shape).start
    model.threshold_ = threshold_at(run.n_iter, start, descent.at.step, top) if top > 0 else 0.0
    rows: Any = bias if out.has_rows else np.broadcast_to(np.zeros(1, dtype), table.shape[:1])
    model.centre_ = Centre(out.mean, rows, out.cols)
    n, p = table.shape
    noise = model.held_out_.best_error**2 if model.held_out_ is not None else 2.0 * float(point.value) / (n * p)
    most = max(float(values.max(initial=0.0)), 1e-300)
    model.row_penalty_ = noise * n / np.maximum(values, LEAST_PENALTY * most) + LEAST_PENALTY * most
