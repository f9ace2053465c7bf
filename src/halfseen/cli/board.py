"""``halfseen board``: from a folder of evaluation results to a leaderboard, and what to ask of it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from halfseen.cli.board_options import BoardOptions, LogOptions
from halfseen.cli.options import QuietOption, grouped
from halfseen.cli.screen import OneLineErrors, PlainCommand, plainly

STYLE: Any = {"rich_markup_mode": "rich", "pretty_exceptions_enable": False, "add_completion": False}
MAKE = "make"


class About(StrEnum):
    """What a score is about."""

    like_these = "like-these"
    these = "these"
    again = "again"


class BoardCommands(OneLineErrors):
    """Commands of a board; whatever is not one of them are logs to make a board of."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``make`` before logs and its options."""
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = [MAKE, *args]
        rest: list[str] = super().parse_args(ctx, args)
        return rest


Folder = Annotated[Path, typer.Argument(metavar="BOARD", help="Folder written by 'halfseen board LOGS... -o BOARD'.")]
AboutOption = Annotated[
    About, typer.Option("--about", help="Other questions like these, exactly these, or these again.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]

board = typer.Typer(cls=BoardCommands, no_args_is_help=True, **STYLE)


def add_board(app: typer.Typer) -> None:
    """Put the commands into the application."""
    app.add_typer(
        board, name="board",
        help="From a folder of evaluation results to a leaderboard: [bold]halfseen board LOGS... -o BOARD[/bold].",
    )  # fmt: skip


@board.command(MAKE, cls=PlainCommand)
@grouped
@plainly
def make(
    logs: Annotated[list[Path], typer.Argument(metavar="LOGS...", help="Files and folders of results.")],
    reading: LogOptions,
    options: BoardOptions,
    about: AboutOption = About.like_these,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="BOARD", help="Folder to write.")] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Say what is in the files, and end.")] = False,
    quiet: QuietOption = False,
    json: Json = False,
) -> None:
    """Read results, check them, and make a board; 'make' may be left out.

    Example: [bold]halfseen board logs/ -o board/[/bold], then [bold]halfseen board compare board/ A B[/bold]
    """
    from halfseen.cli.board_answers import run_make

    run_make(logs, reading, options, (str(about), out, read_only, json, quiet))


@board.command("show", cls=PlainCommand)
@plainly
def show(folder: Folder, about: AboutOption = About.like_these, json: Json = False) -> None:
    """The board.

    Example: [bold]halfseen board show board/ --about these[/bold]
    """
    from halfseen.cli.board_answers import run_show

    run_show(folder, str(about), json)


@board.command("items", cls=PlainCommand)
@plainly
def items(folder: Folder, json: Json = False) -> None:
    """The questions: who answered, how hard, which are dead, against the order, or say nothing.

    Example: [bold]halfseen board items board/ > questions.csv[/bold]
    """
    from halfseen.cli.board_answers import run_listing

    run_listing(folder, "items", json)


@board.command("checks", cls=PlainCommand)
@plainly
def checks(folder: Folder, json: Json = False) -> None:
    """What to know before believing the board.

    Example: [bold]halfseen board checks board/[/bold]
    """
    from halfseen.cli.board_answers import run_listing

    run_listing(folder, "checks", json)


@board.command("compare", cls=PlainCommand)
@plainly
def compare(
    folder: Folder,
    first: Annotated[str, typer.Argument(metavar="A", help="A model.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    about: AboutOption = About.like_these,
    power: Annotated[float, typer.Option(metavar="P", help="Chance to tell the gap.")] = 0.8,
    gap: Annotated[float | None, typer.Option(metavar="X", help="Questions needed for this gap instead.")] = None,
    json: Json = False,
) -> None:
    """Two models: the gap, its paired interval, and how many questions would tell it.

    Example: [bold]halfseen board compare board/ alpha beta --gap 0.02[/bold]
    """
    from halfseen.cli.board_answers import run_compare

    run_compare(folder, (first, second), (str(about), power, gap), json)


@board.command("next", cls=PlainCommand)
@plainly
def next_questions(
    folder: Folder,
    model: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="On the board; none: a newcomer.")] = None,
    against: Annotated[str | None, typer.Option(metavar="B", help="The model to tell it from.")] = None,
    n: Annotated[int, typer.Option("-n", metavar="N", help="How many questions.")] = 20,
    json: Json = False,
) -> None:
    """Questions to run next.

    Example: [bold]halfseen board next board/ alpha --against beta -n 20[/bold]
    """
    from halfseen.cli.board_answers import run_next

    run_next(folder, model, (against, n), json)


@board.command("place", cls=PlainCommand)
@grouped
@plainly
def place(
    folder: Folder,
    logs: Annotated[list[Path], typer.Argument(metavar="NEWLOGS...", help="Results of new models.")],
    reading: LogOptions,
    json: Json = False,
) -> None:
    """Place new models among those of a board, from some of its questions.

    Example: [bold]halfseen board place board/ newlogs/[/bold]
    """
    from halfseen.cli.board_answers import run_place

    run_place(folder, logs, reading, json)
