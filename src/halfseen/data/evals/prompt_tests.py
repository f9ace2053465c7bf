"""Tests of prompts and applications: promptfoo, DeepEval, OpenAI evals."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from typing import Any

from halfseen.data.evals.access import mapping, score_of, sequence, text_of, whole
from halfseen.data.evals.files import LogFile
from halfseen.data.evals.problems import RefusedFileError
from halfseen.data.evals.trials import Asked, G, Log, Trials, U

# promptfoo: 0 none, 1 an assertion, 2 an error, which is written with the score 0.
FAILED_BY_ERROR = 2


def content_of(value: Any) -> str | None:
    """A short fingerprint of a question's text, so that equal numbers of other questions are noticed."""
    if value in (None, "", {}, []):
        return None
    try:
        text = json.dumps(value, sort_keys=True, default=str)
    except (RecursionError, TypeError, ValueError):
        return None
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def is_promptfoo(file: LogFile) -> bool:
    """An object with `results.results`, whose items have a provider and a number of the test."""
    top = mapping(file.json) if file.kind == "json" else {}
    first = mapping(next(iter(sequence(mapping(top.get("results")).get("results"))), None))
    return "provider" in first and "success" in first


def read_promptfoo(file: LogFile, asked: Asked, trials: Trials) -> None:
    """Read score, success or a named score; an error has no score, whatever is written."""
    top = mapping(file.json)
    results = [item for item in sequence(mapping(top.get("results")).get("results")) if isinstance(item, dict)]
    suite = text_of(mapping(top.get("config")).get("description")) or file.stem
    time = text_of(mapping(top.get("results")).get("timestamp")) or ""
    named = dict.fromkeys(name for item in results for name in mapping(item.get("namedScores")))
    metric = asked.pick_metric(["score", "success", *named], suite, ("score",))
    opened: dict[tuple[str, str], int] = {}
    seen: Counter[tuple[int, str]] = Counter()
    for item in results:
        provider = mapping(item.get("provider")) or {"id": item.get("provider")}
        model = asked.pick_model(provider.get("id"), item, provider)
        config = _promptfoo_config(item, provider)
        key = (model, json.dumps(config, sort_keys=True))
        if key not in opened:
            opened[key] = trials.open(Log(file.name, "promptfoo", model, suite, config=config, time=time))
        question = asked.pick_question(item.get("testIdx"), item, item.get("vars"), item.get("testCase"))
        if question is None:
            continue
        log = opened[key]
        seen[log, question] += 1
        score = item.get("namedScores") if metric in named else item
        failed = whole(item.get("failureReason"), 0) == FAILED_BY_ERROR
        value = None if failed else score_of(mapping(score).get(metric))
        content = content_of(item.get("vars"))
        # the numbers of a row and a column are the id of a result unless it is a real one
        uuid = text_of(item.get("id"))
        uuid = uuid if uuid and len(uuid) >= 16 else None
        cluster = asked.pick_cluster(item.get("vars"), item.get("testCase"), item)
        where: dict[str, Any] = {"run": seen[log, question], "cluster": cluster, "uuid": uuid, "content": content}
        trials.add(log, question, value, U if failed else G, **where)


def _promptfoo_config(item: dict[str, Any], provider: dict[str, Any]) -> dict[str, str]:
    named = {"label": text_of(provider.get("label")), "prompt": text_of(mapping(item.get("prompt")).get("label"))}
    return {key: value[:60] for key, value in named.items() if value}


def is_deepeval(file: LogFile) -> bool:
    """A test run with test cases, in either spelling, perhaps inside `testRunData`."""
    return file.kind == "json" and any(_deepeval_cases(mapping(file.json)))


def _deepeval_cases(top: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]] | tuple[()]:
    run = mapping(top.get("testRunData")) or mapping(top.get("test_run_data")) or top
    names = ("testCases", "test_cases", "conversationalTestCases", "conversational_test_cases")
    lists = [run[name] for name in names if isinstance(run.get(name), list)]
    cases = [case for cases in lists for case in cases if isinstance(case, dict)]
    known = any({"metricsData", "metrics_data"} & set(case) for case in cases)
    return (run, cases) if known else ()


def read_deepeval(file: LogFile, asked: Asked, trials: Trials) -> None:
    """Read one metric of each test case; an error of the metric is not an answer of the model."""
    tested = _deepeval_cases(mapping(file.json))
    if not tested:
        raise RefusedFileError("has no test cases with metrics", "run deepeval again")
    run, cases = tested
    settings = mapping(run.get("hyperparameters"))
    model = settings.get("model") or settings.get("Model") or run.get("model")
    try:
        name = asked.pick_model(model, settings, run)
    except RefusedFileError as error:
        raise RefusedFileError(error.what, "run deepeval with hyperparameters={'model': ..}") from None
    suite = re.sub(r"\.py$", "", text_of(run.get("testFile") or run.get("test_file")) or "deepeval")
    metrics = [_deepeval_metrics(case) for case in cases]
    metric = asked.pick_metric(dict.fromkeys(key for case in metrics for key in case), suite)
    date = re.search(r"\d{8}_\d{6}", file.path.name)
    log = trials.open(Log(file.name, "deepeval", name, suite, time=date[0] if date else ""))
    seen: Counter[str] = Counter()
    for number, (case, values) in enumerate(zip(cases, metrics, strict=True)):
        question = asked.pick_question(case.get("name") or number, case, case.get("additionalMetadata"))
        if question is None:
            continue
        seen[question] += 1
        entry = values.get(metric, {})
        failed = bool(entry.get("error"))
        value, status = (None, U) if failed else (score_of(entry.get("score")), G)
        cluster = asked.pick_cluster(case.get("additionalMetadata"), case.get("additional_metadata"), case)
        content = content_of(case.get("input"))
        trials.add(log, question, value, status, run=seen[question], cluster=cluster, content=content)


def _deepeval_metrics(case: dict[str, Any]) -> dict[str, dict[str, Any]]:
    data = sequence(case.get("metricsData")) or sequence(case.get("metrics_data"))
    named = ((text_of(mapping(entry).get("name")), mapping(entry)) for entry in data)
    return {name: entry for name, entry in named if name}


def is_openai(file: LogFile) -> bool:
    """JSON Lines whose first line is a `spec` with completion functions."""
    return file.kind in ("lines", "json") and "completion_fns" in mapping(file.first.get("spec"))


def read_openai(file: LogFile, asked: Asked, trials: Trials) -> None:
    """Read events: `match` gives the answer, an error takes it, whatever else was recorded of the sample."""
    spec = mapping(file.first.get("spec"))
    names = [text for text in map(text_of, sequence(spec.get("completion_fns"))) if text]
    model = asked.pick_model(", ".join(names) or None, spec)
    benchmark = text_of(spec.get("eval_name")) or text_of(spec.get("base_eval")) or file.stem
    events = [event for event in file.lines() if event.get("sample_id") is not None]
    answers: dict[str, list[Any]] = {}
    metric = _openai_metric(events, asked, benchmark)
    clusters: dict[str, str | None] = {}
    for event in events:
        question = asked.pick_question(event.get("sample_id"), event)
        if question is None:
            continue
        values, data = answers.setdefault(question, []), mapping(event.get("data"))
        clusters[question] = clusters.get(question) or asked.pick_cluster(data, event)
        if event.get("type") == metric[0] and metric[1] in data:
            values.append(data[metric[1]])
    if not answers:
        raise RefusedFileError("has no samples", "run the evaluation again, or leave the file out")
    log = trials.open(Log(file.name, "openai-evals", model, benchmark, time=text_of(spec.get("created_at")) or ""))
    for question, values in answers.items():
        for run, value in enumerate(values or [None], 1):
            trials.add(log, question, score_of(value), run=run, cluster=clusters[question])


def _openai_metric(events: list[dict[str, Any]], asked: Asked, benchmark: str) -> tuple[str, str]:
    """Type of event and key of its data: `match` and `correct`, else one of the recorded metrics."""
    there: dict[str, tuple[str, str]] = {}
    for event in events:
        kind, data = text_of(event.get("type")) or "", mapping(event.get("data"))
        if kind == "match" and "correct" in data:
            there["match"] = ("match", "correct")
        elif kind == "metrics":
            there |= {k: (kind, k) for k, v in data.items() if isinstance(v, int | float) and k != "match"}
    if not there:
        return "match", "correct"
    return there[asked.pick_metric(there, benchmark, ("match",))]
