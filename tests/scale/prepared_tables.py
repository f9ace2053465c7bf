"""Raw files of a small table, with what it is, for tests of prepared tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

N, P = 60, 17


def entries(seed=0):
    """Shuffled entries of a table of rank two with text labels."""
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(N, 2)) @ rng.normal(size=(2, P)) + rng.normal(size=P) + 0.1 * rng.normal(size=(N, P))
    seen = np.flatnonzero(rng.random(N * P) < 0.6)
    rng.shuffle(seen)
    i, j = seen // P, seen % P
    rows = np.array([f"user {number:03d}" for number in range(N)])
    cols = np.array([f"film {number:02d}" for number in range(P)])
    return rows[i], cols[j], dense[i, j].astype(np.float32)


def write_raw(folder: Path, labels, kind: str) -> Path:
    """Three files of a third of the entries each."""
    folder.mkdir(parents=True)
    rows, cols, values = labels
    for number, part in enumerate(np.array_split(np.arange(len(rows)), 3)):
        table = pa.table({"user": pa.array(rows[part]), "film": pa.array(cols[part]), "stars": pa.array(values[part])})
        path = folder / f"{number}.{kind}"
        pq.write_table(table, path) if kind == "parquet" else csv.write_csv(table, path)
    return folder
