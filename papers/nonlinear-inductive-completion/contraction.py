"""Theorem 3.3: gradient descent contracts linearly near the truth.

Sigmoid and tanh, k = 3, d = 6, a step of one over the largest eigenvalue of the Hessian at the truth, from weights .1
off it in norm; every step on fresh pairs, as the theorem has it, or on one table throughout.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _synthetic import BLUE, RED, Truth, new_figure

CONFIG = {
    "full": {"k": 3, "d": 6, "n": 300, "m": 3000, "steps": 3000, "seeds": 3},
    "quick": {"k": 2, "d": 3, "n": 60, "m": 300, "steps": 60, "seeds": 1},
    "check": {"seeds": 1},
}
KINDS = ("sigmoid", "tanh")


def descent(kind: str, seed: int, is_fresh: bool, k: int, d: int, n: int, m: int, steps: int) -> dict[str, Any]:
    """Squared distances along the way, the measured factor per step and that of the theorem."""
    truth = Truth(kind, n, m, k, d, seed)
    problem = truth.problem()
    star = problem.pack(truth.U, truth.V)
    values = np.linalg.eigvalsh(problem.normal_equations(star)[0])
    rng = np.random.default_rng(seed + 1)
    theta = rng.normal(size=star.shape)
    theta = star + 0.1 * theta / np.linalg.norm(theta)
    away = []
    for step in range(steps):
        if is_fresh and step:
            problem = Truth(kind, n, m, k, d, 100_000 * (seed + 1) + step, (truth.U, truth.V)).problem()
        theta = theta - problem.value_and_gradient(theta)[1] / values[-1]
        away.append(float(np.sum((theta - star) ** 2)))
    clear = [gap for gap in away if gap > 1e-20]  # below, rounding is all that is left
    late = clear[len(clear) // 2 :]
    return {
        "factor": float((late[-1] / late[0]) ** (1 / (len(late) - 1))), "theorem": float(1 - values[0] / values[-1]),
        "end": away[-1], "path": away[:: max(1, steps // 60)],
    }  # fmt: skip


def run(config: dict[str, Any], study: Any) -> None:
    """Rates, and a picture of the distances."""
    fixed = {key: config[key] for key in ("k", "d", "n", "m", "steps")}
    points = [
        {"kind": kind, "is_fresh": is_fresh, "seed": seed, **fixed}
        for seed in range(config["seeds"])
        for kind in KINDS
        for is_fresh in (True, False)
    ]
    rows = study.repeat("descents", points, descent, len(points))
    study.table("", [{key: row[key] for key in row if key not in (*fixed, "path")} for row in rows])
    figure, axes = new_figure(len(KINDS))
    for ax, kind in zip(axes[0], KINDS, strict=True):
        for row in rows:
            if row["kind"] == kind:
                steps = np.arange(len(row["path"])) * max(1, config["steps"] // 60)
                label = ("fresh pairs" if row["is_fresh"] else "one table") if row["seed"] == 0 else None
                ax.semilogy(steps, row["path"], color=BLUE if row["is_fresh"] else RED, lw=1.2, label=label)
        ax.set(title=kind, xlabel="step", ylabel="squared distance")
        ax.legend(frameon=False)
    study.picture(figure)
    for kind in KINDS:
        own = [row for row in rows if row["kind"] == kind]
        worst = max(row["factor"] for row in own)
        study.claim(
            f"squared distance falls by 1 - M_l/M_u a step, {kind}",
            f"at most {max(r['theorem'] for r in own):.5f}",
            f"at most {worst:.5f}, fresh pairs or one table; {max(r['end'] for r in own):.1e} at the end",
            figures={"excess": max(row["factor"] - row["theorem"] for row in own)},
            rule="excess <= 1e-4",
            partly="excess <= 0.01",
            otherwise="the factor of the slowest direction, at the eigenvalues of one table",
        )
