"""Models with mean and biases: what all of them have to tell."""

from __future__ import annotations

import numpy as np

from halfseen.summary.common import fit_section, glance, three
from halfseen.summary.factors import factor_section
from halfseen.summary.parts import Chapter, Column, Facts, Interval, Part, Section, Table
from halfseen.summary.subject import Subject


def biases(subject: Subject) -> Chapter:
    """Means and biases alone."""
    model = subject.model
    lead = "Mean and biases without factors: what every other model has to beat."
    chapter = Chapter(type(model).__name__, lead, glance(subject))
    chapter.sections += [_biases_section(subject), fit_section(subject)]
    return chapter


def biased_chapter(subject: Subject, title: str, more: list[Part]) -> Chapter:
    """Components, biases and fit of mean + biases + products."""
    model = subject.model
    labels = subject.labels(0), subject.labels(1)
    lead = "An entry is a mean, a bias of its row, a bias of its column and a product of factors."
    chapter = Chapter(title, lead, glance(subject))
    chapter.sections += [
        factor_section(model.row_factors_, model.col_factors_, labels),
        _biases_section(subject),
        fit_section(subject, more),
    ]
    return chapter


def _biases_section(subject: Subject) -> Section:
    model = subject.model
    parts: list[Part] = [Facts([("mean", three(float(model.mean_)))])]
    for axis, (name, bias, factors) in enumerate((
        ("row", model.row_bias_, getattr(model, "row_factors_", None)),
        ("column", model.col_bias_, getattr(model, "col_factors_", None)),
    )):  # fmt: skip
        if not np.any(bias) and (factors is None or not factors.shape[1]):
            continue
        bias = np.asarray(bias, dtype=float)
        columns: list[Column | Interval] = [
            Column(name, subject.labels(axis), kind="text"),
            Column("mean + bias", float(model.mean_) + bias, "what the model predicts without factors"),
            Column("bias", bias),
        ]
        if factors is not None and factors.shape[1]:
            columns.append(Column("length of its factor", np.linalg.norm(factors.astype(float), axis=1)))
        if subject.counts is not None:
            columns.append(Column("entries", subject.counts[axis], f"entries seen of this {name}", "count"))
        table = Table(f"{name.capitalize()}s, largest bias first", columns, f"{name}s")
        parts.append(table.take(np.argsort(-bias, kind="stable")))
    return Section("Biases", parts)
