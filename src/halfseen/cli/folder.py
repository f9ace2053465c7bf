"""The folder of a run: complete or not there at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from halfseen.cli.claims import claim

RECORD = "run.json"
MODEL = "model.safetensors"
# What the report page needs beside model and record.
DETAILS = "details.json"


def check_target(target: Path, force: bool) -> None:
    """Refuse, before any work, a folder that could not or should not be written.

    Raises
    ------
    ValueError
        If it exists and ``force`` is not set, or does not look like a run.
    """
    if target.is_dir() and not any(target.iterdir()):
        pass
    elif target.exists() or target.is_symlink():
        if not (target / RECORD).is_file():
            raise ValueError(f"{target} exists and is not a halfseen run; choose another folder with -o")
        if not force:
            raise ValueError(
                f"{target} holds an earlier run; add --force to replace it, or choose another folder with -o"
            )
    parent = target.absolute().parent
    if not parent.is_dir():
        raise ValueError(f"the folder {parent} does not exist; make it first, or choose another one with -o")
    if not os.access(parent, os.W_OK):
        raise ValueError(f"cannot write into {parent}; choose another folder with -o")


@contextmanager
def new_folder(target: Path, is_claimed: bool = False) -> Iterator[Path]:
    """A temporary neighbour of ``target`` that takes its place once the block has ended without an error.

    Unless this process claimed the target before, it waits for whoever writes there: the later one stands.
    """
    target = target.absolute()
    fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield fresh
        fresh.chmod(0o777 & ~_umask())
        old = fresh.with_name(fresh.name + "-old")
        with nullcontext() if is_claimed else claim(target, waits=True):
            if target.exists():
                os.replace(target, old)
            os.replace(fresh, target)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def write_records(folder: Path, facts: dict[str, Any], details: dict[str, Any]) -> None:
    """Write the details, name all files in the record, and write that."""
    (folder / DETAILS).write_text(json.dumps(details, ensure_ascii=False) + "\n", encoding="utf-8")
    facts["files"] = sorted([RECORD, *(path.name for path in folder.iterdir())])
    (folder / RECORD).write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
