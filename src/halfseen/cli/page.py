"""``halfseen report``: the page of a saved run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import halfseen as hs
from halfseen.cli.folder import DETAILS
from halfseen.cli.inferring import open_run
from halfseen.cli.reopen import reopened
from halfseen.cli.run_files import read_details
from halfseen.cli.screen import note, print_json, say
from halfseen.data.files import TextFormat
from halfseen.data.wide import read_frame
from halfseen.render.page.write import PICTURES

PAGE = "report.html"
LEFT_OUT = (
    "The data of the fit were not at hand when this page was written: intervals and counts that need them are left out "
    "(halfseen report RUN --data FILE has them)."
)


@dataclass(frozen=True)
class PageOptions:
    """What is to be on the page, and where it goes."""

    out: Path | None = None
    data: str | None = None
    reads: bool = True
    title: str | None = None
    level: float = 0.95
    limit: int = 2000
    labels: Path | None = None


def run_report(run: Path, options: PageOptions, as_json: bool, is_quiet: bool = False) -> None:
    """Write the page of a run."""
    model, record = open_run(run)
    target = run / PAGE if options.out is None else options.out
    if target.is_dir():
        raise ValueError(f"-o {target} is a folder; give the name of a file, such as {target / PAGE}")
    entries = None
    if options.reads or options.data is not None:
        try:
            entries = reopened(record, options.data)
        except (ValueError, OSError) as error:
            if options.data is not None:
                raise
            record["notes"] = [LEFT_OUT]
            note(f"the data of the fit were not read again: {error}")
    record["details"] = read_details(run / DETAILS)
    record["pictures"] = {name: (run / name).read_bytes() for name in PICTURES if (run / name).is_file()}
    more: dict[str, Any] = {"level": options.level, "title": options.title, "limit": options.limit}
    if options.labels is not None:
        more["labels"] = names_in(options.labels)
    page = hs.report(model, target, entries, record=record, **more)
    facts: dict[str, Any] = {"page": str(page), "bytes": page.stat().st_size, "has_data": entries is not None}
    if as_json:
        print_json(facts)
    elif not is_quiet:
        say(f"{page}  {facts['bytes'] / 1024:.0f} KB")


def names_in(file: Path) -> dict[str, str]:
    """Names by label, from the first two columns of a file."""
    frame, key = read_frame(file, None, TextFormat(None, True))
    others = [name for name in frame.column_names if name != key]
    if not others:
        raise ValueError(f"{file} has one column; needed are two, the labels and their names")
    pairs = zip(frame.column(key).to_pylist(), frame.column(others[0]).to_pylist(), strict=True)
    return {str(label): str(name) for label, name in pairs if label is not None and name is not None}
