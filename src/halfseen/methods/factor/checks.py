"""Input of the factor model, and what it says about its own fits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.data import Observed, check_support
from halfseen.data.shares import per_entry
from halfseen.engines import EntryPasses
from halfseen.losses import Loss, family_per_column, get_loss, has_columns, is_estimated, members_of, takes_totals
from halfseen.methods.factor.factors import Factors
from halfseen.parameters import BadArgument
from halfseen.solvers import Run

Array = NDArray[Any]


def checked_input(model: Any, R: Any, trials: Any, offset: Any = None) -> tuple[Observed, Loss, Array | None]:
    """What :meth:`fit` works on: validated entries of positive weight, the loss, the offsets of these entries.

    A loss with parameters per column leaves with its first ones.
    """
    observed = model._observe(R, reset=True)
    family = model.family
    loss: Any = family_per_column(family, observed.col_labels) if isinstance(family, Mapping) else get_loss(family)
    if has_columns(loss):
        loss = loss.learned(observed)
    if is_estimated(loss) and model.solver != "newton-cg":
        raise BadArgument(
            "solver", model.solver, f"'newton-cg', for family={loss.name!r} has parameters per column to estimate"
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
    for member, chosen in members_of(loss):
        # the other columns' entries are left out, places and labels stay
        own = observed if chosen is None else observed.select(np.isin(observed.cols, chosen))
        check_support(own, member, "family")


def _shares(observed: Observed, loss: Loss, totals: Array) -> Observed:
    """Counts out of known totals as shares with weights."""
    if not takes_totals(loss):
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


def not_converged(run: Run) -> str:
    """What is said of a descent that ended too early."""
    return (
        f"the descent ended after {run.n_iter} sweeps for the reason {run.reason!r} with a largest gradient entry "
        f"of {run.gradient_norm:.2g}: raise max_iter or tol, or use a penalty."
    )
