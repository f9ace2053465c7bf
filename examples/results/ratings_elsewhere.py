"""Default and plain Bayesian factorisation on tables that are no film ratings, or are missing at random.

    HALFSEEN_DATA=/path/to/data python examples/results/ratings_elsewhere.py    # runs what the table lacks

Held-out errors in units of the values' standard deviation. "plain" is the model without implicit features and with
equal noise; "both" has implicit features whatever ``implicit="auto"`` would say. Simulated: a low-rank table missing at
random, lecturers rated by few students each (InstEval's sizes), a dense panel of sensors with unequal noise.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import halfseen as hs
from halfseen.datasets import path

OUT = Path(__file__).with_suffix(".csv")
COLUMNS = ("data", "variant", "split", "error", "coverage", "cpu_seconds", "implicit")
VARIANTS = {
    "plain": {"implicit": "none", "noise": "equal", "rank": 16},
    "default": {},
    "both": {"implicit": "both"},
}


def low_rank(n: int, p: int, share: float, noise: np.ndarray, seed: int) -> hs.Observed:
    """Rows and columns with biases and four factors, missing at random."""
    rng = np.random.default_rng(seed)
    truth = np.add.outer(rng.normal(size=n), rng.normal(size=p)) + rng.normal(size=(n, 4)) @ rng.normal(size=(4, p)) / 2
    table = truth + noise[:, None] * rng.normal(size=(n, p))
    return hs.Observed.from_dense(np.where(rng.random((n, p)) < share, table, np.nan))


def magazines() -> hs.Observed:
    """Ratings of magazines: 1.2 per person; of repeated ones the last."""
    with np.load(path("amazon-magazine")) as file:
        users, items, values = (file[name] for name in ("user", "item", "rating"))
    last = np.unique((users.astype(np.int64) * (items.max() + 1) + items)[::-1], return_index=True)[1]
    keep = len(users) - 1 - last
    return hs.Observed.from_triplets(users[keep], items[keep], values[keep].astype(float))


def personality() -> hs.Observed:
    """Three thousand people's answers to fifty statements, half of them hidden at random."""
    with np.load(path("big5")) as file:
        answers = file["response"][:3000].astype(float)
    hidden = np.random.default_rng(0).random(answers.shape) < 0.5
    return hs.Observed.from_dense(np.where(hidden | (answers == 0), np.nan, answers))


TABLES: dict[str, Callable[[], hs.Observed]] = {
    "missing at random": lambda: low_rank(1000, 200, 0.2, np.full(1000, 1.0), 0),
    "lecturers, 25 ratings per student": lambda: low_rank(2972, 1128, 0.022, np.full(2972, 1.2), 1),
    "dense panel, unequal noise": lambda: low_rank(60, 800, 0.9, np.linspace(0.2, 2.0, 60), 2),
    "magazines": magazines,
    "personality": personality,
}


def main() -> None:
    """All variants on all tables and splits; a line is written as soon as it is known."""
    done = set()
    if OUT.exists():
        with OUT.open(newline="") as file:
            lines = csv.DictReader(line for line in file if not line.startswith("#"))
            done = {(row["data"], row["variant"], row["split"]) for row in lines}
    else:
        with OUT.open("w", newline="") as file:
            file.write("# python examples/results/ratings_elsewhere.py (one thread; HALFSEEN_DATA: the data folder)\n")
            csv.writer(file).writerow(COLUMNS)
    for name, make in TABLES.items():
        table = make()
        for split in range(3):
            train, test = table.split(0.1, random_state=split)
            for variant, changes in VARIANTS.items():
                if (name, variant, str(split)) in done:
                    continue
                begun = time.process_time()
                model = hs.BayesianFactorization(random_state=split, precision="float32", **changes).fit(train)
                said = model.inference(0.95).responses(test.rows, test.cols)
                seconds = time.process_time() - begun
                error = hs.metrics.rmse(test.values, said.estimate) / np.std(table.values)
                covered = hs.metrics.coverage(said.low, said.high, test.values)
                row = (name, variant, split, f"{error:.5f}", f"{covered:.4f}", f"{seconds:.2f}", model.implicit_)
                with OUT.open("a", newline="") as file:
                    csv.writer(file).writerow(row)
                print(*row, flush=True)


if __name__ == "__main__":
    main()
