"""A family per column."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.data.storable import storable
from halfseen.losses.abilities import has_classes, has_columns, is_estimated
from halfseen.losses.derived import Cells, at_columns, bend, information, skew, slope
from halfseen.losses.protocol import Array
from halfseen.losses.quantiles import normal_quantiles


@storable
@dataclass(frozen=True, eq=False)
class ScaledGaussian:
    r"""Real numbers beside columns of other families: :math:`\ell = (m - y)^2 / (2\sigma_j^2) + \log\sigma_j`.

    Parameters
    ----------
    scale : ndarray (p,), optional
        :math:`\sigma_j^2` of every column; None: estimated in the fit.

    Notes
    -----
    The deviance is the squared error over the column's first variance, which no fit changes.

    Examples
    --------
    >>> import numpy as np
    >>> ScaledGaussian(np.array([4.0])).gradient(np.array([1.0]), np.array([3.0]))
    array([0.5])
    """

    scale: Any = None
    unit: Any = None
    is_estimated: bool = False
    name: str = field(default="gaussian", init=False)
    kernel: str | None = field(default=None, init=False)
    trials: float = field(default=1.0, init=False)
    has_dispersion: bool = field(default=False, init=False)
    has_columns: bool = field(default=True, init=False)
    support: str = field(default="any finite number", init=False)

    def _scale(self, m: Array) -> Array:
        return np.asarray(1.0 if self.scale is None else self.scale, dtype=m.dtype)

    def value(self, y: Array, m: Array) -> Array:
        scale = self._scale(m)
        return 0.5 * np.square(m - y) / scale + 0.5 * np.log(scale)

    def gradient(self, y: Array, m: Array) -> Array:
        return (m - y) / self._scale(m)

    def curvature(self, y: Array, m: Array) -> Array:
        return np.broadcast_to(1.0 / self._scale(m), np.shape(m)).copy()

    def information(self, m: Array) -> Array:
        return self.curvature(m, m)

    def mean(self, m: Array) -> Array:
        return np.array(m, copy=True)

    def link(self, mu: Array) -> Array:
        return np.array(mu, copy=True)

    def slope(self, m: Array) -> Array:
        return np.ones_like(m)

    def variance(self, m: Array) -> Array:
        return np.broadcast_to(self._scale(m), np.shape(m)).copy()

    def third(self, m: Array) -> Array:
        return np.zeros_like(m)

    def deviance(self, y: Array, m: Array) -> Array:
        unit = self.scale if self.unit is None else self.unit
        return np.square(m - y) / (1.0 if unit is None else unit)

    def sample(self, m: Array, rng: np.random.Generator, dispersion: float = 1.0) -> Array:
        return m + np.sqrt(self._scale(m)) * rng.standard_normal(np.shape(m)).astype(m.dtype)

    def quantiles(self, linear: Array, variance: Array, dispersion: float, tail: float) -> tuple[Array, Array]:
        """Quantiles ``tail`` and ``1 - tail`` of responses whose predictors are normal with these moments."""
        return normal_quantiles(linear, variance, self._scale(linear), tail)

    def invalid(self, y: Array) -> NDArray[np.bool_]:
        return ~np.isfinite(y)

    def at_columns(self, cols: Array) -> ScaledGaussian:
        if np.ndim(self.scale) == 0:
            return self
        unit = None if self.unit is None else np.asarray(self.unit)[cols]
        return replace(self, scale=np.asarray(self.scale)[cols], unit=unit)

    def learned(self, observed: Any) -> ScaledGaussian:
        """First scales: the columns' own variances."""
        if self.scale is not None:
            return self
        p, cols, y = observed.shape[1], observed.cols, np.asarray(observed.values, dtype=float)
        counts = np.bincount(cols, minlength=p)
        mean = np.bincount(cols, weights=y, minlength=p) / np.maximum(counts, 1)
        spread = np.bincount(cols, weights=np.square(y - mean[cols]), minlength=p) / np.maximum(counts - 1, 1)
        usual = float(np.mean(spread[spread > 0])) if np.any(spread > 0) else 1.0
        scale = np.where(spread > 0, spread, usual)
        return replace(self, scale=scale, unit=scale, is_estimated=True)

    def improved(self, cells: Cells) -> tuple[ScaledGaussian, float, None]:
        """Residual variances by the entries' degrees of freedom left, drawn to the first by half an entry."""
        scale = np.asarray(self.scale, dtype=float)
        first = np.asarray(self.unit, dtype=float)
        squares = cells.sums(np.square(np.asarray(cells.y, dtype=float) - cells.m))
        freedom = cells.sums(1.0 - np.minimum(cells.find_variance() / scale[cells.cols], 1.0))
        new = (squares + 0.5 * 0.1 * first) / np.maximum(freedom + 0.5, 0.5)
        change = 0.5 * (freedom + 0.5) * np.abs(1.0 - new / scale)
        return replace(self, scale=np.maximum(new, 1e-10 * first)), float(change.max(initial=0.0)), None


@storable
@dataclass(frozen=True, eq=False)
class Mixed:
    """Columns of several families.

    Parameters
    ----------
    members : tuple of Loss
        Each over all columns of the table where it has parameters per column.
    which : int array (p,)
        Place of every column's family among the members.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen.losses import Bernoulli, Poisson
    >>> both = Mixed((Bernoulli(), Poisson()), np.array([0, 1]))
    >>> both.mean(np.zeros((1, 2)))
    array([[0.5, 1. ]])
    """

    members: tuple[Any, ...]
    which: Any
    name: str = field(default="mixed", init=False)
    kernel: str | None = field(default=None, init=False)
    trials: float = field(default=1.0, init=False)
    has_dispersion: bool = field(default=False, init=False)
    has_columns: bool = field(default=True, init=False)
    support: str = field(default="responses of each column's own family", init=False)

    @property
    def is_estimated(self) -> bool:
        return any(is_estimated(member) for member in self.members)

    @property
    def range(self) -> tuple[Array, Array]:
        """Smallest and largest expected response of every column."""
        ends = [getattr(member, "range", (-np.inf, np.inf)) for member in self.members]
        which = np.asarray(self.which)
        return np.array([low for low, _ in ends], dtype=float)[which], np.array([top for _, top in ends])[which]

    def groups(self) -> Iterator[tuple[Any, Array]]:
        """Each member with the positions (along the last axis) of its columns."""
        for place, member in enumerate(self.members):
            chosen = np.flatnonzero(np.asarray(self.which) == place)
            if chosen.size:
                yield at_columns(member, chosen), chosen

    def _each(self, call: Callable[[Any, Array, Array], Array], m: Array, y: Array | None = None) -> Array:
        m = np.asarray(m)
        y = m if y is None else np.broadcast_to(np.asarray(y), m.shape)
        out = np.empty(m.shape, dtype=m.dtype)
        for member, chosen in self.groups():
            out[..., chosen] = call(member, y[..., chosen], m[..., chosen])
        return out

    def value(self, y: Array, m: Array) -> Array:
        return self._each(lambda loss, y, m: loss.value(y, m), m, y)

    def gradient(self, y: Array, m: Array) -> Array:
        return self._each(lambda loss, y, m: loss.gradient(y, m), m, y)

    def curvature(self, y: Array, m: Array) -> Array:
        return self._each(lambda loss, y, m: loss.curvature(y, m), m, y)

    def deviance(self, y: Array, m: Array) -> Array:
        return self._each(lambda loss, y, m: loss.deviance(y, m), m, y)

    def mean(self, m: Array) -> Array:
        return self._each(lambda loss, _, m: loss.mean(m), m)

    def link(self, mu: Array) -> Array:
        return self._each(lambda loss, _, mu: loss.link(mu), mu)

    def variance(self, m: Array) -> Array:
        return self._each(lambda loss, _, m: loss.variance(m), m)

    def third(self, m: Array) -> Array:
        return self._each(lambda loss, _, m: loss.third(m), m)

    def information(self, m: Array) -> Array:
        return self._each(lambda loss, _, m: information(loss, m), m)

    def slope(self, m: Array) -> Array:
        return self._each(lambda loss, _, m: slope(loss, m), m)

    def bend(self, m: Array) -> Array:
        return self._each(lambda loss, _, m: bend(loss, m), m)

    def skew(self, m: Array) -> Array:
        return self._each(lambda loss, _, m: skew(loss, m), m)

    def sample(self, m: Array, rng: np.random.Generator, dispersion: float = 1.0) -> Array:
        return self._each(lambda loss, _, m: loss.sample(m, rng), m).astype(np.result_type(m, np.float32))

    def quantiles(self, linear: Array, variance: Array, dispersion: float, tail: float) -> tuple[Array, Array]:
        """Each column's own, along the last axis."""
        low, high = np.empty(len(linear)), np.empty(len(linear))
        for member, chosen in self.groups():
            low[chosen], high[chosen] = member.quantiles(linear[chosen], variance[chosen], dispersion, tail)
        return low, high

    def invalid(self, y: Array) -> NDArray[np.bool_]:
        y = np.asarray(y, dtype=float)
        return self._each(lambda loss, y, _: loss.invalid(y), y).astype(bool)

    # ---- parameters per column -----------------------------------------------------------------------------------

    def at_columns(self, cols: Array) -> Mixed:
        cols = np.asarray(cols)
        return Mixed(tuple(at_columns(member, cols) for member in self.members), np.asarray(self.which)[cols])

    def illustrated(self) -> Mixed:
        """With parameters to draw from, where none were given."""
        return replace(self, members=tuple(m.illustrated() if hasattr(m, "illustrated") else m for m in self.members))

    def learned(self, observed: Any) -> Mixed:
        """Every member from the entries of its own columns."""
        if len(np.asarray(self.which)) != observed.shape[1]:
            raise ValueError(
                f"family names {len(np.asarray(self.which))} columns, but the table has {observed.shape[1]}; give one "
                "family per column, in the table's order, or a dictionary from column labels to families."
            )
        place = np.asarray(self.which)[observed.cols]
        members = [
            member.learned(observed.select(place == k)) if has_columns(member) and np.any(place == k) else member
            for k, member in enumerate(self.members)
        ]
        return replace(self, members=tuple(members))

    def improved(self, cells: Cells) -> tuple[Mixed, float, Array | None]:
        """A step of every member on its own columns."""
        place, members, largest = np.asarray(self.which)[cells.cols], list(self.members), 0.0
        moved = None
        for k, member in enumerate(self.members):
            if is_estimated(member) and np.any(self.which == k):
                members[k], change, move = member.improved(cells.only(place == k))
                largest = max(largest, change)
                if move is not None:
                    moved = np.zeros_like(move) if moved is None else moved
                    moved[self.which == k] = move[self.which == k]
        return replace(self, members=tuple(members)), largest, moved

    # ---- cuts of ordinal columns ---------------------------------------------------------------------------------

    def _with_cuts(self, width: int, call: Callable[[Any, Array], Array], m: Array) -> Array:
        m = np.asarray(m)
        out = np.zeros((*m.shape, width), dtype=m.dtype)
        for member, chosen in self.groups():
            if has_classes(member):
                per_cut = call(member, m[..., chosen])
                block = np.zeros((*per_cut.shape[:-1], width), dtype=m.dtype)
                block[..., : per_cut.shape[-1]] = per_cut
                out[..., chosen, :] = block
        return out

    @property
    def n_cuts(self) -> int:
        """Most cuts of any column."""
        return max((np.shape(member.cuts)[-1] for member in self.members if has_classes(member)), default=0)

    def mean_slopes(self, m: Array) -> Array:
        """Derivatives of the mean with respect to the cuts of ordinal columns, zero elsewhere."""
        return self._with_cuts(self.n_cuts, lambda loss, m: loss.mean_slopes(m), m)
