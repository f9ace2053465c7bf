"""Large tables of answers as bytes are read where they stand."""

from __future__ import annotations

import numpy as np
import pytest
from rows_truth import two_choice

import halfseen as hs
from halfseen.methods.response import rows_bytes


@pytest.fixture(scope="module")
def answers():
    y, *_ = two_choice(700, 6, missing=0.3, seed=1)
    y[:, 5] = 1
    return y


def test_a_table_of_bytes_gives_what_its_numbers_give(answers, monkeypatch):
    plain = hs.ItemResponseModel().fit(rows_bytes.as_numbers(answers))
    small = hs.ItemResponseModel().fit(answers)
    monkeypatch.setattr(rows_bytes, "FEWEST_CELLS", 1000)
    large = hs.ItemResponseModel().fit(answers)
    for model in (small, large):
        np.testing.assert_allclose(model.row_factors_, plain.row_factors_, atol=1e-9)
        np.testing.assert_allclose(model.predict_table(), plain.predict_table(), atol=1e-9)
        assert model.items_["flag"][5] == "all right"
    # of a column outside the model, large tables know the common answer, not each row's own
    np.testing.assert_allclose(
        large.inference().scores("these").estimate, plain.inference().scores("these").estimate, atol=1e-3
    )


def test_totals_of_columns_are_counted_a_block_at_a_time(answers, monkeypatch):
    monkeypatch.setattr(rows_bytes, "ROWS_AT_ONCE", 64)
    sums, counts = rows_bytes.ByteTable(answers).column_totals()
    seen = answers != 255
    np.testing.assert_array_equal(counts, seen.sum(axis=0))
    np.testing.assert_array_equal(sums, np.where(seen, answers, 0).sum(axis=0))


def test_new_rows_may_be_bytes(answers):
    model = hs.ItemResponseModel().fit(answers)
    np.testing.assert_allclose(model.transform(answers[:9]), model.row_factors_[:9], atol=1e-9)
