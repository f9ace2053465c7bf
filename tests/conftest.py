"""Which cases of a parametrised test the fast suite runs: ``@pytest.mark.fast_cases("poisson", "rank=1")``.

A test of many cases that cost much stays in ``make test`` with those cases that the mark names; ``make slow`` runs
the others. A case is named by its whole id or by a part of it between hyphens.
"""

from __future__ import annotations

import pytest


def is_named(case: str, names: tuple[str, ...]) -> bool:
    """Whether a case's id is one of the names, or holds one between its hyphens."""
    return any(case == name or f"-{name}-" in f"-{case}-" for name in names)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow all cases that ``fast_cases`` does not name."""
    for item in items:
        mark = item.get_closest_marker("fast_cases")
        if mark is not None and not is_named(item.name.partition("[")[2].removesuffix("]"), mark.args):
            item.add_marker(pytest.mark.slow)
