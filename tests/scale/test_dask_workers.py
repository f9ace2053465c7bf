"""Fits on a local Dask cluster: the bits of one process, for any number of workers, and after one is killed."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest
from prepared_tables import entries, write_raw
from test_block_fits import MODELS, assert_same_bits

import halfseen as hs
from halfseen.engines import cluster

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*max_iter",
    "ignore:rows have",
    "ignore:the fit ended",
    "ignore:the unique bases",
    "ignore::DeprecationWarning",
    "ignore::ResourceWarning",
    "ignore:Port",
)
distributed = pytest.importorskip("distributed", reason="needs dask")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    base = tmp_path_factory.mktemp("prepared")
    hs.prepare(write_raw(base / "raw", entries(), "parquet"), base / "table", blocks=5)
    return base / "table"


@pytest.fixture(scope="module")
def client():
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0", "memory_limit": 0}
    with distributed.LocalCluster(processes=True, **settings) as local, distributed.Client(local) as client:
        yield client


class TestOnWorkers:
    @pytest.mark.parametrize("name", MODELS)
    def test_workers_give_the_bits_of_one_process(self, folder, client, name):
        table = hs.read_table(folder)
        here = MODELS[name]().fit(table)
        with hs.engine(client):
            assert_same_bits(MODELS[name]().fit(table), here)

    def test_sources_are_fitted_where_they_are(self, folder, client):
        sources = {"one": hs.read_table(folder), "two": hs.read_table(folder)}
        model = hs.HeterogeneousFactorization(1, 1, solver="als", penalty=0.1, max_iter=5, tol=0, random_state=0)
        here = hs.HeterogeneousFactorization(**model.get_params()).fit(sources)
        with hs.engine(client):
            there = model.fit(sources)
        # the last bit of a dense product depends on whether an array lies in memory row by row: travelling changes it
        np.testing.assert_allclose(there.shared_basis_, here.shared_basis_, atol=1e-6)
        assert there.shares_["one"]["shared"] == pytest.approx(here.shares_["one"]["shared"], abs=1e-6)

    def test_a_table_in_memory_is_sent_to_the_workers(self, folder, client):
        table = hs.read_table(folder).load()
        here = hs.GeneralizedFactorModel(1, penalty="map", random_state=0).fit(table)
        there = hs.GeneralizedFactorModel(1, penalty="map", random_state=0, engine=client).fit(table)
        np.testing.assert_array_equal(there.col_factors_, here.col_factors_)

    def test_a_damaged_block_is_told_and_not_tried_again(self, folder, client, tmp_path):
        import shutil

        from halfseen.data.prepared import block_path

        copy = tmp_path / "table"
        shutil.copytree(folder, copy)
        table = hs.read_table(copy)
        path = block_path(str(copy), 3)
        path.write_bytes(path.read_bytes()[:-4])
        with hs.engine(client), pytest.raises(ValueError, match=r"part-00003\.bin"):
            MODELS["biases"]().fit(table)

    def test_a_lost_round_is_computed_again_with_the_same_bits(self, folder, client, monkeypatch):
        table = hs.read_table(folder)
        here, rounds = MODELS["least squares"]().fit(table), []
        once = cluster.DaskPlacement._once

        def lost_in_the_third(self, visit, C, starts):
            rounds.append(1)
            if len(rounds) == 3:
                raise distributed.KilledWorker("visit", "tcp://gone", 1)
            return once(self, visit, C, starts)

        monkeypatch.setattr(cluster.DaskPlacement, "_once", lost_in_the_third)
        with hs.engine(client):
            assert_same_bits(MODELS["least squares"]().fit(table), here)
        assert len(rounds) == 7 + 1

    @pytest.mark.slow
    def test_a_killed_worker_costs_a_round_and_no_bit(self, folder, client, monkeypatch):
        table = hs.read_table(folder)
        here, rounds = MODELS["least squares"]().fit(table), []
        once = cluster.DaskPlacement._once

        def killed_in_the_third(self, visit, C, starts):
            rounds.append(1)
            if len(rounds) == 3:
                os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
            return once(self, visit, C, starts)

        monkeypatch.setattr(cluster.DaskPlacement, "_once", killed_in_the_third)
        with hs.engine(client):
            assert_same_bits(MODELS["least squares"]().fit(table), here)
        assert len(rounds) <= 7 + 2


def workers_of(client):
    """Process numbers of the workers."""
    return list(client.run(os.getpid).values())


def counted(block, C, start):
    """A visit that only says how many entries a block has."""
    return [len(block.rows.values)]


def hungry(n_bytes):
    """A visit that leaves some memory in use in its worker each time."""

    def visit(block, C, start):
        import builtins

        import numpy as np

        builtins.halfseen_held = [*getattr(builtins, "halfseen_held", []), np.ones(n_bytes // 8)]
        return [len(block.rows.values)]

    return visit


class TestFaults:
    """One of each for real; the numbers are those of a fit without it, or there is one error that says what to do."""

    @pytest.mark.slow
    def test_a_stopped_worker_is_left_out(self, folder, client, monkeypatch):
        monkeypatch.setattr(cluster, "LEAST_WAIT", 8.0)
        monkeypatch.setattr(cluster, "TIMES_AS_LONG", 1.0)
        table, rounds, once = hs.read_table(folder), [], cluster.DaskPlacement._once
        here, stopped = MODELS["least squares"]().fit(table), []

        def stopped_in_the_third(self, visit, C, starts):
            rounds.append(1)
            if len(rounds) == 3:
                stopped.append(workers_of(client)[0])
                os.kill(stopped[0], signal.SIGSTOP)
            return once(self, visit, C, starts)

        monkeypatch.setattr(cluster.DaskPlacement, "_once", stopped_in_the_third)
        try:
            with hs.engine(client):
                assert_same_bits(MODELS["least squares"]().fit(table), here)
        finally:
            for number in stopped:
                os.kill(number, signal.SIGCONT)
        assert len(rounds) <= 7 + 2

    def test_a_changed_byte_is_named_by_its_file(self, folder, client, tmp_path):
        import shutil

        from halfseen.data.prepared import block_path

        copy = tmp_path / "table"
        shutil.copytree(folder, copy)
        path = block_path(str(copy), 2)
        data = bytearray(path.read_bytes())
        data[-3] ^= 1
        path.write_bytes(data)
        with hs.engine(client), pytest.raises(ValueError, match=r"part-00002\.bin does not have the checksum"):
            MODELS["biases"]().fit(hs.read_table(copy))

    def test_a_worker_without_memory_for_a_block_is_told_with_numbers(self, folder, client, monkeypatch):
        info = client.scheduler_info

        def small(**more):
            told = info(**more)
            workers = {address: {**each, "memory_limit": 1000} for address, each in told["workers"].items()}
            return {**told, "workers": workers}

        monkeypatch.setattr(client, "scheduler_info", small)
        with hs.engine(client), pytest.raises(ValueError, match=r"has 1 kB of memory, and a block .* needs"):
            MODELS["biases"]().fit(hs.read_table(folder))

    def test_blocks_that_do_not_fit_are_read_in_every_round(self, folder, client, monkeypatch):
        monkeypatch.setattr(cluster.DaskPlacement, "_checked_memory", lambda self: 0.0)
        table = hs.read_table(folder)
        with hs.engine(client):
            assert_same_bits(MODELS["least squares"]().fit(table), MODELS["least squares"]().fit(table))

    def test_a_slow_worker_is_given_nothing_any_more(self, folder, client, monkeypatch):
        client.wait_for_workers(2, timeout=60)
        table, (slow, other) = hs.read_table(folder), sorted(client.run(os.getpid))
        placement, C = cluster.DaskEngine(client).place(table), np.zeros((table.shape[1], 1))
        look, asked = cluster.DaskPlacement._look_for_slow, []

        def with_invented_seconds(self, finished):
            asked.append(set(finished))
            look(self, {home: 5.0 if home == slow else 0.1 for home in finished})

        monkeypatch.setattr(cluster.DaskPlacement, "_look_for_slow", with_invented_seconds)
        for _ in range(cluster.SLOW_ROUNDS):
            assert set(placement._homes()) == {slow, other}
            assert placement.round(counted, C) == [table.n_entries]
        assert placement._homes() == [other]
        assert placement.round(counted, C) == [table.n_entries]
        assert asked == [{slow, other}] * cluster.SLOW_ROUNDS + [{other}]

    @pytest.mark.slow
    def test_workers_without_memory_are_one_error_with_numbers_and_not_a_wait(self, folder):
        settings = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": ":0", "memory_limit": "1GB"}
        with distributed.LocalCluster(processes=True, **settings) as local, distributed.Client(local) as client:
            table = hs.read_table(folder)
            placement, C = cluster.DaskEngine(client).place(table), np.zeros((table.shape[1], 1))

            def eat():
                for _ in range(100):
                    placement.round(hungry(60_000_000), C)
                    time.sleep(0.3)

            begun = time.perf_counter()
            with pytest.raises((cluster.AllPaused, cluster.RoundLost), match=r"1 GB each at least; the largest block"):
                eat()
            assert time.perf_counter() - begun < 120

    @pytest.mark.slow
    @pytest.mark.parametrize("round_number", [1, 2, 5, 7])
    def test_a_worker_may_be_killed_in_every_phase(self, folder, client, monkeypatch, round_number):
        table, rounds, once = hs.read_table(folder), [], cluster.DaskPlacement._once
        here = MODELS["least squares"]().fit(table)

        def killed(self, visit, C, starts):
            rounds.append(1)
            if len(rounds) == round_number:
                client.wait_for_workers(2, timeout=60)
                os.kill(workers_of(client)[-1], signal.SIGKILL)
            return once(self, visit, C, starts)

        monkeypatch.setattr(cluster.DaskPlacement, "_once", killed)
        with hs.engine(client):
            assert_same_bits(MODELS["least squares"]().fit(table), here)
        assert len(rounds) <= 7 + 2

    @pytest.mark.slow
    def test_all_workers_gone_is_one_error_and_the_checkpoint_stays(self, folder, tmp_path, monkeypatch):
        monkeypatch.setattr(cluster, "PATIENCE", 0.05)
        monkeypatch.setattr(cluster, "TIMEOUT", 5.0)
        table, model, rounds = hs.read_table(folder), MODELS["least squares"], []
        once = cluster.DaskPlacement._once
        settings = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": ":0", "memory_limit": 0}
        with distributed.LocalCluster(processes=True, **settings) as local, distributed.Client(local) as client:

            def gone(self, visit, C, starts):
                rounds.append(1)
                if len(rounds) == 3:
                    local.scale(0)
                return once(self, visit, C, starts)

            monkeypatch.setattr(cluster.DaskPlacement, "_once", gone)
            with hs.engine(client), pytest.raises(cluster.RoundLost, match="go on from the last checkpoint"):
                model().fit(table, checkpoint=tmp_path)
        assert_same_bits(model().fit(table, checkpoint=tmp_path, resume=True), model().fit(table))


@pytest.mark.slow
def test_a_scheduler_that_is_gone_is_one_error_and_the_checkpoint_stays(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 0.05)
    monkeypatch.setattr(cluster, "TIMEOUT", 5.0)
    table, model, rounds = hs.read_table(folder), MODELS["least squares"], []
    whole = model().fit(table)
    settings = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": ":0", "memory_limit": 0}
    local = distributed.LocalCluster(processes=True, **settings)
    client, once = distributed.Client(local), cluster.DaskPlacement._once

    def gone_in_the_third(self, visit, C, starts):
        rounds.append(1)
        if len(rounds) == 3:
            local.close()
        return once(self, visit, C, starts)

    monkeypatch.setattr(cluster.DaskPlacement, "_once", gone_in_the_third)
    try:
        with hs.engine(client), pytest.raises(cluster.RoundLost, match="go on from the last checkpoint"):
            model().fit(table, checkpoint=tmp_path)
    finally:
        client.close(timeout=2)
    assert_same_bits(model().fit(table, checkpoint=tmp_path, resume=True), whole)
