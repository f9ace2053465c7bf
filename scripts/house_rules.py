"""The house rules that a machine can check; `make check` runs them all and `tests/house` shows that each can fail.

Every rule takes the root of a source tree and returns its findings, one line each: ``path:line: what is wrong``.
Run ``python scripts/house_rules.py`` for the whole project, or name rules to run only those.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

# Lower number = lower floor. A package may import its own level and below; equal levels must not import in a circle.
LEVELS = {
    "__main__": 12, "cli": 11, "board": 10, "imputer": 9, "scaled": 9, "render": 9, "summary": 7, "show": 6,
    "methods": 8, "reproduce": 9, "select": 7,
    "base": 6, "biased": 6, "many": 6, "inference": 5, "nets": 5, "solvers": 4, "engines": 3, "linalg": 2, "kernels": 2,
    "stored_predictions": 4, "losses": 1, "data": 1, "metrics": 1, "datasets": 1,
    "errors": 0, "parameters": 0, "submodules": 0, "telling": 0, "_typing": 0, "text": 0,
}  # fmt: skip
FILE_LINES = 600
BODY_LINES = 50
KERNEL_BODY_LINES = 80
ARGUMENTS = 8
# Of an estimator's parameters so many may be given by position.
POSITIONAL = 2
HEAVY = ("torch", "dask", "matplotlib", "pandas", "polars", "pyarrow", "typer", "rich")
# A loop over these is an iteration of an algorithm and belongs to the one loop in solvers/.
ROUNDS = re.compile(r"(^|_)(iter|iters|iterations?|epochs?|sweeps?|rounds?|steps?)$")
# Where a `while` walks through a file or a tree, it says so on its line.
NOT_AN_ITERATION = "# not an iteration:"

Findings = list[str]


def python_files(root: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((root / "src" / "halfseen").rglob("*.py")):
        yield path, parsed(path.read_text(encoding="utf-8"))


@cache
def parsed(text: str) -> ast.Module:
    """The tree of a module: every rule looks at the same one."""
    return ast.parse(text)


@cache
def nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    """All parts of a tree, the outer ones first."""
    return tuple(ast.walk(tree))


def at(root: Path, path: Path, line: int) -> str:
    return f"{path.relative_to(root).as_posix()}:{line}"


def room_of(parts: tuple[str, ...]) -> str:
    """``("methods", "factor", ...)`` is the room ``methods.factor``; elsewhere the package alone."""
    return ".".join(parts[:2]) if parts[:1] == ("methods",) and len(parts) > 1 else parts[0]


def public_places(root: Path) -> dict[str, str]:
    """The lazy public names of halfseen/__init__.py and the package each one lives in."""
    init = root / "src" / "halfseen" / "__init__.py"
    for node in nodes(parsed(init.read_text(encoding="utf-8"))) if init.exists() else ():
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_PUBLIC":
            return dict(ast.literal_eval(node.value))
    return {}


def imports(path: Path, tree: ast.Module, package: Path, public: dict[str, str]) -> Iterator[tuple[int, str]]:
    """Dotted names below ``halfseen`` that a file imports, at its top or inside a function."""
    here = ("halfseen", *path.relative_to(package).parts[:-1])
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("halfseen."):
                    yield node.lineno, alias.name.removeprefix("halfseen.")
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else ()
            target = ".".join((*base, *((node.module,) if node.module else ())))
            if target == "halfseen":
                for alias in node.names:
                    place = public.get(alias.name, f"halfseen.{alias.name}").removeprefix("halfseen.")
                    if place.split(".")[0] in LEVELS:
                        yield node.lineno, place
            elif target.startswith("halfseen.methods") and target.count(".") == 1:
                yield from ((node.lineno, f"methods.{alias.name}") for alias in node.names)
            elif target.startswith("halfseen."):
                yield node.lineno, target.removeprefix("halfseen.")


def imports_point_down(root: Path) -> Findings:
    """Imports point down, rooms never import rooms, the floor never imports methods, no circles."""
    package, public = root / "src" / "halfseen", public_places(root)
    found, edges = [], {}
    for path, tree in python_files(root):
        parts = (*path.relative_to(package).parts[:-1], path.stem)
        if parts == ("__init__",):
            continue
        here = room_of(parts)
        level = LEVELS.get(parts[0])
        if level is None:
            found.append(f"{at(root, path, 1)}: package '{parts[0]}' has no level in scripts/house_rules.py")
            continue
        for line, name in imports(path, tree, package, public):
            target = tuple(name.split("."))
            there = room_of(target)
            if target[0] not in LEVELS:
                found.append(f"{at(root, path, line)}: imports halfseen.{name}, which has no level")
            elif there != here:
                edges.setdefault(parts[0], {}).setdefault(target[0], at(root, path, line))
                if parts[0] == "methods" == target[0] and parts[1] != "__init__":
                    found.append(f"{at(root, path, line)}: room {here} imports room {there}; move what both use down")
                elif target[0] == "methods" and parts[0] not in ("board", "cli", "imputer", "scaled", "methods"):
                    found.append(f"{at(root, path, line)}: the floor ({here}) imports {there}")
                elif LEVELS[target[0]] > level:
                    found.append(f"{at(root, path, line)}: {here} imports {there}, which lies above it")
    return found + circles(edges)


def circles(edges: dict[str, dict[str, str]]) -> Findings:
    """Packages of one level that import each other."""
    pairs = ((one, two) for one in edges for two in edges[one] if one < two and one in edges.get(two, {}))
    return [f"{edges[one][two]}: {one} and {two} import each other (see {edges[two][one]})" for one, two in pairs]


def no_import_circles(root: Path) -> Findings:
    """No module imports itself by way of others, imports inside functions counted.

    Imports for the type checker alone (``if TYPE_CHECKING``) are never run and do not count.
    """
    package, public = root / "src" / "halfseen", public_places(root)
    trees = {module_name(package, path): (path, tree) for path, tree in python_files(root)}
    graph = {name: dict(module_imports(name, trees, public)) for name in trees if name != "halfseen"}
    findings = []
    for circle in import_circles({name: set(edges) for name, edges in graph.items()}):
        first = circle[0]
        line = min(line for target, line in graph[first].items() if target in circle)
        findings.append(f"{at(root, trees[first][0], line)}: a circle of imports: {' -> '.join((*circle, first))}")
    return findings


def module_name(package: Path, path: Path) -> str:
    """The dotted name of a file of the package."""
    parts = path.relative_to(package).with_suffix("").parts
    return ".".join(("halfseen", *(parts[:-1] if parts[-1] == "__init__" else parts)))


def module_imports(
    name: str, trees: dict[str, tuple[Path, ast.Module]], public: dict[str, str]
) -> Iterator[tuple[str, int]]:
    """Modules of the package that a module imports, with the line.

    ``from package import name`` is an import of the module ``package.name`` where there is one, else of the package,
    if that binds the name (a compiled module is no name of its package).
    """
    path, tree = trees[name]
    typing = {id(part) for node in nodes(tree) if is_for_types(node) for body in node.body for part in ast.walk(body)}
    here = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
    for node in nodes(tree):
        if id(node) in typing:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names if alias.name in trees)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            module = ".".join((*base, *((node.module,) if node.module else ())))
            for alias in node.names:
                if f"{module}.{alias.name}" in trees:
                    yield f"{module}.{alias.name}", node.lineno
                elif module == "halfseen" and alias.name in public:
                    yield public[alias.name], node.lineno
                elif module in trees and module not in ("halfseen", name):
                    there, body = trees[module]
                    if there.stem != "__init__" or binds(body, alias.name):
                        yield module, node.lineno


def is_for_types(node: ast.AST) -> bool:
    """Whether a statement is ``if TYPE_CHECKING``."""
    return isinstance(node, ast.If) and getattr(node.test, "id", getattr(node.test, "attr", "")) == "TYPE_CHECKING"


def binds(tree: ast.Module, name: str) -> bool:
    """Whether a module gives a name, or makes names when they are asked for."""
    return not {"__getattr__", name}.isdisjoint(bound(tree))


@cache
def bound(tree: ast.Module) -> frozenset[str]:
    """Names that a module gives to functions, classes, imports and values."""
    names: set[str] = set()
    for node in nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return frozenset(names)


def import_circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """One shortest circle through the first module of every group that is tied together, in alphabetical order."""
    reached = {name: reachable(graph, name) for name in graph}
    tied = sorted(name for name in graph if name in reached[name])
    circles = []
    while tied:
        first = tied[0]
        group = {name for name in tied if name in reached[first] and first in reached[name]}
        circles.append(shortest_circle(graph, first))
        tied = [name for name in tied if name not in group]
    return circles


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    """What can be reached in one step or more."""
    known: set[str] = set()
    waiting = list(graph.get(start, ()))
    while waiting:
        name = waiting.pop()
        if name not in known:
            known.add(name)
            waiting += graph.get(name, ())
    return known


def shortest_circle(graph: dict[str, set[str]], start: str) -> list[str]:
    """The names on a shortest way from a module back to itself."""
    ways = [[start]]
    known: set[str] = set()
    while ways:
        way = ways.pop(0)
        for name in sorted(graph.get(way[-1], ())):
            if name == start:
                return way
            if name not in known:
                known.add(name)
                ways.append([*way, name])
    return [start]


def loops_live_in_solvers(root: Path) -> Findings:
    """No iteration loops outside solvers/ (the inner loops of kernels are not iterations)."""
    found = []
    for path, tree in python_files(root):
        if {"solvers", "kernels"} & set(path.relative_to(root).parts):
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        for node in nodes(tree):
            excused = NOT_AN_ITERATION in lines[getattr(node, "lineno", 1) - 1]
            if isinstance(node, ast.While) and not excused:
                found.append(f"{at(root, path, node.lineno)}: 'while' outside solvers/; make it a sweep under the loop")
            elif isinstance(node, ast.For | ast.comprehension) and counts_rounds(node.iter) and not excused:
                line = node.iter.lineno
                found.append(f"{at(root, path, line)}: loop over {ast.unparse(node.iter)} outside solvers/")
    return found


def counts_rounds(iterable: ast.expr) -> bool:
    """Whether an iterable is ``count()`` or a ``range`` whose bound is a number of iterations."""
    calls = [node for node in ast.walk(iterable) if isinstance(node, ast.Call)]
    called = {getattr(call.func, "id", getattr(call.func, "attr", "")): call for call in calls}
    if "count" in called and not called["count"].args[2:] and "range" not in called:
        return isinstance(called["count"].func, ast.Name) or "itertools" in ast.unparse(called["count"].func)
    arguments = called["range"].args if "range" in called else []
    names = (n for argument in arguments for n in ast.walk(argument))
    return any(ROUNDS.search(getattr(n, "id", getattr(n, "attr", ""))) for n in names)


def body_length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement behind the docstring to the end."""
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    return node.end_lineno - body[0].lineno + 1 if body else 0


def sizes(root: Path) -> Findings:
    """No file above 600 lines, no function body above 50 (kernels 80)."""
    found = []
    for path, tree in python_files(root):
        length = len(path.read_text(encoding="utf-8").splitlines())
        if length > FILE_LINES:
            found.append(f"{at(root, path, FILE_LINES)}: {length} lines; the limit is {FILE_LINES}")
        longest = KERNEL_BODY_LINES if "kernels" in path.parts else BODY_LINES
        for node in nodes(tree):
            # what an estimator's __init__ does is a list of its parameters
            is_list = getattr(node, "name", "") == "__init__"
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body_length(node) > longest and not is_list:
                found.append(too_long(root, path, node, body_length(node), longest))
    for path in sorted((root / "src" / "cpp").rglob("*")):
        if path.suffix in (".cpp", ".hpp", ".h", ".cc", ".inl"):
            found += cpp_sizes(root, path)
    return found


def too_long(root: Path, path: Path, node: ast.stmt, lines: int, limit: int) -> str:
    return f"{at(root, path, node.lineno)}: {node.name} has {lines} lines; the limit is {limit}"


def cpp_sizes(root: Path, path: Path) -> Findings:
    """Lengths of a C++ file and of the functions in it (a brace opened behind a closing parenthesis)."""
    text = path.read_text(encoding="utf-8")
    blank = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.S)
    text = blank.sub(lambda m: "\n" * m[0].count("\n"), text)
    found = []
    if (length := text.count("\n")) > FILE_LINES:
        found.append(f"{at(root, path, FILE_LINES)}: {length} lines; the limit is {FILE_LINES}")
    opened: list[tuple[int, bool]] = []
    for brace in re.finditer(r"[{}]", text):
        line = text.count("\n", 0, brace.start()) + 1
        if brace[0] == "{":
            head = re.split(r"[;{}]", text[: brace.start()])[-1].strip()
            control = re.match(r"(if|for|while|switch|else|do|namespace|struct|class|enum|catch)\b|#", head)
            inside = any(function for _, function in opened)
            opened.append((line, "(" in head and not control and not inside))
        elif opened:
            start, function = opened.pop()
            if function and line - start - 1 > KERNEL_BODY_LINES:
                lines = line - start - 1
                found.append(f"{at(root, path, start)}: function of {lines} lines; the limit is {KERNEL_BODY_LINES}")
    return found


def public_functions_are_short(root: Path) -> Findings:
    """Functions and methods that users call take at most 8 arguments (self and cls not counted).

    Estimators are the exception: what their ``__init__`` takes is keyword-only after the first two.
    """
    package, found = root / "src" / "halfseen", []
    for name, module in public_places(root).items():
        folder = package.joinpath(*module.split(".")[1:])
        for path in sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]:
            for node in parsed(path.read_text(encoding="utf-8")).body if path.exists() else ():
                if getattr(node, "name", None) != name:
                    continue
                members = node.body if isinstance(node, ast.ClassDef) else [node]
                for function in members:
                    if not isinstance(function, ast.FunctionDef):
                        continue
                    total, positional = argument_counts(function)
                    if function.name == "__init__" and total > ARGUMENTS and positional > POSITIONAL:
                        found.append(
                            f"{at(root, path, function.lineno)}: {name} takes {positional} parameters by position; "
                            f"only the first {POSITIONAL} may be"
                        )
                    elif function.name != "__init__" and total > ARGUMENTS:
                        place = at(root, path, function.lineno)
                        found.append(f"{place}: {name} ({function.name}) takes {total} arguments")
    return found


def argument_counts(function: ast.FunctionDef) -> tuple[int, int]:
    """How many arguments a function takes in all, and how many of them by position."""
    a = function.args
    positional = [x for x in (*a.posonlyargs, *a.args) if x.arg not in ("self", "cls")]
    return len(positional) + len(a.kwonlyargs), len(positional)


def class_names_are_unique(root: Path) -> Findings:
    """No two classes in src/ have one name: a search for a class leads to it, and files store some by name."""
    places: dict[str, list[str]] = {}
    for path, tree in python_files(root):
        for node in nodes(tree):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(at(root, path, node.lineno))
    return [
        f"{place}: class {name} stands at {first} too; name this one by what it holds"
        for name, (first, *others) in sorted(places.items())
        for place in others
    ]


def libraries_do_not_print(root: Path) -> Findings:
    """Nothing in src/ prints, but for the command line."""
    return [
        f"{at(root, path, node.lineno)}: print() in a library; use a watcher or return the text"
        for path, tree in python_files(root)
        if "cli" not in path.relative_to(root).parts
        for node in nodes(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
    ]


# Written in pieces, so that this file passes its own rule.
LEFT_OPEN = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
MACHINE_PATHS = re.compile(r"(?<![\w.~-])/(ro" r"ot|ho" r"me|Us" r"ers|wo" r"rk|t" r"mp)/\w")
TEXT = {"", "py", "md", "rst", "toml", "cpp", "hpp", "h", "txt", "yml", "yaml", "json", "csv", "cfg", "sh"}


def texts_are_clean(root: Path) -> Findings:
    """No open ends left in the text, no paths of one machine."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = []
    for name in sorted(filter(None, listed.stdout.split("\0"))):
        path = root / name
        if path.suffix.lstrip(".") not in TEXT or not path.is_file():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if match := LEFT_OPEN.search(line) or MACHINE_PATHS.search(line):
                found.append(f"{name}:{number}: {match[0]!r} does not belong in a committed file")
    return found


IMPORTED = """
import sys
{before}
already = set(sys.modules)
{statement}
print(*(name for name in {heavy!r} if name in set(sys.modules) - already))
"""
# scikit-learn itself may load pandas or pyarrow where they are installed; that is not ours to forbid.
BASELINE = "import numpy, scipy, sklearn.base"
TOUCHED = """
import sys
{before}
import halfseen
for package, names in {packages!r}.items():
    already = set(sys.modules)
    for name in names: getattr(halfseen, name)
    if heavy := sorted(set({heavy!r}) & sys.modules.keys() - already):
        print(', '.join(heavy), f'(names of {{package}})')
"""


def imports_are_light(root: Path, statement: str = "import halfseen") -> Findings:
    """Importing halfseen loads no heavy library (its time is a line of the benchmarks)."""
    place, heavy = "src/halfseen/__init__.py:1", set()
    for before in [BASELINE] + ([""] if statement == "import halfseen" else []):
        code = IMPORTED.format(before=before, statement=statement, heavy=HEAVY)
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
        if run.returncode:
            return [f"{place}: the import fails: {run.stderr.strip().splitlines()[-1]}"]
        heavy.update(run.stdout.split())
    return [f"{place}: the import pulls in {', '.join(sorted(heavy))}"] if heavy else []


def every_public_name_is_light(root: Path) -> Findings:
    """Touching the public names of any package pulls in nothing heavy."""
    packages: dict[str, list[str]] = {}
    for name, place in public_places(root).items():
        packages.setdefault(place, []).append(name)
    code = TOUCHED.format(before=BASELINE, packages=packages, heavy=HEAVY)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    place = "src/halfseen/__init__.py:1"
    if run.returncode:
        return [f"{place}: the import fails: {run.stderr.strip().splitlines()[-1]}"]
    return [f"{place}: the import pulls in {line}" for line in run.stdout.splitlines()]


def verdicts_follow_from_figures(root: Path) -> Findings:
    """Scripts of papers give figures and a rule, never a verdict; tracked verdicts are what these say."""
    found = []
    for path in sorted((root / "papers").glob("*/*.py")):
        for node in nodes(parsed(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                wrong = judged_by_hand(node) if node.func.attr in ("claim", "target") else ""
                found += [f"{at(root, path, node.lineno)}: {wrong}"] if wrong else []
    from halfseen.reproduce.rules import complaint

    for path in sorted((root / "papers").glob("*/results/*.json")):
        for claim in json.loads(path.read_text(encoding="utf-8")).get("claims", []):
            wrong = complaint(claim)
            found += [f"{at(root, path, 1)}: {claim['what']!r}: {wrong}"] if wrong else []
    return found


def judged_by_hand(call: ast.Call) -> str:
    """What is wrong with a claim of a script: a verdict of its own, no rule, or no figure that was computed."""
    given = {word.arg: word.value for word in call.keywords}
    if "verdict" in given or len(call.args) > 3:
        return "a verdict by hand; give figures= and rule=, from which it follows"
    if "rule" not in given or "figures" not in given:
        return "a claim without its rule and its figures"
    figures = given["figures"]
    if isinstance(figures, ast.Dict) and all(isinstance(value, ast.Constant) for value in figures.values):
        return "figures that are written by hand; one at least is computed"
    return ""


RULES: dict[str, Callable[[Path], Findings]] = {
    rule.__name__: rule
    for rule in (
        imports_point_down, no_import_circles, loops_live_in_solvers, sizes, public_functions_are_short,
        class_names_are_unique, libraries_do_not_print, texts_are_clean, verdicts_follow_from_figures,
        imports_are_light, every_public_name_is_light,
    )
}  # fmt: skip


def main(names: list[str]) -> int:
    root = Path(__file__).resolve().parents[1]
    findings = {name: RULES[name](root) for name in names or RULES}
    for name, found in findings.items():
        print(f"{name}: {'ok' if not found else f'{len(found)} finding(s)'}")
        for line in found:
            print(f"  {line}")
    return int(any(findings.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
