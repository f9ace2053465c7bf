"""Sums of hidden responses: against the plain convolution, and against simulation for every family."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from halfseen.inference.realised import MOST_CELLS, hidden_sums
from halfseen.losses import Mixed, NegativeBinomial, Ordinal, ScaledGaussian, get_loss

TAIL = 0.025


def plain_ends(chances, weights, tail=TAIL):
    """The Poisson-binomial law of one row by convolution, node by node."""
    law = 0.0
    for row, weight in zip(chances, weights, strict=True):
        at_node = np.ones(1)
        for p in row:
            at_node = np.convolve(at_node, [1 - p, p])
        law = law + weight * at_node
    below = np.cumsum(law)
    low = int(np.searchsorted(below, tail, side="right"))
    return low, int(np.searchsorted(below, 1 - tail - 1e-12, side="left"))


def test_yes_no_answers_have_the_mixed_poisson_binomial_law():
    rng = np.random.default_rng(0)
    counts = np.array([1, 2, 0, 7, 3, 19])
    pointer = np.concatenate([[0], np.cumsum(counts)])
    linear, se = rng.normal(size=pointer[-1]), rng.uniform(0.1, 1.0, pointer[-1])
    low, high = hidden_sums(get_loss("bernoulli"), linear, se, np.arange(pointer[-1]), pointer, 1.0, TAIL)
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    for row, count in enumerate(counts):
        cells = slice(pointer[row], pointer[row + 1])
        chances = expit(linear[cells] + nodes[:, None] * se[cells])
        expected = plain_ends(chances, weights / weights.sum()) if count else (0, 0)
        assert (low[row], high[row]) == expected


def test_long_rows_agree_with_the_convolution_to_one_answer():
    rng = np.random.default_rng(1)
    k = MOST_CELLS + 50
    linear, se = rng.normal(size=k), np.full(k, 0.2)
    low, high = hidden_sums(get_loss("bernoulli"), linear, se, np.arange(k), np.array([0, k]), 1.0, TAIL)
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    expected = plain_ends(expit(linear + nodes[:, None] * se), weights / weights.sum())
    assert abs(low[0] - expected[0]) <= 1
    assert abs(high[0] - expected[1]) <= 1


def test_an_unknown_predictor_can_be_anything():
    low, high = hidden_sums(
        get_loss("bernoulli"), np.array([4.0]), np.array([np.inf]), np.zeros(1, int), np.array([0, 1]), 1.0, TAIL
    )
    assert (low[0], high[0]) == (0.0, 1.0)


P = 12
LOSSES = {
    "gaussian": get_loss("gaussian"),
    "bernoulli": get_loss("bernoulli"),
    "probit": get_loss("probit"),
    "binomial": get_loss("binomial(5)"),
    "poisson": get_loss("poisson"),
    "negative_binomial": NegativeBinomial(np.linspace(0.8, 3.0, P)),
    "ordinal": Ordinal(np.sort(np.random.default_rng(5).normal(size=(P, 3)), axis=1), lowest=1),
    "mixed": Mixed(
        (get_loss("bernoulli"), get_loss("poisson"), ScaledGaussian(np.full(P, 0.5))),
        np.array([0, 1, 2] * (P // 3)),
    ),
    "mixed lattice": Mixed((get_loss("bernoulli"), get_loss("poisson")), np.array([0, 1] * (P // 2))),
}


@pytest.mark.parametrize("hidden", [1, 2, 4, 10])
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.slow
def test_the_interval_holds_its_level(name, hidden):
    loss, rng, rows = LOSSES[name], np.random.default_rng(hidden), 800
    cols = np.concatenate([rng.choice(P, hidden, replace=False) for _ in range(rows)])
    pointer = np.arange(rows + 1) * hidden
    linear, se = rng.normal(size=rows * hidden), rng.uniform(0.2, 0.6, rows * hidden)
    low, high = hidden_sums(loss, linear, se, cols, pointer, 1.0, TAIL)
    truth = linear + np.repeat(rng.normal(size=rows), hidden) * se
    at = loss.at_columns(cols) if hasattr(loss, "at_columns") else loss
    sums = np.add.reduceat(at.sample(truth, rng), pointer[:-1])
    inside = np.mean((sums >= low - 1e-9) & (sums <= high + 1e-9))
    three = 3 * np.sqrt(0.95 * 0.05 / rows)
    assert inside >= 0.95 - three
    if name == "gaussian":
        assert inside <= 0.95 + three


def test_results_do_not_depend_on_how_rows_are_cut_into_blocks(monkeypatch):
    rng = np.random.default_rng(2)
    counts = rng.integers(0, 9, 40)
    pointer = np.concatenate([[0], np.cumsum(counts)])
    cells = (rng.normal(size=pointer[-1]), np.full(pointer[-1], 0.3), rng.integers(0, P, pointer[-1]), pointer)
    whole = hidden_sums(LOSSES["ordinal"], *cells, 1.0, TAIL)
    monkeypatch.setattr("halfseen.inference.realised.NUMBERS_AT_ONCE", 4000)
    for one, other in zip(whole, hidden_sums(LOSSES["ordinal"], *cells, 1.0, TAIL), strict=True):
        np.testing.assert_array_equal(one, other)
