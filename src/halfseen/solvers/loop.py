"""The only iteration loop of the library: a sweep, its stops and its watchers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from halfseen.data.storable import storable

# Of the fit around: what keeps its loops (halfseen.solvers.checkpoint), or None. A loop inside a sweep of another is
# not kept: it is part of that sweep.
KEEPERS: ContextVar[Any] = ContextVar("halfseen_keepers", default=None)

CONVERGED = frozenset({"gradient", "change", "held_out", "exact", "precision", "time", "discrepancy", "plateau"})


@dataclass(frozen=True)
class SweepResult:
    """What one sweep hands back.

    Attributes
    ----------
    params : object
        The new parameters.
    value : float
        The objective there.
    gradient_norm : float
        Largest absolute entry of the gradient there; nan where a sweep does not know it.
    work : float
        Cost of the sweep in units of one gradient pass over the entries.
    reason : str or None
        Set by a sweep that cannot go on: it then is the run's reason.
    """

    params: Any
    value: float
    gradient_norm: float = np.nan
    work: float = 1.0
    reason: str | None = None


class Sweep(Protocol):
    """Anything that takes parameters and returns better ones."""

    def __call__(self, params: Any, /) -> SweepResult: ...


class Stop(Protocol):
    """Returns a reason to stop, or None."""

    def __call__(self, iteration: int, result: SweepResult, /) -> str | None: ...


class Watcher(Protocol):
    """Is told of every sweep; changes nothing."""

    def __call__(self, iteration: int, result: SweepResult, seconds: float, /) -> None: ...


@storable
@dataclass(frozen=True)
class Trace:
    """What happened, one number per sweep and column."""

    value: NDArray[np.float64]
    gradient_norm: NDArray[np.float64]
    work: NDArray[np.float64]
    seconds: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.value)


@storable
@dataclass(frozen=True)
class Run:
    """The outcome of :func:`loop`.

    Attributes
    ----------
    reason : str
        Why it ended: ``"gradient"`` (small gradient), ``"change"`` (small change of the value),
        ``"precision"`` (the arithmetic allows no further decrease), ``"exact"``, ``"held_out"``,
        early stopping's ``"time"`` (worked out beforehand), ``"discrepancy"`` and ``"plateau"``,
        ``"max_iter"``, ``"not_finite"``, ``"stalled"``, or a stop's own word (``"separated"``).
    converged : bool
        True for the first eight.
    params : object
        Final parameters; dropped (None) in the record a model keeps.
    """

    reason: str
    converged: bool
    n_iter: int
    value: float
    gradient_norm: float
    work: float
    trace: Trace
    params: Any = field(default=None, repr=False)

    def record(self) -> Run:
        """The same without the parameters, to be kept on a model."""
        return replace(self, params=None)


def loop(
    sweep: Sweep,
    start: Any,
    stops: Sequence[Stop] = (),
    *,
    max_iter: int,
    watchers: Iterable[Watcher] = (),
) -> Run:
    """Sweep until a stop gives a reason, ``max_iter`` sweeps are done or the value is not finite.

    Parameters
    ----------
    sweep : callable
        ``sweep(params) -> SweepResult``.
    start : object
        Parameters before the first sweep.
    stops : sequence of callables
        ``stop(iteration, result) -> reason or None``, asked in order after every sweep.
    max_iter : int
        Largest number of sweeps.
    watchers : iterable of callables
        ``watch(iteration, result, seconds)``; progress bars and the like.

    Returns
    -------
    Run
        The last finite parameters, the reason and the trace. Not reaching a tolerance is a reason, not an error.

    Examples
    --------
    >>> halve = lambda x: SweepResult(x / 2, value=x / 2)
    >>> run = loop(halve, 8.0, [lambda it, result: "change" if result.value < 1 else None], max_iter=50)
    >>> run.reason, run.n_iter, run.params
    ('change', 4, 0.5)
    """
    kept = KEEPERS.get()
    if kept is None:
        return _loop(sweep, start, stops, max_iter, tuple(watchers), None)
    token = KEEPERS.set(None)
    try:
        return _loop(sweep, start, stops, max_iter, tuple(watchers), kept.next())
    finally:
        KEEPERS.reset(token)


def _loop(
    sweep: Sweep, start: Any, stops: Sequence[Stop], max_iter: int, watchers: tuple[Watcher, ...], keeper: Any
) -> Run:
    """The loop itself; ``keeper`` writes every iteration down and says where to go on."""
    begun, rows, reason = time.perf_counter(), [], None
    params, last = start, SweepResult(start, np.nan, work=0.0)
    if keeper is not None:
        params, rows, reason = keeper.begin(sweep, stops, watchers, start)
        if rows:
            last, begun = SweepResult(params, *rows[-1][:3]), begun - rows[-1][3]
    for iteration in range(len(rows) + 1, max_iter + 1) if reason is None else ():
        result = sweep(params)
        seconds = time.perf_counter() - begun
        rows.append((result.value, result.gradient_norm, result.work, seconds))
        for watch in watchers:
            watch(iteration, result, seconds)
        if not np.isfinite(result.value):
            reason = "not_finite"
            break
        params, last = result.params, result
        reason = next((why for stop in stops if (why := stop(iteration, result)) is not None), result.reason)
        if keeper is not None:
            keeper.keep(params, rows, reason)
        if reason is not None:
            break
    reason = reason or "max_iter"
    table = np.array(rows, dtype=float).reshape(-1, 4)
    trace = Trace(*(np.ascontiguousarray(table[:, k]) for k in range(4)))
    return Run(
        reason=reason,
        converged=reason in CONVERGED,
        n_iter=len(rows),
        value=float(last.value),
        gradient_norm=float(last.gradient_norm),
        work=float(table[:, 2].sum()),
        trace=trace,
        params=params,
    )
