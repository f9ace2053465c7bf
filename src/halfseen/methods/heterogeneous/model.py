"""Shared and unique factors of many sources as an estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils import Tags, TransformerTags
from sklearn.utils.validation import check_is_fitted

from halfseen._typing import FloatArray, as_generator
from halfseen.data import Observed, Sources, as_observed, check_support
from halfseen.data.labels import find_labels
from halfseen.engines import resolve
from halfseen.losses import get_loss
from halfseen.many import Parts, Placed, SourcesEstimator, in_gauge
from halfseen.methods.heterogeneous.options import HeterogeneousOptions, checked_options, unique_ranks

if TYPE_CHECKING:  # the sweeps are loaded when something is fitted: naming the model stays cheap
    from halfseen.methods.heterogeneous.blocks import Block
    from halfseen.methods.heterogeneous.intervals import SharedBasisInference

SQUARED = ("squared", "projected")


class HeterogeneousFactorization(SourcesEstimator):
    r"""Factors that many tables share, and those that belong to each one alone.

    .. math:: \min \sum_i w_i\, \ell\bigl(P_{\Omega_i}(M_{(i)}),\; U_g V_{(i)g}^\top + U_{(i)} V_{(i)}^\top\bigr)
              \qquad\text{such that } U_g^\top U_{(i)} = 0

    The sources have the same rows and columns of their own, any number of them, any part of them seen.

    Parameters
    ----------
    shared_rank : int, default=3
        :math:`r_1`, columns of :math:`U_g`.
    unique_rank : int or mapping from source name to int, default=3
        :math:`r_{2,(i)}`.
    loss : str or Loss, default="squared"
        "squared" (alias "projected": over what was seen, as always here), "huber(D)", "bernoulli", "binomial(N)",
        "poisson", or a loss of your own.
    solver : {"als", "gd", "scaled-gd"}, default="als"
        Two exact blocks; Algorithm 1 of the paper; its preconditioned form.
    ridge : float, default=0.0
        :math:`\lambda` in :math:`\frac\lambda2(\|U_g\|^2 + \sum_i\|V_{(i)g}\|^2 + \|U_{(i)}\|^2 + \|V_{(i)}\|^2)`;
        "als" only.
    options : HeterogeneousOptions, optional
        Start, step, tolerance, number of sweeps.
    random_state : int, Generator or None
        Draws starts.
    engine : str, Engine or None
        Where the sources are computed; None is the surrounding ``with hs.engine(...)``. The same bits on any.

    Attributes
    ----------
    shared_basis_ : ndarray (n, r1)
        Orthonormal.
    shared_loadings_ : dict from source name to ndarray (p_i, r1)
    unique_basis_ : dict from source name to ndarray (n, r2_i)
        Orthonormal, and orthogonal to the shared basis.
    unique_loadings_ : dict from source name to ndarray (p_i, r2_i)
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
        For values outside the loss's support, ranks that the rows cannot hold, unknown words, tables with different
        rows; the message names the first bad place.

    Notes
    -----
    Time O(entries k^2 + n k^3) per source and sweep of "als", O(entries k) of the descents, k = r1 + r2; memory
    O(entries + (n + p) k + n k^2), never n x p from entries. Source: Shi, Kontar and others, "Heterogeneous Matrix
    Factorization", Algorithm 1; the orthogonality is a gauge (its map leaves the fit alone), so that an exact solver
    of the unconstrained problem followed by one correction solves the constrained one.

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

    def __init__(
        self,
        shared_rank: int = 3,
        unique_rank: Any = 3,
        loss: Any = "squared",
        solver: str = "als",
        ridge: float = 0.0,
        options: HeterogeneousOptions | None = None,
        random_state: Any = None,
        engine: Any = None,
    ) -> None:
        self.shared_rank = shared_rank
        self.unique_rank = unique_rank
        self.loss = loss
        self.solver = solver
        self.ridge = ridge
        self.options = options
        self.random_state = random_state
        self.engine = engine

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
        from halfseen.methods.heterogeneous.checks import check_choices, check_ranks, check_weights, warn_about
        from halfseen.methods.heterogeneous.fitting import fit_parts

        check_choices(self)
        sources, options = self._observe_sources(S), checked_options(self.options)
        self.loss_ = get_loss("gaussian" if self.loss in SQUARED else self.loss)
        ranks = unique_ranks(self.unique_rank, sources.names)
        check_ranks(self.shared_rank, ranks, sources)
        heft = check_weights(weights, sources.names)
        self.weights_ = dict(zip(sources.names, heft, strict=True))
        engine = resolve(self.engine)
        blocks = tuple(engine.map(self._block, zip(sources.values(), heft, strict=True)))
        fit = fit_parts(blocks, self.shared_rank, ranks, (self.solver, options, float(self.ridge)), engine, self._rng())
        self._keep(sources, in_gauge(fit.parts.shared_basis, fit.parts.own))
        self.restarted_ = [sources.names[place] for place in fit.restarted]
        self.run_, self.n_iter_ = fit.run.record(), fit.run.n_iter
        warn_about(self, sources)
        return self

    def inference(
        self, level: float = 0.95, S: Any = None, clusters: str = "columns", groups: int = 20, random_state: Any = 0
    ) -> SharedBasisInference:
        """Standard errors and intervals of the shared basis, from leaving groups of columns (or sources) out.

        Parameters
        ----------
        level : float
        S : the sources of the fit, optional
            Needed again for a model that was loaded or copied: those leave the data out.
        clusters : {"columns", "sources"}
            What is an independent sample: the columns of every source (the sources being given), or the sources.
        groups : int
            Of columns, each spread over all sources; of sources every one is left out once.
        random_state : int, Generator or None
            Draws the groups.

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
        >>> found = model.inference(level=0.9)
        >>> found.shared_basis().to_frame().column_names
        ['row', 'factor', 'estimate', 'se', 'low', 'high', 'reliable']
        >>> bool(found.shared_space().largest < 12.0)
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
            return self._cast(self._loadings(block, shared, known), observed)
        rank = max(unique_ranks(self.unique_rank, self.source_names_))
        found = place_source(block, shared, rank, float(self.ridge), self._rng(), max_iter=100)
        own = in_gauge(shared, [found])
        back = own.shared_basis.T @ shared  # the gauge of one source alone turns the shared basis: turn it back
        one = own.own[0]
        return self._cast(Placed(one.shared_loadings @ back, one.unique_basis, one.unique_loadings), observed)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags = TransformerTags(preserves_dtype=["float64", "float32"])
        return tags

    # ---- inside ------------------------------------------------------------------------------------------------

    def _loadings(self, block: Block, shared: FloatArray, unique: FloatArray) -> Placed:
        from halfseen.methods.heterogeneous.fitting import settle_columns
        from halfseen.methods.heterogeneous.start import with_loadings

        if block.is_quadratic and not self.ridge:
            return with_loadings(block, shared, unique)
        return settle_columns(block, shared, unique, float(self.ridge))

    def _block(self, item: tuple[Observed, float]) -> Block:
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

    def _cast(self, one: Placed, observed: Observed) -> Placed:
        dtype = self.shared_basis_.dtype
        return Placed(*(part.astype(dtype) for part in (one.shared_loadings, one.unique_basis, one.unique_loadings)))


def parts_of(model: SourcesEstimator) -> Parts:
    """The parts of a fitted model."""
    return Parts(model.shared_basis_, tuple(model._parts(name) for name in model.source_names_))
