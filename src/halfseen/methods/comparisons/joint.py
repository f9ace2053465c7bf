"""What the estimators of joint and individual variation share: filled tables, ranks, the end of a fit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from halfseen._typing import FloatArray, as_generator
from halfseen.data import Sources
from halfseen.engines import resolve
from halfseen.linalg.subspace import without
from halfseen.losses import get_loss
from halfseen.many import Parts, Placed, SourcesEstimator, in_gauge
from halfseen.many.estimator import centred, column_means, seen_mask
from halfseen.parameters import ENGINE, RANDOM_STATE, RANK, ByName, Flag, Number, Table, Whole
from halfseen.select.source_ranks import SourceRanks, settled_source_ranks
from halfseen.solvers.loop import Run

Tables = list[Any]
# Of the candidates of "auto" ranks: their losses then are right to four digits.
QUICK_TOL = 1e-5


def low_rank(table: FloatArray, rank: int) -> tuple[FloatArray, FloatArray]:
    """Left singular vectors (n, rank) and the matching loadings (p, rank) of the nearest table of this rank."""
    U, s, Vt = np.linalg.svd(table, full_matrices=False)
    return U[:, :rank], Vt[:rank].T * s[:rank]


class FilledTables(NamedTuple):
    """Sources as whole tables.

    Attributes
    ----------
    settings : SimpleNamespace
        The checked parameters; ``shared_rank`` is a number, ``engine`` an Engine, ``random_state`` a Generator.
    sources : Sources
    tables : list of ndarray (n, p)
        Zeros for what is missing.
    masks : list of bool arrays (n, p)
        What was seen.
    ranks : list of int
        The unique rank of every source.
    """

    settings: SimpleNamespace
    sources: Sources
    tables: Tables
    masks: Tables
    ranks: list[int]


class JointModel(SourcesEstimator):
    """An estimator over whole tables: missing entries are filled, with zeros or by the fit itself."""

    shared_rank: int | str
    unique_rank: Any
    random_state: Any
    shared_rank_: int
    unique_rank_: dict[str, int]
    rank_search_: SourceRanks | None

    # What all of them have; each adds its own.
    _parameters: ClassVar[Table] = {
        "shared_rank": RANK,
        "unique_rank": RANK | ByName(Whole(0)),
        "max_iter": Whole(1),
        "tol": Number(0),
        "random_state": RANDOM_STATE,
        "engine": ENGINE,
        "centre": Flag(),
    }

    def _filled(self, S: Any) -> FilledTables:
        """The sources at the edge, with ranks that they can hold.

        With ``centre`` the tables are those about the means of the seen cells of every column.
        """
        settings = self._checked()
        sources = self._observe_sources(S)
        self.loss_ = get_loss("gaussian")
        settings.random_state, settings.engine = as_generator(settings.random_state), resolve(settings.engine)
        # candidates only have to be told apart
        quick = {name: max(value, QUICK_TOL) for name, value in vars(settings).items() if name == "tol"}
        self.shared_rank_, self.unique_rank_, self.rank_search_ = settled_source_ranks(
            self, sources, settings.random_state, **quick
        )
        settings.shared_rank = self.shared_rank_
        masks = [seen_mask(table) for table in sources.values()]
        means = {
            name: column_means(table) if settings.centre else np.zeros(table.shape[1])
            for name, table in sources.items()
        }
        rest = [centred(table, means[name]) for name, table in sources.items()]
        tables = [np.nan_to_num(table.to_dense()) for table in rest]
        self._means = means
        return FilledTables(settings, sources, tables, masks, [self.unique_rank_[name] for name in sources.names])

    def _end(self, sources: Sources, parts: Parts, run: Run | None, is_gauged: bool = True) -> Self:
        """Attributes, and a warning where the sweeps did not settle."""
        self._keep(sources, in_gauge(parts.shared_basis, parts.own) if is_gauged else parts, self._means)
        del self._means
        if run is not None:
            self.run_, self.n_iter_ = run.record(), run.n_iter
            if run.reason in ("max_iter", "not_finite"):
                self._warn(
                    f"{type(self).__name__} ended after {run.n_iter} sweeps with reason {run.reason!r}; "
                    "raise max_iter or tol",
                    ConvergenceWarning,
                )
        return self


def own_parts(tables: Tables, shared: FloatArray, ranks: list[int], engine: Any) -> Parts:
    """Loadings on a given orthonormal shared basis, and the leading rest of each table."""

    def of_table(item: tuple[FloatArray, int]) -> Placed:
        table, rank = item
        basis, loadings = low_rank(without(table, shared), rank)
        return Placed(table.T @ shared, basis, loadings)

    return Parts(shared, tuple(engine.map(of_table, zip(tables, ranks, strict=True))))
