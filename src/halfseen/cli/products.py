"""The commands that deliver: ``complete``, ``predict``, ``factors`` and ``place``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from halfseen.cli.options import (
    OUTPUT,
    BlockOptions,
    Data,
    FeatureFiles,
    PairsOptions,
    QuietOption,
    RowFeatureFile,
    TableOptions,
    grouped,
)
from halfseen.cli.screen import PlainCommand, plainly

Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder written by 'halfseen fit ... -o RUN'.")]
DataNow = Annotated[
    str | None,
    typer.Option("--data", metavar="DATA", help="Where the data of the fit are now, for intervals that need them."),
]


@dataclass(frozen=True)
class FileOptions:
    """Where an answer goes, and how."""

    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", rich_help_panel=OUTPUT,
            help="Write .csv, .tsv, .json, .jsonl, .parquet or .feather; else stdout.",
        ),
    ] = None  # fmt: skip
    json: Annotated[bool, typer.Option("--json", help="JSON on stdout instead of CSV.", rich_help_panel=OUTPUT)] = False
    raw: Annotated[
        bool,
        typer.Option(
            "--raw", help="CSV without the apostrophe that keeps spreadsheets from running labels as formulas.",
            rich_help_panel=OUTPUT,
        ),
    ] = False  # fmt: skip


class PredictionKind(StrEnum):
    """What is predicted."""

    mean = "mean"
    linear = "linear"
    probabilities = "probabilities"


class Side(StrEnum):
    """Whose factors are written."""

    both = "both"
    rows = "rows"
    cols = "cols"


class Rotation(StrEnum):
    """How factors are turned."""

    varimax = "varimax"


def add_products(app: typer.Typer) -> None:
    """Put the commands into the program."""
    for command in (complete, predict, factors, place):
        app.command(command.__name__, cls=PlainCommand)(grouped(plainly(command)))


def complete(
    data: Data,
    table: TableOptions,
    output: FileOptions,
    features: FeatureFiles,
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="bayes, als, soft-impute, factor, descent, irt or means; auto: factor for counts, else bayes.",
        ),
    ] = "auto",
    family: Annotated[
        str | None, typer.Option(metavar="NAME", help="How values are distributed; else by their look.")
    ] = None,
    rank: Annotated[
        str | None, typer.Option(metavar="N|auto", help="Number of factors; else the method's own.")
    ] = None,
    scale: Annotated[
        str,
        typer.Option(
            metavar="auto|columns|none", help="Fit in units of each column's spread; auto: where they differ."
        ),
    ] = "auto",
    interval: Annotated[
        float | None, typer.Option(metavar="P", help="Also the ends of intervals that hold with this probability.")
    ] = None,
    held_out: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the cells kept back to judge the fit; 0 for none.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of everything random.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, metavar="N", help="Threads to compute on.")] = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column of a long table that names sources, to be completed together."),
    ] = None,
    *,
    blocks: BlockOptions,
    quiet: QuietOption = False,
) -> None:
    """Fill the holes of a table: wide in, wide out; long in, long out; what was seen stays as it is.

    Example: [bold]halfseen complete survey.csv --wide -o completed.csv --interval 0.9[/bold]; with what else is known
    [bold]halfseen complete ratings.csv --row-features users.csv --col-features films.csv -o completed.csv[/bold]; a
    prepared folder into a folder [bold]halfseen complete ratings/ --memory 4GB -o completed/[/bold]
    """
    from halfseen.cli.complete import CompletePlan, run_complete
    from halfseen.cli.where import check_blocks
    from halfseen.data.prepared import is_prepared

    plan = CompletePlan(method, family, rank, scale, interval, held_out, seed, threads, features)
    how = output.out, output.json, output.raw, quiet
    if is_prepared(data) and source is None:
        from halfseen.cli.complete_stored import run_complete_stored

        run_complete_stored(data, plan, (table, blocks), how)
        return
    if blocks.checkpoint is not None or blocks.resume:
        raise ValueError("--checkpoint and --resume of 'complete' are for prepared folders")
    check_blocks(blocks, [data], "complete")
    if source is not None:
        from halfseen.cli.complete_sources import run_complete_sources

        run_complete_sources(data, source, plan, table, (output.out, output.json, output.raw, quiet))
        return
    run_complete(data, plan, table, (output.out, output.json, output.raw, quiet))


def predict(
    run: Run,
    reading: PairsOptions,
    output: FileOptions,
    pairs: Annotated[
        Path | None,
        typer.Argument(metavar="[PAIRS]", help="File of rows and columns; without it and --rows, --cols: all cells."),
    ] = None,
    rows: Annotated[
        list[str] | None, typer.Option(metavar="LABEL,...", help="These rows only; may be repeated.")
    ] = None,
    cols: Annotated[
        list[str] | None, typer.Option(metavar="LABEL,...", help="These columns only; may be repeated.")
    ] = None,
    kind: Annotated[
        PredictionKind, typer.Option(help="Expected value, linear predictor, or the chance of every class (ordinal).")
    ] = PredictionKind.mean,
    level: Annotated[
        float | None, typer.Option(metavar="P", help="Also the ends of intervals that hold with this probability.")
    ] = None,
    data: DataNow = None,
) -> None:
    """Predict cells of a fitted table, seen or not: all of them, some rows and columns, or the pairs of a file.

    Example: [bold]halfseen predict run/ -o all.parquet[/bold], or
    [bold]halfseen predict run/ --rows 196,186 --cols 242 --level 0.9[/bold]
    """
    from halfseen.cli.predict import run_predict
    from halfseen.cli.questions import Question

    question = Question(pairs, rows or [], cols or [], **asdict(reading), kind=str(kind), level=level, data=data)
    run_predict(run, question, output.out, output.json, output.raw)


def factors(
    run: Run,
    output: FileOptions,
    side: Annotated[Side, typer.Option(help="Of rows, of columns, or of both.")] = Side.both,
    rotation: Annotated[
        Rotation | None, typer.Option(help="Turn rows and columns together to simple structure.")
    ] = None,
    level: Annotated[float, typer.Option(metavar="P", help="Level of the intervals.")] = 0.95,
    data: DataNow = None,
) -> None:
    """What rows and columns are made of: a line per row or column and component, with errors where there are any.

    Example: [bold]halfseen factors run/ --rotation varimax -o factors.csv[/bold]
    """
    from halfseen.cli.factors import SIDES, FactorsQuestion, run_factors

    sides = SIDES if side is Side.both else (str(side),)
    turned = None if rotation is None else str(rotation)
    run_factors(run, FactorsQuestion(sides, turned, level, data), output.out, output.json, output.raw)


def place(
    run: Run,
    table: TableOptions,
    output: FileOptions,
    features: RowFeatureFile,
    rows: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NEWROWS...]",
            help="File of new rows, in the form of the fit's table; of many sources several files. None: new rows of "
            "which only features are known.",
        ),
    ] = None,
    level: Annotated[float, typer.Option(metavar="P", help="Level of the intervals.")] = 0.95,
    questions: Annotated[
        int, typer.Option(min=0, metavar="N", help="How many questions to ask next, where the columns are items.")
    ] = 3,
    data: DataNow = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the draws behind intervals.")] = 0,
    scores: Annotated[
        bool, typer.Option("--scores", help="Of many sources: scores on the factors, not cells.")
    ] = False,
) -> None:
    """New rows against a fitted model: abilities, scores and next questions of items; else what they would have said.

    Example: [bold]halfseen place run/ newcomers.csv -o placed.csv[/bold]; of a run of many sources
    [bold]halfseen place views/ clinic.csv questions.csv --wide --scores[/bold] with the sources that were seen; by
    entries and features [bold]halfseen place run/ newcomers.csv --row-features people.csv[/bold]
    """
    from halfseen.cli.place import PlaceQuestion, run_place

    question = PlaceQuestion(level, questions, data, seed, scores, features)
    run_place(run, rows or [], table, question, (output.out, output.json, output.raw))
