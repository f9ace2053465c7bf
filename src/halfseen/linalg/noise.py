"""The noise level behind singular values, and the thresholds that follow from it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.linalg.svd import optimal_shrinkage

Array = NDArray[Any]

# Nodes on the half circle; the integrand is smooth there and the median right to nine digits.
NODES = 20_001


def marchenko_pastur_median(ratio: float) -> float:
    r"""Median :math:`\mu_\beta` of the Marchenko-Pastur law of ratio :math:`\beta`.

    .. math:: f(x) = \frac{\sqrt{(b - x)(x - a)}}{2\pi\beta x},\qquad a, b = (1 \mp \sqrt\beta)^2

    Parameters
    ----------
    ratio : float in (0, 1]
        Shorter side over longer side of the matrix.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        For a ratio outside (0, 1].

    Notes
    -----
    Source: Gavish and Donoho (2014), "The optimal hard threshold for singular values is 4/sqrt(3)", section IV.

    Examples
    --------
    >>> round(marchenko_pastur_median(1.0), 4)
    0.6528
    """
    if not 0 < ratio <= 1:
        raise ValueError(f"ratio must lie in (0, 1], shorter over longer side; got {ratio!r}")
    root = np.sqrt(ratio)
    angle = np.linspace(0.0, np.pi, NODES)
    x = 1.0 + ratio - 2.0 * root * np.cos(angle)
    # x runs over [a, b] with the angle; the square root in f and dx together give 4 beta sin^2
    density = np.divide(np.sin(angle) ** 2, x, out=np.ones(NODES), where=x > 0)
    mass = np.append(0.0, np.cumsum(0.5 * (density[1:] + density[:-1])))
    return float(1.0 + ratio - 2.0 * root * np.cos(np.interp(0.5 * mass[-1], mass, angle)))


def noise_level(s: Array, n: int, p: int) -> float:
    r"""Standard deviation of white noise, from the median of all singular values.

    .. math:: \hat\sigma = \frac{\mathrm{median}(s)}{\sqrt{\max(n, p)\,\mu_\beta}},\qquad
              \beta = \frac{\min(n, p)}{\max(n, p)}

    Parameters
    ----------
    s : ndarray (min(n, p),)
        All singular values of low-rank signal plus noise.
    n, p : int
        Shape of the matrix.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If not all singular values are given: the median of the leading ones says nothing about the noise.

    Notes
    -----
    Robust as long as the signal's rank is well below half of the shorter side. Source: Gavish and Donoho (2014).

    Examples
    --------
    >>> noise = 0.5 * np.random.default_rng(0).standard_normal((300, 200))
    >>> round(noise_level(np.linalg.svd(noise, compute_uv=False), 300, 200), 2)
    0.5
    """
    short, long = sorted((int(n), int(p)))
    if len(s) != short:
        raise ValueError(f"s must hold all {short} singular values of a matrix of {n} x {p}; got {len(s)}")
    return float(np.median(s) / np.sqrt(long * marchenko_pastur_median(short / long)))


def noise_edge(n: int, p: int, noise: float) -> float:
    r"""Where the singular values of pure noise end, :math:`(\sqrt n + \sqrt p)\,\sigma`.

    Examples
    --------
    >>> noise_edge(100, 25, 0.1)
    1.5
    """
    return float((np.sqrt(n) + np.sqrt(p)) * noise)


def hard_threshold(n: int, p: int, noise: float) -> float:
    r"""The singular value below which keeping a component costs more than it brings.

    .. math:: \lambda_* = \sigma\sqrt{\max(n, p)}\,
              \sqrt{2(\beta + 1) + \frac{8\beta}{\beta + 1 + \sqrt{\beta^2 + 14\beta + 1}}}

    Notes
    -----
    Source: Gavish and Donoho (2014), equation (11).

    Examples
    --------
    >>> round(hard_threshold(1, 1, 1.0), 4) == round(4 / 3**0.5, 4)
    True
    """
    short, long = sorted((n, p))
    ratio = short / long
    inside = 2.0 * (ratio + 1.0) + 8.0 * ratio / (ratio + 1.0 + np.sqrt(ratio**2 + 14.0 * ratio + 1.0))
    return float(np.sqrt(inside * long) * noise)


def shrunk(matrix: Array, noise: float | None = None) -> Array:
    """A noisy matrix with its singular values shrunk so that the Frobenius error is least.

    Parameters
    ----------
    matrix : ndarray (n, p)
        Low rank plus white noise, complete.
    noise : float, optional
        Standard deviation of an entry of the noise; by default :func:`noise_level` of the singular values.

    Returns
    -------
    ndarray (n, p)

    Notes
    -----
    One full decomposition: what any cheaper way to denoise has to be compared with. Source: Gavish and Donoho (2017).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> signal = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 40))
    >>> error = np.linalg.norm(shrunk(signal + 0.5 * rng.normal(size=(60, 40))) - signal)
    >>> bool(error < 0.35 * 0.5 * np.sqrt(60 * 40))
    True
    """
    n, p = matrix.shape
    U, s, Vt = np.linalg.svd(matrix, full_matrices=False)
    level = noise_level(s, n, p) if noise is None else float(noise)
    return (U * optimal_shrinkage(s, n, p, level)) @ Vt
