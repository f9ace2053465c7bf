"""A scikit-learn transformer that fills in what a table lacks, with any completion model of the library."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils import Tags
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from halfseen._typing import BoolArray, FloatArray, IntArray, RandomState
from halfseen.base import CompletionEstimator
from halfseen.data import Observed, as_observed
from halfseen.data.outgoing import check_size, filled, missing_cells, with_columns
from halfseen.errors import shown
from halfseen.parameters import RANDOM_STATE, Flag, Nothing, Parametrised, Suits, Table, Whole
from halfseen.scaled import ScaledColumns
from halfseen.solvers.checkpoint import resumable

# Draws that are made where their number is not given: enough for a tenth of the information missing.
DRAWS = 5


class Imputer(TransformerMixin, Parametrised, BaseEstimator):
    """Fill the missing cells of a table from its other cells; a transformer for any scikit-learn pipeline.

    Seen cells stay as they are, bit for bit, and a table comes back in the type it came in: array, pandas, polars or
    pyarrow table, xarray DataArray (``set_output`` turns arrays into data frames).

    Parameters
    ----------
    model : completion estimator or None
        Any model of the library; it is copied, and sees the table as it is. None: `ScaledColumns`, Bayesian
        factorisation in units of each column's spread, so that columns of different units count alike.
    add_indicator : bool
        Add a column of 0 and 1 for every column with missing cells in the fit: whether its cell was missing.
    n_draws : int or None
        Tables that :meth:`draws` makes; None is 5. What :meth:`transform` gives is the expectation, in any case.
    random_state : int, Generator or None
        Of the default model, and of the draws.

    Attributes
    ----------
    model_ : fitted estimator
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Of data frames.
    indicator_features_ : ndarray of int
        Positions of the columns with indicators.
    column_means_, column_scales_ : ndarray (n_features,) or None
        What columns were brought to a common scale by, for the default model.

    Raises
    ------
    ValueError
        For a table without any seen cell, text, and infinite numbers.

    Notes
    -----
    Multiple imputation: ``imputer.draws(X)`` gives several completed tables, their missing cells drawn from the
    predictive distribution; do the analysis on each and put the results together by Rubin's rules
    (:func:`halfseen.imputer.pooled`). Needs a model with a posterior (the default has one), or with intervals of
    entries, for the table of the fit.

    A column without any seen cell is filled with the mean of all seen cells, and a warning says so.

    Time and memory are those of the model (the default: some seconds per million seen cells), and the table.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> rng = np.random.default_rng(0)
    >>> whole = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 6)) * [1, 10, 100, 1, 10, 100] + [0, 5, 5, 0, 5, 5]
    >>> table = np.where(rng.random(whole.shape) < 0.8, whole, np.nan)
    >>> error = hs.Imputer(random_state=0).fit_transform(table) - whole
    >>> bool(np.abs(error / whole.std(axis=0)).max() < 0.1)
    True
    >>> pipeline = make_pipeline(hs.Imputer(random_state=0), Ridge()).fit(table[:, :5], whole[:, 5])
    >>> pipeline.predict(table[:2, :5]).shape
    (2,)
    >>> [draw.shape for draw in hs.Imputer(n_draws=2, random_state=0).fit(table).draws(table)]
    [(200, 6), (200, 6)]
    """

    indicator_features_: IntArray
    column_means_: FloatArray | None
    column_scales_: FloatArray | None
    model_: CompletionEstimator
    _summary: ClassVar[str] = "halfseen.summary.anything:imputer"
    _parameters: ClassVar[Table] = {
        "model": Nothing() | Suits(lambda value: isinstance(value, CompletionEstimator), "a completion estimator"),
        "add_indicator": Flag(),
        "n_draws": Nothing() | Whole(1),
        "random_state": RANDOM_STATE,
    }

    def __init__(
        self,
        model: CompletionEstimator | None = None,
        add_indicator: bool = False,
        *,
        n_draws: int | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.model = model
        self.add_indicator = add_indicator
        self.n_draws = n_draws
        self.random_state = random_state

    @resumable
    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the model to the seen cells.

        Parameters
        ----------
        X : table (n, p)
            NaN, null and masked cells are missing; of a sparse matrix the cells that are not stored.
        y : None
            Ignored; there for scikit-learn.
        """
        settings = self._checked()
        observed = self._observe(X, reset=True)
        counts = observed.by_cols.counts
        self.indicator_features_ = np.flatnonzero(counts < observed.shape[0])
        self._tell_of_empty(counts, observed)
        self.model_ = self._fresh_model(settings.model).fit(observed)
        inner = self.model_ if isinstance(self.model_, ScaledColumns) else None
        self.column_means_ = None if inner is None else inner.column_means_
        self.column_scales_ = None if inner is None else inner.column_scales_
        return self

    def transform(self, X: Any) -> Any:
        """The table with its missing cells filled by what is expected there.

        Parameters
        ----------
        X : table (n_new, p)
            The table of the fit, or new rows.

        Returns
        -------
        table of the type of X (an array, where that is sparse), with indicators on its right side
        """
        given = self._observe(X, reset=False)
        missing = missing_cells(given)
        values: FloatArray = np.zeros(0)
        if missing.any():
            table = self.model_._response(self.model_._linear_table(self.model_._observe(given, reset=False)), "mean")
            values = table[missing]
        return self._finished(X, given, missing, values)

    def draws(self, X: Any) -> list[Any]:
        """Several completed tables, their missing cells drawn from the predictive distribution: multiple imputation.

        Returns
        -------
        list of ``n_draws`` tables, each as :meth:`transform` gives it

        Raises
        ------
        ValueError
            For a model that has neither a posterior nor intervals of entries.
        """
        given = self._observe(X, reset=False)
        missing = missing_cells(given)
        number = DRAWS if self.n_draws is None else int(self.n_draws)
        # what is drawn are whole arrays: their missing cells, in the order of the mask
        tables = self.model_.complete_draws(given, number, self.random_state)
        cells = (table.values.reshape(given.shape)[missing] for table in tables)
        return [self._finished(X, given, missing, values) for values in cells]

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns, and ``missingindicator_NAME`` of the indicators.

        Parameters
        ----------
        input_features : array-like of str, optional
            By default the names of the fit, or x0, x1, ...
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        return np.concatenate([names, self._indicator_names(names)]).astype(object)

    # ---- inside ------------------------------------------------------------------------------------------------

    def _fresh_model(self, model: CompletionEstimator | None) -> CompletionEstimator:
        fresh: CompletionEstimator = ScaledColumns(random_state=self.random_state) if model is None else clone(model)
        return fresh

    def _observe(self, X: Any, reset: bool) -> Observed:
        if not reset:
            check_is_fitted(self)
        observed = as_observed(X, name="X")
        validate_data(self, X, reset=reset, skip_check_array=True)
        check_size(X, observed)
        return observed

    def _finished(self, X: Any, given: Observed, missing: BoolArray, values: FloatArray) -> Any:
        whole = filled(X, given, missing, values)
        if not self.add_indicator:
            return whole
        names = _check_feature_names_in(self)
        return with_columns(whole, self._indicator_names(names), missing[:, self.indicator_features_].astype(float))

    def _indicator_names(self, names: Any) -> list[str]:
        if not self.add_indicator:
            return []
        return [f"missingindicator_{names[place]}" for place in self.indicator_features_]

    def _tell_of_empty(self, counts: Any, observed: Observed) -> None:
        empty = np.flatnonzero(np.asarray(counts) == 0)
        if len(empty):
            first = empty[0] if observed.col_labels is None else shown(observed.col_labels[empty[0]])
            self._warn(
                f"columns without a seen cell: {len(empty)}, first {first}; nothing is known of them, and they are "
                "filled with the mean of all others: leave them out"
            )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class Pooled(NamedTuple):
    """A number put together from several completed tables.

    Attributes
    ----------
    estimate, se : ndarray
    df : ndarray
        Degrees of freedom of a t interval, :math:`\\hat Q \\pm t_{df}\\,\\mathrm{se}`.
    missing_information : ndarray
        Share of the information about the number that is missing.
    """

    estimate: FloatArray
    se: FloatArray
    df: FloatArray
    missing_information: FloatArray


def pooled(estimates: Any, variances: Any) -> Pooled:
    r"""Rubin's rules: results of the same analysis of several completed tables, put together.

    .. math:: \bar Q = \tfrac1m\sum_l \hat Q_l,\qquad T = \bar U + (1 + \tfrac1m)B,\qquad
              df = (m - 1)\Bigl(1 + \frac{\bar U}{(1 + 1/m)B}\Bigr)^2

    with the mean :math:`\bar U` of the variances and the variance B of the estimates.

    Parameters
    ----------
    estimates, variances : array-like (m, ...)
        An estimate and its squared standard error from each of m completed tables.

    Returns
    -------
    Pooled

    Raises
    ------
    ValueError
        For fewer than two tables, and for unequal shapes.

    Notes
    -----
    Source: Rubin (1987), "Multiple imputation for nonresponse in surveys", section 3.1.

    Examples
    --------
    >>> result = pooled([1.0, 1.2, 0.8], [0.04, 0.05, 0.03])
    >>> round(float(result.estimate), 3), round(float(result.se), 3)
    (1.0, 0.306)
    """
    Q, U = np.asarray(estimates, dtype=float), np.asarray(variances, dtype=float)
    if Q.shape != U.shape or not Q.ndim or len(Q) < 2:
        raise ValueError(
            f"estimates and variances have shapes {Q.shape} and {U.shape}; needed: the same shape, one line for each "
            "of two or more completed tables"
        )
    m = len(Q)
    within, between = U.mean(axis=0), (1.0 + 1.0 / m) * Q.var(axis=0, ddof=1)
    total = within + between
    with np.errstate(divide="ignore", invalid="ignore"):
        df = (m - 1.0) * (1.0 + within / between) ** 2
        share = np.where(total > 0, between / total, 0.0)
    return Pooled(Q.mean(axis=0), np.sqrt(total), df, share)
