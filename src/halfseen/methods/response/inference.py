"""Intervals, ranks and tables of a fit whose columns were integrated out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from halfseen._typing import BoolArray, FloatArray, IntArray, Labels
from halfseen.inference import (
    CommonErrors,
    Intervals,
    Listing,
    NotStated,
    Ranks,
    Statement,
    TableInference,
    TableNames,
    dense_pair_maximum,
    drawn_rank_intervals,
    normal_quantile,
    rank_intervals,
    tie_groups,
    upper_quantile,
)
from halfseen.inference.alike import ends_alike
from halfseen.inference.linked import Linking
from halfseen.inference.new_rows import NewRows
from halfseen.inference.realised import on_lattice
from halfseen.inference.tilts import ShowsTilts
from halfseen.losses import at_columns
from halfseen.methods.response.board import ColumnsBoard, MeanResponses
from halfseen.methods.response.tables import item_listing, leaderboard, score_notes
from halfseen.parameters import BadArgument

CLAIM = (
    "average (Bayesian) coverage: holds for this share of rows, if abilities and items are drawn from the fitted "
    "normal distributions and answers are missing for reasons that have nothing to do with them"
)
RANK_KINDS = ("posterior", "per_item", "simultaneous", "ties")
ABOUT = ("again", "these", "like-these")
PARAMETERS = "parameters and entries"


class ItemResponseInference(ShowsTilts, TableInference):
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
    >>> i = hs.ItemResponseModel("auto").fit(data.observed).inference()
    >>> list(i.leaderboard().data)[:9]
    ['row', 'score', 'se', 'low', 'high', 'rank', 'rank_low', 'rank_high', 'group']
    >>> i.band(i.differences([0, 1, 2], [3, 4, 5], about="these")).kind
    'band'
    """

    _sets: ClassVar[tuple[str, ...]] = ("scores", "row_factors", "col_factors", "intercepts", "entries")

    def __init__(self, model: Any, level: float, draws: int, random_state: Any) -> None:
        super().__init__(TableNames.of(model), level, CLAIM, draws, random_state, model.library_)
        self._model = model
        self._board: ColumnsBoard = model.board_
        self._linking: Linking | None = getattr(model, "linking_", None)
        self.block_effects, self.leanings = self._board.blocks, self._board.leanings

    def _note(self) -> str:
        return f", {self._model.kind_}"

    # ---- parameters ------------------------------------------------------------------------------------------------

    def rows(self, component: Any = None) -> Intervals:
        r"""Intervals of the abilities :math:`x_i`; the same as :meth:`row_factors`."""
        return self.row_factors(component)

    def row_factors(self, component: int | None = 0) -> Intervals:
        r"""Intervals of the abilities :math:`x_i`."""
        _one_component(component)
        V = self._board.ability_covariance
        errors = CommonErrors({"abilities": _root(V)}, PARAMETERS)
        return self._interval("row factor 0", self._board.ability, _sd(V), self.names.column(0), errors)

    def columns(self, component: Any = None) -> Intervals:
        r"""Intervals of the items: "intercept" :math:`\zeta_j`, slope :math:`y_j` (0), or both (p, 2)."""
        items, p = self._board.items, self.names.shape[1]
        if component not in (None, "intercept", 0):
            raise BadArgument("component", component, "'intercept', 0 or None")
        which = [0, 1] if component is None else [0 if component == "intercept" else 1]
        se = np.sqrt(np.einsum("jkk->jk", items.covariance)[:, which])
        root = _roots(items.covariance)[:, which].reshape(-1, 2)
        places = 2 * np.repeat(np.arange(p), len(which))[:, None] + np.arange(2)
        errors = CommonErrors({"items": self._of_items(root, places)}, PARAMETERS)
        if component is not None:
            name = "intercept" if component == "intercept" else "column factor 0"
            return self._interval(name, items.mean[:, which[0]], se[:, 0], self.names.column(1), errors)
        labels = {key: label[:, None] for key, label in self.names.column(1).items()}
        labels["parameter"] = np.array(["intercept", "factor 0"])[None, :]
        return self._interval("column", items.mean, se, labels, errors)

    def intercepts(self) -> Intervals:
        r"""Intervals of the columns' intercepts :math:`\zeta_j`, from their posteriors at the fitted abilities."""
        return self.columns("intercept")

    def col_factors(self, component: int | None = 0) -> Intervals:
        r"""Intervals of the columns' slopes :math:`y_j` (1 without error for rasch)."""
        _one_component(component)
        return self.columns(0)

    def _of_items(self, values: FloatArray, places: IntArray) -> Any:
        """Loadings (m, 2 p) on the items' own standard normal numbers."""
        lines = np.repeat(np.arange(len(values)), values.shape[1])
        shape = (len(values), 2 * self.names.shape[1])
        return sparse.csr_array((values.ravel(), (lines, places.ravel())), shape=shape)

    # ---- entries ---------------------------------------------------------------------------------------------------

    def entries(self, rows: Any, cols: Any, kind: str = "mean") -> Intervals:
        r"""Intervals of the chances of success (or of the predictor :math:`\zeta_j + x_i y_j`), elementwise pairs.

        ``kind="mean"`` maps the ends (and, to first order, the error) to chances of success.
        """
        if kind not in ("linear", "mean"):
            raise BadArgument("kind", kind, "'mean' or 'linear'")
        i, j = self.names.pairs(rows, cols)
        m, se = self._predictor(i, j)
        errors = self._entry_errors(i, j)
        if kind == "linear":
            return self._interval("entry", m, se, self.names.cells(i, j), errors)
        loss: Any = self._model.loss_

        def ends(q: float) -> tuple[FloatArray, FloatArray]:
            return loss.mean(m - q * se), loss.mean(m + q * se)

        q = normal_quantile(self.level)
        return Intervals(
            "entry", loss.mean(m), se * loss.variance(m), *ends(q), self.level, self.names.cells(i, j), self.claim,
            quantile=q, library=self.library, statement=Statement(self, errors, ends),
        )  # fmt: skip

    def responses(self, rows: Any, cols: Any) -> Intervals:
        """Prediction intervals of answers not yet seen, elementwise pairs.

        Raises
        ------
        ValueError
            For pass rates and counts of repeated runs, of which only the dispersion is known.
        """
        if self._model.dispersion_ != 1.0:
            raise NotStated(
                "responses() are for yes/no answers: the runs behind a pass rate depend on each other in an unknown "
                f"way (dispersion {self._model.dispersion_:.2g}). Use entries(rows, cols, kind='mean')."
            )
        i, j = self.names.pairs(rows, cols)
        m, se = self._predictor(i, j)
        loss: Any = at_columns(self._model.loss_, j)
        low, high = loss.quantiles(m, se**2, 1.0, 0.5 * (1.0 - self.level))
        mean = loss.mean(self._model._linear_pairs(i, j))
        se = np.sqrt(mean * (1.0 - mean / loss.trials))
        return Intervals(
            "response", mean, se, low, high, self.level, self.names.cells(i, j), self.claim, "prediction",
            library=self.library,
        )  # fmt: skip

    def _predictor(self, i: IntArray, j: IntArray) -> tuple[FloatArray, FloatArray]:
        """Linear predictors of cells and their standard errors, of ability and of item."""
        items, x = self._board.items, self._board.ability[i]
        a = np.stack([np.ones_like(x), x], axis=-1)
        m = np.sum(a * items.mean[j], axis=-1)
        v = np.einsum("ek,ekl,el->e", a, items.covariance[j], a)
        slope = items.mean[j, 1] ** 2 + items.covariance[j, 1, 1]
        return m, np.sqrt(v + slope * np.diag(self._board.ability_covariance)[i])

    def _entry_errors(self, i: IntArray, j: IntArray) -> CommonErrors:
        """Errors of cells from those of abilities and of items."""
        items, x = self._board.items, self._board.ability[i]
        a = np.stack([np.ones_like(x), x], axis=-1)
        slope = np.sqrt(items.mean[j, 1] ** 2 + items.covariance[j, 1, 1])
        sign = np.where(items.mean[j, 1] < 0, -1.0, 1.0)
        of_abilities = (sign * slope)[:, None] * _root(self._board.ability_covariance)[i]
        own = np.einsum("ek,ekl->el", a, _roots(items.covariance[j]))
        of_items = self._of_items(own, 2 * np.asarray(j, dtype=np.int64)[:, None] + np.arange(2))
        return CommonErrors({"abilities": of_abilities, "items": of_items}, PARAMETERS)

    # ---- scores ----------------------------------------------------------------------------------------------------

    def scores(self, about: str = "again", axis: str = "rows", over: Any = None) -> Intervals:
        """Intervals of the rows' mean responses.

        Parameters
        ----------
        about : {"again", "these", "like-these"}
            Mean chance over all columns; the score on the complete table, known answers as they are; or the mean over
            other columns of the kind, of which these are a sample.
        axis : {"rows"}
        over : None
            Scores are means over all columns.
        """
        _rows_only(axis)
        if over is not None:
            raise NotStated("scores() are means over all columns here; fit the table of these columns instead.")
        scores, N, p = self._scores(about), self._board.trials, self.names.shape[1]
        se = np.sqrt(np.diag(scores.covariance))

        def ends(q: float) -> tuple[FloatArray, FloatArray]:
            if about == "like-these":
                low, high = ends_alike(scores.estimate, se, q, 0.0, 1.0, p)
                return N * low, N * high
            low, high = scores.estimate - q * se, scores.estimate + q * se
            low, high = np.maximum(low, scores.lowest), np.minimum(high, scores.highest)
            if about == "these" and N == self._model.dispersion_ == 1.0:
                left = p * (scores.highest - scores.lowest)
                low, high = on_lattice((low, high), (scores.estimate, se), (p * scores.lowest, left), p, q)
            return N * low, N * high

        return Intervals(
            self._score_name(about), N * scores.estimate, N * se, *ends(normal_quantile(self.level)), self.level,
            self.names.column(0), self.claim, reliable=self._reliable(), extra={"answered": self._board.answered},
            library=self.library,
            statement=Statement(self, self._score_errors(about), ends),
        )  # fmt: skip

    def _score_name(self, about: str) -> str:
        """What the scores are; on a complete table there is nothing left to be uncertain about."""
        if about == "these" and (self._board.answered == self.names.shape[1]).all():
            return "score of exactly these columns (all seen)"
        return {"these": "realised score", "like-these": "score over columns like these", "again": "score"}[about]

    def score_covariance(self, about: str = "again") -> FloatArray:
        """Joint covariance (n, n) of the scores' errors."""
        return self._board.trials**2 * self._scores(about).covariance

    @property
    def _has_tilts(self) -> bool:
        return bool(self._model.dispersion_ == 1.0 and self._board.trials == 1.0)

    def differences(
        self, first: Any, second: Any, of: Any = "score", axis: str = "rows", about: str = "again"
    ) -> Intervals:
        """Intervals of differences ``first - second`` of scores or abilities (``of=0``), elementwise pairs."""
        _rows_only(axis)
        estimate, covariance = self._ranked(of, about)
        i, l = np.broadcast_arrays(self.names.positions(first, 0), self.names.positions(second, 0))  # noqa: E741
        if self._linking is not None:
            self._linking.check_pairs(i, l, 0, self.names.labels(0))
        se = _pair_se(covariance)[i, l]
        weights = np.zeros((len(i), len(estimate)))
        weights[np.arange(len(i)), i] += 1.0
        weights[np.arange(len(i)), l] -= 1.0
        errors = self._errors_of(of, about).combined(weights)
        names = {"row_first": self.names.labels(0)[i], "row_second": self.names.labels(0)[l]}
        return self._interval("difference", estimate[i] - estimate[l], se, names, errors)

    def contrast(self, scores: Any = None, row_factors: Any = None, about: str = "again") -> Intervals:
        """One interval for a weighted sum of all scores, or of all abilities.

        Parameters
        ----------
        scores, row_factors : array (n,)
            Weights; one of the two.
        about : {"again", "these", "like-these"}
            Of scores.
        """
        if (scores is None) == (row_factors is None):
            raise NotStated("contrast() takes scores= or row_factors=: how the errors of both go together is not kept.")
        of = "score" if row_factors is None else 0
        weights = np.asarray(scores if row_factors is None else row_factors, dtype=float)
        estimate, covariance = self._ranked(of, about)
        if weights.shape != estimate.shape or not np.isfinite(weights).all():
            raise ValueError(
                f"contrast() needs {len(estimate)} finite weights, one per row; got shape {weights.shape}."
            )
        if self._linking is not None:
            used = np.flatnonzero(weights)
            self._linking.check_pairs(np.repeat(used[:1], len(used)), used, 0, self.names.labels(0))
        se = np.sqrt(np.array([max(float(weights @ covariance @ weights), 0.0)]))
        errors = self._errors_of(of, about).combined(weights[None, :])
        return self._interval("contrast", np.array([weights @ estimate]), se, {}, errors)

    def _named_set(self, name: str, **choices: Any) -> Intervals:
        return self._members(name, **choices)

    def _members(
        self, name: str, about: str = "again", rows: Any = None, cols: Any = None, kind: str = "mean"
    ) -> Intervals:
        if name == "entries":
            if rows is None or cols is None:
                raise ValueError("a band over entries needs rows= and cols=, elementwise pairs.")
            return self.entries(rows, cols, kind)
        if rows is not None or cols is not None:
            raise BadArgument("rows", rows, f"None: a band over {name} is one over all of them")
        if name == "scores":
            return self.scores(about)
        return {"row_factors": self.row_factors, "col_factors": self.col_factors, "intercepts": self.intercepts}[name]()

    # ---- ranks and tables ------------------------------------------------------------------------------------------

    def ranks(
        self, of: Any = "score", axis: str = "rows", kind: str = "posterior", about: str = "again",
        method: str = "gaussian",
    ) -> Intervals:  # fmt: skip
        """Intervals for the ranks of all rows; rank 1 is the largest.

        Parameters
        ----------
        of : {"score", 0}
            Score or ability.
        axis : {"rows"}
        kind : {"posterior", "per_item", "simultaneous", "ties"}
            - "posterior": central quantiles of the rank over joint draws (for a table);
            - "per_item": the pairwise rule with the normal quantile, each interval for itself;
            - "simultaneous": the pairwise rule with the quantile of the largest studentised difference;
            - "ties": tiers that surely stand in this order, numbered in the column ``group``.
        about : {"again", "these", "like-these"}
            As for :meth:`scores`.
        method : {"gaussian"}

        Notes
        -----
        Errors that rows share (common items) cancel in their differences. O(draws n^2).
        """
        _rows_only(axis)
        if kind not in RANK_KINDS:
            raise BadArgument("kind", kind, f"one of {', '.join(map(repr, RANK_KINDS))}")
        if self._linking is not None:
            self._linking.check_all(0, self.names.labels(0), "ranks")
        estimate, covariance = self._ranked(of, about)
        errors = self._drawn(covariance)
        drawn, spread = drawn_rank_intervals(estimate, errors, self.level)
        pair = _pair_se(covariance)
        q, extra, ranks = float("nan"), {}, drawn
        if kind == "per_item":
            q = normal_quantile(self.level)
            ranks = rank_intervals(estimate, lambda rows: pair[rows], q)
        elif kind in ("simultaneous", "ties"):
            q = upper_quantile(dense_pair_maximum(errors, lambda rows: pair[rows]), self.level)
            ranks = rank_intervals(estimate, lambda rows: pair[rows], q)
            if kind == "ties":
                extra["group"], ranks = tie_groups(estimate, lambda rows: pair[rows], q)
        return self._rank_intervals(f"rank by {of if of == 'score' else 'ability'}", ranks, spread, extra, q)

    def _rank_intervals(
        self, name: str, ranks: Ranks, spread: FloatArray, extra: dict[str, Labels], q: float
    ) -> Intervals:
        return Intervals(
            name, ranks.estimate, spread, ranks.low, ranks.high, self.level, self.names.column(0), self.claim, "ranks",
            True, extra, q, self.library,
        )  # fmt: skip

    def leaderboard(self, about: str = "these") -> Listing:
        """Rows by falling score: score, interval, rank interval, tie group, answers seen, raw mean, ability.

        Parameters
        ----------
        about : {"these", "again", "like-these"}
            As for :meth:`scores`.

        Returns
        -------
        Listing
            Columns ``row, score, se, low, high, rank, rank_low, rank_high, group, answered, raw, ability, ability_se``;
            ``notes`` say what each interval assumes.
        """
        parts = {
            "scores": self.scores(about), "ranks": self.ranks(about=about),
            "groups": self.ranks(kind="ties", about=about).extra["group"],
        }  # fmt: skip
        notes = score_notes(self._board, about, self.level, self._model.kind_)
        return leaderboard(self._board, parts, self.names.labels(0), notes, (self.level, self.claim, self.library))

    def items(self) -> Listing:
        """Columns in their order: answers, difficulty, discrimination, errors, fit and flags."""
        of = self.level, self.claim, self.library
        return item_listing(self._board.items, self.names.labels(1), of, self._board.trials)

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
        given = SimpleNamespace(trials=trials, row_groups=None, covariates=None)
        placed: NewRows = model._integration().new_rows(model, model._observe(R, reset=False), given, self.level)
        return placed

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _scores(self, about: str) -> MeanResponses:
        if about not in ABOUT:
            raise BadArgument("about", about, f"one of {', '.join(map(repr, ABOUT))}")
        if about == "like-these":
            if self._board.alike is None:
                raise NotStated(
                    "this model comes from an older file, without scores over columns like these; fit again."
                )
            return self._board.alike
        return self._board.realised if about == "these" else self._board.expected

    def _reliable(self) -> BoolArray:
        """Whether each row's mean over all columns stays among the columns that are linked to it."""
        return np.ones(self.names.shape[0], dtype=bool) if self._linking is None else self._linking.reliable(0)

    def _ranked(self, of: Any, about: str) -> tuple[FloatArray, FloatArray]:
        """Estimates and their joint covariance."""
        if of not in ("score", 0):
            raise BadArgument("of", of, "'score' or 0 (the ability)")
        if of == 0:
            return self._board.ability, self._board.ability_covariance
        scores = self._scores(about)
        return self._board.trials * scores.estimate, self._board.trials**2 * scores.covariance

    def _score_errors(self, about: str) -> CommonErrors:
        return CommonErrors({"scores": _root(self._scores(about).covariance)}, f"scores about {about!r}")

    def _errors_of(self, of: Any, about: str) -> CommonErrors:
        if of == "score":
            return self._score_errors(about)
        return self.row_factors().statement.errors  # type: ignore[union-attr]

    def _drawn(self, covariance: FloatArray) -> FloatArray:
        """Joint draws (draws, n), the same for every call."""
        normal = np.random.default_rng(self._seed).standard_normal((self.draws, len(covariance)))
        return normal @ _root(covariance).T


def _root(covariance: FloatArray) -> FloatArray:
    """A factor ``L`` with ``L L' = covariance``."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _roots(blocks: FloatArray) -> FloatArray:
    """The same of every block (p, k, k)."""
    values, vectors = np.linalg.eigh(blocks)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :])


def _sd(covariance: FloatArray) -> FloatArray:
    return np.sqrt(np.diag(covariance))


def _pair_se(covariance: FloatArray) -> FloatArray:
    v = np.diag(covariance)
    return np.sqrt(np.maximum(v[:, None] + v[None, :] - 2.0 * covariance, 0.0))


def _rows_only(axis: str) -> None:
    if axis != "rows":
        raise NotStated(
            f"axis={axis!r}: with columns integrated out, scores and ranks are those of 'rows'; see items()."
        )


def _one_component(component: int | None) -> None:
    if component not in (0, None):
        raise BadArgument("component", component, "0: there is one factor")
