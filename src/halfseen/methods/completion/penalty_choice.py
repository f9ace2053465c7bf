"""The penalty of alternating least squares, chosen on held-out entries along a path of falling penalties."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from halfseen._typing import FloatArray
from halfseen.data import Observed
from halfseen.data.storable import storable
from halfseen.linalg.pairs import pair_products
from halfseen.solvers.alternating import AlternatingRidge, Coefficients, weighted_counts
from halfseen.solvers.loop import SweepResult, loop

# In units of the values' standard deviation. Ratings end near 1; tables without noise need a thousandth.
PATH = (2.0, 1.4, 1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08, 0.05, 0.03, 0.015, 0.007, 0.003, 0.0015)
FIRST_ITERATIONS, FURTHER_ITERATIONS = 8, 5
# Half the standard deviation: from there up random starts end as the path does.
START_PLACE = PATH.index(0.5)
SHARE = 0.1
# So many penalties in a row that are worse than the best end the path.
PATIENCE = 2
# In standard errors of paired differences: losses this close are equal, and gains over effects this large are real.
# With one in place of .3 small tables end at 1.3 times the best penalty's error (60 x 20, rank 2), with 0 or .3 at 1.1.
NEAR, SURE = 0.3, 1.5
# Larger tables are judged by a part of their rows and columns that has about so many entries.
ENTRIES = 60_000
# The best penalty falls with the share s of each side that is kept, as s^-.2: .9 standard deviations on MovieLens-1M,
# 1.15 on MovieLens-100k and on parts of the former that are as large.
SHARE_EXPONENT = 0.2
# Smaller tables are judged by so many divisions: a tenth of 700 entries says little.
SMALL, DIVISIONS = 5000, 3
# The exponent at which PATH was measured.
USUAL_ALPHA = 0.5


@storable
@dataclass(frozen=True)
class LeastSquaresPenalty:
    """How ``penalty="auto"`` was settled.

    Attributes
    ----------
    penalty : float
        The largest penalty whose held-out loss is within .3 standard errors (of the paired difference) of the least;
        the first of the path where the least is not below that of row and column effects by two standard errors.
    penalties, losses, standard_errors : ndarray
        Tried, from the largest down; mean squared errors on held-out entries; and the standard errors of their
        differences to the least.
    bias_loss : float
        Mean squared error of row and column effects alone on the same entries.
    has_structure : bool
        Whether factors predict held-out entries better than effects alone, by more than chance.
    n_entries : int
        Of the part of the table that was judged.
    n_iter : int
        Iterations over that part, in all.
    """

    penalty: float
    penalties: FloatArray
    losses: FloatArray
    standard_errors: FloatArray
    bias_loss: float
    has_structure: bool
    n_entries: int
    n_iter: int

    @property
    def first(self) -> float:
        """The penalty from which a fit may begin at random: below it, it comes down the path."""
        return float(self.penalties[min(START_PLACE, len(self.penalties) - 1)])


@dataclass(frozen=True)
class Tried:
    """Penalties tried so far with the squared errors of held-out entries, and where the next fit begins."""

    errors: tuple[FloatArray, ...]
    point: Coefficients

    @property
    def best(self) -> int:
        return int(np.argmin([part.mean() for part in self.errors]))


@dataclass(frozen=True)
class PathStep:
    """Sweep: the next penalty of the path from the coefficients of the last one, judged on held-out entries."""

    sweep_at: Callable[[float], AlternatingRidge]
    penalties: FloatArray
    test: Observed
    mean: float

    def __call__(self, tried: Tried) -> SweepResult:
        place = len(tried.errors)
        rounds = FURTHER_ITERATIONS if place else FIRST_ITERATIONS
        run = loop(self.sweep_at(float(self.penalties[place])), tried.point, max_iter=rounds)
        now = Tried((*tried.errors, squared_errors(self.test, self.mean, run.params)), run.params)
        is_over = place - now.best >= PATIENCE or place + 1 == len(self.penalties)
        return SweepResult(now, float(now.errors[-1].mean()), work=rounds, reason="exact" if is_over else None)


def squared_errors(test: Observed, mean: float, point: Coefficients) -> FloatArray:
    """Squared errors of held-out entries, times their weights over the mean weight."""
    rows, cols = point
    fitted = mean + rows[test.rows, -1] + cols[test.cols, -1]
    fitted = fitted + pair_products(rows[:, :-1], cols[:, :-1], test.rows, test.cols)
    errors = np.square(test.values.astype(float) - fitted)
    return errors if test.weights is None else errors * (test.weights / test.weights.mean())


def path_of(observed: Observed, spread: float, alpha: float) -> FloatArray:
    r"""Penalties from the largest down, for the exponent of the counts.

    .. math:: \lambda\, \bar n^{\alpha} = \lambda_{1/2}\, \bar n^{1/2}

    with :math:`\bar n` the geometric mean of the counts of rows and columns that have entries.
    """
    counts = np.concatenate([weighted_counts(observed, axis) for axis in (0, 1)])
    usual = float(np.exp(np.mean(np.log(counts[counts > 0]))))
    return np.asarray(spread * np.array(PATH) * usual ** (USUAL_ALPHA - alpha))


def vertex(penalties: FloatArray, losses: FloatArray, best: int) -> float:
    """Where the parabola through the best loss and its neighbours is least, over the logarithm of the penalty."""
    if not 0 < best < len(losses) - 1:
        return float(penalties[best])
    x = np.log(penalties[best - 1 : best + 2])
    second, first, _ = np.polyfit(x - x[1], losses[best - 1 : best + 2], 2)
    return float(np.exp(np.clip(x[1] - first / (2.0 * second), x[2], x[0]))) if second > 0 else float(penalties[best])


def part_of(observed: Observed, rng: np.random.Generator) -> tuple[Observed, float]:
    """The table, or of a large one the entries in a random part of its rows and of its columns; and the share kept.

    Cutting both sides alike keeps the share of cells that were seen.
    """
    if observed.n_entries <= 2 * ENTRIES:
        return observed, 1.0
    share = float(np.sqrt(ENTRIES / observed.n_entries))
    in_rows, in_cols = rng.random(observed.shape[0]) < share, rng.random(observed.shape[1]) < share
    kept = in_rows[observed.rows] & in_cols[observed.cols]
    return (observed.select(kept), share) if np.count_nonzero(kept) >= 0.1 * ENTRIES else (observed, 1.0)


def choose_penalty(
    table: Observed,
    make_sweep: Callable[[Observed, float], Callable[[float], AlternatingRidge]],
    start: Callable[[Observed], Coefficients],
    penalties: FloatArray,
    mean: float,
    rng: np.random.Generator,
) -> LeastSquaresPenalty | None:
    """Go down the path with warm starts until the held-out error has risen twice, and take the largest penalty that
    is as good as the best, to .3 standard errors.

    Parameters
    ----------
    table : Observed
    make_sweep : callable
        ``make_sweep(part, mean)(penalty)`` is the sweep over a part of the table.
    start : callable
        ``start(part)`` gives random coefficients.
    penalties : ndarray
        From the largest down.
    mean : float
    rng : Generator
        Draws the part and its held-out entries.

    Returns
    -------
    LeastSquaresPenalty, or None where no entry can be held out

    Notes
    -----
    28 to 93 iterations over at most 120 000 entries (three times that below 5000). What is judged are warm starts
    along the path: a fit at a small penalty must come down the same way, cold it ends at up to six times the error
    (1000 x 300, a twentieth seen).
    """
    part, share = part_of(table, rng)
    try:
        count = DIVISIONS if part.n_entries < SMALL else 1
        divisions = [part.split(SHARE, rng, keep_covered=True) for _ in range(count)]
    except ValueError:  # no entry can be spared
        return None
    paths, of_effects = [], []
    for train, test in divisions:
        sweep_at = make_sweep(train, mean)
        run = loop(PathStep(sweep_at, penalties, test, mean), Tried((), start(train)), max_iter=len(penalties))
        paths.append(run.params.errors)
        effects = loop(sweep_at(np.inf), _without_factors(start(train)), max_iter=FIRST_ITERATIONS).params
        of_effects.append(squared_errors(test, mean, effects))
    length = min(map(len, paths))
    errors = np.hstack([np.array(path[:length]) for path in paths])
    gain_over, best = np.concatenate(of_effects), int(errors.mean(axis=1).argmin())
    gaps, gain = errors - errors[best], gain_over - errors[best]
    standard_errors = gaps.std(axis=1) / np.sqrt(errors.shape[1])
    chosen = int(np.argmax(gaps.mean(axis=1) <= NEAR * standard_errors))
    # nothing beyond effects that is more than chance: the largest penalty
    has_structure = bool(gain.mean() > SURE * gain.std() / np.sqrt(len(gain)))
    penalty = float(penalties[chosen if has_structure else 0])
    if has_structure and share < 1.0:
        penalty = vertex(penalties, errors.mean(axis=1), best) * share**SHARE_EXPONENT
    return LeastSquaresPenalty(
        penalty=penalty,
        penalties=penalties[:length],
        losses=errors.mean(axis=1),
        standard_errors=standard_errors,
        bias_loss=float(gain_over.mean()),
        has_structure=has_structure,
        n_entries=part.n_entries,
        n_iter=sum(FIRST_ITERATIONS + FURTHER_ITERATIONS * (len(path) - 1) for path in paths),
    )


def _without_factors(point: Coefficients) -> Coefficients:
    return tuple(part[:, -1:] for part in point)  # type: ignore[return-value]
