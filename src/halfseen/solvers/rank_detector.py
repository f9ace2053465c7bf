"""The rank of a half-seen table, read off gradient descent from a small start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, RandomState, as_generator
from halfseen.data import Observed
from halfseen.engines import Engine, EntryPasses
from halfseen.linalg import truncated_svd
from halfseen.linalg.growth import start_size
from halfseen.linalg.noise import noise_edge
from halfseen.losses import Loss, get_loss, is_quadratic
from halfseen.solvers.component_stops import HeldOutComponents, LargestRest
from halfseen.solvers.factored import EntryObjective, FactorDescent, Factors, product_svd, small_start
from halfseen.solvers.loop import loop

# Components below this share of the largest are one heap: their ratios to each other say nothing.
FLOOR = 0.05
# Held-out entries known up to this share of their size: every component above the floor is grown then.
REST = 0.2 * FLOOR
START = 1e-3
# Held-out entries are looked at every few sweeps, and no look finding them better for so many sweeps is enough to ask
# whether a further component is due.
EVERY, PATIENCE = 5, 20
# A rest whose operator norm is at most this multiple of noise alone holds no further component that can be told.
NOISE = 1.05


@dataclass(frozen=True)
class RankDetection:
    """What :func:`detect_rank` saw.

    Attributes
    ----------
    rank : int
        Where the singular values of the iterate fall most, at least 1.
    singular_values : ndarray (k,)
        Of the iterate that predicted held-out entries best.
    ratios : ndarray (k - 1,)
        Each singular value over the next (over 5 % of the largest, where the next is less).
    n_iter : int
        Iterations up to that iterate.
    error : float
        Its root mean square error on the held-out entries (mean loss, where the loss is not the squared one).
    """

    rank: int
    singular_values: FloatArray
    ratios: FloatArray
    n_iter: int
    error: float


def detect_rank(
    observed: Observed,
    rank: int = 10,
    max_iter: int = 600,
    fraction: float = 0.1,
    loss: Loss | None = None,
    random_state: RandomState = None,
    engine: str | Engine | None = None,
) -> RankDetection:
    r"""Find the rank of a half-seen table by gradient descent with more columns than needed.

    From a small start the components of a table are learned one after the other, signal before noise. Stopped where
    held-out entries are predicted best, the iterate has large singular values for the signal and small ones for what
    had not grown yet: the rank is where the ratio of neighbours is largest.

    Parameters
    ----------
    observed : Observed
        Take means and biases out first: they would count as components.
    rank : int
        Columns k of the factors, more than the rank to be found.
    max_iter : int
        Largest number of iterations.
    fraction : float
        Share of the entries held out.
    loss : Loss, optional
        Squared loss by default.
    random_state : int, Generator or None
        Draws the held-out entries and the start.
    engine : str, Engine or None

    Returns
    -------
    RankDetection

    Notes
    -----
    At most ``max_iter`` gradient passes with k columns. Source: the sequential learning of Jiang, Chen and Ding
    (2022), Theorem 4.1, on observed entries only.

    Examples
    --------
    >>> from halfseen.data import as_observed
    >>> rng = np.random.default_rng(0)
    >>> table = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 40)) + 0.3 * rng.normal(size=(60, 40))
    >>> table[rng.random(table.shape) < 0.6] = np.nan
    >>> detect_rank(as_observed(table), random_state=0).rank
    3
    """
    rng, loss = as_generator(random_state), get_loss("gaussian") if loss is None else loss
    train, test = observed.split(fraction, rng, keep_covered=True)
    objective = EntryObjective(EntryPasses(train, loss, engine))
    top = float(truncated_svd(objective.at_zero(), 1, rng)[1][0])
    k = min(rank, *observed.shape)
    if not top > 0:
        return RankDetection(1, np.zeros(k), np.ones(max(k - 1, 0)), 0, HeldOutError(test, loss)(None))
    start = small_start(observed.shape, k, START, top, rng, observed.dtype)
    descent = FactorDescent(objective, 0.5 / top, is_guarded=not is_quadratic(loss))
    size, rest = start_size(START, top, observed.shape, k), LargestRest(objective, rng)
    score = HeldOutError(test, loss, engine)
    enough, edge = -np.inf, 0.0
    if is_quadratic(loss):
        enough, edge = REST * score(None), NOISE * noise_edge(*observed.shape, objective.scale**0.5)

    def signal(factors: Factors) -> float:
        """Size of what is left, nothing where it looks like noise of the size of the held-out error."""
        left = rest(factors)
        return left if left > edge * stop.scores[-1] else 0.0

    stop = HeldOutComponents(score, signal, size, lambda: descent.step, PATIENCE, max_iter, EVERY, enough)
    loop(descent, start, [stop], max_iter=max_iter)
    best = start if stop.best_params is None else stop.best_params
    s = product_svd(best)[1].astype(float)
    ratios = s[:-1] / np.maximum(s[1:], max(FLOOR * s[0], 1e-300))
    detected = int(np.argmax(ratios)) + 1 if len(ratios) else 1
    return RankDetection(detected, s, ratios, stop.best_time, stop.best_score)


class HeldOutError:
    """Root mean square error (mean loss, where the loss is not the squared one) of factors on held-out entries."""

    def __init__(
        self,
        test: Observed,
        loss: Loss,
        engine: str | Engine | None = None,
        offset: FloatArray | None = None,
    ) -> None:
        self.passes, self.is_squared = EntryPasses(test, loss, engine, offset), is_quadratic(loss)

    def __call__(self, factors: Factors | None) -> float:
        observed, loss = self.passes.observed, self.passes.loss
        m: Any = np.zeros(observed.n_entries) if self.passes.offset is None else self.passes.offset
        if factors is not None:
            m = self.passes.at(*factors)
        if self.is_squared:
            return float(np.sqrt(np.average(np.square(observed.values - m, dtype=float), weights=observed.weights)))
        return float(np.average(loss.value(observed.values, m), weights=observed.weights))
