"""What a fit has to say about itself: once as a warning, and kept on the model."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

PACKAGE = str(Path(__file__).parent)


class Tells:
    """An estimator that keeps what it warned about in ``warnings_``, a tuple of sentences."""

    warnings_: tuple[str, ...]

    def _begin_telling(self) -> None:
        """Forget what an earlier fit said."""
        self.warnings_ = ()

    def _keep_sentence(self, text: str) -> None:
        """Keep a sentence that is worth reading and no reason to interrupt."""
        self.warnings_ = (*getattr(self, "warnings_", ()), text)

    def _warn(self, text: str, category: type[Warning] = UserWarning) -> None:
        """Warn at the line of the user's code that called the library, and keep the text.

        Parameters
        ----------
        text : str
            What was seen, what it means, what to do.
        category : type
        """
        self.warnings_ = (*getattr(self, "warnings_", ()), text)
        warnings.warn(text, category, stacklevel=levels_up())


def levels_up() -> int:
    """The ``stacklevel`` (for the caller of this function) of the first frame outside the library."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):  # not an iteration: frames
        level, frame = level + 1, frame.f_back
    return level
