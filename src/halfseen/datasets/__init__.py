"""Data to try things on: bundled, simulated, and the real sets of a data folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from halfseen.datasets.catalogue import DatasetInfo, data_home, file_of, list_datasets, load, names, path
from halfseen.datasets.digits import load_digits_counts
from halfseen.datasets.many import SourcesData, SourcesDesign, make_sources_data
from halfseen.datasets.simulated import FactorData, make_factor_data

if TYPE_CHECKING:
    from halfseen.datasets.many import SourcesData, SourcesDesign, make_sources_data

__all__ = [
    "DatasetInfo",
    "FactorData",
    "SourcesData",
    "SourcesDesign",
    "data_home",
    "file_of",
    "list_datasets",
    "load",
    "load_digits_counts",
    "make_factor_data",
    "make_sources_data",
    "names",
    "path",
]


def __getattr__(name: str) -> Any:
    """Load the simulated sources when they are asked for."""
    if name not in ("SourcesData", "SourcesDesign", "make_sources_data"):
        raise AttributeError(f"module 'halfseen.datasets' has no attribute {name!r}")
    from halfseen.datasets import many

    return getattr(many, name)
