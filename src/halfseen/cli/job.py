"""The job behind every ``halfseen fit``: read, hold out, choose, fit, judge against rivals, fit again, save, show."""

from __future__ import annotations

import math
import shlex
import sys
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import halfseen as hs
from halfseen.cli.claims import claim
from halfseen.cli.folder import check_target
from halfseen.cli.methods import Method, those_on_blocks
from halfseen.cli.options import BlockOptions, JudgeOptions, OutputOptions, Scale, ScaleOption, TableOptions
from halfseen.cli.screen import FitFailed, Steps, note, print_json, steps
from halfseen.data.prepared import is_prepared
from halfseen.parameters import BadArgument

JOBS = {
    "table": "halfseen.cli.tables:TableJob",
    "features": "halfseen.cli.featured:FeaturesJob",
    "sources": "halfseen.cli.many:SourcesJob",
    "rows": "halfseen.cli.moment:RowsJob",
    "stored": "halfseen.cli.stored:StoredJob",
}
# A held-out error that is this many times that of the column means comes from a fit that has run away.
WILD = 1e3
# Fewer held-out entries than that tell too little about a fit.
FEW = 20
INNER = 0.1


@dataclass(frozen=True)
class AskedFit:
    """What stands on the command line.

    Attributes
    ----------
    method : Method
    data : list of str
    settings : dict
        Options of the estimator that were given: text, or truth values.
    parts : dict
        Groups of options of the job, by their class.
    """

    method: Method
    data: list[str]
    settings: dict[str, Any]
    parts: dict[type, Any]

    def part(self, group: type) -> Any:
        """A group of options; its defaults where the command does not have it."""
        return self.parts.get(group, group())

    @property
    def table(self) -> TableOptions:
        """How the table is read."""
        return self.part(TableOptions)

    @property
    def judge(self) -> JudgeOptions:
        """How the fit is judged."""
        return self.part(JudgeOptions)

    @property
    def output(self) -> OutputOptions:
        """Where results go."""
        return self.part(OutputOptions)

    @property
    def is_scaled(self) -> bool:
        """Whether columns enter the fit in units of their spread."""
        return self.part(ScaleOption).scale is Scale.columns

    def values(self) -> dict[str, tuple[Any, ...]]:
        """Values of the estimator's parameters that are to be set, each with all that are to be tried."""
        given = {name: str(value) for name, value in self.method.defaults.items()} | self.settings
        return {name: parsed(self.method, name, text) for name, text in given.items()}


def parsed(method: Method, name: str, text: Any) -> tuple[Any, ...]:
    """An option as values of the parameter: one, or of searched parameters several with commas.

    Raises
    ------
    BadArgument
        For the first part that is no such value.
    """
    if not isinstance(text, str):
        return (text,)
    kind = method.estimator._parameters[name]
    parts = [part.strip() for part in text.split(",") if part.strip()] if name in method.searched else [text]
    values = []
    for part in parts or [text]:
        try:
            value = kind.parse(part)
        except ValueError as error:
            raise BadArgument(name, part, str(kind)) from error
        if not kind.fits(value):
            raise BadArgument(name, part, str(kind))
        values.append(value)
    return tuple(sorted(set(values), key=lambda value: (isinstance(value, str), value)) if len(values) > 1 else values)


@dataclass
class Job(ABC):
    """One fit with all that belongs to it; kinds of data give what differs.

    Attributes
    ----------
    asked : AskedFit
    whole, seen, hidden : data
        All of it, what the model was fitted to for judging, and what it was judged on (None: nothing).
    model : fitted estimator
    name : str
        Of the model, in results.
    chosen : dict
        Values of the parameters that were searched.
    choice : dict or None
        What was tried on held-out entries.
    figures : list of dict
        Errors of the model and its rivals on the held-out entries.
    judged : (truth, predictions) or None
    intervals : dict or None
        How often predictive intervals held.
    seconds : dict
    """

    asked: AskedFit
    whole: Any = None
    seen: Any = None
    hidden: Any = None
    model: Any = None
    name: str = ""
    chosen: dict[str, Any] = field(default_factory=dict)
    choice: dict[str, Any] | None = None
    figures: list[dict[str, Any]] = field(default_factory=list)
    judged: tuple[np.ndarray, np.ndarray] | None = None
    intervals: dict[str, float] | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    values: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    n_fits: int = 0

    @abstractmethod
    def open(self) -> None:
        """Read the data and check what can be checked before any work."""

    @abstractmethod
    def split(self, data: Any, share: float, seed: int) -> tuple[Any, Any]:
        """What is fitted and what is kept back."""

    @abstractmethod
    def score(self, model: Any, hidden: Any) -> tuple[np.ndarray | None, dict[str, float]]:
        """Predictions of what was kept back, and their errors."""

    @abstractmethod
    def rivals(self, seen: Any) -> list[tuple[str, Any]]:
        """What else could have been taken, by name."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What this kind of data adds to the record."""

    @abstractmethod
    def details(self) -> dict[str, Any]:
        """What the report page needs beside model and record."""

    @abstractmethod
    def draw(self, folder: Path, facts: dict[str, Any]) -> None:
        """The pictures that there is something for."""

    @abstractmethod
    def show(self, facts: dict[str, Any]) -> Iterator[Any]:
        """What to print about the data and the model, beside errors on held-out entries."""

    # ---- what all kinds share -------------------------------------------------------------------------------------

    @property
    def share(self) -> float:
        """The share of the entries that is kept back."""
        judge = self.asked.judge
        return judge.held_out if judge.hide is None else judge.hide

    @property
    def fits_again(self) -> bool:
        """Whether the saved model has seen what was kept back."""
        judge = self.asked.judge
        return bool(self.share) and judge.hide is None and judge.refit

    def make(self, chosen: dict[str, Any]) -> Any:
        """The estimator with these values of what is searched, and what was given of all else."""
        fixed = {name: values[0] for name, values in self.values.items() if len(values) == 1}
        estimator = self.asked.method.estimator
        seed = {"random_state": self.asked.judge.seed} if "random_state" in estimator._parameters else {}
        model = estimator(**{**fixed, **seed, **chosen})
        return hs.ScaledColumns(model) if self.asked.is_scaled else model

    def fit_arguments(self, data: Any) -> dict[str, Any]:
        """What ``fit`` takes beside the data."""
        return {}

    def named(self, model: Any) -> str:
        """The model in results."""
        return f"{self.asked.method.title}, rank {model.rank_}"

    def loss_of(self, scores: dict[str, float]) -> float:
        """The number by which candidates are compared: less is better."""
        return scores.get("deviance", scores.get("rmse", math.nan))

    def several(self) -> dict[str, tuple[Any, ...]]:
        """Parameters with more than one value to try."""
        return {name: values for name, values in self.values.items() if len(values) > 1}

    def choose(self, seen: Any, bar: Steps) -> dict[str, Any]:
        """The values that predict entries kept back once more best."""
        grid = self.several()
        if not grid:
            return {}
        inner, outer = self.split(seen, INNER, self.asked.judge.seed + 1)
        losses, tried = [], []
        for values in product(*grid.values()):
            given = dict(zip(grid, values, strict=True))
            model = self.fitted(bar, told(given), self.make(given), inner, is_rival=True)
            tried.append({**given, **self.score(model, outer)[1]})
            losses.append(self.loss_of(tried[-1]))
        best = int(np.nanargmin(losses))
        self.choice = choice_facts(grid, np.array(losses), best) | {"tried": tried}
        return {name: tried[best][name] for name in grid}

    def settle(self, model: Any) -> None:
        """Keep what a model chose by itself, so that the next fit need not choose again."""
        search = getattr(model, "rank_search_", None)
        if search is not None and self.values.get("rank") == ("auto",):
            self.chosen["rank"] = int(model.rank_)
            if len(getattr(search, "ranks", ())) > 1 and self.choice is None:
                self.choice = {"ranks": search.ranks, "penalties": ("",), "losses": search.losses}

    def run(self) -> None:
        """All fits, as steps of a bar."""
        seed, share = self.asked.judge.seed, self.share
        self.seen, self.hidden = self.split(self.whole, share, seed) if share else (self.whole, None)
        with steps(self.count()) as bar:
            self.chosen = self.choose(self.seen, bar)
            clock = time.perf_counter()
            self.model = self.fitted(bar, "the model", self.make(self.chosen), self.seen)
            self.seconds["fit"] = time.perf_counter() - clock
            self.settle(self.model)
            self.name = self.named(self.model)
            if self.hidden is not None:
                self.judge_all(bar)
            if self.fits_again:
                again = self.make(self.chosen)
                self.model = self.fitted(bar, "once more, on all entries", again, self.whole)

    def judge_all(self, bar: Steps) -> None:
        """Errors of the model and of its rivals on what was kept back."""
        predicted, scores = self.score(self.model, self.hidden)
        self.judged = None if predicted is None else (self.truth(), predicted)
        self.figures.append({"model": self.name, **scores})
        for name, rival in self.rivals(self.seen):
            model = self.fitted(bar, name, rival, self.seen, is_rival=True)
            self.figures.append({"model": name, **self.score(model, self.hidden)[1]})

    def truth(self) -> np.ndarray:
        """The values that were kept back."""
        return np.asarray(self.hidden.values, dtype=float)

    def count(self) -> int:
        """How many fits there will be, for the bar."""
        tried = math.prod(map(len, self.several().values())) if self.several() else 0
        return tried + 1 + 3 * (self.hidden is not None) + self.fits_again

    def fitted(self, bar: Steps, text: str, model: Any, data: Any, is_rival: bool = False) -> Any:
        """The model, fitted as one step of the bar; what rivals and candidates complain about is not said."""
        bar.begin(text)
        is_watched = bar.watch(model)
        with quietly() if is_rival else warnings.catch_warnings():
            self.fit_one(model, data)
        if is_watched:
            model.set_callbacks()
        else:
            bar.end()
        return model

    def fit_one(self, model: Any, data: Any) -> None:
        """Fit one model, with what its fit takes beside the data."""
        model.fit(data, **(self.fit_arguments(data) if self.is_own(model) else {}), **self.keeping(model))

    def keeping(self, model: Any) -> dict[str, Any]:
        """Where the next fit keeps its iterations: fits come in the same order whenever the command is run."""
        from halfseen.cli.where import keeping

        given = self.asked.part(BlockOptions)
        self.n_fits += 1
        return keeping(model, given.checkpoint, f"fit-{self.n_fits}", given.resume)

    def is_own(self, model: Any) -> bool:
        """Whether this is the method that was asked for, and no rival."""
        return isinstance(model, hs.ScaledColumns if self.asked.is_scaled else self.asked.method.estimator)


@contextmanager
def quietly() -> Iterator[None]:
    """Without warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def told(given: dict[str, Any]) -> str:
    """Values that are tried, in a few words."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in given.items())


def choice_facts(grid: dict[str, tuple[Any, ...]], losses: np.ndarray, best: int) -> dict[str, Any]:
    """What was tried: ranks with their losses at the best of all else, and penalties."""
    facts: dict[str, Any] = {"names": {name: list(values) for name, values in grid.items()}, "all_losses": losses}
    table = losses.reshape([len(values) for values in grid.values()])
    at = list(np.unravel_index(best, table.shape))
    if "rank" in grid:
        axis = list(grid).index("rank")
        at[axis] = slice(None)  # type: ignore[call-overload]
        facts |= {"ranks": list(grid["rank"]), "losses": table[tuple(at)]}
    if "penalty" in grid:
        facts["penalties"] = [str(value) for value in grid["penalty"]]
    return facts


def run_fit(asked: AskedFit) -> None:
    """Run the whole job and show or save what came of it."""
    output = asked.output
    if output.out is not None:
        check_target(output.out, output.force)
    if output.out is None or output.force:  # what may replace another run waits for its turn at the end
        _run_claimed(asked)
        return
    with claim(output.out):
        check_target(output.out, output.force)  # another run may have ended since
        _run_claimed(asked)


def _run_claimed(asked: AskedFit) -> None:
    from halfseen.cli.record import record, save_run
    from halfseen.cli.show import show

    output = asked.output
    from halfseen.cli.where import check_blocks, computing

    check_shares(asked.judge)
    check_blocks(asked.part(BlockOptions), asked.data, f"fit {asked.method.name}")
    begun = time.perf_counter()
    is_stored = len(asked.data) == 1 and is_prepared(asked.data[0])
    if is_stored and not asked.method.on_blocks:
        raise ValueError(
            f"{asked.data[0]} is a prepared table, which 'fit {asked.method.name}' does not fit; "
            f"{those_on_blocks()} do. Here give the file that it was made from"
        )
    module, name = JOBS["stored" if is_stored and asked.method.kind == "table" else asked.method.kind].split(":")
    job: Job = getattr(import_module(module), name)(asked)
    job.values = asked.values()
    job.open()
    job.seconds["read"] = time.perf_counter() - begun
    with computing(asked.part(BlockOptions), output.threads):
        job.run()
    look_back(job)
    facts = record(job, command_line())
    facts["seconds"]["total"] = time.perf_counter() - begun
    if output.out is not None:
        save_run(output.out, job, facts)
    if output.json:
        print_json(facts)
    elif not output.quiet:
        show(job, facts)


def look_back(job: Job) -> None:
    """Say what is wrong with a fit that came to an end; refuse one that has run away.

    Raises
    ------
    FitFailed
        If predictions are not finite, or a thousand times further off than the column means.
    """
    run = getattr(job.model, "run_", None)
    if run is not None and run.reason == "not_finite":
        raise FitFailed(f"the fit diverged: {WAY_OUT}; nothing was saved")
    if not job.figures or "rmse" not in job.figures[0]:
        return
    ours, base = job.figures[0], job.figures[-1]
    if not math.isfinite(ours["rmse"]) or (base["rmse"] > 0 and ours["rmse"] > WILD * base["rmse"]):
        raise FitFailed(
            f"the fit has run away: its held-out RMSE is {ours['rmse']:.3g}, that of the column means "
            f"{base['rmse']:.3g}; nothing was saved. {WAY_OUT[0].upper()}{WAY_OUT[1:]}"
        )
    both = [row.get("deviance", math.nan) for row in (ours, base)]
    key = "deviance" if all(map(math.isfinite, both)) else "rmse"
    best = min(job.figures[1:], key=lambda row: row.get(key, math.inf))
    if len(job.truth()) >= FEW and not ours[key] < base[key] and ours[key] > 0:
        note(
            f"held-out entries are predicted no better than by the {base['model']}s "
            f"({key.replace('rmse', 'RMSE')} {ours[key]:.4g} against {base[key]:.4g}): {WAY_OUT}"
            + (f"; {best['model']} does better" if best[key] < base[key] else "")
        )
    elif job.judged is not None:
        truth, predicted = job.judged
        reach = float(np.ptp(truth))
        outside = np.maximum(predicted - truth.max(), truth.min() - predicted)
        if reach and (outside > 10 * reach).any():
            note(
                f"{int((outside > 10 * reach).sum())} held-out predictions lie more than ten times the range of the "
                f"values outside it: {WAY_OUT}, or keep them inside with --clip where the method has it"
            )


WAY_OUT = "try a smaller --rank, a larger --penalty, or another --family (halfseen describe DATA suggests one)"


def check_shares(judge: JudgeOptions) -> None:
    """Shares lie between 0 and 1."""
    if not 0 <= judge.held_out < 1:
        raise ValueError(f"--held-out {judge.held_out} must be at least 0 and less than 1 (0.1 keeps a tenth back)")
    if judge.hide is not None and not 0 < judge.hide < 1:
        raise ValueError(f"--hide {judge.hide} must lie between 0 and 1 (0.6 hides 60 % of the entries)")


def command_line() -> str:
    """The command as it was typed."""
    program = Path(sys.argv[0]).name if sys.argv else "halfseen"
    return shlex.join(["halfseen" if program in ("__main__.py", "halfseen") else program, *sys.argv[1:]])
