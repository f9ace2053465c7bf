"""From sources and bounds of ranks to a posterior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, as_generator
from halfseen.data import Sources
from halfseen.engines import resolve
from halfseen.errors import close_matches
from halfseen.methods.heterogeneous.posterior.factors import described
from halfseen.methods.heterogeneous.posterior.families import SourceFamily, family_of, given
from halfseen.methods.heterogeneous.posterior.notes import Note, notes_of
from halfseen.methods.heterogeneous.posterior.result import SourcesPosterior
from halfseen.methods.heterogeneous.posterior.settings import SPARSE, PosteriorSettings
from halfseen.methods.heterogeneous.posterior.start import starting_state
from halfseen.methods.heterogeneous.posterior.state import PosteriorState
from halfseen.methods.heterogeneous.posterior.sweeps import PosteriorSweep
from halfseen.solvers.loop import Run, loop

# Bounds of ranks that are to be found.
MOST_COMMON, MOST_OWN = 20, 5
# Up to so many sources the common factors can be each one's own as well; beyond, every source gets own ones beside.
FEW_SOURCES = 8
# Least noise variance while free factors find their pattern: a hundredth of the standard deviation.
FREE_NOISE = 1e-4


def fit_posterior(
    sources: Sources,
    shared_rank: Any = "auto",
    unique_rank: Any = "auto",
    family: Any = "gaussian",
    settings: PosteriorSettings | None = None,
    engine: Any = None,
    random_state: Any = None,
) -> tuple[SourcesPosterior, list[Note]]:
    r"""Fit one Bayesian model to many sources by closed-form sweeps.

    .. math:: y_{ij} = m_s + \mu_{sj} + u_i^\top v_{sj} + e_{ij},\quad u_i \sim N(0, I),\quad
              v_{sjk} \sim N(0, 1/\alpha_{sk}),\quad \mu_{sj} \sim N(0, t_s),\quad e_{ij} \sim N(0, \sigma^2_{sj})

    Parameters
    ----------
    sources : Sources
    shared_rank : int or "auto"
        Upper bound of the number of factors that all sources take part in. "auto": up to 20 factors that each may
        take part in or not, turned so that few sources take part in each.
    unique_rank : int, mapping from source name to int, or "auto"
        Upper bound of the number of each source's own factors.
    family : str, or mapping from source name to str
        "gaussian", "huber" (cut at 1.345 standard deviations of the noise; "huber(D)": at D), "bernoulli", "poisson".
    settings : PosteriorSettings, optional
    engine : str, Engine or None
    random_state : int, Generator or None
        Draws the small numbers that set apart factors that are alike at the start.

    Returns
    -------
    posterior : SourcesPosterior
    notes : list of (text, category)
        What a user should be warned of.

    Raises
    ------
    ValueError
        For unknown families, values outside a family's support, ranks that are no whole numbers.

    Notes
    -----
    O(entries k^2 + (n + p) k^3) time per source and sweep, memory O(entries + (n + p) k^2). Source: Virtanen, Klami,
    Khan and Kaski (2012), "Bayesian group factor analysis"; Argelaguet and others (2018), "MOFA"; the noise variance
    per column, shrunk towards their geometric mean, is what most of the gain over one per source comes from.

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_sources_data(3, 60, 40, shared_rank=2, unique_rank=1, observed=0.7, random_state=0)
    >>> posterior, notes = fit_posterior(data.sources, random_state=0)
    >>> posterior.activity.sum(axis=0).tolist()
    [3, 3, 3]
    """
    settings, engine, rng = checked(settings, sources), resolve(engine), as_generator(random_state)
    families = families_of(family, sources.names)
    items = zip(sources.names, sources.values(), families, strict=True)
    tables = list(engine.map(lambda item: given(item[0], item[1], item[2], settings.centre), items))
    ranks = bounds(shared_rank, unique_rank, sources)
    is_free = isinstance(shared_rank, str)
    start = starting_state(sources, tables, ranks, not is_free, engine, rng, settings.centre)
    sweep = PosteriorSweep(
        tables, settings, row_factors(sources, settings),
        [float(settings.source_weights.get(name, 1.0)) for name in sources.names], is_free, engine,
    )  # fmt: skip
    run = swept(sweep, start)
    posterior = described(sources, tables, run.params, sweep, run)
    return posterior, notes_of(run, posterior, sources, None if is_free else ranks)


def swept(sweep: PosteriorSweep, start: PosteriorState) -> Run:
    """Sweep to the end; free factors first under a least noise, without which tables that have none keep them all."""
    settings = sweep.settings
    if not sweep.is_free:
        return loop(sweep, start, max_iter=settings.max_iter)
    held = replace(sweep, settings=replace(settings, least_noise=FREE_NOISE))
    run = loop(held, start, max_iter=settings.max_iter)
    is_held = any(
        float(np.median(columns.noise)) < 1.01 * FREE_NOISE and not source.is_flat
        for source, columns in zip(sweep.given, run.params.loadings, strict=True)
    )
    if not is_held:
        return run
    return loop(replace(sweep, is_free=False), run.params, max_iter=settings.max_iter)


def checked(settings: PosteriorSettings | None, sources: Sources) -> PosteriorSettings:
    """Settings whose words are known and whose weights fit."""
    settings = settings or PosteriorSettings()
    if settings.sparse_loadings not in SPARSE:
        raise ValueError(f"sparse_loadings={settings.sparse_loadings!r} is not known; use one of {SPARSE}")
    for name, weights in settings.row_weights.items():
        if name not in sources.names:
            raise ValueError(f"row_weights: no source {name!r}; {close_matches(name, sources.names)}")
        numbers = np.asarray(weights, dtype=float)
        if numbers.shape != (sources.n_rows,) or not (np.isfinite(numbers) & (numbers > 0)).all():
            wrong = f"shape {numbers.shape}" if numbers.shape != (sources.n_rows,) else f"one of {numbers.min():g}"
            needed = f"{sources.n_rows} positive numbers, one per row"
            raise ValueError(f"weights[{name!r}] must be {needed} (or one number for the source); got {wrong}")
    return settings


def row_factors(sources: Sources, settings: PosteriorSettings) -> list[FloatArray]:
    """Precision of the rows of every source, before row noise."""
    ones = np.ones(sources.n_rows)
    return [np.asarray(settings.row_weights.get(name, ones), dtype=float) for name in sources.names]


def families_of(family: Any, names: list[str]) -> list[SourceFamily]:
    """One family per source; sources that a mapping leaves out are gaussian."""
    if isinstance(family, Mapping):
        for name in family:
            if str(name) not in names:
                raise ValueError(f"family: no source {name!r}; {close_matches(name, names)}")
        words = {str(name): word for name, word in family.items()}
        return [family_of(words.get(name, "gaussian")) for name in names]
    return [family_of(family)] * len(names)


def bounds(shared_rank: Any, unique_rank: Any, sources: Sources) -> tuple[int, tuple[int, ...]]:
    """Numbers of common and of own factors to begin with.

    Examples
    --------
    >>> import numpy as np
    >>> bounds("auto", "auto", Sources({"a": np.ones((9, 5)), "b": np.ones((9, 6))}))
    (8, (0, 0))
    """
    from halfseen.methods.heterogeneous.options import unique_ranks

    n, widths = sources.n_rows, [table.shape[1] for table in sources.values()]
    most = max(min(MOST_COMMON, n - 1, sum(widths) - 1), 1)
    if isinstance(shared_rank, str) and shared_rank != "auto":
        raise ValueError(f"shared_rank must be a whole number or 'auto', got {shared_rank!r}")
    common = most if isinstance(shared_rank, str) else min(int(shared_rank), n)
    if isinstance(unique_rank, str):
        if unique_rank != "auto":
            raise ValueError(f"unique_rank must be a whole number, a mapping or 'auto', got {unique_rank!r}")
        is_enough = len(sources) == 1 or (isinstance(shared_rank, str) and len(sources) <= FEW_SOURCES)
        return common, tuple(0 if is_enough else max(min(MOST_OWN, n - 1, width - 1), 0) for width in widths)
    return common, tuple(min(rank, n) for rank in unique_ranks(unique_rank, sources.names))
