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
