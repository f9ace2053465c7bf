"""The best of several settings of a model, judged on held-out entries or rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from sklearn.base import clone

from halfseen._typing import FloatArray, RandomState
from halfseen.data import as_observed
from halfseen.data.storable import storable
from halfseen.select.folds import Fold, for_whole_table, make_folds, over_folds
from halfseen.select.held_out import as_frame
from halfseen.select.rules import TIE, check_rule, fitted_from

Setting = dict[str, Any]


@storable
@dataclass(frozen=True)
class Search:
    """The outcome of :func:`choose_parameters`.

    Attributes
    ----------
    parameters : dict
        The chosen setting.
    settings : tuple of dict
        All of them, in the order in which they were tried.
    losses : ndarray (n_settings,)
        Mean held-out deviance over the folds (gaussian: mean squared error), weighted by their held-out entries.
    standard_errors : ndarray (n_settings,)
        Of the losses' differences to the least one, from the folds.
    fold_losses : ndarray (folds, n_settings)
    rule : str
    model : estimator
        A copy with the chosen setting, to be fitted to all entries: ``search.model.fit(R)``.
    """

    parameters: Setting
    settings: tuple[Setting, ...]
    losses: FloatArray
    standard_errors: FloatArray
    fold_losses: FloatArray
    rule: str
    model: Any = field(default=None, repr=False)

    def to_frame(self, backend: str = "pyarrow") -> Any:
        """One line per setting: its parameters, loss, standard_error, is_chosen; backend pyarrow, pandas or polars."""
        names = list(dict.fromkeys(name for setting in self.settings for name in setting))
        columns: dict[str, Any] = {name: [setting.get(name) for setting in self.settings] for name in names}
        columns |= {"loss": self.losses, "standard_error": self.standard_errors}
        columns["is_chosen"] = np.array([setting == self.parameters for setting in self.settings])
        return as_frame(columns, backend)


def choose_parameters(
    model: Any,
    R: Any,
    grid: Mapping[str, Iterable[Any]],
    folds: int = 5,
    by: str = "entries",
    rule: str = "best",
    random_state: RandomState = None,
    is_warm: bool = True,
) -> Search:
    """Choose a model's parameters by its deviance on held-out entries, or on the entries of held-out rows.

    Parameters
    ----------
    model : estimator
        Is not changed.
    R : Observed, NaN array, data frame or scipy.sparse
    grid : mapping from parameter to values
        All combinations are tried, the last parameter changing fastest. Give simple values first (small ranks, large
        penalties): fits then can begin at the model before, and the one-standard-error rule knows what is simple.
    folds : int
        Every setting sees the same ones.
    by : {"entries", "rows"}
        As in :func:`cross_validate`.
    rule : {"best", "one_se"}
        The smallest loss; or the first setting whose loss exceeds it by at most one standard error of their
        difference.
    random_state : int, Generator or None
        Draws the folds.
    is_warm : bool
        Begin each fit at the model of the setting before it on the same fold, where the model's ``fit`` takes
        ``start=``.

    Returns
    -------
    Search

    Raises
    ------
    ValueError
        For a parameter that the model does not have, an empty grid, an unknown rule.

    Notes
    -----
    ``folds`` times the number of settings fits, one fold per worker of the surrounding ``with hs.engine(...)``;
    ``with hs.select.progress(report)`` is told of every fold. Splits share training entries, so the standard errors are
    too small rather than too large.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> rng = np.random.default_rng(0)
    >>> table = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 40)) + 0.3 * rng.normal(size=(60, 40))
    >>> table[rng.random(table.shape) < 0.4] = np.nan
    >>> model = hs.AlternatingLeastSquares(random_state=0)
    >>> grid = {"rank": [0, 1, 2, 4], "penalty": [3.0, 0.3]}
    >>> hs.select.choose_parameters(model, table, grid, folds=3, rule="one_se", random_state=0).parameters
    {'rank': 2, 'penalty': 0.3}
    """
    observed = as_observed(R)
    model = for_whole_table(model, observed)
    settings = _settings(model, grid)
    check_rule(rule)

    def judge(fold: Fold) -> tuple[list[float], int]:
        losses, before = [], None
        for setting in settings:
            before = fitted_from(clone(model).set_params(**setting), fold.train, before if is_warm else None)
            losses.append(fold.loss(before))
        return losses, fold.test.n_entries

    judged = over_folds(judge, make_folds(observed, folds, by, random_state), folds)
    losses, counts = np.array([row for row, _ in judged]), np.array([count for _, count in judged])
    means = np.average(losses, axis=0, weights=counts)
    best = int(np.argmin(means))
    errors = (losses - losses[:, [best]]).std(axis=0, ddof=1) / np.sqrt(folds)
    allowed = errors if rule == "one_se" else np.zeros(len(means))
    near = means <= means[best] + np.maximum(allowed, TIE * abs(means[best]) if rule == "one_se" else 0.0)
    chosen = settings[int(np.argmax(near))]
    last = clone(model).set_params(**chosen)
    return Search(chosen, tuple(settings), means, errors, losses, rule, last)


def _settings(model: Any, grid: Mapping[str, Iterable[Any]]) -> list[Setting]:
    known = model.get_params(deep=True)
    values = {name: list(given) for name, given in grid.items()}
    if not values or not all(values.values()):
        raise ValueError("grid is empty; give values to try, such as grid={'rank': [1, 2, 4]}")
    for name in values:
        if name not in known:
            raise ValueError(f"{type(model).__name__} has no parameter {name!r}; known: {', '.join(sorted(known))}")
    return [dict(zip(values, setting, strict=True)) for setting in product(*values.values())]
