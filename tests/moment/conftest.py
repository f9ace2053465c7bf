"""Tables of few entries a row, and the truth behind them."""

from __future__ import annotations

import numpy as np
import pytest

from moment_truth import factor_rows, seen


@pytest.fixture
def rows():
    """3000 x 30, two factors and noise, four entries a row."""
    rng = np.random.default_rng(5)
    M, L = factor_rows(3000, 30, 2, rng, noise=0.5)
    return seen(M, 4 / 30, rng), L
