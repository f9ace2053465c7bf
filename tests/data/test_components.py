"""Which parts of a table hang together, against a search of the graph and against every small cut."""

from __future__ import annotations

from importlib import import_module
from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from halfseen.data import Observed
from halfseen.data.components import components


def table(seen: np.ndarray) -> Observed:
    rows, cols = np.nonzero(seen)
    return Observed.from_triplets(rows, cols, np.ones(len(rows)), shape=seen.shape)


def searched(seen: np.ndarray, without: tuple[int, ...] = ()) -> list[set[int]]:
    """Connected components by searching: rows are 0..n-1, columns n..n+p-1; some vertices taken away."""
    n, p = seen.shape
    left = {v for v in range(n + p) if v not in without and (seen[v].any() if v < n else seen[:, v - n].any())}
    parts = []
    while left:
        part, waiting = set(), [left.pop()]
        while waiting:
            v = waiting.pop()
            part.add(v)
            near = n + np.flatnonzero(seen[v]) if v < n else np.flatnonzero(seen[:, v - n])
            for w in set(near.tolist()) & left:
                left.discard(w)
                waiting.append(w)
        parts.append(part)
    return parts


@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(1, 8), st.floats(0.05, 0.6))
@settings(max_examples=150, deadline=None)
def test_parts_are_those_that_a_search_of_the_graph_finds(seed, n, p, density):
    seen = np.random.default_rng(seed).random((n, p)) < density
    if not seen.any():
        return
    parts = components(table(seen))
    expected = searched(seen)
    assert parts.n_parts == len(expected)
    both = np.concatenate([parts.rows, parts.cols])
    for part in expected:
        assert len({int(both[v]) for v in part}) == 1
    assert {v for v in range(n + p) if both[v] < 0} == set(range(n + p)) - set().union(*expected)
    sizes = [int((both == k).sum()) for k in range(parts.n_parts)]
    assert sizes == sorted(sizes, reverse=True)


def blocks(link_cols: int, link_rows: int, seed: int = 0) -> np.ndarray:
    """Two blocks of rows and columns, linked by whole columns and whole rows."""
    rng = np.random.default_rng(seed)
    seen = np.zeros((60, 50), bool)
    seen[:30, :25], seen[30:, 25:] = rng.random((30, 25)) < 0.6, rng.random((30, 25)) < 0.6
    seen[:, :link_cols], seen[:link_rows] = True, True
    return seen


@pytest.mark.parametrize("link_cols", range(4))
@pytest.mark.parametrize("link_rows", range(4))
def test_two_blocks_are_one_from_as_many_common_rows_and_columns_as_asked_for(link_cols, link_rows):
    for common in range(1, 6):
        parts = components(table(blocks(link_cols, link_rows)), common)
        assert parts.n_parts == (1 if link_cols + link_rows >= common else 2), common
        if parts.n_parts == 2:
            assert len(set(parts.rows[link_rows:30].tolist())) == len(set(parts.rows[30:].tolist())) == 1


@given(st.integers(0, 2**32 - 1), st.integers(2, 3))
@example(2237, 2)  # a piece without its link falls apart where the table does not
@example(145687, 2)
@settings(max_examples=60, deadline=None)
def test_a_split_is_always_a_small_cut(seed, common):
    rng = np.random.default_rng(seed)
    seen = rng.random((9, 7)) < rng.uniform(0.2, 0.6)
    if not seen.any():
        return
    parts = components(table(seen), common)
    both = np.concatenate([parts.rows, parts.cols])
    n = 9
    for one, other in combinations(range(parts.n_parts), 2):
        a, b = np.flatnonzero(both == one), np.flatnonzero(both == other)
        apart = any(
            not any(set(a) - set(cut) & part and set(a) - set(cut) <= part | set(cut) and set(b) & part
                    for part in searched(seen, cut))
            for size in range(common) for cut in combinations(range(n + 7), size)
        )  # fmt: skip
        assert apart, (one, other)


def test_ultra_sparse_and_skewed_tables_are_not_split_by_mistake():
    rng = np.random.default_rng(0)
    rows = np.repeat(np.arange(1500), 5)
    cols = np.concatenate([rng.choice(80, 5, replace=False) for _ in range(1500)])
    thin = Observed.from_triplets(rows, cols, np.ones(len(rows)))
    skewed = Observed.from_triplets(
        rng.integers(0, 3000, 60_000), (rng.random(60_000) ** 2 * 900).astype(int), np.ones(60_000), duplicates="first"
    )
    for R in (thin, skewed):
        for common in (1, 2, 3, 5, 9):
            assert components(R, common).n_parts == 1


def test_three_chained_blocks_come_apart_at_every_weak_link():
    rng = np.random.default_rng(1)
    seen = np.zeros((90, 60), bool)
    for k in range(3):
        seen[30 * k : 30 * k + 30, 20 * k : 20 * k + 20] = rng.random((30, 20)) < 0.7
    seen[30:60, 0] = True  # one common column of the first two
    seen[60:90, [20, 21, 22]] = True  # three of the last two
    assert [components(table(seen), common).n_parts for common in (1, 2, 3, 4)] == [1, 2, 2, 3]


@pytest.mark.parametrize("common", [0, -1, 1.5, True, "two"])
def test_numbers_of_common_rows_that_are_none_are_refused(common):
    with pytest.raises(ValueError, match="common must be a whole number of at least 1"):
        components(table(np.eye(3, dtype=bool)), common)


@pytest.mark.parametrize("common", [2, 5])
def test_a_table_that_hangs_together_is_seen_at_once(common, monkeypatch):
    """The short way and the long one agree, on a linked table and on one that falls apart."""
    module = import_module("halfseen.data.components")
    rng = np.random.default_rng(0)
    whole = rng.random((60, 40)) < 0.4
    apart = whole.copy()
    apart[:30, 20:] = apart[30:, :20] = False
    for seen, n_parts in ((whole, 1), (apart, 2)):
        quick = components(table(seen), common)
        with monkeypatch.context() as patch:
            patch.setattr(module, "_is_one", lambda pattern, k: False)
            slow = components(table(seen), common)
        assert quick.n_parts == slow.n_parts == n_parts
        assert quick.rows.tolist() == slow.rows.tolist()
        assert quick.cols.tolist() == slow.cols.tolist()
