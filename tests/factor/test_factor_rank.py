"""``rank="auto"``: held-out entries settle the rank, with their standard error."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs


@pytest.mark.fast_cases("gaussian-0-size0", "bernoulli-2-size3")
@pytest.mark.parametrize(
    ("family", "rank", "size"),
    [("gaussian", 0, (80, 50)), ("gaussian", 3, (120, 80)), ("poisson", 1, (100, 60)), ("bernoulli", 2, (300, 150))],
)
@pytest.mark.filterwarnings("ignore:the factors predict held-out entries no better")
def test_the_true_rank_is_found(family, rank, size):
    data = hs.datasets.make_factor_data(*size, max(rank, 1), family, observed=0.7, random_state=1)
    table = data.observed
    if rank == 0:
        rng = np.random.default_rng(0)
        table = np.where(rng.random(size) < 0.7, rng.normal(size=size[1]) + rng.normal(size=size), np.nan)
    model = hs.GeneralizedFactorModel("auto", family, random_state=0).fit(table)
    assert model.rank_ == model.rank_search_.rank == model.row_factors_.shape[1] == rank
    assert model.rank_search_.rule == "one_se"
    assert np.all(np.diff(model.rank_search_.ranks) > 0)


def test_a_rank_that_is_found_is_the_fit_of_that_rank():
    data = hs.datasets.make_factor_data(80, 50, 2, "gaussian", observed=0.7, random_state=0)
    found = hs.GeneralizedFactorModel("auto", penalty="map", random_state=0).fit(data.observed)
    given = hs.GeneralizedFactorModel(found.rank_, penalty="map", random_state=0).fit(data.observed)
    np.testing.assert_allclose(found.predict_table(), given.predict_table(), atol=1e-5)
    assert given.rank_search_ is None


def test_totals_and_offsets_are_held_out_with_their_entries():
    rng = np.random.default_rng(2)
    totals, offset = rng.integers(2, 9, size=40).astype(float), rng.normal(size=40)
    x, y = rng.normal(size=(150, 1)), rng.normal(size=(40, 1))
    chance = 1 / (1 + np.exp(-(offset + 1.2 * x @ y.T)))
    counts = rng.binomial(totals.astype(int), chance).astype(float)
    counts[rng.random(counts.shape) < 0.3] = np.nan
    model = hs.GeneralizedFactorModel("auto", "bernoulli", random_state=0).fit(counts, trials=totals, offset=offset)
    assert model.rank_ == 1


@pytest.mark.parametrize("penalty", ["none", 1.0])
def test_every_way_to_fit_can_find_its_rank(penalty):
    data = hs.datasets.make_factor_data(120, 80, 2, "gaussian", observed=0.8, random_state=3)
    assert hs.GeneralizedFactorModel("auto", penalty=penalty, random_state=0).fit(data.observed).rank_ == 2


def test_a_table_without_an_entry_to_spare_gets_its_intercepts():
    R = np.where(np.eye(4, dtype=bool), 1.0, np.nan)
    model = hs.GeneralizedFactorModel("auto", penalty="map", random_state=0).fit(R)
    assert model.rank_ == 0
    assert np.isfinite(model.predict_table()).all()


def test_the_same_seed_finds_the_same_rank_on_any_engine():
    data = hs.datasets.make_factor_data(100, 60, 2, "gaussian", observed=0.6, random_state=5)
    one = hs.GeneralizedFactorModel("auto", random_state=7).fit(data.observed)
    with hs.engine("threads", workers=2):
        two = hs.GeneralizedFactorModel("auto", random_state=7).fit(data.observed)
    np.testing.assert_array_equal(one.rank_search_.losses, two.rank_search_.losses)
    np.testing.assert_array_equal(one.predict_table(), two.predict_table())
