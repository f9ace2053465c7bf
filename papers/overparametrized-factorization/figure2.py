"""Figure 2: singular values grow one after the other; small starts are faster too.

A matrix of 250 x 200 and rank 10 with Frobenius norm 1, step .5, k = 200. (a) singular values of the iterate from
rho = 1e-6. (b) distance to the matrix from several starts. "Iterations to 1e-3" is the first iterate within 1e-3 of
the matrix in Frobenius norm.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from _descent import COLOURS, GREY, follow, low_rank, new_figure, tidy

from halfseen.solvers import Factors, product_svd

CONFIG = {
    "full": {"shape": [250, 200], "rank": 10, "k": 200, "until": 3500, "seed": 0},
    "quick": {"shape": [60, 50], "rank": 5, "k": 50, "until": 800, "seed": 0},
    "check": {},
}
STARTS = (1e-6, 1e-4, 1e-2, 1.0)
CLOSE = 1e-3


def run(config: dict[str, Any], study: Any) -> None:
    """The path of singular values, and errors of four starts."""
    rng = np.random.default_rng(config["seed"])
    (m, n), r, k = config["shape"], config["rank"], config["k"]
    X = low_rank((m, n), np.linspace(1.0, 0.25, r), rng)
    X /= np.linalg.norm(X)
    s = np.linalg.svd(X, compute_uv=False)[:r]

    def sizes(factors: Factors) -> dict[str, float]:
        found = product_svd(factors)[1][: r + 1]
        return {f"s{i + 1}": float(x) for i, x in enumerate(found)}

    study.progress("singular values of the iterate")
    grid = lambda time: time % 10 == 0  # noqa: E731
    path = follow(X, (k, 1e-6, config["seed"] + 1), 0.5, min(config["until"], 1000), sizes, grid)
    half = [next((row["time"] for row in path if row[f"s{i + 1}"] > 0.5 * s[i]), None) for i in range(r)]
    study.table("a", path)
    study.picture(sequential(path, s), "a")
    known = [time for time in half if time is not None]
    study.claim(
        "components are passed one after the other, the largest first",
        "sequentially",
        f"half grown at {', '.join(map(str, known))}",
        figures={"grown": len(known), "components": r, "out_of_order": sum(a > b for a, b in pairwise(known))},
        rule="grown == components and out_of_order == 0",
        partly="grown > 1 and out_of_order == 0",
        otherwise=f"{len(known)} of {r} had grown, or out of order",
    )
    speeds(config, study, X)


def errors_from(X: np.ndarray, config: dict[str, Any], rho: float) -> list[dict[str, Any]]:
    """Training errors from one start."""
    start = (config["k"], rho, config["seed"] + 1)
    return follow(X, start, 0.5, config["until"], lambda factors: {}, enough=1e-8)


def speeds(config: dict[str, Any], study: Any, X: np.ndarray) -> None:
    """Panel b."""
    paths, rows = {}, []
    for rho in STARTS:
        study.progress(f"rho {rho:g}")
        # rho = 1 is "moderate" in the paper; its formula gives a start of norm .5, a size of 3 sqrt(m + n + k) one
        # of the order of the matrix in every entry. Both readings are run.
        paths[f"{rho:g}"] = errors_from(X, config, rho)
    one = 3.0 * np.sqrt(sum(X.shape) + config["k"]) / np.sqrt(np.linalg.norm(X, 2) * 0.5 * sum(X.shape) * config["k"])
    paths["||F||=||G||=1"] = errors_from(X, config, one)
    for name, path in paths.items():
        near = next((row["time"] for row in path if row["train"] <= CLOSE), None)
        end = path[-1]["train"]
        rows.append({"start": name, "iterations to 1e-3": "" if near is None else near, "at the end": end})
    study.table("b", rows)
    study.table("b-paths", [{"start": name, **row} for name in paths for row in paths[name] if row["time"] % 20 == 0])
    study.picture(errors(paths), "b")
    times = {row["start"]: row["iterations to 1e-3"] for row in rows}
    first, until = times["1e-06"], config["until"]
    ratios = {name: (times[name] or until) / first if first else 0.0 for name in ("1", "||F||=||G||=1")}
    found = "; ".join(
        f"{'more than ' if times[name] == '' else ''}{ratio:.1f} times fewer than from {label}"
        for (name, ratio), label in zip(ratios.items(), ("rho = 1 in the formula", "factors of norm 1"), strict=True)
    )
    study.claim(
        "a small start reaches 1e-3 in a tenth of a moderate start's iterations",
        "much faster (curves)",
        f"{first} iterations: {found}",
        figures={"formula": ratios["1"], "norm_one": ratios["||F||=||G||=1"]},
        rule="norm_one >= 10",
        partly="norm_one > 1",
        reason="moderate is the size of the matrix, as in Figure 1",
        otherwise="less than ten times",
    )


def sequential(path: list[dict[str, Any]], s: np.ndarray) -> Any:
    """Singular values of the iterate and of the matrix."""
    figure = new_figure(6.4, 3.8)
    axes = tidy(figure.subplots())
    times = [row["time"] for row in path]
    for i, size in enumerate(s):
        axes.axhline(size, color=GREY, linewidth=0.6, linestyle=":")
        axes.plot(times, [row[f"s{i + 1}"] for row in path], color=COLOURS[i % len(COLOURS)], linewidth=1.4)
    axes.set(xlabel="iteration", ylabel="singular values of F G'")
    axes.set_title("dotted: singular values of the matrix", fontsize=10, loc="left")
    return figure


def errors(paths: dict[str, Any]) -> Any:
    """Errors of all starts."""
    figure = new_figure(6.4, 3.8)
    axes = tidy(figure.subplots())
    for colour, (name, path) in zip(COLOURS, paths.items(), strict=False):
        label = f"rho = {name}" if "F" not in name else name
        axes.plot([row["time"] for row in path], [row["train"] for row in path], color=colour, label=label)
    axes.axhline(CLOSE, color=GREY, linewidth=0.8, linestyle=":")
    axes.set(yscale="log", xlabel="iteration", ylabel="||F G' - X||", ylim=(1e-9, 3))
    axes.legend(frameon=False, fontsize=9)
    return figure
