"""``halfseen reproduce``: the figures of papers, listed and run."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from halfseen.cli.screen import complain, note, print_json, stdout, table
from halfseen.reproduce import Figure, Request, find_papers, find_root, run_figure, select, write_page
from halfseen.reproduce.page import verdicts
from halfseen.reproduce.runs import read_record

EVERY_SECONDS = 30.0


def run_list(root: Path | None, as_json: bool) -> None:
    """Papers, figures, and what came out when they were last run in full."""
    figures = [figure for paper in find_papers(find_root(root)) for figure in paper.figures]
    records = [read_record(figure.results, figure.name) for figure in figures]
    if as_json:
        print_json(
            [
                {"paper": figure.paper, "figure": figure.name, "title": figure.title, "record": record}
                for figure, record in zip(figures, records, strict=True)
            ]
        )
        return
    grid = table("figure", "what it shows", "last full run", "seconds", left=3)
    grid.columns[1].no_wrap = False
    for figure, record in zip(figures, records, strict=True):
        seconds = f"{record['seconds']:.0f}" if record else ""
        grid.add_row(f"{figure.paper}/{figure.name}", figure.title, verdicts(record), seconds)
    stdout().print(grid)


def run_reproduce(what: str, root: Path | None, how: tuple[list[str], bool, float | None, bool], as_json: bool) -> None:
    """Run what was asked for; one figure that cannot be run does not keep the others of its paper from running."""
    given, quick, minutes, fresh = how
    request = Request(quick, data_sets(given), minutes, fresh)
    papers = find_papers(find_root(root))
    figures = select(papers, what)
    done: list[tuple[Figure, dict[str, Any]]] = []
    failed: list[str] = []
    for figure in figures:
        try:
            with _told(f"{figure.paper}/{figure.name}") as tell:
                done.append((figure, run_figure(figure, request, tell)))
        except (ValueError, OSError, ImportError) as error:
            if len(figures) == 1:
                raise ValueError(f"{figure.paper}/{figure.name}: {error}") from error
            failed.append(figure.name)
            complain(f"{figure.name}: {error}")
        else:
            paper = next(paper for paper in papers if paper.name == figure.paper)
            page = write_page(paper, quick)
            if not as_json:
                _show(figure, done[-1][1])
    if as_json:
        print_json([{"paper": figure.paper, "figure": figure.name, **record} for figure, record in done])
    elif done:
        note(f"page: {page}")
    if failed:
        raise ValueError(f"{len(failed)} of {len(figures)} figures could not be run: {', '.join(failed)}")


def data_sets(given: list[str]) -> dict[str, Path]:
    """``["ml=a.csv", "folder"]`` as ``{"ml": Path("a.csv"), "": Path("folder")}``.

    Raises
    ------
    ValueError
        If a path is not there, or a name is given twice.
    """
    places: dict[str, Path] = {}
    for words in given:
        name, equals, path = words.partition("=")
        if not equals or Path(words).exists():
            name, path = "", words
        if name in places:
            raise ValueError(f"--data {words}: {f'data set {name!r}' if name else 'a path without a name'} comes twice")
        places[name] = Path(path).expanduser()
        if not places[name].exists():
            raise ValueError(f"--data {words}: no such file or folder")
    return places


def _show(figure: Figure, record: dict[str, Any]) -> None:
    console = stdout()
    console.print(f"{figure.paper}/{figure.name}  {figure.title}  ({record['seconds']:.0f} s)")
    if not record["claims"]:
        return
    grid = table("", "line", "the paper, or target", "here", "verdict", left=5)
    for column in grid.columns:
        column.no_wrap = False
    for claim in record["claims"]:
        grid.add_row(claim["what"], claim["kind"], _number(claim["paper"]), _number(claim["ours"]), claim["verdict"])
    console.print(grid)


def _number(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


@contextmanager
def _told(name: str) -> Iterator[Callable[[str], None]]:
    """Progress: a line that changes on a terminal, a line now and then in a pipe."""
    if not sys.stderr.isatty():
        last = [time.monotonic()]

        def tell(text: str) -> None:
            if time.monotonic() - last[0] > EVERY_SECONDS:
                last[0] = time.monotonic()
                note(f"{name}: {text}")

        yield tell
        return
    from rich.console import Console

    with Console(stderr=True).status(name) as status:
        yield lambda text: status.update(f"{name}: {text}")
