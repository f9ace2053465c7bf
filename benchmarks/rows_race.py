"""Goal 5: CPU time from raw arrays to predictions within 1 % of the best error, on MovieLens-1M.

One random 90/10 split (seed 0). The best error of a single model when the goals were set was .8409: the mark is .8493.
LIBMF with 128 factors has since reached .8359 here, which makes .8443 a second mark. Every contestant runs with the
settings that took it there in the least time, of those tried on this very split (in its favour). Needs the data
(HALFSEEN_DATA). Peers' traps are patched in their favour: LIBMF's predictions are taken from its factors, and
cells of unknown rows or columns are predicted by the mean.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec

import numpy as np

from measure import NOT_INSTALLED, Line, interleave

GOAL, TIGHTER = 0.8493, 0.8443
Split = tuple[tuple[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
Contestant = Callable[[], np.ndarray]


@cache
def split() -> Split:
    """Users, films and ratings to learn from, and to predict."""
    from halfseen.datasets import path

    with np.load(path("ml-1m")) as file:
        users, films, values = file["user"], file["item"], file["rating"].astype(np.float32)
    users, films = (np.unique(codes, return_inverse=True)[1] for codes in (users, films))
    order = np.random.default_rng(0).permutation(len(values))
    n = len(order) // 10
    return tuple(tuple(array[part] for array in (users, films, values)) for part in (order[:-n], order[-n:]))


def shape() -> tuple[int, int]:
    """Rows and columns of the table."""
    return tuple(1 + max(int(part[axis].max()) for part in split()) for axis in (0, 1))


def least_squares(rank: int, epochs: int) -> np.ndarray:
    """Alternating least squares."""
    import halfseen as hs

    (users, films, values), (rows, cols, _) = split()
    table = hs.Observed.from_triplets(users, films, values, shape=shape())
    model = hs.AlternatingLeastSquares(rank, 1.0, max_iter=epochs, clip=(1, 5), random_state=0)
    return model.fit(table).predict(rows, cols)


def gibbs(rank: int, sweeps: int) -> np.ndarray:
    """Bayesian factorisation: four sweeps before those that count."""
    import halfseen as hs

    (users, films, values), (rows, cols, _) = split()
    table = hs.Observed.from_triplets(users, films, values, shape=shape())
    model = hs.BayesianFactorization(rank, max_iter=sweeps, burn_in=4, clip=(1, 5), random_state=0)
    return model.fit(table).predict(rows, cols)


def libmf(k: int, passes: int) -> np.ndarray:
    """Stochastic gradients, one thread."""
    from libmf import mf

    (users, films, values), (rows, cols, _) = split()
    model = mf.MF(
        k=k,
        nr_iters=passes,
        eta=0.1,
        lambda_p1=0.0,
        lambda_q1=0.0,
        lambda_p2=0.04,
        lambda_q2=0.04,
        nr_threads=1,
        quiet=True,
    )
    model.fit(np.column_stack([users, films, values]).astype(np.float32))
    return libmf_predictions(model, rows, cols)


def libmf_predictions(model: object, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Products of its factors; the mean where it has none."""
    P, Q = model.p_factors(), model.q_factors()
    known = (rows < len(P)) & (cols < len(Q))
    found = np.full(len(rows), model.model.b)
    product = np.einsum("ek,ek->e", P[rows[known]], Q[cols[known]])
    found[known] = np.where(np.isnan(product), model.model.b, product)
    return found


def surprise() -> np.ndarray:
    """SVD with 32 factors, 29 passes, its trainset built from a frame."""
    import pandas as pd
    from surprise import SVD, Dataset, Reader

    (users, films, values), (rows, cols, _) = split()
    frame = pd.DataFrame({"user": users, "film": films, "rating": values})
    train = Dataset.load_from_df(frame, Reader(rating_scale=(1, 5))).build_full_trainset()
    model = SVD(n_factors=32, n_epochs=SURPRISE_EPOCHS, lr_all=0.01, reg_all=0.05, random_state=0).fit(train)
    return surprise_predictions(model, train, rows, cols)


SURPRISE_EPOCHS = 29


def surprise_predictions(model: object, train: object, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Its factors and biases through arrays: its own loop over Python pairs takes longer than the fit."""
    maps = train._raw2inner_id_users, train._raw2inner_id_items
    places = [np.array([ids.get(code, -1) for code in codes]) for ids, codes in zip(maps, (rows, cols), strict=True)]
    i, j = places
    found = train.global_mean + np.where(i >= 0, model.bu[i], 0.0) + np.where(j >= 0, model.bi[j], 0.0)
    both = (i >= 0) & (j >= 0)
    found[both] += np.einsum("ek,ek->e", model.pu[i[both]], model.qi[j[both]])
    return found


def cmfrec() -> np.ndarray:
    """k 16, ridge 14, eight epochs of conjugate gradients."""
    from cmfrec import CMF
    from scipy.sparse import coo_matrix

    (users, films, values), (rows, cols, _) = split()
    model = CMF(
        k=16, lambda_=[5, 5, 14, 14, 14, 14], niter=CMFREC_EPOCHS, nthreads=1, use_float=True, verbose=False,
        precompute_for_predictions=False, random_state=0,
    )  # fmt: skip
    model.fit(coo_matrix((values, (users.astype(np.int32), films.astype(np.int32))), shape=shape()))
    linear = np.einsum("ek,ek->e", model.A_[rows], model.B_[cols])
    found = model.glob_mean_ + model.user_bias_[rows] + model.item_bias_[cols] + linear
    return np.where(np.isfinite(found), found, model.glob_mean_)


CMFREC_EPOCHS = 8

OURS: dict[str, Contestant] = {
    "least squares": lambda: least_squares(10, 5),
    "Gibbs": lambda: gibbs(8, 6),
}
PEERS: dict[str, tuple[str, Contestant, float | None, float | None]] = {
    "LIBMF": ("libmf", lambda: libmf(24, 10), 2.5, 5.0),
    "Surprise SVD": ("surprise", surprise, 10.0, None),
    "cmfrec": ("cmfrec", cmfrec, None, None),
}
OURS_TIGHTER: dict[str, Contestant] = {
    "least squares": lambda: least_squares(12, 9),
    "Gibbs": lambda: gibbs(10, 8),
}
PEERS_TIGHTER: dict[str, tuple[str, Contestant, float | None, float | None]] = {
    "LIBMF": ("libmf", lambda: libmf(48, 8), 2.5, 5.0)
}


def goal_5(rounds: int) -> Iterator[Line]:
    """Ratios of CPU time, every contestant once per round."""
    if not os.environ.get("HALFSEEN_DATA"):
        yield Line("5", "end to end, MovieLens-1M", None, None, None, note="target unmet: no data (HALFSEEN_DATA)")
        return
    yield from race(GOAL, OURS, PEERS, rounds)
    yield from race(TIGHTER, OURS_TIGHTER, PEERS_TIGHTER, rounds)


def race(
    mark: float,
    ours: dict[str, Contestant],
    peers: dict[str, tuple[str, Contestant, float | None, float | None]],
    rounds: int,
) -> Iterator[Line]:
    """All contestants for one mark."""
    errors: dict[str, float] = {}

    def racing(name: str, run: Contestant) -> Callable[[], None]:
        def once() -> None:
            truth = split()[1][2]
            errors[name] = float(np.sqrt(np.mean((np.clip(run(), 1, 5) - truth) ** 2)))

        return once

    there = {name: run for name, (package, run, _, _) in peers.items() if find_spec(package)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        t = interleave({name: racing(name, run) for name, run in {**ours, **there}.items()}, rounds)
    for name in (*ours, *there):
        reached = f"reached {errors[name]:.4f}" + ("" if errors[name] <= mark else f", not {mark}")
        yield Line("5", f"{name}: CPU time to RMSE {mark}", None, None, t.typical(name), "s", note=reached)
    for name, (_, _, floor, aim) in peers.items():
        for own in ours:
            note = "" if name in there else NOT_INSTALLED
            goals = (floor, aim) if own == "least squares" else (None, None)
            what = f"{name} over {own} to {mark}, end to end"
            yield Line("5", what, *goals, t.ratio(name, own), is_upper=False, note=note)
