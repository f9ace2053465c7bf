"""Inductive completion: what features do to the units, the components, effects, fit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from halfseen.summary.common import fit_section, glance, three
from halfseen.summary.factors import ends, factor_section
from halfseen.summary.parts import Chapter, Column, Facts, Interval, Part, Section, Table, Text
from halfseen.summary.subject import Subject
from halfseen.text import count

SIDES = (("row", "rows"), ("col", "columns"))


def chapter(subject: Subject) -> Chapter:
    """Weights of the features, components, effects, fit."""
    model = subject.model
    chapter = Chapter(
        f"Inductive completion, {model.activation}, rank {model.rank_}",
        "Rows and columns are placed by their features, so that new ones have predictions too.",
        glance(subject),
    )
    labels = subject.labels(0), subject.labels(1)
    chapter.sections += [
        _weights(model),
        factor_section(model.row_factors_, model.col_factors_, labels),
        *_effects(subject),
        fit_section(subject, [*_starts(model), *_ranking(subject)]),
    ]
    text = "Weights and factors are estimates without intervals here: those of predictions come from model.inference("
    chapter.claim("all numbers", "none", text + "R, row_features=..., col_features=...), which needs the features.")
    return chapter


def brief(subject: Subject) -> list[Part]:
    """How held-out cells of a one-class table were ranked."""
    return _ranking(subject)


def _weights(model: Any) -> Section:
    """What of each side's features moves which unit."""
    parts: list[Part] = [
        Text(
            "Units are the hidden numbers that features are turned into; a row and a column are predicted by the "
            "product of their units. Weights are those of the features as they entered the fit (scaled, if asked for)."
        )
    ]
    for side, name in SIDES:
        code, weights = getattr(model, f"{side}_code_"), np.asarray(getattr(model, f"{side}_weights_"), dtype=float)
        if code is None:
            parts.append(Text(f"The {name} have no features: each has weights of its own."))
            continue
        names = np.array(feature_names(code, len(weights)), dtype=object)
        strength = np.linalg.norm(weights, axis=1)
        columns: list[Column | Interval] = [
            Column("feature", names, kind="text"),
            Column("strength", strength, "length of its weights over all units"),
        ]
        columns += [Column(f"unit {k + 1}", weights[:, k]) for k in range(min(weights.shape[1], 12))]
        table = Table(f"Features of the {name}, strongest first", columns, f"{name}-features")
        parts.append(table.take(np.argsort(-strength, kind="stable")))
        units = [
            Column("unit", [str(k + 1) for k in range(weights.shape[1])], kind="text"),
            Column("raised by", ends(weights, names, 1), kind="text"),
            Column("lowered by", ends(weights, names, -1), kind="text"),
        ]
        parts.append(Table(f"What moves the units of the {name}", units))
    return Section("Features", parts)


def feature_names(code: Any, number: int) -> list[str]:
    """Names of the encoded features; numbers where an array was given."""
    return list(code.encoded_names()) if code.names else [f"feature {k}" for k in range(number)]


def _effects(subject: Subject) -> list[Section]:
    """Free effects of seen rows and columns, where there are any."""
    model = subject.model
    parts: list[Part] = []
    for axis, (side, name) in enumerate(SIDES):
        effects = np.asarray(getattr(model, f"{side}_effects_"), dtype=float)
        if not effects.any():
            continue
        columns: list[Column | Interval] = [
            Column(name[:-1], subject.labels(axis), kind="text"),
            Column("effect", effects),
        ]
        if subject.counts is not None:
            columns.append(Column("entries", subject.counts[axis], kind="count"))
        table = Table(f"Effects of the {name}, largest first", columns, f"{name}-effects")
        parts.append(table.take(np.argsort(-effects, kind="stable")))
    return [Section("Effects", [Facts([("mean", three(float(model.offset_)))]), *parts])] if parts else []


def _starts(model: Any) -> list[Part]:
    values = np.asarray(model.certificate_.values, dtype=float)
    facts = [
        ("starts run", count(len(values))),
        ("objective of the best", three(float(values.min()))),
        ("fits without error", "yes" if model.certificate_.is_exact else "no"),
    ]
    if len(values) > 1:
        facts.append(("objective of the worst", three(float(values.max()))))
    return [Facts(facts)]


def _ranking(subject: Subject) -> list[Part]:
    """How held-out cells of a one-class table are ranked among those not seen."""
    rows = subject.record.get("ranking") or []
    if not rows:
        return []
    keys = [key for key in rows[0] if key != "model"]
    columns = [Column("model", [row["model"] for row in rows], kind="text")]
    for key in keys:
        values = [math.nan if row.get(key) is None else row[key] for row in rows]
        columns.append(Column(key.replace("_", " "), values, kind="figures"))
    return [Table("Held-out cells, ranked among those not seen", columns)]
