"""Which penalty: the empirical-Bayes prior or none, whichever predicts held-out entries better."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.data import Observed
from halfseen.data.storable import storable
from halfseen.engines import EntryPasses
from halfseen.losses import Loss
from halfseen.methods.factor.fitting import Plan, Stages
from halfseen.methods.factor.options import Factors
from halfseen.methods.factor.problem import Penalty
from halfseen.methods.factor.start import null_intercept

Array = NDArray[Any]

# The empirical-Bayes ridge is a moment estimate: right for well-specified families, too small when counts are
# overdispersed. Multiples of it are tried in this order while they help.
LARGER, SMALLER = (3.0, 9.0, 27.0), (1.0 / 3.0, 1.0 / 9.0)
# Differences below a thousandth of the deviance are ties; they go to the fit without a penalty.
TIE = 1e-3
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
        ``"intercepts"``.
    ridge_path : dict
        The same for every scale tried.
    """

    chosen: str
    scale: float
    n_held_out: int
    deviance: dict[str, float]
    ridge_path: dict[str, float]


def hold_out(passes: EntryPasses, share: float, rng: np.random.Generator) -> tuple[EntryPasses, Observed, Array | None]:
    """Passes over most entries, and the others with their offsets; no row or column loses its last entry."""
    observed = passes.observed
    places = observed.with_values(np.arange(observed.n_entries, dtype=float), weights=None)
    _, kept_back = places.split(share, rng, keep_covered=True)
    is_test = np.zeros(observed.n_entries, dtype=bool)
    is_test[kept_back.values.astype(np.int64)] = True
    offset = passes.offset
    train = EntryPasses(
        observed.select(~is_test), passes.loss, passes.engine, None if offset is None else offset[~is_test]
    )
    return train, observed.select(is_test), None if offset is None else offset[is_test]


def held_out_deviance(factors: Factors, loss: Loss, test: Observed, offset: Array | None) -> float:
    """Mean (weighted) deviance of held-out entries; infinite when a prediction is not finite."""
    m = np.asarray(factors.pairs(test.rows, test.cols), dtype=float)
    deviance = loss.deviance(test.values, m if offset is None else m + offset)
    return float(np.average(np.where(np.isfinite(deviance), deviance, np.inf), weights=test.weights))


def choose_penalty(stages: Stages, test: Observed, offset: Array | None, has_firth: bool) -> PenaltyChoice:
    """Fit with the empirical-Bayes prior and without any; compare them, and the intercepts alone, on ``test``."""
    loss, (n, p) = stages.passes.loss, stages.passes.shape
    scale, path = _best_scale(stages, test, offset)
    fits = {
        "none": stages.descend(Plan(Penalty(centre=stages.centre()), has_firth), slack=ROUGH).final,
        "intercepts": Factors(null_intercept(stages.passes.observed, loss), np.zeros((n, 0)), np.zeros((p, 0))),
    }
    found = {name: held_out_deviance(fit, loss, test, offset) for name, fit in fits.items()}
    found["map"] = path[f"{scale:.3g}"]
    chosen = "none" if found["none"] <= found["map"] * (1.0 + TIE) else "map"
    return PenaltyChoice(chosen, scale, test.n_entries, found, path)


def _best_scale(stages: Stages, test: Observed, offset: Array | None) -> tuple[float, dict[str, float]]:
    """Climb the ladder of ridges from the empirical-Bayes one, each fit from the one before."""
    loss, penalty, path = stages.passes.loss, stages.map_penalty(), {}

    def fit(scale: float, start: Factors | None) -> tuple[float, Factors]:
        final = stages.descend(Plan(replace(penalty, ridge=scale * penalty.ridge)), start, slack=ROUGH).final
        path[f"{scale:.3g}"] = held_out_deviance(final, loss, test, offset)
        return path[f"{scale:.3g}"], final

    (lowest, first), best = fit(1.0, None), 1.0
    for ladder in (LARGER, SMALLER):
        start = first
        for scale in ladder:
            deviance, start = fit(scale, start)
            if not deviance < lowest * (1.0 - TIE):
                break
            lowest, best = deviance, scale
        if best != 1.0:
            break
    for scale in (best * 3.0**0.5, best / 3.0**0.5):
        deviance, _ = fit(scale, first)
        if deviance < lowest * (1.0 - TIE):
            lowest, best = deviance, scale
    return best, path


def warn_if_useless(choice: PenaltyChoice) -> None:
    """One warning when the chosen fit predicts no better than the intercepts alone."""
    kept, null = choice.deviance[choice.chosen], choice.deviance["intercepts"]
    if not kept < null:
        warnings.warn(
            f"the factors predict held-out entries no better than the intercepts alone (deviance per entry "
            f"{kept:.4g} against {null:.4g} on {choice.n_held_out} entries): too little information for this rank. "
            f"Use a smaller rank, or rank=0.",
            UserWarning,
            stacklevel=4,
        )
