"""What a script of a paper is given: data in, tables, pictures and claims out."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from halfseen import datasets
from halfseen.reproduce.kept import Kept, Row
from halfseen.reproduce.rules import KINDS, complaint, kept, verdict_of
from halfseen.reproduce.writing import as_plain, csv_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

CLAIMS = "claims"
SHARED = "_shared"
PICTURE_BYTES = 200_000
COUNTS = ("repetitions", "seeds", "splits", "trials", "draws")  # what configurations call their number of seeds
SEEDS = ("seed", "split", "draw")  # what the points of a repetition call their seed
APART = 1000  # between the seeds of one run of a check and those of the next
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
    shift : int
        Moves every seed: another draw of the same study.

    Examples
    --------
    >>> study = Study("figure1")
    >>> study.table("", [{"n": 400, "error": 0.25}, {"n": 800, "error": 0.125}])
    >>> study.claim("error halves when n doubles", "1/2", 0.5, figures={"ratio": 0.5}, rule="ratio <= 0.5")
    >>> sorted(study.files)
    ['figure1.csv']
    >>> study.claims[0]["verdict"]
    'reproduced'
    """

    name: str
    given: Mapping[str, Path] = field(default_factory=dict)
    kept: Kept = field(default_factory=Kept)
    tell: Callable[[str], None] = lambda text: None
    shift: int = 0
    files: dict[str, str | bytes] = field(default_factory=dict, init=False)
    claims: list[Row] = field(default_factory=list, init=False)
    done: dict[str, tuple[int, int]] = field(default_factory=dict, init=False)

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

    def claim(
        self,
        what: str,
        paper: Any,
        ours: Any,
        *,
        figures: Mapping[str, Any],
        rule: str,
        partly: str = "",
        reason: str = "",
        otherwise: str = "",
    ) -> None:
        """Keep a statement of the paper beside what came out here; the verdict follows from figures by a rule.

        Parameters
        ----------
        what : str
            The statement.
        paper, ours : str or number
            The paper's number and ours, with what is needed to read them.
        figures : dict
            The numbers that decide, by names that the rules read.
        rule, partly : str
            What makes it "reproduced", and what at least "partly": see `halfseen.reproduce.rules.holds`.
        reason : str
            Why it came out as it did.
        otherwise : str
            The reason in case it is not simply reproduced.

        Raises
        ------
        ValueError
            Without figures or rule, for a rule that cannot be read, or without a reason where one is needed.
        """
        self._judge({"what": what, "kind": "paper", "paper": paper, "ours": ours}, figures, (rule, partly),
                    (reason, otherwise))  # fmt: skip

    def target(
        self,
        what: str,
        target: Any,
        ours: Any,
        *,
        figures: Mapping[str, Any],
        rule: str,
        reason: str = "",
        otherwise: str = "",
    ) -> None:
        """Keep a target of our own, which no paper states: "reached" if its rule holds, else "missed"."""
        self._judge({"what": what, "kind": "target", "paper": target, "ours": ours}, figures, (rule, ""),
                    (reason, otherwise))  # fmt: skip

    def beyond(self, what: str, paper: Any = "", ours: Any = "", reason: str = "") -> None:
        """Keep a result that the paper does not show."""
        self._keep({"what": what, "kind": "beyond", "paper": paper, "ours": ours, "verdict": "beyond",
                    "reason": reason})  # fmt: skip

    def difference(self, what: str, paper: Any, ours: Any, reason: str) -> None:
        """Keep a place where this is deliberately done otherwise than in the paper, and why."""
        self._keep({"what": what, "kind": "difference", "paper": paper, "ours": ours, "verdict": "stated",
                    "reason": reason})  # fmt: skip

    def untested(self, what: str, paper: Any, reason: str, ours: Any = "") -> None:
        """Keep a statement of the paper that is not tested here, and why."""
        self._keep({"what": what, "kind": "paper", "paper": paper, "ours": ours, "verdict": "not tested",
                    "reason": reason})  # fmt: skip

    def _judge(self, line: Row, figures: Mapping[str, Any], rules: tuple[str, str], reasons: tuple[str, str]) -> None:
        if not figures or not rules[0]:
            raise ValueError(f"{self.name}: {line['what']!r} needs figures and a rule that reads them")
        own = kept(figures)
        try:
            verdict = verdict_of(line["kind"], *rules, own)
        except ValueError as error:
            raise ValueError(f"{self.name}: {line['what']!r}: {error}") from error
        is_best = verdict == KINDS[line["kind"]][0]
        why = "; ".join(text for text in (reasons[0], "" if is_best else reasons[1]) if text)
        self._keep({**line, "verdict": verdict, "rule": rules[0], "partly": rules[1], "figures": own, "reason": why})

    def _keep(self, line: Row) -> None:
        wrong = complaint(as_plain(line))
        if wrong:
            raise ValueError(f"{self.name}: {line['what']!r}: {wrong}")
        row = {key: line.get(key, "") for key in ("what", "kind", "paper", "ours", "verdict", "rule", "partly")}
        self.claims.append(as_plain({**row, "figures": line.get("figures", {}), "reason": line["reason"]}))

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
        asked = list(points)
        rows = self.kept.rows(
            f"{SHARED if is_shared else self.name}.{name}",
            asked,
            self._moved(work),
            at_least,
            lambda done, total: self.tell(f"{name} {done + 1} of {total}"),
        )
        self.done[name] = (_seeds(rows), _seeds(asked))
        self.tell(f"{name}: {len(rows)} rows")
        return rows

    def _moved(self, work: Callable[..., Row | list[Row]]) -> Callable[..., Row | list[Row]]:
        """The work at seeds that are moved; its rows keep the seeds that were asked for."""
        if not self.shift:
            return work
        return lambda **point: work(**moved(point, self.shift))

    def ran(self, config: Mapping[str, Any]) -> tuple[Row, Row]:
        """The configuration as it was run, and of what ``--minutes`` cut short what had been asked for."""
        cut = [pair for pair in self.done.values() if pair[0] < pair[1]]
        asked = {key: config[key] for done, whole in cut for key in COUNTS if config.get(key) == whole}
        fewer = {key: min(done for done, whole in cut if whole == count) for key, count in asked.items()}
        return {**config, **fewer}, asked

    def _stem(self, name: str) -> str:
        return f"{self.name}-{name}" if name else self.name

    def _add(self, file: str, content: str | bytes) -> None:
        if file in self.files:
            raise ValueError(f"{self.name}: {file} is written twice; give each table and picture its own name")
        self.files[file] = content


def moved(point: Mapping[str, Any], shift: int) -> Row:
    """A point, or a configuration, with its seed moved."""
    return {key: value + APART * shift if key in SEEDS and isinstance(value, int) else value
            for key, value in point.items()}  # fmt: skip


def _seeds(rows: Iterable[Row]) -> int:
    """How many seeds (or splits, or draws) the points of a repetition have; one that was broken off does not count."""
    counts = Counter(row[key] for row in rows for key in SEEDS if key in row)
    return sum(count == max(counts.values()) for count in counts.values())


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
