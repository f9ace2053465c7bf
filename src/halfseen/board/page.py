"""The board as one self-contained page: ranks and ties first, three questions to switch between, what to know of it."""

from __future__ import annotations

from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

from halfseen.board.scores import ABOUT
from halfseen.inference import Listing
from halfseen.render.page.elements import escaped
from halfseen.render.page.markup import Page, facts, note
from halfseen.render.page.write import MOST_LINES, asset, policy
from halfseen.summary.parts import Column, Facts, Interval, Note, Part, Section, Table, Text

if TYPE_CHECKING:
    from halfseen.board.board import Board

# Models in the matrix of who is ahead: more are not read on a screen.
MOST_IN_MATRIX = 25
QUESTIONS = {
    "like-these": ("Other questions like these", "Who is better on other questions of the kind?"),
    "these": ("Exactly these questions", "Who has the higher score on exactly these questions?"),
    "again": ("These questions again", "Who would have it, were the same questions run again?"),
}
SWITCH = """
.switch { margin: 1rem 0; }
.switch > input { position: absolute; opacity: 0; }
.switch > label { display: inline-block; padding: .3rem .8rem; margin: 0 .3rem .3rem 0; cursor: pointer;
  border: 1px solid var(--line); border-radius: .4rem; }
.switch > input:checked + label { background: var(--blue); border-color: var(--blue); color: var(--paper); }
.switch > input:focus-visible + label { outline: 2px solid var(--blue); outline-offset: 2px; }
.switch > .about { display: none; }
"""


def page_of(board: Board) -> str:
    """The page as text; everything that comes from data is escaped, and it needs no network."""
    page = Page("board", MOST_LINES, has_pictures=False)
    checks = board.checks()
    sections = [
        _checks_section(checks), _matrix_section(board), _questions_section(board.items()),
        _benchmarks_section(board.blocks()), _files_section(board),
    ]  # fmt: skip
    kept = [section for section in sections if section.parts]
    bodies = [page.section(section, f"s{k}") for k, section in enumerate(kept, 1)]
    links = "".join(f'<li><a href="#s{k}">{escaped(section.title)}</a></li>' for k, section in enumerate(kept, 1))
    style, script = asset("style.css") + SWITCH + _shown_rules(), asset("script.js")
    version, when = import_module("halfseen").__version__, datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    benchmarks = sorted({str(name) for name in board._answers.benchmarks})
    title = " and ".join(benchmarks) if len(benchmarks) < 3 else f"{len(benchmarks)} benchmarks"
    heading = escaped("Leaderboard" if title == "table" else f"Leaderboard: {title}")
    return "\n".join([
        "<!doctype html>", '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy(script)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{heading}</title><style>\n{style}</style></head>",
        f'<body><header><h1>{heading}</h1><p class="lead">The rank says between which places a model may stand; models '
        "of one group cannot be told apart from the group's first.</p>",
        f'<nav aria-label="Sections"><ul>{links}</ul></nav></header><main>', facts(_glance(board)),
        *(note(Note(f"{about}: {what}; {way_out}.")) for about, what, way_out in _warnings(checks)),
        _switch(board, page), *bodies,
        f"</main><footer>Written by halfseen {escaped(version)} on {escaped(when)}. This file needs no network and no "
        f"server.</footer><script>{script}</script></body></html>", "",
    ])  # fmt: skip


def _shown_rules() -> str:
    return "".join(f"#about-{k}:checked ~ .about-{k} {{ display: block; }}\n" for k in range(len(ABOUT)))


def _glance(board: Board) -> Facts:
    answers = board._answers
    n, p = answers.table.shape
    trials = sum(int(count.sum()) for name, count in answers.counts.items() if name != "not run")
    return Facts([
        ("models", str(n)), ("questions", str(p)), ("answered", f"{100 * answers.table.n_entries / (n * p):.0f} %"),
        ("trials", str(trials)), ("not graded", str(int(answers.counts["not graded"].sum()))),
        ("intervals", f"{100 * board.level:g} %"),
    ])  # fmt: skip


def _warnings(checks: Listing) -> list[tuple[str, str, str]]:
    chosen = [record for record in checks.records() if record["level"] != "note"]
    return [(record["about"], record["what"], record["way_out"]) for record in chosen[:5]]


def _switch(board: Board, page: Page) -> str:
    """Three tables, of which one is shown."""
    buttons, bodies = [], []
    for k, about in enumerate(ABOUT):
        title, question = QUESTIONS[about]
        checked = " checked" if not k else ""
        buttons.append(f'<input type="radio" name="about" id="about-{k}"{checked}>')
        buttons.append(f'<label for="about-{k}">{escaped(title)}</label>')
        listing = board.table(about)
        body = page.part(Text(question)) + page.part(_board_table(listing, about))
        body += "".join(page.part(Text(f"{text[0].upper()}{text[1:]}.")) for text in listing.notes)
        bodies.append(f'<div class="about about-{k}">{body}</div>')
    return f'<section class="switch" aria-label="Board">{"".join(buttons)}{"".join(bodies)}</section>'


def _board_table(listing: Listing, about: str) -> Table:
    columns: list[Column | Interval] = [
        Column("model", listing["model"].astype(str), kind="text"),
        Interval("rank", listing["rank_low"], listing["rank_high"], listing["rank"], "between these places", True),
        Column("group", listing["group"], "models of one group cannot be told apart from its first", "count"),
        Column("score", listing["score"], "mean over questions", "figures"),
        Interval("interval", listing["low"], listing["high"], listing["score"], "of the score"),
        Column("answered", listing["answered"], "questions", "count"),
        Column("trials", listing["trials"], "asked, runs counted", "count"),
    ]
    if listing["not_graded"].any():
        help_text = "the score on these questions were trials that nobody graded all wrong, or all right"
        columns += [
            Column("not graded", listing["not_graded"], "trials", "count"),
            Interval("bounds", listing["lowest"], listing["highest"], None, help_text),
        ]
    help_text = "questions that both would have to answer to tell it from the next, power 80 %"
    columns.append(Column("to tell from next", listing["needed"], help_text, "count"))
    return Table(QUESTIONS[about][0], columns, about)


def _checks_section(checks: Listing) -> Section:
    if not len(checks):
        return Section("Checks", [Text("Nothing stands out.")])
    names = ("level", "about", "what", "way_out")
    columns = [Column(name.replace("_", " "), checks[name].astype(str), kind="text") for name in names]
    return Section("Checks", [Table("What to know before believing the board", columns, "checks")])


def _matrix_section(board: Board) -> Section:
    """Chances that the model of the line is ahead of that of the column, the best models."""
    table = board.table()
    names = [str(name) for name in table["model"][:MOST_IN_MATRIX]]
    order = [board.models.index(name) for name in names]
    chances = 100.0 * board.ahead()[np.ix_(order, order)]
    np.fill_diagonal(chances, np.nan)
    columns = [Column("model", [f"{k}. {name}" for k, name in enumerate(names, 1)], kind="text")]
    columns += [Column(str(k), np.round(chances[:, k - 1]), name, "count") for k, name in enumerate(names, 1)]
    parts: list[Part] = [Text("Chance in per cent that the model of the line is ahead of that of the column.")]
    if len(names) > 1:
        parts.append(Table("A ahead of B, on other questions like these", columns, "ahead"))
    return Section("Who is ahead of whom", parts)


def _questions_section(items: Listing) -> Section:
    order = np.argsort(items["flag"] == "", kind="stable")
    columns: list[Column | Interval] = [Column("question", items["question"].astype(str), kind="text")]
    columns += [
        Column("flag", items["flag"], kind="text"), Column("answered", items["answered"], kind="count"),
        Column("mean", items["raw"], "mean answer", "figures"),
        Column("slope", np.round(items["slope"], 2), "how well it tells models apart", "figures"),
        Column("repeats", items["repeats"], "spread between runs over that of a fair coin", "figures"),
    ]  # fmt: skip
    dead = int(np.isin(items["flag"], ("all right", "all wrong")).sum())
    flagged = int((items["flag"] != "").sum()) - dead
    said = Text(f"{dead} of {len(items)} questions are answered alike by every model; {flagged} more need a look.")
    return Section("Questions", [said, Table("Questions, flagged ones first", columns, "questions").take(order)])


def _benchmarks_section(pairs: Listing) -> Section:
    if not len(pairs):
        return Section("Benchmarks", [])
    names = [f"{first} and {second}" for first, second in zip(pairs["first"], pairs["second"], strict=True)]
    columns: list[Column | Interval] = [
        Column("pair", names, kind="text"),
        Column("models", pairs["models"], "from how many models", "count"),
        Column("correlation", pairs["correlation"], "of the models' means", "figures"),
        Interval("interval", pairs["low"], pairs["high"], pairs["correlation"]),
    ]  # fmt: skip
    return Section("Can benchmarks stand in for each other?", [Table("Benchmarks", columns, "benchmarks")])


def _files_section(board: Board) -> Section:
    sources = board._evals.table.column("source").value_counts()
    names, counts = ([source[name] for source in sources.to_pylist()] for name in ("values", "counts"))
    columns = [Column("file", [str(name) for name in names], kind="text"), Column("trials", counts, "", "count")]
    return Section("Files read", [Table("Files", columns, "files")])
