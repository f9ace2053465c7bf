"""A little fuzzing in every run of the tests: past findings, and a few new damaged files of each format."""

from __future__ import annotations

import hashlib
from pathlib import Path

import fuzz_python
import fuzz_run
import numpy as np
import pytest
from fuzz_seeds import FORMATS

# (format, seed, number) of inputs that once ended the process or raised something raw; what they did.
PAST = {
    ("parquet", 1, 358): "Arrow's accessor of a column's metadata ended the process",
    ("npz", 3, 10435): "text with a letter beyond Unicode ended in a SystemError",
}
DIGESTS = {
    ("parquet", 1, 358): "23b8190fb915fed0",
    ("npz", 3, 10435): "8706317243f6b2a2",
}


@pytest.mark.parametrize(("kind", "seed", "number"), PAST, ids=lambda part: str(part))
def test_past_findings_stay_mended(kind, seed, number):
    data = fuzz_run.input_of(kind, seed, number, fuzz_run.seeds_of(kind, seed))
    if hashlib.blake2b(data, digest_size=8).hexdigest() != DIGESTS[kind, seed, number]:
        pytest.skip("other versions of the libraries write other files: the finding is another input there")
    outcomes, findings, following = fuzz_run.batch(kind, seed, number, 1)
    assert (findings, following) == ([], number + 1), PAST[kind, seed, number]
    assert sum(outcomes.values()) == 1


@pytest.mark.fast_cases("csv", "parquet", "model")
@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_are_read_or_refused_in_one_clear_line(kind):
    outcomes, findings, _ = fuzz_run.batch(kind, 0, 0, 40)
    assert findings == []
    assert sum(outcomes.values()) == 40
    assert set(outcomes) <= {"read", "refused"}


def test_findings_are_told_apart(tmp_path, monkeypatch):
    def fails(error: BaseException):
        def read(*_) -> None:
            raise error

        return read

    path = tmp_path / "input.csv"
    for error, expected in (
        (ValueError("input.csv: a clear line"), "refused"),
        (ValueError("no file is named"), "raw"),
        (ValueError("input.csv: two\nlines"), "raw"),
        (UnicodeDecodeError("utf-8", b"input.csv", 0, 1, "input.csv"), "raw"),
        (KeyError("input.csv"), "raw"),
        (MemoryError("input.csv"), "raw"),
    ):
        monkeypatch.setattr(fuzz_run, "read", fails(error))
        assert fuzz_run.outcome("csv", path, 0)[0] == expected


@pytest.mark.parametrize("place", range(len(fuzz_python.TARGETS)), ids=lambda k: fuzz_python.TARGETS[k].__name__)
def test_targets_of_guided_fuzzing_answer_or_refuse(place):
    name = fuzz_python.TARGETS[place].__name__
    sound = bytes([place]) + fuzz_python.BEGINNINGS[name]
    assert fuzz_python.one_input(sound) == ("refused" if name == "messages" else "answered")
    rng = np.random.default_rng(place)
    for _ in range(20):
        changed = bytearray(sound)
        changed[int(rng.integers(1, len(changed)))] = int(rng.integers(256))
        assert fuzz_python.one_input(bytes(changed)) in ("answered", "refused")


def test_guided_fuzzing_passes_on_what_is_no_clear_refusal(monkeypatch):
    def raises(data: bytes) -> None:
        raise {b"k": KeyError(1), b"l": ValueError("two\nlines"), b"v": ValueError("a clear line")}[data]

    monkeypatch.setattr(fuzz_python, "TARGETS", [raises])
    assert fuzz_python.one_input(b"\0v") == "refused"
    with pytest.raises(KeyError):
        fuzz_python.one_input(b"\0k")
    with pytest.raises(ValueError, match="two"):
        fuzz_python.one_input(b"\0l")


def test_a_process_that_ends_early_is_a_finding(monkeypatch, tmp_path):
    program = tmp_path / "dies.py"
    program.write_text("import os\nprint('7 begun', flush=True)\nos.abort()\n")
    monkeypatch.setattr(fuzz_run, "__file__", str(program))
    outcomes, findings, following = fuzz_run.batch("csv", 0, 7, 5)
    assert (outcomes["crash"], findings[0][:2], following) == (1, (7, "crash"), 8)


def test_the_record_of_the_last_run_has_no_finding():
    lines = (Path(__file__).parent / "record.csv").read_text().splitlines()
    head, total = lines[0].split(","), lines[-1].split(",")
    counts = dict(zip(head, total, strict=True))
    assert int(counts["inputs"]) >= 100_000
    assert int(counts["inputs"]) == int(counts["read"]) + int(counts["refused"])
    assert {line.split(",")[1] for line in lines[1:-1]} == set(FORMATS)
