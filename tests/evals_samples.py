"""Made-up results in every shape that `read_evals` reads, each with the exact table that comes out.

Models oak, elm and fir; the task is capitals. A sample writes its files into a folder; its rows are (model, benchmark,
question, run, score, status, source).
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet

DATE = "2027-03-04T05-06-07.123456"
Row = tuple[str, str, str, int, float | None, str, str]


@dataclass(frozen=True)
class Sample:
    """What is written, how it is read, what comes out."""

    write: Callable[[Path], None]
    rows: list[Row]
    options: dict[str, Any] = field(default_factory=dict)


def put(folder: Path, name: str, value: Any, indent: int | None = None) -> Path:
    """Write JSON (or text, or bytes) into a file, its folders with it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(value, bytes):
        path.write_bytes(value)
    else:
        path.write_text(value if isinstance(value, str) else json.dumps(value, indent=indent), encoding="utf-8")
    return path


def lines(*records: Any) -> str:
    """JSON Lines."""
    return "".join(json.dumps(record) + "\n" for record in records)


def zipped(members: dict[str, Any], method: int = 93, claim: dict[str, int] | None = None) -> bytes:
    """A zip archive with members compressed by zstd (which Python's zipfile cannot write), deflate or not at all.

    `claim` gives members a size in the headers that they do not have.
    """
    body, listing = b"", b""
    for name, value in members.items():
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        packed = packed_as(data, method)
        size = (claim or {}).get(name, len(data))
        common = struct.pack("<HHHHH", 20, 0, method, 0, 0x21)
        common += struct.pack("<IIIHH", zlib.crc32(data), len(packed), size, len(name), 0)
        listing += b"PK\x01\x02" + struct.pack("<H", 20) + common
        listing += struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + name.encode()
        body += b"PK\x03\x04" + common + name.encode() + packed
    n = len(members)
    return body + listing + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, n, n, len(listing), len(body), 0)


def packed_as(data: bytes, method: int) -> bytes:
    """Bytes compressed by the method of a zip archive."""
    if method == 93:
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as stream:
            stream.write(data)
        return sink.getvalue().to_pybytes()
    if method == 8:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        return packer.compress(data) + packer.flush()
    return data


# ---- Inspect --------------------------------------------------------------------------------------------------------


def inspect_spec(**changes: Any) -> dict[str, Any]:
    """The `eval` part of a header: three questions, two epochs."""
    spec = {
        "eval_id": "E1",
        "created": "2027-03-04T05:06:07+00:00",
        "task": "capitals",
        "task_id": "T1",
        "model": "org/oak",
    }
    spec |= {"task_version": 0, "dataset": {"name": "capitals", "samples": 3, "sample_ids": ["fr", 2, 3]}}
    spec |= {"config": {"epochs": 2}, "scorers": [{"name": "exact"}, {"name": "style"}]}
    return spec | changes


def inspect_summaries() -> list[dict[str, Any]]:
    """Right and partly right; a token limit; an error of the interface; not a number; one trial that is not there."""
    return [
        {"id": "fr", "epoch": 1, "uuid": "u1", "scores": {"exact": {"value": "C"}, "style": {"value": 0.25}}},
        {"id": "fr", "epoch": 2, "uuid": "u2", "scores": {"exact": {"value": "P"}, "style": {"value": 0.5}}},
        {"id": 2, "epoch": 1, "uuid": "u3", "scores": {"exact": {"value": "I"}}, "limit": "token"},
        {"id": 2, "epoch": 2, "uuid": "u4", "scores": {}, "error": "RateLimitError"},
        {"id": 3, "epoch": 1, "uuid": "u5", "scores": {"exact": {"value": float("nan")}}, "metadata": {"area": "sea"}},
    ]


def inspect_members() -> dict[str, Any]:
    header = {"version": 2, "status": "success", "eval": inspect_spec(), "results": {"scores": [{"name": "exact"}]}}
    return {
        "_journal/start.json": {"eval": inspect_spec()},
        "summaries.json": inspect_summaries(),
        "header.json": header,
    }


def inspect_rows(source: str) -> list[Row]:
    rows: list[tuple[str, int, float | None, str]] = [
        ("2", 1, 0.0, "own failure"), ("2", 2, None, "not graded"), ("3", 1, None, "not graded"),
        ("3", 2, None, "not run"), ("fr", 1, 1.0, "graded"), ("fr", 2, 0.5, "graded"),
    ]  # fmt: skip
    return [("org/oak", "capitals", *row, source) for row in rows]


def inspect_killed(folder: Path) -> None:
    start = {"version": 2, "eval": inspect_spec()}
    first, second = inspect_summaries()[:1], inspect_summaries()[1:2]
    members = {"_journal/start.json": start, "_journal/summaries/1.json": first, "_journal/summaries/2.json": second}
    put(folder, "logs/a.eval", zipped(members))


def inspect_json(folder: Path) -> None:
    samples = [dict(s, messages=[{"role": "user"}], limit={"type": s["limit"]} if s.get("limit") else None)
               for s in inspect_summaries()]  # fmt: skip
    put(folder, "a.json", {"version": 2, "status": "success", "eval": inspect_spec(), "samples": samples})


def inspect_frames(folder: Path) -> None:
    samples = {"sample_id": ["u1", "u2", "u3"], "eval_id": ["E1"] * 3, "id": ["fr", "fr", "2"], "epoch": [1, 2, 1]}
    samples |= {"score_exact": ["C", "P", "I"], "error": ["", "", "API"], "limit": pa.nulls(3)}
    parquet.write_table(pa.table(samples), folder / "samples.parquet")
    evals = {"eval_id": ["E1"], "model": ["org/oak"], "task_name": ["capitals"]}
    parquet.write_table(pa.table(evals), folder / "evals.parquet")


# ---- the harness, lighteval, HELM, OpenCompass ----------------------------------------------------------------------


def lm_eval(folder: Path) -> None:
    put(folder, f"org__oak/results_{DATE}.json", {
        "results": {"capitals": {"em,strict": 0.5}}, "versions": {"capitals": 2.0}, "n-shot": {"capitals": 5},
        "config": {"gen_kwargs": None}, "model_name": "org/oak",
    })  # fmt: skip
    records = []
    for name in ("strict", "loose"):
        for number in range(3):
            record = {"doc_id": number, "doc": {"q": number, "area": "land"}, "resps": [["x"]], "filter": name}
            record |= {"metrics": ["em"], "doc_hash": f"{number:064d}", "em": float(number == 0 or name == "loose")}
            records.append(record)
    del records[2]["em"]
    put(folder, f"org__oak/samples_capitals_{DATE}.jsonl", lines(*records))


def lighteval(folder: Path) -> None:
    docs = [{"id": str(k), "task_name": "capitals", "query": "?"} for k in range(2)]
    metrics = [{"em": 1.0, "pass@k:k=1": 0.5}, {"em": 0.0, "pass@k:k=1": 0.25}]
    path = folder / f"details/org/oak/{DATE}/details_capitals|0_{DATE}.parquet"
    path.parent.mkdir(parents=True)
    parquet.write_table(pa.table({"__doc__": docs, "__metric__": metrics}), path)


def stat(name: str, mean: float) -> dict[str, Any]:
    return {"name": {"name": name, "split": "test"}, "count": 1, "mean": mean}


def helm(folder: Path) -> None:
    run = "runs/v1/capitals:model=oak"
    spec = {"name": "capitals:model=oak", "adapter_spec": {"model": "org/oak"}, "groups": ["capitals"]}
    put(folder, f"{run}/run_spec.json", spec | {"scenario_spec": {"class_name": "x", "args": {"area": "land"}}})
    put(folder, f"{run}/scenario_state.json", {"adapter_spec": {"model": "org/oak"}, "request_states": []})
    put(folder, f"{run}/per_instance_stats.json", [
        {"instance_id": "id1", "train_trial_index": 0,
         "stats": [stat("exact_match", 1.0), stat("num_output_tokens", 3)]},
        {"instance_id": "id1", "perturbation": {"name": "typos"}, "train_trial_index": 0,
         "stats": [stat("exact_match", 0)]},
        {"instance_id": "id1", "train_trial_index": 1, "stats": [stat("exact_match", 0.0)]},
        {"instance_id": "id2", "train_trial_index": 0, "stats": [stat("num_output_tokens", 0)]},
    ])  # fmt: skip


def opencompass(folder: Path) -> None:
    details = {
        "type": "GEN",
        "0": {"correct": True},
        "1": {"correct": False, "cascade_correct": True},
        "2": {"pred": "x"},
    }
    put(folder, "20270304_050607/results/oak/capitals.json", {"accuracy": 66.7, "details": details})
    put(folder, "20270304_050607/results/elm/capitals.json", {"accuracy": 33.3})
    put(folder, "20270304_050607/predictions/oak/capitals.json", {"0": {"prediction": "Rome"}})


# ---- SWE-bench, Terminal-Bench --------------------------------------------------------------------------------------


def swe_submissions(folder: Path) -> None:
    base = folder / "evaluation"
    lists = {"resolved": ["a__b-1"], "no_generation": ["a__b-2"], "no_logs": ["a__b-3"]}
    put(base, "verified/20270304_oak/results/results.json", lists)
    put(base, "verified/20270304_oak/metadata.yaml", "info:\n  name: Oak\n")
    put(base, "bash-only/20270305_elm/per_instance_details.json",
        {"a__b-1": {"resolved": False}, "a__c-4": {"resolved": True}})  # fmt: skip


def swe_harness(folder: Path) -> None:
    put(folder, "org__oak.first.json", {
        "total_instances": 5, "schema_version": 2, "submitted_ids": ["i-1", "i-2", "i-3", "i-4"],
        "completed_ids": ["i-1", "i-2"], "resolved_ids": ["i-1"], "unresolved_ids": ["i-2"],
        "empty_patch_ids": ["i-3"], "error_ids": ["i-4"], "incomplete_ids": ["i-5"],
    })  # fmt: skip


def swe_pro(folder: Path) -> None:
    put(folder, "traj/oak-03042027/eval_results.json", {"instance_a__b-1": True, "instance_a__b-2": False})


def tb_trial(task: str, attempt: int, resolved: bool | None, mode: str = "unset") -> dict[str, Any]:
    name = f"{task}.{attempt}-of-2"
    return {
        "id": f"{task}{attempt}",
        "trial_name": name,
        "task_id": task,
        "is_resolved": resolved,
        "failure_mode": mode,
    }


def terminal_bench(folder: Path) -> None:
    run = "results/core@0.1.1/20270304_agent/2027-03-04__05-06-07"
    trials = [
        tb_trial("ls", 1, True), tb_trial("ls", 2, True, "agent_timeout"),
        tb_trial("cd", 1, False, "agent_timeout"), tb_trial("cd", 2, None, "parse_error"),
    ]  # fmt: skip
    put(folder, f"{run}/results.json", {"id": "r", "results": trials, "pass_at_k": {}, "n_resolved": 2})
    meta = {"dataset_name": "core", "dataset_version": "0.1.1", "agent_name": "agent", "model_name": "oak"}
    put(folder, f"{run}/run_metadata.json", meta | {"n_attempts": 2, "task_ids": ["ls", "cd", "rm"]})
    put(folder, f"{run}/ls/ls.1-of-2/results.json", trials[0])


def harbor(folder: Path) -> None:
    agent = {"name": "agent", "model_info": {"name": "oak", "provider": "org"}}
    done = {"task_name": "ls", "trial_name": "ls__a", "agent_info": agent, "source": "core@2.0", "exception_info": None}
    put(folder, "job/ls__a/result.json", done | {"verifier_result": {"rewards": {"reward": 1.0}}})
    put(folder, "job/ls__b/result.json", done | {"trial_name": "ls__b", "verifier_result": {"rewards": {"reward": 0.0}},
        "exception_info": {"exception_type": "AgentTimeoutError"}})  # fmt: skip
    put(folder, "job/cd__a/result.json", done | {"task_name": "cd", "trial_name": "cd__a", "verifier_result": None,
        "exception_info": {"exception_type": "EnvironmentStartTimeoutError"}})  # fmt: skip
    put(folder, "job/result.json", {"n_total_trials": 3, "stats": {}})


# ---- code -----------------------------------------------------------------------------------------------------------


def evalplus(folder: Path) -> None:
    def attempt(base: str | None, plus: str | None) -> dict[str, Any]:
        return {"task_id": "x", "base_status": base, "plus_status": plus}

    tasks = {"Mbpp/2": [attempt("pass", "fail"), attempt("pass", "pass")], "Mbpp/3": [attempt("timeout", None)],
             "Mbpp/4": [attempt(None, None)], "Mbpp/6": [attempt("pass", None)]}  # fmt: skip
    put(folder, "mbpp/org--oak_vllm_temp_0.0_eval_results.json", {"date": "x", "hash": "abcdef0123", "eval": tasks})


def bigcodebench(folder: Path) -> None:
    tasks = {
        f"BigCodeBench/{k}": [{"task_id": f"BigCodeBench/{k}", "status": s}] for k, s in ((0, "pass"), (7, "timeout"))
    }
    name = "org--oak--main--bigcodebench-hard-instruct--vllm-0-1-sanitized_calibrated_eval_results.json"
    put(folder, name, {"date": "x", "eval": tasks})


def livecodebench(folder: Path) -> None:
    items = [{"question_id": "9_A", "graded_list": [True, False], "pass@1": 0.5, "difficulty": "easy", "code_list": []}]
    put(folder, "Oak-1/Scenario.codegeneration_2_0.2_eval_all.json", items)


# ---- prompts, embeddings --------------------------------------------------------------------------------------------


def promptfoo(folder: Path) -> None:
    def result(test: int, provider: str, score: float, reason: int) -> dict[str, Any]:
        item = {"id": f"{test}{provider}", "testIdx": test, "promptIdx": 0, "provider": {"id": provider, "label": ""}}
        item |= {"vars": {"q": f"capital {test}?"}, "success": score == 1, "score": score, "failureReason": reason}
        return item | {"namedScores": {"tone": 0.5}}

    results = [result(0, "api:oak", 1, 0), result(0, "api:elm", 0.4, 1), result(1, "api:elm", 0, 2)]
    inner = {"version": 3, "timestamp": "2027-03-04T05:06:07Z", "results": results}
    put(folder, "out.json", {"evalId": "e", "results": inner, "config": {"description": "capitals"}})


def deepeval(folder: Path) -> None:
    def case(name: str, score: float | None, error: str | None) -> dict[str, Any]:
        return {"name": name, "input": f"{name}?", "metrics_data": [{"name": "Truth", "score": score, "error": error}]}

    run = {"testFile": "capitals.py", "hyperparameters": {"model": "oak"}}
    run |= {"test_cases": [case("case_0", 0.75, None), case("case_1", None, "timeout")]}
    put(folder, ".deepeval/.latest_test_run.json", {"testRunData": run})
    run = run | {"testCases": [{**c, "metricsData": c["metrics_data"]} for c in run["test_cases"]]}
    del run["test_cases"]
    put(folder, "results/test_run_20270304_050607.json", run)


def openai_evals(folder: Path) -> None:
    put(folder, "270304_oak_capitals.jsonl", lines(
        {"spec": {"completion_fns": ["oak"], "eval_name": "capitals.dev.v0", "created_at": "2027-03-04"}},
        {"run_id": "r", "event_id": 0, "sample_id": "c.0", "type": "sampling", "data": {"sampled": ["Rome"]}},
        {"run_id": "r", "event_id": 1, "sample_id": "c.0", "type": "match", "data": {"correct": True}},
        {"run_id": "r", "event_id": 2, "sample_id": "c.1", "type": "error", "data": {"error": "timeout"}},
        {"run_id": "r", "event_id": 3, "sample_id": "c.2", "type": "match", "data": {"correct": False}},
        {"final_report": {"accuracy": 0.5}, "run_id": "r"},
    ))  # fmt: skip


def mteb(folder: Path) -> None:
    test = {"accuracy": 0.7, "f1": 0.6, "main_score": 0.7, "hf_subset": "en"}
    test["scores_per_experiment"] = [{"accuracy": 0.6, "f1": 0.5}, {"accuracy": 0.8, "f1": 0.7}]
    scores = {"test": [test, {"main_score": 0.5, "hf_subset": "fr"}], "dev": [{"main_score": 0.9}]}
    top = {"task_name": "Capitals", "dataset_revision": "abcdef0123456789", "scores": scores}
    put(folder, "results/org__oak/0123456789/Capitals.json", top)
    put(folder, "results/org__oak/0123456789/model_meta.json", {"name": "org/oak"})


# ---- tables ---------------------------------------------------------------------------------------------------------


def long_csv(folder: Path) -> None:
    put(folder, "answers.csv", "model,benchmark,question,run,score,status\noak,capitals,0,1,1,graded\n"
        "oak,capitals,0,2,0,graded\noak,capitals,1,1,,error\nelm,capitals,0,1,true,graded\n"
        "elm,capitals,1,1,0.5,graded\nelm,capitals,2,1,,timeout\n")  # fmt: skip


def long_lines(folder: Path) -> None:
    put(folder, "counts.jsonl", lines(
        {"benchmark_id": "capitals", "model": "oak", "example_id": "capitals/0", "pass1": 0.5, "correct": 1,
         "count": 2},
        {"benchmark_id": "capitals", "model": "elm", "example_id": "capitals/0", "pass1": 0, "correct": 0, "count": 1},
    ))  # fmt: skip


def long_parquet(folder: Path) -> None:
    table = {"model": ["oak", "oak"], "question": [1.0, 2.0], "correct": [True, False]}
    parquet.write_table(pa.table(table), folder / "capitals.parquet")


def wide_csv(folder: Path) -> None:
    put(folder, "board.csv", "model,capitals,rivers,Average\noak,80,N/A,80\nelm,-,62.5,62.5\nfir,,25,25\n")


def rows(source: str, model: str, benchmark: str, *cells: tuple[str, int, float | None, str]) -> list[Row]:
    """Rows that share source, model and benchmark."""
    return [(model, benchmark, *cell, source) for cell in cells]


RUN = "results/core@0.1.1/20270304_agent/2027-03-04__05-06-07"
LISTS = "evaluation/verified/20270304_oak/results/results.json"
DETAILS = "evaluation/bash-only/20270305_elm/per_instance_details.json"
HELM = "runs/v1/capitals:model=oak/per_instance_stats.json"
PLUS = "mbpp/org--oak_vllm_temp_0.0_eval_results.json"
BIG = "org--oak--main--bigcodebench-hard-instruct--vllm-0-1-sanitized_calibrated_eval_results.json"
MTEB = "results/org__oak/0123456789/Capitals.json"
OWN, NOT, NOT_RUN, OK = "own failure", "not graded", "not run", "graded"

SAMPLES: dict[str, Sample] = {
    "inspect .eval, zstd": Sample(
        lambda folder: put(folder, "a.eval", zipped(inspect_members())) and None, inspect_rows("a.eval")
    ),
    "inspect .eval, deflate": Sample(
        lambda folder: put(folder, "a.eval", zipped(inspect_members(), 8)) and None, inspect_rows("a.eval")
    ),
    "inspect .eval, killed": Sample(
        inspect_killed,
        rows("logs/a.eval", "org/oak", "capitals", ("2", 1, None, NOT_RUN), ("2", 2, None, NOT_RUN),
             ("3", 1, None, NOT_RUN), ("3", 2, None, NOT_RUN), ("fr", 1, 1.0, OK), ("fr", 2, 0.5, OK)),
    ),
    "inspect .json": Sample(inspect_json, inspect_rows("a.json")),
    "inspect data frames": Sample(
        inspect_frames,
        rows("samples.parquet", "org/oak", "capitals", ("2", 1, None, NOT), ("fr", 1, 1.0, OK), ("fr", 2, 0.5, OK)),
    ),
    "lm-eval": Sample(
        lm_eval,
        rows(f"org__oak/samples_capitals_{DATE}.jsonl", "org/oak", "capitals@2",
             ("0", 1, 1.0, OK), ("1", 1, 0.0, OK), ("2", 1, None, NOT)),
        {"filter": "strict"},
    ),
    "lighteval": Sample(
        lighteval,
        rows(f"details/org/oak/{DATE}/details_capitals|0_{DATE}.parquet", "org/oak", "capitals",
             ("0", 1, 1.0, OK), ("1", 1, 0.0, OK)),
        {"metric": "em"},
    ),
    "helm": Sample(
        helm,
        rows(HELM, "org/oak", "capitals:area=land", ("id1", 1, 1.0, OK), ("id1", 2, 0.0, OK), ("id2", 1, None, NOT)),
    ),
    "opencompass": Sample(
        opencompass,
        rows("20270304_050607/results/oak/capitals.json", "oak", "capitals",
             ("0", 1, 1.0, OK), ("1", 1, 0.0, OK), ("2", 1, None, NOT)),
        {"metric": "correct"},
    ),
    "swe-bench submissions": Sample(
        swe_submissions,
        rows(LISTS, "20270304_oak", "swe-bench", ("a__b-1", 1, 1.0, OK), ("a__b-2", 1, 0.0, OWN),
             ("a__b-3", 1, None, NOT), ("a__c-4", 1, 0.0, OK))
        + rows(DETAILS, "20270305_elm", "swe-bench", ("a__b-1", 1, 0.0, OK), ("a__b-2", 1, None, NOT),
               ("a__b-3", 1, None, NOT), ("a__c-4", 1, 1.0, OK)),
        {"question_set": "union"},
    ),
    "swe-bench harness": Sample(
        swe_harness,
        rows("org__oak.first.json", "org/oak", "swe-bench", ("i-1", 1, 1.0, OK), ("i-2", 1, 0.0, OK),
             ("i-3", 1, 0.0, OWN), ("i-4", 1, None, NOT), ("i-5", 1, None, NOT)),
    ),
    "swe-bench pro": Sample(
        swe_pro,
        rows("traj/oak-03042027/eval_results.json", "oak-03042027", "swe-bench-pro",
             ("instance_a__b-1", 1, 1.0, OK), ("instance_a__b-2", 1, 0.0, OK)),
    ),
    "terminal-bench": Sample(
        terminal_bench,
        rows(f"{RUN}/results.json", "agent (oak)", "core@0.1.1", ("cd", 1, 0.0, OWN), ("cd", 2, None, NOT))
        + rows(f"{RUN}/ls/ls.1-of-2/results.json", "agent (oak)", "core@0.1.1", ("ls", 1, 1.0, OK))
        + rows(f"{RUN}/results.json", "agent (oak)", "core@0.1.1", ("ls", 2, 1.0, OK), ("rm", 1, None, NOT_RUN),
               ("rm", 2, None, NOT_RUN)),
    ),
    "harbor": Sample(
        harbor,
        rows("job/cd__a/result.json", "agent (org/oak)", "core@2.0", ("cd", 1, None, NOT))
        + rows("job/ls__a/result.json", "agent (org/oak)", "core@2.0", ("ls", 1, 1.0, OK))
        + rows("job/ls__b/result.json", "agent (org/oak)", "core@2.0", ("ls", 2, 0.0, OWN)),
    ),
    "evalplus": Sample(
        evalplus,
        rows(PLUS, "org/oak", "Mbpp+@abcdef01", ("2", 1, 0.0, OK), ("2", 2, 1.0, OK), ("3", 1, 0.0, OWN),
             ("4", 1, None, NOT), ("6", 1, None, NOT))
        + rows(PLUS, "org/oak", "Mbpp@abcdef01", ("2", 1, 1.0, OK), ("2", 2, 1.0, OK), ("3", 1, 0.0, OWN),
               ("4", 1, None, NOT), ("6", 1, 1.0, OK)),
    ),
    "bigcodebench": Sample(
        bigcodebench,
        rows(BIG, "org/oak", "bigcodebench-hard-instruct", ("0", 1, 1.0, OK), ("7", 1, 0.0, OWN)),
    ),
    "livecodebench": Sample(
        livecodebench,
        rows("Oak-1/Scenario.codegeneration_2_0.2_eval_all.json", "Oak-1", "livecodebench",
             ("9_A", 1, 1.0, OK), ("9_A", 2, 0.0, OK)),
    ),
    "promptfoo": Sample(
        promptfoo,
        rows("out.json", "api:elm", "capitals", ("0", 1, 0.4, OK), ("1", 1, None, NOT))
        + rows("out.json", "api:oak", "capitals", ("0", 1, 1.0, OK)),
    ),
    "deepeval": Sample(
        deepeval,
        rows("results/test_run_20270304_050607.json", "oak", "capitals",
             ("case_0", 1, 0.75, OK), ("case_1", 1, None, NOT)),
    ),
    "openai evals": Sample(
        openai_evals,
        rows("270304_oak_capitals.jsonl", "oak", "capitals.dev.v0", ("c.0", 1, 1.0, OK), ("c.1", 1, None, NOT),
             ("c.2", 1, 0.0, OK)),
    ),
    "mteb": Sample(
        mteb,
        rows(MTEB, "org/oak", "mteb", ("Capitals@abcdef01/dev/default", 1, 0.9, OK),
             ("Capitals@abcdef01/test/en", 1, 0.6, OK), ("Capitals@abcdef01/test/en", 2, 0.8, OK),
             ("Capitals@abcdef01/test/fr", 1, 0.5, OK)),
    ),
    "long CSV": Sample(
        long_csv,
        rows("answers.csv", "elm", "capitals", ("0", 1, 1.0, OK), ("1", 1, 0.5, OK), ("2", 1, 0.0, OWN))
        + rows("answers.csv", "oak", "capitals", ("0", 1, 1.0, OK), ("0", 2, 0.0, OK), ("1", 1, None, NOT)),
    ),
    "long JSON Lines, counts": Sample(
        long_lines,
        rows("counts.jsonl", "elm", "capitals", ("0", 1, 0.0, OK))
        + rows("counts.jsonl", "oak", "capitals", ("0", 1, 1.0, OK), ("0", 2, 0.0, OK)),
    ),
    "long Parquet": Sample(
        long_parquet, rows("capitals.parquet", "oak", "capitals", ("1", 1, 1.0, OK), ("2", 1, 0.0, OK))
    ),
    "wide CSV": Sample(
        wide_csv,
        rows("board.csv", "elm", "board", ("capitals", 1, None, NOT), ("rivers", 1, 0.625, OK))
        + rows("board.csv", "fir", "board", ("capitals", 1, None, NOT), ("rivers", 1, 0.25, OK))
        + rows("board.csv", "oak", "board", ("capitals", 1, 0.8, OK), ("rivers", 1, None, NOT)),
        {"percent": True},
    ),
}  # fmt: skip
