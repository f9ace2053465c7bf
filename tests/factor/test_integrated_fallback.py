"""Where the unpenalised fit does not exist, intervals of the factor model rest on rows integrated out."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import halfseen as hs


def two_parameter(seed: int, n: int = 50, p: int = 20) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([n, p, seed])
    slopes, intercepts = rng.lognormal(0.0, 0.4, p), rng.normal(size=p)
    chance = 1.0 / (1.0 + np.exp(-(rng.normal(size=(n, 1)) * slopes + intercepts)))
    answers = (rng.random((n, p)) < chance).astype(float)
    return chance, np.where(rng.random((n, p)) < 0.7, answers, np.nan)


def inferred(table: np.ndarray, **changed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = hs.GeneralizedFactorModel(family="bernoulli", random_state=0).fit(table)
        return model, model.inference(**changed)


@pytest.fixture(scope="module")
def fallback():
    table = two_parameter(4)[1]
    return table, *inferred(table)


def test_every_statement_about_single_rows_cells_and_columns_answers(fallback):
    table, model, i = fallback
    assert any("rows integrated out" in text for text in i.warnings_)
    hidden = np.argwhere(np.isnan(table))[:30].T
    for stated in (
        i.entries(*hidden), i.scores(), i.scores(about="these"), i.scores(axis="cols"), i.columns(0), i.intercepts(),
        i.row_factors(0), i.differences(0, [1, 2]), i.ranks(), i.scores(about="like-these"),
    ):  # fmt: skip
        assert np.isfinite(stated.low).all()
        assert (stated.low <= stated.high).all()
    assert (i.responses(*hidden).high <= 1.0).all()
    # factors keep the direction that the model's attributes have
    assert np.corrcoef(i.row_factors_estimate[:, 0], model.row_factors_[:, 0])[0, 1] > 0.8


def test_rows_in_another_order_have_the_same_intervals(fallback):
    table, _, i = fallback
    order = np.random.default_rng(0).permutation(len(table))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = hs.GeneralizedFactorModel(family="bernoulli", penalty="auto", random_state=0).fit(table[order])
        again = model.inference()
    assert any("rows integrated out" in text for text in again.warnings_)
    # another order holds out other entries, but marginal likelihood knows no start
    np.testing.assert_allclose(again.scores().estimate, i.scores().estimate[order], atol=2e-3)


def test_a_user_who_asks_for_other_variances_gets_the_weak_prior(fallback):
    _, model, _ = fallback
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        i = model.inference(variance="sandwich")
    assert any("rest on a weak prior" in text for text in i.warnings_)


@pytest.mark.slow
def test_intervals_hold_where_the_free_fit_does_not_exist():
    held = []
    for seed in range(100, 130):
        chance, table = two_parameter(seed)
        _, i = inferred(table)
        if not any("rows integrated out" in text for text in i.warnings_):
            continue
        n, p = chance.shape
        entries, scores, truth = i.entries(*np.divmod(np.arange(n * p), p)), i.scores(), chance.mean(axis=1)
        held.append(
            (
                np.mean((entries.low <= chance.ravel()) & (chance.ravel() <= entries.high)),
                np.mean((scores.low <= truth) & (truth <= scores.high)),
            )
        )
    assert len(held) >= 4
    # shares of one table have a standard deviation of .03 and .04 over tables
    assert np.mean(held, axis=0) == pytest.approx(0.95, abs=0.03 + 2 * 0.04 / np.sqrt(len(held)))
