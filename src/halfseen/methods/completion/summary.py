"""Factorisations with biases: least squares, Bayesian and soft-impute."""

from __future__ import annotations

import numpy as np

from halfseen.show.fits import plot_rank_choice
from halfseen.show.penalties import plot_penalty_path
from halfseen.summary.biases import biased_chapter
from halfseen.summary.common import three
from halfseen.summary.parts import Chapter, Facts, Part, Picture, Section, Text
from halfseen.summary.subject import Subject

# Entries whose width of interval is looked at.
SAMPLED = 2000


def least_squares(subject: Subject) -> Chapter:
    """Alternating least squares."""
    model = subject.model
    parts: list[Part] = [Facts([("penalty", three(float(model.penalty_))), ("rank", str(model.rank_))])]
    search = getattr(model, "rank_search_", None)
    if search is not None and len(search.ranks) > 1:
        parts.append(
            Picture(
                lambda: plot_rank_choice(list(search.ranks), search.losses, model.rank_),
                "held-out loss of the ranks that the search tried",
                f"Descent saw {search.detected} components; the search went on from there.",
            )
        )
    chapter = biased_chapter(subject, f"Alternating least squares, rank {model.rank_}", parts)
    text = "Least squares gives estimates without intervals: judge it by its held-out errors, or fit the Bayesian "
    chapter.claim("all numbers", "none", text + "factorisation or the factor model, which have intervals.")
    return chapter


def bayesian(subject: Subject) -> Chapter:
    """Bayesian factorisation."""
    model = subject.model
    is_real = model.family == "gaussian"
    facts = [("noise (sd) of an entry", three(model.noise_sd_))] if is_real else []
    parts: list[Part] = [Facts([*facts, ("draws kept", str(len(model.draws_)))])]
    chapter = biased_chapter(subject, f"Bayesian factorisation, rank {model.rank_}", parts)
    inference = subject.inference
    n, p = model.observed_shape_
    rng = np.random.default_rng(0)
    i, j = rng.integers(0, n, SAMPLED), rng.integers(0, p, SAMPLED)
    names = subject.labels(0)[i], subject.labels(1)[j]
    asked = {"an expected value": "entries", "a single value": "responses"} if is_real else {"a probability": "entries"}
    level = f"{100 * inference.level:g} %"
    widths = {what: getattr(inference, name)(*names).width for what, name in asked.items()}
    parts = [
        Facts(
            [
                (f"{level} interval of {what}: median width", three(float(np.median(width))))
                for what, width in widths.items()
            ]
        ),
        Text("Of randomly chosen cells. 'halfseen predict RUN PAIRS --level P' gives the intervals of any cells."),
    ]
    chapter.sections.insert(1, Section("Uncertainty", parts))
    drawn = "normal noise of one variance, factors and biases drawn from one normal distribution per side"
    chapter.claim("expected value of a cell", inference.level, f"{inference.claim}, of the model: {drawn}.")
    chapter.claim(
        "single value of a cell", inference.level, f"{inference.claim}; the value's own noise is counted too."
    )
    return chapter


def soft_impute(subject: Subject) -> Chapter:
    """Soft-impute: the path, what is left of the singular values."""
    model = subject.model
    facts = [("penalty", three(float(model.penalty_))), ("rank found", str(model.rank_))]
    growth = np.asarray(model.growth_, dtype=float)
    debiased = bool(growth.size and not np.allclose(growth, 1.0))
    facts.append(("singular values fitted anew", f"yes, by up to {growth.max():.2f}" if debiased else "no"))
    parts: list[Part] = [Facts(facts)]
    if model.path_ is not None:
        parts.append(
            Picture(
                lambda: plot_penalty_path(model.path_, model.penalty_),
                "held-out error along the path of penalties",
                "Held-out error along the path; the penalty that was taken is circled.",
            )
        )
    chapter = biased_chapter(subject, f"Soft-impute, rank {model.rank_}", parts)
    text = "A penalised fit gives estimates without intervals; judge it by its held-out errors."
    chapter.claim("all numbers", "none", text)
    return chapter
