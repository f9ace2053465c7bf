"""Inverses of many small blocks at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def safe_inverse(blocks: Array, jitter: float = 1e-10) -> Array:
    """Inverses of symmetric positive semidefinite blocks; a relative jitter keeps singular ones finite.

    Parameters
    ----------
    blocks : ndarray (m, k, k)
    jitter : float
        Relative to each diagonal entry, so that parameters of unlike units (an intercept, a slope) change nothing; an
        entry of zero gets its block's mean diagonal, a block of zeros the largest such mean of all blocks.
    """
    if blocks.shape[-1] == 0 or len(blocks) == 0:
        return np.zeros_like(blocks)
    wide = np.asarray(blocks, dtype=float).copy()
    scale = np.einsum("ikk->i", wide) / blocks.shape[-1]
    scale = np.where(scale > 0, scale, max(float(scale.max(initial=0.0)), 1.0) / jitter)
    diagonal = np.einsum("ikk->ik", wide)
    diagonal += jitter * np.where(diagonal > 0, diagonal, scale[:, None])
    return np.linalg.inv(wide).astype(blocks.dtype)
