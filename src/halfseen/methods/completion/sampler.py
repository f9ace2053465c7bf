"""The Gibbs sampler of a table: what is drawn, from where it starts, and the loop over its sweeps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from halfseen._typing import IntArray
from halfseen.data import Observed
from halfseen.data.spread import weighted_spread
from halfseen.engines import Engine, EntryPasses
from halfseen.losses import Loss, get_loss
from halfseen.methods.completion.effects import FeatureGroup, PriorMeans, given_group, implicit_group
from halfseen.methods.completion.gibbs import GibbsState, GibbsSweep, RowNoise
from halfseen.methods.completion.hyperprior import NormalWishart
from halfseen.methods.completion.logit_gibbs import LogitSweep, linearised
from halfseen.solvers.alternating import AlternatingRidge, Penalty, powers, weighted_counts
from halfseen.solvers.loop import Sweep, loop

CONSTANT = 1e-6  # what is taken for the spread of a constant table, as a share of its size
START_SCALE, START_PENALTY = 0.1, 0.05  # of the ALS-WR iterations before the chain, in the unit of the values
# Which sides have implicit features.
IMPLICIT = {"both": (True, True), "rows": (True, False), "cols": (False, True), "none": (False, False)}

Features = tuple[Any, Any]


@dataclass(frozen=True)
class Choices:
    """What is drawn.

    Attributes
    ----------
    rank : int
    implicit : {"both", "rows", "cols", "none"}
    has_row_noise : bool
    feature_draws : {"each", "twice", "joint"}
    start_iter : int
    """

    rank: int
    implicit: str
    has_row_noise: bool
    feature_draws: str
    start_iter: int


@dataclass(frozen=True)
class Sampler:
    """Everything of a table that its chains share.

    Attributes
    ----------
    observed : Observed
    loss : Loss
        The squared or the logistic one.
    mean : float
    engine : str, Engine or None
    features : (matrix or None, matrix or None)
        Of rows and columns.
    """

    observed: Observed
    loss: Loss
    mean: float
    engine: str | Engine | None
    features: Features = (None, None)

    @property
    def is_gaussian(self) -> bool:
        return self.loss.kernel == "gaussian"

    @property
    def spread(self) -> float:
        """Standard deviation of the values; of log odds the unit is 1."""
        if not self.is_gaussian:
            return 1.0
        spread = weighted_spread(self.observed, self.mean)
        # values that do not differ say that nothing does
        return spread * CONSTANT if np.ptp(self.observed.values) == 0 else spread

    def passes(self) -> EntryPasses:
        """Over the entries."""
        return EntryPasses(self.observed, get_loss("gaussian"), self.engine)

    def chain(
        self, choices: Choices, start_rng: np.random.Generator, rng: np.random.Generator
    ) -> tuple[Sweep, GibbsState]:
        """The sweep of a chain and its first state."""
        passes, spread = self.passes(), self.spread
        sweep = self._sweep(passes, spread, choices, rng)
        start = self._start(passes, spread, choices, start_rng)
        sides = zip(sweep.prior_means, (start.rows, start.cols), strict=True)
        effects: Any = tuple(None if means is None else means.start(len(side), side.dtype) for means, side in sides)
        start = replace(start, effects=effects)
        return (sweep if self.is_gaussian else LogitSweep(sweep, self.loss)), start

    def _start(self, passes: EntryPasses, spread: float, choices: Choices, rng: np.random.Generator) -> GibbsState:
        """A few iterations of least squares with a penalty per entry, from small random rows."""
        passes = passes if self.is_gaussian else linearised(passes)
        observed, k = passes.observed, choices.rank
        (n, p), dtype = observed.shape, observed.dtype
        rows, cols = np.zeros((n, k + 1), dtype), np.zeros((p, k + 1), dtype)
        rows[:, :k] = START_SCALE * spread**0.5 * rng.standard_normal((n, k))
        ridge = np.append(np.full(k, START_PENALTY * spread), START_PENALTY)
        by_row, by_col = (Penalty(ridge, powers(weighted_counts(observed, axis), 1.0)) for axis in (0, 1))
        sweep = AlternatingRidge(passes, self.mean, by_row, by_col, "cholesky")
        rows, cols = loop(sweep, (rows, cols), max_iter=choices.start_iter).params
        return GibbsState(rows, cols, 1.0 / spread**2)

    def _sweep(self, passes: EntryPasses, spread: float, choices: Choices, rng: np.random.Generator) -> GibbsSweep:
        observed, k = passes.observed, choices.rank
        counts = tuple(weighted_counts(observed, axis) for axis in (0, 1))
        weights = observed.weights
        n_entries = observed.n_entries if weights is None else int(np.count_nonzero(weights))
        # factors have the unit of the root of the values, biases that of the values
        hyperprior = NormalWishart(np.append(np.full(k, spread), spread**2), 1.0, float(k + 1))
        seen = counts[0] > 0, counts[1] > 0
        means: Any = tuple(
            PriorMeans(groups, hyperprior, passes.engine, choices.feature_draws) if groups else None
            for groups in self.groups(passes, choices.implicit)
        )
        row_noise = RowNoise(entries_of_rows(observed)) if choices.has_row_noise else None
        return GibbsSweep(passes, self.mean, hyperprior, 1.0, 0.01 * spread**2, seen, n_entries, rng, means, row_noise)

    def groups(self, passes: EntryPasses, implicit: str) -> tuple[tuple[FeatureGroup, ...], tuple[FeatureGroup, ...]]:
        """Groups of features of rows and of columns, implicit ones first."""
        sides = []
        for axis, (is_implicit, matrix) in enumerate(zip(IMPLICIT[implicit], self.features, strict=True)):
            own = (implicit_group(passes, axis),) if is_implicit else ()
            sides.append(own if matrix is None else (*own, given_group(matrix, self.observed.dtype)))
        return sides[0], sides[1]


def entries_of_rows(observed: Observed) -> IntArray:
    """How many entries that count each row has."""
    view = observed.by_rows
    if view.weights is None:
        return view.counts
    counted = np.concatenate([[0], np.cumsum(view.weights > 0)])
    return np.diff(counted[view.indptr])
