"""Options that several commands share, as frozen dataclasses that typer sees as single options."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

READING = "Reading the table"
JUDGING = "Judging the fit"
OUTPUT = "Output"
FEATURES = "Features"
ALS_RANKS = "4,8,16,32"
QUIET = "Print no results; notes and errors still."
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help=QUIET)]

Data = Annotated[
    str, typer.Argument(metavar="DATA", help="A file (Parquet, Feather, CSV, TSV, .gz, .npz) or a data set's name.")
]

ManyData = Annotated[
    list[str],
    typer.Argument(
        metavar="DATA", help="One table, one long table with --source, or a file (or data set) for every source."
    ),
]


class Duplicates(StrEnum):
    """What to do when a cell is given more than once."""

    error = "error"
    first = "first"
    last = "last"
    mean = "mean"
    sum = "sum"
    max = "max"
    min = "min"


@dataclass(frozen=True)
class TableOptions:
    """How a file becomes a table of observed entries."""

    row: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column that names the row: a name, or a number from 0.", rich_help_panel=READING
        ),
    ] = None
    col: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column that names the column.", rich_help_panel=READING)
    ] = None
    value: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column with the observed value.", rich_help_panel=READING)
    ] = None
    weight: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column with a weight per entry.", rich_help_panel=READING)
    ] = None
    sep: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help=r"What separates columns in a text file; '\t' for tabs.", rich_help_panel=READING
        ),
    ] = None
    no_header: Annotated[
        bool, typer.Option("--no-header", help="The first line is data; columns are numbers.", rich_help_panel=READING)
    ] = False
    missing: Annotated[
        float | None,
        typer.Option(metavar="NUMBER", help="The value that means 'not observed', e.g. 255.", rich_help_panel=READING),
    ] = None
    shift: Annotated[
        float,
        typer.Option(
            metavar="NUMBER", help="Add this to every value, e.g. -1 for ratings 1..5.", rich_help_panel=READING
        ),
    ] = 0.0
    duplicates: Annotated[
        Duplicates, typer.Option(help="What to do with a cell that is given twice.", rich_help_panel=READING)
    ] = Duplicates.error
    wide: Annotated[
        bool,
        typer.Option(
            "--wide",
            help="The file is wide: a line per row, a column per column, row labels in the first (or --row).",
            rich_help_panel=READING,
        ),
    ] = False
    columns: Annotated[
        str | None,
        typer.Option(metavar="A1:O5,...", help="Columns of a wide file that are the table.", rich_help_panel=READING),
    ] = None
    drop: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Columns of a wide file to leave out.", rich_help_panel=READING),
    ] = None
    drop_rows: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Rows of a wide file to leave out, e.g. Total.", rich_help_panel=READING),
    ] = None
    no_labels: Annotated[
        bool, typer.Option("--no-labels", help="A wide file has no row labels.", rich_help_panel=READING)
    ] = False
    values: Annotated[
        str | None,
        typer.Option(
            metavar="WORD=N,...", help="Numbers that words stand for, e.g. no=0,yes=1.", rich_help_panel=READING
        ),
    ] = None
    key: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Right answers of a multiple-choice test: a line per question (question, answer).",
            rich_help_panel=READING,
        ),
    ] = None  # fmt: skip
    max_bytes: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Memory that reading may take, e.g. 4GB.", rich_help_panel=READING),
    ] = None


@dataclass(frozen=True)
class RowFeatureFile:
    """A file with a line of features per row."""

    row_features: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A line of features per row (Parquet, Feather, CSV, TSV).", rich_help_panel=FEATURES
        ),
    ] = None
    row_key: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Its column that names the rows; else the first (predict: as in the fit).",
            rich_help_panel=FEATURES,
        ),
    ] = None  # fmt: skip


@dataclass(frozen=True)
class FeatureFiles(RowFeatureFile):
    """Files with a line of features per row and per column: of the fit, or new ones."""

    col_features: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A line of features per column.", rich_help_panel=FEATURES)
    ] = None
    col_key: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Its column that names the columns, likewise.", rich_help_panel=FEATURES),
    ] = None


@dataclass(frozen=True)
class PairsOptions(FeatureFiles):
    """How a file of pairs is read, and features of rows and columns that were not in the fit."""

    row: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column of PAIRS with the row; else as in the fit, else the first."),
    ] = None
    col: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column of PAIRS with the column; else as in the fit, else the second."),
    ] = None
    sep: Annotated[str | None, typer.Option(metavar="TEXT", help="What separates columns in a text file.")] = None
    no_header: Annotated[bool, typer.Option("--no-header", help="The first line of PAIRS is data.")] = False
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="The source that all pairs are of, for a run of many sources.")
    ] = None
    top: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the N best columns of every new row.")] = (
        None
    )


@dataclass(frozen=True)
class JudgeOptions:
    """What is held out, and from which seed."""

    held_out: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="Share of the entries kept back to judge the fit; 0 for none.",
            rich_help_panel=JUDGING,
        ),
    ] = 0.1
    hide: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="Hide this share for good, to see how well it is completed.", rich_help_panel=JUDGING
        ),
    ] = None
    refit: Annotated[
        bool,
        typer.Option(
            help="Fit the saved model to the held-out entries too, once they were judged.", rich_help_panel=JUDGING
        ),
    ] = True
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of everything random.", rich_help_panel=JUDGING)] = 0


@dataclass(frozen=True)
class OutputOptions:
    """Where results go."""

    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Folder for model, figures and picture.", rich_help_panel=OUTPUT
        ),
    ] = None
    force: Annotated[
        bool, typer.Option("--force", help="Replace an earlier run in that folder.", rich_help_panel=OUTPUT)
    ] = False
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.", rich_help_panel=OUTPUT)] = False
    image: Annotated[
        str | None,
        typer.Option(metavar="HxW", help="Each row is a picture of this size, e.g. 8x8.", rich_help_panel=OUTPUT),
    ] = None
    threads: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Threads to compute on; all cores by default.", rich_help_panel=OUTPUT),
    ] = None
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help=QUIET, rich_help_panel=OUTPUT)] = False


class EngineName(StrEnum):
    """What computes the blocks of a prepared table."""

    threads = "threads"
    dask = "dask"


BLOCKS = "Large tables and long fits"


@dataclass(frozen=True)
class BlockOptions:
    """Where a fit is computed, and where its iterations are kept."""

    memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Memory for a prepared folder, e.g. 4GB.", rich_help_panel=BLOCKS),
    ] = None
    engine: Annotated[
        EngineName, typer.Option(help="dask: workers fit a prepared folder where it lies.", rich_help_panel=BLOCKS)
    ] = EngineName.threads
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Of a Dask cluster.", rich_help_panel=BLOCKS)
    ] = None
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Dask workers on this machine.", rich_help_panel=BLOCKS)
    ] = None
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write every iteration of the fits down there.", rich_help_panel=BLOCKS),
    ] = None
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from --checkpoint, with the same bits.", rich_help_panel=BLOCKS)
    ] = False


def grouped(command: Callable[..., Any]) -> Callable[..., Any]:
    """Show typer the fields of a command's option groups as options, and hand the command its groups back."""
    parameters = inspect.signature(command, eval_str=True).parameters
    groups: dict[str, Any] = {name: p.annotation for name, p in parameters.items() if is_dataclass(p.annotation)}
    flat: list[inspect.Parameter] = []
    for parameter in parameters.values():
        if parameter.name not in groups:
            flat.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        group = groups[parameter.name]
        hints = typing.get_type_hints(group, include_extras=True)
        flat += [
            inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name])
            for f in fields(group)
        ]

    @functools.wraps(command)
    def call(**given: Any) -> Any:
        built = {name: group(**{f.name: given.pop(f.name) for f in fields(group)}) for name, group in groups.items()}
        return command(**built, **given)

    call.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in flat}
    return call


class Hidden(StrEnum):
    """What is held out to judge the fit."""

    entries = "entries"
    rows = "rows"
    cols = "cols"


@dataclass(frozen=True)
class HeldOption:
    """What is held out."""

    held: Annotated[
        Hidden,
        typer.Option(
            help="Hold out single entries, or whole rows or columns, as if they were new.", rich_help_panel=JUDGING
        ),
    ] = Hidden.entries


@dataclass(frozen=True)
class SourceOption:
    """Where the source of an entry is named."""

    source: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column of a long table that names the source; else a file per source.",
            rich_help_panel=READING,
        ),
    ] = None  # fmt: skip


@dataclass(frozen=True)
class PlainOption:
    """One network or several."""

    plain: Annotated[
        bool, typer.Option("--plain", help="One network for all columns, even where there are several sources.")
    ] = False


@dataclass(frozen=True)
class TrialsOption:
    """How many trials an entry counts successes of."""

    trials: Annotated[
        str | None,
        typer.Option(
            metavar="N|COLUMN",
            help="Entries count successes out of N trials (family binomial), or out of those in a column.",
            rich_help_panel=READING,
        ),
    ] = None


class Scale(StrEnum):
    """In which units columns enter a fit."""

    none = "none"
    columns = "columns"


@dataclass(frozen=True)
class ScaleOption:
    """In which units columns enter a fit."""

    scale: Annotated[
        Scale,
        typer.Option(
            help="columns: fit in units of each column's spread (panels of different units); answers come back in the "
            "table's own.", rich_help_panel="The model",
        ),
    ] = Scale.none  # fmt: skip


@dataclass(frozen=True)
class GroupsOptions:
    """Which columns belong together, and which rows."""

    blocks: Annotated[
        str | None,
        typer.Option(metavar="SEP", help="Blocks of columns (benchmarks): the text of a column's label before SEP."),
    ] = None
    row_groups: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Groups of people: a file with a row's label and its group in each line."),
    ] = None


@dataclass(frozen=True)
class BlockedRowsOptions:
    """What is done with rows that go through in blocks."""

    level: Annotated[float, typer.Option(metavar="X", help="Level of the intervals.", rich_help_panel=JUDGING)] = 0.95
    errors: Annotated[
        bool, typer.Option(help="Row-clustered errors: reads the rows a second time.", rich_help_panel=JUDGING)
    ] = True
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of everything random.", rich_help_panel=JUDGING)] = 0
