"""How many units predict held-out entries best: what ``rank="auto"`` stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from halfseen._typing import FloatArray
from halfseen.data import Observed
from halfseen.methods.inductive.options import FEATURED_ONE_CLASS_UNITS, ONE_CLASS, ONE_CLASS_UNITS, UNITS
from halfseen.select.automatic_rank import LARGEST_RANK, SHARE, RankSearch, climbed_rank, detected_rank
from halfseen.select.held_out import entry_deviances

if TYPE_CHECKING:
    from halfseen.methods.inductive.model import InductiveCompletion


def settled_units(
    model: InductiveCompletion, observed: Observed, features: dict[str, Any], rng: np.random.Generator
) -> tuple[int, RankSearch | None]:
    """The units that a model is to have: as many as are given, or as predict held-out entries best.

    The smallest number within one standard error of the best. Entries of one-class tables are judged beside the cells
    that nobody saw, as in the objective of the fit.
    """
    if model.rank is None:
        if model.family != ONE_CLASS:
            return UNITS, None
        is_plain = all(given is None for given in features.values())
        return min(ONE_CLASS_UNITS if is_plain else FEATURED_ONE_CLASS_UNITS, *observed.shape), None
    if not isinstance(model.rank, str):
        return int(model.rank), None
    split_rng, seed_rng = rng.spawn(2)
    seed = int(seed_rng.integers(2**31))
    try:
        train, test = observed.split(SHARE, split_rng, keep_covered=True)
    except ValueError:  # no entry can be spared: nothing to judge a number of units by
        unknown = np.full(1, np.nan)
        return 1, RankSearch(1, 0, np.ones(1, dtype=int), unknown, unknown, "one_se")
    guess = detected_rank(train, split_rng, getattr(model, "engine", None))

    def deviances(rank: int) -> FloatArray:
        candidate: InductiveCompletion = clone(model).set_params(rank=rank, random_state=seed)
        candidate = candidate.set_callbacks().fit(train, **features)
        judged = entry_deviances(candidate, test)
        return judged + unseen_loss(candidate, train) if model.family == ONE_CLASS else judged

    search = climbed_rank(deviances, test.rows, guess, (1, max(1, min(LARGEST_RANK, *observed.shape))), "one_se")
    return search.rank, search


def unseen_loss(model: Any, seen: Observed) -> float:
    r"""Twice the part of unseen cells in the one-class objective, :math:`\frac\beta m\sum_{\Omega^c} m_{ij}^2`.

    All cells at once by the Gram matrices of both sides; O((n + p) k^2).
    """
    ones = (np.ones((len(part), 1)) for part in (model.row_factors_, model.col_factors_))
    A = np.hstack([model.row_factors_, next(ones), model.row_effects_[:, None]])
    B = np.hstack([model.col_factors_, model.col_effects_[:, None] + model.offset_, next(ones)])
    everywhere = float(np.sum((A.T @ A) * (B.T @ B)))
    there = model._linear_pairs(seen.rows, seen.cols).astype(float)
    return float(model.beta) * (everywhere - float(there @ there)) / seen.n_entries
