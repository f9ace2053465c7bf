"""How long boards take: ``python benchmarks/board_speed.py [NAME ...]`` writes results/board_speed.csv.

CPU seconds of one thread from the answers to the board's table, in a fresh process, and the peak of its memory. Half of
the cells of PSN-IRT (12 x 41 871) and of 60 x 500 of SWE-bench Verified (both need HALFSEEN_DATA); a tenth of a made-up
table of 500 x 100 000.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

TARGET = Path(__file__).parent / "results" / "board_speed.csv"
COLUMNS = ("table", "cpu_seconds", "asked_seconds", "before_seconds", "peak_gigabytes", "asked_gigabytes")
# asked: half of the seconds of the first version with a board; 60 s and 4 GB for the largest
ASKED = {"psn_irt": ("33", "66", ""), "verified_60": ("3.25", "6.5", ""), "made_up_500": ("60", "", "4")}
MEASURE = """
import json, os, resource, time, warnings
import numpy as np
import halfseen as hs

warnings.simplefilter("ignore")
rng, name = np.random.default_rng(0), {name!r}
if name == "made_up_500":
    n, p = 500, 100_000
    cells = np.sort(rng.choice(n * p, n * p // 10, replace=False))
    rows, cols = (cells // p).astype(np.int32), (cells % p).astype(np.int32)
    ability, difficulty = rng.normal(size=n), rng.normal(size=p)
    right = (rng.random(len(cells)) < 1 / (1 + np.exp(difficulty[cols] - ability[rows]))).astype(float)
    R = hs.Observed.from_triplets(rows, cols, right, shape=(n, p))
    del cells, rows, cols, right
else:
    file, key = {{"psn_irt": ("psn_irt_12x41871.npz", "response"), "verified_60": ("swebench_verified.npz", "X")}}[name]
    X = np.load(os.path.join(os.environ["HALFSEEN_DATA"], "llm", file), allow_pickle=True)[key].astype(float)[:60]
    R = hs.Observed.from_dense(np.where(rng.random(X.shape) < 0.5, X, np.nan))
hs.Board(hs.Observed.from_dense(np.where(rng.random((6, 30)) < 0.5, 1.0, np.nan) * (rng.random((6, 30)) < 0.5))).table()
start = time.process_time()
hs.Board(R).table()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps([time.process_time() - start, peak]))
"""


def main(names: list[str]) -> None:
    """Measure these and keep the other lines."""
    lines = {}
    if TARGET.exists():
        with TARGET.open(newline="", encoding="utf-8") as file:
            lines = {line[0]: line for line in list(csv.reader(file))[1:]}
    for name in names:
        result = subprocess.run(
            [sys.executable, "-c", MEASURE.format(name=name)], capture_output=True, text=True, check=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        seconds, peak = json.loads(result.stdout)
        asked, before, memory = ASKED[name]
        lines[name] = [name, f"{seconds:.2f}", asked, before, f"{peak:.2f}", memory]
        print(*lines[name], flush=True)
        with TARGET.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *(lines[key] for key in ASKED if key in lines)])


if __name__ == "__main__":
    main(sys.argv[1:] or list(ASKED))
