"""SWE-bench: submissions to its leaderboard in two layouts, reports of its harness, and SWE-bench Pro."""

from __future__ import annotations

from typing import Any

from halfseen.data.evals.access import mapping, sequence, text_of
from halfseen.data.evals.files import LogFile
from halfseen.data.evals.problems import RefusedFileError
from halfseen.data.evals.trials import Asked, F, G, IdListing, Log, Trials, U

# The sets verified, lite and test hold the same instances under the same ids; the others have instances of their own.
SAME = ("verified", "lite", "test", "bash-only")
OWN = ("multimodal", "multilingual")
REPORT = ("resolved_ids", "unresolved_ids", "error_ids")


def is_submission_lists(file: LogFile) -> bool:
    """Layout A: lists of ids, the resolved ones and those that were not evaluated."""
    top = mapping(file.json) if file.kind == "json" else {}
    return isinstance(top.get("resolved"), list) and not {"resolved_ids", "results"} & set(top)


def is_submission_details(file: LogFile) -> bool:
    """Layout B: an object per instance with `resolved`."""
    top = mapping(file.json) if file.kind == "json" else {}
    return bool(top) and all(isinstance(value, dict) and "resolved" in value for value in top.values())


def is_harness(file: LogFile) -> bool:
    """A report of the harness."""
    top = mapping(file.json) if file.kind == "json" else {}
    return isinstance(top.get("resolved_ids"), list) and ("submitted_ids" in top or "completed_ids" in top)


def is_pro(file: LogFile) -> bool:
    """SWE-bench Pro: true or false for each instance."""
    top = mapping(file.json) if file.kind == "json" else {}
    plain = all(value is None or isinstance(value, bool) for value in top.values())
    return bool(top) and plain and all(key.startswith("instance_") for key in top)


def _repository(instance: str) -> str:
    return instance.removeprefix("instance_").rpartition("-")[0] or instance


def _cluster(asked: Asked, instance: str) -> str | None:
    return _repository(instance) if asked.cluster in ("repository", "repo") else None


def _submission(file: LogFile) -> tuple[str, str, str]:
    """Folder of the submission, the benchmark, and the set of questions it belongs to."""
    folders = list(file.parts[:-1])
    if folders and folders[-1] == "results":
        folders.pop()
    folder, split = (folders[-1] if folders else file.stem), (folders[-2] if len(folders) > 1 else "")
    group = "verified" if split == "bash-only" else split
    return folder, f"swe-bench-{split}" if split in OWN else "swe-bench", group


def read_submission_lists(file: LogFile, asked: Asked, trials: Trials) -> None:
    """Read layout A: ids in no list were tried and failed, but which they are only the set of questions can say."""
    folder, benchmark, group = _submission(file)
    if (file.path.parent / "per_instance_details.json").exists():
        raise RefusedFileError("the same submission in lists", "nothing to do, per_instance_details.json is read")
    top = mapping(file.json)
    known: dict[str, tuple[float | None, int]] = {}
    # what comes later in this order wins: a resolved instance was graded whatever else is said of it
    for name, outcome in (("no_generation", (0.0, F)), ("no_logs", (None, U)), ("resolved", (1.0, G))):
        known.update(dict.fromkeys(_ids(top.get(name)), outcome))
    log = trials.open(Log(file.name, "swe-bench", asked.pick_model(folder, top), benchmark, time=folder))
    trials.listings.append(IdListing(log, known, group, (0.0, G), False, lambda id_: _cluster(asked, id_)))


def read_submission_details(file: LogFile, asked: Asked, trials: Trials) -> None:
    """Read layout B: true or false for each instance."""
    folder, benchmark, group = _submission(file)
    log = trials.open(Log(file.name, "swe-bench", asked.pick_model(folder), benchmark, time=folder))
    known: dict[str, tuple[float | None, int]] = {}
    for instance, value in mapping(file.json).items():
        name, resolved = text_of(instance), mapping(value).get("resolved")
        if name is not None:
            known[name] = (float(resolved), G) if isinstance(resolved, bool) else (None, U)
    trials.listings.append(IdListing(log, known, group, (None, U), True, lambda id_: _cluster(asked, id_)))


def read_harness(file: LogFile, asked: Asked, trials: Trials) -> None:
    """Read a report: an empty patch is the model's own doing, an error of a container is not."""
    top = mapping(file.json)
    name, _, run = file.stem.rpartition(".")
    model = asked.pick_model((name or run).replace("__", "/", 1), top)
    known: dict[str, tuple[float | None, int]] = {}
    lists = (
        ("submitted_ids", (None, U)),
        ("incomplete_ids", (None, U)),
        ("error_ids", (None, U)),
        ("empty_patch_ids", (0.0, F)),
        ("unresolved_ids", (0.0, G)),
        ("resolved_ids", (1.0, G)),
    )
    for key, outcome in lists:
        known.update(dict.fromkeys(_ids(top.get(key)), outcome))
    if not known:
        raise RefusedFileError("lists no ids", "write the report with version 2 of the harness")
    log = trials.open(Log(file.name, "swe-bench", model, "swe-bench", series=run, time=run))
    for instance, (score, status) in sorted(known.items()):
        # a report names its run: two reports are two runs, not the same one twice
        uuid = f"{model} {run} {instance}"
        trials.add(log, instance, score, status, cluster=_cluster(asked, instance), uuid=uuid)


def read_pro(file: LogFile, asked: Asked, trials: Trials) -> None:
    """Read SWE-bench Pro: an instance that is not named was not graded."""
    model = asked.pick_model(file.path.parent.name)
    log = trials.open(Log(file.name, "swe-bench-pro", model, "swe-bench-pro"))
    known: dict[str, tuple[float | None, int]] = {}
    for instance, value in mapping(file.json).items():
        name = text_of(instance)
        if name is not None:
            known[name] = (None, U) if value is None else (float(value), G)
    trials.listings.append(IdListing(log, known, "pro", (None, U), True, lambda id_: _cluster(asked, id_)))


def _ids(value: Any) -> list[str]:
    return [name for name in map(text_of, sequence(value)) if name is not None]
