"""Intervals of single parameters: intercepts, thresholds, factors, ellipsoids of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen._typing import IntArray
from halfseen.inference import Ellipsoids, Intervals
from halfseen.inference.draws import Errors
from halfseen.losses import has_classes
from halfseen.methods.factor.intervals.draws import NONE, scaled
from halfseen.methods.factor.intervals.view import FactorView

Array = NDArray[Any]
SIDES = ("row", "col")


@dataclass(frozen=True)
class ParameterErrors:
    """Errors of chosen parameters of chosen rows or columns, row by row.

    Attributes
    ----------
    view : FactorView
    axis : int
    which : int array (m,)
        Positions of the rows or columns.
    places : slice
        Places of the parameters in the blocks.
    """

    view: FactorView
    axis: int
    which: IntArray
    places: slice
    is_linear: bool = True

    @property
    def rows(self) -> IntArray:
        return self.which if self.axis == 0 else NONE

    @property
    def cols(self) -> IntArray:
        return self.which if self.axis == 1 else NONE

    def deviations(self, errors: Errors, size: str) -> Array:
        """See :class:`FactorErrors`."""
        own, blocks = errors[self.axis][:, :, self.places], self.view.blocks(self.axis)
        variance = np.einsum("mkk->mk", getattr(blocks, size)[self.which])[:, self.places]
        se = np.sqrt(np.where(blocks.is_resolved[self.which, None], np.maximum(variance, 0.0), np.inf))
        return scaled(own.reshape(len(own), -1), se.ravel())


def one_parameter(view: FactorView, axis: int, component: Any, which: IntArray) -> Intervals:
    """One parameter of chosen rows or columns."""
    estimate, se, place = view.parameter(axis, component)
    name = "intercept" if component == "intercept" else f"{SIDES[axis]} factor {component}"
    errors = ParameterErrors(view, axis, which, slice(place, place + 1))
    labels = view.names.column(axis, which)
    return view.intervals(name, estimate[which], se[which], labels, view.reliable(axis)[which], errors)


def all_factors(view: FactorView, axis: int, which: IntArray) -> Intervals:
    """All factors of chosen rows or columns, (m, r)."""
    view.check_precision()
    view.check_components(np.arange(view.uncertainty.factors.rank))
    variance = view.blocks(axis).variances()[:, axis:] + np.einsum("mkk->mk", view.gauge_share(axis))
    labels = {key: label[:, None] for key, label in view.names.column(axis, which).items()}
    labels["component"] = np.arange(view.uncertainty.factors.rank)[None, :]
    errors = ParameterErrors(view, axis, which, slice(axis, None))
    name = f"{SIDES[axis]} factor"
    reliable = view.reliable(axis)[which, None]
    return view.intervals(name, view.factors(axis)[which], np.sqrt(variance)[which], labels, reliable, errors)


def columns(view: FactorView) -> Intervals:
    """Intercept and factors of every column, (p, r + 1)."""
    parts = [one_parameter(view, 1, component, np.arange(view.names.shape[1]))
             for component in ("intercept", *range(view.uncertainty.factors.rank))]  # fmt: skip
    labels = {key: label[:, None] for key, label in view.names.column(1).items()}
    labels["parameter"] = np.array(["intercept", *(f"factor {k}" for k in range(len(parts) - 1))])[None, :]
    estimate, se = (np.stack([getattr(part, name) for part in parts], axis=1) for name in ("estimate", "se"))
    errors = ParameterErrors(view, 1, np.arange(view.names.shape[1]), slice(None))
    return view.intervals("column", estimate, se, labels, view.reliable(1)[:, None], errors)


def thresholds(view: FactorView) -> Intervals:
    r"""Thresholds :math:`\tau_{jt} = c_{jt} - \zeta_j` of ordinal columns, (p, K - 1)."""
    view.check_precision()
    loss: Any = view.passes.loss
    uncertainty = view.uncertainty
    if not has_classes(loss):
        raise ValueError(f"thresholds() are those of family='ordinal'; this fit is {loss.name!r}.")
    p, count = view.names.shape[1], np.shape(loss.cuts)[-1]
    # the intercept moves all thresholds, and the cuts follow it
    G = np.zeros((p, count, uncertainty.features.shape[1]))
    G[:, :, 0] = -1.0
    variance = np.zeros((p, count))
    if uncertainty.cuts is not None:
        G = G + uncertainty.cuts.follow
        variance = variance + np.einsum("jss->js", uncertainty.cuts.covariance)
    variance = variance + np.einsum("jsk,jkl,jsl->js", G, uncertainty.cols.covariance, G)
    variance = np.where(uncertainty.cols.is_resolved[:, None], variance, np.inf)
    labels = {key: label[:, None] for key, label in view.names.column(1).items()}
    labels["threshold"] = np.arange(1, count + 1)[None, :]
    estimate = np.broadcast_to(loss.cuts, (p, count)) - uncertainty.factors.intercept[:, None]
    reliable = view.reliable(1)[:, None]
    return view.intervals("threshold", estimate, np.sqrt(variance), labels, reliable, ThresholdErrors(view, G))


@dataclass(frozen=True)
class ThresholdErrors:
    """Errors of thresholds as far as they follow the columns' own parameters.

    Attributes
    ----------
    view : FactorView
    gradient : ndarray (p, K - 1, r + 1)
    """

    view: FactorView
    gradient: Array
    is_linear: bool = True

    @property
    def rows(self) -> IntArray:
        return NONE

    @property
    def cols(self) -> IntArray:
        return np.arange(len(self.gradient))

    def deviations(self, errors: Errors, size: str) -> Array:
        """See :class:`FactorErrors`."""
        blocks, G = self.view.uncertainty.cols, self.gradient
        moved = np.einsum("jsk,bjk->bjs", G, errors[1]).reshape(len(errors[1]), -1)
        variance = np.einsum("jsk,jkl,jsl->js", G, getattr(blocks, size), G)
        return scaled(moved, np.sqrt(np.where(blocks.is_resolved[:, None], variance, np.inf)).ravel())


def ellipsoids(view: FactorView, axis: int, which: IntArray) -> Ellipsoids:
    r"""Chi-square ellipsoids of the factors of chosen rows or columns."""
    view.check_precision()
    view.check_components(np.arange(view.uncertainty.factors.rank))
    blocks = view.blocks(axis)
    cov = blocks.covariance[which][:, axis:, axis:] + view.gauge_share(axis)[which]
    cov = np.where(blocks.is_resolved[which][:, None, None], cov, np.inf)
    labels, centre = view.names.column(axis, which), view.factors(axis)[which]
    name, reliable = f"{('rows', 'cols')[axis][:-1]} factors", blocks.is_reliable[which]
    return Ellipsoids(name, centre, cov, view.level, labels, view.claim, reliable, view.library)
