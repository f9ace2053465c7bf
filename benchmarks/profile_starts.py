"""L-BFGS on the columns' profile against alternating Newton and Newton-CG: the same logistic tables, ten starts each.

    python benchmarks/profile_starts.py --per-row 20 --ridge 1 [--starts 10]

From each random start every solver runs until three sweeps take off less than 1e-9 of the value; a line says how many
readings of the entries and CPU seconds it took to its end, and to within 1e-3 and 1e-4 of its end, and where it ended.
A reading is a round of the profile, a sweep of alternating Newton, a gradient or a product of Newton-CG.
Lines go into benchmarks/results/profile_starts.csv.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import halfseen as hs
from halfseen.engines import EntryPasses
from halfseen.engines.placement import place
from halfseen.losses import get_loss
from halfseen.methods.factor.factors import FactorPoint
from halfseen.methods.factor.problem import FactorPenalty, FactorProblem
from halfseen.solvers import AlternatingNewton, NewtonCG, loop
from halfseen.solvers.block_profile import BlockProfile, ColumnPenalty, ProfileVisit

RESULTS = Path(__file__).parent / "results" / "profile_starts.csv"
FIELDS = ("family", "rows", "cols", "per_row", "ridge", "rank", "start", "solver", "readings", "cpu_s", "value",
          "readings_to_1e-3", "cpu_s_to_1e-3", "readings_to_1e-4", "cpu_s_to_1e-4")  # fmt: skip
ROWS, COLS, RANK = 2000, 200, 4
MOST = {"phi": 400, "alternating": 800, "newton-cg": 150}


def table_of(per_row: int, folder: Path) -> hs.PreparedTable:
    """Yes/no answers of a logistic model of rank four, ``per_row`` of every row seen."""
    rng = np.random.default_rng(per_row)
    M = rng.normal(size=(ROWS, RANK)) @ rng.normal(size=(RANK, COLS)) / np.sqrt(RANK) * 1.5 + rng.normal(size=COLS)
    cols = rng.permuted(np.tile(np.arange(COLS), (ROWS, 1)), axis=1)[:, :per_row]
    i, j = np.repeat(np.arange(ROWS), per_row), cols.ravel()
    y = (rng.random(len(i)) < 1.0 / (1.0 + np.exp(-M[i, j]))).astype(float)
    pq.write_table(pa.table({"row": i, "col": j, "value": y}), folder / "raw.parquet")
    return hs.prepare(folder / "raw.parquet", folder / "table", blocks=4, dtype="float64")


class Watch:
    """CPU seconds, readings and values along a run; stops where little is gained."""

    def __init__(self, start: float, readings: Any) -> None:
        self.readings, self.begun = readings, time.process_time()
        self.lines, self.last, self.quiet = [(0.0, 0.0, start)], start, 0

    def __call__(self, iteration: int, result: Any) -> str | None:
        self.lines.append((time.process_time() - self.begun, self.lines[-1][1] + self.readings(result), result.value))
        self.quiet = self.quiet + 1 if self.last - result.value <= 1e-9 * abs(result.value) else 0
        self.last = result.value
        return "change" if self.quiet >= 3 else None

    def told(self) -> dict[str, Any]:
        seconds, readings, values = np.array(self.lines).T
        end, told = values[-1], {}
        for name in ("1e-3", "1e-4"):
            first = int(np.argmax(values <= end + float(name) * abs(end)))
            told |= {f"readings_to_{name}": round(readings[first], 1), f"cpu_s_to_{name}": round(seconds[first], 3)}
        return {
            "readings": round(readings[-1], 1),
            "cpu_s": round(seconds[-1], 3),
            "value": round(float(end), 4),
        } | told


def compare(table: hs.PreparedTable, ridge: float, start: int) -> list[dict[str, Any]]:
    """All solvers from one start: random columns, rows at their minimum given these."""
    rng, whole = np.random.default_rng(start), table.load()
    penalty = FactorPenalty(ridge, ridge, 0.0)
    visit = ProfileVisit("bernoulli", 1.0, ridge)
    profile = BlockProfile(place(table, "serial"), visit, ColumnPenalty(ridge, ridge, 0.0))
    C = np.column_stack([0.5 * rng.standard_normal((COLS, RANK)), np.zeros(COLS)])
    X = visit.rows(whole.by_rows, C)[0][:, :-1]
    problem = FactorProblem(EntryPasses(whole, get_loss("bernoulli"), "serial"), RANK, penalty)
    theta = problem.pack(FactorPoint(C[:, -1], X, C[:, :-1]))
    begun, lines = profile.start(C), []
    sweeps = {
        "phi": (profile, begun, lambda result: result.work / 2.0),
        "alternating": (AlternatingNewton(problem), theta, lambda result: 1.0),
        "newton-cg": (NewtonCG(problem), theta, lambda result: result.work),
    }
    for name, (sweep, point, readings) in sweeps.items():
        watch = Watch(float(begun.value), readings)
        loop(sweep, point, [watch], max_iter=MOST[name])
        lines.append({"start": start, "solver": name} | watch.told())
    return lines


def main() -> None:
    """Compare on one kind of table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--per-row", type=int, default=20)
    parser.add_argument("--ridge", type=float, default=1.0)
    parser.add_argument("--starts", type=int, default=10)
    given = parser.parse_args()
    about = {
        "family": "bernoulli",
        "rows": ROWS,
        "cols": COLS,
        "per_row": given.per_row,
        "ridge": given.ridge,
        "rank": RANK,
    }
    with tempfile.TemporaryDirectory() as folder:
        table = table_of(given.per_row, Path(folder))
        for start in range(given.starts):
            keep([about | line for line in compare(table, given.ridge, start)])


def keep(lines: list[dict[str, Any]]) -> None:
    """New lines in the place of those of the same case."""
    known = list(csv.DictReader(RESULTS.open())) if RESULTS.exists() else []
    case = ("per_row", "ridge", "start", "solver")
    new = [{name: str(value) for name, value in line.items()} for line in lines]
    cases = {tuple(line[name] for name in case) for line in new}
    kept = [line for line in known if tuple(line[name] for name in case) not in cases]
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*kept, *new])


if __name__ == "__main__":
    main()
