"""What a factorised posterior leaves out of its covariances, estimated once at the end.

The posterior treats scores and loadings as independent, so that the scores of a row are as sure as if all loadings
were known. To first order a cell says to its row with variance ``sigma_j^2 + x_i' C_j x_i`` what the posterior takes
to be of variance ``sigma_j^2``; a column likewise. Bernoulli cells also count as more than they tell: the bound that
makes them weighted squares is steeper than the likelihood.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import expit

from halfseen._typing import FloatArray
from halfseen.methods.heterogeneous.posterior.cells import packed, triangle
from halfseen.methods.heterogeneous.posterior.columns import RowMoments
from halfseen.methods.heterogeneous.posterior.families import Given, Working
from halfseen.methods.heterogeneous.posterior.state import SourceLoadings


def widened(
    given: Given, working: Working, rows: RowMoments, loadings: SourceLoadings
) -> tuple[SourceLoadings, tuple[FloatArray, FloatArray]]:
    """Factors by which intervals widen the covariances of columns, and a source's part in those of the rows.

    Returns
    -------
    loadings : SourceLoadings
        With its ``widening``.
    told, claimed : ndarray (n,)
        What the source's cells tell about a row, and what the posterior takes them to tell; over all sources, claimed
        over told is the factor of the row.
    """
    cells, k = given.cells, rows.mean.shape[1]
    V = loadings.mean[:, 1:]
    tau = cells.of_cols(1.0 / loadings.noise) * cells.of_rows(rows.factor)
    claimed = working.weight * tau
    from_columns = cells.products(packed(rows.design), packed(loadings.cov) * triangle(1 + k)[2])
    from_rows = cells.products(packed(rows.cov), packed(V) * triangle(k)[2])
    curvature = claimed
    if given.family.name == "bernoulli":
        share = expit(cells.products(rows.design, loadings.mean) + given.level)
        curvature = given.weights * share * (1.0 - share) * tau
    size = cells.of_cols(np.einsum("pk,pk->p", V, V))
    told = cells.row_sums(curvature * size / (1.0 + curvature * from_columns))
    by_column = cells.col_sums(claimed) / np.maximum(cells.col_sums(curvature / (1.0 + curvature * from_rows)), 1e-300)
    by_column = np.where(cells.counts > 0, np.maximum(by_column, 1.0), 1.0)
    return replace(loadings, widening=by_column), (told, cells.row_sums(claimed * size))


def row_widening(parts: list[tuple[FloatArray, FloatArray]]) -> FloatArray:
    """Factors of the rows from all sources' parts; 1 where nothing was seen."""
    told, claimed = (np.sum([part[which] for part in parts], axis=0) for which in (0, 1))
    return np.where(told > 0, np.maximum(claimed / np.where(told > 0, told, 1.0), 1.0), 1.0)
