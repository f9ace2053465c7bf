"""Two runs that write the same folder: the second is refused, or both end whole."""

from __future__ import annotations

import os
import signal
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from halfseen.cli.claims import claim
from halfseen.cli.folder import new_folder


def test_a_second_run_of_a_folder_is_refused_while_the_first_one_works(halfseen, quick, tmp_path):
    out = tmp_path / "run"
    with claim(out):
        done = halfseen(*quick("-o", out))
    assert done.exit_code == 2
    assert "another run is writing" in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]
    assert halfseen(*quick("-o", out)).exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "table.csv"]


def test_a_run_that_ended_meanwhile_is_not_replaced(halfseen, quick, tmp_path, monkeypatch):
    """The other run ends after the first look at the folder and before it is claimed."""
    from halfseen.cli import job

    out = tmp_path / "run"
    looks = []

    def look(target, force):
        looks.append(target)
        if len(looks) == 1:
            (target / "run.json").parent.mkdir()
            (target / "run.json").write_text("{}")
            return
        raise ValueError(f"{target} holds an earlier run")

    monkeypatch.setattr(job, "check_target", look)
    assert halfseen(*quick("-o", out)).exit_code == 2
    assert (out / "run.json").read_text() == "{}"


def test_writers_that_may_replace_each_other_all_end_whole(tmp_path):
    out = tmp_path / "run"

    def write(number: int) -> None:
        with new_folder(out) as folder:
            for name in ("one", "two", "run.json"):
                (folder / name).write_text(str(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    assert len({path.read_text() for path in out.iterdir()}) == 1
    assert sorted(path.name for path in out.iterdir()) == ["one", "run.json", "two"]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_one_that_may_wait_gets_its_turn(tmp_path):
    order = []

    def second() -> None:
        with claim(tmp_path / "run", waits=True):
            order.append("second")

    with ThreadPoolExecutor(1) as pool:
        with claim(tmp_path / "run"):
            waiting = pool.submit(second)
            time.sleep(0.05)
            order.append("first")
        waiting.result(timeout=60)
    assert order == ["first", "second"]


@pytest.mark.skipif(sys.platform == "win32", reason="no fork there")
def test_what_a_killed_run_held_is_free(tmp_path):
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # later Pythons warn of forks beside threads; the child starts none
        child = os.fork()
    if not child:
        with claim(tmp_path / "run"):
            os.write(writing, b"x")
            signal.pause()
    os.read(reading, 1)
    with pytest.raises(ValueError, match="another run"), claim(tmp_path / "run"):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with claim(tmp_path / "run"):
        pass
    assert list(tmp_path.iterdir()) == []
    os.close(reading)
    os.close(writing)
