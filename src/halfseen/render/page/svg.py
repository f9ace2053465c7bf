"""Matplotlib figures as inline SVG that follows the colours and the width of the page."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np

from halfseen.render.page.elements import png_image
from halfseen.show.figures import BLUE, FRAME, GREY, MISSING, ORANGE

# Colours of the displays, as the page's style sheet has them for light and dark.
THEME = {
    "#000000": "currentColor",
    "#ffffff": "var(--paper)",
    FRAME: "var(--line)",
    GREY: "var(--muted)",
    BLUE: "var(--blue)",
    ORANGE: "var(--orange)",
    MISSING: "var(--missing)",
}
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "svg.image_inline": True,
    "font.family": "sans-serif",
}
COLOUR = re.compile("|".join(THEME), re.IGNORECASE)
FONTS = re.compile(r"font-family:[^;]*")
DPI = 110
RAISED = str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")


def inline_picture(draw: Callable[[], Any], alt: str, salt: str) -> str:
    """The figure as markup for the middle of a page, without any address in it.

    Parameters
    ----------
    draw : callable
        Returns a figure; called with settings under which labels are taken letter by letter.
    alt : str
        What a reader who does not see it is told.
    salt : str
        Different for every picture of a page: their parts have names.

    Returns
    -------
    str
        SVG; a bitmap where labels hold what XML cannot.
    """
    from matplotlib import rc_context

    with rc_context({**SETTINGS, "svg.hashsalt": salt}), warnings.catch_warnings():
        # letters that matplotlib's own font lacks are the browser's business
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure = draw()
        for axes in figure.axes:
            _plain_powers(axes)
            for dots in axes.collections:  # thousands of dots are lighter as a bitmap
                dots.set_rasterized(len(dots.get_offsets()) > 800)
        buffer = io.StringIO()
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=metadata, dpi=DPI)
        try:
            root = ElementTree.fromstring(buffer.getvalue())
        except ElementTree.ParseError:
            return _bitmap(figure, alt)
    return _themed(root, alt, salt)


def _plain_powers(axes: Any) -> None:
    """Ticks of logarithmic axes as text: matplotlib writes them as formulas, which labels taken literally rule out."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() in ("log", "symlog"):
            axis.set_major_formatter(FuncFormatter(lambda value, _: power_text(value)))
            low, high = sorted(np.abs(axis.get_view_interval()))
            if not 0 < high < 10 * low:
                axis.set_minor_formatter(NullFormatter())
            else:
                axis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def power_text(value: float) -> str:
    """A power of ten as text.

    >>> power_text(1000), power_text(1e-12), power_text(0)
    ('1000', '10\u207b\u00b9\u00b2', '0')
    """
    if value == 0 or 1e-3 < abs(value) < 1e5:
        return f"{value:g}"
    exponent = round(math.log10(abs(value)))
    if not math.isclose(abs(value), 10.0**exponent, rel_tol=1e-6):
        return f"{value:.0e}"
    return ("-" if value < 0 else "") + "10" + str(exponent).translate(RAISED)


def _bitmap(figure: Any, alt: str) -> str:
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=DPI, metadata={"Software": None})
    return f'<div class="bitmap">{png_image(png.getvalue(), alt)}</div>'


def _themed(root: ElementTree.Element, alt: str, salt: str) -> str:
    """The drawing without namespaces and metadata, in the page's colours, with names of its own."""
    for parent in root.iter():
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {_local(name): _value(_local(name), value, salt) for name, value in element.attrib.items()}
    size = root.attrib["viewBox"].split()
    root.attrib = {"viewBox": root.attrib["viewBox"], "class": "chart", "role": "img", "aria-label": alt}
    root.attrib["style"] = f"max-width: {1.7 * float(size[2]):.0f}px"
    text: str = ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)
    return text


def _local(name: str) -> str:
    return name.rsplit("}", 1)[-1]


def _value(name: str, value: str, salt: str) -> str:
    if name == "id":
        return f"{salt}-{value}"
    if name == "href" and value.startswith("#"):
        return f"#{salt}-{value[1:]}"
    if name == "clip-path":
        return value.replace("url(#", f"url(#{salt}-")
    if name == "style":
        return FONTS.sub("font-family: inherit", COLOUR.sub(lambda match: THEME[match[0].lower()], value))
    return value
