"""What losses say they can do, and what is said where a model needs something else."""

from __future__ import annotations

import numpy as np
import pytest

from halfseen import kernels
from halfseen.data import Observed
from halfseen.kernels import reference
from halfseen.losses import (
    Gaussian,
    get_loss,
    has_classes,
    has_columns,
    has_quantiles,
    is_logistic,
    is_one_for_all,
    is_quadratic,
    known_families,
    takes_totals,
)

FAMILIES = known_families()
every_family = pytest.mark.parametrize("name", FAMILIES)


class Absolute(Gaussian):
    """A loss of a user who knows nothing of abilities: members of the protocol only."""

    def __getattribute__(self, name):
        if name in ("is_quadratic", "quantiles"):
            raise AttributeError(name)
        return super().__getattribute__(name)


@every_family
def test_a_quadratic_loss_is_one_whose_gradient_is_linear_with_slope_one(name):
    loss, m = FAMILIES[name], np.linspace(-0.5, 0.5, 5)
    if has_columns(loss):
        assert not is_quadratic(loss)
        return
    y = np.zeros(5)
    # Huber is quadratic near zero only: look beyond its threshold
    slopes = np.diff(loss.gradient(y, 10 * m)) / np.diff(10 * m)
    assert is_quadratic(loss) == bool(np.allclose(slopes, 1.0))


@every_family
def test_parameters_per_column_are_said_where_the_loss_learns_them(name):
    assert has_columns(FAMILIES[name]) == hasattr(FAMILIES[name], "improved") == (not is_one_for_all(FAMILIES[name]))


@every_family
def test_classes_are_said_where_there_are_probabilities_of_classes(name):
    assert has_classes(FAMILIES[name]) == hasattr(FAMILIES[name], "probabilities")


@every_family
def test_logistic_losses_have_the_logit_link(name):
    loss = FAMILIES[name]
    assert is_logistic(loss) == (loss.kernel == "bernoulli")


@every_family
def test_shares_of_totals_are_taken_where_answers_are_yes_or_no(name):
    assert takes_totals(FAMILIES[name]) == (FAMILIES[name].support == "0 or 1")


@every_family
def test_predictive_quantiles_hold_their_level_by_simulation(name):
    loss = FAMILIES[name]
    if not has_quantiles(loss):
        assert name == "huber(D)"
        return
    rng, n = np.random.default_rng(0), 4000
    if name == "ordinal":
        loss = type(loss)(np.array([-1.0, 1.0]), lowest=1)
    if name == "negative_binomial":
        loss = type(loss)(2.0)
    mean, variance = rng.normal(size=n), np.full(n, 0.3)
    y = loss.sample(mean + np.sqrt(variance) * rng.normal(size=n), rng)
    low, high = loss.quantiles(mean, variance, 1.0, 0.05)
    inside = np.mean((y >= low) & (y <= high))
    # three standard errors of a share of 4000; discrete responses may hold more
    assert inside >= 0.9 - 3 * np.sqrt(0.09 / n)
    if is_quadratic(loss):
        assert inside <= 0.9 + 3 * np.sqrt(0.09 / n)


def test_a_family_that_a_model_cannot_use_is_refused_in_one_line_that_names_the_others():
    with pytest.raises(ValueError, match=r"^family='ordinal' is not for TheModel; it takes gaussian, bernoulli, "):
        get_loss("ordinal", needs=is_one_for_all, taker="TheModel")
    with pytest.raises(ValueError, match=r"^a family per column is not for TheModel; it takes gaussian\.$"):
        get_loss(["gaussian", "poisson"], needs=is_quadratic, taker="TheModel")


def test_a_loss_of_a_user_has_no_ability_it_does_not_claim():
    loss = Absolute()
    assert not any(ability(loss) for ability in (is_quadratic, has_columns, has_quantiles, takes_totals))
    with pytest.raises(ValueError, match="not for"):
        get_loss(loss, needs=is_quadratic, taker="TheModel")


@pytest.mark.parametrize("function", ["loss", "mean", "curvature"])
def test_an_unknown_kernel_code_is_refused_by_the_numpy_twin(function):
    m = np.zeros(3)
    arguments = (7, 1.0, m, m) if function == "loss" else (7, 1.0, m)
    with pytest.raises(ValueError, match="family code 7 is unknown"):
        getattr(reference, function)(*arguments)


def test_an_unknown_family_is_refused_before_any_kernel_runs():
    view = Observed.from_dense(np.eye(3) + 1).by_rows
    A, B = np.ones((3, 1)), np.ones((3, 1))
    with pytest.raises(ValueError, match="no fused kernel"):
        kernels.loss_and_gradient(view, A, B, family="gamma", grad_A=np.zeros_like(A), grad_B=np.zeros_like(B))
