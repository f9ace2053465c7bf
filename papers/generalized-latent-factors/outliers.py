"""Section 7: resilience to outliers, of factors, predictor and intervals.

The conclusion says that the simulations show "resilience to outliers"; section 6 shows none, so two kinds are tried on
tables of 400 x 400, half seen. *Flipped answers*: a share of the observed yes/no answers is turned over. *Gross
entries*: a share of Gaussian entries gets an error ten standard deviations wide. Errors are relative, X and Y after the
best rotation of each, M the linear predictor. "Published" is the stationary point of the likelihood, with plug-in 95 %
intervals for the rows of X. Beside it stand the spectral start it comes from, the model as users get it, and for gross
entries the family that is meant for them (Huber's loss, its threshold 1.345 noise standard deviations).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _simulation import BLUE, GREY, ORANGE, factor_errors, means, new_figure, quiet, stage_errors, tidy

import halfseen as hs

CONFIG = {
    "full": {
        "n": 400, "p": 400, "share": 0.5, "repetitions": 10,
        "spoilt": {"bernoulli": [0.0, 0.01, 0.02, 0.05, 0.1], "gaussian": [0.0, 0.001, 0.01, 0.02, 0.05]},
    },
    "quick": {
        "n": 400, "p": 400, "share": 0.5, "repetitions": 2,
        "spoilt": {"bernoulli": [0.0, 0.05], "gaussian": [0.0, 0.01]},
    },
    "check": {"repetitions": 2, "spoilt": {"bernoulli": [0.0, 0.05], "gaussian": [0.0, 0.01]}},
}  # fmt: skip
KINDS = {"bernoulli": "flipped answers", "gaussian": "gross entries"}
# The shares at which verdicts are given.
JUDGED = {"bernoulli": 0.05, "gaussian": 0.01}
SIZE = 10.0


def spoil(data: Any, family: str, spoilt: float, seed: int) -> Any:
    """The table with a share of its observed entries spoilt."""
    rng = np.random.default_rng([seed, 7])
    values = data.observed.to_dense()
    hit = rng.random(values.shape) < spoilt
    wrong = 1.0 - values if family == "bernoulli" else values + SIZE * rng.standard_normal(values.shape)
    return hs.Observed.from_dense(np.where(hit, wrong, values))


def repetition(n: int, p: int, share: float, family: str, spoilt: float, seed: int) -> dict[str, float]:
    """Errors of every estimator on one table, and how often published intervals hold."""
    data = hs.datasets.make_factor_data(n, p, 2, family, 1.0, share, random_state=seed)
    table, found = spoil(data, family, spoilt, seed), {}
    with quiet():
        options = {"penalty": "none", "bias": "none", "start": "spectral"}
        published = hs.GeneralizedFactorModel(2, family, **options, random_state=0).fit(table)
        found |= errors("spectral", published.stages_["spectral"], data)
        found |= errors("published", published.stages_["final"], data)
        found["coverage"] = coverage(published, data)
        default = hs.GeneralizedFactorModel(2, family, random_state=seed).fit(table)
        found |= errors("default", default.stages_["final"], data)
        if family == "gaussian":
            robust = hs.GeneralizedFactorModel(2, "huber(1.345)", random_state=seed).fit(table)
            found |= errors("huber", robust.stages_["final"], data)
    return found


def errors(name: str, factors: Any, data: Any) -> dict[str, float]:
    """Errors of M, X and Y."""
    X, Y = factor_errors(factors, data)
    return {f"M {name}": stage_errors(factors, data)[0], f"X {name}": X, f"Y {name}": Y}


def coverage(model: Any, data: Any) -> float:
    """How often published intervals of the first component of X hold."""
    inference = model.inference(variance="plug_in", gauge="plain", random_state=0)
    X = data.row_factors[:, 0]
    x = inference.row_factors(component=0)
    turn = np.sign(np.sum(inference.row_factors_estimate[:, 0] * X))
    return float(np.mean(np.abs(x.estimate * turn - X) <= 1.96 * x.se))


def run(config: dict[str, Any], study: Any) -> None:
    """Both kinds of outliers."""
    fixed = {key: config[key] for key in ("n", "p", "share")}
    points = [
        {**fixed, "family": family, "spoilt": spoilt, "seed": seed}
        for seed in range(config["repetitions"])
        for family, shares in config["spoilt"].items()
        for spoilt in shares
    ]
    rows = study.repeat("fits", points, repetition, len(points) // config["repetitions"])
    tables = {
        family: means([row for row in rows if row["family"] == family], ("family", "spoilt"), ("seed", *fixed))
        for family in config["spoilt"]
    }
    for family, table in tables.items():
        study.table(KINDS[family].replace(" ", "-"), table)
        judge(family, table, study)
    study.picture(picture(tables))


def judge(family: str, table: list[dict[str, Any]], study: Any) -> None:
    """Errors with outliers over those without; coverage with them."""
    lines = {row["spoilt"]: row for row in table}
    clean, bad = lines[0.0], lines[JUDGED[family]]
    many = f"{100 * JUDGED[family]:g} % {KINDS[family]}"
    ratio = {part: round(bad[f"{part} published"] / clean[f"{part} published"], 3) for part in ("M", "X", "Y")}
    most = table[-1]
    study.claim(
        f"errors stay near those without outliers, {many}",
        "resilience to outliers (no figure)",
        ", ".join(f"{part} {value:.2f} times" for part, value in ratio.items()),
        figures=ratio,
        rule="max(M, X, Y) <= 1.25",
        partly="max(M, X, Y) <= 2",
        reason=f"{clean['repetitions']} tables; with {100 * most['spoilt']:g} %: "
        + ", ".join(f"{part} {most[f'{part} published'] / clean[f'{part} published']:.2f}" for part in ratio),
        otherwise="flipped answers pull every slope towards zero: a bias that no number of entries takes away"
        if family == "bernoulli"
        else "squared errors weigh an entry by its size",
    )
    study.claim(
        f"95 % intervals of X hold, {many}",
        "reliable coverage, resilience to outliers (no figure)",
        f"{bad['coverage']:.3f}; without outliers {clean['coverage']:.3f}",
        figures={"coverage": round(bad["coverage"], 3)},
        rule="0.92 <= coverage <= 0.98",
        partly="coverage >= 0.85",
        reason=f"standard error {bad['coverage se']:.3f} between tables",
        otherwise="the bias of the factors is no part of the standard errors",
    )
    for name in ("default", "huber"):
        if f"M {name}" in bad:
            study.beyond(
                f"{name}: errors over the published ones', {many}",
                "not said",
                ", ".join(f"{part} {bad[f'{part} {name}'] / bad[f'{part} published']:.2f}" for part in ratio),
                reason="over its own without outliers: "
                + ", ".join(f"{part} {bad[f'{part} {name}'] / clean[f'{part} {name}']:.2f}" for part in ratio),
            )  # fmt: skip


def picture(tables: dict[str, list[dict[str, Any]]]) -> Any:
    """Errors over the share of outliers, X and Y, a panel per kind."""
    figure = new_figure(8.4, 3.6)
    colors = {"spectral": GREY, "published": ORANGE, "default": "black", "huber": BLUE}
    for ax, (family, table) in zip(figure.subplots(1, 2), tables.items(), strict=True):
        for name, color in colors.items():
            for part, style in (("X", "-"), ("Y", "--")):
                if f"{part} {name}" in table[0]:
                    ax.plot([100 * row["spoilt"] for row in table], [row[f"{part} {name}"] for row in table], style,
                            color=color, marker=".", label=f"{part}, {name}")  # fmt: skip
        ax.set_title(KINDS[family], fontsize=10)
        ax.set_xlabel("% of the entries", fontsize=9)
        ax.set_ylim(0, None)
        ax.legend(fontsize=7, frameon=False)
        tidy(ax)
    figure.axes[0].set_ylabel("relative error", fontsize=9)
    return figure
