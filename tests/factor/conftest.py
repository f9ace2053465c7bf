"""Simulated factor models that several tests share."""

from __future__ import annotations

import pytest

import halfseen as hs


@pytest.fixture(scope="session")
def logit():
    """200 x 150, rank 2, 70 % seen: enough information for the plain likelihood."""
    return hs.datasets.make_factor_data(
        200, 150, rank=2, family="bernoulli", strength=1.0, observed=0.7, random_state=1
    )
