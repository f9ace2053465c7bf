"""What a fit takes, gives and says."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

import halfseen as hs
from halfseen.datasets import SourcesDesign, make_sources_data


@pytest.fixture(scope="module")
def data():
    design = SourcesDesign(noise=0.05)
    return make_sources_data(4, 40, [30, 36, 25, 50], 2, [1, 2, 3, 0], 0.6, design, 0)


TIGHT = {"tol": 1e-12}
RANKS = {"source 0": 1, "source 1": 2, "source 2": 3, "source 3": 0}


@pytest.fixture(scope="module")
def model(data):
    return hs.HeterogeneousFactorization(2, RANKS, solver="als", centre=False, random_state=0).fit(data.sources)


def test_unequal_widths_and_ranks_are_recovered(data, model):
    assert data.subspace_error(model) < 0.01
    assert model.run_.converged
    assert {name: basis.shape for name, basis in model.unique_basis_.items()} == {n: (40, r) for n, r in RANKS.items()}
    assert model.unique_part("source 3").shape == (40, 50)
    assert not model.unique_part("source 3").any()


def test_bases_are_orthonormal_and_orthogonal_to_each_other(model):
    U = model.shared_basis_
    np.testing.assert_allclose(U.T @ U, np.eye(2), atol=1e-12)
    for basis in model.unique_basis_.values():
        np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-12)
        np.testing.assert_allclose(U.T @ basis, 0.0, atol=1e-12)


def test_arrays_observed_sparse_and_frames_mix(data):
    import pandas as pd

    tables = dict(data.sources)
    first, second, third, fourth = tables.values()
    mixed = {
        "source 0": first.to_dense(),
        "source 1": pd.DataFrame(second.to_dense()),
        "source 2": sp.coo_array(third.to_coo()),
        "source 3": fourth,
    }
    one = hs.HeterogeneousFactorization(2, RANKS, solver="als", centre=False, random_state=0).fit(mixed)
    two = hs.HeterogeneousFactorization(2, RANKS, solver="als", centre=False, random_state=0).fit(tables)
    for name in tables:
        np.testing.assert_allclose(one.predict_table(name), two.predict_table(name), atol=1e-9)


def test_a_list_of_tables_is_named_by_position():
    rng = np.random.default_rng(0)
    model = hs.HeterogeneousFactorization(1, 1, solver="als", centre=False, random_state=0).fit(
        [rng.normal(size=(10, 20)) for _ in range(3)]
    )
    assert model.source_names_ == ["0", "1", "2"]


@pytest.mark.parametrize("solver", ["als", "gd"])
def test_the_same_bits_come_from_any_number_of_workers(data, solver):
    def parts(engine):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = hs.HeterogeneousFactorization(
                2, 1, centre=False, solver=solver, max_iter=20, random_state=0, engine=engine
            )
            model.fit(data.sources)
        return model.shared_basis_, *model.unique_loadings_.values()

    from halfseen.engines import Threads

    for engine in (Threads(2), Threads(3)):
        for one, two in zip(parts("serial"), parts(engine), strict=True):
            np.testing.assert_array_equal(one, two)


def test_the_order_of_the_sources_does_not_matter(data):
    turned = dict(reversed(list(data.sources.items())))
    one = hs.HeterogeneousFactorization(2, 1, **TIGHT, solver="als", centre=False, random_state=0).fit(data.sources)
    two = hs.HeterogeneousFactorization(2, 1, **TIGHT, solver="als", centre=False, random_state=0).fit(turned)
    for name in data.sources:
        np.testing.assert_allclose(one.predict_table(name), two.predict_table(name), atol=1e-4)


def test_rows_may_come_in_any_order(data):
    order = np.random.default_rng(0).permutation(40)
    turned = {name: table.take_rows(order) for name, table in data.sources.items()}
    one = hs.HeterogeneousFactorization(2, 1, **TIGHT, solver="als", centre=False, random_state=0).fit(data.sources)
    two = hs.HeterogeneousFactorization(2, 1, **TIGHT, solver="als", centre=False, random_state=0).fit(turned)
    for name in data.sources:
        np.testing.assert_allclose(one.predict_table(name)[order], two.predict_table(name), atol=1e-4)


def test_single_precision_in_is_single_precision_out(data, model):
    single = {name: table.astype(np.float32) for name, table in data.sources.items()}
    other = hs.HeterogeneousFactorization(2, RANKS, solver="als", centre=False, random_state=0).fit(single)
    assert other.shared_basis_.dtype == other.predict_table("source 1").dtype == np.float32
    np.testing.assert_allclose(other.predict_table("source 1"), model.predict_table("source 1"), atol=5e-3)


def test_a_source_with_a_large_weight_fits_better(data):
    even = hs.HeterogeneousFactorization(1, 0, solver="als", centre=False, random_state=0).fit(data.sources)
    heavy = hs.HeterogeneousFactorization(1, 0, solver="als", centre=False, random_state=0).fit(
        data.sources, weights={"source 1": 100.0}
    )
    assert heavy.shares_["source 1"]["residual"] < even.shares_["source 1"]["residual"]


@pytest.mark.slow
def test_a_weight_of_two_is_the_source_given_twice(data):
    tables = {name: data.sources[name] for name in ("source 0", "source 1")}
    # too few ranks: a long plateau, on which the default tolerance would stop one of the two
    weighted, twice = (
        hs.HeterogeneousFactorization(1, 1, tol=1e-9, max_iter=2000, solver="als", centre=False, random_state=0)
        for _ in range(2)
    )
    weighted.fit(tables, weights={"source 1": 2.0})
    twice.fit({**tables, "again": tables["source 1"]})
    P, Q = (m.shared_basis_ @ m.shared_basis_.T for m in (weighted, twice))
    np.testing.assert_allclose(P, Q, atol=1e-5)


def test_weights_of_entries_count(data):
    table = data.sources["source 0"]
    rng = np.random.default_rng(0)
    chosen = rng.random(table.n_entries) < 0.2
    spoilt = table.with_values(np.where(chosen, 50.0, table.values), np.where(chosen, 1e-12, 1.0))
    tables = {**data.sources, "source 0": spoilt}
    model = hs.HeterogeneousFactorization(2, RANKS, solver="als", centre=False, random_state=0).fit(tables)
    assert data.subspace_error(model) < 0.05


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*heavy tails")
def test_outliers_rule_the_squared_loss_and_not_hubers():
    clean = make_sources_data(8, 60, 80, 2, 1, 0.9, SourcesDesign(noise=0.1), 1)
    rng = np.random.default_rng(0)
    spoilt = {
        name: table.with_values(table.values + np.where(rng.random(table.n_entries) < 0.03, 30.0, 0.0))
        for name, table in clean.sources.items()
    }
    squared = hs.HeterogeneousFactorization(2, 1, penalty=0.5, solver="als", centre=False, random_state=0).fit(spoilt)
    robust = hs.HeterogeneousFactorization(
        2, 1, family="huber(0.3)", penalty=0.1, tol=1e-6, solver="als", centre=False, random_state=0
    ).fit(spoilt)
    assert clean.subspace_error(robust) < 0.02
    assert clean.subspace_error(squared) > 10 * clean.subspace_error(robust)


@pytest.mark.parametrize("family", ["bernoulli", "poisson"])
def test_yes_no_answers_and_counts_have_their_own_losses(family):
    truth = make_sources_data(6, 60, 120, 1, 1, design="rotated", random_state=0)
    loss, rng = hs.losses.get_loss(family), np.random.default_rng(0)
    tables = {
        name: np.asarray(loss.sample(60 * (truth.shared[name] + truth.unique[name]), rng), dtype=float)
        for name in truth.shared
    }
    model = hs.HeterogeneousFactorization(
        1, 1, family=family, penalty=1.0, solver="als", centre=False, random_state=0
    ).fit(tables)
    assert truth.subspace_error(model) < 1.0  # orthogonal guesses: 4
    mean = model.predict_table("source 0")
    assert np.all((mean >= 0) & (mean <= 1)) if family == "bernoulli" else np.all(mean >= 0)
    with pytest.raises(ValueError, match=f"{family}.*needs"):
        model.fit({"a": np.full((3, 4), -0.5)})


def test_rows_and_columns_without_entries_are_predicted_as_nothing_under_a_penalty(data):
    table = data.sources["source 0"].to_dense()
    table[7], table[:, 3] = np.nan, np.nan
    tables = {name: np.where(np.arange(40)[:, None] == 7, np.nan, t.to_dense()) for name, t in data.sources.items()}
    tables["source 0"] = table
    model = hs.HeterogeneousFactorization(2, 1, penalty=0.1, solver="als", centre=False, random_state=0).fit(tables)
    assert np.abs(model.predict_table("source 0")[7]).max() < 1e-6
    assert np.abs(model.predict_table("source 0")[:, 3]).max() < 1e-6
    plain = hs.HeterogeneousFactorization(2, 1, solver="als", centre=False, random_state=0).fit(tables)
    assert np.isfinite(plain.predict_table("source 0")).all()


def test_shares_add_up_to_one(model):
    for shares in model.shares_.values():
        assert sum(shares.values()) == pytest.approx(1.0)
        assert shares["residual"] < 0.01


def test_the_heterogeneity_index_is_the_column_norm_of_the_unique_part(model):
    index = model.heterogeneity_index()
    np.testing.assert_allclose(index["source 1"], np.abs(model.unique_part("source 1")).sum(axis=0))
    lengths = model.heterogeneity_index("l2")
    np.testing.assert_allclose(lengths["source 1"], np.linalg.norm(model.unique_part("source 1"), axis=0))
    assert not index["source 3"].any()


def test_the_misalignment_is_that_of_the_truth(data, model):
    assert model.misalignment_ == pytest.approx(data.misalignment, abs=0.02)


def test_pairs_and_tables_agree_and_scores_are_losses(data, model):
    table = data.sources["source 1"]
    pairs = model.predict_entries("source 1", table.rows, table.cols)
    np.testing.assert_allclose(pairs, model.predict_table("source 1")[table.rows, table.cols])
    errors = np.concatenate([t.values - model.predict_entries(n, t.rows, t.cols) for n, t in data.sources.items()])
    assert model.score(data.sources) == pytest.approx(-0.5 * np.mean(errors**2))


def test_labels_are_asked_for_and_found_in_any_order():
    rng = np.random.default_rng(0)
    people = [f"p{k}" for k in range(15)]
    tables = {
        name: hs.Observed.from_dense(table, row_labels=people, col_labels=[f"{name}{k}" for k in range(8)])
        for name, table in zip("ab", rng.normal(size=(2, 15, 8)), strict=True)
    }
    model = hs.HeterogeneousFactorization(1, 1, solver="als", centre=False, random_state=0).fit(tables)
    turned = {name: table.take_rows(slice(None, None, -1)) for name, table in tables.items()}
    assert model.score(turned) == pytest.approx(model.score(tables))
    assert model.predict_entries("a", ["p3"], ["a2"])[0] == pytest.approx(model.predict_table("a")[3, 2])
    with pytest.raises(ValueError, match="unknown row label 'p99'"):
        model.predict_entries("a", ["p99"], ["a2"])


def test_models_are_saved_pickled_and_cloned(data, model, tmp_path):
    hs.save(model, tmp_path / "model.safetensors")
    for copy in (hs.load(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(model))):
        for name in model.source_names_:
            np.testing.assert_array_equal(copy.predict_table(name), model.predict_table(name))
        assert copy.score(data.sources) == model.score(data.sources)
        with pytest.raises(ValueError, match="loaded or copied model leaves out; give table="):
            copy.shared_part("source 0", "l1")
        np.testing.assert_array_equal(
            copy.shared_part("source 0", "l1", data.sources["source 0"]), model.shared_part("source 0", "l1")
        )
    again = clone(model).fit(data.sources)
    np.testing.assert_array_equal(again.shared_basis_, model.shared_basis_)


def test_an_unfitted_model_says_so():
    with pytest.raises(NotFittedError):
        hs.HeterogeneousFactorization().shared_part("a")


def test_never_n_by_p_from_entries():
    """Tables of 40 000 x 50 000 with few entries: dense they would take 16 GB each."""
    rng = np.random.default_rng(0)

    def thin():
        i, j = 600 * rng.integers(0, 60, 3000), 500 * rng.integers(0, 90, 3000)
        values = np.cos(i) * np.sin(j) + 0.1 * rng.normal(size=3000)
        return hs.Observed.from_triplets(i, j, values, shape=(40_000, 50_000), duplicates="first")

    model = hs.HeterogeneousFactorization(1, 1, penalty=1.0, max_iter=2, solver="als", centre=False, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model.fit({"a": thin(), "b": thin()})
    assert model.shared_basis_.shape == (40_000, 1)
    assert len(model.heterogeneity_index("l2")["b"]) == 50_000


# ---- readings ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scene():
    """A static picture behind a bright square that jumps about, 40 % of the pixels missing, in blocks."""
    rng = np.random.default_rng(0)
    background = rng.uniform(50, 150, size=(12, 12))
    frames = np.repeat(background[None], 40, axis=0) + rng.normal(size=(40, 12, 12))
    for t in range(40):
        i, j = rng.integers(0, 9, 2)
        frames[t, i : i + 4, j : j + 4] = 250.0
    frames[rng.random(frames.shape) < 0.4] = np.nan
    corners = [(slice(i, i + 6), slice(j, j + 6)) for i in (0, 6) for j in (0, 6)]
    blocks = {str(place): frames[:, *corner].reshape(40, 36) for place, corner in enumerate(corners)}
    return blocks, {str(place): background[corner].ravel() for place, corner in enumerate(corners)}


# the moving square is what the blocks have in common beside the picture; one shared direction is meant
@pytest.mark.filterwarnings("ignore:the unique bases:UserWarning")
def test_l1_and_median_readings_see_the_picture_behind_moving_things(scene):
    blocks, truth = scene
    model = hs.HeterogeneousFactorization(1, 3, penalty=30.0, solver="als", centre=False, random_state=0).fit(blocks)

    def error(reading):
        return np.mean([np.mean((model.shared_part(name, reading) - truth[name]) ** 2) for name in blocks])

    assert error("l1") < error("orthogonal") / 10
    assert error("median") < error("orthogonal") / 50


# the moving square is what the blocks have in common beside the picture; one shared direction is meant
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the unique bases:UserWarning")
@pytest.mark.parametrize("reading", ["orthogonal", "l1", "median"])
def test_shared_and_unique_parts_add_up_to_the_fit_in_every_reading(scene, reading):
    blocks, _ = scene
    model = hs.HeterogeneousFactorization(1, 2, penalty=3.0, solver="als", centre=False, random_state=0).fit(blocks)
    whole = model.shared_part("1", reading) + model.unique_part("1", reading)
    np.testing.assert_allclose(whole, model.predict_table("1"), atol=1e-9)


def test_an_unknown_reading_is_refused(scene, model):
    with pytest.raises(ValueError, match="reading must be one of"):
        model.shared_part("source 0", "mode")


# ---- new columns, new sources ------------------------------------------------------------------------------------


def test_new_columns_of_a_known_source_are_placed():
    data = make_sources_data(4, 40, 60, 2, 1, 0.7, random_state=0)
    train = {name: hs.Observed.from_dense(table.to_dense()[:, :50]) for name, table in data.sources.items()}
    model = hs.HeterogeneousFactorization(2, 1, solver="als", centre=False, random_state=0).fit(train)
    new = data.sources["source 2"].to_dense()[:, 50:]
    placed = model.transform(new, "source 2")
    found = model.shared_basis_ @ placed.shared_loadings.T + placed.unique_basis @ placed.unique_loadings.T
    truth = (data.shared["source 2"] + data.unique["source 2"])[:, 50:]
    np.testing.assert_allclose(found, truth, atol=1e-6)
    np.testing.assert_array_equal(placed.unique_basis, model.unique_basis_["source 2"])


def test_columns_of_the_fit_are_placed_where_the_fit_has_them(data, model):
    placed = model.transform(data.sources["source 1"], "source 1")
    np.testing.assert_allclose(placed.shared_loadings, model.shared_loadings_["source 1"], atol=1e-3)
    np.testing.assert_allclose(placed.unique_loadings, model.unique_loadings_["source 1"], atol=1e-3)


def test_a_new_source_gets_a_basis_of_its_own():
    data = make_sources_data(6, 40, 60, 2, 1, 0.7, random_state=0)
    train = {name: table for name, table in data.sources.items() if name != "source 5"}
    model = hs.HeterogeneousFactorization(2, 1, solver="als", centre=False, random_state=0).fit(train)
    placed = model.transform(data.sources["source 5"])
    shared = model.shared_basis_ @ placed.shared_loadings.T
    np.testing.assert_allclose(shared, data.shared["source 5"], atol=1e-5)
    np.testing.assert_allclose(placed.unique_basis @ placed.unique_loadings.T, data.unique["source 5"], atol=1e-5)
    assert np.abs(model.shared_basis_.T @ placed.unique_basis).max() < 1e-10


def test_new_columns_under_another_loss_and_a_penalty():
    data = make_sources_data(4, 60, 80, 1, 1, design="rotated", random_state=0)
    rng = np.random.default_rng(0)
    loss = hs.losses.get_loss("bernoulli")
    tables = {name: loss.sample(50 * (data.shared[name] + data.unique[name]), rng) for name in data.shared}
    model = hs.HeterogeneousFactorization(
        1, 1, family="bernoulli", penalty=1.0, solver="als", centre=False, random_state=0
    ).fit(tables)
    placed = model.transform(tables["source 0"], "source 0")
    fit = model.shared_basis_ @ placed.shared_loadings.T + placed.unique_basis @ placed.unique_loadings.T
    linear = model.predict_table("source 0", kind="linear")
    assert np.corrcoef(fit.ravel(), linear.ravel())[0, 1] > 0.9


def test_rows_of_a_new_table_are_found_by_label():
    rng = np.random.default_rng(0)
    people = np.array([f"p{k:02}" for k in range(20)])
    base = rng.normal(size=(20, 1))
    tables = {
        name: hs.Observed.from_dense(base * loadings + 0.01 * rng.normal(size=(20, 9)), row_labels=people)
        for name, loadings in zip("abc", rng.normal(size=(3, 1, 9)), strict=True)
    }
    model = hs.HeterogeneousFactorization(1, 0, solver="als", centre=False, random_state=0).fit(tables)
    order = rng.permutation(20)[:15]  # some rows are not in the new table
    new = hs.Observed.from_dense((base @ [[2.0, 3.0]])[order], row_labels=people[order])
    placed = model.transform(new, "a")
    np.testing.assert_allclose(model.shared_basis_ @ placed.shared_loadings.T, base @ [[2.0, 3.0]], atol=0.1)
    with pytest.raises(ValueError, match="unknown row label 'zz'"):
        model.transform(hs.Observed.from_dense([[1.0]], row_labels=["zz"]), "a")


# ---- warnings and errors -----------------------------------------------------------------------------------------


def test_one_source_is_warned_about():
    with pytest.warns(UserWarning, match="with one source"):
        hs.HeterogeneousFactorization(1, 1, solver="als", centre=False, random_state=0).fit(
            np.random.default_rng(0).normal(size=(10, 12))
        )


def test_aligned_unique_bases_are_warned_about():
    data = make_sources_data(5, 40, 30, 3, 1, random_state=0)  # fitted with too few shared directions
    with pytest.warns(UserWarning, match="direction in common"):
        hs.HeterogeneousFactorization(2, 2, solver="als", centre=False, random_state=0).fit(data.sources)


def test_thin_sources_are_warned_about_and_a_penalty_silences_it():
    data = make_sources_data(3, 30, 20, 2, 2, 0.2, random_state=0)
    model = hs.HeterogeneousFactorization(2, 2, max_iter=3, tol=1.0, solver="als", centre=False, random_state=0)
    with pytest.warns(UserWarning, match="fewer entries than unknowns, first 'source 0'"):
        model.fit(data.sources)
    model.set_params(penalty=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(data.sources)


def test_too_large_a_step_is_a_reason_and_a_warning(data):
    model = hs.HeterogeneousFactorization(2, 1, centre=False, solver="gd", step=1e6, max_iter=50, random_state=0)
    with np.errstate(all="ignore"), pytest.warns(ConvergenceWarning, match="a smaller step"):
        model.fit(data.sources)
    assert model.run_.reason == "not_finite"


TABLES = {"a": np.ones((4, 5)), "b": np.ones((4, 3))}


@pytest.mark.parametrize(
    ("params", "given", "message"),
    [
        ({"solver": "sgd"}, TABLES, "solver='sgd' is not allowed; needed: one of 'auto', 'bayes', 'als', 'gd'"),
        ({"penalty": -1}, TABLES, "penalty=-1 is not allowed; needed: a finite number of at least 0"),
        ({"penalty": 1, "solver": "gd"}, TABLES, "needed: 0 with solver='gd'. Or take solver='als'"),
        ({"shared_rank": 2.5}, TABLES, "shared_rank=2.5 .* a whole number of at least 0 or 'auto'"),
        ({"shared_rank": -1}, TABLES, "shared_rank=-1 is not allowed"),
        ({"unique_rank": {"a": 1}}, TABLES, "a rank for every source; source 'b' has none"),
        ({"unique_rank": {"a": 1, "b": -2}}, TABLES, "unique_rank=.* a dictionary by name"),
        ({"unique_rank": -2}, TABLES, "unique_rank=-2 is not allowed"),
        ({"family": "hinge"}, TABLES, "is not known"),
        ({}, {"a": np.ones((4, 5)), "b": np.ones((3, 5))}, "equally many rows"),
        ({}, {"a": np.ones((4, 5)), "b": np.full((4, 5), np.inf)}, r"tables\['b'\]\[0, 0\] = inf"),
        ({}, {}, "0 tables"),
        ({"step": -1}, TABLES, "step=-1 is not allowed; needed: 'auto' or a finite number above 0"),
        ({"start": "luck"}, TABLES, "start='luck' is not allowed"),
        ({"max_iter": 0}, TABLES, "max_iter=0 is not allowed"),
    ],
)
def test_bad_input_is_named(params, given, message):
    model = hs.HeterogeneousFactorization(**{"shared_rank": 1, "unique_rank": 1, **params})
    with pytest.raises(ValueError, match=message):
        model.fit(given)


def test_ranks_that_the_rows_cannot_hold_are_cut_to_what_they_hold():
    rng = np.random.default_rng(0)
    tables = {name: rng.normal(size=(4, 12)) for name in "ab"}
    model = hs.HeterogeneousFactorization(3, {"a": 2, "b": 0}, solver="als", centre=False, random_state=0).fit(tables)
    assert (model.shared_rank_, model.unique_rank_) == (3, {"a": 1, "b": 0})
    assert model.unique_basis_["a"].shape == (4, 1)
    model = hs.HeterogeneousFactorization(9, 1, solver="als", centre=False, random_state=0).fit(tables)
    assert (model.shared_rank_, model.unique_rank_) == (4, {"a": 0, "b": 0})


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 2.0], "map source names"),
        ({"c": 1.0}, "no source 'c'"),
        ({"a": 0.0}, r"weights\['a'\] = 0.0 must be a positive number"),
    ],
)
def test_bad_weights_are_named(weights, message):
    with pytest.raises(ValueError, match=message):
        hs.HeterogeneousFactorization(1, 1).fit(TABLES, weights=weights)


def test_a_new_table_with_other_rows_is_refused(model):
    with pytest.raises(ValueError, match="table has 3 rows, the fit 40"):
        model.transform(np.ones((3, 4)), "source 0")
    with pytest.raises(ValueError, match="no source 'source 9'"):
        model.transform(np.ones((40, 4)), "source 9")


# ---- ranks ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_both_ranks_and_a_penalty_are_chosen_on_held_out_entries():
    data = make_sources_data(6, 50, 40, 2, 1, 0.7, SourcesDesign(noise=0.5), 0)
    model = hs.HeterogeneousFactorization(solver="als", centre=False, random_state=0)
    found = hs.select.choose_source_ranks(model, data.sources, [1, 2, 3], [0, 1, 2], [0.0, 1.0], random_state=0)
    assert found.parameters["shared_rank"] == 2
    assert found.parameters["unique_rank"] == 1
    assert found.to_frame().num_rows == len(found.losses) == 18
    with pytest.raises(ValueError, match="no pair"):
        hs.select.choose_source_ranks(model, data.sources, [60], [1])


@pytest.mark.slow
def test_automatic_ranks_are_those_of_the_truth_and_given_ones_stay():
    data = make_sources_data(6, 50, 40, 2, 1, 0.7, SourcesDesign(noise=0.5), 0)
    model = hs.HeterogeneousFactorization(solver="als", centre=False, random_state=0).fit(data.sources)
    assert (model.shared_rank_, set(model.unique_rank_.values())) == (2, {1})
    same = hs.HeterogeneousFactorization(2, 1, solver="als", centre=False, random_state=0).fit(data.sources)
    np.testing.assert_array_equal(model.shared_basis_, same.shared_basis_)
    half = hs.HeterogeneousFactorization(
        "auto", dict.fromkeys(data.sources.names, 1), solver="als", centre=False, random_state=0
    ).fit(data.sources)
    assert (half.shared_rank_, half.unique_rank) == (2, dict.fromkeys(data.sources.names, 1))
    with pytest.warns(UserWarning, match="have a direction in common"):
        apart = hs.HeterogeneousFactorization(0, "auto", solver="als", centre=False, random_state=0).fit(data.sources)
    assert apart.shared_rank_ == 0


def test_the_smallest_tables_are_one_factor_of_one_source():
    model = hs.HeterogeneousFactorization(solver="als", centre=False).fit([[2.0, 4.0]])
    assert (model.shared_rank_, model.unique_rank_) == (1, {"0": 0})
    np.testing.assert_allclose(model.predict_table("0"), [[2.0, 4.0]])
    with pytest.warns(UserWarning, match="fewer than 2 entries per unknown"):
        model = hs.HeterogeneousFactorization().fit([[2.0, 4.0]])
    assert np.isfinite(model.predict_table("0")).all()  # one row says nothing about noise: it is shrunk


def test_a_fit_keeps_what_it_warned_about():
    model = hs.HeterogeneousFactorization(1, 1, solver="als", centre=False, random_state=0)
    with pytest.warns(UserWarning, match="with one source") as caught:
        model.fit(np.random.default_rng(0).normal(size=(10, 12)))
    assert model.warnings_ == (str(caught[0].message),)
    assert caught[0].filename == __file__
