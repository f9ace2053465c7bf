"""Entries of one long table, cut into a table per source."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from halfseen._typing import IntArray, Labels
from halfseen.data.observed import Observed


class Coded(NamedTuple):
    """A column of labels: the code of each entry, and the distinct labels."""

    codes: IntArray
    labels: Labels

    def part(self, entries: IntArray) -> Coded:
        """The column of some entries, over the labels that occur among them."""
        occurs = np.zeros(len(self.labels), dtype=bool)
        occurs[self.codes[entries]] = True
        rank = np.cumsum(occurs) - 1
        return Coded(rank[self.codes[entries]].astype(self.codes.dtype), self.labels[occurs])


def tables_by_source(
    source: Coded, row: Coded, col: Coded, values: np.ndarray, more: dict[str, Any], duplicates: str, dtype: Any = None
) -> dict[str, Observed]:
    """Return one table per source, over the rows and columns that occur in it.

    Labels are numbered over all sources first, so that ``007`` is the same text in every one of them.

    Parameters
    ----------
    source, row, col : Coded
    values : array (n_entries,)
    more : dict
        Arrays (n_entries,) under "weight" and "trials", or none.
    duplicates, dtype :
        As in `Observed.from_triplets`.

    Raises
    ------
    ValueError
        As there; the source is named.
    """
    order = np.argsort(source.codes, kind="stable")
    ends = np.cumsum(np.bincount(source.codes, minlength=len(source.labels)))
    tables = {}
    for name, begin, end in zip(source.labels.tolist(), [0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        entries = order[begin:end]
        rows, cols = row.part(entries), col.part(entries)
        own = {role: array[entries] for role, array in more.items() if array is not None}
        shape = (len(rows.labels), len(cols.labels))
        try:
            tables[str(name)] = Observed._assemble(
                rows.codes, cols.codes, values[entries], own.get("weight"), shape, rows.labels, cols.labels,
                duplicates, dtype, own.get("trials"),
            )  # fmt: skip
        except ValueError as error:
            raise ValueError(f"source {str(name)!r}: {error}") from error
    return tables
