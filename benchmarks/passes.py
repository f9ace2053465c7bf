"""Contestants of the pass over the entries: logistic loss, gradients of both factors and of the column intercepts."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from halfseen import kernels
from problems import Problem

Run = Callable[[], object]


def halfseen_pass(P: Problem, family: str = "bernoulli") -> Run:
    """One call of the compiled kernel."""
    grad_A, grad_B, grad_col = np.empty_like(P.A), np.empty_like(P.B), np.empty_like(P.col_offset)

    def run() -> float:
        grad_B[...] = 0
        grad_col[...] = 0
        outputs = {"grad_A": grad_A, "grad_B": grad_B, "grad_col": grad_col}
        return kernels.loss_and_gradient(P.view, P.A, P.B, family=family, col_offset=P.col_offset, **outputs)

    return run


def scipy_pass(P: Problem) -> Run:
    """Gather both factors, einsum the dots, multiply the residuals' CSR table with the factors."""
    from scipy.sparse import csr_array
    from scipy.special import expit

    rows = np.repeat(np.arange(len(P.A)), np.diff(P.view.indptr))
    indptr, indices = P.view.indptr.astype(np.int32), P.view.indices.copy()

    def run() -> float:
        m = np.einsum("ek,ek->e", P.A[rows], P.B[indices]) + P.col_offset[indices]
        loss = np.logaddexp(np.zeros(1, m.dtype), m) - P.view.values * m
        g = expit(m) - P.view.values
        table = csr_array((g, indices, indptr), shape=(len(P.A), len(P.B)))
        grad_A, grad_B = table @ P.B, table.T @ P.A
        grad_col = np.bincount(indices, g, minlength=len(P.B))
        return float(loss.sum(dtype=np.float64)) + 0 * float(grad_A[0, 0] + grad_B[0, 0] + grad_col[0])

    return run


def torch_sparse_pass(P: Problem) -> Run:
    """torch's own kernels for this: sampled_addmm for the dots, sparse products for the gradients."""
    import torch

    warnings.filterwarnings("ignore", message="Sparse CSR tensor support")
    torch.set_num_threads(1)
    A, B, offset = (torch.from_numpy(array) for array in (P.A, P.B, P.col_offset))
    y = torch.from_numpy(P.view.values.copy())
    crow = torch.from_numpy(P.view.indptr.astype(np.int32))
    col = torch.from_numpy(P.view.indices.copy())
    shape = (len(P.A), len(P.B))
    zeros = torch.sparse_csr_tensor(crow, col, torch.zeros_like(y), shape, check_invariants=False)
    order, by_col = _transposed_places(P)
    ccol, row = (torch.from_numpy(array) for array in by_col)
    long_col = col.long()

    def run() -> float:
        m = torch.sparse.sampled_addmm(zeros, A, B.T).values() + offset[long_col]
        loss = torch.nn.functional.softplus(m) - y * m
        g = torch.sigmoid(m) - y
        grad_A = torch.sparse_csr_tensor(crow, col, g, shape, check_invariants=False) @ B
        grad_B = torch.sparse_csr_tensor(ccol, row, g[order], shape[::-1], check_invariants=False) @ A
        grad_col = torch.zeros(len(B), dtype=g.dtype).index_add_(0, long_col, g)
        return float(loss.sum()) + 0 * float(grad_A[0, 0] + grad_B[0, 0] + grad_col[0])

    return run


def torch_autograd_pass(P: Problem) -> Run:
    """What a user of torch writes: gather, multiply, sum, binary cross entropy, backward."""
    import torch

    torch.set_num_threads(1)
    A, B, offset = (torch.from_numpy(array).requires_grad_() for array in (P.A, P.B, P.col_offset))
    y = torch.from_numpy(P.view.values.copy())
    rows = torch.from_numpy(np.repeat(np.arange(len(P.A)), np.diff(P.view.indptr)))
    cols = torch.from_numpy(P.view.indices.astype(np.int64))

    def run() -> float:
        A.grad = B.grad = offset.grad = None
        m = (A[rows] * B[cols]).sum(1) + offset[cols]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(m, y, reduction="sum")
        loss.backward()
        return float(loss.detach())

    return run


def _transposed_places(P: Problem):
    import torch

    order = np.argsort(P.view.indices, kind="stable")
    rows = np.repeat(np.arange(len(P.A), dtype=np.int32), np.diff(P.view.indptr))[order]
    ccol = np.concatenate([[0], np.cumsum(np.bincount(P.view.indices, minlength=len(P.B)))]).astype(np.int32)
    return torch.from_numpy(order), (ccol, rows)
