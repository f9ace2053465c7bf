"""NumPy twins of the kernels over answers to items: one sparse product in place of gathering, one of scattering."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Array = NDArray[Any]


def lines_of(rows: tuple[Any, ...]) -> tuple[Array, Array]:
    """Row and line of every seen answer."""
    answers, starts, indptr, lines, _ = rows
    if answers is None:
        return np.repeat(np.arange(len(indptr) - 1), np.diff(indptr)), lines
    i, j = np.nonzero(answers != 255)
    return i, starts[j] + answers[i, j]


def indicator(rows: tuple[Any, ...], n_lines: int) -> Any:
    """Rows by lines: 1 where the row gave that answer."""
    i, lines = lines_of(rows)
    n = len(rows[0]) if rows[0] is not None else len(rows[2]) - 1
    return sparse.csr_array((np.ones(len(i)), (i, lines)), shape=(n, n_lines))


def expect(
    rows: tuple[Any, ...],
    table: Array,
    log_weights: Array,
    positions: Array | None,
    groups: Array | None,
    tilt: Array | None,
    frequency: Array | None,
    log_likelihood: Array | None,
    moments: Array | None,
    posterior: Array | None,
    counts: Array | None,
    mass: Array | None,
) -> float:
    """See :func:`halfseen.kernels.response_expectations`."""
    gave = indicator(rows, len(table))
    n = gave.shape[0]
    group = np.zeros(n, dtype=np.int32) if groups is None else groups
    joint = log_weights.reshape(-1, table.shape[1])[group] + gave @ table
    if tilt is not None:
        joint += np.outer(tilt, positions)
    top = joint.max(axis=1, keepdims=True)
    q = np.exp(joint - top)
    total = q.sum(axis=1, keepdims=True)
    q /= total
    values = (top + np.log(total))[:, 0]
    f = np.ones(n) if frequency is None else frequency
    if log_likelihood is not None:
        log_likelihood[:] = values
    if moments is not None and positions is not None:
        moments[:, 0], moments[:, 1] = q @ positions, q @ positions**2
    if posterior is not None:
        posterior[:] = q
    weighted = q * f[:, None]
    if counts is not None:
        counts += gave.T @ weighted
    if mass is not None:
        np.add.at(mass.reshape(-1, table.shape[1]), group, weighted)
    return float(values @ f)


def scores(
    rows: tuple[Any, ...], posterior: Array, table: Array, first: Array, count: Array, target: Array, out: Array
) -> None:
    """See :func:`halfseen.kernels.response_scores`."""
    gave = indicator(rows, len(first))
    out[:] = 0.0
    for line in range(len(first)):
        who = gave[:, [line]].nonzero()[0]
        for k in range(count[line]):
            out[who, target[line] + k] += posterior[who] @ table[first[line] + k]
