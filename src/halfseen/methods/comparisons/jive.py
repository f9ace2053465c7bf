"""Joint and individual variation explained, plain and robust."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from halfseen.data.arguments import at_least
from halfseen.engines import Engine
from halfseen.many import Parts, Placed
from halfseen.methods.comparisons.joint import JointModel, check_fill, low_rank
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
    shared_rank : int, default=3
    unique_rank : int or mapping from source name to int, default=3
    missing : {"impute", "zero"}, default="impute"
        Fill missing entries with the fit after every sweep (expectation-maximisation), or with zeros once.
    is_orthogonal : bool, default=True
        Keep individual parts orthogonal to the joint one, as the original does; False alternates plain SVDs.
    max_iter : int, default=1000
    tol : float, default=1e-9
        Stop when the sum of squares changes by less than this share of itself.
    engine : str, Engine or None
    centre : bool, default=True
        Take out the means of the seen cells of every column first, and put them back into predictions. False: the
        method as published, for tables without a level.

    Attributes
    ----------
    shared_basis_, shared_loadings_, unique_basis_, unique_loadings_, misalignment_, shares_, source_names_
        As of :class:`halfseen.HeterogeneousFactorization`.
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

    def __init__(
        self,
        shared_rank: int = 3,
        unique_rank: Any = 3,
        missing: str = "impute",
        is_orthogonal: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-9,
        engine: str | Engine | None = None,
        centre: bool = True,
    ) -> None:
        self.shared_rank = shared_rank
        self.unique_rank = unique_rank
        self.missing = missing
        self.is_orthogonal = is_orthogonal
        self.max_iter = max_iter
        self.tol = tol
        self.engine = engine
        self.centre = centre

    def fit(self, S: Any, y: None = None) -> Self:
        """Fit to all sources (see :meth:`halfseen.HeterogeneousFactorization.fit` for what they may be)."""
        from halfseen.methods.comparisons.joint_sweeps import Alternation

        check_fill(self.missing)
        sources, tables, masks, ranks = self._filled(S)
        n, is_imputed = sources.n_rows, self.missing == "impute"
        sweep = Alternation(tables, masks, self.shared_rank, ranks, self._engine, self.is_orthogonal, is_imputed)
        nothing = [
            Placed(np.zeros((table.shape[1], self.shared_rank)), np.zeros((n, rank)), np.zeros((table.shape[1], rank)))
            for table, rank in zip(tables, ranks, strict=True)
        ]
        start = Parts(np.zeros((n, self.shared_rank)), tuple(nothing)), tables
        total = sum(float(np.sum(np.square(table))) for table in tables)
        stops: list[Stop] = [SmallValue(EXACT * total), RelativeChange(self.tol)]
        run = loop(sweep, start, stops, max_iter=self.max_iter)
        return self._end(sources, run.params[0], run, is_gauged=self.is_orthogonal)


class RobustJIVE(JointModel):
    r"""Robust joint and individual variation explained: low rank plus sparse errors.

    .. math:: \min \sum_i \|A_{(i)}\|_* + \lambda\|E_{(i)}\|_1 \quad\text{such that}\quad
              M_{(i)} = J_{(i)} + A_{(i)} + E_{(i)},\ \operatorname{rank} J = r_1,\ P_J A_{(i)} = 0

    by the alternating direction method of multipliers with penalty :math:`\mu`.

    Parameters
    ----------
    shared_rank : int, default=3
    unique_rank : int or mapping from source name to int, default=3
        Leading directions of :math:`A_{(i)}` handed out as the unique part; the method itself thresholds.
    mu : float, default=10.0
    sparsity : float, default=0.1
        :math:`\lambda`, of the order of :math:`1/\sqrt{\max(n, p)}`.
    max_iter : int, default=300
    tol : float, default=1e-10
        Stop when the constraints are violated by less than this share of the sum of squares.
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

    def __init__(
        self,
        shared_rank: int = 3,
        unique_rank: Any = 3,
        mu: float = 10.0,
        sparsity: float = 0.1,
        max_iter: int = 300,
        tol: float = 1e-10,
        engine: str | Engine | None = None,
        centre: bool = True,
    ) -> None:
        self.shared_rank = shared_rank
        self.unique_rank = unique_rank
        self.mu = mu
        self.sparsity = sparsity
        self.max_iter = max_iter
        self.tol = tol
        self.engine = engine
        self.centre = centre

    @classmethod
    def paper(cls, shared_rank: int = 3, unique_rank: Any = 3, max_iter: int = 1000) -> Self:
        """The constants of the published comparison: mu = 100, lambda = 0.01, nothing taken out."""
        return cls(shared_rank, unique_rank, mu=100.0, sparsity=0.01, max_iter=max_iter, tol=0.0, centre=False)

    def fit(self, S: Any, y: None = None) -> Self:
        """Fit to all sources; what is missing counts as an error of unknown size around 0."""
        from halfseen.methods.comparisons.joint_sweeps import RobustSource, RobustSplitting

        for name, low in (("mu", 1e-12), ("sparsity", 0.0)):
            at_least(name, getattr(self, name), low)
        sources, tables, _, ranks = self._filled(S)
        # thresholds are in units of the largest singular value, which is 1 in the published designs
        unit = max(float(np.linalg.norm(table, 2)) for table in tables) if self.centre else 1.0
        unit = unit if unit > 0 else 1.0
        tables = [table / unit for table in tables]
        sweep = RobustSplitting(tables, self.shared_rank, float(self.mu), float(self.sparsity), self._engine)
        zeros = [RobustSource(*(np.zeros_like(table) for _ in range(5))) for table in tables]
        floor = self.tol * sum(float(np.sum(np.square(table))) for table in tables)
        start: Any = np.zeros((sources.n_rows, self.shared_rank)), [], zeros
        run = loop(sweep, start, [SmallValue(floor)] if self.tol else [], max_iter=self.max_iter)
        shared, loadings, found = run.params
        own = [
            Placed(unit * V, *low_rank(unit * one.own, rank))
            for V, one, rank in zip(loadings, found, ranks, strict=True)
        ]
        self.errors_ = {name: unit * one.errors for name, one in zip(sources.names, found, strict=True)}
        return self._end(sources, Parts(shared, tuple(own)), run)
