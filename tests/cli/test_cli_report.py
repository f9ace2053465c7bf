"""``halfseen report``: the page of every kind of run, with its data, without them, and after bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import halfseen as hs
from page_reader import PageReader

WHOLE_PICTURES = True


@pytest.fixture
def read():
    def parse(path) -> tuple[str, PageReader]:
        text = Path(path).read_text(encoding="utf-8")
        reader = PageReader(text)
        reader.check()
        return text, reader

    return parse


@pytest.fixture
def answers(tmp_path):
    """A 30 x 25 table of zeros and ones in long form."""
    data = hs.datasets.make_factor_data(30, 25, rank=1, family="bernoulli", observed=0.8, random_state=0).observed
    path = tmp_path / "answers.csv"
    lines = [f"m{i},q{j},{v:.0f}" for i, j, v in zip(data.rows, data.cols, data.values, strict=True)]
    path.write_text("model,question,right\n" + "\n".join(lines) + "\n")
    return path


FITS = {
    "als": (("--rank", 1), {"Factors", "Biases"}),
    "bayes": (("--rank", 1, "--max-iter", 10, "--burn-in", 2), {"Uncertainty"}),
    "soft-impute": (("--rank", 2), {"Biases"}),
    "descent": (("--rank", 4), {"The descent"}),
    "moment": (("--rank", 1), {"Components", "Second moments", "Columns"}),
}


@pytest.mark.slow
def test_yes_no_answers_of_a_bayesian_run_are_probabilities_everywhere(halfseen, answers, tmp_path, read):
    where = ("--row", "model", "--col", "question", "--value", "right")
    words = (*where, "--family", "bernoulli", "--rank", 1, "--max-iter", 20)
    done = halfseen("fit", "bayes", answers, *words, "-o", tmp_path / "run")
    assert done.exit_code == 0, done.output
    asked = ("predict", tmp_path / "run", "--rows", "m3", "--cols", "q4", "--level", 0.9, "--json")
    (line,) = json.loads(halfseen(*asked).stdout)
    assert 0 < line["low"] < line["predicted"] < line["high"] < 1
    done = halfseen("report", tmp_path / "run")
    assert done.exit_code == 0, done.output
    _, page = read(tmp_path / "run" / "report.html")
    assert "95 % interval of a probability: median width" in page.words("dt")
    assert "noise (sd) of an entry" not in page.words("dt")


@pytest.mark.fast_cases("als")
@pytest.mark.parametrize("method", list(FITS))
def test_every_kind_of_run_has_a_page(halfseen, table, tmp_path, read, method):
    words, titles = FITS[method]
    done = halfseen("fit", method, table, *words, "-o", tmp_path / "run")
    assert done.exit_code == 0, done.output
    done = halfseen("report", tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert "report.html" in done.output
    _, page = read(tmp_path / "run" / "report.html")
    assert titles <= set(page.words("h2"))
    assert page.words("code") == [json.loads((tmp_path / "run" / "run.json").read_text())["command"]]
    assert page.words("h1") == ["table.csv"]
    if method != "moment":
        assert "held-out RMSE" in page.words("dt")
        assert "held-out entries against their predictions" in page.values("aria-label")
    assert any("share of cells seen" in label for label in page.values("aria-label"))
    assert not list((tmp_path / "run").glob(".*"))


@pytest.mark.slow
def test_a_leaderboard_is_made_with_the_data_where_they_were_and_without_them_says_so(
    halfseen, answers, tmp_path, read
):
    run = tmp_path / "run"
    done = halfseen("fit", "factor", answers, "--family", "bernoulli", "--rank", 1, "--penalty", "map", "-o", run)
    assert done.exit_code == 0, done.output
    assert halfseen("report", run, "--level", 0.9, "--title", "My <board>").exit_code == 0
    _, page = read(run / "report.html")
    assert {"Leaderboard", "Items"} <= set(page.words("h2"))
    assert "90 % interval" in page.words("th")
    assert page.words("h1") == ["My <board>"]
    moved = answers.rename(tmp_path / "moved.csv")
    done = halfseen("report", run, "-o", tmp_path / "other.html", "--json")
    assert done.exit_code == 0
    facts = json.loads(done.stdout)
    assert facts["has_data"] is False
    text, page = read(tmp_path / "other.html")
    assert "were not at hand" in text
    assert str(tmp_path) not in "".join(page.words("p")), "a page that is sent around names no folders in its notes"
    assert "90 % interval" not in page.words("th")
    assert any("share of cells seen" in label for label in page.values("aria-label")), "kept by the fit"
    done = halfseen("report", run, "--data", moved, "--json")
    assert json.loads(done.stdout)["has_data"] is True


@pytest.mark.slow
def test_a_model_of_hidden_entries_is_shown_with_the_entries_it_saw(halfseen, answers, tmp_path, read):
    run = tmp_path / "run"
    words = ("--family", "bernoulli", "--rank", 1, "--penalty", "map", "--hide", 0.3)
    assert halfseen("fit", "factor", answers, *words, "-o", run).exit_code == 0
    done = halfseen("report", run)
    assert done.exit_code == 0, done.output
    text, page = read(run / "report.html")
    record = json.loads((run / "run.json").read_text())
    entries = sum(int(line.split(",")[7]) for line in page.downloads()["report-leaderboard.csv"].splitlines()[1:])
    assert entries == record["n_fitted"] < record["data"]["n_entries"]
    assert "No intervals" not in text, "the entries are those of the fit, to the last one"


@pytest.mark.slow
def test_runs_of_older_versions_have_a_page_too(halfseen, quick, tmp_path, read):
    run = tmp_path / "run"
    assert halfseen(*quick("-o", run)).exit_code == 0
    (run / "details.json").unlink()
    (run / "fit.png").unlink()
    assert halfseen("report", run, "--no-read").exit_code == 0
    _, page = read(run / "report.html")
    assert "Where the data are missing" not in page.words("h2")


@pytest.mark.slow
def test_pictures_of_rows_are_on_the_page(halfseen, tmp_path, read):
    rng = np.random.default_rng(0)
    path, run = tmp_path / "pictures.csv", tmp_path / "run"
    lines = [f"{i},{j:02d},{rng.random():.3f}" for i in range(20) for j in range(12) if rng.random() < 0.8]
    path.write_text("picture,pixel,grey\n" + "\n".join(lines) + "\n")
    assert halfseen("fit", "als", path, "--rank", 1, "--image", "3x4", "-o", run).exit_code == 0
    assert halfseen("report", run).exit_code == 0
    text, page = read(run / "report.html")
    assert "Pictures" in page.words("h2")
    assert text.count('src="data:image/png;base64,') == 1


def test_bad_input_ends_with_one_line_and_code_two(halfseen, quick, table, tmp_path):
    def refused(*words) -> str:
        done = halfseen("report", *words)
        assert done.exit_code == 2, done.output
        assert done.stderr.count("\n") == 1
        return done.stderr

    assert "is not a halfseen run" in refused(tmp_path)
    run = tmp_path / "run"
    assert halfseen(*quick("-o", run)).exit_code == 0
    assert "is a folder; give the name of a file" in refused(run, "-o", tmp_path)
    assert "does not exist; make it first" in refused(run, "-o", tmp_path / "no" / "x.html")
    assert "level" in refused(run, "--level", 2)
    other = tmp_path / "other.csv"
    other.write_text("\n".join(table.read_text().splitlines()[:-3]) + "\n")
    assert "entries now" in refused(run, "--data", other)
    (run / "details.json").write_text("{")
    assert "details.json is damaged" in refused(run)


@pytest.mark.slow
def test_a_run_of_many_sources_has_its_shared_basis_with_intervals(halfseen, tmp_path, read):
    design = hs.datasets.SourcesDesign(noise=0.3)
    data = hs.datasets.make_sources_data(3, 20, 30, 1, 1, observed=0.9, design=design, random_state=0)
    path, run = tmp_path / "long.csv", tmp_path / "run"
    lines = [
        f"{name},r{i:02d},c{j:02d},{v:.5f}"
        for name, one in data.sources.items()
        for i, j, v in zip(one.rows, one.cols, one.values, strict=True)
    ]
    path.write_text("site,row,col,value\n" + "\n".join(lines) + "\n")
    words = ("--source", "site", "--shared-rank", 1, "--unique-rank", 1, "--solver", "als")
    done = halfseen("fit", "heterogeneous", path, *words, "-o", run)
    assert done.exit_code == 0, done.output
    done = halfseen("report", run)
    assert done.exit_code == 0, done.output
    _, page = read(run / "report.html")
    basis = page.downloads()["report-shared-basis.csv"].splitlines()
    assert basis[0] == "row,factor 1,95 % interval of 1 low,95 % interval of 1 high"
    model = hs.load(run / "model.safetensors")
    first, *numbers = basis[1].split(",")
    estimate, low, high = map(float, numbers)
    assert first == "r00"
    assert estimate == pytest.approx(float(model.shared_basis_[0, 0]))
    assert low < estimate < high
    path.unlink()
    assert halfseen("report", run).exit_code == 0
    assert "report-shared-basis.csv" not in read(run / "report.html")[1].downloads()


@pytest.mark.slow
def test_the_page_shows_names_from_a_file_for_labels(halfseen, quick, table, tmp_path):
    run, page = tmp_path / "run", tmp_path / "page.html"
    assert halfseen("fit", "factor", table, "-o", run).exit_code == 0
    (tmp_path / "names.csv").write_text('film,title\nf01,"Alien [1979], cut"\nf02,Brazil\nf03,Brazil\n')
    answer = halfseen("report", run, "-o", page, "--labels", tmp_path / "names.csv")
    assert answer.exit_code == 0, answer.output
    text = page.read_text(encoding="utf-8")
    assert "Alien [1979], cut" in text
    assert "Brazil (f02)" in text
    assert "Brazil (f03)" in text
    assert ">f01<" not in text
    assert ">f04<" in text
    (tmp_path / "others.csv").write_text("film,title\nx1,Alien\n")
    answer = halfseen("report", run, "-o", page, "--labels", tmp_path / "others.csv")
    assert answer.exit_code == 2
    assert "the model has none of them" in answer.output


@pytest.mark.filterwarnings("ignore:the factors predict held-out entries")
def test_the_page_compares_the_best_rows_pair_by_pair(tmp_path):
    data = hs.datasets.make_factor_data(30, 20, rank=1, observed=0.8, random_state=0)
    model = hs.GeneralizedFactorModel(1, random_state=0).fit(data.observed)
    chapter = model.summary().chapter
    pairs = next(section for section in chapter.sections if section.title == "Pairs").parts[1]
    assert len(pairs) == 66
    columns = {column.title: column for column in pairs.columns}
    gaps = model.inference().differences(columns["row"].values, columns["against"].values)
    np.testing.assert_array_equal(columns["difference"].values, gaps.estimate)
    apart = np.array(["yes" if low > 0 else "no" for low in gaps.low])
    assert (columns["told apart"].values == apart).all()
