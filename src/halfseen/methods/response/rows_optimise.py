"""How the marginal likelihood is climbed: some EM steps, then L-BFGS preconditioned by an information matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse.linalg import splu

from halfseen._typing import FloatArray
from halfseen.methods.response.rows_likelihood import Expectation, RowsLikelihood
from halfseen.solvers import GradientNorm, LimitedMemory, Run, SweepResult, largest, loop

EM_STEPS, SCORING_STEPS, SCORING_TOL = 2, 5, 1e-5
MEMORY, REFRESH, LONGEST = 10, 6, 2.0
MAX_SWEEPS = 300
# The cross-product information is taken from so many rows, and only with so many rows per column and so few numbers.
ROWS_PER_NUMBER, MORE_ROWS = 50, 2000
ROWS_PER_COLUMN, MOST_DENSE = 4, 1500
# A larger table is first fitted on a part.
ROWS_IN_ONE_STAGE, PART_ROWS, PART_ROWS_PER_NUMBER = 20_000, 5000, 100

Solve = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Patience:
    """When a climb ends, and who watches it.

    Attributes
    ----------
    tol : float
        Largest entry of the gradient at which it ends, times the root of the number of people.
    max_iter : int
    watchers : tuple
        Told of every sweep.
    """

    tol: float
    max_iter: int = MAX_SWEEPS
    watchers: tuple[Any, ...] = ()

    def looser(self, factor: float) -> Patience:
        """The same with a larger ``tol``."""
        return replace(self, tol=factor * self.tol)


class EmStep:
    """One E step and a few scoring steps of the M step."""

    def __init__(self, problem: RowsLikelihood) -> None:
        self.problem = problem

    def __call__(self, free: FloatArray) -> SweepResult:
        p = self.problem
        full = p.index.full(free)
        items, _ = p.split(full)
        log, derivatives = p.layout.derivatives(items, p.grid.nodes)
        at = p.expectation(full, log)
        value = -at.log_likelihood - p.prior.value(items)
        norm = largest(p.index.back(p.gradient(items, at, derivatives)))
        scoring = Scoring(p, at, (log, derivatives))
        run = loop(scoring, free, [GradientNorm(SCORING_TOL)], max_iter=SCORING_STEPS)
        return SweepResult(run.params, value, norm)


class Scoring:
    """A step of Fisher scoring at fixed expected counts; needs no pass over the answers."""

    def __init__(self, problem: RowsLikelihood, at: Expectation, tables: Any) -> None:
        self.problem, self.at, self._tables = problem, at, tables

    def __call__(self, free: FloatArray) -> SweepResult:
        p = self.problem
        full = p.index.full(free)
        items, population = p.split(full)
        log, derivatives = self._tables or p.layout.derivatives(items, p.grid.nodes)
        self._tables = None
        at = self.at
        if p.covariates is None:
            at = replace(at, scores=p.population.mass_gradient(population, at.mass, p.grid))
        else:  # the population moves once: its scores are not known at other values
            self.at = replace(at, scores=np.zeros_like(at.scores))
        gradient = p.index.back(p.gradient(items, at, derivatives))
        information = of_free(p, p.complete_information(full, at, log, derivatives))
        step = factored(information)(gradient)
        step *= min(1.0, 1.0 / max(largest(step), 1e-12))
        return SweepResult(free + step, 0.0, largest(step))


def of_free(p: RowsLikelihood, information: Any) -> Any:
    """A sparse or dense information of all numbers, for the free ones."""
    if isinstance(information, np.ndarray):
        return p.index.squeeze(information)
    M = p.index.matrix
    return (M.T @ information @ M).tocsc()


def factored(information: Any) -> Solve:
    """Solves with a sparse or dense positive definite matrix, its diagonal raised a little."""
    from scipy import sparse

    if isinstance(information, np.ndarray):
        return dense_factored(information)
    diagonal = information.diagonal()
    lift = 1e-6 * diagonal + 1e-8 * max(float(diagonal.mean()), 1e-300)
    return splu((information + sparse.diags_array(lift)).tocsc(), permc_spec="MMD_AT_PLUS_A").solve


def dense_factored(information: FloatArray) -> Solve:
    """Solves with a dense one."""
    diagonal = np.diag(information)
    lift = 1e-6 * diagonal + 1e-8 * float(diagonal.mean())
    factor = cho_factor(information + np.diag(lift), check_finite=False)
    return lambda v: cho_solve(factor, v, check_finite=False)


class Preconditioner:
    """The cross-product information on some rows, or that of the complete data where it would be singular."""

    def __init__(self, problem: RowsLikelihood, rng: np.random.Generator, is_complete: bool = False) -> None:
        self.problem = problem
        table, k = problem.table, problem.index.n_free
        too_few = table.n_people < ROWS_PER_COLUMN * table.n_items or k > MOST_DENSE
        self.is_complete = is_complete or too_few
        most, self._part, self._scale = ROWS_PER_NUMBER * k + MORE_ROWS, problem, 1.0
        if not self.is_complete and table.n_rows > most:
            self._part = problem.with_rows(np.sort(rng.choice(table.n_rows, most, replace=False)))
            self._scale = table.n_people / self._part.table.n_people

    def __call__(self, free: FloatArray) -> Solve:
        p = self.problem
        if not self.is_complete:
            return dense_factored(self._scale * self._part.cross_product(free))
        full = p.index.full(free)
        items, _ = p.split(full)
        log, derivatives = p.layout.derivatives(items, p.grid.nodes)
        at = p.expectation(full, log)
        return factored(of_free(p, p.complete_information(full, at, log, derivatives)))


def climb(
    problem: RowsLikelihood,
    free: FloatArray,
    patience: Patience,
    rng: np.random.Generator,
    *,
    em_steps: int = EM_STEPS,
    is_complete: bool = False,
) -> Run:
    """Maximise from ``free`` until no entry of the gradient is above ``tol sqrt(people)``."""
    stop = GradientNorm(patience.tol * float(np.sqrt(problem.table.n_people)))
    work = 0.0
    if em_steps:
        em = loop(EmStep(problem), free, max_iter=em_steps)
        free, work = em.params, em.work
    solver = LimitedMemory(
        problem, MEMORY, Preconditioner(problem, rng, is_complete), REFRESH, longest=LONGEST, is_scaled=False
    )
    run = loop(solver, free, [stop], max_iter=patience.max_iter, watchers=patience.watchers)
    return replace(run, work=run.work + work)


def climb_in_stages(problem: RowsLikelihood, free: FloatArray, patience: Patience, rng: np.random.Generator) -> Run:
    """The same; a large table first on a random part, from whose optimum few passes over all rows are left."""
    n = problem.table.n_rows
    part = max(PART_ROWS, PART_ROWS_PER_NUMBER * problem.index.n_free)
    if n <= ROWS_IN_ONE_STAGE or part > n // 2:
        return climb(problem, free, patience, rng)
    rows = np.sort(rng.choice(n, part, replace=False))
    first = climb(problem.with_rows(rows), free, patience.looser(3.0), rng)
    return climb(problem, first.params, patience, rng, em_steps=0)
