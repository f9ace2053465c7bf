"""Chances of the classes of single answers, averaged over what is known of the row's ability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit

from halfseen._typing import FloatArray, IntArray
from halfseen.data.storable import storable
from halfseen.methods.response import rows_kinds
from halfseen.methods.response.rows_result import RowsFit

# Nodes that average over a row's ability; 9 are exact to 1e-4 for a standard deviation of the logit up to 2.
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
PAIRS_AT_ONCE = 100_000
# Chances are kept this far from 0 and 1, so that their log odds are numbers.
LEAST_CHANCE = 1e-12


@storable
@dataclass(frozen=True)
class Abilities:
    """Posterior moments of the abilities of rows, on the scale of the fit.

    Attributes
    ----------
    mean : ndarray (n, D)
    covariance : ndarray (n, D, D)
        Taking the items as known.
    """

    mean: FloatArray
    covariance: FloatArray

    def __getitem__(self, rows: Any) -> Abilities:
        return Abilities(self.mean[rows], self.covariance[rows])

    def __len__(self) -> int:
        return len(self.mean)


@storable
@dataclass(frozen=True)
class Answering:
    """Chances of answers under a fit.

    Attributes
    ----------
    fit : RowsFit
    item_of : int ndarray (p,)
        Item of the fit that each column is; -1 for columns that are not in the model.
    constant : ndarray (p,)
        Expected answer of a column that is not in the model.
    low, high : ndarray (p,)
        Least and largest answer that a column knows.
    """

    fit: RowsFit
    item_of: IntArray
    constant: FloatArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def of(cls, fit: RowsFit, sums: FloatArray, counts: FloatArray) -> Answering:
        """From the sum and the number of the answers of every column.

        A column on which all agree is expected a little off the common answer, one without answers at the middle.
        """
        p = fit.shape[1]
        item_of = np.full(p, -1, dtype=np.int64)
        item_of[fit.columns] = np.arange(len(fit.columns))
        low, high = np.zeros(p), np.ones(p)
        for j, values in zip(fit.columns, fit.categories, strict=True):
            low[j], high[j] = values[0], values[-1]
        mean = np.divide(sums, counts, out=np.full(p, 0.5), where=counts > 0)
        is_out = item_of < 0
        low[is_out], high[is_out] = np.minimum(low, mean)[is_out], np.maximum(high, mean)[is_out]
        constant = (counts * mean + 0.5 * (low + high)) / (counts + 1.0)
        return cls(fit, item_of, constant, low, high)

    def chances(self, ability: Abilities, cols: IntArray) -> list[tuple[IntArray, FloatArray, IntArray]]:
        """Per family of items: which pairs are its own, the chances (m, K) of their classes, and their items.

        ``ability`` has a row for each of ``cols``; pairs with columns outside the model are in none.
        """
        fit, D = self.fit, self.fit.layout.dimensions
        item = self.item_of[cols]
        out: list[tuple[IntArray, FloatArray, IntArray]] = []
        for family in fit.layout.families:
            place = np.full(fit.layout.n_items, -1, dtype=np.int64)
            place[family.items] = np.arange(len(family.items))
            own = np.flatnonzero((item >= 0) & (place[np.maximum(item, 0)] >= 0))
            if not len(own):
                continue
            params = fit.params[family.params[place[item[own]]]]
            a, rest = params[:, :D], params[:, D:]
            here = ability[own]
            centre = np.sum(a * here.mean, axis=1)
            spread = np.sqrt(np.maximum(np.einsum("md,mde,me->m", a, here.covariance, a), 0.0))
            m = centre[:, None] + spread[:, None] * NODES
            chance = np.exp(rows_kinds.log_chances(family.formula, family.n_classes, m, rest)) @ WEIGHTS
            out.append((own, chance, item[own]))
        return out

    def expected(self, ability: Abilities, cols: IntArray) -> FloatArray:
        """Expected answers (m,) of pairs."""
        out = np.empty(len(cols))
        for start in range(0, len(cols), PAIRS_AT_ONCE):
            part = slice(start, start + PAIRS_AT_ONCE)
            out[part] = self._expected(ability[part], cols[part])
        return out

    def _expected(self, ability: Abilities, cols: IntArray) -> FloatArray:
        out = self.constant[cols]
        for own, chance, item in self.chances(ability, cols):
            values = np.array([self.fit.categories[j] for j in np.unique(item)])
            out[own] = np.sum(chance * values[np.searchsorted(np.unique(item), item)], axis=1)
        return out

    def linear(self, ability: Abilities, cols: IntArray) -> FloatArray:
        """Log odds of the expected answer between the least and the largest one."""
        low, high = self.low[cols], self.high[cols]
        share = (self.expected(ability, cols) - low) / (high - low)
        return np.asarray(logit(np.clip(share, LEAST_CHANCE, 1.0 - LEAST_CHANCE)))

    def log_chance(self, ability: Abilities, cols: IntArray, values: FloatArray) -> FloatArray:
        """Log-probabilities (m,) of given answers; answers that the fit does not know are nan."""
        share = (values - self.low[cols]) / (self.high[cols] - self.low[cols])
        expected = (self.constant[cols] - self.low[cols]) / (self.high[cols] - self.low[cols])
        out = share * np.log(expected) + (1.0 - share) * np.log1p(-expected)
        for own, chance, item in self.chances(ability, cols):
            known = [self.fit.categories[j] for j in np.unique(item)]
            table = np.array(known)[np.searchsorted(np.unique(item), item)]
            is_it = table == values[own][:, None]
            picked = np.log(np.maximum(np.sum(chance * is_it, axis=1), LEAST_CHANCE))
            out[own] = np.where(is_it.any(axis=1), picked, np.nan)
        return out

    def probabilities(self, ability: Abilities, cols: IntArray) -> FloatArray:
        """Chances (m, K) of all classes; columns with fewer classes than the largest have 0 there."""
        K = int(self.fit.layout.classes.max())
        out = np.zeros((len(cols), K))
        share = (self.constant[cols] - self.low[cols]) / (self.high[cols] - self.low[cols])
        out[:, 0], out[:, 1] = 1.0 - share, share
        for own, chance, _ in self.chances(ability, cols):
            out[own] = 0.0
            out[own, : chance.shape[1]] = chance
        return out


@storable
@dataclass(frozen=True)
class GradedAnswer:
    r"""Answers of columns with their own least and largest value: expectation :math:`l + (h - l)\,\sigma(m)`.

    The loss of an answer is that of its share of the way from the least to the largest value.

    Attributes
    ----------
    low, high : ndarray (p,)
    """

    low: FloatArray
    high: FloatArray
    name: str = "answers"
    kernel: str | None = None
    trials: float = 1.0
    has_dispersion: bool = False
    has_columns: bool = True
    is_estimated: bool = False
    support: str = "answers that the column had when the model was fitted"

    def at_columns(self, cols: Any) -> GradedAnswer:
        """The loss of entries in these columns."""
        return GradedAnswer(self.low[cols], self.high[cols])

    def learned(self, observed: Any) -> GradedAnswer:
        """Itself: the fit has the values."""
        return self

    def improved(self, cells: Any) -> tuple[GradedAnswer, float, None]:
        """Itself: nothing is estimated."""
        return self, 0.0, None

    def invalid(self, y: FloatArray) -> FloatArray:
        """Answers outside their column's range."""
        return np.asarray((y < self.low) | (y > self.high))

    @property
    def _span(self) -> FloatArray:
        return self.high - self.low

    def value(self, y: FloatArray, m: FloatArray) -> FloatArray:
        share = (y - self.low) / self._span
        return np.logaddexp(0.0, m) - share * m

    def gradient(self, y: FloatArray, m: FloatArray) -> FloatArray:
        return expit(m) - (y - self.low) / self._span

    def curvature(self, y: FloatArray, m: FloatArray) -> FloatArray:
        return np.asarray(expit(m) * expit(-m))

    def mean(self, m: FloatArray) -> FloatArray:
        return np.asarray(self.low + self._span * expit(m), dtype=np.asarray(m).dtype)

    def link(self, mu: FloatArray) -> FloatArray:
        share = (mu - self.low) / self._span
        return np.asarray(logit(np.clip(share, LEAST_CHANCE, 1.0 - LEAST_CHANCE)))

    def variance(self, m: FloatArray) -> FloatArray:
        """Of the mean by the predictor: its derivative."""
        return self._span * expit(m) * expit(-m)

    def third(self, m: FloatArray) -> FloatArray:
        return self.variance(m) * (expit(-m) - expit(m))

    def deviance(self, y: FloatArray, m: FloatArray) -> FloatArray:
        share = np.clip((y - self.low) / self._span, LEAST_CHANCE, 1.0 - LEAST_CHANCE)
        best = -share * np.log(share) - (1.0 - share) * np.log1p(-share)
        return 2.0 * np.maximum(self.value(y, m) - best, 0.0)
