"""Second moments as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.methods.moment.rank import products

# A square array beyond this many cells is not made; ask for pairs.
MOST_CELLS = 100_000_000


def second_moment(model: Any, pairs: tuple[IntArray, IntArray] | None, kind: str) -> FloatArray:
    """Of pairs, or of all columns; nan where a column was never seen."""
    X = model.components_.T
    d = len(X)
    i: IntArray
    j: IntArray
    if pairs is None:
        if d * d > MOST_CELLS:
            raise ValueError(f"a second moment of {d} x {d} is too large to be made; ask for pairs")
        i, j = (part.ravel() for part in np.indices((d, d)))
        values = (X @ X.T).ravel()
    else:
        i, j = pairs
        values = products(X, i, j)
    values = np.asarray(values, dtype=X.dtype)
    if kind == "with_psi":
        noise = model.column_noise_
        values = values + np.where(i == j, noise[i], 0.0).astype(X.dtype)
    if kind == "assembled":
        moments = raw_moments(model, "second_moment(kind='assembled')")
        held = moments.at(i, j)
        raw = np.divide(held.sums, held.counts, out=np.zeros(len(values)), where=held.counts > 0)
        values = np.where(held.counts > 0, raw, values).astype(X.dtype)
    if model.diagnostics_ is not None:
        unseen = model.diagnostics_.unseen
        values = np.where(unseen[i] | unseen[j], np.nan, values).astype(X.dtype)
    return values.reshape(d, d) if pairs is None else values


def raw_moments(model: Any, name: str) -> Any:
    """The moments of the rows, which a private model does not have."""
    if model.privacy is not None:
        raise ValueError(f"{name} is refused under privacy: a private model keeps noisy sums only (release_)")
    return model.moments_
