"""Real tables: a surveillance video, handwritten digits, MovieLens-100k.

Video: 100 frames of 144 x 176 of a hall, one row per frame; the background is what descent learns first. Digits: 1797
pictures of 8 x 8, with noise of standard deviation 4 added, and with half of the pixels hidden. MovieLens-100k: a tenth
of the ratings held out, three splits. Descent knows no rank and nothing is tuned; least squares chooses its rank among
4, 8, 16, 32 on held-out entries.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from _descent import means, new_figure

import halfseen as hs
from halfseen.linalg import shrunk

CONFIG = {
    "full": {"frames": 100, "splits": 3, "pictures": 1797},
    "quick": {"frames": 20, "splits": 1, "pictures": 200},
    "check": {"splits": 1, "pictures": 300},
}


def run(config: dict[str, Any], study: Any) -> None:
    """All three."""
    video(config, study)
    digits(config, study)
    ratings(config, study)


def video(config: dict[str, Any], study: Any) -> None:
    """The background of a hall."""
    study.progress("video")
    frames = np.load(study.data("video/hall"))["frames"][: config["frames"]]
    size = frames.shape[1:]
    X = frames.reshape(len(frames), -1).astype(np.float32) / 255.0
    options = {"solver": "basis", "centre": "none", "max_iter": 4000, "keep": 3}
    model = hs.OverparametrizedFactorization(20, start_scale=1e-6, stop=4000, **options, random_state=0).fit(X)
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    rows = []
    for passed in model.path_.passed:
        best = (U[:, : passed.rank] * s[: passed.rank]) @ Vt[: passed.rank]
        off = float(np.linalg.norm(passed.to_dense() - best) / np.linalg.norm(best))
        rows.append({"rank": passed.rank, "passed at": passed.time, "relative distance to best": off,
                     "singular value": float(s[passed.rank - 1])})  # fmt: skip
    study.table("video", rows)
    background = model.approximation(1).to_dense()
    middle = len(X) // 2
    moving = np.abs(X[middle] - background[middle])
    shown = {"frame": X[middle], "background, X_1": background[middle], "difference": moving}
    figure = new_figure(9.0, 2.9)
    for axes, (name, picture) in zip(figure.subplots(1, 3), shown.items(), strict=True):
        axes.imshow(picture.reshape(size), cmap="gray", vmin=0, vmax=1 if name != "difference" else 0.4)
        axes.set_axis_off()
        axes.set_title(name, fontsize=10, loc="left")
    study.picture(figure, "video")
    study.claim(
        "descent passes the best rank-1 approximation of a real video: its background",
        "any matrix with a gap",
        f"relative distance {rows[0]['relative distance to best']:.1e} at iteration {rows[0]['passed at']}; "
        f"rank 2: {rows[1]['relative distance to best']:.1e}",
        figures={"distance": rows[0]["relative distance to best"]},
        rule="distance < 1e-2",
        partly="distance < 0.1",
        otherwise="more than 1 % off",
    )


def digits(config: dict[str, Any], study: Any) -> None:
    """Noise on all pixels, and half of the pixels hidden."""
    study.progress("digits")
    truth = hs.datasets.load_digits_counts().to_dense()[: config["pictures"]]
    rng = np.random.default_rng(0)
    noisy = truth + 4.0 * rng.standard_normal(truth.shape)
    centred = noisy - noisy.mean(axis=0)
    U, s, Vt = np.linalg.svd(centred, full_matrices=False)
    rmse = lambda estimate: float(np.sqrt(np.mean((estimate - (truth - noisy.mean(axis=0))) ** 2)))  # noqa: E731
    rows = [{"method": "best truncation, with the truth", "rmse": min(
        rmse((U[:, :q] * s[:q]) @ Vt[:q]) for q in range(len(s)))}]  # fmt: skip
    for stop in ("sure", "discrepancy", "held_out", "between"):
        options = {"max_iter": 1500, "keep": 0, "record": 1.0}
        model = hs.OverparametrizedFactorization(64, stop=stop, **options, random_state=0).fit(centred)
        rows.append({"method": f"descent, {stop}", "rmse": rmse(model.left_ @ model.right_.T)})
    rows.append({"method": "optimal shrinkage", "rmse": rmse(shrunk(centred))})
    rows.append({"method": "nothing", "rmse": rmse(centred)})
    study.table("digits", rows)
    by = {row["method"]: row["rmse"] for row in rows}
    study.beyond(
        "digits with noise: descent stopped by Stein's estimate",
        "not shown",
        f"RMSE {by['descent, sure']:.3f}; best truncation {by['best truncation, with the truth']:.3f}, optimal "
        f"shrinkage {by['optimal shrinkage']:.3f}, nothing {by['nothing']:.3f}",
    )
    table = hs.Observed.from_dense(truth)
    seen, hidden = table.split(0.5, random_state=0, keep_covered=True)
    compared = compare(seen, hidden, 32)
    study.table("digits-hidden", [compared])
    study.beyond(
        "digits with half of the pixels hidden",
        "not shown",
        ", ".join(f"{name} {value:.3f}" for name, value in compared.items()),
    )


def ratings(config: dict[str, Any], study: Any) -> None:
    """MovieLens-100k."""
    study.progress("MovieLens-100k")
    table = hs.read_table(study.data("ml-100k"), row=0, col=1, value=2, header=False, sep="\t")
    rows = []
    for seed in range(config["splits"]):
        seen, held = table.split(0.1, random_state=seed, keep_covered=True)
        rows.append({"split": seed, "all": "all", **compare(seen, held, 20)})
    study.table("ratings", rows)
    found = means(rows, ("all",), tuple(name for name in rows[0] if name not in ("split", "all")))[0]
    study.beyond(
        "MovieLens-100k, held-out ratings",
        "not shown",
        ", ".join(f"{name} {value:.4f}" for name, value in found.items() if name not in ("all", "repetitions")),
    )


def compare(seen: Any, hidden: Any, k: int) -> dict[str, float]:
    """RMSE of descent and of what it is compared with."""
    models: dict[str, Any] = {
        "descent": hs.OverparametrizedFactorization(k, random_state=0),
        "biases": hs.BiasModel(),
        "column mean": hs.ColumnMean(),
    }
    als = hs.AlternatingLeastSquares(random_state=0)
    rank = hs.select.choose_rank(als, seen, [4, 8, 16, 32], n_splits=1, random_state=0).rank
    models["least squares"] = als.set_params(rank=rank)
    found = {}
    for name, model in models.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(seen)
        rows = hidden.rows if hidden.row_labels is None else hidden.row_labels[hidden.rows]
        cols = hidden.cols if hidden.col_labels is None else hidden.col_labels[hidden.cols]
        found[name] = float(np.sqrt(np.mean((model.predict(rows, cols) - hidden.values) ** 2)))
    return found
