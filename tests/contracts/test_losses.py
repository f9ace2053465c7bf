"""What every loss must do. A new loss adds one line to LOSSES and inherits all of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import halfseen as hs
from halfseen.losses import Bernoulli, Binomial, Gaussian, Huber, Loss, Poisson


@dataclass(frozen=True)
class LogCosh:
    """A user's own loss, as the documentation shows one: no fused kernel, everything elementwise."""

    name: str = "log-cosh"
    kernel: str | None = None
    trials: float = 1.0
    has_dispersion: bool = False
    support: str = "any finite number"

    def value(self, y, m):
        return np.logaddexp(m - y, y - m) - float(np.log(2.0))

    def gradient(self, y, m):
        return np.tanh(m - y)

    def curvature(self, y, m):
        return 1.0 - np.tanh(m - y) ** 2

    def mean(self, m):
        return np.array(m, copy=True)

    def link(self, mu):
        return np.array(mu, copy=True)

    def variance(self, m):
        return np.ones_like(m)

    def third(self, m):
        return np.zeros_like(m)

    def deviance(self, y, m):
        return 2.0 * self.value(y, m)

    def sample(self, m, rng, dispersion=1.0):
        return m + rng.standard_normal(np.shape(m))

    def invalid(self, y):
        return ~np.isfinite(y)


LOSSES = [Gaussian(), Bernoulli(), Binomial(5), Poisson(), LogCosh(), Huber(0.8)]
FAMILIES = [loss for loss in LOSSES if not isinstance(loss, LogCosh | Huber)]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
every_family = pytest.mark.parametrize("loss", FAMILIES, ids=lambda loss: loss.name)


@pytest.fixture
def m():
    return np.random.default_rng(0).normal(scale=2.0, size=400)


@pytest.fixture
def y(loss, m):
    return np.asarray(loss.sample(m, np.random.default_rng(1)), dtype=float)


@every_loss
class TestEveryLoss:
    def test_it_satisfies_the_protocol(self, loss):
        assert isinstance(loss, Loss)
        assert hs.losses.get_loss(loss) is loss

    def test_the_gradient_is_the_derivative_of_the_value(self, loss, y, m):
        h = 1e-5
        slope = (loss.value(y, m + h) - loss.value(y, m - h)) / (2 * h)
        # central differences: error h^2 |third| / 6 + eps |value| / h
        np.testing.assert_allclose(loss.gradient(y, m), slope, rtol=1e-6, atol=1e-6)

    def test_the_curvature_is_never_negative(self, loss, y, m):
        assert np.all(loss.curvature(y, 10 * m) >= 0)

    def test_the_curvature_is_the_derivative_of_the_gradient(self, loss, y, m):
        h = 1e-5
        slope = (loss.gradient(y, m + h) - loss.gradient(y, m - h)) / (2 * h)
        np.testing.assert_allclose(loss.curvature(y, m), slope, rtol=1e-6, atol=1e-6)

    def test_the_link_inverts_the_mean(self, loss):
        m = np.linspace(-2.0, 3.0, 11)  # inside every clipping
        np.testing.assert_allclose(loss.link(loss.mean(m)), m, atol=1e-12)

    def test_the_deviance_is_twice_the_loss_up_to_a_constant_per_response(self, loss, y, m):
        there = loss.deviance(y, m + 0.7) - loss.deviance(y, m)
        np.testing.assert_allclose(there, 2 * (loss.value(y, m + 0.7) - loss.value(y, m)), rtol=1e-9, atol=1e-9)
        assert np.all(loss.deviance(y, m) >= 0)

    def test_samples_are_in_the_support(self, loss, y):
        assert not loss.invalid(y).any()

    def test_not_a_number_is_outside_the_support(self, loss):
        assert loss.invalid(np.array([np.nan, np.inf, -np.inf])).all()

    def test_the_dtype_of_the_predictor_is_kept(self, loss):
        m32, y32 = np.zeros(3, np.float32), np.ones(3, np.float32)
        for name in ("value", "gradient", "curvature"):
            assert getattr(loss, name)(y32, m32).dtype == np.float32, name
        for name in ("mean", "link", "variance", "third"):
            assert getattr(loss, name)(m32 + np.float32(0.5)).dtype == np.float32, name

    def test_far_predictors_stay_finite(self, loss):
        m = np.array([-800.0, 800.0])
        for name in ("value", "gradient", "curvature"):
            assert np.isfinite(getattr(loss, name)(np.zeros(2), m)).all(), name


@every_family
class TestEveryExponentialFamily:
    def test_mean_and_variance_are_those_of_the_samples(self, loss):
        rng, draws = np.random.default_rng(3), 40_000
        for m in (-1.0, 0.3, 1.2):
            sample = np.asarray(loss.sample(np.full(draws, m), rng), dtype=float)
            mean, variance = float(loss.mean(np.array(m))), float(loss.variance(np.array(m)))
            # four standard errors of a mean and of a variance (fourth moment at most 4 var^2 + var here)
            assert abs(sample.mean() - mean) < 4 * np.sqrt(variance / draws)
            assert abs(sample.var() - variance) < 4 * np.sqrt((4 * variance**2 + variance) / draws)

    def test_variance_is_the_derivative_of_the_mean_and_third_that_of_the_variance(self, loss):
        m, h = np.linspace(-3, 3, 13), 1e-5
        np.testing.assert_allclose(loss.variance(m), (loss.mean(m + h) - loss.mean(m - h)) / (2 * h), rtol=1e-6)
        slope = (loss.variance(m + h) - loss.variance(m - h)) / (2 * h)
        np.testing.assert_allclose(loss.third(m), slope, rtol=1e-5, atol=1e-8)

    def test_the_fused_kernel_gives_the_same_numbers(self, loss, y, m):
        from halfseen.kernels import loss_and_gradient

        R = hs.Observed.from_dense(y.reshape(20, 20))
        grad_row = np.empty(20)
        zero = np.zeros((20, 0))
        value = loss_and_gradient(
            R.by_rows, zero, zero, family=loss.kernel, trials=loss.trials, offset=m, grad_row=grad_row
        )
        assert value == pytest.approx(loss.value(y, m).sum(), rel=1e-12)
        np.testing.assert_allclose(grad_row, loss.gradient(y, m).reshape(20, 20).sum(axis=1), rtol=1e-10, atol=1e-10)


def test_beyond_its_cap_the_poisson_loss_goes_on_as_its_tangent():
    loss, cap = Poisson(), hs.losses.POISSON_CAP
    m = np.array([cap - 1e-9, cap + 1.0, cap + 2.0])
    values = loss.value(np.zeros(3), m)
    assert values[2] - values[1] == pytest.approx(np.exp(cap), rel=1e-9)
    assert loss.gradient(np.zeros(3), m)[1] == pytest.approx(np.exp(cap), rel=1e-9)


def test_bernoulli_agrees_with_scikit_learns_log_loss():
    from sklearn.metrics import log_loss

    rng = np.random.default_rng(0)
    y, m = rng.integers(0, 2, 50).astype(float), rng.normal(size=50)
    loss = Bernoulli()
    assert loss.value(y, m).mean() == pytest.approx(log_loss(y, loss.mean(m)), rel=1e-10)


def test_deviances_agree_with_scikit_learns():
    from sklearn.metrics import mean_poisson_deviance

    rng = np.random.default_rng(0)
    y, m = rng.poisson(2.0, 60).astype(float), rng.normal(size=60)
    loss = Poisson()
    assert loss.deviance(y, m).mean() == pytest.approx(mean_poisson_deviance(y, loss.mean(m)), rel=1e-10)


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ("gausian", "is not known"),
        ("binomial", r"number of trials"),
        ("poisson(3)", "is not known"),
        ("binomial(0)", "positive"),
    ],
)
def test_a_wrong_family_says_what_is_right(family, message):
    with pytest.raises(ValueError, match=message):
        hs.losses.get_loss(family)


def test_an_object_that_is_no_loss_hears_what_it_lacks():
    with pytest.raises(TypeError, match="lacks name, kernel"):
        hs.losses.get_loss(object())


@pytest.mark.parametrize(
    ("loss", "bad"),
    [(Bernoulli(), [2, -1, 0.5]), (Binomial(3), [4, -1, 1.5]), (Poisson(), [-1, 0.5])],
    ids=lambda thing: getattr(thing, "name", ""),
)
def test_responses_outside_the_support_are_marked(loss, bad):
    assert loss.invalid(np.array(bad, dtype=float)).all()


def test_the_reweighted_parabola_of_hubers_loss_lies_above_it_and_touches_it():
    loss, rng = Huber(0.7).reweighted(), np.random.default_rng(0)
    y, here, there = rng.normal(size=(3, 300)) * 2
    step = there - here
    parabola = loss.value(y, here) + loss.gradient(y, here) * step + 0.5 * loss.curvature(y, here) * step**2
    assert np.all(parabola >= loss.value(y, there) - 1e-12)


def test_huber_asks_for_its_threshold():
    assert hs.losses.get_loss("huber(1.5)") == Huber(1.5)
    with pytest.raises(ValueError, match=r"huber\(D\)"):
        hs.losses.get_loss("huber")
