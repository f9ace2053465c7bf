"""Theorems 3.2 and 3.4, Lemma C.1: null directions and smallest eigenvalues of the Hessian at the truth.

k = 5, d = 10, n = 200, m = 2000: eigenvalues of J'J/m, the Hessian of the mean squared error over two at the truth.
Then the population Hessian at orthogonal U = V, d = k, from two million fresh pairs, beside the bound rho of Lemma C.1
(Gauss-Hermite), and the Hessian of equation (4), where the first row of U is held.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _synthetic import Truth

from halfseen.methods.inductive.activations import ACTIVATIONS, NODES

CONFIG = {
    "full": {"k": 5, "d": 10, "n": 200, "m": 2000, "seeds": 5, "pairs": 2_000_000, "units": [2, 4]},
    "quick": {"k": 2, "d": 3, "n": 60, "m": 400, "seeds": 1, "pairs": 20_000, "units": [2]},
    "check": {"seeds": 1},
}
NULL = {"sigmoid": 0, "tanh": 0, "relu": "k", "linear": "k^2"}
PRINTED = {"sigmoid": 0.000658, "tanh": 0.0095}


def spectrum(kind: str, seed: int, k: int, d: int, n: int, m: int) -> dict[str, Any]:
    """Null dimension, smallest other and largest eigenvalue; the same with the first row held."""
    truth = Truth(kind, n, m, k, d, seed)
    problem = truth.problem()
    theta = problem.pack(truth.U, truth.V)
    matrix, _ = problem.normal_equations(theta)
    values = np.linalg.eigvalsh(matrix)
    null = int(np.sum(values < 1e-10 * values[-1]))
    held = np.linalg.eigvalsh(matrix[k:, k:])
    return {"null": null, "smallest": values[null], "largest": values[-1], "condition": values[-1] / values[null],
            "held smallest": held[0], "held condition": held[-1] / max(held[0], 1e-300)}  # fmt: skip


def bound(kind: str) -> float:
    """rho of equation (9)."""
    phi = ACTIVATIONS[kind]
    z, w = np.polynomial.hermite_e.hermegauss(NODES)
    w = w / np.sqrt(2 * np.pi)
    H = phi.value(z)
    S = phi.slope(z, H)
    alpha = {(i, j): float(w @ (H**i * z**j)) for i, j in ((1, 0), (1, 1), (2, 0))}
    beta = {(i, j): float(w @ (S**i * z**j)) for i, j in ((1, 0), (1, 2), (2, 0), (2, 2))}
    gamma = float(w @ (H * S * z))
    off = alpha[2, 0] * beta[2, 0] - alpha[1, 0] ** 2 * beta[1, 0] ** 2 - beta[1, 0] ** 2 * alpha[1, 1] ** 2
    on = alpha[2, 0] * beta[2, 2] - alpha[1, 0] ** 2 * beta[1, 2] ** 2 - gamma**2
    return min(off, on)


def population(kind: str, k: int, pairs: int) -> dict[str, Any]:
    """Smallest eigenvalue of the population Hessian at U = V = I, from fresh pairs in batches."""
    truth = Truth(kind, 4, 8, k, k, 0)
    problem, rng = truth.problem(), np.random.default_rng(k)
    at = problem.unpack(problem.pack(np.eye(k), np.eye(k)))
    total, size = np.zeros((problem.size, problem.size)), 20_000
    for _ in range(pairs // size):
        J = problem.jacobian(at, rng.normal(size=(size, k)), rng.normal(size=(size, k)))
        total += J.T @ J
    return {"smallest": float(np.linalg.eigvalsh(total / (pairs // size * size))[0]), "rho": bound(kind)}


def run(config: dict[str, Any], study: Any) -> None:
    """Spectra, and the bound."""
    fixed = {key: config[key] for key in ("k", "d", "n", "m")}
    points = [{"kind": kind, "seed": seed, **fixed} for seed in range(config["seeds"]) for kind in NULL]
    rows = study.repeat("spectra", points, spectrum, len(points))
    study.table("", [{key: row[key] for key in row if key not in fixed} for row in rows])
    wanted = {"sigmoid": 0, "tanh": 0, "relu": config["k"], "linear": config["k"] ** 2}
    for kind, null in wanted.items():
        own = [row for row in rows if row["kind"] == kind]
        dimensions, least = sorted({row["null"] for row in own}), min(row["smallest"] for row in own)
        conditions = [row["condition"] for row in own]
        text = f"null dimension {dimensions}; smallest other {least:.2g}, "
        text += f"condition {min(conditions):.0f} to {max(conditions):.0f}"
        study.claim(
            f"Hessian at the truth, {kind}",
            "positive definite" if null == 0 else f"null directions: {NULL[kind]}",
            text,
            figures={"dimensions": dimensions, "expected": null},
            rule="min(dimensions) == expected == max(dimensions)",
            otherwise="another dimension",
        )
    relu = [row for row in rows if row["kind"] == "relu"]
    least, held, free = (
        f(row[name] for row in relu)
        for f, name in ((min, "held smallest"), (max, "held condition"), (max, "condition"))
    )
    study.claim(
        "holding the first row of U makes relu's Hessian positive definite",
        "Theorem 3.4",
        f"smallest {least:.1e}, condition up to {held:.0f} against {free:.0f} beside the null directions",
        figures={"smallest": least},
        rule="smallest > 0",
        otherwise="still singular",
    )
    points = [{"kind": kind, "k": k, "pairs": config["pairs"]} for kind in PRINTED for k in config["units"]]
    found = study.repeat("population", points, population, len(points))
    study.table("population", found)
    for row in found:
        study.claim(
            f"Lemma C.1, {row['kind']}, d = k = {row['k']}",
            f"smallest eigenvalue >= rho = {PRINTED[row['kind']]}",
            f"{row['smallest']:.6f}; rho by quadrature {row['rho']:.6f}",
            figures={"smallest": row["smallest"], "rho": row["rho"]},
            rule="smallest >= 0.98 * rho",
            reason=f"to within 2 %, the error of a mean over {config['pairs']} drawn pairs",
            otherwise="below the bound",
        )
