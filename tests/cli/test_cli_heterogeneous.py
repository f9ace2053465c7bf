"""``halfseen fit heterogeneous``: one long table with a column of sources, or a file per source."""

from __future__ import annotations

import json

import numpy as np
import pytest

import halfseen as hs

DATA = hs.datasets.make_sources_data(
    3, 20, [15, 18, 21], 1, 1, observed=0.7, design=hs.datasets.SourcesDesign(noise=0.1), random_state=0
)


@pytest.fixture
def long(write_long):
    return write_long(DATA.sources)


@pytest.fixture
def files(tmp_path):
    """A long table per source."""
    paths = []
    for name, table in DATA.sources.items():
        path = tmp_path / f"{name.replace(' ', '-')}.csv"
        rows = zip(table.rows, table.cols, table.values, strict=True)
        path.write_text("sensor,day,reading\n" + "\n".join(f"s{i:02},d{j:02},{v:.5f}" for i, j, v in rows) + "\n")
        paths.append(path)
    return paths


RANKS = ("--shared-rank", 1, "--unique-rank", 1)


def test_a_long_table_with_a_source_column_is_fitted_judged_and_kept(halfseen, long, tmp_path):
    done = halfseen(
        "fit",
        "heterogeneous",
        long,
        "--source",
        "site",
        "--shared-rank",
        "1,2",
        "--unique-rank",
        1,
        "--solver",
        "als",
        "-o",
        tmp_path / "run",
    )
    assert done.exit_code == 0, done.output
    assert "shared rank" in done.output
    assert "Misalignment" in done.output
    kept = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"model.safetensors", "run.json", "basis.png", "index.png", "shares.png", "trace.png"} <= kept
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    ours, others = record["figures"][0], record["figures"][1:]
    assert [row["model"].split(",")[0] for row in others] == ["JIVE", "alternating least squares", "column mean"]
    assert ours["rmse"] < 0.5 * others[-1]["rmse"]
    model = hs.load(tmp_path / "run" / "model.safetensors")
    assert model.source_names_ == list(DATA.sources)
    assert halfseen("report", tmp_path / "run").exit_code == 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert "What is shared and what is unique" in page
    assert "source 2" in page


def test_columns_may_be_numbers_and_the_first_three_are_meant_without_names(halfseen, long):
    named = halfseen("fit", "heterogeneous", long, "--source", 0, *RANKS, "--json")
    assert named.exit_code == 0, named.output
    assert json.loads(named.output)["data"]["sources"]["source 1"]["n_cols"] == 18


@pytest.mark.slow
def test_several_files_are_sources_named_by_their_files(halfseen, files, long):
    done = halfseen("fit", "heterogeneous", *files, *RANKS, "--json")
    assert done.exit_code == 0, done.output
    facts = json.loads(done.output)
    assert list(facts["data"]["sources"]) == ["source-0", "source-1", "source-2"]
    other = json.loads(halfseen("fit", "heterogeneous", long, "--source", "site", *RANKS, "--json").output)
    assert facts["figures"][0]["rmse"] == pytest.approx(other["figures"][0]["rmse"], rel=1e-6)


@pytest.mark.slow
def test_predictions_ask_for_a_source(halfseen, long, tmp_path):
    run = tmp_path / "run"
    halfseen("fit", "heterogeneous", long, "--source", "site", *RANKS, "-o", run)
    ask = ("predict", run, "--rows", "s03", "--cols", "d07", "--json")
    found = json.loads(halfseen(*ask, "--source", "source 1").output)[0]["predicted"]
    truth = (DATA.shared["source 1"] + DATA.unique["source 1"])[3, 7]
    assert found == pytest.approx(truth, abs=0.3)
    refused = halfseen(*ask)
    assert refused.exit_code == 2
    assert "add --source NAME, one of source 0, source 1, source 2" in refused.output


@pytest.mark.slow
def test_columns_that_are_pictures_are_drawn(halfseen, long, tmp_path):
    done = halfseen("fit", "heterogeneous", long, "--source", "site", *RANKS, "--image", "4x5", "-o", tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "run" / "parts.png").is_file()


def test_missing_values_and_shifts_are_seen_to(halfseen, long, tmp_path):
    text = long.read_text().splitlines()
    text[1] = ",".join([*text[1].split(",")[:3], "-99"])
    long.write_text("\n".join(text) + "\n")
    words = ("fit", "heterogeneous", long, "--source", "site", *RANKS, "--missing", -99, "--shift", 5, "--json")
    facts = json.loads(halfseen(*words).output)
    assert facts["data"]["n_entries"] == DATA.sources.n_entries - 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "one table needs --source COLUMN"),
        (("--source", "site", "--penalty", "-1"), "--penalty '-1'"),
        (("--source", "nowhere"), "nowhere"),
        (("--source", "site", "--image", "3x3"), "columns are pictures of 9 rows here, not 20"),
        (("--source", "site", "--family", "hinge"), "is not known"),
        (("--source", "site", "--solver", "sgd"), "--solver 'sgd' is not allowed"),
        (("--source", "site", "--wide"), "leave --wide out"),
        (("--source", 9), "--source 9: "),
    ],
)
def test_bad_input_takes_one_line(halfseen, long, tmp_path, words, message):
    out = ("-o", tmp_path / "run") if "--image" in words else ()
    done = halfseen("fit", "heterogeneous", long, *RANKS, *words, *out)
    assert done.exit_code == 2
    assert message in done.output
    assert len([line for line in done.output.splitlines() if line.startswith("halfseen: error")]) == 1
    assert not (tmp_path / "run").exists()


def test_two_files_of_one_name_are_refused(halfseen, files, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    twin = other / files[0].name
    twin.write_text(files[0].read_text())
    done = halfseen("fit", "heterogeneous", files[0], twin)
    assert done.exit_code == 2
    assert "two files are called 'source-0'" in done.output


def test_displays_show_what_the_model_has():
    from halfseen.show import part_images, plot_heterogeneity, plot_shared_basis, plot_shares

    model = hs.HeterogeneousFactorization(1, 1, random_state=0).fit(DATA.sources)
    image = plot_shared_basis(model).axes[0].images[0].get_array()
    np.testing.assert_allclose(np.asarray(image), model.shared_basis_)
    lines = plot_heterogeneity(model).axes[0].lines
    np.testing.assert_allclose(lines[1].get_ydata(), model.heterogeneity_index()["source 1"])
    bars = plot_shares(model).axes[0].patches
    assert sum(bar.get_width() for bar in bars) == pytest.approx(3.0)
    assert len(part_images(model, "source 0", (4, 5), count=2, reading="l1").axes) == 6
