"""Towers of torch modules: gradients, the linear tower beside the plain model, any module, stored models."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import halfseen as hs
from inductive_truth import Realizable

torch = pytest.importorskip("torch")

from halfseen.methods.inductive.towers import TwoTowerCompletion  # noqa: E402


@pytest.fixture(scope="module")
def data():
    return Realizable("relu", 50, 900, k=2, d=4)


def linear(d, k):
    return torch.nn.Linear(d, k, bias=False)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gaussian", "one_class", "bernoulli"])
def test_gradients_through_towers_are_those_of_differences(data, family):
    R = data.observed.with_values((data.observed.values > 1).astype(float))
    model = TwoTowerCompletion(2, hidden=(3,), family=family, penalty=0.01, random_state=0)
    model._observe(R, reset=True)
    model.loss_, model.rank_ = model._loss(R), 2
    core, sides = model._core(R, data.F, data.G)
    problem = model._start(sides, core, np.random.default_rng(0))
    theta = problem.theta()
    _, gradient = problem.value_and_gradient(theta)
    numeric = [(problem.value(theta + 1e-6 * e) - problem.value(theta - 1e-6 * e)) / 2e-6 for e in np.eye(len(theta))]
    np.testing.assert_allclose(gradient, numeric, atol=1e-7)


@pytest.mark.slow
def test_linear_towers_are_the_linear_model(data):
    options = {"max_iter": 3000, "tol": 1e-13}
    deep = TwoTowerCompletion(4, penalty=1e-3, towers=(linear, linear), **options, random_state=0)
    plain = hs.InductiveCompletion(
        4, "linear", penalty=1e-3, has_intercept=False, scale="none", **options, random_state=0
    )
    tables = [model.fit(data.observed, **data.features).predict_table(*data.new) for model in (deep, plain)]
    np.testing.assert_allclose(tables[0], tables[1], atol=1e-3 * np.abs(tables[1]).max())


@pytest.mark.slow
def test_new_rows_are_predicted_and_stored_models_predict_the_same(data, tmp_path):
    options = {"max_iter": 400, "n_starts": 2}
    deep = TwoTowerCompletion(3, hidden=(16,), penalty=1e-5, **options, random_state=0)
    deep.fit(data.observed, **data.features)
    assert data.error(deep) < 0.4
    assert len(deep.certificate_.values) == 2
    np.testing.assert_allclose(deep.predict_table(data.F, data.G), deep.predict_table(), atol=1e-10)
    hs.save(deep, tmp_path / "m.halfseen")
    loaded = hs.load(tmp_path / "m.halfseen")
    np.testing.assert_array_equal(loaded.predict_table(*data.new), deep.predict_table(*data.new))
    assert deep.rank_columns(data.new[0][:3], 4).cols.shape == (3, 4)


@pytest.mark.filterwarnings("ignore:.*stopped after")
def test_the_seed_decides_whatever_torch_has_drawn(data):
    fits = []
    for _ in range(2):
        torch.rand(3)
        deep = TwoTowerCompletion(2, hidden=(4,), max_iter=5, random_state=3)
        fits.append(deep.fit(data.observed, **data.features).predict_table(*data.new))
    np.testing.assert_array_equal(*fits)


@pytest.mark.filterwarnings("ignore:.*stopped after")
def test_single_precision_stays_single(data):
    deep = TwoTowerCompletion(2, hidden=(4,), max_iter=5, random_state=0)
    deep.fit(data.observed.astype(np.float32), row_features=data.F)  # columns one-hot
    assert deep.predict_table(data.new[0]).dtype == np.float32
    assert deep.predict([0, 1], [2, 3]).shape == (2,)


@pytest.mark.filterwarnings("ignore:.*stopped after")
def test_what_towers_cannot_do_is_refused(data):
    deep = TwoTowerCompletion(2, max_iter=2, random_state=0)
    deep.fit(data.observed, **data.features)
    with pytest.raises(ValueError, match="towers have no intervals"):
        deep.inference(R=data.observed)
    with pytest.raises(ValueError, match="solver='levenberg-marquardt' is not allowed; needed: one of 'lbfgs', 'gd'"):
        TwoTowerCompletion(2, solver="levenberg-marquardt").fit(data.observed, **data.features)
    with pytest.raises(ValueError, match="hidden"):
        TwoTowerCompletion(2, hidden=(0,)).fit(data.observed, **data.features)


@pytest.mark.slow
def test_inductive_completion_never_loads_torch():
    code = (
        "import sys, numpy as np, halfseen as hs; "
        "hs.InductiveCompletion(2).fit(np.eye(6)); hs.SimilarityClustering; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
