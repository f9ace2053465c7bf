"""Inspect's data frames of samples, saved as Parquet."""

from __future__ import annotations

from typing import Any

from halfseen.data.evals.access import text_of, whole
from halfseen.data.evals.files import LogFile
from halfseen.data.evals.inspect_logs import TOOL, graded
from halfseen.data.evals.problems import RefusedFileError
from halfseen.data.evals.trials import Asked, Log, Trials


def is_samples(file: LogFile) -> bool:
    """A Parquet file of `samples_df`."""
    return {"eval_id", "id", "epoch"} <= set(file.columns)


def is_evals(file: LogFile) -> bool:
    """A Parquet file of `evals_df`, read beside the samples."""
    return {"eval_id", "model"} <= set(file.columns) and "epoch" not in file.columns


def read_samples(file: LogFile, asked: Asked, trials: Trials) -> None:
    """Read a Parquet file of `samples_df`; model and task stand in `evals_df` or in the logs read beside it."""
    scores = [name for name in file.columns if name.startswith("score_")]
    names = ["eval_id", "id", "epoch", *scores]
    names += [name for name in ("sample_id", "error", "limit", "model", "task_name") if name in file.columns]
    names += [name for name in (asked.model, asked.question, asked.cluster) if name in file.columns]
    names += [n for n in (f"metadata_{asked.cluster}", f"metadata_{asked.question}") if n in file.columns]
    evals, opened = _evals(file), {}
    metric = None
    for row in file.records(list(dict.fromkeys(names))):
        row |= {name.removeprefix("metadata_"): value for name, value in row.items() if name.startswith("metadata_")}
        eval_id = text_of(row.get("eval_id")) or ""
        if eval_id not in opened:
            opened[eval_id] = trials.open(_log_of(eval_id, row, evals, (file, asked, trials)))
        log = trials.logs[opened[eval_id]]
        if metric is None:
            metric = asked.pick_metric([name.removeprefix("score_") for name in scores], log.benchmark, log.headline)
        question = asked.pick_question(row.get("id"), row)
        if question is None:
            continue
        sample = {"error": bool(row.get("error")), "invalidation": False, "limit": text_of(row.get("limit"))}
        value, status = graded({**sample, "scores": {metric: row.get(f"score_{metric}")}}, (metric, None))
        run, uuid = whole(row.get("epoch")), text_of(row.get("sample_id"))
        trials.add(opened[eval_id], question, value, status, run=run, cluster=asked.pick_cluster(row), uuid=uuid)


def _evals(file: LogFile) -> dict[str, dict[str, Any]]:
    """Rows of a Parquet file of `evals_df` in the same folder, by their id."""
    rows: dict[str, dict[str, Any]] = {}
    for path in sorted(file.path.parent.glob("*.parquet")):
        other = LogFile(path, path.name, file.shared)
        try:
            if path == file.path or not is_evals(other):
                continue
            columns = ("eval_id", "model", "task_name", "task_version", "created", "score_headline_name")
            for row in other.records([name for name in columns if name in other.columns]):
                rows.setdefault(text_of(row.get("eval_id")) or "", row)
        except RefusedFileError:  # told where the file itself is read
            continue
    return rows


def _log_of(
    eval_id: str, row: dict[str, Any], evals: dict[str, dict[str, Any]], reading: tuple[LogFile, Asked, Trials]
) -> Log:
    file, asked, trials = reading
    known, beside = trials.by_eval.get(eval_id), evals.get(eval_id, {})
    model = row.get("model") or beside.get("model") or (known.model if known else None)
    try:
        name = asked.pick_model(model, row, beside)
    except RefusedFileError as error:
        raise RefusedFileError(error.what, "put the Parquet of evals_df, or the logs, beside it") from None
    task = text_of(row.get("task_name") or beside.get("task_name"))
    return Log(
        source=file.name,
        tool=TOOL,
        model=name,
        benchmark=task or (known.benchmark if known else file.stem),
        version=known.version if known else text_of(beside.get("task_version")),
        config=known.config if known else None,
        retries=known.retries if known else None,
        time=(known.time if known else text_of(beside.get("created"))) or "",
        headline=known.headline if known else (text_of(beside.get("score_headline_name")) or "",),
    )
