"""Information and characteristic curves of the items, with bands from the errors of their parameters; reliability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from halfseen._typing import FloatArray, RandomState, as_generator
from halfseen.inference import normal_quantile
from halfseen.methods.response.rows_answers import AnswerTable
from halfseen.methods.response.rows_items import ItemLayout
from halfseen.methods.response.rows_result import RowsFit
from halfseen.methods.response.rows_scores import ability_scale, parameter_draws, posterior_moments

BAND_DRAWS = 200
RELIABILITY_NODES, RELIABILITY_REACH = 201, 6.0


@dataclass(frozen=True)
class Curves:
    """Numbers along the ability.

    Attributes
    ----------
    ability : ndarray (T,)
    values, low, high : ndarray (..., T)
        With pointwise bands.
    level : float
    """

    ability: FloatArray
    values: FloatArray
    low: FloatArray
    high: FloatArray
    level: float


def item_information(layout: ItemLayout, items: FloatArray, x: FloatArray) -> FloatArray:
    r"""Fisher information (p, T) about the ability, :math:`I_j(x) = \sum_k P_k'(x)^2 / P_k(x)`."""
    log, slope = layout.slopes_table(items, x[:, None])
    a = np.repeat(items[layout.slopes[:, 0]], layout.classes)[:, None]
    return np.asarray(np.add.reduceat(np.exp(log) * (a * slope) ** 2, layout.first_line, axis=0))


def information_curves(
    fit: RowsFit, ability: Any, *, level: float = 0.95, random_state: RandomState = 0
) -> tuple[Curves, Curves]:
    """Information of each item (p, T), and of all items together (T,).

    Bands are those of the logarithm, from 200 draws of the items' parameters.
    """
    shown = np.atleast_1d(np.asarray(ability, dtype=float))
    scale = ability_scale(fit)
    x = shown / scale
    values = item_information(fit.layout, fit.item_params, x) / scale**2
    draws = []
    for full in parameter_draws(fit, as_generator(random_state), BAND_DRAWS):
        draws.append(item_information(fit.layout, full[: fit.layout.n_params], x) / scale**2)
    out = []
    for value, drawn in ((values, np.array(draws)), (values.sum(axis=0), np.array(draws).sum(axis=1))):
        spread = np.log(np.maximum(drawn, 1e-300)).std(axis=0) * normal_quantile(level)
        out.append(Curves(shown, value, value * np.exp(-spread), value * np.exp(spread), level))
    return out[0], out[1]


def class_curves(fit: RowsFit, ability: Any, *, level: float = 0.95, random_state: RandomState = 0) -> Curves:
    """Chance (n_lines, T) of every class of every item; bands on the logit, from 200 draws of the parameters."""
    shown = np.atleast_1d(np.asarray(ability, dtype=float))
    x = (shown / ability_scale(fit))[:, None]
    log = fit.layout.table(fit.item_params, x)
    total, squares = np.zeros_like(log), np.zeros_like(log)
    here = _logit(log)
    for full in parameter_draws(fit, as_generator(random_state), BAND_DRAWS):
        gap = _logit(fit.layout.table(full[: fit.layout.n_params], x)) - here
        total += gap
        squares += gap**2
    spread = np.sqrt(np.maximum(squares - total**2 / BAND_DRAWS, 0.0) / (BAND_DRAWS - 1)) * normal_quantile(level)
    ends = [expit(here + s * spread) for s in (-1.0, 1.0)]
    return Curves(shown, np.exp(log), ends[0], ends[1], level)


def _logit(log: FloatArray) -> FloatArray:
    return log - np.log(-np.expm1(np.minimum(log, -1e-16)))


def expected_scores(fit: RowsFit, ability: Any) -> FloatArray:
    """Expected score (p, T) of each item, its classes counted 0, 1, 2, ..."""
    x = np.atleast_1d(np.asarray(ability, dtype=float)) / ability_scale(fit)
    chance = np.exp(fit.layout.table(fit.item_params, x[:, None]))
    k = np.concatenate([np.arange(c) for c in fit.layout.classes])
    return np.asarray(np.add.reduceat(k[:, None] * chance, fit.layout.first_line, axis=0))


def reliability(fit: RowsFit, table: AnswerTable, covariates: Any = None) -> dict[str, float]:
    r"""Marginal and empirical reliability of the abilities.

    marginal: :math:`E[I(x)/(I(x) + 1)]` over the reference population, all items answered; empirical:
    :math:`\mathrm{var}(\mathrm{EAP})/(\mathrm{var}(\mathrm{EAP}) + \overline{\mathrm{sd}^2})` of the rows here.
    """
    mean, sd, _ = fit.population.split(fit.population_params)
    z = np.linspace(-RELIABILITY_REACH, RELIABILITY_REACH, RELIABILITY_NODES)
    weight = np.exp(-0.5 * z**2)
    information = item_information(fit.layout, fit.item_params, mean[0] + sd[0] * z).sum(axis=0) * sd[0] ** 2
    marginal = float(np.average(information / (information + 1.0), weights=weight))
    eap, variance = posterior_moments(fit.problem(table, covariates), fit.params)
    f = np.ones(len(eap)) if table.frequency is None else table.frequency
    centre = np.average(eap, weights=f)
    between = float(np.average((eap - centre) ** 2, weights=f))
    return {"marginal": marginal, "empirical": between / (between + float(np.average(variance, weights=f)))}
