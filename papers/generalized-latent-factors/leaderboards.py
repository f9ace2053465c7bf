"""Leaderboards of real models: answers and whole benchmarks hidden, scores and ranks against the complete table.

Seven sets of models by tasks. Of the complete table 30, 10 and 3 % of the answers are left, at random; or whole
benchmarks are taken away from some models, as EvalPlus's own models miss them. Truth is the score on the complete
table (EvalPlus: of the 37 models that ran all four benchmarks; all 71 are fitted, or those 37 alone). *Raw* is the mean
of the answers that are left with its binomial interval, *shrunk* the same pulled towards the mean of all models as much
as their spread says, *random* the model as users get it. Targets stand in the column of the paper. A simulation with
known truth follows: abilities and items drawn from the model's own distributions, and heavy-tailed ones.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from _simulation import BLUE, GREY, ORANGE, means, new_figure, tidy
from scipy.special import expit
from scipy.stats import kendalltau

import halfseen as hs

CONFIG = {
    "full": {
        "data": ["evalplus_binary", "evalplus, 37 complete", "humaneval_hf", "cruxeval_input", "livecodebench",
                 "terminal_bench_1", "swebench_multimodal", "psn_irt"],
        "shares": [0.3, 0.1, 0.03], "repetitions": 10, "items": 3000, "block_repetitions": 10,
        "simulated": [[28, 400, 0.2], [60, 800, 0.1], [60, 800, 0.03], [12, 800, 0.1]], "simulations": 10,
    },
    "quick": {
        "data": ["terminal_bench_1"], "shares": [0.3], "repetitions": 2, "items": 100, "block_repetitions": 0,
        "simulated": [[28, 100, 0.3]], "simulations": 2,
    },
    "check": {
        "data": ["terminal_bench_1"], "shares": [0.3], "repetitions": 3, "block_repetitions": 0,
        "simulated": [[60, 800, 0.1]], "simulations": 3,
    },
}  # fmt: skip
KINDS = ("raw", "shrunk", "rasch", "2pl", "random")
BY = ("data", "share", "kind")
READING = {
    "evalplus_binary": {"row": "models", "col": "benchmark+items", "value": "response", "missing": 255},
    "swebench_multimodal": {"row": "models", "col": "items", "value": "response"},
    "psn_irt": {"row": None, "col": None, "value": "response"},
}
PASS_RATES = {"row": "models", "col": "items", "value": "passrate"}


def run(config: dict[str, Any], study: Any) -> None:
    """Answers hidden at random, whole benchmarks, simulations; then tables, picture, targets."""
    tables = Tables(study, config["items"])
    hidden = [
        {"data": name, "share": share, "seed": seed}
        for seed in range(config["repetitions"]) for name in config["data"] for share in config["shares"]
    ]  # fmt: skip
    rows = study.repeat("hidden", hidden, tables.hidden, at_least=len(config["data"]) * len(config["shares"]))
    table = means(rows, BY)
    study.table("", shown(table))
    study.picture(picture(table))
    blocks = [{"pattern": pattern, "seed": seed}
              for seed in range(config["block_repetitions"]) for pattern in ("half the models", "own")]  # fmt: skip
    found = means(study.repeat("blocks", blocks, tables.blocks, at_least=2), ("pattern", "kind")) if blocks else []
    if found:
        study.table("blocks", shown(found))
    simulated = [
        {"n": n, "p": p, "share": share, "tails": tails, "seed": seed}
        for seed in range(config["simulations"]) for n, p, share in config["simulated"] for tails in ("normal", "heavy")
    ]  # fmt: skip
    made = means(study.repeat("simulated", simulated, simulate, at_least=2), ("n", "p", "share", "tails", "kind"))
    study.table("simulated", shown(made))
    claims(table, found, made, study)


# Standard errors of what hardly varies, or is no result.
UNSAID = ("rows se", "per row se", "per item se", "width se", "rank width se", "2pl kept se", "block sd se",
          "leaning sd se")  # fmt: skip


def shown(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The columns worth a reader's time."""
    return [{name: value for name, value in row.items() if name not in UNSAID} for row in rows]


class Tables:
    """The complete tables, read once."""

    def __init__(self, study: Any, items: int) -> None:
        self.study, self.items = study, items
        self._read: dict[str, hs.Observed] = {}

    def of(self, name: str) -> hs.Observed:
        """A complete table (EvalPlus: as it is) as yes/no answers or pass rates."""
        file = "evalplus_binary" if name.startswith("evalplus") else name
        if name not in self._read:
            R = hs.read_table(self.study.data(file), **READING.get(file, PASS_RATES))
            if name == "evalplus, 37 complete":
                R = R.take_rows(np.flatnonzero(complete(R)))
            self._read[name] = R
        return self._read[name]

    def hidden(self, data: str, share: float, seed: int) -> list[dict[str, Any]]:
        """One table with a share of its answers left: every kind's errors."""
        rng = np.random.default_rng([seed, 17])
        table = self.of(data).to_dense()
        if table.shape[1] > self.items:
            table = table[:, rng.choice(table.shape[1], self.items, replace=False)]
        judged = np.isfinite(table).all(axis=1)
        seen = np.where(rng.random(table.shape) < share, table, np.nan)
        answered = np.isfinite(seen)
        facts = {
            "rows": len(table),
            "per row": answered.sum() / len(table),
            "per item": answered.sum() / table.shape[1],
        }
        return [{"kind": kind, **facts, **judge(found, table, judged)} for kind, found in estimates(seen, KINDS, None)]

    def blocks(self, pattern: str, seed: int) -> list[dict[str, Any]]:
        """Whole benchmarks taken away from complete models; judged on those that lost some."""
        rng = np.random.default_rng([seed, 18])
        R = self.of("evalplus_binary")
        table, benchmark = R.to_dense(), np.array([str(label).split("/")[0] for label in R.col_labels])
        judged = complete(R)
        seen = table.copy()
        family = np.array([name.split("_")[0] for name in benchmark])
        if pattern == "own":
            others = np.flatnonzero(~judged)
            lost = rng.permutation(np.flatnonzero(judged))[: judged.sum() // 2]
            for i in lost:
                seen[i, np.isnan(table[rng.choice(others)])] = np.nan
        else:
            table, seen, judged = table[judged], seen[judged], judged[judged]
            lost = rng.permutation(len(table))[: len(table) // 2]
            for i in lost:
                seen[i, family == rng.choice(np.unique(family))] = np.nan
        is_lost = np.isin(np.arange(len(table)), lost)
        kinds = ("raw", "shrunk", "random", "random, 4 blocks", "random, 2 blocks")
        groups = {"random, 4 blocks": benchmark.tolist(), "random, 2 blocks": family.tolist()}
        return [{"kind": kind, **judge(found, table, is_lost)} for kind, found in estimates(seen, kinds, groups)]


def complete(R: hs.Observed) -> np.ndarray:
    """Rows of which every cell was seen."""
    return np.bincount(R.rows, minlength=R.shape[0]) == R.shape[1]


class Found:
    """Scores with intervals, and rank intervals where a kind has them."""

    def __init__(
        self, estimate: Any, low: Any, high: Any, ranks: Any = None, more: dict[str, Any] | None = None
    ) -> None:
        self.estimate, self.low, self.high, self.ranks, self.more = estimate, low, high, ranks, more or {}


def estimates(seen: np.ndarray, kinds: Any, groups: Any) -> Iterator[tuple[str, Found]]:
    """What every kind says of a table with holes; what "random" chose is not fitted a second time."""
    chosen: dict[str, Found] = {}
    if "random" in kinds:
        chosen["random"], columns = fitted(seen, "random", groups)
        chosen[columns] = chosen["random"]
    for kind in kinds:
        if kind in ("raw", "shrunk"):
            yield kind, raw(seen, kind == "shrunk")
        else:
            yield kind, chosen[kind] if kind in chosen else fitted(seen, kind, groups)[0]


def raw(seen: np.ndarray, is_shrunk: bool) -> Found:
    """Means of the answers there are; shrunk by the variance of the models' scores against that of chance."""
    count, p = np.isfinite(seen).sum(axis=1), seen.shape[1]
    everything = float(np.nanmean(seen))
    mean = np.where(count > 0, np.nansum(seen, axis=1) / np.maximum(count, 1), everything)
    left = 1.0 - count / p
    spread = np.nansum((seen - mean[:, None]) ** 2, axis=1) / np.maximum(count - 1, 1)
    # a row whose few answers are all alike has no spread of its own
    variance = left * np.maximum(spread, everything * (1 - everything) / (count + 4)) / np.maximum(count, 1)
    if is_shrunk:
        between = max(float(np.var(mean) - variance.mean()), 1e-6)
        pull = between / (between + variance)
        mean, variance = everything + pull * (mean - everything), pull * variance
    reach = 1.96 * np.sqrt(variance)
    return Found(mean, mean - reach, mean + reach)


def fitted(seen: np.ndarray, kind: str, groups: Any) -> tuple[Found, str]:
    """The model with its columns integrated out, and the kind of columns it has."""
    items = kind.split(",")[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = hs.ItemResponseModel("auto" if items == "random" else items, integrate="columns")
        model.fit(seen, blocks=None if groups is None else groups.get(kind))
    i = model.inference(random_state=0)
    found = i.scores("these")
    effects = i.block_effects
    more = {"2pl kept": float(model.kind_ == "2pl"), "block sd": np.nan if effects is None else effects.sd,
            "leaning sd": model.board_.leanings.sd}  # fmt: skip
    return Found(found.estimate, found.low, found.high, i.ranks(about="these"), more), model.kind_


def judge(found: Found, table: np.ndarray, judged: np.ndarray) -> dict[str, Any]:
    """Errors, coverage and order against the scores of the complete rows."""
    truth = table[judged].mean(axis=1)
    estimate, low, high = (part[judged] for part in (found.estimate, found.low, found.high))
    made = {
        "rmse": float(np.sqrt(np.mean((estimate - truth) ** 2))),
        "coverage": float(np.mean((low <= truth) & (truth <= high))), "width": float(np.mean(high - low)),
        "kendall": float(kendalltau(estimate, truth).statistic), "rank coverage": np.nan, "rank width": np.nan,
        "2pl kept": np.nan, "block sd": np.nan, "leaning sd": np.nan,
    }  # fmt: skip
    if found.ranks is not None and np.isfinite(table).all():
        every = table.mean(axis=1)
        better, worse = np.sum(every[:, None] < every, axis=1), np.sum(every[:, None] > every, axis=1)
        hit = (found.ranks.low <= len(every) - worse) & (found.ranks.high >= 1 + better)
        made |= {"rank coverage": float(np.mean(hit[judged])), "rank width": float(np.mean(found.ranks.width[judged]))}
    return made | found.more


def simulate(n: int, p: int, share: float, tails: str, seed: int) -> list[dict[str, Any]]:
    """A table from the model, or with abilities, difficulties and slopes of heavy tails (t with 4 degrees)."""
    rng = np.random.default_rng([seed, n, p, 19])
    draw: Callable[..., np.ndarray] = (
        rng.standard_normal if tails == "normal" else lambda size: rng.standard_t(4, size) / np.sqrt(2)
    )
    x, z, y = draw(n), 0.6 + 2.5 * draw(p), 1.0 + 0.4 * draw(p)
    table = (rng.random((n, p)) < expit(z + np.outer(x, y))).astype(float)
    seen = np.where(rng.random(table.shape) < share, table, np.nan)
    every = np.ones(n, dtype=bool)
    return [
        {"kind": kind, **judge(found, table, every)}
        for kind, found in estimates(seen, ("raw", "shrunk", "random"), None)
    ]


def picture(table: list[dict[str, Any]]) -> Any:
    """Error over that of the raw mean, and coverage, by answers per item."""
    figure = new_figure(9.0, 3.8)
    left, right = figure.subplots(1, 2)
    for kind, colour, mark in (("shrunk", GREY, "s"), ("rasch", ORANGE, "^"), ("random", BLUE, "o")):
        rows = [row for row in table if row["kind"] == kind]
        base = [next(r for r in table if r["kind"] == "raw" and all(r[k] == row[k] for k in BY[:2])) for row in rows]
        few = np.array([row["rows"] < 20 for row in rows])
        at = np.array([row["per item"] for row in rows])
        ratio = np.array([row["rmse"] / b["rmse"] for row, b in zip(rows, base, strict=True)])
        hit = np.array([row["coverage"] for row in rows])
        for ax, values in ((left, ratio), (right, hit)):
            ax.scatter(at[~few], values[~few], s=26, color=colour, marker=mark, label=kind)
            ax.scatter(at[few], values[few], s=26, facecolors="none", edgecolors=colour, marker=mark)
    left.axhline(1.0, color=GREY, linewidth=1, linestyle="--")
    right.axhspan(0.92, 0.98, color=GREY, alpha=0.2, linewidth=0)
    for ax, title in ((left, "error over the raw mean's"), (right, "coverage of 95 % intervals")):
        ax.set(xscale="log", xlabel="answers per item (open: a dozen models)", title=title)
        tidy(ax)
    left.legend(frameon=False)
    return figure


def claims(table: Any, blocks: Any, simulated: Any, study: Any) -> None:
    """The targets beside what came out."""
    at = {tuple(row[key] for key in BY): row for row in table}
    cells = [key for key in at if key[2] == "random"]

    def ratio(key: Any, base: str = "raw") -> float:
        return float(at[key]["rmse"] / at[(*key[:2], base)]["rmse"])

    many = [key for key in cells if at[key]["rows"] >= 25 and at[key]["per item"] >= 3]
    single = [key for key in cells if at[key]["rows"] >= 25 and at[key]["per item"] < 3]
    dozen = [key for key in cells if at[key]["rows"] < 20]
    for what, chosen, limit in (
        ("25 models and more, 3 answers per item and more: error over the raw mean's", many, 0.85),
        ("the same with fewer answers per item", single, 0.90), ("a dozen models", dozen, 1.05),
    ):  # fmt: skip
        target(study, what, [ratio(key) for key in chosen], None, limit, chosen)
    ours = [ratio(key, "shrunk") for key in single]
    target(study, "fewer than 3 answers per item: error over the shrunk mean's", ours, None, 1.0, single)
    for name, low, high, chosen in (("coverage", 0.92, 0.98, many), ("rank coverage", 0.95, 1.0, many)):
        what = f"25 models and more, 3 answers per item and more: {name}"
        target(study, what, [at[key][name] for key in chosen], low, high, chosen)
    tau = [at[key]["kendall"] - at[(*key[:2], "raw")]["kendall"] for key in many]
    target(study, "Kendall's tau above the raw mean's", tau, 0.0, None, many)
    kinds = {(row["pattern"], row["kind"]): row for row in blocks}
    for pattern in sorted({row["pattern"] for row in blocks}):
        best = kinds[pattern, "random, 2 blocks"]
        ours = [best["rmse"] / kinds[pattern, "raw"]["rmse"]]
        target(study, f"whole benchmarks missing, {pattern}: error over the raw mean's", ours, None, 0.85)
        what = f"whole benchmarks missing, {pattern}: coverage with blocks"
        target(study, what, [best["coverage"]], 0.8)
    made = [row for row in simulated if row["kind"] == "random"]
    for tails in ("normal", "heavy"):
        found = [row["coverage"] for row in made if row["tails"] == tails]
        target(study, f"simulated tables, {tails} tails: coverage", found, 0.92, 0.98)


def target(
    study: Any, what: str, values: list[float], low: float | None = None, high: float | None = None, names: Any = ()
) -> None:
    """One target: met by all cells, or which ones miss it."""
    values = [float(v) for v in values if np.isfinite(v)]
    if not values:
        return
    bad = [k for k, v in enumerate(values) if (low is not None and v < low) or (high is not None and v > high)]
    text = f"{np.mean(values):.3f}" + (
        f" ({min(values):.3f} to {max(values):.3f}, {len(values)} cells)" if len(values) > 1 else ""
    )
    missed = ", ".join(
        f"{names[k][0]} at {names[k][1]:g}: {values[k]:.3f}" if names else f"{values[k]:.3f}" for k in bad
    )
    limits = {name: limit for name, limit in (("low", low), ("high", high)) if limit is not None}
    study.target(
        what,
        {("low",): f">= {low}", ("high",): f"<= {high}", ("low", "high"): f"{low} to {high}"}[tuple(limits)],
        text,
        figures={"least": min(values), "most": max(values), **limits},
        rule=" and ".join({"low": "low <= least", "high": "most <= high"}[name] for name in limits),
        otherwise=f"missed by {missed}",
    )
