"""The language model evaluation harness (`samples_TASK_DATE.jsonl`) and lighteval (`details_TASK_DATE.parquet`)."""

from __future__ import annotations

import re
from typing import Any

from halfseen.data.evals.access import mapping, score_of, sequence, text_of
from halfseen.data.evals.files import LogFile
from halfseen.data.evals.trials import Asked, Log, Trials

DATE = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}[-:]\d{2}[-:]\d{2}(?:\.\d+)?")
STRUCTS = ("metric", "metrics", "__metric__", "__metrics__")
PLAIN = frozenset(("doc_id", "target", "acc_bytes"))
DOCS = ("doc", "__doc__")


def is_lm_eval(file: LogFile) -> bool:
    """JSON Lines with `doc_id` and answers."""
    return (
        file.kind in ("lines", "json")
        and "doc_id" in file.first
        and bool({"resps", "filtered_resps"} & set(file.first))
    )


def is_lm_eval_results(file: LogFile) -> bool:
    """The totals of the harness, read beside the samples."""
    top = mapping(file.json) if file.kind == "json" else {}
    return isinstance(top.get("results"), dict) and "versions" in top


def read_lm_eval(file: LogFile, asked: Asked, trials: Trials) -> None:
    """Read one line per document and filter; the model and the task's version stand in the results of the same date."""
    date, task = _date(file), _task(file)
    results = _results(file, date)
    model = asked.pick_model(results.get("model_name") or file.path.parent.name.replace("__", "/", 1), results)
    records = [_compact(line, asked) for line in file.lines() if "doc_id" in line]
    names = dict.fromkeys(record["filter"] for record in records)
    chosen = asked.pick_filter(names, task)
    records = [record for record in records if record["filter"] == chosen]
    metric = _metric(records, asked, task)
    version = text_of(mapping(results.get("versions")).get(task))
    log = trials.open(Log(file.name, "lm-eval", model, task, version, _settings(results, task), time=date or ""))
    for record in records:
        values = record["metrics"].get(metric)
        values = values if isinstance(values, list) else [values]
        for run, value in enumerate(values, 1):
            if record["question"] is not None:
                place = {"cluster": record["cluster"], "content": record["hash"]}
                trials.add(log, record["question"], score_of(value), run=run, **place)
    _tell_limit(file, trials, results, task)


def _compact(line: dict[str, Any], asked: Asked) -> dict[str, Any]:
    names = [name for name in sequence(line.get("metrics")) if isinstance(name, str)]
    if "metrics" not in line:  # versions before 0.4.4 do not list them
        names = [name for name, value in line.items() if isinstance(value, int | float) and name not in PLAIN]
    return {
        "filter": text_of(line.get("filter")) or "none",
        "metrics": {name: line[name] for name in names if name in line},
        "hash": text_of(line.get("doc_hash")),
        "question": asked.pick_question(line.get("doc_id"), line, line.get("doc")),
        "cluster": asked.pick_cluster(line.get("doc"), line),
    }


def _metric(records: list[dict[str, Any]], asked: Asked, task: str) -> str:
    there: dict[str, None] = {}
    for record in records:
        there.update(dict.fromkeys(record["metrics"]))
    return asked.pick_metric(there, task)


def _date(file: LogFile) -> str | None:
    match = DATE.search(file.path.name)
    return match[0] if match else None


def _task(file: LogFile) -> str:
    return DATE.sub("", file.stem).removeprefix("samples_").rstrip("_") or file.stem


def _results(file: LogFile, date: str | None) -> dict[str, Any]:
    """The results file of the same date; without one, the newest of the folder."""
    if date and (results := mapping(file.beside(f"results_{date}.json"))):
        return results
    names = sorted(path.name for path in file.path.parent.glob("results_*.json"))
    return mapping(file.beside(names[-1])) if names else {}


def _settings(results: dict[str, Any], task: str) -> dict[str, str] | None:
    if not results:
        return None
    config, shots = mapping(results.get("config")), mapping(results.get("n-shot")).get(task)
    named = {"shots": shots, "gen_kwargs": config.get("gen_kwargs")}
    return {key: str(value)[:60] for key, value in named.items() if text_of(value) is not None}


def _tell_limit(file: LogFile, trials: Trials, results: dict[str, Any], task: str) -> None:
    size = mapping(mapping(results.get("n-samples")).get(task))
    original, effective = size.get("original"), size.get("effective")
    if isinstance(original, int) and isinstance(effective, int) and effective < original:
        what = f"a run with --limit: {effective} of {original} questions"
        trials.tell(file, what, "scores of other questions are missing, run it without --limit")


def is_lighteval(file: LogFile) -> bool:
    """Parquet with a struct of metrics beside a struct of the document (or, older, its text)."""
    columns = set(file.columns)
    return bool(columns & set(STRUCTS)) and bool(columns & {*DOCS, "example", "full_prompt", "model_response", "pred"})


def read_lighteval(file: LogFile, asked: Asked, trials: Trials) -> None:
    """Read a Parquet file of details; model and date are folders."""
    struct = next(name for name in STRUCTS if name in file.columns)
    doc = next((name for name in DOCS if name in file.columns), None)
    wanted = [struct, *([doc] if doc else [])]
    wanted += [name for name in (asked.question, asked.cluster) if name in file.columns]
    rows = list(file.records(wanted))
    tasks = dict.fromkeys(text_of(mapping(row.get(doc)).get("task_name")) for row in rows) if doc else {}
    task = next((name for name in tasks if name), None) or _details_task(file)
    there = dict.fromkeys(name for row in rows for name, value in mapping(row[struct]).items() if _is_plain(value))
    metric = asked.pick_metric(there, task)
    log = trials.open(Log(file.name, "lighteval", asked.pick_model(_folder_model(file)), task, time=_date(file) or ""))
    for number, row in enumerate(rows):
        inner = mapping(row.get(doc)) if doc else {}
        default = text_of(inner.get("id")) or number
        question = asked.pick_question(default, row, inner, inner.get("specific"))
        if question is not None:
            values = mapping(row[struct]).get(metric)
            cluster = asked.pick_cluster(row, inner, inner.get("specific"))
            for run, value in enumerate(values if isinstance(values, list) else [values], 1):
                trials.add(log, question, score_of(value), run=run, cluster=cluster)


def _is_plain(value: Any) -> bool:
    return isinstance(value, int | float | str) or (isinstance(value, list) and bool(value))


def _details_task(file: LogFile) -> str:
    name = DATE.sub("", file.stem).removeprefix("details_").strip("_|")
    return re.sub(r"(__|\|)\d+$", "", name) or file.stem


def _folder_model(file: LogFile) -> str | None:
    """The folders between `details` and the date, which is how an organisation's model is written."""
    folders = list(file.parts[:-1])
    if folders and DATE.fullmatch(folders[-1]):
        folders.pop()
    if "details" in folders:
        start = len(folders) - folders[::-1].index("details")
        return "/".join(folders[start:]) or None
    return folders[-1] if folders else None
