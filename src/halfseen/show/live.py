"""The trace of a fit while it runs, as a picture that is drawn again and again."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from halfseen.show.figures import BLUE, new_figure, save_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class LivePlot:
    """Watch a fit: a callback for ``model.set_callbacks(...)``, and a watcher for :func:`halfseen.solvers.loop`.

    Parameters
    ----------
    path : path-like, optional
        Picture to write, over and over; an image viewer that reloads shows the fit.
    display : callable, optional
        Gets the figure instead: in a notebook ``lambda figure: (clear_output(wait=True), display(figure))``.
    every : float
        Seconds between two pictures.

    Attributes
    ----------
    values : list of float
        The objective after every sweep.
    pictures : int
        How many were drawn.

    Examples
    --------
    >>> import numpy as np, halfseen as hs
    >>> live = LivePlot(display=lambda figure: None)
    >>> model = hs.OverparametrizedFactorization(stop=20, random_state=0).set_callbacks(live)
    >>> _ = model.fit(np.outer([1.0, 2.0, 3.0], [1.0, 2.0]))
    >>> len(live.values), live.pictures >= 1
    (20, True)
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, display: Any = None, every: float = 1.0) -> None:
        if (path is None) == (display is None):
            raise ValueError("give LivePlot either path= (a picture to write) or display= (what gets the figure)")
        self.path, self.display, self.every = None if path is None else Path(path), display, every
        self.values: list[float] = []
        self.pictures = 0
        self._drawn = -np.inf

    def __call__(self, iteration: int, result: Any, seconds: float) -> None:
        """Told of a sweep by the loop."""
        self.values.append(float(result.value))
        if time.monotonic() - self._drawn >= self.every:
            self.draw()

    # scikit-learn's callback protocol
    def setup(self, estimator: Any, context: Any) -> None:
        """A fit begins: forget the last one."""
        self.values, self._drawn = [], -np.inf

    def on_fit_task_begin(self, estimator: Any, context: Any, **told: Any) -> None:
        """Nothing to see yet."""

    def on_fit_task_end(self, estimator: Any, context: Any, **told: Any) -> bool:
        """Told of a sweep by the estimator; never asks to stop."""
        sweep = getattr(context, "sweep", None)
        if sweep is not None:
            self(sweep[0], sweep[1], 0.0)
        return False

    def teardown(self, estimator: Any, context: Any) -> None:
        """A fit has ended: draw all of it."""
        self.draw()

    def draw(self) -> None:
        """Draw what was seen so far."""
        if not self.values:
            return
        self._drawn, self.pictures = time.monotonic(), self.pictures + 1
        figure = self.figure()
        if self.path is not None:
            fresh = self.path.with_name(f".{self.path.stem}-new{self.path.suffix}")  # viewers never see half a picture
            save_figure(figure, fresh)
            os.replace(fresh, self.path)
        else:
            self.display(figure)

    def figure(self) -> Figure:
        """The objective over the sweeps."""
        figure = new_figure(5.4, 3.4)
        axes = tidy(figure.subplots())
        values = np.asarray(self.values)
        axes.plot(np.arange(1, len(values) + 1), values, color=BLUE)
        if np.all(values > 0):
            axes.set_yscale("log")
        axes.set(xlabel="sweep", ylabel="objective")
        axes.set_title(f"sweep {len(values)}", fontsize=11, loc="left")
        return figure
