"""What scores are worth where right answers are reported more often than wrong ones.

Writes results/missing_study.csv: ``python benchmarks/missing_study.py [repetitions]``.
"""

from __future__ import annotations

import csv
import sys
import warnings
from pathlib import Path

import numpy as np

import halfseen as hs

RESULTS = Path(__file__).parent / "results" / "missing_study.csv"
REPETITIONS = 2
RATIOS = (1.0, 1.5, 2.0, 3.0)
N, P, SEEN = 150, 40, 0.6


def one_table(ratio: float, seed: int) -> tuple[float, float, float]:
    """Share of 95 % score intervals that hold, mean error of the scores, and whether the fit said something."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, 1))
    chance = 1.0 / (1.0 + np.exp(-(x + rng.normal(size=P))))
    answers = (rng.random((N, P)) < chance).astype(float)
    table = np.where(rng.random((N, P)) < np.where(answers > 0, SEEN, SEEN / ratio), answers, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = hs.GeneralizedFactorModel(1, "bernoulli", penalty="map", random_state=0).fit(table)
        scores = model.inference().scores()
    truth = chance.mean(axis=1)
    held = float(np.mean((scores.low <= truth) & (truth <= scores.high)))
    told = any("entries (corr" in text or "not missing" in text for text in model.warnings_)
    return held, float(np.mean(scores.estimate - truth)), float(told)


def main(repetitions: int) -> None:
    """A line per ratio of the chances that right and wrong answers are seen."""
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["right over wrong answers seen", "scores held", "mean error", "said at fit", "tables"])
        for ratio in RATIOS:
            means = np.mean([one_table(ratio, seed) for seed in range(repetitions)], axis=0)
            writer.writerow([ratio, *(f"{mean:.3f}" for mean in means), repetitions])
            file.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else REPETITIONS)
