"""``halfseen data``: the data sets known by name."""

from __future__ import annotations

from dataclasses import asdict

from halfseen import datasets
from halfseen.cli.screen import note, print_json, stdout, table


def run_list(as_json: bool) -> None:
    """Names, families, and whether the data are here."""
    listed = datasets.list_datasets()
    if as_json:
        print_json([asdict(info) for info in listed])
        return
    grid = table("name", "here", "family", "what it is", left=4)
    grid.columns[-1].no_wrap = False
    for info in listed:
        grid.add_row(
            info.name, "yes" if info.here else "no", info.family, info.summary, style="" if info.here else "dim"
        )
    stdout().print(grid)
    if not all(info.here for info in listed):
        note(f"data sets that are not here are looked for in {datasets.data_home()}; set HALFSEEN_DATA to change that")


def run_path(name: str) -> None:
    """The file of one data set, alone on a line."""
    print(datasets.path(name))
