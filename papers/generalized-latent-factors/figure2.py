"""Figure 2: histogram and Q-Q plot of the studentised (1, 1) entry of X.

n = p = 2000, half of the cells seen, logit; the rows and columns stay, cells and answers are drawn anew. *Published*:
the stationary point of the likelihood (the paper's gradient descent goes there, see `solvers`) over the plug-in
standard error. *Corrected*: Firth's correction, second-order standard error, denoised gauge. Beside the one entry that
the paper shows, the table has the mean, standard deviation, skewness and Kolmogorov distance of all 2000 rows of each
repetition, which say far more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _normality import KINDS, repetitions
from _simulation import BLUE, GREY, ORANGE, means, new_figure, tidy
from scipy.stats import kstest, norm

CONFIG = {
    "full": {"n": 2000, "share": 0.5, "repetitions": 200},
    "quick": {"n": 300, "share": 0.6, "repetitions": 4},
    "check": {"n": 800, "repetitions": 12},
}


def run(config: dict[str, Any], study: Any) -> None:
    """Draw and test the studentised entry."""
    rows = repetitions(config, study)
    by_kind = {kind: [row for row in rows if row["kind"] == kind] for kind in KINDS}
    table = means(rows, ("kind",), ("seed", "n", "share", "pair maximum", "row maximum", "z11", "z11 se"))
    for line in table:
        z = np.array([row["z11"] for row in by_kind[line["kind"]]])
        test = kstest(z, "norm")
        line |= {
            "z11 mean": z.mean(), "z11 sd": z.std(ddof=1), "z11 within 1.96": np.mean(np.abs(z) <= 1.96),
            "z11 kolmogorov": test.statistic, "z11 p value": test.pvalue,
        }  # fmt: skip
    study.table("", table)
    study.table("entry", [{"kind": row["kind"], "seed": row["seed"], "z11": row["z11"]} for row in rows])
    study.picture(picture(by_kind))
    for line in table:
        kind, m = line["kind"], line["repetitions"]
        text = (
            f"mean {line['z11 mean']:.2f}, sd {line['z11 sd']:.2f}, Kolmogorov p = {line['z11 p value']:.2f} "
            f"({m} repetitions)"
        )
        claim = f"the studentised (1, 1) entry is approximately standard normal, {kind}"
        if kind == "published":
            study.claim(
                claim,
                "figure",
                text,
                figures={"p": line["z11 p value"]},
                rule="p > 0.05",
                partly="p > 0.001",
                otherwise="off the normal law",
            )
        else:
            study.beyond(claim, "not shown", text)
        study.beyond(
            f"all {config['n']} rows of component 1, {kind}: sd of studentised errors, share within 1.96",
            "1, .95",
            f"{line['sd']:.3f}, {line['within 1.96']:.4f}",
            reason=f"mean {line['mean']:.3f}, skewness {line['skewness']:.3f}",
        )


def picture(by_kind: dict[str, list[dict[str, Any]]]) -> Any:
    """Histogram and Q-Q plot, a line of panels per kind."""
    figure = new_figure(7.5, 5.5)
    axes = figure.subplots(2, 2)
    for (kind, rows), line, color in zip(by_kind.items(), axes, (ORANGE, BLUE), strict=True):
        z = np.sort([row["z11"] for row in rows])
        grid = np.linspace(-4, 4, 200)
        line[0].hist(z, bins=24, range=(-4, 4), density=True, color=color, alpha=0.7)
        line[0].plot(grid, norm.pdf(grid), color="black", linewidth=1.2)
        line[0].set_title(f"{kind}: {len(z)} repetitions", fontsize=10)
        line[0].set_xlabel("studentised error of $X_{11}$", fontsize=9)
        line[1].plot([-3.5, 3.5], [-3.5, 3.5], color=GREY, linewidth=0.8)
        line[1].plot(norm.ppf((np.arange(len(z)) + 0.5) / len(z)), z, ".", color=color, markersize=4)
        line[1].set_xlabel("normal quantile", fontsize=9)
        line[1].set_ylabel("quantile of the error", fontsize=9)
        for ax in line:
            tidy(ax)
    return figure
