"""How much memory a file may ask for: what its headers promise is checked before anything is allocated.

A file of a few kilobytes can promise terabytes, by mistake or on purpose. Readers compare what a header promises with
what the file can hold, and what decompression brings with a limit that grows with the file.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Text compresses about tenfold, sorted and repetitive columns fiftyfold; small files may ask for half a gigabyte.
LEAST = 512 << 20
EXPANSION = 100
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
# A line longer than this is no line of a table (a header of a million names has some ten megabytes).
LONGEST_LINE = 256 << 20


def bytes_of(size: Any, name: str = "max_bytes") -> int:
    """Return a number of bytes given as a number or as text.

    Raises
    ------
    ValueError
        For anything else, and for less than one byte.

    Examples
    --------
    >>> bytes_of("4GB"), bytes_of("1.5 MiB"), bytes_of(1e6)
    (4000000000, 1572864, 1000000)
    """
    number = size
    if isinstance(size, str):
        text = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?\s*", size.lower())
        number = None if text is None else float(text[1]) * UNITS.get(text[2], 0)
    if isinstance(number, bool) or not isinstance(number, int | float) or not 1 <= number < 2**63:
        raise ValueError(f"{name}={size!r} is not a size; give a number of bytes, or text such as '4GB'")
    return int(number)


@dataclass(frozen=True)
class Budget:
    """The memory that reading one file may take.

    Parameters
    ----------
    path : Path
    limit : int
        Bytes.

    Examples
    --------
    >>> Budget(Path("ratings.csv.gz"), 10**9).check(10**12, "its text")
    Traceback (most recent call last):
    ...
    ValueError: ratings.csv.gz: its text would take 1000 GB of memory, and at most 1 GB are allowed for this file; \
if it is right, raise the limit: max_bytes='2000000MB'
    """

    path: Path
    limit: int

    @classmethod
    def of(cls, path: Path, max_bytes: Any = None) -> Budget:
        """The limit that was asked for, or a hundred times the file (half a gibibyte at least)."""
        if max_bytes is not None:
            return cls(path, bytes_of(max_bytes))
        try:
            size = os.stat(path).st_size
        except OSError:
            size = 0
        return cls(path, max(LEAST, EXPANSION * size))

    def check(self, needed: int, what: str) -> None:
        """Refuse what needs more than the limit."""
        if needed > self.limit:
            raise ValueError(
                f"{self.path.name}: {what} would take {in_words(needed)} of memory, and at most "
                f"{in_words(self.limit)} are "
                f"allowed for this file; if it is right, raise the limit: max_bytes='{-(-2 * needed // 10**6)}MB'"
            )


def in_words(size: int) -> str:
    """A number of bytes with a unit.

    >>> in_words(1_500_000), in_words(2**40)
    ('1.5 MB', '1100 GB')
    """
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.4g} {name}" if size < 10**15 else f"{size / unit:.2g} {name}"
    return f"{size} bytes"
