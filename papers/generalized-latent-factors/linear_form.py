"""Theorem 2.2: error of the iterate against its linear form.

Estimates minus truth should equal -H^-1 times the gradient at the truth, row by row, up to a remainder of smaller
order. Logit, half seen, n = p, gradient descent from the one-step start. *Printed*: the Hessian sums over all entries,
the intercept has a scalar of its own. *Corrected*: sums run over observed entries only, and (zeta_j, y_j) is one block.
A number is the largest remainder over rows divided by the largest corrected linear form over rows; the theorem wants it
below a multiple of 1 / log d. The slope regresses the errors of all rows on their linear forms: 1 where the form is
right. Where the print forgets which entries were observed, its form is a share pi of the corrected one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _simulation import BLUE, GREY, ORANGE, aligned, linear_model, means, new_figure, quiet, simulate, sizes_axis, tidy

from halfseen.losses import get_loss

CONFIG = {
    "full": {"sizes": [400, 800, 1600], "share": 0.5, "sweeps": [0, 30, 100, 300], "repetitions": 3},
    "quick": {"sizes": [150, 300], "share": 0.8, "sweeps": [0, 100], "repetitions": 1},
    "check": {"sizes": [400, 800], "sweeps": [0, 300], "repetitions": 1},
}
FORMS, PARTS = ("printed", "corrected"), ("zeta", "X", "Y")


def repetition(n: int, share: float, sweeps: int, seed: int) -> dict[str, float]:
    """Largest remainders of both forms after so many sweeps; 0 sweeps is the one-step start."""
    data = simulate(n, n, seed, 1.0, share)
    with quiet():
        model = linear_model(solver="gd", max_iter=max(sweeps, 1)).fit(data.observed)
    at = model.stages_["final" if sweeps else "one_step"]
    rows, cols = aligned(at.rows, at.cols, data)
    errors = {
        "zeta": (at.intercept - data.intercept)[:, None],
        "X": rows - data.row_factors,
        "Y": cols - data.col_factors,
    }
    found, forms = {}, linear_forms(data)
    for form, parts in forms.items():
        for part, linear in parts.items():
            remainder = np.linalg.norm(errors[part] - linear, axis=1).max()
            found[f"{part} {form}"] = float(remainder / np.linalg.norm(forms["corrected"][part], axis=1).max())
            found[f"{part} {form} slope"] = float((errors[part] * linear).sum() / np.square(linear).sum())
    return found


def linear_forms(data: Any) -> dict[str, dict[str, Any]]:
    """The linear forms at the truth."""
    loss, M, R = get_loss("bernoulli"), data.linear, data.observed.to_dense()
    seen, X, Y = ~np.isnan(R), data.row_factors, data.col_factors
    E, w = np.where(seen, loss.mean(M) - np.nan_to_num(R), 0.0), loss.variance(M)
    features = np.column_stack([np.ones(len(X)), X])
    joint = -solve(np.einsum("ij,ik,il->jkl", w * seen, features, features, optimize=True), E.T @ features)
    return {
        "printed": {
            "zeta": -(E.sum(axis=0) / (w * seen).sum(axis=0))[:, None],
            "X": -solve(np.einsum("ij,jk,jl->ikl", w, Y, Y, optimize=True), E @ Y),
            "Y": -solve(np.einsum("ij,ik,il->jkl", w, X, X, optimize=True), E.T @ X),
        },
        "corrected": {
            "zeta": joint[:, :1],
            "X": -solve(np.einsum("ij,jk,jl->ikl", w * seen, Y, Y, optimize=True), E @ Y),
            "Y": joint[:, 1:],
        },
    }


def solve(H: Any, g: Any) -> Any:
    return np.linalg.solve(H, g[..., None])[..., 0]


def run(config: dict[str, Any], study: Any) -> None:
    """Remainders over size and sweeps."""
    points = [
        {"n": n, "share": config["share"], "sweeps": sweeps, "seed": seed}
        for seed in range(config["repetitions"])
        for n in config["sizes"]
        for sweeps in config["sweeps"]
    ]
    rows = study.repeat("forms", points, repetition, len(config["sizes"]) * len(config["sweeps"]))
    table = means(rows, ("n", "sweeps"), ("seed", "share"))
    study.table("", table)
    study.picture(picture(table, config))
    last = [row for row in table if row["sweeps"] == max(config["sweeps"])]
    for part in PARTS:
        for form in FORMS:
            judge(last, part, form, study)


def judge(last: list[dict[str, Any]], part: str, form: str, study: Any) -> None:
    """Remainders over the sizes; whether they fall and the errors follow the form."""
    values, slope = [row[f"{part} {form}"] for row in last], last[-1][f"{part} {form} slope"]
    text = f"{', '.join(f'{value:.2f}' for value in values)} at n = {', '.join(str(row['n']) for row in last)}"
    text += f"; slope {slope:.2f}"
    what, paper = f"remainder of the linear form of {part}, {form}", "vanishes against it"
    if form == "corrected":
        study.beyond(what, paper, text, "slope: of the errors on the form, at the largest n")
        return
    study.claim(
        what,
        paper,
        text,
        figures={"slope": slope, "first": values[0], "last": values[-1]},
        rule="abs(slope - 1) < 0.1 and last < first",
        otherwise="the errors are not the form's size",
    )


def picture(table: list[dict[str, Any]], config: dict[str, Any]) -> Any:
    """Remainders over n, a panel per parameter."""
    figure = new_figure(9.5, 3.2)
    for ax, part in zip(figure.subplots(1, 3, sharey=True), PARTS, strict=True):
        for sweeps, style in zip(config["sweeps"], (":", "-.", "--", (0, (5, 1)), "-"), strict=False):
            lines = [row for row in table if row["sweeps"] == sweeps]
            for form, color in zip(FORMS, (ORANGE, BLUE), strict=True):
                label = f"{form}, {sweeps} sweeps" if form == "corrected" or sweeps == 0 else None
                ax.plot([row["n"] for row in lines], [row[f"{part} {form}"] for row in lines], linestyle=style,
                        color=color, marker=".", label=label)  # fmt: skip
        sizes = np.array(config["sizes"], dtype=float)
        ax.plot(sizes, 0.3 * (sizes / sizes[0]) ** -0.5, color=GREY, linewidth=0.8, label="$n^{-1/2}$")
        ax.set(yscale="log", title={"zeta": "$\\zeta$"}.get(part, part))
        sizes_axis(ax, config["sizes"])
        ax.set_xlabel("n = p", fontsize=9)
        tidy(ax)
    axes = figure.axes
    axes[0].set_ylabel("largest remainder / largest linear form", fontsize=9)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", fontsize=7, frameon=False)
    return figure
