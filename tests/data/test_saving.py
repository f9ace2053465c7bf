"""Model files: an old one stays whole whatever ends the saving, and a strange one is refused when it is loaded."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from safetensors.numpy import load as load_tensors

import halfseen as hs
from halfseen.data import Observed
from halfseen.data.store import CHECKED, _checksum

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits and signals are those of POSIX systems")


def model(shift: float = 0.0, n: int = 12) -> Any:
    table = np.random.default_rng(0).normal(size=(n, 9)) + shift
    table[3, 4] = np.nan
    R = Observed(Observed.from_dense(table).by_rows, [f"u{k}" for k in range(n)], None)
    return hs.AlternatingLeastSquares(2, random_state=0).fit(R)


LIMITED = """
import resource, sys
sys.path.insert(0, {here!r})
from test_saving import model
import halfseen as hs
m = model(5.0, 4000)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    hs.save(m, {path!r})
except OSError as error:
    print(type(error).__name__, error.errno, error.filename)
"""


def test_a_full_disk_is_an_error_that_names_the_file_and_the_old_model_stays(tmp_path):
    path = tmp_path / "m.safetensors"
    old = model()
    hs.save(old, path)
    before = path.read_bytes()
    code = LIMITED.format(here=str(Path(__file__).parent), path=str(path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["OSError", "27", str(path)]
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["m.safetensors"]


def saved_until(number: int, model: Any, path: Path) -> int:
    """Save in a child that kills itself before its ``number``-th call of the system; its exit code, 0 if it ended."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # later Pythons warn of forks beside threads; the child starts none
        child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    count = 0

    def deadly(call: Callable) -> Callable:
        def before(*given: Any, **more: Any) -> Any:
            nonlocal count
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1
            return call(*given, **more)

        return before

    places = (
        (os, "open fsync close replace"),
        (Path, "touch stat chmod open unlink"),
        (safetensors.numpy, "save_file"),
    )
    for owner, names in places:
        for name in names.split():
            setattr(owner, name, deadly(getattr(owner, name)))
    try:
        hs.save(model, path)
    finally:
        os._exit(0)


def test_a_kill_between_any_two_calls_of_the_saving_leaves_the_old_or_the_new_model(tmp_path):
    old, new = model(), model(5.0)
    states, codes = [], []
    for number in range(40):
        path = tmp_path / f"m{number}"
        hs.save(old, path)
        codes.append(saved_until(number, new, path))
        found = hs.load(path).predict_table()
        states.append("new" if np.array_equal(found, new.predict_table()) else "old")
        assert states[-1] == "new" or np.array_equal(found, old.predict_table())
        if codes[-1] == 0:
            break
    assert codes == [-signal.SIGKILL] * (len(codes) - 1) + [0]
    assert len(codes) > 8
    assert states == sorted(states, reverse=True)  # old up to the rename, new from there on


@pytest.mark.parametrize("kind", ["a folder that may not be written", "a folder in its place"])
def test_other_failures_name_the_file_too(tmp_path, kind):
    path = tmp_path / "m"
    if kind == "a folder in its place":
        path.mkdir()
        (path / "inside").touch()
    elif os.geteuid() == 0:
        pytest.skip("the superuser may write everywhere")
    else:
        tmp_path.chmod(0o500)
    with pytest.raises(OSError) as told:  # noqa: PT011  (which one depends on the system)
        hs.save(model(), path)
    assert told.value.filename == str(path)


def tampered(path: Path, change: Callable[[dict[str, Any]], None], header: bool = False) -> None:
    """Change the tree of attributes (or the header) of a stored model and make its checksum right again."""
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    head, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    metadata = head["__metadata__"]
    if header:
        change(head)
    else:
        state = json.loads(metadata["state"])
        change(state)
        metadata["state"] = json.dumps(state)

    def joined() -> bytes:
        text = json.dumps(head).encode()
        text += b" " * (-len(text) % 8)
        return struct.pack("<Q", len(text)) + text + body

    metadata["checksum"] = _checksum({key: metadata[key] for key in CHECKED}, load_tensors(joined()))
    path.write_bytes(joined())


def put(*keys: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(tree: Any) -> None:
        for key in keys[:-1]:
            tree = tree[key]
        tree[keys[-1]] = value

    return change


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def cut(state: dict[str, Any]) -> None:
    """Give the row factors the array of the column factors, which has another length."""
    arrays = [name for name, node in state.items() if isinstance(node, dict) and node.get("kind") == "array"
              and "name" in node]  # fmt: skip
    first, *others = arrays
    for name in others:
        if state[name]["dtype"] == state[first]["dtype"] and state[name]["name"] != state[first]["name"]:
            state[first]["name"] = state[name]["name"]


TREES = {
    "values nested too deeply": (put("random_state", value=deep(400)), "nested more than 60 levels deep"),
    "an unknown kind": (put("random_state", value={"kind": "code"}), "unknown kind of value 'code'"),
    "a class of elsewhere": (
        put("loss_", value={"kind": "dataclass", "class": "Popen", "module": "subprocess", "fields": {}}),
        "holds a 'Popen', which this halfseen does not know",
    ),
    "a module that runs": (
        put("loss_", value={"kind": "dataclass", "class": "Popen", "module": "halfseen.__main__", "fields": {}}),
        "does not know",
    ),
    "a module that is not there": (
        put("loss_", value={"kind": "dataclass", "class": "X", "module": "halfseen.nothing", "fields": {}}),
        "cannot be imported here",
    ),
    "a field of another kind": (
        put("loss_", value={"kind": "dataclass", "class": "Binomial", "module": "halfseen.losses.families",
                            "fields": {"trials": "many"}}),
        "Binomial.trials is 'many'; needed: float",
    ),
    "a loss that is none": (put("loss_", value="gaussian"), "do not fit each other"),
    "no parameter": (lambda state: state.pop("rank"), "lacks its parameter 'rank'"),
    "an attribute that hides a method": (put("predict", value=1), "cannot have an attribute 'predict'"),
    "an attribute that is none": (put("__class__", value=1), "cannot have an attribute '__class__'"),
    "another shape": (put("observed_shape_", value={"kind": "tuple", "items": [99, 9]}), "the table has 99"),
    "a shape that is none": (
        put("observed_shape_", value={"kind": "tuple", "items": [-1, 9]}), "two positive whole numbers",
    ),
    "factors of another length": (cut, "do not fit"),
    "text for bytes": (put("row_labels_", "dtype", value="<U999999999"), "is no kind of array"),
    "text too wide": (put("row_labels_", "dtype", value="<U999999"), "letters wide"),
    "labels of another shape": (put("row_labels_", "shape", value=[5, 5]), "cannot have the shape"),
    "an array that is missing": (put("row_labels_", "text", value="a99999"), "its array 'a99999' is missing"),
    "structured arrays": (put("row_labels_", "dtype", value="V8"), "is no kind of array"),
    "numbers as text": (put("random_state", value={"kind": "float", "value": 1}), "is no number"),
    "a dictionary that is none": (put("random_state", value={"kind": "dict", "items": [1]}), "stored as pairs"),
    "a key that cannot be one": (put("random_state", value={"kind": "dict", "items": [[[1], 2]]}), "unhashable"),
}  # fmt: skip


@pytest.mark.parametrize("case", TREES)
def test_a_file_of_a_stranger_is_refused_when_it_is_loaded(tmp_path, case):
    change, text = TREES[case]
    path = tmp_path / "m"
    hs.save(model(), path)
    tampered(path, change)
    with pytest.raises(ValueError, match=text) as told:
        hs.load(path)
    assert type(told.value) is ValueError
    assert str(path) in str(told.value)


def test_a_model_that_must_keep_its_rows_is_refused_without_them(tmp_path):
    """Only a model that can do without rows may lack them: such a one says so when it is asked for a row."""
    path = tmp_path / "m"
    hs.save(hs.BiasModel().fit(np.arange(12.0).reshape(4, 3) % 5), path)
    tampered(path, put("row_factors_", value=None))
    with pytest.raises(ValueError, match="do not fit each other: TypeError"):
        hs.load(path)
    rng = np.random.default_rng(0)
    table = np.where(rng.random((60, 8)).argsort(1) < 3, rng.normal(size=(60, 1)) + rng.normal(size=(60, 8)), np.nan)
    without_rows = hs.OneSidedCompletion(rank=1, keeps_rows=False).fit(table)
    hs.save(without_rows, path)
    np.testing.assert_array_equal(hs.load(path).predict(table), without_rows.predict(table))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (put("__metadata__", "class", value="Observed"), "which this version does not have"),
        (put("__metadata__", "class", value="engine"), "which this version does not have"),
        (put("__metadata__", "state", value="[1, 2]"), r"its attributes are \[1, 2\]"),
        (put("__metadata__", "state", value="[" * 100_000), "does not fit this version"),
        (put("__metadata__", "format_version", value="²"), "its format version is"),
        (put("__metadata__", "format_version", value="9" * 5000), "its format version is"),
    ],
)
def test_a_header_of_a_stranger_is_refused_when_it_is_loaded(tmp_path, change, text):
    path = tmp_path / "m"
    hs.save(model(), path)
    tampered(path, change, header=True)
    with pytest.raises(ValueError, match=text) as told:
        hs.load(path)
    assert type(told.value) is ValueError


def test_a_header_nested_without_end_is_refused(tmp_path):
    path = tmp_path / "m"
    text = b'{"a":' * 100_000
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    with pytest.raises(ValueError, match="is damaged: its header cannot be read"):
        hs.load(path)


def test_tables_come_back_with_their_notes_and_trials(tmp_path):
    R = Observed.from_triplets([0, 90_000], ["a", "b"], [1.0, 2.0])._told((), np.array([3.0, 4.0]))
    holder = hs.ColumnMean().fit(R)
    holder.table_ = R
    hs.save(holder, tmp_path / "m")
    again = hs.load(tmp_path / "m").table_
    assert (again.notes, again.trials.tolist()) == (R.notes, [3.0, 4.0])
