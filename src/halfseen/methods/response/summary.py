"""The item response model with rows integrated out: a test and its takers."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen.inference import Listing
from halfseen.methods.response.summary_columns import chapter as of_columns
from halfseen.methods.response.summary_columns import given_table, leaderboards, listed, pairs
from halfseen.show.items import plot_curves, plot_test_information, plot_wright_map
from halfseen.summary.common import fit_section, glance, three
from halfseen.summary.parts import Chapter, Facts, Part, Picture, Section
from halfseen.summary.scores import without_intervals
from halfseen.summary.subject import Subject
from halfseen.text import count

# Rows of a leaderboard; more people are takers of a test, of whom a page shows the distribution.
MOST_RANKED = 3000


def chapter(subject: Subject) -> Chapter:
    """Items, Wright map, curves, information, fit flags, and the rows where there are few."""
    model, inference = subject.model, subject.inference
    if model.engine_ != "rows":
        return of_columns(subject)
    chapter = Chapter(
        title=f"Item response model, {model.kind_}",
        lead="Items are parameters, abilities of the rows come from a normal distribution and are integrated out.",
        glance=glance(subject),
    )
    if inference is None:
        chapter.sections += [section for section in [without_intervals(subject)] if section is not None]
    else:
        sections = [listed(subject, inference.items, "Items", chapter)]
        if model.rows_fit_.layout.dimensions == 1:
            sections += [along(subject), flagged(subject, chapter)]
        sections.append(listed(subject, lambda: model.population_, "Population", chapter))
        if model.observed_shape_[0] <= MOST_RANKED:
            sections[:0] = [*leaderboards(subject, inference, chapter), pairs(subject, inference, chapter)]
        chapter.sections += [section for section in sections if section is not None]
    chapter.sections.append(fit_section(subject, [Facts(facts_of(model))]))
    return chapter


def along(subject: Subject) -> Section:
    """Pictures along the ability."""
    model, items = subject.model, subject.model.items_
    information, curves = model.information(), model.curves()
    name = "difficulty" if "difficulty" in items.data else "difficulty1"
    return Section(
        "Along the ability",
        [
            Picture(
                lambda: plot_wright_map(model.row_factors_[:, 0], items[name], subject.labels(1)),
                "abilities of the rows beside difficulties of the items",
                "Wright map: rows and items on one scale.",
            ),
            Picture(
                lambda: plot_curves(curves), "chances of answers along the ability",
                "Characteristic curves of the first items, with bands.",
            ),
            Picture(
                lambda: plot_test_information(
                    information.ability, information.values[-1], information.low[-1], information.high[-1]
                ),
                "information of the test along the ability",
                "Information of the whole test and the standard error of an ability that goes with it (dashed).",
            ),
        ],
    )  # fmt: skip


def flagged(subject: Subject, chapter: Chapter) -> Section | None:
    """Fit statistics of the items; they need the answers, or what was kept of them at saving."""
    kept = getattr(subject.model, "kept_fit_", None)
    if getattr(subject.model, "answers_", None) is not None:
        listing = subject.heard(subject.inference.item_fit)
    elif kept is not None:  # of a saved model, which has no answers any more
        columns = {"col": subject.labels(1), **kept["columns"], "flag": np.array(kept["flags"])}
        listing = Listing("item fit", columns, subject.inference.level, tuple(kept["notes"]))
    else:
        return None
    return None if listing is None else Section("Fit of the items", _parts(subject, listing, chapter))


def _parts(subject: Subject, listing: Any, chapter: Chapter) -> list[Part]:
    return given_table(subject, listing, "item fit", chapter)


def facts_of(model: Any) -> list[tuple[str, str]]:
    """Numbers of the fit."""
    fit = model.rows_fit_
    facts = [
        ("rows", "integrated out"),
        ("log-likelihood", f"{model.log_likelihood_:.2f}"),
        ("AIC", f"{model.aic_:.1f}"),
        ("BIC", f"{model.bic_:.1f}"),
        ("numbers estimated", count(fit.n_free)),
        ("prior of the items", fit.prior_kind),
        ("standard errors", f"{fit.covariance.kind} information"),
        ("forms that answers connect", count(len(model.connectivity_.sizes))),
    ]
    kept = getattr(model, "kept_fit_", None)
    has_answers = getattr(model, "answers_", None) is not None
    reliability = model.reliability() if has_answers else {} if kept is None else kept["reliability"]
    for name, value in reliability.items():
        shown = ", ".join(three(float(part)) for part in np.atleast_1d(value))
        facts.append((f"{name} reliability", shown))
    return facts
