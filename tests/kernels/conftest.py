"""Every backend that this machine can run."""

from __future__ import annotations

import os

import pytest

from halfseen.kernels import backend as choice
from kernel_problems import ISAS, use


@pytest.fixture(params=["reference", *ISAS])
def backend(request, monkeypatch):
    """Run the test with the NumPy twin and with every instruction set of this processor."""
    use(request.param, monkeypatch)
    return request.param


@pytest.fixture(params=ISAS or [pytest.param("none", marks=pytest.mark.skip(reason="no compiled kernels"))])
def isa(request):
    """Every instruction set of this processor; combine with :func:`use`."""
    return request.param


@pytest.fixture(autouse=True)
def own_instruction_set():
    """The choice of one test is not that of the tests behind it: the compiled module keeps one for the process."""
    yield
    if ISAS:
        choice.native(os.environ.get("HALFSEEN_ISA", ""))
