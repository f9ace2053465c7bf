"""Whether what is missing has to do with what was answered: a cheap look at every fit.

Two patterns can be seen in the answers themselves. *Targeted asking*: able rows were asked the harder (or the easier)
questions, as adaptive tests do. *Telling counts*: rows with a high level have more (or fewer) entries. A value that is
missing because of itself cannot be seen in the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray, RandomState, as_generator
from halfseen.data import Observed

PERMUTATIONS = 1999
# So many come first; where a tenth of them is as strong, the others would only confirm it.
FIRST_PERMUTATIONS = 99
# Each of two patterns is reported where chance gives it once in a thousand tables and it is strong enough to matter.
CHANCE, STRENGTH = 0.001, 0.25
ROUNDS = 4
# Rows whose levels are permuted; more tell no more.
MOST_ROWS = 5000
FEWEST_ROWS, FEWEST_COLS = 9, 4
# Below this share of missing cells the rows were all asked the same questions.
LEAST_MISSING = 0.02


@dataclass(frozen=True)
class Pattern:
    """A correlation over rows, and the chance of one as strong when levels have nothing to do with what was seen."""

    correlation: float
    chance: float

    @property
    def speaks(self) -> bool:
        """Whether the pattern is neither chance nor too weak to matter."""
        return self.chance <= CHANCE and abs(self.correlation) >= STRENGTH


@dataclass(frozen=True)
class Missingness:
    """What the answers say about why cells are missing.

    Attributes
    ----------
    targeting : Pattern or None
        Between a row's level and the mean level of the columns it has entries in.
    counting : Pattern or None
        Between a row's level and the logarithm of its number of entries.
    """

    targeting: Pattern | None
    counting: Pattern | None

    def sentences(self, has_sensitivity: bool = True) -> tuple[str, ...]:
        """What to tell the user, a sentence or two for each pattern that speaks.

        Parameters
        ----------
        has_sensitivity : bool
            Whether the model's inference shows its scores under a stated tilt.
        """
        tilted = " Or show the table under a stated tilt: inference().sensitivity()." if has_sensitivity else ""
        texts = []
        if self.targeting is not None and self.targeting.speaks:
            kind = "easier (higher)" if self.targeting.correlation > 0 else "harder (lower)"
            texts.append(
                f"cells are not missing at random: rows with high values were seen in {kind} columns (correlation "
                f"{self.targeting.correlation:.2f}, permutation p {self.targeting.chance:.3f}), as in adaptive tests. "
                "Means of the seen cells mislead, and scores and ranks rest on the model more than their intervals "
                f"say. Compare rows on columns that all of them have.{tilted}"
            )
        if self.counting is not None and self.counting.speaks:
            kind = "more" if self.counting.correlation > 0 else "fewer"
            texts.append(
                f"rows with high values have {kind} entries (correlation {self.counting.correlation:.2f}, permutation "
                f"p {self.counting.chance:.3f}): whether a cell was seen may depend on its value. Predictions for "
                f"rows with few entries lean towards the others'.{tilted}"
            )
        return tuple(texts)


def missing_for_a_reason(observed: Observed, random_state: RandomState = 0) -> Missingness:
    r"""Look for targeted asking and telling counts.

    With rows cut at random in three parts, a row of one part has the level
    :math:`a_i = \operatorname{mean}_j (y_{ij} - d_j)/s_j`, with column levels :math:`d_j` of the second part, and the
    target :math:`t_i = \operatorname{mean}_j d'_j`, with column levels of the third (both from models of row and
    column effects), so that no error is shared. Correlations of :math:`a_i` with :math:`t_i` and with
    :math:`\log n_i` are compared with those after permuting the levels among the rows, each over its standard error
    :math:`(\sum_i w_i^2 a_i^2 t_i^2 + \sum_j v_j c_j^2)^{1/2}`: rows with few entries have rough levels and rough
    targets alike, and the errors of the column levels, of variance :math:`v_j`, are shared by the rows of a part
    (their weights in the sum are :math:`c_j`; of few columns they do not average out, and permuted levels have none).

    Parameters
    ----------
    observed : Observed
        Values of any family: numbers, yes/no answers, counts, classes.
    random_state : int, Generator or None

    Returns
    -------
    Missingness
        Without patterns for tables that are (nearly) complete, or too small to tell.

    Notes
    -----
    O(E) time and memory, and 99 to 1999 permutations of at most 5000 rows. Studentised correlations keep the level of a
    permutation test under unequal variances: DiCiccio and Romano (2017), "Robust permutation tests for correlation and
    regression coefficients", JASA 112. False alarms in 2400 tables of 60 x 5 (two families, two shares, even and uneven
    counts): 32 with plain correlations, 3 with these.

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_factor_data(60, 40, rank=1, observed=0.6, random_state=0)
    >>> missing_for_a_reason(data.observed).sentences()
    ()
    """
    n, p = observed.shape
    counts = observed.by_rows.counts
    has_entries = np.flatnonzero(counts > 0)
    share_missing = 1.0 - observed.n_entries / max(1.0, float(len(has_entries)) * p)
    if len(has_entries) < FEWEST_ROWS or p < FEWEST_COLS or share_missing < LEAST_MISSING:
        return Missingness(None, None)
    rng = as_generator(random_state)
    part = np.full(n, -1)
    part[rng.permutation(has_entries)] = np.arange(len(has_entries)) % 3
    parts = _row_parts(observed, _scaled(observed), part)
    levels = [_column_levels(own) for own in parts]
    level, target, shared = np.full(n, np.nan), np.full(n, np.nan), []
    for k in range(3):
        (first, variance), (second, _), own = levels[(k + 1) % 3], levels[(k + 2) % 3], parts[k]
        is_known = np.isfinite(first) & np.isfinite(second)
        seen = is_known.astype(float)
        size = own.pattern @ seen
        rows, here = own.rows[size > 0], np.flatnonzero(size > 0)
        if not len(rows):
            continue
        sums = own.values @ seen - own.pattern @ np.where(is_known, first, 0.0)
        aims = own.pattern @ np.where(is_known, second, 0.0)
        level[rows], target[rows] = sums[here] / size[here], aims[here] / size[here]
        # parts differ in the level of their columns: only differences within a part say anything
        level[rows] -= level[rows].mean()
        target[rows] -= target[rows].mean()
        shared.append(_Shared(rows, own.pattern[here], size[here], np.where(is_known, variance, 0.0)))
    usable = np.flatnonzero(np.isfinite(level) & np.isfinite(target))
    if len(usable) < FEWEST_ROWS:
        return Missingness(None, None)
    usable = usable if len(usable) <= MOST_ROWS else np.sort(rng.choice(usable, MOST_ROWS, replace=False))
    size = np.log(counts[usable].astype(float))
    return Missingness(
        _pattern(level[usable], target[usable], counts[usable].astype(float), usable, shared, rng),
        _pattern(level[usable], size, np.ones(len(usable)), usable, shared, rng),
    )


def _scaled(observed: Observed) -> FloatArray:
    """Values in units of their columns' spread (the whole table's where a column has none)."""
    y, cols, p = np.asarray(observed.values, dtype=float), observed.cols, observed.shape[1]
    y = y / max(float(np.abs(y).max()), 1e-300)
    size = np.maximum(np.bincount(cols, minlength=p), 1)
    mean = np.bincount(cols, y, minlength=p) / size
    spread = np.sqrt(np.bincount(cols, np.square(y - mean[cols]), minlength=p) / size)
    usual = float(np.sqrt(np.mean(np.square(y - y.mean()))))
    # the same unit for all columns: levels of columns are compared with each other
    typical = float(np.median(spread[spread > 0])) if np.any(spread > 0) else usual
    return np.asarray(y / (typical or 1.0))


@dataclass(frozen=True)
class _Part:
    """Some of the rows: their numbers, the places of their entries as a sparse matrix of ones, and the values."""

    rows: IntArray
    pattern: Any
    values: Any


def _row_parts(observed: Observed, values: FloatArray, part: IntArray) -> list[_Part]:
    from scipy.sparse import csr_array

    view = observed.by_rows
    starts = view.indptr.astype(np.int32) if observed.n_entries < 2**31 else view.indptr
    ones, numbers = (
        csr_array((data, view.indices, starts), shape=observed.shape) for data in (np.ones(len(values)), values)
    )
    members = [np.flatnonzero(part == k) for k in range(3)]
    return [_Part(rows, ones[rows], numbers[rows]) for rows in members]


@dataclass(frozen=True)
class _Shared:
    """What the levels of a part's rows have in common: the errors of the column levels taken from them.

    Attributes
    ----------
    rows : int array
    pattern : sparse array (rows, p)
    size : ndarray
        Columns that a row's level is the mean over.
    variance : ndarray (p,)
        Of the column levels.
    """

    rows: IntArray
    pattern: Any
    size: FloatArray
    variance: FloatArray

    def variance_of(self, weights: FloatArray) -> float:
        """Variance that these errors give to a weighted sum of all rows' levels."""
        own = weights[self.rows]
        used = own != 0
        if not used.any():
            return 0.0
        # levels were centred within the part
        own = np.where(used, own - own[used].mean(), 0.0)
        return float(np.square(self.pattern.T @ (own / self.size)) @ self.variance)


def _column_levels(part: _Part) -> tuple[FloatArray, FloatArray]:
    """Column effects beside row effects, from some of the rows, and their variances; nan without entries."""
    seen, turned = part.pattern, part.pattern.T
    n_rows, n_cols = np.diff(seen.indptr), turned @ np.ones(seen.shape[0])
    row_sums, col_sums = part.values @ np.ones(seen.shape[1]), part.values.T @ np.ones(seen.shape[0])
    a, d = np.zeros(seen.shape[0]), np.zeros(seen.shape[1])
    for _ in range(ROUNDS):
        d = (col_sums - turned @ a) / np.maximum(n_cols, 1)
        a = (row_sums - seen @ d) / np.maximum(n_rows, 1)
    left = part.values.data - np.repeat(a, n_rows) - d[seen.indices]
    spent = int(np.count_nonzero(n_rows)) + int(np.count_nonzero(n_cols)) - 1
    freedom = max(len(left) - spent, 1)
    # a row tells only what it has beyond its own effect
    told = n_cols - turned @ (1.0 / np.maximum(n_rows, 1))
    variance = np.sum(np.square(left)) / (float(freedom) * np.maximum(told, 1.0))
    return np.asarray(np.where(n_cols > 0, d, np.nan)), np.asarray(variance)


def _pattern(
    level: FloatArray,
    other: FloatArray,
    weights: FloatArray,
    usable: IntArray,
    shared: list[_Shared],
    rng: np.random.Generator,
) -> Pattern | None:
    """Weighted correlation over the usable rows, against permutations of the levels, both studentised."""
    w = np.asarray(weights, dtype=float) / np.sum(weights)
    centred = other - w @ other
    # a heavy tail of levels or counts must not decide alone
    a = _normal_scores(level)
    weighted = w * centred
    scale, spread = np.sqrt(w @ np.square(centred)), float(np.std(level))
    if not (scale > 1e-12 and spread > 1e-12):
        return None

    def ratio(values: FloatArray, common: float = 0.0) -> float:
        middle = values - w @ values
        return abs(float(weighted @ middle)) / float(np.sqrt(np.square(weighted) @ np.square(middle) + common + 1e-300))

    everywhere = np.zeros(int(max(part.rows.max() for part in shared)) + 1)
    # normal scores move with the levels, over their standard deviation
    everywhere[usable] = weighted / spread
    seen = ratio(a, sum(part.variance_of(everywhere) for part in shared))
    strong = 0
    for drawn in range(1, PERMUTATIONS + 1):
        strong += ratio(rng.permutation(a)) >= seen
        if drawn == FIRST_PERMUTATIONS and strong > 0.1 * drawn:
            break
    middle = a - w @ a
    correlation = float(weighted @ middle) / (scale * max(float(np.sqrt(w @ np.square(middle))), 1e-300))
    return Pattern(float(correlation), (1 + strong) / (drawn + 1))


def _normal_scores(values: FloatArray) -> FloatArray:
    from scipy.special import ndtri

    # mean ranks by hand: scipy.stats takes half a second to import
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - 0.5 * (counts - 1)
    return np.asarray(ndtri(ranks[inverse] / (len(values) + 1.0)))
