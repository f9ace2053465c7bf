"""Evaluation results: time and memory of reading one large archive, and very many small files; all of it made up."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from measure import Line, in_fresh_process

SAMPLES, ARCHIVE_BYTES = 10_000, 100_000_000
AGENTS, TASKS, ATTEMPTS = 9, 80, 5

# Wall seconds, and the peak of memory above what the imported library takes; a tiny file is read first, for what a
# first use loads belongs to no file.
MEASURE = """
import gc, json, sys, time
import pyarrow
import halfseen as hs

def status(key):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(key))

hs.read_evals({small!r})
gc.collect()
before = status("VmRSS")
with open("/proc/self/clear_refs", "w") as reset:
    reset.write("5")
start = time.perf_counter()
evals = hs.read_evals({path!r})
print(json.dumps({{"seconds": time.perf_counter() - start, "peak": status("VmHWM") - before, "trials": len(evals)}}))
"""


def write_archive(path: Path, samples: int = SAMPLES, size: int = ARCHIVE_BYTES) -> None:
    """An Inspect archive: transcripts that do not shrink, summaries with the texts that Inspect keeps in them."""
    rng = np.random.default_rng(0)
    spec = {"eval_id": "e", "created": "2026-01-02T03:04:05+00:00", "task": "long_runs", "task_id": "t", "model": "m"}
    spec["dataset"] = {"samples": samples, "sample_ids": list(range(samples))}
    words = ["".join(map(chr, rng.integers(97, 123, rng.integers(2, 10)))) for _ in range(5000)]
    summaries = []
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(samples):
            archive.writestr(f"samples/{number}_epoch_1.json", rng.bytes(size // samples))
            text = " ".join(words[word] for word in rng.integers(0, 5000, 80))
            scores = {"match": {"value": "CI"[number % 2], "metadata": {"seen": text[:200]}}}
            sample = {"id": number, "epoch": 1, "uuid": rng.bytes(11).hex(), "input": text, "target": text[:40]}
            sample |= {"metadata": {"subject": words[number % 50]}, "scores": scores, "completed": True}
            sample |= {"model_usage": {"m": {"input_tokens": 100, "output_tokens": 200, "total_tokens": 300}}}
            summaries.append(sample)
        archive.writestr("summaries.json", json.dumps(summaries), zipfile.ZIP_DEFLATED)
        header = {"version": 2, "status": "success", "eval": spec, "results": {"scores": [{"name": "match"}]}}
        archive.writestr("header.json", json.dumps(header), zipfile.ZIP_DEFLATED)


def write_trials(folder: Path) -> int:
    """Terminal-Bench results: a file for every trial, and those of the run that hold all of them again."""
    count = 0
    for agent in range(AGENTS):
        run = folder / f"20260102_agent{agent}" / "2026-01-02__03-04-05"
        trials = []
        for task in range(TASKS):
            for attempt in range(1, ATTEMPTS + 1):
                name = f"task-{task}.{attempt}-of-{ATTEMPTS}"
                checks = {f"test_{k}": "passed" for k in range(8)}
                trial = {"id": f"{agent}-{task}-{attempt}", "trial_name": name, "task_id": f"task-{task}"}
                trial |= {"instruction": "do it " * 200, "is_resolved": (agent + task + attempt) % 3 == 0}
                trial |= {"failure_mode": "unset", "parser_results": checks}
                place = run / f"task-{task}" / name
                place.mkdir(parents=True)
                (place / "results.json").write_text(json.dumps(trial, indent=4), encoding="utf-8")
                trials.append(trial)
                count += 1
        (run / "results.json").write_text(json.dumps({"id": "r", "results": trials, "pass_at_k": {}}), encoding="utf-8")
        meta = {"dataset_name": "core", "dataset_version": "0.1.1", "agent_name": f"agent{agent}", "model_name": "m"}
        (run / "run_metadata.json").write_text(json.dumps(meta), encoding="utf-8")
    return count


def goal_14() -> Iterator[Line]:
    """Both, each in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = folder / "small.csv"
        small.write_text("model,question,score\na,1,1\n", encoding="utf-8")
        write_archive(folder / "large.eval")
        found = in_fresh_process(MEASURE.format(path=str(folder / "large.eval"), small=str(small)))
        note = f"{int(found['trials'])} trials, summaries alone"
        yield Line("14", "seconds for an archive of 100 MB", 2.0, 1.0, found["seconds"], "s", note=note)
        yield Line("14", "its peak memory", 200.0, 100.0, found["peak"], "MB", note="above the imported library")
        files = write_trials(folder / "results")
        found = in_fresh_process(MEASURE.format(path=str(folder / "results"), small=str(small)))
        note = f"{int(found['trials'])} trials, each in two files"
        yield Line("14", f"seconds for {files} small files", 5.0, 2.5, found["seconds"], "s", note=note)
        yield Line("14", "their peak memory", 200.0, 100.0, found["peak"], "MB", note="above the imported library")
