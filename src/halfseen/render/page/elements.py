"""Text and pictures as elements of the page."""

from __future__ import annotations

import base64
import html
import re
from typing import Any

CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def escaped(text: Any) -> str:
    """Text that means itself, in the page and in attributes.

    >>> escaped('<b> & "x"')
    '&lt;b&gt; &amp; &quot;x&quot;'
    """
    return html.escape(CONTROL.sub("\ufffd", str(text)), quote=True)


def png_image(png: bytes, alt: str) -> str:
    """The element that shows a PNG."""
    code = base64.b64encode(png).decode()
    return f'<img class="chart" alt="{escaped(alt)}" src="data:image/png;base64,{code}">'
