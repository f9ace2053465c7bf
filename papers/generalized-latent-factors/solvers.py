"""Solver work, gradient descent's contraction and implicit balance on the paper's simulation.

Writes ``results/solvers.csv`` and ``results/descent.csv`` beside this file:

    python papers/generalized-latent-factors/solvers.py

Work is counted in gradient passes over the entries, so the table does not depend on the machine.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

import halfseen as hs
from halfseen.engines import EntryPasses
from halfseen.losses import get_loss
from halfseen.methods.factor.fitting import Plan, Stages
from halfseen.methods.factor.problem import FactorProblem, Penalty
from halfseen.solvers import largest_curvature

RESULTS = Path(__file__).parent / "results"
SHAPE, RANK, SHARE = (1000, 500), 2, 0.5
SOLVERS = {
    "newton-cg": {},
    "alternating": {},
    "nesterov": {},
    "gd, step 1.6/L": {"solver": "gd"},
    "gd, step .003 (paper)": {"solver": "gd", "step": 0.003},
}


def simulate(strength: float, seed: int) -> hs.datasets.FactorData:
    return hs.datasets.make_factor_data(
        *SHAPE, rank=RANK, family="bernoulli", strength=strength, observed=SHARE, random_state=seed
    )


def solver_table() -> list[dict[str, object]]:
    """Every solver to a gradient of 1e-6 from the same start, and how far its predictor is from Newton's."""
    rows: list[dict[str, object]] = []
    for strength in (1.0, 0.5):
        data, reference = simulate(strength, 0), None
        for name, choice in SOLVERS.items():
            options = hs.FactorOptions(**{"solver": name, **choice})
            model = hs.GeneralizedFactorModel(
                RANK, "bernoulli", penalty="none", bias="none", options=options, random_state=0
            ).fit(data.observed)
            table = model.predict_table(kind="linear")
            reference = table if reference is None else reference
            apart = np.linalg.norm(table - reference) / np.linalg.norm(reference)
            rows.append(
                {
                    "lambda": strength,
                    "solver": name,
                    "sweeps": model.run_.n_iter,
                    "gradient_passes": model.run_.work,
                    "reason": model.run_.reason,
                    "largest_gradient": f"{model.run_.gradient_norm:.1e}",
                    "relative_difference_to_newton": f"{apart:.1e}",
                }
            )
    return rows


def descent_table() -> list[dict[str, object]]:
    """Contraction of the objective per sweep of gradient descent, and the drift of X'X - Y'Y."""
    rows: list[dict[str, object]] = []
    for step in (0.003, 0.006, "auto"):
        data = simulate(1.0, 0)
        passes = EntryPasses(data.observed, get_loss("bernoulli"))
        options = hs.FactorOptions(solver="gd", step=step, tol=1e-6)
        stages = Stages(passes, RANK, options, np.random.default_rng(0))
        problem = FactorProblem(passes, RANK, Penalty())
        theta = problem.pack(stages.refined)
        eta = 1.6 / largest_curvature(problem, theta) if step == "auto" else step
        fit = stages.descend(Plan(Penalty()))
        gap = fit.run.trace.value - fit.run.trace.value[-1]
        late = (gap > 1e-8) & (np.arange(len(gap)) >= len(gap) // 5)
        rate = np.polyfit(np.flatnonzero(late), np.log(gap[late]), 1)[0]
        gram = fit.final.rows.T @ fit.final.rows
        drift = (gram - fit.final.cols.T @ fit.final.cols) - (
            fit.one_step.rows.T @ fit.one_step.rows - fit.one_step.cols.T @ fit.one_step.cols
        )
        smallest = np.linalg.svd(data.row_factors @ data.col_factors.T)[1][RANK - 1]
        rows.append(
            {
                "step": f"{eta:.4g}",
                "sweeps": fit.run.n_iter,
                "factor_per_sweep_of_the_gap": f"{np.exp(rate):.4f}",
                "bound_(1-eta*w*pi*sigma_r)^2_at_w=.22": f"{(1 - eta * 0.22 * SHARE * smallest) ** 2:.4f}",
                "relative_drift_of_XX-YY": f"{np.linalg.norm(drift) / np.linalg.norm(gram):.1e}",
            }
        )
    return rows


def write(name: str, rows: list[dict[str, object]]) -> None:
    path = RESULTS / name
    with path.open("w", newline="") as file:
        file.write("# python papers/generalized-latent-factors/solvers.py (n=1000, p=500, r=2, pi=.5, logit, seed 0)\n")
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    RESULTS.mkdir(exist_ok=True)
    write("solvers.csv", solver_table())
    write("descent.csv", descent_table())
