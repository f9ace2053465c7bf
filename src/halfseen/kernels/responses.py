"""Marginal likelihood of answers to items, at nodes that all rows share: expected counts and scores of the rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from halfseen.kernels.backend import backend

Array = NDArray[Any]

NOT_SEEN = 255
# Nodes come in multiples of this, so that every processor's vectors are full.
NODE_MULTIPLE = 8


class Responses(NamedTuple):
    """Answers of some rows, as lines of the items' tables; the classes of an item are consecutive lines.

    Attributes
    ----------
    answers : uint8 ndarray (n_rows, n_items) or None
        Class of each answer, 255 where there is none; its line is ``starts[j] + answers[i, j]``.
    starts : int32 ndarray (n_items,) or None
    indptr : int64 ndarray (n_rows + 1,) or None
        For sparse tables instead: the answers of row ``i`` are the entries ``indptr[i] .. indptr[i + 1]``, counted
        from ``indptr[0]``.
    lines : int32 ndarray or None
    most : int
        No row has more answers.
    """

    answers: Any
    starts: Any
    indptr: Any
    lines: Any
    most: int

    @property
    def n_rows(self) -> int:
        return len(self.answers) if self.answers is not None else len(self.indptr) - 1


class Derivatives(NamedTuple):
    """Derivatives of the lines' log-probabilities at the nodes.

    Line ``l`` has ``counts[l]`` of them, the rows from ``first[l]`` on of ``table`` (n_derivatives, n_nodes), with
    respect to the parameters ``target[l], target[l] + 1, ...``.
    """

    table: Array
    first: NDArray[np.int32]
    counts: NDArray[np.int32]
    target: NDArray[np.int32]


def response_expectations(
    rows: Responses,
    table: Array,
    log_weights: Array,
    *,
    positions: Array | None = None,
    groups: Array | None = None,
    tilt: Array | None = None,
    frequency: Array | None = None,
    outputs: dict[str, Array] | None = None,
) -> float:
    r"""Sum of the rows' marginal log-likelihoods and, for each output given, what the posterior expects.

    .. math::

        \ell_i = \log \sum_g \exp\Big(\log w_{g} + t_i x_g + \sum_{j\ \mathrm{seen}} T_{(j, y_{ij}), g}\Big),
        \qquad q_{ig} \propto \text{its terms},
        \qquad r_{(j,k),g} \mathrel{+}= \sum_{i:\,y_{ij}=k} f_i\, q_{ig}

    Parameters
    ----------
    rows : Responses
    table : ndarray (n_lines, n_nodes)
        :math:`T`, log-probabilities of the classes; ``n_nodes`` a multiple of 8.
    log_weights : ndarray (n_groups, n_nodes)
    positions : ndarray (n_nodes,), optional
        :math:`x`; needed for tilts and moments.
    groups : int32 ndarray (n_rows,), optional
        Line of ``log_weights`` of each row; all 0 where not given.
    tilt, frequency : ndarray (n_rows,), optional
        :math:`t` (0) and :math:`f` (1).
    outputs : dict, optional
        Any of ``log_likelihood`` (n_rows,), ``moments`` (n_rows, 2: posterior means of :math:`x` and :math:`x^2`) and
        ``posterior`` (n_rows, n_nodes), which are written, and ``counts`` (as ``table``) and ``mass`` (as
        ``log_weights``), which are added into.

    Returns
    -------
    float
        :math:`\sum_i f_i \ell_i`.

    Notes
    -----
    Per answer 2 n_nodes additions, per row n_nodes exponentials; memory of the outputs alone.

    Examples
    --------
    >>> import numpy as np
    >>> rows = Responses(np.array([[0], [1]], np.uint8), np.array([0], np.int32), None, None, 1)
    >>> table = np.log(np.repeat([[0.25], [0.75]], 8, axis=1))
    >>> counts = np.zeros((2, 8))
    >>> value = response_expectations(rows, table, np.log(np.full((1, 8), 1 / 8)), outputs={"counts": counts})
    >>> round(float(np.exp(value)), 4), counts.sum(axis=1).round(6).tolist()
    (0.1875, [1.0, 1.0])
    """
    given = dict(outputs or {})
    names = ("log_likelihood", "moments", "posterior", "counts", "mass")
    ordered = [given.pop(name, None) for name in names]
    if given:
        raise ValueError(f"outputs has {next(iter(given))!r}; known: {', '.join(names)}")
    run = getattr(backend(), "response_expect", None)
    if run is None:
        from halfseen.kernels import reference_responses

        run = reference_responses.expect
    return float(run(tuple(rows), table, log_weights, positions, groups, tilt, frequency, *ordered))


def response_scores(rows: Responses, posterior: Array, derivatives: Derivatives, out: Array) -> Array:
    r"""Each row's score, the gradient of its marginal log-likelihood with respect to the items' parameters.

    .. math:: s_i = \sum_{j\ \mathrm{seen}} \sum_g q_{ig}\, D_{(j, y_{ij}), \cdot, g}

    Parameters
    ----------
    rows : Responses
    posterior : ndarray (n_rows, n_nodes)
    derivatives : Derivatives
    out : ndarray (n_rows, n_parameters)
        Written.

    Returns
    -------
    ndarray
        ``out``.

    Examples
    --------
    >>> import numpy as np
    >>> rows = Responses(np.array([[1]], np.uint8), np.array([0], np.int32), None, None, 1)
    >>> places = np.array([0, 1], np.int32), np.array([1, 1], np.int32), np.array([0, 0], np.int32)
    >>> D = Derivatives(np.repeat([[-1.0], [2.0]], 8, axis=1), *places)
    >>> response_scores(rows, np.full((1, 8), 1 / 8), D, np.empty((1, 1))).tolist()
    [[2.0]]
    """
    run = getattr(backend(), "response_scores", None)
    if run is None:
        from halfseen.kernels import reference_responses

        run = reference_responses.scores
    run(tuple(rows), posterior, *derivatives, out)
    return out


def response_pairs(rows: Responses, weights: Array, place: Array, out: Array) -> Array:
    r"""Adds up, for each two answers of a row, the row's weights at the nodes.

    .. math:: N_{kl,g} \mathrel{+}= \sum_{i:\ k, l\ \text{answered}} w_{ig},\qquad k \le l

    Parameters
    ----------
    rows : Responses
    weights : ndarray (n_rows, n_nodes)
        Posteriors, say, times the rows' frequencies; ``n_nodes`` a multiple of 8.
    place : int32 ndarray (n_lines,)
        Where a line is counted: its own number, or its item's. No two answers of a row share a place.
    out : ndarray (n_places, n_places, n_nodes)
        Added into, on and above the diagonal.

    Returns
    -------
    ndarray
        ``out``.

    Notes
    -----
    Half the squared answers of a row times the nodes, in additions.

    Examples
    --------
    >>> import numpy as np
    >>> rows = Responses(np.array([[1, 0], [0, 255]], np.uint8), np.array([0, 2], np.int32), None, None, 2)
    >>> items = np.array([0, 0, 1, 1], np.int32)
    >>> response_pairs(rows, np.ones((2, 8)), items, np.zeros((2, 2, 8)))[:, :, 0].tolist()
    [[2.0, 1.0], [0.0, 1.0]]
    """
    run = getattr(backend(), "response_pairs", None)
    if run is None:
        from halfseen.kernels import reference_responses

        run = reference_responses.pairs
    run(tuple(rows), weights, place, out)
    return out
