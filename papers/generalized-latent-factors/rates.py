"""Theorem 2.1: how the errors of zeta, X and Y fall with the share seen and with the signal.

The theorem bounds the distances of X and Y by a multiple of (pi sigma_r)^(-1/2), that of zeta by one of pi^(-1/2);
section 2.2 says that the bounds are those of the minimax risk, so that the errors should have these very slopes. Tables
of 1000 x 500 with two factors at the stationary point of the likelihood (where the paper's gradient descent goes, see
`solvers`). Distances are Frobenius norms after the best rotation of each factor, not divided by the truth's norm;
slopes are those of their logarithms, per table, with the standard error between tables. Gaussian entries have the same
noise and curvature at every signal, as the theorem's other quantities are held; with the logit a stronger signal also
flattens the curvature of the cells, which the theorem counts apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _simulation import BLUE, GREY, ORANGE, distances, means, new_figure, quiet, tidy

import halfseen as hs

CONFIG = {
    "full": {
        "n": 1000, "p": 500, "families": ["gaussian", "bernoulli"], "shares": [0.25, 0.35, 0.5, 0.7, 1.0],
        "strengths": [0.6, 0.8, 1.0, 1.3, 1.7], "repetitions": 10,
    },
    "quick": {
        "n": 400, "p": 300, "families": ["gaussian", "bernoulli"], "shares": [0.5, 1.0], "strengths": [1.0, 1.7],
        "repetitions": 3,
    },
    "check": {"shares": [0.25, 0.5, 1.0], "strengths": [0.6, 1.0, 1.7], "repetitions": 2},
}  # fmt: skip
PARTS = ("zeta", "X", "Y")
# What the other axis is held at.
STRENGTH, SHARE = 1.0, 0.9
# The theorem's slopes, in pi and in sigma_r.
SLOPES = {"share": dict.fromkeys(PARTS, -0.5), "strength": {"zeta": 0.0, "X": -0.5, "Y": -0.5}}
NAMES = {"share": "the share seen pi", "strength": "the signal sigma_r"}


def repetition(n: int, p: int, family: str, strength: float, share: float, seed: int) -> dict[str, float]:
    """Distances of one fit."""
    data = hs.datasets.make_factor_data(n, p, 2, family, strength, share, random_state=seed)
    with quiet():
        model = hs.GeneralizedFactorModel(2, family, penalty="none", bias="none", start="linear", random_state=0)
        at = model.fit(data.observed).stages_["final"]
    X, Y = distances(at, data)
    return {"zeta": float(np.linalg.norm(at.intercept - data.intercept)), "X": X, "Y": Y,
            "converged": float(model.run_.converged)}  # fmt: skip


def run(config: dict[str, Any], study: Any) -> None:
    """Both axes, both families."""
    fixed = {key: config[key] for key in ("n", "p")}
    axes = [("share", STRENGTH, share) for share in config["shares"]]
    axes += [("strength", strength, SHARE) for strength in config["strengths"]]
    points = [
        {**fixed, "family": family, "strength": strength, "share": share, "seed": seed}
        for seed in range(config["repetitions"])
        for family in config["families"]
        for strength, share in dict.fromkeys((strength, share) for _, strength, share in axes)
    ]
    rows = study.repeat("fits", points, repetition, len(points) // config["repetitions"])
    table = means(rows, ("family", "strength", "share"), ("seed", "n", "p"))
    study.table("", sorted(table, key=lambda row: (row["family"], row["strength"], row["share"])))
    lines = [slope_line(rows, config, family, axis) for family in config["families"] for axis in SLOPES]
    study.table("slopes", lines)
    study.picture(picture(table, config))
    for line in lines:
        judge(line, study)


def slope_line(rows: list[dict[str, Any]], config: dict[str, Any], family: str, axis: str) -> dict[str, Any]:
    """Mean slopes over the tables that have every point of an axis."""
    held = {"share": ("strength", STRENGTH), "strength": ("share", SHARE)}[axis]
    points = config["shares" if axis == "share" else "strengths"]
    own = [row for row in rows if row["family"] == family and row[held[0]] == held[1] and row[axis] in points]
    slopes: dict[str, list[float]] = {part: [] for part in PARTS}
    for seed in sorted({row["seed"] for row in own}):
        line = [row for row in own if row["seed"] == seed]
        if len(line) == len(points):
            for part in PARTS:
                x, y = np.log([row[axis] for row in line]), np.log([row[part] for row in line])
                slopes[part].append(float(np.polyfit(x, y, 1)[0]))
    made: dict[str, Any] = {"family": family, "axis": axis, "tables": len(slopes["X"])}
    for part in PARTS:
        made[part] = float(np.mean(slopes[part]))
        made[f"{part} se"] = float(np.std(slopes[part], ddof=1) / np.sqrt(len(slopes[part])))
        made[f"{part} theorem"] = SLOPES[axis][part]
    return made


def judge(line: dict[str, Any], study: Any) -> None:
    """The slopes of one axis and family beside the theorem's."""
    axis, family = line["axis"], line["family"]
    figures = {part: round(line[part], 3) for part in PARTS}
    zeta = "zeta + 0.5" if axis == "share" else "zeta"
    off = f"max(abs({zeta}), abs(X + 0.5), abs(Y + 0.5))"
    errors = ", ".join(f"{line[f'{part} se']:.3f}" for part in PARTS)
    study.claim(
        f"errors fall with {NAMES[axis]} like its power -1/2{' (zeta: not at all)' if axis == 'strength' else ''}, "
        f"{family}",
        ", ".join(f"{part} {SLOPES[axis][part]:g}" for part in PARTS),
        ", ".join(f"{part} {line[part]:.2f}" for part in PARTS),
        figures=figures,
        rule=f"{off} <= 0.1",
        partly=f"{off} <= 0.3",
        reason=f"slopes of {line['tables']} tables; standard errors {errors}",
        otherwise="a stronger signal also flattens the curvature of a cell (c_psi) and lowers its noise (sigma)"
        if family == "bernoulli" and axis == "strength"
        else "where little is known errors are larger than their first order",
    )


def picture(table: list[dict[str, Any]], config: dict[str, Any]) -> Any:
    """Distances over both axes."""
    figure = new_figure(8.4, 3.6)
    for ax, axis in zip(figure.subplots(1, 2), SLOPES, strict=True):
        held = ("strength", STRENGTH) if axis == "share" else ("share", SHARE)
        points = config["shares" if axis == "share" else "strengths"]
        for family, style in zip(config["families"], ("-", "--"), strict=False):
            lines = sorted(
                (row for row in table if row["family"] == family and row[held[0]] == held[1] and row[axis] in points),
                key=lambda row: row[axis],
            )
            x = np.array([row[axis] for row in lines])
            for part, color in zip(PARTS, (GREY, BLUE, ORANGE), strict=True):
                y = np.array([row[part] for row in lines])
                ax.plot(x, y, style, color=color, marker=".", label=f"{part}, {family}")
                ax.plot(x, y[-1] * (x / x[-1]) ** SLOPES[axis][part], ":", color=color, linewidth=0.9)
        ax.set(xscale="log", yscale="log")
        ax.set_xlabel("share seen $\\pi$" if axis == "share" else "signal strength $\\lambda$", fontsize=9)
        ax.set_xticks(points, [f"{point:g}" for point in points])
        ax.minorticks_off()
        tidy(ax)
    figure.axes[0].set_ylabel("distance (dotted: the theorem's slope)", fontsize=9)
    figure.axes[0].legend(fontsize=7, frameon=False)
    return figure
