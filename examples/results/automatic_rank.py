"""Automatic rank against cross-validated rank for alternating least squares: error and time, on the same splits.

    HALFSEEN_DATA=/path/to/data python examples/results/automatic_rank.py

MovieLens: five random 90/10 splits, RMSE of the test ratings, predictions clipped to [1, 5]; cross-validation tries
ranks 1, 2, 4, 8, 16 and 32 on three splits and fits the best again. Simulated: 100 x 80 tables of rank 4, RMSE of the
cells not seen over their standard deviation; cross-validation tries ranks 0 to 8. Times are CPU seconds of one thread,
one after the other in the same process.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from als_movielens import SPLITS, ratings

import halfseen as hs

OUT = Path(__file__).with_suffix(".csv")
COLUMNS = ("table", "seed", "auto_rank", "auto_error", "auto_seconds", "cv_rank", "cv_error", "cv_seconds")
CELLS = (("flat", 0.25, 0.3), ("flat", 0.4, 0.3), ("decay", 0.25, 0.3), ("decay", 0.4, 0.3), ("flat", 0.4, 0.0))
Job = tuple[str, int, hs.Observed, tuple[np.ndarray, np.ndarray, np.ndarray], object, list[int]]


def movielens(name: str) -> Iterator[Job]:
    users, films, values = ratings(name)
    shape = int(users.max()) + 1, int(films.max()) + 1
    for split in SPLITS:
        order = np.random.default_rng(split).permutation(len(values))
        test, train = order[-(len(order) // 10) :], order[: -(len(order) // 10)]
        table = hs.Observed.from_triplets(users[train], films[train], values[train], shape=shape)
        model = hs.AlternatingLeastSquares(clip=(1, 5), random_state=split)
        yield name, split, table, (users[test], films[test], values[test]), model, [1, 2, 4, 8, 16, 32]


def simulated(kind: str, share: float, noise: float) -> Iterator[Job]:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        U, V = (np.linalg.qr(rng.normal(size=(size, 4)))[0] for size in (100, 80))
        s = np.ones(4) if kind == "flat" else np.array([1.0, 0.7, 0.5, 0.35])
        truth = (U * s) @ V.T
        truth /= truth.std()
        seen = rng.random(truth.shape) < share
        table = hs.Observed.from_dense(np.where(seen, truth + noise * rng.normal(size=truth.shape), np.nan))
        hidden = np.nonzero(~seen)
        # a penalty for the noise of the cell, the same for both ways to choose the rank
        model = hs.AlternatingLeastSquares(penalty=max(noise, 0.01), max_iter=100, tol=1e-5, random_state=seed)
        yield f"{kind} p={share} noise={noise}", seed, table, (*hidden, truth[hidden]), model, list(range(9))


def compare(job: Job) -> tuple[object, ...]:
    name, seed, table, (rows, cols, truth), model, ranks = job
    begun = time.process_time()
    auto = hs.AlternatingLeastSquares(**{**model.get_params(), "rank": "auto"}).fit(table)
    middle = time.process_time()
    choice = hs.select.choose_rank(model, table, ranks, random_state=seed, is_warm=False)
    searched = choice.model.fit(table)
    ended = time.process_time()
    errors = [hs.metrics.rmse(truth, fit.predict(rows, cols).astype(float)) for fit in (auto, searched)]
    return (
        name, seed, auto.rank_, f"{errors[0]:.5f}", f"{middle - begun:.3f}",
        choice.rank, f"{errors[1]:.5f}", f"{ended - middle:.3f}",
    )  # fmt: skip


if __name__ == "__main__":
    jobs = [job for cell in CELLS for job in simulated(*cell)]
    for name in ("ml-100k", "ml-1m"):
        jobs += list(movielens(name))
    compare(jobs[0])  # warm up
    with OUT.open("w", newline="") as file:
        file.write("# python examples/results/automatic_rank.py (one thread; HALFSEEN_DATA is the data folder)\n")
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for job in jobs:
            row = compare(job)
            writer.writerow(row)
            print(*row, flush=True)
