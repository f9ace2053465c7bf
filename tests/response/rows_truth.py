"""Published tables, simulated answers and the marginal likelihood written out, for the engine that integrates rows."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_expit

# Frequencies of the 32 patterns 00000, 00001, ..., 11111 of two tests of 5 items by 1000 people: Bock and Lieberman
# (1970), sections 6 and 7 of the Law School Admission Test.
LSAT6 = [
    3, 6, 2, 11, 1, 1, 3, 4, 1, 8, 0, 16, 0, 3, 2, 15, 10, 29, 14, 81, 3, 28, 15, 80, 16, 56, 21, 173, 11, 61, 28, 298,
]  # fmt: skip
LSAT7 = [
    12, 19, 1, 7, 3, 19, 3, 17, 10, 5, 3, 7, 7, 23, 8, 28, 7, 39, 11, 34, 14, 51, 15, 90, 6, 25, 7, 35, 18, 136, 32,
    308,
]  # fmt: skip


def lsat(counts):
    """One row per person."""
    patterns = ((np.arange(32)[:, None] >> np.arange(4, -1, -1)) & 1).astype(np.uint8)
    return np.repeat(patterns, counts, axis=0)


def two_choice(n, p, missing=0.3, seed=0, slope=None, intercept=None, ability=None):
    """Answers (bytes, 255 where missing) of 2pl items, slopes, intercepts and abilities."""
    rng = np.random.default_rng(seed)
    a = rng.lognormal(0.2, 0.3, p) if slope is None else slope
    d = rng.normal(0.0, 1.0, p) if intercept is None else intercept
    x = rng.normal(size=n) if ability is None else ability
    y = (rng.random((n, p)) < expit(np.outer(x, a) + d)).astype(np.uint8)
    y[rng.random((n, p)) < missing] = 255
    return y, a, d, x


def class_chances(kind, x, a, d):
    """Chances (n, K) of the classes of one item, by the definition of its kind; ``d`` as shown to users."""
    x = np.asarray(x, dtype=float)[:, None]
    if kind == "3pl":
        right = d[1] + (1 - d[1]) * expit(a * x + d[0])
        return np.hstack([1 - right, right])
    if kind in ("2pl", "grm"):
        above = np.hstack([np.ones_like(x), expit(a * x + np.asarray(d)), np.zeros_like(x)])
        return above[:, :-1] - above[:, 1:]
    z = np.hstack([np.zeros_like(x), np.cumsum(a * x + np.asarray(d), axis=1)])
    z = np.exp(z - z.max(axis=1, keepdims=True))
    return z / z.sum(axis=1, keepdims=True)


def several_classes(n, p, k, kind, missing=0.3, seed=0):
    """Answers of graded or partial-credit items."""
    rng = np.random.default_rng(seed)
    x, out = rng.normal(size=n), np.empty((n, p), np.uint8)
    for j in range(p):
        a, d = rng.lognormal(0.1, 0.3), rng.normal(0.0, 1.0, k - 1)
        chances = class_chances(kind, x, a, np.sort(d)[::-1] if kind == "grm" else d)
        out[:, j] = (rng.random(n)[:, None] > np.cumsum(chances, axis=1)[:, :-1]).sum(axis=1)
    out[rng.random((n, p)) < missing] = 255
    return out


def naive_log_likelihood(answers, kinds, faces, nodes=201, mean=None, sd=None):
    """Marginal log-likelihood by fine equispaced nodes in plain loops; ``faces`` are slopes and intercepts as shown."""
    z = np.linspace(-8, 8, nodes)
    weight = np.exp(-0.5 * z**2)
    weight /= weight.sum()
    total = 0.0
    for i, row in enumerate(answers):
        x = (0.0 if mean is None else mean[i]) + (1.0 if sd is None else sd[i]) * z
        joint = weight.copy()
        for j, k in enumerate(row):
            if k != 255:
                joint *= class_chances(kinds[j], x, faces[j][0], faces[j][1:])[:, k]
        total += np.log(joint.sum())
    return total


def log_two_choice(y, x, a, d):
    """Log-likelihood of each row at abilities ``x``."""
    z = np.outer(x, a) + d
    return np.where(y == 255, 0.0, log_expit(np.where(y == 1, z, -z))).sum(axis=1)
