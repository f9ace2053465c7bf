"""Data to try things on: bundled, simulated, and the real sets of a data folder."""

from __future__ import annotations

from halfseen.datasets.catalogue import DatasetInfo, data_home, file_of, list_datasets, load, names, path
from halfseen.datasets.digits import load_digits_counts
from halfseen.datasets.many import SourcesData, SourcesDesign, make_sources_data
from halfseen.datasets.simulated import FactorData, make_factor_data

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
