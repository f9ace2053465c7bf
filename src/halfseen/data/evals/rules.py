"""The rules that make one table of trials from many tools: names, ranges, versions, the same trial twice."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from halfseen.data.evals.problems import ChoiceError, Problem, RefusedFileError, counted, listed, plain
from halfseen.data.evals.trials import STATUSES, Asked, N, Trials, U
from halfseen.errors import close_matches

# Settings that make another model of it whatever was run, unlike a budget that belongs to a benchmark.
EFFORT = ("reasoning_effort", "reasoning_tokens", "effort", "reasoning_history")
MOST_PERCENT = 100.0
# Values up to this are more often points of a rubric than per cent.
MOST_POINTS = 10.0
LOST = 0.1


def complete_listings(trials: Trials, asked: Asked) -> None:
    """Give lists of ids the questions that they do not name, from the set of questions or from all submissions."""
    questions = asked.question_set
    unions: dict[str, set[str]] = defaultdict(set)
    for listing in trials.listings:
        unions[listing.group].update(listing.known)
    for listing in trials.listings:
        log = trials.logs[listing.log]
        if questions is None and not listing.is_complete:
            raise ChoiceError(
                f"{log.model} lists only resolved ids; give all with question_set='ids.txt', "
                "or 'union' for those of all submissions."
            )
        wanted = unions[listing.group] if questions == "union" else questions or listing.known
        outside = [name for name in listing.known if name not in wanted]
        if outside and len(outside) == len(listing.known):
            raise ValueError(f"question_set has none of the ids of {log.source}, such as {outside[0]!r}; check the ids")
        if outside:
            what = f"{counted(len(outside), 'id')} outside the set of questions left out, such as {outside[0]}"
            trials.problems.append(Problem(log.source, what, "check question_set="))
        for name in sorted(wanted):
            score, status = listing.known.get(name, listing.rest)
            trials.add(listing.log, name, score, status, cluster=listing.cluster(name))
    if questions is not None and not trials.listings:
        trials.problems.append(
            Problem("question_set", "no file read needs it", "leave it out, all questions are in the files", "note")
        )


def rename_models(trials: Trials, names: Mapping[str, str]) -> None:
    """Give models the names that the user wants; an old name that no model has is a mistake."""
    known = {log.model for log in trials.logs}
    for old in names:
        if old not in known:
            raise ValueError(f"rename: no model is called {old!r}; {close_matches(old, sorted(known))}")
    for log in trials.logs:
        log.model = names.get(log.model, log.model)


def split_configurations(trials: Trials) -> None:
    """Other settings are another row: its name says which, by the settings that differ.

    A setting makes two rows where one benchmark was run with two values of it; effort also where they differ between
    benchmarks.
    """
    values: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for log in trials.logs:
        for key in _keys(trials, log.model) if log.config is not None else ():
            value = (log.config or {}).get(key, "default")
            values[log.model, key, log.benchmark].add(value)
            if key in EFFORT:
                values[log.model, key, ""].add(value)
    differing: dict[str, set[str]] = defaultdict(set)
    for (model, key, _), seen in values.items():
        if len(seen) > 1:
            differing[model].add(key)
    told: dict[str, set[str]] = defaultdict(set)
    for log in trials.logs:
        keys = sorted(differing.get(log.model, ()))
        if keys and log.config is not None:
            model = log.model
            log.model += " (" + ", ".join(f"{key}={log.config.get(key, 'default')}" for key in keys) + ")"
            told[model].add(log.model)
    for model, rows in told.items():
        what = f"{counted(len(rows), 'configuration')} are {counted(len(rows), 'row')}: {listed(sorted(rows), 4)}"
        trials.problems.append(Problem(model, what, "join them with rename= if they are one", "note"))


def _keys(trials: Trials, model: str) -> set[str]:
    cache = trials.__dict__.setdefault("_setting_names", {})
    if not cache:
        for log in trials.logs:
            cache.setdefault(log.model, set()).update(log.config or ())
    return cache.get(model, set())


def split_versions(trials: Trials) -> None:
    """Another version of a task is another benchmark: the version stands in its name, always, so that ids stay."""
    versions: dict[str, dict[str, None]] = defaultdict(dict)
    for log in trials.logs:
        version = (log.version or "").removesuffix(".0") if log.tool == "lm-eval" else log.version or ""
        version = "" if version == "0" else version
        versions[log.benchmark][version] = None
        if version and not log.benchmark.endswith(f"@{version}"):
            log.benchmark = f"{log.benchmark}@{version}"
    for benchmark, seen in versions.items():
        if len(seen) > 1:
            names = listed(sorted(name or "not said" for name in seen))
            what = f"versions mixed ({names}), kept as {len(seen)} benchmarks"
            trials.problems.append(Problem(benchmark, what, "run all models on one of them to compare them"))


def bare_questions(trials: Trials) -> None:
    """Drop the benchmark's own name from the front of a question: it is ``benchmark/id`` anyway."""
    prefixes = [f"{log.benchmark}/" for log in trials.logs]
    trials.question[:] = [
        name.removeprefix(prefixes[log]) or name for log, name in zip(trials.log, trials.question, strict=True)
    ]


def tell_contents_apart(trials: Trials) -> None:
    """Where one id stands for different texts, questions are joined by their content instead."""
    texts: dict[tuple[str, str], set[str]] = defaultdict(set)
    for log, question, content in zip(trials.log, trials.question, trials.content, strict=True):
        if content is not None:
            texts[trials.logs[log].benchmark, question].add(content)
    mixed: dict[str, int] = defaultdict(int)
    for (benchmark, _), contents in texts.items():
        mixed[benchmark] += len(contents) > 1
    clashing = {benchmark for benchmark, count in mixed.items() if count}
    for benchmark in sorted(clashing):
        what = f"{counted(mixed[benchmark], 'id')} stand for different texts in different files, joined by content"
        trials.problems.append(Problem(benchmark, what, "run all models on the same data"))
    if clashing:
        trials.question[:] = [
            content[:12] if content is not None and trials.logs[log].benchmark in clashing else question
            for log, question, content in zip(trials.log, trials.question, trials.content, strict=True)
        ]


def check_range(trials: Trials, asked: Asked) -> NDArray[np.float64]:
    """Return scores between 0 and 1, NaN where there is none; per cent are divided if the user said so.

    Tables are judged file by file, logs tool by tool. What cannot be brought into [0, 1] is refused: a mean of it has
    no known range.
    """
    scores = np.array([math.nan if score is None else score for score in trials.score], dtype=np.float64)
    logs = np.asarray(trials.log, dtype=np.int64)
    groups: dict[tuple[str, str], int] = {}
    group_of_log = np.array(
        [groups.setdefault((log.tool, log.source if log.is_table else ""), len(groups)) for log in trials.logs]
    )
    group = group_of_log[logs] if len(logs) else logs
    for (_, source), number in groups.items():
        inside = group == number
        values = scores[inside & ~np.isnan(scores)]
        if not len(values):
            continue
        low, high = values.min(), values.max()
        if asked.percent and (source or high > 1):
            if high <= 1 and source:
                what = f"percent=True, and the largest value is {high:g}"
                trials.problems.append(Problem(source, what, "leave percent=True out if they are shares", "note"))
            scores[inside] /= 100
            low, high = low / 100, high / 100
        if low >= 0 and high <= 1:
            continue
        place = source or _where(trials, logs, scores, inside)
        if low >= 0 and high <= MOST_PERCENT and not asked.percent:
            if high <= MOST_POINTS:
                raise ChoiceError(
                    f"{place}: values up to {high:g}: scores lie between 0 and 1; divide these by what a full score is "
                    "(or give percent=True if they are per cent)."
                )
            raise ChoiceError(f"{place}: values up to {high:g}: give percent=True.")
        raise ChoiceError(
            f"{place}: values from {low:g} to {high:g} have no known range; "
            "choose a metric between 0 and 1 with metric='NAME'."
        )
    return scores


def _where(trials: Trials, logs: NDArray[np.int64], scores: NDArray[np.float64], inside: NDArray[np.bool_]) -> str:
    bad = np.flatnonzero(inside & ((scores < 0) | (scores > 1)))
    return trials.logs[logs[bad[0]]].source


def same_trials(trials: Trials, codes: Mapping[str, NDArray[np.int64]]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which trials to keep, and their runs: each trial once, the newest; repeats are counted on.

    Two records are one trial if they have one uuid; without, if model, question and run are the same. Logs of one
    series, such as a log and its retry, hold the same trials under new uuids.
    """
    runs = np.asarray(trials.run, dtype=np.int64)
    keep = np.ones(len(runs), dtype=bool)
    cell = codes["model"] * (codes["question"].max(initial=0) + 1) + codes["question"]
    _, where, counts = np.unique(cell * (runs.max(initial=0) + 1) + runs, return_inverse=True, return_counts=True)
    repeated = np.flatnonzero(counts[where] > 1) if len(runs) else np.zeros(0, dtype=np.int64)
    by_uuid: dict[str, list[int]] = defaultdict(list)
    for place, uuid in enumerate(trials.uuid):
        if uuid is not None:
            by_uuid[uuid].append(place)
    dropped = 0
    for places in by_uuid.values():
        same = [place for place in places if cell[place] == cell[places[0]]]
        if len(same) > 1:
            dropped += _keep_newest(trials, same, keep)
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place in repeated[keep[repeated]]:
        groups[int(cell[place]), int(runs[place])].append(int(place))
    clashing: set[int] = set()
    for (number, _), places in groups.items():
        dropped += _once(trials, places, keep)
        if keep[places].sum() > 1:
            clashing.add(number)
    _count_on(trials, cell, runs, keep, clashing)
    if dropped:
        real = [int(place) for place in np.flatnonzero(~keep) if trials.status[int(place)] != N]
        sources = sorted({trials.logs[trials.log[place]].source for place in real})
        what = f"{counted(dropped, 'trial')} stood twice, the newest was kept ({listed(sources, 3)})"
        trials.problems.append(Problem("all files", what, "nothing to do if these are copies or retries", "note"))
    return keep, runs


def _order(trials: Trials, place: int) -> tuple[bool, str, bool, int]:
    """What makes a trial the newest: that it was run at all, its time, a grade, the later file."""
    status = trials.status[place]
    return status != N, trials.logs[trials.log[place]].time, status < U, place


def _keep_newest(trials: Trials, places: list[int], keep: NDArray[np.bool_]) -> int:
    """Keep one of several records of a trial; return how many real ones were dropped."""
    places = [place for place in places if keep[place]]
    newest = max(places, key=lambda place: _order(trials, place))
    keep[places] = False
    keep[newest] = True
    return sum(place != newest and trials.status[place] != N for place in places)


def _once(trials: Trials, places: list[int], keep: NDArray[np.bool_]) -> int:
    """Of records of one cell and run, keep one per trial."""
    named: dict[str, list[int]] = defaultdict(list)
    for place in places:
        named[_identity(trials, place)].append(place)
    idle = [place for place in places if trials.status[place] == N and trials.logs[trials.log[place]].series is None]
    if len(idle) < len(places):  # not run in one log, run in another
        keep[idle] = False
    dropped = sum(_keep_newest(trials, group, keep) for group in named.values() if keep[group].sum() > 1)
    kept = [place for place in places if keep[place]]
    if len(kept) > 1 and any(_identity(trials, place) == "" for place in kept):
        dropped += _keep_newest(trials, kept, keep)  # nothing says that they are different trials
    return dropped


def _identity(trials: Trials, place: int) -> str:
    """What tells a trial from others of its cell and run; empty if nothing does."""
    log, uuid = trials.logs[trials.log[place]], trials.uuid[place]
    if log.retries is not None:
        return f"{log.tool} {log.retries}"
    if uuid is not None:
        return uuid
    return f"{log.tool} {log.series}" if trials.status[place] == N and log.series else ""


def _count_on(
    trials: Trials, cell: NDArray[np.int64], runs: NDArray[np.int64], keep: NDArray[np.bool_], clashing: set[int]
) -> None:
    """Number the trials of a cell anew where two of them claim one run, in the order of their logs."""
    if not clashing:
        return
    inside: dict[int, list[int]] = defaultdict(list)
    for place in map(int, np.flatnonzero(np.isin(cell, list(clashing)) & keep)):
        inside[int(cell[place])].append(place)
    for places in inside.values():
        log_of = {place: trials.logs[trials.log[place]] for place in places}
        names = {place: log.series or log.retries or "" for place, log in log_of.items()}
        order = {place: (log_of[place].time, names[place], int(runs[place]), place) for place in places}
        ordered = sorted(places, key=order.__getitem__)
        for run, place in enumerate(ordered, 1):
            runs[place] = run


def tell_lost(trials: Trials, keep: NDArray[np.bool_]) -> None:
    """Say which runs lost a tenth of their trials or more: what is left of them is no fair sample.

    An empty cell of a wide table is no trial that was lost.
    """
    counts: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0] * len(STATUSES))
    for place in np.flatnonzero(keep):
        log = trials.logs[trials.log[int(place)]]
        if log.tool == "wide":
            continue
        counts[log.model, log.benchmark, log.series or ""][trials.status[int(place)]] += 1
    for (model, benchmark, series), number in counts.items():
        lost, asked_for = number[U] + number[N], sum(number)
        if lost and lost >= LOST * asked_for:
            name = f" of run {series.rsplit('/', 1)[-1]}" if "/" in series else ""
            parts = [f"{count} {STATUSES[kind]}" for kind, count in ((U, number[U]), (N, number[N])) if count]
            what = f"lost {lost} of {asked_for} trials of {benchmark}{name} ({', '.join(parts)})"
            trials.problems.append(Problem(model, what, "run them again, or see how the order depends on them"))


def refuse_if_empty(trials: Trials, unread: list[tuple[str, RefusedFileError]]) -> None:
    """Raise if no file gave a trial, with what was the matter with the first of them."""
    if trials.log or trials.listings:
        return
    if not unread:
        raise ValueError("no evaluation results among the files; name the format with format=, or give other paths")
    name, error = unread[0]
    name = plain(name)
    more = f" ({len(unread)} files, none could be read)" if len(unread) > 1 else ""
    raise ValueError(f"{name}: {error.what}; {error.way_out}.{more}")
