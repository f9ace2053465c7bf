"""The small table that the command line's tests fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write_table(folder: Path) -> Path:
    """Write a complete 30 x 20 table of rank 1 with little noise, in long form with a header."""
    rng = np.random.default_rng(0)
    truth = np.outer(rng.normal(size=30), rng.normal(size=20)) + 3.0 + 0.05 * rng.normal(size=(30, 20))
    path = folder / "table.csv"
    lines = [f"u{i:02d},f{j:02d},{truth[i, j]:.4f}" for i in range(30) for j in range(20) if (i + 3 * j) % 7]
    path.write_text("user,film,rating\n" + "\n".join(lines) + "\n")
    return path
