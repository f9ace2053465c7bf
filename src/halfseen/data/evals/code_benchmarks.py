"""Benchmarks of generated code: EvalPlus, BigCodeBench, LiveCodeBench."""

from __future__ import annotations

import re
from typing import Any

from halfseen.data.evals.access import mapping, score_of, sequence, text_of
from halfseen.data.evals.files import LogFile
from halfseen.data.evals.problems import RefusedFileError
from halfseen.data.evals.trials import Asked, F, G, Log, Trials, U

RESULTS = re.compile(r"[._]eval_results$")
BACKENDS = "vllm|hf|openai|anthropic|google|bedrock|ollama|gptqmodel"
EVALPLUS_NAME = re.compile(rf"^(?P<model>.+?)(?:_(?:{BACKENDS}))?_temp_(?P<t>[\d.]+)")
BIGCODE_NAME = re.compile(r"^(?P<model>.+?)--(?P<set>bigcodebench(?:-hard)?-(?:complete|instruct))(?:--(?P<rest>.+))?$")
SCENARIO = re.compile(r"Scenario\.(\w+?)_(\d+)_([\d.]+)")
PLAIN = ("pass", "fail")


def _entries(file: LogFile) -> dict[str, list[dict[str, Any]]]:
    """Attempts by task, of both tools."""
    top = mapping(file.json) if file.kind == "json" else {}
    entries = {}
    for key, value in mapping(top.get("eval")).items():
        attempts = value if isinstance(value, list) else [value]
        entries[text_of(key) or ""] = [item for item in attempts if isinstance(item, dict)]
    entries.pop("", None)
    return entries


def is_evalplus(file: LogFile) -> bool:
    """Attempts with a status of the base tests and one of the added tests."""
    return any("base_status" in item for items in _entries(file).values() for item in items)


def is_bigcodebench(file: LogFile) -> bool:
    """Attempts with one status, under ids of BigCodeBench."""
    entries = _entries(file)
    return any(key.startswith("BigCodeBench/") for key in entries) and not is_evalplus(file)


def _outcome(status: Any) -> tuple[float | None, int]:
    """Null is not graded; a time-out is the model's own doing."""
    text = text_of(status)
    if text is None:
        return None, U
    return (1.0, G) if text == "pass" else (0.0, G if text in PLAIN else F)


def read_evalplus(file: LogFile, asked: Asked, trials: Trials) -> None:
    """Read two benchmarks: the base tests alone, and ``+``, where base and added tests must both pass."""
    entries = _entries(file)
    name = RESULTS.sub("", file.stem)
    match = EVALPLUS_NAME.match(name)
    model = asked.pick_model((match["model"] if match else name).replace("--", "/"), mapping(file.json))
    settings = {"temperature": match["t"].rstrip(".")} if match else {}
    first = next(iter(entries), "")
    set_name = first.partition("/")[0] or file.path.parent.name
    version = text_of(mapping(file.json).get("hash"))
    has_plus = any(text_of(item.get("plus_status")) for items in entries.values() for item in items)
    wanted = [kind for kind in ("base", "plus") if not asked.metric or kind in asked.metric]
    if not wanted:
        asked.pick_metric(["base", "plus"], set_name)
    if "plus" in wanted and not has_plus:
        wanted.remove("plus")
        trials.tell(file, "only the base tests were run", f"evaluate without --base-only to have {set_name}+", "note")
    for kind in wanted:
        benchmark = set_name + ("+" if kind == "plus" else "")
        # the hash is of the data set; EvalPlus writes another one for other tests
        log = trials.open(Log(file.name, "evalplus", model, benchmark, version and version[:8], settings))
        for task, items in entries.items():
            question = asked.pick_question(_bare(task, set_name), *items)
            for run, item in enumerate(items, 1):
                score, status = _outcome(item.get("base_status"))
                if kind == "plus" and score == 1.0:
                    score, status = _outcome(item.get("plus_status"))
                if question is not None:
                    trials.add(log, question, score, status, run=run, cluster=asked.pick_cluster(item))


def _bare(task: str, set_name: str) -> str:
    return task.removeprefix(f"{set_name}/") or task


def read_bigcodebench(file: LogFile, asked: Asked, trials: Trials) -> None:
    """Read the status of each attempt; model and set stand in the file's name."""
    name = re.sub(r"-sanitized[-_]calibrated$|-sanitized$", "", RESULTS.sub("", file.stem))
    match = BIGCODE_NAME.match(name)
    parts = (match["model"] if match else name).split("--")
    revision = parts.pop() if len(parts) > 1 and re.fullmatch(r"main|[0-9a-f]{7,40}", parts[-1]) else None
    settings = {"revision": revision} if revision else {}
    if match and match["rest"]:
        settings["generation"] = match["rest"]
    model = asked.pick_model("/".join(parts), mapping(file.json))
    log = trials.open(Log(file.name, "bigcodebench", model, match["set"] if match else "bigcodebench", config=settings))
    for task, items in _entries(file).items():
        question = asked.pick_question(_bare(task, "BigCodeBench"), *items)
        for run, item in enumerate(items, 1):
            score, status = _outcome(item.get("status"))
            if question is not None:
                trials.add(log, question, score, status, run=run, cluster=asked.pick_cluster(item))


def is_livecodebench(file: LogFile) -> bool:
    """A list of problems with a list of grades each."""
    return file.kind == "json" and {"question_id", "graded_list"} <= set(file.first)


def read_livecodebench(file: LogFile, asked: Asked, trials: Trials) -> None:
    """Read the list of grades of each problem; the folder is the model."""
    match = SCENARIO.search(file.path.name)
    scenario = match[1] if match else "codegeneration"
    benchmark = "livecodebench" if scenario == "codegeneration" else f"livecodebench-{scenario}"
    settings = {"temperature": match[3].rstrip(".")} if match else {}
    records = [item for item in sequence(file.json) if isinstance(item, dict)]
    if not any(item.get("graded_list") for item in records):
        raise RefusedFileError("has no grades", "evaluate it with --evaluate")
    log = trials.open(
        Log(file.name, "livecodebench", asked.pick_model(file.path.parent.name), benchmark, config=settings)
    )
    for item in records:
        question = asked.pick_question(item.get("question_id"), item)
        for run, value in enumerate(sequence(item.get("graded_list")), 1):
            if question is not None:
                trials.add(log, question, score_of(value), run=run, cluster=asked.pick_cluster(item))
