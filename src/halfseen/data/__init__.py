"""What was observed: entries with labels and weights, readers, splits, and files of fitted models.

The only place that knows how data are stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from halfseen.data.compressed import Compressed
from halfseen.data.evals import Evaluations, read_evals
from halfseen.data.features import SideFeatures
from halfseen.data.observed import Observed
from halfseen.data.prepare import prepare
from halfseen.data.prepared import PreparedTable
from halfseen.data.readers import read_sources, read_table
from halfseen.data.sources import Sources, as_sources
from halfseen.data.storable import storable
from halfseen.data.store import load, save
from halfseen.data.validate import as_observed, check_support

__all__ = [
    "Compressed",
    "Evaluations",
    "Observed",
    "PreparedTable",
    "SideFeatures",
    "Sources",
    "as_observed",
    "as_sources",
    "check_support",
    "load",
    "prepare",
    "read_evals",
    "read_sources",
    "read_table",
    "save",
    "storable",
]


if not TYPE_CHECKING:

    def __getattr__(name):
        from halfseen.submodules import submodule

        return submodule(__name__, name)
