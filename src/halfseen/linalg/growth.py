r"""How singular values grow under gradient descent on :math:`\frac12\|FG^\top - X\|^2` from a small start.

Descent from a start of size :math:`\rho` moves the component of :math:`X` with singular value :math:`s` nearly
independently of the others: its size :math:`a^2` in the iterate follows :math:`a \leftarrow a(1 + \eta(s - a^2))` from
:math:`a_0^2 = s_0`. Early stopping then is a smooth threshold on singular values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def start_size(rho: float, top: float, shape: tuple[int, int], rank: int) -> float:
    r"""Size of every singular direction in the paper's start, :math:`s_0 = \frac{k\rho^2\sigma_1}{18(m + n + k)}`.

    Parameters
    ----------
    rho : float
        Scale :math:`\rho` of the start.
    top : float
        Largest singular value :math:`\sigma_1` of the matrix.
    shape : (int, int)
        Its shape, m and n.
    rank : int
        Columns k of the factors.

    Notes
    -----
    The mean square of :math:`(u^\top F_0 + v^\top G_0)/2` over k columns, with entries of variance
    :math:`\rho^2\sigma_1/(9(m + n + k))`.

    Examples
    --------
    >>> round(start_size(0.1, 1.0, (40, 40), 10) / (10 * 0.01 / (18 * 90)), 6)
    1.0
    """
    return rank * rho**2 * top / (18.0 * (sum(shape) + rank))


def grown(s: Array, time: float, start: float, step: float) -> Array:
    r"""Size of components of singular value ``s`` after ``time`` iterations, in closed form.

    .. math:: f_t(s) = \frac{s}{1 + (s/s_0 - 1)e^{-2L}},\qquad L = t\log(1 + \eta s)

    Parameters
    ----------
    s : ndarray
    time : float
        Iterations t.
    start : float
        Size :math:`s_0` at time 0.
    step : float
        Learning rate :math:`\eta`.

    Notes
    -----
    The logistic flow with the discrete rate of growth; :class:`halfseen.solvers.SpectralFilter` follows the
    iterations one by one.

    Examples
    --------
    >>> grown(np.array([1.0, 0.5]), 200, 1e-6, 0.25).round(3).tolist()
    [1.0, 0.5]
    """
    s = np.asarray(s, dtype=float)
    shrunk = np.exp(-2.0 * time * np.log1p(step * s))
    return s / (shrunk * (s / start) + -np.expm1(-2.0 * time * np.log1p(step * s)) + (s <= 0))


def half_time(size: Any, start: float, step: float) -> Any:
    r"""Time at which a component of this size is half grown.

    .. math:: t(\lambda) = \frac{\log(\lambda/s_0)}{2\log(1 + \eta\lambda)}

    Read the other way round it is the soft threshold of early stopping: what lies well above :math:`\lambda(t)` is
    there, what lies well below is not.

    Examples
    --------
    >>> t = half_time(0.5, 1e-6, 0.25)
    >>> round(float(grown(0.5, t, 1e-6, 0.25)), 6)
    0.25
    """
    return np.log(np.asarray(size) / start) / (2.0 * np.log1p(step * np.asarray(size)))


def threshold_at(time: float, start: float, step: float, top: float) -> float:
    r"""The threshold :math:`\lambda(t)` that stopping at a time amounts to, found by :func:`half_time`.

    Parameters
    ----------
    time : float
    start, step : float
        :math:`s_0` and :math:`\eta`.
    top : float
        Largest singular value; nothing above it is asked for.

    Returns
    -------
    float
        ``top`` where the time is too short for anything to be half grown.

    Examples
    --------
    >>> round(threshold_at(half_time(0.3, 1e-6, 0.25), 1e-6, 0.25, 1.0), 4)
    0.3
    """
    sizes = np.geomspace(max(10.0 * start, 1e-12 * top), top, 20_001)
    times = half_time(sizes, start, step)
    falling = np.minimum.accumulate(times)  # just above the start the formula bends; growth is slower the smaller
    return float(np.exp(np.interp(-time, -falling, np.log(sizes), right=np.log(top))))


def time_between(larger: float, smaller: float, start: float, step: float) -> float:
    r"""The best time to stop between two components, :math:`t^* = \frac{\log(s/s_0)}{\eta(s_r + s_{r+1})}`.

    Up to there the error of component r, :math:`s_r e^{-...}`, falls and that of component r + 1 grows; at
    :math:`t^*` both are of one size. :math:`s` is their geometric mean.

    Examples
    --------
    >>> 30 < time_between(1.0, 0.5, 1e-6, 0.25) < 40
    True
    """
    middle = np.sqrt(max(larger, 1e-300) * max(smaller, start))
    # log(1 + step s) is the growth per iteration, step s its first term
    return float(np.log(middle / start) / (np.log1p(step * larger) + np.log1p(step * smaller)))


def theorem_time(rho: float, gap: float, size: float, step: float) -> int:
    r"""The paper's stopping time.

    .. math:: T = \Bigl\lfloor\frac{\log(\rho^{e}/\rho)}{\log(1 + (1-\delta)\eta\sigma_r)}\Bigr\rfloor,\qquad
              e = \frac{\delta}{2(2-\delta)}

    Parameters
    ----------
    rho : float
        Scale of the start, below 1.
    gap : float in (0, 1)
        :math:`\delta = (\sigma_r - \sigma_{r+1})/\sigma_r`.
    size : float
        :math:`\sigma_r`.
    step : float
        Learning rate.

    Notes
    -----
    Source: Jiang, Chen and Ding (2022), Theorem 4.2.

    Examples
    --------
    >>> theorem_time(1e-3, 0.5, 1.0, 0.25)
    48
    """
    exponent = gap / (2.0 * (2.0 - gap))
    return int((exponent - 1.0) * np.log(rho) / np.log1p((1.0 - gap) * step * size))


def error_exponent(gap: Any, law: str = "sharp") -> Any:
    r"""Slope of :math:`\log\varepsilon` against :math:`\log\rho`.

    Logistic growth gives :math:`\varepsilon \sim \rho^{2\delta/(2-\delta)}` ("sharp"); the paper's Theorem 4.2
    proves :math:`\rho^{\delta/(2(2-\delta))}` ("theorem"), four times less.

    Examples
    --------
    >>> error_exponent(0.5), error_exponent(0.5, "theorem")
    (0.6666666666666666, 0.16666666666666666)
    """
    return 2.0 * gap / (2.0 - gap) if law == "sharp" else gap / (2.0 * (2.0 - gap))
