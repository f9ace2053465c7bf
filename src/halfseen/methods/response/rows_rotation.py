"""Rotations of the slopes of several dimensions towards simple structure, and scores along the rotated axes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, RandomState, as_generator
from halfseen.data.storable import storable
from halfseen.engines.blas import on_one_blas_thread
from halfseen.linalg.rotations import geomin_value, oblimin_value, promax_turn, varimax_value
from halfseen.methods.response.rows_answers import AnswerTable
from halfseen.methods.response.rows_result import RowsFit
from halfseen.methods.response.rows_scores import parameter_draws
from halfseen.methods.response.rows_several import several_problem
from halfseen.solvers import GradientNorm, ProjectedRotation, loop

ROTATIONS = ("varimax", "oblimin", "promax", "geomin")
# Logistic slopes over this are about normal-ogive slopes.
OGIVE = 1.702
ROTATION_TOL, MAX_SWEEPS = 1e-6, 1000
ERROR_DRAWS = 100


@storable
@dataclass(frozen=True)
class Rotated:
    r"""Slopes along rotated axes.

    Attributes
    ----------
    slopes, slopes_se : ndarray (p, D)
    loadings : ndarray (p, D)
        Of the standardised latent responses.
    correlations : ndarray (D, D)
        Of the rotated abilities; I for varimax.
    transform : ndarray (D, D)
        ``T``: rotated abilities are :math:`T^\top \theta`, rotated slopes :math:`A T^{-\top}`.
    method : str
    """

    slopes: FloatArray
    slopes_se: FloatArray
    loadings: FloatArray
    correlations: FloatArray
    transform: FloatArray
    method: str


def loadings_of(slopes: FloatArray) -> FloatArray:
    """Standardised loadings of orthogonal slopes."""
    a = slopes / OGIVE
    return a / np.sqrt(1.0 + np.sum(a**2, axis=1, keepdims=True))


def transform_of(loadings: FloatArray, method: str) -> FloatArray:
    """``T`` of a rotation of loadings; columns are ordered by what they explain, and point upwards."""
    stops = [GradientNorm(ROTATION_TOL)]
    first = ProjectedRotation(loadings, varimax_value, False)
    T = loop(first, np.eye(loadings.shape[1]), stops, max_iter=MAX_SWEEPS).params
    if method == "promax":
        T = T @ promax_turn(loadings @ T)
    elif method != "varimax":
        criterion: Any = partial(oblimin_value, gamma=0.0) if method == "oblimin" else geomin_value
        T = loop(ProjectedRotation(loadings, criterion, True), T, stops, max_iter=MAX_SWEEPS).params
    L = loadings @ np.linalg.inv(T).T
    order = np.argsort(-np.sum(L**2, axis=0), kind="stable")
    sign = np.where(L.sum(axis=0) < 0, -1.0, 1.0)
    return (T * sign)[:, order]


@on_one_blas_thread
def rotate(fit: RowsFit, method: str = "oblimin", *, random_state: RandomState = 0) -> Rotated:
    """Rotate a fit of several dimensions.

    Parameters
    ----------
    method : {"varimax", "oblimin", "promax", "geomin"}
        The first keeps the abilities uncorrelated.

    Notes
    -----
    Standard errors: spread over 100 draws of the parameters, each rotated and matched to the rotation of the fit.
    Sources: Kaiser (1958); Jennrich and Sampson (1966); Hendrickson and White (1964); Yates (1987).
    """
    if method not in ROTATIONS:
        raise ValueError(f"rotation={method!r} is not known; known: {', '.join(ROTATIONS)}.")
    if fit.layout.dimensions < 2:
        raise ValueError("a rotation needs at least 2 dimensions; this fit has 1.")
    slopes = fit.params[fit.layout.slopes]
    loadings = loadings_of(slopes)
    T = transform_of(loadings, method)
    here = slopes @ np.linalg.inv(T).T
    squares, total = np.zeros_like(here), np.zeros_like(here)
    for full in parameter_draws(fit, as_generator(random_state), ERROR_DRAWS):
        drawn = full[fit.layout.slopes]
        own = drawn @ np.linalg.inv(matched(drawn, transform_of(loadings_of(drawn), method), here)).T
        total += own - here
        squares += (own - here) ** 2
    variance = (squares - total**2 / ERROR_DRAWS) / (ERROR_DRAWS - 1)
    rotated = loadings @ np.linalg.inv(T).T
    return Rotated(here, np.sqrt(np.maximum(variance, 0.0)), rotated, T.T @ T, T, method)


def matched(slopes: FloatArray, T: FloatArray, target: FloatArray) -> FloatArray:
    """Columns of a transform in the order and direction of the rotated slopes they are to be compared with."""
    from scipy.optimize import linear_sum_assignment

    own = slopes @ np.linalg.inv(T).T
    likeness = own.T @ target
    rows, cols = linear_sum_assignment(-np.abs(likeness))
    out = np.empty_like(T)
    out[:, cols] = T[:, rows] * np.sign(likeness[rows, cols])
    return out


@dataclass(frozen=True)
class SeveralScores:
    """Abilities (n, D), their standard deviations (n, D) and covariances (n, D, D)."""

    ability: FloatArray
    sd: FloatArray
    covariance: FloatArray


@on_one_blas_thread
def score_several(
    fit: RowsFit,
    table: AnswerTable,
    rotated: Rotated | None = None,
    *,
    item_draws: int = 0,
    random_state: RandomState = 0,
) -> SeveralScores:
    """Posterior means of the abilities of rows, those of the fit or new ones; along rotated axes where given.

    ``item_draws`` above 1 puts the errors of the items into the covariances: one pass over the answers per draw.
    """
    problem = several_problem(fit, table)
    mean, covariance = problem.posterior(fit.free)
    if item_draws > 1:
        rng = as_generator(random_state)
        covariance = np.zeros_like(covariance)
        means = []
        for free in fit.covariance.draws(fit.free, rng, item_draws):
            m, V = problem.renewed(free).posterior(free)
            means.append(m)
            covariance += V / item_draws
        gap = np.array(means) - np.mean(means, axis=0)
        covariance += np.einsum("snd,sne->nde", gap, gap) / (item_draws - 1)
    if rotated is not None:
        mean = mean @ rotated.transform
        covariance = np.einsum("ka,nkl,lb->nab", rotated.transform, covariance, rotated.transform)
    sd = np.sqrt(np.einsum("ndd->nd", covariance))
    return SeveralScores(table.back(mean), table.back(sd), table.back(covariance))


def several_reliability(fit: RowsFit, table: AnswerTable, rotated: Rotated | None = None) -> FloatArray:
    """Empirical reliability (D,) of each dimension, var(mean) / (var(mean) + mean variance)."""
    scores = score_several(fit, table, rotated)
    weights = None if table.frequency is None or table.row_of is not None else table.frequency
    centre = np.average(scores.ability, axis=0, weights=weights)
    between = np.average((scores.ability - centre) ** 2, axis=0, weights=weights)
    return np.asarray(between / (between + np.average(scores.sd**2, axis=0, weights=weights)))
