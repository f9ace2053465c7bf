"""The object that intervals come in: numbers, tables, pictures."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from halfseen.inference import Ellipsoids, Intervals, Listing, Statement


@pytest.fixture
def three():
    labels = {"row": np.array(["a", "b", "c"], dtype=object)}
    estimate, se = np.array([1.0, -1.0, 0.0]), np.array([0.5, 0.2, np.inf])
    return Intervals.symmetric("ability", estimate, se, 0.9, labels, reliable=np.array([True, True, False]))


def test_ends_are_the_normal_quantile_away(three):
    np.testing.assert_allclose(three.high - three.estimate, 1.6449 * three.se, rtol=1e-4)
    assert three.quantile == pytest.approx(1.6449, abs=1e-4)
    assert "1 unreliable" in repr(three)


@pytest.mark.parametrize("backend", ["pyarrow", "pandas", "polars"])
def test_tables_have_one_line_per_number(three, backend):
    frame = three.to_frame(backend)
    names = list(frame.column_names) if backend == "pyarrow" else list(frame.columns)
    assert names == ["row", "estimate", "se", "low", "high", "reliable"]
    assert len(frame) == 3
    assert list(np.asarray(frame["row"])) == ["a", "b", "c"]


def test_an_unknown_backend_is_refused(three):
    with pytest.raises(ValueError, match="backend must be"):
        three.to_frame("csv")


def test_components_are_lines_of_their_own():
    both = Intervals.symmetric(
        "x", np.arange(4.0).reshape(2, 2), np.ones((2, 2)), 0.95,
        {"row": np.array([[7], [8]]), "component": np.array([[0, 1]])},
    )  # fmt: skip
    frame = both.to_frame("pandas")
    assert frame["row"].tolist() == [7, 7, 8, 8]
    assert frame["component"].tolist() == [0, 1, 0, 1]
    assert frame["estimate"].tolist() == [0, 1, 2, 3]
    assert len(both.plot().axes) == 2


@pytest.mark.parametrize("kind", ["interval", "band", "prediction", "ranks"])
def test_every_kind_has_a_picture(three, kind):
    pytest.importorskip("matplotlib")
    from dataclasses import replace

    figure = replace(three, kind=kind).plot(limit=2)
    assert figure.axes[0].get_title(loc="left").startswith("90 %")


def test_ellipsoids_hold_their_share_of_normal_points():
    """4000 points: share within 4 sd = .014 of .95."""
    rng = np.random.default_rng(0)
    root = rng.normal(size=(3, 3))
    covariance = root @ root.T
    points = rng.normal(size=(4000, 3)) @ np.linalg.cholesky(covariance).T
    many = Ellipsoids("x", np.zeros((4000, 3)), np.broadcast_to(covariance, (4000, 3, 3)), 0.95)
    assert many.contains(points).mean() == pytest.approx(0.95, abs=0.014)


def test_the_outline_is_the_edge():
    disc = Ellipsoids("x", np.ones((1, 2)), np.array([[[2.0, 0.5], [0.5, 1.0]]]), 0.9, {"row": np.array(["a"])})
    edge = disc.outline(50)[0]
    away = edge - 1.0
    distance = np.einsum("tk,kl,tl->t", away, np.linalg.inv(disc.covariance[0]), away)
    np.testing.assert_allclose(distance, disc.radius**2)
    assert edge[:, 0].max() <= disc.high[0, 0] + 1e-9
    assert disc.to_frame("pandas")["component"].tolist() == [0, 1]
    assert disc.plot().axes[0].get_ylabel() == "component 1"


def test_an_ellipsoid_of_one_component_cannot_be_drawn():
    with pytest.raises(ValueError, match="draw intervals instead"):
        Ellipsoids("x", np.ones((1, 1)), np.ones((1, 1, 1)), 0.9).plot()


def test_intervals_show_their_first_lines():
    names = {"row": np.array([f"model {k}" for k in range(9)])}
    nine = Intervals.symmetric("ability", np.arange(9) / 8, np.full(9, 0.5), 0.95, names)
    lines = repr(nine).splitlines()
    assert lines[0] == "Intervals(ability, interval, 9 numbers, level 0.95)"
    assert lines[1].split() == ["row", "estimate", "se", "low", "high"]
    assert lines[2].split() == ["model", "0", "0", "0.5", "-0.98", "0.98"]
    assert lines[-1].strip() == "... 3 more"
    assert len(lines) == 9


def test_a_notebook_shows_a_table_that_no_label_can_break():
    two = Intervals.symmetric(
        "x", np.ones(2), np.ones(2), 0.9, {"row": ["<b>", "a" * 99]}, reliable=np.array([True, False])
    )
    html = two._repr_html_()
    assert "<th>row</th>" in html
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert "a" * 99 not in html
    assert "<th>reliable</th>" in html
    assert "1 unreliable" in html


def test_a_listing_shows_its_first_lines_too():
    table = Listing("leaderboard", {"row": np.array(["a", "b"]), "score": np.array([0.5, 0.4])}, 0.95)
    assert repr(table).splitlines()[0] == "Listing(leaderboard, 2 lines, level 0.95)"
    assert "<td>0.5</td>" in table._repr_html_()


def test_a_pickled_interval_leaves_the_inference_behind():
    statement = Statement(object(), None, lambda q: (np.zeros(1), np.ones(1)))
    one = Intervals.symmetric("x", np.ones(1), np.ones(1), 0.9, {}).stated(statement)
    copy = pickle.loads(pickle.dumps(one))
    assert copy.statement is None
    np.testing.assert_array_equal(copy.low, one.low)


def test_an_empty_set_of_intervals_can_be_shown():
    none = Intervals.symmetric("x", np.zeros(0), np.zeros(0), 0.9, {"row": np.zeros(0, dtype=str)})
    assert "0 numbers" in repr(none)
    assert "<table>" in none._repr_html_()
