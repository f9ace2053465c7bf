"""A table over the columns that a model knows."""

from __future__ import annotations

import numpy as np

from halfseen._typing import Labels
from halfseen.data.compressed import Compressed, group, index_dtype
from halfseen.data.labels import find_labels
from halfseen.data.observed import Observed


def with_columns(table: Observed, labels: Labels) -> Observed:
    """Return the table with the columns ``labels``, in that order; columns it does not have are empty.

    Parameters
    ----------
    table : Observed, shape (n, q)
        With column labels.
    labels : array, shape (p,)

    Returns
    -------
    Observed, shape (n, p)
        The table itself if its columns are these already; else its entries in a new order, O(E log(longest row)).

    Raises
    ------
    ValueError
        If the table has a column that is not among ``labels``; the first such is named.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> new = hs.Observed.from_triplets(["eve", "eve"], ["tea", "jam"], [5.0, 3.0])
    >>> with_columns(new, np.array(["tea", "rye", "jam"])).to_dense().tolist()
    [[5.0, nan, 3.0]]
    """
    own = table.col_labels
    if own is None:
        raise ValueError("the table has no column labels to find its columns by")
    if own is labels or np.array_equal(own, labels):
        return table
    places = find_labels(labels, own, "column")
    shape = (table.shape[0], len(labels))
    positions = np.arange(table.n_entries, dtype=index_dtype(table.n_entries))
    indptr, indices, order = group(table.rows, places[table.cols], positions, shape)
    weights = None if table.weights is None else table.weights[order]
    by_rows = Compressed.trusted(indptr, indices, table.values[order], weights, shape[1])
    trials = None if table.trials is None else table.trials[order]
    return Observed(by_rows, table.row_labels, labels)._told(table.notes, trials)
