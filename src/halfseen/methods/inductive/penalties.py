"""The penalty that ``penalty="auto"`` stands for: what the weights' own sizes and the residuals say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.losses import is_quadratic
from halfseen.methods.inductive.problem import InductiveProblem
from halfseen.solvers.loop import Run, SweepResult, loop

# First penalty, in entries; refits; and the largest penalty beside the mean loss of standardised values.
FIRST, REFITS, LARGEST = 0.1, 3, 1.0
# Of one-class tables: where features are turned so that it suits all of them, and where they are as they were given.
ONE_CLASS_PENALTY, PLAIN_ONE_CLASS_PENALTY = 0.03, 1e-3
# Refits end where the penalty changes by less than this share.
SETTLED = 0.05


def first_penalty(problem: InductiveProblem, settings: Any) -> float:
    """The penalty that a fit begins with; one-class tables keep theirs."""
    if settings.penalty != "auto":
        return float(settings.penalty)
    if problem.design.beta is not None:
        return ONE_CLASS_PENALTY if settings.scale == "auto" else PLAIN_ONE_CLASS_PENALTY
    return FIRST / problem.total


def with_penalty(problem: InductiveProblem, penalty: float) -> None:
    """Set a problem's penalty."""
    problem.design = replace(problem.design, penalty=penalty)


def evidence_penalty(problem: InductiveProblem, theta: FloatArray) -> float:
    r"""The penalty at which the weights' prior variance is their own mean square.

    .. math:: \lambda = \frac{s^2 q}{m\,\|W\|^2},\qquad s^2 = \frac{RSS}{m - q},\quad q = \min(\mathrm{weights}, m / 2)

    with :math:`s^2 = 1` for families without a dispersion. At most 1.
    """
    at, m = problem.unpack(theta), problem.total
    weights = [at.U] if problem.design.is_tied else [at.U, at.V]
    squares = sum(float(np.sum(part * part, dtype=float)) for part in weights)
    q = min(float(sum(part.size for part in weights)), m / 2.0)
    noise = 1.0
    if is_quadratic(problem.passes.loss):
        noise = 2.0 * (problem.value(theta) - problem.penalty_at(at)) * m / (m - q)
    return float(min(noise * q / max(m * squares, 1e-300), LARGEST))


def refitted(problem: InductiveProblem, run: Run, fit: Callable[[FloatArray], Run]) -> Run:
    """Fit again and again with the penalty that the last fit asks for; the problem keeps the last penalty.

    Parameters
    ----------
    problem : InductiveProblem
    run : Run
        Of the first fit.
    fit : callable
        ``fit(theta)`` is a run from there.
    """
    state: dict[str, Any] = {"run": run}

    def refit(theta: FloatArray) -> SweepResult:
        before, after = problem.design.penalty, evidence_penalty(problem, theta)
        with_penalty(problem, after)
        state["run"] = fit(theta)
        settled = abs(after - before) <= SETTLED * before
        return SweepResult(state["run"].params, state["run"].value, reason="exact" if settled else None)

    loop(refit, run.params, max_iter=REFITS)
    last: Run = state["run"]
    return last
