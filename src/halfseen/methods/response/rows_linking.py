"""The linear map between the scales of two separate fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.engines.blas import on_one_blas_thread
from halfseen.errors import shown
from halfseen.inference import normal_quantile
from halfseen.methods.response.rows_links import FEWEST_ANCHORS
from halfseen.methods.response.rows_result import RowsFit
from halfseen.solvers import GradientNorm, LevenbergMarquardt, loop

LINK_NODES, LINK_REACH = 61, 4.0
DIFFERENCE = 1e-5


@dataclass(frozen=True)
class Link:
    r"""The map :math:`\theta_a = A\,\theta_b + B` from the second scale to the first.

    Attributes
    ----------
    slope, intercept : float
        A and B: the standard deviation and the mean of the second population on the first scale.
    slope_se, intercept_se : float
    covariance : ndarray (2, 2)
        Of (A, B).
    n_anchors : int
    warnings : tuple of str
    """

    slope: float
    intercept: float
    slope_se: float
    intercept_se: float
    covariance: FloatArray
    n_anchors: int
    warnings: tuple[str, ...] = ()

    def intervals(self, level: float = 0.95) -> dict[str, tuple[float, float]]:
        """Confidence intervals of both constants."""
        z = normal_quantile(level)
        return {
            "slope": (self.slope - z * self.slope_se, self.slope + z * self.slope_se),
            "intercept": (self.intercept - z * self.intercept_se, self.intercept + z * self.intercept_se),
        }


class StockingLord:
    """Squared distance of the two characteristic curves of the anchors, as a problem for the solver."""

    def __init__(self, fits: tuple[RowsFit, RowsFit], anchors: tuple[IntArray, IntArray]) -> None:
        self.fits, self.anchors = fits, anchors
        self.x = np.linspace(-LINK_REACH, LINK_REACH, LINK_NODES)
        weight = np.exp(-0.5 * self.x**2)
        self.root = np.sqrt(weight / weight.sum())

    def curve(self, which: int, params: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Expected sum of the anchors' scores, and its derivative."""
        layout = self.fits[which].layout
        log, slope = layout.slopes_table(params, x[:, None])
        chance = np.exp(log)
        k = np.concatenate([np.arange(c) for c in layout.classes])[:, None]
        a = np.repeat(params[layout.slopes[:, 0]], layout.classes)[:, None]
        of_item = np.repeat(np.arange(layout.n_items), layout.classes)
        own = np.isin(of_item, self.anchors[which])
        return (k * chance)[own].sum(axis=0), (k * chance * slope * a)[own].sum(axis=0)

    def residual(self, theta: FloatArray, params: tuple[FloatArray, FloatArray]) -> tuple[FloatArray, FloatArray]:
        """Weighted differences at the nodes, and their derivatives (61, 2) with respect to (log A, B)."""
        A, B = float(np.exp(theta[0])), theta[1]
        u = (self.x - B) / A
        first, _ = self.curve(0, params[0], self.x)
        second, slope = self.curve(1, params[1], u)
        J = np.stack([slope * u, slope / A], axis=1)
        return self.root * (first - second), self.root[:, None] * J

    @property
    def params(self) -> tuple[FloatArray, FloatArray]:
        return self.fits[0].item_params, self.fits[1].item_params

    def value(self, theta: FloatArray) -> float:
        r, _ = self.residual(theta, self.params)
        return 0.5 * float(r @ r)

    def value_and_gradient(self, theta: FloatArray) -> tuple[float, FloatArray]:
        r, J = self.residual(theta, self.params)
        return 0.5 * float(r @ r), J.T @ r

    def normal_equations(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        r, J = self.residual(theta, self.params)
        return J.T @ J, J.T @ r

    def gradient_at(self, theta: FloatArray, params: tuple[FloatArray, FloatArray]) -> FloatArray:
        r, J = self.residual(theta, params)
        return np.asarray(J.T @ r)


@on_one_blas_thread
def stocking_lord(first: RowsFit, second: RowsFit, anchors: Any = None) -> Link:
    r"""Link two separate fits through their common items, by their characteristic curves.

    .. math:: \min_{A, B} \sum_q w_q \Big(T_a(x_q) - T_b\big((x_q - B)/A\big)\Big)^2

    Parameters
    ----------
    first, second : RowsFit
        With one population each; the first one's scale is kept.
    anchors : sequence of (column of first, column of second), optional
        Common items; by default the columns with the same number.

    Notes
    -----
    Standard errors by the delta method, from the errors of both fits' item parameters. Source: Stocking and Lord
    (1983); Ogasawara (2001).

    Raises
    ------
    ValueError
        With no common items, or items of different kinds.
    """
    places, pairs = anchor_places(first, second, anchors)
    problem = StockingLord((first, second), places)
    run = loop(LevenbergMarquardt(problem), np.zeros(2), [GradientNorm(1e-10)], max_iter=100)
    theta = run.params
    eye = DIFFERENCE * np.eye(2)
    params = problem.params
    H = np.stack([(problem.gradient_at(theta + e, params) - problem.gradient_at(theta - e, params)) for e in eye])
    inverse = np.linalg.inv(0.5 * (H + H.T) / (2.0 * DIFFERENCE))
    V = np.zeros((2, 2))
    for which, fit in enumerate((first, second)):
        own = np.isin(fit.layout.item_of_param, places[which])
        moves = np.flatnonzero(own)
        change = np.empty((2, len(moves)))
        for k, at in enumerate(moves):
            ends = []
            for sign in (1.0, -1.0):
                moved = [p.copy() for p in params]
                moved[which][at] += sign * DIFFERENCE
                ends.append(problem.gradient_at(theta, (moved[0], moved[1])))
            change[:, k] = (ends[0] - ends[1]) / (2.0 * DIFFERENCE)
        J = -inverse @ change
        V += J @ fit.covariance.block(fit.index, moves) @ J.T
    A = float(np.exp(theta[0]))
    scale = np.diag([A, 1.0])
    V = scale @ V @ scale
    warnings = []
    if len(pairs) < FEWEST_ANCHORS:
        warnings.append(f"only {len(pairs)} common items; at least {FEWEST_ANCHORS} are better.")
    return Link(A, float(theta[1]), float(np.sqrt(V[0, 0])), float(np.sqrt(V[1, 1])), V, len(pairs), tuple(warnings))


def anchor_places(first: RowsFit, second: RowsFit, anchors: Any) -> tuple[tuple[IntArray, IntArray], list[Any]]:
    """Items of both fits that are the same."""
    where = [{int(c): j for j, c in enumerate(fit.columns)} for fit in (first, second)]
    pairs = [(c, c) for c in where[0] if c in where[1]] if anchors is None else [tuple(pair) for pair in anchors]
    if not pairs:
        raise ValueError("the two fits have no items in common; give anchors=, pairs of columns of the same item.")
    for left, right in pairs:
        for column, known, name in ((left, where[0], "first"), (right, where[1], "second")):
            if column not in known:
                raise ValueError(f"anchors has column {shown(column)}, which the {name} fit does not have.")
        a, b = where[0][left], where[1][right]
        if first.layout.formulas[a] != second.layout.formulas[b] or first.layout.classes[a] != second.layout.classes[b]:
            raise ValueError(f"anchors: columns {shown(left)} and {shown(right)} differ in kind or number of classes.")
    places = tuple(np.array([known[pair[k]] for pair in pairs]) for k, known in enumerate(where))
    return (places[0], places[1]), pairs
