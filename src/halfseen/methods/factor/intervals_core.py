"""Intervals of a fitted factor model: parameters, entries, responses, scores and linear functionals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen._typing import IntArray, Labels
from halfseen.data.labels import find_labels, find_positions
from halfseen.engines import EntryPasses
from halfseen.inference import Ellipsoids, Intervals, normal_quantile
from halfseen.inference.influence import Clustered
from halfseen.linalg.pairs import pair_products
from halfseen.losses import Loss, at_columns, has_classes
from halfseen.losses.derived import slope
from halfseen.methods.factor.intervals_blocks import Uncertainty

Array = NDArray[Any]


@dataclass(frozen=True)
class Setting:
    """What a :class:`FactorInference` was asked for and may state.

    Attributes
    ----------
    level : float
    variance : str
    draws : int
    seed : int
    claim : str
    has_prior, is_single : bool
        Penalised fit; fit in float32.
    identified : bool array (r,)
        Components whose rotation is known well enough.
    row_labels, col_labels : array or None
    """

    level: float
    variance: str | Clustered
    draws: int
    seed: int
    claim: str
    has_prior: bool
    is_single: bool
    identified: Array
    row_labels: Labels | None
    col_labels: Labels | None


class ParameterInference:
    """What needs no draws; see :class:`halfseen.methods.factor.intervals.FactorInference`."""

    def __init__(self, found: Uncertainty, passes: EntryPasses, setting: Setting) -> None:
        self._found, self._passes, self._setting = found, passes, setting
        self.level, self.claim, self.identified = setting.level, setting.claim, setting.identified
        self.reliable_rows, self.reliable_cols = found.rows.is_reliable, found.cols.is_reliable
        at = found.factors
        self.intercept, self.row_factors_estimate, self.col_factors_estimate = at.intercept, at.rows, at.cols

    def __repr__(self) -> str:
        n, p = self._passes.shape
        doubtful = int((~self.reliable_rows).sum()), int((~self.reliable_cols).sum())
        note = f", unreliable: {doubtful[0]} rows, {doubtful[1]} columns" if any(doubtful) else ""
        return f"FactorInference({n} x {p}, rank {self._found.factors.rank}, level {self.level:g}{note})"

    # ---- parameters --------------------------------------------------------------------------------------------

    def intercepts(self) -> Intervals:
        r"""Intervals :math:`\hat\zeta_j \pm z\,[\tilde V_j]_{11}^{1/2}` of all intercepts."""
        estimate, se, _ = self._parameter("cols", "intercept")
        return self._intervals("intercept", estimate, se, self._labels(1), self.reliable_cols)

    def thresholds(self) -> Intervals:
        r"""Intervals of the thresholds :math:`\tau_{jt} = c_{jt} - \zeta_j` of ordinal columns, shape (p, K - 1)."""
        self._check_precision()
        loss: Any = self._passes.loss
        found = self._found
        if not has_classes(loss):
            raise ValueError(f"thresholds() are those of family='ordinal'; this fit is {loss.name!r}.")
        p, count = self._passes.shape[1], np.shape(loss.cuts)[-1]
        # the intercept moves all thresholds, and the cuts follow it
        G = np.zeros((p, count, found.features.shape[1]))
        G[:, :, 0] = -1.0
        variance = np.zeros((p, count))
        if found.cuts is not None:
            G = G + found.cuts.follow
            variance = variance + np.einsum("jss->js", found.cuts.covariance)
        variance = variance + np.einsum("jsk,jkl,jsl->js", G, found.cols.covariance, G)
        variance = np.where(found.cols.is_resolved[:, None], variance, np.inf)
        labels = {key: label[:, None] for key, label in self._labels(1).items()}
        labels["threshold"] = np.arange(1, count + 1)[None, :]
        estimate = np.broadcast_to(loss.cuts, (p, count)) - found.factors.intercept[:, None]
        return self._intervals("threshold", estimate, np.sqrt(variance), labels, self.reliable_cols[:, None])

    def row_factors(self, component: int | None = None) -> Intervals:
        r"""Intervals :math:`\hat x_{ik} \pm z\,[V_i]_{kk}^{1/2}`, of one component (n,) or of all (n, r)."""
        return self._factor("rows", component)

    def col_factors(self, component: int | None = None) -> Intervals:
        r"""Intervals :math:`\hat y_{jk} \pm z\,[\tilde V_j^{YY}]_{kk}^{1/2}`, of one component (p,) or all (p, r)."""
        return self._factor("cols", component)

    def _factor(self, side: str, component: int | None) -> Intervals:
        reliable = self.reliable_rows if side == "rows" else self.reliable_cols
        labels, name = self._labels(int(side == "cols")), f"{side[:-1]} factor"
        if component is not None:
            estimate, se, k = self._parameter(side, component)
            return self._intervals(f"{name} {k}", estimate, se, labels, reliable)
        self._check_precision()
        self._check_components(np.arange(self._found.factors.rank))
        estimate = getattr(self._found.factors, side)
        variance = self._found.rows.variances() if side == "rows" else self._found.cols.variances()[:, 1:]
        variance = variance + np.einsum("mkk->mk", self._gauge_share(int(side == "cols")))
        wide = {key: label[:, None] for key, label in labels.items()}
        wide["component"] = np.arange(estimate.shape[1])[None, :]
        return self._intervals(name, estimate, np.sqrt(variance), wide, reliable[:, None])

    def _gauge_share(self, axis: int) -> Array:
        """Covariances (m, r, r) that all rows' (or columns') factors have from the noise of the gauge."""
        at, gauge = self._found.factors, self._found.gauge
        if gauge is None:
            return np.zeros((self._passes.shape[axis], at.rank, at.rank))
        return gauge.of_rows(at.rows) if axis == 0 else gauge.of_cols(at.cols)

    def _parameter(
        self, side: str, component: Any, use_plug_in: bool = False, has_gauge: bool = True
    ) -> tuple[Array, Array, int]:
        """Estimates and standard errors of one parameter per row or column, and its place in the blocks."""
        self._check_precision()
        at, blocks = self._found.factors, self._found.rows if side == "rows" else self._found.cols
        if component == "intercept" and side == "cols":
            place, estimate = 0, at.intercept
        else:
            k = self._check_components(component)
            place, estimate = k + (side == "cols"), getattr(at, side)[:, k]
        if not use_plug_in:
            variance = blocks.variances()[:, place]
            if has_gauge and component == "intercept" and self._found.gauge is not None:
                variance = variance + self._found.gauge.of_intercepts(at.cols)
            elif has_gauge and component != "intercept":
                variance = variance + self._gauge_share(int(side == "cols"))[:, k, k]
            return estimate, np.sqrt(variance), place
        return estimate, np.sqrt(np.where(blocks.is_resolved, blocks.inverse[:, place, place], np.inf)), place

    def ellipsoid(self, row: Any, axis: str = "rows") -> Ellipsoids:
        r"""Chi-square ellipsoids of :math:`x_i` for one or more rows (or of :math:`y_j`, ``axis="cols"``)."""
        self._check_precision()
        self._check_components(np.arange(self._found.factors.rank))
        which = self._axis(axis)
        i = self._positions(row, which)
        blocks = (self._found.rows, self._found.cols)[which]
        cov = blocks.covariance[i] if which == 0 else blocks.covariance[i][:, 1:, 1:]
        cov = cov + self._gauge_share(which)[i]
        cov = np.where(blocks.is_resolved[i][:, None, None], cov, np.inf)
        centre = (self._found.factors.rows, self._found.factors.cols)[which][i]
        labels = {key: label[i] for key, label in self._labels(which).items()}
        return Ellipsoids(f"{axis[:-1]} factors", centre, cov, self.level, labels, self.claim, blocks.is_reliable[i])

    # ---- entries -----------------------------------------------------------------------------------------------

    def entries(self, rows: Any, cols: Any, kind: str = "mean") -> Intervals:
        r"""Intervals of expected responses (or of the linear predictor), elementwise pairs, seen or not.

        .. math:: \mathrm{var}(\hat m_{kl}) = y_l^\top V_k y_l + \tilde x_k^\top \tilde V_l \tilde x_k

        Parameters
        ----------
        rows, cols : labels (or positions), elementwise pairs; one may be a single one
        kind : {"mean", "linear"}
            On the mean scale the ends of the linear interval are transformed; the standard error is the delta
            method's. Offsets of the fit are not part of the predictor.
        """
        i, j = self._pairs(rows, cols)
        return self._entry_intervals(i, j, kind, normal_quantile(self.level), "interval")

    def _entry_intervals(self, i: IntArray, j: IntArray, kind: str, q: float, what: str) -> Intervals:
        if kind not in ("mean", "linear"):
            raise ValueError(f"kind={kind!r} is not known; use 'mean' or 'linear'.")
        m, se = self._linear(i, j), np.sqrt(self._linear_variance(i, j))
        reliable = self.reliable_rows[i] & self.reliable_cols[j]
        labels = {key: label[at] for at, axis in ((i, 0), (j, 1)) for key, label in self._labels(axis).items()}
        if kind == "linear":
            return self._intervals("linear predictor", m, se, labels, reliable, quantile=q, kind=what)
        loss: Any = at_columns(self._passes.loss, j)
        scale = slope(loss, m)
        if self._found.cuts is not None:
            se = np.sqrt(self._mean_variance(i, j, loss, m)) / np.maximum(scale, 1e-300)
        low, high = loss.mean(m - q * se), loss.mean(m + q * se)
        mean_se = np.where(np.isfinite(se), scale * np.where(np.isfinite(se), se, 1.0), np.inf)
        return Intervals(
            "expected response", loss.mean(m), mean_se, low, high, self.level, labels, self.claim, what, reliable
        )

    def responses(self, rows: Any, cols: Any) -> Intervals:
        r"""Prediction intervals of single responses not yet seen, elementwise pairs.

        The response's own variance :math:`\phi\,\psi'(m)` joins that of the estimate. The ends of counts are whole
        numbers and hold at least the level.
        """
        i, j = self._pairs(rows, cols)
        m, v, phi = self._linear(i, j), self._linear_variance(i, j), self._found.dispersion
        loss: Any = at_columns(self._passes.loss, j)
        low, high = loss.quantiles(m, v, phi, 0.5 * (1.0 - self.level))
        scale = np.square(slope(loss, m))
        own = np.where(np.isfinite(v), scale * np.where(np.isfinite(v), v, 0.0), np.inf)
        se = np.sqrt(own + phi * loss.variance(m))
        labels = {key: label[at] for at, axis in ((i, 0), (j, 1)) for key, label in self._labels(axis).items()}
        reliable = self.reliable_rows[i] & self.reliable_cols[j]
        return Intervals(
            "response", loss.mean(m), se, low, high, self.level, labels, self.claim, "prediction", reliable
        )

    def _linear(self, i: IntArray, j: IntArray) -> Array:
        at = self._found.factors
        return at.intercept[j] + pair_products(at.rows, at.cols, i, j)

    def _linear_variance(self, i: IntArray, j: IntArray, use_plug_in: bool = False) -> Array:
        """``y' V y + x' V x`` of chosen cells, infinite where a row or column is not resolved."""
        found, name = self._found, "inverse" if use_plug_in else "covariance"
        y, x = found.factors.cols[j], found.features[i]
        v = np.einsum("ek,ekl,el->e", y, getattr(found.rows, name)[i], y)
        v += np.einsum("ek,ekl,el->e", x, getattr(found.cols, name)[j], x)
        return np.where(found.rows.is_resolved[i] & found.cols.is_resolved[j], v, np.inf)

    def _mean_variance(self, i: IntArray, j: IntArray, loss: Loss, m: Array) -> Array:
        """Variance of expected responses of chosen cells where cuts were estimated too."""
        found, cuts = self._found, self._found.cuts
        assert cuts is not None
        w, d = slope(loss, m), loss.mean_slopes(m)  # type: ignore[attr-defined]
        y, x = w[:, None] * found.factors.cols[j], w[:, None] * found.features[i]
        x = x + np.einsum("es,esk->ek", d, cuts.follow[j])
        v = np.einsum("ek,ekl,el->e", y, found.rows.covariance[i], y)
        v += np.einsum("ek,ekl,el->e", x, found.cols.covariance[j], x)
        v += np.einsum("es,est,et->e", d, cuts.covariance[j], d)
        return np.where(found.rows.is_resolved[i] & found.cols.is_resolved[j], v, np.inf)

    # ---- what everything above shares --------------------------------------------------------------------------

    def _intervals(
        self, name: str, estimate: Array, se: Array, labels: dict[str, Labels], reliable: Array, **more: Any
    ) -> Intervals:
        return Intervals.symmetric(name, estimate, se, self.level, labels, claim=self.claim, reliable=reliable, **more)

    def _labels(self, axis: int) -> dict[str, Labels]:
        labels = (self._setting.row_labels, self._setting.col_labels)[axis]
        return {("row", "col")[axis]: np.arange(self._passes.shape[axis]) if labels is None else labels}

    def _positions(self, wanted: Any, axis: int) -> IntArray:
        labels, name = (self._setting.row_labels, self._setting.col_labels)[axis], ("row", "column")[axis]
        if labels is None:
            return find_positions(self._passes.shape[axis], wanted, name)
        return find_labels(labels, wanted, name)

    def _pairs(self, rows: Any, cols: Any) -> tuple[IntArray, IntArray]:
        i, j = self._positions(rows, 0), self._positions(cols, 1)
        if len(i) != len(j) and 1 not in (len(i), len(j)):
            raise ValueError(
                f"rows and cols are pairs, but {len(i)} rows and {len(j)} cols were given; give one col per row"
            )
        one, two = np.broadcast_arrays(i, j)
        return one, two

    @staticmethod
    def _axis(axis: str) -> int:
        if axis not in ("rows", "cols"):
            raise ValueError(f"axis={axis!r} is not known; use 'rows' or 'cols'.")
        return int(axis == "cols")

    def _check_precision(self) -> None:
        if self._setting.is_single:
            raise ValueError(
                "the model was fitted in float32, which does not settle single parameters; refit in float64 "
                "(R.astype('float64')). entries(), responses() and scores() are available."
            )

    def _check_components(self, components: Any) -> int:
        """Refuse components that do not exist or whose rotation the data do not determine."""
        asked = np.atleast_1d(np.asarray(components))
        rank = self._found.factors.rank
        if asked.dtype.kind not in "iu" or (asked.size and not ((asked >= 0) & (asked < rank)).all()):
            raise ValueError(f"component={components!r} is not there; the model has components 0 to {rank - 1}.")
        unknown = asked[~self.identified[asked]]
        if unknown.size:
            known = np.flatnonzero(self.identified).tolist()
            raise ValueError(
                f"component {int(unknown[0])} is not identified: its singular value is too close to another one's, "
                f"so the data do not tell the two directions apart. Identified: {known or 'none'}; entries(), "
                "responses(), scores() and contrasts of entries do not depend on the rotation and are available."
            )
        return int(asked[0]) if asked.size else 0
