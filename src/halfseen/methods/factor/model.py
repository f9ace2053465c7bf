"""The generalized latent factor model as an estimator."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from halfseen._typing import FloatArray, IntArray
from halfseen.base import CompletionEstimator, PlacesRows
from halfseen.data import Observed, PreparedTable
from halfseen.data.newcomers import newcomers
from halfseen.engines import EntryPasses
from halfseen.inference.extremes import tell_extremes
from halfseen.inference.linked import tell_linking
from halfseen.inference.missingness import missing_for_a_reason
from halfseen.linalg.pairs import pair_products
from halfseen.losses import is_quadratic
from halfseen.methods.factor.checks import Offsets, checked_input, dispersion_of, judged, not_converged
from halfseen.methods.factor.fitting import FitPlan, StagedFit, Stages
from halfseen.methods.factor.identification import to_gauge
from halfseen.methods.factor.newrows import RowPlacer, placement
from halfseen.methods.factor.on_blocks import fit_blocks
from halfseen.methods.factor.penalties import HeldOut, PenaltyChoice, choose_penalty, complaint_about, hold_out
from halfseen.methods.factor.problem import FactorPenalty
from halfseen.methods.factor.ranks import settled_rank
from halfseen.methods.factor.settings import PARAMETERS, PRINTED, most_sweeps
from halfseen.methods.factor.verdicts import about_counts, about_next_rank, about_wild, is_wild
from halfseen.parameters import Table
from halfseen.solvers.checkpoint import resumable
from halfseen.solvers.watch import CallbackSupport

if TYPE_CHECKING:
    from halfseen.methods.factor.intervals.inference import FactorInference

HELD_OUT_SHARE = 0.1


class GeneralizedFactorModel(CallbackSupport, PlacesRows, CompletionEstimator):
    r"""Generalized latent factor model of a table with missing entries.

    .. math:: R_{ij} \sim \mathrm{ExpFam}(m_{ij}),\qquad m_{ij} = \zeta_j + \langle x_i, y_j\rangle,
              \qquad (i, j)\ \text{observed},

    fitted by a spectral start, a one-step refinement and descent to the stationary point of the joint
    likelihood (with an empirical-Bayes ridge or Firth's bias correction), in the gauge
    :math:`1^\top X = 0`, :math:`X^\top X = \rho\,Y^\top Y` diagonal.

    Parameters
    ----------
    rank : int or "auto", default=1
        Number of factors :math:`r`; 0 is the model of intercepts alone. "auto" takes the smallest rank that predicts
        held-out entries as well as the best one, within one standard error. A rank above the shorter side of the
        table is cut to it.
    family : str, Loss, list or dict, default="gaussian"
        ``"gaussian"``, ``"bernoulli"``, ``"probit"``, ``"binomial(N)"``, ``"poisson"``, ``"negative_binomial"``,
        ``"ordinal"``; a loss of your own; or a family per column: a list, or a dictionary by column label.
    penalty : {"auto", "map", "none"} or float, default="auto"
        Ridge on both factors: the empirical-Bayes prior (MAP), nothing, the one of the two that predicts
        held-out entries better, or a value of your own. It multiplies :math:`\frac12(\|X\|^2+\|Y\|^2)`.
    bias : {"auto", "firth", "none"}, default="auto"
        Correction of the bias of order 1/n + 1/p; "auto" is Firth's without a penalty, none under one.
    rotation : {None, "varimax"}, default=None
        Position of the factors: by falling singular values, or the varimax position of the columns'.
    max_iter : int or None, default=None
        Sweeps of the last stage; None is 100 (5000 for the gradient solvers).
    tol : float, default=1e-6
        Largest absolute entry of the gradient at which the descent stops (for the Gaussian family in units of
        the residual scale to the power 3/2).
    solver : {"newton-cg", "alternating", "gd", "nesterov"}, default="newton-cg"
        ``"gd"`` is the paper's algorithm. The two gradient solvers depend on the unit of a Gaussian table, the
        others do not.
    start : {"auto", "spectral", "linear"}, default="auto"
        Spectral start with link inversion, its linearised form, or whichever of the two has the smaller
        objective after the one-step refinement. The double SVD evaluates the link on all cells in row
        blocks (never stored); "auto" leaves it out beyond 2e7 cells.
    step : "auto" or float, default="auto"
        Learning rate of the two gradient solvers; "auto" is 1.6 (1 for Nesterov) over the largest curvature
        at the start.
    rho : float, default=1.0
        Scale rule :math:`X^\top X = \rho\,Y^\top Y`.
    c_orth : float, default=0.0
        Weight of the paper's penalty :math:`c (\sigma_1 / n) \|1^\top X\|^2`; centring is exact without it.
    trim : float or None, default=None
        Shorten rows of the start longer than this multiple of their root mean square length.
    c_lambda : float, default=0.5
        Constant of the start's singular value threshold.
    n_triplets : int, default=12
        Singular triplets computed for the start.
    is_centred : bool, default=True
        Subtract the columns' means before the first SVD; False is the paper's Algorithm 3.
    one_step_penalty : float or None, default=None
        Ridge of the one-step refinement; None takes half the empirical-Bayes ridge, within [.5, 1] for
        families without dispersion.
    random_state : int, Generator or None
        Draws the Lanczos start vector and the held-out entries of ``penalty="auto"`` and ``rank="auto"``.
    engine : str, Engine or None
        Where row blocks are computed; None is the surrounding ``with hs.engine(...)``.

    Attributes
    ----------
    rank_ : int
        Number of factors that were fitted.
    rank_search_ : RankSearch or None
        Ranks tried and their held-out deviances, behind ``rank="auto"``.
    linking_ : Linking or None
        Groups of rows and columns that too few entries link to be compared (``rows``, ``cols``); None for one group.
    intercept_ : ndarray (p,)
    row_factors_ : ndarray (n, r)
    col_factors_ : ndarray (p, r)
    stages_ : dict of FactorPoint
        ``"spectral"``, ``"one_step"`` and ``"final"``, each in the gauge.
    penalty_ : FactorPenalty
        What was added to the negative log-likelihood, in the solver's own gauge (:math:`\rho = 1`).
    penalty_choice_ : PenaltyChoice or None
        Held-out deviances behind ``penalty="auto"``.
    has_bias_correction_ : bool
    dispersion_ : float
        Residual variance for families that have one, else 1.
    loss_ : Loss
        With what was estimated per column: ``loss_.size`` (negative binomial), ``loss_.cuts`` (ordinal).
    placement_ : Placement
        What :meth:`transform` needs.
    run_ : Run
        Reason, sweeps, work and trace of the last stage.
    n_iter_ : int
        Sweeps of the last stage.

    Raises
    ------
    ValueError
        For responses outside the family's support, and for parameters that are not what is needed.

    Notes
    -----
    From ``solver`` on, parameters are fine settings that are rarely needed.
    Time O(entries * rank) per pass over the entries: measured at 2M yes/no answers, rank 4, about 100 with
    ``penalty="map"`` and 230 with "auto", everything included. Memory O(entries + (n + p) rank^2).
    Nothing of size n x p is stored. A row without entries gets the prior's mean, a column without entries the
    mean intercept. Source: Huang and Gu, "From Good Starts to Optimal Inference", Algorithms 2
    to 4; where the print is corrected is listed in the guide.

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_factor_data(60, 40, rank=1, family="bernoulli", observed=0.6, random_state=0)
    >>> model = hs.GeneralizedFactorModel(rank=1, family="bernoulli", random_state=0).fit(data.observed)
    >>> model.row_factors_.shape, model.col_factors_.shape, model.run_.converged
    ((60, 1), (40, 1), True)
    """

    _summary: ClassVar[str] = "halfseen.methods.factor.summary:chapter"
    _parameters: ClassVar[Table] = PARAMETERS

    def __init__(
        self,
        rank: int | str = 1,
        family: Any = "gaussian",
        *,
        penalty: str | float = "auto",
        bias: str = "auto",
        rotation: str | None = None,
        max_iter: int | None = None,
        tol: float = 1e-6,
        solver: str = "newton-cg",
        start: str = "auto",
        step: str | float = "auto",
        rho: float = 1.0,
        c_orth: float = 0.0,
        trim: float | None = None,
        c_lambda: float = 0.5,
        n_triplets: int = 12,
        is_centred: bool = True,
        one_step_penalty: float | None = None,
        random_state: Any = None,
        engine: Any = None,
    ) -> None:
        self.rank = rank
        self.family = family
        self.penalty = penalty
        self.bias = bias
        self.rotation = rotation
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver
        self.start = start
        self.step = step
        self.rho = rho
        self.c_orth = c_orth
        self.trim = trim
        self.c_lambda = c_lambda
        self.n_triplets = n_triplets
        self.is_centred = is_centred
        self.one_step_penalty = one_step_penalty
        self.random_state = random_state
        self.engine = engine

    @classmethod
    def paper(cls, rank: int | str = 2, family: Any = "bernoulli", **changed: Any) -> Self:
        """The printed algorithm: uncentred start, trimming, unpenalised one-step, constant-step gradient descent.

        Parameters
        ----------
        rank, family : as for the class
        **changed
            Any other parameter of the class. The printed ``step`` is .003; steps are stable below 2 over the largest
            curvature, about .013 at n = 1000, p = 500.
        """
        return cls(rank, family, **(PRINTED | changed))

    @resumable
    def fit(
        self,
        R: Any,
        y: None = None,
        *,
        trials: Any = None,
        offset: Any = None,
        row_offset: Any = None,
        col_offset: Any = None,
    ) -> Self:
        """Fit the observed entries.

        Parameters
        ----------
        R : Observed, array with NaN, data frame or sparse matrix (n, p)
            Of a sparse matrix the stored entries are the observed ones, zeros included.
        y : None
            Ignored; there for scikit-learn.
        trials : number, ndarray (p,), (n, p) or (n_entries,), or Observed, optional
            Known totals of binomial counts: one for all, per column, per cell, or per entry (by row, then column; an
            `Observed` with the places of ``R`` is in that order). Needs ``family="bernoulli"``.
        offset : as ``trials``, optional
            Known part of the linear predictor (log exposure for counts). A vector is one number per column; on a square
            table it is refused: say ``row_offset`` or ``col_offset``.
        row_offset, col_offset : ndarray (n,), (p,), optional
            The same by row and by column; all that are given add up.

        Returns
        -------
        GeneralizedFactorModel
            Itself.

        Notes
        -----
        A prepared table (:func:`halfseen.read_table`) is fitted block by block, out of core or on Dask: columns move by
        L-BFGS, rows follow from them and are computed where they are asked for; ``penalty="auto"`` is "map" there.
        """
        settings = self._checked()
        if isinstance(R, PreparedTable):
            return fit_blocks(self, R, settings)
        offsets = Offsets(offset, row_offset, col_offset)
        observed, self.loss_, known = checked_input(self, R, trials, offsets)
        self.has_trials_, self.has_offset_ = trials is not None, offsets.are_given
        rng = self._generator()
        passes = EntryPasses(observed, self.loss_, self.engine, known)
        self.rank_, self.rank_search_ = settled_rank(passes, settings, self._has_firth(), rng)
        self._look_at(observed)
        held_out = self._held_out(passes, settings, rng)
        stages = Stages(passes, self.rank_, settings, rng)
        compared = None if held_out is None else self._compare(stages, held_out, rng)
        self.penalty_choice_: PenaltyChoice | None = compared[0] if compared else None
        before = compared[1] if compared else None
        if self.rank_ != stages.rank:
            stages = Stages(passes, self.rank_, settings, rng)
        with self._watched(observed, most_sweeps(settings), stages.learned) as watch:
            fit = stages.descend(self._plan(stages), before, watch)
        self._keep(passes, fit)
        self._remember(passes)
        return self

    @property
    def thresholds_(self) -> FloatArray:
        r"""Thresholds of an ordinal fit (p, K - 1): :math:`P(R_{ij} \ge t) = 1/(1 + e^{\tau_{jt} - x_i^\top y_j})`."""
        cuts = getattr(self.loss_, "cuts", None)
        if cuts is None:
            raise AttributeError(f"thresholds_ belong to family='ordinal', not to {self.loss_.name!r}")
        return np.asarray(cuts - self.intercept_[:, None], dtype=self.intercept_.dtype)

    def _look_at(self, observed: Observed) -> None:
        """Say what the places of the entries tell: groups that nothing links, cells that are missing for a reason."""
        self.linking_ = tell_linking(self, observed, self.rank_ + 1) if self.rank_ else None
        for text in missing_for_a_reason(observed).sentences():
            self._warn(text)

    def _remember(self, passes: EntryPasses) -> None:
        """Keep the entries for :meth:`inference`; they are not saved with the model."""
        from halfseen.methods.factor.intervals.checks import Seen

        self._seen = Seen(passes)

    def _generator(self) -> np.random.Generator:
        if isinstance(self.random_state, np.random.RandomState):
            return np.random.default_rng(self.random_state.randint(2**31))
        return np.random.default_rng(self.random_state)

    def _has_firth(self) -> bool:
        """Whether an unpenalised fit is bias-corrected; the correction is zero for the Gaussian family."""
        return self.bias == "firth" or (self.bias == "auto" and not self.loss_.has_dispersion)

    def _held_out(self, passes: EntryPasses, settings: SimpleNamespace, rng: np.random.Generator) -> HeldOut | None:
        """The entries on which ``penalty="auto"`` is judged."""
        return hold_out(passes, HELD_OUT_SHARE, rng) if settings.penalty == "auto" and self.rank_ else None

    def _compare(
        self, stages: Stages, held_out: HeldOut, rng: np.random.Generator
    ) -> tuple[PenaltyChoice, StagedFit | None]:
        """With ``penalty="auto"``, the two ways on held-out entries, and the fit from which all entries' begins."""
        settings, (train, test, test_offset) = stages.settings, held_out
        if test.n_entries == 0:
            return PenaltyChoice("map", 1.0, 0, {}, {}, np.nan, np.nan), None
        compared = choose_penalty(
            Stages(train, self.rank_, settings, rng, stages), test, test_offset, self._has_firth()
        )
        choice = compared.choice
        if is_wild(choice):
            self._warn(about_wild(choice))
            self.rank_ = 0
            return choice, None
        if complaint := complaint_about(choice):
            self._warn(complaint)
        elif settings.rank != "auto":
            seed = int(rng.spawn(1)[0].integers(2**31))
            told = about_next_rank(train, test, test_offset, settings, self.rank_, compared, seed)
            if told:
                self._warn(told)
        return choice, compared.kept

    def _plan(self, stages: Stages) -> FitPlan:
        kind = self.penalty if self.penalty_choice_ is None else self.penalty_choice_.chosen
        if kind in ("none", "auto"):
            return FitPlan(FactorPenalty(centre=stages.centre()), self._has_firth())
        penalty = stages.map_penalty()
        ridge = penalty.ridge * (self.penalty_choice_.scale if self.penalty_choice_ else 1.0)
        return FitPlan(replace(penalty, ridge=ridge if kind == "map" else float(kind)), self.bias == "firth")

    def _keep(self, passes: EntryPasses, fit: StagedFit) -> None:
        """Set the learned attributes, all in the gauge."""
        points = {"spectral": fit.spectral, "one_step": fit.one_step, "final": fit.final}
        self.stages_ = {name: to_gauge(point, self.rho, self.rotation) for name, point in points.items()}
        final = self.stages_["final"]
        self.intercept_, self.row_factors_, self.col_factors_ = final.intercept, final.rows, final.cols
        self.penalty_, self.has_bias_correction_ = fit.plan.penalty, fit.plan.has_firth
        self.loss_ = fit.loss
        self.dispersion_ = dispersion_of(passes, final)
        self.placement_ = placement(fit.final, final, self.penalty_.ridge, self.has_bias_correction_)
        if told := about_counts(passes, final):
            self._warn(told)
        if is_quadratic(self.loss_) and passes.offset is None:
            tell_extremes(self, passes.observed, final.rows, final.cols)
        self._n_features_out = final.rank
        self.run_, self.n_iter_ = fit.run.record(), max(fit.run.n_iter, 1)
        if not self.run_.converged:
            self._warn(not_converged(self.run_), ConvergenceWarning)

    def transform(
        self, R: Any, *, trials: Any = None, offset: Any = None, row_offset: Any = None, col_offset: Any = None,
        inference: bool = False,
    ) -> Any:  # fmt: skip
        r"""Factors of new rows against the fitted columns.

        .. math:: x = \arg\min_x \sum_j \ell(R_j, \zeta_j + x^\top y_j) + \tfrac{\lambda}{2}|u(x)|^2

        with the penalty of the fit in the solver's coordinates ``u``, or Firth's correction over the row where the
        fit had one.

        Parameters
        ----------
        R, trials, offset, row_offset, col_offset : as in :meth:`fit`, with the same columns
        inference : bool
            For rank 1 and yes/no answers: intervals of ability and score instead of the factors, and the questions to
            ask next; the same as ``inference().new_rows(R)``.

        Returns
        -------
        ndarray (n_rows, r), or NewRows
            A row without entries is placed at the prior's mean.
        """
        check_is_fitted(self)
        offsets = Offsets(offset, row_offset, col_offset)
        if inference:
            if offsets.are_given:
                raise ValueError("inference=True places rows without offsets; leave them out.")
            return self.inference().new_rows(R, trials)
        return self._place(self._observe(R, reset=False), trials, offsets)

    def score(
        self, R: Any, y: None = None, *, trials: Any = None, offset: Any = None, row_offset: Any = None,
        col_offset: Any = None,
    ) -> float:  # fmt: skip
        """Minus the mean loss (weighted, where entries have weights) of the entries of ``R``; higher is better.

        ``R`` holds further entries of the training rows: found by label where both tables have row labels, else it
        must have the training table's rows in the same order. ``trials`` and offsets as in
        :meth:`fit`.
        """
        check_is_fitted(self)
        offsets = Offsets(offset, row_offset, col_offset)
        observed, known = self._judged(self._observe(R, reset=False), trials, offsets)
        m = self._linear_entries(observed)
        loss = self._loss_at(observed).value(observed.values, m if known is None else m + known)
        return -float(np.average(loss, weights=observed.weights))

    def _judged(self, observed: Observed, trials: Any, offsets: Offsets) -> tuple[Observed, FloatArray | None]:
        given = ((trials is not None, self.has_trials_, "trials"), (offsets.are_given, self.has_offset_, "offset"))
        for is_given, had, name in given:
            if had and not is_given:
                raise ValueError(f"the model was fitted with {name}=; give those of these entries too ({name}=...).")
        return judged(observed, self.loss_, trials, offsets)

    def inference(
        self,
        level: float = 0.95,
        *,
        random_state: Any = 0,
        R: Any = None,
        trials: Any = None,
        offset: Any = None,
        variance: str = "second_order",
        gauge: str = "denoised",
        draws: int = 1000,
    ) -> FactorInference:
        r"""Intervals, bands and ranks of the fitted model.

        Parameters
        ----------
        level : float
            Probability with which intervals hold.
        random_state : int, Generator or None
            Of the draws behind bands and simultaneous ranks.
        R, trials, offset
            The data of :meth:`fit`; needed again only for a model that was loaded or pickled, which leaves them out
            (offsets of rows or columns as a table or per entry).
        variance : {"second_order", "plug_in", "sandwich"}
            Covariances that count the errors of the other side, :math:`H_c^{-1}H(H - Q)^{-1}H H_c^{-1}`; the
            published inverse information :math:`H^{-1}`; or :math:`H^{-1}(\sum e^2 y y^\top)H^{-1}`.
        gauge : {"denoised", "plain"}
            Balance the second moments of the factors without, or with, those of their errors. "plain" is the gauge of
            the attributes.
        draws : int
            Random draws behind bands and simultaneous ranks.

        Returns
        -------
        FactorInference
            Of a prepared table a smaller one, with ``columns()``, ``rows(labels)`` and ``entries(rows, cols)``.

        Raises
        ------
        ValueError
            Where no honest interval exists: descent not converged or separated, entries that are not those of the
            fit, a vanished component, an exact fit, a loss without theory here.

        Notes
        -----
        Some twenty gradient passes, in float64. With a penalty the level is average (Bayesian) coverage and
        statements that must hold for all rows at once are refused.
        """
        check_is_fitted(self)
        if getattr(self, "stored_rows_", None) is not None:
            from halfseen.methods.factor.intervals.stored import StoredFactorInference

            stored: Any = StoredFactorInference(self, level, variance)  # typed as the whole one, of which it is a part
            return stored
        from halfseen.methods.factor.intervals.making import infer

        choices = {"level": level, "variance": variance, "gauge": gauge, "draws": draws, "random_state": random_state}
        return infer(self, choices, R, trials, Offsets(offset))

    def rotate(self, rotation: str | None) -> Self:
        """Turn the fitted factors; predictions and intervals of entries stay what they are.

        Parameters
        ----------
        rotation : {None, "varimax"}
            As the parameter of the same name, which takes this value.

        Returns
        -------
        self
        """
        check_is_fitted(self)
        self._parameters["rotation"].check("rotation", rotation)
        self.rotation = rotation
        self.stages_ = {name: to_gauge(point, self.rho, rotation) for name, point in self.stages_.items()}
        final = self.stages_["final"]
        self.intercept_, self.row_factors_, self.col_factors_ = final.intercept, final.rows, final.cols
        here = self.placement_
        turn = np.linalg.lstsq(np.asarray(final.cols, dtype=float), np.asarray(here.cols, dtype=float))[0].T
        self.placement_ = replace(here, turn=turn.astype(here.turn.dtype))
        return self

    def _place(self, observed: Observed, trials: Any = None, offsets: Offsets | None = None) -> FloatArray:
        observed, known = self._judged(observed, trials, offsets or Offsets())
        return RowPlacer(self.placement_, self.loss_)(observed, self.engine, known)

    def _observe(self, R: Any, reset: bool) -> Observed:
        """As every estimator reads a table; new rows may have no entries yet."""
        empty = None if reset else newcomers(R, self.observed_shape_[1], self.col_labels_)
        return super()._observe(R, reset) if empty is None else empty

    def _linear_pairs(self, i: IntArray, j: IntArray) -> FloatArray:
        return self.intercept_[j] + pair_products(self.row_factors_, self.col_factors_, i, j)

    def _linear_block(self, i: IntArray, j: IntArray) -> FloatArray:
        return self.intercept_[j] + self.row_factors_[i] @ self.col_factors_[j].T

    def _linear_rows(self, observed: Observed) -> FloatArray:
        return self.intercept_ + self._place(observed) @ self.col_factors_.T
