"""Error over n / p from 1 to 64: which law each factor follows.

The paper leaves the unbalanced regime open. Here p stays and n grows, logit; errors are relative Frobenius errors of X
and Y after one rotation. By the oracle bound a row of X, which sees p entries, keeps its error, and a row of Y, which
sees n, improves like n^-1/2. The spectral start follows the larger dimension instead, and in the printed gauge
X'X = Y'Y of the noisy factors, the noise of X (which does not fall with n) takes its share of the scale from Y, whose
error then stops falling. The gauge freed from that share (denoised) follows the law.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _simulation import BLUE, GREY, ORANGE, linear_model, means, new_figure, quiet, simulate, tidy

from halfseen.linalg import procrustes

CONFIG = {
    "full": {"p": 200, "share": 0.8, "ratios": [1, 2, 4, 8, 16, 32, 64], "repetitions": 10},
    "quick": {"p": 120, "share": 0.9, "ratios": [1, 2, 4], "repetitions": 1},
}
STAGES = ("spectral", "one_step", "likelihood", "firth", "denoised")


def repetition(ratio: int, p: int, share: float, seed: int) -> dict[str, float]:
    """Errors of both factors, stage by stage."""
    data = simulate(ratio * p, p, seed, 1.0, share)
    found: dict[str, float] = {}
    with quiet():
        for kind, bias in (("likelihood", "none"), ("firth", "firth")):
            model = linear_model(bias).fit(data.observed)
            found |= errors(kind, model.row_factors_, model.col_factors_, data)
        for stage in ("spectral", "one_step"):
            found |= errors(stage, model.stages_[stage].rows, model.stages_[stage].cols, data)
        i = model.inference()
    return found | errors("denoised", i.row_factors_estimate, i.col_factors_estimate, data)


def errors(name: str, rows: Any, cols: Any, data: Any) -> dict[str, float]:
    """Relative error of X and of Y after one rotation of both."""
    turn = procrustes(np.vstack([rows, cols]), np.vstack([data.row_factors, data.col_factors]))
    return {
        f"{side} {name}": float(np.linalg.norm(found @ turn - truth) / np.linalg.norm(truth))
        for side, found, truth in (("X", rows, data.row_factors), ("Y", cols, data.col_factors))
    }


def run(config: dict[str, Any], study: Any) -> None:
    """Errors over n / p, and the slopes of their logarithms."""
    points = [
        {"ratio": ratio, "p": config["p"], "share": config["share"], "seed": seed}
        for seed in range(config["repetitions"])
        for ratio in config["ratios"]
    ]
    rows = study.repeat("errors", points, repetition, len(config["ratios"]))
    table = means(rows, ("ratio",), ("seed", "p", "share"))
    slopes = [
        {"stage": stage, **{side: slope(table, f"{side} {stage}") for side in "XY"}} for stage in STAGES
    ]  # fmt: skip
    study.table("", table)
    study.table("slopes", slopes)
    study.picture(picture(table))
    found = {line["stage"]: line for line in slopes}
    ratios, count = config["ratios"], table[0]["repetitions"]
    reps = f"p = {config['p']}, n / p = {ratios[0]} to {ratios[-1]}, {count} repetitions"
    last = f"over n / p >= {table[len(table) // 2]['ratio']}" if len(table) > 3 else "over all n / p"
    for side, law in (("X", "0"), ("Y", "-1/2")):
        text = ", ".join(f"{stage.replace('_', '-')} {found[stage][side]:.2f}" for stage in STAGES)
        study.beyond(
            f"{side}: slope of log error on log n at constant p, {last}",
            f"left open; {law} if each factor follows its own dimension",
            text,
            reason=reps + ("; the noise of X enters the balance X'X = Y'Y and scales Y" if side == "Y" else ""),
        )
    excess = table[-1]["Y likelihood"] / table[-1]["Y denoised"]
    study.beyond(
        f"error of Y at n / p = {table[-1]['ratio']}: likelihood in the printed gauge over corrected",
        "not said",
        f"{excess:.2f}",
        reason="Firth's correction and the gauge without the errors' share",
    )


def slope(table: list[dict[str, Any]], name: str) -> float:
    """Least-squares slope of log error on log n over the larger half of the ratios, where a law must show."""
    tail = table[len(table) // 2 :] if len(table) > 3 else table
    return float(np.polyfit(np.log([row["ratio"] for row in tail]), np.log([row[name] for row in tail]), 1)[0])


def picture(table: list[dict[str, Any]]) -> Any:
    """Errors over n / p on logarithmic axes, a panel per factor."""
    figure = new_figure(8.4, 3.4)
    colors = {"spectral": GREY, "one_step": GREY, "likelihood": ORANGE, "firth": BLUE, "denoised": "black"}
    ratios = np.array([row["ratio"] for row in table], dtype=float)
    for ax, side in zip(figure.subplots(1, 2, sharey=True), "XY", strict=True):
        for stage, color in colors.items():
            style = ":" if stage == "spectral" else "--" if stage == "one_step" else "-"
            ax.plot(ratios, [row[f"{side} {stage}"] for row in table], style, color=color, marker=".",
                    label=stage.replace("_", "-"))  # fmt: skip
        law = 0.0 if side == "X" else -0.5
        first = table[0][f"{side} denoised"]
        ax.plot(ratios, first * ratios**law, color="red", linewidth=0.8, label=f"slope {law:g}")
        ax.set(xscale="log", yscale="log", title=side)
        ax.set_xlabel("n / p", fontsize=9)
        tidy(ax)
        ax.legend(fontsize=7, frameon=False)
    figure.axes[0].set_ylabel("relative error", fontsize=9)
    return figure
