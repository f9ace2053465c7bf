"""``halfseen describe``: plain facts of a table, and a first command that fits it."""

from __future__ import annotations

import re
import shlex
import sys
from ast import literal_eval
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from halfseen.cli.options import TableOptions
from halfseen.cli.screen import count, figures, print_json, put, say, share, table
from halfseen.cli.source import open_table, typed
from halfseen.cli.words import in_options
from halfseen.data import Observed

BAR = 24
# How notes name what to leave out.
ADVISED = re.compile(r"\b(drop|drop_rows)=(\[[^][]*\])")


def run_describe(data: str, options: TableOptions, as_json: bool, trials: str | None = None) -> None:
    """Print the facts of a table."""
    observed = open_table(data, options, trials)
    facts = observed.describe()
    facts["suggested_family"] = suggestion(facts["values"], facts["hints"])
    if as_json:
        print_json({"source": data, **facts})
        return
    put(
        f"{data}: {count(facts['n_rows'])} rows x {count(facts['n_cols'])} columns, "
        f"{count(facts['n_entries'])} entries ({share(facts['density'])} of the cells)"
        + (", weighted" if facts["has_weights"] else "")
    )
    put("", axes_table(facts))
    if facts["values"]["kind"] != "none":
        put("", values_table(facts["values"]))
    for axis, word in (("rows", "row"), ("cols", "column")):
        if facts[axis]["n_empty"]:
            first = ", ".join(map(str, facts[axis]["first_empty"]))
            put("", f"{count(facts[axis]['n_empty'])} {word}s have no entry at all, first: {first}")
    for hint in facts["hints"]:
        put("", in_options(hint["text"]))
    options, facts = as_advised(data, options, observed, trials) or (options, facts)
    for line in commands(data, typed(options), facts, trials):
        say(line)


def as_advised(
    data: str, options: TableOptions, observed: Observed, trials: str | None
) -> tuple[TableOptions, dict[str, Any]] | None:
    """Options without what the reader's notes advise to leave out, and the facts of what is left."""
    notes = " ".join(observed.notes)
    drops = {name: ",".join(literal_eval(listed)) for name, listed in ADVISED.findall(notes)}
    if not drops or data == "-":
        return None
    given: dict[str, Any] = {
        name: ",".join(filter(None, (getattr(options, name), more))) for name, more in drops.items()
    }
    options = replace(options, **given)
    try:
        facts = open_table(data, options, trials, is_told=False).describe()
    except ValueError:  # nothing would be left: the table as it is
        return None
    facts["suggested_family"] = suggestion(facts["values"], facts["hints"])
    return options, facts


def commands(data: str, reading: str, facts: dict[str, Any], trials: str | None = None) -> list[str]:
    """Commands to go on with, each on a line of its own, an empty one first."""
    if not facts["suggested_family"]:
        return []
    if trials is not None:  # successes out of known totals are one family
        return [
            "",
            f"try: halfseen fit factor {shlex.quote(data)}{reading} --family bernoulli --trials {shlex.quote(trials)}",
        ]
    where = f"{shlex.quote(data)}{reading}"
    meant = {hint["value"] for hint in facts["hints"]}
    unit = " --scale columns" if "scale columns" in meant else ""
    suggested = [f"try: halfseen fit factor {where} {facts['suggested_family']}{unit}"]
    if facts["suggested_family"].endswith("bernoulli"):
        suggested.append(f"or:  halfseen fit irt {where} -o run/   (a test: abilities of rows, items in columns)")
        if not reading:
            suggested.append(f"or:  halfseen board {where} -o board/   (a leaderboard of the rows)")
    if "bayes" in meant:
        suggested = [f"try: halfseen fit bayes {where}", suggested[0].replace("try:", "or: ", 1), *suggested[1:]]
    if facts["density"] < 1:
        suggested.append(f"or:  halfseen complete {where} -o completed.csv")
    return ["", *suggested]


def axes_table(facts: dict[str, Any]) -> Any:
    """Entries per row and per column."""
    grid = table("entries per", "fewest", "median", "most", "empty", "labels")
    for axis, word in (("rows", "row"), ("cols", "column")):
        entries = facts[axis]["entries"]
        numbers = [count(int(entries["min"])), number(entries["median"]), count(int(entries["max"]))]
        grid.add_row(word, *numbers, count(facts[axis]["n_empty"]), "yes" if facts[axis]["labelled"] else "no")
    return grid


def number(value: float) -> str:
    """A count that may be a half."""
    return count(int(value)) if value == int(value) else f"{value:g}"


def values_table(values: dict[str, Any]) -> Any:
    """Each value with its count where there are few; else their range."""
    if "counts" not in values:
        grid = table("values", "min", "mean", "max", "sd")
        grid.add_row(values["kind"], *figures((values["min"], values["mean"], values["max"], values["sd"])))
        return grid
    total, most = sum(values["counts"].values()), max(values["counts"].values())
    grid = table("value", "entries", "share", "")
    grid.columns[-1].justify = "left"
    for value, number in values["counts"].items():
        grid.add_row(value, count(number), share(number / total), block() * max(1, round(BAR * number / most)))
    return grid


def block() -> str:
    """What bars are made of, where the output can hold it."""
    try:
        "█".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return "#"
    return "█"


def suggestion(values: dict[str, Any], hints: Sequence[dict[str, str]] = ()) -> str:
    """Options of ``fit factor`` that suit such values.

    >>> suggestion({"kind": "binary"}), suggestion({"kind": "counts", "min": 1.0, "max": 5.0, "counts": {}})
    ('--family bernoulli', '--shift -1 --family binomial --trials 4')
    """
    if values["kind"] == "none":
        return ""
    meant = next((hint["value"] for hint in hints if hint["kind"] == "family"), "")
    if meant in ("ordinal", "negative_binomial"):
        return f"--family {meant}"
    if values["kind"] == "binary":
        return "--family bernoulli"
    if values["kind"] in ("counts", "integers") and "counts" in values and values["max"] > values["min"]:
        low, high = int(values["min"]), int(values["max"])
        shift = f"--shift {-low:g} " if low in (1,) or low < 0 else ""
        return f"{shift}--family binomial --trials {high - low if shift else high}"
    return "--family poisson" if values["kind"] == "counts" and meant != "gaussian" else "--family gaussian"
