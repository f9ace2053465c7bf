"""Shared and unique factors of many sources as an estimator."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.utils import Tags, TransformerTags
from sklearn.utils.validation import check_is_fitted

from halfseen._typing import FloatArray, as_generator
from halfseen.data import Observed, Sources, as_observed, check_support
from halfseen.data.annotated import write_factors
from halfseen.data.labels import find_labels
from halfseen.engines import resolve
from halfseen.losses import Loss, get_loss, is_one_for_all, is_quadratic
from halfseen.many import Parts, Placed, SourcesEstimator, in_gauge
from halfseen.many.estimator import centred, column_means
from halfseen.methods.heterogeneous.options import SOLVERS, STARTS
from halfseen.parameters import ENGINE, FAMILY, RANDOM_STATE, RANK, ByName, Flag, Nothing, Number, Table, Whole, Word
from halfseen.solvers.checkpoint import resumable

if TYPE_CHECKING:
    from types import SimpleNamespace

    from halfseen.engines import Engine
    from halfseen.methods.heterogeneous.bayes import PlacedSamples
    from halfseen.methods.heterogeneous.posterior.intervals import SourcesInference

if TYPE_CHECKING:  # the sweeps are loaded when something is fitted: naming the model stays cheap
    from halfseen.methods.heterogeneous.blocks import SourceBlock
    from halfseen.methods.heterogeneous.intervals import SharedBasisInference


class HeterogeneousFactorization(SourcesEstimator):
    r"""Factors that many tables share, and those that belong to each one alone.

    .. math:: \min \sum_i w_i\, \ell\bigl(P_{\Omega_i}(M_{(i)}),\; U_g V_{(i)g}^\top + U_{(i)} V_{(i)}^\top\bigr)
              \qquad\text{such that } U_g^\top U_{(i)} = 0

    The sources have the same rows and columns of their own, any number of them, any part of them seen. By default they
    follow one Bayesian model,

    .. math:: y_{ij} = m_s + \mu_{sj} + u_i^\top v_{sj} + e_{ij},\quad u_i \sim N(0, I),\quad
              v_{sjk} \sim N(0, 1/\alpha_{sk}),\quad e_{ij} \sim N(0, \sigma^2_{sj}),

    in which levels, units, noise, ridges and the pattern of factors come from the data; ranks are upper bounds. The
    solvers "als" and "gd" are the paper's estimator, the minimum above.

    Parameters
    ----------
    shared_rank : int or "auto", default="auto"
        :math:`r_1`, columns of :math:`U_g`. "bayes": an upper bound; "auto" is up to 20 factors of which every source
        may take part in some, so that partly shared ones are found. Other solvers: held-out entries of every source
        choose it (and the unique rank, where that is "auto" too). Where the bases of a source would not fit into the
        rows, ranks are cut.
    unique_rank : int, "auto", or mapping from source name to int, default="auto"
        :math:`r_{2,(i)}`; an upper bound likewise. "auto" is 0 where there is one source: its shared and unique parts
        cannot be told apart.
    family : str or Loss, or mapping from source name to str ("bayes"), default="gaussian"
        "gaussian", "huber" (cut at 1.345 standard deviations of the noise, "bayes" only), "huber(D)", "bernoulli",
        "poisson"; "binomial(N)" or a loss of your own (not "bayes"); over what was seen.
    penalty : float, default=0.0
        :math:`\lambda` in :math:`\frac\lambda2(\|U_g\|^2 + \sum_i\|V_{(i)g}\|^2 + \|U_{(i)}\|^2 + \|V_{(i)}\|^2)`;
        "als" only.
    solver : {"auto", "bayes", "als", "gd", "scaled-gd"}, default="auto"
        The Bayesian model by closed-form sweeps; two exact blocks; Algorithm 1 of the paper; its preconditioned form.
        "auto": "bayes", but "als" where a penalty, or a family that "bayes" does not have, is given.
    centre : bool, default=True
        Give every column of a gaussian source an intercept ("bayes": part of the model, for all families; else the mean
        of the column's seen cells). False: none, as in the paper.
    max_iter : int, optional
        Sweeps at most; None is 500 ("bayes", "als"), 5000 ("gd") or 1000 ("scaled-gd").
    tol : float, optional
        "bayes": stop when predictions move by less than this share of the noise; None is 3e-4. Else: stop when the
        value changes by less than this share of itself twice on end; None is 1e-6 ("als"), 1e-9 ("gd") or 1e-7
        ("scaled-gd").
    row_noise : bool, default=False
        Learn by how much the noise of each row of each source differs ("bayes" only).
    sparse_loadings : {None, "ard", "spike-slab"}, default=None
        Shrink loadings one by one beside whole factors: by a precision each, or by a mixture of a wide and a narrow
        normal, with the probability of the wide one ("bayes" only).
    random_state : int, Generator or None
        Draws starts.
    engine : str, Engine or None
        Where the sources are computed; None is the surrounding ``with hs.engine(...)``. The same bits on any.
    start : {None, "spectral", "stepwise", "random", "warm"}
        Two SVDs; the same factor by factor, each from what those before it leave (for parts whose singular values
        differ by a factor of 30 and more); Gaussian factors of size ``start_scale``; or these and 60 rounds of
        descent. None: "spectral" for "als" and "scaled-gd", "random" for "gd".
    start_scale : float, default=1e-3
        Standard deviation of random factors, in units of the root of the largest singular value.
    step : "auto" or float, default="auto"
        Step of the descents. "auto": half of one over the largest singular value ("gd"); .7 over the share of entries
        seen ("scaled-gd"). The gaussian loss is half the sum of squares.
    beta : float, default=0.0
        Pull of Algorithm 1 towards orthonormal bases (0: none; of no use to incomplete tables).
    n_restarts : int, default=3
        How often sources that are left far behind the others are started afresh ("als").

    Attributes
    ----------
    shared_basis_ : ndarray (n, r1)
        Orthonormal.
    shared_loadings_ : dict from source name to ndarray (p_i, r1)
    unique_basis_ : dict from source name to ndarray (n, r2_i)
        Orthonormal, and orthogonal to the shared basis; partly shared factors are here, in each source that takes part.
    unique_loadings_ : dict from source name to ndarray (p_i, r2_i)
    shared_rank_ : int
        :math:`r_1` of the fit.
    unique_rank_ : dict from source name to int
        :math:`r_{2,(i)}` of the fit; "bayes": factors that the source takes part in and not all do.
    rank_search_ : SourceRanks or None
        What "auto" ranks tried.
    misalignment_ : float
        :math:`\theta = 1 - \lambda_{\max}(\frac1N\sum_i P_{U_{(i)}})`; near 0 shared and unique cannot be told apart.
    shares_ : dict from source name to dict
        Shares of the sum of squares: "shared", "unique", "residual".
    intercepts_ : dict from source name to ndarray (p_i,)
        Added to every row; 0 without ``centre``.
    scores_ : ndarray (n, K)
        Posterior means of all factors, in principal axes ("bayes" only, as all to ``posterior_``).
    loadings_ : dict from source name to ndarray (p_i, K)
        Posterior means, in the units of the data; 0 where the source takes no part.
    factor_names_ : list of str
        "shared 1", "rna+protein 1", "rna 1", ...: who takes part; "faint 1": nobody (see ``activity_``).
    activity_ : bool ndarray (K, N)
        Whether a source takes part in a factor: it explains more than 1 % there.
    variance_explained_ : ndarray (N, K)
        :math:`R^2` by source and factor, about the column means, columns weighted by one over their noise.
    noise_ : dict from source name to ndarray (p_i,)
        Standard deviation of each column's noise; nan for bernoulli and poisson sources.
    posterior_ : SourcesPosterior
        Means and covariances behind these.
    weights_ : dict from source name to float
        :math:`w_i`.
    restarted_ : list of str
        Sources that were started afresh on the way.
    source_names_ : list of str
    run_ : Run
        Reason, sweeps and trace.

    Raises
    ------
    ValueError
        For values outside the loss's support, parameters of the wrong kind, tables with different rows; the message
        names the first bad place.

    Notes
    -----
    Time O(entries k^2 + n k^3) per source and sweep of "als", O(entries k) of the descents, k = r1 + r2; memory
    O(entries + (n + p) k + n k^2), never n x p from entries. Source: Shi, Kontar and others, "Heterogeneous Matrix
    Factorization", Algorithm 1; the orthogonality is a gauge (its map leaves the fit alone), so that an exact solver
    of the unconstrained problem followed by one correction solves the constrained one. The parameters from ``start`` on
    are rarely needed. "auto" ranks cost "als" and the descents some thirty fits to nine tenths of the entries, "bayes"
    nothing. The Bayesian model: group factor analysis (Virtanen and others 2012; MOFA, Argelaguet and others 2018) with
    a noise variance per column; time O(entries k^2 + (n + p) k^3) per sweep, memory O(entries + (n + p) k^2).

    Examples
    --------
    >>> import halfseen as hs
    >>> from halfseen.datasets import SourcesDesign, make_sources_data
    >>> noisy = make_sources_data(4, 60, 30, 2, 1, observed=0.7, design=SourcesDesign(noise=0.5), random_state=0)
    >>> model = hs.HeterogeneousFactorization(random_state=0).fit(noisy.sources)
    >>> model.activity_.sum(axis=0).tolist(), model.factor_names_[:3]
    ([3, 3, 3, 3], ['shared 1', 'shared 2', 'source 0 1'])
    >>> data = make_sources_data(5, 40, 30, shared_rank=2, unique_rank=1, observed=0.6, random_state=0)
    >>> exact = hs.HeterogeneousFactorization(2, 1, solver="als", centre=False, random_state=0).fit(data.sources)
    >>> data.subspace_error(exact) < 1e-10
    True
    """

    _parameters: ClassVar[Table] = {
        "shared_rank": RANK,
        "unique_rank": RANK | ByName(Whole(0)),
        "family": FAMILY,
        "penalty": Number(0),
        "solver": Word(*SOLVERS),
        "centre": Flag(),
        "max_iter": Whole(1) | Nothing(),
        "tol": Number(0) | Nothing(),
        "random_state": RANDOM_STATE,
        "engine": ENGINE,
        "start": Nothing() | Word(*STARTS),
        "start_scale": Number(0, above=True),
        "step": Word("auto") | Number(0, above=True),
        "beta": Number(0),
        "n_restarts": Whole(0),
        "row_noise": Flag(),
        "sparse_loadings": Nothing() | Word("ard", "spike-slab"),
    }

    def __init__(
        self,
        shared_rank: int | str = "auto",
        unique_rank: Any = "auto",
        *,
        family: Any = "gaussian",
        penalty: float = 0.0,
        solver: str = "auto",
        centre: bool = True,
        max_iter: int | None = None,
        tol: float | None = None,
        random_state: Any = None,
        engine: Any = None,
        start: str | None = None,
        start_scale: float = 1e-3,
        step: str | float = "auto",
        beta: float = 0.0,
        n_restarts: int = 3,
        row_noise: bool = False,
        sparse_loadings: str | None = None,
    ) -> None:
        self.shared_rank = shared_rank
        self.unique_rank = unique_rank
        self.family = family
        self.penalty = penalty
        self.solver = solver
        self.centre = centre
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.engine = engine
        self.start = start
        self.start_scale = start_scale
        self.step = step
        self.beta = beta
        self.n_restarts = n_restarts
        self.row_noise = row_noise
        self.sparse_loadings = sparse_loadings

    @resumable
    def fit(self, S: Any, y: None = None, *, weights: Any = None) -> Self:
        """Fit to the seen entries of all sources.

        Parameters
        ----------
        S : Sources, mapping from name to table, sequence of tables, or one table
            Tables: `Observed`, NaN arrays, data frames, scipy.sparse (stored entries are the seen ones), mixed. A
            mapping of prepared tables (`halfseen.prepare`, a folder for each source) is fitted by the solvers "als",
            "gd" and "scaled-gd", each source where the engine has it; its rows are those of all sources together.
        y : None
        weights : mapping from source name to positive number (or array), optional
            :math:`w_i`, by which losses are multiplied; 1 where nothing is given. "bayes": of an array (n,) each row's
            noise variance is divided by its number.

        Returns
        -------
        HeterogeneousFactorization
            Itself.
        """
        from halfseen.methods.heterogeneous.checks import check_together
        from halfseen.methods.heterogeneous.stored import are_stored, fit_stored

        settings = self._checked()
        self.solver_ = check_together(settings)
        if are_stored(S):
            settings.solver = self.solver_
            fit_stored(self, S, settings, weights, resolve(settings.engine))
            return self
        sources, engine = self._observe_sources(S), resolve(settings.engine)
        if self.solver_ == "bayes":
            from halfseen.methods.heterogeneous.bayes import fit_bayes

            fit_bayes(self, sources, settings, weights, engine)
        else:
            self._fit_exact(sources, settings, weights, engine)
        return self

    def _fit_exact(self, sources: Sources, settings: SimpleNamespace, weights: Any, engine: Engine) -> None:
        """The paper's estimator."""
        from halfseen.methods.heterogeneous.checks import check_weights, warn_about
        from halfseen.methods.heterogeneous.fitting import fit_parts
        from halfseen.methods.heterogeneous.options import ranks_of

        settings.solver = self.solver_
        self.loss_ = get_loss(settings.family, is_one_for_all, type(self).__name__)
        source_weights = check_weights(weights, sources.names)
        self.weights_ = dict(zip(sources.names, source_weights, strict=True))
        self.shared_rank_, self.unique_rank_, self.rank_search_ = ranks_of(self, settings, sources)
        means = {name: self._means(table) for name, table in sources.items()}
        rest = [self._less(table, means[name]) for name, table in sources.items()]
        blocks = tuple(engine.map(self._block, zip(rest, source_weights, strict=True)))
        ranks = self.shared_rank_, tuple(self.unique_rank_.values())
        fit = fit_parts(blocks, ranks, settings, engine, as_generator(settings.random_state))
        self._keep(sources, in_gauge(fit.parts.shared_basis, fit.parts.own), means)
        self.restarted_ = [sources.names[place] for place in fit.restarted]
        self.run_, self.n_iter_ = fit.run.record(), fit.run.n_iter
        warn_about(self, sources)

    def inference(
        self, level: float = 0.95, *, random_state: Any = 0, S: Any = None, clusters: str = "columns", groups: int = 20
    ) -> SourcesInference | SharedBasisInference:
        """Intervals: of cells, scores and loadings from the posterior; of the paper's shared basis by leaving out.

        A fit by solver "bayes" (the default) has a posterior: ``entries`` and ``responses`` of cells, hidden or seen,
        ``rows`` (scores) and ``columns`` (loadings) of ``source=``. The paper's estimator has standard errors of its
        shared basis, from leaving groups of columns (or sources) out.

        Parameters
        ----------
        level : float
        random_state : int, Generator or None
            Draws the groups, and errors behind bands and angles.
        S : the sources of the fit, optional
            For the paper's estimator: needed again for a model that was loaded or copied, as those leave the data out.
        clusters : {"columns", "sources"}
            For the paper's estimator: what is an independent sample, the columns of every source (the sources being
            given), or the sources.
        groups : int
            Of columns, each spread over all sources; of sources every one is left out once.

        Returns
        -------
        SourcesInference or SharedBasisInference
            Of the latter, ``shared_basis()`` gives intervals of its entries, ``shared_space()`` angles to the true
            space.

        Raises
        ------
        ValueError
            For too few columns or sources, data that are not those of the fit, a fit that is not at its end.

        Notes
        -----
        The posterior is that of the fit. The paper's estimator takes one further fit per group, each begun at the end
        of this one: some ten sweeps.

        Examples
        --------
        >>> import halfseen as hs
        >>> from halfseen.datasets import SourcesDesign, make_sources_data
        >>> data = make_sources_data(3, 60, 40, 2, 1, observed=0.8, design=SourcesDesign(noise=0.5), random_state=0)
        >>> model = hs.HeterogeneousFactorization(random_state=0).fit(data.sources)
        >>> cells = model.inference().entries([0, 1], [2, 3], source="source 1")
        >>> bool((cells.high > cells.low).all())
        True
        >>> data = make_sources_data(5, 20, 40, 2, 1, observed=0.8, design=SourcesDesign(noise=0.5), random_state=0)
        >>> model = hs.HeterogeneousFactorization(2, 1, solver="als", random_state=0).fit(data.sources)
        >>> inference = model.inference(level=0.9)
        >>> inference.shared_basis().to_frame().column_names
        ['row', 'factor', 'estimate', 'se', 'low', 'high', 'reliable']
        >>> bool(inference.shared_space().largest < 12.0)
        True
        """
        check_is_fitted(self)
        if self.solver_ == "bayes":
            from halfseen.methods.heterogeneous.posterior.intervals import SourcesInference

            return SourcesInference(
                self.posterior_, level, self.row_labels_, self.col_labels_, random_state=random_state
            )
        from halfseen.methods.heterogeneous.intervals import infer

        return infer(self, S, level, clusters, groups, random_state)

    def place_samples(self, S: Any) -> PlacedSamples:
        """Scores of new samples of which any of the sources were seen, with their uncertainty.

        Parameters
        ----------
        S : Sources, mapping from source name to table
            Rows are new samples; columns those of the fit, found by label where both have labels.

        Returns
        -------
        PlacedSamples
            ``scores``, ``scores_se``, ``predict_table(name)`` of every source, ``inference()``.
        """
        from halfseen.methods.heterogeneous.bayes import placed_samples

        self._check_bayes("place_samples()")
        return placed_samples(self, S)

    def transform(self, table: Any, source: str | None = None) -> Placed:
        r"""Place new columns of a known source, or a whole new source, against the fitted bases.

        Parameters
        ----------
        table : Observed, NaN array, data frame or scipy.sparse (n, m)
            Rows as in the fit: found by label where both have labels (rows it does not name are empty), else in order.
        source : str, optional
            A fitted source: its bases stay, columns get loadings. None: a new source, which gets a unique basis too,
            of the ``unique_rank`` of the fit (the largest, where they differ).

        Returns
        -------
        Placed
            ``shared_loadings`` (m, r1), ``unique_basis`` (n, r2), ``unique_loadings`` (m, r2); its table is
            ``shared_basis_ @ shared_loadings.T + unique_basis @ unique_loadings.T + intercepts``.

        Notes
        -----
        A column without entries gets loadings 0. New columns cost O(entries k^2); a new source some 30 exact sweeps.
        """
        from halfseen.methods.heterogeneous.start import place_source

        check_is_fitted(self)
        observed = self._rows_of(as_observed(table, name="table"))
        if self.solver_ == "bayes":
            from halfseen.methods.heterogeneous.bayes import placed_columns, placed_source

            if source is None:
                return self._cast(placed_source(self, observed))
            return self._cast(placed_columns(self, self._source(source), observed))
        check_support(observed, self.loss_)
        means = self._means(observed)
        observed = self._less(observed, means)
        block, shared = self._block((observed, 1.0)), self.shared_basis_.astype(float)
        if source is not None:
            known = self.unique_basis_[self._source(source)].astype(float)
            return self._cast(replace(self._loadings(block, shared, known), intercepts=means))
        rank = max(basis.shape[1] for basis in self.unique_basis_.values())
        placed = place_source(block, shared, rank, float(self.penalty), self._rng(), max_iter=100)
        parts = in_gauge(shared, [placed])
        back = parts.shared_basis.T @ shared  # the gauge of one source alone turns the shared basis: turn it back
        own = parts.own[0]
        return self._cast(Placed(own.shared_loadings @ back, own.unique_basis, own.unique_loadings, means))

    def annotate(self, S: Any, key: str = "halfseen") -> Any:
        """Write scores, loadings and what they explain into the MuData (or the AnnData of a mapping) of the fit.

        Parameters
        ----------
        S : MuData, or mapping from source name to AnnData
            Is changed: ``obsm["X_" + key]``, and of every matrix ``varm[key]`` and ``uns[key]``.
        key : str

        Returns
        -------
        object
            ``S``.
        """
        self._check_bayes("annotate()")
        rows = np.arange(self.n_rows_) if self.row_labels_ is None else self.row_labels_
        loadings = {}
        for name, labels in self.col_labels_.items():
            loadings[name] = np.arange(self._n_columns(name)) if labels is None else labels, self.loadings_[name]
        facts = {
            "factor_names": np.array(self.factor_names_), "source_names": np.array(self.source_names_),
            "activity": self.activity_, "variance_explained": self.variance_explained_,
        }  # fmt: skip
        return write_factors(S, (rows, self.scores_), loadings, facts, key)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags = TransformerTags(preserves_dtype=["float64", "float32"])
        return tags

    # ---- inside ------------------------------------------------------------------------------------------------

    def _loadings(self, block: SourceBlock, shared: FloatArray, unique: FloatArray) -> Placed:
        from halfseen.methods.heterogeneous.fitting import settle_columns
        from halfseen.methods.heterogeneous.start import with_loadings

        if block.is_quadratic and not self.penalty:
            return with_loadings(block, shared, unique)
        return settle_columns(block, shared, unique, float(self.penalty))

    def _block(self, item: tuple[Observed, float]) -> SourceBlock:
        from halfseen.methods.heterogeneous.blocks import make_block

        table, weight = item
        check_support(table, self.loss_)
        return make_block(table, self.loss_, weight)

    def _rng(self) -> np.random.Generator:
        return as_generator(self.random_state)

    def _rows_of(self, observed: Observed) -> Observed:
        """The table with its rows where the fit has them."""
        if self.row_labels_ is not None and observed.row_labels is not None:
            find_labels(self.row_labels_, observed.row_labels)  # unknown rows are an error
            like = Observed.from_triplets([0], [0], [0.0], shape=(self.n_rows_, 1), row_labels=self.row_labels_)
            return Sources({"fit": like, "new": observed}, rows="union")["new"].take_rows(
                find_labels(np.union1d(self.row_labels_, observed.row_labels), self.row_labels_)
            )
        if observed.shape[0] != self.n_rows_:
            raise ValueError(
                f"table has {observed.shape[0]} rows, the fit {self.n_rows_}: a source has the rows of the fit and "
                "columns of its own; label the rows if some are missing"
            )
        return observed

    def _cast(self, placed: Placed) -> Placed:
        dtype = self.shared_basis_.dtype
        return Placed(
            placed.shared_loadings.astype(dtype), placed.unique_basis.astype(dtype),
            placed.unique_loadings.astype(dtype),
            None if placed.intercepts is None else placed.intercepts.astype(dtype),
        )  # fmt: skip

    def _means(self, table: Observed) -> FloatArray:
        """What is taken out of the columns before the exact solvers begin."""
        return column_means(table) if self.centre and is_quadratic(self.loss_) else np.zeros(table.shape[1])

    def _less(self, table: Observed, means: FloatArray) -> Observed:
        return centred(table, means).astype(table.dtype) if means.any() else table

    def _follows_squares(self, name: str) -> bool:
        return is_quadratic(self._loss_of(name))

    def _loss_of(self, name: str) -> Loss:
        return self.losses_[name] if self.solver_ == "bayes" else self.loss_

    def _check_bayes(self, what: str) -> None:
        check_is_fitted(self)
        if self.solver_ != "bayes":
            raise ValueError(f"{what} needs a fit by solver='bayes', this is one by {self.solver_!r}")


def parts_of(model: SourcesEstimator) -> Parts:
    """The parts of a fitted model."""
    return Parts(model.shared_basis_, tuple(model._parts(name) for name in model.source_names_))
