"""Anderson's mixing: fewer rounds of a fixed-point iteration whose steps shrink slowly."""

from __future__ import annotations

import numpy as np

from halfseen.solvers.problem import Vector


class AndersonMixing:
    r"""The point to go to, from the last few points of an iteration :math:`x \leftarrow g(x)` and their images.

    With steps :math:`f_k = g(x_k) - x_k` and the differences :math:`\Delta f, \Delta g` between successive ones,

    .. math:: x_{k+1} = g(x_k) - \Delta g\,\gamma,\qquad
              \gamma = \arg\min_\gamma \|f_k - \Delta f\,\gamma\|^2 .

    Parameters
    ----------
    depth : int
        Differences kept, each two vectors as long as ``x``.

    Notes
    -----
    On a linear map it does what GMRES does. The steps of a nonlinear one may grow for a while, and the extrapolation
    then points back: :meth:`forget` what was seen there.
    Source: Walker and Ni (2011), "Anderson acceleration for fixed-point iterations", SIAM J. Numer. Anal. 49.

    Examples
    --------
    >>> import numpy as np
    >>> from halfseen.solvers import AndersonMixing
    >>> mixing, x = AndersonMixing(2), np.zeros(2)
    >>> for _ in range(5):  # a linear map whose plain steps shrink by .9 and .5: its fixed point is (10, 2)
    ...     x = mixing(x, np.array([0.9, 0.5]) * x + 1.0)
    >>> x.round(6).tolist()
    [10.0, 2.0]
    """

    def __init__(self, depth: int = 5) -> None:
        self.depth = depth
        self._images: list[Vector] = []
        self._steps: list[Vector] = []

    def forget(self) -> None:
        """Begin anew."""
        self._images.clear()
        self._steps.clear()

    def __call__(self, point: Vector, image: Vector) -> Vector:
        """The next point; the image itself while nothing is known yet."""
        self._images.append(np.array(image))
        self._steps.append(image - point)
        del self._images[: -self.depth - 1], self._steps[: -self.depth - 1]
        if len(self._steps) < 2:
            return image
        turns = np.diff(np.asarray(self._steps, dtype=float), axis=0)
        normal = turns @ turns.T
        # differences that repeat each other leave the equations without an inverse
        normal[np.diag_indices(len(normal))] *= 1.0 + 1e-10
        if not normal.diagonal().min() > 0:
            return image
        weights = np.linalg.solve(normal, turns @ self._steps[-1])
        moves = np.diff(np.asarray(self._images, dtype=float), axis=0)
        return np.asarray(image - weights @ moves, dtype=image.dtype)
