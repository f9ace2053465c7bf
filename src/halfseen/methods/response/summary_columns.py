"""The item response model: leaderboard, items, fit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from halfseen.summary.common import fit_section, glance, three
from halfseen.summary.factors import factor_section
from halfseen.summary.parts import Chapter, Column, Facts, Interval, Note, Part, Section, Table
from halfseen.summary.scores import compared, without_intervals
from halfseen.summary.subject import Subject

# Numbers of a leaderboard that a level belongs to.
STATED = ("interval", "rank interval", "group")


def chapter(subject: Subject) -> Chapter:
    """Leaderboard of the rows, table of the items, fit."""
    model, inference = subject.model, subject.inference
    chapter = Chapter(
        title=f"Item response model, {model.kind_}",
        lead="Rows stand on one ability, columns are items; the score of a row is its mean on the complete table, seen "
        "answers as they are.",
        glance=glance(subject),
    )
    if inference is None:
        sections = [without_intervals(subject)]
    else:
        sections = [
            *leaderboards(subject, inference, chapter),
            pairs(subject, inference, chapter),
            listed(subject, inference.items, "Items", chapter),
        ]
    chapter.sections += [section for section in sections if section is not None]
    chapter.sections.append(
        factor_section(model.row_factors_, model.col_factors_, (subject.labels(0), subject.labels(1)))
    )
    chapter.sections.append(fit_section(subject, [Facts(integrated_facts(model))]))
    return chapter


def pairs(subject: Subject, inference: Any, chapter: Chapter) -> Section | None:
    """The best rows against each other."""
    scores = subject.heard(inference.scores)
    return None if scores is None else compared(subject, inference, scores.estimate, chapter)


def leaderboards(subject: Subject, inference: Any, chapter: Chapter) -> list[Section]:
    """Rows by their scores; of a complete table also over other questions, since these leave nothing uncertain."""
    listing = subject.heard(inference.leaderboard)
    if listing is None:
        return []
    parts = given_table(subject, listing, "leaderboard", chapter)
    if np.any(np.asarray(columns_of(listing)["se"], dtype=float) > 0):
        return [Section("Leaderboard", parts)]
    text = (
        "Every answer was seen: scores of exactly these questions have no sampling error. The next table has the error "
        "over other questions of the kind."
    )
    sections = [Section("Leaderboard", [Note(text, is_warning=False), *parts])]
    alike = listed(
        subject, lambda: inference.leaderboard("like-these"), "Leaderboard over questions like these", chapter
    )
    return sections if alike is None else [*sections, alike]


def listed(subject: Subject, ask: Any, title: str, chapter: Chapter) -> Section | None:
    """A table that the inference brings along."""
    listing = subject.heard(ask)
    return None if listing is None else Section(title, given_table(subject, listing, title.lower(), chapter))


def given_table(subject: Subject, given: Any, name: str, chapter: Chapter) -> list[Part]:
    """A table that the inference brings along: labels first, ``low`` and ``high`` become intervals."""
    columns = columns_of(given)
    parts = table_columns(columns)
    if claim := getattr(given, "claim", ""):
        chapter.claim(name, float(getattr(given, "level", subject.level)), f"{claim}.")
    for note in getattr(given, "notes", ()):
        head, _, text = note.partition(": ") if ": " in note else (name, "", note)
        level = float(given.level) if head in STATED else ""
        chapter.claim(head, level, f"{text[:1].upper()}{text[1:]}.")
    reliable = columns.get("reliable")
    marked = None if reliable is None else ~np.asarray(reliable, dtype=bool)
    caption = "Rows, best first" if name.startswith("leaderboard") else "Columns"
    return [Table(caption, parts, name, marked)]


def columns_of(given: Any) -> dict[str, Any]:
    """Columns of intervals or of a table."""
    return dict(given.columns()) if hasattr(given, "columns") and callable(given.columns) else named(given)


def named(frame: Any) -> dict[str, Any]:
    """Columns of a pyarrow, pandas or polars table, or of a mapping."""
    if hasattr(frame, "column_names"):
        return {name: frame.column(name).to_pylist() for name in frame.column_names}
    return {str(name): list(frame[name]) for name in (frame.keys() if hasattr(frame, "keys") else frame.columns)}


def table_columns(columns: dict[str, Any]) -> list[Column | Interval]:
    """``x_low`` and ``x_high`` (or ``low`` and ``high``) side by side as one column, the others as they are."""
    sided: list[Column | Interval] = []
    for name, values in columns.items():
        values = np.asarray(values)
        is_text = values.dtype.kind in "OU" or not sided
        if name.endswith("low") and (high := f"{name[:-3]}high") in columns:
            what = name[:-3].rstrip("_").replace("_", " ")
            whole = values.dtype.kind in "iu"
            sided.append(Interval(f"{what} interval".strip(), values, np.asarray(columns[high]), is_whole=whole))
        elif not (name.endswith("high") and f"{name[:-4]}low" in columns) and name != "reliable":
            kind = "text" if is_text else "count" if values.dtype.kind in "iub" else "number"
            sided.append(Column(name.replace("_", " "), values, kind=kind))
    return sided


def integrated_facts(model: Any) -> list[tuple[str, str]]:
    """Distributions of abilities and items of a fit whose columns were integrated out."""
    facts = [("items", f"{model.kind_}, integrated out")]
    choice = model.kind_choice_
    if choice is not None:
        gain = f"{three(choice.gain)} \u00b1 {three(choice.gain_se)}"
        facts.append(("left-out deviance that 2pl wins over rasch, per answer", gain))
    facts.append(("standard deviation of abilities", three(math.sqrt(model.prior_variance_))))
    facts.append(("standard deviation of intercepts", three(abs(model.loadings_["spread"]))))
    if model.kind_ == "2pl":
        facts.append(
            ("standard deviation of slopes", three(math.hypot(model.loadings_["tilt"], model.loadings_["slope"])))
        )
    facts.append(("dispersion", three(float(model.dispersion_))))
    if model.kind_ == "2pl":
        facts.append(("standard deviation of what one factor leaves of a row's mean", three(model.board_.leanings.sd)))
    blocks = model.board_.blocks
    if blocks is not None:
        facts.append(("standard deviation of a row's effect of a block", three(blocks.sd)))
    return facts
