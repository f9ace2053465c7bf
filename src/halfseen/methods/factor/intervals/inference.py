"""Intervals, bands and ranks of a fitted factor model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from halfseen.inference import Ellipsoids, Intervals, Listing, NotStated, Statement, TableInference
from halfseen.inference.new_rows import NewRows
from halfseen.inference.tilts import DELTAS
from halfseen.losses import is_logistic
from halfseen.methods.factor.intervals import entries, functionals, parameters, ranks, scores
from halfseen.methods.factor.intervals.banks import new_rows
from halfseen.methods.factor.intervals.draws import FactorDraws
from halfseen.methods.factor.intervals.items import item_listing
from halfseen.methods.factor.intervals.joint import JointScores
from halfseen.methods.factor.intervals.scores import MOST_PAIRED_SCORES
from halfseen.methods.factor.intervals.sensitivity import sensitivity
from halfseen.methods.factor.intervals.view import FactorView, axis_of
from halfseen.parameters import BadArgument

Array = NDArray[Any]

ABOUT = ("again", "these", "like-these")
# Rows that a joint posterior of all scores (ItemResponseModel) takes.
MOST_ROWS = 3000


class FactorInference(TableInference):
    r"""Uncertainty of a fitted :class:`GeneralizedFactorModel`; made by its method ``inference``.

    Rows have covariances :math:`V_i` of :math:`x_i`, columns :math:`\tilde V_j` of :math:`(\zeta_j, y_j)`,
    independent to first order. All intervals are linear in these, or their images under the mean function.

    Parameters
    ----------
    view : FactorView
        Point, covariances, entries and names, in the gauge that was asked for.
    draws : int
    random_state : int, Generator or None

    Attributes
    ----------
    intercept, row_factors_estimate, col_factors_estimate : ndarray
        The point in the gauge of the intervals.
    level : float
    claim : str
        What the level means: confidence, or average (Bayesian) coverage of a penalised fit.
    reliable_rows, reliable_cols : bool arrays
        False where the entries carry too little information.
    identified : bool array (r,)
        False for components whose singular values lie too close to each other.
    warnings_ : tuple of str
        What was said when the inference was made.

    Notes
    -----
    Standard errors of single parameters and ellipsoids count the gauge's own noise
    (:func:`halfseen.methods.factor.intervals.gauge.gauge_noise`; not with ``variance="plug_in"``); entries, scores
    and rank comparisons do not depend on it. Making it costs some twenty gradient passes, a twentieth of the fit;
    every method then O((n + p) r^2) or the size of what was asked for. Source: Huang and Gu, section 3; corrections
    listed in the guide.

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_factor_data(200, 150, rank=1, family="bernoulli", observed=0.7, random_state=0)
    >>> model = hs.GeneralizedFactorModel(1, "bernoulli", penalty="none", random_state=0).fit(data.observed)
    >>> i = model.inference(level=0.95)
    >>> x = i.row_factors(component=0)
    >>> hs.metrics.coverage(x.low, x.high, data.row_factors[:, 0]) > 0.9
    True
    >>> i.ranks(of=0).to_frame().column_names
    ['row', 'estimate', 'se', 'low', 'high', 'reliable']

    Twelve comparisons and a cell, all at once:

    >>> both = i.band(i.differences(range(12), range(12, 24)), i.entries([0], [3]))
    >>> len(both), both.kind
    (13, 'band')
    """

    _sets: ClassVar[tuple[str, ...]] = ("intercepts", "row_factors", "col_factors", "entries", "scores")

    def __init__(self, view: FactorView, draws: int = 1000, random_state: Any = 0) -> None:
        super().__init__(view.names, view.level, view.claim, draws, random_state, view.library)
        self._view, self._draws = view, FactorDraws(view, self.draws, self._seed)
        self.identified = view.identified
        self.reliable_rows, self.reliable_cols = view.reliable(0), view.reliable(1)
        at = view.uncertainty.factors
        self.intercept, self.row_factors_estimate, self.col_factors_estimate = at.intercept, at.rows, at.cols

    def _note(self) -> str:
        doubtful = int((~self.reliable_rows).sum()), int((~self.reliable_cols).sum())
        note = f", unreliable: {doubtful[0]} rows, {doubtful[1]} columns" if any(doubtful) else ""
        return f", rank {self._view.uncertainty.factors.rank}{note}"

    # ---- parameters ------------------------------------------------------------------------------------------------

    def rows(self, component: int | None = None) -> Intervals:
        """Intervals of the rows' factors; the same as :meth:`row_factors`."""
        return self.row_factors(component)

    def columns(self, component: Any = None) -> Intervals:
        """Intervals of the columns' parameters: "intercept", one factor, or all of them (p, r + 1)."""
        if component is None:
            return parameters.columns(self._view)
        return parameters.one_parameter(self._view, 1, component, self.names.positions(None, 1))

    def intercepts(self) -> Intervals:
        r"""Intervals :math:`\hat\zeta_j \pm z\,[\tilde V_j]_{11}^{1/2}` of all intercepts."""
        return self.columns("intercept")

    def thresholds(self) -> Intervals:
        r"""Intervals of the thresholds :math:`\tau_{jt} = c_{jt} - \zeta_j` of ordinal columns, shape (p, K - 1)."""
        return parameters.thresholds(self._view)

    def row_factors(self, component: int | None = None) -> Intervals:
        r"""Intervals :math:`\hat x_{ik} \pm z\,[V_i]_{kk}^{1/2}`, of one component (n,) or of all (n, r)."""
        return self._factors(0, component)

    def col_factors(self, component: int | None = None) -> Intervals:
        r"""Intervals :math:`\hat y_{jk} \pm z\,[\tilde V_j^{YY}]_{kk}^{1/2}`, of one component (p,) or all (p, r)."""
        return self._factors(1, component)

    def _factors(self, axis: int, component: int | None, which: Any = None) -> Intervals:
        chosen = self.names.positions(which, axis)
        if component is None:
            return parameters.all_factors(self._view, axis, chosen)
        return parameters.one_parameter(self._view, axis, component, chosen)

    def ellipsoid(self, row: Any, axis: str = "rows") -> Ellipsoids:
        r"""Chi-square ellipsoids of :math:`x_i` for one or more rows (or of :math:`y_j`, ``axis="cols"``)."""
        which = axis_of(axis)
        return parameters.ellipsoids(self._view, which, self.names.positions(row, which))

    def items(self) -> Listing:
        """Columns in their order: answers, intercept, difficulty, discrimination, their errors, and flags.

        Returns
        -------
        Listing
            Columns ``col, answered, raw, intercept, intercept_se, difficulty, difficulty_se, discrimination,
            discrimination_se, flag``; difficulties for yes/no answers and counts out of N only. Flags: *unseen*,
            *separated* (no finite estimate), *against order* (rank 1: better rows do worse), *little known*.
        """
        return item_listing(self._view)

    # ---- entries and scores ----------------------------------------------------------------------------------------

    def entries(self, rows: Any, cols: Any, kind: str = "mean") -> Intervals:
        r"""Intervals of expected responses (or of the linear predictor), elementwise pairs, seen or not.

        .. math:: \mathrm{var}(\hat m_{kl}) = y_l^\top V_k y_l + \tilde x_k^\top \tilde V_l \tilde x_k

        Parameters
        ----------
        rows, cols : labels (or positions), elementwise pairs; one may be a single one
        kind : {"mean", "linear"}
            On the mean scale the ends of the linear interval are transformed; the standard error is the delta
            method's. Offsets of the fit are not part of the predictor.
        """
        return entries.entries(self._view, *self.names.pairs(rows, cols), kind)

    def responses(self, rows: Any, cols: Any) -> Intervals:
        r"""Prediction intervals of single responses not yet seen, elementwise pairs.

        The response's own variance :math:`\phi\,\psi'(m)` joins that of the estimate. The ends of counts are whole
        numbers and hold at least the level.
        """
        return entries.responses(self._view, *self.names.pairs(rows, cols))

    def scores(self, about: str = "again", axis: str = "rows", over: Any = None) -> Intervals:
        r"""Intervals of the mean response of every row over all columns (or of columns over rows).

        Parameters
        ----------
        about : {"again", "these", "like-these"}
            The expected mean, were all responses drawn again; the mean on the complete table, which takes the
            responses that are known as they are and predicts the others; or the mean over other columns of the kind,
            of which these are a sample: :math:`V = C + (\mathrm{cov}_q(M) + \mathrm{diag}(\mathrm{mean}_q v))/n`.
        axis : {"rows", "cols"}
        over : labels (or positions), optional
            Average over these columns (rows) only.

        Notes
        -----
        Ends are symmetric on the logit scale of the score's range, or on the log scale of one with one end
        (:class:`halfseen.inference.Span`), and so stay inside it.
        """
        if about == "like-these":
            return JointScores.of(self._view, axis_of(axis), about, over).scores()
        return scores.scores(self._view, axis_of(axis), about, over)

    def sensitivity(self, deltas: Any = DELTAS, axis: str = "rows") -> Listing:
        r"""Scores if the cells that were not seen were better or worse than the model says (pattern mixture).

        .. math:: s_i(\delta) = \frac1p\Bigl(\sum_{j\,seen} R_{ij}
                  + \sum_{j\,hidden} \psi(\hat m_{ij} + \delta u)\Bigr)

        with the unit :math:`u`: the standard deviation of a linear predictor within its column (Gaussian: of a value).

        Parameters
        ----------
        deltas : sequence of float
            Tilts in units of :math:`u`; 0 is missing for no reason.
        axis : {"rows", "cols"}

        Returns
        -------
        Listing
            Columns ``row`` (or ``col``), ``delta, score, se, low, high, rank, hidden``, one line per row and tilt.
        """
        return sensitivity(self._view, deltas, axis_of(axis))

    # ---- comparisons -----------------------------------------------------------------------------------------------

    def differences(
        self, first: Any, second: Any, of: Any = "score", axis: str = "rows", about: str = "again"
    ) -> Intervals:
        """Intervals of differences ``first - second``, elementwise pairs.

        Parameters
        ----------
        first, second : labels (or positions) of rows, or of columns
        of : "score", int (a component) or "intercept"
        axis : {"rows", "cols"}
        about : {"again", "these", "like-these"}
            Of scores: as for :meth:`scores`.
        """
        which = axis_of(axis)
        i, l = np.broadcast_arrays(self.names.positions(first, which), self.names.positions(second, which))  # noqa: E741
        if of == "score" and about != "again":
            return self._joint(which, about).differences(i, l)
        return functionals.differences(self._view, i, l, of, which)

    def contrast(
        self, entries: Any = None, row_factors: Any = None, col_factors: Any = None, intercepts: Any = None,
        kind: str = "linear",
    ) -> Intervals:  # fmt: skip
        r"""One interval for a linear functional given by its weights.

        .. math:: \sum_{kl} a_{kl} m_{kl} + \sum_{ik} b_{ik} x_{ik} + \sum_{jk} c_{jk} y_{jk} + \sum_j d_j \zeta_j

        Parameters
        ----------
        entries : sparse or dense (n, p), optional
            Weights of entries; of expected responses with ``kind="mean"`` (delta method).
        row_factors, col_factors : sparse or dense (n, r), (p, r), optional
        intercepts : array (p,), optional
        kind : {"linear", "mean"}

        Notes
        -----
        O(number of weights + (n + p) r^2). Several contrasts hold together in ``i.band(one, two, ...)``.
        """
        given = {"entries": entries, "row_factors": row_factors, "col_factors": col_factors, "intercepts": intercepts}
        return functionals.contrast(self._view, given, kind)

    def ranks(
        self, of: Any = "score", axis: str = "rows", kind: str = "per_item", about: str = "again",
        method: str = "gaussian",
    ) -> Intervals:  # fmt: skip
        r"""Intervals for the ranks of all rows (or columns); rank 1 is the largest estimate.

        Parameters
        ----------
        of : "score", int (a component) or "intercept" (columns)
        axis : {"rows", "cols"}
        kind : {"per_item", "simultaneous", "ties", "printed"}
            - "per_item": each interval for itself, the pairwise rule ``x_l - x_i > q s_il`` with the normal quantile
              (for a table);
            - "simultaneous": all true ranks lie in their intervals at once, by the same rule with the quantile of the
              largest studentised difference;
            - "ties": tiers that surely stand in this order; ``low`` and ``high`` are a tier's first and last place,
              the column ``group`` its number;
            - "printed": the published rule, whose intervals reach twice as far as the pairwise ones.
        about : {"again", "these", "like-these"}
            Of scores: as for :meth:`scores`.
        method : {"gaussian", "multiplier"}
            Where the quantile comes from.

        Notes
        -----
        The standard error is the rank's standard deviation over 200 draws. Measured at n = 400, r = 2, 200 entries
        per row: widths .31 n and .69 n for the first two and .998 n for the last. O(n^2) comparisons in chunks.
        """
        if kind not in ranks.RANK_KINDS:
            raise BadArgument("kind", kind, f"one of {', '.join(map(repr, ranks.RANK_KINDS))}")
        if kind != "per_item":
            self._check_joint(f"ranks of kind {kind!r}")
        if of == "score" and about != "again":
            return self._joint(axis_of(axis), about).ranks(kind, self._seed)
        return ranks.ranks(ranks.Ranking(self._view, self._draws, of, axis_of(axis)), kind, method)

    def band(self, *sets: Any, method: str = "gaussian", **asked: Any) -> Intervals:
        r"""Simultaneous band :math:`\hat\theta_q \pm \hat q\, s_q`: all hold at once with the level's probability.

        .. math:: \hat q = (1-\alpha)\text{-quantile of } \max_q |\Delta_q^{[b]}| / s_q^{plug-in}

        Parameters
        ----------
        *sets : {"row_factors", "col_factors", "intercepts", "entries", "scores"} or Intervals
            Names, and intervals that methods of this inference gave: entries, parameters, scores, differences and
            contrasts may be mixed.
        method : {"gaussian", "multiplier"}
            Independent Gaussian draws, or the Gaussian multiplier bootstrap of the paper.
        component : int or None
            Of a named set of factors; None (the default) is all of them at once.
        rows, cols : labels (or positions)
            Of a named set: which ones; for entries elementwise pairs, for scores ``cols`` are averaged over.
        kind : {"mean", "linear"}
            Of named entries.

        Returns
        -------
        Intervals
            In the shape of the set; of several sets one after the other, named in the column ``set``.

        Notes
        -----
        The quantile comes from draws of the plug-in covariances, standardised by these; the band is as wide as the
        standard errors asked for. Entries are products: their draws keep the product of two errors and are
        standardised by the standard errors at the drawn factors; scores likewise keep their second-order term.
        Measured at n = p = 400, half seen, 60 tables, nominal 95 %: rows all, 1500 unseen entries .93 (.80 without
        the product).
        Gaussian draws cost O(draws * what was asked); a multiplier draw a pass per side.
        Source: Huang and Gu, section 3 (statistics (6) and (7) and those before them).
        """
        return super().band(*sets, method=method, **asked)

    def new_rows(self, R: Any, trials: Any = None) -> NewRows:
        r"""Rows that were not in the fit, against the fitted columns with their errors (rank 1, yes/no answers).

        Parameters
        ----------
        R : Observed, array with NaN, data frame or sparse matrix over the fitted columns
        trials : as in ``fit``, optional

        Returns
        -------
        NewRows
            Abilities, scores, next-best questions, and how many are needed.

        Notes
        -----
        The prior of the new rows is normal, with the variance of the fitted rows less that of their errors. Columns of
        an unpenalised fit are shrunk towards their common normal distribution first: questions are chosen by their
        estimated slopes, and the steepest are overestimated.
        """
        return new_rows(self._view, R, trials)

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _named_set(self, name: str, **choices: Any) -> Intervals:
        return self._members(name, **choices)

    def _members(
        self, name: str, component: int | None = None, rows: Any = None, cols: Any = None, kind: str = "mean"
    ) -> Intervals:
        """The set that a name stands for."""
        if name == "entries":
            if rows is None or cols is None:
                raise ValueError("a band over entries needs rows= and cols=, elementwise pairs.")
            return self.entries(rows, cols, kind)
        if name == "scores":
            if rows is not None:
                raise ValueError("a band over scores is one over all rows; choose the columns averaged over by cols=.")
            return self.scores(over=cols)
        if name == "intercepts":
            return parameters.one_parameter(self._view, 1, "intercept", self.names.positions(cols, 1))
        axis = int(name == "col_factors")
        return self._factors(axis, component, (rows, cols)[axis])

    def _deviations(self, statements: Sequence[Statement], method: str) -> Iterator[Array]:
        return self._draws.together([statement.errors for statement in statements], method)

    def _owner(self) -> Any:
        return self._view

    def _joint(self, axis: int, about: str) -> JointScores:
        if about not in ABOUT:
            raise BadArgument("about", about, f"one of {', '.join(map(repr, ABOUT))}")
        if self.names.shape[axis] > MOST_PAIRED_SCORES:
            raise NotStated(
                f"about={about!r} compares all pairs of scores, which is done for at most {MOST_PAIRED_SCORES}; use "
                "about='again', or fit fewer rows."
            )
        return JointScores.of(self._view, axis, about)

    def _ways_out(self) -> str:
        """What to do where a prior stands against statements about all rows."""
        view = self._view
        n, loss = view.names.shape[0], view.passes.loss
        has_scores = view.uncertainty.factors.rank == 1 and is_logistic(loss) and n <= MOST_ROWS
        joint = (
            "Fit hs.ItemResponseModel(...) (a joint posterior of all scores), or" if has_scores
            else "Ask for intervals of differences, or"
        )  # fmt: skip
        free = "" if view.is_weak else "Refit with penalty='auto', which centres intervals on a fit without a prior. "
        return f"{free}{joint} for ranks(kind='per_item')."

    def _check_joint(self, what: str) -> None:
        if self._view.has_prior:
            raise ValueError(
                f"{what} need every interval to hold at once, but this fit is penalised: the prior pulls the rows "
                "furthest from the middle most, and it is these that a statement about all rows leans on. "
                f"{self._ways_out()}"
            )
