"""The factor model: leaderboard, items, fit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.inference import Intervals
from halfseen.losses import at_columns
from halfseen.show.intervals import plot_intervals
from halfseen.summary.common import fit_section, glance, three
from halfseen.summary.factors import factor_section
from halfseen.summary.parts import Chapter, Column, Facts, Interval, Part, Picture, Section, Table, Text
from halfseen.summary.scores import MOST_CELLS, compared, place_of, without_intervals
from halfseen.summary.subject import Subject
from halfseen.text import count

Array = NDArray[Any]

# Scores take a pass over all cells, ranks one over all pairs of rows: beyond these sizes the page leaves them out.
MOST_RANKED = 3000
# Squared standardised residuals have mean 1 and, of n of them, a spread of about sqrt(2 / n).
MISFIT_SPREADS = 4.0
MISFIT_LEAST = 1.3
# Families of which an even chance can be spoken, and the discrimination below which it has no place.
WITH_DIFFICULTY = ("bernoulli", "probit", "binomial")
FAINT = 0.01


def chapter(subject: Subject) -> Chapter:
    """Leaderboard of the rows, table of the columns, fit."""
    model = subject.model
    family = model.loss_.name
    chapter = Chapter(
        title=f"Factor model, {family}, rank {model.row_factors_.shape[1]}",
        lead="Rows and columns are placed on common factors; the score of a row is its expected mean over all "
        "columns, seen and unseen.",
        glance=glance(subject),
    )
    inference = subject.inference
    listed = [write(subject, inference, chapter) for write in (leaderboard, pairs, items)]
    chapter.sections += [section for section in listed if section is not None]
    chapter.sections.append(
        factor_section(model.row_factors_, model.col_factors_, (subject.labels(0), subject.labels(1)))
    )
    chapter.sections.append(fit_section(subject, penalty_parts(model)))
    return chapter


def leaderboard(subject: Subject, inference: Any, chapter: Chapter) -> Section | None:
    """Score, interval, rank interval, tie group and entries seen of every row, best first."""
    if inference is None:
        return without_intervals(subject)
    n, p = subject.model.observed_shape_
    if n * p > MOST_CELLS:
        subject.note(f"Scores are means over all {n} x {p} cells; this page leaves them out.", is_warning=False)
        return without_intervals(subject)
    scores = inference.scores()
    chapter.claim("score (mean expected response)", scores.level, f"{scores.claim}.")
    order = np.argsort(-scores.estimate, kind="stable")
    columns: list[Column | Interval] = [
        Column("row", subject.labels(0), kind="text"),
        Column("place", place_of(scores.estimate), "by the score", "count"),
        Column("score", scores.estimate, "expected mean over all columns"),
        Interval(f"{100 * scores.level:g} % interval", scores.low, scores.high, scores.estimate),
    ]
    ranks, ties = ranked(inference, n)
    if ranks is not None:
        columns.append(Interval("rank", ranks.low, ranks.high, is_whole=True, help="interval of the rank"))
        text = f"Each interval for itself, by pairwise comparison. {ranks.claim}."
        chapter.claim("rank", ranks.level, text)
    if ties is not None:
        columns.append(Column("tie group", ties.extra["group"], "rows of one group are not told apart", "count"))
        chapter.claim("tie group", ties.level, "The groups surely stand in this order, all at once.")
    if subject.counts is not None:
        columns.append(Column("entries", subject.counts[0], "entries seen of this row", "count"))
    columns += residual_columns(subject, 0, chapter)
    columns.append(Column("flags", flags(subject, scores, 0), kind="text"))
    table = Table("Rows, best first", columns, "leaderboard", ~np.broadcast_to(scores.reliable, n)).take(order)
    parts: list[Part] = [table]
    parts.append(
        Picture(
            lambda: plot_intervals(scores, limit=40),
            f"scores of the rows with their {100 * scores.level:g} % intervals",
        )
    )
    if ranks is not None and n > 1:
        parts.append(Picture(lambda: plot_intervals(ranks, limit=40), "intervals of the ranks of the rows"))
    if ranks is None and n > MOST_RANKED:
        parts.append(
            Text(f"Ranks compare all pairs of rows; with more than {MOST_RANKED} rows this page leaves them out.")
        )
    return Section("Leaderboard", parts)


def pairs(subject: Subject, inference: Any, chapter: Chapter) -> Section | None:
    """The best rows against each other."""
    n, p = subject.model.observed_shape_
    if inference is None or n * p > MOST_CELLS or n > MOST_RANKED:
        return None
    return compared(subject, inference, inference.scores().estimate, chapter)


def ranked(inference: Any, n: int) -> tuple[Intervals | None, Intervals | None]:
    """Rank intervals of the scores, and tie groups where the fit can state them (it is not penalised)."""
    if n > MOST_RANKED:
        return None, None
    ranks = inference.ranks()
    try:
        return ranks, inference.ties()
    except ValueError:
        return ranks, None


def items(subject: Subject, inference: Any, chapter: Chapter) -> Section | None:
    """Difficulty, discrimination, errors and flags of every column."""
    model = subject.model
    strength = np.linalg.norm(model.col_factors_.astype(float), axis=1)
    columns: list[Column | Interval] = [Column("column", subject.labels(1), kind="text")]
    reliable, errors = np.ones(len(strength), dtype=bool), None
    n, p = model.observed_shape_
    if inference is not None and n * p <= MOST_CELLS:
        means = inference.scores(axis="cols")
        reliable = np.broadcast_to(means.reliable, p)
        columns.append(Column("mean response", means.estimate, "expected over all rows, seen and unseen"))
        columns.append(Interval(f"{100 * means.level:g} % interval", means.low, means.high, means.estimate))
        chapter.claim("mean response of a column", means.level, f"{means.claim}.")
    if inference is not None:
        errors = subject.heard(inference.items)
    columns.append(Column("intercept", model.intercept_, "linear predictor of a row in the middle"))
    if errors is not None:
        columns.append(Column("\u00b1 intercept", finite(errors["intercept_se"]), "standard error of the intercept"))
    if model.col_factors_.shape[1]:
        what = "minus intercept over discrimination: where a row must stand for an even chance"
        if model.loss_.name.split("(")[0] in WITH_DIFFICULTY:
            is_telling = strength > FAINT * np.median(strength)
            columns.append(Column("difficulty", -model.intercept_ / np.where(is_telling, strength, np.nan), what))
            if errors is not None:
                se = finite(errors["difficulty_se"])
                columns.append(Column("\u00b1 difficulty", se, "standard error of the difficulty"))
        columns.append(
            Column("discrimination", strength, "length of the column's factor: how well it tells rows apart")
        )
        if errors is not None:
            se = finite(errors["discrimination_se"])
            columns.append(Column("\u00b1 discrimination", se, "standard error of the discrimination"))
    if subject.counts is not None:
        columns.append(Column("entries", subject.counts[1], "entries seen of this column", "count"))
    columns += residual_columns(subject, 1, chapter)
    columns.append(Column("flags", flags(subject, None, 1, reliable), kind="text"))
    return Section("Items", [Table("Columns", columns, "items", ~reliable)])


def finite(values: Any) -> Array:
    """Numbers, nan where they are infinite."""
    return np.where(np.isfinite(values), values, np.nan)


def residual_columns(subject: Subject, axis: int, chapter: Chapter) -> list[Column]:
    """Mean squared standardised residual of every row or column."""
    squares = misfit(subject, axis)
    if squares is None:
        return []
    what = "mean squared standardised residual; 1 where the model is right"
    if axis == 0:
        text = (
            "Mean squared standardised residual of the entries that were fitted: 1 where the model is right, a little "
        )
        chapter.claim("misfit", "none", text + "less with few entries. A description, not a test.")
    return [Column("misfit", squares, what)]


def misfit(subject: Subject, axis: int) -> Array | None:
    r"""Mean of :math:`(R - \mu)^2 / \mathrm{var}(R)` over the entries seen of every row or column."""
    observed, model = subject.observed, subject.model
    if observed is None or getattr(model, "has_offset_", False) or getattr(model, "has_trials_", False):
        return None
    places, length = (observed.rows, observed.cols)[axis], observed.shape[axis]
    linear = model._linear_pairs(observed.rows, observed.cols)
    loss: Any = at_columns(model.loss_, observed.cols)
    variance = float(model.dispersion_) * np.asarray(loss.variance(linear), dtype=float)
    squares = np.square(observed.values - loss.mean(linear), dtype=float) / np.maximum(variance, 1e-12)
    counts = np.bincount(places, minlength=length)
    sums = np.bincount(places, weights=squares, minlength=length)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def flags(subject: Subject, scores: Any, axis: int, reliable: Any = None) -> list[str]:
    """What to be careful with, in a few words per row or column."""
    n = subject.model.observed_shape_[axis]
    reliable = np.broadcast_to(scores.reliable if reliable is None else reliable, n)
    texts: list[list[str]] = [[] for _ in range(n)]
    for place in np.flatnonzero(~reliable):
        texts[place].append("too little information")
    residuals = misfit(subject, axis)
    if residuals is not None and subject.counts is not None and subject.observed is not None:
        counts = subject.counts[axis]
        bound = np.maximum(MISFIT_LEAST, 1.0 + MISFIT_SPREADS * np.sqrt(2.0 / np.maximum(counts, 1)))
        for place in np.flatnonzero(residuals > bound):
            texts[place].append("misfit")
        places = (subject.observed.rows, subject.observed.cols)[axis]
        for place in np.flatnonzero(all_alike(places, subject.observed.values, counts)):
            texts[place].append("not seen" if counts[place] == 0 else "all entries alike")
    y = subject.model.col_factors_
    if axis == 1 and y.shape[1] == 1 and len(y) > 2:
        side = np.sign(np.median(y[:, 0])) or 1.0
        for place in np.flatnonzero(side * y[:, 0] < 0):
            texts[place].append("points the other way")
    return [", ".join(text) for text in texts]


def all_alike(places: Array, values: Array, counts: Array) -> Array:
    """Which rows (columns) hold one value only, or none."""
    least, most = np.full(len(counts), math.inf), np.full(len(counts), -math.inf)
    np.minimum.at(least, places, values)
    np.maximum.at(most, places, values)
    return least >= most if len(counts) else np.zeros(0, dtype=bool)


def penalty_parts(model: Any) -> list[Part]:
    """What was added to the likelihood, and what it won on held-out entries."""
    facts = [("ridge", three(float(model.penalty_.ridge))), ("dispersion", three(float(model.dispersion_)))]
    if model.has_bias_correction_:
        facts.append(("bias correction", "Firth"))
    choice = model.penalty_choice_
    if choice is not None and choice.n_held_out:
        facts.append(("penalty chosen", f"{choice.chosen}, on {count(choice.n_held_out)} held-out entries"))
        facts.append(
            ("won over intercepts alone", f"{three(choice.gain)} \u00b1 {three(choice.gain_se)} deviance per entry")
        )
    return [Facts(facts)]
