"""Components of a tensor that is symmetric in its first two indices, by alternating least squares."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.solvers.loop import SweepResult, loop
from halfseen.solvers.stops import RelativeChange

Array = NDArray[Any]

STARTS, SWEEPS = 20, 200


class SharedComponents:
    r"""One round of least squares for :math:`T_{ijl} \approx \sum_r u_{ir} u_{jr} v_{lr}`: v, then u.

    The first index is fitted with the second held, as in the plain algorithm; both then are the new one.
    """

    def __init__(self, tensor: Array) -> None:
        self.tensor = tensor

    def __call__(self, units: Array) -> SweepResult:
        v, _ = self.others(units)
        d, k = units.shape
        pairs = np.einsum("jr,lr->jlr", units, v).reshape(-1, k)
        fitted = np.linalg.lstsq(pairs, self.tensor.reshape(d, -1).T, rcond=1e-10)[0].T
        new = fitted / np.maximum(np.linalg.norm(fitted, axis=0), 1e-300)
        return SweepResult(new, self.others(new)[1])

    def others(self, units: Array) -> tuple[Array, float]:
        """Best v for these units, and the squared error."""
        k, last = units.shape[1], self.tensor.shape[2]
        squares = np.einsum("ir,jr->ijr", units, units).reshape(-1, k)
        flat = self.tensor.reshape(-1, last)
        v = np.linalg.lstsq(squares, flat, rcond=1e-10)[0]
        return v.T, float(np.sum((flat - squares @ v) ** 2))


def shared_components(tensor: Array, rank: int, rng: np.random.Generator) -> tuple[Array, Array]:
    r"""Unit vectors u and vectors v with :math:`T \approx \sum_r u_r\otimes u_r\otimes v_r`.

    Parameters
    ----------
    tensor : ndarray (d, d, d2)
        Symmetric in the first two indices (it is symmetrised).
    rank : int
        At most d.
    rng : Generator
        Draws the random directions.

    Returns
    -------
    u : ndarray (d, rank)
        Columns of length 1, each up to its sign.
    v : ndarray (d2, rank)

    Notes
    -----
    Projects on the leading subspace of the unfolding, starts from joint diagonalisation of two random slices
    (Jennrich) and from random vectors, 20 starts in all, and keeps the one with the least squared error.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> u, v = np.linalg.qr(rng.normal(size=(4, 2)))[0], rng.normal(size=(3, 2))
    >>> found, _ = shared_components(np.einsum("ir,jr,lr->ijl", u, u, v), 2, rng)
    >>> bool(np.abs(np.abs(found.T @ u).max(axis=1) - 1).max() < 1e-6)
    True
    """
    tensor = 0.5 * (tensor + tensor.transpose(1, 0, 2))
    d = tensor.shape[0]
    basis = np.linalg.svd(tensor.reshape(d, -1), full_matrices=False)[0][:, :rank]
    small = np.einsum("ia,jb,ijl->abl", basis, basis, tensor, optimize=True)
    sweep, best = SharedComponents(small), None
    for number in range(STARTS):
        start = _jennrich(small, rng) if number < STARTS // 2 else rng.normal(size=(rank, rank))
        start = start / np.maximum(np.linalg.norm(start, axis=0), 1e-300)
        run = loop(sweep, start, [RelativeChange(1e-10, patience=3)], max_iter=SWEEPS)
        if best is None or run.value < best.value:
            best = run
    assert best is not None
    return basis @ best.params, sweep.others(best.params)[0]


def _jennrich(tensor: Array, rng: np.random.Generator) -> Array:
    """Eigenvectors of a quotient of two random slices; real parts where noise made them complex."""
    first, second = (tensor @ rng.normal(size=tensor.shape[2]) for _ in range(2))
    return np.real(np.linalg.eig(first @ np.linalg.pinv(second))[1])
