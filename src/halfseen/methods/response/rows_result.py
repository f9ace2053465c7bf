"""What a fit with integrated rows leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.data.storable import storable
from halfseen.methods.response.rows_answers import AnswerTable
from halfseen.methods.response.rows_covariance import Covariance
from halfseen.methods.response.rows_items import ItemLayout
from halfseen.methods.response.rows_likelihood import RowsLikelihood
from halfseen.methods.response.rows_map import IndexMap
from halfseen.methods.response.rows_population import Grid, Population
from halfseen.methods.response.rows_prior import ItemPrior
from halfseen.solvers import Run

# The empirical prior, where the median column has fewer answers: at 150 it makes no difference.
ANSWERS_FOR_NO_PRIOR = 150


@storable
@dataclass(frozen=True)
class RowsFit:
    """A fitted model; arrays over items are in the order of ``columns``.

    Attributes
    ----------
    layout : ItemLayout
    kinds : tuple of str
        As asked for, per item.
    columns : int ndarray (p,)
        Columns of the table that the items are.
    flags : dict
        Columns with nothing to estimate, and why: "all right", "all wrong" (intercepts of plus and minus infinity),
        "one value", "no answers"; and items with "negative slope" or "runaway slope".
    categories : tuple of ndarrays
        Answers that the classes stand for.
    params : ndarray (n_params + n_population,)
        All numbers: the items', then the population's.
    index : IndexMap
    free : ndarray (n_free,)
    covariance : Covariance
        Of the free numbers.
    population : Population
    covariate_means : ndarray (q,)
    grid : Grid
    prior : ItemPrior
    prior_kind : {"none", "empirical"}
    log_likelihood : float
    n_people, n_answers : float
    least_sd : float
        Least posterior standard deviation of an ability, which the nodes were checked against.
    run : Run
    notes, warnings : tuple of str
    """

    layout: ItemLayout
    kinds: tuple[str, ...]
    columns: IntArray
    flags: dict[int, str]
    categories: tuple[FloatArray, ...]
    params: FloatArray
    index: IndexMap
    free: FloatArray
    covariance: Covariance
    population: Population
    covariate_means: FloatArray
    grid: Grid
    prior: ItemPrior
    prior_kind: str
    log_likelihood: float
    n_people: float
    n_answers: float
    least_sd: float
    run: Run
    shape: tuple[int, int]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def n_free(self) -> int:
        return self.index.n_free

    @property
    def aic(self) -> float:
        """-2 log-likelihood + 2 numbers."""
        return -2.0 * self.log_likelihood + 2.0 * self.n_free

    @property
    def bic(self) -> float:
        """-2 log-likelihood + log(people) numbers."""
        return -2.0 * self.log_likelihood + float(np.log(self.n_people)) * self.n_free

    @property
    def is_rasch(self) -> bool:
        """Slopes are shown as 1, and the ability's spread is free."""
        return len(self.kinds) > 0 and all(kind == "rasch" for kind in self.kinds)

    @property
    def item_params(self) -> FloatArray:
        return self.params[: self.layout.n_params]

    @property
    def population_params(self) -> FloatArray:
        return self.params[self.layout.n_params :]

    def problem(self, table: AnswerTable, covariates: FloatArray | None = None, engine: Any = None) -> RowsLikelihood:
        """The likelihood of some answers to these items; ``covariates`` as given to the fit."""
        if covariates is None and self.population.n_covariates:
            raise ValueError("the model has a latent regression; give the covariates= of these rows.")
        Z = None if covariates is None else np.asarray(covariates, dtype=float).reshape(table.n_rows, -1)
        centred = None if Z is None else Z - self.covariate_means
        return RowsLikelihood(table, self.layout, self.population, self.grid, self.index, self.prior, centred, engine)


def chosen_prior(table: AnswerTable, wanted: str) -> str:
    """The empirical prior where columns have few answers."""
    if wanted != "auto":
        return wanted
    per_item = np.array([c.sum() for c in table.class_counts])
    return "empirical" if len(per_item) and np.median(per_item) < ANSWERS_FOR_NO_PRIOR else "none"
