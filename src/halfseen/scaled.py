"""Any completion model, fitted in units of each column's spread, answering in the table's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import clone

from halfseen._typing import FloatArray, IntArray, RandomState
from halfseen.base import CompletionEstimator
from halfseen.data import Observed
from halfseen.inference.intervals import Intervals
from halfseen.inference.table import TableInference, TableNames
from halfseen.losses import get_loss
from halfseen.parameters import RANDOM_STATE, Nothing, Suits, Table
from halfseen.solvers.checkpoint import resumable


class ScaledColumns(CompletionEstimator):
    r"""A completion model of columns that are measured in different units.

    .. math:: z_{ij} = (x_{ij} - m_j)/s_j, \qquad \hat x_{ij} = m_j + s_j \hat z_{ij}

    with the mean :math:`m_j` and the standard deviation :math:`s_j` of the seen cells of column j: the model is fitted
    to z, so that every column counts alike (a sensor panel with temperatures, pressures and counts), and predictions
    and intervals come back in the units of x. Of a constant column s is 1.

    Parameters
    ----------
    model : completion estimator or None
        It is copied. None: `BayesianFactorization`. Its family, if it has one, must be "gaussian".
    random_state : int, Generator or None
        Of the default model.

    Attributes
    ----------
    model_ : fitted estimator
        In units of each column's spread; its fitted attributes can be read from here too (``rank_``).
    column_means_, column_scales_ : ndarray (p,)
        m and s.

    Raises
    ------
    ValueError
        For a model of another family: yes/no answers and counts have no unit to take out.

    Notes
    -----
    Time and memory are those of the model, and one copy of the values.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> rng = np.random.default_rng(0)
    >>> whole = rng.normal(size=(80, 2)) @ rng.normal(size=(2, 6)) * [1, 1, 1, 1e4, 1e4, 1e4] + 300
    >>> table = np.where(rng.random(whole.shape) < 0.6, whole, np.nan)
    >>> error = (hs.ScaledColumns(random_state=0).fit(table).complete(table) - whole) / whole.std(axis=0)
    >>> alone = (hs.BayesianFactorization(random_state=0).fit(table).complete(table) - whole) / whole.std(axis=0)
    >>> bool(np.sqrt((error**2).mean()) < 0.5 * np.sqrt((alone**2).mean()))
    True
    """

    _takes_any_scale: ClassVar[bool] = True
    _summary: ClassVar[str] = "halfseen.summary.anything:scaled_columns"
    _parameters: ClassVar[Table] = {
        "model": Nothing() | Suits(lambda value: isinstance(value, CompletionEstimator), "a completion estimator"),
        "random_state": RANDOM_STATE,
    }

    model_: CompletionEstimator
    column_means_: FloatArray
    column_scales_: FloatArray

    def __init__(self, model: CompletionEstimator | None = None, *, random_state: RandomState = None) -> None:
        self.model = model
        self.random_state = random_state

    def __getattr__(self, name: str) -> Any:
        # what the model learned (rank_, run_, row_factors_) is read from here as well
        inner = self.__dict__.get("model_")
        if inner is None or not name.endswith("_") or name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(inner, name)

    @resumable
    def fit(self, X: Any, y: Any = None, **given: Any) -> Self:
        """Fit the model to the table in units of each column's spread.

        Parameters
        ----------
        X : table (n, p)
        y : None
            Ignored; there for scikit-learn.
        **given
            What ``fit`` of the model takes besides, such as ``row_features``.
        """
        settings = self._checked()
        if settings.model is None:
            from halfseen.methods.completion import BayesianFactorization

            inner: CompletionEstimator = BayesianFactorization(random_state=self.random_state)
        else:
            inner = clone(settings.model)
        family = getattr(inner, "family", "gaussian")
        if str(family) != "gaussian":
            raise ValueError(
                f"model has family={family!r}: only real numbers have a unit that can be taken out; "
                f"fit {type(inner).__name__} to the table as it is"
            )
        observed = self._observe(X, reset=True)
        self.loss_ = get_loss("gaussian")
        self.column_means_, self.column_scales_ = column_scales(observed)
        self.model_ = inner.fit(self._scaled(observed), **given)
        for text in getattr(inner, "warnings_", ()):
            self._keep_sentence(text)
        return self

    def inference(self, level: float = 0.95, **given: Any) -> ScaledInference:
        """Intervals of cells in the table's own units.

        Parameters
        ----------
        level : float
        **given
            What ``inference`` of the model takes.

        Returns
        -------
        inference with ``entries`` and ``responses``

        Raises
        ------
        ValueError
            If the model has no intervals.
        """
        if not hasattr(self.model_, "inference"):
            raise ValueError(f"{type(self.model_).__name__} has no inference; take BayesianFactorization for intervals")
        inner = self.model_.inference(level, **given)
        return ScaledInference(inner, self.column_means_, self.column_scales_)

    # ---- inside ------------------------------------------------------------------------------------------------

    def _scaled(self, observed: Observed) -> Observed:
        """The table as the model sees it."""
        cols = observed.cols
        values = (observed.values - self.column_means_[cols]) / self.column_scales_[cols]
        return observed.with_values(values.astype(observed.dtype))

    def _unscaled(self, values: FloatArray, cols: Any) -> FloatArray:
        return values * self.column_scales_[cols] + self.column_means_[cols]

    def _linear_pairs(self, rows: IntArray, cols: IntArray) -> FloatArray:
        return self._unscaled(self.model_._bounded(self.model_._linear_pairs(rows, cols)), cols)

    def _linear_block(self, rows: IntArray, cols: IntArray) -> FloatArray:
        return self._unscaled(self.model_._bounded(self.model_._linear_block(rows, cols)), cols)

    def _linear_rows(self, observed: Observed) -> FloatArray:
        return self._unscaled(self.model_._bounded(self.model_._linear_rows(self._scaled(observed))), slice(None))

    def _drawn(
        self, observed: Observed, rows: IntArray, cols: IntArray, n_draws: int, rng: np.random.Generator
    ) -> FloatArray:
        return self._unscaled(self.model_._drawn(self._scaled(observed), rows, cols, n_draws, rng), cols)


class ScaledInference(TableInference):
    """Intervals of cells of a table whose columns were scaled for the fit.

    Parameters
    ----------
    inner : inference of the model
        In units of each column's spread.
    means, scales : ndarray (p,)
    """

    _refusals: ClassVar[dict[str, str]] = {
        what: "columns of different units have no common mean; ask model.model_.inference(), whose numbers are in "
        "units of each column's spread"
        for what in ("scores", "differences", "ranks", "contrast", "band")
    }

    def __init__(self, inner: TableInference, means: FloatArray, scales: FloatArray) -> None:
        names: TableNames = inner.names
        super().__init__(names, inner.level, inner.claim, inner.draws, library=inner.library)
        self._inner, self._means, self._scales = inner, means, scales

    def entries(self, rows: Any, cols: Any, kind: str = "mean") -> Intervals:
        """Intervals of expected values, elementwise pairs, seen or not."""
        return self._in_units(self._inner.entries(rows, cols, kind), rows, cols)

    def responses(self, rows: Any, cols: Any, **given: Any) -> Intervals:
        """Prediction intervals of single values not yet seen, elementwise pairs."""
        return self._in_units(self._inner.responses(rows, cols, **given), rows, cols)

    def rows(self, component: Any = None) -> Intervals:
        """Intervals of the rows' own parameters, in units of each column's spread."""
        return self._inner.rows(component)

    def columns(self, component: Any = None) -> Intervals:
        """Intervals of the columns' own parameters, in units of each column's spread."""
        return self._inner.columns(component)

    def _in_units(self, intervals: Intervals, rows: Any, cols: Any) -> Intervals:
        j = self.names.pairs(rows, cols)[1]
        mean, scale = self._means[j], self._scales[j]
        ends = {name: getattr(intervals, name) * scale + mean for name in ("estimate", "low", "high")}
        return replace(intervals, **ends, se=intervals.se * scale, statement=None)


def column_scales(observed: Observed) -> tuple[FloatArray, FloatArray]:
    """Means and standard deviations of the seen cells of every column; of constant columns the deviation is 1.

    A column without seen cells has the mean and the deviation of all cells.
    """
    values, cols, p = observed.values.astype(float), observed.cols, observed.shape[1]
    # a power of two, so that no bit changes: squares of values near the ends of what floats hold would be 0 or infinite
    size = 2.0 ** np.frexp(np.abs(values).max(initial=0.0) or 1.0)[1].clip(-1000, 1000)
    values = values / size
    counts = np.bincount(cols, minlength=p)
    means = np.where(counts > 0, np.bincount(cols, values, p) / np.maximum(counts, 1), values.mean())
    scales = np.sqrt(np.bincount(cols, (values - means[cols]) ** 2, p) / np.maximum(counts, 1))
    scales = np.where(counts > 0, scales, values.std())
    # a spread of some roundings of the mean is none
    return means * size, np.where(scales > 1e-12 * np.abs(means), scales * size, 1.0)
