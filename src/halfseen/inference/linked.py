"""Rows and columns that nothing links: what may be compared, and what is said where it may not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen._typing import BoolArray, IntArray, Labels
from halfseen.data import Observed
from halfseen.data.components import components, pair_groups
from halfseen.data.storable import storable
from halfseen.errors import shown
from halfseen.inference.table import NotStated

# Groups that are tables of their own are said at fit where those but the largest have this share of the entries.
SHARE = 0.01
# Links that a model asks for whose rank is an upper bound under a penalty: what one factor beside the levels needs.
LEAST_LINKS = 2
# So many groups are named in a sentence, with so many of their rows.
NAMED_GROUPS, NAMED_ROWS = 3, 2


@storable
@dataclass(frozen=True)
class Linking:
    """The groups into which a table falls: between two of them nothing can be compared.

    Attributes
    ----------
    rows, cols : int array (n,), (p,)
        Group of each row and column, the largest first; -1 without entries.
    n_groups : int
    common : int
        Rows or columns in common that it takes to be one group.
    share : float
        Of the entries in groups that are tables of their own (more than ``common`` rows and columns, and a hundredth
        of the largest group's entries), but for the largest.

    Examples
    --------
    >>> import halfseen as hs
    >>> nan = float("nan")
    >>> R = hs.Observed.from_dense([[1, 2, nan], [3, 4, nan], [nan, nan, 5]])
    >>> linking = linking_of(R, 1)
    >>> linking.n_groups, linking.reliable(0).tolist()
    (2, [False, False, False])
    """

    rows: IntArray
    cols: IntArray
    n_groups: int
    common: int
    share: float = 1.0

    @property
    def speaks(self) -> bool:
        """Whether a fit says so unasked: where a hundredth of the entries are in other groups of substance.

        A row or two apart from a large group are a sliver, and a table so thin that it falls into crumbs compares no
        rows at all; what is asked of such rows is refused all the same.
        """
        return self.share >= SHARE

    def side(self, axis: int) -> IntArray:
        """Groups of the rows (0) or the columns (1)."""
        return self.rows if axis == 0 else self.cols

    def reliable(self, axis: int, over: Any = None) -> BoolArray:
        """Whether each row's (column's) mean over ``over`` of the other side stays inside its own group."""
        own, other = self.side(axis), self.side(1 - axis)
        met = np.unique(other if over is None else other[over])
        met = met[met >= 0]
        return (own == met[0]) | (own < 0) if len(met) == 1 else np.full(len(own), len(met) == 0)

    def cells(self, i: IntArray, j: IntArray) -> BoolArray:
        """Whether the row and the column of each cell belong to one group (or one of them has no entries)."""
        return (self.rows[i] == self.cols[j]) | (self.rows[i] < 0) | (self.cols[j] < 0)

    def check_pairs(self, first: IntArray, second: IntArray, axis: int, labels: Labels) -> None:
        """Refuse comparisons across groups."""
        own = self.side(axis)
        first_group, second_group = own[first], own[second]
        is_apart = (first_group != second_group) & (first_group >= 0) & (second_group >= 0)
        if is_apart.any():
            at = int(is_apart.argmax())
            who = (
                f"{shown(labels[first[at]])} (group {first_group[at]}) and "
                f"{shown(labels[second[at]])} (group {second_group[at]})"
            )
            raise NotStated(f"{who} cannot be compared: {self.sentence(labels, axis)}")

    def check_all(self, axis: int, labels: Labels, what: str) -> None:
        """Refuse an order of all rows (columns) where these fall into several groups."""
        own = self.side(axis)
        if len(np.unique(own[own >= 0])) > 1:
            side = ("rows", "columns")[axis]
            raise NotStated(f"{what} put all {side} in one order, but {self.sentence(labels, axis)}")

    def sentence(
        self, labels: Labels, axis: int = 0, what: str = "their scores cannot be compared", where: str = ""
    ) -> str:
        """What the groups are, what follows from it, and the ways out."""
        own, name = self.side(axis), ("rows", "columns")[axis]
        counts = np.bincount(own[own >= 0], minlength=self.n_groups)
        groups = []
        for group in np.flatnonzero(counts)[:NAMED_GROUPS]:
            members = ", ".join(shown(label) for label in labels[np.flatnonzero(own == group)[:NAMED_ROWS]])
            groups.append(f"{counts[group]}: {members}{', ..' if counts[group] > NAMED_ROWS else ''}")
        n_groups = int(np.count_nonzero(counts))
        more = f"; and {n_groups - NAMED_GROUPS} more" if n_groups > NAMED_GROUPS else ""
        side, other = name, ("columns", "rows")[axis]
        link = (
            f"share no {other[:-1]}" if self.common == 1
            else f"share fewer than the {self.common} rows or columns that link them"
        )  # fmt: skip
        place = where or f"linking_.{side if axis == 0 else 'cols'}"
        return (
            f"the {int(counts.sum())} {side} fall into {n_groups} groups that {link} ({'; '.join(groups)}{more}); "
            f"{what}. Observe some {side} of one group in the {other} of another, or fit one "
            f"group alone: its {side} are where {place} == {int(np.argmax(counts))}."
        )


def linking_of(observed: Any, common: int) -> Linking | None:
    """The groups of a table, or None where everything hangs together.

    Parameters
    ----------
    observed : Observed
    common : int
        Rows or columns in common that link two parts: ``r + 1`` for a model of rank r with intercepts.

    Notes
    -----
    O(E) time per round of growth (see :func:`halfseen.data.components.components`), a few hundredths of a fit.
    """
    parts = components(observed, common)
    if parts.n_parts <= 1:
        return None
    counts = np.diff(observed.by_rows.indptr)
    entries = np.bincount(parts.rows[parts.rows >= 0], counts[parts.rows >= 0], minlength=parts.n_parts)
    is_table = (np.minimum(parts.row_counts, parts.col_counts) > common) & (entries >= SHARE * entries.max())
    is_table[np.argmax(entries)] = False
    share = float(entries[is_table].sum() / max(entries.sum(), 1.0))
    return Linking(parts.rows, parts.cols, parts.n_parts, common, share)


def linking_of_pairs(groups: IntArray, is_seen: BoolArray) -> Linking | None:
    """The groups of columns that no row links, of a model of pairs of columns; None where there is only one.

    Parameters
    ----------
    groups : int array (d,)
        As :func:`halfseen.data.components.pair_groups` gives them.
    is_seen : bool array (d,)

    Examples
    --------
    >>> linking_of_pairs(np.array([0, 0, 1, 1, 2]), np.array([True] * 4 + [False])).share
    0.5
    """
    own = np.where(is_seen, groups, -1)
    counts = np.bincount(own[own >= 0])
    if np.count_nonzero(counts) <= 1:
        return None
    # a column by itself is no group of substance, nor is one of few columns beside a large one
    is_table = (counts > 1) & (counts >= SHARE * counts.max())
    is_table[np.argmax(counts)] = False
    return Linking(own[:0], own, len(counts), 1, float(counts[is_table].sum() / counts.sum()))


def tell_linking(model: Any, observed: Observed, common: int) -> Linking | None:
    """The groups of a fitted table, for ``model.linking_``; they are said once where they matter.

    For models with an inference, which refuses to compare rows of different groups even where few of them are apart.

    Parameters
    ----------
    model : estimator that tells (``_warn``) and has ``row_labels_``
    observed : Observed
    common : int
        As for :func:`linking_of`.
    """
    linking = linking_of(observed, common)
    if linking is not None and linking.speaks:
        model._warn(linking.sentence(_row_labels(model, observed)))
    return linking


def tell_groups(model: Any, observed: Observed, common: int = LEAST_LINKS) -> Linking | None:
    """As :func:`tell_linking`, for models that only predict: groups too small to be worth a word may be left out.

    Parameters
    ----------
    model : estimator that tells (``_warn``) and has ``row_labels_``
    observed : Observed
    common : int
        As for :func:`linking_of`; ``LEAST_LINKS`` where the rank is an upper bound under a penalty.

    Notes
    -----
    What grows from the row with most entries holds nearly all of an ordinary table, and that is all that is looked at
    then: some four passes over the places of the entries (a million: .03 s).
    """
    if _grows_over_nearly_all(observed, common):
        return None
    linking = linking_of(observed, common)
    if linking is not None and linking.speaks:
        model._warn(linking.sentence(_row_labels(model, observed), 0, PREDICTIONS))
    return linking


def tell_sources(model: Any, sources: Mapping[str, Observed]) -> None:
    """Say at a fit which sources have too few rows in common for what they share to be told.

    Parameters
    ----------
    model : estimator that tells (``_warn``)
    sources : mapping of tables over the same rows
    """
    names = list(sources)
    seen = np.array([table.by_rows.counts > 0 for table in sources.values()], dtype=np.int64)
    first, second = np.nonzero(seen @ seen.T >= LEAST_LINKS)
    linking = linking_of_pairs(pair_groups(first, second, len(names)), np.ones(len(names), dtype=bool))
    if linking is None:
        return
    groups = [
        [shown(name) for name, own in zip(names, linking.cols, strict=True) if own == g]
        for g in range(linking.n_groups)
    ]
    parts = "; ".join(", ".join(group) for group in groups)
    model._warn(
        f"the {len(names)} sources fall into {linking.n_groups} groups without rows in common ({parts}): what sources "
        "of different groups share cannot be told from what is their own. Observe some rows in sources of both, or fit "
        "each group alone."
    )


PREDICTIONS = "their levels cannot be compared, and cells of one group's rows in another's columns rest on the penalty"


def _row_labels(model: Any, observed: Observed) -> Labels:
    return np.arange(observed.shape[0]) if model.row_labels_ is None else model.row_labels_


def _grows_over_nearly_all(observed: Observed, common: int) -> bool:
    """Whether the part that hangs on the longest row, by ``common`` entries each, has too many entries to leave news.

    Exact in one direction: groups that :attr:`Linking.speaks` of have a larger share outside of any part.
    """
    if observed.n_entries == 0:
        return True
    rows, cols = observed.by_rows, observed.by_cols
    reached = np.zeros(observed.shape[0], dtype=np.int8)
    reached[np.argmax(rows.counts)] = 1
    other, before = (_links(cols, reached) > 0).astype(np.int8), -1
    while reached.sum() + other.sum() > before:  # not an iteration: the part grows until nothing can be added
        before = int(reached.sum() + other.sum())
        reached |= _links(rows, other) >= common
        other |= _links(cols, reached) >= common
    return bool(rows.counts[reached == 0].sum() < SHARE * observed.n_entries)


def _links(group: Any, reached: NDArray[np.int8]) -> IntArray:
    """Entries of each row (or column) on the other side's members that were reached."""
    total = np.zeros(len(group.indptr) - 1, dtype=np.int64)
    filled = np.flatnonzero(np.diff(group.indptr) > 0)
    if len(filled):
        total[filled] = np.add.reduceat(reached[group.indices], group.indptr[filled], dtype=np.int64)
    return total
