"""Tables whose rows (or columns) are pictures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from halfseen.cli.screen import share

if TYPE_CHECKING:
    from halfseen.cli.job import Job

PICTURES = 8


def picture_size(image: str | None, data: str, columns: int, side: str = "columns") -> tuple[int, int] | None:
    """Height and width of the pictures that rows (or columns) are, or None if they are none.

    >>> picture_size("8x8", "table.csv", 64), picture_size("4x5", "table.csv", 20, "rows")
    ((8, 8), (4, 5))
    """
    if image is None:
        return (8, 8) if data == "digits" and side == "columns" else None
    match = re.fullmatch(r"(\d+)x(\d+)", image.strip())
    if match is None:
        raise ValueError(f"--image {image!r}: give height x width, such as 8x8")
    size = int(match[1]), int(match[2])
    if size[0] * size[1] == columns:
        return size
    if side == "rows":
        raise ValueError(f"--image {image}: columns are pictures of {size[0] * size[1]} rows here, not {columns}")
    raise ValueError(
        f"--image {image}: pictures of {size[0]} x {size[1]} need {size[0] * size[1]} columns, not {columns}"
    )


def completed(job: Job, size: tuple[int, int]) -> Any:
    """Some rows as pictures: seen, completed, and true where the truth is known."""
    from halfseen.show import image_grid

    observed, seen = job.whole, job.seen
    rows = np.linspace(0, observed.shape[0] - 1, PICTURES + 2).astype(int)[1:-1]
    label = rows if observed.row_labels is None else observed.row_labels[rows]
    groups = {
        f"seen\n({share(seen.density)})": seen.take_rows(rows).to_dense(),
        "completed": job.model.predict_table(label),
    }
    truth = {} if job.hidden is None else {"truth": observed.take_rows(rows).to_dense()}
    limits = float(observed.values.min()), float(observed.values.max())
    return image_grid(groups | truth, size, limits)
