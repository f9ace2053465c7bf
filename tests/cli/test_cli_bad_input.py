"""Whatever is wrong with the input: exit code 2, one line on stderr that says what and where, nothing written."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

CSV = "user,film,rating\nann,tea,5\nann,jam,3\nbob,tea,4\nbob,jam,1\n"

WIDE = "model,q0,q1,q2,q3\na,1,,0,1\nb,,1,1,0\nc,1,0,,\nd,0,1,1,1\n"

BAD = {
    # name: (file, its content, words after DATA, what the line must say)
    "no such file": ("", "", [], "no such file"),
    "empty file": ("a.csv", "", [], "empty"),
    "header only": ("a.csv", "user,film,rating\n", [], "0 entries"),
    "wrong column": ("a.csv", CSV, ["--value", "ratng"], "close: 'rating'"),
    "column number too large": ("a.csv", CSV, ["--value", "7"], "0..2"),
    "text as value": ("a.csv", CSV + "cy,tea,good\n", [], "good"),
    "ragged line": ("a.csv", CSV + "cy,tea\n", [], "column"),
    "missing label": ("a.csv", CSV + ",tea,3\n", [], "user"),
    "missing value": ("a.csv", CSV + "cy,tea,\n", [], "rating"),
    "duplicate entries": ("a.csv", CSV + "ann,tea,2\n", [], "duplicates"),
    "nan": ("a.csv", CSV + "cy,tea,nan\n", [], "nan"),
    "infinity": ("a.csv", CSV + "cy,tea,inf\n", [], "inf"),
    "outside 0/1": ("a.csv", CSV, ["--family", "bernoulli"], "bernoulli"),
    "negative counts": ("a.csv", CSV, ["--family", "poisson", "--shift", "-9"], "poisson"),
    "not ordered classes": ("a.csv", CSV + "cy,tea,2.5\n", ["--family", "ordinal"], "2.5"),
    "not yes or no": ("a.csv", CSV, ["--family", "probit"], "--family probit needs 0 or 1"),
    "negative scattered counts": ("a.csv", CSV, ["--family", "negative_binomial", "--shift", "-9"], "whole numbers"),
    "fractional counts": ("a.csv", CSV + "cy,tea,2.5\n", ["--family", "poisson"], "2.5"),
    "more successes than trials": ("a.csv", CSV, ["--family", "binomial", "--trials", "4"], "binomial"),
    "binomial without trials": ("a.csv", CSV, ["--family", "binomial"], "--trials"),
    "trials without binomial": (
        "a.csv",
        CSV,
        ["--trials", "4", "--family", "poisson"],
        "--trials belongs to --family binomial",
    ),
    "rank too large": ("a.csv", CSV, ["--rank", "9"], "--rank 9"),
    "rank not a number": ("a.csv", CSV, ["--rank", "two"], "--rank 'two'"),
    "ranks not numbers": ("a.csv", CSV, ["--rank", "1,two"], "--rank 'two'"),
    "penalty unknown": ("a.csv", CSV, ["--penalty", "strong"], "--penalty 'strong'"),
    "penalty negative": ("a.csv", CSV, ["--penalty", "-1"], "--penalty '-1'"),
    "share too large": ("a.csv", CSV, ["--held-out", "1.5"], "--held-out 1.5"),
    "hidden share": ("a.csv", CSV, ["--hide", "0"], "--hide 0"),
    "picture size": ("a.csv", CSV, ["--image", "8by8"], "--image '8by8'"),
    "picture size that does not fit": ("a.csv", CSV, ["--image", "8x8"], "64 columns"),
    "unknown option": ("a.csv", CSV, ["--rnak", "1"], "--rnak"),
    "unknown family": ("a.csv", CSV, ["--family", "normal"], "normal"),
    "no header": ("u.data", "1\t2\t3\t88\n1\t3\t4\t89\n", [], "give --no-header"),
    "duplicates in options": ("a.csv", CSV + "ann,tea,2\n", [], "--duplicates first, last, mean, sum, max or min"),
    "wrong separator": ("a.csv", CSV, ["--sep", ";"], "one column only, 'user,film,rating'; is --sep right?"),
    "family in options": ("a.csv", CSV, ["--family", "bernoulli"], "--family bernoulli needs 0 or 1"),
    "missing value in options": ("a.csv", CSV + "cy,tea,\n", [], "--missing nan"),
    "wide table of names that repeat": (
        "a.csv",
        "m,a,b,c,d\nx,1,,3,4\nx,2,1,4,3\n",
        [],
        "if the file is a wide table, give --wide",
    ),
    "wide table with text": ("a.csv", "m,a,b,c,d\nx,1,2,3,hi\ny,2,1,4,ho\n", [], "Leave them out with --drop d"),
    "wide, but in entries": ("a.csv", WIDE, ["--wide", "--value", "q1"], "--value is for files with one entry"),
    "wide, one column": ("a.csv", CSV, ["--wide", "--sep", ";"], "is --sep right?"),
    "wide, text in a cell": ("a.csv", "m,a,b\nx,1,good\ny,2,3\n", ["--wide"], "column 'b'"),
    "not parquet": ("a.parquet", "this is no parquet file", [], "Parquet"),
    "unknown kind of file": ("a.xyz", CSV, [], ".xyz"),
    "not an npz": ("a.npz", "this is no npz file", [], "a.npz"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_with_one_clear_line(halfseen, tmp_path, case):
    name, content, words, message = BAD[case]
    path = tmp_path / (name or "absent.csv")
    if name:
        path.write_text(content)
    done = halfseen("fit", "factor", path, *words, "-o", tmp_path / "run")
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("halfseen: error: ")
    assert message in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--clip", "5,1"], "--clip '5,1'"),
        (["--clip", "wide"], "--clip 'wide'"),
        (["--penalty", "-1"], "--penalty"),
        (["--max-iter", "0"], "--max-iter"),
        (["--rank", "99"], "--rank 99 is more than the shorter side"),
    ],
)
def test_bad_switches_of_als_are_told_by_their_option(halfseen, table, words, message):
    done = halfseen("fit", "als", table, *words)
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


def test_a_truncated_gzip_file_is_told(halfseen, tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(CSV.encode() * 50)[:60])
    done = halfseen("describe", path)
    assert done.exit_code == 2
    assert "a.csv.gz" in done.stderr


def test_an_unknown_array_in_an_npz_is_told(halfseen, tmp_path):
    np.savez(tmp_path / "a.npz", response=np.eye(3))
    done = halfseen("describe", tmp_path / "a.npz", "--value", "respnse")
    assert done.exit_code == 2
    assert "response" in done.stderr


def test_a_folder_is_not_a_table(halfseen, tmp_path):
    done = halfseen("describe", tmp_path)
    assert done.exit_code == 2
    assert "folder" in done.stderr


def test_an_unknown_data_set_names_close_ones(halfseen):
    done = halfseen("describe", "digit")
    assert done.exit_code == 2
    assert "digits" in done.stderr


def test_a_data_set_needs_no_columns(halfseen):
    done = halfseen("describe", "digits", "--row", "user")
    assert done.exit_code == 2
    assert "--row" in done.stderr


def test_no_traceback_reaches_the_user(process, tmp_path):
    done = process("describe", "absent.csv")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_traceback_is_there_for_those_who_ask(process, monkeypatch):
    monkeypatch.setenv("HALFSEEN_DEBUG", "1")
    assert "Traceback" in process("describe", "absent.csv").stderr


def test_a_missing_argument_is_one_line(halfseen):
    done = halfseen("fit", "factor")
    assert done.exit_code == 2
    assert "DATA" in done.stderr


def test_a_prepared_folder_is_told_from_any_other(halfseen, tmp_path):
    (tmp_path / "r.csv").write_text("u,i,v\n" + "\n".join(f"u{k % 9},i{k % 7},{k}" for k in range(60)) + "\n")
    assert halfseen("prepare", tmp_path / "r.csv", tmp_path / "blocks", "--blocks", 2).exit_code == 0
    assert halfseen("fit", "als", tmp_path / "blocks", "--rank", 1).exit_code == 0
    refused = halfseen("fit", "irt", tmp_path / "blocks")
    assert refused.exit_code == 2
    assert "prepared" in refused.output
    (tmp_path / "other").mkdir()
    assert "is a folder; give a file" in halfseen("fit", "als", tmp_path / "other").output
