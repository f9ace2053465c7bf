"""Beside :class:`ItemResponseModel`: answers in, tables of parameters out, models compared and linked."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from halfseen._typing import FloatArray, IntArray, Labels
from halfseen.data import Observed, as_observed
from halfseen.errors import shown
from halfseen.inference import Listing
from halfseen.methods.response.rows_faces import item_faces
from halfseen.methods.response.rows_limited import NestedComparison, compare_fits
from halfseen.methods.response.rows_linking import Link, stocking_lord
from halfseen.methods.response.rows_result import RowsFit
from halfseen.methods.response.words import WordTable, coding_of

__all__ = [
    "Forms",
    "Link",
    "NestedComparison",
    "answers",
    "compare",
    "connectivity",
    "from_girth",
    "link",
    "parameters",
    "read_py_irt",
]  # fmt: skip

# girth and numpy's masked users mark what was not answered by it.
GIRTH_MISSING = -99999
ROWS_NAMED = 3


def _fit_of(model: Any, name: str) -> RowsFit:
    fit: RowsFit | None = getattr(model, "rows_fit_", None)
    if fit is None:
        raise ValueError(f"{name} is no ItemResponseModel fitted with integrate='rows'; got {type(model).__name__}.")
    return fit


def compare(first: Any, second: Any) -> NestedComparison:
    """Two nested models of the same answers: likelihood-ratio test, AIC and BIC.

    Parameters
    ----------
    first, second : ItemResponseModel
        Fitted with rows integrated out, in any order.

    Returns
    -------
    NestedComparison
        ``statistic``, ``degrees``, ``p_value``; ``aic`` and ``bic`` of the smaller and the larger model.

    Raises
    ------
    ValueError
        For fits to different answers, with equally many free numbers, or with an empirical prior of the items.

    Notes
    -----
    A guessing chance of 0 lies at the edge of what 3pl can be: against 2pl the p-value is too large.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> rng = np.random.default_rng(0)
    >>> y = (rng.logistic(size=(300, 5)) < rng.normal(size=(300, 1))).astype(float)
    >>> hs.irt.compare(hs.ItemResponseModel("1pl").fit(y), hs.ItemResponseModel("2pl").fit(y)).degrees
    4
    """
    fits = _fit_of(first, "first"), _fit_of(second, "second")
    if any(fit.prior_kind != "none" for fit in fits):
        raise ValueError(
            "a likelihood ratio needs maximum likelihood, and a model here has a prior of its items; fit both with "
            "item_prior='none'."
        )
    return compare_fits(*fits)


def link(first: Any, second: Any, anchors: Any = None) -> Link:
    r"""Link two separate fits through their common items (Stocking and Lord): :math:`\theta_a = A\theta_b + B`.

    Parameters
    ----------
    first, second : ItemResponseModel
        Fitted with rows integrated out, one dimension; the first one's scale is kept.
    anchors : sequence of columns, or of pairs (column of first, column of second), optional
        By default the columns with the same label (or position, where there are no labels).

    Returns
    -------
    Link
        ``slope`` A and ``intercept`` B with standard errors, ``covariance`` and ``intervals()``.

    Raises
    ------
    ValueError
        Without common items, or for items of different kinds.
    """
    fits = _fit_of(first, "first"), _fit_of(second, "second")
    where = [_places(model, fit) for model, fit in zip((first, second), fits, strict=True)]
    if anchors is None:
        anchors = [name for name in where[0] if name in where[1]]
    pairs = []
    for anchor in anchors:
        pair = tuple(anchor) if isinstance(anchor, tuple | list) else (anchor, anchor)
        for name, known, side in zip(pair, where, ("first", "second"), strict=True):
            if name not in known:
                raise ValueError(f"anchors has column {shown(name)}, which is no item of the {side} model.")
        pairs.append((where[0][pair[0]], where[1][pair[1]]))
    if not pairs:
        raise ValueError("the two models have no items in common; give anchors=, pairs of columns of the same item.")
    return stocking_lord(*fits, pairs)


def _places(model: Any, fit: RowsFit) -> dict[Any, int]:
    """Columns of the items by label."""
    labels = np.arange(fit.shape[1]) if model.col_labels_ is None else model.col_labels_
    names = labels.tolist()
    return {names[j]: int(j) for j in fit.columns}


@dataclass(frozen=True)
class Forms:
    """Sets of columns that answers connect, and of groups of rows that share columns.

    Attributes
    ----------
    columns : list of list
        Columns of each form, the largest form first.
    rows : int ndarray (n,)
        Form of each row; -1 without answers.
    groups : list of list of str
        Groups of rows that hang together by common columns; one list where all do.
    """

    columns: list[list[Any]]
    rows: IntArray
    groups: list[list[str]]

    @property
    def is_connected(self) -> bool:
        """Whether all answers hang together."""
        return len(self.columns) <= 1

    def __str__(self) -> str:
        if self.is_connected:
            return "all columns are connected by rows that answered several of them"
        parts = [f"{len(c)} columns ({', '.join(map(str, c[:ROWS_NAMED]))}{', ..' if len(c) > ROWS_NAMED else ''})"
                 for c in self.columns]  # fmt: skip
        return (
            f"{len(parts)} unlinked forms: {'; '.join(parts)}. They are on one scale only if the people who took them "
            "are alike in ability; give some people columns of two forms, or fit the forms separately."
        )


def connectivity(R: Any, row_groups: Any = None) -> Forms:
    """Whether answers connect all columns, and groups of people: what can be put on one scale.

    Parameters
    ----------
    R : Observed, array with NaN, data frame or sparse matrix
    row_groups : sequence (n,), optional

    Notes
    -----
    Components of the graph of rows and columns with an edge per answer: O(answers).

    Examples
    --------
    >>> nan = float("nan")
    >>> forms = connectivity([[0, 1, nan], [1, 0, nan], [nan, nan, 1]])
    >>> forms.columns, forms.is_connected
    ([[0, 1], [2]], False)
    """
    table = as_observed(R)
    n, p = table.shape
    graph = sparse.coo_array((np.ones(table.n_entries), (table.rows, table.cols + n)), shape=(n + p, n + p))
    _, label = connected_components(graph.tocsr(), directed=False)
    of_col, answered = label[n:], np.bincount(table.cols, minlength=p) > 0
    names = (np.arange(p) if table.col_labels is None else table.col_labels).tolist()
    forms = np.unique(of_col[answered])
    forms = forms[np.argsort([-np.count_nonzero(of_col == form) for form in forms], kind="stable")]
    place = {int(form): k for k, form in enumerate(forms)}
    rows = np.array([place.get(int(part), -1) for part in label[:n]], dtype=np.int64)
    columns = [[names[j] for j in np.flatnonzero(of_col == form)] for form in forms]
    return Forms(columns, rows, _joined_groups(table, row_groups))


def _joined_groups(table: Observed, row_groups: Any) -> list[list[str]]:
    """Groups that share columns, directly or through others."""
    if row_groups is None:
        return []
    given = np.asarray(row_groups).astype(str)
    if given.shape != (table.shape[0],):
        raise ValueError(f"row_groups has shape {given.shape}; needed: a label for each of the {table.shape[0]} rows.")
    names, codes = np.unique(given, return_inverse=True)
    k, p = len(names), table.shape[1]
    met = sparse.coo_array((np.ones(table.n_entries), (codes[table.rows], table.cols)), shape=(k, p)).tocsr()
    _, label = connected_components(met @ met.T, directed=False)
    return [names[label == part].tolist() for part in np.unique(label)]


def answers(R: Any, *, key: Any = None, values: Any = None, row: str | None = None) -> Observed:
    """Answers as numbers: words by their order, multiple choice by a key.

    Parameters
    ----------
    R : data frame or array of words, one line per person
    key : dict from column to right answer, optional
        ``{"Q1": "B"}``: 1 where the answer is that, else 0.
    values : dict from word to number, optional
        ``{"no": 0, "perhaps": 1, "yes": 2, "refused": None}``. By default N/Y, no/yes, no/perhaps/yes,
        never/rarely/sometimes/often/always and their like are known.
    row : str, optional
        Column of row labels; left out of a key.

    Returns
    -------
    Observed

    Raises
    ------
    ValueError
        For words whose order is not known, and columns without a key.

    Examples
    --------
    >>> answers([["B", "A"], ["C", "A"]], key={"0": "B", "1": "A"}).to_dense().tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    >>> answers([["no", "yes"], ["perhaps", None]]).to_dense().tolist()
    [[0.0, 2.0], [1.0, nan]]
    """
    table = WordTable.of(R, row)
    return table.numbers(coding_of(table, key, values))


def read_py_irt(path: str | os.PathLike[str]) -> Observed:
    """Read py-irt's JSON Lines: ``{"subject_id": "ann", "responses": {"q1": 1, "q2": 0}}``, a line per row.

    Raises
    ------
    ValueError
        For a line that is none of these; its number is given.
    """
    rows: list[str] = []
    cols: list[str] = []
    values: list[float] = []
    with Path(path).open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
                subject, given = record["subject_id"], record["responses"]
                items = [(str(item), float(value)) for item, value in given.items() if value is not None]
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise ValueError(
                    f"{path}, line {number}: needed an object with subject_id and responses (question to number): "
                    f"{type(error).__name__} {error}"
                ) from None
            rows += [str(subject)] * len(items)
            cols += [item for item, _ in items]
            values += [value for _, value in items]
    if not values:
        raise ValueError(f"{path} has no answers.")
    return Observed.from_triplets(np.array(rows), np.array(cols), values)


def from_girth(data: Any, *, missing: int = GIRTH_MISSING) -> Observed:
    """girth's arrays: items in rows, people in columns, ``missing`` where not answered.

    Examples
    --------
    >>> from_girth([[1, 0, -99999], [1, 1, 0]]).to_dense().tolist()
    [[1.0, 1.0], [0.0, 1.0], [nan, 0.0]]
    """
    table = np.asarray(data)
    if table.ndim != 2:
        raise ValueError(f"data has shape {table.shape}; needed: items x people.")
    out = table.T.astype(float)
    out[missing == table.T] = np.nan
    return Observed.from_dense(out)


def parameters(model: Any, style: str = "mirt") -> Listing:
    """Items in the columns that other programs print.

    Parameters
    ----------
    model : ItemResponseModel
        Fitted with rows integrated out.
    style : {"mirt", "difficulty"}
        "mirt": ``a1, ..., d`` or ``d1, ...``, ``g``, ``u`` as R mirt's ``coef(simplify=TRUE)`` (partial-credit
        intercepts are running sums); "difficulty": ``a, b`` or ``b1, ...``, ``g`` as its ``IRTpars=TRUE``, ltm, TAM and
        girth.

    Returns
    -------
    Listing
    """
    fit = _fit_of(model, "model")
    if style not in ("mirt", "difficulty"):
        raise ValueError(f"style={style!r} is not known; known: mirt, difficulty.")
    D = fit.layout.dimensions
    if style == "difficulty" and D > 1:
        raise ValueError("style='difficulty' is for one dimension; use style='mirt'.")
    labels: Labels = np.arange(fit.shape[1]) if model.col_labels_ is None else model.col_labels_
    columns: dict[str, Any] = {"item": labels, "class": np.full(fit.shape[1], "", dtype="<U5")}
    most = int(max((k - 1 for k in fit.layout.classes.tolist()), default=1))
    slopes = ["a"] if style == "difficulty" else [f"a{d + 1}" for d in range(D)]
    steps = "b" if style == "difficulty" else "d"
    names = [steps] if most == 1 else [f"{steps}{k + 1}" for k in range(most)]
    for name in (*slopes, *names, "g"):
        columns[name] = np.full(fit.shape[1], np.nan)
    for j, (values, _) in enumerate(item_faces(fit)):
        at = int(fit.columns[j])
        columns["class"][at] = fit.kinds[j]
        own, guess = _steps(fit, j, values, style)
        for name, value in zip((*slopes, *names), (*values[:D], *own), strict=False):
            columns[name][at] = value
        columns["g"][at] = guess
    if style == "mirt":
        columns["u"] = np.where(np.isnan(columns["a1"]), np.nan, 1.0)
    if "3pl" not in fit.layout.formulas and style == "difficulty":
        del columns["g"]
    return Listing("parameters", columns, 0.95, (f"style: {style}",), "", model.library_)


def _steps(fit: RowsFit, j: int, values: FloatArray, style: str) -> tuple[FloatArray, float]:
    """Intercepts or difficulties of an item, and its guessing chance."""
    D, formula = fit.layout.dimensions, fit.layout.formulas[j]
    rest, guess = values[D:], 0.0
    if formula == "3pl":
        rest, guess = rest[:1], float(rest[1])
    if style == "difficulty":
        return -rest / values[0], guess
    return (np.cumsum(rest) if formula == "gpcm" else rest), guess
