r"""The three phases: alignment, growth, refinement, with the signal ratio of (1.1).

A matrix of 250 x 200, r = 5, k = 200, rho = 1e-6, step 1/(2 sigma_1). sig(F, G) is the smallest singular value of the
factors' part in the leading singular vectors over the largest of the rest. It begins far below 1 (a cold start);
phase 1 lasts until it is 1, phase 2 until the signal's smallest component A has reached .8 of the root of sigma_r,
phase 3 refines. The bound of the paper's footnote is drawn for the start.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _descent import BLUE, COLOURS, GREY, follow, low_rank, new_figure, tidy

CONFIG = {
    "full": {"shape": [250, 200], "rank": 5, "k": 200, "until": 260},
    "quick": {"shape": [60, 50], "rank": 3, "k": 50, "until": 260},
    "check": {},
}


def run(config: dict[str, Any], study: Any) -> None:
    """One descent, looked at closely."""
    rng, (m, n), r = np.random.default_rng(0), config["shape"], config["rank"]
    X = low_rank((m, n), np.linspace(1.0, 0.6, r), rng) + 0.1 * rng.standard_normal((m, n)) / (np.sqrt(m) + np.sqrt(n))
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    U, V = U[:, :r], Vt[:r].T
    best = (U * s[:r]) @ V.T

    def look(factors: Any) -> dict[str, float]:
        F, G = factors
        inside = U.T @ F, V.T @ G
        outside = F - U @ inside[0], G - V @ inside[1]
        least = min(float(np.linalg.svd(part, compute_uv=False)[r - 1]) for part in inside)
        most = max(float(np.sqrt(np.linalg.eigvalsh(part.T @ part)[-1])) for part in outside)
        A, B = (inside[0] + inside[1]) / 2, (inside[0] - inside[1]) / 2
        return {
            "signal ratio": least / most,
            "smallest of A": float(np.linalg.svd(A, compute_uv=False)[r - 1]),
            "imbalance B": float(np.linalg.norm(B, 2)),
            "error parts": most,
            "error": float(np.linalg.norm(F @ G.T - best) / np.linalg.norm(s[:r])),
        }

    rows = follow(X, (config["k"], 1e-6, 1), 0.5 / float(s[0]), config["until"], look, lambda time: time % 2 == 0)
    first = next((row["time"] for row in rows if row["signal ratio"] >= 1), -1)
    second = next((row["time"] for row in rows if row["smallest of A"] >= 0.8 * np.sqrt(s[r - 1])), -1)
    least = min(rows, key=lambda row: row["error"])
    study.table("", rows)
    study.picture(picture(rows, first, second, least["time"]))
    study.claim(
        "three phases follow each other",
        "alignment, growth, refinement",
        f"signal ratio {rows[0]['signal ratio']:.3f} at the start, 1 at {first}; A large at {second}; "
        f"least error {least['error']:.1e} at {least['time']}",
        figures={"aligned": first, "grown": second, "refined": least["time"]},
        rule="0 <= aligned < grown < refined",
        otherwise="out of order",
    )
    drift = max(row["imbalance B"] for row in rows) / np.sqrt(s[0])
    study.claim(
        "the imbalance stays small",
        "B stays small throughout",
        f"its norm is at most {drift:.1e} of the root of sigma_1",
        figures={"imbalance": drift},
        rule="imbalance < 0.01",
        partly="imbalance < 0.1",
        otherwise="above 1 %",
    )


def picture(rows: list[dict[str, float]], first: int, second: int, last: int) -> Any:
    """Signal, errors, and the phases shaded."""
    figure = new_figure(6.8, 4.0)
    axes = tidy(figure.subplots())
    times = [row["time"] for row in rows]
    bounds = [0, first, second, last]
    for place, name in enumerate(("alignment", "growth", "refinement")):
        if bounds[place] < bounds[place + 1]:
            axes.axvspan(bounds[place], bounds[place + 1], color=COLOURS[place], alpha=0.1, linewidth=0)
            axes.text((bounds[place] + bounds[place + 1]) / 2, 3e4, name, ha="center", fontsize=9)
    names = ("signal ratio", "smallest of A", "error parts", "imbalance B", "error")
    for colour, name in zip((BLUE, *COLOURS[1:]), names, strict=False):
        axes.plot(times, [row[name] for row in rows], color=colour, label=name)
    axes.axhline(1.0, color=GREY, linewidth=0.8, linestyle=":")
    axes.set(yscale="log", xlabel="iteration", ylim=(1e-9, 2e5))
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return figure
