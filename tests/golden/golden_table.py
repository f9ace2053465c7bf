"""The file of golden numbers: reading and writing it, where its numbers come from, and how close they must be."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

FILE = Path(__file__).with_name("golden.json")
LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch")
# Differences are in units of the largest number of a reading. On one machine two runs agree to the last bit, so that
# 1e-12 only forgives a sum written in another order.
SAME_PLACE = 1e-12
# Other vector instructions, another linear algebra or another version of a library round differently, and an
# iterative fit ends where its tolerance lets it. Measured on all cases with kernels for v3, v2 and portable, and with
# OpenBLAS for Haswell, Sandybridge and Nehalem: 17 of 995 readings move by more than 1e-9, none by more than 1.7e-7.
OTHER_PLACE = 1e-6


def here() -> dict[str, str]:
    """What the last bits of a number depend on: instruction sets, linear algebra, versions of the libraries."""
    from halfseen.kernels import backend_name

    import_module("scipy.linalg")  # brings its own copy of the linear algebra, which is then among those listed
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    features = import_module("numpy._core._multiarray_umath").__cpu_features__
    place = {
        "machine": platform.machine(),
        "kernels": backend_name(),
        "blas": "; ".join(
            sorted(f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}" for pool in pools)
        ),
        "vectors": " ".join(name for name in ("AVX2", "AVX512F", "AVX512_SKX", "AVX512_SPR") if features.get(name)),
    }
    return place | {library: version_of(library) for library in LIBRARIES}


def version_of(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "none"


def one_thread() -> Any:
    """Linear algebra on one thread: how sums are split must not depend on the machine's cores."""
    return threadpool_limits(1)


def read(path: Path = FILE) -> dict[str, Any]:
    """The table, its numbers as arrays."""
    table = json.loads(Path(path).read_text(encoding="utf-8"))
    for case in table["cases"].values():
        case["numbers"] = {name: np.array([float(x) for x in row]) for name, row in case["numbers"].items()}
    return dict(table)


def write(table: Mapping[str, Any], path: Path = FILE) -> None:
    """One line per reading, so that a change of the file shows which numbers moved."""
    blocks = []
    for name, case in table["cases"].items():
        about = json.dumps({key: value for key, value in case.items() if key != "numbers"})[1:-1]
        lines = [f"   {json.dumps(key)}: [{','.join(map(shown, row))}]" for key, row in case["numbers"].items()]
        blocks.append(f'  {json.dumps(name)}: {{{about}, "numbers": {{\n' + ",\n".join(lines) + "}}")
    places = ",\n".join(f"  {json.dumps(place)}" for place in table["places"])
    text = f'{{"places": [\n{places}],\n"cases": {{\n' + ",\n".join(blocks) + "}}\n"
    Path(path).write_text(text, encoding="utf-8")


def shown(number: float) -> str:
    """As few digits as name the number exactly; what JSON has no word for, as text."""
    if not np.isfinite(number):
        return f'"{float(number)}"'
    is_short = float(number).is_integer() and abs(number) < 1e15
    return repr(int(number)) if is_short else repr(float(number))


def tolerance(table: Mapping[str, Any], name: str) -> float:
    """How far a case's numbers may move here: hardly, where they were recorded; else by what rounding moves."""
    return SAME_PLACE if table["places"][table["cases"][name]["place"]] == here() else OTHER_PLACE


def moved(recorded: Mapping[str, Any], now: Mapping[str, Any], allowed: float) -> list[str]:
    """Readings that differ, in words; none where all are within ``allowed`` of their largest number."""
    words = [f"{name} was not read" for name in recorded if name not in now]
    words += [f"{name} was not recorded" for name in now if name not in recorded]
    for name in (name for name in recorded if name in now):
        old, new = np.asarray(recorded[name], dtype=float), np.asarray(now[name], dtype=float)
        if old.shape != new.shape:
            words.append(f"{name} has {len(new)} numbers, {len(old)} were recorded")
            continue
        known = np.isfinite(old)
        scale = max(float(np.max(np.abs(old[known]), initial=0.0)), np.finfo(float).tiny)
        gaps = np.abs(new - old)[known] / scale
        is_off = int(np.sum(~(gaps <= allowed))) + int(np.sum(~np.isclose(new, old, equal_nan=True)[~known]))
        if is_off:
            far = float(np.max(gaps, initial=0.0))
            words.append(f"{name}: {is_off} of {len(old)} numbers moved, by {far:.1e} of the largest at most")
    return words
