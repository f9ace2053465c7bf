"""Options of ``halfseen board``: how logs are read, and how a board is made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

READING, BOARD = "Reading", "Board"


class NotGraded(StrEnum):
    """What a trial that nobody graded counts for."""

    missing = "missing"
    wrong = "wrong"


@dataclass(frozen=True)
class LogOptions:
    """How logs are read."""

    format: Annotated[
        str | None, typer.Option(metavar="NAME", help="Take all files as this tool's.", rich_help_panel=READING)
    ] = None
    model: Annotated[
        str | None, typer.Option(metavar="KEY", help="Column or key that names the model.", rich_help_panel=READING)
    ] = None
    question: Annotated[
        str | None, typer.Option(metavar="KEY", help="Column or key of the question's id.", rich_help_panel=READING)
    ] = None
    metric: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Which of several scores.", rich_help_panel=READING)
    ] = None
    filter: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Which of several filters.", rich_help_panel=READING)
    ] = None
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="KEY", help="What several questions belong to: a passage, a subject; 'repository' for SWE-bench.",
            rich_help_panel=READING,
        ),
    ] = None  # fmt: skip
    percent: Annotated[bool, typer.Option("--percent", help="Values are per cent.", rich_help_panel=READING)] = False
    rename: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="CSV or JSON of old and new names of models.", rich_help_panel=READING),
    ] = None
    not_graded: Annotated[
        NotGraded, typer.Option(help="What a trial that nobody graded counts for.", rich_help_panel=READING)
    ] = NotGraded.missing
    question_set: Annotated[
        str | None,
        typer.Option(metavar="FILE|union", help="All ids of SWE-bench's set.", rich_help_panel=READING),
    ] = None  # fmt: skip


@dataclass(frozen=True)
class BoardOptions:
    """How the board is made."""

    level: Annotated[
        float, typer.Option(metavar="P", help="Probability with which intervals hold.", rich_help_panel=BOARD)
    ] = 0.95
    set_size: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Size of the finite set of which these questions are a part.", rich_help_panel=BOARD
        ),
    ] = None
    island: Annotated[
        int | None,
        typer.Option(metavar="N", help="Which group of models, where they share no question.", rich_help_panel=BOARD),
    ] = None
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the draws.", rich_help_panel=BOARD)] = 0
