"""Values in the units of a fit, and weights back in the units of the data."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.data import Observed
from halfseen.data.features import FeatureCode
from halfseen.data.storable import storable
from halfseen.losses import Loss, is_quadratic
from halfseen.methods.inductive.activations import Activation
from halfseen.methods.inductive.options import ONE_CLASS
from halfseen.methods.inductive.problem import InductiveProblem, Weights

# Standard deviation of preactivations with which units of unit scale are compared with the data: about that of
# Gaussian weights of size 1 on four standard features.
TYPICAL = 2.0


@storable
@dataclass(frozen=True)
class Units:
    r"""How values became the numbers of a fit, :math:`(y - offset) / scale`.

    Attributes
    ----------
    offset, scale : float
    learns_level, learns_gain : bool
        Whether the fit learns a level, and a gain, on top: bounded units have a size of their own, and products of
        units that are never negative a floor of their own.
    """

    offset: float = 0.0
    scale: float = 1.0
    learns_level: bool = False
    learns_gain: bool = False

    def into(self, observed: Observed) -> Observed:
        """The table in the units of the fit."""
        if (self.offset, self.scale) == (0.0, 1.0):
            return observed
        values = (observed.values.astype(float) - self.offset) / self.scale
        return observed.with_values(values.astype(observed.dtype))


def units_of(observed: Observed, loss: Loss, activation: Activation, settings: SimpleNamespace, rank: int) -> Units:
    """Units in which a fit says the same whatever the units of the values were.

    Linear and leaky units: centred, and divided by the standard deviation. Others: the offset and scale at which
    random units look like the data; level and gain are learned from there, for bounded units have a size, and units
    that are never negative a floor of their own. Without an intercept nothing but the scale is changed.
    """
    if settings.scale != "auto" or settings.family == ONE_CLASS or not is_quadratic(loss):
        return Units()
    values, weights, is_centred = observed.values.astype(float), observed.weights, bool(settings.has_intercept)
    mean = float(np.average(values, weights=weights)) if is_centred else 0.0
    size, is_scalable = _size(values - mean, weights), activation.scaling in ("positive", "all")
    if is_scalable and not (activation.is_one_sided and is_centred):
        return Units(mean, size, is_centred)
    nodes, own = np.polynomial.hermite_e.hermegauss(40)
    heights, shares = activation.value(TYPICAL * nodes), own / own.sum()
    first, second = float(shares @ heights), float(shares @ heights**2)
    scale = size / float(np.sqrt(rank * max(second**2 - first**4, 1e-300)))
    offset = mean - scale * rank * first**2 if is_centred else 0.0
    return Units(offset, size if is_scalable else scale, is_centred, not is_scalable)


def _size(values: FloatArray, weights: FloatArray | None) -> float:
    """Root mean square; 1 for zeros."""
    size = float(np.sqrt(np.average(values**2, weights=weights)))
    return size if np.isfinite(size) and size > 0 else 1.0


def learned(
    problem: InductiveProblem, theta: FloatArray, units: Units, codes: tuple[FeatureCode | None, FeatureCode | None]
) -> dict[str, Any]:
    """What a fit learned, in the units of values and features as they were given.

    ``_row_units`` and ``_col_units`` are the weights (the intercept last) of features as the code encodes them: in
    single precision a shift of a feature by a million would be lost in those of the features as they are.
    """
    at = problem.unpack(theta)
    (n, p), k, dtype = problem.passes.shape, problem.design.rank, problem.dtype
    scale, is_scalable = units.scale, problem.design.activation.scaling in ("positive", "all")
    root = dtype.type(np.sqrt(scale))
    U, V = (np.array(part) * (root if is_scalable else dtype.type(1)) for part in (at.U, at.V))
    gain = 1.0 if is_scalable else scale * problem.gain(at)
    folded = Weights(U, V, root * at.P, root * at.Q, dtype.type(scale) * at.r, dtype.type(scale) * at.c, at.s)
    phi = problem.design.activation.value
    H, W = phi(problem.rows.forward(U)), dtype.type(gain) * phi(problem.cols.forward(V))
    parts: dict[str, Any] = {
        "offset_": units.offset + scale * problem.level(at),
        "gain_": gain,
        "row_factors_": np.concatenate([H, folded.P], axis=1) if problem.design.free_rank else H,
        "col_factors_": np.concatenate([W, folded.Q], axis=1) if problem.design.free_rank else W,
        "row_effects_": folded.r if len(folded.r) else np.zeros(n, dtype),
        "col_effects_": folded.c if len(folded.c) else np.zeros(p, dtype),
        "penalty_": float(problem.design.penalty),
    }
    sides, turns = (problem.rows, problem.cols), problem.turns
    for name, side, weights, code, turn in zip(("row", "col"), sides, (U, V), codes, turns, strict=True):
        if turn is not None:
            weights = (turn @ weights if turn.ndim == 2 else turn[:, None] * weights).astype(dtype)
        d = side.d if turn is None or code is None else code.n_columns
        slopes, bias = weights[:d], weights[-1] if side.has_intercept or len(weights) > d else np.zeros(k, dtype)
        parts[f"_{name}_units"] = np.concatenate([slopes, bias[None]])
        own, constant = in_units_of_features(slopes.astype(float), bias.astype(float), code)
        parts[f"{name}_weights_"], parts[f"{name}_intercept_"] = own.astype(dtype), constant.astype(dtype)
    return parts


def in_units_of_features(
    slopes: FloatArray, bias: FloatArray, code: FeatureCode | None
) -> tuple[FloatArray, FloatArray]:
    """Weights and intercept of features as they were given, from those of features as they are encoded."""
    if code is None or code.scale is None:
        return slopes, bias
    own = slopes / code.scale[:, None]
    return own, bias if code.centre is None else bias - code.centre @ own


def in_units_of_fit(slopes: FloatArray, bias: FloatArray, code: FeatureCode | None) -> tuple[FloatArray, FloatArray]:
    """The way back."""
    if code is None or code.scale is None:
        return slopes, bias
    constant = bias if code.centre is None else bias + code.centre @ slopes
    return slopes * code.scale[:, None], constant
