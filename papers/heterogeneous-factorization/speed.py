"""How long exact sweeps take against Algorithm 1: processor time to an error, solvers interleaved.

The authors' step is .02 (on half the sum of squares, all singular values 1); tuned is 1, the edge of stability. Ratios
mean something, seconds do not: the machine is shared.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from _runs import Errors, alternate, descend

from halfseen.datasets import make_sources_data
from halfseen.show.figures import GREY, new_figure, tidy

CONFIG = {
    "full": {"cases": [[10, 120, 0.5], [10, 120, 0.9], [100, 120, 0.5], [100, 120, 0.9]], "rounds": 3000, "seeds": 2},
    "quick": {"cases": [[4, 40, 0.9]], "rounds": 300, "seeds": 1},
}
TARGET = 1e-6


def race(seed: int, n_sources: int, n_rows: int, observed: float, rounds: int) -> list[dict[str, Any]]:
    """Processor seconds and sweeps of each solver to the target."""
    data = make_sources_data(n_sources, n_rows, 100, 3, 3, observed, "rotated", seed)
    for table in data.sources.values():
        table.by_cols  # noqa: B018 (grouped once, for all)
    runners = {
        "Algorithm 1, the authors' step": lambda e: descend(data, (3, 3), e, rounds, seed, step=0.02, scale=1e-3),
        "Algorithm 1, tuned step": lambda e: descend(data, (3, 3), e, rounds, seed, step=1.0, scale=1e-3),
        "exact blocks": lambda e: alternate(data, (3, 3), e, 100, seed),
    }
    found = []
    for name, runner in runners.items():
        errors = Errors(data, 1 if name == "exact blocks" else 10, TARGET)
        begun = time.process_time()
        runner(errors)
        last = errors.rows[-1]
        found.append(
            {"solver": name, "seconds": time.process_time() - begun - errors.spent, "sweeps": last["iteration"],
             "error": last["subspace_error"]}
        )  # fmt: skip
    return found


def run(config: dict[str, Any], study: Any) -> None:
    """Ratios to the exact blocks, start included."""
    points = [
        {"seed": seed, "n_sources": n, "n_rows": rows, "observed": share, "rounds": config["rounds"]}
        for seed in range(config["seeds"])
        for n, rows, share in config["cases"]
    ]
    rows = study.repeat("race", points, race)
    for row in rows:
        exact = next(o for o in rows if o["solver"] == "exact blocks" and all(o[k] == row[k] for k in points[0]))
        row["ratio"] = f"{row['seconds'] / exact['seconds']:.1f}"
    study.table("", rows)
    figure = new_figure(6.4, 3.2)
    axes = tidy(figure.subplots())
    for place, name in enumerate(("Algorithm 1, the authors' step", "Algorithm 1, tuned step")):
        ratios = [float(row["ratio"]) for row in rows if row["solver"] == name]
        axes.semilogy(np.full(len(ratios), place), ratios, "o", color=GREY)
        reached = [row for row in rows if row["solver"] == name and row["error"] <= TARGET]
        study.claim(
            f"{name}: processor time to {TARGET:g} over that of exact blocks",
            ours=f"{min(ratios):.1f} to {max(ratios):.1f} times ({len(reached)} of {len(ratios)} runs got there)",
            verdict="beyond",
        )
    axes.set_xticks([0, 1], ["authors' step", "tuned step"])
    axes.set_ylabel("times the exact blocks")
    study.picture(figure)
