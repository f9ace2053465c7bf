"""Inductive completion as an estimator."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from halfseen._typing import FloatArray, IntArray, RandomState, as_generator
from halfseen.base import CompletionEstimator
from halfseen.data import Observed, check_support
from halfseen.data.features import SCALES, FeatureCode, as_side_features, is_features, tell_identifiers
from halfseen.data.labels import find_labels
from halfseen.engines import Engine, EntryPasses
from halfseen.errors import UnknownLabelError
from halfseen.inference.extremes import tell_extremes
from halfseen.inference.linked import tell_groups
from halfseen.linalg.pairs import pair_products
from halfseen.losses import get_loss, is_one_for_all, is_quadratic
from halfseen.methods.inductive.activations import get_activation
from halfseen.methods.inductive.deviations import Deviations, learned_deviations
from halfseen.methods.inductive.newcomers import PlacesNewcomers
from halfseen.methods.inductive.options import (
    ACTIVATION,
    EFFECTS,
    GAUGES,
    ONE_CLASS,
    SOLVERS,
    START,
    check_together,
    is_plain_one_class,
)
from halfseen.parameters import ENGINE, FAMILY, RANDOM_STATE, BadArgument, Flag, Nothing, Number, Table, Whole, Word
from halfseen.solvers.checkpoint import resumable
from halfseen.solvers.watch import CallbackSupport

if TYPE_CHECKING:  # loaded by the first fit
    from halfseen.data.candidates import Candidates
    from halfseen.methods.inductive.choosing import StructureSearch
    from halfseen.methods.inductive.fitting import Run
    from halfseen.methods.inductive.intervals import InductiveInference
    from halfseen.methods.inductive.problem import InductiveProblem
    from halfseen.select.automatic_rank import RankSearch


class InductiveCompletion(CallbackSupport, PlacesNewcomers, CompletionEstimator):
    r"""Completion from side features: predictions for rows and columns that were never seen.

    .. math:: m_{ij} = \mu + r_i + c_j + \langle\phi(U^\top x_i + b), \phi(V^\top y_j + c)\rangle
              + \langle p_i, q_j\rangle

    With a linear :math:`\phi` this is inductive matrix completion, with any other one its nonlinear form. Effects
    :math:`r, c` and free factors :math:`p, q` are off unless asked for; they belong to seen rows and columns.

    Parameters
    ----------
    rank : int, "auto" or None
        Number of units :math:`k`; None is 10, or 20 where these predict better what was held out (Gaussian tables with
        features), for one-class tables 32, without features 64; "auto": the least within a standard error of the best.
    activation : {"auto", "relu", "leaky_relu", "softplus", "sigmoid", "tanh", "linear"}
        "auto" is linear, or relu where the held-out parts of a Gaussian table are predicted better by it. Products of
        relu, softplus or sigmoid units are never negative: for families take "tanh" or "linear".
    family : str or Loss
        ``"gaussian"``; another family on the linear predictor (``"bernoulli"``, ``"poisson"``, ``"binomial(N)"``, ...);
        or ``"one_class"``: seen cells are close to their values, all unseen ones to 0 with weight ``beta``.
    penalty : "auto" or float
        :math:`\lambda`, on all weights, beside the mean loss of an entry in the units of the fit. "auto" is what the
        sizes of weights and residuals ask for, over a few refits (the evidence); of Gaussian tables a larger one where
        rows, columns and entries that were held out are predicted better with it (``search_``), and a warning tells
        where features predict them worse than means do. Of one-class tables :math:`\lambda` is relative to what rows
        and columns weigh in the loss, and "auto" is .03, or without features a smaller or larger one by which cells
        that were held out stand higher in their rows' lists.
    effects : {"auto", "none", "rows", "cols", "both"}
        Free effects of seen rows and columns beside their features; 0 for new ones. "auto": those with which held-out
        rows, columns and entries are predicted better, where the penalty is "auto" too; else none.
    free_rank : int
        Free factors of seen rows and columns beside their features (the "dirty" model); 0 for new ones.
    has_intercept : bool
        A constant among the features of both sides (:math:`b, c`). Without it a linear model has neither a mean nor
        main effects, which costs more than any choice of activation gains.
    n_starts : int
        Fits from that many starts and keeps the one with the least training loss; it stops at the first that fits
        exactly (see ``certificate_``). Starts after the first are random.
    max_iter : int
        Sweeps of a start.
    tol : float
        Stop when the objective falls by less than this share in five sweeps on end.
    random_state : int, Generator or None
        Draws the starts.
    engine : str, Engine or None
    solver : {"lbfgs", "gd", "levenberg-marquardt"}
        ``"gd"`` is the paper's; Levenberg-Marquardt is the fastest up to about a thousand weights.
    step : "auto" or float
        Step of ``"gd"``; "auto" searches it along the way (backtracking, a quarter longer after every success).
    start : {"random", "tensor", "cross"} or (U, V)
        Gaussian weights; the third moment of the paper (residualised; sigmoid only); a cross moment of features of
        both sides (relu, leaky relu, softplus); or arrays (d1, k), (d2, k), with a further last row for the intercept
        where there is one.
    start_scale : "auto" or float
        Standard deviation of random weights; "auto" gives predictions of the size of the data.
    beta : float
        Weight of an unseen cell of a one-class table, at most 1.
    effect_penalty, free_penalty : float
        Penalty of effects and free factors, in entries: a row with that many entries keeps half of its mean.
    is_tied : bool
        The same weights for rows and columns (symmetric tables, the same features on both sides).
    gauge : {"balance", "none", "first_row"}
        What is done to weights with the same predictions: equal lengths of :math:`u_i` and :math:`v_i` after the fit,
        nothing, or the first row of U held at its start (the paper's equation (4); a device of its proof, it makes the
        problem much harder).
    scale : {"auto", "none", "rms"}
        "auto": the fit is the same in all units of values and features. Columns of data frames are centred and
        divided by their standard deviations, arrays centred and divided by one number (per column, spectral features
        would lose their meaning), sparse matrices divided by one number; values of a Gaussian family are centred and
        scaled by the activation. Weights and intercepts are given back in the units of the data. "none" takes all as
        it is, "rms" divides every feature by its root mean square and leaves values alone.
    is_strict : bool
        Refuse new lines with a missing feature or an unknown category; else the mean of the fit stands for these, and
        a warning counts them.

    Attributes
    ----------
    row_weights_, col_weights_ : ndarray (d1, k), (d2, k)
        U and V. Without features of a side these are a weight vector per row (one-hot features).
    row_intercept_, col_intercept_ : ndarray (k,)
        Zeros without an intercept.
    row_factors_, col_factors_ : ndarray (n, k + free_rank), (p, k + free_rank)
        Activations (and free factors) of the seen rows and columns.
    row_effects_, col_effects_ : ndarray (n,), (p,)
    offset_ : float
        :math:`\mu`, on the scale of the linear predictor.
    gain_ : float
        What products of units are multiplied by, where units are bounded; part of ``col_factors_``. Else 1.
    row_deviations_, col_deviations_ : Deviations or None
        How rows (columns) differ from what features say, for `new_rows` and `new_cols`; Gaussian family with features.
    penalty_ : float
        The penalty of the fit.
    effects_ : str
    activation_ : str or Activation
    search_ : StructureSearch or None
        How "auto" of penalty, effects and activation was settled on what was held out, and how far new lines' features
        are trusted.
    row_code_, col_code_ : FeatureCode or None
        How features became numbers.
    rank_ : int
        Units of the fit.
    rank_search_ : RankSearch or None
        How "auto" was settled.
    certificate_ : Certificate
        Objective of every start, and whether the best fits exactly.
    linking_ : Linking or None
        Groups of rows and columns that too few entries link to be compared; None for one group.
    run_ : Run
    n_iter_ : int
    loss_ : Loss

    Raises
    ------
    ValueError
        For values outside the family's support, missing features (the first is named), unknown names of options.

    Notes
    -----
    A gradient costs the products with both sides' features there and back and one pass over the entries,
    O((nnz(F) + nnz(G) + E) k); the one-class objective O((n + p) k^2) more, by the Gram identity: unseen cells are
    never touched. Source: Zhong, Jain, Song and Dhillon, "Nonlinear inductive matrix completion based on one-layer
    neural networks", equations (2), (3) and (5). The parameters from ``solver`` on are rarely needed.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> rng = np.random.default_rng(0)
    >>> F, G = rng.normal(size=(80, 4)), rng.normal(size=(60, 4))
    >>> truth = np.maximum(F @ rng.normal(size=(4, 2)), 0) @ np.maximum(G @ rng.normal(size=(4, 2)), 0).T
    >>> table = np.where(rng.random(truth.shape) < 0.3, truth, np.nan)
    >>> table[60:], table[:, 50:] = np.nan, np.nan  # rows and columns that are never seen
    >>> model = hs.InductiveCompletion(rank=2, activation="relu", penalty=0.0, n_starts=8, random_state=0)
    >>> model = model.fit(table, row_features=F, col_features=G)
    >>> bool(np.abs(model.predict(F[60:], G[40:]) - truth[np.arange(60, 80), np.arange(40, 60)]).max() < 1e-3)
    True
    """

    rank_: int
    rank_search_: RankSearch | None
    search_: StructureSearch | None = None
    seen_: tuple[IntArray, IntArray] | None = None
    row_deviations_: Deviations | None = None
    col_deviations_: Deviations | None = None
    _chooses = True  # False for the candidates of a choice

    _summary: ClassVar[str] = "halfseen.methods.inductive.summary:chapter"
    _parameters: ClassVar[Table] = {
        "rank": Whole(1) | Word("auto") | Nothing(),
        "activation": Word("auto") | ACTIVATION,
        "family": FAMILY,
        "penalty": Word("auto") | Number(0),
        "effects": Word("auto", *EFFECTS),
        "free_rank": Whole(0),
        "has_intercept": Flag(),
        "n_starts": Whole(1),
        "max_iter": Whole(1),
        "tol": Number(0),
        "random_state": RANDOM_STATE,
        "engine": ENGINE,
        "solver": Word(*SOLVERS),
        "step": Word("auto") | Number(0, above=True),
        "start": START,
        "start_scale": Word("auto") | Number(0, above=True),
        "beta": Number(0, 1),
        "effect_penalty": Number(0),
        "free_penalty": Number(0),
        "is_tied": Flag(),
        "gauge": Word(*GAUGES),
        "scale": Word(*SCALES),
        "is_strict": Flag(),
    }

    def __init__(
        self,
        rank: int | str | None = None,
        activation: str = "auto",
        *,
        family: Any = "gaussian",
        penalty: str | float = "auto",
        effects: str = "auto",
        free_rank: int = 0,
        has_intercept: bool = True,
        n_starts: int = 1,
        max_iter: int = 300,
        tol: float = 1e-6,
        random_state: RandomState = None,
        engine: str | Engine | None = None,
        solver: str = "lbfgs",
        step: str | float = "auto",
        start: Any = "random",
        start_scale: str | float = "auto",
        beta: float = 0.1,
        effect_penalty: float = 3.0,
        free_penalty: float = 5.0,
        is_tied: bool = False,
        gauge: str = "balance",
        scale: str = "auto",
        is_strict: bool = False,
    ) -> None:
        self.rank = rank
        self.activation = activation
        self.family = family
        self.penalty = penalty
        self.effects = effects
        self.free_rank = free_rank
        self.has_intercept = has_intercept
        self.n_starts = n_starts
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.engine = engine
        self.solver = solver
        self.step = step
        self.start = start
        self.start_scale = start_scale
        self.beta = beta
        self.effect_penalty = effect_penalty
        self.free_penalty = free_penalty
        self.is_tied = is_tied
        self.gauge = gauge
        self.scale = scale
        self.is_strict = is_strict

    @resumable
    def fit(self, R: Any, y: None = None, *, row_features: Any = None, col_features: Any = None) -> Self:
        """Fit to the seen entries of a table and the features of its rows and columns.

        Parameters
        ----------
        R : NaN array, Observed, data frame or scipy.sparse
        y : None
            Ignored; there for scikit-learn.
        row_features, col_features : array, scipy.sparse, data frame or SideFeatures, optional
            One line per row (column) of the table, in its order, or found by label where both have labels. Text
            columns of data frames are encoded by their categories. Without features of a side its rows get weights
            of their own; without both this is plain factorization.
        """
        from halfseen.data.candidates import seen_cells
        from halfseen.methods.inductive.choosing import settled_structure, warn_if_features_lose, warn_if_one_sided
        from halfseen.methods.inductive.fitting import in_gauge, run_starts
        from halfseen.methods.inductive.units import settled_units

        settings = self._checked()
        check_together(settings)
        observed = self._observe(R, reset=True)
        self.loss_ = self._loss(observed)
        self.activation_ = settings.activation if settings.activation != "auto" else "linear"
        rng, sides = as_generator(settings.random_state), {"row_features": row_features, "col_features": col_features}
        self.rank_, self.rank_search_ = settled_units(self, observed, sides, rng)
        is_free = row_features is None and col_features is None and settings.family != ONE_CLASS
        # features link what entries do not; unseen cells of a one-class table are weak zeros, which link everything
        self.linking_ = tell_groups(self, observed) if is_free else None
        if self.activation_ == "linear" and is_plain_one_class(settings, sides):
            return self._alternate(observed, settings, rng)
        self.search_ = settled_structure(self, observed, sides, settings, rng)
        self.effects_ = settings.effects
        problem = self._problem(observed, row_features, col_features, settings)
        with self._watched(observed, settings.max_iter, lambda theta: self._learned(problem, theta)) as watch:
            run, self.certificate_ = run_starts(problem, settings, rng, watch)
            theta = run.params
            if settings.gauge == "balance" and not settings.is_tied:
                at = problem.unpack(np.array(theta))
                at.U[:], at.V[:] = in_gauge(at, problem.design.activation.scaling)
                theta = np.concatenate([part.ravel() for part in vars(at).values()])
            self.__dict__.update(self._learned(problem, theta))
        self.seen_ = seen_cells(observed) if settings.family == ONE_CLASS else None
        self._learn_deviations(observed)
        self._report(run)
        if is_free and is_quadratic(self.loss_):
            tell_extremes(self, observed, self.row_factors_, self.col_factors_)
        warn_if_one_sided(self, observed)
        if self.search_ is not None:
            warn_if_features_lose(self, self.search_)
        return self

    @property
    def _is_for_ones(self) -> bool:  # type: ignore[override]
        return bool(self.family == ONE_CLASS)

    def _alternate(self, observed: Observed, settings: SimpleNamespace, rng: np.random.Generator) -> Self:
        """One-class tables without features, by exact alternating sweeps."""
        from halfseen.data.candidates import seen_cells
        from halfseen.methods.inductive.one_class import alternate, certificate_of, factors_learned
        from halfseen.methods.inductive.one_class_penalty import chosen_penalty

        self.row_code_ = self.col_code_ = None
        if settings.penalty == "auto":
            settings.penalty = chosen_penalty(observed, self.rank_, settings, rng)
        with self._watched(observed, settings.max_iter, lambda params: factors_learned(params, settings)) as watch:
            run = alternate(observed, self.rank_, settings, rng, watch)
        self.__dict__.update(factors_learned(run.params, settings))
        self.certificate_, self.seen_ = certificate_of(run), seen_cells(observed)
        self.effects_, self.search_ = "none", None
        self.row_deviations_, self.col_deviations_ = None, None
        self._report(run)
        return self

    def _learn_deviations(self, observed: Observed) -> None:
        """What new rows and columns with entries are placed by; candidates of a choice place none."""
        is_asked = self._chooses and np.isfinite(self.row_factors_).all() and np.isfinite(self.col_factors_).all()
        own = [learned_deviations(self, observed, axis) if is_asked else None for axis in (0, 1)]
        self.row_deviations_, self.col_deviations_ = own

    def _loss(self, observed: Observed) -> Any:
        family = "gaussian" if self.family == ONE_CLASS else self.family
        # parameters of its own in every column are what new columns do not have
        loss = get_loss(family, is_one_for_all, type(self).__name__)
        check_support(observed, loss, "family")
        return loss

    def _problem(self, observed: Observed, F: Any, G: Any, settings: SimpleNamespace) -> InductiveProblem:
        """The objective; learns how features are encoded on the way."""
        from halfseen.methods.inductive.maps import FeatureMap
        from halfseen.methods.inductive.one_class import turned_maps
        from halfseen.methods.inductive.problem import Design, InductiveProblem
        from halfseen.methods.inductive.standard import units_of

        activation = get_activation(self.activation_)
        self._units = units_of(observed, self.loss_, activation, settings, self.rank_)
        matrices = [self._encoded(given, observed, axis, settings) for axis, given in enumerate((F, G))]
        is_turned = settings.family == ONE_CLASS and settings.scale == "auto" and not settings.is_tied
        turns: Any = (None, None)
        if is_turned:
            maps, turns = turned_maps(observed, matrices, float(settings.beta), bool(settings.has_intercept))
        else:
            has = bool(settings.has_intercept)
            maps = [FeatureMap(x, n, has, observed.dtype) for x, n in zip(matrices, observed.shape, strict=True)]
        if settings.is_tied and not maps[0].is_same(maps[1]):
            needed = "False where rows and columns have different features"
            raise BadArgument("is_tied", True, needed, "Tied weights are for square tables with one list of features.")
        scaled = self._units.into(observed)
        design = Design(
            rank=self.rank_, activation=activation, effects=settings.effects, free_rank=int(settings.free_rank),
            penalty=0.0 if settings.penalty == "auto" else float(settings.penalty),
            offset=self._mean(scaled) if settings.effects != "none" else 0.0,
            effect_penalty=float(settings.effect_penalty), free_penalty=float(settings.free_penalty),
            is_tied=bool(settings.is_tied), holds_first_row=settings.gauge == "first_row",
            beta=float(settings.beta) if settings.family == ONE_CLASS else None,
            has_level=self._units.learns_level, has_gain=self._units.learns_gain,
        )  # fmt: skip
        settings.as_given = self._units, (self.row_code_, self.col_code_)
        problem = InductiveProblem(EntryPasses(scaled, self.loss_, settings.engine), maps[0], maps[1], design)
        problem.turns = tuple(turns)
        return problem

    def _encoded(self, given: Any, observed: Observed, axis: int, settings: SimpleNamespace) -> Any:
        """One side's features as numbers; how they became these is kept."""
        name, code, matrix = ("row_features", "col_features")[axis], None, None
        if given is not None:
            labels = (observed.row_labels, observed.col_labels)[axis]
            side = as_side_features(given, name).aligned(observed.shape[axis], labels, name)
            side.refuse_missing(name)
            if self._chooses:
                tell_identifiers(self, side, name)
            code = FeatureCode.learn(side, settings.scale, bool(settings.has_intercept))
            matrix = code.encode(side, name)
        setattr(self, ("row_code_", "col_code_")[axis], code)
        return matrix

    def _mean(self, observed: Observed) -> float:
        if self.family == ONE_CLASS:
            return 0.0
        mean = np.average(observed.values.astype(float), weights=observed.weights)
        return float(self.loss_.link(np.asarray(mean)))

    def _learned(self, problem: InductiveProblem, theta: FloatArray) -> dict[str, Any]:
        from halfseen.methods.inductive.standard import learned

        parts = learned(problem, theta, self._units, (self.row_code_, self.col_code_))
        parts["placing_penalty_"] = parts["penalty_"] * problem.total * self._units.scale
        return parts

    def _report(self, run: Run) -> None:
        from halfseen.methods.inductive.fitting import tell_unfinished

        self.run_, self.n_iter_ = run.record(), run.n_iter
        if run.reason == "not_finite":
            self._warn(
                f"{type(self).__name__} ended after {run.n_iter} sweeps: the objective was no longer finite; give a "
                "shorter step, or solver='lbfgs'", ConvergenceWarning,
            )  # fmt: skip
        elif self._chooses and run.reason == "max_iter" and run.n_iter >= self.max_iter:
            tell_unfinished(self, run)

    # ---- predictions -------------------------------------------------------------------------------------------

    def predict(self, rows: Any, cols: Any = None, kind: str = "mean") -> FloatArray:
        """Predict elementwise pairs of rows and columns, each seen (by label or position) or new (by features).

        Parameters
        ----------
        rows, cols : sequence of n labels or positions, or features of n rows (two-dimensional), or one for all
            Without ``cols``, and where rows have no features, ``rows`` is a table of new rows over the fitted columns:
            each is placed by what was seen of it.
        kind : {"mean", "linear"}

        Returns
        -------
        ndarray (n,)

        Raises
        ------
        ValueError
            For unknown labels, features of another kind or width, and different lengths.
        """
        check_is_fitted(self)
        if cols is None:
            if self.row_code_ is not None:
                raise ValueError(
                    "rows of this model are placed by their features: predict(row_features, col_features) gives pairs, "
                    "predict_table(row_features, cols) a block of all rows against all columns"
                )
            return super().predict(rows, None, kind)
        (A, r), (B, c) = self._side(rows, 0), self._side(cols, 1)
        if len(A) != len(B) and 1 not in (len(A), len(B)):
            raise ValueError(
                f"rows and cols are pairs, but {len(A)} rows and {len(B)} cols were given; give one col per row, or "
                "use predict_table(rows, cols) for a block"
            )
        length = max(len(A), len(B)) if len(A) and len(B) else 0
        i, j = (np.zeros(length, dtype=int) if len(part) == 1 else np.arange(length) for part in (A, B))
        return self._response(self._offset + r[i] + c[j] + pair_products(A, B, i, j), kind, j)

    def predict_table(self, rows: Any = None, cols: Any = None, kind: str = "mean") -> FloatArray:
        """Predict the block of all given rows against all given columns, each seen or new (default: all seen ones)."""
        check_is_fitted(self)
        (A, r), (B, c) = self._side(rows, 0), self._side(cols, 1)
        return self._response(A @ B.T + r[:, None] + (c + self._offset), kind)

    def rank_columns(self, rows: Any, r: int = 10, cols: Any = None, seen: Any = None) -> Candidates:
        """The r columns with the highest predictions for every given row, in blocks of rows.

        Parameters
        ----------
        rows : labels, positions or features; None for all seen rows
        r : int
        cols : labels, positions or features, optional
            Candidates; all seen columns where not given.
        seen : table or False, optional
            Entries of these rows over the candidates that are left out (what a user has already). A one-class model
            leaves out by itself what fitted rows had at the fit, unless ``seen=False``.

        Returns
        -------
        Candidates
        """
        from halfseen.methods.inductive.ranking import rank_columns

        check_is_fitted(self)
        return rank_columns(self, rows, r, cols, seen)

    def inference(
        self,
        level: float = 0.95,
        *,
        random_state: Any = 0,
        R: Any = None,
        row_features: Any = None,
        col_features: Any = None,
        variance: str = "auto",
    ) -> InductiveInference:
        """Intervals for predictions by the delta method, from the table and features of the fit.

        Parameters
        ----------
        level : float
        random_state : int, Generator or None
            Draws behind bands.
        R, row_features, col_features
            As given to :meth:`fit`; needed, for they are not kept with the model.
        variance : {"auto", "clusters", "model", "sandwich"}
            "clusters": rows and columns may have effects that their features do not explain, as nearly all have; the
            default for the Gaussian family. "model" takes entries for independent with equal noise, "sandwich" for
            independent.

        Raises
        ------
        ValueError
            Where the weights are not determined by the data, or too many; the reason is said.
        """
        from halfseen.methods.inductive.intervals import infer

        check_is_fitted(self)
        choices = {"level": level, "variance": variance, "random_state": random_state}
        return infer(self, choices, R, (row_features, col_features))

    def factors_of(self, features: Any, axis: str = "rows") -> FloatArray:
        """Activations of new rows (``axis="rows"``) or columns from their features, ndarray (n, k)."""
        check_is_fitted(self)
        return self._activated(features, ("rows", "cols").index(axis))

    @property
    def _offset(self) -> Any:
        return self.col_factors_.dtype.type(self.offset_)

    def _activated(self, features: Any, axis: int) -> FloatArray:
        from halfseen.methods.inductive.maps import FeatureMap

        name, code = ("row_features", "col_features")[axis], (self.row_code_, self.col_code_)[axis]
        if code is None:
            raise ValueError(
                f"{name}: this model was fitted without them, so that only seen {('rows', 'columns')[axis]} can be "
                "asked for, by label or position; fit it with features"
            )
        weights = (self._row_units, self._col_units)[axis]
        filled: list[str] | None = None if self.is_strict else []
        side = as_side_features(features, name, may_miss=filled is not None)
        encoded = FeatureMap(code.encode(side, name, filled), side.n, False, weights.dtype)
        if filled:
            self._warn(
                f"{name}: {'; '.join(filled)} of {side.n} lines: the mean of the fit stands for them (refused with "
                "is_strict=True)"
            )
        units = get_activation(self.activation_).value(encoded.forward(weights[:-1]) + weights[-1])
        units = units * units.dtype.type(self.gain_) if axis else units
        trust = 1.0 if self.search_ is None else (self.search_.row_trust, self.search_.col_trust)[axis]
        if trust == 1.0:
            return units
        middle = (self.row_factors_, self.col_factors_)[axis][:, : units.shape[1]].mean(axis=0)
        return middle + units.dtype.type(trust) * (units - middle)

    def _side(self, given: Any, axis: int) -> tuple[FloatArray, FloatArray]:
        """Factors and effects of one side: kept ones of seen rows, computed ones of new rows."""
        factors, effects = ((self.row_factors_, self.row_effects_), (self.col_factors_, self.col_effects_))[axis]
        if not is_features(given):
            places = self._positions(given, ("row", "column")[axis])
            return factors[places], effects[places]
        units = self._activated(given, axis)
        free = np.zeros((len(units), factors.shape[1] - units.shape[1]), dtype=units.dtype)
        return np.concatenate([units, free], axis=1), np.zeros(len(units), dtype=units.dtype)

    def _linear_pairs(self, rows: IntArray, cols: IntArray) -> FloatArray:
        effects = self.row_effects_[rows] + self.col_effects_[cols] + self._offset
        return effects + pair_products(self.row_factors_, self.col_factors_, rows, cols)

    def _linear_block(self, rows: IntArray, cols: IntArray) -> FloatArray:
        block = self.row_factors_[rows] @ self.col_factors_[cols].T
        return block + self.row_effects_[rows, None] + (self.col_effects_[cols] + self._offset)

    def _linear_table(self, observed: Observed) -> FloatArray:
        if self.row_labels_ is None or observed.row_labels is None:
            return super()._linear_table(observed)
        try:  # rows known by name are those of the fit, whatever was seen of them since
            rows = find_labels(self.row_labels_, observed.row_labels)
        except UnknownLabelError:
            return super()._linear_table(observed)
        return self._linear_block(rows, np.arange(self.observed_shape_[1]))

    def _linear_rows(self, observed: Observed) -> FloatArray:
        from halfseen.methods.inductive.placing import place_rows

        return place_rows(self, observed)
