"""``halfseen place``: new rows against a fitted model: where they stand, what else they would say, what to ask next."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from halfseen.cli.inferring import inference_of, open_run, shift_of
from halfseen.cli.items import scale_of_abilities
from halfseen.cli.options import RowFeatureFile, TableOptions
from halfseen.cli.place_sources import place_sources
from halfseen.cli.reopen import table_options
from halfseen.cli.screen import note
from halfseen.cli.source import changed, open_table, read_features
from halfseen.cli.written import check_out, deliver
from halfseen.data import Observed, SideFeatures
from halfseen.text import with_article

# Draws whose quantiles are the ends of a new row's intervals.
DRAWS = 400


@dataclass(frozen=True)
class PlaceQuestion:
    """What is asked of new rows."""

    level: float = 0.95
    questions: int = 3
    data: str | None = None
    seed: int = 0
    scores: bool = False
    features: RowFeatureFile = field(default_factory=RowFeatureFile)


def run_place(
    run: Path, rows: list[str], reading: TableOptions, question: PlaceQuestion, how: tuple[Path | None, bool, bool]
) -> None:
    """Place the rows of a file and write what is known of them."""
    out, as_json, is_raw = how
    check_out(out)
    if not 0 < question.level < 1:
        raise ValueError(f"--level {question.level:g} must lie between 0 and 1, such as 0.95")
    model, record = open_run(run)
    if hasattr(model, "posterior_") and hasattr(model, "place_samples"):
        lines, n_names = place_sources(model, record, rows, merged(record, reading), question.level, question.scores)
        deliver(lines, out, as_json, is_raw, n_names)
        return
    if question.scores:
        raise ValueError("--scores is for runs of many sources; leave it out")
    if hasattr(model, "source_names_") or not hasattr(model, "predict"):
        raise ValueError(f"{run} holds {with_article(type(model).__name__)}, which places no new rows")
    if len(rows) > 1:
        raise ValueError(f"{len(rows)} files were given, and {run} holds one table; give one file of new rows")
    table, side = new_rows(model, record, rows, merged(record, reading), question.features)
    answer = None if side is not None or table is None else item_lines(model, record, table, question)
    n_labels = 1
    if answer is None:
        answer, n_labels = cell_lines(model, record, table, question, side), 2
        texts = outside_values(record, answer)
    else:
        texts = [
            scale_of_abilities(model),
            f"score: mean answer over all {model.n_features_in_} questions of the fit, answers given as they are, the "
            "others predicted",
        ]
    deliver(answer, out, as_json, is_raw, n_labels)
    for text in texts:
        note(text)


def new_rows(
    model: Any, record: dict[str, Any], rows: list[str], reading: TableOptions, files: RowFeatureFile
) -> tuple[Observed | None, SideFeatures | None]:
    """The table of new rows and their features, where there are files of them; all rows with features are in both."""
    if files.row_features is None:
        if not rows:
            raise ValueError("give a file of new rows, or --row-features with what else is known of them")
        if files.row_key is not None:
            raise ValueError(f"--row-key {files.row_key} is the key of a file; give --row-features too")
        return open_table(rows[0], reading), None
    if getattr(model, "row_code_", None) is None or not hasattr(model, "draws_"):
        what = with_article(type(model).__name__)
        raise ValueError(f"--row-features is for runs of 'fit bayes' with --row-features; this is {what} without")
    key = files.row_key or record.get("features", {}).get("row", {}).get("key")
    if not rows:
        return None, read_features(files.row_features, key, model.row_labels_, reading)[0]
    table = open_table(rows[0], reading)
    side = read_features(files.row_features, key, table.row_labels, reading)[0]
    if side.labels is None or table.row_labels is None:
        return table, side
    more = side.labels[~np.isin(side.labels, table.row_labels)]
    whole = Observed.from_triplets(
        table.rows, table.cols, table.values, table.weights, (table.shape[0] + len(more), table.shape[1]),
        row_labels=np.concatenate([table.row_labels, more]), col_labels=table.col_labels,
    )  # fmt: skip
    return whole, side


def outside_values(record: dict[str, Any], answer: dict[str, Any]) -> list[str]:
    """A sentence about predictions beyond the least and the largest value of the fit."""
    ends = record.get("data", {}).get("values")
    if ends is None:
        return []
    low, high = (float(end) - shift_of(record) for end in ends)
    n_outside = int(np.sum((answer["predicted"] < low) | (answer["predicted"] > high)))
    if not n_outside:
        return []
    return [
        f"{n_outside} of {len(answer['predicted'])} predictions lie outside the values that were fitted, {low:g} to "
        f"{high:g}: where the scale ends there, fit again with --clip {low:g},{high:g} (als, bayes, soft-impute)"
    ]


def merged(record: dict[str, Any], reading: TableOptions) -> TableOptions:
    """The reading of the fit, with what was said now in its place."""
    return TableOptions(**{**asdict(table_options(record)), **changed(reading)})


def item_lines(model: Any, record: dict[str, Any], table: Observed, question: PlaceQuestion) -> dict[str, Any] | None:
    """Ability and score with intervals, and the next questions; None for models without items."""
    try:
        inference = inference_of(model, record, question.level, question.data)
        placed = inference.new_rows(table)
    except (ValueError, AttributeError):
        return None
    if not hasattr(placed, "abilities"):  # new rows of a table without items
        return None
    abilities, scores = placed.abilities(), placed.scores()
    answer: dict[str, Any] = {"row": placed.row_labels, "answered": abilities.extra["answered"]}
    for name, intervals in (("ability", abilities), ("score", scores)):
        answer |= {
            name: intervals.estimate,
            f"{name} se": intervals.se,
            f"{name} low": intervals.low,
            f"{name} high": intervals.high,
        }
    if question.questions:
        following = placed.next_items(question.questions, "pyarrow").to_pydict()
        place = {str(label): k for k, label in enumerate(placed.row_labels.tolist())}
        for number in range(1, question.questions + 1):
            items: list[Any] = [None] * len(placed)
            for row, at, item in zip(following["row"], following["place"], following["item"], strict=True):
                if at == number:
                    items[place[str(row)]] = item
            answer[f"ask {number}"] = np.array(items, dtype=object)
    return answer


def cell_lines(
    model: Any, record: dict[str, Any], table: Observed | None, question: PlaceQuestion, side: SideFeatures | None
) -> dict[str, Any]:
    """A prediction for every cell that the new rows lack, with intervals where the model draws new rows."""
    given = {} if side is None else {"row_features": side}
    predicted = np.asarray(model.predict(table, **given), dtype=float)
    columns = model.col_labels_
    columns = np.arange(predicted.shape[1]) if columns is None else np.asarray(columns)
    seen = model._observe(table, reset=False) if side is None else model._new_rows(table, side)
    lacking = np.ones(predicted.shape, dtype=bool)
    lacking[seen.rows, seen.cols] = False
    labels = np.arange(len(predicted)) if seen.row_labels is None else np.asarray(seen.row_labels)
    i, j = np.nonzero(lacking)
    shift = shift_of(record)
    answer = {"row": labels[i], "col": columns[j], "predicted": predicted[i, j] - shift}
    try:
        if not hasattr(model, "inference"):
            raise ValueError(f"{with_article(type(model).__name__)} has none")
        draws = model._drawn(seen, i, j, DRAWS, np.random.default_rng(question.seed), **given)
    except ValueError as error:
        note(f"no intervals of new rows: {error}")
        return answer
    tail = 0.5 * (1.0 - question.level)
    low, high = np.quantile(np.asarray(draws, dtype=float), (tail, 1.0 - tail), axis=0)
    return answer | {"low": low - shift, "high": high - shift}
