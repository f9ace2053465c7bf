"""Small boards with a known truth."""

from __future__ import annotations

import numpy as np

import halfseen as hs


def answers(n_models=8, n_questions=60, share_seen=1.0, seed=0):
    """Right and wrong answers of models whose ability rises with their number; nan where not asked."""
    rng = np.random.default_rng(seed)
    ability, difficulty = np.linspace(-1.5, 1.5, n_models), rng.normal(size=n_questions)
    chance = 1.0 / (1.0 + np.exp(difficulty - ability[:, None]))
    X = (rng.random(chance.shape) < chance).astype(float)
    X[rng.random(X.shape) >= share_seen] = np.nan
    return X


def observed(X, names=None, questions=None):
    """The table with names."""
    rows = [f"m{i}" for i in range(X.shape[0])] if names is None else names
    cols = [f"q{j:03d}" for j in range(X.shape[1])] if questions is None else questions
    return hs.Observed.from_dense(X, row_labels=rows, col_labels=cols)


def read(folder, lines, **options):
    """Evaluations of a CSV file: a header and lines."""
    file = folder / "answers.csv"
    file.write_text("\n".join(lines) + "\n")
    return hs.read_evals(file, **options)
