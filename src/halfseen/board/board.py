"""A leaderboard of evaluation results that says what it knows and what it does not."""

from __future__ import annotations

import itertools
import os
import warnings
from typing import Any

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from halfseen._typing import FloatArray, Labels
from halfseen.board import checks, files, placing, questions, scores
from halfseen.board.answers import answers_of, as_evaluations
from halfseen.board.asking import Remaining, questions_to_ask
from halfseen.board.comparison import Comparison, questions_needed, smallest_gap
from halfseen.board.newcomer import newcomer_questions
from halfseen.board.scores import ABOUT, Scores
from halfseen.errors import close_matches
from halfseen.inference import Listing, dense_pair_maximum, drawn_rank_intervals, tie_groups, upper_quantile
from halfseen.inference.alike import ends_alike
from halfseen.parameters import BadArgument

DRAWS = 2000
# With more degrees of freedom Student's quantile is within 1 % of the normal one.
FEW_DEGREES = 120
NOTES = {
    "like-these": "score: mean over other questions of the kind, of which these are a sample",
    "these": "score: mean over exactly these questions, had every model answered all of them",
    "again": "score: mean over the same questions, run again",
}
CLAIMS = {
    "like-these": "holds for other questions drawn as these were, and runs drawn as these were",
    "these": "holds for these questions; answers seen are as they are, others are predicted",
    "again": "holds for the mean over many further runs of the same questions",
}


class Board:
    r"""Leaderboard of models on questions: scores, ranks, ties, comparisons, checks, and what to run next.

    Three questions can be asked of it. *like-these*: who is better on other questions of the kind? *these*: who has the
    higher score on exactly these questions? *again*: who would, were the same questions run again? Errors of a score on
    other questions are, jointly over models,

    .. math:: V = C + \frac{\mathrm{cov}_q(M) + \mathrm{diag}(\mathrm{mean}_q\,v)}{n}

    with ``C`` the covariance of the scores on these questions (0 on a complete table), ``M`` the answers, those not
    seen as an :class:`ItemResponseModel` predicts them, and ``v`` the variance of the latter. On a complete table the
    error of a difference is that of the paired test.

    Parameters
    ----------
    evals : Evaluations or Observed
        What :func:`halfseen.read_evals` returns; or a table of models by questions with scores in [0, 1].
    level : float, default=0.95
        Probability with which intervals hold.
    set_size : int or None
        Size N of the finite set of questions of which these are a random part; errors about *like-these* are then those
        of the mean over that set. None: the set is large.
    island : int or None
        Which group to take, from 1, the largest, where models fall into groups without a common question.
    random_state : int, default=0
        Of the draws behind ranks, and of the replay in :meth:`place`.

    Attributes
    ----------
    models, questions : list of str
    problems : tuple of Problem
        What the reader of the files had to say.

    Raises
    ------
    ValueError
        Where models fall into groups that share no question, with the groups and the way out.

    Notes
    -----
    Complete tables need no model: O(n^2 p) for n models and p questions. Else one fit of an ItemResponseModel.
    Source of the paired error: Miller, Adding error bars to evals, 2024.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> rng = np.random.default_rng(0)
    >>> right = rng.random((3, 200)) < np.array([0.7, 0.65, 0.3])[:, None]
    >>> board = hs.Board(hs.Observed.from_dense(right.astype(float), row_labels=["a", "b", "c"]))
    >>> table = board.table()
    >>> table["model"].tolist(), table["rank_low"].tolist(), table["rank_high"].tolist(), table["group"].tolist()
    (['a', 'b', 'c'], [1, 1, 3], [2, 2, 3], [1, 1, 2])
    >>> print(board.compare("a", "c"))
    a - c (like-these): +0.360, 95 % interval +0.269 to +0.451: a is ahead; a gap of this size takes 26 questions.
    """

    def __init__(
        self, evals: Any, *, level: float = 0.95, set_size: int | None = None, island: int | None = None,
        random_state: int = 0,
    ) -> None:  # fmt: skip
        if not 0.0 < level < 1.0:
            raise BadArgument("level", level, "a number between 0 and 1")
        self.level, self.set_size, self.island, self.random_state = level, set_size, island, random_state
        self._evals = as_evaluations(evals)
        self._answers = answers_of(self._evals, island)
        if set_size is not None and set_size < self._answers.table.shape[1]:
            raise BadArgument("set_size", set_size, f"at least the {self._answers.table.shape[1]} questions at hand")
        self.problems = self._evals.problems
        self._model: Any = None
        self._scores: dict[str, Scores] = {}
        self._unbounded: FloatArray | None = None  # what a choice from a large set adds, where the set is finite

    def __repr__(self) -> str:
        n, p = self._answers.table.shape
        share = self._answers.table.n_entries / (n * p)
        return f"Board({n} models, {p} questions, {100 * share:.0f} % answered)"

    @property
    def models(self) -> list[str]:
        """Names of the models."""
        return [str(name) for name in self._answers.models]

    @property
    def questions(self) -> list[str]:
        """Names of the questions, ``benchmark/id``."""
        return [str(name) for name in self._answers.questions]

    # ---- the table -------------------------------------------------------------------------------------------------

    def table(self, about: str = "like-these") -> Listing:
        """Models by falling score, with rank interval, tie group, score, interval, and what was not graded.

        Parameters
        ----------
        about : {"like-these", "these", "again"}

        Returns
        -------
        Listing
            ``model, rank, rank_low, rank_high, group, score, se, low, high``; ``answered`` questions, ``trials`` asked,
            ``not_graded`` of them, and the score on these were those wrong (``lowest``) or right (``highest``);
            ``hangs``: whether the order to the next model hangs on trials that nobody graded; ``needed``: questions
            that would tell it from the next (nan for equal scores).
        """
        s, answers = self._of(about), self._answers
        ranks, group = self._ranks(about)
        low, high = self._ends(about)
        order = np.lexsort((answers.models, ranks.estimate))
        columns = {
            "model": answers.models, "rank": ranks.estimate, "rank_low": ranks.low, "rank_high": ranks.high,
            "group": group, "score": s.estimate, "se": np.sqrt(np.diag(s.covariance)), "low": low, "high": high,
            "answered": answers.answered, "trials": sum(answers.counts[name] for name in scores_statuses()),
            "not_graded": answers.counts["not graded"],
        }  # fmt: skip
        columns["lowest"], columns["highest"] = self._bounds()
        ordered = {name: np.asarray(column)[order] for name, column in columns.items()}
        ordered["hangs"] = checks.hanging(ordered)
        ordered["needed"] = self._next_needed(order)
        return Listing("board", ordered, self.level, self._notes(about), CLAIMS[about])

    def _notes(self, about: str) -> tuple[str, ...]:
        answers = self._answers
        notes = [NOTES[about], f"interval: {CLAIMS[about]}"]
        if about == "like-these" and answers.clusters is not None:
            notes.append(f"clusters: questions were drawn in {int(answers.clusters.max()) + 1} clusters")
        if about == "like-these" and self.set_size is not None:
            notes.append(f"set: the mean over a finite set of {self.set_size} questions")
        if about == "these" and answers.is_complete:
            notes.append("complete: every model answered every question, so these scores have no error of their own")
        notes.append("rank interval: central quantiles of the rank over joint draws of all scores")
        notes.append("group: models of one group are not surely different from the group's first (all pairs at once)")
        return tuple(notes)

    def _bounds(self) -> tuple[FloatArray, FloatArray]:
        """Scores on these questions, were all trials that nobody graded wrong, or all right."""
        answers, unknown = self._answers, self._answers.unknown
        now = answers.values_at(unknown.rows, unknown.cols)
        if np.isnan(now).any():
            pairs = answers.models[unknown.rows], answers.questions[unknown.cols]
            now = np.where(np.isnan(now), self._fitted().predict(*pairs), now)
        n, p = answers.table.shape
        estimate = self._of("these").estimate
        low, high = (
            np.clip(estimate + np.bincount(unknown.rows, end - now, n) / p, 0.0, 1.0)
            for end in (unknown.low, unknown.high)
        )
        return low, high

    def _next_needed(self, order: Labels) -> FloatArray:
        needed = np.full(len(order), np.nan)
        estimate = self._of("like-these").estimate
        for place, (better, worse) in enumerate(itertools.pairwise(order)):
            gap = float(estimate[better] - estimate[worse])
            number = questions_needed(self._spread(better, worse), gap, self.level, 0.8)
            needed[place] = np.nan if number is None else number
        return needed

    def ahead(self, about: str = "like-these") -> FloatArray:
        """Chances (n, n) that the model of the row is ahead of that of the column, models as in :attr:`models`.

        A half for a model against itself, and for equal scores without error.
        """
        s, se = self._of(about), self._pair_se(about)
        gap = s.estimate[:, None] - s.estimate[None, :]
        sure = np.where(gap > 0, np.inf, np.where(gap < 0, -np.inf, 0.0))
        z = np.divide(gap, se, out=sure, where=se > 0)
        return np.asarray(norm.cdf(z))

    # ---- two models ------------------------------------------------------------------------------------------------

    def compare(self, first: str, second: str, *, about: str = "like-these", power: float = 0.8) -> Comparison:
        """The gap between two models with its paired interval, and how many questions tell it.

        Parameters
        ----------
        first, second : str
        about : {"like-these", "these", "again"}
        power : float
            Chance to tell the gap with so many questions.

        Returns
        -------
        Comparison
        """
        a, b = self._place(first), self._place(second)
        if a == b:
            raise ValueError(f"compare() needs two models, got {first!r} twice.")
        if not 0.0 < power < 1.0:
            raise BadArgument("power", power, "a number between 0 and 1")
        s = self._of(about)
        gap, se = float(s.estimate[a] - s.estimate[b]), float(self._pair_se(about)[a, b])
        reach, spread = self._quantile(about) * se, self._spread(a, b)
        p_value = float(2.0 * student.sf(abs(gap) / se, self._degrees(about))) if se > 0 else float("nan")
        answers = self._answers
        seen = np.bincount(np.asarray(answers.table.cols)[np.isin(answers.table.rows, (a, b))])
        return Comparison(
            first, second, about, gap, se, max(gap - reach, -1.0), min(gap + reach, 1.0), p_value,
            float(self.ahead(about)[a, b]), self.level, int(np.count_nonzero(seen == 2)), spread, power,
            questions_needed(spread, gap, self.level, power),
            smallest_gap(spread, answers.table.shape[1], self.level, power),
        )  # fmt: skip

    def needed(self, first: str, second: str, *, gap: float | None = None, power: float = 0.8) -> int:
        """Questions that both models must answer to tell a gap; None: the gap that they show.

        Raises
        ------
        ValueError
            For models of equal score, whose gap no number of questions tells.
        """
        a, b = self._place(first), self._place(second)
        estimate = self._of("like-these").estimate
        wanted = float(estimate[a] - estimate[b]) if gap is None else float(gap)
        number = questions_needed(self._spread(a, b), wanted, self.level, power)
        if number is None:
            raise ValueError(f"{first} and {second} have the same score; give the gap that matters to you, gap=0.02.")
        return number

    # ---- questions, checks, what to run ----------------------------------------------------------------------------

    def items(self) -> Listing:
        """The questions: who answered, how hard, how well they tell models apart, and what is wrong with them.

        Flags: "all right" and "all wrong" (dead), "against order" (better models fail it: look at its key), "says
        nothing" (right or wrong whatever the model), "repeats disagree".
        """
        these = self._of("these").estimate
        columns = questions.question_columns(self._answers, these)
        notes = (
            "slope: of the logit of a right answer, per standard deviation of the models' abilities",
            "flag: 'says nothing' and 'against order' where that is more likely than a question like the others",
        )
        return Listing("questions", columns, self.level, notes)

    def checks(self) -> Listing:
        """What a reader of the board must know: ``about, what, way_out, level``; empty if there is nothing."""
        return checks.checks_of(self)

    def blocks(self) -> Listing:
        """Whether benchmarks can stand in for each other: correlations of the models' scores, from how many models."""
        return checks.benchmark_pairs(self._answers, self.level)

    def next(self, model: str | None = None, *, against: str | None = None, n: int = 20) -> Listing:
        """Questions to ask next, so that the score (or the difference to another model) is told best.

        Parameters
        ----------
        model : str or None
            On the board; None: a newcomer, of whom nothing is known. Its questions leave least variance of the score,
            by the model and by how answers of the board's own models hang together.
        against : str or None
            The model to tell it from; questions of either may then come up.
        n : int

        Returns
        -------
        Listing
            ``place, model, question``, and ``se``, the expected standard error of the score over these questions (or
            of the difference) after it.
        """
        if isinstance(n, bool) or n < 1:
            raise BadArgument("n", n, "a whole number of at least 1")
        names = [model] if against is None else [model, against]
        if names == [None]:
            which, errors = newcomer_questions(self, int(n))
            return self._next(np.full(len(which), "new"), which, errors)
        remaining = [self._remaining(name) for name in names]
        who, which, errors = questions_to_ask(remaining, int(n))
        if not who:
            raise ValueError(
                f"{' and '.join(map(str, names))} answered all {len(self.questions)} questions; ask others of the kind "
                "(compare says how many a gap takes)."
            )
        label = np.array(["new" if name is None else name for name in names])
        return self._next(label[who], which, errors)

    def _next(self, models: Labels, which: list[int], errors: list[float]) -> Listing:
        columns = {
            "place": np.arange(1, len(which) + 1), "model": models, "question": self._answers.questions[which],
            "se": np.array(errors),
        }  # fmt: skip
        return Listing("next questions", columns, self.level, ("se: expected standard error after the question",))

    def place(self, evals: Any) -> Listing:
        """New models against this board, from some or all of its questions.

        Parameters
        ----------
        evals : Evaluations or Observed
            Results of the new models.

        Returns
        -------
        Listing
            ``model, answered, score, se, low, high, rank_low, rank_high, widened, outside``: the score over the
            board's questions; ``widened`` by how much errors of the board's own models exceed what the model says when
            they play newcomer with the same questions; ``outside`` questions are not on the board.
        """
        return placing.placed(self, evals)

    # ---- files -----------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the board into a folder: for people (a page, CSV, JSON, Markdown), and to open it again."""
        files.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Board:
        """Open the folder of a saved board."""
        return files.load(cls, path)

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _fitted(self) -> Any:
        """The item response model of the answers, fitted when first needed."""
        if self._model is None:
            from halfseen.methods.response import ItemResponseModel

            blocks = self._answers.blocks
            given = {"blocks": blocks.tolist()} if len(np.unique(blocks)) > 1 else {}
            model = ItemResponseModel(integrate="columns", random_state=self.random_state)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # told among the checks
                self._model = model.fit(self._answers.table, **given)
        return self._model

    def _needed_model(self) -> Any:
        """The model, or None where every answer is there."""
        return None if self._answers.is_complete else self._fitted()

    def _of(self, about: str) -> Scores:
        if about not in ABOUT:
            raise BadArgument("about", about, f"one of {', '.join(map(repr, ABOUT))}")
        if about not in self._scores:
            self._scores[about] = self._compute(about)
        return self._scores[about]

    def _compute(self, about: str) -> Scores:
        answers = self._answers
        if about == "these":
            return scores.of_these(answers, self._needed_model())
        if about == "like-these":
            share = 0.0 if self.set_size is None else answers.table.shape[1] / self.set_size
            return scores.of_others(answers, self._of("these"), self._needed_model(), share)
        return scores.of_repeats(answers, self._of("these")) or scores.of_chances(answers, self._fitted())

    def _degrees(self, about: str) -> float:
        return float(self._of(about).units - 1) if about == "like-these" else np.inf

    def _quantile(self, about: str) -> float:
        degrees = max(self._degrees(about), 1.0)
        return float(student.ppf(0.5 * (1.0 + self.level), degrees))

    def _is_exact(self, about: str) -> bool:
        """Whether scores have no error at all: these questions, or all of a finite set."""
        is_whole = about == "these" or (about == "like-these" and self.set_size == len(self.questions))
        return is_whole and self._answers.is_complete

    def _pair_se(self, about: str) -> FloatArray:
        return self._of(about).pair_se(self._quantile(about), self._is_exact(about))

    def _ends(self, about: str) -> tuple[FloatArray, FloatArray]:
        s = self._of(about)
        se, q = np.sqrt(np.diag(s.covariance)), self._quantile(about)
        if self._is_exact(about):
            return s.estimate.copy(), s.estimate.copy()
        if about == "these":
            return np.maximum(s.estimate - q * se, 0.0), np.minimum(s.estimate + q * se, 1.0)
        return ends_alike(s.estimate, se, q, 0.0, 1.0, s.units)

    def _ranks(self, about: str) -> tuple[Any, Labels]:
        s = self._of(about)
        # equal up to rounding is equal, whatever the order of the questions
        estimate = np.round(s.estimate, 12)
        values, vectors = np.linalg.eigh(s.covariance)
        normal = np.random.default_rng(self.random_state).standard_normal((DRAWS, len(estimate)))
        errors = normal @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
        degrees = max(self._degrees(about), 1.0)
        if degrees < FEW_DEGREES:  # few questions, or clusters, know their own spread badly: Student's draws
            squares = np.random.default_rng([self.random_state, 1]).chisquare(degrees, DRAWS)
            errors *= np.sqrt(degrees / squares)[:, None]
        ranks, _ = drawn_rank_intervals(estimate, errors, self.level)
        pair = self._pair_se(about)
        q = upper_quantile(dense_pair_maximum(errors, lambda rows: pair[rows]), self.level)
        return ranks, tie_groups(estimate, lambda rows: pair[rows], q)[0]

    def _spread(self, a: int, b: int) -> float:
        """Standard deviation of the difference of two models over questions drawn, scaled to one question."""
        B = self._of("like-these").sampling
        if self.set_size is not None:
            if self._unbounded is None:
                self._unbounded = scores.of_others(self._answers, self._of("these"), self._needed_model(), 0.0).sampling
            B = self._unbounded
        variance = max(float(B[a, a] + B[b, b] - 2.0 * B[a, b]), 0.0)
        p = len(self.questions)
        floor = 1.0 / (p + 4.0)  # the same answers everywhere: Wilson's share of questions on which they differ
        return float(np.sqrt(max(variance * p, floor)))

    def _place(self, name: str) -> int:
        if name not in self.models:
            raise ValueError(f"no model {name!r} on the board; {close_matches(name, self.models)}.")
        return self.models.index(name)

    def _remaining(self, name: str | None) -> Remaining:
        model = self._fitted()
        bank = model.bank_
        if name is None:
            return Remaining.of(bank, (0.0, bank.prior_sd), np.zeros(0, dtype=np.int64))
        place = self._place(name)
        inference = model.inference()
        ability = inference.row_factors()
        answered = np.asarray(self._answers.table.cols)[np.asarray(self._answers.table.rows) == place]
        return Remaining.of(bank, (float(ability.estimate[place]), float(ability.se[place])), answered)


def scores_statuses() -> tuple[str, ...]:
    """Statuses of trials that were run."""
    return ("graded", "own failure", "not graded")
