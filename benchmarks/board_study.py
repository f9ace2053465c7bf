"""Do a board's intervals hold? Scores, pairs and ranks of real tables, for the three questions that it answers.

``python benchmarks/board_study.py [DRAWS [TABLE ...]]`` writes results/board_study.csv and results/board_checks.csv;
lines that are there with as many draws are kept. Needs HALFSEEN_DATA.

*like-these*: 200 questions are drawn, or half of a smaller set (whose size the board is told), and at most 30 models;
truth are the scores over all questions of the table. *these*: truth are the scores over the questions drawn, had every
model answered them. *again*: answers are drawn from chances that a factor model of rank 2 learned from the table, and
truth are the means of these chances. *new*: 24 models placed on a board of the others from 20, 50 or 100 questions,
chosen by the board or at random; truth are their scores over all questions of the board. At each share seen, cells are
left out at random.

board_checks.csv: on SWE-bench Verified, how many of the first models the exact test of McNemar does not tell from the
first, how many share its tie group here, and the share of questions on which the first 25 models all agree.
"""

from __future__ import annotations

import csv
import os
import sys
import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

import halfseen as hs

RESULTS = Path(__file__).parent / "results"
QUESTIONS, MODELS, SHARES, NEW = 200, 30, (1.0, 0.5, 0.25), (20, 50, 100)
DRAWS = 10
FILES = {
    "psn_irt": ("psn_irt_12x41871.npz", "response"),
    "swebench_verified": ("swebench_verified.npz", "X"),
    "livecodebench": ("livecodebench.npz", "passrate"),
    "evalplus": ("evalplus_binary.npz", "response"),
    "cruxeval": ("cruxeval_input.npz", "passrate"),
}
COLUMNS = (
    "data", "about", "share_seen", "draws", "scores_hold", "pairs_hold", "ranks_hold", "score_error", "raw_error",
    "pair_width", "pairs_separated",
)  # fmt: skip


@lru_cache(maxsize=2)
def table_named(name: str) -> np.ndarray:
    """A complete table of answers in [0, 1]."""
    file, key = FILES[name]
    X = np.load(Path(os.environ["HALFSEEN_DATA"]) / "llm" / file, allow_pickle=True)[key].astype(float)
    return X[(X <= 1.0).all(axis=1)]  # EvalPlus has models that were not run on one of its sets


@lru_cache(maxsize=2)
def chances(name: str) -> np.ndarray:
    """What a factor model of rank 2 makes of the table; shares above a half count as right."""
    X = table_named(name)
    if X.shape[1] >= 2000:
        # the chances of 41 871 questions would take longer than all else, and a thousand of them say the same
        X = X[:, np.random.default_rng(0).permutation(X.shape[1])[:1000]]
    model = hs.GeneralizedFactorModel(2, "bernoulli", penalty="map", random_state=0).fit((X > 0.5).astype(float))
    rows, cols = np.indices(X.shape).reshape(2, -1)
    return np.asarray(model.predict(rows, cols)).reshape(X.shape)


def drawn(X: np.ndarray, share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Models, questions, and the table of their answers with cells left out."""
    models = rng.choice(len(X), min(MODELS, len(X)), replace=False)
    questions = rng.choice(X.shape[1], min(QUESTIONS, X.shape[1] // 2), replace=False)
    part = X[np.ix_(models, questions)].copy()
    return models, questions, np.where(rng.random(part.shape) < share, part, np.nan)


@lru_cache(maxsize=DRAWS)
def board_drawn(
    name: str, is_again: bool, share: float, seed: int
) -> tuple[hs.Board, np.ndarray, dict[str, np.ndarray]]:
    """A board of one draw, its table, and the scores that are the truth of each question; one fit serves them all."""
    X, rng = table_named(name), np.random.default_rng(seed)
    if is_again:
        P = chances(name)
        X = (rng.random(P.shape) < P).astype(float)
    models, questions, Y = drawn(X, share, rng)
    truth = {
        "like-these": X[models].mean(axis=1), "these": X[np.ix_(models, questions)].mean(axis=1),
        "again": (P if is_again else X)[np.ix_(models, questions)].mean(axis=1),
    }  # fmt: skip
    is_set = X.shape[1] < 10 * QUESTIONS
    names = [f"m{i:03}" for i in range(len(models))]
    board = hs.Board(hs.Observed.from_dense(Y, row_labels=names), set_size=X.shape[1] if is_set else None)
    return board, Y, truth


def once(name: str, about: str, share: float, seed: int) -> list[float]:
    """One draw: how often scores, pairs and ranks hold, errors of scores and raw means, widths, pairs told apart."""
    board, Y, of = board_drawn(name, about == "again", share, seed)
    truth, names = of[about], board.models
    table = board.table(about)
    place = np.array([int(str(name)[1:]) for name in table["model"]])
    best, worst = 1 + (truth > truth[:, None]).sum(axis=1), (truth >= truth[:, None]).sum(axis=1)
    pairs = [
        (board.compare(names[a], names[b], about=about), truth[a] - truth[b])
        for a in range(len(names)) for b in range(a)
    ]  # fmt: skip
    slack = 1e-9
    return [
        float(np.mean((table["low"] <= truth[place] + slack) & (truth[place] <= table["high"] + slack))),
        float(np.mean([told.low - slack <= gap <= told.high + slack for told, gap in pairs])),
        float(np.mean((table["rank_low"] <= worst[place]) & (best[place] <= table["rank_high"]))),
        float(np.sqrt(np.mean((table["score"] - truth[place]) ** 2))),
        float(np.sqrt(np.mean((np.nanmean(Y, axis=1) - truth) ** 2))),
        float(np.mean([told.high - told.low for told, _ in pairs])),
        float(np.mean([told.low > 0 or told.high < 0 for told, _ in pairs])),
    ]


@lru_cache(maxsize=DRAWS)
def board_of_others(name: str, seed: int) -> tuple[hs.Board, np.ndarray]:
    """A board without up to 24 models, and which these are."""
    X = table_named(name)
    order = np.random.default_rng(seed).permutation(len(X))
    new, old = order[: min(24, len(X) // 3)], order[min(24, len(X) // 3) :]
    names = [f"q{j:05}" for j in range(X.shape[1])]
    return hs.Board(
        hs.Observed.from_dense(X[old], row_labels=[f"m{i:03}" for i in range(len(old))], col_labels=names)
    ), new


def placed(name: str, how: str, n: int, seed: int) -> list[float]:
    """New models on a board of the others: how often their intervals hold, and the errors of score and raw mean."""
    X, (board, new) = table_named(name), board_of_others(name, seed)
    rng = np.random.default_rng(seed)
    rng.permutation(len(X))  # the draw that chose the models
    names = [f"q{j:05}" for j in range(X.shape[1])]
    asked = np.sort(rng.choice(X.shape[1], n, replace=False))
    if how == "chosen":
        asked = np.sort([names.index(str(question).rpartition("/")[2]) for question in board.next(n=n)["question"]])
    Y = np.full((len(new), X.shape[1]), np.nan)
    Y[:, asked] = X[np.ix_(new, asked)]
    labels = [f"new{i:03}" for i in range(len(new))]
    table = board.place(hs.Observed.from_dense(Y, row_labels=labels, col_labels=names))
    truth = X[new][np.array([labels.index(str(name)) for name in table["model"]])].mean(axis=1)
    raw = np.nanmean(Y, axis=1) - X[new].mean(axis=1)
    return [
        float(np.mean((table["low"] <= truth) & (truth <= table["high"]))), np.nan, np.nan,
        float(np.sqrt(np.mean((table["score"] - truth) ** 2))), float(np.sqrt(np.mean(raw**2))), np.nan, np.nan,
    ]  # fmt: skip


def cases(name: str) -> list[tuple[str, float]]:
    """What is asked of a table: of which question, at which share seen, or from how many questions."""
    asked = [(about, share) for share in SHARES for about in ("like-these", "these")]
    asked += [("again", share) for share in SHARES]
    asked.remove(("these", 1.0))  # exact, whatever the intervals
    if name not in ("psn_irt", "cruxeval"):  # of few models no bank can be kept
        asked += [(f"new, {how}", n) for how in ("chosen", "random") for n in NEW]
    return asked


def figures(name: str, about: str, size: float, draws: int) -> np.ndarray:
    """Means over the draws; errors as root mean squares."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if about.startswith("new"):
            lines = [placed(name, about.removeprefix("new, "), int(size), seed) for seed in range(draws)]
        else:
            lines = [once(name, about, size, seed) for seed in range(draws)]
    means: np.ndarray = np.mean(lines, axis=0)
    means[3:5] = np.sqrt(np.mean(np.square(lines), axis=0))[3:5]
    return means


def checks() -> list[tuple[str, float]]:
    """SWE-bench Verified, complete: the first models, by McNemar's exact test and by the board."""
    X = table_named("swebench_verified")
    order = np.argsort(-X.mean(axis=1), kind="stable")
    first = X[order[0]]
    p_values = []
    for model in order[1:25]:
        ahead, behind = int((first > X[model]).sum()), int((first < X[model]).sum())
        p_values.append(binomtest(ahead, ahead + behind).pvalue if ahead + behind else 1.0)
    told = np.flatnonzero(np.array(p_values) < 0.05)
    board = hs.Board(hs.Observed.from_dense(X, row_labels=[f"m{i:03}" for i in range(len(X))]))
    table = board.table()
    top = X[order[:25]]
    return [
        ("first models that McNemar's exact test does not tell from the first", 1 + int(told[0])),
        ("models in the first tie group of the board, all pairs at once", int((table["group"] == 1).sum())),
        ("models whose paired interval to the first holds 0, one pair at a time",
         1 + sum(c.low <= 0 for c in (board.compare(table["model"][0], m) for m in table["model"][1:25]))),
        ("largest rank interval among the first eight", int(np.max((table["rank_high"] - table["rank_low"] + 1)[:8]))),
        ("share of questions on which the first 25 models agree", float(np.mean(np.ptp(top, axis=0) == 0))),
    ]  # fmt: skip


def main(draws: int, names: list[str]) -> None:
    """All lines that are not there yet, each written as soon as it is known."""
    target = RESULTS / "board_study.csv"
    done: dict[tuple[str, ...], list[str]] = {}
    if target.exists():
        with target.open(newline="", encoding="utf-8") as file:
            done = {tuple(line[:3]): line for line in list(csv.reader(file))[1:]}
    for name in names:
        for about, size in cases(name):
            key = (name, about, f"{size:g}")
            if key in done and int(done[key][3]) >= draws:
                continue
            done[key] = [
                *key,
                str(draws),
                *("" if np.isnan(x) else f"{x:.3f}" for x in figures(name, about, size, draws)),
            ]
            print(*done[key], flush=True)
            write(target, COLUMNS, [done[key] for key in sorted(done, key=place_of)])
    write(RESULTS / "board_checks.csv", ("what", "figure"), [(what, f"{figure:.4g}") for what, figure in checks()])


def place_of(key: tuple[str, ...]) -> tuple[int, str, float]:
    """Where a line stands: tables in their order, questions, the larger share first."""
    return list(FILES).index(key[0]), key[1], -float(key[2])


def write(target: Path, columns: tuple[str, ...], lines: list[object]) -> None:
    """A CSV file of these lines."""
    with target.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *lines])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else DRAWS, sys.argv[2:] or list(FILES))
