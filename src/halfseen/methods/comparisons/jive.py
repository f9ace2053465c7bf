"""Joint and individual variation explained, plain and robust."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from halfseen._typing import RandomState
from halfseen.engines import Engine
from halfseen.many import Parts, Placed
from halfseen.methods.comparisons.joint import JointModel, low_rank
from halfseen.methods.comparisons.joint_sweeps import Alternation, RobustSource, RobustSplitting
from halfseen.parameters import Flag, Number, Table, Word
from halfseen.solvers.checkpoint import resumable
from halfseen.solvers.loop import Stop, loop
from halfseen.solvers.stops import RelativeChange, SmallValue

# Sums of squared residuals below this share of the tables' are rounding.
EXACT = 1e-29


class JIVE(JointModel):
    r"""Joint and individual variation explained: alternating truncated SVDs.

    .. math:: \min \sum_i \|M_{(i)} - J_{(i)} - A_{(i)}\|_F^2,\qquad
              \operatorname{rank}[J_{(1)} \dots J_{(N)}] = r_1,\ \operatorname{rank} A_{(i)} = r_2

    Parameters
    ----------
    shared_rank : int or "auto", default=3
        Cut to what all tables can hold. "auto" takes the ranks that predict held-out entries best.
    unique_rank : int, mapping from source name to int, or "auto", default=3
        Cut to what is left of each table's shorter side.
    missing : {"impute", "zero"}, default="impute"
        Fill missing entries with the fit after every sweep (expectation-maximisation), or with zeros once.
    is_orthogonal : bool, default=True
        Keep individual parts orthogonal to the joint one, as the original does; False alternates plain SVDs.
    max_iter : int, default=1000
    tol : float, default=1e-9
        Stop when the sum of squares changes by less than this share of itself.
    random_state : int, Generator or None
        Draws the held-out entries behind "auto" ranks; nothing else is random.
    engine : str, Engine or None
    centre : bool, default=True
        Take out the means of the seen cells of every column first, and put them back into predictions. False: the
        method as published, for tables without a level.

    Attributes
    ----------
    shared_basis_, shared_loadings_, unique_basis_, unique_loadings_, misalignment_, shares_, source_names_
        As of :class:`halfseen.HeterogeneousFactorization`.
    shared_rank_, unique_rank_ : int, dict from source name to int
        As used.
    rank_search_ : SourceRanks or None
        What ``"auto"`` ranks tried.
    run_ : Run
    n_iter_ : int

    Notes
    -----
    O(sum n p min(n, p)) time per sweep, tables are dense. Source: Lock, Hoadley, Marron, Nobel (2013), "Joint and
    individual variation explained (JIVE)".

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_sources_data(5, 40, 30, shared_rank=2, unique_rank=1, random_state=0)
    >>> data.subspace_error(hs.JIVE(2, 1, centre=False).fit(data.sources)) < 1e-6
    True
    """

    _parameters: ClassVar[Table] = {
        **JointModel._parameters,
        "missing": Word("impute", "zero"),
        "is_orthogonal": Flag(),
    }

    def __init__(
        self,
        shared_rank: int | str = 3,
        unique_rank: Any = 3,
        *,
        missing: str = "impute",
        is_orthogonal: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-9,
        random_state: RandomState = None,
        engine: str | Engine | None = None,
        centre: bool = True,
    ) -> None:
        self.shared_rank = shared_rank
        self.unique_rank = unique_rank
        self.missing = missing
        self.is_orthogonal = is_orthogonal
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.engine = engine
        self.centre = centre

    @resumable
    def fit(self, S: Any, y: None = None) -> Self:
        """Fit to all sources (see :meth:`halfseen.HeterogeneousFactorization.fit` for what they may be)."""
        settings, sources, tables, masks, ranks = self._filled(S)
        n, r1, is_imputed = sources.n_rows, settings.shared_rank, settings.missing == "impute"
        sweep = Alternation(tables, masks, r1, ranks, settings.engine, settings.is_orthogonal, is_imputed)
        nothing = [
            Placed(np.zeros((table.shape[1], r1)), np.zeros((n, rank)), np.zeros((table.shape[1], rank)))
            for table, rank in zip(tables, ranks, strict=True)
        ]
        start = Parts(np.zeros((n, r1)), tuple(nothing)), tables
        total = sum(float(np.sum(np.square(table))) for table in tables)
        stops: list[Stop] = [SmallValue(EXACT * total), RelativeChange(settings.tol)]
        run = loop(sweep, start, stops, max_iter=settings.max_iter)
        return self._end(sources, run.params[0], run, is_gauged=settings.is_orthogonal)


class RobustJIVE(JointModel):
    r"""Robust joint and individual variation explained: low rank plus sparse errors.

    .. math:: \min \sum_i \|A_{(i)}\|_* + \lambda\|E_{(i)}\|_1 \quad\text{such that}\quad
              M_{(i)} = J_{(i)} + A_{(i)} + E_{(i)},\ \operatorname{rank} J = r_1,\ P_J A_{(i)} = 0

    by the alternating direction method of multipliers with penalty :math:`\mu`.

    Parameters
    ----------
    shared_rank : int or "auto", default=3
        Cut to what all tables can hold. "auto" takes the ranks that predict held-out entries best.
    unique_rank : int, mapping from source name to int, or "auto", default=3
        Cut to what is left of each table's shorter side. So many leading directions of :math:`A_{(i)}` are handed out
        as the unique part; the method itself thresholds.
    mu : float, default=10.0
    sparsity : float, default=0.1
        :math:`\lambda`, of the order of :math:`1/\sqrt{\max(n, p)}`.
    max_iter : int, default=300
    tol : float, default=1e-10
        Stop when the constraints are violated by less than this share of the sum of squares.
    random_state : int, Generator or None
        Draws the held-out entries behind "auto" ranks; nothing else is random.
    engine : str, Engine or None
    centre : bool, default=True
        Take out the means of the seen cells of every column first, and put them back into predictions. False: the
        method as published, for tables without a level.

    Attributes
    ----------
    shared_basis_, shared_loadings_, unique_basis_, unique_loadings_, misalignment_, shares_, source_names_
        As of :class:`halfseen.HeterogeneousFactorization`.
    errors_ : dict from source name to ndarray (n, p)
        :math:`E_{(i)}`; missing entries count as observed zeros and end up here.
    shared_rank_, unique_rank_ : int, dict from source name to int
        As used.
    rank_search_ : SourceRanks or None
        What ``"auto"`` ranks tried.
    run_ : Run
    n_iter_ : int

    Notes
    -----
    O(sum n p min(n, p)) time per sweep. Source: Sagonas, Panagakis, Leidinger, Zafeiriou (2017), "Robust joint and
    individual variance explained". :meth:`paper` has the constants behind the published comparison, with which the
    method reaches a small error and then leaves it again; the defaults converge.

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_sources_data(5, 60, 50, 2, 1, design="rotated", random_state=0)
    >>> data.subspace_error(hs.RobustJIVE(2, 1, centre=False).fit(data.sources)) < 1e-6
    True
    """

    _parameters: ClassVar[Table] = {
        **JointModel._parameters,
        "mu": Number(0, above=True),
        "sparsity": Number(0),
    }

    def __init__(
        self,
        shared_rank: int | str = 3,
        unique_rank: Any = 3,
        *,
        mu: float = 10.0,
        sparsity: float = 0.1,
        max_iter: int = 300,
        tol: float = 1e-10,
        random_state: RandomState = None,
        engine: str | Engine | None = None,
        centre: bool = True,
    ) -> None:
        self.shared_rank = shared_rank
        self.unique_rank = unique_rank
        self.mu = mu
        self.sparsity = sparsity
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.engine = engine
        self.centre = centre

    @classmethod
    def paper(cls, shared_rank: int | str = 3, unique_rank: Any = 3, max_iter: int = 1000) -> Self:
        """The constants of the published comparison: mu = 100, lambda = 0.01, nothing taken out."""
        return cls(shared_rank, unique_rank, mu=100.0, sparsity=0.01, max_iter=max_iter, tol=0.0, centre=False)

    @resumable
    def fit(self, S: Any, y: None = None) -> Self:
        """Fit to all sources; what is missing counts as an error of unknown size around 0."""
        settings, sources, tables, _, ranks = self._filled(S)
        r1, mu, sparsity = settings.shared_rank, float(settings.mu), float(settings.sparsity)
        # thresholds are in units of the largest singular value, which is 1 in the published designs
        unit = max(float(np.linalg.norm(table, 2)) for table in tables) if settings.centre else 1.0
        unit = unit if unit > 0 else 1.0
        tables = [table / unit for table in tables]
        sweep = RobustSplitting(tables, r1, mu, sparsity, settings.engine)
        zeros = [RobustSource(*(np.zeros_like(table) for _ in range(5))) for table in tables]
        floor = settings.tol * sum(float(np.sum(np.square(table))) for table in tables)
        start: Any = np.zeros((sources.n_rows, r1)), [], zeros
        run = loop(sweep, start, [SmallValue(floor)] if settings.tol else [], max_iter=settings.max_iter)
        shared, loadings, split = run.params
        own = [
            Placed(unit * V, *low_rank(unit * source.own, rank))
            for V, source, rank in zip(loadings, split, ranks, strict=True)
        ]
        self.errors_ = {name: unit * source.errors for name, source in zip(sources.names, split, strict=True)}
        return self._end(sources, Parts(shared, tuple(own)), run)
