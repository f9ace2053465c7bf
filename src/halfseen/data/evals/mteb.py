"""MTEB: one file per task, one score per split and subset."""

from __future__ import annotations

from typing import Any

from halfseen.data.evals.access import mapping, score_of, sequence, text_of
from halfseen.data.evals.files import LogFile
from halfseen.data.evals.trials import Asked, Log, Trials

REVISION_LETTERS = 8
TOOL = "mteb"


def is_mteb(file: LogFile) -> bool:
    """A task's name, the revision of its data, and scores by split."""
    return file.kind == "json" and {"task_name", "scores"} <= set(mapping(file.json))


def is_mteb_meta(file: LogFile) -> bool:
    """What describes the model."""
    return file.path.name == "model_meta.json"


def read_mteb(file: LogFile, asked: Asked, trials: Trials) -> None:
    """Read the main score of each split and subset; with experiments, the main metric of each of them as a run.

    The question is ``task@data revision/split/subset``: other data are another question, and models that were run on
    other splits do not share any.
    """
    top = mapping(file.json)
    task = text_of(top.get("task_name")) or file.stem
    meta = mapping(file.beside("model_meta.json"))
    folders = file.parts[:-1]
    folder = folders[-2] if len(folders) > 1 else (folders[-1] if folders else "")
    model = asked.pick_model(text_of(meta.get("name")) or folder.replace("__", "/", 1) or None, meta, top)
    revision = text_of(meta.get("revision")) or (folders[-1] if folders else "")
    data = text_of(top.get("dataset_revision"))
    log = trials.open(Log(file.name, TOOL, model, "mteb", config={"revision": revision[:REVISION_LETTERS]}))
    named = f"{task}@{data[:REVISION_LETTERS]}" if data else task
    for split, subsets in mapping(top.get("scores")).items():
        for scores in sequence(subsets):
            if not isinstance(scores, dict):
                continue
            place = "/".join((named, text_of(split) or "split", text_of(scores.get("hf_subset")) or "default"))
            question = asked.pick_question(place, scores, top)
            for run, value in enumerate(_values(scores, asked, task), 1):
                if question is not None:
                    trials.add(log, question, score_of(value), run=run, cluster=asked.pick_cluster(scores, top))


def _values(scores: dict[str, Any], asked: Asked, task: str) -> list[Any]:
    names = [name for name, value in scores.items() if isinstance(value, int | float)]
    metric = asked.pick_metric(names or ["main_score"], task, ("main_score",))
    experiments = [mapping(item) for item in sequence(scores.get("scores_per_experiment"))]
    # which metric is the main one the file does not say, but its value does
    same = [name for name in names if name != "main_score" and scores[name] == scores.get("main_score")]
    for name in [metric, *(same if metric == "main_score" else [])]:
        if experiments and all(isinstance(item.get(name), int | float) for item in experiments):
            return [item[name] for item in experiments]
    return [scores.get(metric)]
