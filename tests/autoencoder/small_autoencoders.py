"""Two small sources and the plan of a small network, for tests of what single steps do. Needs torch."""

from __future__ import annotations

import numpy as np
import torch

import halfseen as hs
from halfseen.methods.autoencoder import fitting, network
from halfseen.methods.autoencoder.options import resolved
from halfseen.nets import as_weights

PENALTIES = {"shared": 0.7, "decoder": 0.4, "unique": 1.3}
SPARSITY = 0.3
SMALL = {
    "hidden": 6, "unique_hidden": 5, "folds": 2, "sparsity": SPARSITY, "precision": "float64", "learning_rate": 0.05,
    "drop_entries": 0.0, "unique_end": "sigmoid", "solver": "rounds",
}  # fmt: skip
OWN = ("unique/0", "unique/1")


def settings_of(penalties=PENALTIES, **changes):
    """Settings of a small network without open ends; its parts have penalties of their own."""
    settings = resolved(hs.HeterogeneousAutoencoder(6, **SMALL | changes)._checked())
    settings.penalties = penalties
    return settings


def plan_of(penalties=PENALTIES, **changes):
    settings = settings_of(penalties, **changes)
    names = ("hidden", "unique_hidden", "folds", "kernel", "gamma", "dimension", "unique_end")
    layout = network.Layout(9, 6, **{name: getattr(settings, name) for name in names})
    return fitting.TrainingPlan(layout, settings, torch.device("cpu"))


def two_tables():
    """Two sources over nine rows, the second one weighted; as arrays with NaN and as the training takes them."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(9, p)) for p in (4, 7)]
    for array in arrays:
        array[rng.random(array.shape) < 0.4] = np.nan
    heft = rng.uniform(0.5, 2.0, arrays[1].shape)
    seen = [hs.Observed.from_dense(array) for array in arrays]
    seen[1] = seen[1].with_values(seen[1].values, heft[seen[1].rows, seen[1].cols])
    named = dict(zip(OWN, ((arrays[0], None), (arrays[1], heft)), strict=True))
    return named, list(zip(OWN, seen, strict=True))


def start_of(plan, own, spread=0.5):
    """Start weights with offsets, and with places so far apart that the hat is 0 for some."""
    rng = np.random.default_rng(1)
    arrays = fitting.start(plan, own, rng)
    random = (".u", ".v", "offset")
    return {
        name: spread * rng.normal(size=array.shape) if name.endswith(random) else array
        for name, array in arrays.items()
    }


def value_at(arrays, tables, plan, noise=None):
    groups = [(own, plan.columns(table)) for own, table in tables]
    weights = as_weights(arrays, "cpu")
    return weights, fitting.value_of(weights, plan, groups, fitting.entries_of(tables), noise)
