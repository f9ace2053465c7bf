"""Run benchmarks and print their table: ``python benchmarks/run.py [NAME ...] [--out FILE.csv]``.

Names: 1 2 3 4 4-10M 5 6 7 8 9 (the rows of the table of goals) 10 11 12 13 14 15 16 16-gaussian 16-small 17-saving
17-batch 17-ordinal 17-page 17-rank 17-sources 17-one-sided; none means all. One thread unless the row says
so.
"""

# ruff: noqa: E402
from __future__ import annotations

import os

# Before NumPy: one thread for every contestant.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import csv
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import rows_als
import rows_evals
import rows_factor
import rows_inductive
import rows_inference
import rows_kernel
import rows_pairs
import rows_race
import rows_response
import rows_sources
import rows_system
import rows_waits
from measure import Line, machine_facts

ROWS: dict[str, Callable[[], Iterator[Line]]] = {
    "1": rows_kernel.goal_1,
    "2": rows_kernel.goal_2,
    "3": rows_kernel.goal_3,
    "4": lambda: rows_als.goal_4("1M", 5),
    "4-10M": lambda: rows_als.goal_4("10M", 2),
    "5": lambda: rows_race.goal_5(2),
    "6": lambda: rows_system.goal_6(str(HERE)),
    "7": rows_system.goal_7,
    "8": lambda: rows_pairs.goal_8(str(HERE)),
    "9": rows_system.goal_9,
    "10": rows_inference.intervals,
    "11": rows_inference.draws,
    "12": rows_inductive.goal_12,
    "13": rows_sources.goal_13,
    "14": rows_evals.goal_14,
    "15": lambda: rows_response.goal_15(str(HERE)),
    "16": rows_factor.in_passes,
    "16-gaussian": rows_factor.over_least_squares,
    "16-small": rows_factor.small,
    "17-saving": rows_waits.saving,
    "17-batch": rows_waits.batch,
    "17-ordinal": rows_waits.ordinal,
    "17-page": rows_waits.page,
    "17-rank": rows_waits.rank,
    "17-sources": rows_waits.sources,
    "17-one-sided": rows_waits.one_sided,
}
FIELDS = ("row", "what", "floor", "aim", "measured", "unit", "verdict", "note")


def number(value: float | None) -> str:
    """Three significant digits, or a dash."""
    return "-" if value is None else f"{value:.3g}"


def show(line: Line) -> None:
    """One line of the table."""
    sign = "<=" if line.is_upper else ">="
    goals = f"{sign} {number(line.floor):>5} {sign} {number(line.aim):>5}" if line.floor or line.aim else " " * 17
    measured = f"{number(line.measured):>7} {line.unit:<3}"
    print(f"{line.row:<3}{line.what:<58}{goals}  {measured} {line.verdict:<14} {line.note}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"rows to run: {' '.join(ROWS)}")
    parser.add_argument("--out", type=Path, help="CSV to write; the machine's facts go beside it as JSON")
    parser.add_argument("--keep", action="store_true", help="keep the file's lines of rows that are not run now")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in ROWS]
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}; known: {' '.join(ROWS)}")
    lines = []
    print(f"{'':3}{'':58}{'floor':>8} {'aim':>8}  {'measured':>10}")
    for name in options.names or ROWS:
        for line in ROWS[name]():
            show(line)
            lines.append(line)
    if options.out:
        names = options.names or list(ROWS)
        write(lines, options.out, names, _kept(options.out, {line.what for line in lines}) if options.keep else [])


def _kept(path: Path, measured: set[str]) -> list[list[str]]:
    """Lines of an earlier run, without those that were measured now."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [[line[field] for field in FIELDS] for line in csv.DictReader(file) if line["what"] not in measured]


def write(lines: list[Line], path: Path, names: list[str], kept: list[list[str]]) -> None:
    """The table after the lines kept, and what it depends on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(FIELDS)
        table.writerows(kept)
        for line in lines:
            goals = [number(x) for x in (line.floor, line.aim, line.measured)]
            table.writerow([line.row, line.what, *goals, line.unit, line.verdict, line.note])
    command = f"python benchmarks/run.py {' '.join(names)} --out {path.name}"
    facts = {"command": command, "threads": 1, **machine_facts()}
    path.with_suffix(".json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
