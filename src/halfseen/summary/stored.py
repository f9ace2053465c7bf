"""Models of a prepared table: what is known without the rows, which stay in the blocks."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.summary.common import fit_section, glance, three
from halfseen.summary.factors import component_parts
from halfseen.summary.parts import Chapter, Column, Facts, Part, Section, Table, Text
from halfseen.summary.subject import Subject
from halfseen.text import count


def chapter(subject: Subject) -> Chapter:
    """Size, components by their columns, table of the columns, fit."""
    model = subject.model
    rows, table = model.stored_rows_, model.stored_rows_.table
    rank = rows.shape[1]
    chapter = Chapter(
        title=f"{type(model).__name__}, rank {rank}, of a prepared table",
        lead="The rows and their entries stay in the blocks of the folder; this page tells of the columns. Rows are "
        "computed where they are asked for: model.row_factors_.rows(labels), model.predict(rows, cols).",
        glance=[*glance(subject), ("entries seen", count(table.n_entries)), ("blocks", count(table.n_blocks))],
    )
    parts: list[Part] = [Text("The model has no factors.")]
    if rank:
        size, points = column_components(rows, model.col_factors_)
        parts = component_parts(size, (None, points), (np.zeros(0), subject.labels(1)))
    chapter.sections += [Section("Factors", parts), _columns(subject), fit_section(subject)]
    return chapter


def column_components(rows: Any, cols: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Singular values of the low-rank part and the columns in their frame; one reading of the blocks."""
    k = cols.shape[1]
    moments = np.zeros((k, k))
    for number in range(rows.table.n_blocks):
        block = np.asarray(rows.block(number), dtype=float)
        moments += block.T @ block
    root = np.linalg.cholesky(moments + np.eye(k) * (1e-14 * max(float(np.trace(moments)), 1e-300)))
    V, size, _ = np.linalg.svd(np.asarray(cols, dtype=float) @ root, full_matrices=False)
    signs = np.where(V[np.abs(V).argmax(axis=0), np.arange(V.shape[1])] < 0, -1.0, 1.0)
    return size, V * signs * np.sqrt(size)


def _columns(subject: Subject) -> Section:
    model = subject.model
    facts = [("mean", three(float(model.mean_)))] if hasattr(model, "mean_") else []
    name, values = ("bias", model.col_bias_) if hasattr(model, "col_bias_") else ("intercept", model.intercept_)
    columns: list[Any] = [Column("column", subject.labels(1), kind="text"), Column(name, np.asarray(values, float))]
    if model.col_factors_.shape[1]:
        columns.append(Column("length of its factor", np.linalg.norm(np.asarray(model.col_factors_, float), axis=1)))
    table = Table("Columns, largest first", columns, "columns")
    return Section("Columns", [Facts(facts), table.take(np.argsort(-np.asarray(values, float), kind="stable"))])
