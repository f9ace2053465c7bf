"""How well scores order what is relevant before what is not."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen._typing import BoolArray, FloatArray


def _both_kinds(relevant: Any, score: Any) -> tuple[BoolArray, FloatArray]:
    """Flat arrays of one length with relevant and other items among them."""
    y, score = np.asarray(relevant).ravel(), np.asarray(score, dtype=np.float64).ravel()
    if y.shape != score.shape:
        raise ValueError(f"relevant and scores must have one shape, got {y.shape} and {score.shape}")
    if not np.isin(y, (0, 1)).all():
        raise ValueError("relevant must hold 0 and 1 (or False and True) only")
    if np.isnan(score).any():
        raise ValueError(f"{int(np.isnan(score).sum())} scores are NaN; leave these items out")
    y = y.astype(bool)
    if y.all() or not y.any():
        raise ValueError(f"both kinds of items are needed, and {int(y.sum())} of {y.size} are relevant")
    return y, score


def roc_auc(relevant: Any, scores: Any) -> float:
    """Return the chance that a relevant item has a higher score than another one; ties count half.

    Parameters
    ----------
    relevant : array-like of 0 and 1
    scores : array-like of that shape

    Examples
    --------
    >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    from scipy.stats import rankdata

    y, score = _both_kinds(relevant, scores)
    n = int(y.sum())
    return float((rankdata(score)[y].sum() - n * (n + 1) / 2) / (n * (y.size - n)))


def precision_recall(relevant: Any, scores: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return precision and recall of "all items with at least this score", for every different score from the top.

    Returns
    -------
    precision, recall, thresholds : ndarray

    Examples
    --------
    >>> precision, recall, _ = precision_recall([0, 1, 1], [0.1, 0.9, 0.1])
    >>> precision.round(2).tolist(), recall.tolist()
    ([1.0, 0.67], [0.5, 1.0])
    """
    y, score = _both_kinds(relevant, scores)
    order = np.argsort(-score, kind="stable")
    y, score = y[order], score[order]
    last = np.append(np.flatnonzero(np.diff(score)), y.size - 1)
    hits = np.cumsum(y)[last]
    return hits / (last + 1), hits / hits[-1], score[last]


def average_precision(relevant: Any, scores: Any) -> float:
    """Return the mean precision over the relevant items, each taken where the list reaches it.

    Examples
    --------
    >>> round(average_precision([0, 1, 1], [0.5, 0.9, 0.1]), 3)
    0.833
    """
    precision, recall, _ = precision_recall(relevant, scores)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def relevant_ranks(relevant: Any, scores: Any, excluded: Any = None) -> FloatArray:
    """Return the rank, from 1, of every relevant item among the candidates of its row; ties share their mean rank.

    Parameters
    ----------
    relevant : array-like of 0 and 1, shape (n, p)
    scores : array-like of that shape
    excluded : array-like of bool, shape (n, p), optional
        Cells that are no candidates (those that were known).

    Returns
    -------
    ndarray (number of relevant candidates,)
        Row by row.

    Examples
    --------
    >>> relevant_ranks([[0, 1, 0], [1, 0, 1]], [[0.2, 0.1, 0.3], [0.9, 0.5, 0.7]]).tolist()
    [3.0, 1.0, 2.0]
    """
    from scipy.stats import rankdata

    y, table = np.atleast_2d(relevant).astype(bool), np.array(scores, dtype=np.float64, ndmin=2)
    if y.shape != table.shape:
        raise ValueError(f"relevant and scores must have one shape, got {y.shape} and {table.shape}")
    if excluded is not None:
        out = np.atleast_2d(excluded).astype(bool)
        y, table = y & ~out, np.where(out, -np.inf, table)
    rows = np.flatnonzero(y.any(axis=1))
    return np.concatenate([rankdata(-table[i])[y[i]] for i in rows]) if len(rows) else np.zeros(0)


def rank_cdf(relevant: Any, scores: Any, r: Any, excluded: Any = None) -> FloatArray:
    """Return the share of relevant items among the first r of their row, for every r asked for.

    The cumulative distribution of ranks that one-class papers draw.

    Examples
    --------
    >>> rank_cdf([[0, 1, 0], [1, 0, 1]], [[0.2, 0.1, 0.3], [0.9, 0.5, 0.7]], [1, 2, 3]).round(2).tolist()
    [0.33, 0.67, 1.0]
    """
    ranks = relevant_ranks(relevant, scores, excluded)
    if not len(ranks):
        raise ValueError("no candidate is relevant; at least one is needed")
    return np.array([float(np.mean(ranks <= cutoff)) for cutoff in np.atleast_1d(r)])


def recall_at(relevant: Any, scores: Any, r: int, excluded: Any = None) -> float:
    """Return the mean, over rows with relevant candidates, of the share of these among the first r.

    Examples
    --------
    >>> recall_at([[0, 1, 0], [1, 0, 1]], [[0.2, 0.1, 0.3], [0.9, 0.5, 0.7]], 1)
    0.25
    """
    ranks = relevant_ranks(relevant, scores, excluded)
    y = np.atleast_2d(relevant).astype(bool)
    counts = (y if excluded is None else y & ~np.atleast_2d(excluded).astype(bool)).sum(axis=1)
    counts = counts[counts > 0]
    if not len(counts):
        raise ValueError("no candidate is relevant; at least one is needed")
    hits = np.add.reduceat(ranks <= r, np.cumsum(counts) - counts)
    return float(np.mean(hits / counts))


def _first(relevant: Any, scores: Any, r: int, excluded: Any) -> tuple[BoolArray, FloatArray, BoolArray]:
    """Whether each of the first r candidates is relevant, the number of relevant ones, and all relevant candidates.

    Rows without a relevant candidate are left out; equal scores stand in the order of the columns.
    """
    y, table = np.atleast_2d(relevant).astype(bool), np.array(scores, dtype=np.float64, ndmin=2)
    if y.shape != table.shape:
        raise ValueError(f"relevant and scores must have one shape, got {y.shape} and {table.shape}")
    if int(r) < 1:
        raise ValueError(f"r={r} is not allowed; needed: a whole number of at least 1")
    if excluded is not None:
        out = np.atleast_2d(excluded).astype(bool)
        y, table = y & ~out, np.where(out, -np.inf, table)
    rows = y.any(axis=1)
    if not rows.any():
        raise ValueError("no candidate is relevant; at least one is needed")
    order = np.argsort(-table[rows], axis=1, kind="stable")[:, : int(r)]
    return np.take_along_axis(y[rows], order, axis=1), y[rows].sum(axis=1).astype(float), y[rows]


def ndcg_at(relevant: Any, scores: Any, r: int, excluded: Any = None) -> float:
    r"""Return the mean over rows of :math:`\sum_{t \le r} y_t / \log_2(t + 1)` over the largest it could be.

    Examples
    --------
    >>> round(ndcg_at([[0, 1, 1]], [[0.5, 0.9, 0.1]], 2), 3)
    0.613
    """
    hits, counts, _ = _first(relevant, scores, r, excluded)
    gains = 1.0 / np.log2(np.arange(2, hits.shape[1] + 2))
    best = np.cumsum(gains)[np.minimum(counts, hits.shape[1]).astype(int) - 1]
    return float(np.mean(hits @ gains / best))


def hit_rate_at(relevant: Any, scores: Any, r: int, excluded: Any = None) -> float:
    """Return the share of rows with a relevant candidate among the first r.

    Examples
    --------
    >>> hit_rate_at([[0, 1, 0], [1, 0, 0]], [[0.2, 0.1, 0.3], [0.9, 0.5, 0.7]], 1)
    0.5
    """
    hits, _, _ = _first(relevant, scores, r, excluded)
    return float(np.mean(hits.any(axis=1)))


def map_at(relevant: Any, scores: Any, r: int, excluded: Any = None) -> float:
    """Return the mean over rows of the average precision of the first r, over the relevant ones that could be there.

    Examples
    --------
    >>> round(map_at([[0, 1, 1]], [[0.5, 0.9, 0.1]], 3), 3)
    0.833
    """
    hits, counts, _ = _first(relevant, scores, r, excluded)
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return float(np.mean(np.sum(precision * hits, axis=1) / np.minimum(counts, hits.shape[1])))


def mean_reciprocal_rank(relevant: Any, scores: Any, excluded: Any = None) -> float:
    """Return the mean over rows of one over the rank of the first relevant candidate.

    Examples
    --------
    >>> mean_reciprocal_rank([[0, 1, 0], [1, 0, 0]], [[0.2, 0.5, 0.9], [0.9, 0.5, 0.7]])
    0.75
    """
    hits, _, _ = _first(relevant, scores, np.shape(np.atleast_2d(relevant))[1], excluded)
    return float(np.mean(1.0 / (hits.argmax(axis=1) + 1.0)))


def shown_share(scores: Any, r: int, excluded: Any = None) -> float:
    """Return the share of columns that stand among the first r of some row (the coverage of the catalogue).

    Examples
    --------
    >>> round(shown_share([[0.2, 0.5, 0.9], [0.9, 0.5, 0.7]], 1), 3)
    0.667
    """
    table = np.array(scores, dtype=np.float64, ndmin=2)
    out = np.zeros(table.shape, dtype=bool) if excluded is None else np.atleast_2d(excluded).astype(bool)
    order = np.argsort(-np.where(out, -np.inf, table), axis=1, kind="stable")[:, : int(r)]
    shown = order[~np.take_along_axis(out, order, axis=1)]
    return len(np.unique(shown)) / table.shape[1]
