"""Table 2: subspace error under missing entries, as published and to the limit, with all baselines.

N = 10 sources of 120 x 100, r1 = r2 = 3, all singular values 1 (the authors' programs; the text says N = 100, the
printed cells agree with N = 10). "HMF as published" is Algorithm 1 with their step (.02 on half the sum of squares),
start (.001) and 1000 rounds: an early stop, not a limit. "HMF" is 30 exact sweeps. Baselines get zeros for what is
missing, as published; "JIVE, imputing" fills with its fit. RobustJIVE is shown with the published constants (after 200
sweeps, where it is on its way out; the paper ran 1000) and with constants that converge.
"""

from __future__ import annotations

import time
from typing import Any

from _runs import Errors, descend, grouped, quiet

import halfseen as hs
from halfseen.datasets import make_sources_data

CONFIG = {
    "full": {
        "n_sources": 10,
        "n_rows": 120,
        "missing": [0.5, 0.1, 0.05, 0.01],
        "seeds": 3,
        "rounds": 1000,
        "sweeps": 200,
    },
    "quick": {"n_sources": 4, "n_rows": 40, "missing": [0.5, 0.1], "seeds": 1, "rounds": 100, "sweeps": 20},
}
PAPER = {
    "RobustJIVE as published": (7.9, 5.9, 5.9, 5.9), "JIVE as published": (0.52, 5.4e-2, 2.6e-2, 5.2e-3),
    "PersonalizedPCA": (0.51, 5.4e-2, 2.6e-2, 5.2e-3), "HMF as published": (4.5e-2, 2.0e-6, 7.3e-7, 3.4e-8),
}  # fmt: skip


def models(sweeps: int) -> dict[str, Any]:
    """Everything but Algorithm 1."""
    options = hs.HeterogeneousOptions(max_iter=30, tol=0.0)
    return {
        "HMF": hs.HeterogeneousFactorization(options=options, random_state=0),
        "JIVE as published": hs.JIVE(missing="zero", is_orthogonal=False),
        "JIVE, imputing": hs.JIVE(max_iter=sweeps),
        "PersonalizedPCA": hs.PersonalizedPCA(random_state=0),
        "COBE": hs.COBE(random_state=0),
        "TwoStepSVD": hs.TwoStepSVD(),
        "RobustJIVE as published": hs.RobustJIVE.paper(max_iter=sweeps),
        "RobustJIVE": hs.RobustJIVE(max_iter=sweeps),
    }


def cell(seed: int, missing: float, n_sources: int, n_rows: int, rounds: int, sweeps: int) -> list[dict[str, Any]]:
    """The errors of all methods on one draw."""
    data = make_sources_data(n_sources, n_rows, 100, 3, 3, 1 - missing, "rotated", seed)
    errors, begun = Errors(data, rounds), time.process_time()
    descend(data, (3, 3), errors, rounds, seed, step=0.02, scale=1e-3)
    found = [
        {"method": "HMF as published", "error": errors.rows[-1]["subspace_error"], "cpu": time.process_time() - begun}
    ]
    for name, model in models(sweeps).items():
        begun = time.process_time()
        with quiet():
            model.fit(data.sources)
        found.append({"method": name, "error": data.subspace_error(model), "cpu": time.process_time() - begun})
    return found


def run(config: dict[str, Any], study: Any) -> None:
    """The table, cell by cell beside the paper's."""
    more = {name: config[name] for name in ("n_sources", "n_rows", "rounds", "sweeps")}
    points = [{"seed": seed, "missing": m, **more} for seed in range(config["seeds"]) for m in config["missing"]]
    rows = study.repeat("cells", points, cell)
    table = grouped(rows, ("method", "missing"), "error")
    for line in table:
        published = dict(zip((0.5, 0.1, 0.05, 0.01), PAPER.get(line["method"], ("",) * 4), strict=True))
        line["paper"] = published.get(line["missing"], "")
    study.table("", sorted(table, key=lambda line: (line["method"], -line["missing"])))
    study.table("cpu", grouped(rows, ("method",), "cpu"))
    claims(study, table)


def claims(study: Any, table: list[dict[str, Any]]) -> None:
    """What agrees, and where not why."""
    for method in ("JIVE as published", "PersonalizedPCA"):
        lines = [line for line in table if line["method"] == method]
        off = max(abs(float(line["mean"]) / line["paper"] - 1) for line in lines)
        study.claim(
            f"{method}, cells", paper=", ".join(str(line["paper"]) for line in lines),
            ours=", ".join(line["mean"] for line in lines) + f" (at most {100 * off:.0f} % off)",
            verdict="reproduced" if off <= 0.1 else "partly", reason="" if off <= 0.1 else "above 10 %",
        )  # fmt: skip
    lines = [line for line in table if line["method"] == "HMF as published"]
    far = [line for line in lines if not 1 / 3 < float(line["mean"]) / line["paper"] < 3]
    where = ", ".join(f"{100 * line['missing']:g} % missing" for line in far)
    study.claim(
        "HMF, cells at the published step and number of rounds", paper=", ".join(str(line["paper"]) for line in lines),
        ours=", ".join(line["mean"] for line in lines), verdict="partly" if far else "reproduced",
        reason=f"within a factor 3 but at {where}" if far else "",
    )  # fmt: skip
    worst = max(float(line["largest"]) for line in table if line["method"] == "HMF")
    study.claim(
        "the published HMF cells are early stops: exact sweeps go to rounding", ours=f"<= {worst:.1e} in 30 sweeps",
        verdict="beyond" if worst <= 1e-12 else "partly", reason="" if worst <= 1e-12 else "above 1e-12",
    )  # fmt: skip
    ours, theirs = (
        [line["mean"] for line in table if line["method"] == name] for name in ("RobustJIVE", "RobustJIVE as published")
    )
    study.claim(
        "RobustJIVE is far from the truth", paper="7.9, 5.9, 5.9, 5.9",
        ours=f"{', '.join(theirs)} with the published constants; {', '.join(ours)} with constants that converge",
        verdict="partly", reason="true of the published constants alone; cut off before the paper's 1000 sweeps",
    )  # fmt: skip
