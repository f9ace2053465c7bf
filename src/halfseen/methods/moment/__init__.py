"""One-sided completion: how columns move together, from rows of which a few cells each were seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halfseen.methods.moment.mixture import CommonMeans, common_means
from halfseen.methods.moment.model import OneSidedCompletion
from halfseen.methods.moment.moments import PairMoments
from halfseen.methods.moment.private import Privacy, PrivateMoments

__all__ = [
    "CommonMeans",
    "OneSidedCompletion",
    "PairMoments",
    "Privacy",
    "PrivateMoments",
    "common_means",
]


if not TYPE_CHECKING:

    def __getattr__(name):
        from halfseen.submodules import submodule

        return submodule(__name__, name)
