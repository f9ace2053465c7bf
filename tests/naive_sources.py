"""Slow and obvious twins."""

from __future__ import annotations

import numpy as np


def joint_rows(tables, V_shared, V_own, ridge=0.0):
    """Every row of all bases by one dense least-squares problem per row: (shared basis, unique bases)."""
    n, r1 = tables[0].shape[0], V_shared[0].shape[1]
    ranks = [V.shape[1] for V in V_own]
    starts = np.cumsum([r1, *ranks])
    shared, own = np.zeros((n, r1)), [np.zeros((n, rank)) for rank in ranks]
    for row in range(n):
        lines, values = [], []
        for place, table in enumerate(tables):
            for col in np.flatnonzero(~np.isnan(table[row])):
                line = np.zeros(starts[-1])
                line[:r1] = V_shared[place][col]
                line[starts[place] : starts[place + 1]] = V_own[place][col]
                lines.append(line)
                values.append(table[row, col])
        A, y = np.array(lines), np.array(values)
        x = np.linalg.solve(A.T @ A + ridge * np.eye(starts[-1]), A.T @ y)
        shared[row] = x[:r1]
        for place in range(len(tables)):
            own[place][row] = x[starts[place] : starts[place + 1]]
    return shared, own


def objective(tables, shared, own, V_shared, V_own):
    """Half the sum of squares over what was seen."""
    fits = [shared @ Vs.T + U @ V.T for U, Vs, V in zip(own, V_shared, V_own, strict=True)]
    return 0.5 * sum(np.nansum((table - fit) ** 2) for table, fit in zip(tables, fits, strict=True))


def slopes(tables, shared, own, V_shared, V_own):
    """Gradient of the objective: the shared basis, then (unique basis, shared loadings, unique loadings) by source."""
    found, total = [], np.zeros_like(shared)
    for table, U, Vs, V in zip(tables, own, V_shared, V_own, strict=True):
        residual = np.nan_to_num(shared @ Vs.T + U @ V.T - table)
        total += residual @ Vs
        found += [residual @ V, residual.T @ shared, residual.T @ U]
    return [total, *found]
