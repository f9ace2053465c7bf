"""Small matplotlib displays; every function returns a Figure and touches no global state."""

from __future__ import annotations

from halfseen.show.descent import plot_descent, plot_growth, plot_scaling
from halfseen.show.factors import plot_factor_map, plot_sizes
from halfseen.show.figures import save_figure
from halfseen.show.fits import plot_held_out, plot_rank_choice, plot_trace
from halfseen.show.intervals import plot_ellipses, plot_intervals
from halfseen.show.live import LivePlot
from halfseen.show.penalties import plot_penalty_path
from halfseen.show.pictures import image_grid
from halfseen.show.seen import plot_counts, plot_seen
from halfseen.show.source_factors import plot_samples, plot_source_loadings, plot_variance_explained
from halfseen.show.sources import part_images, plot_embeddings, plot_heterogeneity, plot_shared_basis, plot_shares

__all__ = [
    "LivePlot",
    "image_grid",
    "part_images",
    "plot_counts",
    "plot_descent",
    "plot_ellipses",
    "plot_embeddings",
    "plot_factor_map",
    "plot_growth",
    "plot_held_out",
    "plot_heterogeneity",
    "plot_intervals",
    "plot_penalty_path",
    "plot_rank_choice",
    "plot_samples",
    "plot_scaling",
    "plot_seen",
    "plot_shared_basis",
    "plot_shares",
    "plot_sizes",
    "plot_source_loadings",
    "plot_trace",
    "plot_variance_explained",
    "save_figure",
]
