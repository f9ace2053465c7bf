"""Names of types that signatures all over the library share."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]
BoolArray = NDArray[np.bool_]
Labels = NDArray[Any]
RandomState = int | np.random.Generator | np.random.RandomState | None


class FittedModel(Protocol):
    """What type checkers know of a model that :func:`halfseen.load` gives, whatever its class.

    Fitted attributes and a class's own methods are reached as they are, as ``Any``.
    """

    def predict(self, *args: Any, **more: Any) -> FloatArray:
        """Predict cells, as the class of the model does."""
        ...

    def predict_table(self, *args: Any, **more: Any) -> FloatArray:
        """Predict whole tables, as the class of the model does."""
        ...

    def __getattr__(self, name: str) -> Any: ...


def as_generator(random_state: RandomState = None) -> np.random.Generator:
    """Turn a seed, a Generator, a legacy RandomState or None into a Generator.

    Parameters
    ----------
    random_state : int, Generator, RandomState or None
        A Generator is returned as it is (its state moves on); a legacy RandomState is asked for a seed.

    Returns
    -------
    numpy.random.Generator

    Examples
    --------
    >>> int(as_generator(0).integers(100))
    85
    """
    if isinstance(random_state, np.random.Generator):
        return random_state
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31 - 1))
    if random_state is np.random:  # scikit-learn's spelling of the global legacy generator
        return np.random.default_rng(np.random.randint(2**31 - 1))  # noqa: NPY002
    return np.random.default_rng(random_state)
