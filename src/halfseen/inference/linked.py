"""Rows and columns that nothing links: what may be compared, and what is said where it may not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import BoolArray, IntArray, Labels
from halfseen.data.components import components
from halfseen.data.storable import storable
from halfseen.errors import shown
from halfseen.inference.table import NotStated

# Groups that are tables of their own are said at fit where those but the largest have this share of the entries.
SHARE = 0.01
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

    def sentence(self, labels: Labels, axis: int = 0) -> str:
        """What the groups are, and the ways out."""
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
        return (
            f"the {int(counts.sum())} {side} fall into {n_groups} groups that {link} ({'; '.join(groups)}{more}); "
            f"their scores cannot be compared. Observe some {side} of one group in the {other} of another, or fit one "
            f"group alone: its {side} are where linking_.{side if axis == 0 else 'cols'} == 0."
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
