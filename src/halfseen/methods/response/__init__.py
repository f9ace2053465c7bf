"""Item response models: tests, leaderboards, item banks; one side of the table is integrated out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halfseen.methods.response.model import ItemResponseModel

__all__ = ["ItemResponseModel"]


if not TYPE_CHECKING:

    def __getattr__(name):
        from halfseen.submodules import submodule

        return submodule(__name__, name)
