"""How well people are predicted of whom few ratings are known, or none: error and coverage by the number of known ones.

    HALFSEEN_DATA=/path/to/data python examples/results/few_entries.py            # runs what the table lacks
    HALFSEEN_DATA=/path/to/data python examples/results/few_entries.py --summary  # only prints means

MovieLens-100k. Of 150 people with 40 ratings or more, drawn by the split's seed, 20 ratings are the most that a model
may know, in random order, and the others are predicted; all other people are the training table. Systems:

- "features alone": ``InductiveCompletion`` with age, sex, occupation and postcode of people, genres and year of films;
- "features and ratings": the same model, new people placed by both;
- "ratings alone": alternating least squares, new people folded in;
- "Bayesian, features and ratings": ``BayesianFactorization`` with the same features, new people placed under its draws;
- "Bayesian, in the fit": the same, the known ratings being part of the training table.

``coverage`` is the share of the predicted ratings inside the 95 % predictive intervals. One thread.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict

import numpy as np
from als_movielens import ratings
from kept import Kept
from ratings_movielens import known

import halfseen as hs

KEPT = Kept(__file__, ("split", "system", "known", "rmse", "coverage", "cpu_seconds"))
KNOWN, IN_THE_FIT = (0, 1, 2, 5, 10, 20), (0, 1, 5)
PEOPLE, LEAST, MOST = 150, 40, 20


class Split:
    """Training table, and what is known and asked of the people set aside."""

    def __init__(self, seed: int) -> None:
        users, films, values = ratings("ml-100k")
        self.shape, self.sides = (int(users.max()) + 1, int(films.max()) + 1), known("ml-100k")
        rng = np.random.default_rng(seed)
        able = np.flatnonzero(np.bincount(users) >= LEAST)
        self.people = np.sort(rng.choice(able, PEOPLE, replace=False))
        order = rng.permutation(len(values))
        users, films, values = users[order], films[order], values[order]
        aside = np.isin(users, self.people)
        self.train = users[~aside], films[~aside], values[~aside]
        rank = np.zeros(len(users), dtype=int)
        for person in self.people:
            own = users == person
            rank[own] = np.arange(own.sum())
        self.aside = tuple(part[aside] for part in (users, films, values)), rank[aside]
        (u, f, v), place = self.aside
        test = place >= MOST
        self.asked = np.searchsorted(self.people, u[test]), f[test], v[test].astype(float)

    def first(self, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The first ratings of everybody who was set aside."""
        (u, f, v), place = self.aside
        return u[place < n], f[place < n], v[place < n]

    def table(self, n: int = 0) -> hs.Observed:
        """The training table, with the first ratings of the others."""
        parts = [np.concatenate(pair) for pair in zip(self.train, self.first(n), strict=True)]
        return hs.Observed.from_triplets(*parts, shape=self.shape)

    def newcomers(self, n: int) -> np.ndarray:
        """The first ratings as a table of new rows."""
        table = np.full((PEOPLE, self.shape[1]), np.nan, dtype=np.float32)
        u, f, v = self.first(n)
        table[np.searchsorted(self.people, u), f] = v
        return table

    def others(self) -> tuple[hs.Observed, object]:
        """The training table without the lines of the people set aside, and the features of its rows."""
        kept = np.setdiff1d(np.arange(self.shape[0]), self.people)
        return self.table().take_rows(kept), self.sides[0][kept]

    def judged(self, predicted: np.ndarray, ends: tuple[np.ndarray, np.ndarray] | None = None) -> tuple[str, str]:
        """Error of the asked ratings, and coverage."""
        rmse = hs.metrics.rmse(self.asked[2], np.clip(np.asarray(predicted, dtype=float), 1, 5))
        return f"{rmse:.5f}", "" if ends is None else f"{hs.metrics.coverage(*ends, self.asked[2]):.4f}"


def fitted_once(split: Split, system: str, seed: int) -> object:
    """The model of the other people."""
    table, people = split.others()
    if system == "ratings alone":
        return hs.AlternatingLeastSquares(clip=(1, 5), random_state=seed).fit(table)
    if system.startswith("Bayesian"):
        model = hs.BayesianFactorization(clip=(1, 5), random_state=seed)
        return model.fit(table, row_features=people, col_features=split.sides[1])
    if system == "features alone":
        model = hs.InductiveCompletion(free_rank=0, effects="none", random_state=seed)
    else:
        model = hs.InductiveCompletion(random_state=seed)
    return model.fit(table, row_features=people, col_features=split.sides[1])


def placed(split: Split, system: str, model: object, n: int) -> tuple[str, str]:
    """Error and coverage with the first n ratings of everybody."""
    at, people = split.asked[:2], split.sides[0][split.people]
    rows = split.newcomers(n)
    if system == "features alone":
        return split.judged(model.predict_table(people)[at])
    if system == "ratings alone":
        if not n:
            rows = np.full((PEOPLE + 1, split.shape[1]), np.nan)  # a table has an entry: the last line's
            rows[-1, 0] = 3.0
        return split.judged(model.predict(rows)[at])
    given = None if not n else rows
    if system == "features and ratings":
        said = model.new_rows(given, people).responses(*at)
    else:
        said = model.inference(0.95).new_rows(given, row_features=people).responses(*at)
    return split.judged(said.estimate, (said.low, said.high))


def in_the_fit(split: Split, n: int, seed: int) -> tuple[str, str]:
    """The same where the known ratings are part of the training table."""
    model = hs.BayesianFactorization(clip=(1, 5), random_state=seed)
    model.fit(split.table(n), row_features=split.sides[0], col_features=split.sides[1])
    said = model.inference(0.95).responses(split.people[split.asked[0]], split.asked[1])
    return split.judged(said.estimate, (said.low, said.high))


SYSTEMS = ("features alone", "features and ratings", "ratings alone", "Bayesian, features and ratings")


def run(splits: list[int], systems: list[str]) -> None:
    """What the file lacks; a line is written as soon as it is known."""
    done = {(row["split"], row["system"], row["known"]) for row in KEPT.read()}
    for seed in splits:
        split = Split(seed)
        for system in systems:
            in_fit = system == "Bayesian, in the fit"
            numbers = IN_THE_FIT if in_fit else KNOWN
            lacking = [n for n in numbers if (str(seed), system, str(n)) not in done]
            begun = time.process_time()
            model = fitted_once(split, system, seed) if lacking and not in_fit else None
            for n in lacking:
                judged = in_the_fit(split, n, seed) if in_fit else placed(split, system, model, n)
                KEPT.write((seed, system, n, *judged, f"{time.process_time() - begun:.2f}"))
                begun = time.process_time()
                print(seed, system, n, *judged, flush=True)


def summary() -> None:
    """Means over the splits."""
    found: dict[str, dict[int, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for row in KEPT.read():
        pair = float(row["rmse"]), float(row["coverage"] or "nan")
        found[row["system"]][int(row["known"])].append(pair)
    for system, by_number in found.items():
        cells = [f"{n}: " + "/".join(f"{x:.4f}" for x in np.mean(pairs, axis=0)) for n, pairs in by_number.items()]
        print(f"{system:32}", "  ".join(cells))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--summary", action="store_true", help="print means of what is in the file, run nothing")
    parser.add_argument("--split", type=int, action="append", help="only this split")
    parser.add_argument("--system", action="append", help="only this system")
    arguments = parser.parse_args()
    if not arguments.summary:
        everything = [*SYSTEMS, "Bayesian, in the fit"]
        run(arguments.split if arguments.split is not None else [0, 1, 2], arguments.system or everything)
    summary()
