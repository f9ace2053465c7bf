"""Clustering of items from their features and from some pairs known to be alike or not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from halfseen._typing import FloatArray, IntArray, RandomState, as_generator
from halfseen.data import Observed, as_observed
from halfseen.methods.inductive.activations import get_activation
from halfseen.methods.inductive.fourier import FourierFeatures, median_distance
from halfseen.methods.inductive.model import InductiveCompletion
from halfseen.methods.inductive.options import InductiveOptions, checked_options, number

# Scales of the frequencies that "auto" tries, in units of one over the median distance of two items.
SCALES = (0.5, 1.0, 2.0, 4.0)
FREQUENCIES = 100
HELD_OUT = 0.2
TRIAL_SWEEPS = 60


class SimilarityClustering(ClusterMixin, BaseEstimator):
    r"""Clusters of items, learned from features and a few pairs: 1 for alike, 0 for not.

    Fits :math:`\langle\phi(U^\top x_i), \phi(U^\top x_j)\rangle` to the known pairs (the same weights on both sides),
    then runs k-means on the leading left singular vectors of :math:`\phi(XU)`.

    Parameters
    ----------
    n_clusters : int
    activation : str
        As in `InductiveCompletion`; "linear" is inductive matrix completion.
    rank : int or None
        Units; None is three per cluster: with one per cluster relu units die or double up.
    features : {"raw", "rff"}
        Standardised features, or 100 random Fourier frequencies of them.
    scale : "auto" or float
        Standard deviation of the frequencies; "auto" takes the one that predicts held-out pairs best. (The paper takes
        the one whose features classify best, which looks at all labels.)
    ridge : float
    options : InductiveOptions, optional
        Starts, solver, sweeps; ``is_tied`` is always set.
    random_state : int, Generator or None

    Attributes
    ----------
    labels_ : ndarray (n,)
    weights_, intercept_ : ndarray (d or 200, rank), (rank,)
        Of the fitted similarity, for features standardised (and turned into Fourier features).
    scale_ : float or None
    scale_errors_ : dict
        Root mean squared error on held-out pairs of every scale tried.
    run_ : Run

    Notes
    -----
    Source: Zhong and others, section 4.2.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.integers(0, 3, 150)
    >>> X = rng.normal(size=(150, 5)) + 3 * np.eye(3, 5)[truth]
    >>> i, j = rng.integers(0, 150, (2, 900))
    >>> model = hs.SimilarityClustering(3, random_state=0).fit(X, (i, j, truth[i] == truth[j]))
    >>> hs.metrics.pair_error(truth, model.labels_) < 0.05
    True
    """

    def __init__(
        self,
        n_clusters: int = 8,
        activation: str = "relu",
        rank: int | None = None,
        features: str = "raw",
        scale: str | float = "auto",
        ridge: float = 1e-5,
        options: InductiveOptions | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.activation = activation
        self.rank = rank
        self.features = features
        self.scale = scale
        self.ridge = ridge
        self.options = options
        self.random_state = random_state

    def fit(self, X: Any, pairs: Any) -> Self:
        """Fit to features and pairs.

        Parameters
        ----------
        X : array (n, d)
        pairs : (i, j, alike) or a table n x n
            Positions of items and 0 or 1; or a NaN array, Observed or sparse matrix that holds some similarities.
        """
        self._checked()
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        rng, table = as_generator(self.random_state), as_pairs(pairs, len(X))
        self.mean_ = X.mean(axis=0, dtype=float).astype(X.dtype)
        deviation = X.std(axis=0, dtype=float)
        self.deviation_ = np.where(deviation > 0, deviation, 1.0).astype(X.dtype)
        standard = (X - self.mean_) / self.deviation_
        self.fourier_: FourierFeatures | None = None
        self.scale_: float | None = None
        self.scale_errors_: dict[float, float] = {}
        if self.features == "rff":
            self._choose_scale(standard, table, rng)
        made = self._made(standard)
        seed = int(rng.integers(2**31))
        found = self._similarity(seed).fit(table, row_features=made, col_features=made)
        self.weights_, self.intercept_, self.run_ = found.row_weights_, found.row_intercept_, found.run_
        self.turn_, self.centres_, self.labels_ = clustered(found.row_factors_, int(self.n_clusters), seed)
        return self

    def predict(self, X: Any) -> IntArray:
        """Clusters of further items, from their features alone."""
        check_is_fitted(self)
        return nearest(self._activated(X) @ self.turn_, self.centres_)

    def similarity(self, X: Any, Y: Any) -> FloatArray:
        """Predicted similarities of items (n, d) with items (m, d), ndarray (n, m)."""
        check_is_fitted(self)
        return self._activated(X) @ self._activated(Y).T

    def _activated(self, X: Any) -> FloatArray:
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        made = self._made((X - self.mean_) / self.deviation_).astype(self.weights_.dtype)
        return get_activation(self.activation).value(made @ self.weights_ + self.intercept_)

    def _checked(self) -> None:
        number("n_clusters", self.n_clusters, 1, whole=True)
        if self.rank is not None:
            number("rank", self.rank, 1, whole=True)
        if self.features not in ("raw", "rff"):
            raise ValueError(f"features={self.features!r} is not known; use 'raw' or 'rff'")
        if self.scale != "auto":
            number("scale", self.scale, np.finfo(float).tiny)

    def _similarity(self, seed: int, max_iter: int | None = None) -> InductiveCompletion:
        options = replace(checked_options(self.options), is_tied=True, effects="none", free_rank=0)
        if max_iter is not None:
            options = replace(options, max_iter=max_iter, n_starts=1)
        rank = 3 * int(self.n_clusters) if self.rank is None else int(self.rank)
        return InductiveCompletion(rank, self.activation, ridge=self.ridge, options=options, random_state=seed)

    def _made(self, standard: FloatArray) -> FloatArray:
        return standard if self.fourier_ is None else self.fourier_(standard)

    def _choose_scale(self, standard: FloatArray, table: Observed, rng: np.random.Generator) -> None:
        """Draw frequencies, and scale them so that held-out pairs are predicted best."""
        unit = FourierFeatures.draw(standard.shape[1], FREQUENCIES, 1.0, rng)
        if self.scale != "auto":
            chosen = float(self.scale)
        else:
            train, test = table.split(HELD_OUT, random_state=rng)
            distance, seed = median_distance(standard, rng), int(rng.integers(2**31))
            for part in SCALES:
                scale = part / distance
                made = FourierFeatures(scale * unit.frequencies)(standard)
                model = self._similarity(seed, TRIAL_SWEEPS).fit(train, row_features=made, col_features=made)
                error = model.predict(test.rows, test.cols) - test.values
                self.scale_errors_[scale] = float(np.sqrt(np.mean(error.astype(float) ** 2)))
            chosen = min(self.scale_errors_, key=lambda one: self.scale_errors_[one])
        self.scale_, self.fourier_ = chosen, FourierFeatures(chosen * unit.frequencies)


def clustered(H: FloatArray, n_clusters: int, seed: int) -> tuple[FloatArray, FloatArray, IntArray]:
    """Turn to the leading left singular vectors of H, centres there by k-means, and labels."""
    from sklearn.cluster import KMeans

    _, size, right = np.linalg.svd(H.astype(float), full_matrices=False)
    k = min(n_clusters, int(np.sum(size > 1e-10 * size[0]))) if size[0] > 0 else 1
    turn = (right[:k].T / np.where(size[:k] > 0, size[:k], 1.0)).astype(H.dtype)
    found = KMeans(min(n_clusters, len(H)), n_init=10, random_state=seed % 2**31).fit((H @ turn).astype(float))
    return turn, found.cluster_centers_, found.labels_


def nearest(Z: FloatArray, centres: FloatArray) -> IntArray:
    """The nearest centre of every row."""
    gaps = np.sum(centres**2, axis=1) - 2.0 * Z.astype(float) @ centres.T
    return gaps.argmin(axis=1)


def as_pairs(pairs: Any, n: int) -> Observed:
    """Known pairs as a table n x n; a pair that is given twice counts once, by its mean."""
    if isinstance(pairs, tuple) and len(pairs) == 3:
        i, j, alike = pairs
        values = np.asarray(alike, dtype=float)
        found = Observed.from_triplets(np.asarray(i), np.asarray(j), values, shape=(n, n), duplicates="mean")
    else:
        found = as_observed(pairs, name="pairs")
    if found.shape != (n, n):
        raise ValueError(f"pairs has shape {found.shape}; needed: one row and column per item, {(n, n)}")
    return found
