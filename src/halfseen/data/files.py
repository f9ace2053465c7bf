"""How each kind of file is opened as a stream of record batches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halfseen.errors import UnknownLabelError, close_matches, shown

PARQUET = (".parquet", ".pq")
ARROW = (".feather", ".arrow", ".arrows", ".ipc")
TEXT = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": None, ".dat": None, ".data": None}
BATCH = 1 << 16
BLOCK = 2 << 20


@dataclass(frozen=True)
class TextFormat:
    """How lines of a text file are read.

    Parameters
    ----------
    sep : str or None
        One character; None takes it from the file name, or from the first line.
    header : bool
        Whether the first line holds column names.
    """

    sep: str | None = None
    header: bool = True


def kind_of(path: Path, sep: str | None) -> str:
    """Return "parquet", "arrow", "text" or "npz" by the file's name; refuse missing, empty and unknown files."""
    if not path.exists():
        raise FileNotFoundError(f"no such file: {path}")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give a file")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes)")
    suffix = _suffix(path)
    if suffix in PARQUET:
        return "parquet"
    if suffix in ARROW:
        return "arrow"
    if suffix == ".npz":
        return "npz"
    if suffix in TEXT or sep is not None:
        return "text"
    known = ", ".join([*PARQUET, *ARROW, ".npz", *TEXT])
    raise ValueError(
        f"{path.name}: unknown kind of file {suffix!r}; known are {known} (text also as .gz). "
        "If it is text, pass sep, such as sep=','"
    )


def _suffix(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


@contextmanager
def told(path: Path, kind: str) -> Iterator[None]:
    """Turn pyarrow's errors into a ValueError that names the file."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, EOFError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise ValueError(
            f"{path} cannot be read as {kind}: {lines[0]} (is it cut off, damaged, or another kind of file?)"
        ) from error


def resolve(wanted: str | int | None, default: int, names: list[str], role: str, path: Path) -> str:
    """Return the column name meant by a name or a 0-based number."""
    if wanted is None:
        wanted = default
    if isinstance(wanted, int):
        if not 0 <= wanted < len(names):
            last = len(names) - 1
            what = f"columns 0..{last}" if last else f"one column only, {shown(names[0])}; is sep= right?"
            raise UnknownLabelError(f"{role}={wanted}: {path.name} has {what}")
        wanted = names[wanted]
    if wanted not in names:
        raise UnknownLabelError(f"{role}={wanted!r} is not a column of {path.name}; {close_matches(wanted, names)}")
    if names.count(wanted) > 1:
        raise ValueError(f"{role}={wanted!r}: {path.name} has {names.count(wanted)} columns of that name; rename them")
    return wanted


class ParquetSource:
    """Row groups of a Parquet file, page by page."""

    text = False

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self.path = path
        with told(path, "Parquet"):
            # A small read buffer, no pre-buffering: pages stream by, a row group never lies in memory as a whole.
            self._file = pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
        self.names = list(self._file.schema_arrow.names)

    def batches(self, columns: list[str]) -> Iterator[Any]:
        """Yield record batches of the named columns, in that order."""
        with told(self.path, "Parquet"), self._file:
            for batch in self._file.iter_batches(BATCH, columns=columns, use_threads=False):
                yield batch.select(columns)


class ArrowSource:
    """Record batches of a Feather (version 2) or Arrow IPC file or stream."""

    text = False

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self.path = path
        self._source = pa.OSFile(str(path))
        with told(path, "Feather or Arrow"):
            try:
                self._reader = pa.ipc.open_file(self._source)
            except pa.ArrowInvalid:
                self._source.seek(0)
                self._reader = pa.ipc.open_stream(self._source)
        self.names = list(self._reader.schema.names)

    def batches(self, columns: list[str]) -> Iterator[Any]:
        """Yield record batches of the named columns, in that order, at most BATCH rows each."""
        import pyarrow as pa

        with told(self.path, "Feather or Arrow"), self._source:
            if isinstance(self._reader, pa.ipc.RecordBatchFileReader):
                whole = (self._reader.get_batch(number) for number in range(self._reader.num_record_batches))
            else:
                whole = iter(self._reader)
            for batch in whole:
                for start in range(0, batch.num_rows, BATCH):
                    yield batch.select(columns).slice(start, BATCH)


class TextSource:
    """Lines of a CSV or TSV file, plain or gzipped."""

    text = True

    def __init__(self, path: Path, form: TextFormat) -> None:
        self.path = path
        self._gz = path.suffix.lower() == ".gz"
        self._header = form.header
        with told(path, "text"):
            self.sep = form.sep or TEXT.get(_suffix(path)) or self._guess()
            if len(self.sep) != 1:
                raise ValueError(f"sep must be one character, got {form.sep!r}")
            with self._open() as source:
                self.names = self._column_names(source)

    def _open(self) -> Any:
        import pyarrow as pa

        return pa.input_stream(str(self.path), compression="gzip" if self._gz else None)

    def _guess(self) -> str:
        """Return the separator that is most frequent in the first line."""
        with self._open() as source:
            line = source.read(1 << 16).split(b"\n")[0].decode("utf-8", "replace")
        best = max("\t,;| ", key=line.count)
        if not line.count(best):
            raise ValueError(f"{self.path.name}: found no separator in its first line {shown(line)}; pass sep")
        return best

    def _reader(self, source: Any, types: dict[str, Any], columns: list[str], threads: bool = True) -> Any:
        from pyarrow import csv

        return csv.open_csv(
            source,
            read_options=csv.ReadOptions(
                autogenerate_column_names=not self._header, use_threads=threads, block_size=BLOCK if columns else None
            ),
            parse_options=csv.ParseOptions(delimiter=self.sep),
            convert_options=csv.ConvertOptions(include_columns=columns, column_types=types),
        )

    def batches(self, columns: list[str]) -> Iterator[Any]:
        """Yield record batches: row and column labels dictionary-coded text, numbers as float64."""
        import pyarrow as pa

        text, number = pa.dictionary(pa.int32(), pa.string()), pa.float64()
        types = {name: text if position < 2 else number for position, name in enumerate(columns)}
        with told(self.path, "text"), self._open() as source:
            try:
                yield from self._reader(source, types, columns)
            except pa.ArrowInvalid as error:
                self._retell(error, types, columns)

    def _retell(self, error: Exception, types: dict[str, Any], columns: list[str]) -> None:
        """Read once more on one thread, where pyarrow knows the line, and raise its error in our words."""
        import pyarrow as pa

        told_error = error
        try:
            with self._open() as source:
                for _ in self._reader(source, types, columns, threads=False):
                    pass
        except pa.ArrowInvalid as again:
            told_error = again
        raise self._reworded(told_error) from error

    def _reworded(self, error: Exception) -> ValueError:
        line = str(error).splitlines()[0].replace("In CSV column", "in column").replace("Row #", "line ")
        return ValueError(
            f"{self.path}: {line}. Every line needs the same columns and a number as value; "
            "see header=, sep= and missing="
        )

    def _column_names(self, source: Any) -> list[str]:
        import pyarrow as pa

        try:
            return list(self._reader(source, {}, [], threads=False).schema.names)
        except pa.ArrowInvalid as error:
            if "Empty CSV" in str(error):
                raise
            raise self._reworded(error) from error


def open_source(path: Path, kind: str, form: TextFormat) -> ParquetSource | ArrowSource | TextSource:
    """Open a file by its kind."""
    if kind == "parquet":
        return ParquetSource(path)
    return ArrowSource(path) if kind == "arrow" else TextSource(path, form)
