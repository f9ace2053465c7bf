"""Names to show in place of labels: titles of films for their numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from halfseen.summary.parts import Chapter, Column, Part, Picture, Section, Table
from halfseen.summary.subject import Subject


def named(chapter: Chapter, subject: Subject, names: Mapping[Any, Any] | None) -> Chapter:
    """The chapter with names in place of labels, in tables and pictures.

    Parameters
    ----------
    chapter : Chapter
    subject : Subject
        Whose labels they are.
    names : mapping or None
        Names by label; labels without one stay. Two labels of one name keep their labels behind it.

    Raises
    ------
    ValueError
        If no label of the model is among them.
    """
    if not names:
        return chapter
    texts = {str(label): str(name) for label, name in names.items()}
    known = {str(label) for axis in (0, 1) for label in subject.labels(axis).tolist()}
    if not known & texts.keys():
        first = next(iter(texts))
        raise ValueError(
            f"labels names {len(texts)} labels, first {first!r}, and the model has none of them (it has "
            f"{min(known)!r}, ...); give the labels as they stand in the table of the fit"
        )
    times: dict[str, int] = {}
    for label in known & texts.keys():
        times[texts[label]] = times.get(texts[label], 0) + 1
    shown = {label: f"{name} ({label})" if times.get(name, 0) > 1 else name for label, name in texts.items()}
    sections = [Section(section.title, [_part(part, shown) for part in section.parts]) for section in chapter.sections]
    return replace(chapter, sections=sections)


def _part(part: Part, shown: Mapping[str, str]) -> Part:
    if isinstance(part, Picture):
        return replace(part, draw=_drawn(part.draw, shown))
    if not isinstance(part, Table):
        return part
    columns = [
        replace(column, values=np.array([shown.get(str(value), str(value)) for value in column.values], dtype=object))
        if isinstance(column, Column) and column.kind == "text" else column
        for column in part.columns
    ]  # fmt: skip
    return replace(part, columns=columns)


def _drawn(draw: Callable[[], Any], shown: Mapping[str, str]) -> Callable[[], Any]:
    """The same picture with every text that is a label replaced."""

    def drawing() -> Any:
        from matplotlib.text import Text

        figure = draw()
        for axes in figure.axes:
            for axis in (axes.xaxis, axes.yaxis):
                texts = [label.get_text() for label in axis.get_ticklabels()]
                if any(text in shown for text in texts):
                    axis.set_ticks(axis.get_ticklocs(), [shown.get(text, text) for text in texts])
        for text in figure.findobj(Text):
            if text.get_text() in shown:
                text.set_text(shown[text.get_text()])
        return figure

    return drawing
