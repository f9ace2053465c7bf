"""Bayesian factorisation at its defaults beside what else predicts ratings, all systems by turns on every split.

    HALFSEEN_DATA=/path/to/data python examples/results/ratings_rivals.py            # runs what the table lacks
    HALFSEEN_DATA=/path/to/data python examples/results/ratings_rivals.py --summary  # only prints means and differences

Run with one thread. Splits, settings and inputs are those of ``als_movielens.py``, ``baselines_movielens.py`` and
``ratings_movielens.py``. On each split all systems run by turns, so that their CPU seconds (fit and predictions of the
test tenth) are from the same minutes of the same machine. What is not installed is left out.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable

import als_movielens as least_squares
import baselines_movielens as baselines
import numpy as np
import ratings_movielens as bayes
from als_movielens import SPLITS, ratings
from kept import Kept

import halfseen as hs

KEPT = Kept(__file__, ("data", "system", "split", "test_rmse", "cpu_seconds", "ms_per_sweep_and_rank", "config"))
Found = tuple[np.ndarray, str, int]  # predictions, settings, sweeps times rank
System = Callable[[hs.Observed, tuple, tuple, int], Found]


def ours(variant: str) -> System:

    def fit(table: hs.Observed, asked: tuple, sides: tuple, seed: int) -> Found:
        model = hs.BayesianFactorization(clip=(1, 5), random_state=seed)
        model.fit(table, **({} if variant == "default" else {"row_features": sides[0], "col_features": sides[1]}))
        told = f"rank={model.rank_} max_iter={model.max_iter} implicit={model.implicit_}"
        return model.predict(asked[0], asked[1]), told, model.rank_ * (model.burn_in + model.max_iter)

    return fit


def myfm(variant: str) -> System:

    def fit(table: hs.Observed, asked: tuple, sides: tuple, seed: int) -> Found:
        found, _, told = bayes.peer(variant, table, asked, sides, seed)
        return found, told, 10 * 220

    return fit


def plain(settings: tuple[str, Callable[..., object]], has_truth: bool) -> System:
    """A system of the other two tables."""

    def fit(table: hs.Observed, asked: tuple, sides: tuple, seed: int) -> Found:
        found = settings[1](table, *(asked if has_truth else asked[:2]), seed)
        return np.asarray(found[0] if has_truth else found), settings[0], 0

    return fit


def autoencoder(table: hs.Observed, asked: tuple, sides: tuple, seed: int) -> Found:
    import torch  # noqa: F401  (left out where it is not installed)

    model = hs.SparseAutoencoder(clip=(1, 5), random_state=seed).fit([table])
    return model.predict_entries(model.source_names_[0], asked[0], asked[1]), "defaults", 0


def systems(name: str) -> dict[str, System]:
    return {
        "BayesianFactorization": ours("default"),
        "myfm, implicit": myfm("myfm, implicit"),
        "BayesianFactorization, sides": ours("sides"),
        "myfm, implicit and sides": myfm("myfm, sides"),
        "LIBMF": plain(baselines.SYSTEMS[name]["LIBMF"], True),
        "Surprise SVD": plain(baselines.SYSTEMS[name]["Surprise SVD"], True),
        "cmfrec, scaled penalty": plain(least_squares.SYSTEMS[name]["cmfrec, scaled penalty"], False),
        "SparseAutoencoder": autoencoder,
    }


def run(name: str, splits: list[int], chosen: list[str] | None) -> None:
    """All systems on all splits of one data set; a line is written as soon as it is known."""
    users, films, values = ratings(name)
    shape, sides = (int(users.max()) + 1, int(films.max()) + 1), bayes.known(name)
    done = {(row["data"], row["system"], row["split"]) for row in KEPT.read()}
    for split in splits:
        order = np.random.default_rng(split).permutation(len(values))
        test, train = order[-(len(order) // 10) :], order[: -(len(order) // 10)]
        table = hs.Observed.from_triplets(users[train], films[train], values[train], shape=shape)
        asked = users[test], films[test], values[test]
        for system, fit in systems(name).items():
            if (name, system, str(split)) in done or (chosen and system not in chosen):
                continue
            begun = time.process_time()
            try:
                found, config, work = fit(table, asked, sides, split)
            except ImportError as error:
                print(f"{name} split {split} {system}: left out ({error})", flush=True)
                continue
            seconds = time.process_time() - begun
            rmse = hs.metrics.rmse(values[test], np.clip(np.asarray(found, dtype=float), 1, 5))
            share = f"{1000 * seconds / work:.3f}" if work else ""
            KEPT.write((name, system, split, f"{rmse:.5f}", f"{seconds:.2f}", share, config))
            print(f"{name} split {split} {system}: {rmse:.4f} ({seconds:.1f} s) {share}", flush=True)


def summary() -> None:
    """Means over the splits, and differences on the same split to ours with the same inputs."""
    found: dict[str, dict[str, dict[str, dict[str, str]]]] = defaultdict(lambda: defaultdict(dict))
    for row in KEPT.read():
        found[row["data"]][row["system"]][row["split"]] = row
    for name, by_system in found.items():
        for system, rows in by_system.items():
            own = by_system["BayesianFactorization, sides" if "sides" in system else "BayesianFactorization"]
            rmse = np.array([float(row["test_rmse"]) for row in rows.values()])
            both = [split for split in rows if split in own]
            gaps = [float(rows[s]["test_rmse"]) - float(own[s]["test_rmse"]) for s in both]
            times = [float(rows[s]["cpu_seconds"]) / float(own[s]["cpu_seconds"]) for s in both]
            print(
                f"{name:8} {system:30} {rmse.mean():.4f} over {len(rows)} splits; to ours: smallest {min(gaps):+.4f}, "
                f"mean {np.mean(gaps):+.4f}, time x {np.median(times):.2f}"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--summary", action="store_true", help="print what is in the file, run nothing")
    parser.add_argument("--data", choices=("ml-100k", "ml-1m"), action="append", help="only this data set")
    parser.add_argument("--split", type=int, action="append", help="only this split")
    parser.add_argument("--system", action="append", help="only this system")
    arguments = parser.parse_args()
    if not arguments.summary:
        for data in arguments.data or ("ml-100k", "ml-1m"):
            run(data, arguments.split if arguments.split is not None else list(SPLITS), arguments.system)
    summary()
