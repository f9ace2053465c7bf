"""From a case of the golden table to its numbers: build the model, fit it, read it.

How a fitted model is asked (names of methods, attributes and their arguments) stands here once; where the public
face changes, these functions follow and the recorded numbers stay.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
from golden_data import Given, given

# Where a class may live, beside the package itself.
ROOMS = ("halfseen", "halfseen.methods.comparisons", "halfseen.methods.descent")
# Numbers kept of an array; the last one is the root mean square of all, which every cell moves.
MOST = 6
PLACES = 4


@dataclass(frozen=True)
class Make:
    """An object that a parameter needs (a stopping rule, a privacy budget, a generator), made when it is needed."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self) -> Any:
        if self.name == "Generator":
            return np.random.default_rng(**self.arguments)
        return public(self.name)(**self.arguments)


def public(name: str) -> Any:
    """A public class, or an AttributeError that names it."""
    for room in ROOMS:
        if hasattr(import_module(room), name):
            return getattr(sys.modules[room], name)
    raise AttributeError(f"halfseen has no {name}; looked in {', '.join(ROOMS)}")


def fitted(case: Mapping[str, Any]) -> tuple[Any, Given]:
    """The case's model, fitted, and the data."""
    about = given(case["data"])
    words = {name: value() if isinstance(value, Make) else value for name, value in case.get("parameters", {}).items()}
    model, how = public(case["model"]), case.get("how", "fit")
    keywords = {**about.fit, **case.get("fit", {})}
    if how == "from_rows":
        return model.from_rows(about.data, **keywords), about
    if how == "partial_fit":
        built = model(**words)
        for part in np.array_split(about.data, 3):
            built.partial_fit(part, **keywords)
        return built, about
    built = model.paper(**words) if how == "paper" else model(**words)
    return built.fit(about.data, **keywords), about


def picked(array: Any, most: int = MOST) -> list[float]:
    """Evenly spaced numbers of an array and its root mean square."""
    flat = np.asarray(array, dtype=float).ravel()
    if len(flat) <= most:
        return flat.tolist()
    some = flat[np.linspace(0, len(flat) - 1, most - 1).astype(int)]
    known = flat[np.isfinite(flat)]
    return [*some.tolist(), float(np.sqrt(np.mean(known**2))) if len(known) else 0.0]


def ends(intervals: Any) -> list[float]:
    """Estimates and both ends at evenly spaced places."""
    parts = (intervals.estimate, intervals.low, intervals.high)
    return [number for part in parts for number in picked(np.broadcast_to(part, np.shape(parts[0])), PLACES)]


def joined(value: Any) -> np.ndarray:
    """An array; of a mapping its parts one after the other."""
    if isinstance(value, Mapping):
        return np.concatenate([joined(part) for part in value.values()])
    return np.asarray(value, dtype=float).ravel()


def cells(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Ten cells, by label where the model has labels."""
    n, p = model.observed_shape_
    i, j = (7 * np.arange(10) + 1) % n, (3 * np.arange(10)) % p
    rows, cols = model.row_labels_, model.col_labels_
    return i if rows is None else rows[i], j if cols is None else cols[j]


def some_weights(model: Any) -> np.ndarray:
    """Weights of a contrast: one cell of the first column against the mean of the last row."""
    n, p = model.observed_shape_
    weights = np.zeros((n, p))
    weights[0, 0], weights[n - 1] = 1.0, -1.0 / p
    return weights


def inference(model: Any, case: Mapping[str, Any], about: Given) -> Any:
    """The inference of the fitted model with the case's arguments."""
    words = dict(case.get("inference", {}))
    if case["model"] == "InductiveCompletion":
        return model.inference(R=about.data, **about.fit, **words)
    return model.inference(**words)


def tables(model: Any) -> np.ndarray:
    """Predictions of all sources."""
    return np.concatenate([model.predict_table(name).ravel() for name in model.source_names_])


# What is read from a fitted model alone.
OF_MODELS = {
    "predictions": lambda m, a: m.predict_table(),
    "linear": lambda m, a: m.predict_table(kind="linear"),
    "placed": lambda m, a: m.transform(a.new),
    "predictions of new rows": lambda m, a: m.predict(a.new),
    "predictions of new features": lambda m, a: m.predict(*a.new),
    "scores of new rows": lambda m, a: m.predict_table(a.new),
    "score": lambda m, a: m.score(a.data),
    "tables": lambda m, a: tables(m),
    "shared part": lambda m, a: m.shared_part("a"),
    "shared part, l1": lambda m, a: m.shared_part("a", reading="l1"),
    "heterogeneity": lambda m, a: joined(m.heterogeneity_index()),
    "placed columns": lambda m, a: m.transform(a.new, source="a").shared_loadings,
    "placed source": lambda m, a: m.transform(a.new).unique_basis,
    "embedded": lambda m, a: m.embed(a.new, "a"),
    "predicted columns": lambda m, a: m.predict_columns(a.new, "a"),
    "second moment": lambda m, a: m.second_moment(),
    "row space": lambda m, a: m.row_space(),
    "approximation of rank 2": lambda m, a: m.approximation(2).to_dense(),
    "clusters of new items": lambda m, a: m.predict(a.new),
    "similarities": lambda m, a: m.similarity(a.new, a.data),
    "columns of highest prediction": lambda m, a: m.rank_columns([0, 3, 8], r=4).scores,
    "pair counts": lambda m, a: m.at_pairs().counts,
    "pair sums": lambda m, a: m.at_pairs().sums,
}

# What is read from its inference.
OF_INFERENCES = {
    "entries": lambda i, m, a: i.entries(*cells(m), kind="mean"),
    "linear entries": lambda i, m, a: i.entries(*cells(m), kind="linear"),
    "responses": lambda i, m, a: i.responses(*cells(m)),
    "rows": lambda i, m, a: i.row_factors(component=0),
    "columns": lambda i, m, a: i.col_factors(component=0),
    "intercepts": lambda i, m, a: i.intercepts(),
    "thresholds": lambda i, m, a: i.thresholds(),
    "scores": lambda i, m, a: i.scores(about="again"),
    "realised scores": lambda i, m, a: i.scores(about="these"),
    "differences": lambda i, m, a: i.differences([0, 1, 2], [3, 4, 5], 0),
    "ranks": lambda i, m, a: i.ranks(0, kind="simultaneous"),
    "ranks, per item": lambda i, m, a: i.ranks(0, kind="per_item"),
    "ranks, ties": lambda i, m, a: i.ranks(0, kind="ties"),
    "ranks, posterior": lambda i, m, a: i.ranks(0, kind="posterior"),
    "ranks by score": lambda i, m, a: i.ranks("score", kind="simultaneous"),
    "ranks by realised score": lambda i, m, a: i.ranks("score", kind="posterior", about="these"),
    "band of rows": lambda i, m, a: i.band("row_factors", component=0),
    "band of rows, multiplier": lambda i, m, a: i.band("row_factors", component=0, method="multiplier"),
    "band of scores": lambda i, m, a: i.band("scores"),
    "band of entries": lambda i, m, a: i.band("entries", rows=cells(m)[0], cols=cells(m)[1], kind="mean"),
    "contrast": lambda i, m, a: i.contrast(entries=some_weights(m)),
    "abilities of new rows": lambda i, m, a: i.new_rows(a.new).abilities(),
    "scores of new rows": lambda i, m, a: i.new_rows(a.new).scores(),
    "shared basis": lambda i, m, a: i.shared_basis(),
    "second moments": lambda i, m, a: i.second_moment(),
    "eigenvalues": lambda i, m, a: i.eigenvalues(),
    "predictions of rows": lambda i, m, a: i.predict(a.new),
}

# Readings of an inference that are no intervals.
ANGLES = {
    "angles of the shared space": lambda i: i.shared_space(),
    "angles of the row space": lambda i: i.row_space(),
}


def attribute(model: Any, path: str) -> np.ndarray:
    """A learned attribute, ``path_.losses`` of one of its parts."""
    for name in path.split("."):
        model = getattr(model, name)
    return joined(model)


def numbers(case: Mapping[str, Any]) -> dict[str, list[float]]:
    """The case's numbers by what was read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a fit warns of is tested elsewhere; here only its numbers count
        model, about = fitted(case)
        out = {}
        for name in case["reads"]:
            is_public = name in OF_MODELS
            out[name] = picked(OF_MODELS[name](model, about) if is_public else attribute(model, name))
        if "intervals" in case:
            i = inference(model, case, about)
            for name in case["intervals"]:
                if name in ANGLES:
                    angles = ANGLES[name](i)
                    out[f"inference: {name}"] = [*picked(angles.angles), float(angles.largest)]
                else:
                    out[f"inference: {name}"] = ends(OF_INFERENCES[name](i, model, about))
        return out
