"""Errors of the free numbers: one matrix, or a matrix per item where there are too many of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.data.storable import storable
from halfseen.errors import shown
from halfseen.methods.response.rows_information import LEAST_SHARE, MOST_WORK, observed_information
from halfseen.methods.response.rows_likelihood import RowsLikelihood
from halfseen.methods.response.rows_map import IndexMap
from halfseen.methods.response.rows_optimise import MOST_DENSE, ROWS_PER_COLUMN
from halfseen.methods.response.rows_prior import FEWEST_SHARING, shared_places

# The answers tell a prior's mean at least with this share of what the numbers themselves would.
LEAST_MEAN_SHARE = 0.02


@storable
@dataclass(frozen=True)
class Covariance:
    """Of the free numbers.

    Attributes
    ----------
    kind : {"observed", "cross", "sandwich", "blocks"}
        Information that was inverted; "blocks": that of the complete data, item by item.
    matrix : ndarray (n_free, n_free) or None
    blocks : tuple of (places, matrices), or None
        Per family of items, their free places (J, q) and covariances (J, q, q).
    given_means : ndarray (n_free, n_free) or None
        ``matrix``, were the means of the items' empirical prior known: the inverse of the information.
    """

    kind: str
    matrix: FloatArray | None = None
    blocks: tuple[tuple[IntArray, FloatArray], ...] | None = None
    given_means: FloatArray | None = None

    def block(self, index: IndexMap, places: IntArray) -> FloatArray:
        """Covariance (k, k) of some of all numbers; 0 for fixed ones."""
        free = index.free[places]
        out = np.zeros((len(places), len(places)))
        has = np.flatnonzero(free >= 0)
        if self.matrix is not None:
            out[np.ix_(has, has)] = self.matrix[np.ix_(free[has], free[has])]
            return out
        for own, matrices in self.blocks or ():
            if not len(has):
                continue
            for k in np.flatnonzero((own == free[has[0]]).any(axis=1)):
                where = {int(f): q for q, f in enumerate(own[k])}
                picked = [where[int(f)] for f in free[has] if int(f) in where]
                if len(picked) == len(has):
                    out[np.ix_(has, has)] = matrices[k][np.ix_(picked, picked)]
        return out

    def draws(self, free: FloatArray, rng: np.random.Generator, size: int) -> FloatArray:
        """Normal draws (size, n_free) around ``free``."""
        out = np.repeat(free[None], size, axis=0)
        if self.matrix is not None:
            values, vectors = np.linalg.eigh(self.matrix)
            root = vectors * np.sqrt(np.maximum(values, 0.0))
            return out + rng.standard_normal((size, len(free))) @ root.T
        for own, matrices in self.blocks or ():
            root = np.linalg.cholesky(matrices)
            noise = rng.standard_normal((size, *own.shape))
            moves = np.einsum("jab,sjb->sja", root, noise)
            for q in range(own.shape[1]):
                is_free = own[:, q] >= 0
                out[:, own[is_free, q]] += moves[:, is_free, q]
        return out


def covariance_of(problem: RowsLikelihood, free: FloatArray, wanted: str) -> tuple[Covariance, list[str]]:
    """Covariance of the free numbers, and what went wrong on the way.

    Raises nothing: an information that is not positive definite names the item it comes from and gives way to the
    cross-product of the scores, which always is at least positive semidefinite.
    """
    covariance, trouble = _given_prior_means(problem, free, wanted)
    return with_prior_means(problem, covariance), trouble


def _given_prior_means(problem: RowsLikelihood, free: FloatArray, wanted: str) -> tuple[Covariance, list[str]]:
    """:func:`covariance_of`, the prior's means taken as known."""
    k, n, p = problem.index.n_free, problem.table.n_rows, problem.table.n_items
    if k == 0:
        return Covariance("observed", np.zeros((0, 0))), []
    if k > MOST_DENSE or (wanted == "auto" and problem.table.n_people < ROWS_PER_COLUMN * p and k > 400):
        return block_covariance(problem, free), []
    if wanted == "auto":
        wanted = "observed" if float(n) * p * k <= MOST_WORK else "cross"
    if wanted == "cross":
        return Covariance("cross", positive_inverse(problem.cross_product(free))), []
    information = observed_information(problem, free)
    culprit = indefinite_at(information)
    if culprit is not None:
        return Covariance("cross", positive_inverse(problem.cross_product(free))), [indefinite_text(problem, culprit)]
    inverse = positive_inverse(information)
    if wanted == "observed":
        return Covariance("observed", inverse), []
    meat = problem.cross_product(free) - np.diag(problem.index.back(problem.prior_information()))
    return Covariance("sandwich", inverse @ meat @ inverse), []


def with_prior_means(problem: RowsLikelihood, covariance: Covariance) -> Covariance:
    r"""The covariance :math:`C` widened by what is not known of the means :math:`c` of the items' empirical prior.

    .. math::

        C + C\Lambda E\,(E^\top\Lambda E - E^\top\Lambda C \Lambda E)^{-1} E^\top \Lambda C

    with the prior's precisions :math:`\Lambda` and the matrix :math:`E` that says which number has which mean: the
    covariance under a flat prior of the means. How able and how spread the rows are on the whole moves all intercepts
    and all slopes together, and pulls their common means along; taken as known, these would hold the items in place
    (100 rows by 100 columns, half of them seen: intervals of slopes covered .91 instead of .95).
    """
    E = prior_mean_members(problem)
    if not E.shape[1]:
        return covariance
    precision = problem.prior_information()
    loads = np.stack([problem.index.back(precision * member) for member in E.T], axis=1)
    held = E.T @ (precision[:, None] * E)
    if covariance.matrix is not None:
        moved = covariance.matrix @ loads
        more = moved @ means_covariance(held, loads.T @ moved) @ moved.T
        return replace(covariance, matrix=covariance.matrix + more, given_means=covariance.matrix)
    blocks, moved_blocks, lost = covariance.blocks or (), [], np.zeros_like(held)
    for places, matrices in blocks:
        own = np.where(places[:, :, None] >= 0, loads[np.maximum(places, 0)], 0.0)
        moved_blocks.append(matrices @ own)
        lost += np.einsum("jqk,jql->kl", own, moved_blocks[-1])
    inverse = means_covariance(held, lost)
    wider = tuple(
        (places, matrices + moved @ inverse @ moved.transpose(0, 2, 1))
        for (places, matrices), moved in zip(blocks, moved_blocks, strict=True)
    )
    return replace(covariance, blocks=wider)


def means_covariance(held: FloatArray, lost: FloatArray) -> FloatArray:
    """Inverse of ``held - lost``, the information about the means of the prior, with a least share of ``held``.

    An observed information need not be above the prior's, so that the difference need not be positive.
    """
    root = 1.0 / np.sqrt(np.maximum(np.diag(held), 1e-300))
    values, vectors = np.linalg.eigh((held - lost) * np.outer(root, root))
    values = np.maximum(values, LEAST_MEAN_SHARE)
    return np.asarray((vectors / values) @ vectors.T * np.outer(root, root))


def prior_mean_members(problem: RowsLikelihood) -> FloatArray:
    """Which of all numbers (n_full, k) are free and have each of the means that the empirical prior learned."""
    places = shared_places(problem.layout)
    is_free = (problem.index.free[: len(places)] >= 0) & (problem.prior.precision > 0)
    members = [is_free & (places == place) for place in range(int(places.max(initial=-1)) + 1)]
    learned = [own.astype(float) for own in members if own.sum() >= FEWEST_SHARING]
    out = np.zeros((problem.n_full, len(learned)))
    for k, own in enumerate(learned):
        out[: len(places), k] = own
    return out


def indefinite_at(information: FloatArray) -> int | None:
    """Free number that weighs most in the direction without curvature; None where the matrix is positive definite."""
    scale = np.sqrt(np.maximum(np.abs(np.diag(information)), 1e-300))
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    if values[0] > LEAST_SHARE * max(values[-1], 0.0):
        return None
    return int(np.abs(vectors[:, 0]).argmax())


def indefinite_text(problem: RowsLikelihood, free_number: int) -> str:
    """A sentence that names the item."""
    full = int(np.flatnonzero(problem.index.free == free_number)[0])
    if full >= problem.layout.n_params:
        what = "the population"
    else:
        what = f"column {shown(int(problem.table.columns[problem.layout.item_of_param[full]]))}"
    return (
        f"the observed information is not positive definite, first because of {what}: its numbers are not told apart "
        "by the answers. Standard errors are those of the cross-product information; fix or drop the item, or use "
        "item_prior='empirical'."
    )


def block_covariance(problem: RowsLikelihood, free: FloatArray) -> Covariance:
    """Item by item, from the information of the complete data and the prior."""
    full = problem.index.full(free)
    items, _ = problem.split(full)
    log, derivatives = problem.layout.derivatives(items, problem.grid.nodes)
    at = problem.expectation(full, log)
    blocks = problem.layout.complete_blocks(at.counts, log, derivatives)
    out = []
    for family, own in zip(problem.layout.families, blocks, strict=True):
        q = np.arange(own.shape[1])
        own = own.copy()
        own[:, q, q] += problem.prior.precision[family.params]
        own[:, q, q] *= 1.0 + 1e-10
        out.append((problem.index.free[family.params], np.linalg.inv(own)))
    return Covariance("blocks", None, tuple(out))


def positive_inverse(information: FloatArray) -> FloatArray:
    """Inverse of a positive (semi-)definite matrix; directions without curvature keep the little they have."""
    scale = np.sqrt(np.maximum(np.diag(information), 1e-300))
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    values = np.maximum(values, 1e-9 * values[-1])
    return np.asarray((vectors / values) @ vectors.T) / np.outer(scale, scale)
