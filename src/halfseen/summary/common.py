"""Sections that every page has: how well it fits, where the data are missing, how the numbers were made."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np

from halfseen.data import Observed, Sources
from halfseen.data.facts import SeenShares, describe
from halfseen.show.fits import plot_bins, plot_rank_choice, plot_trace
from halfseen.show.seen import plot_counts, plot_seen
from halfseen.summary.parts import Chapter, Code, Column, Facts, Note, Part, Picture, Section, Table, Text
from halfseen.summary.subject import Subject
from halfseen.text import count, figures, share

REASONS = {
    "gradient": "the gradient is small",
    "change": "the objective hardly changes any more",
    "precision": "the arithmetic allows no further decrease",
    "exact": "the answer is exact",
    "held_out": "the held-out error no longer falls",
    "time": "a time worked out beforehand was reached",
    "discrepancy": "what is left of the table is as large as the noise",
    "plateau": "the singular values stand still",
    "sampled": "all draws were made",
    "max_iter": "the largest number of sweeps was reached",
    "not_finite": "numbers grew beyond all bounds",
    "stalled": "no step lowered the objective any more",
    "separated": "some rows or columns are predicted perfectly",
}
ASSUMED = (
    "Whether an entry was seen may depend on its row and its column, not on its value given the factors. The seen "
    "entries are independent of each other given the factors."
)


def three(value: float) -> str:
    """A number with three digits."""
    return figures([value])[0] if value is not None and math.isfinite(value) else "-"


def glance(subject: Subject) -> list[tuple[str, str]]:
    """What everyone wants to know first: size, share seen, errors, how it ended."""
    items = [*_size(subject), *_errors(subject)]
    run = getattr(subject.model, "run_", None)
    if run is not None:
        items.append(("ended", ended(run)))
    return items


def ended(run: Any) -> str:
    """How a fit ended, and after how many sweeps."""
    how = "converged" if run.converged else run.reason.replace("_", " ")
    return f"{how}, {run.n_iter} sweep{'' if run.n_iter == 1 else 's'}"


def _size(subject: Subject) -> list[tuple[str, str]]:
    data = subject.record.get("data", {})
    shape = getattr(subject.model, "observed_shape_", None)
    entries = data.get("n_entries")
    if isinstance(subject.data, Observed | Sources):
        entries = subject.data.n_entries
    items = [] if shape is None else [("rows", count(shape[0])), ("columns", count(shape[1]))]
    if entries is not None:
        items.append(("entries seen", count(entries)))
        if shape is not None and shape[0] * shape[1]:
            items.append(("of all cells", share(entries / (shape[0] * shape[1]))))
    return items


def _errors(subject: Subject) -> list[tuple[str, str]]:
    rows = subject.record.get("figures") or []
    if not rows:
        return []
    worst = rows[-1]
    return [
        ("held-out RMSE", three(rows[0]["rmse"])),
        (f"RMSE / {worst['model']}", three(rows[0]["rmse"] / (worst["rmse"] or math.nan))),
    ]


def fit_section(subject: Subject, more: Sequence[Part] = ()) -> Section:
    """Held-out errors beside rivals, calibration, what was chosen, the trace."""
    record, run = subject.record, getattr(subject.model, "run_", None)
    parts = [*held_out(record), *(part for part in more if not isinstance(part, Picture))]
    if bins := subject.details.get("held_out"):
        parts.append(
            Picture(
                lambda: plot_bins(bins),
                "held-out entries against their predictions",
                "Predictions in bins of equal counts; on the dashed line they are right on average.",
            )
        )
    choice = record.get("choice") or {}
    if len(choice.get("ranks", [])) > 1 and "rank" in record:
        losses = [math.nan if loss is None else loss for loss in choice["losses"]]
        parts.append(
            Picture(
                lambda: plot_rank_choice(choice["ranks"], losses, record["rank"]),
                "loss on held-out entries of every rank that was tried",
            )
        )
    parts += [part for part in more if isinstance(part, Picture)]
    if run is not None and len(run.trace) > 1:
        parts.append(
            Picture(
                lambda: plot_trace(run), f"objective sweep by sweep; {run.n_iter} sweeps", "The fit, sweep by sweep."
            )
        )
    if not parts:
        parts.append(Text("Nothing was held out and the fit has no trace: there is nothing to judge it by here."))
    return Section("How well it fits", parts)


def held_out(record: Mapping[str, Any]) -> list[Part]:
    """The table of errors on held-out entries, beside what else could have been taken."""
    rows = record.get("figures") or []
    if not rows:
        return []
    titles = {"rmse": "RMSE", "mae": "mean abs. error", "deviance": "deviance"}
    columns = [Column("model", [row["model"] for row in rows], kind="text")]
    for key, title in titles.items():
        if key in rows[0]:
            values = [math.nan if row.get(key) is None else row[key] for row in rows]
            columns.append(Column(title, values, kind="figures"))
    base = rows[-1]["rmse"] or math.nan
    columns.append(Column(f"RMSE / {rows[-1]['model']}", [row["rmse"] / base for row in rows], kind="figures"))
    judge = record.get("judge", {})
    text = f"Fitted to {count(record['n_fitted'])} entries, judged" if "n_fitted" in record else "Judged"
    text += f" on {count(record.get('n_judged', 0))} that no fit had seen."
    if judge.get("hide") is None and judge.get("refit") and record.get("options", {}).get("out"):
        text += " The model that is kept was then fitted to all entries."
    if "unit" in record:
        text += " Errors are in units of each column's spread."
    parts: list[Part] = [Text(text), Table("Errors on held-out entries", columns)]
    if seen := record.get("intervals", {}).get("coverage"):
        level, width = record["intervals"]["level"], record["intervals"]["mean_width"]
        parts.append(
            Text(f"{share(level)} predictive intervals held {100 * seen:.1f} % of them; mean width {three(width)}.")
        )
    best = min(rows, key=lambda row: row["rmse"])
    if best is not rows[0]:
        parts.append(Note(f"{best['model']} predicts the held-out entries better than this model does."))
    return parts


def missing_section(subject: Subject) -> Section | None:
    """Where the table was seen, and what seeing depends on; nothing of a table without a hole."""
    shares, observed = subject.seen(), subject.observed
    if shares is None or (shares.grid.size and shares.grid.min() >= 1.0):
        return None
    n, p = shares.shape
    parts: list[Part] = [
        Picture(
            lambda: plot_seen(shares),
            f"share of cells seen in blocks of a table of {n} rows and {p} columns",
            f"{_block(shares)}; blank where nothing was seen.",
        ),
        Picture(
            lambda: plot_counts(shares),
            "quantiles of the entries per row and per column",
            "Thin rows and columns lie on the left.",
        ),
    ]
    rows, cols = shares.row_counts, shares.col_counts
    facts = [
        ("entries per row: least, median, most", f"{count(rows[0])}, {count(rows[len(rows) // 2])}, {count(rows[-1])}"),
        (
            "entries per column: least, median, most",
            f"{count(cols[0])}, {count(cols[len(cols) // 2])}, {count(cols[-1])}",
        ),
    ]
    if observed is not None:
        described = describe(observed)
        facts += [(f"{name} without any entry", count(described[key]["n_empty"]))
                  for name, key in (("rows", "rows"), ("columns", "cols"))]  # fmt: skip
    parts.insert(0, Facts(facts))
    parts += selection_notes(observed)
    return Section("Where the data are missing", parts)


def _block(shares: SeenShares) -> str:
    """What one dot of the picture stands for."""
    high, wide = (max(1, round(length / dots)) for length, dots in zip(shares.shape, shares.grid.shape, strict=True))
    if high == wide == 1:
        return "Each dot is a cell"
    rows, cols = (f"{n} {name}{'' if n == 1 else 's'}" for n, name in ((high, "row"), (wide, "column")))
    return f"Each dot is a block of about {rows} and {cols}"


def selection_notes(observed: Observed | None) -> list[Part]:
    """Whether what is seen more often is larger or smaller: then missing is not by chance alone."""
    if observed is None:
        return []
    parts: list[Part] = []
    for axis, (name, places) in enumerate((("rows", observed.rows), ("columns", observed.cols))):
        length = observed.shape[axis]
        counts = np.bincount(places, minlength=length)
        means = np.bincount(places, weights=observed.values, minlength=length)[counts > 0] / counts[counts > 0]
        logs = np.log(counts[counts > 0])
        if len(logs) < 20 or not (np.ptp(logs) > 0 and np.ptp(means) > 0):
            continue
        r = float(np.corrcoef(logs, means)[0, 1])
        if abs(r) > max(0.15, 4.0 / math.sqrt(len(logs))):
            parts.append(
                Note(
                    f"{name.capitalize()} seen more often have {'larger' if r > 0 else 'smaller'} values (correlation "
                    f"of the logarithm of the count with the mean: {r:.2f}). Rows and columns of their own account for "
                    "that; but if whether an entry is seen depends on its own value, all estimates are biased, and no "
                    "interval here counts that.",
                    is_warning=False,
                )
            )
    return parts


def made_section(subject: Subject, chapter: Chapter, when: str) -> Section:
    """Command, options, versions, seed, time, stop; and what each interval rests on."""
    record, model = subject.record, subject.model
    parts: list[Part] = []
    if record.get("command"):
        parts.append(Code(str(record["command"])))
    parts.append(Facts(_facts_of_run(subject, when)))
    if chapter.claims:
        parts.append(Text("What each interval means, and what it rests on:"))
        claims = chapter.claims
        columns = [
            Column("number", [claim.what for claim in claims], kind="text"),
            Column("level", [claim.level for claim in claims], kind="text"),
            Column("holds", [claim.text for claim in claims], kind="text"),
        ]
        parts.append(Table("Intervals and errors", columns))
    options = {**_flat(model.get_params(deep=False)), **_flat({"table": record.get("table", {})})}
    columns = [
        Column("option", list(options), kind="text"),
        Column("value", [_word(value) for value in options.values()], kind="text"),
    ]
    parts.append(Table(f"Options of {type(model).__name__}", columns))
    return Section("How the numbers were made", parts)


def _facts_of_run(subject: Subject, when: str) -> list[tuple[str, str]]:
    record, model = subject.record, subject.model
    run, seconds = getattr(model, "run_", None), record.get("seconds", {})
    facts = [("page written", when)]
    source = record.get("data", {}).get("source")
    if source is not None:
        facts.append(("data", ", ".join(source) if isinstance(source, list) else str(source)))
    versions = record.get("versions", {})
    facts += [(f"{name} (of the fit)", str(version)) for name, version in list(versions.items())[:4]]
    seed = record.get("judge", {}).get("seed", getattr(model, "random_state", None))
    facts.append(("seed", "none given" if seed is None else _word(seed)))
    if run is not None:
        facts.append(("stopped because", REASONS.get(run.reason, run.reason.replace("_", " "))))
        facts.append(("sweeps", count(run.n_iter)))
    if not seconds and run is not None and len(run.trace):
        seconds = {"sweeps": float(np.nansum(run.trace.seconds))}
    facts += [(f"seconds, {name}", f"{value:.2f}") for name, value in seconds.items()]
    return facts


def _flat(options: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in options.items():
        if is_dataclass(value) and not isinstance(value, type):
            value = asdict(value)
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{before}{name}.")
        else:
            flat[before + name] = value
    return flat


def _word(value: Any) -> str:
    """A parameter in a few words."""
    if value is None or isinstance(value, str | int | float | bool):
        return str(value)
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = getattr(value, "name", None) or type(value).__name__
    return text if len(text) < 200 else text[:200] + " ..."
