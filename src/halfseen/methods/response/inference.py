"""Intervals, ranks and tables of a fit whose columns were integrated out."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen._typing import FloatArray, IntArray, Labels, as_generator
from halfseen.data.labels import find_labels, find_positions
from halfseen.inference import (
    Intervals,
    Listing,
    Ranks,
    dense_pair_maximum,
    drawn_rank_intervals,
    largest_deviations,
    normal_quantile,
    rank_intervals,
    tie_groups,
    upper_quantile,
)
from halfseen.inference.new_rows import NewRows
from halfseen.losses import at_columns
from halfseen.methods.response.board import Board, Scores
from halfseen.methods.response.tables import item_listing, leaderboard, score_notes

CLAIM = (
    "average (Bayesian) coverage: holds for this share of rows, if abilities and items are drawn from the fitted "
    "normal distributions and answers are missing for reasons that have nothing to do with them"
)
RANK_KINDS = ("posterior", "per_item", "simultaneous", "ties")
SCORE_KINDS = ("mean", "realised")
RANKED = (0, "score", "realised")


class ItemResponseInference:
    r"""Uncertainty of an :class:`ItemResponseModel` with its columns integrated out; made by its ``inference``.

    Scores have a joint covariance over rows: errors of abilities and loadings (inverse Hessian of the marginal
    likelihood), of items that rows share, and the chance in unseen answers. It needs no entries, so it works for a
    model out of a file too.

    Parameters
    ----------
    model : ItemResponseModel
    level : float
    draws : int
    random_state : int, Generator or None

    Attributes
    ----------
    level : float
    claim : str
    block_effects : BlockEffects or None
        How far blocks of columns (``fit(R, blocks=...)``) stray from each other.
    leanings : RowLeanings
        How far the rows' means stray from what their abilities say.

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_factor_data(40, 100, rank=1, family="bernoulli", observed=0.3, random_state=0)
    >>> model = hs.ItemResponseModel("auto").fit(data.observed)
    >>> table = model.inference(random_state=0).leaderboard()
    >>> list(table.data)[:9]
    ['row', 'score', 'se', 'low', 'high', 'rank', 'rank_low', 'rank_high', 'group']
    """

    def __init__(self, model: Any, level: float, draws: int, random_state: Any) -> None:
        if not 0 < level < 1:
            raise ValueError(f"level={level!r} must lie between 0 and 1, such as 0.95.")
        if isinstance(draws, bool) or not isinstance(draws, int | np.integer) or draws < 20:
            raise ValueError(f"draws={draws!r} must be a whole number of at least 20.")
        self.level, self.claim = float(level), CLAIM
        self._model, self._draws = model, int(draws)
        self._board: Board = model.board_
        self._seed = int(as_generator(random_state).integers(2**62))
        self.block_effects, self.leanings = self._board.blocks, self._board.leanings

    def __repr__(self) -> str:
        n, p = self._model.observed_shape_
        return f"ItemResponseInference({n} x {p}, {self._model.kind_}, level {self.level:g})"

    # ---- parameters --------------------------------------------------------------------------------------------

    def intercepts(self) -> Intervals:
        r"""Intervals of the columns' intercepts :math:`\zeta_j`, from their posteriors at the fitted abilities."""
        items = self._board.items
        return self._intervals("intercept", items.mean[:, 0], np.sqrt(items.covariance[:, 0, 0]), self._labels(1))

    def col_factors(self, component: int | None = 0) -> Intervals:
        r"""Intervals of the columns' slopes :math:`y_j` (1 without error for rasch)."""
        self._one_component(component)
        items = self._board.items
        return self._intervals("column factor 0", items.mean[:, 1], np.sqrt(items.covariance[:, 1, 1]), self._labels(1))

    def row_factors(self, component: int | None = 0) -> Intervals:
        r"""Intervals of the abilities :math:`x_i`."""
        self._one_component(component)
        return self._intervals("row factor 0", self._board.ability, self._sd(self._covariance(0)), self._labels(0))

    def entries(self, rows: Any, cols: Any, kind: str = "linear") -> Intervals:
        r"""Intervals of the linear predictor :math:`\zeta_j + x_i y_j` of cells, elementwise pairs.

        ``kind="mean"`` maps the ends (and, to first order, the error) to chances of success.
        """
        if kind not in ("linear", "mean"):
            raise ValueError(f"kind={kind!r} is not known; use 'linear' or 'mean'.")
        i, j, labels = self._pairs(rows, cols)
        m, v = self._predictor(i, j)
        found = self._intervals("entry", m, np.sqrt(v), labels)
        if kind == "linear":
            return found
        loss = self._model.loss_
        ends = (loss.mean(part) for part in (m, found.low, found.high))
        mean, low, high = ends
        return Intervals("entry", mean, found.se * loss.variance(m), low, high, self.level, labels, self.claim)

    def responses(self, rows: Any, cols: Any) -> Intervals:
        """Prediction intervals of answers not yet seen, elementwise pairs.

        Raises
        ------
        ValueError
            For pass rates and counts of repeated runs, of which only the dispersion is known.
        """
        if self._model.dispersion_ != 1.0:
            raise ValueError(
                "responses() are for yes/no answers: the runs behind a pass rate depend on each other in an unknown "
                f"way (dispersion {self._model.dispersion_:.2g}). Use entries(rows, cols, kind='mean')."
            )
        i, j, labels = self._pairs(rows, cols)
        m, v = self._predictor(i, j)
        loss: Any = at_columns(self._model.loss_, j)
        low, high = loss.quantiles(m, v, 1.0, 0.5 * (1.0 - self.level))
        mean = loss.mean(self._model._linear_pairs(i, j))
        se = np.sqrt(mean * (1.0 - mean / loss.trials))
        return Intervals("response", mean, se, low, high, self.level, labels, self.claim, "prediction")

    def _predictor(self, i: IntArray, j: IntArray) -> tuple[FloatArray, FloatArray]:
        """Linear predictors of cells and their variances, of ability and of item."""
        items, x = self._board.items, self._board.ability[i]
        a = np.stack([np.ones_like(x), x], axis=-1)
        m = np.sum(a * items.mean[j], axis=-1)
        v = np.einsum("ek,ekl,el->e", a, items.covariance[j], a)
        slope = items.mean[j, 1] ** 2 + items.covariance[j, 1, 1]
        return m, v + slope * np.diag(self._board.ability_covariance)[i]

    # ---- scores ------------------------------------------------------------------------------------------------

    def scores(self, axis: str = "rows", kind: str = "mean") -> Intervals:
        """Intervals of the rows' mean responses.

        Parameters
        ----------
        axis : {"rows"}
        kind : {"mean", "realised"}
            Mean chance over all columns; or the score on the complete table, known answers as they are.
        """
        self._rows_only(axis)
        found, N = self._scores(kind), self._board.trials
        se = np.sqrt(np.diag(found.covariance))
        reach = normal_quantile(self.level) * se
        low, high = np.maximum(found.estimate - reach, found.lowest), np.minimum(found.estimate + reach, found.highest)
        name = "realised score" if kind == "realised" else "score"
        return Intervals(
            name, N * found.estimate, N * se, N * low, N * high, self.level, self._labels(0), self.claim,
            extra={"answered": self._board.answered},
        )  # fmt: skip

    def score_covariance(self, kind: str = "mean") -> FloatArray:
        """Joint covariance (n, n) of the scores' errors."""
        return self._board.trials**2 * self._scores(kind).covariance

    def differences(self, first: Any, second: Any, component: Any = "realised", axis: str = "rows") -> Intervals:
        """Intervals of differences ``first - second`` of abilities (0) or scores ("score", "realised"), by pairs."""
        self._rows_only(axis)
        estimate, covariance = self._ranked(component)
        i, l = np.broadcast_arrays(self._positions(first, 0), self._positions(second, 0))  # noqa: E741
        se = self._pair_se(covariance)[i, l]
        (labels,) = self._labels(0).values()
        names = {"row_first": labels[i], "row_second": labels[l]}
        return self._intervals("difference", estimate[i] - estimate[l], se, names)

    def band(self, what: str = "scores", component: Any = None) -> Intervals:
        """Intervals of all rows that hold at once: "scores", "realised" or "row_factors"."""
        names = {"scores": "score", "realised": "realised", "row_factors": 0}
        if what not in names:
            raise ValueError(f"what={what!r} is not known; use one of {tuple(names)}.")
        estimate, covariance = self._ranked(names[what])
        se = self._sd(covariance)
        q = upper_quantile(largest_deviations([self._errors(covariance)], se), self.level)
        return self._intervals(what, estimate, se, self._labels(0), kind="band", quantile=q)

    # ---- ranks and tables --------------------------------------------------------------------------------------

    def ranks(self, component: Any = "realised", axis: str = "rows", kind: str = "posterior") -> Intervals:
        """Intervals for the ranks of all rows; rank 1 is the largest.

        Parameters
        ----------
        component : {"realised", "score", 0}
            Score on the complete table, mean chance, or ability.
        axis : {"rows"}
        kind : {"posterior", "per_item", "simultaneous", "ties"}
            - "posterior": central quantiles of the rank over joint draws (for a table);
            - "per_item": the pairwise rule with the normal quantile, each interval for itself;
            - "simultaneous": the pairwise rule with the quantile of the largest studentised difference;
            - "ties": tiers that surely stand in this order, numbered in the column ``group``.

        Notes
        -----
        Errors that rows share (common items) cancel in their differences. O(draws n^2).
        """
        self._rows_only(axis)
        if kind not in RANK_KINDS:
            raise ValueError(f"kind={kind!r} is not known; use one of {RANK_KINDS}.")
        estimate, covariance = self._ranked(component)
        errors = self._errors(covariance)
        drawn, spread = drawn_rank_intervals(estimate, errors, self.level)
        pair = self._pair_se(covariance)
        q, extra, found = float("nan"), {}, drawn
        if kind == "per_item":
            q = normal_quantile(self.level)
            found = rank_intervals(estimate, lambda rows: pair[rows], q)
        elif kind in ("simultaneous", "ties"):
            q = upper_quantile(dense_pair_maximum(errors, lambda rows: pair[rows]), self.level)
            found = rank_intervals(estimate, lambda rows: pair[rows], q)
            if kind == "ties":
                extra["group"], found = tie_groups(estimate, lambda rows: pair[rows], q)
        return self._rank_intervals(f"rank by {component}", found, spread, extra, q)

    def _rank_intervals(
        self, name: str, found: Ranks, spread: FloatArray, extra: dict[str, Labels], q: float
    ) -> Intervals:
        return Intervals(
            name, found.estimate, spread, found.low, found.high, self.level, self._labels(0), self.claim, "ranks",
            True, extra, q,
        )  # fmt: skip

    def leaderboard(self, kind: str = "realised") -> Listing:
        """Rows by falling score: score, interval, rank interval, tie group, answers seen, raw mean, ability.

        Parameters
        ----------
        kind : {"realised", "mean"}
            As for :meth:`scores`.

        Returns
        -------
        Listing
            Columns ``row, score, se, low, high, rank, rank_low, rank_high, group, answered, raw, ability, ability_se``;
            ``notes`` say what each interval assumes.
        """
        component = "realised" if kind == "realised" else "score"
        found = {
            "scores": self.scores(kind=kind), "ranks": self.ranks(component),
            "groups": self.ranks(component, kind="ties").extra["group"],
        }  # fmt: skip
        (labels,) = self._labels(0).values()
        notes = score_notes(self._board, kind, self.level, self._model.kind_)
        return leaderboard(self._board, found, labels, notes, (self.level, self.claim))

    def items(self) -> Listing:
        """Columns in their order: answers, difficulty, discrimination, errors, fit and flags."""
        (labels,) = self._labels(1).values()
        return item_listing(self._board.items, labels, (self.level, self.claim), self._board.trials)

    def new_rows(self, R: Any, trials: Any = None) -> NewRows:
        """Rows that were not in the fit, against the frozen items.

        Parameters
        ----------
        R : Observed, array with NaN, data frame or sparse matrix over the fitted columns
        trials : as in ``fit``, optional

        Returns
        -------
        NewRows
            Abilities, scores, next-best questions, and how many are needed.
        """
        model = self._model
        placed: NewRows = model._integration().new_rows(model, model._observe(R, reset=False), trials, self.level)
        return placed

    # ---- inside ------------------------------------------------------------------------------------------------

    def _scores(self, kind: str) -> Scores:
        if kind not in SCORE_KINDS:
            raise ValueError(f"kind={kind!r} is not known; use 'mean' or 'realised'.")
        return self._board.realised if kind == "realised" else self._board.expected

    def _ranked(self, component: Any) -> tuple[FloatArray, FloatArray]:
        """Estimates and their joint covariance."""
        if component not in RANKED:
            raise ValueError(f"component={component!r} is not known; use one of {RANKED}.")
        if component == 0:
            return self._board.ability, self._covariance(0)
        found = self._scores("realised" if component == "realised" else "mean")
        return self._board.trials * found.estimate, self._board.trials**2 * found.covariance

    def _covariance(self, component: Any) -> FloatArray:
        return self._board.ability_covariance if component == 0 else self._ranked(component)[1]

    @staticmethod
    def _sd(covariance: FloatArray) -> FloatArray:
        return np.sqrt(np.diag(covariance))

    @staticmethod
    def _pair_se(covariance: FloatArray) -> FloatArray:
        v = np.diag(covariance)
        return np.sqrt(np.maximum(v[:, None] + v[None, :] - 2.0 * covariance, 0.0))

    def _errors(self, covariance: FloatArray) -> FloatArray:
        """Joint draws (draws, n), the same for every call."""
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        normal = np.random.default_rng(self._seed).standard_normal((self._draws, len(root)))
        return normal @ root.T

    def _intervals(
        self, name: str, estimate: FloatArray, se: FloatArray, labels: dict[str, Labels], **more: Any
    ) -> Intervals:
        return Intervals.symmetric(name, estimate, se, self.level, labels, claim=self.claim, **more)

    def _labels(self, axis: int) -> dict[str, Labels]:
        labels = (self._model.row_labels_, self._model.col_labels_)[axis]
        return {("row", "col")[axis]: np.arange(self._model.observed_shape_[axis]) if labels is None else labels}

    def _positions(self, wanted: Any, axis: int) -> IntArray:
        labels, name = (self._model.row_labels_, self._model.col_labels_)[axis], ("row", "column")[axis]
        if labels is None:
            return find_positions(self._model.observed_shape_[axis], wanted, name)
        return find_labels(labels, wanted, name)

    def _pairs(self, rows: Any, cols: Any) -> tuple[IntArray, IntArray, dict[str, Labels]]:
        i, j = self._positions(rows, 0), self._positions(cols, 1)
        if len(i) != len(j) and 1 not in (len(i), len(j)):
            raise ValueError(
                f"rows and cols are pairs, but {len(i)} rows and {len(j)} cols were given; give one col per row"
            )
        i, j = np.broadcast_arrays(i, j)
        return i, j, {key: label[at] for at, axis in ((i, 0), (j, 1)) for key, label in self._labels(axis).items()}

    @staticmethod
    def _rows_only(axis: str) -> None:
        if axis != "rows":
            raise ValueError(
                f"axis={axis!r}: with columns integrated out, scores and ranks are those of 'rows'; see items()."
            )

    @staticmethod
    def _one_component(component: int | None) -> None:
        if component not in (0, None):
            raise ValueError(f"component={component!r}: there is one factor, component 0.")
