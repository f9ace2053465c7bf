"""Curves along the ability of a fit with integrated rows: data, frames and pictures."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, Labels
from halfseen.inference import Listing
from halfseen.inference.intervals import as_frame
from halfseen.inference.table import NotStated
from halfseen.methods.response.rows_curves import Curves, class_curves, information_curves, reliability
from halfseen.methods.response.rows_listings import population_listing
from halfseen.methods.response.rows_rotation import several_reliability
from halfseen.methods.response.rows_state import answers_of

REACH, POINTS = 4.0, 121


@dataclass(frozen=True)
class AbilityCurves:
    """Curves along the ability, with pointwise bands.

    Attributes
    ----------
    name : str
    ability : ndarray (T,)
    values, low, high : ndarray (m, T)
    labels : ndarray (m,)
        Column of each curve, as text; "all items" for the test.
    answers : ndarray (m,)
        The answer whose chance a characteristic curve is; nan for information.
    level : float
    library : {"pyarrow", "pandas", "polars"}
        Of frames.
    """

    name: str
    ability: FloatArray
    values: FloatArray
    low: FloatArray
    high: FloatArray
    labels: Labels
    answers: FloatArray
    level: float
    library: str = "pyarrow"

    def of(self, column: Any) -> AbilityCurves:
        """The curves of one column."""
        own = self.labels == str(column)
        if not own.any():
            raise ValueError(f"there are no curves of column {column!r}; known: {', '.join(map(str, self.labels[:5]))}")
        return AbilityCurves(
            self.name, self.ability, self.values[own], self.low[own], self.high[own], self.labels[own],
            self.answers[own], self.level, self.library,
        )  # fmt: skip

    def to_frame(self, backend: str | None = None) -> Any:
        """One line per curve and ability."""
        m, T = self.values.shape
        columns = {"col": np.repeat(self.labels, T), "ability": np.tile(self.ability, m)}
        if np.isfinite(self.answers).any():
            columns["answer"] = np.repeat(self.answers, T)
        columns |= {name: getattr(self, name).ravel() for name in ("values", "low", "high")}
        return as_frame(columns, backend or self.library)

    def plot(self, ax: Any = None) -> Any:
        """Draw the first 12 curves with their bands, on matplotlib axes or a new figure; returns the figure."""
        return import_module("halfseen.show.items").plot_curves(self, ax)


def abilities_for(theta: Any) -> FloatArray:
    """Given abilities, or equispaced ones."""
    if theta is None:
        return np.linspace(-REACH, REACH, POINTS)
    x = np.atleast_1d(np.asarray(theta, dtype=float))
    if x.ndim != 1 or not np.isfinite(x).all():
        raise ValueError(f"theta has shape {x.shape}; needed: finite abilities (T,).")
    return x


def _one_dimension(model: Any, what: str) -> None:
    if model.rows_fit_.layout.dimensions > 1:
        raise NotStated(f"{what} along the ability are for one dimension; this fit has several.")


def _labels(model: Any) -> Labels:
    p = model.rows_fit_.shape[1]
    return np.array(
        [str(label) for label in (np.arange(p) if model.col_labels_ is None else model.col_labels_).tolist()]
    )


def information(model: Any, theta: Any, level: float) -> AbilityCurves:
    """Of every item of the model, and of all together."""
    _one_dimension(model, "information")
    items, whole = information_curves(model.rows_fit_, abilities_for(theta), level=level)

    def both(name: str) -> FloatArray:
        return np.vstack([getattr(items, name), getattr(whole, name)])

    labels = np.array([*_labels(model)[model.rows_fit_.columns].tolist(), "all items"])
    nothing = np.full(len(labels), np.nan)
    return AbilityCurves(
        "information", items.ability, both("values"), both("low"), both("high"), labels, nothing, level, model.library_
    )


def characteristic(model: Any, theta: Any, level: float) -> AbilityCurves:
    """Chances of all classes; of yes/no items, of the higher one."""
    _one_dimension(model, "characteristic curves")
    fit = model.rows_fit_
    at: Curves = class_curves(fit, abilities_for(theta), level=level)
    of_item = np.repeat(np.arange(fit.layout.n_items), fit.layout.classes)
    rank = np.arange(fit.layout.n_lines) - fit.layout.first_line[of_item]
    kept = (fit.layout.classes[of_item] > 2) | (rank == 1)
    values = np.concatenate(fit.categories)
    return AbilityCurves(
        "chance of the answer", at.ability, at.values[kept], at.low[kept], at.high[kept],
        _labels(model)[fit.columns[of_item[kept]]], values[kept], level, model.library_,
    )  # fmt: skip


def reliability_of(model: Any) -> dict[str, Any]:
    """Marginal and empirical."""
    kept = answers_of(model, "reliabilities")
    if model.rows_fit_.layout.dimensions > 1:
        return {"empirical": several_reliability(model.rows_fit_, kept.table, model.rotated_)}
    return reliability(model.rows_fit_, kept.table, kept.covariates)


def population(model: Any) -> Listing:
    """Groups of rows."""
    inference = model.inference()
    return population_listing(model.rows_fit_, (inference.level, inference.claim, inference.library))
