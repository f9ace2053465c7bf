"""How well held-out entries were predicted."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen.losses import Loss


def judge_model(model: Any, hidden: Any, loss: Loss) -> tuple[np.ndarray, dict[str, float]]:
    """Predictions of the hidden entries, and their errors.

    The deviance judges every model as the family of the fit would: a prediction outside the family's range is
    moved to its edge first.
    """
    predicted = np.asarray(model.predict(*places(hidden)), dtype=float)
    truth = np.asarray(hidden.values, dtype=float)
    error = predicted - truth
    scores = {"rmse": float(np.sqrt(np.mean(error**2))), "mae": float(np.mean(np.abs(error)))}
    if loss.name != "gaussian":
        scores["deviance"] = float(np.mean(loss.deviance(truth, loss.link(predicted))))
    return predicted, scores


def places(table: Any) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of all entries, as `predict` wants them: labels where there are labels."""
    rows, cols = np.asarray(table.rows), np.asarray(table.cols)
    return (
        rows if table.row_labels is None else table.row_labels[rows],
        cols if table.col_labels is None else table.col_labels[cols],
    )
