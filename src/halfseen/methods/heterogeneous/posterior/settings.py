"""Switches of the Bayesian fit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# Noise variance, in working units, that stands for none.
NO_NOISE = 1e-28
SPARSE = (None, "ard", "spike-slab")


@dataclass(frozen=True)
class PosteriorSettings:
    r"""How the Bayesian model of many sources is fitted.

    Attributes
    ----------
    centre : bool
        Give every column an intercept. False: none at all, for tables that are centred by design.
    row_noise : bool
        Learn one factor per row and source by which the noise variance of that row is multiplied.
    sparse_loadings : {None, "ard", "spike-slab"}
        Shrink loadings one by one, beside the shrinkage of whole factors: by a precision of their own (Student's t
        prior with 1 degree of freedom) or by a mixture of a wide and a narrow normal.
    row_weights : mapping from source name to ndarray (n,)
        Noise variances are divided by these.
    source_weights : mapping from source name to float
        Log likelihoods are multiplied by these.
    max_iter : int
        Largest number of sweeps.
    tol : float
        Stop when no source's predictions move by more than this share of its noise.
    least_noise : float
        Least noise variance, in units of the variance about the column means.
    """

    centre: bool = True
    row_noise: bool = False
    sparse_loadings: str | None = None
    row_weights: dict[str, Any] = field(default_factory=dict)
    source_weights: dict[str, float] = field(default_factory=dict)
    max_iter: int = 500
    tol: float = 3e-4
    least_noise: float = NO_NOISE
