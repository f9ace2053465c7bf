"""Interleaved timing: every contestant runs once per round, so that a noisy minute falls on all of them."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

NOT_INSTALLED = "target unmet: not installed"


@dataclass(frozen=True)
class Line:
    """One line of the result: a ratio with its floor and its aim.

    ``is_upper`` tells that the goal is an upper bound (a cost); otherwise at least that much is wanted (a gain).
    """

    row: str
    what: str
    floor: float | None
    aim: float | None
    measured: float | None
    unit: str = "x"
    is_upper: bool = True
    note: str = ""

    @property
    def verdict(self) -> str:
        """How the measurement stands to its goals."""
        if self.measured is None:
            return self.note or NOT_INSTALLED
        for bound, text in ((self.aim, "aim reached"), (self.floor, "floor reached")):
            if bound is not None and (self.measured <= bound if self.is_upper else self.measured >= bound):
                return text
        if self.floor is None:
            return "reported" if self.aim is None else "short of the aim"
        return "below floor"


class Timings:
    """CPU seconds of each contestant in each round."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self.seconds

    def best(self, name: str) -> float:
        """Shortest round."""
        return min(self.seconds[name])

    def typical(self, name: str) -> float:
        """Median round."""
        return statistics.median(self.seconds[name])

    def ratio(self, above: str, below: str) -> float | None:
        """Median over the rounds of ``above / below``, each taken within one round; None if one is missing."""
        if above not in self.seconds or below not in self.seconds:
            return None
        pairs = zip(self.seconds[above], self.seconds[below], strict=True)
        return statistics.median(a / b for a, b in pairs)


def interleave(
    contestants: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.process_time
) -> Timings:
    """Run all contestants ``rounds`` times in turn, after one unmeasured round."""
    timings = Timings()
    for name, run in contestants.items():
        run()
        timings.seconds[name] = []
    for _ in range(rounds):
        for name, run in contestants.items():
            start = clock()
            run()
            timings.seconds[name].append(clock() - start)
    return timings


def matrix_product(dtype: str, size: int = 1024) -> tuple[Callable[[], object], float]:
    """A BLAS product and its number of flops: the speed of light of this machine, in the same job."""
    import numpy as np

    left = np.random.default_rng(0).normal(size=(size, size)).astype(dtype)
    out = np.empty_like(left)
    return (lambda: np.matmul(left, left, out=out)), 2.0 * size**3


def in_fresh_process(code: str, **environment: str) -> dict[str, float]:
    """Run code in a new interpreter; its last line of output is JSON."""
    found = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if found.returncode:
        raise RuntimeError(found.stderr.strip().splitlines()[-1])
    return json.loads(found.stdout.strip().splitlines()[-1])


def machine_facts() -> dict[str, object]:
    """What the figures depend on; no host name."""
    facts: dict[str, object] = {"python": platform.python_version(), "system": platform.system()}
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            known = dict(line.split(":", 1) for line in lines if ":" in line)
        known = {key.strip(): value.strip() for key, value in known.items()}
        wanted = ("avx2", "avx512f", "avx512_bf16")
        facts["processor"] = known.get("model name", platform.processor())
        facts["cores"] = os.cpu_count()
        facts["flags"] = " ".join(flag for flag in wanted if flag in known.get("flags", "").split())
    except OSError:
        facts["processor"] = platform.processor()
    if hasattr(os, "getloadavg"):
        facts["load"] = round(os.getloadavg()[0], 2)
    peers = ("torch", "implicit", "cmfrec", "libmf", "scikit-surprise")
    for package in ("halfseen", "numpy", "scipy", "scikit-learn", *peers):
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "source tree" if package == "halfseen" else "not installed"
    from halfseen.kernels import backend_name

    facts["kernels"] = backend_name()
    return facts
