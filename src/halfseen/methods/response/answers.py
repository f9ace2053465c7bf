"""Yes/no answers, pass rates and counts out of N as shares of success."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen.data import Observed
from halfseen.data.checks import cell
from halfseen.errors import shown
from halfseen.losses import Binomial, Loss
from halfseen.methods.factor.checks import per_entry


def as_shares(R: Observed, loss: Loss, trials: Any, what: str) -> Observed:
    """Entries of positive weight, with answers as shares in [0, 1].

    Parameters
    ----------
    R : Observed
    loss : Loss
    trials : as in ``fit``
    what : str
        Who asks, for the error.

    Raises
    ------
    ValueError
        For another family than bernoulli or binomial, and for answers outside the range.
    """
    if not isinstance(loss, Binomial):
        raise ValueError(
            f"{what} needs yes/no answers or pass rates (family='bernoulli') or counts out of N "
            f"(family='binomial(N)'), not family={loss.name!r}."
        )
    totals = per_entry(trials, R, "trials")
    if totals is not None and loss.trials != 1.0:
        raise ValueError(f"trials= goes with family='bernoulli', not with family={loss.name!r}, which has its own.")
    top = loss.trials if totals is None else totals
    values = np.asarray(R.values, dtype=float)
    if not np.all(np.asarray(top) > 0):
        raise ValueError("trials must be above 0.")
    bad = ~((values >= 0) & (values <= top))
    if bad.any():
        first = int(bad.argmax())
        place = cell("R", int(R.rows[first]), int(R.cols[first]), R.row_labels, R.col_labels)
        end = float(np.broadcast_to(top, values.shape)[first])
        raise ValueError(
            f"{int(bad.sum())} answers lie outside [0, {end:g}], first {place} = {shown(values[first])}; give shares "
            "of right answers, or counts with family='binomial(N)' or trials=."
        )
    R = R.with_values(values / top, weights=R.weights)
    return R if R.weights is None or R.weights.all() else R.select(R.weights > 0)
