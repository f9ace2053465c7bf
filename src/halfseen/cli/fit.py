"""The job behind ``halfseen fit``: hold out, choose the rank, fit, judge against rivals, fit again, save."""

from __future__ import annotations

import math
import shlex
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import halfseen as hs
from halfseen.cli.completion_options import AlsOptions
from halfseen.cli.folder import check_target
from halfseen.cli.options import ALS_RANKS, JudgeOptions, OutputOptions, TableOptions
from halfseen.cli.scores import judge_model
from halfseen.cli.screen import Steps, print_json, steps
from halfseen.cli.source import family_of, open_table
from halfseen.cli.threads import available_cores as available_cores
from halfseen.data import check_support
from halfseen.engines import engine
from halfseen.losses import ColumnLoss, Loss, get_loss

PENALTIES = ("auto", "map", "none")


@dataclass(frozen=True)
class Method:
    """What ``fit METHOD`` means: a model for any rank, its name on the screen and its judge."""

    name: str
    title: str
    loss: Loss
    make: Callable[[int, str, int], Any]
    penalties: tuple[str, ...] = ("",)
    judge_intervals: Callable[[Any, Any], dict[str, float]] | None = None
    columns: int | None = None  # of a method that needs no rank: the columns of its factors
    fit_with: Callable[[Any], dict[str, Any]] | None = None  # further arguments of fit, from the table
    is_checked: bool = True  # whether values must suit the loss before the model sees them
    search: Callable[[Any, int], Any] | None = None  # of a method that finds its own rank: the search's outcome

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

        def make(rank: int, penalty: str, seed: int) -> Any:
            value = penalty if penalty in PENALTIES else float(penalty)
            return hs.GeneralizedFactorModel(rank=rank, family=code, penalty=value, random_state=seed)

        return cls("factor", "factor model", get_loss(code), make, parse_penalties(penalty))

    @classmethod
    def als(cls, switches: AlsOptions | None = None, finds: bool = False) -> Method:
        """Alternating least squares; what is not given is the library's default. ``finds``: it finds its own rank."""
        chosen = switches or AlsOptions()
        given: dict[str, Any] = {
            name: getattr(chosen, name) for name in ("penalty", "bias_penalty", "alpha", "max_iter")
        }
        given = {name: value for name, value in given.items() if value is not None} | {"clip": parse_clip(chosen.clip)}

        def make(rank: int, penalty: str, seed: int) -> Any:
            return hs.AlternatingLeastSquares(rank=rank, **given, random_state=seed)

        def search(seen: Any, seed: int) -> Any:
            model = hs.AlternatingLeastSquares(rank="auto", **given, random_state=seed)
            return model.fit(seen).rank_search_

        return cls("als", "alternating least squares", get_loss("gaussian"), make, search=search if finds else None)


@dataclass(frozen=True)
class Chosen:
    """A rank and a penalty, and what was tried on the way (None when there was nothing to choose)."""

    rank: int
    penalty: str
    tried: dict[str, Any] | None = None

    def __str__(self) -> str:
        return f"rank {self.rank}"


@dataclass
class Outcome:
    """Everything a fit has to tell, for the screen, the record and the picture."""

    method: Method
    observed: Any
    seen: Any
    hidden: Any
    model: Any
    chosen: Chosen
    figures: list[dict[str, Any]]
    judged: Any
    seconds: dict[str, float]
    intervals: dict[str, float] | None = None


def run_fit(
    data: str,
    method: Method,
    rank: tuple[str | None, str],
    table: TableOptions,
    judge: JudgeOptions,
    output: OutputOptions,
) -> None:
    """Run the whole job and show or save what came of it.

    Parameters
    ----------
    data : str
        A file or the name of a data set.
    method : Method
    rank : (str or None, str)
        The options ``--rank`` (None: not given) and ``--ranks``.
    table, judge, output : option groups
    """
    from threadpoolctl import threadpool_limits

    from halfseen.cli.report import picture_size, record, save_run, show

    if output.out is not None:
        check_target(output.out, output.force)
    check_shares(judge)
    begun = time.perf_counter()
    observed = open_table(data, table)
    if method.is_checked:
        check_support(observed, learned(method.loss, observed), "family")
    size = picture_size(output.image, data, observed.shape[1])
    ranks = parse_ranks(*rank, min(observed.shape)) if method.columns is None else (method.columns,)
    seconds = {"read": time.perf_counter() - begun}
    workers = output.threads or available_cores()
    # Row blocks are spread over the threads already; threads inside BLAS calls would only get in their way.
    with threadpool_limits(1, "blas"), engine("threads", workers) if workers > 1 else engine("serial"):
        outcome = fit_and_judge(observed, method, ranks, judge, seconds)
    facts = record(outcome, data, table, judge, command_line(data))
    facts["seconds"]["total"] = time.perf_counter() - begun
    if output.out is not None:
        save_run(output.out, outcome, facts, size)
    if output.json:
        print_json(facts)
    else:
        show(facts, output.out)


def learned(loss: Loss, observed: Any) -> Loss:
    """The loss with what the table says of it: classes of ordinal answers."""
    return loss.learned(observed) if isinstance(loss, ColumnLoss) else loss


def fit_and_judge(
    observed: Any, method: Method, ranks: tuple[int, ...], judge: JudgeOptions, seconds: dict[str, float]
) -> Outcome:
    """Hold out, choose, fit, judge, and fit again with what was held out (unless it was hidden for good)."""
    share = judge.held_out if judge.hide is None else judge.hide
    seen, hidden = observed.split(share, random_state=judge.seed, keep_covered=True) if share else (observed, None)
    again = hidden is not None and judge.hide is None and judge.refit
    with steps(count_fits(method, ranks, hidden is not None, again)) as bar:
        chosen = choose(method, seen, ranks, judge.seed, bar)
        name = f"{method.title}, {chosen if method.columns is None else f'{method.columns} columns'}"
        clock = time.perf_counter()
        model = fitted(bar, name, method.make(chosen.rank, chosen.penalty, judge.seed), seen, method)
        seconds["fit"] = time.perf_counter() - clock
        figures, judged, intervals = [], None, None
        if hidden is not None:
            judged, scores = judge_model(model, hidden, method.loss)
            intervals = None if method.judge_intervals is None else method.judge_intervals(model, hidden)
            figures.append({"model": name, **scores})
            for name, rival in rivals(method, seen, ranks, chosen, judge.seed, bar):
                figures.append({"model": name, **judge_model(fitted(bar, name, rival, seen), hidden, method.loss)[1]})
        if again:
            model = method.make(chosen.rank, chosen.penalty, judge.seed)
            model = fitted(bar, "once more, on all entries", model, observed, method)
    return Outcome(method, observed, seen, hidden, model, chosen, figures, judged, seconds, intervals)


def count_fits(method: Method, ranks: tuple[int, ...], is_judged: bool, again: bool) -> int:
    """Number of fits that a job takes: candidates, the model, its rivals and their candidates."""
    candidates = 2 if method.search is not None else len(ranks) * len(method.penalties)
    is_chosen = len(ranks) > 1 or method.columns is not None
    theirs = len(ALS_RANKS.split(",")) * is_chosen + 3 if method.name != "als" else 2
    return (candidates if candidates > 1 else 0) + 1 + theirs * is_judged + again


def choose(method: Method, seen: Any, ranks: tuple[int, ...], seed: int, bar: Steps) -> Chosen:
    """The rank and the penalty that predict held-out entries best."""
    if method.search is not None:
        bar.begin("the rank, by descent and held-out entries")
        found = method.search(seen, seed)
        bar.end()
        tried = {"ranks": found.ranks, "penalties": ("",), "losses": found.losses}
        return Chosen(found.rank, "", tried if len(found.ranks) > 1 else None)
    if len(ranks) == 1 and len(method.penalties) == 1:
        return Chosen(ranks[0], method.penalties[0])
    choices = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what candidates complain about is why they lose
        for penalty in method.penalties:
            text = f"ranks {', '.join(map(str, ranks))}" + (f"; penalty {penalty}" if penalty else "")
            bar.begin(text)
            model = method.make(ranks[0], penalty, seed)
            bar.watch(model)
            # each rank from scratch, as the model will be fitted
            choices[penalty] = hs.select.choose_rank(model, seen, ranks, n_splits=1, random_state=seed, is_warm=False)
    best = min(choices, key=lambda penalty: float(choices[penalty].losses.min()))
    tried = {"ranks": ranks, "penalties": method.penalties, "losses": choices[best].losses}
    return Chosen(int(choices[best].rank), best, tried)


def rivals(
    method: Method, seen: Any, ranks: tuple[int, ...], chosen: Chosen, seed: int, bar: Steps
) -> list[tuple[str, Any]]:
    """What else a user could have taken; a rival's rank is chosen if the model's own was."""
    others: list[tuple[str, Any]] = []
    if method.name != "als":
        als = Method.als()
        is_chosen = len(ranks) > 1 or method.columns is not None
        tried = parse_ranks("auto", ALS_RANKS, min(seen.shape)) if is_chosen else (chosen.rank,)
        rank = choose(als, seen, tried, seed, bar).rank
        others.append((f"{als.title}, rank {rank}", als.make(rank, "", seed)))
    return [*others, ("row and column means", hs.BiasModel()), ("column mean", hs.ColumnMean())]


def fitted(bar: Steps, text: str, model: Any, table: Any, method: Method | None = None) -> Any:
    """The model (a method's own with what its fit needs besides the table), fitted as one step of the bar."""
    bar.begin(text)
    is_watched = bar.watch(model)
    more = {} if method is None or method.fit_with is None else method.fit_with(table)
    model.fit(table, **more)
    if is_watched:
        model.set_callbacks()
    else:
        bar.end()
    return model


def parse_ranks(rank: str | None, ranks: str, largest: int) -> tuple[int, ...]:
    """The ranks to try: one (without ``--rank`` that of `AlternatingLeastSquares`), or what the table allows of many.

    >>> parse_ranks("3", "1,2", 10), parse_ranks("auto", "1,2,16", 10), parse_ranks(None, "1,2", 10)
    ((3,), (1, 2), (10,))
    """
    if rank is None:
        return (min(int(hs.AlternatingLeastSquares().rank), largest),)
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


def parse_penalties(text: str) -> tuple[str, ...]:
    """The penalties to try.

    >>> parse_penalties("auto"), parse_penalties("map,5,20")
    (('auto',), ('map', '5', '20'))
    """
    given = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for part in given:
        try:
            is_right = part in PENALTIES or 0 < float(part) < math.inf
        except ValueError:
            is_right = False
        if not is_right:
            raise ValueError(f"--penalty {part!r}: give auto, map, none, a positive number, or several with commas")
    if not given:
        raise ValueError("--penalty is empty; give auto, map, none, a positive number, or several with commas")
    return given


def parse_clip(text: str | None) -> Any:
    """Bounds of predictions: none, those of the values, or two numbers.

    >>> parse_clip("1,5"), parse_clip("range"), parse_clip(None)
    ((1.0, 5.0), 'range', None)
    """
    if text is None or text == "range":
        return text
    try:
        low, high = (float(part) for part in text.split(","))
        is_right = low < high
    except ValueError:
        is_right = False
    if not is_right:
        raise ValueError(f"--clip {text!r}: give 'range' or two numbers LOW,HIGH with LOW < HIGH, such as 1,5")
    return low, high


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
