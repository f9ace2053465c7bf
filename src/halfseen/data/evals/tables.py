"""Tables of any origin: long (a line per answer), wide (a line per model), and votes, which are refused."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from halfseen.data.evals.access import score_of, text_of, whole
from halfseen.data.evals.files import LogFile
from halfseen.data.evals.problems import RefusedFileError, counted, listed
from halfseen.data.evals.trials import Asked, F, G, Log, N, Trials, U
from halfseen.errors import close_matches

# Names of columns, the surer ones first.
ROLES: dict[str, tuple[str, ...]] = {
    "model": ("model", "model_name", "model_id", "system", "agent", "llm", "name"),
    "benchmark": ("benchmark", "benchmark_id", "benchmark_name", "dataset", "suite", "task", "task_name"),
    "question": (
        "question", "question_id", "example_id", "instance_id", "item", "item_id", "sample_id", "doc_id", "task_id",
        "id",
    ),
    "run": ("run", "epoch", "trial", "attempt", "repeat", "seed"),
    "score": (
        "score", "correct", "is_correct", "accuracy", "passed", "pass", "resolved", "success", "value", "pass1",
        "result", "right", "outcome",
    ),
    "status": ("status",),
    "cluster": ("cluster",),
    "count": ("count", "n_trials", "trials"),
}  # fmt: skip
FLOAT = re.compile(r"\d+\.0")
VOTES = ({"model_a", "model_b"}, {"generator_1", "generator_2"}, {"left_model", "right_model"})
AVERAGE = re.compile(r"^(the )?(macro[- _]|micro[- _])?(average|avg|mean|overall|total)([-_ ].*)?[.\s⬆️↑]*$", re.I)
BESIDE = re.compile(
    r"^(#|rank|params?|parameters?|n_params|size.*|date|year|licen[cs]e|organi[sz]ation|org|provider|link|url|cost|price|votes|"
    r"notes?|type|release.*|context.*)$",
    re.I,
)
OWN = frozenset(
    ("timeout", "timed out", "refusal", "refused", "empty", "token limit", "limit", "own failure", "length")
)
WITHOUT = frozenset(("not run", "not_run", "skipped", "missing"))
FINE = frozenset(
    ("graded", "ok", "success", "completed", "complete", "done", "pass", "passed", "fail", "failed", "scored", "1")
)
# Most answers that one line may stand for ("4 of 5 correct").
MOST_COUNT = 100_000


def names_of(file: LogFile) -> list[str]:
    """Columns of a table, keys of the first record of JSON Lines or of a JSON array."""
    if file.kind == "parquet":
        return file.columns
    if file.kind == "text":
        return file.header
    if file.kind == "json" and not isinstance(file.json, list):
        return []
    return list(file.first)


def is_votes(file: LogFile) -> bool:
    """Two models and a winner."""
    names = set(names_of(file))
    return any(pair <= names for pair in VOTES)


def read_votes(file: LogFile, asked: Asked, trials: Trials) -> None:
    """Refuse: a vote has no right answer."""
    raise RefusedFileError("votes between two models, not answers", "rank them with evalica, which is made for votes")


def roles_of(names: list[str], asked: Asked) -> dict[str, str]:
    """Which column plays which part; one that was asked for must be there if any of them is."""
    lowered: dict[str, str] = {}
    for name in names:
        lowered.setdefault(name.lower(), name)
    roles = {role: next((lowered[n] for n in known if n in lowered), None) for role, known in ROLES.items()}
    wanted = {"model": asked.model, "question": asked.question, "cluster": asked.cluster}
    wanted["score"] = next((name for name in asked.metric if name in names), None)
    roles |= {role: name for role, name in wanted.items() if name is not None and name in names}
    chosen = {role: name for role, name in roles.items() if name is not None}
    if chosen.get("count") and chosen.get("score") != "correct" and "correct" in lowered and not asked.metric:
        chosen["score"] = lowered["correct"]
    taken: set[str] = set()
    for role in ("model", "question", "score", "cluster", *ROLES):
        if role in chosen and chosen[role] in taken and role not in wanted:
            del chosen[role]
        elif role in chosen:
            taken.add(chosen[role])
    return chosen


def is_long(asked: Asked) -> Any:
    """A table with a model, a question and a score in each line."""
    return lambda file: {"model", "question", "score"} <= set(roles_of(names_of(file), asked))


def _records(file: LogFile, names: list[str], wanted: list[str]) -> Iterator[Mapping[str, Any]]:
    if file.kind == "parquet":
        yield from file.records(wanted)
    elif file.kind == "text":
        rows = file.rows()
        next(rows, None)
        place_of = {name: place for place, name in enumerate(names)}
        places = [place_of[name] for name in wanted]
        for number, row in enumerate(rows, 2):
            if not any(row):
                continue
            if len(row) != len(names):
                what = f"line {number} has {len(row)} columns, the first one {len(names)}"
                raise RefusedFileError(what, "write the file again, with quotes around text that holds commas")
            yield {name: row[place] for name, place in zip(wanted, places, strict=True)}
    else:
        yield from file.lines()


def read_long(file: LogFile, asked: Asked, trials: Trials) -> None:
    """Read a line per answer; lines without a column of runs that repeat model and question are repeats."""
    names = names_of(file)
    if asked.metric and not set(asked.metric) & set(names):
        raise _no_column(asked.metric[0], names, "metric")
    roles = roles_of(names, asked)
    wanted = list(dict.fromkeys(roles.values()))
    ids = _Ids(roles, _records(file, names, wanted) if file.kind == "text" else ())
    opened: dict[tuple[str, str], int] = {}
    seen: Counter[tuple[int, str]] = Counter()
    strange: Counter[str] = Counter()
    without = 0
    for record in _records(file, names, wanted):
        model, question = ids(record, "model"), ids(record, "question")
        if model is None or question is None:
            without += 1
            continue
        benchmark = ids(record, "benchmark") or file.stem
        if (model, benchmark) not in opened:
            opened[model, benchmark] = trials.open(Log(file.name, "long", model, benchmark, is_table=True))
        log = opened[model, benchmark]
        cluster = ids(record, "cluster")
        for score, status in _answers(record, roles, strange):
            seen[log, question] += 1
            run = whole(record.get(roles["run"]), seen[log, question]) if "run" in roles else seen[log, question]
            trials.add(log, question, score, status, run=run, cluster=cluster)
    if without:
        trials.tell(file, f"{counted(without, 'line')} without a model or a question left out", "fill them in")
    if strange:
        shown = listed([f"{name!r}" for name in strange])
        trials.tell(file, f"status {shown} taken as not graded", "write graded, own failure, not graded or not run")
    if not opened:
        raise RefusedFileError("has no line with a model and a question", "leave it out")


def _no_column(name: str, names: list[str], argument: str) -> RefusedFileError:
    return RefusedFileError(f"has no column {name!r}; {close_matches(name, names)}", f"give {argument}= one of them")


class _Ids:
    """Identifiers of a record as text; a column of whole numbers that was written as 1.0, 2.0 is 1, 2."""

    def __init__(self, roles: dict[str, str], texts: Iterable[Mapping[str, Any]]) -> None:
        self.roles = roles
        maybe = {role for role in ("model", "benchmark", "question", "cluster") if role in roles}
        known: set[str] = set()
        for record in texts:
            values = {role: record[roles[role]].strip() for role in maybe}
            maybe = {role for role, text in values.items() if not text or FLOAT.fullmatch(text)}
            known |= {role for role in maybe if values[role]}
            if not maybe:
                break
        self.floats = maybe & known

    def __call__(self, record: Mapping[str, Any], role: str) -> str | None:
        text = text_of(record.get(self.roles[role])) if role in self.roles else None
        return text[:-2] if text and role in self.floats and text.endswith(".0") else text


def _answers(
    record: Mapping[str, Any], roles: dict[str, str], strange: Counter[str]
) -> Iterator[tuple[float | None, int]]:
    """Yield the answers of a line: one, or as many as its count says."""
    score = score_of(record.get(roles["score"]))
    count = record.get(roles["count"]) if "count" in roles else None
    status = _status(record, roles, score, strange)
    if count in (None, "") or score is None:
        yield (0.0 if status == F and score is None else score), status
        return
    total = whole(count, -1)
    if not 0 <= total <= MOST_COUNT or not 0 <= score <= total or not float(score).is_integer():
        what = f"{score:g} right of {str(count)[:20]} cannot be"
        raise RefusedFileError(what, f"correct the line; at most {MOST_COUNT} each")
    yield from ((1.0 if number < score else 0.0, G) for number in range(total))


def _status(record: Mapping[str, Any], roles: dict[str, str], score: float | None, strange: Counter[str]) -> int:
    word = (text_of(record.get(roles["status"])) or "").lower() if "status" in roles else ""
    if word in WITHOUT:
        return N
    if word in OWN:
        return F if not score else G
    if not word or word in FINE:
        return G
    if word not in ("error", "not graded", "not_graded", "null", "nan", "none"):
        strange[word[:40]] += 1
    return U


def is_wide(file: LogFile) -> bool:
    """A table with a column of models and columns of numbers."""
    names = names_of(file)
    return file.kind in ("text", "parquet") and len(names) >= 2 and not {"eval_id", "doc_id"} & set(names)


def read_wide(file: LogFile, asked: Asked, trials: Trials) -> None:
    """Read a line per model; a column is a question, empty cells were not graded."""
    names = names_of(file)
    lowered = {name.lower(): name for name in names[::-1]}
    known = next((lowered[name] for name in ROLES["model"] if name in lowered), names[0])
    model = asked.model if asked.model in names else known
    if len(set(names)) < len(names):
        raise RefusedFileError("has two columns of one name", "rename one of them")
    if asked.model is not None and model != asked.model:
        raise _no_column(asked.model, names, "model")
    columns = [name for name in names if name != model]
    averages = [name for name in columns if AVERAGE.match(name.strip())]
    columns = [name for name in columns if name not in averages and not BESIDE.match(name.strip())]
    records = list(_records(file, names, [model, *columns]))
    columns = [name for name in columns if _is_numeric(records, name)]
    if not columns or not records:
        raise RefusedFileError("is no table of scores", "give a column of models and columns of scores")
    question = roles_of(names, asked).get("question")
    if question is not None and len({record.get(model) for record in records}) < len(records):
        numeric = [name for name in columns if name != question]
        raise RefusedFileError(
            f"has a line per answer (column {question!r} names the question), and no column called a score",
            f"give metric={numeric[0]!r}" if len(numeric) == 1 else "give metric='COLUMN'",
        )
    both = all("/" in name.strip("/") for name in columns)
    places = {n: (n.partition("/")[0], n.partition("/")[2]) if both else (file.stem, n.strip()) for n in columns}
    opened: dict[tuple[str, str], int] = {}
    for number, record in enumerate(records, 2):
        row = text_of(record.get(model))
        if row is None:
            raise RefusedFileError(f"line {number} has no model", "fill it in or give model='COLUMN'")
        for column, (benchmark, question) in places.items():
            key = (row, benchmark)
            if key not in opened:
                opened[key] = trials.open(Log(file.name, "wide", row, benchmark, is_table=True))
            score = score_of(record.get(column))
            trials.add(opened[key], question, score)
    if averages:
        trials.tell(file, f"column {listed(averages)} left out", "nothing to do, averages are made anew", "note")
    used = {model, *averages, *columns}
    dropped = [name for name in names if name not in used]
    if dropped:
        trials.tell(file, f"column {listed(dropped)} left out, not scores", "rename those that are scores", "note")


def _is_numeric(records: list[Mapping[str, Any]], column: str) -> bool:
    """Whether a column holds scores: numbers, and at least one of them."""
    try:
        return any([score_of(record.get(column)) is not None for record in records])
    except RefusedFileError:
        return False
