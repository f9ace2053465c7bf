"""What a script of a paper is given: data in, tables, pictures and claims out."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from halfseen import datasets
from halfseen.errors import close_matches
from halfseen.reproduce.kept import Kept, Row
from halfseen.reproduce.writing import as_plain, csv_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

VERDICTS = ("reproduced", "partly", "not reproduced", "beyond")
CLAIMS = "claims"
SHARED = "_shared"
PICTURE_BYTES = 200_000
DPI = (110, 90, 72, 60, 50)


class MissingData(FileNotFoundError):
    """A data set that a figure needs is not here."""


@dataclass
class Study:
    """The way from a script to its results; nothing is written before the script has ended.

    Parameters
    ----------
    name : str
        Name of the figure; every file begins with it.
    given : dict
        Data sets by name, from ``--data NAME=PATH``; the name "" holds ``--data PATH``.
    kept : Kept
        Repetitions of earlier runs.
    tell : callable
        Takes a line of progress.

    Examples
    --------
    >>> study = Study("figure1")
    >>> study.table("", [{"n": 400, "error": 0.25}, {"n": 800, "error": 0.125}])
    >>> study.claim("error halves when n doubles", paper="1/2", ours=0.5, verdict="reproduced")
    >>> sorted(study.files)
    ['figure1.csv']
    >>> study.claims[0]["ours"]
    0.5
    """

    name: str
    given: Mapping[str, Path] = field(default_factory=dict)
    kept: Kept = field(default_factory=Kept)
    tell: Callable[[str], None] = lambda text: None
    files: dict[str, str | bytes] = field(default_factory=dict, init=False)
    claims: list[Row] = field(default_factory=list, init=False)

    def data(self, name: str) -> Path:
        """Return the path of a real data set.

        Looked for, in this order: ``--data NAME=PATH``; ``--data PATH`` (a file, or a folder that holds what the
        catalogue of `halfseen.datasets` calls NAME, or NAME, or NAME with any ending); the data folder
        (HALFSEEN_DATA), likewise.

        Raises
        ------
        MissingData
            If it is nowhere; the message says how to give it.
        """
        if name in self.given:
            return _existing(self.given[name], name)
        if "" in self.given:
            place = _existing(self.given[""], name)
            file = place if place.is_file() else _inside(place, name)
            if file is not None:
                return file
        file = _inside(datasets.data_home(), name)
        if file is None:
            raise MissingData(
                f"data set {name!r} is not here; give --data {name}=PATH, "
                f"or set HALFSEEN_DATA to a folder that holds {datasets.file_of(name) or name}"
            )
        return file

    def table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Keep a table: ``results/FIGURE-NAME.csv``, or ``results/FIGURE.csv`` when the name is empty.

        Raises
        ------
        ValueError
            If there are no rows, or the name is taken.
        """
        if not rows:
            raise ValueError(f"{self.name}: table {name!r} has no rows")
        if name == CLAIMS:
            raise ValueError(f"{self.name}: a table cannot be called {CLAIMS!r}; that is the file of study.claim")
        self._add(f"{self._stem(name)}.csv", csv_text(rows))

    def picture(self, figure: Picture, name: str = "") -> None:
        """Keep a matplotlib figure: ``results/FIGURE[-NAME].png``, as sharp as 200 kB allow."""
        for dpi in DPI:
            out = io.BytesIO()
            figure.savefig(out, format="png", dpi=dpi, metadata={"Software": None})
            if len(out.getvalue()) <= PICTURE_BYTES:
                self._add(f"{self._stem(name)}.png", out.getvalue())
                return
        raise ValueError(f"{self.name}: picture {name!r} is above {PICTURE_BYTES} bytes even at {DPI[-1]} dpi")

    def claim(self, what: str, paper: Any = "", ours: Any = "", verdict: str = "", reason: str = "") -> None:
        """Keep a statement of the paper beside what came out here.

        Parameters
        ----------
        what : str
            The statement.
        paper, ours : str or number
            The paper's number and ours, with what is needed to read them.
        verdict : {"reproduced", "partly", "not reproduced", "beyond"}
            "beyond" is for what the paper does not show.
        reason : str
            Why; needed unless it was simply reproduced or is beyond.

        Raises
        ------
        ValueError
            For another verdict, or a verdict without its reason.
        """
        if verdict not in VERDICTS:
            raise ValueError(f"{self.name}: verdict {verdict!r} of {what!r}; {close_matches(verdict, VERDICTS)}")
        if not reason and verdict in ("partly", "not reproduced"):
            raise ValueError(f"{self.name}: {what!r} is {verdict!r} without a reason")
        row = {"what": what, "paper": paper, "ours": ours, "verdict": verdict, "reason": reason}
        self.claims.append(as_plain(row))

    def progress(self, text: str) -> None:
        """Say what is being done."""
        self.tell(text)

    def repeat(
        self,
        name: str,
        points: Iterable[Row],
        work: Callable[..., Row | list[Row]],
        at_least: int = 1,
        is_shared: bool = False,
    ) -> list[Row]:
        """Call ``work(**point)`` for every point and return rows ``{**point, **result}``.

        Each result is written down as it comes and read back by the next run (``--fresh`` forgets them); with
        ``--minutes`` no repetition begins after that time, but for the first ``at_least``. Order the points so that
        what comes first is useful alone: repetitions outside, settings inside.

        Parameters
        ----------
        name : str
        points : iterable of dict
            Settings and seed of each repetition, in types that JSON knows.
        work : callable
            Returns a row, or a list of rows.
        at_least : int
        is_shared : bool
            Kept for all figures of the paper that repeat ``name``, not for this one alone.

        Returns
        -------
        list of dict
            Of the points that are done, in their order.
        """
        rows = self.kept.rows(
            f"{SHARED if is_shared else self.name}.{name}",
            points,
            work,
            at_least,
            lambda done, total: self.tell(f"{name} {done + 1} of {total}"),
        )
        self.tell(f"{name}: {len(rows)} rows")
        return rows

    def _stem(self, name: str) -> str:
        return f"{self.name}-{name}" if name else self.name

    def _add(self, file: str, content: str | bytes) -> None:
        if file in self.files:
            raise ValueError(f"{self.name}: {file} is written twice; give each table and picture its own name")
        self.files[file] = content


def _existing(path: Path, name: str) -> Path:
    if not path.exists():
        raise MissingData(f"--data {path}, given for data set {name!r}, is not there")
    return path


def _inside(folder: Path, name: str) -> Path | None:
    """The file or folder of a data set inside a folder: by the catalogue's name, its own, or its own and any ending."""
    listed = datasets.file_of(name)
    places = [*([folder / listed, folder / Path(listed).name] if listed else []), folder / name]
    if folder.is_dir():
        places += sorted(path for path in folder.glob(f"{name}.*") if path.is_file())
    return next((place for place in places if place.exists()), None)
