"""Bridges to scikit-learn's own searches: entries as samples, folds of entries, and scores of new rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.utils.validation import check_is_fitted

from halfseen._typing import FloatArray, IntArray, RandomState, as_generator
from halfseen.base import CompletionEstimator
from halfseen.data import Observed, as_observed
from halfseen.data.labels import find_labels
from halfseen.select.held_out import new_row_deviance


class EntryRegressor(RegressorMixin, MetaEstimatorMixin, BaseEstimator):
    """A completion model as a regressor whose samples are entries: features (row, column), target the value.

    scikit-learn's searches hold samples out. The samples of a table are its rows; for held-out *entries* give the
    table in long form, and this estimator around the model.

    Parameters
    ----------
    estimator : estimator of halfseen
    row_labels, col_labels : array-like or None
        All rows and columns that may be asked for; None: those of the entries in ``fit``. An unknown one is an error
        (`EntryFolds` holds no row's or column's last entry out).

    Attributes
    ----------
    estimator_ : estimator
        The fitted model.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> from sklearn.model_selection import GridSearchCV
    >>> rng = np.random.default_rng(0)
    >>> table = rng.normal(size=(40, 1)) @ rng.normal(size=(1, 30)) + 0.3 * rng.normal(size=(40, 30))
    >>> X, y = np.argwhere(rng.random(table.shape) < 0.5), None
    >>> y = table[X[:, 0], X[:, 1]]
    >>> regressor = hs.select.EntryRegressor(hs.AlternatingLeastSquares(penalty=0.3, random_state=0))
    >>> folds = hs.select.EntryFolds(3, random_state=0)
    >>> search = GridSearchCV(regressor, {"estimator__rank": [0, 1, 3]}, cv=folds, scoring="neg_mean_squared_error")
    >>> search.fit(X, y).best_params_
    {'estimator__rank': 1}
    """

    def __init__(self, estimator: Any, row_labels: Any = None, col_labels: Any = None) -> None:
        self.estimator = estimator
        self.row_labels = row_labels
        self.col_labels = col_labels

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit to entries: ``X`` has two columns (labels of row and column), ``y`` the values."""
        rows, cols = _pair(X)
        labels = [_labels(given, seen) for given, seen in ((self.row_labels, rows), (self.col_labels, cols))]
        table = Observed.from_triplets(
            find_labels(labels[0], rows, "row"),
            find_labels(labels[1], cols, "column"),
            np.asarray(y),
            weights=sample_weight,
            shape=(len(labels[0]), len(labels[1])),
            row_labels=labels[0],
            col_labels=labels[1],
        )
        self.estimator_ = clone(self.estimator).fit(table)
        self.n_features_in_ = 2
        return self

    def predict(self, X: Any) -> FloatArray:
        """Predict entries, given as in ``fit``."""
        check_is_fitted(self)
        return self.estimator_.predict(*_pair(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Coefficient of determination :math:`R^2` of the predicted entries; higher is better, 1 at most."""
        return float(super().score(X, y, sample_weight))


class EntryFolds:
    """Splitter of entries in long form that never takes a row's or a column's last entry out of the training part.

    Parameters
    ----------
    n_splits : int
    random_state : int, Generator or None

    Notes
    -----
    As `sklearn.model_selection.KFold` with shuffling; entries that no fold can spare are in no test part.

    Examples
    --------
    >>> X = [["ann", "tea"], ["ann", "jam"], ["bob", "tea"], ["bob", "jam"], ["cy", "tea"]]
    >>> sorted(int(place) for train, test in EntryFolds(5, random_state=0).split(X) for place in test)
    [0, 1, 2, 3]
    """

    def __init__(self, n_splits: int = 5, random_state: RandomState = None) -> None:
        self.n_splits = n_splits
        self.random_state = random_state

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Number of folds."""
        return self.n_splits

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[IntArray, IntArray]]:
        """Positions of the training and of the test entries of every fold."""
        codes = [np.unique(side, return_inverse=True)[1] for side in _pair(X)]
        n = len(codes[0])
        if not 2 <= self.n_splits <= n:
            raise ValueError(f"n_splits={self.n_splits} must lie between 2 and the number of entries, {n}")
        order = as_generator(self.random_state).permutation(n)
        everything = np.arange(n)
        for part in range(self.n_splits):
            chosen = order[part :: self.n_splits]
            left = np.ones(n, dtype=bool)
            left[chosen] = False
            lone = np.zeros(n, dtype=bool)
            for code in codes:
                lone |= np.bincount(code, weights=left)[code] == 0
            test = np.sort(chosen[~lone[chosen]])
            left[test], left[lone] = False, True
            yield everything[left], test


class NewRowScore:
    """Scorer for searches over whole tables: each held-out row is placed by a part of its entries, judged on the rest.

    Give it as ``scoring`` to scikit-learn's searches, whose splitters then hold rows out.

    Parameters
    ----------
    shown : float
        Share of the entries that are shown.
    random_state : int
        Draws them; the same for every candidate.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> from sklearn.model_selection import GridSearchCV
    >>> rng = np.random.default_rng(0)
    >>> table = rng.normal(size=(60, 1)) @ rng.normal(size=(1, 30)) + 0.3 * rng.normal(size=(60, 30))
    >>> table[rng.random(table.shape) < 0.3] = np.nan
    >>> model = hs.AlternatingLeastSquares(penalty=0.3, random_state=0)
    >>> search = GridSearchCV(model, {"rank": [0, 1, 4]}, cv=3, scoring=hs.select.NewRowScore())
    >>> search.fit(table).best_params_
    {'rank': 1}
    """

    def __init__(self, shown: float = 0.5, random_state: int = 0) -> None:
        self.shown, self.random_state = shown, random_state

    def __call__(self, estimator: CompletionEstimator, X: Any, y: Any = None) -> float:
        """Minus the mean deviance of the entries that were not shown; higher is better."""
        hidden, shown = as_observed(X).split(self.shown, self.random_state)
        return -new_row_deviance(estimator, shown, hidden)


def _pair(X: Any) -> tuple[Any, Any]:
    """The two columns of entries in long form."""
    if hasattr(X, "iloc"):
        if X.shape[1] != 2:
            raise ValueError(f"X must have two columns, row and column of each entry; got {X.shape[1]}")
        return X.iloc[:, 0].to_numpy(), X.iloc[:, 1].to_numpy()
    array = np.asarray(X)
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"X must have two columns, row and column of each entry; got shape {array.shape}")
    return array[:, 0], array[:, 1]


def _labels(given: Any, seen: Any) -> Any:
    return np.unique(seen) if given is None else np.asarray(given)
