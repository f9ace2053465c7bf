"""Gaussian features, Gaussian weights, cells drawn with replacement: the paper's section 4.1."""

from __future__ import annotations

from typing import Any

import numpy as np

import halfseen as hs
from halfseen.engines import EntryPasses
from halfseen.losses import get_loss
from halfseen.methods.inductive.activations import ACTIVATIONS
from halfseen.methods.inductive.maps import FeatureMap
from halfseen.methods.inductive.problem import Design, InductiveProblem

BLUE, RED, GREY = "#30638e", "#d1495b", "#8d99ae"


class Truth:
    """Features and weights of both sides, and a table of m cells."""

    def __init__(self, activation: str, n: int, m: int, k: int, d: int, seed: int, weights: Any = None) -> None:
        self.rng = np.random.default_rng(seed)
        self.phi, self.k, self.activation = ACTIVATIONS[activation].value, k, activation
        self.F, self.G = self.rng.normal(size=(n, d)), self.rng.normal(size=(n, d))
        if isinstance(weights, tuple):
            self.U, self.V = weights
        else:
            draw = (lambda rng: rng.normal(size=(d, k))) if weights is None else weights
            self.U, self.V = draw(self.rng), draw(self.rng)
        cells = np.unique(self.rng.integers(0, n * n, m))
        rows, cols = np.divmod(cells, n)
        values = np.einsum("ek,ek->e", self.phi(self.F @ self.U)[rows], self.phi(self.G @ self.V)[cols])
        self.observed = hs.Observed.from_triplets(rows, cols, values, shape=(n, n))

    def fit(self, **options: Any) -> hs.InductiveCompletion:
        """A fit without ridge or intercept, from starts N(0, 1)."""
        given = {"start_scale": 1.0, "tol": 1e-9, **options}
        model = hs.InductiveCompletion(
            self.k, self.activation, penalty=0.0, has_intercept=False, scale="none", **given, random_state=0
        )
        return model.fit(self.observed, row_features=self.F, col_features=self.G)

    def error(self, model: hs.InductiveCompletion) -> float:
        """Relative error of predictions for new rows and columns."""
        X, Y = (self.rng.normal(size=self.F.shape) for _ in range(2))
        wanted = self.phi(X @ self.U) @ self.phi(Y @ self.V).T
        found = self.phi(X @ model.row_weights_) @ self.phi(Y @ model.col_weights_).T
        return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))

    def literal_error(self, model: hs.InductiveCompletion) -> float:
        """The criterion as printed: phi(XU) phi(XU)' against the truth; V never enters."""
        X = self.rng.normal(size=self.F.shape)
        wanted, found = self.phi(X @ self.U), self.phi(X @ model.row_weights_)
        return float(np.linalg.norm(found @ found.T - wanted @ wanted.T) / np.linalg.norm(wanted @ wanted.T))

    def problem(self, **design: Any) -> InductiveProblem:
        """The squared objective itself."""
        passes = EntryPasses(self.observed, get_loss("gaussian"))
        sides = [FeatureMap(side, len(side), False, np.dtype(float)) for side in (self.F, self.G)]
        return InductiveProblem(passes, sides[0], sides[1], Design(self.k, ACTIVATIONS[self.activation], **design))


def new_figure(columns: int, rows: int = 1, size: tuple[float, float] = (3.2, 2.9)) -> Any:
    """A figure of small axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)
