"""Held-out errors of the baselines on MovieLens, on five random 90/10 splits; writes als_movielens.csv beside itself.

    HALFSEEN_DATA=/path/to/data python examples/results/als_movielens.py            # what is not in the file yet
    HALFSEEN_DATA=/path/to/data python examples/results/als_movielens.py --summary  # means and paired differences

Both with OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1.

Split ``s``: ``default_rng(s).permutation(n)`` of the ratings in file order, the last ``n // 10`` are the test part.
Predictions are clipped to [1, 5]. The settings were chosen on a validation tenth of the training part of split 0.
cmfrec, where it is installed, is run on the same splits; its cold rows and columns are predicted by the mean.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable

import numpy as np
from kept import Kept

import halfseen as hs
from halfseen.datasets import path

KEPT = Kept(__file__, ("data", "system", "split", "test_rmse", "cpu_seconds", "config"))
SPLITS = range(5)


def ratings(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Users, films (both numbered from 0) and ratings, in the order of the file."""
    if name == "ml-100k":
        users, films, values = np.loadtxt(path(name), dtype=np.int64, usecols=(0, 1, 2)).T
    else:
        with np.load(path(name)) as file:
            users, films, values = file["user"], file["item"], file["rating"]
    users, films = (np.unique(codes, return_inverse=True)[1] for codes in (users, films))
    return users, films, values.astype(np.float32)


Predictor = Callable[[hs.Observed, np.ndarray, np.ndarray, int], np.ndarray]


def ours(make: Callable[[int], object]) -> Predictor:
    """Fit one of our estimators with the split's number as its seed."""
    return lambda train, users, films, seed: make(seed).fit(train).predict(users, films)


def als(rank: int, penalty: float, bias_penalty: float, epochs: int, n_starts: int = 1) -> tuple[str, Predictor]:
    config = f"rank={rank} penalty={penalty} bias_penalty={bias_penalty} alpha=0.5 epochs={epochs} n_starts={n_starts}"

    def make(seed: int) -> object:
        return hs.AlternatingLeastSquares(
            rank, penalty, bias_penalty=bias_penalty, max_iter=epochs, clip=(1, 5), n_starts=n_starts, random_state=seed
        )

    return config, ours(make)


def bias(row_penalty: float, col_penalty: float) -> tuple[str, Predictor]:
    config = f"row_penalty={row_penalty} col_penalty={col_penalty}"
    return config, ours(lambda seed: hs.BiasModel(row_penalty, col_penalty, clip=(1, 5)))


def cmfrec(**options: object) -> tuple[str, Predictor]:
    """The same table through cmfrec's collective factorisation with biases."""

    def predict(train: hs.Observed, users: np.ndarray, films: np.ndarray, seed: int) -> np.ndarray:
        from cmfrec import CMF
        from scipy.sparse import coo_array

        model = CMF(nthreads=1, random_state=seed, verbose=False, **options)
        model.fit(coo_array((train.values.astype(float), (train.rows, train.cols)), shape=train.shape))
        linear = np.sum(model.A_[users] * model.B_[films], axis=1)
        found = model.glob_mean_ + model.user_bias_[users] + model.item_bias_[films] + linear
        cold = (train.by_rows.counts[users] == 0) | (train.by_cols.counts[films] == 0)
        return np.where(cold | ~np.isfinite(found), model.glob_mean_, found)

    return " ".join(f"{name}={value}" for name, value in options.items()), predict


# cmfrec's settings are the best on a validation tenth of split 0's training part, over k 16, 32 (40), 64, niter 10, 15
# (20), a grid of lambda_ for each of its two ways to scale the penalty, and penalties of their own for the biases.
SYSTEMS: dict[str, dict[str, tuple[str, Predictor]]] = {
    "ml-100k": {
        "ColumnMean": ("shrinkage=0", ours(lambda seed: hs.ColumnMean())),
        "BiasModel": bias(8, 1.5),
        "AlternatingLeastSquares": als(64, 1.2, 0.6, 20),
        "AlternatingLeastSquares, 5 starts": als(16, 1.2, 0.4, 6, n_starts=5),
        "AlternatingLeastSquares, defaults": als(16, 1.1, 0.3, 20),
        "cmfrec, ridge": cmfrec(k=64, lambda_=[5, 5, 13, 13, 13, 13], niter=15),
        "cmfrec, scaled penalty": cmfrec(k=64, lambda_=0.12, niter=20, scale_lam=True),
    },
    "ml-1m": {
        "ColumnMean": ("shrinkage=0", ours(lambda seed: hs.ColumnMean())),
        "BiasModel": bias(5, 2),
        "AlternatingLeastSquares": als(16, 1.1, 0.3, 20),
        "AlternatingLeastSquares, 5 starts": als(16, 1.0, 0.3, 15, n_starts=5),
        "cmfrec, ridge": cmfrec(k=16, lambda_=[5, 5, 14, 14, 14, 14], niter=15),
        "cmfrec, scaled penalty": cmfrec(k=16, lambda_=0.07, niter=15, scale_lam=True),
    },
}


def run(name: str, done: set[tuple[str, str, str]]) -> None:
    """All systems on all splits of one data set; a line is written as soon as it is known."""
    users, films, values = ratings(name)
    shape = int(users.max()) + 1, int(films.max()) + 1
    for split in SPLITS:
        order = np.random.default_rng(split).permutation(len(values))
        test, train = order[-(len(order) // 10) :], order[: -(len(order) // 10)]
        table = hs.Observed.from_triplets(users[train], films[train], values[train], shape=shape)
        for system, (config, predict) in SYSTEMS[name].items():
            if (name, system, str(split)) in done:
                continue
            begun = time.process_time()
            try:
                found = np.clip(predict(table, users[test], films[test], split), 1, 5)
            except ImportError as error:
                print(f"{name} split {split} {system}: left out ({error})", flush=True)
                continue
            seconds = time.process_time() - begun
            rmse = float(np.sqrt(np.mean((found.astype(float) - values[test]) ** 2)))
            KEPT.write((name, system, split, f"{rmse:.5f}", f"{seconds:.2f}", config))
            print(f"{name} split {split} {system}: {rmse:.4f} ({seconds:.1f} s)", flush=True)


def summary() -> None:
    """Mean and standard deviation over the splits, and the worst paired difference to the single start."""
    found: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in KEPT.read():
        found[row["data"]][row["system"]][int(row["split"])] = float(row["test_rmse"])
    for name, systems in found.items():
        own = systems["AlternatingLeastSquares"]
        for system, by_split in systems.items():
            rmse = np.array(list(by_split.values()))
            gaps = [value - own[split] for split, value in by_split.items() if split in own]
            print(
                f"{name:8} {system:36} {rmse.mean():.4f} +- {rmse.std(ddof=1):.4f}   to one start: "
                f"mean {np.mean(gaps):+.4f}, smallest {min(gaps):+.4f} over {len(gaps)} splits"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--summary", action="store_true", help="print means of what is in the file, run nothing")
    parser.add_argument("--data", choices=SYSTEMS, action="append", help="only this data set")
    arguments = parser.parse_args()
    if not arguments.summary:
        for chosen in arguments.data or SYSTEMS:
            run(chosen, {(row["data"], row["system"], row["split"]) for row in KEPT.read()})
    summary()
