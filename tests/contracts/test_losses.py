"""What every loss must do. A new loss adds one line to LOSSES and inherits all of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import halfseen as hs
from halfseen.losses import (
    Bernoulli,
    Binomial,
    ColumnLoss,
    Gaussian,
    Huber,
    Loss,
    Mixed,
    NegativeBinomial,
    Ordinal,
    Poisson,
    Probit,
    ScaledGaussian,
)
from halfseen.losses.derived import bend, information, skew, slope


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


ORDINAL = Ordinal(np.array([-1.4, -0.3, 0.5, 1.8]))
CANONICAL = [Gaussian(), Bernoulli(), Binomial(5), Poisson()]
GAPPED = Ordinal(np.array([-1.0, 0.2, 1.1]), values=(0.0, 1.0, 3.0, 6.0))
OTHERS = [Probit(), NegativeBinomial(1.7), ORDINAL, GAPPED, ScaledGaussian(2.0)]
LOSSES = [*CANONICAL, *OTHERS, LogCosh(), Huber(0.8)]
FAMILIES = CANONICAL
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
every_family = pytest.mark.parametrize("loss", FAMILIES, ids=lambda loss: loss.name)
every_model = pytest.mark.parametrize("loss", [*CANONICAL, *OTHERS], ids=lambda loss: type(loss).__name__)


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
        if loss.name == "probit":
            m = np.linspace(-2.0, 2.0, 11)
        if loss.name == "ordinal":  # its mean leaves the clipped range early
            m = np.linspace(-2.0, 2.5, 11)
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


def support_of(loss, m):
    """All responses with more than a negligible chance at ``m``, and their probabilities."""
    if loss.name == "probit" or isinstance(loss, Bernoulli):
        y = np.array([0.0, 1.0])
    elif loss.name == "ordinal":
        y = np.arange(5.0)
    else:
        y = np.arange(400.0)
    if getattr(loss, "values", None) is not None:
        y = np.array(loss.values)
    log_chance = -loss.value(y, np.full(len(y), m))
    return y, np.exp(log_chance)


DISCRETE = [Bernoulli(), Probit(), NegativeBinomial(1.7), ORDINAL, GAPPED]


@pytest.mark.parametrize("loss", DISCRETE, ids=lambda loss: loss.name)
class TestWhatALossSaysBeyondTheProtocol:
    """Moments summed over all responses, against the closed forms that inference and Firth's correction use."""

    points = (-1.3, 0.2, 1.1)

    def test_probabilities_add_up_to_one_and_give_mean_and_variance(self, loss):
        for m in self.points:
            y, chance = support_of(loss, m)
            at = np.array([m])
            assert chance.sum() == pytest.approx(1.0, abs=1e-9)
            assert chance @ y == pytest.approx(loss.mean(at)[0], rel=1e-8)
            assert chance @ y**2 - (chance @ y) ** 2 == pytest.approx(loss.variance(at)[0], rel=1e-7)

    def test_scores_have_mean_zero_and_their_squares_the_information(self, loss):
        for m in self.points:
            y, chance = support_of(loss, m)
            at = np.full(len(y), m)
            score, curvature = -loss.gradient(y, at), loss.curvature(y, at)
            expected = information(loss, at[:1])[0]
            assert chance @ score == pytest.approx(0.0, abs=1e-8)
            assert chance @ score**2 == pytest.approx(expected, rel=1e-7)
            assert chance @ curvature == pytest.approx(expected, rel=1e-7)

    def test_the_correction_is_that_of_firths_formula(self, loss):
        for m in self.points:
            y, chance = support_of(loss, m)
            at = np.full(len(y), m)
            score, change = -loss.gradient(y, at), -loss.curvature(y, at)
            assert chance @ (score**3 + score * change) == pytest.approx(skew(loss, at[:1])[0], rel=1e-6, abs=1e-9)


@every_model
class TestEveryModel:
    def test_slope_and_bend_are_derivatives_of_the_mean(self, loss):
        m, h = np.linspace(-2.5, 2.5, 11), 1e-5
        np.testing.assert_allclose(slope(loss, m), (loss.mean(m + h) - loss.mean(m - h)) / (2 * h), rtol=1e-6)
        change = (slope(loss, m + h) - slope(loss, m - h)) / (2 * h)
        np.testing.assert_allclose(bend(loss, m), change, rtol=1e-5, atol=1e-8)

    def test_third_is_the_derivative_of_the_variance(self, loss):
        m, h = np.linspace(-2.5, 2.5, 11), 1e-5
        change = (loss.variance(m + h) - loss.variance(m - h)) / (2 * h)
        np.testing.assert_allclose(loss.third(m), change, rtol=1e-5, atol=1e-8)

    def test_samples_have_its_mean_and_variance(self, loss):
        rng, draws = np.random.default_rng(3), 40_000
        for m in (-0.7, 0.9):
            sample = np.asarray(loss.sample(np.full(draws, m), rng), dtype=float)
            mean, variance = float(loss.mean(np.array([m]))[0]), float(loss.variance(np.array([m]))[0])
            assert abs(sample.mean() - mean) < 4 * np.sqrt(variance / draws)
            # four standard errors of a variance, with the sample's own fourth moment
            fourth = np.mean((sample - mean) ** 4)
            assert abs(sample.var() - variance) < 4 * np.sqrt(fourth / draws)


# ---- parameters per column -----------------------------------------------------------------------------------------


CUTS = np.array([[-1.0, 0.2, 0.8], [-2.0, 0.5, 1.5], [-0.4, 0.0, 0.4]])
PER_COLUMN = [
    Ordinal(CUTS),
    NegativeBinomial(np.array([0.5, 2.0, 9.0])),
    ScaledGaussian(np.array([0.5, 2.0, 9.0])),
    Mixed((Bernoulli(), Poisson(), Ordinal(CUTS)), np.array([1, 0, 2])),
]


@pytest.mark.parametrize("loss", PER_COLUMN, ids=lambda loss: type(loss).__name__)
class TestEveryColumnLoss:
    def test_it_says_that_it_has_parameters_per_column(self, loss):
        assert isinstance(loss, ColumnLoss)
        assert isinstance(loss, Loss)
        assert not any(isinstance(other, ColumnLoss) for other in CANONICAL)

    def test_a_table_is_judged_column_by_column(self, loss):
        m = np.random.default_rng(0).normal(size=(4, 3))
        for name in ("mean", "variance", "third"):
            whole = getattr(loss, name)(m)
            for j in range(3):
                one = getattr(loss.at_columns(np.array([j])), name)(m[:, [j]])
                np.testing.assert_allclose(whole[:, [j]], one, err_msg=name)

    def test_entries_are_judged_by_their_own_columns(self, loss):
        rng = np.random.default_rng(1)
        cols = np.array([2, 0, 0, 1, 2])
        m = rng.normal(size=5)
        here = loss.at_columns(cols)
        y = here.sample(m, rng)
        assert not here.invalid(y).any()
        for name in ("value", "gradient", "curvature", "deviance"):
            found = getattr(here, name)(y, m)
            each = [getattr(loss.at_columns(cols[[e]]), name)(y[[e]], m[[e]])[0] for e in range(5)]
            np.testing.assert_allclose(found, each, err_msg=name)

    def test_single_precision_stays(self, loss):
        here, m = loss.at_columns(np.array([0, 1, 2])), np.zeros(3, np.float32)
        y = np.ones(3, np.float32)
        for name in ("value", "gradient", "curvature"):
            assert getattr(here, name)(y, m).dtype == np.float32, name
        assert here.mean(m).dtype == np.float32

    def test_it_can_be_saved(self, loss, tmp_path):
        from halfseen.data.storable import REGISTRY

        assert REGISTRY[type(loss).__name__] is type(loss)


def test_two_ordered_classes_are_yes_and_no():
    rng = np.random.default_rng(0)
    y, m, two = rng.integers(0, 2, 30).astype(float), rng.normal(size=30), Ordinal(np.array([0.0]))
    for name in ("value", "gradient", "curvature"):
        np.testing.assert_allclose(getattr(two, name)(y, m), getattr(Bernoulli(), name)(y, m), rtol=1e-12)
    for name in ("mean", "variance", "third"):
        np.testing.assert_allclose(getattr(two, name)(m), getattr(Bernoulli(), name)(m), rtol=1e-9, atol=1e-12)


def test_a_large_size_is_poisson():
    y, m = np.arange(8.0), np.linspace(-1, 1, 8)
    np.testing.assert_allclose(NegativeBinomial(1e7).gradient(y, m), Poisson().gradient(y, m), atol=1e-5)


def test_the_negative_binomial_agrees_with_scipys():
    from scipy.stats import nbinom

    y, m, size = np.arange(12.0), np.linspace(-2, 3, 12), 1.7
    np.testing.assert_allclose(
        -NegativeBinomial(size).value(y, m), nbinom.logpmf(y, size, size / (size + np.exp(m))), rtol=1e-10
    )


def test_ordered_classes_agree_with_differences_of_logistic_probabilities():
    from scipy.stats import logistic

    m, edges = np.linspace(-3, 3, 9), np.array([-np.inf, -1.4, -0.3, 0.5, 1.8, np.inf])
    chances = np.diff(logistic.cdf(edges - m[:, None]), axis=1)
    np.testing.assert_allclose(ORDINAL.probabilities(m), chances, rtol=1e-10)
    for k in range(5):
        np.testing.assert_allclose(-ORDINAL.value(np.full(9, float(k)), m), np.log(chances[:, k]), rtol=1e-9)


def test_derivatives_by_the_cuts_are_those_of_the_value():
    rng, h = np.random.default_rng(0), 1e-6
    y, m = rng.integers(0, 5, 40).astype(float), rng.normal(size=40)
    found = ORDINAL.cut_slopes(y, m)
    for t in range(4):
        moved = [Ordinal(ORDINAL.cuts + sign * h * (np.arange(4) == t)).value(y, m) for sign in (1, -1)]
        np.testing.assert_allclose(found[:, t], (moved[0] - moved[1]) / (2 * h), rtol=1e-6, atol=1e-7)
    slopes = ORDINAL.mean_slopes(m)
    for t in range(4):
        moved = [Ordinal(ORDINAL.cuts + sign * h * (np.arange(4) == t)).mean(m) for sign in (1, -1)]
        np.testing.assert_allclose(slopes[:, t], (moved[0] - moved[1]) / (2 * h), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Ordinal(np.array([1.0, 0.5])), "increasing"),
        (lambda: Ordinal(levels=1), "levels"),
        (lambda: NegativeBinomial(-1.0), "positive"),
        (lambda: hs.losses.get_loss("probit(3)"), "not known"),
        (lambda: hs.losses.get_loss("ordinary"), "negative_binomial, ordinal"),
        (lambda: hs.losses.get_loss(["bernoulli", "x"]), "'x' is not known"),
        (lambda: hs.losses.family_per_column({"a": "poisson"}), "no column labels"),
        (lambda: hs.losses.family_per_column({"a": "poisson"}, ["a", "b"]), "'b' has no family"),
        (lambda: hs.losses.family_per_column({"a": "poisson", "c": "probit"}, ["a"]), "'c' is no column"),
    ],
)
def test_wrong_families_are_named(make, match):
    with pytest.raises((ValueError, TypeError), match=match):
        make()


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
