"""Coverage of 95 % intervals: row-clustered errors, and errors that take pairs as independent.

Gaussian factors (sizes 1.3 to .7), noise on the entries, cells seen with chance C / d, also where rows hold half of all
columns. Off-diagonal entries of T; "angles": the true row space lies within the stated largest angle. Errors that take
the pairs as independent are those of weighted least squares, with the residual's own scale: a row with C entries moves
C (C - 1) / 2 pairs at once, which they do not know. Predictive intervals of hidden entries of new rows, with 2 to 50
entries seen, count the errors of T or only what a row with the fitted T would have.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _pairs import means, quiet, relative, seen
from scipy.stats import norm

import halfseen as hs

CONFIG = {
    "full": {
        "settings": [[60, 2, 6000, 4, 0.5], [100, 2, 8000, 10, 0.5], [150, 3, 20_000, 5, 0.0], [200, 3, 20_000, 4, 0.5],
                     [40, 2, 2000, 20, 0.5], [60, 3, 4000, 30, 0.5]],
        "repetitions": 20,
        "predict": {"d": 500, "r": 6, "n": [20_000, 60_000], "C": 6, "noise": 0.25, "m": [2, 5, 10, 20, 50]},
    },
    "quick": {
        "settings": [[40, 2, 2000, 6, 0.5]], "repetitions": 2,
        "predict": {"d": 60, "r": 2, "n": [3000], "C": 4, "noise": 0.25, "m": [2, 10]},
    },
    "check": {
        "settings": [[60, 2, 6000, 4, 0.5], [40, 2, 2000, 20, 0.5]], "repetitions": 4,
        "predict": {"d": 60, "r": 2, "n": [3000], "C": 4, "noise": 0.25, "m": [2, 10]},
    },
}  # fmt: skip
LOW, HIGH = 0.92, 0.97


def covered(d: int, r: int, n: int, C: int, noise: float, seed: int) -> dict[str, float]:
    """Shares of off-diagonal entries inside both kinds of intervals, and whether the row space is."""
    rng = np.random.default_rng([seed, d, C])
    L = np.linalg.qr(rng.normal(size=(d, r)))[0] * np.sqrt(d) * np.linspace(1.3, 0.7, r)
    M = rng.standard_normal((n, r)) @ L.T + noise * rng.standard_normal((n, d))
    with quiet():
        model = hs.OneSidedCompletion(r, psi="columns", tol=1e-10, random_state=0).fit(seen(M, C, seed))
    found = model.inference()
    pairs, (i, j) = found.second_moment(), np.triu_indices(d, k=1)
    T = (L @ L.T)[i, j]
    half = norm.ppf(0.975) * independent_errors(model, i, j)
    cosines = np.linalg.svd(model.row_space().T @ np.linalg.qr(L)[0])[1]
    angle = np.degrees(np.arccos(min(float(cosines.min()), 1.0)))
    return {
        "row-clustered": float(np.mean((pairs.low <= T) & (pairs.high >= T))),
        "pairs as independent": float(np.mean(np.abs(pairs.estimate - T) <= half)),
        "angles": float(angle <= found.row_space().largest),
    }


def independent_errors(model: Any, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Standard errors of weighted least squares on pairs: c J H^+ J', H = J'WJ."""
    X, moments = model.components_.T, model.moments_
    d, r = X.shape
    held, own = moments.at(i, j), moments.at(np.arange(d), np.arange(d))
    size = own.sums / own.counts
    weights = held.counts / (size[i] * size[j])
    J = np.zeros((len(i), d, r))
    e = np.arange(len(i))
    J[e, i], J[e, j] = X[j], X[i]
    J = J.reshape(len(i), d * r)
    inverse = np.linalg.pinv((J * weights[:, None]).T @ J, hermitian=True, rcond=1e-10)
    raw = np.divide(held.sums, held.counts, out=np.zeros(len(i)), where=held.counts > 0)
    residual = raw - np.einsum("ek,ek->e", X[i], X[j])
    free = np.sum(held.counts > 0) - d * r + r * (r - 1) / 2
    scale = float(np.sum(weights * residual**2)) / free
    return np.sqrt(scale * np.einsum("ek,ek->e", J @ inverse, J))


def predicted(d: int, r: int, n: int, C: int, noise: float, m: list[int], seed: int) -> list[dict[str, float]]:
    """Shares of hidden entries of 200 new rows inside their intervals, by the number of entries seen."""
    rng = np.random.default_rng([seed, d, r])
    L = rng.normal(size=(d, r)) / np.sqrt(r)

    def rows(count: int) -> np.ndarray:
        return rng.standard_normal((count, r)) @ L.T + noise * rng.standard_normal((count, d))

    with quiet():
        model = hs.OneSidedCompletion(r, random_state=0).fit(seen(rows(n), C, seed))
    inference, out = model.inference(), []
    X, psi = model.components_.T, model.psi_
    for count in m:
        M = rows(200)
        cols = np.argsort(rng.random(M.shape), axis=1)[:, :count]
        table = np.full(M.shape, np.nan)
        np.put_along_axis(table, cols, np.take_along_axis(M, cols, axis=1), axis=1)
        found, hidden = inference.predict(table), np.isnan(table)
        spreads = np.array([np.einsum("jk,kl,jl->j", X, np.linalg.inv(X[own].T @ X[own] / psi + np.eye(r)), X)
                            for own in cols])  # fmt: skip
        near = np.abs(found.estimate - M) <= norm.ppf(0.975) * np.sqrt(psi + spreads)
        inside = (found.low <= M) & (found.high >= M)
        out.append({
            "entries seen": count, "error of T": relative(X, L @ L.T),
            "with the errors of T": float(inside[hidden].mean()), "without": float(near[hidden].mean()),
        })  # fmt: skip
    return out


def claim_predictions(config: dict[str, Any], study: Any) -> None:
    """The table of predictive intervals."""
    fixed = config["predict"]
    points = [{**fixed, "n": n, "seed": seed} for seed in range(min(config["repetitions"], 5)) for n in fixed["n"]]
    leave = ("seed", *(name for name in fixed if name != "n"))
    table = means(study.repeat("predicted", points, predicted), ("n", "entries seen"), leave)
    study.table("predictions", table)
    for n in fixed["n"]:
        part = [line for line in table if line["n"] == n]
        ours, without = ([line[kind] for line in part] for kind in ("with the errors of T", "without"))
        study.target(
            f"95 % predictive intervals of new rows with {min(fixed['m'])} to {max(fixed['m'])} entries, T from {n} "
            f"rows (asked: {LOW:g} to {HIGH:g})",
            f"{LOW:g} to {HIGH:g}",
            f"{min(ours):.3f} to {max(ours):.3f}; without the errors of T {min(without):.3f} to {max(without):.3f}",
            figures={"least": min(ours), "most": max(ours)},
            rule="0.92 <= least and most <= 0.97",
            otherwise=f"errors of T count to first order only; T is {100 * part[0]['error of T']:.0f} % off here",
        )


def run(config: dict[str, Any], study: Any) -> None:
    """A line per setting."""
    names = ("d", "r", "n", "C", "noise")
    points = [
        {**dict(zip(names, setting, strict=True)), "seed": seed}
        for seed in range(config["repetitions"])
        for setting in config["settings"]
    ]
    table = means(study.repeat("covered", points, covered), names)
    study.table("", table)
    for what, part in (
        ("rows with few entries", [line for line in table if 2 * line["C"] < line["d"]]),
        ("C = d / 2", [line for line in table if 2 * line["C"] >= line["d"]]),
    ):
        if not part:
            continue
        clustered, alone = ([line[kind] for line in part] for kind in ("row-clustered", "pairs as independent"))
        tables = part[0]["repetitions"]
        study.target(
            f"row-clustered 95 % intervals of T, {what} (asked: {LOW:g} to {HIGH:g})",
            f"{LOW:g} to {HIGH:g}",
            f"{min(clustered):.3f} to {max(clustered):.3f} in {len(part)} settings, {tables} tables of each; "
            f"pairs taken as independent {min(alone):.2f} to {max(alone):.2f}",
            figures={"least": min(clustered), "most": max(clustered)},
            rule="0.92 <= least and most <= 0.97",
            otherwise="outside what was asked",
        )
    claim_predictions(config, study)
