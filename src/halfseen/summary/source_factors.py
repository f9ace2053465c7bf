"""Factors of several tables by the Bayesian model: what they explain, loadings by source, samples."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from halfseen.show.source_factors import (
    clear_factors,
    leading_pair,
    plot_samples,
    plot_source_loadings,
    plot_variance_explained,
    sized_loadings,
)
from halfseen.summary.factors import ends
from halfseen.summary.parts import Chapter, Column, Interval, Part, Picture, Section, Table, Text
from halfseen.summary.subject import Subject

# Sources with a column of their own in the table of factors, and with a picture of loadings.
MOST_COLUMNS, MOST_PICTURES = 8, 6
# Columns named at either end of a factor; columns named of all sources.
LARGEST, NAMED = 5, 3


def factor_sections(subject: Subject, chapter: Chapter) -> list[Section]:
    """Variance explained and activity; loadings by source; samples."""
    model = subject.model
    if not len(clear_factors(model)):
        return [
            Section("Factors", [Text("No source takes part in any factor: nothing beyond column means was found.")])
        ]
    return [
        Section("What each factor explains", explained(model)),
        loadings(subject, chapter),
        samples(subject, chapter),
    ]


def explained(model: Any) -> list[Part]:
    """A line per factor: who takes part, how much of each source it explains, and which columns it moves most."""
    clear = clear_factors(model)
    shares, active = np.clip(model.variance_explained_, 0.0, 1.0)[:, clear], np.asarray(model.activity_)[clear]
    columns: list[Column | Interval] = [
        Column("factor", [model.factor_names_[k] for k in clear], kind="text"),
        Column("sources", [takes_part(model, k) for k in clear],
               "that take part: it explains more than 1 % of their variance", "text"),
    ]  # fmt: skip
    if len(model.source_names_) <= MOST_COLUMNS:
        columns += [
            Column(str(name), np.where(active[:, place], shares[place], np.nan), "", "share")
            for place, name in enumerate(model.source_names_)
        ]
    else:
        columns.append(Column("in the mean", shares.mean(axis=0), "over all sources", "share"))
    columns.append(Column("columns that stand out", [standing_out(model, k) for k in clear], kind="text"))
    text = "Shares are of each source's variance about its column means, columns weighted by one over their noise; a "
    text += "dash: the source takes no part."
    faint = len(model.factor_names_) - len(clear)
    if faint:
        text += f" {faint} further factors explain at most 1 % of any source and are left out."
    return [
        Text(text),
        Table("Variance explained by factor and source", columns, "variance-explained"),
        Picture(lambda: plot_variance_explained(model), "variance explained by factor and source as a heat map"),
    ]


def standing_out(model: Any, k: int) -> str:
    """The columns that load most on a factor, over all sources."""
    sizes: list[tuple[float, str, str]] = []
    named = Counter(str(label) for name in model.source_names_ for label in column_labels(model, name))
    for name in model.source_names_:
        loads, factors = sized_loadings(model, name)
        labels = column_labels(model, name)
        for place in np.flatnonzero(factors == k):
            first = np.argsort(-np.abs(loads[:, place]), kind="stable")[:NAMED]
            sizes += [(float(abs(loads[j, place])), str(labels[j]), name) for j in first]
    strongest = sorted(sizes, key=lambda size: -size[0])[:NAMED]
    return ", ".join(label if named[label] == 1 else f"{label} of {name}" for _, label, name in strongest)


def takes_part(model: Any, k: int) -> str:
    """Names of the sources that take part in a factor."""
    names = [str(name) for name, is_in in zip(model.source_names_, model.activity_[k], strict=True) if is_in]
    if len(names) == len(model.source_names_) > 1:
        return "all"
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "") or "none"


def loadings(subject: Subject, chapter: Chapter) -> Section:
    """Which columns of each source stand at either end of each factor."""
    model = subject.model
    lines: dict[str, list[Any]] = {"source": [], "factor": [], "up": [], "down": []}
    for name in model.source_names_:
        sizes, factors = sized_loadings(model, name)
        labels = column_labels(model, name)
        up, down = (ends(sizes, labels, sign) for sign in (1, -1))
        for place, k in enumerate(factors):
            for key, value in zip(lines, (name, model.factor_names_[k], up[place], down[place]), strict=True):
                lines[key].append(str(value))
    parts: list[Part] = [
        Text("Columns are ordered by their loading over their standard deviation. Which end is which is a convention.")
    ]
    titles = {"source": "source", "factor": "factor", "up": "columns at one end", "down": "columns at the other end"}
    parts.append(
        Table("Columns that stand out on each factor, by source",
              [Column(titles[key], values, kind="text") for key, values in lines.items()], "loadings")
    )  # fmt: skip
    parts += largest_loadings(subject, chapter)
    parts += [
        Picture(lambda name=name: plot_source_loadings(model, name), f"largest loadings of {name} as a heat map")  # type: ignore[misc]
        for name in model.source_names_[:MOST_PICTURES]
    ]
    return Section("Loadings by source", parts)


def largest_loadings(subject: Subject, chapter: Chapter) -> list[Part]:
    """The largest loadings of every source with their intervals."""
    model, inference = subject.model, subject.inference
    if inference is None:
        return []
    texts: dict[str, list[Any]] = {"column": [], "source": [], "factor": []}
    numbers: dict[str, list[float]] = {"estimate": [], "low": [], "high": []}
    for name in model.source_names_:
        sizes, factors = sized_loadings(model, name)
        intervals, labels = inference.columns(source=name), column_labels(model, name)
        for place, k in enumerate(factors):
            for j in np.argsort(-np.abs(sizes[:, place]), kind="stable")[:LARGEST]:
                for key, value in zip(texts, (labels[j], name, model.factor_names_[k]), strict=True):
                    texts[key].append(str(value))
                for key, values in numbers.items():
                    values.append(float(getattr(intervals, key)[j, k]))
    if not texts["column"]:
        return []
    low, high, estimate = (np.array(numbers[key]) for key in ("low", "high", "estimate"))
    level = 100 * inference.level
    columns: list[Column | Interval] = [Column(key, values, kind="text") for key, values in texts.items()]
    columns += [Column("loading", estimate, "in the units of the column"),
                Interval(f"{level:g} % interval", low, high, estimate)]  # fmt: skip
    chapter.claim("loading", inference.level, f"{inference.columns(source=model.source_names_[0]).claim}.")
    return [Table(f"The {LARGEST} largest loadings of each source and factor", columns, "largest-loadings")]


def samples(subject: Subject, chapter: Chapter) -> Section:
    """Scores: who stands at either end of each factor, all with intervals, and a map."""
    model = subject.model
    labels = np.arange(model.n_rows_) if model.row_labels_ is None else np.asarray(model.row_labels_)
    clear = clear_factors(model)
    scores = np.asarray(model.scores_, dtype=float)[:, clear]
    columns = [
        Column("factor", [model.factor_names_[k] for k in clear], kind="text"),
        Column("samples at one end", ends(scores, labels, 1), kind="text"),
        Column("samples at the other end", ends(scores, labels, -1), kind="text"),
    ]
    parts: list[Part] = [Table("Samples that stand out on each factor", columns, "factors")]
    first, second = leading_pair(model)
    if subject.inference is not None:
        intervals = subject.inference.rows()
        found: list[Column | Interval] = [Column("sample", [str(label) for label in labels], kind="text")]
        for k in dict.fromkeys((first, second)):
            name, level = model.factor_names_[k], 100 * intervals.level
            found.append(Column(name, intervals.estimate[:, k]))
            ends_of = intervals.low[:, k], intervals.high[:, k], intervals.estimate[:, k]
            found.append(Interval(f"{level:g} % interval of {name}", *ends_of))
        parts.append(Table("Scores on the two factors that explain most", found, "scores"))
        chapter.claim("score of a sample", intervals.level, f"{intervals.claim}.")
    parts.append(Picture(lambda: plot_samples(model), "samples in the plane of the two factors that explain most"))
    return Section("Samples", parts)


def column_labels(model: Any, name: str) -> Any:
    """Names of a source's columns, else their positions."""
    labels = model.col_labels_[name]
    return np.arange(len(model.loadings_[name])) if labels is None else np.asarray(labels)
