"""The job behind ``halfseen fit autoencoder``: sources in, penalties chosen, trained, judged, saved."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import halfseen as hs
from halfseen.cli.fit import check_shares, command_line
from halfseen.cli.folder import MODEL, check_target, new_folder, write_records
from halfseen.cli.heterogeneous import numbers, pooled_rivals, read_sources, scores
from halfseen.cli.options import JudgeOptions, NetworkOptions, OutputOptions, TableOptions
from halfseen.cli.report import config_of, scores_table, versions
from halfseen.cli.screen import Steps, count, note, plain, print_json, say, stdout, steps
from halfseen.data import Sources
from halfseen.data.facts import SeenShares
from halfseen.methods.autoencoder.options import OWN
from halfseen.nets import load_torch

RIVAL_RANK = 16


@dataclass
class Trained:
    """Everything a training has to tell."""

    sources: Sources
    model: Any
    tried: list[dict[str, float]]
    figures: list[dict[str, Any]]
    n_judged: int


def run_autoencoder(
    files: list[str], given: NetworkOptions, reading: TableOptions, judge: JudgeOptions, output: OutputOptions
) -> None:
    """Run the whole job and show or save what came of it."""
    load_torch("fit autoencoder")
    if output.out is not None:
        check_target(output.out, output.force)
    check_shares(judge)
    begun, settings = time.perf_counter(), settings_of(given, output.threads)
    grid = list(product(numbers("--penalty", given.penalty), numbers("--unique-penalty", given.unique_penalty)))
    sources = read_sources(files, given.source, reading)
    trained = fit_and_judge(sources, given, (settings, grid), judge)
    facts = record(trained, files, (given, reading, judge), command_line(files[0]))
    facts["seconds"] = {"total": time.perf_counter() - begun}
    if output.out is not None:
        save_run(output.out, trained, facts)
    if output.json:
        print_json(facts)
    else:
        show(facts, output.out)


def settings_of(given: NetworkOptions, threads: int | None) -> dict[str, Any]:
    """Parameters of the network, penalties aside."""
    names = ("hidden", "unique_hidden", "kernel", "folds", "max_iter", "learning_rate", "batch", "n_starts")
    settings = {name: getattr(given, name) for name in (*names, "solver", "device")}
    drop = None if given.solver == "lbfgs" else given.drop_entries
    return settings | {"drop_entries": drop, "threads": threads or 1}


def make(
    given: NetworkOptions, settings: dict[str, Any], penalties: tuple[float, float], seed: int, is_plain: bool
) -> Any:
    """An autoencoder for one network of all columns, or for sources with encoders of their own."""
    if is_plain:
        shared = {name: value for name, value in settings.items() if name not in OWN}
        return hs.SparseAutoencoder(given.width, penalty=penalties[0], random_state=seed, **shared)
    given_penalties: dict[str, Any] = dict(zip(("penalty", "unique_penalty"), penalties, strict=True))
    return hs.HeterogeneousAutoencoder(given.width, random_state=seed, **given_penalties, **settings)


def fit_and_judge(sources: Sources, given: NetworkOptions, how: tuple[Any, Any], judge: JudgeOptions) -> Trained:
    """Hold out, choose the penalties, train, judge beside rivals, and train again with what was held out."""
    settings, grid = how
    is_plain = given.plain or len(sources) == 1
    grid = list(dict.fromkeys((penalty, 0.0) for penalty, _ in grid)) if is_plain else grid
    part = judge.held_out if judge.hide is None else judge.hide
    seen, hidden = sources.split(part, random_state=judge.seed) if part else (sources, None)
    again = hidden is not None and judge.hide is None and judge.refit
    figures: list[dict[str, Any]] = []
    trials = len(grid) if len(grid) > 1 else 0
    with steps(trials + 1 + (2 + (not is_plain)) * (hidden is not None) + again) as bar:
        tried = choose(seen, given, (settings, grid), judge.seed, bar, is_plain) if trials else []
        best = min(tried, key=lambda one: one["rmse"]) if tried else None
        penalties = grid[0] if best is None else (best["penalty"], best["unique_penalty"])
        model = make(given, settings, penalties, judge.seed, is_plain)
        train(model, seen, "training", bar)
        if hidden is not None:
            figures.append({"model": describe(model), **scores(model, hidden)})
            if not is_plain:
                one = train(make(given, settings, penalties, judge.seed, True), seen, "one network for all", bar)
                figures.append({"model": describe(one), **scores(one, hidden)})
            rank = min(RIVAL_RANK, seen.n_rows, sum(p for _, p in seen.shapes.values()))
            figures += pooled_rivals(seen, hidden, rank, judge.seed, bar)
        if again:
            train(model, sources, "once more, on all entries", bar)
    return Trained(sources, model, tried, figures, 0 if hidden is None else hidden.n_entries)


def train(model: Any, sources: Sources, text: str, bar: Steps) -> Any:
    """One training, its sweeps counted on the bar."""
    bar.begin(text)
    is_told = bar.watch(model)
    model.fit(sources)
    if is_told:
        model.set_callbacks()
    else:
        bar.end()
    return model


def choose(
    seen: Sources, given: NetworkOptions, how: tuple[Any, Any], seed: int, bar: Steps, is_plain: bool
) -> list[dict[str, float]]:
    """Errors of all penalties on a tenth of the training entries."""
    settings, grid = how
    inner, judged = seen.split(0.1, random_state=seed + 1)
    tried = []
    for penalties in grid:
        model = make(given, settings, penalties, seed, is_plain)
        train(model, inner, f"penalty {penalties[0]:g}" + ("" if is_plain else f", own {penalties[1]:g}"), bar)
        tried.append({"penalty": penalties[0], "unique_penalty": penalties[1], **scores(model, judged)})
    return tried


def describe(model: Any) -> str:
    """Name and penalties."""
    own = f", own {model.unique_penalty:g}" if hasattr(model, "unique_penalty") else ""
    kind = "heterogeneous autoencoder" if own else "sparse autoencoder"
    return f"{kind}, width {model.width}, penalty {model.penalty:g}{own}"


def record(trained: Trained, files: list[str], options: tuple[Any, Any, Any], command: str) -> dict[str, Any]:
    """All facts of a run, ready for JSON."""
    model, run, sources = trained.model, trained.model.run_, trained.sources
    given, reading, judge = options
    return plain(
        {
            "command": command,
            "method": "autoencoder",
            "class": type(model).__name__,
            "data": {
                "source": files[0] if len(files) == 1 else files,
                "n_rows": sources.n_rows,
                "n_entries": sources.n_entries,
                "sources": {
                    name: {"n_cols": one.shape[1], "n_entries": one.n_entries} for name, one in sources.items()
                },
            },
            "options": asdict(given),
            "table": asdict(reading),
            "judge": asdict(judge),
            "config": config_of(model),
            "n_judged": trained.n_judged,
            "tried": trained.tried,
            "figures": trained.figures,
            "run": {"reason": run.reason, "converged": run.converged, "n_iter": run.n_iter, "value": run.value},
            "versions": versions(),
        }
    )


def save_run(target: Path, trained: Trained, facts: dict[str, Any]) -> None:
    """Write model, record and pictures; the folder is complete or not there at all."""
    with new_folder(target) as folder:
        hs.save(trained.model, folder / MODEL)
        if find_spec("matplotlib") is None:
            note("no pictures: matplotlib is not installed (pip install 'halfseen[plots]')")
        else:
            from halfseen.show import save_figure
            from halfseen.show.fits import plot_trace
            from halfseen.show.sources import plot_embeddings

            save_figure(plot_trace(trained.model.run_), folder / "trace.png")
            save_figure(plot_embeddings(trained.model, random_state=0), folder / "embeddings.png")
        write_records(folder, facts, plain({"seen": SeenShares.of(trained.sources.pooled()).as_dict()}))


def show(facts: dict[str, Any], out: Path | None) -> None:
    """The result on the screen."""
    console, data, config = stdout(), facts["data"], facts["config"]
    n_sources = len(data["sources"])
    console.print(
        f"{count(data['n_rows'])} rows, {n_sources} source{'s' * (n_sources > 1)}, {count(data['n_entries'])} entries; "
        f"[bold]{facts['class']}, width {config['width']}[/bold], penalty {config['penalty']:g}"
        + (f", own {config['unique_penalty']:g}" if "unique_penalty" in config else "")
        + (f" (best of {len(facts['tried'])} on held-out entries)" if facts["tried"] else "")
    )
    if facts["figures"]:
        console.print()
        console.print(scores_table(facts["figures"], "held-out" if facts["judge"]["hide"] is None else "hidden"))
    console.print(f"{facts['run']['n_iter']} sweeps ({facts['run']['reason']})")
    if out is not None:
        say(f"{out}/  " + "  ".join(facts["files"]))
    else:
        console.print("nothing saved; add -o DIR to keep the model")
    console.print(f"{facts['seconds']['total']:.1f} s")
