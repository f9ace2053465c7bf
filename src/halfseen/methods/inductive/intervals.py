"""Intervals for predictions by the delta method, where the data determine the weights."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.data.features import as_side_features, is_features
from halfseen.inference import Intervals
from halfseen.methods.inductive.options import ONE_CLASS
from halfseen.methods.inductive.problem import InductiveProblem, Weights

# Eigenvalues of the (scaled) information below this share of the largest count as zero: at the truth those of the
# gauge are below 1e-14, the smallest others above 1e-5.
ZERO = 1e-10
MOST_WEIGHTS = 1500
# How far from the bottom a fit may be: Newton decrement, in units of the noise, per weight.
FAR = 0.01
# Share of the freedom that a penalty may take before its bias is no longer small beside the errors.
SHRUNK = 0.1
VARIANCES = ("model", "sandwich")


@dataclass(frozen=True)
class InductiveInference:
    r"""Uncertainty of an :class:`InductiveCompletion`; made by its method ``inference``.

    The covariance of the weights is :math:`\sigma^2 (J^\top C J)^+`, the pseudo-inverse leaving out what no prediction
    depends on (scalings of relu units, the linear model's choice of a basis); a prediction has the variance
    :math:`\nabla m^\top \mathrm{Cov}\,\nabla m`.

    Attributes
    ----------
    covariance : ndarray (weights, weights)
    level : float
    dispersion : float
        Residual variance of squared losses, else 1.
    null_dimension : int
        Directions left out.
    """

    model: Any = field(repr=False)
    problem: InductiveProblem = field(repr=False)
    weights: Weights = field(repr=False)
    covariance: FloatArray = field(repr=False)
    level: float
    dispersion: float
    null_dimension: int

    def entries(self, rows: Any, cols: Any, kind: str = "mean") -> Intervals:
        """Intervals for expected values (or linear predictors) of pairs, each side seen (label) or new (features)."""
        estimate, se = self._linear(rows, cols)
        found = Intervals.symmetric("entries", estimate, se, self.level, {}, claim="confidence")
        if kind == "linear" or self.model.loss_.name == "gaussian":
            return found
        if kind != "mean":
            raise ValueError(f"kind must be 'mean' or 'linear', got {kind!r}")
        mean, loss = self.model.loss_.mean, self.model.loss_
        slope = loss.variance(estimate)  # derivative of the mean, for canonical families
        return Intervals(
            "entries", mean(estimate), slope * se, mean(found.low), mean(found.high), self.level, claim="confidence"
        )

    def responses(self, rows: Any, cols: Any) -> Intervals:
        """Predictive intervals for single values of pairs (squared loss, normal errors)."""
        if self.model.loss_.name != "gaussian":
            raise ValueError(f"responses are for family='gaussian'; this model has {self.model.loss_.name!r}")
        estimate, se = self._linear(rows, cols)
        wide = np.sqrt(se**2 + self.dispersion)
        return Intervals.symmetric("responses", estimate, wide, self.level, {}, claim="prediction", kind="prediction")

    def _linear(self, rows: Any, cols: Any) -> tuple[FloatArray, FloatArray]:
        x, y = self._lines(rows, 0), self._lines(cols, 1)
        if len(x) != len(y) and 1 not in (len(x), len(y)):
            raise ValueError(f"rows and cols are pairs, but {len(x)} rows and {len(y)} cols were given")
        length = max(len(x), len(y))
        x, y = (np.broadcast_to(part, (length, part.shape[1])) for part in (x, y))
        phi = self.problem.design.activation.value
        estimate = np.einsum("ek,ek->e", phi(x @ self.weights.U), phi(y @ self.weights.V))
        J = self.problem.jacobian(self.weights, x, y)
        return estimate, np.sqrt(np.maximum(np.einsum("ei,ij,ej->e", J, self.covariance, J, optimize=True), 0.0))

    def _lines(self, given: Any, axis: int) -> FloatArray:
        """Lines of features, the intercept's 1 included."""
        side = (self.problem.rows, self.problem.cols)[axis]
        if not is_features(given):
            return side.lines(self.model._positions(given, ("row", "column")[axis])).astype(float)
        code, name = (self.model.row_code_, self.model.col_code_)[axis], ("row_features", "col_features")[axis]
        if code is None:
            raise ValueError(f"{name}: this model was fitted without them; ask for seen rows and columns")
        matrix = code.encode(as_side_features(given, name), name)
        dense = np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix, dtype=float)
        return np.concatenate([dense, np.ones((len(dense), int(side.has_intercept)))], axis=1)


def infer(model: Any, R: Any, features: tuple[Any, Any], level: float, variance: str) -> InductiveInference:
    """Rebuild the problem at the fitted weights, and invert its information where that can be done."""
    if variance not in VARIANCES:
        raise ValueError(f"variance={variance!r} is not known; use one of {VARIANCES}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, such as 0.95; got {level!r}")
    check_asked(model)
    twin = copy(model)  # building the problem sets attributes of its model
    observed = twin._observe(R, reset=False)
    problem = twin._problem(observed, *features, SimpleNamespace(**model.get_params(deep=False)))
    U, V = joined(model, 0), joined(model, 1)
    if (problem.rows.size, problem.cols.size) != (len(U), len(V)):
        raise ValueError("R and the features are not those of the fit: their sizes differ")
    if problem.size > MOST_WEIGHTS:
        raise ValueError(f"{problem.size} weights are too many for intervals (at most {MOST_WEIGHTS}); use fewer units")
    theta = problem.pack(U, V)
    inverse, null, information = inverted(problem, theta)
    spent = problem.size - null
    left = problem.passes.observed.n_entries - spent
    if left <= 0:
        raise ValueError(f"{problem.passes.observed.n_entries} entries cannot determine {spent} weights")
    value = problem.value(theta) - problem._penalty(problem.unpack(theta))
    dispersion = 2.0 * value * problem.total / left if problem.passes.loss.has_dispersion else 1.0
    check_bottom(problem, theta, inverse, dispersion, spent)
    if variance == "model":
        covariance = dispersion * inverse @ information @ inverse / problem.total
    else:
        covariance = inverse @ meat(problem, theta) @ inverse / problem.total * (left + spent) / left
    wide = Weights(*(np.asarray(part, dtype=float) for part in vars(problem.unpack(theta)).values()))
    return InductiveInference(model, problem, wide, covariance, level, dispersion, null)


def check_asked(model: Any) -> None:
    """Refuse models for which the delta method says nothing."""
    if model.family == ONE_CLASS:
        raise ValueError("family='one_class' has no intervals: its unseen cells are not observations")
    if model.effects != "none" or model.free_rank:
        raise ValueError("free effects and factors have no intervals: their number grows with the table")
    if model.gauge == "first_row":
        raise ValueError("gauge='first_row' has no intervals: use gauge='balance'")


def joined(model: Any, axis: int) -> FloatArray:
    """Weights of a side with the intercept as last row, where there is one."""
    weights = (model.row_weights_, model.col_weights_)[axis]
    bias = (model.row_intercept_, model.col_intercept_)[axis]
    return np.concatenate([weights, bias[None]]) if model.has_intercept else weights


def inverted(problem: InductiveProblem, theta: FloatArray) -> tuple[FloatArray, int, FloatArray]:
    """Pseudo-inverse of the information with the penalty, the dimension left out, and the information without it.

    Raises
    ------
    ValueError
        If more directions are undetermined than the activation leaves free, or the penalty decides too much.
    """
    full, _ = problem.normal_equations(theta)
    penalty = problem.design.penalty
    information = full - penalty * np.eye(len(full))
    scale = np.sqrt(np.maximum(np.diag(information), 1e-300))
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    null = int(np.sum(values <= ZERO * values[-1]))
    free = 0 if problem.design.is_tied else problem.design.activation.null_dimension(problem.design.rank)
    name = problem.design.activation.name
    if null > free:
        raise ValueError(
            f"the data leave {null} directions of the weights undetermined, {free} of which {name} units always do: no "
            "intervals. Use fewer units (dead or doubled ones have no information), more entries, or drop dependent "
            "features"
        )
    # in the original units the kept space is the complement of the null directions
    kept = np.linalg.eigh(full)[1] if not null else _complement(vectors[:, :null] / scale[:, None])
    core = kept.T @ full @ kept
    inverse = kept @ np.linalg.solve(core, kept.T)
    shrunk = 1.0 - float(np.trace(inverse @ information)) / (len(full) - null)
    if shrunk > SHRUNK:
        raise ValueError(
            f"the penalty takes {100 * shrunk:.0f} % of the freedom of the weights: intervals would leave its bias "
            "out. Fit with penalty=0 or a smaller one"
        )
    return inverse, null, information


def _complement(null: FloatArray) -> FloatArray:
    """Orthonormal basis of what is orthogonal to the columns."""
    basis = np.linalg.qr(null, mode="complete")[0]
    return basis[:, null.shape[1] :]


def check_bottom(
    problem: InductiveProblem, theta: FloatArray, inverse: FloatArray, dispersion: float, spent: int
) -> None:
    """Refuse a fit that has not come to rest: its weights are not a minimum, and no error formula holds."""
    _, gradient = problem.normal_equations(theta)
    decrement = float(gradient @ inverse @ gradient) * problem.total / max(dispersion, 1e-300)
    if not decrement <= FAR * spent:
        raise ValueError(
            f"the fit has not come to rest (Newton decrement {decrement:.3g} for {spent} weights): raise "
            "max_iter, lower tol, or use solver='levenberg-marquardt'"
        )


def meat(problem: InductiveProblem, theta: FloatArray) -> FloatArray:
    """Mean outer product of the entries' own gradients."""
    loss, w = problem.passes.loss, problem.passes.observed.weights
    return problem.normal_equations(theta, lambda y, m: ((1.0 if w is None else w) * loss.gradient(y, m)) ** 2)[0]
