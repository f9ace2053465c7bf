"""One Monte Carlo repetition behind Figures 2 and 3: the same truth, other answers."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import numpy as np
from _simulation import linear_model, redraw, simulate
from scipy.stats import kstest, skew

import halfseen as hs
from halfseen.inference.ranks import pair_maximum

TRUTH_SEED = 2026
KINDS = {
    "published": ("none", {"variance": "plug_in", "gauge": "plain"}),
    "corrected": ("firth", {}),
}


@cache
def truth_of(n: int) -> hs.datasets.FactorData:
    """The rows and columns that all repetitions share."""
    return simulate(n, n, TRUTH_SEED)


@lru_cache(maxsize=1)
def fitted(n: int, share: float, seed: int, bias: str) -> hs.GeneralizedFactorModel:
    """The fit to one redrawn table; the last one is remembered, for other levels."""
    return linear_model(bias).fit(redraw(truth_of(n), share, seed))


def inference(n: int, share: float, seed: int, kind: str, level: float = 0.95) -> Any:
    """Intervals of one redrawn table, published or corrected."""
    bias, asked = KINDS[kind]
    return fitted(n, share, seed, bias).inference(level=level, random_state=seed, **asked)


def repetition(n: int, share: float, seed: int) -> list[dict[str, Any]]:
    """Studentised error of entry (1, 1) of X, those of all rows in figures, and the ranking statistic (6)."""
    X, rows = truth_of(n).row_factors, []
    for kind in KINDS:
        i = inference(n, share, seed, kind)
        turn = np.sign((i.row_factors_estimate * X).sum(axis=0))
        x = i.row_factors(component=0)
        error = x.estimate * turn[0] - X[:, 0]
        z = error / x.se
        rows.append(
            {
                "kind": kind,
                "z11": float(z[0]),
                "mean": float(z.mean()),
                "sd": float(z.std()),
                "skewness": float(skew(z)),
                "within 1.96": float(np.mean(np.abs(z) <= 1.96)),
                "kolmogorov": float(kstest(z, "norm").statistic),
                "pair maximum": float(pair_maximum(error[None], x.se)[0]),
                "row maximum": float(np.abs(z).max()),
            }
        )
    return rows


def repetitions(config: dict[str, Any], study: Any) -> list[dict[str, Any]]:
    """All repetitions, shared by Figures 2 and 3."""
    points = [{"n": config["n"], "share": config["share"], "seed": seed} for seed in range(config["repetitions"])]
    return list(study.repeat("normality", points, repetition, at_least=2, is_shared=True))
