"""New rows against a frozen item bank: ability, score, the questions that say most, and how many are needed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import expit

from halfseen._typing import FloatArray, IntArray, Labels
from halfseen.inference import Intervals, normal_quantile
from halfseen.inference.bank import Bank, spline
from halfseen.inference.intervals import as_frame
from halfseen.inference.ranks import chunks

# Abilities between two knots, and rows refined at once.
FINER, CLAIM = 60, "average (Bayesian) coverage: holds for this share of new rows drawn from the fitted normal prior"
# Abilities (in standard deviations of the posterior) over which a question's information is averaged.
NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
NODE_WEIGHTS = NODE_WEIGHTS / NODE_WEIGHTS.sum()


@dataclass(frozen=True)
class WidthCurve:
    """How wide intervals will be after so many further questions.

    Attributes
    ----------
    counts : int array (k,)
    best, random : ndarray (m, k)
        Expected width of each row's score interval when the most informative questions, or random ones, are asked.
    row_labels : ndarray (m,)
    library : {"pyarrow", "pandas", "polars"}
        Of frames.
    """

    counts: IntArray
    best: FloatArray
    random: FloatArray
    row_labels: Labels
    library: str = "pyarrow"

    def to_frame(self, backend: str | None = None) -> Any:
        """One line per row and number of questions."""
        m, k = self.best.shape
        columns = {"row": np.repeat(self.row_labels, k), "questions": np.tile(self.counts, m)}
        return as_frame({**columns, "best": self.best.ravel(), "random": self.random.ravel()}, backend or self.library)


@dataclass(frozen=True)
class NewRows:
    r"""Posteriors of the abilities of new rows, on a fine grid; made by ``inference().new_rows(R)``.

    .. math:: \pi(x) \propto e^{-x^2 / 2 \tau^2} \prod_j P_j(x)^{R_j} (1 - P_j(x))^{1 - R_j}

    with the bank's response curves, in which every item's own uncertainty is averaged: given the ability, answers to
    different items are independent, so the product is exact.

    Attributes
    ----------
    bank : Bank
    answers, weights : sparse (m, p)
        Shares of success of the seen cells, and how much each counts.
    level : float
    row_labels, col_labels : ndarray
    ability, ability_se : ndarray (m,)
        Mode and standard deviation of the posterior.
    trials : float
        What a share of 1 is in the responses' unit.
    library : {"pyarrow", "pandas", "polars"}
        Of frames.

    Notes
    -----
    O(answers * 49) for the likelihoods, O(m p * 49) for the scores.
    """

    bank: Bank
    answers: sparse.csr_array
    weights: sparse.csr_array
    level: float
    row_labels: Labels
    col_labels: Labels
    trials: float = 1.0
    library: str = "pyarrow"
    ability: FloatArray = field(init=False)
    ability_se: FloatArray = field(init=False)
    _moments: dict[str, FloatArray] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        moments = self._posterior_moments()
        object.__setattr__(self, "_moments", moments)
        object.__setattr__(self, "ability", moments["mode"])
        object.__setattr__(self, "ability_se", moments["sd"])

    def __len__(self) -> int:
        return int(self.answers.shape[0])

    def _posterior_moments(self) -> dict[str, FloatArray]:
        """Moments of ability and score, and the ends of the abilities' central intervals."""
        bank = self.bank
        knots, logits, p = bank.knots, bank.logits, len(bank.logits)
        P, soft = expit(logits), np.logaddexp(0.0, logits)
        w = bank.dispersion * P * (1.0 - P)
        asked = self.weights.copy()
        asked.data = np.ones_like(asked.data)
        log = (self.weights.multiply(self.answers) @ logits - self.weights @ soft) / bank.dispersion
        log = np.asarray(log) - 0.5 * knots**2 / bank.prior_sd**2
        right = np.asarray(self.answers.sum(axis=1)).ravel()
        left, noise = P.sum(axis=0) - asked @ P, w.sum(axis=0) - asked @ w
        fine = np.linspace(knots[0], knots[-1], (len(knots) - 1) * FINER + 1)
        names = ("mode", "mean", "sd", "low", "high", "score", "score_se")
        out: dict[str, FloatArray] = {name: np.empty(len(log)) for name in names}
        tail = 0.5 * (1.0 - self.level)
        for part in chunks(len(log), 4 * len(fine)):
            post = spline(knots, log[part])(fine)
            modes = _peaks(fine, post)
            post = np.exp(post - post.max(axis=1, keepdims=True))
            post /= post.sum(axis=1, keepdims=True)
            out["mode"][part], mean = modes, post @ fine
            out["mean"][part] = mean
            out["sd"][part] = np.sqrt(np.maximum(post @ fine**2 - mean**2, (fine[1] - fine[0]) ** 2 / 12.0))
            below = np.cumsum(post, axis=1)
            out["low"][part] = fine[(below >= tail).argmax(axis=1)]
            out["high"][part] = fine[(below >= 1.0 - tail).argmax(axis=1)]
            score, spread = spline(knots, left[part])(fine), spline(knots, noise[part])(fine)
            middle = np.sum(post * score, axis=1)
            variance = np.sum(post * (score - middle[:, None]) ** 2, axis=1) + np.sum(post * spread, axis=1)
            out["score"][part] = (right[part] + middle) / p
            out["score_se"][part] = np.sqrt(np.maximum(variance, 0.0)) / p
        return out

    def abilities(self) -> Intervals:
        """Modes with central posterior intervals."""
        moments = self._moments
        return Intervals(
            "ability", self.ability, self.ability_se, moments["low"], moments["high"], self.level,
            {"row": self.row_labels}, CLAIM, extra={"answered": self._asked()}, library=self.library,
        )  # fmt: skip

    def scores(self) -> Intervals:
        """Scores on the complete bank: answers that are known as they are, the others predicted."""
        estimate, se, p = self._moments["score"], self._moments["score_se"], len(self.bank.logits)
        right, asked = np.asarray(self.answers.sum(axis=1)).ravel(), self._asked()
        reach = normal_quantile(self.level) * se
        low, high = np.maximum(estimate - reach, right / p), np.minimum(estimate + reach, (right + p - asked) / p)
        N = self.trials
        return Intervals(
            "score", N * estimate, N * se, N * low, N * high, self.level, {"row": self.row_labels}, CLAIM,
            extra={"answered": asked}, library=self.library,
        )  # fmt: skip

    def _asked(self) -> IntArray:
        return np.diff(self.answers.indptr)

    def information(self, row: int) -> FloatArray:
        r"""Fisher information :math:`P_j'^2 / (\phi P_j (1 - P_j))` of all items, averaged over one row's posterior.

        Items that the row has answered hold nothing new: 0.
        """
        x = self._moments["mean"][row] + self.ability_se[row] * NODES
        x = np.clip(x, self.bank.knots[0], self.bank.knots[-1])
        P, slope = expit(self.bank.block(x, slice(None))), self.bank.slopes(x, slice(None))
        # P' = P (1 - P) times the slope of the logit
        averaged = NODE_WEIGHTS @ (slope**2 * P * (1.0 - P)) / self.bank.dispersion
        averaged[self._answered(row)] = 0.0
        return np.asarray(averaged)

    def _answered(self, row: int) -> IntArray:
        return self.answers.indices[self.answers.indptr[row] : self.answers.indptr[row + 1]]

    def next_items(self, count: int = 10, backend: str | None = None) -> Any:
        """The unanswered questions that say most about each row, best first: a table of row, place, item, information.

        Raises
        ------
        ValueError
            For a count below 1.
        """
        told = [self.information(row) for row in range(len(self))]
        free = [len(known) - len(self._answered(row)) for row, known in enumerate(told)]
        return most_telling(told, free, count, self.row_labels, self.col_labels, backend or self.library)

    def width_curve(self, counts: Any = (5, 10, 20, 50, 100, 200)) -> WidthCurve:
        r"""Expected width of the score intervals after so many further questions.

        .. math:: s^2 = \Bigl(\tfrac1p \sum_{left} P_j'\Bigr)^2 \Big/ \Bigl(v^{-1} + \sum_{asked} I_j\Bigr)
                  + \tfrac{\phi}{p^2} \sum_{left} P_j (1 - P_j)

        Parameters
        ----------
        counts : sequence of int
            Numbers of questions; those beyond the bank are as if all were asked.
        """
        asked = np.asarray(counts)
        if asked.ndim != 1 or asked.dtype.kind not in "iu" or (asked < 0).any():
            raise ValueError(f"counts={counts!r} must be whole numbers of at least 0.")
        pairs = [self._widths(row, asked) for row in range(len(self))]
        best, random = (np.array([pair[k] for pair in pairs]).reshape(len(self), len(asked)) for k in (0, 1))
        return WidthCurve(asked, self.trials * best, self.trials * random, self.row_labels, self.library)

    def _widths(self, row: int, counts: IntArray) -> tuple[FloatArray, FloatArray]:
        information, x = self.information(row), self._moments["mean"][row : row + 1]
        free = np.setdiff1d(np.arange(len(information)), self._answered(row))
        order = free[np.argsort(-information[free], kind="stable")]
        P = expit(self.bank.block(x, order))[0]
        w = P * (1.0 - P)
        slope = w * self.bank.slopes(x, order)[0]
        k, p, phi = np.minimum(counts, len(order)), len(information), self.bank.dispersion
        precision = 1.0 / self.ability_se[row] ** 2
        z, widths = normal_quantile(self.level), []
        share = 1.0 - k / max(len(order), 1)
        for gained, leans, noise in (
            (_running(information[order])[k], slope.sum() - _running(slope)[k], w.sum() - _running(w)[k]),
            (information[order].sum() * (1.0 - share), slope.sum() * share, w.sum() * share),
        ):
            variance = (leans / p) ** 2 / (precision + gained) + phi * np.maximum(noise, 0.0) / p**2
            widths.append(2.0 * z * np.sqrt(variance))
        return widths[0], widths[1]

    def questions_needed(self, width: float) -> IntArray:
        """Fewest of the best questions after which each row's score interval is expected to be at most so wide.

        Raises
        ------
        ValueError
            For a width that is not above 0.
        """
        if not width > 0:
            raise ValueError(f"width={width!r} must be above 0, in the unit of the scores.")
        every = np.arange(len(self.bank.logits) + 1)
        narrow_enough = [self.trials * self._widths(row, every)[0] <= width for row in range(len(self))]
        return np.array([int(is_enough.argmax()) for is_enough in narrow_enough])


def _peaks(fine: FloatArray, log: FloatArray) -> FloatArray:
    """Where curves (m, F) are largest: the vertex of the parabola through the highest point and its neighbours."""
    top = np.clip(log.argmax(axis=1), 1, len(fine) - 2)
    below, at, above = (log[np.arange(len(log)), top + k] for k in (-1, 0, 1))
    bend = np.minimum(below - 2.0 * at + above, -1e-300)
    return np.asarray(fine[top] + 0.5 * (below - above) / bend * (fine[1] - fine[0]))


def _running(values: FloatArray) -> FloatArray:
    """Sums of the first 0, 1, 2, ... numbers."""
    return np.concatenate([[0.0], np.cumsum(values)])


def place(
    bank: Bank, observed: Any, level: float, col_labels: Labels | None, trials: float, library: str = "pyarrow"
) -> NewRows:
    """Posteriors of the rows of an Observed whose values are shares of success."""
    m, p = observed.shape
    values = np.asarray(observed.values, dtype=float)
    weights = np.ones(len(values)) if observed.weights is None else np.asarray(observed.weights, dtype=float)
    weights = weights / weights.mean() if len(weights) else weights
    entries = np.asarray(observed.rows), np.asarray(observed.cols)
    answers, counts = (sparse.csr_array(sparse.coo_array((v, entries), shape=(m, p))) for v in (values, weights))
    rows = np.arange(m) if observed.row_labels is None else observed.row_labels
    cols = np.arange(p) if col_labels is None else col_labels
    return NewRows(bank, answers, counts, level, rows, cols, trials, library)


def most_telling(
    information: list[FloatArray], free: list[int], count: int, row_labels: Labels, col_labels: Labels, library: str
) -> Any:
    """The questions that say most about each row, best first: a table of row, place, item, information.

    Parameters
    ----------
    information : list of ndarray (p,)
        Of every question about each row.
    free : list of int
        How many questions may be asked of each row.
    count : int
        At most so many of each row.
    row_labels, col_labels : ndarray
    library : {"pyarrow", "pandas", "polars"}
    """
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
        raise ValueError(f"count={count!r} must be a whole number of at least 1.")
    rows, places, items, values = [], [], [], []
    for row, (known, most) in enumerate(zip(information, free, strict=True)):
        best = np.argsort(-known, kind="stable")[: min(count, most)]
        rows.append(np.repeat(row_labels[row : row + 1], len(best)))
        places.append(np.arange(1, len(best) + 1))
        items.append(col_labels[best])
        values.append(known[best])
    parts = {"row": rows, "place": places, "item": items, "information": values}
    return as_frame({name: np.concatenate(part) for name, part in parts.items()}, library)
