"""Steps and averages of training, against what a few lines of NumPy make of them."""

from __future__ import annotations

import numpy as np
import pytest

from halfseen.nets import AdamWSteps, QuasiNewton, Several, as_arrays, as_weights, average, snapshot
from halfseen.solvers import SweepResult, loop

torch = pytest.importorskip("torch")


def bowl(weights):
    x, y = weights["x"], weights["y"]
    return 0.5 * (x**2).sum() + 50.0 * (y - 1.0).pow(2).sum()


def at_start():
    return as_weights({"x": np.array([1.0, -2.0]), "y": np.array([3.0])}, "cpu")


def test_adamw_takes_the_steps_of_its_paper():
    weights = at_start()
    steps = AdamWSteps(weights, rate=0.1, decay=0.01)
    value = sum(steps([bowl]) for _ in range(3))
    x, mean, square, total = np.array([1.0, -2.0, 3.0]), np.zeros(3), np.zeros(3), 0.0
    for t in (1, 2, 3):
        total += 0.5 * np.sum(x[:2] ** 2) + 50.0 * (x[2] - 1.0) ** 2
        slope = np.array([x[0], x[1], 100.0 * (x[2] - 1.0)])
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        step = mean / (1 - 0.9**t) / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)
        x = x * (1 - 0.1 * 0.01) - 0.1 * step
    np.testing.assert_allclose(np.concatenate(list(as_arrays(weights).values())), x, rtol=1e-12)
    assert value == pytest.approx(total, rel=1e-12)


def test_an_average_is_the_mean_of_the_named_weights_and_leaves_the_others_alone():
    groups = [as_weights({"a": np.array([k, 2.0 * k]), "own": np.array([float(k)])}, "cpu") for k in (1.0, 2.0, 6.0)]
    average(groups, ["a"])
    for k, group in zip((1.0, 2.0, 6.0), groups, strict=True):
        assert group["a"].tolist() == [3.0, 6.0]
        assert group["own"].item() == k
    with torch.no_grad():
        groups[0]["a"].zero_()
    assert groups[1]["a"].tolist() == [3.0, 6.0], "copies must not share memory"


@pytest.mark.parametrize("steps", [1, 5])
def test_quasi_newton_reaches_the_bottom(steps):
    weights = at_start()
    run = loop(QuasiNewton(bowl, weights, steps), snapshot(weights), max_iter=30 // steps)
    assert run.value < 1e-10
    np.testing.assert_allclose(run.params["y"], [1.0], atol=1e-6)


def test_a_result_keeps_its_weights_when_training_goes_on():
    weights = at_start()
    sweep = QuasiNewton(bowl, weights, 1)
    first = sweep(None)
    before = first.params["x"].clone()
    sweep(None)
    assert bool((first.params["x"] == before).all())
    assert not bool((weights["x"] == before).all())


def test_several_sweeps_are_one():
    run = Several(lambda x: SweepResult(x + 1, float(x), work=2.0), 4)(10)
    assert (run.params, run.value, run.work) == (14, 11.5, 8.0)
