"""NumPy twins of the kernels over answers to items: one sparse product in place of gathering, one of scattering."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit, log_expit

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
    if tilt is not None and positions is not None:
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


def pairs(rows: tuple[Any, ...], weights: Array, place: Array, out: Array) -> None:
    """See :func:`halfseen.kernels.response_pairs`."""
    i, lines = lines_of(rows)
    seen = sparse.csc_array((np.ones(len(i)), (i, place[lines])), shape=(len(weights), len(out)))
    for k in range(len(out)):
        who = seen[:, [k]].nonzero()[0]
        out[k, k:] += seen[who][:, k:].T @ weights[who]


def own_expect(
    rows: tuple[Any, ...],
    points: Array,
    shares: Array,
    modes: Array,
    roots: Array,
    lines: tuple[Array, ...],
    frequency: Array | None,
    log_likelihood: Array | None,
    mean: Array | None,
    covariance: Array | None,
    sums: Array | None,
    scores: Array | None,
) -> float:
    """See :func:`halfseen.kernels.own_expectations`; one row after the other."""
    slopes, upper, lower, constant = lines
    of_row, line_of = lines_of(rows)
    n = len(modes)
    starts = np.searchsorted(of_row, np.arange(n + 1))
    total = 0.0
    for i in range(n):
        line = line_of[starts[i] : starts[i + 1]]
        x = modes[i][:, None] + roots[i] @ points
        m = slopes[line] @ x
        u, low = upper[line][:, None], lower[line][:, None]
        has_u, has_l = np.isfinite(u), np.isfinite(low)
        above, below = m + np.where(has_u, u, 0.0), -m - np.where(has_l, low, 0.0)
        log = np.where(has_u, log_expit(above), 0.0) + np.where(has_l, log_expit(below), 0.0) + constant[line][:, None]
        joint = 0.5 * np.sum(points**2 - x**2, axis=0) + np.sum(np.log(np.diag(roots[i]))) + shares + log.sum(axis=0)
        top = joint.max()
        q = np.exp(joint - top)
        value = top + np.log(q.sum())
        q /= q.sum()
        f = 1.0 if frequency is None else frequency[i]
        total += f * value
        if log_likelihood is not None:
            log_likelihood[i] = value
        if mean is not None:
            mean[i] = x @ q
            if covariance is not None:
                covariance[i] = (x * q) @ x.T - np.outer(mean[i], mean[i])
        d_upper, d_lower = np.where(has_u, expit(-above), 0.0), np.where(has_l, -expit(-below), 0.0)
        own = np.column_stack([((d_upper + d_lower) * q) @ x.T, d_upper @ q, d_lower @ q])
        if sums is not None:
            np.add.at(sums, line, f * own)
        if scores is not None:
            scores[starts[i] : starts[i + 1]] = own
    return float(total)
