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
# Passes over most entries, the others, and their offsets.
HeldOut = tuple[EntryPasses, Observed, Array | None]

# The empirical-Bayes ridge is a moment estimate: right for well-specified families, too small when counts are
# overdispersed. Multiples of it are tried in this order while they help.
LARGER, SMALLER = (3.0, 9.0, 27.0), (1.0 / 3.0, 1.0 / 9.0)
# Differences below a thousandth of the deviance are ties; they go to the fit without a penalty.
TIE = 1e-3
# A gain over the intercepts below so many of its standard errors, and below this share of their deviance, is in doubt.
DOUBT, CLEAR_SHARE = 2.0, 0.05
# A compared fit has settled where a sweep moves its deviance by this share of it.
SETTLED = TIE / 10.0
# A sweep moves a fit at least so many times as far as all later ones: shares of a third for Newton's method, of .6 with
# Firth's correction.
NEWTON, FIRTH = 2.0, 2.0 / 3.0
# Entries from which fits are left for the two reasons below: held-out entries are many then, and sweeps dear.
LARGE = 50_000
# A fit behind the intercepts after so many sweeps that moves by less than this share of it is left: it stays behind.
FEW_SWEEPS, LOST = 3, 0.5
# Where a smaller ridge is a hundredth worse, none at all is left after the first sweep that is behind.
HOPELESS = 1.01
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
        Mean deviance of the held-out entries under ``"map"`` (at its best scale), ``"none"`` (where that fit was
        left, once it was clearly behind) and ``"intercepts"`` (without factors; with the prior on intercepts, where
        that predicts better).
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


def hold_out(passes: EntryPasses, share: float, rng: np.random.Generator) -> HeldOut:
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


@dataclass
class Watched:
    """Ends a fit that is only compared as soon as its held-out deviance tells enough.

    That is when a sweep moves it by less than a tenth of what counts as a tie, or when the sweeps still to come, each
    of which moves it by a share of the one before, cannot make up for what it is behind a rival.

    Attributes
    ----------
    test : Observed
    offset : ndarray or None
    rival : float
        Deviance that it would have to reach.
    may_win : bool
        A fit that is ahead is done too where it hardly moves; else only its gradient says so.
    last : float
        Deviance before the sweep.
    reach : float
        What a sweep moves over all that the later ones move.
    null : float
        Deviance of the intercepts alone: a fit far behind them that hardly comes nearer is left too.
    """

    test: Observed
    offset: Array | None
    rival: float = np.inf
    may_win: bool = True
    last: float = np.inf
    reach: float = NEWTON
    null: float = np.inf
    sweeps: int = 0

    def __call__(self, factors: FactorPoint, loss: Loss) -> bool:
        now = float(np.mean(held_out_deviance(factors, loss, self.test, self.offset)))
        moved, self.last, self.sweeps = abs(now - self.last), now, self.sweeps + 1
        if self.sweeps >= FEW_SWEEPS and moved <= LOST * (now - self.null):
            return True
        behind = now - self.rival
        if behind > 0:
            return moved <= max(self.reach * behind, SETTLED * abs(now))
        return self.may_win and moved <= SETTLED * abs(now)


@dataclass(frozen=True)
class ComparedPenalties:
    """The choice, and what the fits behind it leave.

    Attributes
    ----------
    choice : PenaltyChoice
    kept : StagedFit
        The fit of the training part that was chosen.
    prior : ndarray
        Deviance of each held-out entry under the empirical-Bayes prior at its best scale.
    """

    choice: PenaltyChoice
    kept: StagedFit
    prior: Array


def choose_penalty(stages: Stages, test: Observed, offset: Array | None, has_firth: bool) -> ComparedPenalties:
    """Fit with the empirical-Bayes prior and without any; compare them, and the intercepts alone, on ``test``.

    The unpenalised fit begins where the prior's ended; it is left as soon as it is clearly behind.
    """
    loss, (n, p) = stages.passes.loss, stages.passes.shape
    null = FactorPoint(stages.linear.factors.intercept, np.zeros((n, 0)), np.zeros((p, 0)))
    of_null = held_out_deviance(null, loss, test, offset)
    is_large = stages.passes.observed.n_entries >= LARGE
    scale, path, prior = _best_scale(stages, test, offset, float(np.mean(of_null)) if is_large else np.inf)
    of_prior = held_out_deviance(prior.final, prior.loss, test, offset)
    rival = float(np.mean(of_prior)) * (1.0 + TIE)
    worst_below = max(path[each] for each in path if each <= scale)
    is_hopeless = is_large and worst_below > min(HOPELESS * path[scale], float(np.mean(of_null)))
    reach = np.inf if is_hopeless else FIRTH
    watched = Watched(test, offset, rival, may_win=False, last=path[scale], reach=reach)
    plan = FitPlan(FactorPenalty(centre=stages.centre()), has_firth)
    free = stages.descend(plan, prior, slack=ROUGH, is_settled=watched)
    each = {
        "map": of_prior,
        "none": held_out_deviance(free.final, free.loss, test, offset),
        "intercepts": of_null,
    }
    # a prior on the intercepts helps by itself: what is to be judged is what the factors add to the better of the two
    shrunk = _intercepts_under(prior.plan.penalty, null, stages)
    under_prior = held_out_deviance(shrunk.final, shrunk.loss, test, offset)
    if np.mean(under_prior) < np.mean(of_null):
        each["intercepts"] = under_prior
    deviances = {name: float(np.mean(deviance)) for name, deviance in each.items()}
    # a fit that ran away or is still running may look well on a few entries by chance
    is_sound = free.run.converged or (loss.has_dispersion and free.run.reason not in ("stalled", "not_finite"))
    chosen = "none" if is_sound and deviances["none"] <= rival else "map"
    gains = each["intercepts"] - each[chosen]
    spread = float(np.std(gains)) if np.isfinite(gains).all() else np.inf
    tried = {f"{each:.3g}": deviance for each, deviance in path.items()}
    choice = PenaltyChoice(
        chosen, scale, test.n_entries, deviances, tried, float(np.mean(gains)), spread / np.sqrt(test.n_entries)
    )
    return ComparedPenalties(choice, prior if chosen == "map" else free, of_prior)


def _intercepts_under(penalty: FactorPenalty, null: FactorPoint, stages: Stages) -> StagedFit:
    """The fit of intercepts alone under the prior that they have beside factors."""
    alone = copy.copy(stages)
    alone.rank, alone.spectral, alone.refined = 0, null, null
    return alone.descend(FitPlan(penalty), slack=ROUGH)


def _best_scale(
    stages: Stages, test: Observed, offset: Array | None, null: float
) -> tuple[float, dict[float, float], StagedFit]:
    """Climb the ladder of ridges from the empirical-Bayes one, each fit from the one before."""
    penalty = stages.map_penalty()
    path: dict[float, float] = {}
    fits: dict[float, StagedFit] = {}

    def fit(scale: float, best: float | None) -> bool:
        """Whether this scale is better by more than a tie."""
        before, last = (None, np.inf) if best is None else (fits[best], path[best])
        rival = last * (1.0 - TIE)
        plan = FitPlan(replace(penalty, ridge=scale * penalty.ridge))
        watched = Watched(test, offset, rival, last=last, null=null)
        fits[scale] = staged = stages.descend(plan, before, slack=ROUGH, is_settled=watched)
        path[scale] = float(np.mean(held_out_deviance(staged.final, staged.loss, test, offset)))
        return path[scale] < rival

    fit(1.0, None)
    best = 1.0
    for ladder in (LARGER, SMALLER):
        for scale in ladder:
            # fits behind the intercepts were left half-way and tell nothing but that: the ridge must grow
            must_grow = ladder is LARGER and path[best] > null * (1.0 + TIE)
            if not fit(scale, best) and not must_grow:
                break
            best = scale
        if best != 1.0:
            break
    # the deviance is a bowl over the logarithm of the ridge: its bottom is on the side of the lower neighbour
    finer = sorted((best * 3.0**0.5, best / 3.0**0.5), key=lambda scale: _neighbour(path, best, scale))
    for scale in finer if path[best] <= null * (1.0 + TIE) else ():
        if fit(scale, best):
            best = scale
            break
        if np.isfinite(_neighbour(path, best, finer[1])):
            break
    return best, path, fits[best]


def _neighbour(path: dict[float, float], best: float, towards: float) -> float:
    """Deviance at the next rung of the ladder on one side of the best; infinite where it was not tried."""
    wanted = best * 3.0 if towards > best else best / 3.0
    return next((deviance for scale, deviance in path.items() if np.isclose(scale, wanted)), np.inf)


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
