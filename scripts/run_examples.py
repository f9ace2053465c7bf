"""Run every example that a reader may copy: code blocks of pages, shell commands of `halfseen`, gallery scripts.

    python scripts/run_examples.py README.md docs examples

In a page (.md, .rst) prompts (``>>>``) are checked against the output printed below them; python blocks without
prompts are executed, in order, in one namespace; lines ``$ halfseen ...`` and ``$ python ...`` of console blocks, and
lines ``halfseen ...`` of sh blocks, run in a scratch folder.
Scripts ``plot_*.py`` are run. A page or script that says ``needs: torch`` is left out where that is not installed.
Anything that fails is printed, and the exit code is 1.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import traceback
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)
DIRECTIVE = re.compile(r"^\.\. code-block:: (\w+)\n(?:[ \t]+:.*\n)*((?:[ \t]*\n|[ \t]+.*\n)+)", re.M)
NEEDS = re.compile(r"^(?:<!--|#) needs: (\w+)", re.M)
SKIPPED = ("_build", "generated", "gallery", "_templates")


def blocks(text: str, is_markdown: bool) -> Iterator[tuple[int, str, str]]:
    """Line, language and code of every code block of a page."""
    for match in (FENCE if is_markdown else DIRECTIVE).finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match[1], textwrap.dedent(match[2])


def check_page(path: Path, folder: Path) -> list[str]:
    """Run one page; returns what went wrong."""
    text = path.read_text(encoding="utf-8")
    bare = re.sub(r"^```\w*$", "", text, flags=re.M)  # a closing fence is not part of the expected output
    test = doctest.DocTestParser().get_doctest(bare, {"__name__": "__main__"}, str(path), str(path), 0)
    out: list[str] = []
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=out.append)
    wrong, names = (["".join(out)] if out else []), {"__name__": "__main__"}
    for line, language, code in blocks(text, path.suffix == ".md"):
        if language == "python" and ">>>" not in code:
            try:
                exec(compile("\n" * line + code, str(path), "exec"), names)
            except Exception:
                wrong.append(f"{path}:{line}\n{traceback.format_exc(limit=-1)}")
        elif language == "console":
            wrong += run_commands(code, f"{path}:{line}", folder)
        elif language == "sh":
            wrong += run_commands(re.sub(r"^(?=halfseen )", "$ ", code, flags=re.M), f"{path}:{line}", folder)
    return wrong


def run_commands(code: str, place: str, folder: Path) -> list[str]:
    """Run the `halfseen` and `python` lines of a console block (a backslash continues a line)."""
    wrong = []
    for command in re.findall(r"^\$ ((?:halfseen|python) .*)$", code.replace("\\\n", " "), re.M):
        program, _, words = command.partition(" ")
        line = f'"{sys.executable}" {"-m halfseen" if program == "halfseen" else ""} {words}'
        run = subprocess.run(line, shell=True, cwd=folder, capture_output=True, text=True)
        if run.returncode:
            wrong.append(f"{place}\n$ {command}\nexit code {run.returncode}: {run.stderr.strip()[-2000:]}")
    return wrong


def check_script(path: Path, folder: Path) -> list[str]:
    """Run a gallery script with warnings as errors."""
    run = subprocess.run([sys.executable, "-W", "error", str(path)], cwd=folder, capture_output=True, text=True)
    return [f"{path}\n{run.stderr.strip()[-2000:]}"] if run.returncode else []


def find(names: list[str]) -> Iterator[Path]:
    for name in names:
        given = Path(name).resolve()
        found = [given] if given.is_file() else sorted(given.rglob("*"))
        for path in found:
            is_example = path.suffix in (".md", ".rst") or (path.suffix == ".py" and path.name.startswith("plot_"))
            if is_example and not set(path.relative_to(given.parent).parts) & set(SKIPPED):
                yield path


def missing(path: Path) -> str | None:
    """The first module that a page or script says it needs and that is not installed."""
    wanted = NEEDS.findall(path.read_text(encoding="utf-8"))
    return next((name for name in wanted if find_spec(name) is None), None)


def main(names: list[str]) -> int:
    os.environ.setdefault("MPLBACKEND", "agg")
    here, failed = Path.cwd(), 0
    for path in find(names):
        if (lacking := missing(path)) is not None:
            print(f"{os.path.relpath(path)}: left out, {lacking} is not installed")
            continue
        with tempfile.TemporaryDirectory() as scratch:
            os.chdir(scratch)
            wrong = (check_script if path.suffix == ".py" else check_page)(path, Path(scratch))
            os.chdir(here)
        failed += bool(wrong)
        print(f"{os.path.relpath(path)}: {'ok' if not wrong else 'FAILED'}")
        for text in wrong:
            print(textwrap.indent(text, "  "))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
