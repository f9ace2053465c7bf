"""Scores of rows and columns: means over the other side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from halfseen.data import Compressed
from halfseen.inference import Intervals, Span
from halfseen.inference.covariance import packed, packed_blocks, unpacked
from halfseen.inference.draws import Errors
from halfseen.inference.ranks import PairScale, chunks
from halfseen.inference.realised import MOST_CELLS, hidden_sums
from halfseen.losses import Loss, at_columns, members_of
from halfseen.losses.derived import bend, response_range, slope
from halfseen.methods.factor.intervals.covariances import Uncertainty
from halfseen.methods.factor.intervals.view import FactorView
from halfseen.parameters import BadArgument

Array = NDArray[Any]

# Pairwise standard errors of scores are kept as one table: 3000 items take 72 MB.
MOST_PAIRED_SCORES = 3000
ABOUT = ("again", "these")


class ScoreCells(NamedTuple):
    """A block of items: known sums (m,), and of every cell (m, n_others) the expected response, its first and second
    derivatives, the response's variance, and its derivatives by the cuts (m, n_others, s) where there are any.
    """

    known: Array
    mean: Array
    slope: Array
    bend: Array
    noise: Array
    cuts: Array | None


class ScoreTable:
    r"""Mean responses :math:`s_i = \frac1p \sum_j \psi(m_{ij})` of chosen rows over chosen columns, or the reverse.

    .. math:: \mathrm{var}(s_i) = c_i^\top V_i c_i + \sum_j (w_{ij}/p)^2\, \tilde x_i^\top \tilde V_j \tilde x_i,
              \qquad c_i = \frac1p \sum_j w_{ij} y_j,\quad w_{ij} = \psi'(m_{ij})

    With ``has_bends`` the variance of the second-order term :math:`\frac12\delta^\top A_i\delta`,
    :math:`A_i = \frac1p\sum_j \psi''(m_{ij}) y_j y_j^\top`, is added:
    :math:`\frac12\mathrm{tr}(A_i V_i A_i V_i)`. It is all there is where :math:`c_i` is close to 0; without it bands
    over scores held in 80 % of 60 tables (n = p = 400, nominal 95 %), with it in 92 %.

    The realised score takes known responses as they are: the sums go over the others, whose own noise
    :math:`\frac{\phi}{p^2}\sum_j w_{ij}` is added.

    Parameters
    ----------
    uncertainty : Uncertainty
    loss : Loss
    axis : int
        0 for rows, 1 for columns.
    own, other : int arrays
        Positions of the items with scores and of those averaged over.
    seen : Compressed or None
        Known responses, major side the one with scores; None for the mean response.
    has_bends : bool

    Notes
    -----
    O(n p r^2) time in blocks of rows; memory for about a million cells at once.
    """

    def __init__(
        self,
        uncertainty: Uncertainty,
        loss: Loss,
        axis: int,
        own: Array,
        other: Array,
        seen: Compressed | None = None,
        has_bends: bool = True,
    ) -> None:
        self.uncertainty, self.loss, self.axis, self.own, self.other, self.seen = (
            uncertainty,
            loss,
            axis,
            own,
            other,
            seen,
        )
        self.has_bends, self.tilt = has_bends, 0.0
        at = uncertainty.factors
        self._own_blocks, self._other_blocks = (
            (uncertainty.rows, uncertainty.cols) if axis == 0 else (uncertainty.cols, uncertainty.rows)
        )
        # an item's own parameters meet `towards` of the others, the others' parameters its `features`
        self._towards: Array = (at.cols if axis == 0 else uncertainty.features)[other]
        self._features: Array = (uncertainty.features if axis == 0 else at.cols)[own]

    def _cells(self, part: slice) -> ScoreCells:
        """Known sums, expected responses and their derivatives of a block of items; zero where known."""
        at, own = self.uncertainty.factors, self.own[part]
        is_rows = self.axis == 0
        # a tilt is meant for what is hidden: known cells are set to nothing below
        linear = (at.block(own, self.other) if is_rows else at.block(self.other, own)) + self.tilt
        loss: Any = at_columns(self.loss, self.other if is_rows else own)
        parts = [loss.mean(linear), slope(loss, linear), bend(loss, linear), loss.variance(linear)]
        cuts = loss.mean_slopes(linear) if self.uncertainty.cuts is not None else None
        if not is_rows:
            parts = [part.T for part in parts]
            cuts = None if cuts is None else np.swapaxes(cuts, 0, 1)
        known = np.zeros(len(own))
        if self.seen is not None:
            is_seen, values = self._known(own)
            known = values.sum(axis=1)
            parts = [np.where(is_seen, 0.0, part) for part in parts]
            cuts = None if cuts is None else np.where(is_seen[:, :, None], 0.0, cuts)
        mean, change, turn, noise = parts
        return ScoreCells(known, mean, change, turn, noise, cuts)

    def _known(self, own: Array) -> tuple[Array, Array]:
        view = self.seen
        assert view is not None
        where = np.full(view.n_minor, -1, dtype=np.int64)
        where[self.other] = np.arange(len(self.other))
        counts = view.indptr[own + 1] - view.indptr[own]
        line = np.repeat(np.arange(len(own)), counts)
        entry = np.arange(counts.sum()) + np.repeat(view.indptr[own] - np.cumsum(counts) + counts, counts)
        place = where[view.indices[entry]]
        line, entry, place = line[place >= 0], entry[place >= 0], place[place >= 0]
        is_seen, values = np.zeros((len(own), len(self.other)), dtype=bool), np.zeros((len(own), len(self.other)))
        is_seen[line, place], values[line, place] = True, view.values[entry]
        return is_seen, values

    def intervals_parts(self, use_plug_in: bool = False) -> tuple[Array, Array, Array, Array]:
        """Estimates, variances, and the lowest and highest values the score can have."""
        p = len(self.other)
        own_V = self._blocks(self._own_blocks, use_plug_in)[self.own]
        other_V = self._blocks(self._other_blocks, use_plug_in)[self.other]
        is_wild = (~self._other_blocks.is_resolved[self.other]).astype(float)
        estimate, variance = np.empty(len(self.own)), np.empty(len(self.own))
        low, high = np.empty(len(self.own)), np.empty(len(self.own))
        for part in self._parts():
            cells = self._cells(part)
            estimate[part] = (cells.known + cells.mean.sum(axis=1)) / p
            c = self._own_slopes(cells, part)
            variance[part] = np.einsum("mk,mkl,ml->m", c, own_V[part], c)
            variance[part] += self._other_variance(cells, part, other_V)
            variance[part] += 0.0 if use_plug_in else self._bend_variance(cells.bend, own_V[part])
            variance[part] += 0.0 if use_plug_in else self._cut_variance(cells, part)
            variance[part] = np.where(cells.slope @ is_wild > 0, np.inf, variance[part])
            left = np.count_nonzero(cells.noise, axis=1)
            low[part], high[part] = self._extremes(cells, part)
            if self.seen is not None:
                variance[part] += self.uncertainty.dispersion * cells.noise.sum(axis=1) / p**2
            own_ok = self._own_blocks.is_resolved[self.own[part]] | (left == 0)
            variance[part] = np.where(own_ok, variance[part], np.inf)
        return estimate, variance, low, high

    def _parts(self) -> Iterator[slice]:
        width = 4 if self.uncertainty.cuts is None else 4 + 2 * self.uncertainty.cuts.follow.shape[1]
        return chunks(len(self.own), width * len(self.other))

    def _extremes(self, cells: ScoreCells, part: slice) -> tuple[Array, Array]:
        """Lowest and highest values of the scores of a block: what is known, and the ends of what is not."""
        is_open, extremes = cells.noise > 0, []
        for end in response_range(self.loss):
            ends = np.broadcast_to(end, self.uncertainty.factors.intercept.shape)
            each = ends[self.other][None, :] if self.axis == 0 else ends[self.own[part]][:, None]
            extremes.append((cells.known + np.where(is_open, each, 0.0).sum(axis=1)) / len(self.other))
        return extremes[0], extremes[1]

    def _own_slopes(self, cells: ScoreCells, part: slice) -> Array:
        """Derivatives of scores with respect to their own items' parameters, (m, k)."""
        c = cells.slope @ self._towards / len(self.other)
        if self.axis == 1 and cells.cuts is not None and self.uncertainty.cuts is not None:
            total = cells.cuts.sum(axis=1) / len(self.other)
            c = c + np.einsum("ms,msk->mk", total, self.uncertainty.cuts.follow[self.own[part]])
        return np.asarray(c)

    def _other_slopes(self, cells: ScoreCells, part: slice, others: slice = slice(None)) -> Array:
        """Derivatives of scores with respect to the other side's parameters, (m, others, k)."""
        f = cells.slope[:, others, None] * self._features[part][:, None, :]
        if self.axis == 0 and cells.cuts is not None and self.uncertainty.cuts is not None:
            follow = self.uncertainty.cuts.follow[self.other[others]]
            f = f + np.einsum("mjs,jsk->mjk", cells.cuts[:, others], follow)
        return np.asarray(f / len(self.other))

    def _other_variance(self, cells: ScoreCells, part: slice, other_V: Array) -> Array:
        p = len(self.other)
        if self.axis == 0 and cells.cuts is not None:
            f = self._other_slopes(cells, part)
            return np.einsum("mjk,jkl,mjl->m", f, other_V, f, optimize=True)
        q = packed(self._features[part]) @ self._doubled(other_V).T
        return np.einsum("mj,mj->m", cells.slope**2, q) / p**2

    def _cut_variance(self, cells: ScoreCells, part: slice) -> Array:
        """What is left of the cuts' own noise, given the columns' other parameters."""
        if cells.cuts is None or self.uncertainty.cuts is None:
            return np.zeros(len(cells.known))
        V, p = self.uncertainty.cuts.covariance, len(self.other)
        if self.axis == 0:
            d = cells.cuts
            return np.einsum("mjs,jst,mjt->m", d, V[self.other], d, optimize=True) / p**2
        total = cells.cuts.sum(axis=1) / p
        return np.einsum("ms,mst,mt->m", total, V[self.own[part]], total)

    def _bends(self, bend: Array) -> Array:
        """:math:`A_i` of a block of items, (m, k, k)."""
        k = self._towards.shape[1]
        if not self.has_bends:
            return np.zeros((len(bend), k, k))
        return unpacked(bend @ packed(self._towards) / len(self.other), k)

    def _bend_variance(self, bend: Array, V: Array) -> Array:
        """``tr(A V A V) / 2`` of a block of items."""
        AV = self._bends(bend) @ V
        return np.asarray(0.5 * np.einsum("mkl,mlk->m", AV, AV))

    @staticmethod
    def _blocks(blocks: Any, use_plug_in: bool) -> Array:
        return blocks.inverse if use_plug_in else blocks.covariance

    @staticmethod
    def _doubled(V: Array) -> Array:
        """Packed blocks with which ``packed(f) @ . == f' V f``."""
        row, col = np.triu_indices(V.shape[-1])
        return packed_blocks(V) * np.where(row == col, 1.0, 2.0)

    def errors(self, batches: Iterator[Errors]) -> Iterator[Array]:
        """Linearised errors (b, m) of the mean scores from errors of this side and the other."""
        p = len(self.other)
        for batch in batches:
            own, other = batch if self.axis == 0 else batch[::-1]
            out = np.empty((own.shape[0], len(self.own)))
            flat = np.moveaxis(other, 0, 1).reshape(p, -1)
            for part in self._parts():
                cells = self._cells(part)
                c, w = self._own_slopes(cells, part), cells.slope
                through = (w @ flat).reshape(len(w), *other.shape[::2]) / p
                out[:, part] = np.einsum("mk,bmk->bm", c, own[:, part])
                out[:, part] += np.einsum("mk,mbk->bm", self._features[part], through)
                if self.axis == 0 and cells.cuts is not None and self.uncertainty.cuts is not None:
                    moved = np.einsum("jsk,bjk->jsb", self.uncertainty.cuts.follow[self.other], other)
                    out[:, part] += (cells.cuts.reshape(len(w), -1) @ moved.reshape(-1, len(out))).T / p
            yield out

    def deviations(self, batches: Iterator[Errors], use_plug_in: bool = False) -> Iterator[Array]:
        r"""Errors (b, m) of the mean scores over the standard errors they would have shown.

        .. math:: \frac{c_i^\top\delta + \frac12\delta^\top A_i\delta + \dots}
                  {\{(c_i + A_i\delta)^\top V_i (c_i + A_i\delta) + \dots\}^{1/2}}

        The second-order term is kept: where :math:`c_i` is close to 0 it is all there is, and far from normal.
        """
        p = len(self.other)
        own_V, other_V = (
            self._blocks(blocks, use_plug_in)[at]
            for blocks, at in ((self._own_blocks, self.own), (self._other_blocks, self.other))
        )
        for batch in batches:
            own, _ = batch if self.axis == 0 else batch[::-1]
            out = np.empty((own.shape[0], len(self.own)))
            linear = next(self.errors(iter([batch])))
            for part in chunks(len(self.own), max(4 * p, own.shape[0] * own.shape[2])):
                cells, V, d = self._cells(part), own_V[part], own[:, part]
                turned = np.einsum("mkl,bml->bmk", self._bends(cells.bend), d)
                slopes = self._own_slopes(cells, part) + turned
                variance = np.einsum("bmk,mkl,bml->bm", slopes, V, slopes, optimize=True)
                variance += self._other_variance(cells, part, other_V) + self._bend_variance(cells.bend, V)
                variance += self._cut_variance(cells, part)
                errors = linear[:, part] + 0.5 * np.einsum("bmk,bmk->bm", d, turned)
                out[:, part] = np.divide(errors, np.sqrt(variance), out=np.zeros_like(errors), where=variance > 0)
            yield out

    def pair_scale(self, use_plug_in: bool = False) -> PairScale:
        """Standard errors of all differences of scores; columns that two rows share cancel in part."""
        shared = self.joint(use_plug_in)
        diagonal = np.diag(shared)
        se = np.sqrt(np.maximum(diagonal[:, None] + diagonal[None, :] - 2.0 * shared, 0.0))
        wild = ~self._own_blocks.is_resolved[self.own]
        se[wild, :] = se[:, wild] = np.inf
        return lambda rows: se[rows]

    def joint(self, use_plug_in: bool = False) -> Array:
        """Covariance (m, m) of all scores; of realised ones with the noise of the responses not seen."""
        m, p = len(self.own), len(self.other)
        if m > MOST_PAIRED_SCORES:
            raise ValueError(
                f"ranks of {m} scores compare all pairs, which is done for at most {MOST_PAIRED_SCORES} items: "
                "rank a factor instead."
            )
        own_V = self._blocks(self._own_blocks, use_plug_in)[self.own]
        other_V = self._blocks(self._other_blocks, use_plug_in)[self.other]
        shared = np.zeros((m, m))
        root = _roots(other_V)
        for items in self._parts():
            cells = self._cells(items)
            c = self._own_slopes(cells, items)
            own = np.einsum("mk,mkl,ml->m", c, own_V[items], c)
            if not use_plug_in:
                own = own + self._bend_variance(cells.bend, own_V[items])
                own = own + (self._cut_variance(cells, items) if self.axis == 1 else 0.0)
            if self.seen is not None:
                own = own + self.uncertainty.dispersion * cells.noise.sum(axis=1) / p**2
            shared[items, items] += np.diag(own)
        for part in chunks(p, m * (root.shape[-1] + 4)):
            spread = self._spread(part, root[part], use_plug_in)
            shared += spread @ spread.T
        return shared

    def _spread(self, others: slice, root: Array, use_plug_in: bool) -> Array:
        """Scores' dependence on independent standard normal errors of some of the other side's items, (m, ...)."""
        table = ScoreTable(self.uncertainty, self.loss, self.axis, self.own, self.other[others], self.seen)
        every = slice(0, len(self.own))
        cells, share = table._cells(every), len(table.other) / len(self.other)
        # einsum with a copied operand: the same sums as one large product, without the n x p table
        spread = np.einsum("mjk,jkl->mjl", table._other_slopes(cells, every) * share, root).reshape(len(self.own), -1)
        if use_plug_in or self.axis == 1 or cells.cuts is None or self.uncertainty.cuts is None:
            return spread
        loose = _roots(self.uncertainty.cuts.covariance[self.other[others]])
        more = np.einsum("mjs,jst->mjt", cells.cuts / len(self.other), loose).reshape(len(self.own), -1)
        return np.concatenate([spread, more], axis=1)


@dataclass(frozen=True)
class ScoreErrors:
    """Errors of mean scores, their second-order terms kept.

    Attributes
    ----------
    table : ScoreTable
    """

    table: ScoreTable
    is_linear: bool = False

    @property
    def rows(self) -> Array:
        return self.table.own if self.table.axis == 0 else self.table.other

    @property
    def cols(self) -> Array:
        return self.table.other if self.table.axis == 0 else self.table.own

    def deviations(self, errors: Errors, size: str) -> Array:
        """See :class:`halfseen.methods.factor.intervals.draws.FactorErrors`."""
        return next(self.table.deviations(iter([errors]), size == "inverse"))


def score_table(view: FactorView, axis: int, about: str, over: Any, own: Array | None = None) -> ScoreTable:
    """Scores of the chosen items (None: of all) over the chosen columns or rows of the other side."""
    if about not in ABOUT:
        raise BadArgument("about", about, f"one of {', '.join(map(repr, ABOUT))}")
    other = view.names.positions(over, 1 - axis)
    seen = view.passes.view(axis) if about == "these" else None
    items = np.arange(view.names.shape[axis]) if own is None else own
    return ScoreTable(view.uncertainty, view.passes.loss, axis, items, other, seen, view.variance == "second_order")


def scores(view: FactorView, axis: int, about: str, over: Any) -> Intervals:
    """Intervals of the mean responses of all rows or columns."""
    table = score_table(view, axis, about, over)
    estimate, variance, lowest, highest = table.intervals_parts()
    name = _name(about, view)
    labels, reliable, span = view.names.column(axis), view.reliable_means(axis, table.other), Span(lowest, highest)
    errors = ScoreErrors(table) if about == "again" else None
    intervals = view.spanned(name, estimate, np.sqrt(variance), span, labels, reliable, errors)
    if about != "these" or not is_lattice(view.passes.loss):
        return intervals
    low, high = realised_ends(view, table, intervals.low, intervals.high)
    return replace(intervals, low=low, high=high, statement=None)


def _name(about: str, view: FactorView) -> str:
    """What the scores are; on a complete table there is nothing left to be uncertain about."""
    if about == "again":
        return "score"
    n, p = view.names.shape
    is_complete = view.passes.observed.n_entries == n * p
    return "score of exactly these columns (all seen)" if is_complete else "realised score"


def is_lattice(loss: Loss) -> bool:
    """Whether some column's responses are whole numbers, so that sums of few of them are far from normal."""
    return any(hasattr(member, "range") for member, _ in members_of(loss))


def realised_ends(view: FactorView, table: ScoreTable, low: Array, high: Array) -> tuple[Array, Array]:
    """Ends of realised scores by the law of the sum of their hidden responses.

    Items with many hidden cells, and those whose own factor is not resolved, keep the normal interval's ends.
    """
    low, high, p = low.copy(), high.copy(), len(table.other)
    tail = 0.5 * (1.0 - view.level)
    for part in chunks(len(table.own), 8 * p):
        own = table.own[part]
        is_seen, values = table._known(own)
        hidden = ~is_seen
        counts = hidden.sum(axis=1)
        few = np.flatnonzero((counts > 0) & (counts <= MOST_CELLS))
        line, place = np.nonzero(hidden[few])
        i, j = own[few[line]], table.other[place]
        i, j = (i, j) if table.axis == 0 else (j, i)
        se = np.sqrt(view.linear_variance(i, j))
        pointer = np.append(0, np.cumsum(counts[few]))
        ends = hidden_sums(
            view.passes.loss, view.linear(i, j) + table.tilt, se, j, pointer, view.uncertainty.dispersion, tail
        )
        known = values[few].sum(axis=1)
        at = np.arange(part.start, part.stop)[few]
        low[at], high[at] = ((known + end) / p for end in ends)
    return low, high


def _roots(V: Array) -> Array:
    """Factors with ``R R' = V`` of positive semidefinite blocks."""
    values, vectors = np.linalg.eigh(V)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :])
