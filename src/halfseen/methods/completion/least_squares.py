"""Alternating least squares with biases and a penalty that grows with the root of the number of entries."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from halfseen._typing import FloatArray, RandomState, as_generator
from halfseen.base import PlacesRows
from halfseen.biased import BiasedPredictions, check_same_table, usable_rank
from halfseen.data import Observed
from halfseen.data.arguments import at_least, one_of
from halfseen.data.spread import weighted_spread
from halfseen.data.storable import storable
from halfseen.engines import Engine, EntryPasses
from halfseen.linalg.align import balance
from halfseen.methods.completion.automatic_rank import RankSearch, automatic_rank
from halfseen.solvers.alternating import (
    AlternatingRidge,
    Coefficients,
    Penalty,
    SmallFall,
    powers,
    regress,
    weighted_counts,
)
from halfseen.solvers.loop import Run, loop
from halfseen.solvers.watch import CallbackSupport, FitWatch

DEFAULT_RANK = 16
# Entries from which the columns are regrouped block by block: below, a second copy of the table is small.
FRUGAL_FROM = 3_000_000
# Both were measured on MovieLens-1M, whose ratings have standard deviation 1.117: there lambda is 1.1 and a start
# is N(0, .1^2), small beside the biases. Factors have the unit of the root of the values.
PENALTY_PER_SPREAD = 0.985
START_SCALE = 0.1 / 1.117**0.5


@storable
@dataclass(frozen=True)
class LeastSquaresOptions:
    """The finer switches of `AlternatingLeastSquares`.

    Parameters
    ----------
    max_iter : int
        Number of epochs (columns, then rows).
    tol : float or None
        Stop when the objective falls by less than this share of what it was after the first epoch; None runs all.
    solver : {"auto", "cholesky", "cg"}
        How each ridge regression is solved; ``"cg"`` takes three conjugate-gradient steps per epoch
        from the last coefficients, which is faster at large ranks.
    clip : None, "range" or (low, high)
        Keep mean predictions inside the range of the training values, or inside given bounds.
    precision : None, "float32" or "float64"
        Arithmetic of the fit; None is that of the data. Sums are always taken in float64.
    """

    max_iter: int = 20
    tol: float | None = None
    solver: str = "auto"
    clip: str | tuple[float, float] | None = None
    precision: str | None = None


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
    rank : int, "auto" or None
        Number of factors; None is 16, or the shorter side of the table where that is less. 0 fits biases alone. "auto"
        takes the rank at which gradient descent sees the singular values fall, and climbs from there on held-out
        entries.
    penalty : "auto" or float
        :math:`\lambda`, in the unit of the values; "auto" is .985 times their (weighted) standard deviation: 1.1,
        the value that predicts best, for the ratings of MovieLens-1M.
    bias_penalty : float
        :math:`\lambda_b`, without unit.
    alpha : float
        Exponent of the numbers of entries: 0 is plain ridge, 1 is "ALS-WR"; 0.5 predicts best.
    n_starts : int
        Average the predictions of this many random starts (the factors of all starts are kept side by side).
    options : LeastSquaresOptions or None
        Epochs, tolerance, solver, clipping, precision.
    random_state : int, Generator or None
    engine : {"serial", "threads"}, Engine or None
        Where row blocks are computed; without influence on the result.

    Attributes
    ----------
    mean_ : float
    penalty_ : float
        :math:`\lambda` as used.
    row_factors_, col_factors_ : ndarray (n, rank * n_starts), (p, rank * n_starts)
        Their products are the (mean) interaction; a row or column without entries has 0.
    row_bias_, col_bias_ : ndarray (n,), (p,)
    rank_ : int
    rank_search_ : RankSearch or None
        What ``rank="auto"`` tried.
    run_ : Run
        Reason, epochs and trace of the objective (of the first start).
    n_iter_ : int
        Epochs done (the most over the starts).

    Raises
    ------
    ValueError
        For parameters outside their range, and a rank larger than the shorter side of the table.

    Notes
    -----
    When all values are multiplied by :math:`c`, the biases grow by :math:`c` and the factors by :math:`\sqrt c` each.
    Squares of residuals and of biases then grow by :math:`c^2`, squares of factors by :math:`c`: the same model is
    best if :math:`\lambda` grows by :math:`c` and :math:`\lambda_b` stays. With ``penalty="auto"``, and starts whose
    standard deviation follows the root of that of the values, the predictions grow by exactly :math:`c`.

    Time per epoch O(E k^2 + (n + p) k^3) for E entries and k = rank + 1 (conjugate gradients: O(E k)); memory beyond
    the two views of the entries O((n + p) k). Sources: Hu, Koren & Volinsky (2008) for the alternation; Zhou et al.
    (2008) for the penalty with ``alpha=1``.

    Examples
    --------
    >>> import numpy as np
    >>> import halfseen as hs
    >>> rng = np.random.default_rng(0)
    >>> table = np.add.outer(rng.normal(size=30), rng.normal(size=20)) + np.outer(rng.normal(size=30), np.ones(20))
    >>> seen = np.where(rng.random(table.shape) < 0.5, table, np.nan)
    >>> model = hs.AlternatingLeastSquares(rank=2, penalty=0.01, bias_penalty=0.01, random_state=0).fit(seen)
    >>> bool(np.mean((model.predict_table() - table)[np.isnan(seen)] ** 2) < 0.01 * table.var())
    True
    >>> model.transform(seen).shape
    (30, 2)
    """

    def __init__(
        self,
        rank: int | str | None = None,
        penalty: str | float = "auto",
        bias_penalty: float = 0.3,
        alpha: float = 0.5,
        n_starts: int = 1,
        options: LeastSquaresOptions | None = None,
        random_state: RandomState = None,
        engine: str | Engine | None = None,
    ) -> None:
        self.rank = rank
        self.penalty = penalty
        self.bias_penalty = bias_penalty
        self.alpha = alpha
        self.n_starts = n_starts
        self.options = options
        self.random_state = random_state
        self.engine = engine

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
        """
        options = self._checked_options()
        observed = self._begin(R, options.clip, options.precision)
        rng = as_generator(self.random_state)
        is_auto = isinstance(self.rank, str) and self.rank == "auto"
        self.rank_search_ = self._search(observed, rng) if is_auto else None
        wanted = self.rank if self.rank_search_ is None else self.rank_search_.rank
        self.rank_ = usable_rank(wanted, observed.shape, DEFAULT_RANK)
        spread = weighted_spread(observed, self.mean_)
        self.penalty_ = PENALTY_PER_SPREAD * spread if isinstance(self.penalty, str) else float(self.penalty)
        scale = START_SCALE * spread**0.5
        passes = EntryPasses(observed, self.loss_, self.engine, is_frugal=observed.n_entries >= FRUGAL_FROM)
        rows, cols = (self._penalty(weighted_counts(observed, axis)) for axis in (0, 1))
        sweep = AlternatingRidge(passes, self.mean_, rows, cols, options.solver)
        starts = rng.spawn(self.n_starts)
        with self._watched(observed, options.max_iter * self.n_starts, lambda params: self._learned([params])) as watch:
            begin = [self._start(observed, scale, rng) for rng in starts]
            if start is not None:
                begin[0] = self._begun(start, begin[0])
            runs = [self._run(sweep, point, options, watch) for point in begin]
            self.__dict__.update(self._learned([run.params for run in runs]))
        self.run_, self.n_iter_ = runs[0].record(), max(run.n_iter for run in runs)
        return self

    def transform(self, R: Any) -> FloatArray:
        """Factors of rows (new ones, or the training rows again) given the fitted columns.

        Returns
        -------
        ndarray, shape (n_rows, rank * n_starts)
        """
        check_is_fitted(self)
        return self._place(self._observe(R, reset=False))[0]

    def _checked_options(self) -> LeastSquaresOptions:
        options = LeastSquaresOptions() if self.options is None else self.options
        if not isinstance(options, LeastSquaresOptions):
            raise TypeError(f"options must be a LeastSquaresOptions or None; got {type(options).__name__}")
        if isinstance(self.penalty, str) and self.penalty != "auto":
            raise ValueError(f"penalty must be 'auto' or a finite number of at least 0; got {self.penalty!r}")
        numbers = ("bias_penalty", "alpha") if isinstance(self.penalty, str) else ("penalty", "bias_penalty", "alpha")
        for name in numbers:
            at_least(name, getattr(self, name), 0.0)
        at_least("n_starts", self.n_starts, 1, whole=True)
        at_least("max_iter", options.max_iter, 1, whole=True)
        if options.tol is not None:
            at_least("tol", options.tol, 0.0)
        one_of("solver", options.solver, ("auto", "cholesky", "cg"))
        one_of("precision", options.precision, (None, "float32", "float64"))
        return options

    def _search(self, observed: Observed, rng: np.random.Generator) -> RankSearch:
        """Judge ranks by fits of one start each, all of the same seed."""
        search, start = rng.spawn(2)
        seed = int(start.integers(2**31))

        def fitted(rank: int, table: Observed) -> AlternatingLeastSquares:
            candidate = clone(self).set_params(rank=rank, n_starts=1, random_state=seed)
            if hasattr(candidate, "_skl_callbacks"):
                candidate.set_callbacks()
            return candidate.fit(table)

        return automatic_rank(observed, fitted, search, self.engine)

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

    def _run(
        self, sweep: AlternatingRidge, start: Coefficients, options: LeastSquaresOptions, watch: FitWatch | None
    ) -> Run:
        stops: list[Any] = [] if options.tol is None else [SmallFall(options.tol)]
        stops += [watch.stop] if watch else []
        run = loop(sweep, start, stops, max_iter=options.max_iter, watchers=[watch] if watch else [])
        if run.reason == "not_finite" or (options.tol is not None and run.reason == "max_iter"):
            warnings.warn(
                f"AlternatingLeastSquares ended after {run.n_iter} epochs with reason '{run.reason}'; "
                "raise max_iter or tol, or scale the values",
                ConvergenceWarning, stacklevel=4,
            )  # fmt: skip
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
