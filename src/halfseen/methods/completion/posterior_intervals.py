"""Intervals from posterior draws: of expected values, and of values not seen yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from halfseen._typing import FloatArray, IntArray, Labels
from halfseen.inference import Intervals, normal_quantile

if TYPE_CHECKING:
    from halfseen.methods.completion.bayesian import BayesianFactorization

CLAIM = "Bayesian: holds on average over the posterior distribution"


class PosteriorInference:
    r"""Uncertainty of a fitted `BayesianFactorization`; made by its method ``inference``.

    Parameters
    ----------
    model : BayesianFactorization
    level : float

    Notes
    -----
    Intervals are means plus and minus normal quantiles of posterior standard deviations: with :math:`S` draws these are
    far better known than the outermost draws. Two entries of one row are dependent; the intervals are elementwise.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> rng = np.random.default_rng(0)
    >>> table = np.add.outer(rng.normal(size=20), rng.normal(size=15)) + 0.1 * rng.normal(size=(20, 15))
    >>> i = hs.BayesianFactorization(rank=1, max_iter=50, random_state=0).fit(table).inference(level=0.9)
    >>> cell, answer = i.entries([0], [3]), i.responses([0], [3])
    >>> bool(cell.width[0] < answer.width[0])
    True
    """

    def __init__(self, model: BayesianFactorization, level: float) -> None:
        if not 0 < level < 1:
            raise ValueError(f"level={level!r} must lie between 0 and 1, such as 0.95.")
        self._model, self.level, self.claim = model, float(level), CLAIM

    def __repr__(self) -> str:
        return f"PosteriorInference({len(self._model.draws_)} draws, level {self.level:g})"

    def entries(self, rows: Any, cols: Any, kind: str = "mean") -> Intervals:
        r"""Credible intervals of expected values, elementwise pairs, seen or not.

        Parameters
        ----------
        rows, cols : labels (or positions), elementwise pairs; one may be a single one
        kind : {"mean", "linear"}
            "linear" leaves out the model's bounds (``clip``); of yes/no answers it means their log odds.

        Notes
        -----
        Of yes/no answers the probabilities: the posterior mean, between the ends of the interval of the log odds.
        """
        if kind not in ("mean", "linear"):
            raise ValueError(f"kind={kind!r} is not known; use 'mean' or 'linear'.")
        i, j = self._pairs(rows, cols)
        mean, variance = self._model.draws_.moments(i, j)
        return self._intervals("expected value", mean, variance.astype(float), (i, j), "interval", kind == "mean")

    def responses(self, rows: Any, cols: Any, weights: Any = None) -> Intervals:
        r"""Predictive intervals of single values not seen yet, elementwise pairs.

        .. math:: \mathrm{var} = \mathrm{var}_s(m^s_{ij}) + \mathrm{mean}_s(1/\tau_s) / w

        Parameters
        ----------
        rows, cols : as in :meth:`entries`
        weights : array_like, optional
            Of the values to come, where the table had weights; 1 otherwise.

        Raises
        ------
        ValueError
            For yes/no answers, whose prediction is a probability, and for weights that are not positive.
        """
        if self._model.family != "gaussian":
            raise ValueError("a single yes/no answer has no interval: entries() gives its probability with one")
        i, j = self._pairs(rows, cols)
        mean, variance = self._model.draws_.moments(i, j)
        share = 1.0 if weights is None else np.asarray(weights, dtype=float)
        if np.any(~(np.asarray(share) > 0)):
            raise ValueError("weights must be positive: a value of weight 0 has no distribution")
        noise = self._model.noise_sd_**2 / share
        return self._intervals("response", mean, variance + noise, (i, j), "prediction", True)

    def row_factors(self, component: int | None = None) -> Intervals:
        """Posterior means and intervals of the rows' factors in the frame of the draws, (n, rank) or one component."""
        return self._factors("row", component)

    def col_factors(self, component: int | None = None) -> Intervals:
        """As :meth:`row_factors`, of the columns."""
        return self._factors("col", component)

    def _factors(self, side: str, component: int | None) -> Intervals:
        draws = getattr(self._model.draws_, f"{side}s")[:, :, :-1]
        labels: dict[str, Any] = {side: self._labels(side)[:, None], "component": np.arange(draws.shape[2])}
        if component is not None:
            draws, labels = draws[:, :, [component]], {side: labels[side], "component": np.array([component])}
        mean, sd = draws.mean(axis=1), draws.std(axis=1, ddof=1)
        return Intervals.symmetric(f"{side} factors", mean, sd, self.level, labels, claim=self.claim)

    def _intervals(
        self, name: str, mean: FloatArray, variance: FloatArray, at: tuple[IntArray, IntArray], what: str, bounded: bool
    ) -> Intervals:
        model, q = self._model, normal_quantile(self.level)
        sd: FloatArray = np.sqrt(variance)
        centre: FloatArray = mean + mean.dtype.type(model.mean_)
        low: FloatArray = centre - q * sd
        high: FloatArray = centre + q * sd
        if bounded and model.family != "gaussian":
            centre = model.loss_.mean(model._linear_pairs(*at))
            low, high = model.loss_.mean(low), model.loss_.mean(high)
        elif bounded:
            centre, low, high = model._bounded(centre), model._bounded(low), model._bounded(high)
        labels = {"row": self._labels("row")[at[0]], "col": self._labels("col")[at[1]]}
        return Intervals(name, centre, sd, low, high, self.level, labels, self.claim, what, quantile=q)

    def _labels(self, side: str) -> Labels:
        labels = getattr(self._model, f"{side}_labels_")
        return np.arange(self._model.observed_shape_[side == "col"]) if labels is None else labels

    def _pairs(self, rows: Any, cols: Any) -> tuple[IntArray, IntArray]:
        i, j = self._model._positions(rows, "row"), self._model._positions(cols, "column")
        if len(i) != len(j) and 1 not in (len(i), len(j)):
            raise ValueError(f"rows and cols are pairs, but {len(i)} rows and {len(j)} cols were given")
        i, j = np.broadcast_arrays(i, j)
        return i, j
