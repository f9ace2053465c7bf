"""Coverage of nominal 95 % intervals of the further families on simulated tables; writes family_coverage.csv.

Run: python examples/results/family_coverage.py [repetitions]   (five by default; a quarter of an hour)
"""

from __future__ import annotations

import csv
import sys
import warnings
from pathlib import Path

import numpy as np

import halfseen as hs
from halfseen.metrics import coverage

N, P, RANK, SHARE = 400, 400, 2, 0.5
SIX = ["gaussian", "bernoulli", "poisson", "ordinal", "negative_binomial", "probit"]
FAMILIES = {
    "probit": "probit",
    "negative_binomial": "negative_binomial",
    "ordinal": "ordinal",
    "mixed": [SIX[j % 6] for j in range(P)],
}
HERE = Path(__file__).resolve().parent


def one(family, seed, penalty):
    """Shares of the truth inside the intervals of one table."""
    data = hs.datasets.make_factor_data(N, P, RANK, family, observed=SHARE, random_state=seed)
    model = hs.GeneralizedFactorModel(RANK, family, penalty=penalty, random_state=0).fit(data.observed)
    i, rng = model.inference(random_state=0), np.random.default_rng(seed)
    turn = np.sign((i.row_factors_estimate * data.row_factors).sum(axis=0))
    a, b = rng.integers(N, size=5000), rng.integers(P, size=5000)
    x, y, z, s = i.row_factors(), i.col_factors(), i.intercepts(), i.scores()
    linear, mean = i.entries(a, b, kind="linear"), i.entries(a, b)
    found = {
        "intercept": coverage(z.low, z.high, data.intercept),
        "row_factors": coverage(x.low, x.high, data.row_factors * turn),
        "col_factors": coverage(y.low, y.high, data.col_factors * turn),
        "linear": coverage(linear.low, linear.high, data.linear[a, b]),
        "mean": coverage(mean.low, mean.high, data.mean[a, b]),
        "score": coverage(s.low, s.high, data.mean.mean(axis=1)),
        "ellipsoid_row": float(i.ellipsoid(np.arange(N)).contains(data.row_factors * turn).mean()),
        "ellipsoid_col": float(i.ellipsoid(np.arange(P), axis="cols").contains(data.col_factors * turn).mean()),
        "slope_row": float(np.sum(i.row_factors_estimate * turn * data.row_factors) / np.sum(data.row_factors**2)),
        "thresholds": "",
    }
    if family == "ordinal":
        tau = i.thresholds()
        found["thresholds"] = coverage(tau.low, tau.high, data.loss.cuts - data.intercept[:, None])
    return found


def mean_of(runs, what):
    """Mean over the tables."""
    return round(float(np.mean([run[what] for run in runs])), 4)


def main(repetitions: int = 5) -> None:
    """Every family, without a penalty (bias-corrected) and with the empirical-Bayes ridge."""
    warnings.simplefilter("ignore", UserWarning)
    lines = []
    for name, family in FAMILIES.items():
        for penalty in ("none", "map"):
            runs = [one(family, seed, penalty) for seed in range(repetitions)]
            pooled = {what: "" if runs[0][what] == "" else mean_of(runs, what) for what in runs[0]}
            config = {"family": name, "penalty": penalty, "n": N, "p": P, "share": SHARE, "tables": repetitions}
            lines.append(config | pooled)
            with (HERE / "family_coverage.csv").open("w", newline="", encoding="utf-8") as file:
                file.write("# python examples/results/family_coverage.py (seeds 0 to 4)\n")
                table = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
                table.writeheader()
                table.writerows(lines)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
