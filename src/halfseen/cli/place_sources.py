"""``halfseen place`` of a run of many sources: new samples from whichever sources were seen of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen.cli.inferring import shift_of
from halfseen.cli.options import TableOptions
from halfseen.cli.source import read_sources
from halfseen.data import Observed, Sources
from halfseen.inference import NotStated


def place_sources(
    model: Any, record: dict[str, Any], files: list[str], reading: TableOptions, level: float, with_scores: bool
) -> tuple[dict[str, Any], int]:
    """Scores of the new samples, or a line for every cell that they lack, and how many columns are labels.

    Parameters
    ----------
    files : list of str
        One long table with the column of sources of the fit, or a file per source, named as those of the fit.
    """
    column = record.get("options", {}).get("source")
    if column is not None and len(files) > 1:
        column = None
    given = read_sources(files, column, reading)
    placed = model.place_samples(given)
    inference = placed.inference(level)
    if with_scores:
        return score_lines(model, inference), 2
    return cell_lines(model, given, inference, shift_of(record)), 3


def score_lines(model: Any, inference: Any) -> dict[str, Any]:
    """A line per new sample and factor in which some source takes part."""
    clear = np.flatnonzero(np.asarray(model.activity_).any(axis=1))
    scores = inference.rows()
    rows = np.asarray(scores.labels["row"]).ravel()
    names = np.array(model.factor_names_)[clear]
    answer = {"row": np.repeat(rows, len(clear)), "factor": np.tile(names, len(rows))}
    for title, key in (("score", "estimate"), ("se", "se"), ("low", "low"), ("high", "high")):
        answer[title] = np.asarray(getattr(scores, key))[:, clear].ravel()
    return answer


def cell_lines(model: Any, given: Sources, inference: Any, shift: float) -> dict[str, Any]:
    """Every cell of every source of the fit that was not seen of the new samples: what it would be, with ends."""
    parts: dict[str, list[Any]] = {name: [] for name in ("source", "row", "col", "predicted", "low", "high")}
    n = given.n_rows
    for name in model.source_names_:
        labels, p = model.col_labels_[name], len(model.loadings_[name])
        lacking = np.ones((n, p), dtype=bool)
        if name in given:
            table: Observed = given[name]
            cols = table.cols
            if table.col_labels is not None and labels is not None:
                cols = model._columns(name, table.col_labels)[cols]
            lacking[table.rows, cols] = False
        i, j = np.nonzero(lacking)
        if not len(i):
            continue
        cols = j if labels is None else np.asarray(labels)[j]
        rows = i if given.row_labels is None else np.asarray(given.row_labels)[i]
        try:
            ends = inference.responses(rows, cols, source=name)
        except NotStated:
            ends = inference.entries(rows, cols, source=name)
        own = {"source": np.array([name] * len(i)), "row": rows, "col": cols, "predicted": ends.estimate - shift,
               "low": ends.low - shift, "high": ends.high - shift}  # fmt: skip
        for key, values in own.items():
            parts[key].append(np.asarray(values))
    return {key: np.concatenate(values) if values else np.zeros(0) for key, values in parts.items()}
