"""Ordered answers of the Big Five questionnaire, a tenth held out: ordinal against the families one would else take.

Run: HALFSEEN_DATA=... python examples/results/ordinal_big5.py   (writes ordinal_big5.csv; the first 3000 people)
"""

from __future__ import annotations

import csv
import time
from pathlib import Path

import numpy as np
from scipy.special import ndtr
from scipy.stats import binom

import halfseen as hs

PEOPLE, RANK = 3000, 5


def chances(name, model, rows, cols, y, train):
    """Probability that a fit gives to each held-out answer, of 1 to 5."""
    if name == "ordinal":
        return model.predict(rows, cols, kind="probabilities")[np.arange(len(y)), (y - 1).astype(int)]
    if name == "binomial(4)":
        return binom.pmf(y - 1, 4, model.predict(rows, cols) / 4)
    mean, sd = model.predict(rows, cols), np.sqrt(model.dispersion_)
    low, high = np.where(y > 1, y - 0.5, -np.inf), np.where(y < 5, y + 0.5, np.inf)
    return ndtr((high - mean) / sd) - ndtr((low - mean) / sd)


def main() -> None:
    """Fit, judge, write."""
    R = hs.datasets.load("big5").take_rows(np.arange(PEOPLE))
    R = hs.Observed(R.by_rows)  # places, not labels
    train, test = R.split(0.1, random_state=0, keep_covered=True)
    lines = []
    for name, shift in (("ordinal", 0.0), ("binomial(4)", -1.0), ("gaussian", 0.0)):
        for rank in (0, RANK):
            begun = time.process_time()
            model = hs.GeneralizedFactorModel(rank, name, penalty="map", random_state=0)
            model.fit(train.with_values(train.values + shift))
            seconds = time.process_time() - begun
            chance = chances(name, model, test.rows, test.cols, test.values, train)
            error = model.predict(test.rows, test.cols) - shift - test.values
            lines.append({
                "family": name, "rank": rank, "log_loss": round(float(-np.mean(np.log(chance))), 4),
                "rmse": round(float(np.sqrt(np.mean(error**2))), 4), "sweeps": model.run_.n_iter,
                "cpu_seconds": round(seconds, 1),
            })  # fmt: skip
            with Path(__file__).with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
                file.write(f"# first {PEOPLE} people of big5, 50 statements, a random tenth held out, penalty='map'\n")
                table = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
                table.writeheader()
                table.writerows(lines)


if __name__ == "__main__":
    main()
