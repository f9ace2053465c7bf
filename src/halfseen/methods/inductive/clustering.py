"""Clustering of items from their features and from some pairs known to be alike or not."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from halfseen._typing import FloatArray, IntArray, RandomState, as_generator
from halfseen.data import Observed, as_observed
from halfseen.engines import Engine
from halfseen.methods.inductive.activations import get_activation
from halfseen.methods.inductive.fourier import FourierFeatures, median_distance
from halfseen.methods.inductive.model import InductiveCompletion
from halfseen.methods.inductive.options import ACTIVATION, SOLVERS, START
from halfseen.parameters import ENGINE, RANDOM_STATE, Nothing, Number, Parametrised, Table, Whole, Word
from halfseen.solvers.checkpoint import resumable
from halfseen.solvers.loop import Run

# Scales of the frequencies that "auto" tries, in units of one over the median distance of two items.
SCALES = (0.5, 1.0, 2.0, 4.0)
FREQUENCIES = 100
HELD_OUT = 0.2
TRIAL_SWEEPS = 60
# Units per cluster.
UNITS = 3
# Beyond so many pairs of known labels more of them change little and cost a pass each.
PAIRS_PER_ITEM = 50


class SimilarityClustering(ClusterMixin, Parametrised, BaseEstimator):
    r"""Clusters of items, learned from features and what is known of some: a few labels, or pairs alike and not.

    Fits :math:`\langle\phi(U^\top x_i), \phi(U^\top x_j)\rangle` to the known pairs (the same weights on both sides),
    then runs k-means on the leading left singular vectors of :math:`\phi(XU)`. Without labels and pairs there is no
    similarity to learn: clusters then are those of k-means on the features.

    Parameters
    ----------
    n_clusters : int
    activation : str
        As in `InductiveCompletion`; "linear" is inductive matrix completion.
    rank : int, "auto" or None
        Units; None is three per cluster: with one per cluster relu units die or double up. "auto" takes one to four per
        cluster, what predicts held-out pairs best.
    features : {"raw", "rff"}
        Standardised features, or 100 random Fourier frequencies of them.
    scale : "auto" or float
        Standard deviation of the frequencies; "auto" takes the one that predicts held-out pairs best. (The paper takes
        the one whose features classify best, which looks at all labels.)
    penalty : float
        On all weights, beside the mean loss of a pair.
    n_starts : int
    max_iter : int
    tol : float
    random_state : int, Generator or None
    engine : str, Engine or None
    solver, step, start, start_scale
        As in `InductiveCompletion`.

    Attributes
    ----------
    labels_ : ndarray (n,)
    weights_, intercept_ : ndarray (d or 200, rank), (rank,), or None without pairs
        Of the fitted similarity, for features standardised (and turned into Fourier features).
    rank_ : int or None
        Units of the fit.
    scale_ : float or None
    scale_errors_ : dict
        Root mean squared error on held-out pairs of every scale tried.
    run_ : Run or None
    n_iter_ : int
        Sweeps of the fit of the similarity; without pairs, rounds of k-means.

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
    >>> model = hs.SimilarityClustering(3, random_state=0).fit(X, pairs=(i, j, truth[i] == truth[j]))
    >>> hs.metrics.pair_error(truth, model.labels_) < 0.05
    True
    >>> some = np.where(rng.random(150) < 0.2, truth, -1)  # the labels of a fifth are known
    >>> model = hs.SimilarityClustering(3, random_state=0).fit(X, some)
    >>> hs.metrics.pair_error(truth, model.labels_) < 0.05
    True
    """

    weights_: FloatArray | None
    intercept_: FloatArray | None
    rank_: int | None
    run_: Run | None
    _summary: ClassVar[str] = "halfseen.methods.inductive.summary_clusters:chapter"
    _parameters: ClassVar[Table] = {
        "n_clusters": Whole(1),
        "activation": ACTIVATION,
        "rank": Whole(1) | Word("auto") | Nothing(),
        "features": Word("raw", "rff"),
        "scale": Word("auto") | Number(0, above=True),
        "penalty": Number(0),
        "n_starts": Whole(1),
        "max_iter": Whole(1),
        "tol": Number(0),
        "random_state": RANDOM_STATE,
        "engine": ENGINE,
        "solver": Word(*SOLVERS),
        "step": Word("auto") | Number(0, above=True),
        "start": START,
        "start_scale": Word("auto") | Number(0, above=True),
    }

    def __init__(
        self,
        n_clusters: int = 8,
        activation: str = "relu",
        *,
        rank: int | str | None = None,
        features: str = "raw",
        scale: str | float = "auto",
        penalty: float = 1e-5,
        n_starts: int = 1,
        max_iter: int = 300,
        tol: float = 1e-6,
        random_state: RandomState = None,
        engine: str | Engine | None = None,
        solver: str = "lbfgs",
        step: str | float = "auto",
        start: Any = "random",
        start_scale: str | float = "auto",
    ) -> None:
        self.n_clusters = n_clusters
        self.activation = activation
        self.rank = rank
        self.features = features
        self.scale = scale
        self.penalty = penalty
        self.n_starts = n_starts
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.engine = engine
        self.solver = solver
        self.step = step
        self.start = start
        self.start_scale = start_scale

    @resumable
    def fit(self, X: Any, y: Any = None, *, pairs: Any = None) -> Self:
        """Fit to features and to what is known of some items.

        Parameters
        ----------
        X : array (n, d)
        y : array (n,), optional
            Labels of items, -1 (or NaN, None) where they are not known: two items are alike if their labels are equal.
        pairs : (i, j, alike) or a table n x n, optional
            Positions of items and 0 or 1; or a NaN array, Observed or sparse matrix that holds some similarities.
        """
        settings = self._checked()
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        rng = as_generator(settings.random_state)
        table = known_pairs(y, pairs, len(X), rng)
        self.mean_ = X.mean(axis=0, dtype=float).astype(X.dtype)
        deviation = X.std(axis=0, dtype=float)
        self.deviation_ = np.where(deviation > 0, deviation, 1.0).astype(X.dtype)
        standard = (X - self.mean_) / self.deviation_
        self.fourier_: FourierFeatures | None = None
        self.scale_: float | None = None
        self.scale_errors_: dict[float, float] = {}
        if settings.features == "rff":
            self._choose_scale(standard, table, rng)
        described, seed = self._described(standard), int(rng.integers(2**31))
        if table is None:
            self._cluster_features(described, seed)
            return self
        self.rank_ = self._choose_rank(described, table, rng)
        similarity = self._similarity(seed, rank=self.rank_).fit(table, row_features=described, col_features=described)
        self.weights_, self.intercept_, self.run_ = similarity.row_weights_, similarity.row_intercept_, similarity.run_
        self.n_iter_ = similarity.n_iter_
        self.turn_, means = clustered(similarity.row_factors_, int(settings.n_clusters), seed)
        self.centres_, self.labels_ = means.cluster_centers_, means.labels_
        return self

    def fit_predict(self, X: Any, y: Any = None, **more: Any) -> IntArray:
        """Fit, and give the labels of the items; arguments as those of :meth:`fit`."""
        labels: IntArray = self.fit(X, y, **more).labels_
        return labels

    def predict(self, X: Any) -> IntArray:
        """Clusters of further items, from their features alone."""
        check_is_fitted(self)
        return nearest(self._activated(X) @ self.turn_, self.centres_)

    def similarity(self, X: Any, Y: Any) -> FloatArray:
        """Predicted similarities of items (n, d) with items (m, d), ndarray (n, m)."""
        check_is_fitted(self)
        return self._activated(X) @ self._activated(Y).T

    # ---- inside ------------------------------------------------------------------------------------------------

    def _activated(self, X: Any) -> FloatArray:
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        described = self._described((X - self.mean_) / self.deviation_).astype(self.turn_.dtype)
        if self.weights_ is None or self.intercept_ is None:
            return described
        return get_activation(self.activation).value(described @ self.weights_ + self.intercept_)

    def _cluster_features(self, described: FloatArray, seed: int) -> None:
        """What is left without any similarity: clusters of the features themselves."""
        self.weights_ = self.intercept_ = self.run_ = self.rank_ = None
        self.turn_ = np.eye(described.shape[1], dtype=described.dtype)
        means = k_means(described, int(self.n_clusters), seed)
        self.centres_, self.labels_, self.n_iter_ = means.cluster_centers_, means.labels_, means.n_iter_

    def _similarity(self, seed: int, **changed: Any) -> InductiveCompletion:
        names = ("penalty", "n_starts", "max_iter", "tol", "engine", "solver", "step", "start", "start_scale")
        given = {name: getattr(self, name) for name in names} | changed
        # features are standardised already, and pairs are 0 and 1
        model = InductiveCompletion(activation=self.activation, is_tied=True, scale="none", random_state=seed, **given)
        model._chooses = False  # no newcomers are placed by entries, so that nothing is learned of how these differ
        return model

    def _choose_rank(self, described: FloatArray, table: Observed, rng: np.random.Generator) -> int:
        """The units that predict held-out pairs best, of one to four per cluster; or those that were asked for."""
        if self.rank != "auto":
            return self._units
        parts, seed = table.split(HELD_OUT, random_state=rng), int(rng.integers(2**31))
        choices = [units * int(self.n_clusters) for units in range(1, UNITS + 2)]
        return min(choices, key=lambda units: self._trial(described, parts, seed, rank=units))

    @property
    def _units(self) -> int:
        return int(self.rank) if isinstance(self.rank, Integral) else UNITS * int(self.n_clusters)

    def _described(self, standard: FloatArray) -> FloatArray:
        return standard if self.fourier_ is None else self.fourier_(standard)

    def _choose_scale(self, standard: FloatArray, table: Observed | None, rng: np.random.Generator) -> None:
        """Draw frequencies, and scale them so that held-out pairs are predicted best."""
        unit = FourierFeatures.draw(standard.shape[1], FREQUENCIES, 1.0, rng)
        if not isinstance(self.scale, str):
            chosen = float(self.scale)
        elif table is None:
            chosen = 1.0 / median_distance(standard, rng)
        else:
            train, test = table.split(HELD_OUT, random_state=rng)
            distance, seed = median_distance(standard, rng), int(rng.integers(2**31))
            for part in SCALES:
                scale = part / distance
                described = FourierFeatures(scale * unit.frequencies)(standard)
                self.scale_errors_[scale] = self._trial(described, (train, test), seed, rank=self._units)
            chosen = min(self.scale_errors_, key=lambda scale: self.scale_errors_[scale])
        self.scale_, self.fourier_ = chosen, FourierFeatures(chosen * unit.frequencies)

    def _trial(self, described: FloatArray, parts: tuple[Observed, Observed], seed: int, **changed: Any) -> float:
        """Root mean squared error on held-out pairs after a few sweeps."""
        train, test = parts
        model = self._similarity(seed, **{"max_iter": TRIAL_SWEEPS, "n_starts": 1, **changed})
        model.fit(train, row_features=described, col_features=described)
        error = model.predict(test.rows, test.cols) - test.values
        return float(np.sqrt(np.mean(error.astype(float) ** 2)))


def clustered(H: FloatArray, n_clusters: int, seed: int) -> tuple[FloatArray, Any]:
    """Turn to the leading left singular vectors of H, and k-means there."""
    _, size, right = np.linalg.svd(H.astype(float), full_matrices=False)
    k = min(n_clusters, int(np.sum(size > 1e-10 * size[0]))) if size[0] > 0 else 1
    turn = (right[:k].T / np.where(size[:k] > 0, size[:k], 1.0)).astype(H.dtype)
    return turn, k_means(H @ turn, n_clusters, seed)


def k_means(Z: FloatArray, n_clusters: int, seed: int) -> Any:
    """scikit-learn's k-means with as many clusters as there are items at most."""
    from sklearn.cluster import KMeans

    return KMeans(min(n_clusters, len(Z)), n_init=10, random_state=seed % 2**31).fit(Z.astype(float))


def nearest(Z: FloatArray, centres: FloatArray) -> IntArray:
    """The nearest centre of every row."""
    gaps = np.sum(centres**2, axis=1) - 2.0 * Z.astype(float) @ centres.T
    return gaps.argmin(axis=1)


def known_pairs(y: Any, pairs: Any, n: int, rng: np.random.Generator) -> Observed | None:
    """What is known of pairs of items as a table n x n; None if nothing is.

    Raises
    ------
    ValueError
        For labels and pairs at once, and for pairs of other items.
    """
    if y is not None and pairs is not None:
        raise ValueError("both y and pairs are given; needed: y (labels of items) or pairs, not both")
    if pairs is not None:
        return as_pairs(pairs, n)
    return None if y is None else pairs_of_labels(y, n, rng)


def pairs_of_labels(y: Any, n: int, rng: np.random.Generator) -> Observed | None:
    """All pairs of items with known labels, 1 where they are equal; of very many a part, drawn at random."""
    labels = np.asarray(y)
    if labels.shape != (n,):
        raise ValueError(
            f"y has shape {labels.shape}; needed: one label per item, ({n},), -1 where it is not known. Known pairs of "
            "items are given as pairs=(i, j, alike)"
        )
    if labels.dtype.kind == "O":
        labels = np.array([-1 if label is None or label != label else label for label in labels])
    known = np.flatnonzero(np.isfinite(labels) & (labels != -1) if labels.dtype.kind in "biuf" else labels != "-1")
    if len(known) < 2:
        return None
    if len(known) ** 2 <= 2 * PAIRS_PER_ITEM * n:
        i, j = (known[places] for places in np.triu_indices(len(known), 1))
    else:
        i, j = known[rng.integers(0, len(known), (2, PAIRS_PER_ITEM * n))]
    return as_pairs((i, j, labels[i] == labels[j]), n)


def as_pairs(pairs: Any, n: int) -> Observed:
    """Known pairs as a table n x n; a pair that is given twice counts once, by its mean."""
    if isinstance(pairs, tuple) and len(pairs) == 3:
        i, j, alike = pairs
        values = np.asarray(alike, dtype=float)
        table = Observed.from_triplets(np.asarray(i), np.asarray(j), values, shape=(n, n), duplicates="mean")
    else:
        table = as_observed(pairs, name="pairs")
    if table.shape != (n, n):
        raise ValueError(f"pairs has shape {table.shape}; needed: one row and column per item, {(n, n)}")
    return table
