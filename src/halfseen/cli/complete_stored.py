"""``halfseen complete`` of a prepared folder: out of core or on Dask, into a folder with a Parquet file a block."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

import halfseen as hs
from halfseen.cli.complete import METHODS, CompletePlan, facts_of, parsed, tell
from halfseen.cli.options import BlockOptions, TableOptions
from halfseen.cli.scores import places
from halfseen.cli.screen import note, print_json
from halfseen.cli.source import refuse_reading
from halfseen.cli.stored import MOST_JUDGED
from halfseen.cli.where import check_blocks, computing, keeping
from halfseen.data import Observed, PreparedTable
from halfseen.data.prepared import open_block
from halfseen.metrics import rmse

# Of these a prepared table is fitted; "auto" is the first, which takes some twenty readings.
ON_FOLDERS = ("als", "bayes", "soft-impute", "factor", "means")


def run_complete_stored(
    data: str,
    plan: CompletePlan,
    options: tuple[TableOptions, BlockOptions],
    how: tuple[Path | None, bool, bool, bool],
) -> None:
    """Judge on entries held out, fit, and write every block's cells where the block is."""
    (reading, where), (out, as_json, _, is_quiet) = options, how
    check_blocks(where, [data], "complete")
    target = checked(data, plan, reading, out)
    if plan.method == "auto":
        note(f"a prepared folder is completed by --method {ON_FOLDERS[0]}; bayes predicts better, in 220 readings")
        plan = CompletePlan(ON_FOLDERS[0], *list(vars(plan).values())[1:])
    table: Any = hs.read_table(data, memory=where.memory)
    with computing(where, plan.threads):
        judged = judge(table, plan, where)
        model = made(plan)
        model.fit(table, **keeping(model, where.checkpoint, "fit", where.resume))
        model.write_table(target, keep_seen=True)
    facts = facts_of(data, plan, table, judged)
    if as_json:
        print_json({**facts, "file": str(target)})
    elif not is_quiet:
        tell(facts, target)


def checked(data: str, plan: CompletePlan, reading: TableOptions, out: Path | None) -> Path:
    """Refuse what cannot be done before any work; the folder to write to."""
    if out is None or out.suffix:
        raise ValueError(f"{data} is a prepared table, whose cells go into a folder: give -o FOLDER, a new one")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"-o {out} exists and is not an empty folder; give a new one")
    refuse_reading(reading)
    if plan.method not in ("auto", *ON_FOLDERS):
        raise ValueError(
            f"--method {plan.method} does not fit a prepared table; take {', '.join(ON_FOLDERS)}, or give the file"
        )
    if plan.interval is not None:
        raise ValueError(
            "--interval: a prepared table is completed without intervals; 'halfseen fit bayes' and "
            "'halfseen predict RUN PAIRS --level P' give those of chosen cells"
        )
    if plan.scale == "columns":
        raise ValueError("--scale columns needs the table in memory; leave it out for a prepared table")
    for name, value in vars(plan.features).items():
        if value:
            raise ValueError(f"--{name.replace('_', '-')} needs the table in memory; leave it out for a prepared table")
    if not 0 <= plan.held_out < 1:
        raise ValueError(f"--held-out {plan.held_out} must be at least 0 and less than 1 (0.1 keeps a tenth back)")
    return out


def made(plan: CompletePlan) -> Any:
    """The model that was asked for."""
    estimator: Any = getattr(hs, METHODS[plan.method])
    names = estimator().get_params()
    given: dict[str, Any] = {"random_state": plan.seed}
    for name, option in (("rank", plan.rank), ("family", plan.family)):
        if option is not None and name not in names:
            raise ValueError(f"--{name} has no meaning for --method {plan.method}; leave it out")
        if option is not None:
            given[name] = parsed(estimator, name, option)
    if plan.method == "factor" and plan.family is None:
        given["family"] = "gaussian"
    return estimator(**{name: value for name, value in given.items() if name in names})


def judge(table: PreparedTable, plan: CompletePlan, where: BlockOptions) -> dict[str, Any] | None:
    """Errors on entries held out by a hash of their places, beside those of the column means."""
    share = min(plan.held_out, MOST_JUDGED / table.n_entries)
    if not share or table.n_entries < 20:
        return None
    train, test = table.split(share, plan.seed)
    if not train.n_entries or not test.n_entries:
        return None
    kept = test.load()
    hidden = kept.take_rows(np.flatnonzero(kept.by_rows.counts))
    model = made(plan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the fit to all entries says it again
        model.fit(train, **keeping(model, where.checkpoint, "judge", where.resume))
    theirs = rmse(hidden.values, column_means(train)[hidden.cols])
    ours = rmse(hidden.values, predicted(model, hidden))
    if not ours < theirs:
        note(
            f"on cells kept back this is no better than the column means (RMSE {ours:.4g}, column means {theirs:.4g}); "
            "use --method means, or another --rank or --family"
        )
    return {"n_held_out": hidden.n_entries, "rmse": ours, "rmse_column_mean": theirs, "unit": "as in the table"}


def predicted(model: Any, hidden: Observed) -> np.ndarray:
    """What a model says of the entries."""
    return np.asarray(model.predict(*places(hidden)), dtype=float)


def column_means(table: PreparedTable) -> np.ndarray:
    """Means of the entries of every column, the overall mean where there are none; one reading."""
    total = np.zeros(table.shape[1])
    for number in range(table.n_blocks):
        view = open_block(table.recipe(number)).rows
        total += view.minor_sums(view.values if view.weights is None else view.values * view.weights)
    weights = table.column_weights
    return np.where(weights > 0, total / np.where(weights > 0, weights, 1.0), table.mean)
