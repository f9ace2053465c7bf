"""Record batches gathered into one table, labels numbered on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from halfseen.data.by_source import Coded, tables_by_source
from halfseen.data.checks import as_numbers
from halfseen.data.codes import Coder, Growing, coder_for, refuse_blank, refuse_null
from halfseen.data.limits import Budget
from halfseen.data.observed import Observed
from halfseen.data.words import Words, suggested
from halfseen.errors import shown

# Codes of row and column, the value, and its place in the sorted copy; the bound in the notes of `read_table`.
BYTES_PER_ENTRY = 28
MOST_WORDS = 20
ROLES = ("row", "col", "value", "weight")


class EntryCollector:
    """Gathers record batches with columns row, col, value (and further ones) into arrays.

    Parameters
    ----------
    columns : list of str
        Names, for errors.
    text : bool
        Whether the labels come from a text file.
    missing, shift, dtype :
        As in `read_table`.
    roles : sequence of str or None
        What each column is: "row", "col", "value" first, then any of "weight", "trials", "source".
    words : Words or None
        What words among the values mean.
    budget : Budget or None
        Of the memory.
    """

    def __init__(
        self,
        columns: list[str],
        text: bool,
        missing: float | None,
        shift: float,
        dtype: Any,
        roles: tuple[str, ...] | None = None,
        words: Words | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._columns, self._text = columns, text
        self._missing, self._shift, self._dtype = missing, shift, dtype
        self.roles = roles or ROLES[: len(columns)]
        self._words, self._budget = words, budget
        self._coders: dict[str, Coder] = {}
        self._types: dict[str, Any] = {}
        self._values: Growing | None = None
        self._more = {role: Growing(np.float32) for role in self.roles if role in ("weight", "trials")}
        self._seen = 0

    @property
    def n_kept(self) -> int:
        """Entries taken so far, missing ones left out."""
        return 0 if self._values is None else self._values.length

    def add(self, batch: Any) -> None:
        """Take the next record batch."""
        if not batch.num_rows:
            return
        offset = self._seen
        self._seen += batch.num_rows
        columns = dict(zip(self.roles, batch.columns, strict=True))
        if self._words is not None:
            columns["value"] = self._words.of_arrow(columns["value"], self._columns[2])
        keep = self._kept(columns["value"])
        if keep is not None:
            columns = {role: column.filter(keep) for role, column in columns.items()}
        for role in ("row", "col", "source"):
            if role in columns:
                self._code(role, columns[role], offset)
        values = self._numbers(columns["value"], "value", offset)
        if self._shift:
            values = as_numbers(values, "values", self._dtype)
            values = values + np.asarray(self._shift, dtype=values.dtype)
        if self._values is None:
            self._values = Growing(values.dtype)
        self._values.append(values)
        for role, held in self._more.items():
            held.append(as_numbers(self._numbers(columns[role], role, offset), role))
        if self._budget is not None:
            self._budget.check(BYTES_PER_ENTRY * self.n_kept, f"a table of {self.n_kept} entries or more")

    def _name(self, role: str) -> str:
        return self._columns[self.roles.index(role)]

    def _code(self, role: str, labels: Any, offset: int) -> None:
        """Number the labels of one axis."""
        import pyarrow as pa

        name = self._name(role)
        if role not in self._coders:
            self._types[role] = labels.type
            self._coders[role] = coder_for(labels.type, name, self._text)
        known = self._types[role]
        if labels.type != known and not (pa.types.is_integer(labels.type) and pa.types.is_integer(known)):
            raise ValueError(
                f"column {name!r} mixes types: {known} at first, {labels.type} from entry {offset} on; write all of "
                "its "
                "labels alike"
            )
        refuse_null(labels, name, offset)
        if self._text:
            refuse_blank(labels, name, offset)
        self._coders[role].add(labels)

    def _kept(self, values: Any) -> Any:
        """Return the mask of observed values, or None if all are."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self._missing is None and self._words is None:
            return None
        if self._missing is None or np.isnan(self._missing):
            seen = pc.invert(pc.is_null(values, nan_is_null=True))
        else:
            try:
                seen = pc.fill_null(pc.not_equal(values, pa.scalar(self._missing)), self._words is None)
            except pa.ArrowException:  # not numbers: the check of the values says so
                return None
        return None if pc.all(seen).as_py() else seen

    def _numbers(self, column: Any, role: str, offset: int) -> np.ndarray:
        """Return a column of numbers as stored; a null or text is refused with its place."""
        import pyarrow as pa
        import pyarrow.compute as pc

        name = self._name(role)
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        kind = column.type
        numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
        if pa.types.is_decimal(kind):
            column, numeric = column.cast(pa.float64()), True
        if pa.types.is_null(kind):
            column, numeric = column.cast(pa.float64()), True
        if not numeric:
            raise ValueError(_not_numbers(column, name))
        if column.null_count:
            first = pc.index(column.is_null(), True).as_py()
            raise ValueError(
                f"column {name!r} has no number in entry {offset + first} (counted from 0); "
                "drop such lines, or give missing=float('nan') to leave them out"
            )
        numbers = column.to_numpy(zero_copy_only=False)
        if numbers.dtype == np.float16:
            return numbers.astype(np.float32)
        return numbers.astype(np.uint8) if numbers.dtype == bool else numbers

    def _taken(self, path: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The values and further columns of numbers; the collector is empty afterwards."""
        if self._values is None or not self._values.length:
            read = f"all {self._seen} values are missing" if self._seen else "there is no line of data"
            raise ValueError(f"{path} has 0 entries: {read}")
        return self._values.take(), {role: held.take() for role, held in self._more.items()}

    def finish(self, path: Path, duplicates: str) -> Observed:
        """Return the table; the collected columns are given up on the way."""
        values, more = self._taken(path)
        rows, row_labels = self._coders["row"].finish()
        cols, col_labels = self._coders["col"].finish()
        shape = (len(row_labels), len(col_labels))
        return Observed._assemble(
            rows, cols, values, more.get("weight"), shape, row_labels, col_labels, duplicates, dtype=self._dtype,
            trials=more.get("trials"),
        )  # fmt: skip

    def finish_sources(self, path: Path, duplicates: str) -> dict[str, Observed]:
        """Return one table per source, over its own rows and columns."""
        values, more = self._taken(path)
        row, col, source = (Coded(*self._coders[role].finish()) for role in ("row", "col", "source"))
        return tables_by_source(source, row, col, values, more, duplicates, self._dtype)


def _not_numbers(column: Any, name: str) -> str:
    """What to say of a column of values that are no numbers."""
    import pyarrow as pa

    text = f"column {name!r} holds {column.type}, first {shown(column[0].as_py())}; values must be numbers"
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return text
    words = [word for word in column.unique().to_pylist() if word is not None]
    return f"{text}, or say what numbers they stand for: {suggested(words)}" if len(words) <= MOST_WORDS else text
