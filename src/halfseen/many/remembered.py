"""The data of a fit, kept beside the model and never with it."""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from typing import Any

from halfseen.data import Sources
from halfseen.data.storable import storable


@storable
@dataclass(frozen=True)
class Remembered:
    """The sources a model was fitted to; never saved, pickled or copied with it.

    Parameters
    ----------
    given : Sources or None
    """

    given: InitVar[Sources | None] = None

    def __post_init__(self, given: Sources | None) -> None:
        object.__setattr__(self, "_sources", given)

    def sources(self) -> Sources | None:
        """The sources, or None in a model that came out of a file."""
        return self.__dict__["_sources"]

    def __reduce__(self) -> tuple[Any, ...]:
        return Remembered, ()
