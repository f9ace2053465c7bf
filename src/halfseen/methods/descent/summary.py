"""Overparametrized descent: components growing, errors with the stopping window."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen.show.descent import plot_descent, plot_growth
from halfseen.show.figures import ORANGE
from halfseen.summary.common import fit_section, glance, three
from halfseen.summary.factors import component_parts, components
from halfseen.summary.parts import Chapter, Column, Facts, Part, Picture, Section, Table, Text
from halfseen.summary.subject import Subject
from halfseen.text import count


def chapter(subject: Subject) -> Chapter:
    """The path, the components that are there, the fit."""
    model = subject.model
    there = grown(model)
    chapter = Chapter(
        f"Overparametrized descent: {there} component{'' if there == 1 else 's'} found",
        "Gradient descent from a small start, with more columns than needed, stopped early: no rank was given.",
        [*glance(subject), ("stopped after", f"{count(model.stop_time_)} iterations")],
    )
    chapter.sections += [_path(subject, there), _components(subject, there), fit_section(subject)]
    text = "Descent gives estimates without intervals: judge it by its held-out errors. Components that had not "
    chapter.claim("all numbers", "none", text + "grown at the stop are what is left of the start, and noise.")
    return chapter


def brief(subject: Subject) -> list[Part]:
    """When it stopped, with what."""
    model = subject.model
    facts = [("components found", count(grown(model))), ("stopped after", f"{count(model.stop_time_)} iterations")]
    return [Facts([*facts, ("threshold there", three(float(model.threshold_)))])]


def grown(model: Any) -> int:
    """Components above the threshold of the stop, or passed as a best approximation on the way (more than half grown).

    The threshold is one of the table's singular values: of a table with missing entries the iterate's are not on its
    scale, and only the second says something.
    """
    above = int(np.sum(np.asarray(model.singular_values_, dtype=float) > model.threshold_))
    return max(above, max((passed.rank for passed in model.path_.passed), default=0))


def _path(subject: Subject, there: int) -> Section:
    model = subject.model
    path = model.path_

    has_threshold = 0 < model.threshold_ < np.max(path.singular_values, initial=0.0)

    def growth() -> Any:
        figure = plot_growth(path, is_log=True)
        if has_threshold:
            figure.axes[0].axhline(model.threshold_, color=ORANGE, linewidth=1.0)
        return figure

    parts: list[Part] = [
        Picture(
            growth,
            f"singular values of the iterates over {model.stop_time_} iterations, {there} of them grown",
            "Components grow one after the other, the largest first"
            + ("; orange: the threshold at the stop." if has_threshold else "."),
        ),
        Picture(
            lambda: plot_descent(path, model.held_out_, model.stop_time_),
            "training error and held-out error over the iterations, with the window in which to stop",
            "Training error goes on falling; the held-out error, where there is one, says when to stop.",
        ),
    ]
    facts = [
        ("step", f"{float(model.step_):.3g}"),
        ("start", f"{float(model.start_scale):g}"),
    ]
    if model.noise_ is not None:
        facts.append(("noise level", three(float(model.noise_))))
    if model.held_out_ is not None:
        facts.append(("best held-out error", f"{three(model.held_out_.best_error)} at {model.held_out_.best_time}"))
    (told,) = (part for part in brief(subject) if isinstance(part, Facts))
    parts.insert(0, Facts([*told.items, *facts]))
    if path.passed:
        columns = [
            Column("rank", [str(passed.rank) for passed in path.passed], kind="text"),
            Column("passed at iteration", [passed.time for passed in path.passed], kind="count"),
            Column("off by", [passed.error for passed in path.passed], "estimated distance to the best of that rank"),
        ]
        parts.append(Table("Best approximations that descent passed", columns))
    return Section("The descent", parts)


def _components(subject: Subject, there: int) -> Section:
    model = subject.model
    if not there:
        return Section(
            "Factors", [Text("No component had grown when descent was stopped: nothing but noise was found.")]
        )
    size, x, y = components(model.left_[:, :there], model.right_[:, :there])
    return Section("Factors", component_parts(size, (x, y), (subject.labels(0), subject.labels(1))))
