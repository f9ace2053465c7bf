"""Item response models with the rows' abilities integrated out: the fit and what it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray, as_generator
from halfseen.engines.blas import on_one_blas_thread
from halfseen.methods.response.rows_answers import AnswerTable, answer_table, formulas_of
from halfseen.methods.response.rows_covariance import covariance_of
from halfseen.methods.response.rows_empirical import climb_with_prior
from halfseen.methods.response.rows_items import ItemLayout
from halfseen.methods.response.rows_likelihood import RowsLikelihood
from halfseen.methods.response.rows_links import check_links
from halfseen.methods.response.rows_optimise import climb, climb_in_stages
from halfseen.methods.response.rows_options import (
    RowsOptions,
    covariate_table,
    group_codes,
    index_map,
    kinds_of,
    row_weights,
)
from halfseen.methods.response.rows_population import REACH, STEP_PER_SD, Grid, Population, expected_sd, grid_for
from halfseen.methods.response.rows_prior import GUESS_MEAN, guessing_prior
from halfseen.methods.response.rows_result import RowsFit, chosen_prior
from halfseen.methods.response.rows_several import fit_several
from halfseen.solvers import Run

# A node check that fails is followed by a finer grid, so many times.
MOST_GRIDS = 3
# A slope beyond this is none: from one node to the next the chance goes from 0 to 1.
RUNAWAY = 15.0


def fit_rows(
    answers: Any,
    kinds: Any = "2pl",
    *,
    dimensions: int = 1,
    row_groups: Any = None,
    covariates: Any = None,
    weights: Any = None,
    options: RowsOptions | None = None,
) -> RowsFit:
    r"""Maximise the marginal likelihood of an item response model, abilities integrated out.

    .. math::

        \sum_i f_i \log \int \prod_{j\ \mathrm{seen}} P_j(y_{ij} \mid \theta)\,
        N(\theta; \mu_{g(i)} + B^\top z_i, \sigma_{g(i)}^2)\, d\theta

    Parameters
    ----------
    answers : Observed, or array (n, p)
        Classes as whole numbers; not seen: nan in floats, 255 in bytes.
    kinds : str or sequence of str
        "1pl", "rasch", "2pl", "3pl", "grm" or "gpcm", for all columns or for each.
    dimensions : int
        Of the ability; above 1, the population is N(0, I) and groups and covariates are refused.
    row_groups : sequence (n,), optional
        A label per row. The first label's group is the reference, with mean 0 and standard deviation 1.
    covariates : array_like (n, q), optional
        Of the latent regression.
    weights : array_like (n,), optional
        How many people each row stands for.
    options : RowsOptions, optional

    Returns
    -------
    RowsFit

    Raises
    ------
    ValueError
        For answers that are no classes, or arguments that do not fit the table.

    Notes
    -----
    Time: 10 to 20 passes of ``2 answers nodes`` additions and ``rows nodes`` exponentials, and the standard errors.
    Memory: the answers (a byte each), and what a block of rows needs. Sources: Bock and Aitkin (1981); the page
    "item response models" for nodes and optimiser.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> chance = 1 / (1 + np.exp(-(1.2 * rng.normal(size=(400, 1)) + np.linspace(-1, 1, 6))))
    >>> fit = fit_rows((rng.random((400, 6)) < chance).astype(np.uint8), "1pl")
    >>> fit.run.converged, fit.n_free
    (True, 7)
    """
    people = People(row_groups, covariates, weights)
    return fit_with_table(answers, kinds, dimensions, people, options or RowsOptions())[0]


@dataclass(frozen=True)
class People:
    """What is known of the rows: their groups, covariates and frequencies, as the user gave them."""

    groups: Any = None
    covariates: Any = None
    weights: Any = None


@on_one_blas_thread
def fit_with_table(
    answers: Any, kinds: Any, dimensions: int, people: People, options: RowsOptions
) -> tuple[RowsFit, AnswerTable]:
    """:func:`fit_rows`, and the answers as it read them."""
    if isinstance(dimensions, bool) or int(dimensions) < 1:
        raise ValueError(f"dimensions={dimensions!r}; needed: a whole number of at least 1.")
    shape = answers.shape if hasattr(answers, "shape") else np.asarray(answers).shape
    if len(shape) != 2 or 0 in shape:
        raise ValueError(f"answers has shape {tuple(shape)}; needed: a table with rows and columns.")
    kind = kinds_of(kinds, shape[1])
    groups, names = group_codes(people.groups, shape[0])
    Z, means = covariate_table(people.covariates, shape[0])
    given: dict[str, Any] = {"groups": groups, "weights": row_weights(people.weights, shape[0]), "collapses": Z is None}
    table = answer_table(answers, kind, keeps_constant=options.item_prior != "none", **given)
    prior_kind = chosen_prior(table, options.item_prior)
    if prior_kind == "none" and options.item_prior != "none" and table.flags:
        table = answer_table(answers, kind, keeps_constant=False, **given)
    if not any((counts > 0).sum() > 1 for counts in table.class_counts):
        raise ValueError("no column has two different answers; there is nothing to estimate.")
    if dimensions > 1:
        if groups is not None or Z is not None:
            raise ValueError("row_groups and covariates go with dimensions=1.")
        return fit_several(table, kind, int(dimensions), options), table
    notes, warnings = check_links(table, names, column_names(answers, table.columns))
    table = replace(table, notes=(*table.notes, *notes))
    own_kinds = [kind[j] for j in table.columns]
    layout = ItemLayout(formulas_of(own_kinds, table.classes), table.classes, 1)
    population = Population(len(names), 0 if Z is None else Z.shape[1], names)
    index = index_map(layout, table, own_kinds, population, options)
    grid = first_grid(table, options)
    problem = RowsLikelihood(
        table, layout, population, grid, index, guessing_prior(layout, layout.n_params), Z, options.engine
    )
    problem, run, least = climb_and_check(problem, prior_kind, options)
    problem, free = signed(problem, run.params)
    fit = finished(problem, free, run, least, prior_kind, (tuple(own_kinds), means, options))
    return replace(fit, warnings=(*warnings, *fit.warnings)), table


def column_names(answers: Any, columns: IntArray) -> Any:
    """Labels of columns, or their numbers."""
    labels = getattr(answers, "col_labels", None)
    return columns if labels is None else labels[columns]


def first_grid(table: AnswerTable, options: RowsOptions) -> Grid:
    """Nodes for what the narrowest posterior is likely to be."""
    r = table.responses
    per_row = r.most if r.answers is None else int((r.answers[:2000] != 255).sum(axis=1).max(initial=1))
    return _limited(grid_for(expected_sd(per_row)), options)


def _limited(grid: Grid, options: RowsOptions) -> Grid:
    if options.nodes is not None:
        return replace(grid, size=8 * max(1, -(-options.nodes // 8)))
    return replace(grid, size=min(grid.size, 8 * max(1, options.max_nodes // 8)))


def start_of(problem: RowsLikelihood) -> FloatArray:
    """First guess of the free numbers, from the shares of the classes."""
    shares = [(c + 0.5) / (c + 0.5).sum() for c in problem.table.class_counts]
    items = problem.layout.start(shares, GUESS_MEAN)
    return problem.index.pick(np.concatenate([items, np.zeros(problem.population.n_params)]))


def climb_and_check(
    problem: RowsLikelihood, prior_kind: str, options: RowsOptions
) -> tuple[RowsLikelihood, Run, float]:
    """Climb, then compare the nodes with the narrowest posterior; where they are too coarse, refine and climb on."""
    rng = as_generator(options.random_state)
    free = start_of(problem)
    if prior_kind == "empirical":
        problem, run = climb_with_prior(problem, free, options.patience, rng)
    else:
        run = climb_in_stages(problem, free, options.patience, rng)
    least = 0.0
    for _ in range(MOST_GRIDS):
        wanted, least = wanted_grid(problem, run.params, options)
        if options.nodes is not None or (wanted.size <= problem.grid.size and not _is_wider(wanted, problem.grid)):
            break
        problem = replace(problem, grid=wanted)
        again = climb(problem, run.params, options.patience, rng, em_steps=0)
        run = replace(again, work=again.work + run.work, n_iter=again.n_iter + run.n_iter)
    return problem, run, least


def _is_wider(wanted: Grid, present: Grid) -> bool:
    return wanted.low < present.low - 0.3 or wanted.high > present.high + 0.3


def wanted_grid(problem: RowsLikelihood, free: FloatArray, options: RowsOptions) -> tuple[Grid, float]:
    """Nodes that the fitted model asks for, and its least posterior standard deviation."""
    full = problem.index.full(free)
    items, population = problem.split(full)
    log = problem.layout.table(items, problem.grid.nodes)
    least = np.inf
    for part in problem.parts(full, log):
        variance = part.moments[:, 1] - part.moments[:, 0] ** 2
        # posteriors between two nodes look narrower than they are, never below this
        least = min(least, float(np.sqrt(np.maximum(variance, (0.25 * problem.grid.step) ** 2)).min(initial=np.inf)))
    low, high = problem.population.limits(population, problem.covariates)
    low, high = min(low, -REACH), max(high, REACH)
    return _limited(grid_for(least, low, high), options), least


def signed(problem: RowsLikelihood, free: FloatArray) -> tuple[RowsLikelihood, FloatArray]:
    """The mirror image whose slopes sum to more than 0, where nothing fixed tells the direction."""
    full = problem.index.full(free)
    slopes = problem.layout.slopes[:, 0]
    means = problem.layout.n_params + np.arange(problem.population.n_groups)
    betas = np.arange(problem.layout.n_params + 2 * problem.population.n_groups, problem.n_full)
    turned = np.concatenate([slopes, means, betas])
    is_held = (problem.index.free[turned] < 0) & (problem.index.fixed[turned] != 0)
    if full[slopes].sum() >= 0 or is_held.any():
        return problem, free
    full[turned] *= -1.0
    prior = problem.prior
    mean = prior.mean.copy()
    mean[slopes] *= -1.0
    return replace(problem, prior=replace(prior, mean=mean)), problem.index.pick(full)


def finished(problem: RowsLikelihood, free: FloatArray, run: Run, least: float, prior_kind: str, told: Any) -> RowsFit:
    """Standard errors, flags and notes."""
    kinds, means, options = told
    table, layout = problem.table, problem.layout
    full = problem.index.full(free)
    covariance, trouble = covariance_of(problem, free, options.errors)
    flags, warnings = dict(table.flags or {}), list(trouble)
    negative = np.flatnonzero(full[layout.slopes[:, 0]] < 0)
    flags.update({int(table.columns[j]): "negative slope" for j in negative})
    steep = np.flatnonzero(np.abs(full[layout.slopes[:, 0]]) > RUNAWAY)
    flags.update({int(table.columns[j]): "runaway slope" for j in steep})
    if len(steep):
        warnings.append(
            f"the slopes of {len(steep)} columns run away, first that of column {int(table.columns[steep[0]])} "
            f"({full[layout.slopes[steep[0], 0]]:.3g}): the other answers tell these without error, and the likelihood "
            "has no maximum there; use item_prior='empirical', or kind='1pl'."
        )
    if problem.grid.step > STEP_PER_SD * least * 1.05:
        warnings.append(
            f"the nodes are {problem.grid.step / least:.2g} least posterior standard deviations apart, more than "
            f"{STEP_PER_SD:g}: the log-likelihood is off by more than .001; raise nodes."
        )
    if not run.converged:
        warnings.append(f"the marginal likelihood was not maximised: {run.reason!r} after {run.n_iter} sweeps.")
    items, _ = problem.split(full)
    value = -problem.value(free) - problem.prior.value(items)
    return RowsFit(
        layout, kinds, table.columns, flags, table.categories, full, problem.index, free, covariance,
        problem.population, means, problem.grid, problem.prior, prior_kind, value, table.n_people, table.n_answers,
        least, run.record(), table.shape, table.notes, tuple(warnings),
    )  # fmt: skip
