"""Bayesian matrix factorisation by Gibbs sampling: the most accurate plain factorisation, with predictive intervals."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from halfseen._typing import FloatArray, IntArray, RandomState, as_generator
from halfseen.base import PlacesRows
from halfseen.biased import BiasedPredictions
from halfseen.data import Observed
from halfseen.data.spread import weighted_spread
from halfseen.engines import Engine, EntryPasses
from halfseen.losses import get_loss
from halfseen.methods.completion.gibbs import GibbsState, GibbsSweep, NormalWishart
from halfseen.methods.completion.logit_gibbs import LogitSweep, base_rate, check_answers, linearised, log_odds, probable
from halfseen.methods.completion.posterior import Collector
from halfseen.parameters import (
    CLIP,
    ENGINE,
    PRECISION,
    RANDOM_STATE,
    RANK,
    BadArgument,
    Number,
    Table,
    Whole,
    Word,
)
from halfseen.select.automatic_rank import RankSearch, settled_rank
from halfseen.solvers.alternating import AlternatingRidge, Penalty, powers, weighted_counts
from halfseen.solvers.loop import Run, Sweep, Watcher, loop
from halfseen.solvers.watch import CallbackSupport, FitWatch

if TYPE_CHECKING:
    from halfseen.methods.completion.posterior_intervals import PosteriorInference

CONSTANT = 1e-6  # what is taken for the spread of a constant table, as a share of its size
START_SCALE, START_PENALTY = 0.1, 0.05  # of the ALS-WR iterations before the chain, in the unit of the values
MEBIBYTE, AUTO_MEMORY = 1 << 20, 64.0


class BayesianFactorization(CallbackSupport, PlacesRows, BiasedPredictions):
    r"""Matrix factorisation with biases, averaged over its posterior distribution by Gibbs sampling.

    .. math::

        r_{ij} \sim N(\mu + b_i + d_j + \langle x_i, y_j\rangle,\ (\tau w_{ij})^{-1}),\quad
        (x_i, b_i) \sim N(m, \Lambda^{-1}),\quad (m, \Lambda) \sim \mathrm{NW},\quad \tau \sim \mathrm{Gamma}

    and the same for the columns :math:`(y_j, d_j)` with hyperparameters of their own; with ``family="bernoulli"``
    yes/no answers (1 and 0) of log odds :math:`\mu + b_i + d_j + \langle x_i, y_j\rangle`. Nothing is tuned: penalties
    are drawn with everything else, and predictions are means over the draws.

    Parameters
    ----------
    rank : int or "auto"
        Number of factors, cut to the shorter side of the table. 0 fits biases alone. "auto" takes the rank that
        predicts held-out entries best.
    family : {"gaussian", "bernoulli"}
        Real values, or yes/no answers.
    max_iter : int
        Sweeps (columns, then rows, each drawn given the other) after the burn-in; means are over their draws.
    burn_in : int
        Sweeps before.
    clip : None, "range" or (low, high)
        Keep mean predictions (and intervals) inside the range of the training values, or inside given bounds.
    random_state : int, Generator or None
    engine : {"serial", "threads"}, Engine or None
        Where row blocks are computed; without influence on the result.
    start_iter : int
        Iterations of alternating least squares (penalty per entry, "ALS-WR") before the chain.
    memory : "auto" or float
        MiB that the kept draws may take; "auto" is 64, or twice the size of the entries where that is more. If the
        draws of all sweeps do not fit, every second, third, ... is kept.
    precision : None, "float32" or "float64"
        Arithmetic of the draws; None is that of the data. Hyperparameters are always drawn in float64.

    Attributes
    ----------
    mean_ : float
    row_factors_, col_factors_ : ndarray (n, rank), (p, rank)
        Posterior means in one frame: a summary. The mean of products is not the product of means; `predict` takes the
        former, from the draws.
    row_bias_, col_bias_ : ndarray (n,), (p,)
        Posterior means.
    noise_sd_ : float
        Posterior root mean square of the noise of an entry; of yes/no answers there is none.
    draws_ : PosteriorDraws
        What was kept of the chain.
    rank_ : int
        As used.
    rank_search_ : RankSearch or None
        What ``rank="auto"`` tried.
    run_ : Run
        Reason, sweeps, and the mean squared residual (log loss) of every sweep.
    n_iter_ : int

    Raises
    ------
    BadArgument
        A ValueError, for parameters outside their range, and a memory budget that does not hold two draws.
    ValueError
        For answers other than 0 and 1, or with weights, under ``family="bernoulli"``.

    Notes
    -----
    ``start_iter``, ``memory`` and ``precision`` are rarely needed.

    Time per sweep as an iteration of alternating least squares: O(E k^2 + (n + p) k^3) with k = rank + 1; memory beyond
    two views of the entries O((n + p) k), and the draws. Predictions take time in proportion to the number of draws.

    Hyperprior: mean 0, :math:`\beta_0 = 1`, :math:`\nu_0 = k`, :math:`W_0 = I` for values of standard deviation 1, in
    their unit otherwise: predictions follow a change of unit (the unit of log odds is 1). Yes/no answers become
    Gaussian by one Pólya-Gamma weight per entry and sweep; ``kind="linear"`` of their predictions is the log odds of
    the posterior mean probability. Rows without entries are drawn from the prior. The
    noise vectors are drawn for all rows at once, in their order, so the bits do not depend on threads.

    Sources: Salakhutdinov & Mnih (2008) for the model; Rendle, Zhang & Koren (2019) for how well it does; Polson, Scott
    & Windle (2013) for the weights.

    Examples
    --------
    >>> import numpy as np
    >>> import halfseen as hs
    >>> rng = np.random.default_rng(0)
    >>> truth = np.add.outer(rng.normal(size=60), rng.normal(size=40)) + np.outer(rng.normal(size=60), np.ones(40))
    >>> table = truth + 0.3 * rng.normal(size=truth.shape)
    >>> seen = np.where(rng.random(table.shape) < 0.5, table, np.nan)
    >>> model = hs.BayesianFactorization(rank=2, max_iter=60, random_state=0).fit(seen)
    >>> hidden = np.nonzero(np.isnan(seen))
    >>> answers = model.inference(level=0.9).responses(*hidden)
    >>> bool(0.87 < np.mean((answers.low < table[hidden]) & (table[hidden] < answers.high)) < 0.93)
    True
    """

    rank_search_: RankSearch | None

    _summary: ClassVar[str] = "halfseen.methods.completion.summary:bayesian"
    _parameters: ClassVar[Table] = {
        "rank": RANK,
        "family": Word("gaussian", "bernoulli"),
        "max_iter": Whole(2),
        "burn_in": Whole(0),
        "clip": CLIP,
        "random_state": RANDOM_STATE,
        "engine": ENGINE,
        "start_iter": Whole(0),
        "memory": Word("auto") | Number(0),
        "precision": PRECISION,
    }

    def __init__(
        self,
        rank: int | str = 16,
        family: str = "gaussian",
        *,
        max_iter: int = 200,
        burn_in: int = 20,
        clip: str | tuple[float, float] | None = None,
        random_state: RandomState = None,
        engine: str | Engine | None = None,
        start_iter: int = 5,
        memory: str | float = "auto",
        precision: str | None = None,
    ) -> None:
        self.rank = rank
        self.family = family
        self.max_iter = max_iter
        self.burn_in = burn_in
        self.clip = clip
        self.random_state = random_state
        self.engine = engine
        self.start_iter = start_iter
        self.memory = memory
        self.precision = precision

    def fit(self, R: Any, y: None = None) -> Self:
        """Fit to the observed entries of a table (NaN array, sparse, data frame or `Observed`)."""
        settings = self._checked()
        self.__dict__.pop("draws_", None)  # of an earlier fit: callbacks look at this one's state
        observed = self._observe_family(R, settings)
        seed = as_generator(settings.random_state)
        self.rank_, self.rank_search_ = settled_rank(self, observed, seed, rule="tie")
        start_rng, rng = seed.spawn(2)
        thin = self._thinning(observed, settings)
        passes = EntryPasses(observed, get_loss("gaussian"), settings.engine)
        spread = weighted_spread(observed, self.mean_) if settings.family == "gaussian" else 1.0
        if settings.family == "gaussian" and np.ptp(observed.values) == 0:
            spread *= CONSTANT  # values that do not differ say that nothing does
        start = self._start(passes, spread, settings, start_rng)
        collector = Collector(settings.burn_in, settings.max_iter, thin)
        total = settings.burn_in + settings.max_iter
        with self._watched(observed, total, lambda state: self._of_state(state)) as watch:
            run = self._sample(self._sweep(passes, spread, rng), start, collector, watch)
            self.__dict__.update(self._learned(collector))
        self.run_, self.n_iter_ = run.record(), run.n_iter
        return self

    def transform(self, R: Any) -> FloatArray:
        """Posterior mean factors of rows (new ones, or the training rows again) given the columns, (n_rows, rank)."""
        check_is_fitted(self)
        return self._placed(self._observe(R, reset=False)).mean(axis=1)[:, :-1]

    def inference(self, level: float = 0.95, *, random_state: Any = 0, draws: int = 1000) -> PosteriorInference:
        """Credible intervals of expected values, predictive intervals of single values, scores and ranks.

        Parameters
        ----------
        level : float
            Probability of each interval.
        random_state : int, Generator or None
            Of the draws behind bands.
        draws : int
            How many of these.

        Returns
        -------
        PosteriorInference
        """
        from halfseen.methods.completion.posterior_intervals import PosteriorInference

        check_is_fitted(self)
        return PosteriorInference(self, level, draws, random_state)

    def _observe_family(self, R: Any, settings: SimpleNamespace) -> Observed:
        """The table; mean and loss are those of the family."""
        observed = self._begin(R, settings.clip, settings.precision)
        if settings.family == "bernoulli":
            check_answers(observed, settings.clip)
            self.loss_, self.mean_ = get_loss("bernoulli"), base_rate(observed.values)
        return observed

    def _thinning(self, observed: Observed, settings: SimpleNamespace) -> int:
        """Every how many sweeps a draw is kept, so that all fit into the budget."""
        of_one_draw = sum(observed.shape) * (self.rank_ + 1) * observed.dtype.itemsize
        memory = settings.memory
        if isinstance(memory, str):
            entries = observed.by_rows
            size = 2 * (entries.indices.nbytes + entries.values.nbytes) / MEBIBYTE
            memory = max(AUTO_MEMORY, size, 2 * of_one_draw / MEBIBYTE)
        fitting = int(memory * MEBIBYTE // of_one_draw)
        if fitting < 2:
            raise BadArgument(
                "memory", settings.memory,
                f"at least {np.ceil(2 * of_one_draw / MEBIBYTE):g} (MiB), for two draws of rank {self.rank_} of "
                f"{observed.shape[0]} rows and {observed.shape[1]} columns", "Or lower the rank.",
            )  # fmt: skip
        return -(-settings.max_iter // min(fitting, settings.max_iter))

    def _start(
        self, passes: EntryPasses, spread: float, settings: SimpleNamespace, rng: np.random.Generator
    ) -> GibbsState:
        """A few iterations of least squares with a penalty per entry, from small random rows."""
        passes = passes if settings.family == "gaussian" else linearised(passes)
        observed, k = passes.observed, self.rank_
        (n, p), dtype = observed.shape, observed.dtype
        rows, cols = np.zeros((n, k + 1), dtype), np.zeros((p, k + 1), dtype)
        rows[:, :k] = START_SCALE * spread**0.5 * rng.standard_normal((n, k))
        ridge = np.append(np.full(k, START_PENALTY * spread), START_PENALTY)
        by_row, by_col = (Penalty(ridge, powers(weighted_counts(observed, axis), 1.0)) for axis in (0, 1))
        sweep = AlternatingRidge(passes, self.mean_, by_row, by_col, "cholesky")
        rows, cols = loop(sweep, (rows, cols), max_iter=settings.start_iter).params
        return GibbsState(rows, cols, 1.0 / spread**2)

    def _sweep(self, passes: EntryPasses, spread: float, rng: np.random.Generator) -> Sweep:
        observed, k = passes.observed, self.rank_
        counts = tuple(weighted_counts(observed, axis) for axis in (0, 1))
        weights = observed.weights
        n_entries = observed.n_entries if weights is None else int(np.count_nonzero(weights))
        # factors have the unit of the root of the values, biases that of the values
        hyperprior = NormalWishart(np.append(np.full(k, spread), spread**2), 1.0, float(k + 1))
        seen = counts[0] > 0, counts[1] > 0
        gaussian = GibbsSweep(passes, self.mean_, hyperprior, 1.0, 0.01 * spread**2, seen, n_entries, rng)
        return gaussian if self.family == "gaussian" else LogitSweep(gaussian, self.loss_)

    def _sample(self, sweep: Sweep, start: GibbsState, collector: Collector, watch: FitWatch | None) -> Run:
        watchers: list[Watcher] = [collector, watch] if watch else [collector]
        stops = [watch.stop] if watch else []
        run = loop(sweep, start, stops, max_iter=self.burn_in + self.max_iter, watchers=watchers)
        if len(collector) < 2:
            raise ValueError(
                f"the chain ended after {run.n_iter} sweeps ('{run.reason}') with {len(collector)} draws, too few for "
                "a posterior; scale the values, or let the callbacks wait for the burn-in"
            )
        if run.reason == "not_finite":
            self._warn(
                f"BayesianFactorization ended after {run.n_iter} sweeps with numbers beyond the range of "
                f"{start.rows.dtype}; the draws before are kept. Scale the values, or use precision='float64'",
                ConvergenceWarning,
            )
        return replace(run, reason="sampled", converged=True) if run.reason == "max_iter" else run

    def _learned(self, collector: Collector) -> dict[str, Any]:
        draws = collector.draws()
        rows, cols = draws.rows.mean(axis=1), draws.cols.mean(axis=1)
        noise = {"noise_sd_": float(np.sqrt(np.mean(1.0 / draws.noise)))} if self.family == "gaussian" else {}
        return {**self._of_state(GibbsState(rows, cols, 1.0)), **noise, "draws_": draws}

    def _of_state(self, state: GibbsState) -> dict[str, Any]:
        return {
            "row_factors_": state.rows[:, :-1],
            "col_factors_": state.cols[:, :-1],
            "row_bias_": state.rows[:, -1],
            "col_bias_": state.cols[:, -1],
        }

    def _linear_pairs(self, rows: IntArray, cols: IntArray) -> FloatArray:
        if not hasattr(self, "draws_"):  # seen by a callback while the chain runs: the last state
            return super()._linear_pairs(rows, cols)
        if self.family == "bernoulli":
            return log_odds(self.draws_.averaged(rows, cols, self._probable), self.draws_.rows.dtype)
        return self.draws_.moments(rows, cols)[0] + self.draws_.rows.dtype.type(self.mean_)

    def _linear_block(self, rows: IntArray, cols: IntArray) -> FloatArray:
        return self._block(self.draws_.rows[rows], cols)

    def _linear_rows(self, observed: Observed) -> FloatArray:
        return self._block(self._placed(observed), np.arange(self.observed_shape_[1]))

    def _probable(self, linear: FloatArray) -> FloatArray:
        return probable(linear, self.mean_)

    def _block(self, rows: FloatArray, cols: IntArray) -> FloatArray:
        if self.family == "bernoulli":
            return log_odds(self.draws_.averaged_block(rows, cols, self._probable), rows.dtype)
        table = self.draws_.block(rows, cols)
        table += table.dtype.type(self.mean_)
        return table

    def _placed(self, observed: Observed, rng: np.random.Generator | None = None) -> FloatArray:
        passes = EntryPasses(observed.astype(self.draws_.rows.dtype), self.loss_, self.engine)
        return self.draws_.place(passes, self.mean_, rng)

    def _drawn(
        self, observed: Observed, rows: IntArray, cols: IntArray, n_draws: int, rng: np.random.Generator
    ) -> FloatArray:
        """Responses at cells in draws far apart along the chain: each table is one draw of everything."""
        draws, kept = self.draws_, len(self.draws_)
        placed = draws.rows if self._is_of_fit(observed) else self._placed(observed, rng)
        apart = np.linspace(kept - 1, 0, n_draws).round().astype(int)
        chosen = apart if n_draws <= kept else rng.integers(kept, size=n_draws)
        responses = np.empty((n_draws, len(rows)), draws.rows.dtype)
        for line, s in zip(responses, chosen, strict=True):
            linear = draws.predictors(s, placed[:, s], rows, cols) + self.mean_
            line[:] = self._bounded(self.loss_.sample(linear, rng, 1.0 / float(draws.noise[s])))
        return responses

    @property
    def _n_features_out(self) -> int:
        return self.rank_
