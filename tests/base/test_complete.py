"""``model.complete``: what comes back, in which type, and what stays as it was."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

import halfseen as hs
from halfseen.data.outgoing import fingerprint

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def table():
    """30 x 6, rank 1 with biases; a fifth missing, and one row and one column whole."""
    rng = np.random.default_rng(0)
    table = 5 + rng.normal(size=(30, 1)) + rng.normal(size=6) + np.outer(rng.normal(size=30), rng.normal(size=6))
    table[rng.random(table.shape) < 0.2] = np.nan
    table[4] = table[:, 2] = 3.25
    return table


@pytest.fixture(scope="module")
def model(table):
    return hs.AlternatingLeastSquares(2, random_state=0).fit(table)


NAMES = [f"sensor {k}" for k in range(6)]


def assert_filled(array, table, model):
    """Seen cells as they were, others as predicted."""
    seen = np.isfinite(table)
    np.testing.assert_array_equal(array[seen], table[seen].astype(array.dtype))
    np.testing.assert_allclose(array[~seen].astype(float), model.predict_table()[~seen], rtol=1e-5)


def test_an_array_comes_back_filled_and_the_given_one_stays(table, model):
    before = table.copy()
    completed = model.complete(table)
    assert_filled(completed, table, model)
    np.testing.assert_array_equal(table, before)
    assert completed.dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_dtype_of_an_array_is_kept(table, model, dtype):
    narrow = table.astype(dtype)
    completed = hs.ColumnMean().fit(narrow).complete(narrow)
    assert completed.dtype == dtype
    np.testing.assert_array_equal(completed[np.isfinite(narrow)], narrow[np.isfinite(narrow)])


def test_lists_arrays_of_objects_and_masked_arrays_come_back(table, model):
    listed = [[None if np.isnan(x) else x for x in line] for line in table.tolist()]
    assert_filled(model.complete(listed), table, model)
    objects = np.array(listed, dtype=object)
    completed = model.complete(objects)
    assert completed.dtype == object
    assert_filled(completed.astype(float), table, model)
    masked = np.ma.masked_invalid(table)
    completed = model.complete(masked)
    assert isinstance(completed, np.ma.MaskedArray)
    assert not completed.mask.any()
    assert_filled(completed.data, table, model)


def test_a_table_of_whole_numbers_without_gaps_comes_back_as_it_is():
    whole = np.arange(12).reshape(4, 3) % 5
    completed = hs.ColumnMean().fit(whole).complete(whole)
    assert completed.dtype == whole.dtype
    np.testing.assert_array_equal(completed, whole)
    masked = np.ma.masked_array(whole, mask=np.eye(4, 3, dtype=bool))
    assert hs.ColumnMean().fit(masked).complete(masked).dtype == np.float64


def test_a_sparse_matrix_becomes_an_array_and_an_observed_stays_one(table, model):
    i, j = np.nonzero(np.isfinite(table))
    stored = sp.csr_array((table[i, j], (i, j)), shape=table.shape)
    assert_filled(model.complete(stored), table, model)
    observed = hs.Observed.from_dense(table)
    completed = model.complete(observed)
    assert isinstance(completed, hs.Observed)
    assert completed.density == 1.0
    assert_filled(completed.to_dense(), table, model)


@pytest.mark.filterwarnings("ignore:.*groups that share no column")
def test_what_is_too_large_to_fill_is_refused_with_a_way_out():
    rng = np.random.default_rng(0)
    R = hs.Observed.from_triplets(
        rng.integers(20_000, size=5000), rng.integers(9_000, size=5000), rng.normal(size=5000), shape=(20_000, 9_000),
        duplicates="first",
    )  # fmt: skip
    model = hs.BiasModel().fit(R)
    with pytest.raises(ValueError, match=r"20000 x 9000 cells.*complete at most 11111 rows at a time.*predict\(rows"):
        model.complete(R)
    part = model.complete(R.take_rows(range(10)))
    assert part.shape == (10, 9000)


class TestFrames:
    def test_pandas_keeps_index_names_and_dtypes_of_columns(self, table):
        frame = pd.DataFrame(table, columns=NAMES, index=[f"day {k}" for k in range(30)])
        frame["sensor 0"] = frame["sensor 0"].astype("float32")
        frame["sensor 1"] = frame["sensor 1"].astype("Float64")
        frame["sensor 2"] = np.arange(30)  # whole, nothing missing
        frame["sensor 3"] = (frame["sensor 3"] * 4).round().astype("Int64")
        frame["sensor 4"] = frame["sensor 4"].astype("double[pyarrow]")
        before, model = frame.copy(), hs.AlternatingLeastSquares(2, random_state=0).fit(frame)
        completed = model.complete(frame)
        pd.testing.assert_frame_equal(frame, before)
        kinds = ["float32", "Float64", "int64", "Float64", "double[pyarrow]", "float64"]
        assert list(map(str, completed.dtypes)) == kinds
        assert completed.index.equals(frame.index)
        assert not completed.isna().any().any()
        seen = frame.notna().to_numpy()
        given, filled = frame.astype("float64").to_numpy(), completed.astype("float64").to_numpy()
        np.testing.assert_array_equal(filled[seen], given[seen])
        np.testing.assert_allclose(filled[~seen], model.predict_table()[~seen], rtol=1e-6)

    def test_polars_keeps_names_and_kinds_of_floats(self, table):
        frame = pl.DataFrame({name: table[:, k] for k, name in enumerate(NAMES)}).fill_nan(None)
        frame = frame.with_columns(pl.col("sensor 0").cast(pl.Float32), pl.col("sensor 3").round().cast(pl.Int32))
        model = hs.ColumnMean().fit(frame)
        completed = model.complete(frame)
        assert isinstance(completed, pl.DataFrame)
        assert completed.columns == NAMES
        assert completed.dtypes == [pl.Float32, pl.Float64, pl.Float64, pl.Float64, pl.Float64, pl.Float64]
        assert completed.null_count().sum_horizontal()[0] == 0
        mean = frame["sensor 1"].mean()
        gaps = frame["sensor 1"].is_null()
        assert completed["sensor 1"].filter(gaps).to_list() == pytest.approx([mean] * int(gaps.sum()))
        assert completed["sensor 1"].filter(~gaps).equals(frame["sensor 1"].filter(~gaps))

    def test_pyarrow_keeps_its_schema(self, table):
        schema = pa.schema([pa.field(name, pa.float64(), metadata={"unit": "K"}) for name in NAMES])
        arrow = pa.table([pa.array(table[:, k], from_pandas=True) for k in range(6)], schema=schema)
        model = hs.ColumnMean().fit(arrow)
        completed = model.complete(arrow)
        assert isinstance(completed, pa.Table)
        assert completed.schema.equals(schema, check_metadata=True)
        assert all(column.null_count == 0 for column in completed.columns)
        seen = np.isfinite(table)
        filled = np.column_stack([column.to_numpy() for column in completed.columns])
        np.testing.assert_array_equal(filled[seen], table[seen])

    def test_columns_in_another_order_are_filled_by_name(self, table):
        frame = pd.DataFrame(table, columns=NAMES)
        model = hs.AlternatingLeastSquares(2, random_state=0).fit(hs.Observed.from_wide(frame))
        turned = hs.Observed.from_wide(frame[NAMES[::-1]])
        completed = model.complete(turned)
        assert completed.col_labels.tolist() == NAMES[::-1]
        wanted = model.predict(frame[NAMES].to_numpy())
        gaps = np.isnan(table)
        np.testing.assert_allclose(completed.to_dense()[:, ::-1][gaps], wanted[gaps])


def test_an_xarray_keeps_coordinates_and_attributes(table, model):
    xr = pytest.importorskip("xarray")
    array = xr.DataArray(
        table, dims=("time", "sensor"), coords={"time": np.arange(30) * 60, "sensor": NAMES}, attrs={"unit": "K"},
        name="readings",
    )  # fmt: skip
    fitted = hs.AlternatingLeastSquares(2, random_state=0).fit(array)
    completed = fitted.complete(array)
    assert isinstance(completed, xr.DataArray)
    assert completed.coords.equals(array.coords)
    assert (completed.attrs, completed.name, completed.dims) == (array.attrs, array.name, array.dims)
    assert_filled(completed.values, table, fitted)
    assert np.isnan(array.values).any()


class TestRows:
    def test_the_table_of_the_fit_takes_its_fitted_rows_and_others_are_placed(self, table):
        model = hs.BayesianFactorization(2, max_iter=30, random_state=0).fit(table)
        gaps = np.isnan(table)
        np.testing.assert_array_equal(model.complete(table)[gaps], model.predict_table()[gaps])
        other = table + 0.0
        other[0, np.flatnonzero(np.isfinite(table[0]))[0]] += 1.0
        np.testing.assert_allclose(model.complete(other)[gaps], model.predict(other)[gaps])
        assert not np.array_equal(model.complete(other)[1:][gaps[1:]], model.predict_table()[1:][gaps[1:]])

    def test_new_rows_are_completed_one_by_one(self, table, model):
        together = model.complete(table[:10])
        np.testing.assert_allclose(model.complete(table[3:4]), together[3:4], rtol=1e-10)

    def test_tables_differ_by_their_entries(self, table):
        one = hs.Observed.from_dense(table)
        changed = table.copy()
        changed[4, 4] = np.nextafter(changed[4, 4], 9)
        moved = table.copy()
        moved[4, 4] = np.nan
        assert fingerprint(one) == fingerprint(hs.Observed.from_dense(table.copy()))
        assert len({fingerprint(hs.Observed.from_dense(each)) for each in (table, changed, moved, table[:-1])}) == 4

    def test_rows_with_features_are_known_by_name(self):
        rng = np.random.default_rng(0)
        F = rng.normal(size=(20, 3))
        truth = F @ rng.normal(size=(3, 8))
        names, columns = np.array([f"p{k}" for k in range(20)]), np.array([f"t{k}" for k in range(8)])
        dense = np.where(rng.random(truth.shape) < 0.7, truth, np.nan)
        R = hs.Observed.from_dense(dense, row_labels=names, col_labels=columns)
        model = hs.InductiveCompletion(3, "linear", penalty=1e-6, random_state=0).fit(R, row_features=F)
        part = R.take_rows([3, 1])
        np.testing.assert_allclose(model.complete(part).to_dense(), truth[[3, 1]], atol=0.05)
        with pytest.raises(ValueError, match="rows of this model are placed by their features"):
            model.complete(dense[:2])

    def test_other_columns_are_refused(self, model, table):
        with pytest.raises(ValueError, match="5 features"):
            model.complete(table[:, :5])


class TestDraws:
    def test_draws_of_a_posterior_spread_as_the_predictive_interval_says(self):
        rng = np.random.default_rng(0)
        truth = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 20))
        table = np.where(rng.random(truth.shape) < 0.6, truth + 0.5 * rng.normal(size=truth.shape), np.nan)
        model = hs.BayesianFactorization(3, max_iter=300, random_state=0).fit(table)
        gaps = np.isnan(table)
        tables = model.complete_draws(table, 60, random_state=1)
        assert all(np.array_equal(drawn[~gaps], table[~gaps]) for drawn in tables)
        spread = np.std([drawn[gaps] for drawn in tables], axis=0, ddof=1)
        stated = model.inference().responses(*np.nonzero(gaps)).se
        # 60 draws know a standard deviation to 9 %, the mean of hundreds of cells far better
        assert np.mean(spread / stated) == pytest.approx(1.0, abs=0.06)
        placed = model.complete_draws(table[:20], 60, random_state=1)
        there = np.std([drawn[gaps[:20]] for drawn in placed], axis=0, ddof=1)
        assert np.mean(there / stated[: gaps[:20].sum()]) == pytest.approx(1.0, abs=0.12)

    def test_draws_from_intervals_are_responses_of_the_family(self):
        data = hs.datasets.make_factor_data(200, 30, 1, "bernoulli", observed=0.7, random_state=0)
        model = hs.GeneralizedFactorModel(1, "bernoulli", penalty="map", random_state=0).fit(data.observed)
        drawn = [table.to_dense() for table in model.complete_draws(data.observed, 40, random_state=0)]
        assert set(np.unique(drawn)) == {0.0, 1.0}
        gaps = np.ones(data.mean.shape, dtype=bool)
        gaps[data.observed.rows, data.observed.cols] = False
        # 40 answers a cell, some 1800 cells
        assert np.mean(drawn, axis=0)[gaps].mean() == pytest.approx(model.predict_table()[gaps].mean(), abs=0.02)

    def test_the_seed_decides(self, table):
        model = hs.BayesianFactorization(2, max_iter=40, random_state=0).fit(table)
        one, two, other = (model.complete_draws(table, 2, random_state=seed) for seed in (0, 0, 1))
        np.testing.assert_array_equal(one, two)
        assert not np.array_equal(one, other)
        assert len(model.complete_draws(table, 90, random_state=0)) == 90  # more than were kept

    @pytest.mark.filterwarnings("ignore:cells are not missing", "ignore:rows with high values")
    def test_models_without_anything_to_draw_from_say_so(self, table, model):
        with pytest.raises(ValueError, match="AlternatingLeastSquares has neither a posterior nor intervals"):
            model.complete_draws(table)
        factor = hs.GeneralizedFactorModel(1, penalty="none", random_state=0).fit(table)
        with pytest.raises(ValueError, match="for the table of the fit only, and this is another one"):
            factor.complete_draws(table[:10])
        with pytest.raises(ValueError, match="n_draws=0 is not allowed"):
            factor.complete_draws(table, 0)
