"""Autoencoders followed sweep by sweep on entries that were kept back from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from movielens import by_cluster

import halfseen as hs
from halfseen.methods.autoencoder.fitting import TrainingPlan, train
from halfseen.methods.autoencoder.network import Layers, Layout, embed, outputs
from halfseen.methods.autoencoder.options import resolved
from halfseen.nets import Columns, find_device, load_torch, threads_of

SIZES = ("hidden", "unique_hidden", "folds", "kernel", "gamma", "dimension", "unique_end")
Scored = list[tuple[str | None, Columns, Columns]]


@dataclass
class Judge:
    """Told of every sweep: the error of predictions, clipped to 1..5, at the entries kept back."""

    scored: Scored
    layout: Layout
    order: np.ndarray
    truth: np.ndarray
    patience: int | None = None
    errors: list[float] = field(default_factory=list)
    predicted: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __call__(self, iteration: int, result: Any, seconds: float) -> None:
        weights = result.params
        if any(own is not None and f"{own}.1.weight" not in weights for own, _, _ in self.scored):
            return  # the shared part, trained alone before the others
        with load_torch("a network").no_grad():
            layers = Layers(weights, self.layout)
            found = [outputs(layers, embed(layers, own, given, given.values), asked).numpy()
                     for own, given, asked in self.scored]  # fmt: skip
        self.predicted = np.clip(np.concatenate(found), 1.0, 5.0)[self.order]
        self.errors.append(float(np.sqrt(np.mean((self.predicted - self.truth) ** 2))))

    def stop(self, iteration: int, result: Any) -> str | None:
        """After so many sweeps without a better error; never where that is None."""
        late = len(self.errors) - 1 - int(np.argmin(self.errors)) if self.errors else 0
        return "held_out" if self.patience is not None and late >= self.patience else None


def network(how: dict[str, Any]) -> dict[str, Any]:
    """Parameters of an autoencoder, from a setting as it is written in the tables of results."""
    words = {"rate": "learning_rate"}
    own = how.get("unique_ridge", how["ridge"])
    named = {words.get(name, name): value for name, value in how["options"].items()}
    return {"folds": 2, "penalty": how["ridge"], "unique_penalty": own} | named


def follow(
    tables: tuple[hs.Observed, hs.Observed],
    cluster: np.ndarray | None,
    width: int,
    how: dict[str, Any],
    start: int,
    patience: int | None = None,
) -> Judge:
    """Train on the first table, judge on the second; a cluster per film gives every cluster an encoder of its own.

    ``how`` holds the ridges, the solver and the options. Ratings have the size that ridges are meant for: no scaling.
    """
    seen, kept = tables
    groups = np.zeros(seen.shape[1], dtype=int) if cluster is None else cluster
    device = find_device("cpu")
    settings = resolved(
        hs.HeterogeneousAutoencoder(width, solver=how.get("solver", "adamw"), **network(how))._checked()
    )
    layout = Layout(seen.shape[0], width, **{name: getattr(settings, name) for name in SIZES})
    plan = TrainingPlan(layout, settings, device)
    given, asked = by_cluster(seen, groups), by_cluster(kept, groups)
    nothing = np.zeros(0, dtype=np.int64)
    own: list[str | None] = [None if cluster is None else f"unique/{name}" for name in given]
    asked = {name: asked.get(name, table.select(nothing)) for name, table in given.items()}
    order, truth = places(asked, groups)
    with threads_of(1):
        scored = [(one, plan.columns(table), plan.columns(asked[name]))
                  for one, (name, table) in zip(own, given.items(), strict=True)]  # fmt: skip
        judge = Judge(scored, layout, order, truth, patience)
        watched = TrainingPlan(layout, settings, device, judge)
        train(list(zip(own, given.values(), strict=True)), watched, 0.0, np.random.default_rng(start))
    return judge


def places(tables: dict[str, hs.Observed], cluster: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What brings entries from source by source to the order of films and users; their values in that order."""
    keys, values = [], []
    for name, table in tables.items():
        films, group = np.flatnonzero(cluster == int(name)), table.by_cols
        keys.append(np.repeat(films, np.diff(group.indptr)) * table.shape[0] + group.indices)
        values.append(group.values)
    order = np.argsort(np.concatenate(keys))
    return order, np.concatenate(values)[order]
