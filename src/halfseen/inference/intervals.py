"""What an interval method hands back: numbers with their labels, as arrays, as a table, as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen._typing import BoolArray, FloatArray, Labels

Array = NDArray[Any]


def normal_quantile(level: float) -> float:
    """Two-sided quantile :math:`z_{1 - (1 - level)/2}`.

    Examples
    --------
    >>> round(normal_quantile(0.95), 2)
    1.96
    """
    from scipy.special import ndtri

    return float(ndtri(0.5 + 0.5 * level))


@dataclass(frozen=True)
class Span:
    r"""The scale on which the error of a number in ``[low, high]`` is closest to normal.

    .. math:: g(s) = \log\frac{s - low}{high - s},\qquad \log(s - low),\qquad \log(high - s),\qquad s

    where both ends, one, or none of them are finite. The interval is :math:`g^{-1}(g(s) \pm q\, g'(s)\,se)`: it stays
    inside the range, and is longer towards the middle.

    Attributes
    ----------
    low, high : ndarray

    Examples
    --------
    >>> one = Span(np.array([0.0]), np.array([1.0])).around(np.array([0.99]), np.array([0.01]), 2.0)
    >>> [end.round(4).item() for end in one]
    [0.9292, 0.9987]
    """

    low: Array
    high: Array

    def scaled(self, s: Array, se: Array) -> tuple[Array, Array]:
        """``g(s)`` and the standard error there; at an end of the range the number itself and none."""
        left, right = self._room(s)
        is_above, is_below = np.isfinite(self.low), np.isfinite(self.high)
        at = np.where(is_above, np.log(left), 0.0) - np.where(is_below, np.log(right), 0.0)
        change = np.where(is_above, 1.0 / left, 0.0) + np.where(is_below, 1.0 / right, 0.0)
        is_free = ~(is_above | is_below)
        return np.where(is_free, s, at), np.where(is_free, 1.0, change) * se

    def around(self, s: Array, se: Array, quantile: float) -> tuple[Array, Array]:
        """Ends of the intervals."""
        move = quantile * self.scaled(s, se)[1]
        left, right = self._room(s)
        is_above, is_below = np.isfinite(self.low), np.isfinite(self.high)
        ends = []
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            for sign in (-1.0, 1.0):
                odds = np.exp(sign * move)
                inner = self.low + (left + right) / (1.0 + right / (left * odds))
                ways = [inner, self.low + left * odds, self.high - right / odds]
                end = np.select([is_above & is_below, is_above, is_below], ways, s + sign * move)
                ends.append(np.where(se == 0.0, s, end))
        return ends[0], ends[1]

    def _room(self, s: Array) -> tuple[Array, Array]:
        tiny = np.finfo(float).tiny
        return np.maximum(s - self.low, tiny), np.maximum(self.high - s, tiny)


def as_frame(columns: Mapping[str, Any], backend: str = "pyarrow") -> Any:
    """Columns of one length as a pyarrow, pandas or polars table."""
    lists = {
        name: column.tolist() if column.dtype.kind in "OU" else np.ascontiguousarray(column)
        for name, column in ((name, np.asarray(column)) for name, column in columns.items())
    }
    if backend not in ("pyarrow", "pandas", "polars"):
        raise ValueError(f"backend must be 'pyarrow', 'pandas' or 'polars', got {backend!r}")
    if backend == "pyarrow":
        return import_module("pyarrow").table(lists)
    return import_module(backend).DataFrame(lists)


def _show(name: str) -> Any:
    # displays lie above this package; they are looked up only when a picture is asked for
    return getattr(import_module("halfseen.show.intervals"), name)


@dataclass(frozen=True)
class Intervals:
    """Estimates with standard errors and intervals.

    Attributes
    ----------
    name : str
        What the numbers are.
    estimate, se, low, high : ndarray of one shape
    level : float
    labels : mapping from column name to array
        Who each number belongs to; broadcast against ``estimate``.
    claim : str
        What the level means.
    kind : {"interval", "band", "prediction", "ranks"}
    reliable : bool array
        False where the entries say too little for the interval to be trusted.
    extra : mapping from column name to array
        Further columns (tie groups).
    quantile : float
        What the standard error was multiplied by; nan where ends are found otherwise.

    Examples
    --------
    >>> two = Intervals.symmetric("ability", np.array([1.0, 2.0]), np.array([0.5, 0.1]), 0.95, {"row": ["a", "b"]})
    >>> two.low.round(2).tolist(), two.to_frame().column_names
    ([0.02, 1.8], ['row', 'estimate', 'se', 'low', 'high', 'reliable'])
    """

    name: str
    estimate: Array
    se: Array
    low: Array
    high: Array
    level: float
    labels: Mapping[str, Labels] = field(default_factory=dict)
    claim: str = ""
    kind: str = "interval"
    reliable: BoolArray | bool = True
    extra: Mapping[str, Labels] = field(default_factory=dict)
    quantile: float = float("nan")

    @classmethod
    def symmetric(
        cls, name: str, estimate: FloatArray, se: FloatArray, level: float, labels: Mapping[str, Any], **more: Any
    ) -> Intervals:
        """Estimate plus and minus ``quantile`` (by default the normal one) standard errors."""
        q = more.pop("quantile", None)
        q = normal_quantile(level) if q is None else float(q)
        labels = {key: np.asarray(value) for key, value in labels.items()}
        reach = q * se
        return cls(name, estimate, se, estimate - reach, estimate + reach, level, labels, quantile=q, **more)

    @classmethod
    def spanned(
        cls, name: str, estimate: Array, se: Array, span: Span, level: float, labels: Mapping[str, Any], **more: Any
    ) -> Intervals:
        """Ends ``quantile`` standard errors away on the scale of a :class:`Span`."""
        q = more.pop("quantile", None)
        q = normal_quantile(level) if q is None else float(q)
        labels = {key: np.asarray(value) for key, value in labels.items()}
        return cls(name, estimate, se, *span.around(estimate, se, q), level, labels, quantile=q, **more)

    def __len__(self) -> int:
        return int(np.size(self.estimate))

    def __repr__(self) -> str:
        doubtful = int(np.size(self.estimate) - np.broadcast_to(self.reliable, np.shape(self.estimate)).sum())
        note = f", {doubtful} unreliable" if doubtful else ""
        return f"Intervals({self.name}, {self.kind}, {len(self)} numbers, level {self.level:g}{note})"

    @property
    def width(self) -> Array:
        """High minus low."""
        return self.high - self.low

    def columns(self) -> dict[str, Labels]:
        """All numbers as flat arrays of one length, labels first."""
        shape = np.shape(self.estimate)
        parts: dict[str, Any] = {
            **self.labels,
            "estimate": self.estimate,
            "se": self.se,
            "low": self.low,
            "high": self.high,
            **self.extra,
            "reliable": self.reliable,
        }
        return {name: np.broadcast_to(np.asarray(part), shape).ravel() for name, part in parts.items()}

    def to_frame(self, backend: str = "pyarrow") -> Any:
        """The numbers as a long table, one line per number; backend pyarrow, pandas or polars."""
        return as_frame(self.columns(), backend)

    def plot(self, ax: Any = None, limit: int = 60) -> Any:
        """A caterpillar, band or rank display (matplotlib Figure); at most ``limit`` evenly chosen lines with names."""
        return _show("plot_intervals")(self, ax=ax, limit=limit)


@dataclass(frozen=True)
class Ellipsoids:
    r"""Chi-square ellipsoids :math:`\{x : (x - \hat x)^\top V^{-1} (x - \hat x) \le \chi^2_{r, level}\}`.

    Attributes
    ----------
    name : str
    estimate : ndarray (m, r)
        Centres.
    covariance : ndarray (m, r, r)
    level : float
    labels : mapping from column name to array (m,)
    claim : str
    reliable : bool array (m,)

    Examples
    --------
    >>> disc = Ellipsoids("x", np.zeros((1, 2)), np.eye(2)[None], 0.95)
    >>> disc.contains([[2.4, 0.0]]).tolist(), disc.contains([[2.5, 0.0]]).tolist()
    ([True], [False])
    """

    name: str
    estimate: FloatArray
    covariance: FloatArray
    level: float
    labels: Mapping[str, Labels] = field(default_factory=dict)
    claim: str = ""
    reliable: BoolArray | bool = True

    @property
    def radius(self) -> float:
        """Root of the chi-square quantile."""
        from scipy.special import chdtri

        return float(np.sqrt(chdtri(self.estimate.shape[1], 1.0 - self.level)))

    @property
    def se(self) -> FloatArray:
        """Standard errors of the centres, (m, r)."""
        return np.sqrt(np.einsum("mkk->mk", self.covariance))

    @property
    def low(self) -> FloatArray:
        """Lower corners of the boxes around the ellipsoids."""
        return self.estimate - self.radius * self.se

    @property
    def high(self) -> FloatArray:
        """Upper corners of the boxes around the ellipsoids."""
        return self.estimate + self.radius * self.se

    def contains(self, points: Any) -> BoolArray:
        """Whether each point (m, r) lies in its ellipsoid."""
        away = np.asarray(points, dtype=float) - self.estimate
        if not np.isfinite(self.covariance).all():
            raise ValueError("an ellipsoid without information has no inside; choose rows with is_reliable")
        solved = np.linalg.solve(self.covariance, away[..., None])[..., 0]
        return np.einsum("mk,mk->m", away, solved) <= self.radius**2

    def outline(self, n_points: int = 90, components: tuple[int, int] = (0, 1)) -> FloatArray:
        """Points (m, n_points, 2) on the edges of the shadows in the plane of two components, NaN where unbounded."""
        angle = np.linspace(0.0, 2.0 * np.pi, n_points)
        circle = np.stack([np.cos(angle), np.sin(angle)])
        plane = list(components)
        shadow = self.covariance[:, plane][:, :, plane]
        known = np.isfinite(shadow).all(axis=(1, 2), keepdims=True)
        root = np.linalg.cholesky(np.where(known, shadow, np.eye(2)))
        edge = self.estimate[:, None, plane] + self.radius * np.swapaxes(root @ circle, 1, 2)
        return np.where(known, edge, np.nan)

    def to_frame(self, backend: str = "pyarrow") -> Any:
        """Centres, standard errors and boxes, one line per row and component."""
        m, r = self.estimate.shape
        parts: dict[str, Any] = {name: np.repeat(label, r) for name, label in self.labels.items()}
        parts["component"] = np.tile(np.arange(r), m)
        parts |= {name: getattr(self, name).ravel() for name in ("estimate", "se", "low", "high")}
        parts["reliable"] = np.repeat(np.broadcast_to(self.reliable, m), r)
        return as_frame(parts, backend)

    def plot(self, ax: Any = None, components: tuple[int, int] = (0, 1)) -> Any:
        """Ellipses in the plane of two components (matplotlib Figure)."""
        return _show("plot_ellipses")(self, ax=ax, components=components)
