"""What fitted models tell, in parts without any markup; :mod:`halfseen.render` renders them."""

from __future__ import annotations

from halfseen.summary.summary import Summary

__all__ = ["Summary"]
