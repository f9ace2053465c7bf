"""Factorisations with biases: least squares, Bayesian and soft-impute."""

from __future__ import annotations

from typing import Any

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
    parts: list[Part] = [Facts([*facts, *_about_features(model), ("draws kept", str(len(model.draws_)))])]
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
    noise = "of one variance per row" if model.draws_.row_weights is not None else "of one variance"
    drawn = f"normal noise {noise}, factors and biases drawn from one normal distribution per side"
    chapter.claim("expected value of a cell", inference.level, f"{inference.claim}, of the model: {drawn}.")
    chapter.claim(
        "single value of a cell", inference.level, f"{inference.claim}; the value's own noise is counted too."
    )
    return chapter


def _about_features(model: Any) -> list[tuple[str, str]]:
    """What rows and columns learn from besides their values, and whether chains agree."""
    facts = []
    if model.draws_.row_weights is not None:
        low, high = np.quantile(model.row_noise_sd_, [0.1, 0.9])
        facts.append(("noise (sd) of a row, middle 80 %", f"{three(float(low))} to {three(float(high))}"))
    said = {"both": "of rows and columns", "rows": "of rows", "cols": "of columns", "none": "no"}[model.implicit_]
    choice = model.implicit_choice_
    if choice is not None and np.isfinite(choice.loss_with):
        said += f" (held-out loss {three(choice.loss_with)} with, {three(choice.loss_without)} without)"
    facts.append(("which cells were seen counts as features", said))
    for side, code in (("rows", model.row_code_), ("columns", model.col_code_)):
        if code is not None:
            facts.append((f"known features of {side}", str(code.n_columns)))
    if model.r_hat_ is not None:
        middle, most = np.median(model.r_hat_), np.max(model.r_hat_)
        facts.append(("R-hat of expected values: median, largest", f"{middle:.3f}, {most:.3f}"))
    return facts


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
