"""What an interval method hands back: numbers with their labels, as arrays, as a table, as a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen._typing import BoolArray, FloatArray, Labels
from halfseen.data.frames import LIBRARIES

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


# Lines of a table that is shown, and characters of one of its words.
SHOWN, WIDEST = 6, 24


def as_frame(columns: Mapping[str, Any], backend: str = "pyarrow") -> Any:
    """Columns of one length as a pyarrow, pandas or polars table."""
    lists = {
        name: column.tolist() if column.dtype.kind in "OU" else np.ascontiguousarray(column)
        for name, column in ((name, np.asarray(column)) for name, column in columns.items())
    }
    if backend not in LIBRARIES:
        raise ValueError(f"backend must be 'pyarrow', 'pandas' or 'polars', got {backend!r}")
    if backend == "pyarrow":
        return import_module("pyarrow").table(lists)
    return import_module(backend).DataFrame(lists)


def _words(column: Any) -> list[str]:
    """Values as short words."""
    values = np.asarray(column)
    if values.dtype.kind == "f":
        return [f"{value:.4g}" for value in values.tolist()]
    return [word if len(word := str(value)) <= WIDEST else f"{word[: WIDEST - 1]}\u2026" for value in values.tolist()]


def first_lines(columns: Mapping[str, Any], length: int) -> str:
    """The first lines of a table as aligned text, and how many there are more."""
    words = {name: _words(np.asarray(column)[:SHOWN]) for name, column in columns.items()}
    wide = {name: max(len(name), *map(len, own)) if own else len(name) for name, own in words.items()}
    lines = ["  " + "  ".join(name.rjust(wide[name]) for name in words)]
    for line in zip(*words.values(), strict=True):
        lines.append("  " + "  ".join(word.rjust(wide[name]) for name, word in zip(words, line, strict=True)))
    return "\n".join(lines if length <= SHOWN else [*lines, f"  ... {length - SHOWN} more"])


def html_table(title: str, columns: Mapping[str, Any], length: int) -> str:
    """The first lines of a table as HTML under a title."""
    from html import escape

    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    words = [_words(np.asarray(column)[:SHOWN]) for column in columns.values()]
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(word)}</td>' for word in line)}</tr>" for line in zip(*words, strict=True)
    )
    more = f"<p>{length - SHOWN} more</p>" if length > SHOWN else ""
    return f"<p>{escape(title)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


@dataclass(frozen=True)
class Statement:
    """How the errors of intervals come about, so that intervals can be made to hold together.

    Attributes
    ----------
    owner : object
        Whose errors they are: only numbers of one owner can be drawn together.
    errors : object
        What the owner needs to draw the errors of these numbers.
    ends : callable
        ``ends(q)`` gives the lower and upper ends at a multiple of the standard errors.
    """

    owner: Any
    errors: Any
    ends: Callable[[float], tuple[Array, Array]]


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
        What the standard error was multiplied by; nan where ends are not multiples of it.
    library : {"pyarrow", "pandas", "polars"}
        Of the frame that :meth:`to_frame` gives: that of the model's input.
    statement : Statement or None
        How the errors come about; None where they cannot be drawn together with others.

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
    library: str = "pyarrow"
    statement: Statement | None = field(default=None, repr=False, compare=False)

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

    @classmethod
    def together(cls, parts: Sequence[Intervals]) -> Intervals:
        """Several sets one after the other, named in the column ``set``; a single one as it is."""
        if len(parts) == 1:
            return parts[0]
        tables = [part.columns() for part in parts]
        flat = {key: np.concatenate([table[key] for table in tables]) for key in (*NUMBERS, "reliable")}
        names = list(dict.fromkeys(key for part in parts for key in part.labels))
        labels: dict[str, Labels] = {"set": np.repeat([part.name for part in parts], [len(part) for part in parts])}
        labels |= {
            name: _stacked([table.get(name) for table in tables], [len(part) for part in parts]) for name in names
        }
        first = parts[0]
        return cls(
            f"{len(parts)} sets", flat["estimate"], flat["se"], flat["low"], flat["high"], first.level, labels,
            first.claim, first.kind, flat["reliable"], quantile=first.quantile, library=first.library,
        )  # fmt: skip

    def stated(self, statement: Statement) -> Intervals:
        """The same, able to hold together with other intervals of the statement's owner."""
        return replace(self, statement=statement)

    def widened(self, quantile: float) -> Intervals:
        """The same numbers with ends at another multiple of their standard errors, as a band."""
        assert self.statement is not None
        low, high = self.statement.ends(quantile)
        return replace(self, low=low, high=high, quantile=quantile, kind="band")

    def __getstate__(self) -> dict[str, Any]:
        # how errors come about stays with the inference: it holds the entries
        return self.__dict__ | {"statement": None}

    def __len__(self) -> int:
        return int(np.size(self.estimate))

    @property
    def title(self) -> str:
        """What the numbers are, in one line."""
        doubtful = int(np.size(self.estimate) - np.broadcast_to(self.reliable, np.shape(self.estimate)).sum())
        note = f", {doubtful} unreliable" if doubtful else ""
        return f"Intervals({self.name}, {self.kind}, {len(self)} numbers, level {self.level:g}{note})"

    def __repr__(self) -> str:
        return f"{self.title}\n{first_lines(self._shown(), len(self))}"

    def _repr_html_(self) -> str:
        return html_table(self.title, self._shown(), len(self))

    def _shown(self) -> dict[str, Labels]:
        """The columns worth a line: without ``reliable`` where all are."""
        columns = self.columns()
        if bool(np.all(self.reliable)):
            columns.pop("reliable")
        return columns

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

    def to_frame(self, backend: str | None = None) -> Any:
        """The numbers as a long table, one line per number: pyarrow, pandas or polars; None is the input's library."""
        return as_frame(self.columns(), backend or self.library)

    def plot(self, ax: Any = None, limit: int = 60) -> Any:
        """A caterpillar, band or rank display (matplotlib Figure); at most ``limit`` evenly chosen lines with names."""
        return _show("plot_intervals")(self, ax=ax, limit=limit)


NUMBERS = ("estimate", "se", "low", "high")


def _stacked(parts: Sequence[Labels | None], lengths: Sequence[int]) -> Labels:
    """One label column of several sets: empty where a set has none, text where their kinds differ."""
    given = [part for part in parts if part is not None]
    if len(given) == len(parts) and len({part.dtype.kind for part in given}) == 1:
        return np.concatenate(given)
    return np.concatenate([
        np.full(length, "") if part is None else np.asarray(part).astype(str)
        for part, length in zip(parts, lengths, strict=True)
    ])  # fmt: skip


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
    library : {"pyarrow", "pandas", "polars"}

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
    library: str = "pyarrow"

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

    def to_frame(self, backend: str | None = None) -> Any:
        """Centres, standard errors and boxes, one line per row and component."""
        m, r = self.estimate.shape
        parts: dict[str, Any] = {name: np.repeat(label, r) for name, label in self.labels.items()}
        parts["component"] = np.tile(np.arange(r), m)
        parts |= {name: getattr(self, name).ravel() for name in ("estimate", "se", "low", "high")}
        parts["reliable"] = np.repeat(np.broadcast_to(self.reliable, m), r)
        return as_frame(parts, backend or self.library)

    def plot(self, ax: Any = None, components: tuple[int, int] = (0, 1)) -> Any:
        """Ellipses in the plane of two components (matplotlib Figure)."""
        return _show("plot_ellipses")(self, ax=ax, components=components)
