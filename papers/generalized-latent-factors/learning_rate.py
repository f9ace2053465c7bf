"""Learning rate: error of gradient descent over the step, and where it blows up.

Section 6.2 announces stability under the learning rate and shows no figure for it. Tables of 1000 x 500, half seen, the
printed algorithm with steps around its .003, after 250 sweeps and after 1000. The objective is a sum over entries, so
the largest stable step is 2 over the largest curvature L, which grows like pi sqrt(np): a constant .003 is no rule.
The second table varies the weight of the paper's centring penalty: its Hessian is 2 c_orth sigma_1 without a factor pi,
so that a stable step needs 2 eta c_orth sigma_1 < 2, which c_orth of the order log^4 d (Theorem 2.1) cannot meet.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from _simulation import BLUE, ORANGE, means, new_figure, simulate, stage_errors, tidy

import halfseen as hs
from halfseen.engines import EntryPasses
from halfseen.losses import get_loss
from halfseen.methods.factor.problem import FactorPenalty, FactorProblem
from halfseen.solvers import largest_curvature

CONFIG = {
    "full": {
        "n": 1000, "p": 500, "share": 0.5, "strengths": [1.0, 0.5], "sweeps": [250, 1000], "repetitions": 2,
        "steps": [0.0003, 0.001, 0.002, 0.003, 0.005, 0.008, 0.011, 0.012, 0.013, 0.014, 0.015, 0.016, 0.02],
        "penalties": [0.0, 0.1, 0.2, 0.4, 0.5, 0.6, 0.8],
    },
    "quick": {
        "n": 200, "p": 150, "share": 0.9, "strengths": [1.0], "sweeps": [50], "repetitions": 1,
        "steps": [0.003, 0.01, 0.03, 0.06], "penalties": [0.0, 0.1, 2.0],
    },
    "check": {
        "strengths": [1.0], "sweeps": [1000], "repetitions": 1, "steps": [0.001, 0.003, 0.012, 0.02],
        "penalties": [0.0, 0.5, 0.6],
    },
}  # fmt: skip

# An error this many times the truth is no estimate any more.
BLOWN_UP = 3.0


def repetition(n: int, p: int, share: float, strength: float, seed: int, **given: Any) -> dict[str, Any]:
    """Error after gradient descent with one step, and the step over its limit at the start."""
    data = simulate(n, p, seed, strength, share)
    options = {"step": given["step"], "max_iter": given["sweeps"], "c_orth": given["c_orth"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # steps beyond the limit overflow: that is what is looked for
        try:
            model = hs.GeneralizedFactorModel.paper(2, random_state=seed, **options).fit(data.observed)
            error = stage_errors(model.stages_["final"], data)[0]
            one_step = stage_errors(model.stages_["one_step"], data)[0]
        except (ValueError, np.linalg.LinAlgError, FloatingPointError):
            error, one_step, model = np.inf, np.nan, None
    start = None if model is None else model.stages_["one_step"]
    curvature, top = np.nan, np.nan
    if start is not None:
        problem = FactorProblem(EntryPasses(data.observed, get_loss("bernoulli")), 2, FactorPenalty())
        curvature = float(largest_curvature(problem, problem.pack(start)))
        top = float(np.linalg.norm(start.rows, 2) * np.linalg.norm(start.cols, 2))
    return {
        "error": float(min(error, 1e9)) if np.isfinite(error) else 1e9,
        "error one_step": one_step,
        "step over 2 / L": given["step"] * curvature / 2.0,
        "2 eta c_orth sigma_1": 2.0 * given["step"] * given["c_orth"] * top,
    }


def run(config: dict[str, Any], study: Any) -> None:
    """The sweep over steps and the one over the penalty."""
    fixed = {key: config[key] for key in ("n", "p", "share")}
    steps = [
        {**fixed, "strength": strength, "sweeps": sweeps, "step": step, "c_orth": 0.0, "seed": seed}
        for seed in range(config["repetitions"])
        for strength in config["strengths"]
        for sweeps in config["sweeps"]
        for step in config["steps"]
    ]
    penalties = [
        {**fixed, "strength": 1.0, "sweeps": config["sweeps"][0], "step": 0.003, "c_orth": weight, "seed": seed}
        for seed in range(config["repetitions"])
        for weight in config["penalties"]
    ]
    per_seed = len(steps) // config["repetitions"], len(penalties) // config["repetitions"]
    drop = ("seed", "n", "p", "share", "c_orth")
    table = means(study.repeat("steps", steps, repetition, per_seed[0]), ("strength", "sweeps", "step"), drop)
    second = means(study.repeat("penalty", penalties, repetition, per_seed[1]), ("c_orth",),
                   ("seed", "n", "p", "share", "strength", "sweeps", "step"))  # fmt: skip
    study.table("", table)
    study.table("penalty", second)
    study.picture(picture(table, second))
    claims(table, second, study)


def claims(table: list[dict[str, Any]], second: list[dict[str, Any]], study: Any) -> None:
    """Stability, and its limit."""
    stable = [row for row in table if row["error"] < BLOWN_UP]
    broken = [row for row in table if row["error"] >= BLOWN_UP]
    few = max(row["sweeps"] for row in table)
    lines = [row for row in stable if row["strength"] == 1.0 and row["sweeps"] == few and row["step"] >= 1e-3]
    lines = [row for row in lines if row["step over 2 / L"] < 1.0]
    spread, steps = [row["error"] for row in lines], [row["step"] for row in lines]
    study.claim(
        f"the error does not depend on the step (lambda = 1, {few} sweeps)",
        "announced",
        f"{min(spread):.4f} to {max(spread):.4f} for steps from .001 to {max(steps):g}",
        figures={"least": min(spread), "most": max(spread)},
        rule="most <= 1.02 * least",
        partly="most <= 1.2 * least",
        otherwise="small steps are not at their limit yet",
    )
    low = min((row["step over 2 / L"] for row in broken if np.isfinite(row["step over 2 / L"])), default=np.nan)
    high = max(row["step over 2 / L"] for row in stable)
    study.beyond(
        "largest stable step, in units of 2 / L (L: largest curvature at the start)",
        "not said",
        f"stable up to {high:.2f}, blown up from {low:.2f}" if broken else f"stable up to {high:.2f}",
        reason="eta must scale like 1 / (pi sqrt(np)); eta='auto' is 1.6 / L",
    )
    fine = [row["2 eta c_orth sigma_1"] for row in second if row["error"] < BLOWN_UP]
    bad = [row["c_orth"] for row in second if row["error"] >= BLOWN_UP]
    study.claim(
        "c_orth of the order kappa^2 kappa_psi^2 log^4 d (above 1000) with eta = .003",
        "assumed by Theorem 2.1",
        f"blown up from c_orth = {min(bad):g}" if bad else "stable as far as tried",
        figures={"stable_up_to": max((row["c_orth"] for row in second if row["error"] < BLOWN_UP), default=0.0)},
        rule="stable_up_to >= 1000",
        otherwise=f"stable while 2 eta c_orth sigma_1 is below 2 (seen up to {max(fine):.2f}); the penalty wants a "
        "factor pi, or eta none; centring costs nothing when it is done exactly",
    )


def picture(table: list[dict[str, Any]], second: list[dict[str, Any]]) -> Any:
    """Error over the step and over the penalty."""
    figure = new_figure(8.5, 3.4)
    left, right = figure.subplots(1, 2)
    colors = {1.0: BLUE, 0.5: ORANGE}
    for strength in sorted({row["strength"] for row in table}):
        for sweeps in sorted({row["sweeps"] for row in table}):
            lines = [row for row in table if (row["strength"], row["sweeps"]) == (strength, sweeps)]
            style = "--" if sweeps == min(row["sweeps"] for row in table) else "-"
            values = [min(row["error"], BLOWN_UP) for row in lines]
            label = f"$\\lambda$ = {strength}, {sweeps} sweeps"
            left.plot([row["step"] for row in lines], values, style, color=colors[strength], marker=".", label=label)
    left.set_xscale("log")
    left.set_ylim(0, 1.5)
    left.set_xlabel("step $\\eta$", fontsize=9)
    left.set_ylabel("relative error", fontsize=9)
    left.legend(fontsize=8, frameon=False, loc="upper left")
    right.plot([row["c_orth"] for row in second], [min(row["error"], BLOWN_UP) for row in second], ".-", color=BLUE)
    right.set_ylim(0, 1.5)
    right.set_xlabel("weight $c_{orth}$ of the centring penalty, $\\eta$ = .003", fontsize=9)
    for ax in (left, right):
        tidy(ax)
    return figure
