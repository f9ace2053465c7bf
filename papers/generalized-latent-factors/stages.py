"""Errors of the three stages over signal strength and share seen (the setting of the paper's Figure 1).

Writes ``results/stages.csv`` beside this file:

    python papers/generalized-latent-factors/stages.py [REPETITIONS]

``error`` is the relative Frobenius error of the linear predictor, ``worst row`` the largest row error of X after
alignment over the root mean square row length of the truth. ``final`` is Firth's fit, ``default`` the model as users
get it.
"""

from __future__ import annotations

import csv
import sys
import warnings
from pathlib import Path

import numpy as np

import halfseen as hs
from halfseen.linalg import row_errors

RESULTS = Path(__file__).parent / "results"
STRENGTHS, SHARES = (0.3, 0.5, 0.7, 1.0), (0.1, 0.2, 0.35, 0.5, 0.7, 0.9)


def errors(factors: object, data: hs.datasets.FactorData) -> tuple[float, float]:
    """Relative Frobenius error and relative worst row."""
    truth = data.linear
    every = slice(None)
    length = np.sqrt(np.mean(np.sum(data.row_factors**2, axis=1)))
    return (
        float(np.linalg.norm(factors.block(every, every) - truth) / np.linalg.norm(truth)),
        float(row_errors(factors.rows, data.row_factors).max() / length),
    )


def cell(strength: float, share: float, seed: int) -> dict[str, float]:
    """One repetition: every stage of the unpenalised fit, and the default fit."""
    data = hs.datasets.make_factor_data(
        1000, 500, rank=2, family="bernoulli", strength=strength, observed=share, random_state=seed
    )
    firth = hs.GeneralizedFactorModel(2, "bernoulli", penalty="none", random_state=seed).fit(data.observed)
    default = hs.GeneralizedFactorModel(2, "bernoulli", random_state=seed).fit(data.observed)
    found: dict[str, float] = {"converged": float(firth.run_.converged), "map": float(default.penalty_.ridge > 0)}
    for name, stage in {**firth.stages_, "default": default.stages_["final"]}.items():
        found[f"error {name}"], found[f"worst row {name}"] = errors(stage, data)
    null = np.linalg.norm(data.linear + 0.6) / np.linalg.norm(data.linear)
    return {"error without factors": float(null), **found}


def main(repetitions: int) -> None:
    rows = []
    for strength in STRENGTHS:
        for share in SHARES:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # cells without information warn, as they should
                many = [cell(strength, share, seed) for seed in range(repetitions)]
            means = {name: f"{np.mean([one[name] for one in many]):.3f}" for name in many[0]}
            rows.append({"lambda": strength, "pi": share, "repetitions": repetitions, **means})
            print(rows[-1], flush=True)
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / "stages.csv").open("w", newline="") as file:
        file.write(f"# python papers/generalized-latent-factors/stages.py {repetitions} (n=1000, p=500, r=2, logit)\n")
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
