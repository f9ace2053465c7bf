"""Intervals from the posterior of many sources: cells, values, scores, loadings, and further rows."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.special import ndtri

from halfseen._typing import BoolArray, FloatArray, IntArray, Labels, RandomState
from halfseen.data import as_observed
from halfseen.data.labels import find_labels, find_positions
from halfseen.errors import close_matches
from halfseen.inference import NotStated, TableInference, TableNames
from halfseen.inference.intervals import Intervals
from halfseen.many.filling import cells_of
from halfseen.methods.heterogeneous.posterior.result import SourcesPosterior
from halfseen.methods.heterogeneous.posterior.state import SampleScores
from halfseen.parameters import BadArgument

CLAIM = "credible: given the model of the fit (normal factors and loadings) and its estimated noise and ridges"
KINDS = ("mean", "linear")
APART = "errors of different cells lean on the same loadings, and the posterior keeps no joint law of them"


class SourcesInference(TableInference):
    """Intervals from the posterior of `HeterogeneousFactorization`; made by its ``inference()``.

    Parameters
    ----------
    posterior : SourcesPosterior
    level : float
    row_labels : array or None
    col_labels : dict from source name to array or None
    placed : SampleScores, optional
        Of other rows than those of the fit.
    random_state : int, Generator or None
    library : {"pyarrow", "pandas", "polars"}

    Notes
    -----
    ``rows()`` are scores on the factors, ``columns(source=...)`` loadings. Every cell belongs to a source: say which
    with ``source=``; where there is only one, it need not be said.
    """

    _refusals: ClassVar[dict[str, str]] = {
        "scores": "means over cells of several sources have no common unit; ask for rows(), the scores on the factors",
        "differences": APART,
        "ranks": "which way a factor points is a convention",
        "contrast": APART,
        "band": APART,
    }

    def __init__(
        self, posterior: SourcesPosterior, level: float, row_labels: Labels | None, col_labels: dict[str, Any],
        placed: SampleScores | None = None, random_state: RandomState = 0, library: str = "pyarrow",
    ) -> None:  # fmt: skip
        self.posterior, self.col_labels = posterior, col_labels
        self._scores = posterior.rows if placed is None else placed
        n, p = len(self._scores.mean), sum(len(fit.loadings.mean) for fit in map(posterior._fit, posterior.names))
        super().__init__(TableNames((n, p), row_labels), level, CLAIM, 1000, random_state, library)

    def _note(self) -> str:
        return f", {len(self.posterior.names)} sources"

    def entries(self, rows: Any, cols: Any, kind: str = "mean", *, source: str | None = None) -> Intervals:
        """Intervals of the expected values of cells, elementwise pairs ``(rows[t], cols[t])``, seen or not.

        Parameters
        ----------
        rows, cols : labels or positions
        kind : {"mean", "linear"}
            On the scale of the data, or of the linear predictor.
        source : str, optional
            Whose cells; need not be said of a single source.

        Returns
        -------
        Intervals
            Ends of bernoulli and poisson means are those of the linear predictor, mapped.
        """
        if kind not in KINDS:
            raise BadArgument("kind", kind, f"one of {', '.join(map(repr, KINDS))}")
        name, i, j, labels = self._cells(rows, cols, source)
        fit = self.posterior._fit(name)
        linear, variance, _ = self.posterior.cells(name, i, j, self._scores)
        se = np.sqrt(variance)
        if kind == "linear" or fit.family.has_noise:
            quantile = self._quantile(fit.degrees)[j] if fit.family.has_noise else float(ndtri(0.5 + 0.5 * self.level))
            return self._stated(f"cells of {name}", linear, se, quantile, labels)
        move = float(ndtri(0.5 + 0.5 * self.level)) * se
        mean, low, high = (fit.family.mean(numbers) for numbers in (linear, linear - move, linear + move))
        step = 1e-4
        slope = (fit.family.mean(linear + step) - fit.family.mean(linear - step)) / (2.0 * step)
        return Intervals(
            f"cells of {name}", mean, slope * se, low, high, self.level, labels, CLAIM, library=self.library
        )

    def responses(self, rows: Any, cols: Any, *, source: str | None = None) -> Intervals:
        """Prediction intervals of values not yet seen, noise included, elementwise pairs; gaussian sources only.

        Parameters
        ----------
        rows, cols : labels or positions
        source : str, optional
        """
        name, i, j, labels = self._cells(rows, cols, source)
        fit = self.posterior._fit(name)
        if not fit.family.has_noise:
            raise NotStated(
                f"{type(self).__name__} states no responses of {name!r}: prediction intervals are for families with "
                f"noise, and this is {fit.family.name}; ask for entries()."
            )
        linear, variance, noise = self.posterior.cells(name, i, j, self._scores)
        quantile = self._quantile(fit.degrees)[j]
        return self._stated(f"values of {name}", linear, np.sqrt(variance + noise), quantile, labels, "prediction")

    def missing(self, table: Any, *, source: str | None = None) -> Intervals:
        """Intervals of all cells that a source's table lacks, row by row: of values, or of means without a noise.

        Parameters
        ----------
        table : table over these rows and the source's columns
            Found by label where both have labels.
        source : str, optional
            Whose table it is.

        Returns
        -------
        Intervals
            As :meth:`responses` gives them, or, for bernoulli and poisson sources, :meth:`entries`.
        """
        name = self._source(source)
        own, fit = self.col_labels[name], self.posterior._fit(name)
        given = as_observed(table, name="table")
        shape = self.names.shape[0], len(fit.loadings.mean)
        i, j, _ = cells_of(given, name, shape, self.names.rows, own)
        rows, cols = self.names.labels(0)[i], _labels(own, shape[1])[j]
        asked = self.responses if fit.family.has_noise else self.entries
        return asked(rows, cols, source=name)

    def rows(self, component: int | None = None) -> Intervals:
        """Intervals of the rows' scores on all factors (n, K), in the axes of the fit, or on one factor (from 0)."""
        from dataclasses import replace

        here = replace(self.posterior, rows=self._scores)
        estimate, se = here.scores, here.scores_se
        labels = {"row": self.names.labels(0)[:, None], "factor": np.array(self.posterior.factor_names)}
        estimate, se, labels = self._of_component(component, estimate, se, labels)
        quantile = float(ndtri(0.5 + 0.5 * self.level))
        return self._stated("scores", estimate, se, quantile, labels)

    def columns(self, component: int | None = None, *, source: str | None = None) -> Intervals:
        """Intervals of a source's loadings on all factors (p, K), in the units of the data, or on one factor.

        Exactly 0 where the source takes no part.

        Parameters
        ----------
        component : int, optional
            From 0.
        source : str, optional
        """
        name = self._source(source)
        estimate, se = self.posterior.loadings(name), self.posterior.loadings_se(name)
        labels = {
            "col": _labels(self.col_labels[name], len(estimate))[:, None],
            "factor": np.array(self.posterior.factor_names),
        }
        quantile = self._quantile(self.posterior._fit(name).degrees)[:, None]
        if component is not None:
            quantile = quantile[:, 0]
        estimate, se, labels = self._of_component(component, estimate, se, labels)
        return self._stated(f"loadings of {name}", estimate, se, quantile, labels)

    def predict_table(self, source: str | None = None) -> FloatArray:
        """Expected values of all cells of a source for these rows (n, p)."""
        name = self._source(source)
        return self.posterior._fit(name).family.mean(self.posterior.linear(name, self._scores))

    # ---- inside ------------------------------------------------------------------------------------------------

    def _stated(
        self, what: str, estimate: FloatArray, se: FloatArray, quantile: Any, labels: dict[str, Labels],
        kind: str = "interval",
    ) -> Intervals:  # fmt: skip
        move = quantile * se
        return Intervals(
            what, estimate, se, estimate - move, estimate + move, self.level, labels, CLAIM, kind, library=self.library
        )

    def _of_component(self, component: int | None, estimate: FloatArray, se: FloatArray, labels: Any) -> Any:
        if component is None:
            return estimate, se, labels
        if not 0 <= component < estimate.shape[1]:
            raise BadArgument("component", component, f"a factor from 0 to {estimate.shape[1] - 1}")
        side = next(iter(labels))
        return estimate[:, component], se[:, component], {side: labels[side][:, 0]}

    def _quantile(self, degrees: FloatArray) -> FloatArray:
        """Student's t: the columns' noise is estimated."""
        from scipy.special import stdtrit

        normal = float(ndtri(0.5 + 0.5 * self.level))
        is_endless: BoolArray = ~np.isfinite(degrees)
        return np.where(is_endless, normal, stdtrit(np.where(is_endless, 1e6, degrees), 0.5 + 0.5 * self.level))

    def _source(self, name: str | None) -> str:
        names = list(self.posterior.names)
        if name is None and len(names) == 1:
            return str(names[0])
        if name is None:
            raise BadArgument("source", None, f"the source that is meant, one of {', '.join(map(repr, names))}")
        if name not in names:
            raise ValueError(f"no source {name!r}; {close_matches(name, names)}")
        return name

    def _cells(self, rows: Any, cols: Any, source: str | None) -> tuple[str, IntArray, IntArray, dict[str, Labels]]:
        name = self._source(source)
        own, p = self.col_labels[name], len(self.posterior._fit(name).loadings.mean)
        i = self.names.positions(rows, 0)
        j = find_positions(p, cols, "column") if own is None else find_labels(own, cols, "column")
        i, j = np.broadcast_arrays(i, j)
        return name, i, j, {"row": self.names.labels(0)[i], "col": _labels(own, p)[j]}


def _labels(labels: Any, n: int) -> Any:
    return np.arange(n) if labels is None else np.asarray(labels)
