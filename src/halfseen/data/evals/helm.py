"""HELM (`per_instance_stats.json` beside `run_spec.json`) and OpenCompass (`DATE/results/MODEL/DATA.json`)."""

from __future__ import annotations

import re
from typing import Any

from halfseen.data.evals.access import looked_up, mapping, score_of, sequence, text_of, whole
from halfseen.data.evals.files import LogFile
from halfseen.data.evals.problems import RefusedFileError
from halfseen.data.evals.trials import Asked, Log, Trials

# What HELM measures beside the answer: lengths, times, probabilities.
BESIDE = re.compile(
    r"num_|inference_|training_|finish_reason|prompt_truncated|logprob|perplexity|bits_per_byte|logprob_per_byte|"
    r"max_prob|batch_size|estimated_|predicted_index|runtime|total_|references_|annotator_|prompt_"
)
HELM_FILES = frozenset(
    f"{name}.json"
    for name in (
        "run_spec", "scenario_state", "stats", "scenario", "instances", "display_requests", "display_predictions",
    )
)  # fmt: skip
RUN_DATE = re.compile(r"\d{8}_\d{6}")
VERDICTS = ("cascade_correct", "is_correct", "correct")


def is_helm(file: LogFile) -> bool:
    """A list of instances with statistics; `per_instance_stats.json` of a run of nothing is an empty one."""
    return file.kind == "json" and {"instance_id", "stats"} <= set(file.first)


def is_helm_beside(file: LogFile) -> bool:
    """What HELM writes beside the statistics of instances; large, and told by name so that none is parsed."""
    if file.path.name not in HELM_FILES:
        return False
    return any((file.path.parent / name).exists() for name in ("per_instance_stats.json", "run_spec.json"))


def read_helm(file: LogFile, asked: Asked, trials: Trials) -> None:
    """Read instances that are not perturbed; an instance without the statistic was not graded."""
    spec = mapping(file.beside("run_spec.json"))
    if not spec:
        raise RefusedFileError("names no model", "copy run_spec.json beside it")
    adapter = mapping(spec.get("adapter_spec"))
    benchmark = _scenario(spec) or file.path.parent.name
    instances = [item for item in sequence(file.json) if isinstance(item, dict)]
    plain = [item for item in instances if not item.get("perturbation")]
    stats = [_means(item) for item in plain]
    there = dict.fromkeys(name for means in stats for name in means if not BESIDE.match(name))
    metric = asked.pick_metric(there, benchmark)
    log = trials.open(Log(file.name, "helm", asked.pick_model(adapter.get("model"), adapter, spec), benchmark))
    for item, means in zip(plain, stats, strict=True):
        question = asked.pick_question(item.get("instance_id"), item)
        if question is not None:
            run, cluster = whole(item.get("train_trial_index"), 0) + 1, asked.pick_cluster(item)
            trials.add(log, question, score_of(means.get(metric)), run=run, cluster=cluster)
    if len(plain) < len(instances):
        what = f"{len(instances) - len(plain)} perturbed instances left out"
        trials.tell(file, what, "nothing to do, they repeat the ids of the plain ones", "note")


def _means(item: dict[str, Any]) -> dict[str, Any]:
    means = {}
    for stat in map(mapping, sequence(item.get("stats"))):
        name = text_of(mapping(stat.get("name")).get("name"))
        if name is not None and name not in means:
            means[name] = stat.get("mean")
    return means


def _scenario(spec: dict[str, Any]) -> str | None:
    """The first group, and the arguments of its scenario: ids count from 1 in each of them."""
    groups = [text for text in map(text_of, sequence(spec.get("groups"))) if text]
    arguments = mapping(mapping(spec.get("scenario_spec")).get("args"))
    named = [f"{key}={text_of(value)}" for key, value in arguments.items() if text_of(value) is not None]
    name = groups[0] if groups else text_of(spec.get("name"))
    return f"{name}:{','.join(named)}" if name and named else name


def is_opencompass(file: LogFile) -> bool:
    """An object with `details`, or with nothing but totals in a folder `results` of a dated run."""
    top = mapping(file.json) if file.kind == "json" else {}
    if not top:
        return False
    details = top.get("details")
    if isinstance(details, dict | list) and any(isinstance(value, int | float) for value in top.values()):
        return True
    numbers = [key for key, value in top.items() if isinstance(value, int | float) and not isinstance(value, bool)]
    return bool(numbers) and len(file.parts) > 3 and file.parts[-3] == "results" and _run_date(file) != ""


def is_opencompass_beside(file: LogFile) -> bool:
    """Predictions and settings of a dated run."""
    return len(file.parts) > 3 and file.parts[-3] in ("predictions", "configs") and _run_date(file) != ""


def _run_date(file: LogFile) -> str:
    return file.parts[-4] if len(file.parts) > 3 and RUN_DATE.fullmatch(file.parts[-4]) else ""


def read_opencompass(file: LogFile, asked: Asked, trials: Trials) -> None:
    """Read the details of a data set, if they were dumped; without them there is only a total."""
    top = mapping(file.json)
    details = top.get("details")
    pairs: Any = mapping(details).items() or enumerate(sequence(details))
    items = [(key, value) for key, value in pairs if isinstance(value, dict)]
    if not items:
        raise RefusedFileError("only a total, no answers", "run OpenCompass with --dump-eval-details")
    names = [name for name in VERDICTS if any(name in value for _, value in items)]
    metric = asked.pick_metric(names, file.stem, VERDICTS)
    log = trials.open(
        Log(file.name, "opencompass", asked.pick_model(file.path.parent.name, top), file.stem, time=_run_date(file))
    )
    for key, value in items:
        question = asked.pick_question(key, value)
        if question is None:
            continue
        verdict = looked_up(metric, value)
        for run, repeat in enumerate(verdict if isinstance(verdict, list) else [verdict], 1):
            trials.add(log, question, score_of(repeat), run=run, cluster=asked.pick_cluster(value))
