"""Many tables over the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from halfseen._typing import IntArray, Labels, RandomState, as_generator
from halfseen.data.checks import check_rule
from halfseen.data.incoming import is_annotated, is_multimodal
from halfseen.data.labels import find_labels
from halfseen.data.observed import Observed
from halfseen.data.validate import as_observed
from halfseen.errors import UnknownLabelError, close_matches, shown

RULES = ("same", "union", "intersection")


class Sources(Mapping[str, Observed]):
    """Named tables whose rows are the same things; a read-only mapping from name to `Observed`.

    Parameters
    ----------
    tables : mapping from str to Observed (or anything an estimator takes)
        Either all have row labels or none has.
    rows : {"same", "union", "intersection"}
        How labelled rows are brought together. "same": every table must have the same labels, in any order (the
        first table's order counts). "union": rows a table does not have are empty in it. "intersection": only rows
        that all tables have. Without labels only "same", by position, is possible.

    Attributes
    ----------
    n_rows : int
    row_labels : array or None

    Raises
    ------
    ValueError
        No table, different numbers of unlabelled rows, labels that differ under rows="same", an empty intersection.

    Examples
    --------
    >>> import halfseen as hs
    >>> drama = hs.Observed.from_triplets(["ann", "bob"], ["d1", "d2"], [1.0, 2.0])
    >>> action = hs.Observed.from_triplets(["bob", "eve"], ["a1", "a1"], [3.0, 4.0])
    >>> S = Sources({"drama": drama, "action": action}, rows="union")
    >>> S
    Sources(3 rows; drama: 2 columns, 2 entries; action: 1 columns, 2 entries)
    >>> S["action"].row_labels.tolist()
    ['ann', 'bob', 'eve']
    """

    __slots__ = ("_tables", "n_rows", "row_labels")

    n_rows: int
    row_labels: Labels | None

    def __init__(self, tables: Mapping[str, Any], rows: str = "same") -> None:
        if rows not in RULES:
            raise ValueError(f"rows must be one of {', '.join(RULES)}; got {rows!r}")
        if not tables:
            raise ValueError("0 tables were given; Sources needs at least one")
        given = {str(name): as_observed(table, name=f"tables[{name!r}]") for name, table in tables.items()}
        labelled = {name: table.row_labels is not None for name, table in given.items()}
        if all(labelled.values()):
            self._tables = _aligned(given, rows)
        elif not any(labelled.values()):
            self._tables = _unlabelled(given, rows)
        else:
            with_labels = next(name for name, has in labelled.items() if has)
            without = next(name for name, has in labelled.items() if not has)
            raise ValueError(
                f"table {with_labels!r} has row labels, table {without!r} has none; give all tables labels, or none"
            )
        first = next(iter(self._tables.values()))
        self.n_rows = first.shape[0]
        self.row_labels = first.row_labels

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        source: str,
        row: str,
        col: str,
        value: str,
        *,
        weight: str | None = None,
        rows: str = "union",
        **reading: Any,
    ) -> Sources:
        """Build from a long data frame with a column that names the source of each entry.

        Parameters
        ----------
        frame : data frame (pandas, polars, pyarrow)
        source, row, col, value, weight : str
            Column names.
        rows : str
            As in `Sources`.

        Other Parameters
        ----------------
        duplicates, values, trials :
            As in `Observed.from_frame`.

        Examples
        --------
        >>> import pyarrow as pa
        >>> table = pa.table({"genre": ["drama", "action", "drama"], "user": ["a", "a", "b"],
        ...                   "film": [1, 2, 1], "rating": [3.0, 4.0, 5.0]})
        >>> Sources.from_frame(table, source="genre", row="user", col="film", value="rating").shapes
        {'action': (2, 1), 'drama': (2, 1)}
        """
        from halfseen.data.by_source import Coded, tables_by_source
        from halfseen.data.frames import long_columns
        from halfseen.data.labels import factorise

        odd = set(reading) - {"duplicates", "values", "trials"}
        if odd:
            raise TypeError(f"from_frame has no argument {sorted(odd)[0]!r}")
        duplicates = check_rule(reading.get("duplicates", "error"))
        wanted = {"source": source, "row": row, "col": col, "value": value, "weight": weight}
        wanted["trials"] = reading.get("trials")
        columns = long_columns(frame, wanted, reading.get("values"))
        own, i, j = (Coded(*factorise(columns.pop(key), f"column {wanted[key]!r}")) for key in ("source", "row", "col"))
        return cls(tables_by_source(own, i, j, columns.pop("value"), columns, duplicates), rows=rows)

    def __getitem__(self, name: str) -> Observed:
        if name not in self._tables:
            raise KeyError(f"no source {name!r}; {close_matches(name, self._tables)}")
        return self._tables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def __repr__(self) -> str:
        parts = [f"{name}: {table.shape[1]} columns, {table.n_entries} entries" for name, table in self.items()]
        return f"Sources({self.n_rows} rows; {'; '.join(parts)})"

    def split(self, fraction: float, random_state: RandomState = None) -> tuple[Sources, Sources]:
        """Hold entries of every source out at random: return (train, test).

        The last entry of a row or column of a source stays in train; a source of which nothing can be held out is not
        in test.

        Raises
        ------
        ValueError
            If nothing at all can be held out.
        """
        rng = as_generator(random_state)
        train, test = {}, {}
        for name, table in self.items():
            train[name], held = table.split(fraction, random_state=rng, keep_covered=True)
            if held.n_entries:
                test[name] = held
        if not test:
            raise ValueError(f"no entry can be held out: {self.n_entries} entries are the last of a row or a column")
        return Sources(train), Sources(test)

    def pooled(self) -> Observed:
        """One table of all columns side by side; columns are labelled (source, column) as "source/column"."""
        tables = list(self.values())
        starts = np.cumsum([0] + [table.shape[1] for table in tables])
        weights = None
        if any(table.weights is not None for table in tables):
            weights = np.concatenate([np.ones(t.n_entries) if t.weights is None else t.weights for t in tables])
        names = [
            f"{name}/{label}"
            for name, table in self.items()
            for label in (range(table.shape[1]) if table.col_labels is None else table.col_labels)
        ]
        return Observed.from_triplets(
            np.concatenate([table.rows for table in tables]),
            np.concatenate([table.cols + start for table, start in zip(tables, starts, strict=False)]),
            np.concatenate([table.values for table in tables]),
            weights,
            shape=(self.n_rows, int(starts[-1])),
            row_labels=self.row_labels,
            col_labels=names,
        )

    @property
    def names(self) -> list[str]:
        """Names of the tables, in order."""
        return list(self._tables)

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """Shape of each table."""
        return {name: table.shape for name, table in self._tables.items()}

    @property
    def n_entries(self) -> int:
        """Number of entries of all tables together."""
        return sum(table.n_entries for table in self._tables.values())


def as_sources(S: Any) -> Sources:
    """Return what a user handed to an estimator of many sources as `Sources`.

    Parameters
    ----------
    S : Sources, mapping from name to table, sequence of tables, one table, or MuData
        Annotated matrices (MuData, a mapping to AnnData) may have different observations: rows that one of them does
        not have are empty in it. Tables are what `as_observed` takes. Those of a sequence are named "0", "1", ...; one
        table alone is a single source named "0".

    Raises
    ------
    ValueError
        As `Sources` and `as_observed`.

    Examples
    --------
    >>> as_sources([[[1.0, 2.0]], [[3.0, float("nan")]]]).shapes
    {'0': (1, 2), '1': (1, 2)}
    """
    if isinstance(S, Sources):
        return S
    if is_multimodal(S):
        return Sources({str(name): table for name, table in S.mod.items()}, rows="union")
    if isinstance(S, Mapping) and not hasattr(S, "tocoo"):  # a sparse dictionary of keys is one table
        return Sources(S, rows="union" if len(S) and all(map(is_annotated, S.values())) else "same")
    if isinstance(S, list | tuple) and S and all(_is_table(table) for table in S):
        return Sources({str(place): table for place, table in enumerate(S)})
    return Sources({"0": as_observed(S, name="S")})


def _is_table(thing: Any) -> bool:
    if isinstance(thing, list | tuple):
        return bool(thing) and isinstance(thing[0], list | tuple | np.ndarray)
    return len(getattr(thing, "shape", ())) == 2


def _unlabelled(tables: dict[str, Observed], rows: str) -> dict[str, Observed]:
    if rows != "same":
        raise ValueError(f"rows={rows!r} needs row labels; these tables have none, so their rows must be the same")
    lengths = {name: table.shape[0] for name, table in tables.items()}
    if len(set(lengths.values())) > 1:
        text = ", ".join(f"{name!r} {length}" for name, length in lengths.items())
        raise ValueError(f"tables without row labels must have equally many rows, got {text}; give row labels")
    return tables


def _aligned(tables: dict[str, Observed], rows: str) -> dict[str, Observed]:
    """Bring labelled rows into one order."""
    each = {name: _labels(table) for name, table in tables.items()}
    first_name, first = next(iter(each.items()))
    if rows == "same":
        for name, labels in each.items():
            _check_same(first_name, first, name, labels)
        common = first
    else:
        merge = np.union1d if rows == "union" else np.intersect1d
        common = first
        for name, labels in list(each.items())[1:]:
            if common.dtype.kind != labels.dtype.kind:
                raise ValueError(
                    f"row labels of {first_name!r} are {common.dtype}, those of {name!r} {labels.dtype}; "
                    "give all of them one kind"
                )
            common = merge(common, labels)
        if not len(common):
            raise ValueError("no row label is common to all tables; keep all with hs.Sources(tables, rows='union')")
    return {name: _placed(table, each[name], common) for name, table in tables.items()}


def _labels(table: Observed) -> Labels:
    assert table.row_labels is not None
    return table.row_labels


def _check_same(first_name: str, first: Labels, name: str, labels: Labels) -> None:
    for wanted, held, lacks in ((first, labels, name), (labels, first, first_name)):
        known = set(held.tolist())
        missing = [label for label in wanted.tolist() if label not in known]
        if missing:
            raise ValueError(
                f"table {lacks!r} lacks {len(missing)} row labels of the others, first {shown(missing[0])}; "
                "keep all with hs.Sources(tables, rows='union') (empty rows where one is lacking), or those in common "
                "with rows='intersection'"
            )


def _placed(table: Observed, labels: Labels, common: Labels) -> Observed:
    """Return the table with its rows in the order of `common`; rows it does not have are empty."""
    if len(labels) == len(common) and bool((labels == common).all()):
        return table
    places = _positions(labels, common)
    placed = Observed(table.by_rows.take_major(places), common, table.col_labels)
    trials = None
    if table.trials is not None:
        trials = table.by_rows.with_values(table.trials, None).take_major(places).values
    return placed._told(table.notes, trials)


def _positions(labels: Labels, common: Labels) -> IntArray:
    try:
        return find_labels(labels, common)
    except UnknownLabelError:
        table = {label: position for position, label in enumerate(labels.tolist())}
        return np.array([table.get(label, -1) for label in common.tolist()], dtype=np.int64)
