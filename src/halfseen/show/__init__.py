"""Small matplotlib displays; every function returns a Figure and touches no global state."""

from __future__ import annotations

from halfseen.show.figures import save_figure
from halfseen.show.fits import plot_held_out, plot_rank_choice, plot_trace
from halfseen.show.intervals import plot_ellipses, plot_intervals
from halfseen.show.pictures import image_grid

__all__ = [
    "image_grid",
    "plot_ellipses",
    "plot_held_out",
    "plot_intervals",
    "plot_rank_choice",
    "plot_trace",
    "save_figure",
]
