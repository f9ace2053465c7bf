"""Predictions and completed tables of models of prepared tables: one file a block, written where the block lies."""

from __future__ import annotations

import copy
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from halfseen._typing import IntArray
from halfseen.data.prepared import PreparedTable, opened_lately
from halfseen.engines import resolve

# Cells that are predicted at once.
CELLS_AT_ONCE = 1 << 21


def write_table(
    model: Any, folder: str | os.PathLike[str], cols: Any = None, keep_seen: bool = False, engine: Any = None
) -> list[Path]:
    """Predict all rows of the prepared table that a model was fitted to, block by block, into Parquet files.

    Parameters
    ----------
    model : estimator that was fitted to a prepared table
    folder : path
        New, or empty; seen by all workers where the engine has some.
    cols : labels, optional
        Of the columns; all where not given.
    keep_seen : bool
        Complete the table: cells that were seen keep their values.
    engine : str, Engine or None
        None is that of the model, or of the surrounding ``with hs.engine(...)``.

    Returns
    -------
    list of Path
        One file a block with the columns ``row``, ``col`` and ``predicted`` (``keep_seen``: ``value`` and ``seen``).

    Raises
    ------
    ValueError
        For a model of a table in memory, and a folder that holds something.

    Notes
    -----
    O(cells) time; memory of a block and of two million cells a worker.
    """
    if getattr(model, "stored_rows_", None) is None:
        raise ValueError("the model was fitted to a table in memory: predict_table() gives its cells")
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    if any(target.iterdir()):
        raise ValueError(f"{target} is not empty; give a new folder")
    chosen, sent = model._positions(cols, "column"), copy.copy(model)
    sent.engine = None
    write = partial(_write_block, sent, str(target.absolute()), chosen, keep_seen)
    used = resolve(model.engine if engine is None else engine)
    return [Path(path) for path in used.map(write, range(model.stored_rows_.table.n_blocks))]


def _write_block(model: Any, folder: str, cols: IntArray, keep_seen: bool, number: int) -> str:
    """One block's file; written beside its name first, so that a file with this name is whole."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table: PreparedTable = model.stored_rows_.table
    labels, first = table.row_labels(number), table.facts.bounds[number]
    view = opened_lately(PreparedTable(table.folder).recipe(number)).rows
    path = os.path.join(folder, f"part-{number:05d}.parquet")
    names = np.arange(table.shape[1]) if table.col_labels is None else table.col_labels
    height, writer = max(1, CELLS_AT_ONCE // max(len(cols), 1)), None
    for begin in range(0, len(labels), height):
        rows = np.arange(begin, min(begin + height, len(labels)))
        values = model._response(model._linear_block(rows + first, cols), "mean", cols)
        columns = {"row": np.repeat(labels[rows], len(cols)), "col": np.tile(names[cols], len(rows))}
        if keep_seen:
            part = view.take_major(rows)
            seen = np.zeros((len(rows), table.shape[1]), bool)
            whole = np.zeros(seen.shape, values.dtype)
            at = np.repeat(np.arange(len(rows)), part.counts), part.indices
            seen[at], whole[at] = True, part.values
            columns |= {"value": np.where(seen[:, cols], whole[:, cols], values).ravel(), "seen": seen[:, cols].ravel()}
        else:
            columns["predicted"] = values.ravel()
        lines = pa.table({name: pa.array(column) for name, column in columns.items()})
        writer = pq.ParquetWriter(f"{path}.partial", lines.schema) if writer is None else writer
        writer.write_table(lines)
    if writer is None:  # a block without rows
        pq.write_table(pa.table({"row": pa.array(labels)}), f"{path}.partial")
    else:
        writer.close()
    os.replace(f"{path}.partial", path)
    return path
