"""Terminal-Bench: the first version's runs and trials, and the trials of Harbor, its second."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from halfseen.data.evals.access import mapping, score_of, sequence, text_of, whole
from halfseen.data.evals.files import LogFile
from halfseen.data.evals.problems import RefusedFileError
from halfseen.data.evals.trials import Asked, F, G, Log, N, Trials, U

DATA_SET = re.compile(r"([\w.-]*bench[\w.-]*)[@:=]+([\w.]+)")
# The model's own doing where the answer was graded as wrong.
OWN = frozenset(("agent_timeout", "context_length_exceeded", "output_length_exceeded", "fatal_llm_parse_error"))
MOST_TRIALS = 1_000_000


def is_run(file: LogFile) -> bool:
    """The results of a run: a list of trials."""
    top = mapping(file.json) if file.kind == "json" else {}
    first = mapping(next(iter(sequence(top.get("results"))), None))
    return "is_resolved" in first or ("pass_at_k" in top and "n_resolved" in top)


def is_trial(file: LogFile) -> bool:
    """The results of one trial, which also stand in those of its run."""
    return file.kind == "json" and {"task_id", "is_resolved"} <= set(mapping(file.json))


def is_beside(file: LogFile) -> bool:
    """What describes a run."""
    return file.path.name in ("run_metadata.json", "tb.lock") and file.kind == "json"


def read_run(file: LogFile, asked: Asked, trials: Trials) -> None:
    """Read all trials of a run; trials that it announced and does not have were not run."""
    meta = mapping(file.beside("run_metadata.json"))
    records = [item for item in sequence(mapping(file.json).get("results")) if isinstance(item, dict)]
    log = trials.open(_log(file, file.path.parent, meta, asked))
    seen = set()
    for record in records:
        seen.add(_add(log, record, asked, trials))
    attempts = max(whole(meta.get("n_attempts")), 1)
    tasks = [name for name in map(text_of, sequence(meta.get("task_ids"))) if name is not None]
    if asked.question is None and len(tasks) * attempts <= MOST_TRIALS:
        for task in tasks:
            for attempt in range(1, attempts + 1):  # not an iteration: repeats of a task
                if (task, attempt) not in seen:
                    trials.add(log, task, None, N, run=attempt)


def read_trial(file: LogFile, asked: Asked, trials: Trials) -> None:
    """Read one trial; its run is described two or three folders above."""
    for up in (2, 1, 3, 0):
        if meta := mapping(file.beside("run_metadata.json", up)):
            folder = file.path.parents[up]
            break
    else:
        meta, folder = {}, file.path.parents[min(2, len(file.path.parents) - 1)]
    log = trials.open(_log(file, folder, meta, asked))
    _add(log, mapping(file.json), asked, trials)


def _add(log: int, record: dict[str, Any], asked: Asked, trials: Trials) -> tuple[str, int]:
    question = asked.pick_question(record.get("task_id"), record)
    if question is None:
        return "", 0
    resolved, mode = record.get("is_resolved"), text_of(record.get("failure_mode"))
    # a number of the attempt stands in the name only: "one.1-of-2"
    match = re.search(r"\.(\d{1,6})-of-\d+", text_of(record.get("trial_name")) or "")
    run = int(match[1]) if match else 1
    # without an id, run and name of the trial tell it apart: both stand in both files
    own = f"{trials.logs[log].series} {text_of(record.get('trial_name'))}"
    place: dict[str, Any] = {
        "run": run,
        "cluster": asked.pick_cluster(record),
        "uuid": text_of(record.get("id")) or own,
    }
    if isinstance(resolved, bool):
        trials.add(log, question, float(resolved), F if mode in OWN and not resolved else G, **place)
    else:
        trials.add(log, question, None, U, **place)
    return question, run


def _log(file: LogFile, folder: Path, meta: dict[str, Any], asked: Asked) -> Log:
    """Agent and model make the row; data set and version, however they are joined, make the benchmark."""
    agent, model = text_of(meta.get("agent_name")), text_of(meta.get("model_name"))
    name, version = text_of(meta.get("dataset_name")), text_of(meta.get("dataset_version"))
    named = text_of(meta.get("dataset")) or name or ""
    match = DATA_SET.search(named) or next(filter(None, map(DATA_SET.search, folder.parts[::-1])), None)
    if match and ("@" in named or ":" in named or not name):
        name, version = match[1], match[2].strip("=")
    if not meta and not match:
        raise RefusedFileError("names no agent and no data set", "copy run_metadata.json of the run beside it")
    both = f"{agent} ({model})" if agent and model else agent or model
    return Log(
        source=file.name,
        tool="terminal-bench",
        model=asked.pick_model(both or folder.parent.name or None, meta),
        benchmark=name or "terminal-bench",
        version=version,
        series="/".join(folder.parts[-2:]),
        time=text_of(meta.get("start_time")) or folder.name,
    )


def is_harbor(file: LogFile) -> bool:
    """A trial of Harbor."""
    return file.kind == "json" and {"task_name", "trial_name", "agent_info"} <= set(mapping(file.json))


def is_harbor_job(file: LogFile) -> bool:
    """The totals and settings of a job of Harbor."""
    top = set(mapping(file.json)) if file.kind == "json" else set()
    return {"n_total_trials", "stats"} <= top or {"agents", "datasets"} <= top or {"trial_name", "job_id"} <= top


def read_harbor(file: LogFile, asked: Asked, trials: Trials) -> None:
    """Read one trial: without a reward it was not graded, whatever the exception was."""
    top = mapping(file.json)
    agent = mapping(top.get("agent_info"))
    info = mapping(agent.get("model_info"))
    model = "/".join(part for part in (text_of(info.get("provider")), text_of(info.get("name"))) if part)
    name = text_of(agent.get("name"))
    both = f"{name} ({model})" if name and model else name or model or None
    source = text_of(top.get("source")) or "harbor"
    rewards = mapping(mapping(top.get("verifier_result")).get("rewards"))
    question = asked.pick_question(top.get("task_name"), top)
    if question is None:
        raise RefusedFileError("names no task", "leave it out")
    match = DATA_SET.search(source)
    benchmark, version = (match[1], match[2]) if match else (source, None)
    metric = asked.pick_metric(rewards, benchmark, ("reward",)) if rewards else "reward"
    log = trials.open(
        Log(
            source=file.name,
            tool="harbor",
            model=asked.pick_model(both, top, agent),
            benchmark=benchmark,
            version=version,
            time=text_of(top.get("started_at")) or "",
        )
    )
    score = score_of(rewards.get(metric))
    mine = "AgentTimeout" in (text_of(mapping(top.get("exception_info")).get("exception_type")) or "")
    uuid = text_of(top.get("id")) or text_of(top.get("trial_name"))
    status = F if mine and score == 0 else G
    trials.add(log, question, score, status, cluster=asked.pick_cluster(top), uuid=uuid)
