"""Section 6.3, Figure 3: the heterogeneity index of 214 stocks over time.

Windows of 30 trading days are the sources, stocks the rows; r1 = r2 = 10. Raw prices rank by scale (the last years of
the largest prices), log returns by what happened: the paper speaks of returns. Some prices in the set look like decimal
errors (one-day moves of a factor 10): returns beyond .7 are masked in one of the two runs. Top-decile days of
1998-2013 by year.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _runs import quiet

import halfseen as hs
from halfseen.show.figures import BLUE, GREY, ORANGE, new_figure, tidy

CONFIG = {
    "full": {"window": 30, "rank": 10, "sweeps": 20, "from": 19900101},
    "quick": {"window": 30, "rank": 3, "sweeps": 3, "from": 20060101},
    "check": {},
}
CRISES = ((1999, 2003), (2007, 2010))
MARKS = {20000310: "dot-com", 20010917: "Sept. 11", 20020722: "2002", 20080915: "2008"}
# one-day log moves beyond this are decimal errors (about 2.3) or as rare as these
TOO_FAR = 0.7


def kinds(path: Any, start: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Days and the tables over them: prices, log returns, and these without decimal errors."""
    with np.load(path) as file:
        close, dates = file["close"].astype(float), file["dates"]
    kept = dates >= start
    close, dates = close[:, kept], dates[kept]
    returns = np.diff(np.log(close), axis=1)
    cleaned = np.where(np.abs(returns) > TOO_FAR, np.nan, returns)
    return dates[1:], {"prices": close[:, 1:], "log returns": returns, "log returns, errors masked": cleaned}


def index_of(table: np.ndarray, config: dict[str, Any]) -> np.ndarray:
    """Heterogeneity index of every day; the last, short window is left out."""
    window = config["window"]
    starts = range(0, table.shape[1] - window + 1, window)
    sources = {f"{start:05}": table[:, start : start + window] for start in starts}
    model = hs.HeterogeneousFactorization(
        config["rank"],
        config["rank"],
        solver="als",
        centre=False,
        max_iter=config["sweeps"],
        n_restarts=0,
        random_state=0,
    )
    with quiet():
        model.fit(sources)
    return np.concatenate(list(model.heterogeneity_index().values()))


def run(config: dict[str, Any], study: Any) -> None:
    """Index of each kind of table, top-decile days by year, and the picture."""
    dates, tables = kinds(study.data("stocks"), config["from"])
    counts, indices = [], {}
    for kind, table in tables.items():
        study.progress(kind)
        index = index_of(table, config)
        days = dates[: len(index)]
        inside = (days >= 19980101) & (days < 20140101)
        top = days[inside][index[inside] >= np.quantile(index[inside], 0.9)] // 10000
        share = float(np.mean([any(a <= year < b for a, b in CRISES) for year in top]))
        years = {str(year): int(np.sum(top == year)) for year in range(1998, 2014)}
        counts.append({"table": kind, "share_in_crises": f"{share:.3f}", "days": len(top), **years})
        indices[kind] = (days, index)
    study.table("", counts)
    draw(study, indices)
    share = {line["table"]: float(line["share_in_crises"]) for line in counts}
    study.claim(
        "peaks of the index fall into 1999-2002 and 2007-2009",
        "four marked periods, no number",
        f"{100 * share['log returns']:.0f} % of the top-decile days of 1998-2013 (log returns), "
        f"{100 * share['log returns, errors masked']:.0f} % with decimal errors masked",
        figures={"least_share": min(share["log returns"], share["log returns, errors masked"])},
        rule="least_share >= 0.75",
        partly="least_share >= 0.5",
        otherwise="below 75 %",
    )
    study.beyond(
        "the same from raw prices", ours=f"{100 * share['prices']:.0f} %: scale decides, so returns must be meant"
    )


def draw(study: Any, indices: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """The index over time, months smoothed, with the marks of the paper."""
    figure = new_figure(8.0, 3.2)
    axes = tidy(figure.subplots())
    days, index = indices["log returns, errors masked"]
    year = days // 10000 + (days // 100 % 100 - 1) / 12 + (days % 100) / 365
    smooth = np.convolve(index, np.ones(10) / 10, mode="same")
    axes.plot(year, index, color=GREY, linewidth=0.3, alpha=0.6)
    axes.plot(year, smooth, color=BLUE, linewidth=1.0)
    for day, name in MARKS.items():
        at = day // 10000 + (day // 100 % 100 - 1) / 12
        axes.axvline(at, color=ORANGE, linewidth=0.8)
        axes.text(at, axes.get_ylim()[1], name, color=ORANGE, fontsize=8, rotation=90, va="top", ha="right")
    axes.set_xlim(max(1998, float(year.min())), min(2014, float(year.max())))
    axes.set_title("heterogeneity index of log returns (blue: mean of ten days)", fontsize=10, loc="left")
    study.picture(figure)
