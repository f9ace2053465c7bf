"""Groups of rows that share nothing, and cells that are missing for a reason: said at fit, comparisons refused."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import halfseen as hs
from halfseen.inference import NotStated
from halfseen.inference.linked import linking_of


def two_groups(n_shared: int = 0, seed: int = 500) -> np.ndarray:
    """Two sets of 30 rows with 40 columns each, and ``n_shared`` columns that both answered."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=60) + np.repeat([-0.75, 0.75], 30)
    chance = 1 / (1 + np.exp(-(rng.normal(size=80) + x[:, None])))
    full = (rng.random((60, 80)) < chance).astype(float)
    table = np.full((60, 80), np.nan)
    table[:30, : 40 + n_shared], table[30:, 40:] = full[:30, : 40 + n_shared], full[30:, 40:]
    return table


MODELS = {
    "factor": lambda: hs.GeneralizedFactorModel(1, "bernoulli", penalty="map", random_state=0),
    "response": lambda: hs.ItemResponseModel("rasch"),
}


def fitted(name: str, table: np.ndarray):
    model = MODELS[name]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(table)
    return model


@pytest.mark.parametrize("name", MODELS)
def test_groups_without_a_common_column_are_named_once_and_not_compared(name):
    model = fitted(name, two_groups())
    told = [text for text in model.warnings_ if "fall into 2 groups" in text]
    assert len(told) == 1
    assert "(30: 0, 1, ..; 30: 30, 31, ..)" in told[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        i = model.inference()
    assert not i.scores().reliable.any()
    for of in ("score", 0):
        with pytest.raises(NotStated, match=r"3 \(group 0\) and 40 \(group 1\) cannot be compared"):
            i.differences([0, 3], [1, 40], of=of)
        with pytest.raises(NotStated, match="2 groups"):
            i.ranks(of=of, kind="per_item")
    assert np.isfinite(i.differences([0, 31], [1, 32], of=0).se).all()


@pytest.mark.parametrize("name", MODELS)
def test_the_way_out_of_unlinked_groups_works_when_followed(name):
    table = two_groups()
    model = fitted(name, table)
    alone = fitted(name, table[model.linking_.rows == 0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ranks = alone.inference().ranks(of=0, kind="per_item")
    assert len(ranks) == 30
    joined = fitted(name, two_groups(n_shared=4))
    assert joined.linking_ is None
    assert not any("groups" in text for text in joined.warnings_)


def test_a_comparison_of_unlinked_groups_holds_far_too_rarely_to_be_stated():
    # the difference of two rows of different groups is off by the difference of the groups' unknown levels
    chance_of_gap = []
    for seed in range(500, 504):
        model = fitted("factor", two_groups(seed=seed))
        gap = model.row_factors_[:30].mean() - model.row_factors_[30:].mean()
        chance_of_gap.append(abs(gap))
    assert max(chance_of_gap) < 0.75  # the truth is 1.5


def test_linking_needs_more_common_columns_for_more_factors():
    observed = hs.Observed.from_dense(two_groups(n_shared=2))
    assert linking_of(observed, 2) is None
    assert linking_of(observed, 3).n_groups == 2


def test_cells_of_one_group_in_its_own_columns_stay_reliable():
    linking = linking_of(hs.Observed.from_dense(two_groups()), 2)
    assert linking.cells(np.array([0, 0]), np.array([0, 79])).tolist() == [True, False]
    assert linking.reliable(0, np.arange(40))[:30].all()
    assert not linking.reliable(0, np.arange(40))[30:].any()


def asked_by_ability(seed: int = 3) -> np.ndarray:
    """Each row was asked the third of the columns that is closest to its ability."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=150), rng.normal(size=60)
    full = (rng.random((150, 60)) < 1 / (1 + np.exp(-(z + x[:, None])))).astype(float)
    distance = np.abs(z + x[:, None])
    return np.where(distance <= np.quantile(distance, 0.35, axis=1, keepdims=True), full, np.nan)


@pytest.mark.parametrize("name", MODELS)
def test_targeted_asking_is_said_at_fit_and_random_asking_is_not(name):
    told = fitted(name, asked_by_ability()).warnings_
    assert any("not missing at random" in text and "harder" in text for text in told)
    rng = np.random.default_rng(4)
    full = (rng.random((150, 60)) < 1 / (1 + np.exp(-rng.normal(size=(150, 1)) - rng.normal(size=60)))).astype(float)
    told = fitted(name, np.where(rng.random((150, 60)) < 0.35, full, np.nan)).warnings_
    assert not any("missing" in text for text in told)
