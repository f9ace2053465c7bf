"""The comparison page: every cell has an answer and evidence, every ratio can be made again from tracked results."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("docutils", reason="needs docutils, which Sphinx brings")
ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def comparison():
    sys.path.insert(0, str(DOCS / "_ext"))
    spec = importlib.util.spec_from_file_location("comparison", DOCS / "_ext" / "comparison.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(DOCS / "_ext"))
    return module


def test_every_system_answers_every_feature_of_its_job_once_with_evidence(comparison):
    lines = comparison.lines_of(DOCS / "comparison" / "features.csv")
    keys = [(line["job"], line["feature"], line["system"]) for line in lines]
    assert len(set(keys)) == len(keys)
    for job in {line["job"] for line in lines}:
        own = [line for line in lines if line["job"] == job]
        features, systems = ({line[name] for line in own} for name in ("feature", "system"))
        assert len(own) == len(features) * len(systems), job
    for line in lines:
        assert line["answer"] in comparison.SIGNS
        evidence = line["evidence"]
        assert evidence.startswith("https://") or (DOCS / evidence).is_file(), evidence
        assert line["answer"] != "in part" or line["note"], line


def test_the_page_lists_features_that_only_others_have(comparison):
    lines = comparison.lines_of(DOCS / "comparison" / "features.csv")
    ours = [line for line in lines if line["system"] == "halfseen"]
    lacking = {(line["job"], line["feature"]) for line in ours if line["answer"] == "no"}
    had = {(line["job"], line["feature"]) for line in lines if line["answer"] == "yes"}
    assert len(lacking & had) >= 5


def test_ratios_follow_from_tracked_results_and_losses_are_among_them(comparison):
    lines = comparison.lines_of(DOCS / "comparison" / "ratios.csv")
    ahead = [comparison.verdict(comparison.ratio_of(line, ROOT), line["peer"], line["what"]) for line in lines]
    assert sum(name not in ("halfseen", "alike") for name in ahead) >= 5


def test_a_line_that_names_no_result_is_an_error(comparison):
    with pytest.raises(ValueError, match="no line with a=2"):
        comparison.mean_of([{"a": "1", "b": "3"}], "a=2", "b")
