"""Bayesian factorisation with features and noise per row, and myfm with the same inputs, on MovieLens.

    HALFSEEN_DATA=/path/to/data python examples/results/ratings_movielens.py            # runs what the table lacks
    HALFSEEN_DATA=/path/to/data python examples/results/ratings_movielens.py --summary  # only prints means

Run with one thread. Splits are those of ``baselines_movielens.csv``: ``default_rng(seed).permutation(n)``, test = last
n // 10. Predictions are clipped to [1, 5]. Variants: "plain" (no implicit features, equal noise: the model as it was
before), "default", "sides" (and what is known of people and films), "twice" (and effects drawn twice). ``coverage`` is
the share of test ratings inside the 95 % predictive intervals, ``quiet``, ``middle`` and ``loud`` that among the thirds
of the rows by their noise. myfm: Gibbs sampling with one-hot users and films, both implicit sets, and
for "sides" the same features; it is left out where it is not installed.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict

import numpy as np
from als_movielens import SPLITS, ratings
from kept import Kept
from scipy import sparse

import halfseen as hs
from halfseen.datasets import path

KEPT = Kept(
    __file__, ("data", "system", "split", "test_rmse", "coverage", "quiet", "middle", "loud", "cpu_seconds", "config")
)
VARIANTS = {
    "plain": {"implicit": "none", "noise": "equal"},
    "default": {},
    "sides": {},
    "twice": {"feature_draws": "twice"},
}


def one_hot(codes: list[object]) -> sparse.csr_array:
    """A column per value."""
    names, places = np.unique(np.array(codes, dtype=str), return_inverse=True)
    return sparse.csr_array((np.ones(len(codes)), (np.arange(len(codes)), places)), shape=(len(codes), len(names)))


def known(name: str) -> tuple[sparse.csr_array, sparse.csr_array]:
    """People: age, sex, occupation, first digit of the postcode; films: genres and year."""
    folder = path(name).parent
    if name == "ml-100k":
        users, films, _ = np.loadtxt(path(name), dtype=np.int64, usecols=(0, 1, 2)).T
        people = (line.split("|") for line in (folder / "u.user").read_text(encoding="latin-1").splitlines())
        person = {int(p[0]): (int(p[1]) // 7, p[2], p[3], p[4][:1]) for p in people}
        titles = (line.split("|") for line in (folder / "u.item").read_text(encoding="latin-1").splitlines())
        film = {int(t[0]): (tuple(map(int, t[-19:])), t[2][-4:]) for t in titles}
    else:
        with np.load(path(name)) as file:
            users, films = file["user"], file["item"]
        people = (line.split("::") for line in (folder / "users.dat").read_text(encoding="latin-1").splitlines())
        person = {int(p[0]): (p[2], p[1], p[3], p[4][:1]) for p in people}
        titles = [line.split("::") for line in (folder / "movies.dat").read_text(encoding="latin-1").splitlines()]
        genres = sorted({genre for t in titles for genre in t[2].split("|")})
        film = {int(t[0]): (tuple(int(g in t[2].split("|")) for g in genres), t[1].strip()[-5:-1]) for t in titles}
    seen = [person[user] for user in np.unique(users).tolist()]
    shown = [film[code] for code in np.unique(films).tolist()]
    rows = sparse.hstack([one_hot([each[part] for each in seen]) for part in range(4)])
    marks = sparse.csr_array(np.array([each[0] for each in shown], dtype=float))
    cols = sparse.hstack([marks, one_hot([each[1] for each in shown])])
    return sparse.csr_array(rows), sparse.csr_array(cols)


def run(name: str, variants: list[str], splits: list[int], done: set[tuple[str, str, str]]) -> None:
    """All variants on all splits of one data set; a line is written as soon as it is known."""
    users, films, values = ratings(name)
    shape, sides = (int(users.max()) + 1, int(films.max()) + 1), known(name)
    for split in splits:
        order = np.random.default_rng(split).permutation(len(values))
        test, train = order[-(len(order) // 10) :], order[: -(len(order) // 10)]
        table = hs.Observed.from_triplets(users[train], films[train], values[train], shape=shape)
        for variant in variants:
            system = f"myfm, {variant[5:]}" if variant.startswith("myfm") else f"BayesianFactorization, {variant}"
            if (name, system, str(split)) in done:
                continue
            begun = time.process_time()
            asked = users[test], films[test], values[test]
            try:
                fit = peer if variant.startswith("myfm") else ours
                found, shares, config = fit(variant, table, asked, sides, split)
            except ImportError as error:
                print(f"{name} split {split} {system}: left out ({error})", flush=True)
                continue
            seconds = time.process_time() - begun
            rmse = hs.metrics.rmse(values[test], np.clip(found.astype(float), 1, 5))
            KEPT.write((name, system, split, f"{rmse:.5f}", *shares, f"{seconds:.2f}", config))
            print(f"{name} split {split} {system}: {rmse:.4f} {' '.join(shares)} ({seconds:.1f} s)", flush=True)


def ours(variant: str, table: hs.Observed, asked: tuple, sides: tuple, seed: int) -> tuple:
    """Predictions, and coverage in all and by the noise of the rows."""
    users, films, truth = asked
    model = hs.BayesianFactorization(clip=(1, 5), random_state=seed, **VARIANTS[variant])
    given = {"row_features": sides[0], "col_features": sides[1]} if variant in ("sides", "twice") else {}
    model.fit(table, **given)
    said = model.inference(0.95).responses(users, films)
    inside = (said.low <= truth) & (truth <= said.high)
    shares = [np.mean(inside)]
    if variant != "plain":
        noise = model.row_noise_sd_[users]
        third = np.searchsorted(np.quantile(noise, [1 / 3, 2 / 3]), noise)
        shares += [np.mean(inside[third == part]) for part in range(3)]
    told = f"rank={model.rank_} max_iter={model.max_iter} implicit={model.implicit_}"
    return said.estimate, [f"{share:.4f}" for share in shares] + [""] * (4 - len(shares)), told


def peer(variant: str, table: hs.Observed, asked: tuple, sides: tuple, seed: int) -> tuple:
    """myfm's regression with users, films, both implicit sets and, for "sides", the features."""
    from myfm import MyFMRegressor, RelationBlock

    users, films, _ = asked
    has_sides = variant.endswith("sides")
    seen = sparse.csr_array((np.ones(table.n_entries), (table.rows, table.cols)), shape=table.shape)
    blocks, sizes = [], []
    for axis, matrix in enumerate((seen, seen.T.tocsr())):
        n = matrix.shape[0]
        scaled = sparse.diags_array(1.0 / np.sqrt(np.maximum(matrix.sum(axis=1), 1.0))) @ matrix
        parts = [sparse.eye_array(n), scaled, *([sides[axis]] if has_sides else [])]
        blocks.append(sparse.csr_matrix(sparse.hstack(parts)))
        sizes += [part.shape[1] for part in parts]
    draws = 200
    model = MyFMRegressor(rank=10, random_seed=seed)
    train = [RelationBlock(at, block) for at, block in zip((table.rows, table.cols), blocks, strict=True)]
    test = [RelationBlock(at, block) for at, block in zip((users, films), blocks, strict=True)]
    model.fit(None, table.values, X_rel=train, n_iter=draws + 20, n_kept_samples=draws, group_shapes=sizes)
    return model.predict(None, test), [""] * 4, f"rank=10 n_iter={draws + 20}"


def summary() -> None:
    """Means over the splits."""
    found: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for row in KEPT.read():
        found[row["data"], row["system"]].append(row)
    for (name, system), rows in found.items():
        rmse = np.array([float(row["test_rmse"]) for row in rows])
        seconds = np.mean([float(row["cpu_seconds"]) for row in rows])
        print(f"{name:8} {system:34} {rmse.mean():.4f} over {len(rows)} splits, {seconds:.1f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--summary", action="store_true", help="print means of what is in the file, run nothing")
    parser.add_argument("--data", choices=("ml-100k", "ml-1m"), action="append", help="only this data set")
    parser.add_argument("--split", type=int, action="append", help="only this split")
    parser.add_argument("--variant", action="append", help="only this variant")
    arguments = parser.parse_args()
    if not arguments.summary:
        for chosen in arguments.data or ("ml-100k", "ml-1m"):
            variants = arguments.variant or [*VARIANTS, "myfm implicit", "myfm sides"]
            splits = arguments.split if arguments.split is not None else list(SPLITS)
            run(chosen, variants, splits, {(row["data"], row["system"], row["split"]) for row in KEPT.read()})
    summary()
