"""Fits over blocks: the numbers of the table in memory, the same bits in every place, and after every interruption."""

from __future__ import annotations

import numpy as np
import pytest
from prepared_tables import entries, write_raw

import halfseen as hs
from halfseen.linalg.packed import solve_packed
from halfseen.solvers import checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    base = tmp_path_factory.mktemp("prepared")
    hs.prepare(write_raw(base / "raw", entries(), "parquet"), base / "table", blocks=5)
    return base / "table"


MODELS = {
    "least squares": lambda **more: hs.AlternatingLeastSquares(2, penalty=0.1, max_iter=6, random_state=0, **more),
    "weights of counts": lambda **more: hs.AlternatingLeastSquares(
        3, penalty=0.1, alpha=1.0, max_iter=4, tol=1e-3, random_state=1, **more
    ),
    "biases": lambda **more: hs.BiasModel(max_iter=7, tol=1e-12, **more),
}
# Of these rounds are not those in memory; test_factor_blocks.py and test_more_blocks.py say what they are compared to.
OTHERWISE = {
    "factors": lambda **more: hs.GeneralizedFactorModel(2, max_iter=12, random_state=0, **more),
    "nuclear norm": lambda **more: hs.SoftImpute(3, n_penalties=4, max_iter=5, random_state=0, **more),
    "draws": lambda **more: hs.BayesianFactorization(2, max_iter=6, burn_in=2, start_iter=1, random_state=0, **more),
    "descent": lambda **more: hs.OverparametrizedFactorization(3, stop=12, random_state=0, **more),
    "second moments": lambda **more: hs.OneSidedCompletion(2, max_iter=15, random_state=0, **more),
}
IN_MEMORY = dict(MODELS)
MODELS |= OTHERWISE
every_model = pytest.mark.parametrize("name", MODELS)


def bits(model):
    names = ("col_factors_", "col_bias_", "intercept_", "components_", "row_factors_", "row_bias_", "left_")
    return [np.asarray(getattr(model, name)) for name in names if hasattr(model, name)]


def assert_same_bits(model, other):
    for one, two in zip(bits(model), bits(other), strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(model.run_.trace.value, other.run_.trace.value)


@pytest.mark.filterwarnings("ignore:.*max_iter", "ignore:rows have")
@pytest.mark.parametrize("name", IN_MEMORY)
def test_blocks_give_the_numbers_of_the_table_in_memory(folder, name):
    table = hs.read_table(folder, memory="1GB")
    there, here = MODELS[name]().fit(table), MODELS[name]().fit(table.load())
    np.testing.assert_allclose(there.run_.trace.value, here.run_.trace.value, rtol=2e-6)
    for one, two in zip(bits(there), bits(here), strict=True):
        np.testing.assert_allclose(one, two, atol=2e-5)
    rows, cols = table.load().row_labels[[5, 0, 41]], table.col_labels[[3, 1, 0]]
    np.testing.assert_allclose(there.predict(rows, cols), here.predict(rows, cols), atol=2e-5)
    assert there.score(table.load()) == pytest.approx(here.score(table.load()), rel=1e-5)


@pytest.mark.filterwarnings("ignore:.*max_iter", "ignore:rows have")
@every_model
def test_threads_and_disks_give_the_same_bits(folder, name):
    serial = MODELS[name]().fit(hs.read_table(folder, memory="1GB"))
    assert_same_bits(serial, MODELS[name]().fit(hs.read_table(folder, memory=1)))
    with hs.engine("threads", workers=3):
        assert_same_bits(serial, MODELS[name]().fit(hs.read_table(folder, memory=1)))


@pytest.mark.filterwarnings("ignore:.*max_iter", "ignore:rows have")
@every_model
def test_a_fit_that_was_interrupted_goes_on_with_the_same_bits(folder, tmp_path, monkeypatch, name):
    table = hs.read_table(folder)
    whole = MODELS[name]().fit(table)
    keep = checkpoint.RunKeeper.keep

    def interrupted(self, params, rows, reason):
        keep(self, params, rows, reason)
        if len(rows) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint.RunKeeper, "keep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        MODELS[name]().fit(table, checkpoint=tmp_path / "kept")
    monkeypatch.setattr(checkpoint.RunKeeper, "keep", keep)
    resumed = MODELS[name]().fit(table, checkpoint=tmp_path / "kept", resume=True)
    assert_same_bits(resumed, whole)
    assert_same_bits(MODELS[name]().fit(table, checkpoint=tmp_path / "kept", resume=True), whole)  # a complete one


@pytest.mark.filterwarnings("ignore:.*max_iter", "ignore:rows have")
def test_a_full_disk_leaves_the_last_checkpoint_whole(folder, tmp_path, monkeypatch):
    table, model = hs.read_table(folder), MODELS["least squares"]
    whole, fsync, calls = model().fit(table), checkpoint.os.fsync, []

    def full(number):
        calls.append(number)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        fsync(number)

    monkeypatch.setattr(checkpoint.os, "fsync", full)
    with pytest.raises(OSError, match=r"iteration 3 could not be written .*that of iteration 2 is whole"):
        model().fit(table, checkpoint=tmp_path)
    assert_same_bits(model().fit(table, checkpoint=tmp_path, resume=True), whole)


def test_a_model_of_a_prepared_table_is_stored_with_its_columns_only(folder, tmp_path):
    table = hs.read_table(folder)
    model = MODELS["least squares"]().fit(table)
    hs.save(model, tmp_path / "model.hsm")
    again, rows = hs.load(tmp_path / "model.hsm"), table.load().row_labels[[2, 50]]
    np.testing.assert_array_equal(again.predict(rows, table.col_labels[:2]), model.predict(rows, table.col_labels[:2]))
    np.testing.assert_array_equal(model.row_factors_.rows(rows), np.asarray(model.row_factors_)[table.find_rows(rows)])
    model.row_factors_.to_parquet(tmp_path / "rows")
    import pyarrow.parquet as pq

    written = pq.read_table(tmp_path / "rows").to_pandas().set_index("row")
    np.testing.assert_array_equal(written.loc[rows].to_numpy(), model.row_factors_.rows(rows))


def test_the_penalty_is_chosen_on_a_part_of_the_blocks(folder):
    table = hs.read_table(folder)
    there, here = (hs.AlternatingLeastSquares(2, max_iter=5, random_state=0).fit(R) for R in (table, table.load()))
    assert there.penalty_ == pytest.approx(here.penalty_, rel=1.5)
    assert there.penalty_choice_ is not None


def test_packed_systems_are_solved_as_full_ones():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(7, 4, 4))
    H, ridge, g = A @ A.transpose(0, 2, 1), rng.uniform(0.1, 1, (7, 4)), rng.normal(size=(7, 4))
    lower = np.tril_indices(4)
    want = np.stack([np.linalg.solve(h + np.diag(r), x) for h, r, x in zip(H, ridge, g, strict=True)])
    np.testing.assert_allclose(solve_packed(H[:, lower[0], lower[1]], ridge, g), want, rtol=1e-10)
