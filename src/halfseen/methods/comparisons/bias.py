"""Models of rows and columns alone: what any factor model must beat."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from halfseen._typing import FloatArray
from halfseen.base import PlacesRows
from halfseen.biased import BiasedPredictions
from halfseen.data import Observed, PreparedTable
from halfseen.engines import Engine, EntryPasses
from halfseen.engines.placement import place
from halfseen.parameters import CLIP, ENGINE, Number, Table, Whole
from halfseen.solvers.alternating import Coefficients, Penalty, SmallFall, fit_biases, regress
from halfseen.solvers.block_ridge import BlockRidge, RidgeVisit, RowStart
from halfseen.solvers.checkpoint import resumable
from halfseen.solvers.loop import Run, loop
from halfseen.solvers.watch import CallbackSupport


class BiasModel(CallbackSupport, PlacesRows, BiasedPredictions):
    r"""Mean plus row and column biases, each shrunk by a ridge.

    .. math::

        \sum_{ij\ \mathrm{seen}} w_{ij}(r_{ij} - \mu - b_i - d_j)^2 + \lambda_r\sum_i b_i^2 + \lambda_c\sum_j d_j^2

    Parameters
    ----------
    row_penalty, col_penalty : float
        :math:`\lambda_r` and :math:`\lambda_c`, in entries: a row with that many entries keeps half of its mean.
    max_iter : int
        Largest number of rounds (columns, then rows, each in closed form).
    tol : float
        Stop when the objective falls by less than this share of what it was after the first round.
    clip : None, "range" or (low, high)
        Keep mean predictions inside the range of the training values, or inside given bounds.
    engine : {"serial", "threads"}, Engine or None

    Attributes
    ----------
    mean_ : float
    row_bias_, col_bias_ : ndarray (n,), (p,)
        0 for a row or column without entries.
    linking_ : Linking or None
        Groups of rows and columns that too few entries link to be compared; None for one group.
    run_ : Run
        Reason, rounds and trace of the objective.
    n_iter_ : int

    Notes
    -----
    O(E) time per round, O(n + p) memory. The defaults are those that predict 1-to-5 ratings best.

    Examples
    --------
    >>> import numpy as np
    >>> import halfseen as hs
    >>> seen = np.array([[1.0, 2.0, np.nan], [2.0, np.nan, 4.0], [3.0, 4.0, 5.0]])
    >>> model = hs.BiasModel(row_penalty=1e-6, col_penalty=1e-6, tol=1e-9, max_iter=500).fit(seen)
    >>> np.round(model.predict([0, 1], [2, 1]), 3).tolist()
    [3.0, 3.0]
    """

    _takes_any_scale: ClassVar[bool] = True
    _parameters: ClassVar[Table] = {
        "row_penalty": Number(0),
        "col_penalty": Number(0),
        "max_iter": Whole(1),
        "tol": Number(0),
        "clip": CLIP,
        "engine": ENGINE,
    }

    def __init__(
        self,
        row_penalty: float = 5.0,
        col_penalty: float = 2.0,
        *,
        max_iter: int = 100,
        tol: float = 1e-6,
        clip: str | tuple[float, float] | None = None,
        engine: str | Engine | None = None,
    ) -> None:
        self.row_penalty = row_penalty
        self.col_penalty = col_penalty
        self.max_iter = max_iter
        self.tol = tol
        self.clip = clip
        self.engine = engine

    @resumable
    def fit(self, R: Any, y: None = None) -> Self:
        """Fit to the observed entries of a table (NaN array, sparse, data frame, `Observed`, or a prepared folder).

        Parameters
        ----------
        R : table
            Of one that was prepared (:func:`halfseen.prepare`) the entries stay on disk, or with Dask's workers.
        y : None
            Ignored; there for scikit-learn.
        """
        settings = self._checked()
        if isinstance(R, PreparedTable):
            return self._fit_blocks(R, settings)
        observed = self._begin(R, settings.clip)
        passes = EntryPasses(observed, self.loss_, settings.engine)
        penalties = float(settings.row_penalty), float(settings.col_penalty)
        with self._watched(observed, settings.max_iter, self._learned) as watch:
            run = fit_biases(passes, self.mean_, penalties, settings.max_iter, settings.tol, watch)
            self.__dict__.update(self._learned(run.params))
        return self._told(run)

    def _fit_blocks(self, table: PreparedTable, settings: SimpleNamespace) -> Self:
        """The same rounds, one reading of the blocks each."""
        self._begin_blocks(table, settings.clip)
        visit = RidgeVisit(np.array([float(settings.row_penalty)]), 0.0, self.mean_)
        cols = Penalty(np.array([float(settings.col_penalty)]), np.ones(table.shape[1]))
        sweep = BlockRidge(place(table, settings.engine), visit, cols)
        begin = sweep.start([RowStart(None, 0.0)] * table.n_blocks, 1)
        run = loop(sweep, begin, [SmallFall(settings.tol)], max_iter=settings.max_iter)
        self.__dict__.update(self._learned_from_blocks(table, visit, run.params.C))
        return self._told(run)

    def _told(self, run: Run) -> Self:
        if run.reason in ("max_iter", "not_finite"):
            self._warn(
                f"BiasModel ended after {run.n_iter} rounds with reason '{run.reason}'; raise max_iter or tol",
                ConvergenceWarning,
            )
        self.run_, self.n_iter_ = run.record(), run.n_iter
        return self

    def transform(self, R: Any) -> FloatArray:
        """Biases of rows (new ones, or the training rows again) given the fitted columns, shape (n_rows, 1)."""
        check_is_fitted(self)
        return self._place(self._observe(R, reset=False))[1][:, None]

    def _penalty(self, ridge: float, size: int) -> Penalty:
        return Penalty(np.array([float(ridge)]), np.ones(size))

    def _learned(self, params: Coefficients) -> dict[str, Any]:
        (n, p), dtype = self.observed_shape_, params[0].dtype
        return {
            "row_bias_": params[0][:, 0],
            "col_bias_": params[1][:, 0],
            "row_factors_": np.zeros((n, 0), dtype),
            "col_factors_": np.zeros((p, 0), dtype),
        }

    def _place(self, observed: Observed) -> tuple[FloatArray, FloatArray]:
        observed, n = observed.astype(self.col_bias_.dtype), observed.shape[0]
        passes = EntryPasses(observed, self.loss_, self.engine)
        start = np.zeros((n, 1), observed.dtype)
        cols = self.col_bias_[:, None]
        rows, _ = regress(passes, 0, start, cols, self.mean_, self._penalty(self.row_penalty, n))
        return rows[:, :0], rows[:, 0]

    @property
    def _links(self) -> int:
        return 1

    @property
    def _n_features_out(self) -> int:
        return 1


class ColumnMean(BiasedPredictions):
    r"""The mean of each column, drawn towards the mean of all: :math:`\mu + \sum_i w_{ij}(r_{ij} - \mu)/(m_j + s)`.

    Parameters
    ----------
    shrinkage : float
        :math:`s`: as if this many further entries of the column had been the mean of all. 0 is the plain mean.

    Attributes
    ----------
    mean_ : float
        Mean of all entries; the prediction for a column without entries.
    col_means_ : ndarray (p,)

    Examples
    --------
    >>> import numpy as np
    >>> import halfseen as hs
    >>> hs.ColumnMean().fit(np.array([[1.0, np.nan], [3.0, 5.0]])).predict_table().tolist()
    [[2.0, 5.0], [2.0, 5.0]]
    """

    _parameters: ClassVar[Table] = {"shrinkage": Number(0)}

    def __init__(self, shrinkage: float = 0.0) -> None:
        self.shrinkage = shrinkage

    def fit(self, R: Any, y: None = None) -> Self:
        """Fit to the observed entries of a table (NaN array, sparse, data frame or `Observed`)."""
        settings = self._checked()
        observed = self._begin(R, None)
        (n, p), dtype = observed.shape, observed.dtype
        # a ridge regression on a constant: sum w (r - mean) / (sum w + shrinkage)
        passes, ridge = EntryPasses(observed, self.loss_), np.array([float(settings.shrinkage)])
        zeros = np.zeros((n, 1), dtype)
        cols, _ = regress(passes, 1, np.zeros((p, 1), dtype), zeros, self.mean_, Penalty(ridge, np.ones(p)))
        self.row_bias_, self.col_bias_ = zeros[:, 0], cols[:, 0]
        self.row_factors_, self.col_factors_ = np.zeros((n, 0), dtype), np.zeros((p, 0), dtype)
        self.col_means_ = (self.mean_ + self.col_bias_).astype(dtype)
        return self

    @property
    def _links(self) -> int:
        return 0  # means of columns compare no rows

    def _place(self, observed: Observed) -> tuple[FloatArray, FloatArray]:
        n = observed.shape[0]
        return np.zeros((n, 0), self.col_bias_.dtype), np.zeros(n, self.col_bias_.dtype)
