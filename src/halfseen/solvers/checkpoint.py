"""Runs that go on where they stopped: the parameters of a sweep, written down after every iteration."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.data import as_observed
from halfseen.data.outgoing import fingerprint

TraceRow = tuple[float, float, float, float]


class Checkpoint:
    """A folder with the last iteration of every run of a fit.

    Parameters
    ----------
    folder : path
    resume : bool
        Go on from what is there; False: begin anew and write over it.
    about : dict
        What the fit is (class, parameters, table): a checkpoint of another fit is refused.

    Raises
    ------
    ValueError
        With ``resume``: for a folder without a checkpoint, or of another fit.

    Notes
    -----
    A file is written beside the last one, brought to the disk and then takes its place: whatever happens, one whole
    checkpoint is there. Numbers are stored as they are, so a run that goes on has the bits of one that never stopped.
    """

    def __init__(self, folder: str | os.PathLike[str], resume: bool, about: dict[str, Any]) -> None:
        self.folder, self._about = Path(folder), json.dumps(about, sort_keys=True, default=str)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._resumes, head = resume, self.folder / "about.json"
        if resume and not head.exists():
            raise ValueError(f"{self.folder} has no checkpoint to go on from; leave resume out to begin one")
        if resume and head.read_text(encoding="utf-8") != self._about:
            raise ValueError(
                f"the checkpoint in {self.folder} is of another fit (other data, parameters or version); "
                "give the same, or another folder"
            )
        if not resume:
            for old in self.folder.glob("run-*.npz"):
                old.unlink()
            head.write_text(self._about, encoding="utf-8")

    def run(self, number: int) -> RunKeeper:
        """The keeper of one of the fit's runs."""
        return RunKeeper(self.folder / f"run-{number}.npz", self._resumes)


class RunKeeper:
    """Keeps the last iteration of one run; see :func:`halfseen.solvers.loop.loop`."""

    def __init__(self, path: Path, resumes: bool) -> None:
        self._path, self._resumes = path, resumes

    def last(self, start: Any) -> tuple[Any, list[TraceRow]]:
        """Parameters to go on from, in the form of ``start``, and what happened so far; the start where there are none.

        Raises
        ------
        ValueError
            For a file that cannot be read, or that has another form.
        """
        if not self._resumes or not self._path.exists():
            return start, []
        try:
            with np.load(self._path) as file:
                arrays = [file[f"part_{place}"] for place in range(len(file.files) - 1)]
                rows = [(float(a), float(b), float(c), float(d)) for a, b, c, d in file["trace"]]
        except Exception as error:
            raise ValueError(
                f"the checkpoint {self._path} cannot be read ({error}); begin anew without resume"
            ) from error
        if [array.shape for array in arrays] != [np.shape(part) for part in start]:
            raise ValueError(f"the checkpoint {self._path} is of a table or a rank of another size; begin anew")
        return (type(start)(*arrays) if hasattr(start, "_fields") else tuple(arrays)), rows

    def keep(self, params: Sequence[NDArray[Any]], rows: list[TraceRow]) -> None:
        """Write an iteration down.

        Raises
        ------
        OSError
            If it cannot be written (a full disk, say): the file before it is whole.
        """
        partial = self._path.with_suffix(".partial")
        arrays: dict[str, Any] = {f"part_{place}": part for place, part in enumerate(params)}
        try:
            with partial.open("wb") as file:
                np.savez(file, trace=np.array(rows), **arrays)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, self._path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise OSError(
                error.errno,
                f"the checkpoint of iteration {len(rows)} could not be written ({error.strerror}); that of iteration "
                f"{len(rows) - 1} is whole: make room and go on with resume",
                str(self._path),
            ) from error


def checkpoint_of(model: Any, table: Any, folder: str | os.PathLike[str] | None, resume: bool) -> Checkpoint | None:
    """The checkpoint of a fit of this model to this table; None where no folder was given.

    Raises
    ------
    ValueError
        For ``resume`` without a folder, and for a random state that is not a number: it could not be begun again.
    """
    if folder is None:
        if resume:
            raise ValueError("resume=True needs checkpoint=, the folder to go on from")
        return None
    # how many iterations may be is not which: a fit that ended too soon goes on with a larger max_iter
    free = ("engine", "max_iter")
    parameters = {name: value for name, value in model.get_params(deep=False).items() if name not in free}
    seed = parameters.get("random_state", 0)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise ValueError(f"random_state={seed!r} with checkpoint=: a fit that goes on must begin alike; give a number")
    facts = getattr(table, "facts", None)
    data = facts.checksums if facts is not None else fingerprint(as_observed(table))
    about = {"class": type(model).__name__, "parameters": parameters, "data": data}
    return Checkpoint(folder, resume, about)
