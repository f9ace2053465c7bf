"""Tables that follow the inductive model, and its objective written plainly."""

from __future__ import annotations

import numpy as np

import halfseen as hs
from halfseen.engines import EntryPasses
from halfseen.losses import get_loss
from halfseen.methods.inductive.activations import ACTIVATIONS
from halfseen.methods.inductive.maps import FeatureMap
from halfseen.methods.inductive.problem import Design, InductiveProblem


class Realizable:
    """Gaussian features, Gaussian weights, m cells drawn with replacement, optional noise."""

    def __init__(self, activation, n, m, k=5, d=10, seed=0, noise=0.0, scale=1.0):
        rng = np.random.default_rng(seed)
        self.phi = ACTIVATIONS[activation].value
        self.F, self.G = rng.normal(size=(n, d)), rng.normal(size=(n, d))
        self.U, self.V = scale * rng.normal(size=(d, k)), scale * rng.normal(size=(d, k))
        self.truth = self.table(self.F, self.G)
        self.rows, self.cols = np.divmod(np.unique(rng.integers(0, n * n, m)), n)
        values = self.truth[self.rows, self.cols] + noise * rng.normal(size=len(self.rows))
        self.observed = hs.Observed.from_triplets(self.rows, self.cols, values, shape=(n, n))
        self.new = rng.normal(size=(n, d)), rng.normal(size=(n, d))
        self.new_truth = self.table(*self.new)
        self.features = {"row_features": self.F, "col_features": self.G}

    def table(self, F, G):
        return self.phi(F @ self.U) @ self.phi(G @ self.V).T

    def error(self, model):
        """Relative error on rows and columns that are both new."""
        return np.linalg.norm(model.predict_table(*self.new) - self.new_truth) / np.linalg.norm(self.new_truth)


def make_problem(observed, F, G, activation="relu", loss="gaussian", has_intercept=True, rank=3, **more):
    """The problem itself, without an estimator."""
    design = Design(rank, ACTIVATIONS[activation], **more)
    sides = [FeatureMap(x, n, has_intercept, observed.dtype) for x, n in zip((F, G), observed.shape, strict=True)]
    return InductiveProblem(EntryPasses(observed, get_loss(loss)), *sides, design)


def naive_objective(problem, table, F, G, theta, loss="gaussian"):
    """The objective cell by cell, unseen cells of one-class tables included."""
    at, design, loss = problem.unpack(theta), problem.design, get_loss(loss)
    phi, total = design.activation.value, 0.0
    for i, j in np.ndindex(table.shape):
        x, y = (np.append(side[place], 1.0) for side, place in ((F, i), (G, j)))
        m = phi(x @ at.U) @ phi(y @ at.V) + design.offset
        m += (at.r[i] if len(at.r) else 0) + (at.c[j] if len(at.c) else 0)
        m += at.P[i] @ at.Q[j] if design.free_rank else 0
        if not np.isnan(table[i, j]):
            total += loss.value(np.array(table[i, j]), np.array(m))
        elif design.beta is not None:
            total += 0.5 * design.beta * m**2
    m = np.sum(~np.isnan(table))
    penalty = 0.5 * design.penalty * (np.sum(at.U**2) + np.sum(at.V**2))
    free = 0.5 * design.free_penalty * (np.sum(at.P**2) + np.sum(at.Q**2))
    return (total + free + 0.5 * design.effect_penalty * (np.sum(at.r**2) + np.sum(at.c**2))) / m + penalty
