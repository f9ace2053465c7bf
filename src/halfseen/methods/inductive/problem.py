"""The objectives of inductive completion as functions of one flat vector of weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfseen.engines import EntryPasses
from halfseen.methods.inductive.activations import Activation
from halfseen.methods.inductive.maps import FeatureMap

Array = NDArray[Any]

# Entries whose Jacobian rows are held at once: 4096 rows of a thousand weights are 32 MB.
JACOBIAN_ROWS = 4096


@dataclass(frozen=True)
class Design:
    """What the model is, beside its features.

    Attributes
    ----------
    rank, free_rank : int
    activation : Activation
    effects : {"none", "rows", "cols", "both"}
    penalty : float
        On all weights, in units of the mean loss.
    effect_penalty, free_penalty : float
        In entries.
    offset : float
        Added to every linear predictor.
    beta : float or None
        Weight of unseen cells; None where unseen cells say nothing.
    is_tied, holds_first_row : bool
    has_level : bool
        A constant that is learned is added to every linear predictor.
    has_gain : bool
        Products of units are multiplied by a positive number that is learned, for units that are bounded.
    """

    rank: int
    activation: Activation
    penalty: float = 0.0
    effects: str = "none"
    free_rank: int = 0
    effect_penalty: float = 0.0
    free_penalty: float = 0.0
    offset: float = 0.0
    beta: float | None = None
    is_tied: bool = False
    holds_first_row: bool = False
    has_level: bool = False
    has_gain: bool = False

    @property
    def has_row_effects(self) -> bool:
        return self.effects in ("rows", "both")

    @property
    def has_col_effects(self) -> bool:
        return self.effects in ("cols", "both")


@dataclass(frozen=True)
class Weights:
    """One point: weights of features (U, V), free factors (P, Q) and effects (r, c) of seen rows and columns.

    The last part, s, holds the level and the logarithm of the gain, where these are learned.
    """

    U: Array
    V: Array
    P: Array
    Q: Array
    r: Array
    c: Array
    s: Array


class InductiveProblem:
    r"""Value and gradient of

    .. math:: \frac1m\sum_{e=(i,j)} w_e\,\ell(a_e, m_e) + \frac\lambda2(\|U\|^2 + \|V\|^2),\qquad
              m_{ij} = \mu + r_i + c_j + \langle\phi(U^\top x_i), \phi(V^\top y_j)\rangle + \langle p_i, q_j\rangle

    or, with ``beta``, of the one-class objective (the paper's equation (5), over the number of seen entries)

    .. math:: \frac1{2m}\Bigl(\sum_\Omega (m_{ij} - a_{ij})^2 + \beta\sum_{\Omega^c} m_{ij}^2\Bigr),\qquad
              \sum_{\Omega^c} m^2 = \langle A^\top A, B^\top B\rangle - \sum_\Omega m^2 .

    Parameters
    ----------
    passes : EntryPasses
    rows, cols : FeatureMap
    design : Design

    Notes
    -----
    One gradient: the products with the features there and back, and one fused pass over the entries (three with
    ``beta``). The gradient of the preactivations is :math:`(S W)\circ\phi'(XU)` with the sparse residual S. No array
    of rows x columns is made.
    """

    def __init__(self, passes: EntryPasses, rows: FeatureMap, cols: FeatureMap, design: Design) -> None:
        self.passes, self.rows, self.cols, self.design = passes, rows, cols, design
        self.dtype = passes.dtype
        # of one-class tables: what features were turned by before they came here
        self.turns: tuple[Any, Any] = (None, None)
        observed = passes.observed
        self.total = float(observed.n_entries if observed.weights is None else np.sum(observed.weights, dtype=float))
        (n, p), q, k = passes.shape, design.free_rank, design.rank
        shapes: list[tuple[int, ...]] = [
            (rows.size, k),
            (0 if design.is_tied else cols.size, k),
            (n if q else 0, q),
            (p if q else 0, q),
        ]
        shapes += [(n if design.has_row_effects else 0,), (p if design.has_col_effects else 0,)]
        shapes += [(design.has_level + design.has_gain,)]
        self._shapes = shapes
        self._ends = np.cumsum([int(np.prod(shape)) for shape in shapes])

    # ---- one vector --------------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Length of the vector."""
        return int(self._ends[-1])

    def unpack(self, theta: Array) -> Weights:
        """Views of the vector's parts; V is U where both sides are tied."""
        starts = [0, *self._ends[:-1]]
        parts = [theta[a:b].reshape(s) for a, b, s in zip(starts, self._ends, self._shapes, strict=True)]
        if self.design.is_tied:
            parts[1] = parts[0]
        return Weights(*parts)

    def pack(self, U: Array, V: Array, s: Any = None) -> Array:
        """A vector with these weights, and nothing free; level and gain (its logarithm) in ``s``, if given."""
        theta = np.zeros(self.size, dtype=self.dtype)
        at = self.unpack(theta)
        at.V[:] = V
        at.U[:] = U
        if s is not None:
            at.s[:] = s
        return theta

    def sides(self, at: Weights) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """Preactivations and activations of both sides."""
        phi = self.design.activation.value
        Z = self.rows.forward(at.U)
        H = phi(Z)
        if self.design.is_tied:
            return (Z, H), (Z, H)
        Y = self.cols.forward(at.V)
        return (Z, H), (Y, phi(Y))

    def level(self, at: Weights) -> float:
        """What is added to every linear predictor."""
        return self.design.offset + (float(at.s[0]) if self.design.has_level else 0.0)

    def gain(self, at: Weights) -> float:
        """What products of units are multiplied by."""
        return float(np.exp(at.s[-1])) if self.design.has_gain else 1.0

    def factors(self, at: Weights, H: Array, W: Array) -> tuple[Array, Array]:
        """Activations (those of the rows times the gain) beside the free factors."""
        if self.design.has_gain:
            H = self.dtype.type(self.gain(at)) * H
        if not self.design.free_rank:
            return H, W
        return np.concatenate([H, at.P], axis=1), np.concatenate([W, at.Q], axis=1)

    def offsets(self, at: Weights) -> dict[str, Array | None]:
        """Effects as the passes take them, the fixed offset among the rows'."""
        rows: Array | None = at.r if len(at.r) else None
        if level := self.level(at):
            rows = (0 if rows is None else rows) + np.full(self.passes.shape[0], level, self.dtype)
        return {"row_offset": rows, "col_offset": at.c if len(at.c) else None}

    # ---- value and gradient ------------------------------------------------------------------------------------

    def value(self, theta: Array) -> float:
        at = self.unpack(theta)
        (_, H), (_, W) = self.sides(at)
        A, B = self.factors(at, H, W)
        if self.design.beta is not None:
            return self._one_class(at, A, B)[0] + self.penalty_at(at)
        return self.passes.value(A, B, **self.offsets(at)) / self.total + self.penalty_at(at)

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        at, k = self.unpack(theta), self.design.rank
        (Z, H), (Y, W) = self.sides(at)
        A, B = self.factors(at, H, W)
        value, (gA, gB, gr, gc) = self.of_factors(at, A, B)
        gradient = np.empty_like(theta)
        out, scale = self.unpack(gradient), self.dtype.type(1.0 / self.total)
        slope, gain = self.design.activation.slope, self.dtype.type(self.gain(at))
        if self.design.has_level:
            out.s[0] = scale * np.sum(gr, dtype=float)
        if self.design.has_gain:
            out.s[-1] = scale * np.sum(gA[:, :k] * A[:, :k], dtype=float)
        pulled = self.rows.pull(gain * gA[:, :k] * slope(Z, H))
        other = self.cols.pull(gB[:, :k] * slope(Y, W))
        if self.design.is_tied:
            pulled += other
        else:
            out.V[:] = scale * other
        out.U[:] = scale * pulled
        if self.design.free_rank:
            out.P[:], out.Q[:] = scale * gA[:, k:], scale * gB[:, k:]
        for target, source in ((out.r, gr), (out.c, gc)):
            if len(target):
                target[:] = scale * source
        self._add_penalty(at, out)
        if self.design.holds_first_row:
            out.U[0] = 0
        return value + self.penalty_at(at), gradient

    def of_factors(self, at: Weights, A: Array, B: Array) -> tuple[float, tuple[Any, ...]]:
        """Mean loss of these factors, and gradients of its sum with respect to factors and effects."""
        if self.design.beta is not None:
            return self._one_class(at, A, B)
        want = "AB" + "r" * (self.design.has_row_effects or self.design.has_level) + "c" * self.design.has_col_effects
        done = self.passes.loss_and_gradient(A, B, **self.offsets(at), want=want)
        return done.value / self.total, (done.A, done.B, done.row, done.col)

    def _one_class(self, at: Weights, A: Array, B: Array) -> tuple[float, tuple[Any, ...]]:
        """Mean value, and gradients of the sums: effects are columns of their own, so that one Gram identity is all."""
        passes, beta, w = self.passes, self.design.beta or 0.0, self.passes.observed.weights
        m = passes.at(A, B, **self.offsets(at))
        residual = m - passes.observed.values
        weighted = residual if w is None else w * residual
        wide = self._widened(at, A, B)
        grams = [np.asarray(part, dtype=float).T @ np.asarray(part, dtype=float) for part in wide]
        everywhere = float(np.sum(grams[0] * grams[1]))
        seen = float(np.sum(weighted * residual, dtype=float))
        value = 0.5 * (seen + beta * (everywhere - float(np.sum(m * m, dtype=float)))) / self.total
        S, q = weighted - self.dtype.type(beta) * m, A.shape[1]
        gA = passes.to_rows(S, wide[1]) + (beta * (wide[0] @ grams[1])).astype(self.dtype)
        gB = passes.to_cols(S, wide[0]) + (beta * (wide[1] @ grams[0])).astype(self.dtype)
        effects = (gA[:, -1], gB[:, -2]) if gA.shape[1] > q else (None, None)
        return value, (gA[:, :q], gB[:, :q], *effects)

    def _widened(self, at: Weights, A: Array, B: Array) -> tuple[Array, Array]:
        """Factors with two further columns each, so that their product is the whole predictor: [A, 1, r], [B, c, 1]."""
        offsets = self.offsets(at)
        if all(own is None for own in offsets.values()):
            return A, B
        wide = []
        for part, own, place in ((A, offsets["row_offset"], 1), (B, offsets["col_offset"], 0)):
            more = np.ones((len(part), 2), dtype=self.dtype)
            more[:, place] = 0 if own is None else own
            wide.append(np.concatenate([part, more], axis=1))
        return wide[0], wide[1]

    def penalty_at(self, at: Weights) -> float:
        """The part of the objective that is the penalties'."""

        def squares(*parts: Array) -> float:
            return sum(float(np.sum(part * part, dtype=float)) for part in parts)

        design = self.design
        value = 0.5 * design.penalty * squares(at.U, *([] if design.is_tied else [at.V])) if design.penalty else 0.0
        free = design.free_penalty * squares(at.P, at.Q) + design.effect_penalty * squares(at.r, at.c)
        return value + 0.5 / self.total * free

    def _add_penalty(self, at: Weights, out: Weights) -> None:
        design, scalar = self.design, self.dtype.type
        if design.penalty:
            out.U[:] += scalar(design.penalty) * at.U
            if not design.is_tied:
                out.V[:] += scalar(design.penalty) * at.V
        for target, source, penalty in (
            (out.P, at.P, design.free_penalty),
            (out.Q, at.Q, design.free_penalty),
            (out.r, at.r, design.effect_penalty),
            (out.c, at.c, design.effect_penalty),
        ):
            if source.size and penalty:
                target += scalar(penalty / self.total) * source

    # ---- curvature of small problems ---------------------------------------------------------------------------

    def jacobian(self, at: Weights, x: Array, y: Array) -> Array:
        r"""Derivative of the linear predictor at lines of features, ndarray (N, weights).

        :math:`[x \otimes (\phi'(U^\top x)\circ\phi(V^\top y)),\; y \otimes (\phi'(V^\top y)\circ\phi(U^\top x))]`
        """
        phi, slope = self.design.activation.value, self.design.activation.slope
        Z, Y = x @ at.U, y @ at.V
        H, W = phi(Z), phi(Y)
        gain = self.gain(at)
        left = x[:, :, None] * (gain * slope(Z, H) * W)[:, None, :]
        right = y[:, :, None] * (gain * slope(Y, W) * H)[:, None, :]
        parts = [left.reshape(len(x), -1), right.reshape(len(x), -1)]
        if self.design.is_tied:
            parts = [parts[0] + parts[1]]
        if self.design.has_level:
            parts.append(np.ones((len(x), 1)))
        if self.design.has_gain:
            parts.append(gain * np.sum(H * W, axis=1, keepdims=True))
        return np.concatenate(parts, axis=1)

    def predictor(self, at: Weights, x: Array, y: Array) -> Array:
        """Linear predictors at lines of features, effects and free factors left out; ndarray (N,)."""
        phi = self.design.activation.value
        return self.level(at) + self.gain(at) * np.einsum("ek,ek->e", phi(x @ at.U), phi(y @ at.V))

    @property
    def is_penalised(self) -> Array:
        """1 for the parts of the vector that the penalty is on, 0 for level and gain; of models without free parts."""
        return np.where(np.arange(self.size) < self.size - self._shapes[-1][0], 1.0, 0.0)

    def normal_equations(
        self, theta: Array, weigh: Callable[[Array, Array], Array] | None = None
    ) -> tuple[Array, Array]:
        r"""Gauss-Newton matrix :math:`\frac1m J^\top C J + \lambda I` and gradient.

        ``weigh(y, m)`` replaces the curvature C of the loss (for sandwiches); the penalty then is left out.
        O(E weights^2) time; blocks of entries, never the whole Jacobian.
        """
        at, observed, loss = self.unpack(theta), self.passes.observed, self.passes.loss
        (_, H), (_, W) = self.sides(at)
        A, B = self.factors(at, H, W)
        m = self.passes.at(A, B, **self.offsets(at)).astype(float)
        y, w = observed.values.astype(float), 1.0 if observed.weights is None else observed.weights.astype(float)
        g = w * loss.gradient(y, m)
        bend = w * loss.curvature(y, m) if weigh is None else weigh(y, m)
        rows, cols = observed.rows, observed.cols
        matrix, gradient = np.zeros((self.size, self.size)), np.zeros(self.size)
        wide = Weights(*(np.asarray(part, dtype=float) for part in vars(at).values()))
        for begin in range(0, len(rows), JACOBIAN_ROWS):
            part = slice(begin, begin + JACOBIAN_ROWS)
            x, z = self.rows.lines(rows[part]).astype(float), self.cols.lines(cols[part]).astype(float)
            J = self.jacobian(wide, x, z)
            matrix += J.T @ (J * np.broadcast_to(bend, g.shape)[part, None])
            gradient += J.T @ g[part]
        penalty = self.design.penalty if weigh is None else 0.0
        shrunk = penalty * self.is_penalised
        matrix, gradient = matrix / self.total, gradient / self.total + shrunk * theta
        matrix[np.diag_indices(self.size)] += shrunk
        if self.design.holds_first_row:
            k = self.design.rank
            matrix[:k], matrix[:, :k], gradient[:k] = 0.0, 0.0, 0.0
            matrix[np.arange(k), np.arange(k)] = 1.0
        return matrix, gradient
