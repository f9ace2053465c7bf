"""Intervals from the posterior: loadings, scores, cells, and further rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from halfseen._typing import FloatArray
from halfseen.data.labels import find_labels, find_positions
from halfseen.inference.intervals import Intervals
from halfseen.methods.heterogeneous.posterior.result import SourcesPosterior
from halfseen.methods.heterogeneous.posterior.state import Scores

CLAIM = "credible: given the model of the fit (normal factors and loadings) and its estimated noise and ridges"
KINDS = ("mean", "prediction")


@dataclass(frozen=True)
class PosteriorInference:
    """Intervals from the posterior of the Bayesian model.

    Attributes
    ----------
    posterior : SourcesPosterior
    level : float
    row_labels : array or None
    col_labels : dict from source name to array or None
    rows : Scores or None
        Of other rows than those of the fit.
    """

    posterior: SourcesPosterior
    level: float
    row_labels: Any
    col_labels: dict[str, Any]
    rows: Scores | None = None

    @property
    def _rows(self) -> Scores:
        return self.posterior.rows if self.rows is None else self.rows

    def scores(self) -> Intervals:
        """Scores of all factors, (n, K); in the axes of the fit."""
        rows, posterior = self._rows, self.posterior
        if self.rows is None:
            estimate, se = posterior.scores, posterior.scores_se
        else:
            from dataclasses import replace

            other = replace(posterior, rows=rows)
            estimate, se = other.scores, other.scores_se
        labels = {"row": _labels(self.row_labels, len(estimate))[:, None], "factor": np.array(posterior.factor_names)}
        return Intervals.symmetric("scores", estimate, se, self.level, labels, claim=CLAIM)

    def loadings(self, name: str) -> Intervals:
        """Loadings of a source on all factors, (p, K), in the units of the data; exactly 0 where it takes no part."""
        self._check(name)
        estimate, se = self.posterior.loadings(name), self.posterior.loadings_se(name)
        columns = _labels(self.col_labels[name], len(estimate))[:, None]
        labels = {"column": columns, "factor": np.array(self.posterior.factor_names)}
        move = self._quantile(self.posterior._fit(name).degrees)[:, None] * se
        return Intervals(
            f"loadings of {name}", estimate, se, estimate - move, estimate + move, self.level, labels, CLAIM
        )

    def cells(self, name: str, rows: Any, cols: Any, kind: str = "prediction") -> Intervals:
        """Cells of a source, elementwise pairs ``(rows[t], cols[t])`` of labels or positions.

        Parameters
        ----------
        name : str
        rows, cols : array_like
        kind : {"prediction", "mean"}
            Of a value that would be observed, noise included; or of its expectation. For families other than the
            gaussian only "mean".

        Returns
        -------
        Intervals
            On the scale of the data; ends of bernoulli and poisson means are those of the linear predictor, mapped.
        """
        self._check(name)
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {KINDS}, got {kind!r}")
        n, fit = len(self._rows.mean), self.posterior._fit(name)
        if kind == "prediction" and not fit.family.has_noise:
            raise ValueError(f"kind='prediction' is for families with noise, {name!r} is {fit.family.name}; use 'mean'")
        i, j = np.broadcast_arrays(
            _places(self.row_labels, n, rows, "row"),
            _places(self.col_labels[name], len(fit.loadings.mean), cols, "column"),
        )
        linear, variance, noise = self.posterior.cells(name, i, j, self._rows)
        se = np.sqrt(variance + (noise if kind == "prediction" else 0.0))
        labels = {"row": _labels(self.row_labels, n)[i], "column": _labels(self.col_labels[name], j.max() + 1)[j]}
        what = f"cells of {name}"
        if fit.family.has_noise:
            word = "prediction" if kind == "prediction" else "interval"
            move = self._quantile(fit.degrees)[j] * se
            return Intervals(what, linear, se, linear - move, linear + move, self.level, labels, CLAIM, word)
        move = float(ndtri(0.5 + 0.5 * self.level)) * se
        mean, low, high = (fit.family.mean(numbers) for numbers in (linear, linear - move, linear + move))
        step = 1e-4
        slope = (fit.family.mean(linear + step) - fit.family.mean(linear - step)) / (2.0 * step)
        return Intervals(what, mean, slope * se, low, high, self.level, labels, CLAIM)

    def table(self, name: str) -> FloatArray:
        """Expected values of all cells of a source for these rows (n, p)."""
        self._check(name)
        return self.posterior._fit(name).family.mean(self.posterior.linear(name, self._rows))

    def _quantile(self, degrees: FloatArray) -> FloatArray:
        """Student's t: the columns' noise is estimated."""
        from scipy.special import stdtrit

        normal = float(ndtri(0.5 + 0.5 * self.level))
        is_endless = ~np.isfinite(degrees)
        return np.where(is_endless, normal, stdtrit(np.where(is_endless, 1e6, degrees), 0.5 + 0.5 * self.level))

    def _check(self, name: str) -> None:
        if name not in self.posterior.names:
            from halfseen.errors import close_matches

            raise ValueError(f"no source {name!r}; {close_matches(name, list(self.posterior.names))}")


def _labels(labels: Any, n: int) -> Any:
    return np.arange(n) if labels is None else np.asarray(labels)


def _places(labels: Any, n: int, wanted: Any, what: str) -> Any:
    return find_positions(n, wanted, what) if labels is None else find_labels(labels, wanted, what)
