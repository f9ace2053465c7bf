"""The command line: ``halfseen --help``. Commands import what they need when they run, so that help is quick."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line of this process."""
    from halfseen.cli import interrupts

    interrupts.leave_at_once()
    from halfseen.cli.app import app

    interrupts.raise_in_work()
    try:
        app(prog_name="halfseen")
    except KeyboardInterrupt:  # between two lines of ours that catch it
        print(interrupts.LINE, file=sys.stderr)
        interrupts.leave()
    except SystemExit as end:
        if end.code == interrupts.INTERRUPTED:
            interrupts.leave()
        raise
    finally:
        interrupts.leave_at_once(interrupts.LATE)  # the rest is Python's own exit


__all__ = ["main"]
