"""The commands of ``halfseen`` and their help."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from halfseen.cli.board import add_board
from halfseen.cli.completion_options import AlsOptions, BayesOptions, NuclearOptions
from halfseen.cli.data_commands import add_data
from halfseen.cli.fit_descent import add_descent
from halfseen.cli.fit_factor import add_factor
from halfseen.cli.fit_inductive import add_inductive
from halfseen.cli.fit_irt import add_irt
from halfseen.cli.item_commands import add_items
from halfseen.cli.options import (
    ALS_RANKS,
    MOMENT_RANKS,
    Data,
    JudgeOptions,
    OutputOptions,
    Ranks,
    TableOptions,
    grouped,
)
from halfseen.cli.products import add_products
from halfseen.cli.rank_command import add_rank
from halfseen.cli.report_command import add_report
from halfseen.cli.screen import OneLineErrors, plainly
from halfseen.cli.sources_command import fit_autoencoder, fit_heterogeneous

STYLE: Any = {"rich_markup_mode": "rich", "pretty_exceptions_enable": False, "add_completion": False}
NAMES = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(cls=OneLineErrors, context_settings=NAMES, **STYLE)
fit = typer.Typer(cls=OneLineErrors, no_args_is_help=True, **STYLE)
app.add_typer(fit, name="fit", help="Fit a model to the seen entries and judge it on held-out ones.")


class PairSolver(StrEnum):
    """How pairs are fitted."""

    lbfgs = "lbfgs"
    gd = "gd"


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


@app.command()
@plainly
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to write.")] = Path("halfseen-demo"),
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier run in that folder.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
    threads: Annotated[int | None, typer.Option(min=1, metavar="N", help="Threads to compute on.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of everything random.")] = 0,
) -> None:
    """Hide 60 % of the pixels of scikit-learn's digits, and complete them.

    Runs [bold]halfseen fit factor digits --family binomial --trials 16 --hide 0.6 --ranks 4,8,16[/bold];
    the same command takes your own table.

    Example: [bold]halfseen demo -o halfseen-demo/[/bold]
    """
    from halfseen.cli.fit import Method, run_fit

    run_fit(
        "digits",
        Method.factor("digits", "binomial", 16, "auto"),
        ("auto", DEMO_RANKS),
        TableOptions(),
        JudgeOptions(hide=0.6, seed=seed),
        OutputOptions(out=out, force=force, json=json, threads=threads),
    )


@app.command()
@grouped
@plainly
def describe(
    data: Data,
    table: TableOptions,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """What was observed of a table: size, values, thin rows and columns, and a family that fits.

    Example: [bold]halfseen describe u.data --no-header --row 0 --col 1 --value 2[/bold]
    """
    from halfseen.cli.describe import run_describe

    run_describe(data, table, json)


add_factor(fit)
add_irt(fit)


@fit.command("als")
@grouped
@plainly
def fit_als(
    data: Data,
    table: TableOptions,
    judge: JudgeOptions,
    output: OutputOptions,
    switches: AlsOptions,
    rank: Annotated[
        str | None,
        typer.Option(
            metavar="N|auto",
            help="Number of factors; 'auto' finds it, by descent from a small start and on held-out entries.",
            show_default="16, or the shorter side of the table where that is less",
        ),
    ] = None,
    ranks: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Ranks that 'auto' tries instead.", show_default="none")
    ] = None,
) -> None:
    """Alternating least squares with biases, for ratings and other real numbers.

    Example: [bold]halfseen fit als ratings.parquet --row user --col item --value rating -o run/[/bold]
    """
    from halfseen.cli.fit import Method, run_fit

    if ranks is not None and rank is None:
        rank = "auto"
    method = Method.als(switches, finds=rank == "auto" and ranks is None)
    run_fit(data, method, (rank, ranks or ALS_RANKS), table, judge, output)


@fit.command("bayes")
@grouped
@plainly
def fit_bayes(
    data: Data,
    table: TableOptions,
    judge: JudgeOptions,
    output: OutputOptions,
    switches: BayesOptions,
    rank: Annotated[
        str | None,
        typer.Option(
            metavar="N|auto",
            help="Number of factors; 'auto' tries --ranks on held-out entries.",
            show_default="16, or the shorter side of the table where that is less",
        ),
    ] = None,
    ranks: Ranks = ALS_RANKS,
) -> None:
    """Bayesian factorisation by Gibbs sampling: nothing to tune, and predictive intervals.

    Example: [bold]halfseen fit bayes ratings.parquet --row user --col item --value rating -o run/[/bold], then
    [bold]halfseen predict run/ pairs.csv --level 0.95[/bold]
    """
    from halfseen.cli.baselines import bayes
    from halfseen.cli.fit import run_fit

    run_fit(data, bayes(switches), (rank, ranks), table, judge, output)


@fit.command("soft-impute")
@grouped
@plainly
def fit_soft_impute(
    data: Data,
    table: TableOptions,
    judge: JudgeOptions,
    output: OutputOptions,
    switches: NuclearOptions,
    rank: Annotated[
        str | None,
        typer.Option(
            metavar="N|auto",
            help="Largest rank; 'auto' tries --ranks on held-out entries.",
            show_default="16, or the shorter side of the table where that is less",
        ),
    ] = None,
    ranks: Ranks = ALS_RANKS,
) -> None:
    """Soft-impute: completion by the nuclear norm, its penalty chosen along a path.

    Example: [bold]halfseen fit soft-impute ratings.parquet --row user --col item --value rating -o run/[/bold]
    """
    from halfseen.cli.baselines import soft_impute
    from halfseen.cli.fit import run_fit

    run_fit(data, soft_impute(switches), (rank, ranks), table, judge, output)


@fit.command("moment")
@grouped
@plainly
def fit_moment(
    data: Data,
    table: TableOptions,
    output: OutputOptions,
    rank: Annotated[
        str, typer.Option(metavar="N|auto", help="Number of factors; 'auto' tries --ranks on a fifth of the rows.")
    ] = "auto",
    ranks: Annotated[str, typer.Option(metavar="N,N,...", help="Ranks that 'auto' tries.")] = MOMENT_RANKS,
    solver: Annotated[PairSolver, typer.Option(help="L-BFGS, or the paper's gradient descent.")] = PairSolver.lbfgs,
    level: Annotated[float, typer.Option(metavar="X", help="Level of the intervals.")] = 0.95,
    errors: Annotated[bool, typer.Option(help="Row-clustered errors: reads the rows a second time.")] = True,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of everything random.")] = 0,
) -> None:
    """One-sided completion: how columns move together, from rows with a handful of entries each.

    Rows go through in blocks, so files may be larger than memory.

    Example: [bold]halfseen fit moment visits.parquet --row user --col shop --value spent -o run/[/bold]
    """
    from halfseen.cli.moment import MomentPlan, run_moment

    run_moment(data, table, MomentPlan(rank, ranks, solver.value, level, errors, seed), output)


fit.command("heterogeneous")(fit_heterogeneous)
fit.command("autoencoder")(fit_autoencoder)


add_products(app)
add_rank(app)
add_items(app)


@app.command()
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
    from halfseen.cli.reproduce import run_list, run_reproduce

    if what is None:
        run_list(papers, json)
    else:
        run_reproduce(what, papers, (data or [], quick, minutes, fresh), json)


add_descent(fit)
add_inductive(fit)
add_data(app, STYLE)
add_report(app)
add_board(app)
