"""What values suggest, on tables of which the truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from halfseen.data import Observed
from halfseen.data.suggest import dispersion, hints

NAN = np.nan


def hidden(values: np.ndarray, share: float = 0.3, seed: int = 1) -> Observed:
    table = np.array(values, dtype=float)
    table[np.random.default_rng(seed).random(table.shape) < share] = NAN
    return Observed.from_dense(table)


def said(R: Observed, kind: str) -> list[tuple[str, str]]:
    return [(hint.value, hint.text) for hint in hints(R) if hint.kind == kind]


def effects(rng: np.random.Generator, n: int = 80, p: int = 40) -> np.ndarray:
    return np.exp(rng.normal(0, 0.7, (n, 1)) + rng.normal(0, 0.7, (1, p)) + 1.0)


@pytest.mark.parametrize("seed", range(5))
def test_whole_grades_are_no_counts(seed):
    rng = np.random.default_rng(seed)
    grades = np.round(72 + 10 * rng.normal(size=(60, 1)) + 6 * rng.normal(size=(60, 8))).clip(0, 100)
    assert [value for value, _ in said(hidden(grades), "family")] == ["gaussian"]
    points = np.round(11 + 2 * rng.normal(size=(60, 1)) + 1.5 * rng.normal(size=(60, 8))).clip(0, 20)
    assert [value for value, _ in said(hidden(points), "family")] == ["gaussian"]
    large = rng.poisson(400, (60, 8)).astype(float)
    assert [value for value, _ in said(hidden(large), "family")] == ["gaussian"]


@pytest.mark.parametrize("seed", range(5))
def test_counts_are_told_apart_by_how_they_scatter(seed):
    rng = np.random.default_rng(seed)
    mu = effects(rng)
    poisson, scattered = hidden(rng.poisson(mu)), hidden(rng.poisson(mu * rng.gamma(0.7, 1 / 0.7, mu.shape)))
    assert said(poisson, "family")[0][0] == "poisson"
    assert said(scattered, "family")[0][0] == "negative_binomial"
    assert 0.8 < dispersion(poisson) < 1.25
    assert dispersion(scattered) > 2


@pytest.mark.parametrize(
    ("values", "family"),
    [
        ([0, 1], "bernoulli"),
        ([1, 2, 3, 4, 5], "ordinal"),
        ([0, 1, 2], "ordinal"),
        ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "ordinal"),
        ([0.5, 1.25, 7.0], "gaussian"),
        ([-3, 0, 4, 9], "gaussian"),
    ],
)
def test_answers_on_a_scale_are_ordinal_and_all_else_is_not(values, family):
    drawn = np.random.default_rng(0).choice(values, (60, 30))
    assert said(hidden(drawn), "family")[0][0] == family


def test_ratings_of_which_most_are_unseen_point_to_bayes():
    rng = np.random.default_rng(0)
    stars = rng.integers(1, 6, (60, 40))
    assert said(hidden(stars, 0.9), "method")[0][0] == "bayes"
    assert said(hidden(stars / 2, 0.9), "method")[0][0] == "bayes"
    assert said(hidden(stars, 0.1), "method") == []
    assert said(hidden(rng.normal(size=(60, 40)), 0.9), "method") == []


def test_values_that_may_be_codes_are_asked_about():
    rng = np.random.default_rng(0)
    two = said(hidden(rng.choice([1, 2], (30, 20))), "question")[0][1]
    assert "only two values, 1 and 2" in two
    assert "values={1: 0, 2: 1}" in two
    coded = np.where(rng.random((30, 20)) < 0.04, 99, rng.integers(1, 6, (30, 20)))
    assert "99 stands in" in said(hidden(coded), "question")[0][1].replace("99.0", "99")
    assert "missing=99" in said(hidden(coded), "question")[0][1]
    low = np.where(rng.random((30, 20)) < 0.2, -99, rng.normal(size=(30, 20)))
    assert "missing=-99" in said(hidden(low), "question")[0][1]
    limit = np.minimum(rng.lognormal(3, 2, (60, 40)), 60)
    assert "60, the largest value" in said(hidden(limit), "question")[0][1]
    assert "Every value is 3" in said(Observed.from_dense([[3.0, 3.0], [3.0, NAN]]), "question")[0][1]
    for plain in (rng.normal(size=(30, 20)), rng.poisson(5, (30, 20)), rng.integers(0, 2, (30, 20))):
        assert said(hidden(plain), "question") == []


def test_the_shape_of_a_table_is_told():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 6))
    assert "complete" in said(Observed.from_dense(X), "structure")[0][1]
    constant = X.copy()
    constant[:, 2] = 1.7
    assert "1 column is constant: 2" in said(hidden(constant), "structure")[0][1]
    panel = X * [1, 1, 1, 500, 1, 1]
    (value, text), = said(hidden(panel), "structure")  # fmt: skip
    assert value == "scale columns"
    assert "factor of" in text
    assert said(hidden(X), "structure") == []
    apart = np.full((30, 6), NAN)
    apart[:20, :3], apart[20:, 3:] = X[:20, :3], X[20:, 3:]
    assert "2 groups without a common column (20, 10 rows)" in said(Observed.from_dense(apart), "structure")[0][1]


def test_facts_are_ready_for_json():
    import json

    R = Observed.from_triplets(["a", "b"], [0, 70_000], [1.0, 2.0])
    facts = json.loads(json.dumps(R.describe()))
    assert facts["notes"]
    assert {"kind", "text", "value"} == set(facts["hints"][0])
