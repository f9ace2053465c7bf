"""Side features of rows or columns: arrays, sparse matrices and data frames in, one numeric matrix out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from halfseen._typing import FloatArray, IntArray, Labels
from halfseen.data.checks import as_numbers
from halfseen.data.frames import feature_columns, is_frame
from halfseen.data.labels import find_labels, unique_labels
from halfseen.data.storable import storable
from halfseen.errors import close_matches, shown

# Encoded frames with more columns than this are kept sparse.
DENSE_COLUMNS = 256
SCALES = ("none", "rms")


@dataclass(frozen=True)
class SideFeatures:
    """What is known of rows (or columns) besides the table.

    Attributes
    ----------
    matrix : ndarray or csr_array (n, d), or None
        Numbers, where an array was given.
    columns : dict
        Columns of a data frame: floats, or text to be encoded by its categories.
    labels : ndarray (n,) or None
        Who each line is about; without them, lines are in the order of the table's rows.

    Examples
    --------
    >>> import pyarrow as pa
    >>> side = SideFeatures.from_frame(pa.table({"user": ["ann", "bob"], "age": [31, 57], "job": ["cook", "pilot"]}),
    ...                                key="user")
    >>> side.n, sorted(side.columns), side.labels.tolist()
    (2, ['age', 'job'], ['ann', 'bob'])
    """

    matrix: Any = None
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    labels: Labels | None = None

    @classmethod
    def from_frame(cls, frame: Any, key: str | None = None, name: str = "features") -> Self:
        """Take a data frame (pandas, polars, pyarrow); ``key`` is the column that names the rows.

        Raises
        ------
        ValueError
            For a missing value (column and row are named) or an unknown key.
        """
        labels, columns = feature_columns(frame, key, name)
        length = len(next(iter(columns.values())))
        known = None if labels is None else unique_labels(labels, length, f"labels of {name}")
        return cls(None, columns, known)

    @property
    def n(self) -> int:
        """Number of lines."""
        return int(self.matrix.shape[0]) if self.matrix is not None else len(next(iter(self.columns.values())))

    def take(self, places: IntArray) -> SideFeatures:
        """The chosen lines, in that order."""
        columns = {name: column[places] for name, column in self.columns.items()}
        labels = None if self.labels is None else self.labels[places]
        return SideFeatures(None if self.matrix is None else self.matrix[places], columns, labels)

    def aligned(self, length: int, labels: Labels | None, name: str) -> SideFeatures:
        """The lines of a table's rows, by label where both have labels, else in the given order.

        Raises
        ------
        ValueError
            For a row without a line, or (without labels) another number of lines.
        """
        if self.labels is not None and labels is not None:
            try:
                return self.take(find_labels(self.labels, labels))
            except ValueError as error:
                raise ValueError(f"{name} must have a line for every row of the table: {error}") from error
        if self.n != length:
            raise ValueError(
                f"{name} has {self.n} rows, the table has {length}; give one line each, in the table's order, or name "
                "the lines: SideFeatures.from_frame(frame, key=...) finds them by the table's labels"
            )
        return self


def as_side_features(given: Any, name: str = "features") -> SideFeatures:
    """Take what a user handed over as features: array, scipy.sparse, data frame or `SideFeatures`.

    Raises
    ------
    ValueError
        For another number of dimensions, and for missing or infinite values; the first is named.

    Examples
    --------
    >>> as_side_features([[1.0, 2.0], [3.0, 4.0]]).n
    2
    >>> as_side_features([[1.0, float("nan")]], "F")
    Traceback (most recent call last):
    ...
    ValueError: F has 1 missing or infinite values, first at row 0, column 1; fill them in or leave the column out
    """
    if isinstance(given, SideFeatures):
        return given
    if hasattr(given, "tocsr"):
        from scipy import sparse

        matrix = sparse.csr_array(given)
        _check_finite(np.asarray(matrix.data), name, lambda place: _place_in(matrix, place))
        return SideFeatures(matrix)
    if is_frame(given):
        return SideFeatures.from_frame(given, None, name)
    array = as_numbers(np.asarray(given), name)
    if array.ndim != 2 or not array.shape[1]:
        raise ValueError(f"{name} has shape {array.shape}; needed: one line per row and at least one column")
    d = array.shape[1]
    _check_finite(array.ravel(), name, lambda place: divmod(place, d))
    return SideFeatures(array)


def _check_finite(values: np.ndarray, name: str, where: Any) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = where(int(bad.argmax()))
        raise ValueError(
            f"{name} has {int(bad.sum())} missing or infinite values, first at row {row}, column {column}; "
            "fill them in or leave the column out"
        )


def _place_in(matrix: Any, place: int) -> tuple[int, int]:
    return int(np.searchsorted(matrix.indptr, place, side="right")) - 1, int(matrix.indices[place])


@storable
@dataclass(frozen=True)
class FeatureCode:
    """How features became numbers at the fit, so that new lines become numbers in the same way.

    Attributes
    ----------
    names : list of str
        Columns of a data frame; empty where an array was given.
    categories : dict
        Known categories of every text column, in sorted order.
    n_columns : int
        Columns of the encoded matrix.
    scale : ndarray (n_columns,) or None
        What columns are divided by.

    Examples
    --------
    >>> side = SideFeatures(columns={"age": np.array([31.0, 57.0]), "job": np.array(["cook", "pilot"])})
    >>> code = FeatureCode.learn(side)
    >>> code.encoded_names(), code.encode(side).tolist()
    (['age', 'job=cook', 'job=pilot'], [[31.0, 1.0, 0.0], [57.0, 0.0, 1.0]])
    """

    names: list[str]
    categories: dict[str, Labels]
    n_columns: int
    scale: FloatArray | None = None

    @classmethod
    def learn(cls, side: SideFeatures, scale: str = "none") -> Self:
        """Note columns, categories and (``scale="rms"``) the root mean square of every column."""
        if side.matrix is not None:
            code = cls([], {}, int(side.matrix.shape[1]))
        else:
            known = {name: np.unique(column) for name, column in side.columns.items() if column.dtype.kind == "U"}
            width = sum(len(known[name]) if name in known else 1 for name in side.columns)
            code = cls(list(side.columns), known, width)
        if scale == "none":
            return code
        matrix = code.encode(side)
        squares = matrix.multiply(matrix).mean(axis=0) if hasattr(matrix, "multiply") else np.mean(matrix**2, axis=0)
        size = np.sqrt(np.asarray(squares, dtype=float)).ravel()
        return cls(code.names, code.categories, code.n_columns, np.where(size > 0, size, 1.0))

    def encode(self, side: SideFeatures, name: str = "features") -> Any:
        """The lines as an ndarray or csr_array (n, n_columns).

        Raises
        ------
        ValueError
            For other columns than at the fit, and for a category that was not there.
        """
        matrix = self._numbers(side, name)
        if self.scale is None:
            return matrix
        if hasattr(matrix, "tocsr"):
            from scipy import sparse

            return sparse.csr_array(matrix @ sparse.diags_array(1.0 / self.scale))
        return matrix / self.scale.astype(matrix.dtype)

    def _numbers(self, side: SideFeatures, name: str) -> Any:
        if (side.matrix is None) != bool(self.names):
            fitted, now = ("a data frame", "an array") if self.names else ("an array", "a data frame")
            raise ValueError(f"{name} is {now}, but the model was fitted to {fitted} of features; give the same kind")
        if side.matrix is not None:
            if side.matrix.shape[1] != self.n_columns:
                raise ValueError(f"{name} has {side.matrix.shape[1]} columns; the model was fitted to {self.n_columns}")
            return side.matrix
        absent = [column for column in self.names if column not in side.columns]
        if absent:
            raise ValueError(f"{name} lacks the column {absent[0]!r}; {close_matches(absent[0], side.columns)}")
        blocks = [self._block(column, side.columns[column], name) for column in self.names]
        if self.n_columns <= DENSE_COLUMNS:
            return np.concatenate([b.toarray() if hasattr(b, "toarray") else b for b in blocks], axis=1)
        from scipy import sparse

        return sparse.csr_array(sparse.hstack([sparse.csr_array(block) for block in blocks]))

    def _block(self, column: str, values: np.ndarray, name: str) -> Any:
        if column not in self.categories:
            if values.dtype.kind == "U":
                raise ValueError(f"{name}: column {column!r} held numbers at the fit, and now {shown(values[0])}")
            return values[:, None]
        from scipy import sparse

        known, found = self.categories[column], values.astype(str)
        places = np.minimum(np.searchsorted(known, found), len(known) - 1)
        strange = known[places] != found
        if strange.any():
            first = found[int(strange.argmax())]
            raise ValueError(
                f"{name}: column {column!r} has a category {str(first)!r} that was not there at the fit; "
                f"{close_matches(first, known)}. Give a known one, or fit again with rows that have it"
            )
        n = len(values)
        return sparse.csr_array((np.ones(n), (np.arange(n), places)), shape=(n, len(known)))

    def encoded_names(self) -> list[str]:
        """Names of the encoded columns."""
        if not self.names:
            return [str(place) for place in range(self.n_columns)]
        named = []
        for name in self.names:
            named += [f"{name}={category}" for category in self.categories[name]] if name in self.categories else [name]
        return named


def is_features(given: Any) -> bool:
    """Whether rows are given by features (two-dimensional) rather than by labels or positions."""
    if given is None or isinstance(given, str):
        return False
    if hasattr(given, "tocsr") or is_frame(given) or isinstance(given, SideFeatures):
        return True
    return np.ndim(given) == 2
