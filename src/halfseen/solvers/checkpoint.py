"""Fits that go on where they stopped: every iteration of their loops is written down."""

from __future__ import annotations

import functools
import inspect
import json
import os
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from halfseen.data.observed import Observed
from halfseen.data.outgoing import fingerprint
from halfseen.data.prepared import PreparedTable
from halfseen.solvers.loop import KEEPERS
from halfseen.solvers.state import RunState

TraceRow = tuple[float, float, float, float]
Fit = TypeVar("Fit", bound=Callable[..., Any])

OPTIONS = """        checkpoint : path, optional
            Folder in which every iteration is written down.
        resume : bool
            Go on from what is there: the bits are those of a fit that never stopped.
"""


class Checkpoint:
    """A folder with the last iteration of every loop of a fit.

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
    What a fit does between its loops is done again.
    """

    def __init__(self, folder: str | os.PathLike[str], resume: bool, about: dict[str, Any]) -> None:
        self.folder, self._about = Path(folder), json.dumps(about, sort_keys=True, default=str)
        self._resumes, self._n_loops, head = resume, 0, self.folder / "about.json"
        if resume and not head.exists():
            raise ValueError(f"{self.folder} has no checkpoint to go on from; leave resume out to begin one")
        if resume and head.read_text(encoding="utf-8") != self._about:
            raise ValueError(
                f"the checkpoint in {self.folder} is of another fit (other data, parameters or version); "
                "give the same, or another folder"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        if not resume:
            for old in self.folder.glob("loop-*.bin"):
                old.unlink()
            head.write_text(self._about, encoding="utf-8")

    def next(self) -> RunKeeper:
        """The keeper of the fit's next loop: loops come in the same order whenever the fit is run."""
        self._n_loops += 1
        return RunKeeper(self.folder / f"loop-{self._n_loops:05d}.bin", self._resumes, self._began_anew)

    def _began_anew(self) -> None:
        """A loop does more than it had done: what is there of later ones followed from less."""
        self._resumes = False


class RunKeeper:
    """Keeps the last iteration of one loop; see :func:`halfseen.solvers.loop.loop`."""

    def __init__(self, path: Path, resumes: bool, went_on: Callable[[], None]) -> None:
        self._path, self._resumes, self._went_on = path, resumes, went_on
        self._state: RunState | None = None

    def begin(self, sweep: Any, stops: Any, watchers: Any, start: Any) -> tuple[Any, list[TraceRow], str | None]:
        """Parameters to go on from, what happened so far, and why it ended, if it did; the start where there is none.

        Raises
        ------
        ValueError
            For a file that cannot be read.
        """
        self._state = RunState(sweep, stops, watchers, start)
        if not self._resumes or not self._path.exists():
            return start, [], None
        data = self._path.read_bytes()
        try:
            if len(data) < 4 or zlib.crc32(data[4:]) != int.from_bytes(data[:4], "little"):
                raise ValueError("its checksum does not fit")
            params, rows, reason = self._state.restored(data[4:])
        except Exception as error:  # a file of a stranger fails in as many ways as there are
            what = (str(error) or type(error).__name__).splitlines()[0]
            raise ValueError(
                f"the checkpoint {self._path} cannot be read ({what}); begin anew without resume"
            ) from error
        return params, rows, reason

    def keep(self, params: Any, rows: list[TraceRow], reason: str | None) -> None:
        """Write an iteration down.

        Raises
        ------
        OSError
            If it cannot be written (a full disk, say): the file before it is whole.
        """
        assert self._state is not None
        self._went_on()
        data, partial = self._state.written(params, rows, reason), self._path.with_suffix(".partial")
        try:
            with partial.open("wb") as file:
                file.write(zlib.crc32(data).to_bytes(4, "little"))
                file.write(data)
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


def checkpoint_of(model: Any, table: Any, folder: Any, resume: bool, more: Any = ()) -> Checkpoint | None:
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
    # how many iterations may be is not which: a fit that ended too soon goes on with a larger max_iter (not so a chain,
    # whose draws have room for so many)
    given = model.get_params()
    free = {"engine"} | (set() if "burn_in" in given else {"max_iter"})
    parameters = {name: value for name, value in given.items() if name not in free}
    seeds = [value for name, value in parameters.items() if name.split("__")[-1] == "random_state"]
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
            raise ValueError(
                f"random_state={seed!r} with checkpoint=: a fit that goes on must begin alike; give a number"
            )
    about = {"class": type(model).__name__, "parameters": parameters, "data": _fingerprint(table)}
    return Checkpoint(folder, resume, about | ({"more": _fingerprint(more)} if more else {}))


def _fingerprint(data: Any) -> Any:
    """A number that other data do not have, up to chance."""
    if isinstance(data, PreparedTable):
        return [*data.facts.checksums, repr(data.fold)]
    if isinstance(data, Observed):
        return fingerprint(data)
    if isinstance(data, np.ndarray) and not data.dtype.hasobject:
        return zlib.crc32(
            np.ascontiguousarray(data).reshape(-1).view(np.uint8).data, zlib.crc32(repr(data.shape).encode())
        )
    return zlib.crc32(pickle.dumps(data))


def resumable(fit: Fit) -> Fit:
    """Decorator of an estimator's ``fit(R, ...)``: takes ``checkpoint=`` and ``resume=``, and keeps its loops.

    Examples
    --------
    >>> import tempfile, numpy as np, halfseen as hs
    >>> table, folder = np.arange(12.0).reshape(4, 3), tempfile.mkdtemp()
    >>> first = hs.BiasModel().fit(table, checkpoint=folder)
    >>> again = hs.BiasModel().fit(table, checkpoint=folder, resume=True)
    >>> bool(np.all(first.col_bias_ == again.col_bias_))
    True
    """

    @functools.wraps(fit)
    def wrapped(self: Any, *args: Any, checkpoint: Any = None, resume: bool = False, **more: Any) -> Any:
        if checkpoint is None and not resume:
            return fit(self, *args, **more)
        given = known.bind(self, *args, **more).arguments
        _, table, *others = given.values()
        kept = checkpoint_of(self, table, checkpoint, resume, [part for part in others if part is not None])
        token = KEEPERS.set(kept)
        try:
            return fit(self, *args, **more)
        finally:
            KEEPERS.reset(token)

    known = inspect.signature(fit)
    kind = inspect.Parameter.KEYWORD_ONLY
    added = [
        inspect.Parameter("checkpoint", kind, default=None, annotation="str | os.PathLike[str] | None"),
        inspect.Parameter("resume", kind, default=False, annotation="bool"),
    ]
    own = list(known.parameters.values())
    place = len(own) - (own[-1].kind is inspect.Parameter.VAR_KEYWORD)
    wrapped.__signature__ = known.replace(parameters=own[:place] + added + own[place:])  # type: ignore[attr-defined]
    wrapped.__doc__ = _documented(fit.__doc__)
    return cast(Fit, wrapped)


def _documented(text: str | None) -> str | None:
    """A docstring with the two options behind its last parameter."""
    if text is None or "        Parameters\n" not in text:
        return text
    begin = text.index("        Parameters\n")
    ends = [text.find(f"\n        {name}\n", begin) for name in ("Returns", "Raises", "Notes", "Examples")]
    end = min([end for end in ends if end >= 0], default=len(text.rstrip()))
    return text[:end].rstrip() + "\n" + OPTIONS + text[end:]
