"""read_evals: every shape of file gives its exact table, the real samples among them where they are at hand."""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path

import pytest

import halfseen as hs
from evals_samples import SAMPLES, Sample


def long_table(evals: hs.data.Evaluations) -> list[tuple]:
    columns = ("model", "benchmark", "question", "run", "score", "status", "source")
    return [tuple(line[name] for name in columns) for line in evals.table.to_pylist()]


def written(folder: Path, sample: Sample) -> Path:
    folder = folder / "in"
    folder.mkdir()
    sample.write(folder)
    return folder


@pytest.mark.parametrize("name", SAMPLES)
def test_each_shape_gives_its_exact_table(tmp_path, name):
    sample = SAMPLES[name]
    evals = hs.read_evals(written(tmp_path, sample), **sample.options)
    expected = [(*row[:-1], f"in/{row[-1]}") for row in sample.rows]
    got = long_table(evals)
    assert [row[:4] for row in got] == [row[:4] for row in expected]
    assert [row[5:] for row in got] == [row[5:] for row in expected]
    for row, wanted in zip(got, expected, strict=True):
        assert row[4] == (None if wanted[4] is None else pytest.approx(wanted[4], abs=1e-15)), row


def test_the_table_has_the_columns_and_types_it_promises(tmp_path):
    evals = hs.read_evals(written(tmp_path, SAMPLES["long CSV"]))
    kinds = {field.name: str(field.type) for field in evals.table.schema}
    assert kinds == {
        "model": "string", "benchmark": "string", "question": "string", "run": "int32", "score": "double",
        "status": "string", "cluster": "string", "source": "string",
    }  # fmt: skip
    assert evals.table.column("cluster").null_count == len(evals)


def test_one_folder_of_everything_gives_what_its_parts_give(tmp_path):
    metrics = ["em", "correct", "exact", "exact_match", "score", "base", "plus", "match", "main_score", "Truth"]
    metrics += ["pass1", "reward"]
    options = {"metric": metrics, "filter": "strict", "question_set": "union", "percent": True}
    shapes = [name for name in SAMPLES if "wide" not in name and not name.startswith("inspect")]
    apart = set()
    for number, name in enumerate(shapes):
        folder = tmp_path / f"part{number}"
        folder.mkdir()
        SAMPLES[name].write(folder)
        apart |= {row[:6] for row in long_table(hs.read_evals(folder, **options))}
    together = {row[:6] for row in long_table(hs.read_evals(tmp_path, **options))}
    # the tables of answers hold one trial twice under one name, which the whole folder shows and its parts do not
    assert {row for row in apart if row[1] != "capitals"} == {row for row in together if row[1] != "capitals"}


def test_a_gzipped_table_is_the_table(tmp_path):
    SAMPLES["long CSV"].write(tmp_path)
    plain = hs.read_evals(tmp_path / "answers.csv")
    packed = tmp_path / "answers.csv.gz"
    packed.write_bytes(gzip.compress((tmp_path / "answers.csv").read_bytes()))
    assert [r[:6] for r in long_table(hs.read_evals(packed))] == [r[:6] for r in long_table(plain)]


def test_the_format_is_told_from_the_content_not_from_the_name(tmp_path):
    sample = SAMPLES["inspect .eval, zstd"]
    sample.write(tmp_path)
    (tmp_path / "a.eval").rename(tmp_path / "whatever.bin")
    evals = hs.read_evals(tmp_path / "whatever.bin")
    assert [row[:6] for row in long_table(evals)] == [row[:6] for row in sample.rows]


# ---- the samples of the project's data, where they are --------------------------------------------------------------


def samples_folder() -> Path:
    given = os.environ.get("HALFSEEN_EVALS")
    beside = os.environ.get("HALFSEEN_DATA")
    folder = Path(given) if given else Path(beside).parent / "evals" if beside else None
    if folder is None or not folder.is_dir():
        pytest.skip("the sample files of evaluation tools are not here; name their folder in HALFSEEN_EVALS")
    return folder


ALPHA = "made/alpha"
T1 = "terminal-bench-core@0.1.1"
AGENT = "alpha-agent (made/alpha)"
PLUS_ONE = "PlusOneClassification@00000000"
INSPECT = [
    (ALPHA, "made/plus_one@1", "1", 1, 1.0, "graded"),
    (ALPHA, "made/plus_one@1", "1", 2, 0.0, "graded"),
    (ALPHA, "made/plus_one@1", "2", 1, 0.5, "graded"),
    (ALPHA, "made/plus_one@1", "2", 2, 0.0, "graded"),
    (ALPHA, "made/plus_one@1", "3", 1, 0.0, "own failure"),
    (ALPHA, "made/plus_one@1", "3", 2, None, "not graded"),
    (ALPHA, "made/plus_one@1", "4", 1, None, "not graded"),
    (ALPHA, "made/plus_one@1", "4", 2, None, "not run"),
]


def missing(rows: list[tuple], first: int) -> list[tuple]:
    """The same rows, those behind the first few not run."""
    return [row if number < first else (*row[:4], None, "not run") for number, row in enumerate(rows)]


SHARED: dict[str, tuple[dict, list[tuple]]] = {
    "inspect/2026-01-02T03-04-05_plus-one_t1.eval": ({}, INSPECT),
    "inspect/2026-01-02T03-04-05_plus-one_t1.json": ({}, missing(INSPECT, 5)),
    "inspect/zstd.eval": ({}, missing(INSPECT, 3)),
    "inspect/killed_no_header.eval": ({}, missing(INSPECT, 1)),
    "inspect": ({}, INSPECT),  # four logs of one evaluation and its data frame: each trial once
    "lm_eval": (
        {"filter": "strict-match"},
        [(ALPHA, "plus_one@1", str(k), 1, float(k == 0), "graded") for k in range(3)],
    ),
    "lighteval": (
        {"metric": "extractive_match"},
        [(ALPHA, "plus_one", "0", 1, 1.0, "graded"), (ALPHA, "plus_one", "1", 1, 0.0, "graded")],
    ),
    "helm": ({}, [
        (ALPHA, "plus_one", "id1", 1, 1.0, "graded"), (ALPHA, "plus_one", "id2", 1, None, "not graded"),
        (ALPHA, "plus_one", "id3", 1, 0.0, "graded"),
    ]),
    "opencompass": ({}, [("alpha", "plus_one", str(k), 1, float(k != 1), "graded") for k in range(3)]),
    "swebench/evaluation": ({"question_set": "union"}, [
        ("20260102_alpha", "swe-bench", "made__repo-1", 1, 1.0, "graded"),
        ("20260102_alpha", "swe-bench", "made__repo-2", 1, 0.0, "graded"),
        ("20260102_alpha", "swe-bench", "made__repo-3", 1, 0.0, "own failure"),
        ("20260102_alpha", "swe-bench", "made__repo-4", 1, None, "not graded"),
        ("20260102_beta", "swe-bench", "made__repo-1", 1, 1.0, "graded"),
        ("20260102_beta", "swe-bench", "made__repo-2", 1, 0.0, "graded"),
        ("20260102_beta", "swe-bench", "made__repo-3", 1, None, "not graded"),
        ("20260102_beta", "swe-bench", "made__repo-4", 1, None, "not graded"),
    ]),
    "swebench/alpha.run1.json": ({}, [
        ("alpha", "swe-bench", "made__repo-1", 1, 1.0, "graded"),
        ("alpha", "swe-bench", "made__repo-2", 1, 0.0, "graded"),
        ("alpha", "swe-bench", "made__repo-3", 1, 0.0, "own failure"),
        ("alpha", "swe-bench", "made__repo-4", 1, None, "not graded"),
        ("alpha", "swe-bench", "made__repo-5", 1, None, "not graded"),
    ]),
    "swebench_pro": ({}, [
        ("alpha-01022026", "swe-bench-pro", "instance_made__repo-1", 1, 1.0, "graded"),
        ("alpha-01022026", "swe-bench-pro", "instance_made__repo-2", 1, 0.0, "graded"),
    ]),
    "terminal_bench": ({}, [
        (AGENT, "harbor", "one", 1, None, "not graded"),
        (AGENT, T1, "one", 1, 1.0, "graded"), (AGENT, T1, "one", 2, 1.0, "graded"),
        (AGENT, T1, "two", 1, 0.0, "graded"), (AGENT, T1, "two", 2, None, "not graded"),
    ]),
    "evalplus": ({}, [
        ("alpha", "HumanEval+@00000000", "0", 1, 0.0, "graded"),
        ("alpha", "HumanEval+@00000000", "0", 2, 1.0, "graded"),
        ("alpha", "HumanEval+@00000000", "1", 1, 0.0, "own failure"),
        ("alpha", "HumanEval@00000000", "0", 1, 1.0, "graded"), ("alpha", "HumanEval@00000000", "0", 2, 1.0, "graded"),
        ("alpha", "HumanEval@00000000", "1", 1, 0.0, "own failure"),
    ]),
    "bigcodebench": ({}, [
        ("alpha", "bigcodebench-complete", "0", 1, 1.0, "graded"),
        ("alpha", "bigcodebench-complete", "1", 1, 0.0, "graded"),
    ]),
    "livecodebench": ({}, [
        ("Alpha (N=2)", "livecodebench", "1_A", 1, 1.0, "graded"),
        ("Alpha (N=2)", "livecodebench", "1_A", 2, 0.0, "graded"),
    ]),
    "promptfoo": ({}, [
        ("made:a", "results", "0", 1, 1.0, "graded"), ("made:b", "results", "0", 1, 0.4, "graded"),
        ("made:b", "results", "1", 1, None, "not graded"),
    ]),
    "deepeval": ({}, [
        (ALPHA, "t", "test_case_0", 1, 0.9, "graded"), (ALPHA, "t", "test_case_1", 1, None, "not graded"),
    ]),
    "openai_evals": ({}, [
        (ALPHA, "plus-one.dev.v0", "plus-one.dev.0", 1, 1.0, "graded"),
        (ALPHA, "plus-one.dev.v0", "plus-one.dev.1", 1, None, "not graded"),
    ]),
    "mteb": ({}, [
        (ALPHA, "mteb", f"{PLUS_ONE}/test/default", 1, 0.78, "graded"),
        (ALPHA, "mteb", f"{PLUS_ONE}/test/default", 2, 0.8, "graded"),
        (ALPHA, "mteb", f"{PLUS_ONE}/validation/default", 1, 0.9, "graded"),
    ]),
    "wide": ({"percent": True}, [
        ("alpha", "leaderboard", "plus_one", 1, 0.817, "graded"),
        ("alpha", "leaderboard", "spelling", 1, 0.82, "graded"),
        ("alpha", "leaderboard", "times_two", 1, 0.774, "graded"),
        ("beta", "leaderboard", "plus_one", 1, 0.756, "graded"),
        ("beta", "leaderboard", "spelling", 1, 0.807, "graded"),
        ("beta", "leaderboard", "times_two", 1, None, "not graded"),
        ("gamma", "leaderboard", "plus_one", 1, None, "not graded"),
        ("gamma", "leaderboard", "spelling", 1, None, "not graded"),
        ("gamma", "leaderboard", "times_two", 1, 0.61, "graded"),
    ]),
    "long/answers.csv": ({}, [
        ("alpha", "plus_one", "0", 1, 1.0, "graded"), ("alpha", "plus_one", "0", 2, 0.0, "graded"),
        ("alpha", "plus_one", "1", 1, None, "not graded"),
        ("beta", "plus_one", "0", 1, 1.0, "graded"), ("beta", "plus_one", "1", 1, 0.5, "graded"),
    ]),
    "long/eval_arena.jsonl": (
        {},
        [("alpha", "plus_one", "0", k, float(k < 5), "graded") for k in range(1, 6)]
        + [("beta", "plus_one", "0", 1, 0.0, "graded")],
    ),
}  # fmt: skip


@pytest.mark.data
@pytest.mark.parametrize("name", SHARED)
def test_the_samples_of_every_tool_give_their_exact_tables(name):
    options, expected = SHARED[name]
    got = [row[:6] for row in long_table(hs.read_evals(samples_folder() / name, **options))]
    assert [row[:4] + row[5:] for row in got] == [row[:4] + row[5:] for row in expected]
    assert [row[4] for row in got] == [None if row[4] is None else pytest.approx(row[4], abs=1e-12) for row in expected]


@pytest.mark.data
def test_the_data_frame_of_samples_alone_names_no_model():
    with pytest.raises(ValueError, match=r"samples_df\.parquet: names no model; put the Parquet of evals_df"):
        hs.read_evals(samples_folder() / "inspect/samples_df.parquet")


@pytest.mark.data
@pytest.mark.parametrize(("name", "text"), [
    ("lm_eval", "plus_one: two filters (strict-match, flexible-extract); give filter='strict-match'."),
    ("swebench", "20260102_alpha lists only resolved ids; give all with question_set='ids.txt', "
                 "or 'union' for those of all submissions."),
    ("opencompass/20260102_030405/results/beta/plus_one.json",
     "beta/plus_one.json: only a total, no answers; run OpenCompass with --dump-eval-details."),
    ("wide", "wide/leaderboard.csv: values up to 82: give percent=True."),
    ("arena/battles.csv", "rank them with evalica"),
    ("arena/alpaca_annotations.json", "rank them with evalica"),
])  # fmt: skip
def test_what_the_samples_leave_open_is_said(name, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        hs.read_evals(samples_folder() / name)
