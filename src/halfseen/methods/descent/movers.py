"""The three ways to follow a descent: iterate, iterate in the singular basis, or filter singular values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from halfseen._typing import FloatArray
from halfseen.linalg.growth import start_size
from halfseen.methods.descent.path import SingularIterate, read_factors
from halfseen.methods.descent.table import DescentTable
from halfseen.solvers import (
    FactorDescent,
    FactorObjective,
    Factors,
    Growth,
    ImplicitObjective,
    LargestRest,
    SpectralFilter,
    small_start,
)

BASIS = "solver='basis'"
FILTER = "solver='filter'"
# Entries of the residual whose median size stands for all of them.
SAMPLE = 10_000


@dataclass(frozen=True)
class Setting:
    """What does not change along a descent."""

    rank: int
    rho: float
    top: float
    step: float
    shape: tuple[int, int]
    is_symmetric: bool = False
    is_guarded: bool = False

    @property
    def start(self) -> float:
        """Size of every component at time 0."""
        if self.is_symmetric:
            return self.rho**2 * self.top * (1.0 if self.rank >= self.shape[0] else self._share())
        return start_size(self.rho, self.top, self.shape, self.rank)

    def _share(self) -> float:
        return self.rank / (9.0 * (sum(self.shape) + self.rank))


class Mover(Protocol):
    """A sweep, where it starts, and how its iterates are read."""

    start: Any

    @property
    def step(self) -> float: ...

    def __call__(self, params: Any, /) -> Any: ...

    def value(self, params: Any, /) -> float: ...

    def read(self, params: Any, /) -> SingularIterate: ...

    def rest(self, rng: np.random.Generator, /) -> Callable[[Any], float]: ...

    def noise(self, rng: np.random.Generator, /) -> Callable[[Any, float], float]: ...


def start_of(setting: Setting, rng: np.random.Generator, dtype: Any) -> Factors:
    """The paper's start; of a symmetric descent with equal factors, or the identity of C.3."""
    if not setting.is_symmetric:
        return small_start(setting.shape, setting.rank, setting.rho, setting.top, rng, dtype)
    n = setting.shape[0]
    if setting.rank >= n:
        left = (setting.rho * np.sqrt(setting.top) * np.eye(n)).astype(dtype)
    else:
        left = small_start(setting.shape, setting.rank, setting.rho, setting.top, rng, dtype).left
    return Factors(left, left.copy())


class Iterating:
    """Gradient descent as printed, on any objective."""

    def __init__(self, objective: FactorObjective, setting: Setting, rng: np.random.Generator) -> None:
        self.objective, self.setting = objective, setting
        self.sweep = FactorDescent(objective, setting.step, setting.is_guarded, setting.is_symmetric)
        self.start = start_of(setting, rng, objective.dtype)
        self.read = read_factors(objective)

    @property
    def step(self) -> float:
        return self.sweep.step

    def __call__(self, factors: Factors) -> Any:
        return self.sweep(factors)

    def value(self, factors: Factors) -> float:
        return self.sweep.at(factors).value

    def rest(self, rng: np.random.Generator) -> Callable[[Any], float]:
        return LargestRest(self.objective, rng)

    def noise(self, rng: np.random.Generator) -> Callable[[Any, float], float]:
        """The median size of residuals where they are at hand, else their root mean square."""
        cells = self.setting.shape[0] * self.setting.shape[1]
        sampled = getattr(self.objective, "sampled_residuals", None)
        if sampled is None:
            return lambda factors, value: float(np.sqrt(2.0 * value / cells))
        places = np.sort(rng.choice(cells, min(SAMPLE, cells), replace=False))
        # 1.4826 is the standard deviation of a normal variable over the median of its size
        return lambda factors, value: 1.4826 * float(np.median(np.abs(sampled(factors, places))))


class Diagonal:
    """A matrix with singular values on its diagonal and zeros elsewhere, as an operator."""

    def __init__(self, s: FloatArray, rows: int, cols: int) -> None:
        self.s, self.shape, self.dtype = s, (rows, cols), s.dtype

    @property
    def T(self) -> Diagonal:
        return Diagonal(self.s, self.shape[1], self.shape[0])

    def __matmul__(self, block: FloatArray) -> FloatArray:
        out = np.zeros((self.shape[0], block.shape[1]), np.result_type(self.s, block))
        out[: len(self.s)] = self.s[:, None] * block[: len(self.s)]
        return out


class InBasis(Iterating):
    r"""The same iterates in coordinates in which the table is diagonal.

    With :math:`X = \Phi\Sigma\Psi^\top` descent on :math:`(\Phi^\top F, \Psi^\top G)` is descent on :math:`\Sigma`
    (the paper's (4.2)). What of the start lies outside of the singular vectors spans at most k further directions.
    """

    def __init__(self, table: DescentTable, setting: Setting, rng: np.random.Generator) -> None:
        U, s, V = table.svd(BASIS)
        start = start_of(setting, rng, table.dtype)
        self.bases, turned = [], []
        for factor, vectors in zip(start, (U, V), strict=True):
            inside = vectors.T @ factor
            further, outside = np.linalg.qr(factor - vectors @ inside)
            room = min(len(vectors) - vectors.shape[1], len(outside))  # what is outside has no more dimensions
            self.bases.append(np.hstack([vectors, further[:, :room]]))
            turned.append(np.vstack([inside, outside[:room]]))
        diagonal = Diagonal(s, len(turned[0]), len(turned[1]))
        self.objective = ImplicitObjective(diagonal, float(np.sum(np.square(s, dtype=float))))
        self.setting = setting
        self.sweep = FactorDescent(self.objective, setting.step, setting.is_guarded)
        self.start = Factors(*turned)
        self._read = read_factors(self.objective)
        self.read = self._turned_back

    def _turned_back(self, factors: Any) -> SingularIterate:
        size, lack, parts = self._read(factors)

        def back(r: int) -> tuple[FloatArray, FloatArray]:
            left, right = parts(r)
            return self.bases[0] @ left, self.bases[1] @ right

        return SingularIterate(size, lack, back)


class Filtering:
    """Singular values alone."""

    def __init__(self, table: DescentTable, setting: Setting) -> None:
        self.U, s, self.V = table.svd(FILTER)
        self.s = s.astype(float)
        self.setting, self.dtype = setting, table.dtype
        self.columns = min(setting.rank, len(s))
        self.sweep = SpectralFilter(self.s[: self.columns], setting.step)
        self.start = self.sweep.start(setting.start)
        # of a rank below the shorter side, what no column is there for stays what is left
        self._beyond = float(np.sum(np.square(self.s[self.columns :])))
        if setting.is_symmetric:
            signs = np.sign(np.einsum("ij,ij->j", self.U, self.V))[: self.columns]
            self.start = Growth(np.where(signs > 0, self.start.root, 0.0), self.start.slope)

    @property
    def step(self) -> float:
        return self.setting.step

    def __call__(self, growth: Growth) -> Any:
        result = self.sweep(growth)
        return replace(result, value=result.value + 0.5 * self._beyond)

    def value(self, growth: Growth) -> float:
        return 0.5 * (float(np.sum(np.square(self.sweep.s - growth.size))) + self._beyond)

    def read(self, growth: Growth) -> SingularIterate:
        size = growth.size

        def parts(r: int) -> tuple[FloatArray, FloatArray]:
            root = growth.root[:r]
            return (self.U[:, :r] * root).astype(self.dtype), (self.V[:, :r] * root).astype(self.dtype)

        return SingularIterate(size, self.sweep.s - size, parts)

    def rest(self, rng: np.random.Generator) -> Callable[[Any], float]:
        beyond = float(self.s[self.columns]) if self.columns < len(self.s) else 0.0
        return lambda growth: max(float(np.max(self.sweep.s - growth.size)), beyond)

    def noise(self, rng: np.random.Generator) -> Callable[[Any, float], float]:
        cells = self.setting.shape[0] * self.setting.shape[1]
        return lambda growth, value: float(np.sqrt(2.0 * value / cells))
