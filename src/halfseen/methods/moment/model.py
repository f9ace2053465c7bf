"""One-sided completion as an estimator: the columns' second moment from rows seen a few times each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from halfseen._typing import FloatArray, IntArray, as_generator
from halfseen.base import CompletionEstimator, PlacesRows
from halfseen.data import Observed
from halfseen.engines import Engine
from halfseen.linalg.pairs import pair_products
from halfseen.losses import get_loss
from halfseen.methods.moment.checks import (
    SeenRows,
    check_private_call,
    checked_privacy,
    is_table,
    observe_rows,
    pair_positions,
    usable_rank,
    warn_about,
)
from halfseen.methods.moment.diagnostics import PairDiagnostics, diagnose
from halfseen.methods.moment.fitting import fit_pairs, sweeps
from halfseen.methods.moment.moments import PairMoments
from halfseen.methods.moment.options import SOLVERS, OneSidedOptions, checked_options, one_of
from halfseen.methods.moment.private import Privacy, PrivateMoments, private_targets, release
from halfseen.methods.moment.problem import PairTargets
from halfseen.methods.moment.rank import HELD_OUT_ROWS, PairRankChoice, both_parts, choose_pair_rank
from halfseen.methods.moment.rows import LinearPredictor
from halfseen.methods.moment.targets import targets_of
from halfseen.solvers.watch import CallbackSupport

if TYPE_CHECKING:  # loaded when asked for
    from halfseen.inference import Intervals
    from halfseen.methods.moment.intervals import OneSidedInference


class OneSidedCompletion(CallbackSupport, PlacesRows, CompletionEstimator):
    r"""Learn how columns move together from rows of which only a few cells each were seen.

    .. math:: T = \tfrac1n M^\top M \approx XX^\top + \psi I,\qquad
              \min_X \tfrac12\sum_{i<j} w_{ij}\big(X_i^\top X_j - \bar T_{ij}\big)^2
              + \tfrac12\sum_i v_i\big(\|X_i\|^2 + \psi - \bar T_{ii}\big)^2,

    with :math:`\bar T_{ij}` the mean product of the values of columns i and j over the rows that hold both.
    Rows with two to ten entries are too thin to be completed one by one; many of them determine T, the row space.
    Values are taken as they are: centre columns first where their means should not count.

    Parameters
    ----------
    rank : int, "auto" or None
        Number of factors; None: 10, or a quarter of the columns where that is less; "auto": the one that predicts the
        pairs of a held-out fifth of the rows best.
    estimator : {"hajek", "horvitz_thompson"}
        Of the pairs: sums over counts, or over expected counts (``options.sampling``).
    solver : {"lbfgs", "gd"}
        Spectral start and L-BFGS with inverse-variance weights, or the paper's loss, start and gradient descent.
    privacy : Privacy or None
        Learn from noisy sums only; see `Privacy.statement`.
    options : OneSidedOptions or None
    random_state : int, Generator or None
        Draws starts and held-out rows. Under ``privacy`` it must not be a number.
    engine : str, Engine or None

    Attributes
    ----------
    components_ : ndarray (r, d)
        X', in principal axes, largest first: ``components_.T @ components_`` is the low-rank part of T.
    eigenvalues_ : ndarray (r,)
        Of XX'.
    psi_ : float
        Variance that the factors leave.
    moments_ : PairMoments
        Counts, sums and squares of all pairs (not of a private model).
    release_ : PrivateMoments or None
        The noisy sums of a private model.
    rank_ : int
    rank_choice_ : PairRankChoice or None
    diagnostics_ : PairDiagnostics or None
    row_factors_ : ndarray (n, r) or None
        Coordinates of the training rows (`fit` only).
    run_ : Run

    Raises
    ------
    ValueError
        If no row has two entries, for entries with weights, for options that make no sense.

    Notes
    -----
    One pass over the rows, O(sum of squared entries per row); each sweep is a pass over the pairs. Memory: the pairs
    seen, (n + d) r. Source: "One-Sided Matrix Completion from Ultra-Sparse Samples"; weights, diagonal, solver and
    errors are ours.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> rng = np.random.default_rng(0)
    >>> table = rng.normal(size=(4000, 2)) @ rng.normal(size=(2, 20))
    >>> table[rng.random(table.shape) < 0.85] = np.nan   # three entries a row
    >>> model = hs.OneSidedCompletion(rank=2, random_state=0).fit(table)
    >>> model.second_moment().shape, model.transform(table[:5]).shape
    ((20, 20), (5, 2))
    """

    moments_: PairMoments
    release_: PrivateMoments | None
    rank_choice_: PairRankChoice | None
    diagnostics_: PairDiagnostics | None
    row_factors_: FloatArray | None

    def __init__(
        self,
        rank: int | str | None = None,
        estimator: str = "hajek",
        solver: str = "lbfgs",
        privacy: Privacy | None = None,
        options: OneSidedOptions | None = None,
        random_state: Any = None,
        engine: str | Engine | None = None,
    ) -> None:
        self.rank = rank
        self.estimator = estimator
        self.solver = solver
        self.privacy = privacy
        self.options = options
        self.random_state = random_state
        self.engine = engine

    @classmethod
    def paper(cls, rank: int, random_state: Any = None, **options: Any) -> Self:
        """The published algorithm: Hajek's estimates, weights q and 1, random start, gradient descent.

        Parameters
        ----------
        rank : int
        random_state : int, Generator or None
        **options
            Any field of `OneSidedOptions` to change (``step``, ``incoherence``, ``row_norm``, ``max_iter``, ...).
        """
        return cls(rank, "hajek", "gd", options=OneSidedOptions(**options), random_state=random_state)

    def fit(self, R: Any, y: None = None) -> Self:
        """Fit to the observed entries of a table (NaN array, sparse, data frame or `Observed`)."""
        rng = self._begin()
        observed = observe_rows(self, R, reset=True)
        if self.privacy is not None:
            return self._fit_private(observed, rng)
        if self.rank == "auto":
            parts = observed.split(HELD_OUT_ROWS, rng.spawn(1)[0], by="rows")
            train, held_out = (PairMoments.from_rows(part, self.engine) for part in parts)
            self._choose(train, held_out, rng)
            self.moments_ = both_parts(train, held_out)
        else:
            self.rank_choice_ = None
            self.moments_ = PairMoments.from_rows(observed, self.engine)
        self._complete(observed, rng)
        self._seen = SeenRows(observed)
        self.row_factors_ = self._place(observed) if self._options().keeps_rows else None
        return self

    def partial_fit(self, R: Any, y: None = None, completes: bool = True) -> Self:
        """Add a block of rows and complete again, from where the last block left off.

        Parameters
        ----------
        R : Observed, array, sparse or data frame
            Further rows over the same columns; columns are found by label where both have labels.
        completes : bool
            False only adds the rows up; call :meth:`complete` (or give True) at the end.
        """
        rng, is_first = self._begin(), not hasattr(self, "moments_")
        check_private_call(self, "partial_fit", "a second release would need a budget of its own")
        observed = observe_rows(self, R, reset=is_first)
        if is_first:
            self.moments_ = PairMoments.empty(observed.shape[1], observed.col_labels)
            self.rank_choice_ = None
        if self.__dict__.pop("_borrowed", False):
            self.moments_ = self.moments_.copy()
        self.moments_.partial_fit(observed, self.engine)
        self._forget_rows()
        return self._complete(observed, rng) if completes else self

    def fit_moments(self, moments: PairMoments, held_out: PairMoments | None = None) -> Self:
        """Fit to moments that were added up elsewhere (blocks, workers, files).

        Parameters
        ----------
        moments : PairMoments
        held_out : PairMoments, optional
            Of other rows, for ``rank="auto"``; they are added once the rank is chosen.
        """
        rng = self._begin()
        check_private_call(self, "fit_moments", "sums cannot be clipped any more")
        if self.rank == "auto" and held_out is None:
            raise ValueError("rank='auto' needs moments of other rows: fit_moments(moments, held_out=...)")
        self.n_features_in_, self.col_labels_ = moments.n_cols, moments.col_labels
        self.rank_choice_ = None
        self._borrowed = held_out is None  # the caller's own: partial_fit must not add to it
        if held_out is not None:
            if self.rank == "auto":
                self._choose(moments, held_out, rng)
            moments = moments.add(held_out)
        self.moments_ = moments
        self._forget_rows()
        return self._complete(None, rng)

    def complete(self) -> Self:
        """Fit X to all rows added by :meth:`partial_fit` so far."""
        if not hasattr(self, "moments_"):
            raise ValueError("there are no rows yet; call partial_fit first")
        return self._complete(None, self._begin())

    def second_moment(self, pairs: Any = None, kind: str = "low_rank") -> FloatArray:
        """Estimated second moments.

        Parameters
        ----------
        pairs : (columns, columns), optional
            Labels or positions, elementwise; by default all d x d.
        kind : {"low_rank", "with_psi", "assembled"}
            :math:`XX^\\top`; with psi on the diagonal; or the published assembly, raw estimates where a pair was seen
            and :math:`XX^\\top` elsewhere (three to six times the error where the estimates are noisy).

        Returns
        -------
        ndarray (n_pairs,) or (d, d)
            nan for columns never seen.
        """
        from halfseen.methods.moment.outputs import second_moment

        check_is_fitted(self)
        one_of("kind", kind, ("low_rank", "with_psi", "assembled"))
        return second_moment(self, None if pairs is None else pair_positions(self, pairs), kind)

    def row_space(self) -> FloatArray:
        """Orthonormal basis (d, r) of the row space, by falling eigenvalue."""
        check_is_fitted(self)
        lengths = np.sqrt(np.maximum(self.eigenvalues_, 1e-300))
        return self.components_.T / lengths.astype(self.components_.dtype)

    def inference(
        self, level: float = 0.95, R: Any = None, groups: int = 200, random_state: Any = 0
    ) -> OneSidedInference:
        """Row-clustered intervals of second moments, eigenvalues, the row space and predictions.

        Parameters
        ----------
        level : float
        R : table, or iterable of blocks of rows, optional
            The rows of the fit; needed again for a model that was loaded, or fitted block by block.
        groups : int
            Rows are added up in so many groups; their spread is the variance.
        random_state : int, Generator or None
            Draws behind the angles.
        """
        from halfseen.methods.moment.intervals import infer

        check_is_fitted(self)
        check_private_call(self, "inference", "row-clustered errors need the raw rows")
        return infer(self, level, R, groups, random_state)

    def standard_errors(self, pairs: Any = None, R: Any = None, level: float = 0.95) -> Intervals:
        """Second moments of pairs with row-clustered standard errors and intervals; see :meth:`inference`."""
        return self.inference(level, R).second_moment(pairs)

    def transform(self, R: Any) -> FloatArray:
        r"""Coordinates of rows: the best linear predictor :math:`z = (X_O^\top X_O + \psi I)^{-1} X_O^\top x_O`."""
        check_is_fitted(self)
        return self._place(self._observe(R, reset=False))

    def predict(self, rows: Any, cols: Any = None, kind: str = "mean") -> FloatArray:
        """Predict entries: all columns of new rows, some columns of new rows, or pairs of training rows and columns.

        Parameters
        ----------
        rows : table, or sequence of n labels of training rows
        cols : sequence of labels, optional
            With a table: these columns of each row. With labels of rows: one column for each.
        kind : {"mean", "linear"}
            The same here.
        """
        if cols is None or not is_table(rows):
            return super().predict(rows, cols, kind)
        check_is_fitted(self)
        chosen = self._positions(cols, "column")
        return self._response(self._place(self._observe(rows, reset=False)) @ self.components_[:, chosen], kind)

    # ---- inside --------------------------------------------------------------------------------------------------

    def _begin(self) -> np.random.Generator:
        from halfseen.methods.moment.estimates import ESTIMATORS

        one_of("estimator", self.estimator, ESTIMATORS)
        one_of("solver", self.solver, SOLVERS)
        self._options()
        checked_privacy(self)
        self.loss_ = get_loss("gaussian")
        return as_generator(self.random_state)

    def _options(self) -> OneSidedOptions:
        return checked_options(self.options)

    def _choose(self, train: PairMoments, held_out: PairMoments, rng: np.random.Generator) -> None:
        options = self._options()
        more = options, self.solver, rng, self.engine
        self.rank_choice_ = choose_pair_rank(train, held_out, options.ranks, *more)

    def _complete(self, observed: Observed | None, rng: np.random.Generator) -> Self:
        """Fit X to the moments; ``observed`` is for callbacks and the dtype."""
        moments = self.moments_
        choice = self.rank_choice_
        self.rank_ = choice.rank if choice is not None else usable_rank(self.rank, moments.n_cols)
        self.observed_shape_ = (moments.n_rows, moments.n_cols)
        self.diagnostics_ = diagnose(moments, self.rank_)
        if moments.n_cols > 1 and not self.diagnostics_.rows_with_pairs:
            raise ValueError(
                f"none of the {moments.n_rows} rows has two entries, so nothing says how columns move together; "
                "give rows with at least two, or hs.ColumnMean for single columns"
            )
        self.release_ = None
        return self._fit_targets(targets_of(moments, self.estimator, self._options(), self.solver), observed, rng)

    def _fit_targets(self, targets: PairTargets, observed: Observed | None, rng: np.random.Generator) -> Self:
        options, start = self._options(), self._start()
        dtype = np.float64 if observed is None else observed.dtype

        def fit(watch: Any) -> Any:
            return fit_pairs(targets, self.rank_, options, self.solver, rng, self.engine, watch, start)

        if observed is None:
            found = fit(None)
        else:
            with self._watched(observed, sweeps(options, self.solver), lambda params: {}) as watch:
                found = fit(watch)
        self.components_ = np.ascontiguousarray(found.X.T).astype(dtype)
        self.eigenvalues_, self.psi_ = found.eigenvalues, found.psi
        self.run_, self.n_iter_ = found.run, found.run.n_iter
        warn_about(self)
        return self

    def _start(self) -> FloatArray | None:
        """Where the last block of rows left off."""
        known = getattr(self, "components_", None)
        if known is None or self.row_factors_ is not None or known.shape != (self.rank_, self.observed_shape_[1]):
            return None
        return known.T.astype(float) if np.all(self.eigenvalues_ > 0) else None

    def _fit_private(self, observed: Observed, rng: np.random.Generator) -> Self:
        assert self.privacy is not None
        self.__dict__.pop("moments_", None)
        self.rank_ = usable_rank(self.rank, observed.shape[1])
        self.rank_choice_ = self.diagnostics_ = None
        self._forget_rows()
        self.components_ = np.zeros((0, 0))
        self.observed_shape_ = (0, observed.shape[1])
        noisy = release(observed, self.privacy, rng)
        self.release_ = noisy
        return self._fit_targets(private_targets(noisy), None, rng)

    def _forget_rows(self) -> None:
        self._seen, self.row_factors_, self.row_labels_ = SeenRows(), None, None

    def _place(self, observed: Observed) -> FloatArray:
        return self._predictor().coordinates(observed, self.engine)

    def _predictor(self) -> LinearPredictor:
        return LinearPredictor.of(np.ascontiguousarray(self.components_.T), self.psi_)

    def _kept_rows(self) -> FloatArray:
        if self.row_factors_ is None:
            raise ValueError(
                "this model keeps no training rows (it was fitted block by block, privately, or with "
                "keeps_rows=False); give the rows as a table: predict(R, cols) or predict(R)"
            )
        return self.row_factors_

    def _positions(self, wanted: Any, axis: str) -> IntArray:
        if axis == "row":
            self._kept_rows()
        return super()._positions(wanted, axis)

    def _linear_pairs(self, rows: IntArray, cols: IntArray) -> FloatArray:
        return pair_products(self._kept_rows(), np.ascontiguousarray(self.components_.T), rows, cols)

    def _linear_block(self, rows: IntArray, cols: IntArray) -> FloatArray:
        return self._kept_rows()[rows] @ self.components_[:, cols]

    def _linear_rows(self, observed: Observed) -> FloatArray:
        return self._place(observed) @ self.components_

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)
