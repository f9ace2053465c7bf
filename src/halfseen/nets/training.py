"""Training as sweeps of the one loop: rounds of AdamW on one device, and L-BFGS."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.nets.extra import load_torch
from halfseen.solvers.loop import Sweep, SweepResult, loop

# Values per step of a line search, of which torch would else allow 1.25 on average: single steps would never end.
MOST_TRIALS = 20

Weights = dict[str, Any]
Value = Callable[[Weights], Any]


def snapshot(weights: Weights) -> Weights:
    """A copy of the weights that later steps leave alone."""
    return {name: weight.detach().clone() for name, weight in weights.items()}


def as_arrays(weights: Weights) -> dict[str, FloatArray]:
    """The weights as NumPy arrays, ready for `halfseen.save` (safetensors, no pickle)."""
    return {name: weight.detach().cpu().numpy().copy() for name, weight in weights.items()}


def as_weights(arrays: dict[str, FloatArray], device: Any, dtype: Any = None) -> Weights:
    """Arrays as trainable weights on a device."""
    torch = load_torch("a network")
    tensors = {name: torch.from_numpy(np.array(array)).to(device, dtype) for name, array in arrays.items()}
    return {name: weight.requires_grad_() for name, weight in tensors.items()}


class QuasiNewton:
    """Sweep: some steps of L-BFGS with a strong Wolfe search on one value of all weights.

    Parameters
    ----------
    value : callable
        ``value(weights)`` -> scalar tensor.
    weights : dict from name to tensor
        Changed in place; results carry copies.
    steps : int
        Steps per sweep.
    history : int

    Notes
    -----
    About 1.25 values and gradients per step. Source: Nocedal and Wright, "Numerical Optimization", algorithms 7.4,
    7.5 and 3.5 (torch's program of them).
    """

    def __init__(self, value: Value, weights: Weights, steps: int = 5, history: int = 10) -> None:
        torch = load_torch("a network")
        self.value, self.weights = value, weights
        self._optimizer = torch.optim.LBFGS(
            list(weights.values()), max_iter=steps, history_size=history, line_search_fn="strong_wolfe",
            tolerance_grad=0.0, tolerance_change=0.0, max_eval=MOST_TRIALS * steps,
        )  # fmt: skip
        self._last, self._calls = float("nan"), 0

    def __call__(self, _: Any) -> SweepResult:
        self._calls = 0
        self._optimizer.step(self._closure)
        return SweepResult(snapshot(self.weights), self._last, work=float(self._calls))

    def _closure(self) -> Any:
        self._optimizer.zero_grad()
        value = self.value(self.weights)
        value.backward()
        self._last, self._calls = value.item(), self._calls + 1
        return value


@dataclass(frozen=True)
class Several:
    """Sweep: that many sweeps of another one; its value is their mean, its weights the last."""

    sweep: Sweep
    count: int

    def __call__(self, params: Any) -> SweepResult:
        run = loop(self.sweep, params, max_iter=self.count)
        return SweepResult(run.params, float(np.mean(run.trace.value)), work=run.work)


@dataclass
class AdamWSteps:
    """AdamW on some weights: one step per batch, the state kept from call to call.

    Attributes
    ----------
    weights : dict from name to tensor
    rate, decay : float
        Learning rate and decoupled weight decay.
    """

    weights: Weights
    rate: float = 1e-3
    decay: float = 0.0
    _optimizer: Any = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        torch = load_torch("a network")
        self._optimizer = torch.optim.AdamW(list(self.weights.values()), lr=self.rate, weight_decay=self.decay)

    def __call__(self, values: Iterable[Value], part: float = 1.0) -> float:
        """A step on each value, at that part of the learning rate; returns the sum of the values."""
        self._optimizer.param_groups[0]["lr"] = part * self.rate
        total = 0.0
        for value_of in values:
            self._optimizer.zero_grad()
            value = value_of(self.weights)
            value.backward()
            self._optimizer.step()
            total += value.item()
        return total


def average(groups: Iterable[Weights], names: Iterable[str]) -> None:
    r"""Set the named weights of all groups to their mean, :math:`U \leftarrow \frac1N\sum_i U_{(i)}`."""
    torch, groups = load_torch("a network"), list(groups)
    with torch.no_grad():
        for name in names:
            mean = torch.stack([weights[name] for weights in groups]).mean(dim=0)
            for weights in groups:
                weights[name].copy_(mean)
