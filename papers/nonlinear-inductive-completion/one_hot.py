"""Section 1: with one-hot features inductive completion is plain factorization, and with [x, one-hot] its dirty form.

A table of rank 3 (200 x 150, a third seen): linear units on identity matrices beside the factor model. Then a table
that is half features, half not: features alone, free factors alone, and both.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import halfseen as hs

CONFIG = {
    "full": {"n": 200, "p": 150, "seen": 0.33, "seeds": 5},
    "quick": {"n": 40, "p": 30, "seen": 0.5, "seeds": 1},
    "check": {"seeds": 2},
}


def tables(seed: int, n: int, p: int, seen: float) -> dict[str, Any]:
    """Relative errors on unseen cells."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n, 3)) @ rng.normal(size=(3, p))
    mask = rng.random((n, p)) < seen
    options = {"max_iter": 3000, "tol": 1e-11}

    def error(found: np.ndarray, wanted: np.ndarray) -> float:
        return float(np.linalg.norm((found - wanted)[~mask]) / np.linalg.norm(wanted[~mask]))

    one_hot = hs.InductiveCompletion(
        3, "linear", penalty=0.0, has_intercept=False, scale="none", **options, random_state=seed
    )
    one_hot.fit(np.where(mask, truth, np.nan), row_features=np.eye(n), col_features=np.eye(p))
    plain = hs.GeneralizedFactorModel(3, penalty="none", bias="none", random_state=seed)
    plain.fit(np.where(mask, truth, np.nan))
    F, G = rng.normal(size=(n, 5)), rng.normal(size=(p, 5))
    whole = truth / truth.std()
    known = np.maximum(F @ rng.normal(size=(5, 3)), 0) @ np.maximum(G @ rng.normal(size=(5, 3)), 0).T
    whole = whole + known / known.std()
    found = {"one-hot": error(one_hot.predict_table(), truth), "factor model": error(plain.predict_table(), truth)}
    sides = {"row_features": F, "col_features": G}
    for name, free, given in (("features", 0, sides), ("free factors", 3, None), ("both", 3, sides)):
        more = {"max_iter": 1000, "free_rank": free, "free_penalty": 0.01, "effects": "none"}
        model = hs.InductiveCompletion(4, "relu", penalty=1e-6, scale="none", **more, random_state=seed)
        if given is None:
            model = hs.InductiveCompletion(3, "linear", penalty=1e-6, scale="none", **options, random_state=seed)
        found[name] = error(model.fit(np.where(mask, whole, np.nan), **(given or {})).predict_table(), whole)
    return found


def run(config: dict[str, Any], study: Any) -> None:
    """Errors of all."""
    fixed = {key: config[key] for key in ("n", "p", "seen")}
    points = [{"seed": seed, **fixed} for seed in range(config["seeds"])]
    rows = study.repeat("tables", points, tables, len(points))
    study.table("", [{key: row[key] for key in row if key not in fixed} for row in rows])
    worst = {name: max(row[name] for row in rows) for name in rows[0] if name not in (*fixed, "seed")}
    study.claim(
        "one-hot features give plain factorization",
        "stated",
        f"relative error {worst['one-hot']:.1e}; the factor model {worst['factor model']:.1e}",
        figures={"one_hot": worst["one-hot"], "factor_model": worst["factor model"]},
        rule="max(one_hot, factor_model) < 1e-3",
        partly="min(one_hot, factor_model) < 1e-3",
        otherwise="one of the two has not come to rest",
    )
    study.claim(
        "features with one-hot blocks learn what features do not say",
        "the dirty model",
        f"largest error {worst['both']:.2f}; features alone {worst['features']:.2f}, free factors alone "
        f"{worst['free factors']:.2f}",
        figures={"both": worst["both"], "features": worst["features"], "free": worst["free factors"]},
        rule="both < min(features, free)",
        otherwise="no better than the better half",
    )
