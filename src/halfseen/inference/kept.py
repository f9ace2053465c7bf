"""The entries of a fit, kept beside the model and never with it."""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from typing import Any

from halfseen.data import Observed
from halfseen.data.storable import storable


@storable
@dataclass(frozen=True)
class KeptEntries:
    """The table a model was fitted to; never saved, pickled or copied with it.

    Parameters
    ----------
    observed : Observed or None
    """

    observed: InitVar[Observed | None] = None

    def __post_init__(self, observed: Observed | None) -> None:
        object.__setattr__(self, "_table", observed)

    def table(self) -> Observed | None:
        """The table, or None in a model that came out of a file."""
        return self.__dict__["_table"]

    def __reduce__(self) -> tuple[Any, ...]:
        return KeptEntries, ()
