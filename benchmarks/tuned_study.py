"""Inductive completion at its defaults beside the paper study's tuned figures: gpcr, ic, Fdataset, MovieLens-100k.

    HALFSEEN_DATA=/path/to/data python benchmarks/tuned_study.py            # runs what results/tuned_tables.csv lacks
    HALFSEEN_DATA=/path/to/data python benchmarks/tuned_study.py --summary  # only prints

Tables, splits and errors are those of ``papers/nonlinear-inductive-completion``: new targets and new diseases (area
under the curve and average precision over all cells of the held-out fifth of rows), new people (root mean squared
error). "tuned" is what its tracked results have for inductive completion, penalty and weight of unseen cells chosen on
validation rows: of linear units and of relu units the better one in each column. "defaults" gets similarities as
`SimilarityFeatures`, and people and films as that study codes them. "before": relu units, a penalty of .001 and
features as they come, which were the defaults until penalty, effects and activation were chosen.
"""

# ruff: noqa: E402
from __future__ import annotations

import os
import sys

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import csv
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import halfseen as hs

ROOT = Path(__file__).parents[1]
PAPER = ROOT / "papers" / "nonlinear-inductive-completion"
RESULTS = ROOT / "benchmarks" / "results" / "tuned_tables.csv"
COLUMNS = ("table", "system", "split", "auc", "average_precision", "rmse")
TABLES, SPLITS = ("gpcr", "ic", "Fdataset", "ml-100k"), {"ml-100k": 6}
BEFORE: dict[str, Any] = {"penalty": 1e-3, "scale": "none", "effects": "none"}


def links(name: str, seed: int, system: str) -> dict[str, float]:
    """New rows of a table of links."""
    import one_class

    folder = Path(os.environ["HALFSEEN_DATA"]) / ("drug-disease" if name == "Fdataset" else "drug-target")
    _, task = one_class.split_tasks(name, seed, str(folder))
    if system == "before":
        F, G = one_class.vectors(task.K, None), one_class.vectors(task.G, None)
        model = hs.InductiveCompletion(10, "relu", family="one_class", random_state=0, **BEFORE)
        model.fit(task.known, row_features=F[task.train], col_features=G)
        scores = model.predict_table(F[task.test])
    else:
        own = hs.SimilarityFeatures(task.K[np.ix_(task.train, task.train)])
        model = hs.InductiveCompletion(family="one_class", random_state=0)
        model.fit(task.known, row_features=own, col_features=hs.SimilarityFeatures(task.G))
        scores = model.predict_table(np.asarray(own.of(task.K[np.ix_(task.test, task.train)])))
    found = task.judge(scores)
    return {"auc": found["auc"], "average_precision": found["ap"]}


def ratings(seed: int, system: str) -> dict[str, float]:
    """New people of MovieLens-100k."""
    import movielens

    R, F, genres = movielens.read("ml-100k", Path(os.environ["HALFSEEN_DATA"]) / "ml-100k" / "u.data")
    new = np.random.default_rng(10 + seed).permutation(len(F))[: len(F) // 5]
    is_test = np.isin(R.rows, new)
    part = movielens.Part(R.select(~is_test), R.select(is_test), F, genres)
    rows, place = np.unique(part.train.rows, return_inverse=True)
    known = hs.Observed.from_triplets(place, part.train.cols, part.train.values, shape=(len(rows), R.shape[1]))
    given = {"row_features": F[rows], "col_features": part.G}
    if system == "before":
        model = hs.InductiveCompletion(10, "relu", random_state=0, **BEFORE).fit(known, **given)
    else:
        model = hs.InductiveCompletion(random_state=0).fit(known, **given)
    asked, place = np.unique(part.test.rows, return_inverse=True)
    return {"rmse": movielens.off(model.predict_table(F[asked])[place, part.test.cols], part.test)}


def tuned() -> list[list[Any]]:
    """The figures of the paper's study."""
    out: list[list[Any]] = []
    with (PAPER / "results" / "one_class.csv").open(newline="", encoding="utf-8") as file:
        links = [line for line in csv.DictReader(file) if "IMC" in line["method"]]
    for name in TABLES[:-1]:
        own = [line for line in links if line["data"] == name]
        out.append([name, "tuned", "5 splits", *(max(line[key] for line in own) for key in ("auc", "ap")), ""])
    with (PAPER / "results" / "movielens.csv").open(newline="", encoding="utf-8") as file:
        own = [line["rmse"] for line in csv.DictReader(file) if line["data"] == "ml-100k" and "IMC" in line["model"]]
    out.append(["ml-100k", "tuned", "6 splits", "", "", min(own)])
    return out


def lines() -> list[dict[str, str]]:
    """What is in the file."""
    if not RESULTS.exists():
        return []
    with RESULTS.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def write(row: list[Any]) -> None:
    """Append a line."""
    is_new = not RESULTS.exists()
    with RESULTS.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            file.write("# python benchmarks/tuned_study.py (HALFSEEN_DATA: the data folder)\n")
            writer.writerow(COLUMNS)
        writer.writerow(row)


def run() -> None:
    """What the file lacks."""
    sys.path.insert(0, str(PAPER))
    done = {(line["table"], line["system"], line["split"]) for line in lines()}
    for row in tuned():
        if tuple(row[:3]) not in done:
            write(row)
    for name in TABLES:
        for seed in range(SPLITS.get(name, 5)):
            for system in ("before", "defaults"):
                if (name, system, str(seed)) in done:
                    continue
                found = ratings(seed, system) if name == "ml-100k" else links(name, seed, system)
                write([name, system, seed, *(f"{found[key]:.4f}" if key in found else "" for key in COLUMNS[3:])])


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if "--summary" not in sys.argv:
        run()
    means: dict[tuple[str, str], list[list[float]]] = {}
    for line in lines():
        means.setdefault((line["table"], line["system"]), []).append([float(line[key] or "nan") for key in COLUMNS[3:]])
    for key, rows in means.items():
        print(*key, np.round(np.mean(rows, axis=0), 4).tolist(), len(rows))
