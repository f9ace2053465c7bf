"""Scores, differences and any other linear functional of a fitted factor model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halfseen._typing import IntArray
from halfseen.data import as_observed
from halfseen.data.align import with_columns
from halfseen.inference import Intervals, Listing, Span
from halfseen.losses import at_columns, is_logistic
from halfseen.losses.derived import slope
from halfseen.methods.factor.intervals_core import ParameterInference
from halfseen.methods.factor.intervals_scores import ScoreTable

if TYPE_CHECKING:  # loaded when asked for
    from halfseen.inference.new_rows import NewRows

Array = NDArray[Any]


class FunctionalInference(ParameterInference):
    """Functionals of many parameters; see :class:`halfseen.methods.factor.intervals.FactorInference`."""

    def scores(self, axis: str = "rows", kind: str = "mean", over: Any = None) -> Intervals:
        r"""Intervals of the mean response of every row over all columns (or of columns over rows).

        Parameters
        ----------
        axis : {"rows", "cols"}
        kind : {"mean", "realised"}
            "realised" takes the answers that are known as they are and predicts the others: the score on the
            complete table.
        over : labels (or positions), optional
            Average over these columns (rows) only.

        Notes
        -----
        Ends are symmetric on the logit scale of the score's range, or on the log scale of one with one end
        (:class:`halfseen.inference.Span`), and so stay inside it.
        """
        table, which = self._score_table(axis, kind, over), self._axis(axis)
        estimate, variance, lowest, highest = table.intervals_parts()
        reliable = (self.reliable_rows, self.reliable_cols)[which]
        name = f"{'realised ' if kind == 'realised' else ''}score"
        span, more = Span(lowest, highest), {"claim": self.claim, "reliable": reliable}
        return Intervals.spanned(name, estimate, np.sqrt(variance), span, self.level, self._labels(which), **more)

    def _score_table(self, axis: str, kind: str = "mean", over: Any = None) -> ScoreTable:
        which = self._axis(axis)
        if kind not in ("mean", "realised"):
            raise ValueError(f"kind={kind!r} is not known; use 'mean' or 'realised'.")
        shape = self._passes.shape
        other = np.arange(shape[1 - which]) if over is None else self._positions(over, 1 - which)
        seen = self._passes.view(which) if kind == "realised" else None
        own = np.arange(shape[which])
        has_bends = self._setting.variance == "second_order"
        return ScoreTable(self._found, self._passes.loss, which, own, other, seen, has_bends)

    def items(self) -> Listing:
        """Columns in their order: answers, intercept, difficulty, discrimination, their errors, and flags.

        Returns
        -------
        Listing
            Columns ``col, answered, raw, intercept, intercept_se, difficulty, difficulty_se, discrimination,
            discrimination_se, flag``; difficulties for yes/no answers and counts out of N only. Flags: *unseen*,
            *separated* (no finite estimate), *against order* (rank 1: better rows do worse), *little known*.
        """
        from halfseen.methods.factor.intervals_items import item_listing

        self._check_precision()
        (labels,) = self._labels(1).values()
        return item_listing(self, labels)

    def new_rows(self, R: Any, trials: Any = None) -> NewRows:
        r"""Rows that were not in the fit, against the fitted columns with their errors (rank 1, yes/no answers).

        Parameters
        ----------
        R : Observed, array with NaN, data frame or sparse matrix over the fitted columns
        trials : as in ``fit``, optional

        Returns
        -------
        NewRows
            Abilities, scores, next-best questions, and how many are needed.

        Notes
        -----
        The prior of the new rows is normal, with the variance of the fitted rows less that of their errors. Columns of
        an unpenalised fit are shrunk towards their common normal distribution first: questions are chosen by their
        estimated slopes, and the steepest are overestimated.
        """
        from halfseen.data.shares import as_shares
        from halfseen.inference.bank import bank_of_normal
        from halfseen.inference.new_rows import place
        from halfseen.inference.shrinking import shrunk_items

        found, loss, labels = self._found, self._passes.loss, self._setting.col_labels
        if found.factors.rank != 1:
            raise ValueError(f"new_rows() places rows on one factor; this fit has rank {found.factors.rank}.")
        observed = as_observed(R)
        if labels is not None and observed.col_labels is not None:
            observed = with_columns(observed, labels)
        if observed.shape[1] != self._passes.shape[1]:
            raise ValueError(f"R has {observed.shape[1]} columns; the fit had {self._passes.shape[1]} features.")
        if not is_logistic(loss):
            raise ValueError(f"new_rows() needs yes/no answers or counts out of N, not family={loss.name!r}.")
        observed = as_shares(observed, loss.trials, trials)
        x, errors = found.factors.rows[:, 0], found.rows.covariance[:, 0, 0]
        known = found.rows.is_resolved
        variance = max(float(np.mean(x[known] ** 2 - errors[known])), 0.1 * float(np.mean(x**2)), 1e-8)
        pair = np.stack([found.factors.intercept, found.factors.cols[:, 0]], axis=-1)
        items = pair, found.cols.covariance
        if not self._setting.has_prior:  # penalised columns are posterior means already
            items = shrunk_items(*items)
        bank = bank_of_normal(*items, float(np.sqrt(variance)), x)
        return place(bank, observed, self.level, labels, getattr(loss, "trials", 1.0))

    def contrast(
        self, entries: Any = None, row_factors: Any = None, col_factors: Any = None, intercepts: Any = None,
        kind: str = "linear",
    ) -> Intervals:  # fmt: skip
        r"""One interval for a linear functional given by its weights.

        .. math:: \sum_{kl} a_{kl} m_{kl} + \sum_{ik} b_{ik} x_{ik} + \sum_{jk} c_{jk} y_{jk} + \sum_j d_j \zeta_j

        Parameters
        ----------
        entries : sparse or dense (n, p), optional
            Weights of entries; of expected responses with ``kind="mean"`` (delta method).
        row_factors, col_factors : sparse or dense (n, r), (p, r), optional
        intercepts : array (p,), optional
        kind : {"linear", "mean"}

        Notes
        -----
        O(number of weights + (n + p) r^2).
        """
        from scipy import sparse

        if kind not in ("linear", "mean"):
            raise ValueError(f"kind={kind!r} is not known; use 'linear' or 'mean'.")
        found, at = self._found, self._found.factors
        (n, p), r = self._passes.shape, at.rank
        G, G_cols, value, loose = np.zeros((n, r)), np.zeros((p, r + 1)), 0.0, 0.0
        shapes = {"entries": (n, p), "row_factors": (n, r), "col_factors": (p, r), "intercepts": (p,)}
        asked = zip(shapes, (entries, row_factors, col_factors, intercepts), strict=True)
        given = {name: _weights(name, weights, shapes[name]) for name, weights in asked if weights is not None}
        if "entries" in given:
            W = sparse.coo_array(given["entries"])
            m, loss = self._linear(W.row, W.col), at_columns(self._passes.loss, W.col)
            value += float(W.data @ (m if kind == "linear" else loss.mean(m)))
            change = W.data if kind == "linear" else W.data * slope(loss, m)
            S = sparse.csr_array((change, (W.row, W.col)), shape=(n, p))
            G, G_cols = S @ at.cols, S.T @ found.features
            if kind == "mean" and found.cuts is not None:
                own = _summed_by(W.col, W.data[:, None] * loss.mean_slopes(m), p)  # type: ignore[attr-defined]
                G_cols += np.einsum("js,jsk->jk", own, found.cuts.follow)
                loose = float(np.einsum("js,jst,jt->", own, found.cuts.covariance, own))
        parameters = (("row_factors", G, at.rows), ("col_factors", G_cols[:, 1:], at.cols))
        for name, grad, estimate in (*parameters, ("intercepts", G_cols[:, 0], at.intercept)):
            if name in given:
                self._check_precision()
                b = given[name].toarray() if sparse.issparse(given[name]) else np.asarray(given[name])
                if name != "intercepts":
                    self._check_components(np.flatnonzero(b.any(axis=0)))
                grad += b
                value += float(np.sum(b * estimate))
        return self._functional(value, G, G_cols, loose)

    def _functional(self, value: float, G: Array, G_cols: Array, loose: float) -> Intervals:
        """The interval of one functional with these gradients, and a variance that is independent of them."""
        variance, reliable = loose, True
        for g, blocks in ((G, self._found.rows), (G_cols, self._found.cols)):
            used = np.flatnonzero(g.any(axis=1))
            variance += float(np.einsum("mk,mkl,ml->", g[used], blocks.covariance[used], g[used]))
            variance = variance if blocks.is_resolved[used].all() else np.inf
            reliable = reliable and bool(blocks.is_reliable[used].all())
        if self._found.gauge is not None:
            variance += self._found.gauge.of_functional(G, G_cols, self._found.factors.rows, self._found.factors.cols)
        one = np.array([value]), np.array([np.sqrt(variance)])
        return self._intervals("contrast", *one, {}, np.array([reliable]))

    def differences(self, first: Any, second: Any, component: Any = 0, axis: str = "rows") -> Intervals:
        """Intervals of differences ``first - second`` of a factor, the intercepts or the scores, elementwise pairs.

        Parameters
        ----------
        first, second : labels (or positions) of rows, or of columns
        component : int, "intercept" or "score"
        axis : {"rows", "cols"}
        """
        which = self._axis(axis)
        i, l = np.broadcast_arrays(self._positions(first, which), self._positions(second, which))  # noqa: E741
        if component == "score":
            table = self._score_table(axis)
            estimate, se = table.intervals_parts()[0], table.pair_scale()(slice(None))[i, l]
        else:
            estimate, single, place = self._parameter(axis, component, has_gauge=False)
            se = np.sqrt(np.square(single[i]) + np.square(single[l]) + self._gauge_of_differences(which, place, i, l))
        reliable = (self.reliable_rows, self.reliable_cols)[which]
        names = {f"{key}_{end}": label[at] for end, at in (("first", i), ("second", l))
                 for key, label in self._labels(which).items()}  # fmt: skip
        return self._intervals("difference", estimate[i] - estimate[l], se, names, reliable[i] & reliable[l])

    def _gauge_of_differences(self, axis: int, place: int, i: IntArray, l: IntArray) -> Any:  # noqa: E741
        """Variances that differences of one parameter have from the gauge."""
        at, gauge = self._found.factors, self._found.gauge
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

    found = weights if sparse.issparse(weights) else np.asarray(weights, dtype=float)
    if found.shape != shape:
        raise ValueError(f"{name} has weights of shape {found.shape}; needed: {shape}.")
    values = found.data if sparse.issparse(found) else found
    if not np.isfinite(values).all():
        raise ValueError(f"the weights of {name} must be finite numbers.")
    return found
