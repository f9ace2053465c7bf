"""The one edge where estimators check what they are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from halfseen.data.checks import cell
from halfseen.data.columns import ARGUMENTS
from halfseen.data.compress import compress_dense
from halfseen.data.frames import WideChoice, is_frame, wide_table
from halfseen.data.incoming import from_other
from halfseen.data.limits import in_words
from halfseen.data.long_frames import refuse_long
from halfseen.data.observed import Observed
from halfseen.data.prepared import PreparedTable
from halfseen.errors import shown

# The models that fit a prepared table block by block; all others refuse it here.
ON_BLOCKS = (
    "AlternatingLeastSquares, BayesianFactorization, BiasModel, GeneralizedFactorModel, OneSidedCompletion, "
    "OverparametrizedFactorization and SoftImpute"
)


class HasSupport(Protocol):
    """The part of a loss that is asked here."""

    @property
    def name(self) -> str: ...

    @property
    def support(self) -> str: ...

    def invalid(self, y: Any, /) -> Any:
        """Mark responses outside the support."""
        ...


def as_observed(R: Any, dtype: Any = None, name: str = "R") -> Observed:
    """Return what a user handed to an estimator as an `Observed`.

    Parameters
    ----------
    R : Observed, array, masked array, data frame, scipy.sparse, or a table of another library
        NaN, null and masked cells are missing; of a sparse matrix the stored entries are the observed ones. Data frames
        are those of pandas, polars and pyarrow, and whatever has the Arrow stream interface; further tables are a
        two-dimensional xarray DataArray and an AnnData (`halfseen.data.incoming`).
    dtype : float32, float64 or None
        None keeps float32 and turns other numbers into float64.
    name : str
        What the argument is called, for errors.

    Returns
    -------
    Observed
        The given one itself if it is an Observed of that dtype; arguments are never changed.

    Raises
    ------
    ValueError
        Naming the argument and the first bad place.

    Examples
    --------
    >>> import numpy as np
    >>> as_observed(np.array([[1.0, np.nan], [2.0, 3.0]]))
    Observed(2 x 2, 3 entries, 75.0 % seen, float64)
    """
    if isinstance(R, Observed):
        if not R.n_entries:
            raise ValueError(f"{name} has 0 entries (shape {R.shape}); nothing was observed")
        return R if dtype is None else R.astype(dtype)
    if isinstance(R, PreparedTable):
        raise ValueError(
            f"{name} is a prepared table ({R.folder}), whose entries stay on disk: {ON_BLOCKS} "
            f"fit it block by block; all else needs it in memory: give {name}.load() (about "
            f"{in_words((8 + R.dtype.itemsize) * R.n_entries)})"
        )
    if isinstance(R, Mapping):
        names, columns = list(R), [held for held in R.values() if np.ndim(held) == 1]
        if columns and len(columns) == len(names):
            raise ValueError(
                f"{name} is a {type(R).__name__} of {len(names)} columns: give a data frame of them (pandas.DataFrame, "
                f"polars.DataFrame or pyarrow.table of {name})"
            )
        advice = f"give one of its tables, e.g. {name}[{names[0]!r}]" if names else "give one table"
        raise ValueError(f"{name} is a {type(R).__name__} of {len(names)} tables, and one is needed: {advice}")
    if hasattr(R, "tocoo"):
        return Observed._of_sparse(name, R, None, None, None, "error", dtype)
    other = from_other(R, name, dtype)
    if other is not None:
        return other
    if is_frame(R):
        refuse_long(R, name, is_refused=name != "X")
        call = f"hs.Observed.from_wide({name}, {ARGUMENTS})"
        table, row_labels, col_labels, notes = wide_table(R, WideChoice(dtype=dtype), name, call)
        return Observed(compress_dense(table, name, dtype), row_labels, col_labels, notes)
    return Observed(compress_dense(R, name, dtype))


def check_support(observed: Observed, loss: HasSupport, argument: str = "loss") -> None:
    """Refuse values a loss cannot judge, naming the first of them.

    Parameters
    ----------
    observed : Observed
    loss : HasSupport
        `loss.invalid(values)` marks what lies outside its support, `loss.support` says in words what is needed;
        an attribute `advice`, if there is one, says what to do.
    argument : str
        The argument of the estimator that chose the loss ("loss" or "family").

    Raises
    ------
    ValueError
    """
    bad = np.asarray(loss.invalid(observed.values))
    if not bad.any():
        return
    first = int(bad.argmax())
    row = int(np.searchsorted(observed.by_rows.indptr, first, side="right")) - 1
    place = cell("R", row, int(observed.cols[first]), observed.row_labels, observed.col_labels)
    count = int(np.count_nonzero(bad))
    entries = "1 entry is" if count == 1 else f"{count} entries are"
    advice = getattr(loss, "advice", None) or "Choose another family, or change the values."
    raise ValueError(
        f"{argument}={loss.name!r} needs {loss.support}; {entries} outside, "
        f"first {place} = {shown(_plain(observed.values[first]))}. {advice}"
    )


def _plain(value: Any) -> int | float:
    number = float(value)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number
