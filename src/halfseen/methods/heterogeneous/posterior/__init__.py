"""The Bayesian model of many sources: noise, ridges and the pattern of factors from the data, ranks as bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halfseen.methods.heterogeneous.posterior.fit import fit_posterior
from halfseen.methods.heterogeneous.posterior.result import SourcesPosterior
from halfseen.methods.heterogeneous.posterior.settings import PosteriorSettings

__all__ = ["PosteriorSettings", "SourcesPosterior", "fit_posterior"]


if not TYPE_CHECKING:

    def __getattr__(name):
        from halfseen.submodules import submodule

        return submodule(__name__, name)
