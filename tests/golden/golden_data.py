"""Small data sets of the golden table: made by NumPy alone, so that no change in halfseen moves them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

import halfseen as hs


@dataclass(frozen=True)
class Given:
    """What a model is fitted to, what goes with it to ``fit``, and rows that the fit has not seen."""

    data: Any
    fit: dict[str, Any] = field(default_factory=dict)
    new: Any = None


def hidden(table: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """The table with about ``share`` of its cells left and NaN elsewhere; every row and column keeps two cells."""
    seen = rng.random(table.shape) < share
    n, p = table.shape
    seen[np.arange(n), np.arange(n) % p] = seen[np.arange(n), (np.arange(n) + 1) % p] = True
    return np.where(seen, table.astype(float), np.nan)


def chances(linear: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-linear))


def low_rank(n: int, p: int, rank: int, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(n, rank)) @ rng.normal(size=(rank, p))


def gaussian() -> Given:
    """A strong and a weaker factor, biases of rows and columns, noise of .3; 60 % of 40 x 15 cells."""
    rng = np.random.default_rng(1)
    truth = 3.0 + np.add.outer(0.7 * rng.normal(size=45), 0.5 * rng.normal(size=15))
    truth += 1.5 * low_rank(45, 15, 1, rng) + 0.5 * low_rank(45, 15, 1, rng)
    table = hidden(truth + 0.3 * rng.normal(size=truth.shape), 0.6, rng)
    return Given(table[:40], new=table[40:])


def labelled() -> Given:
    """The same with names of rows and columns and a weight per entry."""
    rng, table = np.random.default_rng(2), gaussian().data
    i, j = np.nonzero(np.isfinite(table))
    rows, cols = np.array([f"r{k:02d}" for k in range(40)]), np.array([f"c{k:02d}" for k in range(15)])
    weights = rng.integers(1, 4, len(i)).astype(float)
    return Given(hs.Observed.from_triplets(rows[i], cols[j], table[i, j], weights))


def yes_no() -> Given:
    """Answers 1 and 0 with one strong and one weak factor; 90 % of 80 x 30 cells."""
    rng = np.random.default_rng(3)
    linear = 0.5 * rng.normal(size=30) + 0.8 * low_rank(85, 30, 1, rng) + 0.2 * low_rank(85, 30, 1, rng)
    table = hidden(rng.random(linear.shape) < chances(linear), 0.9, rng)
    return Given(table[:80], new=table[80:])


def counts() -> Given:
    """Poisson counts of one factor; 80 % of 30 x 25 cells."""
    rng = np.random.default_rng(4)
    linear = 1.0 + 0.3 * rng.normal(size=25) + 0.5 * low_rank(33, 25, 1, rng)
    table = hidden(rng.poisson(np.exp(np.minimum(linear, 4.0))), 0.8, rng)
    return Given(table[:30], new=table[30:])


def overdispersed() -> Given:
    """Negative binomial counts of size 3; 90 % of 50 x 12 cells."""
    rng = np.random.default_rng(5)
    mean = np.exp(1.2 + 0.3 * rng.normal(size=12) + 0.4 * low_rank(50, 12, 1, rng))
    return Given(hidden(rng.poisson(mean * rng.gamma(3.0, 1.0 / 3.0, mean.shape)), 0.9, rng))


def ordinal() -> Given:
    """Grades 1 to 4 of one factor; 80 % of 60 x 12 cells."""
    rng = np.random.default_rng(6)
    latent = low_rank(60, 12, 1, rng) + 0.3 * rng.normal(size=12) + rng.logistic(size=(60, 12))
    return Given(hidden(1.0 + np.digitize(latent, [-1.2, 0.0, 1.2]), 0.8, rng))


def passes() -> Given:
    """Successes out of 6, the number of trials known; 80 % of 40 x 15 cells."""
    rng = np.random.default_rng(7)
    linear = 0.4 * rng.normal(size=15) + low_rank(40, 15, 1, rng)
    return Given(hidden(rng.binomial(6, chances(linear)), 0.8, rng))


def trials() -> Given:
    """Successes out of a number of trials that differs by column, and a known part of the linear predictor."""
    rng = np.random.default_rng(8)
    total, offset = 2.0 + np.arange(15) % 5, 0.2 * rng.normal(size=15)
    linear = offset + low_rank(40, 15, 1, rng)
    table = hidden(rng.binomial(total.astype(int), chances(linear)), 0.8, rng)
    return Given(table, {"trials": total, "offset": offset})


def mixed() -> Given:
    """Eight columns of numbers and six of yes/no answers under one factor; 80 % of 60 x 14 cells."""
    rng = np.random.default_rng(9)
    linear = low_rank(60, 14, 1, rng)
    table = linear + 0.5 * rng.normal(size=linear.shape)
    table[:, 8:] = rng.random((60, 6)) < chances(linear[:, 8:])
    return Given(hidden(table, 0.8, rng))


def complete() -> Given:
    """Three factors of falling size and noise of .4; all of 40 x 25 cells."""
    rng = np.random.default_rng(10)
    left, right = np.linalg.qr(rng.normal(size=(43, 3)))[0], np.linalg.qr(rng.normal(size=(25, 3)))[0]
    table = (left * [60.0, 30.0, 15.0]) @ right.T + 0.4 * rng.normal(size=(43, 25))
    return Given(table[:40], new=table[40:])


def symmetric() -> Given:
    """A symmetric positive table of two factors with noise, 20 x 20, complete."""
    rng = np.random.default_rng(11)
    factor, noise = rng.normal(size=(20, 2)), 0.2 * rng.normal(size=(20, 20))
    return Given(factor @ factor.T + 0.5 * (noise + noise.T))


def thin_rows() -> Given:
    """Rows of three entries: 300 x 20, two factors, noise of .3."""
    rng = np.random.default_rng(12)
    table = low_rank(310, 20, 2, rng) + 0.3 * rng.normal(size=(310, 20))
    table[rng.random(table.shape).argsort(axis=1) >= 3] = np.nan
    return Given(table[:300], new=table[300:])


def three_sources(table_of: Any, share: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Three tables over 30 rows with 18, 15 and 12 columns: two shared factors and a factor of each source's own."""
    basis, tables = np.linalg.qr(rng.normal(size=(30, 5)))[0] * 30**0.5, {}
    for k, (name, p) in enumerate({"a": 18, "b": 15, "c": 12}.items()):
        linear = basis[:, :2] @ rng.normal(size=(2, p)) + 0.8 * np.outer(basis[:, 2 + k], rng.normal(size=p))
        tables[name] = hidden(table_of(linear), share, rng)
    return tables


def sources() -> Given:
    """Three sources with noise of .3, 80 % seen; further columns of source ``a``."""
    rng = np.random.default_rng(13)
    tables = three_sources(lambda linear: linear + 0.3 * rng.normal(size=linear.shape), 0.8, rng)
    return Given(tables, new=hidden(rng.normal(size=(30, 4)), 0.8, rng))


def complete_sources() -> Given:
    """Three sources with noise of .3, all seen."""
    rng = np.random.default_rng(14)
    return Given(three_sources(lambda linear: linear + 0.3 * rng.normal(size=linear.shape), 1.1, rng))


def yes_no_sources() -> Given:
    """Three sources of answers 1 and 0, 90 % seen."""
    rng = np.random.default_rng(15)
    return Given(three_sources(lambda linear: rng.random(linear.shape) < chances(linear), 0.9, rng))


def spiked_sources() -> Given:
    """Three sources with noise of .1 and one entry in twenty far off, all seen."""
    rng = np.random.default_rng(16)

    def spiked(linear: np.ndarray) -> np.ndarray:
        spikes = np.where(rng.random(linear.shape) < 0.05, 8.0 * rng.choice([-1.0, 1.0], linear.shape), 0.0)
        return linear + 0.1 * rng.normal(size=linear.shape) + spikes

    return Given(three_sources(spiked, 1.1, rng))


def features(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of 50 rows and 40 columns, and a table of two relu units of both."""
    F, G = rng.normal(size=(50, 4)), rng.normal(size=(40, 3))
    table = np.maximum(F @ rng.normal(size=(4, 2)), 0.0) @ np.maximum(G @ rng.normal(size=(3, 2)), 0.0).T
    return F, G, table


def with_features() -> Given:
    """Values with noise of .1 and features of both sides; 40 % of 50 x 40 cells."""
    rng = np.random.default_rng(17)
    F, G, table = features(rng)
    table = hidden(table + 0.1 * rng.normal(size=table.shape), 0.4, rng)
    return Given(table, {"row_features": F, "col_features": G}, (rng.normal(size=(6, 4)), rng.normal(size=(6, 3))))


def yes_no_with_features() -> Given:
    """Answers 1 and 0 with features of both sides; 50 % of 50 x 40 cells."""
    rng = np.random.default_rng(18)
    F, G, _ = features(rng)
    linear = F @ rng.normal(size=(4, 2)) @ rng.normal(size=(2, 3)) @ G.T
    table = hidden(rng.random(linear.shape) < chances(linear), 0.5, rng)
    return Given(table, {"row_features": F, "col_features": G}, (rng.normal(size=(6, 4)), rng.normal(size=(6, 3))))


def one_class_with_features() -> Given:
    """Associations without their opposites: some 15 % of 50 x 40 cells are 1, the others were not looked at."""
    rng = np.random.default_rng(19)
    F, G, table = features(rng)
    seen = table + rng.normal(size=table.shape) > np.quantile(table, 0.85) + 0.5
    new = rng.normal(size=(6, 4)), rng.normal(size=(6, 3))
    return Given(np.where(seen, 1.0, np.nan), {"row_features": F, "col_features": G}, new)


def one_class() -> Given:
    """Associations of 25 rows and 18 columns with Gaussian similarities of both sides."""
    rng = np.random.default_rng(20)
    F, G = rng.normal(size=(28, 3)), rng.normal(size=(18, 3))
    seen = F @ rng.normal(size=(3, 3)) @ G.T + rng.normal(size=(28, 18)) > 2.0

    def kernel(A: np.ndarray, B: np.ndarray) -> np.ndarray:
        return np.exp(-0.3 * np.sum((A[:, None] - B[None]) ** 2, axis=2))

    table = np.where(seen[:25], 1.0, np.nan)
    return Given(table, {"row_kernel": kernel(F[:25], F[:25]), "col_kernel": kernel(G, G)}, kernel(F[25:], F[:25]))


def clusters() -> Given:
    """Features of 70 items in three clusters, and 400 pairs known to be alike or not."""
    rng = np.random.default_rng(21)
    truth = rng.integers(0, 3, 80)
    X = rng.normal(size=(80, 4)) + 2.5 * np.eye(3, 4)[truth]
    i, j = rng.integers(0, 70, (2, 400))
    return Given(X[:70], {"pairs": (i, j, (truth[i] == truth[j]).astype(float))}, X[70:])


def board(n: int, p: int, slope: float, seed: int) -> Given:
    """Answers of ``n`` rows to ``p`` questions of varying difficulty and slope; 70 % of the cells."""
    rng = np.random.default_rng(seed)
    ability, difficulty = rng.normal(size=n + 3), 0.3 + 1.2 * rng.normal(size=p)
    linear = difficulty + np.outer(ability, 1.0 + slope * rng.normal(size=p))
    table = hidden(rng.random(linear.shape) < chances(linear), 0.7, rng)
    return Given(table[:n], new=table[n:])


def wide_board() -> Given:
    """A leaderboard: 12 rows, 60 questions."""
    return board(12, 60, 0.3, 22)


def tall_board() -> Given:
    """A test: 40 rows, 20 questions."""
    return board(40, 20, 0.0, 23)


def rates_board() -> Given:
    """Pass rates of 10 rows on 40 questions, each of ten runs."""
    rng = np.random.default_rng(24)
    linear = rng.normal(size=40) + rng.normal(size=(10, 1))
    return Given(hidden(rng.binomial(10, chances(linear)) / 10.0, 0.8, rng))


@cache
def given(name: str) -> Given:
    """The data set of this name."""
    return globals()[name]()
