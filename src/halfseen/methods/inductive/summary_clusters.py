"""Clusters from pairs: their sizes, what tells items apart, the scales tried, fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen.summary.common import fit_section, glance
from halfseen.summary.parts import Chapter, Column, Part, Section, Table, Text
from halfseen.summary.subject import Subject
from halfseen.text import count


def chapter(subject: Subject) -> Chapter:
    """Sizes, features, scales, fit."""
    model = subject.model
    chapter = Chapter(
        f"Clusters by similarity, {model.activation}",
        "Items are alike if a few known pairs of items like them are.",
        [("items", count(len(model.labels_))), ("clusters", count(len(model.centres_))), *glance(subject)],
    )
    chapter.sections += [_sizes(model.labels_), _features(model), fit_section(subject, _scales(model.scale_errors_))]
    chapter.claim("all numbers", "none", "Clusters are estimates; nothing here has an interval.")
    return chapter


def _sizes(labels: np.ndarray) -> Section:
    names, sizes = np.unique(labels, return_counts=True)
    order = np.argsort(-sizes, kind="stable")
    columns = [
        Column("cluster", [str(name) for name in names[order]], kind="text"),
        Column("items", sizes[order], kind="count"),
        Column("share", sizes[order] / len(labels), kind="share"),
    ]
    return Section("Clusters", [Table("Largest first", columns, "clusters")])


def _features(model: Any) -> Section:
    """How much the similarity listens to each feature."""
    if model.fourier_ is not None:
        text = "The similarity is made of random waves across all features together: no feature has weights of its own."
        return Section("Features", [Text(text)])
    strength = np.linalg.norm(np.asarray(model.weights_, dtype=float), axis=1)
    names = getattr(model, "feature_names_in_", np.array([f"feature {k}" for k in range(len(strength))], dtype=object))
    order = np.argsort(-strength, kind="stable")
    columns = [Column("feature", np.asarray(names)[order], kind="text"), Column("strength", strength[order])]
    text = "Features are standardised; strength is the length of a feature's weights over all units."
    return Section("Features", [Text(text), Table("Strongest first", columns, "features")])


def _scales(errors: dict[float, float]) -> list[Part]:
    """Held-out pairs of every scale that was tried."""
    if not errors:
        return []
    scales = sorted(errors)
    columns = [
        Column("scale", [f"{scale:.3g}" for scale in scales], kind="text"),
        Column("error on held-out pairs", [errors[scale] for scale in scales]),
    ]
    return [Table("Scales of the frequencies tried", columns, "scales")]
