"""What was read: one long table of trials, the problems met, and the way to the models."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halfseen.data.evals.problems import Problem
from halfseen.data.evals.trials import STATUSES

if TYPE_CHECKING:
    from halfseen.data.observed import Observed

COLUMNS = ("model", "benchmark", "question", "run", "score", "status", "cluster", "source")
TWIN = re.compile(r"(?:[-_ ]?plus|\+)$", re.I)


@dataclass(frozen=True)
class Codes:
    """Models and questions of all trials, as positions among sorted names.

    Attributes
    ----------
    models : list of str
    row : int ndarray (n_trials,)
    questions : ndarray of str
        Named ``benchmark/question``.
    col : int ndarray (n_trials,)
    benchmark, id : list of str
        Of every question.
    """

    models: list[str]
    row: NDArray[np.int64]
    questions: NDArray[np.str_]
    col: NDArray[np.int64]
    benchmark: list[str]
    id: list[str]


@dataclass(frozen=True, repr=False)
class Evaluations:
    """Results of evaluations of AI models, one line per trial; made by `halfseen.read_evals`.

    Parameters
    ----------
    table : pyarrow.Table
        Columns: model, benchmark, question (its id inside the benchmark), run (from 1), score (in [0, 1], null where
        nothing was graded), status, cluster (null unless asked for) and source (the file). A status is one of

        - ``graded``: score as the tool gave it, partial credit included;
        - ``own failure``: score 0 by the model's own doing, such as a token limit, a refusal or an empty patch;
        - ``not graded``: the interface, the container or the grader failed, so that the answer is not known;
        - ``not run``: the log announced the trial and does not have it.
    problems : tuple of Problem
        What to know about the files: each with `file`, `what`, `way_out` and `level`.

    Examples
    --------
    >>> import os, tempfile, halfseen as hs
    >>> file = os.path.join(tempfile.mkdtemp(), "answers.csv")
    >>> with open(file, "w") as out:
    ...     _ = out.write("model,benchmark,question,score\\na,sums,1,1\\na,sums,1,0\\nb,sums,1,1\\nb,sums,2,\\n")
    >>> evals = hs.read_evals(file)
    >>> evals
    Evaluations(2 models, 1 benchmark, 2 questions, 4 trials: 3 graded, 1 not graded; 1 problem)
    >>> print(evals.problems[0])
    b: lost 1 of 2 trials of sums (1 not graded); run them again, or see how the order depends on them.
    >>> R = evals.to_observed()
    >>> R.values.tolist(), R.weights.tolist(), R.col_labels.tolist()
    ([0.5, 1.0], [2.0, 1.0], ['sums/1'])
    """

    table: Any
    problems: tuple[Problem, ...] = field(default=())

    def __len__(self) -> int:
        return self.table.num_rows

    def __repr__(self) -> str:
        status = Counter(self.table.column("status").to_pylist())
        n_questions = len(self.codes.questions)
        sizes = [(len(self.models), "model"), (len(self.benchmarks), "benchmark"), (n_questions, "question")]
        parts = [_sized(number, noun) for number, noun in [*sizes, (len(self), "trial")]]
        shown = ", ".join(f"{status[name]} {name}" for name in STATUSES if name in status)
        told = f"; {_sized(len(self.problems), 'problem')}" if self.problems else ""
        return f"Evaluations({', '.join(parts)}: {shown}{told})"

    @cached_property
    def codes(self) -> Codes:
        """Models and questions of all trials as positions; the names themselves are held once."""
        models, row = coded(self.table.column("model"))
        benchmarks, of_benchmark = coded(self.table.column("benchmark"))
        ids, of_id = coded(self.table.column("question"))
        _, first, place = np.unique(of_benchmark * max(len(ids), 1) + of_id, return_index=True, return_inverse=True)
        names = [f"{benchmarks[of_benchmark[at]]}/{ids[of_id[at]]}" for at in first]
        questions, at, number = np.unique(np.array(names, dtype=object), return_index=True, return_inverse=True)
        first = first[at]
        return Codes(
            models, row, np.array(questions.tolist()), number[place],
            [benchmarks[k] for k in of_benchmark[first]], [ids[k] for k in of_id[first]],
        )  # fmt: skip

    @property
    def models(self) -> list[str]:
        """Names of the models, sorted."""
        return sorted(self.table.column("model").unique().to_pylist())

    @property
    def benchmarks(self) -> list[str]:
        """Names of the benchmarks, sorted."""
        return sorted(self.table.column("benchmark").unique().to_pylist())

    def to_frame(self, backend: str = "pyarrow") -> Any:
        """Return the long table; backend pyarrow, pandas or polars.

        Raises
        ------
        ValueError
            If the backend is another one.
        """
        if backend == "pyarrow":
            return self.table
        if backend == "pandas":
            return self.table.to_pandas()
        if backend == "polars":
            import polars

            return polars.from_arrow(self.table)
        raise ValueError(f"backend must be 'pyarrow', 'pandas' or 'polars', got {backend!r}")

    def to_observed(self) -> Observed:
        """Return models x questions: the share right over the runs of each cell, how many runs as its weight.

        Columns are named ``benchmark/question``. Cells of which no run was graded are missing; models and questions
        without any are left out. Weights are the number of graded runs, so that value x weight is a count of right
        answers; they are left out where every cell has one run.

        Raises
        ------
        ValueError
            If nothing was graded.
        """
        from halfseen.data.observed import Observed

        score = self.table.column("score").to_numpy()
        graded = ~np.isnan(score)
        if not graded.any():
            raise ValueError("no trial was graded; see .problems")
        codes = self.codes
        kept, row = np.unique(codes.row[graded], return_inverse=True)
        asked, col = np.unique(codes.col[graded], return_inverse=True)
        models, columns = np.array(codes.models)[kept], codes.questions[asked]
        cell, place, count = np.unique(row * len(columns) + col, return_inverse=True, return_counts=True)
        share = np.bincount(place, score[graded]) / count
        weights = count.astype(np.float64) if (count > 1).any() else None
        return Observed.from_triplets(
            cell // len(columns), cell % len(columns), share, weights, row_labels=models, col_labels=columns
        )

    def blocks(self) -> NDArray[np.str_]:
        """Return the block of each column of `to_observed`: its benchmark; twins such as X and X+ are one block."""
        graded = ~np.isnan(self.table.column("score").to_numpy())
        joined, codes = _joined(self.benchmarks), self.codes
        return np.array([joined[codes.benchmark[col]] for col in np.unique(codes.col[graded])])


def _sized(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def coded(column: Any) -> tuple[list[str], NDArray[np.int64]]:
    """Sorted distinct names of an Arrow column, and the position of each cell's; -1 where it is null.

    >>> import pyarrow as pa
    >>> names, position = coded(pa.chunked_array([["b", "a", None, "b"]]))
    >>> names, position.tolist()
    (['a', 'b'], [1, 0, -1, 1])
    """
    import pyarrow as pa

    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    encoded = (pa.concat_arrays(chunks) if chunks else pa.array([], pa.string())).dictionary_encode()
    names = encoded.dictionary.to_pylist()
    order = sorted(range(len(names)), key=names.__getitem__)
    position = np.empty(len(names) + 1, dtype=np.int64)
    position[order] = np.arange(len(names))
    position[-1] = -1
    return [names[k] for k in order], position[encoded.indices.fill_null(len(names)).to_numpy(zero_copy_only=False)]


def _joined(benchmarks: list[str]) -> dict[str, str]:
    """The block of each benchmark: its name without version and ``+``, if the benchmark of that name is there too."""
    bare = {name: name.partition("@")[0] for name in benchmarks}
    there = {TWIN.sub("", name) for name in bare.values()}
    blocks = {}
    for name, plain in bare.items():
        twin = TWIN.sub("", plain)
        both = twin in there and {other for other in bare.values() if TWIN.sub("", other) == twin}
        version = name.removeprefix(plain)
        blocks[name] = twin + version if both and len(both) > 1 else name
    return blocks
