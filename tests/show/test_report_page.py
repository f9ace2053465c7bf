"""Report pages: self-contained, escaped, cut where they are long, with a chapter for every method."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re

import numpy as np
import pytest

import halfseen as hs
from halfseen.data.facts import SeenShares, quantiles_of
from halfseen.inference import Intervals
from halfseen.methods.factor import summary as factor_summary
from halfseen.render.page import markup, svg, write
from halfseen.render.page.markup import Page
from halfseen.summary import scores as summary_scores
from halfseen.summary.parts import Column, Interval, Picture, Table
from halfseen.summary.summary import writer_of
from page_reader import PageReader

EVIL = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "</style></table><b>",
    "$x^{ \\frac",
    "&lt;i&gt;",
    "漢字 ünïcode",
    "a\x00b\x1b[1m",
    "'; javascript:alert(3)",
    "https://example.org/x.js",
]


@pytest.fixture(scope="module")
def table():
    """A 20 x 12 binary table with labels that want to break out of the page."""
    data = hs.datasets.make_factor_data(20, 12, rank=1, family="bernoulli", observed=0.8, random_state=0).observed
    rows = np.array([EVIL[i] if i < len(EVIL) else f"row {i}" for i in range(20)])
    cols = np.array([EVIL[-1 - j] + "!" if j < len(EVIL) else f"col {j}" for j in range(12)])
    return hs.Observed.from_triplets(
        data.rows, data.cols, data.values, shape=(20, 12), row_labels=rows, col_labels=cols
    )


@pytest.fixture(scope="module")
def numbers():
    rng = np.random.default_rng(0)
    found = 3.0 + np.outer(rng.normal(size=40), rng.normal(size=15)) + 0.1 * rng.normal(size=(40, 15))
    return hs.Observed.from_dense(np.where(rng.random(found.shape) < 0.7, found, np.nan))


@pytest.fixture(scope="module")
def sources():
    return hs.datasets.make_sources_data(3, 20, 15, 2, 1, observed=0.9, random_state=0).sources


def page_of(model, path, *args, **more) -> tuple[str, PageReader]:
    text = hs.report(model, path / "page.html", *args, **more).read_text(encoding="utf-8")
    reader = PageReader(text)
    reader.check()
    return text, reader


class InductiveBothSides:
    """Inductive completion with features of both sides at hand."""

    def fit(self, R):
        rng = np.random.default_rng(1)
        model = hs.InductiveCompletion(rank=2, random_state=0)
        return model.fit(R, row_features=rng.normal(size=(40, 3)), col_features=rng.normal(size=(15, 2)))


def models():
    return {
        "Leaderboard": (hs.GeneralizedFactorModel(1, "bernoulli", random_state=0), "table"),
        "Biases": (hs.AlternatingLeastSquares(2, random_state=0), "numbers"),
        "Uncertainty": (hs.BayesianFactorization(2, max_iter=20, burn_in=5, random_state=0), "numbers"),
        "path of penalties": (hs.SoftImpute(3, random_state=0), "numbers"),
        "Mean and biases without factors": (hs.ColumnMean(), "numbers"),
        "The descent": (hs.OverparametrizedFactorization(6, random_state=0), "numbers"),
        "Second moments": (hs.OneSidedCompletion(1, random_state=0), "numbers"),
        "What moves the units": (InductiveBothSides(), "numbers"),
        "Units of the decoder": (hs.SparseAutoencoder(3, random_state=0), "sources"),
        "What is shared": (hs.HeterogeneousFactorization(2, 1, random_state=0), "sources"),
        "JIVE": (hs.JIVE(2, 1, centre=False), "sources"),
    }


@pytest.mark.fast_cases("JIVE")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("word", list(models()))
def test_every_method_has_a_page_of_its_own(word, tmp_path, request):
    model, data = models()[word]
    if "Autoencoder" in type(model).__name__:
        pytest.importorskip("torch")
    R = request.getfixturevalue(data)
    model = model.fit(R)
    text, page = page_of(model, tmp_path, R)
    assert word in text
    titles = page.words("h2")
    assert titles[-1] == "How the numbers were made"
    assert "How well it fits" in titles
    assert "Where the data are missing" in titles
    assert page.count("svg") >= 2
    assert page.count("main") == page.count("h1") == 1
    assert "Options of " + type(model).__name__ in text


@pytest.mark.slow
@pytest.mark.parametrize("features", ["raw", "rff"])
def test_clusters_from_pairs_have_a_page(features, tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 90)
    X = rng.normal(size=(90, 4)) + 4 * np.eye(3, 4)[truth]  # the last feature tells nothing
    i, j = rng.integers(0, 90, (2, 500))
    model = hs.SimilarityClustering(3, features=features, random_state=0).fit(X, pairs=(i, j, truth[i] == truth[j]))
    text, page = page_of(model, tmp_path)
    assert {"Clusters", "Features", "How well it fits"} <= set(page.words("h2"))
    assert ("Scales of the frequencies tried" in text) == (features == "rff")
    for size in np.bincount(model.labels_):
        assert f">{size}<" in text
    if features == "raw":
        shown = [text.index(f"feature {k}") for k in range(4)]
        assert max(shown) == shown[3]  # strongest first, the useless one last
    else:
        assert f">{min(model.scale_errors_):.3g}<" in text


def test_every_public_estimator_names_who_tells_its_story():
    for name in hs._PUBLIC:
        cls = getattr(hs, name)
        if hasattr(cls, "fit") and hasattr(cls, "get_params"):
            assert not cls._summary.startswith("halfseen.summary.anything:chapter"), name
            assert callable(writer_of(cls()))
    with pytest.raises(TypeError, match="needs a fitted estimator; got int"):
        writer_of(3)


def test_labels_are_text_wherever_they_come_from(table, sources, tmp_path):
    model = hs.GeneralizedFactorModel(1, "bernoulli", penalty="map", random_state=0).fit(table)
    record = {"command": EVIL[0], "data": {"source": EVIL[1], "n_entries": table.n_entries}}
    record |= {"figures": [{"model": EVIL[2], "rmse": 1.0}], "versions": {EVIL[0]: EVIL[1]}, "notes": [EVIL[0]]}
    _, page = page_of(model, tmp_path, record=record)
    assert page.count("script") == page.count("style") == page.count("title") == 1
    cells = page.words("th")
    for label in EVIL:
        assert any(label.replace("\x00", "\ufffd").replace("\x1b", "\ufffd") == cell for cell in cells), label
    assert EVIL[0] in page.words("code")
    twisted = hs.Sources({EVIL[k]: one for k, one in enumerate(sources.values())})
    _, page = page_of(hs.TwoStepSVD(2, 1, centre=False).fit(twisted), tmp_path)
    assert page.count("script") == 1
    assert {EVIL[0], f"{EVIL[0][:23]}…"} & set(page.words("text")), "the label is text of the picture too"


def test_the_policy_lets_only_the_pages_own_script_run(numbers, tmp_path):
    text, page = page_of(hs.BiasModel().fit(numbers), tmp_path)
    (script,) = page.words("script")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(attrs["content"] for tag, attrs in page.elements if tag == "meta" and "http-equiv" in attrs)
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert re.search(r"prefers-color-scheme: dark", text)
    assert re.search(r"@media print", text)


@pytest.mark.slow
def test_a_leaderboard_says_what_its_intervals_rest_on(table, tmp_path):
    model = hs.GeneralizedFactorModel(1, "bernoulli", penalty="map", random_state=0).fit(table)
    text, page = page_of(model, tmp_path, level=0.9)
    board = list(csv.DictReader(io.StringIO(page.downloads()["page-leaderboard.csv"])))
    scores = model.inference(0.9).scores()
    found = {line["row"]: line for line in board}
    for label, estimate, low, high in zip(table.row_labels, scores.estimate, scores.low, scores.high, strict=True):
        line = found[str(label)]
        assert float(line["score"]) == pytest.approx(estimate, rel=1e-8)
        assert float(line["90 % interval low"]) == pytest.approx(low, rel=1e-8)
        assert float(line["90 % interval high"]) == pytest.approx(high, rel=1e-8)
        assert float(line["rank low"]) <= float(line["place"]) <= float(line["rank high"])
        assert int(line["entries"]) == int((table.rows == list(table.row_labels).index(label)).sum())
    assert [float(line["score"]) for line in board] == pytest.approx(sorted(scores.estimate, reverse=True), rel=1e-8)
    assert "average (Bayesian) coverage" in text
    assert {"difficulty", "discrimination", "misfit"} <= set(page.words("th"))


@pytest.mark.slow
def test_an_unpenalised_leaderboard_has_tie_groups(tmp_path):
    data = hs.datasets.make_factor_data(60, 200, rank=1, observed=0.8, random_state=1).observed
    model = hs.GeneralizedFactorModel(1, penalty="none", random_state=0).fit(data)
    _, page = page_of(model, tmp_path)
    board = list(csv.DictReader(io.StringIO(page.downloads()["page-leaderboard.csv"])))
    groups = [int(line["tie group"]) for line in board]
    assert (
        groups
        == model.inference()
        .ties()
        .extra["group"][np.argsort(-model.inference().scores().estimate, kind="stable")]
        .tolist()
    )
    assert "difficulty" not in page.words("th"), "there is no even chance of a real number"


def test_tables_that_the_inference_brings_along_are_shown(table, tmp_path, monkeypatch):
    class Brings:
        level = 0.8

        def leaderboard(self):
            rows = {"row": np.array(["best", "<worst>"])}
            return Intervals("score", np.array([2.0, 1.0]), np.ones(2), np.array([1.5, 0.5]), np.array([2.5, 1.5]),
                             0.8, rows, "a claim of its own", extra={"rank_low": np.array([1, 2]),
                             "rank_high": np.array([1, 2]), "answers": np.array([7, 9])})  # fmt: skip

        def scores(self):
            raise ValueError("it brings no scores")

        def items(self):
            return {"item": ["i1", "i2"], "difficulty": [0.5, -0.5], "low": [0.0, -1.0], "high": [1.0, 0.0]}

    model = hs.ItemResponseModel("rasch", integrate="columns").fit(table)
    monkeypatch.setattr(type(model), "inference", lambda self, *args, **more: Brings())
    text, page = page_of(model, tmp_path)
    board = list(csv.reader(io.StringIO(page.downloads()["page-leaderboard.csv"])))
    assert board[0] == ["row", "estimate", "se", "interval low", "interval high", "rank interval low",
                        "rank interval high", "answers"]  # fmt: skip
    assert board[2][0] == "<worst>"
    assert page.downloads()["page-items.csv"].splitlines()[1] == "i1,0.5,0,1"
    assert "a claim of its own." in text


def test_a_long_table_is_cut_with_a_statement_and_all_of_it_is_a_download(numbers, tmp_path):
    text, page = page_of(hs.BiasModel().fit(numbers), tmp_path, numbers, limit=9)
    assert "the first 9 of 40 lines" in text
    assert len(page.downloads()["page-rows.csv"].splitlines()) == 41
    bodies = re.findall(r"<tbody>(.*?)</tbody>", text, re.S)
    assert [body.count("<tr") for body in bodies[:2]] == [9, 9]


def test_a_table_too_large_for_the_page_lies_beside_it(numbers, tmp_path, monkeypatch):
    monkeypatch.setattr(markup, "LARGEST_EMBEDDED", 300)
    _, page = page_of(hs.BiasModel().fit(numbers), tmp_path, numbers)
    kept = (tmp_path / "page-rows.csv").read_text().splitlines()
    assert kept[0] == "row,mean + bias,bias,entries"
    assert len(kept) == 41
    assert "page-rows.csv" in page.values("href")


def test_a_page_is_complete_or_not_there_at_all(numbers, tmp_path, monkeypatch):
    model, path = hs.BiasModel().fit(numbers), tmp_path / "page.html"
    path.write_text("before")
    monkeypatch.setattr(write.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        hs.report(model, path)
    assert path.read_text() == "before"
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]


def test_where_a_table_was_seen_is_counted_without_making_the_table():
    rng = np.random.default_rng(0)
    n, p, m = 3_000_000, 2_000_000, 5000
    places = {(int(i), int(j)) for i, j in zip(rng.integers(0, n, m), rng.integers(0, p, m), strict=True)}
    i, j = np.array(sorted(places)).T
    shares = SeenShares.of(hs.Observed.from_triplets(i, j, np.ones(len(i)), shape=(n, p)))
    assert shares.grid.shape == (60, 120)
    assert shares.grid.sum() * (n / 60) * (p / 120) == pytest.approx(len(i))
    again = SeenShares.from_dict(shares.as_dict())
    assert again.shape == shares.shape
    np.testing.assert_array_equal(again.row_counts, shares.row_counts)


def test_blocks_of_unequal_size_have_shares_of_their_own_cells():
    seen = np.where(np.add.outer(np.arange(7), np.arange(5)) % 3 == 0, np.nan, 1.0)
    grid = SeenShares.of(hs.Observed.from_dense(seen), grid=(3, 2)).grid
    place = np.arange(7) * 3 // 7, np.arange(5) * 2 // 5
    for a in range(3):
        for b in range(2):
            assert grid[a, b] == pytest.approx(np.isfinite(seen[place[0] == a][:, place[1] == b]).mean())


def test_quantiles_from_frequencies_are_those_of_the_counts():
    counts = np.random.default_rng(0).poisson(3, 500)
    from halfseen.data.facts import quantiles

    np.testing.assert_array_equal(quantiles_of(np.bincount(counts)), quantiles(counts))


@pytest.mark.slow
def test_a_table_too_large_for_memory_has_a_page(tmp_path):
    rng = np.random.default_rng(0)
    n, p, m = 60_000, 50_000, 3000
    places = np.unique(rng.integers(0, n, m) * p + rng.integers(0, p, m))
    R = hs.Observed.from_triplets(places // p, places % p, rng.normal(size=len(places)), shape=(n, p))
    text, page = page_of(hs.AlternatingLeastSquares(1, random_state=0).fit(R), tmp_path, R, limit=20)
    assert "the first 20 of 60 000 lines" in text.replace("\u202f", " ")
    assert (tmp_path / "page-rows.csv").exists()
    assert page.count("svg") >= 2


def test_scores_that_would_cost_a_pass_over_too_many_cells_are_left_out(table, tmp_path, monkeypatch):
    monkeypatch.setattr(summary_scores, "MOST_CELLS", 100)
    monkeypatch.setattr(factor_summary, "MOST_CELLS", 100)
    model = hs.GeneralizedFactorModel(1, "bernoulli", penalty="map", random_state=0).fit(table)
    text, page = page_of(model, tmp_path)
    assert "this page leaves them out" in text
    assert "Leaderboard" not in page.words("h2")
    assert "Items" in page.words("h2")


def test_without_matplotlib_there_are_numbers_and_a_note(numbers, tmp_path, monkeypatch):
    monkeypatch.setattr(write, "find_spec", lambda name: None)
    text, page = page_of(hs.BiasModel().fit(numbers), tmp_path)
    assert "matplotlib is not installed" in text
    assert page.count("svg") == 0


def test_a_private_model_shows_nothing_of_single_rows(numbers, tmp_path):
    promise = hs.Privacy(epsilon=1.0, delta=1e-6, bound=5.0, max_entries=6)
    model = hs.OneSidedCompletion(1, privacy=promise).fit(numbers)
    text, page = page_of(model, tmp_path, numbers)
    assert "differential privacy" in text
    assert "Where the data are missing" not in page.words("h2")
    assert "Columns" not in page.words("h2")


@pytest.mark.slow
def test_a_loaded_model_wants_its_data_for_intervals_and_says_so(table, tmp_path):
    fitted = hs.GeneralizedFactorModel(1, "bernoulli", penalty="map", random_state=0).fit(table)
    hs.save(fitted, tmp_path / "model.safetensors")
    model = hs.load(tmp_path / "model.safetensors")
    text, page = page_of(model, tmp_path)
    assert "No intervals: this model does not carry the entries" in text
    assert "95 % interval" not in page.words("th")
    assert "95 % interval" in page_of(model, tmp_path, table)[1].words("th")
    with pytest.raises(ValueError, match="R is 19 x 12, but the model was fitted to a table of 20 x 12"):
        hs.report(model, tmp_path / "page.html", table.take_rows(np.arange(19)))
    turned = table.take_rows(np.arange(20)[::-1])
    with pytest.raises(ValueError, match="row labels of R are not those of the fit"):
        hs.report(model, tmp_path / "page.html", turned)


def test_bad_arguments_are_named(numbers, tmp_path):
    model = hs.BiasModel().fit(numbers)
    with pytest.raises(ValueError, match="level=95 must lie between 0 and 1"):
        hs.report(model, tmp_path / "x.html", level=95)
    with pytest.raises(ValueError, match="limit must be a whole number of at least 1"):
        hs.report(model, tmp_path / "x.html", limit=0)
    with pytest.raises(FileNotFoundError, match="does not exist; make it first"):
        hs.report(model, tmp_path / "no" / "x.html")


class TestMarkup:
    def test_what_is_not_known_is_a_dash_and_sorts_last(self):
        page = Page("p", 10).table(Table("t", [Column("a", ["x", "y"], kind="text"), Column("b", [np.nan, 1.5])]))
        assert '<td data-v="">\u2013</td>' in page
        assert '<td data-v="1.5">1.50</td>' in page

    def test_a_column_that_says_nothing_is_left_out(self):
        columns = [Column("a", ["x"], kind="text"), Column("flags", [""], kind="text"), Column("e", [np.nan])]
        page = Page("p", 10).table(Table("t", columns))
        assert "flags" not in page
        assert ">e<" not in page

    def test_infinite_intervals_have_no_bar(self):
        one = Interval("i", np.array([-np.inf, 0.0]), np.array([np.inf, 1.0]), np.array([0.5, 0.5]))
        page = Page("p", 10).table(Table("t", [Column("a", ["x", "y"], kind="text"), one]))
        assert page.count("<i style") == 1

    def test_pictures_take_the_colours_of_the_page_and_powers_are_text(self):
        from halfseen.show.figures import new_figure, tidy

        def draw():
            axes = tidy(new_figure(3, 2).subplots())
            axes.plot([1, 2], [1e-9, 1e2], color="#2a6f97")
            axes.set_yscale("log")
            return axes.figure

        made = svg.inline_picture(draw, 'a "picture"', "q1")
        assert "var(--blue)" in made
        assert "#2a6f97" not in made
        assert "mathdefault" not in made
        assert "10\u207b" in made
        assert 'aria-label="a &quot;picture&quot;"' in made
        assert "http" not in made

    def test_a_label_that_xml_cannot_hold_becomes_a_bitmap(self):
        from halfseen.show.figures import new_figure

        def draw():
            figure = new_figure(2, 2)
            figure.text(0.5, 0.5, "a\x01b")
            return figure

        made = Page("p", 10).picture(Picture(draw, "a picture"))
        assert "data:image/png;base64," in made
