"""Ordinary tables with something wrong: ordinal classes in parts, overdispersed counts, offsets by name, newcomers."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import halfseen as hs


def told_by(make):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = make()
    return model, " | ".join(str(warning.message) for warning in said)


@pytest.mark.parametrize("flip", [False, True])
def test_classes_of_a_part_are_those_of_the_whole_table(flip):
    rng = np.random.default_rng(1)
    table = np.clip(np.round(3.5 + rng.normal(size=(30, 1)) + 0.7 * rng.normal(size=(30, 6))), 2, 5)
    table[3, 2] = 1.0
    table = 6 - table if flip else table
    losses = [
        told_by(lambda: hs.select.cross_validate(
            hs.GeneralizedFactorModel(1, family, penalty="map", random_state=0), table, folds=3, random_state=0  # noqa: B023
        ))[0].losses for family in ("ordinal", "ordinal(5)")
    ]  # fmt: skip
    assert np.isfinite(losses[0]).all()
    np.testing.assert_allclose(losses[0], losses[1])


def test_a_class_that_nobody_chose_is_closed_up_and_named():
    rng = np.random.default_rng(2)
    table = rng.choice([1.0, 2.0, 4.0], size=(40, 10))
    model, told = told_by(lambda: hs.GeneralizedFactorModel(1, "ordinal", penalty="map", random_state=0).fit(table))
    assert "nobody chose class 3 of 1 to 4" in told
    chances = model.predict_table(kind="probabilities")
    assert chances.shape[-1] == 4
    assert chances[..., 2].max() == 0.0
    np.testing.assert_allclose(chances @ np.arange(1.0, 5.0), model.predict_table())
    # the same fit as that of neighbouring classes
    twin = hs.GeneralizedFactorModel(1, "ordinal", penalty="map", random_state=0).fit(np.where(table == 4, 3, table))
    np.testing.assert_allclose(twin.predict_table(kind="probabilities")[..., 2], chances[..., 3], atol=1e-4)
    assert set(np.unique(model.inference().responses([0] * 10, range(10)).high)) <= {1.0, 2.0, 4.0}


def test_a_class_kept_by_its_number_has_a_small_chance():
    rng = np.random.default_rng(2)
    table = rng.choice([1.0, 2.0, 4.0], size=(40, 10))
    model, told = told_by(lambda: hs.GeneralizedFactorModel(1, "ordinal(4)", penalty="map", random_state=0).fit(table))
    assert "its chance is close to 0 everywhere" in told
    assert 0.0 < model.predict_table(kind="probabilities")[..., 2].max() < 0.1


def test_overdispersed_counts_are_said_and_the_way_out_is_silent():
    rng = np.random.default_rng(3)
    mean = np.exp(0.5 * rng.normal(size=(60, 1)) + 1.0) * np.ones((60, 30))
    wide = rng.negative_binomial(0.7, 0.7 / (0.7 + mean)).astype(float)
    _, told = told_by(lambda: hs.GeneralizedFactorModel(1, "poisson", penalty="map", random_state=0).fit(wide))
    assert "family='negative_binomial'" in told
    followed = hs.GeneralizedFactorModel(1, "negative_binomial", penalty="map", random_state=0)
    assert "spread" not in told_by(lambda: followed.fit(wide))[1]
    narrow = rng.poisson(mean).astype(float)
    assert "spread" not in told_by(lambda: hs.GeneralizedFactorModel(1, "poisson", penalty="map").fit(narrow))[1]


def test_a_rank_that_is_too_small_is_said_and_the_right_one_is_not():
    data = hs.datasets.make_factor_data(120, 80, 2, "gaussian", observed=0.7, random_state=0)
    assert "Use rank=2" in told_by(lambda: hs.GeneralizedFactorModel(1, random_state=0).fit(data.observed))[1]
    assert "Use rank=" not in told_by(lambda: hs.GeneralizedFactorModel(2, random_state=0).fit(data.observed))[1]


def test_a_fit_far_worse_than_its_intercepts_falls_back_to_them():
    from halfseen.methods.factor.penalties import PenaltyChoice
    from halfseen.methods.factor.verdicts import about_wild, is_wild

    wild = PenaltyChoice("map", 1.0, 30, {"map": 50.0, "none": np.inf, "intercepts": 2.0}, {}, -48.0, 3.0)
    assert is_wild(wild)
    assert "only the intercepts" in about_wild(wild)
    assert is_wild(PenaltyChoice("map", 1.0, 30, {"map": np.inf, "none": np.inf, "intercepts": 2.0}, {}, 0.0, 1.0))
    assert not is_wild(PenaltyChoice("map", 1.0, 30, {"map": 2.1, "none": 2.2, "intercepts": 2.0}, {}, 0.0, 1.0))


def test_an_offset_of_rows_is_given_by_name():
    rng = np.random.default_rng(0)
    exposure = np.array([1, 1, 1, 1, 5, 5, 5, 5.0])
    counts = rng.poisson(2 * exposure[:, None], size=(8, 8)).astype(float)

    def fit(**given):
        return told_by(lambda: hs.GeneralizedFactorModel(0, "poisson", random_state=0).fit(counts, **given))[0]

    with pytest.raises(ValueError, match="row_offset="):
        fit(offset=np.log(exposure))
    whole = fit(offset=np.tile(np.log(exposure)[:, None], (1, 8)))
    by_row = fit(row_offset=np.log(exposure))
    np.testing.assert_allclose(by_row.intercept_, whole.intercept_)
    np.testing.assert_allclose(
        fit(col_offset=np.log(exposure)).intercept_, fit(offset=np.tile(np.log(exposure), (8, 1))).intercept_
    )
    both = fit(row_offset=np.log(exposure), col_offset=np.ones(8))
    np.testing.assert_allclose(both.intercept_, whole.intercept_ - 1.0, atol=1e-5)
    assert by_row.score(counts, row_offset=np.log(exposure)) == pytest.approx(
        whole.score(counts, offset=np.tile(np.log(exposure)[:, None], (1, 8)))
    )
    with pytest.raises(ValueError, match="row_offset has shape"):
        fit(row_offset=np.ones(7))


MODELS = (
    lambda: hs.GeneralizedFactorModel(1, "bernoulli", penalty="map", random_state=0),
    lambda: hs.ItemResponseModel(),
)


@pytest.mark.parametrize("make", MODELS)
def test_a_newcomer_without_answers_gets_the_prior_and_questions(make):
    data = hs.datasets.make_factor_data(60, 12, 1, "bernoulli", observed=0.9, random_state=0)
    model, _ = told_by(lambda: make().fit(data.observed.to_dense()))
    empty = np.full((1, 12), np.nan)
    known = data.observed.to_dense()[:1]
    beside = model.predict(np.vstack([empty, known]))[:1]
    np.testing.assert_allclose(model.predict(empty), beside, atol=1e-8)
    np.testing.assert_allclose(model.transform(empty), 0.0, atol=0.05)
    placed, _ = told_by(lambda: model.transform(empty, inference=True))
    assert placed.next_items(3).num_rows == 3
    assert placed.scores().width[0] > 0.15
    with pytest.raises(ValueError, match="columns"):
        model.predict(empty[:, :5])


TABLES = {
    "constant": np.ones((6, 5)), "zero": np.zeros((6, 5)), "one row": np.array([[1.0, 0, 1, 1, 0]]),
    "one column": np.array([[1.0], [0], [1], [1], [0]]), "one entry": np.array([[1.0]]),
}  # fmt: skip


@pytest.mark.parametrize("family", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("name", TABLES)
def test_degenerate_tables_are_predicted(name, family):
    table = TABLES[name]
    model, _ = told_by(lambda: hs.GeneralizedFactorModel(1, family, random_state=0).fit(table))
    predicted = model.predict_table()
    assert np.isfinite(predicted).all()
    assert np.abs(predicted.mean() - table.mean()) < 0.25


@pytest.mark.parametrize("name", TABLES)
def test_degenerate_tables_of_answers_have_scores_like_these_of_some_width(name):
    model, _ = told_by(lambda: hs.ItemResponseModel().fit(TABLES[name]))
    i, _ = told_by(model.inference)
    assert np.isfinite(model.predict_table()).all()
    assert (i.scores("like-these").width > 0).all()


def test_response_scores_over_like_columns_are_the_paired_test_on_a_complete_table():
    rng = np.random.default_rng(5)
    full = (rng.random((12, 150)) < 1 / (1 + np.exp(-rng.normal(size=(12, 1)) - rng.normal(size=150)))).astype(float)
    i = hs.ItemResponseModel("rasch").fit(full).inference()
    found, paired = i.differences([3, 5], [4, 6], about="like-these"), full[[3, 5]] - full[[4, 6]]
    np.testing.assert_allclose(found.se, paired.std(axis=1, ddof=1) / np.sqrt(150), rtol=1e-4)
    assert i.scores("these").name == "score of exactly these columns (all seen)"
    assert "exactly these columns" in i.leaderboard().notes[0]
    assert i.leaderboard("like-these")["rank_high"].max() == 12
