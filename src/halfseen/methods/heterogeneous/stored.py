"""Sources that are prepared tables: each is opened where it is computed, and never leaves that place.

What travels in a sweep are the shared rows, ``n r`` numbers a source there and ``n r (r + 1)`` back, and the source's
own factors.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, Labels, as_generator
from halfseen.data import Observed, PreparedTable, Sources, check_support
from halfseen.engines import Engine
from halfseen.losses import Loss, get_loss, is_one_for_all, is_quadratic
from halfseen.many import Placed, in_gauge
from halfseen.many.estimator import centred, column_means
from halfseen.methods.heterogeneous.blocks import SourceBlock, make_block
from halfseen.methods.heterogeneous.checks import check_weights, warn_about
from halfseen.methods.heterogeneous.fitting import fit_parts
from halfseen.methods.heterogeneous.options import ranks_of
from halfseen.parameters import BadArgument

WAY_OUT = "give {name: table.load()} if the sources fit into memory"

# Sources that are open in this process, last used last.
_OPEN: OrderedDict[tuple[Any, ...], tuple[SourceBlock, FloatArray]] = OrderedDict()
_LOCK = threading.Lock()


@lru_cache(maxsize=8)
def labels_of_all(folders: tuple[str, ...]) -> Labels:
    """Labels of the rows of all sources, sorted, each once."""
    labels: list[Labels] = []
    for folder in folders:
        table = PreparedTable(folder)
        labels += [table.row_labels(number) for number in range(table.n_blocks)]
    return np.unique(np.concatenate(labels))


class StoredSource:
    """A source that lies in a folder: a `SourceBlock` that is opened when it is asked something first.

    Parameters
    ----------
    table : PreparedTable
        The source.
    folders : tuple of str
        Of all sources: their rows together are the rows of each.
    loss : Loss
    weight : float
    is_centred : bool
        Whether columns are taken about their means.
    """

    def __init__(
        self, table: PreparedTable, folders: tuple[str, ...], loss: Loss, weight: float = 1.0, is_centred: bool = False
    ) -> None:
        self.table, self.folders, self.loss = table, folders, loss
        self.weight, self.is_centred, self.is_quadratic = weight, is_centred, is_quadratic(loss)

    @property
    def shape(self) -> tuple[int, int]:
        return len(labels_of_all(self.folders)), self.table.shape[1]

    @property
    def n_entries(self) -> int:
        return self.table.n_entries

    @property
    def dtype(self) -> np.dtype:
        return self.table.dtype

    @property
    def density(self) -> float:
        """Share of the cells that were seen."""
        return self.n_entries / max(self.shape[0] * self.shape[1], 1)

    def observed(self) -> Observed:
        """The source in memory, with the rows of all sources."""
        labels = labels_of_all(self.folders)
        like = Observed.from_triplets([0], [0], [0.0], shape=(len(labels), 1), row_labels=labels)
        return Sources({"rows": like, "own": self.table.load()}, rows="union")["own"]

    def _opened(self) -> tuple[SourceBlock, FloatArray]:
        """The source's block, and the means that were taken out; blocks stay open as far as memory allows."""
        key = (self.table.folder, self.table.facts.checksums, self.table.fold, self.folders, self.weight,
               self.is_centred, self.loss.name)  # fmt: skip
        with _LOCK:
            known = _OPEN.get(key)
            if known is not None:
                _OPEN.move_to_end(key)
                return known
        observed = self.observed()
        check_support(observed, self.loss, "family")
        means = column_means(observed) if self.is_centred else np.zeros(observed.shape[1])
        rest = centred(observed, means).astype(observed.dtype) if means.any() else observed
        opened = make_block(rest, self.loss, self.weight), means
        with _LOCK:
            _OPEN[key] = opened
            held = [PreparedTable(each[0]).n_entries for each in _OPEN]
            # two views of the entries: values and places, by rows and by columns
            excess = sum(held) * 2 * (4 + self.dtype.itemsize) - self.table.memory
            for size in held[:-1]:
                if excess <= 0:
                    break
                _OPEN.popitem(last=False)
                excess -= size * 2 * (4 + self.dtype.itemsize)
        return opened

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredSource, (self.table, self.folders, self.loss, self.weight, self.is_centred)

    @property
    def means(self) -> FloatArray:
        """Of the columns, as they were taken out."""
        return self._opened()[1]

    def value(self, U: FloatArray, V: FloatArray) -> float:
        return self._opened()[0].value(U, V)

    def gradients(self, U: FloatArray, V: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        return self._opened()[0].gradients(U, V)

    def row_systems(self, U: FloatArray, V: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self._opened()[0].row_systems(U, V)

    def solve_columns(self, U: FloatArray, V: FloatArray, penalty: float) -> tuple[FloatArray, float]:
        return self._opened()[0].solve_columns(U, V, penalty)

    def leading(
        self, rank: int, rng: np.random.Generator, fit: tuple[FloatArray, FloatArray] | None = None
    ) -> tuple[FloatArray, FloatArray]:
        return self._opened()[0].leading(rank, rng, fit)


class StoredSources(Mapping[str, StoredSource]):
    """Named prepared tables over the same rows, those of all of them together."""

    def __init__(self, tables: Mapping[str, PreparedTable], loss: Loss, weights: Any, is_centred: bool) -> None:
        self.names = [str(name) for name in tables]
        own = check_weights(weights, self.names)
        folders = tuple(table.folder for table in tables.values())
        self._sources = {
            name: StoredSource(table, folders, loss, weight, is_centred)
            for name, table, weight in zip(self.names, tables.values(), own, strict=True)
        }
        self.row_labels = labels_of_all(folders)
        self.n_rows = len(self.row_labels)

    def __getitem__(self, name: str) -> StoredSource:
        return self._sources[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)


def are_stored(S: Any) -> bool:
    """Whether some of the sources are prepared tables."""
    return isinstance(S, Mapping) and any(isinstance(S[name], PreparedTable) for name in S)


def fit_stored(model: Any, S: Mapping[str, Any], settings: SimpleNamespace, weights: Any, engine: Engine) -> None:
    """The paper's estimator on prepared tables, one source wherever the engine has it.

    Raises
    ------
    BadArgument
        For what needs the sources in memory.
    ValueError
        For sources of which only some are prepared.
    """
    other = next((str(name) for name in S if not isinstance(S[name], PreparedTable)), None)
    if other is not None:
        raise ValueError(f"source {other!r} is a table in memory and others are prepared; prepare all, or load all")
    if settings.solver == "bayes":
        raise BadArgument("solver", model.solver, "'als', 'gd' or 'scaled-gd' for prepared tables", WAY_OUT)
    for name in ("shared_rank", "unique_rank"):
        if isinstance(getattr(settings, name), str):
            raise BadArgument(name, getattr(settings, name), "whole numbers for prepared tables", WAY_OUT)
    loss = get_loss(settings.family, is_one_for_all, type(model).__name__)
    sources = StoredSources(S, loss, weights, bool(settings.centre) and is_quadratic(loss))
    model.loss_, model.source_names_, model._seen = loss, sources.names, model._nothing_seen()
    model.n_rows_, model.row_labels_ = sources.n_rows, sources.row_labels
    model.col_labels_ = {str(name): table.col_labels for name, table in S.items()}
    model.n_features_in_ = sum(table.shape[1] for table in S.values())
    model.weights_ = {name: source.weight for name, source in sources.items()}
    model.shared_rank_, model.unique_rank_, model.rank_search_ = ranks_of(model, settings, sources)  # type: ignore[arg-type]
    blocks: Any = tuple(sources.values())
    means = dict(zip(sources.names, engine.map(means_of, blocks), strict=True))
    ranks = model.shared_rank_, tuple(model.unique_rank_.values())
    fit = fit_parts(blocks, ranks, settings, engine, as_generator(settings.random_state))
    parts = in_gauge(fit.parts.shared_basis, fit.parts.own)
    single = all(table.dtype == np.float32 for table in S.values())
    model._keep_parts(sources.names, parts, means, np.dtype(np.float32 if single else np.float64))
    shared = model.shared_basis_
    own = [(source, shared, model._parts(name)) for name, source in sources.items()]
    model.shares_ = dict(zip(sources.names, engine.map(shares_of, own), strict=True))
    model.restarted_ = [sources.names[place] for place in fit.restarted]
    model.run_, model.n_iter_ = fit.run.record(), fit.run.n_iter
    warn_about(model, sources)  # type: ignore[arg-type]


def means_of(source: StoredSource) -> FloatArray:
    """Means of a source's columns, computed where it is."""
    return source.means


def shares_of(item: tuple[StoredSource, FloatArray, Placed]) -> dict[str, float]:
    """Shares of the sum of squares about the means: shared, unique, residual; by values of the squared loss."""
    source, shared, placed = item
    plain: Any = StoredSource(source.table, source.folders, get_loss("gaussian"), 1.0, source.is_centred)
    nothing = np.zeros((source.shape[0], 1)), np.zeros((source.shape[1], 1))
    total = plain.value(*nothing) or 1.0
    both = np.hstack([shared, placed.unique_basis]), np.hstack([placed.shared_loadings, placed.unique_loadings])
    left = [plain.value(*(np.asarray(part, float) for part in pair)) / total
            for pair in ((shared, placed.shared_loadings), both)]  # fmt: skip
    return {"shared": 1.0 - left[0], "unique": left[0] - left[1], "residual": left[1]}
