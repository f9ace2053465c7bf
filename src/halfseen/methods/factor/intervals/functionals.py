"""Differences, and any linear functional of entries, factors and intercepts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen._typing import IntArray
from halfseen.inference import Intervals
from halfseen.inference.draws import Errors
from halfseen.losses import at_columns
from halfseen.losses.derived import slope
from halfseen.methods.factor.intervals.draws import NONE, scaled
from halfseen.methods.factor.intervals.scores import ScoreErrors, score_table
from halfseen.methods.factor.intervals.view import FactorView
from halfseen.parameters import BadArgument

Array = NDArray[Any]


@dataclass(frozen=True)
class FunctionalErrors:
    """Errors of one linear functional.

    Attributes
    ----------
    view : FactorView
    rows, cols : int arrays
        Where its gradient is not zero.
    of_rows, of_cols : ndarray (rows, r), (cols, r + 1)
        The gradient there.
    """

    view: FactorView
    rows: IntArray
    cols: IntArray
    of_rows: Array
    of_cols: Array
    is_linear: bool = True

    def deviations(self, errors: Errors, size: str) -> Array:
        """See :class:`halfseen.methods.factor.intervals.draws.FactorErrors`."""
        moved, variance = np.zeros(len(errors[0])), 0.0
        for axis, which, g in ((0, self.rows, self.of_rows), (1, self.cols, self.of_cols)):
            blocks = self.view.blocks(axis)
            moved = moved + np.einsum("bmk,mk->b", errors[axis], g)
            variance += float(np.einsum("mk,mkl,ml->", g, getattr(blocks, size)[which], g))
            variance = variance if blocks.is_resolved[which].all() else np.inf
        return scaled(moved[:, None], np.sqrt(np.array([variance])))


def contrast(view: FactorView, given: Mapping[str, Any], kind: str) -> Intervals:
    """One interval for a linear functional, from weights by the name of what they belong to."""
    from scipy import sparse

    if kind not in ("linear", "mean"):
        raise BadArgument("kind", kind, "'mean' or 'linear'")
    uncertainty, at = view.uncertainty, view.uncertainty.factors
    (n, p), r = view.names.shape, at.rank
    shapes = {"entries": (n, p), "row_factors": (n, r), "col_factors": (p, r), "intercepts": (p,)}
    given = {name: _weights(name, weights, shapes[name]) for name, weights in given.items() if weights is not None}
    G, G_cols, value, loose = np.zeros((n, r)), np.zeros((p, r + 1)), 0.0, 0.0
    if "entries" in given:
        W = sparse.coo_array(given["entries"])
        m, loss = view.linear(W.row, W.col), at_columns(view.passes.loss, W.col)
        value += float(W.data @ (m if kind == "linear" else loss.mean(m)))
        change = W.data if kind == "linear" else W.data * slope(loss, m)
        S = sparse.csr_array((change, (W.row, W.col)), shape=(n, p))
        G, G_cols = S @ at.cols, S.T @ uncertainty.features
        if kind == "mean" and uncertainty.cuts is not None:
            own = _summed_by(W.col, W.data[:, None] * loss.mean_slopes(m), p)  # type: ignore[attr-defined]
            G_cols += np.einsum("js,jsk->jk", own, uncertainty.cuts.follow)
            loose = float(np.einsum("js,jst,jt->", own, uncertainty.cuts.covariance, own))
    parameters = (("row_factors", G, at.rows), ("col_factors", G_cols[:, 1:], at.cols))
    for name, grad, estimate in (*parameters, ("intercepts", G_cols[:, 0], at.intercept)):
        if name in given:
            view.check_precision()
            b = given[name].toarray() if sparse.issparse(given[name]) else np.asarray(given[name])
            if name != "intercepts":
                view.check_components(np.flatnonzero(b.any(axis=0)))
            grad += b
            value += float(np.sum(b * estimate))
    return functional(view, value, G, G_cols, loose)


def functional(view: FactorView, value: float, G: Array, G_cols: Array, loose: float) -> Intervals:
    """The interval of one functional with these gradients, and a variance that is independent of them."""
    variance, reliable = loose, True
    used = [np.flatnonzero(g.any(axis=1)) for g in (G, G_cols)]
    for g, which, blocks in ((G, used[0], view.uncertainty.rows), (G_cols, used[1], view.uncertainty.cols)):
        variance += float(np.einsum("mk,mkl,ml->", g[which], blocks.covariance[which], g[which]))
        variance = variance if blocks.is_resolved[which].all() else np.inf
        reliable = reliable and bool(blocks.is_reliable[which].all())
    if view.uncertainty.gauge is not None:
        at = view.uncertainty.factors
        variance += view.uncertainty.gauge.of_functional(G, G_cols, at.rows, at.cols)
    errors = FunctionalErrors(view, used[0], used[1], G[used[0]], G_cols[used[1]])
    estimate, se = np.array([value]), np.array([np.sqrt(variance)])
    return view.intervals("contrast", estimate, se, {}, np.array([reliable]), errors)


@dataclass(frozen=True)
class DifferenceErrors:
    """Errors of differences of one parameter between rows (columns).

    Attributes
    ----------
    view : FactorView
    axis, place : int
        The parameter.
    which : int array
        Rows (columns) that are compared, each once.
    first, second : int arrays (m,)
        Their places in ``which``.
    """

    view: FactorView
    axis: int
    place: int
    which: IntArray
    first: IntArray
    second: IntArray
    is_linear: bool = True

    @property
    def rows(self) -> IntArray:
        return self.which if self.axis == 0 else NONE

    @property
    def cols(self) -> IntArray:
        return self.which if self.axis == 1 else NONE

    def deviations(self, errors: Errors, size: str) -> Array:
        """See :class:`halfseen.methods.factor.intervals.draws.FactorErrors`."""
        own, blocks = errors[self.axis][:, :, self.place], self.view.blocks(self.axis)
        v = getattr(blocks, size)[self.which, self.place, self.place]
        v = np.where(blocks.is_resolved[self.which], np.maximum(v, 0.0), np.inf)
        return scaled(own[:, self.first] - own[:, self.second], np.sqrt(v[self.first] + v[self.second]))


@dataclass(frozen=True)
class ScoreDifferenceErrors:
    """Errors of differences of scores between rows (columns)."""

    scores: ScoreErrors
    first: IntArray
    second: IntArray
    is_linear: bool = True

    @property
    def rows(self) -> IntArray:
        return self.scores.rows

    @property
    def cols(self) -> IntArray:
        return self.scores.cols

    def deviations(self, errors: Errors, size: str) -> Array:
        """See :class:`halfseen.methods.factor.intervals.draws.FactorErrors`."""
        table = self.scores.table
        moved = next(table.errors(iter([errors])))
        se = table.pair_scale(size == "inverse")(slice(None))[self.first, self.second]
        return scaled(moved[:, self.first] - moved[:, self.second], se)


def differences(view: FactorView, i: IntArray, l: IntArray, of: Any, axis: int) -> Intervals:  # noqa: E741
    """Differences of a factor, the intercepts or the scores, elementwise pairs."""
    view.check_linked(axis, i, l)
    which, place = np.unique(np.concatenate([i, l]), return_inverse=True)
    first, second = place[: len(i)], place[len(i) :]
    errors: Any
    if of == "score":
        table = score_table(view, axis, "again", None, which)
        estimate, se = table.intervals_parts()[0], table.pair_scale()(slice(None))[first, second]
        errors = ScoreDifferenceErrors(ScoreErrors(table), first, second)
        gap = estimate[first] - estimate[second]
    else:
        estimate, single, k = view.parameter(axis, of, has_gauge=False)
        se = np.sqrt(np.square(single[i]) + np.square(single[l]) + gauge_of_differences(view, axis, k, i, l))
        errors, gap = DifferenceErrors(view, axis, k, which, first, second), estimate[i] - estimate[l]
    reliable = view.reliable_means(axis) if of == "score" else view.reliable(axis)
    names = {f"{key}_{end}": label for end, at in (("first", i), ("second", l))
             for key, label in view.names.column(axis, at).items()}  # fmt: skip
    return view.intervals("difference", gap, se, names, reliable[i] & reliable[l], errors)


def gauge_of_differences(view: FactorView, axis: int, place: int, i: IntArray, l: IntArray) -> Any:  # noqa: E741
    """Variances that differences of one parameter have from the gauge."""
    at, gauge = view.uncertainty.factors, view.uncertainty.gauge
    if gauge is None:
        return 0.0
    if axis == 0:
        return gauge.of_rows(at.rows[i] - at.rows[l], are_differences=True)[:, place, place]
    y = at.cols[i] - at.cols[l]
    return gauge.of_intercepts(y) if place == 0 else gauge.of_cols(y)[:, place - 1, place - 1]


def _summed_by(owner: Array, lines: Array, n: int) -> Array:
    """Lines (e, s) added up by owner: (n, s)."""
    return np.stack([np.bincount(owner, weights=column, minlength=n) for column in lines.T], axis=1)


def _weights(name: str, weights: Any, shape: tuple[int, ...]) -> Any:
    """Weights of a functional, sparse kept sparse, of the parameter's shape."""
    from scipy import sparse

    checked = weights if sparse.issparse(weights) else np.asarray(weights, dtype=float)
    if checked.shape != shape:
        raise ValueError(f"{name} has weights of shape {checked.shape}; needed: {shape}.")
    values = checked.data if sparse.issparse(checked) else checked
    if not np.isfinite(values).all():
        raise ValueError(f"the weights of {name} must be finite numbers.")
    return checked
