"""halfseen: low-rank structure of tables of which only part was seen, with honest error bars.

Every public name lives here and is loaded on first use, so that importing the package stays cheap.

Examples
--------
>>> import numpy as np, halfseen as hs
>>> table = np.array([[1.0, 2.0, np.nan], [2.0, 4.0, 6.0], [np.nan, 6.0, 9.0]])
>>> hs.Observed.from_dense(table).n_entries
7
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "Observed": "halfseen.data",
    "Sources": "halfseen.data",
    "read_table": "halfseen.data",
    "save": "halfseen.data",
    "load": "halfseen.data",
    "GeneralizedFactorModel": "halfseen.methods.factor",
    "FactorOptions": "halfseen.methods.factor",
    "AlternatingLeastSquares": "halfseen.methods.baselines",
    "LeastSquaresOptions": "halfseen.methods.baselines",
    "BayesianFactorization": "halfseen.methods.baselines",
    "BayesianOptions": "halfseen.methods.baselines",
    "SoftImpute": "halfseen.methods.baselines",
    "SoftImputeOptions": "halfseen.methods.baselines",
    "OverparametrizedFactorization": "halfseen.methods.descent",
    "DescentOptions": "halfseen.methods.descent",
    "ColumnMean": "halfseen.methods.baselines",
    "BiasModel": "halfseen.methods.baselines",
    "OneSidedCompletion": "halfseen.methods.moment",
    "OneSidedOptions": "halfseen.methods.moment",
    "PairMoments": "halfseen.methods.moment",
    "Privacy": "halfseen.methods.moment",
    "HeterogeneousFactorization": "halfseen.methods.heterogeneous",
    "HeterogeneousOptions": "halfseen.methods.heterogeneous",
    "InductiveCompletion": "halfseen.methods.inductive",
    "InductiveOptions": "halfseen.methods.inductive",
    "SimilarityClustering": "halfseen.methods.inductive",
    "SideFeatures": "halfseen.data",
    "HeterogeneousAutoencoder": "halfseen.methods.heterogeneous",
    "SparseAutoencoder": "halfseen.methods.heterogeneous",
    "AutoencoderOptions": "halfseen.methods.heterogeneous",
    "JIVE": "halfseen.methods.baselines",
    "RobustJIVE": "halfseen.methods.baselines",
    "PersonalizedPCA": "halfseen.methods.baselines",
    "COBE": "halfseen.methods.baselines",
    "TwoStepSVD": "halfseen.methods.baselines",
    "engine": "halfseen.engines",
    "report": "halfseen.show.page",
}
_ROOMS = ("losses", "select", "metrics", "datasets", "engines", "inference", "data", "reproduce")

__all__ = ["__version__", *_PUBLIC, *_ROOMS]

if TYPE_CHECKING:
    from halfseen import data, datasets, engines, inference, losses, metrics, reproduce, select
    from halfseen.data import Observed, SideFeatures, Sources, load, read_table, save
    from halfseen.engines import engine
    from halfseen.methods.baselines import (
        COBE,
        JIVE,
        AlternatingLeastSquares,
        BayesianFactorization,
        BayesianOptions,
        BiasModel,
        ColumnMean,
        LeastSquaresOptions,
        PersonalizedPCA,
        RobustJIVE,
        SoftImpute,
        SoftImputeOptions,
        TwoStepSVD,
    )
    from halfseen.methods.descent import DescentOptions, OverparametrizedFactorization
    from halfseen.methods.factor import FactorOptions, GeneralizedFactorModel
    from halfseen.methods.heterogeneous import (
        AutoencoderOptions,
        HeterogeneousAutoencoder,
        HeterogeneousFactorization,
        HeterogeneousOptions,
        SparseAutoencoder,
    )
    from halfseen.methods.inductive import InductiveCompletion, InductiveOptions, SimilarityClustering
    from halfseen.methods.moment import OneSidedCompletion, OneSidedOptions, PairMoments, Privacy
    from halfseen.show.page import report


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        value = getattr(import_module(_PUBLIC[name]), name)
    elif name in _ROOMS:
        value = import_module(f"halfseen.{name}")
    else:
        raise AttributeError(f"module 'halfseen' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
