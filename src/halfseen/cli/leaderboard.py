"""``fit factor --columns random`` and ``halfseen rank``: leaderboards on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import halfseen as hs
from halfseen.cli.fit import Method
from halfseen.cli.predict import open_run
from halfseen.cli.screen import count, figures, note, print_json, stdout, table
from halfseen.cli.source import family_of


def leaderboard_method(given: tuple[str, str | None, int | None, str], columns: str, groups: str | None) -> Method:
    """The factor model with its columns integrated out; ``given`` is data, family, trials and penalty."""
    data, family, trials, penalty = given
    if columns == "fixed":
        raise ValueError("--groups goes with --columns random, rasch or 2pl")
    if penalty != "auto":
        raise ValueError(f"--penalty {penalty} goes with --columns fixed; --columns {columns} has its own prior")
    if family is None:
        named = family_of(data)
        family = named if named.startswith(("bernoulli", "binomial")) else "bernoulli"
    base = Method.factor(data, family, trials, penalty) if "(" not in family else None
    code = family if base is None else (f"binomial({trials})" if family == "binomial" else str(family))
    loss = hs.losses.get_loss(code)

    def make(rank: int, penalty: str, seed: int) -> Any:
        return hs.GeneralizedFactorModel(rank=rank, family=code, columns=columns, random_state=seed)

    def fit_with(observed: Any) -> dict[str, Any]:
        return {} if groups is None else {"groups": blocks_of(observed.col_labels, groups)}

    return Method("factor", f"factor model, columns {columns}", loss, make, ("auto",), None, None, fit_with, False)


def blocks_of(labels: Any, separator: str) -> list[str]:
    """The text of every label before the first separator.

    >>> blocks_of(hs.Observed.from_dense([[1, 0, 1]], col_labels=["mbpp/1", "mbpp/2", "eval/1"]).col_labels, "/")
    ['mbpp', 'mbpp', 'eval']
    """
    texts = [] if labels is None else [str(label) for label in labels.tolist()]
    without = [text for text in texts if separator not in text] if separator else texts
    if not texts or without:
        what = f"column {without[0]!r} has no {separator!r} in it" if without else "the columns have no labels"
        raise ValueError(f"--groups {separator!r}: {what}; give the text that ends the block's name in every label")
    return [text.split(separator, 1)[0] for text in texts]


def run_rank(run: Path, question: tuple[float, str, int | None], seed: int, as_json: bool) -> None:
    """Print the leaderboard of a run: on a screen as a table, in a pipe as tab-separated lines, or as JSON."""
    level, kind, top = question
    if not 0 < level < 1:
        raise ValueError(f"--level {level} must lie between 0 and 1, such as 0.95")
    if top is not None and top < 1:
        raise ValueError(f"--top {top} must be at least 1")
    model, record = open_run(run)
    if getattr(model, "columns", "fixed") == "fixed":
        raise ValueError(
            f"{run} holds a {record.get('method', type(model).__name__)!r} fit without a leaderboard; fit one with "
            "'halfseen fit factor DATA --columns random -o RUN'"
        )
    found = model.inference(level=level, random_state=seed).leaderboard(kind)
    rows = found.records()[:top]
    if as_json:
        print_json({"level": level, "kind": kind, "columns": model.columns_, "notes": found.notes, "rows": rows})
        return
    show(found, rows, model, top)


def show(found: Any, rows: list[dict[str, Any]], model: Any, top: int | None) -> None:
    """The table on the screen, and what to know of it on stderr of a terminal."""
    percent = f"{100 * found.level:g} %"
    made = table("", "row", "score", percent, "rank", "group", "answers", "raw mean")
    made.columns[0].justify, made.columns[1].justify = "right", "left"
    ends = [figures([row[name] for row in rows]) for name in ("score", "low", "high", "raw")]
    for place, row in enumerate(rows):
        score, low, high, raw = (column[place] for column in ends)
        made.add_row(
            str(row["rank"]), str(row["row"]), score, f"{low} to {high}", span(row["rank_low"], row["rank_high"]),
            str(row["group"]), count(row["answered"]), raw,
        )  # fmt: skip
    console = stdout()
    console.print(made)
    if top is not None and top < len(found):
        console.print(f"[dim]{len(found) - top} more rows[/dim]")
    if console.is_terminal:
        for text in found.notes:
            note(text)


def span(low: int, high: int) -> str:
    """A rank interval.

    >>> span(1, 3), span(4, 4)
    ('1 to 3', '4')
    """
    return str(low) if low == high else f"{low} to {high}"
