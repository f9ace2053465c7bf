"""What a board knows of its trials: a table of models and questions, runs, clusters, and trials that nobody graded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from halfseen._typing import BoolArray, FloatArray, IntArray, Labels
from halfseen.data import Evaluations, Observed
from halfseen.data.components import components
from halfseen.data.evals.table import coded
from halfseen.errors import shown

STATUS = ("graded", "own failure", "not graded", "not run")
# Numbers in one dense block of questions: 8 MB.
NUMBERS_AT_ONCE = 1_000_000
NAMED = 2
MIXED = "versions mixed"


@dataclass(frozen=True)
class Unknown:
    """Cells with trials that nobody graded: which, and their means were those all wrong, or all right."""

    rows: IntArray
    cols: IntArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class Answers:
    """Trials of a board by model and question.

    Attributes
    ----------
    table : Observed (n_models, n_questions)
        Share right over the graded runs of a cell; their number as its weight.
    runs : int ndarray (n_entries,)
        Graded runs of every cell.
    run_variance : ndarray (n_entries,)
        Estimated variance of the mean over runs; nan for one run.
    benchmarks : ndarray (n_questions,) of str
    blocks : ndarray (n_questions,) of str
        Benchmarks, twins joined.
    clusters : int ndarray (n_questions,) or None
        Questions of one cluster (a passage, a repository, one question in two twin benchmarks) were drawn together.
    counts : dict from status to int ndarray (n_models,)
        Numbers of trials.
    unknown : Unknown
        Cells with trials that nobody graded.
    left_out : tuple of str
        Models of which nothing was graded.
    """

    table: Observed
    runs: IntArray
    run_variance: FloatArray
    benchmarks: Labels
    blocks: Labels
    clusters: IntArray | None
    counts: dict[str, IntArray]
    unknown: Unknown
    left_out: tuple[str, ...]

    @property
    def models(self) -> Labels:
        """Names of the models."""
        return np.asarray(self.table.row_labels)

    @property
    def questions(self) -> Labels:
        """Names of the questions, ``benchmark/id``."""
        return np.asarray(self.table.col_labels)

    @cached_property
    def answered(self) -> IntArray:
        """Questions (n_models,) that each model answered."""
        return np.bincount(np.asarray(self.table.rows), minlength=self.table.shape[0])

    @property
    def is_complete(self) -> bool:
        """Whether every model answered every question."""
        n, p = self.table.shape
        return self.table.n_entries == n * p

    @cached_property
    def _by_question(self) -> tuple[Any, Any]:
        place = np.asarray(self.table.rows), np.asarray(self.table.cols)
        values = np.asarray(self.table.values, dtype=float)
        shape = self.table.shape
        return sparse.csc_array((values, place), shape=shape), sparse.csc_array((np.ones_like(values), place), shape)

    def parts(self) -> Iterator[tuple[slice, FloatArray, BoolArray]]:
        """Blocks of questions: which, answers (n, b) with 0 where not seen, and which were seen."""
        values, seen = self._by_question
        n, p = self.table.shape
        size = max(1, NUMBERS_AT_ONCE // max(n, 1))
        for start in range(0, p, size):
            cols = slice(start, min(p, start + size))
            yield cols, values[:, cols].toarray(), seen[:, cols].toarray() > 0

    def values_at(self, rows: IntArray, cols: IntArray) -> FloatArray:
        """Answers of cells; nan where not seen."""
        if not len(rows):
            return np.zeros(0)
        values, seen = (part.tocsr() for part in self._by_question)
        out = np.asarray(values[rows, cols]).ravel().astype(float)
        return np.where(np.asarray(seen[rows, cols]).ravel() > 0, out, np.nan)

    def common(self) -> IntArray:
        """Questions (n, n) that two models both answered."""
        seen = self._by_question[1]
        return np.asarray((seen @ seen.T).toarray(), dtype=np.int64)

    def islands(self) -> IntArray:
        """Group (n,) of every model, 0 the largest; models of two groups share no question."""
        return np.asarray(components(self.table, 1).rows)


def answers_of(evals: Evaluations, island: int | None) -> Answers:
    """The answers of an evaluation's table; ``island`` counts from 1 and keeps one group that hangs together."""
    table, blocks = evals.to_observed(), evals.blocks()
    answers = _tallied(evals, table, blocks)
    groups = answers.islands()
    n_groups = int(groups.max()) + 1
    if island is not None and not 1 <= island <= n_groups:
        raise ValueError(
            f"island={island!r} is not there; the models fall into {n_groups} groups, give 1 to {n_groups}."
        )
    if n_groups == 1:
        return answers
    if island is None:
        versions = "".join(f" ({problem.file}: {problem.what}.)" for problem in evals.problems if MIXED in problem.what)
        raise ValueError(island_sentence(answers.models, groups) + versions)
    return _tallied(evals, *_only(table, blocks, groups == island - 1))


def island_sentence(models: Labels, groups: IntArray) -> str:
    """What is said where models cannot be compared, and the ways out.

    Examples
    --------
    >>> island_sentence(np.array(["a", "b", "c"]), np.array([0, 0, 1])).split(";")[0]
    '3 models fall into 2 groups that share no question (2: a, b'
    """
    n_groups = int(groups.max()) + 1
    parts = []
    for group in range(min(n_groups, 3)):
        names = models[groups == group]
        more = ", .." if len(names) > NAMED else ""
        parts.append(f"{len(names)}: {', '.join(map(str, names[:NAMED]))}{more}")
    rest = f"; and {n_groups - 3} more" if n_groups > 3 else ""
    return (
        f"{len(models)} models fall into {n_groups} groups that share no question ({'; '.join(parts)}{rest}); their "
        "scores cannot be compared. Run some questions of one group with a model of the other, or give island=1."
    )


def _only(table: Observed, blocks: Labels, keep: BoolArray) -> tuple[Observed, Labels]:
    """The rows that are kept, and the columns that they answered."""
    rows, cols = np.asarray(table.rows), np.asarray(table.cols)
    chosen = keep[rows]
    used = np.unique(cols[chosen])
    weights = None if table.weights is None else np.asarray(table.weights)[chosen]
    return Observed.from_triplets(
        (np.cumsum(keep) - 1)[rows[chosen]], np.searchsorted(used, cols[chosen]), np.asarray(table.values)[chosen],
        weights, shape=(int(keep.sum()), len(used)), row_labels=np.asarray(table.row_labels)[keep],
        col_labels=np.asarray(table.col_labels)[used],
    ), blocks[used]  # fmt: skip


def _tallied(evals: Evaluations, table: Observed, blocks: Labels) -> Answers:
    codes = evals.codes
    models, questions = np.asarray(table.row_labels), np.asarray(table.col_labels)
    row = _positions(codes.models, models)[codes.row]
    col = _positions(codes.questions.tolist(), questions)[codes.col]
    score = evals.table.column("score").to_numpy()
    states, status = coded(evals.table.column("status"))
    clusters, cluster = coded(evals.table.column("cluster"))
    runs, variance = _runs(table, row, col, score)
    asked, first = np.unique(codes.col, return_index=True)
    of_table = np.searchsorted(codes.questions[asked], questions)
    at = first[of_table]
    benchmarks = np.array([codes.benchmark[k] for k in asked[of_table]])
    ids = [codes.id[k] for k in asked[of_table]]
    given = [None if k < 0 else clusters[k] for k in cluster[at]]
    there = row >= 0
    counts: dict[str, IntArray] = {}
    for name in STATUS:
        is_so = there & (status == states.index(name)) if name in states else np.zeros(len(row), dtype=bool)
        counts[name] = np.bincount(row[is_so], minlength=len(models))
    is_unknown = status == states.index("not graded") if "not graded" in states else np.zeros(len(row), dtype=bool)
    return Answers(
        table, runs, variance, benchmarks, blocks, _cluster_codes(benchmarks, blocks, ids, given),
        counts, _unknown((row, col), len(questions), score, is_unknown),
        tuple(codes.models[k] for k in np.setdiff1d(codes.row, codes.row[~np.isnan(score)])),
    )  # fmt: skip


def _positions(names: list[str], chosen: Labels) -> IntArray:
    """Position of each name among those chosen, -1 where it is not."""
    place = {str(name): at for at, name in enumerate(chosen)}
    return np.array([place.get(name, -1) for name in names], dtype=np.int64)


def _runs(table: Observed, row: IntArray, col: IntArray, score: FloatArray) -> tuple[IntArray, FloatArray]:
    """Graded runs of every entry of the table, and the variance of its mean."""
    p = table.shape[1]
    cells = np.asarray(table.rows, dtype=np.int64) * p + np.asarray(table.cols)
    order = np.argsort(cells)
    is_graded = (row >= 0) & (col >= 0) & ~np.isnan(score)
    place = order[np.searchsorted(cells[order], row[is_graded] * p + col[is_graded])]
    runs = np.bincount(place, minlength=len(cells))
    away = score[is_graded] - np.asarray(table.values, dtype=float)[place]
    squares = np.bincount(place, away**2, len(cells))
    several = runs > 1
    variance = np.divide(squares, runs * (runs - 1.0), out=np.full(len(cells), np.nan), where=several)
    return runs, variance


def _cluster_codes(benchmarks: Labels, blocks: Labels, ids: list[str], given: list[str | None]) -> IntArray | None:
    """Clusters of the questions: as given; a question that stands in two twin benchmarks is one cluster."""
    has_twins = bool(np.any(benchmarks != blocks)) and len(np.unique(benchmarks)) > len(np.unique(blocks))
    if not has_twins and not any(name is not None for name in given):
        return None
    names = [
        f"{block}/question/{own}" if name is None else f"{block}/cluster/{name}"
        for block, own, name in zip(blocks, ids, given, strict=True)
    ]
    codes: IntArray = np.unique(names, return_inverse=True)[1]
    return None if int(codes.max()) + 1 == len(codes) else codes


def _unknown(at: tuple[IntArray, IntArray], p: int, score: FloatArray, is_unknown: BoolArray) -> Unknown:
    """Cells of the table with trials that nobody graded."""
    row, col = at
    tried = (row >= 0) & (col >= 0) & (is_unknown | ~np.isnan(score))
    cell, place, trials = np.unique(row[tried] * p + col[tried], return_inverse=True, return_counts=True)
    lost = np.bincount(place, is_unknown[tried].astype(float), len(cell))
    known = np.bincount(place, np.where(is_unknown, 0.0, np.nan_to_num(score))[tried], len(cell))
    keep = lost > 0
    low, high = known / trials, (known + lost) / trials
    return Unknown(cell[keep] // p, cell[keep] % p, low[keep], high[keep])


def as_evaluations(given: Any) -> Evaluations:
    """Evaluations as they are; a table of shares of models and questions as one trial per cell."""
    if isinstance(given, Evaluations):
        return given
    if not isinstance(given, Observed):
        raise ValueError(
            f"Board() takes what hs.read_evals(paths) returns, or an Observed of shares; got {type(given).__name__}."
        )
    import pyarrow as pa

    values = np.asarray(given.values, dtype=float)
    outside = np.flatnonzero(~((values >= 0) & (values <= 1)))
    n, p = given.shape
    models, questions = _names(given.row_labels, n, "m"), _names(given.col_labels, p, "q")
    row, col = np.asarray(given.rows), np.asarray(given.cols)
    if len(outside):
        first = outside[0]
        cell = f"R[{shown(models[row[first]])}, {shown(questions[col[first]])}]"
        raise ValueError(
            f"scores must lie in [0, 1]; {cell} = {values[first]:g} and "
            f"{len(outside) - 1} more do not. Divide by what a full score is."
        )
    order = np.lexsort((_places(questions)[col], _places(models)[row]))

    def repeated(text: str | None) -> Any:
        return pa.array([text], pa.string()).take(pa.array(np.zeros(len(row), dtype=np.int32)))

    columns: dict[str, Any] = {
        "model": pa.array(list(map(str, models)), pa.string()).take(pa.array(row[order])),
        "benchmark": repeated("table"),
        "question": pa.array(list(map(str, questions)), pa.string()).take(pa.array(col[order])),
        "run": pa.array(np.ones(len(row), dtype=np.int32)), "score": pa.array(values[order]),
        "status": repeated("graded"), "cluster": repeated(None), "source": repeated("table"),
    }  # fmt: skip
    return Evaluations(pa.table(columns), ())


def _places(labels: Labels) -> IntArray:
    """Place of each label among all, sorted."""
    out = np.empty(len(labels), dtype=np.int64)
    out[np.argsort(labels.astype(str), kind="stable")] = np.arange(len(labels))
    return out


def _names(labels: Any, length: int, letter: str) -> Labels:
    if labels is not None:
        return np.asarray(labels)
    width = len(str(length - 1))
    return np.array([f"{letter}{place:0{width}}" for place in range(length)])
