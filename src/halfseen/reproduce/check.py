"""Whether the tracked verdicts still come out: every figure again at a small setting, compared with its record."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from halfseen.reproduce.kept import Kept
from halfseen.reproduce.rules import verdict_of
from halfseen.reproduce.runs import read_record
from halfseen.reproduce.scripts import Figure, loaded
from halfseen.reproduce.study import Study, moved

OUTCOMES = ("same", "within error", "differs", "not looked at")
# Runs with other seeds where a verdict differs; their spread is the Monte Carlo error.
RERUNS = 2
# Figures are moved by up to this many standard deviations between runs.
DEVIATIONS = 2.0
DRAWS = 2000

Claims = list[dict[str, Any]]


@dataclass(frozen=True)
class VerdictComparison:
    """One tracked verdict beside the one of a check.

    Attributes
    ----------
    what : str
        The statement.
    tracked, here : str
        Verdicts; ``here`` is empty where the check does not reach the statement.
    outcome : str
        "same"; "within error" (another verdict, but figures moved by their Monte Carlo error give the tracked one);
        "differs"; or "not looked at".
    figures : dict
        What the check's verdict followed from.
    why : str
    """

    what: str
    tracked: str
    here: str
    outcome: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


@dataclass(frozen=True)
class Check:
    """The comparisons of one figure.

    Attributes
    ----------
    figure : Figure
    comparisons : tuple of VerdictComparison
    seconds : float
        Processor time.
    """

    figure: Figure
    comparisons: tuple[VerdictComparison, ...]
    seconds: float

    def counts(self) -> dict[str, int]:
        """How many comparisons ended how, in the order of `OUTCOMES`."""
        ends = [comparison.outcome for comparison in self.comparisons]
        return {outcome: ends.count(outcome) for outcome in OUTCOMES if outcome in ends}


def check_figure(
    figure: Figure, data: Mapping[str, Path] | None = None, tell: Callable[[str], None] = lambda text: None
) -> Check:
    """Run a figure at its check setting and compare its verdicts with the tracked ones; nothing is written.

    Where a verdict differs the figure is run twice more with other seeds. The standard deviation of its figures
    between the three runs is their Monte Carlo error at this setting; if the rule gives the tracked verdict for some
    figures within two of them, the difference is within error.

    Parameters
    ----------
    figure : Figure
    data : dict, optional
        Data sets by name, as for `run_figure`.
    tell : callable
        Takes lines of progress.

    Returns
    -------
    Check

    Raises
    ------
    ValueError
        If the figure has judged lines but no check setting.
    MissingData
        If a data set is not here.
    """
    begin = time.process_time()
    record = read_record(figure.results, figure.name) or {"claims": []}
    judged = [claim for claim in record["claims"] if claim["rule"]]
    setting = _setting(figure) if judged else {}
    if isinstance(setting, str):
        found = [
            VerdictComparison(claim["what"], claim["verdict"], "", "not looked at", why=setting) for claim in judged
        ]
    elif judged:
        found = _compared(judged, lambda shift: _claims(figure, data or {}, shift, tell))
    else:
        found = []
    return Check(figure, tuple(found), time.process_time() - begin)


def _setting(figure: Figure) -> dict[str, Any] | str:
    with loaded(figure) as script:
        if "check" not in script.config:
            raise ValueError(
                f"{figure.paper}/{figure.name} has no CONFIG['check']; give the changes to the full configuration that "
                "make a check of it, or words that say why it is left out"
            )
        return script.config["check"]


def _claims(figure: Figure, data: Mapping[str, Path], shift: int, tell: Callable[[str], None]) -> Claims:
    """The judged lines of one run, with its seeds moved."""
    study = Study(figure.name, data, Kept(), tell, shift)
    with loaded(figure) as script, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the small setting is not what the figure was made for
        script.run(moved(script.configuration("check"), shift), study)
    return [claim for claim in study.claims if claim["rule"]]


def _compared(judged: Claims, run: Callable[[int], Claims]) -> list[VerdictComparison]:
    names = keys([claim["what"] for claim in judged])
    runs = [_by_key(run(0), names)]
    if any(
        key in runs[0] and runs[0][key]["verdict"] != claim["verdict"] for key, claim in zip(names, judged, strict=True)
    ):
        runs += [_by_key(run(shift), names) for shift in range(1, RERUNS + 1)]
    return [
        _comparison(claim, [one[key] for one in runs if key in one]) for key, claim in zip(names, judged, strict=True)
    ]


def keys(texts: Sequence[str]) -> list[str]:
    """What statements are matched by: their words without what stands in brackets, where that tells them apart."""
    short = [_short(text) for text in texts]
    return [brief if short.count(brief) == 1 else text for brief, text in zip(short, texts, strict=True)]


def _short(text: str) -> str:
    return " ".join(re.sub(r"\([^()]*\)", "", text).split())


def _by_key(claims: Claims, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    known = set(names)
    return {key: claim for claim in claims for key in (claim["what"], _short(claim["what"])) if key in known}


def _comparison(tracked: dict[str, Any], here: Claims) -> VerdictComparison:
    what, verdict = tracked["what"], tracked["verdict"]
    if not here:
        return VerdictComparison(what, verdict, "", "not looked at", why="the check setting leaves it out")
    first = here[0]
    if (first["rule"], first["partly"]) != (tracked["rule"], tracked["partly"]):
        why = f"its rule is no longer that of the tracked run: {first['rule']}"
        return VerdictComparison(what, verdict, first["verdict"], "differs", first["figures"], why)
    if first["verdict"] == verdict:
        return VerdictComparison(what, verdict, verdict, "same", first["figures"])
    if is_within(verdict, here):
        return VerdictComparison(what, verdict, first["verdict"], "within error", first["figures"])
    why = "figures of the runs: " + "; ".join(str(claim["figures"]) for claim in here)
    return VerdictComparison(what, verdict, first["verdict"], "differs", first["figures"], why)


def is_within(verdict: str, runs: Claims) -> bool:
    """Whether figures within the Monte Carlo error of several runs of one line give this verdict.

    Parameters
    ----------
    verdict : str
    runs : list of dict
        The same line by runs with other seeds.

    Examples
    --------
    >>> line = {"kind": "paper", "rule": "error <= 0.1", "partly": ""}
    >>> is_within("reproduced", [line | {"figures": {"error": error}} for error in (0.12, 0.14, 0.11)])
    True
    >>> is_within("reproduced", [line | {"figures": {"error": error}} for error in (0.52, 0.54, 0.51)])
    False
    """
    rng = np.random.default_rng(0)
    line = runs[0]
    spans = {name: _span([run["figures"].get(name, value) for run in runs]) for name, value in line["figures"].items()}
    drawn = ({name: span(rng) for name, span in spans.items()} for _ in range(DRAWS))
    return any(verdict_of(line["kind"], line["rule"], line["partly"], figures) == verdict for figures in drawn)


def _span(values: list[Any]) -> Callable[[np.random.Generator], Any]:
    """Draws of a figure within its error: numbers around their mean, words as they came, lists element by element."""
    if all(isinstance(value, list) and len(value) == len(values[0]) for value in values):
        parts = [_span(list(part)) for part in zip(*values, strict=True)]
        return lambda rng: [part(rng) for part in parts]
    if not all(isinstance(value, int | float) for value in values):
        return lambda rng: values[int(rng.integers(len(values)))]
    numbers = np.array(values, dtype=float)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return lambda rng: values[0]
    middle, error = float(numbers.mean()), float(numbers.std(ddof=min(1, len(numbers) - 1)))
    is_count = all(isinstance(value, int) for value in values)

    def draw(rng: np.random.Generator) -> Any:
        value = middle + DEVIATIONS * error * rng.uniform(-1.0, 1.0)
        return round(value) if is_count else value

    return draw
