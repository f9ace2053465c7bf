"""Any fitted estimator that tells nothing of its own: its options, its fit, where the data are missing."""

from __future__ import annotations

from dataclasses import replace

from halfseen.summary.common import fit_section, glance
from halfseen.summary.parts import Chapter, Part
from halfseen.summary.subject import Subject
from halfseen.summary.summary import brief as brief_of
from halfseen.summary.summary import writer_of


def chapter(subject: Subject) -> Chapter:
    """What is known of every model."""
    return Chapter(type(subject.model).__name__, "", glance(subject), [fit_section(subject)])


def brief(subject: Subject) -> list[Part]:
    """What the model inside says, where there is one."""
    inner = getattr(subject.model, "model_", None)
    return [] if inner is None else brief_of(inner, subject.record)


def imputer(subject: Subject) -> Chapter:
    """The chapter of the model that an imputer has fitted."""
    inner = subject.model.model_
    told = writer_of(inner)(replace(subject, model=inner, data=None))
    return replace(told, title=f"Imputer: {told.title}")


def scaled_columns(subject: Subject) -> Chapter:
    """The chapter of the model inside; its numbers have no unit, as the columns had none in its fit."""
    inner = subject.model.model_
    told = writer_of(inner)(replace(subject, model=inner, data=None))
    return replace(told, title=f"{told.title}, in units of each column's spread")
