"""Held-out figures of `halfseen fit factor` on real tables: python examples/results/factor_real.py

Runs the commands below and writes factor_real.csv beside this file; HALFSEEN_DATA names the data folder. The figures
are those that each command prints: a random tenth of the entries held out, rank chosen on further held-out entries.
"""

from __future__ import annotations

import csv
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

RATINGS = "$HALFSEEN_DATA/ml-100k/u.data --no-header --row 0 --col 1 --value 2"
ANSWERS = "$HALFSEEN_DATA/llm/evalplus_binary.npz --row models --col benchmark+items --value response --missing 255"
RANKS = "--rank 1,2,4,8"
COMMANDS = {
    "ml-100k, gaussian": f"fit factor {RATINGS} {RANKS} --threads 1",
    "ml-100k, binomial(4)": f"fit factor {RATINGS} --shift -1 --family binomial --trials 4 {RANKS} --threads 1",
    "evalplus, bernoulli": f"fit factor {ANSWERS} --family bernoulli {RANKS} --threads 1",
}
FIELDS = ("table", "model", "rmse", "mae", "deviance", "n_fitted", "n_held_out", "command")


def run(words: str) -> dict:
    """The JSON that one command prints."""
    line = [sys.executable, "-m", "halfseen", *map(os.path.expandvars, shlex.split(words)), "--json"]
    done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def main() -> None:
    """Run all commands and write their figures."""
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    with Path(__file__).with_suffix(".csv").open("w", encoding="utf-8", newline="") as out:
        out.write("# python examples/results/factor_real.py (one thread, seed 0; HALFSEEN_DATA is the data folder)\n")
        writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
        writer.writeheader()
        for name, words in COMMANDS.items():
            facts = run(words)
            for row in facts["figures"]:
                scores = {key: f"{row[key]:.4f}" for key in ("rmse", "mae", "deviance") if key in row}
                counts = {"n_fitted": facts["n_fitted"], "n_held_out": facts["n_judged"]}
                writer.writerow(
                    {"table": name, "model": row["model"], **scores, **counts, "command": f"halfseen {words}"}
                )


if __name__ == "__main__":
    main()
