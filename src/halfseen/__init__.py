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
    "prepare": "halfseen.data",
    "read_evals": "halfseen.data",
    "read_sources": "halfseen.data",
    "save": "halfseen.data",
    "load": "halfseen.data",
    "GeneralizedFactorModel": "halfseen.methods.factor",
    "ItemResponseModel": "halfseen.methods.response",
    "AlternatingLeastSquares": "halfseen.methods.completion",
    "BayesianFactorization": "halfseen.methods.completion",
    "SoftImpute": "halfseen.methods.completion",
    "OverparametrizedFactorization": "halfseen.methods.descent",
    "ColumnMean": "halfseen.methods.comparisons",
    "BiasModel": "halfseen.methods.comparisons",
    "OneSidedCompletion": "halfseen.methods.moment",
    "PairMoments": "halfseen.methods.moment",
    "Privacy": "halfseen.methods.moment",
    "HeterogeneousFactorization": "halfseen.methods.heterogeneous",
    "InductiveCompletion": "halfseen.methods.inductive",
    "SimilarityClustering": "halfseen.methods.inductive",
    "SideFeatures": "halfseen.data",
    "SimilarityFeatures": "halfseen.data.similarities",
    "HeterogeneousAutoencoder": "halfseen.methods.autoencoder",
    "SparseAutoencoder": "halfseen.methods.autoencoder",
    "JIVE": "halfseen.methods.comparisons",
    "RobustJIVE": "halfseen.methods.comparisons",
    "PersonalizedPCA": "halfseen.methods.comparisons",
    "COBE": "halfseen.methods.comparisons",
    "TwoStepSVD": "halfseen.methods.comparisons",
    "Board": "halfseen.board",
    "Imputer": "halfseen.imputer",
    "ScaledColumns": "halfseen.scaled",
    "engine": "halfseen.engines",
    "report": "halfseen.render.page",
}
_ROOMS = {
    name: f"halfseen.{name}"
    for name in ("losses", "select", "metrics", "datasets", "engines", "inference", "data", "reproduce")
} | {"comparisons": "halfseen.methods.comparisons", "irt": "halfseen.methods.response.irt"}

# Written out: a type checker takes these names, and no others, for public.
__all__ = [
    "COBE",
    "JIVE",
    "AlternatingLeastSquares",
    "BayesianFactorization",
    "BiasModel",
    "Board",
    "ColumnMean",
    "GeneralizedFactorModel",
    "HeterogeneousAutoencoder",
    "HeterogeneousFactorization",
    "Imputer",
    "InductiveCompletion",
    "ItemResponseModel",
    "Observed",
    "OneSidedCompletion",
    "OverparametrizedFactorization",
    "PairMoments",
    "PersonalizedPCA",
    "Privacy",
    "RobustJIVE",
    "ScaledColumns",
    "SideFeatures",
    "SimilarityClustering",
    "SimilarityFeatures",
    "SoftImpute",
    "Sources",
    "SparseAutoencoder",
    "TwoStepSVD",
    "__version__",
    "comparisons",
    "data",
    "datasets",
    "engine",
    "engines",
    "inference",
    "irt",
    "load",
    "losses",
    "metrics",
    "prepare",
    "read_evals",
    "read_sources",
    "read_table",
    "report",
    "reproduce",
    "save",
    "select",
]

if TYPE_CHECKING:
    from halfseen import data, datasets, engines, inference, losses, metrics, reproduce, select
    from halfseen.board import Board
    from halfseen.data import Observed, SideFeatures, Sources, load, prepare, read_evals, read_sources, read_table, save
    from halfseen.data.similarities import SimilarityFeatures
    from halfseen.engines import engine
    from halfseen.imputer import Imputer
    from halfseen.methods import comparisons
    from halfseen.methods.autoencoder import HeterogeneousAutoencoder, SparseAutoencoder
    from halfseen.methods.comparisons import (
        COBE,
        JIVE,
        BiasModel,
        ColumnMean,
        PersonalizedPCA,
        RobustJIVE,
        TwoStepSVD,
    )
    from halfseen.methods.completion import (
        AlternatingLeastSquares,
        BayesianFactorization,
        SoftImpute,
    )
    from halfseen.methods.descent import OverparametrizedFactorization
    from halfseen.methods.factor import GeneralizedFactorModel
    from halfseen.methods.heterogeneous import HeterogeneousFactorization
    from halfseen.methods.inductive import InductiveCompletion, SimilarityClustering
    from halfseen.methods.moment import OneSidedCompletion, PairMoments, Privacy
    from halfseen.methods.response import ItemResponseModel, irt
    from halfseen.render.page import report
    from halfseen.scaled import ScaledColumns


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        value = getattr(import_module(_PUBLIC[name]), name)
    elif name in _ROOMS:
        value = import_module(_ROOMS[name])
    else:
        from halfseen.submodules import submodule

        value = submodule("halfseen", name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
