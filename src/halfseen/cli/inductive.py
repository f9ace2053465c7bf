"""The job behind ``halfseen fit inductive``, and predictions for new rows and columns from files of features."""

from __future__ import annotations

import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import halfseen as hs
from halfseen.cli.fit import Chosen, Method, Outcome, available_cores, check_shares, command_line, fitted, parse_ranks
from halfseen.cli.folder import check_target
from halfseen.cli.options import InductiveSwitches, JudgeOptions, OutputOptions, TableOptions
from halfseen.cli.questions import Question, read_pairs
from halfseen.cli.scores import judge_model
from halfseen.cli.screen import Steps, plain, print_json, steps
from halfseen.cli.source import column, open_table, separator
from halfseen.data import Observed, SideFeatures, check_support
from halfseen.data.files import TextFormat
from halfseen.data.labels import labels_from_text
from halfseen.data.wide import read_frame
from halfseen.engines import engine
from halfseen.losses import get_loss
from halfseen.methods.inductive.options import ONE_CLASS

RECALL_AT = 10
MOST_CELLS = 50_000_000


def run_inductive(
    data: str, given: InductiveSwitches, reading: TableOptions, judge: JudgeOptions, output: OutputOptions
) -> None:
    """Run the whole job and show or save what came of it."""
    from threadpoolctl import threadpool_limits

    from halfseen.cli.report import picture_size, record, save_run, show

    if output.out is not None:
        check_target(output.out, output.force)
    check_shares(judge)
    begun = time.perf_counter()
    observed = open_table(data, reading)
    method = method_of(given)
    check_support(observed, method.loss, "family")
    size = picture_size(output.image, data, observed.shape[1])
    sides, keys = features_of(given, reading, observed)
    seconds = {"read": time.perf_counter() - begun}
    workers = output.threads or available_cores()
    with threadpool_limits(1, "blas"), engine("threads", workers) if workers > 1 else engine("serial"):
        outcome = fit_and_judge(observed, method, given, sides, judge, seconds)
    lists = outcome.figures if given.family == ONE_CLASS else []
    if lists:
        outcome.figures = []
    facts = record(outcome, data, reading, judge, command_line(data))
    facts |= plain({"features": keys, "ranking": lists})
    facts["seconds"]["total"] = time.perf_counter() - begun
    if output.out is not None:
        save_run(output.out, outcome, facts, size)
    if output.json:
        print_json(facts)
    else:
        show(facts, output.out)


def method_of(given: InductiveSwitches) -> Method:
    """What the switches mean, as a method for every rank and penalty."""
    loss = get_loss("gaussian" if given.family == ONE_CLASS else given.family)

    def make(rank: int, penalty: str, seed: int) -> Any:
        return hs.InductiveCompletion(
            rank, given.activation, family=given.family, penalty=penalty if penalty == "auto" else float(penalty),
            effects=given.effects, free_rank=given.free_rank, n_starts=given.n_starts, beta=given.beta,
            random_state=seed,
        )  # fmt: skip

    make(1, "0", 0)._checked()
    return Method("inductive", f"inductive, {given.activation}", loss, make, penalties(given.penalty))


def penalties(text: str) -> tuple[str, ...]:
    """The penalties to try.

    >>> penalties("0.001,0.01")
    ('0.001', '0.01')
    """
    given = tuple(part.strip() for part in text.split(",") if part.strip())
    try:
        is_right = bool(given) and all(part == "auto" or 0 <= float(part) < np.inf for part in given)
    except ValueError:
        is_right = False
    if not is_right:
        raise ValueError(f"--penalty {text!r}: give auto or a number of at least 0, or several with commas")
    return given


def features_of(given: InductiveSwitches, reading: TableOptions, observed: Observed) -> tuple[dict[str, Any], Any]:
    """Features of both sides, and where they came from."""
    sides: dict[str, Any] = {}
    keys: dict[str, Any] = {}
    for side, labels in (("row", observed.row_labels), ("col", observed.col_labels)):
        path, key = getattr(given, f"{side}_features"), getattr(given, f"{side}_key")
        if path is None:
            if key is not None:
                raise ValueError(f"--{side}-key {key} is the key of a file; give --{side}-features too")
            continue
        found, key = read_features(path, key, labels, reading)
        sides[f"{side}_features"] = found
        keys[side] = {"file": str(path), "key": key}
    if not sides:
        raise ValueError("give --row-features, --col-features or both; without any use 'halfseen fit als'")
    return sides, keys


def read_features(path: Path, key: str | None, labels: Any, reading: TableOptions) -> tuple[SideFeatures, str]:
    """A file of features, its lines named in the type of the table's own labels."""
    given = None if key is None else column(key)
    frame, wanted = read_frame(path, given, TextFormat(separator(reading.sep), not reading.no_header))
    side = SideFeatures.from_frame(frame, wanted, path.name)
    names = [] if side.labels is None else side.labels.tolist()
    return SideFeatures(None, side.columns, labels_from_text(names, labels), side.missing), wanted


def fit_and_judge(
    observed: Observed,
    method: Method,
    given: InductiveSwitches,
    sides: dict[str, Any],
    judge: JudgeOptions,
    seconds: dict[str, float],
) -> Outcome:
    """Hold out, choose rank and penalty, fit, judge beside rivals, and fit again with what was held out."""
    part = judge.held_out if judge.hide is None else judge.hide
    seen, hidden = held_out(observed, part, given.held, judge.seed) if part else (observed, None)
    ranks = parse_ranks("auto", given.rank, max(1024, *observed.shape))
    again = hidden is not None and judge.hide is None and judge.refit
    figures_, judged = [], None
    number = len(ranks) * len(method.penalties)
    with steps((number if number > 1 else 0) + 1 + 4 * (hidden is not None) + again) as bar:
        chosen = choose(method, seen, ranks, given, sides, judge.seed, bar)
        name = f"{method.title}, {chosen}"
        clock = time.perf_counter()
        model = fitted(bar, name, Bound(method.make(chosen.rank, chosen.penalty, judge.seed), sides), seen)
        seconds["fit"] = time.perf_counter() - clock
        if hidden is not None:
            judged, scores = judged_by(model.model, seen, hidden, method)
            figures_.append({"model": name, **scores})
            for name, rival in rivals(method, given, chosen, sides, judge.seed):
                found = fitted(bar, name, rival, seen)
                figures_.append({"model": name, **judged_by(getattr(found, "model", found), seen, hidden, method)[1]})
        if again:
            model = Bound(method.make(chosen.rank, chosen.penalty, judge.seed), sides)
            model = fitted(bar, "once more, on all entries", model, observed)
    return Outcome(method, observed, seen, hidden, model.model, chosen, figures_, judged, seconds)


class Bound:
    """A model with its features at hand, so that it is fitted to a table alone."""

    def __init__(self, model: Any, sides: dict[str, Any]) -> None:
        self.model, self.sides = model, sides

    def fit(self, R: Observed) -> Bound:
        self.model.fit(R, **self.sides)
        return self

    def set_callbacks(self, *callbacks: Any) -> None:
        self.model.set_callbacks(*callbacks)


def held_out(observed: Observed, share: float, what: str, seed: int) -> tuple[Observed, Observed]:
    """Single entries, or all entries of some rows or columns."""
    if what == "cols":
        seen, hidden = observed.T.split(share, random_state=seed, by="rows")
        return seen.T, hidden.T
    return observed.split(share, random_state=seed, by=str(what), keep_covered=what == "entries")


def choose(
    method: Method,
    seen: Observed,
    ranks: tuple[int, ...],
    given: InductiveSwitches,
    sides: dict[str, Any],
    seed: int,
    bar: Steps,
) -> Chosen:
    """Rank and penalty that do best on a further part held out in the same way."""
    pairs = list(product(ranks, method.penalties))
    if len(pairs) == 1:
        return Chosen(*pairs[0])
    inner, outer = held_out(seen, 0.1, given.held, seed + 1)
    losses = []
    for rank, penalty in pairs:
        text = f"rank {rank}, penalty {penalty}"
        model = fitted(bar, text, Bound(method.make(rank, penalty, seed), sides), inner)
        scores = judged_by(model.model, inner, outer, method)[1]
        losses.append(scores.get("deviance", scores["rmse"]) if "rmse" in scores else -scores["auc"])
    best = int(np.argmin(losses))
    table = np.array(losses).reshape(len(ranks), -1)
    tried = {"ranks": ranks, "penalties": method.penalties, "losses": table[:, best % table.shape[1]]}
    return Chosen(*pairs[best], tried)


def judged_by(model: Any, seen: Observed, hidden: Observed, method: Method) -> tuple[Any, dict[str, float]]:
    """Errors on hidden entries, or for one-class tables how they are ranked among what was not seen."""
    if getattr(model, "family", "") != ONE_CLASS and not isinstance(model, hs.ColumnMean):
        return judge_model(model, hidden, method.loss)
    if method.make(1, "0", 0).family != ONE_CLASS:
        return judge_model(model, hidden, method.loss)
    if seen.shape[0] * seen.shape[1] > MOST_CELLS:
        raise ValueError(
            f"judging lists needs all {seen.shape[0]} x {seen.shape[1]} cells; use --held-out 0, or a smaller table"
        )
    relevant, known = np.zeros(seen.shape, dtype=bool), np.zeros(seen.shape, dtype=bool)
    relevant[hidden.rows, hidden.cols] = True
    known[seen.rows, seen.cols] = True
    scores = model.predict_table()
    if isinstance(model, hs.ColumnMean):
        scores = np.broadcast_to(np.asarray(known.sum(axis=0), dtype=float), seen.shape)
    rows = relevant.any(axis=1)
    free = ~known[rows]
    lists = {
        "auc": hs.metrics.roc_auc(relevant[rows][free], scores[rows][free]),
        "average precision": hs.metrics.average_precision(relevant[rows][free], scores[rows][free]),
        f"recall at {RECALL_AT}": hs.metrics.recall_at(relevant[rows], scores[rows], RECALL_AT, known[rows]),
    }
    return None, lists


def rivals(
    method: Method, given: InductiveSwitches, chosen: Chosen, sides: dict[str, Any], seed: int
) -> list[tuple[str, Any]]:
    """What else a user could have taken: the linear model, and means."""
    others: list[tuple[str, Any]] = []
    if given.activation != "linear":
        linear = method.make(chosen.rank, chosen.penalty, seed).set_params(activation="linear")
        others.append((f"inductive, linear, rank {chosen.rank}", Bound(linear, sides)))
    if given.family == ONE_CLASS:
        return [*others, ("popularity", hs.ColumnMean())]
    return [*others, ("row and column means", hs.BiasModel()), ("column mean", hs.ColumnMean())]


def predict_new(model: Any, question: Question, record: dict[str, Any]) -> tuple[tuple[Any, Any], dict[str, Any]]:
    """Predictions where rows, columns or both come with files of features."""
    if not isinstance(model, hs.InductiveCompletion):
        raise ValueError(f"--row-features and --top are for runs of 'fit inductive'; this is a {type(model).__name__}")
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
    found = model.rank_columns(names, question.top, cols)
    chosen = B[found.cols].ravel() if cols is not None or model.col_labels_ is None else found.cols.ravel()
    return (np.repeat(A, found.scores.shape[1]), chosen), {"predicted": np.asarray(found.scores, dtype=float).ravel()}


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
    numbers = np.asarray(model.predict(*given, kind=question.kind), dtype=float)
    return tuple(np.resize(names, length) for names in labels), {"predicted": numbers}  # type: ignore[return-value]
