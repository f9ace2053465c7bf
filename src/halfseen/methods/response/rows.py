"""``integrate="rows"``: many rows; items are parameters, abilities are integrated out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from halfseen._typing import FloatArray, IntArray
from halfseen.data import Observed
from halfseen.data.labels import find_labels
from halfseen.errors import shown
from halfseen.inference.missingness import missing_for_a_reason
from halfseen.losses import get_loss
from halfseen.methods.response.columns import block_codes
from halfseen.methods.response.rows_blocks import row_block_effects
from halfseen.methods.response.rows_board import posterior
from halfseen.methods.response.rows_bytes import ByteTable
from halfseen.methods.response.rows_fit import People, fit_with_table
from halfseen.methods.response.rows_inference import RowsInference
from halfseen.methods.response.rows_links import connectivity
from halfseen.methods.response.rows_options import RowsOptions
from halfseen.methods.response.rows_placing import bank_of
from halfseen.methods.response.rows_predict import Answering, GradedAnswer
from halfseen.methods.response.rows_result import RowsFit
from halfseen.methods.response.rows_rotation import rotate
from halfseen.methods.response.rows_scores import ability_scale, new_table
from halfseen.methods.response.rows_state import KeptAnswers, board, new_rows, table_of_new, turn

__all__ = ["abilities", "board", "fit", "infer", "linear_block", "linear_pairs", "linear_rows", "new_rows", "score"]

TOL = 1e-4
# Entries beyond which nobody looks for patterns in what is missing: it would take longer than the fit.
MOST_LOOKED_AT = 5_000_000


def fit(model: Any, settings: SimpleNamespace, R: Observed | ByteTable, given: SimpleNamespace) -> None:
    """Fit and set the learned attributes; ``R`` is as it was given."""
    refuse_what_columns_take(settings, given)
    people = People(given.row_groups, given.covariates, given.weights)
    with model._watched(R, settings.max_iter, lambda params: {}) as watch:
        options = options_of(settings, R, () if watch is None else (watch,))
        table_of_answers = R.answers if isinstance(R, ByteTable) else R
        first, *others = kinds_to_try(settings.kind, R)
        best, table = fit_with_table(table_of_answers, first, settings.dimensions, people, options)
        # under an empirical prior free slopes shrink to equal ones by themselves
        for kinds in () if best.prior_kind == "empirical" else others:
            rival, its_table = fit_with_table(table_of_answers, kinds, settings.dimensions, people, options)
            best, table = (rival, its_table) if rival.aic < best.aic else (best, table)
    model.kind_choice_ = None
    model.kind_ = told_kind(best)
    model.rows_fit_, model.answers_ = best, KeptAnswers(table, given.covariates)
    model.rotated_ = None if settings.rotation is None else rotate(best, settings.rotation, random_state=0)
    coded = block_codes(given.blocks, R)
    model.block_effects_ = None if coded is None else row_block_effects(best, table, *coded, given.covariates)
    _keep(model, R)
    _tell(model, R, given)


def kinds_to_try(kind: Any, R: Observed | ByteTable) -> list[Any]:
    """The kinds of a fit: ``"auto"`` compares equal and free slopes by AIC; a mapping goes by column label."""
    if isinstance(kind, str):
        return ["2pl", "1pl"] if kind == "auto" else [kind]
    if not isinstance(kind, dict):
        return [list(kind)]
    labels = np.arange(R.shape[1]) if R.col_labels is None else R.col_labels
    missing = [label for label in labels.tolist() if label not in kind]
    if missing:
        raise ValueError(f"kind has no kind for {len(missing)} columns, first {shown(missing[0])}.")
    return [[kind[label] for label in labels.tolist()]]


def told_kind(fit: RowsFit) -> str:
    """One word for all items, or several joined by a plus."""
    return " + ".join(sorted(set(fit.kinds)))


def refuse_what_columns_take(settings: SimpleNamespace, given: SimpleNamespace) -> None:
    """Refuse what only the other engine does."""
    if given.trials is not None:
        raise ValueError("trials= goes with integrate='columns'; rows are integrated out here.")
    if given.blocks is not None and settings.dimensions > 1:
        raise ValueError("blocks= goes with dimensions=1.")
    if settings.family != "bernoulli":
        raise ValueError(
            f"family={shown(settings.family)} goes with integrate='columns'; with rows integrated out answers are "
            "classes, whose model is kind=."
        )


def options_of(settings: SimpleNamespace, R: Observed | ByteTable, watchers: tuple[Any, ...]) -> RowsOptions:
    """What the engine takes, from the estimator's parameters."""
    return RowsOptions(
        item_prior=settings.item_prior,
        errors=settings.errors,
        equal=[[place_of(place, R) for place in group] for group in settings.equal or ()],
        fixed={place_of(place, R): value for place, value in (settings.fixed or {}).items()},
        tol=TOL if settings.tol == "auto" else settings.tol,
        nodes=None if settings.nodes == "auto" else settings.nodes,
        max_iter=settings.max_iter,
        watchers=watchers,
        random_state=0 if settings.random_state is None else settings.random_state,
    )


def place_of(place: Any, R: Observed | ByteTable) -> Any:
    """A place (column, name) by the column's number."""
    if R.col_labels is None or not (isinstance(place, tuple) and len(place) == 2):
        return place
    return int(find_labels(R.col_labels, [place[0]], "column")[0]), place[1]


def _keep(model: Any, R: Observed | ByteTable) -> None:
    """Attributes from the fit."""
    fit: RowsFit = model.rows_fit_
    p = R.shape[1]
    sums, counts = column_totals(R)
    answering = Answering.of(fit, sums, counts)
    model.column_totals_ = np.stack([sums, counts])
    model.answering_ = answering
    is_plain = bool((answering.low == 0).all() and (answering.high == 1).all())
    model.loss_ = get_loss("bernoulli") if is_plain else GradedAnswer(answering.low, answering.high)
    kept = model.answers_
    model.abilities_ = posterior(fit, kept.table, kept.covariates)
    turned = turn(model)
    # the same array where nothing turns: abilities of a million rows are kept once
    shown_mean = (
        model.abilities_.mean if np.array_equal(turned, np.eye(len(turned))) else model.abilities_.mean @ turned
    )
    slopes, intercepts = np.full((p, fit.layout.dimensions), np.nan), np.full(p, np.nan)
    own = fit.params[fit.layout.slopes] if model.rotated_ is None else model.rotated_.slopes
    slopes[fit.columns] = own / (ability_scale(fit) if fit.layout.dimensions == 1 else 1.0)
    intercepts[fit.columns] = fit.params[fit.layout.first_param + fit.layout.dimensions]
    model.row_factors_ = shown_mean.astype(R.dtype, copy=False)
    model.col_factors_, model.intercept_ = slopes.astype(R.dtype), intercepts.astype(R.dtype)
    model.log_likelihood_, model.aic_, model.bic_ = fit.log_likelihood, fit.aic, fit.bic
    model.run_, model.n_iter_ = fit.run, max(fit.run.n_iter, 1)
    model.linking_, model.dispersion_ = None, 1.0
    model.totals_ = None if isinstance(R, ByteTable) else row_totals(answering, R)
    model.board_ = None  # made when intervals are asked for, or the model is saved
    model.bank_ = bank_of(answering, model.row_factors_[:, 0])
    model.connectivity_ = connectivity(kept.table)


def column_totals(R: Observed | ByteTable) -> tuple[FloatArray, FloatArray]:
    """Sums and numbers of the columns' answers."""
    if isinstance(R, ByteTable):
        return R.column_totals()
    p = R.shape[1]
    sums = np.bincount(R.cols, np.asarray(R.values, dtype=float), p)
    return sums.astype(float), np.bincount(R.cols, minlength=p).astype(float)


def row_totals(answering: Answering, R: Observed) -> FloatArray:
    """Sums and numbers of the rows' answers, and of the completed rows over columns outside the model (3, n)."""
    n, values = R.shape[0], np.asarray(R.values, dtype=float)
    out = answering.item_of[R.cols] < 0
    outside = np.bincount(R.rows[out], (values - answering.constant[R.cols])[out], n)
    constant = answering.constant[answering.item_of < 0].sum()
    counts = np.bincount(R.rows, minlength=n).astype(float)
    return np.stack([np.bincount(R.rows, values, n), counts, outside + constant])


def _tell(model: Any, R: Observed | ByteTable, given: SimpleNamespace) -> None:
    """Say what the fit and the places of the answers tell."""
    fit: RowsFit = model.rows_fit_
    for text in fit.warnings:
        is_unfinished = "was not maximised" in text or "still rose" in text
        more = " Raise tol or max_iter." if is_unfinished else ""
        model._warn(text + more, ConvergenceWarning if is_unfinished else UserWarning)
    for text in fit.notes:
        if "unlinked forms" in text:
            model._warn(text)
        else:
            model._keep_sentence(text)
    for text in flag_sentences(fit, R):
        model._keep_sentence(text)
    if given.row_groups is None and isinstance(R, Observed) and R.n_entries <= MOST_LOOKED_AT:
        for text in missing_for_a_reason(R).sentences(has_sensitivity=model.loss_.name == "bernoulli"):
            model._warn(text)


def flag_sentences(fit: RowsFit, R: Observed | ByteTable) -> list[str]:
    """Which columns are flagged, by flag."""
    labels = np.arange(fit.shape[1]) if R.col_labels is None else R.col_labels
    out = []
    for flag in sorted(set(fit.flags.values())):
        own = [shown(labels[j]) for j in sorted(j for j, f in fit.flags.items() if f == flag)]
        word, more = "column" if len(own) == 1 else "columns", ", .." if len(own) > 3 else ""
        out.append(f"{flag}: {len(own)} {word} ({', '.join(own[:3])}{more}).")
    return out


# ---- what the estimator asks ------------------------------------------------------------------------------------


def linear_pairs(model: Any, i: IntArray, j: IntArray) -> FloatArray:
    """Log odds of the expected answers of chosen cells."""
    linear = model.answering_.linear(model.abilities_[i], np.asarray(j))
    return np.asarray(linear, dtype=model.row_factors_.dtype)


def linear_block(model: Any, i: IntArray, j: IntArray) -> FloatArray:
    """The same of all chosen rows and columns."""
    rows, cols = np.repeat(np.asarray(i), len(j)), np.tile(np.asarray(j), len(i))
    return linear_pairs(model, rows, cols).reshape(len(i), len(j))


def linear_rows(model: Any, observed: Observed) -> FloatArray:
    """The same of new rows in all columns."""
    ability = posterior(model.rows_fit_, new_table(model.rows_fit_, observed, model.col_labels_))
    p = model.rows_fit_.shape[1]
    rows, cols = np.repeat(np.arange(len(ability)), p), np.tile(np.arange(p), len(ability))
    linear = model.answering_.linear(ability[rows], cols).reshape(len(ability), p)
    return np.asarray(linear, dtype=model.row_factors_.dtype)


def probabilities(model: Any, i: IntArray, j: IntArray) -> FloatArray:
    """Chances (m, K) of the classes of chosen cells."""
    return np.asarray(model.answering_.probabilities(model.abilities_[i], np.asarray(j)))


def abilities(model: Any, observed: Observed, given: SimpleNamespace) -> FloatArray:
    """Posterior means (m, D) of new rows."""
    table, covariates = table_of_new(model, observed, given)
    means = posterior(model.rows_fit_, table, covariates).mean @ turn(model)
    return np.asarray(means, dtype=observed.dtype)


def score(model: Any, observed: Observed, trials: Any) -> float:
    """Mean log-probability of further answers of the training rows."""
    if trials is not None:
        raise ValueError("trials= goes with integrate='columns'; rows are integrated out here.")
    rows = observed.rows
    if model.row_labels_ is not None and observed.row_labels is not None:
        rows = find_labels(model.row_labels_, observed.row_labels)[rows]
    elif observed.shape[0] != model.observed_shape_[0]:
        raise ValueError(
            f"R has {observed.shape[0]} rows; needed: other entries of the {model.observed_shape_[0]} training rows."
        )
    cols = model._columns_of(observed)
    log_chances = model.answering_.log_chance(model.abilities_[rows], cols, np.asarray(observed.values, dtype=float))
    if np.isnan(log_chances).any():
        e = int(np.isnan(log_chances).argmax())
        raise ValueError(f"column {int(cols[e])} has the answer {observed.values[e]:g}, which the fit does not know.")
    return float(np.average(log_chances, weights=observed.weights))


def infer(model: Any, level: float, draws: int, random_state: Any) -> RowsInference:
    """The inference of a fitted model."""
    return RowsInference(model, level, draws, random_state)
