"""Cheap, once-per-call argument checks shared by the compiled kernels and their NumPy twins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from halfseen.data.compressed import Compressed

FAMILIES = {"gaussian": 0, "bernoulli": 1, "poisson": 2}


class Block(NamedTuple):
    """Major rows ``start .. stop`` of a compressed table; ``indptr`` keeps its absolute positions."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.integer]
    values: NDArray[np.floating]
    weights: NDArray[np.floating] | None
    offset: NDArray[np.floating] | None
    n_minor: int

    @property
    def n_rows(self) -> int:
        return len(self.indptr) - 1

    @property
    def dtype(self) -> np.dtype:
        return self.values.dtype


class RowRange(NamedTuple):
    """Major rows ``start .. stop`` out of ``n_major`` and the entries ``first .. last`` they own."""

    start: int
    stop: int
    n_major: int
    first: int
    last: int
    n_entries: int


def row_range(view: Compressed, start: int, stop: int | None) -> RowRange:
    """Resolve ``start, stop`` against the table."""
    n_major = len(view.indptr) - 1
    stop = n_major if stop is None else stop
    if not 0 <= start <= stop <= n_major:
        raise ValueError(f"rows {start}..{stop} are not a range of the table's {n_major} rows")
    return RowRange(start, stop, n_major, int(view.indptr[start]), int(view.indptr[stop]), len(view.values))


def block(view: Compressed, rows: RowRange, offset: NDArray[np.floating] | None) -> Block:
    """Slice the table (views, no copies)."""
    part = slice(rows.first, rows.last)
    weights = None if view.weights is None else entries("weights", view.weights, view, rows)
    return Block(
        view.indptr[rows.start : rows.stop + 1],
        view.indices[part],
        view.values[part],
        weights,
        None if offset is None else entries("offset", offset, view, rows),
        view.n_minor,
    )


def entries(name: str, array: ArrayLike, view: Compressed, rows: RowRange) -> NDArray[np.floating]:
    """Entry-aligned array: of all entries of the table, or of the rows' own entries only."""
    array = np.asarray(array)
    if array.shape == (rows.n_entries,):
        array = array[rows.first : rows.last]
    elif array.shape != (rows.last - rows.first,):
        raise ValueError(
            f"{name} has shape {array.shape}; needed: one number per entry, "
            f"({rows.n_entries},) for the table or ({rows.last - rows.first},) for its rows {rows.start}..{rows.stop}"
        )
    return _of_dtype(name, array, view.values.dtype)


def major(name: str, array: NDArray[np.floating], view: Compressed, rows: RowRange, *tail: int) -> NDArray[np.floating]:
    """Array with one item per major row, cut to the range; also accepted: already cut."""
    if not isinstance(array, np.ndarray) or array.shape[1:] != tail or array.ndim != 1 + len(tail):
        raise ValueError(f"{name} has shape {np.shape(array)}; needed: {(rows.n_major, *tail)}")
    if len(array) == rows.n_major:
        array = array[rows.start : rows.stop]
    elif len(array) != rows.stop - rows.start:
        raise ValueError(f"{name} has {len(array)} rows; needed: {rows.n_major}, the table's rows")
    return _of_dtype(name, array, view.values.dtype)


def minor(name: str, array: NDArray[np.floating], view: Compressed, *tail: int) -> NDArray[np.floating]:
    """Array with one item per minor row of the table."""
    if not isinstance(array, np.ndarray) or array.shape != (view.n_minor, *tail):
        raise ValueError(f"{name} has shape {np.shape(array)}; needed: {(view.n_minor, *tail)}")
    return _of_dtype(name, array, view.values.dtype)


def vector(name: str, array: ArrayLike | None, size: int, dtype: np.dtype) -> NDArray[np.floating] | None:
    """Short input vector, converted when needed."""
    if array is None:
        return None
    array = np.ascontiguousarray(array, dtype=dtype)
    if array.shape != (size,):
        raise ValueError(f"{name} has shape {array.shape}; needed: ({size},)")
    return array


def cut_vector(name: str, array: ArrayLike | None, rows: RowRange, dtype: np.dtype) -> NDArray[np.floating] | None:
    """Short input vector over the major rows, cut to the range."""
    if array is None:
        return None
    array = np.asarray(array)
    if array.shape == (rows.n_major,):
        array = array[rows.start : rows.stop]
    return vector(name, array, rows.stop - rows.start, dtype)


def ridges(array: ArrayLike | None, view: Compressed, rows: RowRange, k: int) -> NDArray[np.floating] | None:
    """Penalty of each component, (k,), or of each row's, (n_major, k), cut to the range."""
    if array is None or np.ndim(array) != 2:
        return vector("ridge", array, k, view.values.dtype)
    return major("ridge", np.ascontiguousarray(array, dtype=view.values.dtype), view, rows, k)


def writable(name: str, array: NDArray[np.floating]) -> NDArray[np.floating]:
    """Refuse an output that the kernel could not fill in place."""
    if not array.flags.writeable:
        raise ValueError(f"{name} is read-only; needed: a writable array to be filled")
    return array


def filled(name: str, array: NDArray[Any], rows: RowRange, dtype: np.dtype, *tail: int) -> NDArray[Any]:
    """Output with one item per major row, cut to the range."""
    if array.shape == (rows.n_major, *tail):
        array = array[rows.start : rows.stop]
    if array.shape != (rows.stop - rows.start, *tail):
        raise ValueError(f"{name} has shape {array.shape}; needed: {(rows.n_major, *tail)}")
    return writable(name, _of_dtype(name, array, dtype))


def family_code(family: str) -> int:
    """Number of a fused family."""
    try:
        return FAMILIES[family]
    except KeyError:
        raise ValueError(f"family={family!r} has no fused kernel; known: {', '.join(FAMILIES)}") from None


def _of_dtype(name: str, array: NDArray[np.floating], dtype: np.dtype) -> NDArray[np.floating]:
    # An array as large as the data is never converted in silence: the caller holds it in the right form.
    if array.dtype != dtype or not array.flags.c_contiguous:
        layout = "C-contiguous" if array.flags.c_contiguous else "not C-contiguous"
        raise TypeError(f"{name} is {array.dtype}, {layout}; needed: {dtype}, C-contiguous, as the table's values")
    return array
