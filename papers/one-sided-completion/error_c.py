"""Error of T against entries per row, with the methods the paper compares.

The paper's figure has absolute errors with ||T|| = 4 on its data: ours .102 to .064, nuclear norm .489 to .099,
soft-impute 3.9 to 2.7, alternating GD 4.2 to .18 (an all-zero answer has 4). Here all are relative; mixtures of ten
factors are the harder, honest test. Penalty and step of the others are chosen on held-out rows and entries.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _pairs import ANGLE, CONTESTANTS, angle, bare_soft_impute, contest, fitted, lines, means, relative, seen, truth

CONFIG = {
    "full": {
        "n": 10_000, "d": 1000, "rank": 10, "C": [2, 4, 6, 8, 10, 50], "kinds": ["common means", "mixtures"],
        "repetitions": 5, "others": 2, "sweeps": [20, 100],
    },
    "quick": {
        "n": 2000, "d": 60, "rank": 3, "C": [2, 6], "kinds": ["common means", "mixtures"],
        "repetitions": 1, "others": 1, "sweeps": [5],
    },
    "check": "the methods it compares with take minutes at the smallest setting",
}  # fmt: skip
PAPER = {2: 0.102, 4: 0.081, 6: 0.070, 8: 0.066, 10: 0.064}


OURS = ("ours", "paper weights", "paper weights and regulariser", "common means")
OTHERS = tuple(name for name in CONTESTANTS if name not in OURS)


def own(kind: str, C: int, n: int, d: int, rank: int, seed: int) -> dict[str, float]:
    """Relative errors of one-sided completion under its weights."""
    M = truth(kind, n, d, rank, seed)
    T, R = M.T @ M / n, seen(M, C, seed)
    # at two entries a row one draw in five takes some 6000 sweeps; the fit warns at 2000
    X = fitted(R, rank, keeps_rows=False, max_iter=20_000)
    found = {"ours": relative(X, T)} | contest(R, T, rank, OURS[1:])
    return found | {ANGLE: angle(X, T, rank)}


def theirs(kind: str, C: int, n: int, d: int, rank: int, seed: int) -> dict[str, float]:
    """Relative errors of everybody else."""
    M = truth(kind, n, d, rank, seed)
    return contest(seen(M, C, seed), M.T @ M / n, rank, OTHERS)


def stopped(C: int, sweeps: int, n: int, d: int, rank: int) -> dict[str, float]:
    """Soft-impute without biases or a penalty on the paper's data, after some sweeps (the paper allows 100)."""
    M = truth("common means", n, d, rank, 0)
    return {"error": relative(bare_soft_impute(seen(M, C, 0), rank, sweeps), M.T @ M / n)}


def run(config: dict[str, Any], study: Any) -> None:
    """Errors over C for both kinds of data."""
    fixed = {key: config[key] for key in ("n", "d", "rank")}

    def points(repetitions: int) -> list[dict[str, Any]]:
        settings = [{"kind": kind, "C": C} for kind in config["kinds"] for C in config["C"]]
        return [{**setting, "seed": seed, **fixed} for seed in range(repetitions) for setting in settings]

    first, second = points(config["repetitions"]), points(config["others"])
    keys, leave = ("kind", "C"), ("seed", *fixed)
    table = means(study.repeat("own", first, own, len(first)), keys, leave)
    beside = means(study.repeat("others", second, theirs, len(second)), keys, leave)
    for line, more in zip(table, beside, strict=True):
        line |= {name: more[name] for name in OTHERS} | {"repetitions of the others": more["repetitions"]}
    study.table("", table)
    drawn = [name for name in CONTESTANTS if name != "paper weights and regulariser"]
    for kind in config["kinds"]:
        part = [line for line in table if line["kind"] == kind]
        study.picture(lines(part, "C", drawn, "entries per row"), kind.split(",")[0].replace(" ", "-"))
    fewest = [{"C": min(config["C"]), "sweeps": sweeps, **fixed} for sweeps in config["sweeps"]]
    early = study.repeat("stopped", fewest, stopped, len(fewest))
    of = {(line["kind"], line["C"]): line for line in table}
    for C in [C for C in config["C"] if C in PAPER]:
        found = 4.0 * of["common means", C]["ours"]
        study.claim(
            f"absolute error of T on the paper's data, C = {C} (||T|| = 4)",
            PAPER[C],
            f"{found:.4f}",
            figures={"ours": found, "paper": PAPER[C]},
            rule="ours <= paper",
            reason="smaller than the paper's: L-BFGS to the end, weights of inverse variance",
        )
    for C, asked in ((2, 0.004), (10, 0.0006)):
        if ("common means", C) in of:
            line = of["common means", C]
            found = [line[name] for name in OURS]
            study.target(
                f"relative error on the paper's data, C = {C} (asked: {asked:g})",
                f"at most {asked:g}",
                f"{found[0]:.4f} (default), {found[2]:.4f} (the paper's objective), {found[1]:.4f} (that without its "
                "regulariser)",
                figures={"default": found[0], "paper_objective": found[2], "asked": asked},
                rule="max(default, paper_objective) <= asked",
                reason="the regulariser at its published constants acts as a ridge; without it ten factors fit "
                "the noise of data of rank one",
            )
    for C, asked in ((10, 0.75), (50, 0.21)):
        if ("mixtures", C) in of:
            line = of["mixtures", C]
            less = 100 * (1 - line["ours"] / line["paper weights"])
            study.target(
                f"relative error of mixtures, C = {C}, paper weights (asked: {asked:g})",
                f"at most {asked:g}",
                f"{line['paper weights']:.3f}; inverse-variance weights {line['ours']:.3f}, {less:.0f} % less",
                figures={"paper_weights": line["paper weights"], "asked": asked},
                rule="paper_weights <= asked",
                reason="the plain estimator on mixtures",
            )
    known = [line for line in table if line["kind"] == "mixtures" and np.isfinite(line["common means"])]
    for line in known[-2:]:
        others = min(line[name] for name in (*OTHERS, "ours"))
        study.beyond(
            f"mixtures at C = {line['C']}: the estimator for common means",
            "not shown",
            f"{line['common means']:.4f}; the best of all others {others:.3f}",
            reason="it tells the mean of every row from the values it shares with others; where rows are no "
            "such mixture it warns, and below five entries per mean and column it refuses",
        )
    few = of["mixtures", min(config["C"])]
    others = [few[name] for name in ("nuclear norm", "soft-impute", "alternating GD")]
    study.claim(
        f"better than the others at C = {min(config['C'])}, mixtures",
        "yes",
        f"{few['ours']:.2f} against {min(others):.2f}",
        figures={"ours": few["ours"], "best_other": min(others)},
        rule="ours < best_other",
        reason="at two entries a row ten mixed factors are beyond all of them (1 is the error of answering 0)",
    )
    plain = of["common means", min(config["C"])]
    study.claim(
        f"better than soft-impute at C = {min(config['C'])}, the paper's data",
        "0.102 against 3.9 (absolute)",
        f"{4 * plain['ours']:.4f} against {4 * plain['soft-impute']:.4f} (absolute)",
        figures={"ours": 4 * plain["ours"], "soft_impute": 4 * plain["soft-impute"]},
        rule="ours < soft_impute",
        reason="the paper's rows are one vector and noise: soft-impute with biases and a penalty chosen on held-out "
        f"entries finds it at once. Without either its limit is {4 * plain['soft-impute, no biases']:.2f}, and after "
        + " and ".join(f"{row['sweeps']} sweeps it has {4 * row['error']:.2f}" for row in early)
        + ": the paper's 3.9 is an early stop of sweeps that move by the share seen only",
    )
    for kind in config["kinds"]:
        part = [line for line in table if line["kind"] == kind]
        study.beyond(
            f"sine of the largest angle between the fitted row space and the true one, {kind}",
            "its target, not shown",
            ", ".join(f"{line[ANGLE]:.5f} at C = {line['C']}" for line in part),
            "near 1 while the error of T is small: T is nearly of rank one, and of the row space only its first "
            "direction is recovered; do not read the others"
            if kind == "common means"
            else "a small error of T and a small angle come together, from enough entries on",
        )
    many = of["mixtures", max(config["C"])]
    lost = [line for line in table if line["kind"] == "mixtures" and line["soft-impute, no biases"] < line["ours"]]
    from_c = min((line["C"] for line in lost if line["soft-impute, no biases"] < 1), default=None)
    study.beyond(
        f"mixtures at C = {max(config['C'])}: completing the table itself",
        "not shown",
        f"{many['soft-impute, no biases']:.4f} (low rank without a penalty) against {many['ours']:.3f} (ours); it is "
        f"ahead from C = {from_c} on",
        reason="these rows have no noise, and ten entries tell ten factors; one-sided completion pays while rows have "
        "few entries for their rank and noise: the library warns above three times the rank",
    )
