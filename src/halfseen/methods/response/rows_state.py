"""What a fitted model with integrated rows hands to those who ask: its answers, board and new rows."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.data import Observed
from halfseen.errors import shown
from halfseen.inference.new_rows import place
from halfseen.inference.table import NotStated
from halfseen.methods.response.rows_answers import AnswerTable
from halfseen.methods.response.rows_board import RowsBoard, make_board, with_blocks, with_raw
from halfseen.methods.response.rows_placing import placed
from halfseen.methods.response.rows_result import RowsFit
from halfseen.methods.response.rows_scores import ability_scale, new_table


class KeptAnswers:
    """The answers of a fit, for questions that need them; a saved model does without.

    Attributes
    ----------
    table : AnswerTable
    covariates : array or None
    """

    def __init__(self, table: AnswerTable, covariates: Any = None) -> None:
        self.table, self.covariates = table, covariates


def turn(model: Any) -> FloatArray:
    """From abilities on the scale of the fit (n, D) to those that are shown: rotated, or stretched for rasch."""
    fit: RowsFit = model.rows_fit_
    if fit.layout.dimensions == 1:
        return np.full((1, 1), ability_scale(fit))
    return np.eye(fit.layout.dimensions) if model.rotated_ is None else np.asarray(model.rotated_.transform)


def board(model: Any) -> RowsBoard:
    """The board, made now where the fit left it for later."""
    known: RowsBoard | None = getattr(model, "board_", None)
    if known is not None:
        return known
    kept = answers_of(model, "intervals of rows of a table as large as this")
    totals = model.totals_
    if totals is None:  # a column on which a million people agree is known as well as its own answers
        outside = np.full(model.rows_fit_.shape[0], model.answering_.constant[model.answering_.item_of < 0].sum())
    else:
        outside = totals[2]
    bare = make_board(
        model.rows_fit_, kept.table, model.answering_, outside, covariates=kept.covariates,
        rotated=model.rotated_,
    )  # fmt: skip
    board: RowsBoard = bare if totals is None else with_raw(bare, totals[0], totals[1])
    if model.block_effects_ is not None:
        board = with_blocks(board, model.block_effects_.added)
    model.board_ = board
    return board


def answers_of(model: Any, what: str) -> KeptAnswers:
    """The answers of the fit, or a refusal where the model came out of a file."""
    kept: KeptAnswers | None = getattr(model, "answers_", None)
    if kept is None:
        raise NotStated(f"{what} need the answers, which a saved model does not hold; give them: R=, or fit again.")
    return kept


def table_of_new(model: Any, observed: Observed, given: SimpleNamespace) -> tuple[AnswerTable, Any]:
    """New rows with their groups, and their covariates."""
    fit: RowsFit = model.rows_fit_
    if given.trials is not None:
        raise ValueError("trials= goes with integrate='columns'; rows are integrated out here.")
    table = new_table(fit, observed, model.col_labels_)
    if given.row_groups is not None:
        names = np.asarray(given.row_groups).astype(str)
        if names.shape != (table.n_rows,):
            raise ValueError(f"row_groups has shape {names.shape}; needed: a label for each of {table.n_rows} rows.")
        unknown = np.setdiff1d(names, fit.population.names)
        if len(unknown):
            known = ", ".join(fit.population.names)
            raise ValueError(f"row_groups has {shown(str(unknown[0]))}; the fit knows the groups {known}.")
        codes = np.array([fit.population.names.index(name) for name in names], dtype=np.int32)
        table = replace(table, groups=codes)
    return table, given.covariates


def new_rows(model: Any, observed: Observed, given: SimpleNamespace, level: float) -> Any:
    """Posteriors of new rows against the frozen items: NewRows for yes/no items, else PlacedRows."""
    is_plain = given.row_groups is None and given.covariates is None and given.trials is None
    if is_plain and model.bank_ is not None and not model.rows_fit_.population.n_covariates:
        return place(model.bank_, observed, level, model.col_labels_, 1.0, model.library_)
    table, covariates = table_of_new(model, observed, given)
    labels = np.arange(table.n_rows) if observed.row_labels is None else observed.row_labels
    return placed(model, table, covariates, (labels, level))
