"""Marginal likelihood of answers to items on nodes of each row's own: abilities of several dimensions."""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

from halfseen.kernels.backend import backend
from halfseen.kernels.responses import Responses

Array = NDArray[Any]


class BoundedLines(NamedTuple):
    r"""Answers' log-probabilities, :math:`\log s(m + u) + \log s(-m - l) + c` with :math:`m = \langle a, x\rangle`.

    Attributes
    ----------
    slopes : ndarray (n_lines, D)
    upper, lower : ndarray (n_lines,)
        :math:`u` and :math:`l`; infinite where there is no such bound.
    constant : ndarray (n_lines,)
    """

    slopes: Array
    upper: Array
    lower: Array
    constant: Array


def own_expectations(
    rows: Responses,
    points: Array,
    shares: Array,
    modes: Array,
    roots: Array,
    lines: BoundedLines,
    *,
    frequency: Array | None = None,
    outputs: dict[str, Array] | None = None,
) -> float:
    r"""Sum of the rows' marginal log-likelihoods under :math:`x_i \sim N(0, I)`, and what the posterior expects.

    Row :math:`i` has the nodes :math:`x_{is} = \mu_i + L_i t_s` with the importance weights
    :math:`v_s N(x_{is}; 0, I) / N(x_{is}; \mu_i, L_i L_i^\top)`.

    Parameters
    ----------
    rows : Responses
    points : ndarray (D, S)
        :math:`t`: drawn standard normal, or those of a quadrature rule; ``S`` a multiple of 8.
    shares : ndarray (S,)
        :math:`\log v_s`; draws have :math:`v_s = 1/S`.
    modes : ndarray (n_rows, D)
    roots : ndarray (n_rows, D, D)
        Lower triangular, with positive diagonals.
    lines : BoundedLines
    frequency : ndarray (n_rows,), optional
    outputs : dict, optional
        Any of ``log_likelihood`` (n_rows,), ``mean`` (n_rows, D), ``covariance`` (n_rows, D, D; with ``mean``),
        ``scores`` (n_answers, D + 2: derivatives with respect to slope, upper and lower bound of each seen answer, row
        by row), which are written, and ``sums`` (n_lines, D + 2: the same over all answers), which is added into.

    Returns
    -------
    float

    Notes
    -----
    O(answers S (D + 1)) multiply-adds and at most 2 S exponentials per answer; nodes are never stored.

    Examples
    --------
    >>> import numpy as np
    >>> rows = Responses(np.array([[1]], np.uint8), np.array([0], np.int32), None, None, 1)
    >>> lines = BoundedLines(np.zeros((2, 1)), np.array([np.inf, 0.0]), np.array([0.0, np.inf]), np.zeros(2))
    >>> points = np.linspace(-1, 1, 8)[None]
    >>> value = own_expectations(rows, points, np.full(8, -np.log(8)), np.zeros((1, 1)), np.ones((1, 1, 1)), lines)
    >>> round(float(np.exp(value)), 6)
    0.5
    """
    given = dict(outputs or {})
    names = ("log_likelihood", "mean", "covariance", "sums", "scores")
    ordered = [given.pop(name, None) for name in names]
    if given:
        raise ValueError(f"outputs has {next(iter(given))!r}; known: {', '.join(names)}")
    run = getattr(backend(), "own_expect", None)
    if run is None:
        from halfseen.kernels import reference_responses

        run = reference_responses.own_expect
    return float(run(tuple(rows), points, shares, modes, roots, tuple(lines), frequency, *ordered))
