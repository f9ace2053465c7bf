"""CPU time of a sweep of the plain Bayesian factorisation in two checkouts, by turns.

    python benchmarks/plain_sweep.py BEFORE [AFTER] [--repeats 6]    # folders with src/halfseen, its kernels built

A table of MovieLens-100k's size (943 x 1682, 90,000 entries) is fitted without implicit features and with equal noise,
ranks 16 and 32, one thread, by a process of each checkout in turn; the times of 40 sweeps are differences of fits of 60
and of 20 sweeps. Prints the medians and the median of the ratios after / before of neighbouring pairs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

CODE = """
import sys, time
import numpy as np
import halfseen as hs
rng = np.random.default_rng(0)
cells = rng.choice(943 * 1682, 90_000, replace=False)
i, j = cells // 1682, cells % 1682
truth = rng.normal(size=(943, 4)), rng.normal(size=(1682, 4))
values = np.einsum("ek,ek->e", truth[0][i], truth[1][j]) + rng.normal(size=len(i))
table = hs.Observed.from_triplets(i, j, values.astype(np.float32), shape=(943, 1682))
plain = {"implicit": "none", "noise": "equal"} if "implicit" in hs.BayesianFactorization().get_params() else {}
def seconds(rank, sweeps):
    begun = time.process_time()
    hs.BayesianFactorization(rank, max_iter=sweeps, burn_in=2, random_state=0, **plain).fit(table)
    return time.process_time() - begun
seconds(4, 2)
print(*[1000 * (seconds(rank, 60) - seconds(rank, 20)) / 40 for rank in (16, 32)])
"""


def timed(checkout: Path) -> np.ndarray:
    """Milliseconds per sweep at both ranks."""
    surroundings = {**os.environ, "PYTHONPATH": str(checkout / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", CODE], env=surroundings, capture_output=True, text=True, check=True)
    return np.array(done.stdout.split(), dtype=float)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path, nargs="?", default=Path(__file__).parents[1])
    parser.add_argument("--repeats", type=int, default=6)
    arguments = parser.parse_args()
    pairs = np.array([[timed(arguments.before), timed(arguments.after)] for _ in range(arguments.repeats)])
    for place, rank in enumerate((16, 32)):
        before, after = np.median(pairs[:, :, place], axis=0)
        ratio = np.median(pairs[:, 1, place] / pairs[:, 0, place])
        print(f"rank {rank}: before {before:.2f} ms, after {after:.2f} ms a sweep, ratio {ratio:.3f}")
