"""Who writes the chapter of which model: a table from class names to functions, loaded when one is needed.

A new method gets its page by one line here: the name of its estimator, or of a class it inherits from.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from halfseen.show.page.parts import Chapter
from halfseen.show.page.subject import Subject

HERE = "halfseen.show.page.chapters"
CHAPTERS: dict[str, str] = {
    "GeneralizedFactorModel": f"{HERE}.factor:chapter",
    "ItemResponseModel": f"{HERE}.takers:chapter",
    "AlternatingLeastSquares": f"{HERE}.completion:least_squares",
    "BayesianFactorization": f"{HERE}.completion:bayesian",
    "SoftImpute": f"{HERE}.completion:soft_impute",
    "BiasedPredictions": f"{HERE}.completion:biases",
    "OverparametrizedFactorization": f"{HERE}.descent:chapter",
    "OneSidedCompletion": f"{HERE}.moment:chapter",
    "InductiveCompletion": f"{HERE}.inductive:chapter",
    "SimilarityClustering": f"{HERE}.clusters:chapter",
    "Autoencoder": f"{HERE}.autoencoder:chapter",
    "SourcesEstimator": f"{HERE}.sources:chapter",
    "Imputer": f"{HERE}.anything:imputer",
    "BaseEstimator": f"{HERE}.anything:chapter",
}


def chapter_of(model: Any) -> Callable[[Subject], Chapter]:
    """The function that writes the chapter of this model: its own, or that of the nearest class it inherits from.

    Examples
    --------
    >>> import halfseen as hs
    >>> chapter_of(hs.JIVE()).__module__
    'halfseen.show.page.chapters.sources'
    """
    for cls in type(model).__mro__:
        if cls.__name__ in CHAPTERS:
            module, name = CHAPTERS[cls.__name__].split(":")
            found: Callable[[Subject], Chapter] = getattr(import_module(module), name)
            return found
    raise TypeError(f"a report needs a fitted estimator; got {type(model).__name__}")
