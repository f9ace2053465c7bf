"""Row-clustered intervals of one-sided completion: second moments, eigenvalues, the row space, predictions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from halfseen._typing import FloatArray, IntArray, RandomState, as_generator
from halfseen.data import Observed, PreparedTable
from halfseen.inference import CommonErrors, Intervals, TableInference, TableNames
from halfseen.inference.grouped import GroupedInfluence, SubspaceError
from halfseen.inference.table import LEVEL
from halfseen.methods.moment.checks import SeenRows, is_table, observe_rows, pair_positions
from halfseen.methods.moment.estimates import steady_moments
from halfseen.methods.moment.fitting import with_thin_bounded
from halfseen.methods.moment.influence import ObjectiveScores, influence
from halfseen.methods.moment.problem import PairProblem, RowNorms
from halfseen.methods.moment.rank import products
from halfseen.methods.moment.rows import LinearPredictor
from halfseen.methods.moment.targets import targets_of, weights_of

CLAIM = "confidence: rows are an independent sample; T is the second moment of the rows they come from"
PREDICTION = (
    "prediction: holds for this share of new values, errors normal, the errors of the fit counted to first order"
)
LEAST_GROUPS = 20
ANGLE_DRAWS = 500
SPACE = "second moments"


class OneSidedInference(TableInference):
    """Intervals of a fitted `OneSidedCompletion`; made by its method ``inference``.

    Parameters
    ----------
    model : OneSidedCompletion
    level : float
    influence : GroupedInfluence
        What each group of rows did to X.
    random_state : int, Generator or None
        Draws behind angles and bands.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> rng = np.random.default_rng(0)
    >>> table = rng.normal(size=(3000, 1)) @ rng.normal(size=(1, 6)) + 0.3 * rng.normal(size=(3000, 6))
    >>> table[rng.random(table.shape) < 0.6] = np.nan
    >>> i = hs.OneSidedCompletion(1, random_state=0).fit(table).inference()
    >>> both = i.band(i.second_moment(([0, 1], [2, 3])), "eigenvalues")
    >>> len(both), both.kind
    (3, 'band')
    """

    _sets: ClassVar[tuple[str, ...]] = ("second_moment", "eigenvalues")
    _refusals: ClassVar[dict[str, str]] = {
        "columns": "factors of columns are known up to a rotation only; second_moment(), eigenvalues() and row_space() "
        "do not depend on it",
        "rows": "rows are an independent sample and have no parameters; predict(R) places them",
        "entries": "an entry is predicted from the other entries of its row: predict(R, cols)",
        "responses": "an entry is predicted from the other entries of its row: predict(R, cols)",
        "scores": "the model is one of second moments, not of means",
    }

    def __init__(
        self, model: Any, level: float, influence: GroupedInfluence, random_state: RandomState = 0, draws: int = 1000
    ) -> None:
        super().__init__(TableNames.of(model), level, CLAIM, draws, random_state, getattr(model, "library_", "pyarrow"))
        self.model, self.influence, self._random_state = model, influence, random_state
        self._freedom = influence.n_groups - 1.0

    @property
    def _X(self) -> FloatArray:
        return np.asarray(self.model.components_.T, dtype=float)

    def second_moment(self, pairs: Any = None) -> Intervals:
        """Intervals of the low-rank second moment, seen pairs or not.

        Parameters
        ----------
        pairs : (columns, columns), optional
            Labels or positions; by default all ``i < j``.

        Notes
        -----
        O(pairs * groups * rank). Pairs of columns with fewer partners than factors, and pairs of two islands, are
        marked unreliable.
        """
        X = self._X
        i, j = np.triu_indices(len(X), k=1) if pairs is None else pair_positions(self.model, pairs)
        se = np.empty(len(i))
        for part in _pieces(len(i), self.influence.n_groups * X.shape[1]):
            se[part] = self.influence.se(_changes(X, self.influence.moves, i[part], j[part]))
        estimate = products(X, i, j)
        unseen = self.model.diagnostics_.unseen
        unseen, thin = unseen[i] | unseen[j], self.model.diagnostics_.few_partners
        is_apart = self.model.diagnostics_.islands[i] != self.model.diagnostics_.islands[j]
        return self._grouped(
            "second moment", np.where(unseen, np.nan, estimate), np.where(unseen, np.nan, se),
            {"column": self._named(i), "with": self._named(j)}, PairErrors(self, i, j), ~(thin[i] | thin[j] | is_apart),
        )  # fmt: skip

    def eigenvalues(self) -> Intervals:
        """Intervals of the eigenvalues of XX' (first order: they need gaps between them)."""
        X = self._X
        changes = 2.0 * np.einsum("ik,gik->gk", X, self.influence.moves)
        errors = CommonErrors({"groups": self.influence.loadings(changes)}, SPACE)
        labels = {"component": np.arange(1, X.shape[1] + 1)}
        return self._grouped("eigenvalue", np.sum(X**2, axis=0), self.influence.se(changes), labels, errors)

    def contrast(self, weights: Any, pairs: Any) -> Intervals:
        """One interval for a weighted sum of second moments.

        Parameters
        ----------
        weights : array (m,)
        pairs : (columns, columns)
            Labels or positions, m of each.
        """
        X, (i, j) = self._X, pair_positions(self.model, pairs)
        weights = np.asarray(weights, dtype=float)
        if weights.shape != i.shape or not np.isfinite(weights).all():
            raise ValueError(f"contrast() needs {len(i)} finite weights, one per pair; got shape {weights.shape}.")
        changes = (_changes(X, self.influence.moves, i, j) @ weights)[:, None]
        errors = CommonErrors({"groups": self.influence.loadings(changes)}, SPACE)
        estimate = np.array([weights @ products(X, i, j)])
        return self._grouped("contrast", estimate, self.influence.se(changes), {}, errors)

    def _grouped(
        self, name: str, estimate: FloatArray, se: FloatArray, labels: dict[str, Any], errors: Any, reliable: Any = True
    ) -> Intervals:
        quantile = self.influence.quantile(self.level)
        return self._interval(name, estimate, se, labels, errors, reliable=reliable, quantile=quantile)

    def _named_set(self, name: str, **choices: Any) -> Intervals:
        return self.second_moment(**choices) if name == "second_moment" else self.eigenvalues(**choices)

    def row_space(self) -> SubspaceError:
        """Angles between the fitted and the true row space."""
        X = self._X
        lengths = np.sqrt(np.maximum(np.sum(X**2, axis=0), 1e-300))
        moved = GroupedInfluence(self.influence.moves / lengths)
        return moved.subspace_error(X / lengths, self.level, ANGLE_DRAWS, as_generator(self._random_state))

    def predict(self, R: Any, cols: Any = None) -> Intervals:
        r"""Predictive intervals of the values of rows.

        .. math:: \operatorname{var}(x_j \mid x_O) = \psi_j + X_j^\top (X_O^\top \Psi_O^{-1} X_O + I)^{-1} X_j
                  + \operatorname{var}(\text{errors of } X)

        The last term, which grows with the number of entries seen beside the second one, which falls, comes from the
        influences: a group that moves X moves the predictor of the row with it.

        Parameters
        ----------
        R : table of rows
        cols : sequence of labels, optional

        Returns
        -------
        Intervals
            Arrays (n_rows, n_cols), kind "prediction".
        """
        model = self.model
        rows = model._observe(R, reset=False) if is_table(R) else model._observe(np.atleast_2d(R), reset=False)
        j = model._positions(cols, "column")
        predictor = LinearPredictor.of(self._X, model.column_noise_)
        z, inverse = predictor.coordinates(rows.astype(np.float64)), predictor.inverses(rows)
        X, psi = self._X, predictor.psi
        base = psi[j] + np.einsum("jk,tkl,jl->tj", X[j], inverse, X[j])
        extra = np.array([self._row_error(rows, t, z[t], inverse[t], psi, j) for t in range(rows.shape[0])])
        names = rows.row_labels if rows.row_labels is not None else np.arange(rows.shape[0])
        labels = {"row": np.asarray(names)[:, None], "column": self._named(j)[None, :]}
        return Intervals.symmetric(
            "value",
            z @ X[j].T,
            np.sqrt(base + extra.reshape(base.shape)),
            self.level,
            labels,
            claim=PREDICTION,
            kind="prediction",
            library=self.library,
        )

    def _row_error(
        self, rows: Observed, t: int, z: FloatArray, inverse: FloatArray, psi: FloatArray, j: IntArray
    ) -> FloatArray:
        """Variance of one row's predictions from the errors of X, (n_cols,)."""
        part = slice(rows.by_rows.indptr[t], rows.by_rows.indptr[t + 1])
        seen, moves, X = rows.by_rows.indices[part], self.influence.moves, self._X
        rest = rows.by_rows.values[part].astype(float) - X[seen] @ z
        rest /= psi[seen]
        moved = moves[:, seen]  # of z: K (dX' Psi^-1 e - X' Psi^-1 dX z)
        turn = np.einsum("gmk,m->gk", moved, rest) - np.einsum("mk,gm->gk", X[seen] / psi[seen, None], moved @ z)
        changes = moves[:, j] @ z + (turn @ inverse) @ X[j].T
        return np.square(self.influence.se(changes))

    def _named(self, columns: IntArray) -> Any:
        labels = self.model.col_labels_
        return columns if labels is None else labels[columns]


def infer(model: Any, level: float, R: Any, groups: int, random_state: RandomState) -> OneSidedInference:
    """Scores of the rows, influences of their groups; see `OneSidedCompletion.inference`.

    Raises
    ------
    ValueError
        For weights that do not split over rows, for a model without its rows, for rows that are not those of the fit.
    """
    LEVEL.check("level", level)
    if isinstance(groups, bool) or not isinstance(groups, int | np.integer) or groups < LEAST_GROUPS:
        raise ValueError(f"groups must be a whole number of at least {LEAST_GROUPS}; got {groups!r}")
    kind = weights_of(model)
    if model.estimator != "hajek" or kind == "paper":
        raise ValueError(
            "row-clustered errors need Hajek's estimates with weights 'inverse_variance' or 'counts', whose scores are "
            f"sums over rows; this fit has estimator={model.estimator!r}, weights={kind!r}"
        )
    blocks = _blocks(model, R)
    X, moments = model.components_.T.astype(float), model.moments_
    targets = with_thin_bounded(targets_of(moments, "hajek", model), X.shape[1])
    problem = PairProblem(targets, X.shape[1], RowNorms(penalty=model.penalty), model.engine)
    scale = 1.0 / steady_moments(moments) if kind == "inverse_variance" else np.ones(len(X))
    n_groups = int(min(groups, max(model.diagnostics_.rows_with_pairs, LEAST_GROUPS)))
    counted = _Counted(blocks)
    scores = ObjectiveScores(X, problem.psi(X), scale, problem.has_diagonal).of_groups(counted, n_groups, model.engine)
    if (counted.rows, counted.entries) != (moments.n_rows, moments.n_entries):
        raise ValueError(
            f"R has {counted.rows} rows with {counted.entries} entries, the model was fitted to {moments.n_rows} rows "
            f"with {moments.n_entries}; give all rows of the fit, once"
        )
    return OneSidedInference(model, level, influence(problem, X, scores), random_state)


@dataclass(frozen=True)
class PairErrors:
    """Errors of second moments, their loadings found when they are asked for: there may be very many pairs.

    Attributes
    ----------
    inference : OneSidedInference
    i, j : int arrays (m,)
    """

    inference: OneSidedInference
    i: IntArray
    j: IntArray
    space: str = SPACE

    def __len__(self) -> int:
        return len(self.i)

    @property
    def sizes(self) -> dict[str, int]:
        """One normal number per group of rows."""
        return {"groups": self.inference.influence.n_groups}

    def deviations(self, z: Mapping[str, FloatArray]) -> FloatArray:
        """See :class:`halfseen.inference.CommonErrors`."""
        own, X = self.inference.influence, self.inference._X
        out = np.empty((len(z["groups"]), len(self.i)))
        for part in _pieces(len(self.i), own.n_groups * X.shape[1]):
            loadings = own.loadings(_changes(X, own.moves, self.i[part], self.j[part]))
            out[:, part] = CommonErrors({"groups": loadings}, SPACE).deviations(z)
        return out


class _Counted:
    """Blocks of rows that pass by, counted."""

    def __init__(self, blocks: Iterable[Observed]) -> None:
        self.blocks, self.rows, self.entries = blocks, 0, 0

    def __iter__(self) -> Any:
        for block in self.blocks:
            self.rows += block.shape[0]
            self.entries += block.n_entries
            yield block


def _blocks(model: Any, R: Any) -> Iterable[Observed]:
    stored = getattr(model, "stored_rows_", None)
    if R is None and stored is not None:
        R = stored.table
    if isinstance(R, PreparedTable):
        from halfseen.methods.moment.on_blocks import blocks_of

        return blocks_of(R)
    if R is None:
        known = getattr(model, "_seen", SeenRows()).rows()
        if known is None:
            raise ValueError(
                "this model does not carry its rows (files, pickles and block-wise fits leave them out); pass them "
                "again: inference(R=R), R a table or an iterable of blocks of rows"
            )
        return [known]
    if isinstance(R, Observed) or is_table(R):
        return [observe_rows(model, R, reset=False)]
    return (observe_rows(model, block, reset=False) for block in R)


def _changes(X: FloatArray, moves: FloatArray, i: IntArray, j: IntArray) -> FloatArray:
    """First-order changes of ``X_i . X_j`` by the moves of X, (G, n_pairs)."""
    return np.einsum("gek,ek->ge", moves[:, i], X[j]) + np.einsum("gek,ek->ge", moves[:, j], X[i])


def _pieces(n: int, width: int) -> list[slice]:
    length = max(1, 8_000_000 // max(width, 1))
    return [slice(begin, begin + length) for begin in range(0, n, length)]
