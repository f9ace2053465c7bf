"""``integrate="columns"``: few rows, many columns; abilities are parameters, items are integrated out."""

from __future__ import annotations

from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning

from halfseen._typing import FloatArray, IntArray, Labels
from halfseen.data import Observed
from halfseen.data.shares import as_shares
from halfseen.errors import shown
from halfseen.inference.linked import tell_linking
from halfseen.inference.missingness import missing_for_a_reason
from halfseen.inference.new_rows import NewRows, place
from halfseen.methods.response.board import MOST_ROWS, make_board
from halfseen.methods.response.fitting import RandomFit, choose_kind, fit_random
from halfseen.methods.response.inference import ItemResponseInference
from halfseen.methods.response.table import SeenAnswers
from halfseen.parameters import BadArgument

KINDS = ("rasch", "2pl")


TOL = 1e-6
# What belongs to the other engine, and its value where nobody asked for it.
OF_ROWS = {"item_prior": "auto", "errors": "auto", "nodes": "auto", "rotation": None, "equal": None, "fixed": None}


def refuse_what_rows_take(settings: SimpleNamespace, given: SimpleNamespace) -> None:
    """Refuse what only the other engine does."""
    if settings.kind not in (*KINDS, "auto"):
        raise BadArgument("kind", settings.kind, "'2pl', 'rasch' or 'auto' with integrate='columns'")
    if settings.dimensions != 1:
        raise BadArgument("dimensions", settings.dimensions, "1 with integrate='columns'")
    for name, usual in OF_ROWS.items():
        value = getattr(settings, name)
        if not (value is usual or value == usual):
            raise BadArgument(name, value, f"{usual!r} with integrate='columns'")
    for name in ("row_groups", "covariates", "weights"):
        if getattr(given, name) is not None:
            raise ValueError(f"{name}= goes with integrate='rows'; columns are integrated out here.")


def fit(model: Any, settings: SimpleNamespace, R: Observed, given: SimpleNamespace) -> None:
    """Fit and set the learned attributes; ``R`` is as it was given."""
    refuse_what_rows_take(settings, given)
    trials, blocks, tol = given.trials, given.blocks, TOL if settings.tol == "auto" else settings.tol
    n, p = R.shape
    if n > MOST_ROWS:
        raise ValueError(
            f"integrate='columns' is for tables of few rows (at most {MOST_ROWS}), and this one has {n}; use "
            "integrate='rows' or GeneralizedFactorModel(1, 'bernoulli'), whose columns are well determined there."
        )
    observed = as_shares(R, model.loss_.trials, trials)
    if observed.n_entries == 0:
        raise ValueError("all entries have weight 0; nothing was observed.")
    coded = block_codes(blocks, observed)
    table = SeenAnswers.of(observed, np.asarray(observed.values, dtype=float))
    has_dispersion = bool(np.any((table.shares > 0) & (table.shares < 1)))
    kinds = KINDS if settings.kind == "auto" else (settings.kind,)
    with model._watched(observed, settings.max_iter, lambda params: {}) as watch:
        fits = {kind: fit_random(table, kind == "2pl", has_dispersion, tol, settings.max_iter, watch) for kind in kinds}
    model.kind_choice_ = choose_kind(fits, p) if len(fits) > 1 else None
    model.kind_ = kinds[0] if model.kind_choice_ is None else model.kind_choice_.chosen
    chosen = fits[model.kind_]
    _look_at(model, observed)
    model.board_, model.bank_ = make_board(chosen, coded, model.loss_.trials)
    _keep(model, chosen, R.dtype)
    if not chosen.run.converged:
        model._warn(
            f"the marginal likelihood was not maximised: {chosen.run.reason!r} after {chosen.run.n_iter} sweeps, "
            f"largest gradient entry {chosen.run.gradient_norm:.2g}; raise tol or max_iter.",
            ConvergenceWarning,
        )


def _look_at(model: Any, observed: Observed) -> None:
    """Say what the places of the answers tell: groups that nothing links, cells that are missing for a reason."""
    # equal slopes leave one number between two groups, which a single common column gives
    model.linking_ = tell_linking(model, observed, 1 if model.kind_ == "rasch" else 2)
    for text in missing_for_a_reason(observed).sentences():
        model._warn(text)


def block_codes(blocks: Any, R: Any) -> tuple[IntArray, Labels] | None:
    """Codes and names of the columns' blocks; ``blocks`` is a label per column, in their order or by label."""
    if blocks is None:
        return None
    p, labels = R.shape[1], R.col_labels
    if isinstance(blocks, dict):
        if labels is None:
            raise ValueError("blocks is a dictionary by column label, but the columns have no labels; give a sequence.")
        missing = [label for label in labels.tolist() if label not in blocks]
        if missing:
            raise ValueError(f"blocks has no block for {len(missing)} columns, first {shown(missing[0])}.")
        blocks = [blocks[label] for label in labels.tolist()]
    given = np.asarray(blocks)
    if given.shape != (p,):
        raise ValueError(f"blocks has shape {given.shape}; needed: a label for each of the {p} columns.")
    names, codes = np.unique(given.astype(str), return_inverse=True)
    if len(names) < 2:
        raise ValueError("blocks puts all columns into one block; at least 2 are needed.")
    return codes, names


def _keep(model: Any, fit: RandomFit, dtype: Any) -> None:
    items = model.board_.items
    model.intercept_ = items.mean[:, 0].astype(dtype)
    model.col_factors_ = items.mean[:, 1:].astype(dtype)
    model.row_factors_ = fit.at.x[:, None].astype(dtype)
    model.loadings_ = {name: float(value) for name, value in asdict(fit.at.loadings).items()}
    model.prior_variance_, model.dispersion_ = fit.problem.prior_variance, float(fit.dispersion)
    model.run_, model.n_iter_ = fit.run.record(), max(fit.run.n_iter, 1)


def linear_pairs(model: Any, i: IntArray, j: IntArray) -> FloatArray:
    """Logits of the mean chances of chosen cells."""
    x = np.asarray(model.row_factors_, dtype=float)[i, 0]
    return np.asarray(model.bank_.pairs(x, j), dtype=model.row_factors_.dtype)


def linear_block(model: Any, i: IntArray, j: IntArray) -> FloatArray:
    """Logits of the mean chances of all chosen rows and columns."""
    return _block(model, model.row_factors_[i], j)


def _block(model: Any, x: FloatArray, j: IntArray) -> FloatArray:
    return np.asarray(model.bank_.block(x[:, 0], j), dtype=x.dtype)


def linear_rows(model: Any, observed: Observed) -> FloatArray:
    """Logits of the mean chances of new rows in all columns."""
    x = abilities(model, observed, SimpleNamespace(trials=None, row_groups=None, covariates=None))
    return _block(model, x, np.arange(observed.shape[1]))


def probabilities(model: Any, i: IntArray, j: IntArray) -> FloatArray:
    """Chances (m, 2) of failure and success of chosen cells."""
    chance = expit(np.asarray(linear_pairs(model, i, j), dtype=float))
    return np.stack([1.0 - chance, chance], axis=1)


def new_rows(model: Any, observed: Observed, given: SimpleNamespace, level: float) -> NewRows:
    """Posteriors of the rows of a validated table against the frozen items."""
    for name in ("row_groups", "covariates"):
        if getattr(given, name) is not None:
            raise ValueError(f"{name}= goes with integrate='rows'; columns are integrated out here.")
    answers = as_shares(observed, model.loss_.trials, given.trials)
    return place(model.bank_, answers, level, model.col_labels_, model.loss_.trials, model.library_)


def abilities(model: Any, observed: Observed, given: SimpleNamespace) -> FloatArray:
    """Abilities (m, 1) of the rows of a validated table."""
    return new_rows(model, observed, given, 0.95).ability[:, None].astype(observed.dtype)


def score(model: Any, observed: Observed, trials: Any) -> float:
    """Minus the mean loss of further answers of the training rows, pass rates included."""
    observed = as_shares(observed, model.loss_.trials, trials)
    m = np.asarray(model._linear_entries(observed), dtype=float)
    loss = model.loss_.trials * (np.logaddexp(0.0, m) - observed.values * m)
    return -float(np.average(loss, weights=observed.weights))


def infer(model: Any, level: float, draws: int, random_state: Any) -> ItemResponseInference:
    """The inference of a fitted model."""
    return ItemResponseInference(model, level, draws, random_state)
