"""New rows and columns placed by features and a few entries, with intervals."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.methods.inductive.deviations import Deviations, DirectionSums

N, P, NEW, NOISE = 260, 40, 60, 0.4


@pytest.fixture(scope="module")
def world():
    """Values of features, of a level of each row's (and column's) own, and of a taste that no feature tells."""
    rng = np.random.default_rng(0)
    F, G = rng.normal(size=(N + NEW, 3)), rng.normal(size=(P + 20, 3))
    slopes = rng.normal(size=(3, 3))
    own = 0.7 * rng.normal(size=N + NEW), 0.5 * rng.normal(size=P + 20)
    taste = 0.5 * rng.normal(size=(N + NEW, 3))
    truth = 2.0 + F @ slopes @ G.T + taste @ slopes @ G.T + own[0][:, None] + own[1]
    noisy = truth + NOISE * rng.normal(size=truth.shape)
    seen = np.where(rng.random(truth.shape) < 0.4, noisy, np.nan)
    model = hs.InductiveCompletion(3, "linear", penalty=1e-4, effects="cols", random_state=0)
    model.fit(seen[:N, :P], row_features=F[:N], col_features=G[:P])
    return model, F, G, truth, noisy


def with_first(noisy, n):
    table = np.full(noisy.shape, np.nan)
    table[:, :n] = noisy[:, :n]
    return table


def test_the_more_is_known_of_a_new_row_the_better_it_is_predicted_and_intervals_hold(world):
    model, F, _, truth, noisy = world
    late = np.arange(20, P)
    i, j = (part.ravel() for part in np.meshgrid(np.arange(NEW), late, indexing="ij"))
    errors, widths = [], []
    for n in (0, 1, 5, 20):
        rows = with_first(noisy[N:, :P], n) if n else None
        placed = model.new_rows(rows, F[N:], level=0.9)
        errors.append(np.sqrt(np.mean((placed.predicted[:, 20:] - truth[N:, 20:P]) ** 2)))
        said, cells = placed.responses(i, j), placed.entries(i, j)
        inside = (said.low < noisy[N + i, j]) & (noisy[N + i, j] < said.high)
        assert 0.83 < inside.mean() < 0.97  # 60 rows, whose errors are shared: standard deviation about .03
        known = (cells.low < truth[N + i, j]) & (truth[N + i, j] < cells.high)
        assert 0.78 < known.mean() < 0.99
        widths.append(cells.width.mean())
        np.testing.assert_allclose(said.estimate, placed.predicted[i, j])
    assert np.all(np.diff(errors) < 0)
    assert errors[-1] < 0.5 * errors[0]
    assert np.all(np.diff(widths) < 0)


def test_without_entries_a_new_row_stands_where_its_features_put_it(world):
    model, F, *_ = world
    np.testing.assert_allclose(model.new_rows(None, F[N:]).predicted, model.predict_table(F[N:]), rtol=1e-5, atol=1e-5)


def test_new_columns_are_placed_by_both_too(world):
    model, _, G, truth, noisy = world
    few = np.full((N, 20), np.nan)
    few[:8] = noisy[:8, P:]
    errors = {}
    for name, table in (("features", None), ("both", few)):
        placed = model.new_cols(table, G[P:])
        assert placed.predicted.shape == (N, 20)
        errors[name] = np.sqrt(np.mean((placed.predicted[8:] - truth[8:N, P:]) ** 2))
    assert errors["both"] < errors["features"]
    said = placed.responses([9, 10], [3, 4])
    np.testing.assert_allclose(said.estimate, placed.predicted[[9, 10], [3, 4]])


def test_spreads_of_the_rows_are_those_of_a_mixed_model_found_by_brute_force(world):
    """At the spreads that were learned no step of any entry of the covariance makes the data more likely."""
    rng = np.random.default_rng(1)
    Z = np.column_stack([np.ones(12), rng.normal(size=12)])
    spread = Deviations(np.array([[0.5, 0.1], [0.1, 0.3]]), 0.2)
    b = rng.multivariate_normal(np.zeros(2), spread.covariance, size=5)
    table = hs.Observed.from_dense(
        np.where(rng.random((5, 12)) < 0.6, b @ Z.T + 0.4 * rng.normal(size=(5, 12)), np.nan)
    )
    means, covariances = DirectionSums.of(table, table.values, Z).given(spread)
    for i in range(5):
        own = table.rows == i
        z, y = Z[table.cols[own]], table.values[own]
        joint = z @ spread.covariance @ z.T + spread.noise * np.eye(own.sum())
        gain = spread.covariance @ z.T @ np.linalg.inv(joint)
        np.testing.assert_allclose(means[i], gain @ y)
        np.testing.assert_allclose(covariances[i], spread.covariance - gain @ z @ spread.covariance)
    model = world[0]
    assert model.row_deviations_.noise == pytest.approx(NOISE**2, rel=0.15)
    # 260 rows of a level with variance .49, and columns' own levels that are in their effects
    assert model.row_deviations_.covariance[0, 0] == pytest.approx(0.49, rel=0.3)


def test_a_saved_model_places_newcomers_by_name(world, tmp_path):
    model, F, _, _, noisy = world
    hs.save(model, tmp_path / "model")
    loaded = hs.load(tmp_path / "model")
    rows = with_first(noisy[N : N + 2, :P], 3)
    np.testing.assert_array_equal(
        loaded.new_rows(rows, F[N : N + 2]).predicted, model.new_rows(rows, F[N : N + 2]).predicted
    )
    import pyarrow as pa

    side = hs.SideFeatures.from_frame(
        pa.table({"name": ["ann", "bob"], "a": F[N : N + 2, 0], "b": F[N : N + 2, 1], "c": F[N : N + 2, 2]}), key="name"
    )
    small = hs.Observed.from_dense(noisy[:50, :P], row_labels=[f"r{i}" for i in range(50)])
    frame = pa.table({"name": [f"r{i}" for i in range(50)], "a": F[:50, 0], "b": F[:50, 1], "c": F[:50, 2]})
    named = hs.InductiveCompletion(1, "linear", penalty=1e-3, effects="none", random_state=0)
    named.fit(small, row_features=hs.SideFeatures.from_frame(frame, key="name"))
    few = hs.Observed.from_triplets(["bob", "ann"], [0, 0], [9.0, -9.0], shape=(None, P), row_labels=["bob", "ann"])
    placed, alone = named.new_rows(few, side), named.new_rows(None, side)
    shift = placed.entries(["ann", "bob"], [0, 0]).estimate - alone.entries(["ann", "bob"], [0, 0]).estimate
    assert shift[0] < 0 < shift[1]


def test_what_cannot_be_placed_is_said(world):
    model, F, *_ = world
    with pytest.raises(ValueError, match="row_features: give a line of features for each new row"):
        model.new_rows(np.zeros((2, P)))
    with pytest.raises(ValueError, match="R has 3 columns; needed: the 40 columns of the fit"):
        model.new_rows(np.zeros((2, 3)), F[:2])
    likes = (np.random.default_rng(0).random((30, 20)) < 0.3).astype(float)
    one_class = hs.InductiveCompletion(2, family="one_class", random_state=0)
    one_class.fit(np.where(likes > 0, 1.0, np.nan))
    with pytest.raises(ValueError, match="this model has family='one_class' and no row_features"):
        one_class.new_rows(None, np.zeros((2, 3)))


@pytest.mark.parametrize("kind", ["inductive", "bayes"])
def test_a_column_that_names_the_lines_is_told_of(kind):
    rng = np.random.default_rng(0)
    table = np.where(rng.random((30, 8)) < 0.7, rng.normal(size=(30, 8)), np.nan)
    columns = {
        "user": np.array([f"u{i}" for i in range(30)]), "number": np.arange(1.0, 31.0),
        "film_id": 7.0 * rng.permutation(30),
        "year": 1990.0 + np.arange(30), "job": np.array(["cook", "nurse"])[rng.integers(0, 2, 30)],
    }  # fmt: skip
    model = {
        "inductive": hs.InductiveCompletion(1, "linear", penalty=0.1, effects="none", random_state=0),
        "bayes": hs.BayesianFactorization(1, max_iter=3, burn_in=0, random_state=0),
    }[kind]
    with pytest.warns(UserWarning, match="looks like an identifier") as told:
        model.fit(table, row_features=hs.SideFeatures(columns=columns))
    sentences = [str(each.message) for each in told if "identifier" in str(each.message)]
    assert [sentence.split("'")[1] for sentence in sentences] == ["user", "number", "film_id"]


@pytest.mark.fast_cases("tiny")
@pytest.mark.parametrize("kind", ["zeros", "constant", "exact", "tiny", "noisy"])
def test_tables_without_noise_and_of_any_size_place_newcomers(kind):
    """Nothing overflows (warnings are errors) where features leave nothing, and values hardly differ from zero."""
    rng = np.random.default_rng(0)
    F = rng.normal(size=(40, 3))
    exact = F @ rng.normal(size=(3, 30))
    table = {
        "zeros": np.zeros((40, 30)),
        "constant": np.full((40, 30), 5.0),
        "exact": exact,
        "tiny": 1e-60 * (exact + 0.1 * rng.normal(size=exact.shape)),
        "noisy": 1e4 * (exact + rng.normal(size=exact.shape)),
    }[kind]
    model = hs.InductiveCompletion(3, "linear", random_state=0).fit(table, row_features=F)
    placed = model.new_rows(table[:3], F[:3])
    assert np.abs(placed.predicted - table[:3]).max() <= 4.0 * max(np.abs(table).max(), 1e-12)
    assert np.isfinite(placed.responses([0], [1]).width).all()
    assert (model.row_deviations_.free.size > 0) is (kind in ("tiny", "noisy"))
