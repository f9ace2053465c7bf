"""Where the Bayesian sweeps begin: singular vectors of the centred tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.data import Sources
from halfseen.engines import Engine
from halfseen.linalg.subspace import leading_left
from halfseen.losses import get_loss
from halfseen.methods.heterogeneous.blocks import make_block
from halfseen.methods.heterogeneous.posterior.cells import DenseCells
from halfseen.methods.heterogeneous.posterior.columns import MOST_PULL
from halfseen.methods.heterogeneous.posterior.families import Given, Working
from halfseen.methods.heterogeneous.posterior.state import OwnScores, PosteriorState, SampleScores, SourceLoadings
from halfseen.methods.heterogeneous.start import spectral_start

# Uncertainty of the first scores, and the size of what is drawn to set apart factors that are alike.
LITTLE = 1e-3
# Noise variance before the first sweep, in units of the variance about the column means.
FIRST_NOISE = 0.5
# Ridge, as a share of the rows, with which common factors are taken out before own ones are looked for.
OWN_RIDGE = 0.09


def starting_state(
    sources: Sources, given: Sequence[Given], ranks: tuple[int, tuple[int, ...]], has_common_structure: bool,
    engine: Engine, rng: np.random.Generator, centre: bool = True,
) -> PosteriorState:  # fmt: skip
    """Scores from singular vectors, loadings at nothing.

    Parameters
    ----------
    ranks : (R, own ranks)
    has_common_structure : bool
        Common factors belong to all sources: these are the directions that the sources have in common. Else they are
        the leading directions of all tables side by side.
    """
    R, own_ranks = ranks
    working = tuple(source.first() for source in given)
    left = [residual(source, work, centre) for source, work in zip(given, working, strict=True)]
    n = sources.n_rows
    if has_common_structure and R and any(own_ranks):
        parts = parts_in_common(sources, left, given, ranks, engine, rng)
        common, own = parts[0], parts[1]
    else:
        common = leading(left, given, R, rng)
        own = [own_directions(E, source, common, r, rng) for E, source, r in zip(left, given, own_ranks, strict=True)]
    common = common + LITTLE * rng.standard_normal(common.shape)
    own = [directions + LITTLE * rng.standard_normal(directions.shape) for directions in own]
    active = np.arange(R)
    loadings = tuple(nothing(source, active, r, n, centre) for source, r in zip(given, own_ranks, strict=True))
    return PosteriorState(starting_scores(common, own), loadings, working)


def nothing(given: Given, active: IntArray, own_rank: int, n: int, centre: bool) -> SourceLoadings:
    """Loadings that are 0, with wide priors."""
    p, k = given.cells.shape[1], len(active) + own_rank
    noise = np.full(p, FIRST_NOISE) if given.family.has_noise else np.ones(p)
    return SourceLoadings(
        mean=np.zeros((p, 1 + k)), cov=np.zeros((p, 1 + k, 1 + k)), active=active, precision=np.ones(k),
        spread=1.0 if centre else 0.0, noise=noise, noise_prior=(MOST_PULL, 1.0), row_noise=np.ones(n),
    )  # fmt: skip


def starting_scores(scores: FloatArray, own: Sequence[FloatArray]) -> SampleScores:
    """Scores with a small uncertainty, before the first sweep."""
    n, R = scores.shape
    parts = tuple(
        OwnScores(
            scores_of_source,
            np.tile(LITTLE * np.eye(scores_of_source.shape[1]), (n, 1, 1)),
            np.zeros((n, scores_of_source.shape[1], R)),
        )
        for scores_of_source in own
    )
    return SampleScores(scores, np.tile(LITTLE * np.eye(R), (n, 1, 1)), parts)


def residual(given: Given, working: Working, centre: bool) -> FloatArray:
    """Cell array of working values about their column means."""
    safe = np.where(working.weight > 0, working.weight, 1.0)
    E = working.target / safe
    if given.family.moves:  # outliers, and counts far out, must not be the first direction
        most = 4.0 * float(np.median(np.abs(E[given.cells.seen > 0]))) + 1e-300
        E = np.clip(E, -most, most)
    if not centre:
        return E
    means = given.cells.col_sums(E) / np.maximum(given.cells.counts, 1.0)
    return E - given.cells.of_cols(means)


def leading(left: Sequence[FloatArray], given: Sequence[Given], R: int, rng: np.random.Generator) -> FloatArray:
    """Leading left singular vectors of all tables side by side, of length sqrt(n); 0 beyond their rank."""
    n = given[0].cells.shape[0]
    directions = np.zeros((n, R))
    if not R:
        return directions
    pieces = [source.cells.matrix(E) for E, source in zip(left, given, strict=True)]
    if all(isinstance(piece, np.ndarray) for piece in pieces):
        table: Any = np.hstack(pieces)
    else:
        from scipy.sparse import csr_array, hstack

        table = hstack([csr_array(piece) for piece in pieces], format="csr")
    U = leading_left(table, R, rng)[0]
    directions[:, : U.shape[1]] = U * np.sqrt(n)
    return directions


def own_directions(E: FloatArray, given: Given, common: FloatArray, rank: int, rng: np.random.Generator) -> FloatArray:
    """Leading directions of what the common factors leave of a source."""
    n = len(common)
    directions = np.zeros((n, rank))
    if not rank:
        return directions
    if common.shape[1]:
        gram = common.T @ common + OWN_RIDGE * n * np.eye(common.shape[1])
        B = np.linalg.solve(gram, given.cells.to_cols(E, common).T).T
        E = E - given.cells.products(common, B)
    U = leading_left(given.cells.matrix(E), rank, rng)[0]
    directions[:, : U.shape[1]] = U * np.sqrt(n)
    return directions


def parts_in_common(
    sources: Sources, left: Sequence[FloatArray], given: Sequence[Given], ranks: tuple[int, tuple[int, ...]],
    engine: Engine, rng: np.random.Generator,
) -> tuple[FloatArray, list[FloatArray]]:  # fmt: skip
    """The directions that the sources' leading ones have in common, and each one's rest."""
    gaussian = get_loss("gaussian")
    blocks = []
    for table, E, source in zip(sources.values(), left, given, strict=True):
        numbers = E[table.rows, table.cols] if isinstance(source.cells, DenseCells) else E
        blocks.append(make_block(table.astype(float).with_values(numbers, None), gaussian))
    parts = spectral_start(tuple(blocks), ranks[0], ranks[1], engine, rng)
    root = np.sqrt(sources.n_rows)
    return parts.shared_basis * root, [placed.unique_basis * root for placed in parts.own]
