"""What an installed halfseen must do: fit, predict, an interval, save and load, and the command line. Ten seconds."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import halfseen as hs
from halfseen.kernels import backend_name


def main() -> None:
    """Raise where anything is not as it should be; say which kernels ran."""
    rng = np.random.default_rng(0)
    truth = np.outer(rng.normal(size=40), rng.normal(size=20))
    table = np.where(rng.random(truth.shape) < 0.7, truth + 0.1 * rng.normal(size=truth.shape), np.nan)
    model = hs.GeneralizedFactorModel(rank=1, random_state=0).fit(table)
    error = np.sqrt(np.mean((model.predict_table() - truth) ** 2))
    assert error < 0.3 * truth.std(), error
    interval = model.inference().entries([0], [0])
    assert interval.low[0] < interval.high[0], interval
    with tempfile.TemporaryDirectory() as folder:
        hs.save(model, Path(folder) / "model.safetensors")
        loaded = hs.load(Path(folder) / "model.safetensors")
        assert np.array_equal(loaded.predict_table(), model.predict_table())
    said = subprocess.run([sys.executable, "-m", "halfseen", "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["halfseen", hs.__version__], said.stdout
    print(f"halfseen {hs.__version__} on Python {sys.version.split()[0]}: {backend_name()}")


if __name__ == "__main__":
    main()
