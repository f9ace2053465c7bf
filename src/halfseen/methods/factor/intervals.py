"""Intervals, bands and ranks of a fitted factor model."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen._typing import IntArray, as_generator
from halfseen.inference import (
    Clustered,
    GaussianDraws,
    Intervals,
    MultiplierDraws,
    Span,
    dense_pair_maximum,
    independent_pairs,
    largest_deviations,
    normal_quantile,
    pair_maximum,
    printed_rank_intervals,
    rank_intervals,
    tie_groups,
    upper_quantile,
)
from halfseen.inference.draws import Errors, batch_sizes
from halfseen.inference.ranks import PairScale
from halfseen.methods.factor.intervals_blocks import Curvature, Uncertainty, denoised, rotated, rotation_noise
from halfseen.methods.factor.intervals_checks import (
    BAYESIAN,
    CONFIDENCE,
    LARGEST_ROTATION_NOISE,
    check_choices,
    check_run,
    check_stationary,
    fitted_point,
    passes_of,
    warn_about_rows,
    warn_about_thin_columns,
)
from halfseen.methods.factor.intervals_core import Setting
from halfseen.methods.factor.intervals_functionals import FunctionalInference
from halfseen.methods.factor.intervals_gauge import gauge_noise

Array = NDArray[Any]

RANK_KINDS = ("simultaneous", "per_item", "ties", "printed")
BANDS = ("intercepts", "row_factors", "col_factors", "entries", "scores")
METHODS = ("gaussian", "multiplier")
NONE = np.zeros(0, dtype=np.int64)
# Draws behind the standard error of a rank.
RANK_DRAWS = 200


class FactorInference(FunctionalInference):
    r"""Uncertainty of a fitted :class:`GeneralizedFactorModel`; made by its method ``inference``.

    Rows have covariances :math:`V_i` of :math:`x_i`, columns :math:`\tilde V_j` of :math:`(\zeta_j, y_j)`,
    independent to first order. All intervals are linear in these, or their images under the mean function.

    Parameters
    ----------
    found : Uncertainty
        Point and covariances in the gauge that was asked for.
    passes : EntryPasses
    setting : Setting

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

    Notes
    -----
    Standard errors of single parameters and ellipsoids count the gauge's own noise
    (:func:`halfseen.methods.factor.intervals_gauge.gauge_noise`; not with ``variance="plug_in"``); entries, scores
    and rank comparisons do not depend on it. Making it costs some twenty gradient passes, a twentieth of the fit;
    every method then O((n + p) r^2) or the size of what was asked for. Source: Huang and Gu, section 3; corrections
    listed in the guide.

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_factor_data(200, 150, rank=1, family="bernoulli", observed=0.7, random_state=0)
    >>> model = hs.GeneralizedFactorModel(1, "bernoulli", penalty="none", random_state=0).fit(data.observed)
    >>> i = model.inference(level=0.95, random_state=0)
    >>> x = i.row_factors(component=0)
    >>> hs.metrics.coverage(x.low, x.high, data.row_factors[:, 0]) > 0.9
    True
    >>> i.ranks(kind="per_item").to_frame().column_names
    ['row', 'estimate', 'se', 'low', 'high', 'reliable']
    """

    # ---- random errors -----------------------------------------------------------------------------------------

    def _batches(
        self, method: str, n_draws: int, rows: IntArray, cols: IntArray, has_full_size: bool = False
    ) -> Iterator[Errors]:
        """Errors of chosen rows and columns; the same for every call.

        Gaussian draws of full size have the covariances asked for, all others the plug-in ones, which is enough
        for statistics that are linear in them.
        """
        found, rng = self._found, np.random.default_rng(self._setting.seed)
        if method not in METHODS:
            raise ValueError(f"method={method!r} is not known; use one of {METHODS}.")
        V, V_cols = found.rows.inverse, found.cols.inverse
        if method == "gaussian" and has_full_size:
            return GaussianDraws(found.rows.covariance, found.cols.covariance).batches(n_draws, rng, rows, cols)
        if method == "gaussian":
            return GaussianDraws(V, V_cols).batches(n_draws, rng, rows, cols)
        own, groups = found.influences(self._passes), self._setting.variance
        shared: tuple[Any, Any] = (None, None)
        if isinstance(groups, Clustered):
            n, p = self._passes.shape
            shared = (groups.codes("cols", p), groups.codes("rows", n))
        return MultiplierDraws(*own, *shared).batches(n_draws, rng, rows, cols)

    def _parameter_errors(self, method: str, side: int, place: int, which: IntArray, n_draws: int) -> Iterator[Array]:
        """Errors (b, m) of one parameter of chosen rows or columns."""
        chosen = (which, NONE) if side == 0 else (NONE, which)
        return (batch[side][:, :, place] for batch in self._batches(method, n_draws, *chosen))

    def _entry_deviations(self, method: str, i: IntArray, j: IntArray, n_draws: int) -> Iterator[Array]:
        r"""Errors (b, m) of the linear predictor of chosen cells over the standard errors they would have shown.

        The product :math:`\delta_k^\top \tilde\delta_l` is kept, and the standard error is that at the drawn factors:
        products have heavier tails than sums, and come with small standard errors just when factors are drawn small.
        """
        (rows, at_row), (cols, at_col) = np.unique(i, return_inverse=True), np.unique(j, return_inverse=True)
        y, x = self._found.factors.cols[j], self._found.features[i]
        size = "covariance" if method == "gaussian" or not self._is_plain(method) else "inverse"
        V, V_cols = getattr(self._found.rows, size)[i], getattr(self._found.cols, size)[j]
        for one, two in self._batches(method, n_draws, rows, cols, has_full_size=True):
            start = 0
            for b in batch_sizes(len(one), 4 * len(i) * x.shape[1]):
                part, start = slice(start, start + b), start + b
                dx, dy = one[part][:, at_row], two[part][:, at_col]
                moved, features = y + dy[:, :, 1:], np.broadcast_to(x, dy.shape).copy()
                features[:, :, 1:] += dx
                errors = np.einsum("bek,ek->be", dy, x) + np.einsum("bek,bek->be", dx, moved)
                v = np.einsum("bek,bek->be", moved, np.einsum("ekl,bel->bek", V, moved))
                v += np.einsum("bek,bek->be", features, np.einsum("ekl,bel->bek", V_cols, features))
                yield np.divide(errors, np.sqrt(v), out=np.zeros_like(errors), where=v > 0)

    def _is_plain(self, method: str) -> bool:
        """Whether draws have the plug-in covariances: all but those whose multipliers groups share."""
        return not (method == "multiplier" and isinstance(self._setting.variance, Clustered))

    def _check_joint(self, what: str) -> None:
        if self._setting.has_prior:
            raise ValueError(
                f"{what} need every interval to hold at once, but this fit is penalised: the prior pulls the rows "
                "furthest from the middle most, and it is these that a statement about all rows leans on. Refit with "
                "penalty='none' (bias='firth'), fit an ItemResponseModel (a joint posterior of all scores, for few "
                "rows), or ask for intervals and ranks(kind='per_item')."
            )

    # ---- statements that hold together -------------------------------------------------------------------------

    def band(
        self, what: str = "row_factors", component: int | None = 0, rows: Any = None, cols: Any = None,
        kind: str = "linear", method: str = "gaussian",
    ) -> Intervals:  # fmt: skip
        r"""Simultaneous band :math:`\hat\theta_q \pm \hat q\, s_q`: all hold at once with the level's probability.

        .. math:: \hat q = (1-\alpha)\text{-quantile of } \max_q |\Delta_q^{[b]}| / s_q^{plug-in}

        Parameters
        ----------
        what : {"row_factors", "col_factors", "intercepts", "entries", "scores"}
        component : int or None
            For factors; None is all of them at once.
        rows, cols : labels (or positions), optional
            Which ones; for entries elementwise pairs.
        kind : {"linear", "mean"}
            Scale of entries.
        method : {"gaussian", "multiplier"}
            Independent Gaussian draws, or the Gaussian multiplier bootstrap of the paper.

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
        self._check_joint("simultaneous bands")
        if what not in BANDS:
            raise ValueError(f"what={what!r} is not known; use one of {BANDS}.")
        n_draws = self._setting.draws
        if what == "entries":
            if rows is None or cols is None:
                raise ValueError("a band over entries needs rows= and cols=, elementwise pairs.")
            i, j = self._pairs(rows, cols)
            known = np.where(np.isfinite(self._linear_variance(i, j)), 1.0, np.inf)
            q = self._quantile(self._entry_deviations(method, i, j, n_draws), known)
            return self._entry_intervals(i, j, kind, q, "band")
        if what == "scores":
            return self._score_band(rows, cols, method)
        side = 0 if what == "row_factors" else 1
        axis, asked = ("rows", "cols")[side], "intercept" if what == "intercepts" else component
        wanted = (rows, cols)[side]
        which = np.arange(self._passes.shape[side]) if wanted is None else self._positions(wanted, side)
        if asked is None:
            return self._all_components_band(side, which, method)
        estimate, se, place = self._parameter(axis, asked)
        plain = self._parameter(axis, asked, use_plug_in=self._is_plain(method))[1]
        q = self._quantile(self._parameter_errors(method, side, place, which, n_draws), plain[which])
        labels = {key: label[which] for key, label in self._labels(side).items()}
        reliable = (self.reliable_rows, self.reliable_cols)[side][which]
        name = what[:-1] if what == "intercepts" else f"{what[:-1].replace('_', ' ')} {asked}"
        return self._intervals(name, estimate[which], se[which], labels, reliable, quantile=q, kind="band")

    def _all_components_band(self, side: int, which: IntArray, method: str) -> Intervals:
        """Band over all factors of chosen rows (columns), shape (m, r)."""
        wide = self.row_factors() if side == 0 else self.col_factors()
        blocks, chosen = (self._found.rows, self._found.cols)[side], (which, NONE) if side == 0 else (NONE, which)
        used = blocks.inverse if self._is_plain(method) else blocks.covariance
        variance = np.einsum("mkk->mk", used[which])[:, side:]
        plain = np.sqrt(np.where(blocks.is_resolved[which, None], variance, np.inf)).ravel()
        batches = self._batches(method, self._setting.draws, *chosen)
        q = self._quantile((batch[side][:, :, side:].reshape(len(batch[side]), -1) for batch in batches), plain)
        labels = {key: label[which] if key != "component" else label for key, label in wide.labels.items()}
        estimate, se, reliable = wide.estimate[which], wide.se[which], np.asarray(wide.reliable)[which]
        return self._intervals(wide.name, estimate, se, labels, reliable, quantile=q, kind="band")

    def _score_band(self, rows: Any, cols: Any, method: str) -> Intervals:
        """Band over the scores of all rows (over ``cols``)."""
        if rows is not None:
            raise ValueError("a band over scores is one over all rows; choose the columns averaged over by cols=.")
        table = self._score_table("rows", over=cols)
        estimate, variance, *ends = table.intervals_parts()
        draws = self._batches(method, self._setting.draws, table.own, table.other, has_full_size=True)
        errors = table.deviations(draws, method != "gaussian" and self._is_plain(method))
        q = self._quantile(errors, np.where(np.isfinite(variance), 1.0, np.inf))
        more = {"claim": self.claim, "reliable": self.reliable_rows, "quantile": q, "kind": "band"}
        return Intervals.spanned("score", estimate, np.sqrt(variance), Span(*ends), self.level, self._labels(0), **more)

    def _quantile(self, errors: Iterator[Array], scale: Array) -> float:
        return upper_quantile(largest_deviations(errors, scale), self.level)

    def ranks(
        self, component: Any = 0, axis: str = "rows", kind: str = "simultaneous", method: str = "gaussian"
    ) -> Intervals:
        r"""Intervals for the ranks of all rows (or columns); rank 1 is the largest estimate.

        Parameters
        ----------
        component : int, "intercept" (columns) or "score"
        axis : {"rows", "cols"}
        kind : {"simultaneous", "per_item", "ties", "printed"}
            - "simultaneous": all true ranks lie in their intervals at once, by the pairwise rule
              ``x_l - x_i > q s_il`` with the quantile of the largest studentised difference;
            - "per_item": each interval for itself, the same rule with the normal quantile (for a table);
            - "ties": tiers that surely stand in this order; ``low`` and ``high`` are a tier's first and last place,
              the column ``group`` its number;
            - "printed": the published rule, whose intervals reach twice as far as the pairwise ones.
        method : {"gaussian", "multiplier"}
            Where the quantile comes from.

        Notes
        -----
        The standard error is the rank's standard deviation over 200 draws. Measured at n = 400, r = 2, 200 entries
        per row: widths .69 n, .31 n for the first two and .998 n for the last. O(n^2) comparisons in chunks.
        """
        if kind not in RANK_KINDS:
            raise ValueError(f"kind={kind!r} is not known; use one of {RANK_KINDS}.")
        if kind != "per_item":
            self._check_joint(f"ranks of kind {kind!r}")
        which = self._axis(axis)
        estimate, se, scale = self._ranked(component, axis)
        q = normal_quantile(self.level) if kind == "per_item" else self._pair_quantile(component, axis, method)
        extra: dict[str, Array] = {}
        if kind == "ties":
            extra["group"], found = tie_groups(estimate, scale, q)
        elif kind == "printed":
            found = printed_rank_intervals(estimate, se, q)
        else:
            found = rank_intervals(estimate, scale, q)
        reliable = (self.reliable_rows, self.reliable_cols)[which]
        name = f"rank by {component if isinstance(component, str) else f'component {component}'}"
        spread = self._rank_errors(component, axis, estimate)
        return Intervals(
            name, found.estimate, spread, found.low, found.high, self.level, self._labels(which), self.claim,
            "ranks", reliable, extra, q,
        )  # fmt: skip

    def _ranked(self, component: Any, axis: str, use_plug_in: bool = False) -> tuple[Array, Array, PairScale]:
        """Estimates, their standard errors, and those of all their differences."""
        if component == "score":
            table = self._score_table(axis)
            estimate, variance, _, _ = table.intervals_parts(use_plug_in)
            return estimate, np.sqrt(variance), table.pair_scale(use_plug_in)
        estimate, se, _ = self._parameter(axis, component, use_plug_in, has_gauge=False)
        return estimate, se, independent_pairs(se)

    def _rank_draws(self, component: Any, axis: str, method: str, n_draws: int) -> Iterator[Array]:
        """Errors (b, n) of what is ranked."""
        if component == "score":
            table = self._score_table(axis)
            pair = (table.own, table.other) if axis == "rows" else (table.other, table.own)
            return table.errors(self._batches(method, n_draws, *pair))
        _, _, place = self._parameter(axis, component)
        side = self._axis(axis)
        return self._parameter_errors(method, side, place, np.arange(self._passes.shape[side]), n_draws)

    def _pair_quantile(self, component: Any, axis: str, method: str) -> float:
        """Quantile of the largest studentised difference, from draws of the plug-in covariances."""
        _, se, scale = self._ranked(component, axis, use_plug_in=self._is_plain(method))
        errors, good = self._rank_draws(component, axis, method, self._setting.draws), np.isfinite(se) & (se > 0)
        if component == "score":
            maxima = [dense_pair_maximum(batch, scale) for batch in errors]
        else:
            maxima = [pair_maximum(batch[:, good], se[good]) for batch in errors]
        return upper_quantile(np.concatenate(maxima), self.level)

    def _rank_errors(self, component: Any, axis: str, estimate: Array) -> Array:
        """Standard deviation of each rank when the errors are drawn anew."""
        n = len(estimate)
        ranks = [
            np.argsort(np.argsort(-(estimate + batch), axis=1, kind="stable"), axis=1).astype(np.int32)
            for batch in self._rank_draws(component, axis, "gaussian", RANK_DRAWS)
        ]
        spread = np.concatenate(ranks).std(axis=0)
        is_resolved = (self._found.rows if axis == "rows" else self._found.cols).is_resolved
        return np.where(is_resolved, spread, np.sqrt((n**2 - 1) / 12.0))


def infer(model: Any, choices: dict[str, Any], R: Any, trials: Any, offset: Any) -> FactorInference:
    """Check that a fitted model may state intervals, find its covariances, and bring both into the gauge.

    Parameters
    ----------
    model : GeneralizedFactorModel
    choices : dict
        ``level``, ``variance``, ``gauge``, ``draws`` and ``random_state``.
    R, trials, offset
        The data of the fit, where the model does not carry them.
    """
    level, variance, gauge = choices["level"], choices["variance"], choices["gauge"]
    check_choices(level, variance, gauge, choices["draws"])
    check_run(model)
    passes = passes_of(model, R, trials, offset)
    fit = fitted_point(model, passes)
    found = Curvature(passes, fit).uncertainty(variance)
    check_stationary(found, model)
    rho, rotation, here = model.rho, model.rotation, model.placement_
    found = found.turned(np.asarray(here.turn, dtype=float), np.asarray(here.mean, dtype=float))
    warn_about_rows(found, model.row_labels_, model.col_labels_)
    warn_about_thin_columns(passes, fit)
    share = 0.0
    if gauge == "denoised" and found.factors.rank:
        found, share = _denoised(found, rho, rotation, fit.has_prior)
    if variance != "plug_in" and found.factors.rank:
        found = replace(found, gauge=gauge_noise(found, rho, rotation, share))
    identified = rotation_noise(found, rotation) <= LARGEST_ROTATION_NOISE[rotation]
    setting = Setting(
        level=float(level),
        variance=variance,
        draws=int(choices["draws"]),
        seed=int(as_generator(choices["random_state"]).integers(2**62)),
        claim=BAYESIAN if fit.has_prior else CONFIDENCE,
        has_prior=fit.has_prior,
        is_single=model.row_factors_.dtype == np.float32,
        identified=identified,
        row_labels=model.row_labels_,
        col_labels=model.col_labels_,
    )
    return FactorInference(found, passes, setting)


def _denoised(found: Uncertainty, rho: float, rotation: str | None, has_prior: bool) -> tuple[Uncertainty, float]:
    """The denoised gauge, and the share of the errors' covariances it took off the second moments."""
    turned = denoised(found, rho, has_prior)
    if turned is None:
        warnings.warn(
            "a component holds more noise than signal, so the gauge is the plain one of the estimates: factors may be "
            "too long on the shorter side. Use a smaller rank or a penalty.",
            UserWarning,
            stacklevel=4,
        )
        return found, 0.0
    return (rotated(turned) if rotation == "varimax" else turned), -1.0 if has_prior else 1.0
