"""Prior means of rows from their features: which other columns a row has, and what else is known of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.linalg import eigh

from halfseen._typing import BoolArray, FloatArray
from halfseen.engines import Engine, EntryPasses, Serial
from halfseen.engines.draws import GaussianPrior, RowDraws
from halfseen.engines.local import shares_memory
from halfseen.kernels import FeatureColumns, effect_draws, shift_draws
from halfseen.methods.completion.hyperprior import NormalWishart
from halfseen.solvers.newton import conjugate_gradient

# Coordinates drawn at a time: the same whatever the number of threads, so that bits are. Within them nothing is lost:
# a line of 16 numbers is one or two of a cache.
COORDINATES = 16
# Precision of the effects before their first draw, for values of standard deviation 1. Measured on MovieLens: as page.
START_PRECISION = 20.0
# Entries from which what a row has is taken for what it would have. Measured: MovieLens-100k, two splits .8749 / .8607
# (0: .8762 / .8624; 30: .8757 / .8609); people of whom five ratings are known .954 (0: .967).
FEW = 10.0
# Relative residual and iterations of the joint draw: its error is far below the spread of the draw itself.
JOINT_TOL, JOINT_STEPS = 1e-4, 200


@dataclass(frozen=True)
class FeatureGroup:
    r"""Features whose effects have one normal distribution, :math:`w_j \sim N(m_g, \Lambda_g^{-1})`.

    Attributes
    ----------
    name : {"implicit", "features"}
    n_features : int
    columns : FeatureColumns or None
        Of all features; None: implicit features of a frugal table, whose columns are regrouped part by part.
    passes : EntryPasses or None
        Then these.
    row_scale : ndarray (n_rows,) or None
    seen : bool array (n_features,)
        Features that some row has; the others are drawn from the prior and do not inform it.
    """

    name: str
    n_features: int
    columns: FeatureColumns | None
    passes: EntryPasses | None
    row_scale: FloatArray | None
    seen: BoolArray

    def pieces(self) -> Iterator[tuple[slice, FeatureColumns]]:
        """The features a part at a time, and which of them these are."""
        if self.columns is not None:
            yield slice(0, self.n_features), self.columns
            return
        assert self.passes is not None
        for first, last, part in self.passes.regrouped():
            yield slice(first, last), FeatureColumns(part.indptr, part.indices, None, self.row_scale)


def implicit_weights(counts: Any) -> FloatArray:
    r"""What each entry of a row counts as an implicit feature, :math:`\sqrt n / (n + n_0)` with :math:`n_0 = 10`.

    Of many entries :math:`n^{-1/2}`; of a few less, for they say little about what else the row would have.
    """
    n = np.asarray(counts, dtype=float)
    return np.asarray(np.sqrt(n) / (n + FEW))


def implicit_group(passes: EntryPasses, axis: int) -> FeatureGroup:
    """What else a row (``axis=0``) or column (1) has entries with, weighted by how many these are."""
    view = passes.observed.by_rows
    by_row, by_col = view.counts, view.minor_sums()
    own, other = (by_col, by_row) if axis else (by_row, by_col)
    scale = implicit_weights(own).astype(passes.dtype)
    columns = None
    if axis or not passes.is_frugal:
        # grouped by feature: the features of columns are rows
        grouped = passes.view(1 - axis)
        columns = FeatureColumns(grouped.indptr, grouped.indices, None, scale)
    return FeatureGroup("implicit", len(other), columns, passes, scale, other > 0)


def given_group(matrix: Any, dtype: np.dtype) -> FeatureGroup:
    """Features given as a matrix (n_rows, n_features), dense or sparse."""
    from scipy import sparse

    grouped = sparse.csc_array(matrix)
    grouped.eliminate_zeros()
    columns = FeatureColumns(
        grouped.indptr.astype(np.int64), grouped.indices.astype(np.int32), grouped.data.astype(dtype), None
    )
    return FeatureGroup("features", grouped.shape[1], columns, None, None, np.diff(grouped.indptr) > 0)


@dataclass(frozen=True)
class EffectState:
    """Effects of all features of one side, and what they add up to.

    Attributes
    ----------
    effects : tuple of ndarray (n_features, k)
        One per group.
    priors : tuple of GaussianPrior
    shift : ndarray (n_rows, k)
        Sum of the effects of each row's features: what is added to its prior mean.
    """

    effects: tuple[FloatArray, ...]
    priors: tuple[GaussianPrior, ...]
    shift: FloatArray


@dataclass(frozen=True)
class PriorMeans:
    r"""Prior means :math:`m + \sum_j a_{ij} w_j` of the rows of one side.

    Attributes
    ----------
    groups : tuple of FeatureGroup
    hyperprior : NormalWishart
        Of the effects of every group.
    engine : Engine
    feature_draws : {"each", "twice", "joint"}
        One effect after the other given the rows; and then again given the entries, rows moving with them; or all at
        once given the rows.

    Notes
    -----
    With the generalised eigenvectors T of the precisions of rows and effects, :math:`T^\top\Lambda_g T = I` and
    :math:`T^\top\Lambda T` diagonal, the coordinates of one effect are independent given the others: a draw needs no
    matrix to be factorised, and costs 4 k multiplications per stored feature.
    """

    groups: tuple[FeatureGroup, ...]
    hyperprior: NormalWishart
    engine: Engine
    feature_draws: str = "each"

    @property
    def is_interwoven(self) -> bool:
        """Whether effects are also drawn given the entries."""
        return self.feature_draws == "twice"

    def start(self, n_rows: int, dtype: np.dtype) -> EffectState:
        """No effects yet."""
        k = len(self.hyperprior.scale)
        prior = GaussianPrior(np.zeros(k), np.diag(START_PRECISION / self.hyperprior.scale))
        effects = tuple(np.zeros((group.n_features, k), dtype) for group in self.groups)
        return EffectState(effects, (prior,) * len(self.groups), np.zeros((n_rows, k), dtype))

    def drawn(
        self, state: EffectState, rows: FloatArray, prior: GaussianPrior, rng: np.random.Generator
    ) -> EffectState:
        """Effects, and then their priors, given the rows' coefficients and the prior of what is left of them."""
        effects, priors, shift = [], [], state.shift
        for group, w, own in zip(self.groups, state.effects, state.priors, strict=True):
            w, shift = self._drawn_group(group, w, own, rows, shift, prior, rng)
            effects.append(w)
            priors.append(self.hyperprior.draw(w[group.seen], rng))
        return EffectState(tuple(effects), tuple(priors), shift)

    def _drawn_group(
        self, group: FeatureGroup, effects: FloatArray, own: GaussianPrior, rows: FloatArray, shift: FloatArray,
        prior: GaussianPrior, rng: np.random.Generator,
    ) -> tuple[FloatArray, FloatArray]:  # fmt: skip
        dtype, k = rows.dtype, rows.shape[1]
        precision, T = eigh(prior.precision, own.precision)
        to, back = (own.precision @ T).astype(dtype), np.ascontiguousarray(T.T).astype(dtype)
        before = (rows - shift - prior.mean.astype(dtype)) @ to
        left, w = before.copy(), effects @ to
        noise = rng.standard_normal(effects.shape).astype(dtype)
        mean = own.mean @ own.precision @ T
        if self.feature_draws == "joint":
            w, change = joint_effects(group, w, before, noise, (precision, mean), rng)
            return w @ back, shift + change @ back
        cuts = np.linspace(0, k, -(-k // COORDINATES) + 1).round().astype(int)
        # every worker fills its coordinates of one array, which only threads can reach
        engine = self.engine if shares_memory(self.engine) else Serial()
        for part, columns in group.pieces():

            def draw(block: tuple[int, int], part: slice = part, columns: FeatureColumns = columns) -> None:
                given = {"precision": precision, "mean": mean, "first": block[0], "last": block[1]}
                effect_draws(columns, left, w[part], noise[part], **given)

            for _ in engine.map(draw, list(pairwise(cuts))):
                pass
        return w @ back, shift + (before - left) @ back

    def interwoven(
        self, state: EffectState, draws: RowDraws, precision: float, row_weights: FloatArray | None,
        rng: np.random.Generator,
    ) -> tuple[EffectState, RowDraws]:  # fmt: skip
        """Effects given the entries, what is left of the rows held fixed; the rows, and their residuals, follow."""
        rows, dtype = draws.coefficients.copy(), draws.coefficients.dtype
        assert draws.gram is not None
        assert draws.right is not None
        assert draws.squares is not None
        held = draws.right - np.matmul(draws.gram, rows[:, :, None])[:, :, 0]
        # y'y - v'h - v'(h - G v) are the squared residuals: what does not change is y'y
        squares = draws.squares + np.einsum("ik,ik->i", rows, draws.right + held, dtype=float)
        effects, priors = [], []
        for group, w, own in zip(self.groups, state.effects, state.priors, strict=True):
            w = w.copy()
            noise = rng.standard_normal(w.shape).astype(dtype)
            for part, columns in group.pieces():
                shift_draws(
                    columns, held, rows, w[part], noise[part], precision=precision, prior=own.precision,
                    pull=own.precision @ own.mean, gram=draws.gram, row_weights=row_weights,
                )  # fmt: skip
            effects.append(w)
            priors.append(self.hyperprior.draw(w[group.seen], rng))
        squares -= np.einsum("ik,ik->i", rows, draws.right + held, dtype=float)
        moved = EffectState(tuple(effects), tuple(priors), state.shift + (rows - draws.coefficients))
        return moved, replace(draws, coefficients=rows, squares=np.maximum(squares, 0.0))


def joint_effects(
    group: FeatureGroup, effects: FloatArray, residuals: FloatArray, noise: FloatArray,
    normal: tuple[FloatArray, FloatArray], rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    r"""Draw all effects of a group at once given the rows; the effects, and by how much the rows' sums of them change.

    In unit coordinates :math:`(l A^\top A + I) w = l A^\top(d + A w_0) + m + \sqrt l A^\top z_1 + z_2` has the
    conditional distribution of the effects for standard normal :math:`z`: a perturbed least-squares problem, solved by
    conjugate gradients in all coordinates together.

    Parameters
    ----------
    group : FeatureGroup
    effects : ndarray (n_features, k)
        The present ones, from which the solution starts.
    residuals : ndarray (n_rows, k)
    noise : ndarray (n_features, k)
        :math:`z_2`.
    normal : (ndarray (k,), ndarray (k,))
        Precision :math:`l` of the rows and mean m of the effects.
    rng : Generator

    Notes
    -----
    4 k multiplications per stored feature and iteration. Source: Papandreou and Yuille (2010); Simm et al. (2017).
    """
    dtype = residuals.dtype
    l, mean = (part.astype(dtype) for part in normal)  # noqa: E741
    pieces = [(part, as_matrix(columns, len(residuals), dtype)) for part, columns in group.pieces()]

    def sums(w: FloatArray) -> FloatArray:
        return sum((A @ w[part] for part, A in pieces), np.zeros_like(residuals))

    def turned(d: FloatArray) -> FloatArray:
        return np.concatenate([A.T @ d for _, A in pieces]) if pieces else np.zeros_like(effects)

    size = np.concatenate([A.multiply(A).sum(axis=0) for _, A in pieces])[:, None]
    kick = np.sqrt(l) * rng.standard_normal(residuals.shape).astype(dtype)
    # what is solved for is the change: its right side is small where the present effects fit
    right = turned(l * residuals + kick) + mean + noise - effects
    change, _ = conjugate_gradient(
        lambda w: l * turned(sums(w)) + w, right, lambda w: w / (l * size.astype(dtype) + 1), JOINT_TOL, JOINT_STEPS
    )
    return effects + change, sums(change)


def as_matrix(columns: FeatureColumns, n_rows: int, dtype: np.dtype) -> Any:
    """Features as a sparse matrix (n_rows, n_features)."""
    from scipy import sparse

    values = np.ones(len(columns.indices), dtype) if columns.values is None else columns.values
    if columns.row_scale is not None:
        values = values * columns.row_scale[columns.indices]
    return sparse.csc_array((values, columns.indices, columns.indptr), shape=(n_rows, len(columns.indptr) - 1))
