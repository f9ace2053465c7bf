"""Bayesian matrix factorisation by Gibbs sampling: the most accurate plain factorisation, with predictive intervals."""

from __future__ import annotations

from collections.abc import Sized
from copy import copy
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from halfseen._typing import FloatArray, IntArray, RandomState, as_generator
from halfseen.base import PlacesRows
from halfseen.biased import BiasedPredictions
from halfseen.data import Observed, PreparedTable
from halfseen.data.features import FeatureCode, as_side_features
from halfseen.data.outgoing import fingerprint
from halfseen.engines import Engine, EntryPasses
from halfseen.inference.extremes import tell_extremes
from halfseen.losses import get_loss
from halfseen.methods.completion.convergence import potential_scale_reduction, tell_of_chains
from halfseen.methods.completion.gibbs import GibbsState
from halfseen.methods.completion.implicit import ImplicitChoice, settled_implicit
from halfseen.methods.completion.known_features import (
    features_of_new,
    implicit_features,
    learned_features,
    nothing_seen,
    usual_features,
)
from halfseen.methods.completion.logit_gibbs import base_rate, check_answers, log_odds, probable
from halfseen.methods.completion.posterior import Collector, RowPosteriors
from halfseen.methods.completion.sampler import IMPLICIT, Choices, Sampler
from halfseen.parameters import (
    CLIP,
    ENGINE,
    PRECISION,
    RANDOM_STATE,
    RANK,
    BadArgument,
    Nothing,
    Number,
    Table,
    Whole,
    Word,
)
from halfseen.select.automatic_rank import RankSearch, settled_rank
from halfseen.solvers.checkpoint import resumable
from halfseen.solvers.loop import Run, Sweep, Watcher, loop
from halfseen.solvers.watch import CallbackSupport, FitWatch

if TYPE_CHECKING:
    from halfseen.methods.completion.posterior_intervals import PosteriorInference

# The rank where none is given, and from how many entries on twice as many factors are worth their time.
RANK_OF_MOST, MANY_ENTRIES = 16, 500_000
# Entries per row from which rows have noise of their own. Measured: on ratings of magazines, 1.2 per person, it costs
# .006 of RMSE in standard deviations; with 20 to 100 per row it takes .005 off, or changes nothing.
ROW_NOISE_FROM = 10
# What the mean over the draws is not known to costs: MovieLens-1M, .8186 with 30 draws kept, .8171 with 200.
MEBIBYTE, AUTO_MEMORY = 1 << 20, 256.0


class BayesianFactorization(CallbackSupport, PlacesRows, BiasedPredictions):
    r"""Matrix factorisation with biases, averaged over its posterior distribution by Gibbs sampling.

    .. math::

        r_{ij} \sim N(\mu + b_i + d_j + \langle x_i, y_j\rangle,\ (\tau\alpha_i w_{ij})^{-1}),\quad
        (x_i, b_i) \sim N(m + \textstyle\sum_f a_{if} w_f, \Lambda^{-1}),\quad (m, \Lambda) \sim \mathrm{NW},\quad
        \tau, \alpha_i \sim \mathrm{Gamma}

    with features :math:`a_i` of the rows: which other columns they have entries with, and what else is known of them.
    Their effects :math:`w_f` are normal, one distribution for each kind. The same holds for the columns
    :math:`(y_j, d_j)` with hyperparameters of their own, but for the noise; with ``family="bernoulli"``
    yes/no answers (1 and 0) of log odds :math:`\mu + b_i + d_j + \langle x_i, y_j\rangle`. Nothing is tuned: penalties
    are drawn with everything else, and predictions are means over the draws.

    Parameters
    ----------
    rank : int, "auto" or None
        Number of factors, cut to the shorter side of the table. 0 fits biases alone. None takes 16, and 32 from 500,000
        entries on; "auto" the rank that predicts held-out entries best.
    family : {"gaussian", "bernoulli"}
        Real values, or yes/no answers.
    implicit : {"auto", "both", "rows", "cols", "none"}
        Whether which cells were seen counts as features of rows (the columns they have), of columns (the rows they
        have), of both or of neither. "auto" takes both where held-out entries are predicted better for it.
    noise : {"auto", "row", "equal"}
        Noise of its own for each row, or one for all. "auto" is "row" where rows have ten entries and more on average:
        of fewer, one that does not fit cannot be told from a noisy row.
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
        MiB that the kept draws may take; "auto" is 256, or twice the size of the entries where that is more. If the
        draws of all sweeps do not fit, every second, third, ... is kept.
    precision : None, "float32" or "float64"
        Arithmetic of the draws; None is that of the data. Hyperparameters are always drawn in float64.
    feature_draws : {"each", "twice", "joint"}
        Effects of features are drawn one after the other given the rows; and then again given the entries, rows moving
        along (twice the time, predictions a little better); or all at once given the rows, by conjugate gradients.
    n_chains : int
        Chains from different starts, each of so many sweeps, their draws taken together; from two on `r_hat_` says
        whether they agree.

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
    row_noise_sd_ : ndarray (n,)
        The same of each row's entries, where rows have noise of their own.
    implicit_ : {"both", "rows", "cols", "none"}
        As used.
    implicit_choice_ : ImplicitChoice or None
        What ``implicit="auto"`` saw on held-out entries.
    row_code_, col_code_ : FeatureCode or None
        How features became numbers.
    linking_ : Linking or None
        Groups of rows and columns that share nothing; None where everything hangs together.
    r_hat_ : ndarray (n_cells,) or None
        Of several chains: potential scale reduction of expected values at randomly chosen cells.
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
        For features that are the table's own values, that miss or do not fit the table.
        For answers other than 0 and 1, or with weights, under ``family="bernoulli"``.

    Notes
    -----
    ``start_iter``, ``memory``, ``precision``, ``feature_draws`` and ``n_chains`` are rarely needed.

    Time per sweep as an iteration of alternating least squares: O(E k^2 + (n + p) k^3) with k = rank + 1, and O(k) per
    stored feature (implicit ones: 2 E); memory beyond two views of the entries O((n + p) k), and the draws
    (``feature_draws="twice"``: O((n + p) k^2)). Predictions take time in proportion to the number of draws.

    Hyperprior: mean 0, :math:`\beta_0 = 1`, :math:`\nu_0 = k`, :math:`W_0 = I` for values of standard deviation 1, in
    their unit otherwise: predictions follow a change of unit (the unit of log odds is 1). Yes/no answers become
    Gaussian by one Pólya-Gamma weight per entry and sweep; ``kind="linear"`` of their predictions is the log odds of
    the posterior mean probability. Rows without entries are drawn from the prior, around what their features say. An
    implicit feature counts sqrt(n_i) / (n_i + 10) for a row of n_i entries (a new row is taken to be like those of the
    fit as far as it is not known), and :math:`\alpha_i \sim G(\nu/2, \nu/2)` with
    a :math:`\nu` that is drawn too (4 to 2000). The
    noise vectors are drawn for all rows at once, in their order, so the bits do not depend on threads.

    Sources: Salakhutdinov & Mnih (2008) for the model; Koren (2008) for implicit features, here of both sides and as
    prior means; Rendle, Zhang & Koren (2019) for how well it does; Polson, Scott
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
    implicit_choice_: ImplicitChoice | None
    row_code_: FeatureCode | None
    col_code_: FeatureCode | None
    r_hat_: FloatArray | None

    _summary: ClassVar[str] = "halfseen.methods.completion.summary:bayesian"
    _parameters: ClassVar[Table] = {
        "rank": RANK | Nothing(),
        "family": Word("gaussian", "bernoulli"),
        "implicit": Word("auto", *IMPLICIT),
        "noise": Word("auto", "row", "equal"),
        "max_iter": Whole(2),
        "burn_in": Whole(0),
        "clip": CLIP,
        "random_state": RANDOM_STATE,
        "engine": ENGINE,
        "start_iter": Whole(0),
        "memory": Word("auto") | Number(0),
        "precision": PRECISION,
        "feature_draws": Word("each", "twice", "joint"),
        "n_chains": Whole(1),
    }

    def __init__(
        self,
        rank: int | str | None = None,
        family: str = "gaussian",
        *,
        implicit: str = "auto",
        noise: str = "auto",
        max_iter: int = 200,
        burn_in: int = 20,
        clip: str | tuple[float, float] | None = None,
        random_state: RandomState = None,
        engine: str | Engine | None = None,
        start_iter: int = 5,
        memory: str | float = "auto",
        precision: str | None = None,
        feature_draws: str = "each",
        n_chains: int = 1,
    ) -> None:
        self.rank = rank
        self.family = family
        self.implicit = implicit
        self.noise = noise
        self.max_iter = max_iter
        self.burn_in = burn_in
        self.clip = clip
        self.random_state = random_state
        self.engine = engine
        self.start_iter = start_iter
        self.memory = memory
        self.precision = precision
        self.feature_draws = feature_draws
        self.n_chains = n_chains

    @resumable
    def fit(self, R: Any, y: None = None, *, row_features: Any = None, col_features: Any = None) -> Self:
        """Fit to the observed entries of a table (NaN array, sparse, data frame or `Observed`).

        Parameters
        ----------
        R : table
        row_features, col_features : array, scipy.sparse, data frame or SideFeatures, optional
            A line for each row (column) of the table: in its order, or found by label.

        Notes
        -----
        A prepared table (:func:`halfseen.prepare`) is sampled block by block, with one noise for all rows and without
        features: draws of the columns are kept, rows are drawn given each of them where they are asked for.
        """
        settings = self._checked()
        if isinstance(R, PreparedTable):
            from halfseen.methods.completion.posterior_blocks import fit_blocks

            return fit_blocks(self, R, settings, (row_features, col_features))
        self.__dict__.pop("draws_", None)  # of an earlier fit: callbacks look at this one's state
        observed = self._observe_family(R, settings)
        sampler = self._sampler(observed, settings, (row_features, col_features))
        seed = as_generator(settings.random_state)
        self.rank_, self.rank_search_ = self._settled_rank(observed, seed)
        start_rng, rng = seed.spawn(2)
        choices = self._choices(sampler, settings, seed)
        self._usual = usual_features(observed) if self.implicit_ in ("both", "rows") else None
        thin = self._thinning(observed, settings)
        collector = Collector(settings.burn_in, settings.max_iter, thin, settings.n_chains)
        total = (settings.burn_in + settings.max_iter) * settings.n_chains
        with self._watched(observed, total, lambda state: self._of_state(state)) as watch:
            chains = [(start_rng, rng), *(seed.spawn(2) for _ in range(settings.n_chains - 1))]
            runs = [self._sample(*sampler.chain(choices, *streams), collector, watch) for streams in chains]
            self.__dict__.update(self._learned(collector, observed))
        self.run_, self.n_iter_ = runs[0].record(), runs[0].n_iter
        self.r_hat_ = potential_scale_reduction(self.draws_, settings.n_chains)
        tell_of_chains(self)
        if settings.family == "gaussian":
            tell_extremes(self, observed, self.row_factors_, self.col_factors_)
        return self

    def predict(self, rows: Any, cols: Any = None, kind: str = "mean", *, row_features: Any = None) -> FloatArray:
        """Predict entries, elementwise pairs ``(rows[t], cols[t])``, or complete a table.

        Parameters
        ----------
        rows : sequence of n labels (positions where the training rows had none), or a table, or None
            A table (without ``cols``) is one of new rows over the fitted columns: each is placed by what was seen of
            it, and by its features. None: new rows of which only the features are known.
        cols : sequence of n labels (or positions), or one for all rows; optional
        kind : {"mean", "linear"}
        row_features : as in :meth:`fit`, optional
            Of new rows; without them features are taken to be as on average.

        Returns
        -------
        ndarray, shape (n,) for pairs, (n_rows, n_cols) for a table
        """
        if cols is not None or row_features is None:
            return super().predict(rows, cols, kind)
        check_is_fitted(self)
        placed = self._placed(self._new_rows(rows, row_features), row_features)
        return self._response(self._block(placed.coefficients, np.arange(self.observed_shape_[1])), kind)

    def transform(self, R: Any, row_features: Any = None) -> FloatArray:
        """Posterior mean factors of rows (new ones, or the training rows again) given the columns, (n_rows, rank)."""
        check_is_fitted(self)
        return self._placed(self._observe(R, reset=False), row_features).coefficients.mean(axis=1)[:, :-1]

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

    def _sampler(self, observed: Observed, settings: SimpleNamespace, features: tuple[Any, Any]) -> Sampler:
        """The table and the features of its sides; learns how these are encoded on the way."""
        (self.row_code_, F), (self.col_code_, G) = (
            learned_features(given, observed, axis, self) for axis, given in enumerate(features)
        )
        return Sampler(observed, self.loss_, float(self.mean_), settings.engine, (F, G))

    def _settled_rank(self, observed: Observed, rng: np.random.Generator) -> tuple[int, RankSearch | None]:
        if self.rank is None:
            return min(self._usual_rank(observed.n_entries), *observed.shape), None
        plain: dict[str, Any] = {"implicit": "none" if self.implicit == "auto" else self.implicit, "n_chains": 1}
        return settled_rank(self, observed, rng, rule="tie", **plain)

    @staticmethod
    def _usual_rank(n_entries: int) -> int:
        return RANK_OF_MOST if n_entries < MANY_ENTRIES else 2 * RANK_OF_MOST

    def _choices(self, sampler: Sampler, settings: SimpleNamespace, rng: np.random.Generator) -> Choices:
        """What is drawn; ``implicit="auto"`` is settled."""
        seen = max(int(np.count_nonzero(sampler.observed.by_rows.counts)), 1)
        is_told = sampler.observed.n_entries >= ROW_NOISE_FROM * seen
        has_row_noise = settings.family == "gaussian" and (
            settings.noise == "row" or (settings.noise == "auto" and is_told)
        )
        self.implicit_, self.implicit_choice_ = settings.implicit, None
        choices = Choices(self.rank_, settings.implicit, has_row_noise, settings.feature_draws, settings.start_iter)
        if settings.implicit == "auto":
            self.implicit_choice_ = settled_implicit(sampler, choices, rng.spawn(1)[0])
            self.implicit_ = self.implicit_choice_.implicit
        return replace(choices, implicit=self.implicit_)

    def _thinning(self, observed: Observed, settings: SimpleNamespace) -> int:
        """Every how many sweeps a draw is kept, so that all fit into the budget."""
        k, n_chains = self.rank_ + 1, settings.n_chains
        of_one_draw = sum(observed.shape) * k * observed.dtype.itemsize
        if self.implicit_ in ("both", "rows"):
            of_one_draw += observed.shape[1] * k * 4
        if self.row_code_ is not None:
            of_one_draw += self.row_code_.n_columns * k * 4
        memory = settings.memory
        if isinstance(memory, str):
            entries = observed.by_rows
            size = 2 * (entries.indices.nbytes + entries.values.nbytes) / MEBIBYTE
            memory = max(AUTO_MEMORY, size, 2 * n_chains * of_one_draw / MEBIBYTE)
        fitting = int(memory * MEBIBYTE // of_one_draw)
        if fitting < 2:
            raise BadArgument(
                "memory", settings.memory,
                f"at least {np.ceil(2 * of_one_draw / MEBIBYTE):g} (MiB), for two draws of rank {self.rank_} of "
                f"{observed.shape[0]} rows and {observed.shape[1]} columns", "Or lower the rank.",
            )  # fmt: skip
        return -(-settings.max_iter // min(max(fitting // n_chains, 1), settings.max_iter))

    def _sample(self, sweep: Sweep, start: GibbsState, collector: Collector, watch: FitWatch | None) -> Run:
        watchers: list[Watcher] = [collector, watch] if watch else [collector]
        stops = [watch.stop] if watch else []
        run = loop(sweep, start, stops, max_iter=self.burn_in + self.max_iter, watchers=watchers)
        return self._checked_run(run, collector, start.rows.dtype)

    def _checked_run(self, run: Run, collector: Sized, dtype: np.dtype) -> Run:
        """A chain that has draws enough; what went wrong is said."""
        if len(collector) < 2:
            raise ValueError(
                f"the chain ended after {run.n_iter} sweeps ('{run.reason}') with {len(collector)} draws, too few for "
                "a posterior; scale the values, or let the callbacks wait for the burn-in"
            )
        if run.reason == "not_finite":
            self._warn(
                f"BayesianFactorization ended after {run.n_iter} sweeps with numbers beyond the range of "
                f"{dtype}; the draws before are kept. Scale the values, or use precision='float64'",
                ConvergenceWarning,
            )
        return replace(run, reason="sampled", converged=True) if run.reason == "max_iter" else run

    def _learned(self, collector: Collector, observed: Observed) -> dict[str, Any]:
        draws = collector.draws()
        rows, cols = draws.rows.mean(axis=1), draws.cols.mean(axis=1)
        noise: dict[str, Any] = {}
        if self.family == "gaussian":
            variances = draws.noise_variances(np.arange(len(rows)))
            is_equal = draws.row_weights is None
            total = np.mean(1.0 / draws.noise) if is_equal else np.average(variances, weights=observed.by_rows.counts)
            noise = {"noise_sd_": float(np.sqrt(total))}
            noise |= {} if is_equal else {"row_noise_sd_": np.sqrt(variances)}
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
        return self._block(self._placed(observed).coefficients, np.arange(self.observed_shape_[1]))

    def _probable(self, linear: FloatArray) -> FloatArray:
        return probable(linear, self.mean_)

    def _block(self, rows: FloatArray, cols: IntArray) -> FloatArray:
        if self.family == "bernoulli":
            return log_odds(self.draws_.averaged_block(rows, cols, self._probable), rows.dtype)
        table = self.draws_.block(rows, cols)
        table += table.dtype.type(self.mean_)
        return table

    def _placed(
        self, observed: Observed, row_features: Any = None, rng: np.random.Generator | None = None
    ) -> RowPosteriors:
        """New rows under every draw, by their entries and their features."""
        passes = EntryPasses(observed.astype(self.draws_.rows.dtype), self.loss_, self.engine)
        return self.draws_.place(passes, self.mean_, self._features_of(observed, row_features), rng)

    def _with_rows(self, R: Any, row_features: Any, rng: np.random.Generator) -> Self:
        """A model of new rows in the place of the fitted ones, each drawn given every draw of the columns."""
        observed = self._new_rows(R, row_features)
        placed = self._placed(observed, row_features, rng)
        other = copy(self)
        other.draws_ = self.draws_.with_rows(placed)
        other.observed_shape_, other.row_labels_ = observed.shape, observed.row_labels
        other.fingerprint_ = fingerprint(observed)
        return other

    def _new_rows(self, R: Any, row_features: Any) -> Observed:
        """The table of new rows; without one, as many rows without entries as there are lines of features."""
        if R is not None or row_features is None:
            return self._observe(R, reset=False)
        side = as_side_features(row_features, "row_features", may_miss=True)
        return nothing_seen((side.n, self.observed_shape_[1]), side.labels, self.col_labels_, self.draws_.rows.dtype)

    def _features_of(self, observed: Observed, row_features: Any) -> list[Any]:
        """Features of new rows, group by group."""
        groups: list[Any] = []
        if self._usual is not None:
            groups.append(implicit_features(observed, self._usual))
        if self.row_code_ is None and row_features is not None:
            raise ValueError(
                "row_features are of no use: the model was fitted without; leave them out, or fit with them"
            )
        if self.row_code_ is not None:
            matrix, filled = features_of_new(self.row_code_, row_features, observed.shape[0], observed.row_labels)
            if filled:
                self._warn(f"row_features: {'; '.join(filled)}: taken as on average over the rows of the fit")
            groups.append(matrix)
        return groups

    def _drawn(
        self, observed: Observed, rows: IntArray, cols: IntArray, n_draws: int, rng: np.random.Generator,
        row_features: Any = None,
    ) -> FloatArray:  # fmt: skip
        """Responses at cells in draws far apart along the chain: each table is one draw of everything."""
        draws, kept = self.draws_, len(self.draws_)
        own = RowPosteriors(draws.rows, draws.row_weights)
        placed = own if self._is_of_fit(observed) else self._placed(observed, row_features, rng)
        apart = np.linspace(kept - 1, 0, n_draws).round().astype(int)
        chosen = apart if n_draws <= kept else rng.integers(kept, size=n_draws)
        responses = np.empty((n_draws, len(rows)), draws.rows.dtype)
        for line, s in zip(responses, chosen, strict=True):
            linear = draws.predictors(s, placed.coefficients[:, s], rows, cols) + self.mean_
            variance = 1.0 / float(draws.noise[s])
            spread: Any = variance if placed.weights is None else variance / placed.weights[rows, s]
            line[:] = self._bounded(self.loss_.sample(linear, rng, spread))
        return responses

    @property
    def _n_features_out(self) -> int:
        return self.rank_
