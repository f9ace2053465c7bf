"""Covariances and bootstrap draws from what every entry contributes to the estimates of its row or column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import BoolArray, FloatArray, IntArray
from halfseen.engines import EntryPasses
from halfseen.inference.covariance import packed, sandwich, unpacked


@dataclass(frozen=True)
class Clustered:
    """Groups inside which responses depend on each other; a choice of ``variance``.

    Parameters
    ----------
    cols : sequence (p,) of labels, optional
        Groups of columns: a row's responses to columns of one group (questions about one text) may be dependent. The
        rows' covariances then add scores up inside groups.
    rows : sequence (n,) of labels, optional
        Groups of rows (pupils of one class), for the columns' covariances. A side that is not given keeps its
        second-order covariances.

    Examples
    --------
    >>> Clustered(cols=["a", "a", "b"]).codes("cols", 3).tolist()
    [0, 0, 1]
    """

    cols: Any = None
    rows: Any = None

    def codes(self, side: str, length: int) -> IntArray | None:
        """Numbers of the groups of one side's items; None where no groups were given.

        Raises
        ------
        ValueError
            For a number of labels that is not that of the items, or a single group.
        """
        labels = getattr(self, side)
        if labels is None:
            return None
        labels = np.asarray(labels)
        if labels.shape != (length,):
            raise ValueError(f"variance=Clustered({side}=...) has labels of shape {labels.shape}; needed: ({length},).")
        groups, codes = np.unique(labels, return_inverse=True)
        if len(groups) < 2:
            raise ValueError(f"variance=Clustered({side}=...) puts all into one group; at least 2 are needed.")
        return np.asarray(codes, dtype=np.int64)


@dataclass(frozen=True)
class Influence:
    r"""Influence values :math:`-V_i\,(e_{ij} f_j + t_{ij})` of the entries on the parameters of their row (or column).

    Attributes
    ----------
    passes : EntryPasses
    axis : int
        0 where the parameters are the rows', 1 the columns'.
    scores : ndarray (n_entries,)
        :math:`e_{ij}`, derivative of each entry's negative log-likelihood, canonical order.
    features : ndarray (n_others, k)
        :math:`f_j`: what the score is multiplied with.
    inverse : ndarray (n_own, k, k)
        :math:`V_i`, inverse information.
    extra : ndarray (n_entries, k) or None
        :math:`t_{ij}`: how nuisance parameters of the row or column come in.

    Notes
    -----
    Any estimate that is a sum of such values to first order can use this, whatever its model.
    """

    passes: EntryPasses
    axis: int
    scores: FloatArray
    features: FloatArray
    inverse: FloatArray
    extra: FloatArray | None = None

    @property
    def _places(self) -> tuple[IntArray, IntArray]:
        """Own and other side's position of every entry."""
        observed = self.passes.observed
        return (observed.rows, observed.cols) if self.axis == 0 else (observed.cols, observed.rows)

    def _sums(self, g: FloatArray, features: FloatArray) -> FloatArray:
        return self.passes.to_rows(g, features) if self.axis == 0 else self.passes.to_cols(g, features)

    def values(self) -> FloatArray:
        """Contributions ``e f + t`` of all entries, shape (n_entries, k)."""
        contributions: FloatArray = self.scores[:, None] * self.features[self._places[1]]
        return contributions if self.extra is None else contributions + self.extra

    def sandwich(self) -> FloatArray:
        r"""Covariances :math:`V_i (\sum_j s_{ij} s_{ij}^\top) V_i`, :math:`s = e f + t`, entries independent."""
        if self.extra is None:
            meat = unpacked(self._sums(np.square(self.scores), packed(self.features)), self.features.shape[1])
        else:
            meat = _summed(packed(self.values()), self._places[0], len(self.inverse), self.features.shape[1])
        return sandwich(self.inverse, meat)

    def clustered(self, codes: IntArray) -> tuple[FloatArray, IntArray]:
        r"""Covariances whose scores are added up inside groups of the other side's items.

        .. math:: V_i \Bigl(\tfrac{G_i}{G_i - 1}\sum_g \bigl(\sum_{j \in g} s_{ij}\bigr)
                  \bigl(\sum_{j \in g} s_{ij}\bigr)^\top\Bigr) V_i

        Parameters
        ----------
        codes : int array (n_others,)

        Returns
        -------
        covariance : ndarray (n_own, k, k)
        counts : int array (n_own,)
            Groups :math:`G_i` that each row (column) was seen in.

        Notes
        -----
        O(entries k + groups seen k^2). Source: Liang and Zeger (1986), Biometrika 73.
        """
        own, other = self._places
        groups = int(codes.max(initial=0)) + 1
        cells, line = np.unique(own.astype(np.int64) * groups + codes[other], return_inverse=True)
        values = self.values()
        by_group = [np.bincount(line, weights=column, minlength=len(cells)) for column in values.T]
        sums: FloatArray = np.stack(by_group, axis=1).astype(float)
        who = cells // groups
        counts = np.bincount(who, minlength=len(self.inverse))
        meat = _summed(packed(sums), who, len(self.inverse), values.shape[1])
        factor = counts / np.maximum(counts - 1, 1)
        return sandwich(self.inverse, meat * factor[:, None, None]), counts

    def draws(self, multipliers: FloatArray, chosen: IntArray | BoolArray | slice) -> FloatArray:
        r"""Errors :math:`-V_i\sum_j \xi_j^{[b]} s_{ij}` of chosen rows (columns), shape (b, m, k).

        Parameters
        ----------
        multipliers : ndarray (n_others, b)
            Items of one group share theirs.
        """
        b, k = multipliers.shape[1], self.features.shape[1]
        sums = self._sums(self.scores, spread(multipliers, self.features)).reshape(-1, b, k)[chosen]
        if self.extra is not None:
            for place in range(k):
                sums[:, :, place] += self._sums(self.extra[:, place], multipliers)[chosen]
        return -np.einsum("ikl,ibl->bik", self.inverse[chosen], sums)


def spread(multipliers: FloatArray, features: FloatArray) -> FloatArray:
    """``xi_j^b y_jk`` as one wide table (m, b k), so that one pass serves all draws."""
    return (multipliers[:, :, None] * features[:, None, :]).reshape(len(features), -1)


def _summed(triangles: FloatArray, owner: IntArray, n: int, k: int) -> FloatArray:
    """Packed blocks added up by owner."""
    return unpacked(np.stack([np.bincount(owner, weights=t, minlength=n) for t in triangles.T], axis=1), k)
