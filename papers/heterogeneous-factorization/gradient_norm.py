"""Theorem 4: under a general loss the least squared gradient norm falls like 1/T.

Huber's loss (Lipschitz) on incomplete tables with gross errors, Algorithm 1 with a constant step. A bound of order 1/T
means that T times the least squared norm so far stays bounded; near a KKT point the fall is faster.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _runs import COLOURS, blocks_of

import halfseen as hs
from halfseen.datasets import SourcesDesign, make_sources_data
from halfseen.engines import Serial
from halfseen.methods.heterogeneous.alternating import joined
from halfseen.methods.heterogeneous.descent import DescentRounds, correct
from halfseen.methods.heterogeneous.start import random_start
from halfseen.show.figures import new_figure, tidy
from halfseen.solvers.loop import loop

CONFIG = {
    "full": {"seeds": 3, "rounds": 2000},
    "quick": {"seeds": 1, "rounds": 60},
    "check": {"seeds": 1},
}


def squared_norm(blocks: Any, point: Any) -> float:
    """Squared Frobenius norm of the gradient at the corrected point."""
    total, shared = 0.0, np.zeros_like(point.shared_basis)
    r1 = shared.shape[1]
    for block, one in zip(blocks, point.own, strict=True):
        _, gU, gV = block.gradients(*joined(point.shared_basis, correct(point.shared_basis, one)))
        shared += gU[:, :r1]
        total += float(np.sum(gU[:, r1:] ** 2) + np.sum(gV**2))
    return total + float(np.sum(shared**2))


def descent(seed: int, rounds: int) -> list[dict[str, float]]:
    """Least squared gradient norm so far, on the way."""
    data = make_sources_data(6, 40, 30, 2, 2, 0.7, SourcesDesign(noise=0.3), seed)
    rng = np.random.default_rng(seed)
    spoilt = {
        name: table.with_values(table.values + np.where(rng.random(table.n_entries) < 0.05, 20.0, 0.0))
        for name, table in data.sources.items()
    }
    loss = hs.losses.get_loss("huber(1.0)")
    blocks = blocks_of(type("Spoilt", (), {"sources": spoilt})(), loss)
    largest = max(np.linalg.norm(data.shared[name] + data.unique[name], 2) for name in data.shared)
    start = random_start(blocks, 2, (2,) * 6, 0.1, rng)
    rows, least = [], np.inf

    def watch(iteration: int, result: Any, seconds: float) -> None:
        nonlocal least
        if iteration % 5 == 0 or iteration < 20:
            least = min(least, squared_norm(blocks, result.params))
            rows.append({"round": iteration, "least": least, "value": result.value})

    loop(DescentRounds(blocks, Serial(), 0.3 / largest), start, max_iter=rounds, watchers=[watch])
    return rows


def run(config: dict[str, Any], study: Any) -> None:
    """Curves against 1/T."""
    rows = study.repeat("descent", [{"seed": s, "rounds": config["rounds"]} for s in range(config["seeds"])], descent)
    study.table("", [row for place, row in enumerate(rows) if place % 10 == 0])
    figure = new_figure(5.2, 3.4)
    axes = tidy(figure.subplots())
    steep = []
    for seed in range(config["seeds"]):
        own = [row for row in rows if row["seed"] == seed]
        T, g = np.array([row["round"] for row in own], float), np.array([row["least"] for row in own])
        axes.loglog(T, g, color=COLOURS[seed])
        late = T[-1] / 10 < T
        steep.append(float(np.polyfit(np.log(T[late]), np.log(g[late]), 1)[0]))
    axes.loglog(T, g[0] * T[0] / T, "--", color=COLOURS[2], label="1 / T")
    axes.legend(frameon=False)
    axes.set_xlabel("round T")
    axes.set_title("least squared gradient norm so far, Huber loss", fontsize=10, loc="left")
    study.picture(figure)
    study.claim(
        "the least squared gradient norm is O(1/T) under a general loss",
        "T^-1",
        "T^" + ", T^".join(f"{s:.2f}" for s in steep) + " over the last nine tenths of the rounds",
        figures={"slowest": max(steep)},
        rule="slowest <= -1",
        partly="slowest < 0",
        otherwise="slower than 1/T where it was stopped",
    )
