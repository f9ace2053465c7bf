"""Coverage of entries and scores of the factor model on small and thin tables of yes/no answers.

Writes results/small_tables_study.csv after every table: ``python benchmarks/small_tables_study.py [repetitions]``.

Truth: one factor with slopes and intercepts of their own. Each cell of the study asks for 30 tables; the column
"tables" says how many were reached.
"""

from __future__ import annotations

import csv
import sys
import warnings
from pathlib import Path

import numpy as np

import halfseen as hs

RESULTS = Path(__file__).parent / "results" / "small_tables_study.csv"
REPETITIONS = 30
# Rows, columns, share of cells seen.
CELLS = {
    "50x20, 70 %": (50, 20, 0.7),
    "2000x8, 85 %": (2000, 8, 0.85),
    "100x100, 50 %": (100, 100, 0.5),
    "2000x20, 70 %": (2000, 20, 0.7),
    "200x40, 60 %": (200, 40, 0.6),
}
HELD = ("entries held", "scores held", "refused")


def one_table(n: int, p: int, share: float, seed: int) -> dict[str, float]:
    """Shares of 95 % intervals that hold, for all entries and all scores, on one table."""
    rng = np.random.default_rng([n, p, seed])
    slopes, intercepts = rng.lognormal(0.0, 0.4, p), rng.normal(size=p)
    chance = 1.0 / (1.0 + np.exp(-(rng.normal(size=(n, 1)) * slopes + intercepts)))
    answers = (rng.random((n, p)) < chance).astype(float)
    table = np.where(rng.random((n, p)) < share, answers, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = hs.GeneralizedFactorModel(family="bernoulli", random_state=0).fit(table)
        try:
            i = model.inference()
            some = rng.permutation(n * p)[:4000]
            entries, scores = i.entries(some // p, some % p), i.scores()
        except ValueError:
            return {"entries held": np.nan, "scores held": np.nan, "refused": 1.0}
    truth = chance.ravel()[some]
    return {
        "entries held": float(np.mean((entries.low <= truth) & (truth <= entries.high))),
        "scores held": float(np.mean((scores.low <= chance.mean(axis=1)) & (chance.mean(axis=1) <= scores.high))),
        "refused": 0.0,
    }


def main(repetitions: int) -> None:
    """Tables of all cells in turn, so that a study cut short has as many of each."""
    lines: dict[str, list[dict[str, float]]] = {name: [] for name in CELLS}
    for seed in range(repetitions):
        for name, cell in CELLS.items():
            lines[name].append(one_table(*cell, seed))
            with RESULTS.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(["table", *HELD, "tables"])
                for done, values in lines.items():
                    means = [np.nanmean([one[what] for one in values]) if values else np.nan for what in HELD]
                    writer.writerow([done, *(f"{mean:.3f}" for mean in means), len(values)])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else REPETITIONS)
