"""New rows from any subset of sources, new columns of a source, and new sources, against a fitted model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from halfseen._typing import FloatArray
from halfseen.data import Observed
from halfseen.methods.heterogeneous.posterior.cells import make_cells
from halfseen.methods.heterogeneous.posterior.columns import (
    LEAST_PULL,
    RowMoments,
    column_step,
    misfit_of,
    solve_columns,
)  # fmt: skip
from halfseen.methods.heterogeneous.posterior.families import Given, SourceFamily, Working, column_units, given
from halfseen.methods.heterogeneous.posterior.result import SourceFit, SourcesPosterior
from halfseen.methods.heterogeneous.posterior.rows import RowSums, joined_rows, row_sums
from halfseen.methods.heterogeneous.posterior.settings import NO_NOISE, PosteriorSettings
from halfseen.methods.heterogeneous.posterior.start import nothing, own_directions, residual
from halfseen.methods.heterogeneous.posterior.state import OwnScores, SampleScores, SourceLoadings
from halfseen.methods.heterogeneous.posterior.sweeps import cell_variance
from halfseen.methods.heterogeneous.posterior.widening import row_widening, widened
from halfseen.solvers.loop import SweepResult, loop

# Rounds for rows or columns of families whose weights depend on the fit, and for the noise of new columns.
MOST_ROUNDS = 100
CLOSE = 1e-6


def in_units(table: Observed, fit: SourceFit) -> Given:
    """Cells of further rows or columns, in the working units of a fitted source."""
    weights = np.ones(table.n_entries) if table.weights is None else table.weights.astype(float)
    cells = make_cells(table)
    return Given(cells, fit.family, fit.level, fit.scale, cells.from_list(table, weights), fit.offset, fit.unit)


@dataclass(frozen=True)
class NewRowScores:
    """Sweep: scores of new rows given all columns; twice or more only where a family's weights move."""

    posterior: SourcesPosterior
    places: Sequence[int]
    given: Sequence[Given]

    def __call__(self, params: tuple[SampleScores, tuple[Working, ...]]) -> SweepResult:
        before, working = params
        scores = self.scores(working)
        fresh = []
        for place, source, work in zip(self.places, self.given, working, strict=True):
            if not source.family.moves:
                fresh.append(work)
                continue
            loadings = self.posterior.fits[place].loadings
            mean, cov = scores.of(place, loadings.active)
            rows = RowMoments(mean, cov, np.ones(len(mean)))
            linear = source.cells.products(rows.design, loadings.mean)
            fresh.append(source.working(linear, cell_variance(source, rows, loadings), loadings.noise))
        moved = float(np.max(np.abs(scores.mean - before.mean), initial=0.0))
        is_done = moved < CLOSE or not any(source.family.moves for source in self.given)
        return SweepResult((scores, tuple(fresh)), moved, reason="change" if is_done else None)

    def scores(self, working: Sequence[Working]) -> SampleScores:
        """Posterior of the rows; sources that were not given say nothing."""
        n, R = self.given[0].cells.shape[0], self.posterior.rows.mean.shape[1]
        told = {}
        for place, source, work in zip(self.places, self.given, working, strict=True):
            power = self.posterior.powers[place] if self.posterior.powers else 1.0
            told[place] = row_sums(source, work, self.posterior.fits[place].loadings, np.full(n, power))
        sums = [told.get(place) or silent(fit.loadings, n) for place, fit in enumerate(self.posterior.fits)]
        return joined_rows(sums, [fit.loadings.active for fit in self.posterior.fits], n, R)


def silent(loadings: SourceLoadings, n: int) -> RowSums:
    """What a source says of which nothing was seen: own factors keep their prior."""
    a, r = len(loadings.active), loadings.own_rank
    given_cov = np.tile(np.eye(r), (n, 1, 1))
    return RowSums(np.zeros((n, a * (a + 1) // 2)), np.zeros((n, a)), np.zeros((n, r)), np.zeros((n, r, a)), given_cov)


def place_rows(posterior: SourcesPosterior, tables: Mapping[str, Observed]) -> SampleScores:
    """Scores of new rows of which some of the sources were seen.

    Parameters
    ----------
    posterior : SourcesPosterior
    tables : mapping from source name to Observed
        With the columns of the fit and equally many rows.

    Returns
    -------
    SampleScores

    Notes
    -----
    One closed-form step; for families other than the gaussian some ten to fifty.
    """
    names = list(tables)
    places = [posterior.names.index(name) for name in names]
    cells = []
    for name, place in zip(names, places, strict=True):
        fit, table = posterior.fits[place], tables[name]
        if table.shape[1] != len(fit.loadings.mean):
            raise ValueError(
                f"source {name!r} has {table.shape[1]} columns, {len(fit.loadings.mean)} in the fit; give the same "
                "columns, with NaN for what was not seen"
            )
        fit.family.refuse(name, table)
        cells.append(in_units(table, fit))
    sweep = NewRowScores(posterior, places, cells)
    working = tuple(source.first() for source in cells)
    start = sweep.scores(working)
    scores, working = loop(sweep, (replace(start, mean=start.mean + 1.0), working), max_iter=MOST_ROUNDS).params
    parts = []
    for place, source, work in zip(places, cells, working, strict=True):
        loadings = posterior.fits[place].loadings
        mean, cov = scores.of(place, loadings.active)
        parts.append(widened(source, work, RowMoments(mean, cov, np.ones(len(mean))), loadings)[1])
    return replace(scores, widening=row_widening(parts))


@dataclass(frozen=True)
class NewColumns:
    """Sweep: loadings and noise of new columns, given the rows and the source's ridges."""

    given: Given
    rows: RowMoments
    noise_prior: tuple[float, float]

    def __call__(self, params: tuple[SourceLoadings, Working]) -> SweepResult:
        now, working = params
        fresh, sums, spread = solve_columns(self.given, working, self.rows, now)
        if self.given.family.has_noise:
            q = misfit_of(self.given, working, self.rows, fresh, sums, spread).cols
            pull, centre = self.noise_prior
            noise = (q / self.given.shrinkage(now.noise) + pull * centre) / (self.given.cells.counts + pull)
            fresh = replace(fresh, noise=np.maximum(noise, NO_NOISE))
        if self.given.family.moves:
            linear = self.given.cells.products(self.rows.design, fresh.mean)
            working = self.given.working(linear, cell_variance(self.given, self.rows, fresh), fresh.noise)
        moved = float(np.max(np.abs(fresh.mean - now.mean), initial=0.0))
        return SweepResult((fresh, working), moved, reason="change" if moved < CLOSE else None)


def place_columns(posterior: SourcesPosterior, name: str, table: Observed) -> SourceFit:
    """New columns of a fitted source: its rows, ridges and noise prior stay.

    Returns
    -------
    SourceFit
        Of the new columns alone.
    """
    place = posterior.names.index(name)
    fit = posterior.fits[place]
    fit.family.refuse(name, table)
    if fit.unit is not None:  # new columns have units of their own as well
        offset, unit = column_units(table, fit.level, fit.loadings.spread != 0.0, fit.family.name == "huber")
        fit = replace(fit, offset=offset, unit=np.where(unit > 0, unit, float(np.median(fit.unit))))
    cells, old, p = in_units(table, fit), fit.loadings, table.shape[1]
    mean, cov = posterior.rows.of(place, old.active)
    power = posterior.powers[place] if posterior.powers else 1.0
    rows = RowMoments(mean, cov, 1.0 / old.row_noise, power)
    pull, centre = old.noise_prior
    k = len(old.precision)
    noise = np.full(p, centre) if fit.family.has_noise else np.ones(p)
    start = replace(
        old, mean=np.zeros((p, 1 + k)), cov=np.zeros((p, 1 + k, 1 + k)), noise=noise, local=None, inclusion=None
    )
    sweep = NewColumns(cells, rows, (max(pull, LEAST_PULL), centre))
    return replace(fit, loadings=loop(sweep, (start, cells.first()), max_iter=MOST_ROUNDS).params[0])


@dataclass(frozen=True)
class NewSource:
    """Sweep: columns, noise and ridges of a new source and its own scores; the common scores stay."""

    given: Given
    common: SampleScores
    settings: PosteriorSettings

    def __call__(self, params: tuple[SourceLoadings, SampleScores, Working, int]) -> SweepResult:
        loadings, scores, working, done = params
        mean, cov = scores.of(0, loadings.active)
        rows = RowMoments(mean, cov, 1.0 / loadings.row_noise)
        fresh, misfit = column_step(self.given, working, rows, loadings, self.settings, done)
        scores = self.own_scores(fresh, working)
        mean, cov = scores.of(0, fresh.active)
        if self.given.family.moves:
            rows = RowMoments(mean, cov, rows.factor)
            linear = self.given.cells.products(rows.design, fresh.mean)
            working = self.given.working(linear, cell_variance(self.given, rows, fresh), fresh.noise)
        moved = float(np.sqrt(np.mean(np.square(fresh.mean - loadings.mean))))
        noise = float(np.sqrt(np.mean(fresh.noise)))
        reason = "change" if done > 10 and moved < max(self.settings.tol * noise, 1e-14) else None
        return SweepResult((fresh, scores, working, done + 1), misfit.value, reason=reason)

    def own_scores(self, loadings: SourceLoadings, working: Working) -> SampleScores:
        """Own scores given the means of the common ones, of unit second moment."""
        n, R = self.common.mean.shape
        told = row_sums(self.given, working, loadings, np.ones(n))
        r = loadings.own_rank
        mean = told.own - np.einsum("nra,na->nr", told.turn, self.common.mean)
        # given the common scores: these are known as well as they will be, so that nothing of them is passed on
        own = OwnScores(mean, told.given, np.zeros((n, r, R)))
        return replace(self.common, own=(own,))


def place_source(
    posterior: SourcesPosterior,
    table: Observed,
    own_rank: int,
    family: SourceFamily,
    centre: bool,
    rng: np.random.Generator,
) -> tuple[SourceFit, SampleScores]:
    """A new source over the rows of the fit: loadings on the common factors and factors of its own.

    Returns
    -------
    fit : SourceFit
    scores : SampleScores
        The common ones of the fit, and the new source's own.
    """
    cells = given("table", table, family, centre)
    n, R = posterior.rows.mean.shape
    working = cells.first()
    own = own_directions(residual(cells, working, centre), cells, posterior.rows.mean, own_rank, rng)
    start = nothing(cells, np.arange(R), own_rank, n, centre)
    little = np.tile(1e-3 * np.eye(own_rank), (n, 1, 1))
    common = replace(posterior.rows, own=(OwnScores(own, little, np.zeros((n, own_rank, R))),))
    sweep = NewSource(cells, common, PosteriorSettings(centre=centre))
    loadings, scores, _, _ = loop(sweep, (start, common, working, 0), max_iter=500).params
    return SourceFit(cells.level, cells.scale, family, loadings, None, cells.offset, cells.unit), scores


def linear_of(fit: SourceFit, scores: SampleScores, place: int = 0) -> FloatArray:
    """Linear predictors (n, p) of a source, in the units of the data."""
    mean = np.hstack([scores.mean[:, fit.loadings.active], scores.own[place].mean])
    return fit.intercepts + fit.scales * (mean @ fit.loadings.mean[:, 1:].T)
