"""What is assumed of the items' parameters: nothing, a usual guessing chance, or what the other items say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.data.storable import storable
from halfseen.methods.response.rows_items import ItemLayout

# logit c ~ N(-1.4, .7^2): a guessing chance around .2, between .06 and .5.
GUESS_MEAN, GUESS_SD = -1.4, 0.7
# Until the items have spoken, and where fewer than 5 items share a place.
FIRST_MEAN_SLOPE, FIRST_VARIANCE_SLOPE, FIRST_VARIANCE = 1.0, 0.25, 2.25
FEWEST_SHARING = 5
LEAST_VARIANCE = 1e-3
# The least share of a number that the answers tell, and the most by which a prior's variance changes in a round.
LEAST_TOLD, MOST_CHANGE = 0.02, 4.0
# Items that the variance which rounds start from counts as (60 x 60, 60 % missing: intervals of slopes cover .92 with 0
# of them, .958 with 1, .973 with 3).
ITEMS_OF_START = 1.0


@storable
@dataclass(frozen=True)
class ItemPrior:
    """Independent normal priors of all parameters; precision 0 is none.

    Attributes
    ----------
    mean, precision : ndarray (n_params,)
    """

    mean: FloatArray
    precision: FloatArray

    def value(self, params: FloatArray) -> float:
        """Log density but for a constant."""
        return -0.5 * float(np.sum(self.precision * (params - self.mean) ** 2))

    def gradient(self, params: FloatArray) -> FloatArray:
        return -self.precision * (params - self.mean)

    @property
    def is_flat(self) -> bool:
        return not self.precision.any()


def guessing_prior(layout: ItemLayout, size: int) -> ItemPrior:
    """Only 3pl items have a prior, on the logit of their guessing chance."""
    mean, precision = np.zeros(size), np.zeros(size)
    for family in layout.families:
        if family.formula == "3pl":
            at = family.params[:, layout.dimensions + 1]
            mean[at], precision[at] = GUESS_MEAN, GUESS_SD**-2
    return ItemPrior(mean, precision)


def shared_places(layout: ItemLayout) -> IntArray:
    """Number of the place that each parameter shares with its like: slopes; numbers after them, by formula and size."""
    out = np.full(layout.n_params, -1, dtype=np.int64)
    names: dict[tuple[object, ...], int] = {}
    for family in layout.families:
        for q in range(family.params.shape[1]):
            key = ("slope", q) if q < layout.dimensions else (family.formula, family.n_classes, q)
            if family.formula == "3pl" and q == layout.dimensions + 1:
                continue  # the guessing chance has its own prior
            if family.formula == "gpcm" and q < layout.dimensions:
                key = ("slope of gpcm", q)
            out[family.params[:, q]] = names.setdefault(key, len(names))
    return out


def first_prior(layout: ItemLayout, size: int) -> ItemPrior:
    """The prior that the empirical one starts from."""
    prior = guessing_prior(layout, size)
    mean, precision = prior.mean.copy(), prior.precision.copy()
    is_slope = np.zeros(layout.n_params, dtype=bool)
    is_slope[layout.slopes.ravel()] = True
    places = shared_places(layout)
    own = np.flatnonzero(places >= 0)
    mean[own] = np.where(is_slope[own], FIRST_MEAN_SLOPE, 0.0)
    precision[own] = 1.0 / np.where(is_slope[own], FIRST_VARIANCE_SLOPE, FIRST_VARIANCE)
    return ItemPrior(mean, precision)


def empirical_prior(
    layout: ItemLayout, params: FloatArray, variance: FloatArray, before: ItemPrior, centres: FloatArray
) -> ItemPrior:
    """Mean and variance over the items that share a place: of their estimates, and of their errors.

    ``centres`` (n_params,) are means that are known already; nan where they are not.

    Notes
    -----
    variance = sum((estimate - mean)^2) / sum(1 - posterior variance / variance before): as the step of the Laplace EM,
    mean((estimate - mean)^2 + posterior variance), it stands still where the two agree, and it gets there in half the
    rounds. Source: MacKay (1992). The variance that rounds start from counts as one more item: with some 20 answers an
    item the likelihood of the slopes' variance is flat, and often highest at 0.
    """
    places, first = shared_places(layout), first_prior(layout, layout.n_params)
    mean, precision = before.mean.copy(), before.precision.copy()
    for place in range(places.max(initial=-1) + 1):
        own = np.flatnonzero(places == place)
        if len(own) < FEWEST_SHARING:
            continue
        known = centres[own[0]]
        centre = float(np.mean(params[own])) if np.isnan(known) else float(known)
        told = float(np.sum(np.maximum(1.0 - variance[own] * before.precision[own], LEAST_TOLD)))
        present = 1.0 / float(before.precision[own[0]])
        start = 1.0 / float(first.precision[own[0]])
        spread = (float(np.sum((params[own] - centre) ** 2)) + ITEMS_OF_START * start) / (told + ITEMS_OF_START)
        spread = float(np.clip(spread, present / MOST_CHANGE, present * MOST_CHANGE))
        mean[own], precision[own] = centre, 1.0 / max(spread, LEAST_VARIANCE)
    return ItemPrior(mean, precision)
