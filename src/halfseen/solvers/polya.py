"""Draws of Pólya-Gamma variables, which turn a logistic likelihood into a Gaussian one."""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr

from halfseen._typing import BoolArray, FloatArray

# Where the proposal changes from an inverse Gaussian to an exponential: Devroye's point, nearly optimal for all z.
CUT = 0.64
AT_ONCE = 1 << 16
# The alternating series decides after two or three terms; its terms fall faster than geometrically.
LARGEST_ORDER = 200


def polya_gamma(c: FloatArray, rng: np.random.Generator) -> FloatArray:
    r"""Draw :math:`\omega \sim \mathrm{PG}(1, c)` for every element, exactly.

    .. math::

        \frac{e^{c y}}{1 + e^{c}} \propto e^{(y - 1/2) c}\, \mathrm E_{\omega \sim \mathrm{PG}(1, 0)}
        \big[e^{-\omega c^2 / 2}\big],\qquad
        \mathrm E\,\omega = \frac{\tanh(c/2)}{2 c}

    Given :math:`\omega`, the logistic likelihood of y is that of a Gaussian response :math:`(y - 1/2)/\omega` with
    precision :math:`\omega`.

    Parameters
    ----------
    c : ndarray
        Tilts, of any sign.
    rng : Generator

    Returns
    -------
    ndarray
        Of the shape of ``c``, float64, positive.

    Notes
    -----
    Rejection from a mixture of a truncated inverse Gaussian and an exponential; more than .999 of the proposals are
    kept, so that time is O(size). Sources: Polson, Scott and Windle (2013), Theorem 1 and section 4; Devroye (2009)
    for the alternating series.

    Examples
    --------
    >>> drawn = polya_gamma(np.full(20_000, 2.0), np.random.default_rng(0))
    >>> bool(abs(drawn.mean() - np.tanh(1.0) / 4.0) < 0.002)
    True
    """
    c = np.asarray(c)
    z, out = 0.5 * np.abs(c.ravel().astype(float)), np.empty(c.size)
    for begin in range(0, c.size, AT_ONCE):
        part = slice(begin, begin + AT_ONCE)
        out[part] = tilted(z[part], rng)
    return 0.25 * out.reshape(c.shape)


def tilted(z: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Jacobi variables J*(1, z) with z at least 0."""
    out, open_ = np.empty(len(z)), np.arange(len(z))
    while len(open_):
        x = proposed(z[open_], rng)
        is_kept = kept(x, rng)
        out[open_[is_kept]] = x[is_kept]
        open_ = open_[~is_kept]
    return out


def proposed(z: FloatArray, rng: np.random.Generator) -> FloatArray:
    """From the dominating mixture: exponential above the cut, inverse Gaussian below."""
    rate, root = np.pi**2 / 8.0 + 0.5 * z**2, CUT**-0.5
    above = np.log(0.5 * np.pi / rate) - rate * CUT
    below = np.log(2.0) + np.logaddexp(
        log_ndtr(root * (CUT * z - 1.0)) - z, log_ndtr(-root * (CUT * z + 1.0)) + z
    )  # the mass of IG(1/z, 1) below the cut, tilted
    is_above = rng.random(len(z)) < 1.0 / (1.0 + np.exp(below - above))
    x = np.empty(len(z))
    x[is_above] = CUT + rng.standard_exponential(int(is_above.sum())) / rate[is_above]
    x[~is_above] = truncated_inverse_gaussian(z[~is_above], rng)
    return x


def truncated_inverse_gaussian(z: FloatArray, rng: np.random.Generator) -> FloatArray:
    """IG(1/z, 1) given that it is below the cut."""
    x, open_ = np.empty(len(z)), np.arange(len(z))
    while len(open_):
        tilt = z[open_]
        is_flat = tilt * CUT < 1.0
        new, is_kept = np.empty(len(open_)), np.zeros(len(open_), dtype=bool)
        new[is_flat], is_kept[is_flat] = from_inverse_chi_square(tilt[is_flat], rng)
        new[~is_flat] = inverse_gaussian(1.0 / tilt[~is_flat], rng)
        is_kept[~is_flat] = new[~is_flat] <= CUT
        x[open_[is_kept]] = new[is_kept]
        open_ = open_[~is_kept]
    return x


def from_inverse_chi_square(z: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, BoolArray]:
    """One over a chi-square below the cut, and whether it passes for the inverse Gaussian of mean 1/z."""
    first, second = rng.standard_exponential((2, len(z)))
    x = CUT / np.square(1.0 + CUT * first)
    return x, (first**2 <= 2.0 * second / CUT) & (rng.random(len(z)) <= np.exp(-0.5 * z**2 * x))


def inverse_gaussian(mean: FloatArray, rng: np.random.Generator) -> FloatArray:
    """IG(mean, 1), after Michael, Schucany and Haas (1976); the smaller root as a quotient, without cancellation."""
    y = mean * np.square(rng.standard_normal(len(mean)))
    x = mean * 2.0 / (2.0 + y + np.sqrt(4.0 * y + y**2))
    return np.where(rng.random(len(mean)) <= mean / (mean + x), x, mean**2 / x)


def kept(x: FloatArray, rng: np.random.Generator) -> BoolArray:
    """Whether a proposal is kept, by the partial sums of an alternating series that close in on the density."""
    total = coefficient(0, x)
    level = rng.random(len(x)) * total
    is_kept, open_ = np.zeros(len(x), dtype=bool), np.arange(len(x))
    for order in range(1, LARGEST_ORDER):
        term = coefficient(order, x[open_])
        total = total - term if order % 2 else total + term
        is_decided = level <= total if order % 2 else level > total
        is_kept[open_[is_decided]] = bool(order % 2)
        open_, total, level = open_[~is_decided], total[~is_decided], level[~is_decided]
        if not len(open_):
            break
    return is_kept


def coefficient(order: int, x: FloatArray) -> FloatArray:
    """The series' terms, in the form that falls faster on each side of the cut."""
    k = order + 0.5
    with np.errstate(under="ignore"):
        left = (2.0 / (np.pi * x)) ** 1.5 * np.exp(-2.0 * k**2 / x)
        right = np.exp(-0.5 * (k * np.pi) ** 2 * x)
    return np.pi * k * np.where(x > CUT, right, left)
