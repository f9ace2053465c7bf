"""The angle of the row space beside the error of T, at every setting of the three error figures.

The paper's target is the row space; its figures show the error of T. Here is the sine of the largest angle between the
fitted row space and the true one, of the same rank, at the settings of `error_c` (entries per row), `error_n` (rows, a
fixed number of entries in each) and `error_d` (columns, rank), for one-sided completion with its defaults. A sine near
1 says that at least one direction of the fitted row space has nothing to do with the true one. "First direction" is the
sine of the angle between the leading directions alone (given where there is one: the other data have equal factors).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _pairs import BLUE, GREY, ORANGE, angle, means, new_figure, ours, relative, seen, tidy, truth

LAW = [[d, n, r, C] for r, C in ((3, 5), (3, 10), (6, 10), (10, 10)) for d, n in ((500, 10_000), (1000, 20_000))]
CONFIG = {
    "full": {
        "error_c": {"kinds": ["common means", "mixtures"], "n": 10_000, "d": 1000, "rank": 10,
                    "C": [2, 4, 6, 8, 10, 50]},
        "error_n": {"d": 1000, "rank": 10, "n": {"2": [10_000, 20_000], "5": [1000, 5000, 20_000],
                                                 "10": [1000, 5000, 20_000]}},
        "error_d": {"kinds": ["mixtures", "gaussian factors"], "settings": LAW},
        "repetitions": 5,
    },
    "quick": {
        "error_c": {"kinds": ["common means", "mixtures"], "n": 2000, "d": 60, "rank": 3, "C": [6, 12]},
        "error_n": {"d": 60, "rank": 3, "n": {"5": [500, 2000]}},
        "error_d": {"kinds": ["mixtures"], "settings": [[60, 4000, 3, 6]]},
        "repetitions": 1,
    },
}  # fmt: skip
NAMES = {
    "error": "relative error of T", "sine": "sine of the largest angle", "first": "sine of the first direction's angle"
}  # fmt: skip


def points_of(config: dict[str, Any]) -> list[dict[str, Any]]:
    """The settings of the three figures, repetitions outside."""
    c, n, d = config["error_c"], config["error_n"], config["error_d"]
    same = {key: c[key] for key in ("n", "d", "rank")}
    settings = [{"figure": "error_c", "kind": kind, "C": C, **same} for kind in c["kinds"] for C in c["C"]]
    settings += [
        {"figure": "error_n", "kind": "common means", "C": int(m), "n": rows, "d": n["d"], "rank": n["rank"]}
        for m, sizes in n["n"].items()
        for rows in sizes
    ]
    settings += [
        {"figure": "error_d", "kind": kind, "C": C, "n": rows, "d": columns, "rank": rank}
        for kind in d["kinds"]
        for columns, rows, rank, C in d["settings"]
    ]
    return [{**setting, "seed": seed} for seed in range(config["repetitions"]) for setting in settings]


def repetition(figure: str, kind: str, C: int, n: int, d: int, rank: int, seed: int) -> dict[str, float]:
    """Error of T, and both angles."""
    M = truth(kind, n, d, rank, seed)
    T, R = M.T @ M / n, seen(M, C, seed, per_row=figure == "error_n")
    X = ours(R, rank)
    return {"error": relative(X, T), "sine": angle(X, T, rank), "first": angle(X, T, 1)}


def run(config: dict[str, Any], study: Any) -> None:
    """One table, one picture, and what it says."""
    points = points_of(config)
    keys = ("figure", "kind", "C", "n", "d", "rank")
    table = means(study.repeat("angles", points, repetition, len(points) // config["repetitions"]), keys)
    study.table("", table)
    study.picture(picture(table))
    for kind in dict.fromkeys(line["kind"] for line in table):
        own = [line for line in table if line["kind"] == kind]
        span = {name: (min(line[name] for line in own), max(line[name] for line in own)) for name in NAMES}
        recovered = sum(line["sine"] < 0.5 for line in own)
        study.beyond(
            f"row space beside T, {kind}",
            "its target, not shown",
            f"error of T {span['error'][0]:.4f} to {span['error'][1]:.2f}; sine {span['sine'][0]:.4f} to "
            f"{span['sine'][1]:.4f}, below a half in {recovered} of {len(own)} settings"
            + (f"; first direction {span['first'][0]:.5f} to {span['first'][1]:.3f}" if kind == "common means" else ""),
            "T is one vector's square and noise a thousandth its size: the error of T is small because that one "
            "direction is recovered, and the other nine of the fitted row space are noise; for users: at such data use "
            "the first direction only, let rank='auto' choose, or ask inference().row_space() how wide the angle is"
            if kind == "common means"
            else "factors of like strength: the row space is known where T is, and not before",
        )


def picture(table: list[dict[str, Any]]) -> Any:
    """Sines over the error of T, a panel per figure."""
    figures = list(dict.fromkeys(line["figure"] for line in table))
    figure = new_figure(3.1 * len(figures), 3.2)
    colors = dict(zip(dict.fromkeys(line["kind"] for line in table), (ORANGE, BLUE, GREY), strict=False))
    for axes, name in zip(np.atleast_1d(figure.subplots(1, len(figures), sharey=True)), figures, strict=True):
        tidy(axes)
        for kind, color in colors.items():
            own = [line for line in table if line["figure"] == name and line["kind"] == kind]
            for what, marker in (("sine", "o"), ("first", "x"))[: 2 if kind == "common means" else 1]:
                axes.plot([line["error"] for line in own], [line[what] for line in own], marker, color=color,
                          markersize=4, label=f"{kind}, {NAMES[what]}" if own else None)  # fmt: skip
        axes.set_xscale("log")
        axes.set_title(f"settings of {name}", fontsize=10, loc="left")
        axes.set_xlabel("relative error of T", fontsize=9)
        axes.set_ylim(-0.03, 1.05)
        axes.legend(frameon=False, fontsize=5)
    return figure
