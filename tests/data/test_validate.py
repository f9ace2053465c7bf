"""The edge where estimators take their input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from halfseen.data import Observed, as_observed, check_support

DENSE = np.array([[1.0, np.nan, 0.0], [2.0, 3.0, np.nan]])


@pytest.mark.parametrize(
    "given",
    [
        DENSE,
        DENSE.tolist(),
        np.asfortranarray(DENSE),
        DENSE.astype(object),
        np.ma.masked_invalid(DENSE),
        Observed.from_dense(DENSE),
        Observed.from_dense(DENSE).to_csr(),
        Observed.from_dense(DENSE).to_coo(),
        pd.DataFrame(DENSE),
        pl.DataFrame(dict(zip("abc", DENSE.T.copy(), strict=True))),
        pa.table({name: pa.array(column, from_pandas=True) for name, column in zip("abc", DENSE.T, strict=True)}),
    ],
    ids=lambda given: type(given).__name__,
)
def test_everything_an_estimator_takes_becomes_the_same_table(given):
    np.testing.assert_array_equal(as_observed(given).to_dense(), DENSE)


def test_an_observed_passes_through_and_dtype_is_obeyed():
    table = Observed.from_dense(DENSE)
    assert as_observed(table) is table
    assert as_observed(table, dtype=np.float32).dtype == np.float32
    assert as_observed(DENSE, dtype="float32").dtype == np.float32
    assert as_observed(DENSE.astype(np.float32)).dtype == np.float32
    with pytest.raises(ValueError, match="float32 or float64"):
        as_observed(DENSE, dtype="int64")


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        (np.array([[1.0, np.inf]]), ValueError, r"Input R contains infinity: R\[0, 1\] = inf"),
        (sparse.csr_array(np.array([[1.0, np.nan]])), ValueError, r"first R\[0, 1\] = nan"),
        (sparse.csr_array((2, 2)), ValueError, "R has 0 entries"),
        (np.array([1.0]), ValueError, "Expected 2D array, got 1D array instead: R has shape"),
        (np.empty((0, 3)), ValueError, r"R: 0 sample\(s\)"),
        (np.array([["a"]]), ValueError, "R must be numbers"),
        (np.array([[{"foo": "bar"}, 1.0]], dtype=object), TypeError, "argument must be .* string.* number"),
        (pd.DataFrame({"a": [1.0], "b": ["x"]}), ValueError, "column 'b'"),
        (Observed.from_dense([[1.0]]).select(np.array([False])), ValueError, "R has 0 entries"),
        ("ratings.csv", ValueError, "R must be numbers"),
        (None, ValueError, "R"),
    ],
)
def test_what_cannot_be_a_table_is_refused_by_name(given, error, text):
    with pytest.raises(error, match=text):
        as_observed(given)


@dataclass
class Toy:
    name: str = "bernoulli"
    support: str = "values 0 or 1"
    advice: str | None = None

    def invalid(self, y):
        return (y != 0) & (y != 1)


def test_values_outside_the_support_are_counted_and_the_first_is_named_by_its_labels():
    table = Observed.from_triplets(["gpt-2", "gpt-2", "gpt-3"], ["q17", "q2", "q2"], [3, 1, 0.5])
    text = r"loss='bernoulli' needs values 0 or 1; 2 entries are outside, first R\['gpt-2', 'q17'\] = 3. Choose another"
    with pytest.raises(ValueError, match=text):
        check_support(table, Toy())
    with pytest.raises(ValueError, match=r"family='bernoulli' .* Use loss='poisson' or binarise."):
        check_support(table, Toy(advice="Use loss='poisson' or binarise."), argument="family")
    check_support(table.with_values([1.0, 0.0, 1.0]), Toy())


def test_negative_and_fractional_counts_are_refused_by_the_losses_of_the_library():
    losses = pytest.importorskip("halfseen.losses")
    for family, bad in (("poisson", -1.0), ("poisson", 0.5), ("binomial(4)", 5.0), ("bernoulli", 2.0)):
        table = Observed.from_triplets([0, 1], [0, 1], [1.0, bad])
        with pytest.raises(ValueError, match=r"1 entry is outside, first R\[1, 1\] = "):
            check_support(table, losses.get_loss(family))
    check_support(Observed.from_triplets([0, 1], [0, 1], [0.0, 4.0]), losses.get_loss("poisson"))
