"""The item response model as an estimator."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from halfseen._typing import FloatArray, IntArray
from halfseen.base import CompletionEstimator, PlacesRows
from halfseen.data import Observed
from halfseen.data.newcomers import newcomers
from halfseen.inference.kept import KeptEntries
from halfseen.inference.table import NotStated
from halfseen.losses import get_loss, is_logistic
from halfseen.methods.response.rows_bytes import ByteTable, as_numbers, is_bytes, is_large
from halfseen.methods.response.rows_kinds import KINDS
from halfseen.methods.response.words import WordTable, coding_of, has_words
from halfseen.parameters import RANDOM_STATE, Nothing, Number, Suits, Table, Whole, Word
from halfseen.solvers.checkpoint import resumable
from halfseen.solvers.watch import CallbackSupport

if TYPE_CHECKING:
    from halfseen.methods.response.inference import ItemResponseInference

# Which side of the table is integrated out, and the module that does it: each has the functions ``fit``,
# ``linear_pairs``, ``linear_block``, ``linear_rows``, ``probabilities``, ``new_rows``, ``abilities``, ``score`` and
# ``infer``.
INTEGRATIONS = {"columns": "halfseen.methods.response.columns", "rows": "halfseen.methods.response.rows"}
# Rows up to which blocks of columns ask for the engine of columns.
MOST_ROWS = 3000
# Below so many rows, and with more columns than rows, columns are integrated out: intervals of few rows hold there.
FEWEST_ROWS = 100
# Cells of the largest table whose item fit is computed when a model is saved: some seconds.
KEPT_FIT = 2_000_000


def _is_kind(value: Any) -> bool:
    if isinstance(value, str):
        return value in (*KINDS, "auto")
    members = list(value.values()) if isinstance(value, Mapping) else value
    is_several = isinstance(members, list | tuple | np.ndarray) and len(members) > 0
    return is_several and all(isinstance(k, str) and k in KINDS for k in members)


KIND = Suits(
    _is_kind, f"one of {', '.join(map(repr, (*KINDS, 'auto')))}, or a kind per column", str,
    ("2pl", "1pl", "rasch", "3pl", "grm", "gpcm", "auto"),
)  # fmt: skip
ANSWERS = Suits(
    lambda value: isinstance(value, str) or hasattr(value, "name"),
    "one family for all columns, 'bernoulli' or 'binomial(N)'", str, ("bernoulli",),
)  # fmt: skip
EQUAL = Nothing() | Suits(
    lambda value: isinstance(value, list | tuple), "groups of places (column, name)", None,
    ([[(0, "slope"), (1, "slope")]],),
)  # fmt: skip
FIXED = Nothing() | Suits(
    lambda value: isinstance(value, Mapping), "a dictionary from places (column, name) to values", None,
    ({(0, "slope"): 1.0},),
)  # fmt: skip


def settled_side(settings: SimpleNamespace, R: Observed | ByteTable, given: SimpleNamespace) -> str:
    """The side that ``integrate="auto"`` integrates out.

    Columns for pass rates, counts and blocks of columns (up to 3000 rows), and where there are fewer than 100 rows and
    more columns.
    """
    if settings.integrate != "auto":
        return str(settings.integrate)
    if isinstance(R, ByteTable):
        return "rows"
    n, p = R.shape
    has_blocks = given.blocks is not None and n <= MOST_ROWS
    of_columns = given.trials is not None or has_blocks or settings.family != "bernoulli"
    of_columns = of_columns or R.weights is not None or bool(np.any(R.values % 1 != 0))
    is_small = n < FEWEST_ROWS and n < p and settings.kind in ("2pl", "rasch", "auto") and settings.dimensions == 1
    of_rows = any(getattr(given, name) is not None for name in ("row_groups", "covariates", "weights"))
    of_rows = of_rows or settings.equal is not None or settings.fixed is not None
    # abilities are all that is left where no column has two answers, and integrating them out leaves nothing
    is_bare = settings.kind in ("2pl", "rasch", "auto") and settings.dimensions == 1 and not _any_two_answers(R)
    return "columns" if (of_columns or ((is_small or is_bare) and not of_rows)) else "rows"


def _any_two_answers(R: Observed) -> bool:
    """Whether some column has different answers."""
    p = R.shape[1]
    values = np.asarray(R.values, dtype=float)
    count, total = np.bincount(R.cols, minlength=p), np.bincount(R.cols, values, p)
    return bool((count * np.bincount(R.cols, values**2, p) > total**2).any())


class ItemResponseModel(CallbackSupport, PlacesRows, CompletionEstimator):
    r"""Item response model: the chance that a row (a person, an AI model) answers a column (a question) rightly.

    .. math:: P(R_{ij} = 1) = \sigma(d_j + a_j^\top x_i)

    With ``integrate="rows"`` items are parameters and abilities :math:`x_i \sim N(\mu_{g(i)} + B^\top z_i,
    \sigma_{g(i)}^2)` are integrated out (marginal maximum likelihood): many rows, a test and its takers. With
    ``integrate="columns"`` abilities are parameters and items are drawn from a normal distribution and integrated out:
    few rows and many columns, a leaderboard, where columns asked of two rows cannot have parameters of their own.

    Parameters
    ----------
    kind : str, sequence (p,) of str or dict by column label, default="2pl"
        "1pl" (equal slopes), "rasch" (slopes of 1, the spread of the abilities free: the same likelihood), "2pl",
        "3pl" (with a guessing chance, which has a prior), "grm" (graded answers), "gpcm" (partial credit); "auto": 2pl
        or equal slopes, whichever predicts left-out answers better (columns) or has the lower AIC (rows). With columns
        integrated out: "2pl", "rasch" or "auto".
    dimensions : int, default=1
        Of the ability; more than 1 with 2pl and grm items.
    family : str or Loss, default="bernoulli"
        "bernoulli" for yes/no answers, classes and pass rates, "binomial(N)" for counts out of N.
    integrate : {"auto", "rows", "columns"}, default="auto"
        The side that is integrated out. "auto": columns where there are fewer than 100 rows and more columns than
        rows, for pass rates, counts and ``blocks=``; else rows.
    item_prior : {"auto", "empirical", "none"}, default="auto"
        Rows: normal priors of slopes and intercepts whose means and variances the items tell; "auto": that, where the
        median column has fewer than 150 answers.
    rotation : {None, "varimax", "oblimin", "promax", "geomin"}
        Of several dimensions.
    nodes : "auto" or int, default="auto"
        Rows: nodes of the integral (with several dimensions, per row); "auto" checks them after the fit.
    errors : {"auto", "observed", "cross", "sandwich"}, default="auto"
        Rows: information behind standard errors; "auto": observed, and the cross-product of the scores where rows times
        columns times parameters is above 1e9.
    equal : sequence of sequences of places, optional
        Rows: places that share a value; a place is ``(column, name)`` with the names "slope" ("slope1", ...),
        "intercept", "guess" or "item".
    fixed : dict from a place to its value, optional
        Rows: values that are known, such as ``{("q3", "item"): [1.2, -0.4]}`` of an anchor; with whole items fixed, the
        population's mean and spread are free.
    max_iter : int, default=200
        Sweeps of every climb.
    tol : "auto" or float, default="auto"
        Largest gradient entry at which a climb ends, times the root of the number of answers (columns: 1e-6) or of
        people (rows: 1e-4).
    random_state : int, Generator or None
        Rows: of the part of a large table that is fitted first, and of nodes in several dimensions.

    Attributes
    ----------
    engine_ : {"columns", "rows"}
        The side that was integrated out.
    kind_ : str
    kind_choice_ : KindChoice or None
        Left-out deviances behind ``kind="auto"`` (columns).
    linking_ : Linking or None
        Columns: groups of rows and columns that nothing links; None for one group.
    connectivity_ : Connectivity
        Rows: forms, sets of items that answers connect.
    intercept_, col_factors_ : ndarray (p,), (p, D)
        Items: intercepts (of the first step) and slopes; nan (rows) for columns without two different answers.
    row_factors_ : ndarray (n, D)
        Abilities: posterior means (rows) or estimates (columns).
    log_likelihood_, aic_, bic_ : float
        Rows.
    items_, population_ : Listing
        Rows: items with slopes, intercepts, difficulties, errors and flags; groups with mean and spread.
    loadings_ : dict
        Columns: the items' distribution, ``mean``, ``spread``, ``tilt`` and ``slope``.
    prior_variance_, dispersion_ : float
        Columns: of the abilities; variance of an answer over that of a yes/no answer.
    board_, bank_
        What :meth:`inference` and :meth:`transform` need.
    loss_ : Loss
    run_ : Run
    n_iter_ : int

    Raises
    ------
    ValueError
        For answers, kinds and arguments that do not fit each other, and groups of rows that share no items.

    Notes
    -----
    Rows: 10 to 20 passes over the answers, each ``2 nodes`` additions an answer and ``nodes`` exponentials a row;
    memory is the answers (a byte each) and a block of rows. A million persons by 30 items take seconds.
    Columns: some ten gradients and a Hessian (n x n) per round, O(n p G) each with G nodes.

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_factor_data(40, 100, rank=1, family="bernoulli", observed=0.3, random_state=0)
    >>> model = hs.ItemResponseModel("auto").fit(data.observed)
    >>> model.engine_, model.kind_, model.row_factors_.shape
    ('columns', '2pl', (40, 1))
    >>> data = hs.datasets.make_factor_data(400, 8, rank=1, family="bernoulli", observed=0.9, random_state=0)
    >>> model = hs.ItemResponseModel().fit(data.observed)
    >>> model.engine_, model.items_["slope"].shape
    ('rows', (8,))
    """

    _summary: ClassVar[str] = "halfseen.methods.response.summary:chapter"
    _parameters: ClassVar[Table] = {
        "kind": KIND,
        "dimensions": Whole(1),
        "family": ANSWERS,
        "integrate": Word("auto", *INTEGRATIONS),
        "item_prior": Word("auto", "empirical", "none"),
        "rotation": Nothing() | Word("varimax", "oblimin", "promax", "geomin"),
        "nodes": Whole(8) | Word("auto"),
        "errors": Word("auto", "observed", "cross", "sandwich"),
        "equal": EQUAL,
        "fixed": FIXED,
        "max_iter": Whole(1),
        "tol": Number(0, above=True) | Word("auto"),
        "random_state": RANDOM_STATE,
    }

    def __init__(
        self,
        kind: Any = "2pl",
        dimensions: int = 1,
        *,
        family: Any = "bernoulli",
        integrate: str = "auto",
        item_prior: str = "auto",
        rotation: str | None = None,
        nodes: Any = "auto",
        errors: str = "auto",
        equal: Any = None,
        fixed: Any = None,
        max_iter: int = 200,
        tol: Any = "auto",
        random_state: Any = None,
    ) -> None:
        self.kind = kind
        self.dimensions = dimensions
        self.family = family
        self.integrate = integrate
        self.item_prior = item_prior
        self.rotation = rotation
        self.nodes = nodes
        self.errors = errors
        self.equal = equal
        self.fixed = fixed
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    @resumable
    def fit(
        self, R: Any, y: None = None, *, trials: Any = None, blocks: Any = None, row_groups: Any = None,
        covariates: Any = None, weights: Any = None, key: Any = None,
    ) -> Self:  # fmt: skip
        """Fit the seen answers.

        Parameters
        ----------
        R : Observed, array with NaN, data frame or sparse matrix (n, p)
            Answers 1 and 0, classes as whole numbers, pass rates or counts; arrays of bytes (uint8) have 255 where
            nothing was seen, and large ones are read where they stand. Of a sparse matrix the stored entries are
            the observed ones, zeros included. Words (N/Y, no/perhaps/yes) are taken in their order; for others see
            :func:`halfseen.irt.answers`.
        y : None
            Ignored; there for scikit-learn.
        trials : number, ndarray (p,), (n, p) or (n_entries,), or Observed, optional
            Known totals of counts. Needs ``family="bernoulli"`` (columns).
        blocks : sequence (p,) of labels, or dict by column label, optional
            Blocks of columns (benchmarks): how far a row strays from itself between blocks then widens the intervals
            of rows that were not asked of all blocks alike.
        row_groups : sequence (n,) of labels, optional
            Groups of people with their own mean and spread of ability; the first label's group has 0 and 1 (rows).
        covariates : array (n, q), optional
            Of a latent regression of the ability (rows).
        weights : array (n,), optional
            How many people each row stands for (rows).
        key : dict from column to right answer, optional
            Of multiple-choice answers, ``{"Q1": "B"}``; kept, and used for new rows.

        Returns
        -------
        ItemResponseModel
            Itself.
        """
        settings = self._checked()
        self.coding_ = None
        if key is not None or has_words(R):
            self.coding_ = coding_of(WordTable.of(R), key)
        observed = (
            self._look_at_bytes(R) if is_large(R) and self.integrate != "columns" else self._observe(R, reset=True)
        )
        self.loss_ = get_loss(self.family, needs=is_logistic, taker="ItemResponseModel")
        given = SimpleNamespace(
            trials=trials, blocks=blocks, row_groups=row_groups, covariates=covariates, weights=weights
        )
        self.engine_ = settled_side(settings, observed, given)
        self._integration().fit(self, settings, observed, given)
        self._n_features_out = self.row_factors_.shape[1]
        self._seen = KeptEntries(observed if isinstance(observed, Observed) else None)
        return self

    def transform(
        self, R: Any, *, trials: Any = None, row_groups: Any = None, covariates: Any = None, inference: bool = False
    ) -> Any:
        """Abilities of new rows against the frozen items.

        Parameters
        ----------
        R, trials, row_groups, covariates : as in :meth:`fit`, with the same columns
            Without groups, rows come from the first group's population.
        inference : bool
            Intervals of ability and score instead of the abilities, and the questions to ask next; the same as
            ``inference().new_rows(R)``.

        Returns
        -------
        ndarray (n_rows, D), or NewRows, or PlacedRows
            A row without answers is placed at the population's mean.
        """
        check_is_fitted(self)
        observed = self._observe(R, reset=False)
        given = SimpleNamespace(trials=trials, row_groups=row_groups, covariates=covariates)
        if inference:
            return self._integration().new_rows(self, observed, given, 0.95)
        return self._integration().abilities(self, observed, given)

    def predict(self, rows: Any, cols: Any = None, kind: str = "mean") -> FloatArray:
        """As for every model; ``kind="probabilities"`` gives the chances (m, K) of the classes of pairs."""
        if kind != "probabilities":
            return super().predict(rows, cols, kind)
        check_is_fitted(self)
        if cols is None:
            raise ValueError("kind='probabilities' is for pairs: give rows and cols.")
        i, j = np.broadcast_arrays(self._positions(rows, "row"), self._positions(cols, "column"))
        chances: FloatArray = self._integration().probabilities(self, i, j)
        return chances

    def score(self, R: Any, y: None = None, *, trials: Any = None) -> float:
        """Minus the mean loss (weighted, where entries have weights) of the answers of ``R``; higher is better.

        ``R`` holds further answers of the training rows: found by label where both tables have row labels, else it
        must have the training table's rows in the same order. ``trials`` as in :meth:`fit`. With rows integrated out:
        the mean log-probability of the answers.
        """
        check_is_fitted(self)
        score: float = self._integration().score(self, self._observe(R, reset=False), trials)
        return score

    def inference(self, level: float = 0.95, *, draws: int = 1000, random_state: Any = 0) -> ItemResponseInference:
        """Intervals, bands, ranks, a leaderboard and a table of the items; it needs no entries.

        Parameters
        ----------
        level : float
            Probability with which intervals hold.
        draws : int
            Random draws behind bands and ranks.
        random_state : int, Generator or None

        Returns
        -------
        ItemResponseInference (columns), or RowsInference (rows), which has fit statistics too.
        """
        check_is_fitted(self)
        inference: ItemResponseInference = self._integration().infer(self, level, draws, random_state)
        return inference

    # ---- curves (rows) ---------------------------------------------------------------------------------------------

    def information(self, theta: Any = None, *, level: float = 0.95) -> Any:
        """Information of the items and of the test along the ability, with bands.

        Parameters
        ----------
        theta : array (T,), optional
            Abilities; by default 121 of them between -4 and 4.
        level : float

        Returns
        -------
        AbilityCurves
            ``values`` (p + 1, T), the test's last; ``.to_frame()``, ``.plot()``.
        """
        return self._curves().information(self, theta, level)

    def curves(self, theta: Any = None, *, level: float = 0.95) -> Any:
        """Characteristic curves: the chance of every class of every item along the ability, with bands.

        Returns
        -------
        AbilityCurves
        """
        return self._curves().characteristic(self, theta, level)

    def reliability(self) -> dict[str, Any]:
        """Marginal and empirical reliability of the abilities; with several dimensions, the empirical one of each."""
        reliability: dict[str, Any] = self._curves().reliability_of(self)
        return reliability

    @property
    def items_(self) -> Any:
        """Items with slopes, intercepts, difficulties, standard errors and flags."""
        return self.inference().items()

    @property
    def population_(self) -> Any:
        """Groups of rows: mean and standard deviation of the ability."""
        return self._curves().population(self)

    def _curves(self) -> ModuleType:
        check_is_fitted(self)
        if self.engine_ != "rows":
            raise NotStated("curves and populations of items are those of integrate='rows'; see inference().items().")
        return import_module("halfseen.methods.response.rows_along")

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _integration(self) -> ModuleType:
        """What integrates the chosen side out; loaded when asked for."""
        return import_module(INTEGRATIONS[self.engine_])

    def _to_save(self) -> dict[str, Any]:
        """Attributes for a file: without the answers, what intervals need of them computed first."""
        state = dict(vars(self))
        if state.pop("answers_", None) is not None:
            self._integration().board(self)
            state["board_"] = self.board_
            state["kept_fit_"] = self._fit_of_items()
        return state

    def _fit_of_items(self) -> dict[str, Any] | None:
        """What a page says of the items' fit and needs the answers for; None where it cannot be had, or takes long."""
        n, p = self.observed_shape_
        if self.engine_ != "rows" or n * p > KEPT_FIT:
            return None
        try:
            inference: Any = self.inference()
            listing = inference.item_fit()
            reliability = {name: np.asarray(value, dtype=float) for name, value in self.reliability().items()}
        except ValueError:
            return None
        columns = {name: np.asarray(column) for name, column in listing.data.items() if name not in ("col", "flag")}
        flags = [str(flag) for flag in listing.data["flag"]]
        return {"columns": columns, "flags": flags, "notes": list(listing.notes), "reliability": reliability}

    def _observe(self, R: Any, reset: bool) -> Observed:
        """As every estimator reads a table; words become numbers, and new rows may have no entries yet."""
        R = as_numbers(R) if is_bytes(R) else R
        coding = getattr(self, "coding_", None)
        if coding is not None and not isinstance(R, Observed):
            R = WordTable.of(R).numbers(coding)
        empty = None if reset else newcomers(R, self.observed_shape_[1], self.col_labels_)
        return super()._observe(R, reset) if empty is None else empty

    def _look_at_bytes(self, R: Any) -> Any:
        """Remember a large table of bytes without making a list of its entries."""
        self.observed_shape_, self.n_features_in_ = R.shape, R.shape[1]
        self.row_labels_ = self.col_labels_ = None
        self.library_, self.fingerprint_ = "pyarrow", -1
        return ByteTable(R)

    def _linear_pairs(self, i: IntArray, j: IntArray) -> FloatArray:
        linear: FloatArray = self._integration().linear_pairs(self, i, j)
        return linear

    def _linear_block(self, i: IntArray, j: IntArray) -> FloatArray:
        linear: FloatArray = self._integration().linear_block(self, i, j)
        return linear

    def _linear_rows(self, observed: Observed) -> FloatArray:
        linear: FloatArray = self._integration().linear_rows(self, observed)
        return linear
