"""The record of a run, and the folder that it goes into."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import halfseen as hs
from halfseen.cli.folder import MODEL, new_folder, write_records
from halfseen.cli.options import JudgeOptions, TableOptions
from halfseen.cli.screen import note, plain
from halfseen.render.text import plain_part
from halfseen.summary.summary import brief

if TYPE_CHECKING:
    from halfseen.cli.job import Job

VERSIONED = ("numpy", "scipy", "scikit-learn", "pyarrow", "safetensors")


def record(job: Job, command: str) -> dict[str, Any]:
    """All facts of a run, ready for JSON."""
    asked, model = job.asked, job.model
    inner = model.model_ if isinstance(model, hs.ScaledColumns) else model
    facts: dict[str, Any] = {
        "command": command,
        "method": asked.method.name,
        "class": type(inner).__name__,
        "table": asdict(asked.table),
        "judge": asdict(asked.judge),
        "options": {
            name: value
            for group, part in asked.parts.items()
            if group not in (TableOptions, JudgeOptions)
            for name, value in asdict(part).items()
        },
        "config": config_of(inner),
        "figures": job.figures,
        "seconds": job.seconds,
        "warnings": list(getattr(model, "warnings_", ())),
        "versions": versions(),
        **job.facts(),
    }
    if job.intervals is not None:
        facts["intervals"] = job.intervals
    if job.choice is not None:
        facts["choice"] = job.choice
    run = getattr(model, "run_", None)
    if run is not None:
        facts["run"] = {"reason": run.reason, "converged": run.converged, "n_iter": run.n_iter, "value": run.value}
    facts["summary"] = [plain_part(part) for part in brief(model, facts)]
    told: dict[str, Any] = plain(facts)
    return told


def config_of(model: Any) -> dict[str, Any]:
    """The estimator's parameters, dataclasses spelled out."""
    return {
        name: asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        for name, value in model.get_params(deep=False).items()
    }


def versions() -> dict[str, str]:
    """Versions of this library and of those whose numbers it rests on."""
    versions = {"halfseen": hs.__version__}
    for name in VERSIONED:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # pragma: no cover - a broken installation
            versions[name] = "not found"
    return versions


def save_run(target: Path, job: Job, facts: dict[str, Any]) -> None:
    """Write model, record and pictures; the folder is complete or not there at all."""
    with new_folder(target, is_claimed=not job.asked.output.force) as folder:
        hs.save(job.model, folder / MODEL)
        if find_spec("matplotlib") is None:
            note("no pictures: matplotlib is not installed (pip install 'halfseen[plots]')")
        else:
            job.draw(folder, facts)
        write_records(folder, facts, plain(job.details()))
