"""Coverage of inductive completion's intervals where rows and columns have effects that no feature explains.

    python benchmarks/effects_study.py            # runs what results/effects_study.csv lacks
    python benchmarks/effects_study.py --summary  # only prints means

Linear tables of 150 x 120 with four features a side and rank 2; 2500 of the entries of 120 rows and 90 columns are
seen. Effects of rows and columns have ``effect`` times the standard deviation of what features explain, the noise .2
times.
The penalty is the one by default; free effects of seen rows and columns (``effects``) have no intervals.
Shares of 95 % intervals that hold on new rows with new columns, of means that features explain and of single values: by
default ("clusters"), and as if entries were independent ("model").
"""

# ruff: noqa: E402
from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import csv
import sys
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np

import halfseen as hs

RESULTS = Path(__file__).parent / "results" / "effects_study.csv"
COLUMNS = ("effect", "seed", "variance", "means_hold", "values_hold", "width")
EFFECTS, TABLES = (0.0, 0.15, 0.3, 0.5, 1.0), 12
ROWS, COLS, SEEN = (150, 120), (120, 90), 2500


def one_table(effect: float, seed: int) -> list[tuple[str, float, float, float]]:
    """Shares that hold and mean width, by kind of variance."""
    rng = np.random.default_rng([seed, 7])
    (n, p), (known_rows, known_cols) = ROWS, COLS
    F, G = rng.normal(size=(n, 4)), rng.normal(size=(p, 4))
    truth = (F @ rng.normal(size=(4, 2))) @ (G @ rng.normal(size=(4, 2))).T
    sd = truth.std()
    values = truth + sd * (0.2 * rng.normal(size=truth.shape) + effect * rng.normal(size=(n, 1)))
    values += effect * sd * rng.normal(size=(1, p))
    i, j = np.divmod(rng.choice(known_rows * known_cols, SEEN, replace=False), known_cols)
    given = {"row_features": F, "col_features": G}
    table = hs.Observed.from_triplets(i, j, values[i, j], shape=(n, p))
    model = hs.InductiveCompletion(2, "linear", effects="none", tol=1e-10, max_iter=2000, random_state=0)
    model.fit(table, **given)
    i, j = (part.ravel() for part in np.meshgrid(np.arange(known_rows, n), np.arange(known_cols, p), indexing="ij"))
    found = []
    for variance in ("clusters", "model"):
        inference = model.inference(R=table, **given, variance=variance)
        means, single = inference.entries(F[i], G[j]), inference.responses(F[i], G[j])
        held = hs.metrics.coverage(means.low, means.high, truth[i, j])
        found.append((variance, held, hs.metrics.coverage(single.low, single.high, values[i, j]), means.width.mean()))
    return found


def lines() -> list[dict[str, str]]:
    """What is in the file."""
    if not RESULTS.exists():
        return []
    with RESULTS.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def run() -> None:
    """What the file lacks, table by table."""
    done = {(float(line["effect"]), int(line["seed"])) for line in lines()}
    for seed in range(TABLES):
        for effect in EFFECTS:
            if (effect, seed) in done:
                continue
            is_new, found = not RESULTS.exists(), one_table(effect, seed)
            with RESULTS.open("a", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                if is_new:
                    file.write("# python benchmarks/effects_study.py\n")
                    writer.writerow(COLUMNS)
                for variance, *numbers in found:
                    writer.writerow([effect, seed, variance, *(f"{x:.4f}" for x in numbers)])


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if "--summary" not in sys.argv:
        run()
    groups = defaultdict(list)
    for line in lines():
        groups[line["variance"], line["effect"]].append([float(line[key]) for key in COLUMNS[3:]])
    for key, rows in groups.items():
        print(*key, np.round(np.mean(rows, axis=0), 3).tolist(), len(rows))
