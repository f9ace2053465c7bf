"""Figure 1: small starts find the best low-rank approximation before they overfit; moderate starts never do.

A matrix of 250 x 200 and rank 5 with Frobenius norm 1, noise of expected operator norm 2e-3, k = 200, step .5. Test
error is the distance to the matrix without noise. "Small" and "moderate" are sizes of the whole start in the paper:
rho = 1e-2 and 1e-6 below, and a start of Frobenius norm 1. The shaded window is where the test error of rho = 1e-6 is
within 1 % of that of the best rank-5 approximation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _descent import COLOURS, GREY, distance, follow, low_rank, new_figure, tidy

from halfseen.solvers import Factors

CONFIG = {
    "full": {"shape": [250, 200], "rank": 5, "k": 200, "until": 3000, "noise": 2e-3, "seed": 0},
    "quick": {"shape": [60, 50], "rank": 3, "k": 50, "until": 500, "noise": 2e-3, "seed": 0},
    "check": {"until": 1500},
}
STARTS = {"rho = 1e-6": 1e-6, "rho = 1e-3": 1e-3, "rho = 1e-2": 1e-2, "rho = 0.1": 0.1, "moderate": None}


def run(config: dict[str, Any], study: Any) -> None:
    """Training and test errors of all starts."""
    rng = np.random.default_rng(config["seed"])
    (m, n), r, k = config["shape"], config["rank"], config["k"]
    truth = low_rank((m, n), rng.uniform(0.5, 1.0, r), rng)
    truth /= np.linalg.norm(truth)
    noise = rng.standard_normal((m, n))
    noise *= config["noise"] / (np.sqrt(m) + np.sqrt(n))
    X = truth + noise
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    U_, s_, V_ = np.linalg.svd(truth, full_matrices=False)
    left, right = U_[:, :r] * s_[:r], V_[:r].T
    best = float(np.linalg.norm((U[:, :r] * s[:r]) @ Vt[:r] - truth))

    def look(factors: Factors) -> dict[str, float]:
        return {"test": distance(factors, left, right)}

    paths, rows = {}, []
    for name, rho in STARTS.items():
        study.progress(f"start {name}")
        # a start of Frobenius norm 1 for both factors: entries of standard deviation 1 / sqrt(m k) on average
        size = rho or 3.0 * np.sqrt(m + n + k) / np.sqrt(s[0] * 0.5 * (m + n) * k)
        every = lambda time: time % 5 == 0  # noqa: E731
        paths[name] = follow(X, (k, size, config["seed"] + 1), 0.5, config["until"], look, every)
        least = min(paths[name], key=lambda row: row["test"])
        within = [row["time"] for row in paths[name] if row["test"] <= 1.01 * best]
        rows.append({
            "start": name, "rho": size, "best test error": least["test"], "at": least["time"],
            "over best rank r": least["test"] / best, "at the end": paths[name][-1]["test"],
            "window from": min(within, default=""), "window to": max(within, default=""),
        })  # fmt: skip
    study.table("", rows)
    study.table("paths", [{"start": name, **row} for name in paths for row in paths[name] if row["time"] % 20 == 0])
    study.picture(picture(paths, rows, best, float(np.sqrt(r) * np.linalg.norm(noise, 2))))
    claims(study, {row["start"]: row for row in rows})


def claims(study: Any, found: dict[str, dict[str, Any]]) -> None:
    """What the paper says of this figure."""
    worst = max(found[name]["over best rank r"] for name in ("rho = 1e-6", "rho = 1e-3", "rho = 1e-2"))
    study.claim(
        "small starts reach the error of the best rank-5 approximation",
        "near optimal (a curve)",
        f"{worst:.6f} of it for rho <= 1e-2",
        figures={"over": worst},
        rule="over <= 1.001",
        otherwise="not reached",
    )
    moderate = found["moderate"]["over best rank r"]
    study.claim(
        "a moderate start never comes near",
        "a curve well above",
        f"{moderate:.2f} times the best rank-5 error at best",
        figures={"over": moderate},
        rule="over >= 3",
        partly="over >= 1.5",
        otherwise="less than 3 times",
    )


def picture(paths: dict[str, Any], rows: list[dict[str, Any]], best: float, bound: float) -> Any:
    """Two panels, the first 600 iterations and all of them."""
    figure = new_figure(10.5, 4.0)
    for axes, until in zip(figure.subplots(1, 2, sharey=True), (600, None), strict=True):
        tidy(axes)
        if rows[0]["window from"] != "":
            axes.axvspan(rows[0]["window from"], rows[0]["window to"], color=COLOURS[0], alpha=0.08, linewidth=0)
        for colour, (name, path) in zip(COLOURS, paths.items(), strict=False):
            shown = [row for row in path if until is None or row["time"] <= until]
            times = [row["time"] for row in shown]
            axes.plot(times, [row["test"] for row in shown], color=colour, label=name, linewidth=1.5)
            axes.plot(times, [row["train"] for row in shown], color=colour, linestyle="--", linewidth=1, alpha=0.7)
        axes.axhline(bound, color="#bc4749", linewidth=1, label="sqrt(r) ||E||" if until else None)
        axes.axhline(best, color=GREY, linewidth=1, linestyle=":", label="best rank 5" if until else None)
        axes.set(yscale="log", xlabel="iteration", ylim=(best / 3, 2))
        axes.set_xlim(0, until or max(row["time"] for path in paths.values() for row in path))
        axes.set_title("first 600 iterations" if until else "all iterations", fontsize=10, loc="left")
    figure.axes[0].set_ylabel("error: test (line), training (dashed)")
    figure.axes[0].legend(frameon=False, fontsize=8, ncols=2)
    return figure
