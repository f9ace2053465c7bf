"""Many sources with known shared and unique factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, RandomState, as_generator
from halfseen.data import Observed, Sources

KINDS = ("gaussian", "rotated")


@dataclass(frozen=True)
class SourcesDesign:
    """How factors and noise are drawn.

    Attributes
    ----------
    kind : {"gaussian", "rotated"}
        "gaussian": Gaussian factors, unique bases made orthogonal to the shared one. "rotated": coordinate vectors
        turned by one random rotation and orthonormal loadings, so that all singular values are 1; neighbouring sources
        have unique directions in common.
    condition : float
        Largest over smallest singular value inside each part ("rotated" only).
    noise : float
        Standard deviation of Gaussian noise on the seen entries.
    overlap : float
        Share of every unique basis' first direction that is common to all sources, 0 to 1 ("gaussian" only): it
        lowers the misalignment.
    """

    kind: str = "gaussian"
    condition: float = 1.0
    noise: float = 0.0
    overlap: float = 0.0


@dataclass(frozen=True)
class SourcesData:
    """Simulated sources and the truth behind them.

    Attributes
    ----------
    sources : Sources
        What was seen.
    shared_basis : ndarray (n, r1)
        Orthonormal.
    unique_basis : dict from source name to ndarray (n, r2_i)
        Orthonormal, orthogonal to the shared basis.
    shared, unique : dict from source name to ndarray (n, p_i)
        The true parts as tables.
    """

    sources: Sources
    shared_basis: FloatArray
    unique_basis: Mapping[str, FloatArray]
    shared: Mapping[str, FloatArray]
    unique: Mapping[str, FloatArray]

    def subspace_error(self, model: Any) -> float:
        r""":math:`\|P_{U_g} - P^\star_g\|_F^2 + \frac1N\sum_i\|P_{U_{(i)}} - P^\star_{(i)}\|_F^2` of a fitted model."""
        own = [_distance(model.unique_basis_[name], truth) for name, truth in self.unique_basis.items()]
        return _distance(model.shared_basis_, self.shared_basis) + float(np.mean(own))

    def part_errors(self, model: Any) -> tuple[float, float]:
        """Summed squared errors of the shared and of the unique parts."""
        shared = sum(float(np.sum((model.shared_part(name) - part) ** 2)) for name, part in self.shared.items())
        unique = sum(float(np.sum((model.unique_part(name) - part) ** 2)) for name, part in self.unique.items())
        return shared, unique

    @property
    def misalignment(self) -> float:
        """True misalignment of the unique bases."""
        s = np.linalg.svd(np.hstack(list(self.unique_basis.values())), compute_uv=False)
        return float(1.0 - s[0] ** 2 / len(self.unique_basis))


def _distance(U: FloatArray, truth: FloatArray) -> float:
    # 2 |(I - P*) U|^2 is accurate far below the rounding error of the difference of two projections
    U = np.asarray(U, dtype=float)
    rest = U - truth @ (truth.T @ U)
    rest -= truth @ (truth.T @ rest)
    return 2.0 * float(np.sum(np.square(rest)))


def make_sources_data(
    n_sources: int = 10,
    n_rows: int = 120,
    n_cols: int | Sequence[int] = 100,
    shared_rank: int = 3,
    unique_rank: int | Sequence[int] = 3,
    observed: float = 1.0,
    design: SourcesDesign | str = "gaussian",
    random_state: RandomState = None,
) -> SourcesData:
    """Draw sources with shared and unique factors; names are "source 0", "source 1", ...

    Parameters
    ----------
    n_sources, n_rows : int
    n_cols, unique_rank : int or one int per source
    shared_rank : int
    observed : float in (0, 1]
        Share of the entries that is seen, at random.
    design : SourcesDesign or {"gaussian", "rotated"}
    random_state : int, Generator or None

    Returns
    -------
    SourcesData

    Examples
    --------
    >>> data = make_sources_data(3, 20, [10, 12, 14], shared_rank=2, unique_rank=1, observed=0.5, random_state=0)
    >>> data.sources.shapes["source 2"], sorted(data.shared) == data.sources.names
    ((20, 14), True)
    """
    design = SourcesDesign(design) if isinstance(design, str) else design
    if design.kind not in KINDS:
        raise ValueError(f"design.kind must be one of {KINDS}, got {design.kind!r}")
    if not 0 < observed <= 1:
        raise ValueError(f"observed={observed!r} must lie in (0, 1]")
    widths = _each(n_cols, n_sources, "n_cols")
    ranks = _each(unique_rank, n_sources, "unique_rank")
    rng = as_generator(random_state)
    draw = _rotated if design.kind == "rotated" else _gaussian
    shared_basis, bases, loadings = draw((n_rows, shared_rank), widths, ranks, design, rng)
    tables, shared, unique = {}, {}, {}
    for place, (basis, (V_shared, V)) in enumerate(zip(bases, loadings, strict=True)):
        name = f"source {place}"
        shared[name], unique[name] = shared_basis @ V_shared.T, basis @ V.T
        whole = shared[name] + unique[name]
        seen = rng.random(whole.shape) < observed if observed < 1 else np.ones(whole.shape, dtype=bool)
        noisy = whole + design.noise * rng.standard_normal(whole.shape) if design.noise else whole
        rows, cols = np.nonzero(seen)
        tables[name] = Observed.from_triplets(rows, cols, noisy[rows, cols], shape=whole.shape)
    names = list(tables)
    orthonormal = dict(zip(names, map(_basis, bases), strict=True))
    return SourcesData(Sources(tables), np.linalg.qr(shared_basis)[0], orthonormal, shared, unique)


# shared basis, unique bases, (shared, unique) loadings
Drawn = tuple[Any, list[Any], list[tuple[Any, Any]]]


def _basis(U: FloatArray) -> FloatArray:
    return np.linalg.qr(U)[0]


def _gaussian(
    size: tuple[int, int], widths: list[int], ranks: list[int], design: SourcesDesign, rng: np.random.Generator
) -> Drawn:
    n, r1 = size
    shared = rng.standard_normal((n, r1))
    Q = np.linalg.qr(shared)[0]
    common = rng.standard_normal(n)
    bases, loadings = [], []
    for p, r2 in zip(widths, ranks, strict=True):
        U = rng.standard_normal((n, r2))
        if design.overlap and r2:
            U[:, 0] = np.sqrt(design.overlap) * common + np.sqrt(1 - design.overlap) * U[:, 0]
        bases.append(U - Q @ (Q.T @ U))
        loadings.append((rng.standard_normal((p, r1)), rng.standard_normal((p, r2))))
    return shared, bases, loadings


def _rotated(
    size: tuple[int, int], widths: list[int], ranks: list[int], design: SourcesDesign, rng: np.random.Generator
) -> Drawn:
    n, r1 = size
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    bases, loadings = [], []
    for place, (p, r2) in enumerate(zip(widths, ranks, strict=True)):
        bases.append(Q[:, r1 + (np.arange(r2) + place) % (n - r1)])
        V = np.linalg.qr(rng.standard_normal((p, r1 + r2)))[0]
        loadings.append((V[:, :r1] * _sizes(r1, design.condition), V[:, r1:] * _sizes(r2, design.condition)))
    return Q[:, :r1], bases, loadings


def _sizes(rank: int, condition: float) -> FloatArray:
    return np.geomspace(1.0, 1.0 / condition, rank) if rank > 1 else np.ones(rank)


def _each(given: int | Sequence[int], n: int, name: str) -> list[int]:
    numbers = [int(given)] * n if isinstance(given, int | np.integer) else [int(number) for number in given]
    if len(numbers) != n:
        raise ValueError(f"{name} must be one number, or one per source ({n}); got {len(numbers)}")
    return numbers
