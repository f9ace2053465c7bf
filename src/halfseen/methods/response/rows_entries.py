"""Errors of single cells of a fit with integrated rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from halfseen._typing import FloatArray, IntArray
from halfseen.inference import CommonErrors
from halfseen.methods.response.rows_predict import NODES, WEIGHTS, Abilities


def entry_errors(model: Any, i: IntArray, j: IntArray, m: FloatArray) -> CommonErrors:
    """Errors of the log odds ``m`` of cells: what is not known of the row's ability, and of the item.

    The row's part is the spread of the log odds over its posterior, and has one standard normal number per dimension of
    each row; the item's is that of slopes and first intercept (delta method; not that of a guessing chance).
    """
    fit, answering, D = model.rows_fit_, model.answering_, model.rows_fit_.layout.dimensions
    n, p, cells = len(model.abilities_), fit.shape[1], np.arange(len(m))
    ability, item = model.abilities_[i], answering.item_of[j]
    has, places = item >= 0, np.maximum(item, 0)
    a = fit.params[fit.layout.slopes[places]] * has[:, None]
    spread = np.sqrt(np.maximum(np.einsum("md,mde,me->m", a, ability.covariance, a), 0.0))
    step = np.einsum("mde,me->md", ability.covariance, a) / np.maximum(spread, 1e-12)[:, None]
    none, variance = np.zeros_like(ability.covariance), np.zeros(len(m))
    for node, weight in zip(NODES, WEIGHTS, strict=True):
        here = answering.linear(Abilities(ability.mean + node * step, none), j)
        variance += weight * (here - m) ** 2
    root = np.linalg.cholesky(ability.covariance + 1e-15 * np.eye(D))
    along = np.einsum("md,mde->me", a, root) * np.divide(
        np.sqrt(variance), spread, out=np.zeros(len(m)), where=spread > 0
    )[:, None]  # fmt: skip
    x = np.column_stack([ability.mean, np.ones(len(m))])
    own = np.zeros((len(m), D + 1))
    for k in np.unique(item[has]):
        here = np.flatnonzero(item == k)
        V = fit.covariance.block(fit.index, fit.layout.first_param[k] + np.arange(D + 1))
        values, vectors = np.linalg.eigh(V)
        own[here] = x[here] @ (vectors * np.sqrt(np.maximum(values, 0.0)))
    return CommonErrors({"rows": _spread(along, cells, i, D, n), "items": _spread(own, cells, j, D + 1, p)}, "entries")


def _spread(values: FloatArray, cells: IntArray, at: IntArray, width: int, size: int) -> Any:
    """Loadings (m, size * width) with the values of each cell where its row (or column) has its numbers."""
    lines = np.repeat(cells, width)
    places = (np.asarray(at, dtype=np.int64)[:, None] * width + np.arange(width)).ravel()
    return sparse.csr_array((values.ravel(), (lines, places)), shape=(len(cells), size * width))
