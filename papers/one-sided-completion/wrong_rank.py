"""A wrong rank, entries that are missing because of their values, and the incoherence regulariser.

The paper leaves open what happens when the rank is not known and when cells are not missing at random.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _pairs import fitted, means, ours, quiet, relative, seen, truth

import halfseen as hs
from halfseen.methods.moment.rank import choose_pair_rank

CONFIG = {
    "full": {"n": 40_000, "d": 500, "rank": 6, "C": 8, "repetitions": 7,
             "kinds": ["gaussian factors", "mixtures", "linear mixtures"], "strengths": [0.0, 0.5, 1.0]},
    "quick": {"n": 8000, "d": 80, "rank": 2, "C": 6, "repetitions": 1, "kinds": ["gaussian factors"],
              "strengths": [0.0, 1.0]},
    "check": {"kinds": ["mixtures", "linear mixtures"], "repetitions": 1, "strengths": [0.0]},
}  # fmt: skip


def ranks(kind: str, n: int, d: int, rank: int, C: int, seed: int) -> dict[str, float]:
    """Errors at r/2, r, 2r, 4r and at the rank that held-out rows choose."""
    M = truth(kind, n, d, rank, seed)
    T, R = M.T @ M / n, seen(M, C, seed)
    out = {f"{factor:g} r": relative(ours(R, max(1, round(factor * rank))), T) for factor in (0.5, 1, 2, 4)}
    parts = [hs.PairMoments.from_rows(part) for part in R.split(0.2, seed, by="rows")]
    with quiet():
        choice = choose_pair_rank(*parts, range(1, 4 * rank + 1), hs.OneSidedCompletion(), np.random.default_rng(seed))
    right = float(choice.rank == rank)
    return out | {"chosen rank": choice.rank, "right": right, "chosen": relative(ours(R, choice.rank), T)}


def missing(kind: str, by: str, strength: float, n: int, d: int, rank: int, C: int, seed: int) -> dict[str, float]:
    """Slope of the estimate on the truth when cells are seen by row size, or by their own value."""
    rng = np.random.default_rng([seed, 3])
    M = truth("gaussian factors", n, d, rank, seed)
    T = M.T @ M / n
    if by == "value":
        tilt = np.exp(strength * M / M.std())
    else:
        size = np.sqrt(np.mean(M**2, axis=1, keepdims=True))
        order = size if by == "row size" else rng.permutation(size)
        tilt = np.exp(strength * (order - order.mean()) / order.std()) * np.ones_like(M)
    share = np.minimum(C / d * tilt / tilt.mean(), 1.0)
    R = hs.Observed.from_dense(np.where(rng.random(M.shape) < share, M, np.nan))
    X = ours(R, rank)
    found = hs.PairMoments.from_rows(R)
    with quiet():
        model = hs.OneSidedCompletion(rank, random_state=0, keeps_rows=False).fit(R)
    return {
        "slope of T": float(np.sum((X @ X.T) * T) / np.sum(T * T)),
        "error": relative(X, T),
        "diagnosed slope": model.diagnostics_.activity_slope,
        "entries per row": found.entries_per_row,
    }


def incoherence(weight: float, n: int, d: int, rank: int, C: int, seed: int) -> dict[str, float]:
    """The paper's regulariser, alpha below the rows' lengths, on its own data."""
    M = truth("common means", n // 4, d, rank, seed)
    T = M.T @ M / (n // 4)
    return {"error": relative(fitted(seen(M, 2, seed), rank, weights="paper", incoherence=weight, row_norm=1e-3), T)}


def run(config: dict[str, Any], study: Any) -> None:
    """Three tables."""
    fixed = {key: config[key] for key in ("n", "d", "rank", "C")}
    seeds = range(config["repetitions"])
    points = [{"kind": kind, "seed": seed, **fixed} for seed in seeds for kind in config["kinds"]]
    table = means(study.repeat("ranks", points, ranks, len(points)), ("kind",), ("seed", *fixed))
    study.table("", table)
    points = [
        {"kind": "gaussian factors", "by": by, "strength": strength, "seed": seed, **fixed}
        for seed in seeds
        for by in ("row size", "chance", "value")
        for strength in config["strengths"]
    ]
    absent = means(study.repeat("missing", points, missing, len(points)), ("by", "strength"), ("seed", "kind", *fixed))
    study.table("missing", absent)
    points = [{"weight": weight, "seed": seed, **fixed} for seed in seeds for weight in (0.0, 1e-4, 1e-2)]
    held = means(study.repeat("incoherence", points, incoherence, len(points)), ("weight",), ("seed", *fixed))
    study.table("incoherence", held)
    for line in table:
        study.claim(
            f"error at r/2, r, 2r, 4r, {line['kind']}",
            "plateau below r (stated)",
            ", ".join(f"{line[f'{f:g} r']:.3f}" for f in (0.5, 1, 2, 4)),
            figures={"half": line["0.5 r"], "right": line["1 r"]},
            rule="half > right",
            reason="too many factors cost less than too few",
        )
    hits, runs = (round(sum(line[what] for line in made)) for what, made in (
        ("right", [{"right": line["right"] * line["repetitions"]} for line in table]), ("repetitions", table)
    ))  # fmt: skip
    study.target(
        "rank by rows held out (open question 4; asked: 18 of 20)",
        "9 of 10",
        f"right in {hits} of {runs}",
        figures={"right": hits, "tables": runs},
        rule="right >= 0.9 * tables",
        reason=f"{config['repetitions']} tables of each kind",
    )
    linear = [line for line in table if line["kind"] == "linear mixtures"]
    if linear:
        study.beyond(
            "rows that are linear mixtures (open question 3)",
            "open, 'significantly more challenging'",
            f"relative error {linear[0]['1 r']:.3f}",
            reason="their leading eigenvalue is large; T is recovered as well as by the law, the smaller "
            "directions later",
        )
    worst = max((line for line in absent if line["by"] == "value"), key=lambda line: line["strength"])
    study.beyond(
        "cells seen by their own value: slope of T",
        "assumed away",
        f"{worst['slope of T']:.2f}",
        reason="no estimator of pairs survives this; the diagnostic sees only what goes with a row's activity",
    )
