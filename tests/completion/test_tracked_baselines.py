"""The figures asked of the baselines on MovieLens, as tracked."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

RESULTS = Path(__file__).parents[2] / "examples" / "results"


def tracked(column="test_rmse", files=("baselines_movielens.csv", "als_movielens.csv")):
    found = defaultdict(dict)
    for name in files:
        with (RESULTS / name).open(newline="") as file:
            for row in csv.DictReader(line for line in file if not line.startswith("#")):
                if row.get(column):
                    found[row["data"], row["system"]][int(row["split"])] = float(row[column])
    return found


@pytest.mark.parametrize(("data", "largest"), [("ml-100k", 0.895), ("ml-1m", 0.836)])
def test_bayesian_factorisation_reaches_its_target_and_beats_every_peer_on_every_split(data, largest):
    figures = tracked()
    own = figures[data, "BayesianFactorization"]
    assert sorted(own) == [0, 1, 2, 3, 4]
    assert np.mean(list(own.values())) <= largest
    others = [by_split for (name, system), by_split in figures.items() if name == data and "Bayesian" not in system]
    assert len(others) >= 5
    assert all(own[split] < value for by_split in others for split, value in by_split.items())


def test_soft_impute_reaches_its_target_on_movielens():
    own = tracked()["ml-1m", "SoftImpute"]
    assert sorted(own) == [0, 1, 2, 3, 4]
    assert max(own.values()) <= 0.856


@pytest.mark.parametrize("data", ["ml-100k", "ml-1m"])
def test_predictive_intervals_cover_held_out_ratings(data):
    shares = tracked("coverage")[data, "BayesianFactorization"]
    assert sorted(shares) == [0, 1, 2, 3, 4]
    assert all(0.93 <= share <= 0.97 for share in shares.values())


def test_the_readme_has_the_means_of_the_tracked_splits():
    baselines, ours = tracked(), tracked(files=["ratings_movielens.csv"])
    splits = {
        "halfseen, Bayesian": [ours[data, "BayesianFactorization, default"] for data in ("ml-100k", "ml-1m")],
        "LIBMF": [baselines[data, "LIBMF"] for data in ("ml-100k", "ml-1m")],
        "Surprise, SVD": [baselines[data, "Surprise SVD"] for data in ("ml-100k", "ml-1m")],
    }
    readme = (RESULTS.parents[1] / "README.md").read_text(encoding="utf-8")
    for system, by_data in splits.items():
        (line,) = [line for line in readme.splitlines() if line.startswith(f"{system}  ")]
        assert line.split()[-2:] == [f"{np.mean(list(by_split.values())):.4f}"[1:] for by_split in by_data]
