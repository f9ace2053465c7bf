"""How a source's values are distributed: weights and targets that turn every family into weighted least squares."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import expit, ndtr

from halfseen._typing import FloatArray, IntArray
from halfseen.data import Observed
from halfseen.data.storable import storable
from halfseen.methods.heterogeneous.posterior.cells import SourceCells, make_cells

FAMILIES = ("gaussian", "huber", "bernoulli", "poisson")
# Normal noise crosses it in 18 % of the cells: 95 % of the efficiency of least squares where there are no outliers.
HUBER = 1.345
# Least curvature of a Poisson cell, and how far one step may move its predictor.
LEAST_RATE, LONGEST_MOVE = 0.05, 3.0
# Columns whose spreads differ by that factor have units of their own; a spread is told by so many cells at least.
UNLIKE, FEWEST = 30.0, 3
# Least cut, in standard deviations of the noise, with which its variance is corrected.
LEAST_CUT = 0.3


@storable
@dataclass(frozen=True)
class SourceFamily:
    """The distribution of a source's values.

    Attributes
    ----------
    name : {"gaussian", "huber", "bernoulli", "poisson"}
    cut : float
        "huber": residuals beyond it count linearly.
    is_relative : bool
        The cut is in standard deviations of the column's noise, not in units of the values.
    """

    name: str
    cut: float = HUBER
    is_relative: bool = True

    @property
    def has_noise(self) -> bool:
        """Whether there is a noise variance per column to be learnt (and a scale to be taken out)."""
        return self.name in ("gaussian", "huber")

    @property
    def moves(self) -> bool:
        """Whether weights and targets depend on the fit."""
        return self.name != "gaussian"

    @property
    def loss(self) -> str:
        """Name of the loss that judges predictions."""
        return "gaussian" if self.has_noise else self.name

    def mean(self, linear: FloatArray) -> FloatArray:
        """Expected value at a linear predictor."""
        if self.name == "bernoulli":
            return expit(linear)
        return np.exp(np.minimum(linear, 700.0)) if self.name == "poisson" else linear

    def level(self, values: FloatArray, weights: FloatArray | None) -> float:
        """The predictor of a table without structure."""
        if self.name == "bernoulli":
            share = (values.sum() + 0.5) / (len(values) + 1.0)
            return float(np.log(share / (1.0 - share)))
        if self.name == "poisson":
            return float(np.log(max(values.mean(), 0.5 / len(values))))
        return float(np.average(values, weights=weights))

    def refuse(self, name: str, table: Observed) -> None:
        """Raise for values that the family cannot have."""
        values = table.values
        if self.name == "bernoulli":
            bad, needs, way = (values != 0) & (values != 1), "values 0 or 1", "family 'poisson', or binarise"
        elif self.name == "poisson":
            bad, needs, way = (values < 0) | (values != np.round(values)), "counts 0, 1, 2, ...", "family 'gaussian'"
        else:
            return
        if bad.any():
            k = int(np.argmax(bad))
            i, j = table.rows[k], table.cols[k]
            raise ValueError(
                f"family {self.name!r} of source {name!r} needs {needs}; {int(bad.sum())} entries are others, first "
                f"row {i}, column {j} = {values[k]:g}; use {way}"
            )


def family_of(spec: Any) -> SourceFamily:
    """A family from its name.

    Examples
    --------
    >>> family_of("huber(2)").cut, family_of("poisson").has_noise
    (2.0, False)
    """
    if isinstance(spec, SourceFamily):
        return spec
    text = str(spec)
    given = re.fullmatch(r"huber\(([0-9.eE+-]+)\)", text)
    if given:
        cut = float(given[1])
        if not 0 < cut < np.inf:
            raise ValueError(f"family {text!r}: the cut must be a positive number, in units of the values")
        return SourceFamily("huber", cut, is_relative=False)
    if text not in FAMILIES:
        raise ValueError(f"family {text!r} is not known; use one of {FAMILIES} or 'huber(D)'")
    return SourceFamily(text)


@dataclass(frozen=True)
class Working:
    """Weighted least squares that stands for a family near the present fit.

    Attributes
    ----------
    weight : cell array
        Precision of each cell, in units of one over the column's noise variance.
    target : cell array
        ``weight`` times what the cell's predictor (less the level) should be.
    damp : cell array or None
        Factor by which a robust family lowered the weight.
    """

    weight: FloatArray
    target: FloatArray
    damp: FloatArray | None = None


@dataclass(frozen=True)
class Given:
    """The cells of a source in working units: ``(values - level) / scale`` for families with noise.

    Attributes
    ----------
    cells : SourceCells
        Of the values as they are.
    family : SourceFamily
    level, scale : float
    weights : cell array
        Weights of the entries (1 where nothing was given), 0 at cells that were not seen.
    offset, unit : ndarray (p,) or None
        Of every column, beside level and scale, where the columns' units are unlike.
    is_flat : bool
        All values are the same: there is nothing to explain.
    """

    cells: SourceCells
    family: SourceFamily
    level: float
    scale: float
    weights: FloatArray
    offset: FloatArray | None = None
    unit: FloatArray | None = None
    is_flat: bool = False

    @cached_property
    def values(self) -> FloatArray:
        """Values in working units."""
        if self.unit is None or self.offset is None:
            return (self.cells.values - self.level * self.cells.seen) / self.scale
        rest = self.cells.values - self.cells.of_cols(self.level + self.offset) * self.cells.seen
        return rest * self.cells.of_cols(1.0 / (self.scale * self.unit))

    def first(self) -> Working:
        """Where nothing is known yet."""
        p = self.cells.shape[1]
        nothing = np.zeros_like(self.cells.values)
        return self.working(nothing, nothing, np.ones(p))

    def working(self, linear: FloatArray, variance: FloatArray, noise: FloatArray) -> Working:
        r"""Weights and targets at a predictor with its variance.

        bernoulli: :math:`\omega = \tanh(\xi/2)/(2\xi)`, :math:`\xi^2 = E[\eta^2]`, target :math:`(y - 1/2)/\omega`
        (Jaakkola and Jordan); poisson: :math:`\omega = \max(e^\eta, .05)`, target
        :math:`\eta + (y - e^\eta)/\omega` within 3; huber: :math:`\omega = \min(1, D/|e|)`.
        """
        name, base = self.family.name, self.weights
        if name == "gaussian":
            return Working(base, base * self.values)
        if name == "huber":
            y = self.values
            size = np.sqrt(np.square(y - linear) + variance)
            cut = self.cells.of_cols(self.cuts(noise) * np.sqrt(noise))
            damp = np.minimum(1.0, cut / np.maximum(size, 1e-300))
            return Working(base * damp, base * damp * y, damp)
        y, eta = self.cells.values, linear + self.level
        if name == "bernoulli":
            xi = np.sqrt(np.square(eta) + variance)
            omega = np.where(xi > 1e-4, np.tanh(0.5 * xi) / (2.0 * np.maximum(xi, 1e-4)), 0.25)
            return Working(base * omega, base * (y - 0.5 - omega * self.level))
        rate = np.exp(np.minimum(eta, 30.0))
        omega = np.maximum(rate, LEAST_RATE)
        return Working(base * omega, base * omega * (linear + np.clip((y - rate) / omega, -LONGEST_MOVE, LONGEST_MOVE)))

    def cuts(self, noise: FloatArray) -> FloatArray:
        """The cut of a robust family in standard deviations of every column's noise."""
        if self.family.is_relative:
            return np.full(len(noise), self.family.cut)
        # far below one standard deviation the residuals' sizes say nothing about the noise any more
        return np.maximum(
            self.family.cut / (self.scale * (1.0 if self.unit is None else self.unit) * np.sqrt(noise)), LEAST_CUT
        )

    def shrinkage(self, noise: FloatArray) -> FloatArray:
        """Expected square of normal residuals whose tails were cut, in units of their variance, by column."""
        if self.family.name != "huber":
            return np.ones(len(noise))
        D = self.cuts(noise)
        tail = 2.0 * (1.0 - ndtr(D))
        density = np.exp(-0.5 * D * D) / np.sqrt(2.0 * np.pi)
        return 1.0 - tail - 2.0 * D * density + D * D * tail


def given(name: str, table: Observed, family: SourceFamily, centre: bool) -> Given:
    """A source's cells with the level and the scale that are taken out.

    The scale is the root mean square about the column means; the level the mean of the seen (in the predictor's units).
    Where the columns' spreads differ by a factor of 30 and more, every column has a mean and a unit of its own.
    """
    family.refuse(name, table)
    cells = make_cells(table)
    listed = np.ones(table.n_entries) if table.weights is None else table.weights.astype(float)
    values = table.values.astype(float)
    level = family.level(values, listed) if centre else 0.0
    if not family.has_noise:
        return Given(cells, family, level, 1.0, cells.from_list(table, listed))
    rest = values - level
    if centre:
        sums = np.bincount(table.cols, weights=rest, minlength=table.shape[1])
        rest = rest - (sums / np.maximum(cells.counts, 1.0))[table.cols]
    floor = 1e-13 * float(np.max(np.abs(values)))
    offset, unit = column_units(table, level, centre, family.name == "huber")
    if is_unlike(unit, cells.counts, floor):
        typical = float(np.median(unit[unit > floor]))
        unit = np.where((unit > floor) & (cells.counts >= FEWEST), unit, typical)
        return Given(cells, family, level, 1.0, cells.from_list(table, listed), offset, unit)
    scale = 0.0
    if family.name == "huber":  # outliers must not set the unit
        scale = 1.4826 * float(np.median(np.abs(rest)))
    if not scale or family.name == "gaussian":
        scale = float(np.sqrt(np.mean(np.square(rest))))
    is_flat = not scale > floor
    return Given(cells, family, level, 1.0 if is_flat else scale, cells.from_list(table, listed), is_flat=is_flat)


def column_units(table: Observed, level: float, centre: bool, is_robust: bool) -> tuple[FloatArray, FloatArray]:
    """Mean (robust: median) less the level, 0 without ``centre``, and spread of every column's seen cells."""
    p = table.shape[1]
    counts = np.maximum(np.bincount(table.cols, minlength=p), 1.0)
    rest = table.values.astype(float) - level
    offset: FloatArray = np.bincount(table.cols, weights=rest, minlength=p) / counts if centre else np.zeros(p)
    if is_robust and centre:
        offset = column_medians(rest, table.cols, p)
    rest = rest - offset[table.cols]
    unit: FloatArray = np.sqrt(np.bincount(table.cols, weights=np.square(rest), minlength=p) / counts)
    if is_robust:
        sizes = 1.4826 * column_medians(np.abs(rest), table.cols, p)
        unit = np.where(sizes > 0, sizes, unit)
    return offset, unit


def column_medians(values: FloatArray, cols: IntArray, p: int) -> FloatArray:
    """Median of the values of every column, 0 where there are none."""
    groups = np.split(values[np.argsort(cols, kind="stable")], np.cumsum(np.bincount(cols, minlength=p))[:-1])
    return np.array([np.median(group) if len(group) else 0.0 for group in groups])


def is_unlike(unit: FloatArray, counts: FloatArray, floor: float) -> bool:
    """Whether columns with enough cells differ in their spread by more than a common scale can serve."""
    told = unit[(unit > floor) & (counts >= FEWEST)]
    return len(told) > 1 and float(told.max()) > UNLIKE * float(told.min())
