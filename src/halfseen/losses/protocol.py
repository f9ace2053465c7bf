"""What every loss must offer: one number and its linear predictor, judged elementwise."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@runtime_checkable
class Loss(Protocol):
    r"""How one response ``y`` and its linear predictor ``m`` are compared.

    For the exponential families of the library
    :math:`\ell(y, m) = \Psi(m) - y\,m` (+ a term in ``y`` alone), with mean
    :math:`\psi = \Psi'`, curvature :math:`\psi'` and third derivative :math:`\psi''`.

    An object qualifies by having these members; nothing is inherited. All methods act
    elementwise on arrays that broadcast against each other and return a new array of the
    dtype of ``m`` (``deviance`` may be wider).

    A loss that is not canonical also has ``information`` (expected curvature), ``slope`` and ``bend`` (derivatives of
    the mean) and ``skew`` (for Firth's correction), see :mod:`halfseen.losses.derived`; one with parameters per column
    qualifies as a :class:`~halfseen.losses.ColumnLoss`.

    Attributes
    ----------
    name : str
        The word users type.
    kernel : str or None
        Family code of a fused kernel ("gaussian", "bernoulli", "poisson"), or None: then every
        pass takes the plain path through ``gradient`` and ``curvature``.
    trials : float
        Number of trials per response (1 unless binomial).
    has_dispersion : bool
        True when the variance is ``dispersion * variance(m)`` with a dispersion to be estimated.
    support : str
        The legal responses in words, for error messages.
    """

    @property
    def name(self) -> str: ...

    @property
    def kernel(self) -> str | None: ...

    @property
    def trials(self) -> float: ...

    @property
    def has_dispersion(self) -> bool: ...

    @property
    def support(self) -> str: ...

    def value(self, y: Array, m: Array) -> Array:
        """The loss of each entry."""
        ...

    def gradient(self, y: Array, m: Array) -> Array:
        """Derivative of ``value`` with respect to ``m``."""
        ...

    def curvature(self, y: Array, m: Array) -> Array:
        """Second derivative of ``value``, or its expectation; never negative."""
        ...

    def mean(self, m: Array) -> Array:
        """Expected response at ``m``."""
        ...

    def link(self, mu: Array) -> Array:
        """Inverse of ``mean``, after clipping ``mu`` to where the inverse is well behaved."""
        ...

    def variance(self, m: Array) -> Array:
        """Variance of a response at ``m`` for dispersion 1."""
        ...

    def third(self, m: Array) -> Array:
        """Derivative of ``variance``; Firth's correction needs it."""
        ...

    def deviance(self, y: Array, m: Array) -> Array:
        """Twice the loss above that of the best ``m`` for each ``y``."""
        ...

    def sample(self, m: Array, rng: np.random.Generator, dispersion: float = 1.0) -> Array:
        """Random responses at ``m``."""
        ...

    def invalid(self, y: Array) -> NDArray[np.bool_]:
        """True where a response is outside the support."""
        ...
