"""What predictions are asked for: cells in a file of pairs, or by their labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halfseen.cli.source import column, separator
from halfseen.data.files import TextFormat, kind_of, open_source, resolve


@dataclass(frozen=True)
class Question:
    """What is asked: cells, in a file of pairs with its format or as labels, the kind of answer, a level."""

    pairs: Path | None
    rows: list[str]
    cols: list[str]
    row: str | None = None
    col: str | None = None
    sep: str | None = None
    no_header: bool = False
    source: str | None = None
    row_features: Path | None = None
    row_key: str | None = None
    col_features: Path | None = None
    col_key: str | None = None
    top: int | None = None
    kind: str = "mean"
    level: float | None = None
    data: str | None = None


def read_pairs(question: Question, fitted: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """Two columns of a file: those named now, else those of the fit if the file has them, else the first two."""
    path = question.pairs or Path()
    kind = kind_of(path, question.sep)
    if kind == "npz":
        raise ValueError(f"{path.name}: pairs come as CSV, TSV, Parquet or Feather, not as .npz")
    source = open_source(path, kind, TextFormat(separator(question.sep), not question.no_header))
    names = []
    for place, role in enumerate(("row", "col")):
        now, before = getattr(question, role), fitted.get(role)
        wanted = now if now is not None else before if before in source.names else None
        names.append(resolve(column(wanted), place, source.names, role, path))
    rows: list[Any] = []
    cols: list[Any] = []
    for batch in source.batches(names):
        rows += batch.column(0).to_pylist()
        cols += batch.column(1).to_pylist()
    if not rows:
        raise ValueError(f"{path} has no pairs")
    return rows, cols


def predictor(model: Any) -> Any:
    """What predicts pairs: ``predict``, or of models without it ``predict_entries``."""
    return model.predict if hasattr(model, "predict") else model.predict_entries
