"""Run the kernels' tests under the address and the undefined-behaviour sanitizer, on every instruction set.

    python scripts/sanitize.py [pytest arguments]    # tests/kernels without arguments
    python scripts/sanitize.py --suite               # the whole fast suite, kept beside the kernels' tests

The compiled module is built again in build/sanitize with both sanitizers on top of the flags that ship, and put in the
place of the installed one. What came out goes to tests/kernels/sanitized.json: compiler, flags, tests per level.
A level that this processor cannot run is built and said to be not run. Processes that tests start (the command line,
workers) take the module that is installed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import date
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "sanitize"
REPORT = BUILD / "report.xml"
RECORD = ROOT / "tests" / "kernels" / "sanitized.json"
LEVELS = ("portable", "v2", "v3", "v4")
# Undefined behaviour ends the process at its first place, like a wrong address; Python's own leaks are not ours.
SURROUNDINGS = {
    "ASAN_OPTIONS": "detect_leaks=0:halt_on_error=1:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "PYTHONMALLOC": "malloc",
}


def build() -> Path:
    """Compile the module with sanitizers; its file."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    settings = ["-DCMAKE_BUILD_TYPE=Release", "-DHALFSEEN_SANITIZE=ON", f"-DPython_EXECUTABLE={sys.executable}"]
    generator = ["-G", "Ninja"] if shutil.which("ninja", path=path) else []
    make = ["cmake", "-S", str(ROOT), "-B", str(BUILD), *generator, *settings]
    for command in (make, ["cmake", "--build", str(BUILD)]):
        subprocess.run(command, check=True, env={**os.environ, "PATH": path}, stdout=subprocess.DEVNULL)
    return next(path for path in BUILD.glob("_native*") if path.suffix in (".so", ".pyd"))


def compiler() -> str:
    """The C++ compiler that CMake took."""
    cache = (BUILD / "CMakeCache.txt").read_text(encoding="utf-8")
    found = re.search(r"^CMAKE_CXX_COMPILER:\w+=(.*)$", cache, re.M)
    assert found, "CMake keeps its compiler in the cache"
    return found[1]


def runtime(name: str) -> str:
    """Where the compiler keeps a library of its sanitizers; Python itself was not built with them."""
    return subprocess.run([compiler(), f"-print-file-name={name}"], capture_output=True, text=True).stdout.strip()


def load(file: Path) -> None:
    """Put the module of a file in the place of ``halfseen.kernels._native``."""
    name = "halfseen.kernels._native"
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no module of this Python")
    sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])


def child(file: Path, arguments: list[str]) -> int:
    """Run the tests in this process, on the module of that file."""
    import pytest

    load(file)
    quiet = ["-q", "-p", "no:cacheprovider", "-o", "filterwarnings=ignore", f"--junitxml={REPORT}"]
    return int(pytest.main([*quiet, *arguments]))


def per_level() -> dict[str, int]:
    """How many tests passed on each instruction set, by the names of their parameters."""
    cases = ElementTree.parse(REPORT).iter("testcase")
    passed = [case.get("name", "") for case in cases if not len(case)]
    by_level = {level: sum(bool(re.search(rf"\b{level}\b", name)) for name in passed) for level in LEVELS}
    return {**by_level, "all": len(passed)}


def main(arguments: list[str], part: str = "kernels") -> int:
    """Build, run the tests, which take every instruction set of this processor, and keep what came out."""
    file = build()
    built = [level for level in LEVELS if any((BUILD / "CMakeFiles" / f"kernels_{level}.dir").rglob("*.o*"))]
    environment = {
        **os.environ,
        **SURROUNDINGS,
        "LD_PRELOAD": " ".join(runtime(name) for name in ("libasan.so", "libubsan.so", "libstdc++.so")),
        "HALFSEEN_KERNELS": "",
    }
    command = [sys.executable, __file__, "--child", str(file), *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    output = done.stdout + done.stderr
    complaints = re.findall(r"(?:ERROR: AddressSanitizer|runtime error): .*", output)
    print(output[-4000:] if done.returncode or complaints else output.strip().splitlines()[-1])
    passed = per_level()
    for level in LEVELS:
        print(f"{level}: {passed[level]} tests passed" if passed[level] else f"{level}: not run on this processor")
    version = subprocess.run([compiler(), "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    record = {
        "date": date.today().isoformat(),
        "compiler": version,
        "sanitizers": "address, undefined",
        "tests": " ".join(arguments),
        "built": built,
        "passed": passed,
        "exit": done.returncode,
        "complaints": complaints,
    }
    if not done.returncode or complaints:
        kept = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
        RECORD.write_text(json.dumps({**kept, part: record}, indent=2) + "\n", encoding="utf-8")
    return done.returncode or int(bool(complaints))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        sys.exit(child(Path(sys.argv[2]), sys.argv[3:]))
    if sys.argv[1:2] == ["--suite"]:
        sys.exit(main(["-m", "not slow", *(sys.argv[2:] or ["tests"])], "suite"))
    sys.exit(main(sys.argv[1:] or ["tests/kernels"]))
