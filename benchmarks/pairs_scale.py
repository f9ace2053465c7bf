"""Ten million rows x ten thousand columns in one run: time and memory, row blocks made on the way."""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import json
import os
import resource
import time
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np

import halfseen as hs
from halfseen.data import Compressed


def block_of(number: int, rows: int, d: int, entries: int, L: np.ndarray) -> hs.Observed:
    """Rows x = L z, each cell seen with probability entries / d; the same for the same number."""
    rng = np.random.default_rng([7, number])
    gaps = rng.geometric(entries / d, size=int(rows * entries * 1.05 + 1000))
    cells = np.cumsum(gaps) - 1
    cells = cells[cells < rows * d]
    row, col = cells // d, (cells % d).astype(np.int32)
    z = rng.standard_normal((rows, L.shape[1])).astype(np.float32)
    values = np.einsum("ek,ek->e", z[row], L[col]).astype(np.float32)
    values += 0.5 * rng.standard_normal(len(values)).astype(np.float32)
    indptr = np.zeros(rows + 1, np.int64)
    np.cumsum(np.bincount(row, minlength=rows), out=indptr[1:])
    return hs.Observed(Compressed(indptr, col, values, None, d))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--cols", type=int, default=10_000)
    parser.add_argument("--least", type=int, default=2, help="entries per row of the sparsest block")
    parser.add_argument("--most", type=int, default=10, help="and of the fullest; blocks go round between them")
    parser.add_argument("--rank", type=int, default=5)
    parser.add_argument("--block", type=int, default=500_000)
    parser.add_argument("--errors", action="store_true")
    parser.add_argument("--out", type=Path)
    o = parser.parse_args()
    rng = np.random.default_rng(7)
    L = (rng.standard_normal((o.cols, o.rank)) / np.sqrt(o.rank)).astype(np.float32)
    facts: dict[str, float] = {"rows": o.rows, "cols": o.cols, "least entries per row": o.least,
                                "most": o.most, "rank": o.rank}  # fmt: skip
    numbers = range(-(-o.rows // o.block))

    def blocks():
        for number in numbers:
            entries = o.least + number % (o.most - o.least + 1)
            yield block_of(number, min(o.block, o.rows - number * o.block), o.cols, entries, L)

    with hs.engine("threads", workers=2):
        moments, made, added = hs.PairMoments.empty(o.cols), 0.0, 0.0
        clock = time.perf_counter()
        for block in blocks():
            now = time.perf_counter()
            made += now - clock
            moments.partial_fit(block)
            clock = time.perf_counter()
            added += clock - now
        facts |= {"seconds making rows": made, "seconds adding pairs": added, "pairs": moments.n_pairs}
        clock = time.perf_counter()
        model = hs.OneSidedCompletion(o.rank, random_state=0).fit_moments(moments)
        facts |= {"seconds fitting": time.perf_counter() - clock, "sweeps": model.n_iter_, "psi": model.psi_}
        X = model.components_.T.astype(float)
        cross, own = np.sum((X.T @ L) ** 2), np.sum((L.astype(float).T @ L) ** 2)
        facts["relative error of T"] = float(np.sqrt((np.sum((X.T @ X) ** 2) + own - 2 * cross) / own))
        if o.errors:
            clock = time.perf_counter()
            found = model.inference(R=blocks(), groups=50)
            i, j = np.random.default_rng(1).integers(0, o.cols, (2, 4000))
            i, j = i[i != j], j[i != j]
            pairs = found.second_moment((i, j))
            T = np.einsum("ek,ek->e", L[i], L[j])
            facts["seconds errors"] = time.perf_counter() - clock
            facts["coverage of 95 % intervals"] = float(np.mean((pairs.low <= T) & (pairs.high >= T)))
    facts["peak memory, GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    text = json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in facts.items()}, indent=2)
    print(text)
    if o.out:
        o.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
