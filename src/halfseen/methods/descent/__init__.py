"""Overparametrized factorization: gradient descent from a small start, stopped early."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halfseen.methods.descent.model import OverparametrizedFactorization
from halfseen.methods.descent.options import (
    BetweenModes,
    DiscrepancyStop,
    HeldOutStop,
    PlateauStop,
    Sure,
    TheoryWindow,
)
from halfseen.methods.descent.path import DescentPath, HeldOutCurve, Passed

__all__ = [
    "BetweenModes",
    "DescentPath",
    "DiscrepancyStop",
    "HeldOutCurve",
    "HeldOutStop",
    "OverparametrizedFactorization",
    "Passed",
    "PlateauStop",
    "Sure",
    "TheoryWindow",
]


if not TYPE_CHECKING:

    def __getattr__(name):
        from halfseen.submodules import submodule

        return submodule(__name__, name)
