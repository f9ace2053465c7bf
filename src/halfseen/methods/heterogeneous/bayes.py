"""How the estimator takes over a posterior: bases, loadings and intercepts in the room's gauge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from halfseen._typing import FloatArray, as_generator
from halfseen.data import Observed, Sources, as_sources
from halfseen.engines import Engine
from halfseen.linalg import misalignment
from halfseen.losses import Loss, get_loss
from halfseen.many import Parts, Placed, in_gauge
from halfseen.methods.heterogeneous.checks import check_weights
from halfseen.methods.heterogeneous.posterior import PosteriorSettings, SourcesPosterior, fit_posterior
from halfseen.methods.heterogeneous.posterior.families import SourceFamily, family_of
from halfseen.methods.heterogeneous.posterior.intervals import SourcesInference
from halfseen.methods.heterogeneous.posterior.placing import linear_of, place_columns, place_rows, place_source
from halfseen.methods.heterogeneous.posterior.state import SampleScores

if TYPE_CHECKING:
    from halfseen.methods.heterogeneous.model import HeterogeneousFactorization

DEFAULT_SWEEPS, DEFAULT_TOL = 500, 3e-4


def fit_bayes(
    model: HeterogeneousFactorization, sources: Sources, settings: SimpleNamespace, weights: Any, engine: Engine
) -> None:
    """Fit the Bayesian model and set what the estimator has learned."""
    powers, row_weights = split_weights(weights, sources)
    chosen = PosteriorSettings(
        bool(settings.centre), bool(settings.row_noise), settings.sparse_loadings, row_weights, powers,
        DEFAULT_SWEEPS if settings.max_iter is None else int(settings.max_iter),
        DEFAULT_TOL if settings.tol is None else float(settings.tol),
    )  # fmt: skip
    rng = as_generator(settings.random_state)
    posterior, notes = fit_posterior(
        sources, settings.shared_rank, settings.unique_rank, settings.family, chosen, engine, rng
    )
    model.posterior_ = posterior
    model.losses_ = {name: loss_of(fit.family) for name, fit in zip(posterior.names, posterior.fits, strict=True)}
    is_one = len({fit.family for fit in posterior.fits}) == 1
    model.loss_ = model.losses_[sources.names[0]] if is_one else get_loss("gaussian")
    model.weights_ = {name: powers.get(name, 1.0) for name in sources.names}
    model.activity_, model.variance_explained_ = posterior.activity, posterior.variance_explained
    model.factor_names_ = list(posterior.factor_names)
    model.scores_ = posterior.scores
    model.loadings_ = {name: posterior.loadings(name) for name in sources.names}
    model.noise_ = {name: fit.noise for name, fit in zip(posterior.names, posterior.fits, strict=True)}
    intercepts = {name: fit.intercepts for name, fit in zip(posterior.names, posterior.fits, strict=True)}
    parts = parts_in_gauge(posterior)
    model._keep(sources, parts, intercepts)
    own = own_bases(posterior)
    model.misalignment_ = misalignment(own)
    model.shared_rank_ = parts.shared_basis.shape[1]
    model.unique_rank_ = {name: basis.shape[1] for name, basis in zip(sources.names, own, strict=True)}
    model.restarted_, model.rank_search_ = [], None
    model.run_, model.n_iter_ = posterior.run, posterior.run.n_iter
    for text, category in notes:
        model._warn(text, category)


def split_weights(weights: Any, sources: Sources) -> tuple[dict[str, float], dict[str, FloatArray]]:
    """Numbers weigh a source, arrays its rows."""
    if not isinstance(weights, Mapping):
        check_weights(weights, sources.names)
        return {}, {}
    by_row = {str(name): weight for name, weight in weights.items() if np.ndim(weight) > 0}
    whole = {str(name): weight for name, weight in weights.items() if np.ndim(weight) == 0}
    check_weights(whole, sources.names)
    return {name: float(weight) for name, weight in whole.items()}, by_row


def loss_of(family: SourceFamily) -> Loss:
    """The loss that judges predictions under a family."""
    if family.name == "huber":
        return get_loss("gaussian") if family.is_relative else get_loss(f"huber({family.cut!r})")
    return get_loss(family.name)


def parts_in_gauge(posterior: SourcesPosterior) -> Parts:
    """Factors of all sources as the shared part, the rest of every source as its own, in orthonormal axes."""
    is_shared = np.asarray(posterior.activity.all(axis=1))
    scores = posterior.scores
    own = []
    for name in posterior.names:
        loadings = posterior.loadings(name)
        mine = np.isin(np.arange(len(is_shared)), posterior.columns_of(name)) & ~is_shared
        own.append(Placed(loadings[:, is_shared], scores[:, mine], loadings[:, mine]))
    return in_gauge(scores[:, is_shared], own)


def own_bases(posterior: SourcesPosterior) -> list[FloatArray]:
    """Bases of the factors that a source takes part in and not all do; those that are too faint for it do not count."""
    is_shared = np.asarray(posterior.activity.all(axis=1))
    shared = np.linalg.qr(posterior.scores[:, is_shared])[0]
    bases = []
    for place in range(len(posterior.names)):
        own = posterior.scores[:, np.asarray(posterior.activity[:, place]) & ~is_shared]
        bases.append(np.linalg.qr(own - shared @ (shared.T @ own))[0])
    return bases


def placed_columns(model: HeterogeneousFactorization, name: str, table: Observed) -> Placed:
    """New columns of a fitted source, on its orthonormal bases."""
    posterior: SourcesPosterior = model.posterior_
    fit = place_columns(posterior, name, table)
    place = posterior.names.index(name)
    mean = np.hstack([posterior.rows.mean[:, fit.loadings.active], posterior.rows.own[place].mean])
    V = fit.scales[:, None] * fit.loadings.mean[:, 1:]
    shared, unique = model.shared_basis_.astype(float), model.unique_basis_[name].astype(float)
    return Placed(V @ (mean.T @ shared), unique, V @ (mean.T @ unique), fit.intercepts)


def placed_source(model: HeterogeneousFactorization, table: Observed) -> Placed:
    """A new source on the common factors, with as many factors of its own as the fit's sources have at most."""
    posterior: SourcesPosterior = model.posterior_
    rank = (
        min(max(basis.shape[1] for basis in model.unique_basis_.values()), min(table.shape) - 1)
        if min(table.shape) > 1
        else 0
    )
    word = model.family if isinstance(model.family, str) else "gaussian"
    fit, scores = place_source(posterior, table, rank, family_of(word), bool(model.centre), model._rng())
    rest = linear_of(fit, scores) - fit.intercepts
    shared = model.shared_basis_.astype(float)
    loadings = rest.T @ shared
    left, s, right = np.linalg.svd(rest - shared @ loadings.T, full_matrices=False)
    kept = int(np.count_nonzero(s > 1e-10 * max(s[0], 1e-300))) if len(s) else 0
    return Placed(loadings, left[:, :kept], right[:kept].T * s[:kept], fit.intercepts)


@dataclass(frozen=True)
class PlacedSamples:
    """New samples, placed from the sources that were seen of them.

    Attributes
    ----------
    scores, scores_se : ndarray (m, K)
        Posterior means and standard deviations on all factors of the fit.
    rows : SampleScores
        With all covariances.
    """

    scores: FloatArray
    scores_se: FloatArray
    rows: SampleScores
    _inference: Any

    def predict_table(self, name: str) -> FloatArray:
        """Expected values of a source for the new samples (m, p), whether or not it was seen."""
        return self.inference().predict_table(name)

    def inference(self, level: float = 0.95, *, random_state: Any = 0) -> SourcesInference:
        """Intervals of their scores and cells."""
        return self._inference(level, random_state)


def placed_samples(model: HeterogeneousFactorization, S: Any) -> PlacedSamples:
    """New samples of which some of the sources were seen."""
    from dataclasses import replace

    given = as_sources(S)
    tables = {model._source(name): table for name, table in given.items()}
    posterior: SourcesPosterior = model.posterior_
    rows = place_rows(posterior, {name: in_order(model, name, table) for name, table in tables.items()})
    other = replace(posterior, rows=rows)

    def inference(level: float, random_state: Any) -> SourcesInference:
        return SourcesInference(posterior, level, given.row_labels, model.col_labels_, rows, random_state)

    return PlacedSamples(other.scores, other.scores_se, rows, inference)


def in_order(model: HeterogeneousFactorization, name: str, table: Observed) -> Observed:
    """The table with its columns where the fit has them."""
    if table.col_labels is None or model.col_labels_[name] is None:
        return table
    places = model._columns(name, table.col_labels)
    return Observed.from_triplets(
        table.rows, places[table.cols], table.values, table.weights,
        shape=(table.shape[0], model._n_columns(name)), row_labels=table.row_labels,
    )  # fmt: skip
