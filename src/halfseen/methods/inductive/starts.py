"""Where fits begin: Gaussian weights of the size that the data ask for, given arrays, or moments of the features."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.methods.inductive.problem import InductiveProblem
from halfseen.methods.inductive.standard import Units, in_units_of_fit

Array = NDArray[Any]

# Sizes of preactivations that "auto" chooses from: below, units are too alike to part; above, sigmoids are flat.
SIZES = np.geomspace(0.1, 1.0, 13)
# Free factors start small: they are what the features do not say.
FREE_SCALE = 0.1


def first_point(problem: InductiveProblem, settings: SimpleNamespace, rng: np.random.Generator) -> Array:
    """The first start, as the settings ask for it."""
    if not isinstance(settings.start, str):
        return given_point(problem, settings.start, settings.as_given)
    if settings.start == "random":
        return random_point(problem, settings.start_scale, rng)
    from halfseen.methods.inductive.moments import moment_point

    return moment_point(problem, settings.start, rng)


def random_point(problem: InductiveProblem, scale: str | float, rng: np.random.Generator) -> Array:
    """Gaussian weights; the same for both sides where they are tied."""
    theta = np.zeros(problem.size, dtype=problem.dtype)
    at = problem.unpack(theta)
    for part, side in ((at.U, problem.rows), (at.V, problem.cols)):
        own = preactivation_size(problem) / side.line_size() if isinstance(scale, str) else float(scale)
        part[:] = own * rng.standard_normal(part.shape)
    for axis, part in enumerate((at.P, at.Q)):
        if part.size:  # where nothing was seen they are and stay 0
            seen = problem.passes.view(axis).counts > 0
            part[:] = FREE_SCALE * seen[:, None] * rng.standard_normal(part.shape)
    return theta


def preactivation_size(problem: InductiveProblem) -> float:
    r"""The size s of preactivations for which :math:`\sqrt k\,E[\phi(s z)^2]` is nearest to the size of the data."""
    values = problem.passes.observed.values
    size = float(np.sqrt(np.mean(np.square(values, dtype=float))))
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    squares = problem.design.activation.value(SIZES[:, None] * nodes) ** 2 @ weights / np.sqrt(2 * np.pi)
    reached = np.sqrt(problem.design.rank) * squares
    return float(SIZES[np.argmin(np.abs(np.log(np.maximum(reached, 1e-300) / max(size, 1e-300))))])


def given_point(problem: InductiveProblem, start: Any, as_given: tuple[Units, tuple[Any, Any]]) -> Array:
    """Weights that the user gave, in the units of values and features as they were given, as a point.

    ``as_given`` are the units of the values and the codes of both sides' features.

    Raises
    ------
    ValueError
        For arrays of other shapes.
    """
    U, V = (np.asarray(part, dtype=problem.dtype) for part in start)
    units, codes = as_given
    wanted = (problem.rows.size, problem.design.rank), (problem.cols.size, problem.design.rank)
    if (U.shape, V.shape) != wanted:
        more = " (the last row is the intercept)" if problem.rows.has_intercept else ""
        raise ValueError(f"start has shapes {U.shape} and {V.shape}; needed: {wanted[0]} and {wanted[1]}{more}")
    sides = []
    for part, side, code in zip((U, V), (problem.rows, problem.cols), codes, strict=True):
        bias = part[-1] if side.has_intercept else np.zeros(part.shape[1], part.dtype)
        slopes, bias = in_units_of_fit(part[: side.d].astype(float), bias.astype(float), code)
        sides.append(np.concatenate([slopes, bias[None]]) if side.has_intercept else slopes)
    scale, level = units.scale, -units.offset / units.scale
    if not units.learns_gain:
        sides = [part / np.sqrt(scale) for part in sides]
    learned = [level] * problem.design.has_level + [-np.log(scale)] * problem.design.has_gain
    return problem.pack(sides[0], sides[1], learned)
