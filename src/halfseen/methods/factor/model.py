"""The generalized latent factor model as an estimator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from halfseen._typing import FloatArray, IntArray
from halfseen.base import CompletionEstimator, PlacesRows
from halfseen.data import Observed
from halfseen.engines import EntryPasses
from halfseen.linalg.pairs import pair_products
from halfseen.methods.factor.checks import (
    check_choices,
    check_rank,
    checked_input,
    dispersion_of,
    judged,
    warn_about,
)
from halfseen.methods.factor.fitting import Fit, Plan, Stages
from halfseen.methods.factor.identification import to_gauge
from halfseen.methods.factor.newrows import RowPlacer, placement
from halfseen.methods.factor.options import FactorOptions, checked_options
from halfseen.methods.factor.penalties import PenaltyChoice, choose_penalty, hold_out, warn_if_useless
from halfseen.methods.factor.problem import Penalty
from halfseen.solvers.watch import CallbackSupport

HELD_OUT_SHARE = 0.1
# Entries from which the columns are regrouped part by part: below, a second copy of the table is small.
FRUGAL_FROM = 3_000_000


class GeneralizedFactorModel(CallbackSupport, PlacesRows, CompletionEstimator):
    r"""Generalized latent factor model of a table with missing entries.

    .. math:: R_{ij} \sim \mathrm{ExpFam}(m_{ij}),\qquad m_{ij} = \zeta_j + \langle x_i, y_j\rangle,
              \qquad (i, j)\ \text{observed},

    fitted by a spectral start, a one-step refinement and descent to the stationary point of the joint
    likelihood (with an empirical-Bayes ridge or Firth's bias correction), in the gauge
    :math:`1^\top X = 0`, :math:`X^\top X = \rho\,Y^\top Y` diagonal.

    Parameters
    ----------
    rank : int, default=2
        Number of factors :math:`r`; 0 is the model of intercepts alone.
    family : str or Loss, default="gaussian"
        ``"gaussian"``, ``"bernoulli"``, ``"probit"``, ``"binomial(N)"``, ``"poisson"``, ``"negative_binomial"``,
        ``"ordinal"``; a loss of your own; or a family per column: a list, or a dictionary by column label.
    penalty : {"auto", "map", "none"} or float, default="auto"
        Ridge on both factors: the empirical-Bayes prior (MAP), nothing, the one of the two that predicts
        held-out entries better, or a value of your own. It multiplies :math:`\frac12(\|X\|^2+\|Y\|^2)`.
    bias : {"auto", "firth", "none"}, default="auto"
        Correction of the bias of order 1/n + 1/p; "auto" is Firth's without a penalty, none under one.
    columns : {"fixed", "random", "rasch", "2pl"}, default="fixed"
        Columns are parameters of their own; or, for few rows (a leaderboard), drawn from a normal distribution and
        integrated out: with slopes of 1 ("rasch"), with slopes of their own ("2pl"), or whichever of the two predicts
        left-out answers better ("random"). These need ``rank=1`` and yes/no answers, pass rates or counts out of N.
    options : FactorOptions, optional
        Start, solver, scale rule, rotation, tolerance; :meth:`paper` gives the printed algorithm's.
    random_state : int, Generator or None
        Draws the Lanczos start vector and the held-out entries of ``penalty="auto"``.
    engine : str, Engine or None
        Where row blocks are computed; None is the surrounding ``with hs.engine(...)``.

    Attributes
    ----------
    intercept_ : ndarray (p,)
    row_factors_ : ndarray (n, r)
    col_factors_ : ndarray (p, r)
    stages_ : dict of Factors
        ``"spectral"``, ``"one_step"`` and ``"final"``, each in the gauge.
    penalty_ : Penalty
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
    columns_, columns_choice_, loadings_, prior_variance_, board_, bank_
        Of integrated columns, in place of the stages, the penalty and the placement: the kind kept ("rasch" or
        "2pl") and the left-out deviances behind it, the distributions of items and abilities, what
        :meth:`inference` needs and the frozen item bank.
    run_ : Run
        Reason, sweeps, work and trace of the last stage.

    Raises
    ------
    ValueError
        For responses outside the family's support, a rank above min(n, p), unknown option names.

    Notes
    -----
    Time O(entries * rank) per pass, some 30 passes with ``penalty="auto"``; memory O(entries + (n + p) rank^2).
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

    def __init__(
        self,
        rank: int = 2,
        family: Any = "gaussian",
        penalty: str | float = "auto",
        bias: str = "auto",
        columns: str = "fixed",
        options: FactorOptions | None = None,
        random_state: Any = None,
        engine: Any = None,
    ) -> None:
        self.rank = rank
        self.family = family
        self.penalty = penalty
        self.bias = bias
        self.columns = columns
        self.options = options
        self.random_state = random_state
        self.engine = engine

    @classmethod
    def paper(
        cls,
        rank: int = 2,
        family: Any = "bernoulli",
        step: float = 0.003,
        random_state: Any = None,
        engine: Any = None,
        **options: Any,
    ) -> Self:
        """The printed algorithm: uncentred start, trimming, unpenalised one-step, constant-step gradient descent.

        Parameters
        ----------
        rank : int
        family : str or Loss
        step : float
            The paper's learning rate; stable below 2 over the largest curvature, about .013 at n = 1000, p = 500.
        random_state, engine
            As for the class.
        **options
            Any field of :class:`FactorOptions` to change (``rho``, ``c_orth``, ``trim``, ``max_iter``, ...).
        """
        printed = FactorOptions(
            start="spectral", solver="gd", step=step, c_orth=0.1, trim=3.0, is_centred=False, one_step_ridge=0.0
        )
        changed = replace(printed, **options)
        return cls(rank, family, "none", "none", options=changed, random_state=random_state, engine=engine)

    def fit(self, R: Any, y: None = None, *, trials: Any = None, offset: Any = None, groups: Any = None) -> Self:
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
            Known part of the linear predictor (log exposure for counts).
        groups : sequence (p,) of labels, or dict by column label, optional
            Blocks of columns (benchmarks), for integrated columns: how far a row strays from itself between blocks
            then widens the intervals of rows that were not asked of all blocks alike.

        Returns
        -------
        GeneralizedFactorModel
            Itself.
        """
        check_choices(self)
        if self.columns != "fixed":
            self._random().learn(self, R, trials, offset, groups)
            return self
        if groups is not None:
            raise ValueError("groups= are blocks of integrated columns; use columns='random', or leave them out.")
        observed, self.loss_, known = checked_input(self, R, trials, offset)
        self.has_trials_, self.has_offset_ = trials is not None, offset is not None
        rank, rng = check_rank(self.rank, observed.shape), self._generator()
        passes = EntryPasses(observed, self.loss_, self.engine, known, observed.n_entries >= FRUGAL_FROM)
        self.penalty_choice_ = self._compare(passes, rank, rng)
        stages = Stages(passes, rank, self._options(), rng)
        with self._watched(observed, stages.options.sweeps, stages.learned) as watch:
            fit = stages.descend(self._plan(stages), watch=watch)
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

    def _remember(self, passes: EntryPasses) -> None:
        """Keep the entries for :meth:`inference`; they are not saved with the model."""
        from halfseen.methods.factor.intervals_checks import Seen

        self._seen = Seen(passes)

    @staticmethod
    def _random() -> Any:
        """What integrates columns out; loaded when asked for."""
        from halfseen.methods.response import learn

        return learn

    def _options(self) -> FactorOptions:
        return checked_options(self.options)

    def _generator(self) -> np.random.Generator:
        if isinstance(self.random_state, np.random.RandomState):
            return np.random.default_rng(self.random_state.randint(2**31))
        return np.random.default_rng(self.random_state)

    def _has_firth(self) -> bool:
        """Whether an unpenalised fit is bias-corrected; the correction is zero for the Gaussian family."""
        return self.bias == "firth" or (self.bias == "auto" and not self.loss_.has_dispersion)

    def _compare(self, passes: EntryPasses, rank: int, rng: np.random.Generator) -> PenaltyChoice | None:
        """With ``penalty="auto"``, the two ways on held-out entries; the kept one is then refitted on all."""
        if self.penalty != "auto" or rank == 0:
            return None
        train, test, test_offset = hold_out(passes, HELD_OUT_SHARE, rng)
        if test.n_entries == 0:
            return PenaltyChoice("map", 1.0, 0, {}, {}, np.nan, np.nan)
        choice = choose_penalty(Stages(train, rank, self._options(), rng), test, test_offset, self._has_firth())
        warn_if_useless(choice)
        return choice

    def _plan(self, stages: Stages) -> Plan:
        kind = self.penalty if self.penalty_choice_ is None else self.penalty_choice_.chosen
        if kind in ("none", "auto"):
            return Plan(Penalty(centre=stages.centre()), self._has_firth())
        penalty = stages.map_penalty()
        ridge = penalty.ridge * (self.penalty_choice_.scale if self.penalty_choice_ else 1.0)
        return Plan(replace(penalty, ridge=ridge if kind == "map" else float(kind)), self.bias == "firth")

    def _keep(self, passes: EntryPasses, fit: Fit) -> None:
        """Set the learned attributes, all in the gauge."""
        options = self._options()
        points = {"spectral": fit.spectral, "one_step": fit.one_step, "final": fit.final}
        self.stages_ = {name: to_gauge(point, options.rho, options.rotation) for name, point in points.items()}
        final = self.stages_["final"]
        self.intercept_, self.row_factors_, self.col_factors_ = final.intercept, final.rows, final.cols
        self.penalty_, self.has_bias_correction_ = fit.plan.penalty, fit.plan.has_firth
        self.loss_ = fit.loss
        self.dispersion_ = dispersion_of(passes, final)
        self.placement_ = placement(fit.final, final, self.penalty_.ridge, self.has_bias_correction_)
        self._n_features_out = final.rank
        self.run_ = fit.run.record()
        warn_about(self.run_)

    def transform(self, R: Any, *, trials: Any = None, offset: Any = None, inference: bool = False) -> Any:
        r"""Factors of new rows against the fitted columns.

        .. math:: x = \arg\min_x \sum_j \ell(R_j, \zeta_j + x^\top y_j) + \tfrac{\lambda}{2}|u(x)|^2

        with the penalty of the fit in the solver's coordinates ``u``, or Firth's correction over the row where the
        fit had one.

        Parameters
        ----------
        R, trials, offset : as in :meth:`fit`, with the same columns
        inference : bool
            For rank 1 and yes/no answers: intervals of ability and score instead of the factors, and the questions to
            ask next; the same as ``inference().new_rows(R)``.

        Returns
        -------
        ndarray (n_rows, r), or NewRows
            A row without entries is placed at the prior's mean.
        """
        check_is_fitted(self)
        if inference:
            if offset is not None:
                raise ValueError("inference=True places rows without offset=; leave it out.")
            return self.inference().new_rows(R, trials)
        return self._place(self._observe(R, reset=False), trials, offset)

    def score(self, R: Any, y: None = None, *, trials: Any = None, offset: Any = None) -> float:
        """Minus the mean loss (weighted, where entries have weights) of the entries of ``R``; higher is better.

        ``R`` holds further entries of the training rows: found by label where both tables have row labels, else it
        must have the training table's rows in the same order. ``trials`` and ``offset`` as in :meth:`fit`.
        """
        check_is_fitted(self)
        if self.columns != "fixed":
            return self._random().score(self, R, trials)
        observed, known = self._judged(self._observe(R, reset=False), trials, offset)
        m = self._linear_entries(observed)
        loss = self._loss_at(observed).value(observed.values, m if known is None else m + known)
        return -float(np.average(loss, weights=observed.weights))

    def _judged(self, observed: Observed, trials: Any, offset: Any) -> tuple[Observed, FloatArray | None]:
        for given, had, name in ((trials, self.has_trials_, "trials"), (offset, self.has_offset_, "offset")):
            if had and given is None:
                raise ValueError(f"the model was fitted with {name}=; give those of these entries too ({name}=...).")
        return judged(observed, self.loss_, trials, offset)

    def inference(
        self,
        level: float = 0.95,
        variance: str = "second_order",
        gauge: str = "denoised",
        draws: int = 1000,
        random_state: Any = None,
        *,
        R: Any = None,
        trials: Any = None,
        offset: Any = None,
    ) -> Any:
        r"""Intervals, bands and ranks of the fitted model.

        Parameters
        ----------
        level : float
            Probability with which intervals hold.
        variance : {"second_order", "plug_in", "sandwich"}
            Covariances that count the errors of the other side, :math:`H_c^{-1}H(H - Q)^{-1}H H_c^{-1}`; the
            published inverse information :math:`H^{-1}`; or :math:`H^{-1}(\sum e^2 y y^\top)H^{-1}`.
        gauge : {"denoised", "plain"}
            Balance the second moments of the factors without, or with, those of their errors. "plain" is the gauge of
            the attributes.
        draws : int
            Random draws behind bands and simultaneous ranks.
        random_state : int, Generator or None
        R, trials, offset
            The data of :meth:`fit`; needed again only for a model that was loaded or pickled, which leaves them out.

        Returns
        -------
        FactorInference, or RandomColumnsInference
            The second where columns were integrated out; it needs neither ``R`` nor a choice of variance or gauge.

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
        if self.columns != "fixed":
            return self._random().infer(self, level, draws, random_state)
        from halfseen.methods.factor.intervals import infer

        choices = {"level": level, "variance": variance, "gauge": gauge, "draws": draws, "random_state": random_state}
        return infer(self, choices, R, trials, offset)

    def _place(self, observed: Observed, trials: Any = None, offset: Any = None) -> FloatArray:
        if self.columns != "fixed":
            return self._random().place_rows(self, observed, trials)
        observed, known = self._judged(observed, trials, offset)
        return RowPlacer(self.placement_, self.loss_)(observed, self.engine, known)

    def _linear_pairs(self, i: IntArray, j: IntArray) -> FloatArray:
        if self.columns != "fixed":
            return self._random().linear_pairs(self, i, j)
        return self.intercept_[j] + pair_products(self.row_factors_, self.col_factors_, i, j)

    def _linear_block(self, i: IntArray, j: IntArray) -> FloatArray:
        if self.columns != "fixed":
            return self._random().linear_block(self, self.row_factors_[i, 0], j)
        return self.intercept_[j] + self.row_factors_[i] @ self.col_factors_[j].T

    def _linear_rows(self, observed: Observed) -> FloatArray:
        if self.columns != "fixed":
            return self._random().linear_block(self, self._place(observed)[:, 0], np.arange(len(self.intercept_)))
        return self.intercept_ + self._place(observed) @ self.col_factors_.T
