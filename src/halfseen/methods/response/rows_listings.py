"""Tables that an inference of a fit with integrated rows hands back: leaderboard, items, fit statistics."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen._typing import FloatArray, Labels
from halfseen.inference import Listing
from halfseen.methods.response import rows_several_fit
from halfseen.methods.response.rows_board import RowsBoard
from halfseen.methods.response.rows_faces import item_table, population_table
from halfseen.methods.response.rows_limited import summed_score_fit
from halfseen.methods.response.rows_residuals import MeanSquares, mean_squares, residual_correlations
from halfseen.methods.response.rows_residuals import person_fit as tested_rows
from halfseen.methods.response.rows_result import RowsFit
from halfseen.methods.response.rows_score_tests import ScoreTests, differential_items, item_shape, local_dependence

Of = tuple[float, str, str]
# Flags are set at this false discovery rate.
RATE = 0.05


def score_notes(model: Any, board: RowsBoard, about: str, level: float) -> tuple[str, ...]:
    """How scores were made and what their intervals assume."""
    what = {
        "these": "score: mean answer on the complete table; seen answers as they are, the others predicted",
        "like-these": "score: mean answer over other columns of the kind, of which these are a sample",
        "again": "score: mean expected answer over all columns",
    }[about]
    items = (
        f"errors of the items' parameters are inside, from {board.item_draws} draws"
        if board.item_draws
        else "items are taken as known: in a table of this size their errors are small beside those of a row"
    )
    return (
        what,
        f"model: {model.kind_}; abilities come from a normal distribution, items are parameters",
        f"interval: holds for {100 * level:g} % of the rows on average, if unseen answers are missing for reasons that "
        "have nothing to do with how hard they are for the row",
        f"items: {items}",
        blocks_note(model.block_effects_),
        "rank interval: central quantiles of the rank over joint draws of all scores",
        "group: rows of one group are not surely different from the group's first (all pairs at once)",
    )


def blocks_note(effects: Any) -> str:
    """What was done about blocks of columns."""
    if effects is None:
        return "blocks: none were given (blocks=): rows that miss whole benchmarks have too short intervals"
    return (
        f"blocks: a row's own effect of a block has a standard deviation of {effects.sd:.3f} (from "
        f"{effects.n_compared} rows x blocks left out in turn), counted where blocks were asked unevenly"
    )


def leaderboard(model: Any, board: RowsBoard, parts: dict[str, Any], labels: Labels, of: Of, about: str) -> Listing:
    """Rows by falling score, from intervals of scores and ranks and the groups."""
    scores, ranks = parts["scores"], parts["ranks"]
    order = np.argsort(ranks.estimate, kind="stable")
    columns = {
        "row": labels, "score": scores.estimate, "se": scores.se, "low": scores.low, "high": scores.high,
        "rank": ranks.estimate, "rank_low": ranks.low, "rank_high": ranks.high, "group": parts["groups"],
        "answered": board.answered, "raw": board.raw,
    }  # fmt: skip
    for d, part in enumerate(board.abilities):
        name = "ability" if len(board.abilities) == 1 else f"ability{d + 1}"
        columns |= {name: part.estimate, f"{name}_se": part.se}
    ordered = {name: np.asarray(column)[order] for name, column in columns.items()}
    return Listing("leaderboard", ordered, of[0], score_notes(model, board, about, of[0]), *of[1:])


def item_listing(model: Any, labels: Labels, of: Of) -> Listing:
    """Columns in their order; numbers per step (grm, gpcm) become columns of their own."""
    fit: RowsFit = model.rows_fit_
    table = item_table(fit)
    sums, counts = model.column_totals_
    raw = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    columns: dict[str, Any] = {"col": labels, "kind": table["kind"].astype(str), "answered": counts.astype(int)}
    columns["raw"] = raw
    D = fit.layout.dimensions
    names = ["slope"] if D == 1 else [f"slope{d + 1}" for d in range(D)]
    for name in names:
        columns |= {name: table[name], f"{name}_se": table[f"{name}_se"]}
    if model.rotated_ is not None:
        for d, name in enumerate(names):
            columns[name][fit.columns] = model.rotated_.slopes[:, d]
            columns[f"{name}_se"][fit.columns] = model.rotated_.slopes_se[:, d]
    for name in ("intercept", *(("difficulty",) if D == 1 else ())):
        columns |= per_step(table, name)
    if "3pl" in fit.layout.formulas:
        columns |= {"guess": table["guess"], "guess_se": table["guess_se"]}
    columns["flag"] = table["flag"].astype(str)
    notes = (
        "slope and intercept: log odds of the answer (of a step) are slope times ability plus intercept",
        "difficulty: the ability at which these log odds are 0, -intercept/slope, its error by the delta method",
        f"errors: standard errors from the {fit.covariance.kind} information",
        f"prior of the items: {fit.prior_kind}",
    )
    return Listing("items", columns, of[0], notes, *of[1:])


def per_step(table: dict[str, Any], name: str) -> dict[str, FloatArray]:
    """Lists with a number per step as columns: ``intercept``, or ``intercept1``, ``intercept2``, ..."""
    lists, errors = table[name], table[f"{name}_se"]
    most = max((len(part) for part in lists if part is not None), default=1)
    out: dict[str, FloatArray] = {}
    for k in range(most):
        own = name if most == 1 else f"{name}{k + 1}"
        for suffix, source in (("", lists), ("_se", errors)):
            values = [part[k] if part is not None and k < len(part) else np.nan for part in source]
            out[f"{own}{suffix}"] = np.array(values, dtype=float)
    return out


def population_listing(fit: RowsFit, of: Of) -> Listing:
    """Groups of rows: mean and standard deviation of the ability, with standard errors."""
    table = population_table(fit)
    names = ("group", "mean", "mean_se", "sd", "sd_se")
    columns = {name: np.asarray(table[name]) for name in names}
    columns["group"] = columns["group"].astype(str)
    notes = tuple(
        f"coefficient of covariate {k + 1}: {b:.4g} (standard error {se:.2g})"
        for k, (b, se) in enumerate(zip(table["coefficient"], table["coefficient_se"], strict=True))
    )
    return Listing("population", columns, of[0], ("the first group sets the scale: mean 0, sd 1", *notes), *of[1:])


def for_all(fit: RowsFit, values: Any) -> FloatArray:
    """Numbers of the items as numbers of all columns; nan outside the model."""
    out = np.full(fit.shape[1], np.nan)
    out[fit.columns] = values
    return out


def shape_and_squares(fit: RowsFit, kept: Any) -> tuple[ScoreTests, MeanSquares]:
    """Score tests of the items' shape and left-out mean squares."""
    if fit.layout.dimensions > 1:
        return rows_several_fit.item_shape(fit, kept.table), rows_several_fit.mean_squares(fit, kept.table)
    shape = item_shape(fit, kept.table, covariates=kept.covariates)
    return shape, mean_squares(fit, kept.table, kept.covariates)


def along(fit: RowsFit) -> str:
    """Which way a curve bends, where there are several."""
    return " along the item's own direction" if fit.layout.dimensions > 1 else ""


def item_fit(model: Any, kept: Any, labels: Labels, of: Of) -> Listing:
    """One line per column."""
    fit: RowsFit = model.rows_fit_
    shape, squares = shape_and_squares(fit, kept)
    columns: dict[str, Any] = {
        "col": labels, "shape_z": for_all(fit, shape.statistic), "shape_p": for_all(fit, shape.p_value),
        "shape_q": for_all(fit, shape.q_value), "infit": for_all(fit, squares.item_infit),
        "outfit": for_all(fit, squares.item_outfit),
    }  # fmt: skip
    notes = [
        f"shape: score test of a curve that bends otherwise than its kind{along(fit)}, from the {shape.form} "
        "information; q: the least false discovery rate at which it is called (Benjamini and Hochberg)",
        "infit, outfit: mean squares of left-out residuals, 1 where the item fits; effect sizes, not tests",
    ]
    is_one = fit.population.n_groups == 1 and not fit.population.n_covariates
    if kept.table.is_complete and is_one and min(kept.table.shape) > 1:
        summed = summed_score_fit(fit, kept.table)
        columns |= {
            "s_x2": for_all(fit, summed.statistic), "s_x2_df": for_all(fit, summed.degrees),
            "s_x2_p": for_all(fit, summed.p_value), "s_x2_q": for_all(fit, summed.q_value),
        }  # fmt: skip
        notes.append("s_x2: answers of rows with the same summed score against their expectation")
    flag = np.where(np.nan_to_num(columns["shape_q"], nan=1.0) < RATE, "shape", "")
    columns["flag"] = flag
    return Listing("item fit", columns, of[0], tuple(notes), *of[1:])


def _tested(tests: ScoreTests, order: Any) -> dict[str, FloatArray]:
    return {
        "statistic": tests.statistic[order], "p": tests.p_value[order], "q": tests.q_value[order],
    }  # fmt: skip


def dependence(model: Any, kept: Any, labels: Labels, of: Of) -> Listing:
    """One line per pair of items, the strongest evidence first."""
    fit: RowsFit = model.rows_fit_
    is_one = fit.layout.dimensions == 1
    if is_one:
        tests = local_dependence(fit, kept.table, covariates=kept.covariates)
        Q3 = residual_correlations(fit, kept.table, kept.covariates)
    else:
        tests = rows_several_fit.local_dependence(fit, kept.table)
        Q3 = rows_several_fit.residual_correlations(fit, kept.table)
    place = np.full(fit.shape[1], -1)
    place[fit.columns] = np.arange(len(fit.columns))
    order = np.argsort(tests.p_value, kind="stable")
    first, second = tests.items[order].T
    columns = {"first": labels[first], "second": labels[second], **_tested(tests, order)}
    columns["effect"] = tests.effect[order, 0]
    columns["q3"] = Q3[place[first], place[second]]
    usual = "plus 1/(p - 1)" if is_one else "less that of the errors of abilities"
    notes = (
        f"statistic: score test of answers that go together beyond the ability, normal, from the {tests.form} "
        "information; any pattern of missing answers",
        "q: the least false discovery rate at which the pair is called (Benjamini and Hochberg)",
        "effect: about the log odds by which right answers to one raise those to the other",
        f"q3: correlation of residuals {usual}; about 0 where the model is right",
    )
    return Listing("dependence", columns, of[0], notes, *of[1:])


def dif(model: Any, kept: Any, labels: Labels, of: Of) -> Listing:
    """One line per item, the strongest evidence first."""
    fit: RowsFit = model.rows_fit_
    tests = differential_items(fit, kept.table, covariates=kept.covariates)
    order = np.argsort(tests.p_value, kind="stable")
    columns: dict[str, Any] = {"col": labels[tests.items[order, 0]], **_tested(tests, order)}
    for k, name in enumerate(fit.population.names[1:]):
        for d, what in enumerate(("intercept", "slope")):
            label = what if fit.population.n_groups == 2 else f"{what} {name}"
            columns[label] = tests.effect[order, 2 * k + d]
    notes = (
        f"statistic: score test (chi-squared, {tests.degrees} degrees of freedom) of other parameters than in group "
        f"{fit.population.names[0]!r}; groups differ in ability in the model, the other items are the anchors",
        "q: the least false discovery rate at which the item is called (Benjamini and Hochberg)",
        "intercept, slope: about how far the group's own numbers lie from the common ones",
    )
    return Listing("dif", columns, of[0], notes, *of[1:])


def person_fit(model: Any, kept: Any, labels: Labels, of: Of, seed: int) -> Listing:
    """One line per row."""
    fit: RowsFit = model.rows_fit_
    if fit.layout.dimensions == 1:
        tests = tested_rows(fit, kept.table, covariates=kept.covariates, random_state=seed)
        squares = mean_squares(fit, kept.table, kept.covariates)
    else:
        tests = rows_several_fit.person_fit(fit, kept.table, random_state=seed)
        squares = rows_several_fit.mean_squares(fit, kept.table)
    columns = {
        "row": labels, "z": tests.z, "p": tests.p_value, "q": tests.q_value, "infit": squares.row_infit,
        "outfit": squares.row_outfit,
    }  # fmt: skip
    notes = (
        "z: log-likelihood of the pattern at the row's ability, standardised by simulated patterns; low is unlikely",
        "p: share of simulated patterns that are as unlikely; q: false discovery rate (Benjamini and Hochberg)",
        "infit, outfit: mean squares of left-out residuals, 1 where the pattern is as expected",
    )
    return Listing("person fit", columns, of[0], notes, *of[1:])
