"""Who may write a folder: two runs of one target never mix."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform == "win32":  # pragma: no cover - the same by another name
    import msvcrt

    def _lock(handle: int, waits: bool) -> None:
        msvcrt.locking(handle, msvcrt.LK_LOCK if waits else msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(handle: int, waits: bool) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def claim(target: Path, *, waits: bool = False) -> Iterator[None]:
    """Hold a target for this process while the block runs.

    A hidden file beside the target is locked, not only made: what a killed process held is free at once.

    Parameters
    ----------
    target : Path
        The folder that is to be written.
    waits : bool
        Wait for the process that holds it, rather than refuse.

    Raises
    ------
    ValueError
        If another process holds it and this one is not to wait.
    """
    target = target.absolute()
    path = target.with_name(f".{target.name}.lock")
    handle = _locked(path, target, waits)
    try:
        yield
    finally:
        with suppress(OSError):  # Windows keeps open files
            path.unlink()
        os.close(handle)


def _locked(path: Path, target: Path, waits: bool) -> int:
    """An open, locked file that is still the one of that name."""
    while True:  # not an iteration: the file may be another process's, unlinked while this one waited for it
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            _lock(handle, waits)
            if _is_at(handle, path):
                return handle
        except (BlockingIOError, PermissionError):
            os.close(handle)
            raise ValueError(
                f"another run is writing {target} now; wait until it has ended, or choose another folder with -o"
            ) from None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    """Whether an open file is the one that the path names now."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
