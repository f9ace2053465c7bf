"""The parameters of the factor model: what each may be, and what follows from them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from halfseen.parameters import ENGINE, FAMILY, RANDOM_STATE, RANK, Flag, Nothing, Number, Table, Whole, Word

POSITIVE = Number(0, above=True)
PARAMETERS: Table = {
    "rank": RANK,
    "family": FAMILY,
    "penalty": Number(0) | Word("auto", "map", "none"),
    "bias": Word("auto", "firth", "none"),
    "rotation": Nothing() | Word("varimax"),
    "max_iter": Nothing() | Whole(1),
    "tol": POSITIVE,
    "solver": Word("newton-cg", "alternating", "gd", "nesterov"),
    "start": Word("auto", "spectral", "linear"),
    "step": Word("auto") | POSITIVE,
    "rho": POSITIVE,
    "c_orth": Number(0),
    "trim": Nothing() | POSITIVE,
    "c_lambda": POSITIVE,
    "n_triplets": Whole(1),
    "is_centred": Flag(),
    "one_step_penalty": Nothing() | Number(0),
    "random_state": RANDOM_STATE,
    "engine": ENGINE,
}
# Huang and Gu's own choices.
PRINTED: dict[str, Any] = {
    "penalty": "none", "bias": "none", "start": "spectral", "solver": "gd", "step": 0.003, "c_orth": 0.1, "trim": 3.0,
    "is_centred": False, "one_step_penalty": 0.0,
}  # fmt: skip
GRADIENT_SOLVERS = ("gd", "nesterov")


def most_sweeps(settings: SimpleNamespace) -> int:
    """Largest number of sweeps of the last stage."""
    if settings.max_iter is not None:
        return int(settings.max_iter)
    return 5000 if settings.solver in GRADIENT_SOLVERS else 100
