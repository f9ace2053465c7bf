"""Callbacks work the same where scikit-learn has none (before 1.9)."""

from __future__ import annotations

import numpy as np
import pytest

import halfseen as hs
from halfseen.cli.screen import Steps
from halfseen.solvers import watch


class Recorder:
    """Keeps what it is told; asks to stop after some sweeps, or fails."""

    def __init__(self, stop_after=None, fails=False):
        self.told, self.values, self.stop_after, self.fails = [], [], stop_after, fails

    def setup(self, estimator, context):
        self.told.append(("setup", context.estimator_name, context.max_subtasks))

    def teardown(self, estimator, context):
        self.told.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.told.append((context.task_name, context.task_id, context.parent is None))

    def on_fit_task_end(self, estimator, context, *, X, fitted_estimator):
        if self.fails:
            raise RuntimeError("the callback failed")
        if context.task_name == "sweep":
            self.values.append(fitted_estimator.score(X))
            return len(self.values) == self.stop_after
        return None


@pytest.fixture(params=["ours", "scikit-learn's"])
def which(request, monkeypatch):
    if request.param == "ours":
        monkeypatch.setattr(watch, "_scikit_learn", lambda: None)
    elif watch._scikit_learn() is None:
        pytest.skip("scikit-learn has callbacks from 1.9 on")


TABLE = np.random.default_rng(0).normal(size=(12, 6))


def test_every_sweep_is_told_with_a_model_that_predicts(which):
    kept = Recorder()
    model = hs.AlternatingLeastSquares(rank=1, max_iter=3, random_state=0).set_callbacks(kept).fit(TABLE)
    assert kept.told[0][:2] == ("setup", "AlternatingLeastSquares")
    assert kept.told[1:] == [("fit", 0, True), *[("sweep", at, False) for at in range(model.n_iter_)], "teardown"]
    assert kept.values[-1] == pytest.approx(model.score(TABLE))


def test_a_callback_ends_the_fit_and_none_given_removes_it(which):
    model = hs.AlternatingLeastSquares(rank=1, tol=0.0, max_iter=5, random_state=0)
    assert model.set_callbacks(Recorder(stop_after=2)).fit(TABLE).n_iter_ == 2
    assert "_skl_callbacks" not in vars(model.set_callbacks())


def test_what_was_set_up_is_torn_down_after_a_failure(which):
    kept = Recorder(fails=True)
    with pytest.raises(RuntimeError, match="the callback failed"):
        hs.BiasModel().set_callbacks(kept).fit(TABLE)
    assert kept.told[-1] == "teardown"


def test_what_is_no_callback_is_refused(which):
    for wrong in (print, Recorder, object()):
        with pytest.raises(TypeError, match="FitCallback protocol"):
            hs.BiasModel().set_callbacks(wrong)


def test_the_progress_bar_counts_sweeps(which):
    class Bar:
        updates, steps = [], 0

        def update(self, task, **fields):
            self.updates.append(fields.get("sweeps"))

        def advance(self, task):
            self.steps += 1

    steps = Steps(Bar(), "task")
    model = hs.BiasModel()
    assert steps.watch(model)
    model.fit(TABLE)
    assert Bar.updates[-1] == f"sweep {model.n_iter_}"
    assert steps._bar.steps == 1
