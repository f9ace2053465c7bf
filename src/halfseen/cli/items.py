"""``halfseen items`` and ``halfseen scores``: a fitted test as tables."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import halfseen as hs
from halfseen.cli.inferring import open_run
from halfseen.cli.reopen import reopened
from halfseen.cli.screen import note
from halfseen.cli.written import check_out, deliver
from halfseen.errors import shown

Out = tuple[Path | None, bool, bool]


@dataclass(frozen=True)
class ScoresQuestion:
    """What is asked of the rows."""

    method: str = "eap"
    plausible: int | None = None
    person_fit: bool = False
    level: float = 0.95
    data: str | None = None
    seed: int = 0


def opened(run: Path, level: float, needs_rows: bool) -> tuple[Any, Any, dict[str, Any]]:
    """Model, inference and record of a run of ``fit irt``."""
    if not 0 < level < 1:
        raise ValueError(f"--level {level:g} must lie between 0 and 1, such as 0.95")
    model, record = open_run(run)
    if not isinstance(model, hs.ItemResponseModel):
        raise ValueError(
            f"{run} holds a {record.get('method', type(model).__name__)!r} fit without items; fit one with 'halfseen "
            "fit irt DATA -o RUN'"
        )
    if needs_rows and model.engine_ != "rows":
        raise ValueError(f"{run} has its columns integrated out; fit again with --integrate rows")
    return model, model.inference(level), record


def run_items(run: Path, what: str, question: tuple[float, str | None, Path | None], out: Out) -> None:
    """Deliver one table of the items."""
    check_out(out[0])
    level, data, groups = question
    model, inference, record = opened(run, level, what != "items")
    if what == "items":
        listed = inference.items()
    elif what in ("mirt", "difficulty"):
        listed = hs.irt.parameters(model, what)
    elif what in ("information", "curves"):
        curves = model.information(level=level) if what == "information" else model.curves(level=level)
        listed = curves.to_frame("pyarrow")
        deliver({name: listed.column(name) for name in listed.column_names}, *out, n_labels=1)
        return
    else:
        R = reopened(record, data)
        ask = {"fit": inference.item_fit, "pairs": inference.dependence, "dif": inference.dif}[what]
        if what == "dif" and groups is None:
            raise ValueError("--what dif needs --row-groups FILE, the file of groups that the fit was given")
        listed = ask(R, row_groups=groups_of(groups, R)) if groups is not None and what == "dif" else ask(R)
    deliver(listed.columns(), *out, n_labels=1)


def run_scores(run: Path, question: ScoresQuestion, out: Out) -> None:
    """Deliver one table of the rows."""
    check_out(out[0])
    needs_answers = question.person_fit or question.plausible is not None or question.method != "eap"
    model, inference, record = opened(run, question.level, needs_answers)
    labels = inference.names.labels(0)
    answer: dict[str, Any] = {"row": labels}
    if not needs_answers:
        abilities, scores = inference.row_factors(0), inference.scores()
        for name, part in (("ability", abilities), ("score", scores)):
            answer |= {name: part.estimate, f"{name} se": part.se, f"{name} low": part.low, f"{name} high": part.high}
        deliver(answer, *out, n_labels=1)
        note(scale_of_abilities(model))
        note(
            f"score: mean expected answer over all {model.n_features_in_} questions, were all asked again; 'halfseen "
            "rank' has scores that keep the answers seen"
        )
        return
    R = reopened(record, question.data)
    if question.person_fit:
        answer |= {name: values for name, values in inference.person_fit(R).columns().items() if name != "row"}
    elif question.plausible is not None:
        values = inference.plausible_values(question.plausible, R=R)
        answer |= {f"value {k + 1}": values[:, k] for k in range(values.shape[1])}
    else:
        part = inference.abilities(question.method, R=R)
        answer |= {"ability": part.estimate, "ability se": part.se, "ability low": part.low, "ability high": part.high}
    deliver(answer, *out, n_labels=1)
    if not question.person_fit:
        note(scale_of_abilities(model))


def scale_of_abilities(model: Any) -> str:
    """What 0 and 1 mean on the scale of a model's abilities."""
    if model.engine_ != "rows":
        return "ability: 0 is the mean of the normal distribution that the fit gives abilities; slopes set its unit"
    fit = model.rows_fit_
    whom = f"the group {fit.population.names[0]!r}" if fit.population.n_groups > 1 else "the fitted population"
    spread = "a spread of its own, slopes of 1" if fit.is_rasch else "standard deviation 1"
    return f"ability: {whom} has mean 0 and {spread}"


def groups_of(file: Path, observed: Any) -> list[str]:
    """The group of every row, from a file with a label and a group in each line (a header may come first)."""
    if not file.is_file():
        raise ValueError(f"--row-groups {file}: no such file")
    with file.open(newline="", encoding="utf-8-sig") as lines:
        pairs = [line for line in csv.reader(lines) if line]
    short = next((k for k, line in enumerate(pairs, 1) if len(line) < 2), None)
    if short is not None:
        raise ValueError(f"{file}, line {short}: needed a row's label and its group, with a comma between them")
    known = {line[0].strip(): line[1].strip() for line in pairs}
    labels = np.arange(observed.shape[0]) if observed.row_labels is None else observed.row_labels
    names = [str(label) for label in labels.tolist()]
    lacking = [name for name in names if name not in known]
    if lacking:
        raise ValueError(f"{file} has no group for {len(lacking)} rows, first {shown(lacking[0])}")
    return [known[name] for name in names]
