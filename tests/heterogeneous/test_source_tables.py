"""Sources completed, new samples placed, factors shown: in Python and on the page."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import halfseen as hs
from patient_views import N, draw_world, frame, seen_tables


@pytest.fixture(scope="module")
def world():
    return draw_world()


@pytest.fixture(scope="module")
def tables(world):
    return seen_tables(world)


@pytest.fixture(scope="module")
def model(tables):
    return hs.HeterogeneousFactorization(family={"answers": "bernoulli"}, random_state=0).fit(tables)


class TestComplete:
    def test_holes_get_the_prediction_and_all_else_stays(self, tables, model):
        whole = model.complete(tables)
        assert list(whole) == list(tables)
        for name, table in tables.items():
            seen = table.notna().to_numpy()
            assert whole[name].columns.tolist() == table.columns.tolist()
            np.testing.assert_array_equal(whole[name].to_numpy()[seen], table.to_numpy()[seen])
            np.testing.assert_allclose(whole[name].to_numpy()[~seen], model.predict_table(name)[~seen])

    def test_rows_and_columns_are_found_by_label(self, tables, model):
        turned = tables["genes"].iloc[::-1, ::-1]
        again = model.complete({"genes": turned})["genes"].iloc[::-1, ::-1]
        pd.testing.assert_frame_equal(again, model.complete(tables)["genes"])

    def test_what_goes_in_as_a_list_or_as_sources_comes_out_so(self, tables):
        arrays = [table.to_numpy() for table in list(tables.values())[:2]]
        plain = hs.HeterogeneousFactorization(1, 0, solver="als", random_state=0).fit(arrays)
        whole = plain.complete(arrays)
        assert isinstance(whole, list)
        assert not any(np.isnan(table).any() for table in whole)
        as_sources = plain.complete(hs.Sources({"0": arrays[0], "1": arrays[1]}))
        assert isinstance(as_sources, hs.Sources)
        assert as_sources["1"].n_entries == arrays[1].size

    def test_other_rows_or_columns_are_refused(self, tables, model):
        with pytest.raises(ValueError, match=r"source 'genes' has 3 rows, the fit 60: .*place_samples"):
            model.complete({"genes": np.zeros((3, 15))})
        with pytest.raises(ValueError, match="no source 'no'"):
            model.complete({"no": tables["genes"]})
        with pytest.raises(ValueError, match="p99"):
            model.complete({"genes": tables["genes"].rename(index={"p01": "p99"})})

    def test_intervals_of_the_holes_are_those_of_their_cells_and_hold_the_truth(self, world, tables, model):
        inference = model.inference(0.9)
        for name, table in tables.items():
            i, j = np.nonzero(table.isna().to_numpy())
            found = inference.missing(table, source=name)
            assert found.to_frame().column_names[:2] == ["row", "col"]
            labels = table.index[i], table.columns[j]
            asked = inference.entries if name == "answers" else inference.responses
            np.testing.assert_array_equal(found.low, asked(*labels, source=name).low)
            if name != "answers":
                truth = world[name][i, j]
                # 72 and 135 hidden values: the share inside has a standard deviation of .035 at most
                assert np.mean((found.low <= truth) & (truth <= found.high)) > 0.9 - 4 * 0.035


def test_new_samples_may_lack_other_sources_each(world, tables, model):
    new = {name: frame(name, world[name][N:], N) for name in ("clinic", "genes")}
    placed = model.place_samples(
        hs.Sources({"clinic": new["clinic"].iloc[:8], "genes": new["genes"].iloc[4:]}, "union")
    )
    alone = model.place_samples({"clinic": new["clinic"].iloc[:8]})
    np.testing.assert_allclose(placed.scores[:4], alone.scores[:4])
    assert (placed.scores_se[4:8, :2] < placed.scores_se[:4, :2].min(axis=0)).all()
    with pytest.raises(ValueError, match="'x99'"):
        model.place_samples({"clinic": new["clinic"].rename(columns={"c00": "x99"})})


class TestPage:
    def test_it_says_what_factors_explain_and_whose_they_are(self, model, tmp_path):
        summary = model.summary()
        parts = json.loads(summary.to_json())
        titles = [section["title"] for section in parts["sections"]]
        assert titles[:4] == [
            "What each factor explains", "What is shared and what is unique", "Loadings by source", "Samples",
        ]  # fmt: skip
        found = [part for section in parts["sections"] for part in section["parts"] if part["kind"] == "table"]
        first = {column["title"]: column["values"] for column in found[0]["columns"]}
        clear = np.flatnonzero(model.activity_.any(axis=1))
        assert first["factor"] == [model.factor_names_[k] for k in clear]
        assert first["genes"][0] == pytest.approx(model.variance_explained_[2, clear[0]])
        page = summary.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
        for text in ("Variance explained by factor and source", "largest loadings", "Scores on the two factors"):
            assert text in page

    def test_pictures_show_the_factors_that_are_not_faint(self, model):
        clear = model.activity_.any(axis=1)
        axes = hs.show.plot_variance_explained(model).axes[0]
        assert len(axes.get_xticks()) == clear.sum()
        assert len(axes.patches) == model.activity_.sum()
        loadings = hs.show.plot_source_loadings(model, "clinic").axes[0]
        assert [text.get_text() for text in loadings.get_xticklabels()] == [
            name for name, is_in in zip(model.factor_names_, model.activity_[:, 0], strict=True) if is_in
        ]
        samples = hs.show.plot_samples(model, (1, 0)).axes[0]
        assert (samples.get_xlabel(), samples.get_ylabel()) == (model.factor_names_[1], model.factor_names_[0])
        with pytest.raises(ValueError, match=r"factors=\(0, 99\)"):
            hs.show.plot_samples(model, (0, 99))

    def test_a_fit_without_any_factor_says_so(self):
        rng = np.random.default_rng(0)
        noise = {"a": rng.normal(size=(40, 6)), "b": rng.normal(size=(40, 5))}
        with pytest.warns(UserWarning, match="no source takes part in any factor"):
            model = hs.HeterogeneousFactorization(random_state=0).fit(noise)
        assert "nothing beyond column means" in str(model.summary())
