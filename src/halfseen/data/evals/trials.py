"""Trials as they come out of the files, before the rules: who answered what, in which run, with what score."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from halfseen.data.evals.access import looked_up, text_of
from halfseen.data.evals.files import LogFile
from halfseen.data.evals.problems import ChoiceError, Problem, RefusedFileError, counted, listed

GRADED, OWN_FAILURE, NOT_GRADED, NOT_RUN = "graded", "own failure", "not graded", "not run"
STATUSES = (GRADED, OWN_FAILURE, NOT_GRADED, NOT_RUN)
# Their positions, which is what the columns hold.
G, F, U, N = range(4)


@dataclass(frozen=True)
class Asked:
    """What the user asked for; see `read_evals`."""

    model: str | None = None
    question: str | None = None
    metric: tuple[str, ...] = ()
    filter: tuple[str, ...] = ()
    cluster: str | None = None
    percent: bool = False
    not_graded: str = "missing"
    question_set: frozenset[str] | str | None = None

    def pick_model(self, default: Any, *records: Any) -> str:
        """Return the model's name: under the key that was asked for, else the one that the tool writes."""
        name = text_of(looked_up(self.model, *records) if self.model is not None else default)
        if name is None and self.model is not None:
            raise RefusedFileError(f"has no key {self.model!r} for the model", "give model= a key that is there")
        if name is None:
            raise RefusedFileError("names no model", "give model='KEY' with the key or column that does")
        return name

    def pick_question(self, default: Any, *records: Any) -> str | None:
        """Return the question's id, likewise."""
        return text_of(default if self.question is None else looked_up(self.question, *records))

    def pick_cluster(self, *records: Any) -> str | None:
        """Return what the question belongs to, under the key that was asked for."""
        return None if self.cluster is None else text_of(looked_up(self.cluster, *records))

    def pick_metric(self, there: Iterable[str], where: str, headline: Iterable[str] = ()) -> str:
        """Return the metric asked for, else the tool's headline, else the only one; else stop and list them."""
        return _chosen(list(there), self.metric, list(headline), ("metric", where))

    def pick_filter(self, there: Iterable[str], where: str) -> str:
        """Return the filter asked for, or the only one that is there; else stop and list them."""
        names = list(there)
        return names[0] if len(names) == 1 else _chosen(names, self.filter, [], ("filter", where))


def _chosen(there: list[str], asked: tuple[str, ...], headline: list[str], what: tuple[str, str]) -> str:
    noun, where = what
    if not there:
        raise RefusedFileError(f"has no {noun} with a score", "leave the file out")
    if asked:
        for name in asked:
            if name in there:
                return name
        raise ChoiceError(f"{where}: no {noun} {asked[0]!r}, there are {listed(there)}; give {noun}={there[0]!r}.")
    for name in headline:
        if name in there:
            return name
    if len(there) > 1:
        raise ChoiceError(f"{where}: {counted(len(there), noun)} ({listed(there)}); give {noun}={there[0]!r}.")
    return there[0]


@dataclass
class Log:
    """What all trials of one file (or part of one) have in common.

    Parameters
    ----------
    source, tool, model, benchmark : str
    version : str or None
        Of the task or its data; another version is another benchmark.
    config : dict or None
        Settings of the model; another one is another row. None: the file does not know them.
    series : str or None
        The run that the trials belong to, where a model has several; trials that it lost are told by run.
    retries : str or None
        Logs that share it hold the same trials (a log and its retry), so that the newest counts.
    time : str
        Sorts as text; the newest wins.
    is_table : bool
        Whether all scores come from one table, so that per cent are meant or not for all of them.
    headline : tuple of str
        The metric that was read, for data frames made of the same log.
    """

    source: str
    tool: str
    model: str
    benchmark: str
    version: str | None = None
    config: dict[str, str] | None = None
    series: str | None = None
    retries: str | None = None
    time: str = ""
    is_table: bool = False
    headline: tuple[str, ...] = ()


@dataclass
class IdListing:
    """A submission that lists ids instead of answers; it needs the whole set of questions."""

    log: int
    known: dict[str, tuple[float | None, int]]
    group: str
    rest: tuple[float | None, int]  # what a question of the set means that stands in no list
    is_complete: bool  # whether it can do without a set of questions
    cluster: Callable[[str], str | None]


@dataclass
class Trials:
    """Columns that grow: one value per trial."""

    logs: list[Log] = field(default_factory=list)
    log: list[int] = field(default_factory=list)
    question: list[str] = field(default_factory=list)
    run: list[int] = field(default_factory=list)
    score: list[float | None] = field(default_factory=list)
    status: list[int] = field(default_factory=list)
    cluster: list[str | None] = field(default_factory=list)
    uuid: list[str | None] = field(default_factory=list)
    content: list[str | None] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    listings: list[IdListing] = field(default_factory=list)
    # Inspect's logs by their id: its data frames of samples name no model.
    by_eval: dict[str, Log] = field(default_factory=dict)

    def open(self, log: Log) -> int:
        """Take a log; return its number, which `add` wants."""
        self.logs.append(log)
        return len(self.logs) - 1

    def add(
        self,
        log: int,
        question: str,
        score: float | None,
        status: int = G,
        *,
        run: int = 1,
        cluster: str | None = None,
        uuid: str | None = None,
        content: str | None = None,
    ) -> None:
        """Take one trial; a graded one without a score is not graded, and one not graded has no score."""
        if score is None and status == G:
            status = U
        self.log.append(log)
        self.question.append(question)
        self.run.append(run)
        self.score.append(score if status in (G, F) else None)
        self.status.append(status)
        self.cluster.append(cluster)
        self.uuid.append(uuid)
        self.content.append(content)

    def tell(self, file: LogFile, what: str, way_out: str, level: str = "warning") -> None:
        """Note a problem of a file."""
        self.problems.append(Problem(file.name, what, way_out, level))

    def state(self) -> tuple[int, int, int]:
        """What to go back to if a file turns out to be broken halfway."""
        return len(self.logs), len(self.log), len(self.listings)

    def back_to(self, state: tuple[int, int, int]) -> None:
        """Forget what came after a state."""
        logs, trials, listings = state
        del self.logs[logs:], self.listings[listings:]
        for column in (
            self.log, self.question, self.run, self.score, self.status, self.cluster, self.uuid, self.content,
        ):  # fmt: skip
            del column[trials:]
