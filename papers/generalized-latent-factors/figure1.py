"""Figure 1: error of the three stages over signal strength and share seen.

Tables of 1000 x 500 with two factors, logit, intercepts -.6. The printed algorithm has an uncentred spectral start,
an unpenalised one-step refinement and gradient descent with step .003; the corrected one subtracts column means before
the first SVD, has a ridge in the one-step, goes to the stationary point and takes Firth's bias correction; `default` is
the model as users get it (empirical-Bayes ridge or none, whichever predicts held-out entries better). Errors are
relative Frobenius errors of the linear predictor, intercepts included, and the largest row error of X after rotation
over the root mean square row length. An error above that of the model without factors (.86 at lambda = 1, .45 at .3)
is worse than having no factors at all.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from _simulation import BLUE, GREY, ORANGE, fit_all, means, new_figure, simulate, stage_errors, tidy

CONFIG = {
    "full": {
        "n": 1000, "p": 500, "strengths": [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0],
        "shares": [0.1, 0.2, 0.35, 0.5, 0.7, 0.9], "repetitions": 200, "sweeps": 250,
    },
    "quick": {"n": 200, "p": 150, "strengths": [0.5, 1.0], "shares": [0.2, 0.5, 0.9], "repetitions": 1, "sweeps": 50},
}  # fmt: skip

STAGES = ("spectral", "one_step", "final")


def repetition(n: int, p: int, strength: float, share: float, sweeps: int, seed: int) -> dict[str, float]:
    """Every stage of the three fits."""
    data = simulate(n, p, seed, strength, share)
    fits = fit_all(data, seed, sweeps)
    found: dict[str, float] = {"no factors": float(np.linalg.norm(data.linear + 0.6) / np.linalg.norm(data.linear))}
    for name, model in fits.items():
        for stage in STAGES if name != "default" else ("final",):
            label = f"{name} {stage}" if name != "default" else name
            found[f"error {label}"], found[f"worst row {label}"] = stage_errors(model.stages_[stage], data)
    found["firth converged"] = float(fits["firth"].run_.converged)
    found["default penalised"] = float(fits["default"].penalty_.ridge > 0)
    return found


def run(config: dict[str, Any], study: Any) -> None:
    """Mean errors of every cell of the grid."""
    cells = [(strength, share) for strength in config["strengths"] for share in config["shares"]]
    fixed = {key: config[key] for key in ("n", "p", "sweeps")}
    points = [
        {**fixed, "strength": strength, "share": share, "seed": seed}
        for seed in range(config["repetitions"])
        for strength, share in cells
    ]
    rows = study.repeat("grid", points, repetition, at_least=len(cells))
    table = means(rows, ("strength", "share"), ("seed", "n", "p", "sweeps"))
    study.table("", sorted(table, key=lambda row: (row["strength"], row["share"])))
    study.picture(picture(table, config))
    study.picture(picture(table, config, "worst row"), "worst-row")
    claims(table, study)


def picture(table: list[dict[str, Any]], config: dict[str, Any], what: str = "error") -> Any:
    """A panel per share, a curve per stage."""
    shares = config["shares"]
    figure = new_figure(3.2 * min(len(shares), 3), 2.7 * -(-len(shares) // 3))
    axes = figure.subplots(-(-len(shares) // 3), min(len(shares), 3), sharex=True, squeeze=False).ravel()
    curves = [
        (f"{what} {kind} {stage}", color, style, f"{label}, {stage.replace('_', ' ')}")
        for kind, color, label in (("paper", ORANGE, "printed"), ("firth", BLUE, "corrected"))
        for stage, style in zip(STAGES, (":", "--", "-"), strict=True)
    ]
    curves.append((f"{what} default", "black", "-", "default"))
    if what == "error":
        curves.append(("no factors", GREY, "-.", "no factors"))
    top = 1.4 if what == "error" else 4.0
    for ax, share in zip(axes, shares, strict=False):
        line = sorted((row for row in table if row["share"] == share), key=lambda row: row["strength"])
        for key, color, style, label in curves:
            values = [row[key] for row in line]
            ax.plot([row["strength"] for row in line], values, style, color=color, label=label, linewidth=1.3)
        ax.set_title(f"$\\pi$ = {share}", fontsize=10)
        ax.set_ylim(0, min(top, ax.get_ylim()[1]))
        tidy(ax)
    for ax in axes[-min(len(shares), 3) :]:
        ax.set_xlabel("signal strength $\\lambda$", fontsize=10)
    figure.supylabel("relative error" if what == "error" else "largest row error of X", fontsize=10)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return figure


def share_of(rows: list[dict[str, Any]], better: str, worse: str) -> str:
    """In how many cells one stage has the smaller mean error."""
    return f"{sum(row[better] < row[worse] for row in rows)} of {len(rows)} cells"


def claims(table: list[dict[str, Any]], study: Any) -> None:
    """The sentences of section 6.2."""
    counts = sorted({row["repetitions"] for row in table})
    noise = max(row[f"error {name} se"] / row[f"error {name}"] for row in table for name in ("paper final", "default"))
    reps = (
        f"{counts[0]} to {counts[-1]} repetitions per cell (the paper: 200), enough here: the standard error of a "
        f"cell's mean is at most {100 * noise:.1f} % of it"
    )
    poor = [row for row in table if row["share"] < 0.35]
    weak = "; ".join(f"lambda {row['strength']}, pi {row['share']}" for row in table
                     if row["error default"] >= row["no factors"])  # fmt: skip
    falls = monotone(table, "error paper final")
    study.claim(
        "errors fall as the signal or the share seen grows, printed algorithm",
        "figure",
        f"in {falls} of neighbouring cells",
        figures={"share": float(falls.split()[0])},
        rule="share == 100",
        partly="share > 50",
        reason=f"{reps}; default: {monotone(table, 'error default')} (relative to a small table little can be learned)",
    )
    said(
        table,
        "one-step refinement improves on the spectral start",
        "paper one_step",
        "paper spectral",
        study,
        f"with pi below .35: {share_of(poor, 'error paper one_step', 'error paper spectral')}",
    )
    said(
        table,
        "gradient descent gives a further, modest reduction",
        "paper final",
        "paper one_step",
        study,
        "unpenalised, it goes on to overfit: its limit is worse than the shrunken one-step, and at low information "
        "there is no limit to go to (separation); only stopping after few sweeps keeps it finite",
    )
    study.beyond(
        "printed algorithm better than no factors at all",
        "not said",
        share_of(table, "error paper final", "no factors"),
        reason=f"with pi below .35: {share_of(poor, 'error paper final', 'no factors')}",
    )
    study.beyond(
        "default (ridge or Firth, by held-out entries) better than the printed final stage",
        "not said",
        share_of(table, "error default", "error paper final"),
        reason=f"no better than no factors at {weak or 'no cell'}",
    )
    final, one = (share_of(table, f"worst row paper {a}", f"worst row paper {b}")
                  for a, b in (("final", "one_step"), ("one_step", "spectral")))  # fmt: skip
    study.claim(
        "the one-step refinement is what controls the worst row (section 4.2)",
        "one-step below spectral",
        f"one-step below spectral in {one}; final below one-step in {final}",
        figures={"below": int(one.split()[0]), "cells": int(one.split()[2])},
        rule="below == cells",
        partly="below > 0.5 * cells",
        otherwise="not where entries are few: an unpenalised row runs away",
    )


def said(table: list[dict[str, Any]], what: str, better: str, worse: str, study: Any, reason: str) -> None:
    """A claim that one stage of the printed algorithm has smaller errors than another, in every cell."""
    np.mean([row[f"error {better}"] < row[f"error {worse}"] for row in table])
    counted = share_of(table, f"error {better}", f"error {worse}")
    study.claim(
        f"{what}, printed algorithm",
        "all cells",
        counted,
        figures={"better": int(counted.split()[0]), "cells": int(counted.split()[2])},
        rule="better == cells",
        partly="better > 0.5 * cells",
        reason=reason,
    )


def monotone(table: list[dict[str, Any]], key: str) -> str:
    """Share of neighbouring cells in which the error falls along either axis."""
    grid = {(row["strength"], row["share"]): row[key] for row in table}
    axes = [sorted({cell[side] for cell in grid}) for side in (0, 1)]
    falls = []
    for side in (0, 1):
        for fixed in axes[1 - side]:
            line = [grid[(one, fixed) if side == 0 else (fixed, one)] for one in axes[side]]
            falls += [after < before for before, after in pairwise(line)]
    return f"{100 * np.mean(falls):.0f} %"
