"""What the figures of this paper share: its simulated tables, errors against the truth, one style of picture."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

import halfseen as hs
from halfseen.linalg import procrustes, row_errors
from halfseen.show.figures import BLUE, GREY, ORANGE, new_figure, tidy

__all__ = [
    "BLUE", "GREY", "ORANGE", "aligned", "distances", "factor_errors", "fit_ours", "fit_printed", "linear_model",
    "means", "new_figure", "quiet", "redraw", "simulate", "sizes_axis", "stage_errors", "tidy",
]  # fmt: skip

EVERY = slice(None)


def simulate(
    n: int, p: int, seed: int, strength: float = 1.0, share: float = 0.5, **more: Any
) -> hs.datasets.FactorData:
    """The paper's section 6.1: rank 2, logit, intercepts -.6, X of centred columns."""
    return hs.datasets.make_factor_data(n, p, 2, "bernoulli", strength, share, random_state=seed, **more)


def stage_errors(factors: Any, data: hs.datasets.FactorData) -> tuple[float, float]:
    """Relative error of the linear predictor, and the worst row of X over the typical length of a true row."""
    length = np.sqrt(np.mean(np.sum(data.row_factors**2, axis=1)))
    error = np.linalg.norm(factors.block(EVERY, EVERY) - data.linear) / np.linalg.norm(data.linear)
    return float(error), float(row_errors(factors.rows, data.row_factors).max() / length)


@contextmanager
def quiet() -> Iterator[None]:
    """Cells without information warn, as they should; here they are counted instead."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def distances(factors: Any, data: hs.datasets.FactorData) -> tuple[float, float]:
    """The paper's distances of X and of Y: Frobenius norms after the best rotation of each."""
    pairs = ((factors.rows, data.row_factors), (factors.cols, data.col_factors))
    X, Y = (float(np.linalg.norm(row_errors(own, true))) for own, true in pairs)
    return X, Y


def factor_errors(factors: Any, data: hs.datasets.FactorData) -> tuple[float, float]:
    """The same over the norms of the true factors."""
    X, Y = distances(factors, data)
    return X / float(np.linalg.norm(data.row_factors)), Y / float(np.linalg.norm(data.col_factors))


def fit_printed(data: hs.datasets.FactorData, seed: int, sweeps: int, **changed: Any) -> hs.GeneralizedFactorModel:
    """The printed algorithm."""
    with quiet():
        return hs.GeneralizedFactorModel.paper(2, max_iter=sweeps, random_state=seed, **changed).fit(data.observed)


def fit_ours(data: hs.datasets.FactorData, seed: int) -> dict[str, hs.GeneralizedFactorModel]:
    """Its corrected twin (centred start, Firth), and the model as users get it."""
    with quiet():
        return {
            "firth": hs.GeneralizedFactorModel(2, "bernoulli", penalty="none", random_state=seed).fit(data.observed),
            "default": hs.GeneralizedFactorModel(2, "bernoulli", random_state=seed).fit(data.observed),
        }


def means(rows: Sequence[dict[str, Any]], by: Sequence[str], drop: Sequence[str] = ("seed",)) -> list[dict[str, Any]]:
    """Means over the rows that agree in ``by``, with the number of repetitions and the standard error of each mean."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in by), []).append(row)
    out = []
    for key, group in groups.items():
        numbers = [name for name in group[0] if name not in (*by, *drop)]
        made = {**dict(zip(by, key, strict=True)), "repetitions": len(group)}
        for name in numbers:
            values = np.array([float(row[name]) for row in group])
            made[name] = float(values.mean())
            made[f"{name} se"] = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
        out.append(made)
    return out


def redraw(truth: hs.datasets.FactorData, share: float, seed: int) -> hs.Observed:
    """Other answers, and other cells seen, of the same rows and columns."""
    rng = np.random.default_rng(seed)
    values = (rng.random(truth.observed.shape) < truth.mean).astype(float)
    values[rng.random(values.shape) >= share] = np.nan
    return hs.Observed.from_dense(values)


def linear_model(bias: str = "none", **options: Any) -> hs.GeneralizedFactorModel:
    """An unpenalised fit from the linearised start; every start leads to the same stationary point."""
    given = {"start": "linear", **options}
    return hs.GeneralizedFactorModel(2, "bernoulli", penalty="none", bias=bias, **given, random_state=0)


def aligned(rows: Any, cols: Any, data: hs.datasets.FactorData) -> tuple[Any, Any]:
    """Both factors turned by the one rotation that takes them nearest to the truth."""
    turn = procrustes(np.vstack([rows, cols]), np.vstack([data.row_factors, data.col_factors]))
    return rows @ turn, cols @ turn


def sizes_axis(ax: Any, sizes: Sequence[int]) -> None:
    """A logarithmic axis with ticks at the sizes alone."""
    ax.set_xscale("log")
    ax.set_xticks(list(sizes), [str(size) for size in sizes])
    ax.minorticks_off()
