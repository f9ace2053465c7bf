"""What reaches the screen: results on stdout, everything else on stderr; one line per error."""

from __future__ import annotations

import functools
import json
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from halfseen.cli import interrupts
from halfseen.cli.words import in_options, of_argument
from halfseen.text import count, figures, share, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

FAILED = 1
BAD_INPUT = 2
BAD = (ValueError, OSError, ImportError, MemoryError, OverflowError)
PIPE_WIDTH = 120
TEXT_WIDTH = 34
# Notes of the command that runs: each is said once, although a model is fitted more than once.
_TOLD: set[str] = set()

__all__ = [
    "FitFailed",
    "OneLineErrors",
    "PlainCommand",
    "Steps",
    "complain",
    "count",
    "figures",
    "note",
    "plain",
    "plainly",
    "print_json",
    "put",
    "say",
    "share",
    "stdout",
    "steps",
    "table",
]


def _without_types(parameters: Any) -> Any:
    """Parameters of a command, the type of a flag (there is no choice) taken out of the help."""
    for parameter in parameters:
        if getattr(parameter, "is_flag", False) or isinstance(parameter, typer.core.TyperArgument):
            parameter.display_type_rich = lambda ctx: ""
    return parameters


class PlainCommand(typer.core.TyperCommand):
    """A command whose help names values, not types."""

    def get_params(self, ctx: Any) -> Any:
        """The parameters with what help shows of them."""
        return _without_types(super().get_params(ctx))


class FitFailed(Exception):
    """The input was right and the fit failed: exit code 1."""


class OneLineErrors(typer.core.TyperGroup):
    """The command group of halfseen: usage errors take one line on stderr and end with exit code 2."""

    def get_params(self, ctx: Any) -> Any:
        """The parameters with what help shows of them."""
        return _without_types(super().get_params(ctx))

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line; with ``standalone_mode=False`` hand errors and results to the caller."""
        given = (args, prog_name, complete_var)
        if not standalone_mode:
            return super().main(*given, False, windows_expand_args, **extra)
        try:
            code = super().main(*given, False, windows_expand_args, **extra)
        except typer.Abort:
            print(interrupts.LINE, file=sys.stderr)
            sys.exit(interrupts.INTERRUPTED)
        except Exception as error:
            if not hasattr(error, "format_message"):
                raise
            if not (message := error.format_message()):  # help was printed instead, as a bare halfseen prints it
                sys.exit(0)
            complain(message)
            sys.exit(getattr(error, "exit_code", BAD_INPUT))
        sys.exit(code if isinstance(code, int) else 0)


def plainly(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn bad input into one line and exit code 2, Ctrl-C into 130, warnings into notes; all in options' names.

    ``HALFSEEN_DEBUG=1`` shows the traceback instead.
    """

    @functools.wraps(command)
    def run(*args: Any, **more: Any) -> Any:
        _TOLD.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("always", UserWarning)  # what a fit has to say is part of the answer
            warnings.showwarning = _show_warning
            try:
                return command(*args, **more)
            except KeyboardInterrupt:
                raise _interrupted() from None
            except FitFailed as error:
                complain(in_options(str(error)))
                raise typer.Exit(FAILED) from None
            except Exception as error:
                if interrupts.was_asked():  # Ctrl-C inside an import arrives as whatever its C code made of it
                    raise _interrupted() from None
                is_bad_input = isinstance(error, BAD) and not isinstance(error, BrokenPipeError)
                if not is_bad_input or os.environ.get("HALFSEEN_DEBUG"):
                    raise
                complain(of_argument(error) if hasattr(error, "needed") else in_options(_message(error)))
                raise typer.Exit(BAD_INPUT) from None

    return run


def _interrupted() -> typer.Exit:
    print(interrupts.LINE, file=sys.stderr)
    return typer.Exit(interrupts.INTERRUPTED)


def _message(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}" if str(error) else "not enough memory"
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    text = in_options(" ".join(str(message).split()))
    if text not in _TOLD:
        _TOLD.add(text)
        note(text)


def complain(message: str) -> None:
    """One line on stderr that says what is wrong."""
    print(f"halfseen: error: {visible(' '.join(message.split()))}", file=sys.stderr)


def note(message: str) -> None:
    """One line on stderr that is good to know."""
    print(f"halfseen: {visible(' '.join(message.split()))}", file=sys.stderr)


def stdout() -> Console:
    """A console for results, literal (no markup): as wide as the terminal, or wide enough for any table in a pipe."""
    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(width=width, highlight=False, soft_wrap=False, markup=False, emoji=False)


def say(text: str) -> None:
    """One line of a result, never wrapped: paths and commands are there to be copied."""
    stdout().print(visible(text), soft_wrap=True)


def put(*lines: Any) -> None:
    """Lines of text, wrapped on a terminal and whole in a pipe, and tables."""
    console = stdout()
    for line in lines:
        if isinstance(line, str):
            console.print(visible(line), soft_wrap=not console.is_terminal)
        else:
            console.print(line)


def print_json(value: Any) -> None:
    """One JSON object on stdout; numbers that JSON does not know become null."""
    print(json.dumps(plain(value), indent=2, ensure_ascii=False))


def plain(value: Any) -> Any:
    """The same value in types that JSON knows."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int | bool | None) else str(value)


def table(*headers: str, left: int = 1, name: int = 0) -> Table:
    """An empty table; the first ``left`` columns hold text, the others numbers; ``name`` is folded if it must be."""
    from rich import box
    from rich.table import Table

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for position, header in enumerate(headers):
        justify: Any = "left" if position < left else "right"
        grid.add_column(header, justify=justify, no_wrap=position != name, overflow="fold")
    add_row = grid.add_row
    # labels are text: brackets are no markup, and what a terminal would act on is written out
    grid.add_row = lambda *cells, **more: add_row(  # type: ignore[method-assign]
        *(visible(cell) if isinstance(cell, str) else cell for cell in cells), **more
    )
    return grid


class Steps:
    """The steps of a job, shown as a bar on a terminal; as a scikit-learn callback it counts sweeps."""

    def __init__(self, bar: Any = None, task: Any = None) -> None:
        self._bar, self._task, self._sweeps = bar, task, 0

    def begin(self, text: str) -> None:
        """The next step starts."""
        if self._bar is not None:
            self._bar.update(self._task, description=f"{text:{TEXT_WIDTH}}", sweeps="")

    def end(self) -> None:
        """The step is done."""
        if self._bar is not None:
            self._bar.advance(self._task)

    def watch(self, estimator: Any) -> bool:
        """Whether the estimator will tell the bar of its sweeps and of the end of each fit (a step)."""
        if self._bar is None or not hasattr(estimator, "set_callbacks"):
            return False
        estimator.set_callbacks(self)
        return True

    def setup(self, estimator: Any, context: Any) -> None:
        """scikit-learn's callback protocol: a fit begins."""
        self._sweeps = 0

    def teardown(self, estimator: Any, context: Any) -> None:
        """scikit-learn's callback protocol: a fit has ended."""
        self.end()

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """scikit-learn's callback protocol."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
        """One more sweep."""
        if context.task_name == "sweep":
            self._sweeps += 1
            self._bar.update(self._task, sweeps=f"sweep {self._sweeps}")
        return False


@contextmanager
def steps(total: int) -> Iterator[Steps]:
    """A progress bar of ``total`` steps on a terminal, silence in a pipe."""
    if not sys.stderr.isatty():
        yield Steps()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=16), MofNCompleteColumn(),
        TimeElapsedColumn(), TextColumn("[dim]{task.fields[sweeps]}"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield Steps(bar, bar.add_task("starting", total=total, sweeps=""))
