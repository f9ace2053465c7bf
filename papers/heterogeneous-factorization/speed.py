"""How long exact sweeps take against Algorithm 1: processor time to an error, solvers interleaved.

Algorithm 1 runs with the authors' settings (step .02 on half the sum of squares, start .001), with a tuned step (for
every draw and every error the fastest of .3, .5, .7, .85, 1, 1.15 and 1.3 over the largest singular value, which is 1
here), and with that and a tuned start (.001, .01 or .1: the last is not small, its bases have about their final size).
Both are chosen by the true error of that very draw, which no user could do. How many rounds or sweeps a solver needs is
found first; then exactly so many are timed, without looking at errors, starts included, solvers in turns, the least of
several times kept. Ratios mean something, seconds do not: the machine is shared.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from _runs import Errors, alternate, descend

from halfseen.datasets import make_sources_data
from halfseen.show.figures import GREY, new_figure, tidy

CONFIG = {
    "full": {
        "cases": [[100, 120, 0.5], [100, 120, 0.9], [10, 120, 0.5], [10, 120, 0.9]],
        "targets": [1e-6, 1e-12], "rounds": 4000, "turns": 7, "seeds": 3,
    },
    "quick": {"cases": [[4, 40, 0.9]], "targets": [1e-6], "rounds": 300, "turns": 2, "seeds": 1},
    "check": "times of whole runs to 1e-12 take minutes, and say little on a busy machine",
}  # fmt: skip
Runner = Callable[[Errors | None, int], Any]
STEPS = (0.3, 0.5, 0.7, 0.85, 1.0, 1.15, 1.3)
SCALES = (1e-3, 1e-2, 1e-1)
# A tuned run is over by then, or not worth its step.
TUNED_ROUNDS = 300
EXACT, PRINTED = "exact blocks", "Algorithm 1, the authors' settings"
STEPPED, TUNED = "Algorithm 1, tuned step", "Algorithm 1, tuned step and start"
# Least ratio asked of the exact blocks, at N = 100.
ASKED = {PRINTED: 10.0, STEPPED: 2.0, TUNED: 2.0}


def reached(run: Runner, data: Any, target: float, most: int, every: int) -> int | None:
    """The round (looked at every so many) at which a solver is at the target."""
    errors = Errors(data, every, target)
    try:
        with np.errstate(all="ignore"):
            run(errors, most)
    except np.linalg.LinAlgError:  # the step was too long: all overflowed
        return None
    last = errors.rows[-1]
    return int(last["iteration"]) if last["subspace_error"] <= target else None


def tuned(data: Any, seed: int, target: float, scales: tuple[float, ...]) -> tuple[float, float, int]:
    """Step, start and rounds of the fastest Algorithm 1."""
    found, most = [], TUNED_ROUNDS
    for scale in scales:
        for step in STEPS:
            rounds = reached(
                lambda e, n, step=step, scale=scale: descend(data, (3, 3), e, n, seed, step=step, scale=scale),
                data, target, most, 1,
            )  # fmt: skip
            if rounds is not None:
                found.append((rounds, step, scale))
                most = min(most, rounds)
    rounds, step, scale = min(found)
    return step, scale, rounds


def race(
    seed: int, n_sources: int, n_rows: int, observed: float, target: float, rounds: int, turns: int
) -> list[dict[str, Any]]:
    """Processor seconds of each solver to the target."""
    data = make_sources_data(n_sources, n_rows, 100, 3, 3, observed, "rotated", seed)
    for table in data.sources.values():
        table.by_cols  # noqa: B018 (grouped once, for all)

    def exact(errors: Errors | None, n: int) -> Any:
        return alternate(data, (3, 3), errors, n, seed)

    def descent(step: float, scale: float) -> Runner:
        return lambda errors, n: descend(data, (3, 3), errors, n, seed, step=step, scale=scale)

    runs: dict[str, tuple[Runner, int, str]] = {EXACT: (exact, reached(exact, data, target, 100, 1) or 100, "")}
    for name, scales in ((STEPPED, SCALES[:1]), (TUNED, SCALES)):
        step, scale, needed = tuned(data, seed, target, scales)
        runs[name] = descent(step, scale), needed, f"step {step:g}, start {scale:g}"
    if target >= 1e-6:  # the authors' step takes minutes beyond
        printed = descent(0.02, 1e-3)
        needed = reached(printed, data, target, rounds, 10) or rounds
        runs[PRINTED] = printed, needed, "step 0.02, start 0.001"
    spent: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(turns):
        for name, (runner, needed, _) in runs.items():
            if name == PRINTED and turn:
                continue
            begun = time.process_time()
            runner(None, needed)
            spent[name].append(time.process_time() - begun)
    least = {name: min(times) for name, times in spent.items()}
    return [
        {"solver": name, "setting": setting, "sweeps": needed, "cpu seconds": f"{least[name]:.3g}",
         "ratio": round(least[name] / least[EXACT], 2)}
        for name, (_, needed, setting) in runs.items()
    ]  # fmt: skip


def run(config: dict[str, Any], study: Any) -> None:
    """Ratios to the exact blocks, start included."""
    more = {"rounds": config["rounds"], "turns": config["turns"]}
    points = [
        {"seed": seed, "n_sources": n, "n_rows": rows, "observed": share, "target": target, **more}
        for seed in range(config["seeds"])
        for n, rows, share in config["cases"]
        for target in config["targets"]
    ]
    rows = study.repeat("race", points, race)
    names = ("n_sources", "n_rows", "observed", "target", "seed", "solver", "setting", "sweeps", "cpu seconds", "ratio")
    study.table("", [{name: row[name] for name in names} for row in rows])
    largest = max(n for n, _, _ in config["cases"])
    for solver, asked in ASKED.items():
        for target in config["targets"]:
            judge(study, [row for row in rows if (row["solver"], row["target"]) == (solver, target)], asked, largest)
    draw(study, rows)


def judge(study: Any, rows: list[dict[str, Any]], asked: float, largest: int) -> None:
    """One claim: a solver's processor time over that of the exact blocks."""
    if not rows:
        return
    many = [row["ratio"] for row in rows if row["n_sources"] == largest]
    few = [row["ratio"] for row in rows if row["n_sources"] != largest]
    beside = f"; {min(few):.1f} to {max(few):.1f} with fewer sources" if few else ""
    settings = ", ".join(dict.fromkeys(row["setting"] for row in rows if row["n_sources"] == largest))
    study.target(
        f"{rows[0]['solver']}: processor time to {rows[0]['target']:g} over that of exact blocks (asked: {asked:g})",
        f"at least {asked:g} times",
        f"{min(many):.1f} to {max(many):.1f} times with {largest} sources (median {np.median(many):.1f}; "
        f"{settings}){beside}",
        figures={"least": min(many), "asked": asked},
        rule="least >= asked",
        otherwise=f"{sum(ratio >= asked for ratio in many)} of {len(many)} at {asked:g}",
    )


def draw(study: Any, rows: list[dict[str, Any]]) -> None:
    """Every ratio as a point."""
    figure = new_figure(6.4, 3.2)
    axes = tidy(figure.subplots())
    kinds = list(dict.fromkeys((row["solver"], row["target"]) for row in rows if row["solver"] != EXACT))
    for place, kind in enumerate(kinds):
        ratios = [row["ratio"] for row in rows if (row["solver"], row["target"]) == kind]
        axes.semilogy(np.full(len(ratios), place), ratios, "o", color=GREY)
    axes.axhline(1.0, color=GREY, linewidth=0.8)
    axes.set_xticks(
        range(len(kinds)), [f"{solver.split(', ')[1]}\nto {target:g}" for solver, target in kinds], fontsize=7
    )
    axes.set_ylabel("times the exact blocks")
    study.picture(figure)
