"""Coverage of intervals and size of fit tests of ItemResponseModel(integrate="rows") on answers of a known truth.

Writes results/response_study.csv: ``python benchmarks/response_study.py [repetitions] [case ...]``; lines of cases that
are not named stay.
"""

from __future__ import annotations

import csv
import sys
import warnings
from pathlib import Path

import numpy as np

import halfseen as hs

RESULTS = Path(__file__).parent / "results" / "response_study.csv"
REPETITIONS = 60
# Tables with seeds below 100 have chosen the start of the empirical prior: cases are judged on others.
FIRST_SEED = 1000
LEVEL = 0.05


def answers(rng: np.random.Generator, n: int, p: int, missing: float, impact: float = 0.0) -> tuple:
    """2pl answers (nan where missing), slopes, intercepts, abilities; the second half of the rows is abler."""
    a, d = rng.lognormal(0.2, 0.3, p), rng.normal(size=p)
    x = rng.normal(size=n) + impact * (np.arange(n) >= n // 2)
    y = (rng.random((n, p)) < 1.0 / (1.0 + np.exp(-(np.outer(x, a) + d)))).astype(float)
    y[rng.random((n, p)) < missing] = np.nan
    return y, a, d, x


def held(intervals: object, truth: np.ndarray) -> float:
    """Share of intervals that hold."""
    return float(np.mean((intervals.low <= truth) & (truth <= intervals.high)))


def repetition(case: dict, seed: int) -> dict[str, float]:
    """One table of a case: shares of intervals that hold and of tests that reject."""
    rng = np.random.default_rng(seed)
    y, a, d, x = answers(rng, case["n"], case["p"], case["missing"], case.get("impact", 0.0))
    groups = None if "impact" not in case else (np.arange(case["n"]) >= case["n"] // 2).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = hs.ItemResponseModel(item_prior=case.get("item_prior", "auto"), integrate="rows")
        model.fit(y, row_groups=groups)
        i = model.inference()
        out = {"slope covered": held(i.columns(0), a), "intercept covered": held(i.intercepts(), d),
               "ability covered": held(i.abilities(), x),
               "ability covered, items taken as known": held(i.abilities(has_item_errors=False), x)}  # fmt: skip
        if case.get("tests"):
            out["shape rejects"] = float(np.mean(i.item_fit()["shape_p"] < LEVEL))
            out["dependence rejects"] = float(np.mean(i.dependence()["p"] < LEVEL))
            if groups is not None:
                out["dif rejects"] = float(np.mean(i.dif()["p"] < LEVEL))
    return out


CASES = {
    "1000x20, 30 % missing": {"n": 1000, "p": 20, "missing": 0.3, "tests": True},
    "1000x8": {"n": 1000, "p": 8, "missing": 0.0, "tests": True},
    "500x20, 50 % missing": {"n": 500, "p": 20, "missing": 0.5, "tests": True},
    "2 x 500 x 20, impact .5": {"n": 1000, "p": 20, "missing": 0.2, "impact": 0.5, "tests": True},
    "100x100, 50 % missing": {"n": 100, "p": 100, "missing": 0.5},
    "60x60, 60 % missing": {"n": 60, "p": 60, "missing": 0.6},
    "30x150, 50 % missing": {"n": 30, "p": 150, "missing": 0.5},
}


def figures_of(name: str, repetitions: int) -> list[list[str]]:
    """One line per figure of a case."""
    lines, out = [repetition(CASES[name], FIRST_SEED + k) for k in range(repetitions)], []
    for figure in lines[0]:
        values = np.array([line[figure] for line in lines])
        error = values.std(ddof=1) / np.sqrt(len(values))
        out.append([name, figure, f"{values.mean():.4f}", f"{error:.4f}", str(repetitions)])
    return out


def main(repetitions: int, names: list[str]) -> None:
    """The cases that are named, or all; one line per figure."""
    with RESULTS.open(newline="", encoding="utf-8") as file:
        known = list(csv.reader(file))[1:]
    for name in names or CASES:
        fresh = figures_of(name, repetitions)
        place = next((k for k, line in enumerate(known) if line[0] == name), len(known))
        known = [line for line in known if line[0] != name]
        known[place:place] = fresh
        with RESULTS.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["case", "figure", "mean", "standard error", "repetitions"])
            writer.writerows(known)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else REPETITIONS, sys.argv[2:])
