"""The one face of every ``model.inference()``: named numbers, one level, statements that hold together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from halfseen._typing import FloatArray, IntArray, Labels, RandomState, as_generator
from halfseen.data.labels import find_labels, find_positions
from halfseen.data.prepared import PreparedTable
from halfseen.inference.draws import batch_sizes, upper_quantile
from halfseen.inference.intervals import Intervals, Statement
from halfseen.parameters import BadArgument, Number, Whole
from halfseen.telling import Tells

LEVEL = Number(0, 1, above=True, below=True)
DRAWS = Whole(20)


class NotStated(ValueError):
    """An inference makes no such statement; the message says why, and what to ask instead."""


@dataclass(frozen=True)
class TableNames:
    """Names of the rows and columns of a table; positions where they have none.

    Attributes
    ----------
    shape : (int, int)
    rows, cols : ndarray or None
        Labels.

    Examples
    --------
    >>> names = TableNames((2, 3), np.array(["ann", "bob"]), None)
    >>> names.positions(["bob"], 0).tolist(), names.column(1)["col"].tolist()
    ([1], [0, 1, 2])
    """

    shape: tuple[int, int]
    rows: Labels | None = None
    cols: Labels | None = None

    @classmethod
    def of(cls, model: Any) -> TableNames:
        """Those of the table that a model was fitted to."""
        stored = getattr(model, "stored_rows_", None)
        if stored is not None:
            return StoredNames(model.observed_shape_, None, model.col_labels_, stored.table)
        return cls(model.observed_shape_, model.row_labels_, model.col_labels_)

    def labels(self, axis: int) -> Labels:
        """Labels of rows (0) or columns (1)."""
        own = (self.rows, self.cols)[axis]
        return np.arange(self.shape[axis]) if own is None else own

    def column(self, axis: int, at: Any = slice(None)) -> dict[str, Labels]:
        """The label column of chosen rows or columns, by its name."""
        return {("row", "col")[axis]: self.labels(axis)[at]}

    def cells(self, i: IntArray, j: IntArray) -> dict[str, Labels]:
        """The label columns of cells."""
        return self.column(0, i) | self.column(1, j)

    def positions(self, wanted: Any, axis: int) -> IntArray:
        """Where labels (or positions) stand; None is all of them."""
        if wanted is None:
            return np.arange(self.shape[axis])
        own, name = (self.rows, self.cols)[axis], ("row", "column")[axis]
        return find_positions(self.shape[axis], wanted, name) if own is None else find_labels(own, wanted, name)

    def pairs(self, rows: Any, cols: Any) -> tuple[IntArray, IntArray]:
        """Positions of elementwise pairs; one side may be a single one."""
        i, j = self.positions(rows, 0), self.positions(cols, 1)
        if len(i) != len(j) and 1 not in (len(i), len(j)):
            raise ValueError(
                f"rows and cols are pairs, but {len(i)} rows and {len(j)} cols were given; give one col per row"
            )
        at_row, at_col = np.broadcast_arrays(i, j)
        return at_row, at_col


@dataclass(frozen=True)
class StoredNames(TableNames):
    """Names where those of the rows are in the blocks of a prepared table: read where they are asked for.

    Attributes
    ----------
    table : PreparedTable
    """

    table: PreparedTable | None = None

    def labels(self, axis: int) -> Labels:
        """Labels of rows (0), read from all blocks, or columns (1)."""
        assert self.table is not None
        if axis:
            return super().labels(axis)
        return np.concatenate([self.table.row_labels(number) for number in range(self.table.n_blocks)])

    def column(self, axis: int, at: Any = slice(None)) -> dict[str, Labels]:
        """As of every table; of some rows only their blocks' labels are read."""
        if axis or isinstance(at, slice):
            return super().column(axis, at)
        assert self.table is not None
        return {"row": self.table.labels_at(np.asarray(at))}

    def positions(self, wanted: Any, axis: int) -> IntArray:
        """Where labels stand; None is all of them."""
        assert self.table is not None
        return super().positions(wanted, axis) if axis or wanted is None else self.table.find_rows(wanted)


@dataclass(frozen=True)
class CommonErrors:
    r"""Errors :math:`\sum_b L_b z_b` of some numbers, with the same standard normal :math:`z_b` for all of one space.

    Attributes
    ----------
    loadings : dict of ndarray or sparse (m, d_b)
        :math:`L_b` by the name of what they lean on; the covariance of the errors is :math:`\sum_b L_b L_b^\top`.
    space : str
        Numbers of different spaces have errors whose joint distribution is not known.

    Examples
    --------
    >>> errors = CommonErrors({"z": np.array([[3.0, 4.0]])}, "numbers")
    >>> errors.deviations({"z": np.array([[1.0, 1.0]])}).round(6).tolist()
    [[1.4]]
    """

    loadings: Mapping[str, Any]
    space: str

    def __len__(self) -> int:
        return int(next(iter(self.loadings.values())).shape[0])

    @property
    def sizes(self) -> dict[str, int]:
        """How many standard normal numbers of each name these errors lean on."""
        return {name: loading.shape[1] for name, loading in self.loadings.items()}

    def deviations(self, z: Mapping[str, FloatArray]) -> FloatArray:
        """Errors over their standard deviations, (b, m), from standard normal numbers (b, d) by name."""
        variance = sum(np.asarray((L * L).sum(axis=1)).ravel() for L in self.loadings.values())
        sd = np.sqrt(variance)
        errors = sum((L @ z[name].T).T for name, L in self.loadings.items())
        return np.asarray(errors * np.divide(1.0, sd, out=np.zeros_like(sd), where=sd > 0))

    def combined(self, weights: FloatArray) -> CommonErrors:
        """Errors of linear combinations of these numbers, weights (k, m)."""
        return CommonErrors({name: weights @ L for name, L in self.loadings.items()}, self.space)


class TableInference(Tells):
    """What every ``model.inference()`` has: names, a level, a claim, a seed, and one set of questions.

    Subclasses give the statements they can make and, in ``_refusals``, the reason for each that they cannot.

    Parameters
    ----------
    names : TableNames
    level : float
        Probability with which intervals hold.
    claim : str
        What the level means.
    draws : int
        Random draws behind bands and ranks.
    random_state : int, Generator or None
    library : {"pyarrow", "pandas", "polars"}
        Of the frames that ``to_frame`` gives: that of the input.

    Attributes
    ----------
    level : float
    claim : str
    names : TableNames
    """

    # What cannot be stated, and why: a sentence that goes on after "...: ".
    _refusals: ClassVar[dict[str, str]] = {}
    # Named sets that `band` takes.
    _sets: ClassVar[tuple[str, ...]] = ()
    # Degrees of freedom behind the standard errors; with few of them a band is Student's, not normal.
    _freedom: float = np.inf

    def __init__(
        self, names: TableNames, level: float, claim: str, draws: int = 1000, random_state: RandomState = 0,
        library: str = "pyarrow",
    ) -> None:  # fmt: skip
        LEVEL.check("level", level)
        DRAWS.check("draws", draws)
        self.names, self.level, self.claim = names, float(level), claim
        self.draws, self.library = int(draws), library
        self._seed = int(as_generator(random_state).integers(2**62))
        self._begin_telling()

    def __repr__(self) -> str:
        n, p = self.names.shape
        return f"{type(self).__name__}({n} x {p}, level {self.level:g}{self._note()})"

    def _note(self) -> str:
        return ""

    # ---- questions -------------------------------------------------------------------------------------------------

    def entries(self, rows: Any, cols: Any, kind: str = "mean") -> Intervals:
        """Intervals of expected responses (or of the linear predictor), elementwise pairs, seen or not."""
        raise self._refusal("entries")

    def responses(self, rows: Any, cols: Any) -> Intervals:
        """Prediction intervals of single responses not yet seen, elementwise pairs."""
        raise self._refusal("responses")

    def rows(self, component: Any = None) -> Intervals:
        """Intervals of the rows' own parameters."""
        raise self._refusal("rows")

    def columns(self, component: Any = None) -> Intervals:
        """Intervals of the columns' own parameters."""
        raise self._refusal("columns")

    def scores(self, about: str = "again", axis: str = "rows", over: Any = None) -> Intervals:
        """Intervals of mean responses."""
        raise self._refusal("scores")

    def differences(
        self, first: Any, second: Any, of: Any = "score", axis: str = "rows", about: str = "again"
    ) -> Intervals:
        """Intervals of differences ``first - second``, elementwise pairs."""
        raise self._refusal("differences")

    def ranks(
        self, of: Any = "score", axis: str = "rows", kind: str = "per_item", about: str = "again",
        method: str = "gaussian",
    ) -> Intervals:  # fmt: skip
        """Intervals for ranks; rank 1 is the largest."""
        raise self._refusal("ranks")

    def ties(self, of: Any = "score", axis: str = "rows", about: str = "again") -> Intervals:
        """Tiers that surely stand in this order, all at once; the column ``group`` numbers them."""
        return self.ranks(of, axis, "ties", about)

    def contrast(self, *args: Any, **more: Any) -> Intervals:
        """One interval for a linear functional given by its weights."""
        raise self._refusal("contrast")

    def band(self, *sets: Any, method: str = "gaussian", **asked: Any) -> Intervals:
        r"""Intervals that hold all at once with the level's probability.

        .. math:: \hat\theta_q \pm \hat q\, s_q,\qquad
                  \hat q = (1-\alpha)\text{-quantile of } \max_q |\Delta_q^{[b]}| / s_q

        Parameters
        ----------
        *sets : str or Intervals
            Names of sets (each error names those there are), and intervals that methods of this inference gave:
            ``i.band(i.differences(a, b), i.entries(rows, cols))`` makes all of these hold together.
        method : {"gaussian"}
            How errors are drawn; some inferences have more ways.
        **asked
            What the method of a named set takes (``rows=``, ``cols=``, ``component=``, ``kind=``).

        Returns
        -------
        Intervals
            In the shape of the set; of several sets one after the other, named in the column ``set``.
        """
        self._check_joint("simultaneous bands")
        if not sets:
            raise ValueError(f"band() needs a set: one of {', '.join(map(repr, self._sets))}, or intervals.")
        parts = [self._set(named, asked) for named in sets]
        statements = [part.statement for part in parts if part.statement is not None]
        maxima = [np.abs(batch).max(axis=1, initial=0.0) for batch in self._deviations(statements, method)]
        q = upper_quantile(np.concatenate(maxima), self.level)
        return Intervals.together([part.widened(q) for part in parts])

    # ---- what subclasses use ---------------------------------------------------------------------------------------

    def _set(self, asked: Any, choices: dict[str, Any]) -> Intervals:
        """The intervals of a named set, or those given."""
        if isinstance(asked, Intervals):
            if asked.statement is None:
                raise NotStated(
                    f"{asked.name} intervals of kind {asked.kind!r} have no errors that could be drawn together with "
                    "others; a band takes entries, parameters, scores, differences and contrasts."
                )
            if asked.statement.owner is not self._owner():
                raise NotStated("these intervals were given by another inference; ask this one for them.")
            return asked
        if asked not in self._sets:
            raise BadArgument("sets", asked, f"one of {', '.join(map(repr, self._sets))}, or intervals")
        return self._named_set(str(asked), **choices)

    def _named_set(self, name: str, **choices: Any) -> Intervals:
        raise self._refusal("band")

    def _owner(self) -> Any:
        """Whose errors the statements of this inference are."""
        return self

    def _check_joint(self, what: str) -> None:
        """Refuse statements about many numbers at once where they would not hold."""

    def _deviations(self, statements: Sequence[Statement], method: str) -> Iterator[FloatArray]:
        """Errors (b, m) of all numbers of the statements, drawn together, over their standard errors."""
        if method != "gaussian":
            raise BadArgument("method", method, "'gaussian'")
        errors: list[CommonErrors] = [statement.errors for statement in statements]
        spaces = sorted({part.space for part in errors})
        if len(spaces) > 1:
            raise NotStated(
                f"{' and '.join(spaces)} have errors whose joint distribution is not known here; ask for a band over "
                "each of them."
            )
        sizes: dict[str, int] = {}
        for part in errors:
            sizes |= part.sizes
        rng = np.random.default_rng(self._seed)
        for b in batch_sizes(self.draws, sum(sizes.values()) + sum(map(len, errors))):
            z = {name: rng.standard_normal((b, size)) for name, size in sizes.items()}
            deviations = np.concatenate([part.deviations(z) for part in errors], axis=1)
            if np.isfinite(self._freedom):
                deviations *= np.sqrt(self._freedom / rng.chisquare(self._freedom, size=b))[:, None]
            yield deviations

    def _interval(
        self,
        name: str,
        estimate: FloatArray,
        se: FloatArray,
        labels: dict[str, Labels],
        errors: Any = None,
        **more: Any,
    ) -> Intervals:
        """Symmetric intervals of this inference; with ``errors`` they can be made to hold together with others."""
        q = more.pop("quantile", None)
        intervals = Intervals.symmetric(
            name, estimate, se, self.level, labels, claim=self.claim, library=self.library, quantile=q, **more
        )
        if errors is None:
            return intervals
        return intervals.stated(Statement(self._owner(), errors, lambda q: (estimate - q * se, estimate + q * se)))

    def _refusal(self, what: str) -> NotStated:
        reason = self._refusals.get(what, "this model's theory has none")
        can = [name for name in QUESTIONS if getattr(type(self), name) is not getattr(TableInference, name)]
        return NotStated(
            f"{type(self).__name__} states no {what}: {reason}. It has {', '.join(can) or 'none of them'}."
        )


QUESTIONS = ("entries", "responses", "rows", "columns", "scores", "differences", "ranks", "contrast")
