"""Curves over the size of a table: least squares (rank 16) in memory, out of core and on Dask, CPU and peak memory.

    python benchmarks/scale.py --entries 1e7 --folder scratch/ [--places memory streamed dask-1 dask-2] [--memory 1GB]

A synthetic Parquet data set of any size is written (``synthetic``), prepared, and fitted by one process for each place,
whose peak memory is its own; a line for each goes into benchmarks/results/scale.csv. The prepared table stays in the
folder, so that further places need no second one. ``--model`` fits the cost model of docs/scaling.md to these lines.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results" / "scale.csv"
FIELDS = (
    "entries", "rows", "cols", "blocks", "place", "rounds", "cpu_ns_per_entry_and_round", "wall_ns_per_entry_and_round",
    "peak_mb", "load",
)  # fmt: skip
PER_ROW, FILE_ENTRIES, MEGABYTE = 64, 4_000_000, 1 << 20


def synthetic(folder: Path, entries: int, cols: int, seed: int = 0) -> None:
    """Ratings of a rank-two table with noise as a Parquet data set of four million entries a file, of any size.

    Rows have 64 entries in different columns and come in no order; a file is made from its number and the seed.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    Y = np.random.default_rng([seed, 0]).normal(size=(cols, 2)).astype(np.float32)
    strides = np.arange(1, cols)[np.gcd(np.arange(1, cols), cols) == 1]
    n_rows, height = entries // PER_ROW, FILE_ENTRIES // PER_ROW
    for part, first in enumerate(range(0, n_rows, height)):
        rng = np.random.default_rng([seed, 1 + part])
        rows = rng.permutation(np.arange(first, min(first + height, n_rows)))
        steps = rng.choice(strides, len(rows))[:, None] * np.arange(PER_ROW)
        places = (rng.integers(cols, size=(len(rows), 1)) + steps) % cols
        X = rng.standard_normal((len(rows), 2), np.float32)
        values = np.einsum("ik,ijk->ij", X, Y[places]) + 0.5 * rng.standard_normal(places.shape, np.float32)
        columns = {"row": np.repeat(rows, PER_ROW), "col": places.ravel().astype(np.int32), "value": values.ravel()}
        pq.write_table(pa.table(columns), folder / f"{part:05d}.parquet")


def table_of(folder: Path, entries: int, cols: int, blocks: int) -> tuple[Path, dict[str, float]]:
    """The prepared table of a size, made where it is not there yet, and the CPU time an entry that this took."""
    import halfseen as hs

    target, took = folder / f"table-{entries}", folder / f"table-{entries}.json"
    if not took.exists():
        shutil.rmtree(target, ignore_errors=True)
        raw = folder / f"raw-{entries}"
        begun = time.process_time()
        synthetic(raw, entries, cols)
        written = time.process_time()
        hs.prepare(raw, target, blocks=blocks)
        done = time.process_time()
        shutil.rmtree(raw)
        took.write_text(
            json.dumps({"write": 1e9 * (written - begun) / entries, "prepare": 1e9 * (done - written) / entries})
        )
    return target, json.loads(took.read_text())


def fitted(table: Any, iterations: int) -> dict[str, float]:
    """CPU (this process and Dask's workers) and wall seconds of a fit, and its rounds."""
    import halfseen as hs

    warnings.simplefilter("ignore")
    begun, wall = time.process_time(), time.perf_counter()
    model = hs.AlternatingLeastSquares(16, penalty=0.5, max_iter=iterations, random_state=0).fit(table)
    rounds = iterations + (1 if hasattr(model, "stored_rows_") else 0)
    return {"rounds": rounds, "cpu": time.process_time() - begun, "wall": time.perf_counter() - wall}


def measure(place: str, folder: str, memory: str, iterations: int) -> dict[str, float]:
    """One place, in this process; Dask's workers are processes of their own, whose times and memory are added."""
    import halfseen as hs

    if not place.startswith("dask"):
        table: Any = hs.read_table(folder, memory=memory if place == "streamed" else "64GB")
        table = table.load() if place == "memory" else table
        told = fitted(table, iterations)
        return told | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    import dask
    import distributed

    settings = {"n_workers": int(place[5:]), "threads_per_worker": 1, "dashboard_address": ":0", "memory_limit": 0}
    # Dask's setting of the memory allocator costs a third more time an iteration
    dask.config.set({"distributed.nanny.pre-spawn-environ": {"OMP_NUM_THREADS": 1, "OPENBLAS_NUM_THREADS": 1}})
    with distributed.LocalCluster(processes=True, **settings) as local, distributed.Client(local) as client:
        before = sum(client.run(time.process_time).values())
        with hs.engine(client):
            told = fitted(hs.read_table(folder), iterations)
        told["cpu"] += sum(client.run(time.process_time).values()) - before
        peaks = client.run(lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return told | {"peak_mb": max(peaks.values())}


def main() -> None:
    """Measure one size at some places."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=float, default=1e6)
    parser.add_argument("--folder", type=Path, default=Path())
    parser.add_argument("--model", action="store_true", help="Fit the cost model to the tracked lines, and end.")
    parser.add_argument("--places", nargs="+", default=["memory", "blocks", "streamed", "dask-1", "dask-2"])
    parser.add_argument("--memory", default="1GB")
    parser.add_argument("--cols", type=int, default=20_000)
    parser.add_argument("--blocks", type=int, default=0)
    parser.add_argument("--iterations", type=int, default=4)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.model:
        print(*model(), sep=os.linesep)
        return
    if given.one:
        print(json.dumps(measure(given.one, str(given.folder), given.memory, given.iterations)))
        return
    entries = int(given.entries) // PER_ROW * PER_ROW
    blocks = given.blocks or max(4, 2 ** int(np.ceil(np.log2(max(entries / 2_000_000, 1)))))
    folder, took = table_of(given.folder, entries, given.cols, blocks)
    lines = [
        (entries, entries // PER_ROW, given.cols, blocks, name, 1, round(cost, 1), "", "", load())
        for name, cost in took.items()
    ]
    for place in given.places:
        command = [sys.executable, __file__, "--folder", str(folder), "--one", place, "--memory", given.memory]
        out = subprocess.run([*command, "--iterations", str(given.iterations)], capture_output=True, text=True)
        if out.returncode:
            raise SystemExit(out.stderr)
        told = json.loads(out.stdout.splitlines()[-1])
        each = 1e9 / told["rounds"] / entries
        cost = round(told["cpu"] * each, 1), round(told["wall"] * each, 1)
        lines.append(
            (
                entries,
                entries // PER_ROW,
                given.cols,
                blocks,
                place,
                told["rounds"],
                *cost,
                round(told["peak_mb"]),
                load(),
            )
        )
        print(*lines[-1], flush=True)
    keep(lines)


def model() -> list[str]:
    """CPU seconds of a fit on blocks: once, an entry and round, a column and round; and how far off each line is."""
    lines = [line for line in csv.DictReader(RESULTS.open()) if line["place"] in ("blocks", "streamed")]
    entries, cols, rounds, cost = (
        np.array([float(line[name]) for line in lines])
        for name in ("entries", "cols", "rounds", "cpu_ns_per_entry_and_round")
    )
    seconds = 1e-9 * cost * entries * rounds
    X = np.column_stack([np.ones(len(lines)), 1e-9 * rounds * entries, 1e-6 * rounds * cols])
    once, entry, column = np.linalg.lstsq(X / seconds[:, None], np.ones(len(lines)), rcond=None)[0]
    told = [f"once {once:.2f} s, an entry and round {entry:.0f} ns, a column and round {column:.1f} us"]
    for line, ratio in zip(lines, X @ [once, entry, column] / seconds, strict=True):
        told.append(f"{line['entries']} {line['place']}: {ratio:.2f} of what was measured")
    return told


def load() -> float:
    """Processes that wait for this machine: times of a busy one are longer."""
    return round(os.getloadavg()[0], 1)


def keep(lines: list[tuple[Any, ...]]) -> None:
    """New lines in the place of those of the same size and place."""
    known = list(csv.DictReader(RESULTS.open())) if RESULTS.exists() else []
    new = [dict(zip(FIELDS, map(str, line), strict=True)) for line in lines]
    places = {(line["entries"], line["place"]) for line in new}
    kept = [line for line in known if (line["entries"], line["place"]) not in places]
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted([*kept, *new], key=lambda line: (int(line["entries"]), line["place"])))


if __name__ == "__main__":
    main()
