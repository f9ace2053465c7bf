"""The paper's open question: ranks that are too large, and when to stop.

N = 10 sources of 60 x 50, r1 = r2 = 2, 60 % seen, noise .3; fitted with twice and four times the ranks. Algorithm 1
from a small start learns the large directions first: what stopping it on held-out entries is worth, against running on,
and against exact blocks with a ridge chosen on held-out entries.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _runs import COLOURS, blocks_of, grouped, quiet

import halfseen as hs
from halfseen.datasets import SourcesDesign, make_sources_data
from halfseen.engines import Serial
from halfseen.methods.heterogeneous.descent import DescentRounds, correct
from halfseen.methods.heterogeneous.start import random_start, safe_step
from halfseen.show.figures import new_figure, tidy
from halfseen.solvers import HeldOut
from halfseen.solvers.loop import loop

CONFIG = {
    "full": {"seeds": 4, "rounds": 1200, "ranks": [2, 4, 8]},
    "quick": {"seeds": 1, "rounds": 60, "ranks": [2, 4]},
}


def fits_of(point: Any) -> list[np.ndarray]:
    return [point.shared_basis @ o.shared_loadings.T + o.unique_basis @ o.unique_loadings.T for o in point.own]


def errors(seed: int, rank: int, rounds: int) -> list[dict[str, Any]]:
    """Root mean squared error of the completed tables against the truth."""
    data = make_sources_data(10, 60, 50, 2, 2, 0.6, SourcesDesign(noise=0.3), seed)
    truth = [data.shared[name] + data.unique[name] for name in data.shared]
    train, test = data.sources.split(0.1, seed)

    def off(fits: list[np.ndarray]) -> float:
        return float(np.sqrt(np.mean([np.mean((fit - true) ** 2) for fit, true in zip(fits, truth, strict=True)])))

    def held_out(point: Any) -> float:
        fits = dict(zip(train, fits_of(point), strict=True))
        return float(np.mean([np.mean((fits[name][t.rows, t.cols] - t.values) ** 2) for name, t in test.items()]))

    blocks, rng = blocks_of(type("Train", (), {"sources": train})()), np.random.default_rng(seed)
    step = safe_step(blocks, Serial(), rng)
    start = random_start(blocks, rank, (rank,) * 10, 1e-3, rng)
    stop = HeldOut(held_out, patience=30)
    rows = []
    stopped = loop(DescentRounds(blocks, Serial(), step), start, [stop], max_iter=rounds)
    rows.append(
        {
            "how": "descent, stopped on held-out entries",
            "error": off(fits_of(stop.best_params)),
            "rounds": stopped.n_iter,
        }
    )
    onward = loop(DescentRounds(blocks, Serial(), step), start, max_iter=rounds).params
    feasible = type(onward)(onward.shared_basis, tuple(correct(onward.shared_basis, one) for one in onward.own))
    rows.append({"how": "descent, run on", "error": off(fits_of(feasible)), "rounds": rounds})
    for how, ridges in (("exact blocks, ridge chosen", [0.3, 1.0, 3.0]), ("exact blocks, no ridge", [0.0])):
        model = hs.HeterogeneousFactorization(max_iter=60, n_restarts=0, solver="als", centre=False, random_state=0)
        choice = hs.select.choose_source_ranks(model, train, [rank], [rank], ridges, random_state=seed)
        with quiet():
            model.set_params(**choice.parameters).fit(train)
        rows.append({"how": how, "error": off([model.predict_table(name) for name in train]), "rounds": model.n_iter_})
    return rows


def run(config: dict[str, Any], study: Any) -> None:
    """Errors over the fitted ranks."""
    points = [
        {"seed": s, "rank": r, "rounds": config["rounds"]} for s in range(config["seeds"]) for r in config["ranks"]
    ]
    rows = study.repeat("errors", points, errors)
    table = grouped(rows, ("how", "rank"), "error")
    study.table("", sorted(table, key=lambda line: (line["how"], line["rank"])))
    figure = new_figure(5.6, 3.4)
    axes = tidy(figure.subplots())
    for place, how in enumerate(dict.fromkeys(line["how"] for line in table)):
        own = [line for line in table if line["how"] == how]
        ranks, values = [line["rank"] for line in own], [float(line["mean"]) for line in own]
        axes.semilogy(ranks, values, "o-", color=COLOURS[place], label=how)
    axes.set_xlabel("fitted shared and unique rank (true: 2)")
    axes.set_ylabel("error of the completed tables")
    axes.legend(frameon=False, fontsize=8)
    study.picture(figure)
    right = {line["how"]: float(line["mean"]) for line in table if line["rank"] == config["ranks"][0]}
    over = {line["how"]: float(line["mean"]) for line in table if line["rank"] == config["ranks"][-1]}
    study.beyond(
        f"ranks over-estimated {config['ranks'][-1] // 2} times: error against that of the right ranks",
        ours="; ".join(f"{how} {over[how] / right['exact blocks, no ridge']:.2f} times" for how in over),
    )
