"""Every estimator that iterates goes on from a checkpoint with the bits of a fit that never stopped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from test_blocks_elsewhere import arrays
from test_parameters import CASES, estimators

from halfseen.data.validate import as_observed
from halfseen.solvers.checkpoint import RunKeeper

# Fits without an iteration: closed forms, and rules on counts.
CLOSED = {
    "ColumnMean": "means",
    "Popularity": "sums of columns",
    "NeighbourProfile": "products with a kernel",
    "RowKernelRidge": "one linear system",
    "KronRidge": "one linear system",
    "EASE": "one linear system",
    "ItemNeighbours": "products of columns",
    "TwoStepSVD": "two decompositions",
}
ITERATED = sorted(CASES.keys() - CLOSED.keys())


def seeded(case: Any) -> Any:
    """The case's estimator, everything random from the seed 0."""
    model = clone(case.model)
    seeds = [name for name in model.get_params() if name.split("__")[-1] == "random_state"]
    return model.set_params(**dict.fromkeys(seeds, 0))


def learned(model: Any) -> dict[str, np.ndarray]:
    return arrays({name: value for name, value in vars(model).items() if name.endswith("_")})


class Interrupted:
    """Counts what is kept, and stops the fit after one of these times."""

    def __init__(self, monkeypatch: Any) -> None:
        self.n_kept, self.last, keep = 0, None, RunKeeper.keep

        def counted(keeper: Any, params: Any, rows: Any, reason: Any) -> None:
            keep(keeper, params, rows, reason)
            self.n_kept += 1
            if self.n_kept == self.last:
                raise KeyboardInterrupt

        monkeypatch.setattr(RunKeeper, "keep", counted)

    def after(self, last: int | None) -> None:
        self.n_kept, self.last = 0, last


def assert_equal(again: dict[str, np.ndarray], whole: dict[str, np.ndarray], when: str) -> None:
    assert again.keys() == whole.keys()
    for key, array in whole.items():
        np.testing.assert_array_equal(again[key], array, err_msg=f"{key} {when}")


def interrupt(case: Any, watch: Interrupted, folder: Any, last: int) -> dict[str, np.ndarray]:
    """What is learned by a fit that stops after so many iterations, and goes on."""
    watch.after(last)
    with pytest.raises(KeyboardInterrupt):
        seeded(case).fit(case.data, checkpoint=folder, **case.more)
    watch.after(None)
    return learned(seeded(case).fit(case.data, checkpoint=folder, resume=True, **case.more))


@pytest.mark.slow_cases("Imputer")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ITERATED)
def test_a_fit_that_was_interrupted_goes_on_with_the_same_bits(name, tmp_path, monkeypatch):
    case, watch = CASES[name], Interrupted(monkeypatch)
    whole = learned(seeded(case).fit(case.data, checkpoint=tmp_path / "all", **case.more))
    total = watch.n_kept
    last = (total + 1) // 2
    assert_equal(interrupt(case, watch, tmp_path / "half", last), whole, f"after {last} of {total}")
    assert watch.n_kept == total - last


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ITERATED)
def test_a_fit_goes_on_from_its_first_and_from_its_last_iterations_and_a_checkpoint_costs_no_bit(
    name, tmp_path, monkeypatch
):
    case, watch = CASES[name], Interrupted(monkeypatch)
    whole = learned(seeded(case).fit(case.data, **case.more))
    assert watch.n_kept == 0
    assert_equal(learned(seeded(case).fit(case.data, checkpoint=tmp_path / "all", **case.more)), whole, "kept")
    total = watch.n_kept
    for last in sorted({1, 2, total // 3, total - 1, total} - {0}):
        assert_equal(interrupt(case, watch, tmp_path / str(last), last), whole, f"after {last} of {total}")
        assert watch.n_kept == total - last


def test_every_public_estimator_is_iterated_or_closed():
    assert CLOSED.keys() <= estimators().keys()


@pytest.mark.parametrize("name", ["BiasModel", "SoftImpute"])
def test_a_checkpoint_of_another_fit_is_refused(name, tmp_path):
    case = CASES[name]
    with pytest.raises(ValueError, match="no checkpoint to go on from"):
        seeded(case).fit(case.data, checkpoint=tmp_path / "new", resume=True)
    seeded(case).fit(case.data, checkpoint=tmp_path)
    with pytest.raises(ValueError, match="is of another fit"):
        seeded(case).set_params(tol=0.5).fit(case.data, checkpoint=tmp_path, resume=True)
    with pytest.raises(ValueError, match="is of another fit"):
        seeded(case).fit(as_observed(case.data).take_rows(np.arange(9)), checkpoint=tmp_path, resume=True)
    with pytest.raises(ValueError, match="needs checkpoint="):
        seeded(case).fit(case.data, resume=True)


@pytest.mark.filterwarnings("ignore:.*max_iter")
def test_a_fit_that_ended_too_soon_goes_on_with_more_iterations(tmp_path):
    case = CASES["BiasModel"]
    seeded(case).set_params(max_iter=3, tol=0.0).fit(case.data, checkpoint=tmp_path)
    more = seeded(case).set_params(max_iter=9, tol=0.0).fit(case.data, checkpoint=tmp_path, resume=True)
    whole = seeded(case).set_params(max_iter=9, tol=0.0).fit(case.data)
    assert_equal(learned(more), learned(whole), "went on")


def test_a_damaged_checkpoint_is_named(tmp_path):
    case = CASES["BiasModel"]
    seeded(case).fit(case.data, checkpoint=tmp_path)
    path = sorted(tmp_path.glob("loop-*.bin"))[0]
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match=r"loop-00001\.bin cannot be read"):
        seeded(case).fit(case.data, checkpoint=tmp_path, resume=True)


def test_a_fit_without_a_seed_is_not_begun(tmp_path):
    case = CASES["SoftImpute"]
    with pytest.raises(ValueError, match="give a number"):
        clone(case.model).set_params(random_state=None).fit(case.data, checkpoint=tmp_path)
