"""What docs/bits.md promises: results beside another order of the rows, and on another instruction set."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import halfseen as hs
from kernel_problems import ISAS, use

N, P = 40, 16
RNG = np.random.default_rng(0)
TRUTH = RNG.normal(size=(N, 2)) @ RNG.normal(size=(2, P))
SEEN = RNG.random((N, P)) < 0.7
NUMBERS = np.where(SEEN, TRUTH + 0.3 * RNG.normal(size=(N, P)), np.nan)
ANSWERS = np.where(SEEN, (TRUTH + RNG.logistic(size=(N, P)) > 0).astype(float), np.nan)
NAMES = [f"row {number}" for number in range(N)]

MODELS = {
    "factors": (lambda: hs.GeneralizedFactorModel(rank=1, random_state=0), NUMBERS),
    "yes or no": (lambda: hs.GeneralizedFactorModel(rank=1, family="bernoulli", random_state=0), ANSWERS),
    "nuclear norm": (lambda: hs.SoftImpute(rank=4, penalty=2.0, random_state=0), NUMBERS),
    "biases": (hs.BiasModel, NUMBERS),
}


def predicted(name, order):
    model, table = MODELS[name]
    observed = hs.Observed.from_dense(table[order], row_labels=[NAMES[at] for at in order])
    return model().fit(observed).predict_table(NAMES)


@pytest.mark.filterwarnings("ignore")  # small tables are warned about; here only numbers count
@pytest.mark.parametrize("name", MODELS)
def test_the_order_of_the_rows_changes_nothing_beyond_rounding(name):
    here, there = predicted(name, np.arange(N)), predicted(name, np.random.default_rng(1).permutation(N))
    np.testing.assert_allclose(there, here, rtol=0, atol=1e-10 * np.abs(here).max())


@pytest.mark.fast_cases("biases", "nuclear norm")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MODELS)
def test_instruction_sets_agree_to_1e_8(name, monkeypatch):
    results = []
    for isa in [*ISAS, "reference"]:
        use(isa, monkeypatch)
        results.append(predicted(name, np.arange(N)))
    for other in results[1:]:
        np.testing.assert_allclose(other, results[0], rtol=0, atol=1e-8 * np.abs(results[0]).max())


# wide enough for BLAS to share its products out between threads
WIDE = np.random.default_rng(2).normal(size=(500, 8)) @ np.random.default_rng(3).normal(size=(8, 300))
WIDE += 0.3 * np.random.default_rng(4).normal(size=WIDE.shape)
HELD_BY_BLAS = {
    "singular values": lambda: hs.SoftImpute(rank=8, penalty=60.0, random_state=0),
    "least squares": lambda: hs.AlternatingLeastSquares(8, max_iter=5, random_state=0),
    "descent": lambda: hs.OverparametrizedFactorization(8, max_iter=20, random_state=0),
}


def on_blas_threads(number, make):
    with threadpool_limits(number, "blas"):
        pools = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
        if set(pools) != {number}:
            pytest.skip(f"this BLAS cannot be set to {number} threads: {pools}")
        return make().fit(WIDE).predict_table()


@pytest.mark.fast_cases("singular values")
@pytest.mark.filterwarnings("ignore")  # a few sweeps do not converge
@pytest.mark.parametrize("make", HELD_BY_BLAS.values(), ids=HELD_BY_BLAS)
def test_blas_threads_change_nothing_beyond_rounding(make):
    one, two = on_blas_threads(1, make), on_blas_threads(2, make)
    np.testing.assert_allclose(two, one, rtol=0, atol=1e-10 * np.abs(one).max())
