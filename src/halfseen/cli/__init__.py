"""The command line: ``halfseen --help``. Commands import what they need when they run, so that help is quick."""

from __future__ import annotations


def main() -> None:
    """Run the command line of this process."""
    from halfseen.cli.app import app

    app(prog_name="halfseen")


__all__ = ["main"]
