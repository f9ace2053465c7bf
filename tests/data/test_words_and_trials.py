"""Values as words, values as successes of trials, JSON, standard input, and many sources in one file."""

from __future__ import annotations

import gzip
import io
import json
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as parquet
import pytest

import halfseen as hs
from halfseen.data import Observed, read_sources, read_table

ANSWERS = {
    "who": ["ann", "ann", "bob", "bob", "cy"],
    "item": ["tea", "jam", "tea", "jam", "tea"],
    "answer": ["never", "often", "often", "no idea", "sometimes"],
}
MEANING = {"never": 0, "sometimes": 1, "often": 2, "no idea": None}


def write(folder, ending, table):
    path = folder / f"a.{ending}"
    if ending == "csv":
        pd.DataFrame(table).to_csv(path, index=False)
    elif ending == "parquet":
        parquet.write_table(pa.table(table), path)
    elif ending == "feather":
        feather.write_feather(pa.table(table), str(path))
    else:
        path.write_text(pd.DataFrame(table).to_json(orient="records", lines=True))
    return path


@pytest.mark.parametrize("ending", ["csv", "parquet", "feather", "jsonl"])
def test_words_become_the_numbers_they_stand_for_in_every_kind_of_file(tmp_path, ending):
    R = read_table(write(tmp_path, ending, ANSWERS), values=MEANING)
    assert {(r, c): v for r, c, v in zip(R.row_labels[R.rows], R.col_labels[R.cols], R.values, strict=True)} == {
        ("ann", "tea"): 0, ("ann", "jam"): 2, ("bob", "tea"): 2, ("cy", "tea"): 1,
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"holds 'no idea', which values= does not have"):
        read_table(tmp_path / f"a.{ending}", values={"never": 0, "sometimes": 1, "often": 2})
    with pytest.raises(ValueError, match=r"values=\{'never': \?, 'often': \?, "):
        read_table(tmp_path / f"a.{ending}")


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_words_in_frames_likewise(make):
    R = Observed.from_frame(make(ANSWERS), "who", "item", "answer", values=MEANING)
    assert sorted(R.values.tolist()) == [0, 1, 2, 2]
    with pytest.raises(ValueError, match=r"column 'answer' holds words, not numbers; say what they stand for: values="):
        Observed.from_frame(make(ANSWERS), "who", "item", "answer")
    with pytest.raises(TypeError, match="no argument 'words'"):
        Observed.from_frame(make(ANSWERS), "who", "item", "answer", words=MEANING)


def test_empty_cells_and_na_among_words_are_missing_unless_they_mean_something(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("u,i,r\n1,1,yes\n1,2,NA\n2,1,\n2,2,no\n")
    assert read_table(file, values={"no": 0, "yes": 1}).n_entries == 2
    assert read_table(file, values={"no": 0, "yes": 1, "NA": 2}).values.tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("values", "text"),
    [({}, "must map words to numbers"), ("no=0", "must map"), ({"no": "zero"}, r"values\['no'\] = 'zero' must be"),
     ({"no": float("inf")}, "must be a finite number")],
)  # fmt: skip
def test_meanings_that_are_none_are_told(tmp_path, values, text):
    with pytest.raises(ValueError, match=text):
        read_table(write(tmp_path, "csv", ANSWERS), values=values)


RUNS = {"model": ["a", "a", "b", "b"], "task": ["x", "y", "x", "y"], "won": [3, 0, 5, 4], "tried": [5, 4, 5, 6]}


@pytest.mark.parametrize("ending", ["csv", "parquet", "feather", "jsonl"])
def test_successes_come_with_their_trials(tmp_path, ending):
    R = read_table(write(tmp_path, ending, RUNS), trials="tried")
    assert (R.values.tolist(), R.trials.tolist()) == ([3, 0, 5, 4], [5, 4, 5, 6])
    assert "successes out of 4 to 6 trials" in R.notes[-1]
    shares = {**RUNS, "won": [0.6, 0.0, 1.0, 0.667]}
    S = read_table(write(tmp_path, ending, shares), trials="tried")
    assert (S.values.tolist(), S.trials.tolist()) == ([3, 0, 5, 4], [5, 4, 5, 6])
    assert "shares of the trials" in S.notes[0]


@pytest.mark.filterwarnings("ignore:the factors predict:UserWarning")
def test_trials_follow_their_entries_and_a_model_takes_them():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"r": np.repeat(np.arange(30), 12), "c": np.tile(np.arange(12), 30)})
    frame["n"] = rng.integers(2, 9, len(frame))
    frame["k"] = rng.binomial(frame["n"], 0.4)
    frame = frame.sample(frac=0.8, random_state=0)
    R = Observed.from_frame(frame, "r", "c", "k", trials="n")
    known = frame.set_index(["r", "c"])

    def check(table: Observed) -> None:
        for row, col, won, tried in zip(table.row_labels[table.rows], table.col_labels[table.cols], table.values,
                                        table.trials, strict=True):  # fmt: skip
            assert (known.loc[(row, col), "k"], known.loc[(row, col), "n"]) == (won, tried)

    train, test = R.split(0.2, random_state=0)
    for table in (R, train, test, R.take_rows([5, 2, 9]), R.astype("float32"), R.select(R.values > 2)):
        check(table)
    turned = R.T
    assert turned.trials.tolist() == R.trials[R.column_order].tolist()
    model = hs.GeneralizedFactorModel(1, "bernoulli", random_state=0).fit(train, trials=train.trials)
    assert np.isfinite(model.predict_table()).all()
    assert R.describe()["hints"][0]["value"] == "bernoulli"


def test_duplicates_with_trials_add_up_or_take_one():
    frame = pd.DataFrame({"r": ["a", "a", "b"], "c": ["x", "x", "x"], "k": [1, 2, 0], "n": [4, 3, 2]})
    for rule, expected in (("sum", [(3, 7), (0, 2)]), ("first", [(1, 4), (0, 2)]), ("last", [(2, 3), (0, 2)])):
        R = Observed.from_frame(frame, "r", "c", "k", trials="n", duplicates=rule)
        assert list(zip(R.values, R.trials, strict=True)) == expected
    with pytest.raises(ValueError, match="duplicates='mean' does not say what becomes of the trials"):
        Observed.from_frame(frame, "r", "c", "k", trials="n", duplicates="mean")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"tried": [5, 0, 5, 6]}, r"whole numbers of at least 1; 1 are not, first 0.0 at R\['a', 'y'\]"),
        (
            {"tried": [5, 4, 4, 6]},
            r"successes lie between 0 and the trials; 1 entries do not, first R\['b', 'x'\] = 5.0 of 4",
        ),
        ({"won": [0.6, 0.3, 1, 1]}, r"R\['a', 'y'\] = 0.3 of 4 trials is not a whole number of successes"),
        ({"won": [-1, 0, 5, 4]}, "successes lie between 0"),
        ({"tried": [5.5, 4, 5, 6]}, "whole numbers of at least 1"),
    ],
)
def test_trials_that_cannot_be_are_told_with_their_place(tmp_path, changes, text):
    with pytest.raises(ValueError, match=text):
        read_table(write(tmp_path, "csv", RUNS | changes), trials="tried")
    with pytest.raises(ValueError, match=r"weight= and trials= do not go together"):
        read_table(write(tmp_path, "csv", RUNS | {"w": [1, 2, 3, 4]}), trials="tried", weight="w")


RECORDS = [
    {"user": "007", "item": 9, "rating": 1.5, "more": {"deep": [1]}},
    {"user": "7", "item": 8, "rating": 3},
    {"user": "é", "item": 9, "rating": None},
]


@pytest.mark.parametrize("form", ["lines", "list", "pretty", "columns", "gz"])
def test_json_in_every_form_gives_typed_labels(tmp_path, form):
    path = tmp_path / ("a.jsonl.gz" if form == "gz" else "a.json")
    lines = "\n\n".join(map(json.dumps, RECORDS)) + "\n"
    columns = {name: [record.get(name) for record in RECORDS] for name in ("user", "item", "rating")}
    texts = {"lines": lines, "list": json.dumps(RECORDS), "pretty": json.dumps(RECORDS, indent=2),
             "columns": json.dumps(columns), "gz": lines}  # fmt: skip
    path.write_bytes(gzip.compress(lines.encode()) if form == "gz" else texts[form].encode())
    R = read_table(path, "user", "item", "rating", missing=float("nan"))
    assert R.row_labels.tolist() == ["007", "7"]
    assert (R.col_labels.tolist(), R.values.tolist()) == ([8, 9], [1.5, 3.0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"u": 1, "i": 1, "r": 1}\n{"u": "1", "i": 1, "r": 1}\n', r"column 'u' mixes types: record 2 has '1', text"),
        ('{"u": 1, "i": 1, "r": 1}\n{"u": 1, "i": [2], "r": 1}\n', r"record 2: 'i' is \[2\]; needed: text or a number"),
        ('{"u": 1, "i": 1, "r": 1}\n{"u": 1, "i": \n', "cannot be read as JSON: line 2"),
        ('{"u": 1, "i": 1, "r": 1}\n[1, 2]\n', "record 1 is 1; needed: an object"),
        ("[" * 200_000, "it is nested too deeply|cannot be read as JSON"),
        ("12", "needed: one JSON object per line"),
        ('{"u": [1, 2], "i": [1], "r": [1, 2]}', "columns must be equally long"),
        ('{"u": 123456789012345678901234, "i": 1, "r": 1}\n', "beyond 64-bit integers; write it as text"),
        ("\n\n", "0 entries"),
        ('{"u": 1, "i": 1, "r": "x"}\n', "column 'r' holds string, first 'x'"),
    ],
)
def test_json_that_is_no_table_is_one_clear_line(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=message) as told:
        read_table(tmp_path / "a.json", missing=float("nan"))
    assert "a.json" in str(told.value)
    assert type(told.value) is ValueError


class Stdin:
    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


@pytest.mark.parametrize("ending", ["csv", "parquet", "feather", "jsonl", "csv.gz"])
def test_standard_input_is_read_by_what_it_begins_with(tmp_path, monkeypatch, ending):
    table = {"u": ["a", "b"], "i": [1, 2], "r": [1.0, 2.0]}
    if ending == "csv.gz":
        data = gzip.compress(write(tmp_path, "csv", table).read_bytes())
    else:
        data = write(tmp_path, ending, table).read_bytes()
    monkeypatch.setattr(sys, "stdin", Stdin(data))
    R = read_table("-")
    assert (R.row_labels.tolist(), R.values.tolist()) == (["a", "b"], [1.0, 2.0])


def test_what_is_wrong_with_standard_input_is_told_in_these_words(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Stdin(b"u,i,r\n1,2,3\n1,3,many\n"))
    with pytest.raises(ValueError, match=r"^standard input: .*invalid value 'many'") as told:
        read_table("-")
    assert "halfseen-" not in str(told.value)
    monkeypatch.setattr(sys, "stdin", Stdin(b""))
    with pytest.raises(ValueError, match="standard input is empty"):
        read_table("-")


SOURCES = {
    "site": ["n", "n", "s", "s", "s"],
    "who": ["007", "7", "007", "8", "8"],
    "what": ["a", "b", "a", "a", "c"],
    "much": [1.0, 2.0, 3.0, 4.0, 5.0],
}


@pytest.mark.parametrize("ending", ["csv", "parquet", "feather", "jsonl"])
def test_one_long_file_is_many_tables_with_the_labels_of_the_whole(tmp_path, ending):
    S = read_sources(write(tmp_path, ending, SOURCES), source="site", row="who", col="what", value="much")
    assert S.names == ["n", "s"]
    assert S.row_labels.tolist() == ["007", "7", "8"]
    assert {name: table.col_labels.tolist() for name, table in S.items()} == {"n": ["a", "b"], "s": ["a", "c"]}
    framed = hs.Sources.from_frame(pd.DataFrame(SOURCES), "site", "who", "what", "much")
    for name in S:
        np.testing.assert_array_equal(S[name].to_dense(), framed[name].to_dense())
        assert framed[name].row_labels.tolist() == S[name].row_labels.tolist()


def test_sources_default_to_the_other_columns_in_order_and_take_all_readings(tmp_path):
    path = write(tmp_path, "csv", {**SOURCES, "much": ["no", "yes", "yes", "no", "skip"]})
    S = read_sources(path, "site", values={"no": 0, "yes": 1, "skip": None})
    assert S.n_entries == 4
    same = read_sources(path, "site", values={"no": 0, "yes": 1, "skip": None}, rows="intersection")
    assert same.row_labels.tolist() == ["007"]
    path = write(tmp_path, "csv", {**SOURCES, "n": [2, 2, 3, 4, 5]})
    assert read_sources(path, "site", trials="n")["s"].trials.tolist() == [3, 4, 5]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"source": "place"}, "source='place' is not a column"),
        ({"source": "site", "row": "site"}, "asked for twice"),
        ({"source": "site", "rows": "all"}, "rows must be one of"),
        ({"source": "site", "col": "who", "row": "what", "value": "who"}, "asked for twice"),
        ({"source": "who", "value": "site"}, "column 'site'"),
    ],
)
def test_sources_that_cannot_be_are_told(tmp_path, arguments, text):
    with pytest.raises(ValueError, match=text):
        read_sources(write(tmp_path, "csv", SOURCES), **arguments)
    doubled = {name: column * 2 for name, column in SOURCES.items()}
    with pytest.raises(ValueError, match=r"source 'n': .*given more than once"):
        read_sources(write(tmp_path, "csv", doubled), "site")
    with pytest.raises(TypeError, match="no argument 'wide'"):
        read_sources(write(tmp_path, "csv", SOURCES), "site", wide=True)


def test_scales_are_put_in_order_and_unknown_words_are_left_to_the_user():
    from halfseen.data.words import in_order, suggested

    steps = ["very inaccurate", "inaccurate", "slightly inaccurate", "slightly accurate", "accurate", "very accurate"]
    assert in_order(sorted(steps)) == steps
    assert in_order(["amber", "blue"]) is None
    assert suggested(["amber", "blue"]).startswith("values={'amber': ?, 'blue': ?}")


def test_a_survey_in_words_is_told_its_scale_and_the_columns_that_do_not_share_it(tmp_path):
    said = ("agree", "disagree", "neutral")
    lines = ["who,a,b,c,d,sex"] + [
        f"p{i},{','.join(said[(i * k) % 3] for k in range(1, 5))},{'mf'[i % 2]}" for i in range(6)
    ]
    file = tmp_path / "survey.csv"
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(ValueError, match=r"values=\{'disagree': 0, 'neutral': 1, 'agree': 2\} and drop=\['sex'\]"):
        hs.read_table(file)
    table = hs.read_table(file, values={"disagree": 0, "neutral": 1, "agree": 2}, drop=["sex"])
    assert table.shape == (6, 4)


def test_a_line_of_units_is_called_one(tmp_path):
    file = tmp_path / "units.csv"
    file.write_text("place,a,b,c,d\n,m,%,kg,s\n" + "".join(f"p{i},{i},{i + 1},{i + 2},{i + 3}\n" for i in range(5)))
    R = hs.read_table(file)
    assert R.shape == (5, 4)
    assert "the line below the header was left out: text ('s') where all others hold numbers" in " ".join(R.notes)
