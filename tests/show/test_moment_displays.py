"""Pictures of second moments."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.show.moments import plot_eigenvalues, plot_moment_fit, plot_second_moment, plot_widths
from moment_truth import factor_rows, seen


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    R = seen(factor_rows(2000, 15, 2, rng, noise=0.3)[0], 0.25, rng)
    return hs.OneSidedCompletion("auto", ranks=(1, 2, 3), random_state=0).fit(R)


def test_before_and_after_completion_stand_side_by_side(fitted):
    figure = plot_second_moment(fitted)
    before, after = (axes.images[0].get_array() for axes in figure.axes[:2])
    assert before.shape == after.shape == (15, 15)
    order = np.argsort(fitted.components_[0], kind="stable")
    wanted = fitted.second_moment(kind="with_psi")[np.ix_(order, order)]
    np.testing.assert_allclose(after, wanted, atol=1e-10)


def test_eigenvalues_and_widths_show_their_numbers(fitted):
    inference = fitted.inference()
    values = inference.eigenvalues()
    line = plot_eigenvalues(values).axes[0].lines[0]
    np.testing.assert_allclose(line.get_ydata(), values.estimate)
    pairs = inference.second_moment()
    figure = plot_widths(pairs, np.r_[0, np.full(len(pairs) - 1, 7)])
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["pairs seen", "never seen"]
    assert len(plot_moment_fit(fitted, inference).axes) == 3
