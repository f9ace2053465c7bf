"""What a fit found, written into annotated matrices (AnnData, MuData)."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfseen.data.incoming import is_multimodal


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
    lines = np.array([places.get(str(name), -1) for name in names], dtype=int)
    out = np.full((len(lines), numbers.shape[1]), np.nan)
    out[lines >= 0] = numbers[lines[lines >= 0]]
    return out
