"""``rank="auto"``: the rank at which held-out entries are predicted best, known totals and offsets included."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.engines import EntryPasses
from halfseen.methods.factor.fitting import FitPlan, Stages
from halfseen.methods.factor.penalties import ROUGH, held_out_deviance, hold_out
from halfseen.methods.factor.problem import FactorPenalty
from halfseen.select import RankSearch
from halfseen.select.automatic_rank import LARGEST_RANK, SHARE, climbed_rank, detected_rank

Array = NDArray[Any]


def settled_rank(
    passes: EntryPasses, settings: SimpleNamespace, has_firth: bool, rng: np.random.Generator
) -> tuple[int, RankSearch | None]:
    """The rank to fit, cut to the shorter side of the table, and the search behind ``rank="auto"``.

    Parameters
    ----------
    passes : EntryPasses
    settings : SimpleNamespace
        The model's parameters.
    has_firth : bool
        Whether unpenalised fits are bias-corrected.
    rng : Generator
        Draws the held-out entries and the starts; not used where a rank is given.
    """
    if settings.rank != "auto":
        return min(int(settings.rank), *passes.shape), None
    search = _searched(passes, settings, has_firth, rng)
    return search.rank, search


def _searched(passes: EntryPasses, settings: SimpleNamespace, has_firth: bool, rng: np.random.Generator) -> RankSearch:
    """The smallest rank whose held-out deviance is within one standard error of the least.

    With ``penalty="auto"`` ranks are judged under the empirical-Bayes prior: no rank diverges there, and which of the
    two ways is better is asked once, for the rank that was chosen. One descent for the first guess, then a rough fit
    per rank that the climb tries.
    """
    search_rng, seed_rng = rng.spawn(2)
    train, test, offset = hold_out(passes, SHARE, search_rng)
    if test.n_entries == 0:  # nothing to judge a rank by
        unknown = np.full(1, np.nan)
        return RankSearch(0, 0, np.array([0]), unknown, unknown, "one_se")
    seed = int(seed_rng.integers(2**31))

    def deviances(rank: int) -> Array:
        stages = Stages(train, rank, settings, np.random.default_rng(seed))
        fit = stages.descend(candidate_plan(stages, settings.penalty, has_firth), slack=ROUGH)
        return held_out_deviance(fit.final, fit.loss, test, offset)

    guess = detected_rank(train.observed, search_rng, passes.engine)
    return climbed_rank(deviances, test.rows, guess, (0, min(LARGEST_RANK, *passes.shape)), "one_se")


def candidate_plan(stages: Stages, penalty: str | float, has_firth: bool) -> FitPlan:
    """How a candidate is fitted: unpenalised where the model is, else under the prior or the given ridge."""
    if penalty == "none":
        return FitPlan(FactorPenalty(centre=stages.centre()), has_firth)
    prior = stages.map_penalty()
    return FitPlan(prior if isinstance(penalty, str) else replace(prior, ridge=float(penalty)))
