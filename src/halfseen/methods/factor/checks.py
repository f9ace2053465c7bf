"""Input of the factor model, and what it says about its own fits."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from halfseen.data import Observed, check_support
from halfseen.engines import EntryPasses
from halfseen.losses import Bernoulli, ColumnLoss, Loss, Mixed, Probit, family_per_column, get_loss, is_estimated
from halfseen.methods.factor.options import Factors
from halfseen.solvers import Run

Array = NDArray[Any]

COLUMNS = ("fixed", "random", "rasch", "2pl")


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
    if not isinstance(model.columns, str) or model.columns not in COLUMNS:
        raise ValueError(f"columns={model.columns!r} is not known; use one of {COLUMNS}.")


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


def checked_input(model: Any, R: Any, trials: Any, offset: Any = None) -> tuple[Observed, Loss, Array | None]:
    """What :meth:`fit` works on: validated entries of positive weight, the loss, the offsets of these entries.

    A loss with parameters per column leaves with its first ones.
    """
    observed = model._observe(R, reset=True)
    family = model.family
    loss = family_per_column(family, observed.col_labels) if isinstance(family, Mapping) else get_loss(family)
    if isinstance(loss, ColumnLoss):
        loss = loss.learned(observed)
    if is_estimated(loss) and model._options().solver != "newton-cg":
        raise ValueError(
            f"options.solver={model._options().solver!r} knows no parameters per column (family={loss.name!r}); leave "
            "it at 'newton-cg'."
        )
    observed, offset = judged(observed, loss, trials, offset)
    return observed, loss, offset


def judged(observed: Observed, loss: Loss, trials: Any, offset: Any) -> tuple[Observed, Array | None]:
    """Entries that the loss can judge, and their offsets; entries of weight 0 are not observations.

    Known totals turn counts into shares with the totals as weights, which has the same likelihood.
    """
    totals, offsets = per_entry(trials, observed, "trials"), per_entry(offset, observed, "offset")
    if totals is None:
        check_columns(observed, loss)
    else:
        observed = _shares(observed, loss, totals)
    if observed.weights is None or observed.weights.all():
        return observed, offsets
    counts = observed.weights > 0
    if not counts.any():
        raise ValueError("all entries have weight 0; nothing was observed.")
    return observed.select(counts), None if offsets is None else offsets[counts]


def check_columns(observed: Observed, loss: Loss) -> None:
    """Refuse values that the loss, or that of their own column, cannot judge."""
    if not isinstance(loss, Mixed):
        return check_support(observed, loss, "family")
    for member, chosen in loss.groups():
        # the other columns' entries are left out, places and labels stay
        check_support(observed.select(np.isin(observed.cols, chosen)), member, "family")
    return None


def per_entry(given: Any, observed: Observed, name: str) -> Array | None:
    """One finite number per entry, in canonical order.

    Takes None, a number, a table of the shape of the data (array or an Observed with the same places), one number
    per column, or one per entry in canonical order (by row, then column).
    """
    if given is None:
        return None
    if isinstance(given, Observed):
        same = given.shape == observed.shape and given.n_entries == observed.n_entries
        if not (same and np.array_equal(given.cols, observed.cols) and np.array_equal(given.rows, observed.rows)):
            raise ValueError(f"{name} has other places than R: give an Observed with exactly the entries of R.")
        given = given.values
    found = np.asarray(given, dtype=float)
    entries, (n, p) = observed.n_entries, observed.shape
    if found.shape == (n, p):
        found = found[observed.rows, observed.cols]
    elif found.shape == (p,) and p != entries:
        found = found[observed.cols]
    elif found.ndim == 0:
        found = np.full(entries, float(found))
    if found.shape != (entries,):
        raise ValueError(
            f"{name} has shape {np.shape(given)}; give a number, one per column ({p}), a table {n} x {p}, one per "
            f"entry ({entries}, by row, then column), or an Observed with the entries of R."
        )
    if not np.isfinite(found).all():
        first = int(np.argmin(np.isfinite(found)))
        place = f"row {int(observed.rows[first])}, column {int(observed.cols[first])}"
        raise ValueError(f"{name} must be finite; first bad place: {place}, {found[first]}.")
    return found


def _shares(observed: Observed, loss: Loss, totals: Array) -> Observed:
    """Counts out of known totals as shares with weights."""
    if not isinstance(loss, Bernoulli | Probit):
        raise ValueError(f"trials= goes with family='bernoulli' or 'probit', not with family={loss.name!r}.")
    values = np.asarray(observed.values, dtype=float)
    bad = ~((totals > 0) & (values >= 0) & (values <= totals) & (values == np.floor(values)))
    if bad.any():
        first = int(bad.argmax())
        raise ValueError(
            f"{int(bad.sum())} counts are not whole numbers from 0 to their total, first entry {first} "
            f"(row {int(observed.rows[first])}, column {int(observed.cols[first])}): "
            f"{values[first]:g} of {totals[first]:g}."
        )
    weights = totals if observed.weights is None else totals * observed.weights
    return observed.with_values(values / totals, weights=weights)


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
