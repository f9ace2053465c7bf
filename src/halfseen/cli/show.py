"""The result of a fit on the screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from halfseen.cli.screen import count, put, say, table
from halfseen.render.text import cells, is_text, says_something
from halfseen.summary.common import held_out
from halfseen.summary.parts import Facts, Interval, Note, Part, Table, Text
from halfseen.summary.summary import brief

if TYPE_CHECKING:
    from halfseen.cli.job import Job

# Lines of a table on the screen, and characters of a label in it.
SHOWN, WHOLE = 12, 200


def show(job: Job, facts: dict[str, Any]) -> None:
    """Data, errors beside rivals, what the model's summary says first, what was chosen, and what was written."""
    for line in job.show(facts):
        put(line)
    for part in [*held_out(facts), *brief(job.model, facts)]:
        put(*lines_of(part))
    say("")
    if text := chosen_text(facts):
        put(text)
    if job.asked.output.out is not None:
        say(f"{job.asked.output.out}/  " + "  ".join(facts["files"]))
    else:
        say("nothing saved; add -o DIR to keep the model")
    say(f"{facts['seconds']['total']:.1f} s")


def lines_of(part: Part) -> Iterator[Any]:
    """A part of a summary on the screen: lines of text, or a table below its caption."""
    if isinstance(part, Facts):
        yield "; ".join(f"{name} {value}" for name, value in part.items)
    elif isinstance(part, Note):
        yield f"note: {part.text}"
    elif isinstance(part, Text):
        yield part.text
    elif isinstance(part, Table) and len(part):
        columns = [col for col in part.columns if isinstance(col, Interval) or says_something(col)]
        left = next((place for place, col in enumerate(columns) if not is_text(col)), len(columns))
        grid = table(*(col.title for col in columns), left=left)
        for line in zip(*(cells(col, WHOLE)[:SHOWN] for col in columns), strict=True):
            grid.add_row(*line)
        yield from ("", part.caption, grid)
        if len(part) > SHOWN:
            yield f"... and {count(len(part) - SHOWN)} more lines"


def chosen_text(facts: dict[str, Any]) -> str:
    """What was chosen on held-out entries, and from what."""
    choice, config, texts = facts.get("choice", {}), facts["config"], []
    names = choice.get("names", {"rank": choice["ranks"]} if "ranks" in choice else {})
    for name, tried in names.items():
        if len(tried) > 1:
            value = facts.get(name) if facts.get(name) is not None else config.get(name)
            texts.append(f"{name.replace('_', ' ')} {value} of {', '.join(map(str, tried))}")
    return "chosen on held-out entries: " + "; ".join(texts) if texts else ""
