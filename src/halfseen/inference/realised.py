"""The sum of responses not yet seen: its exact predictive interval, also where a row hides a single cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln, ndtr
from scipy.stats import nbinom, poisson

from halfseen.losses import Loss, at_columns, members_of

Array = NDArray[Any]

# Nodes of the Gauss-Hermite rule over the error that the predictors of one row share.
NODES = 15
# A predictor whose error is infinite says anything: this many units of the linear predictor are enough for that.
WILD = 3.0
# From this many hidden cells on their sum is normal given the row's error, to rounding.
MOST_CELLS = 200
NUMBERS_AT_ONCE = 1 << 21
# Counts beyond this tail are left out of a row's distribution.
COUNT_TAIL = 1e-7
MOST_COUNTS = 4096
LARGE_COUNT = 25.0


def hidden_sums(
    loss: Loss, linear: Array, se: Array, cols: Array, pointer: Array, dispersion: float, tail: float
) -> tuple[Array, Array]:
    r"""Quantiles ``tail`` and ``1 - tail`` of the sum of each row's hidden responses.

    .. math:: P(S_i \le s) = \int P\Big(\sum_{j\ \mathrm{hidden}} Y_{ij} \le s \,\Big|\,
              m_{ij} = L_{ij} + x\,\mathrm{se}_{ij}\Big) \varphi(x)\,dx

    The errors of a row's predictors are taken as one, which is what they mostly share: its own factor. Yes/no answers
    and classes: the law of their sum by convolution (a Poisson-binomial law for yes/no answers). Counts: a negative
    binomial of the sum's mean and variance. Real numbers: normal. Both tails hold at most ``tail``, so that the range
    holds at least the level.

    Parameters
    ----------
    loss : Loss
        Of the whole table.
    linear, se : ndarray (n_cells,)
        Linear predictors of the hidden cells, row by row, and their standard errors (infinite: unknown).
    cols : int ndarray (n_cells,)
        Columns of the cells.
    pointer : int ndarray (m + 1,)
        Where each row's cells begin.
    dispersion : float
        Residual variance of families that have one.
    tail : float

    Returns
    -------
    low, high : ndarray (m,)
        0 for a row without hidden cells.

    Notes
    -----
    O(15 k^2) per row of k hidden yes/no answers up to 200, O(15 k) beyond.

    Examples
    --------
    >>> from halfseen.losses import get_loss
    >>> hidden_sums(get_loss("bernoulli"), np.zeros(3), np.zeros(3), np.arange(3), np.array([0, 1, 3]), 1.0, 0.1)
    (array([0., 0.]), array([1., 2.]))
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    weights = weights / weights.sum()
    reach = np.where(np.isfinite(se), se, WILD)
    low, high = np.zeros(len(pointer) - 1), np.zeros(len(pointer) - 1)
    for rows in _blocks(np.diff(pointer), loss):
        law = _Law(loss, linear, reach, cols, pointer, rows, nodes, dispersion)
        low[rows], high[rows] = law.quantiles(weights, tail)
    return low, high


def sums_by_moments(mean: Array, variance: Array, counts: Array, tail: float) -> tuple[Array, Array]:
    r"""Quantiles ``tail`` and ``1 - tail`` of sums of hidden yes/no answers of which two moments are known.

    A beta-binomial law of that mean and variance, a binomial one where the variance is smaller than its own, which
    makes the range rather too wide:

    .. math:: \mathrm{var}(S) = k\mu(1-\mu)\,(1 + (k - 1)\rho),\qquad \mu = E(S)/k

    Parameters
    ----------
    mean, variance : ndarray (n,)
        Of each row's sum.
    counts : ndarray (n,)
        Hidden answers k of each row.
    tail : float

    Returns
    -------
    low, high : ndarray (n,)
        0 without hidden answers; nan for more than 200 of them, whose sum is normal.

    Notes
    -----
    O(k) per row.

    Examples
    --------
    >>> low, high = sums_by_moments(np.array([0.5, 4.0, 0.0]), np.array([0.3, 1.0, 0.0]), np.array([1, 4, 0]), 0.025)
    >>> low.tolist(), high.tolist()
    ([0.0, 4.0, 0.0], [1.0, 4.0, 0.0])
    """
    counts = np.round(np.asarray(counts, dtype=float)).astype(np.int64)
    low, high = np.zeros(len(counts)), np.zeros(len(counts))
    low[counts > MOST_CELLS] = high[counts > MOST_CELLS] = np.nan
    few = np.flatnonzero((counts > 0) & (counts <= MOST_CELLS))
    for start in range(0, len(few), NUMBERS_AT_ONCE // MOST_CELLS):
        rows = few[start : start + NUMBERS_AT_ONCE // MOST_CELLS]
        k = counts[rows].astype(float)
        share = np.clip(mean[rows] / k, 1e-9, 1.0 - 1e-9)
        excess = variance[rows] / (k * share * (1.0 - share)) - 1.0
        rho = np.clip(np.where(k > 1, excess / np.maximum(k - 1.0, 1.0), 0.0), 1e-6, 0.999)
        a, b = share * (1.0 / rho - 1.0), (1.0 - share) * (1.0 / rho - 1.0)
        s = np.arange(int(k.max()) + 1.0)
        with np.errstate(invalid="ignore"):
            log = (
                gammaln(k + 1)[:, None] - gammaln(s + 1) - gammaln(np.maximum(k[:, None] - s, 0.0) + 1)
                + betaln(s + a[:, None], np.maximum(k[:, None] - s, 0.0) + b[:, None]) - betaln(a, b)[:, None]
            )  # fmt: skip
        below = np.cumsum(np.where(s <= k[:, None], np.exp(log), 0.0), axis=1)
        below /= below[:, -1:]
        low[rows], high[rows] = (below > tail).argmax(axis=1), (below >= 1.0 - tail).argmax(axis=1)
    return low, high


def on_lattice(
    ends: tuple[Array, Array], score: tuple[Array, Array], known: tuple[Array, Array], p: int, q: float
) -> tuple[Array, Array]:
    """Ends of realised mean scores of yes/no answers at what such a score can be, from their moments.

    Parameters
    ----------
    ends : (ndarray, ndarray) of (n,)
        Of normal intervals; kept for rows with more than 200 hidden answers.
    score : (ndarray, ndarray) of (n,)
        Estimates and their standard errors.
    known : (ndarray, ndarray) of (n,)
        Sums of the answers that were seen, and numbers of those that were not.
    p : int
        Columns.
    q : float
        Normal quantile of the level.
    """
    (estimate, se), (sums, left) = score, known
    low, high = sums_by_moments(p * estimate - sums, np.square(p * se), left, float(ndtr(-q)))
    return tuple(  # type: ignore[return-value]
        np.where(np.isnan(end), normal, (sums + end) / p) for end, normal in zip((low, high), ends, strict=True)
    )


def _width(loss: Any) -> int:
    """Values that one response can add to a row's sum."""
    spans = [member.range[1] - member.range[0] for member, _ in members_of(loss) if hasattr(member, "masses")]
    return int(max(spans, default=0.0))


def _blocks(counts: Array, loss: Loss) -> Iterator[Array]:
    """Rows with hidden cells, of similar numbers of them, in blocks that fit the memory."""
    order = np.argsort(counts, kind="stable")
    order, width, begin = order[counts[order] > 0], max(_width(loss), 1), 0
    while begin < len(order):  # not an iteration: blocks of rows
        most = counts[order[begin]]
        size = max(1, NUMBERS_AT_ONCE // (NODES * (2 * min(most, MOST_CELLS) * width + 64)))
        end = min(begin + size, int(np.searchsorted(counts[order], 2 * most, side="right")))
        yield order[begin:end]
        begin = end


class _Law:
    """The law of the sums of some rows at each node, as a lattice part, a count part and a normal part.

    Attributes
    ----------
    masses : ndarray (nodes, m, s)
        Chances of the lattice part's values above ``lowest``.
    lowest : ndarray (m,)
    mean, variance : ndarray (nodes, m)
        Of the normal part.
    """

    def __init__(
        self, loss: Loss, linear: Array, se: Array, cols: Array, pointer: Array, rows: Array, nodes: Array,
        dispersion: float,
    ) -> None:  # fmt: skip
        counts = np.diff(pointer)[rows]
        shape = (len(nodes), len(rows))
        self.masses, self.lowest = np.ones((*shape, 1)), np.zeros(len(rows))
        self.mean, self.variance = np.zeros(shape), np.zeros(shape)
        self.count_mean, self.count_variance = np.zeros(shape), np.zeros(shape)
        self.is_lattice = np.ones(len(rows), dtype=bool)
        is_long = counts > MOST_CELLS
        for step in range(int(counts.max())):
            has = np.flatnonzero(counts > step)
            cells = pointer[rows[has]] + step
            m = linear[cells] + nodes[:, None] * se[cells]
            for member, chosen in _members_at(loss, cols[cells]):
                self._add(member, m[:, chosen], has[chosen], is_long, dispersion)

    def _add(self, loss: Any, m: Array, at: Array, is_long: Array, dispersion: float) -> None:
        """Add one response to each of the rows ``at``."""
        if hasattr(loss, "masses"):
            short = ~is_long[at]
            self._convolve(loss, m, at, short)
            at, mean, variance = at[~short], loss.mean(m)[:, ~short], loss.variance(m)[:, ~short]
            self.mean[:, at] += mean
            self.variance[:, at] += variance
        elif np.isfinite(loss.range[0] if hasattr(loss, "range") else -np.inf):
            self.count_mean[:, at] += loss.mean(m)
            self.count_variance[:, at] += loss.variance(m)
        else:
            self.mean[:, at] += loss.mean(m)
            self.variance[:, at] += dispersion * loss.variance(m)
            self.is_lattice[at] = False

    def _convolve(self, loss: Any, m: Array, at: Array, short: Array) -> None:
        if not short.any():
            return
        chances, at = loss.masses(m)[:, short], at[short]
        old, span = self.masses, chances.shape[-1] - 1
        new = np.zeros((*old.shape[:2], old.shape[2] + span))
        new[:, :, : old.shape[2]] = old
        new[:, at] = 0.0
        for value in range(span + 1):
            new[:, at, value : value + old.shape[2]] += chances[:, :, value, None] * old[:, at]
        self.masses = new
        self.lowest[at] += float(loss.range[0])

    def quantiles(self, weights: Array, tail: float) -> tuple[Array, Array]:
        """Both ends of every row."""
        has_counts, has_reals = self.count_variance.any(), self.variance.any()
        if not (has_counts or has_reals):
            below = np.cumsum(np.einsum("q,qms->ms", weights, self.masses), axis=1)
            # rounding must not push the last probability below its level
            below[:, -1] = 1.0
            return self.lowest + (below > tail).argmax(axis=1), self.lowest + (below >= 1.0 - tail).argmax(axis=1)
        if has_counts and has_reals:
            self._fold_large_counts()
            self.masses = _with_counts(self.masses, self.count_mean, self.count_variance)
        smooth = self._normal_below if has_reals else self._counts_below
        values = np.arange(self.masses.shape[2])

        def below_at(points: Array) -> Array:
            return np.asarray(np.einsum("q,qms,qms->m", weights, self.masses, smooth(points[:, None] - values)))

        top = self.mean + self.count_mean + 9.0 * np.sqrt(self.variance + self.count_variance) + 9.0
        low = np.floor(np.min(self.mean - 9.0 * np.sqrt(self.variance), axis=0)) - 1.0
        bounds = low, np.ceil(np.max(top, axis=0)) + len(values)
        ends = [_crossing(below_at, bounds, level, self.is_lattice) for level in (tail, 1.0 - tail)]
        return self.lowest + ends[0], self.lowest + ends[1]

    def _fold_large_counts(self) -> None:
        """Take the count part of rows where it is large as normal: beside real numbers its lattice does not show."""
        large = self.count_mean.max(axis=0) > LARGE_COUNT
        for total, part in ((self.mean, self.count_mean), (self.variance, self.count_variance)):
            total[:, large] += part[:, large]
            part[:, large] = 0.0

    def _normal_below(self, points: Array) -> Array:
        """Chance that the normal part is at most ``points`` (m, s); a lattice taken as normal ends half a step on."""
        edge = np.where(self.is_lattice, 0.5, 0.0)[:, None]
        sd = np.maximum(np.sqrt(self.variance), 1e-12)[:, :, None]
        return np.asarray(ndtr((points + edge - self.mean[:, :, None]) / sd))

    def _counts_below(self, points: Array) -> Array:
        """Chance that the count part is at most ``points`` (m, s)."""
        mean, excess = self.count_mean[:, :, None], (self.count_variance - self.count_mean)[:, :, None]
        size = mean**2 / np.maximum(excess, 1e-9 * mean**2 + 1e-300)
        counts = np.floor(points)
        is_wide = excess > 1e-6 * mean
        below = nbinom.cdf(counts, size, size / (size + mean)) if is_wide.any() else 0.0
        return np.asarray(np.where(is_wide, below, poisson.cdf(counts, mean)))


def _members_at(loss: Any, cols: Array) -> Iterator[tuple[Any, Array]]:
    """The losses of cells in these columns, each with the positions of its cells."""
    here: Any = at_columns(loss, cols)
    if hasattr(here, "groups"):
        yield from here.groups()
    else:
        yield here, np.arange(len(cols))


def _with_counts(masses: Array, mean: Array, variance: Array) -> Array:
    """Masses (nodes, m, s) convolved with counts of these means and variances (nodes, m)."""
    excess = np.maximum(variance - mean, 0.0)
    largest = poisson.ppf(1.0 - COUNT_TAIL, np.max(mean + 8.0 * np.sqrt(excess)))
    values = np.arange(int(min(largest, MOST_COUNTS)) + 1)
    mean = np.maximum(mean, 1e-12)  # a row without counts: surely 0
    size = (mean**2 / np.maximum(excess, 1e-9 * mean**2))[:, :, None]
    of_counts = np.where(
        (excess > 1e-6 * mean)[:, :, None],
        nbinom.pmf(values, size, size / (size + mean[:, :, None])),
        poisson.pmf(values, mean[:, :, None]),
    )
    out = np.zeros((*masses.shape[:2], masses.shape[2] + len(values) - 1))
    for value in range(masses.shape[2]):
        out[:, :, value : value + len(values)] += masses[:, :, value, None] * of_counts
    return out


def _crossing(below_at: Any, bounds: tuple[Array, Array], level: float, is_lattice: Array) -> Array:
    """Where increasing functions cross a level: the least whole number that reaches it, or a real number."""
    low, high = (np.array(bound, dtype=float) for bound in bounds)
    halvings = int(np.ceil(np.log2(np.max(high - low)))) + (0 if is_lattice.all() else 40)
    for _ in range(halvings):
        middle = np.where(is_lattice, np.floor(0.5 * (low + high)), 0.5 * (low + high))
        reached = below_at(middle) >= level
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return high
