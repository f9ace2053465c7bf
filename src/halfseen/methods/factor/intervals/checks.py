"""When a factor model may state intervals, what they claim, and what it must refuse."""

from __future__ import annotations

import copy
from dataclasses import InitVar, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen._typing import Labels
from halfseen.data import Observed
from halfseen.data.storable import storable
from halfseen.engines import EntryPasses
from halfseen.errors import shown
from halfseen.inference.influence import Clustered
from halfseen.losses import has_quantiles, is_logistic, members_of
from halfseen.methods.factor.checks import checked_input
from halfseen.methods.factor.factors import FactorPoint
from halfseen.methods.factor.intervals.covariances import (
    VARIANCES,
    Curvature,
    StationaryPoint,
    Uncertainty,
    spent_freedom,
)
from halfseen.parameters import BadArgument

Array = NDArray[Any]

GAUGES = ("denoised", "plain")
# A bias of a twentieth of a standard error costs a 95 % interval .0003 of its coverage.
LARGEST_STEP = 0.05
# A descent that stopped early must also be done on the whole: moves of single rows add up along slow directions, by
# a factor of ten or so, while one row that jumps about alone harms only itself.
TYPICAL_STEP = 2e-3
# Largest variance from an unknown rotation against a component's own (an upper bound of it, see rotation_noise).
# Measured at 120 x 90 to 800 x 400 with singular values in ratios of 1.02 to 2: 95 % intervals cover .93 to .95 up
# to .75, .90 to .94 at 1.3, and .58 to .91 beyond 4.
# A varimax angle depends on fourth moments and its first-order noise says less: measured at 400 x 300, intervals
# cover .96 up to .12 and .85 at .28.
LARGEST_ROTATION_NOISE = {None: 0.75, "varimax": 0.15}

# Measured over 12 tables each: 95 % intervals of scores of MAP fits (rank 1, yes/no) cover .94 with 90 answers per
# column, .90 with 40, .10 with 8 and .04 with 4.
THIN_COLUMNS = 12

CONFIDENCE = "confidence: holds with this probability for the given row or column, whatever its true parameters"
BAYESIAN = (
    "average (Bayesian) coverage: holds for this share of rows and columns whose parameters are drawn from the "
    "fitted normal prior; a single extreme row is covered less often"
)


@storable
@dataclass(frozen=True)
class Seen:
    """The entries a model was fitted to; never saved, pickled or copied with it.

    Parameters
    ----------
    passes : EntryPasses or None
    """

    passes: InitVar[EntryPasses | None] = None

    def __post_init__(self, passes: EntryPasses | None) -> None:
        object.__setattr__(self, "_entries", None if passes is None else (passes.observed, passes.offset))

    def entries(self) -> tuple[Observed, Array | None] | None:
        """Observed entries and offsets, or None in a model that came out of a file."""
        return self.__dict__["_entries"]

    def __reduce__(self) -> tuple[Any, ...]:
        return Seen, ()


def check_choices(variance: Any, gauge: str) -> None:
    """Refuse unknown words."""
    if not isinstance(variance, Clustered) and variance not in VARIANCES:
        raise BadArgument("variance", variance, f"one of {', '.join(map(repr, VARIANCES))} or Clustered(cols=groups)")
    if gauge not in GAUGES:
        raise BadArgument("gauge", gauge, f"one of {', '.join(map(repr, GAUGES))}")


def passes_of(model: Any, R: Any, trials: Any, offset: Any) -> EntryPasses:
    """Passes in float64 over the entries of the fit: those kept, or those given again."""
    if R is None:
        seen = getattr(model, "_seen", Seen()).entries()
        if seen is None:
            raise ValueError(
                "this model does not carry the entries it was fitted to (files and pickles leave them out); pass them "
                "again: model.inference(R=R), with the trials= and offset= of fit where there were any."
            )
        observed, offset = seen
    else:
        twin = copy.copy(model)  # validation sets attributes
        observed, _, offset = checked_input(twin, R, trials, offset)
        _same_table(model, twin)
    return EntryPasses(observed.astype(np.float64), model.loss_, model.engine, offset)


def _same_table(model: Any, twin: Any) -> None:
    if twin.observed_shape_ != model.observed_shape_:
        raise ValueError(
            f"R is {twin.observed_shape_[0]} x {twin.observed_shape_[1]}, but the model was fitted to a table of "
            f"{model.observed_shape_[0]} x {model.observed_shape_[1]}; pass the table of fit."
        )
    for name in ("row_labels_", "col_labels_"):
        fitted, given = getattr(model, name), getattr(twin, name)
        if fitted is not None and given is not None and not np.array_equal(fitted, given):
            raise ValueError(f"the {name[:3]} labels of R are not those of fit, in that order; pass the table of fit.")


def check_run(model: Any) -> None:
    """Refuse families without theory here, and fits that ran away."""
    for loss, _ in members_of(model.loss_):
        if not has_quantiles(loss):
            raise ValueError(
                f"intervals need a family with predictive quantiles, which family={loss.name!r} does not have."
            )
    run = model.run_
    if run.reason == "separated":
        raise ValueError(
            "the fit separated: some rows or columns are predicted perfectly and their parameters have no finite "
            "estimate, so no interval either. Use penalty='auto', whose intervals fall back on a weak prior."
        )


def fitted_point(model: Any, passes: EntryPasses) -> StationaryPoint:
    """The stationary point in the solver's coordinates, where the prior is a plain ridge."""
    here = model.placement_
    turn = np.asarray(here.turn, dtype=float)
    if turn.size and np.linalg.cond(turn) > 1e8:
        raise ValueError(
            "a component has vanished under the penalty, so the factors of this rank are not determined; refit with a "
            "smaller rank."
        )
    rows = np.asarray(model.row_factors_, dtype=float) @ np.linalg.inv(turn) + np.asarray(here.mean, dtype=float)
    at = FactorPoint(np.asarray(here.intercept, dtype=float), rows, np.ascontiguousarray(here.cols, dtype=float))
    has_firth = bool(model.has_bias_correction_)
    fit = StationaryPoint(at, model.penalty_, has_firth, float(model.dispersion_))
    if not model.loss_.has_dispersion:
        return fit
    if fit.has_prior:
        rss = 2.0 * passes.value(at.rows, at.cols, col_offset=at.intercept)
        unscaled = Curvature(passes, StationaryPoint(at, fit.penalty, has_firth, 1.0))
        freedom = passes.observed.n_entries - spent_freedom(unscaled)
        fit = StationaryPoint(at, fit.penalty, has_firth, rss / max(freedom, 1.0))
    if not fit.dispersion > 1e-20:
        raise ValueError("the model fits its entries exactly: there is no noise left to judge uncertainty by.")
    return fit


def check_stationary(uncertainty: Uncertainty, model: Any) -> None:
    """Refuse a point from which one Newton step would still move a row by a visible share of its standard error."""
    run, (side, place) = model.run_, uncertainty.worst
    labels = (model.row_labels_, model.col_labels_)[side]
    who = f"{('row', 'column')[side]} {shown(place if labels is None else labels[place])}"
    if not run.converged and not (uncertainty.step <= LARGEST_STEP and uncertainty.typical_step <= TYPICAL_STEP):
        raise ValueError(
            f"the fit ended for the reason {run.reason!r} before it reached a stationary point: one Newton step still "
            f"moves {who} by {uncertainty.step:.2g} standard errors. Raise max_iter, use a penalty, or leave "
            f"{who} out if it says too little."
        )
    if not uncertainty.step <= LARGEST_STEP:
        raise ValueError(
            f"these entries do not have their stationary point at the fitted parameters: one Newton step still moves "
            f"{who} by {uncertainty.step:.2g} standard errors (at most {LARGEST_STEP:g} are allowed). Pass the "
            "entries, trials and offset of fit; or refit with a smaller tol."
        )


def about_thin_columns(passes: EntryPasses, fit: StationaryPoint) -> str:
    """What is to be said where penalised columns of yes/no answers have too few of them for any interval."""
    per_column = passes.observed.n_entries / max(passes.shape[1], 1)
    if not (fit.has_prior and fit.at.rank and is_logistic(passes.loss) and per_column < THIN_COLUMNS):
        return ""
    return (
        f"the columns have {per_column:.3g} answers on average: with fewer than {THIN_COLUMNS} the intervals of a "
        "penalised fit hold far too rarely, for rows and columns are estimated together and shrink each other. Use "
        "ItemResponseModel, which integrates the columns out."
    )


def about_rows(uncertainty: Uncertainty, row_labels: Labels | None, col_labels: Labels | None) -> str:
    """What is to be said of the rows and columns whose intervals should not be trusted."""
    parts = []
    for name, blocks, labels in (("rows", uncertainty.rows, row_labels), ("columns", uncertainty.cols, col_labels)):
        doubtful = np.flatnonzero(~blocks.is_reliable)
        if doubtful.size:
            first = int(doubtful[0])
            parts.append(f"{doubtful.size} {name}, first {shown(first if labels is None else labels[first])}")
    if not parts:
        return ""
    return (
        f"too little information for trustworthy intervals of {' and of '.join(parts)}: they are marked by "
        "reliable=False. Observe more of them, or use penalty='map'."
    )
