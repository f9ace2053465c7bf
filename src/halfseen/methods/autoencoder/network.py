"""Sparse kernel layers, encoders that share and encoders of one source, folding and deflation, one decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from halfseen._typing import FloatArray
from halfseen.nets import Columns, at_entries, load_torch, times

KERNELS = ("hat", "gaussian", "none")
# What the Gram matrix of folded embeddings gets on its diagonal, in units of its mean: sigmoids at the start are all
# near one half, hence nearly collinear.
PROJECTION_RIDGE = 1e-6
START_SPREAD = 1e-3


@dataclass(frozen=True)
class Layout:
    """Sizes of a network and the kernel of its layers.

    Attributes
    ----------
    n_rows : int
    width : int
        Length r of an embedding.
    hidden, unique_hidden : int
        Units between input and embedding, of the shared encoder and of those of single sources.
    folds : int
        Vectors k that an embedding is folded into; 0 leaves unique embeddings as they are.
    kernel : {"hat", "gaussian", "none"}
    gamma : float
        Of the Gaussian kernel.
    dimension : int
        Of the places that the kernel compares.
    unique_end : {"sigmoid", "tanh", "linear"}
        Last activation of the unique encoders.
    """

    n_rows: int
    width: int
    hidden: int
    unique_hidden: int = 0
    folds: int = 0
    kernel: str = "hat"
    gamma: float = 1.0
    dimension: int = 5
    unique_end: str = "sigmoid"

    def encoder(self, part: str) -> tuple[tuple[str, int, int], ...]:
        """Layers (name, units in, units out) of the encoder "shared", or of a source's own."""
        middle = self.hidden if part == "shared" else self.unique_hidden
        return (f"{part}.1", self.n_rows, middle), (f"{part}.2", middle, self.width)

    @property
    def decoder(self) -> tuple[tuple[str, int, int], ...]:
        """Layers of the decoder."""
        return (("decoder.1", self.width, self.n_rows),)


def kernel_of(u: Any, v: Any, kind: str, gamma: float = 1.0) -> Any:
    r"""Kernel matrix of two sets of places: hat :math:`\max(0, 1-\|u-v\|^2)` or Gaussian :math:`e^{-\gamma\|u-v\|^2}`.

    Works on tensors and on arrays alike.
    """
    torch = load_torch("a network")
    squared = (u * u).sum(1)[:, None] + (v * v).sum(1)[None, :] - 2.0 * (u @ v.T)
    return (1.0 - squared).clamp(min=0.0) if kind == "hat" else torch.exp(-gamma * squared)


def start_layers(layers: Any, layout: Layout, generator: Any) -> dict[str, FloatArray]:
    """Glorot-uniform weights, places of size .001 and no offsets, drawn on the processor."""
    torch, arrays = load_torch("a network"), {}
    for name, n_in, n_out in layers:
        reach = float(np.sqrt(6.0 / (n_in + n_out)))
        arrays[f"{name}.weight"] = reach * (
            2.0 * torch.rand(n_in, n_out, generator=generator, dtype=torch.float64) - 1.0
        )
        arrays[f"{name}.offset"] = torch.zeros(n_out, dtype=torch.float64)
        for side, length in (("u", n_in), ("v", n_out)) if layout.kernel != "none" else ():
            places = torch.randn(length, layout.dimension, generator=generator, dtype=torch.float64)
            arrays[f"{name}.{side}"] = START_SPREAD * places.clamp(-2.0, 2.0)
    return {name: tensor.numpy() for name, tensor in arrays.items()}


class Layers:
    r"""Effective weights :math:`W \circ K(u, v)` of layers, made once per evaluation, and their penalty.

    .. math:: \frac\lambda2\|W\|_F^2 + \frac{\lambda_s}2\|K\|_F^2

    and :math:`\frac\lambda2\|b\|^2` for the encoders of single sources.

    Notes
    -----
    Source: Muller, Martel, Indiveri (2018), kernel layers; the paper's printed :math:`\alpha_i K(u_i, u_j)` drops the
    second index of the weights.
    """

    def __init__(self, weights: dict[str, Any], layout: Layout) -> None:
        self.weights, self.layout = weights, layout
        self._used: dict[str, tuple[Any, Any]] = {}

    def matrix(self, name: str) -> Any:
        """Effective weights of a layer."""
        return self._of(name)[0]

    def offset(self, name: str) -> Any:
        """Offsets of a layer's units."""
        return self.weights[f"{name}.offset"]

    def penalty(self, penalties: dict[str, float], sparsity: float, shares: dict[str, float]) -> Any:
        """Of all layers used so far, each by its share; penalties and shares by the first part of a layer's name."""
        total = 0.0
        for name, (_, kernel) in self._used.items():
            weight, part = self.weights[f"{name}.weight"], name.split(".")[0]
            squares = (weight * weight).sum()
            if (
                part not in penalties
            ):  # free offsets of a source's own encoder would be effects of rows without a penalty
                squares = squares + (self.offset(name) * self.offset(name)).sum()
            value = 0.5 * penalties.get(part, penalties["unique"]) * squares
            if kernel is not None:
                value = value + 0.5 * sparsity * (kernel * kernel).sum()
            total = total + shares[part] * value
        return total

    def _of(self, name: str) -> tuple[Any, Any]:
        if name not in self._used:
            weight, kernel = self.weights[f"{name}.weight"], None
            if self.layout.kernel != "none":
                u, v = self.weights[f"{name}.u"], self.weights[f"{name}.v"]
                kernel = kernel_of(u, v, self.layout.kernel, self.layout.gamma)
                weight = weight * kernel
            self._used[name] = weight, kernel
        return self._used[name]


def encode(layers: Layers, part: str, columns: Columns, values: Any, drop: Any = None) -> Any:
    """Embeddings (n_columns, r) of columns with the encoder "shared", or a source's own."""
    (first, *_), (second, *_) = layers.layout.encoder(part)
    middle = (times(columns, values, layers.matrix(first)) + layers.offset(first)).sigmoid()
    if drop is not None:
        middle = drop(middle)
    output = middle @ layers.matrix(second) + layers.offset(second)
    end = "sigmoid" if part == "shared" else layers.layout.unique_end
    return output if end == "linear" else getattr(output, end)()


def fold(embedding: Any, folds: int) -> Any:
    """Embeddings (b, r) as k vectors each, (b, r / k, k)."""
    return embedding.reshape(len(embedding), folds, -1).transpose(1, 2)


def unfold(folded: Any) -> Any:
    """The inverse of :func:`fold`."""
    return folded.transpose(1, 2).reshape(len(folded), -1)


def project(onto: Any, what: Any, ridge: float = PROJECTION_RIDGE) -> Any:
    r"""Slices of ``what`` on the columns of those of ``onto``, :math:`A(A^\top A + \epsilon I)^{-1}A^\top B`.

    Notes
    -----
    :math:`\epsilon` is ``ridge`` times the mean of the diagonal. Source: appendix A of the paper, without its ridge.
    """
    torch = load_torch("a network")
    gram = onto.transpose(1, 2) @ onto
    k = gram.shape[1]
    size = gram.diagonal(dim1=1, dim2=2).mean(dim=1)[:, None, None]
    ridged = gram + ridge * size * torch.eye(k, dtype=gram.dtype, device=gram.device)
    return onto @ torch.linalg.solve(ridged, onto.transpose(1, 2) @ what)


def deflate(shared: Any, unique: Any, folds: int) -> Any:
    """Unique embeddings without what their folds have in the span of the shared embeddings' folds."""
    if not folds:
        return unique
    folded = fold(unique, folds)
    return unfold(folded - project(fold(shared, folds), folded))


def embed(layers: Layers, own: str | None, columns: Columns, values: Any, drop: Any = None) -> tuple[Any, Any]:
    """Shared and (deflated) unique embeddings of columns; without an encoder of their own, no unique ones."""
    shared = encode(layers, "shared", columns, values, drop)
    if own is None:
        return shared, None
    return shared, deflate(shared, encode(layers, own, columns, values, drop), layers.layout.folds)


def outputs(layers: Layers, parts: tuple[Any, Any], asked: Columns) -> Any:
    """What the decoder makes of the sum of embeddings, at the entries of ``asked``, shape (n_entries,)."""
    shared, unique = parts
    ((last, *_),) = layers.layout.decoder
    embedding = shared if unique is None else shared + unique
    return at_entries(asked, embedding, layers.matrix(last).T) + layers.offset(last)[asked.pattern.col_indices()]
