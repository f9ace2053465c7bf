"""Comparisons that look for common directions first: personalized PCA, COBE, and two SVDs."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from halfseen._typing import RandomState
from halfseen.engines import Engine
from halfseen.linalg.subspace import joint_basis, orthonormal, without
from halfseen.methods.comparisons.joint import JointModel, Tables, low_rank, own_parts
from halfseen.methods.comparisons.joint_sweeps import CommonRounds, PersonalRounds
from halfseen.parameters import Number, Table, Word
from halfseen.solvers.checkpoint import resumable
from halfseen.solvers.loop import Stop, loop
from halfseen.solvers.stops import RelativeChange, SmallValue


class PersonalizedPCA(JointModel):
    r"""Personalized principal components: shared and unique principal directions of many covariances.

    .. math:: \max \sum_i \operatorname{tr} U_g^\top S_{(i)} U_g + \operatorname{tr} U_{(i)}^\top S_{(i)} U_{(i)}
              \quad\text{such that } [U_g\ U_{(i)}] \text{ is orthonormal},\qquad S_{(i)} = M_{(i)} M_{(i)}^\top

    by distributed gradient steps on the Stiefel manifold. Missing entries count as zeros.

    Parameters
    ----------
    shared_rank : int or "auto", default=3
        Cut to what all tables can hold. "auto" takes the ranks that predict held-out entries best.
    unique_rank : int, mapping from source name to int, or "auto", default=3
        Cut to what is left of each table's shorter side.
    step : "auto" or float, default="auto"
        "auto" is a tenth of one over the largest eigenvalue of all covariances.
    max_iter : int, default=2000
    tol : float, default=1e-12
        Stop when the explained sum of squares changes by less than this share of itself.
    random_state : int, Generator or None
        Draws the start.
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
    O(N n^2 k) time per round, O(N n^2) memory. Source: Shi and Kontar (2024), "Personalized PCA: decoupling shared and
    unique features".

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_sources_data(5, 40, 30, 2, 1, design="rotated", random_state=0)
    >>> data.subspace_error(hs.PersonalizedPCA(2, 1, random_state=0, centre=False).fit(data.sources)) < 1e-6
    True
    """

    _parameters: ClassVar[Table] = {**JointModel._parameters, "step": Word("auto") | Number(0, above=True)}

    def __init__(
        self,
        shared_rank: int | str = 3,
        unique_rank: Any = 3,
        *,
        step: str | float = "auto",
        max_iter: int = 2000,
        tol: float = 1e-12,
        random_state: RandomState = None,
        engine: str | Engine | None = None,
        centre: bool = True,
    ) -> None:
        self.shared_rank = shared_rank
        self.unique_rank = unique_rank
        self.step = step
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.engine = engine
        self.centre = centre

    @resumable
    def fit(self, S: Any, y: None = None) -> Self:
        """Fit to all sources."""
        settings, sources, tables, _, ranks = self._filled(S)
        covariances = list(settings.engine.map(lambda table: table @ table.T, tables))
        largest = max(float(np.linalg.norm(covariance, 2)) for covariance in covariances) or 1.0
        step = 0.1 / largest if settings.step == "auto" else float(settings.step)
        rng, n = settings.random_state, sources.n_rows
        shared = orthonormal(rng.standard_normal((n, settings.shared_rank)))
        own = [orthonormal(without(rng.standard_normal((n, rank)), shared)) for rank in ranks]
        rounds = PersonalRounds(covariances, step, settings.engine)
        run = loop(rounds, (shared, own), [RelativeChange(settings.tol, 3)], max_iter=settings.max_iter)
        return self._end(sources, own_parts(tables, run.params[0], ranks, settings.engine), run)


class COBE(JointModel):
    r"""Common orthogonal basis extraction.

    .. math:: \min_{\bar A, Z} \sum_i \|\bar A - Q_{(i)} Z_{(i)}\|_F^2 \quad\text{such that } \bar A^\top\bar A = I

    with :math:`Q_{(i)}` the leading r1 + r2 left singular vectors of a source. The common basis is found by
    alternation; the unique part is the leading rest. Missing entries count as zeros.

    Parameters
    ----------
    shared_rank : int or "auto", default=3
        Cut to what all tables can hold. "auto" takes the ranks that predict held-out entries best.
    unique_rank : int, mapping from source name to int, or "auto", default=3
        Cut to what is left of each table's shorter side.
    max_iter : int, default=1000
    tol : float, default=1e-13
        Stop when the objective changes by less than this share of itself, twice on end.
    random_state : int, Generator or None
        Draws the start.
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
    O(N n (r1 + r2) r1) time per sweep after one SVD per source. The limit is that of :class:`TwoStepSVD`.
    Source: Zhou, Cichocki, Zhang, Mandic (2015), "Group component analysis for multiblock data".

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_sources_data(5, 40, 30, shared_rank=2, unique_rank=1, random_state=0)
    >>> data.subspace_error(hs.COBE(2, 1, random_state=0, centre=False).fit(data.sources)) < 1e-6
    True
    """

    def __init__(
        self,
        shared_rank: int | str = 3,
        unique_rank: Any = 3,
        *,
        max_iter: int = 1000,
        tol: float = 1e-13,
        random_state: RandomState = None,
        engine: str | Engine | None = None,
        centre: bool = True,
    ) -> None:
        self.shared_rank = shared_rank
        self.unique_rank = unique_rank
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.engine = engine
        self.centre = centre

    @resumable
    def fit(self, S: Any, y: None = None) -> Self:
        """Fit to all sources."""
        settings, sources, tables, _, ranks = self._filled(S)
        bases = leading_bases(tables, settings.shared_rank, ranks, settings.engine)
        start = settings.random_state.standard_normal((sources.n_rows, settings.shared_rank))
        # squared distances of this size are the rounding of orthonormal columns
        floor = 1e-26 * len(bases) * settings.shared_rank
        stops: list[Stop] = [SmallValue(floor), RelativeChange(settings.tol, 2)]
        run = loop(CommonRounds(bases, settings.engine), orthonormal(start), stops, max_iter=settings.max_iter)
        return self._end(sources, own_parts(tables, run.params, ranks, settings.engine), run)


def leading_bases(tables: Tables, shared_rank: int, ranks: list[int], engine: Engine) -> Tables:
    """Leading r1 + r2 left singular vectors of every table."""
    return list(engine.map(lambda item: low_rank(item[0], shared_rank + item[1])[0], zip(tables, ranks, strict=True)))


class TwoStepSVD(JointModel):
    r"""Two SVDs: the leading r1 + r2 directions of every source, then those that the sources have most in common.

    The closed form behind AJIVE and two-shot PCA, and the start of :class:`halfseen.HeterogeneousFactorization`; exact
    for complete tables without noise. Missing entries count as zeros.

    Parameters
    ----------
    shared_rank : int or "auto", default=3
        Cut to what all tables can hold. "auto" takes the ranks that predict held-out entries best.
    unique_rank : int, mapping from source name to int, or "auto", default=3
        Cut to what is left of each table's shorter side.
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
    common_shares_ : ndarray
        How much of all sources each direction is in, falling; shared directions are near 1.

    Notes
    -----
    One SVD per source. Source: Feng, Jiang, Hannig, Marron (2018), "Angle-based joint and individual variation
    explained", without its choice of ranks.

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_sources_data(5, 40, 30, shared_rank=2, unique_rank=1, random_state=0)
    >>> data.subspace_error(hs.TwoStepSVD(2, 1, centre=False).fit(data.sources)) < 1e-25
    True
    """

    _parameters: ClassVar[Table] = {
        name: kind for name, kind in JointModel._parameters.items() if name not in ("max_iter", "tol")
    }

    def __init__(
        self,
        shared_rank: int | str = 3,
        unique_rank: Any = 3,
        *,
        random_state: RandomState = None,
        engine: str | Engine | None = None,
        centre: bool = True,
    ) -> None:
        self.shared_rank = shared_rank
        self.unique_rank = unique_rank
        self.random_state = random_state
        self.engine = engine
        self.centre = centre

    @resumable
    def fit(self, S: Any, y: None = None) -> Self:
        """Fit to all sources."""
        settings, sources, tables, _, ranks = self._filled(S)
        bases = leading_bases(tables, settings.shared_rank, ranks, settings.engine)
        shared, self.common_shares_ = joint_basis(bases, settings.shared_rank)
        return self._end(sources, own_parts(tables, shared, ranks, settings.engine), None)
