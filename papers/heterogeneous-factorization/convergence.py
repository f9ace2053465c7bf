"""How many exact sweeps the limit takes: every size of Table 2, few entries per unknown, and badly conditioned parts.

Sweeps from the spectral or the stepwise start (sources that stay behind start afresh, as in every fit; the sweeps
inside the stepwise start, five per rank, are not counted) until the subspace error is below 1e-12, seed by seed.
Entries per unknown are a source's entries over r2 (n1 - r1 - r2) + n2 (r1 + r2) + its share of the shared basis. Asked
for: 30 sweeps (40 with 30 rows) in 24 of 24 seeds, 20 at a condition number of 10.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _runs import Errors, alternate

from halfseen.datasets import SourcesDesign, make_sources_data

CONFIG = {
    "full": {
        "sources": [10, 100], "rows": [30, 60, 120], "observed": [0.5, 0.9, 0.95, 0.99],
        "thin": [[60, 0.3], [120, 0.22]], "conditions": [10.0, 30.0, 100.0], "stepwise": [[120, 0.7], [60, 0.5]],
        "seeds": 24, "sweeps": 300,
    },
    "quick": {
        "sources": [4], "rows": [40], "observed": [0.9], "thin": [], "conditions": [10.0], "stepwise": [], "seeds": 2,
        "sweeps": 50,
    },
    "check": {"sources": [10], "rows": [30, 120], "observed": [0.5, 0.99], "seeds": 2},
}  # fmt: skip
TARGET = 1e-12
NAMES = ("n_sources", "n_rows", "observed", "kind", "condition", "start")


def per_unknown(n_sources: int, n_rows: int, observed: float) -> float:
    """Entries over unknowns of a source with 100 columns and ranks 3 + 3."""
    return 100 * n_rows * observed / (3 * (n_rows - 6) + 600 + 3 * n_rows / n_sources)


def allowed(n_rows: int, condition: float) -> int:
    """Sweeps asked for; at a condition number of 100 nothing is."""
    return (40 if n_rows == 30 else 30) if condition == 1.0 else 20


def designs_of(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Badly conditioned parts, thin tables, and every size of Table 2."""
    bad = [[10, 120, 0.7, "rotated", condition, "spectral"] for condition in config["conditions"]]
    bad += [[10, rows, share, "rotated", 100.0, "stepwise"] for rows, share in config["stepwise"]]
    thin = [
        [10, rows, share, kind, 1.0, "spectral"] for kind in ("rotated", "gaussian") for rows, share in config["thin"]
    ]
    sizes = [
        [n, rows, share, "rotated", 1.0, "spectral"]
        for n in config["sources"]
        for rows in config["rows"]
        for share in config["observed"]
    ]
    return [dict(zip(NAMES, design, strict=True)) for design in bad + thin + sizes]


def sweeps_needed(
    seed: int, n_sources: int, n_rows: int, observed: float, kind: str, condition: float, start: str, sweeps: int
) -> dict[str, Any]:
    """The sweep at which one draw is at the target, or none."""
    design = SourcesDesign(kind, condition=condition)
    errors = Errors(make_sources_data(n_sources, n_rows, 100, 3, 3, observed, design, seed), 1, TARGET)
    alternate(errors.data, (3, 3), errors, sweeps, seed, tries=3, start=start)
    last = errors.rows[-1]
    return {"needed": last["iteration"] if last["subspace_error"] <= TARGET else None, "error": last["subspace_error"]}


def run(config: dict[str, Any], study: Any) -> None:
    """A line per design: sweeps needed, and how many seeds kept to what was asked."""
    designs = designs_of(config)
    points = [
        {"seed": seed, **design, "sweeps": config["sweeps"]} for design in designs for seed in range(config["seeds"])
    ]
    rows = study.repeat("sweeps", points, sweeps_needed)
    table = []
    for design in designs:
        own = [row for row in rows if all(row[name] == design[name] for name in NAMES)]
        if own:
            table.append({**design, **line(own, design)})
    study.table("", table)
    claims(study, table, config["sweeps"])


def line(own: list[dict[str, Any]], design: dict[str, Any]) -> dict[str, Any]:
    """What came out of one design's seeds."""
    needed = np.array([np.inf if row["needed"] is None else row["needed"] for row in own], dtype=float)
    most = allowed(design["n_rows"], design["condition"])
    got = needed[np.isfinite(needed)]
    return {
        "entries per unknown": round(per_unknown(design["n_sources"], design["n_rows"], design["observed"]), 2),
        "median": np.median(got) if len(got) else "", "largest": got.max() if len(got) else "",
        "asked": most, "within": int(np.sum(needed <= most)), "arrived": len(got), "seeds": len(own),
    }  # fmt: skip


def claims(study: Any, table: list[dict[str, Any]], sweeps: int) -> None:
    """Sizes of Table 2; thin tables; condition numbers."""
    plain = [one for one in table if one["condition"] == 1.0]
    sizes = [one for one in plain if one["kind"] == "rotated" and one["observed"] in (0.5, 0.9, 0.95, 0.99)]
    thin = [one for one in plain if one not in sizes]
    for name, part in (("every size of Table 2 (N = 10 and 100; 30, 60, 120 rows)", sizes), ("thin tables", thin)):
        if not part:
            continue
        within, seeds = sum(one["within"] for one in part), sum(one["seeds"] for one in part)
        arrived, slowest = sum(one["arrived"] for one in part), max(one["largest"] or 0 for one in part)
        least = min(one["entries per unknown"] for one in part)
        study.target(
            f"{name}: error below 1e-12 within 30 exact sweeps (40 with 30 rows)",
            "all draws",
            f"{within} of {seeds} draws within them, {arrived} of {seeds} in at most {slowest:.0f}; "
            f"{least:.2f} entries per unknown or more",
            figures={"within": within, "draws": seeds},
            rule="within == draws",
            otherwise="sparser than any cell of Table 2: convergence is linear, and slower with fewer entries",
        )
    for one in (one for one in table if one["condition"] > 1.0):
        study.target(
            f"condition number {one['condition']:g}, {one['start']} start, {one['entries per unknown']:g} entries per "
            "unknown: error below 1e-12",
            "all draws",
            f"{one['within']} of {one['seeds']} draws within 20 sweeps, {one['arrived']} of {one['seeds']} within "
            f"{sweeps} (of these half in {one['median']:.0f}, all in {one['largest']:.0f})",
            figures={
                "within": one["within"],
                "arrived": one["arrived"],
                "draws": one["seeds"],
                "condition": one["condition"],
            },
            rule="arrived == draws and (condition > 10 or within == draws)",
            otherwise="small directions drown in what the missing entries of the large ones leave",
        )
