"""Soft-impute: completion by the nuclear norm, along a path of penalties that is judged on held-out entries."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from halfseen._typing import BoolArray, FloatArray, RandomState, as_generator
from halfseen.base import PlacesRows
from halfseen.biased import BiasedPredictions, check_same_table
from halfseen.data import Observed, PreparedTable
from halfseen.engines import Engine, EntryPasses
from halfseen.inference.extremes import tell_extremes
from halfseen.methods.completion.nuclear import (
    NO_BIAS,
    NuclearProblem,
    PathPoint,
    PenaltyPath,
    in_order,
    unshrunk,
    with_factors,
)
from halfseen.methods.completion.path_judge import PathJudge
from halfseen.parameters import (
    CLIP,
    ENGINE,
    RANDOM_STATE,
    RANK,
    Flag,
    Nothing,
    Number,
    Table,
    Whole,
    Word,
)
from halfseen.select.automatic_rank import RankSearch, settled_rank
from halfseen.solvers.alternating import Coefficients, Penalty, SmallFall, regress
from halfseen.solvers.checkpoint import resumable
from halfseen.solvers.loop import Run, loop
from halfseen.solvers.stops import HeldOut
from halfseen.solvers.watch import CallbackSupport

# Solutions along the path only have to be told apart; the last one is solved ten times closer.
FINAL_SHARE_OF_TOL = 0.1


class SoftImpute(CallbackSupport, PlacesRows, BiasedPredictions):
    r"""Completion by a low-rank table whose singular values are penalised, biases fitted jointly.

    .. math::

        \tfrac12\sum_{ij\ \mathrm{seen}} w_{ij}(r_{ij} - \mu - b_i - d_j - z_{ij})^2 + \lambda\|Z\|_*
        + \tfrac\kappa2(\|b\|^2 + \|d\|^2),\qquad \mathrm{rank}(Z) \le k

    Parameters
    ----------
    rank : int or "auto"
        Largest rank :math:`k`, cut to the shorter side of the table. With the shorter side itself the problem is
        convex, and the result the nuclear-norm solution; a smaller one is faster and, on ratings, predicts better.
        "auto" takes the one that predicts held-out entries best.
    penalty : "auto" or float
        :math:`\lambda`, in the unit of the values; "auto" is the best on held-out entries along a path.
    bias_penalty : float or None
        :math:`\kappa`, in entries; None leaves out mean and biases: :math:`R \approx Z`.
    debias : "auto" or bool
        Fit the singular values anew, without penalty, once their vectors are known; "auto" does so if it predicts the
        held-out entries better (with a given penalty: never).
    held_out : float
        Share of the entries that judges the path.
    max_iter : int
        Sweeps per penalty.
    tol : float
        Stop when the objective falls by less than this share of what it was after a penalty's first sweep.
    clip : None, "range" or (low, high)
        Keep mean predictions inside the range of the training values, or inside given bounds.
    random_state : int, Generator or None
        Draws the held-out entries and the blocks in which missing directions are searched.
    engine : {"serial", "threads"}, Engine or None
        Where row blocks are computed; without influence on the result.
    n_penalties : int
        Penalties on the path, falling geometrically from the one that leaves nothing.
    smallest : float
        Last penalty, as a share of the first.
    patience : int
        The path ends after so many penalties without improvement.
    solver : {"auto", "ridge", "low_rank"}
        Both lower the same objective: exact ridge regressions row by row, or soft-impute ALS with the table held as
        sparse plus low rank, whose sweeps cost less from about rank 40 on ("auto" changes there).

    Attributes
    ----------
    mean_, penalty_ : float
    rank_ : int
        Singular values above 0, :math:`r`.
    singular_values_ : ndarray (r,)
        Of :math:`Z`, debiased where that was chosen.
    row_factors_, col_factors_ : ndarray (n, r), (p, r)
        :math:`Z` is their product; their columns are orthogonal and of equal lengths, but for what debiasing adds to
        the rows'.
    row_bias_, col_bias_ : ndarray (n,), (p,)
    growth_ : ndarray (r,)
        Factors by which debiasing moved the singular values; ones without.
    rank_search_ : RankSearch or None
        What ``rank="auto"`` tried as largest rank.
    path_ : NuclearPath or None
        What was tried, with ``penalty="auto"``.
    linking_ : Linking or None
        Groups of rows and columns that too few entries link to be compared; None for one group.
    run_ : Run
        Of the path (one sweep per penalty; the last, on all entries, is not among them) or of the given penalty.
    n_iter_ : int
        Penalties that were solved for.

    Raises
    ------
    BadArgument
        A ValueError, for parameters outside their range.

    Notes
    -----
    ``n_penalties``, ``smallest``, ``patience`` and ``solver`` are rarely needed.

    The path starts at the largest singular value of the residual of the biases. Each solution starts from the last one,
    and from those directions of the residual whose singular values exceed the penalty; it is repeated until
    none is missing. Directions that died are dropped by one exact soft-impute step. The penalty chosen on a part of
    the entries is raised by the root of what is added to them: the noise in singular values grows so.

    Time per sweep O(E k^2) or O(E k) (see ``solver``); memory O(E + (n + p) k), nothing of size n x p.

    Sources: Mazumder, Hastie & Tibshirani (2010); Hastie, Mazumder, Lee & Zadeh (2015).

    Examples
    --------
    >>> import numpy as np
    >>> import halfseen as hs
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 40))
    >>> table = np.where(rng.random(truth.shape) < 0.5, truth + 0.1 * rng.normal(size=truth.shape), np.nan)
    >>> model = hs.SoftImpute(bias_penalty=None, random_state=0).fit(table)
    >>> hidden = np.isnan(table)
    >>> bool(np.std((model.predict_table() - truth)[hidden]) < 0.1 * truth.std())
    True
    """

    rank_search_: RankSearch | None

    _summary: ClassVar[str] = "halfseen.methods.completion.summary:soft_impute"
    _parameters: ClassVar[Table] = {
        "rank": RANK,
        "penalty": Word("auto") | Number(0, above=True),
        "bias_penalty": Nothing() | Number(0),
        "debias": Word("auto") | Flag(),
        "held_out": Number(0, 1, above=True, below=True),
        "max_iter": Whole(1),
        "tol": Number(0),
        "clip": CLIP,
        "random_state": RANDOM_STATE,
        "engine": ENGINE,
        "n_penalties": Whole(1),
        "smallest": Number(0, 1, above=True, below=True),
        "patience": Whole(1),
        "solver": Word("auto", "ridge", "low_rank"),
    }

    def __init__(
        self,
        rank: int | str = 16,
        penalty: str | float = "auto",
        *,
        bias_penalty: float | None = 3.0,
        debias: str | bool = "auto",
        held_out: float = 0.1,
        max_iter: int = 200,
        tol: float = 1e-4,
        clip: str | tuple[float, float] | None = None,
        random_state: RandomState = None,
        engine: str | Engine | None = None,
        n_penalties: int = 20,
        smallest: float = 0.05,
        patience: int = 2,
        solver: str = "auto",
    ) -> None:
        self.rank = rank
        self.penalty = penalty
        self.bias_penalty = bias_penalty
        self.debias = debias
        self.held_out = held_out
        self.max_iter = max_iter
        self.tol = tol
        self.clip = clip
        self.random_state = random_state
        self.engine = engine
        self.n_penalties = n_penalties
        self.smallest = smallest
        self.patience = patience
        self.solver = solver

    @resumable
    def fit(self, R: Any, y: None = None, *, start: SoftImpute | None = None) -> Self:
        """Fit to the observed entries of a table (NaN array, sparse, data frame or `Observed`).

        Parameters
        ----------
        R : table
        y : None
            Ignored; there for scikit-learn.
        start : fitted SoftImpute, optional
            Of a table with the same rows and columns: with a given penalty the solution is looked for from there, not
            along a path from above.

        Notes
        -----
        A prepared table (:func:`halfseen.prepare`) is fitted block by block by the ridge regressions; entries that
        judge the path are held out by a hash of their places.
        """
        settings = self._checked()
        if isinstance(R, PreparedTable):
            from halfseen.methods.completion.soft_blocks import fit_blocks

            return fit_blocks(self, R, settings, start)
        observed = self._begin(R, settings.clip)
        if settings.bias_penalty is None:
            self.mean_ = 0.0
        rng = as_generator(settings.random_state)
        settings.rank, self.rank_search_ = settled_rank(self, observed, rng, rule="tie")
        split = None if settings.penalty != "auto" else held_out(observed, settings.held_out, rng)
        problem = self._problem(observed if split is None else split[0], settings)
        total = settings.n_penalties
        with self._watched(observed, total, lambda point: self._learned(problem, point, False)) as watch:
            watchers = [watch] if watch else []
            stops = [watch.stop] if watch else []
            if split is None:
                run = self._given_penalty(problem, rng, (watchers, stops), start)
                point, is_debiased = run.params, settings.debias is True
            else:
                judge = PathJudge(HeldOutMeasure(problem, split[1]), settings.debias)
                run = self._judged_path(problem, judge, settings, rng, (watchers, stops))
                problem = self._problem(observed, settings)
                point, is_debiased = self._refitted(problem, judge, observed.n_entries / split[0].n_entries, rng)
            self.__dict__.update(self._learned(problem, point, is_debiased))
        self.path_ = None if split is None else judge.path()
        self.run_, self.n_iter_ = run.record(), run.n_iter
        tell_extremes(self, observed, self.row_factors_, self.col_factors_)
        return self

    def transform(self, R: Any) -> FloatArray:
        """Factors of rows (new ones, or the training rows again) given the fitted columns, shape (n_rows, r)."""
        check_is_fitted(self)
        return self._place(self._observe(R, reset=False))[0]

    def _problem(self, observed: Observed, settings: SimpleNamespace) -> NuclearProblem:
        passes = EntryPasses(observed, self.loss_, settings.engine)
        return NuclearProblem(
            passes, self.mean_, settings.bias_penalty, settings.rank, settings.solver, settings.tol, settings.max_iter
        )

    def _start(self, problem: Any, rng: np.random.Generator) -> tuple[PathPoint, float]:
        """The biases alone, and the penalty from which on there is nothing else."""
        run = loop(problem.sweep(1.0, 0), problem.start(), [SmallFall(1e-6)], max_iter=problem.max_iter)
        return PathPoint(-1, np.inf, run.params), problem.spectral_norm(run.params, rng)

    def _given_penalty(
        self, problem: Any, rng: np.random.Generator, watch: tuple[Any, Any], begin: SoftImpute | None
    ) -> Run:
        """Solve for one penalty, from above in steps of a half; without a split to judge a path, for none."""
        watchers, stops = watch
        if begin is not None and self.penalty != "auto":
            check_same_table(self, begin)
            point = PathPoint(-1, begin.penalty_, begin._solution(problem.largest_rank))
            path = PenaltyPath(problem, np.array([float(self.penalty)]), rng)
            return loop(path, point, stops, max_iter=1, watchers=watchers)
        start, largest = self._start(problem, rng)
        wanted = 1.01 * largest + np.finfo(float).tiny if self.penalty == "auto" else float(self.penalty)
        n_steps = 1 + int(np.ceil(np.log2(max(largest / wanted, 1.0))))
        path = PenaltyPath(problem, wanted * 2.0 ** np.arange(n_steps - 1, -1, -1), rng)
        return loop(path, start, stops, max_iter=n_steps, watchers=watchers)

    def _judged_path(
        self,
        problem: Any,
        judge: PathJudge,
        settings: SimpleNamespace,
        rng: np.random.Generator,
        watch: tuple[Any, Any],
    ) -> Run:
        start, largest = self._start(problem, rng)
        ratio = settings.smallest ** (1.0 / max(settings.n_penalties - 1, 1))
        path = PenaltyPath(problem, largest * ratio ** np.arange(1, settings.n_penalties + 1), rng)
        stops = [HeldOut(judge, settings.patience), *watch[1]]
        run = loop(path, start, stops, max_iter=settings.n_penalties, watchers=watch[0])
        if run.reason == "not_finite":
            self._warn("SoftImpute ended with numbers beyond the range; scale the values", ConvergenceWarning)
        return run

    def _refitted(
        self, problem: Any, judge: PathJudge, more: float, rng: np.random.Generator
    ) -> tuple[PathPoint, bool]:
        """The best point of the path once more, on all entries."""
        best, is_debiased = judge.best()
        problem = replace(problem, tol=FINAL_SHARE_OF_TOL * problem.tol)
        path = PenaltyPath(problem, np.array([best.penalty * np.sqrt(more)]), rng)
        return path(replace(best, place=-1)).params, is_debiased

    def _learned(self, problem: NuclearProblem, point: PathPoint, is_debiased: bool) -> dict[str, Any]:
        (rows, cols), s = in_order(point.params)
        table = problem.passes.observed
        for side, counts in ((rows, table.by_rows.counts), (cols, table.by_cols.counts)):
            side[counts == 0] = 0.0  # to the last bit, not only to rounding
        growth = unshrunk(problem, (rows, cols)) if is_debiased and len(s) else np.ones(len(s))
        has_bias = self.bias_penalty is not None
        return {
            "penalty_": point.penalty,
            "rank_": len(s),
            "singular_values_": s * growth,
            "growth_": growth,
            "row_factors_": rows[:, :-1] * growth.astype(rows.dtype),
            "col_factors_": np.ascontiguousarray(cols[:, :-1]),
            "row_bias_": rows[:, -1] if has_bias else np.zeros_like(rows[:, -1]),
            "col_bias_": cols[:, -1] if has_bias else np.zeros_like(cols[:, -1]),
        }

    def _solution(self, largest_rank: int) -> Coefficients:
        """The solution before debiasing, cut to a rank."""
        plain = self.row_factors_ / np.where(self.growth_ > 0, self.growth_, 1.0).astype(self.row_factors_.dtype)
        rows = np.column_stack([plain[:, :largest_rank], self.row_bias_])
        return rows, np.column_stack([self.col_factors_[:, :largest_rank], self.col_bias_])

    def _place(self, observed: Observed) -> tuple[FloatArray, FloatArray]:
        observed = observed.astype(self.col_factors_.dtype)
        passes, n = EntryPasses(observed, self.loss_, self.engine), observed.shape[0]
        ridge = np.append(
            np.full(self.rank_, self.penalty_), NO_BIAS if self.bias_penalty is None else self.bias_penalty
        )
        cols = np.column_stack([self.col_factors_, self.col_bias_])
        begin = np.zeros((n, self.rank_ + 1), observed.dtype)
        rows, _ = regress(passes, 0, begin, cols, self.mean_, Penalty(ridge, np.ones(n)), "cholesky")
        bias = rows[:, -1] if self.bias_penalty is not None else np.zeros(n, observed.dtype)
        return rows[:, :-1] * self.growth_.astype(observed.dtype), bias

    @property
    def _n_features_out(self) -> int:
        return self.rank_


@dataclass(frozen=True)
class HeldOutMeasure:
    """Losses of points on entries that were held out, plain and debiased; nan where one is not wanted."""

    problem: NuclearProblem
    test: Observed

    def __call__(self, point: PathPoint, wants_plain: bool, wants_debiased: bool) -> tuple[float, float]:
        plain, debiased = np.nan, np.nan
        if wants_plain:
            plain = self.loss(point.params)
        if wants_debiased:
            growth = unshrunk(self.problem, point.params) if point.params[0].shape[1] > 1 else np.ones(0)
            debiased = self.loss(with_factors(point.params, growth))
        return plain, debiased

    def loss(self, params: Coefficients) -> float:
        """Mean squared error."""
        passes = self.problem.passes
        there = replace(self.problem, passes=EntryPasses(self.test, passes.loss, passes.engine))
        gap, weights = there.residual(params).astype(float), self.test.weights
        if weights is None:
            return float(np.mean(np.square(gap)))
        used: BoolArray = weights > 0
        return float(np.sum(np.square(gap[used]) / weights[used]) / np.sum(weights, dtype=float))


def held_out(observed: Observed, fraction: float, rng: np.random.Generator) -> tuple[Observed, Observed] | None:
    """A split that leaves every row and column an entry; None where no entry can be spared."""
    try:
        return observed.split(fraction, rng, keep_covered=True)
    except ValueError:
        return None
