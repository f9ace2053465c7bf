"""New rows against the frozen items of a fit with integrated rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logit

from halfseen._typing import FloatArray, Labels
from halfseen.inference import Intervals, normal_quantile
from halfseen.inference.bank import Bank, ability_knots
from halfseen.inference.new_rows import most_telling
from halfseen.methods.response import rows_kinds
from halfseen.methods.response.rows_answers import NOT_SEEN, AnswerTable
from halfseen.methods.response.rows_board import RowsBoard, make_board, posterior
from halfseen.methods.response.rows_predict import LEAST_CHANCE, NODES, WEIGHTS, Abilities, Answering
from halfseen.methods.response.rows_result import RowsFit
from halfseen.methods.response.rows_scores import ability_scale, parameter_draws

CLAIM = "average (Bayesian) coverage: holds for this share of new rows drawn from the fitted population"
BANK_DRAWS = 50


@dataclass(frozen=True)
class PlacedRows:
    """Abilities and scores of new rows, and the questions to ask next; made by ``transform(R, inference=True)``.

    Attributes
    ----------
    answering : Answering
    board : RowsBoard
    posterior : Abilities
    seen : bool ndarray (m, p)
        Items of the model that each row has answered.
    level : float
    row_labels, col_labels : ndarray
    library : {"pyarrow", "pandas", "polars"}
        Of frames.
    """

    answering: Answering
    board: RowsBoard
    posterior: Abilities
    seen: Any
    level: float
    row_labels: Labels
    col_labels: Labels
    library: str = "pyarrow"

    def __len__(self) -> int:
        return len(self.posterior)

    @property
    def ability(self) -> FloatArray:
        """Posterior means (m, D); (m,) for one dimension."""
        out = np.stack([part.estimate for part in self.board.abilities], axis=1)
        return out[:, 0] if out.shape[1] == 1 else out

    def abilities(self, component: int = 0) -> Intervals:
        """Posterior means of one dimension with intervals, the items' errors inside."""
        return self._interval(f"ability {component}" if component else "ability", self.board.abilities[component])

    def scores(self) -> Intervals:
        """Scores on the complete table: answers that are known as they are, the others predicted."""
        return self._interval("score", self.board.realised)

    def _interval(self, name: str, of: Any) -> Intervals:
        reach = normal_quantile(self.level) * of.se
        return Intervals(
            name, of.estimate, of.se, of.estimate - reach, of.estimate + reach, self.level, {"row": self.row_labels},
            CLAIM, extra={"answered": self.board.answered}, library=self.library,
        )  # fmt: skip

    def information(self, row: int) -> FloatArray:
        r"""What each column's answer would say about one row, averaged over its posterior; 0 where answered.

        One dimension: Fisher information of the ability. Several: :math:`w_j\, a_j^\top V a_j`, by how much (to first
        order) an answer shrinks the variance of the item's own predictor.
        """
        out = np.zeros(len(self.answering.item_of))
        fit = self.answering.fit
        values = expected_information(fit, self.posterior[np.array([row])])
        values[self.seen[row]] = 0.0
        out[fit.columns] = values
        return out

    def next_items(self, count: int = 10, backend: str | None = None) -> Any:
        """The unanswered questions that say most about each row, best first: a table of row, place, item, information.

        Raises
        ------
        ValueError
            For a count below 1.
        """
        told = [self.information(row) for row in range(len(self))]
        free = [int(np.count_nonzero(known)) for known in told]
        return most_telling(told, free, count, self.row_labels, self.col_labels, backend or self.library)


def expected_information(fit: RowsFit, ability: Abilities) -> FloatArray:
    """Of every item (p,) about one row, averaged over the row's posterior."""
    out = np.empty(fit.layout.n_items)
    D, V = fit.layout.dimensions, ability.covariance[0]
    for family in fit.layout.families:
        params = fit.params[family.params]
        a, rest = params[:, :D], params[:, D:]
        own = np.einsum("jd,de,je->j", a, V, a)
        m = (a @ ability.mean[0])[:, None] + np.sqrt(np.maximum(own, 0.0))[:, None] * NODES
        at = rows_kinds.curves(family.formula, family.n_classes, m, rest)
        weight = np.sum(np.exp(at.log) * at.slope**2, axis=1) @ WEIGHTS
        out[family.items] = weight * (a[:, 0] ** 2 / ability_scale(fit) ** 2 if D == 1 else own)
    return out


def placed(model: Any, table: AnswerTable, covariates: Any, told: tuple[Labels, float]) -> PlacedRows:
    """Boards of new rows."""
    fit, answering = model.rows_fit_, model.answering_
    outside = np.full(table.n_rows, answering.constant[answering.item_of < 0].sum())
    board = make_board(fit, table, answering, outside, covariates=covariates, rotated=model.rotated_)
    seen = table.dense(0, table.n_rows) != NOT_SEEN
    cols = np.arange(fit.shape[1]) if model.col_labels_ is None else model.col_labels_
    ability = posterior(fit, table, covariates)
    return PlacedRows(answering, board, ability, seen, told[1], told[0], cols, model.library_)


def bank_of(answering: Answering, x: FloatArray) -> Bank | None:
    """The frozen bank of yes/no items of one dimension; None for other items, and for a population that is not (0, 1).

    Curves are averaged over 50 draws of the items' parameters.
    """
    fit = answering.fit
    mean, sd, _ = fit.population.split(fit.population_params)
    is_plain = bool((answering.low == 0).all() and (answering.high == 1).all() and mean[0] == 0.0)
    if fit.layout.dimensions > 1 or not is_plain or set(fit.layout.formulas) - {"2pl", "3pl"}:
        return None
    scale = ability_scale(fit)
    knots = ability_knots(scale * float(sd[0]), x)
    nodes = knots[:, None] / scale
    if fit.n_free:
        drawn = np.array(parameter_draws(fit, np.random.default_rng(0), BANK_DRAWS))
        chance = mean_chances(fit, drawn, nodes)
    else:
        chance = np.exp(fit.layout.table(fit.item_params, nodes)[1::2])
    logits = np.tile(logit(answering.constant)[:, None], (1, len(knots)))
    logits[fit.columns] = logit(np.clip(chance, LEAST_CHANCE, 1.0 - LEAST_CHANCE))
    return Bank(knots, logits, scale * float(sd[0]), 1.0)


def mean_chances(fit: RowsFit, drawn: FloatArray, nodes: FloatArray) -> FloatArray:
    """Chances (p, G) of right answers to yes/no items at nodes (G, 1), averaged over draws (S, n_full)."""
    out = np.empty((fit.layout.n_items, len(nodes)))
    for family in fit.layout.families:
        own = drawn[:, family.params]  # (S, J, q)
        flat = own.reshape(-1, own.shape[2])
        log = rows_kinds.log_chances(family.formula, 2, flat[:, :1] @ nodes.T, flat[:, 1:])[:, 1]
        out[family.items] = np.exp(log).reshape(len(drawn), len(family.items), -1).mean(axis=0)
    return out
