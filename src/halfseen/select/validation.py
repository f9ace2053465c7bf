"""Cross-validation on entries, or on whole rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from halfseen._typing import FloatArray, IntArray, RandomState, as_generator
from halfseen.data import Observed, as_observed
from halfseen.data.storable import storable
from halfseen.select.held_out import as_frame, held_out_deviance, new_row_deviance


@storable
@dataclass(frozen=True)
class CrossValidation:
    """What :func:`cross_validate` found.

    Attributes
    ----------
    loss : float
        Mean of the folds' losses, weighted by their held-out entries.
    standard_error : float
        Of that mean, from the folds.
    losses : ndarray (folds,)
        Mean held-out deviance of each fold (gaussian: mean squared error); smaller is better.
    n_entries : ndarray (folds,)
        Held-out entries that were predicted.
    by : str
    """

    loss: float
    standard_error: float
    losses: FloatArray
    n_entries: IntArray
    by: str

    def to_frame(self, backend: str = "pyarrow") -> Any:
        """One line per fold: fold, loss, n_entries; backend pyarrow, pandas or polars."""
        columns = {"fold": np.arange(len(self.losses)), "loss": self.losses, "n_entries": self.n_entries}
        return as_frame(columns, backend)


def cross_validate(
    model: Any, R: Any, folds: int = 5, by: str = "entries", random_state: RandomState = None
) -> CrossValidation:
    """Predict every entry, or every row, by a model that has not seen it.

    Parameters
    ----------
    model : estimator
        Is not changed; its callbacks watch every fit.
    R : Observed, NaN array, data frame or scipy.sparse
    folds : int
    by : {"entries", "rows"}
        Hold out single entries; or whole rows, which then are placed by a random half of their entries and
        judged on the other half (how well does the model serve rows that come later?).
    random_state : int, Generator or None
        Draws the folds (and the halves).

    Returns
    -------
    CrossValidation

    Raises
    ------
    ValueError
        For a number of folds that the table does not allow, and for an unknown ``by``.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> rng = np.random.default_rng(0)
    >>> table = np.add.outer(rng.normal(size=30), rng.normal(size=20))
    >>> additive, flat = (hs.select.cross_validate(m, table, random_state=0) for m in (hs.BiasModel(), hs.ColumnMean()))
    >>> bool(additive.loss < 0.1 * flat.loss)
    True
    """
    observed, rng = as_observed(R), as_generator(random_state)
    losses, sizes = [], []
    for train, test in observed.folds(folds, rng, by):
        if by == "entries":
            losses.append(held_out_deviance(clone(model).fit(train), test))
            sizes.append(test.n_entries)
        else:
            shown, hidden = _rows_of(test).split(0.5, rng)
            losses.append(new_row_deviance(clone(model).fit(_rows_of(train)), shown, hidden))
            sizes.append(hidden.n_entries)
    found, counts = np.array(losses), np.array(sizes)
    loss = float(np.average(found, weights=counts))
    return CrossValidation(loss, float(found.std(ddof=1) / np.sqrt(folds)), found, counts, by)


def _rows_of(part: Observed) -> Observed:
    """The rows that have entries, without the others."""
    return part.take_rows(np.flatnonzero(part.by_rows.counts))
