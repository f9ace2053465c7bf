"""Which penalty: the empirical-Bayes prior or none, whichever predicts held-out entries better."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.data import Observed
from halfseen.data.storable import storable
from halfseen.engines import EntryPasses
from halfseen.losses import Loss, at_columns
from halfseen.methods.factor.factors import FactorPoint
from halfseen.methods.factor.fitting import FitPlan, StagedFit, Stages
from halfseen.methods.factor.problem import FactorPenalty

Array = NDArray[Any]

# The empirical-Bayes ridge is a moment estimate: right for well-specified families, too small when counts are
# overdispersed. Multiples of it are tried in this order while they help.
LARGER, SMALLER = (3.0, 9.0, 27.0), (1.0 / 3.0, 1.0 / 9.0)
# Differences below a thousandth of the deviance are ties; they go to the fit without a penalty.
TIE = 1e-3
# A gain over the intercepts below so many of its standard errors, and below this share of their deviance, is in doubt.
DOUBT, CLEAR_SHARE = 2.0, 0.05
# Tolerance of the compared fits over that of the final one: their deviances agree to many digits long before.
ROUGH = 1e3


@storable
@dataclass(frozen=True)
class PenaltyChoice:
    """Held-out deviance per entry of the ways to fit that were compared, and the one kept.

    Attributes
    ----------
    chosen : {"map", "none"}
    scale : float
        Multiple of the empirical-Bayes ridge that was best.
    n_held_out : int
    deviance : dict
        Mean deviance of the held-out entries under ``"map"`` (at its best scale), ``"none"`` and
        ``"intercepts"`` (without factors; with the prior on intercepts, where that predicts better).
    gain, gain_se : float
        By how much the kept fit's deviance is below that of the intercepts alone, per entry, and the
        (paired) standard error of that.
    ridge_path : dict
        The same for every scale tried.
    """

    chosen: str
    scale: float
    n_held_out: int
    deviance: dict[str, float]
    ridge_path: dict[str, float]
    gain: float
    gain_se: float


def hold_out(passes: EntryPasses, share: float, rng: np.random.Generator) -> tuple[EntryPasses, Observed, Array | None]:
    """Passes over most entries, and the others with their offsets; no row or column loses its last entry.

    Where no entry can be spared, nothing is held out.
    """
    observed = passes.observed
    places = observed.with_values(np.arange(observed.n_entries, dtype=float), weights=None)
    is_test = np.zeros(observed.n_entries, dtype=bool)
    try:
        _, kept_back = places.split(share, rng, keep_covered=True)
        is_test[kept_back.values.astype(np.int64)] = True
    except ValueError:
        return passes, observed.select(is_test), None
    offset = passes.offset
    own = None if offset is None else offset[~is_test]
    train = EntryPasses(observed.select(~is_test), passes.loss, passes.engine, own)
    return train, observed.select(is_test), None if offset is None else offset[is_test]


def held_out_deviance(factors: FactorPoint, loss: Loss, test: Observed, offset: Array | None) -> Array:
    """(Weighted) deviance of each held-out entry; infinite where a prediction is not finite."""
    m = np.asarray(factors.pairs(test.rows, test.cols), dtype=float)
    deviance = at_columns(loss, test.cols).deviance(test.values, m if offset is None else m + offset)
    weights = 1.0 if test.weights is None else test.weights / np.mean(test.weights)
    return np.where(np.isfinite(deviance), deviance * weights, np.inf)


def choose_penalty(stages: Stages, test: Observed, offset: Array | None, has_firth: bool) -> PenaltyChoice:
    """Fit with the empirical-Bayes prior and without any; compare them, and the intercepts alone, on ``test``."""
    loss, (n, p) = stages.passes.loss, stages.passes.shape
    scale, path, prior = _best_scale(stages, test, offset)
    free = stages.descend(FitPlan(FactorPenalty(centre=stages.centre()), has_firth), slack=ROUGH)
    null = FactorPoint(stages.linear.factors.intercept, np.zeros((n, 0)), np.zeros((p, 0)))
    fits = {"map": (prior.final, prior.loss), "none": (free.final, free.loss), "intercepts": (null, loss)}
    each = {name: held_out_deviance(*fit, test, offset) for name, fit in fits.items()}
    # a prior on the intercepts helps by itself: what is to be judged is what the factors add to the better of the two
    shrunk = _intercepts_under(prior.plan.penalty, null, stages)
    under_prior = held_out_deviance(shrunk.final, shrunk.loss, test, offset)
    if np.mean(under_prior) < np.mean(each["intercepts"]):
        each["intercepts"] = under_prior
    deviances = {name: float(np.mean(deviance)) for name, deviance in each.items()}
    # a fit that ran away or is still running may look well on a few entries by chance
    is_sound = free.run.converged or loss.has_dispersion
    chosen = "none" if is_sound and deviances["none"] <= deviances["map"] * (1.0 + TIE) else "map"
    gains = each["intercepts"] - each[chosen]
    spread = float(np.std(gains)) if np.isfinite(gains).all() else np.inf
    return PenaltyChoice(
        chosen, scale, test.n_entries, deviances, path, float(np.mean(gains)), spread / np.sqrt(test.n_entries)
    )


def _intercepts_under(penalty: FactorPenalty, null: FactorPoint, stages: Stages) -> StagedFit:
    """The fit of intercepts alone under the prior that they have beside factors."""
    alone = copy.copy(stages)
    alone.rank, alone.spectral, alone.refined = 0, null, null
    return alone.descend(FitPlan(penalty), slack=ROUGH)


def _best_scale(stages: Stages, test: Observed, offset: Array | None) -> tuple[float, dict[str, float], StagedFit]:
    """Climb the ladder of ridges from the empirical-Bayes one, each fit from the one before."""
    penalty, path = stages.map_penalty(), {}
    fits: dict[float, StagedFit] = {}

    def fit(scale: float, start: StagedFit | None) -> float:
        plan = FitPlan(replace(penalty, ridge=scale * penalty.ridge))
        fits[scale] = staged = stages.descend(plan, start, slack=ROUGH)
        deviance = float(np.mean(held_out_deviance(staged.final, staged.loss, test, offset)))
        path[f"{scale:.3g}"] = deviance
        return deviance

    lowest, best = fit(1.0, None), 1.0
    for ladder in (LARGER, SMALLER):
        for scale in ladder:
            deviance = fit(scale, fits[best])
            if not deviance < lowest * (1.0 - TIE):
                break
            lowest, best = deviance, scale
        if best != 1.0:
            break
    for scale in (best * 3.0**0.5, best / 3.0**0.5):
        deviance = fit(scale, fits[best])
        if deviance < lowest * (1.0 - TIE):
            lowest, best = deviance, scale
    return best, path, fits[best]


def complaint_about(choice: PenaltyChoice) -> str:
    """What is to be said where the chosen fit predicts no better than the intercepts alone, as far as can be told."""
    gain, null = choice.gain, choice.deviance.get("intercepts", np.nan)
    if gain > min(DOUBT * choice.gain_se, CLEAR_SHARE * null):
        return ""
    return (
        f"the factors predict held-out entries no better than the intercepts alone, as far as {choice.n_held_out} "
        f"entries tell (deviance per entry {choice.deviance[choice.chosen]:.4g} against "
        f"{null:.4g}, standard error of the difference {choice.gain_se:.2g}): too little "
        f"information for this rank. Use a smaller rank, or rank=0."
    )
