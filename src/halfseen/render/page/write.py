"""One self-contained page about a fitted model: no network, no server, nothing but the file."""

from __future__ import annotations

import base64
import hashlib
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import cache
from importlib import import_module, resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from halfseen.render.page.elements import escaped
from halfseen.render.page.markup import Page, facts, note
from halfseen.summary.common import made_section, missing_section
from halfseen.summary.naming import named
from halfseen.summary.parts import Bitmap, Chapter, Facts, Section
from halfseen.summary.subject import Subject
from halfseen.summary.summary import Summary

MOST_LINES = 2000
PICTURES = {"completed.png": "Rows as pictures: seen, completed, and true where the truth is known."}


def report(
    model: Any,
    path: str | os.PathLike[str] = "report.html",
    R: Any = None,
    *,
    level: float = 0.95,
    title: str | None = None,
    limit: int = MOST_LINES,
    labels: Mapping[Any, Any] | None = None,
    record: Mapping[str, Any] | None = None,
) -> Path:
    """Write one self-contained HTML page about a fitted model of any method.

    Leaderboard and items of a factor model, components, biases, paths, shared and unique parts of the other methods;
    how well it fits, where the data are missing, how the numbers were made and what each interval rests on.

    Parameters
    ----------
    model : fitted estimator
    path : path-like
        The file to write, at once: the page is complete or not there at all.
    R : the data of the fit, optional
        For models that do not carry them (out of a file): intervals, counts and the picture of what is missing need
        them. Never looked at for a private model.
    level : float
        Of the intervals.
    title : str, optional
        Heading of the page.
    limit : int
        Most lines of a table on the page; longer ones are cut, with a statement and a CSV of all lines.
    labels : mapping, optional
        Names to show in place of the labels of rows and columns (titles of films for their numbers).
    record : mapping, optional
        Facts of the run, as ``halfseen fit`` leaves them in ``run.json``: command, errors on held-out entries, what was
        tried. ``record["details"]`` is what is in ``details.json``, ``record["pictures"]`` PNG files by
        name, ``record["notes"]`` sentences for the top of the page.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        For a level outside (0, 1), a limit below 1, data that are not those of the fit, names of other labels.
    TypeError
        If the model is no estimator.
    FileNotFoundError
        If the folder is not there.

    Notes
    -----
    Everything that comes from data is escaped, and the page's content security policy forbids all scripts but its own
    and all addresses. Tables above 1.5 MB as CSV lie beside the page instead of in it. Without matplotlib there are no
    pictures. Scores of all rows cost a pass over all cells, O(n p r^2), and are left out above 4e8 cells; nothing of
    the size n x p is stored.

    Examples
    --------
    >>> import tempfile, halfseen as hs
    >>> data = hs.datasets.make_factor_data(60, 40, rank=1, family="bernoulli", observed=0.6, random_state=0)
    >>> model = hs.GeneralizedFactorModel(1, "bernoulli", random_state=0).fit(data.observed)
    >>> page = hs.report(model, tempfile.mkdtemp() + "/report.html", data.observed)
    >>> "Leaderboard" in page.read_text(encoding="utf-8")
    True
    """
    if not 0 < level < 1:
        raise ValueError(f"level={level!r} must lie between 0 and 1, such as 0.95")
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise ValueError(f"limit must be a whole number of at least 1; got {limit!r}")
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"the folder {target.parent} does not exist; make it first")
    pictures = dict(record or {}).get("pictures", {})
    summary = Summary.of(model, level, R, record)
    subject = summary.subject
    page = Page(target.stem, limit, find_spec("matplotlib") is not None)
    if not page.has_pictures:
        subject.note("No pictures: matplotlib is not installed (pip install 'halfseen[plots]').", is_warning=False)
    text = document(subject, named(summary.chapter, subject, labels), page, title, pictures)
    for name, table in page.beside.items():
        write_atomically(target.with_name(name), table)
    write_atomically(target, text)
    return target


def document(subject: Subject, chapter: Chapter, page: Page, title: str | None, pictures: Mapping[str, bytes]) -> str:
    """The whole page as text."""
    when = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    sections = list(chapter.sections)
    if bitmaps := [Bitmap(png, PICTURES[name], PICTURES[name]) for name, png in pictures.items() if name in PICTURES]:
        sections.append(Section("Pictures", bitmaps))
    if missing := missing_section(subject):
        sections.append(missing)
    sections.append(made_section(subject, chapter, when))
    bodies = [page.section(section, f"s{k}") for k, section in enumerate(sections, 1)]
    links = "".join(f'<li><a href="#s{k}">{escaped(section.title)}</a></li>' for k, section in enumerate(sections, 1))
    source = subject.record.get("data", {}).get("source")
    named = Path(source).name if isinstance(source, str) else ""
    heading = escaped(title or named or chapter.title)
    lead = escaped(f"{chapter.title}. {chapter.lead}" if title or named else chapter.lead)
    style, script = asset("style.css"), asset("script.js")
    version = import_module("halfseen").__version__
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy(script)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            f'<meta name="generator" content="halfseen {escaped(version)}">',
            f"<title>{heading}</title><style>\n{style}</style></head>",
            f'<body><header><h1>{heading}</h1><p class="lead">{lead}</p>',
            f'<nav aria-label="Sections"><ul>{links}</ul></nav></header>',
            f"<main>{facts(Facts(chapter.glance))}",
            *(note(remark) for remark in subject.notes),
            *bodies,
            f"</main><footer>Written by halfseen {escaped(version)} on {escaped(when)}. This file needs no network and "
            "no server.</footer>",
            f"<script>{script}</script></body></html>",
            "",
        ]
    )


@cache
def asset(name: str) -> str:
    """A file that goes into every page."""
    return resources.files("halfseen.render.page").joinpath(name).read_text(encoding="utf-8")


def policy(script: str) -> str:
    """What a browser may do with the page: its own style and script, pictures in it, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def write_atomically(target: Path, text: str) -> None:
    """Write a neighbour first and rename it: the file is complete, or what was there before."""
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        temporary.write_bytes(text.encode("utf-8", "replace"))
        os.replace(temporary, target)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
