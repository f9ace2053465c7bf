"""The result of a fit on the screen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from halfseen.cli.screen import figures, put, say, table

if TYPE_CHECKING:
    from halfseen.cli.job import Job

TITLES = {"rmse": "RMSE", "mae": "MAE", "deviance": "deviance"}


def show(job: Job, facts: dict[str, Any]) -> None:
    """Data, errors beside rivals, what the method tells, what was chosen, and what was written."""
    word = "held-out" if facts["judge"]["hide"] is None else "hidden"
    for line in job.show(facts):
        put(line)
    if text := judged_text(job, facts, word):
        put(text)
    if facts["figures"]:
        put("", scores_table(facts["figures"], word))
        if "unit" in facts:
            put("errors are in units of each column's spread")
    for line in job.after(facts):
        put(line)
    say("")
    if text := chosen_text(facts):
        put(text)
    if job.asked.output.out is not None:
        say(f"{job.asked.output.out}/  " + "  ".join(facts["files"]))
    else:
        say("nothing saved; add -o DIR to keep the model")
    say(f"{facts['seconds']['total']:.1f} s")


def judged_text(job: Job, facts: dict[str, Any], word: str) -> str:
    """How many entries were fitted, and how many judged."""
    from halfseen.cli.screen import count

    if "n_fitted" not in facts:
        return ""
    text = f"fitted to {count(facts['n_fitted'])} entries"
    if facts["n_judged"]:
        text += f", judged on {count(facts['n_judged'])} {word} ones"
        if job.asked.output.out is not None and job.fits_again:
            text += "; the saved model was then fitted to all"
    return text


def chosen_text(facts: dict[str, Any]) -> str:
    """What was chosen on held-out entries, and from what."""
    choice, config, texts = facts.get("choice", {}), facts["config"], []
    names = choice.get("names", {"rank": choice["ranks"]} if "ranks" in choice else {})
    for name, tried in names.items():
        if len(tried) > 1:
            value = facts.get(name) if facts.get(name) is not None else config.get(name)
            texts.append(f"{name.replace('_', ' ')} {value} of {', '.join(map(str, tried))}")
    return "chosen on held-out entries: " + "; ".join(texts) if texts else ""


def scores_table(rows: list[dict[str, Any]], word: str) -> Any:
    """Models below each other, best in bold, with the error relative to the column mean's."""
    keys = [key for key in TITLES if key in rows[0]]
    shown = table(f"on {word} entries", *(TITLES[key] for key in keys), "RMSE / column mean")
    columns = [figures(math.nan if row.get(key) is None else row[key] for row in rows) for key in keys]
    base = rows[-1]["rmse"]
    relative = [f"{row['rmse'] / base:.3f}" if base and row["rmse"] is not None else "-" for row in rows]
    best = min(range(len(rows)), key=lambda place: math.inf if rows[place]["rmse"] is None else rows[place]["rmse"])
    for place, row in enumerate(rows):
        cells = [row["model"], *(column[place] for column in columns), relative[place]]
        shown.add_row(*cells, style="bold" if place == best else None)
    return shown
