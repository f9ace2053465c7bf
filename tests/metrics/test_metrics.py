"""Metrics agree with SciPy, scikit-learn and plain formulas."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import linalg, stats
from sklearn import metrics as reference

from halfseen import metrics

rng = np.random.default_rng(0)
Y, P, W = rng.normal(size=200), rng.normal(size=200), rng.random(200)


@pytest.mark.parametrize("weights", [None, W])
def test_errors_of_predictions_agree_with_scikit_learn(weights):
    assert metrics.rmse(Y, P, weights) == pytest.approx(
        reference.root_mean_squared_error(Y, P, sample_weight=weights), rel=1e-13
    )
    assert metrics.mae(Y, P, weights) == pytest.approx(
        reference.mean_absolute_error(Y, P, sample_weight=weights), rel=1e-13
    )
    binary, q = (Y > 0).astype(float), 1 / (1 + np.exp(-P))
    assert metrics.log_loss(binary, q, weights) == pytest.approx(
        reference.log_loss(binary, q, sample_weight=weights), rel=1e-12
    )


def test_sure_errors_cost_much_but_not_infinitely():
    assert 30 < metrics.log_loss([1.0], [0.0]) < 40
    assert metrics.log_loss([1.0], [1.0]) < 1e-15


@pytest.mark.parametrize("family", ["gaussian", "poisson", "bernoulli", "binomial(3)"])
def test_deviances_agree_with_their_formulas(family):
    m = P / 2
    if family == "gaussian":
        y, expected = Y, np.mean((Y - m) ** 2)
    elif family == "poisson":
        y = rng.poisson(2, 200).astype(float)
        expected = reference.mean_poisson_deviance(y, np.exp(m))
    else:
        trials = 3 if "3" in family else 1
        y = rng.binomial(trials, 0.4, 200).astype(float)
        q = trials / (1 + np.exp(-m))
        parts = [stats.binom.logpmf(y, trials, np.clip(mu / trials, 0, 1)) for mu in (y, q)]
        expected = 2 * np.mean(parts[0] - parts[1])
    assert metrics.mean_deviance(y, m, family) == pytest.approx(expected, rel=1e-10)
    assert metrics.explained_deviance(y, m, m, family) == pytest.approx(0)


def test_relative_error_of_factors_agrees_with_the_full_matrices():
    X, Z, A, B = (rng.normal(size=(size, rank)) for size, rank in ((40, 3), (30, 3), (40, 2), (30, 2)))
    expected = np.linalg.norm(A @ B.T - X @ Z.T) / np.linalg.norm(X @ Z.T)
    for estimate, truth in (((A, B), (X, Z)), (A @ B.T, X @ Z.T), ((A, B), X @ Z.T)):
        assert metrics.relative_frobenius_error(estimate, truth) == pytest.approx(expected, rel=1e-12)
    tiny = metrics.relative_frobenius_error((X * (1 + 1e-10), Z), (X, Z))
    assert tiny == pytest.approx(1e-10, rel=1e-3)
    with pytest.raises(ValueError, match="truth is zero"):
        metrics.relative_frobenius_error(X, 0 * X)
    with pytest.raises(ValueError, match="must have one shape"):
        metrics.relative_frobenius_error(X, Z)


def test_alignment_removes_rotations_and_agrees_with_scipy():
    X, T = rng.normal(size=(50, 4)), rng.normal(size=(50, 4))
    Q, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    assert metrics.procrustes_error(X @ Q, X) < 1e-14
    assert metrics.row_wise_error(X @ Q, X) < 1e-13
    best, _ = linalg.orthogonal_procrustes(X, T)
    difference = X @ best - T
    assert metrics.procrustes_error(X, T, relative=False) == pytest.approx(np.linalg.norm(difference), rel=1e-13)
    rows = np.linalg.norm(difference, axis=1)
    assert metrics.row_wise_error(X, T) == pytest.approx(rows.max(), rel=1e-12)
    longest = np.linalg.norm(T, axis=1).max()
    assert metrics.row_wise_error(X, T, relative=True) == pytest.approx(rows.max() / longest, rel=1e-12)
    assert metrics.row_wise_error(X, T) <= metrics.procrustes_error(X, T, relative=False)


def test_subspace_distances_are_sines_of_principal_angles():
    A, B = rng.normal(size=(30, 3)), rng.normal(size=(30, 3))
    angles = linalg.subspace_angles(A, B)
    assert metrics.subspace_distance(A, B) == pytest.approx(np.sin(angles).max(), rel=1e-12)
    expected = np.linalg.norm(np.sin(angles))
    assert metrics.subspace_distance(A, B, norm="frobenius") == pytest.approx(expected, rel=1e-12)
    assert metrics.subspace_distance(A, A @ rng.normal(size=(3, 3))) < 1e-13
    turned = np.array([[np.cos(1e-9)], [np.sin(1e-9)]])
    assert metrics.subspace_distance([[1.0], [0.0]], turned) == pytest.approx(1e-9, rel=1e-6)
    with pytest.raises(ValueError, match="norm must be"):
        metrics.subspace_distance(A, B, norm="max")


def test_orders_and_intervals():
    assert metrics.kendall_tau(Y, P) == pytest.approx(stats.kendalltau(Y, P).statistic)
    assert metrics.coverage(Y - 1, Y + 1, 0.0) == np.mean(np.abs(Y) <= 1)
    assert metrics.coverage([np.nan, 0.0], [np.nan, 1.0], [0.5, 0.5]) == 0.5
    assert metrics.mean_width(Y, Y + W) == pytest.approx(W.mean())
    with pytest.raises(ValueError, match="1 intervals are upside down, first number 1"):
        metrics.coverage([0.0, 2.0], [1.0, 1.0], 0.5)
    with pytest.raises(ValueError, match="two lists of one length"):
        metrics.kendall_tau([1], [1, 2])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (([1.0], [1.0, 2.0]), r"must have one shape, got \(1,\) and \(2,\)"),
        (([], []), "0 responses were given"),
        (([1.0], [1.0], [-1.0]), "weights must not be negative"),
        (([1.0], [1.0], [1.0, 2.0]), "weights must have the shape of y"),
    ],
)
def test_bad_arguments_are_refused(arguments, text):
    for metric in (metrics.rmse, metrics.mae, metrics.log_loss):
        with pytest.raises(ValueError, match=text):
            metric(*arguments)
    with pytest.raises(ValueError, match="between 0 and 1"):
        metrics.log_loss([2.0], [0.5])
