"""Coverage of entries and scores of the factor model on small and thin tables of yes/no answers.

``python benchmarks/small_tables_study.py [tables] [--afresh]`` writes results/small_tables_study.csv after every table;
every table's own figures are kept in results/small_tables.csv, and a study that was cut short goes on from there.

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
from kept_tables import Figures, Place, forget, measured

RESULTS = Path(__file__).parent / "results" / "small_tables_study.csv"
TABLES = RESULTS.with_name("small_tables.csv")
REPETITIONS = 30
# Rows, columns, share of cells seen.
CELLS = {
    "50x20, 70 %": (50, 20, 0.7),
    "2000x8, 85 %": (2000, 8, 0.85),
    "100x100, 50 %": (100, 100, 0.5),
    "2000x20, 70 %": (2000, 20, 0.7),
    "200x40, 60 %": (200, 40, 0.6),
}
HELD = ("entries held", "scores held", "refused", "no free fit")


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
            return {"entries held": np.nan, "scores held": np.nan, "refused": 1.0, "no free fit": 1.0}
    truth = chance.ravel()[some]
    return {
        "entries held": float(np.mean((entries.low <= truth) & (truth <= entries.high))),
        "scores held": float(np.mean((scores.low <= chance.mean(axis=1)) & (chance.mean(axis=1) <= scores.high))),
        "refused": 0.0,
        "no free fit": float(any("does not exist" in text for text in i.warnings_)),
    }


def main(repetitions: int, is_afresh: bool) -> None:
    """Tables of all cells in turn, so that a study cut short has as many of each."""
    if is_afresh:
        forget(TABLES, CELLS)
    for seed in range(repetitions):
        summarise(measured(TABLES, [(name, seed) for name in CELLS], lambda name, seed: one_table(*CELLS[name], seed)))


def summarise(tables: dict[Place, Figures]) -> None:
    """A line per cell: means over its tables."""
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["table", *HELD, "tables"])
        for name in CELLS:
            own = [figures for (kind, _), figures in tables.items() if kind == name]
            means = [np.nanmean([each[what] for each in own]) for what in HELD]
            writer.writerow([name, *(f"{mean:.3f}" for mean in means), len(own)])


if __name__ == "__main__":
    counts = [int(word) for word in sys.argv[1:] if word.isdigit()]
    main(counts[0] if counts else REPETITIONS, "--afresh" in sys.argv)
