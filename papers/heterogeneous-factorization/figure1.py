"""Figure 1: errors of the shared and the unique parts over the iterations.

Complete tables without noise, N = 100 sources of n1 x 100 with n1 = 30, 60, 120 and r1 = r2 = 3. Algorithm 1 with the
settings of the authors' programs: step .1 on the sum of squares (.2 on half of it), beta .1, Gaussian start of size
.01, on their data (all singular values 1). Beside it the exact blocks from the spectral start, which are done at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _runs import COLOURS, Errors, alternate, descend

from halfseen.datasets import make_sources_data
from halfseen.show.figures import new_figure, tidy

CONFIG = {
    "full": {"n_sources": 100, "n_rows": [30, 60, 120], "rounds": 300},
    "quick": {"n_sources": 10, "n_rows": [30], "rounds": 80},
    "check": {"n_rows": [30]},
}


def curve(n_sources: int, n_rows: int, rounds: int) -> list[dict[str, Any]]:
    """Errors on the way of both solvers."""
    data = make_sources_data(n_sources, n_rows, 100, 3, 3, design="rotated", random_state=0)
    found = []
    for solver in ("Algorithm 1", "exact blocks"):
        errors = Errors(data, 10 if solver == "Algorithm 1" else 1, with_parts=True)
        if solver == "Algorithm 1":
            descend(data, (3, 3), errors, rounds, 0, step=0.2, beta=0.1, scale=0.01)
        else:
            alternate(data, (3, 3), errors, 2, 0)
        found += [{"solver": solver, **row} for row in errors.rows]
    return found


def run(config: dict[str, Any], study: Any) -> None:
    """Curves, and the slope of the descent once it is linear."""
    points = [{"n_sources": config["n_sources"], "n_rows": n, "rounds": config["rounds"]} for n in config["n_rows"]]
    rows = study.repeat("curves", points, curve)
    study.table("", rows)
    figure = new_figure(7.5, 3.4)
    for axes, part in zip(figure.subplots(1, 2), ("shared_error", "unique_error"), strict=True):
        for place, n_rows in enumerate(config["n_rows"]):
            one = [row for row in rows if row["n_rows"] == n_rows and row["solver"] == "Algorithm 1"]
            axes.semilogy(
                [r["iteration"] for r in one], [r[part] for r in one], color=COLOURS[place], label=f"n1={n_rows}"
            )
            exact = [row for row in rows if row["n_rows"] == n_rows and row["solver"] == "exact blocks"][-1]
            axes.semilogy([exact["iteration"]], [exact[part]], "o", color=COLOURS[place])
        tidy(axes).set_title(f"{part.split('_')[0]} part; dots: exact blocks", fontsize=10, loc="left")
        axes.set_xlabel("iteration")
        axes.legend(frameon=False, fontsize=8)
    study.picture(figure)
    falls = {}
    for n_rows in config["n_rows"]:
        one = [row for row in rows if row["n_rows"] == n_rows and row["solver"] == "Algorithm 1"]
        half = one[len(one) // 2 :]
        fit = np.polyfit([row["iteration"] for row in half], np.log10([row["shared_error"] for row in half]), 1)
        falls[n_rows] = float(fit[0])
    study.claim(
        "after a few iterations the errors decrease linearly",
        "straight lines on a log scale",
        "; ".join(f"n1={n}: a factor 10 in {-1 / slope:.0f} rounds" for n, slope in falls.items()),
        figures={"rounds": [-1 / slope for slope in falls.values()]},
        rule="0 < min(rounds) and max(rounds) < 100",
        otherwise="no steady fall in the second half",
    )
    last = max(
        r["shared_error"] + r["unique_error"] for r in rows if r["solver"] == "exact blocks" and r["iteration"] == 2
    )
    study.beyond("complete tables without noise have a closed form", ours=f"summed squared errors <= {last:.1e}")
