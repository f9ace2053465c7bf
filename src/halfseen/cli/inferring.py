"""Runs opened again: model, record, data of the fit, and intervals for every model that has an inference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import halfseen as hs
from halfseen.cli.folder import MODEL, RECORD
from halfseen.cli.reopen import features_again, reopened
from halfseen.cli.run_files import read_record
from halfseen.cli.screen import note
from halfseen.inference import NotStated
from halfseen.losses import is_logistic
from halfseen.text import with_article


def open_run(run: Path) -> tuple[Any, dict[str, Any]]:
    """The model and the record of a run folder."""
    if not (run / MODEL).is_file() or not (run / RECORD).is_file():
        raise ValueError(f"{run} is not a halfseen run (no {MODEL} and {RECORD}); write one: halfseen fit ... -o DIR")
    record = read_record(run / RECORD)
    return hs.load(run / MODEL), record


def shift_of(record: Mapping[str, Any]) -> float:
    """What was added to the values on their way in."""
    return float(record.get("table", {}).get("shift") or 0.0)


def inference_of(model: Any, record: Mapping[str, Any], level: float, data: str | None = None) -> Any:
    """The model's inference; the data of the fit are read again where it needs them.

    Raises
    ------
    ValueError
        For models without one, and where the data are not what they were.
    """
    if not 0 < level < 1:
        raise ValueError(f"--level {level:g} must lie between 0 and 1, such as 0.95")
    if not hasattr(model, "inference"):
        raise ValueError(
            f"{with_article(type(model).__name__)} has no intervals; fit a model that does, such as halfseen fit bayes"
        )
    try:
        return model.inference(level)
    except ValueError as reason:
        try:
            entries = reopened(record, data)
        except (ValueError, OSError) as error:
            raise ValueError(
                f"intervals need the data of the fit, which could not be read again: {error}; say where they are now "
                "with --data"
            ) from error
        if entries is None:
            raise reason from None
        name = "S" if hasattr(model, "source_names_") else "R"
        return model.inference(level, **{name: entries}, **features_again(record, entries))


def interval_ends(
    model: Any, labels: tuple[Any, Any], how: tuple[float, str, str | None], record: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Ends of the intervals of cells: of single values, or of what is expected where a single value has none.

    Parameters
    ----------
    model : fitted estimator
    labels : (rows, cols), elementwise pairs
    how : (level, kind, data)
    record : mapping
    """
    level, kind, data = how
    inference = inference_of(model, record, level, data)
    # an interval of one yes/no answer says nothing: it reaches from no to yes, or holds one of the two
    loss = getattr(model, "loss_", None)
    is_yes_no = is_logistic(loss) and getattr(loss, "trials", 1.0) == 1.0
    try:
        ends = inference.responses(*labels) if kind == "mean" and not is_yes_no else inference.entries(*labels, kind)
    except NotStated:
        ends = inference.entries(*labels, kind)
    what = "single values not seen yet" if ends.kind == "prediction" else "expected values"
    note(f"low and high: {100 * level:g} % intervals of {what}")
    return {"low": np.asarray(ends.low, dtype=float), "high": np.asarray(ends.high, dtype=float)}
