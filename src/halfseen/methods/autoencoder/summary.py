"""Autoencoders of half-seen columns: embeddings, rows, penalties that were tried, fit."""

from __future__ import annotations

import numpy as np

from halfseen.data import Sources
from halfseen.show.sources import plot_embeddings
from halfseen.summary.common import ended, fit_section, glance
from halfseen.summary.factors import ends
from halfseen.summary.parts import Chapter, Column, Facts, Interval, Part, Picture, Section, Table, Text
from halfseen.summary.subject import Subject
from halfseen.text import count

# A t-SNE map of more points takes minutes.
MOST_MAPPED = 5000


def chapter(subject: Subject) -> Chapter:
    """Sources and their embeddings, rows, fit."""
    model = subject.model
    n_cols = sum(len(embedding) for embedding in model.embeddings_.values())
    chapter = Chapter(
        f"{type(model).__name__}, width {model.width}",
        "Columns are encoded into a few numbers and decoded again; what was not seen is what the decoder says.",
        [
            ("sources", count(len(model.source_names_))),
            ("rows", count(model.n_rows_)),
            ("columns of all", count(n_cols)),
            *glance(subject),
        ],
    )
    chapter.sections += [_embeddings(subject, n_cols), _rows(subject), fit_section(subject, _tried(subject))]
    text = "A network gives predictions without intervals; judge it by its held-out errors beside simpler models."
    chapter.claim("all numbers", "none", text)
    return chapter


def brief(subject: Subject) -> list[Part]:
    """How training ended."""
    return [Facts([("training ended", ended(subject.model.run_))])]


def _embeddings(subject: Subject, n_cols: int) -> Section:
    model = subject.model
    names = model.source_names_
    columns: list[Column | Interval] = [
        Column("source", names, kind="text"),
        Column("columns", [len(model.embeddings_[name]) for name in names], kind="count"),
        Column(
            "length",
            [float(np.mean(np.linalg.norm(model.embeddings_[name], axis=1))) for name in names],
            "mean length of the embeddings of its columns",
        ),
    ]
    if isinstance(subject.data, Sources):
        entries = [subject.data[name].n_entries for name in names]
        columns.insert(2, Column("entries", entries, kind="count"))
    parts: list[Part] = [Table("Sources", columns, "sources")]
    if n_cols <= MOST_MAPPED:
        parts.append(
            Picture(
                lambda: plot_embeddings(model),
                "embeddings of all columns as a t-SNE map, coloured by source",
                "Columns that lie close together are alike to the network; distances between groups mean little.",
            )
        )
    else:
        parts.append(Text(f"A map of more than {count(MOST_MAPPED)} columns takes minutes and is left out."))
    return Section("Embeddings", parts)


def _rows(subject: Subject) -> Section:
    model = subject.model
    labels = np.arange(model.n_rows_) if model.row_labels_ is None else np.asarray(model.row_labels_)
    decoder = np.asarray(model.decoder_, dtype=float)
    columns: list[Column | Interval] = [
        Column("row", labels, kind="text"),
        Column("offset", model.row_offsets_, "what the decoder says of a column that is encoded as zeros"),
        Column("length", np.linalg.norm(decoder, axis=1), "of the row's weights in the decoder"),
    ]
    units = [
        Column("unit", [str(k + 1) for k in range(decoder.shape[1])], kind="text"),
        Column("rows at one end", ends(decoder, labels, 1), kind="text"),
        Column("rows at the other end", ends(decoder, labels, -1), kind="text"),
    ]
    table = Table("Rows, largest offset first", columns, "rows")
    order = np.argsort(-np.asarray(model.row_offsets_, dtype=float), kind="stable")
    return Section("Rows", [table.take(order), Table("Units of the decoder", units, "units")])


def _tried(subject: Subject) -> list[Part]:
    """Penalties that were tried on held-out entries."""
    tried = subject.record.get("tried") or []
    if not tried:
        return []
    keys = list(tried[0])
    columns = [Column("setting", [str(k + 1) for k in range(len(tried))], kind="text")]
    columns += [Column(key.replace("_", " "), [trial[key] for trial in tried], kind="figures") for key in keys]
    return [Table("Penalties tried on held-out entries", columns)]
