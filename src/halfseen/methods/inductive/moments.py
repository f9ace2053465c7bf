r"""Starts from moments of Gaussian features: the paper's third moment, and a cross moment for relu.

With :math:`\gamma_j(s) = E[\phi(s z) z^j]` and standard normal features, Hermite polynomials single units out:

.. math:: E[a\,He_3(x)] = \sum_i \gamma_0(|v_i|)\,(\gamma_3 - 3\gamma_1)(|u_i|)\;\bar u_i^{\otimes3},\qquad
          E[a\,He_2(x)\otimes y] = \sum_i (\gamma_2 - \gamma_0)(|u_i|)\,\gamma_1(|v_i|)\;
          \bar u_i\otimes\bar u_i\otimes\bar v_i .

Both are taken of what a regression on the lower polynomials leaves of a: without these control variates the noise of
the moment is hopeless. Source: the paper, section 3.3; the residuals, the pairing and the cross moment are not in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.losses import is_quadratic
from halfseen.methods.inductive.activations import Activation
from halfseen.methods.inductive.problem import InductiveProblem
from halfseen.solvers.tensors import shared_components

Array = NDArray[Any]

# Norms at which moments are tabled; beyond 4 the sigmoid's saturates and a norm can no longer be read off.
NORMS = np.linspace(0.25, 6.0, 116)
TINY = 1e-8
# Entries that pair up the units of both sides by least squares.
MOST_PAIRING = 200_000


def moment_point(problem: InductiveProblem, start: str, rng: np.random.Generator) -> Array:
    """A point from moments, or a refusal that says why there is none.

    Raises
    ------
    ValueError
        Where the moment is zero for the activation, for one-hot features, and for fewer rows than features ask for.
    """
    phi = problem.design.activation
    check_moment(start, phi)
    if problem.design.beta is not None or not is_quadratic(problem.passes.loss):
        raise ValueError(f"start={start!r} goes with family='gaussian'; use 'random'")
    x, turn_x, shift_x = whitened(problem.rows, "row_features", problem.design.rank)
    y, turn_y, shift_y = whitened(problem.cols, "col_features", problem.design.rank)
    if start == "tensor":
        U, V = (own_units(side, phi, problem, axis, rng) for side, axis in ((x, 0), (y, 1)))
        U, V = paired(problem, x, y, U, V, rng)
    else:
        U, V = cross_units(problem, x, y, rng)
    return problem.pack(unwhitened(U, turn_x, shift_x, problem.rows), unwhitened(V, turn_y, shift_y, problem.cols))


def check_moment(start: str, phi: Activation) -> None:
    """Refuse a moment that vanishes whatever the weights are."""
    g0, g1, g2, g3 = (phi.moment(power, NORMS) for power in range(4))
    facts = (
        [("E[phi(z)]", g0), ("the cubic Hermite part of phi", g3 - 3 * g1)]
        if start == "tensor"
        else [("the quadratic Hermite part of phi", g2 - g0), ("the linear Hermite part of phi", g1)]
    )
    for what, values in facts:
        if np.abs(values).max() < TINY:
            other = "cross" if start == "tensor" else "tensor"
            has_other = {"tensor": phi.name == "sigmoid", "cross": phi.name in ("relu", "leaky_relu", "softplus")}
            advice = f"use start={other!r} or 'random'" if has_other[other] else "use start='random'"
            raise ValueError(
                f"start={start!r} has nothing to go by with activation={phi.name!r}: {what} is zero for every "
                f"length of the weights, and so is the moment; {advice}"
            )


def whitened(side: Any, name: str, rank: int) -> tuple[Array, Array, Array]:
    """Features with mean 0 and covariance I, and how they were made: (x - shift) turn."""
    if side.features is None:
        raise ValueError(f"a start from moments needs Gaussian {name}, not one-hot ones; use start='random'")
    F = side.features.toarray() if side.is_sparse else side.features
    F = np.asarray(F, dtype=float)
    n, d = F.shape
    if n < 2 * d or rank > d:
        raise ValueError(
            f"a start from moments needs many more rows than features and at most {d} units: {name} has shape "
            f"{F.shape} and rank is {rank}; use start='random'"
        )
    shift = F.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(F - shift, rowvar=False, bias=True).reshape(d, d))
    if values[0] <= 1e-10 * values[-1]:
        raise ValueError(f"{name} has linearly dependent columns; leave some out, or use start='random'")
    turn = vectors / np.sqrt(values) @ vectors.T
    return (F - shift) @ turn, turn, shift


def unwhitened(U: Array, turn: Array, shift: Array, side: Any) -> Array:
    """Weights for the features as they are; what the shift does goes into the intercept, where there is one."""
    own = turn @ U
    return np.concatenate([own, -(shift @ own)[None]]) if side.has_intercept else own


def residual_of(target: Array, regressors: Array) -> Array:
    """What least squares on the regressors leaves."""
    return target - regressors @ np.linalg.lstsq(regressors, target, rcond=None)[0]


def own_units(x: Array, phi: Activation, problem: InductiveProblem, axis: int, rng: np.random.Generator) -> Array:
    """Units (d, k) of one side from its third moment of the means of its rows' entries."""
    view = problem.passes.view(axis)
    seen = view.counts > 0
    sums = np.add.reduceat(view.values.astype(float), view.indptr[:-1][seen]) if seen.any() else np.zeros(0)
    mean, z = sums / view.counts[seen], x[seen]
    rest = residual_of(mean, np.concatenate([np.ones((len(z), 1)), z], axis=1))
    # He3 = z z z less terms linear in z: these vanish, for what the regression left is orthogonal to z
    third = np.einsum("n,ni,nj,nk->ijk", rest, z, z, z, optimize=True) / len(z)
    units, others = shared_components(third, problem.design.rank, rng)
    # every coefficient has the sign of the table: that fixes the sign of the unit
    table = phi.moment(0, 1.0) * (phi.moment(3, NORMS) - 3 * phi.moment(1, NORMS))
    size = np.linalg.norm(others, axis=0)
    sign = np.sign(np.sum(units * others, axis=0)) * np.sign(table[0])
    order = np.argsort(np.abs(table))
    norms = np.interp(size, np.abs(table)[order], NORMS[order])
    return units * np.where(sign == 0, 1.0, sign) * norms


def chosen_entries(problem: InductiveProblem, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Rows, columns and values of at most so many entries."""
    observed = problem.passes.observed
    rows, cols, values = observed.rows, observed.cols, observed.values.astype(float)
    if len(values) > MOST_PAIRING:
        places = rng.choice(len(values), MOST_PAIRING, replace=False)
        rows, cols, values = rows[places], cols[places], values[places]
    return rows, cols, values - problem.design.offset


def paired(
    problem: InductiveProblem, x: Array, y: Array, U: Array, V: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Pair units of both sides: ridge regression on all k^2 products, then the best assignment."""
    from scipy.optimize import linear_sum_assignment

    phi, k = problem.design.activation.value, problem.design.rank
    rows, cols, values = chosen_entries(problem, rng)
    H, W = phi(x @ U), phi(y @ V)
    products = (H[rows][:, :, None] * W[cols][:, None, :]).reshape(len(values), -1)
    gram = products.T @ products
    gram[np.diag_indices(k * k)] += 1e-3 * np.trace(gram) / (k * k)
    weight = np.linalg.solve(gram, products.T @ values).reshape(k, k)
    left, right = linear_sum_assignment(-weight)
    return U[:, left], V[:, right]


def cross_units(problem: InductiveProblem, x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Units of both sides from the cross moment; signs and lengths by non-negative least squares."""
    from scipy.optimize import nnls

    phi, k = problem.design.activation.value, problem.design.rank
    observed = problem.passes.observed
    rows, cols, values = observed.rows, observed.cols, observed.values.astype(float) - problem.design.offset
    rest = bilinear_residual(x, y, rows, cols, values)
    # sum over entries of rest * (x x' - I) (x) y, with the entries of a row added up first
    held = observed.with_values(rest.astype(observed.dtype), weights=None)
    by_row = held.to_csr().astype(float) @ y
    d, d2 = x.shape[1], y.shape[1]
    moment = np.einsum("ni,nj,nl->ijl", x, x, by_row, optimize=True)
    moment = (moment - np.einsum("ij,l->ijl", np.eye(d), by_row.sum(axis=0))) / len(rest)
    units, others = shared_components(moment.reshape(d, d, d2), k, rng)
    # (gamma2 - gamma0) gamma1 is positive for these activations: v has its sign already, u has none
    others = others / np.maximum(np.linalg.norm(others, axis=0), 1e-300)
    rows, cols, values = chosen_entries(problem, rng)
    both = np.concatenate([units, -units], axis=1)
    H, W = phi(x @ both), phi(y @ np.concatenate([others, others], axis=1))
    size, _ = nnls(H[rows] * W[cols], values)
    flipped = size[k:] > size[:k]
    length = np.sqrt(np.maximum(np.maximum(size[:k], size[k:]), 1e-2 * max(float(size.max()), 1e-6)))
    return units * np.where(flipped, -1.0, 1.0) * length, others * length


def bilinear_residual(x: Array, y: Array, rows: Array, cols: Array, values: Array) -> Array:
    """What a regression on 1, x, y and all products x_i y_j leaves; normal equations in blocks of entries."""
    left = np.concatenate([np.ones((len(x), 1)), x], axis=1)
    right = np.concatenate([np.ones((len(y), 1)), y], axis=1)
    size = left.shape[1] * right.shape[1]
    gram, target, block = np.zeros((size, size)), np.zeros(size), 1 << 14
    for begin in range(0, len(values), block):
        part = slice(begin, begin + block)
        Z = (left[rows[part]][:, :, None] * right[cols[part]][:, None, :]).reshape(-1, size)
        gram += Z.T @ Z
        target += Z.T @ values[part]
    gram[np.diag_indices(size)] += 1e-9 * np.trace(gram) / size
    weights = np.linalg.solve(gram, target).reshape(left.shape[1], right.shape[1])
    turned = left @ weights
    rest = np.empty(len(values))
    for begin in range(0, len(values), block):
        part = slice(begin, begin + block)
        rest[part] = values[part] - np.einsum("ek,ek->e", turned[rows[part]], right[cols[part]])
    return rest
