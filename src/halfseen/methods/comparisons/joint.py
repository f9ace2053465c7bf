"""What the estimators of joint and individual variation share: filled tables, ranks, the end of a fit."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from halfseen._typing import FloatArray
from halfseen.data import Sources
from halfseen.data.arguments import at_least, one_of
from halfseen.engines import resolve
from halfseen.linalg.subspace import without
from halfseen.losses import get_loss
from halfseen.many import Parts, Placed, SourcesEstimator, in_gauge
from halfseen.many.estimator import centred, column_means, seen_mask
from halfseen.solvers.loop import Run

Tables = list[Any]
FILLS = ("zero", "impute")


def ranks_of(unique_rank: Any, names: list[str]) -> list[int]:
    """The unique rank of every source: one number for all, or a mapping from name to number."""
    ranks = [unique_rank.get(name) if hasattr(unique_rank, "get") else unique_rank for name in names]
    for name, rank in zip(names, ranks, strict=True):
        at_least(f"unique_rank of source {name!r}", rank, 0, whole=True)
    return [int(rank) for rank in ranks]


def low_rank(table: FloatArray, rank: int) -> tuple[FloatArray, FloatArray]:
    """Left singular vectors (n, rank) and the matching loadings (p, rank) of the nearest table of this rank."""
    U, s, Vt = np.linalg.svd(table, full_matrices=False)
    return U[:, :rank], Vt[:rank].T * s[:rank]


class JointModel(SourcesEstimator):
    """An estimator over whole tables: missing entries are filled, with zeros or by the fit itself."""

    shared_rank: int
    unique_rank: Any
    engine: Any
    max_iter: int
    tol: float
    centre: bool

    def _filled(self, S: Any) -> tuple[Sources, Tables, Tables, list[int]]:
        """Sources, tables with zeros for what is missing, masks of what was seen, unique ranks; parameters checked.

        With ``centre`` the tables are those about the means of the seen cells of every column.
        """
        at_least("shared_rank", self.shared_rank, 0, whole=True)
        if hasattr(self, "max_iter"):
            at_least("max_iter", self.max_iter, 1, whole=True)
            at_least("tol", self.tol, 0.0)
        sources = self._observe_sources(S)
        self.loss_ = get_loss("gaussian")
        ranks = ranks_of(self.unique_rank, sources.names)
        for name, rank in zip(sources.names, ranks, strict=True):
            if self.shared_rank + rank > min(sources.n_rows, sources[name].shape[1]):
                raise ValueError(
                    f"shared_rank + unique_rank = {self.shared_rank} + {rank} is more than the shorter side of source "
                    f"{name!r} of shape {sources[name].shape}; lower one of them"
                )
        masks = [seen_mask(table) for table in sources.values()]
        if not isinstance(self.centre, bool | np.bool_):
            raise ValueError(f"centre must be True or False, got {self.centre!r}")
        means = {
            name: column_means(table) if self.centre else np.zeros(table.shape[1]) for name, table in sources.items()
        }
        rest = {name: centred(table, means[name]) for name, table in sources.items()}
        tables = [np.nan_to_num(table.to_dense()) for table in rest.values()]
        self._means = means
        self._engine = resolve(self.engine)
        return sources, tables, masks, ranks

    def _end(self, sources: Sources, parts: Parts, run: Run | None, is_gauged: bool = True) -> Self:
        """Attributes, and a warning where the sweeps did not settle."""
        self._keep(sources, in_gauge(parts.shared_basis, parts.own) if is_gauged else parts, self._means)
        del self._engine, self._means
        if run is not None:
            self.run_, self.n_iter_ = run.record(), run.n_iter
            if run.reason in ("max_iter", "not_finite"):
                warnings.warn(
                    f"{type(self).__name__} ended after {run.n_iter} sweeps with reason {run.reason!r}; "
                    "raise max_iter or tol",
                    ConvergenceWarning, stacklevel=3,
                )  # fmt: skip
        return self


def own_parts(tables: Tables, shared: FloatArray, ranks: list[int], engine: Any) -> Parts:
    """Loadings on a given orthonormal shared basis, and the leading rest of each table."""

    def one(item: tuple[FloatArray, int]) -> Placed:
        table, rank = item
        basis, loadings = low_rank(without(table, shared), rank)
        return Placed(table.T @ shared, basis, loadings)

    return Parts(shared, tuple(engine.map(one, zip(tables, ranks, strict=True))))


def check_fill(missing: str) -> None:
    """Refuse unknown words for what to do with missing entries."""
    one_of("missing", missing, FILLS)
