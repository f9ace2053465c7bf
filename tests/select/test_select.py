"""Ranks and models judged on held-out entries."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

import halfseen as hs
from halfseen.select import choose_rank, cross_validate, held_out_deviance


def factor_table(rank, n=80, p=50, noise=0.4, density=0.6, seed=0):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, p)) + noise * rng.normal(size=(n, p))
    table += rng.normal(size=p)
    table[rng.random((n, p)) > density] = np.nan
    return table


def model():
    return hs.AlternatingLeastSquares(max_iter=10, random_state=0)


@pytest.mark.fast_cases("best")
@pytest.mark.parametrize("rule", ["best", "one_se"])
@pytest.mark.parametrize("truth", [0, 1, 3])
def test_the_true_rank_is_found_in_simulation(truth, rule):
    choice = choose_rank(model(), factor_table(truth), [5, 3, 1, 0, 2], random_state=0, rule=rule)
    assert choice.rank == truth
    assert choice.ranks == (0, 1, 2, 3, 5)
    assert choice.losses.shape == choice.standard_errors.shape == (5,)
    assert choice.split_losses.shape == (3, 5)
    np.testing.assert_allclose(choice.losses, choice.split_losses.mean(0))


@pytest.mark.slow
def test_one_standard_error_prefers_the_smaller_rank():
    table = factor_table(2, n=40, p=30, noise=1.5)
    best = choose_rank(model(), table, range(6), random_state=1, n_splits=4)
    small = choose_rank(model(), table, range(6), random_state=1, n_splits=4, rule="one_se")
    assert small.rank <= best.rank
    at = small.ranks.index(small.rank)
    assert small.losses[at] <= small.losses.min() + max(small.standard_errors[at], 1e-3 * small.losses.min())
    np.testing.assert_array_equal(best.losses, small.losses)


def test_all_ranks_see_the_same_splits_and_seeds_repeat():
    table = factor_table(1)
    # a warm fit depends on the rank before
    one = choose_rank(model(), table, [1, 2], random_state=5, is_warm=False)
    two = choose_rank(model(), table, [2], random_state=5, is_warm=False)
    np.testing.assert_array_equal(one.split_losses[:, 1], two.split_losses[:, 0])


def test_the_loss_is_the_mean_squared_error_of_hidden_entries():
    R = hs.Observed.from_dense(factor_table(1))
    choice = choose_rank(model(), R, [1], n_splits=1, random_state=3)
    train, test = R.split(0.1, np.random.default_rng(3).spawn(1)[0], keep_covered=True)
    fitted = clone(model()).set_params(rank=1).fit(train)
    assert choice.losses[0] == pytest.approx(np.mean((test.values - fitted.predict(test.rows, test.cols)) ** 2))
    assert choice.standard_errors[0] == 0.0
    assert choice.loss_errors[0] > 0


def test_standard_errors_are_those_of_paired_entries_clustered_by_row():
    R = hs.Observed.from_dense(factor_table(2, noise=1.0))
    choice = choose_rank(model(), R, [1, 2], n_splits=2, random_state=3)
    best = int(np.argmin(choice.losses))
    by_row = np.zeros(80)
    own = np.zeros(80)
    for rng in np.random.default_rng(3).spawn(2):
        train, test = R.split(0.1, rng, keep_covered=True)
        squares = [
            (test.values - clone(model()).set_params(rank=rank).fit(train).predict(test.rows, test.cols)) ** 2
            for rank in (1, 2)
        ]
        for total, numbers in ((by_row, squares[1 - best] - squares[best]), (own, squares[best])):
            np.add.at(total, test.rows, (numbers - numbers.mean()) / len(numbers) / 2)
    factor = np.sqrt(80 / 79)
    assert choice.standard_errors[1 - best] == pytest.approx(factor * np.linalg.norm(by_row), rel=0.01)
    assert choice.loss_errors[best] == pytest.approx(factor * np.linalg.norm(own), rel=0.01)


@pytest.mark.slow
def test_standard_errors_match_the_spread_over_tables():
    """60 tables: the loss's spread over them against its standard error, whose ratio has a standard error of .09."""
    losses, errors = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        table = rng.normal(size=(60, 20))
        choice = choose_rank(hs.GeneralizedFactorModel(penalty="none"), table, [0], n_splits=1, random_state=seed)
        losses.append(choice.losses[0])
        errors.append(choice.loss_errors[0])
    assert np.std(losses) / np.mean(errors) == pytest.approx(1.0, abs=0.36)


def test_one_split_is_enough_for_one_standard_error():
    table = factor_table(2, n=40, p=30, noise=1.5)
    small = choose_rank(model(), table, range(5), random_state=1, n_splits=1, rule="one_se")
    best = choose_rank(model(), table, range(5), random_state=1, n_splits=1)
    assert small.rank <= best.rank
    assert small.to_frame().column_names == ["rank", "loss", "loss_error", "standard_error", "is_chosen"]


def test_weights_count_in_the_loss():
    fitted = hs.ColumnMean().fit(np.array([[1.0, 2.0], [3.0, 4.0]]))
    test = hs.Observed.from_triplets([0, 1], [0, 1], [3.0, 3.0], weights=[3.0, 1.0], shape=(2, 2))
    assert held_out_deviance(fitted, test) == pytest.approx(0.75)


def test_the_model_is_left_alone_and_the_chosen_one_is_ready_to_be_fitted():
    untouched, table = model(), factor_table(1)
    choice = choose_rank(untouched, table, [1, 2], random_state=0)
    assert untouched.rank == 16
    assert not hasattr(untouched, "run_")
    assert not hasattr(choice.model, "run_")
    assert choice.model.fit(table).rank_ == choice.rank == 1


def test_callbacks_watch_every_fit():
    class Count:
        fits = 0

        def setup(self, estimator, context):
            self.fits += 1

        def teardown(self, estimator, context): ...

        def on_fit_task_begin(self, estimator, context): ...

        def on_fit_task_end(self, estimator, context): ...

    count = Count()
    choose_rank(model().set_callbacks(count), factor_table(1), [1, 2], n_splits=2, random_state=0)
    assert count.fits == 4


@pytest.mark.parametrize("backend", ["pyarrow", "pandas", "polars"])
def test_results_become_frames(backend):
    choice = choose_rank(model(), factor_table(1), [0, 1], random_state=0)
    folds = cross_validate(hs.ColumnMean(), factor_table(1), folds=3, random_state=0)
    assert type(choice.to_frame(backend)).__module__.startswith(("pyarrow", "pandas", "polars"))
    assert len(choice.to_frame(backend)) == 2
    assert len(folds.to_frame(backend)) == 3


def test_an_unknown_backend_is_an_error():
    with pytest.raises(ValueError, match="backend must be 'pyarrow', 'pandas' or 'polars', got 'excel'"):
        cross_validate(hs.ColumnMean(), factor_table(1), folds=2).to_frame("excel")


@pytest.mark.parametrize(
    ("ranks", "change", "message"),
    [
        ([], {}, "ranks is empty"),
        ([1, 51], {}, "rank 51 is too large for a table of 80 rows and 50 columns; try ranks up to 50"),
        ([-1], {}, "whole numbers of at least 0; got -1"),
        ([1.5], {}, "whole numbers of at least 0; got 1.5"),
        ([1], {"rule": "elbow"}, "rule must be one of 'best', 'one_se'; got 'elbow'"),
        ([1], {"n_splits": 0}, "n_splits must be an integer of at least 1"),
        ([1], {"held_out": 1.5}, "fraction must lie between 0 and 1"),
    ],
)
def test_bad_requests_are_refused_with_the_way_out(ranks, change, message):
    with pytest.raises(ValueError, match=message):
        choose_rank(model(), factor_table(1), ranks, **change)


def test_a_model_without_a_rank_is_refused():
    with pytest.raises(TypeError, match="BiasModel has no parameter 'rank'"):
        choose_rank(hs.BiasModel(), factor_table(1), [1])


def test_cross_validation_predicts_every_entry_once():
    R = hs.Observed.from_dense(factor_table(1))
    found = cross_validate(hs.ColumnMean(), R, folds=4, random_state=0)
    assert found.n_entries.sum() == R.n_entries
    by_hand = []
    for train, test in R.folds(4, np.random.default_rng(0)):
        by_hand.append(np.mean((test.values - hs.ColumnMean().fit(train).predict(test.rows, test.cols)) ** 2))
    np.testing.assert_allclose(found.losses, by_hand)
    assert found.loss == pytest.approx(np.average(by_hand, weights=found.n_entries))


def test_whole_rows_are_placed_by_half_of_their_entries():
    table = factor_table(2, noise=0.2)
    factors = cross_validate(model().set_params(rank=2, penalty=0.1), table, folds=4, by="rows", random_state=0)
    columns = cross_validate(hs.ColumnMean(), table, folds=4, by="rows", random_state=0)
    # Two factors explain nearly all of the variance of about 2; the noise alone is 0.04.
    assert factors.loss < 0.2 * columns.loss
    assert factors.n_entries.sum() == pytest.approx(np.isfinite(table).sum() / 2, abs=4)


def test_blocks_of_new_rows_give_the_same_loss(monkeypatch):
    table = factor_table(1)
    whole = cross_validate(model().set_params(rank=1), table, folds=3, by="rows", random_state=0)
    monkeypatch.setattr("halfseen.select.held_out.CELLS_AT_ONCE", 300)
    parts = cross_validate(model().set_params(rank=1), table, folds=3, by="rows", random_state=0)
    np.testing.assert_allclose(parts.losses, whole.losses)


def test_bad_folds_are_refused():
    with pytest.raises(ValueError, match="n_folds must lie between 2"):
        cross_validate(hs.ColumnMean(), factor_table(1), folds=1)
    with pytest.raises(ValueError, match="by must be 'entries' or 'rows'"):
        cross_validate(hs.ColumnMean(), factor_table(1), by="columns")


class Begun(hs.AlternatingLeastSquares):
    """Notes from which rank each fit began."""

    begun: list = []  # noqa: RUF012 - clones share it on purpose

    def fit(self, R, y=None, *, start=None):
        self.begun.append((self.rank, None if start is None else start.rank_))
        return super().fit(R, start=start)


def test_each_rank_begins_at_the_one_before_on_the_same_split():
    Begun.begun.clear()
    choose_rank(Begun(random_state=0), factor_table(1), [2, 0, 1], n_splits=2, random_state=0)
    assert Begun.begun == [(0, None), (1, 0), (2, 1)] * 2
    Begun.begun.clear()
    choose_rank(Begun(random_state=0), factor_table(1), [0, 1], n_splits=1, random_state=0, is_warm=False)
    assert Begun.begun == [(0, None), (1, None)]


def test_splits_on_workers_have_the_same_bits_and_are_told_of():
    table, told = factor_table(2), []
    one = choose_rank(model(), table, [0, 1, 2, 3], random_state=0)
    with hs.engine("threads", workers=2), hs.select.progress(lambda *done: told.append(done)):
        two = choose_rank(model(), table, [0, 1, 2, 3], random_state=0)
    np.testing.assert_array_equal(one.split_losses, two.split_losses)
    assert one.rank == two.rank == 2
    assert told == [(1, 3), (2, 3), (3, 3)]
