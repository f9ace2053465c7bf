"""Fits on a local Dask cluster: the bits of one process, for any number of workers, and after one is killed."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
from prepared_tables import entries, write_raw
from test_block_fits import MODELS, assert_same_bits

import halfseen as hs
from halfseen.engines import cluster

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*max_iter", "ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore:Port"
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
