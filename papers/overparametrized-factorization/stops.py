"""Stopping rules: how far each is from the best time, and from the best truncation, without knowing the truth.

Signal plus white noise, rho = 1e-3, k = 50, step 1/(2 sigma_1). Errors are distances to the signal over that of the
best truncated singular value decomposition, rank chosen with the truth in hand: below 1 is better than any
truncation. "Oracle" is the time of the least error along the path. Rules with "best time" over 1.02 cost more than 2 %.
The last column is optimal singular-value shrinkage (Gavish and Donoho), which needs a full decomposition.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from _descent import COLOURS, low_rank, means, new_figure, tidy

import halfseen as hs
from halfseen.linalg import shrunk
from halfseen.methods.descent import BetweenModes, DiscrepancyStop, HeldOutStop, PlateauStop, Sure

CONFIG = {
    "full": {"shape": [250, 200], "repetitions": 5, "cases": None},
    "quick": {"shape": [80, 60], "repetitions": 1, "cases": ["noise .02, flat", "noise .08, decay"]},
    "check": {"repetitions": 1, "cases": ["noise .02, flat", "noise .08, decay"]},
}
FLAT, DECAY = np.ones(5), np.array([1.0, 0.7, 0.5, 0.35, 0.25])
CASES = {
    "noise .002, flat": (0.002, FLAT),
    "noise .02, flat": (0.02, FLAT),
    "noise .03, decay": (0.03, DECAY),
    "noise .08, decay": (0.08, DECAY),
    "noise .15, decay": (0.15, np.array([1.0, 0.7, 0.5, 0.35, 0.12])),
    "noise .1, power law": (0.1, np.arange(1, 61) ** -1.5),
}
RULES: dict[str, Any] = {
    "sure": Sure(),
    "between (.8)": BetweenModes(),
    "discrepancy": DiscrepancyStop(factor=1.0),
    "discrepancy x 1.15": DiscrepancyStop(),
    "plateau": PlateauStop(),
    "held out 5 %": HeldOutStop(held_out=0.05),
    "never": "none",
}
SEARCH = 3000


def one(case: str, shape: list[int], seed: int) -> dict[str, float]:
    """All rules on one table."""
    noise, s = CASES[case]
    rng = np.random.default_rng(seed)
    truth = low_rank((shape[0], shape[1]), s[: min(shape)], rng)
    X = truth + rng.standard_normal(truth.shape) * noise / (np.sqrt(shape[0]) + np.sqrt(shape[1]))
    U, d, Vt = np.linalg.svd(X, full_matrices=False)
    best = min(float(np.linalg.norm((U[:, :q] * d[:q]) @ Vt[:q] - truth)) for q in range(len(d)))
    found: dict[str, float] = {"oracle": oracle(X, truth, seed) / best}
    for name, rule in RULES.items():
        options = {"max_iter": SEARCH, "solver": "basis", "keep": 0, "record": 10.0}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where there is no plateau, that is what the table shows
            model = hs.OverparametrizedFactorization(50, stop=rule, **options, random_state=seed).fit(X)
        found[name] = float(np.linalg.norm(model.left_ @ model.right_.T - truth)) / best
    found["shrinkage"] = float(np.linalg.norm(shrunk(X) - truth)) / best
    return found


def oracle(X: np.ndarray, truth: np.ndarray, seed: int) -> float:
    """Least error along the same path, looked at every iteration."""
    from halfseen.data import as_observed
    from halfseen.losses import get_loss
    from halfseen.methods.descent.movers import InBasis, Setting
    from halfseen.methods.descent.table import make_table
    from halfseen.solvers import loop

    start, other = np.random.default_rng(seed).spawn(2)
    table = make_table(as_observed(X), get_loss("gaussian"), "none", None, other)
    table.svd("the oracle")
    top = table.top(table.objective(), other)
    mover = InBasis(table, Setting(50, 1e-3, top, 0.5 / top, X.shape), start)
    inside, size = mover.bases[0].T @ truth @ mover.bases[1], float(np.sum(truth**2))
    best = [np.inf]

    def watch(time: int, result: Any, seconds: float) -> None:
        F, G = result.params
        square = np.sum((F.T @ F) * (G.T @ G)) - 2.0 * np.sum((inside @ G) * F) + size
        best[0] = min(best[0], float(np.sqrt(max(square, 0.0))))

    loop(mover, mover.start, max_iter=SEARCH, watchers=[watch])
    return best[0]


def run(config: dict[str, Any], study: Any) -> None:
    """The table of all rules."""
    cases = config["cases"] or list(CASES)
    points = [{"case": case, "seed": seed} for seed in range(config["repetitions"]) for case in cases]
    rows = study.repeat("runs", points, lambda case, seed: one(case, config["shape"], seed), len(cases))
    names = ("oracle", *RULES, "shrinkage")
    study.table("", means(rows, ("case",), names))
    study.table("runs", rows)
    study.picture(picture(rows, names))
    for name, bound in (("sure", 1.02), ("held out 5 %", 1.03), ("discrepancy x 1.15", 1.03)):
        worst = max(row[name] / row["oracle"] for row in rows)
        study.target(
            f"{name}: error over that of the best time",
            f"at most {bound}",
            f"at most {worst:.3f}",
            figures={"worst": worst, "bound": bound},
            rule="worst <= bound",
            reason="the paper gives no rule",
        )
    least = min(row["oracle"] / row["shrinkage"] for row in rows)
    study.beyond(
        "no stopping time beats optimal shrinkage of singular values",
        "not compared",
        f"best time over shrinkage: at least {least:.3f}",
    )


def picture(rows: list[dict[str, Any]], names: tuple[str, ...]) -> Any:
    """One column of dots per rule."""
    figure = new_figure(9.0, 3.8)
    axes = tidy(figure.subplots())
    cases = list(dict.fromkeys(row["case"] for row in rows))
    for place, case in enumerate(cases):
        for row in (row for row in rows if row["case"] == case):
            across = np.arange(len(names)) + 0.09 * (place - 0.5 * len(cases))
            axes.plot(across, [row[name] for name in names], ".", color=COLOURS[place], markersize=5)
        axes.plot([], [], ".", color=COLOURS[place], label=case)
    axes.axhline(1.0, color="#6c757d", linewidth=0.8)
    axes.set_xticks(range(len(names)), [name.replace(" ", "\n", 1) for name in names], fontsize=8)
    axes.set(ylim=(0.85, 1.3), ylabel="error / best truncation")
    axes.legend(frameon=False, fontsize=8, ncols=3)
    axes.set_title("'never' lies above the frame", fontsize=9, loc="left")
    return figure
