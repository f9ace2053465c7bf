"""Marginal likelihood of the items' and the population's parameters, the rows' abilities integrated out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from halfseen._typing import FloatArray, IntArray
from halfseen.engines import resolve
from halfseen.kernels import response_expectations, response_scores
from halfseen.methods.response.rows_answers import AnswerTable
from halfseen.methods.response.rows_items import ItemLayout
from halfseen.methods.response.rows_map import IndexMap
from halfseen.methods.response.rows_population import Grid, Population
from halfseen.methods.response.rows_prior import ItemPrior

# Numbers that a block of rows may hold for itself when it asks for posteriors or scores: 3 MB.
NUMBERS_AT_ONCE = 400_000
# Up to so many numbers an information matrix of blocks is dense: to put together a sparse one takes longer.
MOST_DENSE_BLOCKS = 256


@dataclass(frozen=True)
class Expectation:
    """What one pass over the answers gives.

    Attributes
    ----------
    log_likelihood : float
    counts : ndarray (n_lines, G) or None
        Expected answers of each class at each node.
    mass : ndarray (n_groups, G) or None
    scores : ndarray (n_population,)
        Of the population's parameters.
    """

    log_likelihood: float
    counts: Any
    mass: Any
    scores: FloatArray


@dataclass(frozen=True)
class RowsPart:
    """Some rows and what the posterior says of them."""

    rows: slice
    frequency: FloatArray
    log_likelihood: FloatArray
    moments: FloatArray
    posterior: FloatArray


@dataclass(frozen=True)
class RowsLikelihood:
    """The likelihood of one table at one grid of nodes.

    Attributes
    ----------
    table : AnswerTable
    layout : ItemLayout
    population : Population
    grid : Grid
    index : IndexMap
        From the free numbers to all: the items', then the population's.
    prior : ItemPrior
        Of the items' parameters.
    covariates : ndarray (n, q) or None
        Centred.
    engine : str, Engine or None
    """

    table: AnswerTable
    layout: ItemLayout
    population: Population
    grid: Grid
    index: IndexMap
    prior: ItemPrior
    covariates: FloatArray | None = None
    engine: Any = None

    def split(self, full: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The items' numbers and the population's."""
        return full[: self.layout.n_params], full[self.layout.n_params :]

    @property
    def n_full(self) -> int:
        return self.layout.n_params + self.population.n_params

    def with_rows(self, rows: IntArray) -> RowsLikelihood:
        """Of some rows alone."""
        Z = None if self.covariates is None else self.covariates[rows]
        return replace(self, table=self.table.take(rows), covariates=Z)

    def part(self, block: tuple[int, int]) -> RowsLikelihood:
        """The same problem of consecutive rows, without a copy."""
        rows, table = slice(*block), self.table
        cut = lambda a: None if a is None else a[rows]  # noqa: E731
        own = replace(table, responses=table.rows(*block), frequency=cut(table.frequency), groups=cut(table.groups))
        return replace(self, table=own, covariates=cut(self.covariates))

    def _given(self, rows: slice, population: FloatArray) -> tuple[dict[str, Any], FloatArray | float]:
        """What the kernel needs of some rows, and what is to be added to their log-likelihoods."""
        table = self.table
        own: dict[str, Any] = {
            "positions": self.grid.positions,
            "groups": None if table.groups is None else table.groups[rows],
            "frequency": None if table.frequency is None else table.frequency[rows],
        }
        if self.covariates is None:
            return own, 0.0
        own["tilt"], missing = self.population.tilts(population, own["groups"], self.covariates[rows])
        return own, missing

    def expectation(self, full: FloatArray, log: FloatArray, counts: bool = True) -> Expectation:
        """One pass over all answers with log-probabilities ``log``; sums have the same bits on any engine."""
        _, population = self.split(full)
        weights = self.population.log_weights(population, self.grid)
        moves = self.covariates is not None

        def block_sums(block: tuple[int, int]) -> Expectation:
            rows = slice(*block)
            given, missing = self._given(rows, population)
            outputs = {"mass": np.zeros_like(weights)}
            if counts:
                outputs["counts"] = np.zeros_like(log)
            if moves:
                outputs["moments"] = np.empty((block[1] - block[0], 2))
            value = response_expectations(self.table.rows(*block), log, weights, outputs=outputs, **given)
            scores = np.zeros(self.population.n_params)
            if moves:
                f = given["frequency"]
                Z = self.covariates[rows]  # type: ignore[index]
                by_row = self.population.row_scores(population, given["groups"], Z, outputs["moments"])
                scores = by_row.sum(axis=0) if f is None else f @ by_row
                value += float(np.sum(missing if f is None else f * missing))
            return Expectation(value, outputs.get("counts"), outputs["mass"], scores)

        parts = resolve(self.engine).map(block_sums, self.table.blocks())
        total = next(parts)
        for part in parts:
            total = Expectation(
                total.log_likelihood + part.log_likelihood,
                None if part.counts is None else total.counts + part.counts,
                total.mass + part.mass, total.scores + part.scores,
            )  # fmt: skip
        if not moves:
            scores = self.population.mass_gradient(population, total.mass, self.grid)
            total = replace(total, scores=scores)
        return total

    def value(self, free: FloatArray) -> float:
        """Minus the log-likelihood, less the log prior."""
        full = self.index.full(free)
        items, _ = self.split(full)
        log = self.layout.table(items, self.grid.nodes)
        return -self.expectation(full, log, counts=False).log_likelihood - self.prior.value(items)

    def value_and_gradient(self, free: FloatArray) -> tuple[float, FloatArray]:
        """The same with its gradient (Fisher's identity: the expected complete-data gradient)."""
        full = self.index.full(free)
        items, _ = self.split(full)
        log, derivatives = self.layout.derivatives(items, self.grid.nodes)
        at = self.expectation(full, log)
        value = -at.log_likelihood - self.prior.value(items)
        return value, -self.index.back(self.gradient(items, at, derivatives))

    def gradient(self, items: FloatArray, at: Expectation, derivatives: FloatArray) -> FloatArray:
        """Gradient of the log posterior with respect to all numbers."""
        own = self.layout.gradient(at.counts, derivatives) + self.prior.gradient(items)
        return np.concatenate([own, at.scores])

    def prior_information(self) -> FloatArray:
        """Diagonal (n_full,) that the prior adds to any information."""
        return np.concatenate([self.prior.precision, np.zeros(self.population.n_params)])

    def complete_information(self, full: FloatArray, at: Expectation, log: Any, derivatives: Any) -> Any:
        """Information (n_full, n_full) if the abilities were known, the prior's included; sparse with many numbers."""
        _, population = self.split(full)
        blocks = self.layout.complete_blocks(at.counts, log, derivatives)
        gram = None
        if self.covariates is not None:
            f = self.table.frequency
            gram = self.covariates.T @ (self.covariates if f is None else f[:, None] * self.covariates)
        people = at.mass.sum(axis=1)
        own = self.population.complete_information(population, people, gram)
        P = self.layout.n_params
        if self.n_full <= MOST_DENSE_BLOCKS:
            dense = self.layout.assemble(blocks, self.n_full, is_dense=True)
            dense[P:, P:] += own
            dense[np.diag_indices(self.n_full)] += self.prior_information()
            return dense
        corner = sparse.block_diag([sparse.csr_array((P, P)), own], format="csr")
        return self.layout.assemble(blocks, self.n_full) + corner + sparse.diags_array(self.prior_information())

    def parts(self, full: FloatArray, log: FloatArray, per_row: int = 0, limit: int = NUMBERS_AT_ONCE) -> Any:
        """Posteriors of all rows, a block at a time; ``per_row`` further numbers are wanted, at most ``limit`` in all.

        Yields
        ------
        RowsPart
        """
        _, population = self.split(full)
        weights = self.population.log_weights(population, self.grid)
        size = max(1, limit // (self.grid.size + per_row))
        for first in range(0, self.table.n_rows, size):
            last = min(first + size, self.table.n_rows)
            rows = slice(first, last)
            given, missing = self._given(rows, population)
            n = last - first
            outputs = {"log_likelihood": np.empty(n), "moments": np.empty((n, 2)),
                       "posterior": np.empty((n, self.grid.size))}  # fmt: skip
            response_expectations(self.table.rows(first, last), log, weights, outputs=outputs, **given)
            f = given["frequency"] if given["frequency"] is not None else np.ones(n)
            yield RowsPart(rows, f, outputs["log_likelihood"] + missing, outputs["moments"], outputs["posterior"])

    def row_scores(self, full: FloatArray) -> Iterator[tuple[RowsPart, FloatArray]]:
        """Scores (rows, n_full) of all numbers, a block of rows at a time."""
        items, population = self.split(full)
        log, derivatives = self.layout.derivatives(items, self.grid.nodes)
        places = self.layout.derivative_places(derivatives)
        P = self.layout.n_params
        for part in self.parts(full, log, self.n_full):
            rows = part.rows
            out = np.empty((rows.stop - rows.start, P))
            response_scores(self.table.rows(rows.start, rows.stop), part.posterior, places, out)
            groups = None if self.table.groups is None else self.table.groups[rows]
            Z = None if self.covariates is None else self.covariates[rows]
            yield part, np.hstack([out, self.population.row_scores(population, groups, Z, part.moments)])

    def cross_product(self, free: FloatArray) -> FloatArray:
        """Sum of the outer products of the rows' scores of the free numbers, the prior's information included."""
        out = np.zeros((self.index.n_free, self.index.n_free))
        for part, scores in self.row_scores(self.index.full(free)):
            own = np.asarray((self.index.matrix.T @ scores.T).T) * np.sqrt(part.frequency)[:, None]
            out += own.T @ own
        out[np.diag_indices(len(out))] += self.index.back(self.prior_information())
        return out
