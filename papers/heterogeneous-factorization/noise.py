"""Theorem 2: the error of the parts over the noise, and over the misalignment theta.

The bound is O(1/theta) times a sum of squares and first powers of the noise's size. Complete tables: N = 10 sources of
60 x 50, r1 = r2 = 2. Misalignment is lowered by giving the unique bases a direction ever more in common.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _runs import COLOURS, grouped, quiet

import halfseen as hs
from halfseen.datasets import SourcesDesign, make_sources_data
from halfseen.show.figures import new_figure, tidy

CONFIG = {
    "full": {"noise": [0.01, 0.03, 0.1, 0.3, 1.0], "overlap": [0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99], "seeds": 5},
    "quick": {"noise": [0.03, 0.3], "overlap": [0.0, 0.9], "seeds": 1},
    "check": {"seeds": 2},
}
BASE = 0.1


def error(seed: int, noise: float, overlap: float) -> dict[str, float]:
    """Summed squared errors of both parts, and the true misalignment."""
    design = SourcesDesign(noise=noise, overlap=overlap)
    data = make_sources_data(10, 60, 50, 2, 2, design=design, random_state=seed)
    with quiet():
        model = hs.HeterogeneousFactorization(2, 2, solver="als", centre=False, random_state=0).fit(data.sources)
    shared, unique = data.part_errors(model)
    return {"theta": data.misalignment, "theta_fitted": model.misalignment_, "parts": shared + unique}


def run(config: dict[str, Any], study: Any) -> None:
    """Two curves with their slopes."""
    seeds = range(config["seeds"])
    by_noise = study.repeat(
        "noise", [{"seed": s, "noise": n, "overlap": 0.0} for s in seeds for n in config["noise"]], error
    )
    by_theta = study.repeat(
        "theta", [{"seed": s, "noise": BASE, "overlap": o} for s in seeds for o in config["overlap"]], error
    )
    one, two = grouped(by_noise, ("noise",), "parts"), grouped(by_theta, ("overlap",), "parts")
    theta = grouped(by_theta, ("overlap",), "theta")
    lines = [{"what": "noise", "at": line["noise"], **tail(line)} for line in one]
    lines += [{"what": "theta", "at": t["mean"], **tail(line)} for line, t in zip(two, theta, strict=True)]
    study.table("", lines)
    x, y = np.array([line["noise"] for line in one]), np.array([float(line["mean"]) for line in one])
    t, z = np.array([float(line["mean"]) for line in theta]), np.array([float(line["mean"]) for line in two])
    figure = new_figure(7.5, 3.2)
    for axes, (a, b, name) in zip(figure.subplots(1, 2), ((x, y, "noise"), (t, z, "misalignment theta")), strict=True):
        tidy(axes).loglog(a, b, "o-", color=COLOURS[0])
        axes.set_xlabel(name)
        axes.set_ylabel("squared error of both parts")
    axes.loglog(t, z[0] * t[0] / t, "--", color=COLOURS[2], label="1 / theta")
    axes.legend(frameon=False)
    study.picture(figure)
    slope = float(np.polyfit(np.log(x), np.log(y), 1)[0])
    steep = float(np.polyfit(np.log(t), np.log(z), 1)[0])
    study.claim(
        "the error is bounded by squares and first powers of the noise",
        "O(|E| + |E|^2 ...)",
        f"it grows like noise^{slope:.2f}",
        figures={"power": slope},
        rule="0.9 <= power <= 2.1",
        otherwise="another power than the bound's",
    )
    study.claim(
        "a larger theta lowers the bound like 1/theta",
        "at most 1/theta",
        f"theta^{steep:.2f} from {t.max():.2f} down to {t.min():.3f}: within the bound, and nearly flat",
        figures={"over_the_law": float(np.max(z * t / (z[0] * t[0])))},
        rule="over_the_law <= 1.2",
        otherwise="the error grows faster than 1/theta",
    )


def tail(line: dict[str, Any]) -> dict[str, Any]:
    return {name: line[name] for name in ("mean", "least", "largest", "runs")}
