"""Scripts in; tables, pictures, claims and a page out."""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from halfseen.cli.app import app
from halfseen.cli.reproduce import data_sets
from halfseen.reproduce import Kept, Request, Study, find_papers, find_root, run_figure, select, write_page
from halfseen.reproduce.page import BEGIN, END, verdicts
from halfseen.reproduce.rules import complaint
from halfseen.reproduce.scripts import loaded
from halfseen.reproduce.study import MissingData

SCRIPT = '''"""A line: y against x.

What the line shows.
"""

from _helper import double

CONFIG = {"full": {"n": 4}, "quick": {"n": 2}}


def run(config, study):
    rows = [{"x": x, "y": double(x) / 3} for x in range(config["n"])]
    study.progress("drawing")
    study.table("", rows)
    study.table("again", rows[:1])
    study.claim("the line | rises", "2", rows[-1]["y"], figures={"end": rows[-1]["y"]}, rule="end > 0")
'''


@pytest.fixture
def papers(tmp_path, monkeypatch):
    """A folder with one paper of one figure, in the current folder."""
    paper = tmp_path / "papers" / "lines"
    paper.mkdir(parents=True)
    (paper / "line.py").write_text(SCRIPT)
    (paper / "_helper.py").write_text("def double(x):\n    return 2.0 * x\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "papers"


@pytest.fixture
def add(papers):
    """Write another script of the paper; returns its figure."""

    def write(name: str, body: str, head: str = '"""Title."""\nCONFIG = {"full": {}, "quick": {}}\n'):
        (papers / "lines" / f"{name}.py").write_text(f"{head}def run(config, study):\n    {body}\n")
        return select(find_papers(papers), f"lines/{name}")[0]

    return write


def halfseen(*words):
    return CliRunner().invoke(app, ["reproduce", *map(str, words)])


def test_papers_and_figures_are_listed_with_what_came_out(papers):
    assert "not run yet" in halfseen().stdout
    halfseen("lines")
    done = halfseen()
    assert done.exit_code == 0
    assert "lines/line" in done.stdout
    assert "A line: y against x." in done.stdout
    assert "the paper: 1 reproduced" in done.stdout
    (listed,) = json.loads(halfseen("--json").stdout)
    assert (listed["paper"], listed["figure"], listed["record"]["config"]) == ("lines", "line", {"n": 4})


def test_the_folder_of_papers_is_found_from_below_it(papers, monkeypatch):
    below = papers.parent / "src" / "deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert find_root() == papers
    assert "lines/line" in halfseen().stdout


def test_a_full_run_writes_tables_record_claims_and_page(papers):
    done = halfseen("lines/line")
    assert done.exit_code == 0, done.output
    results = papers / "lines" / "results"
    assert sorted(path.name for path in results.iterdir()) == [
        "line-again.csv", "line-claims.csv", "line.csv", "line.json",
    ]  # fmt: skip
    assert (results / "line.csv").read_text() == "x,y\n0,0\n1,0.666667\n2,1.33333\n3,2\n"
    record = json.loads((results / "line.json").read_text())
    assert record["command"] == "halfseen reproduce lines/line"
    assert record["config"] == {"n": 4}
    assert record["files"] == ["line-again.csv", "line.csv"]
    (claim,) = csv.DictReader((results / "line-claims.csv").read_text().splitlines())
    assert (claim["paper"], claim["ours"], claim["verdict"]) == ("2", "2", "reproduced")
    assert (claim["kind"], claim["rule"], claim["figures"]) == ("paper", "end > 0", "end = 2")
    assert claim["command"] == record["command"]
    assert float(claim["seconds"]) == record["seconds"]
    page = (papers / "lines" / "README.md").read_text()
    assert "| the line \\| rises | 2 | 2 | reproduced | end > 0 (end = 2) |  |" in page
    assert "`halfseen reproduce lines/line`" in page
    assert "What the line shows." in page


def test_a_quick_run_leaves_the_tracked_results_alone(papers):
    halfseen("lines/line")
    folder = papers / "lines"
    before = {path: path.read_bytes() for path in [folder / "README.md", *(folder / "results").iterdir()]}
    assert halfseen("lines/line", "--quick").exit_code == 0
    assert {path: path.read_bytes() for path in before} == before
    assert (folder / "quick" / "line.csv").read_text().count("\n") == 3
    assert json.loads((folder / "quick" / "line.json").read_text())["command"].endswith("--quick")
    assert (folder / "quick" / "README.md").exists()


def test_the_repository_ignores_quick_results_and_kept_repetitions():
    import subprocess

    root = Path(__file__).parents[2]
    names = ["papers/any/quick/a.csv", "papers/any/.kept/a.jsonl"]
    done = subprocess.run(["git", "check-ignore", *names], cwd=root, capture_output=True, text=True)
    assert done.stdout.split() == names


def test_the_same_run_writes_the_same_tables(papers):
    results = papers / "lines" / "results"
    first, second = [
        (halfseen("lines"), {path.name: path.read_bytes() for path in results.glob("line*.csv")})[1] for _ in range(2)
    ]
    assert {key: value for key, value in first.items() if "claims" not in key} == {
        key: value for key, value in second.items() if "claims" not in key
    }


def test_files_that_a_figure_no_longer_writes_are_taken_away(papers):
    halfseen("lines")
    script = papers / "lines" / "line.py"
    script.write_text(script.read_text().replace('    study.table("again", rows[:1])\n', ""))
    halfseen("lines")
    assert not (papers / "lines" / "results" / "line-again.csv").exists()


def test_a_run_that_fails_leaves_the_earlier_results(papers):
    halfseen("lines")
    results = papers / "lines" / "results"
    before = {path.name: path.read_bytes() for path in results.iterdir()}
    script = papers / "lines" / "line.py"
    script.write_text(script.read_text() + '    raise ValueError("the last step went wrong")\n')
    done = halfseen("lines")
    assert done.exit_code == 2
    assert {path.name: path.read_bytes() for path in results.iterdir()} == before


def test_text_around_the_results_is_kept(papers):
    readme = papers / "lines" / "README.md"
    readme.write_text("# Lines\n\nBy hand, above.\n")
    halfseen("lines")
    readme.write_text(readme.read_text() + "\nBy hand, below.\n")
    halfseen("lines")
    text = readme.read_text()
    assert text.startswith("# Lines\n\nBy hand, above.\n")
    assert text.endswith("\nBy hand, below.\n")
    assert text.count(BEGIN) == text.count(END) == text.count("## A line") == 1


def test_helpers_of_one_paper_are_not_those_of_the_next(papers, add):
    other = papers / "curves"
    other.mkdir()
    (other / "line.py").write_text(SCRIPT)
    (other / "_helper.py").write_text("def double(x):\n    return 20.0 * x\n")
    for name, last in (("lines", 2.0), ("curves", 20.0), ("lines", 2.0)):
        assert run_figure(select(find_papers(papers), name)[0])["claims"][0]["ours"] == last


# ---- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["linse"], "close: 'lines'"),
        (["lines/lin"], "close: 'line'"),
        (["lines", "--papers", "nowhere"], "--papers nowhere: no such folder"),
        (["lines", "--data", "nowhere.csv"], "--data nowhere.csv: no such file"),
        (["lines", "--data", "a=papers", "--data", "a=papers"], "'a' comes twice"),
        (["lines", "--minutes", "-1"], "--minutes"),
    ],
)
def test_bad_input_takes_one_line_and_exit_code_2(papers, words, says):
    done = halfseen(*words)
    assert done.exit_code == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (papers / "lines" / "results").exists()


def test_without_papers_the_message_says_where_they_are_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = halfseen("lines")
    assert done.exit_code == 2
    assert "give --papers PATH" in done.stderr


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ('CONFIG = {"full": {}, "quick": {}}\n', "no docstring"),
        ('"""Title."""\n', "no CONFIG"),
        ('"""Title."""\nCONFIG = {"full": {}}\n', "'quick'"),
    ],
)
def test_a_script_that_breaks_the_contract_is_named(add, head, says):
    with pytest.raises(ValueError, match=says), loaded(add("odd", "pass", head)):
        pass


def test_a_function_of_another_form_breaks_the_contract(add, papers):
    figure = add("odd", "pass")
    figure.path.write_text(figure.path.read_text().replace("config, study", "study"))
    with pytest.raises(ValueError, match=r"lines/odd has no run\(config, study\)"), loaded(figure):
        pass


def test_one_figure_that_cannot_run_does_not_stop_the_others(papers, add):
    add("a_first", 'study.data("secret")')
    done = halfseen("lines")
    assert done.exit_code == 2
    assert "--data secret=PATH" in done.stderr
    assert "1 of 2 figures could not be run: a_first" in done.stderr
    assert (papers / "lines" / "results" / "line.csv").exists()
    assert "Not run yet: `halfseen reproduce lines/a_first`" in (papers / "lines" / "README.md").read_text()


# ---- the study -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figures", "rule", "says"),
    [
        ({}, "error <= 1", "needs figures and a rule"),
        ({"error": 0.5}, "", "needs figures and a rule"),
        ({"error": 0.5}, "1 <= 2", "reads no figure"),
        ({"error": 0.5}, "eror <= 1", "reads 'eror'; the figures are error"),
        ({"error": 0.5}, "error", "is no comparison"),
        ({"error": 0.5}, "error <=", "cannot be read"),
        ({"error": 0.5}, "open('x') == error", "may only compare"),
        ({"error": 0.5}, "error >= 1", "'not reproduced' without a reason"),
    ],
)
def test_a_claim_needs_figures_a_rule_that_reads_them_and_a_reason(figures, rule, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        Study("figure").claim("it holds", "1", "0.5", figures=figures, rule=rule)


@pytest.mark.parametrize(
    ("error", "verdict", "reason"),
    [(0.05, "reproduced", "as is"), (0.2, "partly", "as is; too far"), (0.9, "not reproduced", "as is; too far")],
)
def test_the_verdict_of_a_claim_follows_from_its_figures(error, verdict, reason):
    study = Study("figure")
    study.claim("it holds", "0", "here", figures={"error": error}, rule="error <= 0.1", partly="error <= 0.5",
                reason="as is", otherwise="too far")  # fmt: skip
    (claim,) = study.claims
    assert (claim["verdict"], claim["reason"], claim["figures"]) == (verdict, reason, {"error": error})
    assert complaint(claim) == ""
    assert "its figures say" in complaint({**claim, "figures": {"error": 1.05 - error}})


def test_what_is_not_the_papers_claim_is_told_apart():
    study = Study("figure")
    study.target("ours", "at most 1", "2", figures={"error": 2}, rule="error <= 1", otherwise="too few rows")
    study.beyond("more", "not said", "3")
    study.difference("the start", "random", "spectral", "it needs no luck")
    study.untested("the rival", "59 % less", "no program is public")
    kinds = [(claim["kind"], claim["verdict"]) for claim in study.claims]
    assert kinds == [("target", "missed"), ("beyond", "beyond"), ("difference", "stated"), ("paper", "not tested")]
    record = {"claims": study.claims}
    assert verdicts(record) == "the paper: 1 not tested; our targets: 1 missed; 1 beyond; differences: 1 stated"
    with pytest.raises(ValueError, match="without a reason"):
        study.untested("the rival", "59 % less", "")


def test_a_run_that_was_cut_short_records_what_was_run(add, monkeypatch):
    figure = add(
        "cut",
        'study.table("", study.repeat("g", [{"seed": s} for s in range(config["repetitions"])], lambda seed: {"x": 1}, '
        "at_least=3))",
        '"""Title."""\nCONFIG = {"full": {"repetitions": 200}, "quick": {"repetitions": 1}}\n',
    )
    record = run_figure(figure, Request(minutes=0.0))
    assert (record["config"], record["asked"]) == ({"repetitions": 3}, {"repetitions": 200})
    page = write_page(find_papers(figure.path.parents[1])[0]).read_text()
    assert '`{"repetitions": 3}` (asked for: repetitions 200; `--minutes` ended it)' in page
    assert "asked" not in run_figure(figure, Request(quick=True))


def test_tables_are_not_empty_and_have_names_of_their_own():
    study = Study("figure")
    study.table("a", [{"x": 1}])
    with pytest.raises(ValueError, match="written twice"):
        study.table("a", [{"x": 1}])
    with pytest.raises(ValueError, match="no rows"):
        study.table("b", [])
    with pytest.raises(ValueError, match="claims"):
        study.table("claims", [{"x": 1}])


def test_rows_with_other_columns_leave_cells_empty():
    study = Study("figure")
    study.table("", [{"a": np.float32(0.5), "b": True}, {"b": np.nan, "c": None}, {"c": np.int64(7)}])
    assert study.files["figure.csv"] == "a,b,c\n0.5,true,\n,,\n,,7\n"


def test_pictures_stay_below_200_kilobytes_and_are_the_same_every_time():
    from halfseen.show.figures import new_figure

    made = []
    for _ in range(2):
        figure, study = new_figure(6, 6), Study("figure")
        figure.subplots().imshow(np.random.default_rng(0).random((150, 150)))
        study.picture(figure)
        made.append(study.files["figure.png"])
    assert len(made[0]) <= 200_000
    assert made[0] == made[1]


def test_data_sets_are_taken_from_where_they_are_given(tmp_path, monkeypatch):
    home, folder = tmp_path / "home", tmp_path / "given"
    for path in (home / "ml-100k" / "u.data", home / "faces" / "x.npz", folder / "ml-100k" / "u.data",
                 folder / "flat.csv", tmp_path / "other.csv"):  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.setenv("HALFSEEN_DATA", str(home))
    assert Study("f").data("ml-100k") == home / "ml-100k" / "u.data"
    assert Study("f").data("faces") == home / "faces"
    inside = Study("f", data_sets([str(folder), f"special={tmp_path / 'other.csv'}"]))
    assert inside.data("ml-100k") == folder / "ml-100k" / "u.data"
    assert inside.data("flat") == folder / "flat.csv"
    assert inside.data("special") == tmp_path / "other.csv"
    assert inside.data("faces") == home / "faces"
    assert Study("f", data_sets([str(tmp_path / "other.csv")])).data("anything") == tmp_path / "other.csv"
    with pytest.raises(MissingData, match=r"--data nothing=PATH.*HALFSEEN_DATA"):
        inside.data("nothing")


def test_paths_of_this_machine_stay_out_of_the_record(papers, tmp_path):
    (tmp_path / "x.csv").touch()
    halfseen("lines/line", "--data", f"x={tmp_path / 'x.csv'}", "--data", tmp_path)
    record = (papers / "lines" / "results" / "line.json").read_text()
    assert '"halfseen reproduce lines/line --data x=PATH --data PATH"' in record
    assert str(tmp_path) not in record


# ---- repetitions ---------------------------------------------------------------------------------------------------


def counting(calls):
    def work(seed):
        calls.append(seed)
        return {"value": seed**2}

    return work


def test_finished_repetitions_are_not_computed_again(tmp_path):
    calls: list[int] = []
    points = [{"seed": seed} for seed in range(3)]
    first = Study("f", kept=Kept(tmp_path)).repeat("grid", points, counting(calls))
    again = Study("f", kept=Kept(tmp_path)).repeat("grid", [*points, {"seed": 3}], counting(calls))
    assert first == again[:3] == [{"seed": seed, "value": seed**2} for seed in range(3)]
    assert calls == [0, 1, 2, 3]


def test_the_seconds_of_kept_repetitions_count(tmp_path, monkeypatch):
    clock = itertools.count(0.0, 0.5)
    monkeypatch.setattr("halfseen.reproduce.kept.time", SimpleNamespace(monotonic=lambda: next(clock)))
    points, kept = [{"seed": seed} for seed in range(2)], [Kept(tmp_path), Kept(tmp_path)]
    for one in kept:
        Study("f", kept=one).repeat("grid", points, lambda seed: {})
    assert [one.earlier_seconds for one in kept] == [0.0, 1.0]


def test_a_line_cut_by_an_interruption_is_computed_again(tmp_path):
    calls: list[int] = []
    points = [{"seed": seed} for seed in range(3)]
    Study("f", kept=Kept(tmp_path)).repeat("grid", points, counting(calls))
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-9])
    for _ in range(2):
        rows = Study("f", kept=Kept(tmp_path)).repeat("grid", points, counting(calls))
    assert [row["value"] for row in rows] == [0, 1, 4]
    assert calls == [0, 1, 2, 2]


def test_nothing_begins_after_the_deadline_but_what_is_needed_at_least(tmp_path):
    calls: list[int] = []
    points = [{"seed": seed} for seed in range(5)]
    Study("f", kept=Kept(tmp_path)).repeat("grid", points[3:4], counting(calls))
    late = Kept(tmp_path, deadline=time.monotonic() - 1.0)
    rows = Study("f", kept=late).repeat("grid", points, counting(calls), at_least=2)
    assert [row["seed"] for row in rows] == [0, 1, 3]


def test_figures_of_one_paper_may_share_repetitions(tmp_path):
    calls: list[int] = []
    points = [{"seed": 0}]
    for figure, is_shared in (("a", True), ("b", True), ("a", False), ("b", False)):
        Study(figure, kept=Kept(tmp_path)).repeat("grid", points, counting(calls), is_shared=is_shared)
    assert calls == [0, 0, 0]


def test_a_repetition_may_give_several_rows():
    rows = Study("f").repeat("grid", [{"seed": 1}], lambda seed: [{"k": 0}, {"k": 1}])
    assert rows == [{"seed": 1, "k": 0}, {"seed": 1, "k": 1}]


def test_full_runs_keep_repetitions_until_a_fresh_run_and_quick_runs_never(add):
    body = 'study.table("", study.repeat("g", [{"seed": 0}], lambda seed: {"when": __import__("time").time() % 1}))'
    figure = add("slow", body)

    def value(request):
        run_figure(figure, request)
        return (figure.quick_results if request.quick else figure.results).joinpath("slow.csv").read_text()

    first = value(Request())
    assert value(Request()) == first
    assert value(Request(quick=True)) != value(Request(quick=True))
    assert value(Request()) == first
    assert value(Request(fresh=True)) != first


def test_minutes_are_part_of_the_command_that_is_written_down(papers):
    assert halfseen("lines", "--minutes", "0.5").exit_code == 0
    assert (
        json.loads(halfseen("--json").stdout)[0]["record"]["command"] == "halfseen reproduce lines/line --minutes 0.5"
    )


def test_a_page_is_complete_or_as_it_was(papers, monkeypatch):
    halfseen("lines")
    readme = papers / "lines" / "README.md"
    before = readme.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_page(find_papers(papers)[0])
    assert readme.read_bytes() == before
    assert [path.name for path in readme.parent.iterdir() if path.name.startswith(".README")] == []
