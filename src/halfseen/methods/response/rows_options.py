"""What can be chosen when rows are integrated out, and how it is read."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray, RandomState
from halfseen.errors import shown
from halfseen.methods.response.rows_answers import AnswerTable
from halfseen.methods.response.rows_items import ItemLayout
from halfseen.methods.response.rows_kinds import KINDS
from halfseen.methods.response.rows_map import IndexMap
from halfseen.methods.response.rows_optimise import Patience
from halfseen.methods.response.rows_population import Population

PRIORS = ("auto", "empirical", "none")
ERRORS = ("auto", "observed", "cross", "sandwich")


@dataclass(frozen=True)
class RowsOptions:
    """Options of :func:`fit_rows`.

    Attributes
    ----------
    item_prior : {"auto", "empirical", "none"}
        "empirical": slopes and intercepts have normal priors whose means and variances the items tell; "auto": that,
        where the median column has fewer than 150 answers. A 3pl guessing chance always has its prior.
    errors : {"auto", "observed", "cross", "sandwich"}
        Information behind the standard errors; "auto": observed, and the cross-product of the scores where rows times
        columns times parameters is above 1e9.
    equal : sequence of sequences of places
        Places that share a value; a place is ``(column, name)`` with the names "slope" (with more dimensions "slope1",
        ...), "intercept" (2pl and 3pl), "guess" (the logit of the guessing chance), or ``(column, "item")`` for all.
    fixed : mapping from a place to its value
        ``(column, "item")`` takes slopes and intercepts as :class:`RowsFit` shows them.
    tol : float
        A fit ends when no entry of the gradient is above ``tol sqrt(people)``.
    max_nodes : int
        Most nodes; a multiple of 8.
    nodes : int or None
        So many nodes (rounded up to a multiple of 8; with more dimensions, per row), whatever the check says.
    max_iter : int
    watchers : tuple
        Told of every sweep.
    """

    item_prior: str = "auto"
    errors: str = "auto"
    equal: Sequence[Sequence[tuple[int, str]]] = ()
    fixed: Mapping[tuple[int, str], Any] = field(default_factory=dict)
    tol: float = 1e-4
    max_nodes: int = 240
    nodes: int | None = None
    max_iter: int = 300
    watchers: tuple[Any, ...] = ()
    random_state: RandomState = 0
    engine: Any = None

    def __post_init__(self) -> None:
        for name, known in (("item_prior", PRIORS), ("errors", ERRORS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}={getattr(self, name)!r} is not known; known: {', '.join(known)}.")
        if not self.tol > 0:
            raise ValueError(f"tol={self.tol!r}; needed: a number above 0.")

    @property
    def patience(self) -> Patience:
        """When a climb ends."""
        return Patience(self.tol, self.max_iter, self.watchers)


def kinds_of(kind: Any, p: int) -> list[str]:
    """A kind for each column."""
    if isinstance(kind, str):
        kind = [kind] * p
    kind = list(kind)
    if len(kind) != p:
        raise ValueError(f"kind has {len(kind)} entries; needed: one word, or one for each of the {p} columns.")
    for j, name in enumerate(kind):
        if name not in KINDS:
            raise ValueError(f"kind[{j}]={name!r} is not known; known: {', '.join(KINDS)}.")
    if "rasch" in kind and set(kind) != {"rasch"}:
        raise ValueError("kind 'rasch' sets the scale of the ability for all columns; beside other kinds use '1pl'.")
    return kind


def group_codes(groups: Any, n: int) -> tuple[IntArray | None, tuple[str, ...]]:
    """A number for each row's group, the first one seen being the reference, and their names."""
    if groups is None:
        return None, ("all",)
    given = np.asarray(groups)
    if given.shape != (n,):
        raise ValueError(f"row_groups has shape {given.shape}; needed: a label for each of the {n} rows.")
    names, first, codes = np.unique(given.astype(str), return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty(len(names), dtype=np.int32)
    place[order] = np.arange(len(names))
    return place[codes].astype(np.int32), tuple(names[order].tolist())


def covariate_table(covariates: Any, n: int) -> tuple[FloatArray | None, FloatArray]:
    """Covariates (n, q) less their means, and the means."""
    if covariates is None:
        return None, np.zeros(0)
    Z = np.asarray(covariates, dtype=float)
    Z = Z[:, None] if Z.ndim == 1 else Z
    if Z.ndim != 2 or len(Z) != n:
        raise ValueError(f"covariates has shape {Z.shape}; needed: ({n}, q), a line for each row.")
    if not np.isfinite(Z).all():
        i, j = (int(k) for k in np.argwhere(~np.isfinite(Z))[0])
        raise ValueError(f"covariates[{i}, {j}] = {shown(Z[i, j])}; needed: finite numbers for every row.")
    mean = Z.mean(axis=0)
    flat = np.flatnonzero(np.ptp(Z, axis=0) == 0)
    if len(flat):
        raise ValueError(f"covariates column {flat[0]} is constant; leave it out, the mean is part of the model.")
    return Z - mean, mean


def row_weights(weights: Any, n: int) -> FloatArray | None:
    """Frequencies of the rows."""
    if weights is None:
        return None
    w = np.asarray(weights, dtype=float)
    if w.shape != (n,):
        raise ValueError(f"weights has shape {w.shape}; needed: a number for each of the {n} rows.")
    bad = ~(np.isfinite(w) & (w >= 0))
    if bad.any():
        raise ValueError(f"weights[{int(bad.argmax())}] = {shown(w[bad.argmax()])}; needed: numbers of at least 0.")
    return w


def index_map(
    layout: ItemLayout, table: AnswerTable, kinds: list[str], population: Population, options: RowsOptions
) -> IndexMap:
    """Which numbers are free: shared slopes of 1pl, what the user set equal or fixed, the reference population."""
    n = layout.n_params + population.n_params
    place_of = {int(c): j for j, c in enumerate(table.columns)}
    equal = []
    for d in range(layout.dimensions):
        shared = [j for j in range(layout.n_items) if kinds[j] in ("1pl", "rasch")]
        equal.append(layout.slopes[shared, d])
    for group in options.equal:
        places = [_places(layout, place_of, place) for place in group]
        if len({len(p) for p in places}) > 1:
            raise ValueError(f"equal={shown(list(group))}: these items have different numbers of parameters.")
        equal += [np.array(same) for same in zip(*places, strict=True)]
    fixed = {layout.n_params: 0.0, layout.n_params + population.n_groups: 0.0}
    for place, value in options.fixed.items():
        fixed.update(_fixed(layout, place_of, place, value))
    if any(place[1] == "item" for place in options.fixed):
        # whole items that are fixed set the scale: the reference population's mean and spread are free
        del fixed[layout.n_params], fixed[layout.n_params + population.n_groups]
    return IndexMap.of(n, [e for e in equal if len(e) > 1], fixed)


def _places(layout: ItemLayout, place_of: dict[int, int], place: Hashable) -> IntArray:
    """Numbers of a named place."""
    if not (isinstance(place, tuple) and len(place) == 2 and isinstance(place[1], str)):
        raise ValueError(f"{shown(place)} is no place; needed: (column, name), such as (3, 'slope').")
    column, name = place
    if column not in place_of:
        raise ValueError(f"{shown(place)}: there is no column {shown(column)} among the items of the model.")
    j = place_of[column]
    first, D, size = int(layout.first_param[j]), layout.dimensions, int(layout.sizes[j])
    known = {"item": np.arange(first, first + size)}
    known.update({f"slope{d + 1}": np.array([first + d]) for d in range(D)})
    if D == 1:
        known["slope"] = known["slope1"]
    if layout.formulas[j] in ("2pl", "3pl"):
        known["intercept"] = np.array([first + D])
    if layout.formulas[j] == "3pl":
        known["guess"] = np.array([first + D + 1])
    if name not in known:
        raise ValueError(f"{shown(place)}: known names there are {', '.join(known)}.")
    return known[name]


def _fixed(layout: ItemLayout, place_of: dict[int, int], place: Any, value: Any) -> dict[int, float]:
    at = _places(layout, place_of, place)
    values = np.atleast_1d(np.asarray(value, dtype=float))
    if place[1] == "item":
        values = inner_numbers(layout.formulas[place_of[place[0]]], values, layout.dimensions)
    if values.shape != at.shape or not np.isfinite(values).all():
        raise ValueError(f"fixed[{shown(place)}] = {shown(value)}; needed: {len(at)} finite numbers.")
    return dict(zip(at.tolist(), values.tolist(), strict=True))


def inner_numbers(formula: str, shown_numbers: FloatArray, dimensions: int) -> FloatArray:
    """Slopes and intercepts as shown, as the formulas take them: a guessing chance as logit, gaps of grm as logs."""
    a, rest = shown_numbers[:dimensions], shown_numbers[dimensions:].copy()
    if formula == "3pl" and len(rest) == 2:
        if not 0 < rest[1] < 1:
            raise ValueError(f"a guessing chance of {rest[1]:g} cannot be fixed; needed: between 0 and 1.")
        rest[1] = np.log(rest[1] / (1.0 - rest[1]))
    if formula == "grm" and len(rest) > 1:
        if not (np.diff(rest) < 0).all():
            raise ValueError(f"intercepts of grm fall from class to class; got {np.round(rest, 4).tolist()}.")
        rest[1:] = np.log(-np.diff(rest))
    return np.concatenate([a, rest])
