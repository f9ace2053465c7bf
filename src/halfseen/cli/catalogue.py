"""``halfseen data``: the data sets known by name."""

from __future__ import annotations

from halfseen import datasets
from halfseen.cli.screen import print_json, stdout, table
from halfseen.errors import close_matches


def run_list(as_json: bool) -> None:
    """Names, whether the data are here, and what they are."""
    if as_json:
        print_json([{"name": name} for name in datasets.names()])
        return
    made = table("name", "here", "what it is", left=3)
    for name in datasets.names():
        made.add_row(name)
    stdout().print(made)


def run_path(name: str) -> None:
    """The folder or file of one data set, alone on a line."""
    if name not in datasets.names():
        raise ValueError(f"unknown data set {name!r}; {close_matches(name, datasets.names())}")
    print(datasets.path(name))
