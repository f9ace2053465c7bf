"""A checkpoint of a stranger rebuilds records and numbers, and runs nothing."""

from __future__ import annotations

import pickle
import zlib

import numpy as np
import pytest

import halfseen as hs

TABLE = np.arange(12.0).reshape(4, 3) + np.eye(4, 3)


class Call:
    """Pickled as a call of a function by its name."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def written(folder, content):
    """A checkpoint of a fit whose last file holds something else under a right checksum."""
    hs.BiasModel().fit(TABLE, checkpoint=folder)
    data = content if isinstance(content, bytes) else pickle.dumps(content, protocol=5)
    path = sorted(folder.glob("loop-*.bin"))[-1]
    path.write_bytes(zlib.crc32(data).to_bytes(4, "little") + data)


def by_name(module, name, *arguments):
    """A pickle that calls a function that this process need not have."""
    text = b"\x80\x04" + pickle.UNICODE
    text += module.encode() + b"\n" + pickle.UNICODE + name.encode() + b"\n" + pickle.STACK_GLOBAL
    body = pickle.dumps(arguments, protocol=4)[2:]
    frame = body[9:-1] if body[:1] == pickle.FRAME else body[:-1]
    return text + frame + pickle.REDUCE + pickle.STOP


CALLS = [
    ("os", "system", "touch touched"), ("builtins", "eval", "open('touched', 'w')"), ("posix", "system", "touch a"),
    ("numpy.testing", "rundocs", "touched"), ("numpy.testing._private.utils", "runstring", "open('touched', 'w')", {}),
    ("numpy", "memmap", "touched", "u1", "w+", 0, (4,)), ("numpy", "save", "touched", 1),
    ("numpy", "fromfile", "touched"), ("torch.storage", "_load_from_bytes", b"x"), ("torch", "load", "touched"),
    ("torch.hub", "load", "a", "b"), ("halfseen", "save", 1, "touched"),
    ("halfseen.solvers.checkpoint", "Checkpoint", "touched", False, {}),
    ("halfseen.solvers.state", "pickle.loads", b"x"), ("halfseen.solvers.state", "zlib.crc32", b"x"),
    ("halfseen.data.prepare", "shutil.rmtree", "touched"), ("collections", "namedtuple", "a", "b"),
]  # fmt: skip


@pytest.mark.parametrize("call", CALLS, ids=[f"{module}.{name}" for module, name, *_ in CALLS])
def test_no_function_is_called(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "kept", by_name(*call))
    with pytest.raises(ValueError, match=r"the checkpoint .*loop-0.*has no place in a checkpoint.*without resume"):
        hs.BiasModel().fit(TABLE, checkpoint=tmp_path / "kept", resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize("content", [
    b"", b"\x80", b"garbage", 7, None, (), (1, 2, 3), (1, 2, 3, 4), ((), [], None, {("sweep", "no such"): 1}),
    (None, None, None, {("sweep",): 3}), Call(np.dtype, "O"), Call(np.ndarray, (2**50,)),
])  # fmt: skip
def test_what_is_no_state_of_this_run_is_refused_in_one_line(content, tmp_path):
    written(tmp_path / "kept", content)
    with pytest.raises(ValueError, match=r"loop-0.*cannot be read.*begin anew without resume") as refusal:
        hs.BiasModel().fit(TABLE, checkpoint=tmp_path / "kept", resume=True)
    assert "\n" not in str(refusal.value)
