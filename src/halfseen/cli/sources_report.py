"""What ``halfseen fit heterogeneous`` leaves behind: record, folder, pictures, page, screen."""

from __future__ import annotations

from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import halfseen as hs
from halfseen.cli.folder import MODEL, new_folder, write_records
from halfseen.cli.report import scores_table, versions
from halfseen.cli.screen import count, note, plain, say, share, stdout, table
from halfseen.data.facts import SeenShares

if TYPE_CHECKING:
    from halfseen.cli.heterogeneous import Fitted

PAGE = "report.html"
SHOWN = 12


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
        "penalty": model.penalty,
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
        found = plain({"seen": SeenShares.of(fitted.sources.pooled()).as_dict(), "image": size})
        hs.report(fitted.model, folder / PAGE, fitted.sources, record={**facts, "details": found})
        write_records(folder, facts, found)


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


def show(facts: dict[str, Any], out: Path | None) -> None:
    """The result on the screen."""
    console, data = stdout(), facts["data"]
    console.print(
        f"{count(data['n_rows'])} rows, {len(data['sources'])} sources, {count(data['n_entries'])} entries; "
        f"[bold]shared rank {facts['shared_rank']}, unique rank {facts['unique_rank']}[/bold]"
        + (f", penalty {facts['penalty']:g}" if facts["penalty"] else "")
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
        say(f"{out}/  " + "  ".join(facts["files"]))
    else:
        console.print("nothing saved; add -o DIR to keep the model")
    console.print(f"{facts['seconds']['total']:.1f} s")
