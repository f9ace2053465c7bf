"""Figure 1: errors of X, Y and the predictor at the three stages over signal strength and share seen.

Tables of 1000 x 500 with two factors, logit, intercepts -.6. The printed algorithm has an uncentred spectral start,
an unpenalised one-step refinement and gradient descent with step .003. Errors of X and Y are the paper's distances
(after the best rotation of each factor, in the gauge X'X = Y'Y) over the norm of the truth: relative errors of model
side and task side. M is the linear predictor, intercepts included. The worst row of X is its largest row error over the
root mean square row length.

Beside the printed algorithm: the corrected one subtracts column means before the first SVD, has a ridge in the
one-step, goes to the stationary point and takes Firth's bias correction; `default` is the model as users get it
(empirical-Bayes ridge or none, whichever predicts held-out entries better). They have half of the strengths
and fewer repetitions; the printed algorithm runs again on smaller tables, where more repetitions can be had (the tables
say how many). An error of M above that of the model without factors (.86 at lambda = 1, .45 at .3) is worse than having
no factors at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from _simulation import (
    BLUE,
    GREY,
    ORANGE,
    factor_errors,
    fit_ours,
    fit_printed,
    means,
    new_figure,
    simulate,
    stage_errors,
    tidy,
)

CONFIG = {
    "full": {
        "n": 1000, "p": 500, "strengths": [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0],
        "shares": [0.1, 0.2, 0.35, 0.5, 0.7, 0.9], "repetitions": 200, "sweeps": 250, "at_least": 5,
        "some": [0.3, 0.5, 0.7, 1.0], "smaller": [400, 200], "trials": 30,
    },
    "quick": {
        "n": 200, "p": 150, "strengths": [0.5, 1.0], "shares": [0.2, 0.5, 0.9], "repetitions": 2, "sweeps": 50,
        "at_least": 1, "some": [1.0], "smaller": [100, 80], "trials": 2,
    },
    "check": {"strengths": [0.3, 0.9, 1.0], "shares": [0.1, 0.35, 0.7], "repetitions": 2, "some": [1.0], "trials": 1},
}  # fmt: skip

STAGES = ("spectral", "one_step", "final")
WHAT = {"M": "the linear predictor", "X": "X", "Y": "Y"}
FIXED = ("seed", "n", "p", "sweeps")


def printed(n: int, p: int, strength: float, share: float, sweeps: int, seed: int) -> dict[str, float]:
    """Errors of M, X and Y at every stage of the printed algorithm."""
    data = simulate(n, p, seed, strength, share)
    return {"no factors": no_factors(data)} | stages_of(fit_printed(data, seed, sweeps), data, "", STAGES)


def ours(n: int, p: int, strength: float, share: float, sweeps: int, seed: int) -> dict[str, float]:
    """The same of the corrected algorithm, and of the model as users get it."""
    data = simulate(n, p, seed, strength, share)
    fits = fit_ours(data, seed)
    found = {"no factors": no_factors(data)}
    found |= stages_of(fits["firth"], data, "firth ", STAGES)
    found |= stages_of(fits["default"], data, "default ", ("final",))
    found["firth converged"] = float(fits["firth"].run_.converged)
    found["default penalised"] = float(fits["default"].penalty_.ridge > 0)
    return found


def no_factors(data: Any) -> float:
    """Error of the predictor that the true intercepts alone give."""
    return float(np.linalg.norm(data.linear + 0.6) / np.linalg.norm(data.linear))


def stages_of(model: Any, data: Any, name: str, stages: Sequence[str]) -> dict[str, float]:
    """Errors of M, X, Y and of the worst row, by stage."""
    found = {}
    for stage in stages:
        factors = model.stages_[stage]
        found[f"M {name}{stage}"], found[f"worst row {name}{stage}"] = stage_errors(factors, data)
        found[f"X {name}{stage}"], found[f"Y {name}{stage}"] = factor_errors(factors, data)
    return found


def run(config: dict[str, Any], study: Any) -> None:
    """Mean errors of every cell of the grid."""
    cells = [(strength, share) for strength in config["strengths"] for share in config["shares"]]
    fixed = {key: config[key] for key in ("n", "p", "sweeps")}
    some = [cell for cell in cells if cell[0] in config["some"]]
    small = {**fixed, "n": config["smaller"][0], "p": config["smaller"][1]}
    points = points_of(fixed, cells, config["repetitions"])
    few = study.repeat("smaller", points_of(small, some, config["trials"]), printed, at_least=len(some))
    rows = study.repeat("printed", points, printed, at_least=config["at_least"] * len(cells))
    other = study.repeat("ours", points_of(fixed, some, 1), ours, at_least=len(some))
    table, other, less = (ordered(means(lines, ("strength", "share"), FIXED)) for lines in (rows, other, few))
    study.table("", table)
    study.table("ours", other)
    study.table("smaller", less)
    for what in ("M", "X", "Y", "worst row"):
        study.picture(picture(table, other, config, what), what.replace(" ", "-") if what != "M" else "")
    size = f"{small['n']} x {small['p']}, {repetitions_of(less)}"
    claims(table, rows, (less, few, size), study)
    beside(table, other, study)


def points_of(fixed: dict[str, Any], cells: list[tuple[float, float]], repetitions: int) -> list[dict[str, Any]]:
    """Every cell with every seed, seeds outside."""
    return [
        {**fixed, "strength": strength, "share": share, "seed": seed}
        for seed in range(repetitions)
        for strength, share in cells
    ]


def repetitions_of(table: list[dict[str, Any]]) -> str:
    """How many repetitions the cells have."""
    counts = sorted({row["repetitions"] for row in table})
    return f"{' to '.join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))} repetitions per cell"


def ordered(table: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cells by signal strength, then by the share seen."""
    return sorted(table, key=lambda row: (row["strength"], row["share"]))


def picture(table: list[dict[str, Any]], other: list[dict[str, Any]], config: dict[str, Any], what: str) -> Any:
    """A panel per share, a curve per stage."""
    shares = config["shares"]
    figure = new_figure(3.2 * min(len(shares), 3), 2.7 * -(-len(shares) // 3))
    axes = figure.subplots(-(-len(shares) // 3), min(len(shares), 3), sharex=True, squeeze=False).ravel()
    styles = list(zip(STAGES, (":", "--", "-"), strict=True))
    curves = [(table, f"{what} {stage}", ORANGE, style, f"printed, {stage.replace('_', ' ')}")
              for stage, style in styles]  # fmt: skip
    curves += [(other, f"{what} firth {stage}", BLUE, style, f"corrected, {stage.replace('_', ' ')}")
               for stage, style in styles]  # fmt: skip
    curves.append((other, f"{what} default final", "black", "-", "default"))
    if what == "M":
        curves.append((table, "no factors", GREY, "-.", "no factors"))
    top = 4.0 if what == "worst row" else 1.4
    for ax, share in zip(axes, shares, strict=False):
        for lines, key, color, style, label in curves:
            line = [row for row in lines if row["share"] == share]
            values = [row[key] for row in line]
            ax.plot([row["strength"] for row in line], values, style, color=color, label=label, linewidth=1.3)
        ax.set_title(f"$\\pi$ = {share}", fontsize=10)
        ax.set_ylim(0, min(top, ax.get_ylim()[1]))
        tidy(ax)
    for ax in axes[-min(len(shares), 3) :]:
        ax.set_xlabel("signal strength $\\lambda$", fontsize=10)
    figure.supylabel("largest row error of X" if what == "worst row" else f"relative error of {what}", fontsize=10)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return figure


def counted(rows: list[dict[str, Any]], better: str, worse: str) -> int:
    """In how many cells one stage has the smaller mean error."""
    return sum(row[better] < row[worse] for row in rows)


def clearly(rows: list[dict[str, Any]], better: str, worse: str) -> tuple[int, int]:
    """In how many cells the paired difference is negative, and positive, by more than two of its standard errors."""
    cells: dict[tuple[float, float], list[float]] = {}
    for row in rows:
        cells.setdefault((row["strength"], row["share"]), []).append(row[better] - row[worse])
    below = above = 0
    for differences in cells.values():
        mean, error = np.mean(differences), np.std(differences, ddof=min(1, len(differences) - 1))
        below += bool(mean < -2 * error / np.sqrt(len(differences)))
        above += bool(mean > 2 * error / np.sqrt(len(differences)))
    return below, above


def claims(table: list[dict[str, Any]], rows: list[dict[str, Any]], smaller: tuple[Any, ...], study: Any) -> None:
    """The sentences of section 6.2, for the predictor and for both factors."""
    reps = f"{repetitions_of(table)} (the paper: 200)"
    for what, name in WHAT.items():
        noise = max(row[f"{what} final se"] / row[f"{what} final"] for row in table)
        share = monotone(table, f"{what} final")
        study.claim(
            f"errors of {name} fall as the signal or the share seen grows",
            "figure",
            f"in {share:.0f} % of neighbouring cells",
            figures={"share": round(share, 1)},
            rule="share == 100",
            partly="share > 50",
            reason=f"{reps}; the standard error of a cell's mean is at most {100 * noise:.1f} % of it",
            otherwise=rises(table, f"{what} final"),
        )
    steps = (
        ("the one-step refinement improves on the spectral start", "one_step", "spectral"),
        ("gradient descent gives a further reduction", "final", "one_step"),
        ("all stages together improve on the spectral start", "final", "spectral"),
    )
    for text, better, worse in steps:
        for what, name in WHAT.items():
            said(table, rows, (f"{text}: {name}", f"{what} {better}", f"{what} {worse}"), smaller, study)
    worst = (
        "the one-step refinement is what controls the worst row (section 4.2)",
        "worst row one_step",
        "worst row spectral",
    )
    said(table, rows, worst, smaller, study)
    for what in ("X", "Y"):
        ratio = {share: np.mean([row[f"{what} final"] / row[f"{what} spectral"] for row in table
                                 if row["share"] == share]) for share in {row["share"] for row in table}}  # fmt: skip
        sparse, dense = (round(float(ratio[share]), 3) for share in (min(ratio), max(ratio)))
        study.claim(
            f"the improvement on the start is most pronounced where most is seen: {what}",
            "especially pronounced",
            f"final over spectral: {sparse:.2f} at pi {min(ratio)}, {dense:.2f} at pi {max(ratio)} (means over lambda)",
            figures={"sparse": sparse, "dense": dense},
            rule="dense < sparse and dense < 1",
            partly="dense < 1",
            otherwise="it is largest where little is seen",
        )


def said(
    table: list[dict[str, Any]],
    rows: list[dict[str, Any]],
    what: tuple[str, str, str],
    smaller: tuple[list[dict[str, Any]], list[dict[str, Any]], str],
    study: Any,
) -> None:
    """A claim that one stage of the printed algorithm has smaller errors than another, in every cell."""
    text, better, worse = what
    dense = [row for row in table if row["share"] >= 0.35]
    below, above = clearly(rows, better, worse)
    ratios = sorted(row[better] / row[worse] for row in table)
    number, (less, few, size) = counted(table, better, worse), smaller
    fewer, more = clearly(few, better, worse)
    study.claim(
        text,
        "all cells",
        f"{number} of {len(table)} cells; {ratios[0]:.2f} to {ratios[-1]:.2f} of it, in the middle "
        f"{np.median(ratios):.2f}",
        figures={"better": number, "cells": len(table)},
        rule="better == cells",
        partly="better > 0.5 * cells",
        reason=f"with pi from .35 on: {counted(dense, better, worse)} of {len(dense)}; beyond two standard errors of "
        f"the difference: smaller in {below}, larger in {above}; tables of {size}: smaller in "
        f"{counted(less, better, worse)} of {len(less)}, beyond two standard errors in {fewer}, larger in {more}",
    )


def beside(table: list[dict[str, Any]], other: list[dict[str, Any]], study: Any) -> None:
    """What the paper does not say: the model without factors, and ours."""
    few = [row for row in table if row["share"] < 0.35]
    study.beyond(
        "printed algorithm better than no factors at all (M)",
        "not said",
        f"{counted(table, 'M final', 'no factors')} of {len(table)} cells",
        reason=f"with pi below .35: {counted(few, 'M final', 'no factors')} of {len(few)}",
    )
    mine = {(row["strength"], row["share"]): row for row in other}
    stages = [{key: row[key] for key in row if key.split()[-1] in STAGES} for row in table]
    both = [{**mine[row["strength"], row["share"]], **own} for row, own in zip(table, stages, strict=True)
            if (row["strength"], row["share"]) in mine]  # fmt: skip
    weak = "; ".join(f"lambda {row['strength']}, pi {row['share']}" for row in other
                     if row["M default final"] >= row["no factors"])  # fmt: skip
    for what, name in WHAT.items():
        ratios = sorted(row[f"{what} default final"] / row[f"{what} final"] for row in both)
        study.beyond(
            f"default (ridge or Firth, by held-out entries) better than the printed final stage: {name}",
            "not said",
            f"{counted(both, f'{what} default final', f'{what} final')} of {len(both)} cells; {ratios[0]:.2f} to "
            f"{ratios[-1]:.2f} of it, in the middle {np.median(ratios):.2f}",
            reason=f"no better than no factors at {weak or 'no cell'}" if what == "M" else
            repetitions_of(other),
        )  # fmt: skip


def neighbours(table: list[dict[str, Any]], key: str) -> list[tuple[str, float, float]]:
    """Errors of every two neighbouring cells along either axis, the one with more information second."""
    grid = {(row["strength"], row["share"]): row[key] for row in table}
    axes = [sorted({cell[side] for cell in grid}) for side in (0, 1)]
    pairs = []
    for side in (0, 1):
        for fixed in axes[1 - side]:
            for low, high in pairwise(axes[side]):
                cells = [(low, fixed), (high, fixed)] if side == 0 else [(fixed, low), (fixed, high)]
                names = (f"lambda {low:g} to {high:g}, pi {fixed:g}", f"lambda {fixed:g}, pi {low:g} to {high:g}")
                pairs.append((names[side], *(grid[cell] for cell in cells)))
    return pairs


def monotone(table: list[dict[str, Any]], key: str) -> float:
    """Per cent of neighbouring cells in which the error falls."""
    return 100.0 * float(np.mean([after < before for _, before, after in neighbours(table, key)]))


def rises(table: list[dict[str, Any]], key: str) -> str:
    """Where it does not."""
    places = [name for name, before, after in neighbours(table, key) if after >= before]
    return "it does not from " + "; ".join(places[:4]) + (f" and in {len(places) - 4} more" if len(places) > 4 else "")
