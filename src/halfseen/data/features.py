"""Side features of rows or columns: arrays, sparse matrices and data frames in, one numeric matrix out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
SCALES = ("auto", "none", "rms")
# Columns of frames are rounded to this part of their standard deviation: a unit or a shift of a million then leaves the
# very same numbers, and an objective with many minima ends in the same one.
GRID = 2.0**-17
# With fewer lines, values of their own in every line are no sign of a name.
FEWEST_NAMED = 20
# Spread of a column, over its mean, below which it is rounding.
ROUNDING = 1e-13


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
    missing : dict of bool arrays
        Which lines of a column are missing; columns without any are not there.

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
    missing: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def from_frame(cls, frame: Any, key: str | None = None, name: str = "features") -> Self:
        """Take a data frame (pandas, polars, pyarrow); ``key`` is the column that names the rows.

        Missing values are kept as such: a fit refuses them, predictions put the mean of the fit in their place.

        Raises
        ------
        ValueError
            For an unknown key.
        """
        labels, columns, missing = feature_columns(frame, key, name)
        length = len(next(iter(columns.values())))
        known = None if labels is None else unique_labels(labels, length, f"labels of {name}")
        return cls(None, columns, known, missing)

    def refuse_missing(self, name: str = "features") -> None:
        """Refuse missing values.

        Raises
        ------
        ValueError
            Naming the first column and row.
        """
        if self.matrix is not None:
            as_side_features(self.matrix, name)
        for column, gone in self.missing.items():
            first = int(gone.argmax())
            row = first if self.labels is None else shown(self.labels[first])
            raise ValueError(
                f"{name}: column {column!r} has {int(gone.sum())} missing values, first at row {row}; fill them in "
                f"(with the column's mean, and a further column that says 1 where {column!r} was missing) or leave "
                "the column out"
            )

    @property
    def n(self) -> int:
        """Number of lines."""
        return int(self.matrix.shape[0]) if self.matrix is not None else len(next(iter(self.columns.values())))

    def take(self, places: IntArray) -> SideFeatures:
        """The chosen lines, in that order."""
        columns = {name: column[places] for name, column in self.columns.items()}
        labels = None if self.labels is None else self.labels[places]
        missing = {name: gone[places] for name, gone in self.missing.items() if gone[places].any()}
        return SideFeatures(None if self.matrix is None else self.matrix[places], columns, labels, missing)

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


def as_side_features(given: Any, name: str = "features", may_miss: bool = False) -> SideFeatures:
    """Take what a user handed over as features: array, scipy.sparse, data frame or `SideFeatures`.

    Parameters
    ----------
    given : array, scipy.sparse, data frame or SideFeatures
    name : str
        What messages call it.
    may_miss : bool
        Whether NaN in an array is let through, as a missing feature. Data frames keep theirs in any case.

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
        _check_finite(np.asarray(matrix.data), name, lambda place: _place_in(matrix, place), may_miss)
        return SideFeatures(matrix)
    if is_frame(given):
        return SideFeatures.from_frame(given, None, name)
    array = as_numbers(np.asarray(given), name)
    if array.ndim != 2 or not array.shape[1]:
        raise ValueError(f"{name} has shape {array.shape}; needed: one line per row and at least one column")
    d = array.shape[1]
    _check_finite(array.ravel(), name, lambda place: divmod(place, d), may_miss)
    return SideFeatures(array)


def _mean_squares(matrix: Any, centre: FloatArray) -> FloatArray:
    """Mean squared distance of every column from its centre."""
    if not hasattr(matrix, "tocsr"):
        return np.asarray(np.mean((matrix - centre) ** 2, axis=0), dtype=float)
    squares, means = (np.asarray(part.mean(axis=0), dtype=float).ravel() for part in (matrix * matrix, matrix))
    return squares - 2.0 * centre * means + centre**2


def _check_finite(values: np.ndarray, name: str, where: Any, may_miss: bool = False) -> None:
    bad = np.isinf(values) if may_miss else ~np.isfinite(values)
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
    centre : ndarray (n_columns,) or None
        What is taken from columns before that.
    means : ndarray (n_columns,) or None
        Means of the encoded columns at the fit, before centre and scale: what stands for a missing feature or an
        unknown category.

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
    centre: FloatArray | None = None
    means: FloatArray | None = None

    @classmethod
    def learn(cls, side: SideFeatures, scale: str = "none", is_centred: bool = True) -> Self:
        """Note columns, categories, and what columns are centred and scaled by.

        Parameters
        ----------
        side : SideFeatures
        scale : {"none", "rms", "auto"}
            ``"rms"`` divides every column by its root mean square. ``"auto"``: columns of data frames are centred and
            divided by their standard deviations (text columns by that of all categories together); arrays are centred
            and divided by one number, for the sizes of spectral features mean something; sparse matrices are divided
            by one number and not centred.
        is_centred : bool
            False leaves the centring of ``"auto"`` out.
        """
        if side.matrix is not None:
            code = cls([], {}, int(side.matrix.shape[1]))
        else:
            known = {name: np.unique(column) for name, column in side.columns.items() if column.dtype.kind == "U"}
            width = sum(len(known[name]) if name in known else 1 for name in side.columns)
            code = cls(list(side.columns), known, width)
        matrix = code.encode(side)
        means = np.asarray(matrix.mean(axis=0), dtype=float).ravel()
        code = replace(code, means=means)
        if scale == "none":
            return code
        squares = _mean_squares(matrix, np.zeros(code.n_columns))
        if scale == "rms":
            size = np.sqrt(squares)
            return replace(code, scale=np.where(size > 0, size, 1.0))
        centre = means if is_centred and not hasattr(matrix, "tocsr") else np.zeros(code.n_columns)
        if is_centred and code.names and hasattr(matrix, "tocsr"):  # numbers are centred, categories stay sparse
            centre = np.where([name in code.names for name in code.encoded_names()], means, 0.0)
        squares = _mean_squares(matrix, centre)
        # a column that varies in its last digits only is a constant
        squares[squares <= (ROUNDING * np.abs(means)) ** 2] = 0.0
        place = 0
        for width in code.widths if code.names else (code.n_columns,):
            # all categories of a column have one scale: a rare one does not become a large number
            own = slice(place, place + width)
            squares[own] = squares[own].sum() if code.names else squares.mean()
            place += width
        return replace(code, scale=np.where(squares > 0, np.sqrt(squares), 1.0), centre=centre)

    @property
    def widths(self) -> list[int]:
        """Encoded columns of every column of a frame."""
        return [len(self.categories[name]) if name in self.categories else 1 for name in self.names]

    def encode(self, side: SideFeatures, name: str = "features", filled: list[str] | None = None) -> Any:
        """The lines as an ndarray or csr_array (n, n_columns).

        Parameters
        ----------
        side : SideFeatures
        name : str
            What messages call it.
        filled : list, optional
            Where given, missing features and unknown categories take the mean of the fit, and a sentence for every
            such column is put into the list; else they are refused.

        Raises
        ------
        ValueError
            For other columns than at the fit, and for missing features and unknown categories that are refused.
        """
        matrix = self._numbers(side, name, filled)
        if self.scale is None:
            return matrix
        if hasattr(matrix, "tocsr"):
            from scipy import sparse

            return sparse.csr_array(matrix @ sparse.diags_array(1.0 / self.scale))
        # in double precision: a centre may be a million times the spread
        centred = matrix if self.centre is None or self.names else matrix - self.centre
        if self.names and self.centre is not None:
            return np.round(centred / self.scale / GRID) * GRID
        return (centred / self.scale).astype(matrix.dtype)

    def _numbers(self, side: SideFeatures, name: str, filled: list[str] | None) -> Any:
        if (side.matrix is None) != bool(self.names):
            fitted, now = ("a data frame", "an array") if self.names else ("an array", "a data frame")
            raise ValueError(f"{name} is {now}, but the model was fitted to {fitted} of features; give the same kind")
        if side.matrix is not None:
            if side.matrix.shape[1] != self.n_columns:
                raise ValueError(f"{name} has {side.matrix.shape[1]} columns; the model was fitted to {self.n_columns}")
            return self._filled_array(side.matrix, name, filled)
        absent = [column for column in self.names if column not in side.columns]
        if absent:
            raise ValueError(f"{name} lacks the column {absent[0]!r}; {close_matches(absent[0], side.columns)}")
        blocks, place = [], 0
        for column, width in zip(self.names, self.widths, strict=True):
            own = slice(place, place + width)
            blocks.append(self._block(column, side, name, filled, own))
            place += width
        if self.n_columns <= DENSE_COLUMNS:
            return np.concatenate([b.toarray() if hasattr(b, "toarray") else b for b in blocks], axis=1)
        from scipy import sparse

        return sparse.csr_array(sparse.hstack([sparse.csr_array(block) for block in blocks]))

    def _filled_array(self, matrix: Any, name: str, filled: list[str] | None) -> Any:
        """An array of numbers, what is missing replaced or refused."""
        values = matrix.data if hasattr(matrix, "tocsr") else matrix
        bad = np.isnan(values)
        if not bad.any():
            return matrix
        if filled is None or self.means is None:
            as_side_features(matrix, name)  # says where
        matrix = matrix.copy()
        assert filled is not None
        assert self.means is not None
        if hasattr(matrix, "tocsr"):
            matrix.data[bad] = self.means[matrix.indices[bad]]
        else:
            matrix[bad] = np.broadcast_to(self.means, matrix.shape)[bad]
        filled.append(f"{int(bad.sum())} missing numbers")
        return matrix

    def _block(self, column: str, side: SideFeatures, name: str, filled: list[str] | None, own: slice) -> Any:
        """One column as numbers: itself, or a column per category; centred where it stays dense."""
        values, n = side.columns[column], side.n
        gone = side.missing.get(column, np.zeros(n, dtype=bool))
        if values.dtype.kind == "f":
            gone = gone | ~np.isfinite(values)
        if gone.any() and filled is None:
            side.refuse_missing(name)
        if gone.any() and filled is not None:
            filled.append(f"{int(gone.sum())} missing in column {column!r}")
        centre = None if self.centre is None else self.centre[own]
        fill = None if self.means is None else self.means[own]
        if column not in self.categories:
            if values.dtype.kind == "U" and not gone.all():
                raise ValueError(f"{name}: column {column!r} held numbers at the fit, and now {shown(values[0])}")
            numbers = values if not gone.any() else np.full(n, 0.0 if fill is None else fill[0])
            if gone.any() and not gone.all():
                numbers[~gone] = values[~gone]
            numbers = numbers[:, None]
            return numbers if centre is None else numbers - centre
        from scipy import sparse

        known, given = self.categories[column], values.astype(str)
        places = np.minimum(np.searchsorted(known, given), len(known) - 1)
        strange = (known[places] != given) & ~gone
        if strange.any():
            first = given[int(strange.argmax())]
            if filled is None:
                raise ValueError(
                    f"{name}: column {column!r} has a category {str(first)!r} that was not there at the fit; "
                    f"{close_matches(first, known)}. Give a known one, or fit again with rows that have it"
                )
            filled.append(f"{int(strange.sum())} of unknown category in column {column!r}, first {str(first)!r}")
        ours = ~(strange | gone)
        lines = np.arange(n)
        block = sparse.csr_array((np.ones(int(ours.sum())), (lines[ours], places[ours])), shape=(n, len(known)))
        if ours.all() and (centre is None or not centre.any()):
            return block
        dense = block.toarray()
        if fill is not None:
            dense[~ours] = fill
        return dense if centre is None else dense - centre

    def encoded_names(self) -> list[str]:
        """Names of the encoded columns."""
        if not self.names:
            return [str(place) for place in range(self.n_columns)]
        named = []
        for name in self.names:
            named += [f"{name}={category}" for category in self.categories[name]] if name in self.categories else [name]
        return named


def identifiers(side: SideFeatures) -> list[str]:
    """Columns of a data frame that look like names of the lines: another value in every line, and no measurement.

    Text of which no two lines have the same, and whole numbers that count the lines (from 0 or 1) or are called an id.

    Examples
    --------
    >>> lines = np.arange(30.0)
    >>> identifiers(SideFeatures(columns={"user": lines, "age": lines % 7, "name": lines.astype(str)}))
    ['user', 'name']
    """
    named = []
    for name, column in side.columns.items():
        if side.n < FEWEST_NAMED or len(np.unique(column)) < side.n or name in side.missing:
            continue
        is_called = name.lower() == "id" or name.lower().endswith("_id") or name.endswith("Id")
        is_text = column.dtype.kind == "U"
        is_whole = not is_text and bool(np.all(column == np.trunc(column)))
        is_count = is_whole and column.min() in (0, 1) and column.max() - column.min() == side.n - 1
        if is_text or is_count or (is_whole and is_called):
            named.append(name)
    return named


def tell_identifiers(model: Any, side: SideFeatures, name: str) -> None:
    """Warn of columns that look like names of the lines."""
    for column in identifiers(side):
        model._warn(
            f"{name}: column {column!r} looks like an identifier (every line has a value of its own), which says "
            f"nothing of new lines; leave it out, or name lines by it: SideFeatures.from_frame(frame, key={column!r})"
        )


def is_features(given: Any) -> bool:
    """Whether rows are given by features (two-dimensional) rather than by labels or positions."""
    if given is None or isinstance(given, str):
        return False
    if hasattr(given, "tocsr") or is_frame(given) or isinstance(given, SideFeatures):
        return True
    return np.ndim(given) == 2
