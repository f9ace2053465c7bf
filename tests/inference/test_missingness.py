"""The look at why cells are missing: it speaks where asking was targeted or counts tell, and is silent elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

import halfseen as hs
from halfseen.inference.missingness import missing_for_a_reason

N, P = 60, 40


def answers(rng, family):
    ability, difficulty = rng.normal(size=N), rng.normal(size=P)
    gap = ability[:, None] - difficulty
    if family == "gaussian":
        return ability, gap, 1e5 + 300 * (gap + 0.7 * rng.normal(size=(N, P)))
    if family == "poisson":
        return ability, gap, rng.poisson(np.exp(0.5 * gap + 1)).astype(float)
    return ability, gap, (rng.random((N, P)) < expit(1.5 * gap)).astype(float)


def look(seed, family, chance_of_being_seen):
    rng = np.random.default_rng(seed)
    ability, gap, table = answers(rng, family)
    seen = rng.random((N, P)) < chance_of_being_seen(rng, ability, gap)
    return missing_for_a_reason(hs.Observed.from_dense(np.where(seen, table, np.nan)), seed)


every_family = pytest.mark.parametrize("family", ["bernoulli", "gaussian", "poisson"])


@every_family
def test_adaptive_asking_is_found(family):
    spoke = [look(seed, family, lambda rng, a, gap: 0.8 * np.exp(-(gap**2))).targeting.speaks for seed in range(10)]
    assert sum(spoke) >= 9


@every_family
def test_rows_that_answer_more_because_they_are_able_are_found(family):
    spoke = [look(seed, family, lambda rng, a, gap: expit(1.2 * a[:, None] - 0.4)).counting for seed in range(10)]
    assert sum(pattern.speaks for pattern in spoke) >= 9


@every_family
@pytest.mark.parametrize("kind", ["uniform", "rows and columns", "blocks"])
def test_patterns_that_have_nothing_to_do_with_the_answers_are_passed_over(family, kind):
    def chance(rng, ability, gap):
        if kind == "uniform":
            return 0.4
        if kind == "blocks":
            return (rng.integers(4, size=N)[:, None] == np.arange(P) * 4 // P).astype(float)
        return expit(rng.normal(size=(N, 1)) + 1.5 * rng.normal(size=P) - 0.4)

    spoke = [look(seed, family, chance).sentences() for seed in range(20)]
    # each of two looks speaks by chance in at most one table in five hundred; two of twenty would be a fault
    assert sum(bool(texts) for texts in spoke) <= 1


def test_the_sentences_name_the_pattern_and_a_way_out():
    patterns = look(0, "bernoulli", lambda rng, a, gap: 0.8 * np.exp(-(gap**2)))
    (text, *_) = patterns.sentences()
    assert "not missing at random" in text
    assert "harder" in text
    assert "sensitivity()" in text


def test_complete_and_tiny_tables_are_not_judged():
    rng = np.random.default_rng(0)
    complete = missing_for_a_reason(hs.Observed.from_dense(rng.normal(size=(50, 20))))
    tiny = missing_for_a_reason(hs.Observed.from_dense(np.where(np.eye(5) > 0, np.nan, 1.0)))
    assert complete.targeting is complete.counting is tiny.targeting is None


def test_constant_tables_and_rows_without_entries_are_no_trouble():
    table = np.where(np.random.default_rng(0).random((40, 10)) < 0.5, 3.0, np.nan)
    table[:4] = np.nan
    assert missing_for_a_reason(hs.Observed.from_dense(table)).sentences() == ()


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bernoulli", "gaussian"])
def test_tables_of_few_columns_raise_no_more_false_alarms_than_one_in_five_hundred(family):
    alarms = 0
    for seed in range(1000):
        rng = np.random.default_rng([5, seed])
        gap = rng.normal(size=(60, 1)) - rng.normal(size=5)
        noisy = gap + rng.normal(size=gap.shape)
        table = noisy if family == "gaussian" else (rng.random(gap.shape) < expit(1.5 * gap)).astype(float)
        table = np.where(rng.random(gap.shape) < 0.6, table, np.nan)
        alarms += bool(missing_for_a_reason(hs.Observed.from_dense(table), seed).sentences())
    # two are expected; seven or more would come by chance once in two hundred times
    assert alarms <= 6
