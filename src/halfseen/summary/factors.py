"""Two factors whose products are the low-rank part: their components, and what stands out on each."""

from __future__ import annotations

import numpy as np

from halfseen._typing import FloatArray, Labels
from halfseen.show.factors import plot_factor_map, plot_sizes
from halfseen.solvers.factored import Factors, product_svd
from halfseen.summary.parts import Column, Part, Picture, Section, Table, Text

STANDING_OUT = 4
MOST_COMPONENTS = 50
# Singular values below this share of the largest are rounding.
NOTHING = 1e-7


def components(rows: FloatArray, cols: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Singular values (r,) of the products, and rows (n, r) and columns (p, r) in their frame, each with half of them.

    The frame does not depend on how a fit happened to turn its factors; signs make the column furthest out positive.
    """
    if not rows.shape[1]:
        return np.zeros(0), np.zeros((len(rows), 0)), np.zeros((len(cols), 0))
    U, size, V = (
        np.asarray(part, dtype=float) for part in product_svd(Factors(rows.astype(float), cols.astype(float)))
    )
    keep = size > NOTHING * size.max(initial=0.0)
    U, size, V = U[:, keep], size[keep], V[:, keep]
    if not size.size:
        return size, U, V
    signs = np.where(V[np.abs(V).argmax(axis=0), np.arange(V.shape[1])] < 0, -1.0, 1.0)
    root = np.sqrt(size) * signs
    return size, U * root, V * root


def factor_section(rows: FloatArray, cols: FloatArray, labels: tuple[Labels, Labels]) -> Section:
    """The components of a low-rank part: sizes, what stands out, a map."""
    size, x, y = components(rows, cols)
    if not size.size:
        return Section("Factors", [Text("The model has no factors: nothing beyond means and biases was found.")])
    return Section("Factors", [*component_parts(size, (x, y), labels)])


def component_parts(
    size: FloatArray, points: tuple[FloatArray | None, FloatArray], labels: tuple[Labels, Labels]
) -> list[Part]:
    """Table and pictures of components; rows may be missing."""
    x, y = points
    shown = min(len(size), MOST_COMPONENTS)
    squares = np.square(size)
    columns = [
        Column("component", [str(k + 1) for k in range(shown)], kind="text"),
        Column("size", size[:shown], "singular value of the low-rank part"),
        Column("share", squares[:shown] / squares.sum(), "of the sum of squares of the low-rank part", "share"),
    ]
    for axis, name, side in ((y, "columns", 1), (x, "rows", 0)):
        if axis is not None:
            columns.append(Column(f"{name} at one end", ends(axis[:, :shown], labels[side], 1), kind="text"))
            columns.append(Column(f"{name} at the other end", ends(axis[:, :shown], labels[side], -1), kind="text"))
    parts: list[Part] = [
        Text(
            "Components are singular directions of the low-rank part, largest first: they do not depend on how the fit "
            "turned its factors. Signs are a convention."
        ),
        Table("Components and what stands out on each", columns),
    ]
    if len(size) > 1:
        parts.append(Picture(lambda: plot_sizes(size), "sizes of the components, largest first"))
        parts.append(_map(y, labels[1], "columns"))
        if x is not None:
            parts.append(_map(x, labels[0], "rows"))
    return parts


def _map(points: FloatArray, labels: Labels, what: str) -> Picture:
    return Picture(
        lambda: plot_factor_map(points, labels, what),
        f"{what} in the plane of the first two components",
        f"{what.capitalize()} in the plane of the first two components; the outermost are named.",
    )


def ends(points: FloatArray, labels: Labels, sign: int) -> list[str]:
    """The labels that stand out most at one end of every component.

    >>> ends(np.array([[1.0], [3.0], [-2.0]]), np.array(["a", "b", "c"]), 1)
    ['b, a']
    """
    texts = []
    for column in points.T:
        places = np.argsort(-sign * column, kind="stable")[:STANDING_OUT]
        texts.append(", ".join(str(labels[place]) for place in places if sign * column[place] > 0) or "-")
    return texts
