"""Which cases of a parametrised test the fast suite runs: ``@pytest.mark.fast_cases("poisson", "rank=1")``.

A test of many cases that cost much stays in ``make test`` with those cases that the mark names; ``make slow`` runs
the others. A case is named by its whole id or by a part of it between hyphens.
"""

from __future__ import annotations


def is_named(case: str, names: tuple[str, ...]) -> bool:
    """Whether a case's id is one of the names, or holds one between its hyphens."""
    return any(case == name or f"-{name}-" in f"-{case}-" for name in names)
