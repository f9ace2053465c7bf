"""Held-out errors of `halfseen fit als` on MovieLens, on five random 90/10 splits; writes als_commands.csv.

    HALFSEEN_DATA=/path/to/data OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python examples/results/als_commands.py

Split ``s``: ``default_rng(s).permutation(n)`` of the ratings in file order, the last ``n // 10`` are the test part.
Both parts are written as CSV files into a temporary folder; the commands in the file fit the one and predict the
other. Users and films of which only the test part knows a rating stand in the training file with weight 0: known by
name, without influence, predicted by what is known of the other side.
"""

from __future__ import annotations

import csv
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from halfseen.datasets import path

SWITCHES = {
    "ml-100k": "--rank 64 --penalty 1.2 --bias-penalty 0.6 --epochs 20 --clip 1,5",
    "ml-1m": "--rank 16 --penalty 1.1 --bias-penalty 0.3 --epochs 20 --clip 1,5",
}
TARGETS = {"ml-100k": 0.906, "ml-1m": 0.8445}
COLUMNS = "--row user --col film --value rating --weight weight"
FIT = "halfseen fit als train.csv {columns} {switches} --held-out 0 --seed {split} --threads 1 -o run/"
PREDICT = "halfseen predict run/ pairs.csv -o predicted.csv"
SPLITS = range(5)
FIELDS = ("data", "split", "test_rmse", "target", "n_fitted", "n_test", "commands")


def ratings(name: str) -> np.ndarray:
    """User, film and rating of every line of the file, in its order."""
    if name == "ml-100k":
        return np.loadtxt(path(name), dtype=np.int64, usecols=(0, 1, 2))
    with np.load(path(name)) as file:
        return np.column_stack([file["user"], file["item"], file["rating"]]).astype(np.int64)


def write_split(lines: np.ndarray, split: int, folder: Path) -> np.ndarray:
    """Write train.csv and pairs.csv; return the ratings of the pairs."""
    order = np.random.default_rng(split).permutation(len(lines))
    test, train = lines[order[-(len(lines) // 10) :]], lines[order[: -(len(lines) // 10)]]
    cold = ~np.isin(test[:, 0], train[:, 0]) | ~np.isin(test[:, 1], train[:, 1])
    unseen = np.column_stack([test[cold, :2], np.full((cold.sum(), 2), (3, 0))])  # any rating: it counts for nothing
    weighted = np.vstack([np.column_stack([train, np.ones(len(train), dtype=np.int64)]), unseen])
    write_csv(folder / "train.csv", "user,film,rating,weight", weighted)
    write_csv(folder / "pairs.csv", "user,film", test[:, :2])
    return test[:, 2]


def write_csv(file: Path, header: str, numbers: np.ndarray) -> None:
    np.savetxt(file, numbers, fmt="%d", delimiter=",", header=header, comments="")


def run(line: str, folder: Path) -> None:
    """Run one command line in a folder."""
    words = [sys.executable, "-m", *shlex.split(line)]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{line}\n{done.stderr}")


def main() -> None:
    """Run all commands and write their figures; end with an error if a target is missed."""
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    missed = []
    with Path(__file__).with_suffix(".csv").open("w", encoding="utf-8", newline="") as out:
        out.write("# python examples/results/als_commands.py (one thread; HALFSEEN_DATA is the data folder)\n")
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(FIELDS)
        for name, switches in SWITCHES.items():
            lines, found = ratings(name), []
            for split in SPLITS:
                fit = FIT.format(columns=COLUMNS, switches=switches, split=split)
                with tempfile.TemporaryDirectory() as folder:
                    truth = write_split(lines, split, Path(folder))
                    run(fit, Path(folder))
                    run(PREDICT, Path(folder))
                    predicted = np.loadtxt(Path(folder) / "predicted.csv", delimiter=",", skiprows=1, usecols=2)
                found.append(float(np.sqrt(np.mean((predicted - truth) ** 2))))
                sizes = len(lines) - len(truth), len(truth)
                writer.writerow((name, split, f"{found[-1]:.5f}", TARGETS[name], *sizes, f"{fit}; {PREDICT}"))
                print(f"{name} split {split}: {found[-1]:.4f}", flush=True)
            mean = float(np.mean(found))
            writer.writerow((name, "mean", f"{mean:.5f}", TARGETS[name], "", "", ""))
            print(f"{name}: mean {mean:.4f}, to reach {TARGETS[name]}", flush=True)
            if mean > TARGETS[name]:
                missed.append(name)
    if missed:
        raise SystemExit(f"above its target: {', '.join(missed)}")


if __name__ == "__main__":
    main()
