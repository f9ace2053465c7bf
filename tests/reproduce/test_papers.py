"""Every script under papers/ keeps the contract, its quick run works, and its tracked results are whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from halfseen.reproduce import Request, check_figure, find_papers, run_figure, write_page
from halfseen.reproduce.page import BEGIN, END, results_text
from halfseen.reproduce.rules import complaint
from halfseen.reproduce.runs import claim_row, read_record
from halfseen.reproduce.scripts import loaded
from halfseen.reproduce.study import PICTURE_BYTES, MissingData
from halfseen.reproduce.writing import csv_text

ROOT = Path(__file__).parents[2] / "papers"
PAPERS = find_papers(ROOT)
FIGURES = [figure for paper in PAPERS for figure in paper.figures]
NAMES = [f"{figure.paper}/{figure.name}" for figure in FIGURES]
# Quick runs of more than a few seconds; the full suite runs them.
SLOW = {
    "nonlinear-inductive-completion/clustering",
    "nonlinear-inductive-completion/recovery",
    "one-sided-completion/error_c",
    "one-sided-completion/error_n",
    "overparametrized-factorization/figure3",
    "overparametrized-factorization/stops",
    "generalized-latent-factors/aspect_ratio",
    "generalized-latent-factors/coverage",
    "generalized-latent-factors/figure1",
    "generalized-latent-factors/figure2",
    "generalized-latent-factors/figure3",
    "generalized-latent-factors/frozen_bank",
    "generalized-latent-factors/leaderboards",
    "generalized-latent-factors/learning_rate",
    "generalized-latent-factors/linear_form",
    "generalized-latent-factors/oracle_bound",
    "generalized-latent-factors/solvers",
    "heterogeneous-factorization/convergence",
    "heterogeneous-factorization/movielens",
    "heterogeneous-factorization/overestimated",
    "heterogeneous-factorization/peers",
    "heterogeneous-factorization/speed",
    "heterogeneous-factorization/table2",
    "heterogeneous-factorization/table4",
    "heterogeneous-factorization/table4_tried",
    "heterogeneous-factorization/video",
    "one-sided-completion/amazon",
    "overparametrized-factorization/real",
}

runs = [
    pytest.param(figure, id=name, marks=pytest.mark.slow if name in SLOW else ())
    for figure, name in zip(FIGURES, NAMES, strict=True)
]


@pytest.mark.parametrize("figure", FIGURES, ids=NAMES)
def test_every_script_keeps_the_contract(figure):
    with loaded(figure) as script:
        assert script.config["full"]
        assert script.config["quick"]
    assert figure.title != figure.name
    assert len(figure.title) <= 120


@pytest.mark.slow_cases(
    "overparametrized-factorization/figure1",
    "overparametrized-factorization/incomplete",
    "nonlinear-inductive-completion/one_hot",
    "heterogeneous-factorization/figure1",
    "nonlinear-inductive-completion/movielens",
    "heterogeneous-factorization/stocks",
    "heterogeneous-factorization/table4_1m",
    "one-sided-completion/movielens",
    "generalized-latent-factors/outliers",
    "overparametrized-factorization/figure2",
    "one-sided-completion/wrong_rank",
    "generalized-latent-factors/rates",
    "heterogeneous-factorization/success_map",
    "one-sided-completion/angles",
    "one-sided-completion/noise",
    "overparametrized-factorization/ranks",
    "heterogeneous-factorization/noise",
    "nonlinear-inductive-completion/condition",
)
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("figure", runs)
def test_the_quick_run_of_every_script_works(figure, tmp_path):
    shutil.copytree(
        figure.path.parent, tmp_path / figure.paper, ignore=shutil.ignore_patterns("results", "quick", ".*")
    )
    paper = next(paper for paper in find_papers(tmp_path) if paper.name == figure.paper)
    copy = next(one for one in paper.figures if one.name == figure.name)
    try:
        record = run_figure(copy, Request(quick=True))
    except MissingData as error:
        pytest.skip(str(error))
    except ImportError as error:
        if "halfseen[" not in str(error):
            raise
        pytest.skip(str(error))
    assert any(name.endswith(".csv") for name in record["files"])
    for name in record["files"]:
        assert (copy.quick_results / name).stat().st_size > 0
    assert figure.title.split(":")[0] in write_page(paper, quick=True).read_text()


@pytest.mark.parametrize("figure", FIGURES, ids=NAMES)
def test_every_figure_with_verdicts_has_a_check_setting(figure):
    record = read_record(figure.results, figure.name) or {"claims": []}
    with loaded(figure) as script:
        if any(claim["rule"] for claim in record["claims"]):
            assert script.config.get("check", "") != "", f"{figure.name} has no CONFIG['check']"
        if isinstance(script.config.get("check"), dict):
            assert set(script.config["check"]) <= set(script.config["full"])


@pytest.mark.slow
@pytest.mark.parametrize("figure", FIGURES, ids=NAMES)
def test_tracked_verdicts_come_out_again_within_their_error(figure):
    """What ``halfseen reproduce --all --check`` does, a figure at a time."""
    try:
        check = check_figure(figure)
    except (MissingData, ImportError) as error:
        pytest.skip(str(error))
    looked = [comparison for comparison in check.comparisons if comparison.outcome != "not looked at"]
    if not looked:
        pytest.skip("; ".join({comparison.why for comparison in check.comparisons}) or "it has no verdicts")
    assert [
        f"{one.what}: {one.tracked}, here {one.here}; {one.why}" for one in looked if one.outcome == "differs"
    ] == []


@pytest.mark.parametrize("paper", PAPERS, ids=[paper.name for paper in PAPERS])
def test_tracked_results_are_what_the_records_say(paper):
    results, known = paper.path / "results", set()
    for figure in paper.figures:
        path = results / f"{figure.name}.json"
        if not path.exists():
            continue
        record = json.loads(path.read_text())
        assert "--quick" not in record["command"]
        assert record["claims"], f"{figure.name} claims nothing"
        known |= {path.name, f"{figure.name}-claims.csv", *record["files"]}
        for name in record["files"]:
            assert (results / name).exists(), f"{figure.name} has no {name}; run {record['command']}"
            assert not name.endswith(".png") or (results / name).stat().st_size <= PICTURE_BYTES
    if known:
        assert BEGIN in (paper.path / "README.md").read_text()


@pytest.mark.parametrize("paper", PAPERS, ids=[paper.name for paper in PAPERS])
def test_every_page_is_what_its_tracked_tables_say(paper):
    text = (paper.path / "README.md").read_text(encoding="utf-8")
    assert results_text(paper) == text.partition(f"{BEGIN}\n\n")[2].partition(f"\n{END}")[0]
    for figure in paper.figures:
        record = read_record(figure.results, figure.name)
        if record is None:
            continue
        own = {"command": record["command"], "seconds": record["seconds"]}
        table = csv_text([{**claim_row(claim), **own} for claim in record["claims"]])
        assert (figure.results / f"{figure.name}-claims.csv").read_text(encoding="utf-8") == table, figure.name


@pytest.mark.parametrize("paper", PAPERS, ids=[paper.name for paper in PAPERS])
def test_every_tracked_verdict_follows_from_its_figures(paper):
    wrong = {
        f"{figure.name}: {claim['what']}": complaint(claim)
        for figure in paper.figures
        for claim in (read_record(figure.results, figure.name) or {"claims": []})["claims"]
    }
    assert {what: text for what, text in wrong.items() if text} == {}
