"""A summary inside a notebook: its sections as HTML, without a page around them."""

from __future__ import annotations

from typing import Any

from halfseen.render.page.elements import escaped
from halfseen.render.page.markup import Page, facts, note
from halfseen.summary.parts import Facts, Picture, Section

LINES = 12


def as_html(summary: Any) -> str:
    """Title, facts, notes and tables; pictures are on the page that ``to_html`` writes."""
    chapter, page = summary.chapter, Page("summary", LINES, False)
    sections = [
        Section(section.title, [part for part in section.parts if not isinstance(part, Picture)])
        for section in chapter.sections
    ]
    bodies = [page.section(section, f"s{k}") for k, section in enumerate(sections, 1) if section.parts]
    head = f"<h3>{escaped(chapter.title)}</h3><p>{escaped(chapter.lead)}</p>{facts(Facts(chapter.glance))}"
    return "".join([f"<div>{head}", *(note(remark) for remark in summary.notes), *bodies, "</div>"])
