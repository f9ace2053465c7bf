"""Input of the factor model, and what it says about its own fits."""

from __future__ import annotations

import numbers
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from halfseen.data import Observed, check_support
from halfseen.engines import EntryPasses
from halfseen.losses import Bernoulli, Loss, get_loss
from halfseen.methods.factor.options import Factors
from halfseen.solvers import Run

Array = NDArray[Any]


def check_choices(model: Any) -> None:
    """Refuse unknown words for penalty, bias and columns."""
    penalty = model.penalty
    if isinstance(penalty, str):
        if penalty not in ("auto", "map", "none"):
            raise ValueError(f"penalty={penalty!r} is not known; use 'auto', 'map', 'none' or a positive number.")
    elif not (isinstance(penalty, numbers.Real) and 0 <= float(penalty) < np.inf):
        raise ValueError(f"penalty={penalty!r} must be 'auto', 'map', 'none' or a number >= 0.")
    if model.bias not in ("auto", "firth", "none"):
        raise ValueError(f"bias={model.bias!r} is not known; use 'auto', 'firth' or 'none'.")
    if model.columns != "fixed":
        raise ValueError(f"columns={model.columns!r} is not known; use 'fixed'.")


def check_rank(rank: Any, shape: tuple[int, int]) -> int:
    """The rank as an int, or an error with the largest possible one."""
    if isinstance(rank, bool) or not isinstance(rank, numbers.Integral) or int(rank) < 0:
        raise ValueError(f"rank={rank!r} must be a whole number >= 0.")
    if int(rank) > min(shape):
        raise ValueError(
            f"rank={rank} is too large for a table with n_samples = {shape[0]} rows and n_features = {shape[1]} "
            f"columns: at most {min(shape)}. Choose a smaller rank (halfseen.select.choose_rank helps)."
        )
    return int(rank)


def checked_input(model: Any, R: Any, trials: Any) -> tuple[Observed, Loss]:
    """Validated entries and the loss; per-entry totals turn counts into weighted shares."""
    observed, loss = model._observe(R, reset=True), get_loss(model.family)
    if trials is None:
        check_support(observed, loss, "family")
        return observed, loss
    if not isinstance(loss, Bernoulli):
        raise ValueError(f"trials= goes with family='bernoulli', not with family={model.family!r}.")
    totals = np.asarray(trials, dtype=float)
    if totals.shape == (observed.shape[1],) and totals.shape != (observed.n_entries,):
        totals = totals[observed.cols]
    if totals.shape != (observed.n_entries,):
        raise ValueError(
            f"trials has shape {np.shape(trials)}; give one total per entry ({observed.n_entries}) or per column "
            f"({observed.shape[1]})."
        )
    values = np.asarray(observed.values, dtype=float)
    bad = ~(np.isfinite(totals) & (totals > 0) & (values >= 0) & (values <= totals) & (values == np.floor(values)))
    if bad.any():
        first = int(bad.argmax())
        raise ValueError(
            f"{int(bad.sum())} counts are not whole numbers from 0 to their total, first entry {first} "
            f"(row {int(observed.rows[first])}, column {int(observed.cols[first])}): "
            f"{values[first]:g} of {totals[first]:g}."
        )
    weights = totals if observed.weights is None else totals * observed.weights
    return observed.with_values(values / totals, weights=weights), loss


def check_offset(offset: Any, observed: Observed) -> Array | None:
    """The offsets as floats, one finite number per entry."""
    if offset is None:
        return None
    found = np.asarray(offset, dtype=float)
    if found.shape != (observed.n_entries,):
        raise ValueError(f"offset has shape {found.shape}; give one number per entry ({observed.n_entries},).")
    if not np.isfinite(found).all():
        first = int(np.argmin(np.isfinite(found)))
        raise ValueError(f"offset must be finite; first bad place: offset[{first}] = {found[first]}.")
    return found


def dispersion_of(passes: EntryPasses, final: Factors) -> float:
    r"""Residual variance :math:`\mathrm{RSS} / (E - p - (n + p - r) r + r)`; 1 where the family has none."""
    if not passes.loss.has_dispersion:
        return 1.0
    (n, p), r, entries = passes.shape, final.rank, passes.observed.n_entries
    rss = 2.0 * passes.value(final.rows, final.cols, col_offset=final.intercept)
    freedom = entries - p - (n + p - r) * r + r
    return rss / (freedom if freedom > 0 else entries)


def warn_about(run: Run) -> None:
    """One warning if the descent did not converge."""
    if not run.converged:
        warnings.warn(
            f"the descent ended after {run.n_iter} sweeps for the reason {run.reason!r} with a largest gradient entry "
            f"of {run.gradient_norm:.2g}: raise options.max_iter or options.tol, or use a penalty.",
            ConvergenceWarning,
            stacklevel=4,
        )
