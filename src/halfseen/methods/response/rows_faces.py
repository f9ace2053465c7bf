"""Parameters as they are shown: slopes and intercepts, difficulties, the population, with standard errors."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.methods.response import rows_kinds
from halfseen.methods.response.rows_fit import RowsFit


def item_faces(fit: RowsFit) -> list[tuple[FloatArray, FloatArray]]:
    """Of each item, slopes and intercepts as shown, and their covariance matrix; slopes of rasch are 1."""
    layout, D = fit.layout, fit.layout.dimensions
    out: list[tuple[FloatArray, FloatArray]] = []
    for j in range(layout.n_items):
        own = slice(int(layout.first_param[j]), int(layout.first_param[j] + layout.sizes[j]))
        values = fit.params[own]
        shown, J = rows_kinds.intercepts(layout.formulas[j], values[D:])
        jacobian = np.eye(len(values))
        jacobian[D:, D:] = J
        V = jacobian @ fit.covariance.block(fit.index, np.arange(own.start, own.stop)) @ jacobian.T
        faces = np.concatenate([values[:D], shown])
        if fit.is_rasch:
            is_rest = (np.arange(len(V)) > 0).astype(float)
            faces[0], V = 1.0, V * np.outer(is_rest, is_rest)
        out.append((faces, V))
    return out


def difficulties(fit: RowsFit) -> list[tuple[FloatArray, FloatArray]]:
    r"""Of each item, difficulties :math:`b_k = -d_k/a` and their standard errors (delta method); one dimension.

    Infinite where the slope is 0. A 3pl item has one, its guessing chance left out.
    """
    if fit.layout.dimensions > 1:
        raise ValueError("an item has a difficulty on one dimension only; see its slopes and intercepts.")
    out = []
    for j, (faces, V) in enumerate(item_faces(fit)):
        n = 1 if fit.layout.formulas[j] in ("2pl", "3pl") else len(faces) - 1
        a, d = faces[0], faces[1 : 1 + n]
        if abs(a) < 1e-12:
            out.append((np.where(d > 0, -np.inf, np.inf), np.full(n, np.inf)))
            continue
        J = np.zeros((n, len(faces)))
        J[:, 0] = d / a**2
        J[np.arange(n), 1 + np.arange(n)] = -1.0 / a
        out.append((-d / a, np.sqrt(np.maximum(np.diag(J @ V @ J.T), 0.0))))
    return out


def item_table(fit: RowsFit) -> dict[str, Any]:
    """One line per column of the table that was fitted, columns with nothing to estimate included.

    Names: ``column``, ``kind``, ``slope`` (or ``slope1``, ...), ``slope_se``, ``intercept``, ``intercept_se`` (lists,
    one number per step), ``difficulty``, ``difficulty_se`` (lists), ``guess``, ``guess_se``, ``answers_flag``.
    """
    p, D = fit.shape[1], fit.layout.dimensions
    names = ["slope"] if D == 1 else [f"slope{d + 1}" for d in range(D)]
    numbers = [*names, *(f"{n}_se" for n in names), "guess", "guess_se"]
    out: dict[str, Any] = {"column": np.arange(p), "kind": np.full(p, "", dtype=object)}
    out.update({name: np.full(p, np.nan) for name in numbers})
    lists = ("intercept", "intercept_se", *(("difficulty", "difficulty_se") if D == 1 else ()))
    out.update({name: np.full(p, None, dtype=object) for name in lists})
    out["flag"] = np.array([fit.flags.get(j, "") for j in range(p)], dtype=object)
    hard = difficulties(fit) if D == 1 else []
    for j, (faces, V) in enumerate(item_faces(fit)):
        c, se = int(fit.columns[j]), np.sqrt(np.maximum(np.diag(V), 0.0))
        out["kind"][c] = fit.kinds[j]
        for d, name in enumerate(names):
            out[name][c], out[f"{name}_se"][c] = faces[d], se[d]
        rest, rest_se = faces[D:], se[D:]
        if fit.layout.formulas[j] == "3pl":
            out["guess"][c], out["guess_se"][c] = rest[1], rest_se[1]
            rest, rest_se = rest[:1], rest_se[:1]
        out["intercept"][c], out["intercept_se"][c] = rest.tolist(), rest_se.tolist()
        if D == 1:
            out["difficulty"][c], out["difficulty_se"][c] = (part.tolist() for part in hard[j])
    for c, flag in fit.flags.items():
        if flag in ("all right", "all wrong") and c not in fit.columns:
            sign = 1.0 if flag == "all right" else -1.0
            out["intercept"][c], out["intercept_se"][c] = [sign * np.inf], [np.inf]
            if D == 1:
                out["difficulty"][c], out["difficulty_se"][c] = [-sign * np.inf], [np.inf]
    return out


def population_table(fit: RowsFit) -> dict[str, Any]:
    """Means and standard deviations of the groups, coefficients of the latent regression, with standard errors."""
    mean, sd, B = fit.population.split(fit.population_params)
    k, first = fit.population.n_groups, fit.layout.n_params
    V = fit.covariance.block(fit.index, np.arange(first, first + fit.population.n_params))
    se = np.sqrt(np.maximum(np.diag(V), 0.0))
    scale, sd_se = 1.0, se[k : 2 * k] * sd
    if fit.is_rasch:  # the common slope is the reference population's standard deviation
        at = fit.layout.slopes[0, :1]
        scale = float(fit.params[at[0]])
        slope_se = float(np.sqrt(max(fit.covariance.block(fit.index, at)[0, 0], 0.0)))
        places = np.concatenate([at, first + k + np.arange(k)])
        W = fit.covariance.block(fit.index, places)
        J = np.column_stack([sd, scale * np.diag(sd)])
        sd_se = np.sqrt(np.maximum(np.diag(J @ W @ J.T), 0.0)) if k > 1 else np.array([slope_se])
    return {
        "group": np.array(fit.population.names, dtype=object), "mean": mean * scale, "mean_se": se[:k] * scale,
        "sd": sd * scale, "sd_se": sd_se, "coefficient": B * scale, "coefficient_se": se[2 * k :] * scale,
    }  # fmt: skip
