"""Papers re-run: scripts with a ``run(config, study)`` in, tracked tables, pictures, claims and a page out.

A paper is a folder of scripts, one per figure or table. A script has a docstring (its first line is the title),
``CONFIG = {"full": {...}, "quick": {...}, "check": {...}}`` and ``run(config, study)``; names that start with ``_``
are helpers.
"""

from __future__ import annotations

from halfseen.reproduce.check import Check, VerdictComparison, check_figure
from halfseen.reproduce.kept import Kept
from halfseen.reproduce.page import write_page
from halfseen.reproduce.rules import VERDICTS
from halfseen.reproduce.runs import Request, run_figure
from halfseen.reproduce.scripts import Figure, Paper, find_papers, find_root, select
from halfseen.reproduce.study import MissingData, Study

__all__ = [
    "VERDICTS",
    "Check",
    "Figure",
    "Kept",
    "MissingData",
    "Paper",
    "Request",
    "Study",
    "VerdictComparison",
    "check_figure",
    "find_papers",
    "find_root",
    "run_figure",
    "select",
    "write_page",
]
