"""The job behind ``halfseen fit``: hold out, choose the rank, fit, judge against rivals, fit again, save."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import halfseen as hs
from halfseen.cli.folder import check_target
from halfseen.cli.options import JudgeOptions, OutputOptions, TableOptions
from halfseen.cli.scores import judge_model
from halfseen.cli.screen import Steps, print_json, steps
from halfseen.cli.source import family_of, open_table
from halfseen.losses import Loss, get_loss


@dataclass(frozen=True)
class Method:
    """What ``fit METHOD`` means: a model for any rank, its name on the screen and its judge."""

    name: str
    title: str
    loss: Loss
    make: Callable[[int, int], Any]
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def factor(cls, data: str, family: str | None, trials: int | None, penalty: str) -> Method:
        """The generalized factor model; without ``family``, of the one that a named data set asks for."""
        code = family_of(data) if family is None else str(family)
        if trials is not None and code != "binomial":
            raise ValueError(f"--trials belongs to --family binomial, not to --family {code}")
        if code == "binomial":
            if trials is None:
                raise ValueError("--family binomial needs --trials N, the number of trials per entry")
            code = f"binomial({trials})"

        def make(rank: int, seed: int) -> Any:
            return hs.GeneralizedFactorModel(rank=rank, family=code, penalty=str(penalty), random_state=seed)

        facts = {"family": code, "penalty": str(penalty)}
        return cls("factor", "factor model", get_loss(code), make, facts)

    @classmethod
    def als(cls) -> Method:
        """Alternating least squares."""

        def make(rank: int, seed: int) -> Any:
            return hs.AlternatingLeastSquares(rank=rank, random_state=seed)

        return cls("als", "alternating least squares", get_loss("gaussian"), make)


@dataclass
class Outcome:
    """Everything a fit has to tell, for the screen, the record and the picture."""

    method: Method
    observed: Any
    seen: Any
    hidden: Any
    model: Any
    rank: int
    choice: Any
    figures: list[dict[str, Any]]
    judged: Any
    seconds: dict[str, float]


def run_fit(
    data: str, method: Method, rank: tuple[str, str], table: TableOptions, judge: JudgeOptions, output: OutputOptions
) -> None:
    """Run the whole job and show or save what came of it.

    Parameters
    ----------
    data : str
        A file or the name of a data set.
    method : Method
    rank : (str, str)
        The options ``--rank`` and ``--ranks``.
    table, judge, output : option groups
    """
    from halfseen.cli.report import picture_size, record, save_run, show

    if output.out is not None:
        check_target(output.out, output.force)
    check_shares(judge)
    begun = time.perf_counter()
    observed = open_table(data, table)
    size = picture_size(output.image, data, observed.shape[1])
    ranks = parse_ranks(*rank, min(observed.shape))
    seconds = {"read": time.perf_counter() - begun}
    workers = (
        output.threads or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else output.threads or 1
    )
    with hs.engine("threads", workers=workers) if workers > 1 else hs.engine("serial"):
        outcome = fit_and_judge(observed, method, ranks, judge, seconds)
    facts = record(outcome, data, table, judge, command_line(data))
    facts["seconds"]["total"] = time.perf_counter() - begun
    if output.out is not None:
        save_run(output.out, outcome, facts, size)
    if output.json:
        print_json(facts)
    else:
        show(facts, output.out)


def fit_and_judge(
    observed: Any, method: Method, ranks: tuple[int, ...], judge: JudgeOptions, seconds: dict[str, float]
) -> Outcome:
    """Hold out, choose, fit, judge, and fit again with what was held out (unless it was hidden for good)."""
    share = judge.held_out if judge.hide is None else judge.hide
    seen, hidden = observed.split(share, random_state=judge.seed, keep_covered=True) if share else (observed, None)
    again = hidden is not None and judge.hide is None and judge.refit
    with steps(2 * (len(ranks) > 1) + 4 + again) as bar:
        choice, rank = choose(method, seen, ranks, judge.seed, bar)
        clock = time.perf_counter()
        model = fitted(bar, f"{method.title}, rank {rank}", method.make(rank, judge.seed), seen)
        seconds["fit"] = time.perf_counter() - clock
        figures, judged = [], None
        if hidden is not None:
            judged, scores = judge_model(model, hidden, method.loss)
            figures.append({"model": f"{method.title}, rank {rank}", **scores})
            for name, rival in rivals(method, seen, ranks, rank, judge.seed, bar):
                figures.append({"model": name, **judge_model(fitted(bar, name, rival, seen), hidden, method.loss)[1]})
        if again:
            model = fitted(bar, f"{method.title} once more, on all entries", method.make(rank, judge.seed), observed)
    return Outcome(method, observed, seen, hidden, model, rank, choice, figures, judged, seconds)


def choose(method: Method, seen: Any, ranks: tuple[int, ...], seed: int, bar: Steps) -> tuple[Any, int]:
    """The rank that predicts held-out entries best, and how it was found (None when there is one rank only)."""
    if len(ranks) == 1:
        return None, ranks[0]
    bar.begin(f"choosing the rank of the {method.title} from {', '.join(map(str, ranks))}")
    model = bar.watch(method.make(ranks[0], seed))
    choice = hs.select.choose_rank(model, seen, ranks, n_splits=1, random_state=seed)
    bar.end()
    return choice, int(choice.rank)


def rivals(
    method: Method, seen: Any, ranks: tuple[int, ...], rank: int, seed: int, bar: Steps
) -> list[tuple[str, Any]]:
    """What else a user could have taken; the rank of a rival is chosen as the model's own was."""
    others: list[tuple[str, Any]] = []
    if method.name != "als":
        als = Method.als()
        _, rank = choose(als, seen, ranks, seed, bar) if len(ranks) > 1 else (None, rank)
        others.append((f"{als.title}, rank {rank}", als.make(rank, seed)))
    return [*others, ("row and column means", hs.BiasModel()), ("column mean", hs.ColumnMean())]


def fitted(bar: Steps, text: str, model: Any, table: Any) -> Any:
    """The model, fitted as one step of the bar."""
    bar.begin(text)
    bar.watch(model).fit(table)
    if hasattr(model, "set_callbacks"):
        model.set_callbacks()
    bar.end()
    return model


def parse_ranks(rank: str, ranks: str, largest: int) -> tuple[int, ...]:
    """The ranks to try: one, or those of ``--ranks`` that the table allows.

    >>> parse_ranks("3", "1,2", 10), parse_ranks("auto", "1,2,16", 10)
    ((3,), (1, 2))
    """
    texts = ranks.split(",") if rank == "auto" else [rank]
    try:
        numbers = sorted({int(text) for text in texts if text.strip()})
    except ValueError:
        option = "--ranks" if rank == "auto" else "--rank"
        example = "whole numbers with commas, such as 1,2,4,8" if rank == "auto" else "a whole number or 'auto'"
        raise ValueError(f"{option} {ranks if rank == 'auto' else rank!r}: give {example}") from None
    if not numbers or numbers[0] < 0:
        raise ValueError(f"ranks must be 0 or more; got {ranks if rank == 'auto' else rank}")
    if rank != "auto" and numbers[0] > largest:
        raise ValueError(
            f"--rank {numbers[0]} is more than the shorter side of the table, {largest}; give at most that"
        )
    return tuple(number for number in numbers if number <= largest) or (largest,)


def check_shares(judge: JudgeOptions) -> None:
    """Shares lie between 0 and 1."""
    if not 0 <= judge.held_out < 1:
        raise ValueError(f"--held-out {judge.held_out} must be at least 0 and less than 1 (0.1 keeps a tenth back)")
    if judge.hide is not None and not 0 < judge.hide < 1:
        raise ValueError(f"--hide {judge.hide} must lie between 0 and 1 (0.6 hides 60 % of the entries)")


def command_line(data: str) -> str:
    """The command as it was typed."""
    program = Path(sys.argv[0]).name if sys.argv else "halfseen"
    return shlex.join(["halfseen" if program in ("__main__.py", "halfseen") else program, *sys.argv[1:]])


def config_of(model: Any) -> dict[str, Any]:
    """The estimator's parameters, options spelled out."""
    return {
        name: asdict(value) if hasattr(value, "__dataclass_fields__") else value
        for name, value in model.get_params(deep=False).items()
    }
