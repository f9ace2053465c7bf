"""Torch is optional: nothing loads it unasked, and a model that needs it says how to get it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from halfseen.nets import find_device, load_torch, seed_of, threads_of
from without import run_without


def test_a_missing_torch_names_the_extra():
    done = run_without("torch", "from halfseen.nets import load_torch; load_torch('SparseAutoencoder')")
    assert "SparseAutoencoder needs torch, which is not installed" in done.stderr
    assert "pip install 'halfseen[torch]'" in done.stderr


def test_the_package_of_networks_does_not_load_torch():
    code = "import sys, halfseen.nets; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class TestWithTorch:
    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch")

    def test_auto_is_a_device_that_is_there(self, torch):
        torch.zeros(1, device=find_device("auto"))

    @pytest.mark.parametrize("name", ["gpu", "cuda:99"])
    def test_a_device_that_is_not_there_is_named(self, name):
        with pytest.raises(ValueError, match=f"device='{name}'"):
            find_device(name)

    def test_seeds_follow_the_generator(self, torch):
        rng = np.random.default_rng(3)
        one, two = torch.rand(4, generator=seed_of(rng)), torch.rand(4, generator=seed_of(rng))
        again = torch.rand(4, generator=seed_of(np.random.default_rng(3)))
        assert bool((one == again).all())
        assert not bool((one == two).any())

    def test_threads_are_put_back_even_after_an_error(self):
        torch = load_torch()
        before = torch.get_num_threads()

        def fails():
            with threads_of(before + 1):
                raise KeyError(torch.get_num_threads())

        with pytest.raises(KeyError, match=str(before + 1)):
            fails()
        assert torch.get_num_threads() == before
