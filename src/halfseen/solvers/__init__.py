"""Solvers move parameters: one loop, many sweeps, their stops and watchers."""

from __future__ import annotations

from halfseen.solvers.adam import Adam
from halfseen.solvers.component_stops import Discrepancy, HeldOutComponents, LargestRest, Plateau
from halfseen.solvers.factored import (
    DenseObjective,
    EntryObjective,
    FactorDescent,
    FactorObjective,
    Factors,
    ImplicitObjective,
    product_svd,
    small_start,
)
from halfseen.solvers.gradient import AcceleratedGradient, BacktrackingGradient, GradientDescent, largest_curvature
from halfseen.solvers.levenberg import LevenbergMarquardt, NormalProblem
from halfseen.solvers.loop import Run, Stop, Sweep, SweepResult, Trace, Watcher, loop
from halfseen.solvers.mixing import AndersonMixing
from halfseen.solvers.newton import AlternatingNewton, NewtonCG, conjugate_gradient
from halfseen.solvers.polya import polya_gamma
from halfseen.solvers.problem import CurvedProblem, HalvedProblem, LastPoint, SmoothProblem, largest
from halfseen.solvers.projected_rotation import ProjectedRotation
from halfseen.solvers.quasi_newton import LimitedMemory
from halfseen.solvers.rank_detector import HeldOutError, RankDetection, detect_rank
from halfseen.solvers.spectral_filter import Growth, SpectralFilter
from halfseen.solvers.stops import GradientNorm, HeldOut, RelativeChange, SmallValue
from halfseen.solvers.tensors import shared_components

__all__ = [
    "AcceleratedGradient",
    "Adam",
    "AlternatingNewton",
    "AndersonMixing",
    "BacktrackingGradient",
    "CurvedProblem",
    "DenseObjective",
    "Discrepancy",
    "EntryObjective",
    "FactorDescent",
    "FactorObjective",
    "Factors",
    "GradientDescent",
    "GradientNorm",
    "Growth",
    "HalvedProblem",
    "HeldOut",
    "HeldOutComponents",
    "HeldOutError",
    "ImplicitObjective",
    "LargestRest",
    "LastPoint",
    "LevenbergMarquardt",
    "LimitedMemory",
    "NewtonCG",
    "NormalProblem",
    "Plateau",
    "ProjectedRotation",
    "RankDetection",
    "RelativeChange",
    "Run",
    "SmallValue",
    "SmoothProblem",
    "SpectralFilter",
    "Stop",
    "Sweep",
    "SweepResult",
    "Trace",
    "Watcher",
    "conjugate_gradient",
    "detect_rank",
    "largest",
    "largest_curvature",
    "loop",
    "polya_gamma",
    "product_svd",
    "shared_components",
    "small_start",
]
