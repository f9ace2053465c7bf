"""Families, weights, sparse loadings, new rows, columns and sources, intervals of the Bayesian model."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning

import halfseen as hs

N = 150


def hide(tables, share, seed=9):
    rng = np.random.default_rng(seed)
    return {name: np.where(rng.random(table.shape) < share, table, np.nan) for name, table in tables.items()}


@pytest.fixture(scope="module")
def mixed():
    """Three sources of three families over factors that two of them share each."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(N, 3))
    linear = {}
    for (name, width), pattern in zip(
        {"level": 60, "yes": 50, "count": 70}.items(), ((1, 1, 0), (1, 0, 1), (1, 1, 1)), strict=True
    ):
        linear[name] = scores @ (rng.normal(size=(width, 3)) * pattern).T
    linear["level"] += 5.0
    linear["count"] = 0.5 * linear["count"] + 0.5
    data = {
        "level": linear["level"] + 0.5 * rng.normal(size=linear["level"].shape),
        "yes": (rng.random(linear["yes"].shape) < expit(linear["yes"])).astype(float),
        "count": rng.poisson(np.exp(linear["count"])).astype(float),
    }
    return linear, data


FAMILY = {"yes": "bernoulli", "count": "poisson"}


@pytest.fixture(scope="module")
def model(mixed):
    seen = hide({name: table[:100] for name, table in mixed[1].items()}, 0.8)
    return hs.HeterogeneousFactorization(family=FAMILY, random_state=0).fit(seen)


def relative(fit, truth):
    return float(np.sqrt(np.mean((fit - truth) ** 2)) / truth.std())


def test_every_source_has_its_own_family(mixed, model):
    linear, _ = mixed
    limits = {"level": 0.15, "yes": 0.45, "count": 0.35}
    for name, limit in limits.items():
        assert relative(model.predict_table(name, "linear"), linear[name][:100]) < limit
    share = model.predict_table("yes")
    assert share.min() >= 0
    assert share.max() <= 1
    entropy = -np.mean(np.log(np.where(mixed[1]["yes"][:100] == 1, share, 1 - share)))
    best = expit(linear["yes"][:100])
    least = -np.mean(best * np.log(best) + (1 - best) * np.log(1 - best))
    assert entropy < least + 0.04
    assert np.isnan(model.noise_["yes"]).all()
    assert np.isfinite(model.score({name: table[:100] for name, table in mixed[1].items()}))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*heavy tails")
def test_a_gaussian_stand_in_is_worse_for_counts(mixed, model):
    linear, data = mixed
    seen = hide({name: table[:100] for name, table in data.items()}, 0.8)
    plain = hs.HeterogeneousFactorization(random_state=0).fit(seen)
    rate = np.exp(linear["count"][:100])
    hidden = np.isnan(seen["count"])

    def divergence(fit):
        m = np.maximum(fit, 1e-2)
        return float(np.mean((m - rate + rate * np.log(rate / m))[hidden]))

    assert divergence(model.predict_table("count")) < 0.5 * divergence(plain.predict_table("count"))


def test_values_outside_a_family_are_named():
    tables = {"a": np.ones((6, 4)), "b": np.full((6, 4), 0.5)}
    with pytest.raises(ValueError, match="family 'bernoulli' of source 'b' needs values 0 or 1; 24 entries"):
        hs.HeterogeneousFactorization(family={"b": "bernoulli"}).fit(tables)
    with pytest.raises(ValueError, match="counts 0, 1, 2"):
        hs.HeterogeneousFactorization(family={"b": "poisson"}).fit(tables)
    with pytest.raises(ValueError, match="family: no source 'c'"):
        hs.HeterogeneousFactorization(family={"c": "poisson"}).fit(tables)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"solver": "bayes", "penalty": 1.0}, "needed: 0 with solver='bayes'"),
        ({"solver": "bayes", "family": "binomial(3)"}, "Or take solver='als'"),
        ({"solver": "als", "family": {"a": "poisson"}}, "one for all sources"),
        ({"solver": "gd", "row_noise": True}, "left out with solver='gd'"),
        ({"sparse_loadings": "lasso"}, "sparse_loadings='lasso' is not allowed"),
    ],
)
def test_parameters_that_do_not_go_together_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        hs.HeterogeneousFactorization(**params).fit({"a": np.ones((4, 5)), "b": np.ones((4, 3))})


def test_a_penalty_or_another_family_is_for_the_papers_estimator():
    tables = {"a": np.arange(20.0).reshape(4, 5) % 3, "b": np.arange(12.0).reshape(4, 3) % 2}
    model = hs.HeterogeneousFactorization(1, 0, penalty=1.0, random_state=0).fit(tables)
    assert model.solver_ == "als"
    with pytest.raises(ValueError, match="leaving groups of them out needs at least 10"):
        model.inference()
    with pytest.raises(ValueError, match="needs a fit by solver='bayes'"):
        model.place_samples(tables)
    model = hs.HeterogeneousFactorization(1, 0, family="binomial(3)", penalty=1.0, random_state=0).fit(tables)
    assert model.solver_ == "als"


# ---- noise and loadings ----------------------------------------------------------------------------------------------


def one_factor(seed=1, n=80, widths=(30, 40)):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n, 1))
    return {name: scores @ rng.normal(size=(1, width)) for name, width in zip("ab", widths, strict=True)}, rng


@pytest.mark.filterwarnings("ignore:the fit ended:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.slow
def test_loud_rows_are_found_and_believed_less():
    truth, rng = one_factor()
    loud = np.arange(80) < 20
    size = np.where(loud, 4.0, 0.5)[:, None]
    tables = hide({name: table + size * rng.normal(size=table.shape) for name, table in truth.items()}, 0.7)
    plain, aware = (hs.HeterogeneousFactorization(row_noise=on, random_state=0).fit(tables) for on in (False, True))
    quiet = {name: relative(plain.predict_table(name)[~loud], table[~loud]) for name, table in truth.items()}
    better = {name: relative(aware.predict_table(name)[~loud], table[~loud]) for name, table in truth.items()}
    assert max(better.values()) < 0.7 * min(quiet.values())
    factor = aware.posterior_.fits[0].loadings.row_noise
    ratio = np.sqrt(np.median(factor[loud]) / np.median(factor[~loud]))
    assert 6.0 < ratio < 10.0  # 8


@pytest.mark.filterwarnings("ignore:the fit ended:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.slow
def test_weights_of_rows_do_what_row_noise_learns():
    truth, rng = one_factor()
    size = np.where(np.arange(80) < 20, 4.0, 0.5)
    tables = hide({name: table + size[:, None] * rng.normal(size=table.shape) for name, table in truth.items()}, 0.7)
    weights = {name: size**-2.0 for name in truth}
    told = hs.HeterogeneousFactorization(random_state=0).fit(tables, weights=weights)
    plain = hs.HeterogeneousFactorization(random_state=0).fit(tables)
    for name, table in truth.items():
        assert relative(told.predict_table(name)[20:], table[20:]) < 0.7 * relative(
            plain.predict_table(name)[20:], table[20:]
        )
    with pytest.raises(ValueError, match=r"weights\['a'\] must be 80 positive numbers"):
        hs.HeterogeneousFactorization().fit(tables, weights={"a": np.ones(3)})


def test_a_heavy_source_rules_the_shared_scores():
    rng = np.random.default_rng(0)
    u, w = rng.normal(size=(2, 60, 1))
    tables = {"a": u @ rng.normal(size=(1, 30)), "b": w @ rng.normal(size=(1, 30))}
    tables = {name: table + 0.5 * rng.normal(size=table.shape) for name, table in tables.items()}
    model = hs.HeterogeneousFactorization(1, 0, random_state=0).fit(tables, weights={"b": 100.0})
    assert abs(np.corrcoef(model.scores_[:, 0], w[:, 0])[0, 1]) > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("family", ["huber", "huber(1.0)"])
@pytest.mark.filterwarnings("ignore:.*heavy tails")
def test_outliers_do_not_rule_the_robust_family(family):
    truth, rng = one_factor()
    tables = {name: table + 0.5 * rng.normal(size=table.shape) for name, table in truth.items()}
    for table in tables.values():
        spoilt = rng.random(table.shape) < 0.05
        table[spoilt] += 20.0 * rng.normal(size=int(spoilt.sum()))
    tables = hide(tables, 0.8)
    plain = hs.HeterogeneousFactorization(random_state=0).fit(tables)
    robust = hs.HeterogeneousFactorization(family=family, random_state=0).fit(tables)
    for name, table in truth.items():
        assert relative(robust.predict_table(name), table) < 0.4 * relative(plain.predict_table(name), table)
        assert 0.4 < np.median(robust.noise_[name]) < 0.7  # 0.5


@pytest.mark.parametrize("kind", ["ard", "spike-slab"])
def test_sparse_loadings_are_told_from_the_others(kind):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(100, 2))
    tables, zero = {}, {}
    for name in "ab":
        zero[name] = rng.random((60, 2)) < 0.7
        loadings = np.where(zero[name], 0.0, rng.normal(size=(60, 2)) + np.sign(rng.normal(size=(60, 2))))
        tables[name] = scores @ loadings.T + rng.normal(size=(100, 60))
    plain = hs.HeterogeneousFactorization(2, 0, random_state=0).fit(tables)
    model = hs.HeterogeneousFactorization(2, 0, sparse_loadings=kind, random_state=0).fit(tables)
    truth = {name: np.where(zero[name], 0.0, 1.0) for name in "ab"}
    order = 0 if np.corrcoef(np.abs(model.loadings_["a"][:, 0]), truth["a"][:, 0])[0, 1] > 0.5 else 1
    for name in "ab":
        none = zero[name][:, ::-1] if order else zero[name]
        sizes = np.abs(model.loadings_[name])
        assert sizes[none].mean() < 0.75 * np.abs(plain.loadings_[name])[none].mean()
        if kind == "spike-slab":
            inclusion = model.posterior_.inclusion(name)
            assert inclusion[none].mean() < 0.35
            assert inclusion[~none].mean() > 0.7  # some are near 0 themselves


# ---- new rows, columns, sources ------------------------------------------------------------------------------------


def test_new_samples_are_placed_by_whatever_was_seen_of_them(mixed, model):
    linear, data = mixed
    new = hide({name: table[100:] for name, table in data.items()}, 0.8, seed=2)
    some = model.place_samples({"level": new["level"], "yes": new["yes"]})
    all_three = model.place_samples(new)
    assert some.scores.shape == (50, len(model.factor_names_))
    assert (all_three.scores_se.mean(axis=0)[:3] < some.scores_se.mean(axis=0)[:3]).all()
    assert relative(np.log(some.predict_table("count")), linear["count"][100:]) < 0.5
    i, j = np.indices((50, 60)).reshape(2, -1)
    ends = some.inference(0.9).entries(i, j, source="level")
    inside = np.mean((ends.low <= linear["level"][100:][i, j]) & (linear["level"][100:][i, j] <= ends.high))
    assert 0.8 < inside < 0.97
    with pytest.raises(ValueError, match="no source 'other'"):
        model.place_samples({"other": new["yes"]})
    with pytest.raises(ValueError, match="has 3 columns, 50 in the fit"):
        model.place_samples({"yes": np.ones((2, 3))})


def test_the_rows_of_the_fit_are_placed_where_they_are():
    truth, rng = one_factor()
    tables = hide({name: table + 0.5 * rng.normal(size=table.shape) for name, table in truth.items()}, 0.8)
    model = hs.HeterogeneousFactorization(1, 1, tol=1e-5, max_iter=3000, random_state=0).fit(tables)
    placed = model.place_samples(tables)
    active = model.activity_.any(axis=1)
    # the last sweep rescales the scores to unit size, which placing does not
    np.testing.assert_allclose(placed.scores[:, active], model.scores_[:, active], atol=1e-3)


def test_new_columns_of_a_source_get_the_loadings_they_would_have_had(mixed, model):
    data = mixed[1]
    for name in ("level", "count"):
        seen = hide({key: table[:100] for key, table in data.items()}, 0.8)[name]
        placed = model.transform(seen[:, :6], name)
        again = model.shared_basis_ @ placed.shared_loadings.T + placed.unique_basis @ placed.unique_loadings.T
        np.testing.assert_allclose(again + placed.intercepts, model.predict_table(name, "linear")[:, :6], atol=0.1)


@pytest.mark.slow
def test_a_new_source_is_placed_against_the_factors_of_the_fit():
    truth, rng = one_factor()
    tables = {name: table + 0.5 * rng.normal(size=table.shape) for name, table in truth.items()}
    model = hs.HeterogeneousFactorization(random_state=0).fit(tables)
    third = 3.0 * truth["a"][:, :20] + rng.normal(size=(80, 1)) @ rng.normal(size=(1, 20)) + 40.0
    noisy = np.where(rng.random(third.shape) < 0.8, third + 0.3 * rng.normal(size=third.shape), np.nan)
    placed = model.transform(noisy)
    fit = model.shared_basis_ @ placed.shared_loadings.T + placed.unique_basis @ placed.unique_loadings.T
    assert relative(fit + placed.intercepts, third) < 0.15


# ---- intervals and the rest ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_intervals_of_hidden_cells_hold_the_truth_as_often_as_they_say():
    shares = {"mean": [], "prediction": []}
    for seed in range(4):
        truth, rng = one_factor(seed)
        values = {name: table + 0.7 * rng.normal(size=table.shape) for name, table in truth.items()}
        seen = hide(values, 0.7, seed)
        posterior = hs.HeterogeneousFactorization(random_state=0).fit(seen).inference(0.9)
        for name in truth:
            i, j = np.nonzero(np.isnan(seen[name]))
            for kind, target in (("mean", truth), ("prediction", values)):
                ends = (posterior.entries if kind == "mean" else posterior.responses)(i, j, source=name)
                shares[kind].append(np.mean((ends.low <= target[name][i, j]) & (target[name][i, j] <= ends.high)))
    # some 600 cells a source, 8 sources; cells of a column share its loading, so that about 8 x 40 count
    for kind in shares:
        assert abs(np.mean(shares[kind]) - 0.9) < 3 * np.sqrt(0.09 / 320)


def test_intervals_say_what_they_are_and_refuse_what_they_cannot(model):
    inference = model.inference()
    frame = inference.columns(source="level").to_frame()
    assert frame.column_names[:3] == ["col", "factor", "estimate"]
    assert inference.rows().estimate.shape == model.scores_.shape
    one = inference.rows(component=1)
    np.testing.assert_array_equal(one.low, inference.rows().low[:, 1])
    assert one.to_frame().column_names[:2] == ["row", "estimate"]
    cells = inference.entries([0, 1], [2, 3], source="yes")
    assert (cells.low >= 0).all()
    assert (cells.high <= 1).all()
    linear = inference.entries([0, 1], [2, 3], "linear", source="yes")
    np.testing.assert_allclose(1 / (1 + np.exp(-linear.low)), cells.low)
    with pytest.raises(ValueError, match="prediction intervals are for families with noise"):
        inference.responses([0], [0], source="yes")
    with pytest.raises(ValueError, match="no source 'no'"):
        inference.columns(source="no")
    with pytest.raises(ValueError, match="source=None is not allowed; needed: the source that is meant, one of"):
        inference.entries([0], [0])
    with pytest.raises(ValueError, match="level=2 is not allowed"):
        model.inference(2)
    for question in ("scores", "ranks", "contrast"):
        with pytest.raises(hs.inference.NotStated, match=f"states no {question}: .* It has entries, responses, rows"):
            getattr(inference, question)()


def test_parts_add_up_to_the_prediction_in_orthonormal_axes(model):
    for name in model.source_names_:
        parts = model.shared_part(name) + model.unique_part(name) + model.intercepts_[name]
        np.testing.assert_allclose(parts, model.predict_table(name, "linear"), atol=1e-10)
        own = model.unique_basis_[name]
        np.testing.assert_allclose(own.T @ own, np.eye(own.shape[1]), atol=1e-9)
        np.testing.assert_allclose(model.shared_basis_.T @ own, 0.0, atol=1e-9)


def test_a_saved_model_gives_the_same_intervals(model, tmp_path):
    hs.save(model, tmp_path / "model.npz")
    for again in (hs.load(tmp_path / "model.npz"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(again.inference().rows().se, model.inference().rows().se)
        np.testing.assert_array_equal(again.predict_table("count"), model.predict_table("count"))


def test_single_precision_comes_back_as_single_precision():
    truth, rng = one_factor()
    tables = {name: (table + rng.normal(size=table.shape)).astype(np.float32) for name, table in truth.items()}
    model = hs.HeterogeneousFactorization(random_state=0).fit(tables)
    assert model.predict_table("a").dtype == np.float32
    assert model.transform(tables["a"][:, :2], "a").shared_loadings.dtype == np.float32


@pytest.mark.filterwarnings("ignore:.*fewer than 5 rows in common")
def test_what_a_user_should_know_is_said_at_the_fit():
    rng = np.random.default_rng(0)
    tables = {"many": rng.normal(size=(50, 20)), "few": np.full((50, 20), np.nan)}
    tables["few"][:4] = rng.normal(size=(4, 20))
    with pytest.warns(UserWarning, match="1 of 2 sources have fewer than 2 entries per unknown, first 'few' with 80"):
        hs.HeterogeneousFactorization(2, 1, random_state=0).fit(tables)
    truth, rng = one_factor()
    model = hs.HeterogeneousFactorization(max_iter=3, random_state=0)
    with pytest.warns(ConvergenceWarning, match="ended after 3 sweeps"):
        model.fit({name: table + rng.normal(size=table.shape) for name, table in truth.items()})
    assert model.warnings_
