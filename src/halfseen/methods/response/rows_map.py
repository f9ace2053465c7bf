"""Which of all numbers of a model are free, which are equal and which are fixed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from halfseen._typing import FloatArray, IntArray
from halfseen.data.storable import storable


@storable
@dataclass(frozen=True)
class IndexMap:
    """From the free numbers to all numbers, and gradients back.

    Attributes
    ----------
    free : int ndarray (n_full,)
        Place among the free numbers; -1 where fixed. Equal numbers share a place.
    fixed : ndarray (n_full,)
        Values where fixed.

    Examples
    --------
    >>> equal = IndexMap(np.array([0, 1, 0, -1]), np.array([0, 0, 0, 7.0]))
    >>> equal.full(np.array([2.0, 3.0])).tolist(), equal.back(np.array([1.0, 1, 1, 1])).tolist()
    ([2.0, 3.0, 2.0, 7.0], [2.0, 1.0])
    """

    free: IntArray
    fixed: FloatArray

    @cached_property
    def n_free(self) -> int:
        return int(self.free.max(initial=-1)) + 1

    @cached_property
    def _only(self) -> Any:
        """Places of the free numbers in their order where no two share a value; else None."""
        places = np.flatnonzero(self._is_free)
        if len(places) != self.n_free:
            return None
        out = np.empty(self.n_free, dtype=np.int64)
        out[self.free[places]] = places
        return out

    @cached_property
    def _source(self) -> Any:
        return np.maximum(self.free, 0)

    @cached_property
    def _is_free(self) -> Any:
        return self.free >= 0

    def full(self, free: FloatArray) -> FloatArray:
        """All numbers."""
        if self.n_free == 0:
            return self.fixed.copy()
        return np.where(self._is_free, free[self._source], self.fixed)

    def back(self, gradient: FloatArray) -> FloatArray:
        """Gradient with respect to the free numbers."""
        if self._only is not None:
            return np.asarray(gradient[self._only], dtype=float)
        return np.bincount(self.free[self._is_free], gradient[self._is_free], self.n_free).astype(float)

    def pick(self, full: FloatArray) -> FloatArray:
        """Free numbers that give all numbers (equal ones: their mean)."""
        return self.back(full) / np.maximum(self.back(np.ones(len(full))), 1.0)

    @cached_property
    def matrix(self) -> Any:
        """Sparse (n_full, n_free): derivatives of all numbers with respect to the free ones."""
        rows = np.flatnonzero(self._is_free)
        shape = (len(self.free), self.n_free)
        return sparse.csr_array((np.ones(len(rows)), (rows, self.free[rows])), shape=shape)

    def squeeze(self, information: FloatArray) -> FloatArray:
        """An information matrix of all numbers for the free ones."""
        if self._only is not None:
            return np.asarray(information[np.ix_(self._only, self._only)])
        M = self.matrix
        return np.asarray(M.T @ (M.T @ information.T).T)

    @classmethod
    def of(cls, n_full: int, equal: Any = (), fixed: Any = None) -> IndexMap:
        """From groups of places that are equal, and a dictionary of fixed places.

        A group with a fixed place is fixed there as a whole.
        """
        leader, values = np.arange(n_full), np.zeros(n_full)
        is_fixed = np.zeros(n_full, dtype=bool)
        for place, value in (fixed or {}).items():
            is_fixed[place], values[place] = True, value
        for group in equal:
            places = np.asarray(group, dtype=np.int64)
            joined = np.isin(leader, leader[places])
            held = np.flatnonzero(joined & is_fixed)
            leader[joined] = leader[places].min()
            if len(held):
                is_fixed[joined], values[joined] = True, values[held[0]]
        places = np.full(n_full, -1, dtype=np.int64)
        _, numbers = np.unique(leader[~is_fixed], return_inverse=True)
        places[~is_fixed] = numbers
        return cls(places, values)
