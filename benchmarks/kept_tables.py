"""Figures of simulated tables that a study keeps, a line per table, so that it goes on where it stopped."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path

# A table of a study: its kind and seed; and its figures by name.
Place = tuple[str, int]
Figures = dict[str, float]


def kept(path: Path) -> dict[Place, Figures]:
    """What was measured so far, in the order of the file."""
    if not path.exists():
        return {}
    tables: dict[Place, Figures] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            tables.setdefault((line["table"], int(line["seed"])), {})[line["figure"]] = float(line["value"])
    return tables


def measured(path: Path, places: Iterable[Place], measure: Callable[[str, int], Figures]) -> dict[Place, Figures]:
    """All figures of the file, those of ``places`` that it lacks being measured and written after every table."""
    tables = kept(path)
    for place in places:
        if place not in tables:
            tables[place] = measure(*place)
            _write(path, tables)
    return tables


def forget(path: Path, names: Iterable[str]) -> None:
    """Leave out what was measured on these kinds of tables, so that it is measured afresh."""
    gone = set(names)
    _write(path, {place: figures for place, figures in kept(path).items() if place[0] not in gone})


def _write(path: Path, tables: dict[Place, Figures]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["table", "seed", "figure", "value"])
        for (name, seed), figures in tables.items():
            writer.writerows([name, seed, figure, f"{value:.5f}"] for figure, value in figures.items())
