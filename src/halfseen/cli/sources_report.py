"""What ``halfseen fit heterogeneous`` leaves behind: record, folder, pictures, page, screen."""

from __future__ import annotations

import base64
import html
import json
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import halfseen as hs
from halfseen.cli.folder import MODEL, RECORD, new_folder
from halfseen.cli.report import scores_table, versions
from halfseen.cli.screen import count, note, plain, share, stdout, table

if TYPE_CHECKING:
    from halfseen.cli.heterogeneous import Fitted

PAGE = "report.html"
SHOWN = 12
STYLE = """
body { font: 15px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse } img { max-width: 100% }
td, th { padding: .2em .8em; text-align: right; border-bottom: 1px solid #ddd }
td:first-child, th:first-child { text-align: left }
"""


def record(fitted: Fitted, files: list[str], options: tuple[Any, Any, Any], command: str) -> dict[str, Any]:
    """All facts of a run, ready for JSON."""
    model, run = fitted.model, fitted.model.run_
    given, reading, judge = options
    facts: dict[str, Any] = {
        "command": command,
        "method": "heterogeneous",
        "class": type(model).__name__,
        "data": {
            "source": files[0] if len(files) == 1 else files,
            "n_rows": fitted.sources.n_rows,
            "n_entries": fitted.sources.n_entries,
            "sources": {
                name: {"n_cols": one.shape[1], "n_entries": one.n_entries} for name, one in fitted.sources.items()
            },
        },
        "options": asdict(given),
        "table": asdict(reading),
        "judge": asdict(judge),
        "n_judged": fitted.n_judged,
        "shared_rank": model.shared_rank,
        "unique_rank": model.unique_rank,
        "ridge": model.ridge,
        "figures": fitted.figures,
        "misalignment": model.misalignment_,
        "shares": model.shares_,
        "restarted": model.restarted_,
        "run": {"reason": run.reason, "converged": run.converged, "n_iter": run.n_iter, "value": run.value},
        "versions": versions(),
    }
    if fitted.choice is not None:
        facts["choice"] = {"tried": fitted.choice.tried, "losses": fitted.choice.losses}
    return plain(facts)


def save_run(target: Path, fitted: Fitted, facts: dict[str, Any], size: tuple[int, int] | None) -> None:
    """Write model, record, pictures and page; the folder is complete or not there at all."""
    with new_folder(target) as folder:
        hs.save(fitted.model, folder / MODEL)
        if find_spec("matplotlib") is None:
            note("no pictures: matplotlib is not installed (pip install 'halfseen[plots]')")
        else:
            draw(folder, fitted, size)
        (folder / PAGE).write_text(page(folder, facts), encoding="utf-8")
        facts["files"] = sorted([RECORD, *(path.name for path in folder.iterdir())])
        (folder / RECORD).write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def picture_size(image: str | None, rows: int) -> tuple[int, int] | None:
    """Height and width of the pictures that columns are, or None.

    >>> picture_size("4x5", 20)
    (4, 5)
    """
    if image is None:
        return None
    parts = image.strip().split("x")
    if len(parts) != 2 or not all(part.isdigit() for part in parts):
        raise ValueError(f"--image {image!r}: give height x width, such as 8x8")
    size = int(parts[0]), int(parts[1])
    if size[0] * size[1] != rows:
        raise ValueError(f"--image {image}: columns are pictures of {size[0] * size[1]} rows here, not {rows}")
    return size


def draw(folder: Path, fitted: Fitted, size: tuple[int, int] | None) -> None:
    """Shares, shared basis, heterogeneity index, trace; parts as pictures where columns are pictures."""
    from halfseen.show import save_figure
    from halfseen.show.fits import plot_trace
    from halfseen.show.sources import part_images, plot_heterogeneity, plot_shared_basis, plot_shares

    model = fitted.model
    save_figure(plot_shares(model), folder / "shares.png")
    if model.shared_basis_.shape[1]:
        save_figure(plot_shared_basis(model), folder / "basis.png")
    save_figure(plot_heterogeneity(model), folder / "index.png")
    save_figure(plot_trace(model.run_), folder / "trace.png")
    if size is not None:
        save_figure(part_images(model, model.source_names_[0], size), folder / "parts.png")


def page(folder: Path, facts: dict[str, Any]) -> str:
    """One self-contained page: what was fitted, how it did, and the pictures."""
    data = facts["data"]
    lines = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>halfseen: many sources</title><style>{STYLE}</style>",
        f"<h1>Many sources</h1><p>{html.escape(facts['command'])}</p>",
        f"<p>{count(data['n_rows'])} rows, {len(data['sources'])} sources, {count(data['n_entries'])} entries; shared "
        f"rank {facts['shared_rank']}, unique rank {facts['unique_rank']}, ridge {facts['ridge']:g}; misalignment of "
        f"the unique bases {facts['misalignment']:.3g} (near 0, shared and unique cannot be told apart).</p>",
    ]
    if facts["figures"]:
        lines.append(f"<h2>On {count(facts['n_judged'])} held-out entries</h2>")
        lines.append(html_table(["model", "RMSE", "MAE"], [[*one.values()] for one in facts["figures"]]))
    lines.append("<h2>Shared, unique and neither, of each source's sum of squares</h2>")
    rows = [[name, *(part[key] for key in ("shared", "unique", "residual"))] for name, part in facts["shares"].items()]
    lines.append(html_table(["source", "shared", "unique", "residual"], rows))
    for name in ("shares", "basis", "index", "parts", "trace"):
        if (file := folder / f"{name}.png").is_file():
            code = base64.b64encode(file.read_bytes()).decode()
            lines.append(f"<h2>{name}</h2><img alt={name} src='data:image/png;base64,{code}'>")
    return "\n".join(lines) + "</html>\n"


def html_table(heads: list[str], rows: list[list[Any]]) -> str:
    """A table of text and numbers."""
    cells = [[f"{cell:.4g}" if isinstance(cell, float) else html.escape(str(cell)) for cell in row] for row in rows]
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in cells)
    return "<table><tr>" + "".join(f"<th>{head}</th>" for head in heads) + f"</tr>{body}</table>"


def show(facts: dict[str, Any], out: Path | None) -> None:
    """The result on the screen."""
    console, data = stdout(), facts["data"]
    console.print(
        f"{count(data['n_rows'])} rows, {len(data['sources'])} sources, {count(data['n_entries'])} entries; "
        f"[bold]shared rank {facts['shared_rank']}, unique rank {facts['unique_rank']}[/bold]"
        + (f", ridge {facts['ridge']:g}" if facts["ridge"] else "")
        + (f" (best of {len(facts['choice']['tried'])} on held-out entries)" if "choice" in facts else "")
    )
    if facts["figures"]:
        word = "held-out" if facts["judge"]["hide"] is None else "hidden"
        console.print()
        console.print(scores_table(facts["figures"], word))
    made = table("source", "columns", "entries", "shared", "unique", "neither")
    names = sorted(facts["shares"], key=lambda name: -facts["shares"][name]["unique"])
    for name in names[:SHOWN]:
        parts, own = facts["shares"][name], data["sources"][name]
        numbers = (share(max(parts[key], 0.0)) for key in ("shared", "unique", "residual"))
        made.add_row(name, count(own["n_cols"]), count(own["n_entries"]), *numbers)
    console.print()
    console.print(made)
    if len(names) > SHOWN:
        console.print(f"... and {len(names) - SHOWN} sources with less of their own")
    console.print(f"misalignment of the unique bases: {facts['misalignment']:.3f}")
    if out is not None:
        console.print(f"[bold]{out}/[/bold]  " + "  ".join(facts["files"]))
    else:
        console.print("nothing saved; add -o DIR to keep the model")
    console.print(f"{facts['seconds']['total']:.1f} s")
