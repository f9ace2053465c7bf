"""What all statements about a fitted factor model rest on: its point, its covariances, its entries, its names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen._typing import IntArray, Labels
from halfseen.engines import EntryPasses
from halfseen.inference import Intervals, Span, Statement, TableNames, normal_quantile
from halfseen.inference.covariance import BlockCovariance
from halfseen.inference.influence import Clustered
from halfseen.inference.linked import Linking
from halfseen.linalg.pairs import pair_products
from halfseen.methods.factor.intervals.covariances import Uncertainty

Array = NDArray[Any]


@dataclass(frozen=True)
class FactorView:
    """A fitted factor model as its intervals see it.

    Attributes
    ----------
    uncertainty : Uncertainty
        Point and covariances in the gauge that was asked for.
    passes : EntryPasses
    names : TableNames
    level : float
    claim, library : str
    variance : str or Clustered
    has_prior, is_single : bool
        Penalised fit; fit in float32.
    identified : bool array (r,)
        Components whose rotation is known well enough.
    linking : Linking or None
        Groups that cannot be compared.
    is_weak : bool
        The unpenalised fit does not exist: rows are integrated out, or under a weak prior.
    """

    uncertainty: Uncertainty
    passes: EntryPasses
    names: TableNames
    level: float
    claim: str
    library: str
    variance: str | Clustered
    has_prior: bool
    is_single: bool
    identified: Array
    linking: Linking | None = None
    is_weak: bool = False

    # ---- point and covariances -------------------------------------------------------------------------------------

    def blocks(self, axis: int) -> BlockCovariance:
        """Covariances of the rows (0) or of the columns (1)."""
        return self.uncertainty.rows if axis == 0 else self.uncertainty.cols

    def reliable(self, axis: int) -> Array:
        """Which rows or columns carry enough information."""
        return np.asarray(self.blocks(axis).is_reliable)

    def reliable_means(self, axis: int, over: Any = None) -> Array:
        """Which rows' (columns') means over ``over`` rest on enough information and on columns linked to the row."""
        own = self.reliable(axis)
        return own if self.linking is None else own & self.linking.reliable(axis, over)

    def reliable_cells(self, i: IntArray, j: IntArray) -> Array:
        """Which cells have a row and a column with enough information, linked by what was observed."""
        own = self.reliable(0)[i] & self.reliable(1)[j]
        return own if self.linking is None else own & self.linking.cells(i, j)

    def factors(self, axis: int) -> Array:
        """Estimated factors of the rows or columns."""
        return self.uncertainty.factors.rows if axis == 0 else self.uncertainty.factors.cols

    def gauge_share(self, axis: int) -> Array:
        """Covariances (m, r, r) that all rows' (or columns') factors have from the noise of the gauge."""
        at, gauge = self.uncertainty.factors, self.uncertainty.gauge
        if gauge is None:
            return np.zeros((self.passes.shape[axis], at.rank, at.rank))
        return gauge.of_rows(at.rows) if axis == 0 else gauge.of_cols(at.cols)

    def parameter(
        self, axis: int, component: Any, use_plug_in: bool = False, has_gauge: bool = True
    ) -> tuple[Array, Array, int]:
        """Estimates and standard errors of one parameter per row or column, and its place in the blocks."""
        self.check_precision()
        at, blocks = self.uncertainty.factors, self.blocks(axis)
        if component == "intercept" and axis == 1:
            place, estimate = 0, at.intercept
        else:
            k = self.check_components(component)
            place, estimate = k + axis, self.factors(axis)[:, k]
        if use_plug_in:
            return estimate, np.sqrt(np.where(blocks.is_resolved, blocks.inverse[:, place, place], np.inf)), place
        variance = blocks.variances()[:, place]
        if has_gauge and component == "intercept" and self.uncertainty.gauge is not None:
            variance = variance + self.uncertainty.gauge.of_intercepts(at.cols)
        elif has_gauge and component != "intercept":
            variance = variance + self.gauge_share(axis)[:, k, k]
        return estimate, np.sqrt(variance), place

    def linear(self, i: IntArray, j: IntArray) -> Array:
        """Linear predictor of chosen cells."""
        at = self.uncertainty.factors
        return at.intercept[j] + pair_products(at.rows, at.cols, i, j)

    def linear_variance(self, i: IntArray, j: IntArray) -> Array:
        """``y' V y + x' V x`` of chosen cells, infinite where a row or column is not resolved."""
        uncertainty = self.uncertainty
        y, x = uncertainty.factors.cols[j], uncertainty.features[i]
        v = np.einsum("ek,ekl,el->e", y, uncertainty.rows.covariance[i], y)
        v += np.einsum("ek,ekl,el->e", x, uncertainty.cols.covariance[j], x)
        return np.where(uncertainty.rows.is_resolved[i] & uncertainty.cols.is_resolved[j], v, np.inf)

    # ---- intervals -------------------------------------------------------------------------------------------------

    def intervals(
        self, name: str, estimate: Array, se: Array, labels: dict[str, Labels], reliable: Array, errors: Any
    ) -> Intervals:
        """Estimates plus and minus normal quantiles of standard errors."""
        more = {"claim": self.claim, "reliable": reliable, "library": self.library}
        intervals = Intervals.symmetric(name, estimate, se, self.level, labels, **more)
        return intervals.stated(Statement(self, errors, lambda q: (estimate - q * se, estimate + q * se)))

    def spanned(
        self, name: str, estimate: Array, se: Array, span: Span, labels: dict[str, Labels], reliable: Array, errors: Any
    ) -> Intervals:
        """Intervals that stay inside a range."""
        more = {"claim": self.claim, "reliable": reliable, "library": self.library}
        intervals = Intervals.spanned(name, estimate, se, span, self.level, labels, **more)
        return intervals.stated(Statement(self, errors, lambda q: span.around(estimate, se, q)))

    @property
    def z(self) -> float:
        """The level's normal quantile."""
        return normal_quantile(self.level)

    # ---- refusals --------------------------------------------------------------------------------------------------

    def check_linked(self, axis: int, first: IntArray, second: IntArray) -> None:
        """Refuse comparisons of rows (columns) of groups that nothing links."""
        if self.linking is not None:
            self.linking.check_pairs(first, second, axis, self.names.labels(axis))

    def check_order(self, axis: int, what: str) -> None:
        """Refuse one order of rows (columns) of groups that nothing links."""
        if self.linking is not None:
            self.linking.check_all(axis, self.names.labels(axis), what)

    def check_precision(self) -> None:
        """Refuse single parameters of fits in single precision."""
        if self.is_single:
            raise ValueError(
                "the model was fitted in float32, which does not settle single parameters; refit in float64 "
                "(R.astype('float64')). entries(), responses() and scores() are available."
            )

    def check_components(self, components: Any) -> int:
        """Refuse components that do not exist or whose rotation the data do not determine."""
        asked = np.atleast_1d(np.asarray(components))
        rank = self.uncertainty.factors.rank
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


def axis_of(axis: str) -> int:
    """0 for "rows", 1 for "cols"."""
    if axis not in ("rows", "cols"):
        raise ValueError(f"axis={axis!r} is not known; use 'rows' or 'cols'.")
    return int(axis == "cols")
