"""The rank that predicts the pairs of held-out rows best."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.data import storable
from halfseen.engines import Engine
from halfseen.methods.moment.estimates import steady_moments
from halfseen.methods.moment.fitting import fit_pairs
from halfseen.methods.moment.moments import PairMoments
from halfseen.methods.moment.targets import targets_of
from halfseen.parameters import BadArgument

HELD_OUT_ROWS = 0.2


@storable
@dataclass(frozen=True)
class PairRankChoice:
    r"""Held-out scores of ranks.

    Attributes
    ----------
    rank : int
    ranks : tuple of int
    losses : ndarray (n_ranks,)
        :math:`\sum_{i<j} w_{ij} (\bar T^v_{ij} - X_i^\top X_j)^2 / \sum_{i<j} w_{ij}` on the held-out rows' pairs,
        with the weights of their inverse variance; over the loss of rank 0.
    standard_errors : ndarray (n_ranks,)
        Of their differences to the smallest. The smallest rank within one of them is chosen.
    """

    rank: int
    ranks: tuple[int, ...]
    losses: FloatArray
    standard_errors: FloatArray


def choose_pair_rank(
    train: PairMoments,
    held_out: PairMoments,
    ranks: Iterable[int],
    settings: Any,
    rng: np.random.Generator | None = None,
    engine: str | Engine | None = None,
) -> PairRankChoice:
    r"""Fit every rank to the pairs of some rows and judge it on those of others.

    Parameters
    ----------
    train, held_out : PairMoments
        Of different rows, over the same columns.
    ranks : iterable of int
    settings : OneSidedCompletion, or its checked parameters
    rng, engine
        Of the fits.

    Returns
    -------
    PairRankChoice

    Notes
    -----
    One fit per rank; rows are the independent units, so pairs of other rows are honest, unlike other pairs of the
    same rows.
    """
    rng = np.random.default_rng() if rng is None else rng
    tried = checked_ranks(ranks, train.n_cols)
    targets = targets_of(train, "hajek", settings)
    i, j = held_out.pairs()
    off = i != j
    i, j = i[off], j[off]
    held = held_out.at_pairs()
    counts, means = held.counts[off].astype(float), held.sums[off] / held.counts[off]
    scale = 1.0 / steady_moments(train)
    weights = counts * scale[i] * scale[j]
    fitted = [products(fit_pairs(targets, rank, settings, rng, engine).X, i, j) for rank in tried]
    losses = np.array([np.sum(weights * np.square(means - fit)) for fit in fitted])
    best = int(np.argmin(losses))
    errors = np.array([_error_of_difference(weights, means, fit, fitted[best]) for fit in fitted])
    chosen = int(np.argmax(losses <= losses[best] + errors))
    total = max(float(np.sum(weights * np.square(means))), 1e-300)
    return PairRankChoice(tried[chosen], tried, losses / total, errors / total)


def _error_of_difference(weights: FloatArray, means: FloatArray, left: FloatArray, right: FloatArray) -> float:
    """Standard error of a difference of losses, pairs taken as independent."""
    changes = weights * (left - right) * (left + right - 2.0 * means)
    return float(np.sqrt(np.sum(np.square(changes))))


def both_parts(train: PairMoments, held_out: PairMoments) -> PairMoments:
    """All rows of a table that was split by rows: each part has the other's rows too, without entries."""
    whole = train.add(held_out)
    whole.n_rows = train.n_rows
    whole.profile[0, 0] -= train.n_rows
    return whole


def products(X: FloatArray, i: Any, j: Any) -> FloatArray:
    """``X_i . X_j`` of pairs, in pieces."""
    out, piece = np.empty(len(i)), max(1, 2_000_000 // max(X.shape[1], 1))
    for begin in range(0, len(i), piece):
        part = slice(begin, begin + piece)
        out[part] = np.einsum("ek,ek->e", X[i[part]], X[j[part]])
    return out


def checked_ranks(ranks: Iterable[int], n_cols: int) -> tuple[int, ...]:
    """Distinct ranks in ascending order, those beyond the columns left out."""
    given: Sequence[Any] = list(ranks)
    kept = tuple(sorted({int(rank) for rank in given if rank <= n_cols}))
    if not kept:
        raise BadArgument("ranks", tuple(given), f"at least one rank up to the number of columns, {n_cols}")
    return kept
