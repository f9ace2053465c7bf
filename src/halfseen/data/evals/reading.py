"""`read_evals`: from files and folders of evaluation results to one long table."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from halfseen.data.evals import rules
from halfseen.data.evals.files import LogFile, Shared, found_files
from halfseen.data.evals.problems import Problem, RefusedFileError, counted, listed
from halfseen.data.evals.registry import Format, chosen_formats, is_beside, recognised
from halfseen.data.evals.table import Evaluations
from halfseen.data.evals.trials import STATUSES, Asked, Trials, U

MAX_BYTES = 1 << 30
Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
Names = str | Iterable[str] | None


class Rules(TypedDict, total=False):
    """How results are meant; see `read_evals`."""

    percent: bool
    rename: Mapping[str, str] | str | os.PathLike[str] | None
    not_graded: str
    question_set: str | os.PathLike[str] | Iterable[str] | None
    max_bytes: int


def read_evals(
    paths: Paths,
    *,
    format: str | None = None,
    model: str | None = None,
    question: str | None = None,
    metric: Names = None,
    filter: Names = None,
    cluster: str | None = None,
    **reading: Unpack[Rules],
) -> Evaluations:
    """Read results of evaluations of AI models as their tools wrote them: one line per trial, from any mix of files.

    Formats are told from what stands in the files: Inspect, lm-evaluation-harness, lighteval, HELM, OpenCompass,
    SWE-bench (submissions, harness, Pro), Terminal-Bench and Harbor, EvalPlus, BigCodeBench, LiveCodeBench, promptfoo,
    DeepEval, OpenAI evals, MTEB, and tables of any origin, long or wide.

    Parameters
    ----------
    paths : path or list of paths
        Files and folders; folders are searched to the bottom.
    format : str or None
        Take all files as this tool's: "inspect", "lm-eval", "long", "wide", ...
    model, question, cluster : str or None
        The column, or the key (``a`` or ``a.b``), that holds the name of the model, the id of the question, or what
        several questions belong to (a passage, a subject; "repository" for SWE-bench). None: as the tool writes them,
        and no clusters.
    metric, filter : str, list of str or None
        Which of several scores or filters to read; of a list, the first that a file has. None: the tool's headline;
        if there is none and several are there, reading stops and lists them.

    Other Parameters
    ----------------
    percent : bool, default False
        Values are per cent. Tables are divided by 100; logs of tools only where values exceed 1.
    rename : dict, path or None
        New names of models, also as a CSV file of two columns or a JSON object. Equal names become one row.
    not_graded : {"missing", "wrong"}
        What an answer that nobody graded counts for. "wrong" gives it the score 0, as Terminal-Bench and SWE-bench do;
        its status stays.
    question_set : path, list of str, "union" or None
        All ids of SWE-bench's set (a file with one on each line, or a JSON list), because submissions name only those
        resolved; "union": those of all submissions read.
    max_bytes : int, default 2**30
        Most bytes that a file, or a member of an archive, may unpack to.

    Returns
    -------
    Evaluations
        `.table` with columns model, benchmark, question, run, score, status, cluster, source, sorted by model,
        benchmark, question and run; `.problems`; `.to_observed()` for the models.

    Raises
    ------
    ValueError
        No file could be read; several metrics or filters and none chosen; values outside [0, 1]; a submission of
        resolved ids without the set of questions. A broken file among good ones is a problem, not an error.
    FileNotFoundError
        If a path does not exist.

    Notes
    -----
    Of an Inspect archive only header and summaries are read, whatever the size of its samples. Memory: the largest
    file parsed, and about 200 bytes a trial.

    Examples
    --------
    >>> import os, tempfile, halfseen as hs
    >>> file = os.path.join(tempfile.mkdtemp(), "alpha.run1.json")
    >>> with open(file, "w") as out:
    ...     _ = out.write('{"submitted_ids": ["a", "b"], "resolved_ids": ["a"], "empty_patch_ids": ["b"]}')
    >>> for line in hs.read_evals(file).table.to_pylist():
    ...     print(line["model"], line["question"], line["score"], line["status"])
    alpha a 1.0 graded
    alpha b 0.0 own failure
    """
    unknown = set(reading) - set(Rules.__annotations__)
    if unknown:
        raise TypeError(f"read_evals has no argument {sorted(unknown)[0]!r}")
    asked = _asked(model, question, metric, filter, cluster, reading)
    limit = reading.get("max_bytes", MAX_BYTES)
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise ValueError(f"max_bytes must be a positive whole number, got {limit!r}")
    shared, trials = Shared(limit), Trials()
    files = found_files(_paths(paths), shared)
    unread = _read_all(files, chosen_formats(format, asked), asked, trials)
    trials.problems += shared.problems
    trials.problems += [Problem(name, error.what, error.way_out, "unread") for name, error in unread]
    rules.refuse_if_empty(trials, unread)
    return _finished(trials, asked, _renaming(reading.get("rename")))


def _asked(
    model: str | None, question: str | None, metric: Names, filter: Names, cluster: str | None, reading: Rules
) -> Asked:
    not_graded = reading.get("not_graded", "missing")
    for argument, name in (("model", model), ("question", question), ("cluster", cluster)):
        if name is not None and not isinstance(name, str):
            raise ValueError(f"{argument} must be the name of a column or key, got {name!r}")
    if not_graded not in ("missing", "wrong"):
        raise ValueError(f"not_graded must be 'missing' or 'wrong', got {not_graded!r}")
    return Asked(
        model=model,
        question=question,
        metric=_names(metric, "metric"),
        filter=_names(filter, "filter"),
        cluster=cluster,
        percent=bool(reading.get("percent", False)),
        not_graded=not_graded,
        question_set=_question_set(reading.get("question_set")),
    )


def _names(given: Names, argument: str) -> tuple[str, ...]:
    if given is None:
        return ()
    names = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Iterable) else (given,)
    if not all(isinstance(name, str) for name in names):
        raise ValueError(f"{argument} must be a name or a list of names, got {given!r}")
    return names


def _paths(paths: Paths) -> list[Path]:
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not given:
        raise ValueError("paths is empty; give at least one file or folder")
    return [Path(path) for path in given]


def _read_all(
    files: Iterable[LogFile], formats: tuple[Format, ...], asked: Asked, trials: Trials
) -> list[tuple[str, RefusedFileError]]:
    """Read every file; return those that gave nothing, with the reason."""
    unread: list[tuple[str, RefusedFileError]] = []
    late: list[tuple[LogFile, Format]] = []
    strange: list[str] = []
    for file in files:
        try:
            if is_beside(file):
                continue
            form = recognised(file, formats)
        except RefusedFileError as error:
            unread.append((file.name, error))
            continue
        if form is None:
            strange.append(file.name)
        elif form.is_late:
            late.append((file, form))
        else:
            _read_one(file, form, asked, trials, unread)
    for file, form in late:
        _read_one(file, form, asked, trials, unread)
    if strange:
        what = f"{counted(len(strange), 'file')} of no known format left out ({listed(strange, 3)})"
        trials.problems.append(Problem("all files", what, "nothing to do if they are no results", "note"))
    return unread


def _read_one(
    file: LogFile, form: Format, asked: Asked, trials: Trials, unread: list[tuple[str, RefusedFileError]]
) -> None:
    state = trials.state()
    try:
        form.read(file, asked, trials)
    except RefusedFileError as error:
        trials.back_to(state)
        unread.append((file.name, error))


def _finished(trials: Trials, asked: Asked, names: Mapping[str, str]) -> Evaluations:
    """Apply the rules, in the order in which they need each other."""
    rules.complete_listings(trials, asked)
    if not trials.log:
        raise ValueError("the files hold no trials; see whether they are the logs and not their totals")
    rules.rename_models(trials, names)
    rules.split_configurations(trials)
    rules.bare_questions(trials)
    rules.split_versions(trials)
    rules.tell_contents_apart(trials)
    _check_clusters(trials, asked)
    scores = rules.check_range(trials, asked)
    models, model = _coded([trials.logs[log].model for log in trials.log])
    cells = [(trials.logs[log].benchmark, name) for log, name in zip(trials.log, trials.question, strict=True)]
    questions, question = _coded(cells)
    keep, runs = rules.same_trials(trials, {"model": model, "question": question})
    rules.tell_lost(trials, keep)
    status = np.asarray(trials.status)
    if asked.not_graded == "wrong":
        scores[status == U] = 0.0
    order = np.lexsort((runs, question, model))
    order = order[keep[order]]
    table = _table(trials, order, (models, model, questions, question), (scores, status, runs))
    return Evaluations(table, tuple(trials.problems))


def _check_clusters(trials: Trials, asked: Asked) -> None:
    if asked.cluster is not None and not any(name is not None for name in trials.cluster):
        raise ValueError(
            f"cluster={asked.cluster!r} is in no file; give the column or key that is, such as one of the metadata"
        )


def _coded(names: list[Any]) -> tuple[list[Any], NDArray[np.int64]]:
    """Sorted distinct names, and the position of each name among them."""
    labels = sorted(set(names))
    position = {name: number for number, name in enumerate(labels)}
    return labels, np.array([position[name] for name in names], dtype=np.int64)


def _table(
    trials: Trials,
    order: NDArray[np.int64],
    codes: tuple[list[str], NDArray[np.int64], list[tuple[str, str]], NDArray[np.int64]],
    columns: tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]],
) -> Any:
    import pyarrow as pa

    models, model, questions, question = codes
    scores, status, runs = columns
    sources = [trials.logs[trials.log[place]].source for place in order]
    return pa.table(
        {
            "model": pa.array([models[code] for code in model[order]], pa.string()),
            "benchmark": pa.array([questions[code][0] for code in question[order]], pa.string()),
            "question": pa.array([questions[code][1] for code in question[order]], pa.string()),
            "run": pa.array(runs[order], pa.int32()),
            "score": pa.array(scores[order], pa.float64(), from_pandas=True),
            "status": pa.array([STATUSES[code] for code in status[order]], pa.string()),
            "cluster": pa.array([trials.cluster[place] for place in order], pa.string()),
            "source": pa.array(sources, pa.string()),
        }
    )


def _question_set(given: Any) -> frozenset[str] | str | None:
    """The ids of a set of questions: "union", a file of them, or the ids themselves."""
    if given is None or given == "union":
        return given
    if isinstance(given, str | os.PathLike):
        text = _small_file(Path(given), "question_set")
        try:
            value = json.loads(text) if text.lstrip().startswith("[") else text.split()
        except (ValueError, RecursionError):
            raise ValueError(f"question_set: {given} is no JSON list; write one id on each line") from None
        given = value
    names = frozenset(given if isinstance(given, Iterable) else ())
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError("question_set must hold ids as text, at least one")
    return names


def _small_file(path: Path, argument: str) -> str:
    if not path.is_file():
        raise FileNotFoundError(f"{argument}: no such file: {path}")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{argument}: {path} is not UTF-8 text; convert it") from None


def _renaming(given: Mapping[str, str] | str | os.PathLike[str] | None) -> dict[str, str]:
    if given is None:
        return {}
    if isinstance(given, str | os.PathLike):
        text = _small_file(Path(given), "rename")
        try:
            pairs = (
                json.loads(text) if text.lstrip().startswith("{") else [r for r in csv.reader(text.splitlines()) if r]
            )
            names = dict(pairs)
        except (ValueError, RecursionError, csv.Error, TypeError):
            raise ValueError(f"rename: {given} needs two columns, old and new name, or a JSON object") from None
    else:
        names = dict(given)
    if not all(isinstance(old, str) and isinstance(new, str) and new for old, new in names.items()):
        raise ValueError("rename must give a new name, as text, to each old one")
    return names
