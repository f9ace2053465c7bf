"""``halfseen factors``: what rows and columns are made of, with errors where the model has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from halfseen.cli.inferring import inference_of, open_run
from halfseen.cli.screen import note
from halfseen.cli.written import check_out, deliver
from halfseen.text import with_article

SIDES = ("rows", "cols")


@dataclass(frozen=True)
class FactorsQuestion:
    """Which factors, in which position, at which level."""

    sides: tuple[str, ...] = SIDES
    rotation: str | None = None
    level: float = 0.95
    data: str | None = None


def run_factors(run: Path, question: FactorsQuestion, out: Path | None, as_json: bool, is_raw: bool = False) -> None:
    """Write one line for every row and column and component."""
    check_out(out)
    model, record = open_run(run)
    if question.rotation is not None:
        turn(model, question.rotation)
    parts = [part for side in question.sides for part in side_of(model, record, side, question)]
    if not parts:
        raise ValueError(f"{run} holds {with_article(type(model).__name__)}, which has no factors")
    names = [name for name in parts[0] if any(name in part for part in parts)]
    names += [name for part in parts for name in part if name not in names]
    lengths = [len(part["label"]) for part in parts]
    answer = {
        name: np.concatenate([
            np.asarray(part[name], dtype=object) if name in part else np.full(length, None, dtype=object)
            for part, length in zip(parts, lengths, strict=True)
        ])
        for name in names
    }  # fmt: skip
    deliver(answer, out, as_json, is_raw, n_labels=2)


def turn(model: Any, rotation: str) -> None:
    """Turn rows and columns of a fitted model together; predictions stay what they are."""
    if hasattr(model, "rotate"):
        model.rotate(rotation)
        return
    from halfseen.methods.factor.identification import varimax

    cols = getattr(model, "col_factors_", None)
    if cols is None or not hasattr(model, "row_factors_"):
        raise ValueError(f"--rotation {rotation}: {with_article(type(model).__name__)} has no pair of factors to turn")
    matrix = varimax(np.asarray(cols, dtype=float))
    model.row_factors_, model.col_factors_ = np.asarray(model.row_factors_) @ matrix, np.asarray(cols) @ matrix
    model.is_turned_ = True


def side_of(model: Any, record: dict[str, Any], side: str, question: FactorsQuestion) -> list[dict[str, Any]]:
    """The lines of rows or of columns."""
    if hasattr(model, "shared_basis_"):
        return sources_side(model, record, side, question)
    factors = getattr(model, f"{side[:3]}_factors_", None)
    if factors is None and side == "cols" and hasattr(model, "components_"):
        factors = np.asarray(model.components_).T
    if factors is None:
        return []
    labels = getattr(model, f"{side[:3]}_labels_", None)
    labels = np.arange(len(factors)) if labels is None else np.asarray(labels)
    errors = None if getattr(model, "is_turned_", False) else errors_of(model, record, side, question)
    return [lines(side, labels, np.asarray(factors, dtype=float), errors)]


def sources_side(model: Any, record: dict[str, Any], side: str, question: FactorsQuestion) -> list[dict[str, Any]]:
    """The shared basis of the rows, and the shared and own loadings of every source's columns."""
    if side == "rows":
        labels = np.arange(len(model.shared_basis_)) if model.row_labels_ is None else np.asarray(model.row_labels_)
        return [lines(side, labels, np.asarray(model.shared_basis_), errors_of(model, record, side, question))]
    parts = []
    for name in model.source_names_:
        for kind in ("shared", "unique"):
            loadings = np.asarray(getattr(model, f"{kind}_loadings_")[name], dtype=float)
            own = model.col_labels_[name]
            labels = np.arange(len(loadings)) if own is None else np.asarray(own)
            part = lines(side, labels, loadings, None)
            length = len(part["label"])
            parts.append({**part, "source": np.repeat(name, length), "part": np.repeat(kind, length)})
    return parts


def lines(side: str, labels: np.ndarray, factors: np.ndarray, errors: Any) -> dict[str, Any]:
    """Labels and components below each other, components first to last within a label."""
    n, r = factors.shape
    columns = {
        "side": np.repeat({"rows": "row", "cols": "column"}[side], n * r),
        "label": np.repeat(labels, r),
        "component": np.tile(np.arange(1, r + 1), n),
        "factor": factors.ravel(),
    }
    if errors is not None:
        columns |= {name: np.asarray(value, dtype=float).reshape(n, r).ravel() for name, value in errors.items()}
    return columns


def errors_of(model: Any, record: dict[str, Any], side: str, question: FactorsQuestion) -> dict[str, Any] | None:
    """Estimates, standard errors and interval ends of all components, or None with a note that says why."""
    word = {"rows": "rows", "cols": "columns"}[side]
    if not hasattr(model, "inference"):
        note(f"no errors of the {word}: {with_article(type(model).__name__)} has none")
        return None
    rank = np.shape(model.shared_basis_ if hasattr(model, "shared_basis_") else model.row_factors_)[1]
    try:
        inference = inference_of(model, record, question.level, question.data)
        ask = inference.rows if side == "rows" else inference.columns
        each = [ask(k) for k in range(rank)]
    except (ValueError, IndexError) as error:
        note(f"no errors of the {word}: {error}")
        return None
    kept = {"factor": "estimate", "se": "se", "low": "low", "high": "high"}
    return {
        name: np.column_stack([np.asarray(getattr(intervals, key)) for intervals in each]) for name, key in kept.items()
    }
