"""One-sided completion: second moments before and after, eigenvalues with errors, columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen.data.facts import GRID, SeenShares, quantiles, quantiles_of
from halfseen.inference import Intervals
from halfseen.show.fits import plot_rank_choice
from halfseen.show.moments import Widths, plot_eigenvalues, plot_second_moment, plot_widths
from halfseen.summary.common import fit_section, glance, three
from halfseen.summary.factors import ends, plot_factor_map
from halfseen.summary.parts import Chapter, Column, Facts, Interval, Note, Part, Picture, Section, Table, Text
from halfseen.summary.subject import Subject
from halfseen.text import count, share

ROWS_CLAIM = "Confidence: rows are an independent sample; T is the second moment of the rows they come from."


def chapter(subject: Subject) -> Chapter:
    """Components, second moments, columns, fit."""
    model = subject.model
    chapter = Chapter(
        f"One-sided completion, rank {model.rank_}",
        "How columns move together, learned from rows of which only a few cells each were seen.",
        glance(subject),
    )
    if model.privacy is not None:
        chapter.claim("everything on this page", "privacy", model.privacy.statement())
        subject.note("This is a private model: it holds noisy sums only, and this page shows nothing of single rows. "
                     "Intervals need the raw rows and are not stated.", is_warning=False)  # fmt: skip
    for text in _messages(model):
        subject.note(text)
    if model.privacy is None:
        subject.shares = _seen(model.moments_)
    chapter.sections += [_components(subject, chapter), *_moments(subject, chapter)]
    chapter.sections.append(fit_section(subject, [] if "choice" in subject.record else _rank(model)))
    return chapter


def brief(subject: Subject) -> list[Part]:
    """The pairs, the components, and what is wrong with them."""
    pairs = [] if subject.model.privacy is not None else [_pairs(subject.model)]
    components = [part for part in _components(subject, Chapter("")).parts if not isinstance(part, Picture)]
    return [*pairs, *components, *(Note(text) for text in _messages(subject.model))]


def _messages(model: Any) -> list[str]:
    messages: list[str] = getattr(model.diagnostics_, "messages", lambda rank: [])(model.rank_)
    return [f"{text[0].upper()}{text[1:]}." for text in messages]


def _pairs(model: Any) -> Facts:
    """How rows pair up."""
    diagnostics = model.diagnostics_
    return Facts(
        [
            ("entries per row", three(diagnostics.entries_per_row)),
            ("rows with two or more", count(diagnostics.rows_with_pairs)),
            ("pairs of columns seen together", share(diagnostics.share_of_pairs)),
            ("islands of columns", count(diagnostics.n_islands)),
        ]
    )


def _components(subject: Subject, chapter: Chapter) -> Section:
    model, errors = subject.model, _eigenvalues(subject)
    values = np.asarray(model.eigenvalues_, dtype=float)
    total = values.sum() + float(model.psi_) * model.components_.shape[1]
    columns: list[Column | Interval] = [
        Column("component", [str(k + 1) for k in range(len(values))], kind="text"),
        Column("eigenvalue", values),
        Column("share", values / (total or np.nan), "of the whole variance", "share"),
    ]
    if errors is not None:
        intervals, angles, largest = errors
        columns.append(Interval(f"{100 * intervals.level:g} % interval", intervals.low, intervals.high, values))
        columns.append(Column("angle", angles, "root mean square angle to the true space, in degrees"))
        chapter.claim("eigenvalue", intervals.level, f"First order, errors clustered by rows. {ROWS_CLAIM}")
        chapter.claim("angle", "rms", f"Of each direction to the true row space. {ROWS_CLAIM}")
    points = model.components_.T.astype(float)
    labels = subject.labels(1)
    columns.append(Column("columns at one end", ends(points, labels, 1), kind="text"))
    columns.append(Column("columns at the other end", ends(points, labels, -1), kind="text"))
    parts: list[Part] = [
        Table("Components of the second moment", columns, "components"),
        Facts([("variance that no factor explains", f"{three(float(model.psi_))} per column")]),
    ]
    if errors is not None:
        parts.append(
            Text(f"The row space lies within {three(largest)} degrees of the true one ({intervals.level:.0%}).")
        )
        if len(values) > 1:
            parts.append(Picture(lambda: plot_eigenvalues(intervals), "eigenvalues with their intervals"))
    if points.shape[1] > 1:
        parts.append(Picture(lambda: plot_factor_map(points, labels, "columns"), "columns on two components",
                             "Columns in the plane of the first two components; the outermost are named."))  # fmt: skip
    return Section("Components", parts)


def _seen(moments: Any) -> SeenShares:
    """Entries per row and column as the pairs remember them; which rows they were is forgotten."""
    rows, counts = np.asarray(moments.profile[0]).astype(int), np.asarray(moments.diagonal().counts)
    wide = min(len(counts), GRID[1])
    block = np.arange(len(counts)) * wide // len(counts)
    grid = np.bincount(block, weights=counts / max(moments.n_rows, 1)) / np.bincount(block)
    return SeenShares((moments.n_rows, len(counts)), grid[None, :], quantiles_of(rows), quantiles(counts))


def _eigenvalues(subject: Subject) -> tuple[Intervals, Any, float] | None:
    """Intervals of the eigenvalues, angles of the directions, the largest angle: as recorded, else from the rows."""
    model, kept = subject.model, subject.record.get("intervals")
    values = np.asarray(model.eigenvalues_, dtype=float)
    if kept is not None and len(kept["eigenvalues_low"]) == len(values):
        low, high = (np.array(kept[f"eigenvalues_{end}"], dtype=float) for end in ("low", "high"))
        intervals = Intervals("eigenvalue", values, np.full(len(values), np.nan), low, high, kept["level"])
        return intervals, kept["angles"], float(kept["largest_angle"])
    if model.privacy is not None or subject.inference is None:
        return None
    space = subject.inference.row_space()
    return subject.inference.eigenvalues(), space.angles, space.largest


def _moments(subject: Subject, chapter: Chapter) -> list[Section]:
    """T before and after, widths against counts, and the table of columns."""
    model = subject.model
    if model.privacy is not None:
        return []
    parts: list[Part] = [
        Picture(
            lambda: plot_second_moment(model),
            "second moments as the pairs have them, and completed",
            "The most frequent columns, ordered along the leading direction; pairs never seen together are tinted.",
            is_wide=True,
        )
    ]
    widths = _widths(subject)
    if widths is not None:
        parts.append(
            Picture(
                lambda: plot_widths(widths, widths.counts),
                "widths of intervals of second moments against the number of rows that hold the pair",
                "Pairs seen seldom, or never, get intervals too: they follow from all the others.",
            )
        )
        text = f"First order, errors clustered by rows. {ROWS_CLAIM}"
        chapter.claim("second moment of a pair", widths.level, text)
    return [
        Section("Second moments", [_pairs(model), *parts]),
        Section("Columns", [_columns(subject)]),
    ]


def _columns(subject: Subject) -> Table:
    """Rows, second moments and flags of every column, the most frequent first."""
    model = subject.model
    diagnostics = model.diagnostics_
    diagonal = model.moments_.diagonal()
    counts = np.asarray(diagonal.counts)
    raw = np.divide(diagonal.sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    X = model.components_.astype(float)
    flags = [
        "never seen" if unseen else "fewer partners than factors" if few else ""
        for unseen, few in zip(diagnostics.unseen, diagnostics.few_partners, strict=True)
    ]
    columns: list[Column | Interval] = [
        Column("column", subject.labels(1), kind="text"),
        Column("rows", counts, "rows that hold the column", "count"),
        Column("mean square", raw, "of the entries seen"),
        Column("completed", np.square(X).sum(axis=0) + float(model.psi_), "second moment by the model"),
        Column("by the factors", np.square(X).sum(axis=0), "part that the factors explain"),
        Column("island", diagnostics.islands + 1, "columns of different islands were never seen together", "count"),
        Column("flags", flags, kind="text"),
    ]
    table = Table(
        "Columns, most frequent first", columns, "columns", np.asarray(diagnostics.unseen | diagnostics.few_partners)
    )
    return table.take(np.argsort(-counts, kind="stable"))


def _widths(subject: Subject) -> Widths | None:
    kept = subject.details.get("widths")
    if kept is not None:
        width = np.array(kept["width"], dtype=float)
        return Widths(width, np.asarray(kept["counts"]), kept["level"])
    # a record with intervals had its rows read once already: they are not read again for a picture
    if "intervals" in subject.record or subject.inference is None:
        return None
    return Widths.of(subject.model, subject.inference)


def _rank(model: Any) -> list[Part]:
    choice = model.rank_search_
    if choice is None:
        return []
    return [
        Picture(
            lambda: plot_rank_choice(choice.ranks, choice.losses, choice.rank, "loss on held-out rows"),
            "loss on the pairs of held-out rows, for every rank that was tried",
        )
    ]
