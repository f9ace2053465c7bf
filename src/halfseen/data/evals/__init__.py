"""Results of evaluations of AI models, from the files of their tools to one long table."""

from __future__ import annotations

from halfseen.data.evals.problems import Problem
from halfseen.data.evals.reading import read_evals
from halfseen.data.evals.table import Evaluations

__all__ = ["Evaluations", "Problem", "read_evals"]
