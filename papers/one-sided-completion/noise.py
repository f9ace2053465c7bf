"""Sensitivity to noise on the entries, and error against epsilon of a private release.

The paper (appendix C.3) adds noise of variance sigma^2 to the entries and reads T error .0089, .106, .210, .339, .447,
.579 at 1, 10, ..., 50 (its unit is not stated; relative to the entries' own variance it must be far below 1). Here the
noise is in units of the entries' variance, and psi takes it off the diagonal. The private release has no counterpart in
the paper, whose noise assumes sensitivity 1 and a public set of pairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _pairs import BLUE, ORANGE, fitted, means, new_figure, ours, quiet, relative, seen, tidy, truth

import halfseen as hs

CONFIG = {
    "full": {
        "n": 20_000, "d": 500, "rank": 3, "C": 6, "noise": [0.0, 0.1, 0.5, 1.0, 2.0, 4.0], "repetitions": 5,
        "private": {"n": [200_000, 1_000_000], "d": 200, "rank": 3, "C": 4, "m": 6, "epsilon": [1.0, 2.0, 5.0, 10.0]},
    },
    "quick": {
        "n": 4000, "d": 100, "rank": 2, "C": 5, "noise": [0.0, 1.0], "repetitions": 1,
        "private": {"n": [50_000], "d": 50, "rank": 2, "C": 4, "m": 6, "epsilon": [2.0, 10.0]},
    },
    "check": {
        "noise": [0.0, 1.0, 4.0], "repetitions": 1,
        "private": {"n": [200_000], "d": 200, "rank": 3, "C": 4, "m": 6, "epsilon": [10.0]},
    },
}  # fmt: skip


def noisy(ratio: float, n: int, d: int, rank: int, C: int, seed: int) -> dict[str, float]:
    """Relative errors of the low-rank part, noise of ``ratio`` times the entries' variance."""
    M = truth("gaussian factors", n, d, rank, seed)
    level = float(np.sqrt(ratio * np.mean(M**2)))
    R = seen(M + level * np.random.default_rng([seed, 5]).standard_normal(M.shape), C, seed)
    T = M.T @ M / n
    with quiet():
        model = hs.OneSidedCompletion(rank, random_state=0, keeps_rows=False).fit(R)
    return {
        "ours": relative(model.components_.T, T),
        "diagonal as it is": relative(fitted(R, rank, psi=0.0, keeps_rows=False), T),
        "diagonal left out": relative(fitted(R, rank, psi="columns", keeps_rows=False), T),
        "psi over truth": model.psi_ / level**2 if level else float("nan"),
    }


def private(epsilon: float, n: int, d: int, rank: int, C: int, m: int, seed: int) -> dict[str, float]:
    """Error of a release at this epsilon, and without noise."""
    rng = np.random.default_rng([seed, 7])
    factors = np.linalg.qr(rng.standard_normal((d, rank)))[0].T
    counts = np.minimum(rng.poisson(C, n), 2 * m)
    row = np.repeat(np.arange(n), counts)
    col = rng.integers(0, d, len(row))
    kind = rng.integers(rank, size=n)
    R = hs.Observed.from_triplets(row, col, factors[kind[row], col], shape=(n, d), duplicates="first")
    T = factors.T @ np.diag(np.bincount(kind, minlength=rank) / n) @ factors
    bound = float(np.abs(factors).max())
    promise = hs.Privacy(epsilon, 1e-6, bound, m)
    with quiet():
        model = hs.OneSidedCompletion(rank, privacy=promise, random_state=np.random.default_rng([seed, 8])).fit(R)
    return {"private": relative(model.components_.T, T), "without noise": relative(ours(R, rank), T),
            "sigma": promise.sigma}  # fmt: skip


def run(config: dict[str, Any], study: Any) -> None:
    """Both tables."""
    fixed = {key: config[key] for key in ("n", "d", "rank", "C")}
    points = [
        {"ratio": ratio, "seed": seed, **fixed} for seed in range(config["repetitions"]) for ratio in config["noise"]
    ]
    table = means(study.repeat("noise", points, noisy, len(points)), ("ratio",), ("seed", *fixed))
    study.table("", table)
    p = config["private"]
    same = {key: p[key] for key in ("d", "rank", "C", "m")}
    points = [
        {"epsilon": epsilon, "n": n, "seed": seed, **same}
        for seed in range(config["repetitions"])
        for n in p["n"]
        for epsilon in p["epsilon"]
    ]
    budget = means(study.repeat("private", points, private, len(points)), ("n", "epsilon"), ("seed", *same))
    study.table("private", budget)
    study.picture(picture(table, budget))
    last = table[-1]
    study.claim(
        f"noise of {last['ratio']:g} times the entries' variance: error of T",
        "grows linearly in sigma^2",
        f"{last['ours']:.3f} ({table[0]['ours']:.3f} without noise)",
        figures={"first_slope": slope_of(table[:2]), "last_slope": slope_of(table[-2:])},
        rule="0.8 * first_slope <= last_slope <= 1.25 * first_slope",
        partly="last_slope > 0",
        reason="with psi on the diagonal the error grows like the noise's share; the paper's own weights it in full",
    )
    study.beyond(
        "the same with the diagonal as it is",
        "-",
        f"{last['diagonal as it is']:.3f}",
        reason="noise variance taken for signal",
    )
    best = budget[-1]
    study.beyond(
        f"private release, epsilon {best['epsilon']:g}, n = {best['n']}",
        "not comparable",
        f"{best['private']:.3f} ({best['without noise']:.3f} without noise)",
        reason="clipped rows, all pairs, joint sensitivity sqrt(m(m+1)), analytic Gaussian mechanism",
    )


def slope_of(lines: list[dict[str, Any]]) -> float:
    """How fast the error of T grows with the noise between the first line and the last."""
    return float((lines[-1]["ours"] - lines[0]["ours"]) / (lines[-1]["ratio"] - lines[0]["ratio"]))


def picture(table: list[dict[str, Any]], budget: list[dict[str, Any]]) -> Any:
    """Error against noise, and against epsilon."""
    figure = new_figure(8.0, 3.4)
    left, right = (tidy(axes) for axes in figure.subplots(1, 2))
    for name, color in (("ours", BLUE), ("diagonal as it is", ORANGE), ("diagonal left out", "#6c757d")):
        left.plot([line["ratio"] for line in table], [line[name] for line in table], "o-", color=color, label=name)
    left.set_xlabel("noise variance over entries' variance")
    left.legend(frameon=False, fontsize=9)
    left.set_title("relative error of T", fontsize=11, loc="left")
    for n, color in zip(dict.fromkeys(line["n"] for line in budget), (ORANGE, BLUE), strict=False):
        part = [line for line in budget if line["n"] == n]
        right.plot([line["epsilon"] for line in part], [line["private"] for line in part], "o-", color=color,
                   label=f"{n:,} rows")  # fmt: skip
        right.axhline(part[0]["without noise"], color=color, linestyle="--", linewidth=1)
    right.set_xscale("log")
    right.set_yscale("log")
    right.set_xlabel("epsilon")
    right.set_title("private release (dashed: without noise)", fontsize=11, loc="left")
    right.legend(frameon=False, fontsize=9)
    return figure
