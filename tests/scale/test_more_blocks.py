"""Further models on blocks: what each is compared to in memory, and that all others refuse in one place."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import halfseen as hs
from halfseen.methods.moment.on_blocks import column_ranges, moments_of_blocks


def prepared(folder, dense, blocks=4, dtype="float64"):
    """A prepared table of the cells that are not NaN."""
    i, j = np.nonzero(np.isfinite(dense))
    names = np.array([f"person {number:04d}" for number in range(len(dense))])
    pq.write_table(pa.table({"row": names[i], "col": j, "value": dense[i, j]}), folder / "raw.parquet")
    return hs.prepare(folder / "raw.parquet", folder / "table", blocks=blocks, dtype=dtype)


@pytest.fixture(scope="module")
def few_each(tmp_path_factory):
    """Rows of three or four entries of a table of rank two."""
    rng = np.random.default_rng(3)
    dense = rng.normal(size=(900, 2)) @ rng.normal(size=(2, 15)) + 0.2 * rng.normal(size=(900, 15))
    dense[rng.random(dense.shape) > 0.25] = np.nan
    return prepared(tmp_path_factory.mktemp("few"), dense)


class TestSecondMoments:
    @pytest.mark.fast_cases("2")
    @pytest.mark.parametrize("rank", [2, "auto"])
    def test_they_are_those_of_the_table_in_memory(self, few_each, rank):
        whole = few_each.load()
        there, here = (hs.OneSidedCompletion(rank, random_state=0).fit(R) for R in (few_each, whole))
        assert there.rank_ == here.rank_ == 2
        np.testing.assert_allclose(there.moments_.sums, here.moments_.sums, rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(there.moments_.counts, here.moments_.counts)
        assert there.moments_.n_entries == here.moments_.n_entries == few_each.n_entries
        np.testing.assert_allclose(there.second_moment(), here.second_moment(), atol=1e-6)
        rows, cols = whole.row_labels[[3, 500]], whole.col_labels[[1, 7]]
        np.testing.assert_allclose(there.predict(rows, cols), here.predict(rows, cols), atol=1e-5)
        np.testing.assert_allclose(there.predict_table(rows), here.predict_table(rows), atol=1e-5)

    def test_errors_come_from_the_blocks_one_after_the_other(self, few_each):
        there, here = (hs.OneSidedCompletion(2, random_state=0).fit(R) for R in (few_each, few_each.load()))
        pairs = few_each.col_labels[[0, 1, 2]], few_each.col_labels[[3, 4, 2]]
        np.testing.assert_allclose(there.standard_errors(pairs).se, here.standard_errors(pairs).se, rtol=1e-4)

    def test_little_memory_takes_the_columns_in_ranges_and_gives_the_same_bits(self, few_each):
        small = hs.read_table(few_each.folder, memory=2000)
        assert len(column_ranges(15, 2000, 4)) > 2
        one, two = moments_of_blocks(few_each, "serial"), moments_of_blocks(small, "serial")
        for name in ("counts", "sums", "squares", "profile"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))

    def test_saved_models_place_rows_of_the_folder(self, few_each, tmp_path):
        model = hs.OneSidedCompletion(2, random_state=0).fit(few_each)
        hs.save(model, tmp_path / "model.hsm")
        again, rows = hs.load(tmp_path / "model.hsm"), few_each.load().row_labels[[0, 77]]
        np.testing.assert_array_equal(again.predict_table(rows), model.predict_table(rows))
        assert "rank 2" in str(model.summary())

    def test_privacy_and_weights_are_refused(self, few_each):
        private = hs.OneSidedCompletion(2, privacy=hs.Privacy(epsilon=1.0, delta=1e-6, bound=1.0, max_entries=4))
        with pytest.raises(ValueError, match=r"privacy.*table\.load"):
            private.fit(few_each)


@pytest.fixture(scope="module")
def low_rank(tmp_path_factory):
    """Half of the cells of a table of rank three with effects of rows and columns."""
    rng = np.random.default_rng(5)
    truth = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 25)) + rng.normal(size=(200, 1)) + rng.normal(size=25)
    dense = truth + 0.3 * rng.normal(size=truth.shape)
    dense[rng.random(dense.shape) < 0.5] = np.nan
    return truth, prepared(tmp_path_factory.mktemp("low"), dense)


def error(model, truth):
    """Root mean square of what the model is off the truth; rows of the table by their labels."""
    rows = np.array([f"person {number:04d}" for number in range(len(truth))])
    return float(np.sqrt(np.mean(np.square(model.predict_table(rows) - truth))))


class TestSoftImpute:
    @pytest.mark.parametrize("bias_penalty", [3.0, None])
    def test_a_penalty_has_the_solution_of_the_table_in_memory(self, low_rank, bias_penalty):
        given = {"penalty": 8.0, "bias_penalty": bias_penalty, "tol": 1e-10, "max_iter": 2000, "random_state": 0}
        there, here = (hs.SoftImpute(12, **given).fit(R) for R in (low_rank[1], low_rank[1].load()))
        np.testing.assert_allclose(there.singular_values_, here.singular_values_, atol=2e-3)
        rows = here.row_labels_[::9]
        np.testing.assert_allclose(there.predict_table(rows), here.predict_table(rows), atol=2e-3)
        np.testing.assert_allclose(there.transform(low_rank[1].load())[:5], there.row_factors_[np.arange(5)], atol=1e-3)

    @pytest.mark.parametrize("debias", ["auto", True, False])
    def test_a_path_predicts_as_well_as_in_memory(self, low_rank, debias):
        truth, table = low_rank
        there, here = (hs.SoftImpute(8, debias=debias, random_state=0).fit(R) for R in (table, table.load()))
        assert error(there, truth) < 1.05 * error(here, truth)
        assert there.path_ is not None

    def test_debiased_singular_values_fit_best_in_their_vectors(self, low_rank):
        model = hs.SoftImpute(3, penalty=20.0, debias=True, random_state=0).fit(low_rank[1])
        whole = low_rank[1].load()
        i, j = whole.rows, whole.cols
        A, B = np.asarray(model.row_factors_) / model.growth_, model.col_factors_
        left = whole.values - model.mean_ - np.asarray(model.row_bias_)[i] - model.col_bias_[j]
        growth = np.linalg.lstsq(A[i] * B[j], left)[0]
        np.testing.assert_allclose(model.growth_, growth, rtol=1e-6)

    def test_a_part_of_a_table_can_be_fitted(self, low_rank):
        train, _ = low_rank[1].split(0.2, 1)
        model = hs.SoftImpute(3, random_state=0).fit(train)
        assert error(model, low_rank[0]) < 0.6

    @pytest.mark.parametrize("given", [{"rank": "auto"}, {"solver": "low_rank"}])
    def test_what_needs_the_table_in_memory_is_refused(self, low_rank, given):
        with pytest.raises(ValueError, match=r"prepared table.*table\.load"):
            hs.SoftImpute(**{"rank": 2, **given}).fit(low_rank[1])


@pytest.fixture(scope="module")
def sampled(low_rank):
    """The same table sampled in memory and on blocks, for as long."""
    given = {"noise": "equal", "implicit": "none", "max_iter": 400, "burn_in": 50, "random_state": 0}
    return [hs.BayesianFactorization(3, **given).fit(R) for R in (low_rank[1], low_rank[1].load())]


class TestGibbs:
    @pytest.mark.slow
    def test_means_and_spreads_of_cells_are_those_of_the_table_in_memory(self, low_rank, sampled):
        rng, whole = np.random.default_rng(0), low_rank[1].load()
        rows, cols = whole.row_labels[rng.integers(0, 200, 300)], whole.col_labels[rng.integers(0, 25, 300)]
        there, here = (model.inference().entries(rows, cols) for model in sampled)
        gap = (there.estimate - here.estimate) / here.se
        assert np.sqrt(np.mean(gap**2)) < 0.35  # two chains of 400 dependent draws
        assert 0.95 < np.median(there.se / here.se) < 1.05
        assert sampled[0].noise_sd_ == pytest.approx(sampled[1].noise_sd_, rel=0.02)
        assert error(sampled[0], low_rank[0]) < 1.02 * error(sampled[1], low_rank[0])
        assert there.labels["row"].tolist() == rows.tolist()

    def test_intervals_hold_the_truth(self, low_rank, sampled):
        truth, table = low_rank
        rows = np.array([f"person {number:04d}" for number in range(200)])
        i, j = np.divmod(np.arange(0, truth.size, 7), 25)
        cells = sampled[0].inference(level=0.9).entries(rows[i], table.col_labels[j])
        assert 0.85 < np.mean((cells.low < truth[i, j]) & (truth[i, j] < cells.high)) < 0.95

    def test_a_row_has_the_same_draws_whoever_else_is_asked_for(self, sampled):
        draws = sampled[0].draws_
        np.testing.assert_array_equal(draws.rows[np.array([150, 3, 77])][1], draws.rows[3])
        np.testing.assert_allclose(
            np.asarray(sampled[0].row_factors_)[77], draws.rows[77].mean(axis=0)[:-1], atol=1e-12
        )
        assert draws.rows.shape == (200, 400, 4)

    def test_new_rows_are_placed_as_by_the_chain_in_memory(self, low_rank, sampled):
        new, cols = low_rank[1].load().take_rows(np.arange(5)), low_rank[1].col_labels
        there, here = (model.inference().new_rows(new).entries(new.row_labels, cols[:5]) for model in sampled)
        assert np.abs(there.estimate - here.estimate).max() < here.se.max()
        assert 0.8 < np.median(there.se / here.se) < 1.25

    def test_saved_chains_draw_the_same_rows(self, sampled, low_rank, tmp_path):
        hs.save(sampled[0], tmp_path / "model.hsm")
        again, rows = hs.load(tmp_path / "model.hsm"), low_rank[1].load().row_labels[[0, 9]]
        np.testing.assert_array_equal(again.predict_table(rows), sampled[0].predict_table(rows))
        assert "prepared table" in str(again.summary())

    def test_two_chains_are_compared(self, low_rank):
        model = hs.BayesianFactorization(2, max_iter=20, burn_in=10, n_chains=2, random_state=0).fit(low_rank[1])
        assert len(model.draws_) == 40
        assert len(model.r_hat_) == 500

    @pytest.mark.parametrize(
        "given", [{"rank": "auto"}, {"implicit": "both"}, {"noise": "row"}, {"family": "bernoulli"}]
    )
    def test_what_needs_the_table_in_memory_is_refused(self, low_rank, given):
        with pytest.raises(ValueError, match=r"prepared table.*table\.load"):
            hs.BayesianFactorization(**{"rank": 2, **given}).fit(low_rank[1])


class TestDescent:
    @pytest.mark.slow
    def test_it_stops_as_in_memory_and_predicts_as_well(self, low_rank):
        truth, table = low_rank
        given = {"centre": "both", "random_state": 0}
        there, here = (hs.OverparametrizedFactorization(8, **given).fit(R) for R in (table, table.load()))
        # other entries are held out: in memory the error is .27 to .30 over four seeds, the time 133 to 170
        assert there.stop_time_ == pytest.approx(here.stop_time_, rel=0.35)
        assert there.top_ == pytest.approx(here.top_, rel=0.02)
        np.testing.assert_allclose(there.singular_values_[:3], here.singular_values_[:3], rtol=0.05)
        assert error(there, truth) < 1.2 * error(here, truth)

    def test_means_that_explain_a_tenth_are_taken_out(self, low_rank):
        model = hs.OverparametrizedFactorization(2, stop=5, random_state=1).fit(low_rank[1])
        assert np.std(model.centre_.cols) > 0.5
        assert np.std(np.asarray(model.centre_.rows)) > 0.5

    def test_an_iterate_is_that_of_the_same_steps_in_memory(self, low_rank):
        table = low_rank[1]
        model = hs.OverparametrizedFactorization(4, stop=15, centre="mean", random_state=0).fit(table)
        # the same start, from the files of the first rows and the columns of one step
        from halfseen.engines import EntryPasses
        from halfseen.losses import get_loss
        from halfseen.solvers import EntryObjective, FactorDescent, Factors, loop

        whole, rng = table.load(), np.random.default_rng(int(np.random.default_rng(0).integers(2**31)))
        size = 1e-3 / (3.0 * np.sqrt(sum(table.shape) + 4)) * np.sqrt(model.top_)
        F = size * rng.spawn(1)[0].standard_normal((table.shape[0], 4))
        G = size * rng.standard_normal((table.shape[1], 4))
        passes = EntryPasses(whole, get_loss("gaussian"), "serial", np.full(whole.n_entries, model.centre_.mean))
        run = loop(FactorDescent(EntryObjective(passes), model.step_), Factors(F, G), max_iter=15)
        want = run.params.left @ run.params.right.T
        np.testing.assert_allclose(np.asarray(model.left_) @ model.right_.T, want, atol=1e-9 * np.abs(want).max())

    def test_saved_models_read_their_rows_from_the_files(self, low_rank, tmp_path):
        model = hs.OverparametrizedFactorization(4, stop=40, random_state=0).fit(low_rank[1])
        hs.save(model, tmp_path / "model.hsm")
        again, rows = hs.load(tmp_path / "model.hsm"), low_rank[1].load().row_labels[[0, 9]]
        np.testing.assert_array_equal(again.predict_table(rows), model.predict_table(rows))
        new = low_rank[1].load().take_rows(np.arange(5))
        assert model.predict(new).shape == (5, 25)

    @pytest.mark.parametrize("given", [{"family": "bernoulli"}, {"stop": "discrepancy"}, {"is_guarded": True}])
    def test_what_needs_the_table_in_memory_is_refused(self, low_rank, given):
        with pytest.raises(ValueError, match=r"prepared table.*table\.load"):
            hs.OverparametrizedFactorization(2, **given).fit(low_rank[1])


@pytest.fixture(scope="module")
def three_sources(tmp_path_factory):
    """Prepared tables over the same people, the last of which has only some of them."""
    rng = np.random.default_rng(8)
    shared, tables = rng.normal(size=(80, 2)), {}
    for place, name in enumerate(["films", "books", "songs"]):
        dense = shared @ rng.normal(size=(2, 12 + place)) + rng.normal(size=(80, 1)) @ rng.normal(size=(1, 12 + place))
        dense += 0.05 * rng.normal(size=dense.shape) + rng.normal(size=12 + place)
        dense[rng.random(dense.shape) < 0.3] = np.nan
        dense[60 + 20 * (place < 2) :] = np.nan
        tables[name] = prepared(tmp_path_factory.mktemp(name), dense, blocks=2 + place)
    return tables


class TestSources:
    @pytest.mark.filterwarnings("ignore:the fit ended after")
    @pytest.mark.parametrize("solver", ["als", "scaled-gd"])
    def test_they_give_the_bits_of_the_tables_in_memory(self, three_sources, solver):
        model = hs.HeterogeneousFactorization(2, 1, solver=solver, max_iter=30, tol=0, random_state=0)
        whole = hs.Sources({name: table.load() for name, table in three_sources.items()}, rows="union")
        here = hs.HeterogeneousFactorization(**model.get_params()).fit(whole)
        there = model.fit(three_sources)
        np.testing.assert_array_equal(there.shared_basis_, here.shared_basis_)
        np.testing.assert_array_equal(there.row_labels_, here.row_labels_)
        for name in three_sources:
            np.testing.assert_array_equal(there.unique_loadings_[name], here.unique_loadings_[name])
            assert there.shares_[name]["shared"] == pytest.approx(here.shares_[name]["shared"], abs=1e-9)
        np.testing.assert_array_equal(there.predict_table("films"), here.predict_table("films"))

    @pytest.mark.filterwarnings("ignore:the fit ended after")
    def test_little_memory_opens_a_source_at_a_time(self, three_sources, monkeypatch):
        from halfseen.methods.heterogeneous import stored

        monkeypatch.setattr(stored, "_OPEN", type(stored._OPEN)())
        small = {name: hs.read_table(table.folder, memory=1) for name, table in three_sources.items()}
        given = {"solver": "als", "penalty": 0.1, "max_iter": 5, "tol": 0, "random_state": 0}
        one = hs.HeterogeneousFactorization(2, 1, **given).fit(small)
        assert len(stored._OPEN) == 1
        two = hs.HeterogeneousFactorization(2, 1, **given).fit(three_sources)
        assert len(stored._OPEN) == 3
        np.testing.assert_array_equal(one.shared_basis_, two.shared_basis_)

    @pytest.mark.parametrize(
        ("given", "match"),
        [({}, "solver"), ({"solver": "als", "shared_rank": "auto"}, "shared_rank"), ({"solver": "als"}, "prepare all")],
    )
    def test_what_needs_them_in_memory_is_refused(self, three_sources, given, match):
        given = {"shared_rank": 2, "unique_rank": 1, **given}
        mixed = dict(three_sources) | ({"films": three_sources["films"].load()} if match == "prepare all" else {})
        with pytest.raises(ValueError, match=match):
            hs.HeterogeneousFactorization(**given).fit(mixed)
