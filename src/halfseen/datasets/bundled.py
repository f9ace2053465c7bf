"""Small tables that come with the library: simulated here, in the public domain, the same on every machine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from halfseen.data import Observed


def _logistic(linear: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-linear))


def sensors() -> Observed:
    """Hourly readings of eight sensors over two weeks; a fifth is lost, and "south" is silent for thirty hours.

    Examples
    --------
    >>> sensors()
    Observed(336 x 8, 2134 entries, 79.4 % seen, float64, labelled)
    """
    rng = np.random.default_rng(1)
    hours = np.arange(336)
    day = hours * np.pi / 12
    common = np.column_stack([np.sin(day), np.cos(day), np.cumsum(rng.normal(size=336)) / 8])
    level = np.array([12.0, 14.0, 15.0, 13.0, 16.0, 11.0, 60.0, 1013.0])
    unit = np.array([2.0, 3.0, 4.0, 3.0, 5.0, 0.8, 9.0, 6.0])
    readings = level + unit * (common @ rng.normal(size=(3, 8)) + 0.2 * rng.normal(size=(336, 8)))
    seen = rng.random(readings.shape) < 0.8
    seen[100:130, 2] = False
    names = ["north", "east", "south", "west", "roof", "cellar", "humidity", "pressure"]
    table = np.where(seen, readings.round(2), np.nan)
    return Observed.from_dense(table, row_labels=[f"hour {hour:03}" for hour in hours], col_labels=names)


def school_test() -> Observed:
    """Right (1) and wrong (0) answers of 600 people to 12 questions from easy to hard; a quarter is missing."""
    rng = np.random.default_rng(2)
    ability, slope = rng.normal(size=(600, 1)), rng.lognormal(0.2, 0.3, 12)
    chance = _logistic(slope * (ability - np.linspace(-1.5, 1.5, 12)))
    answers = np.where(rng.random((600, 12)) < 0.75, rng.random((600, 12)) < chance, np.nan)
    people, questions = [f"person {i:03}" for i in range(600)], [f"question {j:02}" for j in range(1, 13)]
    return Observed.from_dense(answers, row_labels=people, col_labels=questions)


def model_answers() -> Observed:
    """Right (1) and wrong (0) answers of 30 systems to 400 questions, of which each was asked about forty."""
    rng = np.random.default_rng(4)
    ability, difficulty = rng.normal(size=(30, 1)), 2.2 * rng.normal(size=400)
    answers = rng.random((30, 400)) < _logistic(ability - difficulty)
    table = np.where(rng.random(answers.shape) < 0.1, answers, np.nan)
    systems, questions = [f"model {i:02}" for i in range(30)], [f"sums/{j:03}" for j in range(400)]
    return Observed.from_dense(table, row_labels=systems, col_labels=questions)


def film_ratings() -> Observed:
    """Ratings 1 to 5 that 300 users gave 120 films, some eighteen each."""
    rng = np.random.default_rng(0)
    taste, trait = rng.normal(size=(300, 3)), rng.normal(size=(120, 3))
    liking = 3.5 + 0.5 * rng.normal(size=(300, 1)) + 0.5 * rng.normal(size=120) + 0.4 * taste @ trait.T
    ratings = np.clip(np.round(liking + 0.5 * rng.normal(size=liking.shape)), 1, 5)
    table = np.where(rng.random(ratings.shape) < 0.15, ratings, np.nan)
    users, films = [f"user {i:03}" for i in range(300)], [f"film {j:03}" for j in range(120)]
    return Observed.from_dense(table, row_labels=users, col_labels=films)


def amounts() -> Observed:
    """What 20 000 customers bought more or less of than usual: three of thirty products each."""
    rng = np.random.default_rng(3)
    loadings = rng.normal(size=(30, 2))
    cols = np.argsort(rng.random((20_000, 30)), axis=1)[:, :3].ravel()
    rows = np.repeat(np.arange(20_000), 3)
    habits = rng.normal(size=(20_000, 2))
    values = np.einsum("ek,ek->e", habits[rows], loadings[cols]) + 0.5 * rng.normal(size=60_000)
    return Observed.from_triplets(rows, cols, values.round(3), shape=(20_000, 30))


# Name, what rows, columns and values are, the family of the values, and what makes the table.
BUNDLED: dict[str, tuple[str, str, Callable[[], Observed]]] = {
    "sensors": ("336 hours x 8 sensors in units of their own, 80 % seen", "gaussian", sensors),
    "school_test": ("600 people x 12 questions, right or wrong, 75 % seen", "bernoulli", school_test),
    "model_answers": ("30 language models x 400 questions, right or wrong, 10 % seen", "bernoulli", model_answers),
    "film_ratings": ("300 users x 120 films, ratings 1..5, 15 % seen", "gaussian", film_ratings),
    "amounts": ("20000 customers x 30 products, three amounts each", "gaussian", amounts),
}
