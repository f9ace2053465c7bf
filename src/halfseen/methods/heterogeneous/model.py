"""Shared and unique factors of many sources as an estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.utils import Tags, TransformerTags
from sklearn.utils.validation import check_is_fitted

from halfseen._typing import FloatArray, as_generator
from halfseen.data import Observed, Sources, as_observed, check_support
from halfseen.data.labels import find_labels
from halfseen.engines import resolve
from halfseen.losses import get_loss, is_one_for_all
from halfseen.many import Parts, Placed, SourcesEstimator, in_gauge
from halfseen.methods.heterogeneous.options import SOLVERS, STARTS
from halfseen.parameters import ENGINE, FAMILY, RANDOM_STATE, RANK, ByName, Nothing, Number, Table, Whole, Word

if TYPE_CHECKING:  # the sweeps are loaded when something is fitted: naming the model stays cheap
    from halfseen.methods.heterogeneous.blocks import SourceBlock
    from halfseen.methods.heterogeneous.intervals import SharedBasisInference


class HeterogeneousFactorization(SourcesEstimator):
    r"""Factors that many tables share, and those that belong to each one alone.

    .. math:: \min \sum_i w_i\, \ell\bigl(P_{\Omega_i}(M_{(i)}),\; U_g V_{(i)g}^\top + U_{(i)} V_{(i)}^\top\bigr)
              \qquad\text{such that } U_g^\top U_{(i)} = 0

    The sources have the same rows and columns of their own, any number of them, any part of them seen.

    Parameters
    ----------
    shared_rank : int or "auto", default="auto"
        :math:`r_1`, columns of :math:`U_g`. "auto": held-out entries of every source choose it (and the unique rank,
        where that is "auto" too). Where the bases of a source would not fit into the rows, ranks are cut.
    unique_rank : int, "auto", or mapping from source name to int, default="auto"
        :math:`r_{2,(i)}`. "auto" is 0 where there is one source: its shared and unique parts cannot be told apart.
    family : str or Loss, default="gaussian"
        "gaussian", "huber(D)", "bernoulli", "binomial(N)", "poisson", or a loss of your own; over what was seen.
    penalty : float, default=0.0
        :math:`\lambda` in :math:`\frac\lambda2(\|U_g\|^2 + \sum_i\|V_{(i)g}\|^2 + \|U_{(i)}\|^2 + \|V_{(i)}\|^2)`;
        "als" only.
    solver : {"als", "gd", "scaled-gd"}, default="als"
        Two exact blocks; Algorithm 1 of the paper; its preconditioned form.
    max_iter : int, optional
        Sweeps at most; None is 500 ("als"), 5000 ("gd") or 1000 ("scaled-gd").
    tol : float, optional
        Stop when the value changes by less than this share of itself twice on end; None is 1e-6 ("als"), 1e-9 ("gd")
        or 1e-7 ("scaled-gd").
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
        Orthonormal, and orthogonal to the shared basis.
    unique_loadings_ : dict from source name to ndarray (p_i, r2_i)
    shared_rank_ : int
        :math:`r_1` of the fit.
    unique_rank_ : dict from source name to int
        :math:`r_{2,(i)}` of the fit.
    rank_search_ : SourceRanks or None
        What "auto" ranks tried.
    misalignment_ : float
        :math:`\theta = 1 - \lambda_{\max}(\frac1N\sum_i P_{U_{(i)}})`; near 0 shared and unique cannot be told apart.
    shares_ : dict from source name to dict
        Shares of the sum of squares: "shared", "unique", "residual".
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
    are rarely needed. "auto" costs some thirty fits to nine tenths of the entries.

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_sources_data(5, 40, 30, shared_rank=2, unique_rank=1, observed=0.6, random_state=0)
    >>> model = hs.HeterogeneousFactorization(2, 1, random_state=0).fit(data.sources)
    >>> data.subspace_error(model) < 1e-10
    True
    >>> model.unique_part("source 3").shape
    (40, 30)
    """

    _parameters: ClassVar[Table] = {
        "shared_rank": RANK,
        "unique_rank": RANK | ByName(Whole(0)),
        "family": FAMILY,
        "penalty": Number(0),
        "solver": Word(*SOLVERS),
        "max_iter": Whole(1) | Nothing(),
        "tol": Number(0) | Nothing(),
        "random_state": RANDOM_STATE,
        "engine": ENGINE,
        "start": Nothing() | Word(*STARTS),
        "start_scale": Number(0, above=True),
        "step": Word("auto") | Number(0, above=True),
        "beta": Number(0),
        "n_restarts": Whole(0),
    }

    def __init__(
        self,
        shared_rank: int | str = "auto",
        unique_rank: Any = "auto",
        *,
        family: Any = "gaussian",
        penalty: float = 0.0,
        solver: str = "als",
        max_iter: int | None = None,
        tol: float | None = None,
        random_state: Any = None,
        engine: Any = None,
        start: str | None = None,
        start_scale: float = 1e-3,
        step: str | float = "auto",
        beta: float = 0.0,
        n_restarts: int = 3,
    ) -> None:
        self.shared_rank = shared_rank
        self.unique_rank = unique_rank
        self.family = family
        self.penalty = penalty
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.engine = engine
        self.start = start
        self.start_scale = start_scale
        self.step = step
        self.beta = beta
        self.n_restarts = n_restarts

    def fit(self, S: Any, y: None = None, *, weights: Any = None) -> Self:
        """Fit to the seen entries of all sources.

        Parameters
        ----------
        S : Sources, mapping from name to table, sequence of tables, or one table
            Tables: `Observed`, NaN arrays, data frames, scipy.sparse (stored entries are the seen ones), mixed.
        y : None
        weights : mapping from source name to positive number, optional
            :math:`w_i`; 1 where nothing is given.

        Returns
        -------
        HeterogeneousFactorization
            Itself.
        """
        from halfseen.methods.heterogeneous.checks import check_together, check_weights, warn_about
        from halfseen.methods.heterogeneous.fitting import fit_parts
        from halfseen.methods.heterogeneous.options import ranks_of

        settings = self._checked()
        check_together(settings)
        sources = self._observe_sources(S)
        self.loss_ = get_loss(settings.family, is_one_for_all, type(self).__name__)
        source_weights = check_weights(weights, sources.names)
        self.weights_ = dict(zip(sources.names, source_weights, strict=True))
        engine, rng = resolve(settings.engine), as_generator(settings.random_state)
        blocks = tuple(engine.map(self._block, zip(sources.values(), source_weights, strict=True)))
        self.shared_rank_, self.unique_rank_, self.rank_search_ = ranks_of(self, settings, sources)
        ranks = self.shared_rank_, tuple(self.unique_rank_.values())
        fit = fit_parts(blocks, ranks, settings, engine, rng)
        self._keep(sources, in_gauge(fit.parts.shared_basis, fit.parts.own))
        self.restarted_ = [sources.names[place] for place in fit.restarted]
        self.run_, self.n_iter_ = fit.run.record(), fit.run.n_iter
        warn_about(self, sources)
        return self

    def inference(
        self, level: float = 0.95, *, random_state: Any = 0, S: Any = None, clusters: str = "columns", groups: int = 20
    ) -> SharedBasisInference:
        """Standard errors and intervals of the shared basis, from leaving groups of columns (or sources) out.

        Parameters
        ----------
        level : float
        random_state : int, Generator or None
            Draws the groups, and errors behind bands and angles.
        S : the sources of the fit, optional
            Needed again for a model that was loaded or copied: those leave the data out.
        clusters : {"columns", "sources"}
            What is an independent sample: the columns of every source (the sources being given), or the sources.
        groups : int
            Of columns, each spread over all sources; of sources every one is left out once.

        Returns
        -------
        SharedBasisInference
            ``shared_basis()`` gives intervals of its entries, ``shared_space()`` angles to the true space.

        Raises
        ------
        ValueError
            For too few columns or sources, data that are not those of the fit, a fit that is not at its end.

        Notes
        -----
        One further fit per group, each begun at the end of this one: some ten sweeps.

        Examples
        --------
        >>> import halfseen as hs
        >>> from halfseen.datasets import SourcesDesign, make_sources_data
        >>> data = make_sources_data(5, 20, 40, 2, 1, observed=0.8, design=SourcesDesign(noise=0.5), random_state=0)
        >>> model = hs.HeterogeneousFactorization(2, 1, random_state=0).fit(data.sources)
        >>> inference = model.inference(level=0.9)
        >>> inference.shared_basis().to_frame().column_names
        ['row', 'factor', 'estimate', 'se', 'low', 'high', 'reliable']
        >>> bool(inference.shared_space().largest < 12.0)
        True
        """
        from halfseen.methods.heterogeneous.intervals import infer

        check_is_fitted(self)
        return infer(self, S, level, clusters, groups, random_state)

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
            ``shared_basis_ @ shared_loadings.T + unique_basis @ unique_loadings.T``.

        Notes
        -----
        A column without entries gets loadings 0. New columns cost O(entries k^2); a new source some 30 exact sweeps.
        """
        from halfseen.methods.heterogeneous.start import place_source

        check_is_fitted(self)
        observed = self._rows_of(as_observed(table, name="table"))
        check_support(observed, self.loss_)
        block, shared = self._block((observed, 1.0)), self.shared_basis_.astype(float)
        if source is not None:
            known = self.unique_basis_[self._source(source)].astype(float)
            return self._cast(self._loadings(block, shared, known))
        rank = max(basis.shape[1] for basis in self.unique_basis_.values())
        placed = place_source(block, shared, rank, float(self.penalty), self._rng(), max_iter=100)
        parts = in_gauge(shared, [placed])
        back = parts.shared_basis.T @ shared  # the gauge of one source alone turns the shared basis: turn it back
        own = parts.own[0]
        return self._cast(Placed(own.shared_loadings @ back, own.unique_basis, own.unique_loadings))

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
            *(part.astype(dtype) for part in (placed.shared_loadings, placed.unique_basis, placed.unique_loadings))
        )


def parts_of(model: SourcesEstimator) -> Parts:
    """The parts of a fitted model."""
    return Parts(model.shared_basis_, tuple(model._parts(name) for name in model.source_names_))
