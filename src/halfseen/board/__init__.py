"""From evaluation results to an honest leaderboard: scores, ranks and ties with intervals, checks, what to run next."""

from __future__ import annotations

from halfseen.board.board import Board
from halfseen.board.comparison import Comparison

__all__ = ["Board", "Comparison"]
