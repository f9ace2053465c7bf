"""Activations of the two towers, their slopes, and the freedom each leaves to the weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.errors import close_matches

Array = NDArray[Any]

LEAK = 0.01
NODES = 80


@dataclass(frozen=True)
class Activation:
    r"""A scalar function :math:`\phi` applied to every preactivation.

    Attributes
    ----------
    name : str
    value : callable
        ``value(Z)`` is a new array.
    slope : callable
        ``slope(Z, H)`` is :math:`\phi'(Z)`, given :math:`H = \phi(Z)`.
    scaling : {"none", "sign", "positive", "all"}
        What may be done to the weights without any change of a prediction, beside reordering the units: nothing,
        :math:`(u_i, v_i) \to (-u_i, -v_i)`, :math:`(c u_i, v_i / c)` with :math:`c > 0`, :math:`(UR, VR^{-\top})`.
    is_one_sided : bool
        Never negative: then neither is a product of two sides.

    Examples
    --------
    >>> relu = get_activation("relu")
    >>> relu.value(np.array([-1.0, 2.0])).tolist(), relu.null_dimension(5), get_activation("linear").null_dimension(5)
    ([0.0, 2.0], 5, 25)
    """

    name: str
    value: Callable[[Array], Array]
    slope: Callable[[Array, Array], Array]
    scaling: str = "none"
    is_one_sided: bool = False

    def null_dimension(self, rank: int) -> int:
        """Dimension of the set of weights with the same predictions."""
        return {"none": 0, "sign": 0, "positive": rank, "all": rank * rank}[self.scaling]

    def moment(self, power: int, size: Any) -> Array:
        r""":math:`\gamma_j(\sigma) = E[\phi(\sigma z) z^j]` for a standard normal z, by Gauss-Hermite quadrature."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        sizes = np.atleast_1d(np.asarray(size, dtype=float))
        values = self.value(sizes[:, None] * nodes)
        return (values * nodes**power) @ weights / np.sqrt(2.0 * np.pi)


def _sigmoid(Z: Array) -> Array:
    # tanh, not 1 / (1 + exp(-z)): it neither overflows nor leaves the dtype, and costs a third of expit
    return 0.5 * (1.0 + np.tanh(0.5 * Z))


def _softplus(Z: Array) -> Array:
    return np.logaddexp(Z.dtype.type(0), Z)


def _leaky(Z: Array) -> Array:
    return np.maximum(Z, Z.dtype.type(LEAK) * Z)


def _leaky_slope(Z: Array, H: Array) -> Array:
    return np.where(Z > 0, Z.dtype.type(1), Z.dtype.type(LEAK))


ACTIVATIONS = {
    "linear": Activation("linear", lambda Z: np.array(Z, copy=True), lambda Z, H: np.ones_like(Z), "all"),
    "sigmoid": Activation("sigmoid", _sigmoid, lambda Z, H: H * (1.0 - H), is_one_sided=True),
    "tanh": Activation("tanh", np.tanh, lambda Z, H: 1.0 - H * H, "sign"),
    "relu": Activation(
        "relu", lambda Z: np.maximum(Z, Z.dtype.type(0)), lambda Z, H: (Z > 0).astype(Z.dtype), "positive", True
    ),
    "leaky_relu": Activation("leaky_relu", _leaky, _leaky_slope, "positive"),
    "softplus": Activation("softplus", _softplus, lambda Z, H: _sigmoid(Z), is_one_sided=True),
}


def get_activation(name: Any) -> Activation:
    """The activation of a name.

    Raises
    ------
    ValueError
        For an unknown one; close ones are named.
    """
    if isinstance(name, Activation):
        return name
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise ValueError(f"activation={name!r} is not known; {close_matches(name, ACTIVATIONS)}")
    return ACTIVATIONS[name]
