"""What the figures of this paper share: its matrices, descents that are watched, one style of picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from halfseen.methods.descent.movers import Diagonal
from halfseen.show.figures import BLUE, GREY, ORANGE, new_figure, tidy
from halfseen.solvers import DenseObjective, FactorDescent, Factors, ImplicitObjective, loop, small_start

__all__ = [
    "BLUE", "COLOURS", "GREY", "ORANGE", "diagonal_descent", "distance", "follow", "low_rank", "means", "new_figure",
    "tidy",
]  # fmt: skip

COLOURS = ("#2a6f97", "#d9822b", "#6a994e", "#9d4edd", "#bc4749", "#6c757d", "#014f86", "#e09f3e")


def low_rank(shape: tuple[int, int], s: Any, rng: np.random.Generator) -> np.ndarray:
    """A matrix with these singular values and random singular vectors."""
    s = np.asarray(s, dtype=float)
    U, V = (np.linalg.qr(rng.standard_normal((side, len(s))))[0] for side in shape)
    return (U * s) @ V.T


def follow(
    X: np.ndarray,
    start: tuple[int, float, int],
    step: float,
    until: int,
    look: Callable[[Factors], dict[str, Any]],
    every: Callable[[int], bool] = lambda time: True,
    enough: float = 0.0,
) -> list[dict[str, Any]]:
    """Gradient descent from the paper's start ``(k, rho, seed)``; ``look`` at chosen iterates.

    The column ``train`` is the distance to the matrix; descent ends when that is ``enough``.
    """
    k, rho, seed = start
    top = float(np.linalg.norm(X, 2))
    factors = small_start(X.shape, k, rho, top, np.random.default_rng(seed))
    descent = FactorDescent(DenseObjective(X), step)
    error = lambda value: float(np.sqrt(2.0 * value))  # noqa: E731
    rows = [{"time": 0, "train": error(descent.at(factors).value), **look(factors)}]

    def watch(time: int, result: Any, seconds: float) -> None:
        if every(time):
            rows.append({"time": time, "train": error(result.value), **look(result.params)})

    near = lambda time, result: "change" if error(result.value) <= enough else None  # noqa: E731
    loop(descent, factors, [near], max_iter=until, watchers=[watch])
    return rows


def distance(factors: Factors, left: np.ndarray, right: np.ndarray) -> float:
    """Frobenius distance of a product of factors to another one, by Gram matrices; exact to 1e-8 of the norms."""
    F, G = factors
    own, other = np.sum((F.T @ F) * (G.T @ G)), np.sum((left.T @ left) * (right.T @ right))
    return float(np.sqrt(max(own + other - 2.0 * np.sum((F.T @ left) * (G.T @ right)), 0.0)))


def diagonal_descent(
    s: np.ndarray, shape: tuple[int, int], rank: int, start: tuple[int, float, int], step: float, until: int
) -> tuple[float, int]:
    """Least relative error to the best approximation of a rank, and when: descent on a diagonal matrix.

    Normal starts look the same in every basis, so that a diagonal matrix is no special case. Every term of the error
    is a square: errors of 1e-15 are seen.
    """
    k, rho, seed = start
    padded = np.concatenate([s, np.zeros(min(shape) - len(s))])
    factors = small_start(shape, k, rho, float(s[0]), np.random.default_rng(seed))
    best, size = [np.inf, 0], float(np.sqrt(np.sum(s[:rank] ** 2)))

    def watch(time: int, result: Any, seconds: float) -> None:
        F, G = result.params
        inside = F[:rank] @ G[:rank].T - np.diag(s[:rank])
        beside, below = F[:rank] @ G[rank:].T, F[rank:] @ G[:rank].T
        others = max(float(np.sum((F[rank:].T @ F[rank:]) * (G[rank:].T @ G[rank:]))), 0.0)
        error = float(np.sqrt(np.sum(inside**2) + np.sum(beside**2) + np.sum(below**2) + others)) / size
        if error < best[0]:
            best[:] = [error, time]

    objective = ImplicitObjective(Diagonal(padded, *shape), float(np.sum(s**2)))
    loop(FactorDescent(objective, step), factors, max_iter=until, watchers=[watch])
    return float(best[0]), int(best[1])


def means(rows: list[dict[str, Any]], by: tuple[str, ...], of: tuple[str, ...]) -> list[dict[str, Any]]:
    """Means of columns over the rows that agree in ``by``, with their number."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in by), []).append(row)
    return [
        {
            **dict(zip(by, key, strict=True)),
            "repetitions": len(group),
            **{name: float(np.mean([row[name] for row in group])) for name in of},
        }
        for key, group in groups.items()
    ]
