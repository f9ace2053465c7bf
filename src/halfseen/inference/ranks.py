"""Intervals for ranks: which positions in an ordering the data leave open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from halfseen._typing import FloatArray, IntArray

# Pairs compared at once: a few arrays of 8 MB.
PAIRS_AT_ONCE = 1_000_000
PairScale = Callable[[slice], FloatArray]


def chunks(n: int, width: int) -> Iterator[slice]:
    """Slices of ``range(n)`` with about ``PAIRS_AT_ONCE`` numbers when every item has ``width`` of them."""
    size = max(1, PAIRS_AT_ONCE // max(width, 1))
    for start in range(0, n, size):
        yield slice(start, min(n, start + size))


def independent_pairs(se: FloatArray) -> PairScale:
    r"""Standard errors :math:`s_{il} = (s_i^2 + s_l^2)^{1/2}` of differences of independent estimates, by rows."""
    return lambda rows: np.hypot(se[rows, None], se[None, :])


def pair_maximum(errors: FloatArray, se: FloatArray) -> FloatArray:
    r"""The largest studentised difference :math:`\max_{i<l} |\Delta_i - \Delta_l| / (s_i^2 + s_l^2)^{1/2}`.

    Parameters
    ----------
    errors : ndarray (b, n)
        Draws of the errors.
    se : ndarray (n,)
        Finite and positive.

    Returns
    -------
    ndarray (b,)

    Notes
    -----
    Exact, in far fewer than the n^2/2 pairs per draw: items are sorted by standard error and cut into about
    sqrt(n) groups. Between two groups the statistic is at most the reach of their errors over the hypotenuse of
    their smallest standard errors, and somewhere at least the reach over that of their largest; only pairs of
    groups whose upper bound is not below the best lower bound are looked into.

    Examples
    --------
    >>> pair_maximum(np.array([[3.0, -1.0, 0.0]]), np.array([0.6, 0.8, 5.0])).tolist()
    [4.0]
    """
    n = len(se)
    if n < 2:
        return np.zeros(len(errors))
    order = np.argsort(se, kind="stable")
    s, D = np.asarray(se, dtype=float)[order], np.asarray(errors, dtype=float)[:, order]
    size = max(2, int(np.sqrt(n)))
    starts = np.arange(0, n, size)
    ends = np.append(starts[1:], n)
    left, right = np.triu_indices(len(starts))
    largest, smallest = np.hypot(s[ends - 1][left], s[ends - 1][right]), np.hypot(s[starts][left], s[starts][right])
    out = np.zeros(len(D))
    for part in chunks(len(D), 4 * len(left)):
        high, low = np.maximum.reduceat(D[part], starts, axis=1), np.minimum.reduceat(D[part], starts, axis=1)
        reach = np.maximum(high[:, left] - low[:, right], high[:, right] - low[:, left])
        floor = (reach / largest).max(axis=1)
        draw, pair = np.nonzero(reach / smallest >= floor[:, None] * (1.0 - 1e-12))
        out[part] = floor
        _look_into(D, s, (draw + part.start, left[pair], right[pair]), (starts, ends, size), out)
    return out


def _look_into(
    D: FloatArray,
    s: FloatArray,
    open_pairs: tuple[IntArray, IntArray, IntArray],
    groups: tuple[IntArray, IntArray, int],
    out: FloatArray,
) -> None:
    """Raise ``out`` to the exact maxima over the open (draw, group, group) triples."""
    draw, left, right = open_pairs
    starts, ends, size = groups
    steps = np.arange(size)
    for part in chunks(len(draw), size * size):
        # the last group may be shorter: its last item is then repeated, which changes no maximum
        a = np.minimum(starts[left[part], None] + steps, ends[left[part], None] - 1)
        b = np.minimum(starts[right[part], None] + steps, ends[right[part], None] - 1)
        row = draw[part, None]
        distance = np.abs(D[row, a][:, :, None] - D[row, b][:, None, :])
        distance /= np.sqrt(np.square(s[a])[:, :, None] + np.square(s[b])[:, None, :])
        np.maximum.at(out, draw[part], distance.max(axis=(1, 2)))


def dense_pair_maximum(errors: FloatArray, scale: PairScale) -> FloatArray:
    """As :func:`pair_maximum` for dependent estimates, all pairs one by one; scales of zero (the diagonal) are skipped.

    Notes
    -----
    O(n^2) per draw, in chunks of rows.
    """
    b, n = errors.shape
    out = np.zeros(b)
    for rows in chunks(n, n * b):
        s = scale(rows)
        inverse = np.divide(1.0, s, out=np.zeros_like(s), where=s > 0)
        studentised = np.abs(errors[:, rows, None] - errors[:, None, :]) * inverse
        out = np.maximum(out, studentised.max(axis=(1, 2)))
    return out


@dataclass(frozen=True)
class Ranks:
    """Where every item stands, and between which places it may stand; 1 is the largest estimate.

    Attributes
    ----------
    estimate, low, high : int arrays (n,)
    """

    estimate: IntArray
    low: IntArray
    high: IntArray


def order_of(estimate: FloatArray) -> IntArray:
    """Rank of every item by its estimate; 1 is the largest, equal estimates share the best place among them.

    Examples
    --------
    >>> order_of(np.array([0.5, 2.0, 1.0, 2.0])).tolist()
    [4, 1, 3, 1]
    """
    return 1 + len(estimate) - np.searchsorted(np.sort(estimate), estimate, side="right")


def shared_by_equals(estimate: FloatArray, low: IntArray, high: IntArray) -> Ranks:
    """Rank intervals in which equal estimates share the widest of theirs, whatever the order of the items.

    Examples
    --------
    >>> shared_by_equals(np.array([2.0, 2.0]), np.array([1, 2]), np.array([1, 2])).high.tolist()
    [2, 2]
    """
    _, place = np.unique(estimate, return_inverse=True)
    best, worst = np.full(place.max() + 1, len(estimate)), np.ones(place.max() + 1, dtype=np.int64)
    ranks = order_of(estimate)
    last = ranks + np.bincount(place)[place] - 1
    np.minimum.at(best, place, np.minimum(low, ranks))
    np.maximum.at(worst, place, np.maximum(high, last))
    return Ranks(ranks, best[place], worst[place])


def rank_intervals(estimate: FloatArray, scale: PairScale, q: float) -> Ranks:
    r"""Ranks between the number of items surely better and the number of items surely worse.

    .. math:: \Bigl[1 + \#\{l : \hat x_l - \hat x_i > q s_{il}\},\; n - \#\{l : \hat x_i - \hat x_l > q s_{il}\}\Bigr]

    With ``q`` the quantile of the largest studentised difference all intervals hold together; with a normal
    quantile each holds for itself.

    Parameters
    ----------
    estimate : ndarray (n,)
    scale : callable
        ``scale(slice of rows)`` gives the standard errors :math:`s_{il}` of the differences, (rows, n).
    q : float

    Notes
    -----
    O(n^2) comparisons in chunks of rows.

    Examples
    --------
    >>> found = rank_intervals(np.array([5.0, 1.0, 0.5]), independent_pairs(np.full(3, 0.5)), 1.96)
    >>> found.low.tolist(), found.high.tolist()
    ([1, 2, 2], [1, 3, 3])
    """
    n = len(estimate)
    better, worse = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    for rows in chunks(n, n):
        difference, margin = estimate[rows, None] - estimate[None, :], q * scale(rows)
        better[rows] = np.count_nonzero(-difference > margin, axis=1)
        worse[rows] = np.count_nonzero(difference > margin, axis=1)
    return shared_by_equals(estimate, 1 + better, n - worse)


def printed_rank_intervals(estimate: FloatArray, se: FloatArray, q: float) -> Ranks:
    r"""The published set :math:`\{l : J_l \cap J_i \ne \emptyset\}`, :math:`J_l = \hat x_l \pm q\sqrt2 s_l`, as ranks.

    Notes
    -----
    Two such intervals part only where the difference exceeds :math:`q\sqrt2(s_i + s_l)`, twice what the pairwise
    rule asks for at equal standard errors: the sets cover, and say close to nothing (.998 n wide at n = 400).
    O(n log n). Source: Huang and Gu, end of section 3.
    """
    n, reach = len(estimate), q * np.sqrt(2.0) * se
    bottoms, tops = np.sort(estimate - reach), np.sort(estimate + reach)
    better = n - np.searchsorted(bottoms, estimate + reach, side="right")
    worse = np.searchsorted(tops, estimate - reach, side="left")
    return shared_by_equals(estimate, 1 + better, n - worse)


def drawn_rank_intervals(estimate: FloatArray, errors: FloatArray, level: float) -> tuple[Ranks, FloatArray]:
    """Central quantiles of every item's rank when the errors of all estimates are drawn together.

    Parameters
    ----------
    estimate : ndarray (n,)
    errors : ndarray (b, n)
        Joint draws, so that items whose errors move together keep their order.
    level : float

    Returns
    -------
    ranks : Ranks
    spread : ndarray (n,)
        Standard deviation of every rank over the draws.

    Notes
    -----
    O(b n log n). An interval always holds the rank of the estimate itself.

    Examples
    --------
    >>> draws = 0.1 * np.random.default_rng(0).normal(size=(400, 3))
    >>> found, _ = drawn_rank_intervals(np.array([5.0, 1.0, 0.9]), draws, 0.95)
    >>> found.low.tolist(), found.high.tolist()
    ([1, 2, 2], [1, 3, 3])
    """
    values = np.sort(estimate + errors, axis=1)
    n, tail = len(estimate), 0.5 * (1.0 - level)
    first, last = np.empty(errors.shape, dtype=np.int64), np.empty(errors.shape, dtype=np.int64)
    for draw, (ordered, error) in enumerate(zip(values, errors, strict=True)):
        # equal values of one draw take all the places that they fill together
        first[draw] = 1 + n - np.searchsorted(ordered, estimate + error, side="right")
        last[draw] = n - np.searchsorted(ordered, estimate + error, side="left")
    low = np.quantile(first, tail, axis=0, method="inverted_cdf").astype(np.int64)
    high = np.quantile(last, 1.0 - tail, axis=0, method="inverted_cdf").astype(np.int64)
    return shared_by_equals(estimate, low, high), (0.5 * (first + last)).std(axis=0)


def tie_groups(estimate: FloatArray, scale: PairScale, q: float) -> tuple[IntArray, Ranks]:
    """Tiers: from the top, every tier goes on until an item surely differs from the tier's first.

    Parameters
    ----------
    estimate, scale, q
        As in :func:`rank_intervals`.

    Returns
    -------
    group : int array (n,)
        Number of each item's tier, 1 the best.
    ranks : Ranks
        ``low`` and ``high`` are the first and the last place of the tier.

    Notes
    -----
    With the simultaneous quantile, the first items of all tiers really stand in this order with the level's
    probability; inside a tier nothing is claimed. O(n^2) in chunks.

    Examples
    --------
    >>> tie_groups(np.array([5.0, 4.9, 1.0]), independent_pairs(np.full(3, 0.5)), 2.0)[0].tolist()
    [1, 1, 2]
    """
    n, order = len(estimate), np.argsort(-estimate, kind="stable")
    # classes of equal estimates, the largest first: a tier begins and ends between two of them
    starts = np.flatnonzero(np.append(True, np.diff(estimate[order]) != 0))
    of_item = np.empty(n, dtype=np.int64)
    of_item[order] = np.searchsorted(starts, np.arange(n), side="right") - 1
    parts_at = np.zeros(len(starts), dtype=np.int64)
    for rows in chunks(n, n):
        is_below = (estimate[rows, None] - estimate[None, order]) > q * scale(rows)[:, order]
        all_below = np.logical_and.reduceat(is_below, starts, axis=1)
        first = np.where(all_below.any(axis=1), all_below.argmax(axis=1), len(starts))
        np.maximum.at(parts_at, of_item[rows], first)
    begins = [0]
    for place in range(1, len(starts)):
        if place >= parts_at[begins[-1]]:
            begins.append(place)
    group = np.searchsorted(np.array(begins), of_item, side="right")
    edges = np.append(starts[begins], n)
    return group, Ranks(order_of(estimate), edges[group - 1] + 1, edges[group])
