"""Displays of a descent, and the plot that watches a fit."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.show import LivePlot, plot_descent, plot_growth, plot_scaling
from halfseen.show.descent import plot_descent_fit


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(30, 2)) @ rng.normal(size=(2, 20)) + 0.1 * rng.normal(size=(30, 20))
    table[rng.random(table.shape) < 0.3] = np.nan
    return hs.OverparametrizedFactorization(6, random_state=0).fit(table)


def test_every_component_is_a_line_and_known_sizes_are_dotted(model):
    axes = plot_growth(model.path_, truth=[20.0, 10.0], is_log=True).axes[0]
    assert len(axes.lines) == 6 + 2
    assert axes.get_yscale() == "log"
    np.testing.assert_array_equal(axes.lines[5].get_ydata(), model.path_.singular_values[:, 0])


def test_the_window_is_where_the_held_out_error_is_within_one_per_cent_of_its_least(model):
    axes = plot_descent(model.path_, model.held_out_, model.stop_time_).axes[0]
    errors = model.held_out_.errors
    near = 1 + np.flatnonzero(errors <= 1.01 * errors.min())
    (shaded,) = axes.patches
    assert (shaded.get_x(), shaded.get_x() + shaded.get_width()) == (near.min(), near.max())
    assert "stopped at" in axes.get_legend().get_texts()[-1].get_text()


def test_a_known_truth_takes_the_place_of_held_out_entries(model):
    axes = plot_descent(model.path_, ([1, 5, 9], [2.0, 1.0, 1.5]), window=(4, 6)).axes[0]
    np.testing.assert_allclose(axes.lines[1].get_ydata(), [1.0, 0.5, 0.75])


def test_laws_go_through_the_middle_of_the_points():
    axes = plot_scaling([1e-4, 1e-2], [1e-6, 1e-2], {"sharp": 2.0, "theorem": 0.5}).axes[0]
    x, y = axes.lines[1].get_data()
    assert np.interp(np.log(1e-3), np.log(x), np.log(y)) == pytest.approx(np.log(1e-4))
    assert np.diff(np.log(axes.lines[2].get_ydata()))[0] > 0
    with pytest.raises(ValueError, match="logarithmic axes need positive x and y"):
        plot_scaling([0.0, 1.0], [1.0, 1.0], {})


def test_a_fit_is_drawn_side_by_side(model):
    assert len(plot_descent_fit(model).axes) == 2


class TestLivePlot:
    @pytest.mark.slow
    def test_it_writes_a_picture_while_the_fit_goes_on(self, tmp_path):
        live = LivePlot(tmp_path / "trace.png", every=0.0)
        model = hs.OverparametrizedFactorization(3, stop=7, random_state=0).set_callbacks(live)
        model.fit(np.outer(np.arange(1.0, 6.0), np.arange(1.0, 5.0)))
        assert len(live.values) == 7
        assert live.pictures == 8  # every sweep, and once more at the end
        assert live.values == model.run_.trace.value.tolist()
        assert [path.name for path in tmp_path.iterdir()] == ["trace.png"]

    def test_it_waits_between_pictures_and_watches_every_model_and_loop(self):
        from halfseen.solvers import SweepResult, loop

        shown = []
        live = LivePlot(display=shown.append, every=1e6)
        model = hs.AlternatingLeastSquares(rank=1, random_state=0).set_callbacks(live)
        model.fit(np.random.default_rng(0).random((9, 7)))
        assert len(live.values) == 20
        assert len(shown) == 2
        loop(lambda x: SweepResult(x / 2, x), 1.0, max_iter=3, watchers=[live])
        assert len(live.values) == 23

    def test_it_needs_one_place_to_draw(self):
        with pytest.raises(ValueError, match=r"either path= .* or display="):
            LivePlot()
