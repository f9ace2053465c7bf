"""Alternating least squares against slow twins, closed forms and its own symmetries."""

from __future__ import annotations

import pickle
import warnings

import naive_least_squares as naive
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge

import halfseen as hs
from halfseen.methods.completion.least_squares import START_SCALE

LONG = {"max_iter": 300, "tol": 1e-13}


def ratings(n=40, p=25, rank=3, noise=0.3, density=0.5, seed=0):
    """A noisy low-rank table with biases, NaN where unseen; one empty row and one empty column."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n, 1)) + rng.normal(size=p) + rng.normal(size=(n, rank)) @ rng.normal(size=(rank, p)) + 3
    table = truth + noise * rng.normal(size=(n, p))
    table[rng.random((n, p)) > density] = np.nan
    table[4], table[:, 7] = np.nan, np.nan
    return table, truth


def start_of(model, table, weights, seed):
    """The row factors a fit with this seed begins from."""
    rng = np.random.default_rng(seed).spawn(1)[0]
    seen = ~np.isnan(table)
    mean = np.average(table[seen], weights=weights[seen])
    spread = np.sqrt(np.average((table[seen] - mean) ** 2, weights=weights[seen]))
    rows = START_SCALE * spread**0.5 * rng.standard_normal((len(table), model.rank))
    rows[np.isnan(table).all(1)] = 0
    return rows


def scaled_fits(model, table, scale):
    """The predictions of a fit to a table and of one to the table in another unit."""
    return clone(model).fit(table).predict_table(), clone(model).fit(scale * table).predict_table()


@pytest.mark.parametrize("solver", ["auto", "cg"])
@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_unit_of_the_values_is_of_no_matter(scale, solver):
    table, truth = ratings()
    options = {"solver": solver}
    model = hs.AlternatingLeastSquares(3, n_starts=2, **options, random_state=0)
    one, other = scaled_fits(model, table, scale)
    np.testing.assert_allclose(other / scale, one, rtol=1e-8, atol=1e-8)
    unseen = np.isnan(table)
    biases = hs.BiasModel().fit(table).predict_table()
    assert np.mean((one - truth)[unseen] ** 2) < 0.7 * np.mean((biases - truth)[unseen] ** 2)


def test_a_number_and_the_unit_go_together():
    table, _ = ratings()
    one = hs.AlternatingLeastSquares(3, 0.7, random_state=0).fit(table)
    other = hs.AlternatingLeastSquares(3, 7.0, random_state=0).fit(10 * table)
    np.testing.assert_allclose(other.predict_table(), 10 * one.predict_table(), rtol=1e-8, atol=1e-7)
    np.testing.assert_allclose(other.col_factors_, np.sqrt(10) * one.col_factors_, rtol=1e-7, atol=1e-7)
    assert (one.penalty_, other.penalty_) == (0.7, 7.0)


@pytest.mark.parametrize("factor", [1e-6, 1e3, 1e8])
def test_the_chosen_penalty_grows_with_the_unit(factor):
    table, _ = ratings()
    one, other = (hs.AlternatingLeastSquares(2, random_state=0).fit(c * table) for c in (1.0, factor))
    assert other.penalty_ == pytest.approx(factor * one.penalty_, rel=1e-9)
    np.testing.assert_allclose(other.predict_table(), factor * one.predict_table(), rtol=1e-6)


def test_a_complete_rank_one_table_of_two_values_is_learned():
    signs = np.sign(np.random.default_rng(0).normal(size=(20, 1))) * np.sign(np.random.default_rng(1).normal(size=15))
    model = hs.AlternatingLeastSquares(2, random_state=0).fit(3.58 + 1.117 * signs)
    np.testing.assert_allclose(model.predict_table(), 3.58 + 1.117 * signs, atol=0.2)


# rows, columns, rank, share seen, noise
ORDINARY = {"small": (60, 20, 2, 0.6, 0.5), "thin": (120, 90, 4, 0.3, 0.3), "nearly exact": (200, 100, 2, 0.5, 0.01)}


@pytest.mark.fast_cases("thin")
@pytest.mark.parametrize("name", ORDINARY)
def test_the_default_penalty_is_within_a_tenth_of_the_best_of_a_grid(name):
    n, p, rank, share, noise = ORDINARY[name]
    ratios = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        truth = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, p))
        hidden = rng.random(truth.shape) > share
        table = np.where(hidden, np.nan, truth + noise * rng.normal(size=truth.shape))

        def error(model, table=table, truth=truth, hidden=hidden):
            return np.sqrt(np.mean((model.fit(table).predict_table() - truth)[hidden] ** 2))

        grid = [0.985, 0.35, 0.12, 0.03, 0.007]
        best = min(error(hs.AlternatingLeastSquares(rank, c * np.nanstd(table), random_state=0)) for c in grid)
        ratios.append(error(hs.AlternatingLeastSquares(rank, random_state=0)) / best)
    assert np.mean(ratios) <= 1.1


def test_a_table_of_effects_alone_is_told_so_and_is_not_overfitted():
    told, ratios = [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        truth = 2 * rng.normal(size=(100, 1)) + rng.normal(size=50)
        table = np.where(rng.random(truth.shape) < 0.4, truth + rng.normal(size=truth.shape), np.nan)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            model = hs.AlternatingLeastSquares(4, random_state=0).fit(table)
        told.append(any("row and column effects alone" in text for text in model.warnings_))
        usual = hs.AlternatingLeastSquares(4, 0.985 * np.nanstd(table), random_state=0).fit(table)
        errors = [np.mean((fit.predict_table() - truth)[np.isnan(table)] ** 2) for fit in (model, usual)]
        ratios.append(errors[0] / errors[1])
    # by chance factors gain one and a half standard errors in one of fifteen such tables
    assert sum(told) >= 3
    assert np.median(ratios) <= 1.05


def test_a_small_table_is_told_where_draws_predict_better_and_they_do():
    rng = np.random.default_rng(4)
    truth = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 20))
    table = np.where(rng.random((60, 20)) < 0.6, truth + 0.3 * rng.normal(size=(60, 20)), np.nan)
    model = hs.AlternatingLeastSquares(random_state=0).fit(table)
    assert any("BayesianFactorization (halfseen fit bayes) predicts better" in text for text in model.warnings_)
    draws = hs.BayesianFactorization(max_iter=100, random_state=0).fit(table)
    errors = [np.linalg.norm((one.predict_table() - truth)[np.isnan(table)]) for one in (model, draws)]
    assert errors[1] < 0.9 * errors[0]


def test_a_table_with_many_entries_per_parameter_is_not_sent_elsewhere():
    rng = np.random.default_rng(5)
    table = rng.normal(size=(60, 1)) @ rng.normal(size=(1, 40)) + 0.1 * rng.normal(size=(60, 40))
    model = hs.AlternatingLeastSquares(2, random_state=0).fit(table)
    assert not any("BayesianFactorization" in text for text in model.warnings_)


def test_a_large_table_is_judged_by_a_part_that_chooses_alike():
    rng = np.random.default_rng(0)
    n, p = 1500, 400
    truth = rng.normal(size=(n, 3)) @ rng.normal(size=(3, p))
    i, j = np.nonzero(rng.random((n, p)) < 0.3)
    R = hs.Observed.from_triplets(i, j, truth[i, j] + rng.normal(size=len(i)), shape=(n, p))
    model = hs.AlternatingLeastSquares(3, random_state=0).fit(R)
    assert model.penalty_choice_.n_entries < 100_000
    grid = [hs.AlternatingLeastSquares(3, c * model.penalty_, random_state=0).fit(R) for c in (0.25, 1.0, 4.0)]
    errors = [np.mean((fit.predict_table() - truth) ** 2) for fit in grid]
    assert errors[1] <= 1.02 * min(errors)


@pytest.mark.parametrize("constant", [0.0, 0.1, -3e4])
def test_a_constant_table_is_its_own_prediction(constant):
    model = hs.AlternatingLeastSquares(2, random_state=0).fit(np.full((6, 5), constant))
    assert model.penalty_ > 0
    np.testing.assert_allclose(model.predict_table(), constant, rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_a_fit_equals_the_naive_twin(alpha, weighted):
    table, _ = ratings()
    seen = ~np.isnan(table)
    weights = np.random.default_rng(1).uniform(0.5, 3, table.shape) if weighted else np.ones(table.shape)
    i, j = np.nonzero(seen)
    R = hs.Observed.from_triplets(i, j, table[seen], weights=weights[seen] if weighted else None, shape=table.shape)
    options = {"max_iter": 7}
    model = hs.AlternatingLeastSquares(3, 0.7, bias_penalty=0.2, alpha=alpha, **options, random_state=5).fit(R)
    start = start_of(model, table, weights, 5)
    X, b, Y, d, mean, values = naive.fit(table, weights, start, 7, 0.7, 0.2, alpha)
    np.testing.assert_allclose(model.row_factors_, X, atol=1e-9)
    np.testing.assert_allclose(model.row_bias_, b, atol=1e-9)
    np.testing.assert_allclose(model.col_factors_, Y, atol=1e-9)
    np.testing.assert_allclose(model.col_bias_, d, atol=1e-9)
    np.testing.assert_allclose(model.run_.trace.value, values, rtol=1e-10)
    assert model.mean_ == pytest.approx(mean)


def test_one_new_row_is_a_ridge_regression_of_scikit_learn():
    table, _ = ratings()
    model = hs.AlternatingLeastSquares(2, penalty=0.8, bias_penalty=0.8, alpha=0.0, random_state=0).fit(table)
    row = table[[0]]
    seen = np.flatnonzero(~np.isnan(row[0]))
    features = np.column_stack([model.col_factors_[seen], np.ones(len(seen))])
    ridge = Ridge(alpha=0.8, fit_intercept=False).fit(features, row[0, seen] - model.mean_ - model.col_bias_[seen])
    np.testing.assert_allclose(model.transform(row)[0], ridge.coef_[:-1], atol=1e-10)


def test_without_penalty_a_complete_table_gets_its_truncated_svd():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(30, 20)) * np.geomspace(4, 0.5, 20)
    table -= table.mean()
    # Rank 3 with biases is the best approximation by a rank-3 part and additive parts: compare the residual with that
    # of the double-centred SVD, which is optimal for a complete table.
    model = hs.AlternatingLeastSquares(3, 0.0, bias_penalty=0.0, **LONG, random_state=0).fit(table)
    centred = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
    best = np.sum(np.linalg.svd(centred)[1][3:] ** 2)
    assert model.run_.value == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize("solver", ["auto", "cholesky", "cg"])
def test_the_objective_never_rises(solver):
    table, _ = ratings()
    model = hs.AlternatingLeastSquares(4, solver=solver, random_state=0).fit(table)
    assert model.n_iter_ == 20
    assert np.all(np.diff(model.run_.trace.value) <= 1e-9 * model.run_.trace.value[0])


def test_conjugate_gradients_reach_the_same_optimum():
    table, _ = ratings()
    direct = hs.AlternatingLeastSquares(3, **LONG, random_state=0).fit(table)
    steps = hs.AlternatingLeastSquares(3, **{**LONG, "solver": "cg", "max_iter": 1000}, random_state=0).fit(table)
    assert steps.run_.value == pytest.approx(direct.run_.value, rel=1e-6)


def test_the_training_rows_are_placed_exactly_where_the_fit_left_them():
    table, _ = ratings()
    model = hs.AlternatingLeastSquares(3, max_iter=2, random_state=0).fit(table)
    np.testing.assert_allclose(model.transform(table), model.row_factors_, atol=1e-12)
    np.testing.assert_allclose(model.predict(table), model.predict_table(), atol=1e-12)


def test_columns_may_come_in_any_order():
    table, _ = ratings()
    order = np.random.default_rng(3).permutation(table.shape[1])
    # without labels another order is another table, and other entries would choose the penalty
    model = hs.AlternatingLeastSquares(3, 1.0, random_state=0)
    one, two = clone(model).fit(table), clone(model).fit(table[:, order])
    np.testing.assert_allclose(one.predict_table()[:, order], two.predict_table(), atol=1e-8)


def test_rows_may_come_in_any_order_once_converged():
    table, _ = ratings(rank=1)
    order = np.random.default_rng(3).permutation(len(table))
    model = hs.AlternatingLeastSquares(1, 1.0, **LONG, random_state=0)
    one, two = clone(model).fit(table), clone(model).fit(table[order])
    np.testing.assert_allclose(one.predict_table()[order], two.predict_table(), atol=1e-4)


def test_a_weight_of_two_is_an_entry_seen_twice():
    # Twice every square and the same penalty (alpha=0) is every square once and half the penalty.
    table, _ = ratings()
    i, j = np.nonzero(~np.isnan(table))
    values = table[i, j]
    half = hs.Observed.from_triplets(i, j, values, weights=np.full(len(i), 2.0), shape=table.shape)
    once = hs.AlternatingLeastSquares(2, 1.0, bias_penalty=0.3, alpha=0.0, random_state=0).fit(half)
    twice = hs.AlternatingLeastSquares(2, 0.5, bias_penalty=0.15, alpha=0.0, random_state=0).fit(table)
    np.testing.assert_allclose(once.predict_table(), twice.predict_table(), atol=1e-8)
    # With alpha=1 the penalty doubles with the entries, and nothing changes.
    once = hs.AlternatingLeastSquares(2, 0.2, alpha=1.0, random_state=0).fit(half)
    twice = hs.AlternatingLeastSquares(2, 0.2, alpha=1.0, random_state=0).fit(table)
    np.testing.assert_allclose(once.predict_table(), twice.predict_table(), atol=1e-8)


def test_weight_zero_is_not_seen():
    table, _ = ratings()
    i, j = np.nonzero(~np.isnan(table))
    weights = (np.random.default_rng(0).random(len(i)) < 0.8).astype(float)
    given = hs.Observed.from_triplets(i, j, table[i, j], weights=weights, shape=table.shape)
    left = given.select(weights > 0).with_values(given.values[weights > 0], weights=None)
    one, two = (hs.AlternatingLeastSquares(2, random_state=0).fit(R) for R in (given, left))
    np.testing.assert_allclose(one.predict_table(), two.predict_table(), atol=1e-8)


@pytest.mark.parametrize("penalty", [1.1, 0.0])
def test_rows_and_columns_without_entries_are_predicted_by_the_rest(penalty):
    table, _ = ratings()
    model = hs.AlternatingLeastSquares(2, penalty, bias_penalty=penalty, random_state=0).fit(table)
    assert not model.row_factors_[4].any()
    assert not model.col_factors_[7].any()
    assert model.row_bias_[4] == 0
    np.testing.assert_allclose(model.predict_table()[4], model.mean_ + model.col_bias_)
    assert model.predict([4], [7])[0] == pytest.approx(model.mean_)


def test_single_precision_is_kept_and_agrees_with_double():
    table, _ = ratings()
    single = hs.AlternatingLeastSquares(3, random_state=0).fit(table.astype(np.float32))
    double = hs.AlternatingLeastSquares(3, random_state=0).fit(table)
    asked = hs.AlternatingLeastSquares(3, precision="float32", random_state=0).fit(table)
    assert single.row_factors_.dtype == asked.col_factors_.dtype == single.transform(table).dtype == np.float32
    assert single.predict_table().dtype == single.predict([0], [0]).dtype == np.float32
    # 20 epochs of solutions with relative error about 1e-6 each on values of size 5.
    np.testing.assert_allclose(single.predict_table(), double.predict_table(), atol=2e-3)
    np.testing.assert_array_equal(single.predict_table(), asked.predict_table())


def test_threads_do_not_change_a_bit():
    rng = np.random.default_rng(0)
    n, p, entries = 3000, 500, 600_000
    codes = rng.choice(n * p, entries, replace=False)
    R = hs.Observed.from_triplets(codes // p, codes % p, rng.normal(size=entries), shape=(n, p))
    options = {"max_iter": 1}
    fits = [
        hs.AlternatingLeastSquares(2, 1.0, **options, random_state=0, engine=engine).fit(R)
        for engine in ("serial", "threads", hs.engines.Threads(3))
    ]
    for other in fits[1:]:
        np.testing.assert_array_equal(fits[0].row_factors_, other.row_factors_)
        np.testing.assert_array_equal(fits[0].run_.trace.value, other.run_.trace.value)


def test_several_starts_predict_their_mean():
    table, _ = ratings()
    options = {"max_iter": 5}
    together = hs.AlternatingLeastSquares(3, 1.0, n_starts=2, **options, random_state=7).fit(table)
    seeds = np.random.default_rng(7).spawn(2)
    # A start of its own spawns its child from the seed; hand it the very child instead.
    single = [hs.AlternatingLeastSquares(3, 1.0, **options, random_state=_Given(seed)).fit(table) for seed in seeds]
    mean = np.mean([model.predict_table() for model in single], axis=0)
    np.testing.assert_allclose(together.predict_table(), mean, atol=1e-12)
    np.testing.assert_allclose(together.predict(table), mean, atol=1e-10)
    np.testing.assert_allclose(together.transform(table), together.row_factors_, atol=1e-12)
    assert together.row_factors_.shape == (40, 6)
    assert together.get_feature_names_out()[5] == "alternatingleastsquares5"


class _Given(np.random.Generator):
    """A generator whose first child is itself."""

    def __init__(self, generator):
        super().__init__(generator.bit_generator)

    def spawn(self, n_children):
        return [self]


def test_the_table_is_never_made_dense():
    rng = np.random.default_rng(0)
    shape = (100_000, 100_000)  # 80 GB, were it made
    rows, cols = rng.integers(shape[0], size=500), rng.integers(shape[1], size=500)
    R = hs.Observed.from_triplets(rows, cols, rng.normal(size=500), shape=shape, duplicates="mean")
    model = hs.AlternatingLeastSquares(1, max_iter=1, random_state=0).fit(R)
    assert model.predict(rows[:3], cols[:3]).shape == (3,)
    assert np.isfinite(model.score(R))


def test_rank_zero_is_biases_alone():
    table, _ = ratings()
    none = hs.AlternatingLeastSquares(0, bias_penalty=2.0, alpha=0.0, **LONG, random_state=0).fit(table)
    bias = hs.BiasModel(2.0, 2.0, tol=1e-13, max_iter=1000).fit(table)
    np.testing.assert_allclose(none.predict_table(), bias.predict_table(), atol=1e-5)


def test_noise_free_tables_are_completed():
    table, truth = ratings(60, 50, rank=2, noise=0.0, density=0.6)
    options = {"max_iter": 500}
    model = hs.AlternatingLeastSquares(2, 1e-6, bias_penalty=1e-6, **options, random_state=0).fit(table)
    keep = np.ix_(np.delete(np.arange(60), 4), np.delete(np.arange(50), 7))
    np.testing.assert_allclose(model.predict_table()[keep], truth[keep], atol=0.02)


def test_clipping_bounds_means_and_leaves_the_linear_predictor():
    table, _ = ratings()
    options = {"clip": "range"}
    model = hs.AlternatingLeastSquares(2, **options, random_state=0).fit(table)
    low, high = np.nanmin(table), np.nanmax(table)
    far = np.where(np.isnan(table), np.nan, table + 50)
    assert model.predict(far).max() == pytest.approx(high)
    assert model.predict(far, kind="linear").max() > high
    assert model.bounds_ == (low, high)
    pair = hs.AlternatingLeastSquares(2, clip=(0, 1), random_state=0).fit(table)
    assert set(np.round(pair.predict(far).ravel(), 6)) <= {0.0, 1.0}


def test_the_same_seed_gives_the_same_bits_and_pickles():
    table, _ = ratings()
    model = hs.AlternatingLeastSquares(2, random_state=3).fit(table)
    again = clone(model).fit(table)
    np.testing.assert_array_equal(model.row_factors_, again.row_factors_)
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(model.predict(table), loaded.predict(table))


def test_an_unreached_tolerance_is_a_warning_and_a_reason():
    table, _ = ratings()
    options = {"max_iter": 2, "tol": 1e-12}
    with pytest.warns(ConvergenceWarning, match="2 iterations with reason 'max_iter'"):
        model = hs.AlternatingLeastSquares(2, **options, random_state=0).fit(table)
    assert (model.run_.reason, model.run_.converged) == ("max_iter", False)


def test_the_default_rank_fits_the_table():
    assert hs.AlternatingLeastSquares(random_state=0).fit(np.ones((30, 3))).rank_ == 3
    assert hs.AlternatingLeastSquares(random_state=0).fit(np.ones((30, 30))).rank_ == 16
    assert hs.AlternatingLeastSquares(20, random_state=0).fit(np.ones((30, 3))).rank_ == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rank": "best"}, "rank='best' is not allowed; needed: a whole number of at least 0 or 'auto'"),
        ({"rank": 2.5}, "rank=.* is not allowed; needed: .*a whole number of at least 0"),
        ({"rank": -1}, "rank=.* is not allowed; needed: .*a whole number of at least 0"),
        ({"penalty": -0.1}, "penalty=.* is not allowed; needed: .*a finite number of at least 0"),
        ({"penalty": "much"}, "penalty='much' is not allowed; needed: 'auto' or a finite number of at least 0"),
        ({"penalty": None}, "penalty=.* is not allowed; needed: .*a finite number of at least 0"),
        ({"bias_penalty": np.nan}, "bias_penalty=.* is not allowed; needed: .*a finite number of at least 0"),
        ({"alpha": "half"}, "alpha=.* is not allowed; needed: .*a finite number of at least 0"),
        ({"n_starts": 0}, "n_starts=.* is not allowed; needed: .*a whole number of at least 1"),
        ({"max_iter": 0}, "max_iter=.* is not allowed; needed: .*a whole number of at least 1"),
        ({"tol": -1.0}, "tol=.* is not allowed; needed: .*a finite number of at least 0"),
        ({"solver": "lu"}, "solver=.* is not allowed; needed: .*'auto'"),
        ({"precision": "half"}, "precision=.* is not allowed; needed: .*None"),
        ({"clip": "values"}, "clip=.* is not allowed; needed: .*'range'"),
        ({"clip": (5, 1)}, "clip=(5, 1) is not allowed; needed: None, 'range' or a pair (low, high)"),
        ({"clip": 3}, "clip=3 is not allowed; needed: None, 'range' or a pair"),
    ],
)
def test_bad_parameters_are_refused_with_the_way_out(change, message):
    table, _ = ratings()
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)")):
        hs.AlternatingLeastSquares(**change).fit(table)
