"""Annotated matrices (AnnData, MuData), told by what they have: nothing is imported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from halfseen.data.compress import compress_dense
from halfseen.data.observed import Observed


def is_annotated(thing: Any) -> bool:
    """Whether it is a matrix ``X`` with names of observations and variables."""
    return all(hasattr(thing, name) for name in ("X", "obs_names", "var_names")) and not hasattr(thing, "mod")


def is_multimodal(thing: Any) -> bool:
    """Whether it is a container of such matrices over the same observations."""
    return isinstance(getattr(thing, "mod", None), Mapping) and hasattr(thing, "obs_names")


def observed_of(annotated: Any, name: str = "X", dtype: Any = None) -> Observed:
    """The matrix of an annotated object, with its names; NaN is missing, and zeros of a sparse matrix are values.

    Raises
    ------
    ValueError
        Without a matrix, or for infinite values.
    """
    X = annotated.X
    if X is None:
        raise ValueError(f"{name} has no matrix X; give one of its layers as a table")
    dense = X.toarray() if hasattr(X, "toarray") else np.asarray(X)
    rows, cols = (np.asarray(names, dtype=str) for names in (annotated.obs_names, annotated.var_names))
    return Observed(compress_dense(dense, name, dtype), rows, cols)


def write_factors(
    annotated: Any, scores: tuple[Any, np.ndarray], loadings: dict[str, tuple[Any, np.ndarray]],
    facts: dict[str, Any], key: str = "halfseen",
) -> Any:  # fmt: skip
    """Put scores, loadings and facts of a fit into an annotated object, or into each of a mapping of them.

    Parameters
    ----------
    annotated : MuData, or mapping from source name to AnnData
        Gets ``obsm["X_" + key]`` (nan for observations that the fit did not have), and each of its matrices
        ``varm[key]`` and ``uns[key]``.
    scores : (row labels, ndarray (n, K))
    loadings : mapping from source name to (column labels, ndarray (p, K))
    facts : dict
        Stored in ``uns[key]`` of every matrix.

    Returns
    -------
    object
        The one that was given.
    """
    parts = annotated.mod if is_multimodal(annotated) else annotated
    for name, part in parts.items():
        if str(name) not in loadings:
            continue
        part.varm[key] = aligned(part.var_names, *loadings[str(name)])
        part.uns[key] = facts
        part.obsm[f"X_{key}"] = aligned(part.obs_names, *scores)
    if parts is not annotated:
        annotated.obsm[f"X_{key}"] = aligned(annotated.obs_names, *scores)
    return annotated


def aligned(names: Any, labels: Any, numbers: np.ndarray) -> np.ndarray:
    """Lines of ``numbers`` in the order of ``names``; nan where a name is not among the labels.

    Examples
    --------
    >>> aligned(["b", "c"], np.array(["a", "b"]), np.array([[1.0], [2.0]])).tolist()
    [[2.0], [nan]]
    """
    places = {str(label): place for place, label in enumerate(labels)}
    found = np.array([places.get(str(name), -1) for name in names], dtype=int)
    out = np.full((len(found), numbers.shape[1]), np.nan)
    out[found >= 0] = numbers[found[found >= 0]]
    return out
