"""Rows needed grow linearly with columns, and with the square of the rank, not its fifth power.

relative error = c r sqrt(d / n) / C: c is the same within ten per cent over n and d. The paper's theorem has
n of order d r^5 eps^-2 C^-2 log d for an absolute error; measured, n = c^2 d r^2 / (C^2 eps^2) for a relative one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _pairs import BLUE, ORANGE, means, new_figure, ours, paper_weights, relative, seen, tidy, truth

CONFIG = {
    "full": {
        "settings": [
            [d, n, r, C] for r, C in ((3, 5), (3, 10), (6, 10), (10, 10))
            for d, n in ((500, 10_000), (500, 40_000), (1000, 20_000), (1000, 40_000))
        ],
        "kinds": ["mixtures", "gaussian factors"], "repetitions": 5,
    },
    "quick": {"settings": [[100, 4000, 2, 5], [100, 16_000, 2, 5]], "kinds": ["mixtures"], "repetitions": 1},
    "check": {
        "settings": [[500, 10_000, 3, 5], [500, 40_000, 3, 5], [1000, 20_000, 3, 5]], "kinds": ["mixtures"],
        "repetitions": 1,
    },
}  # fmt: skip


def repetition(kind: str, d: int, n: int, rank: int, C: int, seed: int) -> dict[str, float]:
    """Error over r sqrt(d / n) / C."""
    M = truth(kind, n, d, rank, seed)
    T, R = M.T @ M / n, seen(M, C, seed)
    law = rank * np.sqrt(d / n) / C
    return {
        "error": (error := relative(ours(R, rank), T)),
        "c": error / law,
        "c, paper weights": relative(paper_weights(R, rank), T) / law,
    }


def run(config: dict[str, Any], study: Any) -> None:
    """The constant of the law, by kind, rank and C; its spread over n and d."""
    points = [
        {"kind": kind, "d": d, "n": n, "rank": r, "C": C, "seed": seed}
        for seed in range(config["repetitions"])
        for kind in config["kinds"]
        for d, n, r, C in config["settings"]
    ]
    rows = study.repeat("law", points, repetition, len(points))
    table = means(rows, ("kind", "rank", "C", "d", "n"))
    study.table("", table)
    spreads = []
    for kind, rank, C in dict.fromkeys((line["kind"], line["rank"], line["C"]) for line in table):
        found = [line for line in table if (line["kind"], line["rank"], line["C"]) == (kind, rank, C)]
        values = [line["c"] for line in found]
        mean, spread = float(np.mean(values)), 50 * (max(values) - min(values)) / float(np.mean(values))
        spreads.append({"kind": kind, "rank": rank, "C": C, "c": mean, "spread, per cent": spread})
    study.table("constants", spreads)
    study.picture(picture(table))
    small = [line for line in spreads if line["c"] * line["rank"] / line["C"] < 10]
    worst = max(line["spread, per cent"] for line in small)
    study.claim(
        "c of the law over n and d: half range over mean",
        "linear in d (the theorem)",
        f"{worst:.0f} %",
        figures={"spread": worst},
        rule="spread <= 10",
        partly="spread <= 30",
        reason="errors above a half leave the law",
    )
    cs = [line["c"] for line in spreads]
    study.beyond(
        "c itself",
        "not given (r^5 in the theorem)",
        f"{min(cs):.1f} to {max(cs):.1f}",
        reason="relative error grows with r, so rows needed with r^2; c grows slowly with C / r",
    )


def picture(table: list[dict[str, Any]]) -> Any:
    """Error against the law."""
    figure = new_figure(4.6, 3.6)
    axes = tidy(figure.subplots())
    for kind, color in zip(dict.fromkeys(line["kind"] for line in table), (BLUE, ORANGE), strict=False):
        part = [line for line in table if line["kind"] == kind]
        law = [line["rank"] * np.sqrt(line["d"] / line["n"]) / line["C"] for line in part]
        axes.plot(law, [line["error"] for line in part], "o", color=color, markersize=4, label=kind)
    ends = np.array([min(law) * 0.9, max(law) * 1.1])
    axes.plot(ends, 2.2 * ends, color="#6c757d", linestyle="--", linewidth=1, label="2.2 times the law")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("r sqrt(d / n) / C")
    axes.set_title("relative error of T", fontsize=11, loc="left")
    axes.legend(frameon=False, fontsize=9)
    return figure
