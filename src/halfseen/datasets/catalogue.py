"""Real data sets by name: where they lie, and how each becomes a table."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from halfseen.data import Observed, read_table
from halfseen.datasets.bundled import BUNDLED
from halfseen.errors import close_matches

VARIABLE = "HALFSEEN_DATA"


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a data set without opening it.

    Attributes
    ----------
    name : str
    summary : str
        What its rows, columns and values are.
    family : str
        The family its values ask for.
    file : str
        Inside the data folder; empty for a bundled set.
    here : bool
        Whether the file is there.
    """

    name: str
    summary: str
    family: str
    file: str
    here: bool


@dataclass(frozen=True)
class _Entry:
    summary: str
    family: str
    file: str = ""
    reading: dict[str, Any] = field(default_factory=dict)
    loader: Callable[[], Observed] | None = None


def _digits() -> Observed:
    from halfseen.datasets.digits import load_digits_counts

    return load_digits_counts()


def _npz(summary: str, family: str, file: str, row: str | None, col: str | None, value: str, **more: Any) -> _Entry:
    return _Entry(summary, family, file, {"row": row, "col": col, "value": value, **more})


def _frames(name: str) -> Observed:
    """A film as a table: one row per frame, one column per pixel (row by row of the picture)."""
    import numpy as np

    with np.load(path(name)) as file:
        frames = file["frames"]
    return Observed.from_dense(frames.reshape(len(frames), -1).astype(np.float32))


def _film(name: str, summary: str) -> _Entry:
    return _Entry(summary, "gaussian", f"video/{name}.npz", loader=lambda: _frames(name))


def _bundled(name: str) -> _Entry:
    """A simulated set, made when it is asked for."""
    summary, family, make = BUNDLED[name]
    return _Entry(f"{summary} (bundled)", family, loader=make)


_CATALOGUE: dict[str, _Entry] = {
    "digits": _Entry("1797 handwritten digits x 64 pixels, counts 0..16 (bundled)", "binomial(16)", loader=_digits),
    **{name: _bundled(name) for name in BUNDLED},
    "ml-100k": _Entry(
        "MovieLens 100K: 943 users x 1682 films, ratings 1..5",
        "gaussian",
        "ml-100k/u.data",
        {"row": 0, "col": 1, "value": 2, "header": False, "sep": "\t"},
    ),
    "ml-1m": _npz(
        "MovieLens 1M: 6040 users x 3706 films, ratings 1..5", "gaussian", "ml-1m/ratings.npz", "user", "item", "rating"
    ),
    "amazon-magazine": _npz(
        "Amazon magazines: 72098 users x 2428 items, ratings 1..5 (the last of repeated ones)",
        "gaussian",
        "amazon-magazine/ratings.npz",
        "user",
        "item",
        "rating",
        duplicates="last",
    ),
    "evalplus_binary": _npz(
        "EvalPlus: 71 language models x 1084 programming tasks, solved or not",
        "bernoulli",
        "llm/evalplus_binary.npz",
        "models",
        "benchmark+items",
        "response",
        missing=255,
    ),
    "humaneval_hf": _npz(
        "HumanEval: 29 language models x 164 tasks, solved or not",
        "bernoulli",
        "llm/humaneval_hf.npz",
        "models",
        "items",
        "passrate",
    ),
    "cruxeval_input": _npz(
        "CRUXEval: 37 language models x 800 tasks, pass rates",
        "gaussian",
        "llm/cruxeval_input.npz",
        "models",
        "items",
        "passrate",
    ),
    "livecodebench": _npz(
        "LiveCodeBench: 58 language models x 400 tasks, pass rates",
        "gaussian",
        "llm/livecodebench.npz",
        "models",
        "items",
        "passrate",
    ),
    "swebench_multimodal": _npz(
        "SWE-bench Multimodal: 12 systems x 510 tasks, solved or not",
        "bernoulli",
        "llm/swebench_multimodal.npz",
        "models",
        "items",
        "response",
    ),
    "terminal_bench_1": _npz(
        "Terminal-Bench: 25 systems x 80 tasks, pass rates of five runs",
        "gaussian",
        "llm/terminal_bench_1.npz",
        "models",
        "items",
        "passrate",
    ),
    "psn_irt": _npz(
        "PSN-IRT: 12 language models x 41871 questions, right or wrong",
        "bernoulli",
        "llm/psn_irt_12x41871.npz",
        None,
        None,
        "response",
    ),
    "big5": _npz(
        "Big Five questionnaire: 19719 people x 50 statements, answers 1..5",
        "gaussian",
        "big5/responses.npz",
        None,
        "items",
        "response",
        missing=0,
    ),
    "stocks": _npz(
        "Daily closing prices: 214 US stocks x 7021 days, 1990 to 2017",
        "gaussian",
        "stocks/close_214x7021.npz",
        "tickers",
        "dates",
        "close",
    ),
    "hall": _film("hall", "Airport hall, static camera: 100 frames x 25344 pixels (144 x 176), 0..255"),
    "shoppingmall": _film("shoppingmall", "Shopping mall, static camera: 50 frames x 81920 pixels (256 x 320), 0..255"),
}


def data_home() -> Path:
    """Return the folder of real data sets: the environment variable HALFSEEN_DATA, else the user's cache folder.

    Returns
    -------
    Path
        It need not exist.
    """
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "halfseen"


def names() -> list[str]:
    """Return the names of the known data sets.

    Examples
    --------
    >>> names()[:3]
    ['digits', 'sensors', 'school_test']
    """
    return list(_CATALOGUE)


def file_of(name: str) -> str:
    """Return the file of a known data set inside the data folder; "" for a bundled or unknown one.

    Examples
    --------
    >>> file_of("ml-100k"), file_of("digits"), file_of("no such set")
    ('ml-100k/u.data', '', '')
    """
    entry = _CATALOGUE.get(name)
    return entry.file if entry is not None else ""


def list_datasets() -> list[DatasetInfo]:
    """Return name, summary, family and file of every known data set, and whether it is here."""
    home = data_home()
    return [
        DatasetInfo(name, entry.summary, entry.family, entry.file, not entry.file or (home / entry.file).is_file())
        for name, entry in _CATALOGUE.items()
    ]


def path(name: str) -> Path:
    """Return the file of a data set.

    Raises
    ------
    ValueError
        For an unknown name (close ones are listed) and for a bundled set, which has no file.
    FileNotFoundError
        If the file is not in the data folder.
    """
    entry = _entry(name)
    if not entry.file:
        raise ValueError(f"{name!r} is bundled and has no file; halfseen.datasets.load({name!r}) gives it")
    file = data_home() / entry.file
    if not file.is_file():
        raise FileNotFoundError(
            f"data set {name!r} is not at {file}; set {VARIABLE} to the folder that holds {entry.file}"
        )
    return file


def load(name: str) -> Observed:
    """Load a data set by name.

    Parameters
    ----------
    name : str
        One of `names`.

    Returns
    -------
    Observed

    Raises
    ------
    ValueError, FileNotFoundError
        As `path`.

    Examples
    --------
    >>> load("digits").shape
    (1797, 64)
    """
    entry = _entry(name)
    return entry.loader() if entry.loader is not None else read_table(path(name), **entry.reading)


def _entry(name: str) -> _Entry:
    if name not in _CATALOGUE:
        raise ValueError(f"unknown data set {name!r}; {close_matches(name, _CATALOGUE)}")
    return _CATALOGUE[name]
