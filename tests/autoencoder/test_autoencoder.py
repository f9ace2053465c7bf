"""The autoencoders against a naive twin, by hand, and on sources whose parts are known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from naive_autoencoder import deflated as naive_deflated
from naive_autoencoder import kernel as naive_kernel
from naive_autoencoder import value as naive_value

import halfseen as hs
from without import run_without

torch = pytest.importorskip("torch")

from small_autoencoders import OWN, PENALTIES, SPARSITY, plan_of, settings_of, start_of, two_tables, value_at  # noqa: E402

from halfseen.methods.autoencoder import (  # noqa: E402
    fitting,
    network,
)
from halfseen.methods.autoencoder.options import resolved  # noqa: E402
from halfseen.nets import as_arrays, as_weights, threads_of  # noqa: E402


@pytest.fixture(autouse=True)
def _one_thread():
    with threads_of(1):
        yield


@pytest.fixture
def tables():
    return two_tables()


class TestLayers:
    @pytest.mark.parametrize("kind", ["hat", "gaussian"])
    def test_kernels_are_those_of_the_naive_twin(self, kind):
        rng = np.random.default_rng(0)
        u, v = rng.normal(size=(5, 3)), 0.6 * rng.normal(size=(4, 3))
        found = network.kernel_of(torch.from_numpy(u), torch.from_numpy(v), kind, 0.7).numpy()
        np.testing.assert_allclose(found, naive_kernel(u, v, kind, 0.7), atol=1e-12)
        assert kind == "gaussian" or 0 < np.mean(found == 0) < 1

    def test_unfolding_undoes_folding(self):
        embedding = torch.arange(24.0).reshape(2, 12)
        folded = network.fold(embedding, 3)
        assert folded.shape == (2, 4, 3)
        assert folded[0, :, 1].tolist() == [4.0, 5.0, 6.0, 7.0]
        assert bool((network.unfold(folded) == embedding).all())

    def test_deflation_is_the_naive_one_and_leaves_nothing_in_the_span_of_the_shared_folds(self):
        shared, unique = (torch.rand(4, 12, dtype=torch.float64) for _ in range(2))
        found = network.deflate(shared, unique, 3)
        np.testing.assert_allclose(found, naive_deflated(shared.numpy(), unique.numpy(), 3, 1e-6), atol=1e-12)
        inner = network.fold(shared, 3).transpose(1, 2) @ network.fold(found, 3)
        assert float(inner.abs().max()) < 1e-4 * float(shared.abs().max())
        assert bool((network.deflate(shared, unique, 0) == unique).all())

    def test_nearly_equal_folds_do_not_break_the_projection(self):
        shared = torch.full((1, 12), 0.5) + 1e-8 * torch.rand(1, 12)
        assert bool(torch.isfinite(network.deflate(shared, torch.rand(1, 12), 3)).all())


class TestValue:
    @pytest.mark.parametrize("kernel", ["hat", "gaussian", "none"])
    def test_the_value_is_the_naive_one(self, tables, kernel):
        arrays, seen = tables
        plan = plan_of(kernel=kernel, gamma=0.8)
        start = start_of(plan, OWN)
        naive = naive_value(start, arrays, plan.layout, PENALTIES, SPARSITY)
        assert value_at(start, seen, plan)[1].item() == pytest.approx(naive, rel=1e-10)

    def test_without_own_encoders_it_is_that_of_one_network(self, tables):
        arrays, seen = tables
        plan = plan_of()
        start = start_of(plan, [None])
        whole = np.hstack([table for table, _ in arrays.values()])
        heft = np.hstack([np.ones((9, 4)), arrays[OWN[1]][1]])
        naive = naive_value(start, {None: (whole, heft)}, plan.layout, PENALTIES, SPARSITY)
        assert value_at(start, [(None, table) for _, table in seen], plan)[1].item() == pytest.approx(naive, rel=1e-10)

    @pytest.mark.parametrize("kernel", ["hat", "gaussian"])
    def test_its_gradient_is_that_of_finite_differences(self, tables, kernel):
        arrays, seen = tables
        plan = plan_of(kernel=kernel)
        start, rng = start_of(plan, OWN), np.random.default_rng(2)
        weights, value = value_at(start, seen, plan)
        value.backward()
        direction = {name: rng.normal(size=array.shape) for name, array in start.items()}
        slope = sum(np.sum(direction[name] * weight.grad.numpy()) for name, weight in weights.items())
        ends = []
        for step in (1e-6, -1e-6):
            moved = {name: array + step * direction[name] for name, array in start.items()}
            ends.append(naive_value(moved, arrays, plan.layout, PENALTIES, SPARSITY))
        assert slope == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5)

    def test_batches_and_sources_sum_to_the_whole(self, tables):
        _, seen = tables
        plan = plan_of(batch=3)
        start, totals = start_of(plan, OWN), fitting.entries_of(seen)
        weights, whole = value_at(start, seen, plan)
        rounds = fitting.AveragingRounds(
            plan, [[one] for one in seen], [weights, weights], None, np.random.default_rng(0)
        )
        pieces = [next(rounds._batches[0]) for _ in range(2)] + [next(rounds._batches[1]) for _ in range(3)]
        total = sum(fitting.value_of(weights, plan, groups, totals).item() for groups in pieces)
        assert total == pytest.approx(whole.item(), rel=1e-12)

    def test_dropped_entries_are_missing_in_the_input_and_asked_for_in_the_output(self):
        noise = fitting.Noise(settings_of(solver="adamw", drop_entries=0.3), "cpu", np.random.default_rng(0))
        kept = noise.entries(torch.ones(20_000))
        assert kept.unique().tolist() == pytest.approx([0.0, 1.0 / 0.7])
        # the share of 20 000 draws has a standard deviation of .0032
        assert float((kept == 0).float().mean()) == pytest.approx(0.3, abs=0.013)
        assert bool((noise.units(kept) == kept).all())


@pytest.mark.slow
def test_a_round_is_a_step_of_adamw_at_every_source_and_an_average_of_what_is_shared(tables):
    _, seen = tables
    plan = plan_of(weight_decay=0.1)
    start, totals = start_of(plan, OWN), fitting.entries_of(seen)
    moved = []
    for table in seen:  # the first step of AdamW is rate times the sign of the gradient, but where that is next to 0
        weights = as_weights(start, "cpu")
        groups = [(table[0], plan.columns(table[1]))]
        fitting.value_of(weights, plan, groups, totals).backward()
        used = {name: weight for name, weight in weights.items() if weight.grad is not None}
        slope = {name: weight.grad.numpy() for name, weight in used.items()}
        rate = 0.05 * np.sqrt(2)  # of two sources
        moved.append({name: 0.995 * start[name] - rate * g / (np.abs(g) + 1e-8) for name, g in slope.items()})
    clients = [[table] for table in seen]
    copies = fitting.copies_of(as_weights(start, "cpu"), clients)
    found = as_arrays(fitting.AveragingRounds(plan, clients, copies, None, np.random.default_rng(0))(None).params)
    assert found.keys() == start.keys()
    for name, array in found.items():
        if name.split(".")[0] in fitting.SHARED:
            wanted = (moved[0][name] + moved[1][name]) / 2
        else:
            wanted = moved[OWN.index(name.split(".")[0])][name]
        np.testing.assert_allclose(array, wanted, atol=1e-10, err_msg=name)
    for name in fitting.shared_names(found):
        np.testing.assert_array_equal(copies[0][name].detach(), copies[1][name].detach())


def test_the_rate_falls_to_0_over_the_cooldown_and_then_nothing_moves(tables):
    _, seen = tables
    plan = plan_of(max_iter=2, steps=5, cooldown=0.4)
    assert [plan.rate_part(done) for done in (0, 6, 8, 10)] == pytest.approx([1.0, 1.0, 0.5, 0.0])
    clients = [[table] for table in seen]
    copies = fitting.copies_of(as_weights(start_of(plan, OWN), "cpu"), clients)
    rounds = fitting.AveragingRounds(plan, clients, copies, None, np.random.default_rng(0))
    states = [as_arrays(rounds(None).params)["shared.1.weight"] for _ in range(12)]
    moves = [np.abs(after - before).max() for before, after in pairwise(states)]
    assert min(moves[:8]) > 0
    assert moves[-1] == moves[-2] == 0


def test_without_weights_of_their_own_sources_are_completed_by_the_shared_network(tables):
    _, seen = tables
    plan = plan_of(unique_end="tanh")
    start = start_of(plan, OWN)
    shared = {name: start[name] for name in fitting.shared_names(start)}
    empty = shared | {name: np.zeros_like(array) for name, array in start.items() if name not in shared}
    plain = plan_of(PENALTIES | {"unique": 0.0}, unique_end="tanh", sparsity=0.0)
    alone = value_at(shared, [(None, table) for _, table in seen], plain)[1].item()
    assert value_at(empty, seen, plain)[1].item() == pytest.approx(alone, rel=1e-12)
    assert value_at(start, seen, plain)[1].item() != pytest.approx(alone, rel=1e-6)


@pytest.fixture(scope="module")
def data():
    design = hs.datasets.SourcesDesign(noise=0.1)
    return hs.datasets.make_sources_data(3, 40, 60, 2, 1, observed=0.6, design=design, random_state=3)


class TestTraining:
    def model(self, kind=hs.HeterogeneousAutoencoder, **more):
        given = {"width": 12, "penalty": 0.05, "solver": "lbfgs", "device": "cpu", "random_state": 0}
        given |= {"hidden": 24, "max_iter": 12}
        if kind is hs.HeterogeneousAutoencoder:
            given |= {"unique_hidden": 12, "folds": 2}
        return kind(**(given | more))

    @pytest.mark.fast_cases("SparseAutoencoder-lbfgs")
    @pytest.mark.parametrize("solver", ["lbfgs", "adamw", "rounds"])
    @pytest.mark.parametrize("kind", [hs.SparseAutoencoder, hs.HeterogeneousAutoencoder])
    def test_the_value_falls_and_the_seed_reproduces_every_bit(self, data, solver, kind):
        more = {"learning_rate": 0.01, "max_iter": 4, "drop_entries": 0.2 * (solver != "lbfgs"), "batch": 25}
        model = self.model(kind, solver=solver, **more).fit(data.sources)
        assert model.run_.trace.value[-1] < 0.9 * model.run_.trace.value[0]
        again = self.model(kind, solver=solver, **more).fit(data.sources)
        other = self.model(kind, solver=solver, **more, random_state=1).fit(data.sources)
        for name in data.sources.names:
            np.testing.assert_array_equal(model.predict_table(name), again.predict_table(name))
            assert not np.allclose(model.predict_table(name), other.predict_table(name))

    @pytest.mark.slow
    def test_it_predicts_entries_it_has_not_seen_from_the_structure_of_the_table(self, data):
        train, test = data.sources.split(0.1, random_state=0)
        model = self.model(unique_penalty=0.05, max_iter=40).fit(train)
        truth = np.concatenate([table.values for table in test.values()])
        assert -model.score(test) < 0.7 * 0.5 * np.mean(truth**2)

    def test_embeddings_are_sums_of_parts_that_are_orthogonal_by_folds(self, data):
        model = self.model(held_out=0, max_iter=2).fit(data.sources)
        for name in data.sources.names:
            shared, unique = model.shared_embeddings_[name], model.unique_embeddings_[name]
            np.testing.assert_allclose(model.embeddings_[name], shared + unique)
            A, B = (part.reshape(len(part), 2, -1) for part in (shared, unique))
            assert np.abs(np.einsum("jkd,jld->jkl", A, B)).max() < 1e-4
            assert np.abs(unique).max() > 1e-3

    @pytest.mark.slow
    def test_training_ends_on_held_out_entries_and_goes_once_more_over_all(self, data):
        noisy = hs.Sources({name: table.with_values(np.random.default_rng(0).normal(size=table.n_entries))
                            for name, table in data.sources.items()})  # fmt: skip
        model = self.model(penalty=0.001, max_iter=30, patience=2).fit(noisy)
        assert model.run_.reason == "held_out"
        assert model.n_iter_ < 10
        once = self.model(penalty=0.001, max_iter=30, patience=2, is_refitted=False).fit(noisy)
        assert once.n_iter_ == model.n_iter_ + 2  # two sweeps more than were best
        assert self.model(held_out=0, max_iter=5).fit(noisy).n_iter_ == 5

    def test_what_is_held_out_was_seen_once_and_only_once(self, data):
        tables = [(None, table) for table in data.sources.values()]
        seen, hidden = fitting.held_out(tables, 0.2, np.random.default_rng(0))
        for (_, whole), (_, kept), judged in zip(tables, seen, hidden, strict=True):
            both = np.concatenate([kept.rows * 60 + kept.cols, judged.rows * 60 + judged.cols])
            np.testing.assert_array_equal(np.sort(both), np.sort(whole.rows * 60 + whole.cols))
            assert judged.n_entries > 0.1 * whole.n_entries

    @pytest.mark.slow
    def test_several_starts_average_their_predictions(self, data):
        both = self.model(held_out=0, n_starts=2, max_iter=3).fit(data.sources)
        alone = []
        for rng in np.random.default_rng(0).spawn(2):  # as the fit spawns them
            one = self.model(held_out=0, max_iter=3)
            one._observe_sources(data.sources)
            one.fit(data.sources)
            plan = one._plan(resolved(one._checked()), torch.device("cpu"))
            tables = [(one._encoder(k), one._scaled(table)) for k, table in enumerate(data.sources.values())]
            net = fitting.train(tables, plan, 0.0, rng)
            matrix, offset = fitting.decoder_arrays(net.weights, plan)
            shared, unique = fitting.embedding_arrays(net.weights, plan, *tables[1])
            alone.append(one.scale_ * ((shared + unique) @ matrix.T + offset).T)
        np.testing.assert_allclose(both.predict_table("source 1"), np.mean(alone, axis=0), atol=1e-4)
        assert both.embeddings_["source 1"].shape == (60, 24)

    @pytest.mark.slow
    def test_another_unit_of_the_values_changes_nothing_else(self, data):
        times = {name: table.with_values(1024.0 * table.values) for name, table in data.sources.items()}
        one = self.model(held_out=0, max_iter=3).fit(data.sources)
        other = self.model(held_out=0, max_iter=3).fit(times)
        np.testing.assert_allclose(other.predict_table("source 0"), 1024 * one.predict_table("source 0"), rtol=1e-5)

    @pytest.mark.slow
    def test_mean_predictions_stay_in_the_range_asked_for(self, data):
        model = self.model(max_iter=4, clip=(-0.2, 0.3)).fit(data.sources)
        mean, linear = (model.predict_table("source 0", kind) for kind in ("mean", "linear"))
        assert mean.min() == pytest.approx(-0.2)
        assert mean.max() == pytest.approx(0.3)
        assert linear.max() > 0.3

    @pytest.mark.slow
    def test_training_the_shared_part_first_changes_where_the_rest_begins(self, data):
        few = {"max_iter": 2, "unique_end": "tanh"}
        plain = self.model(held_out=0, **few).fit(data.sources)
        first = self.model(held_out=0, **few, pretrain=8).fit(data.sources)
        assert first.run_.value < 0.9 * plain.run_.value
        assert first.n_iter_ == 2

    def test_callbacks_are_told_of_every_sweep(self, data):
        class Count:
            sweeps = 0

            def setup(self, estimator, context): ...
            def teardown(self, estimator, context): ...
            def on_fit_task_begin(self, estimator, context): ...

            def on_fit_task_end(self, estimator, context):
                self.sweeps += context.task_name == "sweep"

        count = Count()
        self.model(held_out=0, max_iter=3).set_callbacks(count).fit(data.sources)
        assert count.sweeps == 3

    @pytest.mark.slow
    def test_a_saved_model_predicts_without_torch(self, data, tmp_path):
        model = self.model(max_iter=2).fit(data.sources)
        hs.save(model, tmp_path / "model.safetensors")
        code = (
            f"import halfseen as hs; model = hs.load({str(tmp_path / 'model.safetensors')!r}); "
            "print(repr(float(model.predict_entries('source 1', [3], [4])[0])))"
        )
        done = run_without("torch", code)
        assert not done.stderr
        assert float(done.stdout) == float(model.predict_entries("source 1", [3], [4])[0])

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
    def test_cuda_starts_at_the_same_value_and_learns(self, data):
        models = [self.model(device=name, held_out=0, max_iter=3) for name in ("cpu", "cuda")]
        traces = [model.fit(data.sources).run_.trace.value for model in models]
        np.testing.assert_allclose(traces[0][0], traces[1][0], rtol=1e-2)


class TestBadInput:
    @pytest.mark.parametrize(
        ("more", "message"),
        [
            ({"solver": "sgd"}, "solver='sgd' is not allowed; needed: one of 'adamw', 'rounds', 'lbfgs'"),
            ({"width": 0}, "width=0 is not allowed; needed: a whole number of at least 1"),
            ({"penalty": -1}, "penalty=-1 is not allowed; needed: a finite number of at least 0"),
            ({"held_out": 1.0}, "held_out=1.0 is not allowed; .* below 1"),
            ({"device": "cuda:99"}, "device='cuda:99'"),
            ({"folds": 7}, "folds=7 is not allowed; .* divides width=6"),
            ({"folds": 3}, "nothing is left beside the shared embedding"),
            ({"kernel": "hut"}, "kernel='hut' is not allowed; needed: one of 'hat'"),
            ({"batch": 0}, "batch=0 is not allowed; needed: None or a whole number of at least 1"),
            ({"solver": "lbfgs", "drop_entries": 0.5}, "needs AdamW"),
        ],
    )
    def test_the_parameter_is_named(self, more, message):
        with pytest.raises(ValueError, match=message):
            hs.HeterogeneousAutoencoder(**({"width": 6, "device": "cpu"} | more)).fit(np.eye(8))

    def test_new_columns_need_the_rows_of_the_fit_and_a_source(self):
        sizes = {"hidden": 4, "unique_hidden": 4, "folds": 2, "max_iter": 1, "drop_entries": 0.0}
        model = hs.HeterogeneousAutoencoder(6, device="cpu", **sizes).fit([np.eye(8), np.ones((8, 3))])
        with pytest.raises(ValueError, match="table has 5 rows, the fit 8"):
            model.predict_columns(np.ones((5, 2)), "0")
        with pytest.raises(ValueError, match="no source None; there are '0', '1'"):
            model.predict_columns(np.ones((8, 2)))

    @pytest.mark.slow
    def test_a_missing_torch_is_named_before_any_work(self):
        code = "import numpy as np, halfseen as hs; hs.HeterogeneousAutoencoder().fit(np.eye(3))"
        done = run_without("torch", code)
        assert "HeterogeneousAutoencoder needs torch, which is not installed" in done.stderr
        assert "pip install 'halfseen[torch]'" in done.stderr
