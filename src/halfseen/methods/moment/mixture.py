"""Rows that are one of a few common means: the means themselves, and the second moment they make."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray, RandomState, as_generator
from halfseen.data import Observed, as_observed, storable
from halfseen.parameters import Whole
from halfseen.solvers.loop import Run, SweepResult, loop
from halfseen.solvers.stops import RelativeChange

# Entries of a mean's rows in a column, on average: with fewer, columns of some means stay empty.
LEAST_ENTRIES = 5.0
# Links from a row to others of its mean: below this many times log d the rows fall into islands.
LEAST_LINKS = 0.75
# Means that leave more than this share of the columns' variances are not well separated.
WELL_SEPARATED = 0.1
MAX_SWEEPS = 100


@storable
@dataclass(frozen=True)
class CommonMeans:
    r"""Common means of rows, from :func:`common_means`.

    Attributes
    ----------
    means : ndarray (r, d)
        :math:`\mu_k`, of the most frequent first; nan where no row of a mean was seen in a column.
    shares : ndarray (r,)
        :math:`\pi_k`.
    labels : int array (n,)
        The mean of every row; -1 for rows without entries.
    psi : float
        Variance of the entries around their means.
    left_over : float
        Share of the columns' variances that the means leave.
    run : Run
    """

    means: FloatArray
    shares: FloatArray
    labels: IntArray
    psi: float
    left_over: float
    run: Run

    @property
    def factor(self) -> FloatArray:
        r"""X (d, r) with :math:`XX^\top = \sum_k \pi_k \mu_k \mu_k^\top`; means nobody saw count as 0."""
        return np.nan_to_num(self.means).T * np.sqrt(self.shares)

    def second_moment(self) -> FloatArray:
        r""":math:`\sum_k \pi_k \mu_k \mu_k^\top + \psi I`; nan for columns never seen."""
        X = self.factor
        T: FloatArray = X @ X.T + self.psi * np.eye(len(X))
        unseen = np.isnan(self.means).all(axis=0)
        T[unseen], T[:, unseen] = np.nan, np.nan
        return T


def common_means(R: Any, n_means: int, random_state: RandomState = None) -> CommonMeans:
    r"""Second moment of rows that all are one of a few well separated means and a little noise.

    .. math:: m_t = \mu_{k(t)} + \varepsilon_t,\qquad T = \sum_k \pi_k \mu_k \mu_k^\top

    Two rows that share a column and a value in it share their mean. The values of every column are cut at their
    ``n_means - 1`` widest gaps; rows and pieces form a graph, whose leading singular vectors are clustered; then rows
    go to the nearest mean over what was seen of them, and means to the mean of their rows, in turns.

    Parameters
    ----------
    R : Observed, NaN array, data frame or scipy.sparse (n, d)
    n_means : int
        r.
    random_state : int, Generator or None
        Draws the starts of the clustering.

    Returns
    -------
    CommonMeans

    Raises
    ------
    ValueError
        Where a mean has fewer than five entries in a column on average, :math:`nm/(dr) < 5` with m entries a row, or
        its rows do not hang together, :math:`nm(m-1)/(dr) < 0.75\log d`; for weights of entries.

    Notes
    -----
    O(entries (r + log entries)) per sweep; no n x d array. Where the model holds, ten entries tell a row's mean, and T
    is known as well as if all rows had been complete; pairs alone (`OneSidedCompletion`) cannot see that. Where it
    does not hold, the answer is wrong: a warning tells when the means leave a tenth of the columns' variances or more.
    Source: the mixture estimator beside "One-Sided Matrix Completion from Ultra-Sparse Samples"; the graph is ours.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.normal(size=(3, 40))
    >>> rows = truth[rng.integers(3, size=2000)]
    >>> T = rows.T @ rows / 2000
    >>> found = common_means(np.where(rng.random(rows.shape) < 0.1, rows, np.nan), 3, random_state=0)
    >>> bool(np.linalg.norm(found.second_moment() - T) < 0.02 * np.linalg.norm(T))
    True
    """
    observed = as_observed(R, name="R")
    check_room(observed, n_means)
    rng = as_generator(random_state)
    sweep = NearestMeans(observed, n_means)
    run = loop(sweep, start_of(observed, n_means, rng), [RelativeChange(1e-12)], max_iter=MAX_SWEEPS)
    return read_off(observed, n_means, run)


def check_room(observed: Observed, n_means: Any) -> None:
    """Refuse what cannot be told apart."""
    Whole(1).check("n_means", n_means)
    (n, d), entries = observed.shape, observed.n_entries
    if observed.weights is not None:
        raise ValueError("R has weights, and rows are compared entry by entry; leave them out")
    counts = np.bincount(observed.rows, minlength=n).astype(float)
    seen, links = entries / (d * n_means), float(np.sum(counts * (counts - 1.0))) / (d * n_means)
    if seen < LEAST_ENTRIES or links < LEAST_LINKS * np.log(max(d, 2)):
        raise ValueError(
            f"n_means={n_means}: a mean has {seen:.2g} entries in a column and {links:.2g} links on average, needed: "
            f"{LEAST_ENTRIES:g} and {LEAST_LINKS * np.log(max(d, 2)):.2g}; give more rows or fewer means, or use "
            "OneSidedCompletion, which needs pairs only"
        )


def pieces(observed: Observed, n_means: int) -> IntArray:
    """The piece of its column that every entry is in: values cut at the widest gaps."""
    rows, cols, values = observed.rows, observed.cols, observed.values
    order = np.lexsort((values, cols))
    col, value = cols[order], values[order]
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = col[1:] != col[:-1]
    gap = np.zeros(len(order))
    gap[1:] = np.where(is_new[1:], -1.0, value[1:] - value[:-1])
    gap[is_new] = -1.0  # ranked last in its column
    widest = np.lexsort((-gap, col))
    place = np.arange(len(order)) - np.maximum.accumulate(np.where(is_new, np.arange(len(order)), 0))
    is_cut = np.zeros(len(order), dtype=bool)
    is_cut[widest[place < n_means - 1]] = True
    piece_of = np.empty(len(order), dtype=np.int64)
    piece_of[order] = np.cumsum(is_new | (is_cut & (gap > 0.0))) - 1
    assert len(piece_of) == len(rows)
    return piece_of


def start_of(observed: Observed, n_means: int, rng: np.random.Generator) -> IntArray:
    """Labels of rows from the graph of rows and pieces: spectral clustering."""
    from scipy import sparse
    from scipy.sparse.linalg import svds
    from sklearn.cluster import KMeans

    n, piece = observed.shape[0], pieces(observed, n_means)
    graph = sparse.csr_array((np.ones(len(piece)), (observed.rows, piece)), shape=(n, int(piece.max()) + 1))
    left, right = (1.0 / np.sqrt(np.maximum(graph.sum(axis=axis), 1.0)) for axis in (1, 0))
    scaled = sparse.diags_array(left) @ graph @ sparse.diags_array(right)
    if n_means >= min(scaled.shape):
        return np.zeros(n, dtype=np.int64)
    U = svds(scaled, k=n_means, v0=rng.standard_normal(min(scaled.shape)))[0]
    U /= np.maximum(np.linalg.norm(U, axis=1, keepdims=True), 1e-300)
    seed = int(rng.integers(2**31 - 1))
    labels: IntArray = KMeans(n_means, n_init=10, random_state=seed).fit(U).labels_.astype(np.int64)
    return labels


@dataclass(frozen=True)
class NearestMeans:
    """Sweep: means of the rows that a label holds, then every row to the nearest over its seen entries."""

    observed: Observed
    n_means: int

    def means(self, labels: IntArray) -> tuple[FloatArray, FloatArray]:
        """Means (r, d), those nobody saw being their column's, and the number of their entries."""
        d, R = self.observed.shape[1], self.observed
        place = labels[R.rows] * d + R.cols
        counts, sums = (
            np.bincount(place, weights=weights, minlength=self.n_means * d).reshape(self.n_means, d)
            for weights in (None, R.values.astype(float))
        )
        whole = sums.sum(axis=0) / np.maximum(counts.sum(axis=0), 1.0)
        return np.where(counts > 0, sums / np.maximum(counts, 1.0), whole), counts.astype(float)

    def __call__(self, labels: IntArray) -> SweepResult:
        means, _ = self.means(labels)
        distances = self.distances(means)
        nearest = distances.argmin(axis=1)
        value = float(np.sum(np.take_along_axis(distances, nearest[:, None], axis=1)))
        return SweepResult(nearest, max(value, 0.0))

    def distances(self, means: FloatArray) -> FloatArray:
        """Squared distances over the seen entries, (n, r), mean by mean."""
        R = self.observed
        values = R.values.astype(float)
        columns = [
            np.bincount(R.rows, weights=np.square(values - mean[R.cols]), minlength=R.shape[0]) for mean in means
        ]
        return np.stack(columns, axis=1)


def read_off(observed: Observed, n_means: int, run: Run) -> CommonMeans:
    """Means by falling share; a warning where they are not well separated."""
    sweep, d = NearestMeans(observed, n_means), observed.shape[1]
    has_entries = np.bincount(observed.rows, minlength=observed.shape[0]) > 0
    means, counts = sweep.means(run.params)
    held = np.bincount(run.params[has_entries], minlength=n_means)
    order = np.argsort(-held, kind="stable")
    labels = np.where(has_entries, np.argsort(order)[run.params], -1)
    values, column = observed.values.astype(float), counts.sum(axis=0)
    whole = np.bincount(observed.cols, weights=values, minlength=d) / np.maximum(column, 1.0)
    total = float(np.sum(np.square(values - whole[observed.cols])))
    inside = float(np.sum(np.square(values - means[run.params[observed.rows], observed.cols])))
    left, free = inside / max(total, 1e-300), len(values) - int(np.count_nonzero(counts))
    if left > WELL_SEPARATED:
        warnings.warn(
            f"{n_means} common means leave {100 * left:.0f} % of the columns' variances: rows are no such mixture, or "
            "the means are too near each other; OneSidedCompletion needs neither",
            UserWarning,
            stacklevel=3,
        )
    seen = np.where(counts > 0, means, np.nan)[order]
    return CommonMeans(seen, held[order] / max(held.sum(), 1), labels, inside / max(free, 1), left, run.record())
