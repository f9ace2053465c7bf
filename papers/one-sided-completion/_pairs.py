"""What the scripts of this paper share: five kinds of data, masks, errors, and the contestants."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import halfseen as hs
from halfseen.data import Compressed
from halfseen.methods.comparisons.second_moments import alternating_gradient, nuclear_norm_pairs
from halfseen.methods.moment import common_means
from halfseen.show.figures import BLUE, GREY, ORANGE, new_figure, tidy

__all__ = ["BLUE", "GREY", "ORANGE", "new_figure", "tidy"]

ANGLE = "sine of the largest angle, ours"
KINDS = ("common means", "common means, variance 1/d", "linear mixtures", "mixtures", "gaussian factors")


def truth(kind: str, n: int, d: int, r: int, seed: int, noise: float = 0.0) -> np.ndarray:
    """The complete table.

    common means: entries N(2/sqrt d, 1/d^2) cut to rank r, the paper's; with variance 1/d, as its appendix writes;
    mixtures: every row one of r orthonormal factors; linear mixtures: weights U(.25, 1.75), normalised, of these.
    """
    rng = np.random.default_rng([seed, KINDS.index(kind), n, d, r])
    if kind.startswith("common means"):
        mean, spread = (2.0, 1.0 / d) if kind == "common means" else (1.0, 1.0 / np.sqrt(d))
        M = mean / np.sqrt(d) + spread * rng.standard_normal((n, d))
        vectors = np.linalg.eigh(M.T @ M)[1][:, -r:]
        M = (M @ vectors) @ vectors.T
    else:
        factors = np.linalg.qr(rng.standard_normal((d, r)))[0].T
        if kind == "mixtures":
            M = factors[rng.integers(r, size=n)] + 1e-4 * rng.standard_normal((n, d))
        elif kind == "linear mixtures":
            weights = rng.uniform(0.25, 1.75, (n, r))
            M = (weights / weights.sum(axis=1, keepdims=True)) @ factors
        else:
            M = rng.standard_normal((n, r)) @ factors
    return M + noise * rng.standard_normal((n, d)) if noise else M


def seen(M: np.ndarray, C: float, seed: int, per_row: bool = False) -> hs.Observed:
    """Each cell with probability C / d, or exactly C of every row."""
    rng, (n, d) = np.random.default_rng([seed, 99]), M.shape
    if per_row:
        cols = np.sort(np.argpartition(rng.random((n, d)), int(C), axis=1)[:, : int(C)], axis=1)
        indptr, cols = np.arange(0, n * int(C) + 1, int(C)), cols.ravel()
        values = M[np.repeat(np.arange(n), int(C)), cols]
    else:
        mask = rng.random((n, d)) < C / d
        indptr = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
        cols, values = np.nonzero(mask)[1], M[mask]
    return hs.Observed(Compressed(indptr, cols.astype(np.int32), values, None, d))


@contextmanager
def quiet() -> Iterator[None]:
    """What contestants complain about is why they lose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def relative(X: np.ndarray, T: np.ndarray) -> float:
    """Relative Frobenius error of XX'."""
    return float(np.linalg.norm(X @ X.T - T) / np.linalg.norm(T))


def angle(X: np.ndarray, T: np.ndarray, r: int) -> float:
    """Sine of the largest angle between the fitted and the true row space of dimension r."""
    U = np.linalg.svd(X, full_matrices=False)[0][:, :r]
    V = np.linalg.eigh(T)[1][:, -r:]
    cosine = np.linalg.svd(U.T @ V)[1].min() if U.shape[1] == r else 0.0
    return float(np.sqrt(max(0.0, 1.0 - cosine**2)))


def fitted(R: hs.Observed, rank: int, solver: str = "lbfgs", **settings: Any) -> np.ndarray:
    """X of one-sided completion."""
    with quiet():
        model = hs.OneSidedCompletion(rank, solver=solver, **settings, random_state=0)
        return model.fit(R).components_.T


def ours(R: hs.Observed, rank: int) -> np.ndarray:
    """The default: inverse-variance weights, psi, L-BFGS."""
    return fitted(R, rank, keeps_rows=False)


def paper_weights(R: hs.Observed, rank: int) -> np.ndarray:
    """The paper's objective, minimised by L-BFGS."""
    return fitted(R, rank, weights="paper", incoherence=0.0, keeps_rows=False)


def paper_objective(R: hs.Observed, rank: int) -> np.ndarray:
    """The same with the paper's regulariser at its published constants, lambda = 1e-4 and alpha = 1e-3."""
    return fitted(R, rank, weights="paper", incoherence=1e-4, row_norm=1e-3, keeps_rows=False)


def of_common_means(R: hs.Observed, rank: int) -> np.ndarray:
    """The estimator for rows that are one of ``rank`` means; nan where it refuses."""
    try:
        with quiet():
            return common_means(R, rank, random_state=0).factor
    except ValueError:
        return np.full((R.shape[1], rank), np.nan)


def nuclear(R: hs.Observed, rank: int, shares: tuple[float, ...] = (0.3, 0.1, 0.03, 0.01)) -> np.ndarray:
    """Nuclear norm on the pairs; the penalty is chosen on the pairs of a held-out fifth of the rows."""
    parts = [hs.PairMoments.from_rows(part) for part in R.split(0.2, 0, by="rows")]

    def pairs(moments: hs.PairMoments) -> tuple[Any, np.ndarray, np.ndarray]:
        kept = moments.at_pairs()
        return moments.pairs(), kept.sums / kept.counts, kept.counts

    (places, values, _), (held, wanted, counts) = pairs(parts[0]), pairs(parts[1])
    d, most = R.shape[1], 2 * rank
    top = nuclear_scale(places, values, d)

    def loss(share: float) -> float:
        X = nuclear_norm_pairs(places, values, d, share * top, most, max_iter=40, tol=1e-3).factor
        found = np.einsum("ek,ek->e", X[held[0]], X[held[1]])
        return float(np.sum(counts * (wanted - found) ** 2))

    best = min(shares, key=loss)
    whole = hs.PairMoments.from_rows(R)
    places, values, _ = pairs(whole)
    return nuclear_norm_pairs(places, values, d, best * top, most, max_iter=100, tol=1e-4).factor


def nuclear_scale(places: Any, values: np.ndarray, d: int) -> float:
    """Largest eigenvalue of the zero-filled pairs: beyond it the answer is 0."""
    from scipy import sparse
    from scipy.sparse.linalg import eigsh

    upper = sparse.csr_array((values, places), shape=(d, d))
    both = upper + sparse.triu(upper, k=1).T
    return float(eigsh(both, k=1, which="LA", v0=np.ones(d), return_eigenvectors=False)[0])


def descent(R: hs.Observed, rank: int, steps: tuple[float, ...] = (0.1, 0.02, 0.004)) -> np.ndarray:
    """Alternating GD (Adam on both factors); its step is chosen on a held-out tenth of the entries' second moments."""
    train, test = R.split(0.1, 0)

    def loss(step: float) -> float:
        X = alternating_gradient(train, rank, step, 200, random_state=0).factor
        held = hs.PairMoments.from_rows(test)
        i, j = held.pairs()
        kept = held.at_pairs()
        return float(np.sum(kept.counts * (kept.sums / kept.counts - np.einsum("ek,ek->e", X[i], X[j])) ** 2))

    return alternating_gradient(R, rank, min(steps, key=loss), 200, random_state=0).factor


def soft_impute(R: hs.Observed, rank: int) -> np.ndarray:
    """Soft-impute of the table itself, penalty chosen along its path; its completed rows' second moment."""
    with quiet():
        return second_moment_of_factors(hs.SoftImpute(rank=rank, random_state=0).fit(R))


def bare_soft_impute(R: hs.Observed, rank: int, sweeps: int | None = None) -> np.ndarray:
    """Soft-impute without biases or (to speak of) a penalty: its limit, or after some of its own sweeps."""
    settings: dict[str, Any] = {} if sweeps is None else {"solver": "low_rank", "max_iter": sweeps}
    with quiet():
        model = hs.SoftImpute(rank, penalty=1e-6, bias_penalty=None, tol=1e-5, **settings, random_state=0)
        return second_moment_of_factors(model.fit(R))


def second_moment_of_factors(model: Any) -> np.ndarray:
    """X with XX' the second moment of a completed table mean + biases + A B'."""
    A, B = np.asarray(model.row_factors_, dtype=float), np.asarray(model.col_factors_, dtype=float)
    rows, cols = getattr(model, "row_bias_", None), getattr(model, "col_bias_", None)
    if rows is not None and cols is not None:
        ones = np.ones
        A = np.column_stack([A, rows, ones(len(A))])
        B = np.column_stack([B, ones(len(B)), np.asarray(cols) + float(getattr(model, "mean_", 0.0))])
    values, vectors = np.linalg.eigh(A.T @ A / len(A))
    return B @ (vectors * np.sqrt(np.maximum(values, 0.0)))


CONTESTANTS: dict[str, Callable[[hs.Observed, int], np.ndarray]] = {
    "ours": ours,
    "paper weights": paper_weights,
    "paper weights and regulariser": paper_objective,
    "common means": of_common_means,
    "nuclear norm": nuclear,
    "soft-impute": soft_impute,
    "soft-impute, no biases": bare_soft_impute,
    "alternating GD": descent,
}


def contest(R: hs.Observed, T: np.ndarray, rank: int, names: tuple[str, ...]) -> dict[str, float]:
    """Relative errors of XX' of every contestant."""
    return {name: relative(CONTESTANTS[name](R, rank), T) for name in names}


def means(rows: list[dict[str, Any]], keys: tuple[str, ...], leave: tuple[str, ...] = ("seed",)) -> list[dict]:
    """Means over repetitions, in the order of the first appearance of each setting."""
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    out = []
    for setting, members in groups.items():
        numbers = [key for key in members[0] if key not in (*keys, *leave)]
        line = dict(zip(keys, setting, strict=True))
        line |= {key: float(np.mean([member[key] for member in members])) for key in numbers if key in members[0]}
        out.append(line | {"repetitions": len(members)})
    return out


def lines(table: list[dict[str, Any]], x: str, names: list[str], label: str) -> Any:
    """Errors over one setting on logarithmic axes, a line per contestant."""
    figure = new_figure(5.4, 3.6)
    axes = tidy(figure.subplots())
    colors = [BLUE, ORANGE, GREY, "#6a994e", "#9c6644", "#a23b72", "#b8a100"]
    for name, color in zip(names, colors, strict=False):
        points = [(row[x], row[name]) for row in table if name in row]
        if points:
            axes.plot(*zip(*points, strict=True), "o-", color=color, markersize=4, label=name)
    axes.set_yscale("log")
    axes.set_xscale("log")
    values = sorted({row[x] for row in table})
    axes.set_xticks(values, [f"{value:,}" for value in values])
    axes.minorticks_off()
    axes.set_xlabel(label)
    axes.set_title("relative error of T", fontsize=11, loc="left")
    axes.legend(frameon=False, fontsize=8)
    return figure
