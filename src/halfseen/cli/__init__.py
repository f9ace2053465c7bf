"""The command line: ``halfseen --help``. Commands import what they need when they run, so that help is quick."""

from __future__ import annotations

import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line of this process; an interruption, also while modules are loaded, takes one line."""
    try:
        from halfseen.cli.app import app

        app(prog_name="halfseen")
    except KeyboardInterrupt:
        sys.stderr.write("halfseen: interrupted; nothing was written\n")
        sys.exit(INTERRUPTED)


__all__ = ["main"]
