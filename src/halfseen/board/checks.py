"""What a reader of a board must know before believing it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from halfseen._typing import BoolArray, FloatArray, Labels
from halfseen.board.answers import Answers
from halfseen.board.scores import completed
from halfseen.data.evals.problems import Problem, counted, listed
from halfseen.inference import Listing, normal_quantile

if TYPE_CHECKING:
    from halfseen.board.board import Board

FEWEST_MODELS, FEWEST_QUESTIONS, FEWEST_CLUSTERS, FEWEST_COMMON = 5, 20, 20, 20
# Questions answered are easier than all by so many standard errors and by so much.
FAR, MUCH = 4.0, 0.05
# Two models with as few different answers as this share are the same model, or the same log.
SAME = 0.002
# Benchmarks of fewer models tell nothing of each other.
FEWEST_TO_CORRELATE = 10


def hanging(columns: dict[str, Any]) -> BoolArray:
    """Whether the order of each model (best first) and the next hangs on trials that nobody graded.

    Examples
    --------
    >>> columns = {"lowest": np.array([0.57, 0.59]), "highest": np.array([0.66, 0.61]), "not_graded": np.array([9, 2])}
    >>> hanging(columns).tolist()
    [True, False]
    """
    unknown = columns["not_graded"] > 0
    out = np.zeros(len(unknown), dtype=bool)
    out[:-1] = (columns["lowest"][:-1] < columns["highest"][1:]) & (unknown[:-1] | unknown[1:])
    return out


def checks_of(board: Board) -> Listing:
    """All checks of a board, those that may change the order first."""
    answers = board._answers
    problems = [
        *board.problems, *_size(answers), *_links(answers), *_not_graded(board), *_same(answers), *_easy(board),
        *_broken(board), *_of_the_fit(board), *_stand_ins(answers, board.level),
    ]  # fmt: skip
    order = {"unread": 0, "warning": 1, "note": 2}
    problems = sorted(problems, key=lambda problem: order.get(problem.level, 3))
    columns = {
        "about": [problem.file for problem in problems], "what": [problem.what for problem in problems],
        "way_out": [problem.way_out for problem in problems], "level": [problem.level for problem in problems],
    }  # fmt: skip
    return Listing("checks", {name: np.array(texts, dtype=object) for name, texts in columns.items()}, board.level)


def _size(answers: Answers) -> Iterator[Problem]:
    n, p = answers.table.shape
    if n < FEWEST_MODELS:
        yield Problem("board", f"only {counted(n, 'model')}", "add models before you read groups and questions", "note")
    if p < FEWEST_QUESTIONS:
        yield Problem("board", f"only {counted(p, 'question')}", "intervals are rough; add questions")
    if answers.clusters is not None and (G := int(answers.clusters.max()) + 1) < FEWEST_CLUSTERS:
        yield Problem("board", f"only {counted(G, 'cluster')} of questions", "intervals are rough; add clusters")
    if answers.left_out:
        what = f"{counted(len(answers.left_out), 'model')} left out, nothing of theirs was graded"
        yield Problem("board", f"{what} ({listed(answers.left_out, 3)})", "run them again")


def _links(answers: Answers) -> Iterator[Problem]:
    """Groups of models that fewer than 20 common questions hold together."""
    if answers.is_complete or answers.table.shape[1] < FEWEST_COMMON:
        return
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    common = answers.common()
    n_groups, groups = connected_components(csr_array(common >= FEWEST_COMMON), directed=False)
    if n_groups > 1:
        first = answers.models[groups != groups[np.bincount(groups).argmax()]]
        what = (
            f"{n_groups} groups of models are held together by fewer than {FEWEST_COMMON} common questions (apart: "
            f"{listed([str(name) for name in first], 3)})"
        )
        yield Problem("board", what, "run some questions of one group with models of the other")


def _not_graded(board: Board) -> Iterator[Problem]:
    table = board.table()
    for place in np.flatnonzero(table["hangs"]):
        better, worse = (
            f"{table['model'][k]} ({table['lowest'][k]:.3f} to {table['highest'][k]:.3f})" for k in (place, place + 1)
        )
        number = int(table["not_graded"][place] + table["not_graded"][place + 1])
        what = f"the order of {better} and {worse} hangs on {counted(number, 'trial')} that nobody graded"
        yield Problem("not graded", what, "run them again")


def _same(answers: Answers) -> Iterator[Problem]:
    """Models with the same answers to (nearly) every question that both answered."""
    n = answers.table.shape[0]
    apart = np.zeros((n, n))
    for _, values, seen in answers.parts():
        a, b = values, seen.astype(float)
        # sum over common questions of (R_i - R_l)^2
        apart += (a**2) @ b.T + b @ (a**2).T - 2.0 * a @ a.T
    common = answers.common()
    mean = np.bincount(np.asarray(answers.table.rows), np.asarray(answers.table.values, float), n) / answers.answered
    is_mixed = (mean > 0.02) & (mean < 0.98)
    is_same = (apart <= SAME * common) & (common >= FEWEST_QUESTIONS) & is_mixed[:, None] & is_mixed[None, :]
    if not np.triu(is_same, 1).any():
        return
    from scipy.sparse.csgraph import connected_components

    n_groups, groups = connected_components(is_same, directed=False)
    for group in np.flatnonzero(np.bincount(groups, minlength=n_groups) > 1):
        members = np.flatnonzero(groups == group)
        names = [str(name) for name in answers.models[members]]
        both = common[np.ix_(members, members)]
        about = " and ".join(names) if len(names) == 2 else f"{len(names)} models ({listed(names, 3)})"
        what = f"the same answers to {int(both[np.triu_indices(len(members), 1)].max())} questions"
        yield Problem(about, what, "see whether this is one log under several names; rename=FILE joins them")


def _easy(board: Board) -> Iterator[Problem]:
    """Models that answered other questions than the rest: easier ones, or harder ones."""
    answers = board._answers
    if answers.is_complete:
        return
    n, p = answers.table.shape
    sums, ease = np.zeros(n), np.empty(p)
    for (cols, M, _), (_, _, seen) in zip(completed(answers, board._needed_model()), answers.parts(), strict=True):
        ease[cols] = M.mean(axis=0)
        sums += seen @ ease[cols]
    k = answers.answered
    away = sums / k - ease.mean()
    error = ease.std() * np.sqrt((1.0 - k / p) / k)
    far = (np.abs(away) > FAR * np.maximum(error, 1e-12)) & (np.abs(away) > MUCH)
    for place in np.flatnonzero(far):
        word = "easier" if away[place] > 0 else "harder"
        what = (
            f"answered {k[place]} of {p} questions, {word} ones: models get {sums[place] / k[place]:.2f} of these "
            f"right and {ease.mean():.2f} of all"
        )
        yield Problem(str(answers.models[place]), what, "its score rests on the model's word; run other questions")


def _broken(board: Board) -> Iterator[Problem]:
    items = board.items()
    words = {
        "against order": ("better models fail {}", "look at the key"),
        "says nothing": ("{} right or wrong whatever the model", "look at the key and the grader"),
        "repeats disagree": ("{} with other results from run to run", "run them more often, or look at the grader"),
    }
    for flag, (what, way_out) in words.items():
        names = [str(name) for name in items["question"][items["flag"] == flag]]
        if names:
            yield Problem("questions", f"{what.format(counted(len(names), 'question'))} ({listed(names, 4)})", way_out)
    dead = int(np.isin(items["flag"], ("all right", "all wrong")).sum())
    if dead and len(board.models) > 1:
        what = f"{dead} of {len(items)} are answered alike by every model and tell nothing"
        yield Problem("questions", what, "nothing to do; the others tell the models apart", "note")


def _of_the_fit(board: Board) -> Iterator[Problem]:
    model = None if board._answers.is_complete else board._fitted()
    for text in getattr(model, "warnings_", ()):
        yield Problem("model", str(text).rstrip("."), "see the guide to leaderboards")


def _stand_ins(answers: Answers, level: float) -> Iterator[Problem]:
    pairs = benchmark_pairs(answers, level)
    yield from _unlinked(answers, pairs)
    for first, second, n, low in zip(
        pairs["first"], pairs["second"], pairs["models"], pairs["low"], strict=True
    ):  # fmt: skip
        if n >= FEWEST_TO_CORRELATE and low < 0.0:
            what = f"{first} and {second} order the models otherwise ({n} models)"
            yield Problem("benchmarks", what, "look at their own boards; one mean hides that", "note")


def _unlinked(answers: Answers, pairs: Listing) -> Iterator[Problem]:
    """Benchmarks that too few models have both answered, where others have answered one of the two alone."""
    blocks, code = np.unique(answers.blocks, return_inverse=True)
    there = np.zeros((answers.table.shape[0], len(blocks)), dtype=bool)
    there[np.asarray(answers.table.rows), code[np.asarray(answers.table.cols)]] = True
    place = {str(name): at for at, name in enumerate(blocks)}
    for first, second in zip(pairs["first"], pairs["second"], strict=True):
        one, two = there[:, place[first]], there[:, place[second]]
        both = int((one & two).sum())
        if both < FEWEST_MODELS and (one & ~two).any() and (two & ~one).any():
            what = f"{first} and {second} were both answered by {counted(both, 'model')} alone"
            way_out = "the order of models that answered one of them rests on little; run more models on both"
            yield Problem("benchmarks", what, way_out)


def benchmark_pairs(answers: Answers, level: float) -> Listing:
    """Correlation of the models' means on every two blocks, with Fisher's interval; nan for fewer than 4 models."""
    blocks, code = np.unique(answers.blocks, return_inverse=True)
    rows, cols = np.asarray(answers.table.rows), np.asarray(answers.table.cols)
    n, B = answers.table.shape[0], len(blocks)
    cell = rows * B + code[cols]
    count = np.bincount(cell, minlength=n * B).reshape(n, B)
    mean = np.bincount(cell, np.asarray(answers.table.values, float), n * B).reshape(n, B) / np.maximum(count, 1)
    is_told = count >= min(FEWEST_QUESTIONS, int(np.bincount(code).min()))
    names: list[tuple[str, str]] = []
    numbers: list[tuple[int, float, float, float]] = []
    for first in range(B):
        for second in range(first + 1, B):
            both = is_told[:, first] & is_told[:, second]
            names.append((str(blocks[first]), str(blocks[second])))
            numbers.append((int(both.sum()), *_correlation(mean[both, first], mean[both, second], level)))
    table = np.array(numbers, dtype=float).reshape(len(numbers), 4)
    columns: dict[str, Labels] = {
        "first": np.array([pair[0] for pair in names], dtype=object),
        "second": np.array([pair[1] for pair in names], dtype=object),
        "models": table[:, 0].astype(int), "correlation": table[:, 1], "low": table[:, 2], "high": table[:, 3],
    }  # fmt: skip
    return Listing("benchmarks", columns, level, ("interval: Fisher's, over models drawn as these were",))


def _correlation(x: FloatArray, y: FloatArray, level: float) -> tuple[float, float, float]:
    if len(x) < 4 or x.std() == 0 or y.std() == 0:
        return (float("nan"),) * 3
    r = float(np.clip(np.corrcoef(x, y)[0, 1], -0.999999, 0.999999))
    reach = normal_quantile(level) / np.sqrt(len(x) - 3.0)
    return r, float(np.tanh(np.arctanh(r) - reach)), float(np.tanh(np.arctanh(r) + reach))
