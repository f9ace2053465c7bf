"""Input of the factor model, and what it says about its own fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.data import Observed, check_support
from halfseen.data.shares import per_entry
from halfseen.engines import EntryPasses
from halfseen.losses import (
    Loss,
    family_per_column,
    get_loss,
    has_classes,
    has_columns,
    is_estimated,
    members_of,
    takes_totals,
)
from halfseen.methods.factor.factors import FactorPoint
from halfseen.parameters import BadArgument
from halfseen.solvers import Run

Array = NDArray[Any]


@dataclass(frozen=True)
class Offsets:
    """Known parts of the linear predictor, as a user gives them: of entries, of rows, of columns."""

    entries: Any = None
    rows: Any = None
    cols: Any = None

    @property
    def are_given(self) -> bool:
        return any(part is not None for part in (self.entries, self.rows, self.cols))

    def per_entry(self, observed: Observed) -> Array | None:
        """Their sum at every entry, in canonical order; None where none was given."""
        n, p = observed.shape
        if not isinstance(self.entries, Observed) and np.shape(self.entries) == (p,) and n == p:
            raise ValueError(
                f"offset is a vector of {p} numbers, and the table has {p} rows and {p} columns: say whose they are, "
                "row_offset= (exposure of the rows) or col_offset=."
            )
        total = per_entry(self.entries, observed, "offset")
        for given, name, places, length in (
            (self.rows, "row_offset", observed.rows, n),
            (self.cols, "col_offset", observed.cols, p),
        ):
            if given is None:
                continue
            numbers = np.asarray(given, dtype=float)
            if numbers.shape != (length,) or not np.isfinite(numbers).all():
                what = f"shape {numbers.shape}" if numbers.shape != (length,) else "numbers that are not finite"
                raise ValueError(f"{name} has {what}; give {length} finite numbers, one per {name[:3]}.")
            total = numbers[places] + (0.0 if total is None else total)
        return total


def say_absent(model: Any, loss: Any, observed: Observed) -> None:
    """Note classes that nobody chose: closed up, or kept with a chance close to 0 where the user names them."""
    if loss.lowest is None or loss.levels is None:
        return
    first, last = loss.range
    classes = np.arange(first, last + 1.0)
    absent = classes[~np.isin(classes, observed.values)]
    if len(absent) and (loss.values is not None or absent[0] < last):
        which = ", ".join(f"{value:g}" for value in absent)
        model._warn(
            f"nobody chose class {which} of {first:g} to {last:g}: "
            + (
                "the classes beside it are taken for neighbours, and its chance is 0. Where it may still be chosen, "
                f"number the classes from 1 and use family='ordinal({len(classes)})'."
                if loss.values is not None
                else "its chance is close to 0 everywhere."
            )
        )


def checked_input(
    model: Any, R: Any, trials: Any, offsets: Offsets | None = None
) -> tuple[Observed, Loss, Array | None]:
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
    observed, offset = judged(observed, loss, trials, offsets)
    if has_classes(loss):
        say_absent(model, loss, observed)
    return observed, loss, offset


def judged(observed: Observed, loss: Loss, trials: Any, offsets: Offsets | None) -> tuple[Observed, Array | None]:
    """Entries that the loss can judge, and their offsets; entries of weight 0 are not observations.

    Known totals turn counts into shares with the totals as weights, which has the same likelihood.
    """
    totals = per_entry(trials, observed, "trials")
    known = None if offsets is None else offsets.per_entry(observed)
    if totals is None:
        check_columns(observed, loss)
    else:
        observed = _shares(observed, loss, totals)
    if observed.weights is None or observed.weights.all():
        return observed, known
    counts = observed.weights > 0
    if not counts.any():
        raise ValueError("all entries have weight 0; nothing was observed.")
    return observed.select(counts), None if known is None else known[counts]


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


def dispersion_of(passes: EntryPasses, final: FactorPoint) -> float:
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
