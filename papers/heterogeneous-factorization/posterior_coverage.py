"""Beyond the paper: how often the posterior's 95 % intervals hold the truth.

Three views with two factors in all, one in two views and one of its own in two; a fifth of the cells and a fifth of
each view's samples hidden; unequal column noise. Counted: signals at hidden cells of seen samples and of hidden
samples, values that would be observed there, loadings and scores, and cells of new samples of which two of the three
views were seen. Axes and scale of the factors are a convention: the truth is put into those of the fit by the linear
map that predicts the true loadings from the posterior means best. (The other way round, means regressed on the truth,
the map is too small by as much as the means are shrunk, and the true scores come out too large: with weak signals that
alone took coverage of scores from .94 to .92.)
"""

from __future__ import annotations

from typing import Any

import _peers
import numpy as np
from _peers import hidden
from _runs import COLOURS, quiet

import halfseen as hs
from halfseen.show.figures import new_figure, tidy

CONFIG = {
    "full": {
        "scenes": {
            "100 samples": [100, [60, 40, 50], 1.0, 0.6],
            "100 samples, weak": [100, [60, 40, 50], 0.4, 0.6],
            "40 samples": [40, [60, 30, 40], 1.0, 0.6],
            "300 samples": [300, [60, 40, 50], 1.0, 0.3],
        },
        "seeds": 20,
    },
    "check": {"seeds": 4},
    "quick": {"scenes": {"40 samples": [40, [12, 10, 14], 1.0, 0.3]}, "seeds": 1},
}
NEW = 40
LEVEL = 0.95


def covered(seed: int, scene: str, design: list[Any]) -> dict[str, float]:
    """Shares of intervals that hold the truth, in one draw."""
    rows, widths, strength, unequal = design
    data, truth, scores, loadings = _peers.simulated(
        seed, rows + NEW, tuple(widths), strength, unequal, has_factors=True
    )
    fit_data = {name: table[:rows] for name, table in data.items()}
    seen, masks = hidden(fit_data, seed, 0.2, 0.2)
    with quiet():
        model = hs.HeterogeneousFactorization(random_state=0).fit(seen)
    posterior = model.inference(LEVEL)
    found: dict[str, list[np.ndarray]] = {}
    for name in data:
        for what in ("cells", "samples"):
            i, j = np.nonzero(masks[what][name])
            found.setdefault(f"signal, hidden {what}", []).append(
                inside(posterior.entries(i, j, source=name), truth[name][i, j])
            )
            ends = posterior.responses(i, j, source=name)
            found.setdefault(f"value, hidden {what}", []).append(inside(ends, data[name][i, j]))
    new = {name: data[name][rows:] for name in list(data)[:2]}
    last = list(data)[2]
    i, j = np.indices((NEW, widths[2])).reshape(2, -1)
    placed = model.place_samples(new).inference(LEVEL)
    found["signal, new samples"] = [inside(placed.entries(i, j, source=last), truth[last][rows:][i, j])]
    found |= factors_covered(model, posterior, scores[:rows], loadings)
    return {what: float(np.mean(np.concatenate(parts))) for what, parts in found.items()}


def factors_covered(model: Any, posterior: Any, scores: np.ndarray, loadings: dict[str, np.ndarray]) -> dict[str, Any]:
    """Loadings and scores against the truth, turned to lie nearest to the fit; only where the pattern is right."""
    active = model.activity_.any(axis=1)
    if active.sum() != scores.shape[1]:
        return {}
    # given the data the truth is the posterior mean and an error that the mean knows nothing of: truth on means
    names = list(loadings)
    weight = {name: 1.0 / np.sqrt(model.noise_[name])[:, None] for name in names}
    true = np.vstack([weight[name] * loadings[name] for name in names])
    fit = np.vstack([weight[name] * model.loadings_[name][:, active] for name in names])
    turn = np.linalg.inv(np.linalg.lstsq(fit, true, rcond=None)[0])
    found: dict[str, Any] = {"loadings": []}
    for name, truth in loadings.items():
        takes = model.activity_[active, model.source_names_.index(name)]
        ends = posterior.columns(source=name)
        low, high = ends.low[:, active][:, takes], ends.high[:, active][:, takes]
        target = (truth @ turn)[:, takes]
        found["loadings"].append(((low <= target) & (target <= high)).ravel())
    ends = posterior.rows()
    target = (scores - scores.mean(axis=0)) @ np.linalg.inv(turn).T
    target = target + model.scores_[:, active].mean(axis=0)
    found["scores"] = [((ends.low[:, active] <= target) & (target <= ends.high[:, active])).ravel()]
    return found


def inside(ends: Any, truth: np.ndarray) -> np.ndarray:
    """Which intervals hold the truth."""
    return (ends.low <= truth) & (truth <= ends.high)


def run(config: dict[str, Any], study: Any) -> None:
    """Coverage by scene and kind of interval."""
    points = [
        {"seed": seed, "scene": scene, "design": design}
        for seed in range(config["seeds"])
        for scene, design in config["scenes"].items()
    ]
    rows = study.repeat("coverage", points, covered)
    kinds = [
        what for what in dict.fromkeys(key for row in rows for key in row) if what not in ("seed", "scene", "design")
    ]
    table = []
    for scene in config["scenes"]:
        for what in kinds:
            numbers = np.array([row[what] for row in rows if row["scene"] == scene and what in row])
            if len(numbers):
                error = numbers.std(ddof=1) / np.sqrt(len(numbers)) if len(numbers) > 1 else float("nan")
                table.append({"scene": scene, "interval": what, "coverage": f"{numbers.mean():.3f}",
                              "standard_error": f"{error:.3f}", "tables": len(numbers)})  # fmt: skip
    study.table("", table)
    figure = new_figure(6.5, 3.2)
    axes = tidy(figure.subplots())
    for colour, scene in zip(COLOURS, config["scenes"], strict=False):
        lines = [line for line in table if line["scene"] == scene]
        axes.plot([kinds.index(line["interval"]) for line in lines], [float(line["coverage"]) for line in lines], "o",
                  color=colour, label=scene)  # fmt: skip
    axes.axhspan(0.93, 0.97, color="#cccccc", alpha=0.5, lw=0)
    axes.set_xticks(range(len(kinds)), kinds, rotation=30, ha="right", fontsize=7)
    axes.set_ylim(0.8, 1.0)
    axes.set_ylabel("coverage of 95 % intervals")
    axes.legend(frameon=False, fontsize=7)
    study.picture(figure)
    shares = [float(line["coverage"]) for line in table]
    study.target(
        "95 % intervals of the posterior hold the truth", ".93 to .97 in every line",
        f"{min(shares):.3f} to {max(shares):.3f}", figures={"lowest": min(shares), "highest": max(shares)},
        rule="0.93 <= lowest and highest <= 0.97", otherwise="the lines of the table say where",
    )  # fmt: skip
