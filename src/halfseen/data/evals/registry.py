"""The formats, in the order in which they are tried; each tells from the content whether a file is its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from halfseen.data.evals import (
    code_benchmarks,
    helm,
    inspect_frames,
    inspect_logs,
    lm_eval,
    mteb,
    prompt_tests,
    swebench,
    tables,
    terminal_bench,
)
from halfseen.data.evals.files import LogFile
from halfseen.data.evals.trials import Asked, Trials
from halfseen.errors import close_matches

Matches = Callable[[LogFile], bool]
Reads = Callable[[LogFile, Asked, Trials], None]


@dataclass(frozen=True)
class Format:
    """One shape of file.

    Parameters
    ----------
    name : str
        As `format=` names it; several shapes of one tool share a name.
    matches : callable
        Whether a file has this shape.
    read : callable
    is_late : bool
        Whether it needs what other files said.
    """

    name: str
    matches: Matches
    read: Reads
    is_late: bool = False


# Files that describe others and are read beside them; by name first, so that large ones are not parsed for it.
BESIDE: tuple[Matches, ...] = (
    helm.is_helm_beside,
    helm.is_opencompass_beside,
    terminal_bench.is_beside,
    mteb.is_mteb_meta,
    inspect_frames.is_evals,
    lm_eval.is_lm_eval_results,
    terminal_bench.is_harbor_job,
)


def formats(asked: Asked) -> tuple[Format, ...]:
    """All shapes, the particular ones before the general ones."""
    return (
        Format("inspect", inspect_logs.is_eval, inspect_logs.read_eval),
        Format("inspect", inspect_logs.is_json, inspect_logs.read_json),
        Format("inspect", inspect_frames.is_samples, inspect_frames.read_samples, is_late=True),
        Format("lm-eval", lm_eval.is_lm_eval, lm_eval.read_lm_eval),
        Format("lighteval", lm_eval.is_lighteval, lm_eval.read_lighteval),
        Format("helm", helm.is_helm, helm.read_helm),
        Format("terminal-bench", terminal_bench.is_run, terminal_bench.read_run),
        Format("terminal-bench", terminal_bench.is_trial, terminal_bench.read_trial),
        Format("terminal-bench", terminal_bench.is_harbor, terminal_bench.read_harbor),
        Format("swe-bench", swebench.is_harness, swebench.read_harness),
        Format("swe-bench", swebench.is_submission_lists, swebench.read_submission_lists),
        Format("swe-bench", swebench.is_submission_details, swebench.read_submission_details),
        Format("swe-bench-pro", swebench.is_pro, swebench.read_pro),
        Format("evalplus", code_benchmarks.is_evalplus, code_benchmarks.read_evalplus),
        Format("bigcodebench", code_benchmarks.is_bigcodebench, code_benchmarks.read_bigcodebench),
        Format("livecodebench", code_benchmarks.is_livecodebench, code_benchmarks.read_livecodebench),
        Format("promptfoo", prompt_tests.is_promptfoo, prompt_tests.read_promptfoo),
        Format("deepeval", prompt_tests.is_deepeval, prompt_tests.read_deepeval),
        Format("openai-evals", prompt_tests.is_openai, prompt_tests.read_openai),
        Format("mteb", mteb.is_mteb, mteb.read_mteb),
        Format("opencompass", helm.is_opencompass, helm.read_opencompass),
        Format("votes", tables.is_votes, tables.read_votes),
        Format("long", tables.is_long(asked), tables.read_long),
        Format("wide", tables.is_wide, tables.read_wide),
    )


def chosen_formats(name: str | None, asked: Asked) -> tuple[Format, ...]:
    """The shapes of one tool, or all of them."""
    every = formats(asked)
    if name is None:
        return every
    chosen = tuple(form for form in every if form.name == name)
    if not chosen:
        known = list(dict.fromkeys(form.name for form in every if form.name != "votes"))
        raise ValueError(f"format={name!r} is not known; {close_matches(name, known)}")
    return chosen


def recognised(file: LogFile, among: tuple[Format, ...]) -> Format | None:
    """The shape of a file; None for one that is read beside others, or of no known shape."""
    return next((form for form in among if form.matches(file)), None)


def is_beside(file: LogFile) -> bool:
    """Whether a file only describes others."""
    return any(matches(file) for matches in BESIDE)
