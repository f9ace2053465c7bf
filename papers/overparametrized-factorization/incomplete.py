"""Half-seen matrices: descent, descent as rank detector, alternating least squares and soft-impute.

Matrices of 100 x 80 and rank 4 with entries of unit variance, a share p seen, noise nz. Errors are relative Frobenius
errors on the unseen entries. "descent" is the estimator with ten columns: a tenth of the seen entries held out to
stop, then descent again on all. "detector + polish" finds the rank by descent, takes the better of ranks q - 1, q,
q + 1 on held-out entries, and fits again on all. "cross-validated ALS" tries ranks 1 to 8 with the same penalties and
held-out entries; "soft-impute" is the nuclear-norm solution, its penalty chosen on a tenth of the entries. Times are
CPU times in one interleaved run; only their ratio means something.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from _descent import COLOURS, means, new_figure, tidy

import halfseen as hs
from halfseen.solvers import detect_rank

CONFIG = {
    "full": {"repetitions": 5, "cells": None},
    "quick": {"repetitions": 1, "cells": ["flat, p .4, noise .3"]},
}
CELLS = {
    "flat, p .25, clean": ("flat", 0.25, 0.0),
    "flat, p .25, noise .3": ("flat", 0.25, 0.3),
    "flat, p .4, clean": ("flat", 0.40, 0.0),
    "flat, p .4, noise .3": ("flat", 0.40, 0.3),
    "decay, p .25, noise .3": ("decay", 0.25, 0.3),
    "decay, p .4, noise .3": ("decay", 0.40, 0.3),
    "flat, p .15, clean": ("flat", 0.15, 0.0),
}
SHAPE, RANK = (100, 80), 4
PENALTIES = (0.03, 0.3, 1.0)
RANKS = tuple(range(1, 9))
METHODS = ("descent", "detector + polish", "cross-validated ALS", "soft-impute")


def one(cell: str, seed: int) -> dict[str, float]:
    """Errors and times of all methods on one matrix."""
    kind, share, noise = CELLS[cell]
    rng = np.random.default_rng(seed)
    U, V = (np.linalg.qr(rng.standard_normal((side, RANK)))[0] for side in SHAPE)
    s = np.ones(RANK) if kind == "flat" else np.array([1.0, 0.7, 0.5, 0.35])
    truth = (U * s) @ V.T * np.sqrt(SHAPE[0] * SHAPE[1] / np.sum(s**2))
    seen = rng.random(SHAPE) < share
    table = hs.Observed.from_dense(np.where(seen, truth + noise * rng.standard_normal(SHAPE), np.nan))
    train, test = table.split(0.1, random_state=seed, keep_covered=True)
    jobs = {
        "descent": lambda: descent(table, seed),
        "detector + polish": lambda: polished(table, train, test, seed),
        "cross-validated ALS": lambda: chosen(table, train, test, RANKS, seed),
        "soft-impute": lambda: soft_impute(table, seed),
    }
    found: dict[str, float] = {}
    als(1, 1.0, seed).fit(test)  # the first fit of a process loads what the others find loaded
    for name in METHODS:
        begun = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimate, rank = jobs[name]()
        found[f"seconds {name}"] = time.process_time() - begun
        found[name] = float(np.linalg.norm((estimate - truth)[~seen]) / np.linalg.norm(truth[~seen]))
        found[f"rank {name}"] = rank
    return found


def descent(table: Any, seed: int) -> tuple[np.ndarray, int]:
    """The estimator as users get it, with ten columns and no centring."""
    options = {"centre": "none", "max_iter": 3000, "keep": 0, "record": 1.0}
    model = hs.OverparametrizedFactorization(10, **options, random_state=seed).fit(table)
    return model.predict_table(), int(np.sum(model.singular_values_ > 0.05 * model.singular_values_[0]))


def als(rank: int, penalty: float, seed: int) -> Any:
    """Ridge on factors alone: the truth has no biases."""
    return hs.AlternatingLeastSquares(
        rank, penalty, bias_penalty=1e6, alpha=0.0, max_iter=60, tol=1e-7, random_state=seed
    )


def chosen(table: Any, train: Any, test: Any, ranks: tuple[int, ...], seed: int) -> tuple[np.ndarray, int]:
    """The rank and penalty that predict held-out entries best, fitted again on all."""
    losses = {}
    for rank in ranks:
        for penalty in PENALTIES:
            model = als(rank, penalty, seed).fit(train)
            losses[rank, penalty] = -model.score(test)
    rank, penalty = min(losses, key=lambda key: losses[key])
    return als(rank, penalty, seed).fit(table).predict_table(), rank


def polished(table: Any, train: Any, test: Any, seed: int) -> tuple[np.ndarray, int]:
    """The rank by descent, then the same choice among its neighbours."""
    rank = detect_rank(table, random_state=seed).rank
    return chosen(table, train, test, tuple(r for r in (rank - 1, rank, rank + 1) if r >= 1), seed)


def soft_impute(table: Any, seed: int) -> tuple[np.ndarray, int]:
    """Nuclear norm along 20 penalties, warm started, the best of them on held-out entries fitted again on all."""
    model = hs.SoftImpute(
        min(SHAPE), bias_penalty=None, debias=False, smallest=0.003, patience=3, random_state=seed
    ).fit(table)
    return model.predict_table(), model.rank_


def run(config: dict[str, Any], study: Any) -> None:
    """The table of all cells."""
    cells = config["cells"] or list(CELLS)
    points = [{"cell": cell, "seed": seed} for seed in range(config["repetitions"]) for cell in cells]
    rows = study.repeat("runs", points, one, len(cells))
    study.table("", means(rows, ("cell",), (*METHODS, *(f"seconds {name}" for name in METHODS))))
    study.table("runs", rows)
    figure = new_figure(8.6, 3.8)
    axes = tidy(figure.subplots())
    for place, name in enumerate(METHODS):
        across = np.arange(len(cells)) + 0.15 * (place - 1.5)
        heights = [np.mean([row[name] for row in rows if row["cell"] == cell]) for cell in cells]
        axes.bar(across, heights, 0.14, color=COLOURS[place], label=name)
    axes.set_xticks(range(len(cells)), [cell.replace(", ", "\n") for cell in cells], fontsize=8)
    axes.set(yscale="log", ylabel="relative error, unseen entries")
    axes.legend(frameon=False, fontsize=8, ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.15))
    study.picture(figure)
    claims(study, rows)


def claims(study: Any, rows: list[dict[str, Any]]) -> None:
    """What the paper leaves as a direction."""
    possible = [row for row in rows if CELLS[row["cell"]][1] >= 0.25]
    ratio = max(
        float(np.mean([r["descent"] for r in possible if r["cell"] == cell]))
        / float(np.mean([r["soft-impute"] for r in possible if r["cell"] == cell]))
        for cell in {row["cell"] for row in possible}
    )
    study.beyond(
        "early-stopped descent completes matrices of unknown rank",
        "left as a direction",
        f"error over cross-validated soft-impute at p >= .25: at most {ratio:.3f} (means of cells)",
        reason="better in every cell" if ratio < 1 else "not better in every cell",
    )
    same = np.mean([row["rank detector + polish"] == row["rank cross-validated ALS"] for row in possible])
    worst = max(row["detector + polish"] / row["cross-validated ALS"] for row in possible)
    speed = [row["seconds cross-validated ALS"] / row["seconds detector + polish"] for row in possible]
    study.beyond(
        "descent as rank detector, polished by least squares, equals the full search",
        "not said",
        f"same rank in {100 * same:.0f} % of the runs, error at most {worst:.3f} times, "
        f"{np.median(speed):.1f} times less time (least {min(speed):.1f})",
    )
