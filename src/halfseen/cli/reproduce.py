"""``halfseen reproduce``: the figures of papers, listed and run."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from halfseen.cli.screen import complain, note, print_json, stdout, table
from halfseen.reproduce import (
    Check,
    Figure,
    MissingData,
    Paper,
    Request,
    check_figure,
    find_papers,
    find_root,
    run_figure,
    select,
    write_page,
)
from halfseen.reproduce.page import verdicts
from halfseen.reproduce.runs import read_record

EVERY_SECONDS = 30.0


Chosen = tuple[list[Paper], list[Figure]]
How = tuple[list[str], bool, float | None, bool]


def chosen(what: str | None, is_every: bool, root: Path | None) -> Chosen:
    """The papers, and the figures that were asked for."""
    if what is not None and is_every:
        raise ValueError(f"--all is every figure of every paper; leave {what!r} out, or --all")
    papers = find_papers(find_root(root))
    return papers, [figure for paper in papers for figure in paper.figures] if what is None else select(papers, what)


def run_list(root: Path | None, as_json: bool, is_check: bool = False) -> None:
    """Papers, figures, and what came out when they were last run in full."""
    if is_check:
        raise ValueError("--check needs to know what: give PAPER or PAPER/FIGURE, or --all")
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


def run_reproduce(wanted: Chosen, how: How, as_json: bool) -> None:
    """Run what was asked for; one figure that cannot be run does not keep the others from running."""
    given, quick, minutes, fresh = how
    request = Request(quick, data_sets(given), minutes, fresh)
    papers, figures = wanted
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


def run_check(wanted: Chosen, how: How, as_json: bool) -> None:
    """Compare the verdicts of small runs with the tracked ones; exit in error if one differs.

    A figure whose data or library is not here is named and left out.
    """
    given, *others = how
    if any(other not in (False, None) for other in others):
        raise ValueError(
            "--check has a setting of its own and writes nothing; leave out --quick, --minutes and --fresh"
        )
    data, checks, left_out = data_sets(given), [], []
    for figure in wanted[1]:
        name = f"{figure.paper}/{figure.name}"
        try:
            with _told(name) as tell:
                checks.append(check_figure(figure, data, tell))
        except (MissingData, ImportError) as error:
            left_out.append(name)
            note(f"{name} is left out: {error}")
        else:
            if not as_json:
                _show_check(checks[-1])
    if as_json:
        print_json([_as_dict(check) for check in checks])
    else:
        stdout().print(_summed(checks, left_out))
    differ = [comparison for check in checks for comparison in check.comparisons if comparison.outcome == "differs"]
    if differ:
        raise ValueError(
            f"{len(differ)} verdicts differ from the tracked ones by more than their Monte Carlo error; "
            "run these figures in full (halfseen reproduce PAPER/FIGURE) and look at what has changed"
        )


def _as_dict(check: Check) -> dict[str, Any]:
    lines = [comparison.as_dict() for comparison in check.comparisons]
    return {"paper": check.figure.paper, "figure": check.figure.name, "seconds": check.seconds, "comparisons": lines}


def _show_check(check: Check) -> None:
    console, counts = stdout(), check.counts()
    said = ", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "no verdicts"
    console.print(f"{check.figure.paper}/{check.figure.name}: {said} ({check.seconds:.0f} s)", highlight=False)
    for comparison in check.comparisons:
        if comparison.outcome in ("within error", "differs"):
            console.print(
                f"  {comparison.outcome}: {comparison.what}: tracked {comparison.tracked}, here {comparison.here}",
                highlight=False,
                markup=False,
            )
            if comparison.why:
                console.print(f"    {comparison.why}", highlight=False, markup=False)


def _summed(checks: list[Check], left_out: list[str]) -> str:
    total: dict[str, int] = {}
    for check in checks:
        for outcome, count in check.counts().items():
            total[outcome] = total.get(outcome, 0) + count
    said = ", ".join(f"{count} {outcome}" for outcome, count in total.items()) or "no verdicts"
    seconds = sum(check.seconds for check in checks)
    gone = f"; left out: {', '.join(left_out)}" if left_out else ""
    return f"{len(checks)} figures in {seconds:.0f} s of processor time: {said}{gone}"


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
