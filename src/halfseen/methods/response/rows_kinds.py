"""How the chance of each class of an item depends on the ability: the item kinds, their derivatives and their faces.

Inside, an item's parameters are its slopes ``a`` and then the numbers below; ``m = <a, x>``.

=======  ==============================================================  ===================================
kind     log-probability of class k                                      numbers after the slopes
=======  ==============================================================  ===================================
2pl      ``log s(m + d)`` for 1, ``log s(-m - d)`` for 0                 ``d``
3pl      ``log(c + (1 - c) s(m + d))``, ``log(1 - c) + log s(-m - d)``   ``d``, ``logit c``
grm      ``log(s(m + d_k) - s(m + d_{k+1}))``, ``d_0 = inf``             ``d_1``, logs of ``d_k - d_{k+1}``
gpcm     log softmax of ``k m + d_1 + ... + d_k``                        ``d_1 .. d_{K-1}``
=======  ==============================================================  ===================================

Sources: Birnbaum (1968); Samejima (1969); Muraki (1992).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit, log_expit, logit

from halfseen._typing import FloatArray

KINDS = ("1pl", "rasch", "2pl", "3pl", "grm", "gpcm")
# Formulas behind the kinds: 1pl and rasch are a 2pl (or, with more classes, a gpcm) whose slopes are equal.
FORMULAS = ("2pl", "3pl", "grm", "gpcm")
# Where a fit starts, and the slope at which class frequencies are turned into intercepts.
START_SLOPE, START_GPCM = 1.0, 0.6
START_WIDER = 1.2


class ClassCurves(NamedTuple):
    """Of items of one formula and number of classes, at G places.

    Attributes
    ----------
    log : ndarray (J, K, G)
        Log-probabilities.
    slope : ndarray (J, K, G)
        Their derivatives with respect to ``m``.
    rest : ndarray (J, K, q, G)
        Their derivatives with respect to the numbers after the slopes.
    """

    log: FloatArray
    slope: FloatArray
    rest: FloatArray


def n_rest(formula: str, n_classes: int) -> int:
    """Numbers of an item after its slopes."""
    return {"2pl": 1, "3pl": 2}.get(formula, n_classes - 1)


def curves(formula: str, n_classes: int, m: FloatArray, rest: FloatArray) -> ClassCurves:
    """Log-probabilities and derivatives for ``m`` (J, G) and the items' other numbers (J, q)."""
    if formula == "2pl":
        return _two(m, rest)
    if formula == "3pl":
        return _three(m, rest)
    return _graded(n_classes, m, rest) if formula == "grm" else _partial(n_classes, m, rest)


def log_chances(formula: str, n_classes: int, m: FloatArray, rest: FloatArray) -> FloatArray:
    """:func:`curves`, the log-probabilities alone."""
    if formula == "2pl":
        right = log_expit(m + rest[:, :1])
        return np.stack([right - (m + rest[:, :1]), right], axis=1)
    return curves(formula, n_classes, m, rest).log


def _two(m: FloatArray, rest: FloatArray) -> ClassCurves:
    z = m + rest[:, :1]
    right = log_expit(z)
    slope = np.stack([-np.exp(right), -np.expm1(right)], axis=1)
    return ClassCurves(np.stack([right - z, right], axis=1), slope, slope[:, :, None, :])


def _three(m: FloatArray, rest: FloatArray) -> ClassCurves:
    z = m + rest[:, :1]
    log_s, c = log_expit(z), expit(rest[:, 1:2])
    s, wrong = np.exp(log_s), expit(-z)
    right = c + (1.0 - c) * s
    log = np.stack([np.log1p(-c) + log_s - z, np.log(right)], axis=1)
    slope = np.stack([-s, (1.0 - c) * s * wrong / right], axis=1)
    guess = np.stack([np.broadcast_to(-c, z.shape), c * (1.0 - c) * wrong / right], axis=1)
    return ClassCurves(log, slope, np.stack([slope, guess], axis=2))


def _graded(n_classes: int, m: FloatArray, rest: FloatArray) -> ClassCurves:
    J, G = m.shape
    gap = np.exp(rest[:, 1:])  # (J, K - 2)
    d = rest[:, :1] - np.concatenate([np.zeros((J, 1)), np.cumsum(gap, axis=1)], axis=1)
    z = m[:, None, :] + d[:, :, None]
    above = log_expit(z)  # log P(y >= k + 1)
    below, up = above - z, np.exp(above)
    log, slope = np.zeros((J, n_classes, G)), np.zeros((J, n_classes, G))
    # log(s(z_k) - s(z_{k+1})) = log s(z_k) + log s(-z_{k+1}) + log(1 - exp(-gap_k))
    log[:, 1:] += above
    log[:, :-1] += below
    log[:, 1:-1] += np.log(-np.expm1(-gap))[:, :, None]
    high, low = 1.0 - up, -up
    slope[:, 1:] += high
    slope[:, :-1] += low
    out = np.zeros((J, n_classes, n_classes - 1, G))
    out[:, :, 0] = slope
    for u in range(n_classes - 2):  # gap u moves all thresholds after it
        width = gap[:, u][:, None, None]
        out[:, u + 2 :, 1 + u] -= high[:, u + 1 :] * width
        out[:, u + 1 : -1, 1 + u] -= low[:, u + 1 :] * width
        out[:, u + 1, 1 + u] += width[:, 0] / np.expm1(width[:, 0])
    return ClassCurves(log, slope, out)


def _partial(n_classes: int, m: FloatArray, rest: FloatArray) -> ClassCurves:
    k = np.arange(n_classes)
    total = np.concatenate([np.zeros((len(rest), 1)), np.cumsum(rest, axis=1)], axis=1)
    z = k[None, :, None] * m[:, None, :] + total[:, :, None]
    top = z.max(axis=1, keepdims=True)
    log = z - top - np.log(np.exp(z - top).sum(axis=1, keepdims=True))
    chance = np.exp(log)
    slope = k[None, :, None] - np.einsum("k,jkg->jg", k.astype(float), chance)[:, None, :]
    reached = np.cumsum(chance[:, ::-1], axis=1)[:, ::-1][:, 1:]  # P(y >= h), h = 1 ..
    passed = (k[:, None] >= np.arange(1, n_classes)).astype(float)
    return ClassCurves(log, slope, passed[None, :, :, None] - reached[:, None])


def start(formula: str, shares: FloatArray, dimensions: int, guess: float) -> FloatArray:
    """First guess of an item's parameters from the shares (K,) of its classes."""
    slopes = np.full(dimensions, START_GPCM if formula == "gpcm" else START_SLOPE)
    if dimensions > 1:
        slopes *= 0.7
    if formula == "gpcm":
        return np.concatenate([slopes, np.log(shares[1:] / shares[:-1])])
    above = 1.0 - np.cumsum(shares)[:-1]
    d = START_WIDER * logit(above)
    if formula == "2pl":
        return np.concatenate([slopes, d])
    if formula == "3pl":
        return np.concatenate([slopes, d, [guess]])
    return np.concatenate([slopes, d[:1], np.log(np.maximum(-np.diff(d), 0.05))])


def intercepts(formula: str, rest: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Intercepts as they are shown, and their derivatives with respect to an item's numbers after the slopes.

    2pl: d. 3pl: d, c. grm: d_1 > d_2 > ... gpcm: d_1 .. d_{K-1}.
    """
    q = len(rest)
    J = np.eye(q)
    if formula == "3pl":
        c = float(expit(rest[1]))
        J[1, 1] = c * (1.0 - c)
        return np.array([rest[0], c]), J
    if formula == "grm":
        gap = np.exp(rest[1:])
        J[1:, 0] = 1.0
        J[1:, 1:] = -np.tril(np.ones((q - 1, q - 1))) * gap
        return np.concatenate([rest[:1], rest[0] - np.cumsum(gap)]), J
    return rest.copy(), J
