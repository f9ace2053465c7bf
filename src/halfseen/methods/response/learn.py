"""``GeneralizedFactorModel(columns="random")``: from its arguments to its attributes."""

from __future__ import annotations

import warnings
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from halfseen._typing import FloatArray, IntArray, Labels
from halfseen.data import Observed
from halfseen.errors import shown
from halfseen.losses import get_loss
from halfseen.methods.response.answers import as_shares
from halfseen.methods.response.board import MOST_ROWS, make_board
from halfseen.methods.response.fitting import choose_columns, fit_random
from halfseen.methods.response.inference import RandomColumnsInference
from halfseen.methods.response.newrows import NewRows, place
from halfseen.methods.response.table import Table

KINDS = ("rasch", "2pl")


def check_model(model: Any, offset: Any) -> None:
    """Refuse what has no meaning when columns are integrated out."""
    name = f"columns={model.columns!r}"
    if isinstance(model.rank, bool) or model.rank != 1:
        raise ValueError(f"{name} has one factor, the rows' ability: give rank=1, not rank={model.rank!r}.")
    if model.penalty != "auto" or model.bias != "auto":
        raise ValueError(
            f"{name} has its own prior and nothing to correct: leave penalty and bias at 'auto' "
            f"(got penalty={model.penalty!r}, bias={model.bias!r})."
        )
    if offset is not None:
        raise ValueError(f"{name} takes no offset=; use columns='fixed'.")


def answers(model: Any, R: Observed, trials: Any) -> tuple[Observed, Any]:
    """Entries with answers as shares in [0, 1], and the loss."""
    what = f"columns={model.columns!r}"
    if not (isinstance(model.family, str) or hasattr(model.family, "name")):
        raise ValueError(f"{what} takes one family for all columns, such as family='bernoulli'; got {model.family!r}.")
    loss = get_loss(model.family)
    return as_shares(R, loss, trials, what), loss


def block_codes(groups: Any, R: Observed) -> tuple[IntArray, Labels] | None:
    """Codes and names of the columns' blocks; ``groups`` is a label per column, in their order or by label."""
    if groups is None:
        return None
    p, labels = R.shape[1], R.col_labels
    if isinstance(groups, dict):
        if labels is None:
            raise ValueError("groups is a dictionary by column label, but the columns have no labels; give a sequence.")
        missing = [label for label in labels.tolist() if label not in groups]
        if missing:
            raise ValueError(f"groups has no block for {len(missing)} columns, first {shown(missing[0])}.")
        groups = [groups[label] for label in labels.tolist()]
    found = np.asarray(groups)
    if found.shape != (p,):
        raise ValueError(f"groups has shape {found.shape}; needed: a label for each of the {p} columns.")
    names, codes = np.unique(found.astype(str), return_inverse=True)
    if len(names) < 2:
        raise ValueError("groups puts all columns into one block; at least 2 are needed.")
    return codes, names


def learn(model: Any, R: Any, trials: Any, offset: Any, groups: Any) -> None:
    """Fit and set the learned attributes."""
    check_model(model, offset)
    observed = model._observe(R, reset=True)
    n, p = observed.shape
    if n > MOST_ROWS:
        raise ValueError(
            f"columns={model.columns!r} is for tables of few rows (at most {MOST_ROWS}), and this one has {n}; use "
            "columns='fixed', whose columns are well determined there."
        )
    dtype = observed.dtype
    observed, model.loss_ = answers(model, observed, trials)
    if observed.n_entries == 0:
        raise ValueError("all entries have weight 0; nothing was observed.")
    blocks = block_codes(groups, observed)
    table = Table.of(observed, np.asarray(observed.values, dtype=float))
    has_dispersion = bool(np.any((table.shares > 0) & (table.shares < 1)))
    kinds = KINDS if model.columns == "random" else (model.columns,)
    tol = model._options().tol
    with model._watched(observed, model._options().sweeps, lambda params: {}) as watch:
        fits = {kind: fit_random(table, kind == "2pl", has_dispersion, tol, watch) for kind in kinds}
    model.columns_choice_ = choose_columns(fits, p) if len(fits) > 1 else None
    model.columns_ = kinds[0] if model.columns_choice_ is None else model.columns_choice_.chosen
    fit = fits[model.columns_]
    model.board_, model.bank_ = make_board(fit, blocks, model.loss_.trials)
    _keep(model, fit, dtype)
    if not fit.run.converged:
        warnings.warn(
            f"the marginal likelihood was not maximised: {fit.run.reason!r} after {fit.run.n_iter} sweeps, largest "
            f"gradient entry {fit.run.gradient_norm:.2g}; raise options.tol.",
            ConvergenceWarning,
            stacklevel=4,
        )


def _keep(model: Any, fit: Any, dtype: Any) -> None:
    items = model.board_.items
    model.intercept_ = items.mean[:, 0].astype(dtype)
    model.col_factors_ = items.mean[:, 1:].astype(dtype)
    model.row_factors_ = fit.at.x[:, None].astype(dtype)
    model.loadings_ = {name: float(value) for name, value in asdict(fit.at.loadings).items()}
    model.prior_variance_, model.dispersion_ = fit.problem.prior_variance, float(fit.dispersion)
    model.has_trials_ = model.has_offset_ = False
    model._n_features_out = 1
    model.run_ = replace(fit.run, params=None)


def linear_pairs(model: Any, i: IntArray, j: IntArray) -> FloatArray:
    """Logits of the mean chances of chosen cells."""
    x = np.asarray(model.row_factors_, dtype=float)[i, 0]
    return np.asarray(model.bank_.pairs(x, j), dtype=model.row_factors_.dtype)


def linear_block(model: Any, x: FloatArray, j: IntArray) -> FloatArray:
    """The same of rows of these abilities against all chosen columns."""
    return np.asarray(model.bank_.block(x, j), dtype=x.dtype)


def new_rows(model: Any, R: Any, trials: Any, level: float) -> NewRows:
    """Posteriors of new rows against the frozen items; ``R`` validated or not."""
    observed, _ = answers(model, model._observe(R, reset=False), trials)
    return place(model.bank_, observed, level, model.col_labels_, model.loss_.trials)


def place_rows(model: Any, observed: Observed, trials: Any) -> FloatArray:
    """Abilities (n, 1) of the rows of a validated table."""
    observed_, _ = answers(model, observed, trials)
    found = place(model.bank_, observed_, 0.95, model.col_labels_, model.loss_.trials)
    return found.ability[:, None].astype(observed.dtype)


def score(model: Any, R: Any, trials: Any) -> float:
    """Minus the mean loss of further answers of the training rows, pass rates included."""
    observed, _ = answers(model, model._observe(R, reset=False), trials)
    m = np.asarray(model._linear_entries(observed), dtype=float)
    loss = model.loss_.trials * (np.logaddexp(0.0, m) - observed.values * m)
    return -float(np.average(loss, weights=observed.weights))


def infer(model: Any, level: float, draws: int, random_state: Any) -> RandomColumnsInference:
    """The inference of a fitted model."""
    return RandomColumnsInference(model, level, draws, random_state)
