"""Random responses at cells of a fitted table, from the intervals that a model states of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.losses import at_columns

WAY = (
    "take a model with a posterior (it draws for any table) or with intervals of entries (for the table of the fit), "
    "or use complete()"
)


def drawn_responses(
    model: Any, rows: IntArray | None, cols: IntArray, n_draws: int, rng: np.random.Generator
) -> FloatArray:
    r"""Draws of single values at cells, each from its own predictive distribution.

    :math:`\tilde m = \hat m + \mathrm{se}\,z` with a normal z, then a response of the model's family at
    :math:`\tilde m`.

    Parameters
    ----------
    model : fitted estimator
        ``model.inference().entries(rows, cols, kind="linear")`` gives estimates and standard errors.
    rows, cols : positions of cells
        None: rows that are not of the fit, for which nothing is stated.
    n_draws : int
    rng : Generator

    Returns
    -------
    ndarray (n_draws, n_cells)

    Raises
    ------
    ValueError
        For a model that states no intervals of entries.
    """
    name = type(model).__name__
    if not hasattr(model, "inference"):
        raise ValueError(f"{name} has neither a posterior nor intervals to draw from; {WAY}")
    if rows is None:
        raise ValueError(f"{name} states intervals for the table of the fit only, and this is another one; {WAY}")
    try:
        entries = model.inference().entries
    except (TypeError, AttributeError) as error:
        raise ValueError(f"{name} states no intervals of entries to draw from; {WAY}") from error
    named = (
        places if labels is None else labels[places]
        for places, labels in ((rows, model.row_labels_), (cols, model.col_labels_))
    )
    stated, loss = entries(*named, kind="linear"), at_columns(model.loss_, cols)
    linear = stated.estimate + stated.se * rng.standard_normal((n_draws, len(cols)))
    dispersion = float(getattr(model, "dispersion_", 1.0)) if loss.has_dispersion else 1.0
    draws = [loss.sample(model._bounded(line.astype(stated.estimate.dtype)), rng, dispersion) for line in linear]
    return np.stack(draws)
