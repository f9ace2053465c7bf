"""The folder of papers: which figures there are, what they are called, and the functions in their scripts."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from halfseen.errors import close_matches

FOLDER = "papers"
CONTRACT = "a docstring, CONFIG = {'full': {...}, 'quick': {...}} and run(config, study)"


@dataclass(frozen=True)
class Figure:
    """One script of a paper.

    Attributes
    ----------
    paper, name : str
        Folder and file, without ``.py``.
    title, text : str
        First line and rest of the script's docstring.
    path : Path
    """

    paper: str
    name: str
    title: str
    text: str
    path: Path

    @property
    def results(self) -> Path:
        """Where tracked results lie."""
        return self.path.parent / "results"

    @property
    def quick_results(self) -> Path:
        """Where results of quick runs lie; not tracked."""
        return self.path.parent / "quick"


@dataclass(frozen=True)
class Paper:
    """A folder of scripts."""

    name: str
    path: Path
    figures: tuple[Figure, ...]


def find_root(given: Path | None = None, start: Path | None = None) -> Path:
    """Find the folder of papers: the one given, else ``papers/`` in the current folder or one above it.

    Raises
    ------
    ValueError
        If it is not there or holds no script.
    """
    start = (start or Path.cwd()).resolve()
    if given is not None:
        root = given.expanduser()
        if not root.is_dir():
            raise ValueError(f"--papers {given}: no such folder")
    else:
        nearby = (folder / FOLDER for folder in (start, *start.parents))
        nearest = next((folder for folder in nearby if folder.is_dir() and any(_scripts(folder))), None)
        if nearest is None:
            raise ValueError(
                f"no folder '{FOLDER}' with scripts in {start} or above it; "
                "an installed halfseen has none: run this in a checkout or an unpacked source distribution "
                "(pip download --no-binary halfseen --no-deps halfseen), or give --papers PATH"
            )
        root = nearest
    if not any(_scripts(root)):
        raise ValueError(f"{root} holds no scripts; expected {root / 'PAPER' / 'FIGURE.py'}")
    return root


def _scripts(root: Path) -> Iterator[Path]:
    for path in sorted(root.glob("*/*.py")):
        if not path.name.startswith(("_", ".")) and not path.parent.name.startswith(("_", ".")):
            yield path


def find_papers(root: Path) -> list[Paper]:
    """Every paper under ``root`` with its figures, sorted by name; no script is run for that."""
    by_paper: dict[str, list[Figure]] = {}
    for path in _scripts(root):
        by_paper.setdefault(path.parent.name, []).append(_figure(path))
    return [Paper(name, root / name, tuple(figures)) for name, figures in by_paper.items()]


def _figure(path: Path) -> Figure:
    try:
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    except SyntaxError as error:
        raise ValueError(f"{path.parent.name}/{path.stem} is not Python: {error.msg} (line {error.lineno})") from None
    title, _, rest = text.partition("\n")
    return Figure(path.parent.name, path.stem, title.strip() or path.stem, rest.strip(), path)


def select(papers: list[Paper], what: str) -> list[Figure]:
    """The figures that ``PAPER`` or ``PAPER/FIGURE`` names.

    Raises
    ------
    ValueError
        For an unknown name; close ones are listed.
    """
    name, _, figure = what.strip("/").partition("/")
    paper = next((paper for paper in papers if paper.name == name), None)
    if paper is None:
        raise ValueError(f"unknown paper {name!r}; {close_matches(name, [paper.name for paper in papers])}")
    if not figure:
        return list(paper.figures)
    chosen = [candidate for candidate in paper.figures if candidate.name == figure.removesuffix(".py")]
    if not chosen:
        near = close_matches(figure, [candidate.name for candidate in paper.figures])
        raise ValueError(f"unknown figure {figure!r} of {name}; {near}")
    return chosen


@dataclass(frozen=True)
class Script:
    """What a script offers: its configurations and its function.

    ``config["check"]``, if there, changes the full configuration into the one of a check: the same regime with fewer
    cells and repetitions; words instead say why the figure is left out of checks.
    """

    config: dict[str, Any]
    run: Callable[[dict[str, Any], Any], None]

    def configuration(self, which: str) -> dict[str, Any]:
        """The configuration ``full``, ``quick`` or ``check``."""
        return dict(self.config["full"] | self.config["check"] if which == "check" else self.config[which])


@contextmanager
def loaded(figure: Figure) -> Iterator[Script]:
    """Import a script, its helpers from its own folder, and forget them all afterwards.

    Raises
    ------
    ValueError
        If the script does not keep the contract.
    """
    folder, before = str(figure.path.parent), set(sys.modules)
    sys.path.insert(0, folder)
    try:
        name = f"_halfseen_paper_{abs(hash(str(figure.path)))}"
        spec = importlib.util.spec_from_file_location(name, figure.path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        yield _checked(figure, module)
    finally:
        sys.path.remove(folder)
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if Path(file).parent == figure.path.parent:
                del sys.modules[name]


def _checked(figure: Figure, module: ModuleType) -> Script:
    place, config, run = f"{figure.paper}/{figure.name}", getattr(module, "CONFIG", None), getattr(module, "run", None)
    if not (module.__doc__ or "").strip():
        raise ValueError(f"{place} has no docstring; a script needs {CONTRACT}")
    if not isinstance(config, dict) or not all(isinstance(config.get(key), dict) for key in ("full", "quick")):
        raise ValueError(f"{place} has no CONFIG with a dict 'full' and a dict 'quick'; a script needs {CONTRACT}")
    if not isinstance(config.get("check", {}), dict | str):
        raise ValueError(f"{place}: CONFIG['check'] is neither a dict of changes to 'full' nor words that say why not")
    if not callable(run) or list(inspect.signature(run).parameters)[:2] != ["config", "study"]:
        raise ValueError(f"{place} has no run(config, study); a script needs {CONTRACT}")
    return Script(config, run)
