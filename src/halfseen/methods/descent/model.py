"""Overparametrized factorization as an estimator."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from halfseen._typing import FloatArray, IntArray, RandomState, as_generator
from halfseen.base import CompletionEstimator, PlacesRows
from halfseen.data import Observed, check_support
from halfseen.engines import Engine
from halfseen.linalg.growth import threshold_at
from halfseen.linalg.pairs import pair_products
from halfseen.losses import Loss, get_loss
from halfseen.methods.descent.checks import checked_operator, checked_symmetry, is_operator, usable_rule
from halfseen.methods.descent.options import DescentOptions, checked_options, checked_stop, positive
from halfseen.methods.descent.path import Passed
from halfseen.methods.descent.table import Centre, Table, make_table
from halfseen.solvers.watch import CallbackSupport

if TYPE_CHECKING:  # loaded by the first fit
    from halfseen.methods.descent.fitting import Descended

DEFAULT_RANK = 50


class OverparametrizedFactorization(CallbackSupport, PlacesRows, CompletionEstimator):
    r"""Low-rank structure by gradient descent with too many columns, a small start and an early stop.

    .. math:: f(F, G) = \tfrac12\|F G^\top - X\|_F^2,\qquad
              F_0, G_0 = \frac{\rho}{3\sqrt{m + n + k}}\,N(0, \sigma_1),\qquad
              (F, G) \leftarrow (F, G) - \eta\nabla f(F, G)

    The components of X are learned one after the other, the largest first. Stopped in time, descent is a smooth
    threshold on singular values that was told no rank: k only has to be large enough.

    Parameters
    ----------
    rank : int or None
        Columns k of the factors; None is 50, or the shorter side of the table where that is less. More than needed is
        meant.
    start_scale : float
        :math:`\rho`. Smaller is closer to the best approximation of each rank, and slower, both in
        :math:`\log\rho`.
    step : "auto" or float
        :math:`\eta`; "auto" is :math:`1/(2\sigma_1)`.
    stop : str, int or a stopping rule
        "auto", "sure", "between", "discrepancy", "plateau", "held_out", "none" (to ``max_iter``), a number of
        iterations, or a rule with its settings: `Sure`, `BetweenModes`, `TheoryWindow`, `DiscrepancyStop`,
        `PlateauStop`, `HeldOutStop`. "auto" is "sure" for complete tables, "discrepancy" for linear operators and
        "held_out" where entries are missing or the loss is not the squared one.
    loss : str or Loss
        Squared loss by default; "bernoulli", "poisson", "binomial(N)" or your own, on the linear predictor.
    options : DescentOptions or None
        Solver, centring, symmetry, iterations, what of the path is kept.
    random_state : int, Generator or None
        Draws the start and the entries held out.
    engine : {"serial", "threads"}, Engine or None
        Where row blocks of incomplete tables are computed.

    Attributes
    ----------
    left_, right_ : ndarray (m, q), (n, q)
        The factors at the stop, balanced and in the order of falling singular values; q is the least of m, n and k.
    singular_values_ : ndarray (q,)
        Of their product.
    path_ : DescentPath
        Times, singular values and training errors along the way, and the approximations X_1, X_2, ... as they were
        passed.
    held_out_ : HeldOutCurve or None
        Errors on the entries held out.
    stop_time_ : int
        Iterations after which the factors were taken.
    step_, top_ : float
        :math:`\eta` and :math:`\sigma_1` as used.
    noise_ : float or None
        Noise level, where the stop estimated it.
    threshold_ : float
        :math:`\lambda(t)`: components with larger singular values are there, with smaller ones not.
    centre_ : Centre
        What was taken out beforehand.
    sure_ : ndarray or None
        Stein's estimate of the squared error after iteration 1, 2, ..., where the stop used it.
    run_ : Run
        Reason, iterations and trace (of the held-out descent, where there was one).
    n_iter_ : int

    Raises
    ------
    ValueError
        For unknown stops and options, and for rules that need what the table does not have.

    Notes
    -----
    O(mnk) time per iteration for arrays, O(E k) for E observed entries, two products with k vectors for a linear
    operator; ``options.solver`` has faster ways for arrays. Memory O((m + n) k) beyond the table: incomplete tables
    are never made dense. Of a sparse matrix the stored entries are the observed ones; to treat absent entries as
    zeros wrap it by ``scipy.sparse.linalg.aslinearoperator``.

    When a full decomposition is affordable, no early stop beats optimal shrinkage of singular values
    (:func:`halfseen.linalg.shrunk`).

    Source: Jiang, Chen and Ding (2022), "Algorithmic regularization in model-free overparametrized asymmetric matrix
    factorization".

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 40))
    >>> model = hs.OverparametrizedFactorization(random_state=0).fit(truth + 0.1 * rng.normal(size=truth.shape))
    >>> error = np.linalg.norm(model.left_ @ model.right_.T - truth) / np.linalg.norm(truth)
    >>> int(np.sum(model.singular_values_ > model.threshold_)), bool(error < 0.03)
    (3, True)
    """

    left_: FloatArray
    right_: FloatArray
    centre_: Centre

    def __init__(
        self,
        rank: int | None = None,
        start_scale: float = 1e-3,
        step: str | float = "auto",
        stop: Any = "auto",
        loss: str | Loss = "gaussian",
        options: DescentOptions | None = None,
        random_state: RandomState = None,
        engine: str | Engine | None = None,
    ) -> None:
        self.rank = rank
        self.start_scale = start_scale
        self.step = step
        self.stop = stop
        self.loss = loss
        self.options = options
        self.random_state = random_state
        self.engine = engine

    def fit(self, R: Any, y: None = None) -> Self:
        """Descend on a table.

        Parameters
        ----------
        R : ndarray (m, n), NaN array, Observed, data frame, scipy.sparse or LinearOperator
        y : None
            Ignored; there for scikit-learn.
        """
        from halfseen.methods.descent.fitting import Descent

        options, stop = self._checked()
        rng = as_generator(self.random_state)
        table = self._table(R, options, rng)
        rule, chosen = usable_rule(stop, table), self._rank(table)
        step = None if isinstance(self.step, str) else float(self.step)
        descent = Descent(table, (chosen, float(self.start_scale), step), rule, options, rng)
        told = table.observed
        with (
            nullcontext()
            if told is None
            else self._watched(told, options.max_iter, lambda params: self._learned(params))
        ) as watch:
            found = descent.run(watch)
            self._keep(table, found)
        if self.run_.reason == "not_finite" or (self.run_.reason == "max_iter" and stop != "none"):
            warnings.warn(
                f"OverparametrizedFactorization ended after {self.n_iter_} iterations with reason "
                f"'{self.run_.reason}'; {_advice(self.run_.reason)}",
                ConvergenceWarning, stacklevel=2,
            )  # fmt: skip
        return self

    def _checked(self) -> tuple[DescentOptions, Any]:
        options, stop = checked_options(self.options), checked_stop(self.stop)
        positive("start_scale", self.start_scale)
        if self.rank is not None:
            positive("rank", self.rank, whole=True)
        if isinstance(self.step, str):
            if self.step != "auto":
                raise ValueError(f"step must be 'auto' or a finite number above 0; got {self.step!r}")
        else:
            positive("step", self.step)
        return options, stop

    def _table(self, R: Any, options: DescentOptions, rng: np.random.Generator) -> Table:
        self.loss_ = get_loss(self.loss) if isinstance(self.loss, str) else self.loss
        if is_operator(R):
            matrix = checked_operator(R, self.loss_, options)
            self.observed_shape_, self.n_features_in_ = matrix.shape, matrix.shape[1]
            self.row_labels_ = self.col_labels_ = None
            dtype = np.dtype(np.float32 if matrix.dtype == np.float32 else np.float64)
            zero = Centre(0.0, np.zeros(matrix.shape[0], dtype), np.zeros(matrix.shape[1], dtype))
            return Table(matrix.shape, dtype, self.loss_, matrix, None, zero)
        observed = self._observe(R, reset=True)
        check_support(observed, self.loss_, "loss")
        if options.is_symmetric:
            checked_symmetry(observed)
        return make_table(observed, self.loss_, options.centre, self.engine, rng)

    def _rank(self, table: Table) -> int:
        return min(DEFAULT_RANK, *table.shape) if self.rank is None else int(self.rank)

    def _keep(self, table: Table, found: Descended) -> None:
        """Set the learned attributes."""
        from halfseen.methods.descent.placement import placing_ridge

        size = found.reading.size
        self.left_, self.right_ = found.reading.parts(len(size))
        self.singular_values_ = np.asarray(size, dtype=table.dtype)
        self.path_, self.held_out_, self.noise_, self.sure_ = found.path, found.curve, found.noise, found.estimates
        self.stop_time_ = int(found.path.times[-1])
        setting = found.setting
        self.step_, self.top_ = setting.step, setting.top
        self.threshold_ = 0.0
        if setting.top > 0:
            self.threshold_ = threshold_at(self.stop_time_, setting.start, setting.step, setting.top)
        self.centre_ = table.centre
        self.row_ridge_ = placing_ridge(table, found)
        self.run_, self.n_iter_ = found.run.record(), found.run.n_iter

    def _learned(self, factors: Any) -> dict[str, Any]:
        """Attributes that predict, in the middle of a descent (for callbacks)."""
        return {"left_": factors[0], "right_": factors[1]}

    def approximation(self, rank: int) -> Passed:
        """The best approximation of this rank, as descent passed it.

        Parameters
        ----------
        rank : int
            1 up to ``options.keep``, and up to the number of components that had grown before the stop.

        Returns
        -------
        Passed
            Two factors, the time, and how far off it is; ``to_dense()`` multiplies them.

        Raises
        ------
        ValueError
            If descent did not get that far.
        """
        check_is_fitted(self)
        positive("rank", rank, whole=True)
        passed = {one.rank: one for one in self.path_.passed}
        if rank not in passed:
            most = max(passed, default=0)
            raise ValueError(
                f"descent passed approximations of rank 1 to {most} before it stopped, not of rank {rank}; "
                "use a later stop (stop='none' or a number of iterations) or a larger options.keep"
            )
        return passed[rank]

    def transform(self, R: Any) -> FloatArray:
        """Rows of ``left_`` for rows (new ones, or the training rows again) given the fitted columns.

        Rows of a complete table are shrunk as descent shrank them: its own rows are placed where descent had them (to
        rounding with ``solver="filter"``). With missing entries rows are placed by ridge regression, under the prior
        that the fitted rows suggest.

        Returns
        -------
        ndarray (n_rows, q)
        """
        check_is_fitted(self)
        return self._place(self._observe(R, reset=False))[0]

    def _place(self, observed: Observed) -> tuple[FloatArray, FloatArray]:
        from halfseen.methods.descent.placement import place

        return place(observed, self.right_, self.row_ridge_, self.centre_, self.loss_, self.engine)

    def _linear_pairs(self, rows: IntArray, cols: IntArray) -> FloatArray:
        return self.centre_.at(rows, cols) + pair_products(self.left_, self.right_, rows, cols)

    def _linear_block(self, rows: IntArray, cols: IntArray) -> FloatArray:
        return self.left_[rows] @ self.right_[cols].T + self.centre_.at(rows[:, None], cols)

    def _linear_rows(self, observed: Observed) -> FloatArray:
        rows, bias = self._place(observed)
        base = self.centre_.cols + rows.dtype.type(self.centre_.mean)
        return rows @ self.right_.T + bias[:, None] + base

    @property
    def _n_features_out(self) -> int:
        return self.right_.shape[1]


def _advice(reason: str) -> str:
    if reason == "not_finite":
        return "the step is too long: give a smaller step, or options=DescentOptions(is_guarded=True)"
    return "raise options.max_iter, or choose another stop"
