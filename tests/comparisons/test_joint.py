"""JIVE, its robust form, personalized PCA, COBE and two SVDs."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import halfseen as hs
from halfseen.datasets import SourcesDesign, make_sources_data
from halfseen.methods.comparisons.joint_sweeps import shrunk_values

MODELS = {
    "JIVE": lambda r1, r2: hs.JIVE(r1, r2, centre=False),
    "JIVE, zeros": lambda r1, r2: hs.JIVE(r1, r2, missing="zero", centre=False),
    "RobustJIVE": lambda r1, r2: hs.RobustJIVE(r1, r2, centre=False),
    "PersonalizedPCA": lambda r1, r2: hs.PersonalizedPCA(r1, r2, random_state=0, centre=False),
    "COBE": lambda r1, r2: hs.COBE(r1, r2, random_state=0, centre=False),
    "TwoStepSVD": lambda r1, r2: hs.TwoStepSVD(r1, r2, centre=False),
}
# sweeps at ranks that leave nothing to converge to
SHORT = {name: {"max_iter": 20} for name in ("JIVE", "RobustJIVE", "PersonalizedPCA", "COBE")}
every_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())


@pytest.fixture(scope="module")
def complete():
    return make_sources_data(4, 50, 40, 2, 1, design="rotated", random_state=0)


@every_model
class TestEveryJointModel:
    def test_complete_tables_are_recovered(self, make, complete):
        model = make(2, 1).fit(complete.sources)
        assert complete.subspace_error(model) < 1e-6
        shared, unique = complete.part_errors(model)
        assert max(shared, unique) < 1e-4 * sum(np.sum(part**2) for part in complete.shared.values())

    def test_it_has_the_attributes_of_the_factorization(self, make, complete):
        model = make(2, 1).fit(complete.sources)
        other = hs.HeterogeneousFactorization(2, 1, solver="als", centre=False, random_state=0).fit(complete.sources)
        for name in ("shared_basis_", "shared_loadings_", "unique_basis_", "unique_loadings_", "shares_"):
            assert type(getattr(model, name)) is type(getattr(other, name))
        assert model.misalignment_ == pytest.approx(other.misalignment_, abs=1e-3)
        assert set(model.heterogeneity_index()) == set(complete.sources)
        np.testing.assert_allclose(model.predict_table("source 0"), other.predict_table("source 0"), atol=1e-3)
        assert model.shared_part("source 0", "l1").shape == (50, 40)

    def test_the_same_bits_come_from_two_workers(self, make, complete):
        one = make(2, 1).fit(complete.sources)
        with hs.engine("threads", workers=2):
            two = make(2, 1).fit(complete.sources)
        np.testing.assert_array_equal(one.shared_basis_, two.shared_basis_)

    def test_it_is_saved_and_loaded(self, make, complete, tmp_path):
        model = make(2, 1).fit(complete.sources)
        hs.save(model, tmp_path / "model.safetensors")
        loaded = hs.load(tmp_path / "model.safetensors")
        np.testing.assert_array_equal(loaded.predict_table("source 1"), model.predict_table("source 1"))

    def test_ranks_that_do_not_fit_are_cut_and_say_so(self, make, complete):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = make(30, 20).set_params(**SHORT.get(type(make(1, 1)).__name__, {})).fit(complete.sources)
        assert model.shared_rank_ == 30
        assert set(model.unique_rank_.values()) == {10}
        assert model.unique_basis_["source 0"].shape == (50, 10)

    def test_ranks_of_another_kind_are_refused(self, make, complete):
        with pytest.raises(ValueError, match="unique_rank=-1 is not allowed; needed: a whole number of at least 0"):
            make(2, -1).fit(complete.sources)
        with pytest.raises(ValueError, match="Source 'source 1' has none"):
            make(2, {"source 0": 1}).fit(complete.sources)

    @pytest.mark.slow
    def test_automatic_ranks_are_those_of_the_truth(self, make):
        design = SourcesDesign(noise=0.3)
        data = make_sources_data(3, 20, 14, 1, 1, design=design, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = make("auto", "auto").set_params(random_state=0).fit(data.sources)
        search = model.rank_search_
        # the robust one takes dense noise for outliers, predicts badly, and its held-out entries say nothing of ranks
        if not isinstance(model, hs.RobustJIVE):
            assert (model.shared_rank_, set(model.unique_rank_.values())) == (1, {1})
        assert model.shared_rank_ == search.shared_rank
        place = search.tried.index((search.shared_rank, search.unique_rank, None))
        least = search.losses.min()
        assert search.losses[place] <= least + max(search.standard_errors[place], 1e-3 * least)


@pytest.fixture(scope="module")
def half():
    return make_sources_data(10, 120, 100, 3, 3, 0.5, "rotated", 1)


@pytest.mark.slow
# Table 2 of the paper: subspace errors with zeros for what is missing, mean of three seeds
@pytest.mark.parametrize(("missing", "published"), [(0.5, 0.52), (0.1, 0.054), (0.05, 0.026), (0.01, 0.0052)])
def test_zeros_for_missing_entries_cost_what_the_paper_prints(missing, published):
    data = make_sources_data(10, 120, 100, 3, 3, 1 - missing, "rotated", 1)
    jive = hs.JIVE(missing="zero", is_orthogonal=False, centre=False).fit(data.sources)
    perpca = hs.PersonalizedPCA(random_state=0, centre=False).fit(data.sources)
    for model in (jive, perpca):
        assert data.subspace_error(model) == pytest.approx(published, rel=0.1)


@pytest.mark.slow
def test_imputing_jive_recovers_what_zeros_cost():
    data = make_sources_data(6, 40, 30, 1, 1, 0.7, "rotated", 1)
    zeros = hs.JIVE(1, 1, missing="zero", centre=False).fit(data.sources)
    model = hs.JIVE(1, 1, max_iter=60, tol=1e-14, centre=False)
    with pytest.warns(ConvergenceWarning):
        model.fit(data.sources)
    assert data.subspace_error(model) < 1e-3 < 0.05 < data.subspace_error(zeros)


def test_imputing_jive_and_the_factorization_find_the_same_minimum():
    data = make_sources_data(3, 20, 25, 1, 1, 0.8, SourcesDesign(noise=0.1), 0)
    one = hs.JIVE(1, 1, tol=1e-8, centre=False).fit(data.sources)
    two = hs.HeterogeneousFactorization(1, 1, tol=1e-12, solver="als", centre=False, random_state=0)
    two.fit(data.sources)
    assert one.score(data.sources) == pytest.approx(two.score(data.sources), rel=1e-4)


def test_robust_jive_takes_gross_errors_out(complete):
    rng = np.random.default_rng(0)
    tables, errors = {}, {}
    for name in complete.shared:
        errors[name] = np.where(rng.random((50, 40)) < 0.03, 0.2 * rng.choice([-1, 1], size=(50, 40)), 0.0)
        tables[name] = complete.shared[name] + complete.unique[name] + errors[name]
    robust = hs.RobustJIVE(2, 1, tol=1e-9, centre=False).fit(tables)
    assert complete.subspace_error(robust) < 1e-6
    assert complete.subspace_error(hs.JIVE(2, 1, centre=False).fit(tables)) > 0.01
    found = robust.errors_["source 0"]
    assert np.corrcoef(found.ravel(), errors["source 0"].ravel())[0, 1] > 0.99


@pytest.mark.slow
def test_the_published_constants_of_robust_jive_end_far_from_the_truth():
    data = make_sources_data(10, 120, 100, 3, 3, 0.9, "rotated", 1)
    with pytest.warns(ConvergenceWarning):
        published = hs.RobustJIVE.paper(max_iter=200).fit(data.sources)
    with pytest.warns(ConvergenceWarning):
        ours = hs.RobustJIVE(max_iter=200, centre=False).fit(data.sources)
    assert data.subspace_error(published) > 1.0
    assert data.subspace_error(ours) < 1e-6


def test_singular_value_thresholding_minimises_the_nuclear_norm():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(6, 5))

    def objective(X):
        return 0.5 * np.sum((X - table) ** 2) + 0.7 * np.linalg.norm(X, "nuc")

    X = shrunk_values(table, 0.7)
    assert all(objective(X) <= objective(X + 0.01 * rng.normal(size=X.shape)) for _ in range(50))


def test_cobe_and_two_svds_agree(half):
    one, two = hs.COBE(random_state=0, centre=False).fit(half.sources), hs.TwoStepSVD(centre=False).fit(half.sources)
    P, Q = (model.shared_basis_ @ model.shared_basis_.T for model in (one, two))
    np.testing.assert_allclose(P, Q, atol=1e-4)
    assert np.all(np.diff(two.common_shares_) <= 1e-12)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (hs.JIVE(missing="mean", centre=False), "missing='mean' is not allowed; needed: one of 'impute', 'zero'"),
        (hs.JIVE(max_iter=0, centre=False), "max_iter=0 is not allowed"),
        (hs.RobustJIVE(mu=0, centre=False), "mu=0 is not allowed"),
        (hs.PersonalizedPCA(step=-1, centre=False), "step=-1 is not allowed"),
        (hs.COBE(tol=-1, centre=False), "tol=-1 is not allowed"),
        (hs.TwoStepSVD(shared_rank=1.5, centre=False), "shared_rank=1.5 is not allowed"),
    ],
)
def test_bad_parameters_are_named(model, message):
    with pytest.raises(ValueError, match=message):
        model.fit({"a": np.ones((9, 9)), "b": np.ones((9, 8))})


@pytest.mark.fast_cases("<lambda>0", "<lambda>4")
@pytest.mark.parametrize(
    "make",
    [
        lambda: hs.JIVE(1, 1),
        lambda: hs.RobustJIVE(1, 1, max_iter=2000),
        lambda: hs.PersonalizedPCA(1, 1, random_state=0),
        lambda: hs.COBE(1, 1, random_state=0),
        lambda: hs.TwoStepSVD(1, 1),
        lambda: hs.HeterogeneousFactorization(1, 1, random_state=0),
        lambda: hs.HeterogeneousFactorization(1, 1, solver="als", random_state=0),
    ],
)
def test_levels_and_units_do_not_matter(make):
    rng = np.random.default_rng(5)
    common = rng.normal(size=(40, 1))
    tables = {}
    for name, width in (("a", 12), ("b", 15)):
        table = common @ rng.normal(size=(1, width)) + rng.normal(size=(40, 1)) @ rng.normal(size=(1, width))
        tables[name] = np.where(rng.random(table.shape) < 0.8, table + 0.1 * rng.normal(size=table.shape), np.nan)
    plain = make().fit(tables)
    for level, unit in ((300.0, 1.0), (1e5, 1.0), (-2.0, 1e3), (0.0, 1e-4)):
        other = make().fit({name: level + unit * table for name, table in tables.items()})
        for name in tables:
            back = (other.predict_table(name) - level) / unit
            np.testing.assert_allclose(back, plain.predict_table(name), atol=1e-3)
