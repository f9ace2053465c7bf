"""Kept draws of a Gibbs sampler, and what they say about cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.data.storable import storable
from halfseen.engines import EntryPasses
from halfseen.engines.draws import GaussianPrior, draw_rows
from halfseen.linalg.align import procrustes
from halfseen.linalg.pairs import pair_products
from halfseen.losses.abilities import is_quadratic
from halfseen.methods.completion.gibbs import GibbsState, RowNoise, with_constant
from halfseen.methods.completion.sampler import entries_of_rows
from halfseen.solvers.loop import SweepResult

NEWTON_STEPS = 20  # for a new row; quadratic convergence, damped
ALTERNATIONS = 3  # of a new row's coefficients and its noise
NUMBERS_AT_ONCE = 1 << 20  # gathered coefficients at a time: a few megabytes, of the size of a cache


class DrawnPredictors:
    """What draws of rows, columns and noise say about cells; subclasses have the attributes of `PosteriorDraws`."""

    rows: Any
    cols: FloatArray
    noise: FloatArray
    prior_mean: FloatArray
    prior_precision: FloatArray
    row_weights: FloatArray | None
    row_effects: tuple[FloatArray, ...]
    freedom: FloatArray | None

    def __len__(self) -> int:
        return len(self.noise)

    def noise_variances(self, i: IntArray) -> FloatArray:
        """Posterior mean variance of the noise of an entry of each given row."""
        if self.row_weights is None:
            return np.full(len(i), np.mean(1.0 / self.noise))
        return np.asarray((1.0 / (self.noise * self.row_weights)).mean(axis=1)[i])

    def at(self, i: IntArray, j: IntArray) -> Iterator[tuple[Any, FloatArray]]:
        """Predictors without the mean of cells ``(i[t], j[t])``, (cells, S), a part of the cells at a time."""
        at_once = max(1, NUMBERS_AT_ONCE // max(self.cols[0].size, 1))
        for begin in range(0, len(i), at_once):
            part = slice(begin, begin + at_once)
            x, y = self.rows[i[part]], self.cols[j[part]]
            yield part, np.einsum("esk,esk->es", x[:, :, :-1], y[:, :, :-1]) + x[:, :, -1] + y[:, :, -1]

    def moments(self, i: IntArray, j: IntArray) -> tuple[FloatArray, FloatArray]:
        """Mean and variance over the draws of the predictors of cells."""
        mean, variance = np.empty(len(i), self.rows.dtype), np.empty(len(i), self.rows.dtype)
        for part, drawn in self.at(i, j):
            mean[part] = drawn.mean(axis=1)
            variance[part] = drawn.var(axis=1, ddof=1)
        return mean, variance

    def predictors(self, s: int, rows: FloatArray, i: IntArray, j: IntArray) -> FloatArray:
        """Predictors without the mean of cells in draw ``s``, the rows (m, k + 1) being given."""
        cols = self.cols[:, s]
        return pair_products(rows[:, :-1], cols[:, :-1], i, j) + rows[i, -1] + cols[j, -1]

    def averaged(self, i: IntArray, j: IntArray, image: Callable[[FloatArray], FloatArray]) -> FloatArray:
        """Mean over the draws of a function of the predictors of cells, in double precision."""
        mean = np.empty(len(i))
        for part, drawn in self.at(i, j):
            mean[part] = image(drawn).mean(axis=1)
        return mean

    def averaged_block(self, rows: FloatArray, j: IntArray, image: Callable[[FloatArray], FloatArray]) -> FloatArray:
        """The same for given rows (m, S, k + 1) in the columns ``j``, one draw at a time."""
        table = np.zeros((len(rows), len(j)))
        for s in range(len(self)):
            cols = self.cols[j, s]
            table += image(rows[:, s] @ with_constant(cols).T + cols[:, -1])
        return table / len(self)

    def block(self, rows: FloatArray, j: IntArray) -> FloatArray:
        """Mean predictors of given rows (m, S, k + 1) in the columns ``j``: one product of all draws side by side."""
        cols = self.cols[j]
        features = cols.copy()
        features[:, :, -1] = 1.0
        table = rows.reshape(len(rows), -1) @ features.reshape(len(j), -1).T
        table /= rows.dtype.type(len(self))
        table += cols[:, :, -1].mean(axis=1)
        return table

    def place(
        self, passes: EntryPasses, mean: float, features: Sequence[Any] = (), rng: np.random.Generator | None = None
    ) -> RowPosteriors:
        """Conditional means (m, S, k + 1) of new rows, draw by draw; modes, where the loss is not the squared one.

        Parameters
        ----------
        passes : EntryPasses
            Over the new rows' entries.
        mean : float
        features : sequence of matrices (m, n_features)
            Of the new rows, one per group of `row_effects`.
        rng : Generator, optional
            Under squared loss: draws from the conditional distributions, not their means.
        """
        m, k = passes.shape[0], self.rows.shape[2]
        placed = np.empty((m, len(self), k), self.rows.dtype)
        weights = None if self.row_weights is None else np.ones((m, len(self)), self.row_weights.dtype)
        row_noise = RowNoise(entries_of_rows(passes.observed))
        for s in range(len(self)):
            cols = np.ascontiguousarray(self.cols[:, s])
            prior = self._prior(s, features)
            offset = cols[:, -1] + cols.dtype.type(mean)
            if not is_quadratic(passes.loss):
                placed[:, s] = conditional_modes(passes, with_constant(cols), offset, prior)
                continue
            own = RowDraw(passes, with_constant(cols), offset, float(self.noise[s]), prior)
            if weights is None or self.freedom is None:
                placed[:, s] = own.draw(None, rng)[0]
            else:
                placed[:, s], weights[:, s] = own.alternated(row_noise, float(self.freedom[s]), rng)
        return RowPosteriors(placed, weights)

    def _prior(self, s: int, features: Sequence[Any]) -> GaussianPrior:
        """Prior of new rows in draw ``s``: with features, a mean for each."""
        mean = self.prior_mean[s]
        for matrix, effects in zip(features, self.row_effects, strict=True):
            mean = mean + np.asarray(matrix @ effects[:, s].astype(float))
        return GaussianPrior(mean, self.prior_precision[s])


@storable
@dataclass(frozen=True)
class PosteriorDraws(DrawnPredictors):
    """Draws from the posterior distribution, all in the frame of the first.

    Attributes
    ----------
    rows, cols : ndarray (n, S, k + 1), (p, S, k + 1)
        Factors and, last, the bias of each of S draws.
    noise : ndarray (S,)
        Precision of an entry's noise.
    prior_mean, prior_precision : ndarray (S, k + 1), (S, k + 1, k + 1)
        Of the rows; of rows with features of what these leave.
    row_weights : ndarray (n, S) or None
        Noise precision of each row, as a multiple of the common one.
    row_effects : tuple of ndarray (n_features, S, k + 1)
        What each feature of a row adds to its prior mean, group by group.
    freedom : ndarray (S,) or None
        How many entries the prior of a row's noise counts as.
    """

    rows: FloatArray
    cols: FloatArray
    noise: FloatArray
    prior_mean: FloatArray
    prior_precision: FloatArray
    row_weights: FloatArray | None = None
    row_effects: tuple[FloatArray, ...] = ()
    freedom: FloatArray | None = None

    @property
    def nbytes(self) -> int:
        """Bytes that the draws take."""
        return int(self.rows.nbytes + self.cols.nbytes + sum(effects.nbytes for effects in self.row_effects))

    def with_rows(self, placed: RowPosteriors) -> PosteriorDraws:
        """The same draws with other rows in the place of these."""
        return replace(self, rows=placed.coefficients, row_weights=placed.weights)


@dataclass(frozen=True)
class RowPosteriors:
    """New rows under every draw.

    Attributes
    ----------
    coefficients : ndarray (m, S, k + 1)
    weights : ndarray (m, S) or None
        Noise precision of each, as a multiple of the common one.
    """

    coefficients: FloatArray
    weights: FloatArray | None


@dataclass(frozen=True)
class RowDraw:
    """New rows given everything else of one draw.

    Attributes
    ----------
    passes : EntryPasses
    features, offset : ndarray (p, k + 1), (p,)
        Of the columns.
    precision : float
    prior : GaussianPrior
    """

    passes: EntryPasses
    features: FloatArray
    offset: FloatArray
    precision: float
    prior: GaussianPrior

    def draw(self, weights: FloatArray | None, rng: np.random.Generator | None) -> tuple[FloatArray, FloatArray]:
        """Coefficients, and squared residuals there; without a generator the means."""
        shape, dtype = (self.passes.shape[0], self.features.shape[1]), self.features.dtype
        noise = np.zeros(shape, dtype) if rng is None else rng.standard_normal(shape).astype(dtype)
        done = draw_rows(
            self.passes, 0, self.features, noise, precision=self.precision, prior=self.prior, minor_offset=self.offset,
            row_weights=weights, want="s",
        )  # fmt: skip
        assert done.squares is not None
        return done.coefficients, np.maximum(done.squares, 0.0)

    def alternated(
        self, row_noise: RowNoise, freedom: float, rng: np.random.Generator | None
    ) -> tuple[FloatArray, FloatArray]:
        """Coefficients and noise weights, each given the other, a few times: both start at what most rows have."""
        weights: FloatArray = np.ones(self.passes.shape[0])
        for _ in range(ALTERNATIONS):
            coefficients, squares = self.draw(weights, rng)
            if rng is None:
                weights = row_noise.expected(squares, self.precision, freedom)
            else:
                weights = row_noise.draw(squares, self.precision, freedom, rng)
        return coefficients, weights


def conditional_modes(
    passes: EntryPasses, features: FloatArray, offset: FloatArray, prior: GaussianPrior
) -> FloatArray:
    r"""Most probable rows given their answers, the columns and a prior :math:`N(m, \Lambda^{-1})`.

    With :math:`\Lambda = L L^\top` and :math:`x = m + L^{-\top} u` the prior is a ridge on :math:`u`.
    """
    L = np.linalg.cholesky(prior.precision)
    whitened = np.linalg.solve(L, features.T.astype(float)).T
    known = offset + features @ prior.mean
    start, ridge = np.zeros((passes.shape[0], features.shape[1])), np.ones(features.shape[1])
    u, _ = passes.newton(0, start, whitened, minor_offset=known, ridge=ridge, steps=NEWTON_STEPS, method="cholesky")
    return prior.mean + np.linalg.solve(L.T, u.T.astype(float)).T


class Collector:
    """Watcher that keeps every ``thin``-th state after ``burn_in`` sweeps, turned to match the first one kept.

    Draws are the same model up to a rotation; in one frame their factors have a mean. Of several chains, one after the
    other, all are turned to the first state of the first.
    """

    def __init__(self, burn_in: int, max_iter: int, thin: int, n_chains: int = 1) -> None:
        self.burn_in, self.thin, self.n_kept = burn_in, thin, n_chains * -(-max_iter // thin)
        self._states: list[Any] = []
        self._rows: FloatArray = np.empty(0)
        self._cols: FloatArray = np.empty(0)
        self._weights: FloatArray | None = None
        self._effects: tuple[FloatArray, ...] = ()

    def __call__(self, iteration: int, result: SweepResult, seconds: float) -> None:
        since = iteration - self.burn_in - 1
        if since < 0 or since % self.thin or not np.isfinite(result.value):
            return
        state: GibbsState = result.params
        if not self._states:
            self._make_room(state)
        s, turn = len(self._states), self._turn(state)
        self._rows[:, s], self._cols[:, s] = state.rows @ turn, state.cols @ turn
        if self._weights is not None:
            self._weights[:, s] = state.row_weights
        if state.effects[0] is not None:
            for kept, effects in zip(self._effects, state.effects[0].effects, strict=True):
                kept[:, s] = effects @ turn
        prior, exact = state.row_prior, turn.astype(float)
        assert prior is not None
        precision = exact.T @ prior.precision @ exact
        self._states.append((state.precision, prior.mean @ exact, precision, state.freedom))

    def _make_room(self, state: GibbsState) -> None:
        self._rows, self._cols = (
            np.empty((len(side), self.n_kept, side.shape[1]), side.dtype) for side in (state.rows, state.cols)
        )
        if state.row_weights is not None:
            self._weights = np.empty((len(state.rows), self.n_kept), np.float32)
        if state.effects[0] is not None:
            # what only new rows ask for is kept in single precision
            self._effects = tuple(
                np.empty((len(effects), self.n_kept, effects.shape[1]), np.float32)
                for effects in state.effects[0].effects
            )

    def draws(self) -> PosteriorDraws:
        """What was kept; of a chain that ended early, what there was."""
        kept = len(self._states)
        noise, means, precisions, freedom = (np.array(part) for part in zip(*self._states, strict=True))
        weights = None if self._weights is None else self._weights[:, :kept]
        effects = tuple(effects[:, :kept] for effects in self._effects)
        sides = self._rows[:, :kept], self._cols[:, :kept]
        return PosteriorDraws(*sides, noise, means, precisions, weights, effects, None if weights is None else freedom)

    def __len__(self) -> int:
        return len(self._states)

    def _turn(self, state: GibbsState) -> FloatArray:
        """Rotation of the factors (the bias stays) that brings a state closest to the first one kept."""
        k = state.rows.shape[1] - 1
        turn = np.eye(k + 1, dtype=state.rows.dtype)
        if self._states and k:
            here = np.concatenate([state.rows[:, :k], state.cols[:, :k]])
            first = np.concatenate([self._rows[:, 0, :k], self._cols[:, 0, :k]])
            turn[:k, :k] = procrustes(here, first)
        return turn
