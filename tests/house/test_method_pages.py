"""Every method has a page, and every page says the same eight things of its method in short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PARTS = ("idea", "objective", "algorithm", "ours", "defaults", "intervals", "cost", "limits")
PAGES = {
    "als": "AlternatingLeastSquares",
    "autoencoder": "SparseAutoencoder",
    "bayes": "BayesianFactorization",
    "descent": "OverparametrizedFactorization",
    "factor": "GeneralizedFactorModel",
    "heterogeneous": "HeterogeneousFactorization",
    "imputer": "Imputer",
    "inductive": "InductiveCompletion",
    "item-response": "ItemResponseModel",
    "moment": "OneSidedCompletion",
    "soft-impute": "SoftImpute",
}


def in_short(name: str) -> dict[str, str]:
    """The table at the end of a method's page."""
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8").split("## In short")[1]
    return dict(re.findall(r"^\| ([a-z]+) \| (.+) \|$", text.split("\n\n##")[0], re.M))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_eight_things_in_one_order(name):
    table = in_short(name)
    assert tuple(table) == PARTS
    assert all(len(table[part]) >= 4 for part in PARTS)
    assert PAGES[name] in (DOCS / f"{name}.md").read_text(encoding="utf-8")


def test_every_page_of_a_method_is_in_the_menu_and_on_the_decision_page():
    methods, choosing = ((DOCS / f"{name}.md").read_text(encoding="utf-8") for name in ("methods", "choosing"))
    for name, model in PAGES.items():
        assert f"]({name}.md)" in methods
        assert re.search(rf"^{name}$", methods, re.M)
        assert model in choosing or f"({name}.md)" in choosing


def test_the_decision_page_tells_of_every_method_what_it_assumes_and_when_not_to_take_it():
    text = (DOCS / "choosing.md").read_text(encoding="utf-8")
    lines = [line.split(" | ") for line in text.splitlines() if re.match(r"\| [a-z]", line)]
    assert lines[0][2:] == ["it assumes", "not when |"]
    assert len(lines) == 13
    assert all(len(line) == 4 and all(len(cell) > 3 for cell in line) for line in lines)
