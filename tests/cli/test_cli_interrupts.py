"""Ctrl-C at any moment: one line on stderr, exit code 130, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals differ")

# The process presses Ctrl-C itself, once, when it first looks for a module.
PROGRAM = """
import os, signal, sys

class Press:
    pressed = False
    def find_spec(self, name, path=None, target=None):
        if name == {module!r} and not Press.pressed:
            Press.pressed = True
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Press())
from halfseen.cli import main
sys.argv = ["halfseen", *{words!r}]
main()
"""


def pressed_at(module, words, folder):
    ready = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code = ready + PROGRAM.format(module=module, words=words)
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.mark.fast_cases("halfseen.cli.fits-words2")
@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("halfseen.cli.app", ["--version"]),  # before any command is known
        ("typer.main", ["--version"]),  # inside another library's import
        ("halfseen.cli.fits", ["demo", "-o", "run"]),  # inside the command
        ("sklearn.datasets", ["demo", "-o", "run"]),
    ],
)
def test_ctrl_c_during_an_import_is_one_line(module, words, tmp_path):
    done = pressed_at(module, words, tmp_path)
    assert done.stderr == "halfseen: interrupted; nothing was written\n"
    assert (done.returncode, done.stdout) == (130, "")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_that_an_import_turned_into_another_error_is_still_an_interrupt(capsys):
    import typer

    from halfseen.cli import interrupts
    from halfseen.cli.screen import plainly

    @plainly
    def command():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("initialization failed") from None

    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        interrupts.raise_in_work()
        with pytest.raises(typer.Exit) as end:
            command()
    finally:
        interrupts.raise_in_work()
        signal.signal(signal.SIGINT, before)
    assert end.value.exit_code == 130
    assert capsys.readouterr().err == "halfseen: interrupted; nothing was written\n"


def test_a_job_in_the_background_goes_on_ignoring_ctrl_c(tmp_path):
    code = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    code += PROGRAM.format(module="halfseen.cli.app", words=["--version"])
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert done.stdout.startswith("halfseen ")
