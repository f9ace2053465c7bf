"""Whether several chains tell the same story."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from halfseen._typing import FloatArray
from halfseen.methods.completion.posterior import PosteriorDraws

# Cells looked at; the draws of a chain below which its halves tell nothing; and what counts as disagreement.
CELLS, LEAST_DRAWS, TOO_LARGE, SHARE = 500, 8, 1.1, 0.05


def potential_scale_reduction(draws: PosteriorDraws, n_chains: int) -> FloatArray | None:
    r"""Split :math:`\hat R` of the expected values of randomly chosen cells.

    .. math:: \hat R = \sqrt{\frac{(h - 1) W / h + B / h}{W}}

    with B the variance between, W within the halves of h draws of all chains.

    Parameters
    ----------
    draws : PosteriorDraws
        Of all chains, one after the other, each of as many draws.
    n_chains : int

    Returns
    -------
    ndarray (at most 500,), or None for a single chain and for chains that ended early

    Notes
    -----
    Source: Gelman et al., Bayesian Data Analysis (third edition), section 11.4.
    """
    half = len(draws) // n_chains // 2
    if n_chains < 2 or len(draws) % n_chains or half < LEAST_DRAWS // 2:
        return None
    rng = np.random.default_rng(0)
    i, j = (rng.integers(len(side), size=CELLS) for side in (draws.rows, draws.cols))
    values = np.concatenate([drawn for _, drawn in draws.at(i, j)]).astype(float)
    chains = values.reshape(CELLS, n_chains, -1)
    parts = np.concatenate([chains[:, :, :half], chains[:, :, -half:]], axis=1)
    within = parts.var(axis=2, ddof=1).mean(axis=1)
    between = half * parts.mean(axis=2).var(axis=1, ddof=1)
    ratio = ((half - 1) / half * within + between / half) / np.where(within > 0, within, 1.0)
    return np.sqrt(np.where(within > 0, ratio, 1.0))


def tell_of_chains(model: Any) -> None:
    """Warn where chains disagree."""
    r_hat = model.r_hat_
    if r_hat is None:
        return
    share = float(np.mean(r_hat > TOO_LARGE))
    if share > SHARE:
        model._warn(
            f"the {model.n_chains} chains do not agree yet: R-hat of {100 * share:.0f} % of expected values is above "
            f"{TOO_LARGE}; raise burn_in and max_iter, now {model.burn_in} and {model.max_iter}",
            ConvergenceWarning,
        )
