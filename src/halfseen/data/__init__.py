"""What was observed: entries with labels and weights, readers, splits, and files of fitted models.

The only place that knows how data are stored.
"""

from __future__ import annotations

from halfseen.data.compressed import Compressed
from halfseen.data.observed import Observed
from halfseen.data.readers import read_table
from halfseen.data.validate import as_observed, check_support

__all__ = ["Compressed", "Observed", "as_observed", "check_support", "read_table"]
