"""What was read: one long table of trials, the problems met, and the way to the models."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halfseen.data.evals.problems import Problem
from halfseen.data.evals.trials import STATUSES

if TYPE_CHECKING:
    from halfseen.data.observed import Observed

COLUMNS = ("model", "benchmark", "question", "run", "score", "status", "cluster", "source")
TWIN = re.compile(r"(?:[-_ ]?plus|\+)$", re.I)


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
        cells = set(zip(self._list("benchmark"), self._list("question"), strict=True))
        status = Counter(self._list("status"))
        sizes = [(len(self.models), "model"), (len(self.benchmarks), "benchmark"), (len(cells), "question")]
        parts = [_sized(number, noun) for number, noun in [*sizes, (len(self), "trial")]]
        shown = ", ".join(f"{status[name]} {name}" for name in STATUSES if name in status)
        told = f"; {_sized(len(self.problems), 'problem')}" if self.problems else ""
        return f"Evaluations({', '.join(parts)}: {shown}{told})"

    def _list(self, name: str) -> list[Any]:
        return self.table.column(name).to_pylist()

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
        models, row = _coded(self._list("model"), graded)
        names = [f"{b}/{q}" for b, q in zip(self._list("benchmark"), self._list("question"), strict=True)]
        columns, col = _coded(names, graded)
        cell, place, count = np.unique(row * len(columns) + col, return_inverse=True, return_counts=True)
        share = np.bincount(place, score[graded]) / count
        weights = count.astype(np.float64) if (count > 1).any() else None
        return Observed.from_triplets(
            cell // len(columns), cell % len(columns), share, weights, row_labels=models, col_labels=columns
        )

    def blocks(self) -> NDArray[np.str_]:
        """Return the block of each column of `to_observed`: its benchmark; twins such as X and X+ are one block."""
        score = self.table.column("score").to_numpy()
        benchmarks, questions = self._list("benchmark"), self._list("question")
        joined = _joined(self.benchmarks)
        block = {f"{b}/{q}": joined[b] for b, q, s in zip(benchmarks, questions, score, strict=True) if not np.isnan(s)}
        return np.array([block[name] for name in sorted(block)])


def _sized(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _coded(names: list[str], chosen: NDArray[np.bool_]) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Sorted distinct names and the position of each chosen one."""
    kept = [name for name, is_chosen in zip(names, chosen, strict=True) if is_chosen]
    labels = sorted(set(kept))
    position = {name: number for number, name in enumerate(labels)}
    return np.array(labels), np.array([position[name] for name in kept], dtype=np.int64)


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
