"""Intervals, ranks and tables of a fit whose rows were integrated out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from halfseen._typing import FloatArray, Labels
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
from halfseen.inference.realised import on_lattice
from halfseen.inference.tilts import ShowsTilts
from halfseen.losses import at_columns
from halfseen.methods.response import rows_listings as listings
from halfseen.methods.response import rows_scores
from halfseen.methods.response.leaveout import BlockEffects
from halfseen.methods.response.rows_board import RowsBoard, RowStatement
from halfseen.methods.response.rows_entries import entry_errors
from halfseen.methods.response.rows_faces import item_faces
from halfseen.methods.response.rows_state import KeptAnswers, answers_of, board, new_rows, table_of_new
from halfseen.parameters import BadArgument

CLAIM = (
    "average (Bayesian) coverage for rows, if abilities come from the fitted population and answers are missing for "
    "reasons that have nothing to do with them; ordinary coverage for items"
)
ABOUT = ("again", "these", "like-these")
RANK_KINDS = ("posterior", "per_item", "simultaneous", "ties")
# Joint draws of all rows (draws x rows) stay below 160 MB.
MOST_RANKED = 20_000
# Tests of all pairs: two million of them.
MOST_PAIRED = 2000


class RowsInference(ShowsTilts, TableInference):
    r"""Uncertainty of an :class:`ItemResponseModel` with its rows integrated out; made by its ``inference``.

    Errors of rows are posterior standard deviations of their abilities, and what draws of the items' parameters add,
    which all rows share. Fit statistics (:meth:`item_fit`, :meth:`dependence`, :meth:`dif`, :meth:`person_fit`,
    :meth:`overall_fit`) need the answers: those of the fit, or ``R=`` for a model out of a file.

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
        How far rows stray from themselves between blocks of columns (``fit(R, blocks=...)``).

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> data = hs.datasets.make_factor_data(300, 8, rank=1, family="bernoulli", observed=0.8, random_state=1)
    >>> i = hs.ItemResponseModel().fit(data.observed).inference()
    >>> i.abilities().estimate.shape, list(i.items().data)[:4]
    ((300,), ['col', 'kind', 'answered', 'raw'])
    """

    _sets: ClassVar[tuple[str, ...]] = ("scores", "row_factors", "entries")

    def __init__(self, model: Any, level: float, draws: int, random_state: Any) -> None:
        super().__init__(TableNames.of(model), level, CLAIM, draws, random_state, model.library_)
        self._model = model
        self.block_effects: BlockEffects | None = getattr(model, "block_effects_", None)

    def _note(self) -> str:
        return f", {self._model.kind_}"

    @property
    def _board(self) -> RowsBoard:
        return board(self._model)

    # ---- parameters ------------------------------------------------------------------------------------------------

    def rows(self, component: Any = None) -> Intervals:
        """Intervals of the abilities; the same as :meth:`row_factors`."""
        return self.row_factors(component)

    def row_factors(self, component: int | None = 0) -> Intervals:
        """Intervals of the abilities of one dimension: posterior means, the items' errors inside."""
        part = self._ability(component)
        return self._interval(f"row factor {component or 0}", part.estimate, part.se, self.names.column(0),
                              self._errors(part, f"row factor {component or 0}"))  # fmt: skip

    def abilities(
        self, method: str = "eap", component: int = 0, *, has_item_errors: bool = True, R: Any = None,
        covariates: Any = None,
    ) -> Intervals:  # fmt: skip
        """Abilities of the rows.

        Parameters
        ----------
        method : {"eap", "map", "wle"}
            Posterior mean; posterior mode; weighted likelihood (Warm), which takes no population for granted.
        component : int
            Of several dimensions ("eap" alone).
        has_item_errors : bool
            Whether standard errors include what is not known of the items.
        R, covariates : optional
            The answers of the fit, for "map" and "wle" of a model out of a file.
        """
        part = self._ability(component)
        if method == "eap" and has_item_errors:
            se, estimate = part.se, part.estimate
        elif method == "eap":
            se, estimate = part.own, part.estimate
        else:
            if self._model.rows_fit_.layout.dimensions > 1:
                raise BadArgument("method", method, "'eap' with more than one dimension")
            kept = self._answers(f"abilities by {method!r}", R, covariates)
            scores = rows_scores.score_rows(
                self._model.rows_fit_, kept.table, method, covariates=kept.covariates, random_state=self._seed,
                item_draws=rows_scores.ITEM_DRAWS if has_item_errors else 0,
            )  # fmt: skip
            se, estimate = scores.sd, scores.ability
        z = normal_quantile(self.level)
        return Intervals(
            f"ability ({method})", estimate, se, estimate - z * se, estimate + z * se, self.level,
            self.names.column(0), self.claim, extra={"answered": self._board.answered}, library=self.library,
        )  # fmt: skip

    def plausible_values(self, n_values: int = 10, *, R: Any = None, covariates: Any = None) -> FloatArray:
        """Draws (n, n_values) of the abilities from their posteriors, for secondary analyses.

        Each value has its own draw of the items' and the population's numbers; the posterior is conditioned on the
        groups and covariates of the fit. See :func:`halfseen.imputer.pooled` for pooling.
        """
        if self._model.rows_fit_.layout.dimensions > 1:
            raise NotStated("plausible_values() are for one dimension; abilities() of several have standard errors.")
        kept = self._answers("plausible values", R, covariates)
        return rows_scores.plausible_values(
            self._model.rows_fit_, kept.table, n_values, covariates=kept.covariates, random_state=self._seed
        )

    def columns(self, component: Any = None) -> Intervals:
        """Intervals of the items: "intercept", a slope (0, 1, ...), or slopes and intercept together (p, D + 1)."""
        D = self._model.rows_fit_.layout.dimensions
        if component not in ("intercept", None, *range(D)):
            raise BadArgument("component", component, f"'intercept', None or a number below {D}")
        which = {None: [D, *range(D)], "intercept": [D]}.get(component, [component])
        estimate, se = self._item_numbers()
        name = {None: "column", "intercept": "intercept"}.get(component, f"column factor {component}")
        if component is not None:
            return self._interval(name, estimate[:, which[0]], se[:, which[0]], self.names.column(1))
        labels = {key: label[:, None] for key, label in self.names.column(1).items()}
        labels["parameter"] = np.array(["intercept", *(f"factor {d}" for d in range(D))])[None, :]
        return self._interval(name, estimate[:, which], se[:, which], labels)

    def intercepts(self) -> Intervals:
        """Intervals of the items' (first) intercepts."""
        return self.columns("intercept")

    def col_factors(self, component: int | None = 0) -> Intervals:
        """Intervals of the items' slopes."""
        return self.columns(component or 0)

    def _item_numbers(self) -> tuple[FloatArray, FloatArray]:
        """Slopes and first intercepts (p, D + 1) of all columns, and their errors; nan outside the model."""
        fit, D = self._model.rows_fit_, self._model.rows_fit_.layout.dimensions
        estimate, se = np.full((2, fit.shape[1], D + 1), np.nan)
        faces = item_faces(fit)
        estimate[fit.columns] = [values[: D + 1] for values, _ in faces]
        se[fit.columns] = [np.sqrt(np.maximum(np.diag(V)[: D + 1], 0.0)) for _, V in faces]
        rotated = self._model.rotated_
        if rotated is not None:
            estimate[fit.columns, :D], se[fit.columns, :D] = rotated.slopes, rotated.slopes_se
        return estimate, se

    # ---- entries ---------------------------------------------------------------------------------------------------

    def entries(self, rows: Any, cols: Any, kind: str = "mean") -> Intervals:
        """Intervals of the expected answers (or of their log odds), elementwise pairs.

        The item's errors enter through its slopes and intercept (delta method; not those of a guessing chance).
        """
        if kind not in ("linear", "mean"):
            raise BadArgument("kind", kind, "'mean' or 'linear'")
        i, j = self.names.pairs(rows, cols)
        model = self._model
        loss = at_columns(model.loss_, j)
        m = model.answering_.linear(model.abilities_[i], j)
        errors = entry_errors(model, i, j, m)
        se = np.sqrt(sum(np.asarray(L.multiply(L).sum(axis=1)).ravel() for L in errors.loadings.values()))
        if kind == "linear":
            return self._interval("entry", m, se, self.names.cells(i, j), errors)

        def ends(q: float) -> tuple[FloatArray, FloatArray]:
            return loss.mean(m - q * se), loss.mean(m + q * se)

        z = normal_quantile(self.level)
        return Intervals(
            "entry", loss.mean(m), se * loss.variance(m), *ends(z), self.level, self.names.cells(i, j), self.claim,
            quantile=z, library=self.library, statement=Statement(self, errors, ends),
        )  # fmt: skip

    def responses(self, rows: Any, cols: Any) -> Intervals:
        """Prediction intervals of answers not yet seen, elementwise pairs: central quantiles of the classes."""
        i, j = self.names.pairs(rows, cols)
        answering = self._model.answering_
        if (answering.item_of[j] < 0).any():
            raise NotStated("responses() are for columns of the model; one here has no or only equal answers.")
        chance = answering.probabilities(self._model.abilities_[i], j)
        fit = self._model.rows_fit_
        values = np.zeros_like(chance)
        for t, k in enumerate(answering.item_of[j]):
            values[t, : len(fit.categories[k])] = fit.categories[k]
        tail, below = 0.5 * (1.0 - self.level), np.cumsum(chance, axis=1)
        at = np.arange(len(i))
        low, high = (values[at, (below >= share).argmax(axis=1)] for share in (tail, 1.0 - tail))
        mean = np.sum(values * chance, axis=1)
        se = np.sqrt(np.maximum(np.sum(values**2 * chance, axis=1) - mean**2, 0.0))
        return Intervals(
            "response", mean, se, low, high, self.level, self.names.cells(i, j), self.claim, "prediction",
            library=self.library,
        )  # fmt: skip

    # ---- scores ----------------------------------------------------------------------------------------------------

    def scores(self, about: str = "again", axis: str = "rows", over: Any = None) -> Intervals:
        """Intervals of the rows' mean answers.

        Parameters
        ----------
        about : {"again", "these", "like-these"}
            Mean expected answer over all columns; the score on the complete table, known answers as they are; or the
            mean over other columns of the kind, of which these are a sample.
        axis : {"rows"}
        over : None
            Scores are means over all columns.
        """
        _rows_only(axis)
        if over is not None:
            raise NotStated("scores() are means over all columns here; fit the table of these columns instead.")
        part, (lowest, highest) = self._score(about), self._ends()

        def ends(q: float) -> tuple[FloatArray, FloatArray]:
            if about == "like-these":
                return ends_alike(part.estimate, part.se, q, lowest, highest, self.names.shape[1])
            low, high = part.estimate - q * part.se, part.estimate + q * part.se
            low, high = np.maximum(low, lowest), np.minimum(high, highest)
            if about != "these" or self._model.loss_.name != "bernoulli":
                return low, high
            return on_lattice((low, high), (part.estimate, part.se), self._known(), self.names.shape[1], q)

        name = {"these": "realised score", "like-these": "score over columns like these", "again": "score"}[about]
        return Intervals(
            name, part.estimate, part.se, *ends(normal_quantile(self.level)), self.level, self.names.column(0),
            self.claim, extra={"answered": self._board.answered}, library=self.library,
            statement=Statement(self, self._errors(part, f"scores about {about!r}"), ends),
        )  # fmt: skip

    def _ends(self) -> tuple[float, float]:
        answering = self._model.answering_
        return float(answering.low.mean()), float(answering.high.mean())

    def _known(self) -> tuple[FloatArray, FloatArray]:
        """Sums of the rows' seen answers, and how many are hidden."""
        answered = self._board.answered
        return np.nan_to_num(self._board.raw) * answered, (self.names.shape[1] - answered).astype(float)

    def _score(self, about: str) -> RowStatement:
        if about not in ABOUT:
            raise BadArgument("about", about, f"one of {', '.join(map(repr, ABOUT))}")
        known = self._board
        if about == "again":
            return known.expected
        if about == "these":
            return known.realised
        # which columns there are is each row's own error: that rows share hard columns is left out, so that
        # differences have intervals that are rather too long
        p = max(self.names.shape[1] - 1, 1)
        part = known.realised
        return RowStatement(part.estimate, np.sqrt(part.own**2 + known.spread**2 / p), part.shared)

    def _ability(self, component: int | None) -> RowStatement:
        D = len(self._board.abilities)
        if component is not None and component not in range(D):
            raise BadArgument("component", component, f"a number below {D}")
        return self._board.abilities[component or 0]

    def _errors(self, part: RowStatement, space: str) -> CommonErrors:
        """The errors of a statement about rows; ``space`` names the numbers that they go with."""
        loadings: dict[str, Any] = {"rows": sparse.diags_array(part.own).tocsr()}
        if part.shared.shape[1]:
            loadings["items"] = part.shared
        return CommonErrors(loadings, space)

    @property
    def _has_tilts(self) -> bool:
        return bool(self._model.loss_.name == "bernoulli")

    def differences(
        self, first: Any, second: Any, of: Any = "score", axis: str = "rows", about: str = "again"
    ) -> Intervals:
        """Intervals of differences ``first - second`` of scores or abilities (``of=0``), elementwise pairs."""
        _rows_only(axis)
        part, space = self._ranked(of, about)
        i, l = np.broadcast_arrays(self.names.positions(first, 0), self.names.positions(second, 0))  # noqa: E741
        own = (part.own[i] ** 2 + part.own[l] ** 2) * (i != l)
        se = np.sqrt(own + np.sum((part.shared[i] - part.shared[l]) ** 2, axis=1))
        m, n = len(i), len(part.own)
        lines = np.arange(m)
        data, at = np.repeat([1.0, -1.0], m), (np.tile(lines, 2), np.concatenate([i, l]))
        weights = sparse.csr_array((data, at), shape=(m, n))
        names = {"row_first": self.names.labels(0)[i], "row_second": self.names.labels(0)[l]}
        errors = self._errors(part, space).combined(weights)
        return self._interval("difference", part.estimate[i] - part.estimate[l], se, names, errors)

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
        part, space = self._ranked("score" if row_factors is None else 0, about)
        weights = np.asarray(scores if row_factors is None else row_factors, dtype=float)
        if weights.shape != part.estimate.shape or not np.isfinite(weights).all():
            raise ValueError(
                f"contrast() needs {len(part.estimate)} finite weights, one per row; got shape {weights.shape}."
            )
        errors = self._errors(part, space).combined(weights[None, :])
        se = np.sqrt(np.sum((weights * part.own) ** 2) + np.sum((weights @ part.shared) ** 2))
        return self._interval("contrast", np.array([weights @ part.estimate]), np.array([se]), {}, errors)

    def _ranked(self, of: Any, about: str) -> tuple[RowStatement, str]:
        if of == "score" and isinstance(of, str):
            return self._score(about), f"scores about {about!r}"
        if isinstance(of, str) or of not in range(len(self._board.abilities)):
            raise BadArgument("of", of, "'score' or the number of a dimension of the ability")
        return self._ability(of), f"row factor {of}"

    def _named_set(self, name: str, **choices: Any) -> Intervals:
        return self._members(name, **choices)

    def _members(
        self,
        name: str,
        about: str = "again",
        component: int = 0,
        rows: Any = None,
        cols: Any = None,
        kind: str = "mean",
    ) -> Intervals:
        if name == "entries":
            if rows is None or cols is None:
                raise ValueError("a band over entries needs rows= and cols=, elementwise pairs.")
            return self.entries(rows, cols, kind)
        if rows is not None or cols is not None:
            raise BadArgument("rows", rows, f"None: a band over {name} is one over all of them")
        return self.scores(about) if name == "scores" else self.row_factors(component)

    # ---- ranks and tables ------------------------------------------------------------------------------------------

    def ranks(
        self, of: Any = "score", axis: str = "rows", kind: str = "posterior", about: str = "again",
        method: str = "gaussian",
    ) -> Intervals:  # fmt: skip
        """Intervals for the ranks of all rows; rank 1 is the largest.

        Parameters
        ----------
        of : {"score", 0, 1, ...}
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

        Raises
        ------
        ValueError
            For more than 20 000 rows.
        """
        _rows_only(axis)
        if kind not in RANK_KINDS:
            raise BadArgument("kind", kind, f"one of {', '.join(map(repr, RANK_KINDS))}")
        part, _ = self._ranked(of, about)
        if len(part.own) > MOST_RANKED:
            raise NotStated(f"ranks() are for at most {MOST_RANKED} rows, and there are {len(part.own)}; see scores().")
        rng = np.random.default_rng(self._seed)
        shape = self.draws, part.shared.shape[1]
        errors = part.errors(rng.standard_normal(shape), rng.standard_normal((self.draws, len(part.own))))
        drawn, spread = drawn_rank_intervals(part.estimate, errors, self.level)
        q, extra, ranks = float("nan"), {}, drawn
        if kind == "per_item":
            q = normal_quantile(self.level)
            ranks = rank_intervals(part.estimate, part.pair_se, q)
        elif kind in ("simultaneous", "ties"):
            q = upper_quantile(dense_pair_maximum(errors, part.pair_se), self.level)
            ranks = rank_intervals(part.estimate, part.pair_se, q)
            if kind == "ties":
                extra["group"], ranks = tie_groups(part.estimate, part.pair_se, q)
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
        """
        parts = {
            "scores": self.scores(about), "ranks": self.ranks(about=about),
            "groups": self.ranks(kind="ties", about=about).extra["group"],
        }  # fmt: skip
        return listings.leaderboard(self._model, self._board, parts, self.names.labels(0), self._of(), about)

    def items(self) -> Listing:
        """Columns in their order: answers, slope, intercepts, difficulties with errors, flags."""
        return listings.item_listing(self._model, self.names.labels(1), self._of())

    def new_rows(self, R: Any, trials: Any = None, *, row_groups: Any = None, covariates: Any = None) -> Any:
        """Rows that were not in the fit, against the frozen items: abilities, scores, next questions.

        Parameters
        ----------
        R : Observed, array with NaN, data frame or sparse matrix over the fitted columns
        trials : None
        row_groups, covariates : as in ``fit``, optional
        """
        given = SimpleNamespace(trials=trials, row_groups=row_groups, covariates=covariates)
        return new_rows(self._model, self._model._observe(R, reset=False), given, self.level)

    # ---- fit statistics --------------------------------------------------------------------------------------------

    def item_fit(self, R: Any = None, *, covariates: Any = None) -> Listing:
        """Items: score test of the curve's shape, left-out infit and outfit, S-X2 where no answer is missing."""
        kept = self._answers("item fits", R, covariates)
        return listings.item_fit(self._model, kept, self.names.labels(1), self._of())

    def dependence(self, R: Any = None, *, covariates: Any = None) -> Listing:
        """Pairs of items by falling evidence of dependence beyond the ability: score test and corrected Q3."""
        p = self._model.rows_fit_.layout.n_items
        if p > MOST_PAIRED:
            raise NotStated(
                f"dependence() is for at most {MOST_PAIRED} items, and there are {p}; ask of fewer columns."
            )
        kept = self._answers("tests of dependence", R, covariates)
        return listings.dependence(self._model, kept, self.names.labels(1), self._of())

    def dif(self, R: Any = None, *, row_groups: Any = None, covariates: Any = None) -> Listing:
        """Items that work differently between the groups of rows (``fit(R, row_groups=...)``): score tests."""
        if self._model.rows_fit_.layout.dimensions > 1:
            raise NotStated(
                "dif() compares groups of rows, which a fit of several dimensions does not have; fit one dimension "
                "with row_groups=."
            )
        kept = self._answers("tests of items between groups", R, covariates, row_groups)
        return listings.dif(self._model, kept, self.names.labels(1), self._of())

    def person_fit(self, R: Any = None, *, covariates: Any = None) -> Listing:
        """Rows: how unlikely their pattern of answers is, by simulation, and left-out infit and outfit."""
        kept = self._answers("person fits", R, covariates)
        labels = self.names.labels(0) if R is None else np.arange(kept.table.shape[0])
        return listings.person_fit(self._model, kept, labels, self._of(), self._seed)

    def overall_fit(self, R: Any = None) -> Any:
        """M2 (yes/no items) or C2 with RMSEA and SRMR; for complete tables of one population."""
        from halfseen.methods.response.rows_limited import limited_fit

        return limited_fit(self._model.rows_fit_, self._answers("overall fits", R, None).table)

    def _answers(self, what: str, R: Any, covariates: Any, row_groups: Any = None) -> KeptAnswers:
        """The answers of the fit, or those given now."""
        if R is None:
            return answers_of(self._model, what)
        given = SimpleNamespace(trials=None, row_groups=row_groups, covariates=covariates)
        return KeptAnswers(*table_of_new(self._model, self._model._observe(R, reset=False), given))

    def _of(self) -> tuple[float, str, str]:
        return self.level, self.claim, self.library


def _rows_only(axis: str) -> None:
    if axis != "rows":
        raise NotStated(f"axis={axis!r}: with rows integrated out, scores and ranks are those of 'rows'; see items().")
