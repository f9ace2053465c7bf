"""What a loss says beyond the protocol, with the canonical family's answer where it does not say it itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np

from halfseen.losses.abilities import has_columns
from halfseen.losses.protocol import Array, Loss


@dataclass(frozen=True)
class Cells:
    """Entries at their current predictors, as a loss needs them to improve its parameters per column.

    Attributes
    ----------
    y, m : ndarray (n_entries,)
        Responses and linear predictors.
    weights : ndarray (n_entries,)
    cols : ndarray (n_entries,)
        Column of each entry.
    n_cols : int
    find_variance : callable
        Gives the variance of each predictor by the blocks' information: its leverage over its own information.
    blocks : ndarray (n_cols, k, k)
        Information of each column's own parameters, the intercept first.
    to_cols : callable
        ``to_cols(g)`` gives ``sum_i g_ij (1, x_i)`` of every column, shape (n_cols, k).
    """

    y: Array
    m: Array
    weights: Array
    cols: Array
    n_cols: int
    find_variance: Callable[[], Array]
    blocks: Array
    to_cols: Callable[[Array], Array]

    def sums(self, g: Array) -> Array:
        """Weighted sums over the entries of every column."""
        return np.bincount(self.cols, weights=self.weights * g, minlength=self.n_cols)

    def moments(self, g: Array) -> Array:
        """Weighted sums ``sum_i g_ij (1, x_i)`` of every column."""
        return self.to_cols(self.weights * g)

    def only(self, chosen: Array) -> Cells:
        """The chosen entries (a mask); sums of the other columns are zero."""

        def to_cols(g: Array) -> Array:
            wide = np.zeros(len(chosen))
            wide[chosen] = g
            return self.to_cols(wide)

        y, m, weights, cols = (part[chosen] for part in (self.y, self.m, self.weights, self.cols))
        part = replace(self, y=y, m=m, weights=weights, cols=cols)
        return replace(part, find_variance=lambda: self.find_variance()[chosen], to_cols=to_cols)


@runtime_checkable
class ColumnLoss(Protocol):
    """A loss with parameters of its own in every column (thresholds, dispersions, a family).

    Beside the members of :class:`Loss` it says ``has_columns = True``, restricts itself to the columns of some entries
    and learns its parameters.
    """

    @property
    def has_columns(self) -> bool:
        """True."""
        ...

    @property
    def is_estimated(self) -> bool:
        """Whether :meth:`improved` has anything to do."""
        ...

    def at_columns(self, cols: Array) -> Loss:
        """The loss of entries in these columns; predictors have them along their last axis."""
        ...

    def learned(self, observed: Any) -> Self:
        """What the table shows before any fit: levels, and first parameters of every column."""
        ...

    def improved(self, cells: Cells) -> tuple[Self, float, Array | None]:
        """One Newton step on the parameters per column.

        Returns the new loss, the largest slope of the objective before, and how the columns' own parameters
        ``(intercept, factors)`` follow, shape (n_cols, k) (None: not at all).
        """
        ...


def at_columns(loss: Loss, cols: Array) -> Loss:
    """The loss of entries in the given columns: itself, unless it has parameters per column."""
    return loss.at_columns(cols) if has_columns(loss) else loss  # type: ignore[attr-defined]


def _said(loss: Loss, name: str, canonical: str, m: Array) -> Array:
    said: Array = getattr(loss, name, getattr(loss, canonical))(m)
    return said


def information(loss: Loss, m: Array) -> Array:
    """Expected curvature at ``m``; of a canonical family its variance."""
    return _said(loss, "information", "variance", m)


def slope(loss: Loss, m: Array) -> Array:
    """Derivative of the mean; of a canonical family its variance."""
    return _said(loss, "slope", "variance", m)


def bend(loss: Loss, m: Array) -> Array:
    """Second derivative of the mean; of a canonical family its third cumulant."""
    return _said(loss, "bend", "third", m)


def skew(loss: Loss, m: Array) -> Array:
    r"""What Firth's correction of the score needs, :math:`E[s^3] + E[s\,s']`, ``s`` the score of one response.

    Its half, times the variance of the predictor, is added to the score. Of a canonical family the third cumulant.
    Source: Firth (1993), Biometrika 80, equation (3).
    """
    return _said(loss, "skew", "third", m)


def response_range(loss: Loss) -> tuple[Array, Array]:
    """Smallest and largest expected response (for mixed columns, of each column)."""
    low, high = getattr(loss, "range", (-np.inf, np.inf))
    return np.asarray(low, dtype=float), np.asarray(high, dtype=float)


@dataclass(frozen=True)
class Tilted:
    """A loss of entries with a linear term: ``loss(y, m) - tilt * m``.

    For a canonical family the same as adding ``tilt`` to the responses.

    Attributes
    ----------
    loss : Loss
    tilt : ndarray (n_entries,)
    """

    loss: Loss
    tilt: Array

    def value(self, y: Array, m: Array) -> Array:
        return self.loss.value(y, m) - self.tilt * m

    def gradient(self, y: Array, m: Array) -> Array:
        return self.loss.gradient(y, m) - self.tilt

    def curvature(self, y: Array, m: Array) -> Array:
        return self.loss.curvature(y, m)
