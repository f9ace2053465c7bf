"""One figure from its script to its files."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from halfseen.reproduce.kept import Kept
from halfseen.reproduce.rules import figures_text, rule_text
from halfseen.reproduce.scripts import Figure, loaded
from halfseen.reproduce.study import SHARED, Study
from halfseen.reproduce.writing import csv_text, json_text, replace_all

KEPT = ".kept"


@dataclass(frozen=True)
class Request:
    """How figures are run.

    Attributes
    ----------
    quick : bool
        With the small configuration, into the folder ``quick`` that is not tracked.
    data : dict
        Data sets by name; the name "" holds a folder, or the one file there is.
    minutes : float or None
        No repetition begins after that time.
    fresh : bool
        Forget the repetitions that earlier runs kept.
    """

    quick: bool = False
    data: dict[str, Path] = field(default_factory=dict)
    minutes: float | None = None
    fresh: bool = False

    def command(self, figure: Figure) -> str:
        """The words that run this figure this way, without the paths of this machine."""
        words = ["halfseen reproduce", f"{figure.paper}/{figure.name}"]
        words += [f"--data {name}=PATH" if name else "--data PATH" for name in self.data]
        words += ["--quick"] if self.quick else []
        words += [f"--minutes {self.minutes:g}"] if self.minutes is not None else []
        return " ".join(words)


def run_figure(
    figure: Figure, request: Request | None = None, tell: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """Run one figure and put its results in the place of earlier ones.

    Parameters
    ----------
    figure : Figure
    request : Request, optional
    tell : callable
        Takes lines of progress.

    Returns
    -------
    dict
        The record, as written to ``FIGURE.json``: command, config, seconds (with those of repetitions that earlier
        runs have kept), claims, names of the files.

    Raises
    ------
    ValueError
        If the script does not keep the contract, or its claims or tables are not as they should be.
    MissingData
        If a data set is not here.
    """
    request = request or Request()
    folder = figure.quick_results if request.quick else figure.results
    store = None if request.quick else figure.path.parent / KEPT
    if request.fresh and store is not None:
        for pattern in (f"{figure.name}.*.jsonl", f"{SHARED}.*.jsonl"):
            for path in store.glob(pattern):
                path.unlink()
    with loaded(figure) as script:
        config = script.configuration("quick" if request.quick else "full")
        begin = time.monotonic()
        deadline = None if request.minutes is None else begin + 60 * request.minutes
        study = Study(figure.name, request.data, Kept(store, deadline), tell)
        script.run(dict(config), study)
        seconds = time.monotonic() - begin + study.kept.earlier_seconds
    own, asked = study.ran(config)
    record = {
        "title": figure.title, "command": request.command(figure), "config": own, **({"asked": asked} if asked else {}),
        "seconds": round(seconds, 1), "processor": processor(), "halfseen": _version(),
        "files": sorted(study.files), "claims": study.claims,
    }  # fmt: skip
    files, old = dict(study.files), (read_record(folder, figure.name) or {}).get("files", ())
    if study.claims:
        about = {"command": record["command"], "seconds": record["seconds"]}
        files[f"{figure.name}-claims.csv"] = csv_text([{**claim_row(claim), **about} for claim in study.claims])
    files[f"{figure.name}.json"] = json_text(record)
    replace_all(folder, files, [*old, f"{figure.name}-claims.csv"])
    return record


def claim_row(claim: dict[str, Any]) -> dict[str, Any]:
    """A claim as a line of its table: both rules in one cell, the figures in another."""
    row = {key: claim[key] for key in ("what", "kind", "paper", "ours", "verdict")}
    rule = rule_text(claim["rule"], claim["partly"])
    return {**row, "rule": rule, "figures": figures_text(claim["figures"]), "reason": claim["reason"]}


def read_record(folder: Path, name: str) -> dict[str, Any] | None:
    """What an earlier run of a figure wrote, or None."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _version() -> str:
    import halfseen

    return halfseen.__version__


def processor() -> str:
    """The processor's name and how many of its cores can be used."""
    name = platform.processor() or platform.machine()
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        lines = facts.read_text(encoding="utf-8", errors="replace").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    return f"{name}, {os.cpu_count()} cores"
