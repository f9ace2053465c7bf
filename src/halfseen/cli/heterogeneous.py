"""The job behind ``halfseen fit heterogeneous``: sources in, ranks chosen, fitted, judged, saved."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import halfseen as hs
from halfseen.cli.fit import available_cores, check_shares, command_line, parse_ranks
from halfseen.cli.folder import check_target
from halfseen.cli.options import JudgeOptions, OutputOptions, SourcesOptions, TableOptions
from halfseen.cli.report import config_of
from halfseen.cli.screen import Steps, print_json, steps
from halfseen.cli.source import column, is_wide, open_table, separator, words
from halfseen.data import Observed, Sources, check_support
from halfseen.engines import engine
from halfseen.losses import get_loss
from halfseen.metrics import mae, rmse

# JIVE fills whole tables and decomposes them in every sweep.
DENSE_RIVAL_CELLS = 2_000_000


@dataclass
class Fitted:
    """Everything a fit has to tell."""

    sources: Sources
    model: Any
    choice: Any
    figures: list[dict[str, Any]]
    n_judged: int


def run_sources(
    files: list[str], given: SourcesOptions, reading: TableOptions, judge: JudgeOptions, output: OutputOptions
) -> None:
    """Run the whole job and show or save what came of it."""
    from threadpoolctl import threadpool_limits

    from halfseen.cli.sources_report import picture_size, record, save_run, show

    if output.out is not None:
        check_target(output.out, output.force)
    check_shares(judge)
    begun = time.perf_counter()
    sources = open_sources(files, given.source, reading)
    size = picture_size(output.image, sources.n_rows)
    loss = get_loss(given.family)
    for source in sources.values():
        check_support(source, loss)
    workers = output.threads or available_cores()
    with threadpool_limits(1, "blas"), engine("threads", workers) if workers > 1 else engine("serial"):
        fitted = fit_and_judge(sources, given, judge)
    facts = record(fitted, files, (given, reading, judge), command_line(files[0]))
    facts["config"] = config_of(fitted.model)
    facts["seconds"] = {"total": time.perf_counter() - begun}
    if output.out is not None:
        save_run(output.out, fitted, facts, size)
    if output.json:
        print_json(facts)
    else:
        show(facts, output.out)


def open_sources(files: list[str], source: str | None, reading: TableOptions) -> Sources:
    """One long table with a column of sources, or a table per file, named by the files.

    Raises
    ------
    ValueError
        For one file without ``--source``, several with it, and files of one name.
    """
    if source is not None:
        if len(files) > 1:
            raise ValueError(f"--source {source} is for one long table, and {len(files)} were given; leave it out")
        return long_sources(files[0], source, reading)
    if len(files) == 1:
        raise ValueError("one table needs --source COLUMN, which names the source of each entry; or give several files")
    names = [Path(file).name.split(".")[0] for file in files]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two files are called {twice!r}; sources are named by their files, so rename one")
    tables = {name: open_table(file, reading) for name, file in zip(names, files, strict=True)}
    return Sources(tables, rows="union" if all(t.row_labels is not None for t in tables.values()) else "same")


def read_sources(files: list[str], source: str | None, reading: TableOptions) -> Sources:
    """One table, one long table with a column of sources, or a table per file."""
    if source is not None:
        return long_sources(files[0], source, reading) if len(files) == 1 else open_sources(files, source, reading)
    if len(files) == 1:
        return Sources({Path(files[0]).name.split(".")[0]: open_table(files[0], reading)})
    return open_sources(files, None, reading)


def long_sources(file: str, source: str, reading: TableOptions) -> Sources:
    """Read a long table with a column of sources."""
    if is_wide(reading):
        raise ValueError("--source is for long tables, one line per entry; leave --wide out")
    row, col, value, weight = (column(getattr(reading, name)) for name in ("row", "col", "value", "weight"))
    return hs.read_sources(
        file, column(source), row, col, value, weight=weight, sep=separator(reading.sep), header=not reading.no_header,
        missing=reading.missing, shift=reading.shift, duplicates=reading.duplicates.value,
        values=words(reading.values), max_bytes=reading.max_bytes,
    )  # fmt: skip


def fit_and_judge(sources: Sources, given: SourcesOptions, judge: JudgeOptions) -> Fitted:
    """Hold out, choose both ranks and the penalty, fit, judge beside rivals, and fit again with what was held out."""
    part = judge.held_out if judge.hide is None else judge.hide
    seen, hidden = sources.split(part, random_state=judge.seed) if part else (sources, None)
    again = hidden is not None and judge.hide is None and judge.refit
    model = hs.HeterogeneousFactorization(family=given.family, solver=given.solver, random_state=judge.seed)
    shared, unique, penalties = candidates(sources, given)
    figures: list[dict[str, Any]] = []
    with steps(2 + 3 * (hidden is not None) + again) as bar:
        choice = choose(model, seen, (shared, unique, penalties), judge.seed, bar)
        name = f"shared {model.shared_rank} + unique {model.unique_rank}"
        name += f", penalty {model.penalty:g}" if model.penalty else ""
        one_step(bar, name, lambda: model.fit(seen))
        if hidden is not None:
            figures.append({"model": f"heterogeneous, {name}", **scores(model, hidden)})
            figures += rivals(seen, hidden, model, judge.seed, bar)
        if again:
            one_step(bar, "once more, on all entries", lambda: model.fit(sources))
    return Fitted(sources, model, choice, figures, 0 if hidden is None else hidden.n_entries)


def candidates(sources: Sources, given: SourcesOptions) -> tuple[tuple[int, ...], tuple[int, ...], tuple[float, ...]]:
    """Shared ranks, unique ranks and penalties to try."""
    largest = min(sources.n_rows, *(one.shape[1] for one in sources.values()))
    ranks = [parse_ranks(text, given.ranks, largest) for text in (given.shared_rank, given.unique_rank)]
    penalties = numbers("--penalty", given.penalty)
    unique = (0, *ranks[1]) if given.unique_rank == "auto" else ranks[1]
    return ranks[0], unique, penalties


def numbers(option: str, text: str) -> tuple[float, ...]:
    """Numbers with commas, sorted, each once.

    >>> numbers("--penalty", "5, 1,5")
    (1.0, 5.0)
    """
    try:
        found = tuple(sorted({float(word) for word in text.split(",") if word.strip()}))
        is_right = bool(found) and all(0 <= number < np.inf for number in found)
    except ValueError:
        is_right = False
    if not is_right:
        raise ValueError(f"{option} {text!r}: give a number of at least 0, or several with commas")
    return found


def choose(model: Any, seen: Sources, grid: tuple[Any, Any, Any], seed: int, bar: Steps) -> Any:
    """Set the model's ranks and penalty: as given, or as held-out entries choose."""
    shared, unique, penalties = grid
    if len(shared) == len(unique) == len(penalties) == 1:
        model.set_params(shared_rank=shared[0], unique_rank=unique[0], penalty=penalties[0])
        bar.end()
        return None
    found = one_step(
        bar, "ranks and penalty", lambda: hs.select.choose_source_ranks(model, seen, *grid, random_state=seed)
    )
    model.set_params(**found.parameters)
    return found


def rivals(seen: Sources, hidden: Sources, model: Any, seed: int, bar: Steps) -> list[dict[str, Any]]:
    """What else a user could have taken: one table of all columns, JIVE where tables are small, columns' means."""
    rank = min(model.shared_rank + int(np.max(model.unique_rank)), seen.n_rows, sum(p for _, p in seen.shapes.values()))
    rows = []
    is_small = sum(one.shape[0] * one.shape[1] for one in seen.values()) <= DENSE_RIVAL_CELLS
    if is_small and model.loss_.name == "gaussian":
        jive = hs.JIVE(model.shared_rank, model.unique_rank, max_iter=100, tol=1e-5)
        rows.append({"model": "JIVE, imputing", **scores(one_step(bar, "JIVE", lambda: jive.fit(seen), True), hidden)})
    return rows + pooled_rivals(seen, hidden, rank, seed, bar)


def pooled_rivals(seen: Sources, hidden: Sources, rank: int, seed: int, bar: Steps) -> list[dict[str, Any]]:
    """Least squares over all columns side by side, and the columns' means."""
    pooled, test, rows = seen.pooled(), aligned(seen, hidden), []
    for name, rival in (
        (f"alternating least squares, pooled, rank {rank}", hs.AlternatingLeastSquares(rank=rank, random_state=seed)),
        ("column mean", hs.ColumnMean()),
    ):
        one_step(bar, name, lambda rival=rival: rival.fit(pooled), True)
        at = places(pooled, test)
        predicted = np.asarray(rival.predict(*at), dtype=float)
        rows.append({"model": name, **errors(test.values, predicted)})
    return rows


def aligned(seen: Sources, hidden: Sources) -> Observed:
    """The held-out entries as one table with the columns of ``seen.pooled()``."""
    rows, cols, values, start = [], [], [], 0
    for name, one in seen.items():
        if name in hidden.names:
            rows.append(hidden[name].rows)
            cols.append(hidden[name].cols + start)
            values.append(hidden[name].values)
        start += one.shape[1]
    shape = (seen.n_rows, start)
    return Observed.from_triplets(np.concatenate(rows), np.concatenate(cols), np.concatenate(values), shape=shape)


def places(named: Observed, entries: Observed) -> tuple[Any, Any]:
    """Rows and columns of entries, by the labels of a table that has them."""
    rows, cols = named.row_labels, named.col_labels
    return (
        entries.rows if rows is None else rows[entries.rows],
        entries.cols if cols is None else cols[entries.cols],
    )


def scores(model: Any, hidden: Sources) -> dict[str, float]:
    """Errors of a model of many sources on held-out entries."""
    truth, predicted = [], []
    for name, one in hidden.items():
        truth.append(one.values)
        predicted.append(np.asarray(model.predict_entries(name, *places(one, one)), dtype=float))
    return errors(np.concatenate(truth), np.concatenate(predicted))


def errors(truth: Any, predicted: Any) -> dict[str, float]:
    """Root mean squared and mean absolute error."""
    return {"rmse": rmse(truth, predicted), "mae": mae(truth, predicted)}


def one_step(bar: Steps, text: str, work: Any, is_rival: bool = False) -> Any:
    """What ``work`` returns, as one step of the bar."""
    bar.begin(text)
    with warnings.catch_warnings():
        if is_rival:  # what others complain about is no matter of this fit
            warnings.simplefilter("ignore")
        found = work()
    bar.end()
    return found
