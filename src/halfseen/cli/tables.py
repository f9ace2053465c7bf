"""Fits of one table: what is held out, which rank, judged by what, beside which rivals, drawn how."""

from __future__ import annotations

import re
import shlex
from ast import literal_eval
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import halfseen as hs
from halfseen.cli.items import groups_of
from halfseen.cli.job import Job, choice_facts, quietly, told
from halfseen.cli.methods import method_named
from halfseen.cli.options import ALS_RANKS, FeatureFiles, GroupsOptions, TableOptions, TrialsOption
from halfseen.cli.pictures import completed, picture_size
from halfseen.cli.scores import judge_model, places
from halfseen.cli.screen import Steps, count, note, share
from halfseen.cli.source import family_of, open_table, read_sides, resolved_columns
from halfseen.data import Observed, check_support
from halfseen.data.readers import is_read_as_wide
from halfseen.losses import Loss, get_loss, has_columns
from halfseen.metrics import coverage, mean_width

LEVEL = 0.95
GRADED = ("grm", "gpcm")


class TableJob(Job):
    """A fit of one table."""

    loss: Loss
    size: tuple[int, int] | None
    sides: dict[str, Any]  # features of rows and columns, by the argument of fit
    keys: dict[str, Any]  # the files that they are from

    def open(self) -> None:
        asked = self.asked
        trials = asked.part(TrialsOption).trials
        column = trials if trials is not None and not trials.isdigit() else None
        self.whole = self.read(column)
        self.sides, self.keys = self.read_sides()
        self.size = picture_size(asked.output.image, asked.data[0], self.whole.shape[1])
        self.settle_family(None if column is not None else trials)
        self.check_ranks()
        self.make({name: values[0] for name, values in self.several().items()})._checked()

    def read(self, trials: str | None) -> Observed:
        """The table; how it was recognised is kept, so that new rows are read alike.

        A test's answers in words whose order is known become numbers, as `ItemResponseModel` reads them in Python.
        """
        data, table = self.asked.data[0], self.asked.table
        try:
            whole = open_table(data, table, trials)
        except ValueError as error:
            meaning = known_words(str(error)) if self.asked.method.name == "irt" and table.values is None else None
            if meaning is None:
                raise
            table = replace(table, values=meaning)
            note(f"words were read as numbers: --values {shlex.quote(meaning)}")
            whole = open_table(data, table, trials)
        if is_read_as_wide(whole):
            table = replace(table, wide=True)
        self.asked = replace(self.asked, parts={**self.asked.parts, TableOptions: table})
        return whole

    def read_sides(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Features of rows and columns, where files of them were given."""
        sides, keys = read_sides(self.asked.part(FeatureFiles), self.whole, self.asked.table)
        if sides and self.asked.is_scaled:
            raise ValueError("--scale columns takes no files of features; leave one of them out")
        return sides, keys

    def settle_family(self, trials: str | None) -> None:
        """The family: given, that of a named data set, or the estimator's own; checked against the values."""
        estimator = self.asked.method.estimator
        self.loss = get_loss("gaussian")
        if "family" not in estimator._parameters:
            return
        own = str(estimator().family)
        given = self.asked.settings.get("family")
        code = given or (own if own != "gaussian" else family_of(self.asked.data[0]))
        if given is None and self.asked.method.name == "irt":
            named = family_of(self.asked.data[0])
            code = named if named.startswith("binomial(") else own
        if trials is not None:
            if code not in ("binomial", own):
                raise ValueError(f"--trials belongs to --family binomial, not to --family {code}")
            code = f"binomial({trials})"
        elif code == "binomial":
            raise ValueError("--family binomial needs --trials N, the number of trials per entry")
        self.values["family"] = (code,)
        # graded answers are judged by their distance, yes/no answers by their chance too
        is_graded = self.values.get("kind", ("",))[0] in GRADED
        self.loss = get_loss("gaussian" if is_graded else code)
        if self.whole.trials is None and self.asked.method.name != "irt":
            loss: Any = self.loss
            known = loss.learned(self.whole) if has_columns(loss) else loss
            check_support(self.whole, known, "family")

    def check_ranks(self) -> None:
        """A rank that the table cannot have is refused; of several, those that it can have are tried."""
        ranks = self.values.get("rank", ())
        largest = min(self.whole.shape)
        if self.asked.method.name == "descent" or not ranks:
            return
        if len(ranks) == 1 and isinstance(ranks[0], int) and ranks[0] > largest:
            raise ValueError(
                f"--rank {ranks[0]} is more than the shorter side of the table, {largest}; give at most that"
            )
        kept = tuple(rank for rank in ranks if rank is None or isinstance(rank, str) or rank <= largest)
        self.values["rank"] = kept or (largest,)

    # ---- what differs from other kinds of data ---------------------------------------------------------------------

    def split(self, data: Observed, share: float, seed: int) -> tuple[Observed, Observed]:
        return data.split(share, random_state=seed, keep_covered=True)

    def fit_arguments(self, data: Observed) -> dict[str, Any]:
        arguments: dict[str, Any] = {} if data.trials is None else {"trials": data.trials}
        given = self.asked.part(GroupsOptions)
        if given.blocks is not None:
            arguments["blocks"] = blocks_of(data.col_labels, given.blocks)
        if given.row_groups is not None:
            arguments["row_groups"] = groups_of(given.row_groups, data)
        return arguments | self.sides

    def fit_one(self, model: Any, data: Observed) -> None:
        super().fit_one(model, data if self.is_own(model) else as_shares(data))

    def score(self, model: Any, hidden: Observed) -> tuple[np.ndarray | None, dict[str, float]]:
        inner, hidden = as_fitted_to(model, as_shares(hidden))
        return judge_model(inner, hidden, self.loss)

    def truth(self) -> np.ndarray:
        return np.asarray(as_fitted_to(self.model, as_shares(self.hidden))[1].values, dtype=float)

    def named(self, model: Any) -> str:
        method, model = self.asked.method, getattr(model, "model_", model)
        if method.name == "irt":
            return f"{method.title}, {model.kind_}"
        if method.name == "descent":
            return f"{method.title}, {int(model.rank_)} columns"
        return f"{method.title}, rank {getattr(model, 'rank_', self.chosen.get('rank'))}"

    def choose(self, seen: Observed, bar: Steps) -> dict[str, Any]:
        """Ranks by `select.choose_rank` for every combination of the others."""
        grid = self.several()
        if not grid or self.fit_arguments(seen) or self.asked.is_scaled:
            return super().choose(seen, bar)
        ranks = grid.get("rank", self.values.get("rank", (self.make({}).get_params()["rank"],)))
        others = {name: values for name, values in grid.items() if name != "rank"}
        seed, losses, best = self.asked.judge.seed, [], {}
        for values in product(*others.values()):
            given = dict(zip(others, values, strict=True))
            losses.append(tried_ranks(self.make({**given, "rank": ranks[0]}), seen, ranks, seed, bar, told(given)))
        table = np.array(losses)
        place = np.unravel_index(int(np.nanargmin(table)), table.shape)
        values = list(product(*others.values()))[place[0]]
        best = {**dict(zip(others, values, strict=True)), "rank": int(ranks[place[1]])}
        ordered = {**others, "rank": ranks}
        self.choice = choice_facts(ordered, table.ravel(), int(np.nanargmin(table)))
        return best

    def settle(self, model: Any) -> None:
        super().settle(model)
        if hasattr(model, "inference") and self.asked.method.name == "bayes" and self.hidden is not None:
            inner, hidden = as_fitted_to(model, self.hidden)
            self.intervals = judge_intervals(inner, hidden) if inner.family == "gaussian" else None

    def rivals(self, seen: Observed) -> list[tuple[str, Any]]:
        others: list[tuple[str, Any]] = []
        if self.asked.method.name != "als":
            is_chosen = "rank" in self.chosen or self.asked.method.name == "descent"
            rank = getattr(self.model, "rank_", 1) if not is_chosen else als_rank(seen, self.asked.judge.seed)
            rank = rank if isinstance(rank, int | np.integer) else 1
            als = hs.AlternatingLeastSquares(rank=int(rank), random_state=self.asked.judge.seed)
            others.append((f"{method_named('als').title}, rank {rank}", als))
        others += [("row and column means", hs.BiasModel()), ("column mean", hs.ColumnMean())]
        return [(name, hs.ScaledColumns(rival)) for name, rival in others] if self.asked.is_scaled else others

    # ---- what is left behind ---------------------------------------------------------------------------------------

    def facts(self) -> dict[str, Any]:
        observed = self.whole
        facts: dict[str, Any] = {
            "data": {
                "source": self.asked.data[0],
                "columns": resolved_columns(self.asked.data[0], self.asked.table, observed),
                "n_rows": observed.shape[0],
                "n_cols": observed.shape[1],
                "n_entries": observed.n_entries,
                "density": observed.density,
                "values": [float(observed.values.min(initial=np.inf)), float(observed.values.max(initial=-np.inf))],
            },
            "n_fitted": self.seen.n_entries,
            "n_judged": 0 if self.hidden is None else self.hidden.n_entries,
            "rank": self.chosen.get("rank", getattr(self.model, "rank_", None)),
            "penalty": str(self.chosen["penalty"]) if "penalty" in self.chosen else None,
        }
        if self.keys:
            facts["features"] = self.keys
        if facts["rank"] is None and "rank" in self.values:
            facts["rank"] = self.values["rank"][0]
        if self.asked.is_scaled:
            facts["unit"] = "spread of the column"
        if self.asked.method.name == "descent":
            facts["rank"] = int(getattr(self.model, "model_", self.model).rank_)
        return facts

    def details(self) -> dict[str, Any]:
        from halfseen.data.facts import SeenShares
        from halfseen.show.fits import held_out_bins

        details: dict[str, Any] = {"seen": SeenShares.of(self.whole).as_dict(), "image": self.size}
        if self.judged is not None and len(self.judged[0]) == len(self.judged[1]) > 0:
            details["held_out"] = held_out_bins(*self.judged)
        return details

    def draw(self, folder: Path, facts: dict[str, Any]) -> None:
        from halfseen.show import save_figure
        from halfseen.show.fits import plot_fit

        run = getattr(self.model, "run_", None)
        choice = facts.get("choice") if len(facts.get("choice", {}).get("ranks", ())) > 1 else None
        save_figure(plot_fit(choice, facts["rank"], self.judged, run), folder / "fit.png")
        if self.asked.method.name == "descent":
            from halfseen.show.descent import plot_descent_fit

            save_figure(plot_descent_fit(getattr(self.model, "model_", self.model)), folder / "descent.png")
        if self.size is not None:
            save_figure(completed(self, self.size), folder / "completed.png")

    def show(self, facts: dict[str, Any]) -> Iterator[Any]:
        data = facts["data"]
        yield (
            f"{data['source']}: {count(data['n_rows'])} rows x {count(data['n_cols'])} columns, "
            f"{count(data['n_entries'])} entries ({share(data['density'])} of the cells)"
        )


def known_words(refusal: str) -> str | None:
    """The option that a refusal advises where all that lacks are numbers for words in their known order.

    >>> known_words("Say what numbers the words stand for with values={'no': 0, 'yes': 1}")
    'no=0,yes=1'
    >>> known_words("with values={'red': ?, 'blue': ?}")
    """
    advised = re.search(r"values=(\{[^{}?]*\})(?!,? (?:and )?drop=)", refusal)
    meaning = {} if advised is None or "..." in advised[1] else literal_eval(advised[1])
    if not meaning or any(mark in word for word in meaning for mark in ",="):
        return None
    return ",".join(f"{word}={number}" for word, number in meaning.items())


def tried_ranks(model: Any, seen: Observed, ranks: tuple[Any, ...], seed: int, bar: Steps, text: str) -> np.ndarray:
    """Losses of all ranks on held-out entries, each from scratch, as the model will be fitted."""
    bar.begin(f"ranks {', '.join(map(str, ranks))}" + (f"; {text}" if text else ""))
    bar.watch(model)
    with quietly():  # what candidates complain about is why they lose
        choice = hs.select.choose_rank(model, seen, ranks, n_splits=1, random_state=seed, is_warm=False)
    return np.asarray(choice.losses, dtype=float).reshape(len(ranks), -1).mean(axis=1)


def als_rank(seen: Observed, seed: int) -> int:
    """The rank of alternating least squares that predicts held-out entries best."""
    ranks = tuple(rank for rank in map(int, ALS_RANKS.split(",")) if rank <= min(seen.shape)) or (min(seen.shape),)
    if len(ranks) == 1:
        return ranks[0]
    with quietly():
        model = hs.AlternatingLeastSquares(rank=ranks[0], random_state=seed)
        return int(hs.select.choose_rank(model, seen, ranks, n_splits=1, random_state=seed, is_warm=False).rank)


def as_shares(table: Observed) -> Observed:
    """The table itself; of counts with trials, the shares of success, each with its trials as weight."""
    if table.trials is None:
        return table
    shares = Observed.from_triplets(
        table.rows, table.cols, table.values / table.trials, weights=table.trials, shape=table.shape,
        row_labels=table.row_labels, col_labels=table.col_labels,
    )  # fmt: skip
    return shares


def as_fitted_to(model: Any, hidden: Observed) -> tuple[Any, Observed]:
    """A model and entries in the units in which the model saw its columns: errors of unlike columns count alike."""
    return (model.model_, model._scaled(hidden)) if isinstance(model, hs.ScaledColumns) else (model, hidden)


def judge_intervals(model: Any, hidden: Observed) -> dict[str, float]:
    """Share of the hidden values inside their predictive intervals, and the intervals' mean width."""
    intervals = model.inference(LEVEL).responses(*places(hidden), weights=hidden.weights)
    return {
        "level": LEVEL,
        "coverage": float(coverage(intervals.low, intervals.high, hidden.values)),
        "mean_width": float(mean_width(intervals.low, intervals.high)),
    }


def blocks_of(labels: Any, separator: str) -> list[str]:
    """The text of every label before the first separator.

    >>> blocks_of(hs.Observed.from_dense([[1, 0, 1]], col_labels=["mbpp/1", "mbpp/2", "eval/1"]).col_labels, "/")
    ['mbpp', 'mbpp', 'eval']
    """
    texts = [] if labels is None else [str(label) for label in labels.tolist()]
    without = [text for text in texts if separator not in text] if separator else texts
    if not texts or without:
        what = f"column {without[0]!r} has no {separator!r} in it" if without else "the columns have no labels"
        raise ValueError(f"--blocks {separator!r}: {what}; give the text that ends the block's name in every label")
    return [text.split(separator, 1)[0] for text in texts]
