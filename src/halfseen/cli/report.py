"""What a fit leaves behind: the record, the folder, the picture, and the screen."""

from __future__ import annotations

import math
import re
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import halfseen as hs
from halfseen.cli.folder import MODEL, new_folder, write_records
from halfseen.cli.options import JudgeOptions, TableOptions
from halfseen.cli.screen import count, figures, note, plain, say, share, stdout, table

if TYPE_CHECKING:
    from halfseen.cli.fit import Outcome

PICTURES = 8
VERSIONED = ("numpy", "scipy", "scikit-learn", "pyarrow", "safetensors")


def record(outcome: Outcome, data: str, table: TableOptions, judge: JudgeOptions, command: str) -> dict[str, Any]:
    """All facts of a run, ready for JSON."""
    observed, hidden, chosen = outcome.observed, outcome.hidden, outcome.chosen
    run = getattr(outcome.model, "run_", None)
    facts: dict[str, Any] = {
        "command": command,
        "method": outcome.method.name,
        "class": type(outcome.model).__name__,
        "data": {
            "source": data,
            "n_rows": observed.shape[0],
            "n_cols": observed.shape[1],
            "n_entries": observed.n_entries,
            "density": observed.density,
        },
        "table": asdict(table),
        "judge": asdict(judge),
        "n_fitted": outcome.seen.n_entries,
        "n_judged": 0 if hidden is None else hidden.n_entries,
        "rank": chosen.rank,
        "penalty": chosen.penalty or None,
        "config": config_of(outcome.model),
        "figures": outcome.figures,
        "seconds": outcome.seconds,
        "versions": versions(),
    }
    if outcome.intervals is not None:
        facts["intervals"] = outcome.intervals
    if chosen.tried is not None:
        facts["choice"] = chosen.tried
    if run is not None:
        facts["run"] = {"reason": run.reason, "converged": run.converged, "n_iter": run.n_iter, "value": run.value}
    if outcome.method.name == "descent":
        facts["stop"] = stop_facts(outcome.model)
    return plain(facts)


def config_of(model: Any) -> dict[str, Any]:
    """The estimator's parameters, dataclasses spelled out."""
    return {
        name: asdict(value) if hasattr(value, "__dataclass_fields__") else value
        for name, value in model.get_params(deep=False).items()
    }


def stop_facts(model: Any) -> dict[str, Any]:
    """When a descent was stopped, and how many components it had by then."""
    sizes = np.asarray(model.singular_values_, dtype=float)
    return {
        "time": model.stop_time_,
        "threshold": model.threshold_,
        "n_components": int(np.sum(sizes > model.threshold_)),
        "singular_values": sizes,
    }


def versions() -> dict[str, str]:
    """Versions of this library and of those whose numbers it rests on."""
    found = {"halfseen": hs.__version__}
    for name in VERSIONED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # pragma: no cover - a broken installation
            found[name] = "not found"
    return found


def picture_size(image: str | None, data: str, columns: int) -> tuple[int, int] | None:
    """Height and width of the pictures that rows are, or None if they are none.

    >>> picture_size("8x8", "table.csv", 64)
    (8, 8)
    """
    if image is None:
        return (8, 8) if data == "digits" else None
    match = re.fullmatch(r"(\d+)x(\d+)", image.strip())
    if match is None:
        raise ValueError(f"--image {image!r}: give height x width, such as 8x8")
    size = int(match[1]), int(match[2])
    if size[0] * size[1] != columns:
        raise ValueError(
            f"--image {image}: pictures of {size[0]} x {size[1]} need {size[0] * size[1]} columns, not {columns}"
        )
    return size


def save_run(target: Path, outcome: Outcome, facts: dict[str, Any], size: tuple[int, int] | None) -> None:
    """Write model, record and pictures; the folder is complete or not there at all."""
    with new_folder(target) as folder:
        hs.save(outcome.model, folder / MODEL)
        if find_spec("matplotlib") is None:
            note("no picture: matplotlib is not installed (pip install 'halfseen[plots]')")
        else:
            draw(folder, outcome, facts, size)
        write_records(folder, facts, details(outcome, size))


def details(outcome: Outcome, size: tuple[int, int] | None) -> dict[str, Any]:
    """What a report page shows and the model does not hold: where the table was seen, held-out entries in bins."""
    from halfseen.data.facts import SeenShares
    from halfseen.show.fits import held_out_bins

    found: dict[str, Any] = {"seen": SeenShares.of(outcome.observed).as_dict(), "image": size}
    if outcome.judged is not None and 0 < len(outcome.judged) == outcome.hidden.n_entries:
        found["held_out"] = held_out_bins(outcome.hidden.values, outcome.judged)
    return plain(found)


def draw(folder: Path, outcome: Outcome, facts: dict[str, Any], size: tuple[int, int] | None) -> None:
    """The pictures that this run has something for."""
    from halfseen.show import save_figure
    from halfseen.show.fits import plot_fit

    run = getattr(outcome.model, "run_", None)
    held_out = None if outcome.judged is None else (outcome.hidden.values, outcome.judged)
    save_figure(plot_fit(facts.get("choice"), outcome.chosen.rank, held_out, run), folder / "fit.png")
    if outcome.method.name == "descent":
        from halfseen.show.descent import plot_descent_fit

        save_figure(plot_descent_fit(outcome.model), folder / "descent.png")
    if size is not None:
        save_figure(completed(outcome, size), folder / "completed.png")


def completed(outcome: Outcome, size: tuple[int, int]) -> Any:
    """Some rows as pictures: seen, completed, and true where the truth is known."""
    from halfseen.show import image_grid

    observed, seen = outcome.observed, outcome.seen
    rows = np.linspace(0, observed.shape[0] - 1, PICTURES + 2).astype(int)[1:-1]
    label = rows if observed.row_labels is None else observed.row_labels[rows]
    truth = observed.take_rows(rows).to_dense()
    groups = {
        f"seen\n({share(seen.density)})": seen.take_rows(rows).to_dense(),
        "completed": outcome.model.predict_table(label),
    }
    return image_grid(groups | {"truth": truth} if outcome.hidden is not None else groups, size, limits_of(observed))


def limits_of(observed: Any) -> tuple[float, float]:
    """Smallest and largest value seen."""
    return float(observed.values.min()), float(observed.values.max())


def show(facts: dict[str, Any], out: Path | None) -> None:
    """The result on the screen."""
    console = stdout()
    data = facts["data"]
    console.print(
        f"[bold]{data['source']}[/bold]: {count(data['n_rows'])} rows x {count(data['n_cols'])} columns, "
        f"{count(data['n_entries'])} entries ({share(data['density'])} of the cells)"
    )
    word = "held-out" if facts["judge"]["hide"] is None else "hidden"
    text = f"fitted to {count(facts['n_fitted'])} entries"
    if facts["n_judged"]:
        text += f", judged on {count(facts['n_judged'])} {word} ones"
        if out is not None and word == "held-out" and facts["judge"]["refit"]:
            text += "; the saved model was then fitted to all"
    console.print(text)
    if facts["figures"]:
        console.print()
        console.print(scores_table(facts["figures"], word))
    if facts.get("ranking"):
        console.print()
        console.print(lists_table(facts["ranking"]))
    if "intervals" in facts:
        found = facts["intervals"]
        console.print(
            f"{share(found['level'])} predictive intervals held {100 * found['coverage']:.1f} % of them "
            f"(mean width {found['mean_width']:.3g})"
        )
    if "stop" in facts:
        found = facts["stop"]
        console.print(
            f"stopped after {found['time']} iterations with {found['n_components']} components above the threshold "
            f"{found['threshold']:.3g} of that time"
        )
    console.print()
    if "choice" in facts:
        console.print(chosen_text(facts))
    if out is not None:
        say(f"{out}/  " + "  ".join(facts["files"]))
    else:
        console.print("nothing saved; add -o DIR to keep the model")
    console.print(f"{facts['seconds']['total']:.1f} s")


def lists_table(rows: list[dict[str, Any]]) -> Any:
    """How held-out entries were ranked, a line per model."""
    keys = [key for key in rows[0] if key != "model"]
    made = table("held-out ones among unseen cells", *keys)
    columns = [figures(row[key] for row in rows) for key in keys]
    for place, row in enumerate(rows):
        made.add_row(row["model"], *(one[place] for one in columns))
    return made


def chosen_text(facts: dict[str, Any]) -> str:
    """What was chosen on held-out entries, and from what."""
    texts = []
    for word, key in (("rank", "ranks"), ("penalty", "penalties")):
        if len(tried := facts["choice"][key]) > 1:
            texts.append(f"{word} [bold]{facts[word]}[/bold] of {', '.join(map(str, tried))}")
    return "chosen on held-out entries: " + "; ".join(texts)


def scores_table(rows: list[dict[str, Any]], word: str) -> Any:
    """Models below each other, best in bold, with the error relative to the column mean's."""
    keys = [key for key in ("rmse", "mae", "deviance") if key in rows[0]]
    titles = {"rmse": "RMSE", "mae": "MAE", "deviance": "deviance"}
    made = table(f"on {word} entries", *(titles[key] for key in keys), "RMSE / column mean")
    columns = [figures(math.nan if row[key] is None else row[key] for row in rows) for key in keys]
    relative = [f"{row['rmse'] / rows[-1]['rmse']:.3f}" for row in rows]
    best = min(range(len(rows)), key=lambda place: rows[place]["rmse"])
    for place, row in enumerate(rows):
        made.add_row(
            row["model"],
            *(column[place] for column in columns),
            relative[place],
            style="bold" if place == best else None,
        )
    return made
