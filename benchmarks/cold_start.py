"""Rows and columns never seen: inductive completion beside what people use, error and CPU time on four tables.

    HALFSEEN_DATA=/path/to/data python benchmarks/cold_start.py              # runs what results/cold_start.csv lacks
    HALFSEEN_DATA=/path/to/data python benchmarks/cold_start.py --summary    # only prints means

A fifth of the rows, a fifth of the columns and a tenth of the other entries are held out at once; one fit is judged on
new rows, on new columns, on new rows with new columns, and on the other entries ("seen"). Tables:

- ``ml-100k``: ratings; age, sex, occupation, postcode of people, genres and year of films; RMSE, and the area under the
  curve of ratings of 4 and 5 among the held-out ones;
- ``davis``: affinities (pKd) of 68 drugs and 442 kinases from their similarities (the folder ``data/davis`` of the
  public repository hkmztrk/DeepDTA, as ``davis`` in the data folder, or where DAVIS_DATA says); RMSE, and the area of
  those of 7 and above;
- ``ic``, ``Fdataset``: known drug-target and disease-drug pairs from their similarities; area and average precision
  over all cells that are not known.

Settings of the others are chosen as their users would: on a further fifth of rows and columns, among the few given
below. LightFM (its sources build with ``python setup.py cythonize build_ext``) and implicit are left out where they are
not installed. One thread; ``cpu_seconds`` is the fit with its choice and all predictions.
"""

# ruff: noqa: E402
from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import csv
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

import halfseen as hs

RESULTS = Path(__file__).parent / "results" / "cold_start.csv"
COLUMNS = ("table", "system", "split", "where", "rmse", "auc", "average_precision", "cpu_seconds")
TABLES = ("ml-100k", "davis", "ic", "Fdataset")
PARTS = ("new rows", "new columns", "both new", "seen")
SHARE, ENTRIES, WIDTH = 0.2, 0.1, 50
# What is positive where values are real numbers.
POSITIVE = {"ml-100k": 4.0, "davis": 7.0}
RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0)


@dataclass
class Data:
    """Entries, and what is known of rows and columns: features (sparse), or similarities."""

    name: str
    rows: np.ndarray
    cols: np.ndarray
    values: np.ndarray
    sides: tuple[Any, Any]
    has_kernels: bool

    @property
    def is_one_class(self) -> bool:
        return self.name not in POSITIVE

    @property
    def shape(self) -> tuple[int, int]:
        return self.sides[0].shape[0], self.sides[1].shape[0]


def movielens(folder: Path) -> Data:
    """MovieLens-100k."""
    users, films, values = np.loadtxt(folder / "u.data", dtype=np.int64, usecols=(0, 1, 2)).T
    people = [line.split("|") for line in (folder / "u.user").read_text(encoding="latin-1").splitlines()]
    titles = [line.split("|") for line in (folder / "u.item").read_text(encoding="latin-1").splitlines()]

    def marks(words: list[Any]) -> np.ndarray:
        names, places = np.unique(np.array(words, dtype=str), return_inverse=True)
        return np.eye(len(names))[places]

    rows = [marks([int(p[1]) // 7 for p in people])] + [marks([p[k][:12] for p in people]) for k in (2, 3)]
    rows += [marks([p[4][0] for p in people])]
    cols = [np.array([[float(x) for x in t[-19:]] for t in titles]), marks([t[2][-4:-1] for t in titles])]
    sides = tuple(sparse.csr_array(np.concatenate(part, axis=1)) for part in (rows, cols))
    return Data("ml-100k", users - 1, films - 1, values.astype(float), (sides[0], sides[1]), False)


def davis(folder: Path) -> Data:
    """Affinities of drugs and kinases."""
    nanomolar = np.loadtxt(folder / "drug-target_interaction_affinities_Kd__Davis_et_al.2011v1.txt")
    drugs, kinases = (
        np.loadtxt(folder / f"{name}.txt") for name in ("drug-drug_similarities_2D", "target-target_similarities_WS")
    )
    i, j = (part.ravel() for part in np.indices(nanomolar.shape))
    return Data("davis", i, j, -np.log10(nanomolar / 1e9).ravel(), (unit(drugs), unit(kinases)), True)


def pairs(name: str, folder: Path) -> Data:
    """Known pairs and similarities."""
    with np.load(folder / f"{name}.npz") as file:
        side = "disease" if name == "Fdataset" else "target"
        A, K, G = (file[key].astype(float) for key in (f"{side}_drug", f"{side}_sim", "drug_sim"))
    i, j = np.nonzero(A)
    return Data(name, i, j, np.ones(len(i)), (unit(K), unit(G)), True)


def unit(K: np.ndarray) -> np.ndarray:
    """A symmetric similarity matrix with ones on its diagonal."""
    size = np.sqrt(np.diag(K))
    return 0.5 * (K + K.T) / np.outer(size, size)


def read(name: str) -> Data:
    """One of the tables."""
    folder = Path(os.environ["HALFSEEN_DATA"])
    if name == "ml-100k":
        return movielens(folder / "ml-100k")
    if name == "davis":
        return davis(Path(os.environ.get("DAVIS_DATA", folder / "davis")))
    return pairs(name, folder / ("drug-disease" if name == "Fdataset" else "drug-target"))


class Task:
    """What may be known, what is asked, and features of known and new rows and columns."""

    def __init__(self, data: Data, aside: tuple[np.ndarray, np.ndarray], held: np.ndarray, known: np.ndarray) -> None:
        self.data, self.aside, self.held = data, aside, held
        self.kept = tuple(np.setdiff1d(np.arange(n), gone) for n, gone in zip(data.shape, aside, strict=True))
        place = [np.full(n, -1) for n in data.shape]
        for own, kept in zip(place, self.kept, strict=True):
            own[kept] = np.arange(len(kept))
        self.at = place[0][data.rows[known]], place[1][data.cols[known]], data.values[known]
        self.known = known
        self.shape = len(self.kept[0]), len(self.kept[1])
        self.table = hs.Observed.from_triplets(*self.at, shape=self.shape)
        self._features: dict[int, tuple[Any, Any]] = {}

    @classmethod
    def drawn(cls, data: Data, seed: int) -> Task:
        """A fifth of rows and columns, and a tenth of the other entries, held out."""
        rng = np.random.default_rng(seed)
        aside = tuple(np.sort(rng.permutation(n)[: round(SHARE * n)]) for n in data.shape)
        free = ~np.isin(data.rows, aside[0]) & ~np.isin(data.cols, aside[1])
        held = free & (rng.random(len(free)) < ENTRIES)
        return cls(data, (aside[0], aside[1]), held, free & ~held)

    def inner(self) -> Task:
        """The same once more within what is known, to choose settings by."""
        rng, data = np.random.default_rng(99), self.data
        more = [rng.permutation(kept)[: round(SHARE * len(kept))] for kept in self.kept]
        aside = [np.sort(np.concatenate([old, new])) for old, new in zip(self.aside, more, strict=True)]
        free = self.known & ~np.isin(data.rows, aside[0]) & ~np.isin(data.cols, aside[1])
        held = free & (rng.random(len(free)) < ENTRIES)
        task = Task(data, (aside[0], aside[1]), held, free & ~held)
        task.asked_aside = (more[0], more[1])
        task.allowed = self.known
        return task

    asked_aside: tuple[np.ndarray, np.ndarray] | None = None
    allowed: np.ndarray | None = None

    def features(self, axis: int) -> tuple[Any, Any]:
        """For inductive completion: of known lines, and an array of all lines."""
        if axis not in self._features:
            side, kept = self.data.sides[axis], self.kept[axis]
            if self.data.has_kernels:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    known = hs.SimilarityFeatures(side[np.ix_(kept, kept)])
                self._features[axis] = known, np.asarray(known.of(side[:, kept]))
            else:
                self._features[axis] = side[kept], side
        return self._features[axis]

    def dense(self, axis: int) -> np.ndarray:
        """For other libraries: the same as numbers, the first columns of wide ones."""
        everything = self.features(axis)[1]
        full = everything.toarray() if hasattr(everything, "toarray") else everything
        return np.asarray(full)[:, :WIDTH] if self.data.has_kernels else np.asarray(full)

    def kernel(self, axis: int) -> np.ndarray:
        """Similarities of all lines to all."""
        side = self.data.sides[axis]
        if self.data.has_kernels:
            return np.asarray(side)
        rows = side.toarray()
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return np.asarray(np.exp(-(1.0 - rows @ rows.T) / 0.5))

    def filled(self) -> tuple[np.ndarray, np.ndarray]:
        """The known table, 0 or effects where nothing is known; and what was taken out of it (of all rows, columns)."""
        i, j, y = self.at
        table = np.zeros(self.shape)
        if self.data.is_one_class:
            table[i, j] = 1.0
            return table, np.zeros(self.data.shape)
        means = Means(self)
        table[i, j] = y - means.table[np.ix_(*self.kept)][i, j]
        return table, means.table

    def asked(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Cells of each part: entries, or all cells that may be positive."""
        rows, cols = self.asked_aside or self.aside
        data = self.data
        if data.is_one_class:
            known = np.zeros(data.shape, dtype=bool)
            known[data.rows[self.known], data.cols[self.known]] = True
            blocks = {"new rows": (rows, self.kept[1]), "new columns": (self.kept[0], cols), "both new": (rows, cols)}
            found = {name: tuple(part.ravel() for part in np.meshgrid(*own)) for name, own in blocks.items()}
            i, j = (part.ravel() for part in np.meshgrid(*self.kept))
            found["seen"] = i[~known[i, j]], j[~known[i, j]]
            return found  # type: ignore[return-value]
        is_row, is_col = np.isin(data.rows, rows), np.isin(data.cols, cols)
        may = np.ones(len(data.rows), dtype=bool) if self.allowed is None else self.allowed
        old_row, old_col = np.isin(data.rows, self.kept[0]), np.isin(data.cols, self.kept[1])
        masks = (is_row & old_col & may, old_row & is_col & may, is_row & is_col & may, self.held)
        return {name: (data.rows[m], data.cols[m]) for name, m in zip(PARTS, masks, strict=True)}

    def judged(self, scores: np.ndarray) -> dict[str, dict[str, float]]:
        """Errors of each part, from predictions of all cells; nan is no answer."""
        data, out = self.data, {}
        truth = np.full(data.shape, 0.0 if data.is_one_class else np.nan)
        truth[data.rows, data.cols] = data.values
        for name, (i, j) in self.asked().items():
            own, said = truth[i, j], scores[i, j].astype(float)
            if not np.isfinite(said).all():
                continue
            line = {}
            if not data.is_one_class:
                if data.name == "ml-100k":
                    said = np.clip(said, 1, 5)
                line["rmse"] = hs.metrics.rmse(own, said)
            is_positive = own >= POSITIVE.get(data.name, 1.0)
            line["auc"] = hs.metrics.roc_auc(is_positive, said)
            if data.is_one_class:
                line["average_precision"] = hs.metrics.average_precision(is_positive, said)
            out[name] = line
        return out

    def loss(self, scores: np.ndarray) -> float:
        """What settings are chosen by: the mean over the parts."""
        lines = self.judged(scores).values()
        return float(np.mean([line["rmse"] if "rmse" in line else -line["auc"] for line in lines]))


class Means:
    """Means of columns for new rows, of rows for new columns, of all for both, effects of both for the others."""

    def __init__(self, task: Task) -> None:
        i, j, y = task.at
        mean = float(y.mean()) if not task.data.is_one_class else 0.0
        row, col = np.zeros(task.data.shape[0]), np.zeros(task.data.shape[1])
        i, j = task.kept[0][i], task.kept[1][j]
        for _ in range(20):
            row = np.bincount(i, y - mean - col[j], len(row)) / (np.bincount(i, minlength=len(row)) + 3.0)
            col = np.bincount(j, y - mean - row[i], len(col)) / (np.bincount(j, minlength=len(col)) + 3.0)
        self.table = mean + row[:, None] + col[None, :]


def means(task: Task) -> np.ndarray:
    """Row and column means; for pairs, how many a row and a column have."""
    return Means(task).table


def inductive(task: Task) -> np.ndarray:
    """Inductive completion at its defaults."""
    family = "one_class" if task.data.is_one_class else "gaussian"
    model = hs.InductiveCompletion(family=family, random_state=0)
    model.fit(task.table, row_features=task.features(0)[0], col_features=task.features(1)[0])
    table = np.empty(task.data.shape)
    (own, other), new = (
        task.kept,
        [np.setdiff1d(np.arange(n), k) for n, k in zip(task.data.shape, task.kept, strict=True)],
    )
    F, G = (task.features(axis)[1][new[axis]] for axis in (0, 1))
    table[np.ix_(own, other)] = model.predict_table()
    table[np.ix_(new[0], other)] = model.predict_table(F)
    table[np.ix_(own, new[1])] = model.predict_table(None, G)
    table[np.ix_(new[0], new[1])] = model.predict_table(F, G)
    return table


def train_pairs(task: Task) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Known entries, or all cells of known rows and columns as 0 and 1."""
    if not task.data.is_one_class:
        i, j, y = task.at
        return task.kept[0][i], task.kept[1][j], y
    i, j = (part.ravel() for part in np.meshgrid(*task.kept, indexing="ij"))
    return i, j, task.filled()[0].ravel()


def by_pairs(task: Task, model: Any) -> np.ndarray:
    """A regression on the features of both sides, side by side."""
    i, j, y = train_pairs(task)
    F, G = task.dense(0), task.dense(1)
    model.fit(np.concatenate([F[i], G[j]], axis=1), y)
    table = np.empty(task.data.shape)
    for row in range(len(F)):
        table[row] = model.predict(np.concatenate([np.repeat(F[row : row + 1], len(G), axis=0), G], axis=1))
    return table


def ridge(task: Task) -> np.ndarray:
    """scikit-learn's ridge on concatenated features, its penalty by generalised cross-validation."""
    from sklearn.linear_model import RidgeCV

    return by_pairs(task, RidgeCV(np.geomspace(0.01, 1e4, 13)))


def boosting(task: Task) -> np.ndarray:
    """scikit-learn's gradient boosting on pairs, as it comes."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    return by_pairs(task, HistGradientBoostingRegressor(random_state=0))


def chosen(task: Task, settings: list[Any], scores: Callable[[Task, Any], np.ndarray]) -> np.ndarray:
    """The setting that predicts inner held-out parts best, fitted to all that is known."""
    inner = task.inner()
    best = min(settings, key=lambda setting: inner.loss(scores(inner, setting)))
    return scores(task, best)


def kron(task: Task, penalty: float) -> np.ndarray:
    """Ridge of all cells on both sides' kernels (beside effects where entries are real numbers)."""
    K, G = task.kernel(0), task.kernel(1)
    own, other = task.kept
    table, taken = task.filled()
    # 0 is an entry here: all cells
    model = hs.comparisons.KronRidge(penalty).fit(
        table, row_kernel=K[np.ix_(own, own)], col_kernel=G[np.ix_(other, other)]
    )
    return np.asarray(model.predict_table(K[:, own], G[:, other]) + taken)


def row_kernel(task: Task, penalty: float) -> np.ndarray:
    """Ridge of every column on the rows' kernel (none for new columns)."""
    K, (own, other) = task.kernel(0), task.kept
    table, taken = task.filled()
    model = hs.comparisons.RowKernelRidge(penalty).fit(table, row_kernel=K[np.ix_(own, own)])
    scores = np.full(task.data.shape, np.nan)
    scores[:, other] = model.predict_table(K[:, own]) + taken[:, other]
    return scores


def lightfm(task: Task, setting: tuple[int, bool]) -> np.ndarray:
    """LightFM: features, with or without identities of the known; WARP for pairs, logistic for real numbers."""
    from lightfm import LightFM

    epochs, has_identities = setting
    i, j, y = train_pairs(task)
    if task.data.is_one_class:
        i, j = i[y > 0], j[y > 0]
        y = np.ones(len(i))
    else:
        y = np.where(y >= POSITIVE[task.data.name], 1.0, -1.0)
    sides = []
    for axis in (0, 1):
        features = sparse.csr_matrix(task.dense(axis))
        if has_identities:
            identity = sparse.eye(features.shape[0], format="csr")[:, task.kept[axis]]
            features = sparse.hstack([features, identity], format="csr")
        sides.append(features.astype(np.float32))
    model = LightFM(WIDTH, loss="warp" if task.data.is_one_class else "logistic", random_state=0)
    known = sparse.coo_matrix((y, (i, j)), shape=task.data.shape)
    model.fit(known, user_features=sides[0], item_features=sides[1], epochs=epochs, num_threads=1)
    rows, cols = (part.ravel().astype(np.int32) for part in np.indices(task.data.shape))
    said = model.predict(rows, cols, user_features=sides[0], item_features=sides[1], num_threads=1)
    return np.asarray(said, dtype=float).reshape(task.data.shape)


def implicit(task: Task, setting: tuple[int, float]) -> np.ndarray:
    """implicit's alternating least squares: known rows and columns only."""
    from implicit.als import AlternatingLeastSquares

    i, j, y = task.at
    if not task.data.is_one_class:
        keep = y >= POSITIVE[task.data.name]
        i, j = i[keep], j[keep]
    known = sparse.csr_matrix((np.ones(len(i), dtype=np.float32), (i, j)), shape=task.shape)
    model = AlternatingLeastSquares(setting[0], setting[1], alpha=10.0, num_threads=1, random_state=0, use_gpu=False)
    model.fit(known, show_progress=False)
    scores = np.full(task.data.shape, np.nan)
    scores[np.ix_(*task.kept)] = model.user_factors @ model.item_factors.T
    return scores


SYSTEMS: dict[str, Callable[[Task], np.ndarray]] = {
    "means": means,
    "InductiveCompletion": inductive,
    "ridge, concatenated": ridge,
    "gradient boosting, pairs": boosting,
    "kernel ridge, rows": lambda task: chosen(task, list(RIDGES), row_kernel),
    "kernel ridge, both": lambda task: chosen(task, list(RIDGES), kron),
    "LightFM": lambda task: chosen(task, [(e, i) for e in (10, 50) for i in (True, False)], lightfm),
    "implicit": lambda task: chosen(task, [(k, r) for k in (16, 64) for r in (0.1, 10.0)], implicit),
}
# Their scores are no values.
RANKS_ONLY = ("LightFM", "implicit")


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
            file.write("# python benchmarks/cold_start.py (one thread; HALFSEEN_DATA: the data folder)\n")
            writer.writerow(COLUMNS)
        writer.writerow(row)


def run(tables: list[str], systems: list[str], splits: list[int]) -> None:
    """What the file lacks; a system's lines are written as soon as they are known."""
    done = {(line["table"], line["system"], line["split"]) for line in lines()}
    for name in tables:
        data = read(name)
        for split in splits:
            task = Task.drawn(data, split)
            for system in systems:
                if (name, system, str(split)) in done or (system in RANKS_ONLY and not find_spec(system.lower())):
                    continue
                begun = time.process_time()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    scores = SYSTEMS[system](task)
                spent = time.process_time() - begun
                for part, found in task.judged(scores).items():
                    if system in RANKS_ONLY:
                        found.pop("rmse", None)
                    cells = [f"{found[key]:.4f}" if key in found else "" for key in COLUMNS[4:7]]
                    write([name, system, split, part, *cells, f"{spent:.2f}"])
                print(name, split, system, f"{spent:.1f} s", task.judged(scores), flush=True)


def summary() -> None:
    """Means over the splits."""
    found: dict[tuple[str, ...], list[list[float]]] = defaultdict(list)
    for line in lines():
        found[line["table"], line["where"], line["system"]].append([float(line[key] or "nan") for key in COLUMNS[4:]])
    for key, rows in sorted(found.items()):
        print(f"{key[0]:9} {key[1]:12} {key[2]:26}", *(f"{value:8.4f}" for value in np.mean(rows, axis=0)), len(rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--summary", action="store_true", help="print means of what is in the file, run nothing")
    parser.add_argument("--table", action="append", help="only this table")
    parser.add_argument("--system", action="append", help="only this system")
    parser.add_argument("--split", type=int, action="append", help="only this split")
    arguments = parser.parse_args()
    if not arguments.summary:
        splits = arguments.split if arguments.split is not None else [0, 1, 2]
        run(arguments.table or list(TABLES), arguments.system or list(SYSTEMS), splits)
    summary()
