"""Systems without their trailing unknowns."""

from __future__ import annotations

import numpy as np
import pytest

from halfseen.kernels import eliminate


def systems(n, k, seed=0, signs=None):
    rng = np.random.default_rng(seed)
    turns = np.linalg.qr(rng.normal(size=(n, k, k)))[0]
    sizes = rng.uniform(0.5, 2.0, (n, 1, k)) * (1.0 if signs is None else signs)
    return (turns * sizes) @ np.swapaxes(turns, 1, 2), rng.normal(size=(n, k))


@pytest.mark.parametrize(("k", "kept"), [(1, 0), (1, 1), (2, 1), (6, 3), (6, 0), (6, 6), (11, 2), (40, 7)])
def test_what_is_left_solves_the_whole(backend, k, kept):
    H, right = systems(9, k)
    found = eliminate(H, right, kept, diagonal=0.25)
    whole = H + 0.25 * np.diag(np.arange(k) >= kept)
    truth = np.linalg.solve(whole, right[..., None])[..., 0]
    first = np.linalg.solve(found.schur, found.right[..., None])[..., 0] if kept else np.zeros((9, 0))
    np.testing.assert_allclose(first, truth[:, :kept], atol=1e-11)
    rest = found.own - np.einsum("nrk,nk->nr", found.turn, first)
    np.testing.assert_allclose(rest, truth[:, kept:], atol=1e-11)
    inverse = np.linalg.inv(whole)[:, :kept, :kept]
    np.testing.assert_allclose(found.schur @ inverse, np.broadcast_to(np.eye(kept), (9, kept, kept)), atol=1e-11)


def test_indefinite_systems_are_served(backend):
    H, right = systems(20, 5, seed=3, signs=np.array([1.0, -1.0, 1.0, 1.0, -1.0]))
    found = eliminate(H, right, 2)
    first = np.linalg.solve(found.schur, found.right[..., None])[..., 0]
    truth = np.linalg.solve(H, right[..., None])[..., 0]
    np.testing.assert_allclose(first, truth[:, :2], rtol=1e-6, atol=1e-8)


def test_a_row_without_entries_asks_for_nothing(backend):
    found = eliminate(np.zeros((2, 4, 4)), np.zeros((2, 4)), 2, diagonal=1e-11)
    assert not any(part.any() for part in found)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"H has shape \(3, 2, 2\), right \(2, 2\), kept=1; needed"):
        eliminate(np.zeros((3, 2, 2)), np.zeros((2, 2)), 1)
    with pytest.raises(ValueError, match="kept=3"):
        eliminate(np.zeros((2, 2, 2)), np.zeros((2, 2)), 3)
