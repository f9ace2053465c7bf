"""The data of a fit, read again as the fit read them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from halfseen.cli.options import Duplicates, TableOptions
from halfseen.cli.source import open_table, read_features, read_sources
from halfseen.data import Observed, Sources
from halfseen.data.prepared import is_prepared


def reopened(record: Mapping[str, Any], data: str | None) -> Observed | Sources | None:
    """The entries that the saved model was fitted to, read as the fit read them.

    Raises
    ------
    ValueError, OSError
        If they are not there, or not the same.
    """
    if record["method"] == "moment" and data is None:
        return None  # rows went through in blocks, and their errors are in the record
    source = record["data"]["source"] if data is None else data
    if isinstance(source, str) and is_prepared(source):
        return None  # its entries stay in the blocks of its folder
    reading = table_options(record)
    entries: Observed | Sources
    if record["method"] in ("heterogeneous", "autoencoder"):
        files = source if isinstance(source, list) else [source]
        entries = read_sources(files, record["options"]["source"], reading)
    else:
        entries = open_table(source, reading)
    if entries.n_entries != record["data"]["n_entries"]:
        raise ValueError(f"{source} has {entries.n_entries} entries now, {record['data']['n_entries']} at the fit")
    fitted = as_fitted(entries, record.get("judge", {}))
    if fitted is not entries and fitted.n_entries != record.get("n_fitted", fitted.n_entries):
        raise ValueError("which entries were held out cannot be found again for this kind of run")
    return fitted


def as_fitted(entries: Observed | Sources, judge: Mapping[str, Any]) -> Observed | Sources:
    """The entries that the saved model was fitted to: all of them, or those that were not held out for good."""
    share = judge.get("held_out", 0) if judge.get("hide") is None else judge["hide"]
    if not share or (judge.get("hide") is None and judge.get("refit")):
        return entries
    if isinstance(entries, Sources):
        return entries.split(share, random_state=judge["seed"])[0]
    return entries.split(share, random_state=judge["seed"], keep_covered=True)[0]


def table_options(record: Mapping[str, Any]) -> TableOptions:
    """How the fit read its table."""
    known = TableOptions.__dataclass_fields__
    table = {name: value for name, value in record.get("table", {}).items() if name in known}
    table["duplicates"] = Duplicates(table.get("duplicates", "error"))
    return TableOptions(**table)


def features_again(record: Mapping[str, Any], observed: Any) -> dict[str, Any]:
    """The features of the fit, where it had any, as arguments of ``inference``."""
    kept = record.get("features")
    if not kept:
        return {}
    sides = (("row", observed.row_labels), ("col", observed.col_labels))
    reading = table_options(record)
    return {
        f"{side}_features": read_features(Path(kept[side]["file"]), kept[side]["key"], labels, reading)[0]
        for side, labels in sides
        if side in kept
    }
