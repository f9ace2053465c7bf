"""Simulated leaderboards, and the marginal likelihood written out cell by cell."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

import halfseen as hs
from halfseen.methods.response.table import SeenAnswers


@dataclass(frozen=True)
class Truth:
    """A leaderboard of which everything is known."""

    observed: hs.Observed
    answers: np.ndarray
    chance: np.ndarray
    ability: np.ndarray

    @property
    def score(self):
        return self.answers.mean(axis=1)

    @property
    def table(self):
        return SeenAnswers.of(self.observed, np.asarray(self.observed.values, dtype=float))


def simulated(n=40, p=200, share=0.3, slope=0.0, seed=0, spread=1.5):
    """Rows of normal ability, columns of normal difficulty and slope, each cell seen with the same chance."""
    rng = np.random.default_rng(seed)
    x, z, y = rng.normal(size=n), 0.4 + spread * rng.normal(size=p), 1.0 + slope * rng.normal(size=p)
    chance = 1 / (1 + np.exp(-(z + np.outer(x, y))))
    answers = (rng.random((n, p)) < chance).astype(float)
    seen = np.where(rng.random((n, p)) < share, answers, np.nan)
    names = [f"m{i:02d}" for i in range(n)], [f"q{j:03d}" for j in range(p)]
    return Truth(hs.Observed.from_dense(seen, row_labels=names[0], col_labels=names[1]), answers, chance, x)


def naive_log_likelihood(table, x, loadings, nodes=60):
    """Each column's log marginal likelihood by Gauss-Hermite quadrature in plain loops."""
    u, w = np.polynomial.hermite_e.hermegauss(nodes)
    w = w / w.sum()
    out = []
    for j in range(table.shape[1]):
        mine = [e for e in range(len(table.rows)) if table.cols[e] == j]
        total = 0.0
        for u1, w1 in zip(u, w, strict=True):
            for u2, w2 in zip(u, w, strict=True) if loadings.slope or loadings.tilt else [(0.0, 1.0)]:
                z = loadings.mean + loadings.spread * u1
                y = 1.0 + loadings.tilt * u1 + loadings.slope * u2
                log = 0.0
                for e in mine:
                    m = z + x[table.rows[e]] * y
                    log += table.weights[e] * (table.shares[e] * m - math.log1p(math.exp(-abs(m))) - max(m, 0.0))
                total += w1 * w2 * math.exp(log)
        out.append(math.log(total))
    return np.array(out)
