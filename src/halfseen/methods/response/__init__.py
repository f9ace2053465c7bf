"""Item response models: tests, leaderboards, item banks; one side of the table is integrated out."""

from __future__ import annotations

from halfseen.methods.response.model import ItemResponseModel

__all__ = ["ItemResponseModel"]
