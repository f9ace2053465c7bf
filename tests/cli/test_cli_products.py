"""``halfseen complete``, ``predict``, ``factors`` and ``place``: from a file to a file, with intervals."""

from __future__ import annotations

import csv
import json

import numpy as np
import pyarrow.parquet
import pytest

import halfseen as hs

RNG = np.random.default_rng(0)
TRUTH = np.outer(RNG.normal(size=40), RNG.normal(size=8)) * [1, 1, 1, 1, 100, 100, 100, 100] + 5.0
SEEN = RNG.random(TRUTH.shape) < 0.8
NOISY = TRUTH + 0.05 * RNG.normal(size=TRUTH.shape) * [1, 1, 1, 1, 100, 100, 100, 100]


@pytest.fixture
def wide(tmp_path):
    """A wide file of sensors of two scales, with labels, a column of words and holes."""
    path = tmp_path / "wide.csv"
    lines = ["station,region," + ",".join(f"s{j}" for j in range(8))]
    for i in range(40):
        cells = [f"{NOISY[i, j]:.3f}" if SEEN[i, j] else "" for j in range(8)]
        lines.append(f"st{i},north," + ",".join(cells))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def answers(tmp_path):
    """Yes/no answers in long form, and those of two newcomers."""
    data = hs.datasets.make_factor_data(60, 20, rank=1, family="bernoulli", observed=0.8, random_state=0).observed
    lines = [f"m{i},q{j:02d},{v:.0f}" for i, j, v in zip(data.rows, data.cols, data.values, strict=True)]
    (tmp_path / "answers.csv").write_text("model,question,right\n" + "\n".join(lines) + "\n")
    new = [f"best,q{j:02d},1" for j in range(8)] + [f"worst,q{j:02d},0" for j in range(8)]
    (tmp_path / "new.csv").write_text("model,question,right\n" + "\n".join(new) + "\n")
    return tmp_path / "answers.csv"


def read(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_a_wide_table_comes_back_wide_with_what_was_seen_as_it_stood(halfseen, wide, tmp_path):
    words = ("complete", wide, "--wide", "--drop", "region", "--rank", 1, "--interval", 0.9)
    done = halfseen(*words, "-o", tmp_path / "whole.csv")
    assert done.exit_code == 0, done.output
    before, after = read(wide), read(tmp_path / "whole.csv")
    assert list(after[0])[:10] == list(before[0])
    inside = []
    for i, (old, new) in enumerate(zip(before, after, strict=True)):
        assert new["region"] == "north"
        for j in range(8):
            name = f"s{j}"
            if old[name]:
                assert new[name] == old[name]
            else:
                assert float(new[f"{name} low"]) < float(new[name]) < float(new[f"{name} high"])
                inside.append(float(new[f"{name} low"]) < NOISY[i, j] < float(new[f"{name} high"]))
    # 90 % of about 64 cells, three standard deviations below
    assert np.mean(inside) > 0.9 - 3 * np.sqrt(0.09 / len(inside))
    assert "in units of each column's spread" in " ".join(done.stdout.split()), "the columns differ in scale"


@pytest.mark.parametrize("suffix", [".parquet", ".json"])
def test_a_completed_table_may_be_written_in_another_format(halfseen, wide, tmp_path, suffix):
    out = tmp_path / f"whole{suffix}"
    done = halfseen("complete", wide, "--wide", "--drop", "region", "--method", "means", "-o", out, "-q")
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    found = pyarrow.parquet.read_table(out).to_pylist() if suffix == ".parquet" else json.loads(out.read_text())
    assert [line["station"] for line in found] == [f"st{i}" for i in range(40)]
    for i, line in enumerate(found):
        for j in range(8):
            assert isinstance(line[f"s{j}"], float)
            if SEEN[i, j]:
                assert line[f"s{j}"] == pytest.approx(round(NOISY[i, j], 3))


def test_a_long_table_comes_back_long_with_every_cell(halfseen, tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text("who,what,stars\nann,tea,5\nann,jam,3\nbob,tea,4\ncy,jam,1\ncy,tea,2\n")
    done = halfseen("complete", path, "--method", "als", "--rank", 1, "-o", tmp_path / "out.csv")
    assert done.exit_code == 0, done.output
    lines = read(tmp_path / "out.csv")
    assert [(line["who"], line["what"]) for line in lines] == [
        (who, what) for who in ("ann", "bob", "cy") for what in ("jam", "tea")
    ]
    seen = {("ann", "tea"): "5", ("ann", "jam"): "3", ("bob", "tea"): "4", ("cy", "jam"): "1", ("cy", "tea"): "2"}
    for line in lines:
        key = line["who"], line["what"]
        if key in seen:
            assert line["stars"] == seen[key]
        else:
            assert 1.0 <= float(line["stars"]) <= 5.0, "a rating stays on its scale"


def test_a_shift_is_taken_back_in_a_completed_table(halfseen, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("u,f,r\n" + "".join(f"{i},{j},{100 + i + j}\n" for i in range(8) for j in range(6) if i != j))
    assert halfseen("complete", path, "--shift", -100, "--rank", 1, "-o", tmp_path / "out.csv").exit_code == 0
    for line in read(tmp_path / "out.csv"):
        assert float(line["r"]) == pytest.approx(100 + int(line["u"]) + int(line["f"]), abs=3)


@pytest.mark.slow
def test_a_completion_comes_from_standard_input_too(process, tmp_path):
    text = "u,f,r\n" + "".join(f"{i},{j},{i * j}\n" for i in range(6) for j in range(5) if i != j)
    done = process("complete", "-", "--method", "means", input=text)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 31


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--interval", 2), "--interval 2 must lie between 0 and 1"),
        (("--method", "als", "--interval", 0.9), "--method als has no intervals; take bayes or factor"),
        (("--method", "magic"), "--method 'magic' is not known"),
        (("--method", "means", "--rank", 2), "--rank has no meaning for --method means"),
        (("-o", "out.xls"), "must end in one of"),
    ],
)
def test_what_cannot_be_completed_is_said_in_one_line(halfseen, table, words, message):
    done = halfseen("complete", table, *words)
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


def test_a_formula_in_a_label_is_quoted_for_spreadsheets_unless_raw(halfseen, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("u,f,r\n" + "".join(f"=cmd|{i},{j},{i + j}\n" for i in range(6) for j in range(5) if i != j))
    words = ("complete", path, "--method", "means", "-q")
    halfseen(*words, "-o", tmp_path / "safe.csv")
    halfseen(*words, "--raw", "-o", tmp_path / "raw.csv")
    assert {line["u"][:5] for line in read(tmp_path / "safe.csv")} == {"'=cmd"}
    assert {line["u"][:4] for line in read(tmp_path / "raw.csv")} == {"=cmd"}


def test_intervals_of_a_factor_model_are_those_of_its_inference_on_the_data_of_the_fit(halfseen, tmp_path):
    data = hs.datasets.make_factor_data(60, 40, rank=1, observed=0.8, random_state=0).observed
    path, run = tmp_path / "t.csv", tmp_path / "run"
    lines = [f"r{i:02d},c{j:02d},{v:.6f}" for i, j, v in zip(data.rows, data.cols, data.values, strict=True)]
    path.write_text("row,col,value\n" + "\n".join(lines) + "\n")
    words = ("fit", "factor", path, "--rank", 1, "--penalty", "none", "--held-out", 0, "-o", run)
    assert halfseen(*words).exit_code == 0
    (line,) = json.loads(halfseen("predict", run, "--rows", "r03", "--cols", "c05", "--level", 0.9, "--json").stdout)
    model = hs.load(run / "model.safetensors")
    found = model.inference(0.9, R=hs.read_table(path)).responses(["r03"], ["c05"])
    assert (line["low"], line["high"]) == (pytest.approx(found.low[0]), pytest.approx(found.high[0]))
    path.rename(tmp_path / "moved.csv")
    refused = halfseen("predict", run, "--rows", "r03", "--cols", "c05", "--level", 0.9)
    assert refused.exit_code == 2
    assert "say where they are now with --data" in refused.stderr
    words = ("predict", run, "--rows", "r03", "--cols", "c05", "--level", 0.9, "--data", tmp_path / "moved.csv")
    assert halfseen(*words).exit_code == 0


def test_factors_have_errors_and_may_be_turned(halfseen, tmp_path):
    rng = np.random.default_rng(1)
    values = rng.normal(size=(120, 2)) * [3, 1] @ rng.normal(size=(2, 60)) + 0.3 * rng.normal(size=(120, 60))
    path, run = tmp_path / "t.csv", tmp_path / "run"
    path.write_text("row,col,value\n" + "".join(f"{i},{j},{values[i, j]:.5f}\n" for i in range(120) for j in range(60)))
    words = ("fit", "factor", path, "--rank", 2, "--penalty", "none", "--held-out", 0, "-o", run)
    assert halfseen(*words).exit_code == 0
    assert halfseen("factors", run, "-o", tmp_path / "f.csv").exit_code == 0
    lines = read(tmp_path / "f.csv")
    assert len(lines) == 2 * (120 + 60)
    first = lines[0]
    assert (first["side"], first["label"], first["component"]) == ("row", "0", "1")
    assert float(first["low"]) < float(first["factor"]) < float(first["high"])
    assert halfseen("factors", run, "--rotation", "varimax", "--side", "cols", "-o", tmp_path / "v.csv").exit_code == 0
    turned = np.array([float(line["factor"]) for line in read(tmp_path / "v.csv")]).reshape(60, 2)
    direct = hs.GeneralizedFactorModel(2, penalty="none", rotation="varimax", random_state=0).fit(hs.read_table(path))
    # the inference balances the factors without their errors: a little apart from the attributes
    np.testing.assert_allclose(turned, direct.col_factors_, atol=0.05)


def test_factors_without_errors_are_given_with_a_note(halfseen, quick, tmp_path):
    run = tmp_path / "run"
    assert halfseen(*quick("-o", run)).exit_code == 0
    done = halfseen("factors", run, "--rotation", "varimax", "--json")
    assert done.exit_code == 0, done.output
    assert {line["side"] for line in json.loads(done.stdout)} == {"row", "column"}
    done = halfseen("factors", run)
    assert "no errors of the rows" in done.stderr


def test_newcomers_are_placed_with_intervals_and_the_next_questions(halfseen, answers, tmp_path):
    run = tmp_path / "run"
    assert halfseen("fit", "irt", answers, "--kind", "rasch", "--held-out", 0, "-o", run).exit_code == 0
    done = halfseen("place", run, tmp_path / "new.csv", "--questions", 2, "--json")
    assert done.exit_code == 0, done.output
    best, worst = json.loads(done.stdout)
    assert (best["row"], worst["row"], best["answered"]) == ("best", "worst", 8)
    assert best["ability low"] < best["ability"] < best["ability high"]
    assert best["score"] > worst["score"]
    model = hs.load(run / "model.safetensors")
    placed = model.inference().new_rows(hs.read_table(tmp_path / "new.csv"))
    assert best["ability"] == pytest.approx(placed.ability[0])
    assert {best["ask 1"], best["ask 2"]} == set(placed.next_items(2).to_pydict()["item"][:2])


def test_new_rows_of_real_numbers_are_predicted_with_intervals(halfseen, wide, tmp_path):
    run = tmp_path / "run"
    reading = ("--wide", "--drop", "region,s4,s5,s6,s7")
    done = halfseen("fit", "bayes", wide, *reading, "--rank", 1, "--held-out", 0, "-o", run)
    assert done.exit_code == 0, done.output
    lines = wide.read_text().splitlines()
    new = tmp_path / "new.csv"
    whole = [f"{value:.3f}" for value in NOISY[3]]
    new.write_text("\n".join([lines[0], "new,south," + ",".join([*whole[:2], "", *whole[3:]])]) + "\n")
    done = halfseen("place", run, new, "--json")
    assert done.exit_code == 0, done.output
    (line,) = json.loads(done.stdout)
    assert (line["row"], line["col"]) == ("new", "s2")
    assert line["low"] < NOISY[3, 2] < line["high"]


@pytest.mark.slow
def test_new_rows_without_intervals_say_so(halfseen, quick, table, tmp_path):
    run = tmp_path / "run"
    assert halfseen(*quick("-o", run)).exit_code == 0
    new = tmp_path / "new.csv"
    new.write_text("\n".join(table.read_text().splitlines()[:12]).replace("u00", "new") + "\n")
    done = halfseen("place", run, new)
    assert done.exit_code == 0, done.output
    assert "no intervals of new rows" in done.stderr
    assert done.stdout.startswith("row,col,predicted\nnew,")


@pytest.mark.slow
def test_a_table_that_can_only_be_wide_comes_back_wide_without_being_told(halfseen, wide, tmp_path):
    told, guessed = tmp_path / "told.csv", tmp_path / "guessed.csv"
    wide.write_text(wide.read_text().replace("station,region,", "station,").replace(",north,", ","))
    halfseen("complete", wide, "--wide", "-o", told)
    done = halfseen("complete", wide, "-o", guessed)
    assert "was read as a wide table" in done.stderr
    assert guessed.read_bytes() == told.read_bytes()


def test_scaling_is_taken_only_where_it_predicts_better(halfseen, tmp_path):
    """Five shares of very different price, a month a column: spreads of three prices are no unit to fit in."""
    rng = np.random.default_rng(5)
    prices = np.array([20.0, 40.0, 100.0, 200.0, 400.0])[:, None] * np.exp(np.cumsum(rng.normal(0, 0.05, (5, 60)), 1))
    seen = rng.random(prices.shape) < 0.75
    lines = ["share,month,price"]
    lines += [f"s{i},m{j:02d},{prices[i, j]:.2f}" for i, j in np.argwhere(seen)]
    (tmp_path / "shares.csv").write_text("\n".join(lines) + "\n")
    result = halfseen("complete", tmp_path / "shares.csv", "-o", tmp_path / "full.csv", "--interval", 0.9)
    assert result.exit_code == 0, result.output
    full = {
        (row["share"], row["month"]): row for row in csv.DictReader((tmp_path / "full.csv").read_text().splitlines())
    }
    hidden = [(full[f"s{i}", f"m{j:02d}"], prices[i, j]) for i, j in np.argwhere(~seen)]
    errors = np.array([float(row["price"]) - price for row, price in hidden])
    assert np.sqrt(np.mean(errors**2)) < 0.4 * np.std(prices)
    assert np.mean([float(row["low"]) <= price <= float(row["high"]) for row, price in hidden]) > 0.8


def test_one_column_holds_one_kind_of_cell(halfseen, tmp_path):
    """Decimal commas come back as points, words as their numbers, in seen cells and filled ones alike."""
    comma = ["id;a;b;c;d;e"] + [
        ";".join([f"r{i}", *(f"{i + j},5" if (i + 2 * j) % 7 else "" for j in range(5))]) for i in range(8)
    ]
    (tmp_path / "comma.csv").write_text("\n".join(comma) + "\n")
    words = ["id,a,b,c,d,e"] + [
        ",".join([f"r{i}", *(("no", "yes", "")[(i * j + i) % 3] for j in range(5))]) for i in range(8)
    ]
    (tmp_path / "words.csv").write_text("\n".join(words) + "\n")
    for name, more in (("comma.csv", ()), ("words.csv", ("--wide", "--values", "no=0,yes=1"))):
        result = halfseen("complete", tmp_path / name, "-o", tmp_path / "full.csv", *more)
        assert result.exit_code == 0, result.output
        rows = list(csv.reader((tmp_path / "full.csv").read_text().splitlines()))[1:]
        assert all(np.isfinite([float(cell) for cell in row[1:]]).all() for row in rows)
        (tmp_path / "full.csv").unlink()
