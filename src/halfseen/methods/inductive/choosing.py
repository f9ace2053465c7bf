"""Penalty, effects, activation and the default number of units as what was held out chooses them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from sklearn.base import clone

from halfseen._typing import BoolArray, FloatArray
from halfseen.data import Observed
from halfseen.data.storable import storable
from halfseen.losses import is_quadratic
from halfseen.methods.inductive.activations import get_activation
from halfseen.select.held_out import clustered_error

# Shares of rows and columns with features, and of the other entries, that are held out.
ROWS, ENTRIES = 0.2, 0.1
# With fewer rows (columns), or entries, there is nothing to choose by.
FEWEST, FEWEST_ENTRIES = 10, 100
PENALTIES = (1e-3, 1e-2, 0.1, 1.0)
CLOSER = (1.0 / 3.0, 3.0)
SWEEPS = 60
# The default number of units is this many times as large where that predicts better.
WIDER = 2
# What a choice must gain, of the mean squared error, to be preferred to a simpler one.
GAIN = 0.01
# Share of the squares out of reach from which it is said.
BELOW = 0.2
# Standard deviation, around 1, of what the part of features in predictions of new lines is multiplied by.
TRUST_SD = 0.5
# Differences of squared errors that are none, in squares of the standard deviation.
ROUNDING = 1e-12
# A fit that predicts what was held out this close to its own noise needs no other penalty.
AT_NOISE = 1.15


@storable
@dataclass(frozen=True)
class StructureSearch:
    """How penalty, effects and activation were chosen.

    Attributes
    ----------
    choices : list of dict
        Every setting that was tried.
    losses : ndarray (n,)
        Mean squared errors on all that was held out, in squares of the values' standard deviation.
    new_rows, new_cols, entries : ndarray (n,)
        The same on rows and columns of which nothing was seen, and on further entries; nan where none were held out.
    row_baseline, col_baseline : float
        What means of the columns reach on new rows, and means of the rows on new columns.
    best : int
    row_trust, col_trust : float
        What new rows (columns) differ in by their features from the mean of those of the fit is multiplied by this in
        their predictions: with features of many rows, but few for what they weigh, less than 1 predicts held-out rows
        better. 1 unless there are effects, and unless the data say otherwise by more than a standard error.
    """

    choices: list[dict[str, Any]]
    losses: FloatArray
    new_rows: FloatArray
    new_cols: FloatArray
    entries: FloatArray
    row_baseline: float
    col_baseline: float
    best: int
    row_trust: float = 1.0
    col_trust: float = 1.0


@dataclass(frozen=True)
class HeldOutParts:
    """What candidates are fitted to and judged by."""

    train: Observed
    test: Observed
    is_new_row: BoolArray
    is_new_col: BoolArray
    size: float


def held_out_parts(
    observed: Observed, has_features: tuple[bool, bool], rng: np.random.Generator
) -> HeldOutParts | None:
    """Rows and columns with features, and some further entries, set aside; None where nothing can be spared."""
    if observed.n_entries < FEWEST_ENTRIES:
        return None
    out = []
    for axis, places in enumerate((observed.rows, observed.cols)):
        used, gone = np.unique(places), np.zeros(observed.shape[axis], dtype=bool)
        if has_features[axis] and len(used) >= FEWEST:
            gone[rng.choice(used, max(2, round(ROWS * len(used))), replace=False)] = True
        out.append(gone[places])
    new_row, new_col = out
    held = new_row | new_col | (rng.random(observed.n_entries) < ENTRIES)
    test = held & ~(new_row & new_col)  # a new row and column at once judges as either would
    if held.all() or not test.any():
        return None
    weights = observed.weights

    def part(kept: BoolArray) -> Observed:
        own = None if weights is None else weights[kept]
        places = observed.rows[kept], observed.cols[kept], observed.values[kept]
        names = observed.row_labels, observed.col_labels
        return Observed.from_triplets(*places, own, observed.shape, row_labels=names[0], col_labels=names[1])

    size = float(np.var(observed.values.astype(float))) or 1.0
    return HeldOutParts(part(~held), part(test), new_row[test], new_col[test], size)


class Judge:
    """Fits candidates to the training part and keeps what they reach."""

    def __init__(self, model: Any, parts: HeldOutParts, features: dict[str, Any], seed: int) -> None:
        self.model, self.parts, self.features, self.seed = model, parts, features, seed
        self.choices: list[dict[str, Any]] = []
        self.errors: list[FloatArray] = []
        self.trusts: list[list[tuple[float, float]]] = []
        self.last: Any = None

    def __call__(self, **choice: Any) -> float:
        """Mean squared error of a setting over all that was held out."""
        if choice in self.choices:
            return self.losses[self.choices.index(choice)]
        sweeps = min(SWEEPS, int(self.model.max_iter))
        usual = {"random_state": self.seed, "max_iter": sweeps, "n_starts": 1, "rank": self.model.rank_}
        candidate = clone(self.model).set_params(**(usual | choice)).set_callbacks()
        if choice["penalty"] == "evidence":
            candidate.set_params(penalty="auto")
            candidate._chooses = False
        with warnings.catch_warnings():  # the fit to all of the table says what there is to say
            warnings.simplefilter("ignore")
            candidate.fit(self.parts.train, **self.features)
        self.last, test = candidate, self.parts.test
        error = (candidate._linear_pairs(test.rows, test.cols).astype(float) - test.values) ** 2 / self.parts.size
        self.trusts.append([trust(candidate, self.parts, axis) for axis in (0, 1)])
        self.choices.append(dict(choice))
        self.errors.append(np.where(np.isfinite(error), error, np.inf))
        return self.losses[-1]

    def gains(self, other: dict[str, Any], best: dict[str, Any]) -> bool:
        """Whether a setting predicts better than a simpler one: by a share, and by more than its standard error.

        Held-out entries of one row, and of one column, are not independent: the larger of both clustered errors counts.
        """
        after, before = self(**other), self(**best)
        if not after < (1.0 - GAIN) * before:
            return False
        own, old = (self.errors[self.choices.index(choice)] for choice in (other, best))
        if not np.isfinite(old).all():
            return True
        test = self.parts.test
        error = max(clustered_error([(old - own, groups)]) for groups in (test.rows, test.cols))
        return bool(before - after > error)

    @property
    def losses(self) -> list[float]:
        return [float(np.mean(error)) for error in self.errors]

    def over(self, chosen: BoolArray) -> FloatArray:
        """Errors of all candidates over some of the held-out entries."""
        unknown = np.full(len(self.errors), np.nan)
        return np.array([np.mean(error[chosen]) for error in self.errors]) if chosen.any() else unknown


def trust(candidate: Any, parts: HeldOutParts, axis: int) -> tuple[float, float]:
    r"""What the part of features in predictions of held-out rows (columns) is to be multiplied by, in [0, 1].

    And the mean squared error of these with it (nan where none are held out).

    .. math:: \gamma = \frac{\sum (y - m^0)(m - m^0)}{\sum (m - m^0)^2}

    with predictions :math:`m` and those of a row of mean features, :math:`m^0`; drawn towards 1 by a normal prior, and
    1 where it is no standard error (by rows) below that.
    """
    chosen = (parts.is_new_row, parts.is_new_col)[axis]
    if not chosen.any():
        return 1.0, np.nan
    i, j, y = parts.test.rows[chosen], parts.test.cols[chosen], parts.test.values[chosen].astype(float)
    own, other = (i, j) if axis == 0 else (j, i)
    A, B = (candidate.row_factors_, candidate.col_factors_)[:: 1 - 2 * axis]
    said = candidate._linear_pairs(i, j).astype(float)
    moved = np.einsum("ek,ek->e", (A[own] - A.mean(axis=0)).astype(float), B[other].astype(float))
    squares = float(np.sum(moved**2))
    if not np.isfinite(said).all() or not squares > 0.0:
        return 1.0, float(np.mean((y - said) ** 2))
    share = float(np.sum((y - said + moved) * moved)) / squares
    sums = np.bincount(np.unique(own, return_inverse=True)[1], (y - said + (1.0 - share) * moved) * moved)
    error = float(np.sqrt(np.sum(sums**2))) / squares
    weight = TRUST_SD**2 / (TRUST_SD**2 + error**2)
    trusted = 1.0 if 1.0 - share <= error else max(1.0 + weight * (share - 1.0), 0.0)
    return trusted, float(np.mean((y - said + (1.0 - trusted) * moved) ** 2))


def baselines(parts: HeldOutParts) -> tuple[float, float]:
    """Squared errors of the columns' means on new rows, and of the rows' means on new columns."""
    train, test, levels = parts.train, parts.test, []
    for axis, chosen in ((1, parts.is_new_row), (0, parts.is_new_col)):
        own, asked = (train.cols, test.cols) if axis else (train.rows, test.rows)
        counts = np.bincount(own, minlength=train.shape[axis])
        sums = np.bincount(own, train.values.astype(float), minlength=train.shape[axis])
        means = np.where(counts > 0, sums / np.maximum(counts, 1), float(np.mean(train.values)))
        gaps = (means[asked] - test.values)[chosen] ** 2 / parts.size
        levels.append(float(np.mean(gaps)) if chosen.any() else np.nan)
    return levels[0], levels[1]


def settled_structure(
    model: Any, observed: Observed, features: dict[str, Any], settings: SimpleNamespace, rng: np.random.Generator
) -> StructureSearch | None:
    """Choose what is "auto"; the settings get what was chosen, and the search is handed back.

    Without rows, columns or entries to spare the penalty is what the evidence asks for, and there are no effects.
    """
    asks = settings.penalty == "auto" and settings.scale == "auto" and is_quadratic(model.loss_)
    asks = asks and model._chooses and settings.family == "gaussian" and not settings.is_tied
    given = tuple(part is not None for part in features.values())
    own = rng.spawn(1)[0] if asks else rng
    parts = held_out_parts(observed, (given[0], given[1]), own) if asks else None
    is_plain = settings.effects == "auto"
    if is_plain:
        settings.effects = "none"
    if parts is None:
        return None
    judge = Judge(model, parts, features, int(own.integers(2**31)))
    begin = {"activation": model.activation_, "effects": settings.effects, "penalty": "evidence"}
    tries = ["linear", "relu"] if settings.activation == "auto" else [model.activation_]
    best = _climbed(judge, {**begin, "activation": tries[0]})
    if len(tries) > 1:
        # other units at the same penalty, and at the evidence's own
        others = [
            {**best, "activation": tries[1], "penalty": penalty} for penalty in {best["penalty"]: 0, "evidence": 0}
        ]
        other = min(others, key=lambda choice: judge(**choice))
        best = other if judge.gains(other, best) else best
    can_add = is_plain and settings.solver != "levenberg-marquardt" and settings.gauge != "first_row"
    for effects in ("cols", "rows", "both") if can_add and any(given) else ():
        choice = {**best, "effects": effects}
        if judge.gains(choice, best):
            best = choice
    wider = {**best, "rank": WIDER * model.rank_}
    # with the same evidence more units cost only time, yet on tables of few entries they follow noise
    if model.rank is None and any(given) and wider["rank"] <= min(observed.shape) and judge.gains(wider, best):
        best, model.rank_ = wider, wider["rank"]
    settings.effects, model.activation_ = best["effects"], best["activation"]
    settings.penalty = "auto" if best["penalty"] == "evidence" else best["penalty"]
    is_entry = ~(parts.is_new_row | parts.is_new_col)
    place = judge.choices.index(best)
    new, trusts = [judge.over(parts.is_new_row), judge.over(parts.is_new_col)], [1.0, 1.0]
    for axis, (trusted, error) in enumerate(judge.trusts[place] if settings.effects != "none" else ()):
        new[axis][place], trusts[axis] = error / parts.size, trusted
    return StructureSearch(
        judge.choices, np.array(judge.losses), new[0], new[1], judge.over(is_entry), *baselines(parts), place,
        trusts[0], trusts[1],
    )  # fmt: skip


def _climbed(judge: Judge, choice: dict[str, Any]) -> dict[str, Any]:
    """The penalty that predicts best: the evidence's own, or one of a grid and its neighbours."""
    loss, fitted = judge(**choice), judge.last
    train = judge.parts.train
    noise = np.mean((fitted._linear_pairs(train.rows, train.cols).astype(float) - train.values) ** 2)
    weights = fitted._row_units.size + fitted._col_units.size
    if weights < train.n_entries / 4 and loss <= AT_NOISE * noise / judge.parts.size:
        return choice
    own = [{**choice, "penalty": penalty} for penalty in PENALTIES]
    best = min([choice, *own], key=lambda candidate: judge(**candidate))
    if best["penalty"] == "evidence":
        return best
    closer = [{**choice, "penalty": best["penalty"] * factor} for factor in CLOSER]
    best = min([best, *closer], key=lambda candidate: judge(**candidate))
    return best if judge.gains(best, choice) else choice


def warn_if_features_lose(model: Any, search: StructureSearch) -> None:
    """Say so where held-out rows or columns are predicted no better than by means."""
    for own, level, what, mean in (
        (search.new_rows, search.row_baseline, "rows", "columns"),
        (search.new_cols, search.col_baseline, "columns", "rows"),
    ):
        if np.isfinite(level) and own[search.best] > level + ROUNDING:
            model._warn(
                f"held-out {what} are predicted worse from features (error {np.sqrt(own[search.best]):.3g} standard "
                f"deviations) than by the means of the {mean} ({np.sqrt(level):.3g}): for new {what} take these "
                "(hs.ColumnMean), or give features that say more"
            )


def warn_if_one_sided(model: Any, observed: Observed) -> None:
    """Say so where much of the data's variation lies below all that the units can predict."""
    if model._units.learns_level:  # the floor is where the data have theirs
        return
    if not get_activation(model.activation_).is_one_sided or model.effects_ != "none":
        return
    away = observed.values.astype(float) - float(model.loss_.mean(np.zeros(1))[0])
    share = float(np.sum(np.minimum(away, 0.0) ** 2) / max(float(np.sum(away**2)), 1e-300))
    if share > BELOW:
        model._warn(
            f"{100 * share:.0f} % of the variation lies below what {model.activation_} units can predict (their "
            "products are never negative): use activation='tanh' or 'linear', or effects"
        )
