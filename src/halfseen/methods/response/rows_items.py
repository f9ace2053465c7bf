"""Where the parameters and the classes of all items stand: tables of log-probabilities over nodes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from halfseen._typing import FloatArray, IntArray
from halfseen.data.storable import storable
from halfseen.kernels import Derivatives
from halfseen.methods.response import rows_kinds as kinds


@dataclass(frozen=True)
class Family:
    """Items of one formula and number of classes, whose numbers form rectangular tables.

    Attributes
    ----------
    items : int ndarray (J,)
    lines : int ndarray (J, K)
        Of their classes.
    params : int ndarray (J, D + q)
        Of their parameters.
    derivatives : int ndarray (J, K, D + q)
        Lines of the table of derivatives.
    """

    formula: str
    n_classes: int
    items: IntArray
    lines: IntArray
    params: IntArray
    derivatives: IntArray


@storable
@dataclass(frozen=True)
class ItemLayout:
    """Kinds and numbers of classes of the items, and so where each one's numbers stand in the long vectors.

    Attributes
    ----------
    formulas : tuple of str
        2pl, 3pl, grm or gpcm, one per item.
    classes : int ndarray (p,)
    dimensions : int
        Of the ability.

    Examples
    --------
    >>> layout = ItemLayout(("2pl", "grm"), np.array([2, 4]), 1)
    >>> layout.n_lines, layout.n_params, layout.first_param.tolist()
    (6, 6, [0, 2])
    """

    formulas: tuple[str, ...]
    classes: IntArray
    dimensions: int = 1

    @property
    def n_items(self) -> int:
        return len(self.formulas)

    @cached_property
    def sizes(self) -> IntArray:
        """Numbers of parameters of the items."""
        rest = [kinds.n_rest(f, int(k)) for f, k in zip(self.formulas, self.classes, strict=True)]
        return self.dimensions + np.array(rest, dtype=np.int64)

    @cached_property
    def first_param(self) -> IntArray:
        return np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(np.int64)

    @cached_property
    def first_line(self) -> IntArray:
        return np.concatenate([[0], np.cumsum(self.classes)[:-1]]).astype(np.int32)

    @property
    def n_params(self) -> int:
        return int(self.sizes.sum())

    @property
    def n_lines(self) -> int:
        return int(self.classes.sum())

    @cached_property
    def item_of_param(self) -> IntArray:
        return np.repeat(np.arange(self.n_items), self.sizes)

    @cached_property
    def slopes(self) -> IntArray:
        """Places (p, D) of the slopes."""
        return self.first_param[:, None] + np.arange(self.dimensions)

    @cached_property
    def families(self) -> list[Family]:
        members: dict[tuple[str, int], list[int]] = {}
        for item, key in enumerate(zip(self.formulas, self.classes.tolist(), strict=True)):
            members.setdefault(key, []).append(item)
        starts = np.concatenate([[0], np.cumsum(self.sizes * self.classes)[:-1]])
        out = []
        for (formula, K), items in members.items():
            j = np.array(items)
            q = int(self.sizes[j[0]])
            places = starts[j][:, None, None] + q * np.arange(K)[:, None] + np.arange(q)
            lines = self.first_line[j][:, None] + np.arange(K)
            out.append(Family(formula, K, j, lines, self.first_param[j][:, None] + np.arange(q), places))
        return out

    def split(self, family: Family, params: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Slopes (J, D) and other numbers (J, q) of a family's items."""
        own = params[family.params]
        return own[:, : self.dimensions], own[:, self.dimensions :]

    def table(self, params: FloatArray, nodes: FloatArray) -> FloatArray:
        """Log-probabilities (n_lines, G) at ``nodes`` (G, D)."""
        out = np.empty((self.n_lines, len(nodes)))
        for family in self.families:
            a, rest = self.split(family, params)
            out[family.lines] = kinds.log_chances(family.formula, family.n_classes, a @ nodes.T, rest)
        return out

    def slopes_table(self, params: FloatArray, nodes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Log-probabilities (n_lines, G) and their derivatives with respect to each item's ``<a, x>``."""
        out = np.empty((2, self.n_lines, len(nodes)))
        for family in self.families:
            a, rest = self.split(family, params)
            at = kinds.curves(family.formula, family.n_classes, a @ nodes.T, rest)
            out[0][family.lines], out[1][family.lines] = at.log, at.slope
        return out[0], out[1]

    def derivatives(self, params: FloatArray, nodes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Log-probabilities (n_lines, G) and their derivatives (n_derivatives, G) with respect to the parameters."""
        G, D = nodes.shape
        log = np.empty((self.n_lines, G))
        out = np.empty((int((self.sizes * self.classes).sum()), G))
        for family in self.families:
            a, rest = self.split(family, params)
            at = kinds.curves(family.formula, family.n_classes, a @ nodes.T, rest)
            log[family.lines] = at.log
            out[family.derivatives[:, :, :D]] = at.slope[:, :, None, :] * nodes.T
            out[family.derivatives[:, :, D:]] = at.rest
        return log, out

    def derivative_places(self, table: FloatArray) -> Derivatives:
        """The table of derivatives as the kernels read it."""
        count = np.repeat(self.sizes, self.classes)
        first = np.concatenate([[0], np.cumsum(count)[:-1]])
        target = np.repeat(self.first_param, self.classes)
        return Derivatives(table, *(part.astype(np.int32) for part in (first, count, target)))

    def gradient(self, counts: FloatArray, derivatives: FloatArray) -> FloatArray:
        """Gradient (n_params,) of the log-likelihood from expected counts (n_lines, G)."""
        out = np.empty(self.n_params)
        for family in self.families:
            # sum over classes k and nodes g of counts[j, k, g] derivatives[j, k, q, g]
            expected, D = counts[family.lines], derivatives[family.derivatives]
            out[family.params] = np.matmul(D, expected[:, :, :, None]).sum(axis=1)[:, :, 0]
        return out

    def complete_blocks(self, counts: FloatArray, log: FloatArray, derivatives: FloatArray) -> list[FloatArray]:
        """Expected information of the complete data: per family, a matrix of each item (J, D + q, D + q)."""
        out = []
        for family in self.families:
            weight = counts[family.lines].sum(axis=1)[:, None] * np.exp(log[family.lines])
            D = derivatives[family.derivatives].transpose(0, 2, 1, 3)  # (J, q, K, G)
            flat = (*D.shape[:2], -1)
            out.append((D * weight[:, None]).reshape(flat) @ D.reshape(flat).transpose(0, 2, 1))
        return out

    def assemble(self, blocks: list[FloatArray], size: int, is_dense: bool = False) -> Any:
        """The blocks as one matrix (size, size), sparse where not asked for otherwise."""
        if is_dense:
            full = np.zeros((size, size))
            for family, own in zip(self.families, blocks, strict=True):
                full[family.params[:, :, None], family.params[:, None, :]] = own
            return full
        rows, cols, values = [], [], []
        for family, own in zip(self.families, blocks, strict=True):
            rows.append(np.broadcast_to(family.params[:, :, None], own.shape).ravel())
            cols.append(np.broadcast_to(family.params[:, None, :], own.shape).ravel())
            values.append(own.ravel())
        places = (np.concatenate(rows), np.concatenate(cols))
        return sparse.csr_array((np.concatenate(values), places), shape=(size, size))

    def start(self, shares: list[FloatArray], guess: float) -> FloatArray:
        """First guess of all parameters from the shares of the items' classes."""
        parts = [kinds.start(f, s, self.dimensions, guess) for f, s in zip(self.formulas, shares, strict=True)]
        return np.concatenate(parts)
