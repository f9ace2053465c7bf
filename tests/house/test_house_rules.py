"""Every house rule holds for the project and fails on a snippet that breaks it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("house_rules", ROOT / "scripts" / "house_rules.py")
house = importlib.util.module_from_spec(spec)
sys.modules["house_rules"] = house
spec.loader.exec_module(house)


# `make check` keeps all of them: here stands what an import loads, and the others among the slow tests
@pytest.mark.parametrize(
    "rule", [pytest.param(rule, marks=() if rule == "imports_are_light" else pytest.mark.slow) for rule in house.RULES]
)
def test_the_project_keeps_its_rule(rule):
    assert house.RULES[rule](ROOT) == []


@pytest.fixture
def tree(tmp_path):
    """A small project; calling it writes one file and returns the root."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return tmp_path

    write("src/halfseen/__init__.py", '_PUBLIC = {"Model": "halfseen.methods.factor", "tidy": "halfseen.data"}\n')
    return write


def findings(rule: str, root: Path) -> str:
    return "\n".join(house.RULES[rule](root))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("data/read.py", "from halfseen.solvers import loop", "above"),
        ("data/read.py", "def f():\n    from ..engines import engine", "above"),
        ("data/read.py", "import halfseen.methods.factor", "the floor"),
        ("select/rank.py", "from halfseen import Model", "the floor"),
        ("show/grid.py", "from halfseen.methods.factor import Model", "the floor"),
        ("methods/factor/model.py", "from halfseen.methods.completion import ALS", "room"),
        ("methods/factor/model.py", "from ..baselines import ALS", "room"),
        ("methods/factor/model.py", "from halfseen.methods import completion", "room"),
        ("solvers/loop.py", "from ..base import CompletionEstimator", "above"),
        ("elsewhere/file.py", "x = 1", "no level"),
    ],
)
def test_an_import_that_points_up_or_sideways_is_found(tree, name, text, message):
    assert message in findings("imports_point_down", tree(f"src/halfseen/{name}", text))


def test_imports_that_point_down_are_accepted(tree):
    tree("src/halfseen/methods/factor/start.py", "from halfseen.data import Observed\nfrom .model import x")
    tree("src/halfseen/cli/app.py", "import halfseen as hs\nfrom halfseen import Model")
    assert findings("imports_point_down", tree("src/halfseen/data/read.py", "import numpy")) == ""


def test_two_packages_of_one_level_must_not_import_each_other(tree):
    tree("src/halfseen/data/a.py", "from halfseen.losses import b")
    root = tree("src/halfseen/losses/b.py", "from halfseen.data import a")
    assert "each other" in findings("imports_point_down", root)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("from halfseen.data import b", "from halfseen.data import a"),
        ("from halfseen.data.b import x", "def f():\n    from halfseen.data.a import y"),
        ("import halfseen.data.b", "def f():\n    from .a import y"),
        ("from halfseen import tidy", "from halfseen.data.a import y"),
    ],
)
def test_a_circle_of_imports_is_found_local_ones_counted(tree, one, two):
    tree("src/halfseen/data/__init__.py", "from halfseen.data.b import x as tidy")
    tree("src/halfseen/data/a.py", one)
    assert "a circle of imports: halfseen.data" in findings("no_import_circles", tree("src/halfseen/data/b.py", two))


def test_a_long_circle_is_told_from_its_first_module_on(tree):
    tree("src/halfseen/data/a.py", "from halfseen.data.b import x")
    tree("src/halfseen/data/b.py", "def f():\n    from halfseen.data.c import x")
    root = tree("src/halfseen/data/c.py", "from halfseen.data.a import x")
    assert findings("no_import_circles", root) == (
        "src/halfseen/data/a.py:1: a circle of imports: "
        "halfseen.data.a -> halfseen.data.b -> halfseen.data.c -> halfseen.data.a"
    )


def test_imports_for_types_and_of_compiled_modules_are_no_circle(tree):
    tree("src/halfseen/data/__init__.py", "from halfseen.data.a import x")
    tree("src/halfseen/data/a.py", "from halfseen.data.b import x\nfrom halfseen.data import _native")
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from halfseen.data.a import y"
    assert findings("no_import_circles", tree("src/halfseen/data/b.py", text)) == ""


@pytest.mark.parametrize(
    "loop",
    [
        "while True:\n    break",
        "for it in range(max_iter):\n    pass",
        "for _ in range(self.options.n_sweeps):\n    pass",
        "for _ in range(1, epochs + 1):\n    pass",
        "x = [step() for _ in range(max_iterations)]",
        "import itertools\nfor i in itertools.count():\n    break",
    ],
)
def test_an_iteration_outside_the_solvers_is_found(tree, loop):
    assert "outside solvers/" in findings("loops_live_in_solvers", tree("src/halfseen/methods/factor/m.py", loop))


@pytest.mark.parametrize(
    "loop",
    [
        "for block in range(n_blocks):\n    pass",
        "for name in names.items():\n    pass",
        "n = [x.count(1) for x in range(3)]",
        "while True:  # not an iteration: walks through the file\n    break",
    ],
)
def test_set_up_loops_are_accepted(tree, loop):
    assert findings("loops_live_in_solvers", tree("src/halfseen/methods/factor/m.py", loop)) == ""


@pytest.mark.parametrize("room", ["solvers", "kernels"])
def test_iterations_are_at_home_in_solvers_and_kernels(tree, room):
    root = tree(f"src/halfseen/{room}/m.py", "for _ in range(max_iter):\n    pass")
    assert findings("loops_live_in_solvers", root) == ""


def test_long_files_and_long_functions_are_found(tree):
    statements = "    x = 1\n"
    tree("src/halfseen/data/long.py", "x = 1\n" * 601)
    tree("src/halfseen/data/body.py", "def f():\n    '''One line.'''\n" + statements * 51)
    tree("src/halfseen/kernels/hot.py", "def f():\n" + statements * 81)
    root = tree("src/cpp/pass.cpp", "template <class T>\nT f(T a) noexcept {\n" + "  a += 1; // {\n" * 81 + "}\n")
    found = findings("sizes", root)
    for name in ("data/long.py", "data/body.py", "kernels/hot.py", "cpp/pass.cpp"):
        assert name in found


def test_functions_at_the_limit_are_accepted(tree):
    tree("src/halfseen/data/body.py", "def f():\n    '''" + "words\n" * 60 + "'''\n" + "    x = 1\n" * 50)
    tree("src/halfseen/kernels/hot.py", "def f():\n" + "    x = 1\n" * 80)
    root = tree("src/cpp/a.cpp", "namespace n {\nvoid f() {\n" + "x();\n" * 80 + "}\n" + "int y;\n" * 90 + "}\n")
    assert findings("sizes", root) == ""


def test_a_public_function_with_nine_arguments_is_found(tree):
    tree("src/halfseen/data/tidy.py", "def tidy(a, b, c, d, *, e, f, g, h, i):\n    pass")
    model = "class Model:\n    def __init__(self, a, b, *, c, d, e, f, g, h, i):\n        pass"
    root = tree("src/halfseen/methods/factor/m.py", model)
    found = findings("public_functions_are_short", root)
    assert "tidy" in found
    assert "Model" not in found


def test_an_estimator_with_many_parameters_by_position_is_found(tree):
    tree("src/halfseen/data/tidy.py", "")
    model = "class Model:\n    def __init__(self, a, b, c, *, d, e, f, g, h, i):\n        pass"
    root = tree("src/halfseen/methods/factor/m.py", model)
    assert "Model takes 3 parameters by position" in findings("public_functions_are_short", root)


def test_a_print_outside_the_command_line_is_found(tree):
    tree("src/halfseen/cli/app.py", "print(1)")
    assert findings("libraries_do_not_print", tree("src/halfseen/data/a.py", "")) == ""
    assert "data/a.py" in findings("libraries_do_not_print", tree("src/halfseen/data/a.py", "print(1)"))


@pytest.mark.parametrize("inner", ["class Bounds:\n    pass", "def f():\n    class Bounds:\n        pass"])
def test_two_classes_of_one_name_are_found_nested_ones_too(tree, inner):
    tree("src/halfseen/data/a.py", "class Bounds:\n    pass")
    root = tree("src/halfseen/losses/b.py", "x = 1\n" + inner)
    line = 2 + inner.startswith("def")
    assert findings("class_names_are_unique", root) == (
        f"src/halfseen/losses/b.py:{line}: class Bounds stands at src/halfseen/data/a.py:1 too; "
        "name this one by what it holds"
    )


def test_classes_with_names_of_their_own_are_accepted(tree):
    tree("src/halfseen/data/a.py", "class Bounds:\n    pass")
    tree("tests/data/test_a.py", "class Bounds:\n    pass")
    assert findings("class_names_are_unique", tree("src/halfseen/data/b.py", "class Limits:\n    Bounds = 1")) == ""


@pytest.mark.parametrize("text", ["# TO" + "DO: later", "path = '/ho" + "me/someone/data'", "# FIX" + "ME"])
def test_open_ends_and_machine_paths_are_found(tree, text):
    root = tree("docs/page.md", text)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    assert "docs/page.md:1" in findings("texts_are_clean", root)
    assert "page.md" not in findings(
        "texts_are_clean", tree("docs/page.md", "see ../shared/home/x and https://a.b/home/x")
    )


@pytest.mark.slow
def test_a_heavy_import_is_found():
    assert "pyarrow" in "".join(house.imports_are_light(ROOT, "import pyarrow")) or (
        # scikit-learn may have loaded it already; then another heavy one shows the rule
        "typer" in "".join(house.imports_are_light(ROOT, "import typer"))
    )
    assert "fails" in "".join(house.imports_are_light(ROOT, "import no_such_module_here"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('study.claim("it holds", "1", "1", verdict="reproduced")', "a verdict by hand"),
        ('study.claim("it holds", "1", "1", "reproduced")', "a verdict by hand"),
        ('study.claim("it holds", "1", "1")', "without its rule"),
        ('study.target("it holds", "1", "1", figures={"x": x})', "without its rule"),
        ('study.claim("it holds", "1", "1", figures={"x": 1}, rule="x == 1")', "written by hand"),
    ],
)
def test_a_verdict_by_hand_is_refused(tree, call, message):
    assert message in findings("verdicts_follow_from_figures", tree("papers/lines/line.py", f"{call}\n"))


def test_a_tracked_verdict_that_its_figures_do_not_give_is_refused(tree):
    claim = {"what": "it holds", "kind": "paper", "verdict": "reproduced", "rule": "x < 1", "figures": {"x": 2}}
    root = tree("papers/lines/results/line.json", json.dumps({"claims": [claim]}))
    assert "its figures say 'not reproduced'" in findings("verdicts_follow_from_figures", root)
    right = tree("papers/lines/results/line.json", json.dumps({"claims": [{**claim, "figures": {"x": 0.5}}]}))
    assert findings("verdicts_follow_from_figures", right) == ""
