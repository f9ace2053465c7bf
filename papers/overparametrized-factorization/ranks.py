"""How many columns: k = r needs luck, any k above r works, and 200 do no harm.

A matrix of 100 x 80 with singular values 1, .8, .6 and little noise, rho = 1e-3, step .5. Per start the first
iterate within 5 % of the best rank-3 approximation (relative Frobenius error), and the least error up to 1500
iterations before the noise is fitted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _descent import COLOURS, distance, follow, low_rank, new_figure, tidy

CONFIG = {
    "full": {"columns": [3, 4, 6, 200], "repetitions": 40, "until": 600},
    "quick": {"columns": [3, 6], "repetitions": 4, "until": 400},
    "check": {"columns": [3, 4, 200], "repetitions": 10},
}
SHAPE, SIZES, CLOSE = (100, 80), (1.0, 0.8, 0.6), 0.05


def one(k: int, until: int, seed: int) -> dict[str, Any]:
    """Time to 5 %, and least error, from one start."""
    rng = np.random.default_rng(12345)
    X = low_rank(SHAPE, SIZES, rng) + 0.05 * rng.standard_normal(SHAPE) / (np.sqrt(SHAPE[0]) + np.sqrt(SHAPE[1]))
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    left, right = U[:, :3] * s[:3], Vt[:3].T
    size = float(np.linalg.norm(s[:3]))
    path = follow(X, (k, 1e-3, seed), 0.5, until, lambda factors: {"error": distance(factors, left, right) / size})
    near = next((row["time"] for row in path if row["error"] <= CLOSE), until)
    return {"time": near, "least": min(row["error"] for row in path)}


def run(config: dict[str, Any], study: Any) -> None:
    """All numbers of columns side by side."""
    points = [{"k": k, "seed": seed} for seed in range(config["repetitions"]) for k in config["columns"]]
    rows = study.repeat("runs", points, lambda k, seed: one(k, config["until"], seed), len(config["columns"]))
    table = []
    for k in config["columns"]:
        times = np.array([row["time"] for row in rows if row["k"] == k])
        least = np.array([row["least"] for row in rows if row["k"] == k])
        table.append({
            "k": k, "starts": len(times), "median time": float(np.median(times)), "slowest": int(times.max()),
            "slowest over median of most columns": 0.0, "worst least error": float(least.max()),
        })  # fmt: skip
    base = table[-1]["median time"]
    for row in table:
        row["slowest over median of most columns"] = row["slowest"] / base
    study.table("", table)
    figure = new_figure(6.0, 3.6)
    axes = tidy(figure.subplots())
    for place, k in enumerate(config["columns"]):
        times = np.sort([row["time"] for row in rows if row["k"] == k])
        axes.plot(times, (np.arange(len(times)) + 1) / len(times), color=COLOURS[place], label=f"k = {k}")
    axes.set(xlabel="iterations to 5 % of the best rank 3", ylabel="share of starts")
    axes.legend(frameon=False, fontsize=9)
    study.picture(figure)
    exact, others = table[0], table[1:]
    study.claim(
        "any k of at least r works; k = r needs luck",
        "probability 1 - (C rho)^(k - r + 1) - ...",
        f"slowest of {exact['starts']} starts over the usual time: {exact['slowest'] / base:.2f} at k = r; "
        + ", ".join(f"{row['slowest'] / base:.2f} at {row['k']}" for row in others),
        figures={"exact": exact["slowest"] / base, "others": max(row["slowest"] for row in others) / base},
        rule="exact > others",
        partly="others < 2",
        otherwise="no slow start was met",
    )
