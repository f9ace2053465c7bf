"""Second moments that may be shown: clipped rows, noise on all pairs, and a plain statement of what it protects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.data import Observed, storable
from halfseen.inference.privacy import analytic_gaussian_sigma, check_budget
from halfseen.kernels.pairs import packed_size
from halfseen.methods.moment.moments import PairMoments
from halfseen.methods.moment.problem import PairTargets, table_of_pairs
from halfseen.parameters import Number, Whole, Word

NEIGHBOURS = ("add_remove", "replace")
# All pairs are released, seen or not: more columns than this would make a table of gigabytes.
MOST_COLUMNS = 20_000


@storable
@dataclass(frozen=True)
class Privacy:
    r"""What a private release of second moments promises.

    Parameters
    ----------
    epsilon, delta : float
        The promise of differential privacy for one row.
    bound : float
        Values are clipped to [-bound, bound]; choose it without looking at the data.
    max_entries : int
        Rows with more entries keep so many, drawn at random.
    neighbours : {"add_remove", "replace"}
        Data sets that must look alike: one row more or less (joint sensitivity :math:`\sqrt{m(m+1)}`), or one row
        exchanged (:math:`\sqrt{2m(m+1)}`).

    Examples
    --------
    >>> promise = Privacy(epsilon=2.0, delta=1e-6, bound=5.0, max_entries=6)
    >>> round(promise.sensitivity, 3), promise.sigma > promise.sensitivity
    (6.481, True)
    """

    epsilon: float
    delta: float
    bound: float | None = None
    max_entries: int | None = None
    neighbours: str = "add_remove"

    def __post_init__(self) -> None:
        check_budget(self.epsilon, self.delta)
        if self.bound is None:
            raise ValueError(
                "bound is missing: without a clipping bound one value can move the sums by any amount and no noise is "
                "enough. Give bound=B, the largest size of a value, known without looking at the data"
            )
        Number(0, above=True).check("bound", self.bound)
        if self.max_entries is None:
            raise ValueError("max_entries is missing: give the number of entries that a row may contribute, such as 6")
        Whole(1).check("max_entries", self.max_entries)
        Word(*NEIGHBOURS).check("neighbours", self.neighbours)

    @property
    def sensitivity(self) -> float:
        r"""Largest Euclidean change of (K, S/B^2), all pairs :math:`i \le j` together."""
        m = int(self.max_entries or 0)
        return float(np.sqrt((2 if self.neighbours == "replace" else 1) * m * (m + 1)))

    @property
    def sigma(self) -> float:
        """Standard deviation of the noise on every count and on every sum over bound squared."""
        return analytic_gaussian_sigma(self.epsilon, self.delta, self.sensitivity)

    def statement(self) -> str:
        """What is protected, and what is not."""
        what = (
            "one row added or removed (the number of rows may become known only to within one)"
            if self.neighbours == "add_remove"
            else "one row exchanged for another (the number of rows is public)"
        )
        return (
            f"({self.epsilon:g}, {self.delta:g})-differential privacy for {what}: counts and sums of all pairs of "
            f"columns, values clipped to [-{self.bound:g}, {self.bound:g}], at most {self.max_entries} entries of a "
            f"row, Gaussian noise of standard deviation {self.sigma:.4g} on each count and on each sum over "
            f"{self.bound:g} squared (analytic Gaussian mechanism). Protected: all that follows from these sums, "
            "the fitted factors included. Not protected: the list of columns and the choice of bound, max_entries and "
            "rank, which must not come from the data; people with several rows, who need a budget for each; a second "
            "release, which adds its epsilon and delta; coordinates or predictions of rows, which use those rows; and "
            "attacks on floating-point noise or on its generator (PCG64, seeded by the system)."
        )


@storable
@dataclass(frozen=True)
class PrivateMoments:
    """Noisy counts and sums of all pairs ``i <= j``, packed by rows of the upper triangle.

    Attributes
    ----------
    n_cols : int
    counts, sums : ndarray (d (d + 1)/2,)
    promise : Privacy
    col_labels : ndarray or None
    """

    n_cols: int
    counts: FloatArray
    sums: FloatArray
    promise: Privacy
    col_labels: Any = None

    def at(self, i: Any, j: Any) -> tuple[FloatArray, FloatArray]:
        """Noisy counts and sums of pairs."""
        low, high = np.minimum(i, j).astype(np.int64), np.maximum(i, j).astype(np.int64)
        places = low * self.n_cols - low * (low + 1) // 2 + high
        return self.counts[places], self.sums[places]


def release(observed: Observed, promise: Privacy, rng: np.random.Generator) -> PrivateMoments:
    """Clip, add up, and add noise; nothing else of the rows is kept.

    Notes
    -----
    O(entries + d^2) time and memory: pairs that were never seen get noise too, since not having been seen is private.
    """
    d = observed.shape[1]
    if d > MOST_COLUMNS:
        raise ValueError(
            f"a private release covers all pairs of columns; {d} columns make {packed_size(d)} of them, more than "
            f"those of {MOST_COLUMNS} columns. Choose fewer columns, without looking at the rows"
        )
    clipped = clip_rows(observed, promise, rng)
    counts, sums, _ = PairMoments.from_rows(clipped)._packed()
    sigma, square = promise.sigma, float(promise.bound or 0.0) ** 2
    noise = rng.standard_normal((2, len(counts)))
    return PrivateMoments(d, counts + sigma * noise[0], sums + sigma * square * noise[1], promise, observed.col_labels)


def clip_rows(observed: Observed, promise: Privacy, rng: np.random.Generator) -> Observed:
    """Values inside the bound, and at most ``max_entries`` entries of every row, drawn at random."""
    bound, most = float(promise.bound or 0.0), int(promise.max_entries or 0)
    counts = observed.by_rows.counts
    if counts.max(initial=0) > most:
        lots = rng.random(observed.n_entries)
        order = np.lexsort((lots, observed.rows))
        place = np.arange(observed.n_entries) - np.repeat(observed.by_rows.indptr[:-1], counts)
        kept = np.zeros(observed.n_entries, dtype=bool)
        kept[order] = place < most
        observed = observed.select(kept)
    return observed.with_values(np.clip(observed.values, -bound, bound))


def private_targets(noisy: PrivateMoments) -> PairTargets:
    r"""What X is fitted to: :math:`S/K` with the weights that both kinds of noise leave.

    .. math:: w = \frac{K^2}{K\,T_{ii}T_{jj} + \sigma^2 (B^4 + T_{ij}^2)}

    Pairs whose noisy count lies below the noise say nothing and are left out: of the noisy counts only, so that no
    further privacy is spent.
    """
    d, promise = noisy.n_cols, noisy.promise
    sigma, square = promise.sigma, float(promise.bound or 0.0) ** 2
    every = np.arange(d)
    on_counts, on_sums = noisy.at(every, every)
    mean = float(np.sum(on_sums) / max(float(np.sum(on_counts)), 1.0))
    mean = min(max(mean, 1e-6 * square), square)
    known = on_counts > sigma
    diagonal = np.where(known, np.clip(on_sums / np.where(known, on_counts, 1.0), 1e-3 * mean, square), mean)
    indices = np.concatenate([every[k + 1 :] for k in every]) if d else every
    rows = np.repeat(every, d - 1 - every)
    counts, sums = noisy.at(rows, indices)
    kept = counts > sigma
    rows, indices, counts, sums = rows[kept], indices[kept], counts[kept], sums[kept]
    scale = diagonal[rows] * diagonal[indices]
    values = np.clip(sums / counts, -np.sqrt(scale), np.sqrt(scale))
    weights = counts**2 / (counts * scale + sigma**2 * (square**2 + values**2))
    on = on_counts**2 / (2.0 * on_counts.clip(1.0) * diagonal**2 + sigma**2 * (square**2 + diagonal**2))
    indptr = np.searchsorted(rows, np.arange(d + 1))
    table = table_of_pairs(indptr, indices.astype(np.int32), sums / counts, weights)
    return PairTargets(table, diagonal, np.where(known, on, 0.0), "common")
