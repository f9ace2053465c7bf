"""The job behind ``halfseen fit moment``: rows block by block, pairs added up, rank, fit, errors, pictures."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import halfseen as hs
from halfseen.cli.folder import MODEL, check_target, new_folder, write_records
from halfseen.cli.options import OutputOptions, TableOptions
from halfseen.cli.screen import Steps, count, figures, note, plain, print_json, say, share, stdout, steps, table

HELD_OUT = 0.2


@dataclass(frozen=True)
class MomentPlan:
    """What is to be done with the pairs."""

    rank: str
    ranks: str
    solver: str
    level: float
    errors: bool
    seed: int


@dataclass
class MomentOutcome:
    """What came of it."""

    model: Any
    inference: Any
    seconds: dict[str, float]


def run_moment(data: str, table: TableOptions, plan: MomentPlan, output: OutputOptions) -> None:
    """Run the whole job and show or save what came of it."""
    from threadpoolctl import threadpool_limits

    from halfseen.cli.fit import available_cores
    from halfseen.engines import engine

    if output.out is not None:
        check_target(output.out, output.force)
    if output.image is not None:
        raise ValueError("--image has no meaning here: rows are not completed; leave it out")
    if not 0 < plan.level < 1:
        raise ValueError(f"--level {plan.level:g} must lie between 0 and 1, such as 0.95")
    begun = time.perf_counter()
    workers = output.threads or available_cores()
    with threadpool_limits(1, "blas"), engine("threads", workers) if workers > 1 else engine("serial"):
        outcome = fit_blocks(open_blocks(data, table), plan)
    outcome.seconds["total"] = time.perf_counter() - begun
    facts = record(outcome, data, table, plan)
    if output.out is not None:
        save(output.out, outcome, facts)
    if output.json:
        print_json(facts)
    else:
        show(facts, output.out)


def open_blocks(data: str, options: TableOptions) -> Iterable[Any]:
    """Rows in blocks, as often as they are asked for: from the file itself, or of a table that was read whole."""
    from halfseen.cli.source import column, is_file, is_wide, open_table, separator
    from halfseen.data.blocks import BlockReading, RowBlocks

    path = Path(data)
    if options.weight is not None:
        raise ValueError("--weight has no meaning for pairs of entries; leave it out")
    is_whole = options.values is not None or data == "-" or path.suffix == ".npz" or path.is_dir()
    if not is_file(data) or is_wide(options) or is_whole:
        return [open_table(data, options)]
    reading = BlockReading(
        separator(options.sep), not options.no_header, options.missing, options.shift, options.duplicates.value
    )
    return RowBlocks(path, column(options.row), column(options.col), column(options.value), reading)


def fit_blocks(blocks: Iterable[Any], plan: MomentPlan) -> MomentOutcome:
    """Pairs of all rows (with ``--rank auto`` those of a fifth of the rows apart), the fit, and its errors."""
    rank, ranks = parse_rank(plan)
    seconds: dict[str, float] = {}
    with steps(2 + plan.errors) as bar:
        clock = time.perf_counter()
        train, held_out = add_up(blocks, plan.seed if rank == "auto" else None, bar)
        seconds["pairs"] = time.perf_counter() - clock
        model = hs.OneSidedCompletion(rank=rank, solver=plan.solver, ranks=ranks, random_state=plan.seed)
        bar.begin("fitting the pairs")
        clock = time.perf_counter()
        with warnings.catch_warnings():
            # the same is among the notes
            warnings.filterwarnings("ignore", "rows have .* entries on average", UserWarning)
            model.fit_moments(train, held_out)
        seconds["fit"] = time.perf_counter() - clock
        bar.end()
        inference = None
        if plan.errors:
            bar.begin("row-clustered errors")
            clock = time.perf_counter()
            inference = model.inference(plan.level, R=blocks, random_state=plan.seed)
            seconds["errors"] = time.perf_counter() - clock
            bar.end()
    return MomentOutcome(model, inference, seconds)


def add_up(blocks: Iterable[Any], seed: int | None, bar: Steps) -> tuple[Any, Any]:
    """Moments of all rows, or of a random fifth apart from the others where there is a seed."""
    rng, rows = np.random.default_rng(seed), 0
    parts: list[Any] = [None, None]
    for block in blocks:
        bar.begin(f"adding up pairs, {count(rows)} rows")
        held = rng.random(block.shape[0]) < (HELD_OUT if seed is not None else 0.0)
        for k, chosen in enumerate((~held, held)):
            if not chosen.any():
                continue
            if parts[k] is None:
                parts[k] = hs.PairMoments.empty(block.shape[1], block.col_labels)
            parts[k].partial_fit(block if chosen.all() else block.take_rows(chosen))
        rows += block.shape[0]
    bar.end()
    train, held_out = parts
    if train is None:
        raise ValueError("the table has 0 entries")
    if seed is not None and held_out is None:
        raise ValueError("--rank auto holds a fifth of the rows out, and there are too few rows; give --rank N")
    return train, held_out


def parse_rank(plan: MomentPlan) -> tuple[Any, tuple[int, ...]]:
    """The rank, and those that "auto" tries."""
    texts = plan.ranks.split(",") if plan.rank == "auto" else [plan.rank]
    option = "--ranks" if plan.rank == "auto" else "--rank"
    try:
        numbers = tuple(sorted({int(text) for text in texts if text.strip()}))
    except ValueError:
        raise ValueError(f"{option} {','.join(texts)!r}: give whole numbers, such as 4 or 1,2,4") from None
    if not numbers or numbers[0] < 1:
        raise ValueError(f"{option} {','.join(texts)}: ranks must be 1 or more")
    return ("auto" if plan.rank == "auto" else numbers[0]), numbers


def record(outcome: MomentOutcome, data: str, options: TableOptions, plan: MomentPlan) -> dict[str, Any]:
    """All facts of a run, ready for JSON."""
    from halfseen.cli.fit import command_line
    from halfseen.cli.report import config_of, versions

    model, found = outcome.model, outcome.model.diagnostics_
    moments, run = model.moments_, model.run_
    facts: dict[str, Any] = {
        "command": command_line(data),
        "method": "moment",
        "class": type(model).__name__,
        "data": {
            "source": data,
            "n_rows": moments.n_rows,
            "n_cols": moments.n_cols,
            "n_entries": moments.n_entries,
            "density": moments.n_entries / max(moments.n_rows * moments.n_cols, 1),
        },
        "table": asdict(options),
        "rank": model.rank_,
        "psi": model.psi_,
        "eigenvalues": model.eigenvalues_,
        "diagnostics": {
            "entries_per_row": found.entries_per_row,
            "rows_with_pairs": found.rows_with_pairs,
            "share_of_pairs": found.share_of_pairs,
            "unseen_columns": int(found.unseen.sum()),
            "columns_with_few_partners": int(found.few_partners.sum()),
            "islands": found.n_islands,
            "activity_slope": found.activity_slope,
            "messages": found.messages(model.rank_),
        },
        "config": config_of(model),
        "run": {"reason": run.reason, "converged": run.converged, "n_iter": run.n_iter, "value": run.value},
        "seconds": outcome.seconds,
        "versions": versions(),
    }
    if model.rank_search_ is not None:
        choice = model.rank_search_
        facts["choice"] = {"ranks": choice.ranks, "losses": choice.losses}
    if outcome.inference is not None:
        facts["intervals"] = errors_of(outcome.inference, plan.level)
    return plain(facts)


def errors_of(inference: Any, level: float) -> dict[str, Any]:
    """Intervals of eigenvalues and the angles of the row space."""
    values, space = inference.eigenvalues(), inference.row_space()
    return {
        "level": level,
        "eigenvalues_low": values.low,
        "eigenvalues_high": values.high,
        "angles": space.angles,
        "largest_angle": space.largest,
    }


def save(target: Path, outcome: MomentOutcome, facts: dict[str, Any]) -> None:
    """Write model, record and pictures; the folder is complete or not there at all."""
    with new_folder(target) as folder:
        hs.save(outcome.model, folder / MODEL)
        if find_spec("matplotlib") is None:
            note("no picture: matplotlib is not installed (pip install 'halfseen[plots]')")
        else:
            from halfseen.show import save_figure
            from halfseen.show.moments import plot_moment_fit, plot_second_moment

            save_figure(plot_second_moment(outcome.model), folder / "second_moment.png")
            figure = plot_moment_fit(outcome.model, outcome.inference)
            if figure is not None:
                save_figure(figure, folder / "fit.png")
        write_records(folder, facts, details(outcome))


def details(outcome: MomentOutcome) -> dict[str, Any]:
    """What a report page shows and the model does not hold: widths of intervals, which need the rows."""
    from halfseen.show.moments import Widths

    if outcome.inference is None:
        return {}
    return plain({"widths": asdict(Widths.of(outcome.model, outcome.inference))})


def show(facts: dict[str, Any], out: Path | None) -> None:
    """The result on the screen."""
    console, data, found = stdout(), facts["data"], facts["diagnostics"]
    console.print(
        f"[bold]{data['source']}[/bold]: {count(data['n_rows'])} rows x {count(data['n_cols'])} columns, "
        f"{count(data['n_entries'])} entries, {found['entries_per_row']:.1f} per row"
    )
    console.print(
        f"{count(found['rows_with_pairs'])} rows with two or more; {share(found['share_of_pairs'])} of all pairs of "
        "columns were seen together"
    )
    console.print()
    console.print(components_table(facts))
    console.print()
    if "choice" in facts:
        loss = min(facts["choice"]["losses"])
        console.print(
            f"rank [bold]{facts['rank']}[/bold] of {', '.join(map(str, facts['choice']['ranks']))}, chosen on pairs of "
            f"held-out rows: explains {share(max(1 - loss, 0.0))} of their squares (the rest is mostly chance)"
        )
    console.print(f"variance that no factor explains: {facts['psi']:.4g} per column")
    if "intervals" in facts:
        console.print(
            f"row space: within {facts['intervals']['largest_angle']:.1f} degrees of the true one "
            f"({facts['intervals']['level']:.0%})"
        )
    for text in found["messages"]:
        console.print(f"note: {text}")
    if out is not None:
        say(f"{out}/  " + "  ".join(facts["files"]))
    else:
        console.print("nothing saved; add -o DIR to keep the model")
    console.print(f"{facts['seconds']['total']:.1f} s")


def components_table(facts: dict[str, Any]) -> Any:
    """Eigenvalues, their intervals and angles."""
    values, found = facts["eigenvalues"], facts.get("intervals")
    total = sum(values) + facts["psi"] * facts["data"]["n_cols"]
    heads = ["eigenvalue", "of all"]
    columns = [figures(values), [share(value / total) if total > 0 else "-" for value in values]]
    if found is not None:
        low, high = (figures(found[f"eigenvalues_{end}"]) for end in ("low", "high"))
        heads += [f"{found['level']:.0%} interval", "angle"]
        columns += [[f"{a} .. {b}" for a, b in zip(low, high, strict=True)], [f"{a:.1f}" for a in found["angles"]]]
    made = table("component", *heads)
    for k in range(len(values)):
        made.add_row(str(k + 1), *(column[k] for column in columns))
    return made
