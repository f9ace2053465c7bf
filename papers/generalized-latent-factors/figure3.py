"""Figure 3: the ranking statistic, Gaussian multiplier bootstrap against Monte Carlo.

Statistic (6), the largest studentised difference of errors over all pairs of rows, at n = p = 2000, half seen: its
distribution over tables (rows and columns fixed, cells and answers drawn anew) against that of its multiplier bootstrap
(7) and of plain Gaussian draws given one table. The print has the bootstrap's Hessian multiplied by the draws as well
and the intercept's column left out of the gradient; both are corrected here.
Both the published (plug-in) and the second-order standard errors are studied.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _normality import KINDS, inference, repetitions
from _simulation import BLUE, GREY, ORANGE, new_figure, tidy

from halfseen.inference.ranks import pair_maximum
from halfseen.methods.factor.intervals.ranks import Ranking

LEVELS = np.round(np.arange(0.05, 1.0, 0.05), 2).tolist()
CONFIG = {
    "full": {"n": 2000, "share": 0.5, "repetitions": 200, "tables": 3, "draws": 1000, "levels": LEVELS},
    "quick": {"n": 300, "share": 0.6, "repetitions": 4, "tables": 1, "draws": 200, "levels": [0.5, 0.95]},
    "check": {"n": 800, "repetitions": 12, "tables": 1, "draws": 300, "levels": [0.5, 0.95]},
}


def run(config: dict[str, Any], study: Any) -> None:
    """Quantiles of both laws, and how often the bootstrap's quantile is exceeded."""
    rows = repetitions(config, study)
    table, shares = [], []
    for kind in KINDS:
        simulated = np.array([row["pair maximum"] for row in rows if row["kind"] == kind])
        drawn = draws(config, kind, study)
        for level in config["levels"]:
            made = {
                method: float(np.mean([one[method, level] for one in drawn])) for method in ("multiplier", "gaussian")
            }
            low, high = order_bounds(simulated, level)
            table.append(
                {
                    "kind": kind, "level": level, "monte carlo": float(np.quantile(simulated, level)), "low": low,
                    "high": high, **made, "held": float(np.mean(simulated <= made["multiplier"])),
                }
            )  # fmt: skip
        shares.append(len(simulated))
    study.table("", table)
    study.picture(picture(table))
    claims(table, shares[0], config["tables"], study)


def draws(config: dict[str, Any], kind: str, study: Any) -> list[dict[tuple[str, float], float]]:
    """Quantiles of the bootstrap statistic, given each of a few tables."""
    found = []
    for seed in range(config["tables"]):
        study.progress(f"bootstrap of table {seed + 1}, {kind}")
        i = inference(config["n"], config["share"], seed, kind)
        # the errors are draws of the plug-in covariances, whatever the intervals' own standard errors are
        scale = i._view.parameter(0, 0, use_plug_in=True)[1]
        made = {}
        for method in ("multiplier", "gaussian"):
            batches = Ranking(i._view, i._draws, 0, 0).errors(method, config["draws"])
            maxima = np.concatenate([pair_maximum(batch, scale) for batch in batches])
            made |= {(method, level): float(np.quantile(maxima, level)) for level in config["levels"]}
        found.append(made)
    return found


def order_bounds(values: Any, level: float) -> tuple[float, float]:
    """Order statistics around a quantile: a 95 % interval for it without assumptions."""
    m = len(values)
    half = 1.96 * np.sqrt(m * level * (1 - level))
    places = np.clip(np.round([m * level - half, m * level + half]).astype(int), 0, m - 1)
    low, high = np.sort(values)[places]
    return float(low), float(high)


def claims(table: list[dict[str, Any]], repetitions_done: int, tables: int, study: Any) -> None:
    """Figure 3's sentence."""
    for kind in KINDS:
        line = next(row for row in table if row["kind"] == kind and row["level"] == 0.95)
        text = (
            f"bootstrap {line['multiplier']:.2f} (Gaussian draws {line['gaussian']:.2f}), Monte Carlo "
            f"{line['monte carlo']:.2f} [{line['low']:.2f}, {line['high']:.2f}], held in {line['held']:.3f}"
        )
        what = f"95 % quantile of the ranking statistic, {kind} standard errors"
        if kind == "published":
            study.claim(
                what,
                "bootstrap mimics Monte Carlo (figure)",
                text,
                figures={"bootstrap": line["multiplier"], "low": line["low"], "high": line["high"]},
                rule="low <= bootstrap <= high",
                partly="0.9 * low <= bootstrap <= 1.1 * high",
                reason=f"{repetitions_done} repetitions, {tables} tables bootstrapped",
                otherwise="plug-in standard errors leave the errors of the other side out",
            )
        else:
            study.beyond(what, "not shown", text, reason=f"{repetitions_done} repetitions")


def picture(table: list[dict[str, Any]]) -> Any:
    """Quantiles against quantiles, a panel per kind."""
    figure = new_figure(8.4, 4.0)
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    for ax, kind, color in zip(axes, KINDS, (ORANGE, BLUE), strict=True):
        lines = [row for row in table if row["kind"] == kind]
        truth = [row["monte carlo"] for row in lines]
        span = [min(truth) - 0.1, max(truth) + 0.1]
        ax.plot(span, span, color=GREY, linewidth=0.8)
        error = [[abs(row["monte carlo"] - row[end]) for row in lines] for end in ("low", "high")]
        boot = [row["multiplier"] for row in lines]
        ax.errorbar(truth, boot, xerr=error, fmt="o", color=color, markersize=4, linewidth=0.8, label="multiplier")
        ax.plot(truth, [row["gaussian"] for row in lines], "x", color="black", markersize=4, label="Gaussian draws")
        ax.set_title(f"{kind} standard errors", fontsize=10)
        ax.set_xlabel("quantile of the statistic (Monte Carlo)", fontsize=9)
        tidy(ax)
    axes[0].set_ylabel("quantile given one table", fontsize=9)
    axes[0].legend(fontsize=9, frameon=False)
    return figure
