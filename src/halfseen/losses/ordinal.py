"""Ordered answers: the cumulative logit model, with thresholds of its own in every column."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from halfseen.data.storable import storable
from halfseen.losses.derived import Cells
from halfseen.losses.protocol import Array
from halfseen.losses.quantiles import class_quantiles

# More classes than this are numbers, not categories.
MOST_CLASSES = 30
# Answers' worth of the pull of each distance between thresholds to its mean over the columns: a class that nobody
# chose would else close its gap.
PULL = 0.5


@storable
@dataclass(frozen=True, eq=False)
class Ordinal:
    r"""Ordered answers, cumulative logit: :math:`P(y \ge t) = 1 / (1 + e^{c_{jt} - m})`, :math:`t = 1, .., K - 1`.

    .. math:: \ell = \log(1 + e^{m - c_{k+1}}) + \log(1 + e^{c_k - m}) - \log(1 - e^{c_k - c_{k+1}})

    for an answer in class ``k`` (terms beyond the ends are left out). The cuts of a column have mean zero; with its
    intercept its thresholds are :math:`c_{jt} - \zeta_j`.

    Parameters
    ----------
    cuts : ndarray (K - 1,) or (p, K - 1), optional
        Known cuts, for all columns or for each, increasing. None: estimated in the fit.
    lowest : float, optional
        The value of the first class; None is 1 where ``levels`` is given, else the smallest answer.
    levels : int, optional
        Number of classes; None takes the whole numbers from the smallest to the largest answer, those that nobody chose
        left out: the classes beside them are then neighbours, and their chance is 0.

    Notes
    -----
    Convex in predictor and cuts. The deviance is twice the negative log probability: it then compares fits with
    different cuts. Source: McCullagh (1980), JRSS B 42.

    Examples
    --------
    >>> import numpy as np
    >>> Ordinal(np.array([-1.0, 1.0]), lowest=1).probabilities(np.array(0.0)).round(3)
    array([0.269, 0.462, 0.269])
    """

    cuts: Any = None
    lowest: float | None = None
    levels: int | None = None
    is_estimated: bool = False
    usual: Any = None  # mean distances of neighbouring cuts
    values: tuple[float, ...] | None = None  # of the classes, where whole numbers between them are none
    name: str = field(default="ordinal", init=False)
    kernel: str | None = field(default=None, init=False)
    trials: float = field(default=1.0, init=False)
    has_dispersion: bool = field(default=False, init=False)
    has_columns: bool = field(default=True, init=False)
    has_classes: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        if self.cuts is not None:
            cuts = np.asarray(self.cuts, dtype=float)
            if cuts.ndim not in (1, 2) or not cuts.shape[-1] or not np.all(np.diff(cuts, axis=-1) > 0):
                raise ValueError(f"cuts must be increasing numbers, (K - 1,) or (p, K - 1); got shape {cuts.shape}.")
            object.__setattr__(self, "lowest", 0.0 if self.lowest is None else float(self.lowest))
            object.__setattr__(self, "levels", cuts.shape[-1] + 1)
        elif self.levels is not None and not 2 <= self.levels <= MOST_CLASSES:
            raise ValueError(f"levels={self.levels!r} must be a whole number from 2 to {MOST_CLASSES}.")

    @property
    def support(self) -> str:
        if self.levels is None or self.lowest is None:
            return "whole numbers (ordered classes)"
        if self.values is not None:
            return f"one of {', '.join(f'{value:g}' for value in self.values)} (ordered classes)"
        return f"whole numbers from {self.lowest:g} to {self.lowest + self.levels - 1:g} (ordered classes)"

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest answer."""
        if self.values is not None:
            return self.values[0], self.values[-1]
        return (self.lowest or 0.0), (self.lowest or 0.0) + (self.levels or 1) - 1.0

    def _above(self, m: Array) -> Array:
        """``P(y >= t)``, shape (..., K - 1)."""
        m = np.asarray(m)
        return expit(m[..., None] - np.asarray(self.cuts, dtype=m.dtype))

    @property
    def _steps(self) -> Array:
        """Distances of each class's value from that of the class below, (K - 1,)."""
        return np.ones(np.shape(self.cuts)[-1]) if self.values is None else np.diff(self.values)

    def _classes(self, y: Array) -> Array:
        if self.values is not None:  # a value that the table never had goes with the class below
            return np.searchsorted(self.values, np.asarray(y, dtype=float), side="right") - 1
        return (np.asarray(y) - self.lowest).astype(np.int64)

    def _ends(self, y: Array, m: Array) -> tuple[Array, Array]:
        """The cuts below and above each answer, infinite at the ends."""
        cuts, k = np.asarray(self.cuts, dtype=m.dtype), self._classes(y)
        beyond = np.full((*cuts.shape[:-1], 1), np.inf, dtype=m.dtype)
        padded = np.concatenate([-beyond, cuts, beyond], axis=-1)
        if cuts.ndim == 1:
            return padded[k], padded[k + 1]
        line = np.arange(len(cuts))
        return padded[line, k], padded[line, k + 1]

    def value(self, y: Array, m: Array) -> Array:
        low, high = self._ends(y, m)
        # P = expit(high - m) expit(m - low) (1 - exp(low - high)): no difference of nearly equal numbers
        return np.logaddexp(0.0, m - high) + np.logaddexp(0.0, low - m) - np.log(-np.expm1(low - high))

    def gradient(self, y: Array, m: Array) -> Array:
        low, high = self._ends(y, m)
        return expit(m - high) - expit(low - m)

    def curvature(self, y: Array, m: Array) -> Array:
        above_low, above_high = (expit(m - end) for end in self._ends(y, m))
        return above_low * (1.0 - above_low) + above_high * (1.0 - above_high)

    def probabilities(self, m: Array) -> Array:
        """Probability of every whole number from the first class to the last, shape (..., K)."""
        chances = self._chances(m)
        if self.values is None:
            return chances
        every = np.zeros((*chances.shape[:-1], int(self.values[-1] - self.values[0]) + 1), dtype=chances.dtype)
        every[..., (np.asarray(self.values) - self.values[0]).astype(int)] = chances
        return every

    def _chances(self, m: Array) -> Array:
        """Probability of every class that there is."""
        above = self._above(m)
        ones = np.ones_like(above[..., :1])
        return -np.diff(np.concatenate([ones, above, 0.0 * ones], axis=-1), axis=-1)

    def _weights(self, m: Array) -> tuple[Array, Array]:
        """Information of each cut's own logit, and the probabilities of the classes."""
        above, chances = self._above(m), self._chances(m)
        return (chances[..., :-1] + chances[..., 1:]) * above * (1.0 - above), chances

    def information(self, m: Array) -> Array:
        return self._weights(m)[0].sum(axis=-1)

    def skew(self, m: Array) -> Array:
        above, chances = self._above(m), self._chances(m)
        ones = np.ones_like(above[..., :1])
        low, high = np.concatenate([ones, above], axis=-1), np.concatenate([above, 0.0 * ones], axis=-1)
        score = (1.0 - low) - high
        change = -low * (1.0 - low) - high * (1.0 - high)
        return np.sum(chances * score * (np.square(score) + change), axis=-1)

    def mean(self, m: Array) -> Array:
        above = self._above(m)
        return above @ self._steps.astype(above.dtype) + above.dtype.type(self.lowest)

    def slope(self, m: Array) -> Array:
        above = self._above(m)
        return np.asarray((above * (1.0 - above)) @ self._steps.astype(above.dtype))

    def bend(self, m: Array) -> Array:
        above = self._above(m)
        return np.asarray((above * (1.0 - above) * (1.0 - 2.0 * above)) @ self._steps.astype(above.dtype))

    def _odd(self, above: Array) -> Array:
        # squares of the distances from the first class grow by so much: 1, 3, 5, .. where all numbers are classes
        return above * np.diff(np.square(np.append(0.0, np.cumsum(self._steps)))).astype(above.dtype)

    def variance(self, m: Array) -> Array:
        above = self._above(m)
        return self._odd(above).sum(axis=-1) - np.square(above @ self._steps.astype(above.dtype))

    def third(self, m: Array) -> Array:
        above = self._above(m)
        slopes, steps = above * (1.0 - above), self._steps.astype(above.dtype)
        return self._odd(slopes).sum(axis=-1) - 2.0 * (above @ steps) * (slopes @ steps)

    def link(self, mu: Array) -> Array:
        """The predictor with this mean; closed forms there are none."""
        from scipy.optimize import newton

        mu = np.asarray(mu)
        weights = self._steps / self._steps.sum()
        share = np.clip((np.asarray(mu, dtype=float) - self.lowest) / self._steps.sum(), 0.02, 0.98)
        wide = np.broadcast_to(np.asarray(self.cuts, dtype=float), (*share.shape, len(weights)))
        grid = np.linspace(wide.min(initial=0.0) - 6.0, wide.max(initial=0.0) + 6.0, 129)
        below = np.stack([expit(at - wide) @ weights for at in grid], axis=-1) <= share[..., None]
        start = grid[np.clip(below.sum(axis=-1), 1, 128)] - 0.5 * (grid[1] - grid[0])

        def off(m: Array) -> Array:
            return np.asarray(expit(np.asarray(m)[..., None] - wide) @ weights - share)

        def change(m: Array) -> Array:
            above = expit(np.asarray(m)[..., None] - wide)
            return np.asarray((above * (1.0 - above)) @ weights)

        return np.asarray(newton(off, start, change, tol=1e-13)).astype(np.result_type(mu, np.float32))

    def deviance(self, y: Array, m: Array) -> Array:
        return 2.0 * self.value(y, m)

    def sample(self, m: Array, rng: np.random.Generator, dispersion: float = 1.0) -> Array:
        draws = rng.random(np.shape(m))[..., None] < self._above(m)
        return (draws @ self._steps + float(self.lowest or 0.0)).astype(np.result_type(m, np.float32))

    def quantiles(self, linear: Array, variance: Array, dispersion: float, tail: float) -> tuple[Array, Array]:
        """Quantiles ``tail`` and ``1 - tail`` of responses whose predictors are normal with these moments."""
        return class_quantiles(self, linear, variance, float(self.range[0]), tail)

    def masses(self, m: Array) -> Array:
        """Chances of the classes, along a further axis."""
        return self.probabilities(m)

    def invalid(self, y: Array) -> NDArray[np.bool_]:
        y = np.asarray(y)
        whole = np.isfinite(y) & (y == np.floor(y))
        if self.levels is None or self.lowest is None:
            return ~whole
        low, high = self.range
        return ~(whole & (y >= low) & (y <= high))

    # ---- parameters per column -----------------------------------------------------------------------------------

    def at_columns(self, cols: Array) -> Ordinal:
        return self if np.ndim(self.cuts) < 2 else replace(self, cuts=np.asarray(self.cuts)[cols])

    def illustrated(self) -> Ordinal:
        """With evenly spaced cuts to draw from, where none were given."""
        if self.cuts is not None:
            return self
        count, lowest = (self.levels or 5) - 1, 1.0 if self.lowest is None else self.lowest
        return replace(self, cuts=np.arange(count) - 0.5 * (count - 1), lowest=lowest)

    def learned(self, observed: Any) -> Ordinal:
        """Levels, and first cuts from the columns' shares of every class, slightly drawn to the table's."""
        if self.cuts is not None:
            return self
        y = np.asarray(observed.values, dtype=float)
        if not np.all(np.isfinite(y) & (y == np.floor(y))):
            return self  # the check of the support names the first bad place
        low = (1.0 if self.levels else float(y.min())) if self.lowest is None else self.lowest
        values = self.values if self.levels or self.lowest is not None else gapped(y)
        count = self.levels or (int(y.max() - low) + 1 if values is None else len(values))
        if not 2 <= count <= MOST_CLASSES:
            raise ValueError(
                f"family='ordinal' needs 2 to {MOST_CLASSES} ordered classes; the answers go from {y.min():g} to "
                f"{y.max():g}. Use family='gaussian' or 'poisson' for numbers, or give the classes by 'ordinal(K)'."
            )
        named = replace(self, lowest=low, levels=count, values=values)
        if named.invalid(y).any():
            return named
        p = observed.shape[1]
        table = np.bincount(observed.cols * count + named._classes(y), minlength=p * count).reshape(p, count)
        shares = (table.sum(axis=0) + 0.5) / (table.sum() + 0.5 * count)
        below = np.cumsum((table + 2.0 * shares) / (table.sum(axis=1, keepdims=True) + 2.0), axis=1)[:, :-1]
        cuts = np.log(below) - np.log1p(-below)
        cuts -= cuts.mean(axis=1, keepdims=True)
        usual = np.diff(cuts, axis=1).mean(axis=0)
        return replace(named, cuts=cuts, usual=usual, is_estimated=count > 2)

    def for_table(self, observed: Any) -> Ordinal:
        """With the classes of a whole table, so that its parts all have the same."""
        y = np.asarray(observed.values, dtype=float)
        if self.levels is not None or not len(y) or not np.all(np.isfinite(y) & (y == np.floor(y))):
            return self
        low = float(y.min()) if self.lowest is None else self.lowest
        values = gapped(y) if self.lowest is None else None
        count = int(y.max() - low) + 1 if values is None else len(values)
        return replace(self, lowest=low, levels=count, values=values) if 2 <= count <= MOST_CLASSES else self

    def improved(self, cells: Cells) -> tuple[Ordinal, float, Array]:
        r"""A Newton step on every column's cuts, its intercept and factors following along their own curvature.

        With ``H`` the information of cuts ``c`` and own parameters ``u``: :math:`\delta_c = -S^{-1} g_c`,
        :math:`S = H_{cc} - H_{cu} H_{uu}^{-1} H_{uc}`, :math:`\delta_u = -H_{uu}^{-1} H_{uc}\,\delta_c`, on the
        directions that keep the mean of the cuts.
        """
        cuts, k = np.asarray(self.cuts, dtype=float), self._classes(cells.y)
        count = cuts.shape[1]
        above = expit(np.asarray(cells.m, dtype=float)[:, None] - cuts[cells.cols])
        slopes = self.at_columns(cells.cols)._own_slopes(k, above)
        curves = np.where(_is_beside(k, count), above * (1.0 - above), 0.0)
        gaps = np.diff(cuts, axis=1)
        inner = np.stack([cells.sums((k == t).astype(float)) for t in range(1, count)], axis=1) + PULL
        g = np.stack([cells.sums(slopes[:, t]) for t in range(count)], axis=1)
        # each interior class adds -n log(1 - exp(-gap)), and the pull balances it at the usual gap
        force = -inner / np.expm1(gaps) + PULL / np.expm1(np.asarray(self.usual, dtype=float))
        g[:, 1:] += force
        g[:, :-1] -= force
        H = stiffness(np.stack([cells.sums(curves[:, t]) for t in range(count)], axis=1), inner * bent(gaps))
        cross = -np.stack([cells.moments(curves[:, t]) for t in range(count)], axis=1)
        Z = contrasts(count)
        follow = np.linalg.solve(safe(cells.blocks), np.swapaxes(cross, 1, 2))
        S = Z.T @ (H - cross @ follow) @ Z
        slope = g @ Z
        move = -np.linalg.solve(safe(S), slope[..., None])[..., 0] @ Z.T
        # gaps keep a third of their width, and no cut moves by more than one
        closing = (-np.diff(move, axis=1) / gaps).max(axis=1)
        longest = np.abs(move).max(axis=1)
        move *= np.minimum(1.0, np.minimum(0.67 / np.maximum(closing, 1e-9), 1.0 / np.maximum(longest, 1e-9)))[:, None]
        moved = -np.einsum("jkt,jt->jk", follow, move)
        return replace(self, cuts=cuts + move), float(np.abs(slope).max(initial=0.0)), moved

    @staticmethod
    def _own_slopes(k: Array, above: Array) -> Array:
        """Slopes of the logit of each cut beside the answer's class, without the classes' widths."""
        count = above.shape[-1]
        is_above, is_below = k[:, None] == np.arange(1, count + 1), k[:, None] == np.arange(count)
        return np.where(is_above, 1.0 - above, 0.0) - np.where(is_below, above, 0.0)

    def cut_slopes(self, y: Array, m: Array) -> Array:
        """Derivatives of every entry's loss with respect to the cuts, shape (n_entries, K - 1)."""
        k, above = self._classes(y), self._above(m)
        slopes = self._own_slopes(k, above)
        gaps = np.broadcast_to(np.diff(np.asarray(self.cuts, dtype=float), axis=-1), (len(k), above.shape[-1] - 1))
        force = np.where(k[:, None] == np.arange(1, above.shape[-1]), -1.0 / np.expm1(gaps), 0.0)
        slopes[:, 1:] += force
        slopes[:, :-1] -= force
        return slopes

    def cut_information(self, m: Array) -> tuple[Array, Array]:
        """Expected information of entries on their cuts.

        Returns
        -------
        own : ndarray (n_entries, K - 1)
            Of each cut's logit: the diagonal without springs, and minus the cross terms with ``m``.
        springs : ndarray (n_entries, K - 2)
            Between neighbouring cuts.
        """
        weights, chances = self._weights(m)
        return weights, chances[..., 1:-1] * bent(np.diff(np.asarray(self.cuts, dtype=float), axis=-1))

    def mean_slopes(self, m: Array) -> Array:
        """Derivatives of the mean with respect to the cuts, shape (..., K - 1)."""
        above = self._above(m)
        return -above * (1.0 - above) * self._steps.astype(above.dtype)


def gapped(y: Array) -> tuple[float, ...] | None:
    """The classes of a table, where some whole numbers between the first and the last are none; else None.

    Examples
    --------
    >>> gapped(np.array([1.0, 4.0, 2.0, 1.0])), gapped(np.array([1.0, 3.0, 2.0]))
    ((1.0, 2.0, 4.0), None)
    """
    classes = np.unique(y)
    whole = int(classes[-1] - classes[0]) + 1
    return None if len(classes) == whole or whole > MOST_CLASSES else tuple(classes.tolist())


def _is_beside(k: Array, count: int) -> Array:
    """Which cuts lie beside each answer's class, shape (n_entries, K - 1)."""
    return np.asarray((k[:, None] == np.arange(count)) | (k[:, None] == np.arange(1, count + 1)))


def bent(gaps: Array) -> Array:
    """Second derivative of ``-log(1 - exp(-gap))``."""
    return 1.0 / (4.0 * np.square(np.sinh(0.5 * gaps)))


def stiffness(diagonal: Array, stiff: Array) -> Array:
    """Blocks of independent cuts plus springs between neighbours, shape (p, K - 1, K - 1)."""
    p, count = diagonal.shape
    H = np.zeros((p, count, count))
    line = np.arange(count)
    H[:, line, line] = diagonal
    H[:, line[1:], line[1:]] += stiff
    H[:, line[:-1], line[:-1]] += stiff
    H[:, line[1:], line[:-1]] -= stiff
    H[:, line[:-1], line[1:]] -= stiff
    return H


def contrasts(count: int) -> Array:
    """Orthonormal basis (count, count - 1) of the vectors with mean zero."""
    return np.linalg.qr(np.eye(count)[:, 1:] - 1.0 / count)[0]


def safe(blocks: Array) -> Array:
    """Blocks with a relative jitter that keeps empty ones solvable."""
    wide = np.asarray(blocks, dtype=float)
    scale = np.einsum("jkk->j", wide) / max(wide.shape[-1], 1)
    return wide + np.eye(wide.shape[-1]) * (1e-10 * scale + 1e-12)[:, None, None]
