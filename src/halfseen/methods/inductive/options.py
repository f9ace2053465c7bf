"""What the words of inductive models may be, and which parameters do not go together."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from halfseen.methods.inductive.activations import ACTIVATIONS, Activation
from halfseen.parameters import BadArgument, Suits, Word

SOLVERS = ("lbfgs", "gd", "levenberg-marquardt")
STARTS = ("random", "tensor", "cross")
EFFECTS = ("none", "rows", "cols", "both")
GAUGES = ("balance", "none", "first_row")
# Not a family: cells that were not seen count as zeros.
ONE_CLASS = "one_class"

# Units where no number is given: of tables with features, and of one-class tables without any.
UNITS, ONE_CLASS_UNITS = 10, 64
# And of one-class tables with features.
FEATURED_ONE_CLASS_UNITS = 32

ACTIVATION = Word(*ACTIVATIONS) | Suits(lambda value: isinstance(value, Activation), "an Activation")


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2


START = Word(*STARTS) | Suits(_is_pair, "a pair of arrays (U, V)")


def check_together(settings: SimpleNamespace) -> None:
    """Refuse parameters that do not go together."""
    is_free = settings.effects not in ("none", "auto") or settings.free_rank
    if settings.is_tied and is_free:
        raise BadArgument("is_tied", settings.is_tied, "False with effects or free factors", "Take effects='none'.")
    if settings.solver != "levenberg-marquardt":
        return
    if is_free:
        raise BadArgument("solver", settings.solver, "'lbfgs' or 'gd' with effects or free factors")
    if settings.family == ONE_CLASS:
        raise BadArgument("solver", settings.solver, "'lbfgs' or 'gd' with family='one_class'")


def is_plain_one_class(settings: SimpleNamespace, sides: dict[str, Any]) -> bool:
    """Whether exact alternating sweeps fit the model: one-class, no features, and nothing asked for beside factors."""
    plain = settings.family == ONE_CLASS and all(given is None for given in sides.values())
    effects = "none" if settings.effects == "auto" else settings.effects
    usual = (settings.solver, settings.start, effects, settings.gauge, settings.scale)
    return (
        plain
        and usual == ("lbfgs", "random", "none", "balance", "auto")
        and not settings.free_rank
        and not settings.is_tied
    )
