"""Tables of fitted sources with their missing cells filled in, each in the type it came in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from halfseen._typing import IntArray, Labels
from halfseen.data import Observed, Sources, as_observed
from halfseen.data.incoming import is_multimodal
from halfseen.data.labels import find_labels
from halfseen.data.outgoing import check_size, filled, missing_cells


def completed_sources(model: Any, S: Any) -> Any:
    """The tables of ``S`` with predictions in their missing cells; see `SourcePredictions.complete`."""
    if is_multimodal(S):
        return {str(name): completed_source(model, str(name), table) for name, table in S.mod.items()}
    if isinstance(S, Mapping) and not hasattr(S, "tocoo"):
        whole = {str(name): completed_source(model, str(name), table) for name, table in S.items()}
        return Sources(whole) if isinstance(S, Sources) else whole
    if isinstance(S, list | tuple) and S and len(getattr(S[0], "shape", ())) == 2:
        return [completed_source(model, str(place), table) for place, table in enumerate(S)]
    return completed_source(model, model.source_names_[0], S)


def completed_source(model: Any, name: str, table: Any) -> Any:
    """One source's table with predictions in its missing cells."""
    name = model._source(name)
    given = as_observed(table, name=f"S[{name!r}]")
    check_size(table, given, f"S[{name!r}]")
    i, j, missing = cells_of(given, name, (model.n_rows_, model._n_columns(name)), model.row_labels_,
                             model.col_labels_[name])  # fmt: skip
    return filled(table, given, missing, model.predict_entries(name, *labels_of(model, name, i, j)))


def labels_of(model: Any, name: str, i: IntArray, j: IntArray) -> tuple[Any, Any]:
    """Positions of the fit as what predictions are asked by."""
    rows, cols = model.row_labels_, model.col_labels_[name]
    return (i if rows is None else rows[i]), (j if cols is None else cols[j])


def cells_of(
    given: Observed, name: str, shape: tuple[int, int], row_labels: Labels | None, col_labels: Labels | None
) -> tuple[IntArray, IntArray, Any]:
    """Where the missing cells of a table are in the fit (row by row), and which they are.

    Raises
    ------
    ValueError
        For rows or columns that the fit does not have.
    """
    places = []
    for axis, labels, own in ((0, row_labels, given.row_labels), (1, col_labels, given.col_labels)):
        word = ("row", "column")[axis]
        if labels is not None and own is not None:
            places.append(find_labels(labels, own, word))
            continue
        if given.shape[axis] != shape[axis]:
            way = "place_samples(S) takes new rows" if axis == 0 else "give the columns of the fit, with NaN for holes"
            raise ValueError(
                f"source {name!r} has {given.shape[axis]} {word}s, the fit {shape[axis]}: complete() fills tables of "
                f"the rows and columns of the fit; {way}"
            )
        places.append(np.arange(shape[axis]))
    missing = missing_cells(given)
    i, j = np.nonzero(missing)
    return places[0][i], places[1][j], missing
