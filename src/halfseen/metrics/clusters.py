"""How far two partitions are apart."""

from __future__ import annotations

from typing import Any

import numpy as np


def pair_error(truth: Any, labels: Any) -> float:
    r"""Return the share of pairs of items on which two partitions disagree: together in one, apart in the other.

    .. math:: \frac{2}{n(n-1)}\Bigl(\sum_{\pi^*_i = \pi^*_j} 1[\pi_i \ne \pi_j]
              + \sum_{\pi^*_i \ne \pi^*_j} 1[\pi_i = \pi_j]\Bigr)

    Parameters
    ----------
    truth, labels : array-like of shape (n,), n >= 2
        Any labels: only which items share one counts. 1 minus the Rand index.

    Notes
    -----
    O(n log n) time through the table of joint counts; never all pairs.

    Examples
    --------
    >>> pair_error([0, 0, 1, 1], ["b", "b", "a", "a"]), pair_error([0, 0, 1, 1], [0, 1, 0, 1])
    (0.0, 0.6666666666666666)
    """
    truth, labels = np.asarray(truth), np.asarray(labels)
    if truth.shape != labels.shape or truth.ndim != 1 or len(truth) < 2:
        raise ValueError(f"two lists of one length of at least 2 are needed, got shapes {truth.shape}, {labels.shape}")
    first, second = (np.unique(part, return_inverse=True)[1] for part in (truth, labels))
    n, width = len(truth), int(second.max()) + 1

    def together(counts: Any) -> float:
        return float(np.sum(counts * (counts - 1.0)))

    _, both = np.unique(first.astype(np.int64) * width + second, return_counts=True)
    apart = together(np.bincount(first)) + together(np.bincount(second)) - 2.0 * together(both)
    return apart / (n * (n - 1.0))
