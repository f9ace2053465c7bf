"""Where the CPU time of every estimator's fit goes: ``python benchmarks/profile_fits.py [NAME ...] [--out FILE.csv]``.

Each fit runs once to load what it needs and once under the profiler. Time belongs to the function in which it is
spent: to the compiled kernels and their wrappers, to linear algebra (LAPACK, BLAS, einsum, sparse products, ARPACK), to
other functions of NumPy and SciPy, or to Python (elementwise arithmetic is counted there). The profiler makes Python's
own share look larger than it is.
"""

# ruff: noqa: E402
from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import cProfile
import csv
import pstats
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import halfseen as hs

ALGEBRA = ("linalg", "einsum", "matmul", "dot", "_sparsetools", "sparse", "arpack", "lapack", "blas", "tensordot")
KINDS = ("kernels", "linear algebra", "numpy", "python")
DEEPEST = 5


def yes_no(n: int, p: int, rank: int, share: float) -> Any:
    return hs.datasets.make_factor_data(n, p, rank, "bernoulli", observed=share, random_state=0).observed


def numbers(n: int, p: int, rank: int, share: float) -> Any:
    return hs.datasets.make_factor_data(n, p, rank, "gaussian", observed=share, random_state=0).observed


FITS: dict[str, tuple[str, Callable[[], Any], Callable[[], Any]]] = {
    "AlternatingLeastSquares": (
        "2000 x 1000, 10 % seen, rank 8",
        lambda: hs.AlternatingLeastSquares(rank=8, random_state=0),
        lambda: numbers(2000, 1000, 8, 0.1),
    ),
    "BayesianFactorization": (
        "500 x 300, 20 % seen, rank 4",
        lambda: hs.BayesianFactorization(4, random_state=0),
        lambda: numbers(500, 300, 4, 0.2),
    ),
    "GeneralizedFactorModel, yes/no": (
        "2000 x 1000, 10 % seen, rank 4",
        lambda: hs.GeneralizedFactorModel(4, "bernoulli", random_state=0),
        lambda: yes_no(2000, 1000, 4, 0.1),
    ),
    "GeneralizedFactorModel, numbers": (
        "2000 x 1000, 10 % seen, rank 4",
        lambda: hs.GeneralizedFactorModel(4, random_state=0),
        lambda: numbers(2000, 1000, 4, 0.1),
    ),
    "GeneralizedFactorModel, 50 x 20": (
        "50 x 20, 60 % seen, rank 2",
        lambda: hs.GeneralizedFactorModel(2, random_state=0),
        lambda: numbers(50, 20, 2, 0.6),
    ),
    "ItemResponseModel": (
        "500 x 30, 90 % seen",
        lambda: hs.ItemResponseModel(random_state=0),
        lambda: yes_no(500, 30, 1, 0.9),
    ),
    "OneSidedCompletion": (
        "3000 x 200, 5 % seen, rank 3",
        lambda: hs.OneSidedCompletion(3, random_state=0),
        lambda: numbers(3000, 200, 3, 0.05),
    ),
    "OverparametrizedFactorization": (
        "200 x 100, 50 % seen, rank 3",
        lambda: hs.OverparametrizedFactorization(3, random_state=0),
        lambda: numbers(200, 100, 3, 0.5),
    ),
    "SoftImpute": (
        "500 x 300, 20 % seen",
        lambda: hs.SoftImpute(random_state=0),
        lambda: numbers(500, 300, 4, 0.2),
    ),
}


def kind_of(file: str, function: str) -> str:
    """Which of the four kinds a function's own time belongs to."""
    if "halfseen" in file and f"{os.sep}kernels{os.sep}" in file:
        return "kernels"
    where = f"{file} {function}"
    if "halfseen" not in file and any(word in where for word in ALGEBRA):
        return "linear algebra"
    if "halfseen" not in file and ("numpy" in where or "scipy" in where):
        return "numpy"
    # elementwise arithmetic has no name of its own: it is spent inside the function that writes it down
    return "python"


def profiled(name: str) -> dict[str, Any]:
    """One line of the table: seconds, shares, and the functions with most time of their own."""
    table, make, draw = FITS[name]
    data = draw()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        make().fit(data)
        begun = time.process_time()
        make().fit(data)
        seconds = time.process_time() - begun
        profile = cProfile.Profile(time.process_time)
        profile.runcall(make().fit, data)
    spent, shares = [], dict.fromkeys(KINDS, 0.0)
    for (file, _, function), (_, _, own, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        shares[kind_of(file, function)] += own
        spent.append((own, f"{Path(file).stem}.{function}" if file != "~" else function.strip("<>{}")))
    total = sum(shares.values())
    most = "; ".join(f"{100 * own / total:.0f} % {what}" for own, what in sorted(spent, reverse=True)[:DEEPEST])
    parts = {kind: f"{100 * part / total:.0f}" for kind, part in shares.items()}
    return {"estimator": name, "table": table, "seconds": f"{seconds:.3g}", **parts, "most": most}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="estimators; all where none is given")
    parser.add_argument("--out", type=Path, help="CSV to write")
    options = parser.parse_args()
    lines = []
    print(f"{'':34}{'seconds':>9}" + "".join(f"{kind:>16}" for kind in KINDS))
    for name in options.names or FITS:
        line = profiled(name)
        print(f"{name:34}{line['seconds']:>9}" + "".join(f"{line[kind]:>14} %" for kind in KINDS), flush=True)
        lines.append(line)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        with options.out.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, list(lines[0]))
            table.writeheader()
            table.writerows(lines)


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
