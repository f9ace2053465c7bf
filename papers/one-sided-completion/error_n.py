"""Error of T against the number of rows, at 2, 5 and 10 entries in every row.

The paper's figures (absolute, ||T|| = 4): two a row .102 to .074 for n = 1e4 to 5e4; five a row .0255 to .0078 for
n = 1e3 to 3e4; ten a row .0125 to .0072.
"""

from __future__ import annotations

from typing import Any

from _pairs import contest, lines, means, seen, truth

CONFIG = {
    "full": {"d": 1000, "rank": 10, "n": {"2": [10_000, 20_000, 30_000], "5": [1000, 5000, 10_000, 20_000],
                                        "10": [1000, 5000, 10_000, 20_000]},
             "kinds": ["common means"], "repetitions": 5},
    "quick": {"d": 60, "rank": 3, "n": {"5": [500, 2000]}, "kinds": ["common means"], "repetitions": 1},
}  # fmt: skip
PAPER = {
    (2, 10_000): 0.102, (2, 20_000): 0.089, (2, 30_000): 0.081, (5, 1000): 0.0255, (5, 5000): 0.0090,
    (5, 10_000): 0.0080, (5, 20_000): 0.0077, (10, 1000): 0.0125, (10, 5000): 0.0089, (10, 10_000): 0.0088,
    (10, 20_000): 0.0082,
}  # fmt: skip
NAMES = ("ours", "paper weights", "alternating GD")


def repetition(kind: str, m: int, n: int, d: int, rank: int, seed: int) -> dict[str, float]:
    """Relative errors with exactly m entries in every row."""
    M = truth(kind, n, d, rank, seed)
    return contest(seen(M, m, seed, per_row=True), M.T @ M / n, rank, NAMES)


def run(config: dict[str, Any], study: Any) -> None:
    """Errors over n."""
    fixed = {key: config[key] for key in ("d", "rank")}
    points = [
        {"kind": kind, "m": int(m), "n": n, "seed": seed, **fixed}
        for seed in range(config["repetitions"])
        for kind in config["kinds"]
        for m, sizes in config["n"].items()
        for n in sizes
    ]
    rows = study.repeat("errors", points, repetition, len(points))
    table = means(rows, ("kind", "m", "n"), ("seed", *fixed))
    study.table("", table)
    for m in config["n"]:
        part = [line for line in table if line["m"] == int(m) and line["kind"] == config["kinds"][0]]
        study.picture(lines(part, "n", list(NAMES), f"rows, {m} entries each"), m)
    for line in table:
        known = PAPER.get((line["m"], line["n"]))
        if line["kind"] == "common means" and known is not None:
            found = 4.0 * line["ours"]
            thin = line["m"] * line["n"] / config["d"] < 8
            study.claim(
                f"absolute error, {line['m']} per row, n = {line['n']}", known, f"{found:.4f}",
                "reproduced" if found <= known else "partly",
                "columns never seen count in full here; the paper's value is near that of the columns seen" if thin
                else "L-BFGS to the end, weights of inverse variance",
            )  # fmt: skip
