"""Inductive completion: a gradient of the sparse objective against its parts and torch; the one-class identity."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
from scipy.sparse import random_array

from halfseen import kernels
from halfseen.data import Observed
from halfseen.engines import EntryPasses
from halfseen.losses import get_loss
from halfseen.methods.inductive.activations import ACTIVATIONS
from halfseen.methods.inductive.maps import FeatureMap
from halfseen.methods.inductive.problem import Design, InductiveProblem
from measure import Line, interleave
from problems import ratings

RANK, FEATURES = 50, (30, 40)  # MovieLens: 29 of users, 39 of films, a constant on both sides
# the set of the paper's section 4.3: genes x diseases, their features, seen associations
ONE_CLASS = (12331, 3209, 300, 200, 3957)
DENSE = "300 and 200 dense features"


def sparse_problem(dtype: str) -> InductiveProblem:
    """The squared objective at MovieLens-1M's size, relu units."""
    observed, rng = Observed(ratings("1M", dtype)), np.random.default_rng(3)
    sides = [
        FeatureMap(rng.normal(size=(n, d - 1)).astype(dtype), n, True, observed.dtype)
        for n, d in zip(observed.shape, FEATURES, strict=True)
    ]
    return InductiveProblem(EntryPasses(observed, get_loss("gaussian")), *sides, Design(RANK, ACTIVATIONS["relu"]))


def parts_of(problem: InductiveProblem, theta: np.ndarray) -> Callable[[], object]:
    """What the gradient cannot do without: features there and back on both sides, and one pass over the entries."""
    at, view = problem.unpack(theta), problem.passes.view(0)
    H, W = (np.ascontiguousarray(side[1]) for side in problem.sides(at))
    grad_H, grad_W = np.empty_like(H), np.empty_like(W)

    def run() -> None:
        for side, weights, gradient in ((problem.rows, at.U, grad_H), (problem.cols, at.V, grad_W)):
            side.features @ weights[:-1]
            side.features.T @ gradient
        grad_W[...] = 0
        kernels.loss_and_gradient(view, H, W, family="gaussian", grad_A=grad_H, grad_B=grad_W)

    return run


def autograd(problem: InductiveProblem, theta: np.ndarray) -> Callable[[], object]:
    """What a user of torch writes for the same model."""
    import torch

    torch.set_num_threads(1)
    at, observed = problem.unpack(theta), problem.passes.observed
    U, V = (torch.from_numpy(np.array(part)).requires_grad_() for part in (at.U, at.V))
    X, Y = (
        torch.from_numpy(side.lines(np.arange(side.n)).astype(theta.dtype)) for side in (problem.rows, problem.cols)
    )
    rows, cols = (torch.from_numpy(np.array(part, dtype=np.int64)) for part in (observed.rows, observed.cols))
    y = torch.from_numpy(observed.values.copy())

    def run() -> float:
        U.grad = V.grad = None
        m = (torch.relu(X @ U)[rows] * torch.relu(Y @ V)[cols]).sum(1)
        loss = 0.5 * torch.mean((m - y) ** 2)
        loss.backward()
        return float(loss.detach())

    return run


def goal_12(rounds: int = 7) -> Iterator[Line]:
    """One gradient of the sparse objective."""
    for dtype in ("float32", "float64"):
        problem = sparse_problem(dtype)
        theta = (0.3 * np.random.default_rng(4).normal(size=problem.size)).astype(dtype)
        contestants = {
            "halfseen": lambda p=problem, t=theta: p.value_and_gradient(t),
            "parts": parts_of(problem, theta),
        }
        if find_spec("torch"):
            contestants["autograd"] = autograd(problem, theta)
        t = interleave(contestants, rounds)
        note = f"{1e3 * t.best('halfseen'):.1f} ms"
        yield Line(
            "12", f"inductive gradient over its parts, {dtype}", 2.0, None, t.ratio("halfseen", "parts"), note=note
        )
        yield Line("12", f"torch autograd over it, {dtype}", 5.0, None, t.ratio("autograd", "halfseen"), is_upper=False)
    yield from one_class(rounds)


def one_class(rounds: int) -> Iterator[Line]:
    """The Gram identity against the dense table, float64; alone, and with the products of two kinds of features."""
    n, p, d1, d2, _ = ONE_CLASS
    rng = np.random.default_rng(5)
    work = (3 * n * p + 2 * (n * d1 + p * d2)) / (2 * (n * d1 + p * d2))
    kinds = {
        DENSE: (
            rng.normal(size=(n, d1)), rng.normal(size=(p, d2)),
            f"counting multiplications, these products keep it below {work:.1f}",
        ),
        "3000 sparse features": (
            random_array((n, 3000), density=20 / 3000, rng=rng, format="csr"),
            random_array((p, 3000), density=20 / 3000, rng=rng, format="csr"),
            "20 numbers a line: words, one-hot blocks",
        ),
    }  # fmt: skip
    for kind, (X, Y, note) in kinds.items():
        contestants, gap = one_class_ways(X, Y, rng)
        t = interleave(contestants, rounds)
        if kind == DENSE:
            what = f"12331 x 3209; gradients differ by {gap:.1e} of the largest"
            title = "one-class objective and gradient: dense over Gram"
            yield Line("12", title, 20.0, None, t.ratio("dense", "gram"), is_upper=False, note=what)
        gain = t.ratio("whole dense", "whole gram")
        goal = None if kind == DENSE else 20.0
        yield Line("12", f"the same with the products of {kind}", goal, None, gain, is_upper=False, note=note)


def one_class_ways(X: Any, Y: Any, rng: np.random.Generator) -> tuple[dict[str, Callable[[], object]], float]:
    """Both ways, without and with the features' products, and how far their gradients are apart."""
    n, p, _, _, seen = ONE_CLASS
    beta = 0.01
    cells = np.unique(rng.integers(0, n * p, seen))
    i, j = np.divmod(cells, p)
    observed = Observed.from_triplets(i, j, np.ones(len(i)), shape=(n, p))
    sides = FeatureMap(X, n, False, observed.dtype), FeatureMap(Y, p, False, observed.dtype)
    design = Design(RANK, ACTIVATIONS["relu"], beta=beta)
    problem = InductiveProblem(EntryPasses(observed, get_loss("gaussian")), *sides, design)
    theta = 0.05 * rng.normal(size=problem.size)
    at, weight = problem.unpack(theta), np.full((n, p), beta)
    target = np.zeros((n, p))
    weight[i, j], target[i, j] = 1.0, 1.0
    turned = (X.T, Y.T) if isinstance(X, np.ndarray) else (X.T.tocsr(), Y.T.tocsr())

    (_, H), (_, W) = problem.sides(at)

    def dense_objective(H: np.ndarray, W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        S = H @ W.T - target
        wS = weight * S
        np.vdot(wS, S)
        return wS @ W, wS.T @ H

    def dense() -> np.ndarray:
        Z, T = X @ at.U, Y @ at.V
        gH, gW = dense_objective(np.maximum(Z, 0), np.maximum(T, 0))
        gradient = [turned[0] @ (gH * (Z > 0)), turned[1] @ (gW * (T > 0))]
        return np.concatenate([part.ravel() for part in gradient]) / len(i)

    gap = np.abs(problem.value_and_gradient(theta)[1] - dense()).max() / np.abs(dense()).max()
    contestants = {
        "gram": lambda: problem._one_class(at, H, W),
        "dense": lambda: dense_objective(H, W),
        "whole gram": lambda: problem.value_and_gradient(theta),
        "whole dense": dense,
    }
    return contestants, float(gap)
