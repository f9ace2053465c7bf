"""Firth's correction of the joint score, by block leverages."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.engines import EntryPasses
from halfseen.losses import at_columns
from halfseen.losses.derived import information, skew
from halfseen.methods.factor.factors import FactorPoint
from halfseen.methods.factor.problem import FactorPenalty, FactorProblem, safe_inverse
from halfseen.solvers import AndersonMixing, NewtonCG, SweepResult, largest

Array = NDArray[Any]

# Entries whose corrections are worked out at once.
PIECE = 1 << 15
# Smallest share of the new leverages that a damped sweep takes over.
MIN_SHARE = 0.1
# Updates before the damping may begin: the first ones move away from the ridge of the one-step refinement.
SETTLING = 3
# A score that turns round and keeps more than this share of its size swings about the fixed point.
SLOW = 0.7
# A score that grows and points where it pointed is on its way out of a flat place (a column that is nearly separated);
# to damp it would only make that way longer. A circling one turns by more than this cosine.
STRAIGHT = 0.98
# A score below this share of the one before is on its way to the fixed point, and steps may be extrapolated; one that
# keeps its size or grows is still on its way out of a flat place, where extrapolation would turn it back.
SHRINKS = 0.95
# An extrapolated point whose score grows by more than this is given up for the plain step.
WORSE = 1.5


def leverages(problem: FactorProblem, at: FactorPoint) -> Array:
    r"""Variance :math:`v_{ij} = y_j^\top V_i y_j + \tilde x_i^\top \tilde V_j \tilde x_i` of each entry's predictor.

    ``V_i`` and ``V~_j`` are the inverses of the expected information; canonical order of the entries.
    """
    passes = problem.passes
    features = problem.column_view(at)[1]
    leverage = passes.quadratic(1, safe_inverse(problem.col_blocks(at, is_expected=True)), features)
    if problem.rank:
        leverage = leverage + passes.quadratic(0, safe_inverse(problem.row_blocks(at, is_expected=True)), at.cols)
    return leverage


def tilts(passes: EntryPasses, predictor: Array, variance: Array) -> Array:
    r"""What the bias-reduced score adds to every entry's, :math:`\tfrac12 b(m_{ij})\,v_{ij}`, ``v <= 1/(w I)``.

    :math:`b = E[s^3] + E[s\,s']` for the score ``s`` of one response; of a canonical family :math:`\psi''`, so that
    the responses become :math:`R_{ij} + \tfrac12\psi''(m_{ij})\,v_{ij}`.
    """
    weights, cols = passes.observed.weights, passes.observed.cols
    out = np.empty(len(predictor), dtype=np.result_type(predictor, variance))
    for begin in range(0, len(out), PIECE):  # pieces that stay in the cache
        part = slice(begin, begin + PIECE)
        loss, m = at_columns(passes.loss, cols[part]), predictor[part]
        total = information(loss, m) * (1.0 if weights is None else weights[part])
        bounded = np.minimum(variance[part], 1.0 / np.maximum(total, 1e-12))
        out[part] = 0.5 * skew(loss, m) * bounded
    return out


def cosine(one: Array, other: Array) -> float:
    """Of the angle between two vectors; 1 where one of them is of another length or zero."""
    if len(one) != len(other):
        return 1.0
    size = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return float(one @ other) / size if size > 0 else 1.0


class FirthSweep:
    r"""One Newton step on the likelihood of the adjusted responses, which are then brought up to date.

    At the fixed point the score with :math:`R_{ij} + \frac12 \psi''(m_{ij}) v_{ij}` in place of
    :math:`R_{ij}` vanishes, which removes the bias of order :math:`1/n + 1/p`.

    Parameters
    ----------
    passes : EntryPasses
    rank : int
    penalty : FactorPenalty, optional
        A ridge beside the correction; the leverages are then those of the penalised fit.

    Notes
    -----
    Contraction about the size of the leverages, so 5 to 10 sweeps where the information is good. Rows and columns that
    are nearly separated contract slowly, and their score may grow on the way: steps are mixed (Anderson) while the
    score shrinks and damped only where it turns. Source: Firth
    (1993), Biometrika 80; for the joint score the error-times-variable term cancels against the second-order
    term and leaves exactly :math:`-\frac12\psi'' v` per entry.
    """

    def __init__(self, passes: EntryPasses, rank: int, penalty: FactorPenalty | None = None) -> None:
        self.passes, self.rank, self.penalty = passes, rank, penalty or FactorPenalty()
        self._plain = FactorProblem(passes, rank, self.penalty)
        self._theta: Array | None = None
        self._share, self.norm, self.value, self._updates = 1.0, np.inf, np.inf, 0
        self._tilts = self.variance = np.empty(0)
        self._gradient = np.empty(0)
        self._mixing, self._before = AndersonMixing(), np.inf

    def _corrected(self) -> FactorProblem:
        """Made from the tilts when it is needed: of a sweep that goes on from a checkpoint, entries are not kept."""
        return FactorProblem(self.passes.tilted(self._tilts), self.rank, self.penalty)

    def move_to(self, passes: EntryPasses, theta: Array) -> None:
        """Go on with other parameters of the loss, at ``theta``."""
        self.passes, self._plain = passes, FactorProblem(passes, self.rank, self.penalty)
        self.update(theta)

    def newton(self, theta: Array) -> SweepResult:
        """One Newton step with the correction held where it is."""
        # a fit that goes on from a checkpoint brings the same numbers in another array
        if self._theta is None or not np.array_equal(theta, self._theta):
            self.update(theta)
        newton = NewtonCG(self._corrected())
        newton.remember(theta, self.value, self._gradient)
        return newton(theta)

    def update(self, theta: Array, is_extrapolated: bool = False) -> None:
        """The correction at ``theta``, and the corrected score there; damped where plain steps swing."""
        at = self._plain.unpack(theta)
        predictor = self.passes.at(at.rows, at.cols, col_offset=at.intercept)
        self.variance = leverages(self._plain, at)
        old, self._tilts = self._tilts, tilts(self.passes, predictor, self.variance)
        value, gradient = self._corrected().value_and_gradient(theta)
        norm = largest(gradient)
        self._updates += 1
        if self._updates > SETTLING and not is_extrapolated:
            # the bound on the leverages has a kink; full updates may jump back and forth across it, or circle
            turn = cosine(gradient, self._gradient)
            is_slow = turn < STRAIGHT and norm > (SLOW if turn < 0 else 1.0) * self.norm
            self._share = max(0.5 * self._share, MIN_SHARE) if is_slow else min(1.15 * self._share, 1.0)
        if self._share < 1.0 and len(old) == len(self._tilts):
            self._tilts = old + self._share * (self._tilts - old)
            value, gradient = self._corrected().value_and_gradient(theta)
        self._theta, self.norm, self.value, self._gradient = theta, norm, value, gradient

    def __call__(self, theta: Array) -> SweepResult:
        result = self.newton(theta)
        new, updates = self._mixed(theta, result.params), self._updates
        norm = self.norm
        self.update(new, new is not result.params)
        if new is not result.params and not self.norm <= WORSE * norm:
            self._mixing.forget()
            new = result.params
            self.update(new)
        # leverages cost two block passes and two quadratic forms, about three gradient passes, and one for the score
        work = result.work + 4.0 * (self._updates - updates)
        stuck = result.params is theta and self._share <= MIN_SHARE
        return SweepResult(new, self.value, self.norm, work, result.reason if stuck else None)

    def _mixed(self, theta: Array, image: Array) -> Array:
        """Where to go from the step that Newton's method proposes."""
        if image is theta or self._updates <= SETTLING or self._share < 1.0:
            self._mixing.forget()
            return image
        if not self.norm <= SHRINKS * self._before:
            self._mixing.forget()
        self._before = self.norm
        return self._mixing(theta, image)
