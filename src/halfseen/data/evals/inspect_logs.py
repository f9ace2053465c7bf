"""Inspect's logs: `.eval` archives and `.json` files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from halfseen.data.evals.access import array_items, mapping, score_of, sequence, text_of, whole
from halfseen.data.evals.archive import Archive
from halfseen.data.evals.files import LogFile
from halfseen.data.evals.problems import RefusedFileError
from halfseen.data.evals.trials import Asked, F, G, Log, N, Trials, U

TOOL = "inspect"
# Settings of a connection, not of a model.
CONNECTION = frozenset(
    (
        "max_connections",
        "max_retries",
        "timeout",
        "attempt_timeout",
        "cache",
        "batch",
        "seed",
        "stream",
        "extra_headers",
    )
)
LIMITS = ("message_limit", "token_limit", "time_limit", "working_limit", "cost_limit")
JOURNAL = "_journal/summaries/"
# Most trials that a header may announce without any of them being in the file.
MOST_NOT_RUN = 1_000_000


def is_eval(file: LogFile) -> bool:
    """A zip archive with a header, or (killed) with only the journal's start."""
    if file.kind != "zip":
        return False
    return any(name in file.archive for name in ("header.json", "_journal/start.json", "summaries.json"))


def is_json(file: LogFile) -> bool:
    """A JSON object with ``eval.task`` and samples."""
    top = mapping(file.json) if file.kind == "json" else {}
    return "task" in mapping(top.get("eval")) and "model" in mapping(top.get("eval"))


def read_eval(file: LogFile, asked: Asked, trials: Trials) -> None:
    """Read header and summaries, never whole samples; of a killed run what its journal has."""
    archive = file.archive
    killed = "header.json" not in archive
    name = "_journal/start.json" if killed else "header.json"
    if name not in archive:
        raise RefusedFileError("has neither header.json nor a journal's start", "copy it again from where it was run")
    header = mapping(archive.json(name, slim=True))
    samples = list(_compact(_summaries(archive, killed), asked))
    invalid = _invalid(archive) if header.get("invalidated") is True else set()
    read = _Reader(file, asked, trials, header)
    for sample in samples:
        if (sample["id"], sample["epoch"]) in invalid:
            sample["invalidation"] = True
    read.take(samples, killed)


def _summaries(archive: Archive, killed: bool) -> Iterator[dict[str, Any]]:
    if "summaries.json" in archive and not killed:
        names = ["summaries.json"]
    else:
        parts = [name for name in archive.names if name.startswith(JOURNAL) and name.endswith(".json")]
        names = sorted(parts, key=lambda name: (len(name), name))
    for name in names:
        yield from (item for item in array_items(archive.read(name), name) if isinstance(item, dict))
    if not names:
        yield from (mapping(archive.json(name, slim=True)) for name in archive.names if name.startswith("samples/"))


def _invalid(archive: Archive) -> set[tuple[str | None, int]]:
    """Ids and epochs of samples marked invalid, which the summaries do not say."""
    samples = (mapping(archive.json(name, slim=True)) for name in archive.names if name.startswith("samples/"))
    return {(text_of(s.get("id")), whole(s.get("epoch"))) for s in samples if s.get("invalidation")}


def read_json(file: LogFile, asked: Asked, trials: Trials) -> None:
    """Read a log in one JSON file."""
    header = mapping(file.json)
    if "samples" not in header:
        raise RefusedFileError("is a header without samples", "read the log itself, not its header")
    samples = (item for item in sequence(header["samples"]) if isinstance(item, dict))
    _Reader(file, asked, trials, header).take(list(_compact(samples, asked)), killed=False)


def _compact(samples: Iterable[dict[str, Any]], asked: Asked) -> Iterator[dict[str, Any]]:
    """Keep of every sample what a trial needs; texts of questions and answers are dropped."""
    for sample in samples:
        scores = mapping(sample.get("scores"))
        if not scores and sample.get("score"):  # logs of 2024 have one score
            scores = {"score": sample["score"]}
        limit = sample.get("limit")
        yield {
            "id": text_of(sample.get("id")),
            "epoch": whole(sample.get("epoch")),
            "scores": {name: _value(score) for name, score in scores.items()},
            "error": bool(sample.get("error")),
            "invalidation": bool(sample.get("invalidation")),
            "limit": text_of(mapping(limit).get("type") if isinstance(limit, dict) else limit),
            "uuid": text_of(sample.get("uuid")),
            "question": asked.pick_question(sample.get("id"), sample, sample.get("metadata")),
            "cluster": asked.pick_cluster(sample.get("metadata"), sample),
        }


def _value(score: Any) -> Any:
    return score.get("value") if isinstance(score, dict) else score


class _Reader:
    """Trials of one log from its compact samples."""

    def __init__(self, file: LogFile, asked: Asked, trials: Trials, header: dict[str, Any]) -> None:
        self.file, self.asked, self.trials, self.header = file, asked, trials, header
        spec = mapping(header.get("eval"))
        self.spec = spec
        self.log = Log(
            source=file.name,
            tool=TOOL,
            model=asked.pick_model(spec.get("model"), spec, spec.get("metadata"), header),
            benchmark=text_of(spec.get("task")) or file.stem,
            version=text_of(spec.get("task_version")),
            config=settings(spec),
            retries=text_of(spec.get("task_id")),
            time=text_of(spec.get("created")) or "",
        )
        if eval_id := text_of(spec.get("eval_id")):
            trials.by_eval.setdefault(eval_id, self.log)

    def take(self, samples: list[dict[str, Any]], killed: bool) -> None:
        samples = [sample for sample in samples if sample["id"] is not None and sample["question"] is not None]
        # the journal may tell a sample twice; the later line is the one that stands
        latest = {(sample["id"], sample["epoch"]): sample for sample in samples}
        expected = self._expected()
        if not latest:
            what = "killed before its first sample was written" if killed else "has no samples"
            raise RefusedFileError(what, "run it again, or read the log itself")
        score = self._scorer(latest.values())
        self.log.headline = (score[0],) if score[0] else ()
        number = self.trials.open(self.log)
        for sample in latest.values():
            value, status = graded(sample, score)
            place = {"run": sample["epoch"], "cluster": sample["cluster"], "uuid": sample["uuid"]}
            self.trials.add(number, sample["question"], value, status, **place)
        if self.asked.question is None:
            for id_, epoch in expected:
                if (id_, epoch) not in latest:
                    self.trials.add(number, id_, None, N, run=epoch)
        self._tell(killed, len(latest), len(expected))

    def _expected(self) -> list[tuple[str, int]]:
        """Ids and epochs that the log set out to run, as far as its header says so."""
        config, data = mapping(self.spec.get("config")), mapping(self.spec.get("dataset"))
        ids = [text for text in map(text_of, sequence(data.get("sample_ids"))) if text is not None]
        n_runs = max(whole(config.get("epochs")), 1)
        planned = mapping(self.header.get("results")).get("total_samples")
        part = config.get("limit") is not None or config.get("sample_id") is not None
        if len(ids) * n_runs > MOST_NOT_RUN or (part and planned != len(ids) * n_runs):
            return []
        return [(id_, epoch + 1) for id_ in ids for epoch in range(n_runs)]  # not an iteration: repeats of a question

    def _tell(self, killed: bool, n_read: int, n_expected: int) -> None:
        read = f"{n_read} of {n_expected} samples" if n_expected else f"{n_read} samples"
        status = self.header.get("status")
        if killed:
            what, way_out = f"killed; {read} read from its journal", "finish it with inspect eval-retry"
            self.trials.tell(self.file, what, way_out)
        elif status in ("error", "cancelled", "started"):
            self.trials.tell(self.file, f"status {status!r}; {read} read", "finish it with inspect eval-retry")

    def _scorer(self, samples: Iterable[dict[str, Any]]) -> tuple[str, str | None]:
        """The scorer (and the key of its dictionary of values) that gives the score."""
        there: dict[str, None] = {}
        for sample in samples:
            for name, value in sample["scores"].items():
                keys = [f"{name}.{key}" for key in value] if isinstance(value, dict) else [name]
                there.update(dict.fromkeys(keys))
        if not there:  # no sample was graded
            return "", None
        results = sequence(mapping(self.header.get("results")).get("scores"))
        first = [text_of(mapping(entry).get("name")) for entry in results + sequence(self.spec.get("scorers"))]
        names = list(there)
        for name in first:
            own = [key for key in names if key == name or key.startswith(f"{name}.")]
            if own and not self.asked.metric:
                return _split(self.asked.pick_metric(own, self.log.benchmark), there)
        return _split(self.asked.pick_metric(names, self.log.benchmark), there)


def _split(metric: str, there: dict[str, None]) -> tuple[str, str | None]:
    scorer, dot, key = metric.rpartition(".")
    return (scorer, key) if dot and scorer not in there else (metric, None)


def graded(sample: dict[str, Any], scorer: tuple[str, str | None]) -> tuple[float | None, int]:
    """Score and status of a sample: an error is nobody's answer, a limit is the model's own doing."""
    if sample["error"] or sample["invalidation"]:
        return None, U
    value = sample["scores"].get(scorer[0])
    if isinstance(value, dict):
        value = value.get(scorer[1] or "")
    score = score_of(value)
    if sample["limit"] is None:
        return score, G
    if sample["limit"] == "operator":  # somebody stopped it
        return score, G if score else U
    return (score, G) if score else (0.0, F)


def settings(spec: dict[str, Any]) -> dict[str, str]:
    """What was set that may make two rows of one model: effort, budgets, the agent, arguments of the task."""
    generate, config = mapping(spec.get("model_generate_config")), mapping(spec.get("config"))
    named: dict[str, Any] = {key: value for key, value in generate.items() if key not in CONNECTION}
    named |= {key: config.get(key) for key in LIMITS}
    named |= {
        "solver": spec.get("solver"),
        "solver_args": spec.get("solver_args"),
        "model_args": spec.get("model_args"),
    }
    named |= mapping(spec.get("task_args"))
    return {str(key): _short(value) for key, value in named.items() if value not in (None, {}, [], "")}


def _short(value: Any) -> str:
    text = text_of(value) or _as_json(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, sort_keys=True, default=str)
    except (RecursionError, TypeError, ValueError):
        return "something"
