"""Overparametrized factorization as an estimator."""

from __future__ import annotations

from contextlib import nullcontext
from numbers import Integral
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from halfseen._typing import FloatArray, IntArray, RandomState, as_generator
from halfseen.base import CompletionEstimator, PlacesRows
from halfseen.data import Observed, PreparedTable, check_support
from halfseen.engines import Engine
from halfseen.inference.extremes import tell_extremes
from halfseen.inference.linked import tell_groups
from halfseen.linalg.growth import threshold_at
from halfseen.linalg.pairs import pair_products
from halfseen.losses import Loss, get_loss, is_one_for_all, is_quadratic
from halfseen.methods.descent.checks import checked_operator, checked_symmetry, is_operator, usable_rule
from halfseen.methods.descent.options import CENTRES, SOLVERS, STOP, as_rule, check_together
from halfseen.methods.descent.path import Passed
from halfseen.methods.descent.table import Centre, DescentTable, make_table
from halfseen.parameters import ENGINE, FAMILY, RANDOM_STATE, Flag, Nothing, Number, Table, Whole, Word
from halfseen.solvers.checkpoint import resumable
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
    rank : int, None or "auto"
        Columns k of the factors; None and "auto" are 50, or the shorter side of the table where that is less. More than
        needed is meant: the stop decides how many components there are.
    family : str or Loss
        "gaussian", "bernoulli", "poisson", "binomial(N)" or your own, on the linear predictor.
    stop : str, int or a stopping rule
        "auto", "sure", "between", "discrepancy", "plateau", "held_out", "none" (to ``max_iter``), a number of
        iterations, or a rule with its settings: `Sure`, `BetweenModes`, `TheoryWindow`, `DiscrepancyStop`,
        `PlateauStop`, `HeldOutStop`. "auto" is "sure" for complete tables, "discrepancy" for linear operators and
        "held_out" where entries are missing or the family is not "gaussian".
    start_scale : float
        :math:`\rho`. Smaller is closer to the best approximation of each rank, and slower, both in
        :math:`\log\rho`.
    centre : {"auto", "none", "mean", "columns", "both"}
        What is taken out first: nothing, the mean, means of columns, or means of columns and rows (shrunk towards 0).
        "auto" takes the mean where it is a tenth of the squares; means of columns and rows, of tables with missing
        entries, where they predict a tenth of the held-out squares about it; and nothing from symmetric tables.
    max_iter : int
        Iterations at most.
    random_state : int, Generator or None
        Draws the start and the entries held out.
    engine : {"serial", "threads"}, Engine or None
        Where row blocks of incomplete tables are computed.
    step : "auto" or float
        :math:`\eta`; "auto" is :math:`1/(2\sigma_1)`.
    solver : {"descent", "basis", "filter"}
        The iteration as printed; the same iterates, to rounding, in the basis of the table's singular vectors (one
        decomposition, then O((q + k) k^2) per iteration, q the shorter side); or its singular values alone, which
        follow a recursion of their own (O(q) per iteration, 2 % off at k of the order of the sides). The last two
        need a complete table in memory.
    is_symmetric : bool
        Keep :math:`G = F`, from the identity where k is the number of rows: the iterates of a symmetric table stay
        symmetric and approach its positive part. Not with ``solver="basis"``.
    is_guarded : bool or None
        Halve the step when the objective would rise; None does so for families other than "gaussian".
    keep : int
        Of how many leading components the approximations passed on the way are kept.
    record : float
        The path is looked at whenever the time has grown by this share.

    Attributes
    ----------
    left_, right_ : ndarray (m, q), (n, q)
        The factors at the stop, balanced and in the order of falling singular values; q is the least of m, n and k.
    singular_values_ : ndarray (q,)
        Of their product.
    rank_ : int
        Columns k of the descent.
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
    linking_ : Linking or None
        Groups of rows and columns that too few entries link to be compared; None for one group.
    run_ : Run
        Reason, iterations and trace (of the held-out descent, where there was one).
    n_iter_ : int

    Raises
    ------
    ValueError
        For parameters of the wrong kind, and for rules that need what the table does not have.

    Notes
    -----
    O(mnk) time per iteration for arrays, O(E k) for E observed entries, two products with k vectors for a linear
    operator; ``solver`` has faster ways for arrays. Memory O((m + n) k) beyond the table: incomplete tables
    are never made dense. Of a sparse matrix the stored entries are the observed ones; to treat absent entries as
    zeros wrap it by ``scipy.sparse.linalg.aslinearoperator``.

    When a full decomposition is affordable, no early stop beats optimal shrinkage of singular values
    (:func:`halfseen.linalg.shrunk`).

    Source: Jiang, Chen and Ding (2022), "Algorithmic regularization in model-free overparametrized asymmetric matrix
    factorization". The parameters from ``step`` on are rarely needed.

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

    # an array; of a prepared table RowsInBlocks, which behaves as one
    left_: Any
    right_: FloatArray
    centre_: Centre

    _summary: ClassVar[str] = "halfseen.methods.descent.summary:chapter"
    _parameters: ClassVar[Table] = {
        "rank": Whole(1) | Nothing() | Word("auto"),
        "family": FAMILY,
        "stop": STOP,
        "start_scale": Number(0, above=True),
        "centre": Word(*CENTRES),
        "max_iter": Whole(1),
        "random_state": RANDOM_STATE,
        "engine": ENGINE,
        "step": Word("auto") | Number(0, above=True),
        "solver": Word(*SOLVERS),
        "is_symmetric": Flag(),
        "is_guarded": Nothing() | Flag(),
        "keep": Whole(0),
        "record": Number(0, above=True),
    }

    def __init__(
        self,
        rank: int | str | None = None,
        *,
        family: str | Loss = "gaussian",
        stop: Any = "auto",
        start_scale: float = 1e-3,
        centre: str = "auto",
        max_iter: int = 5000,
        random_state: RandomState = None,
        engine: str | Engine | None = None,
        step: str | float = "auto",
        solver: str = "descent",
        is_symmetric: bool = False,
        is_guarded: bool | None = None,
        keep: int = 20,
        record: float = 0.025,
    ) -> None:
        self.rank = rank
        self.family = family
        self.stop = stop
        self.start_scale = start_scale
        self.centre = centre
        self.max_iter = max_iter
        self.random_state = random_state
        self.engine = engine
        self.step = step
        self.solver = solver
        self.is_symmetric = is_symmetric
        self.is_guarded = is_guarded
        self.keep = keep
        self.record = record

    @resumable
    def fit(self, R: Any, y: None = None) -> Self:
        """Descend on a table.

        Parameters
        ----------
        R : ndarray (m, n), NaN array, Observed, data frame, scipy.sparse, LinearOperator or prepared table
            Of a table of :func:`halfseen.prepare` the rows' factors lie in files beside its blocks, during the fit and
            after it; approximations that descent passes are not kept.
        y : None
            Ignored; there for scikit-learn.
        """
        from halfseen.methods.descent.fitting import Descent

        settings = self._checked()
        check_together(settings)
        stop, rng = as_rule(settings.stop), as_generator(settings.random_state)
        if isinstance(R, PreparedTable):
            from halfseen.methods.descent.block_fit import fit_blocks

            return fit_blocks(self, R, settings, as_rule("held_out") if stop == "auto" else stop, rng)
        table = self._table(R, settings, rng)
        self.rank_ = int(settings.rank) if isinstance(settings.rank, Integral) else min(DEFAULT_RANK, *table.shape)
        descent = Descent(table, self.rank_, usable_rule(stop, table), settings, rng)
        told = table.observed
        with (
            nullcontext()
            if told is None
            else self._watched(told, settings.max_iter, lambda params: self._learned(params))
        ) as watch:
            self._keep(table, descent.run(watch))
        if self.run_.reason == "not_finite" or (self.run_.reason == "max_iter" and stop != "none"):
            self._warn(
                f"OverparametrizedFactorization ended after {self.n_iter_} iterations with reason "
                f"'{self.run_.reason}'; {_advice(self.run_.reason)}", ConvergenceWarning,
            )  # fmt: skip
        if told is not None and is_quadratic(self.loss_):
            tell_extremes(self, told, self.left_, self.right_)
        return self

    def _table(self, R: Any, settings: SimpleNamespace, rng: np.random.Generator) -> DescentTable:
        self.loss_ = get_loss(settings.family, is_one_for_all, type(self).__name__)
        if is_operator(R):
            matrix = checked_operator(R, self.loss_, settings)
            self.observed_shape_, self.n_features_in_ = matrix.shape, matrix.shape[1]
            self.row_labels_ = self.col_labels_ = self.linking_ = None
            dtype = np.dtype(np.float32 if matrix.dtype == np.float32 else np.float64)
            zero = Centre(0.0, np.zeros(matrix.shape[0], dtype), np.zeros(matrix.shape[1], dtype))
            return DescentTable(matrix.shape, dtype, self.loss_, matrix, None, zero)
        observed = self._observe(R, reset=True)
        check_support(observed, self.loss_, "family")
        if settings.is_symmetric:
            checked_symmetry(observed)
        self.linking_ = tell_groups(self, observed)
        centre = "none" if settings.is_symmetric and settings.centre == "auto" else settings.centre
        return make_table(observed, self.loss_, centre, settings.engine, rng)

    def _keep(self, table: DescentTable, descended: Descended) -> None:
        """Set the learned attributes."""
        from halfseen.methods.descent.placement import placing_penalty

        size = descended.reading.size
        self.left_, self.right_ = descended.reading.parts(len(size))
        self.singular_values_ = np.asarray(size, dtype=table.dtype)
        self.path_, self.held_out_, self.noise_, self.sure_ = (
            descended.path,
            descended.curve,
            descended.noise,
            descended.estimates,
        )
        self.stop_time_ = int(descended.path.times[-1])
        setting = descended.setting
        self.step_, self.top_ = setting.step, setting.top
        self.threshold_ = 0.0
        if setting.top > 0:
            self.threshold_ = threshold_at(self.stop_time_, setting.start, setting.step, setting.top)
        self.centre_ = table.centre
        self.row_penalty_ = placing_penalty(table, descended)
        self.run_, self.n_iter_ = descended.run.record(), descended.run.n_iter

    def _learned(self, factors: Any) -> dict[str, Any]:
        """Attributes that predict, in the middle of a descent (for callbacks)."""
        return {"left_": factors[0], "right_": factors[1]}

    def approximation(self, rank: int) -> Passed:
        """The best approximation of this rank, as descent passed it.

        Parameters
        ----------
        rank : int
            1 up to ``keep``, and up to the number of components that had grown before the stop.

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
        Whole(1).check("rank", rank)
        passed = {place.rank: place for place in self.path_.passed}
        if rank not in passed:
            most = max(passed, default=0)
            raise ValueError(
                f"descent passed approximations of rank 1 to {most} before it stopped, not of rank {rank}; "
                "use a later stop (stop='none' or a number of iterations) or a larger keep"
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

        return place(observed, self.right_, self.row_penalty_, self.centre_, self.loss_, self.engine)

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
        return "the step is too long: give a smaller step, or is_guarded=True"
    return "raise max_iter, or choose another stop"
