"""Three sources over patients, the last of them new; one source is yes/no, one has a high level."""

from __future__ import annotations

import numpy as np
import pandas as pd

N, NEW = 60, 12
WIDTHS = {"clinic": 8, "answers": 12, "genes": 15}


def draw_world():
    """Values of all patients by source."""
    rng = np.random.default_rng(4)
    scores = rng.normal(size=(N + NEW, 2))
    linear = {name: scores @ rng.normal(size=(2, width)) for name, width in WIDTHS.items()}
    linear["clinic"] += 300.0
    values = {name: table + 0.3 * rng.normal(size=table.shape) for name, table in linear.items()}
    values["answers"] = (rng.random(linear["answers"].shape) < 1 / (1 + np.exp(-2 * linear["answers"]))).astype(float)
    return values


def frame(name, table, first=0):
    """A table with names of patients and columns."""
    index = pd.Index([f"p{i:02}" for i in range(first, first + len(table))], name="patient")
    return pd.DataFrame(table, index=index, columns=[f"{name[0]}{j:02}" for j in range(table.shape[1])])


def seen_tables(values):
    """The patients that are not new, 85 % of their cells."""
    rng = np.random.default_rng(5)
    return {
        name: frame(name, np.where(rng.random((N, table.shape[1])) < 0.85, table[:N], np.nan))
        for name, table in values.items()
    }
