"""Data sets: bundled, simulated, real."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from halfseen import datasets


def test_digits_are_counts_of_sixteen_and_a_share_can_be_hidden():
    table = datasets.load_digits_counts()
    assert table.shape == (1797, 64)
    assert (table.values.min(), table.values.max()) == (0, 16)
    some = datasets.load_digits_counts(observed=0.4, random_state=0)
    assert some.n_entries == round(0.4 * table.n_entries)
    again = datasets.load_digits_counts(observed=0.4, random_state=0)
    np.testing.assert_array_equal(some.cols, again.cols)
    with pytest.raises(ValueError, match="observed must lie in"):
        datasets.load_digits_counts(observed=0.0)


@pytest.mark.parametrize("rank", [0, 1, 2, 4])
@pytest.mark.parametrize("family", ["bernoulli", "gaussian", "poisson", "binomial(5)"])
def test_simulated_factors_are_centred_balanced_and_of_the_given_strength(rank, family):
    n, p, strength = 80, 50, 0.7
    data = datasets.make_factor_data(n, p, rank, family, strength, observed=0.5, random_state=0)
    X, Y = data.row_factors, data.col_factors
    assert X.shape == (n, rank)
    np.testing.assert_allclose(X.mean(axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(X.T @ X, Y.T @ Y, atol=1e-10)
    np.testing.assert_allclose(X.T @ X, np.diag(np.diag(X.T @ X)), atol=1e-10)
    assert (np.diff(np.diag(X.T @ X)) <= 0).all()
    assert (Y.sum(axis=0) >= 0).all()
    np.testing.assert_allclose(np.linalg.norm(X @ Y.T), strength * np.sqrt(n * p) if rank else 0)
    np.testing.assert_array_equal(data.intercept, np.full(p, -0.6))
    np.testing.assert_allclose(data.linear, X @ Y.T - 0.6)


def test_two_factors_have_the_ratio_of_singular_values_the_paper_gives():
    data = datasets.make_factor_data(60, 40, 2, random_state=0)
    singular = np.linalg.svd(data.row_factors @ data.col_factors.T, compute_uv=False)
    np.testing.assert_allclose(singular[0] / singular[1], 1.5)


def test_simulated_responses_have_the_mean_and_share_the_model_says():
    n, p = 400, 300
    for family, top in (("bernoulli", 1), ("binomial(4)", 4), ("poisson", np.inf), ("gaussian", np.inf)):
        data = datasets.make_factor_data(n, p, 2, family, observed=0.3, random_state=1)
        table = data.observed
        # 120000 cells: the share has standard deviation 0.0013, five of them allowed.
        assert abs(table.density - 0.3) < 0.0066
        mean = data.mean[table.rows, table.cols]
        spread = np.std(table.values - mean) / np.sqrt(table.n_entries)
        assert abs(np.mean(table.values - mean)) < 5 * spread
        assert table.values.max() <= top
    with pytest.raises(ValueError, match=r"rank must be at least 0 and below min\(n, p\) = 5"):
        datasets.make_factor_data(5, 5, 5)
    with pytest.raises(ValueError, match="observed must lie in"):
        datasets.make_factor_data(5, 5, 1, observed=1.5)


def test_a_seed_decides_the_simulation_and_small_blocks_of_rows_do_too(monkeypatch):
    first, again, other = (datasets.make_factor_data(50, 20, random_state=seed).observed for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.values, again.values)
    assert first.n_entries != other.n_entries or not np.array_equal(first.cols, other.cols)
    monkeypatch.setattr("halfseen.datasets.simulated.BLOCK", 100)
    blocks = datasets.make_factor_data(50, 20, observed=1.0, random_state=0)
    assert blocks.observed.n_entries == 1000


def test_the_data_folder_comes_from_the_environment_or_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HALFSEEN_DATA", str(tmp_path))
    assert datasets.data_home() == tmp_path
    monkeypatch.delenv("HALFSEEN_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert datasets.data_home().name == "halfseen"


def test_absent_and_unknown_sets_say_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("HALFSEEN_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"set HALFSEEN_DATA to the folder that holds ml-100k/u\.data"):
        datasets.load("ml-100k")
    with pytest.raises(ValueError, match="unknown data set 'ml-10k'; close: 'ml-100k'"):
        datasets.path("ml-10k")
    with pytest.raises(ValueError, match="'digits' is bundled and has no file"):
        datasets.path("digits")
    here = {info.name: info.here for info in datasets.list_datasets()}
    assert here["digits"]
    assert not here["ml-1m"]
    assert list(here) == datasets.names()


def test_a_file_in_the_data_folder_is_found_and_read(monkeypatch, tmp_path):
    (tmp_path / "ml-100k").mkdir()
    (tmp_path / "ml-100k" / "u.data").write_text("1\t10\t5\t881250949\n2\t10\t3\t881250949\n")
    monkeypatch.setenv("HALFSEEN_DATA", str(tmp_path))
    assert datasets.path("ml-100k") == tmp_path / "ml-100k" / "u.data"
    assert datasets.load("ml-100k").values.tolist() == [5.0, 3.0]


HOME = os.environ.get("HALFSEEN_DATA")


@pytest.mark.data
@pytest.mark.skipif(not HOME or not Path(HOME).is_dir(), reason="set HALFSEEN_DATA to the folder of real data sets")
@pytest.mark.parametrize(
    ("name", "shape", "n_entries", "mean"),
    [
        ("ml-100k", (943, 1682), 100_000, 3.52986),
        ("ml-1m", (6040, 3706), 1_000_209, 3.581564),
        ("amazon-magazine", (72_098, 2_428), 88_318, None),
        ("evalplus_binary", (71, 1084), 60_676, 0.598),
        ("humaneval_hf", (29, 164), 29 * 164, None),
        ("cruxeval_input", (37, 800), 37 * 800, None),
        ("livecodebench", (58, 400), 58 * 400, None),
        ("swebench_multimodal", (12, 510), 12 * 510, None),
        ("terminal_bench_1", (25, 80), 25 * 80, None),
        ("psn_irt", (12, 41_871), 12 * 41_871, None),
        ("big5", (19_719, 50), 19_718 * 50, None),
    ],
)
def test_real_sets_have_their_published_size(name, shape, n_entries, mean):
    table = datasets.load(name)
    assert table.shape == shape
    assert table.n_entries == n_entries
    if mean is not None:
        assert abs(table.values.mean() - mean) < 5e-4
