"""Groups of rows that share nothing, and cells that are missing for a reason: said at fit, comparisons refused."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import halfseen as hs
from halfseen.inference import NotStated
from halfseen.inference.linked import _grows_over_nearly_all, linking_of


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


PREDICTORS = {
    "als": lambda: hs.AlternatingLeastSquares(2, random_state=0),
    "als by ranks": lambda: hs.AlternatingLeastSquares("auto", random_state=0),
    "softimpute": lambda: hs.SoftImpute(4, random_state=0),
    "descent": lambda: hs.OverparametrizedFactorization(2, random_state=0),
    "biases": lambda: hs.BiasModel(),
    "inductive": lambda: hs.InductiveCompletion(2, "linear", random_state=0),
}


def told_of(model, table) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [text for text in model.fit(table).warnings_ if "groups" in text]


@pytest.mark.slow_cases("inductive")
@pytest.mark.parametrize("name", PREDICTORS)
def test_every_model_that_compares_rows_names_groups_once_and_the_way_out_works(name):
    table = two_groups()
    model = PREDICTORS[name]()
    told = told_of(model, table)
    assert len(told) == 1
    assert "fall into 2 groups" in told[0]
    assert "linking_.rows == 0" in told[0]
    assert told_of(PREDICTORS[name](), table[model.linking_.rows == 0]) == []
    assert told_of(PREDICTORS[name](), two_groups(n_shared=4)) == []


def test_what_compares_no_rows_or_links_them_by_features_is_silent():
    table, features = two_groups(), np.random.default_rng(0).normal(size=(80, 3))
    assert told_of(hs.ColumnMean(), table) == []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = hs.InductiveCompletion(2, "linear", random_state=0).fit(table, col_features=features)
    assert not any("groups" in text for text in model.warnings_)


def test_one_sided_completion_names_columns_that_no_row_links():
    rng = np.random.default_rng(0)
    rows = np.full((400, 40), np.nan)
    for i in range(400):
        chosen = rng.choice(20, 3, replace=False) + 20 * (i % 2)
        rows[i, chosen] = rng.normal(size=3)
    model = hs.OneSidedCompletion(1, random_state=0)
    told = told_of(model, rows)
    assert len(told) == 1
    assert "the 40 columns fall into 2 groups that share no row (20: 0, 1, ..; 20: 20, 21, ..)" in told[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pairs = model.inference().second_moment(([0, 0], [1, 25]))
    assert pairs.reliable.tolist() == [True, False]
    assert told_of(hs.OneSidedCompletion(1, random_state=0), rows[:, model.diagnostics_.islands == 0]) == []


def test_sources_without_common_rows_are_named_once():
    data = hs.datasets.make_sources_data(3, 40, 12, 1, 1, observed=0.8, random_state=0)
    tables = {name: table.to_dense() for name, table in data.sources.items()}
    first, *others = tables
    tables[first][20:] = np.nan
    for name in others:
        tables[name][:20] = np.nan
    told = told_of(hs.HeterogeneousFactorization(max_iter=5, random_state=0), tables)
    assert len(told) == 1
    assert f"2 groups without rows in common ('{first}'; '{others[0]}', '{others[1]}')" in told[0]
    assert told_of(hs.HeterogeneousFactorization(max_iter=5, random_state=0), data.sources) == []


@pytest.mark.parametrize("common", [1, 2, 3])
def test_the_quick_look_at_an_ordinary_table_says_what_the_long_one_does(common):
    rng = np.random.default_rng(common)
    for share in (0.02, 0.05, 0.2):
        dense = np.where(rng.random((120, 60)) < share, 1.5, np.nan)
        dense[0, 0] = 1.0
        observed = hs.Observed.from_dense(dense)
        linking = linking_of(observed, common)
        if _grows_over_nearly_all(observed, common):
            assert linking is None or not linking.speaks


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
