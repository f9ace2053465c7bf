"""Arrays of an .npz file as a table: three of triplets, or one two-dimensional."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from halfseen.data.checks import as_numbers
from halfseen.data.compress import compress_dense
from halfseen.data.limits import Budget
from halfseen.data.observed import Observed
from halfseen.errors import UnknownLabelError, close_matches, shown


def read_npz(
    path: Path,
    roles: dict[str, Any],
    *,
    missing: float | None,
    shift: float,
    duplicates: str,
    dtype: Any,
    budget: Budget | None = None,
) -> Observed:
    """Read an .npz file; see `halfseen.read_table`. Only the arrays that are asked for are read."""
    arrays = Arrays(path, budget or Budget.of(path))
    name = _value_name(roles["value"], arrays, path)
    values = arrays[name]
    if values.dtype.kind not in "fiub":
        as_numbers(values, f"{path.name}: array {name!r}")
    if values.ndim == 2:
        return _from_table(path, arrays, roles, name, missing, shift, dtype)
    if values.ndim != 1:
        raise ValueError(f"{path.name}: array {name!r} has {values.ndim} dimensions; one or two are needed")
    columns = {}
    for role in ("row", "col", "weight"):
        if roles[role] is None and role == "weight":
            continue
        columns[role] = _labels(path, arrays, roles[role], role)
        if columns[role].shape != values.shape:
            raise ValueError(
                f"{path.name}: {role} array {roles[role]!r} has shape {columns[role].shape}, "
                f"value array {name!r} {values.shape}; they must be equal"
            )
    seen = _seen(values, missing)
    weight = columns.get("weight")
    numbers = as_numbers(values[seen], name, dtype)
    return Observed.from_triplets(
        columns["row"][seen],
        columns["col"][seen],
        numbers + np.asarray(shift, dtype=numbers.dtype),
        None if weight is None else weight[seen],
        row_labels="infer",
        col_labels="infer",
        duplicates=duplicates,
    )


# The last code point of Unicode.
LAST_LETTER = 0x10FFFF


class Header(NamedTuple):
    """What an array says of itself before it is read."""

    shape: tuple[int, ...]
    dtype: np.dtype
    is_fortran: bool

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the numbers."""
        size = self.dtype.itemsize
        for length in self.shape:
            size *= length
        return size


class Arrays(Mapping[str, np.ndarray]):
    """The arrays of an .npz file by name, read when they are asked for.

    Every size is compared with the file before anything is allocated, and whatever zip or NumPy cannot make of a member
    is one ValueError that names file and member. Objects are never unpickled.
    """

    def __init__(self, path: Path, budget: Budget) -> None:
        self.path, self._budget = path, budget
        self._read: dict[str, np.ndarray] = {}
        try:
            with zipfile.ZipFile(path) as file:
                members = [info for info in file.infolist() if info.filename.endswith(".npy")]
                others = [info.filename for info in file.infolist()]
        except Exception as error:  # zipfile has many ways to fail
            raise self._damaged(error) from error
        if not members:
            held = f"; it holds {', '.join(map(shown, others[:4]))}" if others else ""
            raise self._damaged(f"there is no array (a member that ends in .npy) in it{held}")
        self._members = {info.filename.removesuffix(".npy"): info for info in members}
        self.headers = {name: self._header(info) for name, info in self._members.items()}

    def _damaged(self, why: Any, member: str = "") -> ValueError:
        place = f"{member!r}: " if member else ""
        text = str(why).splitlines()[0] if str(why) else type(why).__name__
        return ValueError(
            f"{self.path} cannot be read as .npz: {place}{text} (is it cut off, damaged, or are there Python objects "
            "in it?)"
        )

    def _header(self, info: zipfile.ZipInfo) -> Header:
        try:
            with zipfile.ZipFile(self.path) as file, file.open(info) as member:
                return _header_of(member)
        except Exception as error:  # encrypted, an unknown method, no NumPy header, ...
            raise self._damaged(error, info.filename) from error

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._read:
            self._read[name] = self._array(name)
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def _array(self, name: str) -> np.ndarray:
        info, header = self._members[name], self.headers[name]
        if header.dtype.hasobject:
            raise self._damaged("it holds Python objects, which are never read", info.filename)
        if header.nbytes > info.file_size:
            raise self._damaged(
                f"its header promises {header.nbytes} bytes, the member has {info.file_size}", info.filename
            )
        held = sum(array.nbytes for array in self._read.values())
        self._budget.check(held + header.nbytes, f"array {name!r} of shape {header.shape}")
        try:
            with zipfile.ZipFile(self.path) as file, file.open(info) as member:
                return _array_of(member)
        except Exception as error:  # zlib, checksums, ends too early, ...
            raise self._damaged(error, info.filename) from error


def _header_of(member: Any) -> Header:
    """Read the header of a .npy member; shapes and kinds that no array has are refused."""
    version = np.lib.format.read_magic(member)
    if version == (1, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(member)
    elif version == (2, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(member)
    else:
        raise ValueError(f"version {version} of the .npy format is not known")
    if any(isinstance(length, bool) or length < 0 for length in shape) or len(shape) > 8:
        raise ValueError(f"shape {shape} is no shape")
    return Header(shape, dtype, is_fortran)


def _array_of(member: Any) -> np.ndarray:
    header = _header_of(member)
    data = bytearray(header.nbytes)
    view, place = memoryview(data), 0
    while place < len(view):  # not an iteration: reads on until the array is full
        count = member.readinto(view[place:])
        if not count:
            raise ValueError(f"it ends after {place} of {len(view)} bytes")
        place += count
    member.read()  # to the end, where zip compares the checksum
    array = np.frombuffer(data, dtype=header.dtype)
    if header.dtype.kind == "U" and array.size:
        letters = np.frombuffer(data, dtype=np.dtype(np.uint32).newbyteorder(header.dtype.byteorder))
        if letters.max() > LAST_LETTER:  # Python itself fails on such text
            raise ValueError(f"it holds text with a letter {int(letters.max())}, which there is none of")
    return array.reshape(header.shape, order="F" if header.is_fortran else "C")


def array_in(path: Path) -> np.ndarray:
    """The array of a .npy file; its header is compared with the file before anything is allocated.

    Raises
    ------
    OSError
        If the file is not there.
    ValueError
        In one line, for what is no array of numbers or text.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            header = _header_of(file)
            if header.dtype.hasobject:
                raise ValueError("it holds Python objects, which are never read")
            if header.nbytes > size:
                raise ValueError(f"its header promises {header.nbytes} bytes, the file has {size}")
            file.seek(0)
            return _array_of(file)
    except OSError:
        raise
    except Exception as error:  # NumPy's reader of headers has many ways to fail
        raise ValueError((str(error) or type(error).__name__).splitlines()[0]) from error


def _value_name(wanted: Any, arrays: Arrays, path: Path) -> str:
    if wanted is None:
        tables = [name for name, head in arrays.headers.items() if head.ndim == 2 and head.dtype.kind in "fiub"]
        if len(tables) == 1:
            return tables[0]
        if any(head.dtype.hasobject for head in arrays.headers.values()) and not tables:
            raise arrays._damaged("it holds Python objects, which are never read")
        held = ", ".join(f"{name} {head.shape}" for name, head in arrays.headers.items())
        raise ValueError(f"{path.name}: pass value= to say which array holds the values; it has {held}")
    return _known(path, arrays, wanted, "value")


def _known(path: Path, arrays: Arrays, wanted: Any, role: str) -> str:
    if wanted not in arrays:
        raise UnknownLabelError(f"{role}={wanted!r} is not an array of {path.name}; {close_matches(wanted, arrays)}")
    return str(wanted)


def _labels(path: Path, arrays: Arrays, wanted: Any, role: str) -> np.ndarray:
    """Return a one-dimensional array by name, or several joined by "+" into text labels."""
    if wanted is None:
        raise ValueError(f"{path.name}: pass {role}= to name the array of {role} labels; it has {', '.join(arrays)}")
    names = [wanted] if wanted in arrays or not isinstance(wanted, str) else wanted.split("+")
    parts = [arrays[_known(path, arrays, name, role)] for name in names]
    if any(part.shape != parts[0].shape or part.ndim != 1 for part in parts):
        raise ValueError(f"{path.name}: {role}={wanted!r} needs one-dimensional arrays of equal length")
    if len(parts) == 1:
        return parts[0]
    return np.array(["/".join(str(item) for item in items) for items in zip(*parts, strict=True)])


def _seen(values: np.ndarray, missing: float | None) -> np.ndarray:
    if missing is None:
        return np.ones(values.shape, dtype=bool)
    if not np.isnan(missing):
        return values != missing
    return ~np.isnan(values) if values.dtype.kind in "fc" else np.ones(values.shape, dtype=bool)


def _from_table(
    path: Path,
    arrays: Arrays,
    roles: dict[str, Any],
    name: str,
    missing: float | None,
    shift: float,
    dtype: Any,
) -> Observed:
    """Build from a two-dimensional array whose labels are named by the row and col roles."""
    if roles["weight"] is not None:
        raise ValueError(f"{path.name}: weight= needs triplets; {name!r} is a two-dimensional array")
    table = as_numbers(arrays[name], name, dtype)
    hidden = ~_seen(arrays[name], missing)
    table = np.where(hidden, np.nan, table + np.asarray(shift, dtype=table.dtype)).astype(table.dtype)
    labels: list[Any] = []
    for axis, role in enumerate(("row", "col")):
        given = None if roles[role] is None else _labels(path, arrays, roles[role], role)
        if given is not None and len(given) != table.shape[axis]:
            raise ValueError(
                f"{path.name}: {role} array {roles[role]!r} has {len(given)} labels, "
                f"{name!r} has shape {table.shape}; axis {axis} needs one label each"
            )
        if given is not None and len(np.unique(given)) < len(given):
            first, times = _repeated(given)
            raise ValueError(
                f"{path.name}: {role} labels {roles[role]!r} repeat, first {shown(first)} ({times} times); "
                f"leave {role} out, or join it with another array: {role}='OTHER+{roles[role]}'"
            )
        labels.append(given)
    return Observed(compress_dense(table, name), labels[0], labels[1])


def _repeated(labels: np.ndarray) -> tuple[Any, int]:
    unique, first, counts = np.unique(labels, return_index=True, return_counts=True)
    place = min(range(len(unique)), key=lambda k: (counts[k] < 2, first[k]))
    return unique[place], int(counts[place])
