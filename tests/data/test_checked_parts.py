"""The public doors of a table: parts that are no table are refused where they come in."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halfseen.data import Compressed, Observed

SOUND = {"indptr": [0, 2, 2, 3], "indices": [0, 2, 1], "values": [1.0, 2.0, 3.0], "weights": None, "n_minor": 3}


def made(**changes) -> Compressed:
    parts = {name: np.array(part) if isinstance(part, list) else part for name, part in (SOUND | changes).items()}
    return Compressed(**parts)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"indptr": [1, 2, 2, 3]}, r"must run from 0 to the number of indices \(3\); it runs from 1 to 3"),
        ({"indptr": [0, 2, 2, 4]}, "it runs from 0 to 4"),
        ({"indptr": [0, 3, 2, 3]}, r"indptr must never fall; indptr\[2\] = 2 < 3"),
        ({"indptr": [-1, 2, 2, 3]}, "runs from -1"),
        ({"indptr": np.zeros(0, int)}, "runs nowhere"),
        ({"indptr": [[0, 3]]}, "indptr must be a one-dimensional array of whole numbers"),
        ({"indptr": [0.0, 2.0, 2.0, 3.0]}, "indptr must be a one-dimensional array of whole numbers; got float64"),
        ({"indices": [0, 3, 1]}, r"indices\[1\] = 3 is outside 0\.\.2"),
        ({"indices": [0, -1, 1]}, r"indices\[1\] = -1 is outside"),
        ({"indices": [2, 0, 1]}, r"indices must increase inside each row; indices\[1\] = 0 comes after 2"),
        ({"indices": [2, 2, 1]}, r"indices\[1\] = 2 comes after 2"),
        ({"indices": [0, 2**40, 1]}, r"indices\[1\] = 1099511627776 is outside"),
        (
            {"values": [1.0, 2.0]},
            r"values must hold one float32 or float64 per index, shape \(3,\); got float64 \(2,\)",
        ),
        ({"values": [1, 2, 3]}, "values must hold one float32 or float64 per index"),
        ({"values": ["a", "b", "c"]}, "values must hold one float32"),
        ({"weights": [1.0]}, "weights must hold one float32"),
        ({"n_minor": -1}, "n_minor must be a whole number of at least 0; got -1"),
        ({"n_minor": 2.5}, "n_minor must be a whole number"),
        ({"n_minor": True}, "n_minor must be a whole number"),
    ],
)
def test_parts_that_are_no_table_are_refused_with_the_first_bad_place(changes, text):
    with pytest.raises(ValueError, match=text):
        made(**changes)


def test_a_bad_place_far_in_is_found_across_pieces(monkeypatch):
    monkeypatch.setattr("halfseen.data.compressed.PIECE", 10)
    indices = np.tile(np.arange(5), 20)
    indptr = np.arange(0, 101, 5)
    Compressed(indptr, indices, np.ones(100), None, 5)
    for place in (10, 20, 37, 99):
        wrong = indices.copy()
        wrong[place] = 9
        with pytest.raises(ValueError, match=rf"indices\[{place}\] = 9 is outside"):
            Compressed(indptr, wrong, np.ones(100), None, 5)
    with pytest.raises(ValueError, match=r"indices\[20\] = 0 comes after 0"):  # the first of a piece
        Compressed(np.array([*range(20), 21]), np.zeros(21, int), np.ones(21), None, 5)


@given(st.lists(st.integers(-3, 12), max_size=8), st.lists(st.integers(-3, 8), max_size=8), st.integers(0, 6))
@settings(max_examples=300, deadline=None)
def test_what_is_accepted_is_a_table_and_all_tables_are_accepted(indptr, indices, n_minor):
    steps = list(pairwise(indptr))
    is_table = (
        bool(indptr)
        and indptr[0] == 0
        and indptr[-1] == len(indices)
        and all(a <= b for a, b in steps)
        and all(0 <= k < n_minor for k in indices)
        and all(x < y for a, b in steps for x, y in zip(indices[a:b], indices[a + 1 : b], strict=False))
    )
    parts = np.array(indptr, dtype=int), np.array(indices, dtype=int), np.ones(len(indices))
    if is_table:
        assert Compressed(*parts, None, n_minor).n_major == len(indptr) - 1
    else:
        with pytest.raises(ValueError, match=r"indptr|indices"):
            Compressed(*parts, None, n_minor)


def test_new_values_must_be_one_per_entry():
    with pytest.raises(ValueError, match=r"values must have shape \(3,\), one per entry; got \(2,\)"):
        made().with_values(np.ones(2))
    with pytest.raises(ValueError, match="weights must have shape"):
        made().with_values(np.ones(3), np.ones(4))


def test_a_table_is_made_of_checked_parts_only():
    for wrong in (None, np.eye(2), [[1.0]], "by_rows"):
        with pytest.raises(ValueError, match=r"by_rows must be a Compressed, got .*; build a table with"):
            Observed(wrong)
    with pytest.raises(ValueError, match="row_labels has 1 labels; the table has 3"):
        Observed(made(), ["a"])
