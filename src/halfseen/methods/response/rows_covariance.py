"""Errors of the free numbers: one matrix, or a matrix per item where there are too many of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halfseen._typing import FloatArray, IntArray
from halfseen.data.storable import storable
from halfseen.errors import shown
from halfseen.methods.response.rows_information import LEAST_SHARE, MOST_WORK, observed_information
from halfseen.methods.response.rows_likelihood import RowsLikelihood
from halfseen.methods.response.rows_map import IndexMap
from halfseen.methods.response.rows_optimise import MOST_DENSE, ROWS_PER_COLUMN


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
    """

    kind: str
    matrix: FloatArray | None = None
    blocks: tuple[tuple[IntArray, FloatArray], ...] | None = None

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
