"""Fits with features of rows and columns, and predictions for new ones from files of features."""

from __future__ import annotations

from typing import Any

import numpy as np

import halfseen as hs
from halfseen.cli.options import HeldOption, TableOptions
from halfseen.cli.questions import Question, predictor, read_pairs
from halfseen.cli.screen import Steps
from halfseen.cli.source import read_features
from halfseen.cli.tables import TableJob
from halfseen.data import Observed, SideFeatures
from halfseen.data.labels import labels_from_text
from halfseen.methods.inductive.options import ONE_CLASS
from halfseen.text import with_article

RECALL_AT = 10
MOST_CELLS = 50_000_000


class FeaturesJob(TableJob):
    """A fit of one table with features of its rows, its columns or both."""

    def open(self) -> None:
        super().open()
        if not self.sides:
            raise ValueError("give --row-features, --col-features or both; without any use 'halfseen fit als'")

        if self.is_ridge and "row_features" not in self.sides:
            raise ValueError(f"{self.asked.method.name} needs --row-features: features of the rows, or similarities")
        if self.asked.method.estimator is hs.comparisons.KronRidge and "col_features" not in self.sides:
            raise ValueError("kron-ridge needs --col-features too; row-kernel-ridge does without")

    @property
    def is_ridge(self) -> bool:
        """Whether this is one of the kernel ridges, which are for one-class tables only."""
        return self.asked.method.estimator in (hs.comparisons.RowKernelRidge, hs.comparisons.KronRidge)

    @property
    def is_one_class(self) -> bool:
        """Whether entries say only that something was seen."""
        return self.is_ridge or self.values.get("family") == (ONE_CLASS,)

    def settle_family(self, trials: str | None) -> None:
        if self.asked.settings.get("family") == ONE_CLASS:
            from halfseen.losses import get_loss

            self.loss, self.values["family"] = get_loss("gaussian"), (ONE_CLASS,)
            return
        super().settle_family(trials)

    def check_ranks(self) -> None:
        """Units may outnumber the table's shorter side."""

    def split(self, data: Observed, share: float, seed: int) -> tuple[Observed, Observed]:
        what = str(self.asked.part(HeldOption).held)
        if what == "cols":
            seen, hidden = data.T.split(share, random_state=seed, by="rows")
            return seen.T, hidden.T
        return data.split(share, random_state=seed, by=what, keep_covered=what == "entries")

    def named(self, model: Any) -> str:
        if self.is_ridge:
            return f"{self.asked.method.title}, penalty {model.penalty:g}"
        return f"inductive, {model.activation}, rank {model.rank_}"

    def loss_of(self, scores: dict[str, float]) -> float:
        return super().loss_of(scores) if "rmse" in scores else -scores["auc"]

    def choose(self, seen: Observed, bar: Steps) -> dict[str, Any]:
        self.known = seen
        return super().choose(seen, bar)

    def score(self, model: Any, hidden: Observed) -> tuple[np.ndarray | None, dict[str, float]]:
        """Errors of hidden entries, or for one-class tables how they are ranked among what was not seen."""
        if not self.is_one_class:
            return super().score(model, hidden)
        n, p = self.whole.shape
        if n * p > MOST_CELLS:
            raise ValueError(f"judging lists needs all {n} x {p} cells; use --held-out 0, or a smaller table")
        relevant, known = np.zeros((n, p), dtype=bool), np.ones((n, p), dtype=bool)
        relevant[hidden.rows, hidden.cols] = True
        known[:] = False
        known[self.whole.rows, self.whole.cols] = True
        known &= ~relevant
        scores = model.predict_table()
        if isinstance(model, hs.ColumnMean):
            scores = np.broadcast_to(np.asarray(known.sum(axis=0), dtype=float), (n, p))
        rows = relevant.any(axis=1)
        free = ~known[rows]
        return None, {
            "auc": hs.metrics.roc_auc(relevant[rows][free], scores[rows][free]),
            "average precision": hs.metrics.average_precision(relevant[rows][free], scores[rows][free]),
            f"recall at {RECALL_AT}": hs.metrics.recall_at(relevant[rows], scores[rows], RECALL_AT, known[rows]),
        }

    def rivals(self, seen: Observed) -> list[tuple[str, Any]]:
        """The linear model, and means."""
        others: list[tuple[str, Any]] = []
        if self.is_ridge:
            return [("popularity", hs.ColumnMean())]
        if self.model.activation != "linear":
            linear = self.make(self.chosen).set_params(activation="linear")
            others.append((f"inductive, linear, rank {self.model.rank_}", linear))
        if self.is_one_class:
            return [*others, ("popularity", hs.ColumnMean())]
        return [*others, ("row and column means", hs.BiasModel()), ("column mean", hs.ColumnMean())]

    def facts(self) -> dict[str, Any]:
        facts = super().facts() | {"ranking": []}
        if self.is_one_class:
            facts |= {"ranking": self.figures, "figures": []}
        return facts


def predict_new(model: Any, question: Question, record: dict[str, Any]) -> tuple[tuple[Any, Any], dict[str, Any]]:
    """Predictions where rows, columns or both come with files of features."""
    ridges = hs.comparisons.RowKernelRidge, hs.comparisons.KronRidge
    if not isinstance(model, (hs.InductiveCompletion, *ridges)):
        kind = with_article(type(model).__name__)
        raise ValueError(
            "--row-features and --top are for runs of 'fit inductive', 'fit row-kernel-ridge' and 'fit kron-ridge'; "
            f"this is {kind}"
        )
    if question.level is not None:
        raise ValueError("--level has no meaning here: intervals need the table of the fit (model.inference in Python)")
    reading = TableOptions(sep=question.sep, no_header=question.no_header)
    sides: list[SideFeatures | None] = []
    for name, labels in (("row", model.row_labels_), ("col", model.col_labels_)):
        path = getattr(question, f"{name}_features")
        if path is None:
            sides.append(None)
            continue
        key = getattr(question, f"{name}_key") or record.get("features", {}).get(name, {}).get("key")
        sides.append(read_features(path, key, labels, reading)[0])
    if question.pairs is not None or question.rows or question.cols:
        return pairs_of(model, question, record, sides)
    rows, cols = sides
    A, names = (model.row_labels_, None) if rows is None else (rows.labels, rows)
    B = model.col_labels_ if cols is None else cols.labels
    A = np.arange(model.observed_shape_[0]) if A is None else A
    B = np.arange(model.observed_shape_[1]) if B is None else B
    if question.top is None:
        table = model.predict_table(names, cols, question.kind)
        return (np.repeat(A, len(B)), np.tile(B, len(A))), {"predicted": np.asarray(table, dtype=float).ravel()}
    ranking = model.rank_columns(names, question.top, cols)
    chosen = B[ranking.cols].ravel() if cols is not None or model.col_labels_ is None else ranking.cols.ravel()
    return (np.repeat(A, ranking.scores.shape[1]), chosen), {
        "predicted": np.asarray(ranking.scores, dtype=float).ravel()
    }


def _crossed(rows: list[str], cols: list[str]) -> tuple[list[str], list[str]]:
    """All given rows against all given columns."""
    if not rows or not cols:
        raise ValueError("give --rows and --cols, or neither for all of them")
    return [row for row in rows for _ in cols], [col for _ in rows for col in cols]


def pairs_of(
    model: Any, question: Question, record: dict[str, Any], sides: list[Any]
) -> tuple[tuple[Any, Any], dict[str, Any]]:
    """Chosen pairs, each name looked up in the file of features of its side, if there is one."""
    if question.top is not None:
        raise ValueError("--top chooses the columns itself; leave the pairs out")
    if question.pairs is not None:
        asked = read_pairs(question, record.get("table", {}))
    else:
        asked = _crossed(question.rows, question.cols)
    labels, given = [], []
    for wanted, side, known in zip(asked, sides, (model.row_labels_, model.col_labels_), strict=True):
        names = labels_from_text(list(wanted), known)
        labels.append(names)
        given.append(names if side is None else side.aligned(len(names), names, "the file of features"))
    length = max(map(len, labels))
    numbers = np.asarray(predictor(model)(*given, kind=question.kind), dtype=float)
    return tuple(np.resize(names, length) for names in labels), {"predicted": numbers}  # type: ignore[return-value]
