"""Alternating least squares with biases and a penalty that grows with the root of the number of entries."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from halfseen._typing import FloatArray, RandomState, as_generator
from halfseen.base import PlacesRows
from halfseen.biased import BiasedPredictions, check_same_table
from halfseen.data import Observed, PreparedTable
from halfseen.data.spread import weighted_spread
from halfseen.engines import Engine, EntryPasses
from halfseen.inference.extremes import tell_extremes
from halfseen.linalg.align import balance
from halfseen.methods.completion.blocks import fit_blocks
from halfseen.methods.completion.penalty_choice import FURTHER_ITERATIONS, LeastSquaresPenalty, choose_penalty, path_of
from halfseen.parameters import (
    CLIP,
    ENGINE,
    PRECISION,
    RANDOM_STATE,
    RANK,
    Nothing,
    Number,
    Table,
    Whole,
    Word,
)
from halfseen.select.automatic_rank import RankSearch, settled_rank
from halfseen.solvers.alternating import (
    AlternatingRidge,
    Coefficients,
    Penalty,
    SmallFall,
    powers,
    regress,
    weighted_counts,
)
from halfseen.solvers.checkpoint import resumable
from halfseen.solvers.loop import Run, loop
from halfseen.solvers.watch import CallbackSupport, FitWatch

# Both were measured on MovieLens-1M, whose ratings have standard deviation 1.117: there lambda is 1.1 and a start
# is N(0, .1^2), small beside the biases. Factors have the unit of the root of the values.
PENALTY_PER_SPREAD = 0.985
START_SCALE = 0.1 / 1.117**0.5
# At which the penalty is chosen before a rank is.
USUAL_RANK = 16
# Up to so many entries, and so many per parameter, draws are better: at their defaults, errors of
# BayesianFactorization are .63 to .80 times those of least squares on eight kinds of tables with 720 to 30 000
# entries, .5 to 3.5 per parameter (benchmarks/results/defaults_study.csv).
MOST_ENTRIES, FEW_PER_PARAMETER = 100_000, 4


class AlternatingLeastSquares(CallbackSupport, PlacesRows, BiasedPredictions):
    r"""Matrix factorisation with biases by alternating ridge regressions.

    .. math::

        \sum_{ij\ \mathrm{seen}} w_{ij}(r_{ij} - \mu - b_i - d_j - \langle x_i, y_j\rangle)^2
        + \sum_i n_i^\alpha(\lambda\|x_i\|^2 + \lambda_b b_i^2)
        + \sum_j m_j^\alpha(\lambda\|y_j\|^2 + \lambda_b d_j^2)

    with :math:`\mu` the mean and :math:`n_i`, :math:`m_j` the numbers of entries (sums of weights) of row ``i`` and
    column ``j``. A row solves one regression for :math:`(x_i, b_i)`, a column for :math:`(y_j, d_j)`.

    Parameters
    ----------
    rank : int or "auto"
        Number of factors, cut to the shorter side of the table. 0 fits biases alone. "auto" takes the rank at which
        gradient descent sees the singular values fall, and climbs from there on held-out entries.
    penalty : "auto" or float
        :math:`\lambda`, in the unit of the values; "auto" goes down a path from twice their standard deviation and
        takes the largest penalty that predicts held-out entries as well as the best, to .3 standard errors.
    bias_penalty : float
        :math:`\lambda_b`, without unit.
    max_iter : int
        Largest number of iterations (columns, then rows).
    tol : float or None
        Stop when the objective falls by less than this share of what it was after the first iteration; None runs all.
    clip : None, "range" or (low, high)
        Keep mean predictions inside the range of the training values, or inside given bounds.
    n_starts : int
        Average the predictions of this many random starts (the factors of all starts are kept side by side).
    random_state : int, Generator or None
    engine : {"serial", "threads"}, Engine or None
        Where row blocks are computed; without influence on the result.
    alpha : float
        Exponent of the numbers of entries: 0 is plain ridge, 1 is "ALS-WR"; 0.5 predicts best.
    solver : {"auto", "cholesky", "cg"}
        How each ridge regression is solved; ``"cg"`` takes three conjugate-gradient steps per iteration
        from the last coefficients, which is faster at large ranks.
    precision : None, "float32" or "float64"
        Arithmetic of the fit; None is that of the data. Sums are always taken in float64.

    Attributes
    ----------
    mean_ : float
    penalty_ : float
        :math:`\lambda` as used.
    row_factors_, col_factors_ : ndarray (n, rank * n_starts), (p, rank * n_starts)
        Their products are the (mean) interaction; a row or column without entries has 0.
    row_bias_, col_bias_ : ndarray (n,), (p,)
    rank_ : int
        As used.
    penalty_choice_ : LeastSquaresPenalty or None
        What ``penalty="auto"`` tried; None where no entry could be held out, and the penalty is the standard deviation.
    rank_search_ : RankSearch or None
        What ``rank="auto"`` tried, at the penalty that is best for rank 16.
    linking_ : Linking or None
        Groups of rows and columns that too few entries link to be compared; None for one group.
    run_ : Run
        Reason, iterations and trace of the objective (of the first start).
    n_iter_ : int
        Iterations done (the most over the starts).

    Raises
    ------
    BadArgument
        A ValueError, for parameters outside their range.

    Notes
    -----
    When all values are multiplied by :math:`c`, the biases grow by :math:`c` and the factors by :math:`\sqrt c` each.
    Squares of residuals and of biases then grow by :math:`c^2`, squares of factors by :math:`c`: the same model is
    best if :math:`\lambda` grows by :math:`c` and :math:`\lambda_b` stays. With ``penalty="auto"``, and starts whose
    standard deviation follows the root of that of the values, the predictions grow by exactly :math:`c`.

    The choice of the penalty costs 28 to 93 iterations; tables of more than 120 000 entries are judged by a part with
    60 000. On six kinds of tables its error is at most 1.1 times that of the best penalty of a grid, where a fixed
    one (.985 standard deviations, best for MovieLens-1M) had up to 3 times it.

    ``alpha``, ``solver`` and ``precision`` are rarely needed.

    Time per iteration O(E k^2 + (n + p) k^3) for E entries and k = rank + 1 (conjugate gradients: O(E k)); memory
    beyond the two views of the entries O((n + p) k). Sources: Hu, Koren & Volinsky (2008) for the alternation; Zhou et
    al. (2008) for the penalty with ``alpha=1``.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> rng = np.random.default_rng(0)
    >>> table = np.add.outer(rng.normal(size=30), rng.normal(size=20)) + np.outer(rng.normal(size=30), np.ones(20))
    >>> seen = np.where(rng.random(table.shape) < 0.5, table, np.nan)
    >>> model = hs.AlternatingLeastSquares(rank=2, penalty=0.01, bias_penalty=0.01, random_state=0).fit(seen)
    >>> bool(np.mean((model.predict_table() - table)[np.isnan(seen)] ** 2) < 0.01 * table.var())
    True
    >>> model.transform(seen).shape
    (30, 2)
    """

    rank_search_: RankSearch | None
    penalty_choice_: LeastSquaresPenalty | None

    _takes_any_scale: ClassVar[bool] = True
    _summary: ClassVar[str] = "halfseen.methods.completion.summary:least_squares"
    _parameters: ClassVar[Table] = {
        "rank": RANK,
        "penalty": Word("auto") | Number(0),
        "bias_penalty": Number(0),
        "max_iter": Whole(1),
        "tol": Nothing() | Number(0),
        "clip": CLIP,
        "n_starts": Whole(1),
        "random_state": RANDOM_STATE,
        "engine": ENGINE,
        "alpha": Number(0),
        "solver": Word("auto", "cholesky", "cg"),
        "precision": PRECISION,
    }

    def __init__(
        self,
        rank: int | str = 16,
        penalty: str | float = "auto",
        *,
        bias_penalty: float = 0.3,
        max_iter: int = 20,
        tol: float | None = None,
        clip: str | tuple[float, float] | None = None,
        n_starts: int = 1,
        random_state: RandomState = None,
        engine: str | Engine | None = None,
        alpha: float = 0.5,
        solver: str = "auto",
        precision: str | None = None,
    ) -> None:
        self.rank = rank
        self.penalty = penalty
        self.bias_penalty = bias_penalty
        self.max_iter = max_iter
        self.tol = tol
        self.clip = clip
        self.n_starts = n_starts
        self.random_state = random_state
        self.engine = engine
        self.alpha = alpha
        self.solver = solver
        self.precision = precision

    @resumable
    def fit(self, R: Any, y: None = None, *, start: AlternatingLeastSquares | None = None) -> Self:
        """Fit to the observed entries of a table (NaN array, sparse, data frame or `Observed`).

        Parameters
        ----------
        R : table
        y : None
            Ignored; there for scikit-learn.
        start : fitted AlternatingLeastSquares, optional
            Of a table with the same rows and columns and any rank: the first start begins there, cut to the leading
            factors or filled up at random.

        Notes
        -----
        A table of :func:`halfseen.read_table` that was prepared is fitted block by block: out of core, on threads or on
        Dask. The iterations are those of the table in memory, sums are added in another order. ``row_factors_`` and
        ``row_bias_`` then are computed where they are asked for.
        """
        settings = self._checked()
        if isinstance(R, PreparedTable):
            return fit_blocks(self, R, settings, start)
        observed = self._begin(R, settings.clip, settings.precision)
        rng = as_generator(settings.random_state)
        spread = weighted_spread(observed, self.mean_)
        self._settle(observed, spread, settings, rng)
        passes = EntryPasses(observed, self.loss_, settings.engine)
        rows, cols = (self._penalty(weighted_counts(observed, axis)) for axis in (0, 1))
        sweep = AlternatingRidge(passes, self.mean_, rows, cols, settings.solver)
        begin = [self._start(observed, START_SCALE * spread**0.5, rng) for rng in rng.spawn(settings.n_starts)]
        if start is not None:
            begin[0] = self._begun(start, begin[0])
        total = settings.max_iter * settings.n_starts
        if self.penalty_choice_ is not None and start is None:
            begin = [self._down_the_path(point, passes, observed, settings) for point in begin]
        with self._watched(observed, total, lambda params: self._learned([params])) as watch:
            runs = [self._run(sweep, point, settings, watch) for point in begin]
            self.__dict__.update(self._learned([run.params for run in runs]))
        self.run_, self.n_iter_ = runs[0].record(), max(run.n_iter for run in runs)
        tell_extremes(self, observed, self.row_factors_, self.col_factors_)
        return self

    def transform(self, R: Any) -> FloatArray:
        """Factors of rows (new ones, or the training rows again) given the fitted columns.

        Returns
        -------
        ndarray, shape (n_rows, rank * n_starts)
        """
        check_is_fitted(self)
        return self._place(self._observe(R, reset=False))[0]

    def _settle(self, observed: Observed, spread: float, settings: SimpleNamespace, rng: np.random.Generator) -> None:
        """Set ``rank_`` and ``penalty_``, each as given or as held-out entries say."""
        is_auto = isinstance(settings.penalty, str)
        choice = rng.spawn(1)[0] if is_auto else rng
        self.penalty_, self.penalty_choice_ = PENALTY_PER_SPREAD * spread, None
        changes: dict[str, Any] = {"n_starts": 1}
        if not is_auto:
            self.penalty_ = float(settings.penalty)
        elif isinstance(settings.rank, str):
            self.rank_ = min(USUAL_RANK, *observed.shape)
            first = self._choose_penalty(observed, spread, settings, choice)
            changes["penalty"] = self.penalty_ if first is None else first.penalty
        self.rank_, self.rank_search_ = settled_rank(self, observed, rng, rule="tie", **changes)
        if is_auto and self.rank_ > 0:
            self.penalty_choice_ = self._choose_penalty(observed, spread, settings, choice)
        if self.penalty_choice_ is not None:
            self.penalty_ = self.penalty_choice_.penalty
            if self.penalty_choice_.has_structure:
                self._say_where_draws_are_better(observed)
            elif self.penalty_choice_.bias_loss > 1e-12 * spread**2:
                self._keep_sentence(
                    "row and column effects alone predict held-out entries as well as factors do, up to chance (mean "
                    f"squared error {self.penalty_choice_.bias_loss:.4g} against "
                    f"{self.penalty_choice_.losses.min():.4g} at best): the largest penalty was taken. BiasModel or "
                    "rank=0 says the same with less."
                )

    def _say_where_draws_are_better(self, observed: Observed) -> None:
        """A point estimate of nearly as many parameters as entries loses to the mean over draws."""
        n_parameters = (self.rank_ + 1) * sum(observed.shape)
        if observed.n_entries <= min(MOST_ENTRIES, FEW_PER_PARAMETER * n_parameters):
            self._keep_sentence(
                f"{observed.n_entries} entries for {n_parameters} parameters: on tables as small as this, "
                "BayesianFactorization (halfseen fit bayes) predicts better, by a fifth to a third of the error where "
                "it was measured, and has intervals."
            )

    def _down_the_path(
        self, point: Coefficients, passes: EntryPasses, observed: Observed, settings: SimpleNamespace
    ) -> Coefficients:
        """From a random start through the larger penalties: a small one alone ends in worse minima."""
        choice = self.penalty_choice_
        assert choice is not None
        above = choice.penalties[(choice.penalties > choice.penalty) & (choice.penalties <= choice.first)]
        counts = [weighted_counts(observed, axis) for axis in (0, 1)]
        for penalty in above:
            ridge = np.append(np.full(self.rank_, penalty), settings.bias_penalty)
            rows, cols = (Penalty(ridge, powers(side, settings.alpha)) for side in counts)
            sweep = AlternatingRidge(passes, self.mean_, rows, cols, settings.solver)
            point = loop(sweep, point, max_iter=FURTHER_ITERATIONS).params
        return point

    def _choose_penalty(
        self, observed: Observed, spread: float, settings: SimpleNamespace, rng: np.random.Generator
    ) -> LeastSquaresPenalty | None:
        # in double precision: a choice between settings must not hang on rounding, and the part judged is small
        observed = observed.astype(np.float64)
        penalties = path_of(observed, spread, self.alpha)
        scale, seed = START_SCALE * spread**0.5, rng.spawn(1)[0]

        def make_sweep(part: Observed, mean: float) -> Any:
            passes = EntryPasses(part, self.loss_, settings.engine)
            counts = [weighted_counts(part, axis) for axis in (0, 1)]

            def sweep_at(penalty: float) -> AlternatingRidge:
                # an infinite penalty leaves no factors
                ridge = np.append(np.full(self.rank_ if np.isfinite(penalty) else 0, penalty), settings.bias_penalty)
                sides = [Penalty(ridge, powers(part_counts, settings.alpha)) for part_counts in counts]
                return AlternatingRidge(passes, mean, sides[0], sides[1], settings.solver)

            return sweep_at

        return choose_penalty(
            observed, make_sweep, lambda part: self._start(part, scale, seed), penalties, self.mean_, rng
        )

    def _start(self, observed: Observed, scale: float, rng: np.random.Generator) -> Coefficients:
        (n, p), k = observed.shape, self.rank_
        rows, cols = np.zeros((n, k + 1), observed.dtype), np.zeros((p, k + 1), observed.dtype)
        rows[:, :k] = scale * rng.standard_normal((n, k))
        rows[observed.by_rows.counts == 0] = 0.0
        return rows, cols

    def _begun(self, start: AlternatingLeastSquares, random: Coefficients) -> Coefficients:
        """Rows of another fit in place of random ones (the columns follow from them)."""
        check_same_table(self, start)
        k, known = self.rank_, start.rank_
        share = np.sqrt(len(start.start_col_biases_))
        A, _, _ = balance(start.row_factors_[:, :known] * share, start.col_factors_[:, :known] * share)
        rows = random[0].copy()
        rows[:, : min(k, known)] = A[:, :k]
        rows[:, -1] = start.row_bias_
        return rows, random[1]

    def _penalty(self, counts: FloatArray) -> Penalty:
        ridge = np.append(np.full(self.rank_, self.penalty_), float(self.bias_penalty))
        return Penalty(ridge, powers(counts, self.alpha))

    def _run(self, sweep: Any, start: Any, settings: SimpleNamespace, watch: FitWatch | None) -> Run:
        stops: list[Any] = [] if settings.tol is None else [SmallFall(settings.tol)]
        stops += [watch.stop] if watch else []
        run = loop(sweep, start, stops, max_iter=settings.max_iter, watchers=[watch] if watch else [])
        if run.reason == "not_finite" or (settings.tol is not None and run.reason == "max_iter"):
            self._warn(
                f"AlternatingLeastSquares ended after {run.n_iter} iterations with reason '{run.reason}'; "
                "raise max_iter or tol, or scale the values",
                ConvergenceWarning,
            )
        return run

    def _learned(self, starts: list[Coefficients]) -> dict[str, Any]:
        """Attributes that predict the mean over the starts: factors side by side, over the root of their number."""
        rows, cols = zip(*starts, strict=True)
        share = rows[0].dtype.type(np.sqrt(len(starts)))
        biases = np.array([part[:, -1] for part in cols])
        return {
            "row_factors_": np.hstack([part[:, :-1] for part in rows]) / share,
            "col_factors_": np.hstack([part[:, :-1] for part in cols]) / share,
            "row_bias_": np.mean([part[:, -1] for part in rows], axis=0, dtype=rows[0].dtype),
            "col_bias_": np.mean(biases, axis=0, dtype=biases.dtype),
            "start_col_biases_": biases,
        }

    def _place(self, observed: Observed) -> tuple[FloatArray, FloatArray]:
        observed = observed.astype(self.col_factors_.dtype)
        passes = EntryPasses(observed, self.loss_, self.engine)
        penalty = self._penalty(weighted_counts(observed, 0))
        n_starts, k = len(self.start_col_biases_), self.rank_
        share = self.col_factors_.dtype.type(np.sqrt(n_starts))
        begin = np.zeros((observed.shape[0], k + 1), observed.dtype)
        placed = []
        for part, bias in enumerate(self.start_col_biases_):
            cols = np.column_stack([self.col_factors_[:, part * k : (part + 1) * k] * share, bias])
            placed.append(regress(passes, 0, begin, cols, self.mean_, penalty, "cholesky")[0])
        factors = np.hstack([rows[:, :-1] for rows in placed]) / share
        return factors, np.mean([rows[:, -1] for rows in placed], axis=0, dtype=observed.dtype)

    @property
    def _n_features_out(self) -> int:
        return self.col_factors_.shape[1]
