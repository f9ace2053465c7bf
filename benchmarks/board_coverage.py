"""How often a board's intervals hold for the whole question set, with all, half and a quarter of the cells seen.

``python benchmarks/board_coverage.py [DRAWS]`` writes ``board_coverage.csv`` beside it. Needs HALFSEEN_DATA. Of each
set 200 questions are drawn (of SWE-bench Verified 30 models too, ``set_size=500``); truth are the means over all.
"""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path

import numpy as np

import halfseen as hs

QUESTIONS, MODELS, SHARES = 200, 30, (1.0, 0.5, 0.25)
COLUMNS = ("data", "share_seen", "draws", "scores_hold", "pairs_hold", "ranks_hold", "pair_width", "pairs_separated")


def tables() -> dict[str, np.ndarray]:
    """Complete tables of answers."""
    folder = Path(os.environ["HALFSEEN_DATA"]) / "llm"
    return {
        "psn_irt": np.load(folder / "psn_irt_12x41871.npz")["response"].astype(float),
        "swebench_verified": np.load(folder / "swebench_verified.npz", allow_pickle=True)["X"].astype(float),
    }


def once(X: np.ndarray, share: float, seed: int) -> list[float]:
    """One draw of models, questions and cells."""
    rng = np.random.default_rng(seed)
    models = rng.choice(len(X), min(MODELS, len(X)), replace=False)
    Y = X[np.ix_(models, rng.choice(X.shape[1], QUESTIONS, replace=False))]
    Y[rng.random(Y.shape) > share] = np.nan
    truth = X[models].mean(axis=1)
    is_set = X.shape[1] < 10 * QUESTIONS
    board = hs.Board(
        hs.Observed.from_dense(Y, row_labels=[f"m{i:03}" for i in range(len(models))]),
        set_size=X.shape[1] if is_set else None,
    )
    table = board.table()
    place = [int(str(name)[1:]) for name in table["model"]]
    best, worst = 1 + (truth > truth[:, None]).sum(axis=1), (truth >= truth[:, None]).sum(axis=1)
    pairs = [(board.compare(f"m{a:03}", f"m{b:03}"), truth[a] - truth[b]) for a in range(len(models)) for b in range(a)]
    return [
        float(np.mean((table["low"] <= truth[place]) & (truth[place] <= table["high"]))),
        float(np.mean([told.low <= gap <= told.high for told, gap in pairs])),
        float(np.mean((table["rank_low"] <= worst[place]) & (best[place] <= table["rank_high"]))),
        float(np.mean([told.high - told.low for told, _ in pairs])),
        float(np.mean([told.low > 0 or told.high < 0 for told, _ in pairs])),
    ]


def main(draws: int) -> None:
    """All tables and shares, each figure the mean over the draws."""
    with (Path(__file__).parent / "board_coverage.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name, X in tables().items():
            for share in SHARES:
                figures = np.mean([once(X, share, seed) for seed in range(draws)], axis=0)
                writer.writerow([name, share, draws, *(f"{figure:.3f}" for figure in figures)])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
