"""Reports: one self-contained HTML page about a fitted model of any method."""

from __future__ import annotations

from halfseen.render.page.write import report

__all__ = ["report"]
