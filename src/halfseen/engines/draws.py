"""Draws of rows or columns from their Gaussian conditional distributions, spread over fixed blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen import kernels
from halfseen.engines.passes import EntryPasses

Array = NDArray[Any]


@dataclass(frozen=True)
class GaussianPrior:
    r"""Prior of the rows of one side: :math:`N(m, \Lambda^{-1})`.

    Attributes
    ----------
    mean : ndarray (k,)
    precision : ndarray (k, k)
    """

    mean: Array
    precision: Array


def draw_rows(
    passes: EntryPasses,
    axis: int,
    features: Array,
    noise: Array,
    *,
    precision: float,
    prior: GaussianPrior,
    minor_offset: Array | None = None,
) -> tuple[Array, float]:
    """Draw every row (``axis=0``) or column (``axis=1``) given the other side; see `kernels.row_draws`.

    Parameters
    ----------
    passes : EntryPasses
        Over the table, with the gaussian loss.
    features : ndarray (n_minor, k)
        Of the fixed side.
    noise : ndarray (n_major, k)
        Standard normal; zeros give the conditional means.
    precision : float
        Of one entry of weight 1.
    prior : GaussianPrior
    minor_offset : ndarray (n_minor,), optional
        Known part of the responses.

    Returns
    -------
    draws : ndarray (n_major, k)
    squares : float
        Sum of squared residuals there. Both have the same bits on any engine.
    """
    features, noise = passes._factor(features), passes._factor(noise)
    out, pull = np.empty_like(noise), prior.precision @ prior.mean
    given: dict[str, Any] = {"precision": precision, "prior": prior.precision, "pull": pull}
    given["col_offset"] = passes._cast(minor_offset)
    if axis and passes.is_frugal:
        parts = passes.column_parts

        def draw_part(block: tuple[int, int]) -> float:
            part = slice(*block)
            return float(kernels.row_draws(parts.build(part), features, noise[part], out=out[part], **given).value)

        return out, float(sum(passes.engine.map(draw_part, parts.ranges)))
    view, given["offset"] = passes.view(axis), passes._offset(axis)

    def draw(block: tuple[int, int]) -> float:
        done = kernels.row_draws(view, features, noise, start=block[0], stop=block[1], out=out, **given)
        return float(done.value)

    return out, float(sum(passes.engine.map(draw, passes.blocks(axis))))
