"""``halfseen complete --source``: one long table of several sources in, all cells of each source out."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

import halfseen as hs
from halfseen.cli.complete import CompletePlan, check_plan
from halfseen.cli.filled import cells_of
from halfseen.cli.options import TableOptions
from halfseen.cli.screen import count, figures, note, print_json, say, share
from halfseen.cli.source import open_sources
from halfseen.cli.threads import on_threads
from halfseen.cli.written import STANDARD_OUTPUT, deliver
from halfseen.data import Observed, Sources
from halfseen.metrics import rmse

# What a source's values may look like that is no real number.
FAMILIES = ("bernoulli", "poisson")


def run_complete_sources(
    data: str, source: str, plan: CompletePlan, reading: TableOptions, how: tuple[Path | None, bool, bool, bool]
) -> None:
    """Read, judge on held-out cells, fit all sources together, fill and write."""
    out, as_json, is_raw, is_quiet = how
    check_plan(plan, out)
    for name, value, usual in (
        ("method", plan.method, "auto"),
        ("rank", plan.rank, None),
        ("scale", plan.scale, "auto"),
    ):
        if value != usual:
            raise ValueError(
                f"--{name} has no meaning with --source: sources are completed together by the Bayesian model of many "
                "sources; leave it out"
            )
    with on_threads(plan.threads):
        sources = open_sources([data], source, reading)
        for table in sources.values():
            cells_of(table)
        family = families_of(sources, plan.family)
        judged = judge(sources, family, plan)
        model = hs.HeterogeneousFactorization(family=family, random_state=plan.seed).fit(sources)
        answer = lines_of(model, sources, plan.interval, reading.shift)
    facts = {
        "source": data, "method": "heterogeneous", "n_rows": sources.n_rows, "interval": plan.interval,
        "family": family, "factors": model.factor_names_, "judged": judged,
        "sources": {name: {"n_cols": table.shape[1], "n_seen": table.n_entries} for name, table in sources.items()},
    }  # fmt: skip
    deliver(answer, out, False, is_raw, n_labels=3)
    if out is None or out == STANDARD_OUTPUT:
        return
    if as_json:
        print_json({**facts, "file": str(out)})
    elif not is_quiet:
        tell(facts, sources, out)


def families_of(sources: Sources, given: str | None) -> dict[str, str]:
    """The family that was asked for, or by source what its values look like."""
    if given is not None:
        return dict.fromkeys(sources.names, given)
    families = {}
    for name, table in sources.items():
        hints = table.describe()["hints"]
        family = next((hint["value"] for hint in hints if hint["kind"] == "family"), "gaussian")
        families[name] = family if family in FAMILIES else "gaussian"
    told = ", ".join(f"{name}: {family}" for name, family in families.items() if family != "gaussian")
    if told:
        note(f"taken for {told}; say --family gaussian if they are numbers")
    return families


def judge(sources: Sources, family: dict[str, str], plan: CompletePlan) -> dict[str, Any] | None:
    """Errors by source on cells kept back, beside those of the column means; None where nothing is kept back."""
    if not plan.held_out or sources.n_entries < 20:
        return None
    try:
        seen, hidden = sources.split(plan.held_out, random_state=plan.seed)
    except ValueError:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the fit to all entries says it again
        model = hs.HeterogeneousFactorization(family=family, random_state=plan.seed).fit(seen)
        judged = {}
        for name, table in hidden.items():
            rows, cols = names_of(table)
            labels = rows[table.rows], cols[table.cols]
            means = hs.ColumnMean().fit(seen[name]).predict(*labels)
            ours = rmse(table.values, model.predict_entries(name, *labels))
            judged[name] = {"n_held_out": table.n_entries, "rmse": ours, "rmse_column_mean": rmse(table.values, means)}
    return judged


def lines_of(model: Any, sources: Sources, level: float | None, shift: float) -> dict[str, Any]:
    """All cells of all sources: source, row, column, value, whether it was filled, and ends of intervals."""
    parts: dict[str, list[Any]] = {name: [] for name in ("source", "row", "col", "value", "is_filled")}
    if level is not None:
        parts |= {"low": [], "high": []}
    inference = None if level is None else model.inference(level)
    for name, table in sources.items():
        (n, p), (rows, cols) = table.shape, names_of(table)
        missing = np.ones((n, p), dtype=bool)
        missing[table.rows, table.cols] = False
        i, j = np.nonzero(missing)
        numbers = np.full((n, p), np.nan)
        numbers[table.rows, table.cols] = table.values
        if len(i):
            numbers[i, j] = model.predict_entries(name, rows[i], cols[j])
        for key, values in (("source", [name] * (n * p)), ("row", np.repeat(rows, p)),
                            ("col", np.tile(cols, n)), ("value", (numbers - shift).ravel()),
                            ("is_filled", missing.ravel())):  # fmt: skip
            parts[key].append(np.asarray(values))
        if inference is not None:
            ends = inference.missing(table, source=name) if len(i) else None
            for key in ("low", "high"):
                side = np.full((n, p), None, dtype=object)
                if ends is not None:
                    side[i, j] = (np.asarray(getattr(ends, key), dtype=float) - shift).tolist()
                parts[key].append(side.ravel())
    return {key: np.concatenate(values) for key, values in parts.items()}


def names_of(table: Observed) -> tuple[np.ndarray, np.ndarray]:
    """Names of rows and columns, else their positions."""
    n, p = table.shape
    rows, cols = table.row_labels, table.col_labels
    return np.arange(n) if rows is None else rows, np.arange(p) if cols is None else cols


def tell(facts: dict[str, Any], sources: Sources, out: Path) -> None:
    """The result on the screen."""
    cells = sum(n * p for n, p in sources.shapes.values())
    filled = cells - sources.n_entries
    say(
        f"{facts['source']}: {count(facts['n_rows'])} rows, {len(sources)} sources; {count(filled)} cells filled "
        f"({share(filled / max(cells, 1))} of them all)"
    )
    for name, found in (facts["judged"] or {}).items():
        ours, theirs = figures([found["rmse"], found["rmse_column_mean"]])
        say(f"{name}: on {count(found['n_held_out'])} cells kept back RMSE {ours}; column means {theirs}")
        if not found["rmse"] < found["rmse_column_mean"]:
            note(f"{name}: on cells kept back this is no better than the column means")
    say(str(out))
