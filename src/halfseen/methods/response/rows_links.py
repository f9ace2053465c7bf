"""Whether answers connect the items of a table, and its groups of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from halfseen._typing import IntArray
from halfseen.data.storable import storable
from halfseen.errors import shown
from halfseen.methods.response.rows_answers import NOT_SEEN, ROWS_AT_ONCE, AnswerTable

FEWEST_ANCHORS = 5
CELLS_AT_ONCE = 8_000_000


@storable
@dataclass(frozen=True)
class Connectivity:
    """Forms: sets of items that answers connect.

    Attributes
    ----------
    form_of : int ndarray (p,)
        Form of each item; the largest form is 0.
    sizes : int ndarray (n_forms,)
        Items in each.
    """

    form_of: IntArray
    sizes: IntArray

    @property
    def is_connected(self) -> bool:
        return len(self.sizes) <= 1

    def names(self, columns: Any) -> list[str]:
        """The first items of each form, for people to read."""
        out = []
        for form in range(len(self.sizes)):
            own = [shown(c) for c in np.asarray(columns)[self.form_of == form][:3]]
            out.append(", ".join(own) + (", ..." if self.sizes[form] > 3 else ""))
        return out


def rows_at_once(p: int) -> int:
    """Rows of p items whose cells take some megabytes."""
    return max(1, min(ROWS_AT_ONCE, CELLS_AT_ONCE // max(p, 1)))


def connectivity(table: AnswerTable) -> Connectivity:
    """Which items are connected by rows that answered both, over any number of steps.

    O(answers) time; joined sets of items (union-find) of a block of rows at a time.

    Examples
    --------
    >>> from halfseen.methods.response.rows_answers import answer_table
    >>> two = np.array([[0, 1, np.nan], [1, 0, np.nan], [np.nan, np.nan, 1], [np.nan, np.nan, 0]])
    >>> connectivity(answer_table(two, ["2pl"] * 3)).form_of.tolist()
    [0, 0, 1]
    """
    p = table.n_items
    if p and table.n_rows and table.is_complete:
        return Connectivity(np.zeros(p, dtype=np.int64), np.array([p]))
    keys = np.zeros(0, dtype=np.int64)
    size = rows_at_once(p)
    for start in range(0, table.n_rows, size):
        seen = table.dense(start, min(start + size, table.n_rows)) != NOT_SEEN
        row, col = np.nonzero(seen)
        keys = np.union1d(keys, seen.argmax(axis=1)[row] * p + col)
        joined = _components(keys // p, keys % p, p)
        if joined.is_connected:
            break
    return joined


def _components(left: IntArray, right: IntArray, p: int) -> Connectivity:
    graph = sparse.coo_array((np.ones(len(left)), (left, right)), shape=(p, p))
    count, label = connected_components(graph.tocsr(), directed=False)
    sizes = np.bincount(label, minlength=count)
    order = np.argsort(-sizes, kind="stable")
    rank = np.empty(count, dtype=np.int64)
    rank[order] = np.arange(count)
    return Connectivity(rank[label], sizes[order])


def group_items(table: AnswerTable, n_groups: int) -> Any:
    """Which items (n_groups, p) each group answered."""
    out = np.zeros((n_groups, table.n_items), dtype=bool)
    size = rows_at_once(table.n_items)
    for start in range(0, table.n_rows, size):
        stop = min(start + size, table.n_rows)
        seen = table.dense(start, stop) != NOT_SEEN
        groups = np.zeros(stop - start, dtype=int) if table.groups is None else table.groups[start:stop]
        for g in range(n_groups):
            out[g] |= seen[groups == g].any(axis=0)
    return out


def check_links(table: AnswerTable, names: tuple[str, ...], columns: Any) -> tuple[list[str], list[str]]:
    """Notes and warnings on how forms and groups hang together.

    Raises
    ------
    ValueError
        When groups share no items, directly or through other groups: their means cannot be compared.
    """
    notes: list[str] = []
    warnings: list[str] = []
    forms = connectivity(table)
    if len(names) > 1:
        has = group_items(table, len(names))
        count, label = connected_components(sparse.csr_array((has.astype(int) @ has.T.astype(int)) > 0), directed=False)
        if count > 1:
            parts = ["; ".join(names[g] for g in np.flatnonzero(label == c)) for c in range(count)]
            raise ValueError(
                f"row_groups: the groups {' | '.join(parts)} have no items in common (forms: "
                f"{' | '.join(forms.names(columns))}), so their abilities cannot be compared; give them common items, "
                "or fit them separately."
            )
        shared = has & (has.sum(axis=0) > 1)
        for g, name in enumerate(names):
            if shared[g].sum() < FEWEST_ANCHORS:
                warnings.append(
                    f"group {shown(name)} shares only {int(shared[g].sum())} items with other groups; its mean and "
                    f"spread hang on them (at least {FEWEST_ANCHORS} are better)."
                )
    if not forms.is_connected:
        notes.append(
            f"the answers form {len(forms.sizes)} unlinked forms ({' | '.join(forms.names(columns))}): they are on one "
            "scale only by the assumption that the rows of a group are alike in ability on all of them."
        )
    return notes, warnings
