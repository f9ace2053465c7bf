"""Which rows and columns of a table hang together: what was observed links them, or does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import BoolArray, IntArray

# Connected components with a smaller share of the entries are not looked into for thin links.
LEAST_SHARE = 1e-3


@dataclass(frozen=True)
class Components:
    """Parts of a table that are linked by what was observed.

    Attributes
    ----------
    rows, cols : int array (n_rows,), (n_cols,)
        Part of each row and column, the largest part first; -1 for rows and columns that belong to none (no entry, or
        too few in common with any part).
    n_parts : int
    common : int
        How many columns (or rows) two parts had to share to become one.
    """

    rows: IntArray
    cols: IntArray
    n_parts: int
    common: int

    @property
    def row_counts(self) -> IntArray:
        """Rows of each part."""
        return np.bincount(self.rows[self.rows >= 0], minlength=self.n_parts)

    @property
    def col_counts(self) -> IntArray:
        """Columns of each part."""
        return np.bincount(self.cols[self.cols >= 0], minlength=self.n_parts)


def components(observed: Any, common: int = 1) -> Components:
    r"""Cut a table into the parts between which nothing can be compared.

    With ``common=1`` these are the connected components of the graph in which an entry joins a row and a column.
    A model of rank :math:`r` with intercepts needs more: the factors of two parts come into one system of coordinates
    only through at least :math:`r + 1` rows or columns that both have, so ``common=r + 1``.

    Parameters
    ----------
    observed : Observed, or anything with ``by_rows`` and ``shape``
    common : int
        At least 1. Parts are apart where fewer rows and columns than this hold them together.

    Returns
    -------
    Components
        Rows and columns that link two parts are counted to the one that has more of their entries.

    Notes
    -----
    ``common=1``: O(E) time and memory. Above, with :math:`k` for it: rows and columns of fewer than :math:`k` entries
    link nothing and are set aside. A part grows from a row by the rows that share :math:`k` columns with it, the
    columns that :math:`k` of these have, and so on; what is left is apart if fewer than :math:`k` rows and columns
    of the part touch it (a vertex cut, so a split is certain). Growth starts from :math:`k` rows in turn, as a
    single one may itself be the link. A piece is looked into again together with its links. Where growth stops early
    nothing is split: a missed split is possible in very sparse tables (and in components with less than a thousandth
    of the entries, which are not looked into), a false one is not. Time: O(k E) per round of growth.

    Examples
    --------
    >>> import halfseen as hs
    >>> nan = float("nan")
    >>> R = hs.Observed.from_dense([[1, 2, nan], [3, 4, nan], [nan, nan, 5]])
    >>> parts = components(R)
    >>> parts.n_parts, parts.rows.tolist(), parts.cols.tolist()
    (2, [0, 0, 1], [0, 0, 1])
    """
    if isinstance(common, bool) or not isinstance(common, int | np.integer) or common < 1:
        raise ValueError(f"common must be a whole number of at least 1; got {common!r}")
    pattern = _pattern(observed)
    if common > 1 and _is_one(pattern, int(common)):
        row_counts, col_counts = _counts(pattern)
        return _numbered(np.where(row_counts > 0, 0, -1), np.where(col_counts > 0, 0, -1), int(common))
    rows, cols = _connected(pattern)
    if common > 1:
        rows, cols = _linked(pattern, rows, cols, int(common))
    return _numbered(rows, cols, int(common))


def pair_groups(first: IntArray, second: IntArray, size: int) -> IntArray:
    """Number of the group of each of ``size`` columns, where pairs ``(first[t], second[t])`` link two columns.

    Notes
    -----
    O(pairs + size). A column in no pair is a group of its own.

    Examples
    --------
    >>> pair_groups(np.array([0, 3]), np.array([2, 1]), 4).tolist()
    [0, 1, 0, 1]
    """
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    graph = sparse.coo_array((np.ones(len(first), np.int8), (first, second)), shape=(size, size))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _pattern(observed: Any) -> Any:
    """The places of the entries as a sparse matrix of ones."""
    from scipy import sparse

    group = observed.by_rows
    ones = np.ones(len(group.indices), dtype=np.int32)
    return sparse.csr_array((ones, group.indices, group.indptr), shape=observed.shape)


def _counts(pattern: Any) -> tuple[IntArray, IntArray]:
    """Entries of every row and column."""
    return np.diff(pattern.indptr), np.bincount(pattern.indices, minlength=pattern.shape[1])


def _is_one(pattern: Any, k: int) -> bool:
    """Whether all rows and columns have k entries and everything grows from each of 2 k rows: then it is one part.

    The usual case of a large table, answered by growing from all these rows at once; "no" may also mean "not seen".
    """
    row_counts, col_counts = _counts(pattern)
    for counts in (row_counts, col_counts):
        if len(counts) == 0 or np.any((counts > 0) & (counts < k)):
            return False
    from scipy import sparse

    ones = np.ones(len(pattern.indices), np.float32)
    here = sparse.csr_array((ones, pattern.indices, pattern.indptr), shape=pattern.shape)
    seeds = np.argsort(-row_counts, kind="stable")[: 2 * k]
    near = np.zeros((pattern.shape[1], len(seeds)), np.float32)
    for place, seed in enumerate(seeds):
        near[pattern.indices[pattern.indptr[seed] : pattern.indptr[seed + 1]], place] = 1.0
    rows = here @ near >= k
    rows[seeds, np.arange(len(seeds))] = True
    size = 0
    while size < (size := int(rows.sum())):  # not an iteration: rows only ever come
        cols = here.T @ rows.astype(np.float32) >= k
        rows |= here @ cols.astype(np.float32) >= k
        if rows[row_counts > 0].all() and cols[col_counts > 0].all():
            return True
    return False


def _connected(pattern: Any) -> tuple[IntArray, IntArray]:
    """Components of the graph of rows and columns; -1 for those without an entry."""
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    n, p = pattern.shape
    rows, cols = pattern.nonzero()
    graph = sparse.coo_array((np.ones(len(rows), np.int8), (rows, cols + n)), shape=(n + p, n + p))
    labels = connected_components(graph, directed=False)[1].astype(np.int64)
    filled = np.concatenate([np.diff(pattern.indptr) > 0, np.bincount(cols, minlength=p) > 0])
    labels[~filled] = -1
    return labels[:n], labels[n:]


def _linked(pattern: Any, rows: IntArray, cols: IntArray, k: int) -> tuple[IntArray, IntArray]:
    """Split connected components where fewer than k rows and columns hold two sides together."""
    n, p = pattern.shape
    core_rows, core_cols = _core(pattern, k)
    row_parts, col_parts = np.full(n, -1, dtype=np.int64), np.full(p, -1, dtype=np.int64)
    count = 0
    for i, j, block in _connected_blocks(pattern, core_rows, core_cols, rows, cols):
        waiting = [_Piece(block, i, j)]
        is_small = len(i) + len(j) <= 3 * k or block.nnz < LEAST_SHARE * pattern.nnz
        while waiting:  # not an iteration: every part is taken out once, and split into ones of fewer own places
            part = waiting.pop()
            in_rows, in_cols, apart = part.whole() if is_small else _split(part.pattern, k)
            pieces = [part.piece(in_rows, in_cols, a, b, k) for a, b in apart]
            if any(piece.n_own == part.n_own for piece in pieces):  # what grew has nothing of its own
                in_rows, in_cols, pieces = *part.whole()[:2], []
            row_parts[part.i[in_rows & (part.i >= 0)]], col_parts[part.j[in_cols & (part.j >= 0)]] = count, count
            count += 1
            waiting += [piece for piece in pieces if piece.n_own]
    return _with_the_rest(pattern, (row_parts, col_parts), (rows, cols), count)


@dataclass(frozen=True)
class _Piece:
    """Entries of a part of the table, and whose rows and columns they are; -1 for those that others have.

    A piece that was split off keeps the rows and columns that linked it, and k rows and columns stand for all that
    these are linked to: without them the piece could fall apart where the table does not.
    """

    pattern: Any
    i: IntArray
    j: IntArray

    @property
    def n_own(self) -> int:
        return int(np.count_nonzero(self.i >= 0) + np.count_nonzero(self.j >= 0))

    def whole(self) -> tuple[BoolArray, BoolArray, list[tuple[IntArray, IntArray]]]:
        """All rows and columns, and nothing apart."""
        return np.ones(len(self.i), bool), np.ones(len(self.j), bool), []

    def piece(self, in_rows: BoolArray, in_cols: BoolArray, a: IntArray, b: IntArray, k: int) -> _Piece:
        """The rows ``a`` and columns ``b``, with the links to what stays."""
        from scipy import sparse

        links = (
            np.flatnonzero(in_rows & (self.pattern[:, b].sum(axis=1) > 0)),
            np.flatnonzero(in_cols & (self.pattern[a].sum(axis=0) > 0)),
        )
        i, j = np.concatenate([a, links[0]]), np.concatenate([b, links[1]])
        beside = np.repeat(np.arange(len(i)) >= len(a), k).reshape(len(i), k)
        below = np.tile(np.arange(len(j)) >= len(b), (k, 1))
        blocks = [[self.pattern[i][:, j], beside], [below, np.ones((k, k), bool)]]
        whole = sparse.block_array([[sparse.csr_array(block, dtype=np.int32) for block in row] for row in blocks])
        none = [np.full(len(place) + k, -1) for place in links]
        return _Piece(whole.tocsr(), np.concatenate([self.i[a], none[0]]), np.concatenate([self.j[b], none[1]]))


def _connected_blocks(
    pattern: Any, core_rows: IntArray, core_cols: IntArray, rows: IntArray, cols: IntArray
) -> Iterator[tuple[IntArray, IntArray, Any]]:
    """Rows, columns and entries of each connected component of the core, in O(its size)."""
    from scipy import sparse

    i = core_rows[np.argsort(rows[core_rows], kind="stable")]
    j = core_cols[np.argsort(cols[core_cols], kind="stable")]
    ordered = pattern[i][:, j].tocsr()
    labels = np.unique(rows[i])
    row_ends = np.searchsorted(rows[i], labels, side="right")
    col_starts, col_ends = (np.searchsorted(cols[j], labels, side=side) for side in ("left", "right"))
    begin = 0
    for end, left, right in zip(row_ends, col_starts, col_ends, strict=True):
        first, last = ordered.indptr[begin], ordered.indptr[end]
        inner = (ordered.data[first:last], ordered.indices[first:last] - left, ordered.indptr[begin : end + 1] - first)
        yield i[begin:end], j[left:right], sparse.csr_array(inner, shape=(end - begin, right - left))
        begin = end


def _core(pattern: Any, k: int) -> tuple[IntArray, IntArray]:
    """Rows and columns that keep at least k entries among each other when all others are taken away."""
    i, j = np.arange(pattern.shape[0]), np.arange(pattern.shape[1])
    while True:  # not an iteration: rows and columns only ever go
        part = pattern[i][:, j]
        rows, cols = part.sum(axis=1) >= k, part.sum(axis=0) >= k
        if rows.all() and cols.all():
            return i, j
        i, j = i[rows], j[cols]


def _split(part: Any, k: int) -> tuple[np.ndarray, np.ndarray, list[tuple[IntArray, IntArray]]]:
    """Rows and columns of a connected part that hang together, and the pieces that are apart from them."""
    n, p = part.shape
    rows, cols = _grown(part, k)
    if rows is None:
        cols, rows = _grown(part.T.tocsr(), k)
    if rows is None or cols is None or (rows.all() and cols.all()):
        return np.ones(n, bool), np.ones(p, bool), []
    left, right = np.flatnonzero(~rows), np.flatnonzero(~cols)
    row_pieces, col_pieces = _pieces(part, left, right)
    apart = []
    for piece in range(max(row_pieces.max(initial=-1), col_pieces.max(initial=-1)) + 1):
        a, b = left[row_pieces == piece], right[col_pieces == piece]
        touched = int((part[a].sum(axis=0)[cols] > 0).sum()) + int((part[:, b].sum(axis=1)[rows] > 0).sum())
        if touched < k:
            apart.append((a, b))
        else:
            rows[a], cols[b] = True, True
    return rows, cols, apart


def _pieces(part: Any, left: IntArray, right: IntArray) -> tuple[IntArray, IntArray]:
    """Connected components of what is left, numbered from 0; rows and columns without an entry there by themselves."""
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    inner = part[left][:, right].tocoo()
    a, b = inner.coords
    size = len(left) + len(right)
    graph = sparse.coo_array((np.ones(len(a), np.int8), (a, b + len(left))), shape=(size, size))
    labels = connected_components(graph, directed=False)[1]
    return labels[: len(left)], labels[len(left) :]


def _grown(part: Any, k: int) -> Any:
    """What grows from each of k rows in turn, the heaviest first: rows and columns that all of them reach."""
    transposed = part.T.tocsr()
    rows = np.ones(part.shape[0], bool)
    cols = np.ones(part.shape[1], bool)
    weight, used, grew = part.sum(axis=1), np.zeros(part.shape[0], bool), False
    for _ in range(2 * k):
        candidates = np.flatnonzero(rows & ~used)
        if not len(candidates):
            break
        seed = candidates[np.argmax(weight[candidates])]
        used[seed] = True
        reached_rows, reached_cols = _growth(part, transposed, int(seed), k)
        if reached_rows.sum() > 1:
            grew, rows, cols = True, rows & reached_rows, cols & reached_cols
    return (rows, cols) if grew and cols.any() else (None, None)


def _growth(part: Any, transposed: Any, seed: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns that hang on a row by k others each."""
    start = np.zeros(part.shape[0], np.int32)
    start[seed] = 1
    rows = (part @ (transposed @ start) >= k) | (start > 0)
    cols = np.zeros(part.shape[1], bool)
    while True:  # not an iteration: the part grows until nothing can be added
        more_cols = cols | (transposed @ rows.astype(np.int32) >= k)
        more_rows = rows | (part @ more_cols.astype(np.int32) >= k)
        if (more_cols == cols).all() and (more_rows == rows).all():
            return rows, cols
        rows, cols = more_rows, more_cols


def _with_the_rest(
    pattern: Any, parts: tuple[IntArray, IntArray], connected: tuple[IntArray, IntArray], count: int
) -> tuple[IntArray, IntArray]:
    """Rows and columns that were set aside go where most of their entries are; else to their connected component."""
    rows, cols, has_parts = _only_choice(parts, connected, pattern.shape)
    transposed = pattern.T.tocsr()
    is_mixed = [(part < 0) & has_parts[labels] for part, labels in zip((rows, cols), connected, strict=True)]
    changed = any(mixed.any() for mixed in is_mixed)
    while changed:  # not an iteration: every round places at least one more row or column
        left = np.flatnonzero((rows < 0) & is_mixed[0]), np.flatnonzero((cols < 0) & is_mixed[1])
        rows[left[0]] = _majority(pattern[left[0]], cols)
        cols[left[1]] = _majority(transposed[left[1]], rows)
        changed = bool((rows[left[0]] >= 0).any() or (cols[left[1]] >= 0).any())
    labels_r, labels_c = connected
    return np.where((rows < 0) & (labels_r >= 0), count + labels_r, rows), np.where(
        (cols < 0) & (labels_c >= 0), count + labels_c, cols
    )


def _only_choice(
    parts: tuple[IntArray, IntArray], connected: tuple[IntArray, IntArray], shape: tuple[int, int]
) -> tuple[IntArray, IntArray, BoolArray]:
    """Whatever was set aside in a connected component of a single part belongs to it, without rounds.

    Returns also which components (by label; the last for none) have a part at all.
    """
    part, label = np.concatenate(parts), np.concatenate(connected)
    least, most = np.full(sum(shape) + 1, np.iinfo(np.int64).max), np.full(sum(shape) + 1, -1)
    placed = part >= 0
    np.minimum.at(least, label[placed], part[placed])
    np.maximum.at(most, label[placed], part[placed])
    is_single = (label >= 0) & (least[label] == most[label])
    part = np.where(is_single, most[label], part)
    return part[: shape[0]], part[shape[0] :], most >= 0


def _majority(pattern: Any, parts: IntArray) -> IntArray:
    """For each row the part that most of its columns belong to; -1 where none belongs to any."""
    coo = pattern.tocoo()
    rows, cols = coo.coords
    its = parts[cols]
    best = np.full(pattern.shape[0], -1, dtype=np.int64)
    rows, its = rows[its >= 0].astype(np.int64), its[its >= 0]
    if not len(rows):
        return best
    width = int(its.max()) + 1
    votes, counts = np.unique(rows * width + its, return_counts=True)
    # the last one written is that with the most votes; of equal ones the first part
    order = np.lexsort((-votes, counts))
    best[votes[order] // width] = votes[order] % width
    return best


def _numbered(rows: IntArray, cols: IntArray, common: int) -> Components:
    """Parts numbered from 0, those with most rows and columns first; ties by first row."""
    both = np.concatenate([rows, cols]).astype(np.int64)
    given = both >= 0
    unique, first, inverse, counts = np.unique(both[given], True, True, True)
    order = np.lexsort((first, -counts))
    rank = np.empty(len(unique), dtype=np.int64)
    rank[order] = np.arange(len(unique))
    both[given] = rank[inverse]
    return Components(both[: len(rows)], both[len(rows) :], len(unique), common)
