"""The rank that least squares finds by itself."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

import halfseen as hs
from halfseen.select.automatic_rank import Climb, best_of
from halfseen.solvers.loop import loop

FIGURES = Path(__file__).parents[2] / "examples" / "results" / "automatic_rank.csv"


def table_of(rank, n=100, p=80, noise=0.3, share=0.4, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, p)) / max(rank, 1) ** 0.5
    truth = truth + np.add.outer(rng.normal(size=n), rng.normal(size=p)) + 3.0
    return np.where(rng.random(truth.shape) < share, truth + noise * rng.normal(size=truth.shape), np.nan)


def climbed(losses, detected, largest):
    """Ranks in the order in which they were tried, by losses given as a function."""
    run = loop(Climb(losses, detected, largest), (), max_iter=50)
    assert run.reason == "exact"
    return [rank for rank, _ in run.params], best_of(run.params)


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_the_rank_of_simulated_tables_is_found(rank):
    detected = []
    for seed in range(3):
        model = hs.AlternatingLeastSquares("auto", 0.3, random_state=seed).fit(table_of(rank, seed=seed))
        search = model.rank_search_
        assert model.rank_ == search.rank == rank
        detected.append(search.detected)
        assert {search.detected - 1, search.detected, search.detected + 1} <= set(search.ranks)
        assert model.row_factors_.shape == (100, rank)
    # descent sees 8 or 9 components of 5 in one of eight tables and divisions; the climb then comes down to 5
    assert abs(np.median(detected) - rank) <= 1


def test_without_factors_little_is_added_to_the_biases():
    for seed in range(3):
        table = table_of(0, noise=1.0, seed=seed)
        errors = [
            np.sqrt(np.nanmean((model.fit(table).predict_table() - table_of(0, noise=0.0, share=1.0, seed=seed)) ** 2))
            for model in (hs.AlternatingLeastSquares("auto", random_state=seed), hs.BiasModel())
        ]
        assert errors[0] < 1.5 * errors[1]


def test_a_right_guess_takes_three_fits():
    assert climbed(lambda rank: (rank - 4) ** 2 + 1.0, 4, 20) == ([4, 3, 5], 4)


def test_a_guess_that_is_too_small_is_doubled():
    tried, best = climbed(lambda rank: abs(rank - 16) + 1.0, 1, 100)
    assert tried == [1, 0, 2, 4, 8, 16, 32, 12, 14, 15, 24, 20, 18, 17]
    assert best == 16


def test_ranks_between_the_best_and_its_neighbours_are_looked_into():
    tried, best = climbed(lambda rank: abs(rank - 5) + 1.0, 9, 100)
    assert tried == [9, 8, 10, 4, 2, 3, 6, 5]
    assert best == 5


def test_a_guess_that_is_too_large_is_halved():
    tried, best = climbed(lambda rank: abs(rank - 2) + 1.0, 9, 100)
    assert tried == [9, 8, 10, 4, 2, 1, 3]
    assert best == 2


def test_the_climb_stays_inside_the_table():
    assert climbed(lambda rank: 1.0 / (1 + rank), 6, 7) == ([6, 5, 7], 7)
    assert climbed(lambda rank: 1.0 + rank, 0, 7) == ([0, 1], 0)


def test_ties_go_to_the_smaller_rank():
    assert climbed(lambda rank: 1.0 if rank < 3 else 0.9999, 3, 20)[1] == 0


def test_several_starts_and_callbacks_go_with_it():
    class Count:
        fits = 0

        def setup(self, estimator, context):
            self.fits += 1

        def teardown(self, estimator, context): ...

        def on_fit_task_begin(self, estimator, context): ...

        def on_fit_task_end(self, estimator, context): ...

    count = Count()
    model = hs.AlternatingLeastSquares("auto", 0.3, n_starts=2, random_state=0).set_callbacks(count)
    model.fit(table_of(2))
    assert count.fits == 1  # the fit itself, not the candidates
    assert model.row_factors_.shape == (100, 2 * model.rank_)


def test_a_given_rank_searches_nothing():
    model = hs.AlternatingLeastSquares(2, random_state=0).fit(table_of(2))
    assert model.rank_search_ is None
    with pytest.raises(ValueError, match="rank='best' is not allowed; needed: a whole number of at least 0 or 'auto'"):
        hs.AlternatingLeastSquares("best").fit(table_of(2))


def tracked():
    found = defaultdict(list)
    with FIGURES.open(newline="") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            found[row["table"]].append({key: float(value) for key, value in row.items() if key != "table"})
    return found


def test_the_tracked_errors_are_those_of_cross_validation_in_less_time():
    tables = tracked()
    assert {"ml-100k", "ml-1m"} < set(tables)
    for name, rows in tables.items():
        assert len(rows) == 5, name
        assert all(row["auto_error"] - row["cv_error"] <= 0.005 for row in rows), name
        if "noise=0.0" not in name:  # without noise all ranks from the true one on are as good
            ratio = sum(row["cv_seconds"] for row in rows) / sum(row["auto_seconds"] for row in rows)
            assert ratio >= 1.5, name
