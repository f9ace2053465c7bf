"""Damaged files of every format, read in child processes: nothing may crash, raise anything but one clear ValueError,
take more than ten seconds or more than a gigabyte.

    python tests/fuzz/fuzz_run.py --seconds 600 --seed 0
    python tests/fuzz/fuzz_run.py --inputs 100000 --seed 4 --record tests/fuzz/record.csv

Every input is made from (seed, format, number), so that a finding can be made again: ``--only parquet:1234``. With
``--inputs`` it goes on where the record stops until every format has had that many, and may be stopped at any moment.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from fuzz_mutations import MUTATIONS
from fuzz_seeds import FORMATS

BATCH = 5000
SEEDS = 24
SECONDS, BYTES = 10.0, 10**9
OUTCOMES = ("read", "refused", "raw", "crash", "slow", "large")


def seeds_of(kind: str, seed: int) -> list[bytes]:
    """Sound files of a format."""
    return [FORMATS[kind][1](np.random.default_rng([seed, k])) for k in range(SEEDS)]


def input_of(kind: str, seed: int, number: int, sound: list[bytes]) -> bytes:
    """One damaged file."""
    rng = np.random.default_rng([seed, list(FORMATS).index(kind), number])
    data = sound[rng.integers(len(sound))]
    return MUTATIONS[kind](data, rng)


def read(kind: str, path: Path, number: int) -> None:
    """Read a file as a user would, and use what comes out of it."""
    import halfseen as hs

    if kind == "model":
        model = hs.load(path)
        repr(model)
        if hasattr(model, "observed_shape_"):
            model.predict_table()
        return
    choices: dict = {}
    data = path.read_bytes()
    if kind == "dat":
        choices["header"] = data[:4] == b"user"
    if kind == "wide" or (kind in ("csv", "dat") and number % 9 == 0):
        choices |= {"wide": True, "labels": [None, None, False, True][number % 4]}
    elif kind == "npz":
        choices |= {"row": "user", "col": "item", "value": "rating"} if b"item.npy" in data else {"value": "rating"}
    elif number % 5 == 0:
        choices["weight"] = 3
    if number % 4 == 0:
        choices["missing"] = float("nan")
    R = hs.read_table(path, **{"duplicates": "last"} | choices if "wide" not in choices else choices)
    R.describe()
    repr(R)
    R.by_cols  # noqa: B018  (builds the other grouping, in compiled code)


def outcome(kind: str, path: Path, number: int) -> tuple[str, str]:
    """Read one input; its outcome, and the text of what was raised."""
    from halfseen.errors import UnknownLabelError

    try:
        read(kind, path, number)
    except (ValueError, OSError, MemoryError) as error:
        clear = type(error) in (ValueError, UnknownLabelError) and "\n" not in str(error)
        named = path.name in str(error)
        return ("refused", "") if clear and named else ("raw", f"{type(error).__name__}: {error}")
    except Exception:
        return "raw", traceback.format_exc(limit=-4)
    return "read", ""


def peak_memory() -> int:
    """The most memory that this process has held, in bytes.

    On Linux the figure that the system counts (``ru_maxrss``) begins with that of the process that started this one:
    only one that is too much is looked at again.
    """
    counted, status = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, Path("/proc/self/status")
    if counted > BYTES and status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return counted


def child(kind: str, seed: int, first: int, count: int) -> None:
    """Read a batch of inputs, and say of each on one line what came of it."""
    warnings.simplefilter("ignore")
    sound, suffix = seeds_of(kind, seed), FORMATS[kind][0]
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=in_memory()) as folder:
        path = Path(folder) / f"input{suffix}"
        print(f"{first} begun", flush=True)
        for number in range(first, first + count):
            path.write_bytes(input_of(kind, seed, number, sound))
            limit_cpu()
            clock, before = time.perf_counter(), time.process_time()
            what, text = outcome(kind, path, number)
            cpu, wall = time.process_time() - before, time.perf_counter() - clock
            if cpu > SECONDS:
                what, text = "slow", f"{cpu:.1f} s of CPU, {wall:.1f} s"
            peak = peak_memory()
            if peak > BYTES:
                print(f"{number} large {peak} bytes", flush=True)
                return
            following = "" if number + 1 == first + count else f"\n{number + 1} begun"
            print(f"{number} {what} {text!r}{following}", flush=True)


def limit_cpu() -> None:
    """End this process if its next input takes three times what is too long."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, 3 * SECONDS)


def in_memory() -> str | None:
    """A folder whose files stay in memory, where the system has one."""
    folder = "/dev/shm"
    return folder if os.access(folder, os.W_OK) else None


def batch(kind: str, seed: int, first: int, count: int) -> tuple[Counter, list[tuple[int, str, str]], int]:
    """Run a batch in a child; its outcomes, findings, and the number of the next input."""
    command = [sys.executable, __file__, "--child", kind, str(seed), str(first), str(count)]
    limit = count * 0.5 + 120
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        output, code, errors = done.stdout, done.returncode, done.stderr
    except subprocess.TimeoutExpired as late:
        output, code, errors = (late.stdout or b"").decode(), None, ""
    outcomes, findings, last = Counter(), [], first - 1
    begun = None
    for line in output.splitlines():
        number, what, *text = line.split(" ", 2)
        if what == "begun":
            begun = int(number)
            continue
        last, begun = int(number), None
        outcomes[what] += 1
        if what not in ("read", "refused"):
            findings.append((last, what, "".join(text)[:2000]))
    if begun is not None and code is None:
        outcomes["slow"] += 1
        findings.append((begun, "slow", f"no end after {limit:.0f} s of its batch"))
        last = begun
    elif begun is not None and hasattr(signal, "SIGPROF") and code == -signal.SIGPROF:
        outcomes["slow"] += 1
        findings.append((begun, "slow", f"no end after {3 * SECONDS:.0f} s of CPU"))
        last = begun
    elif begun is not None:
        outcomes["crash"] += 1
        findings.append((begun, "crash", f"exit code {code}; {errors.strip().splitlines()[-1:]}"))
        last = begun
    elif code:
        raise RuntimeError(errors)
    return outcomes, findings, last + 1


def run(given: argparse.Namespace) -> tuple[dict[str, Counter], list[tuple[str, int, str, str]]]:
    """Batches of all formats in turn until the time is over, or until every format has had its inputs."""
    totals = recorded(given.record, given.seed) if given.inputs else {kind: Counter() for kind in FORMATS}
    following = {kind: sum(totals[kind].values()) for kind in given.formats}
    findings: list[tuple[str, int, str, str]] = []
    end = time.monotonic() + given.seconds
    left = list(given.formats)
    while left and (given.inputs or time.monotonic() < end):
        for kind in left:
            count = min(BATCH, given.inputs - following[kind]) if given.inputs else BATCH
            if count <= 0:
                continue
            outcomes, new, following[kind] = batch(kind, given.seed, following[kind], count)
            totals[kind] += outcomes
            findings += [(kind, *parts) for parts in new]
            if given.record:
                write(given.record, given.seed, totals)
        left = [kind for kind in left if not given.inputs or following[kind] < given.inputs]
    return totals, findings


def lines_of(path: Path | None) -> list[dict[str, str]]:
    """The lines of a record, without its sum."""
    if path is None or not path.exists():
        return []
    with path.open(newline="") as file:
        return [line for line in csv.DictReader(file) if line["format"] != "all"]


def recorded(path: Path | None, seed: int) -> dict[str, Counter]:
    """What a record says of the inputs of a seed so far."""
    totals: dict[str, Counter] = {kind: Counter() for kind in FORMATS}
    for line in lines_of(path):
        if line["format"] in totals and int(line["seed"]) == seed:
            totals[line["format"]] = Counter({name: int(line[name]) for name in OUTCOMES})
    return totals


def write(path: Path, seed: int, totals: dict[str, Counter]) -> None:
    """Keep what came out so far, beside other seeds and above the sum; the old record stands until the new is whole."""
    head, *lines = table(totals)
    others = [list(line.values()) for line in lines_of(path) if int(line["seed"]) != seed]
    every = [*others, *([str(seed), *map(str, line)] for line in lines[:-1])]
    every.sort(key=lambda line: (int(line[0]), list(FORMATS).index(line[1])))
    sums = [sum(int(line[place]) for line in every) for place in range(2, len(every[0]))]
    fresh = path.with_suffix(".new")
    with fresh.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([["seed", *head], *every, ["all", "all", *sums]])
    fresh.replace(path)


def table(totals: dict[str, Counter]) -> list[list[str | int]]:
    """Lines of the record: one per format, and their sum."""
    lines: list[list[str | int]] = [["format", "inputs", *OUTCOMES]]
    for kind, counts in totals.items():
        lines.append([kind, sum(counts.values()), *(counts[name] for name in OUTCOMES)])
    summed = sum(totals.values(), Counter())
    return [*lines, ["all", sum(summed.values()), *(summed[name] for name in OUTCOMES)]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--inputs", type=int, help="how many of every format, those of the record counted in")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--formats", nargs="*", default=list(FORMATS))
    parser.add_argument("--record", type=Path)
    parser.add_argument("--only", help="FORMAT:NUMBER, to see one input again")
    parser.add_argument("--keep", type=Path, help="where --only leaves the input")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        kind, *numbers = given.child
        child(kind, *map(int, numbers))
        return 0
    if given.only:
        kind, number = given.only.split(":")
        data = input_of(kind, given.seed, int(number), seeds_of(kind, given.seed))
        path = (given.keep or Path(tempfile.mkdtemp())) / f"input{FORMATS[kind][0]}"
        path.write_bytes(data)
        print(path, len(data), "bytes")
        print(*outcome(kind, path, int(number)))
        return 0
    totals, findings = run(given)
    lines = table(totals)
    for line in lines:
        print("".join(f"{cell!s:>10}" for cell in line))
    for kind, number, what, text in findings[:50]:
        print(f"\n{what}: --seed {given.seed} --only {kind}:{number}\n{text}")
    if given.record:
        write(given.record, given.seed, totals)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
