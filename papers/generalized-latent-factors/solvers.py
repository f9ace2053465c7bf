"""Solvers: work to the stationary point, contraction of gradient descent, and its implicit balance.

Work is counted in gradient passes over the entries, so the table does not depend on the machine. All solvers begin at
the same refined start and end at the same predictor.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from _simulation import simulate

import halfseen as hs
from halfseen.engines import EntryPasses
from halfseen.losses import get_loss
from halfseen.methods.factor.fitting import FitPlan, Stages
from halfseen.methods.factor.problem import FactorPenalty, FactorProblem
from halfseen.solvers import largest_curvature

CONFIG = {
    "full": {"n": 1000, "p": 500, "share": 0.5, "strengths": [1.0, 0.5], "seed": 0},
    "quick": {"n": 200, "p": 150, "share": 0.9, "strengths": [1.0], "seed": 0},
    "check": {"strengths": [1.0]},
}

SOLVERS: dict[str, dict[str, Any]] = {
    "newton-cg": {},
    "alternating": {},
    "nesterov": {},
    "gd, step 1.6/L": {"solver": "gd"},
    "gd, step .003 (paper)": {"solver": "gd", "step": 0.003},
}


def run(config: dict[str, Any], study: Any) -> None:
    """Two tables: work of every solver, and how gradient descent contracts."""
    table = [row for strength in config["strengths"] for row in solver_table(config, strength, study)]
    study.table("", table)
    contraction = [descent(config, step, study) for step in (0.003, 0.006, "auto")]
    study.table("descent", contraction)
    claims(table, contraction, config["strengths"][0], study)


def claims(table: list[dict[str, Any]], contraction: list[dict[str, Any]], strength: float, study: Any) -> None:
    """What the paper says of gradient descent, and what it leaves out."""
    first = {row["solver"]: row for row in table if row["lambda"] == strength}
    printed, newton = first["gd, step .003 (paper)"], first["newton-cg"]
    study.claim(
        "gradient descent with eta = .003 reaches the stationary point",
        "yes",
        f"{printed['sweeps']} sweeps to a gradient of {printed['largest_gradient']}",
        figures={"ended": printed["reason"]},
        rule="ended == 'gradient'",
        otherwise=f"ended: {printed['reason']}",
    )
    apart = max(row["relative_difference_to_newton"] for row in table)
    study.beyond("largest difference between the predictors of two solvers", "not said", f"{apart:.1e}")
    study.beyond(
        "work of Newton-CG against the paper's gradient descent",
        "not said",
        f"{printed['gradient_passes'] / newton['gradient_passes']:.0f} times less "
        f"({newton['gradient_passes']:.0f} against {printed['gradient_passes']:.0f} passes)",
    )
    drift = max(row["relative_drift_of_XX-YY"] for row in contraction)
    study.claim(
        "gradient descent keeps X'X - Y'Y (implicit balance)",
        "small drift",
        f"relative drift {drift:.1e}",
        figures={"drift": drift},
        rule="drift < 1e-3",
        partly="drift < 0.1",
        otherwise="the step is large for the balance",
    )
    factors = [row["factor_per_sweep_of_the_gap"] for row in contraction]
    study.claim(
        "linear convergence, faster with larger steps",
        "factor per sweep 1 - eta c_psi pi sigma_r",
        ", ".join(f"{row['factor_per_sweep_of_the_gap']:.3f} at eta = {row['step']:.3g}" for row in contraction),
        figures={"largest": max(factors), "least_fall": min((a - b for a, b in pairwise(factors)), default=0.0)},
        rule="largest < 1 and least_fall >= 0",
        otherwise="no faster with a larger step",
    )
    bounds = ", ".join(f"{row['bound']:.3f}" for row in contraction)
    study.claim(
        "the factor is at most that of Remark 3, squared for the objective (c_psi: smallest weight of a cell)",
        bounds,
        ", ".join(f"{one:.3f}" for one in factors),
        figures={"excess": max(row["factor_per_sweep_of_the_gap"] - row["bound"] for row in contraction)},
        rule="excess <= 0",
        otherwise="slower than the bound",
    )


def solver_table(config: dict[str, Any], strength: float, study: Any) -> list[dict[str, Any]]:
    """Every solver to a gradient of 1e-6 from the same start, and how far its predictor is from Newton's."""
    data = simulate(config["n"], config["p"], config["seed"], strength, config["share"])
    rows: list[dict[str, Any]] = []
    reference = None
    for name, choice in SOLVERS.items():
        study.progress(f"lambda = {strength}: {name}")
        options = {"solver": name, **choice}
        model = hs.GeneralizedFactorModel(2, "bernoulli", penalty="none", bias="none", **options, random_state=0).fit(
            data.observed
        )
        table = model.predict_table(kind="linear")
        reference = table if reference is None else reference
        rows.append(
            {
                "lambda": strength,
                "solver": name,
                "sweeps": model.run_.n_iter,
                "gradient_passes": model.run_.work,
                "reason": model.run_.reason,
                "largest_gradient": f"{model.run_.gradient_norm:.1e}",
                "relative_difference_to_newton": np.linalg.norm(table - reference) / np.linalg.norm(reference),
            }
        )
    return rows


def descent(config: dict[str, Any], step: float | str, study: Any) -> dict[str, Any]:
    """Contraction of the objective per sweep of gradient descent, and the drift of X'X - Y'Y."""
    study.progress(f"contraction with step {step}")
    data = simulate(config["n"], config["p"], config["seed"], 1.0, config["share"])
    passes = EntryPasses(data.observed, get_loss("bernoulli"))
    settings = hs.GeneralizedFactorModel(2, "bernoulli", solver="gd", step=step, tol=1e-6)._checked()
    stages = Stages(passes, 2, settings, np.random.default_rng(0))
    problem = FactorProblem(passes, 2, FactorPenalty())
    theta = problem.pack(stages.refined)
    eta = 1.6 / largest_curvature(problem, theta) if step == "auto" else float(step)
    fit = stages.descend(FitPlan(FactorPenalty()))
    gap = fit.run.trace.value - fit.run.trace.value[-1]
    late = (gap > 1e-8) & (np.arange(len(gap)) >= len(gap) // 5)
    rate = np.polyfit(np.flatnonzero(late), np.log(gap[late]), 1)[0]
    gram = fit.final.rows.T @ fit.final.rows
    before = fit.one_step.rows.T @ fit.one_step.rows - fit.one_step.cols.T @ fit.one_step.cols
    drift = gram - fit.final.cols.T @ fit.final.cols - before
    smallest = np.linalg.svd(data.row_factors @ data.col_factors.T, compute_uv=False)[1]
    weight = get_loss("bernoulli").variance(data.linear).min()
    return {
        "step": eta,
        "sweeps": fit.run.n_iter,
        "factor_per_sweep_of_the_gap": float(np.exp(rate)),
        "bound": float((1 - eta * weight * config["share"] * smallest) ** 2),
        "relative_drift_of_XX-YY": float(np.linalg.norm(drift) / np.linalg.norm(gram)),
    }
