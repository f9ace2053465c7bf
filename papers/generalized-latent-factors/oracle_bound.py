"""Remark 5: mean squared error against the oracle's Cramer-Rao bound.

The bound for row x_i when zeta and Y are known is the inverse of the information (the print has the information
itself). A number is the mean over rows and tables of e' H e / r with H the information at the truth: 1 for an estimator
that attains the bound. *Oracle* is the row-wise maximum likelihood estimate with zeta and Y known. Rows and columns
stay, cells and answers are drawn anew; factors are rotated to the truth. *Predicted* is what the second-order
covariance says the excess should be.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from _simulation import BLUE, GREY, ORANGE, aligned, linear_model, means, new_figure, redraw, simulate, sizes_axis, tidy

from halfseen.losses import get_loss

CONFIG = {
    "full": {"sizes": [400, 800, 1600], "share": 0.5, "repetitions": 10},
    "quick": {"sizes": [200, 300], "share": 0.8, "repetitions": 1},
    "check": {"sizes": [400, 800], "repetitions": 3},
}
PARTS = ("zeta", "X", "Y")
KINDS = ("likelihood", "firth", "oracle", "predicted")


@cache
def truth_of(n: int) -> Any:
    return simulate(n, n, 7)


def repetition(n: int, share: float, seed: int) -> dict[str, float]:
    """Errors over the bound, of the fits, of the oracle, and as predicted."""
    truth = truth_of(n)
    observed = redraw(truth, share, seed)
    R = observed.to_dense()
    H = information(truth, ~np.isnan(R))
    found = {}
    for kind, bias in (("likelihood", "none"), ("firth", "firth")):
        model = linear_model(bias).fit(observed)
        rows, cols = aligned(model.row_factors_, model.col_factors_, truth)
        for part, ratio in ratios(model.intercept_, rows, cols, truth, H).items():
            found[f"{part} {kind}"] = ratio
    i = model.inference(gauge="plain")
    found |= {f"{part} predicted": value for part, value in predicted(i, H).items()}
    found |= {f"{part} oracle": value for part, value in oracle(R, truth, H).items()}
    return found


def information(truth: Any, seen: Any) -> dict[str, Any]:
    """Fisher information of every row, and of every (zeta_j, y_j), at the truth."""
    w = get_loss("bernoulli").variance(truth.linear) * seen
    features = np.column_stack([np.ones(len(seen)), truth.row_factors])
    return {
        "X": np.einsum("ij,jk,jl->ikl", w, truth.col_factors, truth.col_factors, optimize=True),
        "columns": np.einsum("ij,ik,il->jkl", w, features, features, optimize=True),
    }


def ratios(zeta: Any, rows: Any, cols: Any, truth: Any, H: dict[str, Any]) -> dict[str, float]:
    """Mean squared errors in the metric of the information, over the number of parameters."""
    both = np.column_stack([zeta - truth.intercept, cols - truth.col_factors])
    bound = np.linalg.inv(H["columns"])
    schur = np.linalg.inv(bound[:, 1:, 1:])
    return {
        "zeta": float(np.mean(both[:, 0] ** 2 / bound[:, 0, 0])),
        "X": quadratic(rows - truth.row_factors, H["X"]),
        "Y": quadratic(both[:, 1:], schur),
    }


def quadratic(error: Any, H: Any) -> float:
    return float(np.einsum("ik,ikl,il->i", error, H, error).mean() / error.shape[1])


def predicted(i: Any, H: dict[str, Any]) -> dict[str, float]:
    """Excess of the second-order covariances over the plug-in ones."""
    rows, cols = i.ellipsoid(np.arange(len(H["X"]))), i.ellipsoid(np.arange(len(H["columns"])), axis="cols")
    bound = np.linalg.inv(H["columns"])
    se = i.intercepts().se
    return {
        "zeta": float(np.mean(se**2 / bound[:, 0, 0])),
        "X": float(np.mean(np.einsum("ikl,ilk->i", H["X"], rows.covariance)) / rows.estimate.shape[1]),
        "Y": float(np.mean(np.einsum("ikl,ilk->i", np.linalg.inv(bound[:, 1:, 1:]), cols.covariance)) / 2),
    }


def oracle(R: Any, truth: Any, H: dict[str, Any]) -> dict[str, float]:
    """Row-wise and column-wise estimates with the other side known."""
    ones = np.ones((len(R), 1))
    rows = regressions(R, truth.col_factors, truth.intercept[None, :], truth.row_factors)
    features = np.hstack([ones, truth.row_factors])
    start = np.column_stack([truth.intercept, truth.col_factors])
    cols = regressions(R.T, features, np.zeros((1, len(R))), start)
    return ratios(cols[:, 0], rows, cols[:, 1:], truth, H)


def regressions(R: Any, features: Any, offset: Any, start: Any, steps: int = 8) -> Any:
    """A logistic regression per row of R, by Newton's method from the truth."""
    loss, seen, at = get_loss("bernoulli"), ~np.isnan(R), start.copy()
    answers = np.nan_to_num(R)
    for _ in range(steps):
        M = offset + at @ features.T
        gradient = np.where(seen, loss.mean(M) - answers, 0.0) @ features
        hessian = np.einsum("ij,jk,jl->ikl", loss.variance(M) * seen, features, features, optimize=True)
        at -= np.linalg.solve(hessian, gradient[..., None])[..., 0]
    return at


def run(config: dict[str, Any], study: Any) -> None:
    """Ratios over the size."""
    points = [
        {"n": n, "share": config["share"], "seed": seed}
        for seed in range(config["repetitions"])
        for n in config["sizes"]
    ]
    rows = study.repeat("ratios", points, repetition, len(config["sizes"]))
    table = means(rows, ("n",), ("seed", "share"))
    study.table("", table)
    study.picture(picture(table))
    for part in PARTS:
        text = {
            kind: ", ".join(f"{row[f'{part} {kind}']:.3f}" for row in table) for kind in KINDS
        }  # fmt: skip
        sizes = ", ".join(str(row["n"]) for row in table)
        excess = [row[f"{part} likelihood"] - 1 for row in table]
        study.claim(
            f"mean squared error of {part} over the oracle bound tends to 1, likelihood (n = p = {sizes})",
            "1",
            text["likelihood"],
            figures={"first": 1 + excess[0], "last": 1 + excess[-1]},
            rule="last < 1.1 and last <= first",
            partly="last <= first",
            reason=f"the oracle itself has {text['oracle']}; {table[0]['repetitions']} tables each",
        )
        study.beyond(
            f"the same, {part} with Firth's correction; what second-order covariances predict",
            "not said",
            f"{text['firth']}; {text['predicted']}",
        )


def picture(table: list[dict[str, Any]]) -> Any:
    """Ratios over n, a panel per parameter."""
    figure = new_figure(9.0, 3.0)
    styles = {"likelihood": (ORANGE, "-"), "firth": (BLUE, "-"), "predicted": (BLUE, ":"), "oracle": (GREY, "--")}
    for ax, part in zip(figure.subplots(1, 3, sharey=True), PARTS, strict=True):
        for kind, (color, style) in styles.items():
            ax.plot([row["n"] for row in table], [row[f"{part} {kind}"] for row in table], style, color=color,
                    marker=".", label=kind)  # fmt: skip
        ax.axhline(1.0, color="black", linewidth=0.8)
        ax.set_title({"zeta": "$\\zeta$"}.get(part, part))
        sizes_axis(ax, [row["n"] for row in table])
        ax.set_xlabel("n = p", fontsize=9)
        tidy(ax)
    figure.axes[0].set_ylabel("mean squared error / bound", fontsize=9)
    figure.axes[0].legend(fontsize=8, frameon=False)
    return figure
