"""From a problem to its best point: starts, one loop each, the certificate, the gauge."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from halfseen.data.storable import storable
from halfseen.linalg import balance
from halfseen.losses import is_quadratic
from halfseen.methods.inductive.penalties import first_penalty, refitted, with_penalty
from halfseen.methods.inductive.problem import InductiveProblem, Weights
from halfseen.methods.inductive.starts import first_point, random_point
from halfseen.solvers import (
    BacktrackingGradient,
    GradientDescent,
    LevenbergMarquardt,
    LimitedMemory,
    RelativeChange,
    Run,
    SmallValue,
    Stop,
    Sweep,
    loop,
)

Array = NDArray[Any]

# A mean loss below this share of the data's mean square is a fit without error: such runs had test errors below 1e-4.
EXACT = 1e-10
MEMORY, PATIENCE = 30, 5
# Share of the first objective by which the last sweeps may still lower it in silence.
FALLING = 0.01


@storable
@dataclass(frozen=True)
class Certificate:
    """What the training loss says about the starts.

    Attributes
    ----------
    values : ndarray (n,)
        Objective of every start that was run.
    best : int
    floor : float
        Below it a fit counts as exact.
    is_exact : bool
        True when the best start fits the data without error: with data that some weights explain, and three or more
        entries a weight, it then nearly always is the truth. False says nothing: noise leaves a loss too.
    """

    values: NDArray[np.float64]
    best: int
    floor: float
    is_exact: bool


def tell_unfinished(model: Any, run: Run) -> None:
    """Say so where the last five sweeps of a run that was cut short still lowered the objective."""
    values = np.asarray(run.trace.value, dtype=float)
    falls = float(values[max(len(values) - PATIENCE - 1, 0)] - values[-1]) / max(abs(float(values[0])), 1e-300)
    if falls > FALLING:
        model._warn(
            f"{type(model).__name__} stopped after {run.n_iter} sweeps (max_iter={model.max_iter}), the last five of "
            f"which still lowered the objective by {100.0 * falls:.2g} % of what it was at first: raise max_iter",
            ConvergenceWarning,
        )


def run_starts(
    problem: InductiveProblem, settings: SimpleNamespace, rng: np.random.Generator, watch: Any = None
) -> tuple[Run, Certificate]:
    """Fit from one start after the other, until one is exact; the best run, and what all of them reached.

    With ``penalty="auto"`` the best one is fitted on with the penalties that its weights ask for.
    """
    is_auto = settings.penalty == "auto" and problem.design.beta is None
    with_penalty(problem, first_penalty(problem, settings))
    generators = enumerate(rng.spawn(settings.n_starts))
    starts = (
        (problem, random_point(problem, settings.start_scale, own) if number else first_point(problem, settings, own))
        for number, own in generators
    )
    run, certificate = run_starts_of(starts, settings, watch)
    if is_auto and not certificate.is_exact:
        run = refitted(problem, run, lambda theta: run_from(problem, theta, settings, watch))
    return run, certificate


def run_starts_of(
    starts: Iterable[tuple[Any, Array]], settings: SimpleNamespace, watch: Any = None
) -> tuple[Run, Certificate]:
    """The same from given problems and points, made one at a time."""
    best, values, chosen, floor, has_floor = None, [], 0, 0.0, False
    for number, (problem, theta) in enumerate(starts):
        floor, _, has_floor = floors(problem)
        run = run_from(problem, theta, settings, watch)
        values.append(run.value if np.isfinite(run.value) else np.inf)
        if best is None or values[-1] < values[chosen]:
            best, chosen = run, number
        if has_floor and run.value <= floor:
            break
    assert best is not None
    return best, Certificate(np.array(values), chosen, floor, bool(has_floor and values[chosen] <= floor))


def run_from(problem: Any, theta: Array, settings: SimpleNamespace, watch: Any = None) -> Run:
    """One run of the solver from a point."""
    _, bottom, has_floor = floors(problem)
    stops: list[Stop] = [RelativeChange(settings.tol, PATIENCE)] + ([SmallValue(bottom)] if has_floor else [])
    stops += [watch.stop] if watch else []
    sweep = sweep_of(problem, settings)
    with np.errstate(over="ignore", invalid="ignore"):  # a step that is too long ends as "not_finite"
        return loop(sweep, theta, stops, max_iter=settings.max_iter, watchers=[watch] if watch else [])


def floors(problem: Any) -> tuple[float, float, bool]:
    """Value below which a fit is exact, value at which it stops, and whether the loss can get there."""
    squares = np.square(problem.passes.observed.values, dtype=float)
    floor = EXACT * float(np.mean(squares))
    # float32 sums stop there; in double precision the last digits come cheaply
    bottom = floor if problem.dtype == np.float32 else 1e-6 * floor
    has_floor = is_quadratic(problem.passes.loss) and not problem.design.penalty and not problem.design.beta
    return floor, bottom, has_floor


def sweep_of(problem: InductiveProblem, settings: SimpleNamespace) -> Sweep:
    """The solver's sweep."""
    if settings.solver == "lbfgs":
        return LimitedMemory(problem, memory=MEMORY)
    if settings.solver == "levenberg-marquardt":
        return LevenbergMarquardt(problem)
    if isinstance(settings.step, str):
        return BacktrackingGradient(problem)
    return GradientDescent(problem, float(settings.step), is_guarded=False)


def in_gauge(at: Weights, scaling: str) -> tuple[Array, Array]:
    r"""Weights with the same predictions in a form of their own.

    Lengths :math:`|u_i| = |v_i|` (for linear models :math:`U^\top U = V^\top V` diagonal), units by falling lengths,
    and for odd activations the largest weight of every :math:`v_i` positive.
    """
    U, V = np.array(at.U), np.array(at.V)
    if scaling == "all" and U.shape[1] and U is not V:
        U, V, _ = balance(U, V)
        return U, V
    left, right = np.linalg.norm(U, axis=0), np.linalg.norm(V, axis=0)
    if scaling == "positive":
        alive = (left > 0) & (right > 0)
        turn = np.sqrt(np.divide(right, left, out=np.ones_like(left), where=alive))
        U, V = U * turn, V / turn
    if scaling == "sign":
        signs = np.sign(V[np.abs(V).argmax(axis=0), np.arange(V.shape[1])])
        signs[signs == 0] = 1
        U, V = U * signs, V * signs
    order = np.argsort(-(left * right), kind="stable")
    return np.ascontiguousarray(U[:, order]), np.ascontiguousarray(V[:, order])
