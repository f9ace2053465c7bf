"""Tables of which few cells were seen, drawn from factors."""

from __future__ import annotations

import numpy as np

import halfseen as hs


def seen(M, share, rng):
    """The table with each cell seen independently."""
    mask = rng.random(M.shape) < share
    indptr = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
    cols = np.nonzero(mask)[1].astype(np.int32)
    return hs.Observed(hs.data.Compressed(indptr, cols, M[mask], None, M.shape[1]))


def factor_rows(n, d, r, rng, noise=0.0, loadings=None):
    """Rows x = L z + noise, and L."""
    L = rng.normal(size=(d, r)) if loadings is None else loadings
    return rng.normal(size=(n, r)) @ L.T + noise * rng.normal(size=(n, d)), L
