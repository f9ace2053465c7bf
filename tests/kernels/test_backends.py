"""Which kernels run, what they refuse, and that they let other threads run."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest

from halfseen import kernels
from halfseen.kernels import backend as choice
from kernel_problems import ISAS, make_problem, use

compiled = pytest.mark.skipif(not ISAS, reason="no compiled kernels")


def run_python(code, **environment):
    import os

    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@compiled
def test_environment_chooses_the_backend():
    code = "from halfseen.kernels import backend_name; print(backend_name())"
    assert run_python(code, HALFSEEN_KERNELS="reference", HALFSEEN_ISA="").stdout.strip() == "reference"
    for isa in ISAS:
        assert run_python(code, HALFSEEN_KERNELS="native", HALFSEEN_ISA=isa).stdout.strip() == f"native ({isa})"
    assert "known: 'native', 'reference'" in run_python(code, HALFSEEN_KERNELS="gpu").stderr
    assert "HALFSEEN_ISA='v9'" in run_python(code, HALFSEEN_KERNELS="", HALFSEEN_ISA="v9").stderr


def test_a_missing_module_warns_once_and_falls_back(monkeypatch):
    monkeypatch.delenv("HALFSEEN_KERNELS", raising=False)
    monkeypatch.setitem(sys.modules, "halfseen.kernels._native", None)
    monkeypatch.delattr("halfseen.kernels._native", raising=False)
    choice.backend.cache_clear()
    try:
        with pytest.warns(RuntimeWarning, match="without its compiled kernels") as caught:
            assert choice.backend_name() == "reference"
        assert choice.backend_name() == "reference"
        assert len(caught) == 1
        monkeypatch.setenv("HALFSEEN_KERNELS", "native")
        choice.backend.cache_clear()
        with pytest.raises(ImportError):
            choice.backend()
    finally:
        choice.backend.cache_clear()


def test_wrong_arrays_are_refused_by_name(backend):
    P = make_problem(k=4)

    def call(A=P.A, B=P.B, **more):
        return kernels.loss_and_gradient(P.view, A, B, **{"family": "gaussian", **more})

    with pytest.raises(TypeError, match="A is float32"):
        call(A=P.A.astype(np.float32))
    with pytest.raises(TypeError, match="B is float64, not C-contiguous"):
        call(B=np.asfortranarray(P.B))
    with pytest.raises(ValueError, match=r"A has shape .23, 3."):
        call(A=P.A[:, :3].copy())
    with pytest.raises(ValueError, match="B has shape"):
        call(B=P.B[:5])
    with pytest.raises(ValueError, match="family='cauchy'"):
        call(family="cauchy")
    with pytest.raises(ValueError, match="col_offset has shape"):
        call(col_offset=np.ones(3))
    with pytest.raises(ValueError, match="offset has shape"):
        call(offset=np.ones(3))
    with pytest.raises(ValueError, match=r"rows 5\.\.99"):
        call(start=5, stop=99)
    with pytest.raises(ValueError, match="grad_A has 2 rows"):
        call(grad_A=np.empty((2, 4)))
    frozen = np.zeros_like(P.B)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="grad_B is read-only"):
        call(grad_B=frozen)
    with pytest.raises(ValueError, match="method='lu'"):
        kernels.row_newton(P.view, P.A, P.B, family="gaussian", method="lu")


@compiled
def test_the_compiled_module_checks_what_it_is_given():
    from halfseen.kernels import _native

    P = make_problem(k=4)
    block = (P.view.indptr, P.view.indices, P.view.values, None, None, P.view.n_minor)
    nothing = (None,) * 6
    with pytest.raises(TypeError):
        _native.loss_and_gradient(block, P.A.astype(np.float32), P.B, 0, 1.0, *nothing)
    with pytest.raises(ValueError, match="factors do not fit"):
        _native.loss_and_gradient(block, P.A[:3], P.B, 0, 1.0, *nothing)
    with pytest.raises(ValueError, match="indptr and values disagree"):
        _native.loss_and_gradient((P.view.indptr[:-1], *block[1:]), P.A[:-1], P.B, 0, 1.0, *nothing)


def runs_beside(call, tries=500):
    """Whether a thread that waits for the lock gets it inside a call: nothing else here hands it over."""
    begun, inside, returned = threading.Event(), [], False

    def other():
        begun.wait()
        inside.append(not returned)

    interval = sys.getswitchinterval()
    thread = threading.Thread(target=other)
    thread.start()
    sys.setswitchinterval(1e6)
    try:
        begun.set()
        for _ in range(tries):
            call()
            if inside:
                break
        returned = True
    finally:
        sys.setswitchinterval(interval)
        thread.join()
    return inside == [True]


@compiled
def test_kernels_run_without_the_gil(monkeypatch):
    from halfseen.kernels import _native

    use("", monkeypatch)
    P = make_problem(n=300, p=200, k=8, density=0.3, offsets=False)
    block = (P.view.indptr, P.view.indices, P.view.values, None, None, P.view.n_minor)
    assert runs_beside(lambda: _native.loss_and_gradient(block, P.A, P.B, 0, 1.0, *(None,) * 6))
    assert not runs_beside(lambda: sum(range(1000)))
