"""Recovery against the condition number of the weights, which the theorems' sample sizes grow with.

k = 4, d = 8, n = 100: weights with singular values from 1 (the smallest, as in the paper) to kappa in equal ratios;
L-BFGS from one random start of the weights' size, and from up to eight.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _synthetic import BLUE, RED, Truth, new_figure

CONFIG = {
    "full": {"k": 4, "d": 8, "n": 100, "m": [3, 4, 6, 10], "kappa": [1, 3, 10, 30], "trials": 8},
    "quick": {"k": 2, "d": 4, "n": 40, "m": [6], "kappa": [1, 3], "trials": 1},
    "check": {"m": [6], "kappa": [1, 30], "trials": 2},
}
KINDS = ("sigmoid", "relu")


def weights(k: int, d: int, kappa: float) -> Any:
    """A random matrix with these singular values."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        left, right = (np.linalg.qr(rng.normal(size=(size, k)))[0] for size in (d, k))
        return left * np.geomspace(kappa, 1.0, k) @ right.T

    return draw


def fit(kind: str, m: int, kappa: float, seed: int, k: int, d: int, n: int) -> dict[str, Any]:
    """Errors from one start and from eight."""
    found = {}
    for name, starts in (("one start", 1), ("8 starts", 8)):
        truth = Truth(kind, n, 2 * k * d * m, k, d, seed, weights(k, d, kappa))
        scale = float(np.linalg.norm(truth.U) / np.sqrt(truth.U.size))
        found[name] = truth.error(truth.fit(max_iter=3000, n_starts=starts, start_scale=scale))
    return found


def run(config: dict[str, Any], study: Any) -> None:
    """Shares of recovery over kappa."""
    fixed = {key: config[key] for key in ("k", "d", "n")}
    points = [
        {"kind": kind, "m": m, "kappa": kappa, "seed": seed, **fixed}
        for seed in range(config["trials"])
        for kind in KINDS
        for m in config["m"]
        for kappa in config["kappa"]
    ]
    rows = study.repeat("fits", points, fit, len(points))
    table = []
    for key in dict.fromkeys((row["kind"], row["m"], row["kappa"]) for row in rows):
        own = [row for row in rows if (row["kind"], row["m"], row["kappa"]) == key]
        shares = {way: np.mean([row[way] <= 1e-3 for row in own]) for way in ("one start", "8 starts")}
        table.append({**dict(zip(("kind", "m", "kappa"), key, strict=True)), **shares, "tables": len(own)})
    study.table("", table)
    figure, axes = new_figure(2)
    for ax, kind in zip(axes[0], KINDS, strict=True):
        for way, colour in (("one start", RED), ("8 starts", BLUE)):
            for m, style in zip(config["m"], ("-", "--", "-.", ":"), strict=False):
                own = [line for line in table if line["kind"] == kind and line["m"] == m]
                ax.semilogx([line["kappa"] for line in own], [line[way] for line in own], style, color=colour,
                            label=f"{way}, m = {m} x weights")  # fmt: skip
        ax.set(title=kind, xlabel="condition number", ylabel="share recovered", ylim=(-0.05, 1.05))
    axes[0][0].legend(frameon=False, fontsize=6)
    study.picture(figure)
    least, most = min(config["kappa"]), max(config["kappa"])
    for kind in KINDS:
        own = [line for line in table if line["kind"] == kind]
        ends = {kappa: [line["one start"] for line in own if line["kappa"] == kappa] for kappa in (least, most)}
        means = {kappa: np.mean(shares) for kappa, shares in ends.items()}
        helped = np.mean([line["8 starts"] for line in own if line["kappa"] == most])
        study.claim(
            f"ill-conditioned weights need more observations, {kind}",
            "sample sizes grow with kappa and lambda",
            f"one start: {means[least]:.2f} of the tables at kappa = {least}, {means[most]:.2f} at {most}; eight "
            f"starts {helped:.2f} at {most}",
            figures={"easy": means[least], "hard": means[most]},
            rule="hard < easy - 0.05",
            otherwise="within these sizes conditioning is not what decides",
        )
