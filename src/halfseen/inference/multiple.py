"""Many tests at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen._typing import FloatArray


def benjamini_hochberg(p_values: Any) -> FloatArray:
    """The least false discovery rate at which each test would be called, of any shape; nan stays nan.

    Notes
    -----
    Source: Benjamini and Hochberg (1995); holds for independent and positively dependent tests.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03, 0.5]).round(4).tolist()
    [0.04, 0.0533, 0.0533, 0.5]
    """
    p = np.asarray(p_values, dtype=float)
    out = np.full(p.shape, np.nan)
    known = ~np.isnan(p)
    own = p[known]
    order = np.argsort(own)
    scaled = own[order] * len(own) / np.arange(1, len(own) + 1)
    least = np.minimum.accumulate(scaled[::-1])[::-1].clip(max=1.0)
    back = np.empty(len(own))
    back[order] = least
    out[known] = back
    return out
