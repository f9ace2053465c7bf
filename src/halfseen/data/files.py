"""How each kind of file is opened as a stream of record batches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halfseen.data.arrow_sizes import MAGIC, check_messages, checked_batch
from halfseen.data.blanks import Rewritten, squeezed
from halfseen.data.layout import (
    HEAD_LINES,
    LOOKED_AT,
    MOST_ABOVE,
    ODD,
    FileLayout,
    Recoded,
    Tidying,
    encoding_of,
    layout_of,
)  # fmt: skip
from halfseen.data.limits import LONGEST_LINE, Budget
from halfseen.data.parquet_sizes import check_pages
from halfseen.data.words import suggested
from halfseen.errors import UnknownLabelError, close_matches, shown

PARQUET = (".parquet", ".pq")
ARROW = (".feather", ".arrow", ".arrows", ".ipc")
TEXT = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": None, ".dat": None, ".data": None}
JSON = (".jsonl", ".ndjson", ".json")
BATCH = 1 << 16
BLOCK = 2 << 20
HEAD = 1 << 16
# Where a line is longer than a block of its file, the block is made this many times the first line.
LINES_PER_BLOCK = 4
LABEL, NUMBER, WORD = "label", "number", "word"
# How a column of row names is called that nobody named.
COUNTS_LINES = "only counts the lines"
UNNAMED = ("", "Unnamed: 0", "__index_level_0__")

# Cells that people leave for "nothing".
BLANKS = (" ", "  ", "-", "--")


@dataclass(frozen=True)
class TextFormat:
    """How lines of a text file are read.

    Parameters
    ----------
    sep : str or None
        One character; None takes it from the file name, or from the first lines. A blank stands for any run of blanks
        and tabs.
    header : bool
        Whether the first line holds column names.
    """

    sep: str | None = None
    header: bool = True


def kind_of(path: Path, sep: str | None) -> str:
    """Return "parquet", "arrow", "text", "json" or "npz" by the file's name; refuse missing, empty, unknown files."""
    if not path.exists():
        raise FileNotFoundError(f"no such file: {path}")
    if path.is_dir():
        if (path / "table.json").is_file():
            raise IsADirectoryError(f"{path} is a prepared table, which Python reads: halfseen.read_table('{path}')")
        raise IsADirectoryError(f"{path} is a folder; give a file")
    if path.is_file() and path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes)")
    suffix = suffix_of(path)
    kinds = {**dict.fromkeys(PARQUET, "parquet"), **dict.fromkeys(ARROW, "arrow"), ".npz": "npz"}
    kinds |= dict.fromkeys(JSON, "json")
    if suffix in kinds:
        return kinds[suffix]
    if suffix in TEXT or sep is not None:
        return "text"
    known = ", ".join([*PARQUET, *ARROW, ".npz", *JSON, *TEXT])
    raise ValueError(
        f"{path.name}: unknown kind of file {suffix!r}; known are {known} (text also as .gz). "
        "If it is text, give sep=, such as sep=','"
    )


def suffix_of(path: Path) -> str:
    """The ending that says the kind: ".csv" of "a.csv.gz"."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


@contextmanager
def told(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever a foreign reader raises into a ValueError that names the file; ours pass through."""
    import pyarrow as pa

    try:
        yield
    except Exception as error:
        is_ours = type(error) in (ValueError, UnknownLabelError) or isinstance(error, FileNotFoundError)
        if is_ours or (isinstance(error, MemoryError) and not isinstance(error, pa.ArrowException)):
            raise
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

    def __init__(self, path: Path, budget: Budget | None = None) -> None:
        import pyarrow.parquet as pq

        self.path, self.budget = path, budget or Budget.of(path)
        with told(path, "Parquet"), pq.ParquetFile(path) as file:
            self.names = list(file.schema_arrow.names)
            self.n_rows = int(file.metadata.num_rows)
        if self.n_rows < 0:
            raise ValueError(
                f"{path} cannot be read as Parquet: it says that it has {self.n_rows} rows; is it damaged?"
            )

    def batches(self, columns: list[str], kinds: list[str] | None = None) -> Iterator[Any]:
        """Yield record batches of the named columns, in that order."""
        import pyarrow.parquet as pq

        # A small read buffer, no pre-buffering: pages stream by, a row group never lies in memory as a whole.
        with told(self.path, "Parquet"), pq.ParquetFile(self.path, pre_buffer=False, buffer_size=1 << 20) as file:
            check_pages(self.path, columns, self.budget)
            for batch in file.iter_batches(BATCH, columns=columns, use_threads=False):
                yield checked_batch(batch.select(columns))


class ArrowSource:
    """Record batches of a Feather (version 2) or Arrow IPC file or stream."""

    text = False

    def __init__(self, path: Path, budget: Budget | None = None) -> None:
        import pyarrow as pa

        self.path = path
        with told(path, "Feather or Arrow"):
            with path.open("rb") as source:
                check_messages(source, budget or Budget.of(path))
                source.seek(0)
                self._is_file = source.read(len(MAGIC)) == MAGIC
            self._n_batches = None
            with pa.OSFile(str(path)) as whole:
                if self._is_file:
                    self._n_batches = pa.ipc.open_file(whole).num_record_batches
            with self._opened() as (reader, _):
                self.names = list(reader.schema.names)

    @contextmanager
    def _opened(self, columns: list[str] | None = None) -> Iterator[Any]:
        """The stream of messages, which a file holds as well: what was checked is what is read."""
        import pyarrow as pa

        with pa.OSFile(str(self.path)) as source:
            if self._is_file:
                source.seek(len(MAGIC))
            fields = None if columns is None else sorted(self.names.index(name) for name in columns)
            options = pa.ipc.IpcReadOptions(use_threads=False, included_fields=fields)
            yield pa.ipc.open_stream(source, options=options), source

    def batches(self, columns: list[str], kinds: list[str] | None = None) -> Iterator[Any]:
        """Yield record batches of the named columns, in that order, at most BATCH rows each."""
        with told(self.path, "Feather or Arrow"), self._opened(columns) as (reader, _):
            count = 0
            for batch in reader:
                count += 1
                chosen = checked_batch(batch.select(columns))
                for start in range(0, batch.num_rows, BATCH):
                    yield chosen.slice(start, BATCH)
            if self._n_batches not in (None, count):
                raise ValueError(
                    f"{self.path} cannot be read as Feather or Arrow: {self._n_batches} batches are listed at its end, "
                    f"{count} are there (is it cut off or damaged?)"
                )


class TextSource:
    """Lines of a CSV or TSV file, plain or gzipped."""

    text = True

    def __init__(self, path: Path, form: TextFormat, budget: Budget | None = None) -> None:
        self.path, self.budget = path, budget or Budget.of(path)
        self.notes: list[str] = []
        self._gz = path.suffix.lower() == ".gz"
        self._header = form.header
        self._blanks, self._encoding, self._layout = False, "utf-8", FileLayout()
        with told(path, "text"):
            first = self._first_line()
            self._block = max(BLOCK, LINES_PER_BLOCK * len(first))
            start = self._start(len(first))
            lines = start.decode("utf-8", "replace").splitlines()[:HEAD_LINES]
            self.sep = form.sep or self._usual(lines) or self._guess(lines)
            if len(self.sep) != 1:
                raise ValueError(f"sep must be one character, got {form.sep!r}")
            self._blanks = self.sep == " "
            self._settle_layout(start)
            with self._open() as source:
                self.names = self._column_names(source)

    def _start(self, length: int) -> bytes:
        """The first lines as UTF-8."""
        with self._open() as source:
            start = source.read(LOOKED_AT + length)
        self._encoding = encoding_of(start)
        if self._encoding == "utf-8":
            return bytes(start)
        if self._encoding == "cp1252":
            self.notes.append(f"{self.path.name}: its text is no UTF-8, and was read as Windows-1252")
        with self._open() as source:
            return bytes(source.read(LOOKED_AT + length))

    def _settle_layout(self, start: bytes) -> None:
        """How the table lies in the file, by its first lines (and more of them where they have odd cells)."""
        text = squeezed(start) if self._blanks else start
        is_whole = len(start) < LOOKED_AT
        if ODD.search(text) is None and len(text) > HEAD:
            text, is_whole = text[:HEAD], False
        self._layout = layout_of(text.decode("utf-8-sig", "replace"), self.sep, self._header, is_whole)
        self._decimal = "." if self._layout.cells else self._layout.decimal
        self.notes += [f"{self.path.name}: {note}" for note in self._layout.notes]

    def _open(self) -> Any:
        import pyarrow as pa

        source = pa.input_stream(str(self.path), compression="gzip" if self._gz else None)
        if self._encoding != "utf-8":
            source = pa.PythonFile(Rewritten(Recoded(source, self._encoding), LONGEST_LINE, bytes), mode="r")
        if self._blanks:
            source = pa.PythonFile(Rewritten(source, LONGEST_LINE, squeezed), mode="r")
        if self._layout.is_plain:
            return source
        tidying = Tidying(self._layout, self.sep, self._header)
        return pa.PythonFile(Rewritten(source, LONGEST_LINE, tidying, self._layout.is_broken), mode="r")

    def _first_line(self) -> bytes:
        """The first line; longer than any header, it is refused before it is read on."""
        pieces: list[bytes] = []
        length = 0
        with self._open() as source:
            while piece := source.read(1 << 20):  # not an iteration: reads on to the end of the first line
                end = re.search(rb"[\r\n]", piece)
                pieces.append(piece if end is None else piece[: end.start()])
                length += len(pieces[-1])
                if end is not None and length:
                    break
                if length > LONGEST_LINE:
                    raise ValueError(
                        f"{self.path.name}: its first line has more than {LONGEST_LINE >> 20} MiB; is it a text file?"
                    )
        return b"".join(pieces)

    def _usual(self, lines: list[str]) -> str | None:
        """The separator that the file's name stands for, if the first line has it (or none has any other)."""
        usual = TEXT.get(suffix_of(self.path))
        if usual is None or (lines and usual in lines[0]):
            return usual
        return None if any(other in line for line in lines[:MOST_ABOVE] for other in ";\t|") else usual

    def _guess(self, lines: list[str]) -> str:
        """Return the separator that splits the first lines alike; a blank only where there is no other."""
        lines = [line for line in lines if line.strip()]
        if (sep := _splitting(lines[:6])) is not None:
            return sep
        line = lines[0] if lines else ""
        if len(line.split()) > 1 and len({len(other.split()) for other in lines[:6]}) == 1:
            return " "
        below = (_splitting(lines[start : start + 6]) for start in range(1, min(MOST_ABOVE, len(lines) - 2)))
        if (sep := next((sep for sep in below if sep is not None), None)) is not None:
            return sep
        counts = [len(other.split()) for other in lines[:6]]
        if len(counts) > 2 and set(counts[1:]) == {counts[0] + 1}:  # R leaves out the name of the first column
            return " "
        best = max("\t,;| ", key=line.count)
        if not line.count(best):
            raise ValueError(f"{self.path.name}: found no separator in its first line {shown(line)}; give sep=")
        return best

    def _reader(self, source: Any, types: dict[str, Any], columns: list[str], threads: bool = True) -> Any:
        from pyarrow import csv

        block = self._block if columns or self._block > BLOCK else None
        return csv.open_csv(
            source,
            read_options=csv.ReadOptions(
                autogenerate_column_names=not self._header, use_threads=threads, block_size=block
            ),
            parse_options=csv.ParseOptions(delimiter=self.sep),
            convert_options=csv.ConvertOptions(
                include_columns=columns,
                column_types=types,
                decimal_point=self._decimal,
                null_values=[*csv.ConvertOptions().null_values, *BLANKS],
            ),
        )

    def batches(self, columns: list[str], kinds: list[str] | None = None) -> Iterator[Any]:
        """Yield record batches: labels and words as dictionary-coded text, numbers as float64.

        Parameters
        ----------
        columns : list of str
        kinds : list of {"label", "number", "word"} or None
            What each column holds; None: two labels, then numbers.
        """
        import pyarrow as pa

        text, number = pa.dictionary(pa.int32(), pa.string()), pa.float64()
        kinds = kinds or [LABEL, LABEL, *[NUMBER] * (len(columns) - 2)]
        types = {name: number if kind == NUMBER else text for name, kind in zip(columns, kinds, strict=True)}
        yielded = 0
        with told(self.path, "text"), self._open() as source:
            try:
                for batch in self._reader(source, types, columns):
                    yielded += 1
                    yield checked_batch(batch)
                return
            except pa.ArrowInvalid as error:
                truths = {} if yielded else self._truths(columns, kinds)
                if not truths:
                    self._retell(error, types, columns)
        with told(self.path, "text"), self._open() as source:
            try:
                for batch in self._reader(source, types | truths, columns):
                    yield checked_batch(batch)
            except pa.ArrowInvalid as error:
                self._retell(error, types | truths, columns)

    def _truths(self, columns: list[str], kinds: list[str]) -> dict[str, Any]:
        """Columns of True and False that should hold numbers; columns of words are refused with the way out."""
        import pyarrow as pa

        numbers = [name for name, kind in zip(columns, kinds, strict=True) if kind == NUMBER]
        batch = None
        try:
            with self._open() as source:
                batch = next(iter(self._reader(source, {}, numbers, threads=False)))
        except (pa.ArrowInvalid, StopIteration):
            return {}
        truths = {}
        for name, column in zip(numbers, batch.columns, strict=True):
            if pa.types.is_boolean(column.type):
                truths[name] = pa.bool_()
            elif pa.types.is_string(column.type):
                self._refuse_words(name, column)
        return truths

    def _refuse_words(self, name: str, column: Any) -> None:
        """Say which words a column of values holds, if words are all it holds: a few, and none of them a number."""
        words = [word for word in column.unique().to_pylist() if word]
        if 1 <= len(words) <= 20 and not any(_is_number(word) for word in words):
            raise ValueError(
                f"{self.path}: column {name!r} holds words; say what numbers they stand for, in their order: "
                f"{suggested(words)}"
            )

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
        if "straddling" in line:
            line = f"a line has more than {self._block >> 20} MiB"
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


def _splitting(lines: list[str]) -> str | None:
    """The separator that splits all lines alike."""
    for sep in sorted("\t,;|", key=lambda sep: -lines[0].count(sep) if lines else 0):
        if lines and {line.count(sep) for line in lines} == {lines[0].count(sep)} != {0}:
            return sep
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


Source = ParquetSource | ArrowSource | TextSource


def open_source(path: Path, kind: str, form: TextFormat, budget: Budget | None = None) -> Any:
    """Open a file by its kind; ``batches(columns, kinds)`` of what comes back streams it."""
    source: Any
    if kind == "parquet":
        source = ParquetSource(path, budget)
    elif kind == "arrow":
        source = ArrowSource(path, budget)
    elif kind == "json":
        from halfseen.data.json_files import JsonSource

        source = JsonSource(path, budget)
    else:
        source = TextSource(path, form, budget)
    source.running = None
    if len(source.names) > 3 and source.names[0] in UNNAMED and (form.header or not source.text):
        _set_running(source)
    return source


def _set_running(source: Any) -> None:
    """Take the running number that R and pandas write in front, without a name, from the columns of a file."""
    first = source.names[0]
    try:
        batch = next(iter(source.batches([first], [LABEL])), None)
    except ValueError:  # what reads the file will say what is wrong
        return
    texts = [] if batch is None else [str(text) for text in batch.column(0).slice(0, BATCH).to_pylist()]
    if len(texts) < 2 or texts[0] not in ("0", "1"):
        return
    if texts == [str(number) for number in range(int(texts[0]), int(texts[0]) + len(texts))]:
        source.running, source.names = first, source.names[1:]


def restore_running(source: Any) -> None:
    """Put a running number back among the columns, where it is what names the lines."""
    if source.running is not None:
        source.running, source.names = None, [source.running, *source.names]


def told_running(source: Any) -> tuple[str, ...]:
    """A note on a running number that was left out."""
    if source.running is None:
        return ()
    name = source.running or "''"
    return (f"the first column ({name}) {COUNTS_LINES}, as R and pandas write it, and was left out",)
