"""Parameters of estimators: declared once in a table, checked once at the head of ``fit``.

An estimator says in one dictionary what each of its parameters may be; errors, the command line and the documentation
read that dictionary. A kind knows three things: whether a value fits, how to say so in words, and how to read a value
from text.

Examples
--------
>>> rank = Whole(0) | Word("auto")
>>> rank.fits(3), rank.fits("auto"), rank.fits(-1), str(rank)
(True, True, False, "a whole number of at least 0 or 'auto'")
>>> rank.parse("12"), rank.parse("auto")
(12, 'auto')
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from numbers import Integral, Real
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from halfseen.errors import close_matches, shown
from halfseen.telling import Tells


class BadArgument(ValueError, TypeError):
    """An argument is not what is needed.

    Whoever shows the error words it for its own readers: Python writes ``name=value``, the command line ``--name``.

    Parameters
    ----------
    name : str
        Of the argument.
    value : object
        What was given.
    needed : str
        What is needed, as a noun phrase: "a whole number of at least 1".
    way_out : str
        A sentence that says what to do; empty where ``needed`` says it all.

    Examples
    --------
    >>> raise BadArgument("tol", -1, "a finite number above 0")
    Traceback (most recent call last):
    ...
    halfseen.parameters.BadArgument: tol=-1 is not allowed; needed: a finite number above 0.
    """

    def __init__(self, name: str, value: Any, needed: str, way_out: str = "") -> None:
        self.name, self.value, self.needed, self.way_out = name, value, needed, way_out
        super().__init__(name, value, needed, way_out)

    def __str__(self) -> str:
        text = f"{self.name}={shown(self.value)} is not allowed; needed: {self.needed}."
        return f"{text} {self.way_out}" if self.way_out else text


class Kind:
    """What a parameter may be. Kinds are joined by ``|``."""

    def fits(self, value: Any) -> bool:
        """Whether the value is of this kind."""
        raise NotImplementedError

    def parse(self, text: str) -> Any:
        """The value that a word of the command line stands for; a ValueError if it stands for none."""
        raise NotImplementedError

    def examples(self) -> tuple[Any, ...]:
        """A few values of this kind, for tests that try each parameter."""
        return ()

    def __str__(self) -> str:
        raise NotImplementedError

    def __or__(self, other: Kind) -> Either:
        return Either((*self.members, *other.members))

    @property
    def members(self) -> tuple[Kind, ...]:
        """The kinds that this one joins."""
        return (self,)

    def check(self, name: str, value: Any) -> None:
        """Raise a `BadArgument` unless the value fits."""
        if not self.fits(value):
            raise BadArgument(name, value, str(self), self.hint(value))

    def hint(self, value: Any) -> str:
        """What the user may have meant."""
        return ""


@dataclass(frozen=True)
class Either(Kind):
    """Any of several kinds."""

    kinds: tuple[Kind, ...]

    @property
    def members(self) -> tuple[Kind, ...]:
        return self.kinds

    def fits(self, value: Any) -> bool:
        return any(kind.fits(value) for kind in self.kinds)

    def parse(self, text: str) -> Any:
        for kind in self.kinds:
            try:
                value = kind.parse(text)
            except (ValueError, NotImplementedError):
                continue
            if kind.fits(value):
                return value
        raise ValueError(f"{text!r} is not {self}")

    def examples(self) -> tuple[Any, ...]:
        return tuple(value for kind in self.kinds for value in kind.examples())

    def hint(self, value: Any) -> str:
        return next((text for kind in self.kinds if (text := kind.hint(value))), "")

    def __str__(self) -> str:
        *first, last = (str(kind) for kind in self.kinds)
        return f"{', '.join(first)} or {last}" if first else last


@dataclass(frozen=True)
class Number(Kind):
    """A finite number between two bounds.

    Parameters
    ----------
    low, high : float
    above : bool
        Whether the lower bound itself is excluded.
    below : bool
        Whether the upper bound itself is excluded.
    """

    low: float = -np.inf
    high: float = np.inf
    above: bool = False
    below: bool = False
    noun: ClassVar[str] = "a finite number"
    base: ClassVar[type] = Real

    def fits(self, value: Any) -> bool:
        if not isinstance(value, self.base) or isinstance(value, bool | np.bool_):
            return False
        number = float(value)  # type: ignore[arg-type]
        is_inside = self.low <= number <= self.high and np.isfinite(number)
        return bool(is_inside and not (self.above and number == self.low) and not (self.below and number == self.high))

    def parse(self, text: str) -> float:
        return float(text)

    def examples(self) -> tuple[Any, ...]:
        low = 0.0 if np.isinf(self.low) else self.low
        high = low + 2.0 if np.isinf(self.high) else self.high
        return (low + 0.5 * (high - low), low + 0.25 * (high - low))

    def __str__(self) -> str:
        low = "" if np.isinf(self.low) else f"{'above' if self.above else 'of at least'} {self.low:g}"
        high = "" if np.isinf(self.high) else f"{'below' if self.below else 'at most'} {self.high:g}"
        return " ".join(filter(None, (self.noun, " and ".join(filter(None, (low, high))))))


@dataclass(frozen=True)
class Whole(Number):
    """A whole number between two bounds."""

    noun: ClassVar[str] = "a whole number"
    base: ClassVar[type] = Integral

    def parse(self, text: str) -> int:
        return int(text)

    def examples(self) -> tuple[Any, ...]:
        low = 0 if np.isinf(self.low) else int(self.low)
        return tuple(value for value in (low + 1, low + 2, low) if self.fits(value))


class Word(Kind):
    """One of a few words.

    Parameters
    ----------
    *words : str
    """

    def __init__(self, *words: str) -> None:
        self.words = words

    def fits(self, value: Any) -> bool:
        return isinstance(value, str) and value in self.words

    def parse(self, text: str) -> str:
        if text not in self.words:
            raise ValueError(f"{text!r} is not {self}")
        return text

    def examples(self) -> tuple[Any, ...]:
        return self.words

    def hint(self, value: Any) -> str:
        if not isinstance(value, str) or len(self.words) < 2:
            return ""
        text = close_matches(value, self.words)
        return text[0].upper() + text[1:] + "." if text.startswith("close") else ""

    def __str__(self) -> str:
        return f"{'one of ' if len(self.words) > 1 else ''}{', '.join(map(repr, self.words))}"


class Nothing(Kind):
    """None: the model chooses by itself."""

    def fits(self, value: Any) -> bool:
        return value is None

    def parse(self, text: str) -> None:
        if text.lower() != "none":
            raise ValueError(f"{text!r} is not None")

    def examples(self) -> tuple[Any, ...]:
        return (None,)

    def __str__(self) -> str:
        return "None"


class Flag(Kind):
    """True or False."""

    def fits(self, value: Any) -> bool:
        return isinstance(value, bool | np.bool_)

    def parse(self, text: str) -> bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{text!r} is neither true nor false")
        return text.lower() == "true"

    def examples(self) -> tuple[Any, ...]:
        return (True, False)

    def __str__(self) -> str:
        return "True or False"


@dataclass(frozen=True)
class Range(Kind):
    """A pair (low, high) of finite numbers with low < high."""

    def fits(self, value: Any) -> bool:
        is_pair = isinstance(value, tuple | list) and len(value) == 2 and all(map(Number().fits, value))
        return is_pair and bool(value[0] < value[1])

    def parse(self, text: str) -> tuple[float, float]:
        low, high = (float(part) for part in text.split(","))
        return low, high

    def examples(self) -> tuple[Any, ...]:
        return ((-5.0, 5.0),)

    def __str__(self) -> str:
        return "a pair (low, high)"


@dataclass(frozen=True)
class Each(Kind):
    """A sequence of values of one kind."""

    kind: Kind

    def fits(self, value: Any) -> bool:
        is_sequence = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)
        return is_sequence and len(value) > 0 and all(self.kind.fits(member) for member in value)

    def parse(self, text: str) -> tuple[Any, ...]:
        return tuple(self.kind.parse(part.strip()) for part in text.split(","))

    def examples(self) -> tuple[Any, ...]:
        return (tuple(self.kind.examples()[:2]),)

    def __str__(self) -> str:
        return f"a sequence, each {self.kind}"


@dataclass(frozen=True)
class ByName(Kind):
    """A mapping from names (of sources, of columns) to values of one kind; on the command line ``a=1,b=2``."""

    kind: Kind

    def fits(self, value: Any) -> bool:
        return isinstance(value, Mapping) and all(self.kind.fits(member) for member in value.values())

    def parse(self, text: str) -> dict[str, Any]:
        pairs = [part.split("=", 1) for part in text.split(",")]
        if not all(len(pair) == 2 for pair in pairs):
            raise ValueError(f"{text!r} is not of the form name=value,name=value")
        return {name.strip(): self.kind.parse(value.strip()) for name, value in pairs}

    def __str__(self) -> str:
        return f"a dictionary by name, each {self.kind}"


@dataclass(frozen=True)
class Suits(Kind):
    """What a function accepts: objects that no simple rule describes.

    Parameters
    ----------
    test : callable
        ``test(value)`` says whether the value fits.
    needed : str
        What is needed, as a noun phrase.
    read : callable, optional
        Turns text into a value; without it the parameter cannot be given on the command line.
    tried : tuple
        Values for tests.
    """

    test: Callable[[Any], bool]
    needed: str
    read: Callable[[str], Any] | None = None
    tried: tuple[Any, ...] = field(default=())

    def fits(self, value: Any) -> bool:
        return bool(self.test(value))

    def parse(self, text: str) -> Any:
        if self.read is None:
            raise ValueError(f"{self.needed} cannot be written as text")
        return self.read(text)

    def examples(self) -> tuple[Any, ...]:
        return self.tried

    def __str__(self) -> str:
        return self.needed


def _is_random_state(value: Any) -> bool:
    if isinstance(value, Integral):
        return not isinstance(value, bool | np.bool_) and int(value) >= 0
    return value is None or value is np.random or isinstance(value, np.random.Generator | np.random.RandomState)


def _is_engine(value: Any) -> bool:
    return value is None or isinstance(value, str) or hasattr(value, "map")


def _is_family(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(map(_is_family, value.values()))
    if isinstance(value, list | tuple | np.ndarray):
        return len(value) > 0 and all(map(_is_family, value))
    return isinstance(value, str) or hasattr(value, "value")


# What every estimator that has these parameters declares.
RANK = Whole(0) | Word("auto")
RANDOM_STATE = Suits(_is_random_state, "a seed (a whole number of at least 0), a Generator or None", int, (0, 1))
ENGINE = Suits(_is_engine, "'serial', 'threads', an engine or None", str, (None, "serial", "threads"))
FAMILY = Suits(_is_family, "the name of a family, a loss, or one per column", str, ("gaussian",))
CLIP = Nothing() | Word("range") | Range()
PRECISION = Nothing() | Word("float32", "float64")

Table = Mapping[str, Kind]


class Parametrised(Tells):
    """An estimator whose parameters are declared in ``_parameters``, one kind for each argument of ``__init__``.

    ``_checked()`` is called once at the head of ``fit``.
    """

    _parameters: ClassVar[Table] = {}
    # Who says what a fitted model tells: "module:function".
    _summary: ClassVar[str] = "halfseen.summary.anything:chapter"

    def summary(self, level: float = 0.95, R: Any = None) -> Any:
        """What the fit found: facts, tables with intervals, notes, and what each number means.

        ``print(model.summary())`` shows it in a terminal, a notebook as HTML; ``.to_json()`` and ``.to_html(path)``
        hold the same parts.

        Parameters
        ----------
        level : float
            Of the intervals.
        R : the data of the fit, optional
            For models that do not carry them (out of a file): intervals and counts need them.

        Returns
        -------
        Summary

        Raises
        ------
        ValueError
            For a level outside (0, 1), and for data that are not those of the fit.
        """
        # the summary lies above this file, as what it tells of does
        return import_module("halfseen.summary").Summary.of(self, level, R)

    def _checked(self) -> SimpleNamespace:
        """All parameters as attributes of one object; a `BadArgument` names the first that is not what is needed.

        Warnings of an earlier fit are forgotten here.
        """
        self._begin_telling()
        values = {name: getattr(self, name) for name in parameter_names(type(self))}
        for name, value in values.items():
            self._parameters[name].check(name, value)
        return SimpleNamespace(**values)


def parameter_names(estimator: type) -> tuple[str, ...]:
    """The names of an estimator's parameters, in the order of its signature.

    Examples
    --------
    >>> import halfseen as hs
    >>> parameter_names(hs.ColumnMean)
    ('shrinkage',)
    """
    return tuple(inspect.signature(estimator).parameters)


def alternatives(kind: Kind, default: Any) -> Iterator[Any]:
    """Legal values of a kind other than the default.

    Examples
    --------
    >>> list(alternatives(Word("a", "b") | Nothing(), "a"))
    ['b', None]
    """
    for value in kind.examples():
        if not (value is default or (type(value) is type(default) and value == default)):
            yield value
