"""Accuracy of the baselines and of other libraries on MovieLens: five random splits, predictions clipped to [1, 5].

    HALFSEEN_DATA=/path/to/data python examples/results/baselines_movielens.py            # runs what the table lacks
    HALFSEEN_DATA=/path/to/data python examples/results/baselines_movielens.py --summary  # only prints means

Run with one thread. Splits: ``default_rng(seed).permutation(n)``, test = last n // 10. Settings were chosen on a
validation tenth of split 0's training part, then fixed. Libraries that are not installed are left out. For models with
predictive intervals, ``coverage`` is the share of the test ratings inside the 95 % ones. Differences between systems
are taken on the same split: the splits differ by more than the systems. Alternating least squares, biases and cmfrec
are in ``als_movielens.csv``.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable

import numpy as np
from als_movielens import KEPT as LEAST_SQUARES
from als_movielens import SPLITS, ratings
from kept import Kept

import halfseen as hs

KEPT = Kept(__file__, ("data", "system", "split", "test_rmse", "coverage", "cpu_seconds", "config"))
Found = tuple[np.ndarray, float | None]
Predictor = Callable[[hs.Observed, np.ndarray, np.ndarray, np.ndarray, int], Found]


def bayes(rank: int, max_iter: int) -> tuple[str, Predictor]:

    def predict(train: hs.Observed, users: np.ndarray, films: np.ndarray, truth: np.ndarray, seed: int) -> Found:
        plain = {"implicit": "none", "noise": "equal", "clip": (1, 5)}  # with features: ratings_movielens.py
        model = hs.BayesianFactorization(rank, max_iter=max_iter, random_state=seed, **plain).fit(train)
        answers = model.inference(0.95).responses(users, films)
        return answers.estimate, hs.metrics.coverage(answers.low, answers.high, truth)

    return f"rank={rank} max_iter={max_iter} burn_in=20", predict


def soft_impute() -> tuple[str, Predictor]:

    def predict(train: hs.Observed, users: np.ndarray, films: np.ndarray, truth: np.ndarray, seed: int) -> Found:
        return hs.SoftImpute(clip=(1, 5), random_state=seed).fit(train).predict(users, films), None

    return "rank=16 bias_penalty=3 penalty=auto", predict


def libmf(k: int, penalty: float, rate: float, epochs: int) -> tuple[str, Predictor]:
    """LIBMF, its predictions from its factors; the mean where it has none."""

    def predict(train: hs.Observed, users: np.ndarray, films: np.ndarray, truth: np.ndarray, seed: int) -> Found:
        from libmf import mf

        model = mf.MF(
            k=k, nr_iters=epochs, eta=rate, lambda_p1=0.0, lambda_q1=0.0, lambda_p2=penalty, lambda_q2=penalty,
            nr_threads=1, quiet=True,
        )  # fmt: skip
        model.fit(np.column_stack([train.rows, train.cols, train.values]).astype(np.float32))
        P, Q = model.p_factors(), model.q_factors()
        known = (users < len(P)) & (films < len(Q))
        known[known] = (train.by_rows.counts[users[known]] > 0) & (train.by_cols.counts[films[known]] > 0)
        found = np.full(len(users), model.model.b)
        found[known] = np.einsum("ek,ek->e", P[users[known]], Q[films[known]])
        return np.where(np.isfinite(found), found, model.model.b), None

    return f"k={k} lambda={penalty} eta={rate} epochs={epochs}", predict


def surprise(factors: int, epochs: int, rate: float, penalty: float) -> tuple[str, Predictor]:
    """Surprise's SVD with biases."""

    def predict(train: hs.Observed, users: np.ndarray, films: np.ndarray, truth: np.ndarray, seed: int) -> Found:
        import pandas as pd
        from surprise import SVD, Dataset, Reader

        frame = pd.DataFrame({"user": train.rows, "film": train.cols, "rating": train.values})
        data = Dataset.load_from_df(frame, Reader(rating_scale=(1, 5))).build_full_trainset()
        model = SVD(n_factors=factors, n_epochs=epochs, lr_all=rate, reg_all=penalty, random_state=seed).fit(data)
        return np.array([model.predict(*pair).est for pair in zip(users, films, strict=True)]), None

    return f"SVD n_factors={factors} n_epochs={epochs} lr_all={rate} reg_all={penalty}", predict


SYSTEMS: dict[str, dict[str, tuple[str, Predictor]]] = {
    "ml-100k": {
        "BayesianFactorization": bayes(16, 300),
        "SoftImpute": soft_impute(),
        "LIBMF": libmf(128, 0.08, 0.03, 40),
        "Surprise SVD": surprise(100, 60, 0.01, 0.1),
    },
    "ml-1m": {
        "BayesianFactorization": bayes(16, 200),
        "SoftImpute": soft_impute(),
        "LIBMF": libmf(128, 0.05, 0.05, 20),
        "Surprise SVD": surprise(100, 40, 0.01, 0.06),
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
                found, covered = predict(table, users[test], films[test], values[test], split)
            except ImportError as error:
                print(f"{name} split {split} {system}: left out ({error})", flush=True)
                continue
            seconds = time.process_time() - begun
            rmse = hs.metrics.rmse(values[test], np.clip(found.astype(float), 1, 5))
            share = "" if covered is None else f"{covered:.4f}"
            KEPT.write((name, system, split, f"{rmse:.5f}", share, f"{seconds:.2f}", config))
            print(f"{name} split {split} {system}: {rmse:.4f} {share} ({seconds:.1f} s)", flush=True)


def summary(reference: str = "BayesianFactorization") -> None:
    """Means over the splits, and paired differences to one system."""
    found: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in KEPT.read() + LEAST_SQUARES.read():
        found[row["data"]][row["system"]][int(row["split"])] = float(row["test_rmse"])
    for name, systems in found.items():
        for system, by_split in sorted(systems.items(), key=lambda item: np.mean(list(item[1].values()))):
            rmse = np.array(list(by_split.values()))
            gaps = [value - systems[reference][split] for split, value in by_split.items()]
            print(
                f"{name:8} {system:34} {rmse.mean():.4f} +- {rmse.std(ddof=1):.4f}   to {reference}: "
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
