"""How one prediction is judged: exponential families, and any loss of the user's own."""

from __future__ import annotations

from halfseen.losses.abilities import (
    has_classes,
    has_columns,
    has_quantiles,
    is_estimated,
    is_logistic,
    is_one_for_all,
    is_quadratic,
    members_of,
    takes_totals,
)
from halfseen.losses.derived import ColumnLoss, at_columns
from halfseen.losses.families import POISSON_CAP, Bernoulli, Binomial, Gaussian, Poisson
from halfseen.losses.mixed import Mixed, ScaledGaussian
from halfseen.losses.names import family_per_column, get_loss, known_families
from halfseen.losses.negative_binomial import NegativeBinomial
from halfseen.losses.ordinal import Ordinal
from halfseen.losses.probit import Probit
from halfseen.losses.protocol import Loss
from halfseen.losses.robust import Huber

__all__ = [
    "POISSON_CAP",
    "Bernoulli",
    "Binomial",
    "ColumnLoss",
    "Gaussian",
    "Huber",
    "Loss",
    "Mixed",
    "NegativeBinomial",
    "Ordinal",
    "Poisson",
    "Probit",
    "ScaledGaussian",
    "at_columns",
    "family_per_column",
    "get_loss",
    "has_classes",
    "has_columns",
    "has_quantiles",
    "is_estimated",
    "is_logistic",
    "is_one_for_all",
    "is_quadratic",
    "known_families",
    "members_of",
    "takes_totals",
]
