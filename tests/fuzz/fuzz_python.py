"""Guided fuzzing of what is plain Python: words and options, JSON, labels, records of evaluations, sizes in headers.

    python tests/fuzz/fuzz_python.py --seconds 120 --record tests/fuzz/guided.json

Atheris watches which lines an input reaches and changes those that reach new ones. Where it is not installed the script
says so and ends well. The first byte of an input chooses the target, the rest is what it is given; a target may answer
or raise a one-line ``ValueError``. Anything else ends the process at its input, which is printed and kept.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from time import monotonic
from typing import Any

FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
ANSWERS: Counter[str] = Counter()
# What hs.load turns into its one ValueError: a tree of attributes may end in any of them.
OF_A_TREE = (KeyError, TypeError, AttributeError, ValueError, RecursionError, OverflowError, IndexError)


def text_of(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def option(data: bytes) -> None:
    """A parameter's text on the command line: the first two bytes choose the parameter."""
    import halfseen as hs

    classes = [hs.AlternatingLeastSquares, hs.GeneralizedFactorModel, hs.InductiveCompletion, hs.ItemResponseModel,
               hs.BayesianFactorization, hs.OverparametrizedFactorization, hs.OneSidedCompletion]  # fmt: skip
    kinds = [kind for cls in classes for kind in cls._parameters.values()]
    kind = kinds[int.from_bytes(data[:2], "little") % len(kinds)]
    kind.fits(kind.parse(text_of(data[2:])))


def family(data: bytes) -> None:
    from halfseen.losses import get_loss

    get_loss(text_of(data))


def labels(data: bytes) -> None:
    """Labels as text, looked up among labels of a table, and shown."""
    from halfseen.data.labels import as_label_array, factorise, find_labels, labels_from_text
    from halfseen.text import cell_text, visible

    names = text_of(data).split("\n")
    shown = visible("".join(names))
    assert not any(letter < " " and letter != "\t" for letter in shown), "a control character is shown as it is"
    for name in names:
        assert not str(cell_text(name)).startswith(("=", "@")), "a formula is written"
    known = as_label_array(factorise(names, "rows")[1], "rows")
    found = find_labels(known, labels_from_text(names[:3], known))
    assert [str(known[place]) for place in found] == [str(name) for name in labels_from_text(names[:3], known)]


def size(data: bytes) -> None:
    from halfseen.data.limits import bytes_of

    bytes_of(text_of(data))


def records(data: bytes) -> None:
    """A JSON Lines file of entries."""
    import halfseen as hs

    path = FOLDER / "records.jsonl"
    path.write_bytes(data)
    hs.read_table(path)


def evaluations(data: bytes) -> None:
    """A file of an evaluation, of whatever tool."""
    import halfseen as hs

    path = FOLDER / "results.json"
    path.write_bytes(data)
    hs.read_evals(path)


def footer(data: bytes) -> None:
    """Sizes that a Parquet footer promises, read before Arrow reads it."""
    from halfseen.data.limits import Budget
    from halfseen.data.parquet_sizes import check_pages

    path = FOLDER / "footer.parquet"
    path.write_bytes(b"PAR1" + data + len(data).to_bytes(4, "little") + b"PAR1")
    check_pages(path, ["user", "item"], Budget(path, 10**6))


def messages(data: bytes) -> None:
    """Sizes that the messages of an Arrow stream promise."""
    from halfseen.data.arrow_sizes import check_messages
    from halfseen.data.limits import Budget

    path = FOLDER / "stream.arrows"
    path.write_bytes(data)
    with path.open("rb") as file:
        check_messages(file, Budget(path, 10**6))


def tree(data: bytes) -> None:
    """The attributes of a model, as JSON."""
    from halfseen.data.tree import Unpacker

    try:
        Unpacker({}).unpack(json.loads(data))
    except OF_A_TREE:
        raise ValueError("no attributes") from None


TARGETS: list[Callable[[bytes], None]] = [
    option, family, labels, size, records, evaluations, footer, messages, tree,
]  # fmt: skip
# Where to begin: one sound input for each target.
BEGINNINGS = {
    "option": b"\0\x00auto", "family": b"binomial(5)", "labels": b"007\n7\n=1+1", "size": b"2.5GB",
    "records": b'{"user": "a", "item": 1, "rating": 2.5}\n{"user": "b", "item": 2, "rating": 1}',
    "evaluations": b'{"eval": {"model": "m", "task": "t"}, "samples": [{"id": 1, "scores": {"a": {"value": "C"}}}]}',
    "footer": b"\x49\x1c\x19\x1c\x3c\x39\x18\x04user\x36\x10\x36\x08\x00\x00\x00\x00",
    "messages": b"\xff\xff\xff\xff\x08\0\0\0",
    "tree": b'{"kind": "tuple", "items": [{"kind": "float", "value": "nan"}, [1, null]]}',
}  # fmt: skip


def one_input(data: bytes) -> str:
    """Give an input to its target: "answered" or "refused"; anything else is raised."""
    if not data:
        return "refused"
    target = TARGETS[data[0] % len(TARGETS)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target(data[1:])
    except ValueError as error:
        if isinstance(error, UnicodeError) or "\n" in str(error):
            raise
        return "refused"
    return "answered"


def beginnings(folder: Path) -> None:
    """Write the sound inputs as files for Atheris to begin with."""
    for place, target in enumerate(TARGETS):
        (folder / target.__name__).write_bytes(bytes([place]) + BEGINNINGS[target.__name__])


def guided(seconds: int) -> None:
    """Run Atheris in this process until the time is over."""
    import atheris

    with atheris.instrument_imports(include=["halfseen"]):
        for place in range(len(TARGETS)):  # modules come lazily: each target brings its own
            one_input(bytes([place]) + BEGINNINGS[TARGETS[place].__name__])

    def counted(data: bytes) -> None:
        ANSWERS[one_input(data)] += 1
        (FOLDER / "answers.json").write_text(json.dumps(ANSWERS)) if sum(ANSWERS.values()) % 500 == 0 else None

    corpus = FOLDER / "corpus"
    corpus.mkdir()
    beginnings(corpus)
    limits = ["-max_len=600", "-timeout=10", "-rss_limit_mb=1500", f"-max_total_time={seconds}", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={FOLDER}/", str(corpus)], counted)
    atheris.Fuzz()


def recorded(path: Path, seconds: float, code: int) -> None:
    """Keep how many inputs there were and what came of them."""
    from importlib.metadata import version

    answers = json.loads((FOLDER / "answers.json").read_text()) if (FOLDER / "answers.json").exists() else {}
    facts: dict[str, Any] = {
        "date": date.today().isoformat(), "atheris": version("atheris"), "seconds": round(seconds),
        "targets": [target.__name__ for target in TARGETS], "inputs": sum(answers.values()), **answers,
        "findings": int(code != 0),
    }  # fmt: skip
    path.write_text(json.dumps(facts, indent=2) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--record", type=Path)
    parser.add_argument("--one", type=Path, help="a file with one input, to see it again")
    given = parser.parse_args()
    if given.one:
        print(one_input(given.one.read_bytes()))
        return 0
    try:
        import atheris  # noqa: F401
    except ImportError:
        print("guided fuzzing is left out: Atheris is not installed here (pip install atheris, on Python up to 3.13)")
        return 0
    begun = monotonic()
    child = os.fork()  # Atheris ends its process when it is done
    if child == 0:
        guided(given.seconds)
        os._exit(0)
    try:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except KeyboardInterrupt:
        os.kill(child, signal.SIGKILL)
        return 130
    if given.record:
        recorded(given.record, monotonic() - begun, code)
    if code:
        print("a finding: " + ", ".join(map(str, sorted(FOLDER.glob("crash-*")) or [f"exit code {code}"])))
    return int(code != 0)


if __name__ == "__main__":
    sys.exit(main())
