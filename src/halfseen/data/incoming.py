"""Tables of other libraries, known by what they have and not by their class: xarray, AnnData, MuData.

None of them is imported here: an object that has these attributes is one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen.data.compress import compress_dense
from halfseen.data.observed import Observed

MASKS = ("observed", "mask")


def is_data_array(thing: Any) -> bool:
    """Tell whether an object is an xarray DataArray: an array with named dimensions and coordinates."""
    return hasattr(thing, "dims") and hasattr(thing, "coords") and hasattr(thing, "values") and hasattr(thing, "ndim")


def is_annotated(thing: Any) -> bool:
    """Tell whether an object is an AnnData: a matrix ``X`` with names of observations and variables."""
    return all(hasattr(thing, name) for name in ("X", "obs_names", "var_names"))


def is_multimodal(thing: Any) -> bool:
    """Tell whether an object is a MuData: several annotated tables by name under ``mod``."""
    tables: Any = getattr(thing, "mod", None)
    return hasattr(tables, "items") and len(tables) > 0 and all(is_annotated(table) for _, table in tables.items())


def from_other(thing: Any, name: str, dtype: Any = None) -> Observed | None:
    """Return a table of another library as an `Observed`, or None if it is none of those known here.

    Parameters
    ----------
    thing : object
        A two-dimensional xarray DataArray (coordinates along its dimensions become labels) or an AnnData. Of an
        AnnData, NaN in ``X`` is missing; a layer "observed" or "mask" says by truth values what was observed. A sparse
        ``X`` without such a layer holds what was observed, zeros that are not stored are missing.
    name : str
        Of the argument, for errors.
    dtype : float32, float64 or None

    Raises
    ------
    ValueError
        For another number of dimensions, a mask of another shape, and a MuData (the names of its tables are given).
    """
    if is_multimodal(thing):
        names = list(thing.mod)
        raise ValueError(
            f"{name} is a {type(thing).__name__} of {len(names)} tables, and one is needed: give one of them, e.g. "
            f"{name}.mod[{names[0]!r}]; models of many sources take it as it is"
        )
    if is_data_array(thing):
        return _of_data_array(thing, name, dtype)
    return _of_annotated(thing, name, dtype) if is_annotated(thing) else None


def _of_data_array(array: Any, name: str, dtype: Any) -> Observed:
    if array.ndim != 2:
        raise ValueError(f"{name} must have two dimensions, got {array.ndim}: {', '.join(map(str, array.dims))}")
    labels: list[Any] = []
    for dimension in array.dims:
        known = dimension in array.coords and array.coords[dimension].ndim == 1
        coordinates = np.asarray(array.coords[dimension].values) if known else None
        is_position = known and coordinates is not None and _counts(coordinates)
        labels.append(None if coordinates is None or is_position else coordinates)
    return Observed(compress_dense(np.asarray(array.values), name, dtype), labels[0], labels[1])


def _counts(labels: np.ndarray) -> bool:
    return labels.dtype.kind in "iu" and bool((labels == np.arange(len(labels))).all())


def _of_annotated(table: Any, name: str, dtype: Any) -> Observed:
    rows, cols = np.asarray(table.obs_names, dtype=object), np.asarray(table.var_names, dtype=object)
    X, layers = table.X, getattr(table, "layers", {})
    if X is None:
        raise ValueError(f"{name}.X is empty; put the values there, e.g. {name}.X = {name}.layers['counts']")
    key = next((key for key in MASKS if key in layers), None)
    if key is None and hasattr(X, "tocoo"):
        observed = Observed._of_sparse(f"{name}.X", X, None, rows, cols, "error", dtype)
        return observed._told((
            f"{name}.X is sparse: what is stored was taken as observed and all else as missing. If a zero that is not "
            f"stored was measured, give {name}.X as a dense array, or a layer 'observed' of truth values",
        ))  # fmt: skip
    dense = np.asarray(X.toarray() if hasattr(X, "toarray") else X)
    if key is None:
        return Observed(compress_dense(dense, f"{name}.X", dtype), rows, cols)
    mask = layers[key]
    seen = np.asarray(mask.toarray() if hasattr(mask, "toarray") else mask)
    if seen.shape != dense.shape or seen.dtype.kind not in "biuf" or not np.isin(seen, (0, 1)).all():
        raise ValueError(
            f"{name}.layers[{key!r}] must hold True (observed) or False for every cell, shape {dense.shape}; got "
            f"{seen.dtype} of shape {seen.shape}"
        )
    hidden = np.ma.masked_array(dense, mask=~seen.astype(bool))
    return Observed(compress_dense(hidden, f"{name}.X", dtype), rows, cols)
