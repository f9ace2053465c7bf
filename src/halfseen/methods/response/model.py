"""The item response model as an estimator."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from halfseen._typing import FloatArray, IntArray
from halfseen.base import CompletionEstimator, PlacesRows
from halfseen.data import Observed
from halfseen.data.newcomers import newcomers
from halfseen.losses import get_loss, is_logistic
from halfseen.parameters import RANDOM_STATE, Number, Suits, Table, Whole, Word
from halfseen.solvers.watch import CallbackSupport

if TYPE_CHECKING:
    from halfseen.methods.response.inference import ItemResponseInference

# Which side of the table is integrated out, and the module that does it: each has the functions ``fit``,
# ``linear_pairs``, ``linear_block``, ``new_rows``, ``abilities``, ``score`` and ``infer`` of the module of columns.
INTEGRATIONS = {"columns": "halfseen.methods.response.columns"}

ANSWERS = Suits(
    lambda value: isinstance(value, str) or hasattr(value, "name"),
    "one family for all columns, 'bernoulli' or 'binomial(N)'", str, ("bernoulli",),
)  # fmt: skip


def settled_side(settings: SimpleNamespace, shape: tuple[int, int]) -> str:
    """The side that ``integrate="auto"`` integrates out."""
    return "columns" if settings.integrate == "auto" else str(settings.integrate)


class ItemResponseModel(CallbackSupport, PlacesRows, CompletionEstimator):
    r"""Item response model: the chance that a row (a person, an AI model) answers a column (a question) rightly.

    .. math:: P(R_{ij} = 1) = \sigma(\zeta_j + x_i\, y_j),\qquad
              (\zeta_j, y_j) \sim N\bigl((\mu, 1), L L^\top\bigr),\quad x_i \sim N(0, \tau^2)

    Items are drawn from a normal distribution and integrated out, which is right for few rows and many columns (a
    leaderboard): columns that were asked of two rows cannot have parameters of their own.

    Parameters
    ----------
    kind : {"2pl", "rasch", "auto"}, default="2pl"
        Items with slopes of their own, with slopes of 1, or whichever of the two predicts left-out answers better.
    family : str or Loss, default="bernoulli"
        "bernoulli" for yes/no answers and pass rates, "binomial(N)" for counts out of N.
    integrate : {"auto", "columns"}, default="auto"
        The side that is integrated out.
    max_iter : int, default=200
        Sweeps of every round; a round ends with new variances, and two to six are needed.
    tol : float, default=1e-6
        Largest gradient entry at which a round ends, times the root of the number of answers.
    random_state : int, Generator or None
        Not used where columns are integrated out: that has no random part.

    Attributes
    ----------
    engine_ : {"columns"}
        The side that was integrated out.
    kind_ : {"rasch", "2pl"}
    kind_choice_ : KindChoice or None
        Left-out deviances behind ``kind="auto"``.
    linking_ : Linking or None
        Groups of rows and columns that nothing links (``rows``, ``cols``); None for one group.
    intercept_, col_factors_ : ndarray (p,), (p, 1)
        Posterior means of the items.
    row_factors_ : ndarray (n, 1)
        Abilities.
    loadings_ : dict
        The items' distribution: ``mean`` (:math:`\mu`), ``spread``, ``tilt`` and ``slope`` (entries of L).
    prior_variance_ : float
        :math:`\tau^2`.
    dispersion_ : float
        Variance of an answer over that of a yes/no answer; below 1 for pass rates of several runs.
    board_ : Board
        What :meth:`inference` needs.
    bank_ : Bank
        The frozen items.
    loss_ : Loss
    run_ : Run
        Of the last round.
    n_iter_ : int
        Its sweeps.

    Raises
    ------
    ValueError
        For other families, for answers outside the range, and for more than 3000 rows.

    Notes
    -----
    Abilities and the items' distribution maximise the marginal likelihood, integrated on nodes; some ten gradients
    and a Hessian (n x n) per round, O(n p G) each with G nodes (273 to 533, or 37 per column).

    Examples
    --------
    >>> import halfseen as hs
    >>> data = hs.datasets.make_factor_data(40, 100, rank=1, family="bernoulli", observed=0.3, random_state=0)
    >>> model = hs.ItemResponseModel("auto").fit(data.observed)
    >>> model.kind_, model.row_factors_.shape
    ('2pl', (40, 1))
    """

    _parameters: ClassVar[Table] = {
        "kind": Word("2pl", "rasch", "auto"),
        "family": ANSWERS,
        "integrate": Word("auto", *INTEGRATIONS),
        "max_iter": Whole(1),
        "tol": Number(0, above=True),
        "random_state": RANDOM_STATE,
    }

    def __init__(
        self,
        kind: str = "2pl",
        *,
        family: Any = "bernoulli",
        integrate: str = "auto",
        max_iter: int = 200,
        tol: float = 1e-6,
        random_state: Any = None,
    ) -> None:
        self.kind = kind
        self.family = family
        self.integrate = integrate
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, R: Any, y: None = None, *, trials: Any = None, blocks: Any = None) -> Self:
        """Fit the seen answers.

        Parameters
        ----------
        R : Observed, array with NaN, data frame or sparse matrix (n, p)
            Answers 1 and 0, pass rates between them, or counts. Of a sparse matrix the stored entries are the
            observed ones, zeros included.
        y : None
            Ignored; there for scikit-learn.
        trials : number, ndarray (p,), (n, p) or (n_entries,), or Observed, optional
            Known totals of counts. Needs ``family="bernoulli"``.
        blocks : sequence (p,) of labels, or dict by column label, optional
            Blocks of columns (benchmarks): how far a row strays from itself between blocks then widens the intervals
            of rows that were not asked of all blocks alike.

        Returns
        -------
        ItemResponseModel
            Itself.
        """
        settings = self._checked()
        observed = self._observe(R, reset=True)
        self.loss_ = get_loss(self.family, needs=is_logistic, taker="ItemResponseModel")
        self.engine_ = settled_side(settings, observed.shape)
        self._integration().fit(self, settings, observed, trials, blocks)
        self._n_features_out = self.row_factors_.shape[1]
        return self

    def transform(self, R: Any, *, trials: Any = None, inference: bool = False) -> Any:
        """Abilities of new rows against the frozen items.

        Parameters
        ----------
        R, trials : as in :meth:`fit`, with the same columns
        inference : bool
            Intervals of ability and score instead of the abilities, and the questions to ask next; the same as
            ``inference().new_rows(R)``.

        Returns
        -------
        ndarray (n_rows, 1), or NewRows
            A row without answers is placed at the prior's mean.
        """
        check_is_fitted(self)
        if inference:
            return self.inference().new_rows(R, trials)
        return self._integration().abilities(self, self._observe(R, reset=False), trials)

    def score(self, R: Any, y: None = None, *, trials: Any = None) -> float:
        """Minus the mean loss (weighted, where entries have weights) of the answers of ``R``; higher is better.

        ``R`` holds further answers of the training rows: found by label where both tables have row labels, else it
        must have the training table's rows in the same order. ``trials`` as in :meth:`fit`.
        """
        check_is_fitted(self)
        found: float = self._integration().score(self, self._observe(R, reset=False), trials)
        return found

    def inference(self, level: float = 0.95, *, draws: int = 1000, random_state: Any = 0) -> ItemResponseInference:
        """Intervals, bands, ranks, a leaderboard and a table of the items; it needs no entries.

        Parameters
        ----------
        level : float
            Probability with which intervals hold: for this share of rows and items drawn from the fitted normal
            distributions.
        draws : int
            Random draws behind bands and ranks.
        random_state : int, Generator or None

        Returns
        -------
        ItemResponseInference
        """
        check_is_fitted(self)
        made: ItemResponseInference = self._integration().infer(self, level, draws, random_state)
        return made

    def _integration(self) -> ModuleType:
        """What integrates the chosen side out; loaded when asked for."""
        return import_module(INTEGRATIONS[self.engine_])

    def _observe(self, R: Any, reset: bool) -> Observed:
        """As every estimator reads a table; new rows may have no entries yet."""
        empty = None if reset else newcomers(R, self.observed_shape_[1], self.col_labels_)
        return super()._observe(R, reset) if empty is None else empty

    def _linear_pairs(self, i: IntArray, j: IntArray) -> FloatArray:
        linear: FloatArray = self._integration().linear_pairs(self, i, j)
        return linear

    def _linear_block(self, i: IntArray, j: IntArray) -> FloatArray:
        linear: FloatArray = self._integration().linear_block(self, self.row_factors_[i], j)
        return linear

    def _linear_rows(self, observed: Observed) -> FloatArray:
        abilities = self._integration().abilities(self, observed, None)
        linear: FloatArray = self._integration().linear_block(self, abilities, np.arange(observed.shape[1]))
        return linear
