"""The commands of ``halfseen`` and their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from halfseen.cli.board import add_board
from halfseen.cli.data_commands import add_data
from halfseen.cli.fits import add_fits
from halfseen.cli.item_commands import add_items
from halfseen.cli.methods import method_named
from halfseen.cli.options import Data, JudgeOptions, OutputOptions, TableOptions, TrialsOption, grouped
from halfseen.cli.prepare_command import add_prepare
from halfseen.cli.products import add_products
from halfseen.cli.rank_command import add_rank
from halfseen.cli.report_command import add_report
from halfseen.cli.screen import OneLineErrors, PlainCommand, plainly

STYLE: Any = {"rich_markup_mode": "rich", "pretty_exceptions_enable": False, "add_completion": True}
NAMES = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(cls=OneLineErrors, context_settings=NAMES, **STYLE)
fit = typer.Typer(cls=OneLineErrors, no_args_is_help=True, **STYLE)
app.add_typer(fit, name="fit", help="Fit a model to the seen entries and judge it on held-out ones.")


DEMO_RANKS = "4,8,16"


def _version(asked: bool) -> None:
    if asked:
        import halfseen

        typer.echo(f"halfseen {halfseen.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Low-rank structure of tables of which only part was seen, with honest error bars.

    Example: [bold]halfseen demo[/bold], then
    [bold]halfseen fit factor ratings.csv --row user --col item --value rating -o run/[/bold]
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command(cls=PlainCommand)
@plainly
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to write.")] = Path("halfseen-demo"),
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier run in that folder.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
    threads: Annotated[int | None, typer.Option(min=1, metavar="N", help="Threads to compute on.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of everything random.")] = 0,
) -> None:
    """Hide 60 % of the pixels of scikit-learn's digits, and complete them.

    Runs [bold]halfseen fit factor digits --trials 16 --hide 0.6 --rank 4,8,16[/bold];
    the same command takes your own table.

    Example: [bold]halfseen demo -o halfseen-demo/[/bold]
    """
    from halfseen.cli.job import AskedFit, run_fit

    settings = {"family": "binomial(16)", "rank": DEMO_RANKS}
    output = OutputOptions(out=out, force=force, json=json, threads=threads)
    parts = {TableOptions: TableOptions(), JudgeOptions: JudgeOptions(hide=0.6, seed=seed), OutputOptions: output}
    run_fit(AskedFit(method_named("factor"), ["digits"], settings, parts))


@app.command(cls=PlainCommand)
@grouped
@plainly
def describe(
    data: Data,
    table: TableOptions,
    trials: TrialsOption,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """What was observed of a table: size, values, thin rows and columns, and a family that fits.

    Example: [bold]halfseen describe u.data --no-header --row 0 --col 1 --value 2[/bold]
    """
    from halfseen.cli.describe import run_describe

    run_describe(data, table, json, trials.trials)


add_fits(fit)
add_products(app)
add_rank(app)
add_items(app)


@app.command(cls=PlainCommand)
@plainly
def reproduce(
    what: Annotated[
        str | None,
        typer.Argument(metavar="[PAPER[/FIGURE]]", help="What to run; without it, papers and figures are listed."),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]PATH", help="A data set, or the folder that holds them; may be repeated."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A small version, in seconds; its results stay out of the tracked ones.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="All figures of all papers.")] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Compare the verdicts of a small run with the tracked ones; nothing is written."),
    ] = False,
    papers: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Folder of papers; else papers/ here or above.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, metavar="X", help="Begin no further repetition of a figure after that time.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the repetitions that earlier runs have kept.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """Re-run the figures and tables of a paper, and write their numbers beside the paper's.

    Needs the folder [bold]papers/[/bold] of a checkout.

    Example: [bold]halfseen reproduce generalized-latent-factors/figure1 --quick[/bold]
    """
    from halfseen.cli.reproduce import chosen, run_check, run_list, run_reproduce

    if what is None and not every:
        run_list(papers, json, is_check=check)
    elif check:
        run_check(chosen(what, every, papers), (data or [], quick, minutes, fresh), json)
    else:
        run_reproduce(chosen(what, every, papers), (data or [], quick, minutes, fresh), json)


add_data(app, STYLE)
add_prepare(app)
add_report(app)
add_board(app)
