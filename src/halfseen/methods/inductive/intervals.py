"""Intervals for predictions by the delta method, where the data determine the weights."""

from __future__ import annotations

from copy import copy
from functools import cached_property
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from halfseen._typing import FloatArray, RandomState
from halfseen.data.features import as_side_features, is_features
from halfseen.inference import (
    CommonErrors,
    Intervals,
    NotStated,
    Statement,
    TableInference,
    TableNames,
    normal_quantile,
)
from halfseen.inference.table import LEVEL
from halfseen.losses import is_quadratic
from halfseen.losses.derived import slope
from halfseen.methods.inductive.clusters import clustered_covariance
from halfseen.methods.inductive.options import ONE_CLASS
from halfseen.methods.inductive.problem import InductiveProblem, Weights
from halfseen.parameters import BadArgument

# Eigenvalues of the (scaled) information below this share of the largest count as zero: at the truth those of the
# gauge are below 1e-14, the smallest others above 1e-5.
ZERO = 1e-10
MOST_WEIGHTS = 1500
# How far from the bottom a fit may be: Newton decrement, in units of the noise, per weight.
FAR = 0.01
# Share of the freedom that a penalty may take before its bias is no longer small beside the errors.
SHRUNK = 0.1
VARIANCES = ("auto", "clusters", "model", "sandwich")


class InductiveInference(TableInference):
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

    _sets: ClassVar[tuple[str, ...]] = ("entries",)
    _refusals: ClassVar[dict[str, str]] = {
        "rows": "rows have no parameters of their own, only features; ask for entries",
        "columns": "columns have no parameters of their own, only features; ask for entries",
        "scores": "a mean over columns is a contrast of entries: contrast(weights, rows, cols)",
        "differences": "a difference is a contrast of entries: contrast(weights, rows, cols)",
        "ranks": "predictions for new pairs have no list to be ranked in",
    }

    def __init__(
        self, model: Any, problem: InductiveProblem, weights: Weights, covariance: FloatArray,
        facts: tuple[float, float, int], random_state: RandomState = 0, draws: int = 1000,
    ) -> None:  # fmt: skip
        level, self.dispersion, self.null_dimension = facts
        super().__init__(TableNames.of(model), level, "confidence", draws, random_state, model.library_)
        self.model, self.problem, self.weights, self.covariance = model, problem, weights, covariance

    @cached_property
    def _root(self) -> FloatArray:
        """A factor ``L`` with ``L L'`` the covariance of the weights."""
        values, vectors = np.linalg.eigh(self.covariance)
        return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))

    def entries(self, rows: Any, cols: Any, kind: str = "mean") -> Intervals:
        """Intervals for expected values (or linear predictors) of pairs, each side seen (label) or new (features)."""
        if kind not in ("mean", "linear"):
            raise BadArgument("kind", kind, "'mean' or 'linear'")
        estimate, se, J = self._linear(rows, cols)
        errors = CommonErrors({"weights": J @ self._root}, "weights")
        labels = self._pair_labels(rows, cols, len(estimate))
        if kind == "linear" or is_quadratic(self.model.loss_):
            return self._interval("entries", estimate, se, labels, errors)
        mean = self.model.loss_.mean

        def ends(q: float) -> tuple[FloatArray, FloatArray]:
            return mean(estimate - q * se), mean(estimate + q * se)

        q, mean_se = normal_quantile(self.level), slope(self.model.loss_, estimate) * se
        return Intervals(
            "entries", mean(estimate), mean_se, *ends(q), self.level, labels, self.claim, quantile=q,
            library=self.library, statement=Statement(self, errors, ends),
        )  # fmt: skip

    def responses(self, rows: Any, cols: Any) -> Intervals:
        """Predictive intervals for single values of pairs (squared loss, normal errors)."""
        if not is_quadratic(self.model.loss_):
            raise NotStated(f"responses are for family='gaussian'; this model has {self.model.loss_.name!r}")
        estimate, se, _ = self._linear(rows, cols)
        wide, labels = np.sqrt(se**2 + self.dispersion), self._pair_labels(rows, cols, len(estimate))
        return Intervals.symmetric(
            "responses", estimate, wide, self.level, labels, claim="prediction", kind="prediction", library=self.library
        )

    def contrast(self, weights: Any, rows: Any, cols: Any) -> Intervals:
        """One interval for a weighted sum of the linear predictors of pairs."""
        estimate, _, J = self._linear(rows, cols)
        weights = np.asarray(weights, dtype=float)
        if weights.shape != estimate.shape or not np.isfinite(weights).all():
            raise ValueError(f"contrast() needs {len(estimate)} finite weights, one per pair; got {weights.shape}.")
        loading = (weights @ J)[None, :] @ self._root
        se = np.linalg.norm(loading, axis=1)
        errors = CommonErrors({"weights": loading}, "weights")
        return self._interval("contrast", np.array([weights @ estimate]), se, {}, errors)

    def _named_set(self, name: str, **choices: Any) -> Intervals:
        return self.entries(**choices)

    def _pair_labels(self, rows: Any, cols: Any, length: int) -> dict[str, Any]:
        """Labels of sides that were asked for by label; the number of the pair where features were given."""
        labels: dict[str, Any] = {}
        for axis, (name, given) in enumerate((("row", rows), ("col", cols))):
            if not is_features(given):
                own = self.names.column(axis, self.names.positions(given, axis))[name]
                labels[name] = np.broadcast_to(own, (length,))
        return labels if len(labels) == 2 else {"pair": np.arange(length), **labels}

    def _linear(self, rows: Any, cols: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Linear predictors, their standard errors and their derivatives by the weights."""
        x, y = self._lines(rows, 0), self._lines(cols, 1)
        if len(x) != len(y) and 1 not in (len(x), len(y)):
            raise ValueError(f"rows and cols are pairs, but {len(x)} rows and {len(y)} cols were given")
        length = max(len(x), len(y))
        x, y = (np.broadcast_to(part, (length, part.shape[1])) for part in (x, y))
        units = self.model._units
        estimate = units.offset + units.scale * self.problem.predictor(self.weights, x, y)
        J = units.scale * self.problem.jacobian(self.weights, x, y)
        se = np.sqrt(np.maximum(np.einsum("ei,ij,ej->e", J, self.covariance, J, optimize=True), 0.0))
        return estimate, se, J

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


def infer(model: Any, choices: dict[str, Any], R: Any, features: tuple[Any, Any]) -> InductiveInference:
    """Rebuild the problem at the fitted weights, and invert its information where that can be done.

    ``choices`` are ``level``, ``variance`` and ``random_state``.
    """
    variance = choices["variance"]
    if variance not in VARIANCES:
        raise BadArgument("variance", variance, f"one of {', '.join(map(repr, VARIANCES))}")
    LEVEL.check("level", choices["level"])
    if R is None:
        raise ValueError(
            "this model does not carry its table and features; pass them again: inference(R=R, row_features=..., "
            "col_features=...)"
        )
    check_asked(model)
    twin = copy(model)  # building the problem sets attributes of its model
    observed = twin._observe(R, reset=False)
    settings = SimpleNamespace(**model.get_params(deep=False) | {"penalty": model.penalty_, "effects": model.effects_})
    problem = twin._problem(observed, *features, settings)
    theta = fitted_point(model, problem)
    if problem.size > MOST_WEIGHTS:
        raise ValueError(f"{problem.size} weights are too many for intervals (at most {MOST_WEIGHTS}); use fewer units")
    inverse, null, information = inverted(problem, theta, dependent_categories(model, problem))
    spent = problem.size - null
    left = problem.passes.observed.n_entries - spent
    if left <= 0:
        raise ValueError(f"{problem.passes.observed.n_entries} entries cannot determine {spent} weights")
    value = problem.value(theta) - problem.penalty_at(problem.unpack(theta))
    dispersion = 2.0 * value * problem.total / left if problem.passes.loss.has_dispersion else 1.0
    check_bottom(problem, theta, inverse, dispersion, spent)
    is_gaussian = is_quadratic(problem.passes.loss)
    if variance == "clusters" and not is_gaussian:
        raise BadArgument("variance", variance, "'model' or 'sandwich' for families other than 'gaussian'")
    covariance = None
    if is_gaussian and variance in ("auto", "clusters"):
        covariance = clustered_covariance(problem, theta, inverse, choices["level"])
    if covariance is None and variance == "clusters":
        raise ValueError("variance='clusters' needs five rows and columns at least; use variance='model'")
    if covariance is not None:
        pass
    elif variance in ("auto", "model"):
        covariance = dispersion * inverse @ information @ inverse / problem.total
    else:
        covariance = inverse @ meat(problem, theta) @ inverse / problem.total * (left + spent) / left
    wide = Weights(*(np.asarray(part, dtype=float) for part in vars(problem.unpack(theta)).values()))
    facts = choices["level"], dispersion * model._units.scale**2, null
    return InductiveInference(model, problem, wide, covariance, facts, choices["random_state"])


def check_asked(model: Any) -> None:
    """Refuse models for which the delta method says nothing."""
    if model.family == ONE_CLASS:
        raise ValueError("family='one_class' has no intervals: its unseen cells are not observations")
    if model.effects_ != "none" or model.free_rank:
        raise ValueError(
            "free effects and factors have no intervals: their number grows with the table. Fit with effects='none' "
            "and free_rank=0: intervals then allow for effects that features do not explain"
        )
    if model.gauge == "first_row":
        raise ValueError("gauge='first_row' has no intervals: use gauge='balance'")


def fitted_point(model: Any, problem: InductiveProblem) -> FloatArray:
    """The fitted weights as a point of the problem, which is in the units of the fit."""
    units, sides = model._units, []
    for side, weights in ((problem.rows, model._row_units), (problem.cols, model._col_units)):
        if side.d != len(weights) - 1:
            raise ValueError("R and the features are not those of the fit: their sizes differ")
        part = weights if side.has_intercept else weights[:-1]
        is_scalable = problem.design.activation.scaling in ("positive", "all")
        sides.append(part / np.sqrt(units.scale) if is_scalable else part)
    level = [(model.offset_ - units.offset) / units.scale - problem.design.offset] * problem.design.has_level
    return problem.pack(sides[0], sides[1], level + [np.log(model.gain_ / units.scale)] * problem.design.has_gain)


def dependent_categories(model: Any, problem: InductiveProblem) -> int:
    """How many columns of encoded data frames are sums of others, as the categories of a column and the constant are.

    No prediction depends on how weights are shared among these: every line, a new one too, has one category, or shares
    that add up to 1.
    """
    lacking = 0
    for side, code in ((problem.rows, model.row_code_), (problem.cols, model.col_code_)):
        if code is None or not code.categories:
            continue
        lines = side.lines(np.arange(side.n)).astype(float)
        lacking += side.size - int(np.linalg.matrix_rank(lines.T @ lines, hermitian=True))
    return lacking


def inverted(problem: InductiveProblem, theta: FloatArray, n_dependent: int = 0) -> tuple[FloatArray, int, FloatArray]:
    """Pseudo-inverse of the information with the penalty, the dimension left out, and the information without it.

    Raises
    ------
    ValueError
        If more directions are undetermined than the activation leaves free, or the penalty decides too much.
    """
    full, _ = problem.normal_equations(theta)
    information = full - problem.design.penalty * np.diag(problem.is_penalised)
    scale = np.sqrt(np.maximum(np.diag(information), 1e-300))
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    null = int(np.sum(values <= ZERO * values[-1]))
    free = 0 if problem.design.is_tied else problem.design.activation.null_dimension(problem.design.rank)
    free += n_dependent * problem.design.rank
    name = problem.design.activation.name
    if problem.design.has_level and problem.design.activation.scaling == "all":
        # with as many units as there are features the constant is a product of the intercepts too
        free += problem.design.rank >= min(problem.rows.size, problem.cols.size)
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
