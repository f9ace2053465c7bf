"""Defaults against an oracle and against peers, over ordinary kinds of tables.

``python benchmarks/defaults_study.py [tables] [kinds of table ...] [--afresh]`` writes results/defaults_study.csv and
results/defaults_study.md; without kinds it takes all. Every table has its figures kept in results/defaults_tables.csv,
and a study that was cut short goes on from there.

Errors are those of expected values on the cells that nobody saw, root mean square over the standard deviation of the
truth there. *Default*: the model as a user would call it, nothing set. *Oracle*: the best of a grid of penalties at the
true rank, chosen by looking at the truth. *Peers*: imputers of scikit-learn as they come.
"""

from __future__ import annotations

import csv
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import halfseen as hs
from kept_tables import Figures, Place, forget, measured

RESULTS = Path(__file__).parent / "results"
TABLES = RESULTS / "defaults_tables.csv"
REPETITIONS = 5
Table = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Kind:
    """A kind of table: its size, how its truth and its values come about, and the family of its values."""

    n: int
    p: int
    rank: int
    seen: float
    family: str = "gaussian"
    noise: float = 1.0
    effects: float = 0.0
    level: float = 0.0
    unit: float = 1.0
    heavy: bool = False
    uneven: bool = False

    def draw(self, seed: int) -> Table:
        """Expected values, and values with nan for cells that were not seen."""
        rng = np.random.default_rng(seed)
        shape = (self.n, self.p)
        linear = rng.normal(size=(self.n, self.rank)) @ rng.normal(size=(self.rank, self.p))
        linear = linear + self.effects * (rng.normal(size=(self.n, 1)) + rng.normal(size=self.p))
        truth, values = self._values(linear, shape, rng)
        share = np.full(shape, self.seen)
        if self.uneven:
            share = np.clip(rng.gamma(1.0, 1.0, (self.n, 1)) * rng.gamma(1.0, 1.0, self.p) * self.seen, 0.02, 0.95)
        return truth, np.where(rng.random(shape) < share, values, np.nan)

    def _values(self, linear: np.ndarray, shape: tuple[int, int], rng: np.random.Generator) -> Table:
        if self.family == "bernoulli":
            truth = 1.0 / (1.0 + np.exp(-linear))
            return truth, (rng.random(shape) < truth).astype(float)
        if self.family == "poisson":
            truth = np.exp(0.5 * linear)
            return truth, rng.poisson(truth).astype(float)
        if self.family == "negative_binomial":
            truth = np.exp(0.5 * linear)
            return truth, rng.poisson(truth * rng.gamma(2.0, 0.5, shape)).astype(float)
        if self.family == "ordinal":
            cuts = np.array([-2.0, -0.7, 0.7, 2.0])
            above = 1.0 / (1.0 + np.exp(-(linear[..., None] - cuts)))
            return 1.0 + above.sum(axis=-1), 1.0 + (rng.random(shape)[..., None] < above).sum(axis=-1)
        errors = rng.standard_t(2, shape) if self.heavy else rng.normal(size=shape)
        return self.level + self.unit * linear, self.level + self.unit * (linear + self.noise * errors)


KINDS = {
    "60x20, rank 2, 60 % seen, noise .3": Kind(60, 20, 2, 0.6, noise=0.3),
    "120x90, rank 4, 30 % seen, noise .3": Kind(120, 90, 4, 0.3, noise=0.3),
    "100x80, rank 3, noise 1, effects": Kind(100, 80, 3, 0.6, effects=1.0),
    "300x200, rank 5, noise 2": Kind(300, 200, 5, 0.5, noise=2.0),
    "200x100, rank 2, noise .01": Kind(200, 100, 2, 0.5, noise=0.01),
    "effects only": Kind(100, 60, 0, 0.5, effects=1.0),
    "level 1e5": Kind(100, 80, 3, 0.6, noise=0.5, level=1e5),
    "unit 1e-6": Kind(100, 80, 3, 0.6, noise=0.5, unit=1e-6),
    "errors with heavy tails (t, 2)": Kind(120, 80, 2, 0.6, noise=0.5, heavy=True),
    "uneven counts of rows and columns": Kind(200, 100, 3, 0.2, noise=0.5, effects=0.5, uneven=True),
    "yes/no, 200x40": Kind(200, 40, 1, 0.6, family="bernoulli", effects=0.7),
    "yes/no, 50x20": Kind(50, 20, 1, 0.7, family="bernoulli", effects=0.7),
    "counts": Kind(120, 80, 1, 0.6, family="poisson", effects=0.5),
    "overdispersed counts": Kind(120, 80, 1, 0.6, family="negative_binomial", effects=0.5),
    "five classes": Kind(150, 40, 1, 0.6, family="ordinal", effects=0.7),
}
PENALTIES = (0.003, 0.03, 0.1, 0.3, 1.0, 3.0)


def models(kind: Kind) -> dict[str, Callable[[], Any]]:
    """Our models as they come."""
    factor = {"GeneralizedFactorModel": lambda: hs.GeneralizedFactorModel(family=kind.family, random_state=0)}
    if kind.family != "gaussian":
        return factor
    return factor | {
        "AlternatingLeastSquares": lambda: hs.AlternatingLeastSquares(random_state=0),
        "BayesianFactorization": lambda: hs.BayesianFactorization(random_state=0),
        "SoftImpute": lambda: hs.SoftImpute(random_state=0),
        "OverparametrizedFactorization": lambda: hs.OverparametrizedFactorization(random_state=0),
    }


def oracles(kind: Kind, table: np.ndarray) -> list[Any]:
    """The true rank with every penalty of the grid."""
    spread = float(np.nanstd(table))
    if kind.family != "gaussian":
        return [
            hs.GeneralizedFactorModel(kind.rank + (kind.effects > 0), kind.family, penalty=4 * penalty, random_state=0)
            for penalty in PENALTIES
        ]
    return [
        hs.AlternatingLeastSquares(max(kind.rank, 1), penalty=penalty * spread, max_iter=60, random_state=0)
        for penalty in PENALTIES
    ]


def peers() -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Imputers of scikit-learn; columns without an entry keep their place."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer, KNNImputer

    return {
        "KNNImputer": lambda table: KNNImputer(keep_empty_features=True).fit_transform(table),
        "IterativeImputer": lambda table: IterativeImputer(
            max_iter=5, n_nearest_features=20, keep_empty_features=True, random_state=0
        ).fit_transform(table),
        "column mean": lambda table: hs.ColumnMean().fit(table).predict_table(),
    }


def error(predicted: np.ndarray, truth: np.ndarray, table: np.ndarray) -> float:
    """Relative error on the cells not seen."""
    where = np.isnan(table)
    return float(np.sqrt(np.mean((predicted - truth)[where] ** 2)) / truth[where].std())


def repetition(name: str, seed: int) -> Figures:
    """Errors of all contestants on one table, by role and name."""
    kind = KINDS[name]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        truth, table = kind.draw(seed)
        own = {f"default: {who}": make().fit(table).predict_table() for who, make in models(kind).items()}
        others = {f"peer: {who}": complete(table) for who, complete in peers().items()}
        best = min(error(model.fit(table).predict_table(), truth, table) for model in oracles(kind, table))
    errors = {who: error(predicted, truth, table) for who, predicted in (own | others).items()}
    return errors | {"oracle: best of a grid at the true rank": best}


def summary(lines: list[list[Any]]) -> str:
    """A line per kind: the best default, the oracle, the best peer, and their ratios."""
    text = [
        "| table | tables | default | oracle | best peer | default / oracle | default / peer |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name in dict.fromkeys(line[0] for line in lines):
        best = {
            role: min((float(line[3]), line[2]) for line in lines if line[0] == name and line[1] == role)
            for role in ("default", "oracle", "peer")
        }
        own, oracle, peer = best["default"], best["oracle"], best["peer"]
        count = next(line[5] for line in lines if line[0] == name)
        text.append(
            f"| {name} | {count} | {own[0]:.3f} {own[1]} | {oracle[0]:.3f} | {peer[0]:.3f} {peer[1]} "
            f"| {own[0] / oracle[0]:.2f} | {own[0] / peer[0]:.2f} |"
        )
    return "\n".join(text) + "\n"


def main(repetitions: int, names: list[str], is_afresh: bool) -> None:
    """A table of each kind in turn, so that a study cut short has as many of each."""
    if is_afresh:
        forget(TABLES, names)
    for seed in range(repetitions):
        summarise(measured(TABLES, [(name, seed) for name in names], repetition))


def summarise(tables: dict[Place, Figures]) -> None:
    """One line per contestant and kind of table."""
    lines: list[list[Any]] = []
    for name in KINDS:
        own = [figures for (kind, _), figures in tables.items() if kind == name]
        for figure in own[0] if own else ():
            role, who = figure.split(": ")
            values = np.array([errors[figure] for errors in own])
            se = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
            lines.append([name, role, who, f"{values.mean():.4f}", f"{se:.4f}", len(own)])
    with (RESULTS / "defaults_study.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["table", "role", "model", "mean relative error", "standard error", "repetitions"])
        writer.writerows(lines)
    (RESULTS / "defaults_study.md").write_text(summary(lines), encoding="utf-8")


if __name__ == "__main__":
    given = [word for word in sys.argv[1:] if word != "--afresh"]
    counts, named = [int(word) for word in given if word.isdigit()], [word for word in given if not word.isdigit()]
    main(counts[0] if counts else REPETITIONS, named or list(KINDS), "--afresh" in sys.argv)
