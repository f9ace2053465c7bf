"""Tables larger than memory: CPU time an entry of a round in memory and streamed, and peak memory.

    python benchmarks/blocks.py --entries 1000000

Writes a line per place into benchmarks/results/blocks.csv: a synthetic table is dealt out as Parquet and prepared; then
least squares (rank 16) and the factor model (gaussian, rank 4) run a few iterations each, places taking turns.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import halfseen as hs

RESULTS = Path(__file__).parent / "results" / "blocks.csv"
FIELDS = ("entries", "rows", "cols", "model", "place", "rounds", "cpu_ns_per_entry_and_round", "over_memory", "peak_mb")
PER_ROW, COLS, ITERATIONS = 60, 2000, 5


def write_parquet(folder: Path, entries: int, seed: int = 0) -> None:
    """Ratings of a rank-two table with noise, a million entries a file."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    Y, n = rng.normal(size=(COLS, 2)).astype(np.float32), entries // PER_ROW
    for part, first in enumerate(range(0, n, 1_000_000 // PER_ROW)):
        rows = np.arange(first, min(first + 1_000_000 // PER_ROW, n))
        X = rng.normal(size=(len(rows), 2)).astype(np.float32)
        cols = rng.permuted(np.tile(np.arange(COLS), (len(rows), 1)), axis=1)[:, :PER_ROW]
        values = np.einsum("ik,ijk->ij", X, Y[cols]) + 0.5 * rng.standard_normal(cols.shape)
        columns = {"row": np.repeat(rows, PER_ROW), "col": cols.ravel(), "value": values.ravel().astype(np.float32)}
        pq.write_table(pa.table(columns), folder / f"{part:04d}.parquet")


MODELS = {
    "als 16": lambda: hs.AlternatingLeastSquares(16, penalty=0.5, max_iter=ITERATIONS, random_state=0),
    "factor 4": lambda: hs.GeneralizedFactorModel(4, penalty=1.0, max_iter=ITERATIONS, random_state=0),
}


def measured(name: str, table: object) -> tuple[int, float]:
    """Rounds, and CPU seconds of a fit."""
    import warnings

    begun = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MODELS[name]().fit(table)
    return max(1, round(model.run_.work / 2)), time.process_time() - begun


def main() -> None:
    """Measure one size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as base:
        write_parquet(Path(base) / "raw", given.entries)
        whole = hs.prepare(Path(base) / "raw", Path(base) / "table", blocks=max(8, given.entries // 1_000_000))
        places = {"streamed": hs.read_table(whole.folder, memory=1), "blocks in memory": hs.read_table(whole.folder)}
        lines = []
        for name in MODELS:
            best: dict[str, tuple[int, float]] = {}
            for table in places.values():
                measured(name, table)  # the first fit of a process compares checksums and loads libraries
            for _ in range(given.repeats):
                for place, table in places.items():
                    best[place] = min(best.get(place, (0, np.inf)), measured(name, table), key=lambda pair: pair[1])
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            if name == "als 16":  # the same iterations on the table in memory, last: it raises the peak
                best["table in memory"] = min(
                    (measured(name, whole.load()) for _ in range(given.repeats)), key=lambda pair: pair[1]
                )
            base_time = best.get("table in memory", best["blocks in memory"])[1]
            for place, (rounds, seconds) in best.items():
                cost = 1e9 * seconds / rounds / whole.n_entries
                ratio = round(seconds / base_time, 3)
                lines.append((whole.n_entries, *whole.shape, name, place, rounds, round(cost, 1), ratio, round(peak)))
    known = list(csv.DictReader(RESULTS.open())) if RESULTS.exists() else []
    known = [line for line in known if int(line["entries"]) != given.entries // PER_ROW * PER_ROW]
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows([*known, *(dict(zip(FIELDS, line, strict=True)) for line in lines)])
    print(*lines, sep=os.linesep)


if __name__ == "__main__":
    main()
