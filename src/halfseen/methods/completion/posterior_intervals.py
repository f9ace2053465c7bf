"""Intervals from posterior draws: of expected values, of values not seen yet, of scores and their ranks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from halfseen._typing import FloatArray, IntArray, as_generator
from halfseen.inference import (
    CommonErrors,
    Intervals,
    NotStated,
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
from halfseen.inference.ranks import chunks
from halfseen.parameters import BadArgument

if TYPE_CHECKING:
    from halfseen.methods.completion.bayesian import BayesianFactorization

CLAIM = "Bayesian: holds on average over the posterior distribution"
SPACE = "posterior draws"
RANK_KINDS = ("posterior", "per_item", "simultaneous", "ties")
# Rank rules that compare all pairs keep a table of them.
MOST_PAIRED = 3000


@dataclass(frozen=True)
class CellErrors:
    """Errors of cells from the posterior draws, which are gathered when they are asked for.

    Attributes
    ----------
    model : BayesianFactorization
    i, j : int arrays (m,)
    """

    model: BayesianFactorization
    i: IntArray
    j: IntArray
    space: str = SPACE

    def __len__(self) -> int:
        return len(self.i)

    @property
    def sizes(self) -> dict[str, int]:
        """One normal number per draw."""
        return {"draws": len(self.model.draws_)}

    def deviations(self, z: Mapping[str, FloatArray]) -> FloatArray:
        """See :class:`halfseen.inference.CommonErrors`."""
        out = np.empty((len(z["draws"]), len(self.i)))
        for part, drawn in self.model.draws_.at(self.i, self.j):
            out[:, part] = errors_of(drawn).deviations(z)
        return out


def errors_of(drawn: FloatArray) -> CommonErrors:
    """The errors that draws (m, S) show: normal combinations of their deviations from their mean."""
    away = np.asarray(drawn, dtype=float) - drawn.mean(axis=1, keepdims=True, dtype=float)
    return CommonErrors({"draws": away / np.sqrt(drawn.shape[1] - 1.0)}, SPACE)


class PosteriorInference(TableInference):
    r"""Uncertainty of a fitted `BayesianFactorization`; made by its method ``inference``.

    Parameters
    ----------
    model : BayesianFactorization
    level : float
    draws : int
        Random draws behind bands (those of the posterior are the model's).
    random_state : int, Generator or None

    Notes
    -----
    Intervals are means plus and minus normal quantiles of posterior standard deviations: with :math:`S` draws these are
    far better known than the outermost draws. Two entries of one row are dependent: intervals are elementwise, bands
    and differences use how the draws go together.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> rng = np.random.default_rng(0)
    >>> table = np.add.outer(rng.normal(size=20), rng.normal(size=15)) + 0.1 * rng.normal(size=(20, 15))
    >>> i = hs.BayesianFactorization(rank=1, max_iter=50, random_state=0).fit(table).inference(level=0.9)
    >>> cell, answer = i.entries([0], [3]), i.responses([0], [3])
    >>> bool(cell.width[0] < answer.width[0])
    True
    >>> i.band(cell, i.differences([0, 1], [2, 3])).kind
    'band'
    """

    _sets: ClassVar[tuple[str, ...]] = ("entries", "scores", "rows", "columns")

    def __init__(self, model: BayesianFactorization, level: float, draws: int = 1000, random_state: Any = 0) -> None:
        super().__init__(TableNames.of(model), level, CLAIM, draws, random_state, model.library_)
        self._model = model

    def _note(self) -> str:
        return f", {len(self._model.draws_)} posterior draws"

    def entries(self, rows: Any, cols: Any, kind: str = "mean") -> Intervals:
        r"""Credible intervals of expected values, elementwise pairs, seen or not.

        Parameters
        ----------
        rows, cols : labels (or positions), elementwise pairs; one may be a single one
        kind : {"mean", "linear"}
            "linear" leaves out the model's bounds (``clip``); of yes/no answers it means their log odds.

        Notes
        -----
        Of yes/no answers the probabilities: the posterior mean, between the ends of the interval of the log odds.
        """
        if kind not in ("mean", "linear"):
            raise BadArgument("kind", kind, "'mean' or 'linear'")
        i, j = self.names.pairs(rows, cols)
        mean, variance = self._model.draws_.moments(i, j)
        return self._cells("expected value", mean, variance.astype(float), (i, j), "interval", kind == "mean")

    def responses(self, rows: Any, cols: Any, weights: Any = None) -> Intervals:
        r"""Predictive intervals of single values not seen yet, elementwise pairs.

        .. math:: \mathrm{var} = \mathrm{var}_s(m^s_{ij}) + \mathrm{mean}_s(1/\tau_s) / w

        Parameters
        ----------
        rows, cols : as in :meth:`entries`
        weights : array_like, optional
            Of the values to come, where the table had weights; 1 otherwise.

        Raises
        ------
        ValueError
            For yes/no answers, whose prediction is a probability, and for weights that are not positive.
        """
        if self._model.family != "gaussian":
            raise NotStated("a single yes/no answer has no interval: entries() gives its probability with one")
        i, j = self.names.pairs(rows, cols)
        mean, variance = self._model.draws_.moments(i, j)
        share = 1.0 if weights is None else np.asarray(weights, dtype=float)
        if np.any(~(np.asarray(share) > 0)):
            raise ValueError("weights must be positive: a value of weight 0 has no distribution")
        noise = self._model.draws_.noise_variances(i) / share
        return self._cells("response", mean, variance + noise, (i, j), "prediction", True)

    def new_rows(self, R: Any, row_features: Any = None, random_state: Any = 0) -> PosteriorInference:
        """Uncertainty of new rows, placed under every draw by what was seen of them and by their features.

        Parameters
        ----------
        R : table over the fitted columns, or None
            With few entries in a row, or none. None: only features are known of all of them.
        row_features : as in the fit, optional
            Without them features are taken to be as on average.
        random_state : int, Generator or None
            Each new row is drawn from its distribution given each draw of everything else.

        Returns
        -------
        PosteriorInference
            Of the new rows: `entries`, `responses`, `scores` and ranks among them.

        Raises
        ------
        NotStated
            For yes/no answers, whose new rows have no exact draw.
        """
        if self._model.family != "gaussian":
            raise NotStated(
                "new rows of yes/no answers are placed by their modes, without intervals; predict(R) does that"
            )
        model = self._model._with_rows(R, row_features, as_generator(random_state))
        return PosteriorInference(model, self.level, self.draws, self._seed)

    def rows(self, component: int | None = None) -> Intervals:
        """Intervals of the rows' factors; the same as :meth:`row_factors`."""
        return self.row_factors(component)

    def columns(self, component: int | None = None) -> Intervals:
        """Intervals of the columns' factors; the same as :meth:`col_factors`."""
        return self.col_factors(component)

    def row_factors(self, component: int | None = None) -> Intervals:
        """Posterior means and intervals of the rows' factors in the frame of the draws, (n, rank) or one component."""
        return self._factors(0, component)

    def col_factors(self, component: int | None = None) -> Intervals:
        """As :meth:`row_factors`, of the columns."""
        return self._factors(1, component)

    def _factors(self, axis: int, component: int | None) -> Intervals:
        side = ("row", "col")[axis]
        draws, labels = self._factor_draws(axis), self.names.column(axis)
        labels = {key: label[:, None] for key, label in labels.items()}
        labels["component"] = np.arange(draws.shape[2])
        if component is not None:
            self._check_component(component)
            draws, labels = draws[:, :, [component]], {**labels, "component": np.array([component])}
        mean, sd = draws.mean(axis=1), draws.std(axis=1, ddof=1)
        errors = errors_of(np.swapaxes(draws, 1, 2).reshape(-1, draws.shape[1]))
        return self._interval(f"{side} factors", mean, sd, labels, errors)

    def _factor_draws(self, axis: int) -> FloatArray:
        return (self._model.draws_.rows, self._model.draws_.cols)[axis][:, :, :-1]

    def _check_component(self, component: Any) -> None:
        rank = self._factor_draws(0).shape[2]
        if component not in range(rank):
            raise BadArgument("component", component, f"a component, 0 to {rank - 1}")

    # ---- scores ----------------------------------------------------------------------------------------------------

    def scores(self, about: str = "again", axis: str = "rows", over: Any = None) -> Intervals:
        """Intervals of the mean expected value of every row over all columns (or of columns over rows).

        Parameters
        ----------
        about : {"again"}
            Were all values drawn again; the model does not keep those it has seen.
        axis : {"rows", "cols"}
        over : labels (or positions), optional
            Average over these columns (rows) only.
        """
        drawn, which = self._score_draws(about, axis, over), _axis(axis)
        sd = drawn.std(axis=1, ddof=1)
        return self._interval("score", drawn.mean(axis=1), sd, self.names.column(which), errors_of(drawn))

    def differences(
        self, first: Any, second: Any, of: Any = "score", axis: str = "rows", about: str = "again"
    ) -> Intervals:
        """Intervals of differences ``first - second`` of scores or of a factor, elementwise pairs."""
        which, drawn = _axis(axis), self._drawn(of, axis, about)
        i, l = np.broadcast_arrays(self.names.positions(first, which), self.names.positions(second, which))  # noqa: E741
        gap = drawn[i] - drawn[l]
        labels = {f"{key}_{end}": label for end, at in (("first", i), ("second", l))
                  for key, label in self.names.column(which, at).items()}  # fmt: skip
        return self._interval("difference", gap.mean(axis=1), gap.std(axis=1, ddof=1), labels, errors_of(gap))

    def contrast(self, entries: Any) -> Intervals:
        """One interval for a weighted sum of linear predictors; ``entries`` are sparse or dense weights (n, p)."""
        from scipy import sparse

        W = sparse.coo_array(entries)
        if W.shape != self.names.shape or not np.isfinite(W.data).all():
            raise ValueError(f"contrast() needs finite weights of shape {self.names.shape}; got {W.shape}.")
        total = np.full(len(self._model.draws_), float(W.data.sum()) * float(self._model.mean_))
        for part, drawn in self._model.draws_.at(W.row, W.col):
            total += W.data[part] @ drawn
        drawn = total[None, :]
        return self._interval("contrast", drawn.mean(axis=1), drawn.std(axis=1, ddof=1), {}, errors_of(drawn))

    def ranks(
        self, of: Any = "score", axis: str = "rows", kind: str = "posterior", about: str = "again",
        method: str = "gaussian",
    ) -> Intervals:  # fmt: skip
        """Intervals for ranks; rank 1 is the largest.

        Parameters
        ----------
        of : "score" or int (a component)
        axis : {"rows", "cols"}
        kind : {"posterior", "per_item", "simultaneous", "ties"}
            Central quantiles of the rank over the posterior draws; the pairwise rule with the normal quantile, or with
            that of the largest studentised difference; or tiers that surely stand in this order.
        about : {"again"}
        method : {"gaussian"}
        """
        if kind not in RANK_KINDS:
            raise BadArgument("kind", kind, f"one of {', '.join(map(repr, RANK_KINDS))}")
        drawn, which = self._drawn(of, axis, about), _axis(axis)
        estimate, errors = drawn.mean(axis=1), (drawn - drawn.mean(axis=1, keepdims=True)).T
        ranked, spread = drawn_rank_intervals(estimate, errors, self.level)
        q, extra = float("nan"), {}
        if kind != "posterior":
            if len(estimate) > MOST_PAIRED:
                raise NotStated(f"kind={kind!r} compares all pairs, of at most {MOST_PAIRED}; use kind='posterior'.")
            V = np.cov(drawn)
            v = np.diag(V)
            pair = np.sqrt(np.maximum(v[:, None] + v[None, :] - 2.0 * V, 0.0))
            q = normal_quantile(self.level)
            if kind != "per_item":
                q = upper_quantile(dense_pair_maximum(errors, lambda rows: pair[rows]), self.level)
            ranked = rank_intervals(estimate, lambda rows: pair[rows], q)
            if kind == "ties":
                extra["group"], ranked = tie_groups(estimate, lambda rows: pair[rows], q)
        return Intervals(
            f"rank by {of if of == 'score' else f'component {of}'}", ranked.estimate, spread, ranked.low, ranked.high,
            self.level, self.names.column(which), self.claim, "ranks", True, extra, q, self.library,
        )  # fmt: skip

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _named_set(self, name: str, **choices: Any) -> Intervals:
        ask: Any = getattr(self, name)
        return ask(**choices)

    def _drawn(self, of: Any, axis: str, about: str) -> FloatArray:
        """Posterior draws (m, S) of what is compared."""
        if of == "score":
            return self._score_draws(about, axis, None)
        self._check_component(of)
        return np.asarray(self._factor_draws(_axis(axis))[:, :, of], dtype=float)

    def _score_draws(self, about: str, axis: str, over: Any) -> FloatArray:
        """Posterior draws of mean expected values, (m, S)."""
        if about != "again":
            raise NotStated(f"about={about!r}: the model does not keep the values it has seen; about='again' is there.")
        which = _axis(axis)
        sides = self._model.draws_.rows, self._model.draws_.cols
        own, other = sides[which], sides[1 - which][self.names.positions(over, 1 - which)]
        if self._model.family == "gaussian":
            middle = other.mean(axis=0, dtype=float)
            mean = np.einsum("msk,sk->ms", own[:, :, :-1].astype(float), middle[:, :-1])
            return mean + own[:, :, -1] + middle[:, -1] + float(self._model.mean_)
        out = np.empty(own.shape[:2])
        for part, s in self._blocks(own, other):
            linear = own[part, s, :-1] @ other[:, s, :-1].T + own[part, s, -1:] + other[:, s, -1]
            out[part, s] = self._model.loss_.mean(linear + self._model.mean_).mean(axis=1)
        return out

    @staticmethod
    def _blocks(own: FloatArray, other: FloatArray) -> Iterator[tuple[slice, int]]:
        """Blocks of rows and draws of about a million cells."""
        for part in chunks(len(own), len(other)):
            yield from ((part, s) for s in range(own.shape[1]))

    def _cells(
        self, name: str, mean: FloatArray, variance: FloatArray, at: tuple[IntArray, IntArray], what: str, bounded: bool
    ) -> Intervals:
        model, q = self._model, normal_quantile(self.level)
        sd: FloatArray = np.sqrt(variance)
        middle: FloatArray = mean + mean.dtype.type(model.mean_)

        def image(linear: FloatArray) -> FloatArray:
            if not bounded:
                return linear
            return np.asarray(model._bounded(linear) if model.family == "gaussian" else model.loss_.mean(linear))

        def ends(q: float) -> tuple[FloatArray, FloatArray]:
            return image(middle - q * sd), image(middle + q * sd)

        is_chance = bounded and model.family != "gaussian"
        centre = model.loss_.mean(model._linear_pairs(*at)) if is_chance else image(middle)
        statement = Statement(self, CellErrors(model, *at), ends) if what == "interval" else None
        return Intervals(
            name, centre, sd, *ends(q), self.level, self.names.cells(*at), self.claim, what, quantile=q,
            library=self.library, statement=statement,
        )  # fmt: skip


def _axis(axis: str) -> int:
    if axis not in ("rows", "cols"):
        raise BadArgument("axis", axis, "'rows' or 'cols'")
    return int(axis == "cols")
