"""Standard errors of the shared basis: against refits from scratch, and against a known truth."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.inference.grouped import GroupedInfluence
from halfseen.linalg.align import procrustes
from halfseen.methods.heterogeneous.intervals import groups_of

TIGHT = {"tol": 1e-12}


def drawn(seed, n=20, sources=6, p=40, observed=0.7, noise=0.5, own_bases=True):
    """Sources around a fixed shared basis; loadings, noise and what is seen are new for every seed.

    Without ``own_bases`` the sources themselves are drawn anew too.
    """
    fixed, rng = np.random.default_rng(1), np.random.default_rng(1000 + seed)
    shared = np.linalg.qr(fixed.normal(size=(n, 2)))[0]
    tables = {}
    for k in range(sources):
        unique = (fixed if own_bases else rng).normal(size=(n, 1))
        unique = np.linalg.qr(unique - shared @ (shared.T @ unique))[0]
        table = shared @ (rng.normal(size=(p, 2)) * [4.0, 3.0]).T + unique @ (2.0 * rng.normal(size=(p, 1))).T
        table += noise * rng.normal(size=(n, p))
        tables[f"s{k}"] = np.where(rng.random((n, p)) < observed, table, np.nan)
    return shared, hs.Sources(tables)


def fitted(sources, **more):
    return hs.HeterogeneousFactorization(2, 1, **TIGHT, solver="als", centre=False, random_state=0, **more).fit(sources)


def covered(seed, clusters="columns", **more):
    """Share of the entries inside, squared error, squared standard errors."""
    shared, sources = drawn(seed, **more)
    model = hs.HeterogeneousFactorization(2, 1, solver="als", centre=False, random_state=0).fit(
        sources
    )  # its own tolerance is small enough
    found = model.inference(clusters=clusters).shared_basis()
    truth = shared @ procrustes(shared, model.shared_basis_)
    inside = np.mean((found.low <= truth) & (truth <= found.high))
    return float(inside), float(np.sum((truth - found.estimate) ** 2)), float(np.sum(found.se**2))


@pytest.mark.parametrize(
    ("clusters", "more"),
    [("columns", {}), ("columns", {"observed": 1.0}), ("sources", {"sources": 12, "p": 25, "own_bases": False})],
)
@pytest.mark.slow
def test_intervals_hold_the_truth(clusters, more):
    # 8 tables of 40 entries: entries of one table are nearly independent, so the share has a spread of about .015
    # (binomial .012); errors of one table are one draw of a chi-square of some 36 degrees, their sum within 25 %
    found = np.array([covered(seed, clusters, **more) for seed in range(8)])
    assert 0.90 <= found[:, 0].mean() <= 0.985
    assert found[:, 2].sum() == pytest.approx(found[:, 1].sum(), rel=0.3)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("more", [{}, {"observed": 0.5}, {"noise": 1.0}])
def test_intervals_hold_the_truth_over_many_tables(more):
    # 60 tables: the share of 2400 entries has a spread of about .006; a jackknife errs on the wide side (Efron and
    # Stein), the more the stronger the noise
    found = np.array([covered(seed, **more) for seed in range(60)])
    assert 0.93 <= found[:, 0].mean() <= 0.98


@pytest.mark.slow
def test_leaving_groups_out_and_going_on_is_refitting_without_them():
    _, sources = drawn(3)
    model = fitted(sources)
    found = model.inference(groups=10, random_state=0)
    groups = groups_of(sources, "columns", 10, np.random.default_rng(0))
    bases = []
    for group in groups:
        left = {}
        for (name, table), gone in zip(sources.items(), group, strict=True):
            left[name] = np.delete(table.to_dense(), gone, axis=1)
        basis = fitted(left).shared_basis_
        bases.append(basis @ procrustes(basis, model.shared_basis_))
    spread = np.sqrt(9.0 / 10.0 * np.sum((np.array(bases) - np.mean(bases, axis=0)) ** 2, axis=0))
    np.testing.assert_allclose(found.shared_basis().se, spread, rtol=0.02)


def test_every_column_is_left_out_once_and_groups_are_of_one_size():
    _, sources = drawn(0, p=37)
    groups = groups_of(sources, "columns", 10, np.random.default_rng(0))
    for place in range(len(sources)):
        assert sorted(np.concatenate([group[place] for group in groups])) == list(range(37))
    sizes = [sum(map(len, group)) for group in groups]
    assert max(sizes) - min(sizes) <= 6


def test_leaving_sources_out_is_refitting_without_them():
    _, sources = drawn(0, sources=8)
    model = fitted(sources)
    found = model.inference(clusters="sources").shared_basis()
    bases = []
    for out in sources.names:
        basis = fitted({name: table for name, table in sources.items() if name != out}).shared_basis_
        bases.append(basis @ procrustes(basis, model.shared_basis_))
    spread = np.sqrt(7.0 / 8.0 * np.sum((np.array(bases) - np.mean(bases, axis=0)) ** 2, axis=0))
    np.testing.assert_allclose(found.se, spread, rtol=0.02)
    assert "sources are an independent sample" in found.claim


@pytest.mark.slow
def test_weights_of_sources_count_and_threads_change_no_bit():
    _, sources = drawn(0)
    weights = {"s0": 30.0}
    model = hs.HeterogeneousFactorization(2, 1, **TIGHT, solver="als", centre=False, random_state=0).fit(
        sources, weights=weights
    )
    one = model.inference().shared_basis()
    assert not np.allclose(one.se, fitted(sources).inference().shared_basis().se, rtol=0.05)
    two = fitted(sources)
    serial = two.inference().shared_basis()
    with hs.engine("threads", workers=2):
        threads = two.inference().shared_basis()
    np.testing.assert_array_equal(serial.se, threads.se)


def test_other_losses_have_errors_too():
    rng = np.random.default_rng(0)
    tables = {f"s{k}": np.where(rng.random((15, 60)) < 0.9, rng.poisson(2.0, (15, 60)), np.nan) for k in range(3)}
    model = hs.HeterogeneousFactorization(
        1, 0, family="poisson", **TIGHT, solver="als", centre=False, random_state=0
    ).fit(tables)
    found = model.inference(groups=10)
    assert np.isfinite(found.shared_basis().se).all()
    assert 0 < found.shared_space().largest < 90


@pytest.mark.slow
def test_the_shared_space_is_as_far_off_as_it_says():
    shared, sources = drawn(5)
    model = fitted(sources)
    found = model.inference().shared_space()
    s = np.linalg.svd(shared.T @ model.shared_basis_, compute_uv=False)
    assert np.degrees(np.arccos(s.min())) < found.largest < 15
    assert (found.angles < found.largest).all()


def test_angles_of_the_moves_of_a_basis_leave_turns_inside_its_span_out():
    basis = np.eye(5)[:, :2]
    turn = np.zeros((4, 5, 2))
    turn[:, 0, 1], turn[:, 1, 0] = 0.1, -0.1
    found = GroupedInfluence(turn).subspace_error(basis, 0.95, 50, np.random.default_rng(0))
    np.testing.assert_allclose([*found.angles, found.largest], 0.0, atol=1e-12)


@pytest.mark.slow
def test_a_loaded_model_wants_its_sources_again(tmp_path):
    _, sources = drawn(0)
    model = fitted(sources)
    hs.save(model, tmp_path / "model.safetensors")
    loaded = hs.load(tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"does not carry its sources .* inference\(S=S\)"):
        loaded.inference()
    np.testing.assert_array_equal(loaded.inference(S=sources).shared_basis().se, model.inference().shared_basis().se)


def test_what_makes_no_sense_is_refused():
    _, sources = drawn(0)
    model = fitted(sources)
    for words, message in (
        ({"level": 95}, "level=95 is not allowed"),
        ({"clusters": "rows"}, "clusters must be one of 'columns', 'sources'; got 'rows'"),
        ({"clusters": "sources"}, "needs at least 8 sources, and there are 6"),
        ({"groups": 3}, "groups must be a whole number of at least 10"),
        ({"S": dict(list(sources.items())[:3])}, "S must hold the sources of the fit"),
        ({"S": {name: table.T.take_rows(range(30)).T for name, table in sources.items()}}, "in their shapes"),
    ):
        with pytest.raises(ValueError, match=message):
            model.inference(**words)
    narrow = fitted(drawn(0, p=8, observed=1.0, noise=0.05)[1])
    with pytest.raises(ValueError, match="a source has 8 columns"):
        narrow.inference()
    with pytest.raises(ValueError, match="shared_rank is 0"):
        hs.HeterogeneousFactorization(0, 1, solver="als", centre=False, random_state=0).fit(sources).inference()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_fit_that_is_not_at_its_end_has_no_intervals():
    _, sources = drawn(0, observed=0.4)
    early = hs.HeterogeneousFactorization(2, 1, max_iter=1, solver="als", centre=False, random_state=0)
    with pytest.raises(ValueError, match="the fit is not at its end"):
        early.fit(sources).inference()
