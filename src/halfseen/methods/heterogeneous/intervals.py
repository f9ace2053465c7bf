r"""How far the shared basis may be off: groups of columns, or whole sources, are left out and the sweeps go on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, RandomState, as_generator
from halfseen.data import Sources, as_sources
from halfseen.engines import Serial, resolve
from halfseen.inference.grouped import GroupedInfluence, SubspaceError
from halfseen.inference.intervals import Intervals
from halfseen.linalg.align import procrustes
from halfseen.many import Parts, Placed
from halfseen.many.estimator import centred
from halfseen.methods.heterogeneous.alternating import ExactBlocks
from halfseen.methods.heterogeneous.blocks import make_block
from halfseen.solvers.loop import SweepResult, loop
from halfseen.solvers.stops import RelativeChange

CLUSTERS = ("columns", "sources")
CLAIMS = {
    "columns": "confidence: the columns of every source are an independent sample, the sources themselves are given; "
    "entries of one column may depend on each other",
    "sources": "confidence: the sources are an independent sample of those there might be",
}
LEAST_GROUPS = {"columns": 10, "sources": 8}
# A refit ends when a sweep moves its basis by less than this share of how far it is from the fit's.
CLOSE = 0.003
SETTLED = 1e-13
MOST_SWEEPS = 500
# A fit that its own sweeps still move by this share of a standard error is not at its end.
LARGEST_MOVE = 0.1
ANGLE_DRAWS = 500


@dataclass
class BasisSettled:
    """Stop when a sweep moves the shared space by little, compared with its distance from where it began."""

    begin: FloatArray
    _last: FloatArray | None = None

    def __call__(self, iteration: int, result: SweepResult) -> str | None:
        basis = np.linalg.qr(result.params.shared_basis)[0]
        last, self._last = self._last, basis
        if last is None:
            return None
        moved, away = apart(basis, last), apart(basis, self.begin)
        return "change" if moved <= CLOSE * away or moved <= SETTLED else None


def apart(basis: FloatArray, other: FloatArray) -> float:
    """Norm of what of an orthonormal basis lies outside the span of another."""
    return float(np.linalg.norm(basis - other @ (other.T @ basis)))


@dataclass(frozen=True)
class SharedBasisInference:
    r"""Uncertainty of the shared basis; made by the method ``inference`` of `HeterogeneousFactorization`.

    Leaving group g of the columns (or a source) out and letting the sweeps go on gives :math:`U_{(-g)}`. What the group
    did to the shared space is

    .. math:: \Delta_g = \tfrac{G - 1}{G}\bigl(\bar U - U_{(-g)} Q_g\bigr),

    each basis turned by :math:`Q_g` towards the fit's, and the covariance is
    :math:`\frac{G}{G-1}\sum_g\Delta_g\Delta_g^\top`, the delete-group jackknife.

    Attributes
    ----------
    basis : ndarray (n, r1)
        The fitted shared basis.
    level : float
    clusters : {"columns", "sources"}
    influence : GroupedInfluence
        Moves (G, n, r1).

    Notes
    -----
    What is not covered: noise whose size differs much between rows pulls every shared space of this kind towards the
    loud rows, and more columns do not help. Measured with six sources of 30 rows, 60 columns each, 70 % seen, nominal
    95 %: .94 to .97 with equal noise, half the noise shared by neighbouring rows, or four times the noise; .92 with row
    noise of log-sd 1, and .70 of the same with 300 columns. A penalty's bias is not counted either.

    Source: Shao and Wu (1989), "A general theory for jackknife variance estimation", for the delete-group jackknife.
    """

    basis: FloatArray = field(repr=False)
    level: float
    clusters: str
    influence: GroupedInfluence = field(repr=False)
    row_labels: Any = field(repr=False)
    seed: int = field(default=0, repr=False)

    def shared_basis(self) -> Intervals:
        """Intervals of the entries of the shared basis (n, r1).

        They hold for the true shared space in the basis that lies closest to the fitted one: which directions of that
        space are called first and second is a convention and not counted as an error.
        """
        n, r = self.basis.shape
        rows = np.arange(n) if self.row_labels is None else self.row_labels
        labels = {"row": np.asarray(rows)[:, None], "factor": np.arange(1, r + 1)[None, :]}
        return Intervals.symmetric(
            "shared basis", self.basis, self.influence.se(self.influence.moves), self.level, labels,
            claim=CLAIMS[self.clusters], quantile=self.influence.quantile(self.level),
        )  # fmt: skip

    def shared_space(self) -> SubspaceError:
        """Angles between the fitted shared space and the true one."""
        return self.influence.subspace_error(self.basis, self.level, ANGLE_DRAWS, np.random.default_rng(self.seed))


def infer(
    model: Any, S: Any, level: float, clusters: str, groups: int, random_state: RandomState
) -> SharedBasisInference:
    """Leave out one group after the other; see `HeterogeneousFactorization.inference`."""
    sources = checked(model, S, level, clusters, groups)
    if any(means.any() for means in model.intercepts_.values()):
        sources = Sources({name: centred(table, model.intercepts_[name]) for name, table in sources.items()})
    rng, engine = as_generator(random_state), resolve(model.engine)
    own = tuple(as_double(model._parts(name)) for name in sources.names)
    begin = Parts(model.shared_basis_.astype(float), own)
    left_out = groups_of(sources, clusters, groups, rng)

    def refit(out: Any) -> FloatArray:
        basis = settled(model, *without(sources, begin, out), begin.shared_basis)
        return basis @ procrustes(basis, begin.shared_basis)

    here = refit(None)
    bases = np.stack(list(engine.map(refit, left_out)))
    moves = (bases.mean(axis=0) - bases) * ((len(bases) - 1.0) / len(bases))
    influence = GroupedInfluence(moves)
    se = influence.se(moves)
    if apart(here, begin.shared_basis) > LARGEST_MOVE * np.linalg.norm(se) + 1e-7:
        raise ValueError(
            "the fit is not at its end: further sweeps still move the shared basis by a visible share of its standard "
            "error. Give a smaller tol or a larger max_iter, and the data of the fit."
        )
    seed = int(rng.integers(2**31))
    return SharedBasisInference(begin.shared_basis, float(level), clusters, influence, model.row_labels_, seed)


def checked(model: Any, S: Any, level: float, clusters: str, groups: int) -> Sources:
    """The sources of the fit, and arguments that make sense."""
    if not 0 < level < 1:
        raise ValueError(f"level={level!r} must lie between 0 and 1, such as 0.95")
    if clusters not in CLUSTERS:
        raise ValueError(f"clusters must be one of {', '.join(map(repr, CLUSTERS))}; got {clusters!r}")
    sources = model._seen.sources() if S is None else as_sources(S)
    if sources is None:
        raise ValueError(
            "this model does not carry its sources (files and copies leave them out); give them again: inference(S=S)"
        )
    known = {name: (model.n_rows_, len(model.shared_loadings_[name])) for name in model.source_names_}
    if sources.names != model.source_names_ or any(sources[name].shape != known[name] for name in known):
        raise ValueError(f"S must hold the sources of the fit, {', '.join(map(str, known))}, in their shapes")
    if not model.shared_basis_.shape[1]:
        raise ValueError("shared_rank is 0: there is no shared basis to state intervals of")
    if clusters == "sources":
        if len(sources) < LEAST_GROUPS["sources"]:
            raise ValueError(
                f"clusters='sources' needs at least {LEAST_GROUPS['sources']} sources, and there are {len(sources)}; "
                "use clusters='columns', which takes the sources as given"
            )
        return sources
    least, narrow = LEAST_GROUPS["columns"], min(table.shape[1] for table in sources.values())
    if isinstance(groups, bool) or not isinstance(groups, int | np.integer) or groups < least:
        raise ValueError(f"groups must be a whole number of at least {least}; got {groups!r}")
    if narrow < least:
        raise ValueError(f"a source has {narrow} columns; leaving groups of them out needs at least {least}")
    return sources


def settled(model: Any, sources: Sources, start: Parts, begin: FloatArray) -> FloatArray:
    """Orthonormal shared basis after further sweeps."""
    weights = getattr(model, "weights_", {})  # a model of an older version has none
    blocks = tuple(make_block(table, model.loss_, weights.get(name, 1.0)) for name, table in sources.items())
    sweep = ExactBlocks(blocks, Serial(), float(model.penalty))
    run = loop(sweep, start, [BasisSettled(begin), RelativeChange(1e-15, 2)], max_iter=MOST_SWEEPS)
    return np.linalg.qr(run.params.shared_basis)[0]


def groups_of(sources: Sources, clusters: str, n_groups: int, rng: np.random.Generator) -> list[Any]:
    """What is left out in each refit: a source's place, or columns of every source."""
    if clusters == "sources":
        return list(range(len(sources)))
    codes, begin = [], 0
    for table in sources.values():  # dealt out in turn, so that groups are as equal as they can be
        p = table.shape[1]
        codes.append(rng.permutation((begin + np.arange(p)) % n_groups))
        begin += p
    return [[np.flatnonzero(code == g) for code in codes] for g in range(n_groups)]


def without(sources: Sources, parts: Parts, out: Any) -> tuple[Sources, Parts]:
    """Sources and parts without a source, or without some columns of each."""
    if out is None:
        return sources, parts
    items = list(zip(sources.items(), parts.own, strict=True))
    if isinstance(out, int):
        items = items[:out] + items[out + 1 :]
        left = Sources({name: table for (name, table), _ in items})
        return left, Parts(parts.shared_basis, tuple(placed for _, placed in items))
    tables, own = {}, []
    for ((name, table), placed), gone in zip(items, out, strict=True):
        keep = np.setdiff1d(np.arange(table.shape[1]), gone)
        tables[name] = table.T.take_rows(keep).T
        own.append(Placed(placed.shared_loadings[keep], placed.unique_basis, placed.unique_loadings[keep]))
    return Sources(tables), Parts(parts.shared_basis, tuple(own))


def as_double(placed: Placed) -> Placed:
    """The parts in double precision."""
    return Placed(
        *(part.astype(float) for part in (placed.shared_loadings, placed.unique_basis, placed.unique_loadings))
    )
