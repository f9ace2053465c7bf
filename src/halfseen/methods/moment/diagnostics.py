"""What could be wrong with pairs of columns: never seen, few partners, separate islands, biased by activity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import BoolArray, FloatArray, IntArray, Labels, RandomState, as_generator
from halfseen.data import Observed, storable
from halfseen.data.components import pair_groups
from halfseen.inference.linked import linking_of_pairs
from halfseen.methods.moment.moments import PairMoments
from halfseen.methods.moment.targets import degrees

# Entries per row, over the rank, from which completing the rows themselves does better (measured: at 2 factors' worth
# one-sided still wins by far, at 5 it loses by a factor of two).
OFTEN_SEEN = 3.0
# Second moments seen for every unknown of X; below it the fit follows their noise (measured: at 1.1 the error is a
# hundred times that of rank one on data of rank one, at 2 it is twice).
LEAST_PER_UNKNOWN = 1.5
SIMULATED_ROWS = 20_000


# A factor on second moments that is worth saying; and standard errors of a correlation beyond which it is no chance.
LEAST_SLOPE, SURE = 0.1, 5.0


@storable
@dataclass(frozen=True)
class PairDiagnostics:
    """What the pairs themselves say about how far they can be trusted.

    Attributes
    ----------
    n_rows, n_cols : int
    entries_per_row : float
    rows_with_pairs : int
        Rows with at least two entries: the others say nothing about how columns move together.
    share_of_pairs : float
        Pairs ``i < j`` seen at least once, of all.
    unseen : bool array (d,)
        Columns without any entry.
    few_partners : bool array (d,)
        Columns seen with fewer others than there are factors: X is not determined there.
    islands : int array (d,)
        Number of the connected component of the pair graph; the signs of moments between two islands are a guess.
    activity_correlation : float
        Correlation over rows of the number of entries with the mean square of the entries. Weak rows and the rest
        of the population seen with different chances bias every estimator of this module.
    activity_slope : float
        What such rows do to the estimate, as a factor on T (1: nothing), if size really goes with activity; see
        `activity_bias` for a simulation.
    """

    n_rows: int
    n_cols: int
    entries_per_row: float
    rows_with_pairs: int
    share_of_pairs: float
    unseen: BoolArray
    few_partners: BoolArray
    islands: IntArray
    activity_correlation: float
    activity_slope: float

    @property
    def n_islands(self) -> int:
        """Connected components of the pair graph, unseen columns left out."""
        return len(np.unique(self.islands[~self.unseen])) if (~self.unseen).any() else 0

    @property
    def is_biased_by_activity(self) -> bool:
        """Whether activity goes with size, beyond chance, by enough to move second moments."""
        is_sure = abs(self.activity_correlation) * np.sqrt(self.n_rows) > SURE
        return bool(is_sure and abs(self.activity_slope - 1.0) > LEAST_SLOPE)

    def activity_text(self) -> str:
        """What goes with activity, and what it can do."""
        return (
            f"rows with more entries have {'larger' if self.activity_slope > 1 else 'smaller'} values "
            f"(correlation {self.activity_correlation:.2f}): second moments may be off by a factor of up to "
            f"{self.activity_slope:.2f}"
        )

    def islands_text(self, labels: Labels | None) -> str:
        """What is to be said of columns that fall into groups of substance; empty where they hang together."""
        linking = linking_of_pairs(self.islands, ~self.unseen)
        if linking is None or not linking.speaks:
            return ""
        names = np.arange(self.n_cols) if labels is None else labels
        return linking.sentence(names, 1, "second moments between them rest on nothing", "diagnostics_.islands")

    def messages(self, rank: int | None = None) -> list[str]:
        """What should be known, one sentence each; empty where all is well."""
        out = []
        if n := int(self.unseen.sum()):
            out.append(f"{n} of {self.n_cols} columns were never seen: their moments are nan, their predictions 0")
        if n := int((self.few_partners & ~self.unseen).sum()):
            out.append(f"{n} columns were seen with fewer others than there are factors: unreliable there")
        if self.n_islands > 1:
            out.append(f"the pairs form {self.n_islands} islands: moments between them rest on nothing")
        if abs(self.activity_slope - 1.0) > LEAST_SLOPE:
            out.append(self.activity_text())
        if rank and is_thin(self, rank):
            out.append(thin_text(self, rank))
        if rank and self.entries_per_row > OFTEN_SEEN * rank:
            out.append(often_seen_text(self.entries_per_row, rank))
        return out


def often_seen_text(entries_per_row: float, rank: int) -> str:
    """Advice for tables that are not sparse enough."""
    return (
        f"rows have {entries_per_row:.0f} entries on average, more than {OFTEN_SEEN:.0f} times the rank {rank}: "
        "ordinary completion (AlternatingLeastSquares, GeneralizedFactorModel) would learn the columns better, and "
        "the rows with them"
    )


def diagnose(moments: PairMoments, rank: int) -> PairDiagnostics:
    """Diagnostics of pair moments for a fit of this rank. O(pairs).

    Examples
    --------
    >>> import halfseen as hs
    >>> nan = float("nan")
    >>> rows = [[1.0, 2.0, nan, nan], [2.0, 1.0, nan, nan], [nan, nan, 1.0, 1.0]]
    >>> found = diagnose(hs.PairMoments.from_rows(rows), rank=1)
    >>> found.n_islands, found.rows_with_pairs, round(found.share_of_pairs, 2)
    (2, 3, 0.33)
    """
    d, (i, j) = moments.n_cols, moments.pairs()
    off = i != j
    degree, seen = degrees(moments), moments.diagonal().counts
    correlation, slope = activity(moments)
    return PairDiagnostics(
        moments.n_rows,
        d,
        moments.entries_per_row,
        int(moments.profile[0, 2:].sum()),
        int(off.sum()) / max(d * (d - 1) // 2, 1),
        seen == 0,
        degree < min(rank, max(d - 1, 1)),
        pair_groups(i[off], j[off], d),
        correlation,
        slope,
    )


def activity(moments: PairMoments) -> tuple[float, float]:
    r"""Correlation of activity with size, and the factor it can put on T.

    .. math:: \frac{\sum_t m_t(m_t - 1)\,q_t / \sum_t m_t (m_t - 1)}{\sum_t q_t / n},
              \qquad q_t = \text{mean square of row } t,

    over rows with entries: pairs come from rows in proportion to :math:`m_t(m_t-1)`, T counts every row once.
    """
    rows, sums = moments.profile
    m = np.arange(len(rows), dtype=float)
    filled = (m > 0) & (rows > 0)
    if filled.sum() < 2:
        return 0.0, 1.0
    rows, m, mean = rows[filled], m[filled], sums[filled] / rows[filled]
    total = rows.sum()
    typical, of_m = float(rows @ mean / total), float(rows @ m / total)
    pairs = rows * m * (m - 1.0)
    slope = float(pairs @ mean / pairs.sum()) / typical if pairs.sum() > 0 and typical > 0 else 1.0
    # between rows of different activity; what rows of one activity differ by is not kept
    spread = float(rows @ (mean - typical) ** 2 / total) * float(rows @ (m - of_m) ** 2 / total)
    covariance = float(rows @ ((mean - typical) * (m - of_m)) / total)
    return (covariance / np.sqrt(spread) if spread > 0 else 0.0), slope


def activity_bias(moments: PairMoments, X: FloatArray, psi: float, random_state: RandomState = None) -> float:
    """The factor that activity puts on Hajek's estimates, by simulation from the fitted model.

    Rows are drawn with the fitted second moment, their sizes scaled as the rows with so many entries have them, seen
    in as many columns, with the columns' own frequencies; the answer is the slope of the estimate on the truth.

    Returns
    -------
    float
        1 where activity does no harm.
    """
    rng = as_generator(random_state)
    rows, sums = moments.profile
    counts = np.repeat(np.arange(len(rows)), np.round(rows * min(1.0, SIMULATED_ROWS / max(rows.sum(), 1))).astype(int))
    mean = np.divide(sums, rows, out=np.zeros(len(rows)), where=rows > 0)
    typical = float(sums.sum() / max(rows[1:].sum(), 1.0))
    scale = np.sqrt(np.where(mean > 0, mean / typical, 1.0))[counts]
    chances = moments.diagonal().counts / max(moments.n_entries, 1)
    # columns without replacement by exponential races: the m smallest of E/chance
    d, pieces = moments.n_cols, []
    for part in np.array_split(np.arange(len(counts)), max(1, len(counts) * d // 4_000_000)):
        race = rng.exponential(size=(len(part), d)) / np.maximum(chances, 1e-300)
        order = np.argsort(race, axis=1)
        seen = np.zeros((len(part), d), dtype=bool)
        np.put_along_axis(seen, order, np.arange(d) < counts[part, None], axis=1)
        values = rng.standard_normal((len(part), X.shape[1])) @ X.T + np.sqrt(psi) * rng.standard_normal((len(part), d))
        values *= scale[part, None]
        pieces.append(PairMoments.from_rows(Observed.from_dense(np.where(seen, values, np.nan))))
    simulated = PairMoments.merge(pieces)
    i, j = simulated.pairs()
    off = i != j
    kept = simulated.at_pairs()
    truth = np.einsum("ek,ek->e", X[i[off]], X[j[off]])
    estimate, weight = kept.sums[off] / kept.counts[off], kept.counts[off]
    # sizes have mean square one over rows with entries, so that the truth is XX' itself
    return float(np.sum(weight * estimate * truth) / max(np.sum(weight * truth**2), 1e-300))


def row_sensitivity(moments: PairMoments, R: Any, bound: float | None = None) -> FloatArray:
    r"""What taking out single rows does: exact Euclidean change of :math:`(K, S/B^2)`, row by row.

    .. math:: \sqrt{\tfrac12 m_t(m_t + 1) + \tfrac{1}{2B^4}\big[(\textstyle\sum_j x_{tj}^2)^2 + \sum_j x_{tj}^4\big]}

    which is what `PairMoments.subtract` of that row changes. A diagnostic of the rows at hand: it uses them, and
    promises nothing about others.

    Parameters
    ----------
    moments : PairMoments
        That the rows are part of.
    R : Observed and the like
        The rows.
    bound : float, optional
        B; the largest value where not given.
    """
    from halfseen.data import as_observed

    rows = as_observed(R)
    if rows.shape[1] != moments.n_cols:
        raise ValueError(f"R has {rows.shape[1]} columns; needed: the {moments.n_cols} columns of the moments")
    B = float(np.max(np.abs(rows.values), initial=0.0)) if bound is None else float(bound)
    m = rows.by_rows.counts.astype(float)
    square = np.bincount(rows.rows, weights=(rows.values / B) ** 2, minlength=rows.shape[0])
    fourth = np.bincount(rows.rows, weights=(rows.values / B) ** 4, minlength=rows.shape[0])
    return np.sqrt(0.5 * m * (m + 1) + 0.5 * (square**2 + fourth))


def deletion_change(moments: PairMoments, R: Any) -> FloatArray:
    r"""Exact change of Hajek's estimates by taking out single rows, :math:`\|\bar T - \bar T^{(-t)}\|_F` over the pairs
    that stay seen, by subtraction of each row. O(entries of the row squared) each."""
    from halfseen.data import as_observed

    rows = as_observed(R)
    view, out = rows.by_rows, np.zeros(rows.shape[0])
    for t in range(rows.shape[0]):
        part = slice(view.indptr[t], view.indptr[t + 1])
        cols, x = view.indices[part], view.values[part].astype(float)
        left, right = np.triu_indices(len(cols))
        held = moments.at(cols[left], cols[right])
        stays = held.counts > 1
        product = (x[left] * x[right])[stays]
        before = held.sums[stays] / held.counts[stays]
        after = (held.sums[stays] - product) / (held.counts[stays] - 1)
        twice = np.where(left == right, 1.0, 2.0)[stays]
        out[t] = np.sqrt(np.sum(twice * (before - after) ** 2))
    return out


def per_unknown(diagnostics: PairDiagnostics, rank: int) -> float:
    """Second moments that were seen, one variance being taken off the diagonal, over the unknowns of X."""
    d = diagnostics.n_cols - int(np.count_nonzero(diagnostics.unseen))
    pairs = diagnostics.share_of_pairs * diagnostics.n_cols * (diagnostics.n_cols - 1) / 2.0
    return (pairs + d - 1.0) / max(d * rank - rank * (rank - 1) / 2.0, 1.0)


def is_thin(diagnostics: PairDiagnostics, rank: int) -> bool:
    """Whether a fit follows the noise of single pairs: few were seen, and hardly more than there are unknowns."""
    return diagnostics.share_of_pairs < 0.5 and per_unknown(diagnostics, rank) < LEAST_PER_UNKNOWN


def thin_text(diagnostics: PairDiagnostics, rank: int) -> str:
    """The warning where a fit is thin."""
    return (
        f"only {per_unknown(diagnostics, rank):.2g} second moments were seen for every unknown of rank {rank}: the fit "
        "follows their noise; lower the rank (rank='auto' chooses it on rows held out), or give more rows"
    )
