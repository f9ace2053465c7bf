"""Rows given all columns: the common factors by one elimination, each source's own behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from halfseen import kernels
from halfseen._typing import FloatArray, IntArray
from halfseen.engines import Engine
from halfseen.methods.heterogeneous.posterior.cells import packed, symmetric_inverse, triangle, unpacked
from halfseen.methods.heterogeneous.posterior.families import Given, Working
from halfseen.methods.heterogeneous.posterior.state import OwnScores, SampleScores, SourceLoadings


@dataclass(frozen=True)
class RowSums:
    """One source's precision and pull of the rows; the own factors are eliminated already.

    Attributes
    ----------
    schur : ndarray (n, a (a + 1) / 2)
        Upper triangles of the precision of the active common factors.
    right : ndarray (n, a)
    own : ndarray (n, r)
        Own scores where the common ones are 0.
    turn : ndarray (n, r, a)
    given : ndarray (n, r, r)
        Covariance of the own scores given the common ones.
    """

    schur: FloatArray
    right: FloatArray
    own: FloatArray
    turn: FloatArray
    given: FloatArray


def row_sums(given: Given, working: Working, loadings: SourceLoadings, factor: FloatArray) -> RowSums:
    """What a source says about its rows.

    Parameters
    ----------
    factor : ndarray (n,)
        Precision of the rows times the source's power.

    Notes
    -----
    O(entries k^2) products and n small eliminations.
    """
    cells, a, k = given.cells, len(loadings.active), loadings.mean.shape[1] - 1
    tau = 1.0 / loadings.noise
    V, cross = loadings.mean[:, 1:], loadings.cov[:, 0, 1:]
    # E[v v'] and E[mu v] of every column
    second = packed(V) + packed(loadings.cov[:, 1:, 1:])
    pull = loadings.mean[:, :1] * V + cross
    lines = cells.to_rows(working.weight, tau[:, None] * np.hstack([second, pull]))
    m = second.shape[1]
    right = cells.to_rows(working.target, tau[:, None] * V) - lines[:, m:]
    lines, right = lines[:, :m] * factor[:, None], right * factor[:, None]
    n = len(right)
    if k == a:
        nothing = np.zeros((n, 0))
        return RowSums(lines, right, nothing, np.zeros((n, 0, a)), np.zeros((n, 0, 0)))
    H = unpacked(lines, k)
    done = kernels.eliminate(H, right, a, 1.0)
    inner = H[:, a:, a:] + np.eye(k - a)
    return RowSums(packed(done.schur), done.right, done.own, done.turn, symmetric_inverse(inner))


def joined_rows(sums: Sequence[RowSums], active: Sequence[IntArray], n: int, R: int) -> SampleScores:
    """Posterior of all scores from what the sources say, added up in their order."""
    precision, right = np.zeros((n, R * (R + 1) // 2)), np.zeros((n, R))
    for of_source, common in zip(sums, active, strict=True):
        if len(common) == R:  # no copies where all factors are active
            precision += of_source.schur
            right += of_source.right
            continue
        i, j, _ = triangle(len(common))  # active factors stand in their order
        i, j = common[i], common[j]
        precision[:, i * R - i * (i - 1) // 2 + j - i] += of_source.schur
        right[:, common] += of_source.right
    mean, cov = kernels.normal_moments(precision, right, np.ones(n), np.ones(R))
    own = []
    for of_source, common in zip(sums, active, strict=True):
        turn = np.zeros((n, of_source.own.shape[1], R))
        turn[:, :, common] = of_source.turn
        own.append(OwnScores(of_source.own - np.einsum("nri,ni->nr", turn, mean), of_source.given, turn))
    return SampleScores(mean, cov, tuple(own))


def row_step(
    given: Sequence[Given],
    working: Sequence[Working],
    loadings: Sequence[SourceLoadings],
    factors: Sequence[FloatArray],
    R: int,
    engine: Engine,
) -> SampleScores:
    """Scores of all rows."""
    items = zip(given, working, loadings, factors, strict=True)
    sums = list(engine.map(lambda item: row_sums(*item), items))
    return joined_rows(sums, [columns.active for columns in loadings], given[0].cells.shape[0], R)


def unit_scores(
    scores: SampleScores, loadings: Sequence[SourceLoadings]
) -> tuple[SampleScores, tuple[SourceLoadings, ...]]:
    r"""The same fit with :math:`\overline{E[u_k^2]} = 1` for every factor, which the prior expects."""

    def size(mean: FloatArray, variances: FloatArray) -> FloatArray:
        root = np.sqrt(np.mean(np.square(mean) + variances, axis=0))
        return np.where(root > 1e-8, root, 1.0)

    common = size(scores.mean, np.einsum("nkk->nk", scores.cov))
    own: list[FloatArray] = []
    for place, source_scores in enumerate(scores.own):
        if not source_scores.mean.shape[1]:
            own.append(np.ones(0))
            continue
        cov = scores.of(place, np.zeros(0, dtype=int))[1]
        own.append(size(source_scores.mean, np.einsum("nkk->nk", cov)))
    stretched = [
        with_factor(source, np.concatenate([common[source.active], by]))
        for source, by in zip(loadings, own, strict=True)
    ]
    return scores.stretched(common, own), tuple(stretched)


def with_factor(loadings: SourceLoadings, by: FloatArray) -> SourceLoadings:
    """Loadings times a number each, their ridges accordingly."""
    whole = np.concatenate([[1.0], by])
    return replace(
        loadings,
        mean=loadings.mean * whole,
        cov=loadings.cov * (whole[:, None] * whole),
        precision=loadings.precision / np.square(by),
    )
