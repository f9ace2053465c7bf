"""Kernel ridge regression of rows, and of cells, for one-class tables: from similarities, or from features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from halfseen._typing import BoolArray, FloatArray, IntArray, Labels
from halfseen.data import Observed, as_observed
from halfseen.data.candidates import Candidates, best_of, known_cells, named_candidates
from halfseen.data.features import FeatureCode, SideFeatures, as_side_features, is_features
from halfseen.data.labels import find_labels, find_positions
from halfseen.data.similarities import SimilarityFeatures
from halfseen.data.storable import storable
from halfseen.errors import shown
from halfseen.methods.comparisons.one_class import OneClassBaseline
from halfseen.parameters import Number, Table, Whole

SIDES = ("row", "col")


@storable
@dataclass(frozen=True)
class FeatureKernel:
    """How alike lines are, from their features: the mean of 1 and of their products (1 on the diagonal, in the mean).

    Attributes
    ----------
    code : FeatureCode or None
        How features became numbers; None where a line's features are its similarities, each named by another line.
    lines : ndarray (n, d)
        Encoded lines of the fit.
    names : list of str
        Of similarities: the lines of the fit, as their columns are called.
    size : float
        Mean square of the encoded lines.
    has_constant : bool
        False for `SimilarityFeatures`, whose products are the similarities.
    """

    code: FeatureCode | None
    lines: FloatArray
    names: list[str]
    size: float = 1.0
    has_constant: bool = True

    @classmethod
    def learn(cls, given: Any, length: int, labels: Labels | None, name: str) -> Self:
        """From the features of a side of the table; a frame with a column for every line holds similarities."""
        is_kernel = isinstance(given, SimilarityFeatures)
        side = as_side_features(given, name).aligned(length, labels, name)
        side.refuse_missing(name)
        names = [] if labels is None else [str(label) for label in labels.tolist()]
        if names and set(names) <= set(side.columns):
            return cls(None, np.zeros((0, 0)), names)
        code = FeatureCode.learn(side, "none" if is_kernel else "auto")
        lines = dense(code.encode(side, name))
        size = 1.0 if is_kernel else float(np.mean(np.sum(lines**2, axis=1))) or 1.0
        return cls(code, lines, [], size, not is_kernel)

    def of(self, given: Any, name: str) -> FloatArray:
        """Similarities (m, n) of lines to those of the fit."""
        side = as_side_features(given, name, may_miss=True)
        if self.code is None:
            return self._similarities(side, name)
        products = dense(self.code.encode(side, name, [])) @ self.lines.T / self.size
        return 0.5 * (products + 1.0) if self.has_constant else products

    def _similarities(self, side: SideFeatures, name: str) -> FloatArray:
        lacking = [column for column in self.names if column not in side.columns]
        if lacking:
            raise ValueError(
                f"{name}: no column {shown(lacking[0])}; needed: similarities to all {len(self.names)} lines of the "
                "fit, a column each, called as they are"
            )
        side.refuse_missing(name)
        return np.column_stack([np.asarray(side.columns[column], dtype=float) for column in self.names])


def dense(matrix: Any) -> FloatArray:
    """An array of a sparse matrix or an array."""
    return np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix, dtype=float)


class KernelBaseline(OneClassBaseline):
    """Scores of one-class tables from kernels of rows, and of columns where ``needs_cols``.

    Given features, rows and columns without an entry are unknown, not empty: nothing is learned from them, and they are
    scored by their similarity to the others. A kernel is one of training rows, each of which counts. Subclasses give
    ``_learn(table, row_kernel, col_kernel)`` and ``_similar(row_similarity, col_similarity)``.
    """

    row_labels_: Labels | None
    col_labels_: Labels | None
    seen_: tuple[IntArray, IntArray]

    def fit(
        self,
        R: Any,
        y: None = None,
        *,
        row_kernel: Any = None,
        col_kernel: Any = None,
        row_features: Any = None,
        col_features: Any = None,
    ) -> Self:
        """Fit to seen associations, and to similarities or features of the sides.

        Parameters
        ----------
        R : table; seen cells are near their values, all others near 0
        y : None
        row_kernel, col_kernel : array (n, n), (p, p), optional
            Similarities.
        row_features, col_features : array, scipy.sparse, data frame, SideFeatures or SimilarityFeatures, optional
            In the place of similarities. A frame whose columns are called as the table's rows (columns) are holds
            similarities; products of other features, in units of their spread, become some.
        """
        observed = as_observed(R)
        self.row_labels_, self.col_labels_ = observed.row_labels, observed.col_labels
        self.seen_ = np.asarray(observed.rows, dtype=np.int32), np.asarray(observed.cols, dtype=np.int32)
        self.row_kernel_, K = self._kernel_of(row_kernel, row_features, observed, 0)
        self.col_kernel_, G = self._kernel_of(col_kernel, col_features, observed, 1)
        self._is_known = tuple(
            np.full(n, kernel is None) | (np.bincount(places, minlength=n) > 0)
            for places, n, kernel in zip(self.seen_, observed.shape, (self.row_kernel_, self.col_kernel_), strict=True)
        )
        super().fit(R, row_kernel=K, col_kernel=G)
        if not self.needs_cols:
            self._col_similarity = None
        return self

    def predict_entries(self, rows: Any, cols: Any, kind: str = "mean") -> FloatArray:
        """Scores of pairs: rows and columns of the fit by label or position, new ones by similarities or features."""
        check_is_fitted(self)
        check_kind(kind)
        given = [None if is_plain(part) else part for part in (rows, cols)]
        table = self.predict_table(given[0], given[1])
        i, j = (
            self._positions(part, ("row", "column")[axis]) if is_plain(part) else np.arange(table.shape[axis])
            for axis, part in enumerate((rows, cols))
        )
        if len(i) != len(j) and 1 not in (len(i), len(j)):
            raise ValueError(f"rows and cols are pairs, but {len(i)} rows and {len(j)} cols were given")
        return np.asarray(table[np.broadcast_arrays(i, j)[0], np.broadcast_arrays(i, j)[1]])

    def predict_table(self, rows: Any = None, cols: Any = None, kind: str = "mean") -> FloatArray:
        """Scores (m, q) of rows against columns.

        Parameters
        ----------
        rows, cols : labels or positions of those of the fit; of new ones similarities (m, n) and (q, p), or features
            All those of the fit where not given.
        kind : {"mean", "linear"}
            The same: scores.
        """
        check_is_fitted(self)
        check_kind(kind)
        return self._similar(self._similar_to(rows, 0), self._similar_to(cols, 1))

    def _similar_to(self, given: Any, axis: int) -> Any:
        """Similarities of given lines to those of the fit; None for columns that need none, all of them."""
        kernel, own = (self.row_kernel_, self.col_kernel_)[axis], (self._similarity, self._col_similarity)[axis]
        side, name = ("row", "column")[axis], f"{SIDES[axis]}_features"
        if own is None:
            return None if given is None else self._chosen(given)
        if given is None:
            return own
        if is_plain(given):
            return own[self._positions(given, side)]
        if kernel is not None:
            return kernel.of(given, name)
        similarity = np.asarray(given, dtype=float)
        if similarity.ndim != 2 or similarity.shape[1] != len(own):
            raise ValueError(
                f"{SIDES[axis]}_kernel has shape {similarity.shape}; needed: similarities of new {side}s to the "
                f"{len(own)} training {side}s"
            )
        return similarity

    def _chosen(self, given: Any) -> IntArray:
        if not is_plain(given):
            raise ValueError(
                f"cols: {type(self).__name__} knows the columns of its fit only, by label or position; KronRidge "
                "scores new ones"
            )
        return self._positions(given, "column")

    def rank_columns(self, rows: Any = None, r: int = 10, cols: Any = None, seen: Any = None) -> Candidates:
        """The r columns with the highest scores for every given row; what fitted rows have is left out.

        Parameters
        ----------
        rows : labels, positions, or similarities or features of new rows; None for all of the fit
        r : int
        cols : candidates, likewise; all columns of the fit where not given
        seen : table or False, optional
            Entries of these rows over the candidates to leave out; False leaves nothing out.
        """
        Whole(1).check("r", r)
        table = np.array(self.predict_table(rows, cols))
        known = known_cells(self, rows, cols, seen)
        if known is not None:
            table[known.rows, known.cols] = -np.inf
        return named_candidates(self, cols, table.shape[1], *best_of(table, min(int(r), table.shape[1])))

    def _positions(self, wanted: Any, side: str) -> IntArray:
        axis = ("row", "column").index(side)
        labels = (self.row_labels_, self.col_labels_)[axis]
        if wanted is None:
            return np.arange(self.observed_shape_[axis])
        if labels is None:
            return find_positions(self.observed_shape_[axis], wanted, side)
        return find_labels(labels, wanted, side)

    def _kernel_of(
        self, kernel: Any, features: Any, observed: Observed, axis: int
    ) -> tuple[FeatureKernel | None, FloatArray | None]:
        """The kernel of a side, and how new lines get theirs where it came of features."""
        name = f"{SIDES[axis]}_features"
        if features is None or (axis and not self.needs_cols):
            return None, kernel
        if kernel is not None:
            raise ValueError(f"both {SIDES[axis]}_kernel and {name} are given; needed: one of them")
        labels = (observed.row_labels, observed.col_labels)[axis]
        learned = FeatureKernel.learn(features, observed.shape[axis], labels, name)
        side = as_side_features(features, name).aligned(observed.shape[axis], labels, name)
        return learned, learned.of(side, name)

    def _similar(self, rows: Any, cols: Any) -> FloatArray:
        raise NotImplementedError


def is_plain(given: Any) -> bool:
    """Whether lines are given by label or position, or not at all."""
    return not is_features(given)


def check_kind(kind: str) -> None:
    """Scores are of one kind."""
    if kind not in ("mean", "linear"):
        raise ValueError(f"kind must be one of ('mean', 'linear'), got {kind!r}")


class RowKernelRidge(KernelBaseline):
    r"""Ridge regression of every column on the rows' kernel: :math:`K_{new}(K + \lambda I)^{-1} A`.

    Parameters
    ----------
    penalty : float
        :math:`\lambda`, beside similarities of 1 on the diagonal.

    Attributes
    ----------
    dual_ : ndarray (n, p)
        :math:`(K + \lambda I)^{-1} A`; zeros for rows without an entry.
    row_kernel_ : FeatureKernel or None
        How features became similarities.

    Examples
    --------
    >>> RowKernelRidge(1.0).fit(np.array([[1.0, np.nan], [np.nan, 1.0]]), row_kernel=np.eye(2)).predict_table().tolist()
    [[0.5, 0.0], [0.0, 0.5]]
    """

    _parameters: ClassVar[Table] = {"penalty": Number(0)}

    def __init__(self, penalty: float = 1.0) -> None:
        self.penalty = penalty

    def _learn(self, table: FloatArray, rows: Any, cols: Any) -> None:
        known: BoolArray = self._is_known[0]
        self.dual_ = np.zeros_like(table)
        own = rows[np.ix_(known, known)]
        self.dual_[known] = np.linalg.solve(own + self.penalty * np.eye(len(own)), table[known])

    def _similar(self, rows: Any, cols: Any) -> FloatArray:
        return np.asarray(rows @ (self.dual_ if cols is None else self.dual_[:, cols]))


class KronRidge(KernelBaseline):
    r"""Ridge regression of all cells on the product of both kernels, in closed form through their eigenvectors.

    .. math:: \min_C \|A - K C G\|^2 + \lambda\,\langle C, K C G\rangle,\qquad
              C = Q\,\frac{Q^\top A P}{\lambda_i\gamma_j + \lambda}\,P^\top

    Parameters
    ----------
    penalty : float
        :math:`\lambda`, beside products of similarities of 1 on the diagonal.

    Attributes
    ----------
    weights_ : ndarray (n, p)
        :math:`C`; zeros for rows and columns without an entry.
    row_kernel_, col_kernel_ : FeatureKernel or None
        How features became similarities.

    Notes
    -----
    O(n^3 + p^3 + n p (n + p)) time.

    Examples
    --------
    >>> model = KronRidge(1.0).fit(np.array([[1.0, np.nan], [np.nan, 1.0]]), row_kernel=np.eye(2), col_kernel=np.eye(2))
    >>> model.predict_table().round(3).tolist()
    [[0.5, 0.0], [0.0, 0.5]]
    """

    needs_cols = True

    _parameters: ClassVar[Table] = {"penalty": Number(0, above=True)}

    def __init__(self, penalty: float = 1.0) -> None:
        self.penalty = penalty

    def _learn(self, table: FloatArray, rows: Any, cols: Any) -> None:
        i, j = self._is_known
        (own, Q), (other, P) = np.linalg.eigh(rows[np.ix_(i, i)]), np.linalg.eigh(cols[np.ix_(j, j)])
        # similarities are not always positive definite; what is negative is noise of the measure
        own, other = np.maximum(own, 0.0), np.maximum(other, 0.0)
        self.weights_ = np.zeros_like(table)
        core = (Q.T @ table[np.ix_(i, j)] @ P) / (np.outer(own, other) + self.penalty)
        self.weights_[np.ix_(i, j)] = Q @ core @ P.T

    def _similar(self, rows: Any, cols: Any) -> FloatArray:
        return np.asarray(rows @ self.weights_ @ cols.T)
