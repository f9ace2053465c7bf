"""One-class tables: recall and NDCG at 20 for known rows, and CPU time, beside implicit, EASE and item neighbours.

    HALFSEEN_DATA=/path/to/data python benchmarks/one_class_study.py            # runs what results/one_class.csv lacks
    HALFSEEN_DATA=/path/to/data python benchmarks/one_class_study.py --summary  # only prints

A fifth of the positives is held out (``default_rng(11).random(m) < .2``). Tables: ``ml-100k`` and ``ml-1m`` (ratings of
4 and 5; of the latter, judged on 1200 users), ``genes`` (diseases and genes with four links or more: 517 x 1491),
``ic`` (drug targets). implicit's alternating least squares has the best of five settings (alpha, regularisation),
chosen on the held-out positives themselves, which favours it. CPU time of a fit: the least of three, contestants in
turn, one thread.
"""

# ruff: noqa: E402
from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import csv
import gzip
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

import halfseen as hs

RESULTS = Path(__file__).parent / "results" / "one_class.csv"
COLUMNS = ("table", "system", "recall_at_20", "ndcg_at_20", "cpu_seconds", "setting")
TABLES = ("ml-100k", "genes", "ic", "ml-1m")
FACTORS, ROUNDS, AT, JUDGED = (32, 64), 3, 20, 1200
SETTINGS = ((1.0, 0.01), (10.0, 0.01), (10.0, 1.0), (10.0, 10.0), (40.0, 10.0))


def positives(name: str) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Rows, columns and shape of a table of ones."""
    folder = Path(os.environ["HALFSEEN_DATA"])
    if name == "ml-100k":
        given = np.loadtxt(folder / "ml-100k" / "u.data", dtype=int)
        i, j = (given[given[:, 2] >= 4][:, k] - 1 for k in (0, 1))
        return i, j, (943, 1682)
    if name == "ml-1m":
        with np.load(folder / "ml-1m" / "ratings.npz") as file:
            keep = file["rating"] >= 4
            i, j = (np.unique(file[key][keep], return_inverse=True)[1] for key in ("user", "item"))
    elif name == "genes":
        with gzip.open(folder / "gene-disease" / "miner-disease-gene.tsv.gz", "rt") as file:
            lines = [line.rstrip("\n").split("\t") for line in file if line.startswith("C")]
        i, j = (np.unique([line[k] for line in lines], return_inverse=True)[1] for k in (0, 2))
        keep = np.bincount(j)[j] >= 4
        i, j = (np.unique(part[keep], return_inverse=True)[1] for part in (i, j))
    else:
        with np.load(folder / "drug-target" / "ic.npz") as file:
            i, j = np.nonzero(file["target_drug"])
        return i, j, (204, 210)
    return i, j, (int(i.max()) + 1, int(j.max()) + 1)


class Task:
    """What is known and what was held out."""

    def __init__(self, name: str) -> None:
        i, j, self.shape = positives(name)
        held = np.random.default_rng(11).random(len(i)) < 0.2
        self.known = i[~held], j[~held]
        users = np.unique(i[held])
        if len(users) > JUDGED and name == "ml-1m":
            users = np.sort(np.random.default_rng(0).permutation(users)[:JUDGED])
        self.rows = users
        self.relevant, self.had = (self._table(i[part], j[part]) for part in (held, ~held))
        self.table = hs.Observed.from_triplets(*self.known, np.ones(len(self.known[0])), shape=self.shape)

    def _table(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        ones = sparse.csr_array((np.ones(len(i)), (i, j)), shape=self.shape)
        return np.asarray(ones[self.rows].toarray() > 0)

    def judged(self, scores: np.ndarray) -> tuple[float, float]:
        """Recall over what could be among 20, and NDCG."""
        table = np.where(self.had, -np.inf, scores)
        hits = np.take_along_axis(self.relevant, np.argsort(-table, axis=1)[:, :AT], axis=1).sum(axis=1)
        recall = float(np.mean(hits / np.minimum(self.relevant.sum(axis=1), AT)))
        return recall, hs.metrics.ndcg_at(self.relevant, scores, AT, self.had)


Made = tuple[Callable[[], Any], Callable[[Any], np.ndarray]]


def ours(task: Task, k: int) -> Made:
    """Inductive completion without features, at its defaults."""
    return (
        lambda: hs.InductiveCompletion(k, family="one_class", random_state=0).fit(task.table),
        lambda model: model.row_factors_[task.rows] @ model.col_factors_.T,
    )


def implicit(task: Task, k: int, setting: tuple[float, float]) -> Made:
    """implicit's alternating least squares, fifteen sweeps of conjugate gradients, as it comes."""
    from implicit.als import AlternatingLeastSquares

    known = sparse.csr_matrix((np.ones(len(task.known[0]), dtype=np.float32), task.known), shape=task.shape)
    alpha, ridge = setting

    def fit() -> Any:
        model = AlternatingLeastSquares(k, ridge, alpha, num_threads=1, random_state=0, use_gpu=False)
        model.fit(known, show_progress=False)
        return model

    return fit, lambda model: model.user_factors[task.rows] @ model.item_factors.T


def comparison(task: Task, model: Any) -> Made:
    """A comparison of the library."""
    return lambda: model.fit(task.table), lambda fitted: fitted.predict_table(task.rows)


def lines() -> list[dict[str, str]]:
    """What is in the file."""
    if not RESULTS.exists():
        return []
    with RESULTS.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def measure(name: str) -> None:
    """All systems on one table."""
    task, made, said = Task(name), {}, {}
    for k in FACTORS:
        if k < min(task.shape):
            made[f"InductiveCompletion, {k}"], said[f"InductiveCompletion, {k}"] = ours(task, k), "defaults"
    if find_spec("implicit"):
        for k in FACTORS:
            ways = {setting: implicit(task, k, setting) for setting in SETTINGS}
            best = max(ways, key=lambda setting: task.judged(ways[setting][1](ways[setting][0]()))[0])
            made[f"implicit, {k}"] = ways[best]
            said[f"implicit, {k}"] = f"alpha={best[0]:g} regularization={best[1]:g}, best of five"
    made["EASE"] = comparison(task, hs.comparisons.EASE())
    made["item neighbours"] = comparison(task, hs.comparisons.ItemNeighbours())
    seconds, scores = dict.fromkeys(made, np.inf), {}
    for _ in range(ROUNDS):
        for system, (fit, predict) in made.items():
            begun = time.process_time()
            model = fit()
            seconds[system] = min(seconds[system], time.process_time() - begun)
            scores[system] = task.judged(predict(model))
    popular = np.tile(np.bincount(task.known[1], minlength=task.shape[1]), (len(task.rows), 1)).astype(float)
    scores["popularity"], seconds["popularity"] = task.judged(popular), 0.0
    is_new = not RESULTS.exists()
    with RESULTS.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            file.write("# python benchmarks/one_class_study.py (one thread; HALFSEEN_DATA: the data folder)\n")
            writer.writerow(COLUMNS)
        for system, (recall, ndcg) in scores.items():
            writer.writerow(
                [name, system, f"{recall:.4f}", f"{ndcg:.4f}", f"{seconds[system]:.2f}", said.get(system, "")]
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--summary", action="store_true", help="print what is in the file, run nothing")
    parser.add_argument("--table", action="append", help="only this table")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in () if arguments.summary else arguments.table or TABLES:
        if name not in {line["table"] for line in lines()}:
            measure(name)
    for line in lines():
        print(" ".join(f"{line[key]:>22}" for key in COLUMNS))
