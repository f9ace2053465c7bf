"""One-sided completion as an estimator: the columns' second moment from rows seen a few times each."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from halfseen._typing import FloatArray, IntArray, RandomState, as_generator
from halfseen.base import CompletionEstimator, PlacesRows
from halfseen.data import Observed, PreparedTable
from halfseen.engines import Engine
from halfseen.engines.local import here
from halfseen.linalg.pairs import pair_products
from halfseen.losses import get_loss
from halfseen.methods.moment.checks import (
    SeenRows,
    check_privacy,
    check_private_call,
    check_varied,
    is_table,
    observe_rows,
    pair_positions,
    tell_heavy_tails,
    tell_level,
    usable_rank,
    warn_about,
)
from halfseen.methods.moment.column_noise import ColumnNoise, column_noise
from halfseen.methods.moment.diagnostics import PairDiagnostics, diagnose
from halfseen.methods.moment.estimates import ESTIMATORS, SAMPLINGS
from halfseen.methods.moment.fitting import Fit, fit_pairs, sweeps
from halfseen.methods.moment.moments import PairMoments
from halfseen.methods.moment.private import Privacy, PrivateMoments, private_targets, release
from halfseen.methods.moment.problem import PairTargets
from halfseen.methods.moment.rank import HELD_OUT_ROWS, PairRankChoice, both_parts, choose_pair_rank
from halfseen.methods.moment.rows import LinearPredictor
from halfseen.methods.moment.targets import targets_of
from halfseen.parameters import (
    ENGINE,
    RANDOM_STATE,
    Each,
    Flag,
    Nothing,
    Number,
    Suits,
    Table,
    Whole,
    Word,
)
from halfseen.solvers.checkpoint import resumable
from halfseen.solvers.watch import CallbackSupport

if TYPE_CHECKING:  # loaded when asked for
    from halfseen.inference import Intervals
    from halfseen.methods.moment.intervals import OneSidedInference

PRIVACY = Suits(lambda value: value is None or isinstance(value, Privacy), "a Privacy or None", tried=(None,))
KINDS = ("low_rank", "with_psi", "assembled")


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
        Number of factors, cut to the columns; None: 10, or a quarter of the columns where that is less; "auto": the
        one that predicts the pairs of a held-out fifth of the rows best.
    estimator : {"hajek", "horvitz_thompson"}
        Of the pairs: sums over counts, or over expected counts (``sampling``).
    psi : {"common", "columns"}, float or None
        Variance of what the factors do not explain, :math:`T_{ii} = \|X_i\|^2 + \psi`: one for all columns
        (estimated, at least 0), one per column (the diagonal then says nothing about X), or a known number. None:
        0 with paper weights; else "columns" where what the factors leave of the diagonal differs between columns by
        more than chance (`column_noise_`), and "common" where it does not.
    penalty : float
        Multiplies :math:`\frac12\|X\|^2`.
    weights : {"inverse_variance", "counts", "paper"} or None
        Of a pair :math:`i < j`: :math:`K_{ij}/(T_{ii}T_{jj})`, :math:`K_{ij}`, or 1. None: "inverse_variance" for
        ``solver="lbfgs"``, "paper" for ``solver="gd"``.
    privacy : Privacy or None
        Learn from noisy sums only; see `Privacy.statement`.
    solver : {"lbfgs", "gd"}
        Spectral start and L-BFGS with inverse-variance weights, or the paper's loss, start and gradient descent.
    max_iter, tol : int or None, float or None
        Sweeps (None: 2000; "gd" 20000), and the relative fall of the objective at which they end (None: 1e-9; "gd"
        1e-7).
    random_state : int, Generator or None
        Draws starts and held-out rows. Under ``privacy`` it must not be a number.
    engine : str, Engine or None
    ranks : sequence of int
        What ``rank="auto"`` tries; those above the number of columns are left out.
    sampling : {"uniform", "columns", "fixed"}
        How cells came to be seen, for ``estimator="horvitz_thompson"``.
    keeps_rows : bool
        Whether ``fit`` keeps the coordinates of the training rows, n x rank numbers, for ``predict(rows, cols)``.
    start : {"spectral", "random"} or None
        None: "spectral" for "lbfgs", "random" (entries from N(0, 1/d)) for "gd".
    step : float or None
        First step of gradient descent, halved where the objective would rise; None: :math:`d^2/(4\|T\|_2)`.
    is_preconditioned : bool
        Row-block preconditioner of L-BFGS: half the passes or fewer, a ninth where T is badly conditioned.
    diagonal_weight : float or None
        The paper's :math:`q`; None: :math:`1 - (1 - p^2)^n`, the chance that a pair is seen.
    incoherence : float
        :math:`\lambda` of the row-norm regulariser :math:`\frac{\lambda}{d}\sum_i(\|X_i\| - \alpha)_+^4`.
    row_norm : float or None
        :math:`\alpha`; None: 1.5 times the root of the largest :math:`\bar T_{ii}`, beyond which nothing true lies.

    Attributes
    ----------
    components_ : ndarray (r, d)
        X', in principal axes, largest first: ``components_.T @ components_`` is the low-rank part of T.
    eigenvalues_ : ndarray (r,)
        Of XX'.
    psi_ : float
        Variance that the factors leave, on average over the columns.
    column_noise_ : ndarray (d,)
        The same by column, shrunk towards the typical one; rows are placed and predicted with these unless ``psi`` is
        given as "common" or a number.
    noise_kind_ : {"common", "columns", "known"}
        How X was fitted.
    moments_ : PairMoments
        Counts, sums and squares of all pairs (not of a private model).
    release_ : PrivateMoments or None
        The noisy sums of a private model.
    rank_ : int
    rank_search_ : PairRankChoice or None
        What ``rank="auto"`` tried.
    diagnostics_ : PairDiagnostics or None
    row_factors_ : ndarray (n, r) or None
        Coordinates of the training rows (`fit` only).
    run_ : Run

    Raises
    ------
    ValueError
        If no row has two entries, for entries with weights, for parameters outside their range.

    Notes
    -----
    Parameters from ``ranks`` on are rarely needed.

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

    components_: FloatArray
    moments_: PairMoments
    release_: PrivateMoments | None
    rank_search_: PairRankChoice | None
    diagnostics_: PairDiagnostics | None
    # an array; of a prepared table RowsInBlocks, which behaves as one
    row_factors_: Any

    _summary: ClassVar[str] = "halfseen.methods.moment.summary:chapter"
    _parameters: ClassVar[Table] = {
        "rank": Nothing() | Whole(1) | Word("auto"),
        "estimator": Word(*ESTIMATORS),
        "psi": Nothing() | Word("common", "columns") | Number(0),
        "penalty": Number(0),
        "weights": Nothing() | Word("inverse_variance", "counts", "paper"),
        "privacy": PRIVACY,
        "solver": Word("lbfgs", "gd"),
        "max_iter": Nothing() | Whole(1),
        "tol": Nothing() | Number(0),
        "random_state": RANDOM_STATE,
        "engine": ENGINE,
        "ranks": Each(Whole(1)),
        "sampling": Word(*SAMPLINGS),
        "keeps_rows": Flag(),
        "start": Nothing() | Word("spectral", "random"),
        "step": Nothing() | Number(0),
        "is_preconditioned": Flag(),
        "diagonal_weight": Nothing() | Number(0),
        "incoherence": Number(0),
        "row_norm": Nothing() | Number(0),
    }

    def __init__(
        self,
        rank: int | str | None = None,
        estimator: str = "hajek",
        *,
        psi: str | float | None = None,
        penalty: float = 0.0,
        weights: str | None = None,
        privacy: Privacy | None = None,
        solver: str = "lbfgs",
        max_iter: int | None = None,
        tol: float | None = None,
        random_state: RandomState = None,
        engine: str | Engine | None = None,
        ranks: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20),
        sampling: str = "uniform",
        keeps_rows: bool = True,
        start: str | None = None,
        step: float | None = None,
        is_preconditioned: bool = True,
        diagonal_weight: float | None = None,
        incoherence: float = 1e-4,
        row_norm: float | None = None,
    ) -> None:
        self.rank = rank
        self.estimator = estimator
        self.psi = psi
        self.penalty = penalty
        self.weights = weights
        self.privacy = privacy
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.engine = engine
        self.ranks = ranks
        self.sampling = sampling
        self.keeps_rows = keeps_rows
        self.start = start
        self.step = step
        self.is_preconditioned = is_preconditioned
        self.diagonal_weight = diagonal_weight
        self.incoherence = incoherence
        self.row_norm = row_norm

    @classmethod
    def paper(cls, rank: int, random_state: RandomState = None, **changes: Any) -> Self:
        """The published algorithm: Hajek's estimates, weights q and 1, random start, gradient descent.

        Parameters
        ----------
        rank : int
        random_state : int, Generator or None
        **changes
            Any parameter to change (``step``, ``incoherence``, ``row_norm``, ``max_iter``, ...).
        """
        return cls(rank, "hajek", solver="gd", random_state=random_state, **changes)

    @resumable
    def fit(self, R: Any, y: None = None) -> Self:
        """Fit to the observed entries of a table (NaN array, sparse, data frame, `Observed`, or a prepared one).

        Of a prepared table (:func:`halfseen.prepare`) pairs are added up where its blocks are, in one reading; rows are
        placed where they are asked for.
        """
        settings, rng = self._begin()
        if isinstance(R, PreparedTable):
            return self._fit_blocks(R, settings, rng)
        observed = observe_rows(self, R, reset=True)
        check_varied(observed)
        if self.privacy is not None:
            return self._fit_private(observed, settings, rng)
        tell_heavy_tails(self, observed)
        tell_level(self, observed)
        if self.rank == "auto":
            parts = observed.split(HELD_OUT_ROWS, rng.spawn(1)[0], by="rows")
            train, held_out = (PairMoments.from_rows(part, self.engine) for part in parts)
            self.rank_search_ = choose_pair_rank(train, held_out, settings.ranks, settings, rng, self.engine)
            self.moments_ = both_parts(train, held_out)
        else:
            self.rank_search_ = None
            self.moments_ = PairMoments.from_rows(observed, self.engine)
        self._complete(observed, settings, rng)
        self._seen = SeenRows(observed)
        self.row_factors_ = self._place(observed) if settings.keeps_rows else None
        return self

    def _fit_blocks(self, table: PreparedTable, settings: SimpleNamespace, rng: np.random.Generator) -> Self:
        from halfseen.methods.moment import on_blocks

        train, held_out = on_blocks.fitted_moments(self, table, settings, rng)
        settings.engine = here(settings.engine)
        some = on_blocks.some_rows(table)
        check_varied(some)
        tell_heavy_tails(self, some)
        tell_level(self, some)
        self.rank_search_, self.moments_ = None, train
        if held_out is not None:
            self.rank_search_ = choose_pair_rank(train, held_out, settings.ranks, settings, rng, settings.engine)
            self.moments_ = train.add(held_out)
        self._forget_rows()
        self.__dict__.pop("components_", None)
        self._complete(None, settings, rng)
        self.components_ = self.components_.astype(table.dtype)
        self.stored_rows_ = on_blocks.rows_of_blocks(self, table)
        self.row_factors_ = self.stored_rows_ if settings.keeps_rows else None
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
        (settings, rng), is_first = self._begin(), not hasattr(self, "moments_")
        check_private_call(self, "partial_fit", "a second release would need a budget of its own")
        observed = observe_rows(self, R, reset=is_first)
        if is_first:
            self.moments_ = PairMoments.empty(observed.shape[1], observed.col_labels)
            self.rank_search_ = None
        if self.__dict__.pop("_borrowed", False):
            self.moments_ = self.moments_.copy()
        self.moments_.partial_fit(observed, self.engine)
        self._forget_rows()
        return self._complete(observed, settings, rng) if completes else self

    def fit_moments(self, moments: PairMoments, held_out: PairMoments | None = None) -> Self:
        """Fit to moments that were added up elsewhere (blocks, workers, files).

        Parameters
        ----------
        moments : PairMoments
        held_out : PairMoments, optional
            Of other rows, for ``rank="auto"``; they are added once the rank is chosen.
        """
        settings, rng = self._begin()
        check_private_call(self, "fit_moments", "sums cannot be clipped any more")
        if self.rank == "auto" and held_out is None:
            raise ValueError("rank='auto' needs moments of other rows: fit_moments(moments, held_out=...)")
        self.n_features_in_, self.col_labels_ = moments.n_cols, moments.col_labels
        self.rank_search_ = None
        self._borrowed = held_out is None  # the caller's own: partial_fit must not add to it
        if held_out is not None:
            if self.rank == "auto":
                self.rank_search_ = choose_pair_rank(moments, held_out, settings.ranks, settings, rng, self.engine)
            moments = moments.add(held_out)
        self.moments_ = moments
        self._forget_rows()
        return self._complete(None, settings, rng)

    def finish(self) -> Self:
        """Fit X to all rows added by :meth:`partial_fit` so far."""
        if not hasattr(self, "moments_"):
            raise ValueError("there are no rows yet; call partial_fit first")
        return self._complete(None, *self._begin())

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
        Word(*KINDS).check("kind", kind)
        return second_moment(self, None if pairs is None else pair_positions(self, pairs), kind)

    def row_space(self) -> FloatArray:
        """Orthonormal basis (d, r) of the row space, by falling eigenvalue."""
        check_is_fitted(self)
        lengths = np.sqrt(np.maximum(self.eigenvalues_, 1e-300))
        return self.components_.T / lengths.astype(self.components_.dtype)

    def inference(
        self, level: float = 0.95, *, random_state: Any = 0, R: Any = None, groups: int = 200
    ) -> OneSidedInference:
        """Row-clustered intervals of second moments, eigenvalues, the row space and predictions.

        Parameters
        ----------
        level : float
        random_state : int, Generator or None
            Draws behind angles and bands.
        R : table (also a prepared one), or iterable of blocks of rows, optional
            The rows of the fit; needed again for a model that was loaded, or fitted block by block.
        groups : int
            Rows are added up in so many groups; their spread is the variance.
        """
        from halfseen.methods.moment.intervals import infer

        check_is_fitted(self)
        check_private_call(self, "inference", "row-clustered errors need the raw rows")
        return infer(self, level, R, groups, random_state)

    def standard_errors(self, pairs: Any = None, R: Any = None, level: float = 0.95) -> Intervals:
        """Second moments of pairs with row-clustered standard errors and intervals; see :meth:`inference`."""
        return self.inference(level, R=R).second_moment(pairs)

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

    def _begin(self) -> tuple[SimpleNamespace, np.random.Generator]:
        settings = self._checked()
        check_privacy(self)
        self.loss_ = get_loss("gaussian")
        return settings, as_generator(settings.random_state)

    def _complete(self, observed: Observed | None, settings: SimpleNamespace, rng: np.random.Generator) -> Self:
        """Fit X to the moments; ``observed`` is for callbacks and the dtype."""
        moments = self.moments_
        choice = self.rank_search_
        self.rank_ = choice.rank if choice is not None else usable_rank(self.rank, moments.n_cols)
        self.observed_shape_ = (moments.n_rows, moments.n_cols)
        self.diagnostics_ = diagnose(moments, self.rank_)
        if moments.n_cols > 1 and not self.diagnostics_.rows_with_pairs:
            raise ValueError(
                f"none of the {moments.n_rows} rows has two entries, so nothing says how columns move together; "
                "give rows with at least two, or hs.ColumnMean for single columns"
            )
        self.release_ = None
        return self._fit_targets(targets_of(moments, settings.estimator, settings), observed, settings, rng)

    def _fit_targets(
        self, targets: PairTargets, observed: Observed | None, settings: SimpleNamespace, rng: np.random.Generator
    ) -> Self:
        start = self._start()
        dtype = np.float64 if observed is None else observed.dtype

        def fit(watch: Any) -> Any:
            return self._fit_noise(targets, settings, rng, watch, start)

        if observed is None:
            solution, noise = fit(None)
        else:
            with self._watched(observed, sweeps(settings), lambda params: {}) as watch:
                solution, noise = fit(watch)
        self.components_ = np.ascontiguousarray(solution.X.T).astype(dtype)
        self.eigenvalues_, self.psi_ = solution.eigenvalues, solution.psi
        self.column_noise_ = noise.psi
        self.run_, self.n_iter_ = solution.run, solution.run.n_iter
        warn_about(self)
        return self

    def _fit_noise(
        self, targets: PairTargets, settings: SimpleNamespace, rng: np.random.Generator, watch: Any, start: Any
    ) -> tuple[Fit, ColumnNoise]:
        """X with one noise for all columns, or with one for each where these differ by more than chance."""
        self.noise_kind_ = targets.psi if isinstance(targets.psi, str) else "known"
        solution = fit_pairs(targets, self.rank_, settings, rng, settings.engine, watch, start)
        if self.noise_kind_ == "known" or settings.psi == "common" or self.privacy is not None:
            return solution, ColumnNoise(np.full(targets.n_cols, solution.psi), 0.0)
        counts = self.moments_.diagonal().counts
        noise = column_noise(targets.diagonal, counts, solution.X, solution.psi)
        if self.noise_kind_ == "common" and noise.is_unequal:
            self.noise_kind_ = "columns"
            targets = replace(targets, psi="columns")
            solution = fit_pairs(targets, self.rank_, settings, rng, settings.engine, watch, solution.X)
            noise = column_noise(targets.diagonal, counts, solution.X, solution.psi)
        return solution, noise

    def _start(self) -> FloatArray | None:
        """Where the last block of rows left off."""
        known = getattr(self, "components_", None)
        if known is None or self.row_factors_ is not None or known.shape != (self.rank_, self.observed_shape_[1]):
            return None
        return known.T.astype(float) if np.all(self.eigenvalues_ > 0) else None

    def _fit_private(self, observed: Observed, settings: SimpleNamespace, rng: np.random.Generator) -> Self:
        assert self.privacy is not None
        self.__dict__.pop("moments_", None)
        self.rank_ = usable_rank(self.rank, observed.shape[1])
        self.rank_search_ = self.diagnostics_ = None
        self._forget_rows()
        self.components_ = np.zeros((0, 0))
        self.observed_shape_ = (0, observed.shape[1])
        noisy = release(observed, self.privacy, rng)
        self.release_ = noisy
        return self._fit_targets(private_targets(noisy), None, settings, rng)

    def _forget_rows(self) -> None:
        self._seen, self.row_factors_, self.row_labels_ = SeenRows(), None, None
        self.__dict__.pop("stored_rows_", None)

    def _place(self, observed: Observed) -> FloatArray:
        return self._predictor().coordinates(observed, self.engine)

    def _predictor(self) -> LinearPredictor:
        return LinearPredictor.of(np.ascontiguousarray(self.components_.T), self.column_noise_)

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
