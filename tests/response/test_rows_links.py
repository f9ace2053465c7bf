"""Forms and groups: connectivity, concurrent calibration, Stocking-Lord, latent regression."""

from __future__ import annotations

import numpy as np
import pytest
from rows_truth import two_choice

from halfseen.methods.response.rows_answers import answer_table
from halfseen.methods.response.rows_faces import population_table
from halfseen.methods.response.rows_fit import fit_rows
from halfseen.methods.response.rows_linking import stocking_lord
from halfseen.methods.response.rows_links import connectivity


def two_forms(n=1000, anchors=8, seed=0):
    """Two groups, means 0 and .5, spreads 1 and 1.2, with 14 items each of which some are common."""
    rng = np.random.default_rng(seed)
    p = 28 - anchors
    x = np.concatenate([rng.normal(size=n), 0.5 + 1.2 * rng.normal(size=n)])
    y, *_ = two_choice(2 * n, p, missing=0.0, ability=x, seed=seed)
    y[:n, 14:], y[n:, : p - 14] = 255, 255
    return y, np.repeat(["first", "second"], n)


def test_forms_are_what_rows_connect():
    y = np.full((6, 7), 255, np.uint8)
    y[0, [0, 1]], y[1, [1, 2]], y[2, [0, 2]] = (0, 1), (0, 1), (1, 0)
    y[3, [3, 4]], y[4, [3, 4]], y[5, [5, 6]] = (0, 1), (1, 0), (1, 0)
    y[0, 5], y[1, 6] = 255, 255
    extra = np.full((1, 7), 255, np.uint8)
    extra[0, [5, 6]] = 0, 1
    found = connectivity(answer_table(np.vstack([y, extra]), ["2pl"] * 7))
    assert found.form_of.tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert found.sizes.tolist() == [3, 2, 2]
    assert not found.is_connected


def test_unlinked_forms_in_one_population_are_said_to_rest_on_an_assumption():
    y, *_ = two_choice(600, 10, missing=0.0, seed=1)
    y[:300, 5:], y[300:, :5] = 255, 255
    fit = fit_rows(y, "2pl")
    assert "2 unlinked forms" in fit.notes[0]
    assert "assumption" in fit.notes[0]


def test_groups_without_common_items_are_refused_by_name():
    y, *_ = two_choice(600, 10, missing=0.0, seed=1)
    y[:300, 5:], y[300:, :5] = 255, 255
    with pytest.raises(ValueError, match=r"groups u \| v have no items in common .*0, 1, 2"):
        fit_rows(y, "2pl", row_groups=np.repeat(["u", "v"], 300))


def test_few_anchors_are_warned_of():
    y, groups = two_forms(400, anchors=3)
    fit = fit_rows(y, "2pl", row_groups=groups)
    assert "shares only 3 items" in fit.warnings[0]
    assert not fit_rows(*two_forms(400)[:1], "2pl", row_groups=groups).warnings


def test_concurrent_calibration_and_stocking_lord_agree_with_the_truth():
    y, groups = two_forms(1000, seed=2)
    together = population_table(fit_rows(y, "2pl", row_groups=groups))
    apart = stocking_lord(fit_rows(y[:1000], "2pl"), fit_rows(y[1000:], "2pl"))
    assert apart.n_anchors == 8
    for mean, mean_se, sd, sd_se in (
        (together["mean"][1], together["mean_se"][1], together["sd"][1], together["sd_se"][1]),
        (apart.intercept, apart.intercept_se, apart.slope, apart.slope_se),
    ):
        assert 0.04 < mean_se < 0.09
        assert 0.04 < sd_se < 0.1
        assert abs(mean - 0.5) < 4 * mean_se
        assert abs(sd - 1.2) < 4 * sd_se
    assert apart.intercept == pytest.approx(together["mean"][1], abs=0.1)


def test_linking_a_scale_to_itself_changes_nothing():
    fit = fit_rows(two_choice(500, 6, seed=3)[0], "2pl")
    link = stocking_lord(fit, fit)
    assert link.slope == pytest.approx(1.0, abs=1e-6)
    assert link.intercept == pytest.approx(0.0, abs=1e-6)


@pytest.mark.slow
def test_the_links_errors_are_those_of_refits():
    truth = [stocking_lord(*(fit_rows(part, "2pl") for part in np.split(two_forms(400, seed=s)[0], 2)))
             for s in range(40)]  # fmt: skip
    # items differ from seed to seed too; 40 refits: a standard deviation within 3.5 of its errors of 11 %
    for name in ("slope", "intercept"):
        spread = np.std([getattr(link, name) for link in truth], ddof=1)
        told = np.mean([getattr(link, f"{name}_se") for link in truth])
        assert spread == pytest.approx(told, rel=0.4)


def test_anchors_that_do_not_fit_are_named():
    one, two = fit_rows(two_choice(300, 6, seed=4)[0], "2pl"), fit_rows(two_choice(300, 6, seed=5)[0], "3pl")
    with pytest.raises(ValueError, match="columns 0 and 0 differ in kind"):
        stocking_lord(one, two)
    with pytest.raises(ValueError, match="column 9, which the second fit does not have"):
        stocking_lord(one, one, anchors=[(0, 9)])


def test_a_latent_regression_tells_its_coefficients():
    rng = np.random.default_rng(6)
    Z = rng.normal(size=(1500, 2)) + np.array([3.0, -1.0])
    x = Z @ [0.6, -0.4] - 2.2 + rng.normal(size=1500)
    y, *_ = two_choice(1500, 15, ability=x, seed=6)
    people = population_table(fit_rows(y, "2pl", covariates=Z))
    assert (np.abs(people["coefficient"] - [0.6, -0.4]) < 4 * people["coefficient_se"]).all()
    assert (people["coefficient_se"] < 0.06).all()
