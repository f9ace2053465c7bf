"""The face that every inference has: names, one level, refusals that say why, statements that hold together."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
from scipy import sparse

import halfseen as hs
from halfseen.inference import CommonErrors, Intervals, NotStated, Statement, TableInference, TableNames
from halfseen.parameters import BadArgument

NAMES = TableNames((3, 4), np.array(["ann", "bob", "cy"]), None)


class Means(TableInference):
    """Three means with known errors, two of which move together; differences lean on the same errors."""

    _sets: ClassVar = ("rows",)
    _refusals: ClassVar = {"scores": "means have no scores"}
    estimate = np.array([1.0, 2.0, 4.0])
    loading = np.array([[1.0, 0.0, 0.0], [1.0, 0.1, 0.0], [0.0, 0.0, 2.0]])

    def __init__(self, **more):
        super().__init__(NAMES, more.pop("level", 0.9), "a claim", **more)

    def rows(self, component=None):
        errors = CommonErrors({"z": self.loading}, "means")
        se = np.linalg.norm(self.loading, axis=1)
        return self._interval("mean", self.estimate, se, self.names.column(0), errors)

    def differences(self, first, second, of="mean", axis="rows", about="again"):
        i, l = self.names.positions(first, 0), self.names.positions(second, 0)  # noqa: E741
        weights = np.eye(3)[i] - np.eye(3)[l]
        errors = CommonErrors({"z": self.loading}, "means").combined(weights)
        se = np.linalg.norm(weights @ self.loading, axis=1)
        labels = {"row_first": self.names.labels(0)[i], "row_second": self.names.labels(0)[l]}
        return self._interval("difference", weights @ self.estimate, se, labels, errors)

    def _named_set(self, name, **choices):
        return self.rows(**choices)


class TestNames:
    def test_labels_are_found_and_positions_where_there_are_none(self):
        assert NAMES.positions(["cy", "ann"], 0).tolist() == [2, 0]
        assert NAMES.positions([3], 1).tolist() == [3]
        assert NAMES.positions(None, 1).tolist() == [0, 1, 2, 3]
        with pytest.raises(ValueError, match="unknown row label 'bo'"):
            NAMES.positions("bo", 0)

    def test_pairs_are_elementwise_and_one_side_may_be_single(self):
        i, j = NAMES.pairs(["ann", "bob"], 3)
        assert (i.tolist(), j.tolist()) == ([0, 1], [3, 3])
        assert NAMES.cells(i, j)["row"].tolist() == ["ann", "bob"]
        with pytest.raises(ValueError, match="2 rows and 3 cols"):
            NAMES.pairs(["ann", "bob"], [0, 1, 2])


class TestBands:
    def test_the_quantile_is_that_of_the_largest_deviation(self):
        i = Means(draws=4000)
        z = np.random.default_rng(1).standard_normal((400_000, 3)) @ i.loading.T / np.linalg.norm(i.loading, axis=1)
        wanted = np.quantile(np.abs(z).max(axis=1), 0.9)
        assert i.band("rows").quantile == pytest.approx(wanted, abs=0.06)

    def test_sets_that_move_together_cost_less_than_independent_ones(self):
        i = Means(draws=4000)
        # the first two means are almost one number: their band is hardly wider than one interval
        assert i.band(i.differences(["ann"], ["cy"])).quantile == pytest.approx(1.645, abs=0.06)
        alone, both = i.band("rows").quantile, i.band("rows", i.differences(["ann"], ["bob"])).quantile
        assert 1.645 < alone < both < 2.5

    def test_a_single_set_keeps_its_shape_and_several_are_named(self):
        i = Means()
        one, both = i.band("rows"), i.band("rows", i.differences(["ann", "bob"], ["cy", "cy"]))
        assert one.kind == both.kind == "band"
        assert one.labels["row"].tolist() == ["ann", "bob", "cy"]
        assert both.labels["set"].tolist() == ["mean"] * 3 + ["difference"] * 2
        assert both.labels["row"].tolist() == ["ann", "bob", "cy", "", ""]
        assert both.labels["row_first"].tolist() == ["", "", "", "ann", "bob"]
        np.testing.assert_allclose(both.estimate, [1, 2, 4, -3, -2])
        np.testing.assert_allclose(both.high - both.estimate, both.quantile * both.se)

    def test_the_same_seed_gives_the_same_band(self):
        assert Means().band("rows").quantile == Means(random_state=0).band("rows").quantile
        assert Means().band("rows").quantile != Means(random_state=1).band("rows").quantile

    def test_sparse_loadings_are_loadings(self):
        dense = CommonErrors({"z": Means.loading}, "means")
        thin = CommonErrors({"z": sparse.csr_array(Means.loading)}, "means")
        z = {"z": np.random.default_rng(0).standard_normal((5, 3))}
        np.testing.assert_allclose(thin.deviations(z), dense.deviations(z))
        np.testing.assert_allclose(
            thin.combined(np.ones((1, 3))).deviations(z), dense.combined(np.ones((1, 3))).deviations(z)
        )

    def test_what_has_no_known_joint_errors_is_refused(self):
        i = Means()
        elsewhere = Statement(i, CommonErrors({"z": np.eye(3)}, "elsewhere"), lambda q: (np.zeros(3), np.zeros(3)))
        with pytest.raises(NotStated, match="elsewhere and means"):
            i.band("rows", i.rows().stated(elsewhere))
        with pytest.raises(NotStated, match="another inference"):
            i.band(Means().rows())
        with pytest.raises(NotStated, match="no errors that could be drawn"):
            i.band(Intervals.symmetric("x", np.ones(1), np.ones(1), 0.9, {}))
        with pytest.raises(BadArgument, match="sets='cols' is not allowed; needed: one of 'rows', or intervals"):
            i.band("cols")
        with pytest.raises(ValueError, match="needs a set"):
            i.band()
        with pytest.raises(BadArgument, match="method='bootstrap'"):
            i.band("rows", method="bootstrap")


class TestRefusals:
    def test_a_question_without_an_answer_says_why_and_what_there_is(self):
        with pytest.raises(
            NotStated, match=r"Means states no scores: means have no scores\. It has rows, differences\."
        ):
            Means().scores()
        with pytest.raises(NotStated, match="states no entries"):
            Means().entries([0], [0])
        with pytest.raises(NotStated, match="states no ranks"):
            Means().ties()

    @pytest.mark.parametrize("given", [{"level": 95}, {"level": 0.0}, {"draws": 3}, {"draws": True}])
    def test_wrong_choices_are_named(self, given):
        (name,) = given
        with pytest.raises(BadArgument, match=f"^{name}="):
            Means(**given)

    def test_it_shows_its_size_and_level(self):
        assert repr(Means()) == "Means(3 x 4, level 0.9)"


def frames():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    rng = np.random.default_rng(0)
    table = {f"q{j}": (rng.random(30) < 0.6).astype(float) for j in range(8)}
    return {"pandas": pandas.DataFrame(table), "polars": polars.DataFrame(table)}


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_frames_come_out_in_the_library_that_went_in(library):
    frame = frames()[library]
    for model in (
        hs.GeneralizedFactorModel(1, "bernoulli", penalty="map", random_state=0),
        hs.ItemResponseModel("rasch"),
    ):
        i = model.fit(frame).inference()
        for found in (i.scores(), i.items(), i.rows(), i.ranks(), i.entries([0], ["q1"]), i.differences([0], [1])):
            assert type(found.to_frame()).__module__.split(".")[0] == library
        assert type(i.new_rows(frame).next_items(2)).__module__.split(".")[0] == library
        assert type(i.scores().to_frame("pyarrow")).__module__.split(".")[0] == "pyarrow"
    i = model.fit(np.asarray(frame.to_numpy())).inference()
    assert type(i.scores().to_frame()).__module__.split(".")[0] == "pyarrow"
