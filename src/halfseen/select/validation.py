"""Cross-validation on entries, or on whole rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from halfseen._typing import FloatArray, IntArray, RandomState
from halfseen.data import as_observed
from halfseen.data.storable import storable
from halfseen.select.folds import Fold, for_whole_table, make_folds, over_folds
from halfseen.select.held_out import as_frame


@storable
@dataclass(frozen=True)
class CrossValidation:
    """The losses of :func:`cross_validate`.

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
    model: Any,
    R: Any,
    folds: int = 5,
    by: str = "entries",
    random_state: RandomState = None,
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

    Notes
    -----
    One fold per worker of the surrounding ``with hs.engine(...)``, without influence on the result;
    ``with hs.select.progress(report)`` is told of every fold.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> rng = np.random.default_rng(0)
    >>> table = np.add.outer(rng.normal(size=30), rng.normal(size=20))
    >>> additive, flat = (hs.select.cross_validate(m, table, random_state=0) for m in (hs.BiasModel(), hs.ColumnMean()))
    >>> bool(additive.loss < 0.1 * flat.loss)
    True
    """
    observed = as_observed(R)
    model = for_whole_table(model, observed)

    def judge(fold: Fold) -> tuple[float, int]:
        return fold.loss(clone(model).fit(fold.train)), fold.test.n_entries

    judged = over_folds(judge, make_folds(observed, folds, by, random_state), folds)
    losses, counts = (np.array(part) for part in zip(*judged, strict=True))
    loss = float(np.average(losses, weights=counts))
    return CrossValidation(loss, float(losses.std(ddof=1) / np.sqrt(folds)), losses, counts, by)
