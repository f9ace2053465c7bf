"""Displays: what they draw, what they refuse, and that they leave no global state."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgb

import halfseen as hs
from halfseen.show import image_grid, plot_held_out, plot_rank_choice, plot_trace, save_figure
from halfseen.show.figures import MISSING
from halfseen.show.fits import plot_fit


@pytest.fixture(scope="module")
def run():
    rng = np.random.default_rng(0)
    return hs.AlternatingLeastSquares(rank=1, random_state=0).fit(rng.normal(size=(12, 9))).run_


def test_missing_pixels_have_a_colour_of_their_own_and_zero_is_white():
    figure = image_grid({"seen": [[0.0, np.nan, 1.0, 0.5]]}, size=(2, 2))
    drawn = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(drawn[0, 0], 1.0)
    np.testing.assert_allclose(drawn[0, 1], to_rgb(MISSING))
    assert drawn[1, 0].max() < 0.1


def test_every_group_is_a_line_of_pictures():
    pictures = np.zeros((3, 4))
    figure = image_grid({"a": pictures, "b": pictures[:2]}, size=(2, 2), limits=(0, 1), title="both")
    assert [len(ax.images) for ax in figure.axes] == [1, 1, 1, 1, 1, 0]


def test_pictures_of_another_size_are_refused():
    with pytest.raises(ValueError, match="'seen' has 5 columns, but pictures of 2 x 2 have 4"):
        image_grid({"seen": np.zeros((1, 5))}, size=(2, 2))


def test_the_chosen_rank_is_marked():
    axes = plot_rank_choice([1, 2, 4], [0.9, 0.7, 0.8], chosen=2).axes[0]
    mark = axes.lines[-1]
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (1, 0.7)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "4"]


def test_the_trace_ends_at_its_lowest_value(run):
    axes = plot_trace(run).axes[0]
    drawn = axes.lines[0].get_ydata()
    assert (np.diff(drawn) <= 0).all()
    assert f"{run.n_iter} sweeps" in axes.get_title(loc="left")


def test_perfect_predictions_lie_on_the_line():
    truth = np.linspace(-1, 1, 50)
    axes = plot_held_out(truth, truth, bins=5).axes[0]
    means = axes.lines[0]
    np.testing.assert_allclose(means.get_xdata(), means.get_ydata())


def test_a_fit_shows_what_it_has_something_for(run):
    choice, pair = {"ranks": [1, 2], "losses": [1.0, 0.5]}, (np.arange(5.0), np.arange(5.0))
    assert len(plot_fit(choice, 2, pair, run).axes) == 3
    assert len(plot_fit(None, 2, None, run).axes) == 1
    assert len(plot_fit(None, 2, None, None).axes) == 0


def test_displays_draw_into_given_axes(run):
    figure = plot_rank_choice([1, 2], [1.0, 0.5], chosen=2)
    assert plot_trace(run, ax=figure.axes[0]) is figure


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    grid = {"a": np.eye(4)}
    one, two = (save_figure(image_grid(grid, size=(2, 2)), tmp_path / name) for name in ("one.png", "two.png"))
    assert one.read_bytes() == two.read_bytes()


def test_drawing_needs_no_pyplot():
    code = (
        "import numpy as np, sys\n"
        "from halfseen.show import image_grid\n"
        "image_grid({'a': np.eye(4)}, size=(2, 2))\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_without_matplotlib_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"halfseen\[plots\]"):
        image_grid({"a": np.eye(4)}, size=(2, 2))
