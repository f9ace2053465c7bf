"""How well held-out entries were predicted."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen.losses import Loss, has_columns, is_quadratic
from halfseen.metrics import mae, mean_deviance, rmse
from halfseen.select import held_out_deviance


def judge_model(model: Any, hidden: Any, loss: Loss) -> tuple[np.ndarray, dict[str, float]]:
    """Predictions of the hidden entries, and their errors.

    The deviance judges every model as the family of the fit would: a prediction outside the family's range is
    moved to its edge first. Families with parameters per column have none to judge other models by: for these the
    deviance is the fit's own.
    """
    predicted = np.asarray(model.predict(*places(hidden)), dtype=float)
    truth, weights = hidden.values, hidden.weights
    scores = {"rmse": rmse(truth, predicted, weights), "mae": mae(truth, predicted, weights)}
    if has_columns(loss):
        scores["deviance"] = float("nan")
        if model.loss_.name == loss.name:
            scores["deviance"] = held_out_deviance(model, hidden)
    elif not is_quadratic(loss):
        scores["deviance"] = mean_deviance(truth, loss.link(predicted), loss, weights)
    return predicted, scores


def places(table: Any) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of all entries, as `predict` wants them: labels where there are labels."""
    rows, cols = np.asarray(table.rows), np.asarray(table.cols)
    return (
        rows if table.row_labels is None else table.row_labels[rows],
        cols if table.col_labels is None else table.col_labels[cols],
    )
