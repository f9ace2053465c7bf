"""What a fit says about its own family and rank: counts that spread too far, a further factor, a fit gone wild."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.data import Observed
from halfseen.engines import EntryPasses
from halfseen.losses import at_columns
from halfseen.methods.factor.factors import FactorPoint
from halfseen.methods.factor.fitting import FitPlan, Stages
from halfseen.methods.factor.penalties import ROUGH, ComparedPenalties, PenaltyChoice, Watched, held_out_deviance

Array = NDArray[Any]

# Squared errors over their expectation from which counts are called overdispersed, if no chance either.
RATIO, CHANCE = 1.5, 5.0
# A held-out deviance this many times that of the intercepts is no fit.
WILD = 3.0
# A further factor is named where its gain is beyond so many standard errors and this share of the deviance.
SURE, WORTH = 3.0, 0.01
# Entries up to which a fit of one more factor is tried: it costs about a third of the choice of the penalty.
MOST_TRIED = 1_000_000


def about_counts(passes: EntryPasses, final: FactorPoint) -> str:
    r"""What is to be said where Poisson counts have :math:`\sum (y - \mu)^2/\mu` far above its expectation."""
    loss, observed = passes.loss, passes.observed
    if getattr(loss, "name", "") != "poisson":
        return ""
    (n, p), r, entries = passes.shape, final.rank, observed.n_entries
    linear = np.asarray(passes.at(final.rows, final.cols, col_offset=final.intercept), dtype=float)
    mean = np.maximum(np.asarray(at_columns(loss, observed.cols).mean(linear), dtype=float), 1e-12)
    weights = 1.0 if observed.weights is None else observed.weights / np.mean(observed.weights)
    freedom = entries - p - r * (n + p - r - 1)
    if freedom <= 0 or not np.isfinite(mean).all():
        return ""
    ratio = float(np.sum(weights * np.square(observed.values - mean) / mean)) / freedom
    if ratio < max(RATIO, 1.0 + CHANCE * np.sqrt(2.0 / freedom)):
        return ""
    return (
        f"counts spread {ratio:.2g} times as far as a Poisson variance allows (squared errors over their expectation): "
        "standard errors are too short and the penalty too small. Use family='negative_binomial'."
    )


def is_wild(choice: PenaltyChoice | None) -> bool:
    """Whether the kept fit predicts held-out entries worse than the intercepts by far."""
    if choice is None or not choice.deviance:
        return False
    kept, null = choice.deviance[choice.chosen], choice.deviance["intercepts"]
    return bool(np.isfinite(null) and not kept <= WILD * null)


def about_wild(choice: PenaltyChoice) -> str:
    """What is said of the way back to the intercepts."""
    return (
        f"the factors predict held-out entries far worse than the intercepts alone (deviance per entry "
        f"{choice.deviance[choice.chosen]:.3g} against {choice.deviance['intercepts']:.3g}), so only the "
        "intercepts were kept (rank_ is 0). Look for counts that need family='negative_binomial' and for values out of "
        "line; a number as penalty= fits the factors all the same."
    )


def about_next_rank(
    train: EntryPasses,
    test: Observed,
    offset: Array | None,
    settings: Any,
    rank: int,
    compared: ComparedPenalties,
    seed: int,
) -> str:
    """What is to be said where held-out deviance falls clearly at the next rank."""
    if train.observed.n_entries > MOST_TRIED or 2 * (rank + 1) > min(train.shape):
        return ""
    before = compared.prior
    stages = Stages(train, rank + 1, settings, np.random.default_rng(seed))
    penalty = stages.map_penalty()
    plan = FitPlan(replace(penalty, ridge=compared.choice.scale * penalty.ridge))
    watched = Watched(test, offset, float(before.mean()) * (1.0 - WORTH))
    fit = stages.descend(plan, slack=ROUGH, is_settled=watched)
    after = held_out_deviance(fit.final, fit.loss, test, offset)
    gains = before - after
    if not np.isfinite(gains).all():
        return ""
    gain, se = float(gains.mean()), float(gains.std()) / np.sqrt(len(gains))
    if gain < max(SURE * se, WORTH * float(before.mean())):
        return ""
    return (
        f"held-out deviance falls further with another factor (rank {rank}: {before.mean():.4g} per entry, rank "
        f"{rank + 1}: {after.mean():.4g}): this rank is too small for intervals to hold. Use rank={rank + 1}, or "
        "rank='auto'."
    )
