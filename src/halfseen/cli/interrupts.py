"""Ctrl-C: one line on stderr and exit code 130, at any moment. Only the standard library is loaded here."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
LINE = "halfseen: interrupted; nothing was written"
LATE = "halfseen: interrupted at the exit; the work was done"

_asked = False
_line = LINE


def leave_at_once(line: str = LINE) -> None:
    """From now on Ctrl-C ends the process: for imports, whose C code may swallow an exception or print a traceback."""
    global _line
    _line = line
    _handle(_leave)


def raise_in_work() -> None:
    """From now on Ctrl-C raises KeyboardInterrupt, so that work can be cleaned up, and is remembered."""
    global _asked
    _asked = False
    _handle(_raise)


def was_asked() -> bool:
    """Whether Ctrl-C was pressed: what it raised may arrive as another error from inside an import."""
    return _asked


def leave() -> NoReturn:
    """End the process now: no waiting for threads that compute, no further Ctrl-C half-way through the exit."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(INTERRUPTED)


def _handle(handler: object) -> None:
    """Set the handler, unless Ctrl-C is ignored (``nohup``, background jobs) or this is not the main thread."""
    ours = (signal.default_int_handler, _leave, _raise)
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) in ours:
        signal.signal(signal.SIGINT, handler)  # type: ignore[arg-type]


def _leave(number: int, frame: FrameType | None) -> None:
    os.write(2, f"{_line}\n".encode())
    os._exit(INTERRUPTED)


def _raise(number: int, frame: FrameType | None) -> None:
    global _asked
    _asked = True
    raise KeyboardInterrupt
