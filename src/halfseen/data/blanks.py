"""Text that is rewritten while it is read: runs of blanks made single, and what a layout asks for."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

AT_ONCE = 1 << 20
QUOTED_OR_RUN = re.compile(rb'("[^"\n]*")|[ \t]+')
EDGES = re.compile(rb"(?m)^ +| +$")


def squeezed(lines: bytes) -> bytes:
    r"""Single blanks between the words of whole lines, none at their ends; quoted text stays as it is.

    >>> squeezed(b'  1   2\t3 \n"a  b"  4\r\n')
    b'1 2 3\n"a  b" 4\n'
    """
    lines = lines.replace(b"\r\n", b"\n")
    single = QUOTED_OR_RUN.sub(lambda match: match[1] or b" ", lines) if b'"' in lines else _runs(lines)
    return EDGES.sub(b"", single)


def _runs(lines: bytes) -> bytes:
    return re.sub(rb"[ \t]+", b" ", lines)


class Rewritten(io.RawIOBase):
    """A readable file over another one, rewritten some whole lines at a time.

    Parameters
    ----------
    source : file
        Anything with ``read(n)`` that gives bytes.
    longest : int
        Bytes after which a line without an end is refused.
    rewrite : callable
        Gets the bytes of whole lines, in their order, and returns those to read instead.
    is_broken : bool
        Whether text in quotes goes over the ends of lines, so that lines end where quotes are closed.
    """

    def __init__(self, source: Any, longest: int, rewrite: Callable[[bytes], bytes], is_broken: bool = False) -> None:
        super().__init__()
        self._source, self._longest, self._rewrite, self._is_broken = source, longest, rewrite, is_broken
        self._ready, self._rest = b"", b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; 0 at the end."""
        if not self._ready:
            self._ready = self._next()
        part = self._ready[: len(buffer)]
        buffer[: len(part)] = part
        self._ready = self._ready[len(part) :]
        return len(part)

    def _next(self) -> bytes:
        """The next whole lines, b"" at the end."""
        pieces = [self._rest]
        length = len(self._rest)
        while True:  # not an iteration: reads on to the next end of a line
            piece = self._source.read(AT_ONCE)
            if not piece:
                self._rest = b""
                rest = b"".join(pieces)
                return self._rewrite(rest) if rest else b""
            end = piece.rfind(b"\n") + 1
            whole = b"".join([*pieces, piece[:end]]) if end else b""
            if end and not (self._is_broken and whole.count(b'"') % 2):
                lines = self._rewrite(whole)
                if lines:
                    self._rest = piece[end:]
                    return lines
                pieces, length = [piece[end:]], len(piece) - end
                continue
            pieces.append(piece)
            length += len(piece)
            if length > self._longest:
                raise ValueError(f"a line has more than {self._longest} bytes")

    def close(self) -> None:
        """Close both files."""
        self._source.close()
        super().close()
