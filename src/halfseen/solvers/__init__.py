"""Solvers move parameters: one loop, many sweeps, their stops and watchers."""

from __future__ import annotations

from halfseen.solvers.gradient import AcceleratedGradient, GradientDescent, largest_curvature
from halfseen.solvers.loop import Run, Stop, Sweep, SweepResult, Trace, Watcher, loop
from halfseen.solvers.newton import AlternatingNewton, NewtonCG, conjugate_gradient
from halfseen.solvers.problem import CurvedProblem, HalvedProblem, LastPoint, Problem, largest
from halfseen.solvers.stops import GradientNorm, HeldOut, RelativeChange

__all__ = [
    "AcceleratedGradient",
    "AlternatingNewton",
    "CurvedProblem",
    "GradientDescent",
    "GradientNorm",
    "HalvedProblem",
    "HeldOut",
    "LastPoint",
    "NewtonCG",
    "Problem",
    "RelativeChange",
    "Run",
    "Stop",
    "Sweep",
    "SweepResult",
    "Trace",
    "Watcher",
    "conjugate_gradient",
    "largest",
    "largest_curvature",
    "loop",
]
