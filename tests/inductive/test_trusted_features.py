"""How far features of new rows are trusted: as held-out rows say, by plain regression on them."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.methods.inductive.choosing import trust


class Fixed:
    """Predictions of known factors."""

    def __init__(self, A, B):
        self.row_factors_, self.col_factors_ = A, B

    def _linear_pairs(self, i, j):
        return np.einsum("ek,ek->e", self.row_factors_[i], self.col_factors_[j])


class Parts:
    """Held-out entries, all of new rows, or all of new columns."""

    def __init__(self, table, axis):
        self.test = hs.Observed.from_dense(table)
        self.is_new_row, self.is_new_col = (np.full(self.test.n_entries, axis == k) for k in (0, 1))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_the_share_is_what_the_values_move_with_the_predictions(axis, share):
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=(300, 2)), rng.normal(size=(40, 2))
    A -= A.mean(axis=0)
    truth = share * A @ B.T + 0.5 * rng.normal(size=(300, 40))
    sides, table = ((A, B), truth) if axis == 0 else ((B, A), truth.T)
    found, error = trust(Fixed(*sides), Parts(table, axis), axis)
    assert error == pytest.approx(0.25, rel=0.05)
    assert found == pytest.approx(share, abs=0.03)
    assert 0.0 <= found <= 1.0
    assert trust(Fixed(*sides), Parts(table, 1 - axis), axis)[0] == 1.0  # nothing held out on that side


@pytest.mark.slow
def test_features_that_explain_rows_are_trusted_and_those_that_hardly_do_are_not():
    rng = np.random.default_rng(1)
    n, p = 150, 30
    F, own = rng.normal(size=(2 * n, 20)), rng.normal(size=(2 * n, 1))
    level = rng.normal(size=p)
    seen = rng.random((2 * n, p)) < 0.4
    for weight, is_trusted in ((1.0, True), (0.02, False)):
        truth = level + weight * F[:, :2] @ rng.normal(size=(2, p)) + own
        noisy = truth + 0.3 * rng.normal(size=truth.shape)
        model = hs.InductiveCompletion(2, "linear", random_state=0)
        model.fit(np.where(seen, noisy, np.nan)[:n], row_features=F[:n])
        assert (model.search_.row_trust > 0.8) is is_trusted
        new = model.predict_table(F[n:])
        mean = model.row_factors_.mean(axis=0) @ model.col_factors_.T + model.col_effects_ + model.offset_
        if is_trusted:
            assert np.mean((new - truth[n:]) ** 2) < 0.7 * np.mean((mean - truth[n:]) ** 2)
        else:
            whole = mean + (new - mean) / max(model.search_.row_trust, 1e-9)
            assert np.mean((new - truth[n:]) ** 2) < np.mean((whole - truth[n:]) ** 2)
